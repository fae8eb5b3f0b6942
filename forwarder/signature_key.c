// SPDX-License-Identifier: Apache-2.0
#include "forwarder/signature_key.h"
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include "forwarder/base64.h"
#include "lib/util.h"

#define PEM_BEGIN "-----BEGIN "

/* --- reading --- */

struct reader {
	struct span rest;
	unsigned line; /* that was read last */
	struct signature_keys *into;
	char id[SIGNATURE_KEY_ID_MAX]; /* of the next key */
};

static bool next_line(struct reader *r, struct span *ret)
{
	const char *end;

	if (!r->rest.len)
		return false;
	end = memchr(r->rest.ptr, '\n', r->rest.len);
	*ret = (struct span){r->rest.ptr, end ? (size_t)(end - r->rest.ptr) : r->rest.len};
	r->rest.ptr += ret->len + (end != NULL);
	r->rest.len -= ret->len + (end != NULL);
	r->line++;
	if (ret->len && ret->ptr[ret->len - 1] == '\r')
		ret->len--;
	*ret = span_trim(*ret);
	return true;
}

static bool begins(struct span line, const char *with)
{
	return line.len >= strlen(with) && memcmp(line.ptr, with, strlen(with)) == 0;
}

/* What stands behind "NAME:". */
static bool value_of(struct span line, const char *name, struct span *ret)
{
	if (!begins(line, name))
		return false;
	*ret = span_trim((struct span){line.ptr + strlen(name), line.len - strlen(name)});
	return true;
}

static int key_add(struct reader *r, struct signature_key **ret)
{
	struct signature_keys *keys = r->into;

	for (unsigned i = 0; i < keys->count; i++)
		if (strcmp(keys->keys[i].id, r->id) == 0)
			return SIGNATURE_KEYS_E_SAME_ID;
	if (keys->count == SIGNATURE_KEYS_MAX)
		return SIGNATURE_KEYS_E_TOO_MANY;
	*ret = &keys->keys[keys->count++];
	memcpy((*ret)->id, r->id, sizeof r->id);
	r->id[0] = 0;
	return 0;
}

static int read_id(struct reader *r, struct span id)
{
	if (r->id[0])
		return SIGNATURE_KEYS_E_LOOSE_ID;
	if (!id.len || id.len >= sizeof r->id)
		return SIGNATURE_KEYS_E_ID;
	for (size_t i = 0; i < id.len; i++)
		if (id.ptr[i] <= ' ' || id.ptr[i] > '~')
			return SIGNATURE_KEYS_E_ID;
	memcpy(r->id, id.ptr, id.len);
	r->id[id.len] = 0;
	return 0;
}

static int read_secret(struct reader *r, struct span text)
{
	struct signature_key *key;
	int e = key_add(r, &key);

	if (e)
		return e;
	key->algorithm = SIGNATURE_HMAC_SHA256;
	if (BASE64_DECODED_MAX(text.len) > sizeof key->secret ||
	    base64_decode(text, key->secret, &key->secret_len) || key->secret_len < SIGNATURE_KEY_SECRET_MIN)
		return SIGNATURE_KEYS_E_SECRET;
	return 0;
}

/* From its first line on, up to its last one. */
static int read_pem(struct reader *r, struct span first)
{
	const char *begin = first.ptr;
	struct span line = first;
	struct signature_key *key;
	unsigned begun = r->line;
	int e;

	if (memmem(first.ptr, first.len, "PRIVATE", strlen("PRIVATE")))
		return SIGNATURE_KEYS_E_PRIVATE;
	while (!begins(line, "-----END ") && next_line(r, &line))
		;
	e = key_add(r, &key);
	if (e)
		return e;
	BIO *in = BIO_new_mem_buf(begin, (int)(line.ptr + line.len - begin));
	key->public_key = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, NULL) : NULL;
	key->algorithm = SIGNATURE_ED25519;
	BIO_free(in);
	ERR_clear_error();
	if (key->public_key && EVP_PKEY_get_base_id(key->public_key) == EVP_PKEY_ED25519)
		return 0;
	r->line = begun;
	return key->public_key ? SIGNATURE_KEYS_E_KIND : SIGNATURE_KEYS_E_PEM;
}

static int read_line(struct reader *r, struct span line)
{
	struct span value;

	if (!line.len || line.ptr[0] == '#')
		return 0;
	if (value_of(line, "keyid:", &value))
		return read_id(r, value);
	if (value_of(line, "hmac:", &value))
		return read_secret(r, value);
	return begins(line, PEM_BEGIN) ? read_pem(r, line) : SIGNATURE_KEYS_E_LINE;
}

int signature_keys_parse(struct span text, struct signature_keys *ret, unsigned *ret_line)
{
	struct reader r = {.rest = text, .into = ret};
	struct span line;
	int e = 0;

	*ret = (struct signature_keys){0};
	while (!e && next_line(&r, &line))
		e = read_line(&r, line);
	if (!e && r.id[0])
		e = SIGNATURE_KEYS_E_LOOSE_ID;
	if (!e && !ret->count)
		e = SIGNATURE_KEYS_E_NONE;
	*ret_line = r.line;
	return e;
}

const char *signature_keys_error_text(int error)
{
	switch (error) {
	case SIGNATURE_KEYS_E_LINE:
		return "this is neither a public key in PEM nor a line \"hmac: BASE64\" or \"keyid: NAME\"";
	case SIGNATURE_KEYS_E_PEM:
		return "this is no public key in PEM: openssl pkey -in PRIVATE -pubout makes one";
	case SIGNATURE_KEYS_E_PRIVATE:
		return "this is a private key, which belongs to the gateway alone: openssl pkey -in IT "
		       "-pubout "
		       "gives the one for picket";
	case SIGNATURE_KEYS_E_KIND:
		return "this key is of another kind: picket verifies by Ed25519 (openssl genpkey -algorithm "
		       "ed25519) and HMAC";
	case SIGNATURE_KEYS_E_SECRET:
		return "this is no secret of 32 to 256 bytes in base64: openssl rand -base64 32 makes one";
	case SIGNATURE_KEYS_E_ID:
		return "a keyid is 1 to 63 printable characters without spaces";
	case SIGNATURE_KEYS_E_SAME_ID:
		return "an earlier key has the same keyid, or likewise none: write \"keyid: NAME\" before "
		       "each "
		       "key";
	case SIGNATURE_KEYS_E_LOOSE_ID:
		return "no key stands behind a keyid";
	case SIGNATURE_KEYS_E_NONE:
		return "there is no key in it";
	case SIGNATURE_KEYS_E_TOO_MANY:
		return "8 keys are enough";
	default:
		return "failed";
	}
}

/* --- using --- */

bool signature_keys_secret(const struct signature_keys *keys)
{
	for (unsigned i = 0; i < keys->count; i++)
		if (keys->keys[i].algorithm == SIGNATURE_HMAC_SHA256)
			return true;
	return false;
}

const struct signature_key *signature_key_find(const struct signature_keys *keys, struct span id)
{
	const struct signature_key *any = NULL;

	for (unsigned i = 0; i < keys->count; i++) {
		const struct signature_key *key = &keys->keys[i];

		if (!key->id[0])
			any = key;
		else if (span_equal(span_from(key->id), id))
			return key;
	}
	return any;
}

const char *signature_algorithm_name(enum signature_algorithm a)
{
	return a == SIGNATURE_ED25519 ? "ed25519" : "hmac-sha256";
}

static bool ed25519_verifies(const struct signature_key *key, struct span base, struct span signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->public_key) == 1 &&
		    EVP_DigestVerify(context, (const unsigned char *)signature.ptr, signature.len,
				     (const unsigned char *)base.ptr, base.len) == 1;

	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return good;
}

static bool hmac_verifies(const struct signature_key *key, struct span base, struct span signature)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return HMAC(EVP_sha256(), key->secret, (int)key->secret_len, (const unsigned char *)base.ptr,
		    base.len, mac, &len) &&
	       signature.len == len && CRYPTO_memcmp(mac, signature.ptr, len) == 0;
}

bool signature_key_verifies(const struct signature_key *key, struct span base, struct span signature)
{
	return key->algorithm == SIGNATURE_ED25519 ? ed25519_verifies(key, base, signature)
						   : hmac_verifies(key, base, signature);
}

void signature_keys_free(struct signature_keys *keys)
{
	for (unsigned i = 0; i < keys->count; i++)
		EVP_PKEY_free(keys->keys[i].public_key);
	explicit_bzero(keys, sizeof *keys);
}
