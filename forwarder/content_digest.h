/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content_digest.h: the field Content-Digest (RFC 9530): what the bytes of a body should come to, by SHA-256,
 * SHA-512 or both.
 */
#ifndef PICKET_CONTENT_DIGEST_H
#define PICKET_CONTENT_DIGEST_H

#include "lib/span.h"

enum {
	CONTENT_DIGEST_E_SYNTAX = 1,
	CONTENT_DIGEST_E_UNKNOWN, /* neither of the two */
	CONTENT_DIGEST_E_OTHER,   /* the body is another */
};

/* Both are compared where both are named; others beside them are passed over. 0 or one of the above. */
int content_digest_check(struct span field, struct span body);

#endif
