// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * receive.bpf.c: header events from the kernel's TCP receive path, by kprobe, for interfaces that no packet
 * program could be attached to, and for those who ask for them. tcp_rcv_established meets the segments of
 * open connections, tcp_rcv_state_process those of all other states: SYNs to a listener, the handshake's last
 * ACK, FINs and resets. The events are those of the packet program (header.h), from the header as it stands
 * in the packet buffer, options of the IP header and extension headers already behind it.
 *
 * What it cannot see, because no socket does: bad checksums, ports where nobody listens, connections in
 * TIME_WAIT, a SYN sent again while its handshake is under way. Segments that the card, GRO or the backlog of
 * a busy socket merged are one; of the backlog's the header is the first one's, with the window of the last.
 * A hit inside another on the same CPU (a softirq that interrupts a socket's
 * backlog) is missed, and counted by the kernel (recursion_misses of the program).
 *
 * Optional: many kernels have no kprobes. Nothing but header events comes from here.
 */
#define PK_MAPS_RECEIVE
#include <asm/ptrace.h>

#include "maps.h"
#include "ring.h"
#include "scope.h"

#define HOOK PK_HOOK_KPROBE
#include "header.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct ip4 {
	__u8 version_ihl, tos;
	__be16 total_len, id, fragment;
	__u8 ttl, protocol;
	__be16 check;
	__be32 source, destination;
};

struct ip6 {
	__be32 version_class_flow;
	__be16 payload_len;
	__u8 next, hop_limit;
	__be32 source[4], destination[4];
};

/* A kprobe's arguments are plain numbers to the verifier: all is read by probe. */
static __always_inline bool receive_scope(const struct pk_config *config, const struct sock *sk)
{
	const struct pk_ports *ports = PK_ONLY(pk_ports);

	if (!ports || !scope_port(ports, BPF_CORE_READ(sk, __sk_common.skc_num)))
		return false;
	if (config->netns && BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) != config->netns)
		return false;
	return !config->cgroup_id || scope_cgroup(config->cgroup_id, sk);
}

/* Does a packet program of ours report what comes in here? */
static __always_inline bool is_covered(__u32 ifindex)
{
	return bpf_map_lookup_elem(&pk_covered, &ifindex);
}

/* The IP header; by its own version, for an IPv6 socket serves IPv4 clients too. 0, or not 0: unreadable. */
static __always_inline long packet_read(struct packet *p, const unsigned char *at)
{
	struct ip4 ip4;
	struct ip6 ip6;

	if (bpf_probe_read_kernel(&ip4, sizeof(ip4), at))
		return -1;
	p->protocol = IPPROTO_TCP_;
	if (ip4.version_ihl >> 4 == 4) {
		p->family = PK_AF_INET;
		p->ttl = ip4.ttl;
		p->source[0] = ip4.source;
		p->destination[0] = ip4.destination;
		return 0;
	}
	if (bpf_probe_read_kernel(&ip6, sizeof(ip6), at))
		return -1;
	p->family = PK_AF_INET6;
	p->ttl = ip6.hop_limit;
	__builtin_memcpy(p->source, ip6.source, sizeof(p->source));
	__builtin_memcpy(p->destination, ip6.destination, sizeof(p->destination));
	return 0;
}

/*
 * The TCP header lies in the linear part, whole (the stack pulled it in), and skb->len counts from it on,
 * without what the link added behind the IP length.
 */
static __always_inline int receive(const struct sock *sk, const struct sk_buff *skb)
{
	const struct pk_config *config = PK_ONLY(pk_config);
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct pk_ingress_cpu *cpu = PK_ONLY(pk_receive_cpu);
	const unsigned char *head;
	struct segment s = {};
	struct packet p = {};
	__u32 ifindex;

	if (!config || !c || !cpu || !receive_scope(config, sk))
		return 0;
	ifindex = BPF_CORE_READ(skb, skb_iif);
	if (is_covered(ifindex))
		return 0;
	count(c, PK_C_RECEIVED, 1);
	head = BPF_CORE_READ(skb, head);
	if (packet_read(&p, head + BPF_CORE_READ(skb, network_header)) ||
	    bpf_probe_read_kernel(&s.tcp, TCP_HEADER, head + BPF_CORE_READ(skb, transport_header))) {
		count(c, PK_C_RECEIVE_ERROR, 1);
		return 0;
	}
	s.have = TCP_HEADER;
	p.l4_len = BPF_CORE_READ(skb, len);
	p.len = p.l4_len;
	header_event(c, cpu, &p, &s, ifindex, 0);
	return 0;
}

SEC("kprobe/tcp_rcv_established")
int BPF_KPROBE(pk_receive, const struct sock *sk, const struct sk_buff *skb)
{
	return receive(sk, skb);
}

SEC("kprobe/tcp_rcv_state_process")
int BPF_KPROBE(pk_receive_st, const struct sock *sk, const struct sk_buff *skb)
{
	return receive(sk, skb);
}
