// SPDX-License-Identifier: Apache-2.0
/* What goes to a Lunar proxy, and what of its answers is its own: the cases of its haproxy.cfg and lunar.lua.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/attempt.h"
#include "forwarder/backoff.h"
#include "forwarder/fate.h"
#include "forwarder/situation.h"
#include "forwarder/transport_lunar.h"
#include "lib/util.h"

static struct lunar made(const char *url, const char *lunar_url)
{
	struct config_gateway c = {.url = (char *)(uintptr_t)url,
				   .lunar_url = (char *)(uintptr_t)lunar_url,
				   .lunar_tag = (char *)(uintptr_t) "picket",
				   .transport = TRANSPORT_LUNAR};
	struct lunar ret;

	lunar_make(&c, &ret);
	return ret;
}

static void path_goes_to_the_proxy_and_host_into_headers(void **state)
{
	static const struct {
		const char *url, *lunar_url, *expected, *host, *scheme;
	} cases[] = {
		{"https://an.example/v1/verdicts?x=1", "http://lunar:8000",
		 "http://lunar:8000/v1/verdicts?x=1", "x-lunar-host: an.example", "x-lunar-scheme: https"},
		{"http://an.example:9000/a/b#here", "http://lunar:8000/", "http://lunar:8000/a/b",
		 "x-lunar-host: an.example:9000", "x-lunar-scheme: http"},
		{"HTTPS://an.example", "https://lunar.example", "https://lunar.example/",
		 "x-lunar-host: an.example", "x-lunar-scheme: https"},
		{"http://an.example?x=http://y/", "http://lunar:8000", "http://lunar:8000/?x=http://y/",
		 "x-lunar-host: an.example", "x-lunar-scheme: http"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lunar l = made(cases[i].url, cases[i].lunar_url);

		assert_string_equal(l.url, cases[i].expected);
		assert_string_equal(l.lines[0], cases[i].host);
		assert_string_equal(l.lines[1], cases[i].scheme);
		assert_string_equal(l.lines[2], "x-lunar-consumer-tag: picket");
	}
}

/* Its lua keeps what stands before a colon, where a flow rewrites headers. */
static void no_value_of_ours_has_a_colon(void **state)
{
	struct lunar l = made("https://an.example/v1", "http://lunar:8000");
	struct attempt a;

	(void)state;
	assert_int_equal(attempt_new(&a, "0011223344556677-main-17", TRANSPORT_LUNAR), 0);
	assert_string_equal(a.headers[2], "x-lunar-sequence-id: 0011223344556677-main-17");
	assert_null(a.headers[3]);
	for (size_t i = 0; i < ARRAY_SIZE(a.lines); i++)
		assert_null(strchr(strchr(a.lines[i], ':') + 1, ':'));
	for (size_t i = 0; i < LUNAR_HEADERS; i++)
		assert_null(strchr(strchr(l.lines[i], ':') + 1, ':'));
}

static void marks_say_who_answered_and_what_becomes_of_the_batch(void **state)
{
	static const struct {
		unsigned status;
		const char *head, *body;
		enum situation situation;
		enum fate fate;
		unsigned rest_s; /* at least */
	} cases[] = {
		{401, "X-Lunar-Error: 1\r\n", "Could not locate header x-lunar-host", SITUATION_LUNAR_NO_HOST,
		 FATE_REFUSED, 30},
		{503, "x-lunar-error: 1\r\n", "", SITUATION_LUNAR_NO_HOST, FATE_REFUSED, 30},
		{503, "x-lunar-error: 2\r\n", "", SITUATION_LUNAR_UNREACHABLE, FATE_RETRY, 0},
		{504, "x-lunar-error: 3\r\n", "", SITUATION_LUNAR_TIMEOUT, FATE_RETRY, 0},
		{404, "x-lunar-error: 4\r\n", "", SITUATION_LUNAR_NO_ENDPOINT, FATE_REFUSED, 30},
		{503, "x-lunar-error: 5\r\n", "", SITUATION_LUNAR_UNRESOLVED, FATE_RETRY, 10},
		{403, "x-lunar-error: 6\r\n", "", SITUATION_LUNAR_NOT_ALLOWED, FATE_REFUSED, 30},
		{403, "x-lunar-error: 7\r\n", "", SITUATION_LUNAR_NOT_ALLOWED, FATE_REFUSED, 30},
		{403, "", "<h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n",
		 SITUATION_HAPROXY_DENIED, FATE_REFUSED, 30},
		{503, "x-lunar-error: 10\r\n", "", SITUATION_LUNAR_ENDING, FATE_RETRY, 0},
		{503, "x-lunar-error: 8\r\n", "", SITUATION_LUNAR_OTHER, FATE_RETRY, 0},
		{429, "x-lunar-generated: true\r\n", "", SITUATION_LUNAR_QUOTA, FATE_RETRY, 0},
		/* The gateway has not seen the batch. */
		{200, "x-lunar-generated: true\r\n", "{\"verdicts\":[]}", SITUATION_LUNAR_ANSWERED,
		 FATE_RETRY, 0},
		{403, "x-lunar-generated: true\r\n", "", SITUATION_LUNAR_ANSWERED, FATE_REFUSED, 0},
		{202, "X-Lunar-Enqueued: true\r\n", "{\"msg\":\"later\"}", SITUATION_LUNAR_ENQUEUED,
		 FATE_DELIVERED, 0},
		{200, "x-lunar-generated: false\r\n", "", SITUATION_TAKEN, FATE_DELIVERED, 0},
		{401, "x-lunar-sequence-id: a\r\n", "", SITUATION_TOKEN, FATE_REFUSED, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct transport_answer a = {.status = cases[i].status,
						   .error_text = "",
						   .head = span_from(cases[i].head),
						   .body = span_from(cases[i].body)};
		uint64_t rest_ms;

		assert_int_equal(situation_of(&a), cases[i].situation);
		assert_int_equal(fate_of(&a, &rest_ms), cases[i].fate);
		assert_int_equal(rest_ms, cases[i].rest_s * 1000);
		assert_int_equal(situation_is_taken(situation_of(&a)), cases[i].situation == SITUATION_TAKEN);
	}
}

static void its_own_retry_after_is_honoured(void **state)
{
	(void)state;
	assert_int_equal(retry_after_parse(SPAN("X-Lunar-Retry-After"), SPAN(" 7"), 0), 7000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_goes_to_the_proxy_and_host_into_headers),
		cmocka_unit_test(no_value_of_ours_has_a_colon),
		cmocka_unit_test(marks_say_who_answered_and_what_becomes_of_the_batch),
		cmocka_unit_test(its_own_retry_after_is_honoured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
