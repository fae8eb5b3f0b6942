// SPDX-License-Identifier: Apache-2.0
#include "lib/event.h"
#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "lib/util.h"

static const char *const kind_names[EVENT_KIND_MAX] = {
	[EVENT_HTTP_REQUEST] = "http.request", [EVENT_CONNECTION] = "net.connection",
	[EVENT_TCP_HEADER] = "tcp.header",     [EVENT_TCP_ANOMALY] = "tcp.anomaly",
	[EVENT_HTTP_ANOMALY] = "http.anomaly", [EVENT_LOSS] = "picket.loss",
	[EVENT_DECISION] = "picket.decision",  [EVENT_TLS_HELLO] = "tls.client_hello",
};

const char *event_kind_name(enum event_kind kind)
{
	return kind > 0 && kind < EVENT_KIND_MAX ? kind_names[kind] : "unknown";
}

int event_kind_parse(struct span name, enum event_kind *ret)
{
	for (unsigned k = 1; k < EVENT_KIND_MAX; k++) {
		if (span_equal(name, span_from(kind_names[k]))) {
			*ret = (enum event_kind)k;
			return 0;
		}
	}
	return 1;
}

const struct endpoint *event_client(const struct event *e)
{
	switch (e->kind) {
	case EVENT_HTTP_REQUEST:
		return e->request.client.addr.family != ADDR_NONE ? &e->request.client : &e->flow.peer;
	case EVENT_HTTP_ANOMALY:
		return e->anomaly.client.addr.family != ADDR_NONE ? &e->anomaly.client : &e->flow.peer;
	case EVENT_CONNECTION:
	case EVENT_TCP_HEADER:
	case EVENT_TCP_ANOMALY:
	case EVENT_TLS_HELLO:
		return &e->flow.peer;
	default:
		return NULL;
	}
}

const char *client_source_name(enum client_source source)
{
	static const char *const names[CLIENT_SOURCE_MAX] = {
		[CLIENT_BY_PEER] = "peer",
		[CLIENT_BY_PROXY_PROTOCOL] = "proxy_protocol",
		[CLIENT_BY_X_FORWARDED_FOR] = "x_forwarded_for",
		[CLIENT_BY_FORWARDED] = "forwarded",
		[CLIENT_BY_X_REAL_IP] = "x_real_ip",
		[CLIENT_BY_HEADER] = "header",
		[CLIENT_BY_EARLIER] = "earlier_request",
	};

	return (unsigned)source < CLIENT_SOURCE_MAX ? names[source] : "unknown";
}

const char *client_flag_name(enum client_flag bit)
{
	switch (bit) {
	case CLIENT_FLAG_UNREADABLE_HOP:
		return "unreadable_hop";
	case CLIENT_FLAG_HIDDEN_HOP:
		return "hidden_hop";
	case CLIENT_FLAG_TOO_MANY_HOPS:
		return "too_many_hops";
	case CLIENT_FLAG_CONFLICT:
		return "conflict";
	case CLIENT_FLAG_HEADERS_CUT:
		return "headers_cut";
	case CLIENT_FLAG_BAD_PROXY_HEADER:
		return "bad_proxy_header";
	case CLIENT_FLAG_PROXY_HEADER_REFUSED:
		return "proxy_header_refused";
	case CLIENT_FLAG_UNCERTAIN:
		return "uncertain";
	}
	return "unknown";
}

const char *tls_deviation_name(enum tls_deviation bit)
{
	static const char *const names[TLS_DEV_BITS] = {
		"sni_invalid",  "sni_address",     "sni_empty",      "sni_several",
		"sni_long",     "extension_twice", "records",        "record_version",
		"alpn_invalid", "no_ciphers",      "trailing_bytes",
	};

	for (unsigned i = 0; i < TLS_DEV_BITS; i++) {
		if (bit == 1u << i)
			return names[i];
	}
	return "unknown";
}

const char *event_tls_version(uint16_t version)
{
	switch (version) {
	case 0x0300:
		return "3";
	case 0x0301:
		return "1.0";
	case 0x0302:
		return "1.1";
	case 0x0303:
		return "1.2";
	case 0x0304:
		return "1.3";
	default:
		return version >> 8 == 0x7f ? "1.3" : NULL; /* its drafts, RFC 8446 section 4.2.1 of those */
	}
}

const char *decision_outcome_name(enum decision_outcome outcome)
{
	switch (outcome) {
	case DECISION_BLOCKED:
		return "blocked";
	case DECISION_WOULD_BLOCK:
		return "would_block";
	case DECISION_PENDING:
		return "pending";
	case DECISION_REFUSED:
		return "refused";
	case DECISION_UNBLOCKED:
		return "unblocked";
	case DECISION_EXPIRED:
		return "expired";
	}
	return "unknown";
}

/* --- identity --- */

static struct {
	pthread_once_t once;
	char run_id[17];
	uint64_t last_id;
} identity = {.once = PTHREAD_ONCE_INIT};

/* A forked child is a run of its own: a restarted sensor that went on with its parent's name would repeat
 * ids. */
static void identity_forget(void)
{
	identity.once = (pthread_once_t)PTHREAD_ONCE_INIT;
	identity.last_id = 0;
}

static void identity_make(void)
{
	static bool watching;
	uint64_t random;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random) {
		/* Early boot, or not allowed: unique enough on this host, and nothing secret hangs on it. */
		struct timespec t;
		clock_gettime(CLOCK_REALTIME, &t);
		random = ((uint64_t)t.tv_sec << 32) ^ (uint64_t)t.tv_nsec ^ ((uint64_t)getpid() << 48);
	}
	snprintf(identity.run_id, sizeof identity.run_id, "%016" PRIx64, random);
	if (!watching)
		watching = pthread_atfork(NULL, NULL, identity_forget) == 0;
}

const char *event_run_id(void)
{
	pthread_once(&identity.once, identity_make);
	return identity.run_id;
}

const char *event_id_format(const struct event *e, char buf[static EVENT_ID_TEXT_MAX])
{
	char digits[20], *first = digits + sizeof digits;
	uint64_t v = e->id;
	size_t run = sizeof identity.run_id - 1;

	do
		*--first = (char)('0' + v % 10);
	while (v /= 10);
	size_t len = (size_t)(digits + sizeof digits - first);
	memcpy(buf, event_run_id(), run);
	buf[run] = '-';
	memcpy(buf + run + 1, first, len);
	buf[run + 1 + len] = 0;
	return buf;
}

/* --- life --- */

/*
 * Of the union only the kind's own member is there: a request, of which there are many, is a seventh of a
 * decision, and every cache line of an event is a cold one.
 */
#define HEAD(member) ((offsetof(struct event, member) + sizeof(((struct event *)0)->member) + 7) & ~(size_t)7)
static const uint16_t head_size[EVENT_KIND_MAX] = {
	[EVENT_HTTP_REQUEST] = HEAD(request),  [EVENT_CONNECTION] = HEAD(connection),
	[EVENT_TCP_HEADER] = HEAD(tcp_header), [EVENT_TCP_ANOMALY] = HEAD(anomaly),
	[EVENT_HTTP_ANOMALY] = HEAD(anomaly),  [EVENT_LOSS] = HEAD(loss),
	[EVENT_DECISION] = HEAD(decision),     [EVENT_TLS_HELLO] = HEAD(hello),
};

struct event *event_new(enum event_kind kind, size_t tail_len)
{
	size_t head = head_size[kind];

	if (tail_len > SIZE_MAX - head)
		return NULL;
	struct event *e = malloc(head + tail_len);
	if (!e)
		return NULL;
	memset(e, 0, head);
	e->refs = 1;
	e->kind = kind;
	e->id = __atomic_add_fetch(&identity.last_id, 1, __ATOMIC_RELAXED);
	e->size = head + tail_len;
	return e;
}

static char *tail_take(struct event *e, size_t len)
{
	size_t head = head_size[e->kind], left = e->size - head - e->tail_used;

	/* Not an assert: outsiders' bytes come here, and a wrong sum must stop us in a release build too. */
	if (len > left) {
		fputs("picket: an event's tail is smaller than what is copied into it\n", stderr);
		abort();
	}
	char *at = (char *)e + head + e->tail_used;
	e->tail_used += len;
	return at;
}

struct span event_tail_copy(struct event *e, struct span bytes)
{
	char *at = tail_take(e, bytes.len);

	if (bytes.len)
		memcpy(at, bytes.ptr, bytes.len);
	return (struct span){at, bytes.len};
}

void *event_tail_alloc(struct event *e, size_t len)
{
	size_t pad = -e->tail_used & 7;

	tail_take(e, pad);
	void *at = tail_take(e, len);
	memset(at, 0, len);
	return at;
}

struct event_tls event_tls_copy(struct event *e, const struct event_tls *from)
{
	return (struct event_tls){
		.server_name = event_tail_copy(e, from->server_name),
		.ja3 = event_tail_copy(e, from->ja3),
		.ja4 = event_tail_copy(e, from->ja4),
		.version = from->version,
	};
}

const struct event_tls *event_tls_put(struct event *e, const struct event_tls *from)
{
	struct event_tls *to = event_tail_alloc(e, sizeof *to);

	*to = event_tls_copy(e, from);
	return to;
}

struct event *event_ref(struct event *e)
{
	__atomic_add_fetch(&e->refs, 1, __ATOMIC_RELAXED);
	return e;
}

void event_unref(struct event *e)
{
	/* Acquire: what the last holder's fellows wrote is seen before the memory goes. */
	if (e && __atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(e);
}

struct event *event_new_loss(const char *stage, const char *kind, uint64_t count, const char *source,
			     uint64_t time_ns, uint64_t wall_ns)
{
	struct span s = span_from(stage), k = span_from(kind), from = span_from(source);
	struct event *e = event_new(EVENT_LOSS, s.len + k.len + from.len);

	if (!e)
		return NULL;
	e->time_ns = time_ns;
	e->wall_ns = wall_ns;
	e->loss = (struct event_loss){
		.stage = event_tail_copy(e, s),
		.kind = event_tail_copy(e, k),
		.count = count,
		.source = event_tail_copy(e, from),
	};
	return e;
}

struct event *event_new_gap(const char *gateway, const char *run, uint64_t since_ns, uint64_t time_ns,
			    uint64_t wall_ns)
{
	static const struct span stage = SPAN("restart"), kind = SPAN("event");
	struct span g = span_from(gateway), of = span_from(run);
	struct event *e = event_new(EVENT_LOSS, stage.len + kind.len + g.len + of.len);

	if (!e)
		return NULL;
	e->time_ns = time_ns;
	e->wall_ns = wall_ns;
	e->loss = (struct event_loss){
		.stage = event_tail_copy(e, stage),
		.kind = event_tail_copy(e, kind),
		.since_ns = since_ns,
		.run = event_tail_copy(e, of),
		.gateway = event_tail_copy(e, g),
	};
	return e;
}
