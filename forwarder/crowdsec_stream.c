// SPDX-License-Identifier: Apache-2.0
/*
 * A machine of one byte at a time, so that it does not matter where what arrives is cut. What JSON allows
 * next stands in `state`; what it means is decided where a value begins and where it ends, by the depth: 1 is
 * the document, 2 one of its two lists, 3 a decision.
 */
#include "forwarder/crowdsec_stream.h"
#include <stdlib.h>
#include "lib/utf8.h"
#include "lib/util.h"

enum state {
	VALUE,
	FIRST_ITEM, /* behind '[': a value or ']' */
	FIRST_KEY,  /* behind '{': a key or '}' */
	KEY,
	COLON,
	BEHIND, /* a value: a comma, or the end of what it is in */
	TEXT,
	ESCAPE,
	HEX,
	LOW_BACKSLASH, /* the other half of a surrogate pair must follow: a backslash, */
	LOW_U,         /* ... and an u */
	NUMBER,
	LITERAL,
	END, /* of the document */
};

enum member { VALUE_OF, SCOPE, TYPE, DURATION, ORIGIN, SCENARIO, ID, SIMULATED, MEMBERS };
static const struct span member_names[MEMBERS] = {
	[VALUE_OF] = {"value", 5}, [SCOPE] = {"scope", 5},
	[TYPE] = {"type", 4},      [DURATION] = {"duration", 8},
	[ORIGIN] = {"origin", 6},  [SCENARIO] = {"scenario", 8},
	[ID] = {"id", 2},          [SIMULATED] = {"simulated", 9},
};
_Static_assert(ID == CROWDSEC_MEMBERS, "the texts come first");

const char *crowdsec_error_text(int error)
{
	switch (error) {
	case CROWDSEC_E_SYNTAX:
		return "is no JSON";
	case CROWDSEC_E_SHAPE:
		return "is no decision stream";
	case CROWDSEC_E_DUPLICATE_KEY:
		return "has a key twice";
	case CROWDSEC_E_TOO_DEEP:
		return "is nested too deep";
	case CROWDSEC_E_TEXT:
		return "holds a text that is not UTF-8";
	case CROWDSEC_E_CUT:
		return "ended before its end";
	}
	return "cannot be read";
}

void crowdsec_stream_init(struct crowdsec_stream *s,
			  int (*each)(void *arg, enum crowdsec_section section,
				      const struct crowdsec_decision *d),
			  void *arg)
{
	memset(s, 0, sizeof *s);
	s->each = each;
	s->arg = arg;
	s->state = VALUE;
	s->member = -1;
}

static bool in_decision(const struct crowdsec_stream *s)
{
	return s->depth == 3 && s->section != CROWDSEC_OTHER;
}

static struct span text_of(const struct crowdsec_stream *s)
{
	return (struct span){s->text, s->text_len};
}

/* --- keys --- */

static int section_key(struct crowdsec_stream *s)
{
	struct span key = text_of(s);

	s->section = span_equal(key, SPAN("new"))       ? CROWDSEC_NEW
		     : span_equal(key, SPAN("deleted")) ? CROWDSEC_DELETED
							: CROWDSEC_OTHER;
	unsigned bit = 1u << s->section;
	if (s->section != CROWDSEC_OTHER && s->sections_seen & bit)
		return CROWDSEC_E_DUPLICATE_KEY;
	s->sections_seen |= bit;
	return 0;
}

static int member_key(struct crowdsec_stream *s)
{
	struct span key = text_of(s);

	s->member = -1;
	for (int i = 0; i < MEMBERS; i++)
		if (span_equal(key, member_names[i]))
			s->member = i;
	if (s->member < 0)
		return 0;
	unsigned bit = 1u << s->member;
	if (s->members_seen & bit)
		return CROWDSEC_E_DUPLICATE_KEY;
	s->members_seen |= bit;
	return 0;
}

static int key_end(struct crowdsec_stream *s)
{
	s->state = COLON;
	if (s->depth == 1)
		return section_key(s);
	return in_decision(s) ? member_key(s) : 0;
}

/* --- values --- */

static struct span *member_text(struct crowdsec_decision *d, int member)
{
	struct span *const texts[CROWDSEC_MEMBERS] = {
		[VALUE_OF] = &d->value,    [SCOPE] = &d->scope,   [TYPE] = &d->type,
		[DURATION] = &d->duration, [ORIGIN] = &d->origin, [SCENARIO] = &d->scenario,
	};

	return texts[member];
}

/* Of what was cut, whole characters alone. */
static size_t whole_len(const char *text, size_t len)
{
	if (len <= CROWDSEC_TEXT_MAX)
		return len;
	len = CROWDSEC_TEXT_MAX;
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static void text_take(struct crowdsec_stream *s)
{
	if (!in_decision(s) || s->member < 0 || s->member >= CROWDSEC_MEMBERS)
		return;
	size_t len = whole_len(s->text, s->text_len);
	s->decision.cut = s->decision.cut || len < s->text_len;
	memcpy(s->members[s->member], s->text, len);
	*member_text(&s->decision, s->member) = (struct span){s->members[s->member], len};
}

/* A list holds decisions, the document lists or null. */
static bool fits(const struct crowdsec_stream *s, char first)
{
	switch (s->depth) {
	case 0:
		return first == '{';
	case 1:
		return s->section == CROWDSEC_OTHER || first == '[' || first == 'n';
	case 2:
		return s->section == CROWDSEC_OTHER || first == '{';
	}
	return true;
}

static int open_one(struct crowdsec_stream *s, char c)
{
	if (s->depth == CROWDSEC_DEPTH_MAX)
		return CROWDSEC_E_TOO_DEEP;
	s->nesting[s->depth++] = c;
	s->state = c == '{' ? FIRST_KEY : FIRST_ITEM;
	if (!in_decision(s))
		return 0;
	s->decision = (struct crowdsec_decision){0};
	s->members_seen = 0;
	s->member = -1;
	return 0;
}

static int close_one(struct crowdsec_stream *s, char c)
{
	int r = 0;

	if (!s->depth || s->nesting[s->depth - 1] != (c == '}' ? '{' : '['))
		return CROWDSEC_E_SYNTAX;
	if (in_decision(s))
		r = s->each(s->arg, s->section, &s->decision);
	s->depth--;
	s->state = s->depth ? BEHIND : END;
	s->ended = s->depth == 0;
	return r;
}

static void text_begin(struct crowdsec_stream *s, bool is_key)
{
	s->state = TEXT;
	s->is_key = is_key;
	s->text_len = 0;
}

static void number_begin(struct crowdsec_stream *s, char c)
{
	s->state = NUMBER;
	s->text[0] = c;
	s->text_len = 1;
}

static int value_begin(struct crowdsec_stream *s, char c)
{
	if (!fits(s, c))
		return strchr("{[\"tfn-0123456789", c) ? CROWDSEC_E_SHAPE : CROWDSEC_E_SYNTAX;
	switch (c) {
	case '{':
	case '[':
		return open_one(s, c);
	case '"':
		text_begin(s, false);
		return 0;
	case 't':
		s->literal = "rue";
		break;
	case 'f':
		s->literal = "alse";
		break;
	case 'n':
		s->literal = "ull";
		break;
	default:
		if (c != '-' && (c < '0' || c > '9'))
			return CROWDSEC_E_SYNTAX;
		number_begin(s, c);
		return 0;
	}
	s->state = LITERAL;
	if (in_decision(s) && s->member == SIMULATED)
		s->decision.simulated = c == 't';
	return 0;
}

/* --- numbers and literals --- */

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool is_number(const char *at)
{
	at += *at == '-';
	if (*at < '0' || *at > '9')
		return false;
	at += *at == '0' ? 1 : strspn(at, "0123456789");
	if (*at == '.') {
		size_t n = strspn(at + 1, "0123456789");
		if (!n)
			return false;
		at += 1 + n;
	}
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '+' || *at == '-';
		size_t n = strspn(at, "0123456789");
		if (!n)
			return false;
		at += n;
	}
	return *at == 0;
}

static int number_end(struct crowdsec_stream *s)
{
	s->state = BEHIND;
	if (s->text_len > 63)
		return CROWDSEC_E_SYNTAX;
	s->text[s->text_len] = 0;
	if (!is_number(s->text))
		return CROWDSEC_E_SYNTAX;
	if (in_decision(s) && s->member == ID && s->text_len <= 19 &&
	    strspn(s->text, "0123456789") == s->text_len)
		s->decision.id = strtoull(s->text, NULL, 10);
	return 0;
}

static bool is_of_number(char c)
{
	return (c >= '0' && c <= '9') || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
}

static int literal_byte(struct crowdsec_stream *s, char c)
{
	if (*s->literal != c)
		return CROWDSEC_E_SYNTAX;
	if (!*++s->literal)
		s->state = BEHIND;
	return 0;
}

/* --- texts --- */

static void text_put(struct crowdsec_stream *s, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && s->text_len < CROWDSEC_TEXT_MAX + 4; i++)
		s->text[s->text_len++] = bytes[i];
}

static int code_put(struct crowdsec_stream *s, unsigned code)
{
	char bytes[4];

	if (!code)
		return CROWDSEC_E_TEXT;
	text_put(s, bytes, utf8_encode(code, bytes));
	s->state = TEXT;
	return 0;
}

static int escape_byte(struct crowdsec_stream *s, char c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *hit = c ? strchr(from, c) : NULL;

	if (c == 'u') {
		s->state = HEX;
		s->unicode = 4;
		s->code = 0;
		return 0;
	}
	return hit ? code_put(s, (unsigned char)to[hit - from]) : CROWDSEC_E_SYNTAX;
}

/* A surrogate counts only as one half of a pair. */
static int code_end(struct crowdsec_stream *s)
{
	bool is_high = s->code >= 0xd800 && s->code <= 0xdbff,
	     is_low = s->code >= 0xdc00 && s->code <= 0xdfff;

	if (s->high) {
		unsigned code = 0x10000 + ((unsigned)(s->high - 0xd800) << 10) + (s->code - 0xdc00u);
		s->high = 0;
		return is_low ? code_put(s, code) : CROWDSEC_E_TEXT;
	}
	if (is_low)
		return CROWDSEC_E_TEXT;
	if (!is_high)
		return code_put(s, s->code);
	s->high = s->code;
	s->state = LOW_BACKSLASH;
	return 0;
}

static int hex_byte(struct crowdsec_stream *s, char c)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	const char *hit = c ? strchr(digits, c) : NULL;

	if (!hit)
		return CROWDSEC_E_SYNTAX;
	unsigned v = (unsigned)(hit - digits);
	s->code = (uint16_t)(s->code << 4 | (v > 15 ? v - 6 : v));
	return --s->unicode ? 0 : code_end(s);
}

/* The first of a sequence: how many follow, and the range of the next (RFC 3629). */
static int utf8_begin(struct crowdsec_stream *s, unsigned char c)
{
	if (c < 0xc2 || c > 0xf4)
		return CROWDSEC_E_TEXT;
	s->utf8 = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	s->utf8_low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	s->utf8_high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return 0;
}

static int text_end(struct crowdsec_stream *s)
{
	if (s->is_key)
		return key_end(s);
	s->state = BEHIND;
	text_take(s);
	return 0;
}

static int text_byte(struct crowdsec_stream *s, char byte)
{
	unsigned char c = (unsigned char)byte;
	int r = 0;

	if (s->utf8) {
		if (c < s->utf8_low || c > s->utf8_high)
			return CROWDSEC_E_TEXT;
		s->utf8--;
		s->utf8_low = 0x80;
		s->utf8_high = 0xbf;
	} else if (c == '"') {
		return text_end(s);
	} else if (c == '\\') {
		s->state = ESCAPE;
		return 0;
	} else if (c < 0x20) {
		return CROWDSEC_E_SYNTAX;
	} else if (c >= 0x80) {
		r = utf8_begin(s, c);
	}
	text_put(s, &byte, 1);
	return r;
}

/* --- the machine --- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int behind_byte(struct crowdsec_stream *s, char c)
{
	if (c != ',')
		return c == '}' || c == ']' ? close_one(s, c) : CROWDSEC_E_SYNTAX;
	s->state = s->nesting[s->depth - 1] == '{' ? KEY : VALUE;
	return 0;
}

/* Between texts, numbers and words. */
static int structure_byte(struct crowdsec_stream *s, char c)
{
	if (is_space(c))
		return 0;
	switch ((enum state)s->state) {
	case FIRST_ITEM:
		return c == ']' ? close_one(s, c) : value_begin(s, c);
	case VALUE:
		return value_begin(s, c);
	case FIRST_KEY:
	case KEY:
		if (c == '}' && s->state == FIRST_KEY)
			return close_one(s, c);
		if (c != '"')
			return CROWDSEC_E_SYNTAX;
		text_begin(s, true);
		return 0;
	case COLON:
		s->state = VALUE;
		return c == ':' ? 0 : CROWDSEC_E_SYNTAX;
	case BEHIND:
		return behind_byte(s, c);
	default: /* END */
		return CROWDSEC_E_SYNTAX;
	}
}

static int byte(struct crowdsec_stream *s, char c)
{
	int r;

	switch ((enum state)s->state) {
	case TEXT:
		return text_byte(s, c);
	case ESCAPE:
		return escape_byte(s, c);
	case HEX:
		return hex_byte(s, c);
	case LOW_BACKSLASH:
		s->state = LOW_U;
		return c == '\\' ? 0 : CROWDSEC_E_TEXT;
	case LOW_U:
		s->state = HEX;
		s->unicode = 4;
		s->code = 0;
		return c == 'u' ? 0 : CROWDSEC_E_TEXT;
	case LITERAL:
		return literal_byte(s, c);
	case NUMBER:
		if (is_of_number(c)) {
			text_put(s, &c, 1);
			return 0;
		}
		r = number_end(s);
		return r ? r : structure_byte(s, c);
	default:
		return structure_byte(s, c);
	}
}

int crowdsec_stream_feed(struct crowdsec_stream *s, struct span bytes)
{
	for (size_t i = 0; i < bytes.len && !s->error; i++)
		s->error = byte(s, bytes.ptr[i]);
	s->bytes += bytes.len;
	return s->error;
}

int crowdsec_stream_end(struct crowdsec_stream *s)
{
	if (!s->error && !s->ended)
		s->error = CROWDSEC_E_CUT;
	if (!s->error && !(s->sections_seen & (1u << CROWDSEC_NEW | 1u << CROWDSEC_DELETED)))
		s->error = CROWDSEC_E_SHAPE; /* an object of another kind, as {"message": ...} */
	return s->error;
}
