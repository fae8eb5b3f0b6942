// SPDX-License-Identifier: Apache-2.0
#include "policies/alerts.h"
#include <stdio.h>
#include <stdlib.h>
#include "lib/target.h"
#include "sensor/alert_text.h"
#include "tests/unit/policies_config.h"

#define PAUSE SECONDS(300)
#define ALL   0xff

static struct alerts *alerts;
static uint64_t now;

static void fresh(unsigned kinds, uint32_t per_hour)
{
	const struct alerts_options o = {kinds, per_hour, PAUSE};

	now = SECONDS(100000);
	assert_int_equal(alerts_new(&o, &alerts), 0);
}

static struct verdict verdict(const char *origin, const char *target, const char *route)
{
	struct verdict v = test_verdict(VERDICT_LOCAL, target, TTL(15));

	snprintf(v.origin, sizeof v.origin, "%s", origin);
	snprintf(v.reason, sizeof v.reason, "because of %s", origin);
	v.route = span_from(route);
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
	alerts_note(alerts, e);
	event_unref(e);
}

static void block(const char *origin, const char *target, const char *route)
{
	decide(verdict(origin, target, route), DECISION_BLOCKED, "ok");
}

static struct alert next(void)
{
	struct alert a;

	if (alerts_next(alerts, now, &a))
		fail_msg("no alert");
	return a;
}

static void none(void)
{
	struct alert a;

	assert_int_equal(alerts_next(alerts, now, &a), ALERTS_E_NONE);
}

static void one_source_on_many_routes_is_one_alert(void **state)
{
	(void)state;
	fresh(ALL, 12);
	block("path_scan", "203.0.113.9", "/a");
	struct alert a = next();
	assert_int_equal(a.state, ALERT_NEW);
	assert_int_equal(a.kind, ALERT_BLOCK);
	assert_string_equal(a.name, "path_scan");
	assert_int_equal(a.count, 1);
	block("path_scan", "203.0.113.9", "/b");
	block("path_scan", "203.0.113.9", "/c");
	none();
	now += PAUSE - 1;
	none();
	now += 1;
	a = next();
	assert_int_equal(a.state, ALERT_MORE);
	assert_int_equal(a.count, 2);
	assert_int_equal(a.source_count, 1);
	assert_int_equal(a.route_count, 3);
	alerts_free(alerts);
}

/* It is about who is meant, in IPv6 its network, and the route that it is denied. */
static void a_target_on_a_route_is_told_as_who_is_meant_on_that(void **state)
{
	struct verdict v = verdict("path_scan", "2001:db8:1:2::9", "/caused/it");
	struct prefix who = v.target, net = test_prefix("2001:db8:1:2::/64");

	(void)state;
	fresh(ALL, 12);
	assert_int_equal(target_limit(&who, SPAN("/login"), TARGET_ROUTES_MAX, &v.target), 0);
	decide(v, DECISION_BLOCKED, "ok");
	struct alert a = next();
	assert_int_equal(a.source_count, 1);
	assert_true(prefix_equal(&a.sources[0], &net));
	assert_int_equal(a.route_count, 1);
	assert_true(span_equal(a.routes[0], SPAN("/login")));
	alerts_free(alerts);
}

static void many_sources_on_one_route_are_one_alert(void **state)
{
	char text[32];

	(void)state;
	fresh(ALL, 12);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(text, sizeof text, "203.0.113.%u", i);
		block("login_guessing", text, "/login");
	}
	struct alert a = next();
	assert_int_equal(a.count, 40);
	assert_int_equal(a.source_count, ALERT_SOURCES_MAX);
	assert_true(a.sources_more);
	assert_int_equal(a.route_count, 1);
	none();
	assert_int_equal(alerts_counts(alerts).groups, 1);
	alerts_free(alerts);
}

static void another_name_another_kind_and_another_source_on_another_route_are_others(void **state)
{
	(void)state;
	fresh(ALL, 12);
	block("path_scan", "203.0.113.9", "/a");
	block("login_guessing", "203.0.113.9", "/a");
	decide(verdict("path_scan", "203.0.113.9", "/a"), DECISION_PENDING, "approve");
	block("path_scan", "203.0.113.10", "/b");
	block("path_scan", "2001:db8::1", "/v6");
	block("path_scan", "2001:db8::2", "/v6/other"); /* the same /64: the same client */
	for (unsigned i = 0; i < 5; i++)
		next();
	none();
	alerts_free(alerts);
}

static void the_pause_doubles_up_to_eight_times_and_a_quiet_group_ends(void **state)
{
	uint64_t pause = PAUSE;

	(void)state;
	fresh(ALL, 1000);
	block("path_scan", "203.0.113.9", "/a");
	assert_int_equal(next().state, ALERT_NEW);
	for (unsigned i = 0; i < 6; i++) {
		block("path_scan", "203.0.113.9", "/a");
		now += pause - 1;
		none();
		now += 1;
		assert_int_equal(next().state, ALERT_MORE);
		pause = MIN(pause * 2, ALERT_PAUSES_MAX * PAUSE);
	}
	now += pause;
	block("path_scan", "203.0.113.9", "/a");
	assert_int_equal(next().state, ALERT_NEW);
	alerts_free(alerts);
}

static void beyond_the_budget_one_summary_tells_of_all(void **state)
{
	char name[32], target[32];

	(void)state;
	fresh(ALL, 3);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "rule%u", i);
		block(name, "203.0.113.9", "/a");
		assert_int_equal(next().state, ALERT_NEW);
	}
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "late%u", i);
		snprintf(target, sizeof target, "198.51.100.%u", i);
		block(name, target, "/a");
		none();
	}
	assert_int_equal(alerts_counts(alerts).waiting, 10);
	now += SECONDS(1200) - 1;
	none();
	now += SECONDS(1);
	struct alert a = next();
	assert_int_equal(a.state, ALERT_SUMMARY);
	assert_int_equal(a.count, 10);
	assert_int_equal(a.groups, 10);
	assert_int_equal(a.part_count, ALERT_SUMMARY_MAX);
	none();
	assert_int_equal(alerts_counts(alerts).told, 4);
	alerts_free(alerts);
}

static void what_made_place_for_others_stands_in_the_summary(void **state)
{
	char name[32], target[32];
	uint64_t count = 0;
	struct alert a;

	(void)state;
	fresh(ALL, 1);
	for (unsigned i = 0; i < ALERT_GROUPS_MAX + 50; i++) {
		snprintf(name, sizeof name, "rule%u", i);
		snprintf(target, sizeof target, "10.%u.%u.1", i / 256, i % 256);
		block(name, target, "");
		now += 1;
	}
	assert_int_equal(alerts_counts(alerts).forgotten, 50);
	while (alerts_next(alerts, now, &a) == 0) {
		assert_int_equal(a.state, ALERT_SUMMARY);
		count += a.count;
		assert_int_equal(a.groups, ALERT_GROUPS_MAX + 50);
	}
	assert_int_equal(count, ALERT_GROUPS_MAX + 50);
	alerts_free(alerts);
}

static void a_source_over_its_limit_is_one_alert_whatever_it_asks_for(void **state)
{
	char target[32];

	(void)state;
	fresh(ALL, 12);
	for (unsigned i = 0; i < 30; i++) {
		snprintf(target, sizeof target, "198.51.100.%u", i);
		struct verdict v = verdict(i % 2 ? "path_scan" : "login_guessing", target, "/x");
		decide(v, DECISION_REFUSED, "minute_limit");
		v.source = VERDICT_GATEWAY;
		snprintf(v.origin, sizeof v.origin, "lunar");
		decide(v, DECISION_REFUSED, "hour_limit");
	}
	struct alert a = next();
	assert_int_equal(a.kind, ALERT_LIMIT);
	assert_string_equal(a.name, "local");
	assert_int_equal(a.count, 30);
	a = next();
	assert_string_equal(a.name, "lunar");
	assert_int_equal(a.count, 30);
	none();
	alerts_free(alerts);
}

static void what_nobody_asked_about_or_a_person_did_is_no_alert(void **state)
{
	(void)state;
	fresh(1u << ALERT_LOSS, 12);
	block("path_scan", "203.0.113.9", "/a");
	none();
	alerts_free(alerts);
	fresh(ALL, 12);
	struct verdict v = verdict("uid:0", "203.0.113.9", "");
	v.source = VERDICT_OPERATOR;
	decide(v, DECISION_BLOCKED, "ok");
	decide(verdict("path_scan", "203.0.113.9", ""), DECISION_REFUSED, "protected_network");
	decide(verdict("path_scan", "203.0.113.9", ""), DECISION_EXPIRED, "ok");
	alerts_note_mended(alerts, "deny_maps", 0, now);
	none();
	alerts_note(NULL, NULL);
	alerts_free(alerts);
}

static void losses_and_mended_entries_are_added_up(void **state)
{
	(void)state;
	fresh(ALL, 12);
	for (unsigned i = 0; i < 3; i++) {
		struct event *e = event_new_loss("ring", "data", 100, "", now, now);
		assert_non_null(e);
		alerts_note(alerts, e);
		event_unref(e);
		alerts_note_mended(alerts, "deny_maps", 2, now);
	}
	struct alert a = next();
	assert_int_equal(a.kind, ALERT_LOSS);
	assert_string_equal(a.name, "ring");
	assert_int_equal(a.count, 300);
	a = next();
	assert_int_equal(a.kind, ALERT_MENDED);
	assert_int_equal(a.count, 6);
	none();
	alerts_free(alerts);
}

/* --- as text --- */

static const struct alert_origin origin = {"api1", "default"};

static void line_is(const struct alert *a, const char *expected)
{
	struct buffer b = BUFFER_INIT(ALERT_TEXT_MAX);

	alert_line(a, &origin, &b);
	assert_int_equal(buffer_append_char(&b, 0), 0);
	assert_string_equal(b.data, expected);
	buffer_free(&b);
}

static void a_line_says_who_where_and_why(void **state)
{
	(void)state;
	fresh(ALL, 12);
	block("login_guessing", "203.0.113.9", "/login");
	struct alert a = next();
	line_is(&a,
		"picket on api1: login_guessing: blocked: 203.0.113.9 on /login (because of login_guessing)");
	decide(verdict("path_scan", "203.0.113.9", "/\033[2Jx"), DECISION_WOULD_BLOCK, "observe");
	a = next();
	line_is(&a,
		"picket on api1: path_scan: would be blocked, were the mode enforce: 203.0.113.9 on /?[2Jx "
		"(because of path_scan)");
	alerts_free(alerts);
}

static void the_largest_alert_has_room(void **state)
{
	struct buffer b = BUFFER_INIT(ALERT_TEXT_MAX);
	struct alert a = {
		.state = ALERT_SUMMARY, .source_count = ALERT_SOURCES_MAX, .route_count = ALERT_ROUTES_MAX};
	char route[512];

	(void)state;
	/* Control characters take the most in JSON. */
	memset(route, '\001', sizeof route);
	memset(a.name, '\001', sizeof a.name - 1);
	memset(a.detail, '\001', sizeof a.detail - 1);
	for (unsigned i = 0; i < ALERT_ROUTES_MAX; i++)
		a.routes[i] = (struct span){route, 128};
	for (unsigned i = 0; i < ALERT_SOURCES_MAX; i++)
		a.sources[i] = test_prefix("2001:db8:1111:2222::/64");
	a.part_count = ALERT_SUMMARY_MAX;
	for (unsigned i = 0; i < ALERT_SUMMARY_MAX; i++)
		memset(a.parts[i].name, '\001', sizeof a.parts[i].name - 1);
	alert_json(&a, &origin, &clock_system, "id", &b);
	assert_false(b.truncated);
	buffer_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_source_on_many_routes_is_one_alert),
		cmocka_unit_test(a_target_on_a_route_is_told_as_who_is_meant_on_that),
		cmocka_unit_test(many_sources_on_one_route_are_one_alert),
		cmocka_unit_test(another_name_another_kind_and_another_source_on_another_route_are_others),
		cmocka_unit_test(the_pause_doubles_up_to_eight_times_and_a_quiet_group_ends),
		cmocka_unit_test(beyond_the_budget_one_summary_tells_of_all),
		cmocka_unit_test(what_made_place_for_others_stands_in_the_summary),
		cmocka_unit_test(a_source_over_its_limit_is_one_alert_whatever_it_asks_for),
		cmocka_unit_test(what_nobody_asked_about_or_a_person_did_is_no_alert),
		cmocka_unit_test(losses_and_mended_entries_are_added_up),
		cmocka_unit_test(a_line_says_who_where_and_why),
		cmocka_unit_test(the_largest_alert_has_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
