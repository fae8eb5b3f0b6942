// SPDX-License-Identifier: Apache-2.0
#include "policies/baseline.h"
#include "tests/unit/policies_config.h"

#define HOUR  SECONDS(3600)
#define DAY   (24 * HOUR)
#define START (1000 * DAY)
#define RULE  "object-enumeration"

static const struct span route = SPAN("/orders/{id}");
static struct baseline *b;
static uint64_t now_ns;

static int setup(void **state)
{
	const struct baseline_limits limits = {.after_ns = DAY, .groups = 5};
	const uint64_t key[2] = {1, 2};

	(void)state;
	now_ns = START;
	if (baseline_new(16, &limits, &b))
		return -1;
	baseline_set_key(b, key);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	baseline_free(b);
	b = NULL;
	return 0;
}

/* Within one window it reaches so much. */
static void reach(unsigned group, uint64_t value)
{
	const struct addr who = {.family = ADDR_IPV4,
				 .bytes = {10, 0, (uint8_t)(group >> 8), (uint8_t)group}};

	for (uint64_t v = 1; v <= value; v *= 2)
		baseline_note(b, RULE, route, &who, v, now_ns);
}

static bool exceeds(uint64_t value)
{
	return baseline_exceeded(b, RULE, route, NULL, value, 4, now_ns, NULL);
}

static uint64_t normal(void)
{
	uint64_t ret = 77;

	baseline_exceeded(b, RULE, route, NULL, 1, 4, now_ns, &ret);
	return ret;
}

static struct addr group_of(unsigned group)
{
	return (struct addr){.family = ADDR_IPV4, .bytes = {10, 0, (uint8_t)(group >> 8), (uint8_t)group}};
}

static uint64_t normal_for(unsigned group)
{
	const struct addr who = group_of(group);
	uint64_t ret = 77;

	baseline_exceeded(b, RULE, route, &who, 1, 4, now_ns, &ret);
	return ret;
}

static void learn(unsigned groups, uint64_t value)
{
	for (unsigned g = 0; g < groups; g++)
		reach(g, value);
}

static void a_level_is_a_power_of_two(void **state)
{
	(void)state;
	assert_int_equal(baseline_level(0), 0);
	assert_int_equal(baseline_level(1), 0);
	assert_int_equal(baseline_level(2), 1);
	assert_int_equal(baseline_level(3), 1);
	assert_int_equal(baseline_level(4), 2);
	assert_int_equal(baseline_level(1000), 9);
	assert_int_equal(baseline_level(UINT64_MAX), BASELINE_LEVELS - 1);
}

static void nothing_counts_before_there_were_clients_and_hours_enough(void **state)
{
	(void)state;
	assert_false(exceeds(1000000));
	learn(20, 5);
	assert_false(exceeds(1000000)); /* clients, but no time */
	now_ns += DAY;
	assert_true(exceeds(1000000));
	assert_int_equal(normal(), 7); /* 4 to 7 are one level */
	assert_false(exceeds(28));
	assert_true(exceeds(29));
	baseline_reset(b, SPAN_NULL);
	learn(2, 5);
	now_ns += 3 * DAY;
	assert_false(exceeds(1000000)); /* time, but no clients */
	assert_int_equal(normal(), 0);
}

static void one_or_two_who_do_more_are_not_the_normal(void **state)
{
	(void)state;
	learn(100, 3);
	reach(200, 5000);
	reach(201, 5000);
	now_ns += DAY;
	assert_int_equal(normal(), 3);
	/* Three are, of a hundred; of a thousand it takes five. */
	baseline_reset(b, route);
	learn(100, 3);
	for (unsigned i = 0; i < 3; i++)
		reach(200 + i, 5000);
	now_ns += DAY;
	assert_int_equal(normal(), 8191);
	baseline_reset(b, route);
	learn(2000, 3);
	for (unsigned i = 0; i < 4; i++)
		reach(3000 + i, 5000);
	now_ns += DAY;
	assert_int_equal(normal(), 3);
}

static void what_one_consumer_does_each_night_is_normal_for_it_alone(void **state)
{
	(void)state;
	for (unsigned night = 0; night < 40; night++) {
		learn(50, 3);
		reach(200, 1000);
		assert_int_equal(normal_for(200), night < 1 ? 0 : night < BASELINE_HOURS - 1 ? 3 : 1023);
		now_ns += DAY;
	}
	assert_int_equal(normal(), 3);
	assert_int_equal(normal_for(7), 3);
	/* Once it counts, its own rises a step a day as well. */
	for (unsigned hour = 0; hour < 48; hour++) {
		reach(200, 1000000);
		now_ns += HOUR;
	}
	assert_in_range(normal_for(200), 2047, 8191);
	/* It stays away: somebody else may have its place. */
	now_ns += BASELINE_HALF_NS;
	learn(50, 3);
	now_ns += BASELINE_HALF_NS;
	learn(50, 3);
	assert_int_equal(normal_for(200), 3);
}

static void so_many_have_their_own_and_no_more(void **state)
{
	struct baseline_info info;
	uint32_t cursor = 0;

	(void)state;
	for (unsigned night = 0; night < 14; night++) {
		learn(3000, 1);
		for (unsigned g = 0; g < 12; g++) /* less than one in 200 */
			reach(4000 + g, 1000);
		now_ns += DAY;
	}
	assert_int_equal(baseline_list(b, &cursor, now_ns, &info, 1), 1);
	assert_int_equal(info.own, BASELINE_OWN);
}

static void whoever_wants_to_raise_it_needs_a_day_for_each_factor_of_two(void **state)
{
	(void)state;
	learn(20, 7);
	now_ns += DAY;
	assert_int_equal(normal(), 7);
	for (unsigned hour = 0; hour < 24 * 3; hour++) { /* all he has, each hour, below what is detected */
		learn(20, 4 * normal());
		now_ns += HOUR;
	}
	assert_in_range(normal(), 31, 127);
}

static void what_nobody_does_any_more_is_forgotten(void **state)
{
	(void)state;
	learn(20, 1000);
	now_ns += DAY;
	learn(20, 3);
	assert_int_equal(normal(), 1023);
	now_ns += BASELINE_HALF_NS;
	learn(20, 3);
	assert_int_equal(normal(), 1023); /* the half before still knows it */
	now_ns += BASELINE_HALF_NS;
	learn(20, 3);
	assert_int_equal(normal(), 3);
	now_ns += 3 * BASELINE_HALF_NS;
	reach(1, 1);
	assert_int_equal(normal(), 0); /* one group is too few to say */
}

static void frozen_it_learns_nothing_and_goes_on_counting(void **state)
{
	(void)state;
	learn(20, 3);
	now_ns += DAY;
	baseline_freeze(b, true);
	assert_true(baseline_is_frozen(b));
	for (unsigned i = 0; i < 30; i++) {
		now_ns += DAY;
		learn(20, 1000);
	}
	assert_int_equal(normal(), 3);
	assert_true(exceeds(13));
	baseline_freeze(b, false);
	learn(20, 1000);
	now_ns += DAY;
	learn(20, 1000);
	assert_true(normal() > 3);
}

static void it_is_listed_reset_and_bounded(void **state)
{
	struct baseline_info page[5];
	struct addr who = {.family = ADDR_IPV4};
	uint32_t cursor = 0;
	char text[400];
	size_t n, all = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "/r%u/{id}", i);
		baseline_note(b, RULE, span_from(text), &who, 1, now_ns);
	}
	baseline_note(b, "other", SPAN("/r19/{id}"), &who, 1, now_ns);
	while ((n = baseline_list(b, &cursor, now_ns, page, ARRAY_SIZE(page))))
		all += n;
	assert_int_equal(all, 16);
	assert_int_equal(baseline_counts(b).held, 16);
	assert_int_equal(baseline_counts(b).forgotten, 5);
	memset(text, 'x', sizeof text);
	baseline_note(b, RULE, (struct span){text, sizeof text}, &who, 1, now_ns); /* too long for it */
	assert_int_equal(baseline_counts(b).held, 16);
	assert_int_equal(baseline_reset(b, SPAN("/r19/{id}")), 2);
	assert_int_equal(baseline_reset(b, SPAN("/r0/{id}")), 0);
	assert_int_equal(baseline_reset(b, SPAN_NULL), 14);
	cursor = 0;
	assert_int_equal(baseline_list(b, &cursor, now_ns, page, ARRAY_SIZE(page)), 0);
}

static void it_outlives_a_restart(void **state)
{
	const struct baseline_limits limits = {.after_ns = DAY, .groups = 5};
	const uint64_t key[2] = {1, 2};
	struct baseline_record records[4];
	uint32_t slots[4];
	bool gone[4];

	(void)state;
	learn(20, 3);
	now_ns += DAY;
	assert_int_equal(baseline_changes(b, records, slots, gone, 4), 1);
	assert_int_equal(baseline_changes(b, records, slots, gone, 4), 0);
	baseline_free(b);
	assert_int_equal(baseline_new(16, &limits, &b), 0);
	baseline_set_key(b, key);
	assert_true(baseline_restore(b, &records[0]));
	assert_false(baseline_restore(b, &records[0]));
	assert_int_equal(normal(), 3);
	assert_true(exceeds(13));
	learn(20, 3); /* the same ones: nobody counts twice */
	struct baseline_info info;
	uint32_t cursor = 0;
	assert_int_equal(baseline_list(b, &cursor, now_ns, &info, 1), 1);
	assert_in_range(info.groups, 18, 22);
	assert_true(info.counts);
	records[0].level = BASELINE_LEVELS + 1;
	snprintf(records[0].route, sizeof records[0].route, "/other");
	assert_false(baseline_restore(b, &records[0]));
	baseline_reset(b, SPAN_NULL);
	assert_int_equal(baseline_changes(b, records, slots, gone, 4), 1);
	assert_true(gone[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_level_is_a_power_of_two),
		TEST(nothing_counts_before_there_were_clients_and_hours_enough),
		TEST(one_or_two_who_do_more_are_not_the_normal),
		TEST(what_one_consumer_does_each_night_is_normal_for_it_alone),
		TEST(so_many_have_their_own_and_no_more),
		TEST(whoever_wants_to_raise_it_needs_a_day_for_each_factor_of_two),
		TEST(what_nobody_does_any_more_is_forgotten),
		TEST(frozen_it_learns_nothing_and_goes_on_counting),
		TEST(it_is_listed_reset_and_bounded),
		TEST(it_outlives_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
