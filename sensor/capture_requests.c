// SPDX-License-Identifier: Apache-2.0
#include "sensor/capture_internal.h"
#include <stddef.h>
#include "lib/target.h"
#include "sensor/http1_host.h"
#include "sensor/opinion.h"

void capture_on_verdict(void *arg, const struct verdict *v)
{
	struct capture *c = arg;

	c->parts.verdict(c->parts.arg, v);
}

/* --- answers --- */

/* Offset in the client's stream of a sequence number that is not far from what was seen. */
uint64_t capture_offset(const struct stream *s, uint32_t seq)
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
	uint64_t read = capture_offset(s, rec->read);

	return (struct answer){
		.time_ns = rec->time_ns,
		.read = read,
		.size = (uint32_t)(rec->end - rec->seq),
		.seq = rec->seq,
		.number = rec->number,
		.since = rec->since,
		.status = rec->status,
		.final = final,
		.open = read > stream_boundary(s),
	};
}

/* Are there bytes before seq that are neither seen nor the inside of a known body? */
bool capture_bytes_missing(const struct stream *s, uint32_t seq)
{
	return s->started && capture_offset(s, seq) > MAX(s->next, stream_boundary(s));
}

/* An answer that a record told. */
void capture_answer(struct capture *c, struct connection *conn, const struct pk_answer *rec, bool final)
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
void capture_answered(void *arg, struct event *e)
{
	struct capture *c = arg;

	if (c->parts.detect)
		detect_answer(c->parts.detect, e, capture_on_verdict, c);
	capture_emit(c, e);
}

int capture_answers_start(struct capture *c)
{
	struct answers_hooks hooks = {.emit = capture_answered, .look = on_look, .arg = c};

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
		capture_emit(c, e);
}

static void check_port(struct capture *c, const struct connection *conn, const struct http_request *r)
{
	char id[EVENT_ID_TEXT_MAX];
	int port = c->ordinary && conn->packets ? http1_host_port(r) : -1;

	if (port >= 0 && port != conn->flow.local.port)
		capture_http_anomaly(c, conn, SPAN(HTTP1_PORT_MISMATCH),
				     span_from(event_id_format(&(struct event){.id = conn->request_id}, id)));
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
		capture_deviations(c, conn, r->deviations);
	check_port(c, conn, r);
	if (c->parts.detect)
		detect_request(c->parts.detect, r, e, waits ? &e->request.pending : NULL, capture_on_verdict,
			       c);
	opinion_request(c->parts.opinion, r, e);
	if (waits)
		emit_request(c, conn, e);
	event_unref(e);
}

/* NULL: not known. */
static const struct process *process_of(struct capture *c, const struct connection *conn)
{
	return c->parts.processes ? processes_find(c->parts.processes, conn->flow.pid, c->time_ns) : NULL;
}

static size_t process_room(const struct process *p)
{
	return p ? strlen(p->name) + strlen(p->container) : 0;
}

/* p stays its own: the event has copies. */
static void note_process(struct event *e, const struct process *p)
{
	if (!p)
		return;
	e->request.process_name = event_tail_copy(e, span_from(p->name));
	e->request.container = event_tail_copy(e, span_from(p->container));
}

/* Of the TLS of this request's client: on the connection it came on, or on its own to a proxy here. NULL:
 * nothing. */
static const struct event_tls *tls_of(const struct capture *c, const struct connection *conn,
				      const struct proxied_client *client)
{
	const struct pk_flow own = {.cookie = client->connection_id};

	if (client->connection_id) /* the peer is a proxy: its own TLS says nothing about its client */
		conn = connections_find(c->connections, &own);
	else if (client->who.source != CLIENT_BY_PEER)
		return NULL;
	return conn ? capture_tls_known(conn) : NULL;
}

/* As a proxy tells it, in the header that the configuration names. False: it tells none that can be read. It
 * is no secret, and needs no redaction. */
static bool tls_told(const struct capture *c, const struct http_request *r, struct event_tls *ret)
{
	const char *name = c->parts.config ? c->parts.config->enforcement.ja4_header : NULL;
	struct span value = name && name[0] ? http_request_header(r, name) : SPAN_NULL;
	struct prefix known;

	if (!value.len || target_parse_ja4(value, &known))
		return false;
	*ret = (struct event_tls){.ja4 = value};
	return true;
}

void capture_on_request(void *arg, struct stream *s, const struct http_request *r)
{
	struct capture *c = arg;
	struct connection *conn = c->current;
	bool forwarded = s->proxy_header || origin_claimed(r);
	const struct process *process = process_of(c, conn);
	struct proxied_client client;
	const struct event_tls *tls;
	struct event_tls told;

	struct signatures *signatures = c->parts.detect ? detect_signatures(c->parts.detect) : NULL;
	struct signature_hits hits = {0};

	COUNT(c, requests, 1);
	/* What stands behind a gap may be the inside of a body: nobody is judged by it (detect_request). */
	if (signatures && !(r->deviations & HTTP_DEV_AFTER_GAP))
		signatures_run(signatures, r, &hits);
	proxied_request(&c->proxied, conn, r, forwarded, c->time_ns, &client);
	tls = tls_of(c, conn, &client);
	if (!tls && tls_told(c, r, &told))
		tls = &told;
	const struct redact_context context = {
		.flow = conn->flow,
		.client = client.who.endpoint,
		.forwarded = forwarded,
		.stream_index = (uint16_t)MIN(s->requests, (uint32_t)UINT16_MAX),
		.time_ns = c->time_ns,
		.wall_ns = capture_wall(c, c->time_ns),
		.room = process_room(process) + signature_event_room(&hits) +
			(tls ? EVENT_TLS_PUT_ROOM(tls) : 0),
	};
	struct event *e = redact_request(c->parts.redact, r, &context);
	conn->request_id = e ? e->id : 0;
	if (!e) {
		COUNT(c, events_lost, 1);
		return;
	}
	e->request.client_source = (uint8_t)client.who.source;
	e->request.client_flags = client.who.flags;
	e->request.client_behind = client.behind;
	e->request.client_connection_id = client.connection_id;
	note_process(e, process);
	if (tls)
		e->request.tls = event_tls_put(e, tls);
	signature_event_note(e, &hits, c->parts.redact);
	if (c->parts.routes)
		routes_find(c->parts.routes, r->path, e);
	judge_request(c, conn, r, e);
}

void capture_on_proxy_header(void *arg, struct stream *s, const struct proxy_header *h)
{
	struct capture *c = arg;

	(void)s;
	if (!proxied_header(&c->proxied, c->current, h, c->time_ns))
		COUNT(c, proxy_headers_refused, 1);
}

void capture_on_late(void *arg, struct stream *s, uint32_t deviations)
{
	struct capture *c = arg;

	(void)s;
	capture_deviations(c, c->current, deviations);
}
