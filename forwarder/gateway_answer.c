// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <sys/random.h>
#include "forwarder/fate.h"
#include "forwarder/gateway_internal.h"
#include "forwarder/situation.h"
#include "lib/util.h"

/* So many failures in a row open the circuit, and the gateway counts as down. */
#define CIRCUIT_FAILURES 5

/* One that could be read, by whatever way: kept in words, and handed on by whom is to decide. */
void gateway_take_verdict(struct gateway *g, const struct verdict *v)
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
	/* The backlog takes half of the gateway's time at most: it may have one processor for both. */
	if (lane == &g->backlog)
		lane->pause_until_ns = 2 * a->received_ns - MIN(a->received_ns, lane->sent_ns);
	pthread_mutex_lock(&g->lock);
	g->counts.bytes += lane->batch->json.len;
	g->counts.events += gateway_remove_batch(lane);
	g->counts.batches++;
	g->counts.last_status = a->status;
	g->counts.last_error[0] = 0;
	g->counts.state = lane_is_busy(lane_other(lane)) ? "sending" : "idle";
	pthread_mutex_unlock(&g->lock);
}

static void on_retry(struct lane *lane, const struct transport_answer *a, uint64_t rest_ms)
{
	struct gateway *g = lane->gateway;

	take_rest(g, a, rest_ms);
	bool last = g->config->attempts_max && lane->batch->attempts >= g->config->attempts_max;
	if (last && g->asker)
		gateway_asked(g, ASKER_IN_VAIN);
	pthread_mutex_lock(&g->lock);
	if (last)
		gateway_count_dropped(g, GATEWAY_DROP_ATTEMPTS, gateway_remove_batch(lane));
	if (!lane_owns_batch(lane))
		lane->batch = NULL; /* it is the outbox's first again */
	set_error(g, a);
	g->counts.state = g->backoff.failures < CIRCUIT_FAILURES ? "backing off" : "down";
	pthread_mutex_unlock(&g->lock);
}

/* The same batch, at once, in a way that the gateway may take. */
static void on_adapted(struct lane *lane)
{
	struct gateway *g = lane->gateway;

	backoff_reset(&g->backoff);
	gateway_keep_budget(g);
	if (!lane_owns_batch(lane))
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
	if (g->asker)
		gateway_asked(g, ASKER_IN_VAIN);
	pthread_mutex_lock(&g->lock);
	gateway_count_dropped(g, GATEWAY_DROP_REFUSED, gateway_remove_batch(lane));
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
	if (a->g->asker)
		asker_opinion(a->g->asker, v, clock_boot_ns(a->g->clock));
	gateway_take_verdict(a->g, v);
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
		.sent_ns = lane->sent_ns,
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
	if (gateway_is_late(g, lane->batch, a->received_ns)) {
		ret->refused[VERDICT_E_LATE]++;
		ret->situation = SITUATION_LATE;
		return 0;
	}
	int r = protocol_read(g->protocol, &answer, &ret->situation);
	return r < 0 ? r : 0;
}

static bool has_faults(const struct reading *r)
{
	for (unsigned e = 1; e < VERDICT_E_MAX; e++)
		if (r->refused[e])
			return true;
	return false;
}

/* What the answer cost: as it says, else what it was taken for and its length. */
static uint64_t settle(struct lane *lane, const struct transport_answer *a)
{
	struct gateway *g = lane->gateway;
	const struct protocol_state *s = &g->protocol_state;
	struct budget_cost cost = {s->tokens_in, s->tokens_out};

	if (!g->protocol->write)
		return 0;
	/* Only the sum is told: what is dearer counts. */
	if (!cost.tokens_in && !cost.tokens_out && s->tokens)
		cost = g->budget.limits.price_out > g->budget.limits.price_in
			       ? (struct budget_cost){0, s->tokens}
			       : (struct budget_cost){s->tokens, 0};
	if (!s->tokens)
		cost = (struct budget_cost){lane->taken.tokens_in, budget_most(a->body.len, 0).tokens_in};
	budget_settle(&g->budget, lane->taken, cost);
	gateway_keep_budget(g);
	lane->taken = cost;
	return cost.tokens_in + cost.tokens_out;
}

static int finish_delivered(struct lane *lane, const struct transport_answer *a)
{
	struct gateway *g = lane->gateway;
	struct reading reading;

	g->protocol_state.tokens = g->protocol_state.tokens_in = g->protocol_state.tokens_out = 0;
	int r = read_verdicts(lane, a, &reading);
	uint64_t opened_ns = lane->batch->opened_ns; /* 0: it was read back from the spool */
	uint64_t tokens = settle(lane, a);
	if (g->asker)
		gateway_asked(g, has_faults(&reading) ? ASKER_FAULTY : ASKER_ANSWERED);
	on_delivered(lane, a);
	pthread_mutex_lock(&g->lock);
	g->counts.verdicts += reading.acceptance.accepted;
	for (uint64_t i = 0; opened_ns && i < reading.acceptance.accepted; i++)
		histogram_add(&g->counts.verdict_time, a->received_ns - MIN(a->received_ns, opened_ns));
	g->counts.tokens += tokens;
	g->counts.tokens_today = g->budget.day.tokens;
	g->counts.money_today = g->budget.day.money;
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
int gateway_finished(void *owner, CURLcode result)
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
		/* What is refused is not charged for. */
		budget_settle(&g->budget, lane->taken, (struct budget_cost){0});
		gateway_keep_budget(g);
		if (g->protocol->adapt &&
		    g->protocol->adapt(&g->protocol_state, g->config, &lane->attempt, &a))
			on_adapted(lane);
		else
			on_refused(lane, &a, rest_ms);
		break;
	}
	return 0;
}
