/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowdsec.h: what a CrowdSec LAPI has decided, kept as its stream tells it, and the block list that follows
 * from it (policies/list.h). Each decision is kept apart, so that of several on one target the longest is in
 * force, and taking one back leaves the others.
 *
 * What is never believed: that an address is free because a list lacks it. A decision ends by its own time,
 * by being named as deleted, or when CROWDSEC_ABSENT whole lists in a row lack it (CROWDSEC_ABSENT_MANY,
 * where most are gone at once): a LAPI whose database fails answers 200 with a list that was cut short.
 *
 * Bounded: CROWDSEC_DECISIONS_MAX decisions, CROWDSEC_WORDS_MAX different origins and scenarios; what is
 * beyond is counted. Not thread safe.
 */
#ifndef PICKET_POLICY_CROWDSEC_H
#define PICKET_POLICY_CROWDSEC_H

#include "lib/config.h"
#include "lib/crowdsec.h"
#include "policies/list.h"

#define CROWDSEC_DECISIONS_MAX 1000000u /* 80 bytes each */
#define CROWDSEC_WORDS_MAX     4096u
#define CROWDSEC_ABSENT        2
#define CROWDSEC_ABSENT_MANY   3 /* more than half of more than CROWDSEC_MANY_MIN */
#define CROWDSEC_MANY_MIN      100
#define CROWDSEC_ORIGIN        "picket" /* of what we decided ourselves */

struct crowdsec;

struct crowdsec_counts {
	uint64_t added, extended, deleted, ended;
	uint64_t repeated;      /* deleted of what was not there (any more) */
	uint64_t absent;        /* given up since lists lacked them */
	uint64_t missed;        /* found by a whole list, and no delta had told them */
	uint64_t foreign_type;  /* of a type that is not configured */
	uint64_t foreign_scope; /* neither address nor range: AS, Country, ... */
	uint64_t filtered;      /* by origin or scenario, or simulated */
	uint64_t unreadable;    /* value or duration */
	uint64_t full;          /* no room for it */
	uint64_t own;           /* decided here, and told back */
};

int crowdsec_new(const struct config_gateway *config, struct crowdsec **ret);
void crowdsec_free(struct crowdsec *c);

/* One decision of the section. now_s: wall clock; a duration is counted from it. 0 or -ENOMEM. */
int crowdsec_take(struct crowdsec *c, enum crowdsec_section section, const struct crowdsec_decision *d,
		  uint64_t now_s);
/* A document begins. whole: it is to hold everything that is in force (startup=true). */
void crowdsec_begin(struct crowdsec *c, bool whole);
/* It ended, as it should. After a whole one: true, if something is lacking, so that another should be asked
 * for soon. What it lacked often enough is given up. */
bool crowdsec_end(struct crowdsec *c);
/* Some delete left it open what else is gone: only a whole list can tell. Forgotten by crowdsec_end. */
bool crowdsec_unsure(const struct crowdsec *c);
/* We had that target banned at the LAPI until then: its decision comes back in the stream, and is ours. */
void crowdsec_own(struct crowdsec *c, const struct prefix *target, uint64_t end_s);

/* Until then it was in force before this start, whatever was the reason: it stays, until it is told again or
 * whole lists lack it. 0 or -ENOMEM. */
int crowdsec_adopt(struct crowdsec *c, const struct prefix *target, uint64_t end_s);

/* Has anything changed since the last list was made? */
bool crowdsec_changed(const struct crowdsec *c);
/* What is in force as a block list, in which ends are wall clock; forgets what ended by now. 0 or -ENOMEM. */
int crowdsec_list(struct crowdsec *c, uint64_t now_s, struct list **ret, struct list_report *report);

uint64_t crowdsec_count(const struct crowdsec *c); /* decisions held */
struct crowdsec_counts crowdsec_counts(const struct crowdsec *c);

/* RFC 3339, with any offset: 0 and seconds since 1970, or 1. */
int crowdsec_time_parse(struct span text, uint64_t *ret_s);

/* The counts by name, for who shows them. */
#define CROWDSEC_COUNT_ROWS 13
struct crowdsec_count_row {
	const char *name;
	uint64_t value;
};
void crowdsec_count_rows(const struct crowdsec_counts *c,
			 struct crowdsec_count_row ret[static CROWDSEC_COUNT_ROWS]);

/* What the kernel has dropped of that target, in all. Counts for the decision on it that ends last. */
void crowdsec_hit(struct crowdsec *c, const struct prefix *target, uint64_t packets, uint64_t bytes);

/* An origin: its decisions, now, and what they dropped since crowdsec_usage_told; of IPv4 and of IPv6. */
struct crowdsec_origin {
	const char *name; /* lives as long as c */
	uint64_t active[2], packets[2], bytes[2];
};
/* Those that have anything to tell; at most max, the first ones. Returns how many. */
unsigned crowdsec_usage(const struct crowdsec *c, struct crowdsec_origin *ret, unsigned max);
/* What crowdsec_usage gave was told: its drops are counted anew, from what came meanwhile on. */
void crowdsec_usage_told(struct crowdsec *c, const struct crowdsec_origin *told, unsigned count);

struct crowdsec_told {
	uint64_t id;
	struct prefix target;
	char origin[64], scenario[128], type[32];
	uint64_t end_s;
	bool own;
};
/* Decisions of exactly this target, the one that ends last first. Returns how many, at most max. */
unsigned crowdsec_find(const struct crowdsec *c, const struct prefix *target, struct crowdsec_told *ret,
		       unsigned max);
/* Calls each for every decision, in no order. */
void crowdsec_each(const struct crowdsec *c, void (*each)(void *arg, const struct crowdsec_told *d),
		   void *arg);

#endif
