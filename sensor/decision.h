/* SPDX-License-Identifier: Apache-2.0 */
/* decision.h: what came of a verdict, for who asked, and as the event that tells of it. */
#ifndef PICKET_DECISION_H
#define PICKET_DECISION_H

#include "lib/clock.h"
#include "lib/event.h"

struct decision {
	enum decision_outcome outcome;
	char why[48]; /* "ok", or the rule */
	char detail[VERDICT_TEXT_MAX];
	bool http;           /* decided for HTTP alone */
	bool published;      /* ... where nobody does it now: for others to enforce */
	uint64_t pending_id; /* DECISION_PENDING */
	uint64_t installed_ns;
	uint32_t closed; /* connections ended */
};

/* why: "ok", or the rule; detail: for people. */
void decision_set(struct decision *d, enum decision_outcome outcome, const char *why, const char *detail);
/* A picket.decision event; NULL: memory is out. */
struct event *decision_event(const struct decision *d, const struct verdict *v, const struct clock *clock);

#endif
