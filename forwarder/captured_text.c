// SPDX-License-Identifier: Apache-2.0
#include "forwarder/captured_text.h"
#include <inttypes.h>
#include "lib/util.h"

#define ESCAPED_MAX (CAPTURED_TEXT_MAX * 6 + 64)
#define PLAIN       " !$%'()*+,-./:;=?@_~&"
#define ADDRESS     "(address)"

/* Of valid UTF-8: the code at *at, which moves behind it. A sequence that ends early is read as far as it
 * goes: never beyond the NUL. */
static uint32_t next_code(const unsigned char **at)
{
	const unsigned char *p = *at;
	unsigned more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
	uint32_t code = more == 0 ? p[0] : more == 1 ? p[0] & 0x1fu : more == 2 ? p[0] & 0x0fu : p[0] & 0x07u;

	for (p++; more && (*p & 0xc0) == 0x80; p++, more--)
		code = code << 6 | (*p & 0x3fu);
	*at = p;
	return code;
}

static bool is_alnum(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void put_code(struct buffer *out, uint32_t code)
{
	if (is_alnum(code) || (code < 0x7f && code && strchr(PLAIN, (int)code)))
		buffer_append_char(out, (char)code);
	else if (code < 0x10000)
		buffer_printf(out, "\\u%04" PRIx32, code);
	else
		buffer_printf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((code - 0x10000) >> 10),
			      0xdc00 + ((code - 0x10000) & 0x3ff));
}

/* --- addresses --- */

static size_t digits_at(const char *p)
{
	size_t n = 0;

	while (n < 4 && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

/* Four numbers of one to three digits with dots between; how long, or 0. More than that is a version. */
static size_t quad_at(const char *p)
{
	const char *at = p;

	for (unsigned i = 0; i < 4; i++) {
		size_t n = digits_at(at);

		if (n < 1 || n > 3 || (i && at[-1] != '.'))
			return 0;
		at += n;
		if (i < 3 && *at++ != '.')
			return 0;
	}
	return (size_t)(at - p);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* A run of hexadecimal digits and at least two colons; how long, or 0. A time of day goes with it. */
static size_t colons_at(const char *p)
{
	size_t n = 0, colons = 0, digits = 0;

	for (; is_hex(p[n]) || p[n] == ':' || (p[n] == '.' && colons >= 2); n++) {
		colons += p[n] == ':';
		digits += is_hex(p[n]);
	}
	return colons >= 2 && digits ? n : 0;
}

/* before: the byte in front of p, NUL at the beginning. */
static size_t address_at(const char *p, char before)
{
	size_t n = 0;

	if (*p >= '0' && *p <= '9' && !(before >= '0' && before <= '9'))
		n = quad_at(p);
	if (!n && (is_hex(*p) || *p == ':') && !is_hex(before) && before != ':')
		n = colons_at(p);
	return n;
}

/* --- writing --- */

static void escape(const char *text, struct buffer *out)
{
	const char *end = text + CAPTURED_TEXT_MAX, *at = text;
	size_t n;

	buffer_append_char(out, '"');
	while (*at && at < end) {
		n = address_at(at, at == text ? 0 : at[-1]);
		if (n) {
			buffer_append_text(out, ADDRESS);
			at += n;
			continue;
		}
		const unsigned char *next = (const unsigned char *)at;
		put_code(out, next_code(&next));
		at = (const char *)next;
	}
	buffer_append_text(out, *at ? "...\"" : "\"");
}

void captured_text_write(struct json_writer *w, const char *text)
{
	_cleanup_(buffer_free) struct buffer escaped = BUFFER_INIT(ESCAPED_MAX * 2);

	escape(text, &escaped);
	if (escaped.truncated)
		w->out->truncated = true;
	json_raw(w, buffer_span(&escaped));
}

void captured_text_write_key(struct json_writer *w, const char *text)
{
	captured_text_write(w, text);
	buffer_append_char(w->out, ':');
	w->comma = false;
}
