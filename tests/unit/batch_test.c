// SPDX-License-Identifier: Apache-2.0
/* Batches, the outbox that holds them, and how long a failed gateway is left alone. */
#include "lib/util.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/backoff.h"
#include "forwarder/outbox.h"

static const struct outbox_limits roomy = {
	.batch_events = 3,
	.batch_bytes = 1000,
	.events = 100,
	.bytes = 100000,
	.linger_ns = 50,
};

static struct span json_of(const struct batch *b)
{
	return buffer_span(&b->json);
}

/* As it is sent. */
static void assert_json(struct batch *b, const char *text)
{
	batch_seal(b);
	assert_true(span_equal(json_of(b), span_from(text)));
}

/* --- batch --- */

static void test_batch_is_an_array(void **state)
{
	struct batch *b;

	(void)state;
	assert_int_equal(batch_new("run-main-1", 100, 7, &b), 0);
	assert_int_equal(batch_add(b, SPAN("{\"a\":1}")), 0);
	assert_int_equal(batch_add(b, SPAN("2")), 0);
	batch_seal(b);
	assert_json(b, "[{\"a\":1},2]");
	assert_string_equal(b->id, "run-main-1");
	assert_int_equal(b->events, 2);
	assert_int_equal(b->opened_ns, 7);
	assert_int_equal(batch_add(b, SPAN("3")), BATCH_E_FULL);
	batch_seal(b);
	assert_json(b, "[{\"a\":1},2]");
	batch_free(b);
	batch_free(NULL);
}

static void test_batch_fills_to_the_last_byte(void **state)
{
	struct batch *b;

	(void)state;
	assert_int_equal(batch_new("x", 9, 0, &b), 0);
	assert_int_equal(batch_add(b, SPAN("1234")), 0);
	assert_int_equal(batch_add(b, SPAN("567")), BATCH_E_FULL);
	assert_int_equal(batch_add(b, SPAN("56")), 0);
	assert_int_equal(batch_add(b, SPAN("")), BATCH_E_FULL);
	batch_seal(b);
	assert_json(b, "[1234,56]");
	batch_free(b);
}

/* --- outbox --- */

static unsigned remove_first(struct outbox *o)
{
	struct batch *b = outbox_first(o);
	unsigned events = b ? b->events : 0;

	if (b)
		outbox_done(o, b);
	return events;
}

static void test_outbox_cuts_batches_by_count(void **state)
{
	struct outbox o;

	(void)state;
	outbox_init(&o, &roomy, "run-main");
	for (int i = 0; i < 7; i++)
		assert_int_equal(outbox_add(&o, SPAN("1"), 0, 0), 0);
	assert_int_equal(o.events, 7);
	assert_string_equal(outbox_first(&o)->id, "run-main-1");
	assert_json(outbox_first(&o), "[1,1,1]");
	assert_int_equal(remove_first(&o), 3);
	assert_string_equal(outbox_first(&o)->id, "run-main-2");
	assert_int_equal(remove_first(&o), 3);
	assert_json(outbox_first(&o), "[1]");
	assert_int_equal(remove_first(&o), 1);
	assert_null(outbox_first(&o));
	assert_int_equal(remove_first(&o), 0);
	assert_int_equal(o.events, 0);
	assert_int_equal(o.bytes, 0);
	outbox_free(&o, true);
}

static void test_outbox_cuts_batches_by_bytes(void **state)
{
	struct outbox_limits limits = roomy;
	struct outbox o;

	(void)state;
	limits.batch_bytes = 8;
	outbox_init(&o, &limits, "x");
	assert_int_equal(outbox_add(&o, SPAN("1234567"), 0, 0), OUTBOX_E_TOO_LARGE);
	assert_int_equal(outbox_add(&o, SPAN("12345"), 0, 0), 0);
	assert_int_equal(outbox_add(&o, SPAN("12"), 0, 0), 0);
	assert_json(outbox_first(&o), "[12345]");
	remove_first(&o);
	assert_json(outbox_first(&o), "[12]");
	outbox_free(&o, true);
}

static void test_outbox_age(void **state)
{
	struct outbox o;

	(void)state;
	outbox_init(&o, &roomy, "x");
	assert_null(outbox_first(&o));
	outbox_add(&o, SPAN("1"), 1000, 1000);
	outbox_add(&o, SPAN("1"), 1040, 1040);
	assert_int_equal(outbox_ready_ns(&o, outbox_first(&o)), 1050); /* of its first event */
	outbox_add(&o, SPAN("1"), 1045, 1045);
	assert_int_equal(outbox_ready_ns(&o, outbox_first(&o)), 0); /* full */
	outbox_free(&o, true);
}

/* Half of the linger is counted from what an event tells of. */
static void test_outbox_age_of_what_waited(void **state)
{
	struct outbox o;

	(void)state;
	outbox_init(&o, &roomy, "x"); /* linger 50 */
	outbox_add(&o, SPAN("1"), 990, 1000);
	assert_int_equal(outbox_ready_ns(&o, outbox_first(&o)), 1040);
	outbox_add(&o, SPAN("1"), 10, 1005); /* very old */
	assert_int_equal(outbox_ready_ns(&o, outbox_first(&o)), 1030);
	outbox_free(&o, true);
	outbox_init(&o, &roomy, "x");
	outbox_add(&o, SPAN("1"), 2000, 1000); /* of a clock that went back */
	assert_int_equal(outbox_ready_ns(&o, outbox_first(&o)), 1050);
	outbox_free(&o, true);
}

/* What was sent once must not change, however often it is sent again. */
static void test_a_batch_in_flight_takes_no_more(void **state)
{
	struct outbox o;

	(void)state;
	outbox_init(&o, &roomy, "x");
	outbox_add(&o, SPAN("1"), 0, 0);
	struct batch *b = outbox_first(&o);
	batch_seal(b);
	outbox_add(&o, SPAN("2"), 0, 0);
	assert_ptr_equal(outbox_first(&o), b);
	assert_json(b, "[1]");
	remove_first(&o);
	assert_json(outbox_first(&o), "[2]");
	outbox_free(&o, true);
}

static void test_a_batch_fills_the_memory_of_one_that_ended(void **state)
{
	struct outbox o;

	(void)state;
	outbox_init(&o, &roomy, "x");
	for (int i = 0; i < 3; i++)
		assert_int_equal(outbox_add(&o, SPAN("\"the first batch's event\""), 0, 0), 0);
	const char *memory = o.first->json.data;
	size_t size = o.first->json.size;
	assert_int_equal(remove_first(&o), 3);
	assert_int_equal(outbox_add(&o, SPAN("1"), 0, 0), 0);
	assert_ptr_equal(o.first->json.data, memory);
	assert_int_equal(o.first->json.size, size);
	assert_null(o.spare.data);
	assert_json(o.first, "[1]");
	outbox_free(&o, true);
}

/* What does not leave at once may wait long: then it has no more memory than it needs. */
static void test_a_batch_behind_another_gives_memory_back(void **state)
{
	struct outbox o;

	(void)state;
	outbox_init(&o, &roomy, "x");
	for (int i = 0; i < 6; i++)
		assert_int_equal(outbox_add(&o, SPAN("12345"), 0, 0), 0);
	assert_true(o.first->json.size > o.first->json.len);
	assert_int_equal(o.first->next->json.size, o.first->next->json.len);
	assert_true(o.last == o.first->next);
	outbox_free(&o, true);
}

/* The spool's thread reads it. */
static void test_a_sealed_batch_is_left_where_it_is(void **state)
{
	struct outbox o;

	(void)state;
	outbox_init(&o, &roomy, "x");
	for (int i = 0; i < 4; i++)
		assert_int_equal(outbox_add(&o, SPAN("12345"), 0, 0), 0);
	batch_seal(o.last);
	const struct batch *b = o.last;
	const char *memory = b->json.data;
	size_t size = b->json.size;
	assert_true(size > b->json.len);
	assert_int_equal(outbox_add(&o, SPAN("12345"), 0, 0), 0);
	assert_ptr_not_equal(o.last, b);
	assert_ptr_equal(b->json.data, memory);
	assert_int_equal(b->json.size, size);
	outbox_free(&o, true);
}

static void test_outbox_is_bounded_by_events(void **state)
{
	struct outbox_limits limits = roomy;
	struct outbox o;

	(void)state;
	limits.events = 4;
	outbox_init(&o, &limits, "x");
	for (int i = 0; i < 4; i++)
		assert_int_equal(outbox_add(&o, SPAN("1"), 0, 0), 0);
	assert_false(outbox_has_room(&o));
	assert_int_equal(outbox_add(&o, SPAN("1"), 0, 0), OUTBOX_E_FULL);
	remove_first(&o);
	assert_int_equal(outbox_add(&o, SPAN("1"), 0, 0), 0);
	outbox_free(&o, true);
}

static void test_outbox_is_bounded_by_bytes(void **state)
{
	struct outbox_limits limits = roomy;
	struct outbox o;

	(void)state;
	limits.bytes = 10;
	outbox_init(&o, &limits, "x");
	assert_int_equal(outbox_add(&o, SPAN("123456"), 0, 0), 0);
	assert_int_equal(outbox_add(&o, SPAN("12345"), 0, 0), OUTBOX_E_FULL);
	assert_int_equal(outbox_add(&o, SPAN("1234"), 0, 0), 0);
	assert_int_equal(o.bytes, 10);
	outbox_first(&o);
	remove_first(&o);
	assert_int_equal(o.bytes, 0);
	outbox_free(&o, true);
}

/* --- backoff --- */

static void test_backoff_doubles_its_ceiling(void **state)
{
	struct backoff b = {0};
	uint64_t ceiling = BACKOFF_FIRST_MS;

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct backoff low = b;
		assert_int_equal(backoff_fail(&low, 0, ceiling), 1); /* jitter reaches down to nothing */
		assert_int_equal(backoff_fail(&b, 0, ceiling - 1), ceiling);
		ceiling = MIN(ceiling * 2, BACKOFF_MAX_MS);
	}
	assert_int_equal(ceiling, BACKOFF_MAX_MS);
	backoff_reset(&b);
	assert_int_equal(backoff_fail(&b, 0, BACKOFF_FIRST_MS - 1), BACKOFF_FIRST_MS);
}

static void test_what_the_gateway_asks_for_is_the_least(void **state)
{
	(void)state;
	for (uint64_t random = 0; random < 5000; random += 7) {
		struct backoff b = {0};
		assert_in_range(backoff_fail(&b, 2000, random), 2000, 2200);
	}
	struct backoff b = {0};
	assert_in_range(backoff_fail(&b, UINT64_MAX, 0), RETRY_AFTER_MAX_MS, RETRY_AFTER_MAX_MS);
}

static void test_retry_after(void **state)
{
	/* 2026-11-24T22:00:10Z */
	const uint64_t now = 1795557610ull * NS_PER_S;
	static const struct {
		const char *name, *value;
		uint64_t ms;
	} fields[] = {
		{"Retry-After", "3", 3000},
		{"retry-after", " 120 ", 120000},
		{"Retry-After", "0", 0},
		{"Retry-After", "Tue, 24 Nov 2026 22:00:15 GMT", 5000},
		{"Retry-After", "Tuesday, 24-Nov-26 22:00:15 GMT", 5000},
		{"Retry-After", "Tue, 24 Nov 2026 22:00:05 GMT", 0},
		{"Retry-After", "-1", 0},
		{"Retry-After", "1.5", 0},
		{"Retry-After", "soon", 0},
		{"Retry-After", "", 0},
		{"Retry-After", "99999999999999999999999999", RETRY_AFTER_MAX_MS},
		{"Retry-After", "Tue, 24 Nov 2099 22:00:15 GMT", RETRY_AFTER_MAX_MS},
		{"retry-after-ms", "250", 250},
		{"X-MS-Retry-After-Ms", "1250", 1250},
		{"retry-after-ms", "x", 0},
		{"Date", "3", 0},
		{"Retry-After-Max", "3", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		uint64_t ms = retry_after_parse(span_from(fields[i].name), span_from(fields[i].value), now);
		if (ms != fields[i].ms)
			fail_msg("%s: %s gives %u ms, not %u", fields[i].name, fields[i].value, (unsigned)ms,
				 (unsigned)fields[i].ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch_is_an_array),
		cmocka_unit_test(test_batch_fills_to_the_last_byte),
		cmocka_unit_test(test_outbox_cuts_batches_by_count),
		cmocka_unit_test(test_outbox_cuts_batches_by_bytes),
		cmocka_unit_test(test_outbox_age),
		cmocka_unit_test(test_outbox_age_of_what_waited),
		cmocka_unit_test(test_a_batch_in_flight_takes_no_more),
		cmocka_unit_test(test_a_batch_fills_the_memory_of_one_that_ended),
		cmocka_unit_test(test_a_batch_behind_another_gives_memory_back),
		cmocka_unit_test(test_a_sealed_batch_is_left_where_it_is),
		cmocka_unit_test(test_outbox_is_bounded_by_events),
		cmocka_unit_test(test_outbox_is_bounded_by_bytes),
		cmocka_unit_test(test_backoff_doubles_its_ceiling),
		cmocka_unit_test(test_what_the_gateway_asks_for_is_the_least),
		cmocka_unit_test(test_retry_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
