/* SPDX-License-Identifier: Apache-2.0 */
/*
 * why.h: what is known of an address or prefix, for `picket why`: is it blocked, by whom and by which block
 * list, and what the guard knows of it. The enforcer fills it in (enforcer_why); what lists say of it is
 * here.
 */
#ifndef PICKET_WHY_H
#define PICKET_WHY_H

#include "policies/blocks.h"
#include "policies/protect.h"
#include "policies/proxies.h"
#include "policies/regulars.h"
#include "sensor/lists.h"

struct why_list {
	const struct config_list *config;
	struct prefix target; /* its entry */
	uint64_t end_ns;
	uint8_t state; /* enum lists_mark */
};
#define WHY_ROUTES_MAX 8
struct why {
	bool blocked;
	struct block_told block; /* of a list: source import, the list's name as origin */
	struct block_claim claims[BLOCKS_CLAIMS_MAX]; /* who asked for it, oldest first */
	unsigned claim_count;
	struct why_list lists[CONFIG_LISTS_MAX]; /* whose entries cover it, in force or not */
	unsigned list_count;
	struct prefix routes[WHY_ROUTES_MAX]; /* targets on routes, in force, that mean or cover it */
	size_t route_count;                   /* ... of all of which there are so many */
	enum proxy_class class;
	bool handshake;
	bool behind; /* seen behind a trusted proxy, whose packets alone come here */
	struct regulars_share regulars;
	bool is_protected;
	struct protected_net protect;
	bool kill;
};

/* Fills in lists, and the block where a list's entry is what the kernel goes by. */
void why_of_lists(struct why *why, const struct lists *lists, const struct prefix *target);

#endif
