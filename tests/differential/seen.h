/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seen.h: what our stream makes of the bytes of one connection, for comparing it with what another program
 * makes of them: each request as text, with its deviations.
 */
#ifndef PICKET_TESTS_SEEN_H
#define PICKET_TESTS_SEEN_H

#include "lib/buffer.h"
#include "sensor/stream.h"

#define SEEN_MAX 512

struct seen_request {
	size_t line, headers,
		end;         /* offsets in text: "METHOD TARGET\n", then "name:value\n" without white space */
	uint32_t deviations; /* late ones included */
	bool unfinished;     /* its head was not whole when the connection ended */
};

struct seen {
	struct buffer text;
	struct seen_request list[SEEN_MAX];
	unsigned count;
	bool ending; /* internal */
	bool not_http;
	bool overflow; /* there were more than SEEN_MAX */
};

void seen_init(struct seen *s);
void seen_free(struct seen *s);
/* All bytes of a connection, in pieces of `step` bytes (0: one piece), then its end. */
void seen_read(struct seen *s, struct span bytes, size_t step);
/* ... in two pieces. */
void seen_read_cut(struct seen *s, struct span bytes, size_t cut);
/* For oracles that report by parts. */
void seen_line(struct seen *s, struct span method, struct span target);
void seen_header(struct seen *s, struct span name, struct span value);
void seen_end(struct seen *s);

struct span seen_line_of(const struct seen *s, unsigned i);
struct span seen_headers_of(const struct seen *s, unsigned i);
/* Not found by looking inside of a body or behind a gap. */
bool seen_is_plain(const struct seen_request *r);
void seen_print(const char *who, const struct seen *s);

#endif
