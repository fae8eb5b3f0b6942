// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
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

/* Clocks that go on by step_ns each time somebody looks, and by delay_ns at the look of that number: as if
 * the process had had to wait there. */
static struct {
	bool on;
	unsigned looks, delayed;
	uint64_t now_ns, step_ns, delay_ns, slept_ns;
} fake;

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	if (!fake.on)
		return __real_clock_gettime(id, t);
	fake.now_ns += fake.step_ns + (fake.looks++ == fake.delayed ? fake.delay_ns : 0);
	uint64_t ns = fake.now_ns + (id == CLOCK_BOOTTIME ? fake.slept_ns : 0);
	*t = (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
	return 0;
}

static void a_wait_between_two_clocks_is_no_sleep(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 30; at++) {
		fake = (typeof(fake)){.on = true,
				      .delayed = at,
				      .now_ns = 1000 * NS_PER_S,
				      .step_ns = 50,
				      .delay_ns = 7 * NS_PER_MS,
				      .slept_ns = 3600 * NS_PER_S};
		uint64_t ahead_ns = clock_boot_ahead_ns();
		fake.on = false;
		assert_in_range(ahead_ns, fake.slept_ns - 100, fake.slept_ns + 100);
	}
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
		cmocka_unit_test(a_wait_between_two_clocks_is_no_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
