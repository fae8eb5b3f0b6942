/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anomalies.h: records of packets (PK_SEGMENT, PK_FRAME) → tcp.anomaly names, each with the flow it is about.
 * What the names mean is tcp_track.h and frames.h.
 */
#ifndef PICKET_ANOMALIES_H
#define PICKET_ANOMALIES_H

#include "bpf/abi.h"
#include "lib/http_request.h"
#include "sensor/fragments.h"
#include "sensor/frames.h"
#include "sensor/tcp_track.h"

struct anomalies;

#define ANOMALIES_DATAGRAMS 1024 /* fragmented datagrams remembered at a time */

struct anomalies_options {
	unsigned connections_max;
	uint64_t history_max;  /* bytes kept to be compared with what comes again */
	const uint16_t *ports; /* of servers; borrowed */
	unsigned port_count;
	bool ordinary;          /* also what networks do by themselves: tcp_anomaly_is_ordinary */
	bool headers_elsewhere; /* as in tcp_track_options */
	struct frame_tunnels tunnels;
	/* peer: the client, or who sent an odd frame; name is a static text. */
	void (*found)(void *arg, const struct flow *flow, const char *name);
	void *arg;
};

/* 0 or -errno. */
int anomalies_new(const struct anomalies_options *options, struct anomalies **ret);
void anomalies_free(struct anomalies *a);
/* False: a careful receiver does not take this segment's payload. */
bool anomalies_segment(struct anomalies *a, const struct pk_segment *rec);
void anomalies_frame(struct anomalies *a, const struct pk_frame *rec);
void anomalies_tick(struct anomalies *a, uint64_t now_ns);
struct tcp_track_counts anomalies_tcp_counts(const struct anomalies *a);
struct fragments_counts anomalies_fragments_counts(const struct anomalies *a);

#endif
