// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/json_read.h"
#include "lib/json_write.h"
#include "lib/utf8.h"
#include "lib/util.h"

static const struct json_limits limits = {1 << 20, 32, 10000};

#define EXPECT(b, text) assert_true(span_equal(buffer_span(&(b)), SPAN(text)))

static void commas_stand_where_they_belong(void **state)
{
	struct buffer b = BUFFER_INIT(1000);
	struct json_writer w = JSON_WRITER(&b);

	(void)state;
	json_array_begin(&w);
	json_object_begin(&w);
	json_object_end(&w);
	json_object_begin(&w);
	json_key(&w, "a");
	json_int(&w, 1);
	json_key(&w, "b");
	json_array_begin(&w);
	json_array_end(&w);
	json_key(&w, "c");
	json_object_begin(&w);
	json_key(&w, "d");
	json_null(&w);
	json_object_end(&w);
	json_key(&w, "e");
	json_raw(&w, SPAN("[1]"));
	json_object_end(&w);
	json_bool(&w, true);
	json_bool(&w, false);
	json_text(&w, NULL);
	json_text(&w, "t");
	json_array_end(&w);
	EXPECT(b, "[{},{\"a\":1,\"b\":[],\"c\":{\"d\":null},\"e\":[1]},true,false,null,\"t\"]");
	buffer_free(&b);
}

static void integers_are_exact_to_the_last_digit(void **state)
{
	struct buffer b = BUFFER_INIT(1000);
	struct json_writer w = JSON_WRITER(&b);

	(void)state;
	json_array_begin(&w);
	json_int(&w, INT64_MIN);
	json_int(&w, INT64_MAX);
	json_int(&w, -1);
	json_int(&w, 0);
	json_uint(&w, UINT64_MAX);
	json_uint_string(&w, 9007199254740993u);
	json_uint_string(&w, 0);
	for (uint64_t v = 9; v < 2000000; v = v * 10 + 9) {
		json_uint(&w, v);
		json_uint(&w, v + 1);
	}
	json_array_end(&w);
	EXPECT(b, "[-9223372036854775808,9223372036854775807,-1,0,18446744073709551615,\"9007199254740993\","
		  "\"0\","
		  "9,10,99,100,999,1000,9999,10000,99999,100000,999999,1000000]");
	buffer_free(&b);
}

static void doubles_read_back_as_they_were(void **state)
{
	static const double values[] = {0, -0.0, 0.1, 1.0 / 3, 5e-324, DBL_MAX, DBL_MIN, 1e21, 123456789.125};
	struct buffer b = BUFFER_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		struct json_writer w = JSON_WRITER(&b);
		cJSON *json;
		buffer_reset(&b);
		json_double(&w, values[i]);
		assert_int_equal(json_parse(buffer_span(&b), &limits, &json, NULL), 0);
		assert_true(json->valuedouble == values[i]);
		cJSON_Delete(json);
	}
	struct json_writer w = JSON_WRITER(&b);
	buffer_reset(&b);
	json_array_begin(&w);
	json_double(&w, 0.8);
	json_double(&w, NAN);
	json_double(&w, INFINITY);
	json_array_end(&w);
	EXPECT(b, "[0.8,null,null]");
	buffer_free(&b);
}

static void expect_text(struct span in, const char *out)
{
	struct buffer b = BUFFER_INIT(1000);
	struct json_writer w = JSON_WRITER(&b);

	json_string(&w, in);
	assert_true(span_equal(buffer_span(&b), span_from(out)));
	buffer_free(&b);
}

static void text_is_escaped_where_it_must_be(void **state)
{
	(void)state;
	expect_text(SPAN_NULL, "\"\"");
	expect_text(SPAN("plain text, long enough for whole words"),
		    "\"plain text, long enough for whole words\"");
	expect_text(SPAN("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	expect_text(SPAN("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"");
	expect_text(SPAN("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\\u007f\"");
	/* The C1 controls: terminals obey U+009B as they do ESC [. */
	expect_text(SPAN("\xc2\x9b"
			 "31m"),
		    "\"\\u009b31m\"");
	expect_text(SPAN("\xc2\xa0\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9e"),
		    "\"\xc2\xa0\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9e\"");
}

static void bytes_that_are_no_utf8_become_replacement_characters(void **state)
{
	(void)state;
	expect_text(SPAN("a\xff"
			 "b"),
		    "\"a\xef\xbf\xbd"
		    "b\"");
	expect_text(SPAN("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");                 /* overlong '/' */
	expect_text(SPAN("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* surrogate */
	expect_text(SPAN("\xf4\x90\x80\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	expect_text(SPAN("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\""); /* cut off */
	expect_text(SPAN("\xe2\x82\""), "\"\xef\xbf\xbd\xef\xbf\xbd\\\"\"");
}

/* Every byte at every place of a word: what is skipped eight at a time must be what needs no care. */
static void each_byte_is_treated_alike_wherever_it_stands(void **state)
{
	struct buffer b = BUFFER_INIT(1000);

	(void)state;
	for (int c = 0; c < 256; c++) {
		struct buffer alone = BUFFER_INIT(100);
		struct json_writer w = JSON_WRITER(&alone);
		char text[17];
		json_string(&w, (struct span){(char[]){(char)c}, 1});
		for (size_t at = 0; at < sizeof text; at++) {
			memset(text, 'a', sizeof text);
			text[at] = (char)c;
			w = JSON_WRITER(&b);
			buffer_reset(&b);
			json_string(&w, (struct span){text, sizeof text});
			assert_int_equal(b.len, alone.len + sizeof text - 1);
			assert_memory_equal(b.data + 1 + at, alone.data + 1, alone.len - 2);
			assert_true(utf8_valid(buffer_span(&b)));
		}
		buffer_free(&alone);
	}
	buffer_free(&b);
}

static void outside_bytes_may_be_part_of_a_key(void **state)
{
	struct buffer b = BUFFER_INIT(1000);
	struct json_writer w = JSON_WRITER(&b);

	(void)state;
	json_object_begin(&w);
	json_key_span(&w, "http.request.header.", SPAN("x-a"));
	json_int(&w, 1);
	json_key_span(&w, "h.", SPAN("\"\n\xff"));
	json_int(&w, 2);
	json_key_span(&w, "", SPAN_NULL);
	json_int(&w, 3);
	json_object_end(&w);
	EXPECT(b, "{\"http.request.header.x-a\":1,\"h.\\\"\\n\xef\xbf\xbd\":2,\"\":3}");
	buffer_free(&b);
}

static void write_something(struct json_writer *w)
{
	json_object_begin(w);
	json_key(w, "list");
	json_array_begin(w);
	json_uint(w, 12345);
	json_string(w, SPAN("a text with \"quotes\" and \n\n\n\n"));
	json_double(w, 1.5);
	json_array_end(w);
	json_key_span(w, "k.", SPAN("\x01\x01\x01"));
	json_bool(w, true);
	json_object_end(w);
}

static void ceiling_cuts_at_a_place_and_nothing_follows(void **state)
{
	struct buffer whole = BUFFER_INIT(1000);

	(void)state;
	write_something(&(struct json_writer){.out = &whole});
	for (size_t max = 0; max < whole.len; max++) {
		struct buffer b = BUFFER_INIT(max);
		write_something(&(struct json_writer){.out = &b});
		assert_true(b.truncated);
		assert_true(b.len <= max);
		assert_memory_equal(b.data ? b.data : "", whole.data, b.len);
		buffer_free(&b);
	}
	buffer_free(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_stand_where_they_belong),
		cmocka_unit_test(integers_are_exact_to_the_last_digit),
		cmocka_unit_test(doubles_read_back_as_they_were),
		cmocka_unit_test(text_is_escaped_where_it_must_be),
		cmocka_unit_test(bytes_that_are_no_utf8_become_replacement_characters),
		cmocka_unit_test(each_byte_is_treated_alike_wherever_it_stands),
		cmocka_unit_test(outside_bytes_may_be_part_of_a_key),
		cmocka_unit_test(ceiling_cuts_at_a_place_and_nothing_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
