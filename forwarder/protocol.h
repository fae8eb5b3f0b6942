/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol.h: what a gateway is sent for a batch, and how its answer is read. When it is sent, and again, is
 * gateway.c's business; how the bytes get there, the transport's.
 */
#ifndef PICKET_PROTOCOL_H
#define PICKET_PROTOCOL_H

#include "forwarder/attempt.h"
#include "forwarder/signature.h"
#include "forwarder/situation.h"
#include "forwarder/transport_direct.h"
#include "forwarder/verdict_parse.h"
#include "lib/config.h"

#define PROTOCOL_MODEL_MAX VERDICT_MODEL_MAX

struct prompt;

/* What a protocol remembers of one gateway; all zero at first. */
struct protocol_state {
	unsigned form;    /* openai: which enum openai_form the model takes, as far as known */
	unsigned ignored; /* openai: answers in a row that were not of the form that was asked for */
	const struct prompt *prompt; /* openai: what the model is told to do; whoever has the state sets it */
	/* Of the last answer that was read: who gave it, and what it says it cost; "" and 0: it does not say.
	 */
	char model[PROTOCOL_MODEL_MAX];
	uint64_t tokens, tokens_in, tokens_out;
};

enum { PROTOCOL_E_NOTHING = 1 /* the batch holds nothing that it could send */ };

struct protocol_answer {
	const struct config_gateway *config;
	const struct batch *batch; /* that was sent */
	const struct attempt *attempt;
	struct protocol_state *state;
	const struct transport_answer *answer; /* 2xx, not 204, and whole */
	const struct signature_keys *verify;   /* of config->verify_key_file */
	uint64_t sent_ns;                      /* boot clock; 0: not known */
	int64_t now_s;                         /* wall clock, since 1970 */
	void (*accept)(void *arg, const struct verdict *v);
	void *arg;
	uint64_t *refused; /* [VERDICT_E_MAX]: raised by one for each fault */
};

struct protocol {
	const char *content_type, *accept; /* of the request */
	/*
	 * What is sent for a batch, appended to ret; NULL: its JSON as it is. 0, PROTOCOL_E_NOTHING,
	 * BUFFER_E_FULL or -ENOMEM.
	 */
	int (*write)(const struct protocol_state *state, const struct config_gateway *config,
		     const struct batch *batch, struct attempt *attempt, struct buffer *ret);
	/*
	 * The answer refuses what was sent: can the same be asked in another way, at once? Then the state
	 * says which, and write makes it so. NULL: never.
	 */
	bool (*adapt)(struct protocol_state *state, const struct config_gateway *config,
		      const struct attempt *attempt, const struct transport_answer *answer);
	/*
	 * Hands the verdicts of an answer to accept, raises refused, says in which situation that leaves the
	 * gateway. 0, the fault of the whole document (VERDICT_E_*), or -ENOMEM.
	 */
	int (*read)(const struct protocol_answer *a, enum situation *ret);
};

extern const struct protocol protocol_batch, protocol_openai;
/* Its document of verdicts, in an answer that is bound to these of its request; as protocol.read. */
int protocol_batch_read(const struct protocol_answer *a, const struct signature_bound *bound,
			unsigned bound_count, enum situation *ret);

/* The same, of an answer that may have come from somewhere between us and the gateway. */
int protocol_read(const struct protocol *p, const struct protocol_answer *a, enum situation *ret);

/* NULL: no events go there by POST (local, crowdsec). */
const struct protocol *protocol_of(enum config_gateway_protocol protocol);

#endif
