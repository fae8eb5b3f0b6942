/* SPDX-License-Identifier: Apache-2.0 */
/*
 * long_poll.h: verdicts that need no batch to come with: one GET to verdicts_url at a time, which the gateway
 * leaves unanswered until it has something to say, or WAIT_S seconds are over (204). The answer is that to a
 * batch, signed likewise, but bound to "@path";req and "picket-nonce";req. Used by the judge thread alone,
 * except long_poll_counts.
 */
#ifndef PICKET_LONG_POLL_H
#define PICKET_LONG_POLL_H

#include <curl/curl.h>
#include "forwarder/credentials.h"
#include "forwarder/verdict_parse.h"
#include "lib/clock.h"

#define LONG_POLL_WAIT_S 30
/* From one GET to the next, at least: after an answer with verdicts, and after one that says nothing. */
#define LONG_POLL_AGAIN_MS 50
#define LONG_POLL_PAUSE_MS 1000

struct long_poll;

struct long_poll_options {
	const struct config_gateway *config;
	const struct credentials *credentials;
	const struct clock *clock;
	/* As in transport_direct.h. */
	void *owner;
	void (*connected)(void *owner, uint16_t local_port, uint16_t peer_port);
	void (*verdict)(void *arg, const struct verdict *v);
	void *arg;
};

struct long_poll_counts {
	uint64_t asked, answered; /* answered: by a document */
	uint64_t verdicts;
	uint64_t refused[VERDICT_E_MAX];
	char last_error[384]; /* "" if none */
};

/* Borrows all of it. 0 or -errno. */
int long_poll_new(CURLM *multi, const struct long_poll_options *options, struct long_poll **ret);
/* When long_poll_step will have something to do; UINT64_MAX: not before something else happens. */
uint64_t long_poll_due_ns(const struct long_poll *p);
/* Asks, if it is time to. 0 or -errno. */
int long_poll_step(struct long_poll *p, uint64_t now_ns);
/* Safe from other threads; ret is left as it is where p is NULL. */
void long_poll_counts(struct long_poll *p, struct long_poll_counts *ret);
void long_poll_free(struct long_poll *p);

#endif
