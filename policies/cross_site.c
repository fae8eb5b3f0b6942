// SPDX-License-Identifier: Apache-2.0
#include "policies/cross_site.h"
#include <string.h>
#include <strings.h>
#include "lib/util.h"

/* The headers that tell; SPAN_NULL where it was not sent. */
struct told {
	struct span host, forwarded_host, origin, referer, site, agent, content_type;
	bool unasked; /* one that no page may set unasked */
};

static bool is(const struct http_header *h, const char *name)
{
	return strncasecmp(h->name.ptr, name, h->name.len) == 0;
}

static void first(struct span *to, const struct http_header *h)
{
	if (!to->ptr)
		*to = h->value;
}

/* One pass: this is asked for each request that a detection counts. */
static void look(const struct http_request *r, struct told *t)
{
	for (unsigned i = 0; i < r->header_count; i++) {
		const struct http_header *h = &r->headers[i];

		switch (h->name.len) {
		case 4:
			if (is(h, "host"))
				first(&t->host, h);
			break;
		case 6:
			if (is(h, "origin"))
				first(&t->origin, h);
			break;
		case 7:
			if (is(h, "referer"))
				first(&t->referer, h);
			break;
		case 9:
			t->unasked |= is(h, "x-api-key");
			break;
		case 10:
			if (is(h, "user-agent"))
				first(&t->agent, h);
			break;
		case 12:
			if (is(h, "content-type"))
				first(&t->content_type, h);
			break;
		case 13:
			t->unasked |= is(h, "authorization");
			break;
		case 14:
			if (is(h, "sec-fetch-site"))
				first(&t->site, h);
			break;
		case 16:
			t->unasked |= is(h, "x-requested-with");
			if (is(h, "x-forwarded-host"))
				first(&t->forwarded_host, h);
			break;
		default:
			break;
		}
	}
}

static bool is_simple_method(struct span method)
{
	return span_equal(method, SPAN("GET")) || span_equal(method, SPAN("POST")) ||
	       span_equal(method, SPAN("HEAD"));
}

static bool is_simple_type(struct span value)
{
	static const char *const simple[] = {"application/x-www-form-urlencoded", "multipart/form-data",
					     "text/plain"};
	size_t len = 0;

	while (len < value.len && value.ptr[len] != ';')
		len++;
	struct span type = span_trim((struct span){value.ptr, len});
	if (!type.len) /* a page may send a body without a type */
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(simple); i++)
		if (span_equal_nocase(type, span_from(simple[i])))
			return true;
	return false;
}

/* Of "scheme://host[:port]/...", host and port; SPAN_NULL: it is none. */
static struct span authority_of(struct span url)
{
	const char *mark = url.len ? memmem(url.ptr, url.len, "://", 3) : NULL;
	size_t len = 0;

	if (!mark)
		return SPAN_NULL;
	struct span rest = {mark + 3, (size_t)(url.ptr + url.len - mark - 3)};
	while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?' && rest.ptr[len] != '#')
		len++;
	return (struct span){rest.ptr, len};
}

/* Without its port: a proxy before this server may have another one. */
static struct span without_port(struct span authority)
{
	for (size_t i = authority.len; i-- > 0 && authority.ptr[i] != ']';)
		if (authority.ptr[i] == ':')
			return (struct span){authority.ptr, i};
	return authority;
}

static bool is_own_host(struct span url, struct span host)
{
	struct span theirs = without_port(authority_of(url)), ours = without_port(host);

	return theirs.len && span_equal_nocase(theirs, ours);
}

bool cross_site_possible(const struct http_request *r)
{
	struct told t = {0};

	/* A body may hold whatever a page likes, and be taken for a request. */
	if (r->deviations & HTTP_DEV_IN_BODY)
		return true;
	if (r->deviations || !is_simple_method(r->method))
		return false;
	look(r, &t);
	if (t.unasked || !is_simple_type(t.content_type))
		return false;
	if (t.site.ptr)
		return span_equal_nocase(t.site, SPAN("cross-site"));
	if (t.origin.ptr)
		return !is_own_host(t.origin, t.host);
	if (t.referer.len)
		return !is_own_host(t.referer, t.host);
	return t.agent.len >= 8 && strncasecmp(t.agent.ptr, "Mozilla/", 8) == 0;
}

/* "app.example.test" of one site with "api.example.test". */
static bool is_neighbour(struct span url, struct span host)
{
	struct span theirs = without_port(authority_of(url)), ours = without_port(host);
	unsigned dots = 0;
	size_t i = 0;

	for (; i < theirs.len && i < ours.len; i++) {
		struct span a = {theirs.ptr + theirs.len - 1 - i, 1}, b = {ours.ptr + ours.len - 1 - i, 1};
		if (!span_equal_nocase(a, b))
			return false;
		dots += a.ptr[0] == '.';
		if (dots == 2)
			return true;
	}
	const struct span longer = theirs.len > i ? theirs : ours;
	return longer.len == i || (dots == 1 && longer.ptr[longer.len - 1 - i] == '.');
}

bool cross_site_referred(const struct http_request *r)
{
	struct told t = {0};

	look(r, &t);
	if (t.site.ptr && !span_equal_nocase(t.site, SPAN("cross-site")))
		return false;
	return authority_of(t.referer).len && !is_neighbour(t.referer, t.host) &&
	       !is_neighbour(t.referer, t.forwarded_host);
}
