// SPDX-License-Identifier: Apache-2.0
/*
 * How long from a verdict's last byte to the first dropped packet, and back: a gateway, an API server and its
 * clients in one thread, around the real daemon. The daemon runs in the server namespace and posts its
 * batches to us; our answer carries one verdict; from that instant on we send datagrams from the client's
 * address to the watched port and look which is the first that does not arrive. Sockets stay in the namespace
 * they were made in, so one thread serves both.
 *
 *     verdict_latency SERVER_NS CLIENT_NS SERVER_ADDR PORT GATEWAY_PORT CLIENT_PREFIX COUNT
 *
 * CLIENT_PREFIX: "10.9." or "fd09::": client i is CLIENT_PREFIX + number. Prints a line a verdict: its id
 * ("b0", "u0": block and unblock of client 0), when its last byte was handed over, and when the first
 * datagram was sent whose fate it changed (nanoseconds, boot clock). Exit 1 when a verdict had no effect.
 *
 *     verdict_latency --wake
 *
 * The machine's own part: how long until a sleeping process on the first processor runs, woken from the last.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GIVE_UP_NS 2000000000ull
#define ARRIVE_NS  50000ull /* a datagram over veth arrives within the sending call; this is generous */
#define BODY_MAX   (4 << 20)

static int family, port, gateway_listen, api_listen, api_udp, gateway = -1;
static struct sockaddr_storage server;
static socklen_t addr_len;
static char *body;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "verdict_latency: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void enter(const char *ns)
{
	int fd = open(ns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(ns);
	close(fd);
}

static void address(const char *text, int number, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof *ret);
	if (family == AF_INET6) {
		struct sockaddr_in6 *a = (struct sockaddr_in6 *)ret;
		a->sin6_family = AF_INET6;
		a->sin6_port = htons((uint16_t)number);
		if (inet_pton(AF_INET6, text, &a->sin6_addr) != 1)
			die(text);
	} else {
		struct sockaddr_in *a = (struct sockaddr_in *)ret;
		a->sin_family = AF_INET;
		a->sin_port = htons((uint16_t)number);
		if (inet_pton(AF_INET, text, &a->sin_addr) != 1)
			die(text);
	}
}

static int bound(int type, const char *text, int number)
{
	struct sockaddr_storage a;
	int one = 1, fd = socket(family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	/* Clients' addresses are a route of their namespace, not addresses of an interface. */
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof one);
	address(text, number, &a);
	if (bind(fd, (struct sockaddr *)&a, addr_len))
		die("bind");
	return fd;
}

/* A whole HTTP request of the client `from`, answered by our own API server in the other namespace. */
static void request(const char *from, const char *path)
{
	char text[512];
	struct timeval limit = {.tv_sec = 2};
	int c = bound(SOCK_STREAM, from, 0);

	setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(c, (struct sockaddr *)&server, addr_len))
		die("connect");
	int s = accept(api_listen, NULL, NULL);
	if (s < 0)
		die("accept");
	int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: api\r\n\r\n", path);
	if (write(c, text, (size_t)n) != n || read(s, text, sizeof text) <= 0)
		die("request");
	close(s);
	close(c);
}

/* Reads one POST of the daemon into body. */
static void post_read(void)
{
	char head[8192];
	size_t have = 0;
	char *end = NULL, *length;

	while (!end) {
		if (gateway < 0) {
			gateway = accept(gateway_listen, NULL, NULL);
			if (gateway < 0)
				die("no batch came from the daemon");
			struct timeval limit = {.tv_sec = 5};
			setsockopt(gateway, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
		}
		ssize_t n = read(gateway, head + have, sizeof head - 1 - have);
		if (n == 0) {
			close(gateway);
			gateway = -1;
			have = 0;
			continue;
		}
		if (n < 0)
			die("no batch came from the daemon");
		have += (size_t)n;
		head[have] = 0;
		end = strstr(head, "\r\n\r\n");
	}
	length = strcasestr(head, "\r\nContent-Length:");
	if (!length)
		die("Content-Length");
	size_t want = strtoul(length + 17, NULL, 10), got = have - (size_t)(end + 4 - head);
	if (want >= BODY_MAX)
		die("batch too large");
	memcpy(body, end + 4, got);
	while (got < want) {
		ssize_t n = read(gateway, body + got, want - got);
		if (n <= 0)
			die("batch");
		got += (size_t)n;
	}
	body[got] = 0;
}

/* Answers; returns the time at which the last byte was handed over. */
static uint64_t post_answer(const char *json)
{
	char text[2048];

	int n = snprintf(text, sizeof text,
			 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			 strlen(json), json);
	if (write(gateway, text, (size_t)n) != n)
		die("answer");
	return now_ns();
}

/* Makes the daemon post a batch that names path, and answers it with one verdict. */
static uint64_t verdict(const char *from, const char *path, const char *action, const char *target,
			const char *id)
{
	char json[1024];

	request(from, path);
	for (;;) {
		post_read();
		if (strstr(body, path))
			break;
		post_answer("{}");
	}
	int n = snprintf(json, sizeof json,
			 "{\"verdicts\":[{\"id\":\"%s\",\"action\":\"%s\",\"target\":{\"scope\":\"ip\","
			 "\"value\":\"%s\"}",
			 id, action, target);
	if (strcmp(action, "block") == 0)
		n += snprintf(json + n, sizeof json - (size_t)n, ",\"ttl_s\":600");
	snprintf(json + n, sizeof json - (size_t)n, ",\"confidence\":1,\"reason\":\"bench\"}]}");
	return post_answer(json);
}

static int arrives(int udp, uint32_t sequence)
{
	uint32_t got;

	if (sendto(udp, &sequence, sizeof sequence, 0, (struct sockaddr *)&server, addr_len) < 0)
		die("sendto");
	uint64_t until = now_ns() + ARRIVE_NS;
	do {
		while (recv(api_udp, &got, sizeof got, MSG_DONTWAIT) == (ssize_t)sizeof got)
			if (got == sequence)
				return 1;
		/* A sender that never gives way would hold the daemon off one of two processors until the
		 * next tick, 4 ms away: that would measure the sender. */
		sched_yield();
	} while (now_ns() < until);
	return 0;
}

/* Sends until a datagram's fate is as wanted, and tells when that one was sent. */
static void effect(const char *id, int udp, uint64_t t0, int want)
{
	static uint32_t sequence;

	for (;;) {
		uint64_t sent = now_ns();
		if (arrives(udp, ++sequence) == want) {
			printf("%s %llu %llu\n", id, (unsigned long long)t0, (unsigned long long)sent);
			return;
		}
		sched_yield();
		if (sent - t0 > GIVE_UP_NS) {
			fprintf(stderr, "verdict_latency: %s had no effect within 2 s\n", id);
			exit(1);
		}
	}
}

#define WAKES 500

static void on_processor(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set))
		die("sched_setaffinity");
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int wake(void)
{
	static uint64_t took[WAKES];
	const struct timespec rest = {.tv_nsec = 10000000};
	int pair[2], last = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	uint64_t at;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		die("socketpair");
	pid_t child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		close(pair[0]);
		on_processor(0);
		while (read(pair[1], &at, sizeof at) == (ssize_t)sizeof at) {
			at = now_ns() - at;
			if (write(pair[1], &at, sizeof at) != (ssize_t)sizeof at)
				_exit(2);
		}
		_exit(0);
	}
	close(pair[1]);
	on_processor(last);
	for (int i = 0; i < WAKES; i++) {
		nanosleep(&rest, NULL);
		at = now_ns();
		if (write(pair[0], &at, sizeof at) != (ssize_t)sizeof at ||
		    read(pair[0], &took[i], sizeof took[i]) != (ssize_t)sizeof took[i])
			die("wake");
	}
	close(pair[0]);
	waitpid(child, NULL, 0);
	qsort(took, WAKES, sizeof took[0], by_size);
	printf("%-34s n=%d  p50 %.0f us  p99 %.0f us  max %.0f us\n", "a process woken, without picket",
	       WAKES, (double)took[WAKES / 2] / 1000, (double)took[WAKES - WAKES / 100 - 1] / 1000,
	       (double)took[WAKES - 1] / 1000);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--wake") == 0)
		return wake();
	if (argc != 8) {
		fprintf(stderr, "usage: verdict_latency SERVER_NS CLIENT_NS SERVER_ADDR PORT GATEWAY_PORT "
				"CLIENT_PREFIX COUNT\n");
		return 2;
	}
	const char *prefix = argv[6];
	int count = atoi(argv[7]), gateway_port = atoi(argv[5]), one = 1;

	body = malloc(BODY_MAX);
	if (!body)
		die("memory");
	port = atoi(argv[4]);
	family = strchr(argv[3], ':') ? AF_INET6 : AF_INET;
	addr_len = family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	address(argv[3], port, &server);

	enter(argv[1]);
	api_listen = bound(SOCK_STREAM, argv[3], port);
	api_udp = bound(SOCK_DGRAM, argv[3], port);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)gateway_port)};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	gateway_listen = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(gateway_listen, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	struct timeval limit = {.tv_sec = 20};
	setsockopt(gateway_listen, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (bind(gateway_listen, (struct sockaddr *)&at, sizeof at) || listen(gateway_listen, 8) ||
	    listen(api_listen, 64))
		die("listen");
	puts("listening"); /* the script starts the daemon now, and says when it is ready */
	fflush(stdout);
	if (getchar() == EOF)
		return 2;

	enter(argv[2]);
	char steady[64], from[64], path[64], id[32];
	/* Client 0 is never blocked: its requests carry the unblock verdicts. */
	snprintf(steady, sizeof steady, family == AF_INET6 ? "%s1" : "%s0.1", prefix);
	for (int i = 0; i < count; i++) {
		if (family == AF_INET6)
			snprintf(from, sizeof from, "%s%x", prefix, i + 2);
		else
			snprintf(from, sizeof from, "%s%d.%d", prefix, (i + 2) / 250, (i + 2) % 250 + 1);
		int udp = bound(SOCK_DGRAM, from, 0);
		snprintf(path, sizeof path, "/block-%d-", i);
		snprintf(id, sizeof id, "b%d", i);
		effect(id, udp, verdict(from, path, "block", from, id), 0);
		snprintf(path, sizeof path, "/unblock-%d-", i);
		snprintf(id, sizeof id, "u%d", i);
		effect(id, udp, verdict(steady, path, "unblock", from, id), 1);
		close(udp);
	}
	return 0;
}
