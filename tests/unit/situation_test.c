// SPDX-License-Identifier: Apache-2.0
/* Each known situation is found by what libcurl and gateways really say, and has words and a mend. */
#include "forwarder/situation.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "lib/util.h"

static const struct {
	CURLcode error;
	const char *text; /* libcurl's, or the body */
	unsigned status;
	enum situation expected;
} cases[] = {
	{CURLE_COULDNT_RESOLVE_HOST, "Could not resolve host: gw", 0, SITUATION_NO_ADDRESS},
	{CURLE_COULDNT_RESOLVE_PROXY, "Could not resolve proxy: p", 0, SITUATION_PROXY_NO_ADDRESS},
	{CURLE_PROXY, "", 0, SITUATION_PROXY_REFUSED},
	{CURLE_COULDNT_CONNECT, "CONNECT tunnel failed, response 407", 0, SITUATION_PROXY_REFUSED},
	{CURLE_RECV_ERROR, "CONNECT tunnel failed, response 403", 0, SITUATION_PROXY_REFUSED},
	{CURLE_COULDNT_CONNECT,
	 "Failed to connect to 127.0.0.1 port 9 after 0 ms: Couldn't connect to server", 0,
	 SITUATION_NO_CONNECTION},
	{CURLE_OPERATION_TIMEDOUT, "Operation timed out after 200 milliseconds with 0 bytes received", 0,
	 SITUATION_SLOW},
	{CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: certificate has expired", 0,
	 SITUATION_TLS_EXPIRED},
	{CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: certificate is not yet valid", 0,
	 SITUATION_TLS_NOT_YET},
	{CURLE_PEER_FAILED_VERIFICATION,
	 "SSL: no alternative certificate subject name matches target host name 'localhost'", 0,
	 SITUATION_TLS_NAME},
	{CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: self-signed certificate", 0,
	 SITUATION_TLS_UNTRUSTED},
	{CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: unable to get local issuer certificate", 0,
	 SITUATION_TLS_UNTRUSTED},
	{CURLE_SSL_PINNEDPUBKEYNOTMATCH, "SSL: public key does not match pinned public key", 0,
	 SITUATION_TLS_PIN},
	{CURLE_SSL_CACERT_BADFILE, "error importing CA certificate blob", 0, SITUATION_TLS_CA},
	{CURLE_SSL_CACERT_BADFILE, "error setting certificate file: /etc/ssl/certs/ca-certificates.crt", 0,
	 SITUATION_TLS_NO_SYSTEM},
	{CURLE_SSL_CONNECT_ERROR, "error:0A00010B:SSL routines::wrong version number", 0, SITUATION_TLS_NONE},
	{CURLE_SSL_CONNECT_ERROR, "error:0A000438:SSL routines::tlsv1 alert internal error", 0,
	 SITUATION_CLIENT_REFUSED},
	{CURLE_SSL_CONNECT_ERROR, "error:0A0000C6:SSL routines::something else", 0, SITUATION_TLS},
	{CURLE_RECV_ERROR, "SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required", 0,
	 SITUATION_CLIENT_WANTED},
	{CURLE_RECV_ERROR, "SSL_read: error:0A000412:SSL routines::sslv3 alert bad certificate", 0,
	 SITUATION_CLIENT_REFUSED},
	{CURLE_UNSUPPORTED_PROTOCOL, "Received HTTP/0.9 when not allowed", 0, SITUATION_NO_HTTP},
	{CURLE_WEIRD_SERVER_REPLY, "", 0, SITUATION_NO_HTTP},
	{CURLE_GOT_NOTHING, "Empty reply from server", 0, SITUATION_BROKEN},
	{CURLE_RECV_ERROR, "Recv failure: Connection reset by peer", 0, SITUATION_BROKEN},
	{CURLE_PARTIAL_FILE, "transfer closed with 9 bytes remaining to read", 200, SITUATION_BROKEN},
	{CURLE_OK, "", 204, SITUATION_TAKEN},
	{CURLE_OK, "", 307, SITUATION_REDIRECT},
	{CURLE_OK, "<center>No required SSL certificate was sent</center>", 400, SITUATION_CLIENT_WANTED},
	{CURLE_OK, "<center>The SSL certificate error</center>", 400, SITUATION_CLIENT_REFUSED},
	{CURLE_OK, "<center>The plain HTTP request was sent to HTTPS port</center>", 400,
	 SITUATION_TLS_EXPECTED},
	{CURLE_OK, "bad", 400, SITUATION_REFUSED},
	{CURLE_OK, "", 401, SITUATION_TOKEN},
	{CURLE_OK, "Forbidden", 403, SITUATION_FORBIDDEN},
	{CURLE_OK, "", 404, SITUATION_NOT_FOUND},
	{CURLE_OK, "", 405, SITUATION_NOT_FOUND},
	{CURLE_OK, "", 408, SITUATION_GAVE_UP},
	{CURLE_OK, "", 413, SITUATION_TOO_MUCH},
	{CURLE_OK, "", 415, SITUATION_CONTENT_TYPE},
	{CURLE_OK, "", 429, SITUATION_SLOW_DOWN},
	{CURLE_OK, "", 503, SITUATION_FAILED},
	{CURLE_OK, "", 499, SITUATION_REFUSED},
	{CURLE_OK, "<h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n", 403,
	 SITUATION_HAPROXY_DENIED},
	/* As Portkey 1.x says it. */
	{CURLE_OK, "{\"hook_results\":{}}", 446, SITUATION_GUARDRAIL},
	{CURLE_OK, "{\"choices\":[]}", 246, SITUATION_GUARDRAIL_PASSED},
	{CURLE_OK, "{\"status\":\"failure\",\"message\":\"Either x-portkey-config or x-portkey-provider\"}",
	 400, SITUATION_PORTKEY_CONFIG},
	{CURLE_OK, "{\"html-message\":\"Message: fetch failed\"}", 500, SITUATION_PROVIDER_UNREACHABLE},
	/* APIPark and apinto. */
	{CURLE_OK, "missing or invalid token", 401, SITUATION_APIPARK_KEY},
	{CURLE_OK, "apikey error: the key is expired", 401, SITUATION_APIPARK_KEY},
	{CURLE_OK, "the app(demo) is disabled", 401, SITUATION_APIPARK_KEY},
	{CURLE_OK, "router disable", 404, SITUATION_APIPARK_ROUTE},
	{CURLE_OK, "provider not found", 400, SITUATION_APIPARK_PROVIDER},
	{CURLE_OK, "all key resources for provider x is invalid", 400, SITUATION_APIPARK_PROVIDER},
	{CURLE_OK, "", 501, SITUATION_NO_UPSTREAM},
	/* Providers, passed through. */
	{CURLE_OK, "{\"error\":{\"type\":\"exceeded_current_quota_error\"}}", 429, SITUATION_QUOTA},
	{CURLE_OK, "{\"error\":{\"code\":\"insufficient_quota\"}}", 429, SITUATION_QUOTA},
	{CURLE_OK, "{\"error\":{\"type\":\"budget_exceeded\"}}", 400, SITUATION_QUOTA},
	{CURLE_OK, "{\"error\":{\"type\":\"engine_overloaded_error\"}}", 429, SITUATION_SLOW_DOWN},
	{CURLE_OK,
	 "{\"error\":{\"message\":\"The request was rejected because it was considered high risk\"}}", 400,
	 SITUATION_CONTENT_FILTER},
	{CURLE_OK, "{\"error\":{\"code\":\"context_length_exceeded\"}}", 400, SITUATION_TOO_MUCH},
	{CURLE_OK, "{\"error\":{\"code\":\"model_not_found\"}}", 404, SITUATION_MODEL},
	{CURLE_OK, "{\"error\":{\"message\":\"Invalid parameter: 'response_format'\"}}", 400,
	 SITUATION_RESPONSE_FORMAT},
	{CURLE_OK, "{\"error\":{\"message\":\"Use 'max_completion_tokens' instead\"}}", 400,
	 SITUATION_MAX_TOKENS},
	{CURLE_OK, "{\"error\":{\"message\":\"invalid temperature: only 1 is allowed\"}}", 400,
	 SITUATION_TEMPERATURE},
};

/* Known by a field of the head. */
static const struct {
	unsigned status;
	enum situation expected;
	const char *head;
} headed[] = {
	{503, SITUATION_LUNAR_NO_HOST, "x-lunar-error: 1\r\n"},
	{503, SITUATION_LUNAR_UNREACHABLE, "x-lunar-error: 2\r\n"},
	{504, SITUATION_LUNAR_TIMEOUT, "x-lunar-error: 3\r\n"},
	{404, SITUATION_LUNAR_NO_ENDPOINT, "x-lunar-error: 4\r\n"},
	{503, SITUATION_LUNAR_UNRESOLVED, "x-lunar-error: 5\r\n"},
	{403, SITUATION_LUNAR_NOT_ALLOWED, "x-lunar-error: 7\r\n"},
	{503, SITUATION_LUNAR_ENDING, "x-lunar-error: 10\r\n"},
	{503, SITUATION_LUNAR_OTHER, "x-lunar-error: 11\r\n"},
	{429, SITUATION_LUNAR_QUOTA, "x-lunar-generated: true\r\n"},
	{200, SITUATION_LUNAR_ANSWERED, "x-lunar-generated: true\r\n"},
	{202, SITUATION_LUNAR_ENQUEUED, "x-lunar-enqueued: true\r\n"},
	{500, SITUATION_PROVIDER_NO_JSON, "x-portkey-gateway-exception: true\r\n"},
};

static struct transport_answer answer_of(size_t i)
{
	return (struct transport_answer){
		.error = cases[i].error,
		.error_text = cases[i].error ? cases[i].text : "",
		.status = cases[i].status,
		.body = cases[i].error ? SPAN_NULL : span_from(cases[i].text),
	};
}

static bool is_of_body(enum situation s)
{
	return s >= SITUATION_TOO_LONG && s < SITUATION_TAKEN;
}

static void every_situation_is_found(void **state)
{
	bool found[SITUATION_MAX] = {false};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct transport_answer a = answer_of(i);
		enum situation s = situation_of(&a);

		if (s != cases[i].expected)
			fail_msg("%u \"%s\": %s, not %s", cases[i].status, cases[i].text,
				 situation_words(s)->name, situation_words(cases[i].expected)->name);
		found[s] = true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(headed); i++) {
		const struct transport_answer a = {
			.status = headed[i].status, .error_text = "", .head = span_from(headed[i].head)};
		enum situation s = situation_of(&a);

		assert_string_equal(situation_words(s)->name, situation_words(headed[i].expected)->name);
		found[s] = true;
	}
	for (unsigned s = 0; s < SITUATION_MAX; s++)
		if (!found[s] && !is_of_body(s))
			fail_msg("%s is never found", situation_words(s)->name);
}

static void bodies_of_success(void **state)
{
	static const uint64_t none[VERDICT_E_MAX], one[VERDICT_E_MAX] = {[VERDICT_E_TTL] = 1};

	(void)state;
	assert_int_equal(situation_of_body(SPAN("{\"verdicts\":[]}"), 0, none), SITUATION_TAKEN);
	assert_int_equal(situation_of_body(SPAN_NULL, 0, none), SITUATION_TAKEN);
	assert_int_equal(situation_of_body(SPAN("{\"verdicts\":[{}]}"), 0, one), SITUATION_SOME_REFUSED);
	assert_int_equal(situation_of_body(SPAN("\r\n <!doctype html>"), VERDICT_E_SYNTAX, none),
			 SITUATION_WEB_PAGE);
	assert_int_equal(situation_of_body(SPAN("{\"code\":-1,\"error\":\"x\"}"), VERDICT_E_SHAPE, none),
			 SITUATION_ERROR_INSIDE);
	assert_int_equal(situation_of_body(SPAN("{\"choices\":[]}"), VERDICT_E_SHAPE, none),
			 SITUATION_NO_VERDICTS);
	assert_int_equal(situation_of_body(SPAN("ok"), VERDICT_E_SYNTAX, none), SITUATION_NO_VERDICTS);
}

static void every_situation_has_a_name_words_and_a_mend(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SITUATION_MAX; s++) {
		const struct situation_words *w = situation_words(s);

		assert_true(w->name && *w->name && *w->what);
		assert_true(*w->mend || s == SITUATION_TAKEN);
		for (unsigned other = 0; other < s; other++)
			assert_string_not_equal(situation_words(other)->name, w->name);
	}
}

static void printed_as_one_line(void **state)
{
	struct transport_answer a = {.error_text = "", .status = 401};
	char text[384];

	(void)state;
	situation_print(&a, text, sizeof text);
	assert_string_equal(text,
			    "HTTP 401: the gateway wants another token: see token_file, auth_header and "
			    "auth_scheme");
	a = (struct transport_answer){.error = CURLE_SSL_PINNEDPUBKEYNOTMATCH, .error_text = "SSL: no match"};
	situation_print(&a, text, sizeof text);
	assert_string_equal(text,
			    "its public key is not the pinned one (SSL: no match): if it was changed on "
			    "purpose, set pin to the new one; else somebody is between");
	a = (struct transport_answer){.error_text = "", .status = 200};
	situation_print(&a, text, sizeof text);
	assert_string_equal(text, "HTTP 200: it took the batch");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		a = answer_of(i);
		situation_print(&a, text, sizeof text);
		assert_true(strlen(text) < sizeof text - 1); /* not cut */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_situation_is_found),
		cmocka_unit_test(bodies_of_success),
		cmocka_unit_test(every_situation_has_a_name_words_and_a_mend),
		cmocka_unit_test(printed_as_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
