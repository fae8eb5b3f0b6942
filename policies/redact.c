// SPDX-License-Identifier: Apache-2.0
#include "policies/redact.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include "lib/util.h"

#define KEY_LEN       32
#define NAME_MAX_LEN  64 /* a longer query or cookie name is no name */
#define BARE_NAME_MAX 24 /* see name_looks_like_one */

/* What becomes of a header that the allow list lets through. */
enum treatment { PASS, AS_COOKIE, AS_TARGET, AS_HOST, AS_USER_AGENT, NEVER };

struct allowed {
	struct span name; /* lower case; points into the configuration's copy below */
	enum treatment treatment;
	struct allowed *next;
};

/* Reused from request to request. It grows to the largest head seen, which the parser bounds. */
struct scratch {
	char *bytes;
	size_t size;
};

struct redact {
	bool keep_values;
	struct allowed *allowed;
	char **names;
	unsigned allowed_count;
	struct allowed *slots[256];
	struct scratch *scratch;
	EVP_MAC *mac;
	EVP_MAC_CTX *context;
};

/* --- the key --- */
static int key_read(const char *path, uint8_t ret_key[static KEY_LEN])
{
	uint8_t key[KEY_LEN + 1]; /* one more, to see a longer file */
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return -EPERM;
	ssize_t n = read(fd, key, sizeof key);
	if (n < 0)
		return -errno;
	if (n != KEY_LEN)
		return -EINVAL;
	memcpy(ret_key, key, KEY_LEN);
	explicit_bzero(key, sizeof key);
	return 0;
}

static int key_write(int fd, uint8_t ret_key[static KEY_LEN])
{
	uint8_t key[KEY_LEN];

	if (getrandom(key, sizeof key, 0) != KEY_LEN)
		return -errno;
	ssize_t n = write(fd, key, sizeof key);
	if (n != KEY_LEN)
		return n < 0 ? -errno : -ENOSPC;
	if (fsync(fd))
		return -errno;
	memcpy(ret_key, key, KEY_LEN);
	explicit_bzero(key, sizeof key);
	return 0;
}

/* Under another name first: a file of that name is whole, or is not there, and of two who make one the first
 * wins. */
static int key_make(const char *path, uint8_t ret_key[static KEY_LEN])
{
	char temporary[PATH_MAX];
	int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);

	if (n < 0 || (size_t)n >= sizeof temporary)
		return -ENAMETOOLONG;
	_cleanup_close_ int fd = mkostemp(temporary, O_CLOEXEC); /* makes it 0600 */
	if (fd < 0)
		return -errno;
	int r = key_write(fd, ret_key);
	if (!r && link(temporary, path))
		r = -errno;
	unlink(temporary);
	return r;
}

int redact_key_load(const char *path, uint8_t ret_key[static 32])
{
	int r = key_read(path, ret_key);

	if (r != -ENOENT)
		return r;
	r = key_make(path, ret_key);
	return r == -EEXIST ? key_read(path, ret_key) : r;
}

/* --- the life of it --- */
static enum treatment treatment_of(struct span name)
{
	static const struct {
		const char *name;
		enum treatment treatment;
	} known[] = {
		{"cookie", AS_COOKIE},
		{"host", AS_HOST},
		{"user-agent", AS_USER_AGENT},
		{"referer", AS_TARGET},
		{"origin", AS_TARGET},
		{"destination", AS_TARGET},
		{"location", AS_TARGET},
		{"content-location", AS_TARGET},
		{"x-original-url", AS_TARGET},
		{"x-original-uri", AS_TARGET},
		{"x-rewrite-url", AS_TARGET},
		{"x-forwarded-uri", AS_TARGET},
		{"authorization", NEVER},
		{"proxy-authorization", NEVER},
		{"x-api-key", NEVER},
		{"api-key", NEVER},
		{"x-auth-token", NEVER},
		{"x-access-token", NEVER},
		{"x-session-token", NEVER},
		{"x-csrf-token", NEVER},
		{"x-xsrf-token", NEVER},
		{"x-amz-security-token", NEVER},
		{"cookie2", NEVER},
		{"set-cookie", NEVER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (span_equal_nocase(name, span_from(known[i].name)))
			return known[i].treatment;
	return PASS;
}

static inline unsigned char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : (unsigned char)c;
}

/* Length and both ends tell apart nearly all header names; what is left is compared. */
static unsigned name_slot(struct span name)
{
	if (!name.len)
		return 0;
	return (unsigned)(name.len * 7 + lower(name.ptr[0]) * 31u + lower(name.ptr[name.len - 1])) & 0xff;
}

static int allow_headers(struct redact *r, const struct config_strings *headers)
{
	if (!headers->count)
		return 0;
	r->allowed = calloc(headers->count, sizeof *r->allowed);
	r->names = calloc(headers->count, sizeof *r->names);
	if (!r->allowed || !r->names)
		return -ENOMEM;
	for (unsigned i = 0; i < headers->count; i++) {
		r->names[i] = strdup(headers->items[i]);
		if (!r->names[i])
			return -ENOMEM;
		r->allowed_count = i + 1;
		for (char *c = r->names[i]; *c; c++)
			*c = (char)lower(*c);
		struct allowed *a = &r->allowed[i];
		a->name = span_from(r->names[i]);
		a->treatment = treatment_of(a->name);
		unsigned slot = name_slot(a->name);
		a->next = r->slots[slot];
		r->slots[slot] = a;
	}
	return 0;
}

static int prepare_mac(struct redact *r, const uint8_t key[static KEY_LEN])
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	r->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	r->context = r->mac ? EVP_MAC_CTX_new(r->mac) : NULL;
	if (!r->context)
		return -ENOMEM;
	return EVP_MAC_init(r->context, key, KEY_LEN, params) == 1 ? 0 : -EIO;
}

int redact_new(const struct config *config, const uint8_t key[static 32], struct redact **ret)
{
	struct redact *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	r->keep_values = config->redact.query == REDACT_QUERY_KEEP;
	r->scratch = calloc(1, sizeof *r->scratch);
	static char *usual[] = {"host",
				"user-agent",
				"accept",
				"accept-encoding",
				"accept-language",
				"content-type",
				"content-length",
				"transfer-encoding",
				"origin",
				"x-request-id",
				"x-forwarded-for",
				"forwarded",
				"via",
				"x-real-ip",
				"upgrade",
				"connection"};
	const struct config_strings by_default = {usual, ARRAY_SIZE(usual)};
	int e = r->scratch ? allow_headers(r, config->redact.headers.count ? &config->redact.headers
									   : &by_default)
			   : -ENOMEM;
	if (!e)
		e = prepare_mac(r, key);
	if (e) {
		redact_free(r);
		return e;
	}
	*ret = r;
	return 0;
}

void redact_free(struct redact *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->allowed_count; i++)
		free(r->names[i]);
	free(r->names);
	free(r->allowed);
	if (r->scratch)
		free(r->scratch->bytes);
	free(r->scratch);
	EVP_MAC_CTX_free(r->context);
	EVP_MAC_free(r->mac);
	free(r);
}

/* --- writing into the scratch memory, which is large enough for all of one request --- */
struct out {
	char *at;
};

static inline void put(struct out *o, const char *bytes, size_t len)
{
	if (!bytes)
		return;
	memcpy(o->at, bytes, len);
	o->at += len;
}

static inline void put_char(struct out *o, char c)
{
	*o->at++ = c;
}

static struct span put_span(struct out *o, struct span s)
{
	struct span written = {o->at, s.len};

	put(o, s.ptr, s.len);
	return written;
}

/* The first of stops in s, or s.len. Inlined, so that the compiler knows stops: these loops are most of
 * redaction. */
__attribute__((always_inline)) static inline size_t find_any(struct span s, const char *stops)
{
	size_t i = 0;

	if (!s.ptr)
		return 0;
	if (!stops[1]) {
		const char *at = memchr(s.ptr, stops[0], s.len);
		return at ? (size_t)(at - s.ptr) : s.len;
	}
	for (; i < s.len; i++)
		for (const char *stop = stops; *stop; stop++)
			if (s.ptr[i] == *stop)
				return i;
	return i;
}

static struct span span_from_at(struct span s, size_t from)
{
	return s.ptr ? (struct span){s.ptr + from, s.len - from} : s;
}

/* --- targets --- */

/* Where the authority of an absolute ("http://a/b") or authority form ("a:443") lies. Empty for "/path" and
 * "*". */
static struct span target_authority(struct span target)
{
	if (!target.ptr || !target.len || target.ptr[0] == '/' || target.ptr[0] == '?')
		return SPAN_NULL;
	struct span head = {target.ptr, find_any(target, "?#")};
	const char *mark = memmem(head.ptr, head.len, "://", 3);
	struct span rest = mark ? span_from_at(target, (size_t)(mark + 3 - target.ptr)) : target;

	return (struct span){rest.ptr, find_any(rest, "/\\?#")};
}

static struct span without_userinfo(struct span authority)
{
	const char *at = authority.len ? memrchr(authority.ptr, '@', authority.len) : NULL;

	return at ? span_from_at(authority, (size_t)(at + 1 - authority.ptr)) : authority;
}

/*
 * A query part without a value is a flag ("?wsdl") or a bare token ("?3f9a…"). Kept is what reads like a
 * word: it starts with a letter, and has digits only if it is short.
 */
static bool name_looks_like_one(struct span name)
{
	if (!name.len || name.len > BARE_NAME_MAX ||
	    !(isalpha((unsigned char)name.ptr[0]) || name.ptr[0] == '_'))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (isdigit((unsigned char)name.ptr[i]) && name.len > 8)
			return false;
	return true;
}

static void put_query_part(struct out *o, struct span part)
{
	size_t equals = find_any(part, "=");
	struct span name = {part.ptr, equals};
	bool has_value = false;

	for (size_t i = equals; i < part.len && !has_value; i++)
		has_value = part.ptr[i] != '=';
	/* "dG9rZW4=" is a token in base64, not a name with an empty value: judged as a bare part. */
	if (has_value ? name.len <= NAME_MAX_LEN : name_looks_like_one(name))
		put(o, name.ptr, name.len);
	if (equals < part.len)
		put_char(o, '=');
}

static void put_query(struct out *o, struct span query)
{
	for (;;) {
		struct span part = {query.ptr, find_any(query, "&")};
		put_query_part(o, part);
		if (part.len == query.len)
			return;
		put_char(o, '&');
		query = span_from_at(query, part.len + 1);
	}
}

/* Path parameters (";jsessionid=…") are where Java servers put what others keep in cookies. */
static void put_path(struct out *o, struct span path)
{
	while (path.len) {
		size_t upto = find_any(path, ";");
		put(o, path.ptr, upto);
		path = span_from_at(path, upto);
		struct span parameter = {path.ptr, path.len ? 1 + find_any(span_from_at(path, 1), "/;") : 0};
		size_t equals = find_any(parameter, "=");
		put(o, parameter.ptr, equals < parameter.len ? equals + 1 : equals);
		path = span_from_at(path, parameter.len);
	}
}

static struct span put_target(struct out *o, struct span target, bool keep_values)
{
	struct span written = {o->at, 0};
	struct span authority = target_authority(target);

	if (authority.len) {
		struct span host = without_userinfo(authority);
		put(o, target.ptr, (size_t)(authority.ptr - target.ptr));
		put(o, host.ptr, host.len);
		target = span_from_at(target, (size_t)(authority.ptr + authority.len - target.ptr));
	}
	if (keep_values) {
		put(o, target.ptr, target.len);
	} else {
		struct span path = {target.ptr, find_any(target, "?#")};
		put_path(o, path);
		target = span_from_at(target, path.len);
		if (target.ptr && target.len && target.ptr[0] == '?') {
			put_char(o, '?');
			target = span_from_at(target, 1);
			put_query(o, (struct span){target.ptr, find_any(target, "#")});
		}
	}
	written.len = (size_t)(o->at - written.ptr);
	return written;
}

/* --- cookies --- */

/* Takes the first cookie off *list. False: there is none left. */
static bool cookie_next(struct span *list, struct span *ret_name, struct span *ret_value)
{
	while (list->len) {
		struct span pair = {list->ptr, find_any(*list, ";")};
		*list = span_from_at(*list, pair.len < list->len ? pair.len + 1 : pair.len);
		pair = span_trim(pair);
		size_t equals = find_any(pair, "=");
		if (equals == pair.len) /* no name: all of it is a value */
			continue;
		*ret_name = span_trim((struct span){pair.ptr, equals});
		*ret_value = span_trim(span_from_at(pair, equals + 1));
		return true;
	}
	return false;
}

/* "a=; b=". At most one byte a cookie longer than the list, which may have had no space behind its ";". */
static struct span put_cookie_names(struct out *o, struct span list)
{
	struct span written = {o->at, 0}, name, value;

	while (cookie_next(&list, &name, &value)) {
		if (name.len > NAME_MAX_LEN)
			continue;
		if (o->at != written.ptr)
			put(o, "; ", 2);
		put(o, name.ptr, name.len);
		put_char(o, '=');
	}
	written.len = (size_t)(o->at - written.ptr);
	return written;
}

static bool contains_nocase(struct span s, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= s.len; i++)
		if (strncasecmp(s.ptr + i, word, len) == 0)
			return true;
	return false;
}

static bool cookie_is_session(struct span name)
{
	if (contains_nocase(name, "csrf") || contains_nocase(name, "xsrf"))
		return false;
	if (contains_nocase(name, "sess") || contains_nocase(name, "token") ||
	    contains_nocase(name, "auth") || contains_nocase(name, "jwt"))
		return true;
	return name.len >= 3 && strncasecmp(name.ptr + name.len - 3, "sid", 3) == 0;
}

static struct span cookie_session(struct span list)
{
	struct span name, value;

	while (cookie_next(&list, &name, &value))
		if (value.len && cookie_is_session(name))
			return value;
	return SPAN_NULL;
}

/* --- credentials --- */

/* The value of "key=value" or key="value" in a list such as Digest's. SPAN_NULL if it is not there. */
static struct span parameter_find(struct span list, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i + len < list.len; i++) {
		if (i && list.ptr[i - 1] != ' ' && list.ptr[i - 1] != ',' && list.ptr[i - 1] != '\t')
			continue;
		if (strncasecmp(list.ptr + i, key, len) != 0 || list.ptr[i + len] != '=')
			continue;
		struct span value = span_from_at(list, i + len + 1);
		if (value.len && value.ptr[0] == '"') {
			value = span_from_at(value, 1);
			value.len = find_any(value, "\"");
		} else {
			value.len = find_any(value, ", \t");
		}
		return value;
	}
	return SPAN_NULL;
}

static struct span credential_of(struct span value)
{
	/* These sign each request anew: only the name in them stays the same. */
	static const struct {
		const char *scheme, *name;
	} signing[] = {
		{"digest", "username"},
		{"hawk", "id"},
		{"aws4-hmac-sha256", "credential"},
		{"oauth", "oauth_token"},
	};
	static const char *const alone[] = {"bearer", "basic", "token", "negotiate", "ntlm", "apikey"};
	struct span scheme = {value.ptr, find_any(value, " \t")};
	struct span rest = span_trim(span_from_at(value, scheme.len));

	if (!rest.len) {
		for (size_t i = 0; i < ARRAY_SIZE(alone); i++)
			if (span_equal_nocase(value, span_from(alone[i])))
				return SPAN_NULL;
		return value;
	}
	for (size_t i = 0; i < ARRAY_SIZE(signing); i++) {
		if (!span_equal_nocase(scheme, span_from(signing[i].scheme)))
			continue;
		struct span name = parameter_find(rest, signing[i].name);
		if (i == 2) /* "KEY/20261124/region/service/aws4_request" */
			name.len = find_any(name, "/");
		return name.len ? name : rest;
	}
	return rest;
}

/* By the place of a header in the list of redact.h: 0 is asked first. */
static unsigned credential_rank(struct span name)
{
	static const struct span names[] = {
		{"authorization", 13}, {"proxy-authorization", 19}, {"x-api-key", 9},
		{"api-key", 7},        {"x-auth-token", 12},        {"cookie", 6},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (span_equal_nocase(name, names[i]))
			return i;
	return ARRAY_SIZE(names);
}

static struct span request_credential(const struct http_request *request)
{
	unsigned best = UINT_MAX;
	struct span found = SPAN_NULL;

	for (unsigned i = 0; i < request->header_count; i++) {
		const struct http_header *h = &request->headers[i];
		unsigned char first = h->name.len ? lower(h->name.ptr[0]) : 0;
		if (first != 'a' && first != 'p' && first != 'x' && first != 'c')
			continue;
		unsigned rank = credential_rank(h->name);
		if (rank > 5 || rank >= best)
			continue;
		struct span value = span_trim(h->value);
		value = rank < 2 ? credential_of(value) : rank < 5 ? value : cookie_session(value);
		if (value.len) {
			best = rank;
			found = value;
		}
	}
	return found;
}

void redact_consumer(const struct redact *r, struct span credential, char ret[static REDACT_CONSUMER_MAX])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	size_t len = 0;

	ret[0] = 0;
	/* No key here: the context goes on with the one it has. */
	if (EVP_MAC_init(r->context, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(r->context, (const unsigned char *)credential.ptr, credential.len) != 1 ||
	    EVP_MAC_final(r->context, mac, &len, sizeof mac) != 1 || len < 8)
		return;
	strcpy(ret, "c_");
	static const char hex[] =
		"0123456789abcdef"; /* snprintf here was a sixth of a request's whole cost */
	char *out = ret + 2;
	for (unsigned i = 0; i < 8; i++) {
		*out++ = hex[mac[i] >> 4];
		*out++ = hex[mac[i] & 15];
	}
	*out = 0;
}

/* --- the event --- */

/* "Host" without port, user information and the brackets of an IPv6 address. */
static struct span host_only(struct span authority)
{
	struct span host = without_userinfo(authority);

	if (host.len && host.ptr[0] == '[') {
		host = span_from_at(host, 1);
		host.len = find_any(host, "]");
		return host;
	}
	host.len = find_any(host, ":");
	return host;
}

static struct span request_host(const struct http_request *request)
{
	struct span head = {request->target.ptr, find_any(request->target, "?#")};
	bool absolute = head.len && head.ptr[0] != '/' && memmem(head.ptr, head.len, "://", 3);

	/* RFC 9112 section 3.2.2: the authority of an absolute target overrides Host. */
	if (absolute || span_equal(request->method, SPAN("CONNECT")))
		return host_only(target_authority(request->target));
	return host_only(http_request_header(request, "host"));
}

static const struct allowed *allowed_find(const struct redact *r, struct span name)
{
	for (const struct allowed *a = r->slots[name_slot(name)]; a; a = a->next)
		if (span_equal_nocase(a->name, name))
			return a;
	return NULL;
}

struct draft {
	struct span method, target, path, host, consumer, user_agent;
	struct event_header headers[HTTP_HEADERS_MAX];
	unsigned header_count;
	bool truncated;
};

/*
 * written: the last that was put. Cut after redaction: the cut of a text that was still to be redacted could
 * hide from it what it looks for, as the "@" behind a password.
 */
static struct span cut(struct draft *d, struct out *o, struct span written)
{
	if (written.len <= REDACT_TEXT_MAX)
		return written;
	o->at -= written.len - REDACT_TEXT_MAX;
	written.len = REDACT_TEXT_MAX;
	d->truncated = true;
	return written;
}

static void draft_header(const struct redact *r, struct draft *d, struct out *o, const struct http_header *h)
{
	const struct allowed *a = allowed_find(r, h->name);
	struct event_header *to = &d->headers[d->header_count];

	if (!a || a->treatment == NEVER)
		return;
	to->name = put_span(o, a->name);
	switch (a->treatment) {
	case AS_COOKIE:
		to->value = put_cookie_names(o, h->value);
		break;
	case AS_TARGET:
		to->value = put_target(o, h->value, r->keep_values);
		break;
	case AS_HOST:
		to->value = put_span(o, without_userinfo(h->value));
		break;
	default:
		to->value = put_span(o, h->value);
	}
	to->value = cut(d, o, to->value);
	if (a->treatment == AS_USER_AGENT && !d->user_agent.ptr)
		d->user_agent = to->value;
	d->header_count++;
}

/* No part grows by more than what is counted here. */
static size_t draft_room(const struct http_request *request)
{
	size_t room = request->method.len + 2 * request->target.len + request->path.len + REDACT_CONSUMER_MAX;

	for (unsigned i = 0; i < request->header_count; i++)
		room += request->headers[i].name.len + 2 * request->headers[i].value.len + 8;
	return room;
}

static int scratch_reserve(struct scratch *s, size_t room)
{
	if (s->size >= room)
		return 0;
	size_t size = MAX(room, 4096) + room / 2;
	char *bytes = realloc(s->bytes, size);
	if (!bytes)
		return -ENOMEM;
	s->bytes = bytes;
	s->size = size;
	return 0;
}

/* Everything of the event that is text, in the scratch memory. Returns how much that is. */
static size_t draft_fill(const struct redact *r, const struct http_request *request, struct draft *d)
{
	struct out o = {r->scratch->bytes};
	struct span credential = request_credential(request);

	d->method = cut(d, &o, put_span(&o, request->method));
	d->target = put_target(&o, request->target, r->keep_values);
	if (request->path.ptr && request->path.ptr == request->target.ptr && request->path.len &&
	    request->path.ptr[0] == '/')
		d->path = (struct span){d->target.ptr, find_any(d->target, "?#")};
	else
		d->path = put_target(&o, request->path, r->keep_values);
	d->host = cut(d, &o, put_span(&o, request_host(request)));
	if (credential.len) {
		char consumer[REDACT_CONSUMER_MAX];
		redact_consumer(r, credential, consumer);
		d->consumer = put_span(&o, span_from(consumer));
	}
	for (unsigned i = 0; i < request->header_count; i++)
		draft_header(r, d, &o, &request->headers[i]);
	return (size_t)(o.at - r->scratch->bytes);
}

static void move_span(struct span *s, const char *from, const char *to)
{
	if (s->ptr)
		s->ptr = to + (s->ptr - from);
}

static struct event *draft_to_event(struct draft *d, const char *text, size_t len)
{
	size_t headers_len = d->header_count * sizeof *d->headers;
	struct event *e = event_new(EVENT_HTTP_REQUEST, headers_len + 8 + len);

	if (!e)
		return NULL;
	struct event_header *headers = event_tail_alloc(e, headers_len);
	const char *to = event_tail_copy(e, (struct span){text, len}).ptr;
	move_span(&d->method, text, to);
	move_span(&d->target, text, to);
	move_span(&d->path, text, to);
	move_span(&d->host, text, to);
	move_span(&d->consumer, text, to);
	move_span(&d->user_agent, text, to);
	for (unsigned i = 0; i < d->header_count; i++) {
		move_span(&d->headers[i].name, text, to);
		move_span(&d->headers[i].value, text, to);
	}
	if (headers_len)
		memcpy(headers, d->headers, headers_len);
	e->request.headers = headers;
	e->request.header_count = d->header_count;
	e->request.method = d->method;
	e->request.target = d->target;
	e->request.path = d->path;
	e->request.host = d->host;
	e->request.consumer = d->consumer;
	e->request.user_agent = d->user_agent;
	return e;
}

struct event *redact_request(const struct redact *r, const struct http_request *request,
			     const struct flow *flow, const struct endpoint *client, bool forwarded,
			     uint16_t stream_index, uint64_t time_ns, uint64_t wall_ns)
{
	struct draft d;

	/* The headers, 4 KiB, are written before they are read. */
	memset(&d, 0, offsetof(struct draft, headers));
	d.header_count = 0;
	d.truncated = false;
	if (scratch_reserve(r->scratch, draft_room(request)))
		return NULL;
	size_t len = draft_fill(r, request, &d);
	struct event *e = draft_to_event(&d, r->scratch->bytes, len);
	if (!e)
		return NULL;
	e->time_ns = time_ns;
	e->wall_ns = wall_ns;
	e->flow = *flow;
	e->request.client = *client;
	e->request.version_major = request->version_major;
	e->request.version_minor = request->version_minor;
	e->request.body = request->body;
	e->request.content_length = request->content_length;
	e->request.deviations = request->deviations;
	e->request.stream_index = stream_index;
	e->request.forwarded = forwarded;
	e->request.truncated = d.truncated;
	return e;
}
