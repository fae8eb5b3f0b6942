/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reassembly.h: the bytes of one direction of a TCP connection that came out of order, and wait for those
 * before them: sorted, each once. Of bytes that overlap, those of the segment that starts earlier count, of
 * two that start together the longer one, else the first (net/ipv4/tcp_input.c: tcp_data_queue_ofo). It gives
 * up no hole; when to do that is sensor/segments.c's business.
 *
 * Memory: a block is charged with what was allocated for it, and with REASSEMBLY_LEAST at least, as Linux
 * charges each segment with its truesize: so the charge bounds the number of blocks, too, however small they
 * are. The queue has no ceiling of its own: whoever adds compares `charged` with one, and takes blocks out.
 * Adding costs a binary search, and moving as many pointers as blocks wait behind; bytes that wait are copied
 * only where blocks become one, a quarter of their length or more at a time.
 */
#ifndef PICKET_REASSEMBLY_H
#define PICKET_REASSEMBLY_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/span.h"

/* A segment of one byte takes that in Linux: struct sk_buff, its data, struct skb_shared_info. */
#define REASSEMBLY_LEAST 768

/* Bytes that wait: [start, end), of which len were captured. */
struct reassembly_block {
	uint64_t start, end;
	uint64_t origin;    /* where the segment began that it is of, before its beginning was cut off */
	uint32_t len, skip; /* captured; in front of them in bytes[]: no longer wanted */
	uint32_t size;      /* of bytes[] */
	char bytes[];
};

static inline struct span reassembly_bytes(const struct reassembly_block *b)
{
	return (struct span){b->bytes + b->skip, b->len};
}

/* Of several queues together. */
struct reassembly_counts {
	uint64_t charged;    /* bytes of memory, now */
	uint64_t duplicates; /* bytes that waited already */
	uint64_t conflicts;  /* ... with other content: how often */
};

/* All zeros: empty. */
struct reassembly {
	struct reassembly_block **blocks; /* [first, first + count), sorted; NULL while it is empty */
	unsigned first, count, room;
	uint64_t charged;
};

/*
 * Bytes from `start` on, len > 0 of them, of which the first bytes.len <= len were captured; they are copied.
 * 0 or -ENOMEM: it is as before.
 */
int reassembly_add(struct reassembly *q, struct reassembly_counts *counts, uint64_t start, struct span bytes,
		   uint64_t len);
/* The block that starts first, the queue's still. NULL: it is empty. */
const struct reassembly_block *reassembly_first(const struct reassembly *q);
/* Takes that one out; the caller's to free(). */
struct reassembly_block *reassembly_take(struct reassembly *q, struct reassembly_counts *counts);
void reassembly_clear(struct reassembly *q, struct reassembly_counts *counts);

#endif
