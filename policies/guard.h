/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h: what becomes of a verdict. Every answer has a reason. Operator verdicts face the hard limits only;
 * automatic ones (local, gateway) face everything: mode, completed handshake, confidence, limit per minute,
 * proxies. Not thread safe: the enforcer's lock is held.
 *
 * The rules in their order; the first that holds gives the answer:
 *
 *     who        why                 outcome      when
 *     all        action_allow        refused      the verdict asks for nothing
 *     all        bad_target          refused      not a well-formed address or prefix
 *     all        protected_network   refused      overlaps a network that is never blocked
 *     all        prefix_too_short    refused      wider than limits.shortest_prefix_v4, _v6
 *     all        ttl_invalid         refused      no time to live
 *     all        ttl_too_long        refused      beyond limits.ttl_max
 *     automatic  confidence_low      refused      below guard.confidence_min, or not a number
 *     automatic  behind_proxy        refused      only a trusted proxy's packets come here, not its own
 *     automatic  no_handshake        refused      nobody in it completed a TCP handshake: may be forged
 *     automatic  trusted_proxy       refused      a trusted proxy, or a range with one in it
 *     automatic  unclassified_proxy  pending      forwards for others, and nobody said what it is
 *     automatic  minute_limit        refused      guard.automatic_per_minute targets in the last 60 s
 *     automatic  observe             would_block  mode observe
 *     automatic  approve             pending      mode approve
 *     all        ok                  blocked      go on and ask the warden
 *
 * The minute counts targets, not verdicts: a gateway that repeats itself uses up nothing. In mode observe it
 * is counted the same, so that what would have happened is what happens in mode enforce.
 *
 * An unblock verdict needs a well-formed target; from a gateway also mode enforce (observe refuses, approve
 * makes it pending). It is answered "unblocked"; that a gateway must not lift what the operator put is the
 * caller's to check.
 */
#ifndef PICKET_GUARD_H
#define PICKET_GUARD_H

#include "lib/config.h"
#include "lib/event.h"
#include "lib/verdict.h"
#include "policies/limits.h"
#include "policies/proxies.h"

struct guard;

/* What the guard asks others, so that it holds no state of theirs. */
struct guard_facts {
	/* Did an address inside target complete a TCP handshake with us in the last hour? NULL: none did. */
	bool (*handshake)(void *arg, const struct prefix *target);
	/* Was an address inside target seen in the last hour behind a trusted proxy, whose packets alone come
	 * here? Asked where no handshake was seen. NULL: none was. */
	bool (*behind)(void *arg, const struct prefix *target);
	void *arg;
};

struct guard_answer {
	enum decision_outcome outcome; /* BLOCKED = go on and ask the warden */
	const char *why; /* static: "ok", "observe", "approve", "protected_network", "no_handshake", ... */
	char detail[VERDICT_TEXT_MAX]; /* for people; for an unclassified proxy the one command that settles
					  it */
};

int guard_new(const struct config *config, struct proxies *proxies, const struct guard_facts *facts,
	      struct guard **ret);
void guard_free(struct guard *g);
void guard_set_mode(struct guard *g, enum config_mode mode);
enum config_mode guard_mode(const struct guard *g);
/*
 * approved: a person said yes to this pending verdict, so mode and the rule on unclassified proxies are
 * passed; all else still holds, also that a trusted proxy is not blocked.
 */
void guard_decide(struct guard *g, const struct verdict *v, const struct protected_set *protect,
		  bool approved, uint64_t now_ns, struct guard_answer *ret);

#endif
