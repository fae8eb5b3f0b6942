// SPDX-License-Identifier: Apache-2.0
#include "service.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define IDLE_S          75

#define HELD_MS 25 /* what is held is looked at again so often */

struct service {
	service_handler handler;
	void *arg;
	size_t body_max;
};

/* Connections that are held: from the server's thread to the one that wakes them. */
static struct {
	pthread_mutex_t lock;
	struct MHD_Connection *list[CONNECTIONS_MAX];
	unsigned count;
} held = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What is kept of one request between the calls of libmicrohttpd. */
struct pending {
	char *body;
	size_t len, size;
	bool too_large;
	long long since_ms; /* when it was whole; 0: not yet */
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int address_parse(const char *text, union address *ret)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2], *end;
	size_t len = colon ? (size_t)(colon - text) : 0;
	unsigned long port;

	if (!colon || len == 0 || len >= sizeof host || colon[1] < '0' || colon[1] > '9')
		return -EINVAL;
	port = strtoul(colon + 1, &end, 10);
	if (*end || port > 65535)
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = 0;
	memset(ret, 0, sizeof *ret);
	if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons((uint16_t)port);
		return 0;
	}
	if (host[0] != '[' || host[len - 1] != ']')
		return -EINVAL;
	host[len - 1] = 0;
	if (inet_pton(AF_INET6, host + 1, &ret->v6.sin6_addr) != 1)
		return -EINVAL;
	ret->v6.sin6_family = AF_INET6;
	ret->v6.sin6_port = htons((uint16_t)port);
	return 0;
}

/* -1 and errno. */
static int listen_on(const union address *address)
{
	socklen_t len = address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
	int on = 1, fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) || bind(fd, &address->any, len) ||
	    listen(fd, SOMAXCONN)) {
		int e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

void service_announce(int fd)
{
	union address bound = {0};
	socklen_t len = sizeof bound;
	char host[INET6_ADDRSTRLEN];

	if (getsockname(fd, &bound.any, &len))
		return;
	if (bound.any.sa_family == AF_INET6)
		printf("listening on [%s]:%u\n", inet_ntop(AF_INET6, &bound.v6.sin6_addr, host, sizeof host),
		       ntohs(bound.v6.sin6_port));
	else
		printf("listening on %s:%u\n", inet_ntop(AF_INET, &bound.v4.sin_addr, host, sizeof host),
		       ntohs(bound.v4.sin_port));
	fflush(stdout);
}

/* One byte more than len, for the zero behind it. */
static bool pending_append(struct pending *p, const char *bytes, size_t len)
{
	if (p->len + len + 1 > p->size) {
		size_t size = p->size ? p->size : 4096;
		while (size < p->len + len + 1)
			size *= 2;
		char *body = realloc(p->body, size);
		if (!body)
			return false;
		p->body = body;
		p->size = size;
	}
	memcpy(p->body + p->len, bytes, len);
	p->len += len;
	p->body[p->len] = 0;
	return true;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* A connection that waits is not read from: only by this its end is noticed. */
static bool has_ended(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	char byte;

	return info && recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

enum MHD_Result service_hold(const struct service_request *request)
{
	if (has_ended(request->connection))
		return MHD_NO;
	pthread_mutex_lock(&held.lock);
	/* There is room: no more connections than that are accepted. */
	held.list[held.count++] = request->connection;
	MHD_suspend_connection(request->connection);
	pthread_mutex_unlock(&held.lock);
	return MHD_YES;
}

static void wake_held(void)
{
	pthread_mutex_lock(&held.lock);
	while (held.count)
		MHD_resume_connection(held.list[--held.count]);
	pthread_mutex_unlock(&held.lock);
}

/*
 * libmicrohttpd calls this at the head (state is NULL), for each piece of the body (upload_len > 0), once
 * more when the request is whole, and again each time it was held.
 */
static enum MHD_Result serve(void *cls, struct MHD_Connection *connection, const char *path,
			     const char *method, const char *version, const char *upload, size_t *upload_len,
			     void **state)
{
	const struct service *s = cls;
	struct pending *p = *state;

	(void)version;
	if (!p) {
		*state = calloc(1, sizeof *p);
		return *state ? MHD_YES : MHD_NO;
	}
	if (*upload_len) {
		/* Too large: read on without keeping it, so that the client gets to read the answer. */
		if (p->too_large || p->len + *upload_len > s->body_max)
			p->too_large = true;
		else if (!pending_append(p, upload, *upload_len))
			return MHD_NO;
		*upload_len = 0;
		return MHD_YES;
	}
	if (!p->since_ms)
		p->since_ms = now_ms();
	struct service_request request = {
		.connection = connection,
		.method = method,
		.path = path,
		.held_ms = (unsigned)(now_ms() - p->since_ms),
		.body = p->body ? p->body : "",
		.body_len = p->len,
	};
	if (p->too_large)
		return service_error(&request, MHD_HTTP_CONTENT_TOO_LARGE, NULL, "the body is too large");
	return s->handler(s->arg, &request);
}

static void completed(void *cls, struct MHD_Connection *connection, void **state,
		      enum MHD_RequestTerminationCode code)
{
	struct pending *p = *state;

	(void)cls;
	(void)connection;
	(void)code;
	if (p)
		free(p->body);
	free(p);
	*state = NULL;
}

int service_listen(const char *listen, int *ret_fd)
{
	union address address;
	int fd;

	if (address_parse(listen, &address)) {
		fprintf(stderr, "\"%s\" is no ADDR:PORT or [IPV6]:PORT\n", listen);
		return 2;
	}
	fd = listen_on(&address);
	if (fd < 0) {
		fprintf(stderr, "cannot listen on %s: %s\n", listen, strerror(errno));
		return 1;
	}
	*ret_fd = fd;
	return 0;
}

int service_run(const char *listen, size_t body_max, service_handler handler, void *arg)
{
	struct service s = {handler, arg, body_max};
	const struct timespec pause = {.tv_nsec = HELD_MS * 1000000L};
	sigset_t stop;
	int fd;
	int r = service_listen(listen, &fd);

	if (r)
		return r;
	/* Blocked before the server's thread starts, so that only sigwait below takes them. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);

	struct MHD_Daemon *daemon =
		MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME,
				 0, NULL, NULL, serve, &s, MHD_OPTION_LISTEN_SOCKET, fd,
				 MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
				 CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_END);
	if (!daemon) {
		fprintf(stderr, "the HTTP server does not start\n");
		close(fd);
		return 1;
	}
	service_announce(fd);
	while (sigtimedwait(&stop, NULL, &pause) < 0)
		wake_held();
	wake_held();
	MHD_stop_daemon(daemon);
	return 0;
}

/* line is written into. */
static void add_header(struct MHD_Response *response, char *line)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return;
	*colon = 0;
	MHD_add_response_header(response, line, colon + 1 + strspn(colon + 1, " "));
}

static void add_headers(struct MHD_Response *response, const char *headers)
{
	char *lines = strdup(headers), *rest = NULL;

	for (char *line = lines ? strtok_r(lines, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest))
		add_header(response, line);
	free(lines);
}

enum MHD_Result service_reply(const struct service_request *request, unsigned status, const char *header,
			      const char *json, size_t len)
{
	/* The library copies; its prototype only lacks the const. */
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, (void *)(uintptr_t)json, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result r;

	if (!response)
		return MHD_NO;
	if (len)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	if (header)
		add_headers(response, header);
	r = MHD_queue_response(request->connection, status, response);
	MHD_destroy_response(response);
	return r;
}

enum MHD_Result service_error(const struct service_request *request, unsigned status, const char *header,
			      const char *message)
{
	char json[256];
	int len = snprintf(json, sizeof json, "{\"error\":\"%s\"}", message);

	if (len < 0 || (size_t)len >= sizeof json)
		return MHD_NO;
	return service_reply(request, status, header, json, (size_t)len);
}

const char *service_header(const struct service_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}
