// SPDX-License-Identifier: Apache-2.0
/*
 * ingress_test.c: the packet program, run in the kernel on frames built here (BPF_PROG_TEST_RUN), as XDP and
 * as tc, with maps of its own. What is dropped, what passes and why, and the header events.
 *
 *     ingress_test xdp|tc
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

#define WATCHED 8080
#define OTHER   9090

#define V4      "198.51.100.7"
#define V6      "2001:db8::7"
#define SERVER4 "192.0.2.1"
#define SERVER6 "2001:db8:1::1"

static bool use_tc;

/* --- the program under test ------------------------------------------------------------------- */

static struct kernel *kernel;
static struct reader *reader;
static struct collect got;
static struct config config;
static int program;
static struct pk_config calm = {
	.header_rate = 1000000, .header_burst = 1000000, .read_max = 65536, .share_divisor = 8};

/* Loading takes longer than nearly every test: most share what is loaded. */
static uint64_t base[PK_C_MAX];  /* what was counted before a test began */
static struct prefix allowed[8]; /* by it */
static unsigned allowed_count;

static int open_all(void **state)
{
	struct kernel_options options = {.verbose = getenv("V") != NULL};
	struct pk_ports ports = {.watched[WATCHED / 64] = 1ull << (WATCHED % 64)};
	struct buffer errors = BUFFER_INIT(4096);

	(void)state;
	config.capture.ring_bytes = 1 << 16;
	config.capture.header_ring_bytes = 1 << 16;
	config.limits.blocks_max = 256;
	int r = kernel_load(&config, &options, &kernel, &errors);
	if (r) {
		fprintf(stderr, "kernel_load: %d\n%.*s", r, (int)errors.len, errors.data);
		return -1;
	}
	program = use_tc ? kernel_program_fd(kernel, OBJECT_TC, "pk_tc")
			 : kernel_program_fd(kernel, OBJECT_XDP, "pk_xdp");
	kernel_config_set(kernel, &calm);
	ports_write(kernel_ports_fd(kernel), &ports);
	buffer_free(&errors);
	memset(base, 0, sizeof(base));
	return program < 0 ? -1 : reader_new(kernel, collect_record, &got, &reader);
}

static int close_all(void **state)
{
	(void)state;
	reader_free(reader);
	kernel_free(kernel);
	collect_clear(&got);
	kernel = NULL;
	reader = NULL;
	return 0;
}

static uint64_t boot_in(int seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)(t.tv_sec + seconds) * NS_PER_S;
}

static int begin(void **state)
{
	(void)state;
	return kernel_config_set(kernel, &calm) || kernel_stats(kernel, base);
}

static int end(void **state)
{
	int r = kernel_kill_set(kernel, false);

	(void)state;
	deny_sweep(kernel_deny(kernel), boot_in(3600));
	while (allowed_count)
		r = allow_remove(kernel_deny(kernel), &allowed[--allowed_count]) || r;
	r = reader_drain(reader) < 0 || r;
	collect_clear(&got);
	return r;
}

/* True: the frame was dropped. It comes count times. */
static bool runs_drop(const struct frame_buf *f, int count)
{
	uint8_t copy[sizeof(f->bytes)], out[sizeof(f->bytes) + 64];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = copy, .data_size_in = (__u32)f->len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = count);

	memcpy(copy, f->bytes, f->len);
	int r = bpf_prog_test_run_opts(program, &run);
	if (r)
		fail_msg("test run of %zu bytes: %s", f->len, strerror(-r));
	if (use_tc) {
		assert_true(run.retval == 2 || run.retval == (__u32)-1);
		return run.retval == 2;
	}
	assert_true(run.retval == XDP_DROP || run.retval == XDP_PASS);
	return run.retval == XDP_DROP;
}

static bool drops(const struct frame_buf *f)
{
	return runs_drop(f, 1);
}

static uint64_t stat_of(enum pk_counter which)
{
	uint64_t all[PK_C_MAX];

	assert_int_equal(kernel_stats(kernel, all), 0);
	return all[which] - base[which];
}

static struct prefix net(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(text), &p), 0);
	return p;
}

static void deny_for(const char *who, int seconds, enum pk_action action, enum pk_scope scope)
{
	struct prefix p = net(who);

	assert_int_equal(deny_put(kernel_deny(kernel), &p, boot_in(seconds), action, scope, 1), 0);
}

static void undeny(const char *who)
{
	struct prefix p = net(who);

	assert_int_equal(deny_remove(kernel_deny(kernel), &p), 0);
}

static void allow(const char *who)
{
	struct prefix p = net(who);

	assert_true(allowed_count < ARRAY_SIZE(allowed));
	assert_int_equal(allow_put(kernel_deny(kernel), &p), 0);
	allowed[allowed_count++] = p;
}

static struct pk_hit hits_of(const char *who)
{
	struct prefix p = net(who);
	struct pk_hit h = {0};

	deny_hits(kernel_deny(kernel), &p, &h);
	return h;
}

/* --- frames ----------------------------------------------------------------------------------- */

static const struct tcp_fields to_watched = {.source = 40000, .destination = WATCHED, .flags = PK_TCP_ACK};
static const struct tcp_fields to_other = {.source = 40000, .destination = OTHER, .flags = PK_TCP_ACK};

static void start4(struct frame_buf *f, uint8_t protocol, size_t options, uint16_t fragment)
{
	packet_eth(f, 0x0800);
	packet_ipv4(f, V4, SERVER4, protocol, options, fragment);
}

static void start6(struct frame_buf *f, uint8_t next)
{
	packet_eth(f, 0x86dd);
	packet_ipv6(f, V6, SERVER6, next);
}

static void v4_tcp(struct frame_buf *f)
{
	start4(f, 6, 0, 0);
	packet_tcp(f, &to_watched);
}

static void v4_tcp_other_port(struct frame_buf *f)
{
	start4(f, 6, 0, 0);
	packet_tcp(f, &to_other);
}

static void v4_udp(struct frame_buf *f)
{
	start4(f, 17, 0, 0);
	packet_udp(f, 40000, WATCHED);
}

static void v4_udp_other_port(struct frame_buf *f)
{
	start4(f, 17, 0, 0);
	packet_udp(f, 40000, OTHER);
}

static void v4_icmp(struct frame_buf *f)
{
	start4(f, 1, 0, 0);
	packet_bytes(f, 16);
}

static void v4_gre(struct frame_buf *f)
{
	start4(f, 47, 0, 0);
	packet_bytes(f, 16);
}

static void v4_one_option(struct frame_buf *f)
{
	start4(f, 6, 4, 0);
	packet_tcp(f, &to_watched);
}

static void v4_all_options(struct frame_buf *f)
{
	start4(f, 6, 40, 0);
	packet_tcp(f, &to_watched);
}

static void v4_all_options_other_port(struct frame_buf *f)
{
	start4(f, 6, 40, 0);
	packet_tcp(f, &to_other);
}

static void v4_short_ihl(struct frame_buf *f)
{
	v4_tcp(f);
	f->bytes[14] = 0x44;
}

static void v4_first_fragment(struct frame_buf *f)
{
	start4(f, 6, 0, 0x2000);
	packet_tcp(f, &to_watched);
	packet_bytes(f, 32);
}

static void v4_first_fragment_other_port(struct frame_buf *f)
{
	start4(f, 6, 0, 0x2000);
	packet_tcp(f, &to_other);
	packet_bytes(f, 32);
}

/* 8 bytes of TCP: enough for the ports. */
static void v4_tiny_first_fragment(struct frame_buf *f)
{
	start4(f, 6, 0, 0x2000);
	packet_tcp(f, &to_watched);
	f->len -= 12;
}

static void v4_later_fragment(struct frame_buf *f)
{
	start4(f, 6, 0, 0x2000 | 3);
	packet_bytes(f, 32);
}

static void v4_last_fragment_of_icmp(struct frame_buf *f)
{
	start4(f, 1, 0, 3);
	packet_bytes(f, 32);
}

static void vlan_tcp(struct frame_buf *f)
{
	packet_eth(f, 0x8100);
	packet_vlan(f, 0x0800);
	packet_ipv4(f, V4, SERVER4, 6, 0, 0);
	packet_tcp(f, &to_watched);
}

static void vlan_tcp_other_port(struct frame_buf *f)
{
	packet_eth(f, 0x8100);
	packet_vlan(f, 0x0800);
	packet_ipv4(f, V4, SERVER4, 6, 0, 0);
	packet_tcp(f, &to_other);
}

static void qinq_tcp6(struct frame_buf *f)
{
	packet_eth(f, 0x88a8);
	packet_vlan(f, 0x8100);
	packet_vlan(f, 0x86dd);
	packet_ipv6(f, V6, SERVER6, 6);
	packet_tcp(f, &to_watched);
}

static void three_tags(struct frame_buf *f)
{
	packet_eth(f, 0x88a8);
	packet_vlan(f, 0x8100);
	packet_vlan(f, 0x8100);
	packet_vlan(f, 0x0800);
	packet_ipv4(f, V4, SERVER4, 6, 0, 0);
	packet_tcp(f, &to_watched);
}

static void arp(struct frame_buf *f)
{
	packet_eth(f, 0x0806);
	packet_bytes(f, 28);
}

static void no_ip_version(struct frame_buf *f)
{
	v4_tcp(f);
	f->bytes[14] = 0x75;
}

static void v6_tcp(struct frame_buf *f)
{
	start6(f, 6);
	packet_tcp(f, &to_watched);
}

static void v6_tcp_other_port(struct frame_buf *f)
{
	start6(f, 6);
	packet_tcp(f, &to_other);
}

static void v6_udp(struct frame_buf *f)
{
	start6(f, 17);
	packet_udp(f, 40000, WATCHED);
}

static void v6_icmp(struct frame_buf *f)
{
	start6(f, 58);
	packet_bytes(f, 16);
}

static void v6_esp(struct frame_buf *f)
{
	start6(f, 50);
	packet_bytes(f, 32);
}

static void v6_ext(struct frame_buf *f, uint8_t kind, uint8_t units, const struct tcp_fields *t)
{
	start6(f, kind);
	packet_ext(f, kind, 6, units);
	packet_tcp(f, t);
}

#define EXT_CASES(NAME, KIND, UNITS)                       \
	static void NAME(struct frame_buf *f)              \
	{                                                  \
		v6_ext(f, KIND, UNITS, &to_watched);       \
	}                                                  \
	static void NAME##_other_port(struct frame_buf *f) \
	{                                                  \
		v6_ext(f, KIND, UNITS, &to_other);         \
	}
EXT_CASES(v6_hop_by_hop, 0, 0)
EXT_CASES(v6_long_hop_by_hop, 0, 100)
EXT_CASES(v6_routing, 43, 2)
EXT_CASES(v6_destination, 60, 0)
EXT_CASES(v6_authentication, 51, 4)
EXT_CASES(v6_mobility, 135, 1)
EXT_CASES(v6_hip, 139, 4)
EXT_CASES(v6_shim6, 140, 0)

static void v6_fragments(struct frame_buf *f, uint16_t offset, int more, const struct tcp_fields *t)
{
	start6(f, 44);
	packet_fragment(f, 6, offset, more);
	packet_tcp(f, t);
}

static void v6_atomic_fragment(struct frame_buf *f)
{
	v6_fragments(f, 0, 0, &to_watched);
}

static void v6_first_fragment(struct frame_buf *f)
{
	v6_fragments(f, 0, 1, &to_watched);
}

static void v6_first_fragment_other_port(struct frame_buf *f)
{
	v6_fragments(f, 0, 1, &to_other);
}

static void v6_later_fragment(struct frame_buf *f)
{
	v6_fragments(f, 5, 1, &to_other);
}

static void v6_chain(struct frame_buf *f, int count, const struct tcp_fields *t)
{
	start6(f, 60);
	for (int i = 0; i < count; i++)
		packet_ext(f, 60, i + 1 < count ? 60 : 6, 0);
	packet_tcp(f, t);
}

static void v6_eight_extensions(struct frame_buf *f)
{
	v6_chain(f, 8, &to_watched);
}

static void v6_eight_extensions_other_port(struct frame_buf *f)
{
	v6_chain(f, 8, &to_other);
}

static void v6_nine_extensions(struct frame_buf *f)
{
	v6_chain(f, 9, &to_other);
}

static void v6_no_next_header(struct frame_buf *f)
{
	start6(f, 59);
	packet_bytes(f, 8);
}

static void v6_experimental(struct frame_buf *f)
{
	start6(f, 253);
	packet_bytes(f, 8);
}

static void v6_extension_beyond_the_end(struct frame_buf *f)
{
	start6(f, 60);
	packet_ext(f, 60, 6, 0);
	f->bytes[f->len - 7] = 200;
}

/* --- what is dropped -------------------------------------------------------------------------- */

#define CLEAN (-1) /* nothing odd about it */

static const struct frame_case {
	const char *name;
	void (*build)(struct frame_buf *f);
	bool ports, host; /* is a denied source's dropped, by scope of the entry */
	int odd;          /* the counter that tells why an odd one passed */
} cases[] = {
	{"IPv4 TCP to a watched port", v4_tcp, true, true, CLEAN},
	{"IPv4 TCP to another port", v4_tcp_other_port, false, true, CLEAN},
	{"IPv4 UDP to a watched port", v4_udp, true, true, CLEAN},
	{"IPv4 UDP to another port", v4_udp_other_port, false, true, CLEAN},
	{"IPv4 ICMP", v4_icmp, false, true, CLEAN},
	{"IPv4 GRE", v4_gre, false, true, CLEAN},
	{"IPv4 with 4 bytes of options", v4_one_option, true, true, CLEAN},
	{"IPv4 with 40 bytes of options", v4_all_options, true, true, CLEAN},
	{"IPv4 with options, another port", v4_all_options_other_port, false, true, CLEAN},
	{"IPv4 header length below 20", v4_short_ihl, true, true, PK_C_ODD_TRUNCATED},
	{"IPv4 first fragment", v4_first_fragment, true, true, CLEAN},
	{"IPv4 first fragment, another port", v4_first_fragment_other_port, false, true, CLEAN},
	{"IPv4 first fragment of 8 bytes", v4_tiny_first_fragment, true, true, CLEAN},
	{"IPv4 later fragment", v4_later_fragment, true, true, PK_C_ODD_FRAGMENT},
	{"IPv4 last fragment of an ICMP packet", v4_last_fragment_of_icmp, true, true, PK_C_ODD_FRAGMENT},
	{"VLAN", vlan_tcp, true, true, CLEAN},
	{"VLAN, another port", vlan_tcp_other_port, false, true, CLEAN},
	{"QinQ, IPv6", qinq_tcp6, true, true, CLEAN},
	{"three VLAN tags", three_tags, false, false, PK_C_ODD_VLAN},
	{"ARP", arp, false, false, PK_C_ODD_NOT_IP},
	{"EtherType IPv4, version 7", no_ip_version, false, false, PK_C_ODD_TRUNCATED},
	{"IPv6 TCP to a watched port", v6_tcp, true, true, CLEAN},
	{"IPv6 TCP to another port", v6_tcp_other_port, false, true, CLEAN},
	{"IPv6 UDP to a watched port", v6_udp, true, true, CLEAN},
	{"IPv6 ICMP", v6_icmp, false, true, CLEAN},
	{"IPv6 ESP", v6_esp, false, true, CLEAN},
	{"IPv6 hop-by-hop options", v6_hop_by_hop, true, true, CLEAN},
	{"IPv6 hop-by-hop options, another port", v6_hop_by_hop_other_port, false, true, CLEAN},
	{"IPv6 808 bytes of hop-by-hop options", v6_long_hop_by_hop, true, true, CLEAN},
	{"IPv6 808 bytes of hop-by-hop options, another port", v6_long_hop_by_hop_other_port, false, true,
	 CLEAN},
	{"IPv6 routing header", v6_routing, true, true, CLEAN},
	{"IPv6 routing header, another port", v6_routing_other_port, false, true, CLEAN},
	{"IPv6 destination options", v6_destination, true, true, CLEAN},
	{"IPv6 destination options, another port", v6_destination_other_port, false, true, CLEAN},
	{"IPv6 authentication header", v6_authentication, true, true, CLEAN},
	{"IPv6 authentication header, another port", v6_authentication_other_port, false, true, CLEAN},
	{"IPv6 mobility header", v6_mobility, true, true, CLEAN},
	{"IPv6 mobility header, another port", v6_mobility_other_port, false, true, CLEAN},
	{"IPv6 host identity header", v6_hip, true, true, CLEAN},
	{"IPv6 host identity header, another port", v6_hip_other_port, false, true, CLEAN},
	{"IPv6 shim6 header", v6_shim6, true, true, CLEAN},
	{"IPv6 shim6 header, another port", v6_shim6_other_port, false, true, CLEAN},
	{"IPv6 atomic fragment", v6_atomic_fragment, true, true, CLEAN},
	{"IPv6 first fragment", v6_first_fragment, true, true, CLEAN},
	{"IPv6 first fragment, another port", v6_first_fragment_other_port, false, true, CLEAN},
	{"IPv6 later fragment", v6_later_fragment, true, true, PK_C_ODD_FRAGMENT},
	{"IPv6 eight extension headers", v6_eight_extensions, true, true, CLEAN},
	{"IPv6 eight extension headers, another port", v6_eight_extensions_other_port, false, true, CLEAN},
	{"IPv6 nine extension headers", v6_nine_extensions, true, true, PK_C_ODD_EXTENSION},
	{"IPv6 no next header", v6_no_next_header, true, true, PK_C_ODD_EXTENSION},
	{"IPv6 experimental extension header", v6_experimental, true, true, PK_C_ODD_EXTENSION},
	{"IPv6 extension header beyond the end", v6_extension_beyond_the_end, true, true, PK_C_ODD_TRUNCATED},
};

static uint64_t odd_sum(void)
{
	uint64_t sum = 0;

	for (int c = PK_C_ODD_TRUNCATED; c <= PK_C_ODD_NOT_IP; c++)
		sum += stat_of(c);
	return sum;
}

static void frame_make(struct frame_buf *f, void (*build)(struct frame_buf *))
{
	packet_begin(f);
	build(f);
	packet_end(f);
}

static void a_clean_source_always_passes_and_odd_frames_are_counted(void **state)
{
	struct frame_buf f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct frame_case *c = &cases[i];
		uint64_t sum = odd_sum(), own = c->odd == CLEAN ? 0 : stat_of(c->odd);

		frame_make(&f, c->build);
		if (drops(&f))
			fail_msg("%s: dropped", c->name);
		if (odd_sum() - sum != (c->odd != CLEAN) || (c->odd != CLEAN && stat_of(c->odd) != own + 1))
			fail_msg("%s: counted as odd in another way", c->name);
	}
	assert_int_equal(stat_of(PK_C_PACKETS), ARRAY_SIZE(cases));
	assert_int_equal(stat_of(PK_C_DROPPED), 0);
	assert_int_equal(stat_of(PK_C_UDP), 2); /* IPv4 and IPv6, to a watched port */
}

static void all_cases_when_denied(enum pk_scope scope)
{
	struct frame_buf f;
	uint64_t dropped = 0, bytes = 0;

	deny_for(V4, 60, PK_ACT_DROP, scope);
	deny_for(V6, 60, PK_ACT_DROP, scope);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct frame_case *c = &cases[i];
		bool want = scope == PK_SCOPE_HOST ? c->host : c->ports;
		uint64_t odd = odd_sum();

		frame_make(&f, c->build);
		bool drop = drops(&f);
		if (drop != want)
			fail_msg("%s: %s", c->name, drop ? "dropped" : "passed");
		if (drop && odd_sum() != odd)
			fail_msg("%s: dropped, and counted as passed", c->name);
		dropped += drop;
		bytes += drop ? f.len : 0;
	}
	assert_int_equal(stat_of(PK_C_DROPPED), dropped);
	assert_int_equal(stat_of(PK_C_DROPPED_BYTES), bytes);
	assert_int_equal(hits_of(V4).packets + hits_of(V6).packets, dropped);
	assert_int_equal(hits_of(V4).bytes + hits_of(V6).bytes, bytes);
}

static void scope_ports_takes_watched_ports_fragments_and_hidden_headers(void **state)
{
	(void)state;
	all_cases_when_denied(PK_SCOPE_PORTS);
}

static void scope_host_takes_everything(void **state)
{
	(void)state;
	all_cases_when_denied(PK_SCOPE_HOST);
}

/* BPF_PROG_TEST_RUN of a tc program refuses frames that end in their IP header. */
static size_t shortest(size_t ip_end)
{
	return use_tc ? ip_end : 15;
}

static void truncated(void (*build)(struct frame_buf *), size_t addresses_at, size_t ports_at, bool watched)
{
	struct frame_buf whole, f;

	frame_make(&whole, build);
	for (size_t len = shortest(addresses_at); len <= whole.len; len++) {
		f = whole;
		f.len = len;
		bool want = len >= addresses_at && (len < ports_at || watched);
		bool drop = drops(&f);

		if (drop != want)
			fail_msg("cut after %zu of %zu bytes: %s", len, whole.len,
				 drop ? "dropped" : "passed");
	}
}

/* A denied source passes as long as its address cannot be read, and loses what hides its ports. */
static void truncation_at_every_byte_under_scope_ports(void **state)
{
	(void)state;
	deny_for(V4, 60, PK_ACT_DROP, PK_SCOPE_PORTS);
	deny_for(V6, 60, PK_ACT_DROP, PK_SCOPE_PORTS);
	truncated(v4_all_options, 34, 74 + 4, true);
	truncated(v4_all_options_other_port, 34, 74 + 4, false);
	truncated(v6_routing, 54, 78 + 4, true);
	truncated(v6_routing_other_port, 54, 78 + 4, false);
	truncated(vlan_tcp_other_port, 38, 38 + 4, false);
}

static void truncation_at_every_byte_of_a_clean_source_passes(void **state)
{
	struct frame_buf f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		frame_make(&f, cases[i].build);
		for (size_t len = f.len; len >= shortest(54); len--) {
			f.len = len;
			assert_false(drops(&f));
		}
	}
}

/* --- allow, deadline, shadow, kill, prefixes -------------------------------------------------- */

static void frame_drops(const char *from, bool want)
{
	struct frame_buf f;
	bool v4 = !strchr(from, ':');

	packet_begin(&f);
	packet_eth(&f, v4 ? 0x0800 : 0x86dd);
	if (v4)
		packet_ipv4(&f, from, SERVER4, 6, 0, 0);
	else
		packet_ipv6(&f, from, SERVER6, 6);
	packet_tcp(&f, &to_watched);
	packet_end(&f);
	bool drop = drops(&f);
	if (drop != want)
		fail_msg("%s: %s", from, drop ? "dropped" : "passed");
}

static void allow_beats_deny(void **state)
{
	(void)state;
	deny_for(V4, 60, PK_ACT_DROP, PK_SCOPE_HOST);
	deny_for("2001:db8::/32", 60, PK_ACT_DROP, PK_SCOPE_HOST);
	frame_drops(V4, true);
	frame_drops(V6, true);
	allow("198.51.100.0/24");
	allow(V6);
	frame_drops(V4, false);
	frame_drops(V6, false);
	frame_drops("2001:db8::8", true);
	assert_int_equal(stat_of(PK_C_ALLOWED), 2);
}

static void a_passed_deadline_is_no_deny(void **state)
{
	(void)state;
	deny_for(V4, 0, PK_ACT_DROP, PK_SCOPE_HOST);
	deny_for("2001:db8::/32", 0, PK_ACT_DROP, PK_SCOPE_HOST);
	frame_drops(V4, false);
	frame_drops(V6, false);
}

static void a_deny_ends_at_its_deadline(void **state)
{
	(void)state;
	deny_for(V4, 2, PK_ACT_DROP, PK_SCOPE_HOST);
	frame_drops(V4, true);
	for (;;) {
		struct pk_deny d;
		struct prefix p = net(V4);

		assert_int_equal(deny_get(kernel_deny(kernel), &p, &d), 0);
		if (boot_in(0) / NS_PER_S >= d.deadline_s)
			break;
		usleep(20000);
	}
	frame_drops(V4, false);
}

static void shadow_counts_and_passes(void **state)
{
	(void)state;
	deny_for(V4, 60, PK_ACT_SHADOW, PK_SCOPE_PORTS);
	frame_drops(V4, false);
	frame_drops(V4, false);
	assert_int_equal(stat_of(PK_C_SHADOWED), 2);
	assert_int_equal(stat_of(PK_C_DROPPED), 0);
	assert_int_equal(hits_of(V4).packets, 2);
}

static void a_shadow_does_not_shield_from_a_wider_drop(void **state)
{
	(void)state;
	deny_for(V4, 60, PK_ACT_SHADOW, PK_SCOPE_PORTS);
	deny_for("198.51.100.0/24", 60, PK_ACT_DROP, PK_SCOPE_PORTS);
	frame_drops(V4, true);
	assert_int_equal(hits_of("198.51.100.0/24").packets, 1);
	assert_int_equal(hits_of(V4).packets, 0);
}

static void the_kill_switch_passes_everything_and_counts(void **state)
{
	(void)state;
	deny_for(V4, 60, PK_ACT_DROP, PK_SCOPE_HOST);
	deny_for(V6, 60, PK_ACT_DROP, PK_SCOPE_PORTS);
	assert_int_equal(kernel_kill_set(kernel, true), 0);
	frame_drops(V4, false);
	frame_drops(V6, false);
	assert_int_equal(stat_of(PK_C_PASS_KILLED), 2);
	assert_int_equal(stat_of(PK_C_DROPPED), 0);
	assert_int_equal(kernel_kill_set(kernel, false), 0);
	frame_drops(V4, true);
	frame_drops(V6, true);
}

static void prefixes_inside_each_other_count_apart(void **state)
{
	(void)state;
	deny_for("198.51.100.0/24", 60, PK_ACT_DROP, PK_SCOPE_HOST);
	deny_for("198.51.100.0/28", 60, PK_ACT_DROP, PK_SCOPE_HOST);
	deny_for(V4, 60, PK_ACT_DROP, PK_SCOPE_HOST);
	frame_drops(V4, true);
	frame_drops("198.51.100.8", true);
	frame_drops("198.51.100.99", true);
	frame_drops("198.51.101.7", false);
	assert_int_equal(hits_of(V4).packets, 1);
	assert_int_equal(hits_of("198.51.100.0/28").packets, 1);
	assert_int_equal(hits_of("198.51.100.0/24").packets, 1);
	undeny("198.51.100.0/28");
	undeny(V4);
	frame_drops(V4, true);
	assert_int_equal(hits_of("198.51.100.0/24").packets, 2);
}

static void an_expired_prefix_does_not_hide_a_wider_one(void **state)
{
	(void)state;
	deny_for("2001:db8::/32", 60, PK_ACT_DROP, PK_SCOPE_HOST);
	deny_for("2001:db8::/48", 0, PK_ACT_DROP, PK_SCOPE_HOST);
	deny_for("2001:db8::/64", 60, PK_ACT_SHADOW, PK_SCOPE_HOST);
	frame_drops(V6, true);
	assert_int_equal(hits_of("2001:db8::/32").packets, 1);
	assert_int_equal(hits_of("2001:db8::/64").packets, 0);
}

static void every_prefix_length_matches_its_network_only(void **state)
{
	struct prefix all;

	(void)state;
	for (int bits = 1; bits <= 128; bits++) {
		struct prefix p = net("2001:db8:aaaa:5555:aaaa:5555:aaaa:5555");
		char text[PREFIX_TEXT_MAX];

		all = prefix_of(&p.addr, (uint8_t)bits);
		prefix_format(&all, text);
		deny_for(text, 60, PK_ACT_DROP, PK_SCOPE_HOST);
		frame_drops("2001:db8:aaaa:5555:aaaa:5555:aaaa:5555", true);
		assert_int_equal(hits_of(text).packets, 1);
		p.addr.bytes[(bits - 1) / 8] ^= (uint8_t)(0x80 >> ((bits - 1) % 8));
		char outside[ADDR_TEXT_MAX];
		frame_drops(addr_format(&p.addr, outside), false);
		undeny(text);
	}
	for (int bits = 1; bits <= 32; bits++) {
		struct prefix p = net("170.85.170.85");
		char text[PREFIX_TEXT_MAX], outside[ADDR_TEXT_MAX];

		all = prefix_of(&p.addr, (uint8_t)bits);
		prefix_format(&all, text);
		deny_for(text, 60, PK_ACT_DROP, PK_SCOPE_HOST);
		frame_drops("170.85.170.85", true);
		assert_int_equal(hits_of(text).packets, 1);
		p.addr.bytes[(bits - 1) / 8] ^= (uint8_t)(0x80 >> ((bits - 1) % 8));
		frame_drops(addr_format(&p.addr, outside), false);
		undeny(text);
	}
}

static void a_mapped_address_is_its_ipv4_address(void **state)
{
	(void)state;
	deny_for(V4, 60, PK_ACT_DROP, PK_SCOPE_HOST);
	frame_drops("::ffff:198.51.100.7", true);
	frame_drops("::ffff:198.51.100.8", false);
	allow(V4);
	frame_drops("::ffff:198.51.100.7", false);
}

static void a_full_hit_table_still_drops(void **state)
{
	char who[64];
	uint64_t made = 0;

	(void)state;
	/* A shadow keeps its own hits, so a table for 4 * 256 entries fills by entries put and taken without
	 * removing hits. */
	deny_for("10.0.0.0/8", 60, PK_ACT_DROP, PK_SCOPE_HOST);
	for (int i = 0; i < 4 * 256 + 10; i++) {
		struct pk_hit_key key = {
			.family = 4, .bits = 32, .addr = {11, 0, (uint8_t)(i >> 8), (uint8_t)i}};
		struct pk_hit hit = {.packets = 1};

		made += bpf_map_update_elem(kernel_map_fd(kernel, "pk_hits"), &key, &hit, BPF_ANY) == 0;
	}
	assert_int_equal(made, 4 * 256);
	snprintf(who, sizeof(who), "10.1.2.3");
	frame_drops(who, true);
	assert_int_equal(stat_of(PK_C_HITS_FULL), 1);
	assert_int_equal(stat_of(PK_C_DROPPED), 1);
}

static void a_hit_table_that_has_room_again_is_tried_again(void **state)
{
	struct pk_hit_key gone = {.family = 4, .bits = 32, .addr = {11}};
	uint64_t dropped = 1;
	struct pk_hit hit;

	a_full_hit_table_still_drops(state);
	assert_int_equal(bpf_map_delete_elem(kernel_map_fd(kernel, "pk_hits"), &gone), 0);
	/* Once a tick of the kernel's: until then each is counted as one without room. */
	do {
		frame_drops("10.1.2.3", true);
		dropped++;
		hit = hits_of("10.0.0.0/8");
	} while (!hit.packets && dropped < 1000000);
	assert_int_equal(hit.packets, 1);
	assert_int_equal(stat_of(PK_C_DROPPED), dropped);
	assert_int_equal(stat_of(PK_C_HITS_FULL), dropped - 1);
}

/* --- header events ---------------------------------------------------------------------------- */

static void segment_run(const struct tcp_fields *t, size_t payload)
{
	struct frame_buf f;

	packet_begin(&f);
	packet_eth(&f, 0x0800);
	packet_ipv4(&f, V4, SERVER4, 6, 0, 0);
	packet_tcp(&f, t);
	packet_bytes(&f, payload);
	packet_end(&f);
	assert_false(drops(&f));
}

static const struct pk_header *only_header(void)
{
	collect_clear(&got);
	assert_int_equal(reader_drain(reader), 1);
	return collect_get(&got, PK_HEADER, 0);
}

static void the_seven_fields_of_the_tcp_header_are_exact(void **state)
{
	struct tcp_fields t = {.source = 54321,
			       .destination = WATCHED,
			       .sequence = 0x89abcdef,
			       .acknowledgment = 0x01234567,
			       .flags = PK_TCP_SYN | PK_TCP_ECE | PK_TCP_CWR | PK_TCP_NS | PK_TCP_ACK,
			       .window = 64240,
			       .options = 20};

	(void)state;
	segment_run(&t, 33);
	const struct pk_header *h = only_header();
	assert_int_equal(h->source_port, 54321);
	assert_int_equal(h->destination_port, WATCHED);
	assert_int_equal(h->sequence, 0x89abcdef);
	assert_int_equal(h->acknowledgment, 0x01234567);
	assert_int_equal(h->header_length, 40);
	assert_int_equal(h->flags, t.flags);
	assert_int_equal(h->window, 64240);
	assert_int_equal(h->why, PK_WHY_SYN);
	assert_int_equal(h->payload_len, 33);
	assert_int_equal(h->family, PK_AF_INET);
	assert_int_equal(h->ttl, 64);
	assert_int_equal(h->hook, use_tc ? PK_HOOK_TC : PK_HOOK_XDP);
	assert_memory_equal(h->source_addr, "\306\063\144\007\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(h->destination_addr, "\300\000\002\001\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_true(h->rec.time_ns > boot_in(-5));
}

static void an_ipv6_header_event_has_its_addresses_and_hop_limit(void **state)
{
	struct frame_buf f;
	struct tcp_fields t = {.source = 1, .destination = WATCHED, .flags = PK_TCP_SYN};

	(void)state;
	packet_begin(&f);
	start6(&f, 0);
	packet_ext(&f, 0, 6, 1);
	packet_tcp(&f, &t);
	packet_bytes(&f, 7);
	packet_end(&f);
	assert_false(drops(&f));
	const struct pk_header *h = only_header();
	assert_int_equal(h->family, PK_AF_INET6);
	assert_int_equal(h->ttl, 63);
	assert_int_equal(h->payload_len, 7);
	assert_memory_equal(h->source_addr, f.bytes + 14 + 8, 16);
	assert_memory_equal(h->destination_addr, f.bytes + 14 + 24, 16);
}

static const struct reason {
	const char *name;
	struct tcp_fields t;
	uint8_t why; /* 0: no event */
} reasons[] = {
	{"SYN", {.flags = PK_TCP_SYN}, PK_WHY_SYN},
	{"SYN+ACK", {.flags = PK_TCP_SYN | PK_TCP_ACK}, PK_WHY_SYN},
	{"FIN+ACK", {.flags = PK_TCP_FIN | PK_TCP_ACK}, PK_WHY_FIN},
	{"RST", {.flags = PK_TCP_RST}, PK_WHY_RST},
	{"RST+ACK", {.flags = PK_TCP_RST | PK_TCP_ACK}, PK_WHY_RST},
	{"ACK", {.flags = PK_TCP_ACK}, 0},
	{"PSH+ACK", {.flags = PK_TCP_PSH | PK_TCP_ACK}, 0},
	{"ACK with ECN echo", {.flags = PK_TCP_ACK | PK_TCP_ECE}, 0},
	{"null", {.flags = 0}, PK_WHY_ODD},
	{"xmas", {.flags = PK_TCP_FIN | PK_TCP_PSH | PK_TCP_URG}, PK_WHY_FIN | PK_WHY_ODD},
	{"SYN+FIN", {.flags = PK_TCP_SYN | PK_TCP_FIN}, PK_WHY_SYN | PK_WHY_FIN | PK_WHY_ODD},
	{"SYN+RST", {.flags = PK_TCP_SYN | PK_TCP_RST}, PK_WHY_SYN | PK_WHY_RST | PK_WHY_ODD},
	{"URG", {.flags = PK_TCP_URG | PK_TCP_ACK}, PK_WHY_ODD},
	{"reserved bit 1", {.flags = PK_TCP_ACK, .reserved = 1}, PK_WHY_ODD},
	{"reserved bit 3", {.flags = PK_TCP_ACK, .reserved = 4}, PK_WHY_ODD},
	{"data offset 4", {.flags = PK_TCP_ACK, .header_words = 4}, PK_WHY_MALFORMED},
	{"data offset 0", {.flags = PK_TCP_ACK, .header_words = 0xf0}, 0},
	{"data offset beyond the packet", {.flags = PK_TCP_ACK, .header_words = 15}, PK_WHY_MALFORMED},
};

static void every_reason_for_a_header_event_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		struct tcp_fields t = reasons[i].t;
		uint8_t why = reasons[i].why;

		t.destination = WATCHED;
		if (t.header_words ==
		    0xf0) { /* the builder takes 0 for "as long as needed": let 16 wrap to it */
			t.header_words = 16;
			why = PK_WHY_MALFORMED;
		}
		collect_clear(&got);
		segment_run(&t, 0);
		assert_true(reader_drain(reader) >= 0);
		if (collect_count(&got, PK_HEADER) != (why != 0))
			fail_msg("%s: %zu events", reasons[i].name, collect_count(&got, PK_HEADER));
		const struct pk_header *h = collect_get(&got, PK_HEADER, 0);
		if (h && h->why != why)
			fail_msg("%s: why %#x, not %#x", reasons[i].name, h->why, why);
	}
}

static void a_truncated_tcp_header_is_malformed_and_its_ports_are_told(void **state)
{
	struct frame_buf f;

	(void)state;
	frame_make(&f, v4_tcp);
	for (size_t have = 4; have < 20; have++) {
		f.len = 34 + have;
		assert_false(drops(&f));
		const struct pk_header *h = only_header();
		assert_int_equal(h->why, PK_WHY_MALFORMED);
		assert_int_equal(h->source_port, 40000);
		assert_int_equal(h->destination_port, WATCHED);
	}
	for (size_t have = 0; have < 4; have++) {
		f.len = 34 + have;
		assert_false(drops(&f));
		assert_int_equal(reader_drain(reader), 0);
	}
}

static void ethernet_padding_is_no_payload(void **state)
{
	struct frame_buf f;

	(void)state;
	packet_begin(&f);
	start4(&f, 6, 0, 0);
	packet_tcp(&f, &(struct tcp_fields){.destination = WATCHED, .flags = PK_TCP_FIN | PK_TCP_ACK});
	packet_end(&f);
	packet_bytes(&f, 6);
	assert_false(drops(&f));
	assert_int_equal(only_header()->payload_len, 0);
}

static void ports_that_are_not_watched_make_no_event(void **state)
{
	struct tcp_fields t = {.source = WATCHED, .destination = OTHER, .flags = PK_TCP_SYN};

	(void)state;
	segment_run(&t, 0);
	assert_int_equal(reader_drain(reader), 0);
	assert_int_equal(stat_of(PK_C_HDR_PRODUCED), 0);
}

static void a_dropped_segment_is_reported_as_denied(void **state)
{
	struct frame_buf f;

	(void)state;
	deny_for(V4, 60, PK_ACT_DROP, PK_SCOPE_PORTS);
	frame_make(&f, v4_tcp);
	assert_true(drops(&f));
	assert_int_equal(only_header()->why, PK_WHY_DENIED);
	kernel_kill_set(kernel, true);
	assert_false(drops(&f));
	assert_int_equal(reader_drain(reader), 0);
	kernel_kill_set(kernel, false);
}

static struct pk_deny_head head_read(void)
{
	struct pk_deny_head head;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(kernel_map_fd(kernel, "pk_deny_head"), &zero, &head), 0);
	return head;
}

static void filter_set(uint64_t filter)
{
	struct pk_deny_head head = head_read();
	__u32 zero = 0;

	head.filter = filter;
	assert_int_equal(bpf_map_update_elem(kernel_map_fd(kernel, "pk_deny_head"), &zero, &head, BPF_ANY),
			 0);
}

static void where_none_is_there_no_entry_is_looked_for(void **state)
{
	struct frame_buf f;
	uint64_t filter;

	(void)state;
	frame_make(&f, v4_tcp);
	assert_true(head_read().filter & PK_DENY_NONE);
	deny_for(V4, 60, PK_ACT_DROP, PK_SCOPE_PORTS);
	filter = head_read().filter;
	assert_false(filter & PK_DENY_NONE);
	assert_true(drops(&f));
	filter_set(filter | PK_DENY_NONE);
	assert_false(drops(&f));
	filter_set(0); /* as the object is loaded by hand: every map is asked */
	assert_true(drops(&f));
	filter_set(filter);
	undeny(V4);
	assert_true(head_read().filter & PK_DENY_NONE);
	assert_false(drops(&f));
}

static void one_in_n_of_the_rest_is_sampled(void **state)
{
	struct pk_config c = calm;

	(void)state;
	c.sample_n = 10;
	kernel_config_set(kernel, &c);
	for (int i = 0; i < 100; i++)
		segment_run(&to_watched, 10);
	collect_clear(&got);
	assert_int_equal(reader_drain(reader), 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(((const struct pk_header *)collect_get(&got, PK_HEADER, i))->why,
				 PK_WHY_SAMPLE);
	kernel_config_set(kernel, &calm);
	for (int i = 0; i < 100; i++)
		segment_run(&to_watched, 10);
	assert_int_equal(reader_drain(reader), 0);
}

static void ordinary_segments_are_reported_if_a_criterion_wants_them(void **state)
{
	static const struct {
		struct tcp_fields t;
		uint8_t why; /* 0: no event */
	} wanted[] = {
		{{.destination = WATCHED, .flags = PK_TCP_ACK, .window = 0}, PK_WHY_CRITERION},
		{{.destination = WATCHED, .flags = PK_TCP_ACK | PK_TCP_PSH, .window = 3}, PK_WHY_CRITERION},
		{{.destination = WATCHED, .flags = PK_TCP_ACK, .window = 4}, 0},
		{{.destination = WATCHED, .flags = PK_TCP_PSH, .window = 0}, 0},
		{{.destination = WATCHED, .flags = PK_TCP_PSH, .window = 500}, PK_WHY_CRITERION},
		{{.destination = WATCHED, .flags = PK_TCP_ACK | PK_TCP_SYN, .window = 0}, PK_WHY_SYN},
		{{.destination = WATCHED + 1, .flags = PK_TCP_ACK, .window = 0}, 0},
	};
	struct pk_config c = calm;

	(void)state;
	c.criterion_count = 2;
	c.criteria[0] = (struct pk_criterion){PK_TCP_ACK, PK_TCP_ACK, 0, 3};
	c.criteria[1] = (struct pk_criterion){PK_TCP_ACK, 0, 500, 500};
	c.criteria[2] = (struct pk_criterion){0, 0, 0, 65535}; /* beyond the count */
	kernel_config_set(kernel, &c);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		segment_run(&wanted[i].t, 10);
		collect_clear(&got);
		int n = reader_drain(reader);
		const struct pk_header *h = collect_get(&got, PK_HEADER, 0);
		if (n != (wanted[i].why != 0) || (n && h->why != wanted[i].why))
			fail_msg("case %zu: %d events, why %02x", i, n, n ? h->why : 0);
	}
	kernel_config_set(kernel, &calm);
}

static void attempts_on_other_ports_are_reported_if_asked_for(void **state)
{
	static const struct {
		uint16_t flags;
		uint8_t why; /* 0: no event */
	} attempts[] = {
		{PK_TCP_SYN, PK_WHY_SYN | PK_WHY_CRITERION},
		{PK_TCP_SYN | PK_TCP_ECE | PK_TCP_CWR, PK_WHY_SYN | PK_WHY_CRITERION},
		{0, PK_WHY_ODD | PK_WHY_CRITERION},
		{PK_TCP_FIN | PK_TCP_PSH | PK_TCP_URG, PK_WHY_FIN | PK_WHY_ODD | PK_WHY_CRITERION},
		{PK_TCP_SYN | PK_TCP_ACK, 0}, /* an answer to us */
		{PK_TCP_ACK, 0},
		{PK_TCP_FIN | PK_TCP_ACK, 0},
		{PK_TCP_RST, 0},
	};
	struct pk_config c = calm;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		const struct tcp_fields t = {.destination = WATCHED + 1, .flags = attempts[i].flags};
		for (int asked = 0; asked < 2; asked++) {
			c.probes = (uint32_t)asked;
			kernel_config_set(kernel, &c);
			segment_run(&t, 0);
			collect_clear(&got);
			int n = reader_drain(reader);
			const struct pk_header *h = collect_get(&got, PK_HEADER, 0);
			if (n != (asked && attempts[i].why) || (n && h->why != attempts[i].why))
				fail_msg("flags %03x, asked %d: %d events, why %02x", t.flags, asked, n,
					 n ? h->why : 0);
		}
	}
	kernel_config_set(kernel, &calm);
}

static void the_token_bucket_lets_a_burst_through_and_counts_the_rest(void **state)
{
	static const struct tcp_fields syn = {.destination = WATCHED, .flags = PK_TCP_SYN};
	struct pk_config c = calm;

	(void)state;
	c.header_rate = 1;
	c.header_burst = 5;
	kernel_config_set(kernel, &c);
	uint64_t began = boot_in(0);
	for (int i = 0; i < 12; i++)
		segment_run(&syn, 0);
	/* The burst, and one for each second that a busy machine took, begun ones included. */
	assert_in_range(reader_drain(reader), 5, 5 + 1 + (boot_in(0) - began) / NS_PER_S);
	assert_int_equal(stat_of(PK_C_HDR_PRODUCED) + stat_of(PK_C_HDR_THROTTLED), 12);
	assert_int_equal(reader_counts(reader).headers, stat_of(PK_C_HDR_PRODUCED));
	usleep(1100000); /* one more is paid for */
	segment_run(&syn, 0);
	assert_int_equal(reader_drain(reader), 1);
}

/* At the kernel's own speed: 20 ms must not pass meanwhile. */
static void syns_from(const char *who, int count)
{
	struct frame_buf f;

	packet_begin(&f);
	packet_eth(&f, 0x0800);
	packet_ipv4(&f, who, SERVER4, 6, 0, 0);
	packet_tcp(&f, &(struct tcp_fields){.destination = WATCHED, .flags = PK_TCP_SYN});
	packet_end(&f);
	assert_false(runs_drop(&f, count));
}

static size_t headers_from(const char *who)
{
	struct prefix p = net(who);
	size_t n = 0;

	for (size_t i = 0; i < got.count; i++)
		n += !memcmp(((const struct pk_header *)got.list[i])->source_addr, p.addr.bytes, 16);
	return n;
}

static void a_flooding_source_cannot_fill_the_ring_for_others(void **state)
{
	(void)state;
	syns_from("203.0.113.1", 3000);
	syns_from("203.0.113.2", 20);
	collect_clear(&got);
	assert_true(reader_drain(reader) > 0);
	assert_int_equal(headers_from("203.0.113.2"), 20);
	assert_true(headers_from("203.0.113.1") < 3000);
	assert_true(stat_of(PK_C_HDR_SHARE) > 0);
	assert_int_equal(stat_of(PK_C_HDR_PRODUCED), 3020);
	assert_int_equal(reader_counts(reader).headers + stat_of(PK_C_HDR_LOST) + stat_of(PK_C_HDR_SHARE),
			 3020);
}

static void a_full_ring_counts_what_it_loses_exactly(void **state)
{
	char who[32];

	(void)state;
	for (int i = 0; i < 3000; i++) {
		snprintf(who, sizeof(who), "203.0.%d.%d", i / 250, i % 250);
		syns_from(who, 1);
	}
	assert_true(reader_drain(reader) > 0);
	assert_int_equal(stat_of(PK_C_HDR_PRODUCED), 3000);
	assert_true(stat_of(PK_C_HDR_LOST) > 0);
	assert_int_equal(reader_counts(reader).headers + stat_of(PK_C_HDR_LOST) + stat_of(PK_C_HDR_SHARE),
			 3000);
}

#define CASE(NAME)  cmocka_unit_test_setup_teardown(NAME, begin, end)
#define ALONE(NAME) cmocka_unit_test_setup_teardown(NAME, open_all, close_all)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_clean_source_always_passes_and_odd_frames_are_counted),
		CASE(scope_ports_takes_watched_ports_fragments_and_hidden_headers),
		CASE(scope_host_takes_everything),
		CASE(truncation_at_every_byte_under_scope_ports),
		CASE(truncation_at_every_byte_of_a_clean_source_passes),
		CASE(allow_beats_deny),
		CASE(a_passed_deadline_is_no_deny),
		CASE(a_deny_ends_at_its_deadline),
		CASE(shadow_counts_and_passes),
		CASE(a_shadow_does_not_shield_from_a_wider_drop),
		CASE(the_kill_switch_passes_everything_and_counts),
		CASE(prefixes_inside_each_other_count_apart),
		CASE(an_expired_prefix_does_not_hide_a_wider_one),
		CASE(every_prefix_length_matches_its_network_only),
		CASE(a_mapped_address_is_its_ipv4_address),
		CASE(the_seven_fields_of_the_tcp_header_are_exact),
		CASE(an_ipv6_header_event_has_its_addresses_and_hop_limit),
		CASE(every_reason_for_a_header_event_is_named),
		CASE(a_truncated_tcp_header_is_malformed_and_its_ports_are_told),
		CASE(ethernet_padding_is_no_payload),
		CASE(ports_that_are_not_watched_make_no_event),
		CASE(a_dropped_segment_is_reported_as_denied),
		CASE(where_none_is_there_no_entry_is_looked_for),
		CASE(one_in_n_of_the_rest_is_sampled),
		CASE(ordinary_segments_are_reported_if_a_criterion_wants_them),
		CASE(attempts_on_other_ports_are_reported_if_asked_for),
	};
	const struct CMUnitTest alone[] = {
		ALONE(a_full_hit_table_still_drops),
		ALONE(a_hit_table_that_has_room_again_is_tried_again),
		ALONE(the_token_bucket_lets_a_burst_through_and_counts_the_rest),
		ALONE(a_flooding_source_cannot_fill_the_ring_for_others),
		ALONE(a_full_ring_counts_what_it_loses_exactly),
	};
	cpu_set_t one;

	if (argc < 2 || (strcmp(argv[1], "xdp") && strcmp(argv[1], "tc"))) {
		fprintf(stderr, "usage: %s xdp|tc\n", argv[0]);
		return 2;
	}
	use_tc = !strcmp(argv[1], "tc");
	if (geteuid()) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	CPU_ZERO(&one); /* sampling and token bucket count per CPU */
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	int failed = cmocka_run_group_tests(tests, open_all, close_all);
	return cmocka_run_group_tests(alone, NULL, NULL) + failed;
}
