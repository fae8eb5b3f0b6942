// SPDX-License-Identifier: Apache-2.0
#include "policies/behaviour.h"
#include "lib/target.h"
#include "policies/table.h"
#include "tests/unit/policies_config.h"

#define START SECONDS(100000)

struct request {
	const char *client, *method, *route, *consumer, *agent;
	unsigned status;
};

struct fixture {
	struct behaviour *b;
	uint64_t now_ns;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f || behaviour_new(8, 8, &f->b))
		return -1;
	const uint64_t key[2] = {3, 4}; /* estimates are the same each time */
	behaviour_set_key(f->b, key);
	f->now_ns = START;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	behaviour_free(f->b);
	free(f);
	return 0;
}

static uint32_t route_id(const char *route)
{
	uint32_t id = 1;

	for (; *route; route++)
		id = id * 31 + (unsigned char)*route;
	return id;
}

static struct event event_of(const struct fixture *f, const struct request *r)
{
	struct event e = {.kind = EVENT_HTTP_REQUEST, .id = 1, .time_ns = f->now_ns};

	e.request.client.addr = test_addr(r->client);
	e.request.method = span_from(r->method ? r->method : "GET");
	e.request.route = span_from(r->route ? r->route : "");
	e.request.route_id = r->route ? route_id(r->route) : 0;
	e.request.consumer = span_from(r->consumer ? r->consumer : "");
	e.request.user_agent = span_from(r->agent ? r->agent : "");
	e.request.answered = r->status ? EVENT_ANSWER_SEEN : 0;
	e.request.status = (uint16_t)r->status;
	return e;
}

static void ask(struct fixture *f, unsigned times, const struct request *r)
{
	for (unsigned i = 0; i < times; i++) {
		struct event e = event_of(f, r);
		behaviour_note(f->b, &e);
		f->now_ns += SECONDS(1);
	}
}

#define A "c_0100000000000000aa"
#define B "c_0100000000000000bb"

static struct behaviour_info of(struct fixture *f, const char *client)
{
	struct behaviour_info info;
	struct addr a = test_addr(client);

	if (!behaviour_of(f->b, &a, &info))
		fail_msg("nothing is known of %s", client);
	return info;
}

static void counts_are_those_of_the_client_and_of_its_consumer(void **state)
{
	struct fixture *f = *state;
	struct behaviour_info info;

	ask(f, 3, &(struct request){"192.0.2.1", "GET", "/users/{id}", A, "curl/8", 200});
	ask(f, 2, &(struct request){"192.0.2.1", "POST", "/login", NULL, "curl/8", 401});
	ask(f, 1, &(struct request){"192.0.2.1", "GET", NULL, NULL, "other", 404});
	ask(f, 1, &(struct request){"192.0.2.1", "GET", NULL, B, "other", 0});
	ask(f, 1, &(struct request){"198.51.100.1", "GET", "/users/{id}", A, "curl/8", 403});
	info = of(f, "192.0.2.1");
	assert_int_equal(info.all.requests, 7);
	assert_int_equal(info.all.statuses[2], 3);
	assert_int_equal(info.all.statuses[4], 3);
	assert_int_equal(info.all.statuses[0], 1);
	assert_int_equal(info.all.unauthorized, 2);
	assert_int_equal(info.all.missing, 1);
	assert_int_equal(info.all.forbidden, 0);
	assert_int_equal(info.first_ns, START);
	assert_int_equal(info.last_ns, START + SECONDS(6));
	assert_int_equal(info.others_seen, 2);
	assert_int_equal(info.agents_seen, 2);
	assert_int_equal(info.routes_seen, 2);
	assert_int_equal(info.agent_count, 2);
	assert_string_equal(info.agents[0], "other"); /* the latest first */
	assert_string_equal(info.agents[1], "curl/8");
	assert_int_equal(info.route_count, 2);
	assert_int_equal(info.routes[0].requests, 3);
	assert_true(span_equal(info.routes[0].route, SPAN("/users/{id}")));
	assert_string_equal(info.routes[1].method, "POST");
	assert_int_equal(info.gap_ns, SECONDS(1));
	assert_int_equal(info.spread_ns, 0);
	assert_true(behaviour_of_consumer(f->b, SPAN(A), &info));
	assert_int_equal(info.all.requests, 4);
	assert_int_equal(info.all.forbidden, 1);
	assert_int_equal(info.others_seen, 2); /* clients */
	assert_int_equal(info.other.addr.bytes[0], 198);
	assert_false(behaviour_of_consumer(f->b, SPAN("c_0100000000000000cc"), &info));
	assert_false(behaviour_of_consumer(f->b, SPAN("nonsense"), &info));
}

static void one_ipv6_client_is_its_64(void **state)
{
	struct fixture *f = *state;

	ask(f, 1, &(struct request){.client = "2001:db8::1", .status = 200});
	ask(f, 1, &(struct request){.client = "2001:db8::ffff:2", .status = 200});
	ask(f, 1, &(struct request){.client = "2001:db8:0:1::1", .status = 200});
	assert_int_equal(of(f, "2001:db8::77").all.requests, 2);
	assert_int_equal(of(f, "2001:db8::77").latest.bytes[15], 2);
	assert_int_equal(of(f, "2001:db8:0:1::5").all.requests, 1);
	assert_int_equal(behaviour_totals(f->b).clients, 2);
}

static void the_window_is_of_the_last_minutes_only(void **state)
{
	struct fixture *f = *state;

	ask(f, 5, &(struct request){.client = "192.0.2.1", .status = 401});
	f->now_ns += BEHAVIOUR_WINDOW_NS;
	ask(f, 2, &(struct request){.client = "192.0.2.1", .status = 200});
	assert_int_equal(of(f, "192.0.2.1").window.requests, 7);
	assert_int_equal(of(f, "192.0.2.1").window_ns, START);
	f->now_ns += BEHAVIOUR_WINDOW_NS;
	ask(f, 1, &(struct request){.client = "192.0.2.1", .status = 200});
	assert_int_equal(of(f, "192.0.2.1").window.requests, 3);
	f->now_ns += 3 * BEHAVIOUR_WINDOW_NS;
	ask(f, 1, &(struct request){.client = "192.0.2.1", .status = 200});
	assert_int_equal(of(f, "192.0.2.1").window.requests, 1);
	assert_int_equal(of(f, "192.0.2.1").all.requests, 9);
	assert_int_equal(of(f, "192.0.2.1").all.unauthorized, 5);
}

static void made_up_clients_and_tokens_push_out_nobody_who_is_served(void **state)
{
	struct fixture *f = *state;
	char client[32], consumer[32];
	struct behaviour_totals t;
	struct behaviour_info info;

	ask(f, BEHAVIOUR_KNOWN, &(struct request){"192.0.2.1", "GET", "/a", A, "x", 200});
	assert_true(of(f, "192.0.2.1").known);
	for (unsigned i = 0; i < 500; i++) {
		snprintf(client, sizeof client, "10.0.%u.%u", i / 250, i % 250);
		snprintf(consumer, sizeof consumer, "c_02%016x", i);
		ask(f, 1, &(struct request){client, "GET", "/a", consumer, "x", 401});
	}
	assert_int_equal(of(f, "192.0.2.1").all.requests, BEHAVIOUR_KNOWN);
	assert_true(behaviour_of_consumer(f->b, SPAN(A), &info));
	t = behaviour_totals(f->b);
	assert_int_equal(t.clients, 8);
	assert_int_equal(t.consumers, 8);
	assert_int_equal(t.forgotten_new, 2 * 500 - 2 * 7);
	assert_int_equal(t.forgotten_known, 0);
	/* Nine that are served: then one of them goes, the one idle longest. */
	for (unsigned i = 0; i < 8; i++) {
		snprintf(client, sizeof client, "10.9.0.%u", i);
		ask(f, BEHAVIOUR_KNOWN, &(struct request){client, "GET", "/a", NULL, "x", 200});
	}
	assert_int_equal(behaviour_totals(f->b).forgotten_known, 1);
	struct addr first = test_addr("192.0.2.1");
	assert_false(behaviour_of(f->b, &first, &info));
}

static void what_is_new_for_a_consumer_is_new_once(void **state)
{
	struct fixture *f = *state;
	const struct request read = {"192.0.2.1", "GET", "/orders/{id}", A, "x", 200};
	const struct request drop = {"192.0.2.1", "DELETE", "/orders/{id}", A, "x", 0};
	const struct request admin = {"192.0.2.1", "GET", "/admin/users", A, "x", 0};
	struct event e;

	e = event_of(f, &drop);
	assert_false(behaviour_first_method(f->b, &e)); /* nobody knows this consumer */
	ask(f, BEHAVIOUR_KNOWN - 1, &read);
	assert_false(behaviour_first_method(f->b, &e)); /* not well enough */
	ask(f, 1, &read);
	assert_true(behaviour_first_method(f->b, &e));
	assert_true(behaviour_first_route(f->b, &e));
	e = event_of(f, &read);
	assert_false(behaviour_first_method(f->b, &e));
	assert_false(behaviour_first_route(f->b, &e));
	e = event_of(f, &admin);
	assert_false(behaviour_first_method(f->b, &e));
	assert_true(behaviour_first_route(f->b, &e));
	/* What was refused is no use. */
	struct request refused = admin;
	refused.status = 403;
	ask(f, 3, &refused);
	assert_true(behaviour_first_route(f->b, &e));
	refused.status = 200;
	ask(f, 1, &refused);
	assert_false(behaviour_first_route(f->b, &e));
	assert_true(behaviour_was_served(f->b, &e));
	e = event_of(f, &(struct request){"192.0.2.1", "GET", "/a", B, "x", 401});
	behaviour_note(f->b, &e);
	assert_false(behaviour_was_served(f->b, &e));
	e = event_of(f, &(struct request){"192.0.2.1", "GET", "/a", NULL, "x", 200});
	assert_false(behaviour_was_served(f->b, &e));
	assert_false(behaviour_first_method(f->b, &e));
}

static void fire(struct fixture *f, const char *target, const char *name)
{
	struct verdict v = {.source = VERDICT_LOCAL, .received_ns = f->now_ns};

	assert_int_equal(target_parse(span_from(target), &v.target), 0);
	snprintf(v.origin, sizeof v.origin, "%s", name);
	behaviour_fired(f->b, &v);
}

static void detections_are_remembered_with_whom_they_name(void **state)
{
	struct fixture *f = *state;
	struct behaviour_info info;
	char name[16];

	ask(f, 1, &(struct request){"192.0.2.1", "GET", "/a", A, "x", 200});
	fire(f, "192.0.2.1", "login-failures");
	f->now_ns += SECONDS(5);
	fire(f, "192.0.2.1", "scanner");
	fire(f, "192.0.2.1", "login-failures");
	fire(f, "consumer:" A, "object-enumeration");
	fire(f, "192.0.2.0/24", "wide"); /* is nobody */
	info = of(f, "192.0.2.1");
	assert_int_equal(info.fired_count, 2);
	assert_int_equal(info.fired[0].count + info.fired[1].count, 3);
	assert_true(behaviour_of_consumer(f->b, SPAN(A), &info));
	assert_int_equal(info.fired_count, 1);
	assert_string_equal(info.fired[0].name, "object-enumeration");
	/* More names than there is room for: the latest stay. */
	for (unsigned i = 0; i < 20; i++) {
		f->now_ns += SECONDS(1);
		snprintf(name, sizeof name, "rule-%u", i);
		fire(f, "192.0.2.1", name);
	}
	info = of(f, "192.0.2.1");
	assert_int_equal(info.fired_count, BEHAVIOUR_DETECTIONS);
	assert_string_equal(info.fired[0].name, "rule-19");
}

static void the_busiest_routes_stay(void **state)
{
	struct fixture *f = *state;
	char route[24];

	for (unsigned i = 0; i < 300; i++) {
		ask(f, 1, &(struct request){"192.0.2.1", "GET", "/busy", NULL, "x", 200});
		snprintf(route, sizeof route, "/r%u", i % 50);
		ask(f, 1, &(struct request){"192.0.2.1", "GET", route, NULL, "x", 200});
	}
	struct behaviour_info info = of(f, "192.0.2.1");
	assert_int_equal(info.route_count, BEHAVIOUR_ROUTES);
	assert_true(span_equal(info.routes[0].route, SPAN("/busy")));
	assert_in_range(info.routes[0].requests, 300, 330);
	assert_in_range(info.routes_seen, 51 * 80 / 100, 51 * 120 / 100);
}

static void each_is_listed_once(void **state)
{
	struct fixture *f = *state;
	struct behaviour_info page[3];
	uint32_t cursor = 0;
	size_t n, all = 0, consumers = 0;

	for (unsigned i = 1; i < 6; i++) {
		char client[16];
		snprintf(client, sizeof client, "192.0.2.%u", i);
		ask(f, i, &(struct request){client, "GET", "/a", i % 2 ? A : B, "x", 200});
	}
	while ((n = behaviour_list(f->b, &cursor, page, ARRAY_SIZE(page)))) {
		for (size_t i = 0; i < n; i++)
			consumers += page[i].who.addr.family == TARGET_CONSUMER;
		all += n;
	}
	assert_int_equal(all, 7);
	assert_int_equal(consumers, 2);
}

static void who_is_known_outlives_a_restart(void **state)
{
	struct fixture *f = *state;
	const uint64_t key[2] = {1, 2};
	struct behaviour_record records[16];
	uint32_t slots[16];
	bool gone[16];
	struct behaviour *next;
	struct behaviour_info info;

	behaviour_set_key(f->b, key);
	ask(f, 20, &(struct request){"192.0.2.1", "GET", "/a", A, "x", 200});
	ask(f, 1, &(struct request){"192.0.2.2", "GET", "/a", B, "x", 401});
	size_t n = behaviour_changes(f->b, records, slots, gone, 16);
	assert_int_equal(n, 2); /* not those of whom one request is known */
	assert_int_equal(behaviour_changes(f->b, records + n, slots, gone, 16 - n), 0);
	assert_int_equal(behaviour_new(8, 8, &next), 0);
	behaviour_set_key(next, key);
	for (size_t i = 0; i < n; i++) {
		assert_false(gone[i]);
		records[i].first_ns -= (int64_t)SECONDS(1000000); /* before this boot */
		assert_true(behaviour_restore(next, &records[i]));
		assert_false(behaviour_restore(next, &records[i])); /* is there */
	}
	assert_true(behaviour_of_consumer(next, SPAN(A), &info));
	assert_int_equal(info.all.requests, 20);
	assert_true(info.known);
	assert_int_equal(info.first_ns, (int64_t)START - (int64_t)SECONDS(1000000));
	assert_int_equal(info.others_seen, 1);
	struct event e = event_of(f, &(struct request){"192.0.2.1", "GET", "/a", A, "x", 0});
	assert_false(behaviour_first_route(next, &e));
	e = event_of(f, &(struct request){"192.0.2.1", "PUT", "/a", A, "x", 0});
	assert_true(behaviour_first_method(next, &e));
	/* What makes no sense is left out. */
	records[0].who = test_prefix("192.0.2.0/24");
	assert_false(behaviour_restore(next, &records[0]));
	records[0].who = test_prefix("192.0.2.77");
	records[0].all.statuses[2] = UINT64_MAX;
	assert_false(behaviour_restore(next, &records[0]));
	behaviour_change_all(next);
	assert_int_equal(behaviour_changes(next, records, slots, gone, 16), 2);
	behaviour_free(next);
}

static void what_is_no_request_of_a_client_is_nothing(void **state)
{
	struct fixture *f = *state;
	struct event e = event_of(f, &(struct request){"192.0.2.1", "GET", "/a", A, "x", 200});

	e.request.deviations = HTTP_DEV_AFTER_GAP;
	behaviour_note(f->b, &e);
	e.request.deviations = 0;
	e.kind = EVENT_CONNECTION;
	behaviour_note(f->b, &e);
	behaviour_note(NULL, &e);
	assert_int_equal(behaviour_totals(f->b).noted, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(counts_are_those_of_the_client_and_of_its_consumer),
		TEST(one_ipv6_client_is_its_64),
		TEST(the_window_is_of_the_last_minutes_only),
		TEST(made_up_clients_and_tokens_push_out_nobody_who_is_served),
		TEST(what_is_new_for_a_consumer_is_new_once),
		TEST(detections_are_remembered_with_whom_they_name),
		TEST(the_busiest_routes_stay),
		TEST(each_is_listed_once),
		TEST(who_is_known_outlives_a_restart),
		TEST(what_is_no_request_of_a_client_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
