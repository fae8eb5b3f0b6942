// SPDX-License-Identifier: Apache-2.0
#include "forwarder/outbox.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "lib/util.h"

/* Of what the disk refused, so many at once: on a full disk each try is a write in vain. */
#define OFFERED_AGAIN 4

void outbox_init(struct outbox *o, const struct outbox_limits *limits, const char *id_prefix)
{
	*o = (struct outbox){.limits = *limits, .id_prefix = id_prefix};
}

bool outbox_has_room(const struct outbox *o)
{
	return o->events < o->limits.events && o->bytes < o->limits.bytes;
}

/* Its memory is the next one's: to have it from the kernel again costs more than to fill it. */
static void end_batch(struct outbox *o, struct batch *b)
{
	if (b->json.size > o->spare.size) {
		struct buffer larger = b->json;

		b->json = o->spare;
		o->spare = larger;
	}
	batch_free(b);
}

/*
 * One that does not leave at once may wait for hours behind a gateway that is down. One that is sealed is
 * left alone: the spool's thread may be reading it.
 */
static void seal(const struct outbox *o, struct batch *b)
{
	if (b->sealed)
		return;
	batch_seal(b);
	if (b != o->first)
		batch_shrink(b);
}

static int open_batch(struct outbox *o, uint64_t now_ns)
{
	char id[BATCH_ID_MAX];
	struct batch *b;

	snprintf(id, sizeof id, "%s-%" PRIu64, o->id_prefix, o->batches + 1);
	int r = batch_new(id, o->limits.batch_bytes, now_ns, &b);
	if (r)
		return r;
	batch_reuse(b, &o->spare);
	o->batches++;
	if (o->last)
		o->last->next = b;
	else
		o->first = b;
	o->last = b;
	return 0;
}

/*
 * An event's age counts from what it tells of, but half of the linger is left for others to join it: where
 * answers take their time each event would be due as it comes, and go alone.
 */
static uint64_t opened_of(const struct outbox *o, uint64_t happened_ns, uint64_t now_ns)
{
	return now_ns - MIN(now_ns - MIN(now_ns, happened_ns), o->limits.linger_ns / 2);
}

int outbox_add(struct outbox *o, struct span event, uint64_t happened_ns, uint64_t now_ns)
{
	int r = BATCH_E_FULL;

	if (event.len + 2 > o->limits.batch_bytes)
		return OUTBOX_E_TOO_LARGE;
	if (!outbox_has_room(o) || event.len > o->limits.bytes - o->bytes)
		return OUTBOX_E_FULL;
	if (o->last && !o->last->sealed)
		r = batch_add(o->last, event);
	if (r == BATCH_E_FULL) {
		if (o->last)
			seal(o, o->last);
		r = open_batch(o, opened_of(o, happened_ns, now_ns));
		if (r)
			return r;
		r = batch_add(o->last, event);
	}
	if (r)
		return -ENOMEM;
	o->last->opened_ns = MIN(o->last->opened_ns, opened_of(o, happened_ns, now_ns));
	o->events++;
	o->bytes += event.len;
	if (o->last->events >= o->limits.batch_events)
		seal(o, o->last);
	return 0;
}

uint64_t outbox_opened_ns(const struct outbox *o)
{
	return o->first ? o->first->opened_ns : 0;
}

struct batch *outbox_first(const struct outbox *o)
{
	return o->first && o->first->events ? o->first : NULL;
}

/* The events' own bytes: without brackets and commas, as they were counted in. */
static size_t batch_event_bytes(const struct batch *b)
{
	return b->json.len - b->events - (b->sealed && b->events ? 1 : 0);
}

/* At little cost for the oldest. The caller's from then on. */
static void take_out(struct outbox *o, struct batch *b)
{
	struct batch **at = &o->first, *before = NULL;

	while (*at != b) {
		before = *at;
		at = &before->next;
	}
	*at = b->next;
	if (o->last == b)
		o->last = before;
	b->next = NULL;
	o->events -= b->events;
	o->bytes -= batch_event_bytes(b);
}

/* --- with a spool --- */

static void take_back(struct outbox *o)
{
	struct batch *b;

	while ((b = spooler_take(o->spooler))) {
		if (!b->gone)
			continue;
		if (b->kept == BATCH_KEPT)
			spooler_ack(o->spooler, b->place);
		end_batch(o, b);
	}
}

/*
 * In their order, so that they lie in it: behind one that was refused nothing is given before it is offered
 * again. When that is; 0: it need not wait, OUTBOX_NEVER: there is nothing to give.
 */
static uint64_t to_be_given_ns(const struct batch *b)
{
	if (b->kept == BATCH_REFUSED)
		return b->asked_ns + OUTBOX_SPOOL_SLOW_NS;
	return b->kept == BATCH_UNKEPT && b->sealed ? 0 : OUTBOX_NEVER;
}

void outbox_keep(struct outbox *o, uint64_t now_ns, bool flush)
{
	if (!o->spooler)
		return;
	take_back(o);
	if (o->last && o->last->events && !o->last->sealed &&
	    (flush || now_ns >= o->last->opened_ns + o->limits.linger_ns))
		seal(o, o->last);
	unsigned again = 0;
	for (struct batch *b = o->first; b && again < OFFERED_AGAIN; b = b->next) {
		uint64_t due_ns = to_be_given_ns(b);

		if (due_ns == OUTBOX_NEVER)
			continue;
		if (due_ns > now_ns)
			break;
		again += b->kept == BATCH_REFUSED;
		b->asked_ns = now_ns;
		spooler_put(o->spooler, b);
	}
}

uint64_t outbox_keep_due_ns(const struct outbox *o)
{
	uint64_t due = OUTBOX_NEVER;

	if (!o->spooler)
		return due;
	if (o->last && o->last->events && !o->last->sealed)
		due = o->last->opened_ns + o->limits.linger_ns;
	for (const struct batch *b = o->first; b; b = b->next) {
		uint64_t given_ns = to_be_given_ns(b);

		if (given_ns != OUTBOX_NEVER)
			return MIN(due, given_ns);
	}
	return due;
}

void outbox_let_go(struct outbox *o, unsigned keep, const struct batch *but)
{
	unsigned held = 0;

	if (!o->spooler)
		return;
	for (const struct batch *b = o->first; b; b = b->next)
		held += b != but;
	for (struct batch *b = o->first, *next; b && held > keep; b = next) {
		next = b->next;
		if (b == but)
			continue;
		held--;
		if (b->kept != BATCH_KEPT)
			continue;
		take_out(o, b);
		spooler_wait(o->spooler, b->place, b->events);
		batch_free(b);
	}
}

struct batch *outbox_backlog(struct outbox *o)
{
	return o->spooler ? spooler_next(o->spooler) : NULL;
}

void outbox_backlog_done(struct outbox *o, struct batch *b)
{
	spooler_ack(o->spooler, b->place);
	end_batch(o, b);
}

size_t outbox_unsafe(const struct outbox *o)
{
	size_t events = 0;

	for (const struct batch *b = o->first; b; b = b->next)
		events += b->kept == BATCH_KEPT ? 0 : b->events;
	return events;
}

uint64_t outbox_unsafe_since_ns(const struct outbox *o)
{
	for (const struct batch *b = o->first; b; b = b->next)
		if (b->kept != BATCH_KEPT)
			return b->opened_ns;
	return OUTBOX_NEVER;
}

/* --- the end of a batch --- */

void outbox_done(struct outbox *o, struct batch *b)
{
	take_out(o, b);
	if (b->kept == BATCH_WRITING) {
		b->gone = true; /* take_back frees it */
		return;
	}
	if (b->kept == BATCH_KEPT)
		spooler_ack(o->spooler, b->place);
	end_batch(o, b);
}

uint64_t outbox_ready_ns(const struct outbox *o, const struct batch *b)
{
	if (!b->sealed)
		return b->events ? b->opened_ns + o->limits.linger_ns : OUTBOX_NEVER;
	if (!o->spooler || b->kept == BATCH_KEPT || b->kept == BATCH_REFUSED)
		return 0;
	return b->kept == BATCH_WRITING ? b->asked_ns + OUTBOX_SPOOL_SLOW_NS : OUTBOX_NEVER;
}

/* Batches that the spooler still has are freed by it; those it has are not freed here. */
void outbox_free(struct outbox *o, bool clean)
{
	for (struct batch *b = o->first, *next; b; b = next) {
		next = b->next;
		if (b->kept != BATCH_WRITING)
			batch_free(b);
	}
	o->first = o->last = NULL;
	buffer_free(&o->spare);
	spooler_free(o->spooler, clean);
	o->spooler = NULL;
}
