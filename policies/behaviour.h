/* SPDX-License-Identifier: Apache-2.0 */
/*
 * behaviour.h: what is known of each client and each consumer: since when, how much, how it was answered,
 * where, with what programs, what detections fired. A client is an address, in IPv6 its /64 (bucket_group); a
 * consumer the keyed hash of a credential (event_request.consumer). It decides nothing; detections ask it
 * (detect.h), people (`picket clients`), and who writes about a client for a model.
 *
 * Counts are exact; "how many different" are sketches (sketch.h: 13 %); whether a consumer used something
 * before is a set of BEHAVIOUR_USED_BITS bits: it may say yes where it was no, for one that used 30 things
 * with 11 %, never no where it was yes.
 *
 * Bounded: BEHAVIOUR_CLIENTS and BEHAVIOUR_CONSUMERS. Full, who was not served BEHAVIOUR_KNOWN times yet
 * makes room, idle longest first, and only then who was; counted. So neither addresses nor tokens that
 * somebody makes up push out those who are served here.
 *
 * Thread safe: whoever has the events notes, others ask; each call holds the lock for a microsecond or, in
 * behaviour_list, for a page. Times: boot clock, negative before its start (they outlive a restart).
 */
#ifndef PICKET_BEHAVIOUR_H
#define PICKET_BEHAVIOUR_H

#include "lib/event.h"
#include "policies/sketch.h"

#define BEHAVIOUR_CLIENTS    16384
#define BEHAVIOUR_CONSUMERS  16384
#define BEHAVIOUR_KNOWN      10                    /* answers of 2xx */
#define BEHAVIOUR_WINDOW_NS  (600ull * 1000000000) /* of behaviour_info.window */
#define BEHAVIOUR_ROUTES     8
#define BEHAVIOUR_AGENTS     4
#define BEHAVIOUR_AGENT_MAX  96 /* bytes of one, with its zero; longer ones are cut */
#define BEHAVIOUR_DETECTIONS 6
#define BEHAVIOUR_NAME_MAX   49
#define BEHAVIOUR_USED_BITS  256

struct behaviour;

struct behaviour_counts {
	uint64_t requests;
	uint64_t statuses[6];                               /* [0] no answer seen, [1] 1xx, ... [5] 5xx */
	uint64_t unauthorized, forbidden, missing, limited; /* of the 4xx: 401, 403, 404 and 410, 429 */
	uint64_t bare;                                      /* without a credential */
};

struct behaviour_route {
	struct span route; /* lives as long as the routes */
	char method[8];    /* "GET", or "_OTHER" */
	uint64_t requests; /* at least so many, and at most the smallest of the list more, once it is full */
};

struct behaviour_fired {
	char name[BEHAVIOUR_NAME_MAX]; /* of the detection */
	uint64_t count;
	int64_t last_ns;
};

struct behaviour_info {
	struct prefix who;  /* IPv4 address, IPv6 /64 or address, TARGET_CONSUMER */
	struct addr latest; /* of a client: its latest address; ADDR_NONE: none since the start */
	int64_t first_ns, last_ns;
	struct behaviour_counts all, window; /* window: the last BEHAVIOUR_WINDOW_NS to twice as long */
	int64_t window_ns;                   /* it began then */
	/* Between two requests, of late: the mean, and how far from it they are in the mean. A program's pace
	 * is known by a small spread. 0: fewer than three requests, each within BEHAVIOUR_WINDOW_NS of the
	 * last. */
	uint64_t gap_ns, spread_ns;
	/* The busiest since the start of this process. */
	struct behaviour_route routes[BEHAVIOUR_ROUTES];
	unsigned route_count;
	/* Latest first. */
	char agents[BEHAVIOUR_AGENTS][BEHAVIOUR_AGENT_MAX];
	unsigned agent_count;
	struct behaviour_fired fired[BEHAVIOUR_DETECTIONS];
	unsigned fired_count;
	/* How many different: routes with their methods, User-Agents, and consumers of a client (clients of a
	 * consumer). Estimates. */
	uint64_t routes_seen, agents_seen, others_seen;
	struct prefix other; /* the latest of these; ADDR_NONE: none */
	bool known;          /* was served BEHAVIOUR_KNOWN times */
};

struct behaviour_totals {
	size_t clients, consumers;               /* held now */
	size_t clients_max, consumers_max;       /* ceilings */
	size_t known, kept;                      /* of these: served BEHAVIOUR_KNOWN times; saved */
	uint64_t noted;                          /* requests */
	uint64_t forgotten_new, forgotten_known; /* made room */
	uint64_t no_memory;
};

/* Ceilings, 0: as above. 0 or -errno. */
int behaviour_new(size_t clients, size_t consumers, struct behaviour **ret);
void behaviour_free(struct behaviour *b);
/* http.request events, when what can be known of the answer is known; others are ignored. */
void behaviour_note(struct behaviour *b, const struct event *e);
/* A detection fired. Its target may be unknown; then nothing is noted. */
void behaviour_fired(struct behaviour *b, const struct verdict *v);

/* Of an address, or of the consumer "c_...". False: nothing is known. */
bool behaviour_of(struct behaviour *b, const struct addr *client, struct behaviour_info *ret);
bool behaviour_of_consumer(struct behaviour *b, struct span consumer, struct behaviour_info *ret);
/* Of a target: an address, a /64, a consumer; on whatever route. */
bool behaviour_of_target(struct behaviour *b, const struct prefix *target, struct behaviour_info *ret);
/*
 * A page of up to max; *cursor is 0 at first. Returns how many; 0: that was all. Who comes or goes between
 * two pages may be missed; none is told twice.
 */
size_t behaviour_list(struct behaviour *b, uint32_t *cursor, struct behaviour_info *ret, size_t max);
struct behaviour_totals behaviour_totals(struct behaviour *b);

/* --- what detections ask --- */

/*
 * Did the consumer of this request, being known (served BEHAVIOUR_KNOWN times), never use its method before;
 * its method and route? Only requests that were served (2xx, 3xx) count as use. False as well where nothing
 * can be said: no consumer, one that is not known, no route.
 */
bool behaviour_first_method(struct behaviour *b, const struct event *e);
bool behaviour_first_route(struct behaviour *b, const struct event *e);
/* Is the client of this request nobody but its consumer, as far as is known: it showed no other credential,
 * and hardly ever none? */
bool behaviour_is_alone(struct behaviour *b, const struct event *e);
/* How many requests of this one's client were noted, ever. 0: nothing is known of it. */
uint64_t behaviour_requests(struct behaviour *b, const struct event *e);
/* Was the credential of this request ever accepted here (2xx)? False: not that we know, or it has none. */
bool behaviour_was_served(struct behaviour *b, const struct event *e);

/* --- what outlives a restart --- */

struct behaviour_record {
	struct prefix who;
	int64_t first_ns, last_ns;
	struct behaviour_counts all;
	uint32_t served;
	uint16_t methods; /* bits of enum method */
	uint8_t used[BEHAVIOUR_USED_BITS / 8];
	uint8_t sketches[3][SKETCH_SIZE]; /* routes, agents, others */
};

/* The key of the hashes; as regulars_set_key. */
void behaviour_set_key(struct behaviour *b, const uint64_t key[static 2]);
/* As regulars_changes: those that are known, or on which a detection fired; each a minute old at most. */
size_t behaviour_changes(struct behaviour *b, struct behaviour_record *ret, uint32_t *ret_slots,
			 bool *ret_gone, size_t max);
void behaviour_change_all(struct behaviour *b);
/* In the order of last_ns. False: there is no room, or it makes no sense. */
bool behaviour_restore(struct behaviour *b, const struct behaviour_record *record);

#endif
