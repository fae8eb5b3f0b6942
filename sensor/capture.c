// SPDX-License-Identifier: Apache-2.0
/*
 * capture.c: follows connections by the kernel's records and makes events of what they carry. Order: the
 * records of one connection come as the kernel made them. Data can still be read after the close (the peer
 * reset the connection while bytes waited in its queue), so a closed connection of which bytes are missing is
 * kept for a moment, and one of which bytes are unread for a minute.
 */
#include "sensor/capture_internal.h"
#include <errno.h>
#include <stddef.h>
#include <sys/random.h>
#include "sensor/headers.h"

#define IDLE_MAX_NS       (3600 * NS_PER_S) /* then a connection is forgotten; it is taken up again midway */
#define IDLE_WHEN_FULL_NS (30 * NS_PER_S)   /* ... when its place is needed */
#define UNREAD_WAIT_NS    (60 * NS_PER_S)   /* for bytes that are read after the close */
#define NOTE_CLIENT_NS    (60 * NS_PER_S)   /* how often a busy connection proves its client again */
#define TLS_WAIT_NS       (2 * NS_PER_S)    /* a hello, for the version that was agreed on */

/* --- what a stream did during a call --- */

struct before capture_before(const struct stream *s)
{
	return (struct before){s->head.size, s->gap_bytes, s->passed_bytes, s->duplicates,
			       s->gaps,      s->refused,   s->not_http};
}

void capture_show_held(struct capture *c)
{
	__atomic_store_n(&c->counts.stream_bytes_held, c->parts.config->capture.stream_bytes - c->budget,
			 __ATOMIC_RELAXED);
}

void capture_account(struct capture *c, struct connection *conn, const struct before *b)
{
	const struct stream *s = &conn->stream;

	c->held[conn->source] += s->head.size - b->held;
	if (s->gaps != b->gaps) {
		COUNT(c, gaps, s->gaps - b->gaps);
		if (c->answers)
			answers_lost(c->answers, &conn->answers);
		COUNT(c, gap_bytes, s->gap_bytes - b->gap_bytes);
		if (s->gap_bytes != b->gap_bytes)
			capture_note_loss(c, &conn->flow.peer.addr, s->gap_bytes - b->gap_bytes);
	}
	if (s->passed_bytes != b->passed_bytes) {
		COUNT(c, passed_bytes, s->passed_bytes - b->passed_bytes);
		capture_note_loss(c, &conn->flow.peer.addr, s->passed_bytes - b->passed_bytes);
	}
	if (s->duplicates != b->duplicates)
		COUNT(c, duplicates, s->duplicates - b->duplicates);
	if (s->refused != b->refused)
		COUNT(c, heads_refused, s->refused - b->refused);
	if (s->not_http != b->not_http)
		COUNT(c, not_http, 1);
	capture_show_held(c);
}

/* --- connections --- */

/* tls: NULL: nothing is known. */
static void emit_connection(struct capture *c, const struct flow *flow, const struct event_connection *what,
			    const struct event_tls *tls, uint64_t time_ns)
{
	struct event *e = event_new(EVENT_CONNECTION, tls ? EVENT_TLS_ROOM(tls) : 0);

	if (e) {
		e->time_ns = time_ns;
		e->wall_ns = capture_wall(c, time_ns);
		e->flow = *flow;
		e->connection = *what;
		if (tls)
			e->connection.tls = event_tls_copy(e, tls);
	}
	capture_emit(c, e);
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
void capture_finish(struct capture *c, struct connection *conn, uint64_t time_ns)
{
	struct stream *s = &conn->stream;
	struct before b = capture_before(s);
	uint64_t missing = bytes_unseen(conn);

	c->current = conn;
	c->time_ns = time_ns;
	if (conn->end.time_ns && missing)
		stream_miss(s, missing, &c->hooks);
	stream_end(s, &c->hooks);
	capture_account(c, conn, &b);
	capture_tls_end(c, conn);
	if (conn->exchange)
		exchange_flush(conn->exchange);
	if (c->answers)
		answers_end(c->answers, &conn->answers);
	refused_forget(c->refused, conn->key.cookie);
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
		emit_connection(c, &conn->flow, &what, capture_tls_known(conn), conn->end.time_ns);
	}
	c->current = NULL;
	capture_end_wait(c, conn);
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
	capture_finish(c, old, now_ns);
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
uint64_t capture_source_share(const struct capture *c, const struct connection *conn)
{
	uint64_t all = c->parts.config->capture.stream_bytes, most = all / 8;

	if (c->budget > all / 2)
		return UINT64_MAX;
	return most > c->held[conn->source] ? most - c->held[conn->source] : 0;
}

/* NULL: refused. isn: of the first byte, or NULL if the beginning was not seen. */
struct connection *capture_begin(struct capture *c, const struct pk_flow *flow, uint64_t time_ns,
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
void capture_note_client(struct capture *c, struct connection *conn, uint64_t time_ns)
{
	if (conn->noted_ns && time_ns < conn->noted_ns + NOTE_CLIENT_NS)
		return;
	clients_note(c->parts.clients, &conn->flow.peer.addr, time_ns);
	conn->noted_ns = time_ns;
}

static void on_open(struct capture *c, const struct pk_open *rec)
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
		capture_finish(c, conn, now);
	conn = capture_begin(c, &rec->flow, now, &rec->isn);
	if (!conn) {
		COUNT(c, connections_refused, 1);
		return;
	}
	capture_note_client(c, conn, now);
}

/* A handshake is no part of a flood. */
static void on_handshake(struct capture *c, const struct pk_open *rec)
{
	struct addr peer = addr_from_bytes(rec->flow.family, rec->flow.peer_addr);

	if (c->parts.packet_watch)
		packet_watch_handshake(c->parts.packet_watch, &peer, rec->rec.time_ns);
}

static void on_close(struct capture *c, const struct pk_close *rec)
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
		emit_connection(c, &unseen.flow, &what, NULL, now);
		return;
	}
	connections_close(c->connections, conn);
	capture_end_wait(c, conn);
	capture_note_client(c, conn, now);
	capture_answer(c, conn, &rec->answer, true);
	/* Bytes that wait in the queue, or that no record showed, may yet be read. */
	if (conn->stream.not_http || (conn->end.unread <= 1 && !bytes_missing(conn)))
		capture_finish(c, conn, now);
}

/* --- data --- */

/* From here on the kernel half goes by pk_skip again (abi.h: pk_seen). */
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

static void on_data(struct capture *c, const struct pk_data *rec)
{
	uint64_t now = rec->rec.time_ns;
	struct connection *conn = connections_find(c->connections, &rec->flow);
	uint32_t skip_to;

	if (rec->rec.size < sizeof *rec || (uint64_t)rec->lead + rec->captured > rec->rec.size - sizeof *rec)
		return; /* the reader counts these as malformed and never hands them on */
	if (!conn)
		conn = capture_begin(c, &rec->flow, now, NULL);
	if (!conn) {
		struct addr peer = addr_from_bytes(rec->flow.family, rec->flow.peer_addr);
		COUNT(c, gap_bytes, rec->len);
		capture_note_loss(c, &peer, rec->len);
		return;
	}
	connections_touch(c->connections, conn, now);
	capture_note_client(c, conn, now);
	conn->flow.pid = rec->pid;
	c->current = conn;
	c->time_ns = now;
	COUNT(c, bytes, rec->captured);
	struct before b = capture_before(&conn->stream);
	struct span bytes = {(const char *)(rec + 1) + rec->lead, rec->captured};
	c->share = capture_source_share(c, conn);
	/* Before the answer that this record brings is given to a request. */
	if (c->answers && capture_bytes_missing(&conn->stream, rec->seq))
		answers_lost(c->answers, &conn->answers);
	capture_answer(c, conn, &rec->answer,
		       stream_boundary(&conn->stream) <= capture_offset(&conn->stream, rec->seq));
	if (refused_differs(c->refused, rec->flow.cookie, rec->seq, bytes))
		capture_tcp_anomaly(c, &conn->flow, REFUSED_OVERLAP);
	if (rec->flags & PK_DATA_URGENT)
		stream_urgent(&conn->stream, rec->seq, rec->flags & PK_DATA_URGENT_BEFORE, &c->hooks);
	if (stream_feed(&conn->stream, rec->seq, bytes, rec->len, &c->hooks, &skip_to))
		store_skip(c, &rec->flow, skip_to);
	if (rec->captured >= PK_HEAD_MIN && pk_may_have_body((const __u8 *)bytes.ptr))
		store_seen(c, &rec->flow, rec->seq + rec->captured);
	capture_note_wait(c, conn, now);
	capture_account(c, conn, &b);
	c->current = NULL;
	if (conn->end.time_ns && all_seen(conn))
		capture_finish(c, conn, now);
}

/* --- segments that the kernel refused --- */

/* Bytes before seq: has the application yet to read any of them? */
static bool may_be_read(const struct stream *s, uint32_t seq)
{
	return !s->started || (int32_t)(seq - s->next_seq) > 0;
}

static void keep_refused(struct capture *c, const struct pk_refused *rec, struct span bytes)
{
	refused_keep(c->refused, rec->cookie, rec->header.sequence, bytes);
	__atomic_store_n(&c->counts.refused_evicted, refused_kept_evicted(c->refused), __ATOMIC_RELAXED);
}

static void on_refused(struct capture *c, const struct pk_refused *rec)
{
	const struct pk_header *h = &rec->header;
	struct pk_flow key = {.cookie = rec->cookie};
	struct connection *conn = rec->cookie ? connections_find(c->connections, &key) : NULL;
	struct flow flow = {
		.connection_id = rec->cookie,
		.netns = rec->netns,
		.peer = {addr_from_bytes(h->family, h->source_addr), h->source_port},
		.local = {addr_from_bytes(h->family, h->destination_addr), h->destination_port},
	};
	struct span bytes = {(const char *)(rec + 1), rec->captured};
	const char *name = refused_name(rec);

	c->time_ns = h->rec.time_ns;
	if (conn && refused_bytes_tell(rec)) {
		if (stream_differs(&conn->stream, h->sequence, bytes))
			name = REFUSED_OVERLAP;
		else if (may_be_read(&conn->stream, h->sequence + rec->captured))
			keep_refused(c, rec, bytes);
	}
	if (name)
		capture_tcp_anomaly(c, conn ? &conn->flow : &flow, name);
}

/* --- all records --- */

static void on_header_event(void *arg, struct event *e)
{
	capture_emit(arg, e);
}

void capture_header(struct capture *c, const struct pk_header *rec)
{
	int n = header_events(rec, c->parts.packet_watch, capture_wall(c, rec->rec.time_ns), on_header_event,
			      c);

	COUNT(c, headers, 1);
	if (n < 0)
		COUNT(c, events_lost, 1);
	else
		COUNT(c, anomalies, (unsigned)n);
}

static void on_answered_record(struct capture *c, const struct pk_answered *rec)
{
	struct connection *conn = connections_find(c->connections, &rec->flow);

	/*
	 * Its end is where the next one began, or what looked like one: only that other request's being there
	 * says which.
	 */
	if (conn)
		capture_answer(c, conn, &rec->answer, false);
}

void capture_record(struct capture *c, const struct pk_record *rec)
{
	COUNT(c, records, 1);
	switch (rec->kind) {
	case PK_DATA:
		on_data(c, (const struct pk_data *)rec);
		break;
	case PK_OPEN:
		on_handshake(c, (const struct pk_open *)rec);
		on_open(c, (const struct pk_open *)rec);
		break;
	case PK_CLOSE:
		on_close(c, (const struct pk_close *)rec);
		break;
	case PK_ANSWER:
		on_answered_record(c, (const struct pk_answered *)rec);
		break;
	case PK_REFUSED:
		on_refused(c, (const struct pk_refused *)rec);
		break;
	case PK_HEADER:
		capture_header(c, (const struct pk_header *)rec);
		break;
	case PK_SEGMENT:
		capture_segment(c, (const struct pk_segment *)rec);
		break;
	case PK_FRAME:
		capture_frame(c, (const struct pk_frame *)rec);
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
	if (c->segments)
		capture_packets_tick(c, now_ns);
	while ((conn = connections_oldest_closed(c->connections)) &&
	       now_ns >= conn->end.time_ns + CLOSED_WAIT_NS)
		capture_finish(c, conn, now_ns);
	while ((conn = connections_oldest_unread(c->connections)) &&
	       now_ns >= conn->end.time_ns + UNREAD_WAIT_NS)
		capture_finish(c, conn, now_ns);
	while ((conn = connections_oldest(c->connections)) && now_ns >= conn->last_ns + IDLE_MAX_NS) {
		COUNT(c, connections_evicted, 1);
		capture_finish(c, conn, now_ns);
	}
	capture_tell_waits(c, now_ns);
	capture_tls_tick(c, now_ns);
	capture_tell_losses(c, now_ns);
	capture_packets_count(c);
}

bool capture_poll(struct capture *c, uint64_t now_ns)
{
	capture_packets_count(c);
	if (!c->answers)
		return false;
	answers_poll(c->answers, now_ns);
	return answers_waiting(c->answers);
}

void capture_flush(struct capture *c)
{
	capture_tls_tick(c, UINT64_MAX);
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
		r = capture_packets_new(c);
	if (!r)
		r = capture_answers_start(c);
	if (!r)
		r = origin_new(parts->config, &c->origin);
	if (!r)
		r = tls_prints_new(&c->tls_prints);
	if (r) {
		capture_free(c);
		return r;
	}
	c->tls_wait_ns = parts->packets ? parts->packets->answer_wait_ns : TLS_WAIT_NS;
	c->parts.packets = NULL; /* whose it is may let go of it */
	c->proxied = (struct proxied_parts){.origin = c->origin,
					    .proxies = parts->proxies,
					    .behind = parts->behind,
					    .connections = c->connections};
	c->budget = parts->config->capture.stream_bytes;
	c->hooks = (struct stream_hooks){.request = capture_on_request,
					 .proxy = capture_on_proxy_header,
					 .late = capture_on_late,
					 .tls = capture_on_tls,
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
	tls_prints_free(c->tls_prints);
	origin_free(c->origin);
	segments_free(c->segments);
	anomalies_free(c->anomalies);
	datagrams_free(c->datagrams);
	answers_free(c->answers);
	connections_free(c->connections);
	exchanges_free(c->exchanges);
	free(c);
}
