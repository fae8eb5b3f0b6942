// SPDX-License-Identifier: Apache-2.0
/* exchange.c: which answer belongs to which request, and what becomes of those without. */
#include "sensor/exchange.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/util.h"

/* Events as they went out: "/a 200 5;" or "/b;" without an answer. */
struct heard {
	struct exchanges *all;
	struct exchange *x;
	char text[4096];
	uint64_t latency_ns;
};

static void on_event(void *arg, struct event *e)
{
	struct heard *h = arg;
	size_t used = strlen(h->text);
	char answer[64] = "";

	if (e->request.answered & EVENT_ANSWER_BODY)
		snprintf(answer, sizeof answer, " %u %llu", e->request.status,
			 (unsigned long long)e->request.response_bytes);
	else if (e->request.answered)
		snprintf(answer, sizeof answer, " %u", e->request.status);
	snprintf(h->text + used, sizeof h->text - used, "%.*s%s;", (int)e->request.path.len,
		 e->request.path.ptr, answer);
	h->latency_ns = e->request.latency_ns;
	event_unref(e);
}

static void start(struct heard *h, uint64_t wait_ns, uint64_t bytes_max)
{
	*h = (struct heard){0};
	struct exchanges_options options = {
		.event = on_event, .arg = h, .wait_ns = wait_ns, .bytes_max = bytes_max};
	assert_int_equal(exchanges_new(&options, &h->all), 0);
	h->x = exchange_new(h->all);
	assert_non_null(h->x);
}

static void stop(struct heard *h)
{
	exchange_flush(h->x);
	struct answers_counts c = exchanges_counts(h->all);
	assert_int_equal(c.taken, c.emitted);
	exchange_free(h->x);
	exchanges_free(h->all);
}

static void ask(struct heard *h, const char *method, const char *path, uint64_t time_ns)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, strlen(method) + strlen(path));

	assert_non_null(e);
	e->time_ns = time_ns;
	e->request.method = event_tail_copy(e, span_from(method));
	e->request.path = event_tail_copy(e, span_from(path));
	exchange_request(h->x, e);
}

static void answer(struct heard *h, const char *text, uint64_t time_ns)
{
	exchange_bytes(h->x, 0, span_from(text), 0, time_ns);
}

#define OK(n, body) "HTTP/1.1 200 OK\r\nContent-Length: " #n "\r\n\r\n" body

static void answers_come_in_the_order_of_the_requests(void **state)
{
	struct heard h;

	(void)state;
	start(&h, 0, 1 << 20);
	ask(&h, "GET", "/a", 10);
	ask(&h, "HEAD", "/b", 11);
	ask(&h, "GET", "/c", 12);
	answer(&h, OK(5, "hello"), 40);
	assert_string_equal(h.text, "/a 200 5;");
	assert_int_equal(h.latency_ns, 30);
	answer(&h, OK(9, ""), 41);
	answer(&h, "HTTP/1.1 404 x\r\n\r\nuntil the close", 42);
	assert_string_equal(h.text, "/a 200 5;/b 200 0;");
	exchange_finish(h.x);
	assert_string_equal(h.text, "/a 200 5;/b 200 0;/c 404 15;");
	stop(&h);
}

static void an_answer_before_the_request_was_whole_has_no_latency(void **state)
{
	struct heard h;

	(void)state;
	start(&h, 0, 1 << 20);
	ask(&h, "GET", "/a", 100);
	answer(&h, OK(0, ""), 50);
	assert_string_equal(h.text, "/a 200 0;");
	assert_int_equal(h.latency_ns, 0);
	stop(&h);
}

static void an_answer_without_request_is_nobodys(void **state)
{
	struct heard h;

	(void)state;
	start(&h, 0, 1 << 20);
	answer(&h, OK(2, "ab"), 1);
	assert_int_equal(exchanges_counts(h.all).surplus, 1);
	ask(&h, "GET", "/a", 2);
	answer(&h, "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", 3);
	assert_string_equal(h.text, "/a 500 0;");
	stop(&h);
}

static void behind_a_gap_the_latest_request_is_answered(void **state)
{
	struct heard h;

	(void)state;
	start(&h, 0, 1 << 20);
	ask(&h, "GET", "/a", 1);
	ask(&h, "GET", "/b", 2);
	exchange_bytes(h.x, 100, span_from("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"), 0, 3);
	assert_string_equal(h.text, "/a;/b 404 0;");
	stop(&h);
}

static void behind_a_gap_nobody_who_pipelines_is_answered(void **state)
{
	struct heard h;

	(void)state;
	start(&h, 0, 1 << 20);
	ask(&h, "GET", "/a", 1);
	ask(&h, "GET", "/b", 2);
	answer(&h, OK(0, ""), 3);
	ask(&h, "GET", "/c", 4);
	/* Whose is it, /b's or /c's? */
	exchange_bytes(h.x, 100, span_from("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"), 0, 5);
	assert_string_equal(h.text, "/a 200 0;/b;/c;");
	ask(&h, "GET", "/d", 6);
	answer(&h, OK(0, ""), 7);
	assert_string_equal(h.text, "/a 200 0;/b;/c;/d;");
	assert_int_equal(exchanges_counts(h.all).unsure, 3);
	stop(&h);
}

static void who_waits_too_long_goes_out_and_the_order_stays(void **state)
{
	struct heard h;

	(void)state;
	start(&h, 100, 1 << 20);
	ask(&h, "GET", "/a", 1000);
	ask(&h, "GET", "/b", 1090);
	exchanges_tick(h.all, 1099);
	assert_string_equal(h.text, "");
	exchanges_tick(h.all, 1100);
	assert_string_equal(h.text, "/a;");
	answer(&h, "HTTP/1.1 500 late\r\nContent-Length: 0\r\n\r\n", 1101);
	answer(&h, OK(1, "x"), 1102);
	assert_string_equal(h.text, "/a;/b 200 1;");
	assert_int_equal(exchanges_counts(h.all).late, 1);
	assert_int_equal(exchanges_counts(h.all).expired, 1);
	stop(&h);
}

static void what_waits_has_ceilings(void **state)
{
	struct heard h;

	(void)state;
	start(&h, 0, 1);
	ask(&h, "GET", "/a", 1); /* larger than all that may wait */
	assert_string_equal(h.text, "/a;");
	assert_int_equal(exchanges_counts(h.all).full, 1);
	stop(&h);

	start(&h, 0, 1 << 20);
	for (int i = 0; i < EXCHANGE_WAITING_MAX; i++)
		ask(&h, "GET", "/", 1);
	assert_string_equal(h.text, "");
	ask(&h, "GET", "/last", 1);
	answer(&h, OK(0, ""), 2); /* it is the first one's */
	assert_string_equal(h.text + (size_t)(2 * EXCHANGE_WAITING_MAX), "/last;");
	stop(&h);
}

static void behind_a_tunnel_nothing_waits(void **state)
{
	struct heard h;

	(void)state;
	start(&h, 0, 1 << 20);
	ask(&h, "CONNECT", "/x", 1);
	answer(&h, "HTTP/1.1 200 Established\r\n\r\n\x16\x03\x01", 2);
	assert_string_equal(h.text, "/x 200 0;");
	ask(&h, "GET", "/y", 3);
	assert_string_equal(h.text, "/x 200 0;/y;");
	stop(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_in_the_order_of_the_requests),
		cmocka_unit_test(an_answer_before_the_request_was_whole_has_no_latency),
		cmocka_unit_test(an_answer_without_request_is_nobodys),
		cmocka_unit_test(behind_a_gap_the_latest_request_is_answered),
		cmocka_unit_test(behind_a_gap_nobody_who_pipelines_is_answered),
		cmocka_unit_test(who_waits_too_long_goes_out_and_the_order_stays),
		cmocka_unit_test(what_waits_has_ceilings),
		cmocka_unit_test(behind_a_tunnel_nothing_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
