// SPDX-License-Identifier: Apache-2.0
/* Verdicts by long poll: one question at a time, beside the batches and without them. */
#include "gateway_stub.h"
#include "forwarder_rig.h"
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"

#define VERDICTS                                                                                      \
	"{\"verdicts\":[{\"action\":\"block\",\"target\":{\"scope\":\"ip\",\"value\":\"192.0.2.7\"}," \
	"\"ttl_s\":60,\"confidence\":1}]}"

static struct stub *events, *verdicts;
static struct rig rig;
static char url[64];

static void start(const struct stub_reply *replies, size_t count)
{
	static const struct stub_reply taken = {.status = 204};

	events = stub_start(0, &taken, 1);
	verdicts = stub_start(0, replies, count);
	rig_init(&rig, stub_port(events));
	snprintf(url, sizeof url, "http://127.0.0.1:%u/verdicts?x=1", stub_port(verdicts));
	rig.gateways[0].verdicts_url = url;
	rig.gateways[0].signature_window_ms = 300000;
}

static int stop(void **state)
{
	(void)state;
	forwarder_free(rig.f);
	stub_stop(events);
	stub_stop(verdicts);
	return 0;
}

static bool verdicts_came(struct rig *r, uint64_t n)
{
	return r->verdicts >= n;
}

static bool asked(struct rig *r, uint64_t n)
{
	return counts(r).poll.asked >= n;
}

static bool refused(struct rig *r, uint64_t n)
{
	return counts(r).refused[VERDICT_E_UNSIGNED] >= n;
}

static void observer_is_polled_and_decides_nothing(void **state)
{
	static const struct stub_reply replies[] = {{.status = 200, .body = VERDICTS},
						    {.status = 204, .delay_ms = 2000}};

	(void)state;
	start(replies, ARRAY_SIZE(replies));
	rig.gateways[0].role = ROLE_OBSERVE;
	rig_start(&rig);
	run_until(&rig, asked, 2);
	assert_int_equal(rig.verdicts, 0);
	assert_int_equal(counts(&rig).verdicts, 1);
	assert_string_equal(counts(&rig).last_verdict, "block 192.0.2.7, confidence 1.00");
}

static void a_verdict_without_a_batch(void **state)
{
	static const struct stub_reply replies[] = {
		{.status = 204},
		{.status = 200, .body = VERDICTS, .delay_ms = 100},
		{.status = 204, .delay_ms = 2000},
	};

	(void)state;
	start(replies, ARRAY_SIZE(replies));
	rig_start(&rig);
	run_until(&rig, verdicts_came, 1);
	run_until(&rig, asked, 3);
	struct gateway_counts c = counts(&rig);
	assert_int_equal(c.attempts, 0);
	assert_int_equal(c.verdicts, 1);
	assert_int_equal(c.poll.verdicts, 1);
	assert_int_equal(c.poll.answered, 1);
	assert_string_equal(rig.verdict.origin, "main");
	assert_string_equal(stub_request(verdicts, 0)->path, "/verdicts");
	assert_string_equal(stub_request(verdicts, 0)->content_type, "");
	assert_int_equal(stub_connections(verdicts), 1);
}

/* Neither batches nor the end wait for a gateway that has nothing to say. */
static void an_open_question_holds_nothing_up(void **state)
{
	static const struct stub_reply replies[] = {{.status = 204, .delay_ms = 2000}};

	(void)state;
	start(replies, ARRAY_SIZE(replies));
	rig_start(&rig);
	run_until(&rig, asked, 1);
	push(&rig, 3);
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(counts(&rig).poll.asked, 1);
	push(&rig, 1);
	uint64_t begun = now_ms();
	forwarder_flush(rig.f, 3000);
	assert_true(now_ms() - begun < 1000);
	assert_int_equal(counts(&rig).events_held, 0);
}

static void a_gateway_that_does_not_wait_is_not_asked_all_the_time(void **state)
{
	static const struct stub_reply replies[] = {{.status = 204}};

	(void)state;
	start(replies, ARRAY_SIZE(replies));
	rig_start(&rig);
	run_for(&rig, 1500);
	assert_in_range(stub_count(verdicts), 1, 3);
	assert_string_equal(counts(&rig).poll.last_error, "");
}

static void failures_are_told_and_rested_after(void **state)
{
	static const struct stub_reply replies[] = {{.status = 503},
						    {.status = 503},
						    {.status = 200, .body = VERDICTS},
						    {.status = 204, .delay_ms = 2000}};

	(void)state;
	start(replies, ARRAY_SIZE(replies));
	rig_start(&rig);
	run_until(&rig, asked, 1);
	run_for(&rig, 200);
	assert_non_null(strstr(counts(&rig).poll.last_error, "HTTP 503: the gateway failed"));
	assert_string_equal(counts(&rig).last_error, ""); /* of batches: nothing is wrong there */
	assert_int_equal(stub_count(verdicts), 1);
	run_until(&rig, verdicts_came, 1);
	assert_string_equal(counts(&rig).poll.last_error, "");
	assert_int_equal(stub_count(verdicts), 3);
}

static void who_does_not_sign_is_not_asked_again_at_once(void **state)
{
	static const struct stub_reply replies[] = {{.status = 200, .body = VERDICTS}};

	(void)state;
	start(replies, ARRAY_SIZE(replies));
	rig.gateways[0].unsigned_verdicts = false;
	rig_start(&rig);
	run_until(&rig, refused, 1);
	run_for(&rig, 700);
	assert_int_equal(stub_count(verdicts), 1);
	assert_int_equal(rig.verdicts, 0);
	assert_non_null(strstr(counts(&rig).poll.last_error, "its answer is not signed"));
}

#define STORY(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_verdict_without_a_batch),
		STORY(observer_is_polled_and_decides_nothing),
		STORY(an_open_question_holds_nothing_up),
		STORY(a_gateway_that_does_not_wait_is_not_asked_all_the_time),
		STORY(failures_are_told_and_rested_after),
		STORY(who_does_not_sign_is_not_asked_again_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
