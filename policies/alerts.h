/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alerts.h: what is worth telling a person who does not look, told once. Events of one kind and name that
 * share a source (an address, in IPv6 its /64) or a route are one group: an attacker on many routes, and many
 * attackers on one route, are one alert each. The first event of a group is told at once, what follows after
 * a pause in one more alert, and each pause is twice as long as the one before.
 *
 * The noise budget: at most per_hour alerts an hour, all of them at once if need be. What is over it waits,
 * and is told in one summary when there is room again; nothing is dropped silently.
 *
 * ALERT_GROUPS_MAX groups are followed; full, the one that was quiet for longest is forgotten, counted, and
 * what of it was not told goes into the next summary. Thread safe.
 */
#ifndef PICKET_ALERTS_H
#define PICKET_ALERTS_H

#include <stdbool.h>
#include "lib/addr.h"
#include "lib/event.h"

#define ALERT_GROUPS_MAX  256
#define ALERT_SOURCES_MAX 16 /* of one group that are named */
#define ALERT_ROUTES_MAX  8
#define ALERT_SUMMARY_MAX 8 /* groups that a summary names */
#define ALERT_PAUSES_MAX  8 /* the longest pause, in first ones */
#define ALERT_NAME_MAX    VERDICT_ID_MAX
#define ALERT_DETAIL_MAX  VERDICT_TEXT_MAX

enum alert_kind {
	ALERT_BLOCK = 0, /* an automatic block, or one that mode observe wrote down only */
	ALERT_QUESTION,  /* a decision waits for a person */
	ALERT_LIMIT,     /* a source of verdicts went over a limit of the guard */
	ALERT_ANOMALY,   /* an anomaly of TCP or HTTP */
	ALERT_LOSS,      /* something was not seen, or not delivered */
	ALERT_MENDED,    /* the kernel's deny maps differed from the list */
	ALERT_KINDS,
};
const char *alert_kind_name(enum alert_kind kind); /* "block", ... */

enum alert_state {
	ALERT_NEW = 0, /* the first of its group */
	ALERT_MORE,    /* what came since the last alert of this group */
	ALERT_SUMMARY, /* of several groups, after the budget was used up */
};
const char *alert_state_name(enum alert_state state); /* "new", "more", "summary" */

struct alert_part {
	enum alert_kind kind;
	char name[ALERT_NAME_MAX];
	uint64_t count;
};

struct alert {
	enum alert_state state;
	enum alert_kind kind; /* of a summary: of its first part */
	/* Of a block the detection or gateway, of a limit the source of verdicts, of an anomaly its name, of
	 * a loss where; of a summary "". */
	char name[ALERT_NAME_MAX];
	char detail[ALERT_DETAIL_MAX]; /* of the latest event; outside text, without control characters */
	bool would;                    /* block: mode observe wrote them down only, all of them */
	uint64_t count;                /* events that this alert tells of; of a loss, what was lost */
	uint64_t first_ns, last_ns;    /* boot clock */
	struct prefix sources[ALERT_SOURCES_MAX];
	unsigned source_count;
	bool sources_more; /* there are others */
	struct span routes[ALERT_ROUTES_MAX];
	unsigned route_count;
	bool routes_more;
	struct alert_part parts[ALERT_SUMMARY_MAX]; /* summary */
	unsigned part_count;
	unsigned groups; /* summary: how many it tells of, parts included */
};

struct alerts_options {
	unsigned kinds; /* bits: 1 << enum alert_kind; others are not looked at */
	uint32_t per_hour;
	uint64_t pause_ns; /* the first one */
};

struct alerts_counts {
	uint64_t events;    /* taken into groups */
	uint64_t told;      /* alerts */
	uint64_t forgotten; /* groups that made place for others */
	unsigned groups;    /* followed now */
	unsigned waiting;   /* of these, with something that is not told yet */
};

struct alerts;

int alerts_new(const struct alerts_options *options, struct alerts **ret);
void alerts_free(struct alerts *a);
/* Picks what concerns it; NULL for a: nobody wants alerts. Anomalies' and requests' routes outlive all
 * events. */
void alerts_note(struct alerts *a, const struct event *e);
/*
 * What enforces differed from the list in so many entries (0: nothing to tell). point: "deny_maps", or the
 * name of an HAProxy whose map it is. NULL for a as above.
 */
void alerts_note_mended(struct alerts *a, const char *point, uint64_t entries, uint64_t now_ns);
/* The next alert that may be told now: 0; ALERTS_E_NONE: none. */
enum { ALERTS_E_NONE = 1 };
int alerts_next(struct alerts *a, uint64_t now_ns, struct alert *ret);
struct alerts_counts alerts_counts(struct alerts *a);

#endif
