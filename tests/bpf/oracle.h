/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oracle.h: what a packet program has to make of a frame, written a second time: from IEEE 802.1Q, RFC 791,
 * 8200, 4302, 768, 9293, of tunnels 2003, 2473, 2784, 2890, 7348, and the promises of docs/, and from no line
 * of bpf/. It reads the whole frame from memory, and knows no verifier.
 */
#ifndef PICKET_TESTS_ORACLE_H
#define PICKET_TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum oracle_reach {
	ORACLE_L4,           /* a header of layer 4 begins inside the packet, or right at its end */
	ORACLE_LATER_PIECE,  /* a fragment, but not the first: no header in it */
	ORACLE_SHORT,        /* addresses, then the packet ends too early */
	ORACLE_EXTENSIONS,   /* headers of IPv6 that nobody has to understand, or more than eight */
	ORACLE_NO_IP,        /* another protocol */
	ORACLE_TAGS,         /* more than two VLAN tags */
	ORACLE_NO_ADDRESSES, /* not even an IP header */
};

struct oracle_packet {
	enum oracle_reach reach;
	int version;        /* 4, 6; 0: no addresses */
	uint8_t source[16]; /* network order; IPv4: the first four bytes */
	uint8_t destination[16];
	uint8_t protocol, hops;
	bool ports; /* TCP or UDP, and both ports are there */
	uint16_t source_port, destination_port;
	/* TCP, as far as it is there: 0, 4, 8 or 20 bytes of its header. */
	unsigned tcp_bytes;
	uint32_t sequence, acknowledgment;
	uint16_t flags, window; /* nine flags, NS the highest */
	uint8_t reserved, header_bytes;
	const uint8_t *l4; /* where layer 4 begins, in the frame */
	uint32_t l4_bytes; /* TCP or UDP header and payload, by the IP length and the frame's */
};

void oracle_read(struct oracle_packet *p, const uint8_t *frame, size_t len);

/* Does it carry another packet: IP in IP, GRE, VXLAN at that port? */
bool oracle_is_tunnel(const struct oracle_packet *p, uint16_t vxlan_port);

enum oracle_tunnel {
	ORACLE_TUNNEL_OPEN, /* *inner is what came out, readable or not */
	ORACLE_TUNNEL_SHUT, /* the tunnel's own header is none, or cut off */
};
enum oracle_tunnel oracle_open(struct oracle_packet *inner, const struct oracle_packet *outer);

#endif
