// SPDX-License-Identifier: Apache-2.0
#include "sensor/alert_command.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "lib/file_io.h"
#include "lib/log.h"
#include "lib/util.h"
#include "sensor/alert_text.h"
#include "sensor/sandbox.h"

struct alert_command {
	int socket;
	pid_t pid;
};

/* --- in the process that runs it --- */

/* 0 or an errno. A session of its own, so that all of it can be ended. */
static int start(const struct config_strings *argv, int input, pid_t *ret)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *const environment[] = {path, NULL};
	char *args[CONFIG_ALERT_ARGS_MAX + 1];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t all, none;

	memcpy(args, argv->items, argv->count * sizeof *args);
	args[argv->count] = NULL;
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes,
				 POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	int r = posix_spawnp(ret, args[0], &files, &attributes, args, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

/* As alert_command_run. Also ends it when the sensor hangs up. */
static int wait_for(pid_t pid, int socket)
{
	_cleanup_close_ int process = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd wait[] = {{.fd = process, .events = POLLIN}, {.fd = socket, .events = POLLRDHUP}};
	bool late = process < 0 || poll(wait, ARRAY_SIZE(wait), ALERT_COMMAND_MS) <= 0 || !wait[0].revents;
	int status;

	if (late)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (late)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(const struct config_strings *argv, struct span json, int socket)
{
	_cleanup_close_ int input = memfd_create("alert", MFD_CLOEXEC);
	pid_t pid;

	int r = input < 0 ? -errno : file_write(input, json);
	if (!r && lseek(input, 0, SEEK_SET))
		r = -errno;
	if (!r)
		r = -start(argv, input, &pid);
	return r ? r : wait_for(pid, socket);
}

static void serve(const struct config_strings *argv, int socket)
{
	static char json[ALERT_TEXT_MAX];

	for (;;) {
		ssize_t n = recv(socket, json, sizeof json, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		int r = run(argv, (struct span){json, (size_t)n}, socket);
		if (send(socket, &r, sizeof r, MSG_NOSIGNAL) < 0)
			return;
	}
}

static _Noreturn void process_main(const struct config_strings *argv, int socket, uid_t uid, gid_t gid,
				   pid_t parent)
{
	bool kept;

	signal(SIGINT, SIG_IGN); /* a terminal's Ctrl-C is the warden's to deal with */
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "picket-alert");
	if (!sandbox_close_except(&socket, 1) && !sandbox_sensor(uid, gid, parent, &kept))
		serve(argv, socket);
	_exit(0);
}

/* --- in the sensor --- */

int alert_command_new(const struct config_strings *argv, uid_t uid, gid_t gid, struct alert_command **ret)
{
	struct alert_command *c = malloc(sizeof *c);
	pid_t parent = getpid();
	int sockets[2];

	if (!c)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)) {
		free(c);
		return -errno;
	}
	c->pid = fork();
	if (c->pid == 0)
		process_main(argv, sockets[1], uid, gid, parent);
	close(sockets[1]);
	c->socket = sockets[0];
	if (c->pid < 0) {
		int r = -errno;
		alert_command_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void alert_command_stop(struct alert_command *c)
{
	if (c)
		shutdown(c->socket, SHUT_RDWR);
}

void alert_command_free(struct alert_command *c)
{
	if (!c)
		return;
	close(c->socket); /* it ends by that; so does what it runs */
	free(c);
}

int alert_command_run(struct alert_command *c, struct span json)
{
	/* It answers in time, or is gone; the program itself is ended before this. */
	struct pollfd answer = {.fd = c->socket, .events = POLLIN};
	int r;

	if (send(c->socket, json.ptr, json.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	if (poll(&answer, 1, ALERT_COMMAND_MS + 2000) <= 0)
		return -ETIMEDOUT;
	return recv(c->socket, &r, sizeof r, MSG_DONTWAIT) == (ssize_t)sizeof r ? r : -EPIPE;
}
