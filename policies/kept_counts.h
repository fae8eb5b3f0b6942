/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept_counts.h: copies of counts of detections (detect.h) that outlive a restart: those of refused requests
 * over ten minutes or longer, so that who guesses slowly does not begin anew with picket. The thread that
 * counts puts copies in; another takes those that changed (sensor/memory.c), and neither waits longer than
 * for some records.
 *
 * Bounded: full, the copy that was put longest ago makes room; its count goes on, and is only not kept.
 * Times: boot clock. A count of before the machine's start is not kept: how long ago it was is not known.
 */
#ifndef PICKET_KEPT_COUNTS_H
#define PICKET_KEPT_COUNTS_H

#include "policies/buckets.h"
#include "policies/slots.h"

#define KEPT_COUNTS_MAX 4096
#define KEPT_RULE_MAX   49 /* bytes of a rule's name, with its zero */
#define KEPT_VALUES     24 /* different values of one count; rules that need more are not kept */

struct kept_count {
	char rule[KEPT_RULE_MAX];
	struct bucket_key key; /* its rule: not used */
	struct addr first;
	bool many, here;
	double level, sure, hits, all;
	uint64_t level_ns, tally_ns, fired_ns;
	unsigned value_count;
	struct bucket_seen values[KEPT_VALUES];
};

struct kept_counts;

int kept_counts_new(size_t max, struct kept_counts **ret);
void kept_counts_free(struct kept_counts *k);
/*
 * slot: the count's own, SLOTS_NONE as long as there is no copy; it is set by these two, also later, when the
 * copy makes room. It must stay where it is until kept_counts_drop. A copy that memory is out for is not
 * made.
 */
void kept_counts_put(struct kept_counts *k, uint32_t *slot, const struct kept_count *c);
void kept_counts_drop(struct kept_counts *k, uint32_t *slot);
/* As regulars_changes. */
size_t kept_counts_changes(struct kept_counts *k, struct kept_count *ret, uint32_t *ret_slots, bool *ret_gone,
			   size_t max);
void kept_counts_change_all(struct kept_counts *k);
size_t kept_counts_held(struct kept_counts *k);

#endif
