// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/crowdsec_alert.h"
#include "lib/json_read.h"
#include "lib/target.h"
#include "lib/util.h"

#define NOW_NS 1800000000500000000ull /* 2027-01-15T08:00:00.5Z */

static struct event *event;

static int begin(void **state)
{
	(void)state;
	event = event_new(EVENT_DECISION, 0);
	event->time_ns = 100 * NS_PER_S;
	event->wall_ns = NOW_NS;
	event->decision = (struct event_decision){
		.outcome = DECISION_BLOCKED,
		.point = SPAN("kernel"),
		.verdict = {.id = "v1",
			    .source = VERDICT_LOCAL,
			    .origin = "login-guessing",
			    .action = VERDICT_BLOCK,
			    .ttl_ms = 899500,
			    .cause_ns = 98 * NS_PER_S,
			    .reason = "many \"logins\"",
			    .evidence = {"e1", "e2"},
			    .evidence_count = 2},
	};
	return prefix_parse(SPAN("192.0.2.7"), &event->decision.verdict.target);
}

static int end(void **state)
{
	(void)state;
	event_unref(event);
	return 0;
}

static enum crowdsec_tell tell(void)
{
	return crowdsec_alert_tell(event);
}

static cJSON *alert(enum crowdsec_tell what)
{
	const struct json_limits limits = {65536, 16, 1000};
	struct buffer b = BUFFER_INIT(65536);
	struct json_writer w = JSON_WRITER(&b);
	cJSON *root = NULL;

	crowdsec_alert_write(&w, event, what);
	assert_int_equal(json_parse(buffer_span(&b), &limits, &root, NULL), 0);
	buffer_free(&b);
	return root;
}

static void what_is_told(void **state)
{
	struct event_decision *d = &event->decision;

	(void)state;
	assert_int_equal(tell(), CROWDSEC_TELL_BAN);
	d->verdict.source = VERDICT_GATEWAY;
	assert_int_equal(tell(), CROWDSEC_TELL_BAN);
	d->verdict.action = VERDICT_RESET;
	assert_int_equal(tell(), CROWDSEC_TELL_BAN);
	d->verdict.action = VERDICT_RATE_LIMIT;
	assert_int_equal(tell(), CROWDSEC_TELL_NOTHING);
	d->verdict.action = VERDICT_SHADOW;
	assert_int_equal(tell(), CROWDSEC_TELL_NOTHING);
	d->verdict.action = VERDICT_BLOCK;
	d->outcome = DECISION_WOULD_BLOCK;
	assert_int_equal(tell(), CROWDSEC_TELL_RECORD);
	d->outcome = DECISION_REFUSED;
	assert_int_equal(tell(), CROWDSEC_TELL_NOTHING);
	d->outcome = DECISION_PENDING;
	assert_int_equal(tell(), CROWDSEC_TELL_NOTHING);
	d->outcome = DECISION_EXPIRED;
	assert_int_equal(tell(), CROWDSEC_TELL_NOTHING);
	d->outcome = DECISION_UNBLOCKED;
	assert_int_equal(tell(), CROWDSEC_TELL_UNBAN);
}

static void what_an_operator_does_is_told_where_others_must_enforce_it(void **state)
{
	struct event_decision *d = &event->decision;

	(void)state;
	d->verdict.source = VERDICT_OPERATOR;
	assert_int_equal(tell(), CROWDSEC_TELL_NOTHING);
	d->point = SPAN("published");
	assert_int_equal(tell(), CROWDSEC_TELL_BAN);
	d->point = SPAN("kernel");
	d->outcome = DECISION_UNBLOCKED; /* of what the analysis had blocked, say */
	assert_int_equal(tell(), CROWDSEC_TELL_UNBAN);
}

static void targets_without_a_word_there(void **state)
{
	(void)state;
	assert_int_equal(target_parse_consumer(SPAN("c_0123456789abcdef01"), &event->decision.verdict.target),
			 0);
	assert_int_equal(tell(), CROWDSEC_TELL_CANNOT);
	event->decision.outcome = DECISION_UNBLOCKED;
	assert_int_equal(tell(), CROWDSEC_TELL_NOTHING);
}

static const char *text_at(const cJSON *object, const char *key)
{
	const char *text = json_get_text(object, key);

	return text ? text : "(none)";
}

static void a_ban_with_its_decision(void **state)
{
	(void)state;
	cJSON *a = alert(CROWDSEC_TELL_BAN);
	assert_string_equal(text_at(a, "scenario"), "picket/login-guessing");
	assert_string_equal(text_at(a, "message"), "many \"logins\"");
	assert_string_equal(text_at(a, "start_at"), "2027-01-15T07:59:58.500000000Z");
	assert_string_equal(text_at(a, "stop_at"), "2027-01-15T08:00:00.500000000Z");
	assert_false(json_get_bool(a, "simulated", true));
	assert_true(json_get_bool(a, "remediation", false));
	const cJSON *source = cJSON_GetObjectItemCaseSensitive(a, "source");
	assert_string_equal(text_at(source, "scope"), "Ip");
	assert_string_equal(text_at(source, "ip"), "192.0.2.7");
	const cJSON *d = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(a, "decisions"), 0);
	assert_string_equal(text_at(d, "origin"), "picket");
	assert_string_equal(text_at(d, "type"), "ban");
	assert_string_equal(text_at(d, "value"), "192.0.2.7");
	assert_string_equal(text_at(d, "duration"), "900s"); /* rounded up */
	assert_int_equal(crowdsec_alert_end_s(event), 1800000000 + 900);
	/* What LAPI refuses an alert without. */
	static const char *const required[] = {"scenario_hash", "scenario_version", "events_count",
					       "capacity",      "leakspeed",        "events"};
	for (size_t i = 0; i < ARRAY_SIZE(required); i++)
		assert_non_null(cJSON_GetObjectItemCaseSensitive(a, required[i]));
	cJSON_Delete(a);
}

static void a_range(void **state)
{
	(void)state;
	assert_int_equal(prefix_parse(SPAN("2001:db8::/64"), &event->decision.verdict.target), 0);
	cJSON *a = alert(CROWDSEC_TELL_BAN);
	const cJSON *source = cJSON_GetObjectItemCaseSensitive(a, "source");
	assert_string_equal(text_at(source, "scope"), "Range");
	assert_string_equal(text_at(source, "value"), "2001:db8::/64");
	assert_string_equal(text_at(source, "range"), "2001:db8::/64");
	assert_string_equal(text_at(source, "ip"), "(none)");
	cJSON_Delete(a);
}

static void a_record_has_no_decision(void **state)
{
	(void)state;
	cJSON *a = alert(CROWDSEC_TELL_RECORD);
	assert_true(json_get_bool(a, "simulated", false));
	assert_false(json_get_bool(a, "remediation", true)); /* else its profiles would decide */
	assert_null(cJSON_GetObjectItemCaseSensitive(a, "decisions"));
	cJSON_Delete(a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_told),
		TEST(what_an_operator_does_is_told_where_others_must_enforce_it),
		TEST(targets_without_a_word_there),
		TEST(a_ban_with_its_decision),
		TEST(a_range),
		TEST(a_record_has_no_decision),
	};

	return cmocka_run_group_tests_name("crowdsec_alert", tests, NULL, NULL);
}
