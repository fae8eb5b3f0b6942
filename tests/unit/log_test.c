// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>
#include "lib/buffer.h"
#include "lib/json_read.h"
#include "lib/log.h"
#include "lib/util.h"

static char line[128 * 1024];
static int saved = -1;
static FILE *caught;

/* stderr goes to a file until catch_end, which leaves what was written in `line`. */
static void catch_begin(void)
{
	caught = tmpfile();
	assert_non_null(caught);
	saved = dup(STDERR_FILENO);
	dup2(fileno(caught), STDERR_FILENO);
}

static const char *catch_end(void)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(caught);
	line[fread(line, 1, sizeof line - 1, caught)] = 0;
	fclose(caught);
	return line;
}

/* Behind the time. */
static const char *without_time(const char *text)
{
	assert_true(strlen(text) > 31);
	assert_int_equal(text[10], 'T');
	assert_memory_equal(text + 29, "Z ", 2);
	return text + 31;
}

static void plain_values_stand_as_they_are(void **state)
{
	(void)state;
	log_setup("warden", LOG_INFO, LOG_LOGFMT);
	catch_begin();
	log_info("attached", LOG_S("interface", "eth0"), LOG_I("delta", -3), LOG_U("count", UINT64_MAX));
	assert_string_equal(without_time(catch_end()),
			    "info    warden: attached interface=eth0 delta=-3 count=18446744073709551615\n");
}

static void outside_bytes_forge_no_line_and_reach_no_terminal(void **state)
{
	static const char hostile[] = "a\nerror forged=1\r\033]0;owned\007\x9b"
				      "31m\xff\xc2\x9b caf\xc3\xa9 \"\\";

	(void)state;
	log_setup("sensor", LOG_INFO, LOG_LOGFMT);
	catch_begin();
	log_warning("odd request", LOG_SPAN("target", ((struct span){hostile, sizeof hostile - 1})));
	const char *text = catch_end();
	assert_string_equal(
		without_time(text),
		"warning sensor: odd request target=\"a\\nerror forged=1\\r\\x1b]0;owned\\x07\\x9b31m\\xff"
		"\\xc2\\x9b caf\\xc3\\xa9 \\\"\\\\\"\n");
	for (const char *c = text; c[1]; c++)
		assert_true(*c >= ' ' && *c <= '~');
}

static void value_that_could_be_misread_is_quoted(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"", "\"\""},           {"a b", "\"a b\""},    {"a=b", "\"a=b\""},
		{"a\"b", "\"a\\\"b\""}, {"a\tb", "\"a\\tb\""}, {"plain/1.0", "plain/1.0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buffer b = BUFFER_INIT(100);
		log_quote(&b, span_from(cases[i].in));
		assert_true(span_equal(buffer_span(&b), span_from(cases[i].out)));
		buffer_free(&b);
	}
}

static void json_line_is_one_sound_object(void **state)
{
	static const struct json_limits limits = {sizeof line, 4, 100};
	static const char hostile[] = "a\nb\033[2J\xff\xc2\x9b\"";
	cJSON *json;

	(void)state;
	log_setup("sensor", LOG_INFO, LOG_JSON);
	catch_begin();
	log_error("no\nway", LOG_SPAN("target", ((struct span){hostile, sizeof hostile - 1})), LOG_U("n", 7),
		  LOG_ERRNO(-ENOENT));
	const char *text = catch_end();
	size_t len = strlen(text);
	assert_int_equal(text[len - 1], '\n');
	for (size_t i = 0; i + 1 < len; i++)
		assert_false((unsigned char)text[i] < ' ' || text[i] == 0x7f);
	assert_null(memmem(text, len, "\xc2\x9b", 2));
	assert_int_equal(json_parse((struct span){text, len}, &limits, &json, NULL), 0);
	assert_string_equal(json_get_text(json, "level"), "error");
	assert_string_equal(json_get_text(json, "process"), "sensor");
	assert_string_equal(json_get_text(json, "message"), "no\nway");
	assert_string_equal(json_get_text(json, "target"), "a\nb\033[2J\xef\xbf\xbd\xc2\x9b\"");
	assert_string_equal(json_get_text(json, "error"), "No such file or directory");
	cJSON_Delete(json);
}

static void lines_above_the_level_are_not_written(void **state)
{
	(void)state;
	log_setup("sensor", LOG_WARNING, LOG_LOGFMT);
	catch_begin();
	log_info("hidden");
	log_debug("hidden");
	log_warning("shown");
	assert_string_equal(without_time(catch_end()), "warning sensor: shown\n");
}

static void long_value_is_cut_and_marked(void **state)
{
	_cleanup_free_ char *big = malloc(100001);
	static const struct json_limits limits = {sizeof line, 4, 100};
	cJSON *json;

	(void)state;
	memset(big, '\033', 100000);
	big[100000] = 0;
	log_setup("sensor", LOG_INFO, LOG_LOGFMT);
	catch_begin();
	log_info("big", LOG_S("v", big), LOG_S("w", "next"));
	catch_end();
	assert_non_null(strstr(line, "\\x1b...\" w=next\n"));
	assert_true(strlen(line) < 5000);
	log_setup("sensor", LOG_INFO, LOG_JSON);
	catch_begin();
	log_info("big", LOG_S("v", big), LOG_S("w", "next"));
	assert_int_equal(json_parse(span_from(catch_end()), &limits, &json, NULL), 0);
	assert_string_equal(json_get_text(json, "w"), "next");
	cJSON_Delete(json);
}

static void line_that_is_too_long_loses_its_fields_but_stays_whole(void **state)
{
	_cleanup_free_ char *big = malloc(1025);
	struct log_field fields[30];
	static const struct json_limits limits = {sizeof line, 4, 100};
	cJSON *json;

	(void)state;
	memset(big, 1, 1024);
	big[1024] = 0;
	for (size_t i = 0; i + 1 < ARRAY_SIZE(fields); i++)
		fields[i] = LOG_S("v", big);
	fields[ARRAY_SIZE(fields) - 1] = (struct log_field){.key = NULL};
	log_setup("sensor", LOG_INFO, LOG_JSON);
	catch_begin();
	log_write(LOG_INFO, "too much", fields);
	assert_int_equal(json_parse(span_from(catch_end()), &limits, &json, NULL), 0);
	assert_string_equal(json_get_text(json, "message"), "too much");
	assert_null(json_get_text(json, "v"));
	cJSON_Delete(json);
}

static void level_names_read_back(void **state)
{
	enum log_level level;

	(void)state;
	assert_int_equal(log_level_parse(SPAN("debug"), &level), 0);
	assert_int_equal(level, LOG_DEBUG);
	assert_string_equal(log_level_name(LOG_WARNING), "warning");
	assert_int_equal(log_level_parse(SPAN("warn"), &level), 1);
	assert_int_equal(log_level_parse(SPAN("INFO"), &level), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_values_stand_as_they_are),
		cmocka_unit_test(outside_bytes_forge_no_line_and_reach_no_terminal),
		cmocka_unit_test(value_that_could_be_misread_is_quoted),
		cmocka_unit_test(json_line_is_one_sound_object),
		cmocka_unit_test(lines_above_the_level_are_not_written),
		cmocka_unit_test(long_value_is_cut_and_marked),
		cmocka_unit_test(line_that_is_too_long_loses_its_fields_but_stays_whole),
		cmocka_unit_test(level_names_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
