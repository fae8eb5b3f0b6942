// SPDX-License-Identifier: Apache-2.0
#include "policies/blocks.h"
#include <errno.h>
#include "lib/target.h"
#include "lib/util.h"
#include "policies/table.h"

/*
 * A claim as it is held: its words one behind the other, each with a zero at its end, origin first, then id,
 * reason, evidence. As struct block_claim it would take a kilobyte, of which most is empty.
 */
struct claim {
	uint64_t since_ns, deadline_ns, revert_ns;
	uint64_t ttl_ms, received_ns, cause_ns;
	double confidence;
	char *words;
	struct addr via;
	uint8_t source, action, scope, evidence_count;
};

/*
 * Two structures over the same entries: a hash table by target, and a binary heap by the time at which the
 * next claim of the entry is due to end. Entries know their place in the heap, so that an extension moves
 * them in logarithmic time.
 */
struct entry {
	struct block block;
	struct claim *claims; /* oldest first */
	unsigned in_force;    /* which of them the entry is */
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
	size_t lengths[3][129]; /* entries per family (third: no addresses) and length, for blocks_match */
};

static void entry_free(struct entry *e)
{
	for (unsigned i = 0; i < e->block.claims; i++)
		free(e->claims[i].words);
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
static uint64_t target_hash(const struct blocks *b, const struct prefix *p)
{
	return table_hash(&b->table, p, sizeof *p);
}

static size_t *length_slot(struct blocks *b, const struct prefix *p)
{
	return &b->lengths[target_is_net(p) ? p->addr.family == ADDR_IPV6 : 2][p->bits];
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

static void word_put(char **at, const char *word)
{
	*at = stpcpy(*at, word) + 1;
}

static const char *word_get(const char *at, char *ret, size_t size)
{
	snprintf(ret, size, "%s", at);
	return at + strlen(at) + 1;
}

static unsigned evidence_count(const struct verdict *v)
{
	return MIN(v->evidence_count, VERDICT_EVIDENCE_MAX);
}

/* 0 or -ENOMEM. */
static int claim_pack(const struct block_claim *from, struct claim *ret)
{
	const struct verdict *v = &from->verdict;
	size_t len = strlen(v->origin) + strlen(v->id) + strlen(v->reason) + 3;

	for (unsigned i = 0; i < evidence_count(v); i++)
		len += strlen(v->evidence[i]) + 1;
	char *words = malloc(len), *at = words;
	if (!words)
		return -ENOMEM;
	word_put(&at, v->origin);
	word_put(&at, v->id);
	word_put(&at, v->reason);
	for (unsigned i = 0; i < evidence_count(v); i++)
		word_put(&at, v->evidence[i]);
	*ret = (struct claim){
		.since_ns = from->since_ns,
		.deadline_ns = from->deadline_ns,
		.revert_ns = from->revert_ns,
		.ttl_ms = v->ttl_ms,
		.received_ns = v->received_ns,
		.cause_ns = v->cause_ns,
		.confidence = v->confidence,
		.words = words,
		.via = v->via,
		.source = (uint8_t)v->source,
		.action = (uint8_t)v->action,
		.scope = (uint8_t)v->scope,
		.evidence_count = (uint8_t)evidence_count(v),
	};
	return 0;
}

static void claim_unpack(const struct claim *c, const struct prefix *target, struct block_claim *ret)
{
	*ret = (struct block_claim){
		.since_ns = c->since_ns,
		.deadline_ns = c->deadline_ns,
		.revert_ns = c->revert_ns,
		.verdict =
			{
				.source = (enum verdict_source)c->source,
				.action = (enum verdict_action)c->action,
				.scope = (enum verdict_scope)c->scope,
				.target = *target,
				.via = c->via,
				.ttl_ms = c->ttl_ms,
				.confidence = c->confidence,
				.evidence_count = c->evidence_count,
				.received_ns = c->received_ns,
				.cause_ns = c->cause_ns,
			},
	};
	struct verdict *v = &ret->verdict;
	const char *at = word_get(c->words, v->origin, sizeof v->origin);
	at = word_get(at, v->id, sizeof v->id);
	at = word_get(at, v->reason, sizeof v->reason);
	for (unsigned i = 0; i < c->evidence_count; i++)
		at = word_get(at, v->evidence[i], sizeof v->evidence[i]);
}

static const char *claim_origin(const struct claim *c)
{
	return c->words;
}

static uint64_t claim_end(const struct claim *c)
{
	return c->revert_ns && c->revert_ns < c->deadline_ns ? c->revert_ns : c->deadline_ns;
}

uint64_t block_end_ns(const struct block *block)
{
	return block->revert_ns && block->revert_ns < block->deadline_ns ? block->revert_ns
									 : block->deadline_ns;
}

uint64_t block_told_end_ns(const struct block_told *block)
{
	return block->revert_ns && block->revert_ns < block->deadline_ns ? block->revert_ns
									 : block->deadline_ns;
}

/* Sources are one each, but for gateways, which are many. */
static bool claim_is_of(const struct claim *c, const struct verdict *v)
{
	return c->source == (uint8_t)v->source &&
	       (v->source != VERDICT_GATEWAY || strcmp(claim_origin(c), v->origin) == 0 ||
		strcmp(claim_origin(c), BLOCKS_ADOPTED) == 0);
}

static struct claims_of *claims_of(const struct blocks *b, enum verdict_source source, const char *origin)
{
	for (unsigned i = 0; i < b->source_count; i++) {
		const struct claims_of *s = &b->sources[i];
		if (s->source == source && !strcmp(s->origin, source == VERDICT_GATEWAY ? origin : ""))
			return (struct claims_of *)s;
	}
	return NULL;
}

/* A claim comes (1) or goes (-1). */
static void claim_count(struct blocks *b, const struct claim *c, int change)
{
	enum verdict_source source = (enum verdict_source)c->source;
	struct claims_of *s = claims_of(b, source, claim_origin(c));

	if (!s && change > 0 && b->source_count < SOURCES_MAX) {
		s = &b->sources[b->source_count++];
		s->source = source;
		snprintf(s->origin, sizeof s->origin, "%s", source == VERDICT_GATEWAY ? claim_origin(c) : "");
	}
	if (s)
		s->count += (size_t)change;
}

/* 0, or -ENOMEM: it is as it was. */
static int claim_set(struct blocks *b, struct claim *c, const struct block_claim *to)
{
	struct claim fresh;
	int r = claim_pack(to, &fresh);

	if (r)
		return r;
	claim_count(b, c, -1);
	free(c->words);
	*c = fresh;
	claim_count(b, c, 1);
	return 0;
}

static struct claim *claim_find(const struct entry *e, const struct verdict *v)
{
	for (unsigned i = 0; i < e->block.claims; i++)
		if (claim_is_of(&e->claims[i], v))
			return &e->claims[i];
	return NULL;
}

static bool claim_prevails(const struct claim *c, const struct claim *over)
{
	int strength = verdict_strength((enum verdict_action)c->action),
	    other = verdict_strength((enum verdict_action)over->action);
	uint64_t end = claim_end(c), best = claim_end(over);

	if (strength != other)
		return strength > other;
	return end > best || (end == best && c->source < over->source);
}

/* The entry is what its claims say: call after each change of them. There is at least one. */
static void entry_settle(struct blocks *b, struct entry *e)
{
	const struct claim *in_force = &e->claims[0];
	uint64_t due_ns = claim_end(in_force);
	uint8_t scope = 0;

	for (unsigned i = 1; i < e->block.claims; i++) {
		if (claim_prevails(&e->claims[i], in_force))
			in_force = &e->claims[i];
		due_ns = MIN(due_ns, claim_end(&e->claims[i]));
	}
	for (unsigned i = 0; i < e->block.claims; i++)
		if (verdict_alike((enum verdict_action)e->claims[i].action,
				  (enum verdict_action)in_force->action))
			scope = MAX(scope, e->claims[i].scope);
	e->in_force = (unsigned)(in_force - e->claims);
	e->block.verdict.source = (enum verdict_source)in_force->source;
	e->block.verdict.action = (enum verdict_action)in_force->action;
	e->block.verdict.scope = (enum verdict_scope)scope;
	e->block.deadline_ns = in_force->deadline_ns;
	e->block.revert_ns = in_force->revert_ns;
	e->due_ns = due_ns;
	heap_settle(b, e);
}

static int claim_add(struct blocks *b, struct entry *e, const struct block_claim *c)
{
	if (e->block.claims == BLOCKS_CLAIMS_MAX)
		return BLOCKS_E_FULL;
	struct claim *claims = realloc(e->claims, (e->block.claims + 1) * sizeof *claims);
	if (!claims)
		return -ENOMEM;
	e->claims = claims;
	int r = claim_pack(c, &claims[e->block.claims]);
	if (r)
		return r;
	claim_count(b, &claims[e->block.claims++], 1);
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
static struct block *claim_remove(struct blocks *b, struct entry *e, struct claim *c)
{
	size_t behind = (size_t)(e->claims + e->block.claims - (c + 1));

	if (e->block.claims == 1) {
		entry_remove(b, e);
		return NULL;
	}
	claim_count(b, c, -1);
	free(c->words);
	memmove(c, c + 1, behind * sizeof *c);
	e->block.claims--;
	entry_settle(b, e);
	return &e->block;
}

static int claim_extend(struct blocks *b, struct claim *c, const struct block_claim *longer)
{
	struct block_claim extended = *longer;

	extended.since_ns = c->since_ns;
	extended.verdict.scope = MAX((enum verdict_scope)c->scope, longer->verdict.scope);
	return claim_set(b, c, &extended);
}

/* All claims of an entry whose time is over, in whose place the new one begins afresh. */
static int claims_renew(struct blocks *b, struct entry *e, const struct block_claim *claim)
{
	struct claim fresh;
	int r = claim_pack(claim, &fresh);

	if (r)
		return r;
	for (unsigned i = 0; i < e->block.claims; i++) {
		claim_count(b, &e->claims[i], -1);
		free(e->claims[i].words);
	}
	e->block = (struct block){
		.verdict.target = claim->verdict.target, .since_ns = claim->since_ns, .claims = 1};
	e->claims[0] = fresh;
	claim_count(b, &fresh, 1);
	return 0;
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
		entry_free(e);
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
	struct claim *mine = e ? claim_find(e, v) : NULL;
	int r = 0;

	if (!e) {
		r = entry_add(b, &claim, &e);
	} else if (entry_ended(e, now_ns)) {
		r = claims_renew(b, e, &claim);
	} else if (!mine) {
		r = claim_add(b, e, &claim);
	} else if (claim_end(mine) <= now_ns || mine->action != (uint8_t)v->action) {
		r = claim_set(b, mine, &claim);
	} else if (claim.deadline_ns > mine->deadline_ns) {
		r = claim_extend(b, mine, &claim);
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

static bool claims_valid(const struct block_claim *claims, unsigned count)
{
	const struct prefix *target = &claims[0].verdict.target;

	if (!count || count > BLOCKS_CLAIMS_MAX || target->addr.family == ADDR_NONE ||
	    target->bits > addr_bits(&target->addr))
		return false;
	for (unsigned i = 1; i < count; i++)
		if (!prefix_equal(&claims[i].verdict.target, target))
			return false;
	return true;
}

int blocks_restore(struct blocks *b, const struct block_claim *claims, unsigned count, struct block **ret)
{
	if (!claims_valid(claims, count))
		return -EINVAL;
	struct entry *e;
	int r = entry_add(b, &claims[0], &e);
	if (r)
		return r;
	for (unsigned i = 1; !r && i < count; i++)
		if (!claim_find(e, &claims[i].verdict))
			r = claim_add(b, e, &claims[i]);
	if (r) {
		entry_remove(b, e);
		return r;
	}
	entry_settle(b, e);
	if (ret)
		*ret = &e->block;
	return 0;
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
	const struct claim *c = e ? claim_find(e, v) : NULL;

	if (!c)
		return BLOCKS_E_NONE;
	claim_unpack(c, &v->target, ret);
	return 0;
}

int blocks_withdraw(struct blocks *b, const struct verdict *v, const struct block_claim *instead,
		    struct block **ret_left)
{
	struct entry *e = entry_find(b, &v->target);
	struct claim *c = e ? claim_find(e, v) : NULL;

	if (!c)
		return BLOCKS_E_NONE;
	if (!instead) {
		*ret_left = claim_remove(b, e, c);
		return 0;
	}
	int r = claim_set(b, c, instead);
	if (r)
		return r;
	entry_settle(b, e);
	*ret_left = &e->block;
	return 0;
}

int blocks_confirm(struct blocks *b, const struct prefix *target, struct block **ret)
{
	const struct verdict operator= {.source = VERDICT_OPERATOR, .target = *target};
	struct entry *e = entry_find(b, target);
	struct claim *c = e ? claim_find(e, &operator) : NULL;

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
	for (unsigned i = 0; i < e->block.claims; i++)
		claim_unpack(&e->claims[i], target, &ret[i]);
	return e->block.claims;
}

static void told(const struct block *block, const struct claim *c, struct block_told *ret)
{
	struct block_claim claim;

	claim_unpack(c, &block->verdict.target, &claim);
	*ret = (struct block_told){
		.verdict = claim.verdict,
		.since_ns = block->since_ns,
		.deadline_ns = c->deadline_ns,
		.revert_ns = c->revert_ns,
		.claims = block->claims,
		.installed_ns = block->installed_ns,
		.packets = block->packets,
		.bytes = block->bytes,
		.last_ns = block->last_ns,
		.closed = block->closed,
	};
}

void blocks_tell(const struct block *block, struct block_told *ret)
{
	const struct entry *e = (const struct entry *)block; /* its first member */

	told(block, &e->claims[e->in_force], ret);
	ret->verdict.scope = block->verdict.scope;
}

int blocks_expire(struct blocks *b, uint64_t now_ns, struct block_told *ret, struct block **ret_left)
{
	if (!b->count || b->heap[0]->due_ns > now_ns)
		return BLOCKS_E_NONE;
	struct entry *e = b->heap[0];
	struct claim *c = e->claims;
	while (claim_end(c) != e->due_ns)
		c++;
	told(&e->block, c, ret);
	ret->since_ns = c->since_ns;
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
	const struct claims_of *s = claims_of(b, v->source, v->origin);

	return s ? s->count : 0;
}

size_t blocks_count(const struct blocks *b)
{
	return b->count;
}

/* The table neither grows nor moves its nodes: an entry stays in its slot as long as it lives. */
size_t blocks_page(const struct blocks *b, size_t *cursor, struct prefix *ret, size_t max)
{
	size_t n = 0;

	for (; *cursor <= b->table.mask; ++*cursor) {
		size_t slot = n;

		for (struct table_node *t = b->table.slots[*cursor]; t && slot < max; t = t->next)
			ret[slot++] = table_owner(t, struct entry, node)->block.verdict.target;
		/* A slot that does not fit whole begins the next page. */
		if (slot == max && n)
			break;
		n = slot;
	}
	return n;
}

size_t blocks_count_exact(const struct blocks *b, uint8_t family)
{
	return family == ADDR_IPV4 ? b->lengths[0][32] : b->lengths[1][128];
}

void blocks_each(const struct blocks *b, void (*each)(void *arg, const struct block *block), void *arg)
{
	for (size_t i = 0; i < b->count; i++)
		each(arg, &b->heap[i]->block);
}
