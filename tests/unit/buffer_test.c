// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/buffer.h"

static void content_is_what_was_appended(void **state)
{
	struct buffer b = BUFFER_INIT(1 << 20);

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buffer_printf(&b, "%d,", i % 10), 0);
	assert_int_equal(b.len, 2000);
	assert_memory_equal(b.data + 1990, "5,6,7,8,9,", 10);
	assert_int_equal(buffer_append_char(&b, 'x'), 0);
	assert_int_equal(buffer_append_text(&b, "yz"), 0);
	assert_int_equal(buffer_append(&b, "", 0), 0);
	assert_memory_equal(b.data + 2000, "xyz", 3);
	buffer_free(&b);
}

static void nothing_follows_what_did_not_fit(void **state)
{
	struct buffer b = BUFFER_INIT(10);

	(void)state;
	assert_int_equal(buffer_append_text(&b, "12345678"), 0);
	assert_int_equal(buffer_append_text(&b, "abc"), BUFFER_E_FULL);
	/* Would fit, but would stand where "abc" should. */
	assert_int_equal(buffer_append_char(&b, 'd'), BUFFER_E_FULL);
	assert_int_equal(buffer_append(&b, "", 0), BUFFER_E_FULL);
	assert_true(b.truncated);
	assert_int_equal(b.len, 8);
	buffer_reset(&b);
	assert_int_equal(buffer_append_text(&b, "abc"), 0);
	assert_memory_equal(b.data, "abc", 3);
	buffer_free(&b);
	assert_int_equal(b.max, 10);
}

static void memory_never_exceeds_the_ceiling(void **state)
{
	struct buffer b = BUFFER_INIT(300);

	(void)state;
	while (buffer_append(&b, "0123456789", 10) == 0)
		assert_true(b.size <= 300);
	assert_int_equal(b.len, 300);
	buffer_free(&b);
}

static void ceiling_may_be_reached_exactly(void **state)
{
	struct buffer b = BUFFER_INIT(5);

	(void)state;
	assert_int_equal(buffer_printf(&b, "%d", 12345), 0);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.data, "12345", 5);
	assert_int_equal(buffer_printf(&b, "%s", ""), 0);
	assert_false(b.truncated);
	assert_int_equal(buffer_printf(&b, "%d", 1), BUFFER_E_FULL);
	assert_int_equal(b.len, 5);
	buffer_free(&b);
}

static void length_that_would_overflow_is_full(void **state)
{
	struct buffer b = BUFFER_INIT(SIZE_MAX);
	char *at = NULL;

	(void)state;
	assert_int_equal(buffer_append_char(&b, 'x'), 0);
	assert_int_equal(buffer_reserve(&b, SIZE_MAX, &at), BUFFER_E_FULL);
	assert_null(at);
	buffer_free(&b);
}

static void reserved_room_counts_when_committed(void **state)
{
	struct buffer b = BUFFER_INIT(100);
	char *at;

	(void)state;
	assert_int_equal(buffer_reserve(&b, 50, &at), 0);
	memcpy(at, "hello", 5);
	assert_int_equal(b.len, 0);
	buffer_commit(&b, 5);
	assert_memory_equal(b.data, "hello", 5);
	assert_int_equal(b.len, 5);
	buffer_free(&b);
}

static void consume_takes_from_the_front(void **state)
{
	struct buffer b = BUFFER_INIT(100);

	(void)state;
	buffer_consume(&b, 1);
	buffer_append_text(&b, "abcdef");
	buffer_consume(&b, 2);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "cdef", 4);
	buffer_consume(&b, 100);
	assert_int_equal(b.len, 0);
	buffer_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_is_what_was_appended),
		cmocka_unit_test(nothing_follows_what_did_not_fit),
		cmocka_unit_test(memory_never_exceeds_the_ceiling),
		cmocka_unit_test(ceiling_may_be_reached_exactly),
		cmocka_unit_test(length_that_would_overflow_is_full),
		cmocka_unit_test(reserved_room_counts_when_committed),
		cmocka_unit_test(consume_takes_from_the_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
