/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.h: the server's direction of connections that are seen as packets, and the requests that wait for
 * its answers, in order. An event is kept until its answer is over, then it carries it; what is not answered
 * goes out without.
 *
 * Bounded: EXCHANGE_WAITING_MAX requests of one connection (with one more the order is given up: all go out
 * as they are, and so do the later ones of this connection), bytes_max of all events together (beyond, an
 * event goes out at once), and wait_ns (an event goes out, its answer is only counted). Not thread safe, but
 * for exchanges_counts.
 */
#ifndef PICKET_EXCHANGE_H
#define PICKET_EXCHANGE_H

#include "sensor/answers.h"
#include "sensor/http1_response.h"

#define EXCHANGE_WAITING_MAX 64

#define EXCHANGE_UNMATCHED \
	"http_unable_to_match_response_to_request" /* an answer to a request that was not seen */

struct exchanges; /* those of all connections */
struct exchange;  /* of one */

struct exchanges_options {
	void (*event)(void *arg, struct event *e); /* takes the reference */
	void *arg;
	uint64_t wait_ns;   /* 0: as long as the connection lasts */
	uint64_t bytes_max; /* of events that wait */
	/* Something about an answer, once a connection: a name of http.anomaly. May be NULL. */
	void (*anomaly)(void *arg, const char *name);
};

int exchanges_new(const struct exchanges_options *options, struct exchanges **ret);
/* Lets go what waited too long. */
void exchanges_tick(struct exchanges *all, uint64_t now_ns);
/* As in answers.h; what was taken and not emitted is held. */
struct answers_counts exchanges_counts(const struct exchanges *all);
void exchanges_free(struct exchanges *all); /* each exchange was freed before */

/* NULL: out of memory. */
struct exchange *exchange_new(struct exchanges *all);
/* Takes the reference. The next request of the client. */
void exchange_request(struct exchange *x, struct event *e);
/* The next bytes of the server; missing: bytes before them that nobody saw, cut: behind them. */
void exchange_bytes(struct exchange *x, uint64_t missing, struct span bytes, uint64_t cut, uint64_t time_ns);
/* The server sends no more: what waits goes out at exchange_flush. */
void exchange_finish(struct exchange *x);
/* The connection is over. */
void exchange_flush(struct exchange *x);
void exchange_free(struct exchange *x); /* drops what waits */

#endif
