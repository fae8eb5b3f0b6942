// SPDX-License-Identifier: Apache-2.0
/*
 * pairs.c: a chained hash table, whose hash has a secret, as outsiders choose the ends.
 */
#include "sensor/pairs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "sensor/http1.h"
#include "sensor/http1_response.h"

struct list {
	struct pair *oldest, *newest;
};

struct pairs {
	size_t count, max, buckets;
	uint64_t secret[2];
	struct list lists[PAIRS_LISTS];
	struct list waiting; /* by waits_older, waits_newer */
	struct pair *table[];
};

/* --- ends --- */

unsigned pair_ends(const struct pk_header *h, struct pair *ret)
{
	int order = memcmp(h->source_addr, h->destination_addr, 16);
	unsigned from = order > 0 || (order == 0 && h->source_port > h->destination_port);

	memcpy(ret->addr[from], h->source_addr, 16);
	memcpy(ret->addr[!from], h->destination_addr, 16);
	ret->port[from] = h->source_port;
	ret->port[!from] = h->destination_port;
	ret->family = h->family;
	return from;
}

static bool same_ends(const struct pair *a, const struct pair *b)
{
	return a->family == b->family && a->port[0] == b->port[0] && a->port[1] == b->port[1] &&
	       memcmp(a->addr, b->addr, sizeof a->addr) == 0;
}

/* --- sides --- */

static void set_sides(struct pair *c, unsigned client)
{
	c->sides_known = true;
	c->client = (uint8_t)client;
	c->flow = (struct pk_flow){
		.family = c->family, .peer_port = c->port[client], .local_port = c->port[!client]};
	memcpy(c->flow.peer_addr, c->addr[client], 16);
	memcpy(c->flow.local_addr, c->addr[!client], 16);
}

static bool port_named(const struct pair_hint *hint, uint16_t port)
{
	for (unsigned i = 0; i < hint->port_count; i++)
		if (hint->ports[i] == port)
			return true;
	return false;
}

/* By its first bytes: 1 a client's, 0 a server's, -1 unknown. */
static int client_speaks(struct span bytes)
{
	unsigned status;

	if (bytes.len >= 6 && bytes.ptr[0] == 0x16 && bytes.ptr[1] == 3) { /* TLS handshake record */
		if (bytes.ptr[5] == 1)
			return 1;
		if (bytes.ptr[5] == 2)
			return 0;
	}
	if (http1_status(bytes, &status) == 0)
		return 0;
	return http1_start_line(bytes, true) == 0 ? 1 : -1;
}

bool pair_find_sides(struct pair *c, const struct pair_hint *hint)
{
	bool first = port_named(hint, c->port[0]), second = port_named(hint, c->port[1]);
	unsigned from = hint->from;

	if (hint->port_count && !first && !second)
		return false;
	if (hint->flags & PK_TCP_SYN) {
		set_sides(c, hint->flags & PK_TCP_ACK ? !from : from);
		return true;
	}
	if (first != second) {
		set_sides(c, first ? 1 : 0);
		return true;
	}
	int speaks = client_speaks(hint->bytes);
	if (speaks >= 0)
		set_sides(c, speaks ? from : !from);
	else
		set_sides(c, c->port[0] == c->port[1] ? from : c->port[0] < c->port[1]);
	return true;
}

/* --- places --- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static size_t bucket_of(const struct pairs *t, const struct pair *k)
{
	uint64_t w[4];

	memcpy(w, k->addr, sizeof w);
	uint64_t h = mix(w[0] ^ t->secret[1], w[1] ^ ((uint64_t)k->port[0] << 32 | k->port[1]));
	h = mix(h ^ w[2], w[3] ^ t->secret[0] ^ k->family);
	return mix(h ^ t->secret[0], t->secret[1] | 1) & (t->buckets - 1);
}

struct pair *pairs_find(const struct pairs *t, const struct pair *key)
{
	struct pair *c = t->table[bucket_of(t, key)];

	while (c && !same_ends(c, key))
		c = c->chain;
	return c;
}

static void list_add(struct pairs *t, struct pair *c, enum pairs_list which)
{
	struct list *l = &t->lists[which];

	c->list = (uint8_t)which;
	c->newer = NULL;
	c->older = l->newest;
	*(l->newest ? &l->newest->newer : &l->oldest) = c;
	l->newest = c;
}

static void list_take(struct pairs *t, struct pair *c)
{
	struct list *l = &t->lists[c->list];

	*(c->older ? &c->older->newer : &l->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &l->newest) = c->older;
}

void pairs_move(struct pairs *t, struct pair *c, enum pairs_list list)
{
	list_take(t, c);
	list_add(t, c, list);
}

struct pair *pairs_oldest(const struct pairs *t, enum pairs_list list)
{
	return t->lists[list].oldest;
}

void pairs_set_waiting(struct pairs *t, struct pair *c, bool waits)
{
	struct list *l = &t->waiting;

	if (c->waits == waits)
		return;
	c->waits = waits;
	if (waits) {
		c->waits_newer = NULL;
		c->waits_older = l->newest;
		*(l->newest ? &l->newest->waits_newer : &l->oldest) = c;
		l->newest = c;
		return;
	}
	*(c->waits_older ? &c->waits_older->waits_newer : &l->oldest) = c->waits_newer;
	*(c->waits_newer ? &c->waits_newer->waits_older : &l->newest) = c->waits_older;
}

struct pair *pairs_waiting(const struct pairs *t)
{
	return t->waiting.oldest;
}

bool pairs_full(const struct pairs *t)
{
	return t->count >= t->max;
}

void pairs_add(struct pairs *t, struct pair *c)
{
	struct pair **bucket = &t->table[bucket_of(t, c)];

	c->chain = *bucket;
	*bucket = c;
	list_add(t, c, PAIRS_LIVE);
	t->count++;
}

void pairs_remove(struct pairs *t, struct pair *c)
{
	struct pair **at = &t->table[bucket_of(t, c)];

	while (*at != c)
		at = &(*at)->chain;
	*at = c->chain;
	pairs_set_waiting(t, c, false);
	list_take(t, c);
	t->count--;
	free(c);
}

int pairs_new(unsigned max, struct pairs **ret)
{
	size_t buckets = 16;

	while (buckets < max)
		buckets *= 2;
	struct pairs *t = calloc(1, sizeof *t + buckets * sizeof t->table[0]);
	if (!t)
		return -ENOMEM;
	if (getrandom(t->secret, sizeof t->secret, 0) != (ssize_t)sizeof t->secret) {
		free(t);
		return -EIO;
	}
	t->max = max;
	t->buckets = buckets;
	*ret = t;
	return 0;
}

void pairs_free(struct pairs *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < PAIRS_LISTS; i++)
		while (t->lists[i].oldest)
			pairs_remove(t, t->lists[i].oldest);
	free(t);
}
