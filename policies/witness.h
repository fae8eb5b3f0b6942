/* SPDX-License-Identifier: Apache-2.0 */
/*
 * witness.h: the events on which the built-in analysis fired of late, so that a gateway's verdict can be
 * asked what it stands on: does it cite one of them, of its own target? What another gateway, or another
 * model, thinks is no witness.
 *
 * Events of earlier runs, which a gateway may still answer, are restored with the name of theirs.
 *
 * A ring of fixed size; full, what was noted longest ago goes, which is counted if it was not to be forgotten
 * yet (then a verdict that came late is not believed). Thread safe: capture notes, the guard asks.
 */
#ifndef PICKET_WITNESS_H
#define PICKET_WITNESS_H

#include "lib/event.h"

struct witness;

#define WITNESS_MAX  16384
#define WITNESS_RUNS 8 /* our own, and earlier ones */

struct witness_counts {
	uint64_t noted, forgotten;
};

/* remember_ns: how long after it was noted an event counts. 0 or -errno. */
int witness_new(size_t max, uint64_t remember_ns, struct witness **ret);
void witness_free(struct witness *w);
/*
 * A detection fired on this event of the run. target: what its verdict names. framed: it may be a third
 * party's doing (cross_site.h); of several detections on one event the one that is certain counts.
 */
void witness_note(struct witness *w, uint64_t event_id, const struct prefix *target, bool framed,
		  uint64_t now_ns);
/*
 * Does the verdict cite an event on which a detection fired, whose target has all of the verdict's in it?
 * ret_framed: none of those is certain.
 */
bool witness_ask(struct witness *w, const struct verdict *v, uint64_t now_ns, bool *ret_framed);
struct witness_counts witness_counts(struct witness *w);

/* --- what outlives a restart --- */

struct witness_record {
	char run[17]; /* event_run_id() of who noted it */
	uint64_t event_id;
	struct prefix target;
	bool framed;
	int64_t when_ns; /* boot clock, negative before its start */
};

/* As regulars_changes; numbers are below the max of witness_new. */
size_t witness_changes(struct witness *w, struct witness_record *ret, uint32_t *ret_slots, size_t max);
void witness_change_all(struct witness *w);
/* In the order of when_ns. False: its time is over, it is of one run too many, or it makes no sense. */
bool witness_restore(struct witness *w, const struct witness_record *record, uint64_t now_ns);

#endif
