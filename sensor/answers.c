// SPDX-License-Identifier: Apache-2.0
/*
 * answers.c: what a connection holds is a list in the order in which it came, so that whoever expires is the
 * first of it. Connections that hold anything stand in a wheel of ticks, at the one in which answers_poll is
 * to look at them next.
 */
#include "sensor/answers.h"
#include <errno.h>
#include <stdlib.h>
#include "lib/clock.h"
#include "lib/util.h"

#define TICK_NS       (10 * NS_PER_MS)
#define PAUSE_MAX     8                 /* ticks between two looks at a connection */
#define WHEEL         16                /* ticks; more than PAUSE_MAX */
#define LOOK_AFTER_NS (5 * NS_PER_MS)   /* until then the next record most likely brings the answer */
#define QUIET_NS      (500 * NS_PER_MS) /* after its last answer a group is complete */
#define EXPIRED_MAX   3                 /* in a row: this connection's answers are not to be seen */

struct answers_held {
	struct answers_held *next; /* of the line */
	struct event *event;
	uint64_t start, since_ns;
	struct answer answer; /* status 0: none */
};

struct answers {
	struct answers_hooks hooks;
	struct answers_line *due[WHEEL]; /* by tick, modulo; in no order */
	uint64_t tick;                   /* of the latest answers_poll */
	size_t held, bytes;
	struct answers_counts counts; /* written here only, read by anyone */
};

#define COUNT(a, field, n) __atomic_store_n(&(a)->counts.field, (a)->counts.field + (n), __ATOMIC_RELAXED)

/* --- when a line is looked at --- */

static void schedule(struct answers *a, struct answers_line *l, uint64_t tick)
{
	l->due = MAX(tick, a->tick + 1);
	struct answers_line **first = &a->due[l->due % WHEEL];
	l->due_before = NULL;
	l->due_after = *first;
	if (*first)
		(*first)->due_before = l;
	*first = l;
}

static void unschedule(struct answers *a, struct answers_line *l)
{
	if (!l->due)
		return;
	if (l->due_before)
		l->due_before->due_after = l->due_after;
	else
		a->due[l->due % WHEEL] = l->due_after;
	if (l->due_after)
		l->due_after->due_before = l->due_before;
	l->due = 0;
}

/* --- emitting --- */

static void event_answer(struct event *e, const struct answer *answer)
{
	struct event_request *r = &e->request;

	r->answered = EVENT_ANSWER_SEEN;
	r->status = answer->status;
	r->latency_ns = answer->time_ns > e->time_ns ? answer->time_ns - e->time_ns : 0;
	if (answer->final) {
		r->answered |= EVENT_ANSWER_SIZE;
		r->response_size = answer->size;
	}
}

/* The first of a line leaves it, with its answer or without. */
static void emit_first(struct answers *a, struct answers_line *l, bool with_answer)
{
	struct answers_held *h = l->first;
	struct event *e = h->event;

	l->first = h->next;
	if (l->last == h)
		l->last = NULL;
	if (l->waiting == h)
		l->waiting = h->next;
	if (l->answered == h)
		l->answered = NULL;
	if (!l->first)
		unschedule(a, l);
	a->bytes -= e->size;
	if (with_answer && h->answer.status) {
		event_answer(e, &h->answer);
		COUNT(a, answered, 1);
	}
	free(h);
	a->held--;
	COUNT(a, emitted, 1);
	a->hooks.emit(a->hooks.arg, e);
}

/* Requests and answers are even: what follows has nothing to do with what was. */
static void begin_anew(struct answers_line *l)
{
	l->asked = l->got = 0;
	l->doubt = 0;
}

/* All that waits goes out: with its answers, if each request has one and nothing is in doubt. */
static void settle(struct answers *a, struct answers_line *l)
{
	bool sure = l->asked == l->got && !l->doubt;

	while (l->first) {
		if (!sure && l->got)
			COUNT(a, unsure, 1);
		emit_first(a, l, sure);
	}
	l->looked = 0;
	if (l->asked != l->got)
		return;
	l->expired = 0;
	begin_anew(l);
}

/* --- requests --- */

/* Counts as one that goes unanswered, so that its answer is given to no other. */
static void emit_at_once(struct answers *a, struct answers_line *l, struct event *e)
{
	l->asked++;
	l->doubt = 1;
	if (!l->first)
		l->gone++;
	COUNT(a, emitted, 1);
	a->hooks.emit(a->hooks.arg, e);
}

static void append(struct answers *a, struct answers_line *l, struct answers_held *h)
{
	if (l->last) {
		l->last->next = h;
	} else {
		l->first = h;
		l->pause = 1;
		schedule(a, l, (h->since_ns + LOOK_AFTER_NS) / TICK_NS + 1);
	}
	l->last = h;
	if (!l->waiting)
		l->waiting = h;
	a->bytes += h->event->size;
	a->held++;
}

/* --- answers --- */

/* n answers that nobody saw: each to the request whose turn it is. */
static void pass_missed(struct answers *a, struct answers_line *l, uint32_t n)
{
	COUNT(a, missed, n);
	l->doubt = 1;
	for (; n && l->got < l->asked; n--, l->got++) {
		if (l->gone)
			l->gone--;
		else if (l->waiting)
			l->waiting = l->waiting->next;
	}
}

/*
 * True: it is a new one. Where the numbers end or begin anew, the kernel half's place for them went to
 * another connection: an answer may have gone with it.
 */
static bool take_number(struct answers *a, struct answers_line *l, const struct answer *answer)
{
	uint32_t end = answer->seq + (uint32_t)answer->size, next = 1;

	if (answer->number && answer->since == l->since && !l->joined) {
		next = l->number + 1;
		if ((int32_t)(answer->number - next) < 0)
			return false;
	} else if (answer->number || l->number) {
		l->doubt |= l->number != 0;
	} else if (l->heard && l->end == end) {
		return false; /* another piece of the same write */
	}
	if (answer->number && !l->joined && answer->number != next)
		pass_missed(a, l, answer->number - next);
	l->number = answer->number;
	l->since = answer->since;
	l->end = end;
	l->heard = 1;
	l->joined = 0;
	l->looked = 0;
	l->pause = 1;
	return true;
}

/* The latest answer again: where it ended is known now. */
static void refine(struct answers *a, struct answers_line *l, const struct answer *answer)
{
	struct answer *known = l->answered ? &l->answered->answer : &l->early;

	if (!answer->final || !known->status || known->number != answer->number)
		return;
	known->size = answer->size;
	known->final = 1;
	if (!l->waiting && l->asked == 1)
		settle(a, l);
}

/* Of all that the server wrote to this connection. */
static bool is_first(const struct answer *answer)
{
	return answer->number == 1 && !answer->since;
}

/*
 * Nobody waits for it. first: nothing was written before on this connection. Else it may as well be some of
 * the body of the answer before.
 */
static void keep_early(struct answers *a, struct answers_line *l, const struct answer *answer, bool first)
{
	if (answer->open && first) {
		l->early = *answer;
		return;
	}
	COUNT(a, surplus, 1);
	/* Which one was it? Of the connection's first request that is certain. */
	l->doubt |= l->asked > 1 || (l->answered && !is_first(&l->answered->answer));
	l->unclear |= answer->open && !l->early.status;
}

/* To a request that has gone out. */
static void give_late(struct answers *a, struct answers_line *l)
{
	l->gone -= l->gone != 0;
	l->got++;
	COUNT(a, late, 1);
	if (l->first || l->asked != l->got)
		return;
	l->expired = 0;
	begin_anew(l);
}

/* To the first that waits for one. */
static void give(struct answers *a, struct answers_line *l, const struct answer *answer)
{
	struct answers_held *h = l->waiting, *before = l->answered;

	if (l->gone || !h) {
		give_late(a, l);
		return;
	}
	if (answer->read <= h->start) { /* written before a byte of that request was read */
		COUNT(a, surplus, 1);
		l->doubt |= l->asked > 1;
		return;
	}
	if (before && answer->number && before->answer.number + 1 == answer->number) {
		before->answer.size = (uint32_t)(answer->seq - before->answer.seq);
		before->answer.final = 1;
	}
	h->answer = *answer;
	l->answered = h;
	l->waiting = h->next;
	l->got++;
	if (l->asked == 1 && answer->final)
		settle(a, l);
}

void answers_seen(struct answers *a, struct answers_line *l, const struct answer *answer)
{
	bool first = !l->heard && !l->joined && is_first(answer);

	l->last_ns = MAX(l->last_ns, answer->time_ns);
	if (!take_number(a, l, answer))
		refine(a, l, answer);
	else if (l->lost)
		COUNT(a, late, 1);
	else if (l->asked == l->got)
		keep_early(a, l, answer, first);
	else
		give(a, l, answer);
}

/* So long a silence that most likely no answer is owed any longer. */
static void count_anew(struct answers_line *l)
{
	l->lost = 0;
	l->gone = 0;
	l->expired = 0;
	begin_anew(l);
	l->doubt = 1;
}

static void expire(struct answers *a, struct answers_line *l)
{
	bool alone = l->asked == 1;

	if (alone && l->first->answer.status) {
		settle(a, l);
		return;
	}
	if (l->waiting == l->first) {
		l->gone++;
		l->expired += l->expired < UINT8_MAX;
		COUNT(a, expired, 1);
	} else {
		COUNT(a, unsure, 1);
	}
	emit_first(a, l, false);
}

/* What was before the request at hand: how long did neither side say anything? */
static uint64_t silence(struct answers_line *l, uint64_t now_ns)
{
	uint64_t silent_ns = now_ns > l->last_ns ? now_ns - l->last_ns : 0;

	if (l->lost_now) /* who knows when */
		silent_ns = 0;
	l->lost_now = 0;
	l->last_ns = MAX(l->last_ns, now_ns);
	return silent_ns;
}

void answers_hold(struct answers *a, struct answers_line *l, struct event *e, uint64_t start, uint64_t now_ns)
{
	uint64_t silent_ns = silence(l, now_ns);

	COUNT(a, taken, 1);
	if (!l->waiting)
		settle(a, l);
	while (l->first && silent_ns >= ANSWERS_WAIT_NS)
		expire(a, l);
	/* Without a loss, `got` says that the two are uneven, and that the server answers at all. */
	if (l->lost ? silent_ns >= ANSWERS_WAIT_NS : l->got && silent_ns >= ANSWERS_FORGET_NS)
		count_anew(l);
	if (l->lost || l->expired >= EXPIRED_MAX) {
		COUNT(a, unsure, 1);
		emit_at_once(a, l, e);
		return;
	}
	struct answers_held *h = NULL;
	if (a->held < ANSWERS_MAX && a->bytes + e->size <= ANSWERS_BYTES)
		h = calloc(1, sizeof *h);
	if (!h) {
		COUNT(a, full, 1);
		emit_at_once(a, l, e);
		return;
	}
	h->event = e;
	h->start = start;
	h->since_ns = now_ns;
	append(a, l, h);
	l->asked++;
	l->doubt |= l->unclear;
	l->unclear = 0;
	if (l->early.status) {
		struct answer early = l->early;

		l->early = (struct answer){0};
		give(a, l, &early);
	}
}

void answers_lost(struct answers *a, struct answers_line *l)
{
	l->doubt = 1;
	while (l->first) {
		COUNT(a, unsure, 1);
		emit_first(a, l, false);
	}
	l->early = (struct answer){0};
	l->lost = l->lost_now = l->heard = 1;
}

void answers_end(struct answers *a, struct answers_line *l)
{
	settle(a, l);
	*l = (struct answers_line){0};
}

/* --- time --- */

/* Nothing changed since the last look: the answer is whole, as far as that can be told. */
static void look_again(struct answers *a, struct answers_line *l, const struct answer *answer,
		       uint64_t now_ns)
{
	bool same = l->looked && l->looked_size == answer->size;

	l->looked = 1;
	l->looked_size = answer->size;
	if (!same || l->waiting || (l->asked > 1 && now_ns < answer->time_ns + QUIET_NS))
		return;
	struct answer whole = *answer;
	whole.final = 1;
	refine(a, l, &whole);
	settle(a, l);
}

static void look(struct answers *a, struct answers_line *l, uint64_t now_ns)
{
	struct answer answer;

	if (!a->hooks.look || !a->hooks.look(a->hooks.arg, l, &answer) || !answer.number)
		return;
	/* Else records of those in between are on their way; or may be, where the numbers began anew. */
	bool counted = answer.since == l->since;
	if (l->joined ? l->asked == 1 : counted && answer.number == l->number + 1)
		answers_seen(a, l, &answer);
	else if (!l->joined && counted && answer.number == l->number)
		look_again(a, l, &answer, now_ns);
}

static bool is_old(const struct answers_held *h, uint64_t now_ns)
{
	return now_ns >= h->since_ns + ANSWERS_WAIT_NS;
}

static void poll_line(struct answers *a, struct answers_line *l, uint64_t now_ns)
{
	unschedule(a, l);
	look(a, l, now_ns);
	while (l->first && is_old(l->first, now_ns))
		expire(a, l);
	if (!l->first)
		return;
	schedule(a, l, MIN(a->tick + l->pause, (l->first->since_ns + ANSWERS_WAIT_NS) / TICK_NS + 1));
	l->pause = MIN(2 * l->pause, PAUSE_MAX);
}

void answers_poll(struct answers *a, uint64_t now_ns)
{
	uint64_t now = now_ns / TICK_NS, tick = a->tick + 1;
	struct answers_line *l, *after;

	if (now < tick)
		return;
	if (now - a->tick > WHEEL)
		tick = now - WHEEL + 1;
	a->tick = now;
	for (; tick <= now; tick++)
		for (l = a->due[tick % WHEEL]; l; l = after) {
			after = l->due_after;
			if (l->due <= now) /* else of a later turn of the wheel */
				poll_line(a, l, now_ns);
		}
}

void answers_flush(struct answers *a)
{
	for (unsigned i = 0; i < WHEEL; i++)
		while (a->due[i])
			answers_end(a, a->due[i]);
}

bool answers_waiting(const struct answers *a)
{
	return a->held != 0;
}

struct answers_counts answers_counts(const struct answers *a)
{
	struct answers_counts copy;
	const uint64_t *from = (const uint64_t *)&a->counts;
	uint64_t *to = (uint64_t *)&copy;

	_Static_assert(sizeof copy % sizeof *to == 0, "all counts are uint64_t");
	for (size_t i = 0; i < sizeof copy / sizeof *to; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	return copy;
}

int answers_new(const struct answers_hooks *hooks, struct answers **ret)
{
	struct answers *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->hooks = *hooks;
	*ret = a;
	return 0;
}

static void free_held(struct answers_line *l)
{
	struct answers_held *next;

	for (struct answers_held *h = l->first; h; h = next) {
		next = h->next;
		event_unref(h->event);
		free(h);
	}
}

void answers_free(struct answers *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < WHEEL; i++)
		for (struct answers_line *l = a->due[i]; l; l = l->due_after)
			free_held(l);
	free(a);
}
