// SPDX-License-Identifier: Apache-2.0
#include "sensor/top.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/util.h"

#define UNKNOWN      (-1.0)
#define EVENTS_PATH  "/v1/events?follow=0&name=http.request&back=1000"
#define SOURCES_STEP 64

/* --- asking --- */

static void sample_free(struct top_sample *s)
{
	cJSON_Delete(s->status);
	cJSON_Delete(s->routes);
	cJSON_Delete(s->blocks);
	cJSON_Delete(s->pending);
	cJSON_Delete(s->proxies);
	*s = (struct top_sample){0};
}

static int sample_take(const struct cli *cli, struct top_sample *ret)
{
	struct top_sample s = {.at_ns = clock_boot_ns(&clock_system)};
	bool failed = cli_ask_quietly(cli, "/v1/status", &s.status) ||
		      cli_ask_quietly(cli, "/v1/routes?limit=200", &s.routes) ||
		      cli_ask_quietly(cli, "/v1/blocks?limit=1000", &s.blocks) ||
		      cli_ask_quietly(cli, "/v1/pending", &s.pending) ||
		      cli_ask_quietly(cli, "/v1/proxies", &s.proxies);

	if (failed) {
		sample_free(&s);
		return TOP_E_UNANSWERED;
	}
	*ret = s;
	return 0;
}

/* --- rates --- */

static uint64_t since_before_ns(const struct top *t)
{
	return t->before.at_ns ? t->now.at_ns - t->before.at_ns : 0;
}

/* What a counter grew by in a second. One that went back was begun anew. */
static double growth(const struct top *t, uint64_t now, uint64_t before)
{
	uint64_t ns = since_before_ns(t);

	if (!ns)
		return UNKNOWN;
	return now > before ? (double)(now - before) * (double)NS_PER_S / (double)ns : 0;
}

double top_rate(const struct top *t, const char *path)
{
	return growth(t, cli_uint(t->now.status, path), cli_uint(t->before.status, path));
}

/* --- routes --- */

static bool is_route(const cJSON *r, const struct top_route *route)
{
	return !strcmp(cli_text(r, "route"), route->route) && !strcmp(cli_text(r, "method"), route->method) &&
	       !strcmp(cli_text(r, "host"), route->host);
}

static uint64_t route_before(const struct top *t, const struct top_route *route)
{
	const cJSON *r;

	cJSON_ArrayForEach(r, cli_at(t->before.routes, "routes"))
	{
		if (is_route(r, route))
			return cli_uint(r, "requests");
	}
	return 0;
}

static int routes_read(struct top *t)
{
	const cJSON *list = cli_at(t->now.routes, "routes"), *r;
	struct top_route *routes = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *routes);
	unsigned n = 0;

	if (!routes)
		return -ENOMEM;
	cJSON_ArrayForEach(r, list)
	{
		struct top_route route = {
			.method = cli_text(r, "method"),
			.route = cli_text(r, "route"),
			.host = cli_text(r, "host"),
			.requests = cli_uint(r, "requests"),
			.refused = cli_uint(r, "statuses.4xx") + cli_uint(r, "statuses.5xx"),
		};

		if (!route.requests) /* of the OpenAPI file, never asked for */
			continue;
		route.rate = growth(t, route.requests, route_before(t, &route));
		routes[n++] = route;
	}
	free(t->routes);
	t->routes = routes;
	t->route_count = n;
	return 0;
}

/* --- blocks --- */

/*
 * The same block as it was. Lists keep their order but for what is new, so the one behind the last that was
 * found is tried first: *at moves along.
 */
static const cJSON *block_before(const struct top *t, const char *target, const cJSON **at)
{
	const cJSON *b;

	if (*at && !strcmp(cli_text(*at, "target"), target)) {
		b = *at;
		*at = b->next;
		return b;
	}
	cJSON_ArrayForEach(b, cli_at(t->before.blocks, "blocks"))
	{
		if (strcmp(cli_text(b, "target"), target) != 0)
			continue;
		*at = b->next;
		return b;
	}
	return NULL;
}

static int by_drops(const void *a, const void *b)
{
	const struct top_block *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	if (x->packets != y->packets)
		return x->packets < y->packets ? 1 : -1;
	return strcmp(x->target, y->target);
}

static int blocks_read(struct top *t)
{
	const cJSON *list = cli_at(t->now.blocks, "blocks"), *b;
	struct top_block *blocks = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *blocks);
	const cJSON *before = cli_at(t->before.blocks, "blocks"), *at = before ? before->child : NULL;
	unsigned n = 0;

	if (!blocks)
		return -ENOMEM;
	cJSON_ArrayForEach(b, list)
	{
		struct top_block *block = &blocks[n++];

		block->target = cli_text(b, "target");
		block->action = cli_text(b, "action");
		block->source = cli_text(b, "source");
		block->origin = cli_text(b, "origin");
		block->packets = cli_uint(b, "packets");
		block->ttl_s = cli_uint(b, "ttl_s");
		block->rate =
			growth(t, block->packets, cli_uint(block_before(t, block->target, &at), "packets"));
	}
	qsort(blocks, n, sizeof *blocks, by_drops);
	free(t->blocks);
	t->blocks = blocks;
	t->block_count = n;
	return 0;
}

/* --- sources --- */

struct window {
	struct top_source *sources;
	unsigned count, size;
	uint64_t now_ns, oldest_ns; /* wall */
	unsigned events;
	bool failed; /* memory was out */
};

static struct top_source *source_of(struct window *w, const char *address)
{
	for (unsigned i = 0; i < w->count; i++)
		if (!strcmp(w->sources[i].address, address))
			return &w->sources[i];
	if (w->count == w->size) {
		struct top_source *grown = realloc(w->sources, (w->size + SOURCES_STEP) * sizeof *grown);

		if (!grown) {
			w->failed = true;
			return NULL;
		}
		w->sources = grown;
		w->size += SOURCES_STEP;
	}
	struct top_source *s = &w->sources[w->count++];

	*s = (struct top_source){0};
	snprintf(s->address, sizeof s->address, "%s", address);
	return s;
}

static void source_add(struct window *w, const cJSON *event)
{
	const char *address = cli_key_text(event, "client.address");
	uint64_t status = cli_key_uint(event, "http.response.status_code");

	if (!*address)
		address = cli_key_text(event, "network.peer.address");
	struct top_source *s = source_of(w, address);

	if (!s)
		return;
	s->requests++;
	s->refused += status >= 400;
	snprintf(s->last, sizeof s->last, "%s %s", cli_key_text(event, "http.request.method"),
		 cli_key_text(event, "url.original"));
}

static int on_event(void *arg, struct span line)
{
	struct window *w = arg;
	cJSON *event = cli_parse_line(line);
	uint64_t at_ns = cli_key_uint(event, "time_unix_nano");

	w->events++;
	if (event && at_ns && at_ns + TOP_WINDOW_S * NS_PER_S > w->now_ns) {
		w->oldest_ns = w->oldest_ns ? MIN(w->oldest_ns, at_ns) : at_ns;
		source_add(w, event);
	}
	cJSON_Delete(event);
	return 0;
}

/* The whole window, or as much of it as the events reach back. */
static double window_seconds(const struct window *w)
{
	if (w->events < TOP_EVENTS || w->now_ns <= w->oldest_ns)
		return TOP_WINDOW_S;
	return MAX((double)(w->now_ns - w->oldest_ns) / (double)NS_PER_S, 0.001);
}

static const char *covered_by(const cJSON *list, const char *member, const struct addr *a, const cJSON **ret)
{
	const cJSON *item;
	struct prefix p;

	cJSON_ArrayForEach(item, list)
	{
		const char *text = cli_text(item, member);

		if (prefix_parse(span_from(text), &p) || !prefix_contains(&p, a))
			continue;
		*ret = item;
		return text;
	}
	return NULL;
}

static const char *class_name(const char *class)
{
	if (!strcmp(class, "trusted"))
		return "trusted proxy";
	return strcmp(class, "unclassified") ? "" : "proxy?";
}

static const char *action_name(const char *action)
{
	if (!strcmp(action, "rate_limit"))
		return "rate limited";
	return strcmp(action, "shadow") ? "blocked" : "shadow";
}

const char *top_source_status(const struct top *t, const struct top_source *s)
{
	const cJSON *item = NULL;
	struct addr a;

	if (addr_parse(span_from(s->address), &a))
		return "";
	if (covered_by(cli_at(t->now.blocks, "blocks"), "target", &a, &item))
		return action_name(cli_text(item, "action"));
	if (covered_by(cli_at(t->now.pending, "pending"), "target", &a, &item))
		return "pending";
	if (covered_by(cli_at(t->now.proxies, "peers"), "address", &a, &item))
		return class_name(cli_text(item, "class"));
	return "";
}

static int sources_read(struct top *t, const struct cli *cli)
{
	struct window w = {.now_ns = clock_wall_ns(&clock_system)};
	unsigned status = 0;
	int r = api_client_stream(cli->control, EVENTS_PATH, on_event, &w, &status);

	if (r || status != 200 || w.failed) {
		free(w.sources);
		return w.failed ? -ENOMEM : TOP_E_UNANSWERED;
	}
	for (unsigned i = 0; i < w.count; i++)
		w.sources[i].rate = w.sources[i].requests / window_seconds(&w);
	free(t->sources);
	t->sources = w.sources;
	t->source_count = w.count;
	return 0;
}

/* --- all of it --- */

int top_look(struct top *t, const struct cli *cli)
{
	struct top_sample s;
	int r = sample_take(cli, &s);

	if (r)
		return r;
	sample_free(&t->before);
	t->before = t->now;
	t->now = s;
	r = routes_read(t);
	r = r ? r : blocks_read(t);
	r = r ? r : sources_read(t, cli);
	if (!r)
		top_programs_look(&t->programs, since_before_ns(t));
	return r;
}

static double share(uint64_t part, uint64_t of)
{
	return of ? (double)part / (double)of : 0;
}

/* -1, 0, 1; more comes first. */
static int descending(double a, double b)
{
	return (a < b) - (a > b);
}

static int routes_by_name(const void *a, const void *b)
{
	const struct top_route *x = a, *y = b;
	int r = strcmp(x->route, y->route);

	r = r ? r : strcmp(x->method, y->method);
	return r ? r : strcmp(x->host, y->host);
}

static int routes_by_rate(const void *a, const void *b)
{
	const struct top_route *x = a, *y = b;
	int r = descending(x->rate, y->rate);

	r = r ? r : descending((double)x->requests, (double)y->requests);
	return r ? r : routes_by_name(a, b);
}

static int routes_by_refused(const void *a, const void *b)
{
	const struct top_route *x = a, *y = b;
	int r = descending(share(x->refused, x->requests), share(y->refused, y->requests));

	return r ? r : routes_by_rate(a, b);
}

static int sources_by_name(const void *a, const void *b)
{
	const struct top_source *x = a, *y = b;

	return strcmp(x->address, y->address);
}

static int sources_by_rate(const void *a, const void *b)
{
	const struct top_source *x = a, *y = b;
	int r = descending(x->requests, y->requests);

	return r ? r : sources_by_name(a, b);
}

static int sources_by_refused(const void *a, const void *b)
{
	const struct top_source *x = a, *y = b;
	int r = descending(share(x->refused, x->requests), share(y->refused, y->requests));

	return r ? r : sources_by_rate(a, b);
}

void top_sort(struct top *t, enum top_order order)
{
	static int (*const of_routes[])(const void *a, const void *b) = {
		[TOP_BY_RATE] = routes_by_rate,
		[TOP_BY_REFUSED] = routes_by_refused,
		[TOP_BY_NAME] = routes_by_name,
	};
	static int (*const of_sources[])(const void *a, const void *b) = {
		[TOP_BY_RATE] = sources_by_rate,
		[TOP_BY_REFUSED] = sources_by_refused,
		[TOP_BY_NAME] = sources_by_name,
	};

	if (t->route_count)
		qsort(t->routes, t->route_count, sizeof *t->routes, of_routes[order]);
	if (t->source_count)
		qsort(t->sources, t->source_count, sizeof *t->sources, of_sources[order]);
}

void top_free(struct top *t)
{
	sample_free(&t->now);
	sample_free(&t->before);
	free(t->routes);
	free(t->sources);
	free(t->blocks);
	*t = (struct top){0};
}
