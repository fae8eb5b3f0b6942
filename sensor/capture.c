// SPDX-License-Identifier: Apache-2.0
/*
 * capture.c: follows connections by the kernel's records and makes events of what they carry. Order: the
 * records of one connection come as the kernel made them. Data can still be read after the close (the peer
 * reset the connection while bytes waited in its queue), so a closed connection of which bytes are missing is
 * kept for a moment, and one of which bytes are unread for a minute.
 */
#include "sensor/capture.h"
#include <errno.h>
#include <stddef.h>
#include <sys/random.h>
#include "lib/util.h"
#include "sensor/anomalies.h"
#include "sensor/answers.h"
#include "sensor/connections.h"
#include "sensor/headers.h"
#include "sensor/proxied.h"
#include "sensor/refused.h"
#include "sensor/segments.h"

#define IDLE_MAX_NS       (3600 * NS_PER_S) /* then a connection is forgotten; it is taken up again midway */
#define IDLE_WHEN_FULL_NS (30 * NS_PER_S)   /* ... when its place is needed */
#define CLOSED_WAIT_NS    (1 * NS_PER_S)    /* for records that come behind that of the close */
#define UNREAD_WAIT_NS    (60 * NS_PER_S)   /* for bytes that are read after the close */
#define SLOW_HEAD_NS      (10 * NS_PER_S)   /* servers give up between 20 and 60 s */
#define SLOW_BODY_NS      (30 * NS_PER_S)   /* a body of which less than ... */
#define SLOW_BODY_BYTES   (30 * 100)        /* ... came meanwhile is slow */
#define NOTE_CLIENT_NS    (60 * NS_PER_S)   /* how often a busy connection proves its client again */
#define HISTORY_SHARE     4    /* of stream_bytes, one in so many is kept to compare what comes again */
#define HELD_SLOTS        4096 /* sources whose heads are counted; some share a slot */
#define LOSS_SOURCES      8    /* told apart in one second; the rest is told together */

struct loss {
	struct addr source; /* ADDR_NONE: several */
	uint64_t bytes;
};

struct capture {
	struct capture_parts parts;
	struct connections *connections;
	struct segments *segments; /* NULL: no packets */
	struct anomalies *anomalies;
	bool header_events;          /* packets: those of odd segments are made here */
	bool ordinary;               /* packets: what networks do by themselves is named, too */
	struct exchanges *exchanges; /* likewise */
	struct refused_kept *refused;
	struct answers *answers; /* NULL: events wait for no answer */
	struct origin *origin;
	struct proxied_parts proxied;
	struct stream_hooks hooks;
	uint64_t budget;            /* bytes that heads may still take */
	uint64_t share;             /* ... and those of the source whose record is at work */
	uint64_t held[HELD_SLOTS];  /* bytes that heads of a source take */
	uint64_t held_secret;       /* outsiders choose sources, but not their slots */
	uint64_t wall_offset;       /* wall clock - boot clock */
	uint64_t unnamed;           /* ids given to connections without a cookie */
	struct connection *current; /* whose record is at work */
	uint64_t time_ns;           /* of that record */
	struct loss losses[LOSS_SOURCES];
	struct loss other_losses;
	uint64_t events_lost_told;
	struct capture_counts counts; /* written here only, read by anyone */
};

/* One writer, and readers that only want a whole number. */
#define COUNT(c, field, n) __atomic_store_n(&(c)->counts.field, (c)->counts.field + (n), __ATOMIC_RELAXED)

static uint64_t wall_of(const struct capture *c, uint64_t boot_ns)
{
	return c->wall_offset + boot_ns;
}

/* Takes the reference; NULL: memory was out. */
static void emit(struct capture *c, struct event *e)
{
	if (e)
		c->parts.event(c->parts.arg, e);
	else
		COUNT(c, events_lost, 1);
}

/* --- losses --- */

static void note_loss(struct capture *c, const struct addr *source, uint64_t bytes)
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
	emit(c, event_new_loss("stream", "bytes", l->bytes, addr_format(&l->source, source), now_ns,
			       wall_of(c, now_ns)));
	l->bytes = 0;
}

static void tell_losses(struct capture *c, uint64_t now_ns)
{
	uint64_t events = c->counts.events_lost - c->events_lost_told;

	for (unsigned i = 0; i < LOSS_SOURCES; i++)
		tell_loss(c, &c->losses[i], now_ns);
	tell_loss(c, &c->other_losses, now_ns);
	if (events) {
		struct event *e = event_new_loss("stream", "event", events, NULL, now_ns, wall_of(c, now_ns));
		if (e)
			c->events_lost_told += events;
		emit(c, e);
	}
}

/* --- requests --- */

/* request: id of the request's event, empty where it is not whole yet. */
static void emit_http_anomaly(struct capture *c, const struct connection *conn, struct span name,
			      struct span request)
{
	struct event *e = event_new(EVENT_HTTP_ANOMALY, name.len + request.len);

	if (e) {
		e->time_ns = c->time_ns;
		e->wall_ns = wall_of(c, c->time_ns);
		e->flow = conn->flow;
		e->anomaly.name = event_tail_copy(e, name);
		e->anomaly.request_id = event_tail_copy(e, request);
		proxied_last(conn, &e->anomaly.client, &e->anomaly.client_source);
		COUNT(c, anomalies, 1);
	}
	emit(c, e);
}

/* One event for each deviation of the latest request that is its client's doing. */
static void emit_anomalies(struct capture *c, const struct connection *conn, uint32_t deviations)
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
		emit_http_anomaly(c, conn, span_from(name), request);
		last = name;
	}
}

static void on_verdict(void *arg, const struct verdict *v)
{
	struct capture *c = arg;

	c->parts.verdict(c->parts.arg, v);
}

/* --- answers --- */

/* Offset in the client's stream of a sequence number that is not far from what was seen. */
static uint64_t offset_of(const struct stream *s, uint32_t seq)
{
	int64_t offset = (int64_t)s->next + (int32_t)(seq - s->next_seq);

	return offset > 0 ? (uint64_t)offset : 0;
}

/* Up to where the server may have read by what was seen, the inside of a known body and a FIN included. */
static uint64_t offset_seen(const struct stream *s)
{
	return MAX(s->next, stream_boundary(s)) + 1;
}

static struct answer answer_of(const struct stream *s, const struct pk_answer *rec, bool final)
{
	uint64_t read = offset_of(s, rec->read);

	return (struct answer){
		.time_ns = rec->time_ns,
		.read = read,
		.size = (uint32_t)(rec->end - rec->seq),
		.seq = rec->seq,
		.number = rec->number,
		.status = rec->status,
		.final = final,
		.open = read > stream_boundary(s),
	};
}

/* Are there bytes before seq that are neither seen nor the inside of a known body? */
static bool bytes_are_missing(const struct stream *s, uint32_t seq)
{
	return s->started && offset_of(s, seq) > MAX(s->next, stream_boundary(s));
}

/* An answer that a record told. */
static void on_answer(struct capture *c, struct connection *conn, const struct pk_answer *rec, bool final)
{
	struct answer answer;

	if (!rec->time_ns || !c->answers || !conn->stream.started)
		return;
	answer = answer_of(&conn->stream, rec, final);
	/* Records are in order: the server had read something that no record brought. */
	if (answer.read > offset_seen(&conn->stream))
		answers_lost(c->answers, &conn->answers);
	answers_seen(c->answers, &conn->answers, &answer);
}

static bool slot_read(const struct pk_answer_slot *slot, uint64_t cookie, struct pk_answer *ret)
{
	uint32_t version = __atomic_load_n(&slot->version, __ATOMIC_ACQUIRE);

	if (version & 1 || slot->cookie != cookie)
		return false;
	*ret = slot->answer;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&slot->version, __ATOMIC_RELAXED) == version && ret->time_ns;
}

static bool on_look(void *arg, struct answers_line *l, struct answer *ret)
{
	struct capture *c = arg;
	struct connection *conn = (struct connection *)((char *)l - offsetof(struct connection, answers));
	const struct stream *s = &conn->stream;
	uint64_t cookie = conn->key.cookie;
	struct pk_answer rec;

	if (!cookie || !s->started || !slot_read(&c->parts.answers[pk_answer_slot(cookie)], cookie, &rec))
		return false;
	*ret = answer_of(s, &rec, false);
	/* What the server read and we did not yet see may be a request. */
	return ret->read <= offset_seen(s);
}

/* Takes the reference of a request that waited. */
static void on_answered(void *arg, struct event *e)
{
	struct capture *c = arg;

	if (c->parts.detect)
		detect_answer(c->parts.detect, e, on_verdict, c);
	emit(c, e);
}

static int answers_start(struct capture *c)
{
	struct answers_hooks hooks = {.emit = on_answered, .look = on_look, .arg = c};

	return c->parts.answers ? answers_new(&hooks, &c->answers) : 0;
}

/* --- requests, all of them --- */

/* Takes the reference. Where the answer will be seen as well, the event waits for it. */
static void emit_request(struct capture *c, struct connection *conn, struct event *e)
{
	if (conn->packets && !conn->exchange)
		conn->exchange = exchange_new(c->exchanges);
	if (conn->exchange)
		exchange_request(conn->exchange, e);
	else if (c->answers && !conn->packets)
		answers_hold(c->answers, &conn->answers, e, conn->stream.request_at, c->time_ns);
	else
		emit(c, e);
}

/*
 * Takes the reference. Where nothing waits for answers the event goes first, so that whoever gets a verdict
 * has what it cites. Else it goes last, so that the rules that wait for its status are known when that comes.
 */
static void judge_request(struct capture *c, struct connection *conn, const struct http_request *r,
			  struct event *e)
{
	bool waits = c->answers || conn->packets;

	event_ref(e);
	if (!waits)
		emit_request(c, conn, e);
	if (r->deviations)
		emit_anomalies(c, conn, r->deviations);
	if (c->parts.detect)
		detect_request(c->parts.detect, r, e, waits ? &e->request.pending : NULL, on_verdict, c);
	if (waits)
		emit_request(c, conn, e);
	event_unref(e);
}

static void note_process(struct capture *c, uint32_t pid, struct event *e)
{
	const struct process *p =
		c->parts.processes ? processes_find(c->parts.processes, pid, c->time_ns) : NULL;

	if (!p)
		return;
	e->request.process_name = span_from(p->name);
	e->request.container = span_from(p->container);
}

static void on_request(void *arg, struct stream *s, const struct http_request *r)
{
	struct capture *c = arg;
	struct connection *conn = c->current;
	bool forwarded = s->proxy_header || origin_claimed(r);
	struct proxied_client client;

	COUNT(c, requests, 1);
	proxied_request(&c->proxied, conn, r, forwarded, c->time_ns, &client);
	struct event *e = redact_request(c->parts.redact, r, &conn->flow, &client.who.endpoint, forwarded,
					 (uint16_t)MIN(s->requests, (uint32_t)UINT16_MAX), c->time_ns,
					 wall_of(c, c->time_ns));
	conn->request_id = e ? e->id : 0;
	if (!e) {
		COUNT(c, events_lost, 1);
		return;
	}
	e->request.client_source = (uint8_t)client.who.source;
	e->request.client_flags = client.who.flags;
	e->request.client_behind = client.behind;
	e->request.client_connection_id = client.connection_id;
	note_process(c, conn->flow.pid, e);
	if (c->parts.routes)
		routes_find(c->parts.routes, r->path, e);
	judge_request(c, conn, r, e);
}

static void on_proxy_header(void *arg, struct stream *s, const struct proxy_header *h)
{
	struct capture *c = arg;

	(void)s;
	if (!proxied_header(&c->proxied, c->current, h, c->time_ns))
		COUNT(c, proxy_headers_refused, 1);
}

static void on_late(void *arg, struct stream *s, uint32_t deviations)
{
	struct capture *c = arg;

	(void)s;
	emit_anomalies(c, c->current, deviations);
}

/* --- what a stream did during a call --- */

struct before {
	size_t held;
	uint64_t gap_bytes, passed_bytes, duplicates;
	uint32_t gaps;
	uint8_t refused, not_http;
};

static struct before stream_before(const struct stream *s)
{
	return (struct before){s->head.size, s->gap_bytes, s->passed_bytes, s->duplicates,
			       s->gaps,      s->refused,   s->not_http};
}

static void account(struct capture *c, struct connection *conn, const struct before *b)
{
	const struct stream *s = &conn->stream;

	c->held[conn->source] += s->head.size - b->held;
	if (s->gaps != b->gaps) {
		COUNT(c, gaps, s->gaps - b->gaps);
		if (c->answers)
			answers_lost(c->answers, &conn->answers);
		COUNT(c, gap_bytes, s->gap_bytes - b->gap_bytes);
		if (s->gap_bytes != b->gap_bytes)
			note_loss(c, &conn->flow.peer.addr, s->gap_bytes - b->gap_bytes);
	}
	if (s->passed_bytes != b->passed_bytes) {
		COUNT(c, passed_bytes, s->passed_bytes - b->passed_bytes);
		note_loss(c, &conn->flow.peer.addr, s->passed_bytes - b->passed_bytes);
	}
	if (s->duplicates != b->duplicates)
		COUNT(c, duplicates, s->duplicates - b->duplicates);
	if (s->refused != b->refused)
		COUNT(c, heads_refused, s->refused - b->refused);
	if (s->not_http != b->not_http)
		COUNT(c, not_http, 1);
	__atomic_store_n(&c->counts.stream_bytes_held, c->parts.config->capture.stream_bytes - c->budget,
			 __ATOMIC_RELAXED);
}

/* --- anomalies of TCP --- */

static void emit_tcp_anomaly(struct capture *c, const struct flow *flow, const char *name)
{
	struct span text = span_from(name);
	struct event *e = event_new(EVENT_TCP_ANOMALY, text.len);

	if (e) {
		e->time_ns = c->time_ns;
		e->wall_ns = wall_of(c, c->time_ns);
		e->flow = *flow;
		e->anomaly.name = event_tail_copy(e, text);
		COUNT(c, anomalies, 1);
	}
	emit(c, e);
}

/* --- connections --- */

static void emit_connection(struct capture *c, const struct flow *flow, const struct event_connection *what,
			    uint64_t time_ns)
{
	struct event *e = event_new(EVENT_CONNECTION, 0);

	if (e) {
		e->time_ns = time_ns;
		e->wall_ns = wall_of(c, time_ns);
		e->flow = *flow;
		e->connection = *what;
	}
	emit(c, e);
}

/* Bytes that the application read, as the kernel counts them; the end of the stream (FIN) may count as one of
 * them. */
static uint64_t bytes_read(const struct connection_end *end)
{
	return end->bytes_received > end->unread ? end->bytes_received - end->unread : 0;
}

/* How many of these no record showed, as far as that can be known: at the close. */
static uint64_t bytes_missing(const struct connection *conn)
{
	uint64_t read = bytes_read(&conn->end);

	/* The last one may be the FIN. */
	return conn->stream.complete && read > conn->stream.next + 1 ? read - 1 - conn->stream.next : 0;
}

/* How many no record showed, read or not: when nobody waits for them any longer. */
static uint64_t bytes_unseen(const struct connection *conn)
{
	const struct connection_end *end = &conn->end;
	uint64_t came = conn->stream.complete ? end->bytes_received : end->seen + end->unread;

	if (end->unread <= 1)
		return bytes_missing(conn);
	return came > conn->stream.next + 1 ? came - 1 - conn->stream.next : 0;
}

/* Every byte that ever came was seen: nothing more can be read. */
static bool all_seen(const struct connection *conn)
{
	if (conn->stream.complete)
		return conn->stream.next + 1 >= conn->end.bytes_received;
	/* Joined midway: at least all that waited at the close. */
	return conn->end.unread > 1 && !bytes_unseen(conn);
}

static void update_held(struct capture *c)
{
	__atomic_store_n(&c->counts.connections_held, connections_count(c->connections), __ATOMIC_RELAXED);
}

/* The stream is at its end: what it held is handed over, and the connection forgotten. */
static void finish(struct capture *c, struct connection *conn, uint64_t time_ns)
{
	struct stream *s = &conn->stream;
	struct before b = stream_before(s);
	uint64_t missing = bytes_unseen(conn);

	c->current = conn;
	c->time_ns = time_ns;
	if (conn->end.time_ns && missing)
		stream_miss(s, missing, &c->hooks);
	stream_end(s, &c->hooks);
	account(c, conn, &b);
	if (conn->exchange)
		exchange_flush(conn->exchange);
	if (c->answers)
		answers_end(c->answers, &conn->answers);
	if (conn->end.time_ns) {
		struct event_connection what = {
			.duration_ns =
				conn->end.time_ns > conn->opened_ns ? conn->end.time_ns - conn->opened_ns : 0,
			.bytes_received = conn->end.bytes_received,
			.bytes_sent = conn->end.bytes_sent,
			.rtt_us = conn->end.rtt_us,
			.retransmits = conn->end.retransmits,
			.requests = s->requests,
			.gaps = s->gaps,
			.complete = s->complete,
		};
		/* Joined midway: what came before was not seen, although nothing of it was lost. */
		if (!s->complete && bytes_read(&conn->end) > s->next + 1)
			what.gaps++;
		emit_connection(c, &conn->flow, &what, conn->end.time_ns);
	}
	c->current = NULL;
	connections_remove(c->connections, conn);
	update_held(c);
}

/* A place in a full table: of one that is closed anyway, or was idle for long. */
static void make_room(struct capture *c, uint64_t now_ns)
{
	struct connection *old = connections_oldest_closed(c->connections);

	if (!old)
		old = connections_oldest_unread(c->connections);
	if (!old) {
		old = connections_oldest(c->connections);
		if (!old || now_ns < old->last_ns + IDLE_WHEN_FULL_NS)
			return;
		COUNT(c, connections_evicted, 1);
	}
	finish(c, old, now_ns);
}

static uint32_t source_slot(const struct capture *c, const struct addr *a)
{
	struct prefix p = prefix_of(a, MIN(addr_bits(a), (unsigned)64));
	uint64_t h = c->held_secret;

	for (unsigned i = 0; i < 8; i++) {
		h = (h ^ p.addr.bytes[i]) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return (uint32_t)(h >> 40) % HELD_SLOTS;
}

/* What heads of this connection's source may take now. */
static uint64_t source_share(const struct capture *c, const struct connection *conn)
{
	uint64_t all = c->parts.config->capture.stream_bytes, most = all / 8;

	if (c->budget > all / 2)
		return UINT64_MAX;
	return most > c->held[conn->source] ? most - c->held[conn->source] : 0;
}

/* NULL: refused. isn: of the first byte, or NULL if the beginning was not seen. */
static struct connection *begin(struct capture *c, const struct pk_flow *flow, uint64_t time_ns,
				const uint32_t *isn)
{
	if (connections_full(c->connections))
		make_room(c, time_ns);
	struct connection *conn = connections_add(c->connections, flow, time_ns);
	if (!conn)
		return NULL;
	if (!conn->flow.connection_id)
		conn->flow.connection_id = 1ull << 63 | ++c->unnamed;
	conn->source = source_slot(c, &conn->flow.peer.addr);
	stream_init(&conn->stream, isn != NULL, isn ? *isn : 0);
	conn->midway = isn == NULL;
	conn->answers.joined = isn == NULL;
	update_held(c);
	return conn;
}

/* Who exchanges bytes with us has completed a handshake; a long connection says so again now and then. */
static void note_client(struct capture *c, struct connection *conn, uint64_t time_ns)
{
	if (conn->noted_ns && time_ns < conn->noted_ns + NOTE_CLIENT_NS)
		return;
	clients_note(c->parts.clients, &conn->flow.peer.addr, time_ns);
	conn->noted_ns = time_ns;
}

static void on_open(struct capture *c, const struct pk_conn *rec)
{
	struct connection *conn = connections_find(c->connections, &rec->flow);
	uint64_t now = rec->rec.time_ns;

	COUNT(c, connections_opened, 1);
	if (conn && rec->flow.cookie) {
		/* Its first bytes came before it (perf buffers of several CPUs): they were the beginning. */
		if (conn->stream.next_seq - (uint32_t)conn->stream.next == rec->isn && !conn->end.time_ns) {
			conn->stream.complete = 1;
			conn->answers.joined = 0;
		}
		return;
	}
	/* Addresses and ports used again, and the end of the former connection was not seen. */
	if (conn)
		finish(c, conn, now);
	conn = begin(c, &rec->flow, now, &rec->isn);
	if (!conn) {
		COUNT(c, connections_refused, 1);
		return;
	}
	note_client(c, conn, now);
}

/* A handshake is no part of a flood. */
static void on_handshake(struct capture *c, const struct pk_conn *rec)
{
	struct addr peer = addr_from_bytes(rec->flow.family, rec->flow.peer_addr);

	if (c->parts.packet_watch)
		packet_watch_handshake(c->parts.packet_watch, &peer, rec->rec.time_ns);
}

static void on_close(struct capture *c, const struct pk_conn *rec)
{
	struct connection *conn = connections_find(c->connections, &rec->flow);
	struct connection unseen = {0};
	uint64_t now = rec->rec.time_ns;

	COUNT(c, connections_closed, 1);
	if (!conn) {
		/* Refused, or never heard of: no byte of it was seen. */
		conn = &unseen;
		conn->flow.connection_id = rec->flow.cookie;
		conn->flow.netns = rec->flow.netns;
		conn->flow.peer.addr = addr_from_bytes(rec->flow.family, rec->flow.peer_addr);
		conn->flow.peer.port = rec->flow.peer_port;
		conn->flow.local.addr = addr_from_bytes(rec->flow.family, rec->flow.local_addr);
		conn->flow.local.port = rec->flow.local_port;
	} else if (conn->end.time_ns) {
		return;
	}
	conn->end = (struct connection_end){
		.time_ns = now,
		.bytes_received = rec->bytes_received,
		.bytes_sent = rec->bytes_acked,
		.rtt_us = rec->srtt_us,
		.retransmits = rec->retransmits,
		.unread = rec->unread,
		.seen = conn->stream.next,
	};
	if (conn == &unseen) {
		struct event_connection what = {.bytes_received = rec->bytes_received,
						.bytes_sent = rec->bytes_acked,
						.rtt_us = rec->srtt_us,
						.retransmits = rec->retransmits,
						.gaps = bytes_read(&unseen.end) > 1};
		emit_connection(c, &unseen.flow, &what, now);
		return;
	}
	connections_close(c->connections, conn);
	note_client(c, conn, now);
	on_answer(c, conn, &rec->answer, true);
	/* Bytes that wait in the queue, or that no record showed, may yet be read. */
	if (conn->stream.not_http || (conn->end.unread <= 1 && !bytes_missing(conn)))
		finish(c, conn, now);
}

/* --- data --- */

/* The kernel half goes on copying (abi.h: pk_seen). */
static void store_seen(struct capture *c, const struct pk_flow *flow, uint32_t seq)
{
	if (!c->parts.seen || !flow->cookie)
		return;
	uint64_t value = (uint64_t)pk_skip_tag(flow->cookie) << 32 | seq;
	__atomic_store_n(&c->parts.seen[pk_skip_slot(flow->cookie)], value, __ATOMIC_RELAXED);
}

static void store_skip(struct capture *c, const struct pk_flow *flow, uint32_t skip_to)
{
	/* Without a cookie all connections would share one tag. */
	if (!c->parts.skip || !flow->cookie)
		return;
	uint64_t value = (uint64_t)pk_skip_tag(flow->cookie) << 32 | skip_to;
	__atomic_store_n(&c->parts.skip[pk_skip_slot(flow->cookie)], value, __ATOMIC_RELAXED);
}

/* --- clients that keep the server waiting --- */

static void note_wait(struct connection *conn, uint64_t now_ns)
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
static void tell_waits(struct capture *c, uint64_t now_ns)
{
	char id[EVENT_ID_TEXT_MAX];

	for (struct connection *conn = connections_oldest(c->connections); conn; conn = conn->newer) {
		struct span name = wait_judge(c, conn, now_ns);
		if (!name.len)
			continue;
		conn->wait.told = true;
		c->time_ns = now_ns;
		emit_http_anomaly(c, conn, name,
				  conn->wait.body ? span_from(event_id_format(
							    &(struct event){.id = conn->request_id}, id))
						  : SPAN(""));
	}
}

static void on_data(struct capture *c, const struct pk_data *rec)
{
	uint64_t now = rec->rec.time_ns;
	struct connection *conn = connections_find(c->connections, &rec->flow);
	uint32_t skip_to;

	if (rec->rec.size < sizeof *rec || (uint64_t)rec->lead + rec->captured > rec->rec.size - sizeof *rec)
		return; /* the reader counts these as malformed and never hands them on */
	if (!conn)
		conn = begin(c, &rec->flow, now, NULL);
	if (!conn) {
		struct addr peer = addr_from_bytes(rec->flow.family, rec->flow.peer_addr);
		COUNT(c, gap_bytes, rec->len);
		note_loss(c, &peer, rec->len);
		return;
	}
	connections_touch(c->connections, conn, now);
	note_client(c, conn, now);
	conn->flow.pid = rec->pid;
	c->current = conn;
	c->time_ns = now;
	COUNT(c, bytes, rec->captured);
	struct before b = stream_before(&conn->stream);
	struct span bytes = {(const char *)(rec + 1) + rec->lead, rec->captured};
	c->share = source_share(c, conn);
	/* Before the answer that this record brings is given to a request. */
	if (c->answers && bytes_are_missing(&conn->stream, rec->seq))
		answers_lost(c->answers, &conn->answers);
	on_answer(c, conn, &rec->answer,
		  stream_boundary(&conn->stream) <= offset_of(&conn->stream, rec->seq));
	if (refused_differs(c->refused, rec->flow.cookie, rec->seq, bytes))
		emit_tcp_anomaly(c, &conn->flow, REFUSED_OVERLAP);
	if (rec->flags & PK_DATA_URGENT)
		stream_urgent(&conn->stream, rec->seq, rec->flags & PK_DATA_URGENT_BEFORE, &c->hooks);
	if (stream_feed(&conn->stream, rec->seq, bytes, rec->len, &c->hooks, &skip_to))
		store_skip(c, &rec->flow, skip_to);
	if (rec->len >= PK_SEEN_READ)
		store_seen(c, &rec->flow, conn->stream.next_seq);
	note_wait(conn, now);
	account(c, conn, &b);
	c->current = NULL;
	if (conn->end.time_ns && all_seen(conn))
		finish(c, conn, now);
}

/* --- segments that the kernel refused --- */

static void on_refused(struct capture *c, const struct pk_refused *rec)
{
	const struct pk_header *h = &rec->header;
	struct pk_flow key = {.cookie = rec->cookie};
	struct connection *conn = rec->cookie ? connections_find(c->connections, &key) : NULL;
	struct flow flow = {
		.connection_id = rec->cookie,
		.peer = {addr_from_bytes(h->family, h->source_addr), h->source_port},
		.local = {addr_from_bytes(h->family, h->destination_addr), h->destination_port},
	};
	struct span bytes = {(const char *)(rec + 1), rec->captured};
	const char *name = refused_name(rec);

	c->time_ns = h->rec.time_ns;
	if (conn && refused_bytes_tell(rec)) {
		if (stream_differs(&conn->stream, h->sequence, bytes))
			name = REFUSED_OVERLAP;
		else
			refused_keep(c->refused, rec->cookie, h->sequence, bytes);
	}
	if (name)
		emit_tcp_anomaly(c, conn ? &conn->flow : &flow, name);
}

/* --- connections that are seen as packets --- */

/* Where packets come from a live link, a connection found in the middle is nothing special. */
static void on_exchange_anomaly(void *arg, const char *name)
{
	struct capture *c = arg;

	if (c->current && (c->ordinary || strcmp(name, EXCHANGE_UNMATCHED) != 0))
		emit_http_anomaly(c, c->current, span_from(name), SPAN(""));
}

static struct connection *packets_begin(struct capture *c, const struct pk_flow *flow, uint64_t time_ns,
					const uint32_t *isn)
{
	struct connection *conn = begin(c, flow, time_ns, isn);

	if (conn)
		conn->packets = true;
	return conn;
}

static void on_packets_open(void *arg, const struct pk_flow *flow, const uint32_t *isn, bool handshake,
			    uint64_t time_ns)
{
	struct capture *c = arg;
	struct connection *conn = connections_find(c->connections, flow);
	struct addr peer = addr_from_bytes(flow->family, flow->peer_addr);

	COUNT(c, connections_opened, 1);
	if (handshake && c->parts.packet_watch) /* no part of a flood */
		packet_watch_handshake(c->parts.packet_watch, &peer, time_ns);
	if (conn)
		finish(c, conn, time_ns);
	conn = packets_begin(c, flow, time_ns, isn);
	if (!conn)
		COUNT(c, connections_refused, 1);
	else if (handshake)
		note_client(c, conn, time_ns);
}

static void on_client_bytes(struct capture *c, struct connection *conn, uint32_t seq, struct span bytes,
			    uint32_t len)
{
	struct before b = stream_before(&conn->stream);
	uint32_t skip_to;

	COUNT(c, bytes, bytes.len);
	c->share = source_share(c, conn);
	stream_feed(&conn->stream, seq, bytes, len, &c->hooks, &skip_to);
	account(c, conn, &b);
}

/* Without memory for it, its requests stay without answers. */
static void on_server_bytes(struct capture *c, struct connection *conn, uint32_t seq, struct span bytes,
			    uint32_t len)
{
	uint32_t missing = conn->server_started ? seq - conn->server_next : 0;

	conn->server_started = true;
	conn->server_next = seq + len;
	if (!conn->exchange)
		conn->exchange = exchange_new(c->exchanges);
	if (conn->exchange)
		exchange_bytes(conn->exchange, missing, bytes, len - bytes.len, c->time_ns);
}

static void on_packets_bytes(void *arg, const struct pk_flow *flow, enum segments_side from, uint32_t seq,
			     struct span bytes, uint32_t len, uint64_t time_ns)
{
	struct capture *c = arg;
	struct connection *conn = connections_find(c->connections, flow);

	if (!conn) /* its place was needed by another one */
		conn = packets_begin(c, flow, time_ns, NULL);
	if (!conn) {
		struct addr peer = addr_from_bytes(flow->family, flow->peer_addr);
		COUNT(c, gap_bytes, len);
		note_loss(c, &peer, len);
		return;
	}
	connections_touch(c->connections, conn, time_ns);
	c->current = conn;
	c->time_ns = time_ns;
	if (from == SEGMENTS_CLIENT)
		on_client_bytes(c, conn, seq, bytes, len);
	else
		on_server_bytes(c, conn, seq, bytes, len);
	c->current = NULL;
}

static void on_packets_urgent(void *arg, const struct pk_flow *flow, enum segments_side from, uint32_t seq,
			      uint64_t time_ns)
{
	struct capture *c = arg;
	struct connection *conn = connections_find(c->connections, flow);

	c->time_ns = time_ns;
	if (!conn)
		return;
	if (from == SEGMENTS_SERVER) {
		conn->server_next = seq + 1;
		return;
	}
	struct before b = stream_before(&conn->stream);
	c->current = conn;
	c->share = source_share(c, conn);
	stream_urgent(&conn->stream, seq + 1, true, &c->hooks);
	account(c, conn, &b);
	c->current = NULL;
}

static void on_packets_finish(void *arg, const struct pk_flow *flow, enum segments_side from,
			      uint64_t time_ns)
{
	struct capture *c = arg;
	struct connection *conn = connections_find(c->connections, flow);

	c->time_ns = time_ns;
	if (conn && conn->exchange && from == SEGMENTS_SERVER)
		exchange_finish(conn->exchange);
}

static void on_packets_close(void *arg, const struct pk_flow *flow, const struct segments_end *end,
			     uint64_t time_ns)
{
	struct capture *c = arg;
	struct connection *conn = connections_find(c->connections, flow);

	COUNT(c, connections_closed, 1);
	if (!conn)
		return;
	conn->end = (struct connection_end){.time_ns = MAX(time_ns, (uint64_t)1),
					    .bytes_received = conn->stream.next,
					    .bytes_sent = end->server_bytes,
					    .seen = conn->stream.next};
	connections_close(c->connections, conn);
	finish(c, conn, time_ns);
}

static void on_packets_segment(void *arg, const struct pk_segment *rec, enum segments_side from);

static void on_segment(struct capture *c, const struct pk_segment *rec)
{
	if (!c->segments)
		return;
	COUNT(c, segments, 1);
	c->time_ns = rec->header.rec.time_ns;
	/* A decoy must not stand in the place of what the server gets. */
	if (anomalies_segment(c->anomalies, rec)) {
		segments_feed(c->segments, rec);
		return;
	}
	COUNT(c, segments_refused, 1);
	if (c->header_events)
		on_packets_segment(c, rec, SEGMENTS_STRANGER);
}

static void on_frame(struct capture *c, const struct pk_frame *rec)
{
	if (!c->segments)
		return;
	COUNT(c, frames, 1);
	c->time_ns = rec->rec.time_ns;
	anomalies_frame(c->anomalies, rec);
}

static void on_anomaly(void *arg, const struct flow *flow, const char *name)
{
	emit_tcp_anomaly(arg, flow, name);
}

static int anomalies_start(struct capture *c)
{
	struct anomalies_options options = {
		.connections_max = c->parts.config->capture.connections_max,
		.history_max = c->parts.config->capture.stream_bytes / HISTORY_SHARE,
		.ports = c->parts.packets->ports,
		.port_count = c->parts.packets->port_count,
		.ordinary = c->parts.packets->ordinary,
		.headers_elsewhere = c->parts.packets->headers,
		.found = on_anomaly,
		.arg = c,
	};

	return anomalies_new(&options, &c->anomalies);
}

static int packets_new(struct capture *c)
{
	const struct capture_packets *p = c->parts.packets;

	if (!p)
		return 0;
	struct segments_options options = {
		.connections_max = c->parts.config->capture.connections_max,
		.held_max = c->parts.config->capture.stream_bytes,
		.ports = p->ports,
		.port_count = p->port_count,
		.hooks = {.open = on_packets_open,
			  .bytes = on_packets_bytes,
			  .urgent = on_packets_urgent,
			  .finish = on_packets_finish,
			  .close = on_packets_close,
			  .segment = p->header_events ? on_packets_segment : NULL,
			  .arg = c},
	};
	struct exchanges_options exchanges = {.event = on_answered,
					      .arg = c,
					      .anomaly = on_exchange_anomaly,
					      .wait_ns = p->answer_wait_ns,
					      .bytes_max = ANSWERS_BYTES};
	c->ordinary = p->ordinary;
	c->header_events = p->header_events;
	int r = anomalies_start(c);
	if (!r)
		r = exchanges_new(&exchanges, &c->exchanges);
	return r ? r : segments_new(&options, &c->segments);
}

void capture_end(struct capture *c, uint64_t now_ns)
{
	if (c->segments)
		segments_end(c->segments, now_ns);
	capture_tick(c, now_ns + CLOSED_WAIT_NS);
}

static void on_answered_record(struct capture *c, const struct pk_answered *rec)
{
	struct connection *conn = connections_find(c->connections, &rec->flow);

	/*
	 * Its end is where the next one began, or what looked like one: only that other request's being there
	 * says which.
	 */
	if (conn)
		on_answer(c, conn, &rec->answer, false);
}

/* --- all records --- */

static void on_header_event(void *arg, struct event *e)
{
	emit(arg, e);
}

static void on_header(struct capture *c, const struct pk_header *rec)
{
	int n = header_events(rec, c->parts.packet_watch, wall_of(c, rec->rec.time_ns), on_header_event, c);

	COUNT(c, headers, 1);
	if (n < 0)
		COUNT(c, events_lost, 1);
	else
		COUNT(c, anomalies, (unsigned)n);
}

/* What the packet program would have reported of a watched port; of strangers only what is odd by itself. */
static void on_packets_segment(void *arg, const struct pk_segment *rec, enum segments_side from)
{
	struct capture *c = arg;
	struct pk_header h = rec->header;

	if (from == SEGMENTS_SERVER || !h.why)
		return;
	if (from == SEGMENTS_STRANGER && !(h.why & (PK_WHY_ODD | PK_WHY_MALFORMED)))
		return;
	h.rec.kind = PK_HEADER;
	h.rec.size = sizeof h;
	on_header(c, &h);
}

void capture_record(struct capture *c, const struct pk_record *rec)
{
	COUNT(c, records, 1);
	switch (rec->kind) {
	case PK_DATA:
		on_data(c, (const struct pk_data *)rec);
		break;
	case PK_OPEN:
		on_handshake(c, (const struct pk_conn *)rec);
		on_open(c, (const struct pk_conn *)rec);
		break;
	case PK_CLOSE:
		on_close(c, (const struct pk_conn *)rec);
		break;
	case PK_ANSWER:
		on_answered_record(c, (const struct pk_answered *)rec);
		break;
	case PK_REFUSED:
		on_refused(c, (const struct pk_refused *)rec);
		break;
	case PK_HEADER:
		on_header(c, (const struct pk_header *)rec);
		break;
	case PK_SEGMENT:
		on_segment(c, (const struct pk_segment *)rec);
		break;
	case PK_FRAME:
		on_frame(c, (const struct pk_frame *)rec);
		break;
	default: /* PK_LISTEN: ports are the warden's and the doctor's business */
		break;
	}
}

static void set_wall_offset(struct capture *c)
{
	c->wall_offset = clock_wall_of_boot(c->parts.clock, 0);
}

void capture_tick(struct capture *c, uint64_t now_ns)
{
	struct connection *conn;

	set_wall_offset(c);
	if (c->segments) {
		segments_tick(c->segments, now_ns);
		exchanges_tick(c->exchanges, now_ns);
		anomalies_tick(c->anomalies, now_ns);
	}
	while ((conn = connections_oldest_closed(c->connections)) &&
	       now_ns >= conn->end.time_ns + CLOSED_WAIT_NS)
		finish(c, conn, now_ns);
	while ((conn = connections_oldest_unread(c->connections)) &&
	       now_ns >= conn->end.time_ns + UNREAD_WAIT_NS)
		finish(c, conn, now_ns);
	while ((conn = connections_oldest(c->connections)) && now_ns >= conn->last_ns + IDLE_MAX_NS) {
		COUNT(c, connections_evicted, 1);
		finish(c, conn, now_ns);
	}
	tell_waits(c, now_ns);
	tell_losses(c, now_ns);
}

bool capture_poll(struct capture *c, uint64_t now_ns)
{
	if (!c->answers)
		return false;
	answers_poll(c->answers, now_ns);
	return answers_waiting(c->answers);
}

void capture_flush(struct capture *c)
{
	if (c->answers)
		answers_flush(c->answers);
	if (c->exchanges)
		exchanges_tick(c->exchanges, UINT64_MAX);
}

bool capture_sees_answers(const struct capture *c)
{
	return c->answers != NULL;
}

struct answers_counts capture_answers(const struct capture *c)
{
	struct answers_counts sum = {0}, packets = {0};
	uint64_t *to = (uint64_t *)&sum, *from = (uint64_t *)&packets;

	if (c->answers)
		sum = answers_counts(c->answers);
	if (c->exchanges)
		packets = exchanges_counts(c->exchanges);
	for (size_t i = 0; i < sizeof sum / sizeof *to; i++)
		to[i] += from[i];
	return sum;
}

struct capture_counts capture_counts(const struct capture *c)
{
	/* A struct of uint64_t only, copied one by one. */
	struct capture_counts copy;
	const uint64_t *from = (const uint64_t *)&c->counts;
	uint64_t *to = (uint64_t *)&copy;

	_Static_assert(sizeof copy % sizeof *to == 0, "all counts are uint64_t");
	for (size_t i = 0; i < sizeof copy / sizeof *to; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	copy.values_dropped = redact_refused(c->parts.redact);
	return copy;
}

int capture_new(const struct capture_parts *parts, struct capture **ret)
{
	struct capture *c = calloc(1, sizeof *c);

	if (!c)
		return -ENOMEM;
	c->parts = *parts;
	int r = connections_new(parts->config->capture.connections_max, &c->connections);
	if (!r)
		r = refused_kept_new(&c->refused);
	if (!r)
		r = packets_new(c);
	if (!r)
		r = answers_start(c);
	if (!r)
		r = origin_new(parts->config, &c->origin);
	if (r) {
		capture_free(c);
		return r;
	}
	c->proxied = (struct proxied_parts){.origin = c->origin,
					    .proxies = parts->proxies,
					    .behind = parts->behind,
					    .connections = c->connections};
	c->budget = parts->config->capture.stream_bytes;
	c->hooks = (struct stream_hooks){.request = on_request,
					 .proxy = on_proxy_header,
					 .late = on_late,
					 .arg = c,
					 .budget = &c->budget,
					 .share = &c->share};
	if (getrandom(&c->held_secret, sizeof c->held_secret, 0) != (ssize_t)sizeof c->held_secret) {
		capture_free(c);
		return -EIO;
	}
	set_wall_offset(c);
	*ret = c;
	return 0;
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	refused_kept_free(c->refused);
	origin_free(c->origin);
	segments_free(c->segments);
	anomalies_free(c->anomalies);
	answers_free(c->answers);
	connections_free(c->connections);
	exchanges_free(c->exchanges);
	free(c);
}
