// SPDX-License-Identifier: Apache-2.0
/* Structured fields: what is read, what is written again, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/structured_field.h"
#include "lib/util.h"

static struct field_dictionary d;

static int parse(const char *text)
{
	return field_dictionary_parse(span_from(text), &d);
}

static void assert_text(struct span got, const char *expected)
{
	assert_int_equal(got.len, strlen(expected));
	assert_memory_equal(got.ptr, expected, got.len);
}

static void values_of_every_kind(void **state)
{
	(void)state;
	assert_int_equal(parse("a=-42, b=\"x \\\"\\\\\", c=tok/en:1, d=:AQID:, e=?0, f, *g-_.1=0"), 0);
	assert_int_equal(d.member_count, 7);
	assert_int_equal(field_member(&d, SPAN("a"))->items[0].value.integer, -42);
	assert_text(field_member(&d, SPAN("b"))->items[0].value.bytes, "x \"\\");
	assert_int_equal(field_member(&d, SPAN("c"))->items[0].value.type, FIELD_TOKEN);
	assert_text(field_member(&d, SPAN("c"))->items[0].value.bytes, "tok/en:1");
	assert_text(field_member(&d, SPAN("d"))->items[0].value.bytes, "\1\2\3");
	assert_int_equal(field_member(&d, SPAN("e"))->items[0].value.integer, 0);
	assert_int_equal(field_member(&d, SPAN("f"))->items[0].value.integer, 1);
	assert_non_null(field_member(&d, SPAN("*g-_.1")));
	assert_null(field_member(&d, SPAN("g")));
	assert_int_equal(parse(""), 0);
	assert_int_equal(d.member_count, 0);
}

static void lists_and_parameters(void **state)
{
	(void)state;
	assert_int_equal(parse("sig1=(  \"@status\" \"x\";req  );created=1618884473;keyid=\"k\" ,s=( );a"),
			 0);
	const struct field_member *m = field_member(&d, SPAN("sig1"));

	assert_true(m->is_list);
	assert_int_equal(m->item_count, 2);
	assert_int_equal(m->items[0].parameters.count, 0);
	assert_int_equal(field_parameter(m->items[1].parameters, "req")->type, FIELD_BOOLEAN);
	assert_int_equal(field_parameter(m->parameters, "created")->integer, 1618884473);
	assert_null(field_parameter(m->parameters, "expires"));
	assert_int_equal(field_member(&d, SPAN("s"))->item_count, 0);
	assert_int_equal(field_member(&d, SPAN("s"))->parameters.count, 1);
}

/* However it was spelled, one spelling is signed (RFC 9651 section 4.1). */
static void written_in_one_spelling(void **state)
{
	static const char *const spellings[][2] = {
		{"a=(  \"b\"   c;x=?1;  y=\"\\\\\" );z=007;w=?0", "(\"b\" c;x;y=\"\\\\\");z=7;w=?0"},
		{"a=:AQID:", ":AQID:"},
		{"a=:AQI=:;p", ":AQI=:;p"},
		{"a=:AQ==:", ":AQ==:"},
		{"a=::", "::"},
		{"a", "?1"},
		{"a;q=1", "?1;q=1"},
		{"a=-0", "0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		struct buffer out = BUFFER_INIT(4096);

		assert_int_equal(parse(spellings[i][0]), 0);
		assert_int_equal(field_write_member(field_member(&d, SPAN("a")), &out), 0);
		assert_text(buffer_span(&out), spellings[i][1]);
		buffer_free(&out);
	}
}

static void what_is_no_dictionary_is_refused(void **state)
{
	static const char *const faults[] = {
		",",
		"a=",
		"a=1,",
		"a=1;",
		"a=1 b=2",
		"A=1",
		"1=1",
		"a=1.5",
		"a=1.",
		"a=-",
		"a=@1",
		"a=\"x",
		"a=\"\\x\"",
		"a=\"\\",
		"a=\"\x7f\"",
		"a=\"\n\"",
		"a=\"\xc3\"",
		"a=:AQI:",
		"a=:A Q=:",
		"a=:AQIDB:",
		"a=:AQ=D:",
		"a=:AQ==AQ==:",
		"a=:AR==:",
		"a=:AQJ=:",
		"a=:AQID",
		"a=:====:",
		"a=?2",
		"a=?",
		"a=(",
		"a=(1",
		"a=(1,2)",
		"a=(1\t2)",
		"a=(1 2))",
		"a=(1;)",
		"a=((1))",
		"a=%\"x\"",
		"a = 1",
		"a= 1",
		"a=1;=2",
		"a=1;b= 2",
		"a=1;B",
		"\ta=1",
		"a=1000000000000000",
		"a=(\"x\"\"y\")",
		"a=1,,b=2",
		"a=1, ",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		if (parse(faults[i]) != FIELD_E_SYNTAX)
			fail_msg("accepted: %s", faults[i]);
	assert_int_equal(field_dictionary_parse(SPAN("a=1\0"), &d), FIELD_E_SYNTAX);
	assert_int_equal(field_dictionary_parse(SPAN("a=(\0)"), &d), FIELD_E_SYNTAX);
}

static void a_key_that_comes_twice_is_refused(void **state)
{
	(void)state;
	assert_int_equal(parse("a=1, b=2, a=1"), FIELD_E_DUPLICATE);
	assert_int_equal(parse("a=1;x;x"), FIELD_E_DUPLICATE);
	assert_int_equal(parse("a=();created=1;created=2"), FIELD_E_DUPLICATE);
	assert_int_equal(parse("a=(1;x 2;x);x"), 0);
}

static void nothing_goes_beyond_its_ceiling(void **state)
{
	struct buffer text = BUFFER_INIT(64 * 1024);

	(void)state;
	for (unsigned i = 0; i <= FIELD_MEMBERS_MAX; i++)
		buffer_printf(&text, "%sm%u", i ? "," : "", i);
	assert_int_equal(field_dictionary_parse(buffer_span(&text), &d), FIELD_E_TOO_LARGE);
	buffer_reset(&text);
	buffer_append_text(&text, "a=(");
	for (unsigned i = 0; i <= FIELD_ITEMS_MAX; i++)
		buffer_append_text(&text, "1 ");
	buffer_append_text(&text, ")");
	assert_int_equal(field_dictionary_parse(buffer_span(&text), &d), FIELD_E_TOO_LARGE);
	buffer_reset(&text);
	buffer_append_text(&text, "a");
	for (unsigned i = 0; i <= FIELD_PARAMETERS_MAX; i++)
		buffer_printf(&text, ";p%u", i);
	assert_int_equal(field_dictionary_parse(buffer_span(&text), &d), FIELD_E_TOO_LARGE);
	buffer_reset(&text);
	buffer_append_text(&text, "a=\"");
	while (text.len < FIELD_BYTES_MAX - 1)
		buffer_append_char(&text, 'x');
	buffer_append_char(&text, '"');
	assert_int_equal(field_dictionary_parse(buffer_span(&text), &d), 0);
	buffer_append_char(&text, ' ');
	assert_int_equal(field_dictionary_parse(buffer_span(&text), &d), FIELD_E_TOO_LARGE);
	buffer_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_every_kind),
		cmocka_unit_test(lists_and_parameters),
		cmocka_unit_test(written_in_one_spelling),
		cmocka_unit_test(what_is_no_dictionary_is_refused),
		cmocka_unit_test(a_key_that_comes_twice_is_refused),
		cmocka_unit_test(nothing_goes_beyond_its_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
