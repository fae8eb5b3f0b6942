/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff.h: how long to leave a gateway alone after it failed: a random time up to a ceiling that doubles
 * with each failure in a row (full jitter, so that many sensors do not come back together), or what the
 * gateway asked for by Retry-After, whichever is longer.
 */
#ifndef PICKET_BACKOFF_H
#define PICKET_BACKOFF_H

#include <stdint.h>
#include "lib/span.h"

#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS   30000
/* A gateway may ask for a rest, not for silence: what is longer counts as this. */
#define RETRY_AFTER_MAX_MS (60 * 60 * 1000)

struct backoff {
	unsigned failures; /* in a row */
};

/*
 * Count a failure; returns the milliseconds to wait, at least 1. random: any 64 random bits. retry_after_ms:
 * what the gateway asked for, 0 = nothing. To that up to a tenth is added, never less.
 */
uint64_t backoff_fail(struct backoff *b, uint64_t retry_after_ms, uint64_t random);
static inline void backoff_reset(struct backoff *b)
{
	b->failures = 0;
}

/*
 * One header field of an answer. If it asks for a rest (Retry-After, or Lunar's x-lunar-retry-after, in
 * seconds or as an HTTP date; retry-after-ms and x-ms-retry-after-ms in milliseconds) returns the
 * milliseconds from wall_ns on, capped; else, or if it is malformed or past, 0.
 */
uint64_t retry_after_parse(struct span name, struct span value, uint64_t wall_ns);

#endif
