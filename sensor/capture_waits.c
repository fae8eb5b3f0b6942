// SPDX-License-Identifier: Apache-2.0
#include "sensor/capture_internal.h"

#define SLOW_HEAD_NS    (10 * NS_PER_S) /* servers give up between 20 and 60 s */
#define SLOW_BODY_NS    (30 * NS_PER_S) /* a body of which less than ... */
#define SLOW_BODY_BYTES (30 * 100)      /* ... came meanwhile is slow */

void capture_note_wait(struct connection *conn, uint64_t now_ns)
{
	const struct stream *s = &conn->stream;
	struct connection_wait *w = &conn->wait;
	bool body = stream_in_body(s);

	if (!body && !stream_waits(s))
		w->since_ns = 0;
	else if (!w->since_ns || w->request != s->requests || w->body != body)
		*w = (struct connection_wait){
			.since_ns = now_ns, .request = s->requests, .seq = s->next_seq, .body = body};
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

/* Returns what to call it, or SPAN_NULL: it does not take long, or not yet. */
static struct span wait_judge(const struct capture *c, struct connection *conn, uint64_t now_ns)
{
	struct connection_wait *w = &conn->wait;

	if (!w->since_ns || w->told)
		return SPAN_NULL;
	if (!w->body)
		return now_ns >= w->since_ns + SLOW_HEAD_NS ? SPAN("slow_head") : SPAN_NULL;
	if (now_ns < w->since_ns + SLOW_BODY_NS)
		return SPAN_NULL;
	uint32_t seq = body_progress(c, conn), came = seq - w->seq;
	w->since_ns = now_ns;
	w->seq = seq;
	return came < SLOW_BODY_BYTES ? SPAN("slow_body") : SPAN_NULL;
}

/* Once a second. */
void capture_tell_waits(struct capture *c, uint64_t now_ns)
{
	char id[EVENT_ID_TEXT_MAX];

	for (struct connection *conn = connections_oldest(c->connections); conn; conn = conn->newer) {
		struct span name = wait_judge(c, conn, now_ns);
		if (!name.len)
			continue;
		conn->wait.told = true;
		c->time_ns = now_ns;
		capture_http_anomaly(c, conn, name,
				     conn->wait.body ? span_from(event_id_format(
							       &(struct event){.id = conn->request_id}, id))
						     : SPAN(""));
	}
}
