/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dossier.h: what one client did within a window, as far as a model is to know: how often, where, with which
 * answers, in which rhythm, by which names it went, which detections fired, which signatures its requests
 * matched, what the hellos of its TLS say, and a few of its events. Made of events, so of nothing that is not
 * redacted; its size is fixed but for the samples, which are references to events. What does not fit (another
 * route, another user agent) is counted. Of signatures it has their names alone: the part of a request that
 * matched stays here.
 *
 * No lock; a window begins with the first event. Who asks about whom, and when, is dossiers.h.
 */
#ifndef PICKET_DOSSIER_H
#define PICKET_DOSSIER_H

#include "lib/event.h"
#include "lib/json_write.h"

#define DOSSIER_WINDOW_NS  (10 * 60 * 1000000000ull)
#define DOSSIER_ROUTES     10
#define DOSSIER_ROUTE_MAX  96
#define DOSSIER_AGENTS     4
#define DOSSIER_SERVERS    4 /* names that it asked for by SNI */
#define DOSSIER_JA4S       4
#define DOSSIER_TEXT_MAX   160
#define DOSSIER_STATUSES   8
#define DOSSIER_ANOMALIES  6
#define DOSSIER_DETECTIONS 6
#define DOSSIER_SIGNATURES 8
#define DOSSIER_SAMPLES    6 /* at most VERDICT_EVIDENCE_MAX: all of them can be cited */
#define DOSSIER_NAME_MAX   48
#define DOSSIER_METHODS    10 /* those that are known, and others */

struct dossier_route {
	uint64_t hash;
	uint32_t count;
	char text[DOSSIER_ROUTE_MAX]; /* the template, or where there is none the path; cut */
};

struct dossier_text {
	uint64_t hash; /* of all of it */
	uint32_t count;
	char text[DOSSIER_TEXT_MAX]; /* cut */
};

struct dossier_name {
	uint32_t count;
	char text[DOSSIER_NAME_MAX];
};

struct dossier_detection {
	struct dossier_name name;
	uint64_t event_id; /* on which it fired last */
};

struct dossier {
	struct addr client;
	uint64_t begun_ns;                          /* when the window began; boot clock */
	uint64_t first_ns, last_ns;                 /* of any event */
	uint64_t request_first_ns, request_last_ns; /* of requests */
	uint64_t gap_min_ns, gap_max_ns;            /* between two requests */
	uint32_t events, requests, answered, connections, idle_connections;
	uint32_t methods[DOSSIER_METHODS];
	struct {
		uint16_t code;
		uint32_t count;
	} statuses[DOSSIER_STATUSES];
	uint32_t status_classes[6]; /* [4]: 4xx */
	struct dossier_route routes[DOSSIER_ROUTES];
	struct dossier_text agents[DOSSIER_AGENTS];
	uint32_t routes_more, agents_more; /* requests with one that had no room */
	uint64_t paths[4], consumers[1];   /* bitmaps: about how many different ones */
	struct dossier_text servers[DOSSIER_SERVERS];
	struct dossier_name ja4s[DOSSIER_JA4S];
	uint32_t servers_more, ja4s_more;
	uint32_t hellos, odd_hellos; /* odd: with deviations */
	uint32_t hello_deviations;   /* all that were seen: enum tls_deviation */
	uint32_t undocumented, deviating, forwarded;
	uint32_t deviations; /* all that were seen: enum http_deviation */
	struct dossier_name anomalies[DOSSIER_ANOMALIES];
	uint32_t anomalies_more, severe; /* severe: medium and high */
	struct dossier_detection detections[DOSSIER_DETECTIONS];
	uint32_t detections_more;
	struct dossier_name signatures[DOSSIER_SIGNATURES];
	uint32_t signatures_more, matching;     /* matching: requests that matched any */
	struct event *samples[DOSSIER_SAMPLES]; /* ours; the first ones of those that are not NULL */
	char sample_detection[DOSSIER_SAMPLES][DOSSIER_NAME_MAX]; /* that fired on it; "" = none */
};

/* A new window; what it held before is let go of. */
void dossier_begin(struct dossier *d, const struct addr *client, uint64_t now_ns);
/* seed: of hashes, so that nobody can choose two texts that are taken for one. */
void dossier_note(struct dossier *d, struct event *e, uint64_t seed);
/* A detection fired; event_id: on which event, which is noted later. */
void dossier_note_detection(struct dossier *d, const char *name, uint64_t event_id, uint64_t now_ns);
/*
 * How much it is worth to ask about it: what detections say first, then refusals, many paths, what the API's
 * description does not know, odd packets, requests and hellos, what matched a signature; the volume last.
 * Never falls within a window.
 */
unsigned dossier_score(const struct dossier *d);
/*
 * What is alike in two dossiers about which a model would say the same: the same texts, detections and names,
 * the same orders of magnitude. Two of one shape differ in times, numbers below a doubling, and who it is.
 */
uint64_t dossier_shape(const struct dossier *d, uint64_t seed);
/* Bytes that its samples take. */
size_t dossier_sample_bytes(const struct dossier *d);
void dossier_drop_samples(struct dossier *d);
/*
 * One object: {"client": ADDRESS, "events": [ids of the samples], "dossier": {...}}: for ourselves, captured
 * texts as they are. Samples are called e1, e2, ... in the order of `events`.
 */
void dossier_write(const struct dossier *d, struct json_writer *w);
void dossier_end(struct dossier *d);

#endif
