/* SPDX-License-Identifier: Apache-2.0 */
/*
 * installer.h: has the warden make the kernel equal to one entry of the desired list, or to what block lists
 * leave of it, and says what came of it. It decides nothing and changes no list. Not thread safe: the
 * enforcer's lock is held.
 */
#ifndef PICKET_INSTALLER_H
#define PICKET_INSTALLER_H

#include "policies/blocks.h"
#include "sensor/decision.h"
#include "sensor/lists.h"
#include "sensor/warden.h"

struct installer { /* all of them outlive it */
	const struct config *config;
	const struct clock *clock;
	struct warden_client *warden;
	const struct lists *lists;
	struct warden_reply reply; /* 20 kB: not on the stack */
};

/* The kernel is made equal to the entry, and to block lists that ask for more: DECISION_BLOCKED or _REFUSED,
 * and why. */
void installer_put(struct installer *i, const struct block *b, struct decision *d);
/* A claim of the entry went, the entry stays: the kernel is made equal to what is left, which d->detail
 * tells. */
void installer_left(struct installer *i, const struct block *left, struct decision *d);
/* The target's entry went: what block lists ask for is left. 0 or -errno. */
int installer_take_out(struct installer *i, const struct prefix *target, uint64_t *ret_done_ns);
/* Ends what the target has open; its packets are dropped already. 0, or -errno: not all of it could be. */
int installer_close(struct installer *i, const struct prefix *target, uint32_t *ret_closed);

#endif
