/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h: one direction of one connection, from sequence-numbered pieces to the bytes in order, exactly
 * once, with 64-bit offsets; and the HTTP/1 state over them. A piece seen twice (MSG_PEEK) counts once; a
 * missing range inside a known body is no loss; elsewhere it is a gap, counted, and the stream resynchronises
 * at the next plausible start line. Memory: an unfinished head, at most HTTP1_HEAD_MAX, in a buffer that is
 * given back between requests.
 *
 * Where client and server may disagree about a body's end (HTTP1_DEV_FRAMING), that body and all later ones
 * of the connection are not skipped: requests are looked for inside of them as well as behind their presumed
 * end. What is found inside is flagged HTTP_DEV_IN_BODY, as it may be the body's content.
 *
 * A stream ceases to be HTTP when its first bytes are no request (TLS, HTTP/2, anything else), or when what
 * follows an Upgrade or CONNECT request is none. Where that begins as a TLS client does, its bytes are first
 * handed on for as long as the tls hook wants them. Junk behind other requests is passed over until the next
 * plausible start line: it may be a body whose end client and server see differently.
 */
#ifndef PICKET_STREAM_H
#define PICKET_STREAM_H

#include "lib/buffer.h"
#include "lib/proxy_protocol.h"
#include "sensor/http1.h"

struct stream {
	uint64_t next; /* offset of the first byte not yet seen; offset 0 = first byte of the connection */
	uint32_t next_seq; /* the same as a TCP sequence number */
	uint32_t requests;
	uint64_t request_at; /* offset of the first byte of the head at hand, or of the latest request */
	uint64_t body_left;  /* bytes of a Content-Length body still to pass */
	uint64_t
		outer_left; /* internal: the doubtful body that was met first: bytes up to its presumed end */
	uint64_t inner_left; /* internal: the same of the latest request found inside of it */
	uint64_t skip_to;    /* offset up to which the kernel was told not to copy; 0 = never */
	uint64_t gap_bytes;
	uint64_t passed_bytes;  /* seen, but passed over in search of the next start line */
	uint64_t duplicates;    /* bytes seen again */
	uint64_t removed_bytes; /* urgent ones, which the application does not read; they count in `next` */
	struct http1_chunked chunked;
	struct http1_scan scan;
	struct buffer head; /* bytes of an unfinished head */
	uint32_t gaps;
	uint8_t started;      /* next_seq is known */
	uint8_t complete;     /* the beginning was seen */
	uint8_t state;        /* internal */
	uint8_t after_gap;    /* the next request was found by resynchronising */
	uint8_t in_body;      /* internal: the next request was begun inside a doubtful body */
	uint8_t proxy_header; /* the stream began with a PROXY protocol header */
	uint8_t not_http;     /* it carries something else; final */
	uint8_t refused;      /* heads given up because the budget was used up, saturating */
	uint8_t urgent;       /* urgent data came: nothing is skipped any more */
	uint8_t junk;         /* internal: something that is no request was passed over */
	uint8_t line_start;   /* internal, while resynchronising */
	uint8_t leading;      /* internal: empty lines came before the head */
	uint8_t upgraded;     /* internal: the last request asked for another protocol */
	uint8_t rest;         /* internal: the body that follows a head beyond the ceiling */
	uint8_t doubt;        /* a request's framing was doubtful: no body is believed any more */
	uint8_t outer; /* internal: enum http_body of the doubtful body, HTTP_BODY_NONE outside of one */
	uint32_t outer_requests; /* internal: requests when it began */
	uint32_t fork;           /* internal: where in `head` a presumed body ended; 0 = nowhere */
};

struct stream_hooks {
	/* A request head is whole. Spans are valid during the call; s->requests counts the ones before it. */
	void (*request)(void *arg, struct stream *s, const struct http_request *r);
	/* The stream began with a PROXY header. May be NULL. */
	void (*proxy)(void *arg, struct stream *s, const struct proxy_header *h);
	/* What was found about the last request after it was handed over (its chunked body). May be NULL. */
	void (*late)(void *arg, struct stream *s, uint32_t deviations);
	/* The next bytes of what began with a TLS record; without any: some are missing. False: no more are
	 * wanted. May be NULL. */
	bool (*tls)(void *arg, struct stream *s, struct span bytes);
	void *arg;
	uint64_t *budget; /* bytes that heads may still allocate, shared by all streams; NULL: no limit */
	const uint64_t *share; /* of budget, what this stream may allocate in the call; NULL: all of it */
};

/* isn_known: first_seq is the sequence number of the first byte of the connection. */
void stream_init(struct stream *s, bool isn_known, uint32_t first_seq);
/*
 * bytes.len bytes were captured from seq on; the application received len bytes from there (len > bytes.len:
 * the rest was not copied). True: *ret_skip_to is the sequence number up to which the kernel need not copy,
 * at most 2^30 ahead.
 */
bool stream_feed(struct stream *s, uint32_t seq, struct span bytes, uint32_t len,
		 const struct stream_hooks *hooks, uint32_t *ret_skip_to);
/*
 * Before stream_feed of what was received from seq on, where urgent data was about: bytes before seq that no
 * piece showed are not lost, the kernel took them out of the stream. last: surely the one before seq; else
 * only a single missing byte is believed to be one. Where more is missing than that, and bytes were skipped
 * on our word, the body's end is in doubt.
 */
void stream_urgent(struct stream *s, uint32_t seq, bool last, const struct stream_hooks *hooks);
/* A head has begun and is not whole; a body is due and has not ended. */
bool stream_waits(const struct stream *s);
bool stream_in_body(const struct stream *s);
/*
 * Do these bytes differ from those that were read at seq? Only what an unfinished head still holds can be
 * compared; the rest is taken to be equal.
 */
bool stream_differs(const struct stream *s, uint32_t seq, struct span bytes);
/* Offset at which, or behind which, the next request begins, as far as that is known. */
uint64_t stream_boundary(const struct stream *s);
/* n bytes passed that nobody can show us. Inside a known body that is no loss. */
void stream_miss(struct stream *s, uint64_t n, const struct stream_hooks *hooks);
/* The connection ended: an unfinished head with a whole request line is still handed over. Memory is given
 * back. */
void stream_end(struct stream *s, const struct stream_hooks *hooks);

#endif
