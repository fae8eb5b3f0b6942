/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign.h: shows picket that an answer is ours, whole, and meant for its request (docs/gateway-batch.md): HTTP
 * Message Signatures (RFC 9421) over the status, the body's digest (RFC 9530) and two fields of the request.
 * By Ed25519, whose public half picket has, or by a secret that both have (HMAC-SHA256).
 */
#ifndef EXAMPLES_GATEWAY_SIGN_H
#define EXAMPLES_GATEWAY_SIGN_H

#include <stddef.h>
#include <time.h>

#define SIGN_FIELDS_MAX 2048

struct signer;

struct sign_answer {
	unsigned status;
	const char *body;
	size_t body_len;
	/* Of the request: what it is bound to. A batch has a key (Idempotency-Key); who asks for verdicts has
	 * none, and is told by the path. */
	const char *key, *path, *nonce; /* nonce: Picket-Nonce */
	time_t created;
};

/*
 * The file holds a private key in PEM (openssl genpkey -algorithm ed25519) or a line "hmac: BASE64", and
 * maybe a line "keyid: NAME" before it. NULL: it does not, which was told on stderr.
 */
struct signer *signer_read(const char *path);
/* The fields that go with the answer, "Name: value" a line, without a line end behind the last. 0 or -1. */
int signer_fields(const struct signer *s, const struct sign_answer *answer, char ret[static SIGN_FIELDS_MAX]);
void signer_free(struct signer *s);

#endif
