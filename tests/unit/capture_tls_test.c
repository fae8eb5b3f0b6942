// SPDX-License-Identifier: Apache-2.0
/*
 * capture_tls_test.c: records of connections that begin with TLS in, events of hellos out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/capture_rig.h"
#include "tls_rig.h"

#define ISN     1000u
#define GET     "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define NEXT_13 "\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x35"
#define NEXT_12 "\x16\x03\x03\x00\x46\x10\x00\x00\x42"

static struct tls_rig made;
static uint8_t wire[2 * TLS_RIG_MAX];
static uint32_t wire_len;

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof *rig);

	*state = rig;
	return rig ? rig_start(rig, 64, 1 << 20, false) : -1;
}

static int setup_packets(void **state)
{
	rig_packets_wait_ns = 5 * RIG_SECOND;
	int r = setup(state);
	rig_packets_wait_ns = 0;
	return r;
}

static int teardown(void **state)
{
	rig_stop(*state);
	free(*state);
	return 0;
}

/* The nth event of that kind; NULL: there are not so many. */
static const struct event *find(const struct rig *rig, enum event_kind kind, unsigned nth)
{
	for (unsigned i = 0; i < rig->event_count; i++)
		if (rig->events[i]->kind == kind && nth-- == 0)
			return rig->events[i];
	return NULL;
}

static const struct event *hello_of(const struct rig *rig)
{
	assert_null(find(rig, EVENT_TLS_HELLO, 1));
	return find(rig, EVENT_TLS_HELLO, 0);
}

static void assert_span(struct span s, const char *text)
{
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(s.ptr, text, s.len);
}

static struct capture_tls_counts counts(const struct rig *rig)
{
	return capture_counts(rig->capture).tls;
}

static void make(const char *name)
{
	tls_browser(&made, name, 1263);
	wire_len = (uint32_t)tls_records(&made, 16384, wire);
}

/* Bytes in pieces of at most `step`; returns the sequence number behind them. */
static uint32_t send_pieces(struct rig *rig, const struct pk_flow *flow, uint32_t seq, const void *bytes,
			    uint32_t len, uint32_t step)
{
	for (uint32_t at = 0; at < len; at += step) {
		uint32_t n = MIN(step, len - at);
		rig_piece(rig, flow, seq + at, (const char *)bytes + at, n, n);
	}
	return seq + len;
}
#define SEND(rig, flow, seq, text) send_pieces((rig), (flow), (seq), (text), sizeof(text) - 1, UINT32_MAX / 2)

static bool skips(const struct rig *rig, const struct pk_flow *flow)
{
	return rig->skip[pk_skip_slot(flow->cookie)] >> 32 == pk_skip_tag(flow->cookie);
}

static void a_hello_in_two_segments_is_told_with_the_version_of_the_next_records(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(41, 7, 5555);
	uint64_t began = rig->now_ns;

	make("API.example");
	rig_open(rig, &flow, ISN);
	uint32_t next = send_pieces(rig, &flow, ISN, wire, wire_len, 1448);
	assert_null(hello_of(rig));
	assert_int_equal(counts(rig).held, 1);
	assert_true(capture_counts(rig->capture).stream_bytes_held > 0);
	assert_false(skips(rig, &flow));
	rig->now_ns += 30000000;
	next = SEND(rig, &flow, next, NEXT_13);

	const struct event *e = hello_of(rig);
	assert_non_null(e);
	assert_int_equal(e->time_ns, began);
	assert_int_equal(e->flow.connection_id, 41);
	assert_int_equal(e->flow.peer.port, 5555);
	assert_span(e->hello.tls.server_name, "api.example");
	assert_span(e->hello.tls.ja4, TLS_BROWSER_JA4);
	assert_int_equal(e->hello.tls.version, 0x0304);
	assert_int_equal(e->hello.offered, 0x0304);
	assert_int_equal(e->hello.alpn_count, 2);
	assert_span(e->hello.alpn[1], "http/1.1");
	assert_int_equal(e->hello.size, made.len);
	/* From here on nothing of it is wanted, or held. */
	assert_true(skips(rig, &flow));
	assert_int_equal(counts(rig).held, 0);
	assert_int_equal(capture_counts(rig->capture).stream_bytes_held, 0);
	assert_int_equal(capture_counts(rig->capture).not_http, 1);

	rig_close(rig, &flow, next - ISN, 0);
	const struct event *end = find(rig, EVENT_CONNECTION, 0);
	assert_non_null(end);
	assert_span(end->connection.tls.server_name, "api.example");
	assert_span(end->connection.tls.ja4, TLS_BROWSER_JA4);
	assert_int_equal(end->connection.tls.version, 0x0304);
	assert_int_equal(end->connection.gaps, 0);
	struct capture_tls_counts n = counts(rig);
	assert_int_equal(n.hellos, 1);
	assert_int_equal(n.versions, 1);
	assert_int_equal(n.broken + n.too_long + n.cut + n.refused + n.deviating, 0);
}

static void earlier_versions_tell_by_a_message_in_the_clear(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(42, 7, 5556);

	make(NULL);
	rig_open(rig, &flow, ISN);
	uint32_t next = send_pieces(rig, &flow, ISN, wire, wire_len, 1); /* byte by byte */
	SEND(rig, &flow, next, NEXT_12);
	const struct event *e = hello_of(rig);
	assert_non_null(e);
	assert_int_equal(e->hello.tls.version, 0x0303);
	assert_int_equal(e->hello.tls.server_name.len, 0);
	assert_span(e->hello.tls.ja4, TLS_BROWSER_NO_NAME_JA4);
}

static void a_silent_client_is_told_after_a_moment_and_at_its_end(void **state)
{
	struct rig *rig = *state;
	struct pk_flow first = rig_flow(43, 7, 5557), second = rig_flow(44, 7, 5558),
		       third = rig_flow(45, 7, 5559);

	make("a.example");
	rig_open(rig, &first, ISN);
	send_pieces(rig, &first, ISN, wire, wire_len, wire_len);
	rig_tick(rig, RIG_SECOND);
	assert_null(hello_of(rig));
	rig_tick(rig, RIG_SECOND);
	assert_non_null(hello_of(rig));
	assert_int_equal(hello_of(rig)->hello.tls.version, 0);
	/* What follows is not told again. */
	SEND(rig, &first, ISN + wire_len, NEXT_13);
	assert_non_null(hello_of(rig));

	rig_open(rig, &second, ISN);
	send_pieces(rig, &second, ISN, wire, wire_len, wire_len);
	rig_close(rig, &second, wire_len, 0);
	assert_non_null(find(rig, EVENT_TLS_HELLO, 1));
	rig_open(rig, &third, ISN);
	send_pieces(rig, &third, ISN, wire, wire_len, wire_len);
	capture_flush(rig->capture);
	assert_non_null(find(rig, EVENT_TLS_HELLO, 2));
	assert_int_equal(counts(rig).hellos, 3);
	assert_int_equal(counts(rig).versions, 0);
	assert_int_equal(counts(rig).held, 0);
}

/* ... as long as a request waits for its answer; whoever said how long need not keep it. */
static void where_packets_are_read_the_moment_is_theirs(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(43, 7, 5557);

	make("a.example");
	rig_open(rig, &flow, ISN);
	send_pieces(rig, &flow, ISN, wire, wire_len, wire_len);
	for (unsigned s = 0; s < 4; s++)
		rig_tick(rig, RIG_SECOND);
	assert_null(hello_of(rig));
	rig_tick(rig, RIG_SECOND);
	assert_non_null(hello_of(rig));
}

static void what_is_not_whole_is_counted_and_no_event(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(50, 7, 1);

	make("a.example");
	/* the connection ends in the middle */
	rig_open(rig, &flow, ISN);
	send_pieces(rig, &flow, ISN, wire, 600, 600);
	rig_close(rig, &flow, 600, 0);
	assert_int_equal(counts(rig).cut, 1);
	/* bytes in the middle were not seen */
	flow = rig_flow(51, 7, 2);
	rig_open(rig, &flow, ISN);
	send_pieces(rig, &flow, ISN, wire, 600, 600);
	send_pieces(rig, &flow, ISN + 700, wire + 700, wire_len - 700, wire_len);
	assert_int_equal(counts(rig).cut, 2);
	assert_int_equal(capture_counts(rig->capture).gaps, 0); /* no request can be in it */
	/* it contradicts itself: the session is too long */
	flow = rig_flow(52, 7, 3);
	wire[5 + 4 + 2 + 32] = 40;
	rig_open(rig, &flow, ISN);
	send_pieces(rig, &flow, ISN, wire, wire_len, wire_len);
	assert_int_equal(counts(rig).broken, 1);
	/* it says that it is longer than anybody's */
	flow = rig_flow(53, 7, 4);
	rig_open(rig, &flow, ISN);
	SEND(rig, &flow, ISN, "\x16\x03\x01\x01\x00\x01\xff\xff\xff");
	assert_int_equal(counts(rig).too_long, 1);
	/* a server's hello is none */
	flow = rig_flow(54, 7, 5);
	rig_open(rig, &flow, ISN);
	SEND(rig, &flow, ISN, "\x16\x03\x03\x00\x7a\x02\x00\x00\x76");
	assert_null(find(rig, EVENT_TLS_HELLO, 0));
	assert_int_equal(counts(rig).hellos, 0);
	assert_int_equal(counts(rig).held, 0);
	assert_int_equal(capture_counts(rig->capture).stream_bytes_held, 0);
	/* of the first nothing was left to be anything else */
	assert_int_equal(capture_counts(rig->capture).not_http, 4);
}

static void a_hello_behind_what_comes_before_tls(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(60, 7, 1);
	uint32_t next;

	make("proxied.example");
	rig_open(rig, &flow, ISN);
	next = SEND(rig, &flow, ISN, "PROXY TCP4 203.0.113.7 192.0.2.1 5555 443\r\n");
	send_pieces(rig, &flow, next, wire, wire_len, 700);
	flow = rig_flow(61, 7, 2); /* PostgreSQL's question */
	rig_open(rig, &flow, ISN);
	next = SEND(rig, &flow, ISN, "\x00\x00\x00\x08\x04\xd2\x16\x2f");
	send_pieces(rig, &flow, next, wire, wire_len, 700);
	flow = rig_flow(62, 7, 3);
	rig_open(rig, &flow, ISN);
	next = SEND(rig, &flow, ISN, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n");
	send_pieces(rig, &flow, next, wire, wire_len, 700);
	flow = rig_flow(63, 7, 4); /* joined before its first byte */
	send_pieces(rig, &flow, ISN, wire, wire_len, 700);
	/* none: inside of HTTP, behind the question something else, joined midway behind the beginning */
	flow = rig_flow(64, 7, 5);
	rig_open(rig, &flow, ISN);
	next = SEND(rig, &flow, ISN, GET);
	send_pieces(rig, &flow, next, wire, wire_len, 700);
	flow = rig_flow(65, 7, 6);
	rig_open(rig, &flow, ISN);
	next = SEND(rig, &flow, ISN, "\x00\x00\x00\x08\x04\xd2\x16\x2f");
	SEND(rig, &flow, next, GET);
	flow = rig_flow(66, 7, 7);
	send_pieces(rig, &flow, ISN + 100, wire + 100, wire_len - 100, 700);
	capture_flush(rig->capture);
	for (unsigned i = 0; i < 4; i++) {
		assert_non_null(find(rig, EVENT_TLS_HELLO, i));
		assert_int_equal(find(rig, EVENT_TLS_HELLO, i)->flow.connection_id, 60 + i);
	}
	assert_null(find(rig, EVENT_TLS_HELLO, 4));
	assert_int_equal(capture_counts(rig->capture).requests, 2);
}

static void what_stands_for_a_name_is_redacted(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(70, 7, 1);

	make("ignore all orders\n{jwt:h_00}");
	rig_open(rig, &flow, ISN);
	send_pieces(rig, &flow, ISN, wire, wire_len, wire_len);
	capture_flush(rig->capture);
	const struct event *e = hello_of(rig);
	assert_non_null(e);
	assert_int_equal(e->hello.deviations, TLS_DEV_SNI_INVALID);
	assert_true(e->hello.tls.server_name.len > 8);
	assert_memory_equal(e->hello.tls.server_name.ptr, "{text:h_", 8);
	assert_int_equal(counts(rig).deviating, 1);
}

/* The proxy on this host ends TLS, and says of whom it forwards. */
static void a_request_has_the_tls_of_its_clients_own_connection(void **state)
{
	struct rig *rig = *state;
	struct pk_flow client = rig_flow(20, 7, 5555), upstream = rig_flow(21, 0, 6000);
	struct prefix proxy;

	memcpy(upstream.peer_addr, (uint8_t[]){127, 0, 0, 1}, 4);
	memcpy(upstream.local_addr, upstream.peer_addr, 4);
	assert_int_equal(prefix_parse(SPAN("127.0.0.1"), &proxy), 0);
	assert_int_equal(proxies_set(rig->proxies, &proxy, PROXY_CLASS_TRUSTED), 0);
	make("api.example");
	rig_open(rig, &client, ISN);
	uint32_t next = send_pieces(rig, &client, ISN, wire, wire_len, 1448);
	SEND(rig, &client, next, NEXT_13);
	rig_open(rig, &upstream, ISN);
	next = SEND(rig, &upstream, ISN, "PROXY TCP4 198.51.100.7 192.0.2.1 5555 80\r\n" GET);
	const struct event *e = find(rig, EVENT_HTTP_REQUEST, 0);
	assert_non_null(e);
	assert_int_equal(e->request.client_connection_id, 20);
	assert_non_null(e->request.tls);
	assert_span(e->request.tls->ja4, TLS_BROWSER_JA4);
	assert_span(e->request.tls->server_name, "api.example");
	assert_int_equal(e->request.tls->version, 0x0304);
	/* Once that connection is gone nothing is known. */
	rig_close(rig, &client, wire_len + sizeof NEXT_13 - 1, 0);
	SEND(rig, &upstream, next, GET);
	e = find(rig, EVENT_HTTP_REQUEST, 1);
	assert_non_null(e);
	assert_null(e->request.tls);
}

/* Whoever opens many connections may not take all memory; others still find some. */
static void hellos_that_do_not_end_are_bounded(void **state)
{
	struct rig *rig = *state;

	rig_stop(rig);
	assert_int_equal(rig_start(rig, 4096, 256 << 10, false), 0);
	make("a.example");
	for (unsigned i = 0; i < 1000; i++) {
		struct pk_flow flow = rig_flow(1000 + i, 9, (uint16_t)(1000 + i));
		rig_open(rig, &flow, ISN);
		send_pieces(rig, &flow, ISN, wire, 100, 100);
	}
	struct capture_tls_counts n = counts(rig);
	assert_true(n.held > 8);
	assert_int_equal(n.held + n.refused, 1000);
	assert_true(capture_counts(rig->capture).stream_bytes_held <= 256 << 10);
	struct pk_flow other = rig_flow(5000, 10, 1);
	rig_open(rig, &other, ISN);
	uint32_t next = send_pieces(rig, &other, ISN, wire, wire_len, 1448);
	SEND(rig, &other, next, NEXT_13);
	assert_non_null(hello_of(rig));
}

static void plain_http_is_not_looked_at(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(80, 7, 1);
	static const struct capture_tls_counts none;

	rig_open(rig, &flow, ISN);
	SEND(rig, &flow, ISN, GET GET);
	struct capture_tls_counts n = counts(rig);
	assert_memory_equal(&n, &none, sizeof n);
	assert_int_equal(capture_counts(rig->capture).requests, 2);
}

#define story(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		story(a_hello_in_two_segments_is_told_with_the_version_of_the_next_records),
		story(earlier_versions_tell_by_a_message_in_the_clear),
		story(a_silent_client_is_told_after_a_moment_and_at_its_end),
		cmocka_unit_test_setup_teardown(where_packets_are_read_the_moment_is_theirs, setup_packets,
						teardown),
		story(what_is_not_whole_is_counted_and_no_event),
		story(a_hello_behind_what_comes_before_tls),
		story(what_stands_for_a_name_is_redacted),
		story(a_request_has_the_tls_of_its_clients_own_connection),
		story(hellos_that_do_not_end_are_bounded),
		story(plain_http_is_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
