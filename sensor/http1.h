/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1.h: our HTTP/1 request-head parser (RFC 9112, read leniently as servers do). It accepts what real
 * servers answer and flags every deviation; a strict parser that stops would let an attacker hide what is
 * pipelined behind. Pure functions over bytes: no allocation, and the result does not depend on how the bytes
 * were cut.
 *
 * What belongs to a connection (order, gaps, bodies, leaving HTTP) is sensor/stream.h.
 */
#ifndef PICKET_HTTP1_H
#define PICKET_HTTP1_H

#include "lib/http_request.h"

#define HTTP1_HEAD_MAX (64 * 1024)

enum {
	HTTP1_E_MORE = 1,     /* not complete yet */
	HTTP1_E_NOT_HTTP = 2, /* no server would take this for a request: the stream is something else */
};

/*
 * Finds the end of a head while it arrives. Zero it to start; call it with all bytes of the head so far, each
 * time from the same start: it goes on where it stopped, so a head that arrives byte by byte costs as much as
 * a whole one. 0: the head is bytes[0, at). HTTP1_E_NOT_HTTP: bytes[0, at) are no head. Leading empty lines
 * belong to the head. When bytes.len reaches HTTP1_HEAD_MAX without an end, the head ends there.
 */
struct http1_scan {
	uint32_t at;   /* looked at so far */
	uint32_t line; /* where the current line starts */
	uint8_t phase;
};
int http1_scan(struct http1_scan *s, struct span bytes);

/*
 * Parses one head that http1_scan delimited. Spans of *ret point into head. A head without its empty line
 * (the client closed, bytes are missing, the ceiling) gives its whole lines, if its request line is whole,
 * else HTTP1_E_MORE. One of HTTP1_HEAD_MAX bytes is flagged HTTP_DEV_HEAD_TOO_LARGE, and then its request
 * line need not be whole.
 */
int http1_parse_head(struct span head, struct http_request *ret);

/*
 * One header line, without its end, of the rest of a head beyond the ceiling: what it says about the body
 * goes into *body and *length, which hold what is known so far. As in a head, chunked goes before a length.
 */
void http1_rest_header(struct span line, enum http_body *body, uint64_t *length);

/* A character of names and methods (RFC 9110 section 5.6.2). */
bool http1_is_token(char c);

/* Both steps: one head at the start of bytes. ret->head_len bytes are used, leading empty lines included. */
int http1_parse(struct span bytes, struct http_request *ret);

/*
 * Is the line at the start of bytes "METHOD SP target SP HTTP/x.y"? 0 yes, HTTP1_E_MORE it may become one,
 * HTTP1_E_NOT_HTTP no. The target may hold raw bytes from 0x80 on, as servers take them. known_method: the
 * bytes may begin in the middle of a line, so the method must be a registered one that is no other one's
 * tail; else the line is whole, and several spaces or tabs may stand for each space, and behind the version.
 */
int http1_start_line(struct span bytes, bool known_method);

/* Deviations after which client and server may disagree where the body ends. */
#define HTTP1_DEV_FRAMING                                                                   \
	(HTTP_DEV_TWO_CONTENT_LENGTHS | HTTP_DEV_BAD_CONTENT_LENGTH | HTTP_DEV_CL_AND_TE |  \
	 HTTP_DEV_BAD_TRANSFER_ENCODING | HTTP_DEV_SPACE_BEFORE_COLON | HTTP_DEV_OBS_FOLD | \
	 HTTP_DEV_BAD_HEADER_VALUE | HTTP_DEV_HEAD_TOO_LARGE)

/* Chunked body reader (RFC 9112 section 7.1), lenient alike; state survives any cut. Zero it to start. */
struct http1_chunked {
	uint64_t left;       /* bytes left of the current chunk's data, while in_data */
	uint32_t deviations; /* HTTP_DEV_BAD_CHUNK, HTTP_DEV_BARE_LF */
	uint32_t line_len;   /* bytes of the current line */
	uint8_t state;
	uint8_t grammar; /* internal: of an extension or a trailer */
	bool in_data;
	bool done;
	bool broken; /* done because what came cannot be a chunk */
};
/* Consumes bytes of the body; returns how many belong to it (less than bytes.len only when done). */
size_t http1_chunked_eat(struct http1_chunked *c, struct span bytes);

#endif
