/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * abi.h: the contract between the kernel half and the user half. Both include it; it holds shapes and no
 * logic.
 *
 * Rules: fixed-width types, explicit padding, every record zeroed before it is filled, sizes asserted below.
 * Multi-byte fields are in host order unless the comment says "network order". Times are nanoseconds of
 * CLOCK_BOOTTIME. An IPv4 address stands in the first four bytes of a 16-byte field, the rest is zero; an
 * IPv4-mapped IPv6 address
 * (::ffff:a.b.c.d) is always written as IPv4, so that one client has one address whichever socket it reached.
 */
#ifndef PICKET_BPF_ABI_H
#define PICKET_BPF_ABI_H

#include <linux/types.h>

#define PK_ABI_VERSION 2

/* Address families as the records carry them (AF_INET, AF_INET6). */
#define PK_AF_INET  2
#define PK_AF_INET6 10

enum pk_kind {
	PK_DATA = 1,    /* request bytes an application received            pk_requests */
	PK_OPEN = 2,    /* a connection to a watched port was established    pk_requests */
	PK_CLOSE = 3,   /* ... and ended                                     pk_requests */
	PK_LISTEN = 4,  /* a server began to listen on a port                pk_requests */
	PK_HEADER = 5,  /* one TCP header                                    pk_headers  */
	PK_SEGMENT = 6, /* one TCP segment as it passed, payload included    pk_headers  */
	PK_FRAME = 7,   /* the first bytes of an odd frame                   pk_headers  */
	PK_REFUSED = 8, /* a segment that the kernel's TCP did not take      pk_requests */
	PK_ANSWER = 9,  /* an answer that found no place to wait in         pk_requests */
	PK_KIND_MAX = 16,
};

/* Which connection. 56 bytes. */
struct pk_flow {
	__u64 cookie; /* socket cookie; unique on this host until reboot; 0 where the kernel gave none */
	__u32 netns;  /* inode number of the network namespace */
	__u16 family; /* PK_AF_INET, PK_AF_INET6 */
	__u16 pad;
	__u16 local_port;
	__u16 peer_port;
	__u32 pad2;
	__u8 local_addr[16]; /* network order */
	__u8 peer_addr[16];  /* network order */
};

/* First member of every record of either ring. 16 bytes. */
struct pk_record {
	__u32 kind;    /* enum pk_kind */
	__u32 size;    /* bytes of the whole record, data included */
	__u64 time_ns; /* boot clock. Of bytes: when TCP last took a packet before they were read; with perf
			  buffers, when they were read */
};

/*
 * The latest answer of a connection's server: one write that began with a status line (response.bpf.c). It
 * travels in the next record of its connection; while there is none, it stands in pk_answers. What belongs to
 * which request is told by `read`: only a request of which the server had read some can have been answered.
 */
struct pk_answer {
	__u64 time_ns; /* of that write; 0: no answer */
	__u32 seq;     /* sequence number of its first byte */
	__u32 end;     /* ... behind the last byte that is known to be the answer's */
	__u32 read;    /* sequence number up to which the server had read from the client */
	__u32 number;  /* answers of this connection so far, this one included; 0: unknown */
	__u16 status;
	__u16 pad;
	__u32 since; /* `number` counts from this sequence number; 0: from the connection's beginning */
};

/* PK_ANSWER. Another one began at answer.end, or its number is 0. */
struct pk_answered {
	struct pk_record rec;
	struct pk_flow flow;
	struct pk_answer answer;
};

/*
 * pk_answers: mmapable array, written by the programs, read by the sensor, which looks there for the answers
 * of connections that went idle. `version` is odd during a change. A slot counts only for the connection
 * whose cookie it has; another that falls on it has each of its answers told by PK_ANSWER, with number 0.
 * Once the slot is free again, its next answer takes it, and is number 1 of another `since`.
 */
#define PK_ANSWER_SLOTS        65536
#define pk_answer_slot(cookie) ((__u32)((cookie) & (PK_ANSWER_SLOTS - 1)))
struct pk_answer_slot {
	__u64 cookie; /* 0: free */
	__u32 version;
	__u32 carried; /* number of the latest answer that a record told */
	struct pk_answer answer;
	__u64 pad[2]; /* a cache line each */
};

/*
 * Urgent data (RFC 9293 section 3.8.5): the kernel takes that byte out of the stream, so that the application
 * does not read it, but it has its sequence number. Neither flag is set where it stays in (SO_OOBINLINE).
 */
#define PK_DATA_URGENT        0x1 /* urgent data was announced, or has just passed: a byte may be missing */
#define PK_DATA_URGENT_BEFORE 0x2 /* ... and it is the byte before seq */

/*
 * PK_DATA: bytes [seq, seq + captured) of what the application received; the read went on to seq + len. A
 * read longer than PK_CHUNK becomes several records. On the perf path the kernel can only append from byte 0
 * of the packet buffer: the reader drops the first `lead` bytes of data.
 */
#define PK_CHUNK    4096
#define PK_READ_MAX 65536 /* bytes captured of one read; what is beyond is announced by len only */
struct pk_data {
	struct pk_record rec;
	struct pk_flow flow;
	__u32 seq;      /* TCP sequence number of data[0] (after lead) */
	__u32 captured; /* bytes captured from seq on */
	__u32 len;  /* bytes the application received from seq on; len > captured = the rest was not copied */
	__u16 lead; /* perf path: bytes before seq to drop, else 0 */
	__u16 flags; /* PK_DATA_* */
	__u32 pid;   /* process (thread group) that read */
	__u32 pad;
	struct pk_answer answer; /* the latest before this read, unless another record told it */

	/* __u8 data[lead + captured] follows */
};

/* PK_OPEN: from inet_sock_set_state. */
struct pk_open {
	struct pk_record rec;
	struct pk_flow flow;
	__u32 isn; /* sequence number of the first byte the client will send (rcv_nxt) */
	__u32 pad;
};

/* PK_CLOSE: likewise. */
struct pk_close {
	struct pk_record rec;
	struct pk_flow flow;
	__u64 bytes_received; /* tcp_sock.bytes_received without the FIN, which it counts as a byte */
	__u64 bytes_acked;    /* tcp_sock.bytes_acked: what the client acknowledged of our answers */
	__u32 srtt_us;        /* smoothed round-trip time, microseconds */
	__u32 retransmits;    /* tcp_sock.total_retrans */
	__u32 unread;         /* of bytes_received, those that the application had not read */
	__u32 pad;
	struct pk_answer answer; /* the last one, told before or not */
};

/* PK_LISTEN: flow.local_port and flow.local_addr are set; the kernel has already begun to watch the port if
 * it may. */
struct pk_listen {
	struct pk_record rec;
	struct pk_flow flow;
	__u32 pid;
	__u8 watched; /* 1: the port bit was set by the kernel half */
	__u8 pad[3];
	char comm[16];
};

/* Why a header event was made; several bits may be set. */
#define PK_WHY_SYN       0x01
#define PK_WHY_FIN       0x02
#define PK_WHY_RST       0x04
#define PK_WHY_MALFORMED 0x08 /* data offset < 5 or beyond the packet, truncated header */
#define PK_WHY_ODD       0x10 /* null, xmas, SYN+FIN, SYN+RST, reserved bits, URG */
#define PK_WHY_SAMPLE    0x20 /* one in N of the rest */
#define PK_WHY_DENIED    0x40 /* the packet was dropped */
#define PK_WHY_CRITERION \
	0x80 /* only a criterion wants it (pk_config), beside other bits: the port is not watched */

/* The nine flags of the TCP header (RFC 9293, RFC 3168, RFC 3540), as bits of pk_header.flags. */
#define PK_TCP_FIN 0x001
#define PK_TCP_SYN 0x002
#define PK_TCP_RST 0x004
#define PK_TCP_PSH 0x008
#define PK_TCP_ACK 0x010
#define PK_TCP_URG 0x020
#define PK_TCP_ECE 0x040
#define PK_TCP_CWR 0x080
#define PK_TCP_NS  0x100

/* PK_HEADER: one TCP header as it arrived at an interface. */
struct pk_header {
	struct pk_record rec;
	__u32 ifindex;
	__u16 family;
	__u8 ttl;  /* IPv4 TTL, IPv6 hop limit */
	__u8 hook; /* enum pk_hook */
	__u16 source_port;
	__u16 destination_port;
	__u32 sequence;
	__u32 acknowledgment;
	__u16 window;              /* as sent, unscaled */
	__u16 flags;               /* PK_TCP_* */
	__u8 header_length;        /* bytes: 4 * data offset */
	__u8 why;                  /* PK_WHY_* */
	__u16 payload_len;         /* bytes after the TCP header by the IP length, capped at 65535 */
	__u8 source_addr[16];      /* network order */
	__u8 destination_addr[16]; /* network order */
	__u32 lost;                /* see pk_lost */
};

/*
 * PK_SEGMENT: one TCP segment of either direction as it passed an interface, made where pk_config.packets
 * asks for it. Behind it: header.header_length - 20 bytes of TCP options (as far as captured), then the
 * payload. The fields of `header` are those of PK_HEADER. In the place of VLAN ids an opened packet (struct
 * pk_tunnels) has what keeps its network apart from others: VXLAN network identifier or GRE key, the low 16
 * bits first.
 */
#define PK_SEGMENT_MAX 65536 /* options and payload captured of one segment */
struct pk_segment {
	struct pk_header header;
	__u32 captured; /* bytes that follow: options, then payload */
	__u16 urgent;   /* urgent pointer */
	__u16 checksum; /* TCP checksum as it stands in the packet, network order */
	__u16 vlan[2];  /* VLAN ids, outermost first; 0 = none */
	__u32 l4_len;   /* TCP header and payload by the IP length, also where the packet is shorter */
			/* __u8 data[captured] follows */
};

/* PK_FRAME: a frame that the packet program could not read to its TCP, UDP or ICMP header without meeting
 * something odd: fragments, IP options, extension headers, truncation, unknown types. */
#define PK_FRAME_MAX 16384 /* bytes captured of a fragment; of another frame: 2048 */
struct pk_frame {
	struct pk_record rec;
	__u32 ifindex;
	__u32 len;      /* of the frame, bytes */
	__u32 captured; /* bytes that follow, from the frame's first on */
	__u8 hook;      /* enum pk_hook */
	__u8 l3_only;   /* 1: begins with the IP header, 0: with Ethernet */
	__u8 wanted; /* 1: a fragment that begins a TCP segment of which a PK_SEGMENT would be made, were it
			whole */
	__u8 pad;
	__u16 vlan[2]; /* as in pk_segment: also one that was taken off the frame */
	__u32 lost;    /* see pk_lost */
		       /* __u8 data[captured] follows */
};

/*
 * pk_lost: how many segments and frames found no room in pk_headers, were over their source's share, or came
 * in fragments of or in a tunnel's packet, which nobody puts together. Each record has the number as it stood
 * when it was made, behind all that passed before it: where two records of one connection have the same
 * number, no record of that connection was lost between them.
 *
 * PK_SEGMENT, PK_FRAME: records of packets between these two addresses, either way, since the start.
 * PK_HEADER: acknowledgments to watched ports, which may have ended a handshake; of this source (an IPv4
 * address, an IPv6 /64) in the low 16 bits, of all sources in the high ones. 0 where pk_config.packets asks
 * for none, and from other programs. Addresses share slots: the number of one is then at least its own.
 */
#define PK_LOST_SLOTS 4096
#define PK_LOST_ALL   PK_LOST_SLOTS /* the slot of all sources together */
struct pk_lost {
	__u32 records; /* by both addresses */
	__u32 acks;    /* by the source's */
};

/* Which packets become PK_SEGMENT and PK_FRAME. */
enum pk_packets {
	PK_PACKETS_OFF = 0,
	PK_PACKETS_FORWARDED =
		1, /* segments to or from a watched port that no socket of this host ends; odd frames */
	PK_PACKETS_ALL = 2, /* every TCP segment, every odd frame: replay */
};

/* Why the kernel's TCP refused a segment (enum skb_drop_reason, in groups that stay between versions). */
enum pk_refusal {
	PK_REFUSED_NOT = 0,
	PK_REFUSED_CHECKSUM,
	PK_REFUSED_SEQUENCE, /* outside of the receive window, or all of it received before */
	PK_REFUSED_ACK,      /* acknowledges what was never sent, or long ago */
	PK_REFUSED_FLAGS,    /* no ACK where one must be */
	PK_REFUSED_RESET, /* a RST: taken if its sequence number was rcv_nxt, else answered by a challenge */
	PK_REFUSED_SYN,   /* a SYN on an open connection */
	PK_REFUSED_TIMESTAMP, /* PAWS, RFC 7323 */
	PK_REFUSED_DUPLICATE, /* its bytes are there already: the first ones stay */
};

/* PK_REFUSED: header.sequence is that of data[0]; header.payload_len what the segment held from there on. */
#define PK_REFUSED_MAX 1024 /* bytes captured */
struct pk_refused {
	struct pk_header header;
	__u64 cookie; /* of the receiving socket, 0 = none, or not known */
	__u32 netns;  /* inode number of its network namespace, or of the interface's */
	__u32 pad;
	__u32 rcv_nxt;  /* next sequence number it expected */
	__u32 rcv_wnd;  /* its receive window, bytes */
	__u32 refusal;  /* enum pk_refusal */
	__u32 captured; /* bytes that follow */
			/* __u8 data[captured] follows */
};

enum pk_hook { PK_HOOK_XDP = 1, PK_HOOK_TC = 2, PK_HOOK_KPROBE = 3, PK_HOOK_KFREE_SKB = 4, PK_HOOK_READ = 5 };

/* --- maps --- */

/* An ordinary segment to a watched port becomes a header event by this. 8 bytes. */
#define PK_CRITERIA_MAX 4
struct pk_criterion {
	__u16 flags_mask; /* PK_TCP_*: those flags must be as in flags_value */
	__u16 flags_value;
	__u16 window_low; /* as sent, unscaled; both ends belong to it */
	__u16 window_high;
};

/* pk_config, one element. Written by the warden, read by every program. */
struct pk_config {
	__u32 netns;         /* only this network namespace (inode number); 0 = any */
	__u32 own_tgid;      /* reads of this process are not captured */
	__u64 cgroup_id;     /* only sockets of this cgroup or below; 0 = any */
	__u32 follow_listen; /* 1: a new non-loopback listener's port is watched at once */
	__u32 sample_n;      /* one in N ordinary TCP segments becomes a header event; 0 = none */
	__u32 header_rate;   /* header events per second and CPU (token bucket), likewise refused segments */
	__u32 header_burst;  /* its depth, per CPU */
	__u32 read_max;      /* bytes captured of one read, <= PK_READ_MAX */
	__u32 share_divisor; /* default 8; 0 = no share. See below. */
	__u32 packets;       /* enum pk_packets */
	__u32 probes; /* 1: SYNs and odd flags to ports that are not watched become header events, too */
	__u32 criterion_count;
	struct pk_criterion criteria[PK_CRITERIA_MAX]; /* any suffices */
	__u64 boot_ahead_ns; /* CLOCK_BOOTTIME before CLOCK_MONOTONIC: how long the machine has slept */
};
/*
 * Share: while a ring is over half full, one source (an IPv4 address, an IPv6 /64) may add at most size /
 * share_divisor of data or header records until the reader has taken as much out. Connections and listeners
 * are small, and tell where data is missing: the last sixteenth of pk_requests is theirs alone, and no share
 * holds them back.
 */

/*
 * Constants of the packet program, set before it is loaded: which packets are opened, so that the packet
 * inside is looked at as well (ingress.bpf.c says which address is asked when). All zero: none.
 */
#define PK_TUNNEL_IPIP  1 /* protocols 4 and 41 */
#define PK_TUNNEL_GRE   2
#define PK_TUNNEL_VXLAN 4
struct pk_tunnels {
	__u32 kinds;      /* PK_TUNNEL_* */
	__u16 vxlan_port; /* UDP destination port */
	__u16 peers; /* 1: only what comes from an address in pk_peer4, pk_peer6 is opened; 0: anybody's is */
};

/* pk_ports: bitmap over TCP/UDP ports, one element. Bit p of word p / 64. */
#define PK_PORT_WORDS 1024
struct pk_ports {
	__u64 watched[PK_PORT_WORDS];
	__u64 never[PK_PORT_WORDS]; /* sshd's and what the file excludes: never watched, never followed */
};

/*
 * pk_skip: mmapable array. One 8-byte store by user space tells the kernel to stop copying a known body:
 * low 32 bits = sequence number of the first byte wanted again, high 32 bits = tag. A slot counts only if its
 * tag equals pk_skip_tag(cookie), so a slot that two connections share is harmless: the loser's body is
 * copied.
 *
 * A body longer than sequence numbers reach is told step by step. Nothing is heard of a connection that is
 * skipped; so the reading that comes within PK_SKIP_TELL of that byte is told, without its bytes, early
 * enough for the next step to be stored before it.
 */
#define PK_SKIP_SLOTS        65536
#define PK_SKIP_TELL         (1u << 29)
#define pk_skip_slot(cookie) ((__u32)((cookie) & (PK_SKIP_SLOTS - 1)))
#define pk_skip_tag(cookie)  (((__u32)(((__u64)(cookie)) >> 16)) | 0x80000000u) /* never 0 */

/*
 * pk_seen: mmapable array, slot and tag as in pk_skip: up to where the sensor has read a connection's last
 * record that begins as pk_may_have_body says. From there on what pk_skip says counts, and nothing else.
 * Until then the kernel half reads that head itself (bpf/body.h), and of reads of PK_BODY_READ bytes and
 * more, more than PK_BODY_WINDOW behind the head's begin, that lie in its body, only the length is told.
 */
#define PK_BODY_READ   1024
#define PK_BODY_WINDOW (128 * 1024)
#define PK_HEAD_MIN    16 /* bytes, of a record that is to be looked at like that */
#define PK_HEAD_BYTES  1024
#define PK_HEAD_SLOTS  1024
/*
 * Whoever takes a connection's slot in pk_seen has taken its slot in pk_heads before, and there the whole
 * cookie stands: so that pk_seen was lost is never taken for a head that is still to be read.
 */
_Static_assert(PK_SKIP_SLOTS % PK_HEAD_SLOTS == 0, "pk_seen and pk_heads");

struct pk_head {
	__u64 cookie; /* 0: not whole */
	__u32 seq;    /* of bytes[0] */
	__u32 len;
	__u32 read;   /* 1: body and length are known */
	__u32 body;   /* where the body begins, from seq on */
	__u32 length; /* of the body; 0: none, or in doubt */
	__u32 pad;
	__u8 bytes[PK_HEAD_BYTES];
};

/* Is it the begin of a request that usually has a body: POST, PUT, PATCH? begin: its first four bytes. */
static inline int pk_may_have_body(const __u8 *begin)
{
	return begin[0] == 'P' && ((begin[1] == 'O' && begin[2] == 'S' && begin[3] == 'T') ||
				   (begin[1] == 'U' && begin[2] == 'T' && begin[3] == ' ') ||
				   (begin[1] == 'A' && begin[2] == 'T' && begin[3] == 'C'));
}

/*
 * Deny. pk_allow4/6 and pk_deny4p/6p are LPM tries (key: struct pk_lpm4/6), pk_deny4/6 exact hashes (key: the
 * address in network order). Value: struct pk_deny. The kernel enforces the deadline itself. The hashes stand
 * in pk_deny4_set/6_set, arrays of one map each: a hash that grows is another one, put there when it is
 * complete.
 */
struct pk_lpm4 {
	__u32 bits;
	__u8 addr[4];
};
struct pk_lpm6 {
	__u32 bits;
	__u8 addr[16];
};

enum pk_action {
	PK_ACT_DROP = 1,
	PK_ACT_SHADOW = 2, /* counted, passed */
	PK_ACT_RATE = 3,   /* what is over struct pk_deny_head's rate is dropped */
	PK_ACT_RESET = 4,  /* dropped, and answered with a RST as often as that rate allows */
};
enum pk_scope { PK_SCOPE_PORTS = 1, PK_SCOPE_HOST = 2 };

/* 8 bytes. */
struct pk_deny {
	__u32 deadline_s; /* boot clock, seconds, rounded up; the kernel drops while now < deadline */
	__u8 action;      /* enum pk_action */
	__u8 scope;       /* enum pk_scope */
	__u8 source;      /* enum verdict_source of lib/verdict.h, for reports */
	__u8 bits; /* prefix length of the entry (32, 128: exact): a trie does not say what matched; set by
		      deny_put */
};

/*
 * pk_deny_head, one element: what there is to look for, so that a clean packet does not pay for a long list.
 * Written by whoever writes the deny maps, through a mapping: `filter` in one store, a bit before the entry
 * that needs it. All zero, as it is created: every map is asked.
 *
 * pk_deny_bits filters the exact addresses: 2^PK_DENY_WORDS(filter) words from PK_DENY_BASE(filter) on, of
 * which an address has one, and four bits in it (a blocked Bloom filter: Putze, Sanders, Singler, Cache-,
 * Hash- and Space-Efficient Bloom Filters, 2007). pk_deny_nets filters the prefixes by their beginning: a bit
 * for each PK_NET_BITS of them, 2^PK_NET_BITS bits for IPv4, then the same for IPv6, from half PK_DENY_HALF
 * on. Bits are never cleared: what was removed goes when both are made anew, in the other half.
 */
struct pk_deny_head {
	__u64 filter;
	__u64 rate_cost_ns;  /* PK_ACT_RATE, _RESET: one packet, answer, each ...; 0: all pass, no answer */
	__u64 rate_burst_ns; /* ... and this much of it at once */
};
#define PK_DENY_NONE          (1ull << 31) /* no entry at all */
#define PK_DENY_FILTERED      (1ull << 30) /* the filters below are complete */
#define PK_DENY_HALF          (1ull << 29)
#define PK_DENY_NETS4         (1ull << 28) /* there are prefixes */
#define PK_DENY_NETS6         (1ull << 27)
#define PK_DENY_WORDS(filter) ((__u32)(filter)&31)
#define PK_DENY_BASE(filter)  ((__u32)((filter) >> 32))

#define PK_NET_BITS  16
#define PK_NET_WORDS (1u << (PK_NET_BITS - 6)) /* of one family in one half */

/*
 * pk_allow_none: a bit for each PK_NET_BITS of an address's beginning, 2^PK_NET_BITS bits for IPv4, then the
 * same for IPv6: 1, where pk_allow4, pk_allow6 have no entry that begins so and need not be asked. All zero,
 * as it is created: they always are. A bit goes before the entry comes, and comes after the entry went.
 */

static inline __u64 pk_hash_end(__u64 h)
{
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

/* addr: as in a packet, one word; four words. */
static inline __u64 pk_deny_hash4(__u32 addr)
{
	return pk_hash_end(addr * 0xd6e8feb86659fd93ull);
}

static inline __u64 pk_deny_hash6(const __u32 *addr)
{
	__u64 high = (__u64)addr[0] << 32 | addr[1], low = (__u64)addr[2] << 32 | addr[3];

	return pk_hash_end((high ^ high >> 31) * 0xd6e8feb86659fd93ull + low * 0xa0761d6478bd642full);
}

/* Which of the filter's words, and which bits in it. */
static inline __u32 pk_deny_word(__u64 filter, __u64 hash)
{
	return PK_DENY_BASE(filter) + ((__u32)(hash >> 32) & ((1u << PK_DENY_WORDS(filter)) - 1));
}

static inline __u64 pk_deny_bits_of(__u64 hash)
{
	return 1ull << (hash & 63) | 1ull << (hash >> 6 & 63) | 1ull << (hash >> 12 & 63) |
	       1ull << (hash >> 18 & 63);
}

/* Where the bit of a prefix's, or an address's, beginning is. first: its first word, as in a packet. */
static inline __u32 pk_net_bit4(const __u8 *first)
{
	return (__u32)first[0] << 8 | first[1];
}

static inline __u32 pk_net_bit6(__u32 first)
{
	return (__u32)(pk_deny_hash4(first) >> 40) & ((1u << PK_NET_BITS) - 1);
}

/* Key of pk_deny6: the address in network order (IPv4-mapped ones stand in pk_deny4). */
struct pk_addr6 {
	__u8 addr[16];
};

/* pk_hits: what a denied source lost. Made at its first hit; a full table counts PK_C_HITS_FULL and drops all
 * the same. */
struct pk_hit_key {
	__u8 family; /* 4 or 6 */
	__u8 bits;   /* 32/128 exact, else the prefix that matched */
	__u8 pad[2];
	__u8 addr[16];
};
struct pk_hit {
	__u64 packets;
	__u64 bytes;
	__u64 first_ns;
	__u64 last_ns;
	__u64 due_ns; /* PK_ACT_RATE, _RESET: when its next packet, answer is due (GCRA: ITU-T I.371) */
};

/* pk_kill: one element, always pinned. Not 0: no packet is dropped whatever the deny maps say (picket panic).
 */

/*
 * Perf path: written by the reader through a mapping, one element per CPU, read by the TCP programs: the
 * reader's way to say that a CPU's buffer was emptied, so that the programs can tell how full it is.
 */
#define PK_PERF_CPUS 1024
struct pk_perf_level {
	__u32 turn; /* changes each time the buffer was emptied */
	__u32 size; /* bytes of the buffer; 0 = no reader */
};

/*
 * pk_stats: per-CPU array of counters, one element of struct pk_counters. For each ring, exactly:
 * produced = delivered + lost + over share; the reader counts what it got. What the token bucket held back
 * was not produced.
 */
enum pk_counter {
	/* pk_requests */
	PK_C_DATA_SEEN,    /* reads on watched ports inside the scope */
	PK_C_DATA_BYTES,   /* bytes copied */
	PK_C_DATA_SKIPPED, /* bytes of known bodies not copied */
	PK_C_DATA_CUT,     /* bytes beyond read_max, announced by length only */
	PK_C_REQ_PRODUCED, /* records offered to pk_requests, all kinds */
	PK_C_REQ_LOST,     /* of these: ring full */
	PK_C_REQ_SHARE,    /* of these: over the source's share */
	PK_C_READ_ERROR, /* bytes could not be read from the packet buffer; the record went out with captured
			    = 0 */
	/* pk_headers */
	PK_C_HDR_PRODUCED,
	PK_C_HDR_LOST,
	PK_C_HDR_SHARE,
	PK_C_HDR_THROTTLED, /* over the token bucket: not produced */
	/* packet path */
	PK_C_PACKETS, /* packets the ingress program saw */
	/* the next six: for each source that was asked about, of which a packet that is opened has two */
	PK_C_ALLOWED, /* a deny entry matched, the allow list kept the packet */
	PK_C_DROPPED, /* dropped */
	PK_C_DROPPED_BYTES,
	PK_C_SHADOWED,    /* would have been dropped */
	PK_C_PASS_KILLED, /* would have been dropped, the kill switch is on */
	PK_C_HITS_FULL,
	/* passed because it was odd; on doubt the kernel half passes */
	PK_C_ODD_TRUNCATED, /* a header ends beyond the packet */
	PK_C_ODD_EXTENSION, /* too many IPv6 extension headers, or one we do not know */
	PK_C_ODD_FRAGMENT,  /* later fragments (no L4 header in them) */
	PK_C_ODD_VLAN,      /* more than two tags */
	PK_C_ODD_NOT_IP,
	PK_C_UDP, /* UDP packets to watched ports: QUIC would be in them, and nothing else here sees it */
	PK_C_RECEIVED,       /* segments that the receive path program (kprobe) met and may report */
	PK_C_RECEIVE_ERROR,  /* of these: its headers could not be read */
	PK_C_ANSWERS,        /* answers that servers began */
	PK_C_ANSWER_RECORDS, /* of these: told in records of their own */
	PK_C_ANSWER_UNREAD,  /* writes whose first bytes could not be read, so that an answer may be unseen */
	PK_C_REFUSED_THROTTLED, /* refused segments and overlaps over their token bucket: not produced */
	/* tunnels (struct pk_tunnels); why an inner packet was odd stands in PK_C_ODD_* */
	PK_C_INNER,        /* packets that were opened */
	PK_C_INNER_UNREAD, /* not opened: the tunnel's header is cut off, or of a kind that is not known */
	PK_C_INNER_PEER,   /* not opened: not from a tunnel peer */
	PK_C_INNER_NESTED, /* opened, and there is another tunnel inside, which was not */
	/* PK_ACT_RESET: of the packets dropped */
	PK_C_RESETS,       /* answered with a RST */
	PK_C_RESET_SILENT, /* not answered: in doubt (reset.h), a RST itself, or over the rate */
	PK_C_MAX = 40,
};

struct pk_counters {
	__u64 v[PK_C_MAX];
};

#ifndef __cplusplus
_Static_assert(sizeof(struct pk_flow) == 56, "pk_flow");
_Static_assert(sizeof(struct pk_record) == 16, "pk_record");
_Static_assert(sizeof(struct pk_answer) == 32, "pk_answer");
_Static_assert(sizeof(struct pk_answered) == 104, "pk_answered");
_Static_assert(sizeof(struct pk_answer_slot) == 64, "pk_answer_slot");
_Static_assert(sizeof(struct pk_data) == 128, "pk_data");
_Static_assert(sizeof(struct pk_open) == 80, "pk_open");
_Static_assert(sizeof(struct pk_close) == 136, "pk_close");
_Static_assert(sizeof(struct pk_listen) == 96, "pk_listen");
_Static_assert(sizeof(struct pk_header) == 80, "pk_header");
_Static_assert(sizeof(struct pk_deny) == 8, "pk_deny");
_Static_assert(sizeof(struct pk_hit_key) == 20, "pk_hit_key");
_Static_assert(sizeof(struct pk_segment) == 96, "pk_segment");
_Static_assert(sizeof(struct pk_frame) == 40, "pk_frame");
_Static_assert(sizeof(struct pk_refused) == 112, "pk_refused");
_Static_assert(sizeof(struct pk_config) == 96, "pk_config");
_Static_assert(sizeof(struct pk_tunnels) == 8, "pk_tunnels");
#endif

#endif
