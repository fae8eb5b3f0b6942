// SPDX-License-Identifier: Apache-2.0
/*
 * event_json.c: writes events as JSON, one pass, append only. Keys are string constants with their quotes,
 * colon and comma already in place, so that a key costs one copy. What is not known is left out; there are no
 * nulls.
 *
 * 64-bit times, durations and ids are strings, because many readers hold numbers as doubles. Every key is
 * described in docs/events.md and docs/schema/event.schema.json.
 */
#include "lib/event_json.h"
#include <stddef.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/util.h"

/* Inline, so that the copy is a few moves of a length that is known: an event has thirty keys. */
static inline __attribute__((always_inline)) void key_append(struct json_writer *w, const char *key,
							     size_t len)
{
	struct buffer *b = w->out;

	if (__builtin_expect(b->truncated || b->size - b->len < len, 0)) {
		buffer_append(b, key + !w->comma, len - !w->comma);
	} else if (w->comma) {
		memcpy(b->data + b->len, key, len);
		b->len += len;
	} else {
		memcpy(b->data + b->len, key + 1, len - 1);
		b->len += len - 1;
	}
	w->comma = false;
}
#define KEY(w, name) key_append((w), ",\"" name "\":", sizeof(",\"" name "\":") - 1)

#define PUT_SPAN(w, name, value)                   \
	do {                                       \
		if ((value).len) {                 \
			KEY(w, name);              \
			json_string((w), (value)); \
		}                                  \
	} while (0)

#define PUT_TEXT(w, name, value)                 \
	do {                                     \
		if ((value)[0]) {                \
			KEY(w, name);            \
			json_text((w), (value)); \
		}                                \
	} while (0)

#define PUT_UINT(w, name, value)         \
	do {                             \
		KEY(w, name);            \
		json_uint((w), (value)); \
	} while (0)

#define PUT_UINT_STRING(w, name, value)         \
	do {                                    \
		KEY(w, name);                   \
		json_uint_string((w), (value)); \
	} while (0)

#define PUT_ENDPOINT(w, name, endpoint)                              \
	do {                                                         \
		if ((endpoint)->addr.family != ADDR_NONE) {          \
			KEY(w, name ".address");                     \
			put_address((w), &(endpoint)->addr);         \
		}                                                    \
		if ((endpoint)->port)                                \
			PUT_UINT(w, name ".port", (endpoint)->port); \
	} while (0)

/* inet_ntop formats an IPv4 address through snprintf, and an event has up to three: these few lines save half
 * its time. */
static char *put_octet(char *at, uint8_t v)
{
	if (v >= 100)
		*at++ = (char)('0' + v / 100);
	if (v >= 10)
		*at++ = (char)('0' + v / 10 % 10);
	*at++ = (char)('0' + v % 10);
	return at;
}

static void put_address(struct json_writer *w, const struct addr *a)
{
	char text[ADDR_TEXT_MAX + 2];
	char *at = text;

	if (a->family != ADDR_IPV4) {
		json_text(w, addr_format(a, text));
		return;
	}
	*at++ = '"';
	for (int i = 0; i < 4; i++) {
		at = put_octet(at, a->bytes[i]);
		*at++ = i < 3 ? '.' : '"';
	}
	json_raw(w, (struct span){text, (size_t)(at - text)});
}

/* Names of the bits set in `bits`, lowest first. */
static void put_bits(struct json_writer *w, uint32_t bits, const char *const *names, unsigned count)
{
	json_array_begin(w);
	for (unsigned i = 0; i < count; i++) {
		if (bits >> i & 1)
			json_text(w, names[i]);
	}
	json_array_end(w);
}

/* --- http.request --- */

/* The methods that OpenTelemetry's conventions know: RFC 9110 and PATCH. Methods are case-sensitive. */
static bool method_known(struct span method)
{
	static const struct span known[] = {
		SPAN("GET"),     SPAN("POST"),  SPAN("PUT"),     SPAN("DELETE"), SPAN("HEAD"),
		SPAN("OPTIONS"), SPAN("PATCH"), SPAN("CONNECT"), SPAN("TRACE"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (span_equal(method, known[i]))
			return true;
	}
	return false;
}

static void put_method(struct json_writer *w, struct span method)
{
	KEY(w, "http.request.method");
	if (method_known(method)) {
		json_string(w, method);
		return;
	}
	json_text(w, "_OTHER");
	KEY(w, "http.request.method_original");
	json_string(w, method);
}

/* A name that was sent twice is one key with two values: JSON objects must not hold a key twice. */
static void put_headers(struct json_writer *w, const struct event_request *r)
{
	for (unsigned i = 0; i < r->header_count; i++) {
		struct span name = r->headers[i].name;
		bool seen = false;

		for (unsigned k = 0; k < i && !seen; k++)
			seen = span_equal(r->headers[k].name, name);
		if (seen)
			continue;
		json_key_span(w, "http.request.header.", name);
		json_array_begin(w);
		for (unsigned k = i; k < r->header_count; k++) {
			if (span_equal(r->headers[k].name, name))
				json_string(w, r->headers[k].value);
		}
		json_array_end(w);
	}
}

static void put_deviations(struct json_writer *w, uint32_t deviations)
{
	KEY(w, "picket.deviations");
	json_array_begin(w);
	for (unsigned i = 0; i < HTTP_DEV_BITS; i++) {
		if (deviations >> i & 1)
			json_text(w, http_deviation_name((enum http_deviation)(1u << i)));
	}
	json_array_end(w);
}

static void put_version(struct json_writer *w, unsigned major, unsigned minor)
{
	char text[24];

	KEY(w, "network.protocol.version");
	if (major > 9 || minor > 9) {
		snprintf(text, sizeof text, "%u.%u", major, minor);
		json_text(w, text);
		return;
	}
	char raw[5] = {'"', (char)('0' + major), '.', (char)('0' + minor), '"'};
	json_raw(w, (struct span){raw, sizeof raw});
}

static void put_answer(struct json_writer *w, const struct event_request *r)
{
	if (!(r->answered & EVENT_ANSWER_SEEN))
		return;
	PUT_UINT(w, "http.response.status_code", r->status);
	if (r->answered & EVENT_ANSWER_BODY)
		PUT_UINT(w, "http.response.body.size", r->response_bytes);
	if (r->answered & EVENT_ANSWER_SIZE)
		PUT_UINT(w, "http.response.size", r->response_size);
	PUT_UINT_STRING(w, "picket.http.latency_ns", r->latency_ns);
}

static void put_client(struct json_writer *w, const struct event_request *r)
{
	KEY(w, "picket.client.source");
	json_text(w, client_source_name((enum client_source)r->client_source));
	if (r->client_flags) {
		KEY(w, "picket.client.flags");
		json_array_begin(w);
		for (unsigned i = 0; i < CLIENT_FLAG_BITS; i++) {
			if (r->client_flags >> i & 1)
				json_text(w, client_flag_name((enum client_flag)(1u << i)));
		}
		json_array_end(w);
	}
	if (r->client_connection_id)
		PUT_UINT_STRING(w, "picket.client.connection.id", r->client_connection_id);
}

/* Lists of the same length, the strongest first. */
static void put_signatures(struct json_writer *w, const struct event_request *r)
{
	static const struct {
		const char *key;
		size_t offset;
	} lists[] = {{"picket.signature.id", offsetof(struct event_signature, id)},
		     {"picket.signature.category", offsetof(struct event_signature, category)},
		     {"picket.signature.severity", offsetof(struct event_signature, severity)},
		     {"picket.signature.where", offsetof(struct event_signature, where)},
		     {"picket.signature.match", offsetof(struct event_signature, match)}};

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		json_key(w, lists[k].key);
		json_array_begin(w);
		for (unsigned i = 0; i < r->signature_count; i++) {
			struct span text;
			memcpy(&text, (const char *)&r->signatures[i] + lists[k].offset, sizeof text);
			json_string(w, text);
		}
		json_array_end(w);
	}
	PUT_UINT(w, "picket.signature.score", r->marks.score);
}

static void put_tls(struct json_writer *w, const struct event_tls *t)
{
	const char *version = event_tls_version(t->version);

	PUT_SPAN(w, "tls.client.server_name", t->server_name);
	PUT_SPAN(w, "tls.client.ja3", t->ja3);
	PUT_SPAN(w, "tls.client.ja4", t->ja4);
	if (!version)
		return;
	KEY(w, "tls.protocol.name");
	json_text(w, t->version == 0x0300 ? "ssl" : "tls");
	KEY(w, "tls.protocol.version");
	json_text(w, version);
}

static void put_request(struct json_writer *w, const struct event *e)
{
	const struct event_request *r = &e->request;

	PUT_SPAN(w, "server.address", r->host);
	put_method(w, r->method);
	KEY(w, "url.original");
	json_string(w, r->target);
	KEY(w, "url.path");
	json_string(w, r->path);
	PUT_SPAN(w, "http.route", r->route);
	PUT_SPAN(w, "process.executable.name", r->process_name);
	PUT_SPAN(w, "container.id", r->container);
	if (r->documented) {
		KEY(w, "picket.route.documented");
		json_bool(w, r->documented == 1);
	}
	KEY(w, "network.protocol.name");
	json_text(w, "http");
	put_version(w, r->version_major, r->version_minor);
	put_headers(w, r);
	if (r->body == HTTP_BODY_LENGTH)
		PUT_UINT(w, "http.request.body.size", r->content_length);
	PUT_SPAN(w, "user_agent.original", r->user_agent);
	PUT_SPAN(w, "picket.consumer", r->consumer);
	PUT_SPAN(w, "picket.consumer_previous", r->consumer_previous);
	if (r->deviations)
		put_deviations(w, r->deviations);
	if (r->signature_count)
		put_signatures(w, r);
	if (r->signatures_unfinished) {
		KEY(w, "picket.signature.unfinished");
		json_bool(w, true);
	}
	put_client(w, r);
	if (r->tls)
		put_tls(w, r->tls);
	PUT_UINT(w, "picket.request.index", r->stream_index);
	put_answer(w, r);
	if (r->forwarded) {
		KEY(w, "picket.request.forwarded");
		json_bool(w, true);
	}
	if (r->truncated) {
		KEY(w, "picket.request.truncated");
		json_bool(w, true);
	}
	if (r->test) {
		KEY(w, "picket.test");
		json_bool(w, true);
	}
}

/* --- the other kinds --- */

static void put_connection(struct json_writer *w, const struct event *e)
{
	const struct event_connection *c = &e->connection;

	PUT_UINT_STRING(w, "picket.connection.duration_ns", c->duration_ns);
	PUT_UINT(w, "picket.connection.bytes_received", c->bytes_received);
	PUT_UINT(w, "picket.connection.bytes_sent", c->bytes_sent);
	PUT_UINT(w, "picket.connection.rtt_us", c->rtt_us);
	PUT_UINT(w, "picket.connection.retransmits", c->retransmits);
	PUT_UINT(w, "picket.connection.requests", c->requests);
	PUT_UINT(w, "picket.connection.gaps", c->gaps);
	KEY(w, "picket.connection.complete");
	json_bool(w, c->complete);
	put_tls(w, &c->tls);
}

static void put_hello(struct json_writer *w, const struct event *e)
{
	const struct event_hello *h = &e->hello;
	const char *offered = event_tls_version(h->offered);

	put_tls(w, &h->tls);
	if (offered) {
		KEY(w, "picket.tls.version_offered");
		json_text(w, offered);
	}
	if (h->alpn_count) {
		KEY(w, "picket.tls.alpn");
		json_array_begin(w);
		for (unsigned i = 0; i < h->alpn_count; i++)
			json_string(w, h->alpn[i]);
		json_array_end(w);
	}
	PUT_UINT(w, "picket.tls.hello_size", h->size);
	PUT_UINT(w, "picket.tls.hello_records", h->records);
	if (!h->deviations)
		return;
	KEY(w, "picket.tls.deviations");
	json_array_begin(w);
	for (unsigned i = 0; i < TLS_DEV_BITS; i++) {
		if (h->deviations >> i & 1)
			json_text(w, tls_deviation_name((enum tls_deviation)(1u << i)));
	}
	json_array_end(w);
}

/* By bit number. lib knows no kernel half: a unit test holds these tables against bpf/abi.h. */
static const char *const tcp_flag_names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS"};
static const char *const header_why_names[] = {"syn", "fin", "rst", "malformed", "odd", "sample", "denied"};
static const char *const hook_names[] = {NULL, "xdp", "tc", "kprobe"};

static void put_tcp_header(struct json_writer *w, const struct event *e)
{
	const struct event_tcp_header *h = &e->tcp_header;

	PUT_UINT(w, "tcp.header.source_port", h->source_port);
	PUT_UINT(w, "tcp.header.destination_port", h->destination_port);
	PUT_UINT(w, "tcp.header.sequence", h->sequence);
	PUT_UINT(w, "tcp.header.acknowledgment", h->acknowledgment);
	PUT_UINT(w, "tcp.header.header_length", h->header_length);
	PUT_UINT(w, "tcp.header.flags", h->flags);
	KEY(w, "tcp.header.flag_names");
	put_bits(w, h->flags, tcp_flag_names, ARRAY_SIZE(tcp_flag_names));
	PUT_UINT(w, "tcp.header.window", h->window);
	PUT_UINT(w, "picket.packet.ttl", h->ttl);
	PUT_UINT(w, "picket.packet.payload_length", h->payload_len);
	if (h->ifindex)
		PUT_UINT(w, "picket.packet.interface", h->ifindex);
	if (h->hook && h->hook < ARRAY_SIZE(hook_names)) {
		KEY(w, "picket.hook");
		json_text(w, hook_names[h->hook]);
	}
	KEY(w, "picket.why");
	put_bits(w, h->why, header_why_names, ARRAY_SIZE(header_why_names));
}

static void put_tcp_anomaly(struct json_writer *w, const struct event *e)
{
	KEY(w, "tcp.anomaly.name");
	json_string(w, e->anomaly.name);
	PUT_SPAN(w, "tcp.anomaly.severity", e->anomaly.severity);
}

static void put_http_anomaly(struct json_writer *w, const struct event *e)
{
	KEY(w, "http.anomaly.name");
	json_string(w, e->anomaly.name);
	PUT_SPAN(w, "picket.request.id", e->anomaly.request_id);
	KEY(w, "picket.client.source");
	json_text(w, client_source_name((enum client_source)e->anomaly.client_source));
	if (!e->anomaly.rule_count)
		return;
	KEY(w, "picket.second_opinion.rules");
	json_array_begin(w);
	for (unsigned i = 0; i < e->anomaly.rule_count; i++)
		json_uint(w, e->anomaly.rules[i]);
	json_array_end(w);
}

static void put_loss(struct json_writer *w, const struct event *e)
{
	KEY(w, "picket.loss.stage");
	json_string(w, e->loss.stage);
	KEY(w, "picket.loss.kind");
	json_string(w, e->loss.kind);
	if (e->loss.count)
		PUT_UINT(w, "picket.loss.count", e->loss.count);
	PUT_SPAN(w, "picket.loss.source", e->loss.source);
	PUT_SPAN(w, "picket.loss.run", e->loss.run);
	PUT_SPAN(w, "picket.loss.gateway", e->loss.gateway);
	if (e->loss.since_ns)
		PUT_UINT_STRING(w, "picket.loss.since_unix_nano", e->loss.since_ns);
}

static void put_decision_verdict(struct json_writer *w, const struct verdict *v)
{
	char text[PREFIX_TEXT_MAX];

	PUT_TEXT(w, "picket.decision.id", v->id);
	if (v->action) {
		KEY(w, "picket.decision.action");
		json_text(w, verdict_action_name(v->action));
	}
	if (v->target.addr.family != ADDR_NONE) {
		KEY(w, "picket.decision.target");
		json_text(w, prefix_format(&v->target, text));
	}
	if (v->scope) {
		KEY(w, "picket.decision.scope");
		json_text(w, v->scope == VERDICT_SCOPE_HOST ? "host" : "ports");
	}
	if (v->ttl_ms) {
		KEY(w, "picket.decision.ttl_s");
		if (v->ttl_ms % 1000)
			json_double(w, (double)v->ttl_ms / 1000);
		else
			json_uint(w, v->ttl_ms / 1000);
	}
	KEY(w, "picket.decision.source");
	json_text(w, verdict_source_name(v->source));
	PUT_TEXT(w, "picket.decision.origin", v->origin);
	KEY(w, "picket.decision.confidence");
	json_double(w, v->confidence);
	PUT_TEXT(w, "picket.decision.reason", v->reason);
	if (v->model.name[0] || v->model.prompt[0]) {
		PUT_TEXT(w, "picket.decision.model", v->model.name);
		PUT_TEXT(w, "picket.decision.prompt", v->model.prompt);
		PUT_UINT(w, "picket.decision.tokens", v->model.tokens);
		PUT_UINT(w, "picket.decision.answer_ms", v->model.latency_ms);
	}
	if (v->evidence_count) {
		KEY(w, "picket.decision.evidence");
		json_array_begin(w);
		for (unsigned i = 0; i < v->evidence_count && i < VERDICT_EVIDENCE_MAX; i++)
			json_text(w, v->evidence[i]);
		json_array_end(w);
	}
}

/* Boot-clock stamps are only good for differences, so the two differences that people ask for are there as
 * well. */
static void put_decision_times(struct json_writer *w, const struct event_decision *d)
{
	const struct verdict *v = &d->verdict;

	if (v->cause_ns)
		PUT_UINT_STRING(w, "picket.decision.cause_boot_ns", v->cause_ns);
	if (v->received_ns)
		PUT_UINT_STRING(w, "picket.decision.received_boot_ns", v->received_ns);
	if (!d->installed_ns)
		return;
	PUT_UINT_STRING(w, "picket.decision.installed_boot_ns", d->installed_ns);
	if (v->received_ns && d->installed_ns >= v->received_ns)
		PUT_UINT(w, "picket.decision.verdict_to_installed_us",
			 (d->installed_ns - v->received_ns) / 1000);
	if (v->cause_ns && d->installed_ns >= v->cause_ns)
		PUT_UINT(w, "picket.decision.request_to_installed_us",
			 (d->installed_ns - v->cause_ns) / 1000);
}

static void put_decision(struct json_writer *w, const struct event *e)
{
	const struct event_decision *d = &e->decision;

	put_decision_verdict(w, &d->verdict);
	KEY(w, "picket.decision.outcome");
	json_text(w, decision_outcome_name(d->outcome));
	PUT_SPAN(w, "picket.decision.why", d->why);
	PUT_SPAN(w, "picket.decision.detail", d->detail);
	PUT_SPAN(w, "picket.decision.point", d->point);
	if (d->outcome == DECISION_BLOCKED)
		PUT_UINT(w, "picket.decision.connections_closed", d->closed);
	put_decision_times(w, d);
}

/* --- all kinds --- */

static void put_flow(struct json_writer *w, const struct event *e)
{
	const struct flow *f = &e->flow;
	const struct endpoint *client = event_client(e);

	PUT_ENDPOINT(w, "network.peer", &f->peer);
	PUT_ENDPOINT(w, "network.local", &f->local);
	PUT_ENDPOINT(w, "client", client ? client : &f->peer);
	if (f->local.port)
		PUT_UINT(w, "server.port", f->local.port);
	if (f->connection_id)
		PUT_UINT_STRING(w, "picket.connection.id", f->connection_id);
	if (f->pid)
		PUT_UINT(w, "picket.process.pid", f->pid);
}

static void put_data(struct json_writer *w, const struct event *e, struct span id)
{
	static void (*const put[EVENT_KIND_MAX])(struct json_writer *, const struct event *) = {
		[EVENT_HTTP_REQUEST] = put_request,      [EVENT_CONNECTION] = put_connection,
		[EVENT_TCP_HEADER] = put_tcp_header,     [EVENT_TCP_ANOMALY] = put_tcp_anomaly,
		[EVENT_HTTP_ANOMALY] = put_http_anomaly, [EVENT_LOSS] = put_loss,
		[EVENT_DECISION] = put_decision,         [EVENT_TLS_HELLO] = put_hello,
	};

	json_object_begin(w);
	KEY(w, "event.name");
	json_text(w, event_kind_name(e->kind));
	KEY(w, "picket.event.id");
	json_string(w, id);
	PUT_UINT_STRING(w, "time_unix_nano", e->wall_ns);
	put_flow(w, e);
	if (e->kind > 0 && e->kind < EVENT_KIND_MAX)
		put[e->kind](w, e);
	json_object_end(w);
}

void event_json_data(struct json_writer *w, const struct event *e)
{
	char id[EVENT_ID_TEXT_MAX];

	put_data(w, e, span_from(event_id_format(e, id)));
}

/* "dev.picket." event.name ".v1" */
static const char *const types[EVENT_KIND_MAX] = {
	[EVENT_HTTP_REQUEST] = "dev.picket.http.request.v1",
	[EVENT_CONNECTION] = "dev.picket.net.connection.v1",
	[EVENT_TCP_HEADER] = "dev.picket.tcp.header.v1",
	[EVENT_TCP_ANOMALY] = "dev.picket.tcp.anomaly.v1",
	[EVENT_HTTP_ANOMALY] = "dev.picket.http.anomaly.v1",
	[EVENT_LOSS] = "dev.picket.picket.loss.v1",
	[EVENT_DECISION] = "dev.picket.picket.decision.v1",
	[EVENT_TLS_HELLO] = "dev.picket.tls.client_hello.v1",
};

void event_json_cloudevent(struct json_writer *w, const struct event *e, const char *source)
{
	char id_text[EVENT_ID_TEXT_MAX], time[CLOCK_TEXT_MAX];
	struct span id = span_from(event_id_format(e, id_text));

	json_object_begin(w);
	KEY(w, "specversion");
	json_text(w, "1.0");
	KEY(w, "id");
	json_string(w, id);
	KEY(w, "source");
	json_text(w, source);
	KEY(w, "type");
	json_text(w, e->kind > 0 && e->kind < EVENT_KIND_MAX ? types[e->kind] : "dev.picket.unknown.v1");
	KEY(w, "time");
	json_text(w, clock_format(e->wall_ns, time));
	KEY(w, "datacontenttype");
	json_text(w, "application/json");
	KEY(w, "data");
	put_data(w, e, id);
	json_object_end(w);
}
