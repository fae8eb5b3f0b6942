/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decide.h: the decisions at HTTP: what a proxy is told that asks whether a client may pass. A copy of what
 * is desired, made by the enforcer, which any thread may ask without waiting for a verdict that is being
 * dealt with, and what block lists say (policies/listed.h). Of several entries that cover a client the
 * strongest decides (block and reset, rate_limit, shadow), each until its end; what is limited to a route
 * covers who asks for that. Bounded by max, lists by their own bounds; a full table is DECIDE_E_FULL, never
 * an eviction. Thread safe.
 */
#ifndef PICKET_DECIDE_H
#define PICKET_DECIDE_H

#include <stdbool.h>
#include "lib/target.h"
#include "lib/verdict.h"
#include "policies/listed.h"
#include "policies/request_path.h"

struct decide;

enum { DECIDE_E_FULL = 1 };

enum decide_answer { DECIDE_PASS, DECIDE_DENY, DECIDE_SLOW };

struct decide_counts {
	uint64_t denied, slowed;
	uint64_t shadowed; /* passed, for the strongest entry is a shadow */
	uint64_t unpaced;  /* passed, for too many clients were being slowed at once */
	size_t entries;
	uint64_t listed; /* denied, slowed or shadowed by a block list */
};

struct decide_hits {
	uint64_t requests; /* refused, or in shadow: that would have been */
	uint64_t last_ns;  /* boot clock; 0: none */
};

/*
 * max: entries. rate, burst: what rate_limit lets pass of each client, requests a second (0: everything) and
 * at once.
 */
int decide_new(size_t max, uint32_t rate, uint32_t burst, struct decide **ret);
void decide_free(struct decide *d);
/* Puts an entry, or replaces the one of that target, whose hits stay. 0, DECIDE_E_FULL or -ENOMEM. */
int decide_put(struct decide *d, const struct prefix *target, enum verdict_action action, uint64_t end_ns);
void decide_remove(struct decide *d, const struct prefix *target);
/* Block lists: as in policies/listed.h. */
void decide_expect_lists(struct decide *d, unsigned lists);
bool decide_lists_known(struct decide *d);
bool decide_list(struct decide *d, unsigned at, const struct listed_view *view);
struct listed_hits decide_list_hits(const struct decide *d, unsigned at);
/* While off everybody passes: the kill switch. */
void decide_off(struct decide *d, bool off);
/* What a proxy says of a request: who made it, and what else may be denied (lib/target.h). */
#define DECIDE_KEYS_MAX 3 /* a consumer, under two keys at most, and a JA4 */
struct decide_question {
	struct addr client;
	struct prefix keys[DECIDE_KEYS_MAX];
	unsigned key_count;
	const struct request_path *path; /* what it asks for; NULL: not known, no route is that */
};
/* Is any consumer (TARGET_CONSUMER) or JA4 (TARGET_JA4) decided on? Is anything limited to a route
 * (TARGET_ROUTED)? Else nobody need find it out. */
bool decide_has(const struct decide *d, uint8_t family);
enum decide_answer decide_ask_of(struct decide *d, const struct decide_question *q, uint64_t now_ns,
				 uint64_t *ret_retry_s);
/* Of a client alone. ret_retry_s: unless it passes, after how many seconds to ask again, at least 1. */
enum decide_answer decide_ask(struct decide *d, const struct addr *client, uint64_t now_ns,
			      uint64_t *ret_retry_s);
/* Targets on routes in force that mean, or cover, who is given (on no route): up to max, in no order; returns
 * how many there are. */
size_t decide_routes_of(struct decide *d, const struct prefix *who, uint64_t now_ns, struct prefix *ret,
			size_t max);
/* What is in force for it, without counting a question: 0: nothing, or the kill switch is on. */
enum verdict_action decide_in_force(struct decide *d, const struct decide_question *q, uint64_t now_ns);
/*
 * What addresses and prefixes are denied, on every route (VERDICT_BLOCK, _RESET), at now_ns, for who denies
 * by a copy of it (sensor/haproxy_point.h); nothing while off. An end is that of the longest entry that
 * covers the target, so that who looks for the most specific alone finds what decide_ask would say.
 */
struct decide_denial {
	struct prefix target;
	bool listed; /* by block lists alone */
	uint64_t end_ns;
};
struct decide_denials {
	struct decide_denial *items; /* in no order; a target is in it once */
	size_t count;
	size_t beyond; /* of block lists, for which max had no room */
};
/* All decisions, and of what block lists deny as much as makes max with them. *ret: free its items. 0 or
 * -ENOMEM. */
int decide_denials(struct decide *d, uint64_t now_ns, size_t max, struct decide_denials *ret);
/* Of exactly this target. False: it is not denied by an entry of its own. */
bool decide_denied(struct decide *d, const struct prefix *target, uint64_t now_ns, struct decide_denial *ret);
bool decide_is_off(const struct decide *d);
/* Of one entry; zero where there is none. */
struct decide_hits decide_hits(struct decide *d, const struct prefix *target);
struct decide_counts decide_counts(struct decide *d);

#endif
