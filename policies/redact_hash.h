/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_hash.h: what stands for a secret: HMAC-SHA-256 under a key of this host, cut to 64 bits, with the id
 * of the key in front.
 *
 *     h_KKxxxxxxxxxxxxxxxx   of a label (the parameter's name, or the kind of secret), a zero, and the value:
 *                            the same value under two names gives two hashes
 *     c_KKxxxxxxxxxxxxxxxx   of a credential alone: one consumer wherever it shows the credential
 *
 * Not thread safe.
 */
#ifndef PICKET_REDACT_HASH_H
#define PICKET_REDACT_HASH_H

#include "lib/span.h"
#include "policies/redact_key.h"

#define REDACT_HASH_LEN 20 /* without a zero */
#define REDACT_HASH_MAX 24

struct redact_hash;

int redact_hash_new(const struct redact_keys *keys, struct redact_hash **ret);
void redact_hash_free(struct redact_hash *h);
unsigned redact_hash_keys(const struct redact_hash *h);

/* ret: REDACT_HASH_LEN bytes and a zero. 0, or -EIO (the library failed; ret is a text without a hash). */
int redact_hash_value(struct redact_hash *h, struct span label, struct span value,
		      char ret[static REDACT_HASH_MAX]);
/* key: 0 is the one in use, below redact_hash_keys. */
int redact_hash_consumer(struct redact_hash *h, unsigned key, struct span credential,
			 char ret[static REDACT_HASH_MAX]);

#endif
