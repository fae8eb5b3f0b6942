// SPDX-License-Identifier: Apache-2.0
/*
 * list_stix.c: a STIX 2.1 bundle. Of its objects, indicators count whose pattern names addresses, each of
 * which is enough by itself:
 *
 *     [ipv4-addr:value = '192.0.2.1' OR ipv6-addr:value = '2001:db8::1'] OR [ipv4-addr:value ISSUBSET '…/24']
 *
 * Other things that such a pattern names beside them are passed over. What is joined by AND, or by time,
 * means something else than "this address", and is left alone.
 */
#include <errno.h>
#include "lib/json_read.h"
#include "lib/util.h"
#include "policies/list_internal.h"

#define VALUES_MAX 1024 /* addresses of one pattern */

enum token_kind { TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_EQUALS, TOKEN_WORD, TOKEN_TEXT, TOKEN_OTHER };

struct token {
	enum token_kind kind;
	struct span text; /* of a TEXT: what is between the quotes, escapes as they are */
};

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-_:.*", c));
}

static struct token take(struct span *s, enum token_kind kind, size_t len)
{
	struct token t = {kind, {s->ptr, len}};

	s->ptr += len;
	s->len -= len;
	return t;
}

static struct token text_take(struct span *s)
{
	for (size_t i = 1; i < s->len; i++) {
		if (s->ptr[i] == '\\') {
			i++;
		} else if (s->ptr[i] == '\'') {
			struct token t = take(s, TOKEN_TEXT, i + 1);
			t.text = (struct span){t.text.ptr + 1, i - 1};
			return t;
		}
	}
	return take(s, TOKEN_OTHER, s->len);
}

static struct token next(struct span *s)
{
	while (s->len && strchr(" \t\r\n", s->ptr[0]) && s->ptr[0])
		take(s, TOKEN_OTHER, 1);
	if (!s->len)
		return (struct token){TOKEN_END, SPAN_NULL};
	size_t n = 0;
	switch (s->ptr[0]) {
	case '[':
		return take(s, TOKEN_OPEN, 1);
	case ']':
		return take(s, TOKEN_CLOSE, 1);
	case '=':
		return take(s, TOKEN_EQUALS, 1);
	case '\'':
		return text_take(s);
	}
	while (n < s->len && is_word(s->ptr[n]))
		n++;
	return n ? take(s, TOKEN_WORD, n) : take(s, TOKEN_OTHER, 1);
}

static bool is(const struct token *t, const char *word)
{
	return t->kind == TOKEN_WORD && span_equal(t->text, span_from(word));
}

struct values {
	struct span items[VALUES_MAX];
	unsigned count;
};

/* path = 'text', or path ISSUBSET 'text'. False: something else. */
static bool comparison(struct span *s, struct values *ret)
{
	struct token path = next(s), operator= next(s), text = next(s);
	bool address = is(&path, "ipv4-addr:value") || is(&path, "ipv6-addr:value");

	if (path.kind != TOKEN_WORD || text.kind != TOKEN_TEXT ||
	    (operator.kind != TOKEN_EQUALS && !is(&operator, "ISSUBSET")))
		return false;
	if (!address)
		return true;
	if (ret->count == VALUES_MAX)
		return false;
	ret->items[ret->count++] = text.text;
	return true;
}

/* [ comparison OR comparison ... ] OR [ ... ] ... */
static bool pattern(struct span s, struct values *ret)
{
	for (;;) {
		struct token t = next(&s);
		if (t.kind != TOKEN_OPEN)
			return false;
		do {
			if (!comparison(&s, ret))
				return false;
			t = next(&s);
		} while (is(&t, "OR"));
		if (t.kind != TOKEN_CLOSE)
			return false;
		t = next(&s);
		if (t.kind == TOKEN_END)
			return true;
		if (!is(&t, "OR"))
			return false;
	}
}

static int indicator_read(struct list_builder *b, uint64_t at, const cJSON *object)
{
	const char *type = json_get_text(object, "pattern_type"), *text = json_get_text(object, "pattern");
	const char *until = json_get_text(object, "valid_until");
	struct values values = {.count = 0};
	uint64_t end_s = 0;
	int r = 0;

	if (!text || (type && strcmp(type, "stix") != 0) || json_get_bool(object, "revoked", false) ||
	    !pattern(span_from(text), &values) || !values.count) {
		b->report->ignored++;
		return 0;
	}
	if (until && list_time_parse(span_from(until), &end_s)) {
		list_unreadable(b, at, "its valid_until is no time", span_from(until));
		return 0;
	}
	if (until)
		end_s = MAX(end_s, (uint64_t)1);
	for (unsigned i = 0; i < values.count && !r; i++)
		r = list_add(b, at, values.items[i], end_s);
	return r;
}

int list_read_stix(struct list_builder *b, const cJSON *root)
{
	const cJSON *objects = cJSON_GetObjectItemCaseSensitive(root, "objects"), *object;
	const char *bundle = json_get_text(root, "type");
	uint64_t at = 0;

	if (!bundle || strcmp(bundle, "bundle") != 0 || (objects && !cJSON_IsArray(objects)))
		return LIST_E_FORMAT;
	cJSON_ArrayForEach(object, objects)
	{
		const char *type = json_get_text(object, "type");
		int r = 0;

		at++;
		if (type && strcmp(type, "indicator") == 0)
			r = indicator_read(b, at, object);
		else
			b->report->ignored++;
		if (r)
			return r;
	}
	return 0;
}
