/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet_watch.h: looks at TCP headers by the criteria of packet_rules.h and says which are met. Runs in the
 * capture thread. Its counts are bounded: full, the source idle longest is forgotten, and that is counted.
 */
#ifndef PICKET_PACKET_WATCH_H
#define PICKET_PACKET_WATCH_H

#include "lib/addr.h"
#include "policies/packet_rules.h"

#define PACKET_BUCKETS_MAX 65536

struct packet_watch;

/* One TCP header that arrived. */
struct packet_seen {
	struct addr source;
	uint64_t time_ns; /* boot clock */
	uint16_t port;    /* destination */
	bool watched;     /* that port is */
	uint16_t flags;   /* as in packet_rules.h */
	uint16_t window;  /* as sent */
	uint16_t payload; /* bytes */
	uint8_t ttl, header_length;
	/* Records of segments that were lost so far, and may have ended a handshake: of this source, of all.
	 * Modulo 65536. */
	uint16_t acks_lost, acks_lost_all;
};

struct packet_alert {
	const struct packet_rule *rule;
	const struct packet_seen *header; /* the one that made it run over */
};
typedef void (*packet_emit)(void *arg, const struct packet_alert *alert);

struct packet_counts {
	uint64_t headers, matches, alerts;
	uint64_t buckets, forgotten, no_memory;
};

/* 0, CONFIG_E_INVALID (messages in errors) or -ENOMEM. Nothing of config is kept. */
int packet_watch_new(const struct config *config, struct packet_watch **ret, struct buffer *errors);
void packet_watch_free(struct packet_watch *w);

void packet_watch_see(struct packet_watch *w, const struct packet_seen *h, packet_emit emit, void *arg);
/* A source completed a handshake: what it counts for in criteria with half_open is taken back. */
void packet_watch_handshake(struct packet_watch *w, const struct addr *source, uint64_t now_ns);
struct packet_counts packet_watch_counts(const struct packet_watch *w); /* safe from other threads */

#endif
