// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include "lib/util.h"
#include "policies/routes_internal.h"

/* --- nodes --- */

static uint64_t literal_hash(const struct routes *r, uint32_t parent, struct span text)
{
	char key[sizeof parent + 256];

	memcpy(key, &parent, sizeof parent);
	memcpy(key + sizeof parent, text.ptr, text.len);
	return table_hash(&r->literals, key, sizeof parent + text.len);
}

struct node *node_literal(const struct routes *r, const struct node *parent, struct span text)
{
	if (text.len > UINT8_MAX)
		return NULL;
	uint64_t hash = literal_hash(r, parent ? parent->id : 0, text);

	for (struct table_node *t = table_first(&r->literals, hash); t; t = table_next(t)) {
		struct node *n = table_owner(t, struct node, literal);
		if (n->parent == parent && n->len == text.len && memcmp(n->text, text.ptr, text.len) == 0)
			return n;
	}
	return NULL;
}

uint64_t chain_of(const struct routes *r, uint64_t parent, enum segment_kind kind, struct span text)
{
	char key[sizeof parent + 1 + 256];
	size_t len = kind == SEGMENT_WORD ? MIN(text.len, (size_t)256) : 0;

	memcpy(key, &parent, sizeof parent);
	key[sizeof parent] = (char)kind;
	if (len)
		memcpy(key + sizeof parent + 1, text.ptr, len);
	return table_hash(&r->literals, key, sizeof parent + 1 + len);
}

static void node_link(struct routes *r, struct node *n, struct node *parent)
{
	struct node **list = parent ? &parent->first : &r->hosts;

	n->parent = parent;
	n->sibling = *list;
	*list = n;
	n->depth = parent ? (uint8_t)(parent->depth + 1) : 0;
	if (n->kind != SEGMENT_WORD) { /* no host is a placeholder */
		if (parent)
			parent->values[n->kind] = n;
		return;
	}
	table_add(&r->literals, &n->literal,
		  literal_hash(r, parent ? parent->id : 0, (struct span){n->text, n->len}));
	if (parent)
		parent->words++;
}

static void node_unlink(struct routes *r, struct node *n)
{
	struct node **at = n->parent ? &n->parent->first : &r->hosts;

	while (*at != n)
		at = &(*at)->sibling;
	*at = n->sibling;
	n->sibling = NULL;
	if (n->kind != SEGMENT_WORD) { /* no host is a placeholder */
		if (n->parent)
			n->parent->values[n->kind] = NULL;
		return;
	}
	table_remove(&r->literals, &n->literal);
	if (n->parent)
		n->parent->words--;
}

struct node *node_new(struct routes *r, struct node *parent, enum segment_kind kind, struct span text,
		      uint64_t chain, uint64_t now_ns)
{
	size_t len = kind == SEGMENT_WORD ? text.len : 0;

	if (r->node_count >= ROUTES_NODES_MAX || len > UINT8_MAX ||
	    (parent && parent->depth >= ROUTES_DEPTH_MAX))
		return NULL;
	struct node *n = calloc(1, sizeof *n + len);
	if (!n)
		return NULL;
	n->kind = (uint8_t)kind;
	n->chain = chain;
	n->first_ns = now_ns;
	n->id = ++r->next_id;
	n->ask_at = 1;
	n->len = (uint8_t)len;
	if (len)
		memcpy(n->text, text.ptr, len);
	node_link(r, n, parent);
	r->node_count++;
	r->host_count += !parent;
	return n;
}

struct node *node_host(const struct node *n)
{
	while (n->parent)
		n = n->parent;
	return (struct node *)n;
}

/* --- routes --- */

struct route *route_of(const struct routes *r, uint32_t id)
{
	struct route *route = r->items[id - 1];

	while (route->moved_to)
		route = r->items[route->moved_to - 1];
	return route;
}

/* "/users/{id}". NULL: too long, or memory is out. */
static char *text_of(const struct node *n)
{
	char text[ROUTES_TEXT_MAX + 1];
	size_t at = sizeof text - 1;

	text[at] = 0;
	if (!n->parent)
		return strdup("/");
	for (; n->parent; n = n->parent) {
		struct span part = n->kind == SEGMENT_WORD
					   ? (struct span){n->text, n->len}
					   : span_from(segment_placeholder((enum segment_kind)n->kind));
		if (!part.ptr || part.len + 1 > at)
			return NULL;
		at -= part.len;
		memcpy(text + at, part.ptr, part.len);
		text[--at] = '/';
	}
	return strdup(text + at);
}

static uint32_t route_add(struct routes *r, struct route *route)
{
	if (r->item_count == r->item_size) {
		uint32_t more = r->item_size ? r->item_size * 2 : 64;
		struct route **bigger = realloc(r->items, more * sizeof *bigger);
		if (!bigger)
			return 0;
		r->items = bigger;
		r->item_size = more;
	}
	r->items[r->item_count++] = route;
	return r->item_count;
}

uint32_t route_find_at(const struct routes *r, const struct node *n, enum method m)
{
	uint32_t id = n->routes;

	while (id && r->items[id - 1]->method != m)
		id = r->items[id - 1]->next;
	return id;
}

uint32_t route_at(struct routes *r, struct node *n, enum method m)
{
	uint32_t id = route_find_at(r, n, m);

	if (id || r->learned >= ROUTES_MAX ||
	    r->item_count >= r->counts.documented * METHODS + ROUTES_IDS_MAX)
		return id;
	struct route *route = calloc(1, sizeof *route);
	if (!route)
		return 0;
	route->node = n;
	route->method = (uint8_t)m;
	route->text = text_of(n);
	id = route->text ? route_add(r, route) : 0;
	if (!id) {
		free(route->text);
		free(route);
		return 0;
	}
	route->next = n->routes;
	n->routes = id;
	r->learned++;
	return id;
}

uint32_t route_documented(struct routes *r, uint32_t template, enum method m)
{
	uint32_t *at = &r->documented_ids[template * METHODS + m];

	if (*at)
		return *at;
	struct route *route = calloc(1, sizeof *route);
	if (!route)
		return 0;
	route->template = template;
	route->method = (uint8_t)m;
	route->text = (char *)operations_path(r->documented, template).ptr;
	*at = route_add(r, route);
	if (!*at)
		free(route);
	return *at;
}

/* --- merging --- */

/* An event in a queue may still show it. */
static bool text_retire(struct routes *r, char *text)
{
	if (r->retired_count == r->retired_size) {
		uint32_t more = r->retired_size ? r->retired_size * 2 : 64;
		char **bigger = realloc(r->retired, more * sizeof *bigger);
		if (!bigger)
			return false;
		r->retired = bigger;
		r->retired_size = more;
	}
	r->retired[r->retired_count++] = text;
	return true;
}

static void routes_rename(struct routes *r, struct node *n)
{
	for (uint32_t id = n->routes; id; id = r->items[id - 1]->next) {
		struct route *route = r->items[id - 1];
		char *text = text_of(n);
		if (!text || strcmp(text, route->text) == 0 || !text_retire(r, route->text)) {
			free(text); /* memory is out: it keeps its old name */
			continue;
		}
		route->text = text;
	}
}

/* After it was hung elsewhere. Depth is bounded by ROUTES_DEPTH_MAX. */
static void subtree_refresh(struct routes *r, struct node *n)
{
	if (n->parent) {
		n->depth = (uint8_t)(n->parent->depth + 1);
		n->chain = chain_of(r, n->parent->chain, (enum segment_kind)n->kind,
				    (struct span){n->text, n->len});
	}
	routes_rename(r, n);
	for (struct node *c = n->first; c; c = c->sibling)
		subtree_refresh(r, c);
}

static void route_fold(struct route *from, struct route *to)
{
	to->requests += from->requests;
	for (unsigned i = 0; i < ARRAY_SIZE(to->statuses); i++)
		to->statuses[i] += from->statuses[i];
	if (from->first_ns && (!to->first_ns || from->first_ns < to->first_ns))
		to->first_ns = from->first_ns;
	to->last_ns = MAX(to->last_ns, from->last_ns);
	for (unsigned i = 0; i < ROUTE_SKETCH; i++)
		to->sketch[i] = MAX(to->sketch[i], from->sketch[i]);
}

static void routes_move(struct routes *r, struct node *from, struct node *to)
{
	uint32_t id = from->routes, next;

	for (; id; id = next) {
		struct route *route = r->items[id - 1];
		uint32_t there = route_find_at(r, to, (enum method)route->method);
		next = route->next;
		if (there) {
			route_fold(route, r->items[there - 1]);
			route->moved_to = there;
			route->node = NULL;
			r->learned--;
			r->counts.merged++;
			continue;
		}
		route->node = to;
		route->next = to->routes;
		to->routes = id;
	}
	from->routes = 0;
}

/* Where a child of `from` belongs below `to`; NULL: nothing like it is there. */
static struct node *counterpart(struct routes *r, const struct node *child, const struct node *to)
{
	if (child->kind != SEGMENT_WORD)
		return to->values[child->kind];
	struct node *same = node_literal(r, to, (struct span){child->text, child->len});
	return same || !to->names ? same : to->values[to->names];
}

/* Where one of both takes names, a word that only the other knows is a name from now on: for the first has
 * given "{name}" for it, and may not become less general. */
static void agree_on_names(struct routes *r, struct node *from, struct node *to)
{
	if (!from->names || to->names)
		return;
	struct node *names = from->values[from->names], *next;
	if (!names) { /* there was no room for it */
		to->names = from->names;
		return;
	}
	if (!to->values[from->names]) {
		node_unlink(r, names);
		node_link(r, names, to);
	} else {
		node_merge(r, names, to->values[from->names]);
	}
	names = to->values[from->names];
	for (struct node *c = to->first; c; c = next) {
		next = c->sibling;
		if (c->kind == SEGMENT_WORD && !node_literal(r, from, (struct span){c->text, c->len})) {
			node_merge(r, c, names);
			next = to->first; /* merging may have changed the list */
		}
	}
	to->names = from->names;
}

static void merge(struct routes *r, struct node *from, struct node *to)
{
	struct node *child;

	to->requests += from->requests;
	to->first_ns = MIN(to->first_ns, from->first_ns);
	routes_move(r, from, to);
	agree_on_names(r, from, to);
	while ((child = from->first)) {
		struct node *same = counterpart(r, child, to);
		if (same) {
			merge(r, child, same);
			continue;
		}
		node_unlink(r, child);
		node_link(r, child, to);
	}
	node_unlink(r, from);
	r->node_count--;
	free(from);
}

void node_merge(struct routes *r, struct node *from, struct node *to)
{
	merge(r, from, to);
	subtree_refresh(r, to);
}

/* --- forgetting --- */

static bool has_route(const struct node *n)
{
	bool has = n->routes != 0;

	for (const struct node *c = n->first; c && !has; c = c->sibling)
		has = has_route(c);
	return has;
}

static void node_drop(struct routes *r, struct node *n)
{
	while (n->first)
		node_drop(r, n->first);
	node_unlink(r, n);
	r->node_count--;
	r->host_count -= !n->parent;
	if (r->other == n)
		r->other = NULL;
	free(n);
}

/* Among the children of n; NULL: among the hosts. Names stay with their place. */
static void prune(struct routes *r, struct node *n)
{
	struct node *next;

	for (struct node *c = n ? n->first : r->hosts; c; c = next) {
		next = c->sibling;
		if (has_route(c))
			prune(r, c);
		else if (!n || !n->names || c != n->values[n->names])
			node_drop(r, c);
	}
}

void routes_prune(struct routes *r)
{
	prune(r, NULL);
}

/* --- the end --- */

static void subtree_free(struct node *n)
{
	struct node *next;

	for (struct node *c = n->first; c; c = next) {
		next = c->sibling;
		subtree_free(c);
	}
	free(n);
}

void routes_clear(struct routes *r)
{
	struct node *next;

	for (struct node *h = r->hosts; h; h = next) {
		next = h->sibling;
		subtree_free(h);
	}
	for (uint32_t i = 0; i < r->item_count; i++) {
		if (r->items[i]->node || r->items[i]->moved_to)
			free(r->items[i]->text);
		free(r->items[i]);
	}
	for (uint32_t i = 0; i < r->retired_count; i++)
		free(r->retired[i]);
	free(r->items);
	free(r->retired);
	r->hosts = r->other = NULL;
	r->items = NULL;
	r->retired = NULL;
	r->item_count = r->item_size = r->retired_count = r->retired_size = 0;
	r->learned = r->node_count = r->host_count = 0;
}

/* What is described is listed before it is first asked for. */
static int documented_add(struct routes *r)
{
	for (uint32_t t = 0; t < r->counts.documented; t++)
		for (unsigned m = 0; m < METHODS; m++)
			if (operations_methods(r->documented, t) & 1u << m &&
			    !route_documented(r, t, (enum method)m))
				return -ENOMEM;
	return 0;
}

int routes_reset(struct routes *r)
{
	routes_clear(r);
	table_deinit(&r->literals);
	if (r->documented_ids)
		memset(r->documented_ids, 0,
		       (size_t)r->counts.documented * METHODS * sizeof r->documented_ids[0]);
	int e = table_init(&r->literals, ROUTES_NODES_MAX);
	return e ? e : documented_add(r);
}
