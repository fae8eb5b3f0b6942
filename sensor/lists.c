// SPDX-License-Identifier: Apache-2.0
#include "sensor/lists.h"
#include "lib/util.h"

void lists_init(struct lists *l, const struct config *config, const struct clock *clock)
{
	*l = (struct lists){.config = config, .clock = clock, .count = config->list_count};
	for (unsigned i = 0; i < l->count; i++) {
		l->items[i].next_end_ns = UINT64_MAX;
		l->items[i].account.config = &config->lists[i];
		l->items[i].account.format = config->lists[i].format;
	}
}

void lists_deinit(struct lists *l)
{
	for (unsigned i = 0; i < l->count; i++)
		list_free(l->items[i].list);
}

bool lists_all_read(const struct lists *l)
{
	for (unsigned i = 0; i < l->count; i++)
		if (!l->items[i].list)
			return false;
	return true;
}

/* --- entries --- */

static uint64_t boot_of_wall_s(const struct clock *c, uint64_t wall_s)
{
	uint64_t boot = clock_boot_ns(c), wall = clock_wall_ns(c), at = wall_s * NS_PER_S;

	return at >= wall ? boot + (at - wall) : boot - MIN(boot, wall - at);
}

/* An end of its own counts, but no further than limits.ttl_max from when the file was last there. */
uint64_t lists_end_ns(const struct lists *l, unsigned list, uint32_t at)
{
	const struct lists_item *item = &l->items[list];
	uint32_t end_s = list_end_s(item->list, at);

	if (!end_s)
		return item->renewed_ns + l->config->lists[list].ttl_ms * NS_PER_MS;
	return MIN(boot_of_wall_s(l->clock, end_s),
		   item->renewed_ns + l->config->limits.ttl_max_ms * NS_PER_MS);
}

static uint8_t state_of(const struct lists_item *item, uint32_t at)
{
	return list_mark_get(item->list, at) & (uint8_t)~LISTS_SEEN;
}

bool lists_entry_wanted(const struct lists *l, unsigned list, uint32_t at, uint64_t now_ns)
{
	return state_of(&l->items[list], at) <= LISTS_IN_FORCE && lists_end_ns(l, list, at) > now_ns;
}

struct lists_account lists_recount(struct lists *l, unsigned list)
{
	struct lists_item *item = &l->items[list];
	struct lists_account a = item->account;

	a.entries = list_count(item->list);
	a.in_force = 0;
	memset(a.refused, 0, sizeof a.refused);
	item->next_end_ns = UINT64_MAX;
	for (uint32_t at = 0; at < a.entries; at++) {
		uint8_t state = state_of(item, at);
		a.in_force += state == LISTS_IN_FORCE;
		if (state >= LISTS_REFUSED && state - LISTS_REFUSED <= LIMITS_BAD_TARGET)
			a.refused[state - LISTS_REFUSED]++;
		if (state <= LISTS_IN_FORCE)
			item->next_end_ns = MIN(item->next_end_ns, lists_end_ns(l, list, at));
	}
	a.until_ns = item->list ? item->renewed_ns + a.config->ttl_ms * NS_PER_MS : 0;
	return a;
}

/* --- what the kernel should have --- */

enum verdict_source lists_source(const struct config_list *list)
{
	return list->path ? VERDICT_IMPORT : VERDICT_CROWDSEC;
}

static void wanted_add(struct wanted *w, bool first, const struct wanted *more)
{
	int strength = verdict_strength(more->action), before = first ? 0 : verdict_strength(w->action);

	enum verdict_scope scope = MAX(w->scope, more->scope);
	bool alike = !first && verdict_alike(w->action, more->action);

	if (strength > before || (strength == before && more->end_ns > w->end_ns))
		*w = *more;
	if (alike)
		w->scope = scope;
}

bool lists_wanted_with(const struct lists *l, const struct block *block, const struct prefix *target,
		       uint64_t now_ns, struct wanted *ret)
{
	struct wanted w = {.action = VERDICT_ALLOW};
	bool any = block != NULL;

	if (block)
		w = (struct wanted){
			.action = block->verdict.action,
			.scope = block->verdict.scope,
			.source = block->verdict.source,
			.end_ns = block_end_ns(block),
		};
	for (unsigned i = 0; i < l->count; i++) {
		uint32_t at = list_find(l->items[i].list, target);
		if (at == LIST_NONE || !lists_entry_wanted(l, i, at, now_ns))
			continue;
		const struct wanted more = {
			.action = l->config->lists[i].action,
			.scope = l->config->lists[i].scope,
			.source = lists_source(&l->config->lists[i]),
			.end_ns = lists_end_ns(l, i, at),
		};
		wanted_add(&w, !any, &more);
		any = true;
	}
	if (any)
		*ret = w;
	return any;
}

bool lists_wanted(const struct lists *l, const struct prefix *target, uint64_t now_ns, struct wanted *ret)
{
	return lists_wanted_with(l, NULL, target, now_ns, ret);
}
