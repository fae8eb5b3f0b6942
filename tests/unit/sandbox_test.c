// SPDX-License-Identifier: Apache-2.0
/* What the sensor gives up, tried in a forked child: each story's child exits with the number of what went
 * wrong. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/bpf.h>
#include <cmocka.h>
#include "lib/util.h"
#include "sensor/sandbox.h"

static int in_child(int (*story)(void))
{
	int status;

	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(story());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int drop(void)
{
	uid_t uid;
	gid_t gid;
	bool kept;

	if (sandbox_user("nobody", &uid, &gid))
		return 100;
	pid_t parent = getppid();
	if (sandbox_sensor(uid, gid, parent, &kept))
		return 101;
	if (geteuid() == 0 || getuid() == 0)
		return 102;
	return sandbox_seccomp() ? 103 : 0;
}

static int cannot_call_bpf_or_gain_anything(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
	int r = drop();

	if (r)
		return r;
	if (syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr) != -1 || errno != EPERM)
		return 1;
	if (setuid(0) != -1)
		return 2;
	if (ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) != -1)
		return 3;
	if (kill(getppid(), 0) != -1)
		return 4;
	if (execl("/bin/true", "true", (char *)NULL) != -1)
		return 5;
	if (syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */) != -1)
		return 6;
	if (mount("none", "/tmp", "tmpfs", 0, NULL) != -1)
		return 7;
	if (socket(AF_PACKET, SOCK_RAW, 0) != -1)
		return 8;
	if (prctl(PR_SET_DUMPABLE, 1) != -1)
		return 9;
	/* A process of its own would outlive the warden's death. */
	if (fork() != -1)
		return 10;
	return 0;
}

static int reads_files_and_writes_none(void)
{
	int r = drop();

	if (r)
		return r;
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 1;
	if (open("/tmp/picket-sandbox-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) != -1 || errno != EPERM)
		return 2;
	if (open("/dev/null", O_RDWR | O_CLOEXEC) != -1)
		return 3;
	if (socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0)
		return 4;
	return 0;
}

static int ends_when_its_parent_is_gone(void)
{
	uid_t uid;
	gid_t gid;
	bool kept;

	if (sandbox_user("nobody", &uid, &gid))
		return 100;
	return sandbox_sensor(uid, gid, 1 << 22 /* no such parent */, &kept) == -ESRCH ? 0 : 1;
}

static int keeps_only_the_named_descriptors(void)
{
	int a = open("/dev/null", O_RDONLY | O_CLOEXEC), b = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int c = open("/dev/null", O_RDONLY | O_CLOEXEC), d = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int keep[] = {d, b};

	if (sandbox_close_except(keep, ARRAY_SIZE(keep)))
		return 1;
	if (fcntl(a, F_GETFD) != -1 || fcntl(c, F_GETFD) != -1)
		return 2;
	if (fcntl(b, F_GETFD) == -1 || fcntl(d, F_GETFD) == -1 || fcntl(2, F_GETFD) == -1)
		return 3;
	return 0;
}

static void sensor_cannot_call_bpf_or_gain_anything(void **state)
{
	(void)state;
	assert_int_equal(in_child(cannot_call_bpf_or_gain_anything), 0);
}

static void sensor_reads_files_and_writes_none(void **state)
{
	(void)state;
	assert_int_equal(in_child(reads_files_and_writes_none), 0);
}

static void sensor_ends_when_its_parent_is_gone(void **state)
{
	(void)state;
	assert_int_equal(in_child(ends_when_its_parent_is_gone), 0);
}

static void sensor_keeps_only_the_named_descriptors(void **state)
{
	(void)state;
	assert_int_equal(in_child(keeps_only_the_named_descriptors), 0);
}

static void unknown_user_is_an_error_and_nobody_always_there(void **state)
{
	uid_t uid;
	gid_t gid;

	(void)state;
	assert_int_equal(sandbox_user("no-such-user-here", &uid, &gid), -ENOENT);
	assert_int_equal(sandbox_user("nobody", &uid, &gid), 0);
	assert_int_not_equal(uid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sensor_cannot_call_bpf_or_gain_anything),
		cmocka_unit_test(sensor_reads_files_and_writes_none),
		cmocka_unit_test(sensor_ends_when_its_parent_is_gone),
		cmocka_unit_test(sensor_keeps_only_the_named_descriptors),
		cmocka_unit_test(unknown_user_is_an_error_and_nobody_always_there),
	};

	if (geteuid() != 0) {
		puts("skipped: needs root");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
