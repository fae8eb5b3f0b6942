// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/queue.h"

static int is_readable(const struct queue *q)
{
	struct pollfd p = {.fd = queue_fd(q), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void items_leave_in_the_order_they_came(void **state)
{
	struct queue *q;
	int items[4];
	void *item;

	(void)state;
	assert_int_equal(queue_new(3, &q), 0);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 3; i++)
			assert_int_equal(queue_push(q, &items[i]), 0);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(queue_pop(q, &item), 0);
			assert_ptr_equal(item, &items[i]);
		}
		assert_int_equal(queue_pop(q, &item), QUEUE_E_EMPTY);
	}
	queue_free(q, NULL);
}

static void full_queue_refuses_and_counts(void **state)
{
	struct queue *q;
	void *item;
	int x;

	(void)state;
	assert_int_equal(queue_new(2, &q), 0);
	assert_int_equal(queue_push(q, &x), 0);
	assert_int_equal(queue_push(q, &x), 0);
	assert_int_equal(queue_push(q, &x), QUEUE_E_FULL);
	assert_int_equal(queue_push(q, &x), QUEUE_E_FULL);
	assert_int_equal(queue_pop(q, &item), 0);
	struct queue_counts c = queue_counts(q);
	assert_int_equal(c.pushed, 2);
	assert_int_equal(c.refused, 2);
	assert_int_equal(c.popped, 1);
	assert_int_equal(c.held, 1);
	assert_int_equal(c.peak, 2);
	queue_free(q, NULL);
}

static void large_items_fill_the_queue_before_its_count_does(void **state)
{
	struct queue *q;
	void *item;
	int x;

	(void)state;
	assert_int_equal(queue_new(100, &q), 0);
	queue_limit_bytes(q, 1000);
	assert_int_equal(queue_push_sized(q, &x, 600), 0);
	assert_int_equal(queue_push_sized(q, &x, 401), QUEUE_E_FULL);
	assert_int_equal(queue_push_sized(q, &x, 400), 0); /* to the last byte */
	assert_int_equal(queue_push_sized(q, &x, 1), QUEUE_E_FULL);
	assert_int_equal(queue_push_sized(q, &x, SIZE_MAX), QUEUE_E_FULL); /* no sum wraps */
	assert_int_equal(queue_push(q, &x), 0);                            /* weighs nothing */
	struct queue_counts c = queue_counts(q);
	assert_int_equal(c.pushed, 3);
	assert_int_equal(c.refused, 3);
	assert_int_equal(c.bytes, 1000);
	assert_int_equal(queue_pop(q, &item), 0); /* gives its 600 back */
	assert_int_equal(queue_counts(q).bytes, 400);
	assert_int_equal(queue_push_sized(q, &x, 601), QUEUE_E_FULL);
	assert_int_equal(queue_push_sized(q, &x, 600), 0);
	while (queue_pop(q, &item) == 0)
		;
	assert_int_equal(queue_counts(q).bytes, 0);
	assert_int_equal(queue_push_sized(q, &x, 1000), 0);
	assert_int_equal(queue_pop(q, &item), 0);
	assert_int_equal(queue_push_sized(q, &x, 1001), QUEUE_E_FULL); /* even alone */
	queue_free(q, NULL);
}

static void a_ceiling_lowered_below_what_is_held_waits_for_the_reader(void **state)
{
	struct queue *q;
	void *item;
	int x;

	(void)state;
	assert_int_equal(queue_new(2, &q), 0);
	assert_int_equal(queue_push_sized(q, &x, 1u << 30), 0); /* no ceiling at first */
	queue_limit_bytes(q, 10);
	assert_int_equal(queue_push_sized(q, &x, 1), QUEUE_E_FULL);
	assert_int_equal(queue_pop(q, &item), 0);
	assert_int_equal(queue_push_sized(q, &x, 1), 0);
	queue_free(q, NULL);
}

static void descriptor_is_readable_until_the_queue_was_seen_empty(void **state)
{
	struct queue *q;
	void *item;
	int x;

	(void)state;
	assert_int_equal(queue_new(8, &q), 0);
	assert_false(is_readable(q));
	queue_push(q, &x);
	queue_push(q, &x);
	assert_true(is_readable(q));
	queue_pop(q, &item);
	queue_pop(q, &item);
	assert_true(is_readable(q));
	assert_int_equal(queue_pop(q, &item), QUEUE_E_EMPTY);
	assert_false(is_readable(q));
	queue_push(q, &x);
	assert_true(is_readable(q));
	queue_free(q, NULL);
}

static void count_drop(void *item)
{
	(*(int *)item)++;
}

static void what_is_still_held_is_dropped(void **state)
{
	struct queue *q;
	int dropped = 0;

	(void)state;
	assert_int_equal(queue_new(8, &q), 0);
	for (int i = 0; i < 5; i++)
		queue_push(q, &dropped);
	queue_free(q, count_drop);
	assert_int_equal(dropped, 5);
	queue_free(NULL, count_drop);
}

#define WRITERS 3
#define ITEMS   20000

static void *write_items(void *arg)
{
	struct queue *q = arg;
	static int item;

	for (int i = 0; i < ITEMS; i++)
		while (queue_push_sized(q, &item, (size_t)i % 7) == QUEUE_E_FULL)
			sched_yield();
	return NULL;
}

static void no_item_and_no_wakeup_is_lost_between_threads(void **state)
{
	pthread_t writers[WRITERS];
	struct queue *q;
	void *item;
	int got = 0;

	(void)state;
	assert_int_equal(queue_new(16, &q), 0);
	queue_limit_bytes(q, 40);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_items, q), 0);
	while (got < WRITERS * ITEMS) {
		struct pollfd p = {.fd = queue_fd(q), .events = POLLIN};
		/* A lost wakeup shows as a timeout, a stuck one as an idle turn that was not waited for. */
		assert_int_equal(poll(&p, 1, 10000), 1);
		while (queue_pop(q, &item) == 0)
			got++;
		struct queue_counts c = queue_counts(q);
		assert_int_equal(c.pushed, c.popped + c.held);
		assert_true(c.bytes <= 40);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	assert_int_equal(queue_pop(q, &item), QUEUE_E_EMPTY);
	assert_false(is_readable(q));
	queue_free(q, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_leave_in_the_order_they_came),
		cmocka_unit_test(full_queue_refuses_and_counts),
		cmocka_unit_test(large_items_fill_the_queue_before_its_count_does),
		cmocka_unit_test(a_ceiling_lowered_below_what_is_held_waits_for_the_reader),
		cmocka_unit_test(descriptor_is_readable_until_the_queue_was_seen_empty),
		cmocka_unit_test(what_is_still_held_is_dropped),
		cmocka_unit_test(no_item_and_no_wakeup_is_lost_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
