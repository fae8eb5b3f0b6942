// SPDX-License-Identifier: Apache-2.0
#include "policies/quota.h"
#include "tests/unit/policies_config.h"

#define NOW  SECONDS(10000)
#define MOST 100000

static struct quota fresh(uint32_t minute, uint32_t hour, uint32_t total, uint64_t cool_down_ns)
{
	const struct quota_limits limits = {minute, hour, total, cool_down_ns};
	struct quota q;

	assert_int_equal(quota_init(&q, &limits), 0);
	return q;
}

static struct prefix host(unsigned n)
{
	struct prefix p = test_prefix("198.51.0.0");

	p.addr.bytes[2] = (uint8_t)(n >> 8);
	p.addr.bytes[3] = (uint8_t)n;
	return p;
}

static enum quota_answer take(struct quota *q, unsigned n, size_t in_force, uint64_t now_ns)
{
	struct prefix p = host(n);
	enum quota_answer a = quota_ask(q, &p, in_force, now_ns);

	if (a == QUOTA_OK)
		quota_spend(q, &p, now_ns);
	return a;
}

static void a_minute_and_an_hour_have_their_limits(void **state)
{
	struct quota q = fresh(5, 12, MOST, 0);
	unsigned n = 0;

	(void)state;
	for (unsigned minute = 0; minute < 2; minute++) {
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(take(&q, n++, 0, NOW + SECONDS(minute * 60)), QUOTA_OK);
		assert_int_equal(take(&q, n, 0, NOW + SECONDS(minute * 60 + 59)), QUOTA_MINUTE);
	}
	assert_int_equal(take(&q, n++, 0, NOW + SECONDS(120)), QUOTA_OK);
	assert_int_equal(take(&q, n++, 0, NOW + SECONDS(120)), QUOTA_OK);
	assert_int_equal(take(&q, n, 0, NOW + SECONDS(121)), QUOTA_HOUR);
	assert_int_equal(take(&q, n, 0, NOW + SECONDS(3599)), QUOTA_HOUR);
	assert_int_equal(take(&q, n, 0, NOW + SECONDS(3600)), QUOTA_OK);
	quota_deinit(&q);
}

static void who_trips_gets_nothing_new_until_it_has_cooled_down(void **state)
{
	struct quota q = fresh(2, 100, MOST, SECONDS(300));

	(void)state;
	assert_int_equal(take(&q, 1, 0, NOW), QUOTA_OK);
	assert_int_equal(take(&q, 2, 0, NOW), QUOTA_OK);
	assert_int_equal(q.trips, 0);
	assert_int_equal(take(&q, 3, 0, NOW + SECONDS(1)), QUOTA_MINUTE);
	assert_int_equal(q.trips, 1);
	assert_int_equal(take(&q, 2, 0, NOW + SECONDS(2)), QUOTA_OK); /* which it got just now */
	/* The minute is over, the cooling is not; asking does not prolong it. */
	for (unsigned s = 62; s < 301; s++)
		assert_int_equal(take(&q, 3, 0, NOW + SECONDS(s)), QUOTA_MINUTE);
	assert_int_equal(q.trips, 1);
	assert_int_equal(take(&q, 3, 0, NOW + SECONDS(301)), QUOTA_OK);
	quota_deinit(&q);
}

static void what_is_in_force_has_a_limit(void **state)
{
	struct quota q = fresh(10, 100, 3, SECONDS(60));

	(void)state;
	assert_int_equal(take(&q, 1, 2, NOW), QUOTA_OK);
	assert_int_equal(take(&q, 2, 3, NOW), QUOTA_TOTAL);
	assert_int_equal(take(&q, 2, 0, NOW + SECONDS(30)), QUOTA_TOTAL);
	assert_int_equal(take(&q, 2, 0, NOW + SECONDS(60)), QUOTA_OK);
	quota_deinit(&q);
}

static void a_limit_of_none_lets_none_through(void **state)
{
	const struct quota_limits none[] = {{0, 10, 10, 0}, {10, 0, 10, 0}, {10, 10, 0, 0}, {0, 0, 0, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		struct quota q = fresh(none[i].minute, none[i].hour, none[i].total, 0);
		assert_int_not_equal(take(&q, 1, 0, NOW), QUOTA_OK);
		quota_deinit(&q);
	}
}

/* Against a list of everything that was granted. */
static void no_window_sees_more_than_its_limit(void **state)
{
	static uint64_t when[20000];
	struct quota q = fresh(10, 100, MOST, 0);
	uint64_t now_ns = NOW;
	unsigned seed = 7, count = 0;

	(void)state;
	for (unsigned i = 0; count < ARRAY_SIZE(when) && i < 60000; i++) {
		now_ns += (uint64_t)(rand_r(&seed) % 9000) * NS_PER_MS;
		if (take(&q, i, 0, now_ns) == QUOTA_OK)
			when[count++] = now_ns;
	}
	assert_true(count > 5000);
	for (unsigned i = 10; i < count; i++)
		assert_true(when[i] - when[i - 10] >= SECONDS(60));
	for (unsigned i = 100; i < count; i++)
		assert_true(when[i] - when[i - 100] >= SECONDS(3600));
	quota_deinit(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_minute_and_an_hour_have_their_limits),
		cmocka_unit_test(who_trips_gets_nothing_new_until_it_has_cooled_down),
		cmocka_unit_test(what_is_in_force_has_a_limit),
		cmocka_unit_test(a_limit_of_none_lets_none_through),
		cmocka_unit_test(no_window_sees_more_than_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
