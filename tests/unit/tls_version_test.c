// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "sensor/tls_version.h"
#include "tls_rig.h"

#define MORE 0xffff /* no answer yet */

static struct tls_rig rig;
static uint8_t wire[2 * TLS_RIG_MAX];

/* In pieces of `step`. */
static uint16_t answer(size_t len, size_t step)
{
	struct tls_answer a = {0};
	uint16_t version = MORE;

	for (size_t at = 0; at < len; at += step) {
		struct span piece = {(char *)wire + at, MIN(step, len - at)};
		if (tls_answer_feed(&a, piece, &version) == TLS_VERSION_KNOWN)
			return version;
	}
	return MORE;
}

static uint16_t flight(uint16_t offered, bool early_data, uint32_t left, const char *bytes, size_t len,
		       size_t step)
{
	struct tls_flight f = {.offered = offered, .early_data = early_data, .record_left = left};
	uint16_t version = MORE;

	for (size_t at = 0; at < len; at += step) {
		struct span piece = {bytes + at, MIN(step, len - at)};
		if (tls_flight_feed(&f, piece, &version) == TLS_VERSION_KNOWN)
			return version;
	}
	return MORE;
}

/* The same, however it is cut. */
#define FLIGHT(offered, early, bytes) flight_any((offered), (early), 0, (bytes), sizeof(bytes) - 1)
static uint16_t flight_any(uint16_t offered, bool early_data, uint32_t left, const char *bytes, size_t len)
{
	uint16_t whole = flight(offered, early_data, left, bytes, len, len);

	for (size_t step = 1; step < len; step++)
		assert_int_equal(flight(offered, early_data, left, bytes, len, step), whole);
	return whole;
}

static void a_servers_hello_says_which_version(void **state)
{
	static const struct {
		uint16_t version, chosen, wanted;
	} cases[] = {
		{0x0303, 0x0304, 0x0304}, {0x0303, 0, 0x0303},      {0x0302, 0, 0x0302}, {0x0301, 0, 0x0301},
		{0x0300, 0, 0x0300},      {0x0303, 0x7f1c, 0x7f1c}, {0x7f12, 0, 0x7f12},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		tls_server(&rig, cases[i].version, cases[i].chosen);
		for (size_t records = 30; records < 200; records += 60) {
			size_t len = tls_records(&rig, records, wire);
			for (size_t step = 1; step <= len; step++)
				assert_int_equal(answer(len, step), cases[i].wanted);
		}
	}
}

static void a_servers_hello_without_extensions(void **state)
{
	size_t message = tls_begin(&rig, 2, 0x0301);

	(void)state;
	tls_put(&rig, 3, 0x002f00);
	tls_close(&rig, message, 3);
	assert_int_equal(answer(tls_records(&rig, 16384, wire), 1), 0x0301);
	message = tls_begin(&rig, 2, 0x0302);
	tls_put(&rig, 3, 0x002f00);
	tls_put(&rig, 2, 0); /* an empty list of them */
	tls_close(&rig, message, 3);
	assert_int_equal(answer(tls_records(&rig, 16384, wire), 1), 0x0302);
}

static void what_is_no_servers_hello_tells_nothing(void **state)
{
	size_t len;

	(void)state;
	memcpy(wire, "\x15\x03\x03\x00\x02\x02\x28", 7); /* an alert */
	assert_int_equal(answer(7, 1), 0);
	memcpy(wire, "HTTP/1.1 200 OK", 15);
	assert_int_equal(answer(15, 15), 0);
	tls_browser(&rig, "a", 1);
	assert_int_equal(answer(tls_records(&rig, 16384, wire), 64), 0);
	/* cut anywhere before its version is sure: no answer */
	tls_server(&rig, 0x0303, 0x0304);
	len = tls_records(&rig, 16384, wire);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(answer(cut, SIZE_MAX), MORE);
	/* an extension that reaches beyond the message */
	rig.bytes[rig.len - 3] = 200;
	assert_int_equal(answer(tls_records(&rig, 16384, wire), SIZE_MAX), 0);
	/* a hello in crumbs */
	tls_server(&rig, 0x0303, 0x0304);
	assert_int_equal(answer(tls_records(&rig, 2, wire), 64), 0);
}

static void a_clients_next_records_tell_as_well(void **state)
{
	(void)state;
	/* a change of the cipher, then data: 1.3 */
	assert_int_equal(FLIGHT(0x0304, false, "\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x35xyz"), 0x0304);
	assert_int_equal(FLIGHT(0x0304, false, "\x17\x03\x03\x00\x35xyz"), 0x0304);
	/* a key exchange in the clear: the records' version */
	assert_int_equal(FLIGHT(0x0304, false, "\x16\x03\x03\x00\x46\x10\x00\x00\x42"), 0x0303);
	assert_int_equal(FLIGHT(0x0303, false, "\x16\x03\x01\x00\x46\x10\x00\x00\x42"), 0x0301);
	/* a session taken up again: Finished, encrypted */
	assert_int_equal(
		FLIGHT(0x0303, false, "\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x28\x01\x5a\x71\x08"),
		0x0303);
	/* a second hello, as the server asked for one, tells nothing yet */
	assert_int_equal(
		FLIGHT(0x0304, false, "\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x06\x01\x00\x00\x02zz"),
		MORE);
	assert_int_equal(
		FLIGHT(0x0304, false,
		       "\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x06\x01\x00\x00\x02zz\x17\x03\x03\x00\x35"),
		0x0304);
	/* what is left of the hello's own record is passed over */
	assert_int_equal(flight_any(0x0304, false, 3, "abc\x17\x03\x03\x00\x35", 8), 0x0304);
}

static void what_a_client_sends_may_tell_nothing(void **state)
{
	char many[17 * 6];

	(void)state;
	/* data that need not wait for the server */
	assert_int_equal(FLIGHT(0x0304, true, "\x17\x03\x03\x00\x35"), 0);
	/* data of somebody who offers no 1.3 */
	assert_int_equal(FLIGHT(0x0303, false, "\x17\x03\x03\x00\x35"), 0);
	/* a version that was not offered */
	assert_int_equal(FLIGHT(0x0301, false, "\x16\x03\x03\x00\x46\x10\x00\x00\x42"), 0);
	/* an alert, something else, a record that is too short for a message */
	assert_int_equal(FLIGHT(0x0304, false, "\x15\x03\x03\x00\x02\x02\x28"), 0);
	assert_int_equal(FLIGHT(0x0304, false, "GET / HTTP/1.1\r\n"), 0);
	assert_int_equal(FLIGHT(0x0304, false, "\x16\x03\x03\x00\x00"), 0);
	/* without end */
	for (unsigned i = 0; i < 17; i++)
		memcpy(many + 6 * i, "\x14\x03\x03\x00\x01\x01", 6);
	assert_int_equal(flight_any(0x0304, false, 0, many, sizeof many), 0);
	assert_int_equal(flight_any(0x0304, false, 0, many, sizeof many - 6), MORE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_servers_hello_says_which_version),
		cmocka_unit_test(a_servers_hello_without_extensions),
		cmocka_unit_test(what_is_no_servers_hello_tells_nothing),
		cmocka_unit_test(a_clients_next_records_tell_as_well),
		cmocka_unit_test(what_a_client_sends_may_tell_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
