// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/json_read.h"
#include "lib/util.h"

static const struct json_limits limits = {1 << 24, 8, 300000};

struct text_case {
	struct span text;
	int error;
	size_t offset;
};

#define CASE(text, ...)                 \
	{                               \
		SPAN(text), __VA_ARGS__ \
	}

static void expect_all(const struct text_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cJSON *json = NULL;
		size_t offset = 0;
		int r = json_parse(cases[i].text, &limits, &json, &offset);
		if (r != cases[i].error || offset != cases[i].offset)
			fail_msg("%.*s: %s at %zu", (int)cases[i].text.len, cases[i].text.ptr,
				 json_error_name(r), offset);
		if (r)
			assert_null(json);
		cJSON_Delete(json);
	}
}

static void sound_json_is_read(void **state)
{
	static const struct text_case cases[] = {
		CASE("{}", 0, 0),
		CASE("[]", 0, 0),
		CASE(" \t\r\n null \n", 0, 0),
		CASE("true", 0, 0),
		CASE("\"\"", 0, 0),
		CASE("-0", 0, 0),
		CASE("1.5e-3", 0, 0),
		CASE("1E+3", 0, 0),
		CASE("1e-999", 0, 0),
		CASE("[1, {\"a\": [true, false, null]}, \"\\u20ac\\ud83d\\udc1e\\/\\b\"]", 0, 0),
		CASE("{\"a\":{\"a\":1},\"b\":{\"a\":2}}", 0, 0),
		CASE("[[[[[[[[1]]]]]]]]", 0, 0),
		CASE("\"\xf0\x9f\x90\x9e\x7f\"", 0, 0),
	};

	(void)state;
	expect_all(cases, ARRAY_SIZE(cases));
}

/* Each of these cJSON takes, as something else than was sent. */
static void what_the_library_would_let_through_is_refused(void **state)
{
	static const struct text_case cases[] = {
		CASE("{} x", JSON_E_TRAILING, 3),
		CASE("{}{}", JSON_E_TRAILING, 2),
		CASE("1 2", JSON_E_TRAILING, 2),
		CASE("{}\0", JSON_E_TRAILING, 2),
		CASE("{\"ttl_s\":1e999}", JSON_E_NUMBER, 9),
		CASE("[-1e400]", JSON_E_NUMBER, 1),
		CASE("{\"a\":1,\"a\":2}", JSON_E_DUPLICATE_KEY, 7),
		CASE("{\"a\":1,\"b\":2,\"\\u0061\":3}", JSON_E_DUPLICATE_KEY, 13),
		CASE("[{\"x\":{\"\\/\":1,\"/\":2}}]", JSON_E_DUPLICATE_KEY, 14),
		CASE("{\"\":1,\"\":2}", JSON_E_DUPLICATE_KEY, 6),
		CASE("\"192.0.2.1\\u0000.evil\"", JSON_E_NUL, 16),
		CASE("{\"a\\u0000b\":1}", JSON_E_NUL, 9),
		CASE("[01]", JSON_E_SYNTAX, 2),
		CASE("[-01]", JSON_E_SYNTAX, 3),
		CASE("[1.]", JSON_E_SYNTAX, 3),
		CASE("[.5]", JSON_E_SYNTAX, 1),
		CASE("[+1]", JSON_E_SYNTAX, 1),
		CASE("[1e]", JSON_E_SYNTAX, 3),
		CASE("[0x10]", JSON_E_SYNTAX, 2),
		CASE("\"\xff\"", JSON_E_UTF8, 1),
		CASE("\"\xc0\xaf\"", JSON_E_UTF8, 1),
		CASE("\"\xed\xa0\x80\"", JSON_E_UTF8, 1),
		CASE("\"\xe2\x82\"", JSON_E_UTF8, 1),
		CASE("\"\\ud83d\"", JSON_E_UTF8, 7),
		CASE("\"\\udc1e\"", JSON_E_UTF8, 7),
		CASE("\"\\ud83d\\u0041\"", JSON_E_UTF8, 13),
		CASE("\"a\nb\"", JSON_E_SYNTAX, 2),
		CASE("\xef\xbb\xbf{}", JSON_E_SYNTAX, 0),
	};

	(void)state;
	expect_all(cases, ARRAY_SIZE(cases));
}

static void broken_json_is_refused(void **state)
{
	static const struct text_case cases[] = {
		CASE("", JSON_E_SYNTAX, 0),           CASE("   ", JSON_E_SYNTAX, 3),
		CASE("{", JSON_E_SYNTAX, 1),          CASE("[1,]", JSON_E_SYNTAX, 3),
		CASE("{\"a\":1,}", JSON_E_SYNTAX, 7), CASE("{\"a\" 1}", JSON_E_SYNTAX, 5),
		CASE("{a:1}", JSON_E_SYNTAX, 1),      CASE("[1 2]", JSON_E_SYNTAX, 3),
		CASE("'a'", JSON_E_SYNTAX, 0),        CASE("\"a", JSON_E_SYNTAX, 2),
		CASE("\"\\x\"", JSON_E_SYNTAX, 2),    CASE("\"\\u12g4\"", JSON_E_SYNTAX, 5),
		CASE("\"\\", JSON_E_SYNTAX, 2),       CASE("nul", JSON_E_SYNTAX, 0),
		CASE("True", JSON_E_SYNTAX, 0),       CASE("NaN", JSON_E_SYNTAX, 0),
		CASE("-", JSON_E_SYNTAX, 1),          CASE("[1]]", JSON_E_TRAILING, 3),
		CASE("<html>", JSON_E_SYNTAX, 0),     CASE("/* c */ 1", JSON_E_SYNTAX, 0),
	};

	(void)state;
	expect_all(cases, ARRAY_SIZE(cases));
}

static void each_limit_holds(void **state)
{
	static const struct json_limits small = {32, 3, 5};
	cJSON *json;

	(void)state;
	assert_int_equal(json_parse(SPAN("[[[1]]]"), &small, &json, NULL), 0);
	cJSON_Delete(json);
	assert_int_equal(json_parse(SPAN("[[[[1]]]]"), &small, &json, NULL), JSON_E_TOO_DEEP);
	assert_int_equal(json_parse(SPAN("[1,2,3,4]"), &small, &json, NULL), 0);
	cJSON_Delete(json);
	assert_int_equal(json_parse(SPAN("[1,2,3,4,5]"), &small, &json, NULL), JSON_E_TOO_MANY);
	assert_int_equal(json_parse(SPAN("\"123456789012345678901234567890\""), &small, &json, NULL), 0);
	cJSON_Delete(json);
	assert_int_equal(json_parse(SPAN("\"1234567890123456789012345678901\""), &small, &json, NULL),
			 JSON_E_TOO_LARGE);
}

static void nesting_is_bounded_whatever_is_allowed(void **state)
{
	static const struct json_limits wide = {1 << 24, UINT32_MAX, UINT32_MAX};
	_cleanup_free_ char *deep = malloc(1 << 20);
	cJSON *json;

	(void)state;
	memset(deep, '[', 1 << 20);
	assert_int_equal(json_parse((struct span){deep, 1 << 20}, &wide, &json, NULL), JSON_E_TOO_DEEP);
}

static void number_longer_than_the_library_copies_is_refused(void **state)
{
	char text[80];
	cJSON *json;

	(void)state;
	memset(text, '1', sizeof text);
	assert_int_equal(json_parse((struct span){text, 63}, &limits, &json, NULL), 0);
	cJSON_Delete(json);
	assert_int_equal(json_parse((struct span){text, 64}, &limits, &json, NULL), JSON_E_NUMBER);
}

static void many_keys_take_no_quadratic_time(void **state)
{
	struct buffer b = BUFFER_INIT(1 << 24);
	cJSON *json;

	(void)state;
	buffer_append_char(&b, '{');
	for (int i = 0; i < 200000; i++)
		buffer_printf(&b, "\"%d\\u0061\":0,", i);
	buffer_append_text(&b, "\"7a\":0}");
	uint64_t began = clock_boot_ns(&clock_system);
	assert_int_equal(json_parse(buffer_span(&b), &limits, &json, NULL), JSON_E_DUPLICATE_KEY);
	assert_true(clock_boot_ns(&clock_system) - began < 5 * NS_PER_S);
	buffer_free(&b);
}

static void strings_come_out_decoded(void **state)
{
	cJSON *json;

	(void)state;
	assert_int_equal(json_parse(SPAN("{\"k\":\"\\ud83d\\udc1e\\n\\\"\",\"K\":\"other\",\"n\":1}"),
				    &limits, &json, NULL),
			 0);
	assert_string_equal(json_get_text(json, "k"), "\xf0\x9f\x90\x9e\n\"");
	assert_string_equal(json_get_text(json, "K"), "other");
	assert_null(json_get_text(json, "n"));
	assert_null(json_get_text(json, "absent"));
	cJSON_Delete(json);
}

static void integer_is_taken_only_where_it_is_exact(void **state)
{
	int64_t v = -7;
	cJSON *json;

	(void)state;
	assert_int_equal(json_parse(SPAN("{\"a\":42,\"b\":-3,\"c\":1.5,\"d\":\"42\",\"e\":9007199254740992,"
					 "\"f\":9007199254740991,\"g\":1e300,\"h\":1e2,\"i\":null}"),
				    &limits, &json, NULL),
			 0);
	assert_int_equal(json_get_int(json, "absent", 0, 100, &v), 1);
	assert_int_equal(json_get_int(json, "b", 0, 100, &v), 2);
	assert_int_equal(json_get_int(json, "c", 0, 100, &v), 2);
	assert_int_equal(json_get_int(json, "d", 0, 100, &v), 2);
	assert_int_equal(json_get_int(json, "e", INT64_MIN, INT64_MAX, &v), 2);
	assert_int_equal(json_get_int(json, "g", INT64_MIN, INT64_MAX, &v), 2);
	assert_int_equal(json_get_int(json, "i", 0, 100, &v), 2);
	assert_int_equal(v, -7);
	assert_int_equal(json_get_int(json, "a", 0, 100, &v), 0);
	assert_int_equal(v, 42);
	assert_int_equal(json_get_int(json, "a", 0, 41, &v), 2);
	assert_int_equal(json_get_int(json, "f", INT64_MIN, INT64_MAX, &v), 0);
	assert_true(v == 9007199254740991);
	assert_int_equal(json_get_int(json, "h", 0, 100, &v), 0);
	assert_int_equal(v, 100);
	cJSON_Delete(json);
}

static void bool_is_taken_only_where_it_is_one(void **state)
{
	cJSON *json;

	(void)state;
	assert_int_equal(
		json_parse(SPAN("{\"a\":true,\"b\":false,\"c\":1,\"d\":\"true\"}"), &limits, &json, NULL), 0);
	assert_true(json_get_bool(json, "a", false));
	assert_false(json_get_bool(json, "b", true));
	assert_false(json_get_bool(json, "c", false));
	assert_true(json_get_bool(json, "d", true));
	assert_true(json_get_bool(json, "absent", true));
	cJSON_Delete(json);
}

static void errors_have_names(void **state)
{
	(void)state;
	assert_string_equal(json_error_name(0), "ok");
	assert_string_equal(json_error_name(JSON_E_DUPLICATE_KEY), "duplicate_key");
	assert_string_equal(json_error_name(JSON_E_TRAILING), "trailing");
	assert_string_equal(json_error_name(-12), "memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_json_is_read),
		cmocka_unit_test(what_the_library_would_let_through_is_refused),
		cmocka_unit_test(broken_json_is_refused),
		cmocka_unit_test(each_limit_holds),
		cmocka_unit_test(nesting_is_bounded_whatever_is_allowed),
		cmocka_unit_test(number_longer_than_the_library_copies_is_refused),
		cmocka_unit_test(many_keys_take_no_quadratic_time),
		cmocka_unit_test(strings_come_out_decoded),
		cmocka_unit_test(integer_is_taken_only_where_it_is_exact),
		cmocka_unit_test(bool_is_taken_only_where_it_is_one),
		cmocka_unit_test(errors_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
