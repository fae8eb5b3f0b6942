// SPDX-License-Identifier: Apache-2.0
/*
 * Puts another source into the packet at each run and hands it to the program in `next`: so one test run of
 * many rounds is a flood of many sources (tests/bench/deny_bench.c, which has the same addresses in its
 * list).
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define SOURCE (14 + 12) /* of an IPv4 packet in an Ethernet frame */

__u32 count = 1; /* of the sources */
bool clean;      /* of those that are in no list */
__u32 turn;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

SEC("xdp")
int sources(struct xdp_md *xdp)
{
	__u8 *data = (__u8 *)(long)xdp->data, *end = (__u8 *)(long)xdp->data_end;
	__u32 which = count ? turn++ * 7919 % count : 0, word = which * 2654435761u, top = word >> 24 & 63;

	if (data + SOURCE + 4 > end)
		return XDP_ABORTED;
	data[SOURCE] = clean ? 128 | top : 1 + top;
	data[SOURCE + 1] = word >> 16;
	data[SOURCE + 2] = word >> 8;
	data[SOURCE + 3] = word;
	bpf_tail_call(xdp, &next, 0);
	return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
