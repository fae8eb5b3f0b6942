// SPDX-License-Identifier: Apache-2.0
#include "policies/quota.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (3600 * NS_PER_S)

struct quota_spent {
	struct table_node node;
	uint64_t when_ns; /* 0: free */
	struct prefix target;
};

int quota_init(struct quota *q, const struct quota_limits *limits)
{
	*q = (struct quota){.limits = *limits, .size = MAX(limits->minute, limits->hour)};
	if (!q->size)
		return 0;
	q->ring = calloc(q->size, sizeof *q->ring);
	int r = q->ring ? table_init(&q->table, q->size) : -ENOMEM;
	if (r)
		free(q->ring);
	return r;
}

void quota_deinit(struct quota *q)
{
	if (q->ring)
		table_deinit(&q->table);
	free(q->ring);
}

static uint64_t hash_of(const struct quota *q, const struct prefix *target)
{
	return table_hash(&q->table, target, sizeof *target);
}

/* Were as many as `limit` spent within the window? The one that many places back tells. */
static bool is_full(const struct quota *q, uint32_t limit, uint64_t window_ns, uint64_t now_ns)
{
	if (!limit)
		return true;
	const struct quota_spent *s = &q->ring[(q->next + q->size - limit) % q->size];
	return s->when_ns && now_ns < s->when_ns + window_ns;
}

/* It may stand there more than once, for earlier minutes. */
static bool was_spent(const struct quota *q, const struct prefix *target, uint64_t now_ns)
{
	if (!q->size)
		return false;
	for (struct table_node *n = table_first(&q->table, hash_of(q, target)); n; n = table_next(n)) {
		const struct quota_spent *s = table_owner(n, struct quota_spent, node);
		if (now_ns < s->when_ns + MINUTE_NS && prefix_equal(&s->target, target))
			return true;
	}
	return false;
}

static enum quota_answer limit_of(const struct quota *q, size_t in_force, uint64_t now_ns)
{
	if (is_full(q, q->limits.minute, MINUTE_NS, now_ns))
		return QUOTA_MINUTE;
	if (is_full(q, q->limits.hour, HOUR_NS, now_ns))
		return QUOTA_HOUR;
	return in_force >= q->limits.total ? QUOTA_TOTAL : QUOTA_OK;
}

enum quota_answer quota_ask(struct quota *q, const struct prefix *target, size_t in_force, uint64_t now_ns)
{
	bool cooling = q->tripped && now_ns < q->tripped_until_ns;
	enum quota_answer a = cooling ? q->tripped : limit_of(q, in_force, now_ns);

	if (a == QUOTA_OK || was_spent(q, target, now_ns))
		return QUOTA_OK;
	if (!cooling) {
		q->tripped = a;
		q->tripped_until_ns = now_ns + q->limits.cool_down_ns;
		q->trips++;
	}
	return a;
}

void quota_spend(struct quota *q, const struct prefix *target, uint64_t now_ns)
{
	if (!q->size || was_spent(q, target, now_ns))
		return;
	struct quota_spent *s = &q->ring[q->next];
	if (s->when_ns)
		table_remove(&q->table, &s->node);
	s->when_ns = now_ns ? now_ns : 1;
	s->target = *target;
	table_add(&q->table, &s->node, hash_of(q, target));
	q->next = (q->next + 1) % q->size;
}
