// SPDX-License-Identifier: Apache-2.0
/*
 * clients.c: a set-associative table of addresses and times. A bucket holds eight; outsiders choose
 * addresses, so the bucket is chosen by a hash with a secret and cannot be aimed at.
 */
#include "sensor/clients.h"
#include <errno.h>
#include <pthread.h>
#include <sys/random.h>
#include "lib/clock.h"
#include "lib/util.h"

#define WAYS 8

struct entry {
	struct addr addr; /* ADDR_NONE: free */
	uint64_t last_ns;
};

struct clients {
	pthread_mutex_t lock;
	uint64_t secret[2];
	size_t buckets; /* power of two */
	size_t count;
	struct entry entries[];
};

int clients_new(unsigned max, struct clients **ret)
{
	size_t buckets = 1;

	while (buckets * WAYS < max)
		buckets *= 2;
	struct clients *c = calloc(1, sizeof *c + buckets * WAYS * sizeof c->entries[0]);
	if (!c)
		return -ENOMEM;
	c->buckets = buckets;
	if (getrandom(c->secret, sizeof c->secret, 0) != (ssize_t)sizeof c->secret) {
		free(c);
		return -EIO;
	}
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return 0;
}

void clients_free(struct clients *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* Folded multiplication: every bit of the address and of the secret reaches every bit of the result. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static struct entry *bucket_of(struct clients *c, const struct addr *a)
{
	uint64_t w[2];

	memcpy(w, a->bytes, sizeof w);
	uint64_t h = mix(w[0] ^ c->secret[0], (w[1] + a->family) ^ c->secret[1] ^ 0x9e3779b97f4a7c15ull);
	h = mix(h ^ c->secret[1], c->secret[0] | 1);
	return &c->entries[(h & (c->buckets - 1)) * WAYS];
}

static struct entry *find(struct entry *bucket, const struct addr *a)
{
	for (unsigned i = 0; i < WAYS; i++)
		if (addr_equal(&bucket[i].addr, a))
			return &bucket[i];
	return NULL;
}

void clients_note(struct clients *c, const struct addr *peer, uint64_t now_ns)
{
	if (peer->family == ADDR_NONE)
		return;
	pthread_mutex_lock(&c->lock);
	struct entry *bucket = bucket_of(c, peer);
	struct entry *e = find(bucket, peer);
	if (!e) {
		e = bucket;
		for (unsigned i = 0; i < WAYS && e->addr.family != ADDR_NONE; i++)
			if (bucket[i].addr.family == ADDR_NONE || bucket[i].last_ns < e->last_ns)
				e = &bucket[i];
		c->count += e->addr.family == ADDR_NONE;
		*e = (struct entry){.addr = *peer};
	}
	e->last_ns = MAX(e->last_ns, now_ns);
	pthread_mutex_unlock(&c->lock);
}

bool clients_seen(struct clients *c, const struct prefix *target, uint64_t since_ns)
{
	bool seen = false;

	pthread_mutex_lock(&c->lock);
	if (prefix_is_exact(target)) {
		const struct entry *e = find(bucket_of(c, &target->addr), &target->addr);
		seen = e && e->addr.family != ADDR_NONE && e->last_ns >= since_ns;
	} else {
		for (size_t i = 0; i < c->buckets * WAYS && !seen; i++) {
			const struct entry *e = &c->entries[i];
			seen = e->addr.family != ADDR_NONE && e->last_ns >= since_ns &&
			       prefix_contains(target, &e->addr);
		}
	}
	pthread_mutex_unlock(&c->lock);
	return seen;
}

size_t clients_count(struct clients *c)
{
	pthread_mutex_lock(&c->lock);
	size_t n = c->count;
	pthread_mutex_unlock(&c->lock);
	return n;
}
