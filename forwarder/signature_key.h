/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature_key.h: the keys by which a gateway's answers are verified, as verify_key_file holds them. One or
 * several, each an Ed25519 public key in PEM or a secret for HMAC-SHA256; a line `keyid:` before a key says
 * which answers are verified by it, so that the next key can be there before it is in use:
 *
 *     # until 2027
 *     keyid: 2026
 *     -----BEGIN PUBLIC KEY-----
 *     MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
 *     -----END PUBLIC KEY-----
 *     keyid: 2027
 *     hmac: BASE64 OF 32 BYTES OR MORE
 *
 * A key without such a line verifies what no other is named for.
 */
#ifndef PICKET_SIGNATURE_KEY_H
#define PICKET_SIGNATURE_KEY_H

#include <openssl/types.h>
#include "lib/span.h"

#define SIGNATURE_KEYS_MAX       8
#define SIGNATURE_KEY_ID_MAX     64
#define SIGNATURE_KEY_SECRET_MIN 32 /* bytes: what SHA-256 gives */
#define SIGNATURE_KEY_SECRET_MAX 256

enum signature_algorithm { SIGNATURE_ED25519 = 1, SIGNATURE_HMAC_SHA256 };

struct signature_key {
	char id[SIGNATURE_KEY_ID_MAX]; /* "": any */
	enum signature_algorithm algorithm;
	EVP_PKEY *public_key;
	char secret[SIGNATURE_KEY_SECRET_MAX];
	size_t secret_len;
};

struct signature_keys {
	struct signature_key keys[SIGNATURE_KEYS_MAX];
	unsigned count;
};

enum {
	SIGNATURE_KEYS_E_LINE = 1, /* none of the lines above */
	SIGNATURE_KEYS_E_PEM,
	SIGNATURE_KEYS_E_PRIVATE,
	SIGNATURE_KEYS_E_KIND,
	SIGNATURE_KEYS_E_SECRET,
	SIGNATURE_KEYS_E_ID,
	SIGNATURE_KEYS_E_SAME_ID,
	SIGNATURE_KEYS_E_LOOSE_ID,
	SIGNATURE_KEYS_E_NONE,
	SIGNATURE_KEYS_E_TOO_MANY,
};

/* ret_line: which line of the text is at fault. Whatever the result, signature_keys_free. */
int signature_keys_parse(struct span text, struct signature_keys *ret, unsigned *ret_line);
const char *signature_keys_error_text(int error); /* "holds a private key: ..." */
/* Whether one of them must not be known to others. */
bool signature_keys_secret(const struct signature_keys *keys);
const struct signature_key *signature_key_find(const struct signature_keys *keys, struct span id); /* or NULL
												    */
const char *signature_algorithm_name(enum signature_algorithm a); /* "ed25519", "hmac-sha256" */
bool signature_key_verifies(const struct signature_key *key, struct span base, struct span signature);
void signature_keys_free(struct signature_keys *keys);

#endif
