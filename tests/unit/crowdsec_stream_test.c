// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/crowdsec_stream.h"
#include "lib/buffer.h"
#include "lib/util.h"

static struct buffer told = BUFFER_INIT(65536);

static void put(const char *name, struct span text)
{
	if (text.ptr)
		buffer_printf(&told, " %s=%.*s", name, (int)text.len, text.ptr);
}

static int on_decision(void *arg, enum crowdsec_section section, const struct crowdsec_decision *d)
{
	(void)arg;
	buffer_printf(&told, "%s%s", told.len ? "; " : "", section == CROWDSEC_NEW ? "new" : "deleted");
	if (d->id)
		buffer_printf(&told, " %llu", (unsigned long long)d->id);
	put("scope", d->scope);
	put("value", d->value);
	put("type", d->type);
	put("for", d->duration);
	put("origin", d->origin);
	put("scenario", d->scenario);
	buffer_append_text(&told, d->simulated ? " simulated" : "");
	buffer_append_text(&told, d->cut ? " cut" : "");
	return 0;
}

/* In parts of so many bytes. */
static int read_parts(struct span text, size_t part)
{
	struct crowdsec_stream s;

	buffer_reset(&told);
	crowdsec_stream_init(&s, on_decision, NULL);
	for (size_t at = 0; at < text.len; at += part)
		crowdsec_stream_feed(&s, (struct span){text.ptr + at, MIN(part, text.len - at)});
	return crowdsec_stream_end(&s);
}

/* Wherever what arrives is cut, it is the same. */
static void expect(const char *text, int result, const char *decisions)
{
	for (size_t part = 1; part < 9; part++) {
		assert_int_equal(read_parts(span_from(text), part), result);
		buffer_append_char(&told, 0);
		assert_string_equal(told.data, decisions);
	}
	assert_int_equal(read_parts(span_from(text), strlen(text) + 1), result);
}

static void answer_of_version_1_4(void **state)
{
	(void)state;
	expect("{\"deleted\":[{\"duration\":\"-107.704659ms\",\"id\":1,\"origin\":\"cscli\",\"scenario\":"
	       "\"manual "
	       "'ban' from "
	       "'test-machine'\",\"scope\":\"Ip\",\"type\":\"ban\",\"value\":\"192.0.2.1\"}],\"new\":[{"
	       "\"duration\":\"59m59.381836769s\",\"id\":2,\"origin\":\"cscli\",\"scenario\":\"subnet\","
	       "\"scope\":"
	       "\"Range\",\"type\":\"ban\",\"value\":\"198.51.100.0/24\"}]}",
	       0,
	       "deleted 1 scope=Ip value=192.0.2.1 type=ban for=-107.704659ms origin=cscli scenario=manual "
	       "'ban' "
	       "from 'test-machine'; new 2 scope=Range value=198.51.100.0/24 type=ban for=59m59.381836769s "
	       "origin=cscli scenario=subnet");
}

static void answer_of_the_newest_version(void **state)
{
	(void)state;
	expect("{\"new\": "
	       "[{\"id\":7,\"uuid\":\"3f\",\"value\":\"2001:db8::1\",\"scope\":\"ip\",\"type\":\"ban\","
	       "\"duration\":\"4h\",\"origin\":\"CAPI\",\"scenario\":\"x\",\"simulated\":true}], "
	       "\"deleted\": []}\n",
	       0, "new 7 scope=ip value=2001:db8::1 type=ban for=4h origin=CAPI scenario=x simulated");
}

static void lists_that_are_null_or_empty(void **state)
{
	(void)state;
	expect("{\"deleted\":null,\"new\":null}", 0, "");
	expect("{\"new\":[],\"deleted\":[]}", 0, "");
	expect(" { \"new\" : null } ", 0, "");
}

static void members_that_are_not_known_are_skipped(void **state)
{
	(void)state;
	expect("{\"more\":[{\"value\":\"no\"},[1,{\"new\":[{}]}]],\"new\":[{\"value\":\"a\",\"x\":{\"value\":"
	       "\"no\","
	       "\"y\":[1,-2.5e+3,true,false,null]},\"id\":3.5,\"scope\":7,\"origin\":null}]}",
	       0, "new value=a");
	expect("{\"new\":[{\"value\":\"a\",\"id\":-1},{\"id\":99999999999999999999},{\"id\":"
	       "18446744073709551615}]}",
	       0, "new value=a; new; new");
}

static void escapes(void **state)
{
	(void)state;
	expect("{\"new\":[{\"value\":\"\\\"\\\\\\/"
	       "\\t\\u00e4\\ud83d\\ude00\xc3\xa4\",\"sc\\u006fpe\":\"Ip\"}]}",
	       0, "new scope=Ip value=\"\\/\t\xc3\xa4\xf0\x9f\x98\x80\xc3\xa4");
	expect("{\"new\":[{\"value\":\"\\u0000\"}]}", CROWDSEC_E_TEXT, "");
	expect("{\"new\":[{\"value\":\"\\ud83d\"}]}", CROWDSEC_E_TEXT, "");
	expect("{\"new\":[{\"value\":\"\\ud83d\\u0041\"}]}", CROWDSEC_E_TEXT, "");
	expect("{\"new\":[{\"value\":\"\\ude00\"}]}", CROWDSEC_E_TEXT, "");
	expect("{\"new\":[{\"value\":\"\\x\"}]}", CROWDSEC_E_SYNTAX, "");
	expect("{\"new\":[{\"value\":\"\\u00g0\"}]}", CROWDSEC_E_SYNTAX, "");
}

static void text_that_is_not_utf8(void **state)
{
	static const char *const bad[] = {"\x80", "\xc0\xaf",         "\xe0\x80\xaf", "\xed\xa0\x80",
					  "\xc3", "\xf4\x90\x80\x80", "\xff",         "\xe2\x82"};
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof text, "{\"new\":[{\"value\":\"%s\"}]}", bad[i]);
		expect(text, CROWDSEC_E_TEXT, "");
	}
}

static void what_is_too_long_is_cut(void **state)
{
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(4096), want = BUFFER_INIT(4096);

	(void)state;
	buffer_append_text(&b, "{\"new\":[{\"value\":\"");
	for (unsigned i = 0; i < CROWDSEC_TEXT_MAX - 1; i++)
		buffer_append_char(&b, 'v');
	buffer_append_text(&b, "\xc3\xa4 and more\"}]}");
	buffer_append_char(&b, 0);
	buffer_append_text(&want, "new value=");
	for (unsigned i = 0; i < CROWDSEC_TEXT_MAX - 1; i++)
		buffer_append_char(&want, 'v');
	buffer_append_text(&want, " cut");
	buffer_append_char(&want, 0);
	expect(b.data, 0, want.data);
}

static void what_is_no_decision_stream(void **state)
{
	(void)state;
	expect("", CROWDSEC_E_CUT, "");
	expect("{\"new\":[{\"value\":\"a\"}", CROWDSEC_E_CUT, "new value=a");
	expect("{\"new\":[{\"value\":\"a\"", CROWDSEC_E_CUT, "");
	expect("{\"new\":[", CROWDSEC_E_CUT, "");
	expect("{\"new\":nul", CROWDSEC_E_CUT, "");
	expect("null", CROWDSEC_E_SHAPE, "");
	expect("[]", CROWDSEC_E_SHAPE, "");
	expect("{\"message\":\"access forbidden\"}", CROWDSEC_E_SHAPE, "");
	expect("{}", CROWDSEC_E_SHAPE, "");
	expect("{\"new\":{}}", CROWDSEC_E_SHAPE, "");
	expect("{\"new\":true}", CROWDSEC_E_SHAPE, "");
	expect("{\"new\":\"none\"}", CROWDSEC_E_SHAPE, "");
	expect("{\"new\":[null]}", CROWDSEC_E_SHAPE, "");
	expect("{\"new\":[[]]}", CROWDSEC_E_SHAPE, "");
	expect("<html>", CROWDSEC_E_SYNTAX, "");
}

static void what_is_no_json(void **state)
{
	static const char *const bad[] = {"{\"new\":[],}",
					  "{\"new\":[{},]}",
					  "{\"new\":[}",
					  "{\"new\"[]}",
					  "{\"new\":[]}x",
					  "{\"new\":[]}{}",
					  "{\"new\":[{\"id\":01}]}",
					  "{\"new\":[{\"id\":-}]}",
					  "{\"new\":[{\"id\":1.}]}",
					  "{\"new\":[{\"id\":1e}]}",
					  "{\"new\":nuLl}",
					  "{\"new\":[{\"a\":+1}]}",
					  "{\"new\":[{\"a\"}]}",
					  "{new:[]}",
					  "{\"new\":[{\"a\":\"\n\"}]}",
					  "{,}",
					  "{\"new\":[]]",
					  "{\"new\":[{\"id\":1-2}]}",
					  "{\"new\":[{\"a\":--1}]}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(read_parts(span_from(bad[i]), 1 + i % 5), CROWDSEC_E_SYNTAX);
}

static void keys_that_come_twice(void **state)
{
	(void)state;
	expect("{\"new\":[],\"new\":[]}", CROWDSEC_E_DUPLICATE_KEY, "");
	expect("{\"new\":[{\"value\":\"192.0.2.1\",\"value\":\"192.0.2.2\"}]}", CROWDSEC_E_DUPLICATE_KEY, "");
	expect("{\"new\":[{\"value\":\"a\"},{\"value\":\"b\"}],\"deleted\":null}", 0,
	       "new value=a; new value=b");
}

static void depth(void **state)
{
	char text[128];
	size_t n = (size_t)snprintf(text, sizeof text, "{\"x\":");

	(void)state;
	for (unsigned i = 0; i < CROWDSEC_DEPTH_MAX; i++)
		text[n++] = '[';
	text[n] = 0;
	assert_int_equal(read_parts(span_from(text), 3), CROWDSEC_E_TOO_DEEP);
}

static int refuse(void *arg, enum crowdsec_section section, const struct crowdsec_decision *d)
{
	(void)section;
	(void)d;
	++*(int *)arg;
	return -12;
}

static void who_takes_them_may_end_it(void **state)
{
	struct crowdsec_stream s;
	int calls = 0;

	(void)state;
	crowdsec_stream_init(&s, refuse, &calls);
	assert_int_equal(crowdsec_stream_feed(&s, SPAN("{\"new\":[{},{},{}")), -12);
	assert_int_equal(crowdsec_stream_feed(&s, SPAN("]}")), -12);
	assert_int_equal(crowdsec_stream_end(&s), -12);
	assert_int_equal(calls, 1);
}

static int forget(void **state)
{
	(void)state;
	buffer_free(&told);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_of_version_1_4),
		cmocka_unit_test(answer_of_the_newest_version),
		cmocka_unit_test(lists_that_are_null_or_empty),
		cmocka_unit_test(members_that_are_not_known_are_skipped),
		cmocka_unit_test(escapes),
		cmocka_unit_test(text_that_is_not_utf8),
		cmocka_unit_test(what_is_too_long_is_cut),
		cmocka_unit_test(what_is_no_decision_stream),
		cmocka_unit_test(what_is_no_json),
		cmocka_unit_test(keys_that_come_twice),
		cmocka_unit_test(depth),
		cmocka_unit_test(who_takes_them_may_end_it),
	};

	return cmocka_run_group_tests_name("crowdsec_stream", tests, NULL, forget);
}
