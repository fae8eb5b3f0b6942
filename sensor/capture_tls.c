// SPDX-License-Identifier: Apache-2.0
/*
 * capture_tls.c: of a connection that begins with TLS, the event of its client's first hello. The reader of
 * the hello is charged to stream_bytes, as heads are, and goes once the event went. That waits a moment for
 * the version, which only later bytes tell; from then on it stays with its connection.
 */
#include "sensor/capture_internal.h"
#include "sensor/tls_version.h"

#define NAME_SHOWN_MAX     512 /* redacted */
#define PROTOCOL_SHOWN_MAX 32

struct tls_client {
	struct connection *conn;
	struct tls_client *before, *after; /* those whose event waits */
	uint64_t since_ns;                 /* of the event */
	struct event *event;               /* NULL: the hello is not whole */
	bool answer_done;                  /* the server's bytes tell nothing more */
	struct tls_hello hello;
	struct tls_flight flight;
	struct tls_answer answer;
};

const struct event_tls *capture_tls_known(const struct connection *conn)
{
	return conn->hello ? &conn->hello->hello.tls : NULL;
}

/* --- memory, and those that wait --- */

/* NULL: none under the ceilings. */
static struct tls_client *client_new(struct capture *c, struct connection *conn)
{
	struct tls_client *t = NULL;

	if (sizeof *t <= MIN(c->budget, c->share))
		t = calloc(1, sizeof *t);
	if (!t) {
		COUNT(c, tls.refused, 1);
		return NULL;
	}
	t->conn = conn;
	c->budget -= sizeof *t;
	c->held[conn->source] += sizeof *t;
	COUNT(c, tls.held, 1);
	conn->tls = t;
	return t;
}

static void waits_add(struct capture *c, struct tls_client *t)
{
	t->before = c->tls_last;
	*(t->before ? &t->before->after : &c->tls_first) = t;
	c->tls_last = t;
}

static void waits_take(struct capture *c, struct tls_client *t)
{
	*(t->before ? &t->before->after : &c->tls_first) = t->after;
	*(t->after ? &t->after->before : &c->tls_last) = t->before;
}

static void client_free(struct capture *c, struct tls_client *t)
{
	t->conn->tls = NULL;
	c->budget += sizeof *t;
	c->held[t->conn->source] -= sizeof *t;
	COUNT(c, tls.held, (uint64_t)-1);
	capture_show_held(c);
	free(t);
}

/* --- the event --- */

/* What may be shown of a protocol's name: the words that are registered, and what reads like them. */
static bool is_plain(struct span name)
{
	if (!name.len || name.len > PROTOCOL_SHOWN_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char ch = name.ptr[i];
		if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
		      ch == '.' || ch == '-' || ch == '/' || ch == '_'))
			return false;
	}
	return true;
}

static struct event *event_of(struct capture *c, const struct connection *conn, const struct tls_hello *h)
{
	char name[NAME_SHOWN_MAX], ja3[TLS_JA3_TEXT_MAX], ja4[TLS_JA4_TEXT_MAX];
	struct span protocols = {(const char *)h->alpn, h->alpn_len}, protocol;
	struct event_tls known = {
		.server_name = {name, redact_server_name(c->parts.redact, (struct span){h->name, h->name_len},
							 name, sizeof name)}};

	if (tls_ja3(c->tls_prints, h, ja3))
		known.ja3 = span_from(ja3);
	if (tls_ja4(c->tls_prints, h, ja4))
		known.ja4 = span_from(ja4);
	struct event *e = event_new(EVENT_TLS_HELLO, EVENT_TLS_ROOM(&known) + h->alpn_len);
	if (!e)
		return NULL;
	e->time_ns = c->time_ns;
	e->wall_ns = capture_wall(c, c->time_ns);
	e->flow = conn->flow;
	e->hello = (struct event_hello){.tls = event_tls_copy(e, &known),
					.offered = tls_hello_offered(h),
					.deviations = h->deviations,
					.size = h->size,
					.records = h->records};
	while (e->hello.alpn_count < EVENT_ALPN_MAX && tls_alpn_next(&protocols, &protocol)) {
		if (is_plain(protocol))
			e->hello.alpn[e->hello.alpn_count++] = event_tail_copy(e, protocol);
	}
	return e;
}

/* The event goes; version 0: it was not told. */
static void tell(struct capture *c, struct tls_client *t, uint16_t version)
{
	struct event *e = t->event;

	e->hello.tls.version = version;
	COUNT(c, tls.hellos, 1);
	if (e->hello.deviations)
		COUNT(c, tls.deviating, 1);
	if (version)
		COUNT(c, tls.versions, 1);
	t->conn->hello = event_ref(e);
	waits_take(c, t);
	client_free(c, t);
	capture_emit(c, e);
}

/* --- bytes --- */

static void count_unread(struct capture *c, enum tls_hello_result r)
{
	if (r == TLS_HELLO_BROKEN)
		COUNT(c, tls.broken, 1);
	else if (r == TLS_HELLO_TOO_LONG)
		COUNT(c, tls.too_long, 1);
}

/* Takes the bytes of the hello off *bytes. False: none can be read here, and t is gone. */
static bool read_hello(struct capture *c, struct tls_client *t, struct span *bytes)
{
	size_t used;
	enum tls_hello_result r = tls_hello_feed(&t->hello, *bytes, &used);

	*bytes = (struct span){bytes->ptr + used, bytes->len - used};
	if (r == TLS_HELLO_MORE)
		return true;
	if (r == TLS_HELLO_WHOLE) {
		t->event = event_of(c, t->conn, &t->hello);
		COUNT(c, events_lost, t->event == NULL);
	}
	count_unread(c, r);
	if (!t->event) {
		client_free(c, t);
		return false;
	}
	t->since_ns = c->time_ns;
	t->flight = (struct tls_flight){.offered = tls_hello_offered(&t->hello),
					.early_data = t->hello.early_data,
					.record_left = t->hello.record_left};
	waits_add(c, t);
	return true;
}

/* Bytes are missing, or nothing more comes: what is there is told. */
static void give_up(struct capture *c, struct tls_client *t)
{
	if (t->event) {
		tell(c, t, 0);
		return;
	}
	COUNT(c, tls.cut, 1);
	client_free(c, t);
}

bool capture_on_tls(void *arg, struct stream *s, struct span bytes)
{
	struct capture *c = arg;
	struct connection *conn = c->current;
	struct tls_client *t = conn->tls;
	uint16_t version;

	(void)s;
	if (!bytes.len) {
		if (t)
			give_up(c, t);
		return false;
	}
	if (!t) /* its event may have gone by the server's word, or by time */
		t = conn->hello ? NULL : client_new(c, conn);
	if (!t || (!t->event && !read_hello(c, t, &bytes)))
		return false;
	if (!t->event || tls_flight_feed(&t->flight, bytes, &version) == TLS_VERSION_MORE)
		return true;
	tell(c, t, version);
	return false;
}

void capture_tls_answer(struct capture *c, struct connection *conn, bool missing, struct span bytes)
{
	struct tls_client *t = conn->tls;
	uint16_t version;

	/* Where the server's bytes do not tell, the client's may. */
	t->answer_done |= missing;
	if (!t->event || t->answer_done)
		return;
	if (tls_answer_feed(&t->answer, bytes, &version) == TLS_VERSION_MORE)
		return;
	t->answer_done = true;
	if (version)
		tell(c, t, version);
}

/* --- time --- */

void capture_tls_end(struct capture *c, struct connection *conn)
{
	if (conn->tls)
		give_up(c, conn->tls);
}

void capture_tls_tick(struct capture *c, uint64_t now_ns)
{
	while (c->tls_first && (now_ns == UINT64_MAX ||
				(c->tls_wait_ns && now_ns >= c->tls_first->since_ns + c->tls_wait_ns)))
		tell(c, c->tls_first, 0);
}
