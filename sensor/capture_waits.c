// SPDX-License-Identifier: Apache-2.0
#include "sensor/capture_internal.h"

#define SLOW_HEAD_NS    (10 * NS_PER_S) /* servers give up between 20 and 60 s */
#define SLOW_BODY_NS    (30 * NS_PER_S) /* a body of which less than ... */
#define SLOW_BODY_BYTES (30 * 100)      /* ... came meanwhile is slow */

static struct waits *waits_of(struct capture *c, const struct connection *conn)
{
	return conn->wait.body ? &c->bodies : &c->heads;
}

/* It began to wait just now: later than all others. */
static void waits_add(struct capture *c, struct connection *conn)
{
	struct waits *l = waits_of(c, conn);

	conn->wait.after = NULL;
	conn->wait.before = l->last;
	if (l->last)
		l->last->wait.after = conn;
	else
		l->first = conn;
	l->last = conn;
}

static void waits_take(struct capture *c, struct connection *conn)
{
	struct connection_wait *w = &conn->wait;
	struct waits *l = waits_of(c, conn);

	if (w->before)
		w->before->wait.after = w->after;
	else
		l->first = w->after;
	if (w->after)
		w->after->wait.before = w->before;
	else
		l->last = w->before;
}

void capture_end_wait(struct capture *c, struct connection *conn)
{
	if (conn->wait.since_ns && !conn->wait.told)
		waits_take(c, conn);
	conn->wait = (struct connection_wait){0};
}

void capture_note_wait(struct capture *c, struct connection *conn, uint64_t now_ns)
{
	const struct stream *s = &conn->stream;
	struct connection_wait *w = &conn->wait;
	bool body = stream_in_body(s);

	if (conn->end.time_ns)
		return;
	if (!body && !stream_waits(s)) {
		capture_end_wait(c, conn);
	} else if (!w->since_ns || w->request != s->requests || w->body != body) {
		capture_end_wait(c, conn);
		*w = (struct connection_wait){
			.since_ns = now_ns, .request = s->requests, .seq = s->next_seq, .body = body};
		waits_add(c, conn);
	}
}

/* Sequence number up to which its body came, copied or skipped. */
static uint32_t body_progress(const struct capture *c, const struct connection *conn)
{
	uint32_t seq = conn->stream.next_seq;

	if (c->parts.skipped && conn->key.cookie) {
		uint64_t skipped =
			__atomic_load_n(&c->parts.skipped[pk_skip_slot(conn->key.cookie)], __ATOMIC_RELAXED);
		if (skipped >> 32 == pk_skip_tag(conn->key.cookie) && (int32_t)((uint32_t)skipped - seq) > 0)
			seq = (uint32_t)skipped;
	}
	return seq;
}

static void tell(struct capture *c, struct connection *conn, uint64_t now_ns, struct span name,
		 struct span request)
{
	c->time_ns = now_ns;
	capture_http_anomaly(c, conn, name, request);
}

/* Takes the first of a list that waited until the time was up. NULL: none did. */
static struct connection *waits_due(struct capture *c, struct waits *l, uint64_t most_ns, uint64_t now_ns)
{
	struct connection *conn = l->first;

	if (!conn || now_ns < conn->wait.since_ns + most_ns)
		return NULL;
	waits_take(c, conn);
	conn->wait.told = true;
	return conn;
}

void capture_tell_waits(struct capture *c, uint64_t now_ns)
{
	char id[EVENT_ID_TEXT_MAX];
	struct connection *conn;

	while ((conn = waits_due(c, &c->heads, SLOW_HEAD_NS, now_ns)))
		tell(c, conn, now_ns, SPAN("slow_head"), SPAN(""));
	while ((conn = waits_due(c, &c->bodies, SLOW_BODY_NS, now_ns))) {
		struct connection_wait *w = &conn->wait;
		uint32_t seq = body_progress(c, conn), came = seq - w->seq;

		if (came < SLOW_BODY_BYTES) {
			tell(c, conn, now_ns, SPAN("slow_body"),
			     span_from(event_id_format(&(struct event){.id = conn->request_id}, id)));
			continue;
		}
		w->since_ns = now_ns;
		w->seq = seq;
		w->told = false;
		waits_add(c, conn);
	}
}
