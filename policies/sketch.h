/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sketch.h: how many different values were seen, without keeping them: HyperLogLog (Flajolet, Fusy, Gandouet,
 * Meunier, 2007) with SKETCH_SIZE registers of a byte. The standard error is 1.04 / sqrt(SKETCH_SIZE), 13 %;
 * below some hundred values it is less, since then empty registers are counted (linear counting).
 *
 * The hash must be keyed where outsiders choose the values (table_hash): who can aim at registers can seem
 * to be few, or many.
 */
#ifndef PICKET_SKETCH_H
#define PICKET_SKETCH_H

#include <stdbool.h>
#include <stdint.h>

#define SKETCH_SIZE     64 /* a power of two */
#define SKETCH_RANK_MAX 58 /* what a register holds at most */

/* True: the estimate may have changed. */
static inline bool sketch_add(uint8_t sketch[static SKETCH_SIZE], uint64_t hash)
{
	uint64_t rest = hash / SKETCH_SIZE;
	uint8_t rank = (uint8_t)(1 + __builtin_ctzll(rest | 1ull << 57));
	uint8_t *at = &sketch[hash % SKETCH_SIZE];
	bool more = rank > *at;

	if (more)
		*at = rank;
	return more;
}

uint64_t sketch_estimate(const uint8_t sketch[static SKETCH_SIZE]);

#endif
