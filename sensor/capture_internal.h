/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_internal.h: what the files of capture share; nobody else includes it.
 *
 *     capture.c           records of sockets: connections, their bytes, the account
 *     capture_packets.c   records of packets: connections that no socket here ends, and capture files
 *     capture_requests.c  a request: its client, its event, its answer, the analysis
 *     capture_tls.c       connections that begin with TLS: the hello's event
 *     capture_waits.c     clients that keep the server waiting
 *     capture_events.c    anomalies, losses, and the way out
 */
#ifndef PICKET_CAPTURE_INTERNAL_H
#define PICKET_CAPTURE_INTERNAL_H

#include "lib/util.h"
#include "sensor/anomalies.h"
#include "sensor/answers.h"
#include "sensor/capture.h"
#include "sensor/connections.h"
#include "sensor/datagrams.h"
#include "sensor/proxied.h"
#include "sensor/refused.h"
#include "sensor/segments.h"
#include "sensor/tls_fingerprint.h"

#define CLOSED_WAIT_NS (1 * NS_PER_S) /* for records that come behind that of the close */
#define HELD_SLOTS     4096           /* sources whose heads are counted; some share a slot */
#define LOSS_SOURCES   8              /* told apart in one second; the rest is told together */

struct loss {
	struct addr source; /* ADDR_NONE: several */
	uint64_t bytes;
};

/* Connections whose server waits for the same, but for those that are told, by connection_wait.since_ns. */
struct waits {
	struct connection *first, *last;
};

struct capture {
	struct capture_parts parts;
	struct connections *connections;
	struct segments *segments; /* NULL: no packets */
	struct anomalies *anomalies;
	struct datagrams *datagrams; /* NULL: packets come whole */
	bool header_events;          /* packets: those of odd segments are made here */
	bool ordinary;               /* packets: what networks do by themselves is named, too */
	struct exchanges *exchanges; /* likewise */
	struct refused_kept *refused;
	struct answers *answers; /* NULL: events wait for no answer */
	struct origin *origin;
	struct proxied_parts proxied;
	struct stream_hooks hooks;
	uint64_t budget;            /* bytes that heads may still take */
	uint64_t share;             /* ... and those of the source whose record is at work */
	uint64_t held[HELD_SLOTS];  /* bytes that heads of a source take */
	uint64_t held_secret;       /* outsiders choose sources, but not their slots */
	uint64_t wall_offset;       /* wall clock - boot clock */
	uint64_t unnamed;           /* ids given to connections without a cookie */
	struct waits heads, bodies; /* what servers wait for */
	struct tls_prints *tls_prints;
	struct tls_client *tls_first, *tls_last; /* whose version is waited for, the oldest first */
	uint64_t tls_wait_ns;                    /* so long; 0: while the connection lasts */
	struct connection *current;              /* whose record is at work */
	uint64_t time_ns;                        /* of that record */
	struct loss losses[LOSS_SOURCES];
	struct loss other_losses;
	uint64_t events_lost_told;
	struct capture_counts counts; /* written here only, read by anyone */
};

/* One writer, and readers that only want a whole number. */
#define COUNT(c, field, n) __atomic_store_n(&(c)->counts.field, (c)->counts.field + (n), __ATOMIC_RELAXED)

/* What a stream's counters were before a call, so that what it did in it can be counted. */
struct before {
	size_t held;
	uint64_t gap_bytes, passed_bytes, duplicates;
	uint32_t gaps;
	uint8_t refused, not_http;
};

/* capture.c */

/* A new connection, or NULL: refused. isn: of the first byte, or NULL if the beginning was not seen. */
struct connection *capture_begin(struct capture *c, const struct pk_flow *flow, uint64_t time_ns,
				 const uint32_t *isn);
/* Its stream is at its end: what it held is handed over, and the connection forgotten. */
void capture_finish(struct capture *c, struct connection *conn, uint64_t time_ns);
struct before capture_before(const struct stream *s);
void capture_account(struct capture *c, struct connection *conn, const struct before *b);
/* Shows other threads what of stream_bytes is in use. */
void capture_show_held(struct capture *c);
/* What heads of this connection's source may take now. */
uint64_t capture_source_share(const struct capture *c, const struct connection *conn);
/* Its client finished a handshake; told to `clients` now and then. */
void capture_note_client(struct capture *c, struct connection *conn, uint64_t time_ns);
void capture_header(struct capture *c, const struct pk_header *rec);

/* capture_packets.c */

int capture_packets_new(struct capture *c); /* 0 or -errno; nothing where no packets are wanted */
void capture_segment(struct capture *c, const struct pk_segment *rec);
void capture_frame(struct capture *c, const struct pk_frame *rec);
void capture_packets_tick(struct capture *c, uint64_t now_ns);
/* Shows other threads what the tables of packets counted. */
void capture_packets_count(struct capture *c);

/* capture_requests.c */

/* Hooks of the stream of c->current. */
void capture_on_request(void *arg, struct stream *s, const struct http_request *r);
void capture_on_proxy_header(void *arg, struct stream *s, const struct proxy_header *h);
void capture_on_late(void *arg, struct stream *s, uint32_t deviations);
int capture_answers_start(struct capture *c); /* 0 or -errno */
/* An answer that a record told; final: no other can be meant. */
void capture_answer(struct capture *c, struct connection *conn, const struct pk_answer *rec, bool final);
/* A request's event that waited for its answer; takes the reference. */
void capture_answered(void *arg, struct event *e);
/* A verdict of the built-in analysis. */
void capture_on_verdict(void *arg, const struct verdict *v);
/* Offset in the client's stream of a sequence number that is not far from what was seen. */
uint64_t capture_offset(const struct stream *s, uint32_t seq);
/* Are there bytes before seq that are neither seen nor the inside of a known body? */
bool capture_bytes_missing(const struct stream *s, uint32_t seq);

/* capture_tls.c */

/* Hook of the stream of c->current. */
bool capture_on_tls(void *arg, struct stream *s, struct span bytes);
/* The server's next bytes; missing: some before them were not seen. */
void capture_tls_answer(struct capture *c, struct connection *conn, bool missing, struct span bytes);
/* The connection ends: whatever waits is told. */
void capture_tls_end(struct capture *c, struct connection *conn);
/* Once a second: tells what waited too long. now_ns UINT64_MAX: everything that waits. */
void capture_tls_tick(struct capture *c, uint64_t now_ns);
/* What is known of the client's TLS on this connection; NULL: nothing. Valid as long as the connection. */
const struct event_tls *capture_tls_known(const struct connection *conn);

/* capture_waits.c */

/* After each record with its bytes. */
void capture_note_wait(struct capture *c, struct connection *conn, uint64_t now_ns);
/* The connection ended. */
void capture_end_wait(struct capture *c, struct connection *conn);
/* Once a second; costs what is due. */
void capture_tell_waits(struct capture *c, uint64_t now_ns);

/* capture_events.c */

uint64_t capture_wall(const struct capture *c, uint64_t boot_ns);
/* Takes the reference; NULL: memory was out. */
void capture_emit(struct capture *c, struct event *e);
/* request: id of the request's event, empty where it is not whole yet. */
void capture_http_anomaly(struct capture *c, const struct connection *conn, struct span name,
			  struct span request);
/* One event for each deviation of the latest request that is its client's doing. */
void capture_deviations(struct capture *c, const struct connection *conn, uint32_t deviations);
void capture_tcp_anomaly(struct capture *c, const struct flow *flow, const char *name);
/* Told together by capture_tell_losses, once a second. */
void capture_note_loss(struct capture *c, const struct addr *source, uint64_t bytes);
void capture_tell_losses(struct capture *c, uint64_t now_ns);

#endif
