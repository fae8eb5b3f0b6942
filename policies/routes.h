/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routes.h: where in the API a request went. Templates ("/users/{id}") are learned from traffic, or given by
 * an OpenAPI file (operations.h), and counted for each host and method. docs/routes.md explains the rules.
 *
 * Learning, for each host a tree of segments:
 *
 *     values      are known by their looks (path_segments.h) and are "{id}", "{date}", ... from the start.
 *     words       become part of a template when ROUTES_PROOF requests that the server did not call
 *                 unknown went through them, one of which it took; until then they are counted under a keyed
 *                 hash, and no text of them is kept.
 *     names       where words keep being new ("/users/alice", "/users/bob", ...), the next are "{name}". That
 *                 is so when of the requests for words not proved yet, most were for a word never seen
 *                 before: Good and Turing's estimate of the chance that the next is new (I. J. Good, The
 *                 population frequencies of species, Biometrika 40, 1953), asked at 50, 100, 200, ...
 *                 requests with falling demands; or when ROUTES_WORDS_MAX words stand at one place. Where ids
 *                 are common beside them, the names are "{id}" too.
 *     answers     404, 405, 410, 414, 421, 431 and 501 count for nothing, so that who looks for what is not
 *                 there makes no routes. 2xx, 302 to 304, 307, 101 and 500 say that a path is there; other
 *                 answers count, but alone prove nothing and make no names. Of a server of which no answer
 *                 was ever seen each request counts; of others one without an answer proves nothing.
 *
 * What is stable: for one path, a template given is later the same or a more general one. It gets more
 * general only when its place goes over to names, which each place does once, and which words keep their own
 * template that are an hour old, had ROUTES_KEPT requests, or a quarter of the place's.
 *
 * Only what an event shows is learned (its redacted path), so that a template cannot hold what redaction took
 * away; that a part of it is a word, often met, is a second wall.
 *
 * Full: hosts beyond ROUTES_HOSTS_MAX share one tree (host "*"); beyond ROUTES_NODES_MAX segments or
 * ROUTES_MAX routes nothing new is learned, what is there goes on, and refused counts. The last quarter of
 * both is for what more than one client asks for, so that one cannot take all. Words not proved yet push out
 * each other, never what is proved. A route not asked for in ROUTES_FORGET_S is forgotten at the next start;
 * one with less than ROUTES_KEPT requests after a day already, if three quarters of ROUTES_MAX are taken, so
 * that what a flood has left does not stay.
 *
 * Thread safe; the capture thread asks and notes, others list. Each call holds the lock for microseconds, but
 * for routes_save, which copies for up to half a millisecond, and the one request with which a place goes
 * over to names: at most some 10 ms, where thousands of routes become one.
 */
#ifndef PICKET_ROUTES_H
#define PICKET_ROUTES_H

#include "lib/buffer.h"
#include "lib/event.h"
#include "policies/documented.h"
#include "policies/operations.h"

#define ROUTES_HOSTS_MAX 64
#define ROUTES_NODES_MAX 8192
#define ROUTES_MAX       4096 /* learned ones; those of an OpenAPI file come on top */
#define ROUTES_DEPTH_MAX 16   /* segments of a learned template */
#define ROUTES_TEXT_MAX  256  /* bytes of one */
#define ROUTES_PROOF     10
#define ROUTES_KEPT      64
#define ROUTES_WORDS_MAX 128
#define ROUTES_FORGET_S  (90ull * 24 * 3600)

struct routes;

/* documented: borrowed; NULL: no OpenAPI file. */
int routes_new(const struct operations *documented, struct routes **ret);
void routes_free(struct routes *r);

/*
 * Sets route, route_id and documented of a request's event. path: as sent, for the OpenAPI file's templates.
 * The text of the route lives as long as r: events that carry it must be gone before routes_free.
 */
void routes_find(struct routes *r, struct span path, struct event *e);
/*
 * Counts and learns, when what can be known of the request's answer is known: just before the event leaves,
 * and while nobody else sees it. An event whose route was not known before, and is by now, gets it.
 */
void routes_note(struct routes *r, struct event *e);

struct routes_counts {
	uint64_t requests; /* noted */
	uint64_t routed;   /* ... of which these had a route */
	uint64_t unknown;  /* ... the server called these unknown (404, ...), and no route was known */
	uint64_t
		refused; /* ... would have become a route, were there room; and what a state held beyond it */
	uint64_t unfit;  /* ... no path, damaged, or too deep */
	uint64_t merged; /* routes that went up in a more general one */
	unsigned hosts, nodes, routes; /* learned */
	unsigned documented;           /* templates of the OpenAPI file */
	bool has_documented;           /* there is one */
};
struct routes_counts routes_counts(struct routes *r);

struct route_info {
	char host[256];    /* "": any, or none was sent; "*": those beyond ROUTES_HOSTS_MAX */
	const char *route; /* lives as long as the routes */
	enum method method;
	enum documented documented;
	uint64_t requests;
	uint64_t statuses[6];       /* [0] no answer seen, [1] 1xx, ... [5] 5xx */
	uint64_t clients;           /* different addresses: an estimate, within 13 % as a rule */
	uint64_t first_ns, last_ns; /* wall clock; 0: never */
};
/* A page of up to max; *cursor is 0 at first. Returns how many; 0: that was all. */
size_t routes_list(struct routes *r, uint32_t *cursor, struct route_info *ret, size_t max);

/* --- over a restart (routes_state.h keeps the files) --- */

/* As text: a line for the version, one for each place that takes names, one for each route with a request. */
int routes_save(struct routes *r, struct buffer *out);
enum { ROUTES_E_FORMAT = 1 };
/*
 * Into routes that have noted nothing yet. now_ns: wall clock, for ROUTES_FORGET_S. 0, ROUTES_E_FORMAT
 * (*ret_line is the first that is wrong; r is empty then), -ENOMEM. What finds no room is left out and
 * counted as refused.
 */
int routes_load(struct routes *r, struct span text, uint64_t now_ns, unsigned *ret_line);

#endif
