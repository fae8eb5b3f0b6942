// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>
#include "lib/clock.h"
#include "lib/util.h"

static uint64_t fixed_boot(void *arg)
{
	return ((const uint64_t *)arg)[0];
}

static uint64_t fixed_wall(void *arg)
{
	return ((const uint64_t *)arg)[1];
}

static void boot_stamp_becomes_wall_time(void **state)
{
	uint64_t now[2] = {100 * NS_PER_S, 1700000000 * NS_PER_S};
	struct clock c = {fixed_boot, fixed_wall, now};

	(void)state;
	assert_int_equal(clock_wall_of_boot(&c, 100 * NS_PER_S), 1700000000 * NS_PER_S);
	assert_int_equal(clock_wall_of_boot(&c, 40 * NS_PER_S), 1699999940 * NS_PER_S);
	assert_int_equal(clock_wall_of_boot(&c, 101 * NS_PER_S), 1700000001 * NS_PER_S);
}

static void time_is_printed_in_utc_to_the_nanosecond(void **state)
{
	char buf[CLOCK_TEXT_MAX];

	(void)state;
	setenv("TZ", "America/New_York", 1);
	tzset();
	assert_string_equal(clock_format(0, buf), "1970-01-01T00:00:00.000000000Z");
	assert_string_equal(clock_format(1795557610 * NS_PER_S + 123456789, buf),
			    "2026-11-24T22:00:10.123456789Z");
	assert_string_equal(clock_format(UINT64_MAX, buf), "2554-07-21T23:34:33.709551615Z");
}

static void system_clock_goes_on(void **state)
{
	uint64_t first = clock_boot_ns(&clock_system), wall = clock_wall_ns(&clock_system);

	(void)state;
	assert_true(first > 0);
	assert_true(clock_boot_ns(&clock_system) >= first);
	assert_true(wall > 1600000000 * NS_PER_S);
}

/* Each day that 64 bits of nanoseconds reach, as the C library has it. */
static void test_every_day(void **state)
{
	char buf[CLOCK_TEXT_MAX], expected[CLOCK_TEXT_MAX];

	(void)state;
	for (uint64_t s = 3661; s < UINT64_MAX / NS_PER_S; s += 86400) {
		time_t t = (time_t)s;
		struct tm tm;
		gmtime_r(&t, &tm);
		strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000000007Z", &tm);
		assert_string_equal(clock_format(s * NS_PER_S + 7, buf), expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_day),
		cmocka_unit_test(boot_stamp_becomes_wall_time),
		cmocka_unit_test(time_is_printed_in_utc_to_the_nanosecond),
		cmocka_unit_test(system_clock_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
