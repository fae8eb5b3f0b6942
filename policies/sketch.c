// SPDX-License-Identifier: Apache-2.0
#include "policies/sketch.h"
#include <math.h>
#include <string.h>

/* 2^-n, by the bits of a double; n is small. */
static double inverse(unsigned n)
{
	uint64_t bits = (uint64_t)(1023 - n) << 52;
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

uint64_t sketch_estimate(const uint8_t sketch[static SKETCH_SIZE])
{
	const double m = SKETCH_SIZE, alpha = 0.709;
	double sum = 0;
	unsigned empty = 0;

	for (unsigned i = 0; i < SKETCH_SIZE; i++) {
		sum += inverse(sketch[i]);
		empty += !sketch[i];
	}
	double estimate = alpha * m * m / sum;
	if (empty && estimate <= 2.5 * m)
		estimate = m * log(m / empty);
	return (uint64_t)(estimate + 0.5);
}
