// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "forwarder/gateway_internal.h"
#include "forwarder/wire.h"
#include "lib/util.h"

/* Kept in memory while the gateway answers, beside the one under way; more than that is read back. */
#define LIVE_BATCHES 8

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
	gateway_count_dropped(g, GATEWAY_DROP_SPOOL, lost);
	g->counts.events_held += found - lost;
	g->counts.spool = *now;
}

/* Call with the lock held. */
void gateway_set_held_since(struct gateway *g)
{
	uint64_t opened_ns = g->asker ? asker_held_since_ns(g->asker) : outbox_opened_ns(&g->outbox),
		 wall_s = g->counts.spool.spool.oldest_wall_s;
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
	gateway_set_held_since(g);
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

const struct lane *lane_other(const struct lane *lane)
{
	const struct gateway *g = lane->gateway;

	return lane == &g->live ? &g->backlog : &g->live;
}

/*
 * When the lane may send. After a failure one request at a time is a probe: a gateway that is down or
 * overloaded is not asked twice.
 */
static uint64_t lane_free_ns(const struct gateway *g, const struct lane *lane)
{
	bool probing = g->backoff.failures && lane_is_busy(lane_other(lane));

	if (!lane->transport || lane_is_busy(lane) || probing)
		return UINT64_MAX;
	return MAX(MAX(g->rest_until_ns, lane->pause_until_ns), budget_due_ns(&g->budget));
}

uint64_t gateway_due_ns(const struct gateway *g, bool flush)
{
	const struct batch *first = outbox_first(&g->outbox);
	uint64_t due = outbox_keep_due_ns(&g->outbox);

	if (g->asker) {
		uint64_t ready_ns = g->live.batch || flush ? 0 : asker_due_ns(g->asker);
		/* flush: only as long as something waits. */
		if (!flush || g->counts.events_held)
			due = MIN(due, MAX(ready_ns, lane_free_ns(g, &g->live)));
	} else if (first) {
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
unsigned gateway_remove_batch(struct lane *lane)
{
	struct gateway *g = lane->gateway;
	struct batch *b = lane->batch;
	unsigned events = b->events;

	g->counts.events_held -= events;
	lane->batch = NULL;
	if (g->asker)
		batch_free(b);
	else if (lane == &g->live)
		outbox_done(&g->outbox, b);
	else
		outbox_backlog_done(&g->outbox, b);
	gateway_set_held_since(g);
	return events;
}

/* The lane's batch will not be sent, or not again. why: NULL leaves what was said last. */
static void give_up(struct lane *lane, enum gateway_drop reason, const char *state, const char *why)
{
	struct gateway *g = lane->gateway;

	if (g->asker)
		gateway_asked(g, reason == GATEWAY_DROP_BUDGET ? ASKER_UNSENT : ASKER_IN_VAIN);
	pthread_mutex_lock(&g->lock);
	gateway_count_dropped(g, reason, gateway_remove_batch(lane));
	g->counts.state = state;
	if (why)
		snprintf(g->counts.last_error, sizeof g->counts.last_error, "%s", why);
	pthread_mutex_unlock(&g->lock);
}

bool gateway_is_late(const struct gateway *g, const struct batch *b, uint64_t now_ns)
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

/* Nothing is sent before the hour, or the day, is over. */
static void rest_until_turn(struct gateway *g, const char *refused, uint64_t wall_ns)
{
	g->spent = true;
	g->rest_until_ns = clock_boot_ns(g->clock) + budget_turn_ns(&g->budget, refused, wall_ns) - wall_ns;
	if (!g->asker)
		return;
	uint64_t lost = asker_give_up_held(g->asker);
	pthread_mutex_lock(&g->lock);
	g->counts.events_held -= lost;
	gateway_count_dropped(g, GATEWAY_DROP_BUDGET, lost);
	gateway_set_held_since(g);
	pthread_mutex_unlock(&g->lock);
}

/* Is there money for it? Else the question goes, and its clients are asked about when there is. */
static int take_budget(struct lane *lane, size_t bytes)
{
	struct gateway *g = lane->gateway;
	uint64_t wall_ns = clock_wall_ns(g->clock);
	char why[160];

	lane->taken =
		g->protocol->write ? budget_most(bytes, g->config->max_tokens) : (struct budget_cost){0};
	const char *refused = budget_refuses(&g->budget, wall_ns, lane->taken);
	if (refused) {
		snprintf(why, sizeof why,
			 "%s are spent: nothing is sent until the next %s (UTC) begins; raise it, or ask "
			 "about "
			 "fewer",
			 refused, strstr(refused, "day") ? "day" : "hour");
		give_up(lane, GATEWAY_DROP_BUDGET, "budget", why);
		rest_until_turn(g, refused, wall_ns);
		return SEND_E_GIVEN_UP;
	}
	g->spent = false;
	budget_spend(&g->budget, clock_boot_ns(g->clock), wall_ns, lane->taken);
	gateway_keep_budget(g);
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
	if (gateway_is_late(g, b, now_ns)) {
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
	g->counts.tokens_today = g->budget.day.tokens;
	g->counts.money_today = g->budget.day.money;
	pthread_mutex_unlock(&g->lock);
	b->again = true;
	return 0;
}

/* --- asking --- */

void gateway_asked(struct gateway *g, enum asker_end end)
{
	uint64_t released = asker_done(g->asker, end, clock_boot_ns(g->clock));

	pthread_mutex_lock(&g->lock);
	g->counts.events_held -= released;
	g->counts.events_filtered += released;
	pthread_mutex_unlock(&g->lock);
}

void gateway_known(void *gateway, const struct verdict *v)
{
	struct gateway *g = gateway;

	pthread_mutex_lock(&g->lock);
	g->counts.verdicts++;
	pthread_mutex_unlock(&g->lock);
	gateway_take_verdict(g, v);
}

/* The lane gets the next question, if there is one. 0 or -ENOMEM. */
static int make_question(struct gateway *g, uint64_t now_ns)
{
	char id[BATCH_ID_MAX];
	uint64_t known = 0;

	snprintf(id, sizeof id, "%s-%" PRIu64, g->id_prefix, g->questions + 1);
	int r = asker_question(g->asker, id, now_ns, gateway_known, g, &known, &g->live.batch);
	g->questions += g->live.batch != NULL;
	pthread_mutex_lock(&g->lock);
	g->counts.events_held -= known;
	g->counts.events_filtered += known;
	gateway_set_held_since(g);
	pthread_mutex_unlock(&g->lock);
	return r;
}

static int send_question(struct gateway *g, uint64_t now_ns, bool flush)
{
	int r = 0;

	if (lane_free_ns(g, &g->live) > now_ns)
		return 0;
	if (!g->live.batch && (flush || asker_due_ns(g->asker) <= now_ns))
		r = make_question(g, now_ns);
	if (r || !g->live.batch)
		return r;
	r = send_batch(&g->live);
	return r < 0 ? r : 0;
}

static int send_live(struct gateway *g, uint64_t now_ns, bool flush)
{
	if (g->asker)
		return send_question(g, now_ns, flush);
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

	/* At hand before its turn comes, so that gateway_due_ns knows when. */
	if (!lane->batch)
		lane->batch = outbox_backlog(&g->outbox);
	if (lane_free_ns(g, lane) > now_ns)
		return 0;
	int r = lane->batch ? send_batch(lane) : 0;
	return r < 0 ? r : 0;
}

/* A batch that only waits for the next minute is not idleness. */
static void note_waiting(struct gateway *g, uint64_t now_ns)
{
	const struct batch *first = outbox_first(&g->outbox);
	bool ready = g->asker ? asker_due_ns(g->asker) <= now_ns
			      : first && outbox_ready_ns(&g->outbox, first) <= now_ns;
	bool waits = budget_due_ns(&g->budget) > now_ns && ready;

	if (!waits || lane_is_busy(&g->live))
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
