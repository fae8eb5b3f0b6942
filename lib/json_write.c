// SPDX-License-Identifier: Apache-2.0
/*
 * Every event passes here, so each call asks the buffer for room once and then stores bytes. Room that the
 * buffer already has is taken without a call.
 */
#include "lib/json_write.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/utf8.h"
#include "lib/util.h"

static inline char *room(struct buffer *b, size_t len)
{
	char *at;

	if (__builtin_expect(!b->truncated && b->size - b->len >= len, 1))
		return b->data + b->len;
	return buffer_reserve(b, len, &at) ? NULL : at;
}

static inline char *put_comma(struct json_writer *w, char *at)
{
	if (w->comma)
		*at++ = ',';
	w->comma = true;
	return at;
}

static inline void done(struct json_writer *w, const char *end)
{
	w->out->len = (size_t)(end - w->out->data);
}

static void open_with(struct json_writer *w, char c)
{
	char *at = room(w->out, 2);

	if (!at)
		return;
	at = put_comma(w, at);
	*at++ = c;
	w->comma = false;
	done(w, at);
}

static void close_with(struct json_writer *w, char c)
{
	char *at = room(w->out, 1);

	if (!at)
		return;
	*at++ = c;
	w->comma = true;
	done(w, at);
}

void json_object_begin(struct json_writer *w)
{
	open_with(w, '{');
}

void json_object_end(struct json_writer *w)
{
	close_with(w, '}');
}

void json_array_begin(struct json_writer *w)
{
	open_with(w, '[');
}

void json_array_end(struct json_writer *w)
{
	close_with(w, ']');
}

/*
 * Keys and values are short: a call of memcpy would cost more than the copy. The last word overlaps the one
 * before.
 */
static inline void copy_short(char *to, const char *from, size_t len)
{
	uint64_t v;

	if (len < sizeof v) {
		for (size_t i = 0; i < len; i++)
			to[i] = from[i];
		return;
	}
	for (size_t i = 0; i + sizeof v <= len; i += sizeof v) {
		memcpy(&v, from + i, sizeof v);
		memcpy(to + i, &v, sizeof v);
	}
	memcpy(&v, from + len - sizeof v, sizeof v);
	memcpy(to + len - sizeof v, &v, sizeof v);
}

void json_key_len(struct json_writer *w, const char *key, size_t len)
{
	char *at = room(w->out, len + 4);

	if (!at)
		return;
	at = put_comma(w, at);
	*at++ = '"';
	copy_short(at, key, len);
	at += len;
	*at++ = '"';
	*at++ = ':';
	w->comma = false;
	done(w, at);
}

/* Is each of eight bytes plain: from 0x20 to 0x7e, but '"' and '\\'? One word at a time (whatever the byte
 * order). */
static inline bool is_plain_word(uint64_t v)
{
	const uint64_t ones = 0x0101010101010101ull, highs = 0x8080808080808080ull;
	uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\', del = v ^ ones * 0x7f;

	return (((v - ones * 0x20) | (quote - ones) | (slash - ones) | (del - ones) | v) & highs) == 0;
}

static inline bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Copies the plain bytes that `from` begins with; returns how many. `to` has room for len. */
static inline size_t copy_plain(char *to, const char *from, size_t len)
{
	size_t i = 0;
	uint64_t v;

	for (; i + sizeof v <= len; i += sizeof v) {
		memcpy(&v, from + i, sizeof v);
		if (!is_plain_word(v))
			goto bytes;
		memcpy(to + i, &v, sizeof v);
	}
	if (i && i < len) {
		memcpy(&v, from + len - sizeof v, sizeof v);
		if (is_plain_word(v)) {
			memcpy(to + len - sizeof v, &v, sizeof v);
			return len;
		}
	}
bytes:
	for (; i < len && is_plain((unsigned char)from[i]); i++)
		to[i] = from[i];
	return i;
}

/* Writes what p begins with and is not plain; returns how many bytes of p that were. At most 6 bytes of out.
 */
static size_t put_special(const unsigned char *p, size_t len, char **at)
{
	static const char hex[] = "0123456789abcdef";
	static const char brief[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	size_t n = utf8_sequence(p, len);
	char *out = *at;

	if (n == 0) { /* one U+FFFD for each byte that cannot be read */
		memcpy(out, "\xef\xbf\xbd", 3);
		*at = out + 3;
		return 1;
	}
	if (n == 1 && (p[0] == '"' || p[0] == '\\' || (p[0] < 0x20 && brief[p[0]]))) {
		*out++ = '\\';
		*out++ = p[0] < 0x20 ? brief[p[0]] : (char)p[0];
		*at = out;
		return 1;
	}
	/* C0, DEL, and the C1 controls, which terminals obey as well. */
	if (n == 1 || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)) {
		unsigned char c = p[n - 1];
		memcpy(out, "\\u00", 4);
		out[4] = hex[c >> 4];
		out[5] = hex[c & 15];
		*at = out + 6;
		return n;
	}
	memcpy(out, p, n);
	*at = out + n;
	return n;
}

static bool put_escaped(struct json_writer *w, struct span text)
{
	while (text.len) {
		/* In pieces, so that the room asked for is about what is used. */
		size_t piece = MIN(text.len, (size_t)256);
		char *at = room(w->out, piece + 6);
		if (!at)
			return false;
		size_t n = copy_plain(at, text.ptr, piece);
		at += n;
		if (n < piece)
			n += put_special((const unsigned char *)text.ptr + n, text.len - n, &at);
		done(w, at);
		text.ptr += n;
		text.len -= n;
	}
	return true;
}

void json_string(struct json_writer *w, struct span text)
{
	char *at = room(w->out, text.len + 3);

	if (!at)
		return;
	at = put_comma(w, at);
	*at++ = '"';
	size_t n = copy_plain(at, text.ptr, text.len);
	at += n;
	if (n == text.len) {
		*at++ = '"';
		done(w, at);
		return;
	}
	done(w, at);
	if (put_escaped(w, (struct span){text.ptr + n, text.len - n}))
		buffer_append_char(w->out, '"');
}

void json_key_span(struct json_writer *w, const char *prefix, struct span rest)
{
	size_t head = strlen(prefix);
	char *at = room(w->out, head + rest.len + 4);

	if (!at)
		return;
	at = put_comma(w, at);
	*at++ = '"';
	copy_short(at, prefix, head);
	at += head;
	size_t n = copy_plain(at, rest.ptr, rest.len);
	done(w, at + n);
	w->comma = false;
	if (n < rest.len && !put_escaped(w, (struct span){rest.ptr + n, rest.len - n}))
		return;
	buffer_append(w->out, "\":", 2);
}

static void put_literal(struct json_writer *w, const char *text, size_t len)
{
	char *at = room(w->out, len + 1);

	if (!at)
		return;
	at = put_comma(w, at);
	copy_short(at, text, len);
	done(w, at + len);
}

/* Digits of v ending at end; returns their first. 20 bytes at most. */
static char *put_digits(uint64_t v, char *end)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

	while (v >= 100) {
		end -= 2;
		memcpy(end, pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		end -= 2;
		memcpy(end, pairs + v * 2, 2);
	} else {
		*--end = (char)('0' + v);
	}
	return end;
}

void json_uint(struct json_writer *w, uint64_t v)
{
	char digits[20], *end = digits + sizeof digits, *first = put_digits(v, end);

	put_literal(w, first, (size_t)(end - first));
}

void json_int(struct json_writer *w, int64_t v)
{
	char digits[21], *end = digits + sizeof digits, *first;

	/* Negated as unsigned, so that INT64_MIN is right too. */
	first = put_digits(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, end);
	if (v < 0)
		*--first = '-';
	put_literal(w, first, (size_t)(end - first));
}

void json_uint_string(struct json_writer *w, uint64_t v)
{
	char digits[22], *end = digits + sizeof digits, *first;

	*--end = '"';
	first = put_digits(v, end);
	*--first = '"';
	put_literal(w, first, (size_t)(end + 1 - first));
}

/* The shortest of the two forms that reads back as the same number. picket never leaves the "C" locale. */
void json_double(struct json_writer *w, double v)
{
	char text[40];
	int n;

	if (!isfinite(v)) {
		json_null(w);
		return;
	}
	n = snprintf(text, sizeof text, "%.15g", v);
	if (strtod(text, NULL) != v)
		n = snprintf(text, sizeof text, "%.17g", v);
	put_literal(w, text, (size_t)n);
}

void json_bool(struct json_writer *w, bool v)
{
	if (v)
		put_literal(w, "true", 4);
	else
		put_literal(w, "false", 5);
}

void json_null(struct json_writer *w)
{
	put_literal(w, "null", 4);
}

void json_raw(struct json_writer *w, struct span json)
{
	if (json.len == 0)
		return;
	put_literal(w, json.ptr, json.len);
}
