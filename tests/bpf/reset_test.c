// SPDX-License-Identifier: Apache-2.0
/*
 * reset_test.c: what the packet program answers a denied client with, byte for byte, and what it does not
 * answer.
 *
 *     reset_test xdp | tc [TESTS]     (a pattern, as of file names)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"
#include "sensor/kernel_internal.h"
#include "tests/bpf/packet.h"

#define WATCHED     8080
#define CLIENT4     "192.0.2.7"
#define CLIENT6     "2001:db8::7"
#define SERVER4     "198.51.100.1"
#define SERVER6     "2001:db8:ffff::1"
#define TC_REDIRECT 7
#define TC_DROP     2

static bool use_tc;
static struct kernel *kernel;
static struct deny *deny;
static int program;

static uint64_t boot_in(int seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)(t.tv_sec + seconds) * NS_PER_S;
}

static void put(const char *who, enum pk_action action)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(who), &p), 0);
	assert_int_equal(deny_put(deny, &p, boot_in(1000), action, PK_SCOPE_PORTS, 1), 0);
}

static int open_all(void **state)
{
	static struct config config;
	struct kernel_options options = {.netns = 0};
	struct pk_config calm = {.read_max = 65536, .share_divisor = 8};
	static struct pk_ports ports;
	__u32 zero = 0;
	struct buffer errors = BUFFER_INIT(4096);

	(void)state;
	config.capture.ring_bytes = config.capture.header_ring_bytes = 1 << 16;
	config.limits.blocks_max = 100;
	int r = kernel_load(&config, &options, &kernel, &errors);
	if (r) {
		fprintf(stderr, "kernel_load: %d\n%.*s", r, (int)errors.len, errors.data);
		return -1;
	}
	buffer_free(&errors);
	ports.watched[WATCHED / 64] |= 1ull << WATCHED % 64;
	if (kernel_config_set(kernel, &calm) ||
	    bpf_map_update_elem(kernel_ports_fd(kernel), &zero, &ports, BPF_ANY))
		return -1;
	deny = kernel_deny(kernel);
	deny_rate_set(deny, 1000000, 1000000);
	put(CLIENT4, PK_ACT_RESET);
	put(CLIENT6, PK_ACT_RESET);
	program = use_tc ? kernel_program_fd(kernel, OBJECT_TC, "pk_tc")
			 : kernel_program_fd(kernel, OBJECT_XDP, "pk_xdp");
	return program < 0 ? -1 : 0;
}

static int close_all(void **state)
{
	(void)state;
	kernel_free(kernel);
	kernel = NULL;
	return 0;
}

static uint64_t stat_of(enum pk_counter which)
{
	int cpus = libbpf_num_possible_cpus();
	struct pk_counters *all = calloc((size_t)cpus, sizeof *all);
	uint64_t sum = 0;
	__u32 zero = 0;

	assert_non_null(all);
	assert_int_equal(bpf_map_lookup_elem(kernel_map_fd(kernel, "pk_stats"), &zero, all), 0);
	for (int i = 0; i < cpus; i++)
		sum += all[i].v[which];
	free(all);
	return sum;
}

/* --- frames --- */

struct wish {
	bool v6;
	unsigned vlans;
	const char *source, *destination; /* NULL: the client, the server */
	struct tcp_fields tcp;            /* ports: by default */
	size_t payload;
	size_t ip_options; /* IPv4 */
	uint16_t fragment; /* IPv4 */
	bool extension;    /* IPv6 */
	bool udp, group_mac;
	size_t cut; /* bytes that the frame lacks of what its IP header says */
};

static void build(struct frame_buf *f, const struct wish *w)
{
	uint16_t type = w->v6 ? 0x86dd : 0x0800;
	struct tcp_fields tcp = w->tcp;
	const char *source = w->source ? w->source : w->v6 ? CLIENT6 : CLIENT4;
	const char *destination = w->destination ? w->destination : w->v6 ? SERVER6 : SERVER4;
	uint8_t protocol = w->udp ? 17 : 6;

	tcp.source = 40000;
	tcp.destination = tcp.destination ? tcp.destination : WATCHED;
	packet_begin(f);
	packet_eth(f, w->vlans == 2 ? 0x88a8 : w->vlans == 1 ? 0x8100 : type);
	if (w->vlans == 2)
		packet_vlan(f, 0x8100);
	if (w->vlans)
		packet_vlan(f, type);
	if (w->v6)
		packet_ipv6(f, source, destination, w->extension ? 0 : protocol);
	else
		packet_ipv4(f, source, destination, protocol, w->ip_options, w->fragment);
	if (w->v6 && w->extension)
		packet_ext(f, 0, protocol, 0);
	if (w->udp)
		packet_udp(f, tcp.source, tcp.destination);
	else
		packet_tcp(f, &tcp);
	packet_bytes(f, w->payload);
	packet_end(f);
	f->len -= w->cut;
	/* Test runs take a frame for this host if it is sent to the loopback interface's address, zeros. */
	memset(f->bytes, 0, 6);
	f->bytes[0] = w->group_mac;
	f->bytes[11] = 2;
}

/* --- answers --- */

static uint8_t answer[4096];
static size_t answer_len;

static unsigned run(const struct frame_buf *f)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = (__u32)f->len,
		    .data_out = answer, .data_size_out = sizeof(answer));

	assert_int_equal(bpf_prog_test_run_opts(program, &opts), 0);
	answer_len = opts.data_size_out;
	return opts.retval;
}

static bool is_answered(const struct frame_buf *f)
{
	unsigned result = run(f);

	if (result == (use_tc ? TC_REDIRECT : XDP_TX))
		return true;
	assert_int_equal(result, use_tc ? TC_DROP : XDP_DROP);
	return false;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static uint32_t sum_of(const uint8_t *at, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i += 2)
		sum += get16(at + i);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The frame is the RST that answers f, and nothing else: RFC 9293, 3.10.7.1. */
static void assert_answers(const struct frame_buf *f, const struct wish *w)
{
	size_t l3 = 14 + 4 * w->vlans, head = w->v6 ? 40 : 20, size = w->v6 ? 16 : 4;
	size_t source_at = l3 + (w->v6 ? 8 : 12), destination_at = source_at + size;
	const uint8_t *ip = answer + l3, *tcp = ip + head, *from = f->bytes + l3 + head;
	uint32_t ends = !!(w->tcp.flags & PK_TCP_SYN) + !!(w->tcp.flags & PK_TCP_FIN);

	assert_int_equal(answer_len, l3 + head + 20);
	assert_memory_equal(answer, f->bytes + 6, 6);
	assert_memory_equal(answer + 6, f->bytes, 6);
	assert_memory_equal(answer + 12, f->bytes + 12, l3 - 12); /* tags, type */
	assert_memory_equal(answer + source_at, f->bytes + destination_at, size);
	assert_memory_equal(answer + destination_at, f->bytes + source_at, size);
	if (w->v6) {
		assert_int_equal(get32(ip), 0x60000000);
		assert_int_equal(get16(ip + 4), 20);
		assert_int_equal(ip[6], 6);
		assert_int_equal(ip[7], 64);
	} else {
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(get16(ip + 2), 40);
		assert_int_equal(get16(ip + 6), 0x4000);
		assert_int_equal(ip[8], 64);
		assert_int_equal(ip[9], 6);
		assert_int_equal(fold(sum_of(ip, 20, 0)), 0xffff);
	}
	assert_int_equal(get16(tcp), get16(from + 2));
	assert_int_equal(get16(tcp + 2), get16(from));
	if (w->tcp.flags & PK_TCP_ACK) {
		assert_int_equal(get32(tcp + 4), w->tcp.acknowledgment);
		assert_int_equal(get32(tcp + 8), 0);
		assert_int_equal(tcp[13], PK_TCP_RST);
	} else {
		assert_int_equal(get32(tcp + 4), 0);
		assert_int_equal(get32(tcp + 8), (uint32_t)(w->tcp.sequence + w->payload + ends));
		assert_int_equal(tcp[13], PK_TCP_RST | PK_TCP_ACK);
	}
	assert_int_equal(tcp[12], 5 << 4);
	assert_int_equal(get16(tcp + 14), 0);
	assert_int_equal(get16(tcp + 18), 0);
	assert_int_equal(fold(sum_of(tcp, 20, sum_of(answer + source_at, 2 * size, 6 + 20))), 0xffff);
}

/* --- stories --- */

static void a_segment_becomes_the_rst_that_answers_it(void **state)
{
	static const struct tcp_fields segments[] = {
		{.flags = PK_TCP_SYN, .sequence = 1000, .window = 64240, .options = 20},
		{.flags = PK_TCP_SYN, .sequence = 0xffffffff},
		{.flags = PK_TCP_ACK, .sequence = 1001, .acknowledgment = 77777, .options = 12},
		{.flags = PK_TCP_ACK | PK_TCP_PSH, .sequence = 0x80000000, .acknowledgment = 0xfffffffe},
		{.flags = PK_TCP_FIN, .sequence = 5},
		{.flags = PK_TCP_FIN | PK_TCP_ACK, .sequence = 5, .acknowledgment = 6},
		{.flags = PK_TCP_SYN | PK_TCP_ACK, .sequence = 5, .acknowledgment = 6},
		{.flags = 0, .sequence = 0xfffffff0},
		{.flags = PK_TCP_SYN | PK_TCP_FIN, .sequence = 5},
	};
	static const size_t payloads[] = {0, 1, 7, 512, 1400};
	unsigned answered = 0;

	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned vlans = 0; vlans < 3; vlans++)
			for (size_t i = 0; i < ARRAY_SIZE(segments); i++)
				for (size_t k = 0; k < ARRAY_SIZE(payloads); k++) {
					struct wish w = {.v6 = v6,
							 .vlans = vlans,
							 .tcp = segments[i],
							 .payload = payloads[k]};
					struct frame_buf f;
					build(&f, &w);
					assert_true(is_answered(&f));
					assert_answers(&f, &w);
					answered++;
				}
	assert_int_equal(stat_of(PK_C_RESETS), answered);
	assert_int_equal(stat_of(PK_C_DROPPED), answered);
	assert_int_equal(stat_of(PK_C_RESET_SILENT), 0);
}

static void what_is_in_doubt_is_dropped_in_silence(void **state)
{
	static const struct wish wishes[] = {
		{.tcp = {.flags = PK_TCP_RST}},
		{.tcp = {.flags = PK_TCP_RST | PK_TCP_ACK}},
		{.tcp = {.flags = PK_TCP_ACK}, .ip_options = 4},
		{.tcp = {.flags = PK_TCP_ACK}, .fragment = 0x2000},
		{.tcp = {.flags = PK_TCP_ACK}, .fragment = 0x0010, .payload = 64},
		{.tcp = {.flags = PK_TCP_ACK}, .payload = 100, .cut = 50},
		{.tcp = {.flags = PK_TCP_ACK, .header_words = 4}},
		{.tcp = {.flags = PK_TCP_ACK, .header_words = 8}, .payload = 4},
		{.tcp = {.flags = PK_TCP_ACK}, .destination = "224.0.0.1"},
		{.tcp = {.flags = PK_TCP_ACK}, .destination = "255.255.255.255"},
		{.tcp = {.flags = PK_TCP_ACK}, .destination = "127.0.0.1"},
		{.tcp = {.flags = PK_TCP_ACK}, .group_mac = true},
		{.udp = true},
		{.v6 = true, .tcp = {.flags = PK_TCP_RST}},
		{.v6 = true, .tcp = {.flags = PK_TCP_ACK}, .extension = true},
		{.v6 = true, .tcp = {.flags = PK_TCP_ACK}, .destination = "ff02::1"},
		{.v6 = true, .tcp = {.flags = PK_TCP_ACK}, .destination = "::1"},
		{.v6 = true, .tcp = {.flags = PK_TCP_ACK}, .source = "::ffff:192.0.2.7"},
		{.v6 = true, .tcp = {.flags = PK_TCP_ACK}, .payload = 100, .cut = 50},
		{.v6 = true, .udp = true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		struct frame_buf f;
		build(&f, &wishes[i]);
		if (is_answered(&f))
			fail_msg("frame %zu is answered", i);
		assert_int_equal(stat_of(PK_C_RESET_SILENT), i + 1);
	}
	assert_int_equal(stat_of(PK_C_RESETS), 0);
	assert_int_equal(stat_of(PK_C_DROPPED), ARRAY_SIZE(wishes));
}

static const struct wish syn = {.tcp = {.flags = PK_TCP_SYN, .sequence = 9}};

static void answers_are_rationed_for_each_entry(void **state)
{
	enum { BURST = 5 };
	struct frame_buf f, neighbour;
	struct wish other = syn;
	struct prefix p;
	struct pk_hit hit;
	unsigned answered = 0;

	(void)state;
	/* One that is due, and the burst: a rate of one a second adds one or two while this runs. */
	deny_rate_set(deny, 1, BURST);
	build(&f, &syn);
	for (unsigned i = 0; i < 200; i++)
		answered += is_answered(&f);
	assert_in_range(answered, BURST, BURST + 3);
	assert_int_equal(stat_of(PK_C_RESETS), answered);
	assert_int_equal(stat_of(PK_C_RESET_SILENT), 200 - answered);
	assert_int_equal(prefix_parse(SPAN(CLIENT4), &p), 0);
	assert_int_equal(deny_hits(deny, &p, &hit), 0);
	assert_int_equal(hit.packets, 200);
	other.v6 = true;
	build(&neighbour, &other);
	assert_true(is_answered(&neighbour));
	/* A prefix has one ration for all who are in it: who forges addresses gets no more by it. */
	put("203.0.113.0/24", PK_ACT_RESET);
	answered = 0;
	for (unsigned i = 0; i < 200; i++) {
		char who[32];
		snprintf(who, sizeof who, "203.0.113.%u", i);
		other = syn;
		other.source = who;
		build(&f, &other);
		answered += is_answered(&f);
	}
	assert_in_range(answered, BURST, BURST + 3);
	/* No rate, as where the maps are filled by hand: no answer. */
	deny_rate_set(deny, 0, 0);
	assert_false(is_answered(&neighbour));
}

static void a_silent_block_is_stronger_and_who_is_allowed_passes(void **state)
{
	unsigned pass = use_tc ? (unsigned)-1 : XDP_PASS;
	struct wish elsewhere = syn;
	struct frame_buf f;
	struct prefix p;

	(void)state;
	put("192.0.2.0/24", PK_ACT_SHADOW);
	build(&f, &syn);
	assert_true(is_answered(&f));
	put("192.0.2.0/24", PK_ACT_RATE);
	assert_true(is_answered(&f));
	put("192.0.2.0/24", PK_ACT_DROP);
	assert_false(is_answered(&f));
	assert_int_equal(prefix_parse(SPAN("192.0.2.0/24"), &p), 0);
	assert_int_equal(deny_remove(deny, &p), 0);
	/* A port that is not watched is nobody's business. */
	elsewhere.tcp.destination = 9;
	build(&f, &elsewhere);
	assert_int_equal(run(&f), pass);
	assert_int_equal(kernel_kill_set(kernel, true), 0);
	build(&f, &syn);
	assert_int_equal(run(&f), pass);
	assert_int_equal(kernel_kill_set(kernel, false), 0);
	assert_true(is_answered(&f));
}

#define CASE(NAME) cmocka_unit_test_setup_teardown(NAME, open_all, close_all)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_segment_becomes_the_rst_that_answers_it),
		CASE(what_is_in_doubt_is_dropped_in_silence),
		CASE(answers_are_rationed_for_each_entry),
		CASE(a_silent_block_is_stronger_and_who_is_allowed_passes),
	};

	if (argc < 2 || argc > 3 || (strcmp(argv[1], "xdp") && strcmp(argv[1], "tc"))) {
		fprintf(stderr, "usage: reset_test xdp|tc [TESTS]\n");
		return 2;
	}
	if (argc == 3)
		cmocka_set_test_filter(argv[2]);
	if (geteuid()) {
		printf("skipped: needs root\n");
		return 77;
	}
	use_tc = !strcmp(argv[1], "tc");
	return cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
}
