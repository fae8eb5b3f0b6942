// SPDX-License-Identifier: Apache-2.0
#include "sensor/sandbox.h"
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "lib/util.h"

static const struct {
	unsigned cap;
	const char *name;
} needed[] = {{CAP_BPF, "CAP_BPF"}, {CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {CAP_PERFMON, "CAP_PERFMON"}};

bool sandbox_may_run(const char **ret_missing)
{
	static char text[64];

	text[0] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (capng_have_capability(CAPNG_EFFECTIVE, needed[i].cap))
			continue;
		size_t n = strlen(text);
		snprintf(text + n, sizeof text - n, "%s%s", n ? " " : "", needed[i].name);
	}
	*ret_missing = text;
	return text[0] == 0;
}

int sandbox_warden(void)
{
	/* A later seteuid() must not hand the full set back. */
	prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NOROOT, 0, 0, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			     needed[i].cap);
	capng_update(CAPNG_ADD, CAPNG_PERMITTED | CAPNG_BOUNDING_SET, CAP_SETUID);
	capng_update(CAPNG_ADD, CAPNG_PERMITTED | CAPNG_BOUNDING_SET, CAP_SETGID);
	/* The bounding set needs CAP_SETPCAP; a container may have taken it, and the sets below are what
	 * counts. */
	if (capng_apply(CAPNG_SELECT_BOTH) && capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return 0;
}

int sandbox_warden_raise(bool on)
{
	capng_get_caps_process();
	capng_act_t act = on ? CAPNG_ADD : CAPNG_DROP;
	capng_update(act, CAPNG_EFFECTIVE, CAP_SETUID);
	capng_update(act, CAPNG_EFFECTIVE, CAP_SETGID);
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

int sandbox_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	struct passwd *p = name && *name ? getpwnam(name) : NULL;

	if (!p && name && *name && strcmp(name, "nobody") != 0)
		return -ENOENT;
	if (!p)
		p = getpwnam("nobody");
	if (!p)
		return -ENOENT;
	*ret_uid = p->pw_uid;
	*ret_gid = p->pw_gid;
	return 0;
}

int sandbox_sensor(uid_t uid, gid_t gid, pid_t parent, bool *ret_kept)
{
	*ret_kept = false;
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) {
		if (errno != EPERM)
			return -errno;
		*ret_kept = true;
	}
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_apply(CAPNG_SELECT_BOTH) && capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	capng_get_caps_process();
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE)
		return -EPERM;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	/* Changing the user cleared it; the parent may have died in between. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

int sandbox_replay(uid_t uid, gid_t gid)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return -errno;
	if ((setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) && errno != EPERM)
		return -errno;
	capng_clear(CAPNG_SELECT_BOTH);
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return 0;
}

/*
 * What libcurl, libmicrohttpd, OpenSSL, glibc's resolver and our own threads use. Not among them: bpf,
 * ptrace, execve, kill, mount, setuid and their like; files open for reading only. ftruncate is for what was
 * opened before: a full audit file is emptied, a file of a spool that is done with, and what a full disk took
 * of a record is taken back. pwrite64 and fsync are SQLite's, on the files of the journal; pwritev the
 * spools'.
 */
static const int allowed[] = {
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(bind),
	SCMP_SYS(brk),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close),
	SCMP_SYS(connect),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fcntl),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fstat),
	SCMP_SYS(fsync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(futex),
	SCMP_SYS(getdents64),
	SCMP_SYS(getegid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getpeername),
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrusage),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getuid),
	SCMP_SYS(ioctl),
	SCMP_SYS(listen),
	SCMP_SYS(lseek),
	SCMP_SYS(madvise),
	SCMP_SYS(membarrier),
	SCMP_SYS(memfd_create),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(nanosleep),
	SCMP_SYS(newfstatat),
	SCMP_SYS(pipe2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(pread64),
	SCMP_SYS(prlimit64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(read),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(readv),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(select),
	SCMP_SYS(sendfile),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(socketpair),
	SCMP_SYS(stat),
	SCMP_SYS(statx),
	SCMP_SYS(sysinfo),
	SCMP_SYS(tgkill),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(uname),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(signalfd4),
	SCMP_SYS(lstat),
};

/* CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
#define CLONE_NEW_ANY 0x7e020000

int sandbox_seccomp(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = 0;

	if (!filter)
		return -ENOMEM;
	for (size_t i = 0; !r && i < ARRAY_SIZE(allowed); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	/* Files: reading only. */
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	/* Threads and nothing else: a process of its own would outlive the warden. A filter cannot see
	 * clone3's flags, so glibc is made to fall back to clone; no new namespaces by it. */
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEW_ANY | CLONE_THREAD, CLONE_THREAD));
	/* Itself only: names of threads; PDEATHSIG and the like are settled. */
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				     SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
	for (size_t i = 0; !r && i < ARRAY_SIZE(families); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
	if (!r)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int compare_int(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

int sandbox_close_except(const int *keep, unsigned count)
{
	int sorted[SANDBOX_KEEP_MAX];
	unsigned from = 3;

	if (count > ARRAY_SIZE(sorted))
		return -E2BIG;
	memcpy(sorted, keep, count * sizeof keep[0]);
	qsort(sorted, count, sizeof sorted[0], compare_int);
	for (unsigned i = 0; i <= count; i++) {
		unsigned to = i < count ? (unsigned)sorted[i] : ~0u;
		if (i < count && sorted[i] < (int)from)
			continue;
		if (to > from && syscall(SYS_close_range, from, i < count ? to - 1 : ~0u, 0))
			return -errno;
		from = to + 1;
	}
	return 0;
}
