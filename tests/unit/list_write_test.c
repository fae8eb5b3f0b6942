// SPDX-License-Identifier: Apache-2.0
/* What is written as a list and read again is the same list, in each format. */
#include "policies/list_write.h"
#include <stdio.h>
#include <string.h>
#include "lib/json_read.h"
#include "policies/list.h"
#include "tests/unit/policies_config.h"

#define NOW_S 1795518010ull

static const enum config_list_format formats[] = {CONFIG_LIST_PLAIN, CONFIG_LIST_CROWDSEC, CONFIG_LIST_STIX,
						  CONFIG_LIST_MISP};

struct target {
	const char *text;
	uint64_t left_s;
};

static const struct target targets[] = {
	{"192.0.2.7", 60},      {"198.51.100.0/24", 3600}, {"203.0.113.255", 1},     {"2001:db8::7", 86400},
	{"2001:db8:1::/48", 7}, {"0.0.0.0/8", 5},          {"255.255.255.255", 100}, {"::ffff:0:0:1", 99},
};

static void write_all(struct buffer *out, enum config_list_format format, const char *origin,
		      const char *reason)
{
	struct list_writer w;

	list_write_begin(&w, format, NOW_S * NS_PER_S + 5, out);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct list_record r = {test_prefix(targets[i].text), targets[i].left_s, origin, reason};
		list_write(&w, &r);
	}
	list_write_end(&w);
	assert_false(out->truncated);
}

static struct list *read_as(const struct buffer *b, enum config_list_format format,
			    enum config_list_format known)
{
	const struct list_times times = {.now_s = NOW_S, .written_s = NOW_S};
	struct list_report report;
	struct list *l = NULL;

	if (list_parse(buffer_span(b), format, &times, &l, &report))
		fail_msg("%s: %s", list_format_name(known), report.error);
	assert_int_equal(report.format, known);
	assert_int_equal(report.unreadable, 0);
	assert_int_equal(report.ignored, 0);
	assert_int_equal(report.ended, 0);
	return l;
}

static void assert_same(const struct list *l, enum config_list_format format)
{
	bool ends = format == CONFIG_LIST_CROWDSEC || format == CONFIG_LIST_STIX;

	assert_int_equal(list_count(l), ARRAY_SIZE(targets));
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct prefix p = test_prefix(targets[i].text);
		uint32_t at = list_find(l, &p);
		if (at == LIST_NONE)
			fail_msg("%s: %s is not there", list_format_name(format), targets[i].text);
		assert_int_equal(list_end_s(l, at), ends ? NOW_S + targets[i].left_s : 0);
	}
}

static void what_is_written_is_read_as_the_same_list(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct buffer b = BUFFER_INIT(65536);
		write_all(&b, formats[i], "login_guessing", "guessed 12 passwords");
		/* Told, or found by its content. */
		struct list *l = read_as(&b, formats[i], formats[i]);
		struct list *found = read_as(&b, CONFIG_LIST_AUTO, formats[i]);
		assert_same(l, formats[i]);
		assert_same(found, formats[i]);
		list_free(l);
		list_free(found);
		buffer_free(&b);
	}
}

static void a_list_of_nothing_can_be_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct buffer b = BUFFER_INIT(65536);
		struct list_writer w;
		list_write_begin(&w, formats[i], NOW_S * NS_PER_S, &b);
		list_write_end(&w);
		struct list *l = read_as(&b, CONFIG_LIST_AUTO, formats[i]);
		assert_int_equal(list_count(l), 0);
		list_free(l);
		buffer_free(&b);
	}
}

/* A reason may be what a stranger sent. */
static void no_reason_can_add_an_entry_or_break_the_list(void **state)
{
	static const char *const reasons[] = {
		"\n203.0.113.1\n",
		"\"},{\"value\":\"203.0.113.1\"}",
		"' OR ipv4-addr:value = '203.0.113.1",
		"# ; ,\r\n\t\x1b[2J\xff\xfe\xc3\x28",
		"\\",
		"\xe2\x80\xae",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		for (size_t k = 0; k < ARRAY_SIZE(reasons); k++) {
			struct buffer b = BUFFER_INIT(65536);
			write_all(&b, formats[i], reasons[k], reasons[k]);
			struct list *l = read_as(&b, CONFIG_LIST_AUTO, formats[i]);
			assert_same(l, formats[i]);
			list_free(l);
			buffer_free(&b);
		}
}

static void the_buffer_may_be_emptied_between_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct buffer part = BUFFER_INIT(4096), all = BUFFER_INIT(65536);
		struct list_writer w;
		list_write_begin(&w, formats[i], NOW_S * NS_PER_S, &part);
		for (size_t k = 0; k <= ARRAY_SIZE(targets); k++) {
			buffer_append(&all, part.data, part.len);
			buffer_reset(&part);
			if (k == ARRAY_SIZE(targets))
				break;
			struct list_record r = {test_prefix(targets[k].text), targets[k].left_s, "a", "b"};
			list_write(&w, &r);
		}
		list_write_end(&w);
		buffer_append(&all, part.data, part.len);
		struct list *l = read_as(&all, CONFIG_LIST_AUTO, formats[i]);
		assert_same(l, formats[i]);
		list_free(l);
		buffer_free(&part);
		buffer_free(&all);
	}
}

static char *id_of_first(enum config_list_format format)
{
	static char id[64];
	struct buffer b = BUFFER_INIT(65536);
	const struct json_limits limits = {.bytes = 65536, .depth = 8, .values = 1000};
	cJSON *root = NULL;

	write_all(&b, format, "a", "b");
	assert_int_equal(json_parse(buffer_span(&b), &limits, &root, NULL), 0);
	const cJSON *first =
		format == CONFIG_LIST_STIX
			? cJSON_GetObjectItem(root, "objects")->child
			: cJSON_GetObjectItem(cJSON_GetObjectItem(root, "Event"), "Attribute")->child;
	snprintf(id, sizeof id, "%s", json_get_text(first, format == CONFIG_LIST_STIX ? "id" : "uuid"));
	cJSON_Delete(root);
	buffer_free(&b);
	return id;
}

static void a_target_is_known_again_by_its_id(void **state)
{
	char first[64];

	(void)state;
	snprintf(first, sizeof first, "%s", id_of_first(CONFIG_LIST_STIX));
	assert_string_equal(first, id_of_first(CONFIG_LIST_STIX));
	assert_int_equal(strlen(first), strlen("indicator--") + 36);
	assert_int_equal(first[strlen("indicator--") + 14], '5');
	assert_string_equal(first + strlen("indicator--"), id_of_first(CONFIG_LIST_MISP));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_as_the_same_list),
		cmocka_unit_test(a_list_of_nothing_can_be_read),
		cmocka_unit_test(no_reason_can_add_an_entry_or_break_the_list),
		cmocka_unit_test(the_buffer_may_be_emptied_between_records),
		cmocka_unit_test(a_target_is_known_again_by_its_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
