// SPDX-License-Identifier: Apache-2.0
/*
 * structured_field.c: the parsing algorithms of RFC 9651 section 4.2, one function each. A scanner goes over
 * the text once; what a value means beyond its bytes is the caller's business.
 */
#include "forwarder/structured_field.h"
#include <inttypes.h>
#include "forwarder/base64.h"

#define INTEGER_DIGITS_MAX 15

struct scanner {
	struct span rest;
	struct field_dictionary *into;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
	return is_lower((char)(c | 0x20));
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static bool is_key_start(char c)
{
	return is_lower(c) || c == '*';
}

static bool is_key(char c)
{
	return is_lower(c) || is_digit(c) || is_one_of(c, "_-.*");
}

/* tchar of RFC 9110, and what a token may have beyond it. */
static bool is_token(char c)
{
	return is_alpha(c) || is_digit(c) || is_one_of(c, "!#$%&'*+-.^_`|~:/");
}

/* The next byte; 0 at the end. A zero in the text is refused by everything that looks for something else. */
static char peek(const struct scanner *s)
{
	return s->rest.len ? s->rest.ptr[0] : 0;
}

static void skip(struct scanner *s, size_t n)
{
	if (n) /* the pointer of an empty text may be NULL */
		s->rest.ptr += n;
	s->rest.len -= n;
}

static bool take(struct scanner *s, char c)
{
	if (!s->rest.len || s->rest.ptr[0] != c)
		return false;
	skip(s, 1);
	return true;
}

/* While its bytes are of that kind. */
static struct span take_while(struct scanner *s, bool (*kind)(char c))
{
	struct span run = {s->rest.ptr, 0};

	while (run.len < s->rest.len && kind(run.ptr[run.len]))
		run.len++;
	skip(s, run.len);
	return run;
}

static bool is_space(char c)
{
	return c == ' ';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Room for len decoded bytes, or NULL: never, since they are no longer than the text. */
static char *room(struct scanner *s, size_t len)
{
	struct field_dictionary *d = s->into;

	if (len > sizeof d->text - d->text_len)
		return NULL;
	d->text_len += len;
	return d->text + d->text_len - len;
}

/* --- values --- */

static int parse_integer(struct scanner *s, struct field_value *ret)
{
	bool minus = take(s, '-');
	struct span digits = take_while(s, is_digit);
	int64_t value = 0;

	/* A point behind it makes a Decimal. */
	if (!digits.len || digits.len > INTEGER_DIGITS_MAX || peek(s) == '.')
		return FIELD_E_SYNTAX;
	for (size_t i = 0; i < digits.len; i++)
		value = value * 10 + (digits.ptr[i] - '0');
	*ret = (struct field_value){.type = FIELD_INTEGER, .integer = minus ? -value : value};
	return 0;
}

static int parse_string(struct scanner *s, struct field_value *ret)
{
	const char *end = s->rest.ptr + s->rest.len, *p;
	size_t len = 0;
	char *out;

	for (p = s->rest.ptr; p < end && *p != '"'; p++, len++) {
		if (*p < ' ' || *p > '~')
			return FIELD_E_SYNTAX;
		if (*p == '\\' && (++p == end || !is_one_of(*p, "\"\\")))
			return FIELD_E_SYNTAX;
	}
	if (p >= end)
		return FIELD_E_SYNTAX;
	out = room(s, len);
	if (!out)
		return FIELD_E_TOO_LARGE;
	*ret = (struct field_value){.type = FIELD_STRING, .bytes = {out, len}};
	for (const char *q = s->rest.ptr; q < p; q++) {
		if (*q == '\\')
			q++;
		*out++ = *q;
	}
	skip(s, (size_t)(p - s->rest.ptr) + 1);
	return 0;
}

static int parse_bytes(struct scanner *s, struct field_value *ret)
{
	const char *colon = s->rest.len ? memchr(s->rest.ptr, ':', s->rest.len) : NULL;
	struct span text = {s->rest.ptr, colon ? (size_t)(colon - s->rest.ptr) : 0};
	size_t len;
	char *out = room(s, BASE64_DECODED_MAX(text.len));

	if (!out)
		return FIELD_E_TOO_LARGE;
	if (!colon || base64_decode(text, out, &len))
		return FIELD_E_SYNTAX;
	*ret = (struct field_value){.type = FIELD_BYTES, .bytes = {out, len}};
	skip(s, text.len + 1);
	return 0;
}

static int parse_boolean(struct scanner *s, struct field_value *ret)
{
	if (peek(s) != '0' && peek(s) != '1')
		return FIELD_E_SYNTAX;
	*ret = (struct field_value){.type = FIELD_BOOLEAN, .integer = peek(s) == '1'};
	skip(s, 1);
	return 0;
}

static int parse_value(struct scanner *s, struct field_value *ret)
{
	char c = peek(s);

	if (c == '-' || is_digit(c))
		return parse_integer(s, ret);
	if (take(s, '"'))
		return parse_string(s, ret);
	if (take(s, ':'))
		return parse_bytes(s, ret);
	if (take(s, '?'))
		return parse_boolean(s, ret);
	if (!is_alpha(c) && c != '*')
		return FIELD_E_SYNTAX;
	*ret = (struct field_value){.type = FIELD_TOKEN, .bytes = take_while(s, is_token)};
	return 0;
}

/* --- parameters, items, lists --- */

static int parse_key(struct scanner *s, struct span *ret)
{
	if (!is_key_start(peek(s)))
		return FIELD_E_SYNTAX;
	*ret = take_while(s, is_key);
	return 0;
}

static const struct field_value true_value = {.type = FIELD_BOOLEAN, .integer = 1};

static bool has_parameter(struct field_parameters p, struct span key)
{
	for (unsigned i = 0; i < p.count; i++)
		if (span_equal(p.list[i].key, key))
			return true;
	return false;
}

static int parse_parameters(struct scanner *s, struct field_parameters *ret)
{
	struct field_dictionary *d = s->into;
	int r;

	ret->list = d->parameters + d->parameter_count;
	ret->count = 0;
	while (take(s, ';')) {
		struct field_parameter *p = d->parameters + d->parameter_count;

		if (d->parameter_count == FIELD_PARAMETERS_MAX)
			return FIELD_E_TOO_LARGE;
		take_while(s, is_space);
		r = parse_key(s, &p->key);
		if (r)
			return r;
		if (has_parameter(*ret, p->key))
			return FIELD_E_DUPLICATE;
		p->value = true_value;
		if (take(s, '=')) {
			r = parse_value(s, &p->value);
			if (r)
				return r;
		}
		d->parameter_count++;
		ret->count++;
	}
	return 0;
}

/* The next of the dictionary's items; NULL: there is no room. */
static struct field_item *item_add(struct scanner *s, struct field_member *member)
{
	struct field_dictionary *d = s->into;

	if (d->item_count == FIELD_ITEMS_MAX)
		return NULL;
	member->item_count++;
	return &d->items[d->item_count++];
}

static int parse_item(struct scanner *s, struct field_member *member)
{
	struct field_item *item = item_add(s, member);
	int r;

	if (!item)
		return FIELD_E_TOO_LARGE;
	r = parse_value(s, &item->value);
	return r ? r : parse_parameters(s, &item->parameters);
}

/* Behind its opening bracket. */
static int parse_list(struct scanner *s, struct field_member *member)
{
	member->is_list = true;
	for (;;) {
		take_while(s, is_space);
		if (take(s, ')'))
			return parse_parameters(s, &member->parameters);
		int r = parse_item(s, member);
		if (r)
			return r;
		if (peek(s) != ' ' && peek(s) != ')')
			return FIELD_E_SYNTAX;
	}
}

static int parse_member(struct scanner *s)
{
	struct field_dictionary *d = s->into;
	struct field_member *member = &d->members[d->member_count];
	struct span key;
	int r;

	if (d->member_count == FIELD_MEMBERS_MAX)
		return FIELD_E_TOO_LARGE;
	r = parse_key(s, &key);
	if (r)
		return r;
	if (field_member(d, key))
		return FIELD_E_DUPLICATE;
	*member = (struct field_member){.key = key, .items = d->items + d->item_count};
	if (!take(s, '=')) {
		struct field_item *item = item_add(s, member);
		if (!item)
			return FIELD_E_TOO_LARGE;
		item->value = true_value;
		r = parse_parameters(s, &item->parameters);
	} else {
		r = take(s, '(') ? parse_list(s, member) : parse_item(s, member);
	}
	if (!r)
		d->member_count++;
	return r;
}

int field_dictionary_parse(struct span text, struct field_dictionary *ret)
{
	struct scanner s = {text, ret};

	ret->member_count = ret->item_count = ret->parameter_count = 0;
	ret->text_len = 0;
	if (text.len > FIELD_BYTES_MAX)
		return FIELD_E_TOO_LARGE;
	take_while(&s, is_space);
	while (s.rest.len) {
		int r = parse_member(&s);
		if (r)
			return r;
		take_while(&s, is_blank);
		if (!s.rest.len)
			break;
		if (!take(&s, ','))
			return FIELD_E_SYNTAX;
		take_while(&s, is_blank);
		if (!s.rest.len)
			return FIELD_E_SYNTAX; /* a comma with nothing behind it */
	}
	return 0;
}

const struct field_member *field_member(const struct field_dictionary *d, struct span key)
{
	for (unsigned i = 0; i < d->member_count; i++)
		if (span_equal(d->members[i].key, key))
			return &d->members[i];
	return NULL;
}

const struct field_value *field_parameter(struct field_parameters p, const char *key)
{
	for (unsigned i = 0; i < p.count; i++)
		if (span_equal(p.list[i].key, span_from(key)))
			return &p.list[i].value;
	return NULL;
}

/* --- writing; a buffer that is full stays marked as such, so that one look at the end is enough --- */

static void write_string(struct span text, struct buffer *out)
{
	buffer_append_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (is_one_of(text.ptr[i], "\"\\"))
			buffer_append_char(out, '\\');
		buffer_append_char(out, text.ptr[i]);
	}
	buffer_append_char(out, '"');
}

static void write_bytes(struct span bytes, struct buffer *out)
{
	buffer_append_char(out, ':');
	base64_append(out, bytes);
	buffer_append_char(out, ':');
}

static void write_value(const struct field_value *v, struct buffer *out)
{
	switch (v->type) {
	case FIELD_INTEGER:
		buffer_printf(out, "%" PRId64, v->integer);
		break;
	case FIELD_STRING:
		write_string(v->bytes, out);
		break;
	case FIELD_TOKEN:
		buffer_append(out, v->bytes.ptr, v->bytes.len);
		break;
	case FIELD_BYTES:
		write_bytes(v->bytes, out);
		break;
	case FIELD_BOOLEAN:
		buffer_append_text(out, v->integer ? "?1" : "?0");
		break;
	}
}

static void write_parameters(struct field_parameters p, struct buffer *out)
{
	for (unsigned i = 0; i < p.count; i++) {
		const struct field_value *v = &p.list[i].value;

		buffer_append_char(out, ';');
		buffer_append(out, p.list[i].key.ptr, p.list[i].key.len);
		if (v->type == FIELD_BOOLEAN && v->integer)
			continue;
		buffer_append_char(out, '=');
		write_value(v, out);
	}
}

int field_write_item(const struct field_item *item, struct buffer *out)
{
	write_value(&item->value, out);
	write_parameters(item->parameters, out);
	return out->truncated ? BUFFER_E_FULL : 0;
}

int field_write_member(const struct field_member *member, struct buffer *out)
{
	if (!member->is_list)
		return field_write_item(&member->items[0], out);
	buffer_append_char(out, '(');
	for (unsigned i = 0; i < member->item_count; i++) {
		if (i)
			buffer_append_char(out, ' ');
		field_write_item(&member->items[i], out);
	}
	buffer_append_char(out, ')');
	write_parameters(member->parameters, out);
	return out->truncated ? BUFFER_E_FULL : 0;
}
