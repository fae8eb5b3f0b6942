/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headers.h: one TCP header record → its tcp.header event, and a tcp.anomaly event for each thing that is odd
 * about it: bad_header_length, reserved_flags, and what the criteria of policies/packets.yaml say.
 */
#ifndef PICKET_HEADERS_H
#define PICKET_HEADERS_H

#include "bpf/abi.h"
#include "lib/event.h"
#include "policies/packet_watch.h"

#define HEADER_ANOMALIES_MAX 8

/* What is odd about it, beside what criteria can say: static texts. Returns how many. */
unsigned header_anomalies(const struct pk_header *h, const char *ret[static HEADER_ANOMALIES_MAX]);
/*
 * emit takes each event's reference. watch: NULL = no criteria. A header that only a criterion wanted has no
 * event of its own. Returns how many anomalies were emitted, or -ENOMEM: one or more are missing.
 */
int header_events(const struct pk_header *h, struct packet_watch *watch, uint64_t wall_ns,
		  void (*emit)(void *arg, struct event *e), void *arg);

#endif
