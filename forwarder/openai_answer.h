/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_answer.h: the strict reader of a chat completion. It holds a text, and that must be one JSON object:
 *
 *     {"batch_id": "...", "verdicts": [{"src": "c12ab34cd", "action": "block", "confidence": 0.95,
 * "category": "scan", "ttl_s": 600, "evidence": ["e1"], "reason": "..."}]}
 *
 * A completion that was refused, filtered, cut or streamed, that is an error with status 200, or whose text
 * has anything around that object (but one code fence) is no verdict. A fault in one item refuses that item.
 * src and evidence are looked up among what the batch held: no address is ever taken from a model.
 */
#ifndef PICKET_OPENAI_ANSWER_H
#define PICKET_OPENAI_ANSWER_H

#include "forwarder/openai_request.h"
#include "forwarder/protocol.h"

#define OPENAI_REASON_MAX 160 /* bytes of an item's reason that are kept */

struct openai_answer {
	struct span body;
	const struct question *question; /* that was asked */
	const char *batch_id, *gateway;
	enum openai_form form; /* that was asked for */
	/* Who answered, "provider/model", as the gateway's headers say; "": filled in by the body's model, if
	 * it has one. Printable ASCII without spaces. */
	char model[PROTOCOL_MODEL_MAX];
	uint64_t received_ns;
	/* Filled in: what the answer says it cost, and of that, what the question and the answer did; 0 = it
	 * does not say. */
	uint64_t tokens, tokens_in, tokens_out;
	const char *prompt; /* version, for the record */
	uint32_t latency_ms;
};

/*
 * Hands each good item to accept (source gateway, origin = gateway), raises refused[e] for each fault. 0, the
 * fault of the document, or -ENOMEM.
 */
int openai_answer_read(struct openai_answer *a, void (*accept)(void *arg, const struct verdict *v), void *arg,
		       uint64_t refused[static VERDICT_E_MAX]);
/* Copies what of text may stand in a model's name; the rest becomes '?'. */
void openai_model_set(char model[static PROTOCOL_MODEL_MAX], struct span text);

#endif
