// SPDX-License-Identifier: Apache-2.0
#include "policies/offenders.h"
#include "tests/unit/policies_config.h"

#define NOW SECONDS(100000)
#define DAY SECONDS(86400)

static struct offenders *fresh(size_t max)
{
	struct offenders *o = NULL;

	assert_int_equal(offenders_new(max, DAY, &o), 0);
	return o;
}

static unsigned before(const struct offenders *o, const char *target, uint64_t now_ns)
{
	struct prefix p = test_prefix(target);

	return offenders_before(o, &p, now_ns);
}

static void note(struct offenders *o, const char *target, uint64_t now_ns, uint64_t end_ns)
{
	struct prefix p = test_prefix(target);

	offenders_note(o, &p, now_ns, end_ns);
}

static void each_block_that_ended_counts_for_a_day(void **state)
{
	struct offenders *o = fresh(10);

	(void)state;
	assert_int_equal(before(o, "198.51.100.7", NOW), 0);
	note(o, "198.51.100.7", NOW, NOW + SECONDS(60));
	/* In force it is the first; an extension makes it no second. */
	assert_int_equal(before(o, "198.51.100.7", NOW + SECONDS(59)), 0);
	note(o, "198.51.100.7", NOW + SECONDS(59), NOW + SECONDS(120));
	assert_int_equal(before(o, "198.51.100.7", NOW + SECONDS(119)), 0);
	assert_int_equal(before(o, "198.51.100.7", NOW + SECONDS(120)), 1);
	note(o, "198.51.100.7", NOW + SECONDS(200), NOW + SECONDS(300));
	assert_int_equal(before(o, "198.51.100.7", NOW + SECONDS(250)), 1);
	assert_int_equal(before(o, "198.51.100.7", NOW + SECONDS(300)), 2);
	assert_int_equal(before(o, "198.51.100.8", NOW + SECONDS(300)), 0);
	assert_int_equal(before(o, "198.51.100.7", NOW + SECONDS(300) + DAY - 1), 2);
	assert_int_equal(before(o, "198.51.100.7", NOW + SECONDS(300) + DAY), 0);
	/* Forgotten, it starts afresh. */
	note(o, "198.51.100.7", NOW + SECONDS(300) + DAY, NOW + SECONDS(301) + DAY);
	assert_int_equal(before(o, "198.51.100.7", NOW + SECONDS(301) + DAY), 1);
	offenders_free(o);
}

static void an_ipv6_client_is_its_64_and_a_range_is_itself(void **state)
{
	struct offenders *o = fresh(10);

	(void)state;
	note(o, "2001:db8::1", NOW, NOW + 1);
	assert_int_equal(before(o, "2001:db8::2", NOW + 2), 1);
	assert_int_equal(before(o, "2001:db8:0:1::1", NOW + 2), 0);
	note(o, "198.51.100.0/24", NOW, NOW + 1);
	assert_int_equal(before(o, "198.51.100.7", NOW + 2), 0);
	assert_int_equal(before(o, "198.51.100.0/24", NOW + 2), 1);
	offenders_free(o);
}

static void who_is_forgiven_was_never_blocked(void **state)
{
	struct offenders *o = fresh(10);
	struct prefix p = test_prefix("198.51.100.7");

	(void)state;
	note(o, "198.51.100.7", NOW, NOW + 1);
	offenders_forget(o, &p);
	offenders_forget(o, &p);
	assert_int_equal(before(o, "198.51.100.7", NOW + 2), 0);
	offenders_free(o);
}

static void a_full_table_forgets_the_one_noted_longest_ago(void **state)
{
	struct offenders *o = fresh(2);

	(void)state;
	note(o, "198.51.100.1", NOW, NOW + 1);
	note(o, "198.51.100.2", NOW + 2, NOW + 3);
	note(o, "198.51.100.1", NOW + 4, NOW + 5);
	note(o, "198.51.100.3", NOW + 6, NOW + 7);
	assert_int_equal(before(o, "198.51.100.1", NOW + 8), 2);
	assert_int_equal(before(o, "198.51.100.2", NOW + 8), 0);
	assert_int_equal(before(o, "198.51.100.3", NOW + 8), 1);
	assert_int_equal(offenders_forgotten(o), 1);
	offenders_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_block_that_ended_counts_for_a_day),
		cmocka_unit_test(an_ipv6_client_is_its_64_and_a_range_is_itself),
		cmocka_unit_test(who_is_forgiven_was_never_blocked),
		cmocka_unit_test(a_full_table_forgets_the_one_noted_longest_ago),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
