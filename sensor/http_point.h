/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_point.h: the enforcement point at HTTP: a proxy asks on a unix socket of its own whether a client may
 * pass, and is told 204 (pass), 403 (deny) or 429 (slow down), with Retry-After (docs/decide.md). The
 * question is a head of any method and path, whose forwarding headers name the client by the rules of
 * policies/origin.h; a body is not read. Where it carries the client's credential, or its JA4 in the header
 * that the configuration names, consumers and JA4s that are decided on are denied, too: a credential becomes
 * its hash at once, and only while there is a consumer to compare it with. Where it tells what the client
 * asks for (enforcement.target_header), so are clients on single routes. Whoever may open the socket may ask;
 * nothing can be changed by it. On any doubt it says pass, and counts why.
 */
#ifndef PICKET_HTTP_POINT_H
#define PICKET_HTTP_POINT_H

#include <stdbool.h>
#include "lib/clock.h"
#include "lib/config.h"
#include "policies/decide.h"
#include "policies/proxies.h"
#include "policies/redact.h"

struct http_point;

struct http_point_parts { /* all of them outlive the point */
	const struct config *config;
	const struct clock *clock;
	struct decide *decide;
	struct proxies *proxies;
	struct redact *redact; /* its thread's own: hashes as events do. NULL: consumers are not known */
};

struct http_point_counts {
	uint64_t asked;
	uint64_t unnamed;                 /* of these: no header named a client, so it passed */
	uint64_t last_ns;                 /* boot clock; 0: nobody asked yet */
	uint64_t with_consumer, with_ja4; /* of these: carried a credential; a JA4 */
	uint64_t bad_ja4;                 /* of these: the header held something else: passed over */
	uint64_t with_target;             /* of these: told what is asked for */
	uint64_t bad_target; /* ... which could not be read while something was denied on a route: as
			      * if it were each of these routes */
};

/* Serves on a listening socket that the caller made; it is taken. One thread. 0 or -errno. */
int http_point_new(const struct http_point_parts *parts, int listen_fd, struct http_point **ret);
void http_point_free(struct http_point *p);
/* Did a proxy ask within HTTP_POINT_WITHIN_NS, with what tells such targets (family: of a target,
 * TARGET_ROUTED beside it or not; an address: any question)? Else what is decided there stops nobody. */
#define HTTP_POINT_WITHIN_NS (300ull * 1000000000)
bool http_point_is_asked(struct http_point *p, uint8_t family);
struct http_point_counts http_point_counts(struct http_point *p);

#endif
