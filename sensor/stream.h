/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h: one direction of one connection, from sequence-numbered pieces to the bytes in order, exactly once, with
 * 64-bit offsets; and the HTTP/1 state over them. A piece seen twice (MSG_PEEK) counts once; a missing range inside a
 * known body is no loss; elsewhere it is a gap, counted, and the stream resynchronises at the next plausible start line.
 * Memory: an unfinished head, at most HTTP1_HEAD_MAX, in a buffer that is given back between requests.
 */
#ifndef PICKET_STREAM_H
#define PICKET_STREAM_H

#include "lib/buffer.h"
#include "sensor/http1.h"

struct stream {
	uint64_t next;        /* offset of the first byte not yet seen; offset 0 = first byte of the connection */
	uint32_t next_seq;    /* the same as a TCP sequence number */
	uint64_t body_left;   /* bytes of a Content-Length body still to pass */
	struct http1_chunked chunked;
	struct buffer head;   /* bytes of an unfinished head */
	uint32_t requests;
	uint32_t gaps;
	uint64_t gap_bytes;
	uint8_t started;      /* next_seq is known */
	uint8_t complete;     /* the beginning was seen */
	uint8_t state;        /* internal: head, length body, chunked body, resync, not http */
	uint8_t after_gap;    /* the next request was found by resynchronising */
	uint8_t proxy_header; /* the stream began with a PROXY protocol header */
};

struct stream_hooks {
	/* A request head is whole. Spans are valid during the call. */
	void (*request)(void *arg, struct stream *s, const struct http_request *r);
	void *arg;
};

/* isn_known: first_seq is the sequence number of the first byte of the connection. */
void stream_init(struct stream *s, bool isn_known, uint32_t first_seq);
/*
 * bytes.len bytes were captured from seq on; the application received len bytes from there (len > bytes.len: the rest
 * was not copied). *ret_skip_to: sequence number up to which the kernel need not copy, valid if true is returned.
 */
bool stream_feed(struct stream *s, uint32_t seq, struct span bytes, uint32_t len, const struct stream_hooks *hooks,
		 uint32_t *ret_skip_to);
/* The connection ended: an unfinished head with a whole request line is still handed over. */
void stream_end(struct stream *s, const struct stream_hooks *hooks);
void stream_free(struct stream *s);

#endif
