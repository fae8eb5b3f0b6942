/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway_internal.h: one gateway from inside. gateway.c makes it, takes events in and counts; gateway_send.c
 * says what is sent when, and what the spool said; gateway_answer.c what an answer means.
 */
#ifndef PICKET_GATEWAY_INTERNAL_H
#define PICKET_GATEWAY_INTERNAL_H

#include <pthread.h>
#include "forwarder/asker.h"
#include "forwarder/attempt.h"
#include "forwarder/backoff.h"
#include "forwarder/budget.h"
#include "forwarder/budget_state.h"
#include "forwarder/credentials.h"
#include "forwarder/gateway.h"
#include "forwarder/long_poll.h"
#include "forwarder/outbox.h"
#include "forwarder/prompt.h"
#include "forwarder/protocol.h"

#define GATEWAY_CONNECTIONS_KEPT 6

/*
 * One connection, one batch under way. What is new goes over the live lane; what waited on the disk, in its
 * order, over the other, so that after an outage neither waits for the other.
 */
struct lane {
	struct gateway *gateway;
	struct transport *transport; /* NULL until started */
	struct attempt attempt;      /* the one under way, or the last */
	struct batch *batch;      /* live: the outbox's, while under way; a question: ours, until done with,
				     as the backlog's */
	struct buffer body;       /* what its protocol made of the batch, while under way */
	struct budget_cost taken; /* what it was taken to cost at most */
	uint64_t sent_ns;         /* boot clock */
	uint64_t pause_until_ns;  /* backlog: what is new has its turn */
};

struct gateway {
	const struct config_gateway *config;
	const struct protocol *protocol;
	const struct clock *clock;
	struct forwarder_hooks hooks;
	struct lane live, backlog;
	struct outbox outbox; /* unused by one that asks */
	struct asker *asker;  /* protocol openai: about whom it is asked, when; else NULL */
	uint64_t questions;   /* made so far */
	struct prompt prompt;
	struct budget_state *budget_state; /* NULL: not kept */
	struct budget_form form;           /* that is kept with it */
	char id_prefix[BATCH_ID_MAX - 24];
	struct spooler_options spool; /* bytes_max 0: none, or its thread has it */
	bool gap_untold;              /* the event that tells of an earlier process's crash is not safe yet */
	uint64_t gap_offered_ns;
	CURLM *multi;
	struct backoff backoff;
	uint64_t rest_until_ns; /* boot clock: nothing is sent before */
	struct budget budget;
	bool spent; /* it is, and rest_until_ns is when it is not any more */
	struct protocol_state protocol_state;
	struct credentials credentials;

	/* Ports of its last connections, ours and the gateway's; written by one thread, read by others. */
	uint32_t ports[GATEWAY_CONNECTIONS_KEPT];
	unsigned ports_next;

	pthread_mutex_t lock;         /* guards what follows */
	struct gateway_counts counts; /* events_held is filled in when asked */
	struct long_poll *poll;       /* NULL: no verdicts_url, or not started; set once */
	uint64_t dropped_told;
};

static inline bool lane_is_busy(const struct lane *lane)
{
	return lane->transport && transport_busy(lane->transport);
}

/* Is the lane's batch its own, so that it stays there until it is done with? */
static inline bool lane_owns_batch(const struct lane *lane)
{
	return lane == &lane->gateway->backlog || lane->gateway->asker;
}

const struct lane *lane_other(const struct lane *lane);

/* Three that want the lock to be held. */
void gateway_count_dropped(struct gateway *g, enum gateway_drop reason, uint64_t events);
void gateway_set_held_since(struct gateway *g);
/* The lane's batch goes. Returns how many events it had. */
unsigned gateway_remove_batch(struct lane *lane);

/* asker_done, and what it makes of the account. Without the lock. */
void gateway_asked(struct gateway *g, enum asker_end end);
/* Verdicts that follow from what was said of others (asker_question). */
void gateway_known(void *gateway, const struct verdict *v);
/* What is spent, or the form of answers that was found, changed: to be kept. */
void gateway_keep_budget(struct gateway *g);
/* Its deadline has passed: nobody would act on what a gateway says of it. */
bool gateway_is_late(const struct gateway *g, const struct batch *b, uint64_t now_ns);
/* One that could be read, by whatever way: kept in words, and handed on by whom is to decide. */
void gateway_take_verdict(struct gateway *g, const struct verdict *v);
/* The exchange of a lane has ended (transport_options.finished). 0 or -ENOMEM. */
int gateway_finished(void *lane, CURLcode result);

#endif
