/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending.h: what waits for a person's answer. One item a target: a repeated verdict refreshes it, so that a
 * flood of them is one question; but who approves a number approves what was shown under it, so another time,
 * scope or action is another question. Full, the oldest goes. Not thread safe: the enforcer's lock is held.
 */
#ifndef PICKET_PENDING_H
#define PICKET_PENDING_H

#include "lib/verdict.h"

#define PENDING_MAX    256
#define PENDING_TTL_NS (3600ull * 1000000000)

struct pending {
	uint64_t id; /* from 1 */
	struct verdict verdict;
	char why[48]; /* the guard's rule */
	char detail[VERDICT_TEXT_MAX];
	uint64_t since_ns, expires_ns;
};

struct pending_queue { /* zero to begin */
	struct pending items[PENDING_MAX];
	unsigned count;
	uint64_t last_id;
};

/* The id of the item; *ret_fresh: it is a new question. *ret_gone: the item that made room; id 0: none did.
 */
uint64_t pending_put(struct pending_queue *q, const struct verdict *v, const char *why, const char *detail,
		     uint64_t now_ns, bool *ret_fresh, struct pending *ret_gone);
/* False: there is none of that id. */
bool pending_take(struct pending_queue *q, uint64_t id, struct pending *ret);
/* v was done: the question of its target, if that asked for no more, is settled. False: there is none. */
bool pending_settle(struct pending_queue *q, const struct verdict *v, struct pending *ret);
/* One whose time is over; false: there is none. */
bool pending_expire(struct pending_queue *q, uint64_t now_ns, struct pending *ret);

#endif
