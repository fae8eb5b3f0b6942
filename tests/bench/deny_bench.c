// SPDX-License-Identifier: Apache-2.0
/*
 * What a list of blocks costs: to load, in memory, a clean packet of a source that is not in it, and a packet
 * that is dropped. The kernel runs the XDP program for a row of packets, each of the next of as many sources
 * as the list has entries (sources.bpf.c), in turns with a program that does nothing but say the same, and
 * with ours told that there is nothing to look for. What it costs to make the row is in all of them. A row of
 * one source's packets, dropped, tells what is left where nothing has to be fetched from memory.
 *
 *     deny_bench [ENTRIES...]      (default 1 10000 100000 1000000)
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"
#include "sensor/kernel_internal.h"
#include "sources.skel.h"
#include "tests/bpf/packet.h"

#define LONGEST 4000000
#define ROW     500000 /* packets in one test run */
#define ROUNDS  9
#define PORT    8080

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

/* As in sources.bpf.c: each once, over half the address space; the other half is for those who are not in the
 * list. */
static void address_of(uint32_t which, uint8_t ret[4])
{
	uint32_t word = which * 2654435761u;

	ret[0] = (uint8_t)(1 + (word >> 24 & 63));
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
		address_of(i, e[i].target.addr.bytes);
		e[i].value = (struct pk_deny){
			.deadline_s = deadline, .action = PK_ACT_DROP, .scope = PK_SCOPE_HOST, .source = 1};
	}
	return e;
}

/* Nanoseconds a packet: SYNs to a watched port, as a flood has them, of as many sources in turns. */
static double row(struct sources *from, int program, uint32_t count, bool clean, uint32_t action)
{
	static const struct tcp_fields fields = {
		.source = 40000, .destination = PORT, .flags = PK_TCP_SYN, .window = 64240};
	static uint8_t out[2048];
	struct frame_buf f;
	__u32 zero = 0;

	packet_begin(&f);
	packet_eth(&f, 0x0800);
	packet_ipv4(&f, "192.0.2.1", "10.77.0.1", 6, 0, 0);
	packet_tcp(&f, &fields);
	packet_end(&f);
	from->bss->turn = 0;
	from->bss->clean = clean;
	from->data->count = count;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f.bytes, .data_size_in = (__u32)f.len, .data_out = out,
		    .data_size_out = sizeof out, .repeat = ROW);
	if (bpf_map_update_elem(bpf_map__fd(from->maps.next), &zero, &program, BPF_ANY) ||
	    bpf_prog_test_run_opts(bpf_program__fd(from->progs.sources), &run) || run.retval != action)
		abort();
	return run.duration;
}

/* A program that returns that and does nothing else. */
static int program_empty(__s32 action)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = action},
		{.code = BPF_JMP | BPF_EXIT},
	};

	/* As libbpf has it for ours: the array of programs takes programs of one kind only. */
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_XDP);

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "pk_empty", "GPL", code, ARRAY_SIZE(code), &opts);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, by_size);
	return values[count / 2];
}

static void head_none(struct kernel *k, bool none)
{
	uint64_t filter = __atomic_load_n(&k->deny_head->filter, __ATOMIC_RELAXED);

	__atomic_store_n(&k->deny_head->filter, none ? filter | PK_DENY_NONE : filter & ~PK_DENY_NONE,
			 __ATOMIC_RELEASE);
}

/* As many protected addresses as a small server has. */
static int protected_put(struct deny *deny)
{
	static const char *const who[] = {"127.0.0.0/8", "10.77.0.1/32", "10.77.0.254/32", "192.0.2.53/32",
					  "192.0.2.54/32"};
	struct prefix p;

	for (size_t i = 0; i < ARRAY_SIZE(who); i++)
		if (prefix_parse(span_from(who[i]), &p) || allow_put(deny, &p))
			return -1;
	return allow_settle(deny);
}

static int kernel_open(struct kernel **ret)
{
	static struct config config;
	static struct pk_ports ports;
	struct kernel_options options = {.netns = 0};
	struct pk_config usual = {
		.read_max = 65536, .share_divisor = 8, .header_rate = 2000, .header_burst = 2000};
	struct buffer errors = BUFFER_INIT(4096);
	__u32 zero = 0;

	config.capture.ring_bytes = config.capture.header_ring_bytes = 1 << 16;
	config.limits.blocks_max = LONGEST;
	if (kernel_load(&config, &options, ret, &errors)) {
		fprintf(stderr, "%.*s", (int)errors.len, errors.data);
		return 1;
	}
	ports.watched[PORT / 64] |= 1ull << PORT % 64;
	return kernel_config_set(*ret, &usual) ||
	       bpf_map_update_elem(kernel_ports_fd(*ret), &zero, &ports, BPF_ANY) ||
	       protected_put(kernel_deny(*ret));
}

static int load(struct kernel *k, uint32_t count)
{
	struct deny_entry *e = entries_make(count);
	uint64_t bytes = map_bytes(), begin = clock_ns(CLOCK_MONOTONIC);
	int r = deny_load(kernel_deny(k), e, count, NULL);
	double ms = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e6;

	free(e);
	if (r || deny_count(kernel_deny(k)) != count) {
		fprintf(stderr, "deny_load: %d, %u entries\n", r, deny_count(kernel_deny(k)));
		return 1;
	}
	printf("%8u entries: loaded in %.1f ms, %.1f MB more\n", count, ms,
	       (double)(map_bytes() - bytes) / 1e6);
	return 0;
}

static void measure_clean(struct sources *from, struct kernel *k, int program, int empty, uint32_t count)
{
	double nothing[ROUNDS], none[ROUNDS], list[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		nothing[i] = row(from, empty, count, true, XDP_PASS);
		head_none(k, true);
		none[i] = row(from, program, count, true, XDP_PASS);
		head_none(k, false);
		list[i] = row(from, program, count, true, XDP_PASS);
	}
	double most = median(list, ROUNDS);
	printf("         a clean packet   %+6.1f ns to an empty program, %+6.1f to ours without entries\n",
	       most - median(nothing, ROUNDS), most - median(none, ROUNDS));
}

static void measure_dropped(struct sources *from, int program, int empty, uint32_t count)
{
	double nothing[ROUNDS], all[ROUNDS], one[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		nothing[i] = row(from, empty, count, false, XDP_DROP);
		all[i] = row(from, program, count, false, XDP_DROP);
		one[i] = row(from, program, 1, false, XDP_DROP);
	}
	printf("         a dropped packet %+6.1f ns to an empty program; of one source in a row %+6.1f\n",
	       median(all, ROUNDS) - median(nothing, ROUNDS), median(one, ROUNDS) - median(nothing, ROUNDS));
}

static int measure(uint32_t count)
{
	struct sources *from = sources__open_and_load();
	struct kernel *k;

	if (!from)
		fprintf(stderr, "sources.bpf.o does not load: %s\n", strerror(errno));
	if (!from || kernel_open(&k))
		return 1;
	int program = kernel_program_fd(k, OBJECT_XDP, "pk_xdp");
	int pass = program_empty(XDP_PASS), drop = program_empty(XDP_DROP);

	if (program < 0 || pass < 0 || drop < 0 || load(k, count))
		return 1;
	measure_clean(from, k, program, pass, count);
	measure_dropped(from, program, drop, count);
	close(pass);
	close(drop);
	kernel_free(k);
	sources__destroy(from);
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
