// SPDX-License-Identifier: Apache-2.0
/*
 * deny.c: see deny.h. Which map an entry belongs to follows from family and length alone, so that an entry is
 * found again without a search.
 */
#include "policies/deny.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "policies/deny_filter.h"
#include "policies/deny_hash.h"

struct deny {
	struct deny_maps maps;
	struct deny_hash hash4, hash6;
	uint32_t nets;    /* entries of the tries */
	uint32_t stale;   /* entries taken out that the filters still let through */
	bool allow_stale; /* pk_allow_none is asked about less than could be */
	struct deny_filter filter;
};

/* --- where an entry stands --- */

/* A hash, or a trie, and the key there. */
struct place {
	struct deny_hash *hash; /* NULL: the trie */
	int trie;
	union {
		__u32 exact4;
		struct pk_addr6 exact6;
		struct pk_lpm4 trie4;
		struct pk_lpm6 trie6;
	} key;
};

static void place_trie(struct place *p, int map4, int map6, const struct prefix *net)
{
	memset(p, 0, sizeof(*p));
	if (net->addr.family == ADDR_IPV4) {
		p->trie = map4;
		p->key.trie4.bits = net->bits;
		memcpy(p->key.trie4.addr, net->addr.bytes, 4);
	} else {
		p->trie = map6;
		p->key.trie6.bits = net->bits;
		memcpy(p->key.trie6.addr, net->addr.bytes, 16);
	}
}

static bool well_formed(const struct prefix *target)
{
	return (target->addr.family == ADDR_IPV4 || target->addr.family == ADDR_IPV6) &&
	       target->bits <= addr_bits(&target->addr);
}

/* Who only reads the place does not change what it names. */
static int place_of(struct place *p, const struct deny *d, const struct prefix *target)
{
	struct deny *w = (struct deny *)d;

	if (!well_formed(target))
		return -EINVAL;
	if (!prefix_is_exact(target)) {
		place_trie(p, d->maps.deny4p, d->maps.deny6p, target);
		return 0;
	}
	memset(p, 0, sizeof(*p));
	if (target->addr.family == ADDR_IPV4) {
		p->hash = &w->hash4;
		memcpy(&p->key.exact4, target->addr.bytes, 4);
	} else {
		p->hash = &w->hash6;
		memcpy(p->key.exact6.addr, target->addr.bytes, 16);
	}
	return 0;
}

static struct pk_hit_key hit_key(const struct prefix *target)
{
	struct pk_hit_key key = {.family = target->addr.family, .bits = target->bits};

	memcpy(key.addr, target->addr.bytes, target->addr.family == ADDR_IPV4 ? 4 : 16);
	return key;
}

/* --- tries --- */

static int trie_put(int map, const void *key, const void *value)
{
	if (bpf_map_update_elem(map, key, value, BPF_ANY) == 0)
		return 0;
	return errno == ENOSPC ? DENY_E_FULL : -errno;
}

static int trie_take(int map, const void *key)
{
	if (bpf_map_delete_elem(map, key) == 0)
		return 0;
	return errno == ENOENT ? DENY_E_NONE : -errno;
}

/* A trie answers with the longest prefix that contains the key, which may be a shorter one. */
static int trie_get(int map, const void *key, uint8_t bits, struct pk_deny *ret)
{
	struct pk_deny value;

	if (bpf_map_lookup_elem(map, key, &value) < 0)
		return errno == ENOENT ? DENY_E_NONE : -errno;
	if (value.bits != bits)
		return DENY_E_NONE;
	*ret = value;
	return 0;
}

typedef struct prefix (*key_reader)(const void *key);

static struct prefix read_trie4(const void *key)
{
	const struct pk_lpm4 *k = key;
	struct prefix p = {.addr.family = ADDR_IPV4, .bits = (uint8_t)k->bits};

	memcpy(p.addr.bytes, k->addr, 4);
	return p;
}

static struct prefix read_trie6(const void *key)
{
	const struct pk_lpm6 *k = key;
	struct prefix p = {.addr.family = ADDR_IPV6, .bits = (uint8_t)k->bits};

	memcpy(p.addr.bytes, k->addr, 16);
	return p;
}

typedef int (*entry_fn)(void *arg, const struct prefix *target, const struct pk_deny *value);

/* The key after is fetched before each is called, so that each may remove what it is shown. */
static int trie_each(int map, key_reader read, entry_fn each, void *arg)
{
	uint8_t keys[2][sizeof(struct pk_lpm6)];
	struct pk_deny value;
	int at = 0, r;

	if (bpf_map_get_next_key(map, NULL, keys[at]) < 0)
		return errno == ENOENT ? 0 : -errno;
	for (;;) {
		int more = bpf_map_get_next_key(map, keys[at], keys[!at]);
		int error = errno;

		if (bpf_map_lookup_elem(map, keys[at], &value) == 0) {
			struct prefix target = read(keys[at]);

			r = each(arg, &target, &value);
			if (r)
				return r;
		}
		if (more < 0)
			return error == ENOENT ? 0 : -error;
		at = !at;
	}
}

/* --- all entries --- */

struct exact_visit {
	uint8_t family;
	entry_fn each;
	void *arg;
};

static int exact_visit(void *arg, const void *key, const struct pk_deny *value)
{
	const struct exact_visit *v = arg;
	struct prefix target = {.addr.family = v->family, .bits = v->family == ADDR_IPV4 ? 32 : 128};

	memcpy(target.addr.bytes, key, v->family == ADDR_IPV4 ? 4 : 16);
	return v->each(v->arg, &target, value);
}

/* Each may be removed while it is shown. */
static int walk(const struct deny *d, entry_fn each, void *arg)
{
	struct exact_visit v4 = {ADDR_IPV4, each, arg}, v6 = {ADDR_IPV6, each, arg};
	int r = deny_hash_each(&d->hash4, exact_visit, &v4);

	if (!r)
		r = deny_hash_each(&d->hash6, exact_visit, &v6);
	if (!r)
		r = trie_each(d->maps.deny4p, read_trie4, each, arg);
	if (!r)
		r = trie_each(d->maps.deny6p, read_trie6, each, arg);
	return r;
}

/* Counts what is shown: somebody else may have changed the maps. */
struct recount {
	uint32_t exact4, exact6, nets;
	entry_fn each;
	void *arg;
};

static int count_one(void *arg, const struct prefix *target, const struct pk_deny *value)
{
	struct recount *c = arg;

	if (!prefix_is_exact(target))
		c->nets++;
	else if (target->addr.family == ADDR_IPV4)
		c->exact4++;
	else
		c->exact6++;
	return c->each(c->arg, target, value);
}

int deny_each(struct deny *d, entry_fn each, void *arg)
{
	struct recount c = {.each = each, .arg = arg};
	int r = walk(d, count_one, &c);

	if (r)
		return r;
	d->hash4.count = c.exact4;
	d->hash6.count = c.exact6;
	d->nets = c.nets;
	return 0;
}

uint32_t deny_count(const struct deny *d)
{
	return d->hash4.count + d->hash6.count + d->nets;
}

/* --- the filters --- */

static uint32_t exact_count(const struct deny *d)
{
	return d->hash4.count + d->hash6.count;
}

static int filter_one(void *arg, const struct prefix *target, const struct pk_deny *value)
{
	struct deny *d = arg;

	(void)value;
	deny_filter_add(&d->filter, target);
	return 0;
}

/* Makes the filters anew from what the maps hold, with room for so many exact addresses. Should that fail the
 * maps are asked without. */
static int filter_make(struct deny *d, uint32_t entries)
{
	deny_filter_begin(&d->filter, entries);
	int r = deny_each(d, filter_one, d);
	if (r) {
		deny_filter_init(&d->filter, d->maps.head, d->maps.bits, d->maps.bits_words, d->maps.nets);
		return r;
	}
	d->stale = 0;
	deny_filter_commit(&d->filter, deny_count(d) == 0);
	return 0;
}

size_t deny_filter_words(uint32_t max)
{
	size_t half = 64;

	while (half * 4 < max)
		half *= 2;
	return half * 2;
}

/* --- one entry --- */

static struct pk_deny value_of(const struct prefix *target, uint64_t deadline_ns, enum pk_action action,
			       enum pk_scope scope, uint8_t source)
{
	uint64_t deadline_s = deadline_ns / NS_PER_S + (deadline_ns % NS_PER_S != 0);

	return (struct pk_deny){
		.deadline_s = deadline_s > UINT32_MAX ? UINT32_MAX : (uint32_t)deadline_s,
		.action = action,
		.scope = scope,
		.source = source,
		.bits = target->bits,
	};
}

static int place_put(struct deny *d, const struct place *p, const struct pk_deny *value)
{
	struct pk_deny old;

	if (p->hash) {
		int r = deny_hash_put(p->hash, &p->key, value);
		return r == DENY_HASH_FULL ? DENY_E_FULL : r;
	}
	bool had = trie_get(p->trie, &p->key, value->bits, &old) == 0;
	int r = trie_put(p->trie, &p->key, value);
	if (!r && !had)
		d->nets++;
	return r;
}

int deny_put(struct deny *d, const struct prefix *target, uint64_t deadline_ns, enum pk_action action,
	     enum pk_scope scope, uint8_t source)
{
	struct pk_deny value = value_of(target, deadline_ns, action, scope, source);
	struct place p;
	int r = place_of(&p, d, target);

	if (r < 0)
		return r;
	if (!deny_filter_fits(&d->filter, exact_count(d) + 1)) {
		r = filter_make(d, exact_count(d) + 1);
		if (r)
			return r;
	}
	deny_filter_add(&d->filter, target);
	return place_put(d, &p, &value);
}

/* Too much of what they let through is not there any more: a look at every entry, when half of them went. */
#define STALE_MIN 1024

int deny_remove(struct deny *d, const struct prefix *target)
{
	struct pk_hit_key hit = hit_key(target);
	struct place p;
	int r = place_of(&p, d, target);

	if (r < 0)
		return r;
	if (p.hash) {
		r = deny_hash_remove(p.hash, &p.key);
		r = r == DENY_HASH_NONE ? DENY_E_NONE : r;
	} else {
		r = trie_take(p.trie, &p.key);
		d->nets -= r == 0 && d->nets > 0;
	}
	(void)bpf_map_delete_elem(d->maps.hits, &hit); /* there is none if nothing was dropped */
	if (r == 0 && (++d->stale > deny_count(d) + STALE_MIN || deny_count(d) == 0))
		(void)filter_make(d, exact_count(d)); /* if it fails the maps are asked without */
	return r;
}

int deny_get(const struct deny *d, const struct prefix *target, struct pk_deny *ret)
{
	struct place p;
	int r = place_of(&p, d, target);

	if (r < 0)
		return r;
	if (!p.hash)
		return trie_get(p.trie, &p.key, target->bits, ret);
	r = deny_hash_get(p.hash, &p.key, ret);
	return r == DENY_HASH_NONE ? DENY_E_NONE : r;
}

int deny_match(const struct deny *d, const struct addr *addr, struct pk_deny *ret)
{
	const struct prefix exact = {.addr = *addr, .bits = addr_bits(addr)};
	struct place p;
	int r = deny_get(d, &exact, ret);

	if (r != DENY_E_NONE)
		return r;
	place_trie(&p, d->maps.deny4p, d->maps.deny6p, &exact);
	if (bpf_map_lookup_elem(p.trie, &p.key, ret) < 0)
		return errno == ENOENT ? DENY_E_NONE : -errno;
	return 0;
}

/* --- many --- */

int deny_reserve(struct deny *d, uint32_t exact4, uint32_t exact6)
{
	int r = deny_hash_reserve(&d->hash4, exact4);

	if (!r)
		r = deny_hash_reserve(&d->hash6, exact6);
	uint32_t entries = MIN(exact4, d->hash4.max) + MIN(exact6, d->hash6.max);
	if (r || deny_filter_fits(&d->filter, entries))
		return r;
	return filter_make(d, entries);
}

/* Exact addresses of one family, keys and values side by side. */
struct columns {
	struct deny_hash *hash;
	uint8_t *keys;
	struct pk_deny *values;
	uint32_t count, fresh; /* fresh: not in the hash yet, as far as is known */
};

static bool is_held(const struct deny *d, const struct deny_hash *hash, const struct addr *addr)
{
	struct pk_deny value;

	/* Most of a new list never was here, and the filter knows without a system call. */
	return deny_filter_may_hold(&d->filter, addr) && deny_hash_get(hash, addr->bytes, &value) == 0;
}

/* Each goes into the filter here, before it is put. One that is named twice counts twice until deny_each. */
static int columns_fill(struct columns *c, struct deny *d, uint8_t family, const struct deny_entry *entries,
			size_t count, bool *full)
{
	uint32_t size = c->hash->key_size;
	int r = 0;

	c->keys = malloc(count * size + 1);
	c->values = malloc(count * sizeof *c->values + 1);
	if (!c->keys || !c->values)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct deny_entry *e = &entries[i];

		if (e->target.addr.family != family || !prefix_is_exact(&e->target))
			continue;
		bool fresh = !is_held(d, c->hash, &e->target.addr);
		if (fresh && c->hash->count + c->fresh >= c->hash->max) {
			if (full)
				full[i] = true;
			r = DENY_E_FULL;
			continue;
		}
		c->fresh += fresh;
		deny_filter_add(&d->filter, &e->target);
		memcpy(c->keys + (size_t)c->count * size, e->target.addr.bytes, size);
		c->values[c->count] = e->value;
		c->values[c->count++].bits = e->target.bits;
	}
	return r;
}

static int columns_load(struct columns *c)
{
	int r = deny_hash_reserve(c->hash, c->hash->count + c->fresh);

	if (!r)
		r = deny_hash_put_many(c->hash, c->keys, c->values, c->count);
	if (!r)
		c->hash->count += c->fresh;
	return r == DENY_HASH_FULL ? DENY_E_FULL : r;
}

static int exact_load(struct deny *d, uint8_t family, const struct deny_entry *entries, size_t count,
		      bool *full)
{
	struct columns c = {.hash = family == ADDR_IPV4 ? &d->hash4 : &d->hash6};
	int filled = columns_fill(&c, d, family, entries, count, full), r = 0;

	if (filled >= 0 && c.count)
		r = columns_load(&c);
	free(c.keys);
	free(c.values);
	return r ? r : filled;
}

static int nets_load(struct deny *d, const struct deny_entry *entries, size_t count, bool *full)
{
	int worst = 0;

	for (size_t i = 0; i < count; i++) {
		struct pk_deny value = entries[i].value;
		struct place p;

		if (prefix_is_exact(&entries[i].target) || place_of(&p, d, &entries[i].target))
			continue;
		value.bits = entries[i].target.bits;
		deny_filter_add(&d->filter, &entries[i].target);
		int r = place_put(d, &p, &value);
		if (r < 0)
			return r;
		if (r && full)
			full[i] = true;
		worst = r ? r : worst;
	}
	return worst;
}

int deny_load(struct deny *d, const struct deny_entry *entries, size_t count, bool *full)
{
	for (size_t i = 0; i < count; i++)
		if (!well_formed(&entries[i].target))
			return -EINVAL;
	uint32_t all = (uint32_t)MIN((uint64_t)exact_count(d) + count, (uint64_t)UINT32_MAX);
	int r = deny_filter_fits(&d->filter, all) ? 0 : filter_make(d, all);
	if (r)
		return r;
	r = exact_load(d, ADDR_IPV4, entries, count, full);
	int r6 = r < 0 ? 0 : exact_load(d, ADDR_IPV6, entries, count, full);
	int nets = r < 0 || r6 < 0 ? 0 : nets_load(d, entries, count, full);

	return r < 0 ? r : r6 < 0 ? r6 : nets < 0 ? nets : r ? r : r6 ? r6 : nets;
}

/* --- of others --- */

#define COPY_MAX 4096

struct copying {
	struct deny *deny;
	struct deny_entry *entries; /* COPY_MAX */
	size_t count;
	int copied;
};

static int copy_flush(struct copying *c)
{
	int r = deny_load(c->deny, c->entries, c->count, NULL);

	if (r < 0)
		return r;
	c->copied += (int)c->count;
	c->count = 0;
	return 0;
}

static int copy_one(void *arg, const struct prefix *target, const struct pk_deny *value)
{
	struct copying *c = arg;

	c->entries[c->count++] = (struct deny_entry){.target = *target, .value = *value};
	return c->count == COPY_MAX ? copy_flush(c) : 0;
}

static int copy_hash(struct copying *c, int fd, uint8_t family)
{
	struct exact_visit visit = {family, copy_one, c};
	const struct deny_hash from = {.fd = fd, .key_size = family == ADDR_IPV4 ? 4 : DENY_KEY_MAX};

	return fd < 0 ? 0 : deny_hash_each(&from, exact_visit, &visit);
}

int deny_copy(struct deny *d, int deny4, int deny6, int deny4p, int deny6p)
{
	_cleanup_free_ struct deny_entry *entries = malloc(COPY_MAX * sizeof *entries);
	struct copying c = {.deny = d, .entries = entries};

	if (!entries)
		return -ENOMEM;
	int r = copy_hash(&c, deny4, ADDR_IPV4);
	if (!r)
		r = copy_hash(&c, deny6, ADDR_IPV6);
	if (!r && deny4p >= 0)
		r = trie_each(deny4p, read_trie4, copy_one, &c);
	if (!r && deny6p >= 0)
		r = trie_each(deny6p, read_trie6, copy_one, &c);
	if (!r)
		r = copy_flush(&c);
	return r ? r : c.copied;
}

int deny_exact_fd(const struct deny *d, uint8_t family)
{
	return family == ADDR_IPV4 ? d->hash4.fd : d->hash6.fd;
}

/* --- begin and end --- */

int deny_new(const struct deny_maps *maps, uint32_t max, struct deny **ret)
{
	struct deny *d = calloc(1, sizeof *d);

	if (!d)
		return -ENOMEM;
	d->maps = *maps;
	deny_filter_init(&d->filter, maps->head, maps->bits, maps->bits_words, maps->nets);
	int r = deny_hash_init(&d->hash4, maps->deny4_set, maps->deny4, max);
	if (!r)
		r = deny_hash_init(&d->hash6, maps->deny6_set, maps->deny6, max);
	d->hash4.replaced = d->hash6.replaced = maps->replaced;
	d->hash4.arg = d->hash6.arg = maps->arg;
	if (!r)
		r = filter_make(d, exact_count(d));
	d->allow_stale = true;
	if (!r)
		r = allow_settle(d);
	if (r) {
		deny_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void deny_free(struct deny *d)
{
	if (!d)
		return;
	deny_hash_deinit(&d->hash4);
	deny_hash_deinit(&d->hash6);
	free(d);
}

void deny_rate_set(struct deny *d, uint32_t per_second, uint32_t burst)
{
	uint64_t cost = per_second ? NS_PER_S / per_second : 0;

	d->maps.head->rate_cost_ns = cost;
	d->maps.head->rate_burst_ns = cost * burst;
}

/* --- hits --- */

int deny_hits(const struct deny *d, const struct prefix *target, struct pk_hit *ret)
{
	struct pk_hit_key key = hit_key(target);
	struct pk_hit hit;

	if (bpf_map_lookup_elem(d->maps.hits, &key, &hit) < 0)
		return errno == ENOENT ? DENY_E_NONE : -errno;
	*ret = hit;
	return 0;
}

int deny_hits_page(const struct deny *d, struct pk_hit_key *cursor, struct deny_hit *ret, unsigned max)
{
	struct pk_hit_key next;
	unsigned n = 0;

	while (n < max) {
		if (bpf_map_get_next_key(d->maps.hits, cursor->family ? cursor : NULL, &next) < 0) {
			if (errno != ENOENT)
				return -errno;
			memset(cursor, 0, sizeof *cursor);
			break;
		}
		*cursor = next;
		if (bpf_map_lookup_elem(d->maps.hits, &next, &ret[n].hit) < 0)
			continue; /* its entry was removed just now */
		ret[n].target = (struct prefix){.addr.family = next.family, .bits = next.bits};
		memcpy(ret[n].target.addr.bytes, next.addr, sizeof next.addr);
		n++;
	}
	return (int)n;
}

struct sweep {
	struct deny *deny;
	uint64_t now_s;
	int removed;
};

static int sweep_one(void *arg, const struct prefix *target, const struct pk_deny *value)
{
	struct sweep *s = arg;
	int r;

	if (s->now_s < value->deadline_s)
		return 0;
	r = deny_remove(s->deny, target);
	if (r == 0)
		s->removed++;
	return r < 0 ? r : 0;
}

int deny_sweep(struct deny *d, uint64_t now_ns)
{
	struct sweep s = {.deny = d, .now_s = now_ns / NS_PER_S};
	int r = walk(d, sweep_one, &s);

	return r < 0 ? r : s.removed;
}

int allow_put(struct deny *d, const struct prefix *net)
{
	struct place p;
	__u32 value = 1;

	if (net->addr.family == ADDR_NONE || net->bits > addr_bits(&net->addr))
		return -EINVAL;
	place_trie(&p, d->maps.allow4, d->maps.allow6, net);
	deny_allow_add(d->maps.allow_none, net);
	return trie_put(p.trie, &p.key, &value);
}

int allow_remove(struct deny *d, const struct prefix *net)
{
	struct place p;

	if (net->addr.family == ADDR_NONE || net->bits > addr_bits(&net->addr))
		return -EINVAL;
	place_trie(&p, d->maps.allow4, d->maps.allow6, net);
	d->allow_stale = true;
	return trie_take(p.trie, &p.key);
}

static int allow_one(void *arg, const struct prefix *net, const struct pk_deny *value)
{
	(void)value; /* there is more room than it has */
	deny_allow_add(arg, net);
	return 0;
}

int allow_settle(struct deny *d)
{
	uint64_t fresh[2 * PK_NET_WORDS];

	if (!d->allow_stale)
		return 0;
	memset(fresh, 0xff, sizeof fresh);
	int r = trie_each(d->maps.allow4, read_trie4, allow_one, fresh);
	if (!r)
		r = trie_each(d->maps.allow6, read_trie6, allow_one, fresh);
	for (size_t i = 0; i < ARRAY_SIZE(fresh); i++)
		__atomic_store_n(&d->maps.allow_none[i], r ? 0 : fresh[i], __ATOMIC_RELEASE);
	d->allow_stale = r != 0;
	return r;
}
