// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/util.h"
#include "policies/forecast.h"

static struct forecast *forecast;
static uint64_t now;

static int begin(void **state)
{
	(void)state;
	now = 1000 * NS_PER_S;
	return forecast_new(&forecast);
}

static int end(void **state)
{
	(void)state;
	forecast_free(forecast);
	return 0;
}

static struct verdict verdict(const char *target)
{
	struct verdict v = {.source = VERDICT_GATEWAY,
			    .origin = "test",
			    .action = VERDICT_BLOCK,
			    .ttl_ms = 60000,
			    .confidence = 1};

	assert_int_equal(prefix_parse(span_from(target), &v.target), 0);
	return v;
}

static void decide(struct verdict v, enum decision_outcome outcome, const char *why)
{
	struct event *e = event_new(EVENT_DECISION, 64);

	assert_non_null(e);
	e->time_ns = now;
	e->decision.verdict = v;
	e->decision.outcome = outcome;
	e->decision.why = event_tail_copy(e, span_from(why));
	forecast_note(forecast, e);
	event_unref(e);
}

struct sent {
	const char *peer, *client; /* client: NULL: the peer */
	const char *route;
	unsigned status; /* 0: no answer was seen */
};

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(span_from(text), &a), 0);
	return a;
}

static void send(struct sent s)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, 0);

	assert_non_null(e);
	e->time_ns = now;
	e->flow.peer.addr = address(s.peer);
	e->request.client.addr = address(s.client ? s.client : s.peer);
	e->request.route = span_from(s.route);
	e->request.answered = s.status ? EVENT_ANSWER_SEEN : 0;
	e->request.status = (uint16_t)s.status;
	forecast_note(forecast, e);
	event_unref(e);
}

/* The entry that began last of that target; requests 0, target none: there is none. */
static struct forecast_entry last_of(const char *target)
{
	struct verdict v = verdict(target);
	struct forecast_entry *list, found = {0};
	size_t count;

	assert_int_equal(forecast_list(forecast, 0, &list, &count), 0);
	for (size_t i = 0; i < count; i++)
		if (prefix_equal(&list[i].verdict.target, &v.target) && list[i].began_ns >= found.began_ns)
			found = list[i];
	free(list);
	return found;
}

static size_t count_since(uint64_t since_ns)
{
	struct forecast_entry *list;
	size_t count;

	assert_int_equal(forecast_list(forecast, since_ns, &list, &count), 0);
	free(list);
	return count;
}

static void requests_count_from_the_decision_until_its_time_is_over(void **state)
{
	(void)state;
	send((struct sent){"203.0.113.7", .route = "/a", .status = 200});
	now += NS_PER_S;
	decide(verdict("203.0.113.7"), DECISION_WOULD_BLOCK, "observe");
	now += NS_PER_S;
	send((struct sent){"203.0.113.7", .route = "/a", .status = 200});
	send((struct sent){"203.0.113.7", .route = "/login", .status = 401});
	send((struct sent){"203.0.113.8", .route = "/a", .status = 200});
	now += NS_PER_S;
	send((struct sent){"203.0.113.7", .route = "/a"});
	send((struct sent){"203.0.113.7", .status = 204});
	now += 58 * NS_PER_S;
	send((struct sent){"203.0.113.7", .route = "/a", .status = 200}); /* a minute is over */
	struct forecast_entry e = last_of("203.0.113.7");
	assert_int_equal(e.requests, 4);
	assert_int_equal(e.served, 2);
	assert_int_equal(e.unanswered, 1);
	assert_int_equal(e.first_ns, 1002 * NS_PER_S);
	assert_int_equal(e.last_ns, 1003 * NS_PER_S);
	assert_int_equal(e.route_count, 2);
	assert_true(span_equal(e.routes[0].route, SPAN("/a")));
	assert_int_equal(e.routes[0].requests, 2);
	assert_int_equal(e.elsewhere, 1);
}

static void a_target_that_comes_back_is_another_entry(void **state)
{
	(void)state;
	decide(verdict("203.0.113.7"), DECISION_WOULD_BLOCK, "observe");
	send((struct sent){"203.0.113.7", .status = 200});
	/* While it stands the longer time wins. */
	now += 30 * NS_PER_S;
	decide(verdict("203.0.113.7"), DECISION_WOULD_BLOCK, "observe");
	assert_int_equal(count_since(0), 1);
	now += 59 * NS_PER_S;
	send((struct sent){"203.0.113.7", .status = 200});
	assert_int_equal(last_of("203.0.113.7").requests, 2);
	now += 100 * NS_PER_S;
	decide(verdict("203.0.113.7"), DECISION_WOULD_BLOCK, "observe");
	send((struct sent){"203.0.113.7", .status = 500});
	assert_int_equal(count_since(0), 2);
	assert_int_equal(last_of("203.0.113.7").requests, 1);
	assert_int_equal(last_of("203.0.113.7").served, 0);
	/* What would have been asked about is not what would have been dropped. */
	decide(verdict("203.0.113.66"), DECISION_WOULD_BLOCK, "cross_site");
	assert_int_equal(count_since(0), 2);
	/* Had you enforced since then. */
	assert_int_equal(count_since(now), 1);
	assert_int_equal(count_since(now + 1), 0);
}

static void prefixes_and_both_families_are_matched(void **state)
{
	(void)state;
	decide(verdict("203.0.113.0/24"), DECISION_WOULD_BLOCK, "observe");
	decide(verdict("2001:db8:1::/48"), DECISION_WOULD_BLOCK, "observe");
	decide(verdict("203.0.113.9"), DECISION_WOULD_BLOCK, "observe");
	send((struct sent){"203.0.113.200", .status = 200});
	send((struct sent){"2001:db8:1:2::3", .status = 200});
	send((struct sent){"2001:db8:2::3", .status = 200});
	send((struct sent){"203.0.113.9", .status = 200}); /* the most specific */
	assert_int_equal(last_of("203.0.113.0/24").requests, 1);
	assert_int_equal(last_of("2001:db8:1::/48").requests, 1);
	assert_int_equal(last_of("203.0.113.9").requests, 1);
}

static void clients_behind_proxies_are_counted(void **state)
{
	(void)state;
	decide(verdict("203.0.113.7"), DECISION_WOULD_BLOCK, "observe");
	send((struct sent){"192.0.2.1", "203.0.113.7", .status = 200});
	send((struct sent){"192.0.2.1", "203.0.113.8", .status = 200});
	assert_int_equal(last_of("203.0.113.7").requests, 1);
}

static void shadows_count_and_what_is_really_blocked_does_not(void **state)
{
	struct verdict shadow = verdict("203.0.113.7");

	(void)state;
	shadow.action = VERDICT_SHADOW;
	decide(shadow, DECISION_BLOCKED, "ok");
	send((struct sent){"203.0.113.7", .status = 200});
	assert_int_equal(last_of("203.0.113.7").requests, 1);
	now += NS_PER_S;
	decide(verdict("203.0.113.7"), DECISION_BLOCKED, "ok");
	send((struct sent){"203.0.113.7", .status = 200});
	decide(verdict("203.0.113.8"), DECISION_BLOCKED, "ok");
	send((struct sent){"203.0.113.8", .status = 200});
	decide(verdict("203.0.113.9"), DECISION_REFUSED, "confidence");
	decide(verdict("203.0.113.9"), DECISION_PENDING, "approve");
	send((struct sent){"203.0.113.9", .status = 200});
	assert_int_equal(last_of("203.0.113.7").requests, 1);
	assert_int_equal(count_since(0), 1);
}

static void what_a_gateway_takes_back_ends(void **state)
{
	struct verdict back = verdict("203.0.113.7");

	(void)state;
	back.action = VERDICT_UNBLOCK;
	decide(verdict("203.0.113.7"), DECISION_WOULD_BLOCK, "observe");
	decide(back, DECISION_REFUSED, "not_own");
	send((struct sent){"203.0.113.7", .status = 200});
	now += NS_PER_S;
	decide(back, DECISION_REFUSED, "observe");
	send((struct sent){"203.0.113.7", .status = 200});
	assert_int_equal(last_of("203.0.113.7").requests, 1);
}

static void a_full_table_forgets_what_is_over_first(void **state)
{
	struct verdict v = verdict("203.0.113.7");

	(void)state;
	v.ttl_ms = 3600000;
	decide(v, DECISION_WOULD_BLOCK, "observe"); /* the first, and it stands */
	for (unsigned i = 1; i < FORECAST_ENTRIES_MAX; i++) {
		char text[32];
		now += NS_PER_MS;
		snprintf(text, sizeof text, "10.0.%u.%u", i >> 8, i & 255);
		decide(verdict(text), DECISION_WOULD_BLOCK, "observe");
	}
	assert_int_equal(forecast_forgotten(forecast), 0);
	now += 61 * NS_PER_S;
	decide(verdict("198.51.100.1"), DECISION_WOULD_BLOCK, "observe");
	assert_int_equal(forecast_forgotten(forecast), 1);
	assert_int_equal(count_since(0), FORECAST_ENTRIES_MAX);
	assert_int_equal(last_of("10.0.0.1").began_ns, 0);
	send((struct sent){"203.0.113.7", .status = 200});
	send((struct sent){"198.51.100.1", .status = 200});
	assert_int_equal(last_of("203.0.113.7").requests, 1);
	assert_int_equal(last_of("198.51.100.1").requests, 1);
}

static void routes_beyond_the_ceiling_are_counted_together(void **state)
{
	static const char *const routes[] = {"/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9"};

	(void)state;
	decide(verdict("203.0.113.7"), DECISION_WOULD_BLOCK, "observe");
	for (unsigned turn = 0; turn < 2; turn++)
		for (unsigned i = 0; i < ARRAY_SIZE(routes); i++)
			send((struct sent){"203.0.113.7", .route = routes[i], .status = 200});
	struct forecast_entry e = last_of("203.0.113.7");
	assert_int_equal(e.route_count, FORECAST_ROUTES_MAX);
	assert_int_equal(e.routes[7].requests, 2);
	assert_int_equal(e.elsewhere, 4);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(requests_count_from_the_decision_until_its_time_is_over),
		STORY(a_target_that_comes_back_is_another_entry),
		STORY(prefixes_and_both_families_are_matched),
		STORY(clients_behind_proxies_are_counted),
		STORY(shadows_count_and_what_is_really_blocked_does_not),
		STORY(what_a_gateway_takes_back_ends),
		STORY(a_full_table_forgets_what_is_over_first),
		STORY(routes_beyond_the_ceiling_are_counted_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
