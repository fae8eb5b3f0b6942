// SPDX-License-Identifier: Apache-2.0
#include "policies/redact_text.h"
#include <ctype.h>
#include "lib/addr.h"
#include "lib/util.h"

#define NAME_MAX_LEN  64 /* a longer parameter or cookie name is no name */
#define BARE_NAME_MAX 24 /* see name_looks_like_one */
#define PLAIN_MAX     64 /* a longer value is no plain one */
#define METHOD_MAX    32

/* --- writing --- */
static inline void put(struct redact_writer *w, struct span s)
{
	if (!s.ptr)
		return;
	memcpy(w->at, s.ptr, s.len);
	w->at += s.len;
}

static inline void put_char(struct redact_writer *w, char c)
{
	*w->at++ = c;
}

static inline struct span since(const struct redact_writer *w, const char *from)
{
	return (struct span){from, (size_t)(w->at - from)};
}

struct span redact_put(struct redact_writer *w, struct span text)
{
	const char *from = w->at;

	put(w, text);
	return since(w, from);
}

struct span redact_put_hash(struct redact_writer *w, struct span label, struct span value)
{
	const char *from = w->at;
	char hash[REDACT_HASH_MAX];

	if (!w->hashes_left) {
		w->hashes_refused++;
		return since(w, from);
	}
	w->hashes_left--;
	redact_hash_value(w->hash, label, value, hash);
	put(w, span_from(hash));
	return since(w, from);
}

static void put_placeholder(struct redact_writer *w, enum token_kind kind, struct span secret)
{
	struct span name = span_from(token_kind_name(kind));

	put_char(w, '{');
	put(w, name);
	if (w->hashes_left)
		put_char(w, ':');
	redact_put_hash(w, name, secret);
	put_char(w, '}');
}

/* One text that stays or goes as a whole. */
static void put_unit(struct redact_writer *w, struct span text)
{
	struct span reading = text;
	enum token_kind kind = token_find_decoded(&w->rules->tokens, &reading, w->work);

	if (kind == TOKEN_NONE)
		put(w, text);
	else
		put_placeholder(w, kind, reading);
}

/* The first of stops in s, or s.len. */
__attribute__((always_inline)) static inline size_t find_any(struct span s, const char *stops)
{
	if (!s.ptr)
		return 0;
	if (!stops[1]) {
		const char *at = memchr(s.ptr, stops[0], s.len);
		return at ? (size_t)(at - s.ptr) : s.len;
	}
	for (size_t i = 0; i < s.len; i++)
		for (const char *stop = stops; *stop; stop++)
			if (s.ptr[i] == *stop)
				return i;
	return s.len;
}

static inline struct span from_at(struct span s, size_t from)
{
	return s.ptr ? (struct span){s.ptr + from, s.len - from} : s;
}

/* --- names and values --- */

/* These before a "=" tell that something else than a list of parameters was split: an object of JSON, a text.
 */
static bool is_no_name(struct span text)
{
	return find_any(text, "\"\\<>,") < text.len;
}

/*
 * A part without a value is a flag ("?wsdl") or a bare token ("?3f9a…"). Kept is what reads like a word: it
 * starts with a letter, has digits only if it is short, and is no text with values in it ("password:x").
 */
static bool name_looks_like_one(struct span name)
{
	if (!name.len || name.len > BARE_NAME_MAX || is_no_name(name) || memchr(name.ptr, ':', name.len) ||
	    !(isalpha((unsigned char)name.ptr[0]) || name.ptr[0] == '_'))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (isdigit((unsigned char)name.ptr[i]) && name.len > 8)
			return false;
	return true;
}

/* A name may hold a secret itself; one that is too long to be a name goes, and so does, beyond the last hash,
 * what is none. */
static void put_name(struct redact_writer *w, struct span name)
{
	struct span reading = name;
	enum token_kind kind = TOKEN_NONE;

	if (name.len > NAME_MAX_LEN)
		return;
	if (token_signs(name) & (TOKEN_SIGN_RUN | TOKEN_SIGN_SPECIAL))
		kind = token_find_decoded(&w->rules->tokens, &reading, w->work);
	if (kind != TOKEN_NONE)
		put_placeholder(w, kind, reading);
	else if (!is_no_name(reading))
		put(w, name);
	else if (w->hashes_left)
		put_placeholder(w, TOKEN_TEXT, reading);
}

/* Words, numbers, lists of them; and none that is a token. */
static bool value_is_plain(const struct redact_writer *w, struct span value)
{
	if (value.len > PLAIN_MAX)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (!isalnum((unsigned char)value.ptr[i]) && !strchr("_.,:+-*", value.ptr[i]))
			return false;
	return !(token_signs(value) & TOKEN_SIGN_RUN) || token_find(&w->rules->tokens, value) == TOKEN_NONE;
}

/* The same value, however it was encoded, is one value. */
static void put_value_hash(struct redact_writer *w, struct span name, struct span value)
{
	if (w->hashes_left && memchr(value.ptr, '%', value.len))
		value = (struct span){w->work, token_percent_decode(value, w->work)};
	redact_put_hash(w, name, value);
}

static void put_value(struct redact_writer *w, const struct redact_name *known, struct span name,
		      struct span value)
{
	if (!value.len)
		return;
	if (known && known->treatment == PARAMETER_KEEP && value_is_plain(w, value))
		put(w, value);
	else if (w->query != REDACT_QUERY_DROP)
		put_value_hash(w, name, value);
}

/* "name=value", "name", or a value without a name. */
static void put_parameter(struct redact_writer *w, struct span part)
{
	size_t equals = find_any(part, "=");
	struct span name = {part.ptr, equals}, value = from_at(part, MIN(equals + 1, part.len));
	bool has_value = false;

	for (size_t i = equals; i < part.len && !has_value; i++)
		has_value = part.ptr[i] != '=';
	/* "dG9rZW4=" is a token in base64, not a name with an empty value: judged as a bare part. */
	if (!has_value) {
		if (name_looks_like_one(name))
			put_name(w, name);
		if (equals < part.len)
			put_char(w, '=');
		return;
	}
	const struct redact_name *known = redact_name_find(&w->rules->parameters, name);
	if (known && known->treatment & PARAMETER_CREDENTIAL && !w->credential.len)
		w->credential = value;
	put_name(w, name);
	put_char(w, '=');
	put_value(w, known, name, value);
}

static void put_query(struct redact_writer *w, struct span query)
{
	for (;;) {
		struct span part = {query.ptr, find_any(query, "&")};
		put_parameter(w, part);
		if (part.len == query.len)
			return;
		put_char(w, '&');
		query = from_at(query, part.len + 1);
	}
}

/* --- targets --- */

/* Up to the query or the fragment. */
static size_t path_len(struct span target)
{
	size_t len = find_any(target, "?");

	return find_any((struct span){target.ptr, len}, "#");
}

struct span redact_target_authority(struct span target)
{
	if (!target.ptr || !target.len || target.ptr[0] == '/' || target.ptr[0] == '?')
		return SPAN_NULL;
	struct span head = {target.ptr, path_len(target)};
	const char *mark = memmem(head.ptr, head.len, "://", 3);
	struct span rest = mark ? from_at(target, (size_t)(mark + 3 - target.ptr)) : target;

	return (struct span){rest.ptr, find_any(rest, "/\\?#")};
}

struct span redact_without_userinfo(struct span authority)
{
	const char *at = authority.len ? memrchr(authority.ptr, '@', authority.len) : NULL;

	return at ? from_at(authority, (size_t)(at + 1 - authority.ptr)) : authority;
}

/*
 * A name or an address, and a port: what else a client puts there may be a password whose "@" stands behind a
 * slash, or a query. "%", bytes beyond ASCII and braces are for put_unit to look at.
 */
static bool is_host(struct span s)
{
	struct span host = s, port = SPAN_NULL;
	const char *end = s.len && s.ptr[0] == '[' ? memchr(s.ptr, ']', s.len) : NULL;
	const char *colon = s.len ? memchr(s.ptr, ':', s.len) : NULL;
	struct addr address;

	if (end) {
		host = (struct span){s.ptr + 1, (size_t)(end - s.ptr) - 1};
		port = from_at(s, host.len + 2);
		if (port.len && port.ptr[0] != ':')
			return false;
	} else if (colon && colon == memrchr(s.ptr, ':', s.len)) {
		host.len = (size_t)(colon - s.ptr);
		port = from_at(s, host.len);
	}
	for (size_t i = 1; i < port.len; i++)
		if (!isdigit((unsigned char)port.ptr[i]))
			return false;
	if (host.len && memchr(host.ptr, ':', host.len))
		return addr_parse(host, &address) == 0;
	for (size_t i = 0; i < host.len; i++)
		if (!isalnum((unsigned char)host.ptr[i]) && !(host.ptr[i] & 0x80) &&
		    !memchr(".-_%{}*~", host.ptr[i], 8))
			return false;
	return true;
}

struct span redact_put_authority(struct redact_writer *w, struct span authority)
{
	const char *from = w->at;
	struct span host = w->off ? authority : redact_without_userinfo(authority), reading = host;
	enum token_kind kind = TOKEN_NONE;

	if (!w->off && token_signs(host))
		kind = token_find_decoded(&w->rules->tokens, &reading, w->work);
	if (!w->off && kind == TOKEN_NONE && !is_host(host))
		kind = TOKEN_TEXT;
	if (kind == TOKEN_NONE)
		put(w, host);
	else
		put_placeholder(w, kind, reading);
	return since(w, from);
}

/*
 * Of a segment: its name, and its parameters behind ";" (RFC 3986 section 3.3), where Java servers put what
 * others keep in cookies. A name with "=" in it is read as parameters as well.
 */
static void put_segment(struct redact_writer *w, struct span segment)
{
	bool first = true;

	for (;;) {
		struct span part = {segment.ptr, find_any(segment, ";")};
		if (memchr(part.ptr, '=', part.len))
			put_query(w, part);
		else if (first || name_looks_like_one(part))
			put_unit(w, part);
		else if (part.len && w->hashes_left)
			put_placeholder(w, TOKEN_TEXT, part);
		if (part.len == segment.len)
			return;
		put_char(w, ';');
		segment = from_at(segment, part.len + 1);
		first = false;
	}
}

static void put_path(struct redact_writer *w, struct span path)
{
	if (!token_signs(path)) {
		put(w, path);
		return;
	}
	while (path.len) {
		struct span segment = {path.ptr, find_any(path, "/")};
		if (segment.len)
			put_segment(w, segment);
		if (segment.len == path.len)
			return;
		put_char(w, '/');
		path = from_at(path, segment.len + 1);
	}
}

/* The scheme and the authority, if there are any. Returns what is behind them. */
static struct span put_authority_of(struct redact_writer *w, struct span target)
{
	struct span authority = redact_target_authority(target);

	if (!authority.len)
		return target;
	struct span scheme = {target.ptr, (size_t)(authority.ptr - target.ptr)};
	if (scheme.len > 3 && token_signs(scheme)) {
		put_unit(w, (struct span){scheme.ptr, scheme.len - 3});
		put(w, SPAN("://"));
	} else {
		put(w, scheme);
	}
	redact_put_authority(w, authority);
	return from_at(target, (size_t)(authority.ptr + authority.len - target.ptr));
}

struct span redact_put_target(struct redact_writer *w, struct span target)
{
	const char *from = w->at;

	if (w->off)
		return redact_put(w, target);
	if (w->query == REDACT_QUERY_KEEP) {
		struct span authority = redact_target_authority(target);
		struct span host = redact_without_userinfo(authority);
		if (authority.len) {
			put(w, (struct span){target.ptr, (size_t)(authority.ptr - target.ptr)});
			target = from_at(target, (size_t)(host.ptr - target.ptr));
		}
		put(w, target);
		return since(w, from);
	}
	target = put_authority_of(w, target);
	struct span path = {target.ptr, path_len(target)};
	put_path(w, path);
	target = from_at(target, path.len);
	if (target.ptr && target.len && target.ptr[0] == '?') {
		put_char(w, '?');
		target = from_at(target, 1);
		put_query(w, (struct span){target.ptr, find_any(target, "#")});
	}
	return since(w, from);
}

/* --- cookies --- */
bool redact_cookie_next(struct span *list, struct span *ret_name, struct span *ret_value)
{
	while (list->len) {
		struct span pair = {list->ptr, find_any(*list, ";")};
		*list = from_at(*list, pair.len < list->len ? pair.len + 1 : pair.len);
		pair = span_trim(pair);
		size_t equals = find_any(pair, "=");
		if (equals == pair.len) /* no name: all of it is a value */
			continue;
		*ret_name = span_trim((struct span){pair.ptr, equals});
		*ret_value = span_trim(from_at(pair, equals + 1));
		return true;
	}
	return false;
}

/* At most one byte a cookie longer than the list, which may have had no space behind its ";". */
struct span redact_put_cookies(struct redact_writer *w, struct span list)
{
	const char *from = w->at;
	struct span name, value;

	if (w->off)
		return redact_put(w, list);
	while (redact_cookie_next(&list, &name, &value)) {
		if (name.len > NAME_MAX_LEN)
			continue;
		if (w->at != from)
			put(w, SPAN("; "));
		put_name(w, name);
		put_char(w, '=');
		put_value(w, redact_name_find(&w->rules->cookies, name), name, value);
	}
	return since(w, from);
}

/* --- words --- */

/* What stands between words. Not "/", "+", "-", "@", "%", ":", which are parts of them. */
static bool is_gap(char c)
{
	return c == ' ' || c == '\t' || c == ',' || c == ';' || c == '"' || c == '\'' || c == '(' ||
	       c == ')' || c == '<' || c == '>' || c == '[' || c == ']' || c == '&' || c == '|';
}

static bool name_is_secret(const struct redact_writer *w, struct span name)
{
	const struct redact_name *known = redact_name_find(&w->rules->parameters, name);

	return known && known->treatment & (PARAMETER_CREDENTIAL | PARAMETER_SECRET);
}

/* Where the name that ends at `end` begins. */
static size_t name_start(struct span value, size_t end)
{
	while (end && (isalnum((unsigned char)value.ptr[end - 1]) || value.ptr[end - 1] == '_' ||
		       value.ptr[end - 1] == '-'))
		end--;
	return end;
}

/* The first name of a secret in front of a "=", whose place is returned. text.len: none. */
static size_t secret_pair_find(const struct redact_writer *w, struct span text, struct span *ret_name)
{
	for (size_t i = find_any(text, "="); i < text.len; i += 1 + find_any(from_at(text, i + 1), "=")) {
		size_t start = name_start(text, i);
		*ret_name = (struct span){text.ptr + start, i - start};
		if (name_is_secret(w, *ret_name))
			return i;
	}
	return text.len;
}

/* Of what begins with a value: how much is it? In quotes up to the closing one, which is part of it. */
static size_t value_len(struct span rest)
{
	if (rest.len && (rest.ptr[0] == '"' || rest.ptr[0] == '\'')) {
		const char stop[] = {rest.ptr[0], 0};
		return MIN(rest.len, 2 + find_any(from_at(rest, 1), stop));
	}
	size_t len = 0;
	while (len < rest.len && !is_gap(rest.ptr[len]))
		len++;
	return len;
}

/* rest: what stands behind the "=" of a secret's name. Returns how much of it was the value, or before it. */
static size_t put_secret(struct redact_writer *w, struct span name, struct span rest)
{
	size_t before = 0, len;

	while (before < rest.len && (rest.ptr[before] == ' ' || rest.ptr[before] == '\t'))
		before++;
	len = value_len(from_at(rest, before));
	struct span value = {rest.ptr + before, len};
	bool quoted = len && is_gap(value.ptr[0]);
	if (!len)
		return 0;
	put(w, (struct span){rest.ptr, before + quoted});
	if (quoted) {
		value = from_at(value, 1);
		value.len -= value.len && value.ptr[value.len - 1] == rest.ptr[before];
	}
	if (value.len)
		put_value_hash(w, name, value);
	if (quoted && 1 + value.len < len)
		put_char(w, rest.ptr[before]);
	return before + len;
}

/* A URL in a text: gaps are part of it, but not at its end ("(+http://a.test/)"). */
static size_t url_len(struct span text)
{
	size_t len = find_any(text, " \t\"<>");

	while (len && is_gap(text.ptr[len - 1]))
		len--;
	return len;
}

/* text begins with a word. Returns how much of it was written. */
static size_t put_word(struct redact_writer *w, struct span text)
{
	struct span word = {text.ptr, value_len(text)}, name;
	const char *url = memmem(word.ptr, word.len, "://", 3);
	size_t pair = secret_pair_find(w, word, &name);

	if (pair < word.len && (!url || word.ptr + pair < url)) {
		put_unit(w, (struct span){word.ptr, pair});
		put_char(w, '=');
		return pair + 1 + put_secret(w, name, from_at(text, pair + 1));
	}
	if (url) {
		word.len = url_len(text);
		redact_put_target(w, word);
	} else {
		put_unit(w, word);
	}
	return word.len;
}

struct span redact_put_words(struct redact_writer *w, struct span value)
{
	const char *from = w->at;
	unsigned signs = w->off ? 0 : token_signs(value);
	struct span name;

	if (signs == TOKEN_SIGN_PAIR && secret_pair_find(w, value, &name) == value.len)
		signs = 0;
	if (!signs && (w->off || !value.len || !memmem(value.ptr, value.len, "://", 3)))
		return redact_put(w, value);
	/* A card's number may be several words. */
	if (token_find(&(struct token_rules){.find = w->rules->tokens.find & 1u << TOKEN_CARD}, value) ==
	    TOKEN_CARD) {
		put_placeholder(w, TOKEN_CARD, value);
		return since(w, from);
	}
	for (size_t i = 0; i < value.len;) {
		if (is_gap(value.ptr[i]))
			put_char(w, value.ptr[i++]);
		else
			i += put_word(w, from_at(value, i));
	}
	return since(w, from);
}

/* --- methods --- */

/* Letters, "-" and "_": more than that no method in use has, and what comes first in a malformed head may be
 * anything. */
static bool method_is_word(struct span method)
{
	for (size_t i = 0; i < method.len; i++)
		if (!isalpha((unsigned char)method.ptr[i]) && method.ptr[i] != '-' && method.ptr[i] != '_')
			return false;
	return method.len <= METHOD_MAX;
}

struct span redact_put_method(struct redact_writer *w, struct span method)
{
	const char *from = w->at;

	if (w->off || w->query == REDACT_QUERY_KEEP ||
	    (method.len < TOKEN_RANDOM_MIN_LEAST && method_is_word(method)))
		put(w, method);
	else if (method_is_word(method))
		put_unit(w, method);
	else
		put_placeholder(w, TOKEN_TEXT, method);
	return since(w, from);
}
