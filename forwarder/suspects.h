/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suspects.h: the clients of which a detection fired within the last SUSPECTS_MEMORY_NS. Any thread may add
 * and ask. SUSPECTS_MAX of them have room; where there is none, the one of the same row that fired longest
 * ago is forgotten, and counted: what a gateway with clients: suspicious is then not sent is sent again when
 * the next detection fires.
 */
#ifndef PICKET_SUSPECTS_H
#define PICKET_SUSPECTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "lib/addr.h"
#include "lib/util.h"

#define SUSPECTS_MEMORY_NS (10 * 60 * NS_PER_S)
#define SUSPECTS_ROWS      1024
#define SUSPECTS_IN_ROW    8
#define SUSPECTS_MAX       (SUSPECTS_ROWS * SUSPECTS_IN_ROW)

struct suspect {
	struct addr addr; /* ADDR_NONE: free */
	uint64_t until_ns;
};

struct suspects {
	pthread_mutex_t lock;
	uint64_t seed;
	struct suspect rows[SUSPECTS_ROWS][SUSPECTS_IN_ROW];
	uint64_t forgotten;
};

/* The finalizer of splitmix64: what was near is far apart. */
static inline uint64_t suspects_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* seed: random, so that nobody can choose addresses of one row. 0 or -ENOMEM. */
int suspects_new(uint64_t seed, struct suspects **ret);
void suspects_free(struct suspects *s); /* NULL: nothing */
/* now_ns: boot clock. */
void suspects_add(struct suspects *s, const struct addr *client, uint64_t now_ns);
bool suspects_has(struct suspects *s, const struct addr *client, uint64_t now_ns);
uint64_t suspects_forgotten(struct suspects *s);

#endif
