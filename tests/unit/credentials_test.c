// SPDX-License-Identifier: Apache-2.0
/* What a gateway's files may hold, and what is said of those that do not. */
#include "forwarder/credentials.h"
#include "certificate_rig.h"
#include "signature_rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[32], token[64], ca[64], certificate[64], key[64];
static struct config_gateway config;
static struct credentials got;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/picket-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(token, sizeof token, "%s/token", dir);
	snprintf(ca, sizeof ca, "%s/ca", dir);
	snprintf(certificate, sizeof certificate, "%s/certificate", dir);
	snprintf(key, sizeof key, "%s/key", dir);
	config = (struct config_gateway){.name = (char *)"main"};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(token);
	unlink(ca);
	unlink(certificate);
	unlink(key);
	return rmdir(dir);
}

/* Expects that result and a message that holds what; "" expects none. */
static void assert_read(int result, const char *what)
{
	struct buffer errors = BUFFER_INIT(4096);

	assert_int_equal(credentials_read(&config, &got, &errors), result);
	buffer_append_char(&errors, 0);
	if (!strstr(errors.data, what) || (!*what && errors.len > 1))
		fail_msg("\"%s\" does not say \"%s\"", errors.data, what);
	buffer_free(&errors);
}

static void token_in_the_header_that_is_asked_for(void **state)
{
	(void)state;
	config.token_file = token;
	write_private(token, "s3cret\n");
	assert_read(0, "");
	assert_string_equal(got.authorization.data, "Authorization: Bearer s3cret");
	credentials_free(&got);
	config.auth_scheme = AUTH_RAW;
	assert_read(0, "");
	assert_string_equal(got.authorization.data, "Authorization: s3cret");
	credentials_free(&got);
	config.auth_header = (char *)"X-Api-Key";
	assert_read(0, "");
	assert_string_equal(got.authorization.data, "X-Api-Key: s3cret");
	credentials_free(&got);
}

static void keys_that_verify_answers(void **state)
{
	(void)state;
	config.verify_key_file = key;
	write_private(key, "hmac: " RFC_SECRET "\n");
	assert_read(0, "");
	assert_int_equal(got.verify.count, 1);
	credentials_free(&got);
	assert_int_equal(chmod(key, 0640), 0);
	assert_read(CONFIG_E_INVALID, "gateways: main: verify_key_file: ");
	credentials_free(&got);
	assert_read(CONFIG_E_INVALID, "may be read by others: chmod 600 it");
	credentials_free(&got);
	/* A public key is no secret. */
	write_private(key, "keyid: a\n" RFC_ED25519_PUBLIC);
	assert_int_equal(chmod(key, 0644), 0);
	assert_read(0, "");
	credentials_free(&got);
	write_private(key, "\n" RFC_ED25519_PRIVATE);
	assert_read(CONFIG_E_INVALID, "/key:2: this is a private key, which belongs to the gateway alone");
	credentials_free(&got);
	unlink(key);
	assert_read(CONFIG_E_INVALID, "/key cannot be read: No such file or directory");
	credentials_free(&got);
}

static void give_pair(long from_s, long to_s)
{
	char *c, *k;

	certificate_make(from_s, to_s, &c, &k);
	write_private(certificate, c);
	write_private(key, k);
	free(c);
	free(k);
	config.cert_file = certificate;
	config.key_file = key;
}

static void certificate_with_its_key(void **state)
{
	(void)state;
	give_pair(-60, 3600);
	assert_read(0, "");
	assert_true(got.certificate.len > 0 && got.key.len > 0);
	credentials_free(&got);
}

static void secrets_of_other_headers(void **state)
{
	char line[128], *lines[1] = {line};

	(void)state;
	snprintf(line, sizeof line, "X-Api-Key: %s", key);
	config.header_files = (struct config_strings){lines, 1};
	write_private(key, "k3y\n");
	assert_read(0, "");
	assert_string_equal(got.headers[0].data, "X-Api-Key: k3y");
	assert_int_equal(got.headers[1].len, 0);
	credentials_free(&got);
	chmod(key, 0644);
	assert_read(0, "header_files: others may read");
	credentials_free(&got);
	unlink(key);
	assert_read(CONFIG_E_INVALID, "header_files: ");
	credentials_free(&got);
}

static void what_lunar_may_cut_is_a_warning(void **state)
{
	char line[] = "x-one: a:b", *lines[1] = {line};

	(void)state;
	config.transport = TRANSPORT_LUNAR;
	config.token_file = token;
	config.lunar_key_file = key;
	write_private(token, "t0:ken\n");
	write_private(key, "k3y\n");
	assert_read(0, "token_file: ");
	assert_string_equal(got.headers[0].data, "x-lunar-api-key: k3y");
	credentials_free(&got);
	write_private(token, "t0ken\n");
	assert_read(0, "");
	credentials_free(&got);
	config.headers = (struct config_strings){lines, 1};
	assert_read(0, "headers: the value of x-one holds a ':'");
	credentials_free(&got);
	config.transport = TRANSPORT_DIRECT;
	config.lunar_key_file = NULL;
	assert_read(0, "");
	credentials_free(&got);
}

static void certificate_that_has_expired_is_a_warning(void **state)
{
	(void)state;
	give_pair(-3600, -60);
	assert_read(0, "main: cert_file: the certificate has expired");
	credentials_free(&got);
}

static void key_that_others_may_read(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0660};

	(void)state;
	give_pair(-60, 3600);
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		assert_int_equal(chmod(key, modes[i]), 0);
		assert_read(CONFIG_E_INVALID, "may be read by others: chmod 600 it");
		credentials_free(&got);
	}
}

static void key_of_another_certificate(void **state)
{
	char *c, *k;

	(void)state;
	give_pair(-60, 3600);
	certificate_make(-60, 3600, &c, &k);
	write_private(key, k);
	assert_read(CONFIG_E_INVALID, "main: key_file: is not the key of cert_file");
	credentials_free(&got);
	free(c);
	free(k);
}

/* Nobody is asked for the password, at no terminal either. */
static void key_with_a_password(void **state)
{
	char *c, *k, *locked;

	(void)state;
	give_pair(-60, 3600);
	certificate_make(-60, 3600, &c, &k);
	locked = key_lock(k);
	write_private(key, locked);
	assert_read(CONFIG_E_INVALID, "main: key_file: is locked by a password");
	credentials_free(&got);
	free(c);
	free(k);
	free(locked);
}

static void files_that_hold_something_else(void **state)
{
	(void)state;
	give_pair(-60, 3600);
	write_private(key, "no key\n");
	assert_read(CONFIG_E_INVALID, "main: key_file: holds no key in PEM");
	credentials_free(&got);
	write_private(certificate, "no certificate\n");
	assert_read(CONFIG_E_INVALID, "main: cert_file: holds no certificate in PEM");
	credentials_free(&got);
	unlink(key);
	assert_read(CONFIG_E_INVALID, "No such file");
	credentials_free(&got);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(token_in_the_header_that_is_asked_for),
		STORY(keys_that_verify_answers),
		STORY(certificate_with_its_key),
		STORY(secrets_of_other_headers),
		STORY(what_lunar_may_cut_is_a_warning),
		STORY(certificate_that_has_expired_is_a_warning),
		STORY(key_that_others_may_read),
		STORY(key_of_another_certificate),
		STORY(key_with_a_password),
		STORY(files_that_hold_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
