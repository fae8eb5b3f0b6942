/* SPDX-License-Identifier: Apache-2.0 */
/*
 * haproxy_point.h: the enforcement point inside of an HAProxy: what is denied stands in one of its maps, with
 * the end as value, so that HAProxy decides by itself and entries expire unaided (docs/haproxy.md). A thread
 * of its own makes the map equal to the decisions at HTTP (policies/decide.h): at each change, and by looking
 * every few seconds. The map is picket's alone. Whatever HAProxy does, nobody here waits for it.
 *
 * At its first look the map may hold what an earlier sensor had put there: the owner is asked to take it
 * over. What nobody takes over is taken out.
 */
#ifndef PICKET_HAPROXY_POINT_H
#define PICKET_HAPROXY_POINT_H

#include "lib/clock.h"
#include "lib/config.h"
#include "policies/decide.h"

struct haproxy_point;

struct haproxy_point_parts { /* all of them outlive the point */
	const struct config_haproxy *config;
	const struct clock *clock;
	struct decide *decide;
	int stop_fd; /* readable: time to end */
	/* True: this is in force from now on, as the map says. NULL: nobody takes anything over. */
	bool (*adopt)(void *arg, const struct prefix *target, uint64_t end_ns);
	void *arg;
};

enum haproxy_state {
	HAPROXY_STARTING = 0, /* not asked yet */
	HAPROXY_UP,
	HAPROXY_DOWN, /* it did not answer, or refused; see error. Tried again every two seconds */
};
const char *haproxy_state_name(enum haproxy_state state); /* "starting", "up", "down" */

#define HAPROXY_ERROR_MAX 160
struct haproxy_counts {
	enum haproxy_state state;
	char error[HAPROXY_ERROR_MAX]; /* printable ASCII; "": none */
	size_t desired, installed;     /* as of the last look, and what was changed since */
	size_t missing, extra; /* found then and not mended; while it is not up, everything is missing */
	size_t beyond;         /* of these missing: block lists ask for more than the map is to hold */
	size_t foreign;        /* keys that picket does not write: left alone */
	uint64_t mended;       /* entries put back or taken out that somebody else had changed */
	uint64_t written;      /* commands that it did */
	uint64_t failures;     /* looks and changes that came to nothing */
	uint64_t last_ns;      /* of the last answer; boot clock; 0: none yet */
};

/* Begins at once. 0 or -errno. */
int haproxy_point_new(const struct haproxy_point_parts *parts, struct haproxy_point **ret);
/* Once stop_fd is readable: waits for its thread. It may still be told of changes and asked. */
void haproxy_point_stop(struct haproxy_point *p);
void haproxy_point_free(struct haproxy_point *p); /* a stopped one */
/* What is denied of the target (NULL: of many) has changed. Any thread; waits for nothing. */
void haproxy_point_note(struct haproxy_point *p, const struct prefix *target);
bool haproxy_point_is_up(struct haproxy_point *p);
struct haproxy_counts haproxy_point_counts(struct haproxy_point *p);
const struct config_haproxy *haproxy_point_config(const struct haproxy_point *p);

#endif
