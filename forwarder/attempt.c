// SPDX-License-Identifier: Apache-2.0
#include "forwarder/attempt.h"
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#define NONCE_BYTES 16

/* RFC 4648, 5. The last of the 22 letters holds two bits. */
static void write_base64url(const uint8_t bytes[static NONCE_BYTES], char ret[static ATTEMPT_NONCE_MAX])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0, held = 0, at = 0;

	for (unsigned i = 0; i < NONCE_BYTES; i++) {
		bits = bits << 8 | bytes[i];
		for (held += 8; held >= 6; held -= 6)
			ret[at++] = letters[bits >> (held - 6) & 63];
	}
	ret[at++] = letters[bits << (6 - held) & 63];
	ret[at] = 0;
}

int attempt_new(struct attempt *a, const char *key, enum config_transport transport)
{
	uint8_t random[NONCE_BYTES];

	if (getrandom(random, sizeof random, GRND_NONBLOCK) != sizeof random)
		return errno ? -errno : -EAGAIN;
	a->form = 0;
	snprintf(a->key, sizeof a->key, "%s", key);
	write_base64url(random, a->nonce);
	snprintf(a->lines[0], sizeof a->lines[0], "Idempotency-Key: %s", a->key);
	snprintf(a->lines[1], sizeof a->lines[1], "Picket-Nonce: %s", a->nonce);
	a->headers[0] = a->lines[0];
	a->headers[1] = a->lines[1];
	snprintf(a->lines[2], sizeof a->lines[2], "x-lunar-sequence-id: %s", a->key);
	a->headers[2] = transport == TRANSPORT_LUNAR ? a->lines[2] : NULL;
	a->headers[3] = NULL;
	return 0;
}
