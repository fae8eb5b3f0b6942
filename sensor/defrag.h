/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defrag.h: fragments of IP datagrams in frames → the frame that was not fragmented, as Linux puts
 * them together: a fragment that lies on another one and is no copy of it makes the whole datagram void
 * (net/ipv4/ip_fragment.c, RFC 5722), and so does what is not whole within DEFRAG_HELD_NS.
 *
 * Full: the datagram that began first is given up (counted). Not thread safe.
 */
#ifndef PICKET_DEFRAG_H
#define PICKET_DEFRAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEFRAG_DATAGRAMS_MAX 64
#define DEFRAG_HELD_NS       (30ull * 1000000000)

struct defrag;

struct defrag_frame {
	const uint8_t *bytes; /* Ethernet header first, or the IP header if l3_only */
	size_t len;
	uint64_t time_ns;
	bool l3_only;
	uint32_t mark; /* the caller's; what is whole has that of the fragment it begins with */
};

struct defrag_whole {
	struct defrag_frame frame; /* time_ns: of the last fragment that came */
	size_t ip, payload;        /* where the IP header begins, and what was fragmented */
	uint8_t version;           /* 4 or 6 */
	uint8_t protocol;          /* of the payload; IPv6: perhaps an extension header's */
};

struct defrag_counts {
	uint64_t fragments, whole; /* whole: datagrams */
	uint64_t overlapping;      /* void for that */
	uint64_t given_up;         /* for want of room, of time, or of memory */
};

/* protocol: IPv4 fragments of others are passed over; 0: none are. 0 or -ENOMEM. */
int defrag_new(uint8_t protocol, struct defrag **ret);
/* True: f was the last one missing; *ret is what it made whole, valid until the next call. */
bool defrag_add(struct defrag *d, const struct defrag_frame *f, struct defrag_whole *ret);
struct defrag_counts defrag_counts(const struct defrag *d);
void defrag_free(struct defrag *d);

#endif
