// SPDX-License-Identifier: Apache-2.0
#include "policies/unravel.h"
#include <stdint.h>
#include <string.h>
#include "lib/util.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly count digits; -1 if they are not there. */
static int32_t hex_number(const char *at, const char *end, unsigned count)
{
	int32_t value = 0;

	if ((size_t)(end - at) < count)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		int d = hex_digit(at[i]);
		if (d < 0)
			return -1;
		value = value << 4 | d;
	}
	return value;
}

/* --- characters --- */

/* Letters that look like ASCII ones, and that some layer or other takes for these. */
static uint32_t plain_form(uint32_t c)
{
	if (c >= 0xff01 && c <= 0xff5e) /* full width */
		return c - 0xff01 + '!';
	if (c >= 0x2460 && c <= 0x2468) /* circled digits */
		return c - 0x2460 + '1';
	if (c == 0x24ea)
		return '0';
	if (c >= 0x24b6 && c <= 0x24cf)
		return c - 0x24b6 + 'A';
	if (c >= 0x24d0 && c <= 0x24e9)
		return c - 0x24d0 + 'a';
	switch (c) {
	case 0xa0:
	case 0x3000:
	case 0x2028:
	case 0x2029:
		return ' ';
	case 0x2018:
	case 0x2019:
	case 0x2032:
	case 0x02b9:
	case 0x02bc:
		return '\'';
	case 0x201c:
	case 0x201d:
	case 0x2033:
		return '"';
	case 0x2215:
	case 0x2044:
		return '/';
	case 0x2024:
		return '.';
	case 0x3002:
		return '.';
	case 0:
		return 1;
	default:
		return c;
	}
}

/* At most as many bytes as any form that names c took. */
static size_t put_char(char *out, uint32_t c)
{
	c = plain_form(c);
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* What a form at the beginning of a text stands for; taken: its length, 0 if there is none. */
struct form {
	size_t taken;
	uint32_t c;
};

static struct form read_percent(const char *at, const char *end)
{
	bool wide = end - at > 1 && (at[1] | 0x20) == 'u';
	int32_t c = wide ? hex_number(at + 2, end, 4) : hex_number(at + 1, end, 2);

	return c < 0 ? (struct form){0, 0} : (struct form){wide ? 6 : 3, (uint32_t)c};
}

static struct form read_backslash(const char *at, const char *end)
{
	int32_t c = -1;

	if (end - at < 4)
		return (struct form){0, 0};
	if (at[1] == 'u')
		c = hex_number(at + 2, end, 4);
	else if (at[1] == 'x')
		c = hex_number(at + 2, end, 2);
	return c < 0 ? (struct form){0, 0} : (struct form){at[1] == 'u' ? 6 : 4, (uint32_t)c};
}

static struct form read_number_reference(const char *at, const char *end)
{
	const char *p = at + 2;
	bool hex = p < end && (*p | 0x20) == 'x';
	uint32_t c = 0;
	size_t digits = 0;

	for (p += hex; p < end; p++, digits++) {
		int d = hex_digit(*p);
		if (d < 0 || (!hex && d > 9))
			break;
		/* Zeros in front may be many; what is no character is of no interest. */
		c = MIN(c * (hex ? 16 : 10) + (uint32_t)d, UINT32_C(0x110000));
	}
	if (!digits || c > 0x10ffff)
		return (struct form){0, 0};
	if (p < end && *p == ';')
		p++;
	/* "&#9" is 3 bytes; a character beyond ASCII needs at least 3 digits or hexadecimal ones. */
	return (struct form){(size_t)(p - at), c};
}

static struct form read_reference(const char *at, const char *end)
{
	static const struct {
		const char *name;
		char c;
	} names[] = {{"lt;", '<'},     {"gt;", '>'},       {"amp;", '&'},  {"quot;", '"'},
		     {"apos;", '\''},  {"newline;", '\n'}, {"tab;", '\t'}, {"colon;", ':'},
		     {"lpar;", '('},   {"rpar;", ')'},     {"sol;", '/'},  {"period;", '.'},
		     {"lbrace;", '{'}, {"dollar;", '$'},   {"nbsp;", ' '}};

	if (end - at > 2 && at[1] == '#')
		return read_number_reference(at, end);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t len = strlen(names[i].name);
		if ((size_t)(end - at - 1) >= len && strncasecmp(at + 1, names[i].name, len) == 0)
			return (struct form){len + 1, (unsigned char)names[i].c};
	}
	return (struct form){0, 0};
}

/* UTF-8 of more than one byte, whether or not it is the shortest form. */
static struct form read_utf8(const char *at, const char *end)
{
	unsigned char first = (unsigned char)*at;
	unsigned more = first >= 0xf0 && first < 0xf8 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
	uint32_t c = first & (0x3fu >> more);

	if (!more || first >= 0xf8 || (size_t)(end - at) <= more)
		return (struct form){0, 0};
	for (unsigned i = 1; i <= more; i++) {
		if (((unsigned char)at[i] & 0xc0) != 0x80)
			return (struct form){0, 0};
		c = c << 6 | ((unsigned char)at[i] & 0x3f);
	}
	return (struct form){more + 1, c};
}

static struct form read_form(const char *at, const char *end)
{
	switch (*at) {
	case '%':
		return read_percent(at, end);
	case '\\':
		return read_backslash(at, end);
	case '&':
		return read_reference(at, end);
	default:
		return (unsigned char)*at >= 0xc0 ? read_utf8(at, end) : (struct form){0, 0};
	}
}

/* One round. Bytes of percent encoding are bytes, the other forms name characters. */
static size_t decode(struct span in, bool query, char *out, bool *ret_changed)
{
	static const bool special[256] = {
		[0] = true, ['%'] = true, ['\\'] = true, ['&'] = true, ['+'] = true, [0xc0 ... 0xff] = true};
	const char *at = in.ptr, *end = in.ptr + in.len;
	size_t len = 0;

	*ret_changed = false;
	while (at < end) {
		if (!special[(unsigned char)*at]) {
			out[len++] = *at++;
			continue;
		}
		struct form f = read_form(at, end);
		char room[4];
		bool byte = f.taken == 3 && *at == '%';
		size_t n = f.taken && !byte ? put_char(room, f.c) : 1;
		if (f.taken && n <= f.taken) {
			*ret_changed = *ret_changed || n != f.taken;
			if (byte)
				room[0] = f.c ? (char)f.c : 1;
			at += f.taken;
			memcpy(out + len, room, n);
			len += n;
			continue;
		}
		char c = *at++;
		if (query && (c == '+' || c == '&'))
			c = c == '+' ? ' ' : 0;
		else if (!c && query)
			c = 1;
		out[len++] = c;
	}
	return len;
}

/* --- white space --- */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t squeeze(struct span in, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < in.len; i++) {
		bool line = false;
		if (!is_space(in.ptr[i])) {
			out[len++] = in.ptr[i];
			continue;
		}
		for (; i < in.len && is_space(in.ptr[i]); i++)
			line = line || in.ptr[i] == '\n' || in.ptr[i] == '\r';
		i--;
		out[len++] = line ? '\n' : ' ';
	}
	return len;
}

/* Nearly all texts have none: one look at each byte says so. */
unsigned unravel_signs(struct span text)
{
	static const uint8_t signs[256] = {
		[0] = UNRAVEL_SIGN_ZERO,
		['\t' ... '\r'] = UNRAVEL_SIGN_SPACE,
		['%'] = UNRAVEL_SIGN_FORM,
		['&'] = UNRAVEL_SIGN_FORM,
		[0xc0 ... 0xff] = UNRAVEL_SIGN_FORM,
		['\\'] = UNRAVEL_SIGN_FORM | UNRAVEL_SIGN_SHELL,
		['*'] = UNRAVEL_SIGN_SQL,
		['\''] = UNRAVEL_SIGN_SHELL,
		['"'] = UNRAVEL_SIGN_SHELL,
		['^'] = UNRAVEL_SIGN_SHELL,
		['`'] = UNRAVEL_SIGN_SHELL,
		['$'] = UNRAVEL_SIGN_SHELL,
	};
	unsigned seen = 0, spaces = 0;
	char before = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		seen |= signs[(unsigned char)c];
		spaces |= (unsigned)(c == ' ' && before == ' ');
		before = c;
	}
	return seen | (spaces ? UNRAVEL_SIGN_SPACE : 0);
}

size_t unravel(struct span text, enum unravel_kind kind, char *out, unsigned *ret_signs)
{
	bool changed = false;
	struct span s = {out, decode(text, kind == UNRAVEL_QUERY, out, &changed)};
	unsigned signs = unravel_signs(s);

	if (kind != UNRAVEL_QUERY && signs & UNRAVEL_SIGN_ZERO) /* there a zero has no meaning yet */
		for (size_t i = 0; i < s.len; i++)
			if (!out[i])
				out[i] = 1;
	for (unsigned round = 1; changed && signs & UNRAVEL_SIGN_FORM && round < UNRAVEL_ROUNDS; round++) {
		s.len = decode(s, false, out, &changed);
		signs = unravel_signs(s);
	}
	if (signs & UNRAVEL_SIGN_SPACE)
		s.len = squeeze(s, out);
	*ret_signs = signs;
	return s.len;
}

/* --- comments of SQL --- */

size_t unravel_sql(struct span text, char *out)
{
	const char *first = text.len ? memmem(text.ptr, text.len, "/*", 2) : NULL;
	size_t len = 0;

	if (!first && !(text.len && memmem(text.ptr, text.len, "*/", 2)))
		return 0;
	for (size_t i = 0; i < text.len; i++) {
		const char *at = text.ptr + i;
		size_t left = text.len - i;
		if (left > 2 && at[0] == '/' && at[1] == '*' && (at[2] == '!' || at[2] == '+')) {
			for (i += 2; i + 1 < text.len && text.ptr[i + 1] >= '0' && text.ptr[i + 1] <= '9';)
				i++;
			out[len++] = ' ';
		} else if (left > 1 && at[0] == '/' && at[1] == '*') {
			const char *close = memmem(at + 2, left - 2, "*/", 2);
			i = close ? (size_t)(close - text.ptr) + 1 : text.len;
			out[len++] = ' ';
		} else if (left > 1 && at[0] == '*' && at[1] == '/') {
			out[len++] = ' ';
			i++;
		} else {
			out[len++] = at[0];
		}
	}
	return squeeze((struct span){out, len}, out);
}

/* --- what a shell takes out --- */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
	       c == '_' || c == '-' || c == '.';
}

static bool is_quote(char c)
{
	return c == '\'' || c == '"' || c == '\\' || c == '^' || c == '`';
}

/* Length of what stands for nothing, or for a space, inside of a command's words. */
static size_t read_nothing(struct span text, size_t i, bool *ret_space)
{
	static const char *const spaces[] = {"${IFS}", "$IFS$9", "$IFS"};
	static const char *const nothing[] = {"$@", "$*", "$()", "${@}", "$1", "$9", "``"};
	size_t left = text.len - i;

	*ret_space = true;
	if (text.ptr[i] != '$' && text.ptr[i] != '`')
		return 0;
	for (size_t k = 0; k < ARRAY_SIZE(spaces); k++)
		if (left >= strlen(spaces[k]) && strncasecmp(text.ptr + i, spaces[k], strlen(spaces[k])) == 0)
			return strlen(spaces[k]);
	*ret_space = false;
	for (size_t k = 0; k < ARRAY_SIZE(nothing); k++)
		if (left >= strlen(nothing[k]) && memcmp(text.ptr + i, nothing[k], strlen(nothing[k])) == 0)
			return strlen(nothing[k]);
	return 0;
}

/* A quote inside of a word, or one of those: else there is nothing to take out. */
static bool shell_needed(struct span text)
{
	bool space;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (is_quote(c) && i && is_word(text.ptr[i - 1]) && i + 1 < text.len &&
		    (is_word(text.ptr[i + 1]) || is_quote(text.ptr[i + 1])))
			return true;
		if ((c == '$' || c == '`') && read_nothing(text, i, &space))
			return true;
	}
	return false;
}

size_t unravel_shell(struct span text, char *out)
{
	size_t len = 0;

	if (!shell_needed(text))
		return 0;
	for (size_t i = 0; i < text.len;) {
		bool space;
		size_t n = read_nothing(text, i, &space);
		if (n) {
			if (space)
				out[len++] = ' ';
			i += n;
		} else if (is_quote(text.ptr[i])) {
			i++;
		} else {
			out[len++] = text.ptr[i++];
		}
	}
	return squeeze((struct span){out, len}, out);
}
