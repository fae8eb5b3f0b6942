/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * reset.h: a denied segment becomes the RST that answers it, in its own frame, as a host would that knows no
 * such connection (RFC 9293, 3.10.7.1). It is no longer than what it answers, and which segments are answered
 * at all is deny.h's to ration, so it is no amplifier; a RST is never answered, so it cannot go in circles.
 *
 * Only the plain case: Ethernet, with VLAN tags as they are; IPv4 without options or IPv6 without extension
 * headers, not in fragments, whole; both addresses such that one host may have them. On any doubt -1, and the
 * packet is dropped in silence.
 */
#ifndef PICKET_BPF_RESET_H
#define PICKET_BPF_RESET_H

#include "header.h"
#include "parse.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define RESET_TTL   64

#define TCP_FIN_ 0x01
#define TCP_SYN_ 0x02
#define TCP_RST_ 0x04
#define TCP_ACK_ 0x10

/* IP and TCP header of the answer; IPv4 takes 40 bytes of it. */
struct reset {
	union {
		struct {
			struct ipv4_head ip;
			struct tcp_head tcp;
		} v4;
		struct {
			struct ipv6_head ip;
			struct tcp_head tcp;
		} v6;
		__u16 words[(IPV6_HEADER + TCP_HEADER) / 2];
	};
};

static __always_inline __u32 sum_add(__u32 sum, const void *words, __u32 count)
{
	const __u16 *w = words;

	for (__u32 i = 0; i < count; i++)
		sum += w[i];
	return sum;
}

static __always_inline __u16 sum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* No group, no "this host", no loopback. */
static __always_inline bool address_single(bool v4, const __u32 *addr)
{
	__u8 first = *(const __u8 *)addr;

	if (v4)
		return first != 0 && first != 127 && first < 224;
	if (first == 0xff || addr_is_mapped(addr))
		return false;
	return addr[0] || addr[1] || addr[2] || bpf_ntohl(addr[3]) > 1;
}

/* Bytes of the frame in front of the IP header; -1: this is no plain case. */
static __always_inline int reset_l3(const struct packet *p)
{
	bool v4 = p->family == PK_AF_INET;
	__u32 head = v4 ? IPV4_HEADER : IPV6_HEADER;

	if (p->protocol != IPPROTO_TCP_ || p->odd || p->missing || p->l4_len < TCP_HEADER ||
	    !address_single(v4, p->source) || !address_single(v4, p->destination))
		return -1;
	/* Where parse.h finds it behind an Ethernet header with no, one or two tags. */
	if (p->l4 == ETH_HEADER + head)
		return ETH_HEADER;
	if (p->l4 == ETH_HEADER + 4 + head)
		return ETH_HEADER + 4;
	return p->l4 == ETH_HEADER + 8 + head ? ETH_HEADER + 8 : -1;
}

/* What answers that segment, but for its checksum; -1: nothing does. */
static __always_inline int reset_tcp(struct tcp_head *to, const struct tcp_head *from, const struct packet *p)
{
	__u32 head = (from->offset_reserved >> 4) * 4;
	__u32 len;

	if (from->flags & TCP_RST_ || head < TCP_HEADER || head > p->l4_len)
		return -1;
	__builtin_memset(to, 0, sizeof(*to));
	to->source = from->destination;
	to->destination = from->source;
	to->offset_reserved = TCP_HEADER / 4 << 4;
	if (from->flags & TCP_ACK_) {
		to->sequence = from->acknowledgment;
		to->flags = TCP_RST_;
		return 0;
	}
	len = p->l4_len - head + !!(from->flags & TCP_SYN_) + !!(from->flags & TCP_FIN_);
	to->acknowledgment = bpf_htonl(bpf_ntohl(from->sequence) + len);
	to->flags = TCP_RST_ | TCP_ACK_;
	return 0;
}

/* Of the pseudo header: addresses, protocol, length. */
static __always_inline __u16 reset_pseudo_sum(const __u32 *addresses, __u32 words)
{
	return sum_fold(sum_add(bpf_htons(IPPROTO_TCP_) + bpf_htons(TCP_HEADER), addresses, words));
}

/* Fills both headers; *ret_pseudo: the sum of the pseudo header, for who needs it by itself. */
static __always_inline int reset_fill(struct reset *r, const struct tcp_head *from, const struct packet *p,
				      __u16 *ret_pseudo)
{
	struct tcp_head *tcp = p->family == PK_AF_INET ? &r->v4.tcp : &r->v6.tcp;

	__builtin_memset(r, 0, sizeof(*r));
	if (p->family == PK_AF_INET) {
		struct ipv4_head *ip = &r->v4.ip;

		ip->version_ihl = 0x45;
		ip->total_len = bpf_htons(IPV4_HEADER + TCP_HEADER);
		ip->fragment = bpf_htons(0x4000);
		ip->ttl = RESET_TTL;
		ip->protocol = IPPROTO_TCP_;
		ip->source = p->destination[0];
		ip->destination = p->source[0];
		ip->check = ~sum_fold(sum_add(0, ip, IPV4_HEADER / 2));
		*ret_pseudo = reset_pseudo_sum(&ip->source, 4);
	} else {
		struct ipv6_head *ip = &r->v6.ip;

		ip->version_class_flow = bpf_htonl(0x60000000);
		ip->payload_len = bpf_htons(TCP_HEADER);
		ip->next = IPPROTO_TCP_;
		ip->hop_limit = RESET_TTL;
		__builtin_memcpy(ip->source, p->destination, 16);
		__builtin_memcpy(ip->destination, p->source, 16);
		*ret_pseudo = reset_pseudo_sum(ip->source, 16);
	}
	if (reset_tcp(tcp, from, p))
		return -1;
	tcp->check = ~sum_fold(sum_add(*ret_pseudo, tcp, TCP_HEADER / 2));
	return 0;
}

#ifdef PK_TC
/*
 * A socket buffer may say that its checksum is still to be filled in by the card (CHECKSUM_PARTIAL: then the
 * field has to hold the sum of the pseudo header), and does not show whether it does. bpf_l4_csum_replace
 * knows, and leaves such a field alone: so that sum is put there, and made the whole checksum by what this
 * helper adds where it adds.
 */
static __always_inline int reset_write(struct __sk_buff *skb, const struct packet *p, __u32 l3,
				       struct reset *r, __u16 pseudo)
{
	bool v4 = p->family == PK_AF_INET;
	struct tcp_head *tcp = v4 ? &r->v4.tcp : &r->v6.tcp;
	__u32 head = v4 ? IPV4_HEADER : IPV6_HEADER, check = l3 + head + 16;
	__u16 more = sum_fold((__u32)(__u16)~tcp->check + pseudo);
	__u8 macs[12], swapped[12];

	if (skb->pkt_type != 0 /* PACKET_HOST: it came to us */ || skb->ifindex == 0 ||
	    bpf_skb_load_bytes(skb, 0, macs, sizeof(macs)) || macs[0] & 1 || macs[6] & 1 ||
	    bpf_skb_change_tail(skb, l3 + head + TCP_HEADER, 0))
		return -1;
	__builtin_memcpy(swapped, macs + 6, 6);
	__builtin_memcpy(swapped + 6, macs, 6);
	tcp->check = pseudo;
	if (bpf_skb_store_bytes(skb, 0, swapped, sizeof(swapped), 0) ||
	    (v4 ? bpf_skb_store_bytes(skb, l3, r, IPV4_HEADER + TCP_HEADER, BPF_F_RECOMPUTE_CSUM)
		: bpf_skb_store_bytes(skb, l3, r, IPV6_HEADER + TCP_HEADER, BPF_F_RECOMPUTE_CSUM)) ||
	    bpf_l4_csum_replace(skb, check, 0, more, sizeof(more)))
		return -1;
	return bpf_redirect(skb->ifindex, 0);
}
#else
static __always_inline int reset_write(struct xdp_md *xdp, const struct packet *p, __u32 l3, struct reset *r,
				       __u16 pseudo)
{
	bool v4 = p->family == PK_AF_INET;
	__u32 len = l3 + (v4 ? IPV4_HEADER : IPV6_HEADER) + TCP_HEADER;
	__u8 *data, *end, *ip, mac[6];

	(void)pseudo;
	if (p->len < len || (p->len > len && bpf_xdp_adjust_tail(xdp, (int)len - (int)p->len)))
		return -1;
	data = (__u8 *)(long)xdp->data;
	end = (__u8 *)(long)xdp->data_end;
	asm volatile("" : "+r"(l3)); /* have clang check the register that it will add */
	if (l3 > ETH_HEADER + 8)
		return -1;
	ip = data + l3;
	if (data + ETH_HEADER > end || ip + IPV4_HEADER + TCP_HEADER > end || data[0] & 1 || data[6] & 1)
		return -1;
	if (v4) {
		__builtin_memcpy(ip, r, IPV4_HEADER + TCP_HEADER);
	} else {
		if (ip + IPV6_HEADER + TCP_HEADER > end)
			return -1;
		__builtin_memcpy(ip, r, IPV6_HEADER + TCP_HEADER);
	}
	__builtin_memcpy(mac, data, 6);
	__builtin_memcpy(data, data + 6, 6);
	__builtin_memcpy(data + 6, mac, 6);
	return XDP_TX;
}
#endif

/*
 * Makes the frame of the packet in pk_ingress_cpu its answer. What the hook has to return, or -1: drop it. A
 * global function: the verifier looks at it once.
 */
__noinline int reset_answer(PACKET_CTX *ctx)
{
	struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	struct tcp_head from;
	struct packet *p;
	struct reset r;
	__u16 pseudo;
	int l3;

	if (!ctx || !cpu)
		return -1;
	p = &cpu->packet;
	l3 = reset_l3(p);
	if (l3 < 0)
		return -1;
	struct frame f = {
		.ctx = ctx,
		.data = (__u8 *)(long)ctx->data,
		.data_end = (__u8 *)(long)ctx->data_end,
	};
	if (frame_load(&f, p->l4, &from, TCP_HEADER) || reset_fill(&r, &from, p, &pseudo))
		return -1;
	return reset_write(ctx, p, l3, &r, pseudo);
}

#endif
