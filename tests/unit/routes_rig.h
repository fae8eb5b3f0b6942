/* SPDX-License-Identifier: Apache-2.0 */
/* routes_rig.h: requests for policies/routes.h, made by hand, with the answers to them. */
#ifndef PICKET_TESTS_ROUTES_RIG_H
#define PICKET_TESTS_ROUTES_RIG_H

#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "policies/routes.h"

#define RIG_WALL_NS (1700000000ull * NS_PER_S)

struct ask {
	const char *host, *method, *path;
	unsigned client; /* one of many addresses */
	unsigned status; /* 0: no answer seen */
	uint16_t port;   /* of the server */
	bool ipv6;       /* the client has another address of its /64 each time */
	uint64_t wall_ns;
};

static inline struct event *ask_event(const struct ask *a)
{
	struct span host = span_from(a->host), method = span_from(a->method ? a->method : "GET"),
		    path = span_from(a->path);
	struct event *e = event_new(EVENT_HTTP_REQUEST, host.len + method.len + path.len);
	uint8_t bytes[4] = {10, (uint8_t)(a->client >> 16), (uint8_t)(a->client >> 8), (uint8_t)a->client};

	if (!e)
		abort();
	e->wall_ns = a->wall_ns ? a->wall_ns : RIG_WALL_NS;
	e->request.host = event_tail_copy(e, host);
	e->request.method = event_tail_copy(e, method);
	e->request.path = event_tail_copy(e, path);
	e->flow.local.port = a->port;
	e->request.client.addr.family = ADDR_IPV4;
	memcpy(e->request.client.addr.bytes, bytes, sizeof bytes);
	if (a->ipv6) {
		static uint32_t next;
		e->request.client.addr.family = ADDR_IPV6;
		next++;
		memcpy(e->request.client.addr.bytes + 12, &next, sizeof next);
	}
	if (a->status) {
		e->request.answered = EVENT_ANSWER_SEEN;
		e->request.status = (uint16_t)a->status;
	}
	return e;
}

/* The route that the request's event shows, "" if none; "!" in front: not documented. */
static inline void ask(struct routes *r, const struct ask *a, char ret[static ROUTES_TEXT_MAX + 8])
{
	struct event *e = ask_event(a);

	routes_find(r, e->request.path, e);
	snprintf(ret, ROUTES_TEXT_MAX + 8, "%s%.*s", e->request.documented == DOCUMENTED_NO ? "!" : "",
		 (int)e->request.route.len, e->request.route.len ? e->request.route.ptr : "");
	routes_note(r, e);
	event_unref(e);
}

static inline int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "METHOD HOST TEMPLATE" of all routes with a request, sorted, one a line. */
static inline void rig_list(struct routes *r, struct buffer *out)
{
	struct route_info page[16];
	uint32_t cursor = 0;
	char **lines = NULL;
	size_t count = 0, n;

	while ((n = routes_list(r, &cursor, page, ARRAY_SIZE(page)))) {
		lines = realloc(lines, (count + n) * sizeof *lines);
		for (size_t i = 0; lines && i < n; i++)
			if (page[i].requests &&
			    asprintf(&lines[count], "%s %s %s\n", method_name(page[i].method), page[i].host,
				     page[i].route) > 0)
				count++;
	}
	if (count)
		qsort(lines, count, sizeof *lines, compare_lines);
	for (size_t i = 0; i < count; i++) {
		buffer_append_text(out, lines[i]);
		free(lines[i]);
	}
	free(lines);
	buffer_append_char(out, 0);
}

#endif
