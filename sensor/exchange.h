/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.h: the server's direction of a connection that is seen as packets, and the requests that wait for
 * its answers, in order. An event is kept until its answer is over, then it carries it; what is never
 * answered goes out without.
 *
 * Bounded: EXCHANGE_WAITING_MAX requests of one connection; with one more the order is given up, all go out
 * as they are, and from then on only the latest is answered.
 */
#ifndef PICKET_EXCHANGE_H
#define PICKET_EXCHANGE_H

#include "lib/event.h"
#include "sensor/http1_response.h"

#define EXCHANGE_WAITING_MAX 64

struct exchange;

struct exchange_hooks {
	void (*event)(void *arg, struct event *e); /* takes the reference */
	void *arg;
};

/* NULL: out of memory. */
struct exchange *exchange_new(void);
/* Takes the reference. The next request of the client. */
void exchange_request(struct exchange *x, struct event *e, const struct exchange_hooks *hooks);
/* The next bytes of the server; missing: bytes before them that nobody saw, cut: behind them. */
void exchange_bytes(struct exchange *x, uint64_t missing, struct span bytes, uint64_t cut, uint64_t time_ns,
		    const struct exchange_hooks *hooks);
/* The server sends no more: what waits goes out at exchange_flush. */
void exchange_finish(struct exchange *x, const struct exchange_hooks *hooks);
/* The connection is over, or waiting took too long. */
void exchange_flush(struct exchange *x, const struct exchange_hooks *hooks);
unsigned exchange_waiting(const struct exchange *x);
void exchange_free(struct exchange *x); /* drops what waits */

#endif
