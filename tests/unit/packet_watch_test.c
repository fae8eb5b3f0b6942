// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/util.h"
#include "policies/packet_watch.h"

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10
#define URG 0x20

struct got {
	char names[4096]; /* "a b c" */
	unsigned count;
};

static void on_alert(void *arg, const struct packet_alert *a)
{
	struct got *g = arg;
	size_t at = strlen(g->names);

	snprintf(g->names + at, sizeof g->names - at, "%s%s", at ? " " : "", a->rule->name);
	g->count++;
}

/* A watch with these criteria (YAML behind "packets:"), or the shipped ones. */
static struct packet_watch *watch_of(const char *yaml)
{
	struct buffer errors = BUFFER_INIT(4096);
	struct config config = {0};
	struct packet_watch *w = NULL;
	char path[] = "/tmp/picket-packets-XXXXXX", *items[] = {path};

	if (yaml) {
		int fd = mkstemp(path);
		assert_true(fd >= 0);
		assert_int_equal(dprintf(fd, "packets:\n%s", yaml), 9 + (int)strlen(yaml));
		close(fd);
		config.detect.packets = (struct config_strings){items, 1};
	}
	int r = packet_watch_new(&config, &w, &errors);
	if (yaml)
		unlink(path);
	if (r)
		fail_msg("%d: %.*s", r, (int)errors.len, errors.data);
	buffer_free(&errors);
	return w;
}

static struct packet_seen seen(const char *from, uint16_t port, uint16_t flags, double at_s)
{
	struct packet_seen h = {
		.time_ns = (uint64_t)(at_s * 1e9) + NS_PER_S,
		.port = port,
		.watched = port == 80,
		.flags = flags,
		.window = 64240,
		.ttl = 64,
		.header_length = 20,
	};

	assert_int_equal(addr_parse(span_from(from), &h.source), 0);
	return h;
}

static void see(struct packet_watch *w, struct got *g, struct packet_seen h)
{
	packet_watch_see(w, &h, on_alert, g);
}

/* --- the shipped criteria --- */

static void odd_flags_are_named_each_time(void **state)
{
	static const struct {
		uint16_t flags;
		const char *names;
	} cases[] = {
		{0, "null_scan"},
		{0x40 | 0x80 | 0x100, "null_scan"}, /* ECE, CWR, NS are no flags of a connection */
		{FIN | PSH | URG, "xmas_scan"},
		{SYN | FIN, "syn_fin"},
		{SYN | FIN | ACK, "syn_fin"},
		{SYN | RST, "syn_rst"},
		{SYN | FIN | RST, "syn_fin syn_rst"},
		{URG | ACK, "urgent"},
		{SYN, ""},
		{SYN | ACK, ""},
		{ACK, ""},
		{PSH | ACK, ""},
		{FIN | ACK, ""},
		{RST, ""},
		{RST | ACK, ""},
	};
	struct packet_watch *w = watch_of(NULL);

	(void)state;
	for (unsigned round = 0; round < 2; round++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			struct got g = {0};
			see(w, &g, seen("192.0.2.1", 80, cases[i].flags, 1));
			if (strcmp(g.names, cases[i].names))
				fail_msg("flags %03x: \"%s\", not \"%s\"", cases[i].flags, g.names,
					 cases[i].names);
		}
	packet_watch_free(w);
}

static void many_ports_are_a_scan_and_one_port_is_none(void **state)
{
	struct packet_watch *w = watch_of(NULL);
	struct got g = {0};

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		see(w, &g, seen("192.0.2.1", 80, SYN, i * 0.3));
		see(w, &g, seen("192.0.2.1", 443, SYN, i * 0.3));
	}
	assert_string_equal(g.names, "");
	for (unsigned i = 0; i < 14; i++)
		see(w, &g, seen("192.0.2.2", (uint16_t)(20 + i), SYN, 1));
	assert_string_equal(g.names, "");
	see(w, &g, seen("192.0.2.2", 20, SYN, 1.5)); /* known */
	assert_string_equal(g.names, "");
	see(w, &g, seen("192.0.2.2", 100, SYN, 2));
	assert_string_equal(g.names, "port_scan");
	for (unsigned i = 0; i < 1000; i++) /* told once in five minutes */
		see(w, &g, seen("192.0.2.2", (uint16_t)(1000 + i), SYN, 2 + i * 0.01));
	assert_string_equal(g.names, "port_scan");
	packet_watch_free(w);
}

static void completed_handshakes_are_no_flood(void **state)
{
	struct packet_watch *w = watch_of(NULL);
	struct addr source = seen("192.0.2.1", 80, SYN, 0).source;
	struct got g = {0};

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		see(w, &g, seen("192.0.2.1", 80, SYN, i * 0.001));
		packet_watch_handshake(w, &source, (uint64_t)(i * 1e6) + NS_PER_S);
	}
	assert_string_equal(g.names, "");
	for (unsigned i = 0; i < 300; i++)
		see(w, &g, seen("192.0.2.9", 80, SYN, 6 + i * 0.001));
	assert_string_equal(g.names, "tcp_syn_flood");
	packet_watch_free(w);
}

/* Of many handshakes that were completed the records were lost: as many SYNs do not count. */
static void handshakes_whose_records_were_lost_are_no_flood(void **state)
{
	struct packet_watch *w = watch_of(NULL);
	struct got g = {0};

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		struct packet_seen h = seen(i % 2 ? "192.0.2.1" : "192.0.2.2", 80, SYN, i * 0.001);

		h.acks_lost = (uint16_t)(65000 + i / 2 / 100 * 100); /* it wraps, and comes late */
		h.acks_lost_all = (uint16_t)(65000 + i / 200 * 200);
		see(w, &g, h);
	}
	assert_string_equal(g.names, "");
	for (unsigned i = 0; i < 300; i++)
		see(w, &g, seen("192.0.2.9", 80, SYN, 6 + i * 0.001));
	assert_string_equal(g.names, "tcp_syn_flood");
	packet_watch_free(w);
}

static void a_flood_from_everywhere_is_one_too(void **state)
{
	struct packet_watch *w = watch_of(NULL);
	struct got g = {0};
	char from[32];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(from, sizeof from, "10.%u.%u.1", i / 256, i % 256);
		see(w, &g, seen(from, 80, SYN, i * 0.001));
	}
	assert_string_equal(g.names, "tcp_syn_flood_distributed");
	packet_watch_free(w);
}

static void windows_and_resets_count_by_source(void **state)
{
	static const struct {
		uint16_t flags, window;
		unsigned times;
		const char *names;
	} cases[] = {
		{ACK, 0, 9, ""},
		{ACK, 0, 10, "zero_window"},
		{ACK, 1, 49, ""},
		{ACK, 15, 50, "tiny_window"},
		{ACK, 16, 5000, ""},
		{RST | ACK, 0, 199, ""},
		{RST, 0, 201, "rst_storm"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packet_watch *w = watch_of(NULL);
		struct got g = {0};
		for (unsigned n = 0; n < cases[i].times; n++) {
			struct packet_seen h = seen("2001:db8::1", 80, cases[i].flags, 1 + n * 0.0001);
			h.window = cases[i].window;
			see(w, &g, h);
		}
		if (strcmp(g.names, cases[i].names))
			fail_msg("case %zu: \"%s\"", i, g.names);
		packet_watch_free(w);
	}
}

/* --- criteria of one's own --- */

static void every_condition_must_hold(void **state)
{
	static const char *const yaml = "  - {name: a, description: d, severity: low, flags: {mask: 0x12, "
					"value: [SYN]}, ports: [80, 8000-8010],\n"
					"     window: 100-200, payload: 1-10, ttl: 0-5, header_length: 24}\n";
	static const struct {
		const char *what;
		size_t offset, size;
		uint16_t value;
		bool fits;
	} changes[] = {
#define CHANGE(field, value, fits) \
	{#field, offsetof(struct packet_seen, field), sizeof((struct packet_seen *)0)->field, value, fits}
		CHANGE(port, 80, true),          CHANGE(port, 81, false),
		CHANGE(port, 7999, false),       CHANGE(port, 8000, true),
		CHANGE(port, 8010, true),        CHANGE(port, 8011, false),
		CHANGE(window, 99, false),       CHANGE(window, 100, true),
		CHANGE(window, 200, true),       CHANGE(window, 201, false),
		CHANGE(payload, 0, false),       CHANGE(payload, 10, true),
		CHANGE(payload, 11, false),      CHANGE(ttl, 5, true),
		CHANGE(ttl, 6, false),           CHANGE(header_length, 20, false),
		CHANGE(flags, SYN | ACK, false), CHANGE(flags, SYN | PSH, true),
	};
	struct packet_watch *w = watch_of(yaml);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct packet_seen h = seen("192.0.2.1", 80, SYN, 1);
		struct got g = {0};

		h.window = 150, h.payload = 5, h.ttl = 3, h.header_length = 24;
		memcpy((char *)&h + changes[i].offset, &changes[i].value,
		       changes[i].size); /* little endian */
		see(w, &g, h);
		if (g.count != changes[i].fits)
			fail_msg("%s %u: %s", changes[i].what, changes[i].value, g.names);
	}
	packet_watch_free(w);
}

static void ports_are_the_watched_ones_unless_said(void **state)
{
	struct packet_watch *w =
		watch_of("  - {name: a, description: d, severity: low, ttl: 0-255}\n"
			 "  - {name: b, description: d, severity: low, ports: all, ttl: 0-255}\n");
	struct got g = {0};

	(void)state;
	see(w, &g, seen("192.0.2.1", 80, ACK, 1));
	assert_string_equal(g.names, "a b");
	g = (struct got){0};
	see(w, &g, seen("192.0.2.1", 22, ACK, 1));
	assert_string_equal(g.names, "b");
	packet_watch_free(w);
}

static void a_rate_leaks_and_cools_down(void **state)
{
	struct packet_watch *w = watch_of("  - {name: a, description: d, severity: low, ttl: 0-255,\n"
					  "     rate: {count: 5, window: 10s}, cool_down: 20s}\n");
	struct got g = {0};

	(void)state;
	for (unsigned i = 0; i < 20; i++) /* slower than it leaks */
		see(w, &g, seen("192.0.2.1", 80, ACK, i * 2.6));
	assert_int_equal(g.count, 0);
	for (unsigned i = 0; i < 100; i++)
		see(w, &g, seen("192.0.2.1", 80, ACK, 100 + i * 0.1)); /* ten seconds of cool down */
	assert_int_equal(g.count, 1);
	for (unsigned i = 0; i < 10; i++)
		see(w, &g, seen("192.0.2.1", 80, ACK, 130 + i * 0.1));
	assert_int_equal(g.count, 2);
	packet_watch_free(w);
}

static void one_client_of_ipv6_is_a_64(void **state)
{
	struct packet_watch *w = watch_of("  - {name: a, description: d, severity: low, ttl: 0-255,\n"
					  "     rate: {count: 4, window: 10s}}\n");
	struct got g = {0};
	char from[64];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		snprintf(from, sizeof from, "2001:db8:0:%x::1", i);
		see(w, &g, seen(from, 80, ACK, 1));
	}
	assert_int_equal(g.count, 0);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(from, sizeof from, "2001:db8:9::%x", i + 1);
		see(w, &g, seen(from, 80, ACK, 1));
	}
	assert_int_equal(g.count, 1);
	packet_watch_free(w);
}

static void a_full_table_forgets_the_idlest_and_counts_it(void **state)
{
	struct packet_watch *w = watch_of("  - {name: a, description: d, severity: low, ttl: 0-255,\n"
					  "     rate: {count: 2, window: 10s}}\n");
	struct got g = {0};
	char from[32];

	(void)state;
	for (unsigned i = 0; i < PACKET_BUCKETS_MAX + 3; i++) {
		snprintf(from, sizeof from, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		see(w, &g, seen(from, 80, ACK, 1));
	}
	struct packet_counts c = packet_watch_counts(w);
	assert_int_equal(c.buckets, PACKET_BUCKETS_MAX);
	assert_int_equal(c.forgotten, 3);
	assert_int_equal(g.count, 0);
	see(w, &g, seen("10.0.0.0", 80, ACK, 1)); /* forgotten: begins anew */
	assert_int_equal(g.count, 0);
	see(w, &g, seen("10.1.0.2", 80, ACK, 1)); /* remembered */
	assert_int_equal(g.count, 1);
	packet_watch_free(w);
}

/* --- the file --- */

#define OK_ "name: a, description: d, severity: low"

static void what_is_wrong_is_said_with_file_and_line(void **state)
{
	static const struct {
		const char *yaml, *message;
	} cases[] = {
		{"", "x:1: the file holds one key"},
		{"other: []\n", "x:1: the file holds one key"},
		{"packets: 3\n", "x:1: packets must be a list"},
		{"packets:\n  - 3\n", "x:2: a criterion must be a mapping"},
		{"packets:\n  - {" OK_ "}\n", "x:2: the criterion has no condition"},
		{"packets:\n  - {severity: low, description: d, ttl: 1}\n",
		 "x:2: a criterion needs \"name\""},
		{"packets:\n  - {" OK_ ", ttl: 1}\n  - {" OK_ ", ttl: 1}\n", "x:3: \"a\" is there twice"},
		{"packets:\n  - {" OK_ ",\n     colour: red}\n",
		 "x:3: unknown key \"colour\"; known here: name"},
		{"packets:\n  - {name: A-b, description: d, severity: low, ttl: 1}\n", "x:2: name may hold"},
		{"packets:\n  - {name: a, description: d, severity: bad, ttl: 1}\n", "x:2: severity must be"},
		{"packets:\n  - {" OK_ ", flags: {mask: [SYN]}}\n", "x:2: flags need mask and value"},
		{"packets:\n  - {" OK_ ", flags: {mask: [SIN], value: []}}\n", "x:2: a flag is one of"},
		{"packets:\n  - {" OK_ ", flags: {mask: [SYN], value: [ACK]}}\n", "x:2: value has a flag"},
		{"packets:\n  - {" OK_ ", flags: {mask: 0x200, value: 0}}\n", "x:2: mask and value must be"},
		{"packets:\n  - {" OK_ ", ports: [80, 70000]}\n", "x:2: a port must be"},
		{"packets:\n  - {" OK_ ", ports: some}\n", "x:2: ports must be watched, all"},
		{"packets:\n  - {" OK_ ", window: 9-3}\n", "x:2: window must be a number or a range"},
		{"packets:\n  - {" OK_ ", window: 1-x}\n", "x:2: window must be a number or a range"},
		{"packets:\n  - {" OK_ ", ttl: 256}\n", "x:2: ttl must be"},
		{"packets:\n  - {" OK_ ", ttl: 1, rate: {count: 5}}\n", "x:2: rate needs count and window"},
		{"packets:\n  - {" OK_ ", ttl: 1, rate: {count: 1, window: 1s}}\n", "x:2: count must be"},
		{"packets:\n  - {" OK_ ", ttl: 1, rate: {count: 5, window: 10}}\n",
		 "x:2: window must be a time"},
		{"packets:\n  - {" OK_ ", ttl: 1, rate: {count: 65, window: 1s, distinct: port}}\n",
		 "x:2: count is at most 64"},
		{"packets:\n  - {" OK_ ", ttl: 1, rate: {count: 5, window: 1s, by: net}}\n",
		 "x:2: by must be"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packet_rules *rules = calloc(1, sizeof *rules);
		struct buffer errors = BUFFER_INIT(4096);

		assert_int_equal(packet_rules_parse(span_from(cases[i].yaml), "x", rules, &errors),
				 CONFIG_E_INVALID);
		buffer_append_char(&errors, 0);
		if (!strstr(errors.data, cases[i].message))
			fail_msg("%s: %s", cases[i].yaml, errors.data);
		buffer_free(&errors);
		packet_rules_free(rules);
	}
}

static void a_file_that_is_missing_is_named(void **state)
{
	char *items[] = {(char *)"/nonexistent/packets.yaml"};
	struct config config = {.detect.packets = {items, 1}};
	struct buffer errors = BUFFER_INIT(4096);
	struct packet_watch *w = NULL;

	(void)state;
	assert_int_equal(packet_watch_new(&config, &w, &errors), CONFIG_E_INVALID);
	buffer_append_char(&errors, 0);
	assert_non_null(strstr(errors.data, "/nonexistent/packets.yaml: cannot be read"));
	assert_null(w);
	buffer_free(&errors);
}

static void the_kernel_is_told_what_it_would_not_report(void **state)
{
	static const char *const yaml =
		"packets:\n"
		"  - {" OK_ ", flags: {mask: [SYN], value: [SYN]}}\n" /* reported anyway */
		"  - {name: b, description: d, severity: low, flags: {mask: 0x3f, value: 0}, window: 0}\n"
		"  - {name: c, description: d, severity: low, payload: 1-9}\n" /* no window: what is sampled
										*/
		"  - {name: e, description: d, severity: low, flags: {mask: [ACK, RST], value: [ACK]}, "
		"window: 0-3}\n";
	struct packet_rules *rules = calloc(1, sizeof *rules);
	struct buffer errors = BUFFER_INIT(4096);
	struct packet_needs needs;

	(void)state;
	assert_int_equal(packet_rules_parse(span_from(yaml), "x", rules, &errors), 0);
	packet_rules_needs(rules, &needs);
	assert_false(needs.unwatched);
	assert_int_equal(needs.count, 1);
	assert_int_equal(needs.items[0].flags_mask, ACK | RST);
	assert_int_equal(needs.items[0].flags_value, ACK);
	assert_int_equal(needs.items[0].window_low, 0);
	assert_int_equal(needs.items[0].window_high, 3);
	/* More than there is room for: one that is wider than each of them. */
	for (unsigned i = 0; i < 4; i++) {
		char text[160];
		snprintf(text, sizeof text,
			 "packets:\n  - {name: n%u, description: d, severity: low, ports: [9], flags: {mask: "
			 "[ACK, PSH], "
			 "value: [%s]}, window: %u-%u}\n",
			 i, i < 3 ? "ACK" : "ACK, PSH", 100 * i, 100 * i + 50);
		assert_int_equal(packet_rules_parse(span_from(text), "y", rules, &errors), 0);
	}
	packet_rules_needs(rules, &needs);
	assert_true(needs.unwatched);
	assert_int_equal(needs.count, PACKET_NEEDS_MAX);
	const struct packet_need *last = &needs.items[PACKET_NEEDS_MAX - 1];
	assert_int_equal(last->flags_mask, ACK);
	assert_int_equal(last->flags_value, ACK);
	assert_int_equal(last->window_low, 200);
	assert_int_equal(last->window_high, 350);
	packet_rules_free(rules);
	buffer_free(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_flags_are_named_each_time),
		cmocka_unit_test(many_ports_are_a_scan_and_one_port_is_none),
		cmocka_unit_test(completed_handshakes_are_no_flood),
		cmocka_unit_test(handshakes_whose_records_were_lost_are_no_flood),
		cmocka_unit_test(a_flood_from_everywhere_is_one_too),
		cmocka_unit_test(windows_and_resets_count_by_source),
		cmocka_unit_test(every_condition_must_hold),
		cmocka_unit_test(ports_are_the_watched_ones_unless_said),
		cmocka_unit_test(a_rate_leaks_and_cools_down),
		cmocka_unit_test(one_client_of_ipv6_is_a_64),
		cmocka_unit_test(a_full_table_forgets_the_idlest_and_counts_it),
		cmocka_unit_test(what_is_wrong_is_said_with_file_and_line),
		cmocka_unit_test(a_file_that_is_missing_is_named),
		cmocka_unit_test(the_kernel_is_told_what_it_would_not_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
