// SPDX-License-Identifier: Apache-2.0
/* What an attempt is called, and fields of an answer's head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/attempt.h"
#include "forwarder/http_field.h"

static void key_stays_and_nonce_does_not(void **state)
{
	struct attempt a, b;

	(void)state;
	assert_int_equal(attempt_new(&a, "run-main-1", TRANSPORT_DIRECT), 0);
	assert_int_equal(attempt_new(&b, "run-main-1", TRANSPORT_DIRECT), 0);
	assert_string_equal(a.headers[0], "Idempotency-Key: run-main-1");
	assert_string_equal(a.headers[0], b.headers[0]);
	assert_string_not_equal(a.nonce, b.nonce);
	assert_int_equal(strlen(a.nonce), 22);
	assert_int_equal(strspn(a.nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
			 22);
	assert_memory_equal(a.headers[1], "Picket-Nonce: ", 14);
	assert_string_equal(a.headers[1] + 14, a.nonce);
	assert_null(a.headers[2]);
}

static void fields(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nRetry-After: 3 \r\nretry-after:\t4\r\nX: "
				   "\r\nRetry-After-Ms: 5\r\n\r\nlast: 6";
	struct span h = {head, sizeof head - 1}, v;

	(void)state;
	assert_true(http_field(h, "retry-after", 0, &v));
	assert_true(span_equal(v, SPAN("3")));
	assert_true(http_field(h, "RETRY-AFTER", 1, &v));
	assert_true(span_equal(v, SPAN("4")));
	assert_false(http_field(h, "retry-after", 2, &v));
	assert_true(http_field(h, "x", 0, &v));
	assert_int_equal(v.len, 0);
	assert_true(http_field(h, "last", 0, &v));
	assert_true(span_equal(v, SPAN("6")));
	assert_false(http_field(h, "retry", 0, &v));
	assert_false(http_field(h, "HTTP/1.1 200 OK", 0, &v));
	assert_false(http_field(SPAN_NULL, "x", 0, &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_stays_and_nonce_does_not),
		cmocka_unit_test(fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
