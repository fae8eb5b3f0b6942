// SPDX-License-Identifier: Apache-2.0
/* One thread of libmicrohttpd serves all connections: no answer waits for anything. */
#include "sensor/http_point.h"
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/util.h"
#include "policies/origin.h"

#define CONNECTIONS_MAX 1024
#define HEAD_MAX        (32 * 1024) /* of a connection's memory; a longer head is refused (431) */
#define IDLE_S          90          /* beyond the 60 s for which proxies keep a connection */

struct http_point {
	struct http_point_parts parts;
	struct origin *origin;
	struct MHD_Daemon *daemon;
	struct MHD_Response *pass;
	atomic_uint_fast64_t asked, unnamed, last_ns;
	atomic_uint_fast64_t with_consumer, consumer_ns, with_ja4, ja4_ns, bad_ja4;
	atomic_uint_fast64_t with_target, target_ns, bad_target;
};

/* --- who is it? --- */

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
				 const char *value, size_t value_len)
{
	struct http_request *r = cls;

	(void)kind;
	if (r->header_count == HTTP_HEADERS_MAX) {
		r->deviations |= HTTP_DEV_TOO_MANY_HEADERS;
		return MHD_NO;
	}
	r->headers[r->header_count++] = (struct http_header){
		.name = {name, name_len},
		.value = span_trim((struct span){value, value_len}),
	};
	return MHD_YES;
}

static bool trusts(void *arg, const struct addr *a)
{
	return proxies_class(arg, a) == PROXY_CLASS_TRUSTED;
}

/*
 * Who asks is trusted to set the headers: it says what it was told, and appended whom it saw itself. Nobody
 * named: ADDR_NONE.
 */
static struct addr client_find(struct http_point *p, const struct http_request *request)
{
	static const struct endpoint asker = {.addr = {.family = ADDR_IPV4, .bytes = {127, 0, 0, 1}}};
	struct origin_client client;

	origin_find(p->origin, request, &asker, NULL, false, trusts, p->parts.proxies, &client);
	if (client.source == CLIENT_BY_PEER)
		return (struct addr){.family = ADDR_NONE};
	return client.endpoint.addr;
}

/* --- what else is known of it? --- */

static void consumer_find(struct http_point *p, const struct http_request *request, uint64_t now_ns,
			  struct decide_question *q)
{
	char ids[2][REDACT_CONSUMER_MAX];

	if (!p->parts.redact || !redact_has_credential(p->parts.redact, request))
		return;
	atomic_fetch_add(&p->with_consumer, 1);
	atomic_store(&p->consumer_ns, now_ns);
	if (!decide_has(p->parts.decide, TARGET_CONSUMER))
		return;
	unsigned count = redact_consumers(p->parts.redact, request, ids);
	for (unsigned i = 0; i < count; i++)
		if (target_parse_consumer(span_from(ids[i]), &q->keys[q->key_count]) == 0)
			q->key_count++;
}

static void ja4_find(struct http_point *p, const struct http_request *request, uint64_t now_ns,
		     struct decide_question *q)
{
	const char *name = p->parts.config->enforcement.ja4_header;
	struct span value = name && name[0] ? http_request_header(request, name) : SPAN_NULL;

	if (!value.len)
		return;
	if (target_parse_ja4(value, &q->keys[q->key_count])) {
		atomic_fetch_add(&p->bad_ja4, 1);
		return;
	}
	q->key_count++;
	atomic_fetch_add(&p->with_ja4, 1);
	atomic_store(&p->ja4_ns, now_ns);
}

/* False: it tells none. Two headers: nobody knows which of them the proxy set. */
static bool target_of(const struct http_point *p, const struct http_request *request, const char *url,
		      struct span *ret)
{
	const char *name = p->parts.config->enforcement.target_header;
	unsigned count = 0;

	if (!name || !name[0])
		return false;
	if (name[0] == ':') { /* the question's own */
		*ret = span_from(url);
		return true;
	}
	for (unsigned i = 0; i < request->header_count; i++)
		if (span_equal_nocase(request->headers[i].name, span_from(name)))
			*ret = count++ ? SPAN_NULL : request->headers[i].value;
	return count != 0;
}

static void target_find(struct http_point *p, const struct http_request *request, const char *url,
			uint64_t now_ns, struct decide_question *q, struct request_path *path)
{
	struct span target;

	if (!target_of(p, request, url, &target))
		return;
	atomic_fetch_add(&p->with_target, 1);
	atomic_store(&p->target_ns, now_ns);
	if (!decide_has(p->parts.decide, TARGET_ROUTED))
		return;
	request_path_read(target, path);
	if (path->kind == REQUEST_PATH_UNREADABLE)
		atomic_fetch_add(&p->bad_target, 1);
	q->path = path;
}

/* False: what it says cannot be relied on, or is nothing. path: for q to point at. */
static bool question_read(struct http_point *p, struct MHD_Connection *connection, const char *url,
			  uint64_t now_ns, struct decide_question *q, struct request_path *path)
{
	struct http_request request = {0};

	MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_header, &request);
	if (!request.deviations) {
		q->client = client_find(p, &request);
		consumer_find(p, &request, now_ns, q);
		ja4_find(p, &request, now_ns, q);
		target_find(p, &request, url, now_ns, q, path);
	}
	if (q->client.family == ADDR_NONE)
		atomic_fetch_add(&p->unnamed, 1);
	return q->client.family != ADDR_NONE || q->key_count;
}

/* --- the answer --- */

static struct MHD_Response *response_of(const char *decision)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);

	if (r) {
		MHD_add_response_header(r, "X-Picket-Decision", decision);
		MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	}
	return r;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *decision,
			      uint64_t retry_s)
{
	struct MHD_Response *r = response_of(decision);
	char text[24];

	if (!r)
		return MHD_NO; /* no memory: the proxy takes a closed connection for pass */
	snprintf(text, sizeof text, "%" PRIu64, retry_s);
	MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, text);
	enum MHD_Result queued = MHD_queue_response(connection, status, r);
	MHD_destroy_response(r);
	return queued;
}

static bool has_body(struct MHD_Connection *connection)
{
	const char *length =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return (length && strcmp(length, "0")) ||
	       MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload_data,
				  size_t *upload_data_size, void **context)
{
	struct http_point *p = cls;
	uint64_t now_ns = clock_boot_ns(p->parts.clock), retry_s = 0;
	struct decide_question question = {.key_count = 0};
	struct request_path path;

	(void)method;
	(void)version;
	(void)upload_data;
	(void)upload_data_size;
	/* First called with the head alone. A body that the asker announced may never come: it is answered
	 * now, and the connection closed. Without one the answer comes at the second call, and the connection
	 * stays. */
	if (!*context && !has_body(connection)) {
		*context = p;
		return MHD_YES;
	}
	atomic_fetch_add(&p->asked, 1);
	atomic_store(&p->last_ns, now_ns);
	if (!question_read(p, connection, url, now_ns, &question, &path))
		return MHD_queue_response(connection, MHD_HTTP_NO_CONTENT, p->pass);
	switch (decide_ask_of(p->parts.decide, &question, now_ns, &retry_s)) {
	case DECIDE_DENY:
		return refuse(connection, MHD_HTTP_FORBIDDEN, "deny", retry_s);
	case DECIDE_SLOW:
		return refuse(connection, MHD_HTTP_TOO_MANY_REQUESTS, "slow", retry_s);
	case DECIDE_PASS:
		break;
	}
	return MHD_queue_response(connection, MHD_HTTP_NO_CONTENT, p->pass);
}

/* --- life --- */

/* A target is read as it was sent (request_path.h). */
static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strlen(text);
}

static int serve(struct http_point *p, int listen_fd)
{
	p->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request,
				     p, MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
				     (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				     (size_t)HEAD_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
				     MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_END);
	if (p->daemon)
		return 0;
	int r = errno ? -errno : -EIO;
	close(listen_fd);
	return r;
}

int http_point_new(const struct http_point_parts *parts, int listen_fd, struct http_point **ret)
{
	struct http_point *p = calloc(1, sizeof *p);

	if (!p) {
		close(listen_fd);
		return -ENOMEM;
	}
	p->parts = *parts;
	int r = origin_new(parts->config, &p->origin);
	p->pass = response_of("pass");
	if (!r && !p->pass)
		r = -ENOMEM;
	if (r)
		close(listen_fd);
	else
		r = serve(p, listen_fd);
	if (r) {
		http_point_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void http_point_free(struct http_point *p)
{
	if (!p)
		return;
	if (p->daemon)
		MHD_stop_daemon(p->daemon);
	if (p->pass)
		MHD_destroy_response(p->pass);
	origin_free(p->origin);
	free(p);
}

bool http_point_is_asked(struct http_point *p, uint8_t family)
{
	uint64_t now_ns = clock_boot_ns(p->parts.clock);
	uint8_t who = family & (uint8_t)~TARGET_ROUTED;
	uint64_t last_ns = who == TARGET_CONSUMER ? atomic_load(&p->consumer_ns)
			   : who == TARGET_JA4    ? atomic_load(&p->ja4_ns)
						  : atomic_load(&p->last_ns);

	if (family & TARGET_ROUTED)
		last_ns = MIN(last_ns, atomic_load(&p->target_ns));
	return last_ns && now_ns < last_ns + HTTP_POINT_WITHIN_NS;
}

struct http_point_counts http_point_counts(struct http_point *p)
{
	return (struct http_point_counts){
		.asked = atomic_load(&p->asked),
		.unnamed = atomic_load(&p->unnamed),
		.last_ns = atomic_load(&p->last_ns),
		.with_consumer = atomic_load(&p->with_consumer),
		.with_ja4 = atomic_load(&p->with_ja4),
		.bad_ja4 = atomic_load(&p->bad_ja4),
		.with_target = atomic_load(&p->with_target),
		.bad_target = atomic_load(&p->bad_target),
	};
}
