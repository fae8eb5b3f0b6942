// SPDX-License-Identifier: Apache-2.0
/* world.c: see world.h. */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

void world_enter(const struct world *w, bool client)
{
	if (setns(client ? w->client_ns : w->server_ns, CLONE_NEWNET))
		die("setns");
}

bool world_try(const char *command)
{
	return system(command) == 0; /* NOLINT(cert-env33-c): our own words only */
}

void world_run(const char *command)
{
	bool ok = world_try(command);

	if (!ok) {
		fprintf(stderr, "failed: %s\n", command);
		exit(1);
	}
}

static int own_ns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("/proc/self/ns/net");
	return fd;
}

/* A process that stands in the client's namespace, so that ip can name it. */
static pid_t stand_in(const struct world *w)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setns(w->client_ns, CLONE_NEWNET))
		_exit(1);
	for (;;)
		pause();
}

static void wire(const struct world *w)
{
	char command[160];
	pid_t pid = stand_in(w);

	usleep(50000);
	world_run("/sbin/ip link add " WORLD_SERVER " type veth peer name " WORLD_CLIENT);
	snprintf(command, sizeof(command), "/sbin/ip link set " WORLD_CLIENT " netns %d", pid);
	world_run(command);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	world_run("/sbin/ip link set lo up; /sbin/ip addr add 10.77.0.1/24 dev pk-s; /sbin/ip addr add "
		  "fd77::1/48 dev pk-s nodad;"
		  "/sbin/ip link set pk-s up");
	world_enter(w, true);
	world_run("/sbin/ip link set lo up; /sbin/ip addr add 10.77.0.2/24 dev pk-c; /sbin/ip addr add "
		  "10.77.0.3/24 dev pk-c;"
		  "/sbin/ip addr add fd77::2/48 dev pk-c nodad; /sbin/ip addr add fd77:0:0:1::2/48 dev pk-c "
		  "nodad; /sbin/ip "
		  "link set pk-c up");
	world_enter(w, false);
	usleep(100000); /* carrier and link-local addresses */
}

int world_new(struct world *ret)
{
	if (unshare(CLONE_NEWNET))
		return -1;
	ret->client_ns = own_ns();
	if (unshare(CLONE_NEWNET))
		return -1;
	ret->server_ns = own_ns();
	wire(ret);
	return 0;
}

void world_free(struct world *w)
{
	close(w->server_ns);
	close(w->client_ns);
}

uint32_t world_netns(int ns_fd)
{
	struct stat st;

	if (fstat(ns_fd, &st))
		die("fstat");
	return (uint32_t)st.st_ino;
}

struct sockaddr_storage world_addr(const char *text, uint16_t port, socklen_t *ret_len)
{
	struct sockaddr_storage s = {0};
	struct sockaddr_in *v4 = (void *)&s;
	struct sockaddr_in6 *v6 = (void *)&s;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*ret_len = sizeof(*v4);
	} else {
		memset(&s, 0, sizeof(s));
		if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
			die(text);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*ret_len = sizeof(*v6);
	}
	return s;
}

int world_listen(const char *addr, uint16_t port)
{
	socklen_t len;
	struct sockaddr_storage a = world_addr(addr, port, &len);
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (void *)&a, len) || listen(fd, 64))
		die("listen");
	return fd;
}

int world_connect(const struct world *w, const char *from, const char *to, uint16_t port)
{
	struct timeval second = {.tv_sec = 1};
	socklen_t len;
	struct sockaddr_storage a = world_addr(to, port, &len);

	world_enter(w, true);
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	world_enter(w, false);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	if (from) {
		socklen_t from_len;
		struct sockaddr_storage f = world_addr(from, 0, &from_len);

		if (bind(fd, (void *)&f, from_len))
			die("bind");
	}
	if (connect(fd, (void *)&a, len) == 0)
		return fd;
	int r = -errno;
	close(fd);
	return r;
}
