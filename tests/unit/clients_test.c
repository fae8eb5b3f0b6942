// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>
#include "lib/util.h"
#include "sensor/clients.h"

static struct addr v4(uint32_t n)
{
	uint8_t b[4] = {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

	return addr_from_bytes(AF_INET, b);
}

static struct prefix exact(struct addr a)
{
	return prefix_of(&a, addr_bits(&a));
}

static void only_who_was_noted_has_been_seen(void **state)
{
	(void)state;
	struct clients *c;
	struct addr a = v4(1), b = v4(2);
	struct prefix pa = exact(a), pb = exact(b);

	assert_int_equal(clients_new(1024, &c), 0);
	clients_note(c, &a, 1000);
	assert_true(clients_seen(c, &pa, 0));
	assert_true(clients_seen(c, &pa, 1000));
	assert_false(clients_seen(c, &pa, 1001));
	assert_false(clients_seen(c, &pb, 0));
	clients_note(c, &a, 5000);
	clients_note(c, &a, 3000); /* an older record does not turn the time back */
	assert_true(clients_seen(c, &pa, 5000));
	assert_int_equal(clients_count(c), 1);
	clients_free(c);
}

static void a_prefix_is_seen_when_one_address_inside_was(void **state)
{
	(void)state;
	struct clients *c;
	struct addr a = v4(0x010203), v6;
	struct prefix p;

	assert_int_equal(addr_parse(SPAN("2001:db8::7"), &v6), 0);
	assert_int_equal(clients_new(64, &c), 0);
	clients_note(c, &a, 10);
	clients_note(c, &v6, 20);
	assert_int_equal(prefix_parse(SPAN("10.1.2.0/24"), &p), 0);
	assert_true(clients_seen(c, &p, 0));
	assert_false(clients_seen(c, &p, 11));
	assert_int_equal(prefix_parse(SPAN("10.1.3.0/24"), &p), 0);
	assert_false(clients_seen(c, &p, 0));
	assert_int_equal(prefix_parse(SPAN("2001:db8::/64"), &p), 0);
	assert_true(clients_seen(c, &p, 0));
	clients_free(c);
}

static void a_full_table_forgets_the_idle_longest_of_a_bucket(void **state)
{
	(void)state;
	struct clients *c;
	unsigned held = 0;
	const unsigned max = 256, all = 4096;

	assert_int_equal(clients_new(max, &c), 0);
	for (unsigned i = 0; i < all; i++) {
		struct addr a = v4(i);
		struct prefix p = exact(a);
		clients_note(c, &a, i + 1);
		assert_true(clients_seen(c, &p, 0)); /* the newest is always there */
	}
	for (unsigned i = 0; i < all; i++) {
		struct prefix p = exact(v4(i));
		held += clients_seen(c, &p, 0);
	}
	assert_int_equal(held, max);
	assert_int_equal(clients_count(c), max);
	/* Of the last 64, hardly one can have been pushed out: each bucket keeps its eight newest. */
	unsigned young = 0;
	for (unsigned i = all - 64; i < all; i++) {
		struct prefix p = exact(v4(i));
		young += clients_seen(c, &p, 0);
	}
	assert_true(young >= 60);
	clients_free(c);
}

static void no_address_is_never_noted(void **state)
{
	(void)state;
	struct clients *c;
	struct addr none = {0};
	struct prefix p = {0};

	assert_int_equal(clients_new(8, &c), 0);
	clients_note(c, &none, 1);
	assert_int_equal(clients_count(c), 0);
	assert_false(clients_seen(c, &p, 0));
	clients_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_who_was_noted_has_been_seen),
		cmocka_unit_test(a_prefix_is_seen_when_one_address_inside_was),
		cmocka_unit_test(a_full_table_forgets_the_idle_longest_of_a_bucket),
		cmocka_unit_test(no_address_is_never_noted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
