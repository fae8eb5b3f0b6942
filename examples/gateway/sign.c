// SPDX-License-Identifier: Apache-2.0
#include "sign.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#define ID_MAX     64
#define SECRET_MAX 256
#define BASE_MAX   2048
#define DIGEST_MAX 160 /* "sha-256=:", base64, ":" */
#define BASE64_MAX 128 /* of a signature */

struct signer {
	char id[ID_MAX];
	EVP_PKEY *key; /* NULL: the secret is used */
	unsigned char secret[SECRET_MAX];
	int secret_len;
};

/* --- the key --- */

static int read_secret(struct signer *s, const char *text)
{
	size_t len = strlen(text);
	/* OpenSSL counts the padding as bytes. */
	int padding = len > 1 && text[len - 1] == '=' ? 1 + (text[len - 2] == '=') : 0;

	if (len == 0 || len > SECRET_MAX / 3 * 4)
		return -1;
	s->secret_len = EVP_DecodeBlock(s->secret, (const unsigned char *)text, (int)len) - padding;
	return s->secret_len >= 32 ? 0 : -1;
}

static int read_line(struct signer *s, char *line)
{
	char *value = strchr(line, ':');

	line[strcspn(line, "\r\n")] = 0;
	if (!value || strncmp(line, "-----", 5) == 0)
		return 0;
	value += 1 + strspn(value + 1, " \t");
	if (strncmp(line, "keyid:", 6) == 0)
		return snprintf(s->id, sizeof s->id, "%s", value) < (int)sizeof s->id ? 0 : -1;
	return strncmp(line, "hmac:", 5) == 0 ? read_secret(s, value) : 0;
}

static int read_file(struct signer *s, FILE *f)
{
	char line[512];
	int r = 0;

	while (!r && fgets(line, sizeof line, f))
		r = read_line(s, line);
	OPENSSL_cleanse(line, sizeof line);
	if (r || s->secret_len)
		return r;
	rewind(f);
	s->key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	return s->key && EVP_PKEY_get_base_id(s->key) == EVP_PKEY_ED25519 ? 0 : -1;
}

struct signer *signer_read(const char *path)
{
	struct signer *s = calloc(1, sizeof *s);
	FILE *f = fopen(path, "r");
	int r = -1;

	if (s)
		snprintf(s->id, sizeof s->id, "example");
	if (!f)
		fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
	else if (s)
		r = read_file(s, f);
	if (f && r)
		fprintf(stderr, "%s holds neither a private Ed25519 key in PEM nor a line \"hmac: BASE64\"\n",
			path);
	if (f)
		fclose(f);
	if (r == 0)
		return s;
	signer_free(s);
	return NULL;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	EVP_PKEY_free(s->key);
	OPENSSL_cleanse(s, sizeof *s);
	free(s);
}

/* --- an answer --- */

static void write_digest(const struct sign_answer *a, char ret[static DIGEST_MAX])
{
	unsigned char digest[EVP_MAX_MD_SIZE], text[BASE64_MAX];
	unsigned len = 0;

	EVP_Digest(a->body, a->body_len, digest, &len, EVP_sha256(), NULL);
	EVP_EncodeBlock(text, digest, (int)len);
	snprintf(ret, DIGEST_MAX, "sha-256=:%s:", (const char *)text);
}

/* In base64. 0 or -1. */
static int sign(const struct signer *s, const char *base, char ret[static BASE64_MAX])
{
	unsigned char signature[EVP_MAX_MD_SIZE];
	size_t len = sizeof signature;
	unsigned mac_len = 0;
	int good;

	if (s->key) {
		EVP_MD_CTX *context = EVP_MD_CTX_new();
		good = context && EVP_DigestSignInit(context, NULL, NULL, NULL, s->key) == 1 &&
		       EVP_DigestSign(context, signature, &len, (const unsigned char *)base, strlen(base)) ==
			       1;
		EVP_MD_CTX_free(context);
	} else {
		good = HMAC(EVP_sha256(), s->secret, s->secret_len, (const unsigned char *)base, strlen(base),
			    signature, &mac_len) != NULL;
		len = mac_len;
	}
	if (!good)
		return -1;
	EVP_EncodeBlock((unsigned char *)ret, signature, (int)len);
	return 0;
}

int signer_fields(const struct signer *s, const struct sign_answer *a, char ret[static SIGN_FIELDS_MAX])
{
	char parameters[512], digest[DIGEST_MAX], base[BASE_MAX], signature[BASE64_MAX];
	/* ";req": of the request, and so the answer is bound to it. */
	const char *bound = a->key ? "\"idempotency-key\";req" : "\"@path\";req";
	int n;

	write_digest(a, digest);
	snprintf(parameters, sizeof parameters,
		 "(\"@status\" \"content-digest\" %s "
		 "\"picket-nonce\";req);created=%lld;keyid=\"%s\";alg=\"%s\";"
		 "tag=\"picket-verdicts\"",
		 bound, (long long)a->created, s->id, s->key ? "ed25519" : "hmac-sha256");
	/* One line for each name in the brackets, in that order, then all of that (RFC 9421 section 2.5). */
	n = snprintf(base, sizeof base,
		     "\"@status\": %u\n"
		     "\"content-digest\": %s\n"
		     "%s: %s\n"
		     "\"picket-nonce\";req: %s\n"
		     "\"@signature-params\": %s",
		     a->status, digest, bound, a->key ? a->key : a->path, a->nonce, parameters);
	if (n >= (int)sizeof base || sign(s, base, signature))
		return -1;
	/* The last ones tell picket what this answers, should something on the way have mixed answers up. */
	n = snprintf(ret, SIGN_FIELDS_MAX,
		     "Content-Digest: %s\n"
		     "Signature-Input: verdicts=%s\n"
		     "Signature: verdicts=:%s:\n"
		     "Picket-Nonce: %s%s%s",
		     digest, parameters, signature, a->nonce, a->key ? "\nIdempotency-Key: " : "",
		     a->key ? a->key : "");
	return n < SIGN_FIELDS_MAX ? 0 : -1;
}
