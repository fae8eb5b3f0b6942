// SPDX-License-Identifier: Apache-2.0
#include "lib/clock.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "lib/util.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* What a time namespace adds to the clocks of this process. */
static struct {
	pthread_once_t once;
	uint64_t monotonic_ns, boot_ns;
} added = {.once = PTHREAD_ONCE_INIT};

static void added_read(void)
{
	FILE *f = fopen("/proc/self/timens_offsets", "re"); /* none before Linux 5.6 */
	char name[16];
	long long s, ns;

	if (!f)
		return;
	while (fscanf(f, "%15s %lld %lld", name, &s, &ns) == 3)
		*(strcmp(name, "boottime") ? &added.monotonic_ns : &added.boot_ns) =
			(uint64_t)(s * (long long)NS_PER_S + ns);
	fclose(f);
}

static uint64_t boot_clock(void)
{
	pthread_once(&added.once, added_read);
	return read_clock(CLOCK_BOOTTIME) - added.boot_ns;
}

static uint64_t system_boot(void *arg)
{
	(void)arg;
	return boot_clock();
}

static uint64_t system_wall(void *arg)
{
	(void)arg;
	return read_clock(CLOCK_REALTIME);
}

const struct clock clock_system = {system_boot, system_wall, NULL};

#define TRIES 8

/* Whoever looks at two clocks may be kept waiting in between. Of a few tries the one counts in which the
 * first clock, looked at once more, had gone on least. */
uint64_t clock_boot_ahead_ns(void)
{
	uint64_t least_ns = UINT64_MAX, ahead_ns = 0;

	pthread_once(&added.once, added_read);
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t before_ns = read_clock(CLOCK_MONOTONIC), boot_ns = read_clock(CLOCK_BOOTTIME);
		uint64_t between_ns = read_clock(CLOCK_MONOTONIC) - before_ns;

		if (between_ns >= least_ns)
			continue;
		least_ns = between_ns;
		ahead_ns = boot_ns - before_ns - between_ns / 2;
	}
	return ahead_ns + added.monotonic_ns - added.boot_ns;
}

uint64_t clock_wall_of_boot(const struct clock *c, uint64_t boot_ns)
{
	return clock_wall_ns(c) - clock_boot_ns(c) + boot_ns;
}

/* The digits of v, of which there are n, at `at`. */
static char *put_digits(char *at, uint64_t v, unsigned n)
{
	for (unsigned i = n; i > 0; i--) {
		at[i - 1] = (char)('0' + v % 10);
		v /= 10;
	}
	return at + n;
}

/*
 * By hand: strftime and snprintf took a third of the time that an event takes. A year of the calendar here
 * begins in March, so that the day that comes and goes is its last; 719468 days lie between March of year 0
 * and 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
 */
const char *clock_format(uint64_t wall_ns, char buf[static CLOCK_TEXT_MAX])
{
	uint64_t s = wall_ns / NS_PER_S, days = s / 86400 + 719468, of_day = s % 86400;
	uint64_t era = days / 146097, of_era = days % 146097;
	uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t from_march = (5 * of_year + 2) / 153, day = of_year - (153 * from_march + 2) / 5 + 1;
	uint64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
	char *at = put_digits(buf, year_of_era + era * 400 + (month <= 2), 4);

	*at++ = '-';
	at = put_digits(at, month, 2);
	*at++ = '-';
	at = put_digits(at, day, 2);
	*at++ = 'T';
	at = put_digits(at, of_day / 3600, 2);
	*at++ = ':';
	at = put_digits(at, of_day / 60 % 60, 2);
	*at++ = ':';
	at = put_digits(at, of_day % 60, 2);
	*at++ = '.';
	at = put_digits(at, wall_ns % NS_PER_S, 9);
	*at++ = 'Z';
	*at = 0;
	return buf;
}
