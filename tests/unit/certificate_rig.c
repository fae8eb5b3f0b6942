// SPDX-License-Identifier: Apache-2.0
#include "certificate_rig.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char *text_of(BIO *out)
{
	char *text;
	long len = BIO_get_mem_data(out, &text);
	char *copy = strndup(text, (size_t)len);

	BIO_free(out);
	assert_non_null(copy);
	return copy;
}

static char *key_text(EVP_PKEY *key, const char *password)
{
	BIO *out = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(out, key, password ? EVP_aes_256_cbc() : NULL,
						       password, password ? (int)strlen(password) : 0, NULL,
						       NULL),
			 1);
	return text_of(out);
}

static char *certificate_text(X509 *certificate)
{
	BIO *out = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(out, certificate), 1);
	return text_of(out);
}

static void extend(X509 *c, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_int_equal(X509_add_ext(c, e, -1), 1);
	X509_EXTENSION_free(e);
}

void certificate_make(long from_s, long to_s, char **ret_certificate, char **ret_key)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *c = X509_new();

	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
	X509_gmtime_adj(X509_getm_notBefore(c), from_s);
	X509_gmtime_adj(X509_getm_notAfter(c), to_s);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
				   (const unsigned char *)"picket test", -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(c));
	X509_set_pubkey(c, key);
	extend(c, NID_basic_constraints, "critical,CA:TRUE");
	extend(c, NID_subject_alt_name, "IP:127.0.0.1");
	assert_true(X509_sign(c, key, EVP_sha256()) > 0);
	*ret_certificate = certificate_text(c);
	*ret_key = key_text(key, NULL);
	X509_free(c);
	EVP_PKEY_free(key);
}

void certificate_pin(const char *certificate, char ret[static CERTIFICATE_PIN_MAX])
{
	BIO *in = BIO_new_mem_buf(certificate, -1);
	X509 *c = PEM_read_bio_X509(in, NULL, NULL, NULL);
	unsigned char *der = NULL, hash[SHA256_DIGEST_LENGTH], base64[48];
	int len;

	assert_non_null(c);
	len = i2d_PUBKEY(X509_get0_pubkey(c), &der);
	assert_true(len > 0);
	SHA256(der, (size_t)len, hash);
	assert_int_equal(EVP_EncodeBlock(base64, hash, sizeof hash), 44);
	snprintf(ret, CERTIFICATE_PIN_MAX, "sha256//%s", (const char *)base64);
	OPENSSL_free(der);
	X509_free(c);
	BIO_free(in);
}

char *key_lock(const char *text)
{
	BIO *in = BIO_new_mem_buf(text, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	char *locked;

	assert_non_null(key);
	locked = key_text(key, "secret");
	EVP_PKEY_free(key);
	BIO_free(in);
	return locked;
}

void write_private(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}
