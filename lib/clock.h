/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h: time as a parameter. Everything that decides by time takes a clock, so that tests and replay bring
 * their own. Deadlines and intervals use the boot clock, the same that the kernel half stamps records with
 * (CLOCK_BOOTTIME: it does not jump and goes on through suspend); wall time is only for what people and
 * gateways read. In a time namespace (time_namespaces(7)) what it adds is taken off again: the kernel half
 * knows nothing of it.
 */
#ifndef PICKET_CLOCK_H
#define PICKET_CLOCK_H

#include <stdint.h>

struct clock {
	uint64_t (*boot_ns)(void *arg);
	uint64_t (*wall_ns)(void *arg); /* since 1970-01-01 UTC */
	void *arg;
};

extern const struct clock clock_system;

static inline uint64_t clock_boot_ns(const struct clock *c)
{
	return c->boot_ns(c->arg);
}

static inline uint64_t clock_wall_ns(const struct clock *c)
{
	return c->wall_ns(c->arg);
}

/* What CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC by: how long the machine has slept, to within microseconds.
 */
uint64_t clock_boot_ahead_ns(void);

/* Wall time of a boot-clock stamp, by the difference of the two clocks now. */
uint64_t clock_wall_of_boot(const struct clock *c, uint64_t boot_ns);

/* RFC 3339, UTC, nanoseconds: "2026-11-24T22:00:10.123456789Z". Returns buf. */
#define CLOCK_TEXT_MAX 36
const char *clock_format(uint64_t wall_ns, char buf[static CLOCK_TEXT_MAX]);

#endif
