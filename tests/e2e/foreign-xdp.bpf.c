// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* foreign-xdp.bpf.c: somebody else's program on the interface. It passes everything and counts. */
#include <linux/bpf.h>
#include <linux/types.h>

#define SEC(name) __attribute__((section(name), used))

SEC("xdp") int foreign_pass(struct xdp_md *context)
{
	(void)context;
	return XDP_PASS;
}

SEC("license") char foreign_license[] = "Dual BSD/GPL";
