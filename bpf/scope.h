/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * scope.h: which sockets are ours to look at, decided before anything is copied: TCP over IPv4 or IPv6,
 * watched port, network namespace, cgroup, not our own process. And the flow of a socket and its time, as the
 * records carry them.
 */
#ifndef PICKET_BPF_SCOPE_H
#define PICKET_BPF_SCOPE_H

#include "maps.h"

#define SCOPE_CGROUP_DEPTH 24 /* levels; a cgroup deeper than that below the wanted one is out of scope */

static __always_inline bool port_bit(const __u64 *words, __u32 port)
{
	__u32 index = port >> 6;

	asm volatile("" : "+r"(index)); /* have clang keep the bound, which older verifiers cannot work out */
	return words[index & (PK_PORT_WORDS - 1)] >> (port & 63) & 1;
}

static __always_inline bool scope_port(const struct pk_ports *ports, __u16 port)
{
	return port_bit(ports->watched, port);
}

static __always_inline bool scope_family(const struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;

	return (family == PK_AF_INET || family == PK_AF_INET6) && sk->sk_protocol == IPPROTO_TCP_;
}

static __always_inline struct cgroup *cgroup_of(const struct sock *sk)
{
	__u64 val;

	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	val = BPF_CORE_READ(sk, sk_cgrp_data.val);
	return val & 1 ? NULL : (struct cgroup *)(val & ~3ull);
}

static __always_inline bool scope_cgroup(__u64 wanted, const struct sock *sk)
{
	struct cgroup *cg = cgroup_of(sk);

	for (int i = 0; cg && i < SCOPE_CGROUP_DEPTH; i++) {
		struct cgroup_subsys_state *parent;

		if (BPF_CORE_READ(cg, kn, id) == wanted)
			return true;
		parent = BPF_CORE_READ(cg, self.parent);
		cg = parent ? BPF_CORE_READ(parent, cgroup) : NULL;
	}
	return false;
}

static __always_inline bool scope_socket(const struct pk_config *config, const struct sock *sk)
{
	if (config->netns && sk->__sk_common.skc_net.net->ns.inum != config->netns)
		return false;
	return !config->cgroup_id || scope_cgroup(config->cgroup_id, sk);
}

/* skc_num is 0 once the socket is closed, and bytes are read then, too: a reset may come before the read. */
static __always_inline __u16 local_port(const struct sock *sk)
{
	__u16 port = sk->__sk_common.skc_num;

	return port ? port : bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
}

/* May this read be captured? Cheapest question first: most calls are of other ports. */
static __always_inline bool scope_reader(const struct sock *sk)
{
	const struct pk_ports *ports = PK_ONLY(pk_ports);
	const struct pk_config *config;

	if (!ports || !scope_port(ports, local_port(sk)) || !scope_family(sk))
		return false;
	config = PK_ONLY(pk_config);
	if (!config)
		return false;
	if (config->own_tgid && bpf_get_current_pid_tgid() >> 32 == config->own_tgid)
		return false;
	return scope_socket(config, sk);
}

/*
 * When TCP last handled a packet of this socket, by the boot clock. TCP has just looked at its clock for it
 * (tcp_mstamp_refresh); to look again costs more than anything else in these programs. Perf buffers' records
 * are put in order by their times, so there each has its own.
 */
static __always_inline __u64 sock_time(const struct pk_config *config, const struct sock *sk)
{
#ifdef PK_PERF
	return bpf_ktime_get_boot_ns();
#else
	return SOCK_AS(tcp_sock, sk, tcp_clock_cache) + config->boot_ahead_ns;
#endif
}

static __always_inline bool words_are_mapped(const __u32 *a)
{
	return !a[0] && !a[1] && a[2] == bpf_htonl(0xffff);
}

/* All but cookie and local port, which depend on the hook. flow is zero before. */
static __always_inline void flow_fill(struct pk_flow *flow, const struct sock *sk)
{
	__u32 *peer = (__u32 *)flow->peer_addr, *local = (__u32 *)flow->local_addr;

	flow->netns = sk->__sk_common.skc_net.net->ns.inum;
	flow->family = PK_AF_INET;
	flow->peer_port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (sk->__sk_common.skc_family == PK_AF_INET6) {
		for (int i = 0; i < 4; i++) {
			peer[i] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[i];
			local[i] = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[i];
		}
		/* A listener has no peer: then the local address tells. */
		if (!words_are_mapped(peer) && !words_are_mapped(local)) {
			flow->family = PK_AF_INET6;
			return;
		}
		peer[0] = peer[3];
		local[0] = local[3];
		peer[1] = peer[2] = peer[3] = local[1] = local[2] = local[3] = 0;
		return;
	}
	peer[0] = sk->__sk_common.skc_daddr;
	local[0] = sk->__sk_common.skc_rcv_saddr;
}

static __always_inline bool flow_is_loopback(const struct pk_flow *flow)
{
	const __u32 *a = (const __u32 *)flow->local_addr;

	if (flow->family == PK_AF_INET)
		return flow->local_addr[0] == 127;
	return !a[0] && !a[1] && !a[2] && a[3] == bpf_htonl(1);
}

#endif
