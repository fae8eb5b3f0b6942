/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.h: some events as one JSON array, under one id that stays the same however often it is sent. Events
 * are appended as bytes; a sealed batch takes no more.
 */
#ifndef PICKET_BATCH_H
#define PICKET_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buffer.h"

#define BATCH_ID_MAX 96

/* Where a batch lies in a spool (spool.h); generation 0: nowhere. */
struct spool_place {
	uint64_t generation;
	uint32_t number;
};

/* How far it is on its way to the disk. */
enum batch_kept {
	BATCH_UNKEPT = 0, /* nobody was asked */
	BATCH_WRITING,    /* the spool's thread reads it: it must not go away */
	BATCH_KEPT,       /* it lies at place */
	BATCH_REFUSED,    /* it could not be written: there is only this one */
};

struct batch {
	struct batch *next; /* for the queue that holds it */
	char id[BATCH_ID_MAX];
	struct buffer json; /* "[a,b" while open, "[a,b]" when sealed */
	unsigned events;
	uint64_t opened_ns; /* boot clock: when its first event came */
	unsigned attempts;  /* to deliver it, so far */
	uint64_t sent_ns;   /* boot clock: the first of them */
	bool sealed;
	bool again; /* it was sent before */
	bool gone;  /* done with, as soon as the spool gives it back */
	/* For the gateway that keeps it. */
	enum batch_kept kept;
	uint64_t asked_ns; /* boot clock: when it was last given to the spool */
	struct spool_place place;
};

enum { BATCH_E_FULL = 1 };

/* bytes_max: ceiling of the JSON, brackets included. */
int batch_new(const char *id, size_t bytes_max, uint64_t now_ns, struct batch **ret);
/* event: one JSON value, copied. BATCH_E_FULL: it does not fit; nothing was appended. */
int batch_add(struct batch *b, struct span event);
void batch_seal(struct batch *b);
/* Gives back memory that a sealed batch does not need. */
void batch_shrink(struct batch *b);
/* A new batch takes another one's memory for its JSON, if that is no larger than its own may become. */
void batch_reuse(struct batch *b, struct buffer *memory);
void batch_free(struct batch *b);

#endif
