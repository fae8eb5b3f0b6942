/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_history.h: the latest payload bytes of one direction of a TCP connection, by sequence number, to see
 * whether what comes again is what came before. A ring of TCP_HISTORY bytes; holes are known as such. It
 * costs its memory from the first byte on; its owner bounds how many there are.
 *
 * Full: the oldest bytes make room; of more than TCP_HISTORY_RUNS separate runs the earliest is forgotten.
 */
#ifndef PICKET_TCP_HISTORY_H
#define PICKET_TCP_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/span.h"

#define TCP_HISTORY      16384 /* a power of two */
#define TCP_HISTORY_RUNS 8

struct tcp_run {
	uint32_t from, to; /* [from, to) */
};

struct tcp_history {
	struct tcp_run runs[TCP_HISTORY_RUNS]; /* in rising order, apart from each other */
	unsigned count;
	char ring[TCP_HISTORY];
};

/*
 * Takes the bytes at seq; the first copy of a byte stays. True: some of them had come before, and were
 * others. Of more than TCP_HISTORY bytes the last ones are taken.
 */
bool tcp_history_add(struct tcp_history *h, uint32_t seq, struct span bytes);

#endif
