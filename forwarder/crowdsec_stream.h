/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowdsec_stream.h: reads a CrowdSec decision stream while it arrives: bytes in, decisions out, one at a
 * time. A list of 100,000 decisions is 15 MB; this holds one decision of them.
 *
 *     {"new": [{"id": 1, "value": "192.0.2.1", "duration": "3h59m59.5s", ...}, ...] | null, "deleted": ...}
 *
 * Strict: RFC 8259 alone, none of the keys that matter twice, UTF-8, no NUL, nothing behind the object.
 * Members that are not known are skipped. Decisions are handed out before the end of the document is known:
 * who takes them must not need the rest.
 */
#ifndef PICKET_CROWDSEC_STREAM_H
#define PICKET_CROWDSEC_STREAM_H

#include "lib/crowdsec.h"

enum crowdsec_error {
	CROWDSEC_E_SYNTAX = 1,
	CROWDSEC_E_SHAPE, /* JSON, but no decision stream */
	CROWDSEC_E_DUPLICATE_KEY,
	CROWDSEC_E_TOO_DEEP,
	CROWDSEC_E_TEXT, /* no UTF-8, NUL, half a surrogate pair */
	CROWDSEC_E_CUT,  /* ended before its end */
};
const char *crowdsec_error_text(int error); /* "is no JSON", ...: of the answer, for people */

#define CROWDSEC_DEPTH_MAX 16
#define CROWDSEC_MEMBERS   6

struct crowdsec_stream {
	/* Called inside feed. Not 0: reading ends, feed returns it. */
	int (*each)(void *arg, enum crowdsec_section section, const struct crowdsec_decision *d);
	void *arg;
	int error;                   /* sticks */
	uint64_t bytes;              /* taken so far */
	uint8_t state;               /* what may come next: enum in the .c */
	uint8_t unicode;             /* hexadecimal digits of an escape that are still to come */
	uint8_t utf8;                /* continuation bytes that are still to come, */
	uint8_t utf8_low, utf8_high; /* ... and the range of the next */
	bool is_key;                 /* the text under way is a key */
	bool ended;                  /* the object is closed */
	uint16_t code;               /* of an escape */
	uint16_t high;               /* surrogate whose other half must follow; 0: none */
	unsigned depth;
	char nesting[CROWDSEC_DEPTH_MAX]; /* '{' or '[' */
	const char *literal;              /* what is left of true, false, null */
	unsigned number_len;
	enum crowdsec_section section;
	unsigned sections_seen, members_seen; /* bits */
	int member;                           /* of the decision; -1: of no interest */
	struct crowdsec_decision decision;
	size_t text_len;
	char text[CROWDSEC_TEXT_MAX + 8]; /* the key, number or text under way */
	char members[CROWDSEC_MEMBERS][CROWDSEC_TEXT_MAX];
};

void crowdsec_stream_init(struct crowdsec_stream *s,
			  int (*each)(void *arg, enum crowdsec_section section,
				      const struct crowdsec_decision *d),
			  void *arg);
/* 0, a crowdsec_error, or what each returned. */
int crowdsec_stream_feed(struct crowdsec_stream *s, struct span bytes);
/* No more bytes come: 0 if the document was whole. */
int crowdsec_stream_end(struct crowdsec_stream *s);

#endif
