// SPDX-License-Identifier: Apache-2.0
#include "forwarder/gateway.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/random.h>
#include "forwarder/attempt.h"
#include "forwarder/backoff.h"
#include "forwarder/budget.h"
#include "forwarder/credentials.h"
#include "forwarder/fate.h"
#include "forwarder/long_poll.h"
#include "forwarder/outbox.h"
#include "forwarder/protocol.h"
#include "forwarder/situation.h"
#include "forwarder/spool_files.h"
#include "forwarder/wire.h"
#include "lib/util.h"

#define CONNECTIONS_KEPT 6
/* Kept in memory while the gateway answers, beside the one under way; more than that is read back. */
#define LIVE_BATCHES 8
/* So many failures in a row open the circuit: from then on each rest ends with one probe. */
#define CIRCUIT_FAILURES 5

/*
 * One connection, one batch under way. What is new goes over the live lane; what waited on the disk, in its
 * order, over the other, so that after an outage neither waits for the other.
 */
struct lane {
	struct gateway *gateway;
	struct transport *transport; /* NULL until started */
	struct attempt attempt;      /* the one under way, or the last */
	struct batch *batch;         /* live: the outbox's, while under way. backlog: ours, until done with */
	struct buffer body;          /* what its protocol made of the batch, while under way */
	uint64_t guessed;            /* tokens that it was taken to cost */
	uint64_t sent_ns;            /* boot clock */
};

struct gateway {
	const struct config_gateway *config;
	const struct protocol *protocol;
	const struct clock *clock;
	struct forwarder_hooks hooks;
	struct lane live, backlog;
	struct outbox outbox;
	char id_prefix[BATCH_ID_MAX - 24];
	struct spooler_options spool; /* bytes_max 0: none, or its thread has it */
	bool gap_untold;              /* the event that tells of an earlier process's crash is not safe yet */
	uint64_t gap_offered_ns;
	CURLM *multi;
	struct backoff backoff;
	uint64_t rest_until_ns; /* boot clock: nothing is sent before */
	struct budget budget;
	struct protocol_state protocol_state;
	struct credentials credentials;

	/* Ports of its last connections, ours and the gateway's; written by one thread, read by others. */
	uint32_t ports[CONNECTIONS_KEPT];
	unsigned ports_next;

	pthread_mutex_t lock;         /* guards what follows */
	struct gateway_counts counts; /* events_held is filled in when asked */
	struct long_poll *poll;       /* NULL: no verdicts_url, or not started; set once */
	uint64_t dropped_told;
};

/* --- making --- */

static int invalid(struct buffer *errors, const struct config_gateway *c, const char *what, const char *why)
{
	buffer_printf(errors, "gateways: %s: %s %s\n", c->name, what, why);
	return CONFIG_E_INVALID;
}

static int check_url(const struct config_gateway *c, struct buffer *errors)
{
	CURLU *url = curl_url();
	char *scheme = NULL;
	int r = 0;

	if (!url)
		return -ENOMEM;
	if (!c->url || curl_url_set(url, CURLUPART_URL, c->url, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
		r = invalid(errors, c, "url:", "is no URL; write http://HOST:PORT/PATH or https://HOST/PATH");
	else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		r = invalid(errors, c, "url:", "must begin with http:// or https://");
	curl_free(scheme);
	curl_url_cleanup(url);
	return r;
}

static int check_spool(const struct config_gateway *c, struct buffer *errors)
{
	if (c->spool && c->spool < (uint64_t)SPOOL_SEGMENTS * SPOOL_SEGMENT_MIN)
		return invalid(errors, c, "spool:", "is too small; write at least 8MiB, or 0 for none");
	return 0;
}

static void outbox_setup(struct gateway *g)
{
	const struct config_gateway *c = g->config;
	struct outbox_limits limits = {
		.batch_events = c->batch_events,
		.batch_bytes = c->batch_bytes,
		.events = c->queue_events,
		.bytes = GATEWAY_QUEUE_BYTES,
		.linger_ns = c->linger_ms * NS_PER_MS,
	};

	outbox_init(&g->outbox, &limits, g->id_prefix);
}

int gateway_new(const struct config_gateway *config, const struct clock *clock,
		const struct forwarder_hooks *hooks, struct gateway **ret, struct buffer *errors)
{
	struct gateway *g = calloc(1, sizeof *g);
	int r;

	if (!g)
		return -ENOMEM;
	pthread_mutex_init(&g->lock, NULL);
	g->config = config;
	g->protocol = protocol_of(config->protocol);
	g->live.gateway = g->backlog.gateway = g;
	budget_init(&g->budget, config->requests_per_minute, config->tokens_per_day);
	g->clock = clock;
	g->hooks = *hooks;
	g->counts =
		(struct gateway_counts){.name = config->name, .protocol = config->protocol, .state = "idle"};
	outbox_setup(g);
	r = check_url(config, errors);
	if (!r)
		r = check_spool(config, errors);
	if (!r)
		r = credentials_read(config, &g->credentials, errors);
	if (r) {
		gateway_free(g, false);
		return r;
	}
	*ret = g;
	return 0;
}

/* One that could be read, by whatever way: kept in words, and handed on by whom is to decide. */
static void take_verdict(struct gateway *g, const struct verdict *v)
{
	char target[PREFIX_TEXT_MAX];

	prefix_format(&v->target, target);
	pthread_mutex_lock(&g->lock);
	snprintf(g->counts.last_verdict, sizeof g->counts.last_verdict, "%s %s, confidence %.2f%s%s",
		 verdict_action_name(v->action), target, v->confidence, v->reason[0] ? ": " : "", v->reason);
	pthread_mutex_unlock(&g->lock);
	if (g->hooks.verdict && g->config->role == ROLE_DECIDE)
		g->hooks.verdict(g->hooks.arg, v);
}

static void on_polled(void *arg, const struct verdict *v)
{
	take_verdict(arg, v);
}

static uint32_t port_pair(uint16_t local_port, uint16_t peer_port)
{
	return (uint32_t)local_port << 16 | peer_port;
}

/* Known before its first request can be captured: picket does not report its own reports. */
static void on_connected(void *owner, uint16_t local_port, uint16_t peer_port)
{
	struct gateway *g = ((struct lane *)owner)->gateway;

	if (!gateway_is_own(g, local_port, peer_port))
		__atomic_store_n(&g->ports[g->ports_next++ % CONNECTIONS_KEPT],
				 port_pair(local_port, peer_port), __ATOMIC_RELAXED);
}

/* --- its spool --- */

int gateway_open_spool(struct gateway *g, const char *state_dir)
{
	int r;

	if (!g->config->spool)
		return 0;
	r = spool_files_open(state_dir, g->config->name, g->spool.fds, &g->spool.mark_fd);
	if (r)
		return r;
	g->spool.bytes_max = g->config->spool;
	g->spool.full = g->config->spool_full;
	return 0;
}

/* By the spool's thread: what came back is looked at by the next step. */
static void wake(void *multi)
{
	curl_multi_wakeup(multi);
}

static int start_spool(struct gateway *g)
{
	struct spooler_options options = g->spool;

	if (!options.bytes_max)
		return 0;
	options.clock = g->clock;
	options.run = event_run_id();
	options.wake = wake;
	options.arg = g->multi;
	g->spool.bytes_max = 0; /* the descriptors are not ours any more */
	g->counts.spool_bytes_max = options.bytes_max;
	return spooler_new(&options, &g->outbox.spooler);
}

static int start_poll(struct gateway *g)
{
	const struct long_poll_options options = {
		.config = g->config,
		.credentials = &g->credentials,
		.clock = g->clock,
		.owner = &g->live,
		.connected = on_connected,
		.verdict = on_polled,
		.arg = g,
	};

	struct long_poll *poll;
	int r;

	if (!g->config->verdicts_url)
		return 0;
	r = long_poll_new(g->multi, &options, &poll);
	if (r)
		return r;
	pthread_mutex_lock(&g->lock);
	g->poll = poll;
	pthread_mutex_unlock(&g->lock);
	return 0;
}

static int finished(void *owner, CURLcode result);

int gateway_start(struct gateway *g, CURLM *multi)
{
	struct lane *const lanes[] = {&g->live, &g->backlog};
	struct wire wire;
	int r = 0;

	g->multi = multi;
	wire_make(g->config, g->protocol, &g->credentials, g->clock, &wire);
	wire.options.connected = on_connected;
	wire.options.finished = finished;
	for (unsigned i = 0; i < ARRAY_SIZE(lanes) && !r; i++) {
		wire.options.owner = lanes[i];
		if (i == 0 || g->spool.bytes_max)
			r = transport_new(multi, &wire.options, &lanes[i]->transport);
	}
	if (!r)
		r = start_poll(g);
	return r ? r : start_spool(g);
}

/* --- taking in --- */

bool gateway_has_room(const struct gateway *g)
{
	return outbox_has_room(&g->outbox);
}

/*
 * Made at the first event, because the run's id is that of the process which sends: a sensor forked anew must
 * not give its first batch the key that its predecessor's first batch had.
 */
static void name_batches(struct gateway *g)
{
	if (!g->id_prefix[0])
		snprintf(g->id_prefix, sizeof g->id_prefix, "%s-%.40s", event_run_id(), g->config->name);
}

/* Call with the lock held. */
static void count_dropped(struct gateway *g, enum gateway_drop reason, uint64_t events)
{
	g->counts.events_dropped += events;
	g->counts.dropped[reason] += events;
}

void gateway_filtered(struct gateway *g)
{
	pthread_mutex_lock(&g->lock);
	g->counts.events_offered++;
	g->counts.events_filtered++;
	pthread_mutex_unlock(&g->lock);
}

void gateway_offer(struct gateway *g, struct span event, uint64_t now_ns)
{
	name_batches(g);
	int r = event.len ? outbox_add(&g->outbox, event, now_ns) : OUTBOX_E_TOO_LARGE;

	pthread_mutex_lock(&g->lock);
	g->counts.events_offered++;
	if (r)
		count_dropped(
			g, budget_due_ns(&g->budget) > now_ns ? GATEWAY_DROP_BUDGET : GATEWAY_DROP_QUEUE, 1);
	else if (g->counts.events_held++ == 0)
		g->counts.held_since_ns = now_ns;
	pthread_mutex_unlock(&g->lock);
}

void gateway_offered_gap(struct gateway *g, uint64_t now_ns)
{
	g->gap_offered_ns = now_ns;
}

/* --- what the spool says --- */

static void tell_gap(struct gateway *g)
{
	struct spooler_gap gap;
	struct event *e;

	spooler_gap(g->outbox.spooler, &gap);
	if (!gap.known || !g->hooks.event)
		return;
	g->gap_untold = true;
	uint64_t since_ns = gap.seen_wall_ns - MIN(gap.seen_wall_ns, g->hooks.held_ns);
	e = event_new_gap(g->config->name, gap.run, since_ns, clock_boot_ns(g->clock),
			  clock_wall_ns(g->clock));
	if (e)
		g->hooks.event(g->hooks.arg, e);
}

/* Call with the lock held. */
static void take_over(struct gateway *g, const struct spooler_counts *now)
{
	const struct spool_counts *before = &g->counts.spool.spool;
	uint64_t found = now->spool.recovered - before->recovered;
	uint64_t lost = now->spool.dropped - before->dropped + now->spool.unread - before->unread;

	g->counts.events_recovered += found;
	count_dropped(g, GATEWAY_DROP_SPOOL, lost);
	g->counts.events_held += found - lost;
	g->counts.spool = *now;
}

/* Call with the lock held. */
static void set_held_since(struct gateway *g)
{
	uint64_t opened_ns = outbox_opened_ns(&g->outbox), wall_s = g->counts.spool.spool.oldest_wall_s;
	uint64_t now_ns = clock_boot_ns(g->clock), wall_ns = clock_wall_ns(g->clock);

	if (wall_s) {
		uint64_t age_ns = wall_ns - MIN(wall_ns, wall_s * NS_PER_S);
		uint64_t since_ns = now_ns - MIN(now_ns - 1, age_ns);
		opened_ns = opened_ns ? MIN(opened_ns, since_ns) : since_ns;
	}
	g->counts.held_since_ns = opened_ns;
}

static void look_at_spool(struct gateway *g)
{
	struct spooler_counts now;

	if (!g->outbox.spooler)
		return;
	spooler_counts(g->outbox.spooler, &now);
	bool first = now.recovered && !g->counts.spool.recovered;
	pthread_mutex_lock(&g->lock);
	take_over(g, &now);
	set_held_since(g);
	pthread_mutex_unlock(&g->lock);
	if (first)
		tell_gap(g);
}

void gateway_seen(struct gateway *g, uint64_t wall_ns)
{
	uint64_t unsafe_ns = outbox_unsafe_since_ns(&g->outbox), now_ns = clock_boot_ns(g->clock);

	if (!g->outbox.spooler || !g->counts.spool.recovered)
		return;
	/* As long as that event itself could be lost the next process must tell the same gap. */
	if (g->gap_untold && (!g->gap_offered_ns || unsafe_ns <= g->gap_offered_ns))
		return;
	g->gap_untold = false;
	/* What is held and not safe came at that time. */
	if (unsafe_ns != OUTBOX_NEVER) {
		uint64_t ago_ns = now_ns - MIN(now_ns, unsafe_ns);
		uint64_t since_ns = clock_wall_ns(g->clock) - ago_ns;
		wall_ns = MIN(wall_ns, since_ns);
	}
	spooler_seen(g->outbox.spooler, wall_ns);
}

/* --- sending --- */

static const struct lane *other(const struct lane *lane)
{
	const struct gateway *g = lane->gateway;

	return lane == &g->live ? &g->backlog : &g->live;
}

static bool busy(const struct lane *lane)
{
	return lane->transport && transport_busy(lane->transport);
}

/*
 * When the lane may send. After a failure one request at a time is a probe: a gateway that is down or
 * overloaded is not asked twice.
 */
static uint64_t lane_free_ns(const struct gateway *g, const struct lane *lane)
{
	bool probing = g->backoff.failures && busy(other(lane));

	if (!lane->transport || busy(lane) || probing)
		return UINT64_MAX;
	return MAX(g->rest_until_ns, budget_due_ns(&g->budget));
}

uint64_t gateway_due_ns(const struct gateway *g, bool flush)
{
	const struct batch *first = outbox_first(&g->outbox);
	uint64_t due = outbox_keep_due_ns(&g->outbox);

	if (first) {
		uint64_t ready_ns = flush && !g->outbox.spooler ? 0 : outbox_ready_ns(&g->outbox, first);
		due = MIN(due, MAX(ready_ns, lane_free_ns(g, &g->live)));
	}
	if (g->backlog.batch)
		due = MIN(due, lane_free_ns(g, &g->backlog));
	if (g->poll && !flush)
		due = MIN(due, long_poll_due_ns(g->poll));
	return due;
}

/* Call with the lock held: the lane's batch goes. Returns how many events it had. */
static unsigned remove_batch(struct lane *lane)
{
	struct gateway *g = lane->gateway;
	struct batch *b = lane->batch;
	unsigned events = b->events;

	g->counts.events_held -= events;
	lane->batch = NULL;
	if (lane == &g->live)
		outbox_done(&g->outbox, b);
	else
		outbox_backlog_done(&g->outbox, b);
	set_held_since(g);
	return events;
}

/* The lane's batch will not be sent, or not again. why: NULL leaves what was said last. */
static void give_up(struct lane *lane, enum gateway_drop reason, const char *state, const char *why)
{
	struct gateway *g = lane->gateway;

	pthread_mutex_lock(&g->lock);
	count_dropped(g, reason, remove_batch(lane));
	g->counts.state = state;
	if (why)
		snprintf(g->counts.last_error, sizeof g->counts.last_error, "%s", why);
	pthread_mutex_unlock(&g->lock);
}

static bool is_late(const struct gateway *g, const struct batch *b, uint64_t now_ns)
{
	return g->config->deadline_ms && b->sent_ns &&
	       now_ns - b->sent_ns > g->config->deadline_ms * NS_PER_MS;
}

enum { SEND_E_GIVEN_UP = 1 };

/* What is sent for the lane's batch. 0, SEND_E_GIVEN_UP or -errno. */
static int make_body(struct lane *lane, struct span *ret)
{
	struct gateway *g = lane->gateway;
	int r = wire_body(&g->protocol_state, g->config, lane->batch, &lane->attempt, &lane->body, ret);

	if (r <= 0)
		return r;
	give_up(lane, GATEWAY_DROP_REFUSED, "failed", "a batch with nothing in it that can be asked about");
	return SEND_E_GIVEN_UP;
}

/* Is there money for it? Else the batch goes: what it tells of will be long over when there is. */
static int take_budget(struct lane *lane, size_t bytes)
{
	struct gateway *g = lane->gateway;
	uint64_t wall_ns = clock_wall_ns(g->clock);

	lane->guessed = g->protocol->write ? budget_tokens_of(bytes) : 0;
	if (budget_is_spent(&g->budget, wall_ns, lane->guessed)) {
		give_up(lane, GATEWAY_DROP_BUDGET, "budget",
			"tokens_per_day are spent: nothing is sent until midnight UTC; raise it, or send "
			"less");
		return SEND_E_GIVEN_UP;
	}
	budget_spend(&g->budget, clock_boot_ns(g->clock), wall_ns, lane->guessed);
	return 0;
}

/* 0, SEND_E_GIVEN_UP (the batch is gone) or -errno. */
static int send_batch(struct lane *lane)
{
	struct gateway *g = lane->gateway;
	struct batch *b = lane->batch;
	uint64_t now_ns = clock_boot_ns(g->clock);
	struct span body;

	batch_seal(b);
	if (is_late(g, b, now_ns)) {
		give_up(lane, GATEWAY_DROP_DEADLINE, "idle", NULL);
		return SEND_E_GIVEN_UP;
	}
	int r = attempt_new(&lane->attempt, b->id, g->config->transport);
	if (!r)
		r = make_body(lane, &body);
	if (!r)
		r = take_budget(lane, body.len);
	if (!r)
		r = transport_send(lane->transport, lane->attempt.headers, body);
	if (r)
		return r;
	lane->sent_ns = now_ns;
	if (!b->attempts++)
		b->sent_ns = now_ns;
	pthread_mutex_lock(&g->lock);
	g->counts.attempts++;
	g->counts.retries += b->again;
	g->counts.state = "sending";
	g->counts.tokens_today = g->budget.tokens;
	pthread_mutex_unlock(&g->lock);
	b->again = true;
	return 0;
}

static int send_live(struct gateway *g, uint64_t now_ns, bool flush)
{
	struct batch *b = outbox_first(&g->outbox);

	if (!b || lane_free_ns(g, &g->live) > now_ns)
		return 0;
	if (!(flush && !g->outbox.spooler) && outbox_ready_ns(&g->outbox, b) > now_ns)
		return 0;
	bool bypasses = g->outbox.spooler && b->kept != BATCH_KEPT;
	g->live.batch = b;
	int r = send_batch(&g->live);
	if (r) {
		g->live.batch = NULL;
		return r < 0 ? r : 0;
	}
	pthread_mutex_lock(&g->lock);
	g->counts.bypassed += bypasses;
	pthread_mutex_unlock(&g->lock);
	return 0;
}

static int send_backlog(struct gateway *g, uint64_t now_ns)
{
	struct lane *lane = &g->backlog;

	if (lane_free_ns(g, lane) > now_ns)
		return 0;
	if (!lane->batch)
		lane->batch = outbox_backlog(&g->outbox);
	int r = lane->batch ? send_batch(lane) : 0;
	return r < 0 ? r : 0;
}

/* A batch that only waits for the next minute is not idleness. */
static void note_waiting(struct gateway *g, uint64_t now_ns)
{
	const struct batch *first = outbox_first(&g->outbox);
	bool waits =
		budget_due_ns(&g->budget) > now_ns && first && outbox_ready_ns(&g->outbox, first) <= now_ns;

	if (!waits || busy(&g->live))
		return;
	pthread_mutex_lock(&g->lock);
	if (!strcmp(g->counts.state, "idle"))
		g->counts.state = "budget";
	pthread_mutex_unlock(&g->lock);
}

int gateway_step(struct gateway *g, uint64_t now_ns, bool flush)
{
	outbox_keep(&g->outbox, now_ns, flush);
	look_at_spool(g);
	/* While nothing gets through, what is safe on the disk needs no memory; but what was tried is tried
	 * again. */
	const struct batch *first = outbox_first(&g->outbox);
	outbox_let_go(&g->outbox, g->backoff.failures ? 0 : LIVE_BATCHES,
		      first && first->again ? first : g->live.batch);
	int r = send_live(g, now_ns, flush);
	if (!r)
		r = send_backlog(g, now_ns);
	note_waiting(g, now_ns);
	return r || !g->poll || flush ? r : long_poll_step(g->poll, now_ns);
}

/* --- answers --- */

/* Call with the lock held. */
static void set_error(struct gateway *g, const struct transport_answer *a)
{
	g->counts.last_status = a->status;
	situation_print(a, g->counts.last_error, sizeof g->counts.last_error);
}

static void take_rest(struct gateway *g, const struct transport_answer *a, uint64_t rest_ms)
{
	uint64_t random = 0;

	/* Should it ever fail, the rest is short but there is one. */
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = 0;
	rest_ms = MAX(rest_ms, a->retry_after_ms);
	g->rest_until_ns = clock_boot_ns(g->clock) + backoff_fail(&g->backoff, rest_ms, random) * NS_PER_MS;
}

static void on_delivered(struct lane *lane, const struct transport_answer *a)
{
	struct gateway *g = lane->gateway;

	backoff_reset(&g->backoff);
	g->rest_until_ns = 0;
	pthread_mutex_lock(&g->lock);
	g->counts.bytes += lane->batch->json.len;
	g->counts.events += remove_batch(lane);
	g->counts.batches++;
	g->counts.last_status = a->status;
	g->counts.last_error[0] = 0;
	g->counts.state = busy(other(lane)) ? "sending" : "idle";
	pthread_mutex_unlock(&g->lock);
}

static void on_retry(struct lane *lane, const struct transport_answer *a, uint64_t rest_ms)
{
	struct gateway *g = lane->gateway;

	take_rest(g, a, rest_ms);
	pthread_mutex_lock(&g->lock);
	if (g->config->attempts_max && lane->batch->attempts >= g->config->attempts_max)
		count_dropped(g, GATEWAY_DROP_ATTEMPTS, remove_batch(lane));
	if (lane == &g->live)
		lane->batch = NULL; /* it is the outbox's first again */
	set_error(g, a);
	g->counts.state = g->backoff.failures < CIRCUIT_FAILURES ? "backing off" : "open";
	pthread_mutex_unlock(&g->lock);
}

/* The same batch, at once, in a way that the gateway may take. */
static void on_adapted(struct lane *lane)
{
	struct gateway *g = lane->gateway;

	backoff_reset(&g->backoff);
	if (lane == &g->live)
		lane->batch = NULL;
	pthread_mutex_lock(&g->lock);
	g->counts.state = "idle";
	pthread_mutex_unlock(&g->lock);
}

/* This batch will never be taken. The next may be, but not at once: the fault is likely to be in the
 * configuration. */
static void on_refused(struct lane *lane, const struct transport_answer *a, uint64_t rest_ms)
{
	struct gateway *g = lane->gateway;

	take_rest(g, a, rest_ms);
	pthread_mutex_lock(&g->lock);
	count_dropped(g, GATEWAY_DROP_REFUSED, remove_batch(lane));
	set_error(g, a);
	g->counts.state = "failed";
	pthread_mutex_unlock(&g->lock);
}

struct acceptance {
	struct gateway *g;
	uint64_t accepted;
};

static void on_verdict(void *arg, const struct verdict *v)
{
	struct acceptance *a = arg;

	a->accepted++;
	take_verdict(a->g, v);
}

/* Call with the lock held. */
static void count_refused(struct gateway *g, enum situation situation,
			  const uint64_t refused[static VERDICT_E_MAX])
{
	uint64_t sum = 0;
	unsigned first = 0;

	for (unsigned e = 1; e < VERDICT_E_MAX; e++) {
		g->counts.refused[e] += refused[e];
		sum += refused[e];
		if (refused[e] && !first)
			first = e;
	}
	if (sum)
		snprintf(g->counts.last_error, sizeof g->counts.last_error,
			 "events delivered, but %" PRIu64 " of its verdicts or answers refused (%s): %s: %s",
			 sum, verdict_error_name((enum verdict_error)first), situation_words(situation)->what,
			 situation_words(situation)->mend);
}

struct reading {
	uint64_t refused[VERDICT_E_MAX];
	struct acceptance acceptance;
	enum situation situation;
};

/* Verdicts are handed over without the lock: who takes them may push events. 0 or -ENOMEM. */
static int read_verdicts(struct lane *lane, const struct transport_answer *a, struct reading *ret)
{
	struct gateway *g = lane->gateway;
	const struct protocol_answer answer = {
		.config = g->config,
		.batch = lane->batch,
		.attempt = &lane->attempt,
		.state = &g->protocol_state,
		.answer = a,
		.verify = &g->credentials.verify,
		.now_s = (int64_t)(clock_wall_ns(g->clock) / NS_PER_S),
		.accept = on_verdict,
		.arg = &ret->acceptance,
		.refused = ret->refused,
	};

	*ret = (struct reading){.acceptance.g = g, .situation = SITUATION_TOO_LONG};
	if (!g->config->verdicts || a->status == 204 ||
	    (!a->too_large && !situation_is_taken(situation_of(a))))
		return 0;
	if (a->too_large) {
		ret->refused[VERDICT_E_TOO_LARGE]++;
		return 0;
	}
	if (is_late(g, lane->batch, a->received_ns)) {
		ret->refused[VERDICT_E_LATE]++;
		ret->situation = SITUATION_LATE;
		return 0;
	}
	int r = protocol_read(g->protocol, &answer, &ret->situation);
	return r < 0 ? r : 0;
}

/* What the answer cost: as it says, or by its length. */
static void settle(struct lane *lane, const struct transport_answer *a)
{
	struct gateway *g = lane->gateway;
	uint64_t tokens = g->protocol_state.tokens;

	if (!g->protocol->write)
		return;
	if (!tokens)
		tokens = lane->guessed + budget_tokens_of(a->body.len);
	budget_settle(&g->budget, lane->guessed, tokens);
	lane->guessed = tokens;
}

static int finish_delivered(struct lane *lane, const struct transport_answer *a)
{
	struct gateway *g = lane->gateway;
	struct reading reading;

	g->protocol_state.tokens = 0;
	int r = read_verdicts(lane, a, &reading);
	uint64_t opened_ns = lane->batch->opened_ns; /* 0: it was read back from the spool */
	settle(lane, a);
	on_delivered(lane, a);
	pthread_mutex_lock(&g->lock);
	g->counts.verdicts += reading.acceptance.accepted;
	for (uint64_t i = 0; opened_ns && i < reading.acceptance.accepted; i++)
		histogram_add(&g->counts.verdict_time, a->received_ns - MIN(a->received_ns, opened_ns));
	g->counts.tokens += lane->guessed;
	g->counts.tokens_today = g->budget.tokens;
	snprintf(g->counts.model, sizeof g->counts.model, "%s", g->protocol_state.model);
	count_refused(g, reading.situation, reading.refused);
	pthread_mutex_unlock(&g->lock);
	return r;
}

static void count_answer(struct lane *lane, const struct transport_answer *a)
{
	struct gateway_counts *c = &lane->gateway->counts;
	unsigned class = a->error == CURLE_OK || a->too_large ? MIN(a->status / 100, 5u) : 0;

	pthread_mutex_lock(&lane->gateway->lock);
	c->connections += a->connections;
	c->answers[class]++;
	if (class == 2)
		histogram_add(&c->answer_time, a->received_ns - MIN(a->received_ns, lane->sent_ns));
	pthread_mutex_unlock(&lane->gateway->lock);
}

/* The exchange has ended. 0 or -ENOMEM. */
static int finished(void *owner, CURLcode result)
{
	struct lane *lane = owner;
	struct gateway *g = lane->gateway;
	struct transport_answer a;
	uint64_t rest_ms;

	transport_finish(lane->transport, result, &a);
	count_answer(lane, &a);
	switch (fate_of(&a, &rest_ms)) {
	case FATE_DELIVERED:
		return finish_delivered(lane, &a);
	case FATE_RETRY:
		on_retry(lane, &a, rest_ms);
		break;
	case FATE_REFUSED:
		if (g->protocol->adapt &&
		    g->protocol->adapt(&g->protocol_state, g->config, &lane->attempt, &a))
			on_adapted(lane);
		else
			on_refused(lane, &a, rest_ms);
		break;
	}
	return 0;
}

/* --- counts --- */

const char *gateway_drop_name(enum gateway_drop reason)
{
	static const char *const names[GATEWAY_DROP_MAX] = {
		[GATEWAY_DROP_QUEUE] = "queue",       [GATEWAY_DROP_SPOOL] = "spool",
		[GATEWAY_DROP_REFUSED] = "refused",   [GATEWAY_DROP_ATTEMPTS] = "attempts",
		[GATEWAY_DROP_DEADLINE] = "deadline", [GATEWAY_DROP_BUDGET] = "budget",
	};

	return (unsigned)reason < ARRAY_SIZE(names) ? names[reason] : "unknown";
}

uint64_t gateway_dropped(struct gateway *g)
{
	uint64_t dropped;

	pthread_mutex_lock(&g->lock);
	dropped = g->counts.events_dropped - g->dropped_told;
	g->dropped_told = g->counts.events_dropped;
	pthread_mutex_unlock(&g->lock);
	return dropped;
}

/*
 * What is not safe on the disk; as long as the gateway answers also what is, so that little is left for the
 * next start.
 */
size_t gateway_unsent(const struct gateway *g)
{
	return g->backoff.failures ? outbox_unsafe(&g->outbox) : g->outbox.events;
}

bool gateway_is_own(const struct gateway *g, uint16_t local_port, uint16_t peer_port)
{
	for (unsigned i = 0; i < CONNECTIONS_KEPT; i++)
		if (__atomic_load_n(&g->ports[i], __ATOMIC_RELAXED) == port_pair(local_port, peer_port))
			return true;
	return false;
}

void gateway_counts(struct gateway *g, struct gateway_counts *ret)
{
	struct long_poll *poll;

	pthread_mutex_lock(&g->lock);
	*ret = g->counts;
	poll = g->poll;
	pthread_mutex_unlock(&g->lock);
	long_poll_counts(poll, &ret->poll);
	ret->verdicts += ret->poll.verdicts;
	for (unsigned e = 1; e < VERDICT_E_MAX; e++)
		ret->refused[e] += ret->poll.refused[e];
}

void gateway_free(struct gateway *g, bool in_order)
{
	if (!g)
		return;
	long_poll_free(g->poll);
	transport_free(g->live.transport);
	transport_free(g->backlog.transport);
	buffer_free(&g->live.body);
	buffer_free(&g->backlog.body);
	batch_free(g->backlog.batch);
	outbox_free(&g->outbox, in_order && !outbox_unsafe(&g->outbox));
	if (g->spool.bytes_max)
		spool_files_close(g->spool.fds, g->spool.mark_fd);
	credentials_free(&g->credentials);
	pthread_mutex_destroy(&g->lock);
	free(g);
}
