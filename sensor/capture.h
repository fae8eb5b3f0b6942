/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture.h: kernel records → streams → requests → detection → redacted events. The whole of the capture
 * thread's work but the ring itself, so that tests and replay can feed it records. Not thread safe, except
 * capture_counts.
 *
 * Bytes that the application has not read when a connection ends are waited for, a minute at most; what it
 * has not read then counts as a gap, unless it is the inside of a known body.
 *
 * Full: the table of connections gives up a closed one, or the one idle longest if it is idle for half a
 * minute, else it takes no new one, and that one's bytes are counted as lost; a head that finds no memory
 * under capture.stream_bytes is given up as a gap of its connection. Both are told in picket.loss events
 * (stage "stream"). Once half of stream_bytes is in use, one source (an IPv4 address, an IPv6 /64) may hold
 * an eighth of it at most, so that it cannot take the room of the others. Told as loss are also bytes that
 * were captured but belong to no request that could be made out.
 */
#ifndef PICKET_CAPTURE_H
#define PICKET_CAPTURE_H

#include "bpf/abi.h"
#include "lib/clock.h"
#include "lib/config.h"
#include "lib/event.h"
#include "policies/detect.h"
#include "policies/packet_watch.h"
#include "policies/proxies.h"
#include "policies/redact.h"
#include "policies/routes.h"
#include "policies/signature_event.h"
#include "sensor/anomalies.h"
#include "sensor/answers.h"
#include "sensor/clients.h"
#include "sensor/datagrams.h"
#include "sensor/processes.h"
#include "sensor/segments.h"

struct capture;

/* Of traffic that is seen as packets (PK_SEGMENT, PK_FRAME). Only read by capture_new. */
struct capture_packets {
	const uint16_t *ports;   /* of servers; borrowed for the life of the capture */
	unsigned port_count;     /* 0: any port */
	bool header_events;      /* make them of clients' segments: no PK_HEADER comes */
	uint64_t answer_wait_ns; /* a request waits no longer for its answer; 0: while its connection lasts */
	bool headers;            /* PK_HEADER records come, too, and tell what flags show */
	bool ordinary;           /* name ordinary anomalies, too: tcp_anomaly_is_ordinary */
	bool fragments; /* IP fragments come as they were on the link, and nobody else puts them together */
};

struct capture_parts {
	const struct config *config;
	const struct clock *clock;
	const struct redact *redact;
	struct detect *detect;             /* NULL: no built-in analysis */
	struct packet_watch *packet_watch; /* NULL: no criteria for TCP headers */
	struct opinion *opinion;           /* NULL: nobody else is asked */
	struct routes *routes; /* NULL: events show no route; whoever takes the events notes them there */
	struct proxies *proxies;
	struct processes *processes; /* NULL: process ids are not of this host (replay) */
	struct clients *clients;
	struct clients
		*behind; /* clients of which only a trusted proxy's packets come here; NULL: not noted */
	uint64_t *skip;  /* PK_SKIP_SLOTS slots, or NULL */
	uint64_t *seen;  /* PK_SKIP_SLOTS slots, told up to where connections are read; or NULL */
	const uint64_t *skipped;              /* how far the kernel half skipped, by slot and tag; or NULL */
	const struct pk_answer_slot *answers; /* PK_ANSWER_SLOTS slots; NULL: the kernel half shows no
						 answers, and no event waits for one */
	void (*event)(void *arg, struct event *e);           /* takes the reference */
	void (*verdict)(void *arg, const struct verdict *v); /* of the built-in analysis */
	void *arg;
	const struct capture_packets *packets; /* NULL: such records are not expected, and passed over */
};

/* Hellos of TLS clients: those that were told, and those that were not, by why. */
struct capture_tls_counts {
	uint64_t hellos;
	uint64_t deviating; /* of these: with something odd */
	uint64_t versions;  /* of these: whose version is known */
	uint64_t broken;    /* what contradicts itself */
	uint64_t too_long;  /* more of something than is read (sensor/tls_hello.h) */
	uint64_t cut;       /* the connection ended in the middle, or bytes of it were not seen */
	uint64_t refused;   /* no memory under capture.stream_bytes */
	uint64_t held;      /* now: not whole, or waiting for what tells the version */
};

/* The tables that follow packets; as of the end of the reader's latest turn. */
struct capture_packet_counts {
	struct segments_counts streams;
	struct tcp_track_counts tracked;
	struct fragments_counts datagrams;
	struct datagrams_counts together;
};

struct capture_counts {
	uint64_t records, requests, connections_opened, connections_closed;
	uint64_t connections_held, connections_refused; /* refused: table full, bytes counted as lost */
	uint64_t bytes, gaps, gap_bytes, duplicates;    /* duplicates: bytes seen again */
	uint64_t anomalies, headers, not_http;
	uint64_t stream_bytes_held, heads_refused; /* refused: stream_bytes ceiling */
	uint64_t connections_evicted;              /* idle for long, or idle when room was needed */
	uint64_t events_lost;                      /* memory was out */
	uint64_t segments, frames;                 /* records of packets */
	uint64_t segments_refused;                 /* whose payload a careful receiver does not take */
	uint64_t proxy_headers_refused;            /* PROXY headers of peers that are not trusted */
	uint64_t values_dropped;  /* of requests with more secrets than are hashed (policies/redact_text.h) */
	uint64_t refused_evicted; /* segments that TCP refused, given up for room before they were compared */
	uint64_t passed_bytes;    /* captured, but passed over in search of the next request; told as loss */
	struct capture_tls_counts tls;
	struct capture_packet_counts packets;
};

int capture_new(const struct capture_parts *parts, struct capture **ret);
void capture_record(struct capture *c, const struct pk_record *rec);
/* Once a second: end what was closed, forget connections idle for long, report losses as events. */
void capture_tick(struct capture *c, uint64_t now_ns);
/* After each turn of the reader: emits the requests whose answers came meanwhile. True: some still wait. */
bool capture_poll(struct capture *c, uint64_t now_ns);
/* At the end: emits every request that still waits for its answer. */
void capture_flush(struct capture *c);
struct capture_counts capture_counts(const struct capture *c);
/* These two are safe from other threads. */
struct answers_counts capture_answers(const struct capture *c);
bool capture_sees_answers(const struct capture *c);
/* Nothing more will come: every connection that is seen as packets ends now. */
void capture_end(struct capture *c, uint64_t now_ns);
void capture_free(struct capture *c);

#endif
