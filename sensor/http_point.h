/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_point.h: the enforcement point at HTTP: a proxy asks on a unix socket of its own whether a client may
 * pass, and is told 204 (pass), 403 (deny) or 429 (slow down), with Retry-After (docs/decide.md). The
 * question is a head of any method and path, whose forwarding headers name the client by the rules of
 * policies/origin.h; a body is not read. Whoever may open the socket may ask; nothing can be changed by it.
 * On any doubt it says pass, and counts why.
 */
#ifndef PICKET_HTTP_POINT_H
#define PICKET_HTTP_POINT_H

#include <stdbool.h>
#include "lib/clock.h"
#include "lib/config.h"
#include "policies/decide.h"
#include "policies/proxies.h"

struct http_point;

struct http_point_parts { /* all of them outlive the point */
	const struct config *config;
	const struct clock *clock;
	struct decide *decide;
	struct proxies *proxies;
};

struct http_point_counts {
	uint64_t asked;
	uint64_t unnamed; /* of these: no header named a client, so it passed */
	uint64_t last_ns; /* boot clock; 0: nobody asked yet */
};

/* Serves on a listening socket that the caller made; it is taken. One thread. 0 or -errno. */
int http_point_new(const struct http_point_parts *parts, int listen_fd, struct http_point **ret);
void http_point_free(struct http_point *p);
/* Did a proxy ask within HTTP_POINT_WITHIN_NS? Else what is decided there stops nobody. */
#define HTTP_POINT_WITHIN_NS (300ull * 1000000000)
bool http_point_is_asked(struct http_point *p);
struct http_point_counts http_point_counts(struct http_point *p);

#endif
