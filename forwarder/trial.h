/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial.h: one exchange with a gateway to see whether it works: a batch of one made-up event, marked
 * `picket.test`, over a connection of its own, by the settings and the code that the daemon uses. What the
 * answer asks for is read and told; there is nobody here who could do it.
 */
#ifndef PICKET_TRIAL_H
#define PICKET_TRIAL_H

#include "forwarder/prompt.h"
#include "forwarder/protocol.h"
#include "forwarder/situation.h"
#include "forwarder/verdict_parse.h"
#include "lib/clock.h"
#include "lib/config.h"

#define TRIAL_VERDICTS_MAX 16

struct trial {
	struct buffer request, answer; /* heads as they went over the wire, secrets masked; empty: none did */
	struct buffer body;            /* of the answer, masked likewise */
	struct buffer sent;            /* the body, where the protocol makes one of its own; else empty */
	struct buffer compressed;      /* the body, where it is sent compressed; else empty */
	struct protocol_state state;
	struct prompt prompt; /* openai */
	unsigned status;      /* 0: no answer came */
	char error[256];      /* libcurl's, or "" */
	enum situation situation;
	uint64_t took_ns;
	struct verdict verdicts[TRIAL_VERDICTS_MAX]; /* the first of them */
	uint64_t verdict_count;
	uint64_t refused[VERDICT_E_MAX];
};

/*
 * Blocks for config->timeout_ms at most, four times that where a way to ask has to be found. The gateway's
 * protocol is not local. CONFIG_E_INVALID: see errors, one message a line, as credentials_read. Whatever the
 * result, trial_free. dossier: openai: what it is asked about (dossier_write); empty: somebody made up.
 */
int trial_run(const struct config_gateway *config, const struct clock *clock, const char *source,
	      struct span dossier, struct trial *ret, struct buffer *errors);
/* Nothing is sent: what would be is in ret->sent. openai alone; as trial_run, -EBADMSG: that is no dossier.
 */
int trial_show(const struct config_gateway *config, struct span dossier, struct trial *ret,
	       struct buffer *errors);
void trial_free(struct trial *t);

#endif
