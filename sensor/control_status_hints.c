// SPDX-License-Identifier: Apache-2.0
/* The hints of status: what needs attention, how much, and the command that mends it. */
#include <stdarg.h>
#include <stdio.h>
#include "sensor/control_status.h"

#define PEERS_HINTED_MAX 4

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
	if (!status_ports_count(s))
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

/* What is in force at HTTP alone stops nobody while no proxy asks. */
static void hint_http(struct json_writer *w, const struct status *s)
{
	const struct control_parts *parts = s->parts;
	struct http_point_counts p = {0};

	if (!parts->http_point)
		return;
	p = http_point_counts(parts->http_point);
	if (s->enforcer.http > s->enforcer.published && !parts->haproxy_count &&
	    !http_point_is_asked(parts->http_point, ADDR_IPV4))
		hint(w, "warning", NULL,
		     "%zu clients are denied at HTTP, but no proxy asked at %s within five minutes: see "
		     "docs/decide.md",
		     s->enforcer.http, parts->config->decide);
	if (p.unnamed)
		hint(w, "warning", NULL,
		     "%llu questions of a proxy named no client and were answered with pass: have it set a "
		     "header "
		     "of proxies.headers",
		     (unsigned long long)p.unnamed);
}

static void hint_haproxy(struct json_writer *w, const struct status *s)
{
	for (unsigned i = 0; i < s->parts->haproxy_count; i++) {
		const char *name = haproxy_point_config(s->parts->haproxy[i])->name;
		struct haproxy_counts c = haproxy_point_counts(s->parts->haproxy[i]);

		if (c.state == HAPROXY_DOWN)
			hint(w, "warning", NULL,
			     "the map of HAProxy %s cannot be kept: %s. What stands in it holds until its "
			     "end, nothing "
			     "new comes in (docs/haproxy.md)",
			     name, c.error);
		else if (c.missing > c.beyond)
			hint(w, "error", "picket blocks",
			     "%zu blocks are wanted but not in the map of HAProxy %s", c.missing - c.beyond,
			     name);
		if (c.beyond && c.state == HAPROXY_UP)
			hint(w, "warning", "picket lists",
			     "%zu entries of block lists are not in the map of HAProxy %s: it is to hold %u "
			     "(entries_max; docs/haproxy.md)",
			     c.beyond, name, haproxy_point_config(s->parts->haproxy[i])->entries_max);
		if (c.foreign)
			hint(w, "info", NULL,
			     "the map of HAProxy %s holds %zu keys that picket did not write: it is to be "
			     "picket's alone",
			     name, c.foreign);
	}
}

static void hint_trips(struct json_writer *w, const struct status *s)
{
	char wait[32];

	for (size_t i = 0; i < s->enforcer.trip_count; i++) {
		const struct guard_trip *t = &s->enforcer.trips[i];

		if (t->until_ns > s->now_ns)
			hint(w, "warning", "picket events --name picket.decision",
			     "%s asked for more automatic blocks than the guard's limits allow: nothing new "
			     "of it "
			     "for another %s; what it has blocked stays",
			     t->source[0] ? t->source : "a gateway that is not configured",
			     config_duration_format(((t->until_ns - s->now_ns) / NS_PER_S + 1) * 1000, wait));
	}
}

static void hint_gateways(struct json_writer *w, const struct status *s)
{
	for (unsigned i = 0; i < s->gateway_count; i++) {
		const struct gateway_counts *g = &s->gateways[i];

		if (!strcmp(g->state, "failed") || !strcmp(g->state, "backing off") ||
		    !strcmp(g->state, "down"))
			hint(w, "warning", "picket gateway list", "gateway %s is %s: %s", g->name, g->state,
			     g->last_error[0] ? g->last_error : "no answer");
		if (g->poll.last_error[0])
			hint(w, "warning", "picket gateway list",
			     "gateway %s is not heard at its verdicts_url: %s", g->name, g->poll.last_error);
		if (g->spool.error)
			hint(w, "warning", "picket gateway list --json",
			     "the spool of gateway %s cannot be used: %s; what waits is in memory, and a "
			     "crash "
			     "would lose it",
			     g->name, strerror(-g->spool.error));
	}
}

static void hint_lists(struct json_writer *w, const struct status *s)
{
	struct lists_account lists[CONFIG_LISTS_MAX];
	unsigned count = enforcer_lists(s->parts->enforcer, lists);

	for (unsigned i = 0; i < count; i++) {
		const struct lists_account *a = &lists[i];
		const char *name = a->config->name;

		if (a->error[0] && a->config->path) /* of a gateway: hint_gateways tells it */
			hint(w, "warning", "picket lists",
			     "the file of block list %s cannot be taken, it %s: what was in force of it "
			     "stays "
			     "until its end",
			     name, a->error);
		if (a->dropped)
			hint(w, "warning", "picket lists",
			     "block list %s lost %llu of its %llu entries at once: if its file was cut "
			     "short, "
			     "bring it again",
			     name, (unsigned long long)a->dropped, (unsigned long long)a->former);
		if (a->refused[LIMITS_FULL])
			hint(w, "warning", NULL,
			     "%llu entries of block list %s found no room: raise limits.blocks_max",
			     (unsigned long long)a->refused[LIMITS_FULL], name);
	}
}

/* Of connections and datagrams that pass here: what is forgotten can no longer be compared with what comes.
 */
static void hint_packets(struct json_writer *w, const struct status *s)
{
	const struct capture_packet_counts *p = &s->capture.packets;

	if (p->tracked.evicted)
		hint(w, "info", NULL,
		     "%llu connections that pass here were forgotten before their time, the table of %llu is "
		     "full: "
		     "raise capture.connections_max",
		     (unsigned long long)p->tracked.evicted, (unsigned long long)p->tracked.held_max);
	if (p->tracked.refused)
		hint(w, "warning", NULL, "%llu segments were not judged: memory is out",
		     (unsigned long long)p->tracked.refused);
	if (p->tracked.lossy)
		hint(w, "warning", "picket events --name picket.loss",
		     "%llu connections that pass here are judged in part, since records of them may be lost: "
		     "raise "
		     "capture.header_ring_bytes",
		     (unsigned long long)p->tracked.lossy);
	if (p->datagrams.evicted)
		hint(w, "info", "picket events --name tcp.anomaly",
		     "%llu fragmented datagrams were forgotten before their time, %llu are remembered: "
		     "somebody "
		     "sends very many",
		     (unsigned long long)p->datagrams.evicted, (unsigned long long)p->datagrams.held_max);
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
	if (stat_of(s, PK_C_REFUSED_THROTTLED))
		hint(w, "info", NULL,
		     "%llu segments that TCP refused were not looked at, they came faster than "
		     "capture.header_rate; requests are not affected",
		     (unsigned long long)stat_of(s, PK_C_REFUSED_THROTTLED));
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

static void hint_audit(struct json_writer *w, const struct status *s)
{
	const struct audit_counts *a = &s->audit;
	const char *error = strerror(-a->error);

	if (a->state == AUDIT_UNOPENED)
		hint(w, "warning", NULL,
		     "there is no audit log (%s): let state_dir (%s) be a folder that root may write, and no "
		     "other instance's, or say audit: {enabled: false}",
		     error, s->parts->config->state_dir);
	if (a->state == AUDIT_UNWRITTEN)
		hint(w, "error", NULL,
		     "the audit log in %s cannot be written (%s): %zu records wait, and are written once "
		     "there is "
		     "room",
		     s->parts->config->state_dir, error, a->held);
	if (a->missing && a->state != AUDIT_UNOPENED)
		hint(w, "warning", "picket audit verify",
		     "%llu records are missing in the audit log, as it says at their places: they came "
		     "faster than "
		     "they could be written",
		     (unsigned long long)a->missing);
	if (a->sync_failures)
		hint(w, "error", NULL,
		     "%llu times the disk did not confirm what was written to the audit log: look at the "
		     "kernel's log "
		     "(dmesg)",
		     (unsigned long long)a->sync_failures);
}

static void hint_alerts(struct json_writer *w, const struct status *s)
{
	for (unsigned i = 0; i < ALERT_OUTLETS; i++)
		if (s->outlets[i].error[0])
			hint(w, "warning", NULL, "alerts do not arrive (%s): %s",
			     alert_outlet_name((enum alert_outlet)i), s->outlets[i].error);
}

static void hint_memory(struct json_writer *w, const struct status *s)
{
	const struct memory_counts *m = &s->memory;
	const char *folder = s->parts->config->state_dir;

	if (m->state != JOURNAL_NONE && m->state != JOURNAL_ON)
		hint(w, "warning", NULL,
		     "what is known of clients (regulars, repeaters, the forecast, what was rejected) will "
		     "not "
		     "outlive a restart: %s/memory.db cannot be %s (%s)",
		     folder, m->state == JOURNAL_UNOPENED ? "opened" : "written", strerror(-m->error));
	if (m->aside[0])
		hint(w, "warning", NULL,
		     "what was known of clients could not be read as it was: it is kept as %s/%s", folder,
		     m->aside);
}

static void hint_journal(struct json_writer *w, const struct status *s)
{
	const struct journal_counts *j = &s->journal;
	const char *error = strerror(-j->error), *folder = s->parts->config->state_dir;

	if (j->state == JOURNAL_UNOPENED)
		hint(w, "warning", NULL,
		     "blocks, mode and what was said of proxies will not outlive a restart: the journal in "
		     "%s "
		     "cannot "
		     "be opened (%s)",
		     folder, error);
	if (j->state == JOURNAL_READ_ONLY)
		hint(w, "warning", NULL,
		     "what is decided from now on will not outlive a restart: the journal in %s can be read, "
		     "but not "
		     "be written",
		     folder);
	if (j->state == JOURNAL_UNWRITTEN)
		hint(w, "error", NULL,
		     "the journal in %s cannot be written (%s): what was decided since would not outlive a "
		     "restart; "
		     "all of it is written once there is room",
		     folder, error);
	if (j->aside[0])
		hint(w, "warning", NULL,
		     "the journal could not be read as it was: it is kept as %s/%s, and what could be read "
		     "of it is in "
		     "force",
		     folder, j->aside);
	if (j->restored.refused)
		hint(w, "warning", "picket events --name picket.decision",
		     "%llu blocks that were in force before the restart are not any more: hard limits of now "
		     "refuse "
		     "them",
		     (unsigned long long)j->restored.refused);
}

void status_write_hints(struct json_writer *w, const struct status *s, const struct stage *stages,
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
	hint_packets(w, s);
	if (s->sight != PROCESSES_SEEN)
		hint(w, "info", processes_sight_mend(s->sight), "%s", processes_sight_why(s->sight));
	hint_http(w, s);
	hint_haproxy(w, s);
	hint_trips(w, s);
	hint_gateways(w, s);
	hint_lists(w, s);
	hint_proxies(w, s);
	hint_nameless_proxies(w, s);
	hint_judgment(w, s);
	hint_journal(w, s);
	hint_memory(w, s);
	hint_audit(w, s);
	hint_alerts(w, s);
	json_array_end(w);
}
