// SPDX-License-Identifier: Apache-2.0
/*
 * tunnel_test.c: packets that carry others (capture.decapsulate), run through the packet program in the
 * kernel on frames built here, as XDP and as tc: which address is asked, what is dropped, what is reported,
 * and what passes because it cannot be read.
 *
 *     tunnel_test xdp|tc [TESTS]      those whose names fit the pattern
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collect.h"
#include "lib/util.h"
#include "packet.h"
#include "policies/deny.h"
#include "sensor/kernel_internal.h"
#include "sensor/ports.h"
#include "sensor/reader.h"

#define WATCHED    8080
#define OTHER      9090
#define VXLAN_PORT 4789

/* The tunnel's ends, and who talks inside of it. */
#define PEER4   "203.0.113.7"
#define PEER6   "2001:db8:cc::7"
#define HERE4   "192.0.2.1"
#define HERE6   "2001:db8:1::1"
#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8::7"
#define SERVER4 "192.0.2.80"
#define SERVER6 "2001:db8:1::80"

#define ALL (CAPTURE_IPIP | CAPTURE_GRE | CAPTURE_VXLAN)

static bool use_tc;

/* --- the program under test ------------------------------------------------------------------- */

static struct kernel *kernel;
static struct reader *reader;
static struct collect got;
static struct config config;
static int program;
static bool opened_as_usual;        /* loading takes the verifier long: tests share what is loaded */
static uint64_t at_begin[PK_C_MAX]; /* counters when the test began */

static uint64_t boot_in(int seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)(t.tv_sec + seconds) * NS_PER_S;
}

static void close_all(void)
{
	reader_free(reader);
	kernel_free(kernel);
	collect_clear(&got);
	kernel = NULL;
	reader = NULL;
}

static void packets_set(enum pk_packets packets)
{
	struct pk_config c = {.header_rate = 1000000,
			      .header_burst = 1000000,
			      .read_max = 65536,
			      .share_divisor = 8,
			      .packets = packets};

	assert_int_equal(kernel_config_set(kernel, &c), 0);
}

static void open_with(unsigned decapsulate, unsigned vxlan_port, struct prefix *peers, unsigned peer_count)
{
	struct kernel_options options = {.verbose = getenv("V") != NULL};
	struct pk_ports ports = {.watched[WATCHED / 64] = 1ull << (WATCHED % 64)};
	struct buffer errors = BUFFER_INIT(4096);

	close_all();
	config.capture.ring_bytes = 1 << 16;
	config.capture.header_ring_bytes = 1 << 18;
	config.capture.decapsulate = decapsulate;
	config.capture.vxlan_port = vxlan_port;
	config.capture.tunnel_peers = (struct config_prefixes){peers, peer_count};
	config.limits.blocks_max = 64;
	int r = kernel_load(&config, &options, &kernel, &errors);
	if (r)
		fail_msg("kernel_load: %d\n%.*s", r, (int)errors.len, errors.data);
	buffer_free(&errors);
	program = use_tc ? kernel_program_fd(kernel, OBJECT_TC, "pk_tc")
			 : kernel_program_fd(kernel, OBJECT_XDP_FRAGS, "pk_xdp");
	assert_true(program >= 0);
	packets_set(PK_PACKETS_OFF);
	ports_write(kernel_ports_fd(kernel), &ports);
	assert_int_equal(reader_new(kernel, collect_record, &got, &reader), 0);
	memset(at_begin, 0, sizeof(at_begin));
	opened_as_usual = false;
}

static bool drops(const struct frame_buf *f)
{
	uint8_t copy[sizeof(f->bytes)], out[sizeof(f->bytes) + 64];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = copy, .data_size_in = (__u32)f->len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);

	memcpy(copy, f->bytes, f->len);
	int r = bpf_prog_test_run_opts(program, &run);
	if (r)
		fail_msg("test run of %zu bytes: %s", f->len, strerror(-r));
	return use_tc ? run.retval == 2 : run.retval == XDP_DROP;
}

static uint64_t stat_of(enum pk_counter which)
{
	uint64_t all[PK_C_MAX];

	assert_int_equal(kernel_stats(kernel, all), 0);
	return all[which] - at_begin[which];
}

static struct prefix net(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(text), &p), 0);
	return p;
}

static void deny(const char *who, enum pk_action action, enum pk_scope scope)
{
	struct prefix p = net(who);

	assert_int_equal(deny_put(kernel_deny(kernel), &p, boot_in(60), action, scope, 1), 0);
}

static void undeny(const char *who)
{
	struct prefix p = net(who);

	assert_int_equal(deny_remove(kernel_deny(kernel), &p), 0);
}

static void allow(const char *who)
{
	struct prefix p = net(who);

	assert_int_equal(allow_put(kernel_deny(kernel), &p), 0);
}

static void disallow(const char *who)
{
	struct prefix p = net(who);

	assert_int_equal(allow_remove(kernel_deny(kernel), &p), 0);
}

static struct pk_hit hits_of(const char *who)
{
	struct prefix p = net(who);
	struct pk_hit h = {0};

	deny_hits(kernel_deny(kernel), &p, &h);
	return h;
}

static int setup(void **state)
{
	(void)state;
	if (!opened_as_usual)
		open_with(ALL, VXLAN_PORT, NULL, 0);
	opened_as_usual = true;
	assert_int_equal(kernel_stats(kernel, at_begin), 0);
	assert_true(reader_drain(reader) >= 0);
	collect_clear(&got);
	return 0;
}

static int teardown(void **state)
{
	static const char *const denied[] = {CLIENT4, CLIENT6, PEER4, PEER6};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
		struct prefix p = net(denied[i]);
		deny_remove(kernel_deny(kernel), &p);
	}
	packets_set(PK_PACKETS_OFF);
	return 0;
}

/* For the budget: what the verifier spent with tunnels opened. */
static int group_teardown(void **state)
{
	struct kernel_program programs[16];
	struct prefix peer = net(PEER4);

	(void)state;
	open_with(ALL, VXLAN_PORT, &peer, 1);
	kernel_load_packets(kernel);
	unsigned n = kernel_programs(kernel, programs, ARRAY_SIZE(programs));
	for (unsigned i = 0; i < n; i++)
		if (!strncmp(programs[i].name, "pk_xdp", 6) || !strncmp(programs[i].name, "pk_tc", 5))
			printf("verified tunnels/%s %u\n", programs[i].name, programs[i].insns);
	close_all();
	return 0;
}

/* --- frames ----------------------------------------------------------------------------------- */

enum inside { TO_WATCHED, TO_OTHER, UDP, FRAGMENT };

static const struct tcp_fields to_watched = {
	.source = 40000, .destination = WATCHED, .flags = PK_TCP_SYN, .sequence = 77, .window = 1000};
static const struct tcp_fields to_other = {.source = 40000, .destination = OTHER, .flags = PK_TCP_ACK};

/* The packet that a tunnel carries, of either family. */
static void client(struct frame_buf *f, bool v4, enum inside what)
{
	uint8_t protocol = what == UDP ? 17 : 6;

	if (v4)
		packet_ipv4(f, CLIENT4, SERVER4, protocol, 0, what == FRAGMENT ? 3 : 0);
	else
		packet_ipv6(f, CLIENT6, SERVER6, what == FRAGMENT ? 44 : protocol);
	if (what == FRAGMENT && !v4)
		packet_fragment(f, protocol, 5, 0);
	if (what == FRAGMENT)
		packet_bytes(f, 32);
	else if (what == UDP)
		packet_udp(f, 40000, WATCHED);
	else
		packet_tcp(f, what == TO_WATCHED ? &to_watched : &to_other);
}

static void outer4(struct frame_buf *f, uint8_t protocol)
{
	packet_eth(f, 0x0800);
	packet_ipv4(f, PEER4, HERE4, protocol, 0, 0);
}

static void outer6(struct frame_buf *f, uint8_t next)
{
	packet_eth(f, 0x86dd);
	packet_ipv6(f, PEER6, HERE6, next);
}

static uint16_t type_of(bool v4)
{
	return v4 ? 0x0800 : 0x86dd;
}

static void ip_in_ipv4(struct frame_buf *f, bool v4)
{
	outer4(f, v4 ? 4 : 41);
}

static void ip_in_ipv6(struct frame_buf *f, bool v4)
{
	outer6(f, v4 ? 4 : 41);
}

static void ip_in_ipv4_with_options(struct frame_buf *f, bool v4)
{
	packet_eth(f, 0x8100);
	packet_vlan(f, 0x0800);
	packet_ipv4(f, PEER4, HERE4, v4 ? 4 : 41, 8, 0);
}

static void ip_in_ipv6_with_extensions(struct frame_buf *f, bool v4)
{
	outer6(f, 60);
	packet_ext(f, 60, 43, 1);
	packet_ext(f, 43, v4 ? 4 : 41, 0);
}

static void gre_in_ipv4(struct frame_buf *f, bool v4)
{
	outer4(f, 47);
	packet_gre(f, 0, type_of(v4));
}

static void gre_in_ipv6(struct frame_buf *f, bool v4)
{
	outer6(f, 47);
	packet_gre(f, 0, type_of(v4));
}

static void gre_checksum(struct frame_buf *f, bool v4)
{
	outer4(f, 47);
	packet_gre(f, 0x8000, type_of(v4));
}

static void gre_key(struct frame_buf *f, bool v4)
{
	outer4(f, 47);
	packet_gre(f, 0x2000, type_of(v4));
}

static void gre_sequence(struct frame_buf *f, bool v4)
{
	outer4(f, 47);
	packet_gre(f, 0x1000, type_of(v4));
}

static void gre_all_fields(struct frame_buf *f, bool v4)
{
	outer6(f, 47);
	packet_gre(f, 0xb000, type_of(v4));
}

/* RFC 2784 has receivers discard it; Linux does not. */
static void gre_reserved_bits(struct frame_buf *f, bool v4)
{
	outer4(f, 47);
	packet_gre(f, 0x0cf8, type_of(v4));
}

static void gre_ethernet(struct frame_buf *f, bool v4)
{
	outer4(f, 47);
	packet_gre(f, 0x2000, 0x6558);
	packet_eth(f, type_of(v4));
}

static void vxlan_in_ipv4(struct frame_buf *f, bool v4)
{
	outer4(f, 17);
	packet_vxlan(f, VXLAN_PORT, 0x123456);
	packet_eth(f, type_of(v4));
}

static void vxlan_in_ipv6(struct frame_buf *f, bool v4)
{
	outer6(f, 17);
	packet_vxlan(f, VXLAN_PORT, 5);
	packet_eth(f, type_of(v4));
}

static void vxlan_tagged(struct frame_buf *f, bool v4)
{
	outer4(f, 17);
	packet_vxlan(f, VXLAN_PORT, 5);
	packet_eth(f, 0x88a8);
	packet_vlan(f, 0x8100);
	packet_vlan(f, type_of(v4));
}

static const struct tunnel {
	const char *name;
	unsigned kind;
	void (*build)(struct frame_buf *f, bool v4); /* up to the inner IP header */
	const char *peer;                            /* the outer source */
} tunnels[] = {
	{"IP in IPv4", CAPTURE_IPIP, ip_in_ipv4, PEER4},
	{"IP in IPv6", CAPTURE_IPIP, ip_in_ipv6, PEER6},
	{"IP in IPv4 with options, in a VLAN", CAPTURE_IPIP, ip_in_ipv4_with_options, PEER4},
	{"IP in IPv6 with extension headers", CAPTURE_IPIP, ip_in_ipv6_with_extensions, PEER6},
	{"GRE in IPv4", CAPTURE_GRE, gre_in_ipv4, PEER4},
	{"GRE in IPv6", CAPTURE_GRE, gre_in_ipv6, PEER6},
	{"GRE with checksum", CAPTURE_GRE, gre_checksum, PEER4},
	{"GRE with key", CAPTURE_GRE, gre_key, PEER4},
	{"GRE with sequence number", CAPTURE_GRE, gre_sequence, PEER4},
	{"GRE with all of them", CAPTURE_GRE, gre_all_fields, PEER6},
	{"GRE with reserved bits", CAPTURE_GRE, gre_reserved_bits, PEER4},
	{"Ethernet in GRE", CAPTURE_GRE, gre_ethernet, PEER4},
	{"VXLAN in IPv4", CAPTURE_VXLAN, vxlan_in_ipv4, PEER4},
	{"VXLAN in IPv6", CAPTURE_VXLAN, vxlan_in_ipv6, PEER6},
	{"VXLAN with two tags inside", CAPTURE_VXLAN, vxlan_tagged, PEER4},
};

static void make(struct frame_buf *f, const struct tunnel *t, bool v4, enum inside what)
{
	packet_begin(f);
	t->build(f, v4);
	client(f, v4, what);
	packet_end(f);
}

/* Of every tunnel, with either family inside. */
static void each(enum inside what, bool want)
{
	struct frame_buf f;

	for (size_t i = 0; i < ARRAY_SIZE(tunnels) * 2; i++) {
		const struct tunnel *t = &tunnels[i / 2];
		bool v4 = i % 2;

		make(&f, t, v4, what);
		if (drops(&f) != want)
			fail_msg("%s, IPv%d inside, case %d: %s", t->name, v4 ? 4 : 6, what,
				 want ? "passed" : "dropped");
	}
}

/* --- which address is asked ------------------------------------------------------------------- */

static void clean_packets_pass_and_are_counted(void **state)
{
	(void)state;
	each(TO_WATCHED, false);
	each(TO_OTHER, false);
	each(UDP, false);
	assert_int_equal(stat_of(PK_C_INNER), ARRAY_SIZE(tunnels) * 6);
	assert_int_equal(stat_of(PK_C_INNER_UNREAD) + stat_of(PK_C_INNER_NESTED) + stat_of(PK_C_INNER_PEER),
			 0);
	for (int c = PK_C_ODD_TRUNCATED; c <= PK_C_ODD_NOT_IP; c++)
		assert_int_equal(stat_of((enum pk_counter)c), 0);
	assert_int_equal(stat_of(PK_C_UDP), ARRAY_SIZE(tunnels) * 2);
	each(FRAGMENT, false);
	assert_int_equal(stat_of(PK_C_ODD_FRAGMENT), ARRAY_SIZE(tunnels) * 2);
}

static void a_denied_inner_source_loses_what_it_would_lose_outside(void **state)
{
	(void)state;
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
	deny(CLIENT6, PK_ACT_DROP, PK_SCOPE_PORTS);
	each(TO_WATCHED, true);
	each(TO_OTHER, false);
	each(UDP, true);
	each(FRAGMENT, true);
	assert_int_equal(hits_of(CLIENT4).packets + hits_of(CLIENT6).packets, stat_of(PK_C_DROPPED));
	assert_int_equal(hits_of(CLIENT4).bytes + hits_of(CLIENT6).bytes, stat_of(PK_C_DROPPED_BYTES));
	assert_int_equal(stat_of(PK_C_DROPPED), ARRAY_SIZE(tunnels) * 6);
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_HOST);
	deny(CLIENT6, PK_ACT_DROP, PK_SCOPE_HOST);
	each(TO_OTHER, true);
}

static void only_the_kinds_that_were_asked_for_are_opened(void **state)
{
	(void)state;
	for (unsigned kinds = 0; kinds <= CAPTURE_VXLAN; kinds = kinds ? kinds * 2 : 1) {
		struct frame_buf f;
		uint64_t opened = 0;

		open_with(kinds, VXLAN_PORT, NULL, 0);
		deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_HOST);
		for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
			bool open = kinds & tunnels[i].kind;
			make(&f, &tunnels[i], true, TO_WATCHED);
			if (drops(&f) != open)
				fail_msg("%s, with %u: %s", tunnels[i].name, kinds,
					 open ? "passed" : "dropped");
			opened += open;
		}
		assert_int_equal(stat_of(PK_C_INNER), opened);
		assert_int_equal(reader_drain(reader), opened); /* and nothing is told of the others */
	}
}

static void vxlan_has_the_port_that_was_asked_for(void **state)
{
	struct frame_buf f;

	(void)state;
	open_with(ALL, 8472, NULL, 0);
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
	make(&f, &(struct tunnel){.build = vxlan_in_ipv4}, true, TO_WATCHED);
	assert_false(drops(&f));
	packet_begin(&f);
	outer4(&f, 17);
	packet_vxlan(&f, 8472, 1);
	packet_eth(&f, 0x0800);
	client(&f, true, TO_WATCHED);
	packet_end(&f);
	assert_true(drops(&f));
}

static void each_source_is_allowed_for_itself(void **state)
{
	struct frame_buf f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
		const struct tunnel *t = &tunnels[i];
		uint64_t kept = stat_of(PK_C_ALLOWED), opened;

		make(&f, t, true, TO_WATCHED);
		deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
		allow(t->peer);
		assert_true(drops(&f)); /* an allowed peer carries for who is not */
		allow("198.51.100.0/24");
		assert_false(drops(&f)); /* the allow list has the last word inside, too */
		assert_int_equal(stat_of(PK_C_ALLOWED), kept + 1);
		undeny(CLIENT4);
		disallow(t->peer);

		opened = stat_of(PK_C_INNER);
		deny(t->peer, PK_ACT_DROP, PK_SCOPE_HOST);
		assert_true(drops(&f)); /* nobody gets in by carrying an allowed address */
		assert_int_equal(stat_of(PK_C_INNER), opened);
		undeny(t->peer);
		disallow("198.51.100.0/24");
	}
}

/* What goes on inside costs the outer source nothing, and the other way round. */
static void a_block_is_about_one_of_the_two_sources(void **state)
{
	struct frame_buf f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
		const struct tunnel *t = &tunnels[i];

		deny(t->peer, PK_ACT_DROP, PK_SCOPE_PORTS);
		make(&f, t, true, TO_WATCHED);
		assert_false(drops(&f)); /* the outer packet is to no watched port */
		assert_int_equal(hits_of(t->peer).packets, 0);
		deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
		assert_true(drops(&f));
		assert_int_equal(hits_of(t->peer).packets, 0);
		assert_int_equal(hits_of(CLIENT4).packets, 1);
		make(&f, t, false, TO_WATCHED);
		assert_false(drops(&f)); /* of the same peer, of another client */
		make(&f, t, true, TO_WATCHED);
		undeny(CLIENT4);
		deny(t->peer, PK_ACT_DROP, PK_SCOPE_HOST);
		assert_true(drops(&f));
		assert_int_equal(hits_of(CLIENT4).packets, 0);
		undeny(t->peer);
	}
}

static void only_peers_are_opened_and_no_block_stops_them(void **state)
{
	struct prefix peers[] = {net("203.0.113.0/29"), net(PEER6)};
	struct frame_buf f;

	(void)state;
	open_with(ALL, VXLAN_PORT, peers, 2);
	/* A peer's address may be a client's inside: a block of the one is no block of the other. */
	deny(PEER4, PK_ACT_DROP, PK_SCOPE_HOST);
	deny(PEER6, PK_ACT_DROP, PK_SCOPE_HOST);
	each(TO_WATCHED, false);
	packet_begin(&f);
	packet_eth(&f, 0x0800);
	packet_ipv4(&f, PEER4, HERE4, 4, 0, 3); /* a later fragment of a tunnel's packet */
	packet_bytes(&f, 64);
	packet_end(&f);
	assert_false(drops(&f));
	packet_begin(&f);
	ip_in_ipv4(&f, true);
	packet_ipv4(&f, PEER4, SERVER4, 6, 0, 0);
	packet_tcp(&f, &to_watched);
	packet_end(&f);
	assert_true(drops(&f));
	assert_int_equal(hits_of(PEER4).packets, 1);

	/* Whoever is no peer speaks for nobody inside. */
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
	collect_clear(&got);
	assert_true(reader_drain(reader) > 0);
	collect_clear(&got);
	packet_begin(&f);
	packet_eth(&f, 0x0800);
	packet_ipv4(&f, "203.0.113.8", HERE4, 4, 0, 0);
	client(&f, true, TO_WATCHED);
	packet_end(&f);
	assert_false(drops(&f));
	assert_int_equal(stat_of(PK_C_INNER_PEER), 1);
	assert_int_equal(reader_drain(reader), 0);
	deny("203.0.113.8", PK_ACT_DROP, PK_SCOPE_HOST);
	assert_true(drops(&f));
}

static void the_kill_switch_and_shadows_hold_inside_as_well(void **state)
{
	struct frame_buf f;

	(void)state;
	make(&f, &tunnels[0], true, TO_WATCHED);
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
	kernel_kill_set(kernel, true);
	assert_false(drops(&f));
	assert_int_equal(stat_of(PK_C_PASS_KILLED), 1);
	kernel_kill_set(kernel, false);
	deny(CLIENT4, PK_ACT_SHADOW, PK_SCOPE_PORTS);
	assert_false(drops(&f));
	assert_int_equal(stat_of(PK_C_SHADOWED), 1);
	assert_int_equal(hits_of(CLIENT4).packets, 1);
	/* A shadow of the outer source shields nobody inside. */
	deny(PEER4, PK_ACT_SHADOW, PK_SCOPE_HOST);
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
	assert_true(drops(&f));
}

static void a_mapped_inner_source_is_its_ipv4_address(void **state)
{
	struct frame_buf f;

	(void)state;
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
	packet_begin(&f);
	ip_in_ipv4(&f, false);
	packet_ipv6(&f, "::ffff:" CLIENT4, SERVER6, 6);
	packet_tcp(&f, &to_watched);
	packet_end(&f);
	assert_true(drops(&f));
}

/* --- what cannot be read ---------------------------------------------------------------------- */

/* Where the inner IP header begins, and how long it is, by the frame's own length. */
static size_t inner_at(const struct tunnel *t, bool v4)
{
	struct frame_buf f;

	packet_begin(&f);
	t->build(&f, v4);
	return f.len;
}

static uint64_t unread(void)
{
	return stat_of(PK_C_INNER_UNREAD) + stat_of(PK_C_ODD_TRUNCATED) + stat_of(PK_C_ODD_NOT_IP);
}

/* As long as the inner source cannot be read, the packet passes and is counted; with the source read, and its
 * ports not, it is a denied source's that hides its ports. */
static void truncation_at_every_byte(void **state)
{
	struct frame_buf whole, f;

	(void)state;
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
	deny(CLIENT6, PK_ACT_DROP, PK_SCOPE_PORTS);
	for (size_t i = 0; i < ARRAY_SIZE(tunnels) * 2; i++) {
		const struct tunnel *t = &tunnels[i / 2];
		bool v4 = i % 2;
		size_t at = inner_at(t, v4), addresses = at + (v4 ? 20 : 40);

		for (int other = 0; other < 2; other++) {
			make(&whole, t, v4, other ? TO_OTHER : TO_WATCHED);
			for (size_t len = 14 + 40 + 4; len <= whole.len; len++) {
				f = whole;
				f.len = len;
				uint64_t before = unread();
				bool want = len >= addresses && (len < addresses + 4 || !other);
				bool drop = drops(&f);
				if (drop != want)
					fail_msg("%s, cut after %zu of %zu bytes: %s", t->name, len,
						 whole.len, drop ? "dropped" : "passed");
				if (len < addresses && unread() == before)
					fail_msg("%s, cut after %zu of %zu bytes: not counted", t->name, len,
						 whole.len);
			}
		}
	}
}

/* Bytes behind the outer packet's end are padding, whatever they look like. */
static void what_is_behind_the_outer_packets_end_is_not_read(void **state)
{
	struct frame_buf whole, f;

	(void)state;
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
	make(&whole, &tunnels[0], true, TO_WATCHED);
	for (unsigned inside = 0; inside <= 40; inside++) {
		f = whole;
		f.bytes[14 + 3] = (uint8_t)(20 + inside);
		bool drop = drops(&f);
		if (drop != (inside >= 20))
			fail_msg("%u bytes carried: %s", inside, drop ? "dropped" : "passed");
	}
	make(&whole, &(struct tunnel){.build = vxlan_in_ipv4}, true, TO_WATCHED);
	for (unsigned udp = 1; udp <= 8 + 8 + 14 + 40; udp++) {
		f = whole;
		f.bytes[14 + 20 + 5] = (uint8_t)udp;
		bool drop = drops(&f);
		if (drop != (udp >= 8 + 8 + 14 + 20))
			fail_msg("UDP length %u: %s", udp, drop ? "dropped" : "passed");
	}
}

static void gre_version_1(struct frame_buf *f)
{
	outer4(f, 47);
	packet_gre(f, 0x0001, 0x0800);
}

static void gre_routing(struct frame_buf *f)
{
	outer4(f, 47);
	packet_gre(f, 0x4000, 0x0800);
}

static void vxlan_without_identifier(struct frame_buf *f)
{
	vxlan_in_ipv4(f, true);
	f->bytes[14 + 20 + 8] = 0;
}

static void gre_mpls(struct frame_buf *f)
{
	outer4(f, 47);
	packet_gre(f, 0, 0x8847);
}

static void vxlan_arp(struct frame_buf *f)
{
	outer4(f, 17);
	packet_vxlan(f, VXLAN_PORT, 5);
	packet_eth(f, 0x0806);
}

static void vxlan_three_tags(struct frame_buf *f)
{
	outer4(f, 17);
	packet_vxlan(f, VXLAN_PORT, 5);
	packet_eth(f, 0x8100);
	packet_vlan(f, 0x8100);
	packet_vlan(f, 0x8100);
	packet_vlan(f, 0x0800);
}

static void wrong_version(struct frame_buf *f)
{
	outer4(f, 41);
}

static void what_cannot_be_opened_passes_and_is_counted(void **state)
{
	static const struct {
		const char *name;
		void (*build)(struct frame_buf *f);
		enum pk_counter why;
		bool frame; /* told to those who read packets on gateways */
	} cases[] = {
		{"GRE version 1", gre_version_1, PK_C_INNER_UNREAD, true},
		{"GRE with routing", gre_routing, PK_C_INNER_UNREAD, true},
		{"VXLAN without identifier", vxlan_without_identifier, PK_C_INNER_UNREAD, true},
		{"MPLS in GRE", gre_mpls, PK_C_ODD_NOT_IP, false},
		{"ARP in VXLAN", vxlan_arp, PK_C_ODD_NOT_IP, false},
		{"three tags in VXLAN", vxlan_three_tags, PK_C_ODD_VLAN, true},
		{"protocol 41, version 4", wrong_version, PK_C_ODD_TRUNCATED, true},
	};
	struct frame_buf f;

	(void)state;
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_HOST);
	packets_set(PK_PACKETS_FORWARDED);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t before = stat_of(cases[i].why);

		packet_begin(&f);
		cases[i].build(&f);
		client(&f, true, TO_WATCHED);
		packet_end(&f);
		if (drops(&f))
			fail_msg("%s: dropped", cases[i].name);
		if (stat_of(cases[i].why) != before + 1)
			fail_msg("%s: not counted as that", cases[i].name);
		collect_clear(&got);
		assert_true(reader_drain(reader) >= 0);
		if (collect_count(&got, PK_FRAME) != cases[i].frame || got.count != cases[i].frame)
			fail_msg("%s: %zu frames told", cases[i].name, collect_count(&got, PK_FRAME));
	}
}

static void only_the_first_level_is_opened(void **state)
{
	struct frame_buf f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
		const struct tunnel *outer = &tunnels[i];
		for (size_t k = 0; k < ARRAY_SIZE(tunnels); k++) {
			uint8_t inner[256];
			size_t len;
			packet_begin(&f);
			tunnels[k].build(&f, true);
			client(&f, true, TO_WATCHED);
			packet_end(&f);
			if (k == 2) /* its VLAN tag is not part of the IP packet */
				continue;
			len = f.len - 14;
			memcpy(inner, f.bytes + 14, len);
			packet_begin(&f);
			outer->build(&f, inner[0] >> 4 == 4);
			packet_bytes(&f, len);
			packet_end(&f);
			memcpy(f.bytes + f.len - len, inner, len);

			uint64_t nested = stat_of(PK_C_INNER_NESTED);
			deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_HOST);
			if (drops(&f))
				fail_msg("%s in %s: dropped by the third source", tunnels[k].name,
					 outer->name);
			assert_int_equal(stat_of(PK_C_INNER_NESTED), nested + 1);
			undeny(CLIENT4);
			deny(tunnels[k].peer, PK_ACT_DROP, PK_SCOPE_HOST);
			if (!drops(&f))
				fail_msg("%s in %s: passed, its source denied", tunnels[k].name, outer->name);
			undeny(tunnels[k].peer);
		}
	}
}

/* Of a fragmented outer packet the first fragment has the inner header, the others have none. */
static void fragments_of_the_outer_packet(void **state)
{
	struct frame_buf f;

	(void)state;
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
	packets_set(PK_PACKETS_ALL);
	for (unsigned later = 0; later < 2; later++) {
		packet_begin(&f);
		packet_eth(&f, 0x0800);
		packet_ipv4(&f, PEER4, HERE4, 4, 0, later ? 0x2003 : 0x2000);
		client(&f, true, TO_WATCHED);
		packet_bytes(&f, 40);
		packet_end(&f);
		assert_int_equal(drops(&f), !later);
	}
	assert_int_equal(stat_of(PK_C_ODD_FRAGMENT), 1);
	undeny(CLIENT4);
	f.bytes[14 + 6] = 0x20;
	f.bytes[14 + 7] = 0;
	collect_clear(&got);
	assert_true(reader_drain(reader) >= 0);
	collect_clear(&got);
	assert_false(drops(&f));
	assert_true(reader_drain(reader) >= 0);
	/* The beginning of a segment is none. */
	assert_int_equal(collect_count(&got, PK_SEGMENT), 0);
	assert_int_equal(collect_count(&got, PK_FRAME), 1);
	assert_int_equal(collect_count(&got, PK_HEADER), 1);
}

/* --- what is reported ------------------------------------------------------------------------- */

static void a_header_event_tells_the_inner_packet(void **state)
{
	struct frame_buf f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tunnels) * 2; i++) {
		bool v4 = i % 2;
		struct prefix source = net(v4 ? CLIENT4 : CLIENT6), destination = net(v4 ? SERVER4 : SERVER6);

		make(&f, &tunnels[i / 2], v4, TO_WATCHED);
		collect_clear(&got);
		assert_false(drops(&f));
		assert_int_equal(reader_drain(reader), 1);
		const struct pk_header *h = collect_get(&got, PK_HEADER, 0);
		assert_non_null(h);
		assert_int_equal(h->why, PK_WHY_SYN);
		assert_int_equal(h->family, v4 ? PK_AF_INET : PK_AF_INET6);
		assert_int_equal(h->ttl, v4 ? 64 : 63);
		assert_int_equal(h->source_port, 40000);
		assert_int_equal(h->destination_port, WATCHED);
		assert_int_equal(h->sequence, 77);
		assert_int_equal(h->payload_len, 0);
		assert_memory_equal(h->source_addr, source.addr.bytes, v4 ? 4 : 16);
		assert_memory_equal(h->destination_addr, destination.addr.bytes, v4 ? 4 : 16);
	}
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
	make(&f, &tunnels[0], true, TO_WATCHED);
	collect_clear(&got);
	assert_true(drops(&f));
	assert_int_equal(reader_drain(reader), 1);
	assert_int_equal(((const struct pk_header *)collect_get(&got, PK_HEADER, 0))->why,
			 PK_WHY_SYN | PK_WHY_DENIED);
	/* Who is stopped outside says nothing about who is inside. */
	undeny(CLIENT4);
	deny(PEER4, PK_ACT_DROP, PK_SCOPE_HOST);
	assert_true(drops(&f));
	assert_int_equal(reader_drain(reader), 0);
}

/* Segments of connections that no socket of this host ends; and no frame beside them. */
static void a_segment_tells_the_inner_packet(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\n\r\n";
	struct frame_buf f;

	(void)state;
	packets_set(PK_PACKETS_FORWARDED);
	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
		const struct tunnel *t = &tunnels[i];

		packet_begin(&f);
		t->build(&f, true);
		client(&f, true, TO_WATCHED);
		packet_bytes(&f, sizeof text);
		packet_end(&f);
		memcpy(f.bytes + f.len - sizeof text, text, sizeof text);
		packet_bytes(&f, 6); /* padding */
		collect_clear(&got);
		assert_false(drops(&f));
		assert_true(reader_drain(reader) >= 0);
		assert_int_equal(collect_count(&got, PK_SEGMENT), 1);
		const struct pk_segment *s = collect_get(&got, PK_SEGMENT, 0);
		assert_int_equal(s->header.destination_port, WATCHED);
		assert_memory_equal(s->header.source_addr, "\306\063\144\007", 4);
		assert_int_equal(s->captured, sizeof text);
		assert_int_equal(s->l4_len, 20 + sizeof text);
		assert_memory_equal(s + 1, text, sizeof text);
		/* Outer options are worth a look, as without a tunnel. */
		bool odd = t->build == ip_in_ipv4_with_options || t->build == ip_in_ipv6_with_extensions;
		assert_int_equal(collect_count(&got, PK_FRAME), odd);
		if (t->build == vxlan_in_ipv4)
			assert_true(s->vlan[0] == 0x3456 && s->vlan[1] == 0x12);
		if (t->build == gre_key || t->build == gre_all_fields)
			assert_true(s->vlan[0] == 0xcdef && s->vlan[1] == 0xab);
	}
}

static uint32_t lost_told(void)
{
	struct frame_buf f;

	packet_begin(&f);
	ip_in_ipv4(&f, true);
	client(&f, true, TO_WATCHED);
	packet_bytes(&f, 10);
	packet_end(&f);
	collect_clear(&got);
	assert_false(drops(&f));
	assert_true(reader_drain(reader) >= 0);
	assert_int_equal(collect_count(&got, PK_SEGMENT), 1);
	return ((const struct pk_segment *)collect_get(&got, PK_SEGMENT, 0))->header.lost;
}

static void a_segment_in_fragments_of_a_tunnel_is_one_that_is_missing(void **state)
{
	struct frame_buf f;

	(void)state;
	packets_set(PK_PACKETS_FORWARDED);
	uint32_t before = lost_told();
	assert_int_equal(lost_told(), before);
	packet_begin(&f);
	packet_eth(&f, 0x0800);
	packet_ipv4(&f, PEER4, HERE4, 4, 0, 0x2000);
	client(&f, true, TO_WATCHED);
	packet_bytes(&f, 40);
	packet_end(&f);
	assert_false(drops(&f));
	assert_int_equal(lost_told(), before + 1);
}

/* On interfaces without a link header all offsets count from the IP header. */
static void without_a_link_header(void **state)
{
	struct frame_buf f;

	(void)state;
	if (!use_tc)
		skip();
	opened_as_usual = false; /* of another program */
	program = kernel_program_fd(kernel, OBJECT_TC_L3, "pk_tc_l3");
	assert_true(program >= 0);
	deny(CLIENT4, PK_ACT_DROP, PK_SCOPE_PORTS);
	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
		if (i == 2) /* in a VLAN */
			continue;
		make(&f, &tunnels[i], true, TO_WATCHED);
		assert_true(drops(&f));
		make(&f, &tunnels[i], true, TO_OTHER);
		assert_false(drops(&f));
	}
}

#define CASE(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(clean_packets_pass_and_are_counted),
		CASE(a_denied_inner_source_loses_what_it_would_lose_outside),
		CASE(only_the_kinds_that_were_asked_for_are_opened),
		CASE(vxlan_has_the_port_that_was_asked_for),
		CASE(each_source_is_allowed_for_itself),
		CASE(a_block_is_about_one_of_the_two_sources),
		CASE(only_peers_are_opened_and_no_block_stops_them),
		CASE(the_kill_switch_and_shadows_hold_inside_as_well),
		CASE(a_mapped_inner_source_is_its_ipv4_address),
		CASE(truncation_at_every_byte),
		CASE(what_is_behind_the_outer_packets_end_is_not_read),
		CASE(what_cannot_be_opened_passes_and_is_counted),
		CASE(only_the_first_level_is_opened),
		CASE(fragments_of_the_outer_packet),
		CASE(a_header_event_tells_the_inner_packet),
		CASE(a_segment_tells_the_inner_packet),
		CASE(a_segment_in_fragments_of_a_tunnel_is_one_that_is_missing),
		CASE(without_a_link_header),
	};
	cpu_set_t one;

	if (argc < 2 || (strcmp(argv[1], "xdp") && strcmp(argv[1], "tc"))) {
		fprintf(stderr, "usage: %s xdp|tc [TESTS]\n", argv[0]);
		return 2;
	}
	use_tc = !strcmp(argv[1], "tc");
	if (geteuid()) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	return cmocka_run_group_tests(tests, NULL, group_teardown);
}
