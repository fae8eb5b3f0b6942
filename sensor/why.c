// SPDX-License-Identifier: Apache-2.0
#include "sensor/why.h"
#include <stdio.h>
#include "lib/target.h"

/* The entries of lists that cover the target. */
static void lists_find(const struct lists *lists, const struct prefix *target, struct why *why)
{
	for (unsigned i = 0; i < lists->count; i++) {
		struct list *l = lists->items[i].list;
		uint32_t at = target_is_net(target) && prefix_is_exact(target) ? list_match(l, &target->addr)
									       : list_find(l, target);
		if (at == LIST_NONE)
			continue;
		why->lists[why->list_count++] = (struct why_list){
			.config = &lists->config->lists[i],
			.target = list_target(l, at),
			.end_ns = lists_end_ns(lists, i, at),
			.state = list_mark_get(l, at) & (uint8_t)~LISTS_SEEN,
		};
	}
}

/* Is the list's entry what the kernel goes by, rather than what is known so far? */
static bool list_prevails(const struct why_list *l, const struct why *why)
{
	const struct verdict *v = &why->block.verdict;
	int strength = verdict_strength(l->config->action), other = verdict_strength(v->action);

	if (why->blocked && target_is_routed(&v->target)) /* it was asked for, and stands beside the list's */
		return false;
	if (!why->blocked || l->target.bits != v->target.bits)
		return !why->blocked || l->target.bits > v->target.bits;
	return strength > other || (strength == other && l->end_ns > block_told_end_ns(&why->block));
}

void why_of_lists(struct why *why, const struct lists *lists, const struct prefix *target)
{
	uint64_t now_ns = clock_boot_ns(lists->clock);

	lists_find(lists, target, why);
	for (unsigned i = 0; i < why->list_count; i++) {
		const struct why_list *l = &why->lists[i];
		if (l->state != LISTS_IN_FORCE || l->end_ns <= now_ns || !list_prevails(l, why))
			continue;
		why->blocked = true;
		why->block = (struct block_told){
			.verdict = {.source = lists_source(l->config),
				    .action = l->config->action,
				    .scope = l->config->scope,
				    .target = l->target,
				    .confidence = 1},
			.deadline_ns = l->end_ns,
			.installed_ns = now_ns,
		};
		snprintf(why->block.verdict.origin, VERDICT_ID_MAX, "%s", l->config->name);
		snprintf(why->block.verdict.reason, VERDICT_TEXT_MAX, "in %.200s",
			 l->config->path ? l->config->path : "the decisions of its LAPI");
	}
}
