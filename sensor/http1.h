/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1.h: our HTTP/1 request-head parser (RFC 9112, read leniently as servers do). It accepts what real servers answer
 * and flags every deviation; a strict parser that stops would let an attacker hide what is pipelined behind.
 * Pure functions over bytes: no allocation, no state, the result does not depend on how the bytes were cut.
 */
#ifndef PICKET_HTTP1_H
#define PICKET_HTTP1_H

#include "lib/http_request.h"

#define HTTP1_HEAD_MAX (64 * 1024)

enum {
	HTTP1_E_MORE = 1,      /* the head is not complete yet */
	HTTP1_E_NOT_HTTP = 2,  /* no server would take this for a request: the stream is something else */
};

/*
 * Parse one head at the start of bytes. 0: *ret is filled, its spans point into bytes, ret->head_len bytes are used.
 * When bytes.len reaches HTTP1_HEAD_MAX without an end, what is there is parsed, flagged HTTP_DEV_HEAD_TOO_LARGE.
 * known_end_of_input: no more bytes will come (the client closed): an unfinished head gives what there is only if its
 * request line is complete, else HTTP1_E_MORE.
 */
int http1_parse(struct span bytes, struct http_request *ret);
/* Where the next plausible request starts ("METHOD SP target" at a line start), or bytes.len. After a gap. */
size_t http1_resync(struct span bytes);

/* Chunked body reader (RFC 9112 section 7.1), lenient alike; state survives any cut. Zero it to start. */
struct http1_chunked {
	uint64_t left;         /* bytes left of the current chunk's data */
	uint32_t state;
	uint32_t line_len;
	uint32_t deviations;   /* HTTP_DEV_BAD_CHUNK, HTTP_DEV_BARE_LF */
	bool done;
};
/* Consumes bytes of the body; returns how many belong to it (less than len only when done). */
size_t http1_chunked_eat(struct http1_chunked *c, struct span bytes);

#endif
