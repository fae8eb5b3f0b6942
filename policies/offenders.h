/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offenders.h: who was blocked automatically before, and how often, so that who comes back is blocked for
 * longer. A client is its address, in IPv6 its /64 (bucket_group), on whatever route. In a table of fixed
 * capacity; full, the one noted longest ago is forgotten and counted. Not thread safe.
 */
#ifndef PICKET_OFFENDERS_H
#define PICKET_OFFENDERS_H

#include "lib/addr.h"

struct offenders;

/* remember_ns: how long after a block's end it still counts. 0 or -ENOMEM. */
int offenders_new(size_t max, uint64_t remember_ns, struct offenders **ret);
void offenders_free(struct offenders *o);
/* How many blocks of this target ended within the time that is remembered. An extension of one in force is
 * none. */
unsigned offenders_before(const struct offenders *o, const struct prefix *target, uint64_t now_ns);
/* It is blocked from now_ns to end_ns. */
void offenders_note(struct offenders *o, const struct prefix *target, uint64_t now_ns, uint64_t end_ns);
/* It was blocked in error: nothing counts. */
void offenders_forget(struct offenders *o, const struct prefix *target);
uint64_t offenders_forgotten(const struct offenders *o);

/* --- what outlives a restart --- */

struct offenders_record {
	struct prefix who;
	uint32_t blocks; /* so far */
	int64_t end_ns;  /* of the latest; boot clock, negative before its start */
};

/* As regulars_changes; numbers are below the max of offenders_new. */
size_t offenders_changes(struct offenders *o, struct offenders_record *ret, uint32_t *ret_slots,
			 bool *ret_gone, size_t max);
void offenders_change_all(struct offenders *o);
/* In the order of end_ns. False: its time is over, there is no room, or it makes no sense. */
bool offenders_restore(struct offenders *o, const struct offenders_record *record, uint64_t now_ns);

#endif
