// SPDX-License-Identifier: Apache-2.0
#include "policies/blocks.h"
#include <errno.h>
#include "lib/util.h"
#include "policies/table.h"

/*
 * Two structures over the same entries: a hash table by target, and a binary heap by the time at which the
 * entry is due to leave. Entries know their place in the heap, so that an extension moves them in logarithmic
 * time.
 */
struct entry {
	struct block block;
	struct table_node node;
	size_t heap_at;
	uint64_t due_ns; /* by which the heap is ordered */
};

struct blocks {
	struct table table;
	struct entry **heap;
	size_t count, heap_size, max;
	struct entry *given;    /* the one last given out: its owner may have written revert_ns since */
	size_t lengths[2][129]; /* entries per family and prefix length, for blocks_match */
};

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
		free(b->heap[i]);
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

/* Orders e by what its block says now. */
static void entry_reorder(struct blocks *b, struct entry *e)
{
	e->due_ns = e->block.deadline_ns;
	if (e->block.revert_ns && e->block.revert_ns < e->due_ns)
		e->due_ns = e->block.revert_ns;
	heap_settle(b, e);
}

static struct block *entry_give(struct blocks *b, struct entry *e)
{
	b->given = e;
	return &e->block;
}

/* First in every function that looks at the order: takes up what was written through the pointer last given.
 */
static void entry_taken_back(struct blocks *b)
{
	if (b->given)
		entry_reorder(b, b->given);
	b->given = NULL;
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

static struct entry *entry_find(const struct blocks *b, const struct prefix *target)
{
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
	heap_remove(b, e);
	--*length_slot(b, &e->block.verdict.target);
}

/* --- the list --- */
static uint64_t deadline_of(const struct verdict *v, uint64_t now_ns)
{
	if (v->ttl_ms > (UINT64_MAX - now_ns) / NS_PER_MS)
		return UINT64_MAX;
	return now_ns + v->ttl_ms * NS_PER_MS;
}

static void block_start(struct block *block, const struct verdict *v, uint64_t now_ns)
{
	*block = (struct block){.verdict = *v, .since_ns = now_ns, .deadline_ns = deadline_of(v, now_ns)};
}

static void block_extend(struct block *block, const struct verdict *v, uint64_t deadline_ns)
{
	enum verdict_scope scope = MAX(block->verdict.scope, v->scope);

	block->deadline_ns = deadline_ns;
	/* Who ranks lower adds time; the entry stays whose it was, and on trial if it was. */
	if (v->source > block->verdict.source) {
		block->verdict.ttl_ms = v->ttl_ms;
		block->verdict.scope = scope;
		return;
	}
	block->verdict = *v;
	block->verdict.scope = scope;
	block->revert_ns = 0;
}

static int entry_add(struct blocks *b, const struct verdict *v, uint64_t now_ns, struct entry **ret)
{
	if (b->count >= b->max)
		return BLOCKS_E_FULL;
	int r = heap_reserve(b);
	if (r)
		return r;
	struct entry *e = calloc(1, sizeof *e);
	if (!e)
		return -ENOMEM;
	block_start(&e->block, v, now_ns);
	table_add(&b->table, &e->node, target_hash(b, &v->target));
	++*length_slot(b, &v->target);
	e->due_ns = UINT64_MAX; /* at the end until reordered */
	heap_set(b, b->count++, e);
	*ret = e;
	return 0;
}

int blocks_put(struct blocks *b, const struct verdict *v, uint64_t now_ns, struct block **ret_entry)
{
	if (v->target.addr.family == ADDR_NONE || v->target.bits > addr_bits(&v->target.addr))
		return -EINVAL;
	entry_taken_back(b);
	struct entry *e = entry_find(b, &v->target);
	uint64_t deadline_ns = deadline_of(v, now_ns);
	int r = 0;

	if (!e)
		r = entry_add(b, v, now_ns, &e);
	else if (e->due_ns <= now_ns)
		block_start(&e->block, v, now_ns);
	else if (deadline_ns > e->block.deadline_ns)
		block_extend(&e->block, v, deadline_ns);
	else
		r = BLOCKS_E_SHORTER;
	if (!e)
		return r;
	entry_reorder(b, e);
	if (ret_entry)
		*ret_entry = entry_give(b, e);
	return r;
}

int blocks_remove(struct blocks *b, const struct prefix *target)
{
	entry_taken_back(b);
	struct entry *e = entry_find(b, target);

	if (!e)
		return BLOCKS_E_NONE;
	entry_take_out(b, e);
	free(e);
	return 0;
}

struct block *blocks_find(struct blocks *b, const struct prefix *target)
{
	entry_taken_back(b);
	struct entry *e = entry_find(b, target);

	return e ? entry_give(b, e) : NULL;
}

struct block *blocks_match(struct blocks *b, const struct addr *addr)
{
	entry_taken_back(b);
	if (addr->family == ADDR_NONE)
		return NULL;
	for (int bits = addr_bits(addr); bits >= 0; bits--) {
		if (!b->lengths[addr->family == ADDR_IPV6][bits])
			continue;
		struct prefix p = prefix_of(addr, (uint8_t)bits);
		struct entry *e = entry_find(b, &p);
		if (e)
			return entry_give(b, e);
	}
	return NULL;
}

int blocks_expire(struct blocks *b, uint64_t now_ns, struct block *ret)
{
	entry_taken_back(b);
	if (!b->count || b->heap[0]->due_ns > now_ns)
		return BLOCKS_E_NONE;
	struct entry *e = b->heap[0];
	entry_take_out(b, e);
	*ret = e->block;
	free(e);
	return 0;
}

uint64_t blocks_next_deadline(const struct blocks *b)
{
	/* What is asked does not change; the order in which it is kept may. */
	entry_taken_back((struct blocks *)b);
	return b->count ? b->heap[0]->due_ns : 0;
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
