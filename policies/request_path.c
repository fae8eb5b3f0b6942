// SPDX-License-Identifier: Apache-2.0
#include "policies/request_path.h"
#include "lib/utf8.h"
#include "policies/path_segments.h"

#define DECODINGS_MAX 4 /* "%25252f": how often is undone what was encoded again */

/* --- the path of a target --- */

static struct span after(struct span s, size_t skip)
{
	return (struct span){s.ptr + skip, s.len - skip};
}

static size_t length_until(struct span s, const char *ends)
{
	size_t n = 0;

	while (n < s.len && (!s.ptr[n] || !strchr(ends, s.ptr[n])))
		n++;
	return n;
}

/* Without scheme and authority of an absolute form, and the query. False: it has no path. */
static bool path_take(struct span target, struct span *ret)
{
	if (!target.len)
		return false;
	if (target.ptr[0] != '/') {
		size_t scheme = length_until(target, ":/\\?#");
		if (!scheme || target.len < scheme + 3 || memcmp(target.ptr + scheme, "://", 3) != 0)
			return false;
		target = after(target, scheme + 3);
		target = after(target, length_until(target, "/\\?#"));
	}
	*ret = (struct span){target.ptr, length_until(target, "?")};
	return true;
}

/* --- decoding --- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What the escape at s stands for, or -1. */
static int escape_of(struct span s)
{
	int high = s.len > 2 ? digit_of(s.ptr[1]) : -1, low = s.len > 2 ? digit_of(s.ptr[2]) : -1;

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

struct decoded {
	size_t len;
	bool escapes; /* there was one */
	bool broken;  /* a "%" was none */
	bool parts;   /* what came out may end a segment or a path, or begin an escape */
};

/* Once. to may be where the text stands. */
static struct decoded decode(struct span text, char *to)
{
	struct decoded d = {0};

	for (size_t i = 0; i < text.len; i++) {
		int c = text.ptr[i] == '%' ? escape_of(after(text, i)) : -1;
		if (c < 0) {
			d.broken |= text.ptr[i] == '%';
			to[d.len++] = text.ptr[i];
			continue;
		}
		d.escapes = true;
		d.parts |= c && strchr("/\\;?#%", c);
		to[d.len++] = (char)c;
		i += 2;
	}
	return d;
}

/* As often as it was encoded. False: nobody encodes like that. */
static bool decode_all(struct span path, struct request_path *p, size_t *ret_len)
{
	struct decoded d = decode(path, p->text);

	*ret_len = d.len;
	if (d.broken || !d.parts)
		return !d.broken;
	p->kind = REQUEST_PATH_AMBIGUOUS;
	for (unsigned i = 1; i < DECODINGS_MAX && d.escapes; i++)
		d = decode((struct span){p->text, d.len}, p->text);
	*ret_len = d.len;
	return !d.escapes;
}

/* --- segments --- */

static bool has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return true;
	return false;
}

/* last: nothing stands behind it, so that it may be empty. False: there are too many. */
static bool segment_add(struct request_path *p, struct span s, bool last)
{
	size_t len = s.len;

	while (s.len && (s.ptr[s.len - 1] == '.' || s.ptr[s.len - 1] == ' '))
		s.len--;
	if (s.len < len || (!s.len && !last))
		p->kind = REQUEST_PATH_AMBIGUOUS;
	if (!s.len)
		return true;
	if (p->count == REQUEST_PATH_SEGMENTS)
		return false;
	p->segments[p->count++] = s;
	return true;
}

/* Wherever a server might split it. */
static bool split(struct request_path *p, struct span text)
{
	while (text.len) {
		if (text.ptr[0] != '/')
			p->kind = REQUEST_PATH_AMBIGUOUS;
		text = after(text, 1);
		size_t len = length_until(text, "/\\;?#");
		if (!segment_add(p, (struct span){text.ptr, len}, len == text.len))
			return false;
		text = after(text, len);
	}
	return true;
}

static bool path_read(struct span target, struct request_path *p)
{
	struct span path;
	size_t len;

	if (!path_take(target, &path) || path.len > sizeof p->text || !decode_all(path, p, &len))
		return false;
	const struct span text = {p->text, len};

	return !has_control(text) && utf8_valid(text) && split(p, text);
}

void request_path_read(struct span target, struct request_path *ret)
{
	ret->kind = REQUEST_PATH_PLAIN;
	ret->count = 0;
	if (!path_read(target, ret))
		ret->kind = REQUEST_PATH_UNREADABLE;
}

/* --- comparing --- */

static bool is_parameter(struct span s)
{
	return s.ptr[0] == '{';
}

static bool is_route(const struct request_path *p, struct span route)
{
	struct span s;
	unsigned at = 0;

	while (segment_next(&route, &s)) {
		if (at == p->count || (!is_parameter(s) && !span_equal_nocase(p->segments[at], s)))
			return false;
		at++;
	}
	return at == p->count;
}

static bool holds_words(const struct request_path *p, struct span route)
{
	struct span s;
	unsigned at = 0;

	while (segment_next(&route, &s)) {
		if (is_parameter(s))
			continue;
		while (at < p->count && !span_equal_nocase(p->segments[at], s))
			at++;
		if (at++ == p->count)
			return false;
	}
	return true;
}

bool request_path_fits(const struct request_path *p, struct span route)
{
	switch (p->kind) {
	case REQUEST_PATH_PLAIN:
		return is_route(p, route);
	case REQUEST_PATH_AMBIGUOUS:
		return holds_words(p, route);
	case REQUEST_PATH_UNREADABLE:
		break;
	}
	return true;
}
