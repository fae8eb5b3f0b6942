// SPDX-License-Identifier: Apache-2.0
#include "sensor/decision.h"
#include <stdio.h>

void decision_set(struct decision *d, enum decision_outcome outcome, const char *why, const char *detail)
{
	d->outcome = outcome;
	snprintf(d->why, sizeof d->why, "%s", why);
	snprintf(d->detail, sizeof d->detail, "%s", detail);
}

struct event *decision_event(const struct decision *d, const struct verdict *v, const struct clock *clock)
{
	struct span why = span_from(d->why), detail = span_from(d->detail);
	struct event *event = event_new(EVENT_DECISION, why.len + detail.len);

	if (!event)
		return NULL;
	event->time_ns = clock_boot_ns(clock);
	event->wall_ns = clock_wall_ns(clock);
	event->decision.verdict = *v;
	event->decision.outcome = d->outcome;
	event->decision.why = event_tail_copy(event, why);
	event->decision.detail = event_tail_copy(event, detail);
	if (d->outcome == DECISION_BLOCKED || d->outcome == DECISION_UNBLOCKED ||
	    d->outcome == DECISION_EXPIRED)
		event->decision.point = d->published ? SPAN("published")
					: d->http    ? SPAN("http")
						     : SPAN("kernel");
	event->decision.installed_ns = d->installed_ns;
	event->decision.closed = d->closed;
	return event;
}
