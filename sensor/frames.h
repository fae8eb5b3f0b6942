/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames.h: a frame, from its link header to the beginning of its upper-layer header, and a name for whatever
 * is odd on that way: Ethernet and VLAN tags, IPv4 (RFC 791), IPv6 and its extension headers (RFC 8200), IP
 * in IP (RFC 2003, RFC 2473), fragments that overlap or are too large (RFC 5722), and whether a TCP header is
 * there. GRE and VXLAN are opened only where frames_tunnels says so.
 *
 * What a TCP header says in the light of its connection is sensor/tcp_track.h. What lies beyond the captured
 * bytes is unknown and is never called odd: lengths are judged by the frame's length on the wire.
 *
 * Each name is reported once a frame. Memory: fragments are remembered by sensor/fragments.h, bounded there.
 * Not thread safe.
 */
#ifndef PICKET_FRAMES_H
#define PICKET_FRAMES_H

#include "lib/addr.h"
#include "sensor/fragments.h"

/* Headers inside one another, link, tags, network and extension headers of one kind counted alike. */
#define FRAMES_LAYERS_MAX 16
/* Tags: IEEE 802.1ad has two; providers are known to stack a third. */
#define FRAMES_TAGS_MAX 3

enum frame_link { FRAME_ETHERNET, FRAME_IP, FRAME_SLL /* Linux "cooked" capture, version 1 */ };

struct frame_view {
	enum frame_link link;
	struct span bytes; /* from the first on, as far as captured */
	uint32_t len;      /* on the wire; less than bytes.len counts as bytes.len */
	bool segment; /* the same frame's TCP header also comes as a segment: its options are judged there */
};

/* As far as they could be read: family ADDR_NONE and port 0 else. Of the innermost packet. */
struct frame_ends {
	struct endpoint source, destination;
};

enum frame_anomaly {
	FRAME_ETHERNET_PACKET_TOO_SMALL,
	FRAME_ETHERNET_UNKNOWN_ETHERTYPE,
	FRAME_SLL_PACKET_TOO_SMALL,
	FRAME_IPRAW_INVALID_IP_VERSION,
	FRAME_VLAN_HEADER_TOO_SMALL,
	FRAME_VLAN_TOO_MANY_LAYERS,
	FRAME_VLAN_UNKNOWN_TYPE,
	FRAME_TOO_MANY_LAYERS,
	FRAME_IPV4_PACKET_TOO_SMALL,
	FRAME_IPV4_WRONG_IP_VERSION,
	FRAME_IPV4_HEADER_LENGTH_TOO_SMALL,
	FRAME_IPV4_TOTAL_LENGTH_SMALLER_THAN_HEADER_LENGTH,
	FRAME_IPV4_TRUNCATED_PACKET,
	FRAME_IPV4_OPTION_INVALID,
	FRAME_IPV4_OPTION_INVALID_LENGTH,
	FRAME_IPV4_OPTION_MALFORMED,
	FRAME_IPV4_OPTION_PADDING_REQUIRED,
	FRAME_IPV4_OPTION_END_OF_LIST_REQUIRED,
	FRAME_IPV4_OPTION_DUPLICATE,
	FRAME_IPV4_OPTION_UNKNOWN,
	FRAME_IPV4_ICMPV6,
	FRAME_IPV4_UNKNOWN_PROTOCOL,
	FRAME_IPV4_FRAGMENT_OVERLAP,
	FRAME_IPV4_FRAGMENT_PACKET_TOO_LARGE,
	FRAME_IPV6_PACKET_TOO_SMALL,
	FRAME_IPV6_WRONG_IP_VERSION,
	FRAME_IPV6_TRUNCATED_PACKET,
	FRAME_IPV6_TRUNCATED_EXTENSION_HEADER,
	FRAME_IPV6_DUPLICATE_FRAGMENT_HEADER,
	FRAME_IPV6_USELESS_FRAGMENT_HEADER,
	FRAME_IPV6_FRAGMENT_HEADER_NON_ZERO_RESERVED_FIELD,
	FRAME_IPV6_DUPLICATE_ROUTING_HEADER,
	FRAME_IPV6_DUPLICATE_HOP_HEADER,
	FRAME_IPV6_DUPLICATE_DESTINATION_HEADER,
	FRAME_IPV6_DUPLICATE_AUTH_HEADER,
	FRAME_IPV6_AUTH_HEADER_RESERVED_NOT_NULL,
	FRAME_IPV6_ROUTING_HEADER_TYPE_0,
	FRAME_IPV6_INVALID_OPTION_LENGTH,
	FRAME_IPV6_ZERO_LENGTH_PAD_N,
	FRAME_IPV6_HOP_OPTIONS_UNKNOWN_OPTION,
	FRAME_IPV6_HOP_OPTIONS_ONLY_PADDING,
	FRAME_IPV6_DESTINATION_OPTIONS_UNKNOWN_OPTION,
	FRAME_IPV6_DESTINATION_OPTIONS_ONLY_PADDING,
	FRAME_IPV6_DATA_AFTER_NONE_HEADER,
	FRAME_IPV6_UNKNOWN_NEXT_HEADER,
	FRAME_IPV6_ICMPV4,
	FRAME_IPV6_FRAGMENT_PACKET_TOO_LARGE,
	FRAME_IPV6_FRAGMENT_INVALID_LENGTH,
	FRAME_IPV6_FRAGMENT_OVERLAP,
	FRAME_IPV6_IPV4_IN_IPV6_TOO_SMALL,
	FRAME_IPV6_IPV4_IN_IPV6_WRONG_VERSION,
	FRAME_IPV6_IPV6_IN_IPV6_TOO_SMALL,
	FRAME_IPV6_IPV6_IN_IPV6_WRONG_VERSION,
	FRAME_TCP_PACKET_TOO_SMALL,
	FRAME_TCP_HEADER_LENGTH_TOO_SMALL,
	FRAME_TCP_INVALID_OPTION_LENGTH,
	FRAME_TCP_OPTION_INVALID_LENGTH,
	FRAME_TCP_OPTION_DUPLICATE,
	FRAME_ANOMALY_MAX, /* at most 64: they are bits of a word */
};
/* tcp.anomaly.name of it: static text. */
const char *frame_anomaly_name(enum frame_anomaly anomaly);

typedef void (*frames_report)(void *arg, enum frame_anomaly anomaly, const struct frame_ends *ends);

struct frames;

/* datagrams_max: fragmented datagrams remembered at a time. 0 or -errno. */
int frames_new(unsigned datagrams_max, struct frames **ret);
void frames_free(struct frames *f);
/* Tunnels that the packet program opens, one of them a frame (bpf/tunnel.h): the TCP header inside of that
 * one comes as a segment as well. None by default; IP in IP is entered all the same. */
struct frame_tunnels {
	bool ipip, gre;
	uint16_t vxlan_port; /* 0: VXLAN stays shut */
};
void frames_tunnels(struct frames *f, const struct frame_tunnels *tunnels);
/* Calls report during the call, for each name once. Returns how many. */
unsigned frames_read(struct frames *f, const struct frame_view *view, uint64_t now_ns, frames_report report,
		     void *arg);
struct fragments_counts frames_counts(const struct frames *f);

#endif
