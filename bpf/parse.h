/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * parse.h: from the frame to the addresses and the place of the L4 header: Ethernet, up to two VLAN tags,
 * IPv4 with options, IPv6 with up to PARSE_EXT_MAX extension headers, fragments. It decides nothing; it says
 * how far it came.
 *
 * The includer defines PACKET_CTX, the context's type, and frame_load_slow(ctx, l3_only, off, to, len) for
 * bytes that lie beyond the linear part.
 */
#ifndef PICKET_BPF_PARSE_H
#define PICKET_BPF_PARSE_H

#include "maps.h"

#define ETH_HEADER     14
#define ETH_P_IPV4_    0x0800
#define ETH_P_IPV6_    0x86dd
#define ETH_P_VLAN_    0x8100
#define ETH_P_QINQ_    0x88a8
#define PARSE_VLAN_MAX 2
#define PARSE_EXT_MAX  8

enum parse_reach {
	REACH_L4,        /* l4 and l4_len say where the L4 header is; l4_len may be short */
	REACH_FRAGMENT,  /* a later fragment: no L4 header in it */
	REACH_TRUNCATED, /* the addresses are known, what follows ends beyond the packet */
	REACH_EXTENSION, /* too many IPv6 extension headers, one unknown to us, or no next header */
	/* from here on no addresses are known */
	REACH_NOT_IP,
	REACH_VLAN,         /* more than two tags */
	REACH_NO_IP_HEADER, /* it ends beyond the packet, or is none */
};
#define REACH_ADDRESSES(r) ((r) <= REACH_EXTENSION)

/* What was odd on a way that was gone all the same: bits of packet.odd. */
#define ODD_OPTIONS  0x01 /* IPv4 options, or IPv6 extension headers */
#define ODD_FRAGMENT 0x02 /* any fragment, the first one included */
#define ODD_SHORT    0x04 /* the frame is shorter than the IP header says */
#define ODD_TUNNEL   0x08 /* a tunnel whose header cannot be read, or one inside of another */

/* Where the bytes are. */
struct frame {
	PACKET_CTX *ctx;
	__u8 *data;
	__u8 *data_end;
	__u32 len;    /* bytes of the frame, paged parts included */
	bool l3_only; /* no link header; offsets are relative to the network header and all loads are slow */
};

#define PACKET_OFF_MAX 0x7fff /* the verifier follows packet pointers no further than 64 KiB */

/* 0, or -1: they are not all there. len is a constant. */
static __always_inline int frame_load(const struct frame *f, __u32 off, void *to, __u32 len)
{
	asm volatile("" : "+r"(off)); /* have clang check the register that it will add */
	if (off > PACKET_OFF_MAX)
		return -1;
	if (!f->l3_only && f->data + off + len <= f->data_end) {
		__builtin_memcpy(to, f->data + off, len);
		return 0;
	}
	return frame_load_slow(f->ctx, f->l3_only, off, to, len);
}

struct ipv4_head {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_len;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 check;
	__be32 source;
	__be32 destination;
};

static __always_inline enum parse_reach parse_ipv4(const struct frame *f, struct packet *p, __u32 l3)
{
	struct ipv4_head ip;
	__u32 head, total, end;

	if (frame_load(f, l3, &ip, sizeof(ip)))
		return REACH_NO_IP_HEADER;
	if (ip.version_ihl >> 4 != 4)
		return REACH_NO_IP_HEADER;
	p->family = PK_AF_INET;
	p->protocol = ip.protocol;
	p->ttl = ip.ttl;
	p->source[0] = ip.source;
	p->destination[0] = ip.destination;
	if (ip.fragment & bpf_htons(0x3fff))
		p->odd |= ODD_FRAGMENT;
	if (ip.fragment & bpf_htons(0x1fff))
		return REACH_FRAGMENT;
	head = (ip.version_ihl & 15) * 4;
	total = bpf_ntohs(ip.total_len);
	end = total ? l3 + total : f->len; /* 0: a GRO packet above 64 KiB */
	if (end > f->len) {
		p->odd |= ODD_SHORT;
		p->missing = end - f->len;
		end = f->len;
	}
	if (head < sizeof(ip) || l3 + head > end)
		return REACH_TRUNCATED;
	if (head > sizeof(ip))
		p->odd |= ODD_OPTIONS;
	p->l4 = l3 + head;
	p->l4_len = end - p->l4;
	return REACH_L4;
}

struct ipv6_head {
	__be32 version_class_flow;
	__be16 payload_len;
	__u8 next;
	__u8 hop_limit;
	__be32 source[4];
	__be32 destination[4];
};

/* Extension headers; every one is at least 8 bytes long. */
#define IPV6_HOP         0
#define IPV6_ROUTING     43
#define IPV6_FRAGMENT    44
#define IPV6_AUTH        51
#define IPV6_NONE        59
#define IPV6_DESTINATION 60
#define IPV6_MOBILITY    135
#define IPV6_HIP         139
#define IPV6_SHIM6       140
#define IPV6_TEST1       253
#define IPV6_TEST2       254

static __always_inline bool ipv6_is_extension(__u8 next)
{
	return next == IPV6_HOP || next == IPV6_ROUTING || next == IPV6_FRAGMENT || next == IPV6_AUTH ||
	       next == IPV6_DESTINATION || next == IPV6_MOBILITY || next == IPV6_HIP || next == IPV6_SHIM6;
}

#define EXT_TRUNCATED -1
#define EXT_FRAGMENT  -2
#define EXT_MORE      (1 << 20) /* of a fragment header: others follow */

/*
 * One extension header: the next one's kind in bits 0-7, its length in bits 8-19, EXT_MORE, or EXT_*. A
 * global function: the verifier looks at it once by itself instead of following every kind of header through
 * every round of the walk.
 */
__noinline int parse_extension(PACKET_CTX *ctx, __u32 off, __u32 kind, __u32 l3_only)
{
	struct frame f = {
		.ctx = ctx,
		.data = (__u8 *)(long)ctx->data,
		.data_end = (__u8 *)(long)ctx->data_end,
		.l3_only = l3_only,
	};
	__u8 ext[8];
	__u32 length;

	if (!ctx || frame_load(&f, off, ext, sizeof(ext)))
		return EXT_TRUNCATED;
	if (kind == IPV6_FRAGMENT && ((ext[2] << 8 | ext[3]) & 0xfff8))
		return EXT_FRAGMENT;
	if (kind == IPV6_FRAGMENT)
		length = 8;
	else if (kind == IPV6_AUTH)
		length = (ext[1] + 2) * 4;
	else
		length = (ext[1] + 1) * 8;
	return ext[0] | length << 8 | (ext[3] & 1) * EXT_MORE;
}

static __always_inline enum parse_reach parse_extensions(const struct frame *f, struct packet *p, __u8 next,
							 __u32 off, __u32 end)
{
	for (int i = 0; i <= PARSE_EXT_MAX; i++) {
		int ext;

		if (next == IPV6_NONE || next == IPV6_TEST1 || next == IPV6_TEST2)
			return REACH_EXTENSION;
		if (!ipv6_is_extension(next)) {
			if (i)
				p->odd |= ODD_OPTIONS;
			p->protocol = next;
			p->l4 = off;
			p->l4_len = end > off ? end - off : 0;
			return off > end ? REACH_TRUNCATED : REACH_L4;
		}
		if (i == PARSE_EXT_MAX)
			break;
		if (off + 8 > end)
			return REACH_TRUNCATED;
		ext = parse_extension(f->ctx, off, next, f->l3_only);
		if (ext < 0)
			return ext == EXT_FRAGMENT ? REACH_FRAGMENT : REACH_TRUNCATED;
		if (next == IPV6_FRAGMENT && (ext & EXT_MORE))
			p->odd |= ODD_FRAGMENT;
		next = ext & 0xff;
		off += ext >> 8 & 0xfff;
	}
	return REACH_EXTENSION;
}

static __always_inline enum parse_reach parse_ipv6(const struct frame *f, struct packet *p, __u32 l3)
{
	struct ipv6_head ip;
	__u32 end, payload;

	if (frame_load(f, l3, &ip, sizeof(ip)))
		return REACH_NO_IP_HEADER;
	if ((ip.version_class_flow & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
		return REACH_NO_IP_HEADER;
	p->family = PK_AF_INET6;
	p->ttl = ip.hop_limit;
	__builtin_memcpy(p->source, ip.source, 16);
	__builtin_memcpy(p->destination, ip.destination, 16);
	payload = bpf_ntohs(ip.payload_len);
	end = payload ? l3 + sizeof(ip) + payload : f->len; /* 0: a jumbogram */
	if (end > f->len) {
		p->odd |= ODD_SHORT;
		p->missing = end - f->len;
		end = f->len;
	}
	return parse_extensions(f, p, ip.next, l3 + sizeof(ip), end);
}

static __always_inline enum parse_reach parse_l3(const struct frame *f, struct packet *p, __be16 type,
						 __u32 l3)
{
	if (type == bpf_htons(ETH_P_IPV4_))
		return parse_ipv4(f, p, l3);
	if (type == bpf_htons(ETH_P_IPV6_))
		return parse_ipv6(f, p, l3);
	return type == bpf_htons(ETH_P_VLAN_) || type == bpf_htons(ETH_P_QINQ_) ? REACH_VLAN : REACH_NOT_IP;
}

static __always_inline enum parse_reach parse_ethernet(const struct frame *f, struct packet *p)
{
	__u32 off = ETH_HEADER;
	__be16 type, tag[2];

	if (frame_load(f, 12, &type, sizeof(type)))
		return REACH_NOT_IP;
	for (int i = 0; i < PARSE_VLAN_MAX; i++) {
		if (type != bpf_htons(ETH_P_VLAN_) && type != bpf_htons(ETH_P_QINQ_))
			break;
		if (frame_load(f, off, tag, sizeof(tag)))
			return REACH_NO_IP_HEADER;
		p->vlan[i] = bpf_ntohs(tag[0]) & 0xfff;
		type = tag[1];
		off += 4;
	}
	return parse_l3(f, p, type, off);
}

#endif
