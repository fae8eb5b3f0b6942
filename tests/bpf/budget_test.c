// SPDX-License-Identifier: Apache-2.0
/*
 * budget_test.c: what the kernel's verifier spends on each program, against verifier-budget.txt. More than a
 * tenth above the budget fails: a harmless change of source or compiler can cost the verifier ten times as
 * much, and kernels have a limit.
 *
 *     budget_test FILE       lines "PROGRAM MOST"; the highest of the kernels that were tried
 */
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "half.h"

#define LINES_MAX 32

struct budget {
	char name[64];
	unsigned most;
};

static struct budget budgets[LINES_MAX];
static unsigned budget_count;

static bool budgets_read(const char *path)
{
	char line[160];
	FILE *f = fopen(path, "r");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f) && budget_count < LINES_MAX) {
		struct budget *b = &budgets[budget_count];

		if (line[0] != '#' && sscanf(line, "%63s %u", b->name, &b->most) == 2)
			budget_count++;
	}
	fclose(f);
	return true;
}

static bool within(const char *way, const struct kernel_program *p)
{
	char name[80];

	snprintf(name, sizeof(name), "%.16s%.32s", way, p->name);
	for (unsigned i = 0; i < budget_count; i++) {
		if (strcmp(budgets[i].name, name))
			continue;
		bool ok = p->insns <= budgets[i].most + budgets[i].most / 10;
		printf("%-20s %7u of %7u%s\n", name, p->insns, budgets[i].most, ok ? "" : "  OVER");
		return ok;
	}
	printf("%-20s %7u, and no budget\n", name, p->insns);
	return false;
}

#define ALL_TUNNELS (CAPTURE_IPIP | CAPTURE_GRE | CAPTURE_VXLAN)

/*
 * True: this way loads here, and every program keeps its budget. way: what stands before the names of the TCP
 * programs in the file; with tunnels, before those of the packet programs, and the others were seen before.
 */
static bool check(enum config_capture_source source, unsigned tunnels, const char *way, bool *ret_loads)
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
	bool ok = true;

	*ret_loads = kernel_load(&config, &options, &k, &errors) == 0;
	if (!*ret_loads)
		printf("%s does not load:\n%.*s\n", way, (int)errors.len, errors.data);
	buffer_free(&errors);
	if (!*ret_loads)
		return true;
	unsigned n = kernel_programs(k, programs, 16);
	for (unsigned i = 0; i < n; i++) {
		bool tcp = strstr(programs[i].name, "pk_data") || strstr(programs[i].name, "pk_state") ||
			   strstr(programs[i].name, "pk_written");
		bool packet = strstr(programs[i].name, "pk_xdp") || strstr(programs[i].name, "pk_tc");

		if (!tunnels || packet)
			ok = within(tunnels || tcp ? way : "", &programs[i]) && ok;
	}
	kernel_free(k);
	return ok;
}

int main(int argc, char **argv)
{
	bool ring, perf, tunnels, ok;

	if (argc < 2 || !budgets_read(argv[1])) {
		fprintf(stderr, "usage: %s FILE\n", argv[0]);
		return 2;
	}
	if (geteuid()) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	ok = check(CAPTURE_RING, 0, "ring/", &ring);
	ok = check(CAPTURE_PERF, 0, "perf/", &perf) && ok;
	ok = check(CAPTURE_AUTO, ALL_TUNNELS, "tunnels/", &tunnels) && tunnels && ok;
	return ok && perf && (ring || !half_ring_expected()) ? 0 : 1;
}
