// SPDX-License-Identifier: Apache-2.0
/*
 * GET /v1/status: one look at the whole path, from attached programs to gateways, with the account of what
 * was produced, delivered, lost and held at each stage, and hints. Everything is read here, at once; the
 * other files of control_status.h write their parts of it.
 */
#include <errno.h>
#include <stdlib.h>
#include "sensor/control_status.h"
#include "sensor/opinion.h"

#define PEERS_SHOWN_MAX 100

/* --- reading --- */

int status_ask_warden(const struct control_parts *parts, struct warden_reply *ret)
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

struct status *status_read(const struct control_parts *parts)
{
	struct status *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->parts = parts;
	s->gateway_count = control_gateway_counts(parts, s->gateways, GATEWAYS_MAX);
	s->gateway_count = MIN(s->gateway_count, GATEWAYS_MAX);
	s->queue = parts->event_queue(parts->arg);
	s->capture = capture_counts(parts->capture);
	s->answers = capture_answers(parts->capture);
	s->reader = reader_counts(parts->reader);
	s->warden_result = status_ask_warden(parts, &s->warden);
	s->enforcer = enforcer_counts(parts->enforcer);
	settle_counts(s);
	s->audit = audit_counts(parts->audit);
	s->alerts = alerts_counts(alert_send_alerts(parts->alerts));
	alert_send_counts(parts->alerts, s->outlets);
	s->journal = journal_counts(parts->journal);
	s->memory = memory_counts(parts->memory);
	s->mode = enforcer_mode(parts->enforcer);
	if (parts->detect)
		s->detect = detect_counts(parts->detect);
	if (parts->regulars)
		s->regulars = regulars_counts(parts->regulars);
	if (parts->witness)
		s->witness = witness_counts(parts->witness);
	if (parts->behaviour)
		s->behaviour = behaviour_totals(parts->behaviour);
	if (parts->baseline)
		s->baseline = baseline_counts(parts->baseline);
	if (proxies_list(parts->proxies, &s->peers, &s->peer_count, &s->requests_total)) {
		free(s);
		return NULL;
	}
	s->sight = parts->sight();
	s->now_ns = clock_boot_ns(parts->clock);
	return s;
}

void status_free(struct status *s)
{
	free(s->peers);
	free(s);
}

/* --- sections --- */

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

static void write_opinion(struct json_writer *w, const struct opinion *o)
{
	const struct opinion_counts c = opinion_counts(o);

	json_key(w, "second_opinion");
	json_object_begin(w);
	put_text(w, "state", opinion_state_name(c.state));
	put_uint(w, "rules", c.rules);
	put_uint(w, "asked", c.asked);
	put_uint(w, "answered", c.answered);
	put_uint(w, "unanswered", c.unanswered);
	put_uint(w, "held", c.held);
	put_uint(w, "alarms", c.alarms);
	put_uint(w, "verdicts", c.verdicts);
	put_uint(w, "queue_full", c.queue_full);
	put_uint(w, "over_budget", c.over_budget);
	put_uint(w, "too_large", c.too_large);
	put_uint(w, "not_ready", c.not_ready);
	put_uint(w, "no_memory", c.no_memory);
	put_uint(w, "processes", c.processes);
	put_uint(w, "cpu_us", c.cpu_us);
	put_uint(w, "clients_forgotten", c.forgotten);
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

/* The point at HTTP: what is in force there alone, and how it is asked. */
static void write_http(struct json_writer *w, const struct status *s)
{
	const struct control_parts *parts = s->parts;
	struct decide_counts d = decide_counts(enforcer_decide(parts->enforcer));
	struct http_point_counts p = {0};

	if (parts->http_point)
		p = http_point_counts(parts->http_point);
	json_key(w, "http");
	json_object_begin(w);
	put_text(w, "socket", parts->config->decide);
	put_uint(w, "entries", d.entries);
	put_uint(w, "only_here", s->enforcer.http);
	put_uint(w, "published", s->enforcer.published);
	put_uint(w, "asked", p.asked);
	put_uint(w, "unnamed", p.unnamed);
	put_uint(w, "with_consumer", p.with_consumer);
	put_uint(w, "with_ja4", p.with_ja4);
	put_uint(w, "bad_ja4", p.bad_ja4);
	put_uint(w, "with_target", p.with_target);
	put_uint(w, "bad_target", p.bad_target);
	put_uint(w, "routes", target_route_count());
	put_uint(w, "denied", d.denied);
	put_uint(w, "slowed", d.slowed);
	put_uint(w, "shadowed", d.shadowed);
	put_uint(w, "by_list", d.listed);
	put_uint(w, "unpaced", d.unpaced);
	control_write_time(w, "last_asked", parts->clock, p.last_ns);
	json_object_end(w);
}

/* The maps of HAProxies. */
static void write_haproxy(struct json_writer *w, const struct status *s)
{
	const struct control_parts *parts = s->parts;

	json_key(w, "haproxy");
	json_array_begin(w);
	for (unsigned i = 0; i < parts->haproxy_count; i++) {
		const struct config_haproxy *config = haproxy_point_config(parts->haproxy[i]);
		struct haproxy_counts c = haproxy_point_counts(parts->haproxy[i]);

		json_object_begin(w);
		put_text(w, "name", config->name);
		put_text(w, "socket", config->socket);
		put_text(w, "map", config->map);
		put_text(w, "state", haproxy_state_name(c.state));
		put_text(w, "error", c.error[0] ? c.error : NULL);
		put_uint(w, "desired", c.desired);
		put_uint(w, "installed", c.installed);
		put_uint(w, "missing", c.missing);
		put_uint(w, "beyond", c.beyond);
		put_uint(w, "extra", c.extra);
		put_uint(w, "foreign", c.foreign);
		put_uint(w, "mended", c.mended);
		put_uint(w, "written", c.written);
		put_uint(w, "failures", c.failures);
		control_write_time(w, "last_answer", parts->clock, c.last_ns);
		json_object_end(w);
	}
	json_array_end(w);
}

/* Sources that went over a limit of the guard. */
static void write_trips(struct json_writer *w, const struct status *s)
{
	const struct enforcer_counts *e = &s->enforcer;

	json_key(w, "trips");
	json_array_begin(w);
	for (size_t i = 0; i < e->trip_count; i++) {
		json_object_begin(w);
		put_text(w, "source", e->trips[i].source);
		put_uint(w, "trips", e->trips[i].trips);
		control_write_time(w, "until", s->parts->clock, e->trips[i].until_ns);
		json_object_end(w);
	}
	json_array_end(w);
}

/* What the guard goes by: who is served here regularly, and on what detections fired. */
static void write_guard(struct json_writer *w, const struct status *s)
{
	json_key(w, "guard");
	json_object_begin(w);
	put_uint(w, "regulars", s->regulars.regulars);
	put_uint(w, "newcomers", s->regulars.newcomers);
	put_uint(w, "newcomers_forgotten", s->regulars.forgotten);
	put_uint(w, "consumers_refused", s->regulars.refused);
	put_uint(w, "open_places", s->regulars.open);
	put_uint(w, "witnessed", s->witness.noted);
	put_uint(w, "witnessed_forgotten", s->witness.forgotten);
	put_uint(w, "networks_forgotten", s->enforcer.neighbours_forgotten);
	json_object_end(w);
}

/* What is known of clients and consumers, and what is normal on routes: two bounded tables. */
static void write_known(struct json_writer *w, const struct status *s)
{
	const struct behaviour_totals *b = &s->behaviour;
	const struct baseline_counts *n = &s->baseline;

	json_key(w, "behaviour");
	json_object_begin(w);
	put_uint(w, "clients", b->clients);
	put_uint(w, "clients_max", b->clients_max);
	put_uint(w, "consumers", b->consumers);
	put_uint(w, "consumers_max", b->consumers_max);
	put_uint(w, "known", b->known);
	put_uint(w, "kept", b->kept);
	put_uint(w, "requests", b->noted);
	put_uint(w, "forgotten_new", b->forgotten_new);
	put_uint(w, "forgotten_known", b->forgotten_known);
	put_uint(w, "no_memory", b->no_memory);
	json_object_end(w);
	json_key(w, "baseline");
	json_object_begin(w);
	put_text(w, "learning", n->frozen ? "frozen" : "on");
	put_uint(w, "held", n->held);
	put_uint(w, "max", n->max);
	put_uint(w, "taught", n->taught);
	put_uint(w, "forgotten", n->forgotten);
	put_uint(w, "no_memory", n->no_memory);
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
	put_uint(w, "connections_closed", e->closed);
	put_uint(w, "mended", e->mended);
	put_uint(w, "pending", e->pending);
	json_object_end(w);
	write_http(w, s);
	write_haproxy(w, s);
	write_trips(w, s);
	write_guard(w, s);
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
	put_uint(w, "own_denials", s->detect.own_denials);
	put_uint(w, "withheld", s->detect.withheld);
	json_key(w, "signatures");
	json_object_begin(w);
	put_bool(w, "on", s->detect.signatures.on);
	put_uint(w, "requests", s->detect.signatures.requests);
	put_uint(w, "matched", s->detect.signatures.matched);
	put_uint(w, "asked", s->detect.signatures.asked);
	put_uint(w, "gave_up", s->detect.signatures.gave_up);
	put_uint(w, "unfinished", s->detect.signatures.unfinished);
	put_uint(w, "excepted", s->detect.signatures.excepted);
	json_object_end(w);
	json_object_end(w);
	write_known(w, s);
	write_opinion(w, s->parts->opinion);
	write_packet_watch(w, s->parts->packet_watch);
	json_key(w, "kept_over_restart");
	json_object_begin(w);
	put_bool(w, "blocks", s->journal.state == JOURNAL_ON);
	put_bool(w, "mode", s->journal.state == JOURNAL_ON);
	put_bool(w, "proxies", s->journal.state == JOURNAL_ON);
	put_bool(w, "memory", s->memory.state == JOURNAL_ON);
	json_object_end(w);
}

static void write_state(struct json_writer *w, enum journal_state state, uint64_t written, const char *aside,
			int error)
{
	put_text(w, "state", journal_state_name(state));
	put_uint(w, "written", written);
	put_text(w, "put_aside", aside[0] ? aside : NULL);
	put_text(w, "error", error ? strerror(-error) : NULL);
}

/* What outlives a restart. */
static void write_journal(struct json_writer *w, const struct status *s)
{
	const struct journal_counts *j = &s->journal;

	json_key(w, "journal");
	json_object_begin(w);
	write_state(w, j->state, j->written, j->aside, j->error);
	put_uint(w, "held", j->held);
	put_uint(w, "held_ms", j->held_ns / NS_PER_MS);
	put_uint(w, "overruns", j->overruns);
	json_key(w, "restored");
	json_object_begin(w);
	put_uint(w, "claims", j->restored.claims);
	put_uint(w, "ended", j->restored.ended);
	put_uint(w, "unreadable", j->restored.unreadable);
	put_uint(w, "put_back", j->restored.targets);
	put_uint(w, "refused", j->restored.refused);
	put_uint(w, "adopted", j->restored.adopted);
	put_uint(w, "ms", j->restored.took_ns / NS_PER_MS);
	json_object_end(w);
	json_object_end(w);
}

/* ... of what is known of clients. */
static void write_memory(struct json_writer *w, const struct status *s)
{
	static const char *const names[MEMORY_KINDS] = {
		[MEMORY_REGULARS] = "regulars",   [MEMORY_PLACES] = "open_places",
		[MEMORY_WITNESSES] = "witnesses", [MEMORY_OFFENDERS] = "offenders",
		[MEMORY_FORECAST] = "forecast",   [MEMORY_REJECTED] = "rejected",
		[MEMORY_BEHAVIOUR] = "behaviour", [MEMORY_BASELINES] = "baselines",
		[MEMORY_COUNTS] = "counts",
	};
	const struct memory_counts *m = &s->memory;
	uint64_t ended = 0;

	json_key(w, "memory");
	json_object_begin(w);
	write_state(w, m->state, m->written, m->aside, m->error);
	put_uint(w, "rows", m->rows);
	control_write_time(w, "as_of", s->parts->clock, m->as_of_ns);
	json_key(w, "restored");
	json_object_begin(w);
	for (unsigned i = 0; i < MEMORY_KINDS; i++) {
		put_uint(w, names[i], m->restored[i]);
		ended += m->ended[i];
	}
	put_uint(w, "ended", ended);
	put_uint(w, "unreadable", m->unreadable);
	json_object_end(w);
	json_object_end(w);
}

static void write_audit(struct json_writer *w, const struct status *s)
{
	const struct audit_counts *a = &s->audit;

	json_key(w, "audit");
	json_object_begin(w);
	put_text(w, "state", audit_state_name(a->state));
	put_uint(w, "records", a->records);
	put_uint(w, "held", a->held);
	put_uint(w, "missing", a->missing);
	put_uint(w, "sync_failures", a->sync_failures);
	json_key(w, "head");
	json_object_begin(w);
	put_uint(w, "seq", a->head.seq);
	put_text(w, "hash", a->head.hash);
	json_object_end(w);
	put_text(w, "error", a->error ? strerror(-a->error) : NULL);
	json_object_end(w);
}

static void write_alerts(struct json_writer *w, const struct status *s)
{
	json_key(w, "alerts");
	json_object_begin(w);
	put_uint(w, "events", s->alerts.events);
	put_uint(w, "told", s->alerts.told);
	put_uint(w, "groups", s->alerts.groups);
	put_uint(w, "waiting", s->alerts.waiting);
	put_uint(w, "forgotten", s->alerts.forgotten);
	json_key(w, "outlets");
	json_array_begin(w);
	for (unsigned i = 0; i < ALERT_OUTLETS; i++) {
		const struct alert_outlet_counts *n = &s->outlets[i];
		if (!n->used)
			continue;
		json_object_begin(w);
		put_text(w, "name", alert_outlet_name((enum alert_outlet)i));
		put_uint(w, "sent", n->sent);
		put_uint(w, "failed", n->failed);
		put_text(w, "error", n->error[0] ? n->error : NULL);
		json_object_end(w);
	}
	json_array_end(w);
	json_object_end(w);
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

/* --- the resource --- */

static void get_status(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	struct stage stages[STAGES_MAX];
	struct status *s = status_read(parts);

	if (!s) {
		control_no_memory(call);
		return;
	}
	unsigned count = status_stages_read(s, stages);

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
	status_write_capture(&w, s);
	status_write_account(&w, stages, count);
	status_write_kernel(&w, s);
	write_judgment(&w, s);
	write_journal(&w, s);
	write_memory(&w, s);
	write_audit(&w, s);
	write_alerts(&w, s);
	json_key(&w, "lists");
	control_write_lists(&w, parts);
	json_key(&w, "gateways");
	control_write_gateways(&w, parts);
	write_proxies(&w, s);
	write_protect(&w, s);
	status_write_hints(&w, s, stages, count);
	json_object_end(&w);
	status_free(s);
	control_reply(call, 200, &b);
}

int control_register_status(struct api *api, const struct control_parts *parts)
{
	const struct api_route routes[] = {
		{"GET", "/v1/status", get_status, (void *)parts},
	};

	status_earlier_read(parts);
	return api_add(api, routes, ARRAY_SIZE(routes));
}
