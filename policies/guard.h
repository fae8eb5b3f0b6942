/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h: what becomes of a verdict. Every answer has a reason. Operator verdicts face the hard limits only; automatic
 * ones (local, gateway) face everything: mode, completed handshake, confidence, limit per minute, proxies.
 * Not thread safe: the enforcer's lock is held.
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
	/* Did an address inside target complete a TCP handshake with us in the last hour? */
	bool (*handshake)(void *arg, const struct prefix *target);
	void *arg;
};

struct guard_answer {
	enum decision_outcome outcome; /* BLOCKED = go on and ask the warden */
	const char *why;               /* static: "ok", "observe", "approve", "protected_network", "no_handshake", ... */
	char detail[VERDICT_TEXT_MAX]; /* for people; for an unclassified proxy the one command that settles it */
};

int guard_new(const struct config *config, struct proxies *proxies, const struct guard_facts *facts,
	      struct guard **ret);
void guard_free(struct guard *g);
void guard_set_mode(struct guard *g, enum config_mode mode);
enum config_mode guard_mode(const struct guard *g);
/* approved: a person said yes to this pending verdict, so mode and proxy rules are passed; all else still holds. */
void guard_decide(struct guard *g, const struct verdict *v, const struct protected_set *protect, bool approved,
		  uint64_t now_ns, struct guard_answer *ret);

#endif
