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
#define FORECAST_TEXTS_MAX   4096 /* routes of restored entries */
#define FORECAST_ROUTE_MAX   256  /* bytes of one that is restored */
#define FORECAST_ROUTES_MAX  8    /* of one entry; requests of further ones are counted together */

struct forecast;

struct forecast_route {
	struct span route; /* as http.route: outlives all events of the process */
	uint64_t requests;
};

struct forecast_entry {
	struct verdict verdict; /* that began it, or made it last longer */
	/* Boot clock, as all times here; of what was before the machine's start these are numbers that wrap
	 * (clock_wall_of_boot takes them). */
	uint64_t began_ns, until_ns;
	uint64_t requests;          /* that would have been dropped */
	uint64_t served;            /* of them, those answered with 2xx */
	uint64_t unanswered;        /* ... those whose answer is not known */
	uint64_t first_ns, last_ns; /* request; 0: none yet */
	struct forecast_route routes[FORECAST_ROUTES_MAX];
	unsigned route_count;
	uint64_t elsewhere; /* requests of no route that is known, or of one more than there is room for */
};

int forecast_new(struct forecast **ret);
void forecast_free(struct forecast *f);
/* picket.decision and http.request events, in the order in which they came; others are ignored. */
void forecast_note(struct forecast *f, const struct event *e);
/* Those that began at since_ns or later; negative: before the machine's start. free() the copies. 0 or
 * -ENOMEM. */
int forecast_list(struct forecast *f, int64_t since_ns, struct forecast_entry **ret, size_t *ret_count);
uint64_t forecast_forgotten(struct forecast *f);
/* Since when it is kept; it has to be told. */
int64_t forecast_since(struct forecast *f);
void forecast_set_since(struct forecast *f, int64_t since_ns);

/* --- what outlives a restart --- */

/*
 * As regulars_changes; numbers are below FORECAST_ENTRIES_MAX. Of an entry whose requests are counted it is
 * told by the minute.
 */
size_t forecast_changes(struct forecast *f, struct forecast_entry *ret, uint32_t *ret_slots, size_t max);
void forecast_change_all(struct forecast *f);
/* In the order of began_ns; texts of routes are copied. False: there is no room, or it makes no sense. */
bool forecast_restore(struct forecast *f, const struct forecast_entry *e);

#endif
