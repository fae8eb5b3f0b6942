// SPDX-License-Identifier: Apache-2.0
/*
 * The two ends of the second opinion. First byte odd: the rest as a question, which the process that reads
 * outside bytes takes apart; what is taken lies within its bytes, and written again it is the same. Even: the
 * rest as what that process answers, in messages of the length that the second byte says; the account holds,
 * and no rules are told but in numbers that there is room for.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "sensor/opinion.h"
#include "sensor/opinion_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t now_ns = NS_PER_S;

static uint64_t now(void *arg)
{
	(void)arg;
	return now_ns;
}

static const struct clock fuzz_clock = {.boot_ns = now, .wall_ns = now};

static void on_event(void *arg, struct event *e)
{
	(void)arg;
	assert(e->anomaly.rule_count > 0 && e->anomaly.rule_count <= EVENT_ANOMALY_RULES);
	event_unref(e);
}

static void on_verdict(void *arg, const struct verdict *v)
{
	(void)arg;
	assert(v->evidence_count && memchr(v->reason, 0, sizeof v->reason));
}

static void within(struct span s, const char *bytes, size_t len)
{
	assert(!s.len || (s.ptr >= bytes && s.ptr + s.len <= bytes + len));
}

static void as_question(const char *bytes, size_t len)
{
	static char again[OPINION_QUESTION_MAX];
	static struct http_request r;
	struct opinion_question q;

	if (!opinion_question_read(bytes, len, &q, &r))
		return;
	within(r.method, bytes, len);
	within(r.target, bytes, len);
	for (unsigned i = 0; i < r.header_count; i++) {
		within(r.headers[i].name, bytes, len);
		within(r.headers[i].value, bytes, len);
	}
	size_t n = opinion_question_write(&r, q.id, again);
	assert(len > sizeof again ? n == 0 : n == len);
	assert(!n || memcmp(again + sizeof q, bytes + sizeof q, n - sizeof q) == 0);
}

static void as_answers(const char *bytes, size_t len, size_t message)
{
	struct config config = {.second_opinion = {.enabled = true, .cpu_percent = 100}};
	const struct opinion_parts parts = {
		.config = &config, .clock = &fuzz_clock, .event = on_event, .verdict = on_verdict};
	struct http_request r = {.method = span_from("GET"), .target = span_from("/'")};
	const struct opinion_answer ready = {.rule_count = 1, .rules = {1}};
	struct opinion *o;
	int pair[2];

	if (opinion_new(&parts, &o) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		abort();
	opinion_give(o, pair[0]);
	if (send(pair[1], &ready, sizeof ready, MSG_NOSIGNAL) != (ssize_t)sizeof ready)
		abort();
	opinion_poll(o);
	now_ns += NS_PER_S;
	for (unsigned i = 0; i < 4; i++) {
		struct event *e = event_new(EVENT_HTTP_REQUEST, 0);
		if (!e)
			abort();
		e->time_ns = now_ns;
		e->flow.peer.addr = (struct addr){.family = ADDR_IPV4, .bytes = {192, 0, 2, 1}};
		opinion_request(o, &r, e);
		event_unref(e);
	}
	for (size_t at = 0; at < len && message; at += message) {
		size_t n = MIN(message, len - at);
		if (send(pair[1], bytes + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		opinion_poll(o);
		const struct opinion_counts c = opinion_counts(o);
		assert(c.asked == c.answered + c.unanswered + c.held && c.held <= OPINION_HELD_MAX);
	}
	close(pair[1]);
	opinion_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	char *copy = malloc(size - 2 + 1); /* so that reading beyond its end is found */
	if (!copy)
		abort();
	memcpy(copy, data + 2, size - 2);
	if (data[0] & 1)
		as_question(copy, size - 2);
	else
		as_answers(copy, size - 2, data[1]);
	free(copy);
	return 0;
}
