// SPDX-License-Identifier: Apache-2.0
/*
 * connections.c: a chained hash table of at least as many buckets as connections, and three intrusive lists.
 * Tuples are chosen by outsiders, so the hash has a secret.
 */
#include "sensor/connections.h"
#include <errno.h>
#include <sys/random.h>
#include "lib/util.h"

struct list {
	struct connection *oldest, *newest;
};

struct connections {
	size_t max, count, buckets; /* buckets: power of two */
	uint64_t secret[2];
	struct list live, closed, unread;
	struct connection **pairs; /* as many buckets: by addresses and ports */
	struct connection *table[];
};

/* Folded multiplication: every bit of both reaches every bit of the result. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t tuple_hash(const struct connections *t, const uint8_t *peer, uint16_t peer_port,
			   const uint8_t *local, uint16_t local_port, uint32_t netns)
{
	uint64_t w[4];

	memcpy(w, peer, 16);
	memcpy(w + 2, local, 16);
	uint64_t h = mix(w[0] ^ t->secret[1], w[1] ^ ((uint64_t)peer_port << 32 | local_port));
	return mix(h ^ w[2], w[3] ^ t->secret[0] ^ netns);
}

static size_t bucket_of_hash(const struct connections *t, uint64_t h)
{
	return mix(h ^ t->secret[0], t->secret[1] | 1) & (t->buckets - 1);
}

static size_t bucket_of(const struct connections *t, const struct pk_flow *key)
{
	if (key->cookie)
		return bucket_of_hash(t, key->cookie);
	return bucket_of_hash(t, tuple_hash(t, key->peer_addr, key->peer_port, key->local_addr,
					    key->local_port, key->netns));
}

static size_t pair_bucket(const struct connections *t, const struct endpoint *peer,
			  const struct endpoint *local, uint32_t netns)
{
	return bucket_of_hash(
		t, tuple_hash(t, peer->addr.bytes, peer->port, local->addr.bytes, local->port, netns));
}

static bool same_key(const struct pk_flow *a, const struct pk_flow *b)
{
	if (a->cookie || b->cookie)
		return a->cookie == b->cookie;
	return a->netns == b->netns && a->family == b->family && a->local_port == b->local_port &&
	       a->peer_port == b->peer_port && memcmp(a->peer_addr, b->peer_addr, 16) == 0 &&
	       memcmp(a->local_addr, b->local_addr, 16) == 0;
}

int connections_new(unsigned max, struct connections **ret)
{
	size_t buckets = 16;

	while (buckets < max)
		buckets *= 2;
	struct connections *t = calloc(1, sizeof *t + buckets * sizeof t->table[0]);
	if (!t)
		return -ENOMEM;
	if (getrandom(t->secret, sizeof t->secret, 0) != (ssize_t)sizeof t->secret) {
		free(t);
		return -EIO;
	}
	t->pairs = calloc(buckets, sizeof *t->pairs);
	if (!t->pairs) {
		free(t);
		return -ENOMEM;
	}
	t->max = max;
	t->buckets = buckets;
	*ret = t;
	return 0;
}

static void list_add(struct list *l, struct connection *c)
{
	c->newer = NULL;
	c->older = l->newest;
	if (l->newest)
		l->newest->newer = c;
	else
		l->oldest = c;
	l->newest = c;
}

static void list_take(struct list *l, struct connection *c)
{
	if (c->older)
		c->older->newer = c->newer;
	else
		l->oldest = c->newer;
	if (c->newer)
		c->newer->older = c->older;
	else
		l->newest = c->older;
}

static struct list *list_of(struct connections *t, const struct connection *c)
{
	if (!c->end.time_ns)
		return &t->live;
	return c->end.unread > 1 ? &t->unread : &t->closed;
}

struct connection *connections_find(const struct connections *t, const struct pk_flow *key)
{
	struct connection *c = t->table[bucket_of(t, key)];

	while (c && !same_key(&c->key, key))
		c = c->chain;
	return c;
}

struct connection *connections_find_pair(const struct connections *t, const struct endpoint *peer,
					 const struct endpoint *local, uint32_t netns)
{
	struct connection *found = NULL;

	for (struct connection *c = t->pairs[pair_bucket(t, peer, local, netns)]; c; c = c->pair_chain) {
		if (c->end.time_ns || c->flow.netns != netns || c->flow.peer.port != peer->port ||
		    c->flow.local.port != local->port || !addr_equal(&c->flow.peer.addr, &peer->addr) ||
		    !addr_equal(&c->flow.local.addr, &local->addr))
			continue;
		if (found)
			return NULL;
		found = c;
	}
	return found;
}

struct connection *connections_add(struct connections *t, const struct pk_flow *key, uint64_t now_ns)
{
	if (t->count == t->max)
		return NULL;
	struct connection *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->key = *key;
	c->flow = (struct flow){
		.connection_id = key->cookie,
		.netns = key->netns,
		.peer = {addr_from_bytes(key->family, key->peer_addr), key->peer_port},
		.local = {addr_from_bytes(key->family, key->local_addr), key->local_port},
	};
	c->opened_ns = c->last_ns = now_ns;
	struct connection **bucket = &t->table[bucket_of(t, key)];
	c->chain = *bucket;
	*bucket = c;
	bucket = &t->pairs[pair_bucket(t, &c->flow.peer, &c->flow.local, c->flow.netns)];
	c->pair_chain = *bucket;
	*bucket = c;
	list_add(&t->live, c);
	t->count++;
	return c;
}

void connections_touch(struct connections *t, struct connection *c, uint64_t now_ns)
{
	struct list *l = list_of(t, c);

	c->last_ns = MAX(c->last_ns, now_ns);
	/* The closed keep the order in which they ended. */
	if (l != &t->live || l->newest == c)
		return;
	list_take(l, c);
	list_add(l, c);
}

void connections_close(struct connections *t, struct connection *c)
{
	list_take(&t->live, c);
	list_add(list_of(t, c), c);
}

void connections_remove(struct connections *t, struct connection *c)
{
	struct connection **at = &t->table[bucket_of(t, &c->key)];

	while (*at != c)
		at = &(*at)->chain;
	*at = c->chain;
	at = &t->pairs[pair_bucket(t, &c->flow.peer, &c->flow.local, c->flow.netns)];
	while (*at != c)
		at = &(*at)->pair_chain;
	*at = c->pair_chain;
	list_take(list_of(t, c), c);
	t->count--;
	buffer_free(&c->stream.head);
	free(c->proxied);
	free(c->tls);
	event_unref(c->hello);
	exchange_free(c->exchange);
	free(c);
}

struct connection *connections_oldest(const struct connections *t)
{
	return t->live.oldest;
}

struct connection *connections_oldest_closed(const struct connections *t)
{
	return t->closed.oldest;
}

struct connection *connections_oldest_unread(const struct connections *t)
{
	return t->unread.oldest;
}

size_t connections_count(const struct connections *t)
{
	return t->count;
}

bool connections_full(const struct connections *t)
{
	return t->count == t->max;
}

void connections_free(struct connections *t)
{
	if (!t)
		return;
	while (t->closed.oldest)
		connections_remove(t, t->closed.oldest);
	while (t->unread.oldest)
		connections_remove(t, t->unread.oldest);
	while (t->live.oldest)
		connections_remove(t, t->live.oldest);
	free(t->pairs);
	free(t);
}
