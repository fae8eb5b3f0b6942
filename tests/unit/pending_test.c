// SPDX-License-Identifier: Apache-2.0
#include "sensor/pending.h"
#include "tests/unit/policies_config.h"

#define NOW SECONDS(1000)

static struct pending_queue queue;
static struct pending gone;

static int setup(void **state)
{
	(void)state;
	memset(&queue, 0, sizeof queue);
	return 0;
}

static uint64_t put(const char *target, uint64_t ttl_ms, uint64_t now_ns, bool *ret_fresh)
{
	struct verdict v = test_verdict(VERDICT_GATEWAY, target, ttl_ms);

	return pending_put(&queue, &v, "approve", "mode approve", now_ns, ret_fresh, &gone);
}

static void a_target_is_one_question_until_something_else_is_asked(void **state)
{
	bool fresh;

	(void)state;
	uint64_t id = put("198.51.100.7", TTL(15), NOW, &fresh);
	assert_true(fresh);
	assert_int_equal(put("198.51.100.7", TTL(15), NOW + SECONDS(60), &fresh), id);
	assert_false(fresh);
	assert_int_equal(queue.count, 1);
	assert_int_equal(queue.items[0].since_ns, NOW);
	assert_int_equal(queue.items[0].expires_ns, NOW + SECONDS(60) + PENDING_TTL_NS);
	uint64_t other = put("198.51.100.7", TTL(30), NOW, &fresh);
	assert_true(fresh);
	assert_int_not_equal(other, id);
	assert_int_equal(queue.count, 1);
	assert_int_equal(gone.id, 0);
	struct pending item;
	assert_false(pending_take(&queue, id, &item)); /* nobody approves what was not shown */
	assert_true(pending_take(&queue, other, &item));
	assert_int_equal(item.verdict.ttl_ms, TTL(30));
	assert_string_equal(item.why, "approve");
	assert_int_equal(queue.count, 0);
}

static void full_it_gives_up_the_oldest(void **state)
{
	char text[32];
	bool fresh;

	(void)state;
	for (unsigned i = 0; i < PENDING_MAX + 3; i++) {
		snprintf(text, sizeof text, "10.0.%u.%u", i >> 8, i & 0xff);
		put(text, TTL(15), NOW + i, &fresh);
		assert_int_equal(gone.id, i < PENDING_MAX ? 0 : i - PENDING_MAX + 1);
	}
	assert_int_equal(queue.count, PENDING_MAX);
	assert_int_equal(queue.items[0].id, 4);
}

static void what_was_done_meanwhile_is_no_question(void **state)
{
	struct verdict done = test_verdict(VERDICT_LOCAL, "198.51.100.7", TTL(15));
	struct pending item;
	bool fresh;

	(void)state;
	uint64_t id = put("198.51.100.7", TTL(15), NOW, &fresh);
	put("198.51.100.8", TTL(15), NOW, &fresh);
	done.ttl_ms = TTL(14); /* the question is about more */
	assert_false(pending_settle(&queue, &done, &item));
	done.ttl_ms = TTL(15);
	done.action = VERDICT_RATE_LIMIT;
	assert_false(pending_settle(&queue, &done, &item));
	done.action = VERDICT_BLOCK;
	assert_true(pending_settle(&queue, &done, &item));
	assert_int_equal(item.id, id);
	assert_false(pending_settle(&queue, &done, &item));
	assert_int_equal(queue.count, 1);
	/* Whether to take something back is another question. */
	struct verdict back = test_verdict(VERDICT_GATEWAY, "198.51.100.7", TTL(15));
	back.action = VERDICT_UNBLOCK;
	pending_put(&queue, &back, "approve", "", NOW, &fresh, &gone);
	assert_false(pending_settle(&queue, &done, &item));
}

static void a_question_that_nobody_answers_expires(void **state)
{
	struct pending item;
	bool fresh;

	(void)state;
	put("198.51.100.7", TTL(15), NOW, &fresh);
	put("198.51.100.8", TTL(15), NOW + SECONDS(10), &fresh);
	assert_false(pending_expire(&queue, NOW + PENDING_TTL_NS - 1, &item));
	assert_true(pending_expire(&queue, NOW + PENDING_TTL_NS, &item));
	assert_int_equal(item.verdict.target.addr.bytes[3], 7);
	assert_false(pending_expire(&queue, NOW + PENDING_TTL_NS, &item));
	assert_int_equal(queue.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_target_is_one_question_until_something_else_is_asked, setup),
		cmocka_unit_test_setup(full_it_gives_up_the_oldest, setup),
		cmocka_unit_test_setup(what_was_done_meanwhile_is_no_question, setup),
		cmocka_unit_test_setup(a_question_that_nobody_answers_expires, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
