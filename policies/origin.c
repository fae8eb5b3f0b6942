// SPDX-License-Identifier: Apache-2.0
/*
 * origin.c: forwarding headers, read from the right. A client may write anything into them before the first
 * trusted proxy appends what it knows; reading from the left, an open quote or a comma of the client's could
 * swallow what the proxy wrote. From the right the first element is the peer's, which is trusted; only if it
 * names another trusted proxy is the next one looked at, which that one wrote.
 */
#include "policies/origin.h"
#include <errno.h>
#include "lib/util.h"

#define NODE_MAX 64 /* "[" 45 "]:65535", and some for escapes */

enum form { FORM_LIST, FORM_FORWARDED_ELEMENTS, FORM_SINGLE };

struct source {
	char *name; /* lower case */
	enum form form;
	enum client_source source;
};

struct origin {
	struct source *sources;
	unsigned count;
};

/* --- the life of it --- */

static struct source source_of(char *name)
{
	static const struct source known[] = {
		{"x-forwarded-for", FORM_LIST, CLIENT_BY_X_FORWARDED_FOR},
		{"forwarded", FORM_FORWARDED_ELEMENTS, CLIENT_BY_FORWARDED},
		{"x-real-ip", FORM_SINGLE, CLIENT_BY_X_REAL_IP},
	};
	struct source s = {name, FORM_SINGLE, CLIENT_BY_HEADER};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcasecmp(name, known[i].name)) {
			s.form = known[i].form;
			s.source = known[i].source;
		}
	return s;
}

int origin_new(const struct config *config, struct origin **ret)
{
	const struct config_strings *headers = &config->proxies.headers;
	struct origin *o = calloc(1, sizeof *o);

	if (o && headers->count)
		o->sources = calloc(headers->count, sizeof *o->sources);
	if (!o || (headers->count && !o->sources)) {
		origin_free(o);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < headers->count; i++) {
		char *name = strdup(headers->items[i]);
		if (!name) {
			origin_free(o);
			return -ENOMEM;
		}
		o->sources[o->count++] = source_of(name);
	}
	*ret = o;
	return 0;
}

void origin_free(struct origin *o)
{
	if (!o)
		return;
	for (unsigned i = 0; i < o->count; i++)
		free(o->sources[i].name);
	free(o->sources);
	free(o);
}

/* --- one hop --- */

static bool port_parse(struct span text, uint16_t *ret)
{
	uint32_t value = 0;

	/* RFC 7239 section 6.3: a port may be obfuscated too. */
	if (text.len > 1 && text.ptr[0] == '_') {
		*ret = 0;
		return true;
	}
	if (!text.len || text.len > 5)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = value * 10 + (uint32_t)(text.ptr[i] - '0');
	}
	*ret = (uint16_t)value;
	return value <= UINT16_MAX;
}

/* The address and what stands behind its colon; port.ptr NULL: no port. False: brackets that do not match. */
static bool node_split(struct span text, struct span *address, struct span *port)
{
	*address = text;
	*port = SPAN_NULL;
	if (text.len && text.ptr[0] == '[') {
		const char *end = memchr(text.ptr, ']', text.len);
		if (!end)
			return false;
		*address = (struct span){text.ptr + 1, (size_t)(end - text.ptr) - 1};
		struct span rest = {end + 1, text.len - address->len - 2};
		if (rest.len && rest.ptr[0] != ':')
			return false;
		if (rest.len)
			*port = (struct span){rest.ptr + 1, rest.len - 1};
		/* Brackets are for IPv6. */
		return memchr(address->ptr, ':', address->len) != NULL;
	}
	const char *colon = text.len ? memchr(text.ptr, ':', text.len) : NULL;
	/* More than one: IPv6 without brackets, as X-Forwarded-For has it. */
	if (colon && colon == memrchr(text.ptr, ':', text.len)) {
		address->len = (size_t)(colon - text.ptr);
		*port = (struct span){colon + 1, text.len - address->len - 1};
	}
	return true;
}

static struct span unquoted(struct span s)
{
	if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
		return (struct span){s.ptr + 1, s.len - 2};
	return s;
}

static bool node_hides(struct span text)
{
	if (text.len > 1 && text.ptr[0] == '_')
		return true;
	return text.len >= 7 && !strncasecmp(text.ptr, "unknown", 7) && (text.len == 7 || text.ptr[7] == ':');
}

int origin_node_parse(struct span text, struct endpoint *ret)
{
	struct endpoint e = {0};
	struct span address, port;

	text = span_trim(unquoted(span_trim(text)));
	if (node_hides(text))
		return ORIGIN_E_HIDDEN;
	if (text.len > NODE_MAX || !node_split(text, &address, &port) || addr_parse(address, &e.addr) ||
	    addr_is_unspecified(&e.addr))
		return ORIGIN_E_UNREADABLE;
	if (port.ptr && !port_parse(port, &e.port))
		return ORIGIN_E_UNREADABLE;
	*ret = e;
	return 0;
}

/* --- lists, from the right --- */

/* Is the quote at `at` one that ends a string, or begins it? An odd number of backslashes before it: neither.
 */
static bool quote_counts(struct span s, size_t at)
{
	size_t n = 0;

	while (n < at && s.ptr[at - 1 - n] == '\\')
		n++;
	return n % 2 == 0;
}

/* Where the last element begins: behind the last comma, outside of quotes. */
static size_t last_begins(struct span list, bool quoted)
{
	bool inside = false;

	for (size_t i = list.len; i-- > 0;) {
		char c = list.ptr[i];
		if (quoted && c == '"' && quote_counts(list, i))
			inside = !inside;
		else if (c == ',' && !inside)
			return i + 1;
	}
	return 0;
}

bool origin_hop_last(struct span *list, bool quoted, struct span *ret)
{
	while (list->len) {
		size_t begin = last_begins(*list, quoted);
		struct span element = span_trim((struct span){list->ptr + begin, list->len - begin});
		list->len = begin ? begin - 1 : 0;
		/* RFC 9110 section 5.6.1: empty elements are to be ignored. */
		if (!element.len)
			continue;
		*ret = element;
		return true;
	}
	return false;
}

/* --- Forwarded (RFC 7239) --- */

/* Up to the next semicolon outside of quotes, which is used up. */
static struct span pair_next(struct span *rest)
{
	bool inside = false;
	size_t i = 0;

	for (; i < rest->len; i++) {
		char c = rest->ptr[i];
		if (inside && c == '\\' && i + 1 < rest->len)
			i++;
		else if (c == '"')
			inside = !inside;
		else if (c == ';' && !inside)
			break;
	}
	struct span pair = {rest->ptr, i};
	size_t used = MIN(i + 1, rest->len);
	*rest = (struct span){rest->ptr + used, rest->len - used};
	return span_trim(pair);
}

/* value of for=, without quotes and escapes. */
static int for_parse(struct span value, struct endpoint *ret)
{
	char text[NODE_MAX];
	size_t len = 0;
	bool quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
	struct span inner = unquoted(value);

	if (!quoted && value.len && memchr(value.ptr, '"', value.len))
		return ORIGIN_E_UNREADABLE;
	if (node_hides(inner))
		return ORIGIN_E_HIDDEN;
	for (size_t i = 0; i < inner.len; i++) {
		char c = inner.ptr[i];
		if (quoted && c == '\\' && i + 1 < inner.len)
			c = inner.ptr[++i];
		else if (c == '"')
			return ORIGIN_E_UNREADABLE;
		if (len == sizeof text)
			return ORIGIN_E_UNREADABLE;
		text[len++] = c;
	}
	return origin_node_parse((struct span){text, len}, ret);
}

int origin_forwarded_parse(struct span element, struct endpoint *ret)
{
	struct endpoint e = {0};
	bool found = false;
	int r = ORIGIN_E_HIDDEN;

	while (element.len) {
		struct span pair = pair_next(&element);
		const char *equals = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
		if (!pair.len)
			continue;
		if (!equals)
			return ORIGIN_E_UNREADABLE;
		struct span name = {pair.ptr, (size_t)(equals - pair.ptr)};
		struct span value = {equals + 1, pair.len - name.len - 1};
		if (!span_equal_nocase(span_trim(name), SPAN("for")))
			continue;
		/* Each parameter may stand once: of two, which one the proxy wrote is not known. */
		if (found)
			return ORIGIN_E_UNREADABLE;
		found = true;
		r = for_parse(span_trim(value), &e);
	}
	if (!r)
		*ret = e;
	return r;
}

/* --- the walk --- */

struct walk {
	struct endpoint at; /* the last hop that is believed */
	uint16_t flags;
	unsigned hops;
	bool present; /* the request carries the header, with something in it */
	bool ended;
	origin_trusts trusts;
	void *arg;
};

static void walk_hop(struct walk *w, struct span element, enum form form)
{
	struct endpoint hop;
	int r;

	w->present = true;
	if (w->hops++ == ORIGIN_HOPS_MAX) {
		w->flags |= CLIENT_FLAG_TOO_MANY_HOPS;
		w->ended = true;
		return;
	}
	r = form == FORM_FORWARDED_ELEMENTS ? origin_forwarded_parse(element, &hop)
					    : origin_node_parse(element, &hop);
	if (r) {
		w->flags |= r == ORIGIN_E_HIDDEN ? CLIENT_FLAG_HIDDEN_HOP : CLIENT_FLAG_UNREADABLE_HOP;
		w->ended = true;
		return;
	}
	w->at = hop;
	w->ended = form == FORM_SINGLE || !w->trusts(w->arg, &hop.addr);
}

static void walk_line(struct walk *w, struct span line, enum form form)
{
	struct span element;

	if (form == FORM_SINGLE) {
		line = span_trim(line);
		if (line.len)
			walk_hop(w, line, form);
		return;
	}
	while (!w->ended && origin_hop_last(&line, form == FORM_FORWARDED_ELEMENTS, &element))
		walk_hop(w, element, form);
}

static void walk_header(struct walk *w, const struct http_request *r, const struct source *s)
{
	struct span name = span_from(s->name);

	for (unsigned i = r->header_count; i-- > 0 && !w->ended;)
		if (span_equal_nocase(r->headers[i].name, name))
			walk_line(w, r->headers[i].value, s->form);
}

/* Do two headers name different clients? One that stops at a trusted proxy does not contradict one that sees
 * further. */
static bool contradicts(const struct walk *chosen, const struct walk *other)
{
	return other->present && !addr_equal(&chosen->at.addr, &other->at.addr) &&
	       !other->trusts(other->arg, &other->at.addr);
}

static void by_headers(const struct origin *o, const struct http_request *r, origin_trusts trusts, void *arg,
		       struct origin_client *client)
{
	struct walk start = {.at = client->endpoint, .trusts = trusts, .arg = arg}, chosen = {0};

	for (unsigned i = 0; i < o->count; i++) {
		struct walk w = start;
		walk_header(&w, r, &o->sources[i]);
		if (!w.present)
			continue;
		if (chosen.present) {
			if (contradicts(&chosen, &w))
				client->flags |= CLIENT_FLAG_CONFLICT;
			continue;
		}
		chosen = w;
		client->flags |= w.flags;
		/* The first hop could not be used: the client is who it was before. */
		if (w.hops == 1 && w.flags)
			continue;
		client->endpoint = w.at;
		client->source = o->sources[i].source;
	}
}

/*
 * False: that is as far as we see, and the request's headers are the words of whoever is behind it. Of LOCAL
 * they are the proxy's own.
 */
static bool by_proxy_header(const struct proxy_header *proxy, origin_trusts trusts, void *arg,
			    struct origin_client *client)
{
	if (proxy->malformed) {
		client->flags |= CLIENT_FLAG_BAD_PROXY_HEADER;
		return false;
	}
	if (proxy->local)
		return true;
	if (proxy->source.addr.family == ADDR_NONE || addr_is_unspecified(&proxy->source.addr)) {
		client->flags |= CLIENT_FLAG_HIDDEN_HOP;
		return false;
	}
	client->endpoint = proxy->source;
	client->source = CLIENT_BY_PROXY_PROTOCOL;
	return trusts(arg, &proxy->source.addr);
}

void origin_find(const struct origin *o, const struct http_request *request, const struct endpoint *peer,
		 const struct proxy_header *proxy, bool uncertain, origin_trusts trusts, void *arg,
		 struct origin_client *ret)
{
	struct origin_client client = {.endpoint = *peer, .source = CLIENT_BY_PEER};

	if (!proxy || by_proxy_header(proxy, trusts, arg, &client)) {
		if (uncertain)
			client.flags |= CLIENT_FLAG_UNCERTAIN;
		/* What the proxy appended may stand in the part that is not there. */
		else if (request->deviations & (HTTP_DEV_TOO_MANY_HEADERS | HTTP_DEV_HEAD_TOO_LARGE))
			client.flags |= CLIENT_FLAG_HEADERS_CUT;
		else
			by_headers(o, request, trusts, arg, &client);
	}
	*ret = client;
}

bool origin_claimed(const struct http_request *r)
{
	for (unsigned i = 0; i < r->header_count; i++) {
		struct span name = r->headers[i].name;
		switch (name.len) {
		case 3:
			if (span_equal_nocase(name, SPAN("Via")))
				return true;
			break;
		case 9:
			if (span_equal_nocase(name, SPAN("Forwarded")) ||
			    span_equal_nocase(name, SPAN("X-Real-IP")))
				return true;
			break;
		case 15:
			if (span_equal_nocase(name, SPAN("X-Forwarded-For")))
				return true;
			break;
		default:
			break;
		}
	}
	return false;
}
