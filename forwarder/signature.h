/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature.h: is an answer from who we think, whole, to what we asked, and fresh? By HTTP Message Signatures
 * (RFC 9421) with the tag "picket-verdicts", and Content-Digest (RFC 9530). What must be covered: "@status",
 * "content-digest", and of the request what binds the answer to it ("picket-nonce";req, ...). Its parameters:
 * created, keyid, alg and tag, and expires if it likes. An answer may cover more of itself, as long as we can
 * rebuild it, and may carry several signatures with that tag, of which one that is good is enough.
 */
#ifndef PICKET_SIGNATURE_H
#define PICKET_SIGNATURE_H

#include <stdint.h>
#include "forwarder/signature_key.h"

#define SIGNATURE_TAG "picket-verdicts"

/* A component of the request (RFC 9421 section 2.4), which a signature must cover as "NAME";req. */
struct signature_bound {
	const char *name; /* of a field, in lower case, or "@path" */
	struct span value;
};

struct signed_answer {
	unsigned status;
	struct span head; /* http_field.h */
	struct span body;
	const struct signature_bound *bound;
	unsigned bound_count;
};

/*
 * 0, or of verdict_parse.h: VERDICT_E_UNSIGNED, _SIGNATURE (malformed, covers too little, unknown key,
 * wrong), _OTHER_BATCH (good, but for the request that the fields of the same names in the answer tell of),
 * _STALE (made more than window_s before or after now_s, or expired), _DIGEST (the body is not what was
 * signed). now_s: since 1970.
 */
int signature_verify(const struct signature_keys *keys, const struct signed_answer *answer, int64_t now_s,
		     int64_t window_s);

#endif
