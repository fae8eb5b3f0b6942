// SPDX-License-Identifier: Apache-2.0
/* world.c: see world.h. */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

/* --- waiting for what can be asked --- */

bool world_until(bool (*holds)(const void *arg), const void *arg)
{
	for (int i = 0; i < 2000; i++) {
		if (holds(arg))
			return true;
		usleep(5000);
	}
	return false;
}

struct wanted {
	int fd, bytes;
	unsigned char state;
	uint16_t port;
};

static bool has_bytes(const void *arg)
{
	const struct wanted *w = arg;
	int n = 0;

	return ioctl(w->fd, FIONREAD, &n) == 0 && n == w->bytes;
}

bool world_until_bytes(int fd, int bytes)
{
	return world_until(has_bytes, &(struct wanted){.fd = fd, .bytes = bytes});
}

static bool has_state(const void *arg)
{
	const struct wanted *w = arg;
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return getsockopt(w->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == w->state;
}

bool world_until_state(int fd, unsigned char state)
{
	return world_until(has_state, &(struct wanted){.fd = fd, .state = state});
}

/* A line of /proc/net/tcp: is it of a connection of that port that is neither open nor over? */
static bool line_is_between(const char *line, uint16_t port)
{
	unsigned local, state;

	return sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &local, &state) == 2 && local == port &&
	       state != TCP_LISTEN && state != TCP_ESTABLISHED && state != TCP_TIME_WAIT;
}

static bool is_quiet(const void *arg)
{
	static const char *const tables[] = {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"};
	const struct wanted *w = arg;
	char line[512];
	bool between = false;

	for (int i = 0; i < 2; i++) {
		FILE *f = fopen(tables[i], "re");
		if (!f)
			continue;
		while (fgets(line, sizeof(line), f))
			between = between || line_is_between(line, w->port);
		fclose(f);
	}
	return !between;
}

bool world_until_quiet(uint16_t port)
{
	return world_until(is_quiet, &(struct wanted){.port = port});
}

/* A process that stands in the client's namespace, so that ip can name it. */
static pid_t stand_in(const struct world *w)
{
	int there[2];
	char byte;

	if (pipe(there))
		die("pipe");
	pid_t pid = fork();
	if (pid) {
		close(there[1]);
		if (read(there[0], &byte, 1) != 1)
			die("a process in the client's namespace");
		close(there[0]);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setns(w->client_ns, CLONE_NEWNET) || write(there[1], "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* Both ends are up then. */
static bool has_carrier(const void *device)
{
	struct ifreq ask = {.ifr_flags = 0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(ask.ifr_name, device, IFNAMSIZ - 1);
	bool running = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &ask) == 0 && ask.ifr_flags & IFF_RUNNING;
	if (fd >= 0)
		close(fd);
	return running;
}

static void wire(const struct world *w)
{
	char command[160];
	pid_t pid = stand_in(w);

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
	if (!world_until(has_carrier, WORLD_SERVER))
		die("no carrier");
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
	return world_connect_within(w, from, to, port, 10);
}

int world_connect_within(const struct world *w, const char *from, const char *to, uint16_t port, int seconds)
{
	struct timeval limit = {.tv_sec = seconds};
	socklen_t len;
	struct sockaddr_storage a = world_addr(to, port, &len);

	world_enter(w, true);
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	world_enter(w, false);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
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
