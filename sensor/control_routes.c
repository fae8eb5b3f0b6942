// SPDX-License-Identifier: Apache-2.0
/* Routes: where in the API requests go, and what is known of each place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/control_decision.h"
#include "sensor/control_lines.h"

#define LIST_DEFAULT 1000
#define LIST_MAX     100000
#define PAGE         64 /* copied under the routes' lock at a time */

struct route_list {
	struct route_info *items;
	size_t count;
};

/* Busiest first; then by host, template and method, so that the order is always one. */
static int busiest_first(const void *a, const void *b)
{
	const struct route_info *x = a, *y = b;

	if (x->requests != y->requests)
		return x->requests < y->requests ? 1 : -1;
	int host = strcmp(x->host, y->host);
	if (host)
		return host;
	int route = strcmp(x->route, y->route);
	return route ? route : (int)x->method - (int)y->method;
}

/* undocumented: only those that the OpenAPI file does not have. 0 or -ENOMEM. */
static int list_get(const struct control_parts *parts, const char *host, bool undocumented,
		    struct route_list *ret)
{
	struct route_list l = {0};
	size_t size = 0, n;
	uint32_t cursor = 0;

	for (;;) {
		if (l.count + PAGE > size) {
			size = size ? size * 2 : 4 * (size_t)PAGE;
			struct route_info *bigger = realloc(l.items, size * sizeof *bigger);
			if (!bigger) {
				free(l.items);
				return -ENOMEM;
			}
			l.items = bigger;
		}
		n = routes_list(parts->routes, &cursor, l.items + l.count, PAGE);
		if (!n)
			break;
		size_t kept = l.count;
		for (size_t i = l.count; i < l.count + n; i++)
			if ((!host || strcasecmp(host, l.items[i].host) == 0) &&
			    (!undocumented || l.items[i].documented == DOCUMENTED_NO))
				l.items[kept++] = l.items[i];
		l.count = kept;
	}
	qsort(l.items, l.count, sizeof *l.items, busiest_first);
	*ret = l;
	return 0;
}

static void write_wall(struct json_writer *w, const char *key, uint64_t wall_ns)
{
	char text[CLOCK_TEXT_MAX];

	json_key(w, key);
	json_text(w, wall_ns ? clock_format(wall_ns, text) : NULL);
}

static void write_route(struct json_writer *w, const struct route_info *r)
{
	static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

	json_object_begin(w);
	json_key(w, "host");
	json_text(w, r->host[0] ? r->host : NULL);
	json_key(w, "method");
	json_text(w, method_name(r->method));
	json_key(w, "route");
	json_text(w, r->route);
	json_key(w, "documented");
	if (r->documented == DOCUMENTED_UNKNOWN)
		json_text(w, NULL);
	else
		json_bool(w, r->documented == DOCUMENTED_YES);
	json_key(w, "requests");
	json_uint(w, r->requests);
	json_key(w, "statuses");
	json_object_begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		json_key(w, classes[i]);
		json_uint(w, r->statuses[i]);
	}
	json_object_end(w);
	json_key(w, "clients");
	json_uint(w, r->clients);
	write_wall(w, "first_seen", r->first_ns);
	write_wall(w, "last_seen", r->last_ns);
	json_object_end(w);
}

static void write_line(struct json_writer *w, const void *route, const void *arg)
{
	(void)arg;
	write_route(w, route);
}

/* --- GET /v1/routes --- */

static void write_counts(struct json_writer *w, const struct control_parts *parts)
{
	struct routes_counts c = routes_counts(parts->routes);
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{"requests", c.requests},
		{"routed", c.routed},
		{"unknown_to_server", c.unknown},
		{"refused", c.refused},
		{"unfit", c.unfit},
		{"merged", c.merged},
		{"hosts", c.hosts},
		{"hosts_max", ROUTES_HOSTS_MAX},
		{"segments", c.nodes},
		{"segments_max", ROUTES_NODES_MAX},
		{"learned", c.routes},
		{"learned_max", ROUTES_MAX},
	};

	json_key(w, "learning");
	json_object_begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		json_key(w, numbers[i].name);
		json_uint(w, numbers[i].value);
	}
	json_object_end(w);
	json_key(w, "openapi");
	json_text(w, c.has_documented ? parts->config->api.openapi : NULL);
}

static void get_routes(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	uint64_t stream = 0, limit = LIST_DEFAULT, undocumented = 0;
	struct route_list list;

	if (control_query(call, "stream", 1, &stream) || control_query(call, "limit", LIST_MAX, &limit) ||
	    control_query(call, "undocumented", 1, &undocumented))
		return;
	if (list_get(parts, api_call_query(call, "host"), undocumented, &list)) {
		control_no_memory(call);
		return;
	}
	if (stream) {
		control_stream_lines(call, list.items, list.count, sizeof *list.items, write_line, NULL);
		return;
	}
	json_object_begin(&w);
	json_key(&w, "count");
	json_uint(&w, list.count);
	json_key(&w, "truncated");
	json_bool(&w, list.count > limit);
	write_counts(&w, parts);
	json_key(&w, "routes");
	json_array_begin(&w);
	for (size_t i = 0; i < list.count && i < limit; i++)
		write_route(&w, &list.items[i]);
	json_array_end(&w);
	json_object_end(&w);
	free(list.items);
	control_reply(call, 200, &b);
}

int control_register_routes(struct api *api, const struct control_parts *parts)
{
	const struct api_route routes[] = {
		{"GET", "/v1/routes", get_routes, (void *)parts},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
