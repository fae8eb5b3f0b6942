// SPDX-License-Identifier: Apache-2.0
/* reassembly.c: what waits, against the same rules applied block by block from the first. */
#include "sensor/reassembly.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/util.h"

#define SPACE      96 /* places that bytes may take */
#define BLOCKS_MAX SPACE

/* --- the rules, as tcp_data_queue_ofo applies them --- */

struct simple {
	uint64_t start, end, origin;
	size_t len;
	char bytes[SPACE];
};

struct model {
	struct simple blocks[BLOCKS_MAX];
	unsigned count;
	uint64_t duplicates, conflicts;
};

static void model_remove(struct model *m, unsigned i)
{
	memmove(&m->blocks[i], &m->blocks[i + 1], (m->count - i - 1) * sizeof m->blocks[0]);
	m->count--;
}

static void model_trim(struct simple *b, uint64_t start)
{
	size_t cut = MIN((size_t)(start - b->start), b->len);

	memmove(b->bytes, b->bytes + cut, b->len - cut);
	b->len -= cut;
	b->start = start;
}

static void model_conflict(struct model *m, const struct simple *a, const struct simple *b)
{
	for (uint64_t at = MAX(a->start, b->start); at < MIN(a->start + a->len, b->start + b->len); at++) {
		if (a->bytes[at - a->start] != b->bytes[at - b->start]) {
			m->conflicts++;
			return;
		}
	}
}

static void model_cover(struct model *m, unsigned i)
{
	struct simple *n = &m->blocks[i];

	while (i + 1 < m->count && m->blocks[i + 1].start < n->end) {
		model_conflict(m, n, &m->blocks[i + 1]);
		if (m->blocks[i + 1].end > n->end) {
			model_trim(&m->blocks[i + 1], n->end);
			return;
		}
		model_remove(m, i + 1);
	}
}

static void model_add(struct model *m, struct simple n)
{
	unsigned i = 0;

	while (i < m->count && m->blocks[i].origin <= n.origin) {
		struct simple *b = &m->blocks[i];

		model_conflict(m, b, &n);
		if (n.end <= b->end) {
			m->duplicates += n.len;
			return;
		}
		if (b->origin == n.origin) {
			model_remove(m, i);
			continue;
		}
		if (n.start == b->end && n.origin == n.start && b->len == b->end - b->start) {
			memcpy(b->bytes + b->len, n.bytes, n.len);
			b->len += n.len;
			b->end = n.end;
			model_cover(m, i);
			return;
		}
		if (n.start < b->end)
			model_trim(&n, b->end);
		i++;
	}
	memmove(&m->blocks[i + 1], &m->blocks[i], (m->count - i) * sizeof n);
	m->blocks[i] = n;
	m->count++;
	model_cover(m, i);
}

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void same_as_model(const struct reassembly *q, const struct reassembly_counts *counts,
			  const struct model *m, uint32_t seed)
{
	uint64_t least = 0;

	if (q->count != m->count || counts->duplicates != m->duplicates || counts->conflicts != m->conflicts)
		fail_msg("seed %u: %u blocks for %u", seed, q->count, m->count);
	for (unsigned i = 0; i < q->count; i++) {
		const struct reassembly_block *b = q->blocks[q->first + i];
		const struct simple *s = &m->blocks[i];
		if (b->start != s->start || b->end != s->end || b->origin != s->origin || b->len != s->len ||
		    memcmp(reassembly_bytes(b).ptr, s->bytes, b->len) != 0)
			fail_msg("seed %u: block %u", seed, i);
		least += REASSEMBLY_LEAST;
	}
	assert_true(q->charged >= least && q->charged == counts->charged);
}

static void segments_in_any_order_are_queued_by_the_rules(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 3000; seed++) {
		struct reassembly q = {0};
		struct reassembly_counts counts = {0};
		struct model m = {0};
		uint32_t x = seed;

		for (unsigned n = 0; n < 60; n++) {
			uint64_t start = next_random(&x) % (SPACE - 13), len = 1 + next_random(&x) % 12;
			struct simple s = {.start = start, .origin = start, .end = start + len};
			s.len = next_random(&x) % 8 ? len : next_random(&x) % len;
			for (size_t i = 0; i < s.len; i++) /* sometimes other bytes */
				s.bytes[i] = next_random(&x) % 16 ? (char)('a' + (start + i) % 26) : 'X';
			assert_int_equal(
				reassembly_add(&q, &counts, start, (struct span){s.bytes, s.len}, len), 0);
			model_add(&m, s);
			if (next_random(&x) % 8 == 0 && m.count) {
				assert_int_equal(reassembly_first(&q)->start, m.blocks[0].start);
				free(reassembly_take(&q, &counts));
				model_remove(&m, 0);
			}
			same_as_model(&q, &counts, &m, seed);
		}
		reassembly_clear(&q, &counts);
		assert_int_equal(counts.charged, 0);
		assert_null(q.blocks);
	}
}

/* A long block whose beginning is taken from it byte by byte, and that grows at its end meanwhile. */
static void a_block_is_cut_and_grows_at_once(void **state)
{
	enum { LONG = 100000 };
	struct reassembly q = {0};
	struct reassembly_counts counts = {0};
	char *text = malloc(LONG);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < LONG; i++)
		text[i] = (char)('a' + i % 26);
	assert_int_equal(reassembly_add(&q, &counts, 5000, (struct span){text, LONG / 2}, LONG / 2), 0);
	for (unsigned i = 0; i < 1000; i++) {
		/* Earlier by one each time: it counts, up to where it ends. */
		assert_int_equal(reassembly_add(&q, &counts, 4999 - i, (struct span){"Y", 1}, 2 + 2 * i), 0);
		assert_int_equal(reassembly_add(&q, &counts, 5000 + LONG / 2 + i,
						(struct span){text + LONG / 2 + i, 1}, 1),
				 0);
	}
	assert_int_equal(q.count, 2);
	free(reassembly_take(&q, &counts));
	const struct reassembly_block *b = reassembly_first(&q);
	assert_int_equal(b->start, 6000);
	assert_int_equal(b->end, 5000 + LONG / 2 + 1000);
	assert_int_equal(b->len, b->end - b->start);
	assert_memory_equal(reassembly_bytes(b).ptr, text + 1000, b->len);
	assert_in_range(counts.charged, b->len, 2 * LONG);
	reassembly_clear(&q, &counts);
	free(text);
}

static void a_queue_that_was_long_gives_its_places_back(void **state)
{
	struct reassembly q = {0};
	struct reassembly_counts counts = {0};

	(void)state;
	for (uint64_t i = 0; i < 8192; i++)
		assert_int_equal(reassembly_add(&q, &counts, 2 * i, (struct span){"x", 1}, 1), 0);
	assert_int_equal(counts.charged, 8192 * REASSEMBLY_LEAST);
	while (q.count > 1) {
		free(reassembly_take(&q, &counts));
		assert_true(q.room <= MAX(4 * q.count, 16u));
	}
	assert_int_equal(reassembly_first(&q)->start, 2 * 8191);
	/* One that covers many likewise. */
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(reassembly_add(&q, &counts, 20000 + 2 * i, (struct span){"x", 1}, 1), 0);
	assert_int_equal(reassembly_add(&q, &counts, 19999, (struct span){"x", 1}, 5000), 0);
	assert_int_equal(q.count, 2);
	assert_true(q.room <= 16);
	reassembly_clear(&q, &counts);
	assert_null(q.blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_in_any_order_are_queued_by_the_rules),
		cmocka_unit_test(a_block_is_cut_and_grows_at_once),
		cmocka_unit_test(a_queue_that_was_long_gives_its_places_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
