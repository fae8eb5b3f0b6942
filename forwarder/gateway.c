// SPDX-License-Identifier: Apache-2.0
#include "forwarder/gateway.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/random.h>
#include "forwarder/attempt.h"
#include "forwarder/backoff.h"
#include "forwarder/credentials.h"
#include "forwarder/fate.h"
#include "forwarder/outbox.h"
#include "forwarder/protocol.h"
#include "forwarder/situation.h"
#include "forwarder/wire.h"
#include "lib/util.h"

#define CONNECTIONS_KEPT 4

struct lane {
	struct gateway *gateway;
	struct transport *transport; /* NULL until started */
	struct attempt attempt;      /* the one under way, or the last */
	bool again;                  /* the batch was sent before */
};

struct gateway {
	const struct config_gateway *config;
	const struct protocol *protocol;
	const struct clock *clock;
	struct forwarder_hooks hooks;
	struct lane lane;
	struct outbox outbox;
	char id_prefix[BATCH_ID_MAX - 24];
	struct backoff backoff;
	uint64_t rest_until_ns; /* boot clock: nothing is sent before */
	struct credentials credentials;

	/* Ports of its last connections, ours and the gateway's; written by one thread, read by others. */
	uint32_t ports[CONNECTIONS_KEPT];
	unsigned ports_next;

	pthread_mutex_t lock;         /* guards what follows */
	struct gateway_counts counts; /* events_held is filled in when asked */
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
	g->lane.gateway = g;
	g->clock = clock;
	g->hooks = *hooks;
	g->counts =
		(struct gateway_counts){.name = config->name, .protocol = config->protocol, .state = "idle"};
	outbox_setup(g);
	r = check_url(config, errors);
	if (!r)
		r = credentials_read(config, &g->credentials, errors);
	if (r) {
		gateway_free(g);
		return r;
	}
	*ret = g;
	return 0;
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

int gateway_start(struct gateway *g, CURLM *multi)
{
	struct wire wire;

	wire_make(g->config, g->protocol, &g->credentials, g->clock, &wire);
	wire.options.owner = &g->lane;
	wire.options.connected = on_connected;
	return transport_new(multi, &wire.options, &g->lane.transport);
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

void gateway_offer(struct gateway *g, struct span event, uint64_t now_ns)
{
	name_batches(g);
	int r = event.len ? outbox_add(&g->outbox, event, now_ns) : OUTBOX_E_TOO_LARGE;

	pthread_mutex_lock(&g->lock);
	g->counts.events_offered++;
	if (r)
		g->counts.events_dropped++;
	else if (g->counts.events_held++ == 0)
		g->counts.held_since_ns = now_ns;
	pthread_mutex_unlock(&g->lock);
}

/* --- sending --- */

uint64_t gateway_due_ns(const struct gateway *g, bool flush)
{
	uint64_t due = outbox_due_ns(&g->outbox);

	if (due == OUTBOX_NEVER || (g->lane.transport && transport_busy(g->lane.transport)))
		return UINT64_MAX;
	return MAX(flush ? 0 : due, g->rest_until_ns);
}

int gateway_step(struct gateway *g, uint64_t now_ns, bool flush)
{
	struct lane *lane = &g->lane;
	const struct batch *b;
	int r;

	if (gateway_due_ns(g, flush) > now_ns)
		return 0;
	b = outbox_first(&g->outbox);
	if (!b)
		return 0;
	r = attempt_new(&lane->attempt, b->id, g->config->transport);
	if (!r)
		r = transport_send(lane->transport, lane->attempt.headers, buffer_span(&b->json));
	if (r)
		return r;
	pthread_mutex_lock(&g->lock);
	g->counts.attempts++;
	if (lane->again)
		g->counts.retries++;
	g->counts.state = "sending";
	pthread_mutex_unlock(&g->lock);
	return 0;
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

/* Call with the lock held: the oldest batch goes, its events change the column. */
static void remove_batch(struct gateway *g, uint64_t *column)
{
	unsigned events = outbox_remove(&g->outbox);

	g->lane.again = false;
	g->counts.events_held -= events;
	g->counts.held_since_ns = outbox_opened_ns(&g->outbox);
	*column += events;
}

static void on_delivered(struct gateway *g, const struct transport_answer *a)
{
	backoff_reset(&g->backoff);
	g->rest_until_ns = 0;
	pthread_mutex_lock(&g->lock);
	g->counts.bytes += outbox_first(&g->outbox)->json.len;
	remove_batch(g, &g->counts.events);
	g->counts.batches++;
	g->counts.last_status = a->status;
	g->counts.last_error[0] = 0;
	g->counts.state = "idle";
	pthread_mutex_unlock(&g->lock);
}

static void on_retry(struct gateway *g, const struct transport_answer *a, uint64_t rest_ms)
{
	take_rest(g, a, rest_ms);
	g->lane.again = true;
	pthread_mutex_lock(&g->lock);
	set_error(g, a);
	g->counts.state = "backing off";
	pthread_mutex_unlock(&g->lock);
}

/* This batch will never be taken. The next may be, but not at once: the fault is likely to be in the
 * configuration. */
static void on_refused(struct gateway *g, const struct transport_answer *a, uint64_t rest_ms)
{
	take_rest(g, a, rest_ms);
	pthread_mutex_lock(&g->lock);
	remove_batch(g, &g->counts.events_dropped);
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
	if (a->g->hooks.verdict)
		a->g->hooks.verdict(a->g->hooks.arg, v);
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

/* Verdicts are handed over without the lock: who takes them may push events. */
static int read_verdicts(struct gateway *g, const struct attempt *attempt, const struct transport_answer *a)
{
	uint64_t refused[VERDICT_E_MAX] = {0};
	struct acceptance acceptance = {.g = g};
	const struct protocol_answer answer = {
		.config = g->config,
		.attempt = attempt,
		.answer = a,
		.verify = &g->credentials.verify,
		.now_s = (int64_t)(clock_wall_ns(g->clock) / NS_PER_S),
		.accept = on_verdict,
		.arg = &acceptance,
		.refused = refused,
	};
	enum situation situation = SITUATION_TOO_LONG;
	int r = 0;

	if (!g->config->verdicts || a->status == 204 ||
	    (!a->too_large && !situation_is_taken(situation_of(a))))
		return 0;
	if (a->too_large)
		refused[VERDICT_E_TOO_LARGE]++;
	else
		r = protocol_read(g->protocol, &answer, &situation);
	pthread_mutex_lock(&g->lock);
	g->counts.verdicts += acceptance.accepted;
	count_refused(g, situation, refused);
	pthread_mutex_unlock(&g->lock);
	return r < 0 ? r : 0;
}

int gateway_finish(struct lane *lane, CURLcode result)
{
	struct gateway *g = lane->gateway;
	struct transport_answer a;
	uint64_t rest_ms;

	transport_finish(lane->transport, result, &a);
	pthread_mutex_lock(&g->lock);
	g->counts.connections += a.connections;
	pthread_mutex_unlock(&g->lock);
	switch (fate_of(&a, &rest_ms)) {
	case FATE_DELIVERED:
		on_delivered(g, &a);
		return read_verdicts(g, &lane->attempt, &a);
	case FATE_RETRY:
		on_retry(g, &a, rest_ms);
		break;
	case FATE_REFUSED:
		on_refused(g, &a, rest_ms);
		break;
	}
	return 0;
}

/* --- counts --- */

uint64_t gateway_dropped(struct gateway *g)
{
	uint64_t dropped;

	pthread_mutex_lock(&g->lock);
	dropped = g->counts.events_dropped - g->dropped_told;
	g->dropped_told = g->counts.events_dropped;
	pthread_mutex_unlock(&g->lock);
	return dropped;
}

size_t gateway_held(const struct gateway *g)
{
	return g->outbox.events;
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
	pthread_mutex_lock(&g->lock);
	*ret = g->counts;
	pthread_mutex_unlock(&g->lock);
}

void gateway_free(struct gateway *g)
{
	if (!g)
		return;
	transport_free(g->lane.transport);
	outbox_free(&g->outbox);
	credentials_free(&g->credentials);
	pthread_mutex_destroy(&g->lock);
	free(g);
}
