// SPDX-License-Identifier: Apache-2.0
/*
 * deny_packets_test.c: long lists and their filters, told by packets: whatever is put is dropped, whatever is
 * not passes, while hashes grow and filters are made anew; and what a rate lets through.
 *
 *     deny_packets_test xdp | tc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"
#include "sensor/kernel_internal.h"
#include "tests/bpf/packet.h"

#define WATCHED 8080
#define MOST    40000 /* limits.blocks_max */

static bool use_tc;
static struct kernel *kernel;
static struct deny *deny;
static int program;

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
	config.limits.blocks_max = MOST;
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

static bool drops(const char *source)
{
	static const struct tcp_fields to_watched = {
		.source = 40000, .destination = WATCHED, .flags = PK_TCP_ACK};
	struct frame_buf f;
	uint8_t out[2048];

	packet_begin(&f);
	if (strchr(source, ':')) {
		packet_eth(&f, 0x86dd);
		packet_ipv6(&f, source, "2001:db8:ffff::1", 6);
	} else {
		packet_eth(&f, 0x0800);
		packet_ipv4(&f, source, "10.77.0.1", 6, 0, 0);
	}
	packet_tcp(&f, &to_watched);
	packet_end(&f);
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f.bytes, .data_size_in = (__u32)f.len, .data_out = out,
		    .data_size_out = sizeof(out));
	assert_int_equal(bpf_prog_test_run_opts(program, &run), 0);
	return use_tc ? run.retval == 2 : run.retval == XDP_DROP;
}

static struct prefix net(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(text), &p), 0);
	return p;
}

static uint64_t boot_in(int seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)(t.tv_sec + seconds) * NS_PER_S;
}

static int put(const char *who, enum pk_action action)
{
	struct prefix p = net(who);

	return deny_put(deny, &p, boot_in(1000), action, PK_SCOPE_HOST, 1);
}

static int take(const char *who)
{
	struct prefix p = net(who);

	return deny_remove(deny, &p);
}

static uint64_t filter_now(void)
{
	struct pk_deny_head head;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(kernel_map_fd(kernel, "pk_deny_head"), &zero, &head), 0);
	return head.filter;
}

/* Scattered over the address space, each once. which: an even one is put, an odd one is not. */
static const char *address(uint32_t which, bool v6)
{
	static char text[INET6_ADDRSTRLEN];
	uint32_t word = which * 2654435761u;

	if (v6)
		snprintf(text, sizeof text, "2001:db8:%x:%x::%x:1", word >> 16, word & 0xffff,
			 word >> 8 & 0xffff);
	else
		snprintf(text, sizeof text, "11.%u.%u.%u", word >> 16 & 255, word >> 8 & 255, word & 255);
	return text;
}

static void each_is_dropped_and_nobody_else(uint32_t from, uint32_t to, bool v6)
{
	for (uint32_t i = from; i < to; i++)
		if (drops(address(i, v6)) != (i % 2 == 0))
			fail_msg("%s is %s", address(i, v6), i % 2 ? "dropped" : "not dropped");
}

static void a_list_that_grows_drops_what_is_in_it_and_nothing_else(void **state)
{
	static const uint32_t steps[] = {0, 200, 2000, 9000, 24000};
	uint64_t filter = filter_now();
	unsigned filters = 0;

	(void)state;
	for (size_t s = 1; s < ARRAY_SIZE(steps); s++) {
		for (uint32_t i = steps[s - 1]; i < steps[s]; i += 2) {
			assert_int_equal(put(address(i, false), PK_ACT_DROP), 0);
			assert_int_equal(put(address(i, true), PK_ACT_DROP), 0);
			filters += (filter_now() ^ filter) & PK_DENY_HALF ? 1 : 0;
			filter = filter_now();
		}
		each_is_dropped_and_nobody_else(0, steps[s], false);
		each_is_dropped_and_nobody_else(0, steps[s], true);
	}
	assert_int_equal(deny_count(deny), 24000);
	assert_true(filters > 3); /* made anew more than once, in turns */
	assert_true(filter & PK_DENY_FILTERED);
}

static void what_is_taken_out_passes_and_the_rest_does_not(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 9000; i += 2) {
		assert_int_equal(put(address(i, false), PK_ACT_DROP), 0);
		assert_int_equal(put(address(i, true), PK_ACT_DROP), 0);
	}
	uint64_t filter = filter_now();
	for (uint32_t i = 1000; i < 9000; i += 2) {
		assert_int_equal(take(address(i, false)), 0);
		assert_int_equal(take(address(i, true)), 0);
	}
	assert_true(PK_DENY_WORDS(filter_now()) < PK_DENY_WORDS(filter)); /* made anew */
	each_is_dropped_and_nobody_else(0, 1000, false);
	each_is_dropped_and_nobody_else(0, 1000, true);
	for (uint32_t i = 1000; i < 9000; i += 2)
		assert_false(drops(address(i, i % 4 == 0)));
	for (uint32_t i = 0; i < 1000; i += 2) {
		assert_int_equal(take(address(i, false)), 0);
		assert_int_equal(take(address(i, true)), 0);
	}
	assert_true(filter_now() & PK_DENY_NONE);
}

static struct deny_entry *entries_make(uint32_t count)
{
	struct deny_entry *e = calloc(count, sizeof *e);

	assert_non_null(e);
	for (uint32_t i = 0; i < count; i++) {
		e[i].target = net(address(2 * i, i % 2));
		e[i].value = (struct pk_deny){.deadline_s = (uint32_t)(boot_in(1000) / NS_PER_S),
					      .action = PK_ACT_DROP,
					      .scope = PK_SCOPE_HOST,
					      .source = 3};
	}
	return e;
}

static void a_list_that_is_loaded_is_in_force_beside_what_was(void **state)
{
	struct deny_entry *e = entries_make(30000);
	struct pk_deny d;

	(void)state;
	assert_int_equal(put("192.0.2.1", PK_ACT_DROP), 0);
	assert_int_equal(put("203.0.113.0/24", PK_ACT_DROP), 0);
	e[29999].target = net("100.64.0.0/10");
	e[29998].target = net("2001:db9::/32");
	assert_int_equal(deny_load(deny, e, 30000, NULL), 0);
	assert_int_equal(deny_count(deny), 30002);
	for (uint32_t i = 0; i < 29998; i++) {
		assert_int_equal(deny_get(deny, &e[i].target, &d), 0);
		assert_int_equal(d.bits, i % 2 ? 128 : 32);
		assert_int_equal(d.source, 3);
		if (!drops(address(2 * i, i % 2)))
			fail_msg("%s is not dropped", address(2 * i, i % 2));
		assert_false(drops(address(2 * i + 1, i % 2)));
	}
	assert_true(drops("192.0.2.1") && drops("203.0.113.77") && drops("100.127.1.1") &&
		    drops("2001:db9:7::1"));
	assert_false(drops("192.0.2.2") || drops("203.0.114.1") || drops("100.128.1.1") ||
		     drops("2001:dba::1"));
	free(e);
}

static void a_list_that_is_too_long_says_so_and_what_was_there_stays(void **state)
{
	struct deny_entry *e = entries_make(2 * MOST + 2);
	bool *full = calloc(2 * MOST + 2, sizeof *full);
	uint32_t left_out = 0;

	(void)state;
	assert_non_null(full);
	assert_int_equal(put("192.0.2.1", PK_ACT_DROP), 0);
	assert_int_equal(deny_load(deny, e, 2 * MOST + 2, full), DENY_E_FULL);
	for (uint32_t i = 0; i < 2 * MOST + 2; i++) {
		assert_int_equal(drops(address(2 * i, i % 2)), !full[i]);
		left_out += full[i];
	}
	/* Each family has one more than there is room for, and IPv4 one that was there. */
	assert_int_equal(left_out, 3);
	assert_int_equal(deny_count(deny), 2 * MOST);
	free(full);
	assert_true(drops("192.0.2.1"));
	assert_true(drops(address(0, false)));
	assert_in_range(deny_count(deny), MOST, 2 * MOST);
	e[6].target.bits = 33;
	assert_int_equal(deny_load(deny, e, 10, NULL), -EINVAL);
	free(e);
}

static const struct {
	const char *net, *in[2], *out[2];
} nets[] = {
	{"203.0.113.0/24", {"203.0.113.0", "203.0.113.255"}, {"203.0.112.255", "203.0.114.0"}},
	{"198.18.0.0/15", {"198.18.0.0", "198.19.255.255"}, {"198.17.255.255", "198.20.0.0"}},
	{"100.64.0.0/10", {"100.64.0.0", "100.127.255.255"}, {"100.63.255.255", "100.128.0.0"}},
	{"16.0.0.0/5", {"16.0.0.1", "23.255.255.255"}, {"15.255.255.255", "24.0.0.0"}},
	{"192.0.2.8/31", {"192.0.2.8", "192.0.2.9"}, {"192.0.2.7", "192.0.2.10"}},
	{"2001:db8:7::/48", {"2001:db8:7::1", "2001:db8:7:ffff::1"}, {"2001:db8:6:ffff::", "2001:db8:8::"}},
	{"2001:dc0::/27", {"2001:dc0::1", "2001:ddf:ffff::1"}, {"2001:dbf:ffff::1", "2001:de0::1"}},
	{"2001:db8::4/127", {"2001:db8::4", "2001:db8::5"}, {"2001:db8::3", "2001:db8::6"}},
};

static void prefixes_of_every_length_are_found_by_what_begins_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		assert_false(drops(nets[i].in[0]));
		assert_int_equal(put(nets[i].net, PK_ACT_DROP), 0);
		for (int j = 0; j < 2; j++)
			if (!drops(nets[i].in[j]) || drops(nets[i].out[j]))
				fail_msg("%s: %s, %s", nets[i].net, nets[i].in[j], nets[i].out[j]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		assert_true(drops(nets[i].in[0]) && drops(nets[i].in[1]));
		assert_int_equal(take(nets[i].net), 0);
		assert_false(drops(nets[i].in[0]) || drops(nets[i].in[1]));
	}
}

/* Does the packet program ask the allow list about who begins so? */
static bool asks(const char *who)
{
	struct prefix p = net(who);
	uint32_t first, bit = pk_net_bit4(p.addr.bytes);

	memcpy(&first, p.addr.bytes, sizeof first);
	if (p.addr.family == ADDR_IPV6)
		bit = PK_NET_WORDS * 64 + pk_net_bit6(first);
	return !(kernel->allow_none[bit / 64] >> bit % 64 & 1);
}

static void who_is_allowed_passes_and_his_neighbours_do_not(void **state)
{
	(void)state;
	assert_int_equal(put("0.0.0.0/0", PK_ACT_DROP), 0);
	assert_int_equal(put("::/0", PK_ACT_DROP), 0);
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		struct prefix p = net(nets[i].net);

		assert_true(drops(nets[i].in[0]) && drops(nets[i].in[1]));
		assert_int_equal(allow_put(deny, &p), 0);
		for (int settled = 0; settled < 2; settled++) {
			for (int j = 0; j < 2; j++)
				if (drops(nets[i].in[j]) || !drops(nets[i].out[j]))
					fail_msg("%s: %s, %s", nets[i].net, nets[i].in[j], nets[i].out[j]);
			assert_int_equal(allow_settle(deny), 0);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		struct prefix p = net(nets[i].net);

		assert_false(drops(nets[i].in[0]) || drops(nets[i].in[1]));
		assert_int_equal(allow_remove(deny, &p), 0);
		assert_int_equal(allow_settle(deny), 0);
		for (size_t j = 0; j < ARRAY_SIZE(nets); j++)
			for (int k = 0; k < 2; k++)
				assert_int_equal(drops(nets[j].in[k]), j <= i);
	}
}

static void nobody_is_asked_about_where_nothing_is_allowed(void **state)
{
	struct prefix one = net("203.0.113.7"), wide = net("100.127.1.1"), six = net("2001:db8::1"),
		      all = net("::/0");

	(void)state;
	assert_false(asks("203.0.113.7") || asks("100.64.0.1") || asks("2001:db8::1"));
	assert_int_equal(allow_put(deny, &one), 0);
	assert_true(asks("203.0.113.8"));
	assert_false(asks("203.1.0.0") || asks("202.255.0.0") || asks("2001:db8::1"));
	wide.bits = 10; /* bits behind them do not count, as in a trie */
	assert_int_equal(allow_put(deny, &wide), 0);
	assert_true(asks("100.64.0.0") && asks("100.127.0.0"));
	assert_false(asks("100.63.0.0") || asks("100.128.0.0"));
	assert_int_equal(allow_put(deny, &six), 0);
	assert_true(asks("2001:db8:5::"));
	assert_false(asks("2001:db9::"));
	assert_int_equal(allow_put(deny, &all), 0);
	assert_true(asks("2001:db9::") && asks("::"));
	/* What was taken out is asked about until it is settled; what is left stays so. */
	assert_int_equal(allow_remove(deny, &all), 0);
	assert_int_equal(allow_remove(deny, &one), 0);
	assert_true(asks("2001:db9::") && asks("203.0.113.8"));
	assert_int_equal(allow_settle(deny), 0);
	assert_false(asks("2001:db9::") || asks("203.0.113.8"));
	assert_true(asks("2001:db8:5::") && asks("100.64.0.0") && asks("100.127.0.0"));
}

static void the_allow_list_has_the_last_word_of_random_lists(void **state)
{
	enum { ROUNDS = 40, NETS = 12, PACKETS = 60 };
	struct prefix allowed[NETS];
	uint32_t random = 1;

	(void)state;
	assert_int_equal(put("0.0.0.0/0", PK_ACT_DROP), 0);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < NETS; i++) {
			random = random * 1664525u + 1013904223u;
			allowed[i] =
				(struct prefix){.addr.family = ADDR_IPV4, .bits = 3 + (random >> 8) % 30};
			uint32_t word = htonl(random >> (32 - allowed[i].bits) << (32 - allowed[i].bits));
			memcpy(allowed[i].addr.bytes, &word, 4);
			assert_int_equal(allow_put(deny, &allowed[i]), 0);
		}
		for (int i = 0; i < PACKETS; i++) {
			char text[INET_ADDRSTRLEN];
			bool is_allowed = false;
			uint32_t word, flip;

			/* Near one of them. */
			random = random * 1664525u + 1013904223u;
			memcpy(&word, allowed[i % NETS].addr.bytes, 4);
			flip = 1u << (random >> 8) % 32;
			word = htonl(ntohl(word) ^ (i & 16 ? flip : random >> 27));
			for (int k = 0; k < NETS; k++) {
				uint32_t begin;

				memcpy(&begin, allowed[k].addr.bytes, 4);
				is_allowed = is_allowed ||
					     !((ntohl(begin) ^ ntohl(word)) >> (32 - allowed[k].bits));
			}
			inet_ntop(AF_INET, &word, text, sizeof text);
			if (drops(text) == is_allowed)
				fail_msg("round %d: %s is %s", round, text,
					 is_allowed ? "dropped" : "passed");
		}
		for (int i = 0; i < NETS; i++)
			assert_true(allow_remove(deny, &allowed[i]) >= 0); /* the same twice: once */
		if (round % 3)
			assert_int_equal(allow_settle(deny), 0);
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Sends packets until that time is over; how many passed, and of how many. */
static unsigned passed_in(const char *who, uint64_t time_ns, unsigned *ret_sent, uint64_t *ret_took_ns)
{
	uint64_t begin = now_ns();
	unsigned passed = 0;

	for (*ret_sent = 0; *ret_sent < 100 || now_ns() - begin < time_ns; ++*ret_sent)
		passed += !drops(who);
	*ret_took_ns = now_ns() - begin;
	return passed;
}

static void a_rate_lets_its_burst_through_and_then_its_rate(void **state)
{
	enum { RATE = 20, BURST = 5 };
	struct prefix who = net("192.0.2.1");
	struct pk_hit hit;
	unsigned sent, passed;
	uint64_t took;

	(void)state;
	assert_int_equal(put("192.0.2.1", PK_ACT_RATE), 0);
	deny_rate_set(deny, 0, BURST);
	assert_int_equal(passed_in("192.0.2.1", 0, &sent, &took), 100);
	deny_rate_set(deny, RATE, BURST);
	passed = passed_in("192.0.2.1", NS_PER_S / 2, &sent, &took);
	/* One that is due, the burst, and what falls due meanwhile; a machine that stands still loses some.
	 */
	assert_in_range(passed, 1 + BURST + 1, 1 + BURST + 1 + took * RATE / NS_PER_S);
	assert_int_equal(deny_hits(deny, &who, &hit), 0);
	assert_int_equal(hit.packets, sent - passed);
	assert_false(drops("192.0.2.2"));
	/* Together with what is stronger, and what is weaker. */
	assert_int_equal(put("192.0.2.0/24", PK_ACT_DROP), 0);
	assert_int_equal(passed_in("192.0.2.1", NS_PER_S / 10, &sent, &took), 0);
	assert_int_equal(take("192.0.2.0/24"), 0);
	assert_int_equal(put("192.0.2.0/24", PK_ACT_SHADOW), 0);
	passed = passed_in("192.0.2.1", NS_PER_S / 2, &sent, &took);
	assert_in_range(passed, 1, 1 + BURST + 1 + took * RATE / NS_PER_S);
	assert_true(passed < sent);
}

#define CASE(NAME) cmocka_unit_test_setup_teardown(NAME, open_all, close_all)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_list_that_grows_drops_what_is_in_it_and_nothing_else),
		CASE(what_is_taken_out_passes_and_the_rest_does_not),
		CASE(a_list_that_is_loaded_is_in_force_beside_what_was),
		CASE(a_list_that_is_too_long_says_so_and_what_was_there_stays),
		CASE(prefixes_of_every_length_are_found_by_what_begins_them),
		CASE(who_is_allowed_passes_and_his_neighbours_do_not),
		CASE(nobody_is_asked_about_where_nothing_is_allowed),
		CASE(the_allow_list_has_the_last_word_of_random_lists),
		CASE(a_rate_lets_its_burst_through_and_then_its_rate),
	};

	if (argc != 2 || (strcmp(argv[1], "xdp") && strcmp(argv[1], "tc"))) {
		fprintf(stderr, "usage: deny_packets_test xdp|tc\n");
		return 2;
	}
	if (geteuid()) {
		printf("skipped: needs root\n");
		return 77;
	}
	use_tc = !strcmp(argv[1], "tc");
	return cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
}
