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
	answers_poll(rig->answers, 1120 * MS);
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
	ask(rig, "/a", 0, 0);
	answers_doubt(&rig->line);
	ask(rig, "/c", 80, 0);
	say(rig, 1, 200, 120, 5);
	say(rig, 2, 404, 120, 5);
	say(rig, 3, 500, 120, 5);
	ask(rig, "/d", 120, 0);
	say(rig, 4, 200, 160, 5);
	stop(rig, "/a:- /c:- /d:200/5 ");
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
	stop(rig, "/a:- /a:- /a:- /b:- ");
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

static void test_flush(void **state)
{
	struct rig *rig = start();

	(void)state;
	ask(rig, "/a", 0, 0);
	ask(rig, "/b", 40, 0);
	answers_flush(rig->answers);
	stop(rig, "/a:- /b:- ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_idle_connection_is_looked_at),
		cmocka_unit_test(test_nobody_answers_for_long),
		cmocka_unit_test(test_long_answer_has_a_status_but_no_size),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_pipelined_then_idle),
		cmocka_unit_test(test_merged_answers_are_told_as_unknown),
		cmocka_unit_test(test_body_that_looks_like_an_answer),
		cmocka_unit_test(test_records_were_lost),
		cmocka_unit_test(test_requests_were_lost),
		cmocka_unit_test(test_answer_before_the_head_was_whole),
		cmocka_unit_test(test_answer_without_request),
		cmocka_unit_test(test_joined_midway),
		cmocka_unit_test(test_numberless),
		cmocka_unit_test(test_connection_whose_answers_cannot_be_seen),
		cmocka_unit_test(test_store_is_full),
		cmocka_unit_test(test_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
