// SPDX-License-Identifier: Apache-2.0
#include "sensor/haproxy_call.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "lib/clock.h"
#include "lib/util.h"

struct call {
	int fd, stop_fd;
	uint64_t until_ns;
};

/* Until the socket is ready for that: 0, -ETIMEDOUT, -ECANCELED or -errno. */
static int await(const struct call *c, short events)
{
	struct pollfd fds[2] = {{.fd = c->fd, .events = events}, {.fd = c->stop_fd, .events = POLLIN}};
	int n;

	do
		n = poll(fds, 2, HAPROXY_SILENT_MS);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (fds[1].revents)
		return -ECANCELED;
	return n && clock_boot_ns(&clock_system) < c->until_ns ? 0 : -ETIMEDOUT;
}

static int say(const struct call *c, struct span line)
{
	while (line.len) {
		ssize_t n = send(c->fd, line.ptr, line.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			line.ptr += n;
			line.len -= (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		int r = await(c, POLLOUT);
		if (r)
			return r;
	}
	return 0;
}

static int hear(const struct call *c, void (*see)(void *arg, struct span line, bool cut), void *arg)
{
	struct haproxy_lines lines = {.len = 0};
	uint64_t all = 0;
	char bytes[16384];

	while (clock_boot_ns(&clock_system) < c->until_ns) {
		ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
		if (n == 0)
			return all && !lines.len && !lines.cut ? 0 : -EPROTO;
		if (n > 0) {
			all += (uint64_t)n;
			if (all > HAPROXY_ANSWER_MAX)
				return -EMSGSIZE;
			haproxy_lines_feed(&lines, (struct span){bytes, (size_t)n}, see, arg);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		int r = await(c, POLLIN);
		if (r)
			return r;
	}
	return -ETIMEDOUT;
}

int haproxy_call(const char *path, struct span line, int stop_fd,
		 void (*see)(void *arg, struct span line, bool cut), void *arg)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct call c = {fd, stop_fd, clock_boot_ns(&clock_system) + HAPROXY_CALL_MS * NS_PER_MS};

	if (fd < 0)
		return -errno;
	if ((size_t)snprintf(a.sun_path, sizeof a.sun_path, "%s", path) >= sizeof a.sun_path)
		return -ENAMETOOLONG;
	/* That of a unix socket is at once, or not at all: EAGAIN says that too many wait there already. */
	if (connect(fd, (struct sockaddr *)&a, sizeof a))
		return -errno;
	int r = say(&c, line);
	return r ? r : hear(&c, see, arg);
}
