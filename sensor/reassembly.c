// SPDX-License-Identifier: Apache-2.0
/*
 * reassembly.c: an array of pointers to blocks that do not overlap, so that starts, ends and origins all
 * rise.
 */
#include "sensor/reassembly.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"

#define ROOM_FIRST 8

/* Of the block itself, of its place in an array three quarters empty, and of malloc(). */
#define BLOCK_COST (sizeof(struct reassembly_block) + 4 * sizeof(struct reassembly_block *) + 16)
_Static_assert(BLOCK_COST < REASSEMBLY_LEAST / 2,
	       "a block of one byte costs less than what it is charged with");

static uint64_t charge_of(const struct reassembly_block *b)
{
	return MAX(BLOCK_COST + b->size, (uint64_t)REASSEMBLY_LEAST);
}

static void charge(struct reassembly *q, struct reassembly_counts *counts, const struct reassembly_block *b)
{
	q->charged += charge_of(b);
	counts->charged += charge_of(b);
}

static void discharge(struct reassembly *q, struct reassembly_counts *counts,
		      const struct reassembly_block *b)
{
	q->charged -= charge_of(b);
	counts->charged -= charge_of(b);
}

/* --- the array --- */

static struct reassembly_block **block_at(const struct reassembly *q, unsigned i)
{
	return &q->blocks[q->first + i];
}

/* Room for one more behind the last. */
static int room_make(struct reassembly *q)
{
	if (q->first + q->count < q->room)
		return 0;
	if (q->first > q->room / 2) {
		memmove(q->blocks, q->blocks + q->first, q->count * sizeof q->blocks[0]);
		q->first = 0;
		return 0;
	}
	unsigned room = q->room ? 2 * q->room : ROOM_FIRST;
	struct reassembly_block **larger = realloc(q->blocks, room * sizeof larger[0]);
	if (!larger)
		return -ENOMEM;
	q->blocks = larger;
	q->room = room;
	return 0;
}

/* There is room. */
static void array_insert(struct reassembly *q, unsigned i, struct reassembly_block *b)
{
	struct reassembly_block **at = block_at(q, i);

	memmove(at + 1, at, (q->count - i) * sizeof *at);
	*at = b;
	q->count++;
}

/* Those in [from, to), which are no longer the queue's. */
static void array_cut(struct reassembly *q, unsigned from, unsigned to)
{
	memmove(block_at(q, from), block_at(q, to), (q->count - to) * sizeof q->blocks[0]);
	q->count -= to - from;
}

/* Gives back what a queue that was long has no use for: there are as many queues as connections have
 * directions. */
static void array_shrink(struct reassembly *q)
{
	unsigned room = q->room;

	if (!q->count) {
		free(q->blocks);
		q->blocks = NULL;
		q->first = q->room = 0;
		return;
	}
	while (room > ROOM_FIRST && q->count < room / 4)
		room /= 2;
	if (room == q->room)
		return;
	memmove(q->blocks, block_at(q, 0), q->count * sizeof q->blocks[0]);
	q->first = 0;
	struct reassembly_block **smaller = realloc(q->blocks, room * sizeof smaller[0]);
	if (!smaller)
		return;
	q->blocks = smaller;
	q->room = room;
}

/* The first block that ends at or behind `start`. */
static unsigned first_reaching(const struct reassembly *q, uint64_t start)
{
	unsigned low = 0, high = q->count;

	/* Mostly behind all that waits. */
	if (high && (*block_at(q, high - 1))->end < start)
		return high;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if ((*block_at(q, middle))->end < start)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* --- blocks --- */

static void drop(struct reassembly *q, struct reassembly_counts *counts, struct reassembly_block *b)
{
	discharge(q, counts, b);
	free(b);
}

static void check_conflict(struct reassembly_counts *counts, const struct reassembly_block *b,
			   const struct reassembly_block *n)
{
	uint64_t from = MAX(b->start, n->start), to = MIN(b->start + b->len, n->start + n->len);

	if (from < to && memcmp(reassembly_bytes(b).ptr + (from - b->start),
				reassembly_bytes(n).ptr + (from - n->start), to - from) != 0)
		counts->conflicts++;
}

/* Cuts off what lies before `start`. */
static void trim(struct reassembly_block *b, uint64_t start)
{
	uint32_t cut = (uint32_t)MIN(start - b->start, (uint64_t)b->len);

	b->skip += cut;
	b->len -= cut;
	b->start = start;
}

/* Room for n more behind its bytes; NULL: no memory. The block that is returned replaces b. */
static struct reassembly_block *block_widen(struct reassembly_block *b, uint32_t n)
{
	uint64_t need = (uint64_t)b->len + n, size = need + need / 4;

	if (b->size - b->skip - b->len >= n)
		return b;
	if (size > UINT32_MAX)
		return NULL;
	struct reassembly_block *larger = malloc(sizeof *larger + size);
	if (!larger)
		return NULL;
	*larger = *b;
	memcpy(larger->bytes, reassembly_bytes(b).ptr, b->len);
	larger->skip = 0;
	larger->size = (uint32_t)size;
	return larger;
}

/* n begins right behind the block at i: both become one, whose beginning is that of the first. */
static bool join(struct reassembly *q, struct reassembly_counts *counts, unsigned i,
		 const struct reassembly_block *n)
{
	struct reassembly_block *b = *block_at(q, i), *wide;

	if (b->len != b->end - b->start)
		return false; /* not all of it was captured */
	wide = block_widen(b, n->len);
	if (!wide)
		return false;
	if (wide != b) {
		*block_at(q, i) = wide;
		charge(q, counts, wide);
		drop(q, counts, b);
	}
	memcpy(wide->bytes + wide->skip + wide->len, reassembly_bytes(n).ptr, n->len);
	wide->len += n->len;
	wide->end = n->end;
	return true;
}

/* What the block at i overlaps behind it: the earlier beginning counts. */
static void cover(struct reassembly *q, struct reassembly_counts *counts, unsigned i)
{
	const struct reassembly_block *n = *block_at(q, i);
	unsigned to = i + 1;

	for (; to < q->count && (*block_at(q, to))->start < n->end; to++) {
		struct reassembly_block *b = *block_at(q, to);
		check_conflict(counts, n, b);
		if (b->end > n->end) {
			trim(b, n->end);
			break;
		}
		drop(q, counts, b);
	}
	array_cut(q, i + 1, to);
}

/* n is taken; there is room in the array. */
static void insert(struct reassembly *q, struct reassembly_counts *counts, struct reassembly_block *n)
{
	unsigned i = first_reaching(q, n->start);

	while (i < q->count && (*block_at(q, i))->origin <= n->origin) {
		struct reassembly_block *b = *block_at(q, i);

		check_conflict(counts, b, n);
		if (n->end <= b->end) {
			counts->duplicates += n->len;
			free(n);
			return;
		}
		if (b->origin == n->origin) {
			drop(q, counts, b);
			array_cut(q, i, i + 1);
			continue;
		}
		if (n->start == b->end && n->origin == n->start && join(q, counts, i, n)) {
			free(n);
			cover(q, counts, i);
			return;
		}
		if (n->start < b->end)
			trim(n, b->end);
		i++;
	}
	charge(q, counts, n);
	array_insert(q, i, n);
	cover(q, counts, i);
}

int reassembly_add(struct reassembly *q, struct reassembly_counts *counts, uint64_t start, struct span bytes,
		   uint64_t len)
{
	struct reassembly_block *n;

	if (bytes.len > UINT32_MAX || room_make(q))
		return -ENOMEM;
	n = malloc(sizeof *n + bytes.len);
	if (!n) {
		array_shrink(q);
		return -ENOMEM;
	}
	*n = (struct reassembly_block){.start = start,
				       .end = start + len,
				       .origin = start,
				       .len = (uint32_t)bytes.len,
				       .size = (uint32_t)bytes.len};
	if (bytes.len)
		memcpy(n->bytes, bytes.ptr, bytes.len);
	insert(q, counts, n);
	array_shrink(q);
	return 0;
}

const struct reassembly_block *reassembly_first(const struct reassembly *q)
{
	return q->count ? *block_at(q, 0) : NULL;
}

struct reassembly_block *reassembly_take(struct reassembly *q, struct reassembly_counts *counts)
{
	struct reassembly_block *b = *block_at(q, 0);

	discharge(q, counts, b);
	q->first++;
	q->count--;
	array_shrink(q);
	return b;
}

void reassembly_clear(struct reassembly *q, struct reassembly_counts *counts)
{
	while (q->count)
		free(reassembly_take(q, counts));
}
