// SPDX-License-Identifier: Apache-2.0
/*
 * One thread a connection, so that a stream that waits for news holds up nobody. A few connections more than
 * allowed are let in, to be told so; beyond these the kernel's backlog waits.
 */
#include "lib/api.h"
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/json_write.h"
#include "lib/util.h"

#define STOP_PATIENCE_MS 300
#define IDLE_S           30
#define REFUSED_AT_ONCE  8
#define STREAM_BLOCK     (16 * 1024)
#define STREAM_BYTES_MAX (4 * 1024 * 1024) /* of one produce call */
#define DRAIN_MAX        (1024 * 1024)     /* who sends more asks first (RFC 9110 section 10.1.1) */

struct api {
	struct api_route *routes;
	size_t route_count;
	struct MHD_Daemon *daemon;
	unsigned max_connections;
	atomic_uint connections;
	atomic_bool stopping;
};

struct api_call {
	struct api *api;
	struct MHD_Connection *connection;
	const char *param;
	struct buffer body;
	bool too_long;                 /* the body is passed over, and then refused */
	struct MHD_Response *response; /* the answer, sent when the handler is back */
	unsigned status;
};

struct stream {
	struct api *api;
	int fd; /* the client's socket, the connection's own */
	api_produce produce;
	void (*drop)(void *state);
	void *state;
	struct buffer out;
	size_t sent; /* of out */
	bool last;
};

/* --- answers --- */

static struct MHD_Response *response_of(struct span bytes, const char *type)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(bytes.len, (void *)bytes.ptr, MHD_RESPMEM_MUST_COPY);

	if (r) {
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
		MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	}
	return r;
}

/* The first answer stands. Takes r. */
static void answer(struct api_call *c, unsigned status, struct MHD_Response *r)
{
	if (c->response || !r) {
		if (r)
			MHD_destroy_response(r);
		return;
	}
	c->response = r;
	c->status = status;
}

void api_reply(struct api_call *c, unsigned status, struct span json)
{
	answer(c, status, response_of(json, "application/json"));
}

void api_reply_text(struct api_call *c, const char *type, struct span text)
{
	answer(c, MHD_HTTP_OK, response_of(text, type));
}

void api_problem(struct api_call *c, unsigned status, const char *code, const char *detail)
{
	struct buffer b = BUFFER_INIT(64 * 1024);
	struct json_writer w = JSON_WRITER(&b);
	char type[128];

	snprintf(type, sizeof type, "urn:picket:problem:%s", code);
	json_object_begin(&w);
	json_key(&w, "type");
	json_text(&w, type);
	json_key(&w, "title");
	json_text(&w, MHD_get_reason_phrase_for(status));
	json_key(&w, "status");
	json_uint(&w, status);
	json_key(&w, "code");
	json_text(&w, code);
	json_key(&w, "detail");
	json_text(&w, detail);
	json_object_end(&w);
	answer(c, status, response_of(buffer_span(&b), "application/problem+json"));
	buffer_free(&b);
}

/* --- streams --- */

static bool has_left(int fd)
{
	struct pollfd p = {.fd = fd};

	/* With no event asked for, poll tells of hang-up and error alone. */
	return poll(&p, 1, 0) > 0;
}

/* A producer that answers at once with nothing must not make this a busy loop. */
static void wait_a_little(uint64_t began_ns)
{
	const struct timespec pause = {.tv_nsec = 20 * (long)NS_PER_MS};

	if (clock_boot_ns(&clock_system) - began_ns < 5 * NS_PER_MS)
		nanosleep(&pause, NULL);
}

/* Fills out, waiting for news. 0, or what ends the stream. */
static ssize_t stream_fill(struct stream *s)
{
	buffer_reset(&s->out);
	s->sent = 0;
	while (s->out.len == 0) {
		if (s->last || atomic_load(&s->api->stopping))
			return MHD_CONTENT_READER_END_OF_STREAM;
		uint64_t began_ns = clock_boot_ns(&clock_system);
		s->last = s->produce(s->state, &s->out) != 0;
		if (s->out.truncated)
			return MHD_CONTENT_READER_END_WITH_ERROR; /* half a line would look like a whole one
								   */
		if (s->out.len == 0 && !s->last) {
			if (has_left(s->fd))
				return MHD_CONTENT_READER_END_WITH_ERROR;
			wait_a_little(began_ns);
		}
	}
	return 0;
}

static ssize_t stream_read(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct stream *s = cls;

	(void)pos;
	if (s->sent == s->out.len) {
		ssize_t end = stream_fill(s);
		if (end)
			return end;
	}
	size_t n = MIN(max, s->out.len - s->sent);
	memcpy(buf, s->out.data + s->sent, n);
	s->sent += n;
	return (ssize_t)n;
}

static void stream_free(void *cls)
{
	struct stream *s = cls;

	if (s->drop)
		s->drop(s->state);
	buffer_free(&s->out);
	free(s);
}

void api_stream(struct api_call *c, api_produce produce, void (*drop)(void *state), void *state)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct stream *s = c->response ? NULL : calloc(1, sizeof *s);
	struct MHD_Response *r;

	if (!s || !info) {
		free(s);
		if (drop)
			drop(state);
		return;
	}
	*s = (struct stream){
		.api = c->api,
		.fd = info->connect_fd,
		.produce = produce,
		.drop = drop,
		.state = state,
		.out = BUFFER_INIT(STREAM_BYTES_MAX),
	};
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, s, stream_free);
	if (!r) {
		stream_free(s);
		return;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/jsonl");
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	/* A quiet stream is no idle one; behind it the connection, without a limit now, is not used again. */
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	MHD_set_connection_option(c->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	answer(c, MHD_HTTP_OK, r);
}

/* --- what a handler may ask --- */

const char *api_call_param(const struct api_call *c)
{
	return c->param;
}

const char *api_call_query(const struct api_call *c, const char *name)
{
	return MHD_lookup_connection_value(c->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct span api_call_body(const struct api_call *c)
{
	return buffer_span(&c->body);
}

uid_t api_call_uid(const struct api_call *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof peer;

	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return (uid_t)-1;
	return peer.uid;
}

/* --- routes --- */

/* Length of the part before "{parameter}", 0 if the route has none. */
static size_t param_at(const char *path)
{
	const char *brace = strchr(path, '{');

	return brace ? (size_t)(brace - path) : 0;
}

static bool path_matches(const struct api_route *r, const char *path, const char **ret_param)
{
	size_t head = param_at(r->path);

	if (!head)
		return strcmp(r->path, path) == 0;
	if (strncmp(r->path, path, head) != 0 || path[head] == 0)
		return false;
	*ret_param = path + head;
	return true;
}

/* The same path for all methods: a whole one goes before one with a parameter, the longer head before the
 * shorter. */
static bool is_closer(const struct api_route *a, const struct api_route *b)
{
	size_t x = param_at(a->path), y = param_at(b->path);

	return x == 0 || (y != 0 && x > y);
}

static void dispatch(struct api_call *c, const char *method, const char *path)
{
	const struct api_route *best = NULL;
	const char *param = NULL;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < c->api->route_count; i++) {
		const struct api_route *r = &c->api->routes[i];
		if (path_matches(r, path, &param) && (!best || is_closer(r, best)))
			best = r;
	}
	if (!best) {
		api_problem(c, MHD_HTTP_NOT_FOUND, "not_found",
			    "No such resource; docs/openapi.yaml lists them.");
		return;
	}
	for (size_t i = 0; i < c->api->route_count; i++) {
		const struct api_route *r = &c->api->routes[i];
		if (strcmp(r->path, best->path) != 0 || strcmp(r->method, method) != 0)
			continue;
		c->param = NULL;
		path_matches(r, path, &c->param);
		r->handler(c, r->arg);
		if (!c->response)
			api_problem(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal",
				    "The handler gave no answer.");
		return;
	}
	api_problem(c, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
		    "The resource knows other methods; docs/openapi.yaml lists them.");
}

/* --- libmicrohttpd's side --- */

static enum MHD_Result send_answer(struct api_call *c)
{
	enum MHD_Result r;

	if (!c->response)
		return MHD_NO; /* no memory for an answer: hang up */
	if (c->status == MHD_HTTP_SERVICE_UNAVAILABLE || c->status == MHD_HTTP_CONTENT_TOO_LARGE)
		MHD_add_response_header(c->response, MHD_HTTP_HEADER_CONNECTION, "close");
	r = MHD_queue_response(c->connection, c->status, c->response);
	MHD_destroy_response(c->response);
	c->response = NULL;
	return r;
}

static unsigned long body_length(struct MHD_Connection *connection)
{
	const char *text =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text ? strtoul(text, NULL, 10) : 0;
}

static void refuse_body(struct api_call *c)
{
	api_problem(c, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large", "The body may have 64 KiB.");
}

/* Head read: refuse what need not be read on. */
static enum MHD_Result on_head(struct api *api, struct MHD_Connection *connection, void **ret_call)
{
	struct api_call *c = calloc(1, sizeof *c);

	if (!c)
		return MHD_NO;
	*c = (struct api_call){.api = api, .connection = connection, .body = BUFFER_INIT(API_BODY_MAX)};
	*ret_call = c;
	unsigned long length = body_length(connection);
	/* Who is still sending when we hang up meets an error and never reads why. */
	c->too_long = length > API_BODY_MAX;
	if (atomic_load(&api->connections) > api->max_connections)
		api_problem(c, MHD_HTTP_SERVICE_UNAVAILABLE, "too_many_connections",
			    "All connections are in use; close a stream and try again.");
	else if (length > DRAIN_MAX)
		refuse_body(c);
	return c->response ? send_answer(c) : MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload_data,
				  size_t *upload_data_size, void **call)
{
	struct api_call *c = *call;

	(void)version;
	if (!c)
		return on_head(cls, connection, call);
	if (*upload_data_size) {
		int r = c->too_long ? 0 : buffer_append(&c->body, upload_data, *upload_data_size);
		*upload_data_size = 0;
		return r ? MHD_NO : MHD_YES; /* a chunked body beyond the ceiling: hang up */
	}
	if (c->too_long)
		refuse_body(c);
	else
		dispatch(c, method, url);
	return send_answer(c);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **call,
			 enum MHD_RequestTerminationCode why)
{
	struct api_call *c = *call;

	(void)cls;
	(void)connection;
	(void)why;
	if (c) {
		if (c->response)
			MHD_destroy_response(c->response);
		buffer_free(&c->body);
		free(c);
	}
	*call = NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct api *api = cls;

	(void)connection;
	(void)context;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		atomic_fetch_add(&api->connections, 1);
	else
		atomic_fetch_sub(&api->connections, 1);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* In place. What is no escape, and "%00", which would cut the text, stays as it is: no handler knows such a
 * name. */
static size_t on_unescape(void *cls, struct MHD_Connection *connection, char *s)
{
	char *out = s;

	(void)cls;
	(void)connection;
	for (const char *in = s; *in;) {
		int high = in[0] == '%' ? hex_digit(in[1]) : -1;
		int low = high >= 0 ? hex_digit(in[2]) : -1;
		if (low >= 0 && (high || low)) {
			*out++ = (char)(high << 4 | low);
			in += 3;
		} else {
			*out++ = *in++;
		}
	}
	*out = 0;
	return (size_t)(out - s);
}

/* --- life --- */

int api_new(struct api **ret)
{
	struct api *api = calloc(1, sizeof *api);

	if (!api)
		return -ENOMEM;
	*ret = api;
	return 0;
}

int api_add(struct api *api, const struct api_route *routes, size_t count)
{
	struct api_route *all = realloc(api->routes, (api->route_count + count + 1) * sizeof *all);

	if (!all)
		return -ENOMEM;
	memcpy(all + api->route_count, routes, count * sizeof *routes);
	api->routes = all;
	api->route_count += count;
	return 0;
}

int api_start(struct api *api, int listen_fd, unsigned max_connections)
{
	api->max_connections = max_connections;
	api->daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC,
		0, NULL, NULL, on_request, api, MHD_OPTION_LISTEN_SOCKET, listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, max_connections + REFUSED_AT_ONCE, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, api, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape,
		NULL, MHD_OPTION_END);
	if (!api->daemon) {
		int r = errno ? -errno : -EIO;
		close(listen_fd);
		return r;
	}
	return 0;
}

/*
 * Whoever is being answered gets the answer: what was done and not told would look like a failure. Streams
 * have no end, so the patience has one.
 */
static void stop_accepting(struct api *api)
{
	const struct timespec step = {.tv_nsec = 5 * 1000 * 1000};
	int fd = MHD_quiesce_daemon(api->daemon);

	for (unsigned i = 0; i < STOP_PATIENCE_MS / 5; i++) {
		const union MHD_DaemonInfo *info =
			MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
		if (!info || info->num_connections == 0)
			break;
		nanosleep(&step, NULL);
	}
	if (fd >= 0)
		close(fd);
}

void api_free(struct api *api)
{
	if (!api)
		return;
	atomic_store(&api->stopping, true); /* ends the streams */
	if (api->daemon) {
		stop_accepting(api);
		MHD_stop_daemon(api->daemon);
	}
	free(api->routes);
	free(api);
}
