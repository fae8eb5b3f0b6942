// SPDX-License-Identifier: Apache-2.0
#include "sensor/pending.h"
#include <stdio.h>
#include <string.h>

static struct pending *find(struct pending_queue *q, const struct prefix *target)
{
	for (unsigned i = 0; i < q->count; i++)
		if (prefix_equal(&q->items[i].verdict.target, target))
			return &q->items[i];
	return NULL;
}

static void take_out(struct pending_queue *q, unsigned i, struct pending *ret)
{
	*ret = q->items[i];
	q->count--;
	memmove(&q->items[i], &q->items[i + 1], (q->count - i) * sizeof q->items[0]);
}

uint64_t pending_put(struct pending_queue *q, const struct verdict *v, const char *why, const char *detail,
		     uint64_t now_ns, bool *ret_fresh, struct pending *ret_gone)
{
	struct pending *p = find(q, &v->target);
	bool changed = p && (p->verdict.ttl_ms != v->ttl_ms || p->verdict.scope != v->scope ||
			     p->verdict.action != v->action);

	ret_gone->id = 0;
	*ret_fresh = !p || changed;
	if (!p) {
		if (q->count == PENDING_MAX)
			take_out(q, 0, ret_gone);
		p = &q->items[q->count++];
		*p = (struct pending){.since_ns = now_ns};
	}
	if (*ret_fresh)
		p->id = ++q->last_id;
	p->verdict = *v;
	snprintf(p->why, sizeof p->why, "%s", why);
	snprintf(p->detail, sizeof p->detail, "%s", detail);
	p->expires_ns = now_ns + PENDING_TTL_NS;
	return p->id;
}

bool pending_take(struct pending_queue *q, uint64_t id, struct pending *ret)
{
	for (unsigned i = 0; i < q->count; i++)
		if (q->items[i].id == id) {
			take_out(q, i, ret);
			return true;
		}
	return false;
}

bool pending_settle(struct pending_queue *q, const struct verdict *v, struct pending *ret)
{
	const struct pending *p = find(q, &v->target);

	if (!p || !verdict_denies(p->verdict.action) ||
	    verdict_strength(p->verdict.action) > verdict_strength(v->action) ||
	    p->verdict.scope > v->scope || p->verdict.ttl_ms > v->ttl_ms)
		return false;
	take_out(q, (unsigned)(p - q->items), ret);
	return true;
}

bool pending_expire(struct pending_queue *q, uint64_t now_ns, struct pending *ret)
{
	for (unsigned i = q->count; i-- > 0;)
		if (q->items[i].expires_ns <= now_ns) {
			take_out(q, i, ret);
			return true;
		}
	return false;
}
