// SPDX-License-Identifier: Apache-2.0
/*
 * deny.c: see deny.h. Which of the four deny maps an entry belongs to follows from family and length alone,
 * so that an entry is found again without a search.
 */
#include "policies/deny.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "lib/util.h"

/* Where an entry stands: a map and its key there. */
struct place {
	int map;
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
		p->map = map4;
		p->key.trie4.bits = net->bits;
		memcpy(p->key.trie4.addr, net->addr.bytes, 4);
	} else {
		p->map = map6;
		p->key.trie6.bits = net->bits;
		memcpy(p->key.trie6.addr, net->addr.bytes, 16);
	}
}

static int place_of(struct place *p, const struct deny_maps *m, const struct prefix *target)
{
	if (target->addr.family != ADDR_IPV4 && target->addr.family != ADDR_IPV6)
		return -EINVAL;
	if (target->bits > addr_bits(&target->addr))
		return -EINVAL;
	if (!prefix_is_exact(target)) {
		place_trie(p, m->deny4p, m->deny6p, target);
		return 0;
	}
	memset(p, 0, sizeof(*p));
	if (target->addr.family == ADDR_IPV4) {
		p->map = m->deny4;
		memcpy(&p->key.exact4, target->addr.bytes, 4);
	} else {
		p->map = m->deny6;
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

/* A full hash says E2BIG, a full trie ENOSPC. */
static int put(int map, const void *key, const void *value)
{
	if (bpf_map_update_elem(map, key, value, BPF_ANY) == 0)
		return 0;
	return errno == E2BIG || errno == ENOSPC ? DENY_E_FULL : -errno;
}

static int take(int map, const void *key)
{
	if (bpf_map_delete_elem(map, key) == 0)
		return 0;
	return errno == ENOENT ? DENY_E_NONE : -errno;
}

int deny_put(const struct deny_maps *m, const struct prefix *target, uint64_t deadline_ns,
	     enum pk_action action, enum pk_scope scope, uint8_t source)
{
	uint64_t deadline_s = deadline_ns / NS_PER_S + (deadline_ns % NS_PER_S != 0);
	struct pk_deny value = {
		.deadline_s = deadline_s > UINT32_MAX ? UINT32_MAX : (uint32_t)deadline_s,
		.action = action,
		.scope = scope,
		.source = source,
		.bits = target->bits,
	};
	struct place p;
	int r = place_of(&p, m, target);

	return r < 0 ? r : put(p.map, &p.key, &value);
}

int deny_remove(const struct deny_maps *m, const struct prefix *target)
{
	struct pk_hit_key hit = hit_key(target);
	struct place p;
	int r = place_of(&p, m, target);

	if (r < 0)
		return r;
	r = take(p.map, &p.key);
	(void)bpf_map_delete_elem(m->hits, &hit); /* there is none if nothing was dropped */
	return r;
}

int deny_get(const struct deny_maps *m, const struct prefix *target, struct pk_deny *ret)
{
	struct pk_deny value;
	struct place p;
	int r = place_of(&p, m, target);

	if (r < 0)
		return r;
	if (bpf_map_lookup_elem(p.map, &p.key, &value) < 0)
		return errno == ENOENT ? DENY_E_NONE : -errno;
	/* A trie answers with the longest prefix that contains the key, which may be a shorter one. */
	if (value.bits != target->bits)
		return DENY_E_NONE;
	*ret = value;
	return 0;
}

int deny_hits(const struct deny_maps *m, const struct prefix *target, struct pk_hit *ret)
{
	struct pk_hit_key key = hit_key(target);
	struct pk_hit hit;

	if (bpf_map_lookup_elem(m->hits, &key, &hit) < 0)
		return errno == ENOENT ? DENY_E_NONE : -errno;
	*ret = hit;
	return 0;
}

int deny_hits_page(const struct deny_maps *m, struct pk_hit_key *cursor, struct deny_hit *ret, unsigned max)
{
	struct pk_hit_key next;
	unsigned n = 0;

	while (n < max) {
		if (bpf_map_get_next_key(m->hits, cursor->family ? cursor : NULL, &next) < 0) {
			if (errno != ENOENT)
				return -errno;
			memset(cursor, 0, sizeof *cursor);
			break;
		}
		*cursor = next;
		if (bpf_map_lookup_elem(m->hits, &next, &ret[n].hit) < 0)
			continue; /* its entry was removed just now */
		ret[n].target = (struct prefix){.addr.family = next.family, .bits = next.bits};
		memcpy(ret[n].target.addr.bytes, next.addr, sizeof next.addr);
		n++;
	}
	return (int)n;
}

typedef struct prefix (*key_reader)(const void *key);

static struct prefix read_exact4(const void *key)
{
	struct prefix p = {.addr.family = ADDR_IPV4, .bits = 32};

	memcpy(p.addr.bytes, key, 4);
	return p;
}

static struct prefix read_exact6(const void *key)
{
	struct prefix p = {.addr.family = ADDR_IPV6, .bits = 128};

	memcpy(p.addr.bytes, key, 16);
	return p;
}

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

/* The key after is fetched before each is called, so that each may remove what it is shown. */
static int walk(int map, key_reader read, int (*each)(void *, const struct prefix *, const struct pk_deny *),
		void *arg)
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

int deny_each(const struct deny_maps *m,
	      int (*each)(void *arg, const struct prefix *target, const struct pk_deny *value), void *arg)
{
	int r = walk(m->deny4, read_exact4, each, arg);

	if (!r)
		r = walk(m->deny6, read_exact6, each, arg);
	if (!r)
		r = walk(m->deny4p, read_trie4, each, arg);
	if (!r)
		r = walk(m->deny6p, read_trie6, each, arg);
	return r;
}

struct sweep {
	const struct deny_maps *maps;
	uint64_t now_s;
	int removed;
};

static int sweep_one(void *arg, const struct prefix *target, const struct pk_deny *value)
{
	struct sweep *s = arg;
	int r;

	if (s->now_s < value->deadline_s)
		return 0;
	r = deny_remove(s->maps, target);
	if (r == 0)
		s->removed++;
	return r < 0 ? r : 0;
}

int deny_sweep(const struct deny_maps *m, uint64_t now_ns)
{
	struct sweep s = {.maps = m, .now_s = now_ns / NS_PER_S};
	int r = deny_each(m, sweep_one, &s);

	return r < 0 ? r : s.removed;
}

int allow_put(const struct deny_maps *m, const struct prefix *net)
{
	struct place p;
	__u32 value = 1;

	if (net->addr.family == ADDR_NONE || net->bits > addr_bits(&net->addr))
		return -EINVAL;
	place_trie(&p, m->allow4, m->allow6, net);
	return put(p.map, &p.key, &value);
}

int allow_remove(const struct deny_maps *m, const struct prefix *net)
{
	struct place p;

	if (net->addr.family == ADDR_NONE || net->bits > addr_bits(&net->addr))
		return -EINVAL;
	place_trie(&p, m->allow4, m->allow6, net);
	return take(p.map, &p.key);
}
