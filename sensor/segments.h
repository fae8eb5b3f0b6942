/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segments.h: TCP segments as they passed an interface → both directions of each connection in order, each
 * byte once, as a Linux receiver would put them together. It knows no HTTP; who is client and who is server
 * it finds out.
 *
 * Order. What comes in sequence is handed on at once, whatever waits for it behind a hole; of waiting bytes
 * that overlap, those of the segment that starts earlier count, of two that start together the longer one,
 * else the first (net/ipv4/tcp_input.c: tcp_data_queue, tcp_data_queue_ofo). A hole is given up when the
 * other side acknowledged it and answers, or a moment later, or after SEGMENTS_HOLE_NS, or where room is
 * needed: the next piece then begins beyond it, which the hook sees by its sequence number.
 *
 * Who is who: the sender of a SYN is the client; else a port that was named; else who sends a request line or
 * a TLS ClientHello, or is answered by a status line; else the lower port is the server's.
 *
 * Full: a connection too many gives up one that is closed, else the one idle longest (evicted). Bytes that
 * wait are charged with their memory, and no segment with less than 768 bytes (sensor/reassembly.h). Beyond
 * SEGMENTS_HALF_MAX of one direction that direction gives up the hole that it waits for, beyond held_max of
 * all together the connection that has waited longest does, until there is room (crowded). That is a gap of
 * the stream then, and told as one.
 */
#ifndef PICKET_SEGMENTS_H
#define PICKET_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/abi.h"
#include "lib/span.h"

struct segments;

enum segments_side { SEGMENTS_CLIENT = 0, SEGMENTS_SERVER = 1, SEGMENTS_STRANGER = 2 };

#define SEGMENTS_HOLE_NS  (3ull * 1000000000) /* longer than a first retransmission takes */
#define SEGMENTS_ACKED_NS (100ull * 1000000)  /* an acknowledgment may be captured before its segment */
#define SEGMENTS_CLOSE_NS (1ull * 1000000000) /* a reset may be forged: what follows it is still read */
#define SEGMENTS_CLOSED_NS                                                               \
	(60ull * 1000000000) /* what comes again of a closed connection is known as such \
			      */
#define SEGMENTS_IDLE_NS (3600ull * 1000000000)
/* Memory for what waits in one direction: the ceiling of a receiver's by default (net.ipv4.tcp_rmem). */
#define SEGMENTS_HALF_MAX (6u * 1024 * 1024)

/* What is known of a connection at its end. */
struct segments_end {
	uint64_t client_bytes, server_bytes; /* payload by sequence numbers, gaps included */
	bool handshake;                      /* it was seen whole */
};

struct segments_hooks {
	/*
	 * A handshake was completed, or bytes came. flow: peer is the client, local the server; cookie and
	 * netns are 0. isn: sequence number of the client's first byte; NULL: its beginning was not seen.
	 */
	void (*open)(void *arg, const struct pk_flow *flow, const uint32_t *isn, bool handshake,
		     uint64_t time_ns);
	/*
	 * The client acknowledges, so its handshake is over, but records were lost and it was perhaps not
	 * seen whole. Told again where another loss may have hidden a new connection. May be NULL.
	 */
	void (*acknowledge)(void *arg, const struct pk_flow *flow, uint64_t time_ns);
	/*
	 * The next bytes that `from` sent; len > bytes.len: the rest was not captured. Where seq is not
	 * behind the last piece, what lies between is missing. bytes are valid during the call.
	 */
	void (*bytes)(void *arg, const struct pk_flow *flow, enum segments_side from, uint32_t seq,
		      struct span bytes, uint32_t len, uint64_t time_ns);
	/*
	 * The byte at seq, the next one, is urgent data (RFC 9293 section 3.8.5): Linux takes it out of the
	 * stream, unless the application asked otherwise (SO_OOBINLINE). May be NULL.
	 */
	void (*urgent)(void *arg, const struct pk_flow *flow, enum segments_side from, uint32_t seq,
		       uint64_t time_ns);
	/* `from` will send no more (FIN). May be NULL. */
	void (*finish)(void *arg, const struct pk_flow *flow, enum segments_side from, uint64_t time_ns);
	/* The last word about this connection. */
	void (*close)(void *arg, const struct pk_flow *flow, const struct segments_end *end,
		      uint64_t time_ns);
	/* Each segment, before its bytes; SEGMENTS_STRANGER: of no connection that is known. May be NULL. */
	void (*segment)(void *arg, const struct pk_segment *rec, enum segments_side from);
	void *arg;
};

struct segments_counts {
	uint64_t segments;
	uint64_t connections, evicted;
	uint64_t refused;        /* segments: no memory, or none of a connection that is looked at */
	uint64_t duplicates;     /* bytes seen again */
	uint64_t held, held_max; /* memory of what waits now, bytes */
	uint64_t holes;          /* given up */
	uint64_t crowded;        /* ... for want of room */
	uint64_t conflicts;      /* waiting bytes that came again with other content */
};

struct segments_options {
	unsigned connections_max;
	uint64_t held_max;           /* memory for what waits, of all connections together, bytes */
	const uint16_t *ports;       /* of servers; borrowed */
	unsigned port_count;         /* 0: any port */
	struct segments_hooks hooks; /* copied */
};

int segments_new(const struct segments_options *options, struct segments **ret);
/* rec is whole: the reader checked its size. Times must not go back by much; they are taken as they are. */
void segments_feed(struct segments *t, const struct pk_segment *rec);
/* About once a second: gives up old holes, ends what was closed, forgets what was idle for long. */
void segments_tick(struct segments *t, uint64_t now_ns);
/* Ends every connection: nothing more will come. */
void segments_end(struct segments *t, uint64_t now_ns);
struct segments_counts segments_counts(const struct segments *t);
void segments_free(struct segments *t); /* calls no hook */

#endif
