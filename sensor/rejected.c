// SPDX-License-Identifier: Apache-2.0
#include "sensor/rejected.h"
#include <stdio.h>
#include <string.h>

static bool is_fresh(const struct rejected *r, uint64_t now_ns)
{
	return r->target.addr.family != ADDR_NONE && (int64_t)now_ns - r->when_ns < (int64_t)REJECTED_NS;
}

static void touch(struct rejected_list *l, const struct rejected *r)
{
	size_t i = (size_t)(r - l->items);

	l->changed[i / 64] |= 1ull << i % 64;
}

static bool is_same(const struct rejected *a, const struct rejected *b)
{
	return a->source == b->source && a->action == b->action && prefix_equal(&a->target, &b->target) &&
	       !strcmp(a->origin, b->origin);
}

static struct rejected of_verdict(const struct verdict *v, uint64_t now_ns)
{
	struct rejected r = {.target = v->target,
			     .source = v->source,
			     .action = v->action,
			     .scope = v->scope,
			     .when_ns = (int64_t)now_ns};

	snprintf(r.origin, sizeof r.origin, "%s", v->origin);
	return r;
}

static struct rejected *find(struct rejected_list *l, const struct rejected *like)
{
	for (unsigned i = 0; i < REJECTED_MAX; i++)
		if (l->items[i].target.addr.family != ADDR_NONE && is_same(&l->items[i], like))
			return &l->items[i];
	return NULL;
}

static void put(struct rejected_list *l, const struct rejected *r, uint64_t now_ns)
{
	struct rejected *place = find(l, r);

	if (!place) {
		place = &l->items[l->next];
		l->next = (l->next + 1) % REJECTED_MAX;
		l->forgotten += is_fresh(place, now_ns);
	}
	*place = *r;
	touch(l, place);
}

void rejected_put(struct rejected_list *l, const struct verdict *v, uint64_t now_ns)
{
	const struct rejected r = of_verdict(v, now_ns);

	put(l, &r, now_ns);
}

const struct rejected *rejected_find(const struct rejected_list *l, const struct verdict *v, uint64_t now_ns)
{
	const struct rejected like = of_verdict(v, now_ns);
	const struct rejected *r = find((struct rejected_list *)l, &like);

	return r && is_fresh(r, now_ns) && v->scope <= r->scope ? r : NULL;
}

void rejected_forget(struct rejected_list *l, const struct prefix *target)
{
	for (unsigned i = 0; i < REJECTED_MAX; i++) {
		struct rejected *r = &l->items[i];
		if (r->target.addr.family == ADDR_NONE || !prefix_equal(&r->target, target))
			continue;
		*r = (struct rejected){.when_ns = 0};
		touch(l, r);
	}
}

size_t rejected_changes(struct rejected_list *l, struct rejected *ret, uint32_t *ret_slots, bool *ret_gone,
			size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < REJECTED_MAX && n < max; i++) {
		if (!(l->changed[i / 64] & 1ull << i % 64))
			continue;
		l->changed[i / 64] &= ~(1ull << i % 64);
		ret_slots[n] = (uint32_t)i;
		ret_gone[n] = l->items[i].target.addr.family == ADDR_NONE;
		ret[n++] = l->items[i];
	}
	return n;
}

void rejected_change_all(struct rejected_list *l)
{
	for (unsigned i = 0; i < REJECTED_MAX; i++)
		if (l->items[i].target.addr.family != ADDR_NONE)
			touch(l, &l->items[i]);
}

bool rejected_restore(struct rejected_list *l, const struct rejected *record, uint64_t now_ns)
{
	if (record->when_ns > (int64_t)now_ns || !is_fresh(record, now_ns))
		return false;
	put(l, record, now_ns);
	return true;
}
