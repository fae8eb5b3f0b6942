// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "lib/target.h"
#include "policies/fingerprints.h"

static struct fingerprints *table;
static struct fingerprint found[FINGERPRINTS_EACH];

static int setup(void **state)
{
	(void)state;
	return fingerprints_new(4, &table);
}

static int teardown(void **state)
{
	(void)state;
	fingerprints_free(table);
	return 0;
}

static struct prefix target(const char *text)
{
	struct prefix p;

	assert_int_equal(target_parse(span_from(text), &p), 0);
	return p;
}

/* "t13d1516h2_8daaf6152771_00000000000N" */
static const char *ja4_of(unsigned n)
{
	static char text[FINGERPRINT_JA4_MAX];

	snprintf(text, sizeof text, "t13d1516h2_8daaf6152771_%012u", n);
	return text;
}

static void hello(const char *from, const char *ja4, uint64_t time_ns)
{
	struct prefix p = target(from);
	struct event *e = event_new(EVENT_TLS_HELLO, strlen(ja4));

	assert_non_null(e);
	e->time_ns = time_ns;
	e->flow.peer.addr = p.addr;
	e->hello.tls.ja4 = event_tail_copy(e, span_from(ja4));
	fingerprints_note(table, e);
	event_unref(e);
}

static unsigned of(const char *who)
{
	struct prefix p = target(who);

	return fingerprints_of(table, &p, found);
}

static void the_latest_of_a_client_come_first_and_are_counted(void **state)
{
	(void)state;
	assert_int_equal(of("192.0.2.7"), 0);
	hello("192.0.2.7", ja4_of(1), 10);
	hello("192.0.2.7", ja4_of(2), 20);
	hello("192.0.2.7", ja4_of(1), 30);
	hello("192.0.2.8", ja4_of(9), 40);
	hello("192.0.2.7", "", 50); /* none could be made */
	assert_int_equal(of("192.0.2.7"), 2);
	assert_string_equal(found[0].ja4, ja4_of(1));
	assert_int_equal(found[0].hellos, 2);
	assert_int_equal(found[0].last_ns, 30);
	assert_string_equal(found[1].ja4, ja4_of(2));
	assert_int_equal(found[1].hellos, 1);
	/* Who shuffles them: the latest four. */
	for (unsigned i = 0; i < 100; i++)
		hello("192.0.2.7", ja4_of(100 + i), 1000 + i);
	assert_int_equal(of("192.0.2.7"), FINGERPRINTS_EACH);
	for (unsigned i = 0; i < FINGERPRINTS_EACH; i++) {
		assert_string_equal(found[i].ja4, ja4_of(199 - i));
		assert_int_equal(found[i].hellos, 1);
	}
	assert_int_equal(of("192.0.2.8"), 1);
}

static void addresses_of_one_network_are_one_client_in_ipv6(void **state)
{
	(void)state;
	hello("2001:db8::1", ja4_of(1), 1);
	hello("2001:db8::ffff", ja4_of(2), 2);
	assert_int_equal(of("2001:db8::77"), 2);
	assert_int_equal(of("2001:db8::/64"), 2);
	assert_int_equal(of("2001:db8:0:1::1"), 0);
	assert_int_equal(of("192.0.2.0/24"), 0);
	assert_int_equal(of("consumer:c_01f3a9c2d4b5e60718"), 0);
}

static void a_full_table_forgets_who_was_silent_longest(void **state)
{
	uint64_t forgotten;
	char who[16];

	(void)state;
	for (unsigned i = 1; i <= 4; i++) {
		snprintf(who, sizeof who, "192.0.2.%u", i);
		hello(who, ja4_of(i), i);
	}
	hello("192.0.2.1", ja4_of(1), 5);
	assert_int_equal(fingerprints_count(table, &forgotten), 4);
	assert_int_equal(forgotten, 0);
	hello("192.0.2.5", ja4_of(5), 6);
	assert_int_equal(fingerprints_count(table, &forgotten), 4);
	assert_int_equal(forgotten, 1);
	assert_int_equal(of("192.0.2.2"), 0);
	assert_int_equal(of("192.0.2.1"), 1);
	assert_int_equal(of("192.0.2.5"), 1);
}

static void other_events_and_no_table(void **state)
{
	struct event *e = event_new(EVENT_CONNECTION, 0);
	struct prefix p = target("192.0.2.7");
	uint64_t forgotten = 7;

	(void)state;
	assert_non_null(e);
	e->flow.peer.addr = p.addr;
	fingerprints_note(table, e);
	fingerprints_note(NULL, e);
	assert_int_equal(of("192.0.2.7"), 0);
	assert_int_equal(fingerprints_of(NULL, &p, found), 0);
	assert_int_equal(fingerprints_count(NULL, &forgotten), 0);
	assert_int_equal(forgotten, 0);
	event_unref(e);
}

#define story(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		story(the_latest_of_a_client_come_first_and_are_counted),
		story(addresses_of_one_network_are_one_client_in_ipv6),
		story(a_full_table_forgets_who_was_silent_longest),
		story(other_events_and_no_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
