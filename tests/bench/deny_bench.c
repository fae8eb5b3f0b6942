// SPDX-License-Identifier: Apache-2.0
/*
 * What a list of blocks costs: to load, in memory, and a clean packet of a source that is not in it. The
 * packets come from as many sources as the list has entries, one run of the XDP program each, in turns with
 * the same program told that there is nothing to look for; the test run's own cost is in both.
 *
 *     deny_bench [ENTRIES...]      (default 1 10000 100000 1000000)
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"
#include "sensor/kernel_internal.h"
#include "tests/bpf/packet.h"

#define PACKETS 200000
#define LONGEST 4000000

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Bytes of all maps that this process holds. */
static uint64_t map_bytes(void)
{
	char path[300], line[128];
	uint64_t sum = 0;
	struct dirent *e;
	DIR *d = opendir("/proc/self/fdinfo");

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof path, "/proc/self/fdinfo/%s", e->d_name);
		FILE *f = fopen(path, "re");
		unsigned long long bytes;

		while (f && fgets(line, sizeof line, f))
			if (sscanf(line, "memlock: %llu", &bytes) == 1)
				sum += bytes;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return sum;
}

/* Each once, over half the address space; the other half is for those who are not in the list. */
static void address_of(uint32_t which, bool clean, uint8_t ret[4])
{
	uint32_t word = which * 2654435761u;

	ret[0] = (uint8_t)(clean ? 128 | (word >> 24 & 63) : 1 + (word >> 24 & 63));
	ret[1] = (uint8_t)(word >> 16);
	ret[2] = (uint8_t)(word >> 8);
	ret[3] = (uint8_t)word;
}

static struct deny_entry *entries_make(uint32_t count)
{
	struct deny_entry *e = calloc(count, sizeof *e);
	uint32_t deadline = (uint32_t)(clock_ns(CLOCK_BOOTTIME) / NS_PER_S) + 100000;

	if (!e)
		abort();
	for (uint32_t i = 0; i < count; i++) {
		e[i].target = (struct prefix){.addr.family = ADDR_IPV4, .bits = 32};
		address_of(i, false, e[i].target.addr.bytes);
		e[i].value = (struct pk_deny){
			.deadline_s = deadline, .action = PK_ACT_DROP, .scope = PK_SCOPE_HOST, .source = 1};
	}
	return e;
}

static double one_packet(int program, uint32_t which)
{
	static const struct tcp_fields fields = {.source = 40000, .destination = 8080, .flags = PK_TCP_ACK};
	static struct frame_buf f;
	static uint8_t out[2048];

	if (!f.len) {
		packet_begin(&f);
		packet_eth(&f, 0x0800);
		packet_ipv4(&f, "128.0.0.1", "10.77.0.1", 6, 0, 0);
		packet_tcp(&f, &fields);
		packet_end(&f);
	}
	address_of(which, true, f.bytes + 14 + 12);
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f.bytes, .data_size_in = (__u32)f.len, .data_out = out,
		    .data_size_out = sizeof out);
	if (bpf_prog_test_run_opts(program, &run) || run.retval != 2 /* XDP_PASS */)
		abort();
	return run.duration;
}

static void head_none(struct kernel *k, bool none)
{
	uint64_t filter = __atomic_load_n(&k->deny_head->filter, __ATOMIC_RELAXED);

	__atomic_store_n(&k->deny_head->filter, none ? filter | PK_DENY_NONE : filter & ~PK_DENY_NONE,
			 __ATOMIC_RELEASE);
}

static int measure(uint32_t count)
{
	static struct config config;
	struct kernel_options options = {.netns = 0};
	struct pk_config calm = {.read_max = 65536, .share_divisor = 8};
	struct buffer errors = BUFFER_INIT(4096);
	struct kernel *k;
	double none = 0, list = 0;

	config.capture.ring_bytes = config.capture.header_ring_bytes = 1 << 16;
	config.limits.blocks_max = LONGEST;
	if (kernel_load(&config, &options, &k, &errors)) {
		fprintf(stderr, "%.*s", (int)errors.len, errors.data);
		return 1;
	}
	if (kernel_config_set(k, &calm))
		return 1;
	int program = kernel_program_fd(k, OBJECT_XDP, "pk_xdp");
	struct deny_entry *e = entries_make(count);
	uint64_t bytes = map_bytes(), begin = clock_ns(CLOCK_MONOTONIC);
	int r = deny_load(kernel_deny(k), e, count, NULL);
	double ms = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e6;

	free(e);
	if (r || deny_count(kernel_deny(k)) != count) {
		fprintf(stderr, "deny_load: %d, %u entries\n", r, deny_count(kernel_deny(k)));
		return 1;
	}
	bytes = map_bytes() - bytes;
	for (uint32_t i = 0; i < PACKETS; i++) {
		head_none(k, true);
		none += one_packet(program, i * 7919);
		head_none(k, false);
		list += one_packet(program, i * 7919);
	}
	printf("%8u entries: loaded in %7.1f ms, %6.1f MB more; a clean packet %5.1f ns, where there are "
	       "none %5.1f ns: "
	       "%+5.1f ns\n",
	       count, ms, (double)bytes / 1e6, list / PACKETS, none / PACKETS, (list - none) / PACKETS);
	kernel_free(k);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const usual[] = {"1", "10000", "100000", "1000000"};
	int count = argc > 1 ? argc - 1 : (int)ARRAY_SIZE(usual), r = 0;

	if (geteuid()) {
		printf("skipped: needs root\n");
		return 77;
	}
	for (int i = 0; i < count && !r; i++) {
		unsigned long entries = strtoul(argc > 1 ? argv[i + 1] : usual[i], NULL, 10);

		if (!entries || entries > LONGEST) {
			fprintf(stderr, "usage: deny_bench [ENTRIES...]   1 to %d each\n", LONGEST);
			return 2;
		}
		r = measure((uint32_t)entries);
	}
	return r;
}
