/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox.h: what waits for one gateway: batches, oldest first. The newest may still be open. A batch becomes
 * due when it is full or old enough, and stays, sealed and byte for byte the same, until it is removed:
 * acknowledged or given up.
 *
 * Bounded by events and by bytes; what does not fit is refused, so what it holds is always the oldest.
 */
#ifndef PICKET_OUTBOX_H
#define PICKET_OUTBOX_H

#include "forwarder/batch.h"

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
	uint64_t batches; /* opened so far */
};

enum { OUTBOX_E_FULL = 1, OUTBOX_E_TOO_LARGE = 2 /* larger than a batch may be */ };

#define OUTBOX_NEVER UINT64_MAX

void outbox_init(struct outbox *o, const struct outbox_limits *limits, const char *id_prefix);
bool outbox_has_room(const struct outbox *o);
int outbox_add(struct outbox *o, struct span event, uint64_t now_ns);
/* When the oldest batch is due: in the past, later, or OUTBOX_NEVER when there is none. */
uint64_t outbox_due_ns(const struct outbox *o);
/* When the oldest batch was opened; 0 if there is none. */
uint64_t outbox_opened_ns(const struct outbox *o);
/* The oldest batch, sealed; NULL if there is none. */
const struct batch *outbox_first(struct outbox *o);
/* Removes the oldest batch; returns how many events it held. */
unsigned outbox_remove(struct outbox *o);
void outbox_free(struct outbox *o);

#endif
