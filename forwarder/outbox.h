/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox.h: what waits for one gateway: batches, oldest first. The newest may still be open. A batch becomes
 * due when it is full or old enough, and stays, sealed and byte for byte the same, until it is removed:
 * acknowledged or given up.
 *
 * Bounded by events and by bytes; what does not fit is refused, so what it holds is always the oldest.
 *
 * With a spool (spooler.h) each sealed batch is first written to the disk, and is let go of here when it is
 * safe there and not needed soon; it comes back as backlog. What the disk does not take, or not in time,
 * stays and goes as if there were no spool, and is offered to it again.
 */
#ifndef PICKET_OUTBOX_H
#define PICKET_OUTBOX_H

#include "forwarder/spooler.h"

struct outbox_limits {
	unsigned batch_events;
	size_t batch_bytes;
	size_t events; /* held, all batches together */
	size_t bytes;
	uint64_t linger_ns;
};

struct outbox {
	struct outbox_limits limits;
	const char *id_prefix; /* batch ids are "PREFIX-1", "PREFIX-2", ...; borrowed */
	struct batch *first, *last;
	size_t events, bytes;
	uint64_t batches;        /* opened so far */
	struct buffer spare;     /* memory of a batch that ended, for the next: no larger than one may be */
	struct spooler *spooler; /* NULL: none. The outbox's */
};

enum { OUTBOX_E_FULL = 1, OUTBOX_E_TOO_LARGE = 2 /* larger than a batch may be */ };

#define OUTBOX_NEVER UINT64_MAX

void outbox_init(struct outbox *o, const struct outbox_limits *limits, const char *id_prefix);
bool outbox_has_room(const struct outbox *o);
/* happened_ns: what it tells of; it may have waited for its answer since then (boot clock). */
int outbox_add(struct outbox *o, struct span event, uint64_t happened_ns, uint64_t now_ns);
/* When the oldest batch was opened; 0 if there is none. */
uint64_t outbox_opened_ns(const struct outbox *o);
/* The oldest batch; NULL if there is none. It may still be open: seal it before it is sent. */
struct batch *outbox_first(const struct outbox *o);
/* --- with a spool; each does nothing without --- */

/* What the disk did not take is offered again after this, and what it has not taken by then goes without. */
#define OUTBOX_SPOOL_SLOW_NS (1000 * NS_PER_MS)
/*
 * Seals what is due (flush: all), gives to the spool what it did not get yet, takes back what it has written.
 * 0 or -errno.
 */
void outbox_keep(struct outbox *o, uint64_t now_ns, bool flush);
/* When outbox_keep has something to do that nobody tells of. */
uint64_t outbox_keep_due_ns(const struct outbox *o);
/* Lets go of what is safe on the disk, the oldest first, but `keep` batches and `but`. */
void outbox_let_go(struct outbox *o, unsigned keep, const struct batch *but);
/* The oldest that waits on the disk alone, the caller's until outbox_backlog_done; NULL: none is at hand. */
struct batch *outbox_backlog(struct outbox *o);
void outbox_backlog_done(struct outbox *o, struct batch *b); /* delivered or refused for good */
/* How many events are not safe on the disk; without a spool, all. */
size_t outbox_unsafe(const struct outbox *o);
/* When the oldest batch that is not safe was opened (boot clock); OUTBOX_NEVER: all are. */
uint64_t outbox_unsafe_since_ns(const struct outbox *o);

/* Delivered or refused for good: takes it out and frees it, on the disk as well. */
void outbox_done(struct outbox *o, struct batch *b);
/* May it be sent by now? UINT64_MAX: not before something else happens. */
uint64_t outbox_ready_ns(const struct outbox *o, const struct batch *b);
/* clean: the process ends in order. */
void outbox_free(struct outbox *o, bool clean);

#endif
