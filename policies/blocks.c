// SPDX-License-Identifier: Apache-2.0
#include "policies/blocks.h"
#include <errno.h>
#include "lib/util.h"
#include "policies/table.h"

/*
 * Two structures over the same entries: a hash table by target, and a binary heap by the time at which the
 * next claim of the entry is due to end. Entries know their place in the heap, so that an extension moves
 * them in logarithmic time.
 */
struct entry {
	struct block block;
	struct block_claim *claims; /* oldest first */
	struct table_node node;
	size_t heap_at;
	uint64_t due_ns; /* by which the heap is ordered */
};

#define SOURCES_MAX 64 /* beyond: their claims are not counted by source */

/* How many claims a source has, each gateway apart. */
struct claims_of {
	enum verdict_source source;
	char origin[VERDICT_ID_MAX]; /* of a gateway; else "" */
	size_t count;
};

/*
 * Before the table: how many entries fold to the same few bits. Who compares long block lists with this one
 * asks for a million targets that are not in it, and the table is as large as the list may be: each would
 * miss the cache.
 */
#define FOLDS 4096

struct blocks {
	uint32_t folds[FOLDS];
	struct table table;
	struct claims_of sources[SOURCES_MAX];
	unsigned source_count;
	struct entry **heap;
	size_t count, heap_size, max;
	size_t lengths[2][129]; /* entries per family and prefix length, for blocks_match */
};

static void entry_free(struct entry *e)
{
	free(e->claims);
	free(e);
}

int blocks_new(unsigned max, struct blocks **ret)
{
	struct blocks *b = calloc(1, sizeof *b);

	if (!b)
		return -ENOMEM;
	int r = table_init(&b->table, max);
	if (r) {
		free(b);
		return r;
	}
	b->max = max;
	*ret = b;
	return 0;
}

void blocks_free(struct blocks *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->count; i++)
		entry_free(b->heap[i]);
	free(b->heap);
	table_deinit(&b->table);
	free(b);
}

/* --- the heap --- */
static void heap_set(struct blocks *b, size_t at, struct entry *e)
{
	b->heap[at] = e;
	e->heap_at = at;
}

/* Puts e where it belongs, starting from the place it holds. */
static void heap_settle(struct blocks *b, struct entry *e)
{
	size_t at = e->heap_at;

	while (at > 0 && b->heap[(at - 1) / 2]->due_ns > e->due_ns) {
		heap_set(b, at, b->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= b->count)
			break;
		if (child + 1 < b->count && b->heap[child + 1]->due_ns < b->heap[child]->due_ns)
			child++;
		if (b->heap[child]->due_ns >= e->due_ns)
			break;
		heap_set(b, at, b->heap[child]);
		at = child;
	}
	heap_set(b, at, e);
}

static int heap_reserve(struct blocks *b)
{
	if (b->count < b->heap_size)
		return 0;
	size_t size = b->heap_size ? b->heap_size * 2 : 64;
	struct entry **heap = realloc(b->heap, size * sizeof *heap);
	if (!heap)
		return -ENOMEM;
	b->heap = heap;
	b->heap_size = size;
	return 0;
}

static void heap_remove(struct blocks *b, struct entry *e)
{
	struct entry *last = b->heap[--b->count];

	if (last == e)
		return;
	heap_set(b, e->heap_at, last);
	heap_settle(b, last);
}

/* --- the table --- */
struct target_key {
	uint8_t family, bits;
	uint8_t bytes[16];
};

static uint64_t target_hash(const struct blocks *b, const struct prefix *p)
{
	struct target_key key = {.family = p->addr.family, .bits = p->bits};

	memcpy(key.bytes, p->addr.bytes, sizeof key.bytes);
	return table_hash(&b->table, &key, sizeof key);
}

static size_t *length_slot(struct blocks *b, const struct prefix *p)
{
	return &b->lengths[p->addr.family == ADDR_IPV6][p->bits];
}

static uint32_t fold(const struct prefix *p)
{
	uint64_t high, low;

	memcpy(&high, p->addr.bytes, sizeof high);
	memcpy(&low, p->addr.bytes + 8, sizeof low);
	return (uint32_t)(((high ^ low * 31) * 0x9e3779b97f4a7c15ull) >> 52) % FOLDS;
}

static struct entry *entry_find(const struct blocks *b, const struct prefix *target)
{
	if (!b->folds[fold(target)])
		return NULL;
	for (struct table_node *n = table_first(&b->table, target_hash(b, target)); n; n = table_next(n)) {
		struct entry *e = table_owner(n, struct entry, node);
		if (prefix_equal(&e->block.verdict.target, target))
			return e;
	}
	return NULL;
}

static void entry_take_out(struct blocks *b, struct entry *e)
{
	table_remove(&b->table, &e->node);
	b->folds[fold(&e->block.verdict.target)]--;
	heap_remove(b, e);
	--*length_slot(b, &e->block.verdict.target);
}

/* --- claims --- */

static uint64_t claim_end(const struct block_claim *c)
{
	return c->revert_ns && c->revert_ns < c->deadline_ns ? c->revert_ns : c->deadline_ns;
}

uint64_t block_end_ns(const struct block *block)
{
	return block->revert_ns && block->revert_ns < block->deadline_ns ? block->revert_ns
									 : block->deadline_ns;
}

/* Sources are one each, but for gateways, which are many. */
static bool claim_is_of(const struct block_claim *c, const struct verdict *v)
{
	return c->verdict.source == v->source &&
	       (v->source != VERDICT_GATEWAY || strcmp(c->verdict.origin, v->origin) == 0 ||
		strcmp(c->verdict.origin, BLOCKS_ADOPTED) == 0);
}

static const char *origin_of(const struct verdict *v)
{
	return v->source == VERDICT_GATEWAY ? v->origin : "";
}

static struct claims_of *claims_of(const struct blocks *b, const struct verdict *v)
{
	for (unsigned i = 0; i < b->source_count; i++) {
		const struct claims_of *s = &b->sources[i];
		if (s->source == v->source && !strcmp(s->origin, origin_of(v)))
			return (struct claims_of *)s;
	}
	return NULL;
}

/* A claim comes (1) or goes (-1). */
static void claim_count(struct blocks *b, const struct block_claim *c, int change)
{
	struct claims_of *s = claims_of(b, &c->verdict);

	if (!s && change > 0 && b->source_count < SOURCES_MAX) {
		s = &b->sources[b->source_count++];
		s->source = c->verdict.source;
		snprintf(s->origin, sizeof s->origin, "%s", origin_of(&c->verdict));
	}
	if (s)
		s->count += (size_t)change;
}

static void claim_set(struct blocks *b, struct block_claim *c, const struct block_claim *to)
{
	claim_count(b, c, -1);
	*c = *to;
	claim_count(b, c, 1);
}

static struct block_claim *claim_find(const struct entry *e, const struct verdict *v)
{
	for (unsigned i = 0; i < e->block.claims; i++)
		if (claim_is_of(&e->claims[i], v))
			return &e->claims[i];
	return NULL;
}

static bool claim_prevails(const struct block_claim *c, const struct block_claim *over)
{
	int strength = verdict_strength(c->verdict.action), other = verdict_strength(over->verdict.action);
	uint64_t end = claim_end(c), best = claim_end(over);

	if (strength != other)
		return strength > other;
	return end > best || (end == best && c->verdict.source < over->verdict.source);
}

/* The entry is what its claims say: call after each change of them. There is at least one. */
static void entry_settle(struct blocks *b, struct entry *e)
{
	const struct block_claim *in_force = &e->claims[0];
	uint64_t due_ns = claim_end(in_force);

	for (unsigned i = 1; i < e->block.claims; i++) {
		if (claim_prevails(&e->claims[i], in_force))
			in_force = &e->claims[i];
		due_ns = MIN(due_ns, claim_end(&e->claims[i]));
	}
	e->block.verdict = in_force->verdict;
	for (unsigned i = 0; i < e->block.claims; i++)
		if (e->claims[i].verdict.action == in_force->verdict.action)
			e->block.verdict.scope = MAX(e->block.verdict.scope, e->claims[i].verdict.scope);
	e->block.deadline_ns = in_force->deadline_ns;
	e->block.revert_ns = in_force->revert_ns;
	e->due_ns = due_ns;
	heap_settle(b, e);
}

static int claim_add(struct blocks *b, struct entry *e, const struct block_claim *c)
{
	if (e->block.claims == BLOCKS_CLAIMS_MAX)
		return BLOCKS_E_FULL;
	struct block_claim *claims = realloc(e->claims, (e->block.claims + 1) * sizeof *claims);
	if (!claims)
		return -ENOMEM;
	e->claims = claims;
	e->claims[e->block.claims++] = *c;
	claim_count(b, c, 1);
	return 0;
}

static void entry_remove(struct blocks *b, struct entry *e)
{
	for (unsigned i = 0; i < e->block.claims; i++)
		claim_count(b, &e->claims[i], -1);
	entry_take_out(b, e);
	entry_free(e);
}

/* What is left of the entry: NULL if that was the last. */
static struct block *claim_remove(struct blocks *b, struct entry *e, struct block_claim *c)
{
	size_t behind = (size_t)(e->claims + e->block.claims - (c + 1));

	if (e->block.claims == 1) {
		entry_remove(b, e);
		return NULL;
	}
	claim_count(b, c, -1);
	memmove(c, c + 1, behind * sizeof *c);
	e->block.claims--;
	entry_settle(b, e);
	return &e->block;
}

static void claim_extend(struct blocks *b, struct block_claim *c, const struct block_claim *longer)
{
	struct block_claim extended = *longer;

	extended.since_ns = c->since_ns;
	extended.verdict.scope = MAX(c->verdict.scope, longer->verdict.scope);
	claim_set(b, c, &extended);
}

/* --- the list --- */
static uint64_t deadline_of(const struct verdict *v, uint64_t now_ns)
{
	if (v->ttl_ms > (UINT64_MAX - now_ns) / NS_PER_MS)
		return UINT64_MAX;
	return now_ns + v->ttl_ms * NS_PER_MS;
}

static bool entry_ended(const struct entry *e, uint64_t now_ns)
{
	for (unsigned i = 0; i < e->block.claims; i++)
		if (claim_end(&e->claims[i]) > now_ns)
			return false;
	return true;
}

static int entry_add(struct blocks *b, const struct block_claim *first, struct entry **ret)
{
	if (b->count >= b->max)
		return BLOCKS_E_FULL;
	int r = heap_reserve(b);
	if (r)
		return r;
	struct entry *e = calloc(1, sizeof *e);
	if (!e)
		return -ENOMEM;
	r = claim_add(b, e, first);
	if (r) {
		free(e);
		return r;
	}
	e->block.since_ns = first->since_ns;
	e->block.verdict.target = first->verdict.target;
	table_add(&b->table, &e->node, target_hash(b, &first->verdict.target));
	b->folds[fold(&first->verdict.target)]++;
	++*length_slot(b, &first->verdict.target);
	e->due_ns = UINT64_MAX; /* at the end until settled */
	heap_set(b, b->count++, e);
	*ret = e;
	return 0;
}

int blocks_put(struct blocks *b, const struct verdict *v, uint64_t revert_ns, uint64_t now_ns,
	       struct block **ret)
{
	if (v->target.addr.family == ADDR_NONE || v->target.bits > addr_bits(&v->target.addr))
		return -EINVAL;
	const struct block_claim claim = {.verdict = *v,
					  .since_ns = now_ns,
					  .deadline_ns = deadline_of(v, now_ns),
					  .revert_ns = revert_ns};
	struct entry *e = entry_find(b, &v->target);
	struct block_claim *mine = e ? claim_find(e, v) : NULL;
	int r = 0;

	if (!e) {
		r = entry_add(b, &claim, &e);
	} else if (entry_ended(e, now_ns)) {
		for (unsigned i = 0; i < e->block.claims; i++)
			claim_count(b, &e->claims[i], -1);
		e->block = (struct block){.since_ns = now_ns, .claims = 1};
		e->claims[0] = claim;
		claim_count(b, &claim, 1);
	} else if (!mine) {
		r = claim_add(b, e, &claim);
	} else if (claim_end(mine) <= now_ns || mine->verdict.action != v->action) {
		claim_set(b, mine, &claim);
	} else if (claim.deadline_ns > mine->deadline_ns) {
		claim_extend(b, mine, &claim);
	} else {
		r = BLOCKS_E_SHORTER;
	}
	if (r && r != BLOCKS_E_SHORTER)
		return r;
	entry_settle(b, e);
	if (ret)
		*ret = &e->block;
	return r;
}

int blocks_remove(struct blocks *b, const struct prefix *target)
{
	struct entry *e = entry_find(b, target);

	if (!e)
		return BLOCKS_E_NONE;
	entry_remove(b, e);
	return 0;
}

int blocks_claim(const struct blocks *b, const struct verdict *v, struct block_claim *ret)
{
	const struct entry *e = entry_find(b, &v->target);
	const struct block_claim *c = e ? claim_find(e, v) : NULL;

	if (!c)
		return BLOCKS_E_NONE;
	*ret = *c;
	return 0;
}

int blocks_withdraw(struct blocks *b, const struct verdict *v, const struct block_claim *instead,
		    struct block **ret_left)
{
	struct entry *e = entry_find(b, &v->target);
	struct block_claim *c = e ? claim_find(e, v) : NULL;

	if (!c)
		return BLOCKS_E_NONE;
	if (!instead) {
		*ret_left = claim_remove(b, e, c);
		return 0;
	}
	claim_set(b, c, instead);
	entry_settle(b, e);
	*ret_left = &e->block;
	return 0;
}

int blocks_confirm(struct blocks *b, const struct prefix *target, struct block **ret)
{
	const struct verdict operator= {.source = VERDICT_OPERATOR, .target = *target};
	struct entry *e = entry_find(b, target);
	struct block_claim *c = e ? claim_find(e, &operator) : NULL;

	if (!c)
		return BLOCKS_E_NONE;
	c->revert_ns = 0;
	entry_settle(b, e);
	*ret = &e->block;
	return 0;
}

struct block *blocks_find(struct blocks *b, const struct prefix *target)
{
	struct entry *e = entry_find(b, target);

	return e ? &e->block : NULL;
}

struct block *blocks_match(struct blocks *b, const struct addr *addr)
{
	if (addr->family == ADDR_NONE)
		return NULL;
	for (int bits = addr_bits(addr); bits >= 0; bits--) {
		if (!b->lengths[addr->family == ADDR_IPV6][bits])
			continue;
		struct prefix p = prefix_of(addr, (uint8_t)bits);
		struct entry *e = entry_find(b, &p);
		if (e)
			return &e->block;
	}
	return NULL;
}

unsigned blocks_claims(const struct blocks *b, const struct prefix *target, struct block_claim *ret)
{
	const struct entry *e = entry_find(b, target);

	if (!e)
		return 0;
	memcpy(ret, e->claims, e->block.claims * sizeof *ret);
	return e->block.claims;
}

int blocks_expire(struct blocks *b, uint64_t now_ns, struct block *ret, struct block **ret_left)
{
	if (!b->count || b->heap[0]->due_ns > now_ns)
		return BLOCKS_E_NONE;
	struct entry *e = b->heap[0];
	struct block_claim *c = e->claims;
	while (claim_end(c) != e->due_ns)
		c++;
	*ret = e->block;
	ret->verdict = c->verdict;
	ret->since_ns = c->since_ns;
	ret->deadline_ns = c->deadline_ns;
	ret->revert_ns = c->revert_ns;
	ret->claims = 1;
	*ret_left = claim_remove(b, e, c);
	return 0;
}

uint64_t blocks_next_deadline(const struct blocks *b)
{
	return b->count ? b->heap[0]->due_ns : 0;
}

size_t blocks_count_of(const struct blocks *b, const struct verdict *v)
{
	const struct claims_of *s = claims_of(b, v);

	return s ? s->count : 0;
}

size_t blocks_count(const struct blocks *b)
{
	return b->count;
}

void blocks_each(const struct blocks *b, void (*each)(void *arg, const struct block *block), void *arg)
{
	for (size_t i = 0; i < b->count; i++)
		each(arg, &b->heap[i]->block);
}
