// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/util.h"
#include "sensor/processes.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void a_container_is_found_by_how_runtimes_name_its_cgroup(void **state)
{
	(void)state;
	static const struct {
		const char *cgroup, *container;
	} table[] = {
		{"0::/system.slice/docker-" ID ".scope\n", ID},
		{"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope\n", ID},
		{"0::/machine.slice/libpod-" ID ".scope/container\n", ID},
		{"12:pids:/docker/" ID "\n11:memory:/docker/" ID "\n0::/\n", ID},
		{"0::/docker/" ID, ID},
		{"0::/user.slice/user-0.slice/session-1.scope\n", NULL},
		{"0::/x/" ID "0\n", NULL},          /* longer: something else */
		{"0::/x/0123456789abcdef\n", NULL}, /* shorter */
		{"0::/docker/" ID "/nested/a" ID "\n", ID},
		{"", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char id[PROCESS_CONTAINER_MAX] = "";
		bool found = process_container(span_from(table[i].cgroup), id);
		if (found != (table[i].container != NULL) || (found && strcmp(id, table[i].container) != 0))
			fail_msg("%s: %s", table[i].cgroup, id);
	}
}

static void a_process_is_found_by_its_id_and_read_again_later(void **state)
{
	(void)state;
	struct processes *p;
	const struct process *found;

	assert_int_equal(processes_new(&p), 0);
	if (!processes_available(p)) {
		assert_null(processes_find(p, (uint32_t)getpid(), 1));
		processes_free(p);
		print_message("this is not the first PID namespace\n");
		skip();
	}
	assert_int_equal(prctl(PR_SET_NAME, "before"), 0);
	found = processes_find(p, (uint32_t)getpid(), 1);
	assert_non_null(found);
	assert_string_equal(found->name, "before");
	assert_int_equal(prctl(PR_SET_NAME, "after"), 0);
	assert_string_equal(processes_find(p, (uint32_t)getpid(), 2)->name, "before");
	assert_string_equal(processes_find(p, (uint32_t)getpid(), 1 + PROCESSES_FRESH_NS)->name, "after");
	assert_null(processes_find(p, 0, 1));
	assert_null(processes_find(p, 0x7fffffff, 1)); /* beyond what Linux gives out */
	processes_free(p);
}

/* Every short-lived worker has a name of its own, and the sensor runs for months. */
static void a_process_is_named_however_many_were_before(void **state)
{
	(void)state;
	struct processes *p;
	uint64_t now = 1;
	char name[PROCESS_NAME_MAX];

	assert_int_equal(processes_new(&p), 0);
	if (!processes_available(p)) {
		processes_free(p);
		print_message("this is not the first PID namespace\n");
		skip();
	}
	for (unsigned i = 0; i < 3000; i++, now += PROCESSES_FRESH_NS) {
		snprintf(name, sizeof name, "worker-%u", i);
		assert_int_equal(prctl(PR_SET_NAME, name), 0);
		const struct process *found = processes_find(p, (uint32_t)getpid(), now);
		if (!found || strcmp(found->name, name) != 0)
			fail_msg("%s is called %s", name, found ? found->name : "nothing");
	}
	processes_free(p);
}

/* What a process of another user sees: in a mount or PID namespace of its own, with a /proc mounted so. */
static enum processes_sight sight_with(int namespaces, const char *proc_options)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNS | namespaces) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(77);
		pid_t inner = fork(); /* a PID namespace is that of children */
		if (inner == 0) {
			if (mount("proc", "/proc", "proc", 0, proc_options) ||
			    setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
				_exit(77);
			_exit((int)processes_sight());
		}
		if (inner < 0 || waitpid(inner, &status, 0) != inner || !WIFEXITED(status))
			_exit(99);
		_exit(WEXITSTATUS(status));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return (enum processes_sight)WEXITSTATUS(status);
}

static void what_hides_processes_is_known(void **state)
{
	(void)state;
	if (geteuid() || processes_sight() == PROCESSES_OTHER_NAMESPACE || (int)sight_with(0, "") == 77) {
		print_message("needs root, mounts, and the first PID namespace\n");
		skip();
	}
	assert_int_equal(sight_with(0, ""), PROCESSES_SEEN);
	assert_int_equal(sight_with(0, "hidepid=1"), PROCESSES_HIDDEN);
	assert_int_equal(sight_with(0, "hidepid=2"), PROCESSES_HIDDEN);
	assert_int_equal(sight_with(0, "hidepid=2,gid=65534"), PROCESSES_SEEN); /* what the hint advises */
	assert_int_equal(sight_with(CLONE_NEWPID, ""), PROCESSES_OTHER_NAMESPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_is_found_by_how_runtimes_name_its_cgroup),
		cmocka_unit_test(a_process_is_found_by_its_id_and_read_again_later),
		cmocka_unit_test(what_hides_processes_is_known),
		cmocka_unit_test(a_process_is_named_however_many_were_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
