// SPDX-License-Identifier: Apache-2.0
/*
 * live_test.c: the kernel half with real sockets: what applications received arrives as records, byte for
 * byte, once, with the facts of its connection; nothing else arrives; what is lost is counted exactly.
 *
 *     live_test ring|perf
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "collect.h"
#include "sensor/kernel.h"
#include "sensor/ports.h"
#include "sensor/reader.h"
#include "world.h"

#define PORT 8077

static enum config_capture_source source;
static struct world world;

/* One kernel half with its reader, watching PORT. */
struct half {
	struct config config;
	struct kernel *kernel;
	struct reader *reader;
	struct collect got;
	struct pk_config pk;
};

static void half_open(struct half *h, uint64_t ring_bytes)
{
	struct kernel_options options = {.netns = world_netns(world.server_ns),
					 .verbose = getenv("V") != NULL};
	struct buffer errors = BUFFER_INIT(4096);
	struct pk_ports ports = {0};

	memset(h, 0, sizeof(*h));
	h->config.capture.source = source;
	h->config.capture.ring_bytes = ring_bytes;
	h->config.capture.header_ring_bytes = 1 << 18;
	h->config.limits.blocks_max = 1024;
	h->pk = (struct pk_config){.netns = options.netns,
				   .follow_listen = 1,
				   .header_rate = 100000,
				   .header_burst = 100000,
				   .read_max = PK_READ_MAX,
				   .share_divisor = 8};
	int r = kernel_load(&h->config, &options, &h->kernel, &errors);
	if (r)
		fail_msg("kernel_load: %d\n%.*s", r, (int)errors.len, errors.data);
	assert_int_equal(kernel_uses_perf(h->kernel), source == CAPTURE_PERF);
	assert_int_equal(kernel_config_set(h->kernel, &h->pk), 0);
	ports.watched[PORT / 64] |= 1ull << (PORT % 64);
	assert_int_equal(ports_write(kernel_ports_fd(h->kernel), &ports), 0);
	assert_int_equal(reader_new(h->kernel, collect_record, &h->got, &h->reader), 0);
	assert_int_equal(kernel_attach_tcp(h->kernel, &errors), 0);
	buffer_free(&errors);
}

static void half_close(struct half *h)
{
	reader_free(h->reader);
	kernel_free(h->kernel);
	collect_clear(&h->got);
}

static uint64_t stat_of(struct half *h, enum pk_counter which)
{
	uint64_t all[PK_C_MAX];

	assert_int_equal(kernel_stats(h->kernel, all), 0);
	return all[which];
}

/* All that was produced has been read or is counted as lost. */
static void assert_accounts_balance(struct half *h)
{
	struct reader_counts c;

	assert_true(reader_drain(h->reader) >= 0);
	c = reader_counts(h->reader);
	assert_int_equal(stat_of(h, PK_C_REQ_PRODUCED),
			 c.requests + stat_of(h, PK_C_REQ_LOST) + stat_of(h, PK_C_REQ_SHARE));
	assert_int_equal(stat_of(h, PK_C_HDR_PRODUCED),
			 c.headers + stat_of(h, PK_C_HDR_LOST) + stat_of(h, PK_C_HDR_SHARE));
	assert_int_equal(c.malformed, 0);
}

static void send_all(int fd, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		p += n;
		len -= (size_t)n;
	}
}

/* Reads until len bytes came, piece bytes at a time; peek first each time if asked. */
static void receive_all(int fd, size_t len, size_t piece, bool peek)
{
	static char buf[1 << 20];

	while (len) {
		size_t want = piece < len ? piece : len;

		if (peek)
			assert_true(recv(fd, buf, want, MSG_PEEK) > 0);
		ssize_t n = recv(fd, buf, want, 0);
		assert_true(n > 0);
		len -= (size_t)n;
	}
}

/* A connection between client and server, both ends ours. */
struct pair {
	int listener, client, server;
};

static struct pair pair_open(const char *listen_on, const char *to, uint16_t port)
{
	struct pair p = {.listener = world_listen(listen_on, port)};

	if (!strcmp(to, "127.0.0.1") || !strcmp(to, "::1")) {
		socklen_t len;
		struct sockaddr_storage a = world_addr(to, port, &len);

		p.client = socket(a.ss_family, SOCK_STREAM, 0);
		assert_int_equal(connect(p.client, (void *)&a, len), 0);
	} else {
		p.client = world_connect(&world, NULL, to, port);
	}
	assert_true(p.client >= 0);
	p.server = accept(p.listener, NULL, NULL);
	assert_true(p.server >= 0);
	return p;
}

static void pair_close(struct pair *p)
{
	close(p->client);
	if (p->server >= 0) {
		char byte;

		assert_true(recv(p->server, &byte, 1, 0) <= 0);
		close(p->server);
	}
	close(p->listener);
}

/* --- request bytes
 * ---------------------------------------------------------------------------------------------------- */

static char *text_make(size_t len)
{
	char *text = malloc(len);

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('!' + (i * 7 + i / 91) % 90);
	return text;
}

struct route {
	const char *name, *listen_on, *to;
};

static const struct route routes[] = {
	{"IPv4 over veth", "10.77.0.1", "10.77.0.1"},         {"IPv6 over veth", "fd77::1", "fd77::1"},
	{"IPv4 over lo", "127.0.0.1", "127.0.0.1"},           {"IPv6 over lo", "::1", "::1"},
	{"IPv4 client of an IPv6 socket", "::", "10.77.0.1"},
};

/* Sends text in pieces of send_piece, reads it in pieces of read_piece, and finds it again in the records. */
static void exchange(struct half *h, const struct route *route, size_t len, size_t send_piece,
		     size_t read_piece, bool peek)
{
	struct pair p = pair_open(route->listen_on, route->to, PORT);
	char *text = text_make(len), *seen;
	size_t seen_len, gaps;

	for (size_t at = 0; at < len; at += send_piece) {
		send_all(p.client, text + at, len - at < send_piece ? len - at : send_piece);
		receive_all(p.server, len - at < send_piece ? len - at : send_piece, read_piece, peek);
	}
	pair_close(&p);
	assert_true(reader_drain(h->reader) > 0);
	const struct pk_conn *open = collect_get(&h->got, PK_OPEN, 0);
	assert_non_null(open);
	seen = collect_stream(&h->got, open->flow.cookie, open->isn, &seen_len, &gaps);
	if (seen_len != len || gaps || memcmp(seen, text, len))
		fail_msg("%s: %zu bytes sent, %zu seen, %zu missing", route->name, len, seen_len, gaps);
	free(seen);
	free(text);
	collect_clear(&h->got);
}

static void request_bytes_arrive_exactly_however_they_are_sent_and_read(void **state)
{
	static const size_t lengths[] = {1, 64, 65, 230, 3700, 4096, 4097, 9000, 60000};
	static const size_t pieces[] = {1 << 20, 1000, 7};
	struct half h;

	(void)state;
	half_open(&h, 16 << 20);
	for (size_t r = 0; r < sizeof(routes) / sizeof(*routes); r++)
		for (size_t l = 0; l < sizeof(lengths) / sizeof(*lengths); l++)
			for (size_t p = 0; p < sizeof(pieces) / sizeof(*pieces); p++)
				exchange(&h, &routes[r], lengths[l], lengths[l], pieces[p], false);
	assert_int_equal(stat_of(&h, PK_C_READ_ERROR), 0);
	assert_accounts_balance(&h);
	half_close(&h);
}

static void bytes_sent_one_by_one_arrive(void **state)
{
	struct half h;

	(void)state;
	half_open(&h, 1 << 20);
	for (size_t r = 0; r < sizeof(routes) / sizeof(*routes); r++)
		exchange(&h, &routes[r], 300, 1, 1, false);
	assert_accounts_balance(&h);
	half_close(&h);
}

static void peeked_bytes_do_not_change_the_stream(void **state)
{
	struct half h;

	(void)state;
	half_open(&h, 1 << 20);
	for (size_t r = 0; r < sizeof(routes) / sizeof(*routes); r++)
		exchange(&h, &routes[r], 5000, 5000, 700, true);
	assert_accounts_balance(&h);
	half_close(&h);
}

static void data_on_the_third_ack_of_the_handshake_is_seen(void **state)
{
	static const char request[] = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
	struct half h;
	socklen_t len;
	struct sockaddr_storage to = world_addr("10.77.0.1", PORT, &len);
	int off = 0;

	(void)state;
	half_open(&h, 1 << 20);
	int listener = world_listen("10.77.0.1", PORT);
	for (int i = 0; i < 20; i++) {
		world_enter(&world, true);
		int client = socket(AF_INET, SOCK_STREAM, 0);
		world_enter(&world, false);
		assert_int_equal(setsockopt(client, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off)), 0);
		assert_int_equal(connect(client, (void *)&to, len), 0);
		send_all(client, request, strlen(request));
		int server = accept(listener, NULL, NULL);
		receive_all(server, strlen(request), 4096, false);
		close(client);
		close(server);
	}
	close(listener);
	assert_true(reader_drain(h.reader) > 0);
	assert_int_equal(collect_count(&h.got, PK_OPEN), 20);
	for (int i = 0; i < 20; i++) {
		const struct pk_conn *open = collect_get(&h.got, PK_OPEN, i);
		size_t seen_len, gaps;
		char *seen = collect_stream(&h.got, open->flow.cookie, open->isn, &seen_len, &gaps);

		assert_int_equal(seen_len, strlen(request));
		assert_memory_equal(seen, request, seen_len);
		assert_int_equal(gaps, 0);
		free(seen);
	}
	half_close(&h);
}

static void data_read_after_the_client_has_closed_is_seen(void **state)
{
	struct half h;
	size_t len, gaps;

	(void)state;
	half_open(&h, 1 << 20);
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	send_all(p.client, "last words", 10);
	shutdown(p.client, SHUT_WR);
	usleep(50000); /* the server's socket is in CLOSE_WAIT now */
	receive_all(p.server, 10, 4096, false);
	pair_close(&p);
	assert_true(reader_drain(h.reader) > 0);
	const struct pk_conn *open = collect_get(&h.got, PK_OPEN, 0);
	char *seen = collect_stream(&h.got, open->flow.cookie, open->isn, &len, &gaps);
	assert_int_equal(len, 10);
	assert_memory_equal(seen, "last words", 10);
	free(seen);
	half_close(&h);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_bytes_arrive_exactly_however_they_are_sent_and_read),
		cmocka_unit_test(bytes_sent_one_by_one_arrive),
		cmocka_unit_test(peeked_bytes_do_not_change_the_stream),
		cmocka_unit_test(data_on_the_third_ack_of_the_handshake_is_seen),
		cmocka_unit_test(data_read_after_the_client_has_closed_is_seen),
	};

	if (argc < 2 || (strcmp(argv[1], "ring") && strcmp(argv[1], "perf"))) {
		fprintf(stderr, "usage: %s ring|perf\n", argv[0]);
		return 2;
	}
	source = strcmp(argv[1], "perf") ? CAPTURE_RING : CAPTURE_PERF;
	if (geteuid() || world_new(&world)) {
		fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
