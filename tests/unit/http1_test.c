// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/util.h"
#include "sensor/http1_host.h"
#include "sensor/http1.h"

#define assert_span(s, text) assert_true(span_equal((s), span_from(text)))

static void parse(const char *text, struct http_request *r)
{
	assert_int_equal(http1_parse(span_from(text), r), 0);
}

static void a_plain_request_is_taken_apart(void **state)
{
	(void)state;
	static const char text[] = "POST /v1/users/42?name=a&x=1 HTTP/1.1\r\nHost: api.example\r\n"
				   "Content-Length: 5\r\nEmpty:\r\nUser-Agent:   curl/8  \r\n\r\nhello";
	struct http_request r;

	parse(text, &r);
	assert_span(r.method, "POST");
	assert_span(r.target, "/v1/users/42?name=a&x=1");
	assert_span(r.path, "/v1/users/42");
	assert_span(r.query, "name=a&x=1");
	assert_int_equal(r.version_major, 1);
	assert_int_equal(r.version_minor, 1);
	assert_int_equal(r.header_count, 4);
	assert_span(r.headers[0].name, "Host");
	assert_span(r.headers[0].value, "api.example");
	assert_span(r.headers[2].value, "");
	assert_span(r.headers[3].value, "curl/8");
	assert_int_equal(r.body, HTTP_BODY_LENGTH);
	assert_int_equal(r.content_length, 5);
	assert_int_equal(r.deviations, 0);
	assert_false(r.upgrade);
	assert_int_equal(r.head_len, sizeof text - 1 - 5);
}

static void each_form_of_target_has_its_path_and_query(void **state)
{
	(void)state;
	static const struct {
		const char *method, *target, *path, *query;
		uint32_t deviations;
	} cases[] = {
		{"GET", "/", "/", "", 0},
		{"GET", "/a?b?c", "/a", "b?c", 0},
		{"GET", "/a#b?c", "/a", "", HTTP_DEV_BAD_TARGET},
		{"GET", "/a?b#c", "/a", "b#c", HTTP_DEV_BAD_TARGET},
		{"GET", "/?", "/", "", 0},
		{"GET", "//evil/x", "//evil/x", "", 0},
		{"GET", "http://h.example:80/p/q?r", "/p/q", "r", 0},
		{"GET", "http://h.example?r", "/", "r", 0},
		{"GET", "http://h.example", "/", "", 0},
		{"GET", "http://u:p@h/p", "/p", "", 0},
		{"GET", "http:///p", "/p", "", HTTP_DEV_BAD_TARGET},
		{"GET", "http://h\\x/p", "/p", "", HTTP_DEV_BAD_TARGET},
		{"CONNECT", "/p", "", "", HTTP_DEV_BAD_TARGET},
		{"OPTIONS", "*", "*", "", 0},
		{"CONNECT", "h.example:443", "", "", 0},
		{"GET", "h.example", "h.example", "", HTTP_DEV_BAD_TARGET},
		{"GET", "/\xc3\xa4", "/\xc3\xa4", "", HTTP_DEV_BAD_TARGET},
		{"GET", "/a\x01", "/a\x01", "", HTTP_DEV_BAD_TARGET},
		{"GET", "/a b", "/a b", "", HTTP_DEV_BAD_TARGET},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256];
		struct http_request r;
		snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: h\r\n\r\n", cases[i].method,
			 cases[i].target);
		parse(text, &r);
		assert_span(r.target, cases[i].target);
		assert_span(r.path, cases[i].path);
		assert_span(r.query, cases[i].query);
		assert_int_equal(r.deviations & ~(uint32_t)(HTTP_DEV_BAD_HOST | HTTP_DEV_HOST_MISMATCH),
				 cases[i].deviations);
	}
}

#define H "Host: h\r\n"

static void what_servers_accept_is_read_and_flagged(void **state)
{
	(void)state;
	static const struct {
		const char *text, *method, *target;
		uint32_t deviations;
	} cases[] = {
		{"FOO / HTTP/1.1\r\n" H "\r\n", "FOO", "/", 0},
		{"get / HTTP/1.1\r\n" H "\r\n", "get", "/", 0},
		{"GET / HTTP/1.1\nHost: h\n\n", "GET", "/", HTTP_DEV_BARE_LF},
		{"GET / HTTP/1.1\r\nHost: h\n\r\n", "GET", "/", HTTP_DEV_BARE_LF},
		{"\r\n\nGET / HTTP/1.1\r\n" H "\r\n", "GET", "/", HTTP_DEV_LEADING_EMPTY_LINE},
		{"GET  / HTTP/1.1\r\n" H "\r\n", "GET", "/", HTTP_DEV_EXTRA_SPACE},
		{"GET\t/ HTTP/1.1\r\n" H "\r\n", "GET", "/", HTTP_DEV_EXTRA_SPACE},
		{"GET\v/\fHTTP/1.1\r\n" H "\r\n", "GET", "/", HTTP_DEV_EXTRA_SPACE},
		{"GET / HTTP/1.1 \r\n" H "\r\n", "GET", "/", HTTP_DEV_EXTRA_SPACE},
		{" GET / HTTP/1.1\r\n" H "\r\n", "GET", "/", HTTP_DEV_EXTRA_SPACE},
		{"GET / HTTP/1.2\r\n" H "\r\n", "GET", "/", HTTP_DEV_BAD_VERSION},
		{"GET / HTTP/9.9\r\n" H "\r\n", "GET", "/", HTTP_DEV_BAD_VERSION},
		{"GET / HTTP/1.1 x\r\n" H "\r\n", "GET", "/", HTTP_DEV_BAD_VERSION},
		{"GET / HTTP/x\r\n" H "\r\n", "GET", "/", HTTP_DEV_BAD_VERSION},
		{"GET / http/1.1\r\n" H "\r\n", "GET", "/", HTTP_DEV_BAD_VERSION},
		{"OPTIONS /m RTSP/1.0\r\n" H "\r\n", "OPTIONS", "/m", HTTP_DEV_BAD_VERSION},
		{"GET /a HTTP/1.1 /b HTTP/1.1\r\n" H "\r\n", "GET", "/a HTTP/1.1 /b", HTTP_DEV_BAD_TARGET},
		{"G@T / HTTP/1.1\r\n" H "\r\n", "G@T", "/", HTTP_DEV_BAD_METHOD},
		{"GET HTTP/1.1\r\n" H "\r\n", "GET", "", HTTP_DEV_BAD_TARGET},
		{"GET /\r\n", "GET", "/", HTTP_DEV_NO_VERSION},
		{"GET /a b\n", "GET", "/a b", HTTP_DEV_NO_VERSION | HTTP_DEV_BAD_TARGET | HTTP_DEV_BARE_LF},
		{"GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", "GET", "/", HTTP_DEV_OBS_FOLD},
		{"GET / HTTP/1.1\r\n" H "A : b\r\n\r\n", "GET", "/", HTTP_DEV_SPACE_BEFORE_COLON},
		{"GET / HTTP/1.1\r\n" H "A@: b\r\n\r\n", "GET", "/", HTTP_DEV_BAD_HEADER_NAME},
		{"GET / HTTP/1.1\r\n" H ": b\r\n\r\n", "GET", "/", HTTP_DEV_BAD_HEADER_NAME},
		{"GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n", "GET", "/", HTTP_DEV_BAD_HEADER_VALUE},
		{"GET / HTTP/1.1\r\n" H "A\r\n\r\n", "GET", "/", HTTP_DEV_NO_COLON},
		{"GET / HTTP/1.1\r\n\r\n", "GET", "/", HTTP_DEV_NO_HOST},
		{"GET / HTTP/1.0\r\n\r\n", "GET", "/", 0},
		{"GET / HTTP/1.1\r\n" H H "\r\n", "GET", "/", HTTP_DEV_TWO_HOSTS},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_request r;
		print_message("%zu %.20s\n", i, cases[i].text);
		parse(cases[i].text, &r);
		assert_span(r.method, cases[i].method);
		assert_span(r.target, cases[i].target);
		assert_int_equal(r.deviations, cases[i].deviations);
		assert_int_equal(r.head_len, strlen(cases[i].text));
	}
}

static void a_nul_in_a_value_is_flagged_and_kept(void **state)
{
	(void)state;
	struct http_request r;

	assert_int_equal(http1_parse(SPAN("GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n"), &r), 0);
	assert_int_equal(r.deviations, HTTP_DEV_BAD_HEADER_VALUE);
	assert_int_equal(r.headers[1].value.len, 3);
}

static void any_control_character_in_a_value_is_flagged_wherever_it_stands(void **state)
{
	(void)state;
	for (unsigned c = 1; c < 256; c++) {
		for (unsigned at = 0; at < 20; at++) {
			char text[64];
			struct http_request r;
			if (c == '\n')
				continue;
			int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" H "A: b%*s\r\n\r\n", 21, "");
			memset(text + 29, 'v', 21);
			text[29 + at] = (char)c;
			assert_int_equal(http1_parse((struct span){text, (size_t)n}, &r), 0);
			bool bad = (c < 0x20 && c != '\t') || c == 0x7f;
			assert_int_equal(r.deviations, bad ? HTTP_DEV_BAD_HEADER_VALUE : 0);
		}
	}
}

static void folded_values_are_joined_as_they_stand(void **state)
{
	(void)state;
	struct http_request r;

	parse("GET / HTTP/1.1\r\nHost: h\r\nA: one\r\n  two\r\n\tthree\r\nB:\r\n four\r\n \r\nC: x\r\n\r\n",
	      &r);
	assert_int_equal(r.header_count, 4);
	assert_span(r.headers[1].value, "one\r\n  two\r\n\tthree");
	assert_span(r.headers[2].value, "four");
	assert_span(r.headers[3].value, "x");
	assert_int_equal(r.deviations, HTTP_DEV_OBS_FOLD);
}

static void what_is_no_request_is_told_early(void **state)
{
	(void)state;
	static const struct span cases[] = {
		SPAN("GET / HTTP\r\n\r\n"), /* a version that breaks off: every server refuses it */
		SPAN("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), /* TLS ClientHello */
		SPAN("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		SPAN("SSH-2.0-OpenSSH_9.2\r\n"),
		SPAN("*1\r\n$4\r\nPING\r\n"),
		SPAN("HTTP/1.1 200 OK\r\n"),
		SPAN("EHLO example.org\r\n"),
		SPAN("GET foo\r\n"),
		SPAN("GET \r\n"),
		SPAN("GET\r\n"),
		SPAN("\x00\x00\x00\x08\x04\xd2\x16\x2f"),
		SPAN("AB\x01\x02"),
		SPAN("\xff\xfe"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_request r;
		assert_int_equal(http1_parse(cases[i], &r), HTTP1_E_NOT_HTTP);
	}
}

static void an_incomplete_head_asks_for_more(void **state)
{
	(void)state;
	static const char text[] = "\r\nGET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n";
	struct http_request r;

	for (size_t n = 0; n < sizeof text - 1; n++)
		assert_int_equal(http1_parse((struct span){text, n}, &r), HTTP1_E_MORE);
	assert_int_equal(http1_parse((struct span){text, sizeof text - 1}, &r), 0);
}

static void an_unfinished_head_gives_its_whole_lines(void **state)
{
	(void)state;
	struct http_request r;

	assert_int_equal(http1_parse_head(SPAN("GET /a HTTP/1.1\r\nHost: h\r\nAccep"), &r), 0);
	assert_span(r.target, "/a");
	assert_int_equal(r.header_count, 1);
	assert_int_equal(http1_parse_head(SPAN("GET /a HTTP/1."), &r), HTTP1_E_MORE);
	assert_int_equal(http1_parse_head(SPAN("GET /a HTTP/1.1\r"), &r), HTTP1_E_MORE);
	assert_int_equal(http1_parse_head(SPAN(""), &r), HTTP1_E_MORE);
}

static void the_body_is_framed_as_the_headers_say(void **state)
{
	(void)state;
#define CL   "Content-Length: "
#define TE   "Transfer-Encoding: "
#define TWO  HTTP_DEV_TWO_CONTENT_LENGTHS
#define BCL  HTTP_DEV_BAD_CONTENT_LENGTH
#define BTE  HTTP_DEV_BAD_TRANSFER_ENCODING
#define BOTH HTTP_DEV_CL_AND_TE
	static const struct {
		const char *headers;
		enum http_body body;
		uint64_t length;
		uint32_t deviations;
	} cases[] = {
		{"", HTTP_BODY_NONE, 0, 0},
		{CL "0\r\n", HTTP_BODY_LENGTH, 0, 0},
		{CL "003\r\n", HTTP_BODY_LENGTH, 3, 0},
		{"content-LENGTH:7 \r\n", HTTP_BODY_LENGTH, 7, 0},
		{CL "9223372036854775799\r\n", HTTP_BODY_LENGTH, 9223372036854775799u, 0},
		{CL "9223372036854775807\r\n", HTTP_BODY_LENGTH, 9223372036854775807u, 0},
		{CL "9223372036854775808\r\n", HTTP_BODY_NONE, 0, BCL},
		{CL "100000000000000000000000\r\n", HTTP_BODY_NONE, 0, BCL},
		{CL "\r\n", HTTP_BODY_NONE, 0, BCL},
		{CL "+5\r\n", HTTP_BODY_NONE, 0, BCL},
		{CL "-5\r\n", HTTP_BODY_NONE, 0, BCL},
		{CL "5 5\r\n", HTTP_BODY_NONE, 0, BCL},
		{CL "0x5\r\n", HTTP_BODY_NONE, 0, BCL},
		{CL "5, 5\r\n", HTTP_BODY_NONE, 0, BCL},
		{CL "5\r\n" CL "5\r\n", HTTP_BODY_LENGTH, 5, TWO},
		{CL "5\r\n" CL "6\r\n", HTTP_BODY_LENGTH, 5, TWO},
		{CL "x\r\n" CL "6\r\n", HTTP_BODY_LENGTH, 6, TWO | BCL},
		{TE "chunked\r\n", HTTP_BODY_CHUNKED, 0, 0},
		{TE "CHUNKED\r\n", HTTP_BODY_CHUNKED, 0, 0},
		{TE "gzip, chunked\r\n", HTTP_BODY_CHUNKED, 0, 0},
		{TE "chunked, gzip\r\n", HTTP_BODY_CHUNKED, 0, BTE},
		{TE "chunked, chunked\r\n", HTTP_BODY_CHUNKED, 0, BTE},
		{TE "gzip\r\n" TE "chunked\r\n", HTTP_BODY_CHUNKED, 0, BTE},
		{TE "chunked,\r\n", HTTP_BODY_CHUNKED, 0, BTE},
		{TE "chunked\t\r\n", HTTP_BODY_CHUNKED, 0, BTE},
		{CL "7\t\r\n", HTTP_BODY_LENGTH, 7, BCL},
		{TE "xchunked\r\n", HTTP_BODY_NONE, 0, BTE},
		{TE "identity\r\n", HTTP_BODY_NONE, 0, BTE},
		{TE "\r\n", HTTP_BODY_NONE, 0, BTE},
		{TE "\"chunked\"\r\n", HTTP_BODY_NONE, 0, BTE},
		{TE "\vchunked\r\n", HTTP_BODY_NONE, 0, BTE | HTTP_DEV_BAD_HEADER_VALUE},
		{TE "chunked\r\n" CL "5\r\n", HTTP_BODY_CHUNKED, 0, BOTH},
		{CL "5\r\n" TE "chunked\r\n", HTTP_BODY_CHUNKED, 0, BOTH},
		{CL "5\r\n" TE "identity\r\n", HTTP_BODY_LENGTH, 5, BOTH | BTE},
		{CL "\r\n 5\r\n", HTTP_BODY_LENGTH, 5, HTTP_DEV_OBS_FOLD},
		{TE "\r\n chunked\r\n", HTTP_BODY_CHUNKED, 0, HTTP_DEV_OBS_FOLD},
		{"Content-Length : 5\r\n", HTTP_BODY_LENGTH, 5, HTTP_DEV_SPACE_BEFORE_COLON},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[512];
		struct http_request r;
		print_message("%s", cases[i].headers);
		snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" H "%s\r\n", cases[i].headers);
		parse(text, &r);
		assert_int_equal(r.body, cases[i].body);
		assert_int_equal(r.content_length, cases[i].length);
		assert_int_equal(r.deviations, cases[i].deviations);
	}
	struct http_request r;
	parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", &r);
	assert_int_equal(r.deviations, BTE);
	assert_int_equal(r.body, HTTP_BODY_CHUNKED);
}

static void upgrade_needs_both_headers_or_connect(void **state)
{
	(void)state;
	struct http_request r;

	parse("GET / HTTP/1.1\r\n" H "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", &r);
	assert_true(r.upgrade);
	parse("GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\n\r\n", &r);
	assert_false(r.upgrade);
	parse("GET / HTTP/1.1\r\n" H "Connection: upgrade\r\n\r\n", &r);
	assert_false(r.upgrade);
	parse("CONNECT a:1 HTTP/1.1\r\n" H "\r\n", &r);
	assert_true(r.upgrade);
}

static void headers_beyond_the_list_still_frame_the_body(void **state)
{
	(void)state;
	char text[8192] = "POST / HTTP/1.1\r\n" H;
	size_t n = strlen(text);
	struct http_request r;

	for (unsigned i = 0; i < HTTP_HEADERS_MAX + 20; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "X-%u: %u\r\n", i, i);
	snprintf(text + n, sizeof text - n, "Content-Length: 77\r\n\r\n");
	parse(text, &r);
	assert_int_equal(r.header_count, HTTP_HEADERS_MAX);
	assert_int_equal(r.deviations, HTTP_DEV_TOO_MANY_HEADERS);
	assert_int_equal(r.content_length, 77);
}

static void a_head_beyond_the_ceiling_is_cut_and_flagged(void **state)
{
	(void)state;
	size_t len = 2 * HTTP1_HEAD_MAX;
	_cleanup_free_ char *text = malloc(len);
	struct http_request r;

	memset(text, 'a', len);
	memcpy(text, "GET /x HTTP/1.1\r\n" H "Content-Length: 9\r\nX: ", 47);
	assert_int_equal(http1_parse((struct span){text, HTTP1_HEAD_MAX - 1}, &r), HTTP1_E_MORE);
	assert_int_equal(http1_parse((struct span){text, len}, &r), 0);
	assert_int_equal(r.deviations, HTTP_DEV_HEAD_TOO_LARGE);
	assert_int_equal(r.head_len, HTTP1_HEAD_MAX);
	assert_span(r.target, "/x");
	assert_int_equal(r.header_count, 2);
	assert_int_equal(r.content_length, 9);

	/* ... and so is one whose request line alone is too long. */
	memset(text, 'a', len);
	memcpy(text, "GET /", 5);
	assert_int_equal(http1_parse((struct span){text, len}, &r), 0);
	assert_int_equal(r.deviations, HTTP_DEV_HEAD_TOO_LARGE);
	assert_span(r.method, "GET");
	assert_int_equal(r.target.len, HTTP1_HEAD_MAX - 4);

	/* One that just fits is whole. */
	memset(text, 'a', len);
	memcpy(text, "GET /x HTTP/1.1\r\n" H "X: ", 29);
	memcpy(text + HTTP1_HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(http1_parse((struct span){text, len}, &r), 0);
	assert_int_equal(r.deviations, 0);
	assert_int_equal(r.head_len, HTTP1_HEAD_MAX);
}

/* The head scanner must not care how its bytes arrive. */
static void every_cut_of_a_head_finds_the_same_end(void **state)
{
	(void)state;
	static const char *const heads[] = {
		"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /next",
		"\r\n\r\nPOST /a?b HTTP/1.1\nHost: h\nA: b\n c\n\nrest",
		"GET /\r\nHost: h\r\n\r\n",
		"G@T\t/ HTTP/1.2 \r\n: \r\n\r\r\nx\r\n\r\n",
		"SSH-2.0-x\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"AB\x01 / HTTP/1.1\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct span whole = span_from(heads[i]);
		struct http1_scan once = {0};
		int wanted = http1_scan(&once, whole);
		for (size_t cut = 0; cut < whole.len; cut++) {
			struct http1_scan s = {0};
			int r = http1_scan(&s, (struct span){whole.ptr, cut});
			if (r == HTTP1_E_MORE)
				r = http1_scan(&s, whole);
			assert_int_equal(r, wanted);
			if (r == 0)
				assert_int_equal(s.at, once.at);
		}
		struct http1_scan s = {0};
		int r = HTTP1_E_MORE;
		for (size_t n = 1; n <= whole.len && r == HTTP1_E_MORE; n++)
			r = http1_scan(&s, (struct span){whole.ptr, n});
		assert_int_equal(r, wanted);
		if (r == 0)
			assert_int_equal(s.at, once.at);
	}
}

static void only_a_plausible_start_line_ends_a_resynchronisation(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		bool known;
		int result;
	} cases[] = {
		{"GET / HTTP/1.1\r\n", true, 0},
		{"GET / HTTP/1.0\n", true, 0},
		{"FOO /x?y=z HTTP/1.1\r\n", false, 0},
		{"FOO /x HTTP/1.1\r\n", true, HTTP1_E_NOT_HTTP},
		{"IONS / HTTP/1.1\r\n", true, HTTP1_E_NOT_HTTP}, /* the tail of OPTIONS */
		{"LINK / HTTP/1.1\r\n", true, HTTP1_E_NOT_HTTP}, /* ... of UNLINK */
		{"UNLINK / HTTP/1.1\r\n", true, 0},
		{"GET /\r\n", false, HTTP1_E_NOT_HTTP},
		/* Where the line is certain, what servers put up with. */
		{"GET / HTTP/1.1 \r\n", false, 0},
		{"GET / HTTP/1.1 \r\n", true, HTTP1_E_NOT_HTTP},
		{"GET  / \t HTTP/1.1\r\n", false, 0},
		{"GET  / HTTP/1.1\r\n", true, HTTP1_E_NOT_HTTP},
		{"GET\t/ HTTP/1.1\r\n", false, 0},
		{"GET  ", false, HTTP1_E_MORE},
		{"GET / HTTP/1.1  ", false, HTTP1_E_MORE},
		{"GET /x?\xc3\xa9 HTTP/1.1\r\n", true, 0},
		{"GET /x?\xc3\xa9 HTTP/1.1\r\n", false, 0},
		{"GET /x?\xc3", true, HTTP1_E_MORE},
		{"G\xc3T /x HTTP/1.1\r\n", false, HTTP1_E_NOT_HTTP},
		{"GET /a b HTTP/1.1\r\n", false, HTTP1_E_NOT_HTTP},
		{"Referer: http://x/ HTTP/1.1\r\n", false, HTTP1_E_NOT_HTTP},
		{"GET / HTTP/1.1", true, HTTP1_E_MORE},
		{"GE", true, HTTP1_E_MORE},
		{"GET /aaaaaa", true, HTTP1_E_MORE},
		{"", true, HTTP1_E_MORE},
		{"{\"a\":1}\n", false, HTTP1_E_NOT_HTTP},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, HTTP1_E_NOT_HTTP},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		print_message("%s\n", cases[i].line);
		assert_int_equal(http1_start_line(span_from(cases[i].line), cases[i].known), cases[i].result);
	}
}

static void chunked_bodies_end_where_they_end_at_every_cut(void **state)
{
	(void)state;
#define NEXT "GET / HT"
	static const struct {
		const char *body;
		size_t used; /* of body + NEXT */
		uint32_t deviations;
		bool done, broken;
	} cases[] = {
		{"0\r\n\r\n", 5, 0, true, false},
		{"5\r\nhello\r\n0\r\n\r\n", 15, 0, true, false},
		{"00005\r\nhello\r\n0\r\n\r\n", 19, 0, true, false},
		{"A\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n", 26, 0, true, false},
		{"5;ext=\"a;b\"\r\nhello\r\n0;x\r\n\r\n", 27, 0, true, false},
		{"0\r\nTrailer: 1\r\nOther: 2\r\n\r\n", 27, 0, true, false},
		{"5\nhello\n0\n\n", 11, HTTP_DEV_BARE_LF, true, false},
		{"5 \r\nhello\r\n0\r\n\r\n", 16, HTTP_DEV_BAD_CHUNK, true, false},
		{"5;a=\"\\\"\";b;c=d\r\nhello\r\n0\r\n\r\n", 28, 0, true, false},
		{"5;\r\nhello\r\n0\r\n\r\n", 16, HTTP_DEV_BAD_CHUNK, true, false},
		{"5;a=\r\nhello\r\n0\r\n\r\n", 18, HTTP_DEV_BAD_CHUNK, true, false},
		{"5;a=\"b\r\nhello\r\n0\r\n\r\n", 20, HTTP_DEV_BAD_CHUNK, true, false},
		{"5;a b\r\nhello\r\n0\r\n\r\n", 19, HTTP_DEV_BAD_CHUNK, true, false},
		{"0\r\nno colon\r\n\r\n", 15, HTTP_DEV_BAD_CHUNK, true, false},
		{"0\r\nX : y\r\n\r\n", 12, HTTP_DEV_BAD_CHUNK, true, false},
		{"0\r\nX: y\r\n z\r\n\r\n", 15, HTTP_DEV_BAD_CHUNK, true, false},
		{"0\r\nX: a\rb\r\n\r\n", 13, HTTP_DEV_BAD_CHUNK, true, false},
		{"5;a\rb\r\nhello\r\n0\r\n\r\n", 4, HTTP_DEV_BAD_CHUNK, true, true},
		{"x\r\n", 0, HTTP_DEV_BAD_CHUNK, true, true},
		{"\r\n", 0, HTTP_DEV_BAD_CHUNK, true, true},
		{"-5\r\n", 0, HTTP_DEV_BAD_CHUNK, true, true},
		{"0x5\r\n", 1, HTTP_DEV_BAD_CHUNK, true, true},
		{"5\r\nhelloX", 8, HTTP_DEV_BAD_CHUNK, true, true},
		{"fffffffffffffffff\r\n", 15, HTTP_DEV_BAD_CHUNK, true, true},
		{"20\r\nonly a part of it ", 22 + sizeof NEXT - 1, 0, false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256];
		snprintf(text, sizeof text, "%s" NEXT, cases[i].body);
		size_t len = strlen(text);
		print_message("%zu\n", i);
		for (size_t cut = 0; cut <= len; cut++) {
			struct http1_chunked c = {0};
			size_t n = http1_chunked_eat(&c, (struct span){text, cut});
			if (!c.done)
				n += http1_chunked_eat(&c, (struct span){text + cut, len - cut});
			assert_int_equal(n, cases[i].used);
			assert_int_equal(c.deviations, cases[i].deviations);
			assert_int_equal(c.done, cases[i].done);
			assert_int_equal(c.broken, cases[i].broken);
		}
		struct http1_chunked c = {0};
		size_t n = 0;
		for (size_t k = 0; k < len && !c.done; k++)
			n += http1_chunked_eat(&c, (struct span){text + k, 1});
		assert_int_equal(n, cases[i].used);
		assert_int_equal(c.deviations, cases[i].deviations);
	}
}

/* --- Host --- */

static const struct {
	const char *target, *host;
	uint32_t deviations;
	int port;
} hosts[] = {
	{"/", "api.example", 0, -1},
	{"/", "api.example:8080", 0, 8080},
	{"/", "", 0, -1},
	{"/", "api.example:", 0, -1},
	{"/", "192.0.2.1:80", 0, 80},
	{"/", "[2001:db8::1]:80", 0, 80},
	{"/", "a_b.example", 0, -1},
	{"/", "api.example:0x50", HTTP_DEV_BAD_HOST, -1},
	{"/", "api.example:65536", HTTP_DEV_BAD_HOST, -1},
	{"/", "api.example/path", HTTP_DEV_BAD_HOST, -1},
	{"/", "a b", HTTP_DEV_BAD_HOST, -1},
	{"/", "[2001:db8::1", HTTP_DEV_BAD_HOST, -1},
	{"/", "[]", HTTP_DEV_BAD_HOST, -1},
	{"/", "user@api.example", HTTP_DEV_BAD_HOST, -1},
	{"http://api.example/x", "API.example", 0, -1},
	{"http://user:pw@api.example:81/x", "api.example:80", 0, 80},
	{"http://other.example?x", "api.example", HTTP_DEV_HOST_MISMATCH, -1},
	{"HTTPS://[2001:db8::1]", "[2001:db8::2]", HTTP_DEV_HOST_MISMATCH, -1},
	{"http://a<b>/", "api.example", HTTP_DEV_BAD_HOST, -1},
	{"http:///x", "api.example", 0, -1},
};

static void host_is_a_host_and_that_of_the_target(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		char head[256];
		struct http_request r;
		int n = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i].target,
				 hosts[i].host);

		assert_int_equal(http1_parse((struct span){head, (size_t)n}, &r), 0);
		uint32_t got = r.deviations & (HTTP_DEV_BAD_HOST | HTTP_DEV_HOST_MISMATCH);
		if (got != hosts[i].deviations || http1_host_port(&r) != hosts[i].port)
			fail_msg("%s, %s: %x, port %d", hosts[i].target, hosts[i].host, got,
				 http1_host_port(&r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_request_is_taken_apart),
		cmocka_unit_test(each_form_of_target_has_its_path_and_query),
		cmocka_unit_test(what_servers_accept_is_read_and_flagged),
		cmocka_unit_test(a_nul_in_a_value_is_flagged_and_kept),
		cmocka_unit_test(any_control_character_in_a_value_is_flagged_wherever_it_stands),
		cmocka_unit_test(folded_values_are_joined_as_they_stand),
		cmocka_unit_test(what_is_no_request_is_told_early),
		cmocka_unit_test(an_incomplete_head_asks_for_more),
		cmocka_unit_test(an_unfinished_head_gives_its_whole_lines),
		cmocka_unit_test(the_body_is_framed_as_the_headers_say),
		cmocka_unit_test(upgrade_needs_both_headers_or_connect),
		cmocka_unit_test(headers_beyond_the_list_still_frame_the_body),
		cmocka_unit_test(a_head_beyond_the_ceiling_is_cut_and_flagged),
		cmocka_unit_test(every_cut_of_a_head_finds_the_same_end),
		cmocka_unit_test(only_a_plausible_start_line_ends_a_resynchronisation),
		cmocka_unit_test(chunked_bodies_end_where_they_end_at_every_cut),
		cmocka_unit_test(host_is_a_host_and_that_of_the_target),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
