/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * tunnel.h: from a packet that carries another one to that other one: IP in IP (RFC 2003, 2473, 4213), GRE
 * (RFC 2784, 2890), VXLAN (RFC 7348), as far as pk_tunnels says. One level: what is inside of an inner packet
 * stays closed. What is done with the inner packet is ingress.bpf.c's.
 *
 * While pk_tunnels.kinds is 0, which the verifier knows, as the section is read-only, nothing of this is
 * left in the loaded program. Each global function below is verified once, by itself.
 */
#ifndef PICKET_BPF_TUNNEL_H
#define PICKET_BPF_TUNNEL_H

#include "header.h"
#include "parse.h"

/* Written by the loader, before the object is loaded. */
const volatile struct pk_tunnels pk_tunnels SEC(".rodata.tunnels") = {};

#define IPPROTO_IPV4_ 4
#define IPPROTO_IPV6_ 41
#define IPPROTO_GRE_  47

#define ETH_P_TEB_ 0x6558 /* Ethernet inside of GRE */

#define GRE_CHECKSUM 0x8000
#define GRE_ROUTING  0x4000 /* RFC 1701; no kernel takes it */
#define GRE_KEY      0x2000
#define GRE_SEQUENCE 0x1000
#define GRE_VERSION  0x0007 /* 1: PPTP, something else altogether */

#define UDP_HEADER   8
#define VXLAN_HEADER 8
#define VXLAN_VNI    0x08 /* "I": the header has a network identifier */

/* What a tunnel's header leads to: its kind in bits 0-7, its offset in the others; or TUNNEL_UNREAD. */
enum { INNER_IPV4 = 1, INNER_IPV6, INNER_ETHERNET, INNER_OTHER };
#define TUNNEL_UNREAD     -1
#define INNER(KIND, OFF)  ((int)((KIND) | (OFF) << 8))
#define INNER_KIND(inner) ((inner)&0xff)
#define INNER_OFF(inner)  ((__u32)(inner) >> 8)

/* Is this a kind of packet that is opened? The L4 header was reached. */
static __always_inline bool tunnel_is(const struct packet *p, const struct segment *s)
{
	switch (p->protocol) {
	case IPPROTO_IPV4_:
	case IPPROTO_IPV6_:
		return pk_tunnels.kinds & PK_TUNNEL_IPIP;
	case IPPROTO_GRE_:
		return pk_tunnels.kinds & PK_TUNNEL_GRE;
	case IPPROTO_UDP_:
		return (pk_tunnels.kinds & PK_TUNNEL_VXLAN) && s->have &&
		       s->tcp.destination == bpf_htons(pk_tunnels.vxlan_port);
	default:
		return false;
	}
}

static __always_inline bool peer_has4(__be32 addr)
{
	struct pk_lpm4 key = {.bits = 32};

	__builtin_memcpy(key.addr, &addr, 4);
	return bpf_map_lookup_elem(&pk_peer4, &key);
}

static __always_inline bool peer_has6(const __u32 *addr)
{
	struct pk_lpm6 key = {.bits = 128};

	__builtin_memcpy(key.addr, addr, 16);
	return bpf_map_lookup_elem(&pk_peer6, &key);
}

/* Is the packet's source one of the tunnel peers, if there is a list of them? */
static __always_inline bool tunnel_peer(const struct packet *p)
{
	if (p->family == PK_AF_INET)
		return peer_has4(p->source[0]);
	return addr_is_mapped(p->source) ? peer_has4(p->source[3]) : peer_has6(p->source);
}

static __always_inline int gre_read(const struct frame *f, struct packet *p)
{
	__be16 head[2], key[2];
	__u32 len = 4;
	__u16 flags;
	int kind;

	if (p->l4_len < len || frame_load(f, p->l4, head, sizeof(head)))
		return TUNNEL_UNREAD;
	flags = bpf_ntohs(head[0]);
	/* Of the other bits RFC 2784 says that some are to be discarded; Linux takes them all. */
	if (flags & (GRE_ROUTING | GRE_VERSION))
		return TUNNEL_UNREAD;
	if (flags & GRE_CHECKSUM)
		len += 4;
	if (flags & GRE_KEY) {
		if (p->l4_len < len + 4 || frame_load(f, p->l4 + len, key, sizeof(key)))
			return TUNNEL_UNREAD;
		p->vlan[0] = bpf_ntohs(key[1]);
		p->vlan[1] = bpf_ntohs(key[0]);
		len += 4;
	}
	if (flags & GRE_SEQUENCE)
		len += 4;
	if (p->l4_len < len)
		return TUNNEL_UNREAD;
	if (head[1] == bpf_htons(ETH_P_IPV4_))
		kind = INNER_IPV4;
	else if (head[1] == bpf_htons(ETH_P_IPV6_))
		kind = INNER_IPV6;
	else
		kind = head[1] == bpf_htons(ETH_P_TEB_) ? INNER_ETHERNET : INNER_OTHER;
	return INNER(kind, p->l4 + len);
}

static __always_inline int vxlan_read(const struct frame *f, struct packet *p)
{
	__u8 head[UDP_HEADER + VXLAN_HEADER];
	__u32 len;

	if (p->l4_len < sizeof(head) || frame_load(f, p->l4, head, sizeof(head)))
		return TUNNEL_UNREAD;
	len = head[4] << 8 | head[5];
	if (len && len < sizeof(head)) /* 0: longer than 64 KiB, as the IP header knows */
		return TUNNEL_UNREAD;
	if (!(head[8] & VXLAN_VNI))
		return TUNNEL_UNREAD;
	if (len && len < p->l4_len)
		p->l4_len = len;
	p->vlan[0] = head[13] << 8 | head[14];
	p->vlan[1] = head[12];
	return INNER(INNER_ETHERNET, p->l4 + sizeof(head));
}

/* Reads the tunnel's header of the packet in pk_ingress_cpu, and leaves there how long what it carries is. */
__noinline int tunnel_read(PACKET_CTX *ctx, __u32 l3_only)
{
	struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	struct packet *p;

	if (!ctx || !cpu || !pk_tunnels.kinds)
		return TUNNEL_UNREAD;
	struct frame f = {
		.ctx = ctx,
		.data = (__u8 *)(long)ctx->data,
		.data_end = (__u8 *)(long)ctx->data_end,
		.l3_only = l3_only,
	};
	p = &cpu->packet;
	if (p->l4 > PACKET_OFF_MAX)
		return TUNNEL_UNREAD;
	switch (p->protocol) {
	case IPPROTO_IPV4_:
		return INNER(INNER_IPV4, p->l4);
	case IPPROTO_IPV6_:
		return INNER(INNER_IPV6, p->l4);
	case IPPROTO_GRE_:
		return gre_read(&f, p);
	default:
		return vxlan_read(&f, p);
	}
}

/* An IP header must lie inside of what the outer packet carries; behind that may be bytes of other meaning.
 */
static __always_inline enum parse_reach inner_l3(const struct frame *f, struct packet *p, __be16 type,
						 __u32 l3)
{
	__u32 head = type == bpf_htons(ETH_P_IPV4_)   ? sizeof(struct ipv4_head)
		     : type == bpf_htons(ETH_P_IPV6_) ? sizeof(struct ipv6_head)
						      : 0;

	if (l3 + head > f->len)
		return REACH_NO_IP_HEADER;
	return parse_l3(f, p, type, l3);
}

static __always_inline enum parse_reach inner_ethernet(const struct frame *f, struct packet *p, __u32 off)
{
	__be16 type, tag[2];

	if (off + ETH_HEADER > f->len || frame_load(f, off + 12, &type, sizeof(type)))
		return REACH_NO_IP_HEADER;
	off += ETH_HEADER;
	for (int i = 0; i < PARSE_VLAN_MAX; i++) {
		if (type != bpf_htons(ETH_P_VLAN_) && type != bpf_htons(ETH_P_QINQ_))
			break;
		if (off + 4 > f->len || frame_load(f, off, tag, sizeof(tag)))
			return REACH_NO_IP_HEADER;
		type = tag[1];
		off += 4;
	}
	return inner_l3(f, p, type, off);
}

/*
 * The inner packet takes the place of the outer one in pk_ingress_cpu. What was odd about the outer one stays
 * so: of a fragment's inner packet there is only the beginning, too. Returns enum parse_reach.
 */
__noinline int tunnel_enter(PACKET_CTX *ctx, __u32 l3_only, __u32 kind, __u32 off)
{
	struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	struct packet *p;

	if (!ctx || !cpu || !pk_tunnels.kinds || off > PACKET_OFF_MAX)
		return REACH_NO_IP_HEADER;
	p = &cpu->packet;
	struct frame f = {
		.ctx = ctx,
		.data = (__u8 *)(long)ctx->data,
		.data_end = (__u8 *)(long)ctx->data_end,
		.len = p->l4 + p->l4_len,
		.l3_only = l3_only,
	};
	struct packet outer = {.odd = p->odd, .len = p->len, .vlan = {p->vlan[0], p->vlan[1]}};

	__builtin_memcpy(p, &outer, sizeof(*p));
	if (kind == INNER_IPV4)
		p->reach = inner_l3(&f, p, bpf_htons(ETH_P_IPV4_), off);
	else if (kind == INNER_IPV6)
		p->reach = inner_l3(&f, p, bpf_htons(ETH_P_IPV6_), off);
	else if (kind == INNER_ETHERNET)
		p->reach = inner_ethernet(&f, p, off);
	else
		p->reach = REACH_NOT_IP;
	return p->reach;
}

#endif
