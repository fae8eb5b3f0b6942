/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api.h: the control API's front: HTTP/1.1 with JSON on a unix socket (libmicrohttpd). Each half registers
 * its own resources, so that no file becomes everything. Described by docs/openapi.yaml. Errors are
 * problem+json (RFC 9457).
 *
 * Handlers run on the server's threads and may be called side by side; they take their module's locks
 * themselves.
 */
#ifndef PICKET_API_H
#define PICKET_API_H

#include <stdbool.h>
#include <sys/types.h>
#include "lib/buffer.h"
#include "lib/span.h"

struct api;
struct api_call;

typedef void (*api_handler)(struct api_call *call, void *arg);

struct api_route {
	const char *method; /* "GET" */
	const char *path; /* "/v1/blocks" or "/v1/blocks/{target}"; a parameter takes the rest of the path */
	api_handler handler;
	void *arg;
};

#define API_BODY_MAX (64 * 1024)

int api_new(struct api **ret);
/* Routes are copied; strings must live as long as the api. */
int api_add(struct api *api, const struct api_route *routes, size_t count);
/*
 * Serve on a listening socket that the caller made (it is taken). Starts threads; at most max_connections at
 * once, the rest are refused.
 */
int api_start(struct api *api, int listen_fd, unsigned max_connections);
void api_free(struct api *api); /* stops, waits for handlers */

/* --- for handlers --- */

const char *api_call_param(const struct api_call *c); /* the path parameter, URL-decoded, or NULL */
const char *api_call_query(const struct api_call *c, const char *name); /* query argument or NULL */
struct span api_call_body(const struct api_call *c);
uid_t api_call_uid(const struct api_call *c); /* SO_PEERCRED; (uid_t)-1 unknown */

/* Answer, once. json is copied. */
void api_reply(struct api_call *c, unsigned status, struct span json);
/* The same in another form than JSON. type: the Content-Type. */
void api_reply_text(struct api_call *c, const char *type, struct span text);
/* code: stable machine word ("refused_by_guard"); detail: for people, says what to do next. */
void api_problem(struct api_call *c, unsigned status, const char *code, const char *detail);

/*
 * Answer with a stream of JSON lines. produce appends whole lines to out; it may wait up to about 100 ms for
 * news. Returns 0 go on (nothing appended is fine), 1 end after what was appended. drop frees state, also
 * when the client leaves.
 */
typedef int (*api_produce)(void *state, struct buffer *out);
void api_stream(struct api_call *c, api_produce produce, void (*drop)(void *state), void *state);

#endif
