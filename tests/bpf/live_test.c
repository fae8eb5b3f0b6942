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
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collect.h"
#include "half.h"
#include "lib/clock.h"
#include "world.h"

#define PORT HALF_PORT

static enum config_capture_source source;
static struct world world;

/* Loading takes longer than nearly every test: those that count nothing from its beginning, and do not change
 * who is watched, share this. */
static struct half half;
static struct pk_config half_config; /* as they find it */

static int half_begin(void **state)
{
	(void)state;
	half_open(&half, &world, source, 1 << 24);
	half_config = half.pk;
	return 0;
}

static int half_end(void **state)
{
	(void)state;
	half_close(&half);
	return 0;
}

static int half_settle(void **state)
{
	(void)state;
	half.pk = half_config;
	assert_int_equal(kernel_config_set(half.kernel, &half.pk), 0);
	half_assert_balance(&half);
	collect_clear(&half.got);
	return 0;
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

static void receive_end(int fd)
{
	char byte;

	assert_true(recv(fd, &byte, 1, 0) <= 0);
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
		receive_end(p->server);
		close(p->server);
	}
	close(p->listener);
}

/* --- request bytes ---------------------------------------------------------------------------- */

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
	const struct pk_open *open = collect_get(&h->got, PK_OPEN, 0);
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

	(void)state;
	for (size_t r = 0; r < sizeof(routes) / sizeof(*routes); r++)
		for (size_t l = 0; l < sizeof(lengths) / sizeof(*lengths); l++)
			for (size_t p = 0; p < sizeof(pieces) / sizeof(*pieces); p++)
				exchange(&half, &routes[r], lengths[l], lengths[l], pieces[p], false);
	assert_int_equal(half_stat(&half, PK_C_READ_ERROR), 0);
	half_assert_balance(&half);
}

static void bytes_sent_one_by_one_arrive(void **state)
{
	(void)state;
	for (size_t r = 0; r < sizeof(routes) / sizeof(*routes); r++)
		exchange(&half, &routes[r], 300, 1, 1, false);
	half_assert_balance(&half);
}

static void peeked_bytes_do_not_change_the_stream(void **state)
{
	(void)state;
	for (size_t r = 0; r < sizeof(routes) / sizeof(*routes); r++)
		exchange(&half, &routes[r], 5000, 5000, 700, true);
	half_assert_balance(&half);
}

/* Many small packet buffers, which one peek walks through. */
static void a_peek_over_many_packets_does_not_change_the_stream(void **state)
{
	char *text = text_make(5000);
	size_t len, gaps;
	int one = 1;

	(void)state;
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	setsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (int i = 0; i < 100; i++)
		send_all(p.client, text + (size_t)i * 50, 50);
	assert_true(world_until_bytes(p.server, 5000));
	receive_all(p.server, 5000, 5000, true);
	pair_close(&p);
	assert_true(reader_drain(half.reader) > 0);
	const struct pk_open *open = collect_get(&half.got, PK_OPEN, 0);
	char *seen = collect_stream(&half.got, open->flow.cookie, open->isn, &len, &gaps);
	assert_int_equal(len, 5000);
	assert_int_equal(gaps, 0);
	assert_memory_equal(seen, text, 5000);
	/* A peeked byte counts as one that is there, not as one beyond what came. */
	const struct pk_close *end = collect_get(&half.got, PK_CLOSE, 0);
	for (size_t i = 0; i < collect_count(&half.got, PK_DATA); i++) {
		const struct pk_data *d = collect_get(&half.got, PK_DATA, i);

		assert_true(d->seq - open->isn + d->len <= end->bytes_received);
	}
	free(seen);
	free(text);
}

static void data_on_the_third_ack_of_the_handshake_is_seen(void **state)
{
	static const char request[] = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
	socklen_t len;
	struct sockaddr_storage to = world_addr("10.77.0.1", PORT, &len);
	int off = 0;

	(void)state;
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
	assert_true(reader_drain(half.reader) > 0);
	assert_int_equal(collect_count(&half.got, PK_OPEN), 20);
	for (int i = 0; i < 20; i++) {
		const struct pk_open *open = collect_get(&half.got, PK_OPEN, i);
		size_t seen_len, gaps;
		char *seen = collect_stream(&half.got, open->flow.cookie, open->isn, &seen_len, &gaps);

		assert_int_equal(seen_len, strlen(request));
		assert_memory_equal(seen, request, seen_len);
		assert_int_equal(gaps, 0);
		free(seen);
	}
}

static void data_read_after_the_client_has_closed_is_seen(void **state)
{
	size_t len, gaps;

	(void)state;
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	send_all(p.client, "last words", 10);
	shutdown(p.client, SHUT_WR);
	assert_true(world_until_state(p.server, TCP_CLOSE_WAIT));
	receive_all(p.server, 10, 4096, false);
	pair_close(&p);
	assert_true(reader_drain(half.reader) > 0);
	const struct pk_open *open = collect_get(&half.got, PK_OPEN, 0);
	char *seen = collect_stream(&half.got, open->flow.cookie, open->isn, &len, &gaps);
	assert_int_equal(len, 10);
	assert_memory_equal(seen, "last words", 10);
	free(seen);
}

/* --- connections ------------------------------------------------------------------------------ */

static size_t index_of(const struct collect *c, const void *rec)
{
	for (size_t i = 0; i < c->count; i++)
		if ((const void *)c->list[i] == rec)
			return i;
	return SIZE_MAX;
}

static void a_connection_opens_before_its_data_and_closes_with_its_sums(void **state)
{
	(void)state;
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	struct sockaddr_in client = {.sin_port = 0};
	socklen_t len = sizeof(client);
	assert_int_equal(getsockname(p.client, (void *)&client, &len), 0);
	send_all(p.client, "GET / HTTP/1.1\r\n\r\n", 18);
	receive_all(p.server, 18, 4096, false);
	send_all(p.server, "HTTP/1.1 204 No Content\r\n\r\n", 27);
	receive_all(p.client, 27, 4096, false);
	struct tcp_info info;
	len = sizeof(info);
	assert_int_equal(getsockopt(p.server, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	pair_close(&p);
	assert_true(world_until_quiet(PORT));
	assert_true(reader_drain(half.reader) > 0);

	const struct pk_open *open = collect_get(&half.got, PK_OPEN, 0);
	const struct pk_close *end = collect_get(&half.got, PK_CLOSE, 0);
	const struct pk_data *data = collect_get(&half.got, PK_DATA, 0);
	assert_int_equal(collect_count(&half.got, PK_OPEN), 1);
	assert_int_equal(collect_count(&half.got, PK_CLOSE), 1);
	assert_true(index_of(&half.got, open) < index_of(&half.got, data));
	assert_true(index_of(&half.got, data) < index_of(&half.got, end));
	assert_int_equal(open->isn, data->seq);
	assert_int_not_equal(open->flow.cookie, 0);
	assert_int_equal(open->flow.cookie, data->flow.cookie);
	assert_int_equal(open->flow.cookie, end->flow.cookie);
	assert_int_equal(data->pid, getpid());
	const struct pk_flow *flows[] = {&open->flow, &data->flow, &end->flow};
	for (int i = 0; i < 3; i++) {
		assert_int_equal(flows[i]->family, PK_AF_INET);
		assert_int_equal(flows[i]->netns, world_netns(world.server_ns));
		assert_int_equal(flows[i]->local_port, PORT);
		assert_int_equal(flows[i]->peer_port, ntohs(client.sin_port));
		assert_memory_equal(flows[i]->local_addr, "\x0a\x4d\x00\x01\0\0\0\0\0\0\0\0\0\0\0\0", 16);
		assert_memory_equal(flows[i]->peer_addr, "\x0a\x4d\x00\x02\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	}
	assert_int_equal(end->bytes_received, 18);
	assert_int_equal(end->unread, 0);
	assert_in_range(end->bytes_acked, 27, 28);
	assert_int_equal(end->retransmits, 0);
	/* The kernel's own figure, but for what the FIN added. */
	assert_true(end->srtt_us <= 2 * info.tcpi_rtt + 100 && 2 * end->srtt_us + 100 >= info.tcpi_rtt);
}

#define AWHILE_US       50000
#define CLOCKS_APART_NS 1000000 /* the boot clock is told as the monotonic one and how far it is ahead */

/* Of a request: when it had come, also where the application reads it later (but with perf buffers). Of an
 * end: when it was made. */
static void times_are_those_of_the_boot_clock(void **state)
{
	const struct linger abort = {.l_onoff = 1};

	(void)state;
	uint64_t before = clock_boot_ns(&clock_system);
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	uint64_t opened = clock_boot_ns(&clock_system);
	usleep(AWHILE_US);
	uint64_t asked = clock_boot_ns(&clock_system);
	send_all(p.client, "GET / HTTP/1.1\r\n\r\n", 18);
	uint64_t came = clock_boot_ns(&clock_system);
	usleep(AWHILE_US);
	receive_all(p.server, 18, 4096, false);
	usleep(AWHILE_US);
	uint64_t ending = clock_boot_ns(&clock_system);
	assert_int_equal(setsockopt(p.server, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)), 0);
	close(p.server);
	p.server = -1;
	pair_close(&p);
	assert_true(world_until_quiet(PORT));
	assert_true(reader_drain(half.reader) > 0);
	const struct pk_open *open = collect_get(&half.got, PK_OPEN, 0);
	const struct pk_close *end = collect_get(&half.got, PK_CLOSE, 0);
	const struct pk_data *data = collect_get(&half.got, PK_DATA, 0);
	assert_in_range(open->rec.time_ns, before - CLOCKS_APART_NS, opened + CLOCKS_APART_NS);
	if (kernel_uses_perf(half.kernel))
		assert_in_range(data->rec.time_ns, came, ending);
	else
		assert_in_range(data->rec.time_ns, asked - CLOCKS_APART_NS, came + CLOCKS_APART_NS);
	assert_in_range(end->rec.time_ns, ending, clock_boot_ns(&clock_system));
}

static void what_an_application_left_unread_is_told(void **state)
{
	(void)state;
	for (int close_first = 0; close_first < 2; close_first++) {
		struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);

		send_all(p.client, "read, not read", 14);
		assert_true(world_until_bytes(p.server, 14));
		receive_all(p.server, 4, 4, false);
		if (close_first) { /* the FIN is there, too */
			shutdown(p.client, SHUT_WR);
			assert_true(world_until_state(p.server, TCP_CLOSE_WAIT));
		}
		close(p.server);
		p.server = -1;
		pair_close(&p);
	}
	assert_true(world_until_quiet(PORT));
	assert_true(reader_drain(half.reader) > 0);
	assert_int_equal(collect_count(&half.got, PK_CLOSE), 2);
	for (int i = 0; i < 2; i++) {
		const struct pk_close *end = collect_get(&half.got, PK_CLOSE, i);

		assert_int_equal(end->bytes_received, 14);
		assert_int_equal(end->unread, 10);
	}
}

static void a_mapped_client_has_its_ipv4_address(void **state)
{
	(void)state;
	struct pair p = pair_open("::", "10.77.0.1", PORT);
	send_all(p.client, "x", 1);
	receive_all(p.server, 1, 1, false);
	pair_close(&p);
	assert_true(reader_drain(half.reader) > 0);
	for (int kind = PK_DATA; kind <= PK_CLOSE; kind++) {
		const struct pk_data *d = collect_get(&half.got, kind, 0);

		assert_non_null(d);
		assert_int_equal(d->flow.family, PK_AF_INET);
		assert_memory_equal(d->flow.peer_addr, "\x0a\x4d\x00\x02\0\0\0\0\0\0\0\0\0\0\0\0", 16);
		assert_memory_equal(d->flow.local_addr, "\x0a\x4d\x00\x01\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	}
}

static struct tcp_info tcp_info_of(const int *fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(*fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info;
}

static bool was_sent_again(const void *fd)
{
	return tcp_info_of(fd).tcpi_total_retrans > 0;
}

static bool all_acknowledged(const void *fd)
{
	return tcp_info_of(fd).tcpi_unacked == 0;
}

static void retransmissions_are_told(void **state)
{
	struct kernel_attachment a;
	struct buffer errors = BUFFER_INIT(1024);
	struct half h;

	(void)state;
	half_open(&h, &world, source, 1 << 20);
	assert_int_equal(kernel_attach_interface(h.kernel, WORLD_SERVER, PACKET_TC, &a, &errors), 0);
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	half_deny(&h, "10.77.0.2", PK_SCOPE_PORTS); /* no acknowledgment comes through */
	send_all(p.server, "answer", 6);
	assert_true(world_until(was_sent_again, &p.server));
	half_undeny(&h, "10.77.0.2");
	receive_all(p.client, 6, 6, false);
	assert_true(world_until(all_acknowledged, &p.server));
	pair_close(&p);
	assert_true(world_until_quiet(PORT));
	assert_true(reader_drain(h.reader) > 0);
	const struct pk_close *end = collect_get(&h.got, PK_CLOSE, 0);
	assert_non_null(end);
	assert_in_range(end->retransmits, 1, 10);
	buffer_free(&errors);
	half_close(&h);
}

/* --- scope ------------------------------------------------------------------------------------ */

static void traffic_of_another_namespace_makes_no_record(void **state)
{
	struct half h;
	socklen_t len;
	struct sockaddr_storage to = world_addr("10.77.0.2", PORT, &len);

	(void)state;
	half_open(&h, &world, source, 1 << 20);
	world_enter(&world, true);
	int listener = world_listen("10.77.0.2", PORT);
	world_enter(&world, false);
	for (int i = 0; i < 20; i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		assert_int_equal(connect(client, (void *)&to, len), 0);
		int server = accept(listener, NULL, NULL);
		send_all(client, "GET / HTTP/1.1\r\n\r\n", 18);
		receive_all(server, 18, 4096, false);
		close(client);
		close(server);
	}
	close(listener);
	assert_int_equal(reader_drain(h.reader), 0);
	assert_int_equal(half_stat(&h, PK_C_REQ_PRODUCED), 0);
	assert_int_equal(half_stat(&h, PK_C_DATA_SEEN), 0);
	half_close(&h);
}

static void a_port_that_is_not_watched_makes_no_record(void **state)
{
	(void)state;
	half.pk.follow_listen = 0;
	kernel_config_set(half.kernel, &half.pk);
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT + 1);
	send_all(p.client, "x", 1);
	receive_all(p.server, 1, 1, false);
	pair_close(&p);
	assert_true(reader_drain(half.reader) >= 0);
	assert_int_equal(collect_count(&half.got, PK_LISTEN), half.got.count);
}

static void reads_of_our_own_process_are_not_captured(void **state)
{
	(void)state;
	half.pk.own_tgid = (uint32_t)getpid();
	kernel_config_set(half.kernel, &half.pk);
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	send_all(p.client, "x", 1);
	receive_all(p.server, 1, 1, false);
	pair_close(&p);
	assert_true(reader_drain(half.reader) > 0);
	assert_int_equal(collect_count(&half.got, PK_DATA), 0);
	assert_int_equal(collect_count(&half.got, PK_OPEN), 1);
}

/* Makes a cgroup of this process' own below the root of the unified hierarchy; "" where there is none. */
static void cgroup_make(const char *name, char *ret, size_t size)
{
	char line[512], root[64], type[32];
	FILE *mounts = fopen("/proc/mounts", "re");

	*ret = 0;
	while (mounts && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %63s %31s", root, type) != 2 || strcmp(type, "cgroup2"))
			continue;
		snprintf(ret, size, "%.30s/%s-%d", root, name, getpid());
		if (mkdir(ret, 0755) == 0 || errno == EEXIST)
			break;
		*ret = 0;
	}
	if (mounts)
		fclose(mounts);
}

static void cgroup_join(const char *path)
{
	char command[192];

	snprintf(command, sizeof(command), "echo %d > %s/cgroup.procs", getpid(), path);
	world_run(command);
}

/* A child listens and reads one byte, in the cgroup at hand; sockets belong to the cgroup they were made in.
 */
static void one_exchange(uint16_t port)
{
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", port);

	send_all(p.client, "x", 1);
	receive_all(p.server, 1, 1, false);
	pair_close(&p);
}

static void only_sockets_of_the_cgroup_and_below_are_in_scope(void **state)
{
	char in[64], below[96], out[64], root[64];
	struct stat st;
	struct half h;

	(void)state;
	cgroup_make("pk-test-in", in, sizeof(in));
	cgroup_make("pk-test-out", out, sizeof(out));
	if (!*in || !*out) {
		print_message("no cgroup v2 to write to\n");
		skip();
	}
	snprintf(below, sizeof(below), "%s/below", in);
	if (mkdir(below, 0755) && errno != EEXIST)
		skip();
	assert_int_equal(stat(in, &st), 0);
	half_open(&h, &world, source, 1 << 20);
	h.pk.cgroup_id = st.st_ino;
	kernel_config_set(h.kernel, &h.pk);
	cgroup_join(in);
	one_exchange(PORT);
	assert_true(reader_drain(h.reader) > 0);
	assert_int_equal(collect_count(&h.got, PK_DATA), 1);
	cgroup_join(below);
	one_exchange(PORT);
	reader_drain(h.reader);
	assert_int_equal(collect_count(&h.got, PK_DATA), 2);
	cgroup_join(out);
	collect_clear(&h.got);
	one_exchange(PORT);
	assert_int_equal(reader_drain(h.reader), 0);
	snprintf(root, sizeof(root), "%.*s", (int)(strrchr(in, '/') - in), in);
	cgroup_join(root);
	rmdir(below);
	rmdir(in);
	rmdir(out);
	half_close(&h);
}

/* --- listeners -------------------------------------------------------------------------------- */

static bool port_is_watched(struct half *h, uint16_t port)
{
	struct pk_ports ports;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(kernel_ports_fd(h->kernel), &zero, &ports), 0);
	return ports_watched(&ports, port);
}

static void a_new_listener_is_watched_from_its_first_connection_on(void **state)
{
	struct half h;

	(void)state;
	half_open(&h, &world, source, 1 << 20);
	one_exchange(PORT + 5);
	assert_true(port_is_watched(&h, PORT + 5));
	assert_true(reader_drain(h.reader) > 0);
	const struct pk_listen *l = collect_get(&h.got, PK_LISTEN, 0);
	assert_non_null(l);
	assert_int_equal(l->watched, 1);
	assert_int_equal(l->flow.local_port, PORT + 5);
	assert_int_equal(l->flow.netns, world_netns(world.server_ns));
	assert_int_equal(l->pid, getpid());
	assert_memory_equal(l->flow.local_addr, "\x0a\x4d\x00\x01", 4);
	assert_int_equal(collect_count(&h.got, PK_OPEN), 1);
	assert_int_equal(collect_count(&h.got, PK_DATA), 1);
	half_close(&h);
}

static void listen_only(const char *addr, uint16_t port)
{
	close(world_listen(addr, port));
}

static void loopback_sshd_and_excluded_ports_are_not_followed(void **state)
{
	struct half h;
	struct pk_ports ports = {0};

	(void)state;
	half_open(&h, &world, source, 1 << 20);
	ports.never[(PORT + 9) / 64] |= 1ull << ((PORT + 9) % 64);
	ports_write(kernel_ports_fd(h.kernel), &ports);
	listen_only("127.0.0.1", PORT + 6);
	listen_only("::1", PORT + 7);
	listen_only("::ffff:127.0.0.1", PORT + 8);
	listen_only("0.0.0.0", PORT + 9);
	prctl(PR_SET_NAME, "sshd");
	listen_only("0.0.0.0", PORT + 10);
	prctl(PR_SET_NAME, "live_test");
	listen_only("::", PORT + 11);
	for (int i = 6; i <= 10; i++)
		if (port_is_watched(&h, PORT + i))
			fail_msg("port +%d is watched", i);
	assert_true(port_is_watched(&h, PORT + 11));
	listen_only("0.0.0.0", PORT + 10); /* what was sshd's stays out, whoever takes it */
	assert_false(port_is_watched(&h, PORT + 10));
	reader_drain(h.reader);
	assert_int_equal(collect_count(&h.got, PK_LISTEN), 7);
	half_close(&h);
}

/* --- what TCP refused ------------------------------------------------------------------------- */

/* The client sends a segment that the server has had already: a window probe, as one leaves TCP_REPAIR. */
static void probe(const struct pair *p)
{
	for (int on = 1; on >= 0; on--)
		assert_int_equal(setsockopt(p->client, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), 0);
}

static void probes_arrive(const struct pair *p, int count)
{
	for (int i = 0; i < count; i++)
		probe(p);
	send_all(p->client, "x", 1);
	receive_all(p->server, 1, 1, false);
}

static void a_refused_segment_is_told_with_its_connection_and_namespace(void **state)
{
	struct half h;

	(void)state;
	if (source == CAPTURE_PERF)
		skip(); /* there it has no name */
	half_open(&h, &world, source, 1 << 20);
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	probes_arrive(&p, 1);
	pair_close(&p);
	assert_true(reader_drain(h.reader) > 0);
	const struct pk_open *open = collect_get(&h.got, PK_OPEN, 0);
	const struct pk_refused *r = collect_get(&h.got, PK_REFUSED, 0);
	assert_non_null(open);
	assert_non_null(r);
	assert_int_equal(r->refusal, PK_REFUSED_SEQUENCE);
	assert_int_equal(r->cookie, open->flow.cookie);
	assert_int_equal(r->netns, world_netns(world.server_ns));
	assert_int_equal(r->header.sequence, open->isn - 1);
	assert_int_equal(r->header.destination_port, PORT);
	half_assert_balance(&h);
	half_close(&h);
}

/* By a counter of its own: the ring of headers has nothing to do with it. */
static void refused_segments_over_their_rate_are_counted_and_not_told(void **state)
{
	struct half h;

	(void)state;
	if (source == CAPTURE_PERF)
		skip();
	half_open(&h, &world, source, 1 << 20);
	h.pk.header_rate = 1;
	h.pk.header_burst = 1;
	kernel_config_set(h.kernel, &h.pk);
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	probes_arrive(&p, 50);
	pair_close(&p);
	half_assert_balance(&h);
	size_t told = collect_count(&h.got, PK_REFUSED);
	assert_true(told > 0 && told < 50);
	assert_int_equal(told + half_stat(&h, PK_C_REFUSED_THROTTLED), 50);
	assert_int_equal(half_stat(&h, PK_C_HDR_THROTTLED), 0);
	half_close(&h);
}

/* --- bodies and limits ------------------------------------------------------------------------ */

static void a_known_body_is_not_copied_and_what_follows_is(void **state)
{
	static char body[300000];
	struct half h;

	(void)state;
	half_open(&h, &world, source, 4 << 20);
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	send_all(p.client, "HEAD", 4);
	receive_all(p.server, 4, 4096, false);
	assert_true(reader_drain(h.reader) > 0);
	const struct pk_data *d = collect_get(&h.got, PK_DATA, 0);
	uint64_t to = (uint32_t)(d->seq + 4 + sizeof(body));
	uint64_t cookie = d->flow.cookie;
	kernel_skip(h.kernel)[pk_skip_slot(d->flow.cookie)] = (uint64_t)pk_skip_tag(cookie) << 32 | to;
	collect_clear(&h.got);
	for (size_t at = 0; at < sizeof(body); at += 30000) {
		send_all(p.client, body + at, 30000);
		if (at + 30000 == sizeof(body))
			send_all(p.client, "NEXT", 4);
		receive_all(p.server, at + 30000 == sizeof(body) ? 30004 : 30000, 7000, false);
	}
	assert_true(reader_drain(h.reader) > 0);
	assert_int_equal(half_stat(&h, PK_C_DATA_SKIPPED), sizeof(body));
	size_t len, gaps;
	char *seen = collect_stream(&h.got, cookie, (uint32_t)to, &len, &gaps);
	assert_int_equal(len, 4);
	assert_memory_equal(seen, "NEXT", 4);
	free(seen);
	send_all(p.client, "MORE", 4);
	receive_all(p.server, 4, 4, false);
	assert_int_equal(kernel_skip(h.kernel)[pk_skip_slot(cookie)], 0); /* passed, so it cannot act again */
	pair_close(&p);
	half_assert_balance(&h);
	half_close(&h);
}

/*
 * The sensor stores the next body's end while the kernel clears the one before: whatever the order, what was
 * stored last stays. Each turn leaves the two some time to meet, and a little more than the turn before.
 */
struct storing {
	uint64_t *slot;
	uint64_t passed, next;
	int turn; /* odd: the kernel is about to look */
};

#define STORE_TURNS 20000

static void *store_next(void *arg)
{
	struct storing *s = arg;

	for (int turn = 1; turn < 2 * STORE_TURNS; turn += 2) {
		while (__atomic_load_n(&s->turn, __ATOMIC_ACQUIRE) != turn)
			;
		for (volatile int i = 0; i < turn / 2 % 4000; i++)
			;
		__atomic_store_n(s->slot, s->next, __ATOMIC_RELEASE);
		__atomic_store_n(&s->turn, turn + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void a_skip_that_is_stored_while_the_last_one_is_cleared_stays(void **state)
{
	struct storing s = {0};
	struct half h;
	pthread_t thread;
	unsigned cleared = 0;
	char byte;

	(void)state;
	half_open(&h, &world, source, 1 << 20);
	struct pair p = pair_open("127.0.0.1", "127.0.0.1", PORT);
	send_all(p.client, "A", 1);
	receive_all(p.server, 1, 1, false);
	assert_true(reader_drain(h.reader) > 0);
	const struct pk_data *d = collect_get(&h.got, PK_DATA, 0);
	uint64_t tag = (uint64_t)pk_skip_tag(d->flow.cookie) << 32;
	s = (struct storing){.slot = &kernel_skip(h.kernel)[pk_skip_slot(d->flow.cookie)],
			     .passed = tag | d->seq,
			     .next = tag | (uint32_t)(d->seq + (1u << 30))};
	send_all(p.client, "B", 1);
	assert_int_equal(pthread_create(&thread, NULL, store_next, &s), 0);
	for (int turn = 1; turn < 2 * STORE_TURNS; turn += 2) {
		__atomic_store_n(s.slot, s.passed, __ATOMIC_RELEASE);
		__atomic_store_n(&s.turn, turn, __ATOMIC_RELEASE);
		assert_int_equal(recv(p.server, &byte, 1, MSG_PEEK), 1);
		while (__atomic_load_n(&s.turn, __ATOMIC_ACQUIRE) != turn + 1)
			;
		cleared += __atomic_load_n(s.slot, __ATOMIC_ACQUIRE) == 0;
	}
	pthread_join(thread, NULL);
	assert_int_equal(cleared, 0);
	receive_all(p.server, 1, 1, false);
	pair_close(&p);
	half_close(&h);
}

static void a_skip_of_another_connection_in_the_same_slot_is_ignored(void **state)
{
	(void)state;
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	send_all(p.client, "A", 1);
	receive_all(p.server, 1, 1, false);
	reader_drain(half.reader);
	const struct pk_data *d = collect_get(&half.got, PK_DATA, 0);
	uint64_t stranger = d->flow.cookie + (1ull << 17);
	assert_int_equal(pk_skip_slot(stranger), pk_skip_slot(d->flow.cookie));
	kernel_skip(half.kernel)[pk_skip_slot(d->flow.cookie)] =
		(uint64_t)pk_skip_tag(stranger) << 32 | (d->seq + 1000);
	send_all(p.client, "B", 1);
	receive_all(p.server, 1, 1, false);
	reader_drain(half.reader);
	assert_int_equal(collect_count(&half.got, PK_DATA), 2);
	pair_close(&p);
}

static void what_is_beyond_read_max_is_announced_by_length(void **state)
{
	struct half h;
	char *text = text_make(5000);
	size_t len, gaps;

	(void)state;
	half_open(&h, &world, source, 1 << 20);
	h.pk.read_max = 100;
	kernel_config_set(h.kernel, &h.pk);
	struct pair p = pair_open("127.0.0.1", "127.0.0.1", PORT);
	send_all(p.client, text, 5000);
	receive_all(p.server, 5000, 8192, false);
	pair_close(&p);
	reader_drain(h.reader);
	const struct pk_open *open = collect_get(&h.got, PK_OPEN, 0);
	char *seen = collect_stream(&h.got, open->flow.cookie, open->isn, &len, &gaps);
	assert_int_equal(len + gaps, 5000);
	assert_int_equal(half_stat(&h, PK_C_DATA_CUT), gaps);
	assert_true(len >= 100 && len < 5000);
	assert_memory_equal(seen, text, 100);
	free(seen);
	free(text);
	half_close(&h);
}

/* --- a body that comes faster than its reader --- */

#define AHEAD_READ  65536
#define AHEAD_READS 32

/* Of head and then AHEAD_READS reads, while nothing reads the ring: the bytes that were copied. Each is told.
 */
static uint64_t copied_behind(struct half *h, const char *head, bool head_was_read)
{
	static char bytes[AHEAD_READ];
	size_t len, gaps, size = strlen(head);
	uint64_t copied = half_stat(h, PK_C_DATA_BYTES), cut = half_stat(h, PK_C_DATA_CUT);

	collect_clear(&h->got);
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	send_all(p.client, head, size);
	receive_all(p.server, size, size, false);
	reader_drain(h->reader);
	const struct pk_data *d = collect_get(&h->got, PK_DATA, 0);
	if (head_was_read)
		kernel_seen(h->kernel)[pk_skip_slot(d->flow.cookie)] =
			(uint64_t)pk_skip_tag(d->flow.cookie) << 32 | (d->seq + (uint32_t)size);
	for (int i = 0; i < AHEAD_READS; i++) {
		send_all(p.client, bytes, sizeof(bytes));
		receive_all(p.server, sizeof(bytes), sizeof(bytes), false);
	}
	reader_drain(h->reader);
	copied = half_stat(h, PK_C_DATA_BYTES) - copied;
	cut = half_stat(h, PK_C_DATA_CUT) - cut;
	const struct pk_open *open = collect_get(&h->got, PK_OPEN, 0);
	free(collect_stream(&h->got, open->flow.cookie, open->isn, &len, &gaps));
	assert_int_equal(len + gaps, size + AHEAD_READS * sizeof(bytes));
	assert_int_equal(copied + cut, len + gaps);
	pair_close(&p);
	half_assert_balance(h);
	return copied;
}

static void a_body_is_not_copied_far_ahead_of_the_reader(void **state)
{
	static const char *const heads[] = {
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n",
		"PUT / HTTP/1.1\r\ncontent-LENGTH:2097152\r\nX-Content-Length: 1\r\n\r\n",
		"PATCH /?q=1 HTTP/1.1\r\nHost: a\r\nContent-Length:   999999999999999999\r\n\r\n",
	};

	(void)state;
	if (source == CAPTURE_PERF)
		skip(); /* that path copies it */
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		assert_in_range(copied_behind(&half, heads[i], false), PK_BODY_WINDOW,
				PK_BODY_WINDOW + 2 * AHEAD_READ);
}

static void what_may_be_no_body_is_copied(void **state)
{
	static const char *const heads[] = {
		"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		"POST /a HTTP/1.1\r\nContent-Length: 2097152\r\nContent-Length: 5\r\n\r\n",
		"POST /a HTTP/1.1\r\nContent-Length: 2097152\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /a HTTP/1.1\r\nContent-Length: +2097152\r\n\r\n",
		"POST /a HTTP/1.1\r\nContent-Length: 2097152 1\r\n\r\n",
		"POST /a HTTP/1.1\r\nContent-Length : 2097152\r\n\r\n",
		"POST /a HTTP/1.1\r\nX: a\r\n Content-Length: 1\r\nContent-Length: 2097152\r\n\r\n",
		"POST /a HTTP/1.1\nContent-Length: 2097152\r\n\r\n",
		"POST /a HTTP/1.1\r\nContent-Length: 2097152\n\r\n",
		"POST /a HTTP/1.2\r\nContent-Length: 2097152\r\n\r\n",
		"POST /a HTTP/1.1\r\nContent-Length: 2097152\r\n",
		"POSTS /a HTTP/1.1\r\n: 1\r\nContent-Length: 2097152\r\n\r\n",
	};

	(void)state;
	if (source == CAPTURE_PERF)
		skip(); /* it tells by length what is longer than a record of that path */
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		assert_int_equal(copied_behind(&half, heads[i], false),
				 strlen(heads[i]) + AHEAD_READS * AHEAD_READ);
}

/* A body's end is no body: there the next request may begin. */
static void what_ends_a_body_is_copied(void **state)
{
	uint64_t body = 10 * AHEAD_READ + 1, whole = (AHEAD_READS - 10) * AHEAD_READ;
	char head[128];

	(void)state;
	if (source == CAPTURE_PERF)
		skip();
	snprintf(head, sizeof(head), "POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n", (int)body);
	assert_in_range(copied_behind(&half, head, false), PK_BODY_WINDOW + whole,
			PK_BODY_WINDOW + whole + 2 * AHEAD_READ);
}

/* What the sensor says of a head that it has read counts, also if it says nothing. */
static void a_head_that_was_read_tells_the_kernel_half_nothing(void **state)
{
	static const char head[] = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n";

	(void)state;
	if (source == CAPTURE_PERF)
		skip();
	assert_int_equal(copied_behind(&half, head, true), strlen(head) + AHEAD_READS * AHEAD_READ);
}

/* --- loss ------------------------------------------------------------------------------------- */

static size_t data_from(const struct half *h, uint16_t peer_port)
{
	size_t n = 0;

	for (size_t i = 0; i < h->got.count; i++)
		n += h->got.list[i]->kind == PK_DATA &&
		     ((const struct pk_data *)h->got.list[i])->flow.peer_port == peer_port;
	return n;
}

/* 64 KiB a turn: much more than the ring holds, with the reader asleep. */
static void flood(struct pair *p, int turns)
{
	static char bytes[65536];

	for (int i = 0; i < turns; i++) {
		send_all(p->client, bytes, sizeof(bytes));
		receive_all(p->server, sizeof(bytes), sizeof(bytes), false);
	}
}

static void an_overrun_is_accounted_for_exactly(void **state)
{
	struct half h;

	(void)state;
	for (int share = 0; share < 2; share++) {
		half_open(&h, &world, source, 1 << 18);
		h.pk.share_divisor = share ? 8 : 0;
		kernel_config_set(h.kernel, &h.pk);
		struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
		flood(&p, 200);
		pair_close(&p);
		half_assert_balance(&h);
		assert_true(half_stat(&h, share ? PK_C_REQ_SHARE : PK_C_REQ_LOST) > 0);
		half_close(&h);
	}
}

static void flood_beside_another(int pause_us)
{
	struct half h;
	int client, server;

	half_open(&h, &world, source, 1 << 20);
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	client = world_connect(&world, "10.77.0.3", "10.77.0.1", PORT);
	assert_true(client >= 0);
	server = accept(p.listener, NULL, NULL);
	struct sockaddr_in me;
	socklen_t len = sizeof(me);
	assert_int_equal(getsockname(client, (void *)&me, &len), 0);
	reader_drain(h.reader);
	for (int i = 0; i < 12; i++) {
		flood(&p, 1);
		send_all(client, "GET / HTTP/1.1\r\n\r\n", 18);
		receive_all(server, 18, 4096, false);
		usleep((useconds_t)pause_us);
	}
	half_assert_balance(&h);
	assert_true(half_stat(&h, PK_C_REQ_SHARE) > 0);
	assert_int_equal(data_from(&h, ntohs(me.sin_port)), 12);
	close(client);
	close(server);
	pair_close(&p);
	half_close(&h);
}

static void a_flooding_client_does_not_cost_another_its_requests(void **state)
{
	(void)state;
	flood_beside_another(0);
}

/* A reader that the flood itself starves comes late: 0.3 s here, with 64 KiB of flood each 25 ms. */
static void however_late_the_reader_comes(void **state)
{
	(void)state;
	flood_beside_another(25000);
}

/* Only so is it known which connections miss something. */
static void connections_are_told_even_when_the_ring_is_full_of_data(void **state)
{
	struct half h;

	(void)state;
	half_open(&h, &world, source, 1 << 20);
	h.pk.share_divisor = 0;
	kernel_config_set(h.kernel, &h.pk);
	struct pair p = pair_open("10.77.0.1", "10.77.0.1", PORT);
	flood(&p, 64); /* 4 MiB into 1 MiB */
	uint64_t lost = half_stat(&h, PK_C_REQ_LOST);
	assert_true(lost > 0);
	for (int i = 0; i < 50; i++) {
		int client = world_connect(&world, "10.77.0.3", "10.77.0.1", PORT);
		int server = accept(p.listener, NULL, NULL);

		assert_true(client >= 0 && server >= 0);
		close(client);
		receive_end(server);
		close(server);
	}
	assert_true(world_until_quiet(PORT));
	half_assert_balance(&h);
	assert_int_equal(half_stat(&h, PK_C_REQ_LOST), lost);
	assert_int_equal(collect_count(&h.got, PK_OPEN), 51);
	assert_int_equal(collect_count(&h.got, PK_CLOSE), 50);
	pair_close(&p);
	half_close(&h);
}

static void a_sleeping_reader_is_woken_by_another_descriptor(void **state)
{
	struct half h;
	int fds[2];
	struct timespec a, b;

	(void)state;
	half_open(&h, &world, source, 1 << 20);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(reader_poll(h.reader, fds[0], 5000), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec < 4); /* far from the 5 s that it would sleep */
	close(fds[0]);
	close(fds[1]);
	one_exchange(PORT);
	int n = 0;
	for (int i = 0; i < 500 && n < 4; i++) /* listener, open, data, close */
		n += reader_poll(h.reader, -1, 20);
	assert_int_equal(n, 4);
	half_close(&h);
}

static bool ring_loads(void)
{
	struct config c = {.capture.source = CAPTURE_RING,
			   .capture.ring_bytes = 1 << 16,
			   .capture.header_ring_bytes = 1 << 16,
			   .limits.blocks_max = 16};
	struct kernel_options options = {.netns = 0};
	struct buffer errors = BUFFER_INIT(4096);
	struct kernel *k = NULL;
	int r = kernel_load(&c, &options, &k, &errors);

	kernel_free(k);
	buffer_free(&errors);
	return r != KERNEL_E_UNSUPPORTED;
}

#define TOGETHER(NAME) cmocka_unit_test_teardown(NAME, half_settle)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TOGETHER(request_bytes_arrive_exactly_however_they_are_sent_and_read),
		TOGETHER(bytes_sent_one_by_one_arrive),
		TOGETHER(peeked_bytes_do_not_change_the_stream),
		TOGETHER(a_peek_over_many_packets_does_not_change_the_stream),
		TOGETHER(data_on_the_third_ack_of_the_handshake_is_seen),
		TOGETHER(data_read_after_the_client_has_closed_is_seen),
		TOGETHER(a_connection_opens_before_its_data_and_closes_with_its_sums),
		TOGETHER(times_are_those_of_the_boot_clock),
		TOGETHER(what_an_application_left_unread_is_told),
		TOGETHER(a_mapped_client_has_its_ipv4_address),
		TOGETHER(a_port_that_is_not_watched_makes_no_record),
		TOGETHER(reads_of_our_own_process_are_not_captured),
		TOGETHER(a_skip_of_another_connection_in_the_same_slot_is_ignored),
		TOGETHER(a_body_is_not_copied_far_ahead_of_the_reader),
		TOGETHER(what_may_be_no_body_is_copied),
		TOGETHER(what_ends_a_body_is_copied),
		TOGETHER(a_head_that_was_read_tells_the_kernel_half_nothing),
	};
	const struct CMUnitTest alone[] = {
		cmocka_unit_test(retransmissions_are_told),
		cmocka_unit_test(traffic_of_another_namespace_makes_no_record),
		cmocka_unit_test(only_sockets_of_the_cgroup_and_below_are_in_scope),
		cmocka_unit_test(a_new_listener_is_watched_from_its_first_connection_on),
		cmocka_unit_test(loopback_sshd_and_excluded_ports_are_not_followed),
		cmocka_unit_test(a_refused_segment_is_told_with_its_connection_and_namespace),
		cmocka_unit_test(refused_segments_over_their_rate_are_counted_and_not_told),
		cmocka_unit_test(a_known_body_is_not_copied_and_what_follows_is),
		cmocka_unit_test(a_skip_that_is_stored_while_the_last_one_is_cleared_stays),
		cmocka_unit_test(what_is_beyond_read_max_is_announced_by_length),
		cmocka_unit_test(an_overrun_is_accounted_for_exactly),
		cmocka_unit_test(a_flooding_client_does_not_cost_another_its_requests),
		cmocka_unit_test(however_late_the_reader_comes),
		cmocka_unit_test(connections_are_told_even_when_the_ring_is_full_of_data),
		cmocka_unit_test(a_sleeping_reader_is_woken_by_another_descriptor),
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
	if (source == CAPTURE_RING && !half_ring_expected() && !ring_loads()) {
		fprintf(stderr,
			"skipped: this kernel has no dynptr for tracing programs (before about 6.12)\n");
		return 77;
	}
	int failed = cmocka_run_group_tests(tests, half_begin, half_end);
	return cmocka_run_group_tests(alone, NULL, NULL) + failed;
}
