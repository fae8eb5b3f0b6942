/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tail.h: the last events, for those who look: `picket events`, `requests`, `packets`, the API. A ring
 * bounded in events and in bytes (a client chooses how large its requests are) that the writers overwrite; a
 * reader that falls behind is told how many it missed (a picket.loss event, stage "tail"). Thread safe; a
 * writer never waits for a reader.
 */
#ifndef PICKET_TAIL_H
#define PICKET_TAIL_H

#include "lib/event.h"

struct tail;
struct tail_cursor {
	uint64_t next; /* position to read from */
};

/* max_bytes: of the events held, by event.size. The oldest go until the rest fits; an event larger than that
 * is not kept and counts as missed. */
int tail_new(unsigned capacity, size_t max_bytes, struct tail **ret);
void tail_free(struct tail *t);
void tail_put(struct tail *t, struct event *e); /* takes its own reference */
/* A cursor at the oldest of the last `back` events. */
struct tail_cursor tail_open(struct tail *t, unsigned back);
/*
 * Up to max events from the cursor on, each with a reference for the caller. Waits up to timeout_ms when
 * there is none. *ret_missed: events overwritten before this reader came.
 */
unsigned tail_read(struct tail *t, struct tail_cursor *c, struct event **ret, unsigned max, int timeout_ms,
		   uint64_t *ret_missed);

#endif
