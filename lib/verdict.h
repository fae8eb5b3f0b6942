/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.h: a verdict is a proposal to act on a client; the guard decides what becomes of it. It comes from
 * a gateway, from the built-in analysis, or from the operator. Owned values only: it crosses threads.
 */
#ifndef PICKET_VERDICT_H
#define PICKET_VERDICT_H

#include <stdint.h>
#include "lib/addr.h"
#include "lib/span.h"

enum verdict_source {
	VERDICT_OPERATOR = 1, /* command line or API: faces the hard limits only */
	VERDICT_LOCAL = 2,    /* built-in analysis */
	VERDICT_GATEWAY = 3,  /* answer of a gateway */
	VERDICT_IMPORT = 4,   /* a block list; no verdict has it, but what is in force by a list */
	VERDICT_CROWDSEC = 5, /* the same of a CrowdSec LAPI's decisions */
};
/* "operator", "local", "gateway", "import", "crowdsec" */
const char *verdict_source_name(enum verdict_source source);
static inline bool verdict_is_of_list(enum verdict_source source)
{
	return source == VERDICT_IMPORT || source == VERDICT_CROWDSEC;
}

enum verdict_action {
	VERDICT_BLOCK = 1,
	VERDICT_UNBLOCK = 2,
	VERDICT_ALLOW = 3,      /* explicit "nothing to do" */
	VERDICT_RATE_LIMIT = 4, /* a block of what is over enforcement.rate_limit */
	VERDICT_SHADOW = 5,     /* a block that drops nothing: what it would have dropped is counted */
	VERDICT_RESET = 6, /* a block that answers with RSTs, as often as enforcement.rate_limit allows */
};
const char *verdict_action_name(enum verdict_action action); /* "block", "rate_limit", ... */
/* The action of that name, or 0. */
enum verdict_action verdict_action_of(const char *name);
/* Does it ask for an entry in the deny maps? Of two, the one with the higher strength decides. */
static inline int verdict_strength(enum verdict_action action)
{
	switch (action) {
	case VERDICT_BLOCK:
		return 4;
	case VERDICT_RESET:
		return 3;
	case VERDICT_RATE_LIMIT:
		return 2;
	case VERDICT_SHADOW:
		return 1;
	case VERDICT_UNBLOCK:
	case VERDICT_ALLOW:
		break;
	}
	return 0;
}
/* Does nothing of its target pass? */
static inline bool verdict_drops(enum verdict_action action)
{
	return action == VERDICT_BLOCK || action == VERDICT_RESET;
}
/* Do both of one target mean the same for what passes, so that the wider scope of the two holds? */
static inline bool verdict_alike(enum verdict_action a, enum verdict_action b)
{
	return a == b || (verdict_drops(a) && verdict_drops(b));
}
static inline bool verdict_denies(enum verdict_action action)
{
	return verdict_strength(action) > 0;
}

/* The same numbers as enum pk_scope. */
enum verdict_scope { VERDICT_SCOPE_PORTS = 1, VERDICT_SCOPE_HOST = 2 };

#define VERDICT_ID_MAX       64
#define VERDICT_TEXT_MAX     256
#define VERDICT_EVIDENCE_MAX 8

#define VERDICT_MODEL_MAX  96
#define VERDICT_PROMPT_MAX 64

/* Of a model's: how it came about, for the record. name "": it is no model's. */
struct verdict_model {
	char name[VERDICT_MODEL_MAX];    /* "provider/model", printable ASCII without spaces */
	char prompt[VERDICT_PROMPT_MAX]; /* name, version and hash of what it was told to do (prompt.h) */
	uint32_t tokens;     /* of the whole question, 0: not known, or it was not asked for this one */
	uint32_t latency_ms; /* from the question's sending to the answer's last byte */
};

struct verdict {
	char id[VERDICT_ID_MAX]; /* sender's id, or ours */
	enum verdict_source source;
	char origin[VERDICT_ID_MAX]; /* gateway name, detection name, or the operator's uid */
	enum verdict_action action;
	enum verdict_scope scope;
	struct prefix target;
	struct addr via; /* the trusted proxy whose packets alone come here, not the target's; ADDR_NONE: not
			    known */
	uint64_t ttl_ms;
	double confidence;             /* 0 to 1; operator and local: 1 */
	char reason[VERDICT_TEXT_MAX]; /* UTF-8, no control characters; outside text, escape before showing */
	char evidence[VERDICT_EVIDENCE_MAX][VERDICT_ID_MAX]; /* event ids */
	unsigned evidence_count;
	/* http.route of the deciding request, to text that outlives all events of the process; empty: not
	 * known */
	struct span route;
	struct verdict_model model;
	bool framed; /* its evidence may be a third party's doing, in the browser of whom it names */
	/* Boot clock. */
	uint64_t received_ns; /* when the answer's last byte, or the deciding event, was here */
	uint64_t cause_ns;    /* when the deciding request was read by the application; 0 = unknown */
};

#endif
