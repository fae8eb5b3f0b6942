/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path_segments.h: what one segment of a path is by its looks alone: a word that may be part of a route
 * ("orders", "v1", "bulk-import"), or a value. Pure: the same bytes always give the same answer, so that what
 * rests on it depends neither on order nor on time.
 *
 * Wrong guesses are not alike. A value taken for a word must still be met often before it is shown
 * (routes.h); a word taken for a value makes two routes one for good. So a word is what reads like one: short
 * pieces joined by "-", "_", ".", "~", ":" or by capitals, few digits and those where names have them, no
 * pairs of letters and no runs of consonants that words do not have. All else is a value, also what redaction
 * puts in the place of one ("{jwt:h_...}").
 */
#ifndef PICKET_PATH_SEGMENTS_H
#define PICKET_PATH_SEGMENTS_H

#include <stdbool.h>
#include "lib/span.h"

enum segment_kind {
	SEGMENT_BAD,   /* empty, "." or "..": the path has no route */
	SEGMENT_WORD,  /* may be a literal part of a route */
	SEGMENT_ID,    /* number, UUID (RFC 9562), hexadecimal, letters mixed with digits */
	SEGMENT_DATE,  /* RFC 3339 date or date and time, or its year and month */
	SEGMENT_EMAIL, /* something@host.tld */
	SEGMENT_TOKEN, /* JWT (RFC 7519), long and random, or longer than SEGMENT_MAX */
	SEGMENT_NAME,  /* holds what no word holds: escapes, spaces, letters beyond ASCII, braces */
	SEGMENT_KINDS,
};

#define SEGMENT_MAX 64 /* bytes; what is longer is no word */

enum segment_kind segment_kind(struct span segment);
/* "{id}", "{date}", ...; NULL for words and SEGMENT_BAD. */
const char *segment_placeholder(enum segment_kind kind);
/* The other way: SEGMENT_WORD for what is no placeholder. */
enum segment_kind segment_of_placeholder(struct span text);

/*
 * Takes the next segment off a path that begins with "/" (or of which nothing is left); path parameters
 * (";a=b", RFC 3986 section 3.3) are not part of it. One slash at the end counts as none. False: there is no
 * further segment.
 */
bool segment_next(struct span *path, struct span *ret);

#endif
