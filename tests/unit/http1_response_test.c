// SPDX-License-Identifier: Apache-2.0
/* http1_response.c: answers, their status and where they end, at every cut. */
#include "sensor/http1_response.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/util.h"

/* What the hooks said, as text: "200 5;" a whole answer with 5 bytes, "200 5?;" one that breaks off. */
struct heard {
	char text[512];
	const char *asked; /* a letter a request: g GET, h HEAD, c CONNECT */
	unsigned answers, lost, waiting;
	uint64_t first_ns;
};

static void on_answer(void *arg, const struct http1_answer *a)
{
	struct heard *h = arg;

	h->answers++;
	h->first_ns = a->first_ns;
}

static enum http1_asked on_asked(void *arg)
{
	const struct heard *h = arg;
	size_t n = strlen(h->asked);
	char c = h->answers && h->answers <= n ? h->asked[h->answers - 1] : 'g';

	return c == 'h' ? HTTP1_ASKED_HEAD : c == 'c' ? HTTP1_ASKED_CONNECT : HTTP1_ASKED;
}

static void on_done(void *arg, const struct http1_answer *a)
{
	struct heard *h = arg;
	size_t used = strlen(h->text);

	snprintf(h->text + used, sizeof h->text - used, "%u %llu%s;", a->status, (unsigned long long)a->body,
		 a->whole ? "" : "?");
}

static bool on_waiting(void *arg)
{
	return ((struct heard *)arg)->waiting > 0;
}

static void on_lost(void *arg)
{
	((struct heard *)arg)->lost++;
}

static struct http1_responses_hooks hooks_of(struct heard *h)
{
	return (struct http1_responses_hooks){.answer = on_answer,
					      .asked = on_asked,
					      .done = on_done,
					      .waiting = on_waiting,
					      .lost = on_lost,
					      .arg = h};
}

static void a_status_line_is_read_as_clients_read_it(void **state)
{
	static const struct {
		const char *text;
		int r;
		unsigned status;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n", 0, 200},
		{"HTTP/1.1 200\r\n", 0, 200},
		{"HTTP/1.0 404 Not Found\n", 0, 404},
		{"http/1.1 301 x\r\n", 0, 301},
		{"HTTP/1.10 200 x\r\n", 0, 200},
		{"HTTP/2 200\r\n", 0, 200},
		{"HTTP/1.1\t200\tOK\r\n", 0, 200},
		{"HTTP/1.1  200 OK\r\n", 0, 200},
		{"HTTP/1.1\v200\vok\r\n", 0, 200},
		{"HTTP/1.1 999 x\r\n", 0, 999},
		{"HTTP/1.1 200", HTTP1_E_MORE, 0},
		{"HTTP/1.1 20", HTTP1_E_MORE, 0},
		{"HTTP/1.1 ", HTTP1_E_MORE, 0},
		{"HTTP/1.", HTTP1_E_MORE, 0},
		{"HTT", HTTP1_E_MORE, 0},
		{"", HTTP1_E_MORE, 0},
		{"ICY 200 OK\r\n", 0, 200},
		{"ICY", HTTP1_E_MORE, 0},
		{"HTTP/1.1 2000 OK\r\n", HTTP1_E_NOT_HTTP, 0},
		{"HTTP/1.1 20 OK\r\n", HTTP1_E_NOT_HTTP, 0},
		{"HTTP/1.1 099 OK\r\n", HTTP1_E_NOT_HTTP, 0},
		{"HTTP/1.1\r\n", HTTP1_E_NOT_HTTP, 0},
		{"HTTP/1.1foo 200\r\n", HTTP1_E_NOT_HTTP, 0},
		{"HTTP/1111.1 200\r\n", HTTP1_E_NOT_HTTP, 0},
		{"HTTP/x 200\r\n", HTTP1_E_NOT_HTTP, 0},
		{"GET / HTTP/1.1\r\n", HTTP1_E_NOT_HTTP, 0},
		{"SSH-2.0-x\r\n", HTTP1_E_NOT_HTTP, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned status = 0;
		int r = http1_status(span_from(cases[i].text), &status);
		if (r != cases[i].r || status != cases[i].status)
			fail_msg("%s: %d, %u", cases[i].text, r, status);
	}
}

#define OK "HTTP/1.1 200 OK\r\n"

static const struct framing {
	const char *asked;
	const char *bytes;
	const char *heard; /* the connection's end included */
} framings[] = {
	{"g", OK "Content-Length: 5\r\n\r\nhello", "200 5;"},
	{"g", OK "Content-Length: 0\r\n\r\n", "200 0;"},
	{"gg", OK "Content-Length: 2\r\n\r\nabHTTP/1.1 404 x\r\nContent-Length: 1\r\n\r\nc", "200 2;404 1;"},
	{"g", OK "Content-Length: 5\r\n\r\nhel", "200 3?;"},
	{"g", OK "\r\nuntil the close", "200 15;"},
	{"h", OK "Content-Length: 5\r\n\r\n", "200 0;"},
	{"hg", OK "Content-Length: 5\r\n\r\n" OK "Content-Length: 2\r\n\r\nab", "200 0;200 2;"},
	{"g", "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", "204 0;"},
	{"g", "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", "304 0;"},
	{"g", "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\na", "200 1;"},
	{"g", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" OK "Content-Length: 1\r\n\r\na", "200 1;"},
	{"g", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nT: x\r\n\r\n",
	 "200 8;"},
	{"gg", OK "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n" OK "Content-Length: 1\r\n\r\nc",
	 "200 2;200 1;"},
	{"g", OK "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "200 2;"},
	{"g", OK "Transfer-Encoding: chunked, gzip\r\n\r\n2\r\nab\r\n0\r\n\r\n", "200 12;"},
	{"g", OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "200 2;"},
	{"g", OK "Transfer-Encoding:\r\n chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "200 2;"},
	{"g", OK "content-length : 2\r\n\r\nab", "200 2;"},
	{"g", OK "Content-Length: 2x\r\n\r\nabc", "200 3;"},
	{"g", OK "Content-Length: 99999999999999999999\r\n\r\nabc", "200 3;"},
	{"g", "HTTP/1.1 200 OK\nContent-Length: 2\n\nab", "200 2;"},
	{"g", "\r\n\r\n" OK "Content-Length: 2\r\n\r\nab", "200 2;"},
	{"g", "junk\r\n" OK "Content-Length: 2\r\n\r\nab", "200 2;"},
	{"g", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n\x81\x05hello", "101 0;"},
	{"c", "HTTP/1.1 200 Established\r\n\r\n\x16\x03\x01HTTP/1.1 500 no\r\n\r\n", "200 0;"},
	{"c", "HTTP/1.1 407 no\r\nContent-Length: 2\r\n\r\nab", "407 2;"},
	{"g", OK "Content-Le", "200 0?;"},
	{"g", "HTTP/1.1 500", "500 0?;"},
	{"g", "SSH-2.0-OpenSSH\r\n", ""},
	{"g", "no status line at all", ""},
};

static void framing_is_read_at_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(framings); i++) {
		struct span all = span_from(framings[i].bytes);
		for (size_t cut = 0; cut <= all.len; cut++) {
			struct heard h = {.asked = framings[i].asked};
			struct http1_responses_hooks hooks = hooks_of(&h);
			struct http1_responses s = {0};
			http1_responses_feed(&s, (struct span){all.ptr, cut}, 1, &hooks);
			http1_responses_feed(&s, (struct span){all.ptr + cut, all.len - cut}, 2, &hooks);
			http1_responses_end(&s, &hooks);
			if (strcmp(h.text, framings[i].heard))
				fail_msg("%s cut at %zu: \"%s\"", framings[i].bytes, cut, h.text);
		}
		struct heard h = {.asked = framings[i].asked};
		struct http1_responses_hooks hooks = hooks_of(&h);
		struct http1_responses s = {0};
		for (size_t at = 0; at < all.len; at++)
			http1_responses_feed(&s, (struct span){all.ptr + at, 1}, at, &hooks);
		http1_responses_end(&s, &hooks);
		if (strcmp(h.text, framings[i].heard))
			fail_msg("%s byte by byte: \"%s\"", framings[i].bytes, h.text);
	}
}

static void an_answer_begins_with_its_first_byte(void **state)
{
	struct heard h = {.asked = "g"};
	struct http1_responses_hooks hooks = hooks_of(&h);
	struct http1_responses s = {0};

	(void)state;
	http1_responses_feed(&s, SPAN("\r\n"), 1, &hooks);
	http1_responses_feed(&s, SPAN("HTTP/1.1 2"), 2, &hooks);
	http1_responses_feed(&s, SPAN("00 OK\r\n\r\n"), 3, &hooks);
	assert_int_equal(h.first_ns, 2);
}

static void a_gap_inside_a_body_is_part_of_it(void **state)
{
	struct heard h = {.asked = "ggg"};
	struct http1_responses_hooks hooks = hooks_of(&h);
	struct http1_responses s = {0};

	(void)state;
	http1_responses_feed(&s, SPAN(OK "Content-Length: 100\r\n\r\nab"), 1, &hooks);
	http1_responses_miss(&s, 97, &hooks);
	http1_responses_feed(&s, SPAN("c"), 1, &hooks);
	http1_responses_feed(&s, SPAN(OK "Transfer-Encoding: chunked\r\n\r\na\r\nx"), 1, &hooks);
	http1_responses_miss(&s, 8, &hooks);
	http1_responses_feed(&s, SPAN("x\r\n0\r\n\r\n" OK "Content-Length: 7\r\n\r\n"), 1, &hooks);
	http1_responses_miss(&s, 7, &hooks);
	assert_string_equal(h.text, "200 100;200 10;200 7;");
	assert_int_equal(h.lost, 0);
}

static void behind_any_other_gap_only_the_start_of_a_piece_is_believed(void **state)
{
	struct heard h = {.asked = "gg"};
	struct http1_responses_hooks hooks = hooks_of(&h);
	struct http1_responses s = {0};

	(void)state;
	http1_responses_feed(&s, SPAN(OK "Content-Length: 5\r\n\r\nab"), 1, &hooks);
	http1_responses_miss(&s, 10, &hooks);
	assert_int_equal(h.lost, 1);
	http1_responses_feed(&s, SPAN("rest\r\n" OK "Content-Length: 1\r\n\r\nx"), 2, &hooks);
	assert_string_equal(h.text, "200 2?;");
	http1_responses_feed(&s, SPAN("HTTP/1.1 404 x\r\nContent-Length: 1\r\n\r\nx"), 3, &hooks);
	assert_string_equal(h.text, "200 2?;404 1;");
}

static void a_body_without_end_ends_where_a_waiting_request_is_answered(void **state)
{
	struct heard h = {.asked = "gg"};
	struct http1_responses_hooks hooks = hooks_of(&h);
	struct http1_responses s = {0};

	(void)state;
	http1_responses_feed(&s, SPAN(OK "\r\nbody"), 1, &hooks);
	http1_responses_feed(&s, SPAN("HTTP/1.1 500 x\r\n\r\n"), 1, &hooks); /* nobody asked: content */
	assert_string_equal(h.text, "");
	h.waiting = 1;
	http1_responses_feed(&s, SPAN("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"), 1, &hooks);
	assert_string_equal(h.text, "200 22?;404 0;");
}

static void long_lines_are_cut_and_passed(void **state)
{
	struct heard h = {.asked = "g"};
	struct http1_responses_hooks hooks = hooks_of(&h);
	struct http1_responses s = {0};
	char filler[1000];

	(void)state;
	memset(filler, 'x', sizeof filler);
	http1_responses_feed(&s, SPAN("HTTP/1.1 200 "), 1, &hooks);
	http1_responses_feed(&s, (struct span){filler, sizeof filler}, 1, &hooks);
	http1_responses_feed(&s, SPAN("\r\nX: "), 1, &hooks);
	for (int i = 0; i < 100; i++)
		http1_responses_feed(&s, (struct span){filler, sizeof filler}, 1, &hooks);
	http1_responses_feed(&s, SPAN("\r\nContent-Length: 3\r\n\r\nabc"), 1, &hooks);
	assert_string_equal(h.text, "200 3;");
}

/* --- faults --- */

static void on_fault(void *arg, enum http1_response_fault fault)
{
	*(uint32_t *)arg |= 1u << fault;
}

static void pass_answer(void *arg, const struct http1_answer *a)
{
	(void)arg;
	(void)a;
}

static enum http1_asked asked_get(void *arg)
{
	(void)arg;
	return HTTP1_ASKED;
}

static bool never_waiting(void *arg)
{
	(void)arg;
	return false;
}

static void lose_nothing(void *arg)
{
	(void)arg;
}

#define CHUNKED "Transfer-Encoding: chunked\r\n"

static const struct {
	const char *bytes, *names;
} fault_cases[] = {
	{OK "Content-Length: 2\r\nContent-Encoding: gzip, br\r\n\r\nab", ""},
	{OK CHUNKED "Content-Encoding: identity\r\n\r\n2\r\nab\r\n0\r\n\r\n", ""},
	{"HTTP/1.0 404 Not Found\r\n\r\nab", ""},
	{"HTTP/2.0 200 OK\r\n\r\n", "http_response_invalid_protocol"},
	{"http/1.1 200 OK\r\n\r\n", "http_response_invalid_protocol"},
	{"HTTP/x 200 OK\r\n\r\n", "http_response_invalid_protocol"},
	{"HTTP/1.1 700 OK\r\n\r\n", "http_response_invalid_status"},
	{"HTTP/1.1 20 OK\r\n\r\n", "http_response_invalid_status"},
	{OK "no colon here\r\nContent-Length: 0\r\n\r\n", "http_response_field_missing_colon"},
	{OK "Content-Length : 0\r\n\r\n", "http_response_header_invalid"},
	{OK "X: a\r\n b\r\nContent-Length: 0\r\n\r\n", "http_invalid_response_field_folding"},
	{OK "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
	 "http_duplicate_content_length_field_in_response"},
	{OK "Content-Length: -1\r\n\r\n", "http_invalid_content_length_field_in_response"},
	{OK "Content-Length:\r\n\r\n", "http_invalid_content_length_field_in_response"},
	{OK "Transfer-Encoding: xchunked\r\n\r\n",
	 "http_invalid_transfer_encoding_value_in_response http_response_abnormal_transfer_encoding"},
	{OK "Transfer-Encoding: chunked, gzip\r\n\r\n", "http_response_abnormal_transfer_encoding"},
	{OK CHUNKED CHUNKED "\r\n0\r\n\r\n", "http_response_abnormal_transfer_encoding"},
	{OK CHUNKED "Content-Length: 5\r\n\r\n0\r\n\r\n", "http_response_abnormal_transfer_encoding"},
	{"HTTP/1.0 200 OK\r\n" CHUNKED "\r\n0\r\n\r\n", "http_response_chunked_old_protocol"},
	{OK CHUNKED "\r\nzz\r\n", "http_invalid_response_chunk_length"},
	{OK "Content-Encoding: rot13\r\nContent-Length: 0\r\n\r\n", "http_abnormal_content_encoding_header"},
};

static uint32_t faults_of(struct span bytes, size_t cut)
{
	struct http1_responses s = {0};
	uint32_t told = 0;
	struct http1_responses_hooks hooks = {
		.answer = pass_answer,
		.asked = asked_get,
		.done = pass_answer,
		.waiting = never_waiting,
		.lost = lose_nothing,
		.fault = on_fault,
		.arg = &told,
	};

	http1_responses_feed(&s, (struct span){bytes.ptr, cut}, 1, &hooks);
	http1_responses_feed(&s, (struct span){bytes.ptr + cut, bytes.len - cut}, 1, &hooks);
	http1_responses_end(&s, &hooks);
	return told;
}

static const char *fault_names(uint32_t told, char *to, size_t size)
{
	size_t n = 0;

	to[0] = 0;
	for (unsigned k = 0; k < HTTP1_RESPONSE_FAULT_MAX; k++)
		if (told >> k & 1)
			n += (size_t)snprintf(to + n, size - n, "%s%s", n ? " " : "",
					      http1_response_fault_name(k));
	return to;
}

static void faults_are_told_by_name_at_every_cut(void **state)
{
	uint32_t all = 1u << HTTP1_RESPONSE_TOO_MANY_HEADERS; /* has a test of its own */
	char text[512];
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(fault_cases); i++) {
		struct span bytes = span_from(fault_cases[i].bytes);
		for (size_t cut = 0; cut <= bytes.len; cut++) {
			uint32_t told = faults_of(bytes, cut);
			if (strcmp(fault_names(told, text, sizeof text), fault_cases[i].names) != 0)
				fail_msg("%s cut at %zu: \"%s\", wanted \"%s\"", bytes.ptr, cut, text,
					 fault_cases[i].names);
			all |= told;
		}
	}
	assert_int_equal(all, (1u << HTTP1_RESPONSE_FAULT_MAX) - 1);
}

static void too_many_headers_are_told(void **state)
{
	char head[8192] = OK;
	(void)state;

	for (unsigned i = 0; i < HTTP_HEADERS_MAX; i++)
		strcat(head, "X: y\r\n");
	assert_int_equal(faults_of(span_from(head), 0), 0);
	strcat(head, "X: y\r\n\r\n");
	assert_int_equal(faults_of(span_from(head), 0), 1u << HTTP1_RESPONSE_TOO_MANY_HEADERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_status_line_is_read_as_clients_read_it),
		cmocka_unit_test(framing_is_read_at_every_cut),
		cmocka_unit_test(an_answer_begins_with_its_first_byte),
		cmocka_unit_test(a_gap_inside_a_body_is_part_of_it),
		cmocka_unit_test(behind_any_other_gap_only_the_start_of_a_piece_is_believed),
		cmocka_unit_test(a_body_without_end_ends_where_a_waiting_request_is_answered),
		cmocka_unit_test(long_lines_are_cut_and_passed),
		cmocka_unit_test(faults_are_told_by_name_at_every_cut),
		cmocka_unit_test(too_many_headers_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
