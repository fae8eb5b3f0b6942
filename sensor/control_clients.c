// SPDX-License-Identifier: Apache-2.0
/* Clients and consumers: who asks here, and what is known of each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/target.h"
#include "lib/util.h"
#include "sensor/control_decision.h"
#include "sensor/control_lines.h"

#define LIST_DEFAULT 1000
#define LIST_MAX     100000
#define PAGE         16 /* copied under the lock at a time */

/* Of each only what sorts it; the rest is asked when it is written. */
struct entry {
	struct prefix who;
	uint64_t window, all;
};

struct entries {
	struct entry *items;
	size_t count, size;
};

static bool is_consumer(const struct prefix *who)
{
	return who->addr.family == TARGET_CONSUMER;
}

static int busiest_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->window != y->window)
		return x->window < y->window ? 1 : -1;
	if (x->all != y->all)
		return x->all < y->all ? 1 : -1;
	return memcmp(&x->who.addr, &y->who.addr, sizeof x->who.addr);
}

static int entries_add(struct entries *l, const struct behaviour_info *info, size_t count, const char *kind)
{
	for (size_t i = 0; i < count; i++) {
		if (kind && is_consumer(&info[i].who) != (strcmp(kind, "consumer") == 0))
			continue;
		if (l->count == l->size) {
			size_t size = l->size ? l->size * 2 : 256;
			struct entry *bigger = realloc(l->items, size * sizeof *bigger);
			if (!bigger)
				return -ENOMEM;
			l->items = bigger;
			l->size = size;
		}
		l->items[l->count++] =
			(struct entry){info[i].who, info[i].window.requests, info[i].all.requests};
	}
	return 0;
}

/* kind: "client", "consumer"; NULL: both. 0 or -ENOMEM. */
static int entries_get(const struct control_parts *parts, const char *kind, struct entries *ret)
{
	struct behaviour_info *page = malloc(PAGE * sizeof *page);
	struct entries l = {0};
	uint32_t cursor = 0;
	size_t n;
	int r = page ? 0 : -ENOMEM;

	while (!r && (n = behaviour_list(parts->behaviour, &cursor, page, PAGE)))
		r = entries_add(&l, page, n, kind);
	free(page);
	if (r) {
		free(l.items);
		return r;
	}
	if (l.count)
		qsort(l.items, l.count, sizeof *l.items, busiest_first);
	*ret = l;
	return 0;
}

/* --- one of them --- */

static void write_counts(struct json_writer *w, const struct behaviour_counts *c)
{
	static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
	const struct {
		const char *name;
		uint64_t value;
	} of_4xx[] = {{"unauthorized", c->unauthorized},
		      {"forbidden", c->forbidden},
		      {"missing", c->missing},
		      {"limited", c->limited}};

	json_key(w, "requests");
	json_uint(w, c->requests);
	json_key(w, "statuses");
	json_object_begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		json_key(w, classes[i]);
		json_uint(w, c->statuses[i]);
	}
	json_object_end(w);
	for (size_t i = 0; i < ARRAY_SIZE(of_4xx); i++) {
		json_key(w, of_4xx[i].name);
		json_uint(w, of_4xx[i].value);
	}
}

/* A whole number, and a time of before the machine's start as well. */
static void write_moment(struct json_writer *w, const char *key, const struct control_parts *parts,
			 int64_t boot_ns)
{
	control_write_time(w, key, parts->clock, (uint64_t)boot_ns);
}

static void write_lists(struct json_writer *w, const struct behaviour_info *i,
			const struct control_parts *parts)
{
	json_key(w, "routes");
	json_array_begin(w);
	for (unsigned n = 0; n < i->route_count; n++) {
		json_object_begin(w);
		json_key(w, "method");
		json_text(w, i->routes[n].method);
		json_key(w, "route");
		json_string(w, i->routes[n].route);
		json_key(w, "requests");
		json_uint(w, i->routes[n].requests);
		json_object_end(w);
	}
	json_array_end(w);
	json_key(w, "user_agents");
	json_array_begin(w);
	for (unsigned n = 0; n < i->agent_count; n++)
		json_text(w, i->agents[n]);
	json_array_end(w);
	json_key(w, "detections");
	json_array_begin(w);
	for (unsigned n = 0; n < i->fired_count; n++) {
		json_object_begin(w);
		json_key(w, "name");
		json_text(w, i->fired[n].name);
		json_key(w, "count");
		json_uint(w, i->fired[n].count);
		write_moment(w, "last", parts, i->fired[n].last_ns);
		json_object_end(w);
	}
	json_array_end(w);
}

/* The TLS fingerprints of its latest hellos. */
static void write_ja4s(struct json_writer *w, const struct prefix *who, const struct control_parts *parts)
{
	struct fingerprint items[FINGERPRINTS_EACH];
	unsigned count = fingerprints_of(parts->fingerprints, who, items);

	json_key(w, "ja4s");
	json_array_begin(w);
	for (unsigned n = 0; n < count; n++) {
		json_object_begin(w);
		json_key(w, "ja4");
		json_text(w, items[n].ja4);
		json_key(w, "hellos");
		json_uint(w, items[n].hellos);
		control_write_time(w, "last", parts->clock, items[n].last_ns);
		json_object_end(w);
	}
	json_array_end(w);
}

/* What is in force for it: on every route, as the point at HTTP would say. */
static enum verdict_action in_force(const struct control_parts *parts, const struct behaviour_info *i)
{
	struct decide_question q = {.key_count = 0};

	if (is_consumer(&i->who))
		q.keys[q.key_count++] = i->who;
	else /* in IPv6 its latest address may be what is denied */
		q.client = i->latest.family != ADDR_NONE ? i->latest : i->who.addr;
	return decide_in_force(enforcer_decide(parts->enforcer), &q, clock_boot_ns(parts->clock));
}

static void write_client(struct json_writer *w, const struct behaviour_info *i,
			 const struct control_parts *parts)
{
	enum verdict_action action = in_force(parts, i);

	json_object_begin(w);
	control_write_prefix(w, "target", &i->who);
	json_key(w, "kind");
	json_text(w, is_consumer(&i->who) ? "consumer" : "client");
	write_moment(w, "first_seen", parts, i->first_ns);
	write_moment(w, "last_seen", parts, i->last_ns);
	write_counts(w, &i->all);
	json_key(w, "window");
	json_object_begin(w);
	write_moment(w, "since", parts, i->window_ns);
	write_counts(w, &i->window);
	json_object_end(w);
	json_key(w, "gap_ms");
	json_uint(w, i->gap_ns / NS_PER_MS);
	json_key(w, "gap_spread_ms");
	json_uint(w, i->spread_ns / NS_PER_MS);
	json_key(w, "routes_seen");
	json_uint(w, i->routes_seen);
	json_key(w, "user_agents_seen");
	json_uint(w, i->agents_seen);
	json_key(w, is_consumer(&i->who) ? "clients_seen" : "consumers_seen");
	json_uint(w, i->others_seen);
	if (i->other.addr.family == ADDR_NONE) {
		json_key(w, "latest_with");
		json_text(w, NULL);
	} else {
		control_write_prefix(w, "latest_with", &i->other);
	}
	write_lists(w, i, parts);
	write_ja4s(w, &i->who, parts);
	json_key(w, "known");
	json_bool(w, i->known);
	json_key(w, "action");
	json_text(w, action ? verdict_action_name(action) : NULL);
	json_object_end(w);
}

/* Who is forgotten by now is a name. */
static void write_entry(struct json_writer *w, const void *item, const void *arg)
{
	const struct control_parts *parts = arg;
	const struct entry *e = item;
	struct behaviour_info info;

	if (!behaviour_of_target(parts->behaviour, &e->who, &info))
		info = (struct behaviour_info){.who = e->who};
	write_client(w, &info, parts);
}

/* --- GET /v1/clients --- */

static void write_totals(struct json_writer *w, const struct control_parts *parts)
{
	struct behaviour_totals t = behaviour_totals(parts->behaviour);
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{"requests", t.noted},
		{"clients", t.clients},
		{"clients_max", BEHAVIOUR_CLIENTS},
		{"consumers", t.consumers},
		{"consumers_max", BEHAVIOUR_CONSUMERS},
		{"forgotten_new", t.forgotten_new},
		{"forgotten_known", t.forgotten_known},
		{"no_memory", t.no_memory},
	};

	json_key(w, "memory");
	json_object_begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		json_key(w, numbers[i].name);
		json_uint(w, numbers[i].value);
	}
	json_object_end(w);
}

static void get_clients(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	uint64_t stream = 0, limit = LIST_DEFAULT;
	const char *kind = api_call_query(call, "kind");
	struct entries list;

	if (control_query(call, "stream", 1, &stream) || control_query(call, "limit", LIST_MAX, &limit))
		return;
	if (kind && strcmp(kind, "client") != 0 && strcmp(kind, "consumer") != 0) {
		control_problem(call, 422, "bad_query", "kind is client or consumer");
		return;
	}
	if (entries_get(parts, kind, &list)) {
		control_no_memory(call);
		return;
	}
	if (stream) {
		control_stream_lines(call, list.items, list.count, sizeof *list.items, write_entry, parts);
		return;
	}
	json_object_begin(&w);
	json_key(&w, "count");
	json_uint(&w, list.count);
	json_key(&w, "truncated");
	json_bool(&w, list.count > limit);
	write_totals(&w, parts);
	json_key(&w, "clients");
	json_array_begin(&w);
	for (size_t i = 0; i < list.count && i < limit; i++)
		write_entry(&w, &list.items[i], parts);
	json_array_end(&w);
	json_object_end(&w);
	free(list.items);
	control_reply(call, 200, &b);
}

/* --- GET /v1/clients/{target} --- */

static void get_client(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	struct behaviour_info info;
	struct prefix target;

	if (control_target(call, "target", api_call_param(call), &target))
		return;
	if (!behaviour_of_target(parts->behaviour, &target, &info)) {
		control_problem(call, 404, "not_found",
				"nothing is known of it: no request came from there, or it was forgotten");
		return;
	}
	write_client(&w, &info, parts);
	control_reply(call, 200, &b);
}

int control_register_clients(struct api *api, const struct control_parts *parts)
{
	const struct api_route routes[] = {
		{"GET", "/v1/clients", get_clients, (void *)parts},
		{"GET", "/v1/clients/{target}", get_client, (void *)parts},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
