// SPDX-License-Identifier: Apache-2.0
/* Which answer belongs to which request, and how long an event waits for it. */
#include "lib/util.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "lib/clock.h"
#include "sensor/answers.h"

#define MS NS_PER_MS

struct rig {
	struct answers *answers;
	struct answers_line line;
	struct answer slot; /* what the kernel half shows; number 0: nothing */
	char log[4096];     /* "/a:200/3 " status and size of each event emitted, "-" where unknown */
	uint32_t seq;
	uint32_t since; /* of the answers to come */
	unsigned looks;
};

static void on_event(void *arg, struct event *e)
{
	struct rig *rig = arg;
	const struct event_request *r = &e->request;
	size_t at = strlen(rig->log);

	at += (size_t)snprintf(rig->log + at, sizeof rig->log - at, "%.*s:", (int)r->path.len, r->path.ptr);
	if (!(r->answered & EVENT_ANSWER_SEEN))
		at += (size_t)snprintf(rig->log + at, sizeof rig->log - at, "-");
	else
		at += (size_t)snprintf(rig->log + at, sizeof rig->log - at, "%u", r->status);
	if (r->answered & EVENT_ANSWER_SIZE)
		at += (size_t)snprintf(rig->log + at, sizeof rig->log - at, "/%u",
				       (unsigned)r->response_size);
	snprintf(rig->log + at, sizeof rig->log - at, " ");
	event_unref(e);
}

static bool on_look(void *arg, struct answers_line *l, struct answer *ret)
{
	struct rig *rig = arg;

	assert_ptr_equal(l, &rig->line);
	rig->looks++;
	*ret = rig->slot;
	return rig->slot.number != 0;
}

static struct rig *start(void)
{
	static struct rig rig;
	struct answers_hooks hooks = {on_event, on_look, &rig};

	rig = (struct rig){.seq = 1000};
	assert_int_equal(answers_new(&hooks, &rig.answers), 0);
	return &rig;
}

static void stop(struct rig *rig, const char *log)
{
	struct answers_counts c;

	answers_end(rig->answers, &rig->line);
	c = answers_counts(rig->answers);
	assert_int_equal(c.taken, c.emitted);
	answers_free(rig->answers);
	assert_string_equal(rig->log, log);
}

static void ask(struct rig *rig, const char *path, uint64_t at, uint64_t now_ns)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, 64);

	assert_non_null(e);
	e->time_ns = now_ns;
	e->request.path = event_tail_copy(e, span_from(path));
	answers_hold(rig->answers, &rig->line, e, at, now_ns);
}

static struct answer answer(struct rig *rig, uint32_t number, uint16_t status, uint64_t read, uint32_t size)
{
	struct answer a = {.time_ns = 1, .read = read, .size = size, .number = number, .status = status};

	a.seq = rig->seq;
	a.since = number ? rig->since : 0;
	rig->seq += size;
	return a;
}

static void say(struct rig *rig, uint32_t number, uint16_t status, uint64_t read, uint32_t size)
{
	struct answer a = answer(rig, number, status, read, size);

	a.final = 1;
	answers_seen(rig->answers, &rig->line, &a);
}

static void test_keep_alive(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 0);
	assert_string_equal(rig->log, "");
	say(rig, 1, 200, 40, 7); /* in the record that brings the next request */
	ask(rig, "/b", 40, 0);
	say(rig, 2, 404, 80, 9);
	say(rig, 2, 404, 80, 9); /* told again by the close */
	stop(rig, "/a:200/7 /b:404/9 ");
}

static void test_idle_connection_is_looked_at(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	rig->slot = answer(rig, 1, 200, 40, 7);
	answers_poll(rig->answers, 1002 * MS); /* the next record may bring it */
	assert_string_equal(rig->log, "");
	answers_poll(rig->answers, 1020 * MS);
	rig->slot.size = 4000; /* it goes on */
	answers_poll(rig->answers, 1040 * MS);
	assert_string_equal(rig->log, "");
	answers_poll(rig->answers, 1060 * MS);
	answers_poll(rig->answers, 1080 * MS);
	assert_string_equal(rig->log, "/a:200/4000 ");
	/* The same answer in a later record is none of the next request's. */
	ask(rig, "/b", 40, 1100 * MS);
	say(rig, 1, 200, 40, 7);
	stop(rig, "/a:200/4000 /b:- ");
}

static void test_nobody_answers_for_long(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	answers_poll(rig->answers, 2999 * MS);
	assert_string_equal(rig->log, "");
	answers_poll(rig->answers, 3010 * MS);
	assert_string_equal(rig->log, "/a:- ");
	say(rig, 1, 504, 40, 7); /* too late, and not the next one's */
	ask(rig, "/b", 40, 5000 * MS);
	say(rig, 2, 200, 80, 7);
	assert_int_equal(answers_counts(rig->answers).late, 1);
	assert_int_equal(answers_counts(rig->answers).expired, 1);
	stop(rig, "/a:- /b:200/7 ");
}

/* What nobody answers for long is looked at ever more rarely. */
static void test_slow_answers_are_looked_at_rarely(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	for (uint64_t t = 1010; t <= 2500; t += 10)
		answers_poll(rig->answers, t * MS);
	assert_in_range(rig->looks, 10, 30);
	rig->slot = answer(rig, 1, 200, 40, 7);
	rig->looks = 0;
	for (uint64_t t = 2510; t <= 2650; t += 10)
		answers_poll(rig->answers, t * MS);
	assert_string_equal(rig->log, "/a:200/7 ");
	assert_in_range(rig->looks, 3, 5);
	stop(rig, "/a:200/7 ");
}

/* Several connections, each in its own time, however irregularly the time is told. */
static void test_connections_expire_one_by_one(void **state)
{
	struct rig *rig = start();
	struct answers_hooks hooks = {.emit = on_event, .arg = rig};
	static struct answers_line lines[300];
	struct answers_counts c;

	(void)state;
	answers_free(rig->answers);
	assert_int_equal(answers_new(&hooks, &rig->answers), 0);
	memset(lines, 0, sizeof lines);
	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		struct event *e = event_new(EVENT_HTTP_REQUEST, 0);

		assert_non_null(e);
		answers_hold(rig->answers, &lines[i], e, 0, (1000 + i) * MS);
		if (i % 100 == 0)
			answers_poll(rig->answers, (1000 + i) * MS);
	}
	answers_end(rig->answers, &lines[150]);
	answers_end(rig->answers, &lines[150]);
	answers_poll(rig->answers, 2999 * MS);
	assert_int_equal(answers_counts(rig->answers).emitted, 1);
	answers_poll(rig->answers, 3150 * MS);
	c = answers_counts(rig->answers);
	assert_in_range(c.expired, 140, 151); /* those of ten milliseconds go together */
	answers_poll(rig->answers, 3311 * MS);
	c = answers_counts(rig->answers);
	assert_int_equal(c.expired, ARRAY_SIZE(lines) - 1);
	assert_int_equal(c.emitted, ARRAY_SIZE(lines));
	assert_false(answers_waiting(rig->answers));
	answers_free(rig->answers);
}

static void test_long_answer_has_a_status_but_no_size(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	rig->slot = answer(rig, 1, 200, 40, 7);
	for (uint64_t t = 1010; t <= 3020; t += 10) {
		rig->slot.size += 1000;
		answers_poll(rig->answers, t * MS);
	}
	assert_string_equal(rig->log, "/a:200 ");
	stop(rig, "/a:200 ");
}

static void test_pipelined(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 0);
	ask(rig, "/b", 40, 0);
	ask(rig, "/c", 80, 0);
	say(rig, 1, 200, 120, 5);
	say(rig, 2, 404, 120, 6);
	say(rig, 3, 500, 120, 7);
	assert_string_equal(rig->log, ""); /* one more would say that one was none */
	ask(rig, "/d", 120, 0);
	assert_string_equal(rig->log, "/a:200/5 /b:404/6 /c:500/7 ");
	stop(rig, "/a:200/5 /b:404/6 /c:500/7 /d:- ");
}

static void test_pipelined_then_idle(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	ask(rig, "/b", 40, 1000 * MS);
	say(rig, 1, 200, 80, 5);
	rig->slot = answer(rig, 2, 404, 80, 6);
	rig->slot.time_ns = 1000 * MS;
	answers_poll(rig->answers, 1020 * MS);
	answers_poll(rig->answers, 1040 * MS);
	answers_poll(rig->answers, 1060 * MS);
	assert_string_equal(rig->log, ""); /* a group: the server may go on */
	answers_poll(rig->answers, 1490 * MS);
	assert_string_equal(rig->log, "");
	answers_poll(rig->answers, 1580 * MS);
	assert_string_equal(rig->log, "/a:200/5 /b:404/6 ");
	stop(rig, "/a:200/5 /b:404/6 ");
}

static void test_merged_answers_are_told_as_unknown(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	ask(rig, "/b", 40, 1000 * MS);
	ask(rig, "/c", 80, 1000 * MS);
	say(rig, 1, 200, 120, 5); /* and the second in the same write */
	say(rig, 2, 500, 120, 7);
	answers_poll(rig->answers, 3100 * MS);
	assert_string_equal(rig->log, "/a:- /b:- /c:- ");
	stop(rig, "/a:- /b:- /c:- ");
}

static void test_body_that_looks_like_an_answer(void **state)
{
	struct rig *rig = start();

	(void)state;
	/* Behind a request that waited alone: its first answer is its own. */
	ask(rig, "/a", 0, 0);
	struct answer a = answer(rig, 1, 200, 40, 5);
	answers_seen(rig->answers, &rig->line, &a);
	say(rig, 2, 500, 40, 5);
	ask(rig, "/b", 40, 0);
	say(rig, 3, 201, 80, 5);
	/* In a group nobody can say. */
	ask(rig, "/c", 80, 0);
	ask(rig, "/d", 120, 0);
	say(rig, 4, 200, 160, 5);
	say(rig, 5, 500, 160, 5);
	say(rig, 6, 404, 160, 5);
	ask(rig, "/e", 160, 0);
	say(rig, 7, 200, 200, 5);
	stop(rig, "/a:200 /b:201/5 /c:- /d:- /e:200/5 ");
}

static void test_records_were_lost(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 0);
	ask(rig, "/b", 40, 0);
	say(rig, 2, 404, 80, 5); /* the first was told by a record that found no room */
	ask(rig, "/c", 80, 0);
	say(rig, 3, 200, 120, 5);
	assert_int_equal(answers_counts(rig->answers).missed, 1);
	stop(rig, "/a:- /b:- /c:200/5 ");
}

static void test_requests_were_lost(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	answers_lost(rig->answers, &rig->line);
	ask(rig, "/c", 80, 1100 * MS);
	assert_string_equal(rig->log, "/a:- /c:- "); /* nobody knows, so nobody waits */
	say(rig, 1, 200, 120, 5);
	say(rig, 2, 404, 120, 5);
	say(rig, 3, 500, 120, 5);
	ask(rig, "/d", 120, 2000 * MS);
	say(rig, 4, 200, 160, 5);
	ask(rig, "/e", 160, 5000 * MS); /* silence: all of these were answered, most likely */
	say(rig, 5, 201, 200, 5);
	ask(rig, "/f", 200, 5001 * MS); /* ... and now that is certain */
	say(rig, 6, 202, 240, 5);
	stop(rig, "/a:- /c:- /d:- /e:- /f:202/5 ");
}

/* The silence before that says nothing: one of the lost requests may have ended it. */
static void test_requests_were_lost_in_silence(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	say(rig, 1, 200, 40, 5);
	answers_lost(rig->answers, &rig->line);
	ask(rig, "/c", 80, 5000 * MS);
	say(rig, 2, 404, 120, 5); /* the lost one's */
	ask(rig, "/d", 120, 5001 * MS);
	say(rig, 3, 500, 160, 5);
	stop(rig, "/a:200/5 /c:- /d:- ");
}

/* No number tells of it: its status line came in pieces, for instance. */
static void test_unnoticed_answer_then_silence(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	ask(rig, "/b", 40, 1001 * MS);
	say(rig, 1, 201, 80, 5); /* of /b */
	ask(rig, "/c", 80, 1002 * MS);
	say(rig, 2, 202, 120, 5);
	answers_poll(rig->answers, 3100 * MS);
	ask(rig, "/d", 120, 1102 * MS + ANSWERS_FORGET_NS);
	say(rig, 3, 203, 160, 5);
	ask(rig, "/e", 160, 1103 * MS + ANSWERS_FORGET_NS);
	say(rig, 4, 204, 200, 5);
	stop(rig, "/a:- /b:- /c:- /d:- /e:204/5 ");
}

static void test_merged_answers_then_silence(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	ask(rig, "/b", 40, 1000 * MS);
	ask(rig, "/c", 80, 1000 * MS);
	say(rig, 1, 201, 120, 15); /* and all others in the same write */
	answers_poll(rig->answers, 3100 * MS);
	assert_string_equal(rig->log, "/a:- /b:- /c:- ");
	ask(rig, "/d", 120, 1100 * MS + ANSWERS_FORGET_NS);
	say(rig, 2, 204, 160, 5);
	ask(rig, "/e", 160, 1101 * MS + ANSWERS_FORGET_NS);
	say(rig, 3, 205, 200, 5);
	stop(rig, "/a:- /b:- /c:- /d:- /e:205/5 ");
}

/* The same to look at, but for the time: a server that thinks, and a client that does not wait for it. */
static void test_slow_answer_is_given_to_no_later_request(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	ask(rig, "/slow", 40, 1000 * MS);
	say(rig, 1, 201, 80, 5);
	answers_poll(rig->answers, 3100 * MS);
	ask(rig, "/c", 80, 6000 * MS);
	say(rig, 2, 500, 120, 5); /* of /slow */
	say(rig, 3, 203, 120, 5);
	ask(rig, "/d", 120, 6001 * MS);
	say(rig, 4, 204, 160, 5);
	/* Nothing at all was answered: it is owed, however long that takes. */
	ask(rig, "/slower", 160, 7000 * MS);
	answers_poll(rig->answers, 9100 * MS);
	ask(rig, "/f", 200, 9200 * MS + ANSWERS_FORGET_NS);
	say(rig, 5, 504, 240, 5);
	say(rig, 6, 206, 240, 5);
	stop(rig, "/a:- /slow:- /c:203/5 /d:204/5 /slower:- /f:206/5 ");
}

/* ... and one that does not wait for the next one either: what comes behind the silence proves nothing yet.
 */
static void test_answer_slower_than_the_silence(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	ask(rig, "/slow", 40, 1000 * MS);
	say(rig, 1, 201, 80, 5);
	answers_poll(rig->answers, 3100 * MS);
	ask(rig, "/c", 80, 1100 * MS + ANSWERS_FORGET_NS);
	say(rig, 2, 500, 120, 5); /* of /slow */
	say(rig, 3, 203, 120, 5);
	ask(rig, "/d", 120, 1101 * MS + ANSWERS_FORGET_NS);
	say(rig, 4, 204, 160, 5);
	stop(rig, "/a:- /slow:- /c:- /d:204/5 ");
}

static void test_answer_before_the_head_was_whole(void **state)
{
	struct rig *rig = start();
	struct answer a = answer(rig, 1, 431, 8192, 5);

	(void)state;
	a.open = 1;
	answers_seen(rig->answers, &rig->line, &a);
	ask(rig, "/long", 0, 0);
	stop(rig, "/long:431 ");
}

/* A write of /a's body that looks like an answer, while some of /b has been read: it is not /b's. */
static void test_body_that_looks_like_an_early_answer(void **state)
{
	struct rig *rig = start();
	struct answer a = answer(rig, 1, 200, 60, 5), body = answer(rig, 2, 404, 60, 50);

	(void)state;
	a.time_ns = body.time_ns = 1000 * MS;
	a.open = body.open = 1;
	ask(rig, "/a", 0, 1000 * MS);
	answers_seen(rig->answers, &rig->line, &a);
	answers_seen(rig->answers, &rig->line, &body);
	rig->slot = body;
	ask(rig, "/b", 40, 1010 * MS);
	for (uint64_t t = 1020; t < 1900; t += 10)
		answers_poll(rig->answers, t * MS);
	assert_string_equal(rig->log, "/a:200 ");
	say(rig, 3, 201, 80, 5);
	ask(rig, "/c", 80, 1900 * MS);
	say(rig, 4, 202, 120, 5);
	stop(rig, "/a:200 /b:- /c:202/5 ");
}

/* The same, with all of /b read. */
static void test_body_that_looks_like_the_next_answer(void **state)
{
	struct rig *rig = start();
	struct answer a = answer(rig, 1, 200, 40, 5);

	(void)state;
	ask(rig, "/a", 0, 0);
	answers_seen(rig->answers, &rig->line, &a);
	ask(rig, "/b", 40, 0);
	struct answer body = answer(rig, 2, 404, 80, 50);
	answers_seen(rig->answers, &rig->line, &body);
	say(rig, 3, 201, 80, 5);
	ask(rig, "/c", 80, 0);
	say(rig, 4, 202, 120, 5);
	stop(rig, "/a:200 /b:- /c:202/5 ");
}

/* The same, and it was one: a second status line of it is no more /b's than the first. */
static void test_early_answer_behind_another(void **state)
{
	struct rig *rig = start();
	struct answer early = answer(rig, 2, 408, 60, 5);

	(void)state;
	ask(rig, "/a", 0, 0);
	say(rig, 1, 200, 40, 5);
	early.open = 1;
	answers_seen(rig->answers, &rig->line, &early);
	ask(rig, "/b", 40, 0);
	say(rig, 3, 500, 80, 5);
	stop(rig, "/a:200/5 /b:- ");
}

static void test_answer_without_request(void **state)
{
	struct rig *rig = start();

	(void)state;
	say(rig, 1, 408, 0, 5); /* the server gave up waiting for one */
	ask(rig, "/a", 0, 0);
	say(rig, 2, 200, 40, 5);
	assert_int_equal(answers_counts(rig->answers).surplus, 1);
	stop(rig, "/a:200/5 ");
}

static void test_joined_midway(void **state)
{
	struct rig *rig = start();

	(void)state;
	rig->line.joined = 1;
	ask(rig, "/a", 0, 0);
	say(rig, 57, 200, 40, 5);
	ask(rig, "/b", 40, 0);
	say(rig, 59, 200, 80, 5); /* 58 was lost */
	stop(rig, "/a:200/5 /b:- ");
}

static void test_numberless(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 0);
	say(rig, 0, 200, 40, 5);
	ask(rig, "/b", 40, 0);
	say(rig, 0, 404, 80, 5);
	stop(rig, "/a:200/5 /b:404/5 ");
}

/* The place where the kernel half counts a connection's answers went to another one, and was given back. */
static void test_numbers_begin_anew(void **state)
{
	struct rig *rig = start();

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		ask(rig, "/a", 40 * i, 0);
		say(rig, i + 1, 200, 40 * i + 40, 5);
	}
	rig->log[0] = 0;
	rig->since = rig->seq;
	ask(rig, "/b", 200, 0);
	say(rig, 1, 404, 240, 5);
	ask(rig, "/c", 240, 0);
	say(rig, 2, 201, 280, 5);
	/* One that nobody told may have gone with the place: what waited then has no status. */
	stop(rig, "/b:- /c:201/5 ");
}

static void test_numbers_begin_anew_and_an_answer_is_missed(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 0);
	say(rig, 1, 200, 40, 5);
	ask(rig, "/b", 40, 0);
	ask(rig, "/c", 80, 0);
	rig->since = rig->seq;
	say(rig, 2, 404, 120, 5); /* the first of these found no room */
	ask(rig, "/d", 120, 0);
	assert_int_equal(answers_counts(rig->answers).missed, 1);
	stop(rig, "/a:200/5 /b:- /c:- /d:- ");
}

/* Its number and size say that it is the latest one; it is not. */
static void test_another_answer_of_the_same_number_is_looked_at(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 1000 * MS);
	struct answer a = answer(rig, 1, 200, 40, 7);
	answers_seen(rig->answers, &rig->line, &a);
	rig->since = rig->seq;
	rig->slot = answer(rig, 1, 500, 40, 9999);
	for (uint64_t t = 1020; t < 2990; t += 10)
		answers_poll(rig->answers, t * MS);
	assert_string_equal(rig->log, "");
	stop(rig, "/a:200 ");
}

static void test_numbers_end(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 0);
	say(rig, 1, 200, 40, 5);
	ask(rig, "/b", 40, 0);
	say(rig, 0, 404, 80, 5); /* the first that is told without one */
	ask(rig, "/c", 80, 0);
	say(rig, 0, 201, 120, 5);
	rig->since = rig->seq;
	ask(rig, "/d", 120, 0);
	say(rig, 1, 202, 160, 5); /* nothing can be missed here */
	stop(rig, "/a:200/5 /b:- /c:201/5 /d:202/5 ");
}

/* The kernel half keeps nothing of a connection without a place: it tells a long write piece by piece. */
static void test_numberless_write_in_pieces(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 0);
	ask(rig, "/b", 40, 0);
	struct answer whole = answer(rig, 0, 200, 80, 100000), piece = whole;
	answers_seen(rig->answers, &rig->line, &whole);
	piece.seq += 65536;
	piece.size -= 65536;
	piece.status = 500;
	answers_seen(rig->answers, &rig->line, &piece);
	say(rig, 0, 404, 80, 5);
	ask(rig, "/c", 80, 0);
	assert_int_equal(answers_counts(rig->answers).surplus, 0);
	stop(rig, "/a:200 /b:404/5 /c:- ");
}

static void test_connection_whose_answers_cannot_be_seen(void **state)
{
	struct rig *rig = start();

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		ask(rig, "/a", 40 * i, i * 3000 * MS);
		answers_poll(rig->answers, (i * 3000 + 2500) * MS);
	}
	ask(rig, "/b", 120, 9000 * MS); /* waits no more */
	assert_string_equal(rig->log, "/a:- /a:- /a:- /b:- ");
	/* Then they are. */
	say(rig, 1, 201, 160, 5);
	rig->log[0] = 0;
	ask(rig, "/c", 160, 9100 * MS + ANSWERS_FORGET_NS);
	say(rig, 2, 202, 200, 5);
	ask(rig, "/d", 200, 9101 * MS + ANSWERS_FORGET_NS);
	say(rig, 3, 203, 240, 5);
	stop(rig, "/c:- /d:203/5 ");
}

static void test_store_is_full(void **state)
{
	struct rig *rig = start();
	struct answers_counts c;

	(void)state;
	rig->log[0] = 0;
	for (unsigned i = 0; i < ANSWERS_MAX; i++)
		ask(rig, "/", i, 0);
	ask(rig, "/full", ANSWERS_MAX, 0);
	assert_string_equal(rig->log, "/full:- ");
	c = answers_counts(rig->answers);
	assert_int_equal(c.taken - c.emitted, ANSWERS_MAX);
	assert_int_equal(c.full, 1);
	answers_free(rig->answers);
}

/* A pipeline that never empties, as long as the store. */
static void test_long_pipeline(void **state)
{
	struct rig *rig = start();
	struct answers_counts c;

	(void)state;
	for (unsigned i = 0; i < ANSWERS_MAX; i++) {
		ask(rig, "/", i, 0);
		if (i)
			say(rig, i, 200, i + 1, 5);
	}
	c = answers_counts(rig->answers);
	assert_int_equal(c.taken - c.emitted, ANSWERS_MAX);
	assert_int_equal(c.surplus + c.late + c.missed, 0);
	say(rig, ANSWERS_MAX, 404, ANSWERS_MAX, 5);
	answers_end(rig->answers, &rig->line);
	c = answers_counts(rig->answers);
	assert_int_equal(c.answered, ANSWERS_MAX);
	assert_int_equal(c.emitted, ANSWERS_MAX);
	answers_free(rig->answers);
}

static void test_flush(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 0);
	ask(rig, "/b", 40, 0);
	answers_flush(rig->answers);
	stop(rig, "/a:- /b:- ");
}

/* --- a server, the kernel half and the reader, at random --- */

#define HEAD_LEN  40
#define SIM_ASKED 120
#define RECORDS   4096

enum { SIM_MERGES = 1, SIM_LOSES = 2, SIM_BORROWS = 4 };

struct sim_record {
	unsigned first, count; /* requests whose bytes it brings */
	struct answer answer;  /* status 0: none */
	bool final;
	uint64_t time_ns;
};

struct sim {
	struct answers *answers;
	struct answers_line line;
	uint64_t random, now_ns;
	unsigned faults;
	unsigned asked, replied; /* by client and server */
	unsigned asked_then;     /* asked, when the server replied last */
	struct answer slot;      /* the kernel half's */
	uint32_t carried;
	bool borrowed; /* the slot, by another connection */
	struct sim_record ring[RECORDS];
	unsigned read, written;
	unsigned known; /* requests that the user half knows, lost ones included */
	unsigned right, wrong, unknown;
};

static unsigned dice(struct sim *s, unsigned n)
{
	s->random = s->random * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(s->random >> 33) % n;
}

static unsigned status_of(unsigned request)
{
	return 200 + request;
}

static void sim_emit(void *arg, struct event *e)
{
	struct sim *s = arg;
	const struct event_request *r = &e->request;

	if (!(r->answered & EVENT_ANSWER_SEEN))
		s->unknown++;
	else if (r->status == status_of((unsigned)e->id))
		s->right++;
	else
		s->wrong++;
	event_unref(e);
}

static bool sim_look(void *arg, struct answers_line *l, struct answer *ret)
{
	struct sim *s = arg;

	(void)l;
	*ret = s->slot;
	return s->slot.number && s->slot.read <= (uint64_t)s->known * HEAD_LEN;
}

static void sim_record(struct sim *s, struct sim_record rec)
{
	assert_true(s->written < RECORDS);
	rec.time_ns = s->now_ns;
	s->ring[s->written++] = rec;
}

static void sim_ask(struct sim *s)
{
	struct sim_record rec = {
		.first = s->asked, .count = 1 + (dice(s, 3) ? 0 : dice(s, 4)), .final = true};

	if (s->slot.number != s->carried) {
		rec.answer = s->slot;
		s->carried = s->slot.number;
	}
	s->asked += rec.count;
	sim_record(s, rec);
}

static void sim_reply(struct sim *s)
{
	unsigned which = s->replied++;
	bool may_merge = which < s->asked_then && s->asked_then == s->asked;

	/* In one write with the one before: only the first of them is seen to begin. */
	if (s->faults & SIM_MERGES && may_merge && dice(s, 20) == 0)
		return;
	s->asked_then = s->asked;
	if (s->slot.number != s->carried) {
		sim_record(s, (struct sim_record){.answer = s->slot});
		s->carried = s->slot.number;
	}
	struct answer next = {
		.time_ns = s->now_ns,
		.read = (uint64_t)s->asked * HEAD_LEN,
		.size = 10,
		.seq = which * 10,
		.number = s->slot.number + 1,
		.since = s->slot.since,
		.status = (uint16_t)status_of(which),
	};
	if (s->borrowed) {
		next.number = next.since = 0;
		sim_record(s, (struct sim_record){.answer = next});
		return;
	}
	if (s->faults & SIM_BORROWS && next.number == 1 && which)
		next.since = next.seq;
	s->slot = next;
}

/* Another connection opens that falls on the slot, or ends. What no record took along yet is gone. */
static void sim_borrow(struct sim *s)
{
	s->borrowed = !s->borrowed;
	s->slot = (struct answer){0};
	s->carried = 0;
}

static void sim_take(struct sim *s)
{
	struct sim_record rec = s->ring[s->read++];
	bool lost_before = rec.count && rec.first != s->known;

	if (s->faults & SIM_LOSES && dice(s, 100) == 0)
		return;
	if (lost_before)
		answers_lost(s->answers, &s->line);
	/* Records are in order: the server had read something that no record brought. */
	if (rec.answer.read > (uint64_t)s->known * HEAD_LEN)
		answers_lost(s->answers, &s->line);
	if (rec.answer.status) {
		rec.answer.final = rec.final;
		rec.answer.open = rec.answer.read > (uint64_t)s->known * HEAD_LEN;
		answers_seen(s->answers, &s->line, &rec.answer);
	}
	for (unsigned i = 0; i < rec.count; i++) {
		struct event *e = event_new(EVENT_HTTP_REQUEST, 0);

		assert_non_null(e);
		e->id = rec.first + i;
		answers_hold(s->answers, &s->line, e, (uint64_t)(rec.first + i) * HEAD_LEN, rec.time_ns);
	}
	if (rec.count)
		s->known = rec.first + rec.count;
}

static void sim_step(struct sim *s)
{
	unsigned waiting = s->asked - s->replied;

	switch (dice(s, 8)) {
	case 0:
	case 1:
		if (s->asked < SIM_ASKED && (!waiting || dice(s, 6) == 0))
			sim_ask(s);
		break;
	case 2:
	case 3:
	case 4:
		if (waiting)
			sim_reply(s);
		break;
	case 5:
	case 6:
		if (s->read < s->written)
			sim_take(s);
		break;
	default:
		if (s->faults & SIM_BORROWS && dice(s, s->borrowed ? 4 : 100) == 0)
			sim_borrow(s);
		/* Two seconds of silence after a loss mean that nothing is owed. */
		s->now_ns += dice(s, 40) * MS;
		if (dice(s, 50) == 0 && (!waiting || !(s->faults & SIM_LOSES)))
			s->now_ns += dice(s, 3000) * MS;
		if (!waiting && dice(s, 50) == 0)
			s->now_ns += ANSWERS_FORGET_NS;
		answers_poll(s->answers, s->now_ns);
		break;
	}
}

/* One connection from its beginning to its end. */
static void sim_run(struct sim *s, uint64_t seed, unsigned faults)
{
	struct answers_hooks hooks = {sim_emit, sim_look, s};

	*s = (struct sim){.random = seed, .now_ns = 1000 * MS, .faults = faults};
	assert_int_equal(answers_new(&hooks, &s->answers), 0);
	while (s->asked < SIM_ASKED || s->replied < s->asked)
		sim_step(s);
	sim_record(s, (struct sim_record){.answer = s->slot, .final = true});
	while (s->read < s->written)
		sim_take(s);
	answers_end(s->answers, &s->line);
	assert_int_equal(answers_counts(s->answers).emitted, answers_counts(s->answers).taken);
	answers_free(s->answers);
}

static void test_no_request_gets_anothers_answer(void **state)
{
	static const unsigned faults[] = {
		0, SIM_MERGES, SIM_LOSES, SIM_MERGES | SIM_LOSES, SIM_BORROWS, SIM_BORROWS | SIM_LOSES};
	static struct sim s;

	(void)state;
	for (unsigned f = 0; f < ARRAY_SIZE(faults); f++) {
		unsigned right = 0, unknown = 0;

		for (uint64_t seed = 1; seed <= 4000; seed++) {
			sim_run(&s, seed, faults[f]);
			if (s.wrong)
				fail_msg("faults %u, seed %u: %u wrong", faults[f], (unsigned)seed, s.wrong);
			right += s.right;
			unknown += s.unknown;
		}
		print_message("faults %u: %u answered, %u without answer\n", faults[f], right, unknown);
		assert_true(faults[f] ? right > 0 : right > 20 * unknown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_idle_connection_is_looked_at),
		cmocka_unit_test(test_nobody_answers_for_long),
		cmocka_unit_test(test_slow_answers_are_looked_at_rarely),
		cmocka_unit_test(test_connections_expire_one_by_one),
		cmocka_unit_test(test_long_answer_has_a_status_but_no_size),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_pipelined_then_idle),
		cmocka_unit_test(test_merged_answers_are_told_as_unknown),
		cmocka_unit_test(test_body_that_looks_like_an_answer),
		cmocka_unit_test(test_records_were_lost),
		cmocka_unit_test(test_requests_were_lost),
		cmocka_unit_test(test_requests_were_lost_in_silence),
		cmocka_unit_test(test_unnoticed_answer_then_silence),
		cmocka_unit_test(test_merged_answers_then_silence),
		cmocka_unit_test(test_slow_answer_is_given_to_no_later_request),
		cmocka_unit_test(test_answer_slower_than_the_silence),
		cmocka_unit_test(test_answer_before_the_head_was_whole),
		cmocka_unit_test(test_body_that_looks_like_an_early_answer),
		cmocka_unit_test(test_body_that_looks_like_the_next_answer),
		cmocka_unit_test(test_early_answer_behind_another),
		cmocka_unit_test(test_answer_without_request),
		cmocka_unit_test(test_joined_midway),
		cmocka_unit_test(test_numberless),
		cmocka_unit_test(test_numbers_begin_anew),
		cmocka_unit_test(test_numbers_begin_anew_and_an_answer_is_missed),
		cmocka_unit_test(test_another_answer_of_the_same_number_is_looked_at),
		cmocka_unit_test(test_numbers_end),
		cmocka_unit_test(test_numberless_write_in_pieces),
		cmocka_unit_test(test_connection_whose_answers_cannot_be_seen),
		cmocka_unit_test(test_store_is_full),
		cmocka_unit_test(test_long_pipeline),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_no_request_gets_anothers_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
