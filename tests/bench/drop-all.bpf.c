// SPDX-License-Identifier: Apache-2.0
/* The floor of tests/bench/peers.sh: a program that drops, or passes, whatever comes. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int drop_all(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
