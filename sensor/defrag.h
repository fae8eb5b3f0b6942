/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defrag.h: fragments of IP datagrams in Ethernet frames → the frame that was not fragmented, as Linux puts
 * them together: a fragment that lies on another one and is no copy of it makes the whole datagram void
 * (net/ipv4/ip_fragment.c, RFC 5722), and so does what is not whole within DEFRAG_HELD_NS.
 *
 * Full: the datagram that began first is given up (counted). Not thread safe.
 */
#ifndef PICKET_DEFRAG_H
#define PICKET_DEFRAG_H

#include "sensor/pcap_file.h"

#define DEFRAG_DATAGRAMS_MAX 64
#define DEFRAG_HELD_NS       (30ull * 1000000000)

struct defrag;

struct defrag_counts {
	uint64_t fragments, whole; /* whole: datagrams */
	uint64_t overlapping;      /* void for that */
	uint64_t given_up;         /* for want of room, of time, or of memory */
};

int defrag_new(struct defrag **ret);
/* True: f was the last one missing; *ret is the whole frame, with f's time, valid until the next call. */
bool defrag_add(struct defrag *d, const struct pcap_frame *f, struct pcap_frame *ret);
struct defrag_counts defrag_counts(const struct defrag *d);
void defrag_free(struct defrag *d);

#endif
