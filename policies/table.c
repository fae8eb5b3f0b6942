// SPDX-License-Identifier: Apache-2.0
#include "policies/table.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int table_init(struct table *t, size_t capacity)
{
	struct table fresh = {0};
	size_t slots = 16;

	if (capacity > SIZE_MAX / 4 / sizeof *fresh.slots)
		return -EINVAL;
	while (slots < capacity)
		slots *= 2;
	if (getrandom(fresh.key, sizeof fresh.key, 0) != (ssize_t)sizeof fresh.key)
		return -errno;
	fresh.slots = calloc(slots, sizeof *fresh.slots);
	if (!fresh.slots)
		return -ENOMEM;
	fresh.mask = slots - 1;
	*t = fresh;
	return 0;
}

void table_deinit(struct table *t)
{
	free(t->slots);
	*t = (struct table){0};
}

static inline uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

/* SipHash with one round a word and three at the end, as hash tables use it. Words in host order: it never
 * leaves this machine. */
uint64_t table_hash_keyed(const uint64_t key[static 2], const void *bytes, size_t len)
{
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575ull,
		key[1] ^ 0x646f72616e646f6dull,
		key[0] ^ 0x6c7967656e657261ull,
		key[1] ^ 0x7465646279746573ull,
	};
	const char *at = bytes;
	size_t left = len;
	uint64_t word;

	for (; left >= sizeof word; at += sizeof word, left -= sizeof word) {
		memcpy(&word, at, sizeof word);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = 0;
	if (left)
		memcpy(&word, at, left);
	word ^= (uint64_t)len << 56;
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t table_hash(const struct table *t, const void *bytes, size_t len)
{
	return table_hash_keyed(t->key, bytes, len);
}

void table_add(struct table *t, struct table_node *n, uint64_t hash)
{
	struct table_node **slot = &t->slots[hash & t->mask];

	n->hash = hash;
	n->next = *slot;
	*slot = n;
	t->count++;
}

void table_remove(struct table *t, struct table_node *n)
{
	struct table_node **at = &t->slots[n->hash & t->mask];

	while (*at && *at != n)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = n->next;
	n->next = NULL;
	t->count--;
}

static struct table_node *same_hash(struct table_node *n, uint64_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

struct table_node *table_first(const struct table *t, uint64_t hash)
{
	return same_hash(t->slots[hash & t->mask], hash);
}

struct table_node *table_next(const struct table_node *n)
{
	return same_hash(n->next, n->hash);
}
