// SPDX-License-Identifier: Apache-2.0
#include "policies/haproxy.h"
#include "tests/unit/policies_config.h"

struct heard {
	char text[8192];
	unsigned lines, cut;
};

static void on_line(void *arg, struct span line, bool cut)
{
	struct heard *h = arg;
	size_t n = strlen(h->text);

	h->lines++;
	h->cut += cut;
	snprintf(h->text + n, sizeof h->text - n, "[%.*s]", (int)line.len, line.ptr);
}

static void lines_come_whole_however_the_bytes_are_cut(void **state)
{
	static const char all[] = "0x1 192.0.2.7 5\n\nKey not found.\n\n";

	(void)state;
	for (size_t part = 1; part <= sizeof all - 1; part++) {
		struct haproxy_lines lines = {.len = 0};
		struct heard h = {.lines = 0};
		for (size_t at = 0; at < sizeof all - 1; at += part)
			haproxy_lines_feed(&lines, (struct span){all + at, MIN(part, sizeof all - 1 - at)},
					   on_line, &h);
		assert_string_equal(h.text, "[0x1 192.0.2.7 5][][Key not found.][]");
		assert_int_equal(lines.len, 0);
	}
}

static void a_line_that_never_ends_takes_no_more_than_its_room(void **state)
{
	struct haproxy_lines lines = {.len = 0};
	struct heard h = {.lines = 0};
	char many[3000];

	(void)state;
	memset(many, 'a', sizeof many);
	haproxy_lines_feed(&lines, (struct span){many, sizeof many}, on_line, &h);
	haproxy_lines_feed(&lines, (struct span){many, sizeof many}, on_line, &h);
	assert_int_equal(h.lines, 0);
	assert_int_equal(lines.len, HAPROXY_LINE_MAX);
	haproxy_lines_feed(&lines, SPAN("\nnext\n"), on_line, &h);
	assert_int_equal(h.lines, 2);
	assert_int_equal(h.cut, 1);
	assert_non_null(strstr(h.text, "[next]"));
}

static int entry(const char *line, struct haproxy_entry *ret)
{
	return haproxy_entry_parse(span_from(line), ret);
}

static void an_entry_is_its_key_and_its_end(void **state)
{
	static const char *const keys[] = {"192.0.2.7", "198.51.100.0/24", "2001:db8::1", "2001:db8::/32"};
	struct haproxy_entry e;
	char line[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct prefix wanted = test_prefix(keys[i]);
		snprintf(line, sizeof line, "0x55d0c8f3a9b0 %s 1796040000", keys[i]);
		assert_int_equal(entry(line, &e), 0);
		assert_true(prefix_equal(&e.target, &wanted));
		assert_int_equal(e.until_s, 1796040000);
	}
}

/* `del map` takes a key by its text, so what we would write otherwise is not ours to touch. */
static void a_key_that_picket_would_write_otherwise_is_foreign(void **state)
{
	static const char *const keys[] = {"192.0.2.7/32",
					   "192.0.2.7/24",
					   "192.0.2.7/255.255.255.0",
					   "2001:DB8::1",
					   "2001:db8:0::1",
					   "::ffff:192.0.2.7",
					   "192.0.2.007",
					   "x",
					   "192.0.2.0/33"};
	struct haproxy_entry e;
	char line[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		snprintf(line, sizeof line, "0x1 %s 1796040000", keys[i]);
		assert_int_equal(entry(line, &e), 0);
		assert_int_equal(e.target.addr.family, ADDR_NONE);
		assert_true(span_equal(e.key, span_from(keys[i])));
	}
}

static void an_end_is_a_plain_number_or_none(void **state)
{
	static const struct {
		const char *line;
		uint64_t until_s;
	} cases[] = {
		{"0x1 192.0.2.7 1", 1},
		{"0x1 192.0.2.7 999999999999999999", 999999999999999999},
		{"0x1 192.0.2.7 1000000000000000000", 0},
		{"0x1 192.0.2.7 0", 0},
		{"0x1 192.0.2.7 00", 0},
		{"0x1 192.0.2.7 001", 0},
		{"0x1 192.0.2.7 -5", 0},
		{"0x1 192.0.2.7 +5", 0},
		{"0x1 192.0.2.7 5 6", 0},
		{"0x1 192.0.2.7 deny", 0},
		{"0x1 192.0.2.7 ", 0},
		{"0x1 192.0.2.7", 0},
	};
	struct haproxy_entry e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(entry(cases[i].line, &e), 0);
		assert_int_equal(e.until_s, cases[i].until_s);
	}
}

/* HAProxy reads the same number. */
static void a_nought_in_front_says_that_a_block_list_asks_for_it(void **state)
{
	struct haproxy_entry e;

	(void)state;
	assert_int_equal(entry("0x1 192.0.2.7 01796040000", &e), 0);
	assert_true(e.listed);
	assert_int_equal(e.until_s, 1796040000);
	assert_int_equal(entry("0x1 192.0.2.7 1796040000", &e), 0);
	assert_false(e.listed);
	assert_int_equal(entry("0x1 192.0.2.7 0", &e), 0);
	assert_false(e.listed);
}

static void what_is_no_entry_says_what_went_wrong(void **state)
{
	static const char *const lines[] = {
		"Unknown map identifier. Please use #<id> or <file>.",
		"Permission denied",
		"",
		"0x",
		"0x1",
		"0x1 ",
		"0xg 192.0.2.7 5",
		" 0x1 192.0.2.7 5",
		"192.0.2.7 5",
	};
	struct haproxy_entry e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(entry(lines[i], &e), HAPROXY_E_NO_ENTRY);
}

static void answers_are_told_by_their_first_line(void **state)
{
	(void)state;
	assert_int_equal(haproxy_answer_of(SPAN("")), HAPROXY_DONE);
	assert_int_equal(haproxy_answer_of(SPAN("Key not found.")), HAPROXY_ABSENT);
	assert_int_equal(haproxy_answer_of(SPAN("entry not found.")), HAPROXY_ABSENT);
	assert_int_equal(haproxy_answer_of(SPAN("Permission denied")), HAPROXY_REFUSED);
	assert_int_equal(haproxy_answer_of(SPAN("'x' is not a valid IPv4 or IPv6 address.")),
			 HAPROXY_REFUSED);
}

static void commands_are_joined_until_a_line_is_full(void **state)
{
	struct buffer line = BUFFER_INIT(HAPROXY_SAY_MAX);
	struct prefix a = test_prefix("192.0.2.7"), n = test_prefix("2001:db8::/48");
	char name[HAPROXY_SAY_MAX];
	unsigned commands = 0;

	(void)state;
	assert_int_equal(haproxy_say(&line, HAPROXY_SET, "/m", &a, 17, false), 0);
	assert_int_equal(haproxy_say(&line, HAPROXY_DEL, "/m", &n, 17, false), 0);
	assert_int_equal(haproxy_say(&line, HAPROXY_ADD, "/m", &n, 18, true), 0);
	haproxy_say_end(&line);
	assert_true(span_equal(buffer_span(&line), SPAN("set map /m 192.0.2.7 17;del map /m "
							"2001:db8::/48;add map /m 2001:db8::/48 018\n")));
	buffer_reset(&line);
	while (haproxy_say(&line, HAPROXY_ADD, "/m", &a, 1796040000, false) == 0)
		commands++;
	size_t full = line.len;
	assert_in_range(commands, 100, 200);
	assert_int_equal(haproxy_say(&line, HAPROXY_ADD, "/m", &a, 1796040000, false), BUFFER_E_FULL);
	assert_int_equal(line.len, full);
	haproxy_say_end(&line);
	assert_false(line.truncated);
	assert_true(line.len <= HAPROXY_SAY_MAX && line.data[line.len - 1] == '\n');
	/* A name that no line has room for. */
	memset(name, 'm', sizeof name - 1);
	name[sizeof name - 1] = 0;
	buffer_reset(&line);
	assert_int_equal(haproxy_say(&line, HAPROXY_DEL, name, &a, 0, false), BUFFER_E_FULL);
	assert_int_equal(line.len, 0);
	buffer_free(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_whole_however_the_bytes_are_cut),
		cmocka_unit_test(a_line_that_never_ends_takes_no_more_than_its_room),
		cmocka_unit_test(an_entry_is_its_key_and_its_end),
		cmocka_unit_test(a_key_that_picket_would_write_otherwise_is_foreign),
		cmocka_unit_test(an_end_is_a_plain_number_or_none),
		cmocka_unit_test(a_nought_in_front_says_that_a_block_list_asks_for_it),
		cmocka_unit_test(what_is_no_entry_says_what_went_wrong),
		cmocka_unit_test(answers_are_told_by_their_first_line),
		cmocka_unit_test(commands_are_joined_until_a_line_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
