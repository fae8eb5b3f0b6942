/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answers.h: what was answered to the last batches, by their Idempotency-Key. picket sends a batch again when
 * it did not get our answer; it must then hear the same, and the events must not count twice.
 */
#ifndef EXAMPLES_GATEWAY_ANSWERS_H
#define EXAMPLES_GATEWAY_ANSWERS_H

#define ANSWERS_KEPT    64
#define ANSWERS_KEY_MAX 128

struct answers {
	struct {
		char key[ANSWERS_KEY_MAX];
		char *json;
	} kept[ANSWERS_KEPT];
	unsigned next;
};

const char *answers_find(const struct answers *a, const char *key);   /* or NULL */
void answers_consume(struct answers *a, const char *key, char *json); /* takes json (malloc) */
void answers_free(struct answers *a);

#endif
