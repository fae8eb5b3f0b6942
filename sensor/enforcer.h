/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enforcer.h: verdict → guard → desired list → warden, and the decisions about it. One lock around all of it;
 * both the judge thread and the control threads call in. Every decision becomes a picket.decision event.
 *
 * There are two desired lists: the kernel's, and that of the clients of which only a proxy's packets come
 * here. The point at HTTP (enforcer_decide) goes by both.
 */
#ifndef PICKET_ENFORCER_H
#define PICKET_ENFORCER_H

#include "lib/clock.h"
#include "lib/config.h"
#include "lib/event.h"
#include "policies/blocks.h"
#include "policies/decide.h"
#include "policies/guard.h"
#include "policies/offenders.h"
#include "policies/proxies.h"
#include "policies/regulars.h"
#include "policies/witness.h"
#include "sensor/audit.h"
#include "sensor/clients.h"
#include "sensor/decision.h"
#include "sensor/journal.h"
#include "sensor/lists.h"
#include "sensor/pending.h"
#include "sensor/rejected.h"
#include "sensor/warden.h"
#include "sensor/why.h"

struct enforcer;

struct enforcer_parts {
	const struct config *config;
	const struct clock *clock;
	struct proxies *proxies;
	struct clients *clients;
	struct clients *behind; /* of capture; NULL: none */
	/* Does a proxy do that at HTTP? NULL: none does. */
	bool (*http)(void *arg, enum verdict_action action, const struct prefix *target);
	/* What is to be done at HTTP about the target (NULL: about many) has changed. Must not wait, nor call
	 * back. NULL: nobody wants to know. */
	void (*http_changed)(void *arg, const struct prefix *target);
	struct regulars *regulars; /* who is served here regularly; NULL: nobody is known */
	struct witness *witness;   /* on what the built-in analysis fired; NULL: it does not run */
	/* What the kernel dropped, in all, of a target that a list wants. Must not wait. NULL: nobody counts.
	 */
	void (*list_hit)(void *arg, const struct prefix *target, uint64_t packets, uint64_t bytes);
	struct warden_client *warden;
	struct audit *audit;                       /* NULL: none */
	struct journal *journal;                   /* NULL: none */
	void (*event)(void *arg, struct event *e); /* takes the reference */
	void *arg;
};

#define ENFORCER_TRIPS_MAX 18 /* 16 gateways, the built-in analysis, and what is neither */

struct enforcer_counts {
	uint64_t verdicts[4]; /* by enum verdict_source */
	uint64_t outcomes[8]; /* by enum decision_outcome */
	size_t desired, installed;
	size_t missing, extra; /* found by the last reconciliation and not mended */
	uint64_t closed;       /* connections of blocked clients that were ended */
	uint64_t mended;       /* entries put back, or taken out, because the kernel differed from the list */
	size_t pending;
	size_t http;      /* entries in force at HTTP alone; desired and installed are the kernel's */
	size_t published; /* of these: nobody here does it now, others may (enforcement.publish) */
	struct guard_trip trips[ENFORCER_TRIPS_MAX]; /* sources that went over a limit of the guard */
	size_t trip_count;
	uint64_t neighbours_forgotten; /* IPv6 networks whose offenders are counted, given up for room */
};

int enforcer_new(const struct enforcer_parts *parts, struct enforcer **ret);
/*
 * Reads back what was in force: of the journal, and what the kernel holds (adopt.h). settings: also mode and
 * proxies as they were set at run time; else what the journal has of them is forgotten.
 */
int enforcer_adopt(struct enforcer *e, bool settings);
/* Whom the journal's writer asks. */
struct journal_source enforcer_source(struct enforcer *e);
/*
 * A proxy's map was found to deny the target until then, and nobody asks for it: an earlier sensor had put it
 * there. True: it is in force at HTTP from now on. False: the hard limits or the list's length forbid it.
 */
bool enforcer_adopt_http(struct enforcer *e, const struct prefix *target, uint64_t end_ns);
/* confirm_within_ms: 0, or the block reverts by itself then unless confirmed. */
void enforcer_verdict(struct enforcer *e, const struct verdict *v, uint64_t confirm_within_ms,
		      struct decision *ret);
int enforcer_confirm(struct enforcer *e, const struct prefix *target); /* 0 or BLOCKS_E_NONE */
int enforcer_answer(struct enforcer *e, uint64_t pending_id, bool yes, const char *by,
		    struct decision *ret); /* 0, 1 none */
/* Due work: expiry, reverts, hits, reconciliation. Call once a second. */
void enforcer_tick(struct enforcer *e);
/*
 * Block lists, for the threads that read them: of files (list_watch.c), of gateways (crowdsec_bouncer.c). One
 * waits for the other. Where there are some, comparing the kernel with what should be there is list_watch's
 * as well: it may take long.
 */
void enforcer_list_put(struct enforcer *e, unsigned list, struct list *next, const struct list_report *report,
		       uint64_t since_ns); /* takes next, which was read from since_ns on */
/* Is the file there that is in force? If not, why (text for people), and what was in force stays until its
 * end.
 */
void enforcer_list_there(struct enforcer *e, unsigned list, bool there, const char *why);
void enforcer_lists_tick(struct enforcer *e);
/* Copies the accounts; returns how many. */
unsigned enforcer_lists(struct enforcer *e, struct lists_account ret[static CONFIG_LISTS_MAX]);
void enforcer_set_mode(struct enforcer *e, enum config_mode mode);
enum config_mode enforcer_mode(struct enforcer *e);
struct enforcer_counts enforcer_counts(struct enforcer *e);
/* Copies; free with free(). */
int enforcer_blocks(struct enforcer *e, struct block_told **ret, size_t *ret_count);
int enforcer_pending(struct enforcer *e, struct pending **ret, size_t *ret_count);
/* What is known of an address or prefix. history: newest first, up to *count decisions. */
int enforcer_why(struct enforcer *e, const struct prefix *target, struct why *ret, struct event **history,
		 size_t *count);
/* --- what outlives a restart (memory.h): repeaters, and what a person rejected --- */
/* As offenders_changes, rejected_changes. */
size_t enforcer_offenders(struct enforcer *e, struct offenders_record *ret, uint32_t *ret_slots,
			  bool *ret_gone, size_t max);
size_t enforcer_rejected(struct enforcer *e, struct rejected *ret, uint32_t *ret_slots, bool *ret_gone,
			 size_t max);
void enforcer_memory_change_all(struct enforcer *e);
bool enforcer_offender_restore(struct enforcer *e, const struct offenders_record *record);
bool enforcer_rejected_restore(struct enforcer *e, const struct rejected *record);

/* The decisions at HTTP, for those who ask; the enforcer keeps and owns them. */
struct decide *enforcer_decide(struct enforcer *e);
void enforcer_free(struct enforcer *e);

#endif
