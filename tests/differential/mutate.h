/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutate.h: what a client may send, from a number: pipelines of one to four requests, most pieces of which
 * are right and some of which are what people try on servers; then, often, damage to single bytes. The same
 * number gives the same bytes everywhere.
 */
#ifndef PICKET_TESTS_MUTATE_H
#define PICKET_TESTS_MUTATE_H

#include <stdint.h>
#include "lib/buffer.h"

/* Appended to b; at most 60,000 bytes. */
void mutate_make(uint64_t number, struct buffer *b);
/* The same with right pieces only. */
void mutate_right(uint64_t number, struct buffer *b);

/*
 * Makes *b smaller while still(arg, bytes) holds: pieces of it are left out, large ones first. It must hold
 * for what b has at the start.
 */
void mutate_minimise(struct buffer *b, bool (*still)(void *arg, struct span bytes), void *arg);

/* Bytes as a C string literal, for reports that can be pasted into a test. */
void mutate_print(struct span bytes);

#endif
