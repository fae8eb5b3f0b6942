// SPDX-License-Identifier: Apache-2.0
/*
 * Routes as text, one a line, fields between tabs:
 *
 *     picket-routes 1
 *     secret       HEX                     of the sketches
 *     names        HOST PLACE KIND         words there are names
 *     route        HOST METHOD TEMPLATE REQUESTS NONE 1XX 2XX 3XX 4XX 5XX FIRST LAST SKETCH
 *     documented   "" METHOD TEMPLATE ...  the same, of the OpenAPI file
 *     end          NUMBER OF LINES BEFORE
 *
 * What is not proved is not there. It is read as strictly as what comes from outside: a template must be one
 * that could have been learned. What finds no room is left out;
 * of a place where every route is forgotten nothing is kept.
 */
#include <errno.h>
#include <inttypes.h>
#include "lib/util.h"
#include "policies/routes_internal.h"

#define FIELDS_MAX 14

/* --- writing --- */

static void put_place(struct buffer *out, const struct node *n)
{
	if (!n->parent)
		return;
	put_place(out, n->parent);
	buffer_append_char(out, '/');
	if (n->kind == SEGMENT_WORD)
		buffer_append(out, n->text, n->len);
	else
		buffer_append_text(out, segment_placeholder((enum segment_kind)n->kind));
}

static void put_names(struct buffer *out, const struct node *n, unsigned *lines)
{
	if (n->names) {
		const struct node *host = node_host(n);
		buffer_append_text(out, "names\t");
		buffer_append(out, host->text, host->len);
		buffer_append_char(out, '\t');
		put_place(out, n);
		buffer_printf(out, "\t%s\n", segment_placeholder((enum segment_kind)n->names));
		++*lines;
	}
	for (const struct node *c = n->first; c; c = c->sibling)
		put_names(out, c, lines);
}

/* A route as it was at one moment. Its text and its host outlive every lock. */
struct kept {
	struct route route;
	const struct node *host; /* NULL: documented */
};

static void put_sketch(struct buffer *out, const uint8_t sketch[static ROUTE_SKETCH])
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * ROUTE_SKETCH];

	for (size_t i = 0; i < ROUTE_SKETCH; i++) {
		hex[2 * i] = digits[sketch[i] >> 4];
		hex[2 * i + 1] = digits[sketch[i] & 15];
	}
	buffer_append(out, hex, sizeof hex);
}

static void put_route(struct buffer *out, const struct kept *k)
{
	const struct route *route = &k->route;

	buffer_append_text(out, k->host ? "route\t" : "documented\t");
	if (k->host)
		buffer_append(out, k->host->text, k->host->len);
	buffer_printf(out, "\t%s\t%s\t%" PRIu64, method_name((enum method)route->method), route->text,
		      route->requests);
	for (size_t i = 0; i < ARRAY_SIZE(route->statuses); i++)
		buffer_printf(out, "\t%" PRIu64, route->statuses[i]);
	buffer_printf(out, "\t%" PRIu64 "\t%" PRIu64 "\t", route->first_ns, route->last_ns);
	put_sketch(out, route->sketch);
	buffer_append_char(out, '\n');
}

/* Copies what there is, so that nobody waits while it is written down. NULL: memory is out. */
static struct kept *keep_all(const struct routes *r, uint32_t *ret_count)
{
	struct kept *all = malloc((r->item_count + 1) * sizeof *all);
	uint32_t n = 0;

	for (uint32_t i = 0; all && i < r->item_count; i++) {
		const struct route *route = r->items[i];
		if (!route->moved_to && route->requests)
			all[n++] = (struct kept){*route, route->node ? node_host(route->node) : NULL};
	}
	*ret_count = n;
	return all;
}

int routes_save(struct routes *r, struct buffer *out)
{
	unsigned lines = 2;
	uint32_t count;

	buffer_printf(out, "picket-routes 1\nsecret\t%016" PRIx64 "\n", r->secret);
	pthread_mutex_lock(&r->lock);
	for (const struct node *h = r->hosts; h; h = h->sibling)
		put_names(out, h, &lines);
	_cleanup_free_ struct kept *all = keep_all(r, &count);
	pthread_mutex_unlock(&r->lock);
	if (!all)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		put_route(out, &all[i]);
	buffer_printf(out, "end\t%u\n", lines + count);
	return out->truncated ? -ENOBUFS : 0;
}

/* --- reading --- */

struct loading {
	uint64_t now_ns;
	bool crowded; /* ROUTES_MAX is near: rare routes of another day make room */
};

static bool read_number(struct span s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!s.len || s.len > 19)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.ptr[i] - '0');
	}
	*ret = v;
	return true;
}

static bool read_hex(struct span s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!s.len || s.len > 16)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		v = v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*ret = v;
	return true;
}

static bool read_sketch(struct span s, uint8_t sketch[static ROUTE_SKETCH])
{
	uint64_t v;

	if (s.len != (size_t)2 * ROUTE_SKETCH)
		return false;
	for (size_t i = 0; i < ROUTE_SKETCH; i++) {
		if (!read_hex((struct span){s.ptr + 2 * i, 2}, &v) || v > 58)
			return false;
		sketch[i] = (uint8_t)v;
	}
	return true;
}

/* Fields of a line; 0: too many. */
static unsigned split(struct span line, struct span fields[static FIELDS_MAX])
{
	unsigned n = 0;

	for (;;) {
		const char *tab = line.len ? memchr(line.ptr, '\t', line.len) : NULL;
		if (n == FIELDS_MAX)
			return 0;
		fields[n++] = (struct span){line.ptr, tab ? (size_t)(tab - line.ptr) : line.len};
		if (!tab)
			return n;
		line = (struct span){tab + 1, line.len - (size_t)(tab + 1 - line.ptr)};
	}
}

static bool host_is_good(struct span s)
{
	if (s.len == 1 && s.ptr[0] == '*')
		return true;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
		      c == ':'))
			return false;
	}
	return s.len <= 253;
}

static struct node *host_at(struct routes *r, struct span host, uint64_t now_ns)
{
	bool other = span_equal(host, SPAN("*"));
	struct node *n = node_literal(r, NULL, host);

	if (n || (other ? r->host_count >= ROUTES_HOSTS_MAX : hosts_are_full(r)))
		return n;
	n = node_new(r, NULL, SEGMENT_WORD, host, chain_of(r, 0, SEGMENT_WORD, host), now_ns);
	if (other)
		r->other = n;
	return n;
}

static struct node *child_at(struct routes *r, struct node *n, enum segment_kind kind, struct span text,
			     uint64_t now_ns)
{
	struct node *child = kind == SEGMENT_WORD ? node_literal(r, n, text) : n->values[kind];

	return child ? child : node_new(r, n, kind, text, chain_of(r, n->chain, kind, text), now_ns);
}

/* Could it have been learned? */
static bool place_is_good(struct span host, struct span path)
{
	struct span text;
	unsigned depth = 0;

	if (!host_is_good(host) || (path.len && path.ptr[0] != '/'))
		return false;
	while (segment_next(&path, &text))
		if (++depth > ROUTES_DEPTH_MAX ||
		    (segment_of_placeholder(text) == SEGMENT_WORD && segment_kind(text) != SEGMENT_WORD))
			return false;
	return true;
}

/* The node of a template, made. NULL: there is no room (counted). */
static struct node *place_at(struct routes *r, struct span host, struct span path, uint64_t now_ns)
{
	struct node *n = host_at(r, host, now_ns);
	struct span text;

	while (n && segment_next(&path, &text))
		n = child_at(r, n, segment_of_placeholder(text), text, now_ns);
	r->counts.refused += !n;
	return n;
}

static bool load_names(struct routes *r, const struct span *fields, uint64_t now_ns)
{
	enum segment_kind kind = segment_of_placeholder(fields[3]);

	if (!place_is_good(fields[1], fields[2]) || (kind != SEGMENT_ID && kind != SEGMENT_NAME))
		return false;
	struct node *n = place_at(r, fields[1], fields[2], now_ns);
	if (!n)
		return true;
	if (n->names)
		return false;
	n->names = (uint8_t)kind;
	child_at(r, n, kind, SPAN_NULL, now_ns);
	return true;
}

static bool read_method(struct span s, enum method *ret)
{
	*ret = method_of(s);
	return *ret != METHOD_OTHER || span_equal(s, span_from(method_name(METHOD_OTHER)));
}

static bool read_numbers(const struct span *fields, struct route *ret)
{
	bool good = read_number(fields[4], &ret->requests) && read_number(fields[11], &ret->first_ns) &&
		    read_number(fields[12], &ret->last_ns) && read_sketch(fields[13], ret->sketch);

	for (unsigned i = 0; good && i < ARRAY_SIZE(ret->statuses); i++)
		good = read_number(fields[5 + i], &ret->statuses[i]);
	return good;
}

static void route_restore(struct route *route, const struct route *from)
{
	route->requests = from->requests;
	route->first_ns = from->first_ns;
	route->last_ns = from->last_ns;
	memcpy(route->statuses, from->statuses, sizeof route->statuses);
	memcpy(route->sketch, from->sketch, sizeof route->sketch);
	for (struct node *n = route->node; n; n = n->parent) {
		n->requests += from->requests;
		n->first_ns = MIN(n->first_ns, from->first_ns);
	}
}

static bool is_forgotten(const struct route *route, const struct loading *l)
{
	uint64_t age_ns = l->now_ns > route->last_ns ? l->now_ns - route->last_ns : 0;

	return age_ns > ROUTES_FORGET_S * NS_PER_S ||
	       (l->crowded && route->requests < ROUTES_KEPT && age_ns > 24 * 3600 * NS_PER_S);
}

static bool load_route(struct routes *r, const struct span *fields, const struct loading *l)
{
	struct route values = {0};
	enum method method;
	unsigned template;

	if (!read_method(fields[2], &method) || !read_numbers(fields, &values) ||
	    fields[3].len > ROUTES_TEXT_MAX)
		return false;
	if (is_forgotten(&values, l))
		return true;
	/* Described meanwhile. */
	if (r->documented && operations_match(r->documented, fields[3], &template))
		return true;
	if (!fields[3].len || !place_is_good(fields[1], fields[3]))
		return false;
	struct node *n = place_at(r, fields[1], fields[3], l->now_ns);
	if (!n)
		return true;
	if (route_find_at(r, n, method))
		return false;
	uint32_t id = route_at(r, n, method);
	if (id)
		route_restore(r->items[id - 1], &values);
	r->counts.refused += !id;
	return true;
}

/* Of a template that the file does not have any more nothing is kept. */
static bool load_documented(struct routes *r, const struct span *fields)
{
	struct route values = {0};
	enum method method;
	unsigned template;

	if (!read_method(fields[2], &method) || !read_numbers(fields, &values) || fields[1].len)
		return false;
	if (!r->documented || !operations_match(r->documented, fields[3], &template) ||
	    !span_equal(operations_path(r->documented, template), fields[3]))
		return true;
	uint32_t id = route_documented(r, template, method);
	if (id)
		route_restore(r->items[id - 1], &values);
	return id != 0;
}

static bool load_line(struct routes *r, struct span line, unsigned number, const struct loading *l,
		      bool *ret_end)
{
	struct span fields[FIELDS_MAX];
	unsigned count = split(line, fields);
	uint64_t lines;

	if (number == 1)
		return span_equal(line, SPAN("picket-routes 1"));
	if (number == 2)
		return count == 2 && span_equal(fields[0], SPAN("secret")) && read_hex(fields[1], &r->secret);
	if (count == FIELDS_MAX && span_equal(fields[0], SPAN("route")))
		return load_route(r, fields, l);
	if (count == FIELDS_MAX && span_equal(fields[0], SPAN("documented")))
		return load_documented(r, fields);
	if (count == 4 && span_equal(fields[0], SPAN("names")))
		return load_names(r, fields, l->now_ns);
	*ret_end = count == 2 && span_equal(fields[0], SPAN("end")) && read_number(fields[1], &lines) &&
		   lines == number - 1;
	return *ret_end;
}

static bool is_crowded(struct span text)
{
	unsigned routes = 0;

	while (text.len) {
		const char *at = memmem(text.ptr, text.len, "\nroute\t", 7);
		if (!at)
			break;
		routes++;
		text = (struct span){at + 1, text.len - (size_t)(at + 1 - text.ptr)};
	}
	return routes >= ROUTES_MAX / 4 * 3;
}

static int load(struct routes *r, struct span text, uint64_t now_ns, unsigned *ret_line)
{
	struct loading l = {now_ns, is_crowded(text)};
	bool end = false;

	*ret_line = 0;
	while (text.len && !end) {
		const char *newline = memchr(text.ptr, '\n', text.len);
		++*ret_line;
		if (!newline)
			return ROUTES_E_FORMAT;
		struct span line = {text.ptr, (size_t)(newline - text.ptr)};
		if (!load_line(r, line, *ret_line, &l, &end))
			return ROUTES_E_FORMAT;
		text = (struct span){newline + 1, text.len - line.len - 1};
	}
	return end && !text.len ? 0 : ROUTES_E_FORMAT;
}

int routes_load(struct routes *r, struct span text, uint64_t now_ns, unsigned *ret_line)
{
	pthread_mutex_lock(&r->lock);
	int e = load(r, text, now_ns, ret_line);
	int reset = e ? routes_reset(r) : 0;
	if (!e)
		routes_prune(r);
	pthread_mutex_unlock(&r->lock);
	return reset ? reset : e;
}
