/* SPDX-License-Identifier: Apache-2.0 */
/*
 * question.h: the dossiers of one batch (asker.h) as a model is shown them, and who is meant by what it
 * answers. A source is one client; it goes by a name that was drawn for this request ("c" and eight
 * hexadecimal digits, of the attempt's nonce): no text of a client's can name another, and what a model
 * answers can name nobody who was not in the question. An event is e1, e2, ... of its own client.
 *
 * Names follow from the batch's bytes and the nonce, so whoever reads the answer makes them again.
 */
#ifndef PICKET_QUESTION_H
#define PICKET_QUESTION_H

#include "lib/buffer.h"
#include "lib/json_read.h"
#include "lib/verdict.h"

#define QUESTION_SOURCES_MAX 64
#define QUESTION_NAME_MAX    10

struct question_source {
	char name[QUESTION_NAME_MAX];
	struct addr client;
	const cJSON *dossier; /* into json */
	char events[VERDICT_EVIDENCE_MAX][VERDICT_ID_MAX];
	unsigned event_count;
};

struct question {
	cJSON *json; /* of the whole batch */
	struct question_source *sources;
	unsigned source_count;
};

enum { QUESTION_E_BATCH = 1 /* no batch of ours */ };

/* batch: a JSON array of what dossier_write writes. nonce: the attempt's. 0, QUESTION_E_BATCH, -ENOMEM, or
 * -EIO: no names could be made; whatever the result, question_free. */
int question_read(struct span batch, const char *nonce, struct question *ret);
void question_free(struct question *q);

/* The index, or -1 if there is no such one. */
int question_source_of(const struct question *q, const char *name);
/* "e2" of that source: the index, or -1. */
int question_event_of(const struct question_source *s, const char *name);

/*
 * One JSON document: {"batch_id": ID, "clients": [{"src": NAME, ...}]}, all of it ASCII, every key and text
 * in it as captured_text.h writes them.
 */
void question_write(const struct question *q, const char *batch_id, struct buffer *out);

#endif
