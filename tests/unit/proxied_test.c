// SPDX-License-Identifier: Apache-2.0
/*
 * proxied_test.c: records of connections in, clients out. 198.51.100.1 is a trusted proxy, 192.0.2.1 is this
 * host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/capture_rig.h"

#define ISN   1000
#define PROXY 1
#define GET   "GET /a HTTP/1.1\r\nHost: h\r\n"
#define END   "\r\n"

static struct prefix exact(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(text), &p), 0);
	return p;
}

static void trust(struct rig *rig, const char *who)
{
	struct prefix p = exact(who);

	assert_int_equal(proxies_set(rig->proxies, &p, PROXY_CLASS_TRUSTED), 0);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof *rig);

	if (!rig || rig_start(rig, 64, 1 << 20, false))
		return -1;
	trust(rig, "198.51.100.1");
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	free(*state);
	return 0;
}

/* "ADDRESS[ PORT] SOURCE[ behind][ connection N][ FLAG]..." of the latest request. */
static const char *latest(const struct rig *rig)
{
	static char buf[256];
	char text[ADDR_TEXT_MAX], port[8] = "", id[40] = "";
	const struct event_request *r = NULL;

	for (unsigned i = 0; i < rig->event_count; i++)
		if (rig->events[i]->kind == EVENT_HTTP_REQUEST)
			r = &rig->events[i]->request;
	assert_non_null(r);
	if (r->client.port)
		snprintf(port, sizeof port, " %u", r->client.port);
	if (r->client_connection_id)
		snprintf(id, sizeof id, " connection %u", (unsigned)r->client_connection_id);
	int n = snprintf(buf, sizeof buf, "%s%s %s%s%s", addr_format(&r->client.addr, text), port,
			 client_source_name((enum client_source)r->client_source),
			 r->client_behind ? " behind" : "", id);
	for (unsigned i = 0; i < CLIENT_FLAG_BITS; i++)
		if (r->client_flags >> i & 1)
			n += snprintf(buf + n, sizeof buf - (size_t)n, " %s",
				      client_flag_name((enum client_flag)(1u << i)));
	return buf;
}

static uint64_t next_cookie = 100;

/* One connection from 198.51.100.PEER that sends bytes. */
static const char *said(struct rig *rig, uint8_t peer, const char *bytes)
{
	struct pk_flow flow = rig_flow(next_cookie++, peer, 4000);

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, bytes);
	return latest(rig);
}

static void headers_of_a_trusted_proxy_are_believed_and_of_nobody_else(void **state)
{
	struct rig *rig = *state;
	struct prefix client = exact("203.0.113.7");

	assert_string_equal(said(rig, 2, GET "X-Forwarded-For: 203.0.113.7\r\n" END),
			    "198.51.100.2 4000 peer");
	assert_false(clients_seen(rig->behind, &client, 0));
	assert_string_equal(said(rig, PROXY, GET "X-Forwarded-For: 192.0.2.66, 203.0.113.7\r\n" END),
			    "203.0.113.7 x_forwarded_for behind");
	assert_true(clients_seen(rig->behind, &client, 0));
	assert_false(clients_seen(rig->clients, &client, 0));
	assert_string_equal(said(rig, PROXY, GET "Forwarded: for=\"203.0.113.7:99\"\r\n" END),
			    "203.0.113.7 99 forwarded behind");
	assert_string_equal(said(rig, PROXY, GET END), "198.51.100.1 4000 peer");
	/* From the moment on in which it is trusted. */
	trust(rig, "198.51.100.2");
	assert_string_equal(said(rig, 2, GET "X-Real-IP: 203.0.113.7\r\n" END),
			    "203.0.113.7 x_real_ip behind");
}

static void proxy_headers_hold_for_all_requests_of_their_connection(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(7, PROXY, 4000);
	static const char first[] = "PROXY TCP4 203.0.113.7 192.0.2.9 5555 443\r\n" GET END;
	static const char second[] = GET "X-Forwarded-For: 192.0.2.66\r\n" END;

	rig_open(rig, &flow, ISN);
	rig_data(rig, &flow, ISN, first);
	assert_string_equal(latest(rig), "203.0.113.7 5555 proxy_protocol behind");
	rig_data(rig, &flow, ISN + sizeof first - 1, second);
	assert_string_equal(latest(rig), "203.0.113.7 5555 proxy_protocol behind");
	assert_int_equal(capture_counts(rig->capture).proxy_headers_refused, 0);
	/* Of somebody else: not believed, and counted. */
	assert_string_equal(said(rig, 2, first), "198.51.100.2 4000 peer proxy_header_refused");
	assert_int_equal(capture_counts(rig->capture).proxy_headers_refused, 1);
	/* Said of it now, it holds for the next request of the same connection. */
	trust(rig, "198.51.100.2");
	flow = rig_flow(next_cookie - 1, 2, 4000);
	rig_data(rig, &flow, ISN + sizeof first - 1, second);
	assert_string_equal(latest(rig), "203.0.113.7 5555 proxy_protocol behind");
	assert_string_equal(said(rig, PROXY, "PROXY UNKNOWN\r\n" GET "X-Forwarded-For: 192.0.2.66\r\n" END),
			    "198.51.100.1 4000 peer hidden_hop");
}

/* Where its beginning was not seen, the client's own X-Forwarded-For may be all that there is. */
static void a_connection_joined_midway_of_a_proxy_that_sends_proxy_headers(void **state)
{
	struct rig *rig = *state;
	struct pk_flow flow = rig_flow(8, PROXY, 4001);
	static const char request[] = GET "X-Forwarded-For: 192.0.2.66\r\n" END;

	rig_data(rig, &flow, 1, request);
	rig_data(rig, &flow, sizeof request, request);
	assert_string_equal(latest(rig), "192.0.2.66 x_forwarded_for behind");
	said(rig, PROXY, "PROXY TCP4 203.0.113.7 192.0.2.9 5555 443\r\n" GET END);
	rig_data(rig, &flow, 2 * sizeof request - 1, request);
	assert_string_equal(latest(rig), "198.51.100.1 4001 peer uncertain");
}

static struct pk_flow loopback(uint64_t cookie, uint16_t peer_port)
{
	return (struct pk_flow){.cookie = cookie,
				.netns = 1,
				.family = PK_AF_INET,
				.local_port = 3000,
				.peer_port = peer_port,
				.local_addr = {127, 0, 0, 1},
				.peer_addr = {127, 0, 0, 1}};
}

static void a_proxy_on_this_host_is_joined_to_its_client(void **state)
{
	struct rig *rig = *state;
	struct pk_flow client = rig_flow(20, 7, 5555), upstream = loopback(21, 6000);
	struct prefix p = exact("198.51.100.7");

	trust(rig, "127.0.0.1");
	rig_open(rig, &client, ISN);
	rig_open(rig, &upstream, ISN);
	rig_data(rig, &upstream, ISN, "PROXY TCP4 198.51.100.7 192.0.2.1 5555 80\r\n" GET END);
	assert_string_equal(latest(rig), "198.51.100.7 5555 proxy_protocol connection 20");
	/* Its packets come here: the kernel can block it. */
	assert_true(clients_seen(rig->clients, &p, 0));
	assert_false(clients_seen(rig->behind, &p, 0));
	/* Another port of it, another destination, one that has ended: nothing is said. */
	static const char *const others[] = {
		"PROXY TCP4 198.51.100.7 192.0.2.1 5556 80\r\n" GET END,
		"PROXY TCP4 198.51.100.7 192.0.2.1 5555 81\r\n" GET END,
		"PROXY TCP4 198.51.100.7 192.0.2.2 5555 80\r\n" GET END,
	};
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		upstream = loopback(30 + i, (uint16_t)(6001 + i));
		rig_open(rig, &upstream, ISN);
		rig_data(rig, &upstream, ISN, others[i]);
		assert_null(strstr(latest(rig), "connection"));
		assert_null(strstr(latest(rig), "behind"));
	}
	rig_close(rig, &client, 0, 0);
	upstream = loopback(40, 6010);
	rig_open(rig, &upstream, ISN);
	rig_data(rig, &upstream, ISN, "PROXY TCP4 198.51.100.7 192.0.2.1 5555 80\r\n" GET END);
	assert_string_equal(latest(rig), "198.51.100.7 5555 proxy_protocol");
	/* By headers alone it is not joined, but still no other host's packets. */
	upstream = loopback(41, 6011);
	rig_open(rig, &upstream, ISN);
	rig_data(rig, &upstream, ISN, GET "X-Forwarded-For: 198.51.100.7:5555\r\n" END);
	assert_string_equal(latest(rig), "198.51.100.7 5555 x_forwarded_for");
}

static void what_stands_in_a_body_is_its_senders(void **state)
{
	struct rig *rig = *state;

	static const char smuggled[] =
		"GET /smuggled HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n";
	char post[1024];

	/* Two lengths, so that its body is looked into; what is found is its sender's. */
	snprintf(post, sizeof post,
		 "POST /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.7\r\nContent-Length: 5\r\n"
		 "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n",
		 sizeof smuggled - 1, smuggled);
	assert_string_equal(said(rig, PROXY, post), "203.0.113.7 earlier_request behind uncertain");
	/* What a server takes for the next request may be the body of the first: nobody is named. */
	assert_string_equal(
		said(rig, PROXY,
		     "POST /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.7\r\nContent-Length: 500\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
		     "GET /smuggled HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n"),
		"198.51.100.1 4000 peer uncertain");
	/* The anomalies name the client, too. */
	const struct event *e = NULL;
	for (unsigned i = 0; i < rig->event_count; i++)
		if (rig->events[i]->kind == EVENT_HTTP_ANOMALY)
			e = rig->events[i];
	assert_non_null(e);
	char text[ADDR_TEXT_MAX];
	assert_string_equal(addr_format(&e->anomaly.client.addr, text), "203.0.113.7");
	assert_int_equal(e->anomaly.client_source, CLIENT_BY_X_FORWARDED_FOR);
}

static void a_cut_head_is_not_believed(void **state)
{
	struct rig *rig = *state;
	char head[8192];
	int n = snprintf(head, sizeof head, GET "X-Forwarded-For: 192.0.2.66\r\n");

	for (unsigned i = 0; i < HTTP_HEADERS_MAX; i++)
		n += snprintf(head + n, sizeof head - (size_t)n, "X-%u: y\r\n", i);
	snprintf(head + n, sizeof head - (size_t)n, "X-Forwarded-For: 203.0.113.7\r\n\r\n");
	assert_string_equal(said(rig, PROXY, head), "198.51.100.1 4000 peer headers_cut");
}

#define story(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		story(headers_of_a_trusted_proxy_are_believed_and_of_nobody_else),
		story(proxy_headers_hold_for_all_requests_of_their_connection),
		story(a_connection_joined_midway_of_a_proxy_that_sends_proxy_headers),
		story(a_proxy_on_this_host_is_joined_to_its_client),
		story(what_stands_in_a_body_is_its_senders),
		story(a_cut_head_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
