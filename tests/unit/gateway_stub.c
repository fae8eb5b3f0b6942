// SPDX-License-Identifier: Apache-2.0
#include "gateway_stub.h"
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/util.h"

struct stub {
	struct MHD_Daemon *daemon;
	uint16_t port;
	pthread_mutex_t lock;
	const struct stub_reply *replies;
	size_t reply_count, next_reply;
	unsigned count, connections;
	struct stub_request requests[STUB_REQUESTS_MAX];
};

struct pending {
	char *body;
	size_t len;
	const struct stub_reply *reply;
	char sources[2][16]; /* names of the first clients of a question to a model */
};

static const struct stub_reply *take_reply(struct stub *s)
{
	pthread_mutex_lock(&s->lock);
	const struct stub_reply *r = &s->replies[s->next_reply];
	if (s->next_reply + 1 < s->reply_count)
		s->next_reply++;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void copy_header(struct MHD_Connection *c, const char *name, char *ret, size_t size)
{
	const char *value = MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);

	snprintf(ret, size, "%s", value ? value : "");
}

static unsigned count_events(const char *body, size_t len)
{
	static const char word[] = "\"specversion\":\"1.0\"";
	unsigned n = 0;

	for (const char *at = body; at && (at = memmem(at, len - (size_t)(at - body), word, sizeof word - 1));
	     at++)
		n++;
	return n;
}

static void find_sources(struct pending *p)
{
	static const char word[] = "\\\"src\\\":\\\"c"; /* in a text of a text */
	const char *at = p->body, *end = p->body + p->len;

	for (unsigned i = 0; at && i < ARRAY_SIZE(p->sources); i++) {
		do
			at = memmem(at, (size_t)(end - at), word, sizeof word - 1);
		while (at && (at += sizeof word - 2) && end - at > 9 && at[9] != '\\');
		if (at)
			snprintf(p->sources[i], sizeof p->sources[i], "%.9s", at);
	}
}

static void keep(struct stub *s, struct MHD_Connection *c, const char *path, struct pending *p)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	char text[8];

	find_sources(p);
	pthread_mutex_lock(&s->lock);
	if (s->count < STUB_REQUESTS_MAX) {
		struct stub_request *q = &s->requests[s->count];
		copy_header(c, "Idempotency-Key", q->key, sizeof q->key);
		copy_header(c, "Content-Type", q->content_type, sizeof q->content_type);
		copy_header(c, "Content-Encoding", q->content_encoding, sizeof q->content_encoding);
		copy_header(c, "Authorization", q->authorization, sizeof q->authorization);
		copy_header(c, "Content-Length", q->content_length, sizeof q->content_length);
		copy_header(c, "Expect", text, sizeof text);
		q->expect = text[0] != 0;
		copy_header(c, "Transfer-Encoding", text, sizeof text);
		q->transfer_encoding = text[0] != 0;
		snprintf(q->path, sizeof q->path, "%s", path);
		q->body = p->body;
		q->len = p->len;
		q->events = count_events(p->body, p->len);
		q->client_port =
			info ? ntohs(((const struct sockaddr_in *)(const void *)info->client_addr)->sin_port)
			     : 0;
		q->at_ns = clock_boot_ns(&clock_system);
		p->body = NULL;
	}
	s->count++;
	pthread_mutex_unlock(&s->lock);
}

/* "@1" and "@2" become the names of the question's clients: each is longer than what it stands for. */
static char *body_of(const struct stub_reply *r, const struct pending *p, size_t *ret_len)
{
	size_t head = r->body ? strlen(r->body) : 0, n = 0;
	char *body = malloc(head * 8 + r->fill + 1);

	for (size_t i = 0; body && i < head; i++) {
		bool named = r->body[i] == '@' && (r->body[i + 1] == '1' || r->body[i + 1] == '2');

		if (named)
			n += (size_t)sprintf(body + n, "%s", p->sources[r->body[++i] - '1']);
		else
			body[n++] = r->body[i];
	}
	if (body)
		memset(body + n, 'x', r->fill);
	*ret_len = n + r->fill;
	return body;
}

static enum MHD_Result reply(struct MHD_Connection *c, const struct stub_reply *r, const struct pending *p)
{
	size_t len;
	char *body = body_of(r, p, &len);
	char name[64];
	enum MHD_Result result;

	if (!body)
		return MHD_NO;
	if (r->delay_ms)
		usleep(r->delay_ms * 1000);
	struct MHD_Response *response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
	if (r->header) {
		const char *colon = strchr(r->header, ':');
		snprintf(name, sizeof name, "%.*s", (int)(colon - r->header), r->header);
		MHD_add_response_header(response, name, colon + 2);
	}
	result = MHD_queue_response(c, r->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result serve(void *cls, struct MHD_Connection *c, const char *path, const char *method,
			     const char *version, const char *upload, size_t *upload_len, void **state)
{
	struct stub *s = cls;
	struct pending *p = *state;

	(void)method;
	(void)version;
	if (!p) {
		p = *state = calloc(1, sizeof *p);
		if (!p)
			return MHD_NO;
		p->reply = take_reply(s);
		if (!p->reply->early)
			return MHD_YES;
		keep(s, c, path, p);
		return reply(c, p->reply, p);
	}
	if (*upload_len) {
		char *body = realloc(p->body, p->len + *upload_len);
		if (!body)
			return MHD_NO;
		memcpy(body + p->len, upload, *upload_len);
		p->body = body;
		p->len += *upload_len;
		*upload_len = 0;
		return MHD_YES;
	}
	keep(s, c, path, p);
	return reply(c, p->reply, p);
}

static void completed(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code)
{
	struct pending *p = *state;

	(void)cls;
	(void)c;
	(void)code;
	if (p)
		free(p->body);
	free(p);
	*state = NULL;
}

static void connected(void *cls, struct MHD_Connection *c, void **state,
		      enum MHD_ConnectionNotificationCode code)
{
	struct stub *s = cls;

	(void)c;
	(void)state;
	if (code != MHD_CONNECTION_NOTIFY_STARTED)
		return;
	pthread_mutex_lock(&s->lock);
	s->connections++;
	pthread_mutex_unlock(&s->lock);
}

struct stub *stub_start(uint16_t port, const struct stub_reply *replies, size_t count)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct stub *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->replies = replies;
	s->reply_count = count;
	s->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, serve, s,
				     MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
				     MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
				     MHD_OPTION_NOTIFY_CONNECTION, connected, s, MHD_OPTION_END);
	if (!s->daemon) {
		free(s);
		return NULL;
	}
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
	s->port = info->port;
	return s;
}

uint16_t stub_port(const struct stub *s)
{
	return s->port;
}

unsigned stub_count(struct stub *s)
{
	pthread_mutex_lock(&s->lock);
	unsigned n = s->count;
	pthread_mutex_unlock(&s->lock);
	return n;
}

unsigned stub_connections(struct stub *s)
{
	pthread_mutex_lock(&s->lock);
	unsigned n = s->connections;
	pthread_mutex_unlock(&s->lock);
	return n;
}

const struct stub_request *stub_request(struct stub *s, unsigned i)
{
	return &s->requests[i];
}

void stub_stop(struct stub *s)
{
	if (!s)
		return;
	MHD_stop_daemon(s->daemon);
	for (unsigned i = 0; i < MIN(s->count, (unsigned)STUB_REQUESTS_MAX); i++)
		free(s->requests[i].body);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
