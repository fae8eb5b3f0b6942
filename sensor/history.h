/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.h: the decisions of late, for `picket why`: a ring of events. Full, the oldest goes. Not thread
 * safe: the enforcer's lock is held.
 */
#ifndef PICKET_HISTORY_H
#define PICKET_HISTORY_H

#include "lib/event.h"

#define HISTORY_MAX 1024

struct history { /* zero to begin */
	struct event *events[HISTORY_MAX];
	uint64_t count; /* ever */
};

void history_deinit(struct history *h);
void history_add(struct history *h, struct event *decision); /* takes a reference of its own */
/* Those whose target overlaps, on whatever route, newest first, max at most; references are the caller's.
 * Returns how many. */
size_t history_overlapping(const struct history *h, const struct prefix *target, struct event **ret,
			   size_t max);

#endif
