// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/histogram.h"

static void bounds_belong_to_their_bucket(void **state)
{
	struct histogram h = {0};

	(void)state;
	histogram_add(&h, 0);
	histogram_add(&h, 1000000);        /* 1 ms, the first bound */
	histogram_add(&h, 1000001);        /* above it */
	histogram_add(&h, 30000000000ull); /* the last bound */
	histogram_add(&h, 30000000001ull); /* above all */
	histogram_add(&h, UINT64_MAX);
	assert_int_equal(h.buckets[0], 2);
	assert_int_equal(h.buckets[1], 1);
	assert_int_equal(h.buckets[HISTOGRAM_BUCKETS - 1], 1);
	assert_int_equal(h.count, 6);
	assert_int_equal(h.sum_us, 2 * 1000 + 2 * 30000000ull + UINT64_MAX / 1000);
	for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++)
		assert_true(histogram_bounds_ms[i] > histogram_bounds_ms[i - 1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_belong_to_their_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
