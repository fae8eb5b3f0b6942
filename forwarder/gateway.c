// SPDX-License-Identifier: Apache-2.0
#include "forwarder/gateway.h"
#include <errno.h>
#include <inttypes.h>
#include <sys/random.h>
#include <openssl/evp.h>
#include "forwarder/gateway_internal.h"
#include "forwarder/openai_request.h"
#include "forwarder/spool_files.h"
#include "forwarder/wire.h"
#include "lib/state_file.h"
#include "lib/util.h"

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

static struct budget_limits budget_of(const struct config_gateway *c)
{
	return (struct budget_limits){
		.requests_per_minute = c->requests_per_minute,
		.tokens_per_hour = c->tokens_per_hour,
		.tokens_per_day = c->tokens_per_day,
		.money_per_hour = c->money_per_hour,
		.money_per_day = c->money_per_day,
		.price_in = c->price_in,
		.price_out = c->price_out,
	};
}

/* What one that asks a model needs beside the others. */
static int asker_setup(struct gateway *g, struct buffer *errors)
{
	const struct config_gateway *c = g->config;
	uint64_t seed = 0;
	int r;

	if (c->protocol != GATEWAY_OPENAI)
		return 0;
	r = prompt_read(c->prompt_file, &g->prompt);
	if (r > 0) {
		buffer_printf(errors, "gateways: %s: prompt_file: %s %s%s%s\n", c->name,
			      c->prompt_file ? c->prompt_file : "", prompt_error_text(r),
			      r == PROMPT_E_UNREADABLE ? ": " : "",
			      r == PROMPT_E_UNREADABLE ? strerror(errno) : "");
		return CONFIG_E_INVALID;
	}
	g->protocol_state.prompt = &g->prompt;
	if (!r && getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
		seed = clock_boot_ns(g->clock);
	return r ? r : asker_new(c, seed, &g->asker);
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
	const struct budget_limits limits = budget_of(config);
	budget_init(&g->budget, &limits);
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
	int a = r < 0 ? 0 : asker_setup(g, errors);
	r = r ? r : a;
	if (r) {
		gateway_free(g, false);
		return r;
	}
	*ret = g;
	return 0;
}

static void on_polled(void *arg, const struct verdict *v)
{
	gateway_take_verdict(arg, v);
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
		__atomic_store_n(&g->ports[g->ports_next++ % GATEWAY_CONNECTIONS_KEPT],
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

/* --- its budget --- */

static bool has_budget(const struct config_gateway *c)
{
	return c->tokens_per_hour || c->tokens_per_day || c->money_per_hour > 0 || c->money_per_day > 0;
}

/*
 * Another url, way there, model or header, and it may be another that answers. Of files that hold headers the
 * names count, not what is in them. 0 or -ENOMEM.
 */
static int endpoint_of(const struct config_gateway *c, uint64_t *ret)
{
	const char *const texts[] = {c->url, c->model, c->lunar_url, c->proxy};
	const struct config_strings *const lists[] = {&c->headers, &c->header_files};
	_cleanup_(buffer_free) struct buffer all = BUFFER_INIT(256 * 1024);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		buffer_printf(&all, "%s\n", texts[i] ? texts[i] : "");
	for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
		for (size_t i = 0; i < lists[k]->count; i++)
			buffer_printf(&all, "%s\n", lists[k]->items[i]);
	if (all.truncated || !EVP_Digest(all.data, all.len, digest, &len, EVP_sha256(), NULL) || len < 8)
		return -ENOMEM;
	memcpy(ret, digest, sizeof *ret);
	return 0;
}

static uint64_t day_of(const struct gateway *g)
{
	return clock_wall_ns(g->clock) / (86400 * NS_PER_S);
}

/* A day ahead of now is of a clock that was set back. */
static void take_form(struct gateway *g, const struct budget_form *f)
{
	uint64_t today = day_of(g);

	if (g->config->response_format != RESPONSE_AUTO || f->form >= OPENAI_FORM_MAX ||
	    f->endpoint != g->form.endpoint || f->day > today || today - f->day >= BUDGET_FORM_DAYS)
		return;
	g->form = *f;
	g->protocol_state.form = f->form;
}

int gateway_open_budget(struct gateway *g, const char *state_dir)
{
	struct budget_kept kept = {0};

	if (!g->asker || (!has_budget(g->config) && g->config->response_format != RESPONSE_AUTO))
		return 0;
	int r = budget_state_open(state_dir, g->config->name, &g->budget_state);
	if (r)
		return r;
	r = endpoint_of(g->config, &g->form.endpoint);
	if (!r)
		r = budget_state_load(g->budget_state, &kept);
	if (!r) {
		g->budget.hour = kept.hour;
		g->budget.day = kept.day;
		take_form(g, &kept.form);
	}
	g->counts.tokens_today = g->budget.day.tokens;
	return r == STATE_FILE_E_NONE ? 0 : r;
}

void gateway_keep_budget(struct gateway *g)
{
	struct budget_kept kept = {.hour = g->budget.hour, .day = g->budget.day};

	if (!g->budget_state)
		return;
	if (g->form.form != g->protocol_state.form) {
		g->form.form = g->protocol_state.form;
		g->form.day = day_of(g);
	}
	kept.form = g->form;
	budget_state_put(g->budget_state, &kept);
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

int gateway_start(struct gateway *g, CURLM *multi)
{
	struct lane *const lanes[] = {&g->live, &g->backlog};
	struct wire wire;
	int r = 0;

	g->multi = multi;
	wire_make(g->config, g->protocol, &g->credentials, g->clock, &wire);
	wire.options.connected = on_connected;
	wire.options.finished = gateway_finished;
	for (unsigned i = 0; i < ARRAY_SIZE(lanes) && !r; i++) {
		wire.options.owner = lanes[i];
		if (i == 0 || g->spool.bytes_max)
			r = transport_new(multi, &wire.options, &lanes[i]->transport);
	}
	if (!r)
		r = start_poll(g);
	gateway_keep_budget(g); /* its thread begins */
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
void gateway_count_dropped(struct gateway *g, enum gateway_drop reason, uint64_t events)
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

void gateway_offer(struct gateway *g, struct span event, uint64_t happened_ns, uint64_t now_ns)
{
	name_batches(g);
	int r = event.len ? outbox_add(&g->outbox, event, happened_ns, now_ns) : OUTBOX_E_TOO_LARGE;

	pthread_mutex_lock(&g->lock);
	g->counts.events_offered++;
	if (r)
		gateway_count_dropped(
			g, budget_due_ns(&g->budget) > now_ns ? GATEWAY_DROP_BUDGET : GATEWAY_DROP_QUEUE, 1);
	else if (g->counts.events_held++ == 0)
		g->counts.held_since_ns = now_ns;
	pthread_mutex_unlock(&g->lock);
}

bool gateway_asks(const struct gateway *g)
{
	return g->asker != NULL;
}

void gateway_note(struct gateway *g, struct event *e, uint64_t now_ns)
{
	uint64_t lost = 0;
	/* While nothing can be paid for, nothing waits to be; dossiers go on. */
	bool spent = g->rest_until_ns > now_ns && g->spent;
	enum asker_took took = asker_note(g->asker, e, now_ns, &lost);

	name_batches(g);
	if (spent)
		lost += asker_give_up_held(g->asker) - (took == ASKER_HELD);
	pthread_mutex_lock(&g->lock);
	g->counts.events_offered++;
	g->counts.events_held -= lost;
	gateway_count_dropped(g, spent ? GATEWAY_DROP_BUDGET : GATEWAY_DROP_CLIENTS, lost);
	if (took == ASKER_DROPPED)
		gateway_count_dropped(g, GATEWAY_DROP_CLIENTS, 1);
	else if (took == ASKER_FILTERED)
		g->counts.events_filtered++;
	else if (spent)
		gateway_count_dropped(g, GATEWAY_DROP_BUDGET, 1);
	else
		g->counts.events_held++;
	gateway_set_held_since(g);
	pthread_mutex_unlock(&g->lock);
}

void gateway_detection(struct gateway *g, const struct addr *client, const char *name, uint64_t event_id,
		       uint64_t now_ns)
{
	if (g->asker)
		asker_detection(g->asker, client, name, event_id, now_ns);
}

int gateway_show(struct gateway *g, const struct addr *client, struct buffer *out)
{
	return g->asker ? asker_show(g->asker, client, out) : 1;
}

void gateway_offered_gap(struct gateway *g, uint64_t now_ns)
{
	g->gap_offered_ns = now_ns;
}

/* --- counts --- */

const char *gateway_drop_name(enum gateway_drop reason)
{
	static const char *const names[GATEWAY_DROP_MAX] = {
		[GATEWAY_DROP_QUEUE] = "queue",       [GATEWAY_DROP_SPOOL] = "spool",
		[GATEWAY_DROP_REFUSED] = "refused",   [GATEWAY_DROP_ATTEMPTS] = "attempts",
		[GATEWAY_DROP_DEADLINE] = "deadline", [GATEWAY_DROP_BUDGET] = "budget",
		[GATEWAY_DROP_CLIENTS] = "clients",
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
	if (g->asker)
		return g->backoff.failures ? 0 : g->counts.events_held;
	return g->backoff.failures ? outbox_unsafe(&g->outbox) : g->outbox.events;
}

bool gateway_is_own(const struct gateway *g, uint16_t local_port, uint16_t peer_port)
{
	for (unsigned i = 0; i < GATEWAY_CONNECTIONS_KEPT; i++)
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
	if (g->asker)
		asker_counts(g->asker, &ret->asker);
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
	if (g->asker)
		batch_free(g->live.batch);
	asker_free(g->asker);
	prompt_free(&g->prompt);
	budget_state_free(g->budget_state);
	outbox_free(&g->outbox, in_order && !outbox_unsafe(&g->outbox));
	if (g->spool.bytes_max)
		spool_files_close(g->spool.fds, g->spool.mark_fd);
	credentials_free(&g->credentials);
	pthread_mutex_destroy(&g->lock);
	free(g);
}
