// SPDX-License-Identifier: Apache-2.0
#include "policies/redact.h"
#include <errno.h>
#include "lib/util.h"
#include "policies/redact_consumer.h"
#include "policies/redact_hash.h"
#include "policies/redact_rules.h"
#include "policies/redact_text.h"

/* Reused from request to request. It grows to the largest head seen, which the parser bounds. */
struct scratch {
	char *bytes;
	size_t size;
};

struct redact {
	bool off;
	enum config_redact_query query;
	struct redact_rules *rules;
	struct redact_hash *hash;
	struct scratch *scratch;
	uint64_t *refused;
};

static int scratch_reserve(const struct redact *r, const struct http_request *request,
			   struct redact_writer *w);

int redact_new_keys(const struct config *config, const struct redact_keys *keys, struct redact **ret,
		    struct buffer *errors)
{
	struct redact *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	r->off = config->redact.disabled;
	r->query = config->redact.query;
	r->scratch = calloc(1, sizeof *r->scratch);
	r->refused = calloc(1, sizeof *r->refused);
	int e = r->scratch && r->refused ? redact_rules_load(config, &r->rules, errors) : -ENOMEM;
	if (!e)
		e = redact_hash_new(keys, &r->hash);
	if (e) {
		redact_free(r);
		return e;
	}
	*ret = r;
	return 0;
}

int redact_new(const struct config *config, const uint8_t key[static REDACT_KEY_LEN], struct redact **ret)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(65536);
	struct redact_keys keys;

	redact_keys_from(key, &keys);
	int r = redact_new_keys(config, &keys, ret, &errors);
	redact_keys_wipe(&keys);
	return r;
}

void redact_free(struct redact *r)
{
	if (!r)
		return;
	redact_rules_free(r->rules);
	redact_hash_free(r->hash);
	if (r->scratch)
		free(r->scratch->bytes);
	free(r->scratch);
	free(r->refused);
	free(r);
}

void redact_consumer(const struct redact *r, struct span credential, char ret[static REDACT_CONSUMER_MAX])
{
	redact_hash_consumer(r->hash, 0, credential, ret);
}

static struct redact_consumer credential_find(const struct redact *r, const struct http_request *request)
{
	struct redact_consumer c = REDACT_CONSUMER_INIT;

	for (unsigned i = 0; i < request->header_count; i++) {
		const struct http_header *h = &request->headers[i];
		const struct redact_name *known = redact_name_find(&r->rules->headers, h->name);
		if (known && known->treatment >= HEADER_COOKIE && known->treatment != HEADER_HOST)
			redact_consumer_header(r->rules, known, h->value, &c);
	}
	return c;
}

bool redact_has_credential(const struct redact *r, const struct http_request *request)
{
	return credential_find(r, request).credential.len != 0;
}

/* "abc%3D" of a query or a cookie and "abc=" of a header are one. */
static struct span credential_decode(struct span credential, bool encodable, char *work)
{
	if (!encodable || !memchr(credential.ptr, '%', credential.len))
		return credential;
	return (struct span){work, token_percent_decode(credential, work)};
}

unsigned redact_consumers(const struct redact *r, const struct http_request *request,
			  char ret[static 2][REDACT_CONSUMER_MAX])
{
	const struct redact_consumer c = credential_find(r, request);
	struct redact_writer w = {0};

	if (!c.credential.len || scratch_reserve(r, request, &w))
		return 0;
	struct span credential = credential_decode(c.credential, c.rank == REDACT_RANK_COOKIE, w.work);
	unsigned keys = MIN(redact_hash_keys(r->hash), 2u), count = 0;
	for (unsigned i = 0; i < keys; i++)
		count += redact_hash_consumer(r->hash, i, credential, ret[count]) == 0;
	return count;
}

uint64_t redact_refused(const struct redact *r)
{
	return __atomic_load_n(r->refused, __ATOMIC_RELAXED);
}

/* --- what an event says of a host --- */

/* "Host" without port and the brackets of an IPv6 address. */
static struct span host_only(struct span authority)
{
	struct span host = redact_without_userinfo(authority);
	const char *end;

	if (host.len && host.ptr[0] == '[') {
		host = (struct span){host.ptr + 1, host.len - 1};
		end = memchr(host.ptr, ']', host.len);
	} else {
		end = host.len ? memchr(host.ptr, ':', host.len) : NULL;
	}
	if (end)
		host.len = (size_t)(end - host.ptr);
	return host;
}

static bool target_is_absolute(struct span target)
{
	const char *mark =
		target.len && target.ptr[0] != '/' ? memmem(target.ptr, target.len, "://", 3) : NULL;

	/* "x?u=http://" is none. */
	return mark && !memchr(target.ptr, '?', (size_t)(mark - target.ptr)) &&
	       !memchr(target.ptr, '#', (size_t)(mark - target.ptr));
}

static struct span request_host(const struct http_request *request, struct span host_header)
{
	/* RFC 9112 section 3.2.2: the authority of an absolute target overrides Host. */
	if (target_is_absolute(request->target) || span_equal(request->method, SPAN("CONNECT")))
		return host_only(redact_target_authority(request->target));
	return host_only(host_header);
}

/* --- the event --- */
struct draft {
	struct span method, target, path, host, consumer, consumer_previous, user_agent;
	struct span host_header; /* of the request */
	bool host_seen;
	struct redact_consumer credential;
	struct event_header headers[HTTP_HEADERS_MAX];
	unsigned header_count;
	bool truncated;
};

/*
 * written: the last that was put. Cut after redaction: the cut of a text that was still to be redacted could
 * hide from it what it looks for, as the "@" behind a password.
 */
static struct span cut(struct draft *d, struct redact_writer *w, struct span written)
{
	if (written.len <= REDACT_TEXT_MAX)
		return written;
	w->at -= written.len - REDACT_TEXT_MAX;
	written.len = REDACT_TEXT_MAX;
	d->truncated = true;
	return written;
}

static struct span put_value(struct redact_writer *w, const struct redact_name *known, struct span value)
{
	if (w->off)
		return redact_put(w, value);
	switch ((enum header_treatment)known->treatment) {
	case HEADER_KEEP:
		return redact_put_words(w, value);
	case HEADER_VERBATIM:
		return redact_put(w, value);
	case HEADER_HASH:
		return value.len ? redact_put_hash(w, known->name, value) : redact_put(w, value);
	case HEADER_TARGET:
		return redact_put_target(w, value);
	case HEADER_COOKIE:
		return redact_put_cookies(w, value);
	case HEADER_HOST:
		return redact_put_authority(w, value);
	case HEADER_DROP:
	case HEADER_SCHEME:
	case HEADER_API_KEY:
		break;
	}
	return redact_put(w, SPAN_NULL);
}

static void draft_header(const struct redact *r, struct draft *d, struct redact_writer *w,
			 const struct http_header *h)
{
	const struct redact_name *known = redact_name_find(&r->rules->headers, h->name);
	struct event_header *to = &d->headers[d->header_count];

	if (!known)
		return;
	if (known->treatment == HEADER_HOST && !d->host_seen) {
		d->host_header = h->value;
		d->host_seen = true;
	}
	if (known->treatment >= HEADER_COOKIE && known->treatment != HEADER_HOST)
		redact_consumer_header(r->rules, known, h->value, &d->credential);
	if (!known->allowed)
		return;
	to->name = redact_put(w, known->name);
	to->value = cut(d, w, put_value(w, known, h->value));
	if (known->user_agent && !d->user_agent.ptr)
		d->user_agent = to->value;
	d->header_count++;
}

static void draft_consumer(struct draft *d, struct redact_writer *w)
{
	struct span credential = d->credential.credential;
	bool encodable = !credential.len || d->credential.rank == REDACT_RANK_COOKIE;
	char text[REDACT_HASH_MAX];

	if (!credential.len)
		credential = w->credential;
	if (!credential.len)
		return;
	credential = credential_decode(credential, encodable, w->work);
	redact_hash_consumer(w->hash, 0, credential, text);
	d->consumer = redact_put(w, span_from(text));
	if (redact_hash_keys(w->hash) < 2)
		return;
	redact_hash_consumer(w->hash, 1, credential, text);
	d->consumer_previous = redact_put(w, span_from(text));
}

/* Everything of the event that is text, in the scratch memory. */
static void draft_fill(const struct redact *r, const struct http_request *request, struct draft *d,
		       struct redact_writer *w)
{
	d->method = cut(d, w, redact_put_method(w, request->method));
	d->target = redact_put_target(w, request->target);
	if (request->path.ptr && request->path.ptr == request->target.ptr && request->path.len &&
	    request->path.ptr[0] == '/') {
		const char *end = memchr(d->target.ptr, '?', d->target.len);
		if (w->off || r->query == REDACT_QUERY_KEEP)
			d->path = (struct span){d->target.ptr, request->path.len};
		else
			d->path = (struct span){d->target.ptr,
						end ? (size_t)(end - d->target.ptr) : d->target.len};
	} else {
		d->path = redact_put_target(w, request->path);
	}
	for (unsigned i = 0; i < request->header_count; i++)
		draft_header(r, d, w, &request->headers[i]);
	if (!d->host_seen) /* no header of the rules */
		d->host_header = http_request_header(request, "host");
	d->host = cut(d, w, redact_put_authority(w, request_host(request, d->host_header)));
	draft_consumer(d, w);
}

/* Memory for the texts, and behind it what redact_writer calls work. */
static int scratch_reserve(const struct redact *r, const struct http_request *request,
			   struct redact_writer *w)
{
	struct scratch *s = r->scratch;
	size_t longest = MAX(request->target.len, request->method.len), room = REDACT_TEXT_HASHES_ROOM;

	room += REDACT_TEXT_ROOM(request->method.len) + 2 * REDACT_TEXT_ROOM(request->target.len) +
		REDACT_TEXT_ROOM(request->path.len) + 2 * REDACT_HASH_MAX;
	for (unsigned i = 0; i < request->header_count; i++) {
		const struct http_header *h = &request->headers[i];
		/* Twice: one of them may be the host as well. */
		room += h->name.len + 2 * REDACT_TEXT_ROOM(h->value.len);
		longest = MAX(longest, h->value.len);
	}
	if (s->size < room + longest) {
		size_t size = MAX(room + longest, (size_t)16384) * 3 / 2;
		char *bytes = realloc(s->bytes, size);
		if (!bytes)
			return -ENOMEM;
		s->bytes = bytes;
		s->size = size;
	}
	w->at = s->bytes;
	w->work = s->bytes + room;
	return 0;
}

static void move_span(struct span *s, const char *from, const char *to)
{
	if (s->ptr)
		s->ptr = to + (s->ptr - from);
}

static struct event *draft_to_event(struct draft *d, const char *text, size_t len, size_t room)
{
	size_t headers_len = d->header_count * sizeof *d->headers;
	struct event *e = event_new(EVENT_HTTP_REQUEST, headers_len + 8 + len + room);

	if (!e)
		return NULL;
	struct event_header *headers = event_tail_alloc(e, headers_len);
	const char *to = event_tail_copy(e, (struct span){text, len}).ptr;
	struct span *const all[] = {&d->method,    &d->target,   &d->path,
				    &d->host,      &d->consumer, &d->consumer_previous,
				    &d->user_agent};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		move_span(all[i], text, to);
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
	e->request.consumer_previous = d->consumer_previous;
	e->request.user_agent = d->user_agent;
	return e;
}

struct event *redact_request(const struct redact *r, const struct http_request *request,
			     const struct redact_context *context)
{
	struct draft d;
	struct redact_writer w = {.rules = r->rules,
				  .hash = r->hash,
				  .query = r->query,
				  .off = r->off,
				  .hashes_left = REDACT_HASHES_MAX};

	/* The headers, 4 KiB, are written before they are read. */
	memset(&d, 0, offsetof(struct draft, headers));
	d.credential = REDACT_CONSUMER_INIT;
	d.header_count = 0;
	d.truncated = false;
	if (scratch_reserve(r, request, &w))
		return NULL;
	const char *text = w.at;
	draft_fill(r, request, &d, &w);
	if (w.at > w.work) /* scratch_reserve is wrong about what texts can grow to */
		abort();
	if (w.hashes_refused)
		__atomic_add_fetch(r->refused, w.hashes_refused, __ATOMIC_RELAXED);
	struct event *e = draft_to_event(&d, text, (size_t)(w.at - text), context->room);
	if (!e)
		return NULL;
	e->time_ns = context->time_ns;
	e->wall_ns = context->wall_ns;
	e->flow = context->flow;
	e->request.client = context->client;
	e->request.version_major = request->version_major;
	e->request.version_minor = request->version_minor;
	e->request.body = request->body;
	e->request.content_length = request->content_length;
	e->request.deviations = request->deviations;
	e->request.stream_index = context->stream_index;
	e->request.forwarded = context->forwarded;
	e->request.truncated = d.truncated;
	return e;
}

/* --- what a signature matched --- */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

/* One byte tells nothing; what the signature is made of is no secret. */
static size_t hide_words(struct span match, bool (*known)(void *arg, struct span word), void *arg, char *out,
			 size_t max)
{
	static const struct span hidden = {"{text}", 6};
	size_t len = 0;

	for (size_t i = 0; i < match.len;) {
		struct span word = {match.ptr + i, 0};
		while (i + word.len < match.len && is_word(word.ptr[word.len]))
			word.len++;
		i += word.len ? word.len : 1;
		if (!word.len)
			word.len = 1;
		else if (word.len > 1 && !known(arg, word))
			word = hidden;
		else if ((unsigned char)word.ptr[0] >= 0x80)
			word = hidden;
		if (len + word.len > max)
			break;
		for (size_t k = 0; k < word.len; k++) /* 0 and 1 separate and stand for zero bytes */
			out[len++] = (unsigned char)word.ptr[k] < ' ' ? ' ' : word.ptr[k];
	}
	return len;
}

size_t redact_match(const struct redact *r, struct span match, bool (*known)(void *arg, struct span word),
		    void *arg, char *out, size_t max)
{
	char shape[512];
	struct redact_writer w = {.rules = r->rules,
				  .hash = r->hash,
				  .query = r->query,
				  .off = r->off,
				  .hashes_left = REDACT_HASHES_MAX};

	if (!r->off && r->query != REDACT_QUERY_KEEP)
		match = (struct span){shape, hide_words(match, known, arg, shape, MIN(max, sizeof shape))};
	match.len = MIN(match.len, sizeof shape);
	const struct http_request room = {.target = {shape, sizeof shape}};
	if (scratch_reserve(r, &room, &w))
		return 0;
	struct span written = redact_put_words(&w, match);
	written.len = MIN(written.len, max);
	memcpy(out, written.ptr, written.len);
	return written.len;
}

size_t redact_server_name(const struct redact *r, struct span name, char *out, size_t max)
{
	struct redact_writer w = {.rules = r->rules,
				  .hash = r->hash,
				  .query = r->query,
				  .off = r->off,
				  .hashes_left = REDACT_HASHES_MAX};
	const struct http_request room = {.target = name};

	if (!name.len || scratch_reserve(r, &room, &w))
		return 0;
	struct span written = redact_put_authority(&w, name);
	written.len = MIN(written.len, max);
	memcpy(out, written.ptr, written.len);
	return written.len;
}
