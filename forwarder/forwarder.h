/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forwarder.h: events → batches → gateways → verdicts. Runs in the judge thread: push and run are called by
 * it alone; counts may be read from others. Each gateway has a queue of events (config gateway.queue_events)
 * and, where state_dir can be written, a spool on the disk, with a thread of its own; what does not fit is
 * counted and reported as a picket.loss event.
 *
 * protocol batch: POST, content type application/cloudevents-batch+json, one keep-alive connection, no
 * redirects, Content-Length always, header Idempotency-Key = batch id; 2xx = delivered, the body may carry
 * verdicts (verdict_parse.h). 408, 429, 5xx and transport errors are retried with the same batch id, full
 * jitter, Retry-After honoured; other 4xx are final: the batch is dropped and counted.
 */
#ifndef PICKET_FORWARDER_H
#define PICKET_FORWARDER_H

#include "lib/clock.h"
#include "lib/config.h"
#include "lib/event.h"
#include "lib/histogram.h"
#include "lib/verdict.h"
#include "forwarder/asker.h"
#include "forwarder/spooler.h"
#include "forwarder/long_poll.h"
#include "forwarder/verdict_parse.h"

struct forwarder;

/* Why events of a gateway were dropped. */
enum gateway_drop {
	GATEWAY_DROP_QUEUE,    /* no room, or an event larger than a batch */
	GATEWAY_DROP_SPOOL,    /* the spool was full, or could not be read */
	GATEWAY_DROP_REFUSED,  /* for good, by the gateway */
	GATEWAY_DROP_ATTEMPTS, /* attempts_max were in vain */
	GATEWAY_DROP_DEADLINE, /* deadline_ms has passed */
	GATEWAY_DROP_BUDGET,   /* tokens_per_day are spent, or no room while requests_per_minute were */
	GATEWAY_DROP_CLIENTS,  /* openai: no room for their client among those who are worse */
	GATEWAY_DROP_MAX,
};
const char *gateway_drop_name(enum gateway_drop reason); /* "queue", ... */

struct gateway_counts {
	const char *name;
	enum config_gateway_protocol protocol;
	const char *state;        /* "idle", "sending", "backing off", "down", "failed", "budget" */
	char last_error[384];     /* "" if none; explained for people */
	unsigned last_status;     /* HTTP */
	uint64_t events, batches; /* delivered */
	/* offered + recovered = delivered + dropped + filtered + held */
	uint64_t events_offered;
	uint64_t events_recovered;               /* of an earlier process, found in the spool */
	uint64_t events_dropped;                 /* queue or spool full, unreadable there, refused for good */
	uint64_t events_filtered;                /* not for this gateway, by its configuration */
	uint64_t events_held;                    /* queued, in the spool, or in flight */
	uint64_t held_since_ns;                  /* boot clock: the oldest of them; 0 = none is held */
	uint64_t attempts, retries, connections; /* connections: new TCP connections made */
	uint64_t bytes;
	uint64_t verdicts; /* accepted by the parser */
	uint64_t refused[VERDICT_E_MAX];
	struct long_poll_counts poll; /* what verdicts and refused hold of it is counted there as well */
	uint64_t spool_bytes_max;     /* 0: it has no spool */
	struct spooler_counts spool;
	uint64_t bypassed; /* batches sent without being safe on the disk: it was slow, or refused them */
	uint64_t dropped[GATEWAY_DROP_MAX]; /* events_dropped, by reason */
	char model[96];                     /* openai: who answered last, "" = not known */
	char last_verdict[PREFIX_TEXT_MAX + VERDICT_TEXT_MAX +
			  64];         /* the last that it gave, for people; "" if none */
	uint64_t tokens, tokens_today; /* openai: spent, as far as told or guessed */
	uint64_t money_today;          /* openai: the same, millionths of what prices are in */
	struct asker_counts asker;     /* openai: about whom it was asked */
	uint64_t answers[6];           /* by class: [2] counts 2xx; [0] no answer came */
	struct histogram answer_time;  /* from sending a batch to the last byte of its answer, 2xx only */
	struct histogram verdict_time; /* from a batch's oldest event to each verdict in its answer, unless it
					  was read back */
};

struct forwarder_hooks {
	void (*verdict)(void *arg, const struct verdict *v); /* called inside forwarder_run */
	void (*event)(void *arg, struct event *e); /* a loss event to publish; takes the reference */
	void *arg;
	uint64_t held_ns; /* how long what was seen may have been held before it was pushed */
};

/*
 * Secrets are read here: call before privileges are dropped. No descriptor is opened before the first
 * forwarder_run, so a fork may lie between. config and clock are borrowed. errors: what is wrong and what to
 * do, one message a line (CONFIG_E_INVALID); with result 0 its lines are warnings, e.g. of a token file that
 * others may read.
 */
int forwarder_new(const struct config *config, const struct clock *clock, const char *source,
		  const struct forwarder_hooks *hooks, struct forwarder **ret, struct buffer *errors);
/*
 * Opens, or makes, the spools of the gateways that want one, in state_dir; before privileges are dropped and
 * before the first run. A spool that cannot be had is told in errors, a line each, and is not
 * used; so is one that still holds something and belongs to no gateway.
 */
void forwarder_open_spools(struct forwarder *f, const char *state_dir, struct buffer *errors);
/* All that was seen before this time (wall clock, less held_ns) has been pushed: after a crash it is not
 * missing. */
void forwarder_seen(struct forwarder *f, uint64_t wall_ns);
/*
 * A detection of that name fired for the client: gateways with clients: suspicious get its events, models are
 * told of it. event_id: "RUN-ID" of the event on which, or NULL. Before that event is pushed. Any thread.
 */
void forwarder_suspect(struct forwarder *f, const struct addr *client, const char *name,
		       const char *event_id);
/*
 * What gateway `name` (NULL: the first that asks a model) would be asked about the client now: an item of a
 * batch (dossier_write). ret_name: that gateway's. 0; 1: nothing is known of the client; 2: no such gateway
 * asks a model; -ENOMEM. Any thread.
 */
int forwarder_dossier(struct forwarder *f, const char *name, const struct addr *client, const char **ret_name,
		      struct buffer *out);
/* A gateway that asks may keep a reference; for others the event is written as JSON at once. */
void forwarder_push(struct forwarder *f, struct event *e);
/*
 * Do what is due, then wait for gateways, for wake_fd to become readable, or for timeout_ms, whichever is
 * first, and do what that brought. 0 or -errno.
 */
int forwarder_run(struct forwarder *f, int wake_fd, int timeout_ms);
/* The end: send what is held, or have it safe on the disk; at most timeout_ms. */
void forwarder_flush(struct forwarder *f, int timeout_ms);
/* Copies; ret has room for count. Returns how many gateways there are. Safe from other threads. */
unsigned forwarder_counts(struct forwarder *f, struct gateway_counts *ret, unsigned count);
/*
 * Is that one of our last connections to a gateway, by its ports? A gateway on this host reads what we send
 * on a port that may be watched: our own posts are not to be reported to it, each making the next. Safe from
 * other threads.
 */
bool forwarder_is_own(const struct forwarder *f, uint16_t local_port, uint16_t peer_port);
/* The process ended in order: all that was seen has been pushed and flushed, spools need not tell a gap. */
void forwarder_end_in_order(struct forwarder *f);
void forwarder_free(struct forwarder *f);

#endif
