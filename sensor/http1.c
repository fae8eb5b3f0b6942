// SPDX-License-Identifier: Apache-2.0
/*
 * http1.c: HTTP/1 request heads, from bytes. Two passes: one that finds the end of a head
 * and can be resumed at any byte, one that takes a whole head apart. Servers differ in what they accept; the
 * choices here follow what RFC 9112 allows a lenient recipient, and nginx where it says nothing. Whatever is
 * accepted beyond the rules is flagged, so that nothing is hidden and nothing is silently repaired.
 */
#include "sensor/http1.h"
#include "lib/util.h"
#include "sensor/http1_host.h"

enum { CLASS_TOKEN = 1, CLASS_TARGET = 2, CLASS_SPACE = 4, CLASS_CONTROL = 8, CLASS_UPPER = 16 };

#define T  (CLASS_TOKEN | CLASS_TARGET)
#define U  (CLASS_TOKEN | CLASS_TARGET | CLASS_UPPER)
#define G  CLASS_TARGET
#define C  CLASS_CONTROL
#define CS (CLASS_CONTROL | CLASS_SPACE)
/*
 * What a byte may be. Space: what RFC 9112 section 3 lets a lenient recipient take for white space in the
 * request line. Bytes from 0x80 on have no class.
 */
static const uint8_t classes[256] = {
	C,           C, C, C, C, C, C, C, C, CS, C, CS, CS, CS, C, C, /* 0x00 */
	C,           C, C, C, C, C, C, C, C, C,  C, C,  C,  C,  C, C, /* 0x10 */
	CLASS_SPACE, T, G, T, T, T, T, T, G, G,  T, T,  G,  T,  T, G, /* 0x20  !"#$%&'()*+,-./ */
	T,           T, T, T, T, T, T, T, T, T,  G, G,  G,  G,  G, G, /* 0x30 0-9:;<=>? */
	G,           U, U, U, U, U, U, U, U, U,  U, U,  U,  U,  U, U, /* 0x40 @A-O */
	U,           U, U, U, U, U, U, U, U, U,  U, G,  G,  G,  T, T, /* 0x50 P-Z[\]^_ */
	T,           T, T, T, T, T, T, T, T, T,  T, T,  T,  T,  T, T, /* 0x60 `a-o */
	T,           T, T, T, T, T, T, T, T, T,  T, G,  T,  G,  T, C, /* 0x70 p-z{|}~ DEL */
};
#undef T
#undef U
#undef G
#undef C
#undef CS

static bool is(char c, unsigned wanted)
{
	return classes[(unsigned char)c] & wanted;
}

bool http1_is_token(char c)
{
	return is(c, CLASS_TOKEN);
}

static bool all(struct span s, unsigned wanted)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is(s.ptr[i], wanted))
			return false;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool starts_with(struct span s, struct span head)
{
	return s.len >= head.len && memcmp(s.ptr, head.ptr, head.len) == 0;
}

static struct span span_skip(struct span s, size_t n)
{
	return (struct span){s.ptr + n, s.len - n};
}

/* --- the request line --- */

/* "d.d" → version. What cannot be read counts as 1.1: the version decides nothing that an attacker could gain
 * by. */
static void parse_version(struct span v, struct http_request *r)
{
	unsigned n[2] = {0, 0};
	size_t i = 0;

	for (unsigned k = 0; k < 2; k++) {
		size_t from = i;
		for (; i < v.len && is_digit(v.ptr[i]) && i - from < 3; i++)
			n[k] = n[k] * 10 + (unsigned)(v.ptr[i] - '0');
		if (i == from || (k == 0 && (i == v.len || v.ptr[i++] != '.'))) {
			r->deviations |= HTTP_DEV_BAD_VERSION;
			r->version_major = r->version_minor = 1;
			return;
		}
	}
	r->version_major = n[0];
	r->version_minor = n[1];
	if (v.len != 3 || n[0] != 1 || n[1] > 1)
		r->deviations |= HTTP_DEV_BAD_VERSION;
}

/* The last "HTTP/" in rest that stands at its start or behind white space: its offset, or rest.len. */
static size_t find_version(struct span rest)
{
	static const struct span http = SPAN("HTTP/");

	/* Nearly every request ends in " HTTP/1.1". */
	if (rest.len > 9 && rest.ptr[rest.len - 9] == ' ' &&
	    memcmp(rest.ptr + rest.len - 8, http.ptr, 5) == 0)
		return rest.len - 8;
	for (size_t i = rest.len < http.len ? 0 : rest.len - http.len + 1; i-- > 0;)
		if (strncasecmp(rest.ptr + i, http.ptr, http.len) == 0 &&
		    (i == 0 || is(rest.ptr[i - 1], CLASS_SPACE)))
			return i;
	return rest.len;
}

/* The start of a last word like "RTSP/1.0", or rest.len. */
static size_t find_other_protocol(struct span rest)
{
	size_t i = rest.len;

	while (i > 0 && !is(rest.ptr[i - 1], CLASS_SPACE))
		i--;
	if (i == 0)
		return rest.len;
	size_t k = i;
	while (k < rest.len && is_alpha(rest.ptr[k]))
		k++;
	if (k > i && k + 1 < rest.len && rest.ptr[k] == '/' && is_digit(rest.ptr[k + 1]))
		return i;
	return rest.len;
}

/* Length of "scheme://" at the start of target, or 0. */
static size_t scheme_len(struct span target)
{
	size_t i = 0;

	if (!target.len || !is_alpha(target.ptr[0]))
		return 0;
	while (i < target.len && (is_alpha(target.ptr[i]) || is_digit(target.ptr[i]) ||
				  target.ptr[i] == '+' || target.ptr[i] == '-' || target.ptr[i] == '.'))
		i++;
	return starts_with(span_skip(target, i), SPAN("://")) ? i + 3 : 0;
}

/* Could it be host, port and user (RFC 3986 section 3.2)? Looks at the characters only. */
static bool is_authority(struct span a)
{
	for (size_t i = 0; i < a.len; i++)
		if (!is_alpha(a.ptr[i]) && !is_digit(a.ptr[i]) &&
		    !memchr("-._~!$&'()*+,;=:@[]%", a.ptr[i], 20))
			return false;
	return a.len > 0;
}

/* Splits the target (RFC 9112 section 3.2) and judges its form and bytes. */
static void split_target(struct http_request *r)
{
	struct span rest = r->target;
	bool connect = span_equal(r->method, SPAN("CONNECT"));
	size_t scheme = scheme_len(rest);

	r->query = (struct span){rest.ptr + rest.len, 0};
	/* A fragment is not sent (RFC 9112 section 3.2). */
	if (!all(rest, CLASS_TARGET) || memchr(rest.ptr, '#', rest.len))
		r->deviations |= HTTP_DEV_BAD_TARGET;
	if (scheme) {
		rest = span_skip(rest, scheme);
		size_t i = 0;
		while (i < rest.len && rest.ptr[i] != '/' && rest.ptr[i] != '?' && rest.ptr[i] != '#')
			i++;
		if (!is_authority((struct span){rest.ptr, i}))
			r->deviations |= HTTP_DEV_BAD_TARGET;
		rest = span_skip(rest, i);
	} else if (connect) {
		if (!is_authority(rest))
			r->deviations |= HTTP_DEV_BAD_TARGET;
		r->path = r->query;
		return;
	} else if (!rest.len || (rest.ptr[0] != '/' && !span_equal(rest, SPAN("*")))) {
		r->deviations |= HTTP_DEV_BAD_TARGET;
	}
	size_t i = 0;
	while (i < rest.len && rest.ptr[i] != '?' && rest.ptr[i] != '#')
		i++;
	r->path = (struct span){rest.ptr, i};
	if (scheme && i == 0)
		r->path = SPAN("/");
	if (i < rest.len && rest.ptr[i] == '?')
		r->query = span_skip(rest, i + 1);
}

/* Upper-case letters, - and _: the methods that nginx takes. */
static bool is_plain_method(struct span m)
{
	for (size_t i = 0; i < m.len; i++)
		if (!is(m.ptr[i], CLASS_UPPER) && m.ptr[i] != '-' && m.ptr[i] != '_')
			return false;
	return true;
}

/* What some server takes for a target where no version follows. */
static bool is_short_target(struct span target)
{
	return target.ptr[0] == '/' || target.ptr[0] == '*' || scheme_len(target);
}

/* "/ HTTP": a version that breaks off. No server reads a target with a space there, they all refuse it. */
static bool ends_in_protocol(struct span rest)
{
	static const struct span http = SPAN("HTTP");

	if (rest.len <= http.len || !is(rest.ptr[rest.len - http.len - 1], CLASS_SPACE))
		return false;
	return memcmp(rest.ptr + rest.len - http.len, http.ptr, http.len) == 0;
}

/*
 * What follows the method → target and version. Without a version only the HTTP/0.9 form is a request:
 * upper-case method, then a path, an asterisk or an absolute target.
 */
static int parse_target_and_version(struct span rest, struct http_request *r)
{
	size_t at = find_version(rest);

	if (at < rest.len) {
		if (memcmp(rest.ptr + at, "HTTP/", 5) != 0)
			r->deviations |= HTTP_DEV_BAD_VERSION;
		parse_version(span_skip(rest, at + 5), r);
	} else if ((at = find_other_protocol(rest)) < rest.len) {
		r->deviations |= HTTP_DEV_BAD_VERSION;
		const char *slash = memchr(rest.ptr + at, '/', rest.len - at);
		parse_version(span_skip(rest, (size_t)(slash + 1 - rest.ptr)), r);
	} else {
		if (!is_plain_method(r->method) || !is_short_target(rest) || ends_in_protocol(rest))
			return HTTP1_E_NOT_HTTP;
		r->deviations |= HTTP_DEV_NO_VERSION;
		r->version_major = 0;
		r->version_minor = 9;
	}
	size_t end = at;
	while (end > 0 && is(rest.ptr[end - 1], CLASS_SPACE))
		end--;
	if (at < rest.len && at > 0 && (at - end != 1 || rest.ptr[end] != ' '))
		r->deviations |= HTTP_DEV_EXTRA_SPACE;
	r->target = (struct span){rest.ptr, end};
	split_target(r);
	return 0;
}

/* line: without its end. Sets everything of the request line, or HTTP1_E_NOT_HTTP. */
static int parse_start_line(struct span line, struct http_request *r)
{
	size_t i = 0;

	if (!line.len || !is(line.ptr[0], CLASS_TARGET | CLASS_SPACE))
		return HTTP1_E_NOT_HTTP;
	while (i < line.len && is(line.ptr[i], CLASS_SPACE))
		i++;
	if (i)
		r->deviations |= HTTP_DEV_EXTRA_SPACE;
	line = span_skip(line, i);
	for (i = 0; i < line.len && !is(line.ptr[i], CLASS_SPACE); i++)
		if (is(line.ptr[i], CLASS_CONTROL))
			return HTTP1_E_NOT_HTTP;
	r->method = (struct span){line.ptr, i};
	if (i == 0 || i == line.len)
		return HTTP1_E_NOT_HTTP;
	if (!all(r->method, CLASS_TOKEN))
		r->deviations |= HTTP_DEV_BAD_METHOD;

	size_t from = i;
	while (i < line.len && is(line.ptr[i], CLASS_SPACE))
		i++;
	if (i - from != 1 || line.ptr[from] != ' ')
		r->deviations |= HTTP_DEV_EXTRA_SPACE;
	struct span rest = span_skip(line, i);
	while (rest.len && is(rest.ptr[rest.len - 1], CLASS_SPACE)) {
		rest.len--;
		r->deviations |= HTTP_DEV_EXTRA_SPACE;
	}
	if (!rest.len)
		return HTTP1_E_NOT_HTTP;
	/* The HTTP/2 connection preface is no request. */
	if (span_equal(line, SPAN("PRI * HTTP/2.0")))
		return HTTP1_E_NOT_HTTP;
	return parse_target_and_version(rest, r);
}

static void request_init(struct http_request *r)
{
	/* The header array is most of it and is written as it fills. */
	r->method = r->target = r->path = r->query = SPAN_NULL;
	r->version_major = r->version_minor = 1;
	r->header_count = 0;
	r->body = HTTP_BODY_NONE;
	r->content_length = 0;
	r->upgrade = false;
	r->deviations = 0;
	r->head_len = 0;
}

/* --- the end of a head --- */

enum { SCAN_LEADING, SCAN_START_LINE, SCAN_HEADERS };

/* A line that has no end yet: can it still become a request line? Looks at few bytes, however often it is
 * called. */
static bool may_become_start_line(struct span line)
{
	size_t n = MIN(line.len, (size_t)16);

	if (line.len && !is(line.ptr[0], CLASS_TARGET | CLASS_SPACE))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (is(line.ptr[i], CLASS_SPACE))
			return true;
		if (is(line.ptr[i], CLASS_CONTROL))
			return false;
	}
	return true;
}

static struct span line_content(struct span bytes, size_t from, size_t newline)
{
	struct span line = {bytes.ptr + from, newline - from};

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* 0: the head ends with the request line (HTTP/0.9), HTTP1_E_MORE: headers follow. */
static int scan_start_line(struct span line)
{
	struct http_request r;

	request_init(&r);
	int k = parse_start_line(line, &r);
	if (k)
		return k;
	return r.deviations & HTTP_DEV_NO_VERSION ? 0 : HTTP1_E_MORE;
}

int http1_scan(struct http1_scan *s, struct span bytes)
{
	size_t len = MIN(bytes.len, (size_t)HTTP1_HEAD_MAX);

	if (s->phase == SCAN_LEADING) {
		while (s->at < len && (bytes.ptr[s->at] == '\r' || bytes.ptr[s->at] == '\n'))
			s->at++;
		s->line = s->at;
		if (s->at < len)
			s->phase = SCAN_START_LINE;
	}
	while (s->at < len) {
		const char *lf = memchr(bytes.ptr + s->at, '\n', len - s->at);
		if (!lf) {
			s->at = (uint32_t)len;
			if (s->phase == SCAN_START_LINE &&
			    !may_become_start_line((struct span){bytes.ptr + s->line, len - s->line}))
				return HTTP1_E_NOT_HTTP;
			break;
		}
		size_t newline = (size_t)(lf - bytes.ptr);
		struct span line = line_content(bytes, s->line, newline);
		s->line = s->at = (uint32_t)newline + 1;
		if (s->phase == SCAN_START_LINE) {
			int r = scan_start_line(line);
			if (r != HTTP1_E_MORE)
				return r;
			s->phase = SCAN_HEADERS;
		} else if (line.len == 0) {
			return 0;
		}
	}
	if (len < HTTP1_HEAD_MAX)
		return HTTP1_E_MORE;
	return s->phase == SCAN_LEADING ? HTTP1_E_NOT_HTTP : 0;
}

/* --- header lines and the body's framing --- */

/* What the headers say about the body, gathered from every line, also from those beyond the list. */
struct framing {
	unsigned lengths, encodings, hosts;
	unsigned chunked; /* how often the coding is named */
	bool chunked_last;
	bool unknown_coding;
	bool length_ok;
	uint64_t length;
	bool upgrade, connection_upgrade;
};

/* Folded values may begin or end with the line break. */
static struct span trim_value(struct span v)
{
	while (v.len && (v.ptr[0] == ' ' || v.ptr[0] == '\t' || v.ptr[0] == '\r' || v.ptr[0] == '\n'))
		v = span_skip(v, 1);
	while (v.len && (v.ptr[v.len - 1] == ' ' || v.ptr[v.len - 1] == '\t' || v.ptr[v.len - 1] == '\r' ||
			 v.ptr[v.len - 1] == '\n'))
		v.len--;
	return v;
}

/* Next element of a comma-separated list, trimmed; false at its end. */
static bool next_element(struct span *list, struct span *ret)
{
	if (!list->ptr)
		return false;
	const char *comma = list->len ? memchr(list->ptr, ',', list->len) : NULL;
	if (comma) {
		*ret = trim_value((struct span){list->ptr, (size_t)(comma - list->ptr)});
		*list = span_skip(*list, (size_t)(comma + 1 - list->ptr));
	} else {
		*ret = trim_value(*list);
		*list = SPAN_NULL;
	}
	return true;
}

static void note_content_length(struct framing *f, struct span value, struct http_request *r, bool tab)
{
	uint64_t n = 0;
	bool ok = value.len > 0;

	for (size_t i = 0; i < value.len && ok; i++) {
		uint64_t digit = (uint64_t)(value.ptr[i] - '0');
		ok = is_digit(value.ptr[i]) && n <= ((uint64_t)INT64_MAX - digit) / 10;
		n = n * 10 + digit;
	}
	f->lengths++;
	if (!ok || tab)
		r->deviations |= HTTP_DEV_BAD_CONTENT_LENGTH;
	if (!ok)
		return;
	if (!f->length_ok)
		f->length = n; /* the first that can be read counts */
	f->length_ok = true;
}

static void note_transfer_encoding(struct framing *f, struct span value, bool tab)
{
	static const struct span known[] = {SPAN("gzip"), SPAN("deflate"), SPAN("compress"), SPAN("x-gzip"),
					    SPAN("x-compress")};
	struct span coding;
	bool any = false;

	f->encodings++;
	f->unknown_coding |= tab;
	while (next_element(&value, &coding)) {
		/* An empty element is allowed, but not all servers read on behind it. */
		if (!coding.len) {
			f->unknown_coding = true;
			continue;
		}
		any = true;
		f->chunked_last = span_equal_nocase(coding, SPAN("chunked"));
		if (f->chunked_last) {
			f->chunked++;
			continue;
		}
		bool found = false;
		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			found |= span_equal_nocase(coding, known[i]);
		f->unknown_coding |= !found;
	}
	f->unknown_coding |= !any;
}

static void note_connection(struct framing *f, struct span value)
{
	struct span option;

	while (next_element(&value, &option))
		f->connection_upgrade |= span_equal_nocase(option, SPAN("upgrade"));
}

/* A tab beside the value is allowed, but servers differ in whether they take it away. */
static bool has_tab(struct span value)
{
	return value.len && memchr(value.ptr, '\t', value.len);
}

static void add_header(struct http_request *r, struct framing *f, struct span name, struct span value)
{
	bool tab = false;

	if (name.len == 14 || name.len == 17)
		tab = has_tab(value);
	value = trim_value(value);
	if (r->header_count < HTTP_HEADERS_MAX)
		r->headers[r->header_count++] = (struct http_header){name, value};
	else
		r->deviations |= HTTP_DEV_TOO_MANY_HEADERS;

	switch (name.len) {
	case 4:
		f->hosts += span_equal_nocase(name, SPAN("Host"));
		break;
	case 7:
		f->upgrade |= value.len && span_equal_nocase(name, SPAN("Upgrade"));
		break;
	case 10:
		if (span_equal_nocase(name, SPAN("Connection")))
			note_connection(f, value);
		break;
	case 14:
		if (span_equal_nocase(name, SPAN("Content-Length")))
			note_content_length(f, value, r, tab);
		break;
	case 17:
		if (span_equal_nocase(name, SPAN("Transfer-Encoding")))
			note_transfer_encoding(f, value, tab);
		break;
	default:
		break;
	}
}

/* One header line → name and value, with what is wrong about it. */
static void parse_header_line(struct span line, struct http_request *r, struct span *ret_name,
			      struct span *ret_value)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	struct span name = line;

	if (colon) {
		name.len = (size_t)(colon - line.ptr);
		*ret_value = span_skip(line, name.len + 1);
	} else {
		r->deviations |= HTTP_DEV_NO_COLON;
		*ret_value = (struct span){line.ptr + line.len, 0};
	}
	*ret_name = span_trim(name);
	if (ret_name->len != name.len && colon)
		r->deviations |= HTTP_DEV_SPACE_BEFORE_COLON;
	if (!ret_name->len || !all(*ret_name, CLASS_TOKEN))
		r->deviations |= HTTP_DEV_BAD_HEADER_NAME;
}

#define EACH_BYTE(n) (~0ull / 255 * (n))

/* A control character other than a tab? Eight bytes at a time: values are most of a head. */
static bool has_control(struct span s)
{
	size_t i = 0;

	for (; i + 8 <= s.len; i += 8) {
		uint64_t x, del;
		memcpy(&x, s.ptr + i, 8);
		del = x ^ EACH_BYTE(0x7f);
		if (!(((x - EACH_BYTE(0x20)) & ~x & EACH_BYTE(0x80)) |
		      ((del - EACH_BYTE(1)) & ~del & EACH_BYTE(0x80))))
			continue;
		for (size_t k = i; k < i + 8; k++)
			if (is(s.ptr[k], CLASS_CONTROL) && s.ptr[k] != '\t')
				return true;
	}
	for (; i < s.len; i++)
		if (is(s.ptr[i], CLASS_CONTROL) && s.ptr[i] != '\t')
			return true;
	return false;
}

static void check_value(struct span value, struct http_request *r)
{
	if (has_control(value))
		r->deviations |= HTTP_DEV_BAD_HEADER_VALUE;
}

/* RFC 9112 section 6.3, with the lenient choice where the RFC would have the server refuse. */
static void decide_body(const struct framing *f, struct http_request *r)
{
	if (f->encodings) {
		bool old = r->version_major == 0 || (r->version_major == 1 && r->version_minor == 0);
		if (f->encodings > 1 || f->chunked != 1 || !f->chunked_last || f->unknown_coding || old)
			r->deviations |= HTTP_DEV_BAD_TRANSFER_ENCODING;
		if (f->lengths)
			r->deviations |= HTTP_DEV_CL_AND_TE;
	}
	if (f->lengths > 1)
		r->deviations |= HTTP_DEV_TWO_CONTENT_LENGTHS;
	if (f->chunked) {
		r->body = HTTP_BODY_CHUNKED;
	} else if (f->length_ok) {
		r->body = HTTP_BODY_LENGTH;
		r->content_length = f->length;
	}
	r->upgrade = (f->upgrade && f->connection_upgrade) || span_equal(r->method, SPAN("CONNECT"));
	if (f->hosts > 1)
		r->deviations |= HTTP_DEV_TWO_HOSTS;
	if (!f->hosts && (r->version_major > 1 || (r->version_major == 1 && r->version_minor >= 1)))
		r->deviations |= HTTP_DEV_NO_HOST;
	r->deviations |= http1_host_deviations(r);
}

/* The header lines from `at` on. Returns how many bytes of the head are used; *ret_ended: the empty line was
 * there. */
static size_t parse_header_lines(struct span head, size_t at, struct http_request *r, bool *ret_ended)
{
	struct framing f = {0};
	struct span name = SPAN_NULL, value = SPAN_NULL;
	const char *lf;

	*ret_ended = false;
	while (at < head.len && (lf = memchr(head.ptr + at, '\n', head.len - at))) {
		size_t newline = (size_t)(lf - head.ptr);
		struct span line = line_content(head, at, newline);
		if (line.len == newline - at)
			r->deviations |= HTTP_DEV_BARE_LF;
		at = newline + 1;
		if (line.len == 0) {
			*ret_ended = true;
			break;
		}
		bool fold = line.ptr[0] == ' ' || line.ptr[0] == '\t';
		if (fold)
			r->deviations |= HTTP_DEV_OBS_FOLD;
		if (fold && name.ptr) {
			check_value(line, r);
			value.len = (size_t)(line.ptr + line.len - value.ptr);
			continue;
		}
		if (name.ptr)
			add_header(r, &f, name, value);
		parse_header_line(line, r, &name, &value);
		check_value(value, r);
	}
	if (name.ptr)
		add_header(r, &f, name, value);
	decide_body(&f, r);
	return at;
}

void http1_rest_header(struct span line, enum http_body *body, uint64_t *length)
{
	struct http_request r;
	struct framing f = {0};
	struct span name, value;

	request_init(&r);
	parse_header_line(line, &r, &name, &value);
	value = trim_value(value);
	if (span_equal_nocase(name, SPAN("Content-Length")))
		note_content_length(&f, value, &r, false);
	else if (span_equal_nocase(name, SPAN("Transfer-Encoding")))
		note_transfer_encoding(&f, value, false);
	if (f.chunked) {
		*body = HTTP_BODY_CHUNKED;
	} else if (f.length_ok && *body == HTTP_BODY_NONE) {
		*body = HTTP_BODY_LENGTH;
		*length = f.length;
	}
}

/* The ceiling came before the first line's end: method and what there is of the target. */
static int parse_cut_start_line(struct span head, size_t at, struct http_request *r)
{
	int k = parse_start_line(span_skip(head, at), r);

	if (k)
		return k;
	/* It only looks like the short form, its version never came. */
	r->deviations &= ~(uint32_t)HTTP_DEV_NO_VERSION;
	r->version_major = r->version_minor = 1;
	r->deviations |= HTTP_DEV_HEAD_TOO_LARGE;
	r->head_len = head.len;
	return 0;
}

int http1_parse_head(struct span head, struct http_request *ret)
{
	size_t at = 0;
	bool ended;

	request_init(ret);
	while (at < head.len && (head.ptr[at] == '\r' || head.ptr[at] == '\n'))
		at++;
	if (at)
		ret->deviations |= HTTP_DEV_LEADING_EMPTY_LINE;
	const char *lf = at < head.len ? memchr(head.ptr + at, '\n', head.len - at) : NULL;
	if (!lf)
		return head.len < HTTP1_HEAD_MAX ? HTTP1_E_MORE : parse_cut_start_line(head, at, ret);
	size_t newline = (size_t)(lf - head.ptr);
	struct span line = line_content(head, at, newline);
	if (line.len == newline - at)
		ret->deviations |= HTTP_DEV_BARE_LF;
	int r = parse_start_line(line, ret);
	if (r)
		return r;
	if (ret->deviations & HTTP_DEV_NO_VERSION) {
		/* HTTP/0.9: the line is the request, and the answer ends with the connection. */
		ret->body = HTTP_BODY_UNTIL_CLOSE;
		ret->head_len = newline + 1;
		return 0;
	}
	ret->head_len = parse_header_lines(head, newline + 1, ret, &ended);
	if (!ended && head.len >= HTTP1_HEAD_MAX) {
		ret->deviations |= HTTP_DEV_HEAD_TOO_LARGE;
		ret->head_len = head.len;
	}
	return 0;
}

int http1_parse(struct span bytes, struct http_request *ret)
{
	struct http1_scan scan = {0};
	int r = http1_scan(&scan, bytes);

	return r ? r : http1_parse_head((struct span){bytes.ptr, scan.at}, ret);
}

/* --- after a gap --- */

/*
 * The methods that are believed where a line may have been cut. LINK, LOCK, BIND and SEARCH are missing: they
 * are also the tails of UNLINK, UNLOCK, UNBIND, REBIND and M-SEARCH.
 */
static bool method_is_sure(struct span m)
{
	static const struct span sure[] = {
		SPAN("GET"),     SPAN("POST"),      SPAN("PUT"),      SPAN("DELETE"),  SPAN("HEAD"),
		SPAN("OPTIONS"), SPAN("PATCH"),     SPAN("TRACE"),    SPAN("CONNECT"), SPAN("PROPFIND"),
		SPAN("MKCOL"),   SPAN("REPORT"),    SPAN("COPY"),     SPAN("MOVE"),    SPAN("UNLOCK"),
		SPAN("UNLINK"),  SPAN("PROPPATCH"), SPAN("M-SEARCH"), SPAN("QUERY"),   SPAN("PURGE")};

	for (size_t i = 0; i < ARRAY_SIZE(sure); i++)
		if (span_equal(m, sure[i]))
			return true;
	return false;
}

#define METHOD_MAX_AFTER_GAP 32

/* White space from i on: one space, or, lenient, any number of spaces and tabs. */
static size_t skip_blank(struct span bytes, size_t i, bool lenient)
{
	size_t from = i;

	while (i < bytes.len && (bytes.ptr[i] == ' ' || (lenient && bytes.ptr[i] == '\t')) &&
	       (lenient || i == from))
		i++;
	return i;
}

/* Servers take raw bytes from 0x80 on for a part of the target. */
static bool is_target_byte(char c)
{
	return is(c, CLASS_TARGET) || (unsigned char)c >= 0x80;
}

/* What follows the method: white space, target, white space, version, the line's end. */
static int rest_of_start_line(struct span bytes, size_t i, bool lenient)
{
	static const char pattern[] = "HTTP/0.0"; /* 0: any digit */
	size_t at = skip_blank(bytes, i, lenient), k = 0;

	if (at == bytes.len)
		return HTTP1_E_MORE;
	for (i = at; i < bytes.len && is_target_byte(bytes.ptr[i]);)
		i++;
	if (i == bytes.len)
		return HTTP1_E_MORE;
	size_t end = i;
	i = skip_blank(bytes, i, lenient);
	if (end == at || i == end)
		return HTTP1_E_NOT_HTTP;
	for (; i < bytes.len && pattern[k]; i++, k++)
		if (pattern[k] == '0' ? !is_digit(bytes.ptr[i]) : bytes.ptr[i] != pattern[k])
			return HTTP1_E_NOT_HTTP;
	if (lenient)
		i = skip_blank(bytes, i, true);
	if (i < bytes.len && bytes.ptr[i] == '\r')
		i++;
	if (i == bytes.len)
		return HTTP1_E_MORE;
	return bytes.ptr[i] == '\n' ? 0 : HTTP1_E_NOT_HTTP;
}

int http1_start_line(struct span bytes, bool known_method)
{
	size_t i = 0;

	while (i < bytes.len && is(bytes.ptr[i], CLASS_TOKEN) && i < METHOD_MAX_AFTER_GAP)
		i++;
	if (i == bytes.len)
		return i < METHOD_MAX_AFTER_GAP ? HTTP1_E_MORE : HTTP1_E_NOT_HTTP;
	if (i == 0 || skip_blank(bytes, i, !known_method) == i ||
	    (known_method && !method_is_sure((struct span){bytes.ptr, i})))
		return HTTP1_E_NOT_HTTP;
	return rest_of_start_line(bytes, i, !known_method);
}
