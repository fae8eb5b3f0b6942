// SPDX-License-Identifier: Apache-2.0
/* The null programs of tests/bench/peers.sh: at each hook one that drops, and one that passes, whatever
 * comes. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("xdp/drop")
int null_xdp_drop(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_DROP;
}

SEC("xdp/pass")
int null_xdp_pass(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_PASS;
}

SEC("tc/drop")
int null_tc_drop(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_SHOT;
}

SEC("tc/pass")
int null_tc_pass(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
