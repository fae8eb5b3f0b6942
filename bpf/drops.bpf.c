// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * drops.bpf.c: segments for watched ports that the kernel's TCP refused, in its own words: a client who wants
 * an observer of packets to see other bytes than the server sends decoys that the server will not take. One
 * BTF tracepoint, kfree_skb, filtered by reason before anything else is read; normal frees do not come this
 * way.
 *
 * The record goes the way of the bytes that were taken, so that their order holds. It carries the refused
 * bytes, so that the user half can tell a decoy from an honest retransmission by comparing them with those
 * that the application got.
 *
 * Needs kernels whose kfree_skb names the receiving socket (rx_sk) and whose tracing programs may read a
 * packet buffer by dynptr, about 6.12 and later; on others this object does not load and refusals go unnamed.
 */
#define PK_MAPS_DROPS
#include "maps.h"
#include "refused.h"
#include "ring.h"
#include "scope.h"
#include "tcp_head.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Values of the kernel's enum move between versions: the loader puts in this kernel's own (CO-RE). */
#define REASON_IS(reason, name)                                                      \
	(bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_##name) && \
	 (reason) == (int)bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_##name))

static __always_inline enum pk_refusal refusal_of(int reason)
{
	if (REASON_IS(reason, TCP_CSUM))
		return PK_REFUSED_CHECKSUM;
	if (REASON_IS(reason, TCP_OLD_SEQUENCE) || REASON_IS(reason, TCP_INVALID_SEQUENCE) ||
	    REASON_IS(reason, TCP_INVALID_END_SEQUENCE) || REASON_IS(reason, TCP_OVERWINDOW))
		return PK_REFUSED_SEQUENCE;
	if (REASON_IS(reason, TCP_ACK_UNSENT_DATA) || REASON_IS(reason, TCP_TOO_OLD_ACK))
		return PK_REFUSED_ACK;
	if (REASON_IS(reason, TCP_FLAGS))
		return PK_REFUSED_FLAGS;
	if (REASON_IS(reason, TCP_RESET))
		return PK_REFUSED_RESET;
	if (REASON_IS(reason, TCP_INVALID_SYN))
		return PK_REFUSED_SYN;
	if (REASON_IS(reason, TCP_RFC7323_PAWS))
		return PK_REFUSED_TIMESTAMP;
	if (REASON_IS(reason, TCP_OFOMERGE) || REASON_IS(reason, TCP_OLD_DATA))
		return PK_REFUSED_DUPLICATE;
	return PK_REFUSED_NOT;
}

/* The socket's cookie, if it has one; see cookie_of in tcp.bpf.c. A request or timewait socket has none for
 * us. */
static __always_inline void socket_fill(struct pk_refused *r, const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	r->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	r->rcv_nxt = BPF_CORE_READ(tp, rcv_nxt);
	r->rcv_wnd = BPF_CORE_READ(tp, rcv_wnd);
}

static __always_inline bool socket_is_full(const struct sock *sk)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	return state != TCP_STATE_TIME_WAIT && state != TCP_STATE_NEW_SYN_RECV && state != TCP_STATE_LISTEN;
}

/* Network namespace of the socket, else of the device, else 0: then it is not ours to look at. */
static __always_inline __u32 netns_of(const struct sk_buff *skb, const struct sock *sk)
{
	struct net_device *dev;

	if (sk)
		return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	dev = BPF_CORE_READ(skb, dev);
	return dev ? BPF_CORE_READ(dev, nd_net.net, ns.inum) : 0;
}

/* Addresses of the IP header at `ip`. False: not IP, or not TCP. */
static __always_inline bool addresses_fill(struct pk_header *h, const __u8 *ip)
{
	__u8 head[40] = {};

	if (bpf_probe_read_kernel(head, 20, ip))
		return false;
	if (head[0] >> 4 == 4) {
		h->family = PK_AF_INET;
		h->ttl = head[8];
		__builtin_memcpy(h->source_addr, head + 12, 4);
		__builtin_memcpy(h->destination_addr, head + 16, 4);
		return head[9] == IPPROTO_TCP_;
	}
	if (head[0] >> 4 != 6 || bpf_probe_read_kernel(head, 40, ip))
		return false;
	h->family = PK_AF_INET6;
	h->ttl = head[7];
	__builtin_memcpy(h->source_addr, head + 8, 16);
	__builtin_memcpy(h->destination_addr, head + 24, 16);
	return true; /* the reason says that it was TCP's */
}

static __always_inline bool header_fill(struct pk_header *h, const struct sk_buff *skb, const __u8 *head)
{
	struct tcp_head t;

	if (!addresses_fill(h, head + BPF_CORE_READ(skb, network_header)) ||
	    bpf_probe_read_kernel(&t, sizeof(t), head + BPF_CORE_READ(skb, transport_header)))
		return false;
	h->rec.time_ns = bpf_ktime_get_boot_ns();
	h->hook = PK_HOOK_KFREE_SKB;
	h->source_port = bpf_ntohs(t.source);
	h->destination_port = bpf_ntohs(t.destination);
	h->sequence = bpf_ntohl(t.sequence);
	h->acknowledgment = bpf_ntohl(t.acknowledgment);
	h->window = bpf_ntohs(t.window);
	h->flags = (t.offset_reserved & 1 ? PK_TCP_NS : 0) | t.flags;
	h->header_length = (t.offset_reserved >> 4) * 4;
	return true;
}

/*
 * Where the payload begins, counted from skb->data, which TCP moves over the header once it takes the segment
 * in. Sets the number of bytes there. What lies before skb->data cannot be read here: the sequence number
 * moves on.
 */
static __always_inline __u32 payload_find(struct pk_refused *r, const struct sk_buff *skb, const __u8 *head)
{
	const __u8 *data = BPF_CORE_READ(skb, data);
	__s64 at = (head + BPF_CORE_READ(skb, transport_header) + r->header.header_length) - data;
	__u32 len = BPF_CORE_READ(skb, len), off;

	if (at < 0) {
		r->header.sequence += (__u32)-at;
		at = 0;
	}
	off = (__u32)at;
	len = len > off ? len - off : 0;
	r->header.payload_len = len > 65535 ? 65535 : len;
	return off;
}

static __always_inline int on_refused(struct sk_buff *skb, struct sock *rx_sk, enum pk_refusal why)
{
	const struct pk_config *config = PK_ONLY(pk_config);
	const struct pk_ports *ports = PK_ONLY(pk_ports);
	struct pk_counters *c = PK_ONLY(pk_stats);
	struct pk_ring_cpu *cpu = PK_ONLY(pk_tcp_cpu);
	struct pk_refused r = {.refusal = why};
	const __u8 *head;
	__u32 off;

	if (!config || !ports || !c || !cpu)
		return 0;
	r.netns = netns_of(skb, rx_sk);
	if (config->netns && r.netns != config->netns)
		return 0;
	if (config->cgroup_id &&
	    (!rx_sk || !socket_is_full(rx_sk) || !scope_cgroup(config->cgroup_id, rx_sk)))
		return 0;
	head = BPF_CORE_READ(skb, head);
	if (!header_fill(&r.header, skb, head) || !port_bit(ports->watched, r.header.destination_port))
		return 0;
	if (!refused_paid(c, config, r.header.rec.time_ns))
		return 0;
	if (rx_sk && socket_is_full(rx_sk))
		socket_fill(&r, rx_sk);
	off = payload_find(&r, skb, head);
	refused_offer(&r, skb, off, c, cpu, config);
	return 0;
}

/* The reason first: packets of all kinds are freed here, many for each connection. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(pk_refused, struct sk_buff *skb, void *location, int reason, struct sock *rx_sk)
{
	enum pk_refusal why = refusal_of(reason);

	return why ? on_refused(skb, rx_sk, why) : 0;
}
