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

uint64_t clock_boot_ahead_ns(void)
{
	uint64_t monotonic_ns = read_clock(CLOCK_MONOTONIC);

	return boot_clock() - (monotonic_ns - added.monotonic_ns);
}

uint64_t clock_wall_of_boot(const struct clock *c, uint64_t boot_ns)
{
	return clock_wall_ns(c) - clock_boot_ns(c) + boot_ns;
}

const char *clock_format(uint64_t wall_ns, char buf[static CLOCK_TEXT_MAX])
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;

	gmtime_r(&s, &tm);
	size_t n = strftime(buf, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, CLOCK_TEXT_MAX - n, ".%09" PRIu64 "Z", (uint64_t)(wall_ns % NS_PER_S));
	return buf;
}
