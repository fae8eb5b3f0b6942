/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.h: how often something took how long, in fixed buckets, as Prometheus wants them (its text
 * format, "Histograms and summaries"). Owned values only; no lock.
 */
#ifndef PICKET_HISTOGRAM_H
#define PICKET_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 15

/* Upper bounds, milliseconds. What is above the last is only in count. */
extern const uint32_t histogram_bounds_ms[HISTOGRAM_BUCKETS];

struct histogram {
	uint64_t buckets[HISTOGRAM_BUCKETS]; /* not cumulative */
	uint64_t count, sum_us;
};

void histogram_add(struct histogram *h, uint64_t ns);

#endif
