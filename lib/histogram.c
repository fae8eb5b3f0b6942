// SPDX-License-Identifier: Apache-2.0
#include "lib/histogram.h"

const uint32_t histogram_bounds_ms[HISTOGRAM_BUCKETS] = {
	1, 2, 5, 10, 25, 50, 100, 150, 250, 500, 1000, 2500, 5000, 10000, 30000,
};

void histogram_add(struct histogram *h, uint64_t ns)
{
	unsigned i = 0;

	while (i < HISTOGRAM_BUCKETS && ns > histogram_bounds_ms[i] * 1000000ull)
		i++;
	if (i < HISTOGRAM_BUCKETS)
		h->buckets[i]++;
	h->count++;
	h->sum_us += ns / 1000;
}
