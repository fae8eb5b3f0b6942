// SPDX-License-Identifier: Apache-2.0
/*
 * budget_test.c: prints what the kernel's verifier spends on each program, each way it can be loaded, for
 * verifier-budget.sh: lines "verified WAY/PROGRAM INSTRUCTIONS".
 */
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "half.h"

#define ALL_TUNNELS (CAPTURE_IPIP | CAPTURE_GRE | CAPTURE_VXLAN)

/*
 * True: this way loads here. way: what stands before the names of the TCP programs; with tunnels, before
 * those of the packet programs, and the others were told before.
 */
static bool tell(enum config_capture_source source, unsigned tunnels, const char *way)
{
	struct prefix peer = {.addr = {.family = ADDR_IPV4}, .bits = 8};
	struct config config = {
		.capture = {.source = source,
			    .ring_bytes = 1 << 16,
			    .header_ring_bytes = 1 << 16,
			    .decapsulate = tunnels,
			    .vxlan_port = 4789,
			    .tunnel_peers = {&peer, tunnels != 0}},
		.limits.blocks_max = 16,
	};
	struct kernel_options options = {.netns = 0, .verbose = getenv("V") != NULL};
	struct buffer errors = BUFFER_INIT(4096);
	struct kernel_program programs[16];
	struct kernel *k = NULL;
	bool loads = kernel_load(&config, &options, &k, &errors) == 0;

	if (!loads)
		printf("%s does not load:\n%.*s\n", way, (int)errors.len, errors.data);
	buffer_free(&errors);
	if (!loads)
		return false;
	kernel_load_packets(k);
	unsigned n = kernel_programs(k, programs, 16);
	for (unsigned i = 0; i < n; i++) {
		const struct kernel_program *p = &programs[i];
		bool tcp = strstr(p->name, "pk_data") || strstr(p->name, "pk_state") ||
			   strstr(p->name, "pk_written");
		bool packet = strstr(p->name, "pk_xdp") || strstr(p->name, "pk_tc");

		if (!tunnels || packet)
			printf("verified %s%s %u\n", tunnels || tcp ? way : "", p->name, p->insns);
	}
	kernel_free(k);
	return true;
}

int main(void)
{
	if (geteuid()) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	bool ring = tell(CAPTURE_RING, 0, "ring/");
	bool perf = tell(CAPTURE_PERF, 0, "perf/");
	bool tunnels = tell(CAPTURE_AUTO, ALL_TUNNELS, "tunnels/");
	return perf && tunnels && (ring || !half_ring_expected()) ? 0 : 1;
}
