// SPDX-License-Identifier: Apache-2.0
#include "sensor/exchange.h"
#include <errno.h>
#include <stdlib.h>
#include "lib/util.h"

struct exchanges {
	struct exchanges_options options;
	struct answers_counts counts; /* written here only, read by anyone */
	uint64_t bytes;               /* of events that wait */
	struct exchange *waiting;     /* those with events that wait, in no order */
};

/* A request in its order; its event is NULL once it went out. */
struct slot {
	struct event *event;
	uint64_t time_ns;
	enum http1_asked asked;
};

struct exchange {
	struct exchanges *all;
	struct exchange *before, *after; /* in all->waiting, while `events` */
	struct http1_responses responses;
	struct slot slots[EXCHANGE_WAITING_MAX]; /* a ring; the first is being answered once `answering` */
	unsigned first, count;
	unsigned events; /* slots that hold one */
	bool answering;
	bool pipelines; /* an answer came while several requests waited */
	bool uneven;    /* how many answers are owed is unknown: nobody gets one */
	bool told_unmatched;
	uint32_t told; /* bits of enum http1_response_fault */
};

/* One writer, and readers that only want a whole number. */
#define COUNT(all, field, n) \
	__atomic_store_n(&(all)->counts.field, (all)->counts.field + (uint64_t)(n), __ATOMIC_RELAXED)

int exchanges_new(const struct exchanges_options *options, struct exchanges **ret)
{
	struct exchanges *all = calloc(1, sizeof *all);

	if (!all)
		return -ENOMEM;
	all->options = *options;
	*ret = all;
	return 0;
}

void exchanges_free(struct exchanges *all)
{
	free(all);
}

struct answers_counts exchanges_counts(const struct exchanges *all)
{
	/* A struct of uint64_t only, copied one by one. */
	struct answers_counts copy;
	const uint64_t *from = (const uint64_t *)&all->counts;
	uint64_t *to = (uint64_t *)&copy;

	_Static_assert(sizeof copy % sizeof *to == 0, "all counts are uint64_t");
	for (size_t i = 0; i < sizeof copy / sizeof *to; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	return copy;
}

struct exchange *exchange_new(struct exchanges *all)
{
	struct exchange *x = calloc(1, sizeof *x);

	if (x)
		x->all = all;
	return x;
}

/* --- slots --- */

static struct slot *slot_at(struct exchange *x, unsigned i)
{
	return &x->slots[(x->first + i) % EXCHANGE_WAITING_MAX];
}

static void waits(struct exchange *x)
{
	if (x->events++)
		return;
	x->before = NULL;
	x->after = x->all->waiting;
	if (x->after)
		x->after->before = x;
	x->all->waiting = x;
}

static void waits_no_more(struct exchange *x)
{
	if (--x->events)
		return;
	*(x->before ? &x->before->after : &x->all->waiting) = x->after;
	if (x->after)
		x->after->before = x->before;
}

static struct event *slot_take(struct exchange *x, struct slot *s)
{
	struct event *e = s->event;

	s->event = NULL;
	if (!e)
		return NULL;
	x->all->bytes -= e->size;
	waits_no_more(x);
	return e;
}

static void slot_emit(struct exchange *x, struct slot *s)
{
	struct event *e = slot_take(x, s);

	if (!e)
		return;
	COUNT(x->all, emitted, 1);
	COUNT(x->all, answered, e->request.answered != 0);
	x->all->options.event(x->all->options.arg, e);
}

/* All but the latest `keep` go out as they are. */
static void let_go(struct exchange *x, unsigned keep)
{
	for (; x->count > keep; x->count--) {
		struct slot *s = slot_at(x, 0);
		COUNT(x->all, unsure, s->event && !s->event->request.answered);
		slot_emit(x, s);
		x->first = (x->first + 1) % EXCHANGE_WAITING_MAX;
	}
	x->answering = false;
}

static void give_up(struct exchange *x)
{
	let_go(x, 0);
	x->uneven = true;
}

/* --- what the parser says --- */

static void tell(const struct exchange *x, const char *name)
{
	if (x->all->options.anomaly)
		x->all->options.anomaly(x->all->options.arg, name);
}

static void on_fault(void *arg, enum http1_response_fault fault)
{
	struct exchange *x = arg;

	if (!(x->told >> fault & 1))
		tell(x, http1_response_fault_name(fault));
	x->told |= 1u << fault;
}

static void on_answer(void *arg, const struct http1_answer *a)
{
	struct exchange *x = arg;

	if (!x->count) {
		COUNT(x->all, surplus, 1); /* its request was not seen */
		if (!x->told_unmatched && !x->uneven)
			tell(x, EXCHANGE_UNMATCHED);
		x->told_unmatched = true;
		return;
	}
	struct event *e = slot_at(x, 0)->event;
	x->answering = true;
	x->pipelines |= x->count > 1;
	if (!e) {
		COUNT(x->all, late, 1);
		return;
	}
	e->request.answered |= EVENT_ANSWER_SEEN;
	e->request.status = (uint16_t)a->status;
	e->request.latency_ns = a->first_ns > e->time_ns ? a->first_ns - e->time_ns : 0;
}

static enum http1_asked on_asked(void *arg)
{
	struct exchange *x = arg;

	return x->answering ? slot_at(x, 0)->asked : HTTP1_ASKED;
}

static void on_done(void *arg, const struct http1_answer *a)
{
	struct exchange *x = arg;

	if (!x->answering)
		return;
	struct slot *s = slot_at(x, 0);
	x->answering = false;
	if (a->whole && s->event) {
		s->event->request.answered |= EVENT_ANSWER_BODY;
		s->event->request.response_bytes = a->body;
	}
	slot_emit(x, s);
	x->first = (x->first + 1) % EXCHANGE_WAITING_MAX;
	x->count--;
}

static bool on_waiting(void *arg)
{
	const struct exchange *x = arg;

	return x->count > (x->answering ? 1u : 0u);
}

/* How many answers are missing is unknown: the next one belongs to the latest request, as a client that does
 * not pipeline has no other open. Of one that does, nobody knows. */
static void on_lost(void *arg)
{
	struct exchange *x = arg;

	if (x->pipelines)
		give_up(x);
	else
		let_go(x, 1);
}

static struct http1_responses_hooks parser_hooks(struct exchange *x)
{
	return (struct http1_responses_hooks){.answer = on_answer,
					      .asked = on_asked,
					      .done = on_done,
					      .waiting = on_waiting,
					      .lost = on_lost,
					      .fault = on_fault,
					      .arg = x};
}

/* --- calls --- */

static enum http1_asked asked_by(struct span method)
{
	if (span_equal(method, SPAN("HEAD")))
		return HTTP1_ASKED_HEAD;
	return span_equal(method, SPAN("CONNECT")) ? HTTP1_ASKED_CONNECT : HTTP1_ASKED;
}

void exchange_request(struct exchange *x, struct event *e)
{
	struct exchanges *all = x->all;

	if (x->count == EXCHANGE_WAITING_MAX)
		give_up(x);
	struct slot *s = slot_at(x, x->count++);
	*s = (struct slot){.event = e, .time_ns = e->time_ns, .asked = asked_by(e->request.method)};
	COUNT(all, taken, 1);
	all->bytes += e->size;
	waits(x);
	if (x->uneven || http1_responses_left(&x->responses)) {
		let_go(x, 0);
	} else if (all->bytes > all->options.bytes_max) {
		COUNT(all, full, 1);
		slot_emit(x, s);
	}
}

void exchange_bytes(struct exchange *x, uint64_t missing, struct span bytes, uint64_t cut, uint64_t time_ns)
{
	struct http1_responses_hooks parser = parser_hooks(x);

	if (missing)
		http1_responses_miss(&x->responses, missing, &parser);
	http1_responses_feed(&x->responses, bytes, time_ns, &parser);
	if (cut)
		http1_responses_miss(&x->responses, cut, &parser);
}

void exchange_finish(struct exchange *x)
{
	struct http1_responses_hooks parser = parser_hooks(x);

	http1_responses_end(&x->responses, &parser);
}

void exchange_flush(struct exchange *x)
{
	exchange_finish(x);
	for (unsigned i = 0; i < x->count; i++)
		slot_emit(x, slot_at(x, i));
	x->count = 0;
	x->answering = false;
}

void exchanges_tick(struct exchanges *all, uint64_t now_ns)
{
	struct exchange *x, *after;

	if (!all->options.wait_ns)
		return;
	for (x = all->waiting; x; x = after) {
		after = x->after;
		for (unsigned i = 0; i < x->count; i++) {
			struct slot *s = slot_at(x, i);
			if (now_ns < s->time_ns + all->options.wait_ns)
				break;
			COUNT(all, expired, s->event && !s->event->request.answered);
			slot_emit(x, s);
		}
	}
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	for (unsigned i = 0; i < x->count; i++)
		event_unref(slot_take(x, slot_at(x, i)));
	free(x);
}
