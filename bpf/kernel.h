/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * kernel.h: the kernel's own types, as far as our programs read them. Offsets are relocated at load time
 * (CO-RE), so only the names count; there is no vmlinux.h. Everything here is read, never written.
 */
#ifndef PICKET_BPF_KERNEL_H
#define PICKET_BPF_KERNEL_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#define IPPROTO_TCP_ 6
#define IPPROTO_UDP_ 17

/* include/net/tcp_states.h */
#define TCP_STATE_ESTABLISHED  1
#define TCP_STATE_SYN_SENT     2
#define TCP_STATE_SYN_RECV     3
#define TCP_STATE_FIN_WAIT1    4
#define TCP_STATE_FIN_WAIT2    5
#define TCP_STATE_TIME_WAIT    6
#define TCP_STATE_CLOSE        7
#define TCP_STATE_LAST_ACK     9
#define TCP_STATE_LISTEN       10
#define TCP_STATE_CLOSING      11
#define TCP_STATE_NEW_SYN_RECV 12

/* enum sock_flags of include/net/sock.h: for TCP, the peer's FIN has come. */
#define SOCK_FLAG_DONE (1ul << 1)
/* ... SO_OOBINLINE: urgent data stays in the stream. */
#define SOCK_FLAG_URGINLINE (1ul << 2)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__s64 counter;
} atomic64_t;

struct sock_common;

/* The context of iter/tcp; sk_common is NULL at the end. */
struct bpf_iter__tcp {
	struct sock_common *sk_common;
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct kernfs_node {
	__u64 id;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup; /* 5.15 and later */
	__u64 val;             /* before: the same pointer, bit 0 set when it is none */
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	unsigned long skc_flags;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};

struct socket {
	struct sock *sk;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	struct socket *sk_socket;
	struct sock_cgroup_data sk_cgrp_data;
};

struct inet_sock {
	__be16 inet_sport;
};

struct tcp_sock {
	__u32 copied_seq;
	__u16 urg_data; /* 0: none is waited for or waiting */
	__u32 urg_seq;  /* the urgent byte; stays when urg_data goes */
	__u32 rcv_nxt;
	__u32 rcv_wnd;
	__u64 bytes_received;
	__u64 bytes_acked;
	__u32 srtt_us;
	__u32 total_retrans;
	__u64 tcp_clock_cache; /* CLOCK_MONOTONIC in ns when TCP last handled a packet of the socket */
};

struct net_device {
	possible_net_t nd_net;
};

struct sk_buff {
	struct sock *sk;
	struct net_device *dev;
	int skb_iif; /* the interface it came in by; also where dev is no longer set */
	char cb[48];
	unsigned int len;
	__u16 transport_header; /* offsets from head */
	__u16 network_header;
	unsigned char *head;
	unsigned char *data;
};

/* include/net/dropreason-core.h; the values are this file's own, the loader puts in the kernel's. */
enum skb_drop_reason {
	SKB_DROP_REASON_TCP_CSUM = 1,
	SKB_DROP_REASON_TCP_FLAGS,
	SKB_DROP_REASON_TCP_OLD_DATA,
	SKB_DROP_REASON_TCP_OVERWINDOW,
	SKB_DROP_REASON_TCP_OFOMERGE,
	SKB_DROP_REASON_TCP_RFC7323_PAWS,
	SKB_DROP_REASON_TCP_OLD_SEQUENCE,
	SKB_DROP_REASON_TCP_INVALID_SEQUENCE,
	SKB_DROP_REASON_TCP_INVALID_END_SEQUENCE,
	SKB_DROP_REASON_TCP_RESET,
	SKB_DROP_REASON_TCP_INVALID_SYN,
	SKB_DROP_REASON_TCP_ACK_UNSENT_DATA,
	SKB_DROP_REASON_TCP_TOO_OLD_ACK,
};

#pragma clang attribute pop

/*
 * What a socket is beyond struct sock, which is what tracepoints say it is. Where the kernel can be asked to
 * take it for that (bpf_rdonly_cast, 6.2 and later; the ring path has no older ones) a plain load does, which
 * costs a tenth of a helper.
 */
#ifdef PK_PERF
#define SOCK_AS(type, sk, member) BPF_CORE_READ((const struct type *)(sk), member)
#else
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym;
#define SOCK_AS(type, sk, member) \
	(((const struct type *)bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct type)))->member)
#endif

/* About 6.12 and later in tracing programs. */
extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ret) __ksym __weak;

#endif
