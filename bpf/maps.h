/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * maps.h: every map of the kernel half. The loader creates each once and shares it among the objects by name.
 * Sizes that depend on the configuration are set by the loader; what stands here is the smallest useful size.
 *
 * An object says by a definition before it includes this which of them it has: PK_MAPS_INGRESS (packet
 * program), PK_MAPS_TCP (requests and answers; with PK_PERF on the perf path), PK_MAPS_DROPS (refused
 * segments), PK_MAPS_RECEIVE (receive path).
 */
#ifndef PICKET_BPF_MAPS_H
#define PICKET_BPF_MAPS_H

#include "abi.h"
#include "kernel.h"

/* --- the programs' own shapes: nobody outside reads them --- */

/* Per CPU and ring. Approximate where a softirq interrupts the update; nothing exact depends on it. */
struct pk_ring_cpu {
	__u32 since_wake; /* bytes written since the reader was last woken */
	__u32 since_look; /* ... since the fill level was last looked at */
	__u32 level;      /* enum ring_level at the last look */
	__u32 turn;       /* perf path: the reader's turn that since_look counts from */
};

/* Token bucket: header_rate a second, header_burst deep. Kept as time: one event costs 1 s / rate.
 * Approximate where a softirq interrupts the update, as pk_ring_cpu is. */
struct pk_bucket {
	__u64 credit_ns; /* nanoseconds of waiting */
	__u64 credit_at; /* when it was last filled */
};

/* What the parser found out about the packet at hand (parse.h). */
struct packet {
	__u8 reach;    /* enum parse_reach */
	__u8 protocol; /* of L4 */
	__u8 ttl;
	__u8 odd; /* ODD_* (parse.h) */
	__u16 family;
	__u16 vlan[2]; /* as in struct pk_segment */
	__u16 pad;
	__u32 len;       /* bytes of the frame */
	__u32 l4;        /* offset of the L4 header */
	__u32 l4_len;    /* bytes from there on, by the IP length and the frame's */
	__u32 missing;   /* bytes by which the frame is shorter than the IP length says */
	__u32 source[4]; /* network order; IPv4 in the first word */
	__u32 destination[4];
};

struct pk_ingress_cpu {
	struct pk_ring_cpu ring;
	struct pk_bucket bucket;
	__u32 sample_left; /* ordinary segments until the next sample */
	__u32 pad;
	/* The packet program's clock (ingress_clock), which goes by the kernel's ticks: jiffies. */
	__u64 tick;
	__u64 tick_ns; /* CLOCK_BOOTTIME when that tick was first met */
	/* In a flood these are asked for each packet, and their answer is the same until the next tick. */
	__u64 bucket_dry;      /* coarse time of the tick in which the bucket was found empty */
	__u64 hits_full;       /* tick in which pk_hits was found full */
	struct pk_hit_key hit; /* deny.h: here and not on the stack, of which there is little */
	__u32 pad_hit;
	/*
	 * Kept here and not on the stack so that the verifier forgets by which way through the parser it
	 * came: it then looks at what follows once, not once for each way (10,000 instructions instead of
	 * 280,000).
	 */
	struct packet packet;
};

enum { PK_SHARE_REQUESTS = 1, PK_SHARE_HEADERS = 2 };

struct pk_share_key {
	__u64 net;    /* IPv4 address, or the first 64 bits of an IPv6 address */
	__u16 family; /* 4 or 6 */
	__u16 ring;   /* PK_SHARE_* */
	__u32 cpu;    /* whose perf buffer; 0 with a ring, which all CPUs have in common */
};

struct pk_share {
	__u64 taken;   /* what the reader had taken out when this share began */
	__u64 bytes;   /* added since */
	__u64 refused; /* records, in all */
};

/* --- both --- */

/* Written by the warden, read by every program. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pk_config);
} pk_config SEC(".maps");

/* Written by the warden, and by pk_state, which adds the port of a new listener; read by every program. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pk_ports);
} pk_ports SEC(".maps");

/* Written by every program: several share a counter, and softirqs interrupt each other's, so all add by
 * count(). Read by the warden, summed over CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pk_counters);
} pk_stats SEC(".maps");

/*
 * Written and read by the programs (ring.h), while a ring is over half full. Full: the source idle longest is
 * forgotten, which gives it a fresh share.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct pk_share_key);
	__type(value, struct pk_share);
} pk_share SEC(".maps");

#if defined(PK_MAPS_INGRESS) || defined(PK_MAPS_DROPS) || defined(PK_MAPS_RECEIVE)

/* Header events: written by the packet program and the receive probes, read by the sensor. Full: the event is
 * lost and counted. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} pk_headers SEC(".maps");

#endif

/* --- drops.bpf.c, tcp.bpf.c --- */
#if defined(PK_MAPS_DROPS) || (defined(PK_MAPS_TCP) && !defined(PK_PERF))

/* Written and read by pk_refused, and by pk_data for overlaps: how many records of refused segments may still
 * be told. Used up: PK_C_REFUSED_THROTTLED is counted, and no record made. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pk_bucket);
} pk_refused_cpu SEC(".maps");

#endif

/* --- receive.bpf.c --- */
#ifdef PK_MAPS_RECEIVE

/* Interfaces (by index) whose segments a packet program of ours reports: written by the warden, read by the
 * programs. Full: that interface's segments are reported by both. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 128);
	__type(key, __u32);
	__type(value, __u8);
} pk_covered SEC(".maps");

/* The programs' own state: sampling, token bucket, wake-up; `packet` is not used. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pk_ingress_cpu);
} pk_receive_cpu SEC(".maps");

#endif

/* --- ingress.bpf.c --- */
#ifdef PK_MAPS_INGRESS

/* Written by the packet program where a segment or a frame found no room, read for each record that it makes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PK_LOST_SLOTS + 1);
	__type(key, __u32);
	__type(value, struct pk_lost);
} pk_lost SEC(".maps");

/* Written by the warden and by `picket panic`, read for each packet that would be dropped, and by the warden
 * through its mapping. Always pinned. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} pk_kill SEC(".maps");

/* Written by the warden, read for packets that a deny entry matched. Full: the warden's put fails, nothing is
 * evicted. */
#define PK_TRIE(NAME, KEY, VALUE)                     \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);  \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__uint(max_entries, 1024);            \
		__type(key, KEY);                     \
		__type(value, VALUE);                 \
	} NAME SEC(".maps")
PK_TRIE(pk_allow4, struct pk_lpm4, __u32);
PK_TRIE(pk_allow6, struct pk_lpm6, __u32);

/* Written by the warden through a mapping, read for packets that a deny entry matched: where the two above
 * have nothing (abi.h). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * PK_NET_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} pk_allow_none SEC(".maps");

/* Tunnel peers (struct pk_tunnels): written by the warden at its start, read for each packet of a tunnel. */
PK_TRIE(pk_peer4, struct pk_lpm4, __u32);
PK_TRIE(pk_peer6, struct pk_lpm6, __u32);

/* Written by the warden through mappings, read for every packet: what there is to look for (abi.h). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pk_deny_head);
} pk_deny_head SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} pk_deny_bits SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4 * PK_NET_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} pk_deny_nets SEC(".maps");

/* Written by the warden, read for packets that the filters let through. Full: a hash is replaced by a larger
 * one, until the list is full; then the warden's put fails, and nothing is evicted. */
PK_TRIE(pk_deny4p, struct pk_lpm4, struct pk_deny);
PK_TRIE(pk_deny6p, struct pk_lpm6, struct pk_deny);
struct pk_deny4_hash {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct pk_deny);
} pk_deny4 SEC(".maps");
struct pk_deny6_hash {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct pk_addr6);
	__type(value, struct pk_deny);
} pk_deny6 SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct pk_deny4_hash);
} pk_deny4_set SEC(".maps") = {.values = {&pk_deny4}};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct pk_deny6_hash);
} pk_deny6_set SEC(".maps") = {.values = {&pk_deny6}};

/* Written by the packet program at a denied source's first packet, removed by the warden with the deny entry.
 * Full: PK_C_HITS_FULL is counted and the packet dropped all the same; passed, where only what is over a rate
 * would be. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct pk_hit_key);
	__type(value, struct pk_hit);
} pk_hits SEC(".maps");

/* The packet program's own state: the packet at hand, sampling, token bucket, wake-up. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pk_ingress_cpu);
} pk_ingress_cpu SEC(".maps");

#endif

/* --- tcp.bpf.c, response.bpf.c, drops.bpf.c --- */
#if defined(PK_MAPS_TCP) || defined(PK_MAPS_DROPS)

/* Requests, connections, answers, refused segments: written by the programs of these three, read by the
 * sensor. Full: the record is lost and counted. */
#ifdef PK_PERF
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} pk_requests SEC(".maps");

/*
 * Perf path: up to which sequence number the bytes of a connection are out already. Full: the connection idle
 * longest is forgotten and its bytes may go out twice, which the reader's side removes by sequence number.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u32);
} pk_done SEC(".maps");

/* Perf path: bytes waiting in each CPU's buffer, written by the reader through a mapping, read by the TCP
 * programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PK_PERF_CPUS);
	__type(key, __u32);
	__type(value, struct pk_perf_level);
} pk_perf_level SEC(".maps");
#else
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} pk_requests SEC(".maps");
#endif

/* These programs' own state: wake-up. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pk_ring_cpu);
} pk_tcp_cpu SEC(".maps");

#endif

#if defined(PK_MAPS_TCP) && !defined(PK_PERF)

/*
 * Sequence number of the packet buffer that a connection's application reads in parts. Full: the connection
 * idle longest is forgotten, and its next part is told as an overlap, which the comparison finds equal.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u32);
} pk_partial SEC(".maps");

/* The latest heads that may have a body. Full: two connections share a slot, and the later one has it
 * (body.h). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PK_HEAD_SLOTS);
	__type(key, __u32);
	__type(value, struct pk_head);
} pk_heads SEC(".maps");

/* Written by the sensor through its mapping, read by pk_data. See abi.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PK_SKIP_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} pk_seen SEC(".maps");

#endif

#ifdef PK_MAPS_TCP

/* Written by the sensor through its mapping, and cleared by pk_data once passed; read by pk_data. See abi.h.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PK_SKIP_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} pk_skip SEC(".maps");

/* Written by the TCP programs under the socket's lock, read by the sensor through its mapping. See abi.h,
 * answer.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PK_ANSWER_SLOTS);
	__type(key, __u32);
	__type(value, struct pk_answer_slot);
} pk_answers SEC(".maps");

/* Connections opened to sshd's ports: counted by pk_state, read by the warden through its mapping whenever it
 * is about to block somebody. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} pk_logins SEC(".maps");

/* How far pk_data skipped, by slot and tag like pk_skip: sequence number behind the last byte skipped. Read
 * by the sensor, too, through its mapping: how fast a body comes of which no byte is copied. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PK_SKIP_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} pk_skipped SEC(".maps");

#endif

#define PK_ONLY(map)                                 \
	({                                           \
		__u32 zero_ = 0;                     \
		bpf_map_lookup_elem(&(map), &zero_); \
	})

/*
 * Atomic, although the counters are per CPU: a softirq may interrupt a program that counts in process
 * context, and the accounting is meant to be exact. The packet program is what interrupts: nothing else that
 * counts the same comes between its load and its store, and in a flood each of these operations would be a
 * good part of what a packet costs.
 */
static __always_inline void count(struct pk_counters *c, __u32 which, __u64 n)
{
#ifdef PK_MAPS_INGRESS
	c->v[which] += n;
#else
	__sync_fetch_and_add(&c->v[which], n);
#endif
}

#endif
