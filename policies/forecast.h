/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forecast.h: what would have been dropped, had blocks that were only written down been real: those that mode
 * observe did not do, and shadows. Each would-be block is an entry, for the time that the block would have
 * lasted; requests of its target are counted, those apart that the server answered with 2xx, since they may
 * be somebody's who did no harm. What rate_limit would have dropped is a part of them that is not known.
 *
 * FORECAST_ENTRIES_MAX entries are remembered, over or not; when there is no place the one that began first
 * goes, of those that are over if there are any, and is counted. Thread safe.
 */
#ifndef PICKET_FORECAST_H
#define PICKET_FORECAST_H

#include "lib/event.h"

#define FORECAST_ENTRIES_MAX 4096
#define FORECAST_ROUTES_MAX  8 /* of one entry; requests of further ones are counted together */

struct forecast;

struct forecast_route {
	struct span route; /* as http.route: outlives all events of the process */
	uint64_t requests;
};

struct forecast_entry {
	struct verdict verdict;      /* that began it, or made it last longer */
	uint64_t began_ns, until_ns; /* boot clock, as all times here */
	uint64_t requests;           /* that would have been dropped */
	uint64_t served;             /* of them, those answered with 2xx */
	uint64_t unanswered;         /* ... those whose answer is not known */
	uint64_t first_ns, last_ns;  /* request; 0: none yet */
	struct forecast_route routes[FORECAST_ROUTES_MAX];
	unsigned route_count;
	uint64_t elsewhere; /* requests of no route that is known, or of one more than there is room for */
};

int forecast_new(struct forecast **ret);
void forecast_free(struct forecast *f);
/* picket.decision and http.request events, in the order in which they came; others are ignored. */
void forecast_note(struct forecast *f, const struct event *e);
/* Those that began at since_ns or later. free() the copies. 0 or -ENOMEM. */
int forecast_list(struct forecast *f, uint64_t since_ns, struct forecast_entry **ret, size_t *ret_count);
uint64_t forecast_forgotten(struct forecast *f);

#endif
