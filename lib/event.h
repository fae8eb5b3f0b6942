/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.h: what picket tells the world, one immutable, reference-counted object each. An event is redacted
 * when it is made: no byte of it may be kept from anyone. It is one allocation; its spans point into its own
 * tail.
 *
 * The JSON form (CloudEvents envelope, flat keys named by OpenTelemetry's semantic conventions) is
 * lib/event_json.h and docs/schema/.
 */
#ifndef PICKET_EVENT_H
#define PICKET_EVENT_H

#include <stdint.h>
#include "lib/addr.h"
#include "lib/http_request.h"
#include "lib/span.h"
#include "lib/verdict.h"

enum event_kind {
	EVENT_HTTP_REQUEST = 1, /* http.request */
	EVENT_CONNECTION = 2,   /* net.connection: one finished connection */
	EVENT_TCP_HEADER = 3,   /* tcp.header */
	EVENT_TCP_ANOMALY = 4,  /* tcp.anomaly */
	EVENT_HTTP_ANOMALY = 5, /* http.anomaly */
	EVENT_LOSS = 6,         /* picket.loss */
	EVENT_DECISION = 7,     /* picket.decision */
	EVENT_TLS_HELLO = 8,    /* tls.client_hello */
	EVENT_KIND_MAX = 9,
};
const char *event_kind_name(enum event_kind kind);            /* "http.request", ... */
int event_kind_parse(struct span name, enum event_kind *ret); /* 0 or 1 */

/* How the client of a request was found: picket.client.source. */
enum client_source {
	CLIENT_BY_PEER = 0, /* it is the peer, or nobody who is believed said otherwise */
	CLIENT_BY_PROXY_PROTOCOL,
	CLIENT_BY_X_FORWARDED_FOR,
	CLIENT_BY_FORWARDED,
	CLIENT_BY_X_REAL_IP,
	CLIENT_BY_HEADER,  /* another header of proxies.headers */
	CLIENT_BY_EARLIER, /* the request inside of whose body it stands */
	CLIENT_SOURCE_MAX,
};
const char *client_source_name(enum client_source source); /* "peer", "proxy_protocol", ... */

/* What made it uncertain: picket.client.flags. */
enum client_flag {
	CLIENT_FLAG_UNREADABLE_HOP = 1u << 0,   /* what a proxy was said to have written is no address */
	CLIENT_FLAG_HIDDEN_HOP = 1u << 1,       /* ... is "unknown", or an obfuscated name */
	CLIENT_FLAG_TOO_MANY_HOPS = 1u << 2,    /* more trusted hops than are looked at */
	CLIENT_FLAG_CONFLICT = 1u << 3,         /* another header names another client */
	CLIENT_FLAG_HEADERS_CUT = 1u << 4,      /* the head was too large, its headers are not believed */
	CLIENT_FLAG_BAD_PROXY_HEADER = 1u << 5, /* a trusted proxy's PROXY header that says nothing usable */
	CLIENT_FLAG_PROXY_HEADER_REFUSED = 1u << 6, /* a PROXY header of a peer that is not trusted */
	CLIENT_FLAG_UNCERTAIN =
		1u << 7, /* found behind a gap or inside a body: its headers are not believed */
};
#define CLIENT_FLAG_BITS 8
const char *client_flag_name(enum client_flag bit); /* "unreadable_hop", ... */

/*
 * What is known of a connection's TLS, by the hello of its client (sensor/tls_hello.h). All empty: nothing
 * is. In an event of a request: of the connection that the request came on, or of the client's own to a proxy
 * on this host (client_connection_id).
 */
struct event_tls {
	struct span server_name; /* SNI, lower case, redacted */
	struct span ja3, ja4;
	uint16_t version; /* that was agreed on, as on the wire (0x0303: TLS 1.2); 0: not known */
};

/* What was odd about a hello that could be read all the same: picket.tls.deviations. */
enum tls_deviation {
	TLS_DEV_SNI_INVALID = 1u << 0,    /* what it has for a server name is no host name */
	TLS_DEV_SNI_ADDRESS = 1u << 1,    /* ... but an address (RFC 6066 section 3 forbids it) */
	TLS_DEV_SNI_EMPTY = 1u << 2,      /* a list without a host name, or one without a byte */
	TLS_DEV_SNI_SEVERAL = 1u << 3,    /* several host names: the first counts */
	TLS_DEV_SNI_LONG = 1u << 4,       /* longer than any host name: not kept */
	TLS_DEV_TWICE = 1u << 5,          /* an extension stands there twice (RFC 8446 section 4.2) */
	TLS_DEV_RECORDS = 1u << 6,        /* in more records than its length needs */
	TLS_DEV_RECORD_VERSION = 1u << 7, /* its records' version is none that clients write */
	TLS_DEV_ALPN_INVALID = 1u << 8,   /* a list of protocols that is empty or has an empty name */
	TLS_DEV_NO_CIPHERS = 1u << 9,     /* an empty list of cipher suites */
	TLS_DEV_TRAILING = 1u << 10,      /* bytes behind its extensions, or behind a list in one of them */
};
#define TLS_DEV_BITS 11
const char *tls_deviation_name(enum tls_deviation bit); /* "sni_invalid", ... */

struct event_header {
	struct span name; /* lower case */
	struct span value;
};

/* A signature that the request matched: policies/signatures.h. */
struct event_signature {
	struct span id, category, severity; /* "sql-union", "sqli", "critical" */
	struct span where;                  /* "path", "query", "cookie", ... */
	struct span match;                  /* the part that matched, redacted */
};

/* Not shown: what of signatures rules ask for. */
#define EVENT_MARK_SEVERITIES 4
struct event_marks {
	uint16_t categories[EVENT_MARK_SEVERITIES]; /* by severity, low first: 1 << category */
	uint16_t score;                             /* low counts 1, medium 2, high 3, critical 5 */
};

/* Not shown: the rules that count this request by the status of its answer, and its path as a keyed hash. */
#define EVENT_PENDING_MAX 22
struct event_pending {
	uint64_t path;
	uint8_t rules[EVENT_PENDING_MAX];
	uint8_t count;
	uint8_t framed; /* the request may be a third party's doing */
};

struct event_request {
	struct span method;     /* as sent */
	struct span target;     /* url.original, redacted */
	struct span path;       /* url.path, redacted */
	struct endpoint client; /* who it really is; the peer unless a configured proxy said otherwise */
	struct event_header *headers; /* those the allow list lets through, in order of arrival */
	unsigned header_count;
	uint32_t route_id;             /* of policies/routes.h; 0: none */
	struct span host;              /* server.address: Host without port; empty if none */
	struct span consumer;          /* keyed hash of the credential, "c_..."; empty if none was sent */
	struct span consumer_previous; /* the same under the key before; empty but after a change of keys */
	struct span user_agent;
	/* http.route: a template ("/users/{id}"); empty if none is known. Not in the tail: it points to text
	 * that outlives all events of the process (policies/routes.h). */
	struct span route;
	/* Of the process that read it, "" = not known, or in no container (sensor/processes.h). */
	struct span process_name, container;
	const struct event_tls *tls; /* of its client, not of a proxy; in the tail. NULL: nothing is known.
				      * What a proxy tells of it (ja4_header) is its JA4 alone */
	struct event_signature *signatures; /* the strongest first */
	uint8_t signature_count;
	uint8_t signatures_unfinished; /* they were not all looked for, or not to the request's end */
	struct event_marks marks;
	uint8_t documented; /* in the OpenAPI file: 1 yes, 2 no; 0: there is no file */
	unsigned version_major, version_minor;
	enum http_body body;
	uint32_t deviations; /* enum http_deviation */
	uint64_t content_length;
	uint16_t stream_index; /* number of this request on its connection, from 0 */
	uint8_t forwarded;     /* carries X-Forwarded-For, Forwarded, Via or came after a PROXY header */
	uint8_t client_source; /* enum client_source */
	uint8_t client_behind; /* only its proxy's packets come here, not the client's own */
	uint16_t client_flags; /* enum client_flag */
	uint64_t client_connection_id; /* the client's own connection to a proxy on this host; 0: not known */
	uint8_t truncated;             /* a text of it was longer than an event keeps (REDACT_TEXT_MAX) */
	uint8_t test;                  /* made up, to try a gateway (forwarder/trial.h) */
	struct event_pending pending;  /* policies/detect.c's */
	uint8_t answered;              /* EVENT_ANSWER_*; 0: no answer was seen, the four below are 0 */
	uint16_t status;               /* of the final answer, or 101; never another 1xx */
	uint64_t latency_ns;           /* from time_ns to the answer's first byte; 0 if that came earlier */
	uint64_t response_bytes; /* of the answer's body, without chunks' framing, if EVENT_ANSWER_BODY */
	uint64_t response_size;  /* of all of the answer, head and body, if EVENT_ANSWER_SIZE */
};

/* What of an answer is known. */
#define EVENT_ANSWER_SEEN 0x01 /* status, latency_ns */
#define EVENT_ANSWER_BODY 0x02 /* ... and response_bytes */
#define EVENT_ANSWER_SIZE 0x04 /* ... and response_size */

struct event_connection {
	uint64_t duration_ns;
	uint64_t bytes_received, bytes_sent;
	uint32_t rtt_us, retransmits;
	uint32_t requests;
	uint32_t gaps;    /* ranges of the stream that were not seen */
	uint8_t complete; /* its beginning was seen */
	struct event_tls tls;
};

#define EVENT_ALPN_MAX 8

struct event_hello {
	struct event_tls tls;
	struct span alpn[EVENT_ALPN_MAX]; /* the protocols it offers, in its order; the first that many */
	uint16_t offered;                 /* the highest version it offers, as on the wire */
	uint16_t deviations;              /* enum tls_deviation */
	uint32_t size;                    /* bytes of the message, its header included */
	uint16_t records;                 /* in so many TLS records */
	uint8_t alpn_count;
};

struct event_tcp_header {
	uint16_t source_port, destination_port;
	uint32_t sequence, acknowledgment;
	uint16_t window, flags; /* flags: PK_TCP_* of bpf/abi.h */
	uint8_t header_length;
	uint8_t why;  /* PK_WHY_* */
	uint8_t hook; /* enum pk_hook */
	uint8_t ttl;
	uint16_t payload_len;
	uint32_t ifindex;
};

#define EVENT_ANOMALY_RULES 8
struct event_anomaly {
	struct span name; /* tcp.anomaly.name, http.anomaly.name */
	struct span
		severity; /* of a criterion of policies/packets.yaml: "low", "medium", "high"; else empty */
	struct span request_id; /* http: the event id of the request, else empty */
	struct endpoint client; /* http: as in the request; ADDR_NONE: the peer */
	uint8_t client_source;
	uint8_t rule_count; /* of second_opinion: rules of the rule set that alarmed */
	uint32_t rules[EVENT_ANOMALY_RULES];
};

struct event_loss {
	struct span stage;  /* "ring", "share", "stream", "queue", "gateway", "tail", "restart" */
	struct span kind;   /* what was lost: "data", "header", "event", "bytes" */
	uint64_t count;     /* 0: not known (restart) */
	struct span source; /* the source whose share it was, "" if none */
	/* restart: what was seen from since_ns (wall clock) on by the process of that run and was meant for
	 * that gateway may be missing */
	uint64_t since_ns;
	struct span run, gateway;
};

enum decision_outcome {
	DECISION_BLOCKED = 1,
	DECISION_WOULD_BLOCK = 2, /* mode observe */
	DECISION_PENDING = 3,     /* mode approve, or an unclassified proxy */
	DECISION_REFUSED = 4,
	DECISION_UNBLOCKED = 5,
	DECISION_EXPIRED = 6,
};
const char *decision_outcome_name(enum decision_outcome outcome); /* "blocked", "would_block", ... */

struct event_decision {
	struct verdict verdict;
	enum decision_outcome outcome;
	struct span why;       /* the guard's rule: "ok", "protected_network", "kill_switch", ... */
	struct span detail;    /* for people */
	struct span point;     /* "kernel" or "" */
	uint64_t installed_ns; /* boot clock: the deny map held it; 0 if not */
	uint32_t closed;       /* open connections that were ended */
};

struct event {
	unsigned refs; /* atomic; event_ref, event_unref */
	enum event_kind kind;
	uint64_t id;      /* unique in this run, rising: the CloudEvents id is "RUN-ID" */
	uint64_t time_ns; /* boot clock */
	uint64_t wall_ns;
	struct flow flow;
	size_t size;      /* of the allocation */
	size_t tail_used; /* event_tail_copy, event_tail_alloc */
	union {           /* only the kind's own member is allocated */
		struct event_request request;
		struct event_connection connection;
		struct event_tcp_header tcp_header;
		struct event_anomaly anomaly;
		struct event_loss loss;
		struct event_decision decision;
		struct event_hello hello;
	};
	/* tail: the bytes the spans point to */
};

/*
 * A new event with room for tail_len bytes of text; refs = 1, id assigned. Fill it through event_tail_copy
 * before anyone else sees it.
 */
struct event *event_new(enum event_kind kind, size_t tail_len);
/* Copies bytes into the tail and returns the span there. The sum of all copies must fit tail_len: else
 * abort(). */
struct span event_tail_copy(struct event *e, struct span bytes);
/* Zeroed, aligned to 8; count 8 extra bytes a call in tail_len. */
void *event_tail_alloc(struct event *e, size_t len);

struct event *event_ref(struct event *e);
void event_unref(struct event *e);

/* Id of this run, 16 hex digits, made at first use. A forked child is a run of its own. */
const char *event_run_id(void);
#define EVENT_ID_TEXT_MAX 40
/* "RUN-ID" text of an event. Returns buf. */
const char *event_id_format(const struct event *e, char buf[static EVENT_ID_TEXT_MAX]);
/* Whose doing it is: whom a trusted proxy named, else the peer. NULL: nobody's (losses, decisions). */
const struct endpoint *event_client(const struct event *e);

/* Copies what `from` has into the tail; EVENT_TLS_ROOM(from) bytes. */
struct event_tls event_tls_copy(struct event *e, const struct event_tls *from);
#define EVENT_TLS_ROOM(tls) ((tls)->server_name.len + (tls)->ja3.len + (tls)->ja4.len)
/* The same with the struct itself in the tail, as few requests have one; EVENT_TLS_PUT_ROOM(from) bytes. */
const struct event_tls *event_tls_put(struct event *e, const struct event_tls *from);
#define EVENT_TLS_PUT_ROOM(tls) (EVENT_TLS_ROOM(tls) + sizeof(struct event_tls) + 8)
/* "1.2", and "3" for SSL 3; NULL: no version that is known. Drafts of 1.3 are 1.3. */
const char *event_tls_version(uint16_t version);

/* Events known from other modules' facts. All return NULL only when memory is out. */
struct event *event_new_loss(const char *stage, const char *kind, uint64_t count, const char *source,
			     uint64_t time_ns, uint64_t wall_ns);
/* An earlier process ended at once: what it saw from since_ns on may be missing. */
struct event *event_new_gap(const char *gateway, const char *run, uint64_t since_ns, uint64_t time_ns,
			    uint64_t wall_ns);

#endif
