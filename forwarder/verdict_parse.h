/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict_parse.h: the strict parser of a gateway's answer to a batch:
 *
 *     {"verdicts": [{"id": "...", "action": "block", "target": {"scope": "ip", "value": "192.0.2.7"},
 *                    "ttl_s": 900, "confidence": 0.97, "reason": "...", "evidence": ["event id", ...]}]}
 *
 * An empty body, or 204, is "no verdict". Any fault in one verdict refuses that verdict, any fault in the
 * document all of it; each refusal is counted under its reason. Nothing is guessed: an unknown action, an
 * unknown key inside a verdict's target (beside scope, value and route), a number out of range refuse.
 */
#ifndef PICKET_VERDICT_PARSE_H
#define PICKET_VERDICT_PARSE_H

#include "lib/span.h"
#include "lib/verdict.h"

enum verdict_error {
	VERDICT_E_SYNTAX = 1, /* not JSON (HTML with 200, ...) */
	VERDICT_E_TOO_LARGE,
	VERDICT_E_TOO_DEEP,
	VERDICT_E_TOO_MANY,
	VERDICT_E_DUPLICATE_KEY,
	VERDICT_E_TRAILING,
	VERDICT_E_NUMBER, /* NaN, infinite */
	VERDICT_E_SHAPE,  /* not the document above */
	VERDICT_E_ACTION,
	VERDICT_E_TARGET, /* scope, value or route */
	VERDICT_E_ROUTES, /* a route that was not named before, and there is no room for one */
	VERDICT_E_TTL,
	VERDICT_E_CONFIDENCE,
	VERDICT_E_TEXT, /* id, reason or evidence: type, length, UTF-8, control characters */
	/* Of a whole answer, by its signature (signature.h). */
	VERDICT_E_UNSIGNED,
	VERDICT_E_SIGNATURE,
	VERDICT_E_DIGEST,
	VERDICT_E_STALE,
	VERDICT_E_OTHER_BATCH,
	VERDICT_E_MAX,
};
const char *verdict_error_name(enum verdict_error e);

#define VERDICT_BODY_MAX  (256 * 1024)
#define VERDICT_COUNT_MAX 1024

/*
 * accept gets each good verdict (source gateway, origin = gateway). refused[e] is raised per fault. Returns
 * 0, the fault of the document, or -ENOMEM.
 */
int verdict_parse(struct span body, const char *gateway, uint64_t received_ns,
		  void (*accept)(void *arg, const struct verdict *v), void *arg,
		  uint64_t refused[static VERDICT_E_MAX]);

#endif
