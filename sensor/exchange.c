// SPDX-License-Identifier: Apache-2.0
#include "sensor/exchange.h"
#include <stdlib.h>
#include "lib/util.h"

struct exchange {
	struct http1_responses responses;
	/* In order of the requests; the first one is being answered once `answering`. */
	struct event *waiting[EXCHANGE_WAITING_MAX];
	unsigned first, count;
	bool answering;
	const struct exchange_hooks *hooks; /* during a call */
};

struct exchange *exchange_new(void)
{
	return calloc(1, sizeof(struct exchange));
}

unsigned exchange_waiting(const struct exchange *x)
{
	return x->count;
}

static struct event *oldest(const struct exchange *x)
{
	return x->count ? x->waiting[x->first] : NULL;
}

static struct event *take(struct exchange *x)
{
	struct event *e = x->waiting[x->first];

	x->first = (x->first + 1) % EXCHANGE_WAITING_MAX;
	x->count--;
	return e;
}

/* All but the latest `keep` go out as they are. */
static void let_go(struct exchange *x, unsigned keep)
{
	while (x->count > keep)
		x->hooks->event(x->hooks->arg, take(x));
	x->answering = false;
}

/* --- what the parser says --- */

static void on_answer(void *arg, const struct http1_answer *a)
{
	struct exchange *x = arg;
	struct event *e = oldest(x);

	if (!e)
		return; /* its request was not seen */
	x->answering = true;
	e->request.answered |= EVENT_ANSWER_SEEN;
	e->request.status = (uint16_t)a->status;
	e->request.latency_ns = a->first_ns > e->time_ns ? a->first_ns - e->time_ns : 0;
}

static enum http1_asked on_asked(void *arg)
{
	const struct exchange *x = arg;

	if (!x->answering)
		return HTTP1_ASKED;
	struct span method = oldest(x)->request.method;
	if (span_equal(method, SPAN("HEAD")))
		return HTTP1_ASKED_HEAD;
	return span_equal(method, SPAN("CONNECT")) ? HTTP1_ASKED_CONNECT : HTTP1_ASKED;
}

static void on_done(void *arg, const struct http1_answer *a)
{
	struct exchange *x = arg;

	if (!x->answering)
		return;
	struct event *e = take(x);
	x->answering = false;
	if (a->whole) {
		e->request.answered |= EVENT_ANSWER_BODY;
		e->request.response_bytes = a->body;
	}
	x->hooks->event(x->hooks->arg, e);
}

static bool on_waiting(void *arg)
{
	const struct exchange *x = arg;

	return x->count > (x->answering ? 1u : 0u);
}

/* How many answers are missing is unknown: the next one belongs to the latest request, as a client that does
 * not pipeline has no other open. */
static void on_lost(void *arg)
{
	let_go(arg, 1);
}

static struct http1_responses_hooks parser_hooks(struct exchange *x)
{
	return (struct http1_responses_hooks){.answer = on_answer,
					      .asked = on_asked,
					      .done = on_done,
					      .waiting = on_waiting,
					      .lost = on_lost,
					      .arg = x};
}

/* --- calls --- */

void exchange_request(struct exchange *x, struct event *e, const struct exchange_hooks *hooks)
{
	x->hooks = hooks;
	if (x->count == EXCHANGE_WAITING_MAX)
		let_go(x, 0);
	x->waiting[(x->first + x->count) % EXCHANGE_WAITING_MAX] = e;
	x->count++;
	if (http1_responses_left(&x->responses))
		let_go(x, 0);
}

void exchange_bytes(struct exchange *x, uint64_t missing, struct span bytes, uint64_t cut, uint64_t time_ns,
		    const struct exchange_hooks *hooks)
{
	struct http1_responses_hooks parser = parser_hooks(x);

	x->hooks = hooks;
	if (missing)
		http1_responses_miss(&x->responses, missing, &parser);
	http1_responses_feed(&x->responses, bytes, time_ns, &parser);
	if (cut)
		http1_responses_miss(&x->responses, cut, &parser);
}

void exchange_finish(struct exchange *x, const struct exchange_hooks *hooks)
{
	struct http1_responses_hooks parser = parser_hooks(x);

	x->hooks = hooks;
	http1_responses_end(&x->responses, &parser);
}

void exchange_flush(struct exchange *x, const struct exchange_hooks *hooks)
{
	exchange_finish(x, hooks);
	let_go(x, 0);
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	while (x->count)
		event_unref(take(x));
	free(x);
}
