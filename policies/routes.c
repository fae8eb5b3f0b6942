// SPDX-License-Identifier: Apache-2.0
#include "policies/routes.h"
#include <errno.h>
#include <sys/random.h>
#include "lib/util.h"
#include "policies/routes_internal.h"

/* Perhaps no request, or not all of its path. */
#define UNSURE (HTTP_DEV_AFTER_GAP | HTTP_DEV_IN_BODY | HTTP_DEV_HEAD_TOO_LARGE)
/* What a damaged head says of its path is nothing to learn from. */
#define UNFIT    (UNSURE | HTTP_DEV_BAD_TARGET | HTTP_DEV_BAD_METHOD | HTTP_DEV_NO_VERSION)
#define HOST_MAX 253 /* RFC 1035 section 2.3.4 */

int routes_new(const struct operations *documented, struct routes **ret)
{
	struct routes *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	r->documented = documented;
	if (documented) {
		r->counts.has_documented = true;
		r->counts.documented = operations_count(documented);
		r->documented_ids =
			calloc((size_t)r->counts.documented * METHODS + 1, sizeof r->documented_ids[0]);
	}
	r->candidates = calloc(ROUTES_SETS, sizeof r->candidates[0]);
	int e = r->candidates && (!documented || r->documented_ids) ? routes_reset(r) : -ENOMEM;
	if (!e && getrandom(&r->secret, sizeof r->secret, 0) != (ssize_t)sizeof r->secret)
		e = -EIO;
	if (e) {
		routes_free(r);
		return e;
	}
	*ret = r;
	return 0;
}

void routes_free(struct routes *r)
{
	if (!r)
		return;
	routes_clear(r);
	table_deinit(&r->literals);
	free(r->candidates);
	free(r->documented_ids);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* --- asking --- */

/* Hosts are compared in lower case; the event shows them as sent. SPAN_NULL: no host's name. */
static struct span host_fold(struct span host, char buf[static HOST_MAX])
{
	if (host.len > HOST_MAX)
		return SPAN_NULL;
	for (size_t i = 0; i < host.len; i++) {
		char c = host.ptr[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
		      c == ':'))
			return SPAN_NULL;
		buf[i] = c;
	}
	return (struct span){buf, host.len};
}

static struct node *child_for(const struct routes *r, const struct node *n, struct span text)
{
	/* Most segments are words that are known: looks are asked only for the others. */
	struct node *child = text.len <= SEGMENT_MAX ? node_literal(r, n, text) : NULL;

	if (child)
		return child;
	enum segment_kind kind = segment_kind(text);
	if (kind == SEGMENT_WORD)
		kind = (enum segment_kind)n->names;
	return n->values[kind];
}

static void find_learned(struct routes *r, struct event *e)
{
	char buf[HOST_MAX];
	struct span host = host_fold(e->request.host, buf), path = e->request.path, text;
	struct node *n = host.ptr ? host_find(r, host) : NULL;

	while (n && segment_next(&path, &text))
		n = child_for(r, n, text);
	if (!n || !n->routes)
		return;
	/* The template is that of the place, whichever method asks for it. */
	e->request.route = span_from(r->items[n->routes - 1]->text);
	e->request.route_id = route_find_at(r, n, method_of(e->request.method));
}

static bool has_path(const struct event_request *request, uint32_t without)
{
	return request->path.len && request->path.ptr[0] == '/' && !(request->deviations & without);
}

void routes_find(struct routes *r, struct span path, struct event *e)
{
	struct event_request *request = &e->request;
	unsigned template;

	if (!has_path(request, UNSURE))
		return;
	/* Servers take damaged heads: whoever damages one does not get around the description. */
	if (r->documented) {
		if (operations_match(r->documented, path, &template)) {
			request->documented =
				operations_allow(r->documented, template, method_of(request->method))
					? DOCUMENTED_YES
					: DOCUMENTED_NO;
			request->route = operations_path(r->documented, template);
			request->route_id = ROUTE_DOCUMENTED | template;
			return;
		}
		request->documented = DOCUMENTED_NO;
	}
	if (!has_path(request, UNFIT))
		return;
	pthread_mutex_lock(&r->lock);
	find_learned(r, e);
	pthread_mutex_unlock(&r->lock);
}

/* --- noting --- */

static void route_count(struct routes *r, struct route *route, const struct event *e)
{
	const struct event_request *request = &e->request;
	unsigned class = request->answered & EVENT_ANSWER_SEEN ? request->status / 100u : 0;

	route->requests++;
	route->statuses[class <= 5 ? class : 0]++;
	if (!route->first_ns)
		route->first_ns = e->wall_ns;
	route->last_ns = MAX(route->last_ns, e->wall_ns);
	sketch_add(route->sketch, client_hash(r, &request->client.addr));
	for (struct node *n = route->node; n; n = n->parent)
		n->requests++;
	r->counts.routed++;
}

/* 0: none. */
static uint32_t note_documented(struct routes *r, const struct event *e, enum evidence evidence)
{
	uint32_t template = e->request.route_id & ~ROUTE_DOCUMENTED;
	enum method m = method_of(e->request.method);
	uint32_t id = r->documented_ids[template * METHODS + m];

	return id || evidence == EVIDENCE_ABSENT ? id : route_documented(r, template, m);
}

/* Segments that are none, or too many. */
static bool path_is_learnable(struct span path)
{
	struct span text;
	unsigned depth = 0;

	while (segment_next(&path, &text))
		if (segment_kind(text) == SEGMENT_BAD || ++depth > ROUTES_DEPTH_MAX)
			return false;
	return true;
}

static uint32_t note_learned(struct routes *r, const struct event *e, enum evidence evidence)
{
	char buf[HOST_MAX];
	struct event_request with = e->request;
	struct event folded = {.wall_ns = e->wall_ns};

	if (evidence == EVIDENCE_ABSENT) {
		r->counts.unknown += !e->request.route.len;
		return 0;
	}
	with.host = host_fold(e->request.host, buf);
	if ((e->request.host.len && !with.host.ptr) || !path_is_learnable(e->request.path)) {
		r->counts.unfit++;
		return 0;
	}
	folded.request = with;
	return routes_learn(r, &folded, evidence);
}

void routes_note(struct routes *r, struct event *e)
{
	uint32_t id = e->request.route_id;

	pthread_mutex_lock(&r->lock);
	enum evidence evidence = evidence_of(r, e);
	r->counts.requests++;
	if (id & ROUTE_DOCUMENTED)
		id = note_documented(r, e, evidence);
	else if (!has_path(&e->request, UNFIT))
		r->counts.unfit++;
	else if (!id)
		id = note_learned(r, e, evidence);
	if (id) {
		struct route *route = route_of(r, id);
		route_count(r, route, e);
		if (!e->request.route.len) {
			e->request.route = span_from(route->text);
			e->request.route_id = id;
		}
	}
	pthread_mutex_unlock(&r->lock);
}

/* --- listing --- */

struct routes_counts routes_counts(struct routes *r)
{
	pthread_mutex_lock(&r->lock);
	struct routes_counts counts = r->counts;
	counts.hosts = r->host_count;
	counts.nodes = r->node_count;
	counts.routes = r->learned;
	pthread_mutex_unlock(&r->lock);
	return counts;
}

static void info_fill(const struct routes *r, const struct route *route, struct route_info *ret)
{
	*ret = (struct route_info){
		.route = route->text,
		.method = (enum method)route->method,
		.requests = route->requests,
		.clients = sketch_estimate(route->sketch),
		.first_ns = route->first_ns,
		.last_ns = route->last_ns,
	};
	memcpy(ret->statuses, route->statuses, sizeof ret->statuses);
	if (route->node) {
		const struct node *host = node_host(route->node);
		memcpy(ret->host, host->text, host->len);
		ret->documented = r->documented ? DOCUMENTED_NO : DOCUMENTED_UNKNOWN;
	} else {
		ret->documented = operations_allow(r->documented, route->template, ret->method)
					  ? DOCUMENTED_YES
					  : DOCUMENTED_NO;
	}
}

size_t routes_list(struct routes *r, uint32_t *cursor, struct route_info *ret, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&r->lock);
	for (; *cursor < r->item_count && n < max; ++*cursor)
		if (!r->items[*cursor]->moved_to)
			info_fill(r, r->items[*cursor], &ret[n++]);
	pthread_mutex_unlock(&r->lock);
	return n;
}
