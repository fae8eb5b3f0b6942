// SPDX-License-Identifier: Apache-2.0
#include "event_samples.h"
#include <stdio.h>

#define TAIL 2048

static struct endpoint endpoint(const char *text, uint16_t port)
{
	struct endpoint e = {.port = port};

	addr_parse(span_from(text), &e.addr);
	return e;
}

static struct span text(struct event *e, const char *s)
{
	return event_tail_copy(e, span_from(s));
}

static void header(struct event *e, unsigned i, const char *name, const char *value)
{
	e->request.headers[i] = (struct event_header){text(e, name), text(e, value)};
}

static struct event_tls tls(struct event *e)
{
	return (struct event_tls){
		.server_name = text(e, "api.example"),
		.ja3 = text(e, "0123456789abcdef0123456789abcdef"),
		.ja4 = text(e, "t13d1516h2_8daaf6152771_e5627efa2ab1"),
		.version = 0x0304,
	};
}

static void fill_request(struct event *e)
{
	struct event_request *r = &e->request;

	*r = (struct event_request){
		.method = text(e, "BREW"),
		.target = text(e, "/api/v1/users/7?q=&\"\\\x01\xff"),
		.path = text(e, "/api/v1/users/7"),
		.client = endpoint("2001:db8::7", 40000),
		.headers = event_tail_alloc(e, 4 * sizeof(struct event_header)),
		.header_count = 4,
		.host = text(e, "api.example"),
		.consumer = text(e, "c_0011223344556677"),
		.user_agent = text(e, "curl/8.0"),
		.route = SPAN("/api/v1/users/{id}"),
		.documented = 2,
		.version_major = 1,
		.version_minor = 1,
		.body = HTTP_BODY_LENGTH,
		.content_length = INT64_MAX,
		.deviations = (1u << HTTP_DEV_BITS) - 1,
		.stream_index = 3,
		.forwarded = 1,
		.truncated = 1,
		.test = 1,
		.client_source = CLIENT_BY_X_FORWARDED_FOR,
		.client_flags = (1u << CLIENT_FLAG_BITS) - 1,
		.client_connection_id = UINT64_MAX,
		.answered = EVENT_ANSWER_SEEN | EVENT_ANSWER_BODY | EVENT_ANSWER_SIZE,
		.status = 418,
		.latency_ns = UINT64_MAX,
		.response_bytes = 12,
		.response_size = INT64_MAX,
	};
	const struct event_tls known = tls(e);
	e->request.tls = event_tls_put(e, &known);
	e->request.signatures = event_tail_alloc(e, 2 * sizeof(struct event_signature));
	e->request.signatures[0] =
		(struct event_signature){text(e, "sql-union"), text(e, "sqli"), text(e, "critical"),
					 text(e, "query"), text(e, "union select {text}")};
	e->request.signatures[1] = (struct event_signature){text(e, "sql-lone-quote"), text(e, "sqli"),
							    text(e, "medium"), text(e, "path"), text(e, "'")};
	e->request.signature_count = 2;
	e->request.marks.score = 7;
	header(e, 0, "host", "api.example:8080");
	header(e, 1, "x-forwarded-for", "2001:db8::7");
	header(e, 2, "user-agent", "curl/8.0");
	header(e, 3, "x-forwarded-for", "192.0.2.1");
}

static void fill_verdict(struct verdict *v)
{
	*v = (struct verdict){
		.source = VERDICT_GATEWAY,
		.action = VERDICT_BLOCK,
		.scope = VERDICT_SCOPE_PORTS,
		.ttl_ms = 900000,
		.confidence = 0.97,
		.evidence_count = 2,
		.received_ns = 2000000000,
		.cause_ns = 1000000000,
	};
	prefix_parse(SPAN("192.0.2.0/24"), &v->target);
	snprintf(v->id, sizeof v->id, "v-1");
	snprintf(v->origin, sizeof v->origin, "main");
	snprintf(v->reason, sizeof v->reason, "12 logins in 9 s");
	snprintf(v->evidence[0], sizeof v->evidence[0], "0011223344556677-1");
	snprintf(v->evidence[1], sizeof v->evidence[1], "0011223344556677-2");
}

struct event *event_sample_full(enum event_kind kind)
{
	struct event *e = event_new(kind, TAIL);

	if (!e)
		return NULL;
	e->time_ns = 5000000000;
	e->wall_ns = 1795557610123456789;
	e->flow = (struct flow){
		.connection_id = 18446744073709551615u,
		.netns = 4026531840,
		.peer = endpoint("198.51.100.200", 51234),
		.local = endpoint("203.0.113.10", 8080),
		.pid = 4711,
	};
	switch (kind) {
	case EVENT_HTTP_REQUEST:
		fill_request(e);
		break;
	case EVENT_CONNECTION:
		e->connection = (struct event_connection){
			.duration_ns = 9876543210,
			.bytes_received = 5000000000,
			.bytes_sent = 7,
			.rtt_us = 250,
			.retransmits = 1,
			.requests = 12,
			.gaps = 2,
			.complete = 1,
			.tls = tls(e),
		};
		break;
	case EVENT_TCP_HEADER:
		e->tcp_header = (struct event_tcp_header){
			.source_port = 51234,
			.destination_port = 8080,
			.sequence = 4294967295,
			.acknowledgment = 1,
			.window = 65535,
			.flags = 0x1ff,
			.header_length = 60,
			.why = 0x7f,
			.hook = 1,
			.ttl = 64,
			.payload_len = 1460,
			.ifindex = 2,
		};
		break;
	case EVENT_TCP_ANOMALY:
		e->anomaly.name = text(e, "null_flags");
		break;
	case EVENT_HTTP_ANOMALY:
		e->anomaly.name = text(e, "bare_lf");
		e->anomaly.request_id = text(e, "0011223344556677-1");
		e->anomaly.client = endpoint("2001:db8::7", 0);
		e->anomaly.client_source = CLIENT_BY_FORWARDED;
		e->anomaly.rule_count = 2;
		e->anomaly.rules[0] = 942100;
		e->anomaly.rules[1] = 941160;
		break;
	case EVENT_LOSS:
		e->loss = (struct event_loss){.stage = text(e, "share"),
					      .kind = text(e, "data"),
					      .count = 17,
					      .source = text(e, "198.51.100.200"),
					      .since_ns = 1795557000000000000,
					      .run = text(e, "0f3c9a5be8d14c77"),
					      .gateway = text(e, "main")};
		break;
	case EVENT_DECISION:
		fill_verdict(&e->decision.verdict);
		e->decision.outcome = DECISION_BLOCKED;
		e->decision.why = text(e, "ok");
		e->decision.detail = text(e, "blocked in the kernel");
		e->decision.point = text(e, "kernel");
		e->decision.installed_ns = 2000123000;
		break;
	case EVENT_TLS_HELLO:
		e->hello = (struct event_hello){
			.tls = tls(e),
			.alpn = {text(e, "h2"), text(e, "http/1.1")},
			.alpn_count = 2,
			.offered = 0x7f1c,
			.deviations = (1u << TLS_DEV_BITS) - 1,
			.size = 1747,
			.records = 2,
		};
		break;
	case EVENT_KIND_MAX:
		break;
	}
	return e;
}

struct event *event_sample_minimal(enum event_kind kind)
{
	struct event *e = event_new(kind, TAIL);

	if (!e)
		return NULL;
	e->wall_ns = 1795557610000000000;
	if (kind != EVENT_LOSS && kind != EVENT_DECISION) {
		e->flow.peer = endpoint("2001:db8::1", 1);
		e->flow.local = endpoint("2001:db8::2", 80);
	}
	switch (kind) {
	case EVENT_HTTP_REQUEST:
		e->request.method = text(e, "GET");
		e->request.target = text(e, "/");
		e->request.path = text(e, "/");
		e->request.version_minor = 9;
		break;
	case EVENT_TCP_HEADER:
		e->tcp_header =
			(struct event_tcp_header){.source_port = 1, .destination_port = 80, .hook = 2};
		break;
	case EVENT_TCP_ANOMALY:
	case EVENT_HTTP_ANOMALY:
		e->anomaly.name = text(e, "x");
		break;
	case EVENT_LOSS:
		e->loss =
			(struct event_loss){.stage = text(e, "queue"), .kind = text(e, "event"), .count = 1};
		break;
	case EVENT_DECISION:
		e->decision.verdict.source = VERDICT_OPERATOR;
		e->decision.verdict.action = VERDICT_UNBLOCK;
		e->decision.verdict.confidence = 1;
		e->decision.outcome = DECISION_REFUSED;
		prefix_parse(SPAN("192.0.2.7"), &e->decision.verdict.target);
		break;
	case EVENT_TLS_HELLO:
		e->hello = (struct event_hello){
			.tls.version = 0x0300, .offered = 0x0300, .size = 43, .records = 1};
		break;
	case EVENT_CONNECTION:
	case EVENT_KIND_MAX:
		break;
	}
	return e;
}
