// SPDX-License-Identifier: Apache-2.0
/* /v1/gateways: who judges, and how that goes. */
#include <string.h>
#include "forwarder/forwarder.h"
#include "forwarder/mask.h"
#include "lib/clock.h"
#include "lib/util.h"
#include "sensor/control.h"

#define GATEWAYS_MAX 64

static void write_refused(struct json_writer *w, const struct gateway_counts *g)
{
	json_key(w, "verdicts_refused");
	json_object_begin(w);
	for (int e = 1; e < VERDICT_E_MAX; e++)
		if (g->refused[e]) {
			json_key(w, verdict_error_name((enum verdict_error)e));
			json_uint(w, g->refused[e]);
		}
	json_object_end(w);
}

static void write_dropped(struct json_writer *w, const struct gateway_counts *g)
{
	json_key(w, "events_dropped_by");
	json_object_begin(w);
	for (int d = 0; d < GATEWAY_DROP_MAX; d++)
		if (g->dropped[d]) {
			json_key(w, gateway_drop_name((enum gateway_drop)d));
			json_uint(w, g->dropped[d]);
		}
	json_object_end(w);
}

/* Where it is, and how far its verdicts go. */
static void write_role(struct json_writer *w, const struct config_gateway *c)
{
	_cleanup_(buffer_free) struct buffer url = BUFFER_INIT(16 * 1024);

	json_key(w, "url");
	if (c && c->url && mask_url(&url, span_from(c->url)) == 0)
		json_string(w, buffer_span(&url));
	else
		json_null(w);
	json_key(w, "role");
	json_text(w, !c                        ? NULL
		     : !c->verdicts            ? "listener"
		     : c->role == ROLE_OBSERVE ? "observer"
					       : config_mode_name(c->mode));
}

static const char *spool_state(const struct gateway_counts *g)
{
	if (!g->spool_bytes_max)
		return "none";
	if (!g->spool.recovered)
		return "reading";
	return g->spool.error ? "failing" : "on";
}

static void write_spool(struct json_writer *w, const struct gateway_counts *g)
{
	const struct spooler_counts *c = &g->spool;
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"bytes", c->spool.bytes},
		{"bytes_max", g->spool_bytes_max},
		{"events", c->spool.waiting},
		{"batches", c->spool.waiting_batches},
		{"written", c->written},
		{"failed", c->failed},
		{"bypassed", g->bypassed},
		{"sync_us_mean", c->syncs ? c->sync_ns / c->syncs / 1000 : 0},
		{"events_recovered", g->events_recovered},
		{"events_dropped", c->spool.dropped},
		{"events_unread", c->spool.unread},
		{"damaged_places", c->spool.damage.places},
		{"damaged_bytes", c->spool.damage.bytes},
	};

	json_key(w, "spool");
	json_object_begin(w);
	json_key(w, "state");
	json_text(w, spool_state(g));
	json_key(w, "error");
	json_text(w, c->error ? strerror(-c->error) : NULL);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		json_key(w, numbers[i].key);
		json_uint(w, numbers[i].value);
	}
	json_object_end(w);
}

/* Always there: a program need not ask whether it is. */
static void write_poll(struct json_writer *w, const struct gateway_counts *g)
{
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"asked", g->poll.asked}, {"answered", g->poll.answered}, {"verdicts", g->poll.verdicts}};

	json_key(w, "poll");
	json_object_begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		json_key(w, numbers[i].key);
		json_uint(w, numbers[i].value);
	}
	json_key(w, "last_error");
	json_text(w, g->poll.last_error[0] ? g->poll.last_error : NULL);
	json_object_end(w);
}

static void write_answers(struct json_writer *w, const struct gateway_counts *g)
{
	static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

	json_key(w, "answers");
	json_object_begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (i == 1)
			continue; /* never the final one */
		json_key(w, classes[i]);
		json_uint(w, g->answers[i]);
	}
	json_object_end(w);
}

static void write_times(struct json_writer *w, const char *key, const struct histogram *h)
{
	json_key(w, key);
	json_object_begin(w);
	json_key(w, "count");
	json_uint(w, h->count);
	json_key(w, "mean_us");
	json_uint(w, h->count ? h->sum_us / h->count : 0);
	json_key(w, "buckets");
	json_array_begin(w);
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!h->buckets[i])
			continue;
		json_object_begin(w);
		json_key(w, "up_to_ms");
		json_uint(w, histogram_bounds_ms[i]);
		json_key(w, "count");
		json_uint(w, h->buckets[i]);
		json_object_end(w);
	}
	json_array_end(w);
	json_object_end(w);
}

/* Always there, as poll is. */
static void write_asker(struct json_writer *w, const struct gateway_counts *g)
{
	const struct asker_counts *a = &g->asker;
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"clients", a->dossiers.clients},
		{"questions", a->questions},
		{"clients_asked", a->asked},
		{"clients_known", a->known},
		{"clients_evicted", a->dossiers.evicted},
		{"events_without_room", a->dossiers.refused},
		{"dossiers_unsampled", a->dossiers.unsampled},
		{"dossiers_oversized", a->oversized},
		{"detections_untold", a->untold},
	};

	json_key(w, "asker");
	json_object_begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		json_key(w, numbers[i].key);
		json_uint(w, numbers[i].value);
	}
	json_object_end(w);
}

static const struct config_gateway *gateway_config(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->gateway_count; i++)
		if (strcmp(config->gateways[i].name, name) == 0)
			return &config->gateways[i];
	return NULL;
}

static void write_gateway(struct json_writer *w, const struct control_parts *parts,
			  const struct gateway_counts *g)
{
	uint64_t now_ns = clock_boot_ns(parts->clock);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"last_status", g->last_status},
		{"events_offered", g->events_offered},
		{"events_delivered", g->events},
		{"events_dropped", g->events_dropped},
		{"events_filtered", g->events_filtered},
		{"events_held", g->events_held},
		{"lag_ms", g->held_since_ns ? (now_ns - g->held_since_ns) / NS_PER_MS : 0},
		{"batches", g->batches},
		{"bytes", g->bytes},
		{"attempts", g->attempts},
		{"retries", g->retries},
		{"connections", g->connections},
		{"verdicts", g->verdicts},
		{"tokens", g->tokens},
		{"tokens_today", g->tokens_today},
		{"money_today_millionths", g->money_today},
	};

	json_object_begin(w);
	json_key(w, "name");
	json_text(w, g->name);
	json_key(w, "protocol");
	json_text(w, config_protocol_name(g->protocol));
	write_role(w, gateway_config(parts->config, g->name));
	json_key(w, "state");
	json_text(w, g->state);
	json_key(w, "last_error");
	json_text(w, g->last_error[0] ? g->last_error : NULL);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		json_key(w, numbers[i].key);
		json_uint(w, numbers[i].value);
	}
	json_key(w, "model");
	json_text(w, g->model[0] ? g->model : NULL);
	json_key(w, "last_verdict");
	json_text(w, g->last_verdict[0] ? g->last_verdict : NULL);
	write_dropped(w, g);
	write_refused(w, g);
	write_poll(w, g);
	write_answers(w, g);
	write_times(w, "answer_time", &g->answer_time);
	write_times(w, "verdict_time", &g->verdict_time);
	write_spool(w, g);
	write_asker(w, g);
	control_write_crowdsec(w, parts, g->name);
	json_object_end(w);
}

void control_write_gateways(struct json_writer *w, const struct control_parts *parts)
{
	struct gateway_counts counts[GATEWAYS_MAX];
	unsigned n = control_gateway_counts(parts, counts, GATEWAYS_MAX);

	json_array_begin(w);
	for (unsigned i = 0; i < MIN(n, GATEWAYS_MAX); i++)
		write_gateway(w, parts, &counts[i]);
	json_array_end(w);
}

static void get_gateways(struct api_call *call, void *arg)
{
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);

	json_object_begin(&w);
	json_key(&w, "gateways");
	control_write_gateways(&w, arg);
	json_object_end(&w);
	control_reply(call, 200, &b);
}

/* ?client=ADDR[&gateway=NAME]: what a model would be asked about it now. */
static void get_dossier(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX), dossier = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	const char *text = api_call_query(call, "client"), *name = NULL;
	struct addr client;

	if (!text || addr_parse(span_from(text), &client)) {
		api_problem(call, 400, "syntax", "client must be an address");
		return;
	}
	int r = forwarder_dossier(parts->forwarder, api_call_query(call, "gateway"), &client, &name,
				  &dossier);
	if (r) {
		buffer_free(&dossier);
		api_problem(call, r < 0 ? 500 : 404,
			    r < 0    ? "no_memory"
			    : r == 2 ? "no_gateway"
				     : "no_dossier",
			    r < 0 ? "memory is out"
			    : r == 2
				    ? "no gateway of that name asks a model"
				    : "nothing is known of that client: no event of it passed to the gateway "
				      "within ten minutes");
		return;
	}
	json_object_begin(&w);
	json_key(&w, "gateway");
	json_text(&w, name);
	json_key(&w, "item");
	json_raw(&w, buffer_span(&dossier));
	json_object_end(&w);
	buffer_free(&dossier);
	control_reply(call, 200, &b);
}

int control_register_gateways(struct api *api, const struct control_parts *parts)
{
	const struct api_route routes[] = {
		{"GET", "/v1/gateways", get_gateways, (void *)parts},
		{"GET", "/v1/dossier", get_dossier, (void *)parts},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
