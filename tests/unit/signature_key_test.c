// SPDX-License-Identifier: Apache-2.0
/* Files of keys by which answers are verified: what they may hold, and what is said of those that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/signature_key.h"
#include "lib/util.h"
#include "signature_rig.h"

static struct signature_keys keys;

static void assert_keys(const char *text, int expected, unsigned line)
{
	unsigned at = 0;
	int r = signature_keys_parse(span_from(text), &keys, &at);

	if (r != expected)
		fail_msg("\"%s\": %d (%s), expected %d", text, r, signature_keys_error_text(r), expected);
	if (r)
		assert_int_equal(at, line);
	signature_keys_free(&keys);
}

static void keys_by_their_ids(void **state)
{
	unsigned line;

	(void)state;
	assert_int_equal(signature_keys_parse(SPAN("# until 2027\r\nkeyid: old\r\n" RFC_ED25519_PUBLIC
						   "\n  keyid:new\n\thmac:" RFC_SECRET),
					      &keys, &line),
			 0);
	assert_int_equal(keys.count, 2);
	assert_ptr_equal(signature_key_find(&keys, SPAN("old")), &keys.keys[0]);
	assert_ptr_equal(signature_key_find(&keys, SPAN("new")), &keys.keys[1]);
	assert_null(signature_key_find(&keys, SPAN("ol")));
	assert_int_equal(keys.keys[0].algorithm, SIGNATURE_ED25519);
	assert_int_equal(keys.keys[1].algorithm, SIGNATURE_HMAC_SHA256);
	assert_int_equal(keys.keys[1].secret_len, 64);
	assert_true(signature_keys_secret(&keys));
	signature_keys_free(&keys);
}

static void a_key_without_a_name_is_for_all_others(void **state)
{
	unsigned line;

	(void)state;
	assert_int_equal(
		signature_keys_parse(SPAN(RFC_ED25519_PUBLIC "keyid: b\nhmac: " RFC_SECRET), &keys, &line),
		0);
	assert_ptr_equal(signature_key_find(&keys, SPAN("whatever")), &keys.keys[0]);
	assert_ptr_equal(signature_key_find(&keys, SPAN("b")), &keys.keys[1]);
	signature_keys_free(&keys);
	assert_int_equal(signature_keys_parse(SPAN(RFC_ED25519_PUBLIC), &keys, &line), 0);
	assert_false(signature_keys_secret(&keys));
	signature_keys_free(&keys);
}

#define P256_PUBLIC                                                          \
	"-----BEGIN PUBLIC KEY-----\n"                                       \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf\n" \
	"w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==\n"     \
	"-----END PUBLIC KEY-----\n"

static void what_is_no_such_file(void **state)
{
	char many[1024] = "";

	(void)state;
	assert_keys("", SIGNATURE_KEYS_E_NONE, 0);
	assert_keys("# nothing\n\n", SIGNATURE_KEYS_E_NONE, 2);
	assert_keys("s3cret\n", SIGNATURE_KEYS_E_LINE, 1);
	assert_keys("\n" RFC_ED25519_PRIVATE, SIGNATURE_KEYS_E_PRIVATE, 2);
	assert_keys(P256_PUBLIC, SIGNATURE_KEYS_E_KIND, 1);
	assert_keys("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", SIGNATURE_KEYS_E_PEM, 1);
	assert_keys("-----BEGIN PUBLIC KEY-----", SIGNATURE_KEYS_E_PEM, 1);
	assert_keys("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", SIGNATURE_KEYS_E_PEM,
		    1);
	assert_keys("hmac: \n", SIGNATURE_KEYS_E_SECRET, 1);
	assert_keys("hmac: c2hvcnQ=\n", SIGNATURE_KEYS_E_SECRET, 1);
	assert_keys("hmac: not base64 at all, but long enough to be it, one would think\n",
		    SIGNATURE_KEYS_E_SECRET, 1);
	assert_keys("keyid: two words\nhmac: " RFC_SECRET, SIGNATURE_KEYS_E_ID, 1);
	assert_keys("keyid:\nhmac: " RFC_SECRET, SIGNATURE_KEYS_E_ID, 1);
	assert_keys("keyid: a\n", SIGNATURE_KEYS_E_LOOSE_ID, 1);
	assert_keys("keyid: a\nkeyid: b\nhmac: " RFC_SECRET, SIGNATURE_KEYS_E_LOOSE_ID, 2);
	assert_keys("keyid: a\nhmac: " RFC_SECRET "\nkeyid: a\nhmac: " RFC_SECRET, SIGNATURE_KEYS_E_SAME_ID,
		    4);
	assert_keys("hmac: " RFC_SECRET "\nhmac: " RFC_SECRET, SIGNATURE_KEYS_E_SAME_ID, 2);
	for (unsigned i = 0; i <= SIGNATURE_KEYS_MAX; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many),
			 "keyid: %u\nhmac: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n", i);
	assert_keys(many, SIGNATURE_KEYS_E_TOO_MANY, 2 * (SIGNATURE_KEYS_MAX + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_by_their_ids),
		cmocka_unit_test(a_key_without_a_name_is_for_all_others),
		cmocka_unit_test(what_is_no_such_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
