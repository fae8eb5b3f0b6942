// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * ingress.bpf.c: the packet program. One source, built as XDP and, with PK_TC, as tc ingress. It drops what a
 * deny entry in force covers and the allow list does not keep, and reports TCP headers that are worth it.
 * Whatever is odd it passes and counts why: on doubt a packet passes.
 *
 * Which address is asked where a packet carries another one and is opened (tunnel.h; struct pk_tunnels, off
 * by default). Allow and deny are asked twice, each time about one packet and its own source, as if it had
 * come alone: about the outer one, then, if that passes, about the inner one. A packet that either question
 * drops is dropped; that one source is allowed says nothing about the other. So a tunnel peer loses nothing
 * by what it carries, and what its outer ports or protocol hide is not hidden from a block of an inner
 * source. Header events and segments tell the inner source alone: whatever an inner packet does, no outer
 * address is blamed. A tunnel peer, where there is a list of them, is allowed as an outer source, as its
 * address may be a client's inside.
 */
#define PK_MAPS_INGRESS
#include "maps.h"
#include "ring.h"

#ifdef PK_TC
#define HOOK       PK_HOOK_TC
#define PACKET_CTX struct __sk_buff
static __always_inline int frame_load_slow(void *ctx, bool l3_only, __u32 off, void *to, __u32 len)
{
	if (l3_only)
		return bpf_skb_load_bytes_relative(ctx, off, to, len, BPF_HDR_START_NET) ? -1 : 0;
	return bpf_skb_load_bytes(ctx, off, to, len) ? -1 : 0;
}
#else
#define HOOK       PK_HOOK_XDP
#define PACKET_CTX struct xdp_md
static __always_inline int frame_load_slow(void *ctx, bool l3_only, __u32 off, void *to, __u32 len)
{
	(void)l3_only;
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_xdp_load_bytes)) /* before 5.18 */
		return -1;
	return bpf_xdp_load_bytes(ctx, off, to, len) ? -1 : 0;
}
#endif

#include "deny.h"
#include "header.h"
#include "parse.h"
#include "report.h"
#include "reset.h"
#include "tunnel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* --- one packet --- */

/* Reads what there is of the TCP header, or of the UDP ports. */
static __always_inline void segment_load(struct segment *s, const struct frame *f, const struct packet *p)
{
	if (p->protocol == IPPROTO_TCP_ && p->l4_len >= TCP_HEADER &&
	    !frame_load(f, p->l4, &s->tcp, TCP_HEADER))
		s->have = TCP_HEADER;
	else if (p->l4_len >= 8 &&
		 !frame_load(f, p->l4, &s->tcp, 8)) /* ports and, for TCP, the sequence number */
		s->have = 8;
	else if (p->l4_len >= 4 && !frame_load(f, p->l4, &s->tcp, 4))
		s->have = 4;
	if (s->have)
		s->watched = port_watched(s->tcp.destination);
}

static __always_inline void odd_count(struct pk_counters *c, enum parse_reach reach)
{
	switch (reach) {
	case REACH_L4:
		return;
	case REACH_FRAGMENT:
		count(c, PK_C_ODD_FRAGMENT, 1);
		return;
	case REACH_TRUNCATED:
	case REACH_NO_IP_HEADER:
		count(c, PK_C_ODD_TRUNCATED, 1);
		return;
	case REACH_EXTENSION:
		count(c, PK_C_ODD_EXTENSION, 1);
		return;
	case REACH_VLAN:
		count(c, PK_C_ODD_VLAN, 1);
		return;
	case REACH_NOT_IP:
		count(c, PK_C_ODD_NOT_IP, 1);
		return;
	}
}

/* The L4 header, as far as it is there, and what a packet with it counts as. */
static __always_inline enum parse_reach l4_load(struct pk_counters *c, struct segment *s,
						const struct frame *f, const struct packet *p,
						enum parse_reach reach)
{
	if (reach != REACH_L4 || (p->protocol != IPPROTO_TCP_ && p->protocol != IPPROTO_UDP_))
		return reach;
	segment_load(s, f, p);
	if (s->watched && p->protocol == IPPROTO_UDP_)
		count(c, PK_C_UDP, 1);
	return s->have ? REACH_L4 : REACH_TRUNCATED;
}

static __always_inline void event(struct pk_counters *c, struct pk_ingress_cpu *cpu, const struct segment *s,
				  __u32 ifindex, enum fate fate)
{
	if (cpu->packet.protocol == IPPROTO_TCP_ && (s->watched || header_probes(s)))
		header_event(c, cpu, &cpu->packet, s, ifindex,
			     (FATE_ENDS(fate) ? PK_WHY_DENIED : 0) | (s->watched ? 0 : PK_WHY_CRITERION));
}

static __always_inline enum parse_reach parse(const struct frame *f, struct packet *p)
{
#ifdef PK_TC
	if (f->l3_only)
		return parse_l3(f, p, f->ctx->protocol, 0);
#endif
	return parse_ethernet(f, p);
}

/* Segments and odd frames, where they are asked for. */
static __always_inline void report(const struct frame *f, __u32 ifindex)
{
	const struct pk_config *config = PK_ONLY(pk_config);

	if (config && config->packets)
		packet_report(f->ctx, f->l3_only, ifindex, f->len);
}

/* --- the packet inside --- */

/* Nobody puts fragments of or in a tunnel's packet together on a live link, so a record of the whole will be
 * missing. */
static __always_inline void inner_miss(const struct packet *p, enum parse_reach reach)
{
	const struct pk_config *config;

	if (reach != REACH_FRAGMENT && !(p->odd & ODD_FRAGMENT))
		return;
	config = PK_ONLY(pk_config);
	if (config && config->packets == PK_PACKETS_FORWARDED)
		lost_count(0);
}

/*
 * The packet that the one in pk_ingress_cpu carries, judged and reported as if it had come alone: its fate.
 * What could not be read of it passes, and is counted.
 */
__noinline int inner_judge(PACKET_CTX *ctx, __u32 l3_only, __u32 ifindex)
{
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	struct segment s = {};
	enum parse_reach reach;
	enum fate fate;

	if (!ctx || !c || !cpu || !pk_tunnels.kinds)
		return FATE_PASS;
	struct frame f = {
		.ctx = ctx,
		.data = (__u8 *)(long)ctx->data,
		.data_end = (__u8 *)(long)ctx->data_end,
		.l3_only = l3_only,
	};
	reach = cpu->packet.reach;
	reach = l4_load(c, &s, &f, &cpu->packet, reach);
	fate = deny(reach, &s, false);
	event(c, cpu, &s, ifindex, fate);
	if (FATE_ENDS(fate))
		return fate;
	odd_count(c, reach);
	inner_miss(&cpu->packet, reach);
	if (reach == REACH_L4 && tunnel_is(&cpu->packet, &s)) {
		count(c, PK_C_INNER_NESTED, 1);
		cpu->packet.odd |= ODD_TUNNEL;
	}
	return fate;
}

/* The packet in pk_ingress_cpu is a tunnel's. Opens it, if it may be. 1: what is inside is to be judged. */
__noinline int inner_open(PACKET_CTX *ctx, __u32 l3_only)
{
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	enum parse_reach reach;
	int in;

	if (!ctx || !c || !cpu || !pk_tunnels.kinds)
		return 0;
	if (pk_tunnels.peers && !tunnel_peer(&cpu->packet)) {
		count(c, PK_C_INNER_PEER, 1);
		return 0;
	}
	in = tunnel_read(ctx, l3_only);
	if (in < 0) {
		count(c, PK_C_INNER_UNREAD, 1);
		cpu->packet.odd |= ODD_TUNNEL;
		return 0;
	}
	count(c, PK_C_INNER, 1);
	reach = tunnel_enter(ctx, l3_only, INNER_KIND(in), INNER_OFF(in));
	if (REACH_ADDRESSES(reach))
		return 1;
	odd_count(c, reach);
	return 0;
}

#define INGRESS_PASS -2
#define INGRESS_DROP -1

/* What a reset entry makes of the packet in pk_ingress_cpu. Nobody answers for what is inside a tunnel. */
static __always_inline int ingress_reset(const struct frame *f, struct pk_counters *c, bool plain)
{
	int r = plain && !f->l3_only ? reset_answer(f->ctx) : INGRESS_DROP;

	count(c, r < 0 ? PK_C_RESET_SILENT : PK_C_RESETS, 1);
	return r < 0 ? INGRESS_DROP : r;
}

/* INGRESS_PASS, INGRESS_DROP, or what the hook has to return for the answer that the packet has become. */
static __always_inline int ingress(const struct frame *f, __u32 ifindex)
{
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	struct segment s = {};
	enum parse_reach reach;
	struct packet *p;
	enum fate fate;

	if (!c || !cpu)
		return INGRESS_PASS;
	count(c, PK_C_PACKETS, 1);
	p = &cpu->packet;
	__builtin_memset(p, 0, sizeof(*p));
	p->len = f->len;
	p->reach = parse(f, p);
	barrier(); /* read it back: see struct pk_ingress_cpu */
	reach = *(volatile __u8 *)&p->reach;
	if (!REACH_ADDRESSES(reach)) {
		odd_count(c, reach);
		report(f, ifindex);
		return INGRESS_PASS;
	}
	reach = l4_load(c, &s, f, p, reach);
	fate = deny(reach, &s, true);
	event(c, cpu, &s, ifindex, fate);
	if (fate == FATE_RESET)
		return ingress_reset(f, c, reach == REACH_L4 && s.have == TCP_HEADER);
	if (fate == FATE_DROP)
		return INGRESS_DROP;
	if (reach == REACH_L4 && pk_tunnels.kinds && tunnel_is(p, &s) && inner_open(f->ctx, f->l3_only)) {
		fate = inner_judge(f->ctx, f->l3_only, ifindex);
		if (fate == FATE_RESET)
			return ingress_reset(f, c, false);
		if (fate == FATE_DROP)
			return INGRESS_DROP;
	}
	odd_count(c, reach);
	report(f, ifindex);
	return INGRESS_PASS;
}

#ifdef PK_TC
static __always_inline int tc(struct __sk_buff *skb, bool l3_only)
{
	struct frame f = {
		.ctx = skb,
		.data = (__u8 *)(long)skb->data,
		.data_end = (__u8 *)(long)skb->data_end,
		.len = skb->len,
		.l3_only = l3_only,
	};

	int r = ingress(&f, skb->ifindex);

	if (r == INGRESS_PASS)
		return -1; /* TC_ACT_UNSPEC: the next one decides */
	return r == INGRESS_DROP ? 2 /* TC_ACT_SHOT */ : r;
}

SEC("tc")
int pk_tc(struct __sk_buff *skb)
{
	return tc(skb, false);
}

/* For interfaces without a link header (tun, tunnels, ppp). */
SEC("tc")
int pk_tc_l3(struct __sk_buff *skb)
{
	return tc(skb, true);
}
#else
SEC("xdp")
int pk_xdp(struct xdp_md *xdp)
{
	struct frame f = {
		.ctx = xdp,
		.data = (__u8 *)(long)xdp->data,
		.data_end = (__u8 *)(long)xdp->data_end,
	};

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_xdp_get_buff_len)) /* 5.18 */
		f.len = bpf_xdp_get_buff_len(xdp);
	else
		f.len = f.data_end - f.data;
	int r = ingress(&f, xdp->ingress_ifindex);

	if (r == INGRESS_PASS)
		return XDP_PASS;
	return r == INGRESS_DROP ? XDP_DROP : r;
}
#endif
