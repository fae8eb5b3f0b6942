/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet.h: builds frames for tests, from the outside in: packet_eth, packet_vlan, packet_ipv4 or
 * packet_ipv6, extension headers, packet_tcp or packet_udp, packet_bytes; packet_end writes the lengths. What
 * a tunnel carries follows packet_gre, packet_vxlan or an IP header. All fields in host order.
 */
#ifndef PICKET_TESTS_PACKET_H
#define PICKET_TESTS_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define PACKET_LENGTHS_MAX 8
struct frame_buf {
	uint8_t bytes[2048];
	size_t len;
	struct frame_length {
		size_t at, from;
	} lengths[PACKET_LENGTHS_MAX]; /* internal: fields that packet_end fills */
	size_t length_count;
};

/* What a test wants to say about a TCP header. */
struct tcp_fields {
	uint16_t source, destination;
	uint32_t sequence, acknowledgment;
	uint8_t header_words; /* data offset; 0: 5, or what options need */
	uint8_t reserved;     /* the three bits between data offset and NS */
	uint16_t flags;       /* PK_TCP_*, nine of them */
	uint16_t window;
	size_t options; /* bytes, zeros */
};

void packet_begin(struct frame_buf *f);
void packet_eth(struct frame_buf *f, uint16_t type);
void packet_vlan(struct frame_buf *f, uint16_t type); /* a tag; type: of what follows */
/* options: bytes, a multiple of 4. fragment: offset in units of 8 bytes, with 0x2000 for "more". */
void packet_ipv4(struct frame_buf *f, const char *source, const char *destination, uint8_t protocol,
		 size_t options, uint16_t fragment);
void packet_ipv6(struct frame_buf *f, const char *source, const char *destination, uint8_t next);
/* units: the header's own length field. */
void packet_ext(struct frame_buf *f, uint8_t kind, uint8_t next, uint8_t units);
void packet_fragment(struct frame_buf *f, uint8_t next, uint16_t offset, int more);
void packet_tcp(struct frame_buf *f, const struct tcp_fields *t);
void packet_udp(struct frame_buf *f, uint16_t source, uint16_t destination);
/* flags: the first two bytes of RFC 2890; fields that they announce are there, the key is 0xabcdef. */
void packet_gre(struct frame_buf *f, uint16_t flags, uint16_t type);
void packet_vxlan(struct frame_buf *f, uint16_t port, uint32_t network); /* UDP header included */
void packet_bytes(struct frame_buf *f, size_t len);
void packet_end(struct frame_buf *f);

#endif
