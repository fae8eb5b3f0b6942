// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "policies/ja4.h"

static void what_it_says_in_words_is_read(void **state)
{
	struct ja4 j;

	(void)state;
	assert_true(ja4_read(SPAN("t13d1516h2_8daaf6152771_02713d6af862"), &j));
	assert_int_equal(j.transport, 't');
	assert_int_equal(j.version, 13);
	assert_true(j.sni);
	assert_int_equal(j.ciphers, 15);
	assert_int_equal(j.extensions, 16);
	assert_memory_equal(j.alpn, "h2", 2);
	assert_true(ja4_read(SPAN("q12i990300_55b375c5d22e_06cda9e17597"), &j));
	assert_int_equal(j.transport, 'q');
	assert_int_equal(j.version, 12);
	assert_false(j.sni);
	assert_int_equal(j.ciphers, 99);
	assert_int_equal(j.extensions, 3);
	assert_memory_equal(j.alpn, "00", 2);
	/* Older than TLS, and DTLS: no version of TLS. */
	assert_true(ja4_read(SPAN("ts3d1516h2_8daaf6152771_02713d6af862"), &j));
	assert_int_equal(j.version, 0);
	assert_true(ja4_read(SPAN("dd3d1516h2_8daaf6152771_02713d6af862"), &j));
	assert_int_equal(j.version, 0);
}

static void what_is_none_leaves_all_as_it_was(void **state)
{
	static const struct span none[] = {
		SPAN(""),
		SPAN("t13d1516h2"),
		SPAN("t13d1516h2_8daaf6152771_02713d6af862 "),
		SPAN("x13d1516h2_8daaf6152771_02713d6af862"),
		SPAN("t14d1516h2_8daaf6152771_02713d6af862"),
		SPAN("t13x1516h2_8daaf6152771_02713d6af862"),
		SPAN("t13d1z16h2_8daaf6152771_02713d6af862"),
		SPAN("t13d1516h-_8daaf6152771_02713d6af862"),
		SPAN("t13d1516h2_8daaf615277_102713d6af862"),
		SPAN("t13d1516h2_8daaf615277g_02713d6af862"),
	};
	struct ja4 j = {.ciphers = 7};

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		if (ja4_read(none[i], &j))
			fail_msg("\"%.*s\" is taken", (int)none[i].len, none[i].ptr);
	assert_int_equal(j.ciphers, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_says_in_words_is_read),
		cmocka_unit_test(what_is_none_leaves_all_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
