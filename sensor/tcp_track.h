/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_track.h: TCP segments, both directions of a connection, and a name for each thing that a careful
 * receiver would not take or that no honest sender sends: RFC 9293 (states, acceptability), RFC 7323
 * (timestamps), RFC 5961 (blind attacks), RFC 7413 (fast open). It follows state, sequence numbers and
 * windows, and compares bytes that come again; it hands on no stream (sensor/segments.h does).
 *
 * What is not known is not judged: a connection whose beginning was not seen, or of which one direction is
 * missing, or of which the capture lost segments, gets only the checks that need none of it. Behind a record
 * that is missing (segment_view.lost) a connection is one that was found midway: all that was known of it is
 * forgotten, since the loss may have hidden anything, another connection of the same ends included. States
 * have the server's point of view: CLOSE_WAIT means that the client sent its FIN.
 *
 * Each name is reported once for a direction of a connection.
 *
 * Full: the table gives up the connection idle longest, and counts it; bytes to compare are kept up to
 * history_max, and a connection idle for longer gives its bytes up, else the new one's are not compared, and
 * counted. Not thread safe.
 */
#ifndef PICKET_TCP_TRACK_H
#define PICKET_TCP_TRACK_H

#include "bpf/abi.h"
#include "lib/addr.h"
#include "lib/span.h"

/* One segment; spans are borrowed. */
struct segment_view {
	struct endpoint source, destination;
	uint64_t time_ns;
	uint32_t sequence, acknowledgment;
	uint32_t payload_len; /* by the IP length */
	uint32_t l4_len;      /* header and payload by the IP length */
	uint16_t flags;       /* PK_TCP_* */
	uint16_t window, urgent, checksum;
	uint16_t vlan[2];
	uint32_t lost; /* struct pk_lost: another number than before: segments between are missing */
	uint8_t header_length;
	bool reserved;                /* reserved bits may be set */
	struct span options, payload; /* as far as captured */
};

/* rec is whole: rec.size was checked against captured. */
void segment_view_of(const struct pk_segment *rec, struct segment_view *ret);

enum tcp_anomaly {
	/* what flags and lengths show by themselves, as headers do: headers_elsewhere */
	TCP_NULL_SCAN,
	TCP_XMAS_SCAN,
	TCP_SYN_FIN,
	TCP_SYN_RST,
	TCP_RESERVED_FLAGS,
	TCP_URGENT,
	TCP_BAD_HEADER_LENGTH,
	/* what one segment shows */
	TCP_FIN_SYN,
	TCP_HEADER_LENGTH_TOO_SMALL,
	TCP_INVALID_OPTION_LENGTH,
	TCP_OPTION_INVALID_LENGTH,
	TCP_OPTION_DUPLICATE,
	TCP_INVALID_CHECKSUM,
	TCP_BROKEN_ACK,
	TCP_ACK_FLAG_MISSING,
	/* handshake */
	TCP_SYN_FLOOD,
	TCP_SYN_ACK_FLOOD,
	TCP_HANDSHAKE_ACK_DATA_INJECTION,
	TCP_HANDSHAKE_ACK_IN_WRONG_DIR,
	TCP_HANDSHAKE_ASYNC_WRONG_SEQUENCE,
	TCP_HANDSHAKE_RIGHT_SEQUENCE_WRONG_ACK_EVASION,
	TCP_HANDSHAKE_SYN_RESEND_DIFFERENT_SEQUENCE_ON_SYN_RECEIVED,
	TCP_HANDSHAKE_SYN_TOCLIENT_ON_SYN_RECEIVED,
	TCP_HANDSHAKE_SYN_ACK_IN_WRONG_DIRECTION,
	TCP_HANDSHAKE_SYN_ACK_RESEND_WITH_DIFFERENT_SEQUENCE,
	TCP_HANDSHAKE_SYN_ACK_RESEND_WITH_DIFFERENT_ACK,
	TCP_HANDSHAKE_SYN_ACK_TFO_DATA_IGNORED,
	TCP_HANDSHAKE_SYN_ACK_TOSERVER_ON_SYN_RECEIVED,
	TCP_HANDSHAKE_SYN_ACK_WITH_WRONG_ACK,
	TCP_HANDSHAKE_WRONG_SEQUENCE_WRONG_ACK,
	TCP_SIMULTANEOUS_OPEN_INVALID_ACK,
	TCP_SIMULTANEOUS_OPEN_SYN_ACK_WITH_WRONG_ACK,
	TCP_SIMULTANEOUS_OPEN_SYN_ACK_WITH_WRONG_SYN,
	TCP_SIMULTANEOUS_OPEN_WRONG_SEQUENCE,
	/* established */
	TCP_ESTABLISHED_INVALID_ACK,
	TCP_ESTABLISHED_PACKET_OUT_OF_WINDOW,
	TCP_ESTABLISHED_PACKET_BEFORE_LAST_ACK,
	TCP_ESTABLISHED_SYN_RESEND,
	TCP_ESTABLISHED_SYN_RESEND_DIFFERENT_SEQUENCE,
	TCP_ESTABLISHED_SYN_TOCLIENT,
	TCP_ESTABLISHED_SYN_ACK_RESEND,
	TCP_ESTABLISHED_SYN_ACK_RESEND_WITH_DIFFERENT_SEQUENCE,
	TCP_ESTABLISHED_SYN_ACK_RESEND_WITH_DIFFERENT_ACK,
	TCP_ESTABLISHED_SYN_ACK_TOSERVER,
	/* its end */
	TCP_CLOSE_WAIT_ACK_OUT_OF_WINDOW,
	TCP_CLOSE_WAIT_FIN_OUT_OF_WINDOW,
	TCP_CLOSE_WAIT_INVALID_ACK,
	TCP_CLOSE_WAIT_PACKET_BEFORE_LAST_ACK,
	TCP_CLOSING_ACK_WRONG_SEQUENCE,
	TCP_CLOSING_INVALID_ACK,
	TCP_FIN1_ACK_WRONG_SEQUENCE,
	TCP_FIN1_FIN_WRONG_SEQUENCE,
	TCP_FIN1_INVALID_ACK,
	TCP_FIN2_ACK_WRONG_SEQUENCE,
	TCP_FIN2_FIN_WRONG_SEQUENCE,
	TCP_FIN2_INVALID_ACK,
	TCP_FIN_WITHOUT_SESSION,
	TCP_FIN_INVALID_ACK,
	TCP_FIN_OUT_OF_WINDOW,
	TCP_LAST_ACK_ACK_WRONG_SEQUENCE,
	TCP_LAST_ACK_INVALID_ACK,
	TCP_SHUTDOWN_SYN_RESEND,
	TCP_TIME_WAIT_ACK_WRONG_SEQUENCE,
	TCP_TIME_WAIT_INVALID_ACK,
	TCP_DATA_AFTER_FIN,
	TCP_RST_WITHOUT_SESSION,
	TCP_RST_INVALID_ACK,
	TCP_RST_OUT_OF_WINDOW,
	TCP_SUSPECTED_RST_INJECTION,
	/* any state */
	TCP_INVALID_ACK, /* beside the state's own name for it */
	TCP_INVALID_TIMESTAMP,
	TCP_BAD_WINDOW_UPDATE,
	TCP_ZERO_WINDOW,
	TCP_RETRANSMISSION,
	TCP_SPURIOUS_RETRANSMISSION,
	TCP_OVERLAP_DIFFERENT_DATA,
	TCP_SEGMENT_BEFORE_BASE,
	TCP_SEQUENCE_GAP,
	TCP_URGENT_LIMIT_REACHED,
	TCP_ANOMALY_MAX, /* at most 128 */
};
/* tcp.anomaly.name of it: static text. */
const char *tcp_anomaly_name(enum tcp_anomaly anomaly);
/* Is it what networks and honest ends do, too (retransmissions, losses of the capture)? Reported only if
 * asked for. */
bool tcp_anomaly_is_ordinary(enum tcp_anomaly anomaly);

struct tcp_finding {
	enum tcp_anomaly anomaly;
	struct endpoint client, server; /* as far as it is known who is who */
	bool from_client;
	uint64_t time_ns;
};

#define TCP_ZERO_WINDOW_NS (10ull * 1000000000) /* a window closed for so long is worth a name */
#define TCP_URGENT_MAX     64                   /* urgent segments of one direction, before they have one */

struct tcp_track_options {
	unsigned connections_max; /* at least 1 */
	uint64_t history_max;     /* bytes of all tcp_histories together */
	const uint16_t *ports;    /* of servers; borrowed: who is who where no SYN was seen */
	unsigned port_count;
	bool ordinary;          /* report ordinary ones, too */
	bool headers_elsewhere; /* what flags show by themselves is told from PK_HEADER records */
	void (*report)(void *arg, const struct tcp_finding *finding);
	void *arg;
};

struct tcp_track_counts {
	uint64_t segments, held, held_max, evicted;
	uint64_t refused;                          /* segments: no memory for their connection */
	uint64_t lossy;                            /* connections of which records may be missing */
	uint64_t uncompared;                       /* segments: no room to keep their bytes */
	uint64_t history_bytes, history_bytes_max; /* kept to be compared */
	uint64_t findings;
};

struct tcp_track;

/* 0 or -errno. */
int tcp_track_new(const struct tcp_track_options *options, struct tcp_track **ret);
void tcp_track_free(struct tcp_track *t);
/*
 * Judges one segment; reports during the call. False: a careful receiver does not take its payload (a decoy,
 * or wholly outside). Times may go back a little.
 */
bool tcp_track_segment(struct tcp_track *t, const struct segment_view *s);
/* About once a second: forgets what is closed for a minute or idle for an hour. */
void tcp_track_tick(struct tcp_track *t, uint64_t now_ns);
struct tcp_track_counts tcp_track_counts(const struct tcp_track *t);

#endif
