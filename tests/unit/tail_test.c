// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <time.h>
#include "lib/util.h"
#include "sensor/tail.h"

#define NO_CEILING (1u << 30)

/* What an event of so much text weighs. */
static size_t size_with(size_t text)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, text);

	assert_non_null(e);
	size_t size = e->size;
	event_unref(e);
	return size;
}

static uint64_t put_text(struct tail *t, size_t text)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, text);

	assert_non_null(e);
	uint64_t id = e->id;
	tail_put(t, e);
	event_unref(e);
	return id;
}

static uint64_t put(struct tail *t)
{
	struct event *e = event_new(EVENT_TCP_HEADER, 0);

	assert_non_null(e);
	uint64_t id = e->id;
	tail_put(t, e);
	event_unref(e);
	return id;
}

static void a_reader_gets_what_is_written_in_order(void **state)
{
	(void)state;
	struct tail *t;
	struct event *got[8];
	uint64_t ids[3], missed;

	assert_int_equal(tail_new(16, NO_CEILING, &t), 0);
	struct tail_cursor c = tail_open(t, 0);
	for (unsigned i = 0; i < 3; i++)
		ids[i] = put(t);
	assert_int_equal(tail_read(t, &c, got, 2, 0, &missed), 2);
	assert_int_equal(tail_read(t, &c, got + 2, 6, 0, &missed), 1);
	assert_int_equal(missed, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(got[i]->id, ids[i]);
		event_unref(got[i]);
	}
	assert_int_equal(tail_read(t, &c, got, 8, 0, &missed), 0);
	tail_free(t);
}

static void a_reader_may_begin_some_events_back(void **state)
{
	(void)state;
	struct tail *t;
	struct event *got[8];
	uint64_t ids[6], missed;

	assert_int_equal(tail_new(4, NO_CEILING, &t), 0);
	struct tail_cursor c = tail_open(t, 100); /* nothing there yet */
	assert_int_equal(tail_read(t, &c, got, 8, 0, &missed), 0);
	for (unsigned i = 0; i < 6; i++)
		ids[i] = put(t);
	c = tail_open(t, 2);
	assert_int_equal(tail_read(t, &c, got, 8, 0, &missed), 2);
	assert_int_equal(got[0]->id, ids[4]);
	event_unref(got[0]);
	event_unref(got[1]);
	c = tail_open(t, 100); /* no more than is held, and that is no miss */
	assert_int_equal(tail_read(t, &c, got, 8, 0, &missed), 4);
	assert_int_equal(missed, 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(got[i]->id, ids[2 + i]);
		event_unref(got[i]);
	}
	tail_free(t);
}

static void a_slow_reader_is_told_how_many_it_missed(void **state)
{
	(void)state;
	struct tail *t;
	struct event *got[8];
	uint64_t missed, last = 0;

	assert_int_equal(tail_new(4, NO_CEILING, &t), 0);
	struct tail_cursor c = tail_open(t, 0);
	for (unsigned i = 0; i < 10; i++)
		last = put(t);
	assert_int_equal(tail_read(t, &c, got, 8, 0, &missed), 4);
	assert_int_equal(missed, 6);
	assert_int_equal(got[3]->id, last);
	for (unsigned i = 0; i < 4; i++)
		event_unref(got[i]);
	tail_free(t);
}

static void an_event_read_outlives_the_ring(void **state)
{
	(void)state;
	struct tail *t;
	struct event *got;
	uint64_t missed;

	assert_int_equal(tail_new(1, NO_CEILING, &t), 0);
	struct tail_cursor c = tail_open(t, 0);
	uint64_t id = put(t);
	assert_int_equal(tail_read(t, &c, &got, 1, 0, &missed), 1);
	put(t);
	tail_free(t);
	assert_int_equal(got->id, id);
	assert_int_equal(got->refs, 1);
	event_unref(got);
}

static void large_events_push_out_the_oldest_before_the_ring_is_full_of_events(void **state)
{
	(void)state;
	struct tail *t;
	struct event *got[64];
	uint64_t ids[1000], missed;
	size_t each = size_with(30000);

	assert_int_equal(tail_new(32768, 10 * each, &t), 0);
	struct tail_cursor c = tail_open(t, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = put_text(t, 30000);
	assert_int_equal(tail_read(t, &c, got, 64, 0, &missed), 10);
	assert_int_equal(missed, 990);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(got[i]->id, ids[990 + i]);
		event_unref(got[i]);
	}
	c = tail_open(t, 100); /* no more than is held, and that is no miss */
	assert_int_equal(tail_read(t, &c, got, 1, 0, &missed), 1);
	assert_int_equal(missed, 0);
	assert_int_equal(got[0]->id, ids[990]);
	event_unref(got[0]);
	tail_free(t);
}

static void one_large_event_pushes_out_as_many_small_ones_as_it_weighs(void **state)
{
	(void)state;
	struct tail *t;
	struct event *got[64];
	uint64_t missed;
	size_t small = size_with(0), large = 150 * small;

	assert_int_equal(tail_new(1024, 200 * small, &t), 0);
	struct tail_cursor c = tail_open(t, 0);
	uint64_t first = put_text(t, 0);
	for (unsigned i = 1; i < 200; i++)
		put_text(t, 0);
	assert_int_equal(tail_read(t, &c, got, 1, 0, &missed), 1); /* just fits */
	assert_int_equal(missed, 0);
	assert_int_equal(got[0]->id, first);
	assert_int_equal(got[0]->refs, 2); /* held by the ring, until now */
	struct event *seen = got[0];
	uint64_t last = put_text(t, large - small);
	assert_int_equal(seen->refs, 1);
	event_unref(seen);
	unsigned left = tail_read(t, &c, got, 64, 0, &missed);
	assert_int_equal(left, 51);
	assert_int_equal(missed, 149); /* the first was read in time */
	assert_int_equal(got[left - 1]->id, last);
	for (unsigned i = 0; i < left; i++)
		event_unref(got[i]);
	tail_free(t);
}

static void an_event_larger_than_the_ring_is_missed_and_the_next_is_not(void **state)
{
	(void)state;
	struct tail *t;
	struct event *got[4];
	uint64_t missed;

	assert_int_equal(tail_new(16, size_with(1000), &t), 0);
	struct tail_cursor c = tail_open(t, 0);
	put_text(t, 1001);
	assert_int_equal(tail_read(t, &c, got, 4, 0, &missed), 0);
	assert_int_equal(missed, 1);
	uint64_t id = put_text(t, 1000);
	assert_int_equal(tail_read(t, &c, got, 4, 0, &missed), 1);
	assert_int_equal(missed, 0);
	assert_int_equal(got[0]->id, id);
	event_unref(got[0]);
	tail_free(t);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void *put_later(void *arg)
{
	struct timespec ts = {.tv_nsec = 30 * 1000000};

	nanosleep(&ts, NULL);
	put(arg);
	return NULL;
}

static void a_waiting_reader_is_woken_or_gives_up_in_time(void **state)
{
	(void)state;
	struct tail *t;
	struct event *got;
	uint64_t missed;
	pthread_t thread;

	assert_int_equal(tail_new(4, NO_CEILING, &t), 0);
	struct tail_cursor c = tail_open(t, 0);
	uint64_t from = now_ms();
	assert_int_equal(tail_read(t, &c, &got, 1, 50, &missed), 0);
	assert_true(now_ms() - from >= 49);
	assert_int_equal(pthread_create(&thread, NULL, put_later, t), 0);
	from = now_ms();
	assert_int_equal(tail_read(t, &c, &got, 1, 20000, &missed), 1);
	assert_true(now_ms() - from < 10000);
	pthread_join(thread, NULL);
	event_unref(got);
	tail_free(t);
}

struct load {
	struct tail *tail;
	unsigned events;
};

static void *put_many(void *arg)
{
	struct load *l = arg;

	for (unsigned i = 0; i < l->events; i++)
		put(l->tail);
	return NULL;
}

static void with_two_writers_read_and_missed_add_up(void **state)
{
	(void)state;
	struct load l = {.events = 20000};
	pthread_t threads[2];
	struct event *got[64];
	uint64_t read = 0, missed;

	/* The byte ceiling is met as well: at about 200 of these events. */
	assert_int_equal(tail_new(256, 200 * size_with(0), &l.tail), 0);
	struct tail_cursor c = tail_open(l.tail, 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_many, &l), 0);
	while (read < 2ull * l.events) {
		unsigned n = tail_read(l.tail, &c, got, ARRAY_SIZE(got), 5000, &missed);
		assert_true(n > 0);
		for (unsigned i = 0; i < n; i++)
			event_unref(got[i]);
		read += n + missed;
	}
	assert_int_equal(read, 2ull * l.events);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	tail_free(l.tail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_gets_what_is_written_in_order),
		cmocka_unit_test(a_reader_may_begin_some_events_back),
		cmocka_unit_test(a_slow_reader_is_told_how_many_it_missed),
		cmocka_unit_test(an_event_read_outlives_the_ring),
		cmocka_unit_test(large_events_push_out_the_oldest_before_the_ring_is_full_of_events),
		cmocka_unit_test(one_large_event_pushes_out_as_many_small_ones_as_it_weighs),
		cmocka_unit_test(an_event_larger_than_the_ring_is_missed_and_the_next_is_not),
		cmocka_unit_test(a_waiting_reader_is_woken_or_gives_up_in_time),
		cmocka_unit_test(with_two_writers_read_and_missed_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
