/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attempt.h: what one attempt to deliver a batch is called. The key is the batch's, the same however often it
 * is sent, so that who got it twice can tell; the nonce is new each time, so that an answer can be told from
 * one that was recorded earlier (RFC 9421, 7.2.2).
 */
#ifndef PICKET_ATTEMPT_H
#define PICKET_ATTEMPT_H

#include "forwarder/batch.h"
#include "lib/config.h"

#define ATTEMPT_NONCE_MAX  23 /* 128 bits, base64url without padding, and NUL */
#define ATTEMPT_HEADERS    4
#define ATTEMPT_HEADER_MAX 128
#define ATTEMPT_NONCE_LINE 1

struct attempt {
	char key[BATCH_ID_MAX];
	char nonce[ATTEMPT_NONCE_MAX];
	unsigned form; /* how it asks, where its protocol knows several ways (protocol_openai.c) */
	/* "Idempotency-Key: KEY", "Picket-Nonce: NONCE", through Lunar also "x-lunar-sequence-id: KEY"; NULL
	 */
	char lines[ATTEMPT_HEADERS - 1][ATTEMPT_HEADER_MAX];
	const char *headers[ATTEMPT_HEADERS];
};

/* 0 or -errno: there is no randomness. The attempt must not be moved: headers point into it. */
int attempt_new(struct attempt *a, const char *key, enum config_transport transport);

#endif
