/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames_internal.h: what the files of frames.h share: the walk down one frame.
 */
#ifndef PICKET_FRAMES_INTERNAL_H
#define PICKET_FRAMES_INTERNAL_H

#include "sensor/frames.h"

/* What is left of a frame from some header on. have <= len: bytes captured, bytes there on the wire. */
struct rest {
	const uint8_t *ptr;
	size_t have, len;
};

struct walk {
	struct fragments *fragments;
	frames_report report;
	void *arg;
	struct frame_ends ends;
	uint64_t now_ns;
	uint64_t reported; /* bits: enum frame_anomaly */
	unsigned layers;
	struct frame_tunnels tunnels;
	unsigned opened; /* tunnels entered of those that the packet program opens */
	bool segment; /* as in frame_view, as long as no fragment was entered, nor a tunnel that stays shut */
};

static inline struct rest rest_skip(struct rest r, size_t n)
{
	return (struct rest){r.ptr + (n < r.have ? n : r.have), n < r.have ? r.have - n : 0,
			     n < r.len ? r.len - n : 0};
}

/* At most n bytes. */
static inline struct rest rest_cut(struct rest r, size_t n)
{
	return (struct rest){r.ptr, n < r.have ? n : r.have, n < r.len ? n : r.len};
}

static inline unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static inline uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

void walk_report(struct walk *w, enum frame_anomaly anomaly);
/* One header deeper. False: that is one too many, and it was reported. */
bool walk_enter(struct walk *w);
/* A packet whose version was found right, from its first byte on. */
void walk_ipv4(struct walk *w, struct rest r);
void walk_ipv6(struct walk *w, struct rest r);
/* A TCP header, in a packet or in the first fragment of one. */
void walk_tcp(struct walk *w, struct rest r, bool fragment);
/* What follows a link header whose last field says so. */
void walk_ethertype(struct walk *w, unsigned type, struct rest r);
void walk_ethernet(struct walk *w, struct rest r);
/* Is this a tunnel whose inner TCP header comes as a segment, too? To be asked once for each IP payload. */
bool walk_segment_inside(struct walk *w, uint8_t protocol, struct rest r);
/* GRE, VXLAN: what they carry, if they are to be opened. */
void walk_tunnel(struct walk *w, uint8_t protocol, struct rest r);
/* Protocol numbers that IANA has given to something that may follow an IP header. */
bool protocol_is_assigned(uint8_t protocol);

#define PROTOCOL_HOP         0
#define PROTOCOL_ICMP        1
#define PROTOCOL_IPV4        4
#define PROTOCOL_TCP         6
#define PROTOCOL_UDP         17
#define PROTOCOL_IPV6        41
#define PROTOCOL_ROUTING     43
#define PROTOCOL_FRAGMENT    44
#define PROTOCOL_GRE         47
#define PROTOCOL_ESP         50
#define PROTOCOL_AUTH        51
#define PROTOCOL_ICMPV6      58
#define PROTOCOL_NONE        59
#define PROTOCOL_DESTINATION 60
#define PROTOCOL_MOBILITY    135
#define PROTOCOL_HIP         139
#define PROTOCOL_SHIM6       140

#define IPV4_HEADER_MIN 20
#define IPV6_HEADER     40
#define IP_PACKET_MAX   65535

#endif
