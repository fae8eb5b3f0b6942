/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.h: what the guard asks (struct guard_facts of policies/guard.h), answered by those who know it: which
 * clients were seen, who is served regularly, on what detections fired, what is in force. It keeps nothing
 * itself. Not thread safe, as the lists are not: the enforcer's lock is held.
 */
#ifndef PICKET_FACTS_H
#define PICKET_FACTS_H

#include "lib/clock.h"
#include "policies/blocks.h"
#include "policies/guard.h"
#include "policies/witness.h"
#include "sensor/clients.h"

struct facts { /* all of them outlive it; NULL: nobody is known, nothing fired */
	const struct clock *clock;
	struct clients *clients;
	struct clients *behind; /* clients of which only a trusted proxy's packets come here */
	struct regulars *regulars;
	struct witness *witness;
	const struct blocks *kernel_list, *http_list;
	bool (*http)(void *arg, enum verdict_action action,
		     const struct prefix *target); /* does a proxy do that? NULL: none does */
	void *arg;
};

/* f outlives the guard. */
struct guard_facts facts_of(struct facts *f);
/* Within the last hour. */
bool facts_handshake(const struct facts *f, const struct prefix *target);
bool facts_behind(const struct facts *f, const struct prefix *target);
struct regulars_share facts_regulars(const struct facts *f, const struct prefix *target);

#endif
