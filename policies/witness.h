/* SPDX-License-Identifier: Apache-2.0 */
/*
 * witness.h: the events on which the built-in analysis fired of late, so that a gateway's verdict can be
 * asked what it stands on: does it cite one of them, of its own target? What another gateway, or another
 * model, thinks is no witness.
 *
 * A ring of fixed size; full, what was noted longest ago goes, which is counted if it was not to be forgotten
 * yet (then a verdict that came late is not believed). Thread safe: capture notes, the guard asks.
 */
#ifndef PICKET_WITNESS_H
#define PICKET_WITNESS_H

#include "lib/event.h"

struct witness;

#define WITNESS_MAX 16384

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

#endif
