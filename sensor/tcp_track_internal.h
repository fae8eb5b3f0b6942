/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_track_internal.h: one connection as the files of tcp_track.h see it.
 */
#ifndef PICKET_TCP_TRACK_INTERNAL_H
#define PICKET_TCP_TRACK_INTERNAL_H

#include "policies/table.h"
#include "sensor/tcp_history.h"
#include "sensor/tcp_options.h"
#include "sensor/tcp_track.h"

enum side_name { CLIENT = 0, SERVER = 1 };

/* RFC 9293 section 3.3.2, as the server goes through them; SIMULTANEOUS: both sent a SYN. */
enum track_state {
	STATE_SYN_SENT,
	STATE_SIMULTANEOUS,
	STATE_SYN_RECEIVED,
	STATE_ESTABLISHED,
	STATE_CLOSE_WAIT,
	STATE_FIN_WAIT1,
	STATE_FIN_WAIT2,
	STATE_CLOSING,
	STATE_LAST_ACK,
	STATE_TIME_WAIT,
	STATE_CLOSED,
};

/* What one end sent. Sequence numbers are valid if the flag before them says so. */
struct side {
	bool has_isn, has_next, has_acked, has_edge, has_fin, has_hole;
	bool scale_known;     /* windows can be told in bytes */
	bool has_timestamp;   /* ts_recent is valid, and the connection uses them */
	bool reset;           /* it sent an RST */
	bool doubtful_ack;    /* it acknowledged what the other end was not seen to send */
	bool checksums_right; /* it was seen to send a right one */
	bool has_other_isn;
	uint8_t scale;
	uint8_t isns; /* handshake segments with an ISN of their own */
	uint16_t urgents;
	uint32_t isn, other_isn; /* other: of an earlier SYN */
	uint32_t next;           /* behind the highest byte it sent, SYN and FIN counted */
	uint32_t acked;          /* the highest it acknowledged, of the other end's numbers */
	uint32_t edge;           /* the highest acknowledgment + window: what the other end may send up to */
	uint32_t window_max;     /* bytes */
	uint32_t fin;            /* sequence number of its FIN */
	uint32_t hole;           /* first byte that is missing before next */
	uint32_t reset_next;     /* next, when it sent the RST */
	uint32_t doubt;
	uint32_t ts_recent;
	uint32_t window; /* bytes, of its latest segment */
	uint64_t doubt_ns, closed_window_ns, ts_ns;
	struct tcp_history *history;
};

struct tracked {
	struct table_node node;
	struct tracked *older, *newer;             /* by last use */
	struct tracked *bytes_older, *bytes_newer; /* of those that keep bytes to compare, by last byte */
	struct endpoint ends[2];                   /* by side_name */
	uint16_t vlan[2];
	enum track_state state;
	bool midstream;    /* its beginning was not seen */
	bool unsure;       /* another segment may have come before its SYN, since records are missing */
	bool rejoined;     /* records of it may be missing: known from behind the last loss on */
	bool lossy;        /* the capture misses segments of it */
	bool early_data;   /* data came with the SYN (RFC 7413) */
	bool simultaneous; /* it began with two SYNs */
	bool scaling;      /* the client offered window scaling */
	uint8_t client_scale;
	uint16_t syn_window;
	uint32_t syn_payload;
	uint32_t lost; /* of its latest segment */
	uint64_t last_ns;
	uint64_t reported[2][2]; /* bits of enum tcp_anomaly, by side */
	struct side side[2];
};

struct tcp_track {
	struct tcp_track_options options;
	struct table table;
	struct tracked *oldest, *newest;
	struct tracked *bytes_oldest, *bytes_newest;
	uint64_t history_used;
	struct tcp_track_counts counts;
};

/* What is being looked at. */
struct look {
	struct tcp_track *track;
	struct tracked *c;
	const struct segment_view *s;
	const struct tcp_options *o;
	uint64_t quiet_ns; /* since the connection's segment before this one */
	enum side_name from;
	struct side *me, *peer;
};

/* Sequence numbers wrap (RFC 9293 section 3.4). */
static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_after(uint32_t a, uint32_t b)
{
	return seq_before(b, a);
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_before(a, b) ? b : a;
}

static inline bool in_range(uint32_t x, uint32_t from, uint32_t to)
{
	return !seq_before(x, from) && !seq_after(x, to);
}

void look_report(const struct look *l, enum tcp_anomaly anomaly);
/* For the other direction of the same connection. */
void look_report_peer(const struct look *l, enum tcp_anomaly anomaly);
/* Forgets everything but the addresses: a new connection of the same ends. */
void tracked_renew(struct tcp_track *t, struct tracked *c, enum side_name client);
/* Forgets as much, but goes on in the middle. */
void tracked_rejoin(struct tcp_track *t, struct tracked *c);
/* The history to compare with, or NULL. */
struct tcp_history *history_of(const struct look *l);

/* tcp_track_handshake.c; each returns whether the payload is to be taken. */
bool handshake_begin(struct look *l); /* the first segment of a connection */
bool handshake_syn(struct look *l);
bool handshake_syn_ack(struct look *l);
/* An ACK before the handshake is over. True: it goes on as a segment of the established connection. */
bool handshake_ack(struct look *l);
/* tcp_track_data.c */
bool data_segment(struct look *l); /* neither SYN nor RST */
bool data_reset(struct look *l);
void data_window(struct look *l); /* takes note of acknowledgment and window */

#endif
