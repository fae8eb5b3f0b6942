/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * report.h: whole segments and odd frames to user space, where pk_config.packets asks for them (replay;
 * gateways and bridges, whose flows no socket of this host ends). One global function, so that the verifier
 * looks at it once, whatever way through the parser led there, and what is not asked for costs a load and a
 * branch.
 *
 * Records are of few sizes, since a ring's reservation must be a constant; rec.size says what is used of one.
 * XDP needs bpf_xdp_load_bytes (5.18): without it a record carries headers only, captured = 0.
 */
#ifndef PICKET_BPF_REPORT_H
#define PICKET_BPF_REPORT_H

#include "header.h"
#include "lost.h"
#include "parse.h"

#define IPPROTO_ICMP_   1
#define IPPROTO_ICMPV6_ 58
#define AF_INET_FIB     PK_AF_INET
#define AF_INET6_FIB    PK_AF_INET6

#define SEGMENT_SMALL  256  /* acknowledgments and short requests */
#define SEGMENT_MIDDLE 2048 /* a full segment of an Ethernet frame */
#define SEGMENT_GRO    16384
#define FRAME_SMALL    256
#define FRAME_MIDDLE   2048

/* --- is it asked for? --- */

/* A listener on the wildcard address is found for any destination: only routing tells whose packet it is. */
static __always_inline bool is_forwarded(PACKET_CTX *ctx, const struct packet *p, __u32 ifindex)
{
	struct bpf_fib_lookup fib = {};

	fib.family = p->family;
	fib.l4_protocol = IPPROTO_TCP_;
	fib.tot_len = 0;
	fib.ifindex = ifindex;
	if (p->family == PK_AF_INET) {
		fib.ipv4_src = p->source[0];
		fib.ipv4_dst = p->destination[0];
	} else {
		__builtin_memcpy(fib.ipv6_src, p->source, 16);
		__builtin_memcpy(fib.ipv6_dst, p->destination, 16);
	}
	int r = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);

	return r == BPF_FIB_LKUP_RET_SUCCESS || r == BPF_FIB_LKUP_RET_NO_NEIGH;
}

/* Does a socket of the interface's network namespace end this segment's connection? */
static __always_inline bool has_socket(PACKET_CTX *ctx, const struct packet *p, const struct tcp_head *t,
				       __u32 ifindex)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	bool listens;

	if (p->family == PK_AF_INET) {
		tuple.ipv4.saddr = p->source[0];
		tuple.ipv4.daddr = p->destination[0];
		tuple.ipv4.sport = t->source;
		tuple.ipv4.dport = t->destination;
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, p->source, 16);
		__builtin_memcpy(tuple.ipv6.daddr, p->destination, 16);
		tuple.ipv6.sport = t->source;
		tuple.ipv6.dport = t->destination;
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return false;
	listens = sk->state == TCP_STATE_LISTEN;
	bpf_sk_release(sk);
	return !listens || !is_forwarded(ctx, p, ifindex);
}

static __always_inline bool segment_wanted(const struct pk_config *config, PACKET_CTX *ctx,
					   const struct packet *p, const struct tcp_head *t, __u32 ifindex)
{
	if (config->packets == PK_PACKETS_ALL)
		return true;
	if (!port_watched(t->destination) && !port_watched(t->source))
		return false;
	return !has_socket(ctx, p, t, ifindex);
}

/* Frames without an IP header are many on a live link (ARP, LLDP) and say nothing there. */
static __always_inline bool frame_wanted(const struct pk_config *config, const struct packet *p, __u8 reach)
{
	__u8 proto = p->protocol;

	if (config->packets != PK_PACKETS_ALL && reach == REACH_NOT_IP)
		return false;
	if (reach != REACH_L4 || p->odd)
		return true;
	if (proto == IPPROTO_TCP_ || proto == IPPROTO_UDP_)
		return p->l4_len < (proto == IPPROTO_TCP_ ? TCP_HEADER : 8);
	return !(p->family == PK_AF_INET ? proto == IPPROTO_ICMP_ : proto == IPPROTO_ICMPV6_);
}

/* --- the records --- */

/* May it have ended a handshake with a server that is watched? */
static __always_inline __u32 segment_is_ack(const struct tcp_head *t)
{
	return (t->flags & (PK_TCP_SYN | PK_TCP_RST | PK_TCP_ACK)) == PK_TCP_ACK &&
	       port_watched(t->destination);
}

static __always_inline bool report_room(struct pk_counters *c, struct pk_ingress_cpu *cpu,
					const struct pk_config *config, __u32 size)
{
	struct pk_share_key source;

	count(c, PK_C_HDR_PRODUCED, 1);
	if (config->packets == PK_PACKETS_ALL || ring_level(&pk_headers, &cpu->ring, size) == RING_CALM)
		return true;
	source = ring_source(cpu->packet.family, (const __u8 *)cpu->packet.source, PK_SHARE_HEADERS);
	if (ring_buffer_share(&pk_headers, &source, config, size))
		return true;
	count(c, PK_C_HDR_SHARE, 1);
	return false;
}

struct report {
	PACKET_CTX *ctx;
	bool l3_only;
	__u32 ifindex;
	__u64 now;
	struct pk_counters *c;
	struct pk_ingress_cpu *cpu;
	const struct pk_config *config;
};

/* Copies want bytes from off on; returns how many are there. room: what `to` holds, a constant power of two.
 */
static __always_inline __u32 report_copy(const struct report *r, __u32 off, __u32 want, void *to, __u32 room)
{
	__u32 last = want - 1;

	if (!want)
		return 0;
	if (want > room)
		last = room - 1;
	asm volatile("" : "+r"(last));
	want = (last & (room - 1)) + 1; /* 6.1's verifier learns from no question that it is not 0 */
	if (off > PACKET_OFF_MAX || frame_load_slow(r->ctx, r->l3_only, off, to, want))
		return 0;
	return want;
}

static __always_inline void vlan_fill(const struct report *r, __u16 *vlan)
{
	const struct packet *p = &r->cpu->packet;

	vlan[0] = p->vlan[0];
	vlan[1] = p->vlan[1];
#ifdef PK_TC
	if (r->ctx->vlan_present) { /* taken off the frame: it was the outermost */
		vlan[1] = vlan[0];
		vlan[0] = r->ctx->vlan_tci & 0xfff;
	}
#endif
}

/* False: there was no room for it. */
static __always_inline bool segment_put(const struct report *r, const struct segment *seg, __u32 want,
					__u32 room)
{
	const struct packet *p = &r->cpu->packet;
	struct pk_segment *s;

	if (!report_room(r->c, r->cpu, r->config, sizeof(*s) + room))
		return false;
	s = bpf_ringbuf_reserve(&pk_headers, sizeof(*s) + room, 0);
	if (!s) {
		count(r->c, PK_C_HDR_LOST, 1);
		return false;
	}
	header_fill(&s->header, p, seg, r->ifindex, header_why(p, seg), r->now);
	s->header.rec.kind = PK_SEGMENT;
	s->header.lost = lost_records();
	s->urgent = bpf_ntohs(seg->tcp.urgent);
	s->checksum = seg->tcp.check;
	s->l4_len = p->l4_len + p->missing;
	vlan_fill(r, s->vlan);
	s->captured = report_copy(r, p->l4 + TCP_HEADER, want, s + 1, room);
	s->header.rec.size = sizeof(*s) + s->captured;
	bpf_ringbuf_submit(s, ring_wake(&r->cpu->ring, sizeof(*s) + room));
	return true;
}

/* What of a TCP header there is: all of it, or its ports. False: not even these. */
static __always_inline bool segment_head(const struct report *r, struct segment *seg)
{
	const struct packet *p = &r->cpu->packet;
	__u32 off = p->l4 & PACKET_OFF_MAX;

	if (p->l4_len >= TCP_HEADER) {
		seg->have = TCP_HEADER;
		return !frame_load_slow(r->ctx, r->l3_only, off, &seg->tcp, TCP_HEADER);
	}
	return p->l4_len >= 4 && !frame_load_slow(r->ctx, r->l3_only, off, &seg->tcp, 4);
}

/* False: its header is none. */
static __always_inline bool segment_report(const struct report *r, const struct segment *seg, bool wanted)
{
	const struct packet *p = &r->cpu->packet;
	__u32 head = (seg->tcp.offset_reserved >> 4) * 4, want;
	bool put;

	if (head < TCP_HEADER || head > p->l4_len)
		return false;
	if (!wanted)
		return true;
	want = p->l4_len - TCP_HEADER;
	if (want <= SEGMENT_SMALL)
		put = segment_put(r, seg, want, SEGMENT_SMALL);
	else if (want <= SEGMENT_MIDDLE)
		put = segment_put(r, seg, want, SEGMENT_MIDDLE);
	else if (want <= SEGMENT_GRO)
		put = segment_put(r, seg, want, SEGMENT_GRO);
	else
		put = segment_put(r, seg, want, PK_SEGMENT_MAX);
	if (!put)
		lost_count(segment_is_ack(&seg->tcp));
	return true;
}

/* False: there was no room for it. */
static __always_inline bool frame_put(const struct report *r, __u32 len, __u32 room, bool wanted)
{
	struct pk_frame *f;

	if (!report_room(r->c, r->cpu, r->config, sizeof(*f) + room))
		return false;
	f = bpf_ringbuf_reserve(&pk_headers, sizeof(*f) + room, 0);
	if (!f) {
		count(r->c, PK_C_HDR_LOST, 1);
		return false;
	}
	__builtin_memset(f, 0, sizeof(*f));
	f->rec.kind = PK_FRAME;
	f->rec.time_ns = r->now;
	f->ifindex = r->ifindex;
	f->len = len;
	f->hook = HOOK;
	f->l3_only = r->l3_only;
	f->wanted = wanted;
	f->lost = lost_records();
	vlan_fill(r, f->vlan);
	f->captured = report_copy(r, 0, len, f + 1, room);
	f->rec.size = sizeof(*f) + f->captured;
	bpf_ringbuf_submit(f, ring_wake(&r->cpu->ring, sizeof(*f) + room));
	return true;
}

/* The packet is what the parser left in pk_ingress_cpu; len: bytes of the frame from its first on. */
__noinline int packet_report(PACKET_CTX *ctx, __u32 l3_only, __u32 ifindex, __u32 len)
{
	struct report r = {
		.ctx = ctx,
		.l3_only = l3_only,
		.ifindex = ifindex,
		.c = PK_ONLY(pk_stats),
		.cpu = PK_ONLY(pk_ingress_cpu),
		.config = PK_ONLY(pk_config),
	};
	struct segment seg = {};
	bool tcp, fragment, put, wanted = false, odd = false;
	const struct packet *p;

	if (!ctx || !r.c || !r.cpu || !r.config)
		return 0;
	r.now = bpf_ktime_get_boot_ns();
	p = &r.cpu->packet;
	fragment = p->reach == REACH_FRAGMENT || p->odd & ODD_FRAGMENT;
	tcp = p->reach == REACH_L4 && p->protocol == IPPROTO_TCP_ && p->l4_len >= (fragment ? 4 : TCP_HEADER);
	if (tcp && segment_head(&r, &seg))
		wanted = segment_wanted(r.config, ctx, p, &seg.tcp, ifindex);
	else if (tcp)
		odd = true;
	/* The beginning of a segment is none: its receiver gets all of it or nothing. */
	if (tcp && !fragment && !odd)
		odd = !segment_report(&r, &seg, wanted);
	if (!odd && !frame_wanted(r.config, p, p->reach))
		return 0;
	wanted = wanted && fragment;
	if (len <= FRAME_SMALL)
		put = frame_put(&r, len, FRAME_SMALL, wanted);
	else if (len <= FRAME_MIDDLE || !fragment)
		put = frame_put(&r, len, FRAME_MIDDLE, wanted);
	else /* jumbo frames: it may have to be put together with others */
		put = frame_put(&r, len, PK_FRAME_MAX, wanted);
	if (!put)
		lost_count(0);
	return 0;
}

#endif
