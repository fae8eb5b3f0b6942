/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * deny.h: what becomes of a packet by its source: allow and deny maps, the kill switch, and what denied
 * sources lost.
 *
 * Filters first (abi.h, struct pk_deny_head): a clean packet costs one word of memory however long the list
 * is. The allow list has the last word. It is asked only when a deny entry matched, so that a clean packet
 * does not pay for it; the kill switch likewise.
 */
#ifndef PICKET_BPF_DENY_H
#define PICKET_BPF_DENY_H

#include "header.h"
#include "parse.h"
#include "tunnel.h"

enum fate { FATE_PASS, FATE_SHADOW, FATE_DROP, FATE_RESET };
#define FATE_ENDS(fate) ((fate) >= FATE_DROP)

/* What is known of the packet at hand beside its reach. */
#define DENY_PORTS   1 /* its ports were read ... */
#define DENY_WATCHED 2 /* ... and the one it goes to is watched */
#define DENY_OUTER   4 /* nothing was opened to find it */

/* The packet at hand, and what its matching entries ask for. */
struct deny_match {
	enum parse_reach reach;
	__u32 facts; /* DENY_PORTS, ... */
	__u8 protocol;
	struct pk_ingress_cpu *cpu;
	__u32 now_s; /* 0: not asked yet */
	__u8 action; /* enum pk_action; 0: none matched */
	__u8 bits;   /* of the entry that decided */
	/*
	 * What an exact entry took, if it took anything yet. Looked up with the entry and not after it: in a
	 * flood of many sources both are far away in memory, and so the processor fetches them side by side.
	 */
	struct pk_hit *hit;
};

/* Scope `ports`: TCP and UDP to watched ports, every later fragment, and what has no L4 header that can be
 * reached. */
static __always_inline bool deny_covers(const struct pk_deny *d, const struct deny_match *m)
{
	if (d->scope == PK_SCOPE_HOST || m->reach != REACH_L4)
		return true;
	if (m->protocol != IPPROTO_TCP_ && m->protocol != IPPROTO_UDP_)
		return false;
	return !(m->facts & DENY_PORTS) || m->facts & DENY_WATCHED;
}

/* drop, reset, rate, shadow, none. */
static __always_inline __u32 strength_of(__u8 action)
{
	switch (action) {
	case PK_ACT_DROP:
		return 4;
	case PK_ACT_RESET:
		return 3;
	case PK_ACT_RATE:
		return 2;
	case PK_ACT_SHADOW:
		return 1;
	}
	return 0;
}

/*
 * CLOCK_BOOTTIME as of this CPU's latest tick, 1 to 10 ms ago at most: to look at the clock for each packet
 * of a flood costs more than to find its entry. It is looked at anew when the tick is another one, so a
 * machine that slept has the right time from the first tick on.
 */
static __always_inline __u64 ingress_clock(struct pk_ingress_cpu *cpu)
{
	__u64 tick = bpf_jiffies64();

	if (cpu->tick != tick || !cpu->tick_ns) {
		cpu->tick = tick;
		cpu->tick_ns = bpf_ktime_get_boot_ns();
	}
	return cpu->tick_ns;
}

/* Takes an entry into account: the strongest that matches decides. True: nothing stronger can come. */
static __always_inline bool deny_weigh(struct deny_match *m, const struct pk_deny *d)
{
	if (!m->now_s)
		m->now_s = ingress_clock(m->cpu) / 1000000000;
	if (m->now_s >= d->deadline_s || !deny_covers(d, m))
		return false;
	if (strength_of(d->action) > strength_of(m->action)) {
		m->action = d->action;
		m->bits = d->bits;
	}
	return m->action == PK_ACT_DROP;
}

/* --- filters --- */

static __always_inline bool filter_address(__u64 filter, __u64 hash)
{
	__u64 bits = pk_deny_bits_of(hash);
	__u32 index = pk_deny_word(filter, hash);
	const __u64 *word;

	if (!(filter & PK_DENY_FILTERED))
		return true;
	word = bpf_map_lookup_elem(&pk_deny_bits, &index);
	return !word || (*word & bits) == bits;
}

/* bit: of pk_net_bit4, 6. family: 0 IPv4, 1 IPv6. */
static __always_inline bool filter_net(__u64 filter, __u32 family, __u32 bit)
{
	__u32 index = family * PK_NET_WORDS + (bit >> 6);
	const __u64 *word;

	if (!(filter & PK_DENY_FILTERED))
		return true;
	if (!(filter & (family ? PK_DENY_NETS6 : PK_DENY_NETS4)))
		return false;
	if (filter & PK_DENY_HALF)
		index += 2 * PK_NET_WORDS;
	word = bpf_map_lookup_elem(&pk_deny_nets, &index);
	return !word || *word >> (bit & 63) & 1;
}

/* --- which entry --- */

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

/* --- the maps --- */

/* The hash that is in force now; NULL: none. */
#define DENY_HASH(SET)                                \
	({                                            \
		__u32 first_ = 0;                     \
		bpf_map_lookup_elem(&(SET), &first_); \
	})

/* Prefixes inside each other: where the longest does not drop, the next shorter may. */
#define DENY_NESTED_MAX 4

/* hit: the key of what an exact entry took. */
static __always_inline void deny_match4(struct deny_match *m, __u64 filter, __be32 addr,
					const struct pk_hit_key *hit)
{
	struct pk_lpm4 key = {.bits = 32};
	const struct pk_deny *d;
	void *hash;

	if (filter_address(filter, pk_deny_hash4(addr))) {
		m->hit = bpf_map_lookup_elem(&pk_hits, hit);
		hash = DENY_HASH(pk_deny4_set);
		d = hash ? bpf_map_lookup_elem(hash, &addr) : NULL;
		if (d && deny_weigh(m, d))
			return;
	}
	__builtin_memcpy(key.addr, &addr, 4);
	if (!filter_net(filter, 0, pk_net_bit4(key.addr)))
		return;
	for (int i = 0; i < DENY_NESTED_MAX; i++) {
		d = bpf_map_lookup_elem(&pk_deny4p, &key);
		if (!d || deny_weigh(m, d) || d->bits == 0 || d->bits > key.bits)
			return;
		key.bits = d->bits - 1;
	}
}

static __always_inline void deny_match6(struct deny_match *m, __u64 filter, const __u32 *addr,
					const struct pk_hit_key *hit)
{
	struct pk_lpm6 key = {.bits = 128};
	const struct pk_deny *d;
	void *hash;

	if (filter_address(filter, pk_deny_hash6(addr))) {
		m->hit = bpf_map_lookup_elem(&pk_hits, hit);
		hash = DENY_HASH(pk_deny6_set);
		d = hash ? bpf_map_lookup_elem(hash, addr) : NULL;
		if (d && deny_weigh(m, d))
			return;
	}
	if (!filter_net(filter, 1, pk_net_bit6(addr[0])))
		return;
	__builtin_memcpy(key.addr, addr, 16);
	for (int i = 0; i < DENY_NESTED_MAX; i++) {
		d = bpf_map_lookup_elem(&pk_deny6p, &key);
		if (!d || deny_weigh(m, d) || d->bits == 0 || d->bits > key.bits)
			return;
		key.bits = d->bits - 1;
	}
}

/* Is there nothing in the allow list that begins as the address with that bit? */
static __always_inline bool allow_none(__u32 family, __u32 bit)
{
	__u32 index = family * PK_NET_WORDS + (bit >> 6);
	const __u64 *word = bpf_map_lookup_elem(&pk_allow_none, &index);

	return word && *word >> (bit & 63) & 1;
}

static __always_inline bool allow_has4(__be32 addr)
{
	struct pk_lpm4 key = {.bits = 32};

	__builtin_memcpy(key.addr, &addr, 4);
	if (allow_none(0, pk_net_bit4(key.addr)))
		return false;
	return bpf_map_lookup_elem(&pk_allow4, &key);
}

static __always_inline bool allow_has6(const __u32 *addr)
{
	struct pk_lpm6 key = {.bits = 128};

	if (allow_none(1, pk_net_bit6(addr[0])))
		return false;
	__builtin_memcpy(key.addr, addr, 16);
	return bpf_map_lookup_elem(&pk_allow6, &key);
}

/* --- hits --- */

static __always_inline struct pk_hit *hit_of(struct pk_counters *c, struct pk_ingress_cpu *cpu,
					     struct pk_hit *hit, const struct pk_hit_key *key, __u64 now)
{
	if (!hit && cpu->hits_full != cpu->tick) {
		struct pk_hit first = {.first_ns = now, .last_ns = now};

		bpf_map_update_elem(&pk_hits, key, &first, BPF_NOEXIST); /* another CPU may have been first */
		hit = bpf_map_lookup_elem(&pk_hits, key);
		if (!hit)
			cpu->hits_full = cpu->tick;
	}
	if (!hit)
		count(c, PK_C_HITS_FULL, 1);
	return hit;
}

/*
 * Is this packet over the rate? The generic cell rate algorithm: a packet that comes before it is due, by
 * more than the burst, is. Where two CPUs take turns at it one of them may win a packet.
 */
static __always_inline bool hit_over_rate(struct pk_hit *hit, const struct pk_deny_head *head, __u64 now)
{
	__u64 due = hit->due_ns;
	__u64 begin = due > now ? due : now;

	if (begin - now > head->rate_burst_ns)
		return true;
	__sync_val_compare_and_swap(&hit->due_ns, due, begin + head->rate_cost_ns);
	return false;
}

/* Counts what an entry took: FATE_PASS, as its source keeps to the rate, FATE_DROP, or FATE_RESET, as it may
 * be told. */
static __always_inline enum fate hit_take(struct pk_counters *c, struct pk_ingress_cpu *cpu,
					  struct pk_hit *hit, const struct pk_hit_key *key, __u8 action,
					  const struct pk_deny_head *head)
{
	bool rated = action == PK_ACT_RATE || action == PK_ACT_RESET, over;
	__u64 now = rated ? bpf_ktime_get_boot_ns() : cpu->tick_ns; /* a rate may be finer than the tick */

	hit = hit_of(c, cpu, hit, key, now);
	if (!hit)
		return action == PK_ACT_RATE ? FATE_PASS : FATE_DROP;
	over = rated && hit_over_rate(hit, head, now);
	if (action == PK_ACT_RATE && !over)
		return FATE_PASS;
	__sync_fetch_and_add(&hit->packets, 1);
	__sync_fetch_and_add(&hit->bytes, cpu->packet.len);
	if (hit->last_ns != now)
		hit->last_ns = now;
	return action == PK_ACT_RESET && !over && head->rate_cost_ns ? FATE_RESET : FATE_DROP;
}

/* --- one packet --- */

/* A function of its own, for the verifier's sake: it is asked twice of a packet that is opened. */
__noinline int deny_judge(__u32 reach, __u32 facts)
{
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct pk_ingress_cpu *cpu = PK_ONLY(pk_ingress_cpu);
	const struct pk_deny_head *head = PK_ONLY(pk_deny_head);
	struct deny_match m = {.reach = reach, .facts = facts, .cpu = cpu};
	struct pk_hit_key *key;
	const struct packet *p;
	const __u32 *addr, *kill;
	enum fate fate;
	__u64 filter;
	bool mapped, v4;

	if (!c || !cpu || !head)
		return FATE_PASS;
	p = &cpu->packet;
	key = &cpu->hit;
	m.protocol = p->protocol;
	filter = head->filter;
	mapped = p->family == PK_AF_INET6 && addr_is_mapped(p->source);
	v4 = mapped || p->family == PK_AF_INET;
	addr = mapped ? &p->source[3] : p->source;
	hit_key(key, v4, addr, v4 ? 32 : 128);
	if (v4)
		deny_match4(&m, filter, *addr, key);
	else
		deny_match6(&m, filter, p->source, key);
	if (!m.action)
		return FATE_PASS;
	if ((v4 ? allow_has4(*addr) : allow_has6(p->source)) ||
	    (facts & DENY_OUTER && pk_tunnels.peers && tunnel_peer(p))) {
		count(c, PK_C_ALLOWED, 1);
		return FATE_PASS;
	}
	kill = PK_ONLY(pk_kill);
	if (m.action != PK_ACT_SHADOW && kill && *kill) {
		count(c, PK_C_PASS_KILLED, 1);
		return FATE_PASS;
	}
	if (m.bits != key->bits) {
		hit_key(key, v4, addr, m.bits);
		m.hit = bpf_map_lookup_elem(&pk_hits, key);
	}
	fate = hit_take(c, cpu, m.hit, key, m.action, head);
	if (fate == FATE_PASS)
		return FATE_PASS;
	if (m.action == PK_ACT_SHADOW) {
		count(c, PK_C_SHADOWED, 1);
		return FATE_SHADOW;
	}
	count(c, PK_C_DROPPED, 1);
	count(c, PK_C_DROPPED_BYTES, p->len);
	if (m.action == PK_ACT_RESET && fate == FATE_DROP)
		count(c, PK_C_RESET_SILENT, 1);
	return fate;
}

/* The fate of the packet in pk_ingress_cpu. outer: nothing was opened to find it. */
static __always_inline enum fate deny(enum parse_reach reach, const struct segment *s, bool outer)
{
	const struct pk_deny_head *head = PK_ONLY(pk_deny_head);

	if (!head || head->filter & PK_DENY_NONE)
		return FATE_PASS;
	return deny_judge(reach, (s->have ? DENY_PORTS : 0) | (s->watched ? DENY_WATCHED : 0) |
					 (outer ? DENY_OUTER : 0));
}

#endif
