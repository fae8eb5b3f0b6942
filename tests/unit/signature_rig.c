// SPDX-License-Identifier: Apache-2.0
#include "signature_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <cmocka.h>

static void append_base64(struct buffer *out, const unsigned char *bytes, size_t len)
{
	unsigned char text[256];

	EVP_EncodeBlock(text, bytes, (int)len);
	assert_int_equal(buffer_append_text(out, (const char *)text), 0);
}

static void sign_hmac(const char *secret, const char *base, struct buffer *out)
{
	unsigned char key[256], mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int size = EVP_DecodeBlock(key, (const unsigned char *)secret, (int)strlen(secret));

	for (const char *p = secret + strlen(secret); *--p == '=';)
		size--;
	assert_non_null(HMAC(EVP_sha256(), key, size, (const unsigned char *)base, strlen(base), mac, &len));
	append_base64(out, mac, len);
}

void rig_sign(const char *secret, const char *private_pem, const char *base, struct buffer *out)
{
	unsigned char signature[64];
	size_t len = sizeof signature;

	if (secret) {
		sign_hmac(secret, base, out);
		return;
	}
	BIO *in = BIO_new_mem_buf(private_pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(context, signature, &len, (const unsigned char *)base, strlen(base)),
			 1);
	append_base64(out, signature, len);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	BIO_free(in);
}

void rig_digest(const char *algorithm, struct span body, struct buffer *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	assert_int_equal(EVP_Digest(body.ptr, body.len, digest, &len, EVP_get_digestbyname(algorithm), NULL),
			 1);
	append_base64(out, digest, len);
}
