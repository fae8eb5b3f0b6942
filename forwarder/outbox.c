// SPDX-License-Identifier: Apache-2.0
#include "forwarder/outbox.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

void outbox_init(struct outbox *o, const struct outbox_limits *limits, const char *id_prefix)
{
	*o = (struct outbox){.limits = *limits, .id_prefix = id_prefix};
}

bool outbox_has_room(const struct outbox *o)
{
	return o->events < o->limits.events && o->bytes < o->limits.bytes;
}

static int open_batch(struct outbox *o, uint64_t now_ns)
{
	char id[BATCH_ID_MAX];
	struct batch *b;

	snprintf(id, sizeof id, "%s-%" PRIu64, o->id_prefix, o->batches + 1);
	int r = batch_new(id, o->limits.batch_bytes, now_ns, &b);
	if (r)
		return r;
	o->batches++;
	if (o->last)
		o->last->next = b;
	else
		o->first = b;
	o->last = b;
	return 0;
}

int outbox_add(struct outbox *o, struct span event, uint64_t now_ns)
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
			batch_seal(o->last);
		r = open_batch(o, now_ns);
		if (r)
			return r;
		r = batch_add(o->last, event);
	}
	if (r)
		return -ENOMEM;
	o->events++;
	o->bytes += event.len;
	if (o->last->events >= o->limits.batch_events)
		batch_seal(o->last);
	return 0;
}

uint64_t outbox_due_ns(const struct outbox *o)
{
	if (!o->first || !o->first->events)
		return OUTBOX_NEVER;
	return o->first->sealed ? 0 : o->first->opened_ns + o->limits.linger_ns;
}

uint64_t outbox_opened_ns(const struct outbox *o)
{
	return o->first ? o->first->opened_ns : 0;
}

const struct batch *outbox_first(struct outbox *o)
{
	if (!o->first || !o->first->events)
		return NULL;
	batch_seal(o->first);
	return o->first;
}

/* The events' own bytes: without brackets and commas, as they were counted in. */
static size_t batch_event_bytes(const struct batch *b)
{
	return b->json.len - b->events - (b->sealed && b->events ? 1 : 0);
}

unsigned outbox_remove(struct outbox *o)
{
	struct batch *b = o->first;
	unsigned events;

	if (!b)
		return 0;
	o->first = b->next;
	if (!o->first)
		o->last = NULL;
	events = b->events;
	o->events -= events;
	o->bytes -= batch_event_bytes(b);
	batch_free(b);
	return events;
}

void outbox_free(struct outbox *o)
{
	while (o->first)
		outbox_remove(o);
}
