/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.h: finds any number of words in a text in one pass over it, whatever their number. At a place where
 * words begin it looks on as far as the longest of them fits, so a text that was made for it costs more than
 * others, by as much as words overlap themselves. ASCII case is folded. A word may be bound to the beginning
 * or the end of the text.
 *
 * Built once, then only read: any number of threads may search.
 */
#ifndef PICKET_WORDS_H
#define PICKET_WORDS_H

#include <stdint.h>
#include "lib/span.h"

struct words;

enum { WORDS_AT_START = 1, WORDS_AT_END = 2 };
enum { WORDS_E_TOO_MANY = 1 };

#define WORDS_STATES_MAX 65535 /* bytes of all words together, common beginnings counted once */

int words_new(struct words **ret);
void words_free(struct words *w);
/* id: told when the word is found. 0, WORDS_E_TOO_MANY, -ENOMEM, -EINVAL (empty). Not after words_build. */
int words_add(struct words *w, struct span word, unsigned where, uint16_t id);
int words_build(struct words *w); /* 0 or -ENOMEM */
/* Calls found for each word in text, more than once if it is there more than once; word: as it stands there.
 */
typedef void words_found(void *arg, uint16_t id, struct span word);
void words_search(const struct words *w, struct span text, words_found *found, void *arg);

#endif
