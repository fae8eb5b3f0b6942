/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_request.h: one HTTP request head as the client sent it, unredacted. Spans point into the stream's
 * buffer and are valid only during the call that hands the request over: detection reads it, redaction makes
 * the event from it, and nothing else ever holds it.
 */
#ifndef PICKET_HTTP_REQUEST_H
#define PICKET_HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/addr.h"
#include "lib/span.h"

/*
 * What the head does that RFC 9112 forbids, yet servers accept. The parser reads on and flags it; each set
 * bit becomes an http.anomaly (http_anomaly_name).
 */
enum http_deviation {
	HTTP_DEV_BARE_LF = 1u << 0, /* a line ended by LF alone */
	HTTP_DEV_LEADING_EMPTY_LINE = 1u << 1,
	HTTP_DEV_EXTRA_SPACE = 1u << 2, /* more than one space, or a tab, in the request line */
	HTTP_DEV_BAD_VERSION = 1u << 3, /* HTTP/1.2, HTTP/9.9, "HTTP/1.1 x" */
	HTTP_DEV_NO_VERSION = 1u << 4,  /* HTTP/0.9 form */
	HTTP_DEV_BAD_METHOD = 1u << 5,  /* not a token */
	HTTP_DEV_BAD_TARGET = 1u << 6,  /* control, space or non-ASCII byte in the target */
	HTTP_DEV_OBS_FOLD = 1u << 7,
	HTTP_DEV_SPACE_BEFORE_COLON = 1u << 8,
	HTTP_DEV_BAD_HEADER_NAME = 1u << 9,
	HTTP_DEV_BAD_HEADER_VALUE = 1u << 10, /* NUL, bare CR or another control character in a value */
	HTTP_DEV_NO_COLON = 1u << 11,         /* a header line without one */
	HTTP_DEV_TWO_CONTENT_LENGTHS = 1u << 12,
	HTTP_DEV_BAD_CONTENT_LENGTH = 1u << 13, /* not digits, or beyond 2^63 */
	HTTP_DEV_CL_AND_TE = 1u << 14,
	HTTP_DEV_BAD_TRANSFER_ENCODING = 1u << 15, /* not chunked, chunked not last, or several */
	HTTP_DEV_NO_HOST = 1u << 16,
	HTTP_DEV_TWO_HOSTS = 1u << 17,
	HTTP_DEV_TOO_MANY_HEADERS = 1u << 18, /* the rest is not listed */
	HTTP_DEV_HEAD_TOO_LARGE = 1u << 19,   /* cut at the ceiling */
	HTTP_DEV_BAD_CHUNK = 1u << 20,        /* reported on the request whose body it is */
	HTTP_DEV_AFTER_GAP = 1u << 21,        /* found while resynchronising after bytes we did not see */
	HTTP_DEV_IN_BODY = 1u << 22,       /* found inside a body of doubtful length: perhaps its content */
	HTTP_DEV_JUNK_BEFORE = 1u << 23,   /* what came before it on its connection was no request */
	HTTP_DEV_BAD_HOST = 1u << 24,      /* Host, or the authority of the target, is no host and port */
	HTTP_DEV_HOST_MISMATCH = 1u << 25, /* an absolute target names another host than Host does */
};
#define HTTP_DEV_BITS 26
const char *http_deviation_name(enum http_deviation bit); /* "bare_lf", ... */
/* http.anomaly.name of it: the common name where there is one ("http_missing_host_header"; several deviations
 * may share one), else the deviation's. Static text. */
const char *http_anomaly_name(enum http_deviation bit);

struct http_header {
	struct span name;  /* as sent */
	struct span value; /* trimmed; folded lines joined as they stand */
};

#define HTTP_HEADERS_MAX 128

enum http_body { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_UNTIL_CLOSE };

struct http_request {
	struct span method;
	struct span target; /* as sent */
	struct span path;   /* target up to '?' or '#', scheme and authority of an absolute form removed */
	struct span query;  /* after '?', without it; empty if none */
	unsigned version_major, version_minor; /* 0.9 for the short form; 1.1 for anything we cannot read */
	struct http_header headers[HTTP_HEADERS_MAX];
	unsigned header_count;
	enum http_body body;
	uint64_t content_length; /* HTTP_BODY_LENGTH */
	bool upgrade;            /* asks for another protocol (Upgrade, CONNECT) */
	uint32_t deviations;     /* enum http_deviation */
	size_t head_len;         /* bytes from the start line to the end of the empty line */
};

/* First header of that name (case folded), or SPAN_NULL. */
struct span http_request_header(const struct http_request *r, const char *name);

/* Where a request was seen; shared by request, detection and events. Times: boot clock. */
struct flow {
	uint64_t connection_id; /* socket cookie; unique on this host until reboot */
	uint32_t netns;
	struct endpoint peer; /* the L3 peer */
	struct endpoint local;
	uint32_t pid; /* process that read, 0 = unknown */
};

#endif
