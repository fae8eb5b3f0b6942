// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * ingress.bpf.c: the packet program. One source, built as XDP and, with PK_TC, as tc ingress. It drops what a
 * deny entry in force covers and the allow list does not keep, and reports TCP headers that are worth it.
 * Whatever is odd it passes and counts why: on doubt a packet passes.
 *
 * The allow list has the last word. It is asked only when a deny entry matched, so that a clean packet does
 * not pay for it; the kill switch likewise.
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

#include "header.h"
#include "parse.h"
#include "report.h"
#include "tunnel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum fate { FATE_PASS, FATE_SHADOW, FATE_DROP };

/* --- deny --- */

/* Scope `ports`: TCP and UDP to watched ports, every later fragment, and what has no L4 header that can be
 * reached. */
static __always_inline bool deny_covers(const struct pk_deny *d, const struct packet *p,
					enum parse_reach reach, const struct segment *s)
{
	if (d->scope == PK_SCOPE_HOST || reach != REACH_L4)
		return true;
	if (p->protocol != IPPROTO_TCP_ && p->protocol != IPPROTO_UDP_)
		return false;
	return !s->have || s->watched;
}

struct deny_match {
	enum fate fate;
	__u8 bits; /* of the entry that decided */
};

/* Takes an entry into account. True: nothing stronger can come. */
static __always_inline bool deny_weigh(struct deny_match *m, const struct pk_deny *d, __u32 now_s,
				       const struct packet *p, enum parse_reach reach,
				       const struct segment *s)
{
	if (now_s >= d->deadline_s || !deny_covers(d, p, reach, s))
		return false;
	if (d->action == PK_ACT_DROP) {
		m->fate = FATE_DROP;
		m->bits = d->bits;
		return true;
	}
	if (d->action == PK_ACT_SHADOW && m->fate == FATE_PASS) {
		m->fate = FATE_SHADOW;
		m->bits = d->bits;
	}
	return false;
}

/* Prefixes inside each other: where the longest does not drop, the next shorter may. */
#define DENY_NESTED_MAX 4

static __always_inline void deny_match4(struct deny_match *m, __be32 addr, const struct packet *p,
					enum parse_reach reach, const struct segment *s)
{
	struct pk_lpm4 key = {.bits = 32};
	const struct pk_deny *d = bpf_map_lookup_elem(&pk_deny4, &addr);
	__u32 now_s = 0;

	if (d) {
		now_s = bpf_ktime_get_boot_ns() / 1000000000;
		if (deny_weigh(m, d, now_s, p, reach, s))
			return;
	}
	__builtin_memcpy(key.addr, &addr, 4);
	for (int i = 0; i < DENY_NESTED_MAX; i++) {
		d = bpf_map_lookup_elem(&pk_deny4p, &key);
		if (!d)
			return;
		if (!now_s)
			now_s = bpf_ktime_get_boot_ns() / 1000000000;
		if (deny_weigh(m, d, now_s, p, reach, s) || d->bits == 0 || d->bits > key.bits)
			return;
		key.bits = d->bits - 1;
	}
}

static __always_inline void deny_match6(struct deny_match *m, const __u32 *addr, const struct packet *p,
					enum parse_reach reach, const struct segment *s)
{
	struct pk_lpm6 key = {.bits = 128};
	const struct pk_deny *d = bpf_map_lookup_elem(&pk_deny6, addr);
	__u32 now_s = 0;

	if (d) {
		now_s = bpf_ktime_get_boot_ns() / 1000000000;
		if (deny_weigh(m, d, now_s, p, reach, s))
			return;
	}
	__builtin_memcpy(key.addr, addr, 16);
	for (int i = 0; i < DENY_NESTED_MAX; i++) {
		d = bpf_map_lookup_elem(&pk_deny6p, &key);
		if (!d)
			return;
		if (!now_s)
			now_s = bpf_ktime_get_boot_ns() / 1000000000;
		if (deny_weigh(m, d, now_s, p, reach, s) || d->bits == 0 || d->bits > key.bits)
			return;
		key.bits = d->bits - 1;
	}
}

static __always_inline bool allow_has4(__be32 addr)
{
	struct pk_lpm4 key = {.bits = 32};

	__builtin_memcpy(key.addr, &addr, 4);
	return bpf_map_lookup_elem(&pk_allow4, &key);
}

static __always_inline bool allow_has6(const __u32 *addr)
{
	struct pk_lpm6 key = {.bits = 128};

	__builtin_memcpy(key.addr, addr, 16);
	return bpf_map_lookup_elem(&pk_allow6, &key);
}

/* The first `bits` bits of a word in network order. */
static __always_inline __be32 word_prefix(__be32 word, int bits)
{
	if (bits >= 32)
		return word;
	return bits <= 0 ? 0 : word & bpf_htonl(~0u << (32 - bits));
}

/* The entry that matched, by its own address: host bits cleared. */
static __always_inline void hit_key(struct pk_hit_key *key, bool v4, const __u32 *addr, __u8 bits)
{
	__u32 words[4] = {};

	key->family = v4 ? 4 : 6;
	key->bits = bits;
	words[0] = word_prefix(addr[0], bits);
	if (!v4) {
		words[1] = word_prefix(addr[1], bits - 32);
		words[2] = word_prefix(addr[2], bits - 64);
		words[3] = word_prefix(addr[3], bits - 96);
	}
	__builtin_memcpy(key->addr, words, sizeof(words));
}

static __always_inline void hit_count(struct pk_counters *c, const struct pk_hit_key *key, __u32 bytes)
{
	struct pk_hit *hit = bpf_map_lookup_elem(&pk_hits, key);
	__u64 now = bpf_ktime_get_boot_ns();

	if (!hit) {
		struct pk_hit first = {.first_ns = now, .last_ns = now};

		bpf_map_update_elem(&pk_hits, key, &first, BPF_NOEXIST); /* another CPU may have been first */
		hit = bpf_map_lookup_elem(&pk_hits, key);
	}
	if (!hit) {
		count(c, PK_C_HITS_FULL, 1);
		return;
	}
	__sync_fetch_and_add(&hit->packets, 1);
	__sync_fetch_and_add(&hit->bytes, bytes);
	hit->last_ns = now;
}

/* outer: nothing was opened to find it. */
static __always_inline enum fate deny(struct pk_counters *c, const struct packet *p, enum parse_reach reach,
				      const struct segment *s, bool outer)
{
	struct deny_match m = {.fate = FATE_PASS};
	bool mapped = p->family == PK_AF_INET6 && addr_is_mapped(p->source);
	bool v4 = mapped || p->family == PK_AF_INET;
	const __u32 *addr = mapped ? &p->source[3] : p->source;
	const struct pk_config *config = PK_ONLY(pk_config);
	struct pk_hit_key key = {};
	const __u32 *kill;

	if (config && config->deny_none)
		return FATE_PASS;
	if (v4)
		deny_match4(&m, *addr, p, reach, s);
	else
		deny_match6(&m, p->source, p, reach, s);
	if (m.fate == FATE_PASS)
		return FATE_PASS;
	if ((v4 ? allow_has4(*addr) : allow_has6(p->source)) ||
	    (outer && pk_tunnels.peers && tunnel_peer(p))) {
		count(c, PK_C_ALLOWED, 1);
		return FATE_PASS;
	}
	kill = PK_ONLY(pk_kill);
	if (m.fate == FATE_DROP && kill && *kill) {
		count(c, PK_C_PASS_KILLED, 1);
		return FATE_PASS;
	}
	hit_key(&key, v4, addr, m.bits);
	hit_count(c, &key, p->len);
	if (m.fate == FATE_SHADOW) {
		count(c, PK_C_SHADOWED, 1);
		return FATE_SHADOW;
	}
	count(c, PK_C_DROPPED, 1);
	count(c, PK_C_DROPPED_BYTES, p->len);
	return FATE_DROP;
}

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
			     (fate == FATE_DROP ? PK_WHY_DENIED : 0) | (s->watched ? 0 : PK_WHY_CRITERION));
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
	fate = deny(c, &cpu->packet, reach, &s, false);
	event(c, cpu, &s, ifindex, fate);
	if (fate == FATE_DROP)
		return fate;
	odd_count(c, reach);
	inner_miss(&cpu->packet, reach);
	if (reach == REACH_L4 && tunnel_is(&cpu->packet, &s)) {
		count(c, PK_C_INNER_NESTED, 1);
		cpu->packet.odd |= ODD_TUNNEL;
	}
	return fate;
}

/* The packet in pk_ingress_cpu is a tunnel's. Opens it, if it may be; the fate of what is inside. */
__noinline int inner(PACKET_CTX *ctx, __u32 l3_only, __u32 ifindex)
{
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	enum parse_reach reach;
	int in;

	if (!ctx || !c || !cpu || !pk_tunnels.kinds)
		return FATE_PASS;
	if (pk_tunnels.peers && !tunnel_peer(&cpu->packet)) {
		count(c, PK_C_INNER_PEER, 1);
		return FATE_PASS;
	}
	in = tunnel_read(ctx, l3_only);
	if (in < 0) {
		count(c, PK_C_INNER_UNREAD, 1);
		cpu->packet.odd |= ODD_TUNNEL;
		return FATE_PASS;
	}
	count(c, PK_C_INNER, 1);
	reach = tunnel_enter(ctx, l3_only, INNER_KIND(in), INNER_OFF(in));
	if (REACH_ADDRESSES(reach))
		return inner_judge(ctx, l3_only, ifindex);
	odd_count(c, reach);
	return FATE_PASS;
}

/* True: drop it. */
static __always_inline bool ingress(const struct frame *f, __u32 ifindex)
{
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	struct segment s = {};
	enum parse_reach reach;
	struct packet *p;
	enum fate fate;

	if (!c || !cpu)
		return false;
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
		return false;
	}
	reach = l4_load(c, &s, f, p, reach);
	fate = deny(c, p, reach, &s, true);
	event(c, cpu, &s, ifindex, fate);
	if (fate == FATE_DROP)
		return true;
	if (reach == REACH_L4 && pk_tunnels.kinds && tunnel_is(p, &s) &&
	    inner(f->ctx, f->l3_only, ifindex) == FATE_DROP)
		return true;
	odd_count(c, reach);
	report(f, ifindex);
	return false;
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

	return ingress(&f, skb->ifindex) ? 2 /* TC_ACT_SHOT */ : -1 /* TC_ACT_UNSPEC: the next one decides */;
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
	return ingress(&f, xdp->ingress_ifindex) ? XDP_DROP : XDP_PASS;
}
#endif
