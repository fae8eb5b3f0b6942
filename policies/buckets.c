// SPDX-License-Identifier: Apache-2.0
#include "policies/buckets.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED); /* one writer */
}

int buckets_init(struct buckets *b, size_t item, size_t max)
{
	*b = (struct buckets){.item = item, .max = max};
	TAILQ_INIT(&b->by_age);
	return table_init(&b->table, max);
}

void buckets_deinit(struct buckets *b)
{
	struct bucket *one;

	while (b->item && (one = TAILQ_FIRST(&b->by_age))) {
		TAILQ_REMOVE(&b->by_age, one, age);
		free(one->seen);
		free(one);
	}
	table_deinit(&b->table);
	b->item = 0;
}

struct prefix bucket_group(const struct addr *a)
{
	bool link_local = a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;

	return prefix_of(a, a->family == ADDR_IPV6 && !link_local ? 64 : addr_bits(a));
}

static void key_fill(struct bucket_key *key, uint16_t rule, const struct prefix *group, uint64_t place)
{
	memset(key, 0, sizeof *key); /* padding is hashed too */
	key->group = *group;
	key->place = place;
	key->rule = rule;
}

static struct bucket *find(const struct buckets *b, const struct bucket_key *key, uint64_t hash)
{
	for (struct table_node *n = table_first(&b->table, hash); n; n = table_next(n)) {
		struct bucket *one = table_owner(n, struct bucket, node);
		if (one->key.rule == key->rule && one->key.place == key->place &&
		    prefix_equal(&one->key.group, &key->group))
			return one;
	}
	return NULL;
}

struct bucket *buckets_find(const struct buckets *b, uint16_t rule, const struct prefix *group)
{
	struct bucket_key key;

	key_fill(&key, rule, group, 0);
	return find(b, &key, table_hash(&b->table, &key, sizeof key));
}

/* Who makes room is in no cache; the next one of them is fetched while this one is worked on. */
static void fetch_ahead(const struct buckets *b)
{
	const char *next = (const char *)TAILQ_FIRST(&b->by_age);

	for (size_t at = 0; next && at < b->item; at += 64)
		__builtin_prefetch(next + at, 1, 2);
}

/* A bucket for another key: a new one, or the one idle longest, which is forgotten. */
static struct bucket *room(struct buckets *b)
{
	struct bucket *one;

	if (b->table.count < b->max) {
		one = calloc(1, b->item);
		if (one)
			count(&b->held);
		return one;
	}
	one = TAILQ_FIRST(&b->by_age);
	if (b->forget)
		b->forget(b->arg, one);
	TAILQ_REMOVE(&b->by_age, one, age);
	table_remove(&b->table, &one->node);
	free(one->seen);
	memset(one, 0, b->item);
	count(&b->forgotten);
	fetch_ahead(b);
	return one;
}

struct bucket *buckets_get(struct buckets *b, uint16_t rule, const struct prefix *group, uint64_t now_ns,
			   bool *ret_fresh)
{
	return buckets_get_at(b, rule, group, 0, now_ns, ret_fresh);
}

struct bucket *buckets_get_at(struct buckets *b, uint16_t rule, const struct prefix *group, uint64_t place,
			      uint64_t now_ns, bool *ret_fresh)
{
	struct bucket_key key;

	key_fill(&key, rule, group, place);
	uint64_t hash = table_hash(&b->table, &key, sizeof key);
	struct bucket *one = find(b, &key, hash);
	*ret_fresh = !one;
	if (one) {
		TAILQ_REMOVE(&b->by_age, one, age);
	} else {
		one = room(b);
		if (!one) {
			count(&b->no_memory);
			return NULL;
		}
		one->key = key;
		one->all.level_ns = one->sure.level_ns = now_ns;
		table_add(&b->table, &one->node, hash);
	}
	TAILQ_INSERT_TAIL(&b->by_age, one, age);
	return one;
}

/* --- counting --- */

static void leak(struct bucket_level *l, const struct bucket_limit *limit, uint64_t now_ns)
{
	if (now_ns > l->level_ns) {
		l->level -= (double)(now_ns - l->level_ns) / (double)limit->leak_ns;
		l->level_ns = now_ns;
	}
	if (l->level < 0)
		l->level = 0;
}

static bool pour(struct bucket_level *l, const struct bucket_limit *limit, unsigned n, uint64_t now_ns)
{
	leak(l, limit, now_ns);
	l->level += n;
	if (l->level > limit->threshold)
		l->level = limit->threshold;
	return l->level > limit->threshold - 1.0;
}

bool bucket_pour(struct bucket *b, const struct bucket_limit *limit, uint64_t now_ns)
{
	return pour(&b->all, limit, 1, now_ns);
}

bool bucket_pour_as(struct bucket *b, const struct bucket_limit *limit, bool sure, uint64_t now_ns,
		    bool *ret_sure)
{
	*ret_sure = pour(&b->sure, limit, sure, now_ns);
	return pour(&b->all, limit, 1, now_ns);
}

bool bucket_has_room(struct bucket *b, const struct bucket_limit *limit, uint64_t now_ns)
{
	leak(&b->all, limit, now_ns);
	return b->all.level + 1 <= limit->threshold;
}

void bucket_take(struct bucket *b, const struct bucket_limit *limit, unsigned n, uint64_t now_ns)
{
	leak(&b->all, limit, now_ns);
	b->all.level = b->all.level > n ? b->all.level - n : 0;
}

/* The place for a value that was not seen in this window: a fresh one, else that of the oldest. NULL: no
 * memory. */
static struct bucket_seen *seen_place(struct bucket *b, const struct bucket_limit *limit)
{
	struct bucket_seen *oldest = b->seen;

	if (b->seen_count < MAX(limit->threshold, limit->keep)) {
		if (b->seen_count == b->seen_size) {
			unsigned size = b->seen_size ? b->seen_size * 2 : 4;
			struct bucket_seen *bigger = realloc(b->seen, size * sizeof *bigger);
			if (!bigger)
				return NULL;
			b->seen = bigger;
			b->seen_size = size;
		}
		return &b->seen[b->seen_count++];
	}
	for (unsigned i = 1; i < b->seen_count; i++)
		if (b->seen[i].when_ns < oldest->when_ns)
			oldest = &b->seen[i];
	return oldest;
}

static bool is_fresh(uint64_t when_ns, const struct bucket_limit *limit, uint64_t now_ns)
{
	return now_ns < when_ns || now_ns - when_ns < limit->window_ns;
}

bool bucket_pour_distinct_as(struct buckets *all, struct bucket *b, const struct bucket_limit *limit,
			     struct span value, bool sure, uint64_t now_ns, bool *ret_sure)
{
	uint64_t hash = table_hash(&all->table, value.ptr, value.len);
	struct bucket_seen *place = NULL;
	unsigned fresh = 0, certain = 0;

	for (unsigned i = 0; i < b->seen_count && !place; i++)
		if (b->seen[i].hash == hash)
			place = &b->seen[i];
	bool known = place != NULL;
	if (!place)
		place = seen_place(b, limit);
	*ret_sure = false;
	if (!place) {
		count(&all->no_memory);
		return false;
	}
	if (!known)
		*place = (struct bucket_seen){.hash = hash, .when_ns = now_ns};
	if (!is_fresh(place->when_ns, limit, now_ns))
		place->value.times = 0;
	place->value.times++;
	place->when_ns = now_ns;
	if (sure)
		place->sure_ns = now_ns ? now_ns : 1;
	for (unsigned i = 0; i < b->seen_count; i++) {
		fresh += is_fresh(b->seen[i].when_ns, limit, now_ns);
		certain += b->seen[i].sure_ns && is_fresh(b->seen[i].sure_ns, limit, now_ns);
	}
	*ret_sure = certain >= limit->threshold;
	return fresh >= limit->threshold;
}

bool bucket_pour_distinct(struct buckets *all, struct bucket *b, const struct bucket_limit *limit,
			  struct span value, uint64_t now_ns)
{
	bool sure;

	return bucket_pour_distinct_as(all, b, limit, value, true, now_ns, &sure);
}

bool bucket_is_full(const struct bucket *b, const struct bucket_limit *limit, uint64_t now_ns)
{
	if (b->seen_count < MAX(limit->threshold, limit->keep))
		return false;
	for (unsigned i = 0; i < b->seen_count; i++)
		if (!is_fresh(b->seen[i].when_ns, limit, now_ns))
			return false;
	return true;
}

struct bucket_value *bucket_value(struct buckets *all, struct bucket *b, struct span value)
{
	uint64_t hash = table_hash(&all->table, value.ptr, value.len);

	for (unsigned i = 0; i < b->seen_count; i++)
		if (b->seen[i].hash == hash)
			return &b->seen[i].value;
	return NULL;
}

bool bucket_restore_seen(struct bucket *b, const struct bucket_seen *seen, unsigned count)
{
	struct bucket_seen *own = count ? malloc(count * sizeof *own) : NULL;

	if (count && !own)
		return false;
	if (count)
		memcpy(own, seen, count * sizeof *own);
	free(b->seen);
	b->seen = own;
	b->seen_count = b->seen_size = count;
	return true;
}

void bucket_empty(struct bucket *b)
{
	b->all.level = b->sure.level = 0;
	b->seen_count = 0;
}
