/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_events.h: the events of one batch as a model is shown them. A source is the client of one or more
 * events, an address, and goes by a name of this batch alone: s1, s2, ... in the order in which they appear;
 * an event by e1, e2, ... What a model answers can thus name nobody who was not in the batch. Names follow
 * from the batch's bytes, so whoever reads the answer makes them again.
 */
#ifndef PICKET_OPENAI_EVENTS_H
#define PICKET_OPENAI_EVENTS_H

#include "lib/buffer.h"
#include "lib/json_read.h"
#include "lib/verdict.h"

#define OPENAI_EVENTS_MAX 1000 /* in a batch; the configuration allows no more */

struct openai_event {
	const cJSON *data; /* into json */
	char id[VERDICT_ID_MAX];
	unsigned source; /* index */
	uint64_t time_ns;
};

struct openai_events {
	cJSON *json; /* of the whole batch */
	struct openai_event *events;
	struct addr *sources;
	unsigned event_count, source_count;
};

enum { OPENAI_EVENTS_E_BATCH = 1 /* no batch of ours */ };

/* batch: a JSON array of CloudEvents. Those without a client are left out. 0, OPENAI_EVENTS_E_BATCH or
 * -ENOMEM; whatever the result, openai_events_free. */
int openai_events_read(struct span batch, struct openai_events *ret);
void openai_events_free(struct openai_events *e);

/* "s7", "e12": the index, or -1 if there is no such one. */
int openai_source_of(const struct openai_events *e, const char *name);
int openai_event_of(const struct openai_events *e, const char *name);

/*
 * One JSON document: {"batch_id": ID, "events": [{"id": "e1", "src": "s1", "t_ms": 0, ...}]}, beside these
 * only keys that are known to name no address; all of it ASCII, each text at most OPENAI_TEXT_MAX bytes of
 * what it was. t_ms counts from the first event.
 */
#define OPENAI_TEXT_MAX 256
void openai_events_write(const struct openai_events *e, const char *batch_id, struct buffer *out);

#endif
