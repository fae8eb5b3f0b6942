/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h: what becomes of a verdict. Every answer has a reason. Operator verdicts face the hard limits only;
 * automatic ones (local, gateway) face everything: mode, completed handshake, confidence, limit per minute,
 * proxies. Not thread safe: the enforcer's lock is held.
 *
 * The rules in their order stand in docs/guard.md; the first that holds gives the answer: hard limits for
 * all, and for automatic verdicts what their evidence is worth, proxies, whom else it would hit, limits,
 * mode.
 *
 * Limits count targets, not verdicts: a gateway that repeats itself, or extends what it has, uses up nothing.
 * Each source has its own, so that one gone mad, or led by an attacker with many addresses, stops no other.
 * In mode observe they are counted the same, so that what would have happened is what happens in mode
 * enforce.
 *
 * Where a person is to be asked (uncorroborated, cross_site, blast_radius), mode observe only says so:
 * would_block, with that reason.
 *
 * Who was blocked automatically before, and comes back within guard.repeat_within of that block's end, is
 * blocked for guard.escalation times as long, each time, up to limits.ttl_max. An operator's unblock says
 * that it was an error: then nothing counts.
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
#include "policies/regulars.h"

struct offenders;

struct guard;

/* What the guard asks others, so that it holds no state of theirs. */
struct guard_facts {
	/* Did an address inside target complete a TCP handshake with us in the last hour? NULL: none did. */
	bool (*handshake)(void *arg, const struct prefix *target);
	/* Was an address inside target seen in the last hour behind a trusted proxy, whose packets alone come
	 * here? Asked where no handshake was seen. NULL: none was. */
	bool (*behind)(void *arg, const struct prefix *target);
	/* Does a proxy do that at HTTP, by asking or by a map, so that who is behind one can be stopped
	 * there? NULL: none does. */
	bool (*http)(void *arg, enum verdict_action action, const struct prefix *target);
	/* How many targets has the source of this verdict blocked now, and is this one among them? NULL:
	 * none. */
	size_t (*in_force)(void *arg, const struct verdict *v, bool *ret_this);
	/* Did a detection of the built-in analysis fire on an event that the verdict cites? ret_framed: on
	 * none that is certainly the client's own doing. NULL: none did. */
	bool (*fired)(void *arg, const struct verdict *v, bool *ret_framed);
	/* Whom of those that are served here regularly would it hit? NULL: nobody is known. */
	struct regulars_share (*regulars)(void *arg, const struct prefix *target);
	void *arg;
};

struct guard_answer {
	enum decision_outcome outcome; /* BLOCKED = go on and ask the warden */
	const char *why; /* static: "ok", "observe", "approve", "protected_network", "no_handshake", ... */
	/* BLOCKED: at HTTP, or by others who are told (enforcement.publish), and nowhere else: only a trusted
	 * proxy's packets come here. */
	bool http;
	enum verdict_action
		action;  /* what to do: rate_limit, where a block was asked for, of a shared address */
	size_t regulars; /* consumers that are served regularly at the target, where it was lessened for them
			  */
	bool tripped;    /* refused, and just now its source went over a limit: worth an alarm */
	uint64_t ttl_ms; /* for how long; longer than was asked for who was blocked before */
	char detail[VERDICT_TEXT_MAX]; /* for people; for an unclassified proxy the one command that settles
					  it */
};

int guard_new(const struct config *config, struct proxies *proxies, const struct guard_facts *facts,
	      struct guard **ret);
void guard_free(struct guard *g);
void guard_set_mode(struct guard *g, enum config_mode mode);
enum config_mode guard_mode(const struct guard *g);
/*
 * approved: a person said yes to this pending verdict, so mode and the rules that ask a person are
 * passed; all else still holds, also that a trusted proxy is not blocked.
 */
void guard_decide(struct guard *g, const struct verdict *v, const struct protected_set *protect,
		  bool approved, uint64_t now_ns, struct guard_answer *ret);
/* What it allowed was done. */
void guard_blocked(struct guard *g, const struct verdict *v, uint64_t now_ns);
/* A person lifted it: it was an error. */
void guard_forgive(struct guard *g, const struct prefix *target);
/* The sources that ever went over a limit, up to max; returns how many. */
struct guard_trip {
	const char *source; /* the gateway's name, "local"; "": a gateway that is not configured */
	uint64_t trips;
	uint64_t until_ns; /* gets nothing new until then; 0: it has cooled down */
};
size_t guard_trips(const struct guard *g, uint64_t now_ns, struct guard_trip *ret, size_t max);

/* The repeaters it knows; the guard's. For who keeps them over a restart. */
struct offenders *guard_offenders(struct guard *g);

#endif
