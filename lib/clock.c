// SPDX-License-Identifier: Apache-2.0
#include "lib/clock.h"
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include "lib/util.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t system_boot(void *arg)
{
	(void)arg;
	return read_clock(CLOCK_BOOTTIME);
}

static uint64_t system_wall(void *arg)
{
	(void)arg;
	return read_clock(CLOCK_REALTIME);
}

const struct clock clock_system = {system_boot, system_wall, NULL};

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
