// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "sensor/headers.h"
#include "sensor/refused.h"
#include "tests/unit/capture_rig.h"

#define assert_span(s, text) assert_true(span_equal((s), span_from(text)))

#define ISN       1000u
#define GET       "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define LEN(text) ((uint32_t)(sizeof(text) - 1))

static int setup(void **state)
{
	struct rig *rig = malloc(sizeof *rig);

	*state = rig;
	return rig ? rig_start(rig, 64, 1 << 20, false) : -1;
}

static int teardown(void **state)
{
	rig_stop(*state);
	free(*state);
	return 0;
}

static unsigned count_kind(const struct rig *rig, enum event_kind kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rig->event_count; i++)
		n += rig->events[i]->kind == kind;
	return n;
}

/* The nth event of that kind. */
static const struct event *get(const struct rig *rig, enum event_kind kind, unsigned nth)
{
	for (unsigned i = 0; i < rig->event_count; i++)
		if (rig->events[i]->kind == kind && nth-- == 0)
			return rig->events[i];
	fail_msg("no such event");
	return NULL;
}

static void requests_become_events_with_their_connection(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(41, 7, 5555);

	rig_open(rig, &flow, ISN);
	rig->now_ns += 5;
	rig_data(rig, &flow, ISN,
		 "GET /v1/users?token=secret HTTP/1.1\r\nHost: api\r\nUser-Agent: t\r\n\r\n" GET);
	assert_int_equal(rig->event_count, 2);
	const struct event *e = rig->events[0];
	assert_int_equal(e->kind, EVENT_HTTP_REQUEST);
	assert_span(e->request.method, "GET");
	assert_span(e->request.path, "/v1/users");
	assert_null(memmem(e->request.target.ptr, e->request.target.len, "secret", 6));
	assert_span(e->request.host, "api");
	assert_int_equal(e->request.stream_index, 0);
	assert_int_equal(rig->events[1]->request.stream_index, 1);
	assert_true(rig->events[1]->id > e->id);
	assert_int_equal(e->time_ns, RIG_START_NS + 5);
	assert_int_equal(e->wall_ns, RIG_START_NS + 5 + RIG_WALL_NS);
	assert_int_equal(e->flow.connection_id, 41);
	assert_int_equal(e->flow.peer.port, 5555);
	assert_int_equal(e->flow.local.port, 80);
	assert_int_equal(e->flow.pid, 77);
	char text[ADDR_TEXT_MAX];
	assert_string_equal(addr_format(&e->flow.peer.addr, text), "198.51.100.7");
	assert_true(addr_equal(&e->request.client.addr, &e->flow.peer.addr));
	assert_int_equal(e->request.forwarded, 0);
	assert_int_equal(e->request.deviations, 0);
}

#define CHROME "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0 Safari/537.36\r\n"

/* Through the whole of capture, before redaction, which knows nothing of the header. */
static void a_proxy_tells_the_fingerprint_that_gives_a_false_browser_away(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(41, 7, 5555), other = rig_flow(42, 7, 5556);
	static char name[] = "X-JA4";

	rig->config.enforcement.ja4_header = name;
	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN,
		 "GET /a HTTP/1.1\r\nHost: api\r\nX-JA4: t13d1516h2_8daaf6152771_02713d6af862\r\n" CHROME
		 "\r\n"
		 "GET /b HTTP/1.1\r\nHost: api\r\nX-JA4: what is no JA4 at all\r\n" CHROME "\r\n"
		 "GET /c HTTP/1.1\r\nHost: api\r\nX-JA4: t13d3112h2_e8f1e7e78f70_b26ce05bbdd6\r\n" CHROME
		 "\r\n");
	assert_int_equal(rig->event_count, 3);
	assert_span(rig->events[0]->request.tls->ja4, "t13d1516h2_8daaf6152771_02713d6af862");
	assert_null(rig->events[1]->request.tls);
	assert_span(rig->events[2]->request.tls->ja4, "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6");
	rig->config.enforcement.ja4_header = NULL;
	rig_open(rig, &other, ISN);
	rig_data(rig, &other, ISN,
		 "GET /d HTTP/1.1\r\nHost: api\r\nX-JA4: t13d3112h2_e8f1e7e78f70_b26ce05bbdd6\r\n" CHROME
		 "\r\n");
	assert_null(rig->events[rig->event_count - 1]->request.tls);
}

static void data_of_the_third_ack_is_seen(void **state)
{
	/* The connection is open and its data there in the same packet: data right behind the open, at the
	 * isn. */
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, GET);
	rig_close(rig, &flow, LEN(GET), 0);
	assert_int_equal(count_kind(rig, EVENT_HTTP_REQUEST), 1);
	assert_int_equal(get(rig, EVENT_HTTP_REQUEST, 0)->request.deviations, 0);
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->connection.complete, 1);
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->connection.gaps, 0);
}

static void a_head_that_takes_long_is_told_once(void **state)
{
	struct rig *rig = *state;
	struct pk_flow slow = rig_flow(1, 7, 1), quick = rig_flow(2, 8, 1);

	rig_open(rig, &slow, ISN);
	rig_open(rig, &quick, ISN);
	rig_data(rig, &slow, ISN, GET "GET /slow HTTP/1.1\r\n");
	rig_data(rig, &quick, ISN, "GET /quick HTTP/1.1\r\nHost: h\r\n");
	for (unsigned second = 1; second <= 12; second++) {
		rig->now_ns += RIG_SECOND;
		if (second == 9)
			rig_data(rig, &quick, ISN + LEN("GET /quick HTTP/1.1\r\nHost: h\r\n"),
				 "\r\nGET /next HT");
		rig_data(rig, &slow, ISN + LEN(GET "GET /slow HTTP/1.1\r\n") + 6 * (second - 1), "X: y\r\n");
		capture_tick(rig->capture, rig->now_ns);
		assert_int_equal(count_kind(rig, EVENT_HTTP_ANOMALY), second >= 10);
	}
	const struct event *e = get(rig, EVENT_HTTP_ANOMALY, 0);
	assert_span(e->anomaly.name, "slow_head");
	assert_int_equal(e->flow.connection_id, slow.cookie);
	assert_int_equal(e->anomaly.request_id.len, 0);
}

#define BEGUN "GET /slow HTT"

/* Those that end meanwhile, and those that go on, are told of no more; the others are, in their order. */
static void of_many_slow_heads_each_is_told_once(void **state)
{
	static const unsigned told[] = {1, 5, 6, 7};
	struct rig *rig = *state;
	struct pk_flow flows[9];

	for (unsigned i = 0; i < ARRAY_SIZE(flows); i++) {
		flows[i] = rig_flow(1 + i, 7, 1);
		rig_open(rig, &flows[i], ISN);
		rig_data(rig, &flows[i], ISN, BEGUN);
	}
	rig->now_ns += 5 * RIG_SECOND;
	rig_close(rig, &flows[0], LEN(BEGUN), 0);
	rig_close(rig, &flows[4], LEN(BEGUN), 0);
	rig_close(rig, &flows[8], LEN(BEGUN) + 100, 0); /* kept: some may yet be read */
	rig_data(rig, &flows[2], ISN + LEN(BEGUN), "P/1.1\r\nHost: h\r\n\r\n");
	rig_data(rig, &flows[3], ISN + LEN(BEGUN), "P/1.1\r\nHost: h\r\n\r\nGET /next HTTP");
	for (unsigned second = 6; second <= 12; second++) {
		rig->now_ns += RIG_SECOND;
		capture_tick(rig->capture, rig->now_ns);
		assert_int_equal(count_kind(rig, EVENT_HTTP_ANOMALY), second < 10 ? 0 : 4);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(told); i++)
		assert_int_equal(get(rig, EVENT_HTTP_ANOMALY, i)->flow.connection_id, flows[told[i]].cookie);
	rig->now_ns += 3 * RIG_SECOND;
	capture_tick(rig->capture, rig->now_ns);
	assert_int_equal(count_kind(rig, EVENT_HTTP_ANOMALY), 5);
	assert_int_equal(get(rig, EVENT_HTTP_ANOMALY, 4)->flow.connection_id, flows[3].cookie);
}

#define UPLOAD "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"

/* Of a body that is skipped, only how far the kernel half came is known. */
static void a_body_that_trickles_is_told_once(void **state)
{
	struct rig *rig = *state;
	struct pk_flow slow = rig_flow(1, 7, 1), quick = rig_flow(2, 8, 1);

	rig_open(rig, &slow, ISN);
	rig_open(rig, &quick, ISN);
	rig_data(rig, &slow, ISN, UPLOAD);
	rig_data(rig, &quick, ISN, UPLOAD);
	for (unsigned second = 1; second <= 70; second++) {
		rig->now_ns += RIG_SECOND;
		rig->skipped[pk_skip_slot(slow.cookie)] =
			(uint64_t)pk_skip_tag(slow.cookie) << 32 | (ISN + LEN(UPLOAD) + 10 * second);
		rig->skipped[pk_skip_slot(quick.cookie)] =
			(uint64_t)pk_skip_tag(quick.cookie) << 32 | (ISN + LEN(UPLOAD) + 1000 * second);
		capture_tick(rig->capture, rig->now_ns);
		assert_int_equal(count_kind(rig, EVENT_HTTP_ANOMALY), second >= 30);
	}
	const struct event *e = get(rig, EVENT_HTTP_ANOMALY, 0);
	assert_span(e->anomaly.name, "slow_body");
	assert_int_equal(e->flow.connection_id, slow.cookie);
	assert_true(e->anomaly.request_id.len > 0);
}

static void a_finished_connection_is_summed_up(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, GET GET);
	rig->now_ns += 3 * RIG_SECOND;
	rig_close(rig, &flow, 2 * LEN(GET), 0);
	assert_int_equal(rig->event_count, 3);
	const struct event_connection *c = &get(rig, EVENT_CONNECTION, 0)->connection;
	assert_int_equal(c->duration_ns, 3 * RIG_SECOND);
	assert_int_equal(c->bytes_received, 2 * LEN(GET) + 1);
	assert_int_equal(c->bytes_sent, 4242);
	assert_int_equal(c->rtt_us, 321);
	assert_int_equal(c->retransmits, 2);
	assert_int_equal(c->requests, 2);
	assert_int_equal(c->gaps, 0);
	assert_int_equal(c->complete, 1);
	struct capture_counts n = capture_counts(rig->capture);
	assert_int_equal(n.records, 3);
	assert_int_equal(n.requests, 2);
	assert_int_equal(n.connections_opened, 1);
	assert_int_equal(n.connections_closed, 1);
	assert_int_equal(n.connections_held, 0);
	assert_int_equal(n.bytes, 2 * LEN(GET));
	assert_int_equal(n.stream_bytes_held, 0);
}

static void each_deviation_is_an_anomaly_of_its_request(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);
	char id[EVENT_ID_TEXT_MAX];

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, GET "GET  / HTTP/1.2\nHost: h\n\n");
	assert_int_equal(count_kind(rig, EVENT_HTTP_REQUEST), 2);
	assert_int_equal(count_kind(rig, EVENT_HTTP_ANOMALY), 3);
	event_id_format(rig->events[1], id);
	static const char *const names[] = {"bare_lf", "extra_space", "bad_version"};
	for (unsigned i = 0; i < 3; i++) {
		const struct event *e = get(rig, EVENT_HTTP_ANOMALY, i);
		assert_span(e->anomaly.name, names[i]);
		assert_span(e->anomaly.request_id, id);
		assert_int_equal(e->flow.peer.port, 1);
	}
	assert_int_equal(capture_counts(rig->capture).anomalies, 3);
}

static void a_bad_chunk_is_told_of_the_request_whose_body_it_is(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);
	static const char head[] = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
	char id[EVENT_ID_TEXT_MAX];

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, head);
	rig_data(rig, &flow, ISN + LEN(head), "5 \r\nhello\r\n0\r\n\r\n" GET);
	assert_int_equal(rig->event_count, 3);
	assert_int_equal(rig->events[1]->kind, EVENT_HTTP_ANOMALY);
	assert_span(rig->events[1]->anomaly.name, "http_invalid_request_chunk_length");
	assert_span(rig->events[1]->anomaly.request_id, event_id_format(rig->events[0], id));
	assert_span(rig->events[2]->request.path, "/a");
}

static void forwarding_headers_and_proxy_headers_are_noted(void **state)
{
	struct rig *rig = *state;
	static const char *const requests[] = {
		"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nforwarded: for=203.0.113.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nVia: 1.1 x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nX-Real-IP: 203.0.113.1\r\n\r\n",
		"PROXY TCP4 203.0.113.1 192.0.2.1 1 80\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		struct pk_flow flow = rig_flow(10 + i, (uint8_t)(20 + i), 1);
		struct addr peer = addr_from_bytes(AF_INET, flow.peer_addr);
		rig_open(rig, &flow, ISN);
		rig_data(rig, &flow, ISN, requests[i]);
		assert_int_equal(rig->events[i]->request.forwarded, 1);
		assert_int_equal(proxies_class(rig->proxies, &peer), PROXY_CLASS_UNCLASSIFIED);
		/* The client is the peer: nobody was configured to be believed. */
		assert_true(addr_equal(&rig->events[i]->request.client.addr, &peer));
	}
	struct pk_flow flow = rig_flow(50, 50, 1);
	struct addr peer = addr_from_bytes(AF_INET, flow.peer_addr);
	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN,
		 "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Host: x\r\nX-Forwarded: y\r\n\r\n");
	assert_int_equal(rig->events[5]->request.forwarded, 0);
	assert_int_equal(proxies_class(rig->proxies, &peer), PROXY_CLASS_CLIENT);
}

static struct pk_header header(uint8_t peer, uint16_t flags, uint8_t why)
{
	return (struct pk_header){
		.rec = {.kind = PK_HEADER, .size = sizeof(struct pk_header), .time_ns = RIG_START_NS},
		.family = PK_AF_INET,
		.ttl = 64,
		.hook = PK_HOOK_TC,
		.source_port = 4000,
		.destination_port = 80,
		.sequence = 11,
		.acknowledgment = 12,
		.window = 13,
		.flags = flags,
		.header_length = 20,
		.why = why,
		.source_addr = {198, 51, 100, peer},
		.destination_addr = {192, 0, 2, 1}};
}

static void only_who_shook_hands_is_a_client(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1), joined = rig_flow(2, 8, 1);
	struct pk_header syn = header(9, PK_TCP_SYN, PK_WHY_SYN);

	rig_open(rig, &flow, ISN);
	rig_data(rig, &joined, 99, "x"); /* a connection older than we are */
	capture_record(rig->capture, &syn.rec);
	for (uint8_t i = 7; i <= 9; i++) {
		struct pk_flow f = rig_flow(1, i, 1);
		struct addr a = addr_from_bytes(AF_INET, f.peer_addr);
		struct prefix p = prefix_of(&a, 32);
		assert_int_equal(clients_seen(rig->clients, &p, RIG_START_NS), i != 9);
	}
	/* A long connection proves its client again. */
	struct addr a = addr_from_bytes(AF_INET, flow.peer_addr);
	struct prefix p = prefix_of(&a, 32);
	rig->now_ns += 7200 * RIG_SECOND;
	rig_data(rig, &flow, ISN, GET);
	assert_true(clients_seen(rig->clients, &p, rig->now_ns));
}

static void a_gap_is_told_once_a_second_by_source(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 12; i++) {
		struct pk_flow flow = rig_flow(1 + i, (uint8_t)(1 + i), 1);
		rig_open(rig, &flow, ISN);
		rig_data(rig, &flow, ISN, GET);
		rig_data(rig, &flow, ISN + LEN(GET) + 100, GET);
		rig_data(rig, &flow, ISN + 2 * LEN(GET) + 100 + 50, GET);
	}
	assert_int_equal(count_kind(rig, EVENT_HTTP_REQUEST), 36);
	assert_int_equal(count_kind(rig, EVENT_LOSS), 0);
	rig_tick(rig, RIG_SECOND);
	/* Eight sources by name, the others together. */
	assert_int_equal(count_kind(rig, EVENT_LOSS), 9);
	uint64_t sum = 0;
	for (unsigned i = 0; i < 9; i++) {
		const struct event_loss *l = &get(rig, EVENT_LOSS, i)->loss;
		assert_span(l->stage, "stream");
		assert_span(l->kind, "bytes");
		assert_int_equal(l->count, i < 8 ? 150 : 4 * 150);
		sum += l->count;
	}
	assert_span(get(rig, EVENT_LOSS, 0)->loss.source, "198.51.100.1");
	assert_span(get(rig, EVENT_LOSS, 8)->loss.source, "");
	struct capture_counts n = capture_counts(rig->capture);
	assert_int_equal(n.gaps, 24);
	assert_int_equal(n.gap_bytes, sum);
	rig_tick(rig, RIG_SECOND);
	assert_int_equal(count_kind(rig, EVENT_LOSS), 9);
	assert_int_equal(get(rig, EVENT_HTTP_REQUEST, 1)->request.deviations, HTTP_DEV_AFTER_GAP);
	/* A gap is not the client's doing. */
	assert_int_equal(count_kind(rig, EVENT_HTTP_ANOMALY), 0);
}

static void what_was_lost_last_is_seen_at_the_close(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, GET);
	rig_close(rig, &flow, 2 * LEN(GET), 0); /* the second request never came here */
	assert_int_equal(count_kind(rig, EVENT_CONNECTION), 0);
	rig_tick(rig, 2 * RIG_SECOND);
	const struct event_connection *c = &get(rig, EVENT_CONNECTION, 0)->connection;
	assert_int_equal(c->gaps, 1);
	assert_int_equal(c->requests, 1);
	assert_int_equal(get(rig, EVENT_LOSS, 0)->loss.count, LEN(GET));
	assert_int_equal(capture_counts(rig->capture).connections_held, 0);
}

static void a_connection_of_which_nothing_came_is_flagged_too(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1), quiet = rig_flow(2, 7, 2);

	rig_close(rig, &flow, 100, 0);
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->connection.gaps, 1);
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->connection.complete, 0);
	rig_close(rig, &quiet, 0, 0);
	assert_int_equal(get(rig, EVENT_CONNECTION, 1)->connection.gaps, 0);
}

static void what_the_application_did_not_read_in_a_minute_is_a_gap(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1), body = rig_flow(2, 7, 2);
	static const char post[] = "POST /u HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n";

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, GET);
	rig_close(rig, &flow, LEN(GET) + 500, 500);
	/* The rest of a body is no loss. */
	rig_open(rig, &body, ISN);
	rig_data(rig, &body, ISN, post);
	rig_close(rig, &body, LEN(post) + 500, 500);
	rig_tick(rig, 59 * RIG_SECOND);
	assert_int_equal(count_kind(rig, EVENT_CONNECTION), 0);
	rig_tick(rig, RIG_SECOND);
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->connection.gaps, 1);
	assert_int_equal(get(rig, EVENT_CONNECTION, 1)->connection.gaps, 0);
	assert_int_equal(count_kind(rig, EVENT_LOSS), 1);
	assert_int_equal(get(rig, EVENT_LOSS, 0)->loss.count, 500);
	assert_int_equal(capture_counts(rig->capture).connections_held, 0);
}

static void what_is_read_late_after_the_close_belongs_to_its_connection(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1), joined = rig_flow(2, 7, 2), later = rig_flow(3, 7, 3);

	rig_data(rig, &joined, 77, GET);
	rig_close(rig, &joined, 90000, LEN(GET));
	rig_open(rig, &flow, ISN);
	rig_close(rig, &flow, 2 * LEN(GET), 2 * LEN(GET));
	/* One that closed later, with nothing left to read, does not wait for it. */
	rig_open(rig, &later, ISN);
	rig_close(rig, &later, 10, 0);
	rig_tick(rig, 2 * RIG_SECOND);
	assert_int_equal(count_kind(rig, EVENT_CONNECTION), 1);
	rig_tick(rig, 48 * RIG_SECOND);
	rig_data(rig, &flow, ISN, GET);
	rig_data(rig, &flow, ISN + LEN(GET), GET);
	assert_int_equal(get(rig, EVENT_CONNECTION, 1)->connection.requests, 2);
	assert_int_equal(get(rig, EVENT_CONNECTION, 1)->connection.complete, 1);
	assert_int_equal(get(rig, EVENT_CONNECTION, 1)->connection.gaps, 0);
	rig_data(rig, &joined, 77 + LEN(GET), GET);
	assert_int_equal(get(rig, EVENT_CONNECTION, 2)->connection.requests, 2);
	assert_int_equal(capture_counts(rig->capture).connections_held, 0);
	rig_tick(rig, 60 * RIG_SECOND);
	assert_int_equal(count_kind(rig, EVENT_CONNECTION), 3);
}

static void closed_connections_with_bytes_unread_give_way_when_the_table_is_full(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 64; i++) {
		struct pk_flow flow = rig_flow(1 + i, 7, (uint16_t)(1 + i));
		rig_open(rig, &flow, ISN);
		rig_close(rig, &flow, 100, 100);
	}
	assert_int_equal(capture_counts(rig->capture).connections_held, 64);
	struct pk_flow more = rig_flow(900, 8, 1);
	rig_open(rig, &more, ISN);
	rig_data(rig, &more, ISN, GET);
	assert_int_equal(get(rig, EVENT_HTTP_REQUEST, 0)->request.deviations, 0);
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->flow.peer.port, 1);
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->connection.gaps, 1);
	assert_int_equal(capture_counts(rig->capture).connections_refused, 0);
}

static void what_is_read_after_the_close_still_counts(void **state)
{
	/* The peer sent and reset at once: the kernel closes first, the application reads later. */
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);

	rig_open(rig, &flow, ISN);
	rig_close(rig, &flow, 2 * LEN(GET), 2 * LEN(GET));
	rig_data(rig, &flow, ISN, GET);
	assert_int_equal(count_kind(rig, EVENT_CONNECTION), 0);
	rig_data(rig, &flow, ISN + LEN(GET), GET);
	assert_int_equal(count_kind(rig, EVENT_HTTP_REQUEST), 2);
	const struct event_connection *c = &get(rig, EVENT_CONNECTION, 0)->connection;
	assert_int_equal(c->requests, 2);
	assert_int_equal(c->gaps, 0);
	assert_int_equal(capture_counts(rig->capture).connections_held, 0);
}

static void an_unfinished_head_is_handed_over_at_the_close(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);
	static const char text[] = "GET /slow HTTP/1.1\r\nHost: h\r\nX-a: ";

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, text);
	assert_true(capture_counts(rig->capture).stream_bytes_held > 0);
	rig_close(rig, &flow, LEN(text), 0);
	assert_span(get(rig, EVENT_HTTP_REQUEST, 0)->request.path, "/slow");
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->connection.requests, 1);
	assert_int_equal(capture_counts(rig->capture).stream_bytes_held, 0);
}

static void the_kernel_is_told_how_much_of_a_body_to_skip(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(0x1234500042ull, 7, 1), none = rig_flow(0, 8, 1);
	static const char head[] = "POST /u HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, head);
	uint64_t slot = rig->skip[pk_skip_slot(flow.cookie)];
	assert_int_equal(slot >> 32, pk_skip_tag(flow.cookie));
	assert_int_equal((uint32_t)slot, ISN + LEN(head) + 1000000);
	rig_data(rig, &flow, ISN + LEN(head) + 1000000, GET);
	assert_int_equal(count_kind(rig, EVENT_HTTP_REQUEST), 2);
	/* A body that is skipped to the end of its connection is no gap. */
	rig_data(rig, &flow, ISN + LEN(head) + 1000000 + LEN(GET), head);
	rig_close(rig, &flow, 2 * LEN(head) + 2000000 + LEN(GET), 0);
	rig_tick(rig, 2 * RIG_SECOND);
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->connection.gaps, 0);
	assert_int_equal(capture_counts(rig->capture).gaps, 0);
	/* Without a cookie the tag would be everybody's. */
	rig_open(rig, &none, ISN);
	rig_data(rig, &none, ISN, head);
	assert_int_equal(rig->skip[0], 0);
}

/* Of each record that begins as a request with a body does, and of no other. */
static void the_kernel_is_told_which_heads_were_read(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(0x1234500042ull, 7, 1), none = rig_flow(0, 8, 1);
	static const char head[] = "PUT /u HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nPOST ";
	uint64_t *seen = &rig->seen[pk_skip_slot(flow.cookie)];

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, GET);
	assert_int_equal(*seen, 0);
	rig_data(rig, &flow, ISN + LEN(GET), head);
	assert_int_equal(*seen >> 32, pk_skip_tag(flow.cookie));
	assert_int_equal((uint32_t)*seen, ISN + LEN(GET) + LEN(head));
	rig_data(rig, &flow, ISN + LEN(GET) + LEN(head), GET);
	assert_int_equal((uint32_t)*seen, ISN + LEN(GET) + LEN(head));
	rig_open(rig, &none, ISN);
	rig_data(rig, &none, ISN, head);
	assert_int_equal(rig->seen[0], 0);
}

static void without_cookies_addresses_and_ports_tell_connections_apart(void **state)
{
	struct rig *rig = *state;
	struct pk_flow a = rig_flow(0, 7, 1), b = rig_flow(0, 7, 2), c = rig_flow(0, 8, 1);

	rig_open(rig, &a, ISN);
	rig_open(rig, &b, ISN);
	rig_open(rig, &c, ISN);
	rig_data(rig, &a, ISN, "GET /a HTTP/1.1\r\nHo");
	rig_data(rig, &b, ISN, "GET /b HTTP/1.1\r\nHo");
	rig_data(rig, &c, ISN, "GET /c HTTP/1.1\r\nHo");
	rig_data(rig, &b, ISN + 19, "st: h\r\n\r\n");
	rig_data(rig, &a, ISN + 19, "st: h\r\n\r\n");
	rig_data(rig, &c, ISN + 19, "st: h\r\n\r\n");
	assert_span(rig->events[0]->request.path, "/b");
	assert_span(rig->events[1]->request.path, "/a");
	assert_span(rig->events[2]->request.path, "/c");
	assert_true(rig->events[0]->flow.connection_id != rig->events[1]->flow.connection_id);
	/* The same ports again, the former close was not seen: a new connection. */
	rig_open(rig, &a, 777777);
	rig_data(rig, &a, 777777, GET);
	assert_int_equal(rig->events[3]->request.stream_index, 0);
	assert_int_equal(rig->events[3]->request.deviations, 0);
	assert_int_equal(capture_counts(rig->capture).gaps, 0);
	assert_int_equal(capture_counts(rig->capture).connections_held, 3);
}

static void a_connection_older_than_us_is_joined_and_said_to_be_incomplete(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);

	rig_data(rig, &flow, 123456, GET GET);
	assert_int_equal(count_kind(rig, EVENT_HTTP_REQUEST), 2);
	rig_close(rig, &flow, 90000, 0);
	const struct event_connection *c = &get(rig, EVENT_CONNECTION, 0)->connection;
	assert_int_equal(c->complete, 0);
	assert_int_equal(c->requests, 2);
	assert_int_equal(c->gaps, 1); /* its beginning was not seen ... */
	rig_tick(rig, RIG_SECOND);
	assert_int_equal(count_kind(rig, EVENT_LOSS), 0); /* ... and was not lost by us */
}

static void bytes_in_which_no_request_could_be_made_out_are_told_as_loss(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);

	rig_data(rig, &flow, 5, "the rest of something\r\n" GET);
	assert_int_equal(count_kind(rig, EVENT_HTTP_REQUEST), 1);
	assert_int_equal(capture_counts(rig->capture).passed_bytes, 23);
	assert_int_equal(capture_counts(rig->capture).gaps, 0);
	rig_tick(rig, RIG_SECOND);
	assert_int_equal(get(rig, EVENT_LOSS, 0)->loss.count, 23);
	assert_span(get(rig, EVENT_LOSS, 0)->loss.source, "198.51.100.7");
}

static void an_open_that_comes_late_completes_the_connection(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);

	rig_data(rig, &flow, ISN, GET);
	rig_open(rig, &flow, ISN);
	rig_close(rig, &flow, LEN(GET), 0);
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->connection.complete, 1);
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->connection.gaps, 0);
}

static void a_full_table_refuses_counts_and_tells(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 64; i++) {
		struct pk_flow flow = rig_flow(1 + i, 7, (uint16_t)i);
		rig_open(rig, &flow, ISN);
		rig_data(rig, &flow, ISN, GET);
	}
	struct pk_flow more = rig_flow(1000, 9, 1);
	rig_open(rig, &more, ISN);
	rig_data(rig, &more, ISN, GET);
	struct capture_counts n = capture_counts(rig->capture);
	assert_int_equal(n.connections_held, 64);
	assert_int_equal(n.connections_refused, 1);
	assert_int_equal(n.gap_bytes, LEN(GET));
	assert_int_equal(n.requests, 64);
	rig_tick(rig, RIG_SECOND);
	assert_span(get(rig, EVENT_LOSS, 0)->loss.source, "198.51.100.9");
	rig_close(rig, &more, LEN(GET), 0);
	assert_int_equal(get(rig, EVENT_CONNECTION, 0)->connection.gaps, 1);

	/* The one idle longest makes room once it is idle for half a minute; it is taken up again midway. */
	struct pk_flow first = rig_flow(1, 7, 0), second = rig_flow(2, 7, 1);
	rig->now_ns += 40 * RIG_SECOND;
	rig_data(rig, &first, ISN + LEN(GET), GET);
	rig_open(rig, &more, ISN);
	rig_data(rig, &more, ISN, GET);
	n = capture_counts(rig->capture);
	assert_int_equal(n.connections_held, 64);
	assert_int_equal(n.connections_evicted, 1);
	assert_int_equal(n.requests, 66);
	rig_data(rig, &first, ISN + 2 * LEN(GET), GET);
	assert_int_equal(get(rig, EVENT_HTTP_REQUEST, 66)->request.stream_index, 2);
	rig_data(rig, &second, ISN + LEN(GET), GET);
	assert_int_equal(get(rig, EVENT_HTTP_REQUEST, 67)->request.deviations, HTTP_DEV_AFTER_GAP);
}

static void idle_connections_are_forgotten_after_an_hour(void **state)
{
	struct rig *rig = *state;
	struct pk_flow a = rig_flow(1, 7, 1), b = rig_flow(2, 7, 2);

	rig_open(rig, &a, ISN);
	rig_open(rig, &b, ISN);
	rig_tick(rig, 1800 * RIG_SECOND);
	rig_data(rig, &b, ISN, GET);
	rig_tick(rig, 1801 * RIG_SECOND);
	assert_int_equal(capture_counts(rig->capture).connections_held, 1);
	assert_int_equal(capture_counts(rig->capture).connections_evicted, 1);
	rig_data(rig, &b, ISN + LEN(GET), GET);
	assert_int_equal(get(rig, EVENT_HTTP_REQUEST, 1)->request.deviations, 0);
}

static void held_heads_share_one_ceiling(void **state)
{
	struct rig *rig = *state;
	char filler[8000];

	memset(filler, 'x', sizeof filler);
	rig_stop(rig);
	assert_int_equal(rig_start(rig, 64, 64 << 10, false), 0);
	for (unsigned i = 0; i < 32; i++) {
		struct pk_flow flow = rig_flow(1 + i, 7, (uint16_t)i);
		rig_open(rig, &flow, ISN);
		rig_data(rig, &flow, ISN, "GET /slow HTTP/1.1\r\nX: ");
		rig_piece(rig, &flow, ISN + 23, filler, sizeof filler, sizeof filler);
		assert_true(capture_counts(rig->capture).stream_bytes_held <= 64 << 10);
	}
	struct capture_counts n = capture_counts(rig->capture);
	assert_true(n.heads_refused >= 32 - 8);
	assert_int_equal(n.gaps, n.heads_refused);
	for (unsigned i = 0; i < 32; i++) {
		struct pk_flow flow = rig_flow(1 + i, 7, (uint16_t)i);
		rig_data(rig, &flow, ISN + 23 + sizeof filler, "\r\n\r\n" GET);
	}
	n = capture_counts(rig->capture);
	/* Refused heads are cut behind their request line, what comes behind them is whole. */
	assert_int_equal(n.requests, 64);
	assert_int_equal(n.stream_bytes_held, 0);
}

static void one_source_cannot_take_the_room_of_all_heads(void **state)
{
	struct rig *rig = *state;
	char filler[8000];

	memset(filler, 'x', sizeof filler);
	rig_stop(rig);
	assert_int_equal(rig_start(rig, 300, 1 << 20, false), 0);
	for (unsigned i = 0; i < 256; i++) {
		/* One IPv6 /64. */
		struct pk_flow flow = rig_flow(1 + i, 7, (uint16_t)i);
		flow.family = PK_AF_INET6;
		memset(flow.peer_addr, 0x20, 16);
		flow.peer_addr[15] = (uint8_t)i;
		rig_open(rig, &flow, ISN);
		rig_data(rig, &flow, ISN, "GET /slow HTTP/1.1\r\nX: ");
		rig_piece(rig, &flow, ISN + 23, filler, sizeof filler, sizeof filler);
	}
	struct capture_counts n = capture_counts(rig->capture);
	assert_true(n.heads_refused > 150);
	assert_in_range(n.stream_bytes_held, 1 << 19, (1 << 19) + (1 << 17));
	/* Each of others finds room, also for a large head. */
	for (unsigned i = 0; i < 20; i++) {
		struct pk_flow flow = rig_flow(1000 + i, (uint8_t)(100 + i), 1);
		rig_open(rig, &flow, ISN);
		rig_data(rig, &flow, ISN, "GET /other HTTP/1.1\r\nHost: h\r\nX: ");
		rig_piece(rig, &flow, ISN + 33, filler, sizeof filler, sizeof filler);
	}
	/* One may share the slot of the many (HELD_SLOTS), as the slots have a secret; two never do. */
	assert_in_range(capture_counts(rig->capture).heads_refused, n.heads_refused, n.heads_refused + 1);
	n = capture_counts(rig->capture);
	/* What is given back counts no more. */
	for (unsigned i = 0; i < 256; i++) {
		struct pk_flow flow = rig_flow(1 + i, 7, (uint16_t)i);
		rig_close(rig, &flow, 23 + sizeof filler, 0);
	}
	struct pk_flow again = rig_flow(5000, 7, 1);
	again.family = PK_AF_INET6;
	memset(again.peer_addr, 0x20, 16);
	rig_open(rig, &again, ISN);
	rig_data(rig, &again, ISN, "GET /slow HTTP/1.1\r\nX: ");
	rig_piece(rig, &again, ISN + 23, filler, sizeof filler, sizeof filler);
	assert_int_equal(capture_counts(rig->capture).heads_refused, n.heads_refused);
}

static void bytes_peeked_are_counted_as_duplicates(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, GET);
	rig_data(rig, &flow, ISN, GET);
	assert_int_equal(capture_counts(rig->capture).requests, 1);
	assert_int_equal(capture_counts(rig->capture).duplicates, LEN(GET));
}

static void bytes_before_the_piece_are_passed_over(void **state)
{
	/* The perf path: the packet buffer comes from its first byte on. */
	struct rig *rig = *state;
	struct {
		struct pk_data d;
		char bytes[64];
	} rec = {.d = {.rec = {.kind = PK_DATA, .time_ns = RIG_START_NS}, .flow = rig_flow(1, 7, 1)}};

	rig_open(rig, &rec.d.flow, ISN);
	rec.d.lead = 10;
	rec.d.seq = ISN;
	rec.d.captured = rec.d.len = LEN(GET);
	rec.d.rec.size = sizeof rec.d + 10 + LEN(GET);
	memcpy((char *)(&rec.d + 1), "0123456789" GET, 10 + LEN(GET));
	capture_record(rig->capture, &rec.d.rec);
	assert_int_equal(capture_counts(rig->capture).requests, 1);
}

static void what_is_not_http_is_counted_once(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, "\x16\x03\x01 hello");
	rig_data(rig, &flow, ISN + 100000, GET);
	rig_close(rig, &flow, 500000, 0);
	struct capture_counts n = capture_counts(rig->capture);
	assert_int_equal(n.not_http, 1);
	assert_int_equal(n.requests, 0);
	assert_int_equal(n.gaps, 0);
	assert_int_equal(n.connections_held, 0);
	assert_int_equal(rig->skip[pk_skip_slot(flow.cookie)] >> 32, pk_skip_tag(flow.cookie));
}

static void headers_become_events_and_odd_ones_anomalies(void **state)
{
	struct rig *rig = *state;
	static const struct {
		uint16_t flags;
		uint8_t why, header_length;
		const char *names[3];
	} cases[] = {
		{PK_TCP_SYN, PK_WHY_SYN, 20, {NULL}},
		{PK_TCP_SYN | PK_TCP_ECE | PK_TCP_CWR, PK_WHY_SYN, 40, {NULL}},
		{PK_TCP_SYN | PK_TCP_ECE | PK_TCP_CWR | PK_TCP_NS, PK_WHY_SYN, 40, {NULL}}, /* accurate ECN */
		{PK_TCP_ACK | PK_TCP_PSH, PK_WHY_SAMPLE, 32, {NULL}},
		{PK_TCP_RST | PK_TCP_ACK, PK_WHY_RST, 20, {NULL}},
		{0, PK_WHY_ODD, 20, {"null_scan"}},
		{PK_TCP_FIN | PK_TCP_PSH | PK_TCP_URG, PK_WHY_FIN | PK_WHY_ODD, 20, {"xmas_scan"}},
		{PK_TCP_SYN | PK_TCP_FIN, PK_WHY_SYN | PK_WHY_FIN | PK_WHY_ODD, 20, {"syn_fin"}},
		{PK_TCP_SYN | PK_TCP_RST, PK_WHY_SYN | PK_WHY_RST | PK_WHY_ODD, 20, {"syn_rst"}},
		{PK_TCP_ACK | PK_TCP_URG, PK_WHY_ODD, 20, {"urgent"}},
		{PK_TCP_SYN | PK_TCP_FIN | PK_TCP_RST, PK_WHY_ODD, 20, {"syn_fin", "syn_rst"}},
		{PK_TCP_ACK, PK_WHY_ODD, 20, {"reserved_flags"}},
		{PK_TCP_SYN, PK_WHY_SYN | PK_WHY_MALFORMED, 16, {"bad_header_length"}},
		{PK_TCP_ACK, PK_WHY_MALFORMED, 60, {"bad_header_length"}},
		{0, PK_WHY_MALFORMED, 0, {"bad_header_length"}}, /* cut before its flags */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pk_header h = header(9, cases[i].flags, cases[i].why);
		unsigned n = 0;
		h.header_length = cases[i].header_length;
		while (n < 3 && cases[i].names[n])
			n++;
		rig_forget_events(rig);
		capture_record(rig->capture, &h.rec);
		assert_int_equal(rig->event_count, 1 + n);
		const struct event *e = rig->events[0];
		assert_int_equal(e->kind, EVENT_TCP_HEADER);
		assert_int_equal(e->tcp_header.flags, cases[i].flags);
		assert_int_equal(e->tcp_header.source_port, 4000);
		assert_int_equal(e->tcp_header.sequence, 11);
		assert_int_equal(e->tcp_header.acknowledgment, 12);
		assert_int_equal(e->tcp_header.window, 13);
		assert_int_equal(e->flow.peer.port, 4000);
		assert_int_equal(e->wall_ns, RIG_START_NS + RIG_WALL_NS);
		for (unsigned k = 0; k < n; k++) {
			assert_int_equal(rig->events[1 + k]->kind, EVENT_TCP_ANOMALY);
			assert_span(rig->events[1 + k]->anomaly.name, cases[i].names[k]);
		}
	}
	assert_int_equal(capture_counts(rig->capture).headers, ARRAY_SIZE(cases));
}

/* What only a criterion asked for is counted, and has no event of its own. */
static void probes_of_other_ports_are_a_scan(void **state)
{
	struct rig *rig = *state;

	for (uint16_t port = 1000; port < 1014; port++) {
		struct pk_header h = header(9, PK_TCP_SYN, PK_WHY_SYN | PK_WHY_CRITERION);
		h.destination_port = port;
		capture_record(rig->capture, &h.rec);
	}
	assert_int_equal(rig->event_count, 0);
	struct pk_header h = header(9, PK_TCP_SYN, PK_WHY_SYN);
	capture_record(rig->capture, &h.rec);
	assert_int_equal(rig->event_count, 2);
	assert_int_equal(rig->events[0]->kind, EVENT_TCP_HEADER);
	assert_int_equal(rig->events[1]->kind, EVENT_TCP_ANOMALY);
	assert_span(rig->events[1]->anomaly.name, "port_scan");
	assert_span(rig->events[1]->anomaly.severity, "medium");
	/* Criteria for watched ports: not met by a probe, met by an ordinary segment that one asked for. */
	rig_forget_events(rig);
	for (unsigned i = 0; i < 300; i++) {
		h = header(8, PK_TCP_ACK | PK_TCP_URG, PK_WHY_ODD | PK_WHY_CRITERION);
		capture_record(rig->capture, &h.rec);
	}
	assert_int_equal(rig->event_count, 0);
	for (unsigned i = 0; i < 300; i++) {
		h = header(8, PK_TCP_ACK, PK_WHY_CRITERION);
		h.window = 0;
		capture_record(rig->capture, &h.rec);
	}
	assert_true(rig->event_count > 0);
	assert_span(rig->events[0]->anomaly.name, "zero_window");
}

static void handshakes_are_no_part_of_a_flood(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 1000; i++) {
		struct pk_flow flow = rig_flow(1, (uint16_t)(1 + i), 1 + i);
		struct pk_header h = header(1, PK_TCP_SYN, PK_WHY_SYN);
		memcpy(h.source_addr, flow.peer_addr, 16);
		h.rec.time_ns = RIG_START_NS + i;
		capture_record(rig->capture, &h.rec);
		rig_open(rig, &flow, ISN);
		rig_close(rig, &flow, 0, 0);
	}
	for (unsigned i = 0; i < rig->event_count; i++)
		assert_int_not_equal(rig->events[i]->kind, EVENT_TCP_ANOMALY);
}

static void a_local_verdict_comes_after_the_event_it_cites(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);
	static const char post[] = "POST /login HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
	char id[EVENT_ID_TEXT_MAX];

	rig_stop(rig);
	assert_int_equal(rig_start(rig, 64, 1 << 20, true), 0);
	rig_open(rig, &flow, ISN);
	for (unsigned i = 0; i < 20 && !rig->verdict_count; i++) {
		rig->now_ns += 100 * NS_PER_MS;
		rig_data(rig, &flow, ISN + i * LEN(post), post);
	}
	assert_int_equal(rig->verdict_count, 1);
	const struct verdict *v = &rig->verdicts[0];
	assert_int_equal(v->source, VERDICT_LOCAL);
	assert_true(v->evidence_count > 0);
	assert_int_equal(rig->events_at_verdict, rig->event_count);
	event_id_format(rig->events[rig->event_count - 1], id);
	bool cited = false;
	for (unsigned i = 0; i < v->evidence_count; i++)
		cited |= strcmp(v->evidence[i], id) == 0;
	assert_true(cited);
	struct addr peer = addr_from_bytes(AF_INET, flow.peer_addr);
	assert_true(prefix_contains(&v->target, &peer));
}

static void refuse(struct rig *rig, const struct pk_flow *flow, uint32_t seq, const char *text)
{
	size_t len = strlen(text);
	struct pk_refused *r = calloc(1, sizeof *r + len);

	assert_non_null(r);
	r->header = (struct pk_header){
		.rec = {.kind = PK_REFUSED, .size = (uint32_t)(sizeof *r + len), .time_ns = rig->now_ns},
		.family = flow->family,
		.source_port = flow->peer_port,
		.destination_port = flow->local_port,
		.sequence = seq,
		.payload_len = (uint16_t)len,
		.flags = PK_TCP_ACK,
	};
	r->cookie = flow->cookie;
	r->rcv_nxt = seq + (uint32_t)len;
	r->rcv_wnd = 1000;
	r->refusal = PK_REFUSED_DUPLICATE;
	r->captured = (uint32_t)len;
	memcpy(r + 1, text, len);
	capture_record(rig->capture, &r->header.rec);
	free(r);
}

static void refused_bytes_are_compared_with_what_is_read_later(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(1, 7, 1);

	rig_open(rig, &flow, ISN);
	refuse(rig, &flow, ISN, "GET /fake");
	assert_int_equal(count_kind(rig, EVENT_TCP_ANOMALY), 0);
	rig_data(rig, &flow, ISN, GET);
	assert_int_equal(count_kind(rig, EVENT_TCP_ANOMALY), 1);
	assert_span(get(rig, EVENT_TCP_ANOMALY, 0)->anomaly.name, REFUSED_OVERLAP);
}

/* Of a socket that no record told of: its beginning was before ours. */
static void a_refused_segment_of_an_unknown_connection_has_its_ends_and_namespace(void **state)
{
	struct rig *rig = *state;
	struct pk_refused r = {
		.header = {.rec = {.kind = PK_REFUSED, .size = sizeof r, .time_ns = rig->now_ns},
			   .family = PK_AF_INET,
			   .source_port = 4000,
			   .destination_port = 80,
			   .source_addr = {198, 51, 100, 9},
			   .destination_addr = {192, 0, 2, 1}},
		.netns = 4026531840u,
		.refusal = PK_REFUSED_CHECKSUM,
	};

	capture_record(rig->capture, &r.header.rec);
	assert_int_equal(count_kind(rig, EVENT_TCP_ANOMALY), 1);
	const struct flow *flow = &get(rig, EVENT_TCP_ANOMALY, 0)->flow;
	assert_int_equal(flow->netns, 4026531840u);
	assert_int_equal(flow->peer.port, 4000);
	assert_int_equal(flow->local.port, 80);
}

/* More than are kept, none of which can be compared any more. */
static void refused_bytes_of_what_is_over_are_not_kept(void **state)
{
	struct rig *rig = *state;
	struct pk_flow waits = rig_flow(1, 7, 1), read = rig_flow(2, 7, 2);

	rig_open(rig, &waits, ISN);
	refuse(rig, &waits, ISN, "GET /fake");
	rig_open(rig, &read, ISN);
	rig_data(rig, &read, ISN, GET);
	for (uint64_t i = 0; i < REFUSED_KEPT_MAX + 1; i++) {
		struct pk_flow closed = rig_flow(100 + i, 7, (uint16_t)(100 + i));
		rig_open(rig, &closed, ISN);
		refuse(rig, &closed, ISN, "xy");
		rig_close(rig, &closed, 0, 0);
		refuse(rig, &read, ISN, "GET");
	}
	assert_int_equal(capture_counts(rig->capture).refused_evicted, 0);
	rig_data(rig, &waits, ISN, GET);
	assert_int_equal(count_kind(rig, EVENT_TCP_ANOMALY), 1);
}

static void unknown_and_listen_records_are_ignored(void **state)
{
	struct rig *rig = *state;
	struct pk_listen listen = {.rec = {.kind = PK_LISTEN, .size = sizeof listen}};
	struct pk_record unknown = {.kind = 99, .size = sizeof unknown};

	capture_record(rig->capture, &listen.rec);
	capture_record(rig->capture, &unknown);
	assert_int_equal(rig->event_count, 0);
	assert_int_equal(capture_counts(rig->capture).records, 2);
}

#define story(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		story(requests_become_events_with_their_connection),
		story(a_proxy_tells_the_fingerprint_that_gives_a_false_browser_away),
		story(data_of_the_third_ack_is_seen),
		story(a_head_that_takes_long_is_told_once),
		story(of_many_slow_heads_each_is_told_once),
		story(a_body_that_trickles_is_told_once),
		story(a_finished_connection_is_summed_up),
		story(each_deviation_is_an_anomaly_of_its_request),
		story(a_bad_chunk_is_told_of_the_request_whose_body_it_is),
		story(forwarding_headers_and_proxy_headers_are_noted),
		story(only_who_shook_hands_is_a_client),
		story(a_gap_is_told_once_a_second_by_source),
		story(what_was_lost_last_is_seen_at_the_close),
		story(a_connection_of_which_nothing_came_is_flagged_too),
		story(what_the_application_did_not_read_in_a_minute_is_a_gap),
		story(what_is_read_late_after_the_close_belongs_to_its_connection),
		story(closed_connections_with_bytes_unread_give_way_when_the_table_is_full),
		story(what_is_read_after_the_close_still_counts),
		story(an_unfinished_head_is_handed_over_at_the_close),
		story(the_kernel_is_told_how_much_of_a_body_to_skip),
		story(the_kernel_is_told_which_heads_were_read),
		story(without_cookies_addresses_and_ports_tell_connections_apart),
		story(a_connection_older_than_us_is_joined_and_said_to_be_incomplete),
		story(bytes_in_which_no_request_could_be_made_out_are_told_as_loss),
		story(an_open_that_comes_late_completes_the_connection),
		story(a_full_table_refuses_counts_and_tells),
		story(idle_connections_are_forgotten_after_an_hour),
		story(held_heads_share_one_ceiling),
		story(one_source_cannot_take_the_room_of_all_heads),
		story(bytes_peeked_are_counted_as_duplicates),
		story(bytes_before_the_piece_are_passed_over),
		story(what_is_not_http_is_counted_once),
		story(headers_become_events_and_odd_ones_anomalies),
		story(probes_of_other_ports_are_a_scan),
		story(handshakes_are_no_part_of_a_flood),
		story(a_local_verdict_comes_after_the_event_it_cites),
		story(refused_bytes_are_compared_with_what_is_read_later),
		story(a_refused_segment_of_an_unknown_connection_has_its_ends_and_namespace),
		story(refused_bytes_of_what_is_over_are_not_kept),
		story(unknown_and_listen_records_are_ignored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
