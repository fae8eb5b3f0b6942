/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fragments.h: which bytes of which fragmented IP datagram were seen, to tell whether a fragment lies on top
 * of an earlier one (RFC 791, RFC 5722). It keeps places and keyed hashes, no payload, and puts nothing
 * together.
 *
 * A copy of a fragment (same place, same bytes) is no overlap: networks do duplicate packets (RFC 8200
 * section 4.5). A datagram is forgotten a minute after its first fragment (RFC 8200: 60 s).
 *
 * Full: the table gives up the datagram that is oldest; of one datagram, fragments beyond FRAGMENTS_EACH_MAX
 * are not compared. Both are counted. Not thread safe.
 */
#ifndef PICKET_FRAGMENTS_H
#define PICKET_FRAGMENTS_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/addr.h"
#include "lib/span.h"

#define FRAGMENTS_EACH_MAX 256
#define FRAGMENTS_HELD_NS  (60ull * 1000000000)

/* What makes fragments belong together (RFC 791 section 3.2, RFC 8200 section 4.5). */
struct fragment_key {
	struct addr source, destination;
	uint32_t id;
	uint8_t protocol; /* IPv4 only, else 0 */
};

struct fragment {
	uint32_t offset, len; /* bytes of the fragmentable part */
	bool more;            /* others follow behind it */
	struct span bytes;    /* of it, as far as captured */
};

struct fragments_counts {
	uint64_t held, held_max;
	uint64_t evicted;    /* given up for room before their minute was over */
	uint64_t uncompared; /* beyond FRAGMENTS_EACH_MAX, or memory was out */
};

struct fragments;

/* datagrams_max: at least 1. 0 or -errno. */
int fragments_new(unsigned datagrams_max, struct fragments **ret);
void fragments_free(struct fragments *t);
/* Takes note of a fragment. True: it overlaps one seen before. now_ns may not go back by much; it is only
 * compared. */
bool fragments_add(struct fragments *t, const struct fragment_key *key, const struct fragment *f,
		   uint64_t now_ns);
struct fragments_counts fragments_counts(const struct fragments *t);

#endif
