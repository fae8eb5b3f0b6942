/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opinions.h: what a model said of clients, by the shape of their dossiers (dossier_shape), so that the same
 * is not asked, and paid for, twice within a time. A shape holds all texts of a client's that the model was
 * shown: an opinion that was talked into it holds for nobody who did not say the same.
 *
 * OPINIONS_MAX of them; where there is no room, the oldest of the same row is forgotten. No lock.
 */
#ifndef PICKET_OPINIONS_H
#define PICKET_OPINIONS_H

#include "lib/verdict.h"

#define OPINIONS_ROWS   128
#define OPINIONS_IN_ROW 4
#define OPINIONS_MAX    (OPINIONS_ROWS * OPINIONS_IN_ROW)

struct opinion {
	uint64_t shape;
	uint64_t since_ns; /* boot clock; 0: free */
	bool silent;       /* the model had nothing to say of it */
	struct verdict verdict;
};

struct opinions {
	uint64_t ttl_ns;
	struct opinion rows[OPINIONS_ROWS][OPINIONS_IN_ROW];
};

/* 0 or -ENOMEM. ttl_ns 0: none is kept. */
int opinions_new(uint64_t ttl_ns, struct opinions **ret);
void opinions_free(struct opinions *o); /* NULL: nothing */
/* v: NULL: it said nothing. */
void opinions_put(struct opinions *o, uint64_t shape, const struct verdict *v, uint64_t now_ns);
/* NULL: none, or it is too old. */
const struct opinion *opinions_get(const struct opinions *o, uint64_t shape, uint64_t now_ns);

#endif
