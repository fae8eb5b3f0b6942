// SPDX-License-Identifier: Apache-2.0
/*
 * GET /v1/status: one look at the whole path, from attached programs to gateways, with the account of what
 * was produced, delivered, lost and held at each stage, and hints: what needs attention and the command that
 * mends it.
 *
 * The counts are read in the direction against the flow (reader before kernel), so that an account can show
 * something as held that was just delivered, but never as delivered what was not produced.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/util.h"
#include "sensor/control.h"

#ifndef PICKET_VERSION
#define PICKET_VERSION "unknown"
#endif

#define PORTS_SHOWN_MAX  256
#define PEERS_SHOWN_MAX  100
#define PEERS_HINTED_MAX 4
#define GATEWAYS_MAX     64

/* Of the two rings: what earlier sensor processes took. The kernel half counts on over a restart, a reader
 * does not. */
struct earlier {
	uint64_t requests, headers;
};
static struct earlier earlier; /* set once, before the API serves */

struct status {
	const struct control_parts *parts;
	uint64_t now_ns;
	struct queue_counts queue;
	struct capture_counts capture;
	struct answers_counts answers;
	struct reader_counts reader;
	struct enforcer_counts enforcer;
	struct detect_counts detect;
	enum config_mode mode;
	struct gateway_counts gateways[GATEWAYS_MAX];
	unsigned gateway_count;
	struct proxy_peer *peers;
	size_t peer_count;
	uint64_t requests_total;
	struct warden_reply warden;
	int warden_result; /* 0: warden holds its answer; else -errno */
};

/* One line of the account. */
struct stage {
	const char *stage, *kind;
	uint64_t produced, delivered, delivered_earlier, lost, held;
	bool balanced;
};

/* --- reading --- */

static int ask_warden(const struct control_parts *parts, struct warden_reply *ret)
{
	const struct warden_request ask = {.op = WARDEN_STATUS};
	int r = warden_call(parts->warden, &ask, ret);

	return r ? r : ret->result < 0 ? ret->result : ret->result ? -EPROTO : 0;
}

/*
 * The enforcer compares list and kernel once a second, the warden counts now. A block that is just being set
 * or lifted shows in one of them only; what is really missing shows in both.
 */
static void settle_counts(struct status *s)
{
	struct enforcer_counts *e = &s->enforcer;

	if (s->warden_result)
		return;
	e->installed = s->warden.status.blocks;
	e->missing = MIN(e->missing, e->desired > e->installed ? e->desired - e->installed : 0);
	e->extra = MIN(e->extra, e->installed > e->desired ? e->installed - e->desired : 0);
}

static struct status *status_read(const struct control_parts *parts)
{
	struct status *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->parts = parts;
	s->gateway_count = forwarder_counts(parts->forwarder, s->gateways, GATEWAYS_MAX);
	s->gateway_count = MIN(s->gateway_count, GATEWAYS_MAX);
	s->queue = parts->event_queue(parts->arg);
	s->capture = capture_counts(parts->capture);
	s->answers = capture_answers(parts->capture);
	s->reader = reader_counts(parts->reader);
	s->warden_result = ask_warden(parts, &s->warden);
	s->enforcer = enforcer_counts(parts->enforcer);
	settle_counts(s);
	s->mode = enforcer_mode(parts->enforcer);
	if (parts->detect)
		s->detect = detect_counts(parts->detect);
	if (proxies_list(parts->proxies, &s->peers, &s->peer_count, &s->requests_total)) {
		free(s);
		return NULL;
	}
	s->now_ns = clock_boot_ns(parts->clock);
	return s;
}

static void status_free(struct status *s)
{
	free(s->peers);
	free(s);
}

static uint64_t stat_of(const struct status *s, enum pk_counter c)
{
	return s->warden_result ? 0 : s->warden.status.stats[c];
}

/* --- the account --- */

/* produced = delivered + delivered_earlier + lost + held; held is what is left, so it must not be negative.
 */
static struct stage ring_stage(const char *kind, uint64_t produced, uint64_t delivered, uint64_t before,
			       uint64_t lost)
{
	struct stage t = {
		.stage = "ring", .kind = kind, .produced = produced, .delivered = delivered, .lost = lost};
	uint64_t rest = produced - MIN(produced, delivered + lost);

	t.balanced = produced >= delivered + lost;
	/* What a new reader found in the ring was not taken by the one before it. */
	t.delivered_earlier = MIN(before, rest);
	t.held = rest - t.delivered_earlier;
	return t;
}

static struct stage counted_stage(const char *stage, const char *kind, uint64_t produced, uint64_t delivered,
				  uint64_t lost, uint64_t held)
{
	return (struct stage){
		.stage = stage,
		.kind = kind,
		.produced = produced,
		.delivered = delivered,
		.lost = lost,
		.held = held,
		.balanced = produced == delivered + lost + held,
	};
}

#define STAGES_MAX (4 + GATEWAYS_MAX)

static unsigned stages_read(const struct status *s, struct stage ret[static STAGES_MAX])
{
	unsigned n = 0;

	if (!s->warden_result) {
		ret[n++] =
			ring_stage("requests", stat_of(s, PK_C_REQ_PRODUCED), s->reader.requests,
				   earlier.requests, stat_of(s, PK_C_REQ_LOST) + stat_of(s, PK_C_REQ_SHARE));
		ret[n++] =
			ring_stage("headers", stat_of(s, PK_C_HDR_PRODUCED), s->reader.headers,
				   earlier.headers, stat_of(s, PK_C_HDR_LOST) + stat_of(s, PK_C_HDR_SHARE));
	}
	ret[n++] = counted_stage("answers", "events", s->answers.taken, s->answers.emitted, 0,
				 s->answers.taken - s->answers.emitted);
	ret[n++] = counted_stage("queue", "events", s->queue.pushed + s->queue.refused, s->queue.popped,
				 s->queue.refused, s->queue.held);
	for (unsigned i = 0; i < s->gateway_count; i++) {
		const struct gateway_counts *g = &s->gateways[i];

		ret[n++] = counted_stage("gateway", g->name, g->events_offered, g->events, g->events_dropped,
					 g->events_held);
	}
	return n;
}

static void write_account(struct json_writer *w, const struct stage *stages, unsigned count)
{
	bool balanced = true;
	uint64_t lost = 0, held = 0;

	json_key(w, "accounting");
	json_object_begin(w);
	json_key(w, "stages");
	json_array_begin(w);
	for (unsigned i = 0; i < count; i++) {
		const struct stage *t = &stages[i];
		const struct {
			const char *key;
			uint64_t value;
		} numbers[] = {
			{"produced", t->produced},
			{"delivered", t->delivered},
			{"delivered_earlier", t->delivered_earlier},
			{"lost", t->lost},
			{"held", t->held},
		};

		json_object_begin(w);
		json_key(w, "stage");
		json_text(w, t->stage);
		json_key(w, "kind");
		json_text(w, t->kind);
		for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
			json_key(w, numbers[k].key);
			json_uint(w, numbers[k].value);
		}
		json_key(w, "balanced");
		json_bool(w, t->balanced);
		json_object_end(w);
		balanced = balanced && t->balanced;
		lost += t->lost;
		held += t->held;
	}
	json_array_end(w);
	json_key(w, "balanced");
	json_bool(w, balanced);
	json_key(w, "lost");
	json_uint(w, lost);
	json_key(w, "held");
	json_uint(w, held);
	json_object_end(w);
}

/* --- sections --- */

static void put_uint(struct json_writer *w, const char *key, uint64_t v)
{
	json_key(w, key);
	json_uint(w, v);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_text(w, text);
}

static void put_bool(struct json_writer *w, const char *key, bool v)
{
	json_key(w, key);
	json_bool(w, v);
}

static void write_processes(struct json_writer *w, const struct status *s)
{
	const struct control_parts *parts = s->parts;
	uint64_t warden_ns = s->warden_result ? 0 : s->warden.status.started_ns;

	json_key(w, "sensor");
	json_object_begin(w);
	control_write_time(w, "started", parts->clock, parts->started_ns);
	put_uint(w, "uptime_s", (s->now_ns - parts->started_ns) / NS_PER_S);
	put_uint(w, "restarts", s->warden_result ? 0 : s->warden.status.sensor_restarts);
	json_object_end(w);
	json_key(w, "warden");
	json_object_begin(w);
	put_bool(w, "answers", !s->warden_result);
	control_write_time(w, "started", parts->clock, warden_ns);
	put_uint(w, "uptime_s", warden_ns ? (s->now_ns - warden_ns) / NS_PER_S : 0);
	json_object_end(w);
}

static bool port_watched(const struct pk_ports *p, unsigned port)
{
	return (p->watched[port >> 6] >> (port & 63) & 1) && !(p->never[port >> 6] >> (port & 63) & 1);
}

static unsigned ports_count(const struct status *s)
{
	unsigned n = 0;

	for (unsigned port = 1; !s->warden_result && port < 65536; port++)
		n += port_watched(&s->warden.status.ports, port);
	return n;
}

static void write_ports(struct json_writer *w, const struct status *s)
{
	unsigned shown = 0;

	put_uint(w, "watched_port_count", ports_count(s));
	json_key(w, "watched_ports");
	json_array_begin(w);
	for (unsigned port = 1; !s->warden_result && port < 65536 && shown < PORTS_SHOWN_MAX; port++)
		if (port_watched(&s->warden.status.ports, port)) {
			json_uint(w, port);
			shown++;
		}
	json_array_end(w);
}

static unsigned attachment_count(const struct status *s)
{
	return s->warden_result ? 0 : MIN(s->warden.status.attachment_count, WARDEN_ATTACH_MAX);
}

static void write_interfaces(struct json_writer *w, const struct status *s)
{
	json_key(w, "interfaces");
	json_array_begin(w);
	for (unsigned i = 0; i < attachment_count(s); i++) {
		const struct kernel_attachment *a = &s->warden.status.attachments[i];

		json_object_begin(w);
		put_text(w, "name", a->name);
		put_uint(w, "ifindex", a->ifindex);
		put_text(w, "driver", a->driver);
		put_text(w, "mode", config_packet_mode_name(a->mode));
		put_bool(w, "ends_with_daemon", a->by_link);
		put_text(w, "note", a->note[0] ? a->note : NULL);
		json_object_end(w);
	}
	json_array_end(w);
}

struct named_counter {
	const char *key;
	enum pk_counter counter;
};

static void write_stats(struct json_writer *w, const struct status *s, const struct named_counter *names,
			size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_uint(w, names[i].key, stat_of(s, names[i].counter));
}

static void write_kernel(struct json_writer *w, const struct status *s)
{
	static const struct named_counter names[] = {
		{"reads_seen", PK_C_DATA_SEEN},
		{"bytes_copied", PK_C_DATA_BYTES},
		{"bytes_skipped", PK_C_DATA_SKIPPED},
		{"bytes_cut", PK_C_DATA_CUT},
		{"read_errors", PK_C_READ_ERROR},
		{"requests_produced", PK_C_REQ_PRODUCED},
		{"requests_lost", PK_C_REQ_LOST},
		{"requests_over_share", PK_C_REQ_SHARE},
		{"answers", PK_C_ANSWERS},
		{"answer_records", PK_C_ANSWER_RECORDS},
		{"answers_unread", PK_C_ANSWER_UNREAD},
		{"headers_produced", PK_C_HDR_PRODUCED},
		{"headers_lost", PK_C_HDR_LOST},
		{"headers_over_share", PK_C_HDR_SHARE},
		{"headers_throttled", PK_C_HDR_THROTTLED},
		{"packets", PK_C_PACKETS},
		{"packets_allowed", PK_C_ALLOWED},
		{"packets_dropped", PK_C_DROPPED},
		{"packets_dropped_bytes", PK_C_DROPPED_BYTES},
		{"packets_shadowed", PK_C_SHADOWED},
		{"packets_passed_by_kill_switch", PK_C_PASS_KILLED},
		{"hits_full", PK_C_HITS_FULL},
		{"odd_truncated", PK_C_ODD_TRUNCATED},
		{"odd_extension", PK_C_ODD_EXTENSION},
		{"odd_fragment", PK_C_ODD_FRAGMENT},
		{"odd_vlan", PK_C_ODD_VLAN},
		{"odd_not_ip", PK_C_ODD_NOT_IP},
		{"udp_to_watched_ports", PK_C_UDP},
		{"received_by_kprobe", PK_C_RECEIVED},
		{"receive_errors", PK_C_RECEIVE_ERROR},
	};

	json_key(w, "kernel");
	json_object_begin(w);
	write_stats(w, s, names, ARRAY_SIZE(names));
	json_object_end(w);
}

static void write_answers(struct json_writer *w, const struct status *s)
{
	const struct answers_counts *a = &s->answers;

	json_key(w, "answers");
	json_object_begin(w);
	put_bool(w, "seen", capture_sees_answers(s->parts->capture));
	put_uint(w, "held", a->taken - a->emitted);
	put_uint(w, "answered", a->answered);
	put_uint(w, "expired", a->expired);
	put_uint(w, "unsure", a->unsure);
	put_uint(w, "full", a->full);
	put_uint(w, "late", a->late);
	put_uint(w, "surplus", a->surplus);
	put_uint(w, "missed", a->missed);
	json_object_end(w);
}

static void write_capture(struct json_writer *w, const struct status *s)
{
	const struct capture_counts *c = &s->capture;

	json_key(w, "capture");
	json_object_begin(w);
	put_text(w, "path", s->warden_result ? NULL : s->warden.status.uses_perf ? "perf" : "ring");
	put_text(w, "receive", !s->warden_result && s->warden.status.receive ? "kprobe" : NULL);
	write_interfaces(w, s);
	write_ports(w, s);
	put_uint(w, "records", c->records);
	put_uint(w, "records_malformed", s->reader.malformed);
	put_uint(w, "records_late", s->reader.late);
	put_uint(w, "requests", c->requests);
	put_uint(w, "headers", c->headers);
	put_uint(w, "bytes", c->bytes);
	put_uint(w, "gaps", c->gaps);
	put_uint(w, "gap_bytes", c->gap_bytes);
	put_uint(w, "duplicates", c->duplicates);
	put_uint(w, "anomalies", c->anomalies);
	put_uint(w, "not_http", c->not_http);
	put_uint(w, "connections_opened", c->connections_opened);
	put_uint(w, "connections_closed", c->connections_closed);
	put_uint(w, "connections_held", c->connections_held);
	put_uint(w, "connections_refused", c->connections_refused);
	put_uint(w, "connections_evicted", c->connections_evicted);
	put_uint(w, "events_lost", c->events_lost);
	put_uint(w, "passed_bytes", c->passed_bytes);
	put_uint(w, "heads_refused", c->heads_refused);
	put_uint(w, "values_dropped", c->values_dropped);
	put_uint(w, "proxy_headers_refused", c->proxy_headers_refused);
	put_uint(w, "stream_bytes_held", c->stream_bytes_held);
	write_answers(w, s);
	json_object_end(w);
}

static void write_packet_watch(struct json_writer *w, const struct packet_watch *watch)
{
	struct packet_counts n = {0};

	if (watch)
		n = packet_watch_counts(watch);
	json_key(w, "packet_criteria");
	json_object_begin(w);
	put_uint(w, "headers", n.headers);
	put_uint(w, "matches", n.matches);
	put_uint(w, "alerts", n.alerts);
	put_uint(w, "buckets", n.buckets);
	put_uint(w, "forgotten", n.forgotten);
	put_uint(w, "no_memory", n.no_memory);
	json_object_end(w);
}

static void write_judgment(struct json_writer *w, const struct status *s)
{
	const struct enforcer_counts *e = &s->enforcer;

	json_key(w, "blocks");
	json_object_begin(w);
	put_uint(w, "desired", e->desired);
	put_uint(w, "installed", e->installed);
	put_uint(w, "missing", e->missing);
	put_uint(w, "extra", e->extra);
	put_uint(w, "mended", e->mended);
	put_uint(w, "pending", e->pending);
	json_object_end(w);
	json_key(w, "verdicts");
	json_object_begin(w);
	for (int i = VERDICT_OPERATOR; i <= VERDICT_GATEWAY; i++)
		put_uint(w, verdict_source_name((enum verdict_source)i), e->verdicts[i]);
	json_object_end(w);
	json_key(w, "decisions");
	json_object_begin(w);
	for (int i = DECISION_BLOCKED; i <= DECISION_EXPIRED; i++)
		put_uint(w, decision_outcome_name((enum decision_outcome)i), e->outcomes[i]);
	json_object_end(w);
	json_key(w, "detection");
	json_object_begin(w);
	put_bool(w, "on", s->parts->detect != NULL);
	put_uint(w, "requests", s->detect.requests);
	put_uint(w, "matches", s->detect.matches);
	put_uint(w, "fired", s->detect.fired);
	put_uint(w, "buckets", s->detect.buckets);
	put_uint(w, "forgotten", s->detect.forgotten);
	json_object_end(w);
	write_packet_watch(w, s->parts->packet_watch);
	json_key(w, "kept_over_restart");
	json_object_begin(w);
	put_bool(w, "blocks", false);
	put_bool(w, "mode", false);
	put_bool(w, "proxies", false);
	json_object_end(w);
}

static double share_of(const struct status *s, const struct proxy_peer *p)
{
	return s->requests_total ? (double)p->requests / (double)s->requests_total : 0;
}

static void write_proxies(struct json_writer *w, const struct status *s)
{
	uint64_t by_class[4] = {0};
	unsigned shown = 0;
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < s->peer_count; i++)
		by_class[s->peers[i].class & 3]++;
	json_key(w, "proxies");
	json_object_begin(w);
	put_text(w, "default", s->parts->config->proxies.peers == PROXY_DIRECT ? "direct" : "unclassified");
	put_uint(w, "trusted_count", by_class[PROXY_CLASS_TRUSTED]);
	put_uint(w, "direct_count", by_class[PROXY_CLASS_DIRECT]);
	put_uint(w, "unclassified_count", by_class[PROXY_CLASS_UNCLASSIFIED]);
	json_key(w, "unclassified");
	json_array_begin(w);
	for (size_t i = 0; i < s->peer_count && shown < PEERS_SHOWN_MAX; i++) {
		const struct proxy_peer *p = &s->peers[i];

		if (p->class != PROXY_CLASS_UNCLASSIFIED)
			continue;
		shown++;
		json_object_begin(w);
		put_text(w, "address", addr_format(&p->addr, text));
		put_uint(w, "requests", p->requests);
		put_uint(w, "forwarded", p->forwarded);
		json_key(w, "share");
		json_double(w, share_of(s, p));
		json_object_end(w);
	}
	json_array_end(w);
	json_object_end(w);
}

static void write_protect(struct json_writer *w, const struct status *s)
{
	const struct protect_sources *p = &s->warden.status.sources;

	json_key(w, "protect");
	if (s->warden_result) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	put_bool(w, "session_list_seen", p->sessions_seen);
	put_bool(w, "sshd_seen", p->sshd_seen);
	put_uint(w, "sessions", p->sessions);
	put_uint(w, "resolvers", p->resolvers);
	put_uint(w, "own_addresses", p->own);
	put_uint(w, "default_gateways", p->gateways);
	put_uint(w, "configured", s->parts->config->limits.protect.count);
	json_object_end(w);
}

/* --- hints --- */

static void hint(struct json_writer *w, const char *severity, const char *command, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void hint(struct json_writer *w, const char *severity, const char *command, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	json_object_begin(w);
	put_text(w, "severity", severity);
	put_text(w, "text", text);
	put_text(w, "command", command);
	json_object_end(w);
}

static void hint_attachments(struct json_writer *w, const struct status *s)
{
	unsigned attached = 0;

	for (unsigned i = 0; i < attachment_count(s); i++) {
		const struct kernel_attachment *a = &s->warden.status.attachments[i];

		attached += a->mode != PACKET_OFF;
		if (a->mode == PACKET_OFF)
			hint(w, "warning", "picket doctor",
			     "nothing is attached to %s: its packets cannot be dropped%s%s", a->name,
			     a->note[0] ? ": " : "", a->note);
	}
	if (!attached)
		hint(w, "error", "picket doctor",
		     "no interface is attached: packets are neither counted nor dropped");
	if (!ports_count(s))
		hint(w, "warning", "picket doctor",
		     "no server listens on a watched port: there is no request to see");
}

static void hint_proxies(struct json_writer *w, const struct status *s)
{
	char command[96], text[ADDR_TEXT_MAX];
	unsigned shown = 0, more = 0;

	for (size_t i = 0; i < s->peer_count; i++) {
		const struct proxy_peer *p = &s->peers[i];

		if (p->class != PROXY_CLASS_UNCLASSIFIED)
			continue;
		if (shown == PEERS_HINTED_MAX) {
			more++;
			continue;
		}
		shown++;
		addr_format(&p->addr, text);
		snprintf(command, sizeof command, "picket proxies trust %s", text);
		hint(w, "warning", command,
		     "%s sends forwarding headers (%llu of its %llu requests; it makes %.0f %% of all) and "
		     "is no "
		     "configured proxy: it is never dropped automatically; if it is a client, say `picket "
		     "proxies "
		     "direct %s`",
		     text, (unsigned long long)p->forwarded, (unsigned long long)p->requests,
		     100 * share_of(s, p), text);
	}
	if (more)
		hint(w, "warning", "picket proxies", "%u more such peers", more);
}

#define NAMELESS_REQUESTS 100 /* fewer may be a proxy's own health checks */

/* A trusted proxy that never named a client: all who are behind it count as one, which cannot be blocked. */
static void hint_nameless_proxies(struct json_writer *w, const struct status *s)
{
	char text[ADDR_TEXT_MAX];
	unsigned shown = 0;

	for (size_t i = 0; i < s->peer_count && shown < PEERS_HINTED_MAX; i++) {
		const struct proxy_peer *p = &s->peers[i];

		if (p->class != PROXY_CLASS_TRUSTED || p->clients_by != CLIENT_BY_PEER ||
		    p->requests < NAMELESS_REQUESTS)
			continue;
		shown++;
		hint(w, "info", "picket proxies",
		     "%s is a trusted proxy, but none of its %llu requests names a client: all behind it "
		     "count as "
		     "one; let it "
		     "send the PROXY protocol or a header of proxies.headers",
		     addr_format(&p->addr, text), (unsigned long long)p->requests);
	}
}

static void hint_gateways(struct json_writer *w, const struct status *s)
{
	for (unsigned i = 0; i < s->gateway_count; i++) {
		const struct gateway_counts *g = &s->gateways[i];

		if (!strcmp(g->state, "failed") || !strcmp(g->state, "backing off"))
			hint(w, "warning", "picket gateway list", "gateway %s is %s: %s", g->name, g->state,
			     g->last_error[0] ? g->last_error : "no answer");
	}
}

static void hint_losses(struct json_writer *w, const struct stage *stages, unsigned count,
			const struct status *s)
{
	for (unsigned i = 0; i < count; i++) {
		const struct stage *t = &stages[i];

		if (t->lost)
			hint(w, "warning", "picket events --name picket.loss",
			     "stage %s (%s) lost %llu of %llu", t->stage, t->kind,
			     (unsigned long long)t->lost, (unsigned long long)t->produced);
		if (!t->balanced)
			hint(w, "error", NULL,
			     "the account of stage %s (%s) does not balance: please report this", t->stage,
			     t->kind);
	}
	if (s->capture.gaps)
		hint(w, "warning", "picket events --name picket.loss",
		     "%llu gaps in request streams: what lay in them is missing",
		     (unsigned long long)s->capture.gaps);
	if (s->capture.connections_refused)
		hint(w, "warning", NULL,
		     "%llu connections were not followed, the table is full: raise capture.connections_max",
		     (unsigned long long)s->capture.connections_refused);
	if (stat_of(s, PK_C_HDR_THROTTLED))
		hint(w, "info", NULL,
		     "%llu TCP headers were not reported, they came faster than capture.header_rate; "
		     "requests are not "
		     "affected",
		     (unsigned long long)stat_of(s, PK_C_HDR_THROTTLED));
	if (stat_of(s, PK_C_UDP))
		hint(w, "warning", "picket doctor",
		     "%llu UDP packets came to watched ports: if they are QUIC (HTTP/3), their requests are "
		     "not "
		     "seen",
		     (unsigned long long)stat_of(s, PK_C_UDP));
	if (s->reader.malformed)
		hint(w, "error", NULL, "%llu records of the kernel half did not fit: please report this",
		     (unsigned long long)s->reader.malformed);
}

static void hint_judgment(struct json_writer *w, const struct status *s)
{
	const struct enforcer_counts *e = &s->enforcer;

	if (e->missing)
		hint(w, "error", "picket blocks", "%zu blocks are wanted but not in the kernel", e->missing);
	if (e->extra)
		hint(w, "warning", "picket blocks", "the kernel holds %zu blocks that are not in the list",
		     e->extra);
	if (e->pending)
		hint(w, "info", "picket pending", "%zu decisions wait for your answer", e->pending);
	if (s->mode == MODE_OBSERVE)
		hint(w, "info", "picket mode enforce",
		     "mode observe: verdicts are written down, nothing is blocked automatically");
}

static void write_hints(struct json_writer *w, const struct status *s, const struct stage *stages,
			unsigned count)
{
	json_key(w, "hints");
	json_array_begin(w);
	if (s->warden_result)
		hint(w, "error", NULL,
		     "the privileged process does not answer (%s): no block can be set or lifted; restart "
		     "picket",
		     strerror(-s->warden_result));
	if (!s->warden_result && s->warden.status.kill)
		hint(w, "error", "picket resume", "the kill switch is on: picket drops nothing");
	if (!s->warden_result) {
		hint_attachments(w, s);
		if (s->warden.status.sensor_restarts)
			hint(w, "warning", NULL,
			     "the sensor process had to be restarted (%u times): its log says why",
			     s->warden.status.sensor_restarts);
		if (!s->warden.status.sources.sessions_seen && !s->warden.status.sources.sshd_seen)
			hint(w, "warning", NULL,
			     "no login session can be seen: put the address you administer from into "
			     "limits.protect");
	}
	hint_losses(w, stages, count, s);
	hint_gateways(w, s);
	hint_proxies(w, s);
	hint_nameless_proxies(w, s);
	hint_judgment(w, s);
	json_array_end(w);
}

/* --- the resource --- */

static void get_status(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	struct stage stages[STAGES_MAX];
	struct status *s = status_read(parts);

	if (!s) {
		api_problem(call, 500, "no_memory", "memory is out: try again");
		return;
	}
	unsigned count = stages_read(s, stages);

	json_object_begin(&w);
	put_text(&w, "version", PICKET_VERSION);
	put_text(&w, "instance", parts->config->instance);
	put_text(&w, "run_id", parts->run_id);
	put_text(&w, "mode", config_mode_name(s->mode));
	json_key(&w, "kill_switch");
	if (s->warden_result)
		json_null(&w);
	else
		json_bool(&w, s->warden.status.kill);
	write_processes(&w, s);
	write_capture(&w, s);
	write_account(&w, stages, count);
	write_kernel(&w, s);
	write_judgment(&w, s);
	json_key(&w, "gateways");
	control_write_gateways(&w, parts);
	write_proxies(&w, s);
	write_protect(&w, s);
	write_hints(&w, s, stages, count);
	json_object_end(&w);
	status_free(s);
	control_reply(call, 200, &b);
}

/* What the earlier sensors took from the rings is what is neither lost nor taken by us. */
static void earlier_read(const struct control_parts *parts)
{
	struct reader_counts r = reader_counts(parts->reader);
	struct warden_reply *w = calloc(1, sizeof *w);

	earlier = (struct earlier){0};
	if (w && !ask_warden(parts, w) && w->status.sensor_starts > 1) {
		const uint64_t *c = w->status.stats;
		uint64_t requests = r.requests + c[PK_C_REQ_LOST] + c[PK_C_REQ_SHARE];
		uint64_t headers = r.headers + c[PK_C_HDR_LOST] + c[PK_C_HDR_SHARE];

		earlier.requests = c[PK_C_REQ_PRODUCED] - MIN(c[PK_C_REQ_PRODUCED], requests);
		earlier.headers = c[PK_C_HDR_PRODUCED] - MIN(c[PK_C_HDR_PRODUCED], headers);
	}
	free(w);
}

int control_register_status(struct api *api, const struct control_parts *parts)
{
	const struct api_route routes[] = {
		{"GET", "/v1/status", get_status, (void *)parts},
	};

	earlier_read(parts);
	return api_add(api, routes, ARRAY_SIZE(routes));
}
