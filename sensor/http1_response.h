/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_response.h: the server's direction of an HTTP/1 connection, from bytes in order to answers: status,
 * size of the body, time of the first byte (RFC 9112, read leniently as clients do). Heads are not kept: a
 * line needs HTTP1_RESPONSE_LINE_MAX bytes of state, what is longer is cut, and no memory is allocated. The
 * result does not depend on how the bytes were cut.
 *
 * Which request an answer belongs to is the caller's business: it says what was asked (a HEAD has no body),
 * and gets the answers in the order of the requests. 1xx answers but 101 are passed over.
 */
#ifndef PICKET_HTTP1_RESPONSE_H
#define PICKET_HTTP1_RESPONSE_H

#include "sensor/http1.h"

/*
 * The status at the start of bytes: "HTTP/1.1 200", in any case of letters, of any version, also "ICY 200";
 * spaces, tabs, VT and FF may stand in place of one space. Leading empty lines are the caller's to remove. 0:
 * *ret_status is 100 to 999; the rest of the line need not be there. HTTP1_E_MORE: it may become one (the
 * byte behind the three digits must be seen). HTTP1_E_NOT_HTTP.
 */
int http1_status(struct span bytes, unsigned *ret_status);

/* --- the whole direction --- */

#define HTTP1_RESPONSE_LINE_MAX 256

/* How the request was made that an answer belongs to. */
enum http1_asked { HTTP1_ASKED, HTTP1_ASKED_HEAD, HTTP1_ASKED_CONNECT };

struct http1_answer {
	unsigned status;
	uint64_t first_ns; /* time of its first byte */
	uint64_t body;     /* bytes of the body, chunks' frames not counted */
	bool whole;        /* its end was seen */
};

/* What RFC 9112 forbids a server, and clients do not all understand alike; reading goes on. */
enum http1_response_fault {
	HTTP1_RESPONSE_INVALID_PROTOCOL, /* neither HTTP/1.0 nor HTTP/1.1 */
	HTTP1_RESPONSE_INVALID_STATUS,   /* not three digits from 100 to 599 */
	HTTP1_RESPONSE_FIELD_MISSING_COLON,
	HTTP1_RESPONSE_HEADER_INVALID, /* the name is no token, or a space stands before the colon */
	HTTP1_RESPONSE_FOLDING,
	HTTP1_RESPONSE_TOO_MANY_HEADERS, /* more than HTTP_HEADERS_MAX */
	HTTP1_RESPONSE_DUPLICATE_LENGTH,
	HTTP1_RESPONSE_INVALID_LENGTH,
	HTTP1_RESPONSE_INVALID_CODING,  /* a transfer coding that nobody knows */
	HTTP1_RESPONSE_ABNORMAL_CODING, /* chunked, but not as the only and last one, or beside a length */
	HTTP1_RESPONSE_CHUNKED_OLD_PROTOCOL,
	HTTP1_RESPONSE_INVALID_CHUNK,
	HTTP1_RESPONSE_ABNORMAL_CONTENT_ENCODING, /* not registered with IANA */
	HTTP1_RESPONSE_FAULT_MAX,                 /* at most 32 */
};
/* http.anomaly.name of it: static text. */
const char *http1_response_fault_name(enum http1_response_fault fault);

struct http1_responses_hooks {
	/* A status line that is no interim one: the answer to the oldest request that has none. */
	void (*answer)(void *arg, const struct http1_answer *a);
	/* Its head is whole: how was its request made? */
	enum http1_asked (*asked)(void *arg);
	/* It is over, or the connection is. */
	void (*done)(void *arg, const struct http1_answer *a);
	/* Does a request wait whose answer has not begun? */
	bool (*waiting)(void *arg);
	/* Bytes are missing that may have been answers. */
	void (*lost)(void *arg);
	/* The answer at hand has this fault; may come again. NULL: not told. */
	void (*fault)(void *arg, enum http1_response_fault fault);
	void *arg;
};

struct http1_responses {
	uint64_t left; /* of a body of known length */
	struct http1_answer now;
	struct http1_chunked chunked;
	uint64_t line_ns;  /* when the line at hand began */
	uint16_t line_len; /* of it, kept; the rest is cut */
	uint8_t state;
	bool line_whole; /* its line feed came; what comes next says whether it goes on (obs-fold) */
	bool line_cut;
	bool interim; /* the head at hand is that of a 1xx */
	bool resync;  /* behind a gap: only a status line at the start of a piece is believed */
	bool has_length, has_coding, is_chunked;
	bool has_length_line;
	bool old_protocol; /* before HTTP/1.1 */
	uint8_t headers;   /* lines of the head at hand; stops at its highest */
	char line[HTTP1_RESPONSE_LINE_MAX];
};

/* Zero it to start. The next bytes in order; a piece is what came in one segment. */
void http1_responses_feed(struct http1_responses *s, struct span bytes, uint64_t time_ns,
			  const struct http1_responses_hooks *hooks);
/* n bytes that nobody saw. */
void http1_responses_miss(struct http1_responses *s, uint64_t n, const struct http1_responses_hooks *hooks);
/* The server sends no more. */
void http1_responses_end(struct http1_responses *s, const struct http1_responses_hooks *hooks);
/* It left HTTP (101, CONNECT): nothing is read any more. */
bool http1_responses_left(const struct http1_responses *s);

#endif
