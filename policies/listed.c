// SPDX-License-Identifier: Apache-2.0
#include "policies/listed.h"
#include "lib/util.h"

void listed_init(struct listed *l)
{
	pthread_rwlock_init(&l->lock, NULL);
}

void listed_deinit(struct listed *l)
{
	pthread_rwlock_destroy(&l->lock);
}

void listed_expect(struct listed *l, unsigned lists)
{
	l->expected = MIN(lists, (unsigned)CONFIG_LISTS_MAX);
}

bool listed_known(struct listed *l)
{
	bool known = true;

	pthread_rwlock_rdlock(&l->lock);
	for (unsigned i = 0; i < l->expected; i++)
		known = known && l->views[i].list;
	pthread_rwlock_unlock(&l->lock);
	return known;
}

bool listed_set(struct listed *l, unsigned at, const struct listed_view *view)
{
	if (at >= CONFIG_LISTS_MAX)
		return false;
	struct listed_view *v = &l->views[at];
	pthread_rwlock_wrlock(&l->lock);
	bool differs = v->list != view->list || v->in_force != view->in_force || v->end_ns != view->end_ns;
	atomic_fetch_add(&l->in_force, view->in_force - v->in_force);
	*v = *view;
	pthread_rwlock_unlock(&l->lock);
	return differs;
}

/* --- entries --- */

static uint64_t end_of(const struct listed_view *v, uint32_t at)
{
	uint32_t end_s = list_end_s(v->list, at);

	if (!end_s)
		return v->end_ns;
	int64_t own_ns = (int64_t)(end_s * NS_PER_S) - v->wall_ahead_ns;
	return MIN((uint64_t)MAX(own_ns, (int64_t)0), v->latest_ns);
}

/* When it ends; 0: it is not in force. */
static uint64_t in_force_until(const struct listed_view *v, uint32_t at, uint64_t now_ns)
{
	if ((list_mark_get(v->list, at) & v->mask) != v->mark)
		return 0;
	uint64_t end_ns = end_of(v, at);
	return end_ns > now_ns ? end_ns : 0;
}

/* The latest end of the list's entries that cover the target; 0: none does. */
static uint64_t covered_until(const struct listed_view *v, const struct prefix *target, uint64_t now_ns)
{
	uint64_t end_ns = 0;

	if (!v->list || !v->in_force)
		return 0;
	for (unsigned bits = target->bits + 1u; bits-- > 0;) {
		if (!list_has_length(v->list, target->addr.family, bits))
			continue;
		const struct prefix p = prefix_of(&target->addr, (uint8_t)bits);
		uint32_t at = list_find(v->list, &p);
		if (at != LIST_NONE)
			end_ns = MAX(end_ns, in_force_until(v, at, now_ns));
	}
	return end_ns;
}

static uint64_t exact_until(const struct listed_view *v, const struct prefix *target, uint64_t now_ns)
{
	uint32_t at = v->list && v->in_force ? list_find(v->list, target) : LIST_NONE;

	return at == LIST_NONE ? 0 : in_force_until(v, at, now_ns);
}

/* --- questions --- */

static bool is_better(const struct listed_answer *a, const struct listed_answer *than)
{
	int strength = verdict_strength(a->action), other = verdict_strength(than->action);

	return strength > other || (strength == other && a->end_ns > than->end_ns);
}

bool listed_find(struct listed *l, const struct addr *addr, uint64_t now_ns, struct listed_answer *ret)
{
	struct listed_answer best = {0};

	if (!atomic_load(&l->in_force) || addr->family == ADDR_NONE)
		return false;
	const struct prefix target = prefix_of(addr, addr_bits(addr));
	pthread_rwlock_rdlock(&l->lock);
	for (unsigned i = 0; i < CONFIG_LISTS_MAX; i++) {
		const struct listed_answer a = {
			.action = l->views[i].action,
			.end_ns = covered_until(&l->views[i], &target, now_ns),
			.list = i,
		};
		if (a.end_ns && (!best.end_ns || is_better(&a, &best)))
			best = a;
	}
	pthread_rwlock_unlock(&l->lock);
	if (!best.end_ns)
		return false;
	*ret = best;
	return true;
}

void listed_hit(struct listed *l, unsigned at, uint64_t now_ns)
{
	atomic_fetch_add(&l->hits[at].requests, 1);
	atomic_store(&l->hits[at].last_ns, now_ns);
}

struct listed_hits listed_hits(const struct listed *l, unsigned at)
{
	return (struct listed_hits){atomic_load(&l->hits[at].requests), atomic_load(&l->hits[at].last_ns)};
}

/* --- what is denied --- */

static uint64_t denied_until_locked(const struct listed *l, const struct prefix *target, bool exact,
				    uint64_t now_ns)
{
	uint64_t end_ns = 0;

	for (unsigned i = 0; i < CONFIG_LISTS_MAX; i++) {
		const struct listed_view *v = &l->views[i];
		if (!verdict_drops(v->action))
			continue;
		uint64_t until = exact ? exact_until(v, target, now_ns) : covered_until(v, target, now_ns);
		end_ns = MAX(end_ns, until);
	}
	return end_ns;
}

uint64_t listed_denied_until(struct listed *l, const struct prefix *target, bool exact, uint64_t now_ns)
{
	if (!atomic_load(&l->in_force))
		return 0;
	pthread_rwlock_rdlock(&l->lock);
	uint64_t end_ns = denied_until_locked(l, target, exact, now_ns);
	pthread_rwlock_unlock(&l->lock);
	return end_ns;
}

/* Does one of the lists before name that very target, too? */
static bool was_named(const struct listed *l, unsigned before, const struct prefix *target, uint64_t now_ns)
{
	for (unsigned i = 0; i < before; i++)
		if (verdict_drops(l->views[i].action) && exact_until(&l->views[i], target, now_ns))
			return true;
	return false;
}

void listed_each_denied(struct listed *l, uint64_t now_ns,
			void (*each)(void *arg, const struct prefix *target, uint64_t end_ns), void *arg)
{
	pthread_rwlock_rdlock(&l->lock);
	for (unsigned i = 0; i < CONFIG_LISTS_MAX; i++) {
		const struct listed_view *v = &l->views[i];
		uint32_t count = v->in_force && verdict_drops(v->action) ? list_count(v->list) : 0;
		for (uint32_t at = 0; at < count; at++) {
			if (!in_force_until(v, at, now_ns))
				continue;
			const struct prefix target = list_target(v->list, at);
			if (!was_named(l, i, &target, now_ns))
				each(arg, &target, denied_until_locked(l, &target, false, now_ns));
		}
	}
	pthread_rwlock_unlock(&l->lock);
}
