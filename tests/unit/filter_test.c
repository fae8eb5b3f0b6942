// SPDX-License-Identifier: Apache-2.0
/* Who gets which events: names, shares of clients, suspicious clients; and what that makes of the account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/filter.h"
#include "forwarder_rig.h"
#include "gateway_stub.h"

static struct event *event_of(enum event_kind kind, unsigned client)
{
	struct event *e = event_new(kind, 0);
	char text[32];

	assert_non_null(e);
	snprintf(text, sizeof text, "10.0.%u.%u", client / 256, client % 256);
	assert_int_equal(addr_parse(span_from(text), &e->flow.peer.addr), 0);
	if (kind == EVENT_HTTP_REQUEST)
		e->request.client = e->flow.peer;
	return e;
}

static bool passes(const struct config_gateway *c, struct suspects *s, enum event_kind kind, unsigned client,
		   uint64_t now_ns)
{
	struct event *e = event_of(kind, client);
	bool r = filter_passes(c, s, 42, e, now_ns);

	event_unref(e);
	return r;
}

static void by_name(void **state)
{
	struct config_gateway c = {.sample = 1};

	(void)state;
	assert_true(passes(&c, NULL, EVENT_LOSS, 1, 1));
	c.events = 1u << EVENT_HTTP_REQUEST | 1u << EVENT_LOSS;
	assert_true(passes(&c, NULL, EVENT_HTTP_REQUEST, 1, 1));
	assert_true(passes(&c, NULL, EVENT_LOSS, 1, 1));
	assert_false(passes(&c, NULL, EVENT_CONNECTION, 1, 1));
}

/* With all it does, whatever it is. */
static void client_is_in_the_sample_or_not(void **state)
{
	struct config_gateway c = {.sample = 0.25};
	unsigned in = 0;

	(void)state;
	for (unsigned client = 0; client < 4000; client++) {
		bool first = passes(&c, NULL, EVENT_HTTP_REQUEST, client, 1);

		in += first;
		assert_int_equal(passes(&c, NULL, EVENT_CONNECTION, client, 2), first);
		assert_int_equal(passes(&c, NULL, EVENT_TCP_ANOMALY, client, 3), first);
	}
	assert_in_range(in, 850, 1150);
	assert_true(passes(&c, NULL, EVENT_LOSS, 1, 1)); /* nobody's */
	c.sample = 0;
	assert_false(passes(&c, NULL, EVENT_HTTP_REQUEST, 1, 1));
}

/* Of a request whose client nobody named, it is the peer who made it. */
static void request_without_a_client_is_its_peers(void **state)
{
	struct config_gateway c = {.sample = 1, .clients = CLIENTS_SUSPICIOUS}, half = {.sample = 0.5};
	struct event *e = event_of(EVENT_HTTP_REQUEST, 7);
	unsigned in = 0;
	struct suspects *s;

	(void)state;
	assert_int_equal(suspects_new(1, &s), 0);
	suspects_add(s, &e->flow.peer.addr, 1);
	e->request.client = (struct endpoint){0};
	assert_ptr_equal(event_client(e), &e->flow.peer);
	assert_true(filter_passes(&c, s, 42, e, 2));
	for (unsigned client = 0; client < 200; client++) {
		struct event *other = event_of(EVENT_HTTP_REQUEST, client);

		other->request.client = (struct endpoint){0};
		in += filter_passes(&half, NULL, 42, other, 1);
		event_unref(other);
	}
	assert_in_range(in, 60, 140);
	event_unref(e);
	suspects_free(s);
}

static void suspicious_for_ten_minutes(void **state)
{
	struct config_gateway c = {.sample = 1, .clients = CLIENTS_SUSPICIOUS};
	struct event *e = event_of(EVENT_CONNECTION, 7);
	struct suspects *s;
	uint64_t now_ns = 5 * NS_PER_S;

	(void)state;
	assert_int_equal(suspects_new(1, &s), 0);
	assert_false(passes(&c, s, EVENT_HTTP_REQUEST, 7, now_ns));
	suspects_add(s, &e->flow.peer.addr, now_ns);
	assert_true(passes(&c, s, EVENT_HTTP_REQUEST, 7, now_ns));
	assert_true(passes(&c, s, EVENT_TCP_ANOMALY, 7, now_ns + 599 * NS_PER_S));
	assert_false(passes(&c, s, EVENT_HTTP_REQUEST, 8, now_ns));
	assert_false(passes(&c, s, EVENT_HTTP_REQUEST, 7, now_ns + SUSPECTS_MEMORY_NS));
	assert_true(passes(&c, s, EVENT_DECISION, 7, now_ns));
	event_unref(e);
	suspects_free(s);
}

static void table_of_suspects_forgets_the_oldest_and_counts(void **state)
{
	struct suspects *s;
	unsigned kept = 0;

	(void)state;
	assert_int_equal(suspects_new(1, &s), 0);
	for (unsigned i = 0; i < 4 * SUSPECTS_MAX; i++) {
		struct event *e = event_of(EVENT_CONNECTION, i);
		suspects_add(s, &e->flow.peer.addr, 1000 + i);
		suspects_add(s, &e->flow.peer.addr, 1000 + i); /* the same again takes no room */
		event_unref(e);
	}
	for (unsigned i = 0; i < 4 * SUSPECTS_MAX; i++) {
		struct event *e = event_of(EVENT_CONNECTION, i);
		bool has = suspects_has(s, &e->flow.peer.addr, 1000);
		kept += has;
		if (i == 4 * SUSPECTS_MAX - 1)
			assert_true(has);
		event_unref(e);
	}
	assert_in_range(kept, SUSPECTS_MAX * 9 / 10, SUSPECTS_MAX);
	assert_int_equal(suspects_forgotten(s), 4 * SUSPECTS_MAX - kept);
	suspects_free(s);
}

static const struct stub_reply verdict = {.status = 200,
					  .body = "{\"verdicts\":[{\"action\":\"block\",\"target\":{"
						  "\"scope\":\"ip\",\"value\":\"192.0.2.7\"},\"ttl_s\":60,"
						  "\"confidence\":0.9,\"reason\":\"because\"}]}"};

static void push_of(struct rig *rig, enum event_kind kind, unsigned client)
{
	struct event *e = event_of(kind, client);

	forwarder_push(rig->f, e);
	event_unref(e);
}

static void what_is_filtered_is_no_loss(void **state)
{
	struct stub *s = stub_start(0, &verdict, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].events = 1u << EVENT_CONNECTION;
	rig.gateways[0].clients = CLIENTS_SUSPICIOUS;
	rig_start(&rig);
	struct event *e = event_of(EVENT_CONNECTION, 7);
	forwarder_suspect(rig.f, &e->flow.peer.addr, "scan", NULL);
	event_unref(e);
	push(&rig, 3); /* losses */
	push_of(&rig, EVENT_CONNECTION, 8);
	push_of(&rig, EVENT_CONNECTION, 7);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(counts(&rig).events, 1);
	assert_int_equal(counts(&rig).events_offered, 5);
	assert_int_equal(counts(&rig).events_filtered, 4);
	assert_int_equal(counts(&rig).events_dropped, 0);
	assert_int_equal(rig.losses, 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void observer_is_read_and_decides_nothing(void **state)
{
	struct stub *s = stub_start(0, &verdict, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig, stub_port(s));
	rig.gateways[0].role = ROLE_OBSERVE;
	rig_start(&rig);
	push(&rig, 1);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(rig.verdicts, 0);
	assert_int_equal(counts(&rig).verdicts, 1);
	assert_string_equal(counts(&rig).last_verdict, "block 192.0.2.7, confidence 0.90: because");
	forwarder_free(rig.f);
	stub_stop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_name),
		cmocka_unit_test(client_is_in_the_sample_or_not),
		cmocka_unit_test(request_without_a_client_is_its_peers),
		cmocka_unit_test(suspicious_for_ten_minutes),
		cmocka_unit_test(table_of_suspects_forgets_the_oldest_and_counts),
		cmocka_unit_test(what_is_filtered_is_no_loss),
		cmocka_unit_test(observer_is_read_and_decides_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
