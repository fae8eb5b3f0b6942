/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol.h: what a gateway is sent for a batch, and how its answer is read. When it is sent, and again, is
 * gateway.c's business; how the bytes get there, the transport's.
 */
#ifndef PICKET_PROTOCOL_H
#define PICKET_PROTOCOL_H

#include "forwarder/attempt.h"
#include "forwarder/signature_key.h"
#include "forwarder/situation.h"
#include "forwarder/transport_direct.h"
#include "forwarder/verdict_parse.h"
#include "lib/config.h"

struct protocol_answer {
	const struct config_gateway *config;
	const struct attempt *attempt;
	const struct transport_answer *answer; /* 2xx, not 204, and whole */
	const struct signature_keys *verify;   /* of config->verify_key_file */
	int64_t now_s;                         /* wall clock, since 1970 */
	void (*accept)(void *arg, const struct verdict *v);
	void *arg;
	uint64_t *refused; /* [VERDICT_E_MAX]: raised by one for each fault */
};

struct protocol {
	const char *content_type, *accept; /* of the request */
	/*
	 * Hands the verdicts of an answer to accept, raises refused, says in which situation that leaves the
	 * gateway. 0, the fault of the whole document (VERDICT_E_*), or -ENOMEM.
	 */
	int (*read)(const struct protocol_answer *a, enum situation *ret);
};

extern const struct protocol protocol_batch;

/* The same, of an answer that may have come from somewhere between us and the gateway. */
int protocol_read(const struct protocol *p, const struct protocol_answer *a, enum situation *ret);

/* NULL: no events go there by POST (local, crowdsec). */
const struct protocol *protocol_of(enum config_gateway_protocol protocol);

#endif
