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

#include "lib/json_read.h"
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
	/* Of protocol openai alone. */
	VERDICT_E_ERROR_INSIDE, /* an error with status 200 */
	VERDICT_E_STREAM,       /* it came as a stream of events */
	VERDICT_E_NO_CHOICE,    /* no completion, or several */
	VERDICT_E_NO_CONTENT,   /* the model's message is no text, or calls no function */
	VERDICT_E_REFUSAL,      /* the model does not want to answer */
	VERDICT_E_CUT,          /* the answer reached max_tokens */
	VERDICT_E_FILTERED,     /* by the provider */
	VERDICT_E_FINISH,       /* it ended for no reason that we know */
	VERDICT_E_PROSE,        /* its text is more than one JSON object */
	VERDICT_E_CATEGORY,
	VERDICT_E_EVIDENCE, /* events that were not sent, or of another client */
	VERDICT_E_LATE,     /* after deadline_ms */
	VERDICT_E_MAX,
};
const char *verdict_error_name(enum verdict_error e);

#define VERDICT_BODY_MAX  (256 * 1024)
#define VERDICT_COUNT_MAX 1024

/* --- for readers of other answers --- */

/* What a json_error means, at that offset of text. */
enum verdict_error verdict_json_error(int json_error, struct span text, size_t offset);
/* No control characters. */
bool verdict_text_is_clean(const char *text);
/* "confidence" of item. 0 or VERDICT_E_CONFIDENCE. */
int verdict_parse_confidence(const cJSON *item, struct verdict *v);

/*
 * accept gets each good verdict (source gateway, origin = gateway). refused[e] is raised per fault. Returns
 * 0, the fault of the document, or -ENOMEM.
 */
int verdict_parse(struct span body, const char *gateway, uint64_t received_ns,
		  void (*accept)(void *arg, const struct verdict *v), void *arg,
		  uint64_t refused[static VERDICT_E_MAX]);

#endif
