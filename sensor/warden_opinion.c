// SPDX-License-Identifier: Apache-2.0
/*
 * The process of the second opinion (opinion_main.c), as its parent sees it. The sensor asks for it when it
 * has none, and gets the other end of its socket; so one that died is started again when it is missed, once a
 * second at most. It ends by itself when the sensor hangs up, and by its death signal with the warden.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "sensor/cli.h"
#include "sensor/opinion.h"
#include "sensor/sandbox.h"
#include "sensor/warden_internal.h"

#define START_NS NS_PER_S

/* In the child; no way back. What it may still reach is its socket and stderr. */
static void become(const struct warden *w, int program, int socket, pid_t parent)
{
	const int keep[] = {program, socket};
	char number[16], paranoia[16];
	bool kept;

	if (sandbox_close_except(keep, ARRAY_SIZE(keep)) || sandbox_sensor(w->uid, w->gid, parent, &kept) ||
	    fcntl(socket, F_SETFD, 0))
		_exit(EXIT_NO);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole terminal group; the sensor hangs up in order */
	snprintf(number, sizeof number, "%d", socket);
	snprintf(paranoia, sizeof paranoia, "%u", w->config->second_opinion.paranoia);
	char *argv[] = {"picket-second-opinion",         number, paranoia, w->config->second_opinion.setup,
			w->config->second_opinion.rules, NULL};
	char *none_of_ours[] = {NULL};
	syscall(SYS_execveat, program, "", argv, none_of_ours, AT_EMPTY_PATH);
	_exit(EXIT_NO);
}

int warden_opinion_start(struct warden *w, int *ret_fd)
{
	char path[PATH_MAX];
	uint64_t now = warden_now();
	int pair[2];

	if (!w->config->second_opinion.enabled)
		return -EINVAL;
	if (w->opinion > 0 || (w->opinion_start_ns && now - w->opinion_start_ns < START_NS))
		return -EBUSY;
	int r = opinion_program(path, sizeof path);
	if (r)
		return r;
	_cleanup_close_ int program = open(path, O_PATH | O_CLOEXEC);
	if (program < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	w->opinion_start_ns = now;
	pid_t parent = getpid();
	r = sandbox_warden_raise(true);
	if (r)
		log_warning("the second opinion will keep this user", LOG_ERRNO(r));
	pid_t pid = fork();
	if (pid == 0) {
		close(pair[0]);
		become(w, program, pair[1], parent);
	}
	r = pid < 0 ? -errno : 0;
	sandbox_warden_raise(false);
	close(pair[1]);
	if (r) {
		close(pair[0]);
		return r;
	}
	w->opinion = pid;
	*ret_fd = pair[0];
	return 0;
}

bool warden_opinion_ended(struct warden *w, pid_t pid, int status)
{
	if (w->opinion <= 0 || pid != w->opinion)
		return false;
	w->opinion = 0;
	if (!w->stop && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		log_warning("the second opinion ended; it is started again when it is missed",
			    LOG_I("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
			    LOG_I("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
	return true;
}
