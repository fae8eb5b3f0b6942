// SPDX-License-Identifier: Apache-2.0
/* defrag.c: fragments in any order become the frame that was cut. */
#include "sensor/defrag.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/util.h"

#define PAYLOAD 40

struct rig {
	struct defrag *d;
	uint8_t bytes[256];
	uint64_t now;
	uint32_t mark;
};

static void start(struct rig *r)
{
	*r = (struct rig){.now = 1000};
	assert_int_equal(defrag_new(0, &r->d), 0);
}

static uint8_t content(size_t at)
{
	return (uint8_t)('a' + at % 26);
}

/* [at, at + len) of the payload. True: *ret is the whole frame. */
static bool add(struct rig *r, bool v6, uint16_t id, size_t at, size_t len, bool more, char first,
		struct defrag_whole *ret)
{
	uint8_t *b = r->bytes, *ip = b + 18;
	size_t head = v6 ? 18 + 40 + 8 : 18 + 20;

	memset(b, 0, sizeof r->bytes);
	b[12] = 0x81; /* a tag, so that offsets are not those of plain frames */
	b[16] = v6 ? 0x86 : 0x08;
	b[17] = v6 ? 0xdd : 0;
	if (v6) {
		ip[0] = 0x60;
		ip[5] = (uint8_t)(8 + len);
		ip[6] = 44;
		ip[40] = 6;
		ip[42] = (uint8_t)(at >> 8);
		ip[43] = (uint8_t)(at | more);
		ip[46] = (uint8_t)(id >> 8);
		ip[47] = (uint8_t)id;
	} else {
		ip[0] = 0x45;
		ip[3] = (uint8_t)(20 + len);
		ip[4] = (uint8_t)(id >> 8);
		ip[5] = (uint8_t)id;
		ip[6] = (uint8_t)((more ? 0x20 : 0) | at / 8 >> 8);
		ip[7] = (uint8_t)(at / 8);
		ip[9] = 6;
	}
	for (size_t i = 0; i < len; i++)
		b[head + i] = content(at + i);
	if (first)
		b[head] = (uint8_t)first;
	struct defrag_frame f = {.bytes = b, .len = head + len, .time_ns = r->now, .mark = r->mark};
	return defrag_add(r->d, &f, ret);
}

static void check_whole(const struct defrag_whole *w, bool v6)
{
	size_t head = v6 ? 18 + 40 : 18 + 20;
	const struct defrag_frame *f = &w->frame;
	const uint8_t *ip = f->bytes + 18;

	assert_int_equal(w->ip, 18);
	assert_int_equal(w->payload, head);
	assert_int_equal(w->protocol, 6);
	assert_int_equal(f->len, head + PAYLOAD);
	for (size_t i = 0; i < PAYLOAD; i++)
		assert_int_equal(f->bytes[head + i], content(i));
	if (v6) {
		assert_int_equal(ip[5], PAYLOAD);
		assert_int_equal(ip[6], 6);
		return;
	}
	assert_int_equal(ip[3], 20 + PAYLOAD);
	assert_int_equal(ip[6] | ip[7], 0);
}

static void fragments_in_any_order_become_one_frame(void **state)
{
	static const struct {
		size_t at, len;
	} cuts[] = {{0, 8}, {8, 16}, {24, 16}};
	static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (size_t o = 0; o < ARRAY_SIZE(orders); o++) {
			struct defrag_whole whole = {0};
			struct rig r;
			start(&r);
			for (int i = 0; i < 3; i++) {
				int k = orders[o][i];
				bool done = add(&r, v6, 7, cuts[k].at, cuts[k].len, k < 2, 0, &whole);
				/* A copy changes nothing. */
				assert_false(i < 2 &&
					     add(&r, v6, 7, cuts[k].at, cuts[k].len, k < 2, 0, &whole));
				assert_int_equal(done, i == 2);
			}
			check_whole(&whole, v6);
			assert_int_equal(defrag_counts(r.d).whole, 1);
			defrag_free(r.d);
		}
	}
}

static void one_that_lies_on_another_makes_all_void(void **state)
{
	struct defrag_whole whole;
	struct rig r;

	(void)state;
	start(&r);
	assert_false(add(&r, false, 1, 0, 16, true, 0, &whole));
	assert_false(add(&r, false, 1, 8, 16, true, 0, &whole)); /* over the second unit */
	assert_int_equal(defrag_counts(r.d).overlapping, 1);
	assert_false(add(&r, false, 1, 24, 16, false, 0, &whole));
	defrag_free(r.d);

	start(&r);
	assert_false(add(&r, false, 1, 0, 16, true, 0, &whole));
	assert_false(add(&r, false, 1, 0, 16, true, 'X', &whole)); /* at the same place, but no copy */
	assert_int_equal(defrag_counts(r.d).overlapping, 1);
	defrag_free(r.d);
}

static void datagrams_are_told_apart_and_given_up(void **state)
{
	struct defrag_whole whole;
	struct rig r;

	(void)state;
	start(&r);
	assert_false(add(&r, false, 1, 0, 16, true, 0, &whole));
	assert_false(add(&r, false, 2, 16, 24, false, 0, &whole));
	assert_false(add(&r, true, 1, 16, 24, false, 0, &whole));
	assert_true(add(&r, false, 1, 16, 24, false, 0, &whole));
	r.now += DEFRAG_HELD_NS + 1;
	assert_false(add(&r, false, 2, 0, 16, true, 0, &whole)); /* its other half is too old */
	r.now++;
	for (uint16_t id = 100; id < 100 + DEFRAG_DATAGRAMS_MAX; id++, r.now++)
		assert_false(add(&r, false, id, 0, 16, true, 0, &whole));
	assert_false(add(&r, false, 2, 16, 24, false, 0, &whole)); /* the oldest made room */
	assert_true(add(&r, false, 99 + DEFRAG_DATAGRAMS_MAX, 16, 24, false, 0, &whole));
	check_whole(&whole, false);
	assert_true(defrag_counts(r.d).given_up >= 3);
	defrag_free(r.d);
}

static void what_is_whole_is_told_from_where(void **state)
{
	struct defrag_whole whole;
	struct rig r;

	(void)state;
	start(&r);
	r.mark = 7;
	assert_false(add(&r, false, 1, 0, 16, true, 0, &whole));
	r.mark = 8;
	assert_true(add(&r, false, 1, 16, 24, false, 0, &whole));
	assert_int_equal(whole.frame.mark, 7); /* the first one's, also where it comes last */
	assert_false(add(&r, false, 2, 16, 24, false, 0, &whole));
	r.mark = 9;
	assert_true(add(&r, false, 2, 0, 16, true, 0, &whole));
	assert_int_equal(whole.frame.mark, 9);
	defrag_free(r.d);
	/* Another protocol than the one that is asked for. */
	assert_int_equal(defrag_new(17, &r.d), 0);
	assert_false(add(&r, false, 1, 0, 16, true, 0, &whole));
	assert_false(add(&r, false, 1, 16, 24, false, 0, &whole));
	assert_int_equal(defrag_counts(r.d).fragments, 0);
	defrag_free(r.d);
}

static void what_is_no_fragment_is_left_alone(void **state)
{
	struct defrag_whole whole;
	struct rig r;

	(void)state;
	start(&r);
	assert_false(add(&r, false, 1, 0, 40, false, 0, &whole));
	assert_false(add(&r, true, 1, 0, 40, false, 0, &whole)); /* a fragment header of a whole packet */
	assert_false(add(&r, false, 1, 0, 13, true, 0, &whole)); /* no multiple of 8 */
	for (size_t len = 0; len < 60; len++) {
		struct defrag_frame f = {.bytes = r.bytes, .len = len};
		assert_false(defrag_add(r.d, &f, &whole));
	}
	assert_int_equal(defrag_counts(r.d).whole, 0);
	defrag_free(r.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fragments_in_any_order_become_one_frame),
		cmocka_unit_test(one_that_lies_on_another_makes_all_void),
		cmocka_unit_test(datagrams_are_told_apart_and_given_up),
		cmocka_unit_test(what_is_whole_is_told_from_where),
		cmocka_unit_test(what_is_no_fragment_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
