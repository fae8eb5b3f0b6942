// SPDX-License-Identifier: Apache-2.0
#include "sensor/history.h"
#include "lib/target.h"

void history_deinit(struct history *h)
{
	for (size_t i = 0; i < HISTORY_MAX; i++)
		if (h->events[i])
			event_unref(h->events[i]);
}

void history_add(struct history *h, struct event *decision)
{
	struct event **slot = &h->events[h->count++ % HISTORY_MAX];

	if (*slot)
		event_unref(*slot);
	*slot = event_ref(decision);
}

size_t history_overlapping(const struct history *h, const struct prefix *target, struct event **ret,
			   size_t max)
{
	const struct prefix who = target_who(target);
	size_t n = 0;

	for (uint64_t i = h->count; i-- > 0 && n < max && h->count - i <= HISTORY_MAX;) {
		struct event *e = h->events[i % HISTORY_MAX];
		const struct prefix other = target_who(&e->decision.verdict.target);
		if (prefix_overlaps(&other, &who))
			ret[n++] = event_ref(e);
	}
	return n;
}
