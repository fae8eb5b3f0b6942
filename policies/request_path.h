/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_path.h: what a request's target leads to, compared with the routes of targets (lib/target_route.h).
 * Servers differ: in whether "//", "..", "%2f", "\", ";x" or a fragment mean anything, and how often they
 * decode. A path without such things they read alike, and it fits a route whose segments are its own. A path
 * with one fits a route whose words stand in it in their order, wherever it may be split: whatever a server
 * makes of it, the words come from there. So nobody gets around a route, and who is held up for nothing is a
 * client that is denied a route, on a path that is written oddly and has that route's words in it.
 *
 * Letters are compared without their case, and dots and spaces at the end of a segment count for nothing, as
 * some servers do. What an application itself takes for the same ("/login.json") is not known.
 */
#ifndef PICKET_REQUEST_PATH_H
#define PICKET_REQUEST_PATH_H

#include <stdbool.h>
#include "lib/span.h"

#define REQUEST_PATH_MAX      4096 /* bytes */
#define REQUEST_PATH_SEGMENTS 256

enum request_path_kind {
	REQUEST_PATH_PLAIN,
	REQUEST_PATH_AMBIGUOUS,
	/* No path, too long, control characters, or encoded as nobody does (escapes that are none, text that
	 * is no UTF-8): it fits every route. */
	REQUEST_PATH_UNREADABLE,
};

/* 8 kB. Does not move: it points into itself. */
struct request_path {
	enum request_path_kind kind;
	unsigned count;
	struct span segments[REQUEST_PATH_SEGMENTS]; /* decoded; none is empty */
	char text[REQUEST_PATH_MAX];
};

/* target: as in the request line, or "" for one that is not known. */
void request_path_read(struct span target, struct request_path *ret);
/* route: a valid one. */
bool request_path_fits(const struct request_path *p, struct span route);

#endif
