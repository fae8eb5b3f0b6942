/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ages.h: times of what outlives a reboot. The boot clock begins with the machine; what was before that has
 * no time on it. So who remembers for longer counts from AGES_NS before the machine's start: all his times
 * are whole numbers from 0 on, and their differences are right. Outside they are the boot clock's, negative
 * before its start.
 */
#ifndef PICKET_AGES_H
#define PICKET_AGES_H

#include <stdint.h>

#define AGES_NS (1ull << 58) /* nine years */

static inline uint64_t ages_of(int64_t boot_ns)
{
	if (boot_ns < -(int64_t)AGES_NS)
		return 0;
	return boot_ns > INT64_MAX - (int64_t)AGES_NS ? INT64_MAX : (uint64_t)boot_ns + AGES_NS;
}

static inline int64_t ages_to_boot(uint64_t at)
{
	return (int64_t)(at - AGES_NS);
}

#endif
