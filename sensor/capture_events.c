// SPDX-License-Identifier: Apache-2.0
#include "sensor/capture_internal.h"

uint64_t capture_wall(const struct capture *c, uint64_t boot_ns)
{
	return c->wall_offset + boot_ns;
}

/* Takes the reference; NULL: memory was out. */
void capture_emit(struct capture *c, struct event *e)
{
	if (e)
		c->parts.event(c->parts.arg, e);
	else
		COUNT(c, events_lost, 1);
}

/* --- losses --- */

void capture_note_loss(struct capture *c, const struct addr *source, uint64_t bytes)
{
	for (unsigned i = 0; i < LOSS_SOURCES; i++) {
		struct loss *l = &c->losses[i];
		if (l->bytes && !addr_equal(&l->source, source))
			continue;
		l->source = *source;
		l->bytes += bytes;
		return;
	}
	c->other_losses.bytes += bytes;
}

static void tell_loss(struct capture *c, struct loss *l, uint64_t now_ns)
{
	char source[ADDR_TEXT_MAX];

	if (!l->bytes)
		return;
	capture_emit(c, event_new_loss("stream", "bytes", l->bytes, addr_format(&l->source, source), now_ns,
				       capture_wall(c, now_ns)));
	l->bytes = 0;
}

void capture_tell_losses(struct capture *c, uint64_t now_ns)
{
	uint64_t events = c->counts.events_lost - c->events_lost_told;

	for (unsigned i = 0; i < LOSS_SOURCES; i++)
		tell_loss(c, &c->losses[i], now_ns);
	tell_loss(c, &c->other_losses, now_ns);
	if (events) {
		struct event *e =
			event_new_loss("stream", "event", events, NULL, now_ns, capture_wall(c, now_ns));
		if (e)
			c->events_lost_told += events;
		capture_emit(c, e);
	}
}

/* --- anomalies --- */

/* request: id of the request's event, empty where it is not whole yet. */
void capture_http_anomaly(struct capture *c, const struct connection *conn, struct span name,
			  struct span request)
{
	struct event *e = event_new(EVENT_HTTP_ANOMALY, name.len + request.len);

	if (e) {
		e->time_ns = c->time_ns;
		e->wall_ns = capture_wall(c, c->time_ns);
		e->flow = conn->flow;
		e->anomaly.name = event_tail_copy(e, name);
		e->anomaly.request_id = event_tail_copy(e, request);
		proxied_last(conn, &e->anomaly.client, &e->anomaly.client_source);
		COUNT(c, anomalies, 1);
		if (c->parts.detect)
			detect_anomaly(c->parts.detect, e, capture_on_verdict, c);
	}
	capture_emit(c, e);
}

/* One event for each deviation of the latest request that is its client's doing. */
void capture_deviations(struct capture *c, const struct connection *conn, uint32_t deviations)
{
	char id[EVENT_ID_TEXT_MAX];

	deviations &= ~(uint32_t)HTTP_DEV_AFTER_GAP;
	if (!deviations || !conn->request_id)
		return;
	struct span request = span_from(event_id_format(&(struct event){.id = conn->request_id}, id));
	const char *last = NULL;
	for (unsigned i = 0; i < HTTP_DEV_BITS; i++) {
		const char *name = http_anomaly_name((enum http_deviation)(1u << i));
		if (!(deviations >> i & 1) || name == last) /* those that share a name stand side by side */
			continue;
		capture_http_anomaly(c, conn, span_from(name), request);
		last = name;
	}
}

void capture_tcp_anomaly(struct capture *c, const struct flow *flow, const char *name)
{
	struct span text = span_from(name);
	struct event *e = event_new(EVENT_TCP_ANOMALY, text.len);

	if (e) {
		e->time_ns = c->time_ns;
		e->wall_ns = capture_wall(c, c->time_ns);
		e->flow = *flow;
		e->anomaly.name = event_tail_copy(e, text);
		COUNT(c, anomalies, 1);
	}
	capture_emit(c, e);
}
