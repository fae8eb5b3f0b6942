/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota.h: how many targets one source may have blocked automatically: within a minute, within an hour, and
 * in force at once. Exact, where token buckets would let twice as many through: no sixty seconds see more. A
 * source that asks for more has tripped: it gets nothing new until it has cooled down, and what it got stays.
 * A target that it got within the minute it may ask for again, always. Not thread safe.
 */
#ifndef PICKET_QUOTA_H
#define PICKET_QUOTA_H

#include "lib/addr.h"
#include "policies/table.h"

struct quota_limits {
	uint32_t minute, hour, total; /* targets; 0: none */
	uint64_t cool_down_ns;
};

enum quota_answer { QUOTA_OK, QUOTA_MINUTE, QUOTA_HOUR, QUOTA_TOTAL };

struct quota {
	struct quota_limits limits;
	struct quota_spent *ring; /* the latest that were spent */
	struct table table;       /* of these, by target */
	size_t size, next;
	enum quota_answer tripped; /* by which limit, last */
	uint64_t tripped_until_ns; /* 0: it never did */
	uint64_t trips;
};

int quota_init(struct quota *q, const struct quota_limits *limits); /* 0 or -errno */
void quota_deinit(struct quota *q);
/*
 * May the source have this target blocked? in_force: how many it has. Not QUOTA_OK: which limit it tripped,
 * now or before it cooled down. Takes nothing: call quota_spend when it is blocked.
 */
enum quota_answer quota_ask(struct quota *q, const struct prefix *target, size_t in_force, uint64_t now_ns);
void quota_spend(struct quota *q, const struct prefix *target, uint64_t now_ns);

#endif
