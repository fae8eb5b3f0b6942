// SPDX-License-Identifier: Apache-2.0
/*
 * The text is checked whole by a recursive descent, whose depth the limits bound; only then cJSON builds the
 * tree. The keys of all open objects stand in one array; when an object ends, its part of it is sorted to
 * find equal neighbours, so that many keys cost n log n whatever they are.
 */
#include "lib/json_read.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "lib/utf8.h"
#include "lib/util.h"

#define DEPTH_CEILING 256
#define NUMBER_MAX    63 /* cJSON copies a number into 64 bytes and would read a longer one as two */

struct key {
	struct span text; /* decoded */
	size_t offset;
};

struct scan {
	const unsigned char *text;
	size_t len, at;
	unsigned depth, depth_max;
	unsigned values, values_max;
	struct key *keys;
	size_t key_count, key_size;
	char *decoded; /* keys that hold escapes; as long as the text, since decoding never lengthens */
	size_t decoded_len;
};

static int scan_value(struct scan *s);

static void skip_space(struct scan *s)
{
	while (s->at < s->len) {
		unsigned char c = s->text[s->at];
		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return;
		s->at++;
	}
}

static bool take(struct scan *s, unsigned char c)
{
	if (s->at >= s->len || s->text[s->at] != c)
		return false;
	s->at++;
	return true;
}

static int scan_hex4(struct scan *s, unsigned *ret)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++, s->at++) {
		if (s->at >= s->len)
			return JSON_E_SYNTAX;
		unsigned char c = s->text[s->at];
		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + (c - 'a') + 10;
		else if (c >= 'A' && c <= 'F')
			v = v * 16 + (c - 'A') + 10;
		else
			return JSON_E_SYNTAX;
	}
	*ret = v;
	return 0;
}

/* Behind "\u". A surrogate counts only as the first half of a pair. */
static int scan_unicode_escape(struct scan *s, unsigned *ret)
{
	unsigned high, low;
	int r = scan_hex4(s, &high);

	if (r)
		return r;
	if (high == 0)
		return JSON_E_NUL;
	if (high >= 0xdc00 && high <= 0xdfff)
		return JSON_E_UTF8;
	if (high < 0xd800 || high > 0xdbff) {
		*ret = high;
		return 0;
	}
	if (!take(s, '\\') || !take(s, 'u'))
		return JSON_E_UTF8;
	r = scan_hex4(s, &low);
	if (r)
		return r;
	if (low < 0xdc00 || low > 0xdfff)
		return JSON_E_UTF8;
	*ret = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	return 0;
}

/* Behind the backslash. */
static int scan_escape(struct scan *s, unsigned *ret)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

	if (s->at >= s->len)
		return JSON_E_SYNTAX;
	unsigned char c = s->text[s->at];
	if (c == 'u') {
		s->at++;
		return scan_unicode_escape(s, ret);
	}
	const char *hit = c ? strchr(from, c) : NULL;
	if (!hit)
		return JSON_E_SYNTAX;
	s->at++;
	*ret = (unsigned char)to[hit - from];
	return 0;
}

/* *ret_escaped: holds an escape. *ret: the raw text between the quotes. */
static int scan_string(struct scan *s, struct span *ret, bool *ret_escaped)
{
	size_t first;
	int r;

	*ret_escaped = false;
	if (!take(s, '"'))
		return JSON_E_SYNTAX;
	first = s->at;
	while (s->at < s->len) {
		unsigned char c = s->text[s->at];
		if (c == '"') {
			*ret = (struct span){(const char *)s->text + first, s->at - first};
			s->at++;
			return 0;
		}
		if (c < 0x20)
			return JSON_E_SYNTAX;
		if (c == '\\') {
			unsigned code_point;
			*ret_escaped = true;
			s->at++;
			r = scan_escape(s, &code_point);
			if (r)
				return r;
			continue;
		}
		size_t n = utf8_sequence(s->text + s->at, s->len - s->at);
		if (n == 0)
			return JSON_E_UTF8;
		s->at += n;
	}
	return JSON_E_SYNTAX;
}

/* raw was scanned before and is sound. */
static int decode(struct scan *s, struct span raw, struct span *ret)
{
	struct scan in = {.text = (const unsigned char *)raw.ptr, .len = raw.len};

	if (!s->decoded) {
		s->decoded = malloc(s->len);
		if (!s->decoded)
			return -ENOMEM;
	}
	char *first = s->decoded + s->decoded_len, *out = first;
	while (in.at < in.len) {
		unsigned code_point = in.text[in.at++];
		if (code_point != '\\') {
			*out++ = (char)code_point;
			continue;
		}
		int r = scan_escape(&in, &code_point);
		if (r)
			return r;
		out += utf8_encode(code_point, out);
	}
	*ret = (struct span){first, (size_t)(out - first)};
	s->decoded_len += ret->len;
	return 0;
}

static int key_add(struct scan *s, struct span text, size_t offset)
{
	if (s->key_count == s->key_size) {
		size_t size = s->key_size ? s->key_size * 2 : 32;
		struct key *keys = realloc(s->keys, size * sizeof *keys);
		if (!keys)
			return -ENOMEM;
		s->keys = keys;
		s->key_size = size;
	}
	s->keys[s->key_count++] = (struct key){text, offset};
	return 0;
}

static int key_compare(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	size_t n = MIN(x->text.len, y->text.len);
	int r = n ? memcmp(x->text.ptr, y->text.ptr, n) : 0;

	if (r == 0 && x->text.len != y->text.len)
		r = x->text.len < y->text.len ? -1 : 1;
	return r;
}

static int keys_close(struct scan *s, size_t first)
{
	size_t count = s->key_count - first;

	if (count > 1) {
		struct key *keys = s->keys + first;
		qsort(keys, count, sizeof *keys, key_compare);
		for (size_t i = 1; i < count; i++) {
			if (key_compare(&keys[i - 1], &keys[i]) == 0) {
				s->at = MAX(keys[i - 1].offset, keys[i].offset);
				return JSON_E_DUPLICATE_KEY;
			}
		}
	}
	s->key_count = first;
	return 0;
}

static int scan_member(struct scan *s)
{
	size_t offset = s->at;
	bool escaped;
	struct span key;
	int r = scan_string(s, &key, &escaped);

	if (r)
		return r;
	if (escaped) {
		r = decode(s, key, &key);
		if (r)
			return r;
	}
	r = key_add(s, key, offset);
	if (r)
		return r;
	skip_space(s);
	if (!take(s, ':'))
		return JSON_E_SYNTAX;
	return scan_value(s);
}

/* Behind the opening bracket. */
static int scan_list(struct scan *s, unsigned char close, int (*element)(struct scan *s))
{
	if (++s->depth > s->depth_max)
		return JSON_E_TOO_DEEP;
	skip_space(s);
	if (take(s, close)) {
		s->depth--;
		return 0;
	}
	for (;;) {
		skip_space(s);
		int r = element(s);
		if (r)
			return r;
		skip_space(s);
		if (take(s, close)) {
			s->depth--;
			return 0;
		}
		if (!take(s, ','))
			return JSON_E_SYNTAX;
	}
}

static int scan_object(struct scan *s)
{
	size_t first = s->key_count;
	int r = scan_list(s, '}', scan_member);

	return r ? r : keys_close(s, first);
}

static bool take_digits(struct scan *s)
{
	size_t first = s->at;

	while (s->at < s->len && s->text[s->at] >= '0' && s->text[s->at] <= '9')
		s->at++;
	return s->at > first;
}

static int scan_number(struct scan *s)
{
	size_t first = s->at;
	char z[NUMBER_MAX + 1];

	take(s, '-');
	if (!take(s, '0') && !take_digits(s))
		return JSON_E_SYNTAX;
	if (take(s, '.') && !take_digits(s))
		return JSON_E_SYNTAX;
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+'))
			take(s, '-');
		if (!take_digits(s))
			return JSON_E_SYNTAX;
	}
	size_t n = s->at - first;
	if (n > NUMBER_MAX) {
		s->at = first;
		return JSON_E_NUMBER;
	}
	memcpy(z, s->text + first, n);
	z[n] = 0;
	if (!isfinite(strtod(z, NULL))) {
		s->at = first;
		return JSON_E_NUMBER;
	}
	return 0;
}

static int scan_word(struct scan *s, struct span word)
{
	if (s->len - s->at < word.len || memcmp(s->text + s->at, word.ptr, word.len) != 0)
		return JSON_E_SYNTAX;
	s->at += word.len;
	return 0;
}

static int scan_value(struct scan *s)
{
	struct span text;
	bool escaped;

	skip_space(s);
	if (s->at >= s->len)
		return JSON_E_SYNTAX;
	if (++s->values > s->values_max)
		return JSON_E_TOO_MANY;
	switch (s->text[s->at]) {
	case '{':
		s->at++;
		return scan_object(s);
	case '[':
		s->at++;
		return scan_list(s, ']', scan_value);
	case '"':
		return scan_string(s, &text, &escaped);
	case 't':
		return scan_word(s, SPAN("true"));
	case 'f':
		return scan_word(s, SPAN("false"));
	case 'n':
		return scan_word(s, SPAN("null"));
	default:
		return scan_number(s);
	}
}

static int scan_text(struct scan *s)
{
	int r = scan_value(s);

	if (r)
		return r;
	skip_space(s);
	return s->at < s->len ? JSON_E_TRAILING : 0;
}

int json_parse(struct span text, const struct json_limits *limits, cJSON **ret, size_t *ret_offset)
{
	struct scan s = {
		.text = (const unsigned char *)text.ptr,
		.len = text.len,
		.depth_max = MIN(limits->depth, DEPTH_CEILING),
		.values_max = limits->values,
	};
	int r = text.len > limits->bytes ? JSON_E_TOO_LARGE : scan_text(&s);

	free(s.keys);
	free(s.decoded);
	if (r) {
		if (ret_offset)
			*ret_offset = s.at;
		return r;
	}
	cJSON *tree = cJSON_ParseWithLengthOpts(text.ptr, text.len, NULL, 0);
	if (!tree)
		return -ENOMEM; /* the text is sound (the fuzzer holds us to it), so only memory can be short
				 */
	*ret = tree;
	return 0;
}

const char *json_error_name(int error)
{
	static const char *const names[] = {
		[JSON_E_SYNTAX] = "syntax",
		[JSON_E_TOO_LARGE] = "too_large",
		[JSON_E_TOO_DEEP] = "too_deep",
		[JSON_E_TOO_MANY] = "too_many",
		[JSON_E_DUPLICATE_KEY] = "duplicate_key",
		[JSON_E_NUMBER] = "number",
		[JSON_E_UTF8] = "utf8",
		[JSON_E_NUL] = "nul",
		[JSON_E_TRAILING] = "trailing",
	};

	if (error == 0)
		return "ok";
	return error > 0 && (size_t)error < ARRAY_SIZE(names) ? names[error] : "memory";
}

const char *json_get_text(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : NULL;
}

int json_get_int(const cJSON *object, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	/* Above 2^53 a double no longer tells neighbours apart: what was sent is lost, so it is refused. */
	const double exact = 9007199254740992.0;
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	if (!item)
		return 1;
	if (!cJSON_IsNumber(item) || item->valuedouble != floor(item->valuedouble) ||
	    fabs(item->valuedouble) >= exact)
		return 2;
	int64_t v = (int64_t)item->valuedouble;
	if (v < min || v > max)
		return 2;
	*ret = v;
	return 0;
}

bool json_get_bool(const cJSON *object, const char *key, bool fallback)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}
