// SPDX-License-Identifier: Apache-2.0
/*
 * GET /v1/metrics: the counters of status for collectors (Prometheus text format, version 0.0.4). Names and
 * labels are those of the path: stages, points, sources, outcomes; docs/metrics.md says what each counts.
 */
#include <string.h>
#include "sensor/control_status.h"
#include "sensor/crowdsec_link.h"

/* --- the format --- */

static void family(struct buffer *b, const char *name, const char *type, const char *help)
{
	buffer_printf(b, "# HELP picket_%s %s\n# TYPE picket_%s %s\n", name, help, name, type);
}

/* Names of gateways and instances are letters, digits, - and _; all other values are words of ours. */
static void sample(struct buffer *b, const char *name, const char *labels, uint64_t value)
{
	buffer_printf(b, "picket_%s%s%s%s %llu\n", name, *labels ? "{" : "", labels, *labels ? "}" : "",
		      (unsigned long long)value);
}

static void sample_of(struct buffer *b, const char *name, const char *label, const char *value, uint64_t n)
{
	char labels[128];

	snprintf(labels, sizeof labels, "%s=\"%s\"", label, value);
	sample(b, name, labels, n);
}

static void sample_of2(struct buffer *b, const char *name, const char *label, const char *value,
		       const char *label2, const char *value2, uint64_t n)
{
	char labels[192];

	snprintf(labels, sizeof labels, "%s=\"%s\",%s=\"%s\"", label, value, label2, value2);
	sample(b, name, labels, n);
}

static void alone(struct buffer *b, const char *name, const char *type, const char *help, uint64_t value)
{
	family(b, name, type, help);
	sample(b, name, "", value);
}

/* --- the families --- */

static void put_process(struct buffer *b, const struct status *s)
{
	const struct control_parts *parts = s->parts;

	family(b, "info", "gauge", "Version and instance; always 1.");
	sample_of2(b, "info", "version", PICKET_VERSION, "instance", parts->config->instance, 1);
	family(b, "mode", "gauge", "1 for the mode that is set.");
	for (int m = MODE_OBSERVE; m <= MODE_ENFORCE; m++)
		sample_of(b, "mode", "mode", config_mode_name((enum config_mode)m), (int)s->mode == m);
	alone(b, "uptime_seconds", "gauge", "Of the sensor process.",
	      (s->now_ns - parts->started_ns) / NS_PER_S);
	alone(b, "warden_answers", "gauge", "Does the privileged process answer?", !s->warden_result);
	if (s->warden_result)
		return;
	alone(b, "kill_switch", "gauge", "1: nothing is dropped.", s->warden.status.kill);
	alone(b, "sensor_restarts_total", "counter", "Sensor processes that ended and were started again.",
	      s->warden.status.sensor_restarts);
	alone(b, "interfaces", "gauge", "Interfaces with a packet program.", attachment_count(s));
	alone(b, "watched_ports", "gauge", "Ports whose requests are read.", status_ports_count(s));
}

static void put_account(struct buffer *b, const struct status *s)
{
	struct stage stages[STAGES_MAX];
	unsigned count = status_stages_read(s, stages);
	static const struct {
		const char *name, *type, *help;
		size_t at;
	} columns[] = {
		{"stage_produced_total", "counter", "Records or events that came to a stage.",
		 offsetof(struct stage, produced)},
		{"stage_delivered_total", "counter", "Of these, passed on by this sensor process.",
		 offsetof(struct stage, delivered)},
		{"stage_delivered_earlier_total", "counter", "Of these, passed on by earlier ones.",
		 offsetof(struct stage, delivered_earlier)},
		{"stage_lost_total", "counter", "Of these, lost.", offsetof(struct stage, lost)},
		{"stage_held", "gauge", "Of these, waiting.", offsetof(struct stage, held)},
	};

	for (size_t c = 0; c < ARRAY_SIZE(columns); c++) {
		family(b, columns[c].name, columns[c].type, columns[c].help);
		for (unsigned i = 0; i < count; i++)
			sample_of2(
				b, columns[c].name, "stage", stages[i].stage, "kind", stages[i].kind,
				*(const uint64_t *)(const void *)((const char *)&stages[i] + columns[c].at));
	}
}

static void put_kernel(struct buffer *b, const struct status *s)
{
	static const struct {
		const char *name, *help;
		enum pk_counter counter;
	} counters[] = {
		{"packets_total", "Packets that the packet program met.", PK_C_PACKETS},
		{"packets_dropped_total", "Packets of blocked sources that were dropped.", PK_C_DROPPED},
		{"packets_dropped_bytes_total", "Their bytes.", PK_C_DROPPED_BYTES},
		{"resets_total", "Dropped packets that were answered with a RST.", PK_C_RESETS},
		{"resets_withheld_total",
		 "Dropped packets that action reset did not answer: in doubt, or over the rate.",
		 PK_C_RESET_SILENT},
		{"packets_shadowed_total", "Packets that a shadow would have dropped.", PK_C_SHADOWED},
		{"packets_passed_by_kill_switch_total",
		 "Packets of blocked sources that passed by the kill switch.", PK_C_PASS_KILLED},
		{"headers_throttled_total", "TCP headers over capture.header_rate.", PK_C_HDR_THROTTLED},
		{"udp_packets_total", "UDP packets to watched ports: QUIC is not read.", PK_C_UDP},
	};

	if (s->warden_result)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		alone(b, counters[i].name, "counter", counters[i].help, stat_of(s, counters[i].counter));
}

static void put_capture(struct buffer *b, const struct status *s)
{
	const struct capture_counts *c = &s->capture;

	alone(b, "requests_total", "counter", "HTTP requests seen by this sensor process.", c->requests);
	alone(b, "connections_total", "counter", "Connections to watched ports that opened.",
	      c->connections_opened);
	alone(b, "stream_gaps_total", "counter", "Ranges of client bytes that were not seen.", c->gaps);
	alone(b, "anomalies_total", "counter", "Anomalies of TCP and HTTP.", c->anomalies);
	alone(b, "tls_hellos_total", "counter", "Hellos of TLS clients that became events.", c->tls.hellos);
	family(b, "tls_hellos_unread_total", "counter", "Hellos of TLS clients that could not be read.");
	sample_of(b, "tls_hellos_unread_total", "why", "broken", c->tls.broken);
	sample_of(b, "tls_hellos_unread_total", "why", "too_long", c->tls.too_long);
	sample_of(b, "tls_hellos_unread_total", "why", "cut", c->tls.cut);
	sample_of(b, "tls_hellos_unread_total", "why", "refused", c->tls.refused);
}

/* The map of an HAProxy is a point of its own: "haproxy/edge". */
static void put_haproxy_blocks(struct buffer *b, struct haproxy_point *p)
{
	struct haproxy_counts c = haproxy_point_counts(p);
	char point[64];

	snprintf(point, sizeof point, "haproxy/%s", haproxy_point_config(p)->name);
	sample_of2(b, "blocks", "point", point, "state", "desired", c.desired);
	sample_of2(b, "blocks", "point", point, "state", "installed", c.installed);
	sample_of2(b, "blocks", "point", point, "state", "missing", c.missing);
	sample_of2(b, "blocks", "point", point, "state", "extra", c.extra);
}

static void put_haproxy(struct buffer *b, const struct status *s)
{
	const struct control_parts *parts = s->parts;

	if (!parts->haproxy_count)
		return;
	family(b, "haproxy_up", "gauge", "1: its map is kept.");
	for (unsigned i = 0; i < parts->haproxy_count; i++)
		sample_of(b, "haproxy_up", "haproxy", haproxy_point_config(parts->haproxy[i])->name,
			  haproxy_point_is_up(parts->haproxy[i]));
	family(b, "haproxy_mended_total", "counter",
	       "Entries put back or taken out, since its map differed from the list.");
	for (unsigned i = 0; i < parts->haproxy_count; i++)
		sample_of(b, "haproxy_mended_total", "haproxy", haproxy_point_config(parts->haproxy[i])->name,
			  haproxy_point_counts(parts->haproxy[i]).mended);
}

static void put_blocks(struct buffer *b, const struct status *s)
{
	const struct enforcer_counts *e = &s->enforcer;

	family(b, "blocks", "gauge",
	       "Blocks by enforcement point: wanted, in force, missing, and not wanted.");
	sample_of2(b, "blocks", "point", "kernel", "state", "desired", e->desired);
	sample_of2(b, "blocks", "point", "kernel", "state", "installed", e->installed);
	sample_of2(b, "blocks", "point", "kernel", "state", "missing", e->missing);
	sample_of2(b, "blocks", "point", "kernel", "state", "extra", e->extra);
	sample_of2(b, "blocks", "point", "http", "state", "desired", e->http);
	sample_of2(b, "blocks", "point", "http", "state", "installed", e->http - MIN(e->published, e->http));
	sample_of2(b, "blocks", "point", "published", "state", "desired", e->published);
	for (unsigned i = 0; i < s->parts->haproxy_count; i++)
		put_haproxy_blocks(b, s->parts->haproxy[i]);
	alone(b, "blocks_mended_total", "counter",
	      "Entries put back or taken out, since the kernel differed from the list.", e->mended);
	alone(b, "connections_ended_total", "counter", "Open connections of blocked clients that were ended.",
	      e->closed);
	alone(b, "pending", "gauge", "Decisions that wait for a person.", e->pending);
	family(b, "verdicts_total", "counter", "Verdicts by who gave them.");
	for (int i = VERDICT_OPERATOR; i <= VERDICT_GATEWAY; i++)
		sample_of(b, "verdicts_total", "source", verdict_source_name((enum verdict_source)i),
			  e->verdicts[i]);
	family(b, "decisions_total", "counter", "What became of verdicts and blocks.");
	for (int i = DECISION_BLOCKED; i <= DECISION_EXPIRED; i++)
		sample_of(b, "decisions_total", "outcome", decision_outcome_name((enum decision_outcome)i),
			  e->outcomes[i]);
	family(b, "limit_trips_total", "counter",
	       "Times that a source of verdicts went over a limit of the guard.");
	for (size_t i = 0; i < e->trip_count; i++)
		sample_of(b, "limit_trips_total", "source", e->trips[i].source, e->trips[i].trips);
}

static void put_http(struct buffer *b, const struct status *s)
{
	struct decide_counts d = decide_counts(enforcer_decide(s->parts->enforcer));
	struct http_point_counts p = {0};

	if (s->parts->http_point)
		p = http_point_counts(s->parts->http_point);
	alone(b, "http_asked_total", "counter", "Questions of proxies at the point at HTTP.", p.asked);
	alone(b, "http_unnamed_total", "counter", "Of these, those that named no client.", p.unnamed);
	family(b, "http_told_total", "counter",
	       "Questions that told a consumer's credential, a JA4, what is asked for.");
	sample_of(b, "http_told_total", "what", "consumer", p.with_consumer);
	sample_of(b, "http_told_total", "what", "ja4", p.with_ja4);
	sample_of(b, "http_told_total", "what", "target", p.with_target);
	family(b, "http_untold_total", "counter",
	       "Questions in which what tells a JA4 or a target could not be read.");
	sample_of(b, "http_untold_total", "what", "ja4", p.bad_ja4);
	sample_of(b, "http_untold_total", "what", "target", p.bad_target);
	family(b, "http_refused_total", "counter", "Requests that it had refused, by answer.");
	sample_of(b, "http_refused_total", "answer", "deny", d.denied);
	sample_of(b, "http_refused_total", "answer", "slow", d.slowed);
	sample_of(b, "http_refused_total", "answer", "shadow", d.shadowed);
}

static uint64_t list_refused(const struct lists_account *a)
{
	uint64_t sum = 0;

	for (unsigned i = LIMITS_OK + 1; i < ARRAY_SIZE(a->refused); i++)
		sum += a->refused[i];
	return sum;
}

/* Names of lists are as those of gateways. */
static void put_lists(struct buffer *b, const struct status *s)
{
	struct lists_account lists[CONFIG_LISTS_MAX];
	unsigned count = enforcer_lists(s->parts->enforcer, lists);

	if (!count)
		return;
	family(b, "list_entries", "gauge", "Entries of a block list: read, in force, and refused.");
	for (unsigned i = 0; i < count; i++) {
		sample_of2(b, "list_entries", "list", lists[i].config->name, "state", "read",
			   lists[i].entries);
		sample_of2(b, "list_entries", "list", lists[i].config->name, "state", "in_force",
			   lists[i].in_force);
		sample_of2(b, "list_entries", "list", lists[i].config->name, "state", "refused",
			   list_refused(&lists[i]));
	}
	family(b, "list_http_refused_total", "counter",
	       "Requests that the point at HTTP had refused by a block list.");
	for (unsigned i = 0; i < count; i++)
		sample_of(b, "list_http_refused_total", "list", lists[i].config->name,
			  lists[i].http.requests);
}

static void put_histograms(struct buffer *b, const struct status *s, const char *name, const char *help,
			   size_t at)
{
	family(b, name, "histogram", help);
	for (unsigned i = 0; i < s->gateway_count; i++) {
		const struct histogram *h = (const void *)((const char *)&s->gateways[i] + at);
		const char *gateway = s->gateways[i].name;
		uint64_t sum = 0;

		for (size_t k = 0; k < HISTOGRAM_BUCKETS; k++) {
			sum += h->buckets[k];
			buffer_printf(b, "picket_%s_bucket{gateway=\"%s\",le=\"%g\"} %llu\n", name, gateway,
				      histogram_bounds_ms[k] / 1e3, (unsigned long long)sum);
		}
		buffer_printf(b,
			      "picket_%s_bucket{gateway=\"%s\",le=\"+Inf\"} %llu\n"
			      "picket_%s_sum{gateway=\"%s\"} %g\n"
			      "picket_%s_count{gateway=\"%s\"} %llu\n",
			      name, gateway, (unsigned long long)h->count, name, gateway,
			      (double)h->sum_us / 1e6, name, gateway, (unsigned long long)h->count);
	}
}

static void put_gateway_answers(struct buffer *b, const struct status *s)
{
	static const char *const classes[] = {"none", NULL, "2xx", "3xx", "4xx", "5xx"};

	family(b, "gateway_answers_total", "counter",
	       "Answers by class of status; none: no whole answer came.");
	for (unsigned i = 0; i < s->gateway_count; i++)
		for (size_t k = 0; k < ARRAY_SIZE(classes); k++)
			if (classes[k])
				sample_of2(b, "gateway_answers_total", "gateway", s->gateways[i].name,
					   "class", classes[k], s->gateways[i].answers[k]);
	put_histograms(b, s, "gateway_answer_seconds",
		       "From sending a batch to the last byte of its 2xx answer.",
		       offsetof(struct gateway_counts, answer_time));
	put_histograms(b, s, "gateway_verdict_seconds",
		       "From the oldest event of a batch to each verdict in its answer.",
		       offsetof(struct gateway_counts, verdict_time));
	family(b, "gateway_lag_seconds", "gauge", "How long the oldest event waits.");
	for (unsigned i = 0; i < s->gateway_count; i++) {
		uint64_t since_ns = s->gateways[i].held_since_ns;
		sample_of(b, "gateway_lag_seconds", "gateway", s->gateways[i].name,
			  since_ns && s->now_ns > since_ns ? (s->now_ns - since_ns) / NS_PER_S : 0);
	}
}

static void put_gateways(struct buffer *b, const struct status *s)
{
	static const struct {
		const char *name, *type, *help;
		size_t at;
	} columns[] = {
		{"gateway_batches_total", "counter", "Batches that a gateway took.",
		 offsetof(struct gateway_counts, batches)},
		{"gateway_attempts_total", "counter", "Posts to it.",
		 offsetof(struct gateway_counts, attempts)},
		{"gateway_retries_total", "counter", "Of these, repeated ones.",
		 offsetof(struct gateway_counts, retries)},
		{"gateway_bytes_total", "counter", "Bytes sent.", offsetof(struct gateway_counts, bytes)},
		{"gateway_verdicts_total", "counter", "Verdicts that came back and could be read.",
		 offsetof(struct gateway_counts, verdicts)},
		{"gateway_polls_total", "counter", "Questions for verdicts, to its verdicts_url.",
		 offsetof(struct gateway_counts, poll.asked)},
		{"gateway_events_filtered_total", "counter",
		 "Events that were not for it: events, sample, clients.",
		 offsetof(struct gateway_counts, events_filtered)},
		{"gateway_tokens_total", "counter", "Tokens of its model, told or guessed.",
		 offsetof(struct gateway_counts, tokens)},
		{"gateway_spool_bytes", "gauge", "Bytes of its files on the disk.",
		 offsetof(struct gateway_counts, spool.spool.bytes)},
		{"gateway_spool_events", "gauge", "Events that wait there and not in memory.",
		 offsetof(struct gateway_counts, spool.spool.waiting)},
		{"gateway_spool_failed_total", "counter", "Batches that could not be written there.",
		 offsetof(struct gateway_counts, spool.failed)},
		{"gateway_spool_bypassed_total", "counter",
		 "Batches that were sent without being safe there.",
		 offsetof(struct gateway_counts, bypassed)},
		{"gateway_spool_dropped_total", "counter", "Events dropped as it was full.",
		 offsetof(struct gateway_counts, spool.spool.dropped)},
	};

	for (size_t c = 0; c < ARRAY_SIZE(columns); c++) {
		family(b, columns[c].name, columns[c].type, columns[c].help);
		for (unsigned i = 0; i < s->gateway_count; i++)
			sample_of(b, columns[c].name, "gateway", s->gateways[i].name,
				  *(const uint64_t *)(const void *)((const char *)&s->gateways[i] +
								    columns[c].at));
	}
	family(b, "gateway_events_dropped_total", "counter", "Events that it will not get, by reason.");
	for (unsigned i = 0; i < s->gateway_count; i++)
		for (int d = 0; d < GATEWAY_DROP_MAX; d++)
			sample_of2(b, "gateway_events_dropped_total", "gateway", s->gateways[i].name,
				   "reason", gateway_drop_name((enum gateway_drop)d),
				   s->gateways[i].dropped[d]);
	family(b, "gateway_verdicts_refused_total", "counter", "Answers that were no verdicts.");
	for (unsigned i = 0; i < s->gateway_count; i++) {
		uint64_t refused = 0;
		for (size_t k = 0; k < VERDICT_E_MAX; k++)
			refused += s->gateways[i].refused[k];
		sample_of(b, "gateway_verdicts_refused_total", "gateway", s->gateways[i].name, refused);
	}
	put_gateway_answers(b, s);
}

static struct crowdsec_bouncer *bouncer_of(const struct status *s, const char *gateway)
{
	struct crowdsec_link *link = crowdsec_links_find(s->parts->crowdsec, gateway);

	return link ? crowdsec_link_bouncer(link) : NULL;
}

static void put_crowdsec_gateway(struct buffer *b, const char *name, const struct crowdsec_bouncer_counts *c)
{
	struct crowdsec_count_row rows[CROWDSEC_COUNT_ROWS];

	crowdsec_count_rows(&c->decisions, rows);
	for (size_t i = 0; i < CROWDSEC_COUNT_ROWS; i++)
		sample_of2(b, "crowdsec_told_total", "gateway", name, "what", rows[i].name, rows[i].value);
}

static void put_crowdsec_machines(struct buffer *b, const struct status *s)
{
	bool begun = false;

	for (unsigned i = 0; i < s->gateway_count; i++) {
		const char *name = s->gateways[i].name;
		struct crowdsec_link *link = crowdsec_links_find(s->parts->crowdsec, name);
		struct crowdsec_machine *machine = link ? crowdsec_link_machine(link) : NULL;
		if (!machine)
			continue;
		const struct crowdsec_machine_counts c = crowdsec_machine_counts(machine);
		const struct crowdsec_count_row rows[] = {
			{"bans", c.bans},         {"records", c.records}, {"deleted", c.deleted},
			{"repeated", c.repeated}, {"late", c.late},       {"dropped", c.dropped},
			{"cannot", c.cannot},     {"refused", c.refused}, {"undeleted", c.undeleted},
		};
		if (!begun)
			family(b, "crowdsec_alerts_total", "counter", "What a LAPI was told, or was not.");
		begun = true;
		for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
			sample_of2(b, "crowdsec_alerts_total", "gateway", name, "what", rows[k].name,
				   rows[k].value);
	}
}

static void put_crowdsec(struct buffer *b, const struct status *s)
{
	struct crowdsec_bouncer_counts counts[CONFIG_LISTS_MAX];
	const char *names[CONFIG_LISTS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < s->gateway_count && n < CONFIG_LISTS_MAX; i++) {
		struct crowdsec_bouncer *bouncer = bouncer_of(s, s->gateways[i].name);
		if (!bouncer)
			continue;
		names[n] = s->gateways[i].name;
		counts[n++] = crowdsec_bouncer_counts(bouncer);
	}
	if (!n)
		return;
	family(b, "crowdsec_decisions", "gauge", "Decisions of a LAPI that are held.");
	for (unsigned i = 0; i < n; i++)
		sample_of(b, "crowdsec_decisions", "gateway", names[i], counts[i].held);
	family(b, "crowdsec_pulls_total", "counter", "Answers of a LAPI, by what they were.");
	for (unsigned i = 0; i < n; i++) {
		sample_of2(b, "crowdsec_pulls_total", "gateway", names[i], "what", "good", counts[i].pulls);
		sample_of2(b, "crowdsec_pulls_total", "gateway", names[i], "what", "failed",
			   counts[i].failures);
	}
	family(b, "crowdsec_told_total", "counter", "What became of what a LAPI told.");
	for (unsigned i = 0; i < n; i++)
		put_crowdsec_gateway(b, names[i], &counts[i]);
}

/* The tables of detections, of clients and consumers, and of what is normal: all have a ceiling. */
static void put_known(struct buffer *b, const struct status *s)
{
	const struct behaviour_totals *k = &s->behaviour;

	alone(b, "detection_buckets", "gauge", "Counts of detections that are held.", s->detect.buckets);
	alone(b, "detection_buckets_max", "gauge", "Their ceiling.", DETECT_BUCKETS_MAX);
	alone(b, "detection_buckets_forgotten_total", "counter", "Counts that made room for others.",
	      s->detect.forgotten);
	alone(b, "detection_withheld_total", "counter",
	      "Times that a detection was silent, having spoken so often within the hour.",
	      s->detect.withheld);
	family(b, "behaviour_tracked", "gauge", "Of whom something is known.");
	sample_of(b, "behaviour_tracked", "kind", "client", k->clients);
	sample_of(b, "behaviour_tracked", "kind", "consumer", k->consumers);
	family(b, "behaviour_tracked_max", "gauge", "Their ceiling.");
	sample_of(b, "behaviour_tracked_max", "kind", "client", k->clients_max);
	sample_of(b, "behaviour_tracked_max", "kind", "consumer", k->consumers_max);
	alone(b, "behaviour_known", "gauge", "Of these, those that were served often enough to be known.",
	      k->known);
	alone(b, "behaviour_kept", "gauge", "Of these, those that are saved over a restart.", k->kept);
	family(b, "behaviour_forgotten_total", "counter",
	       "Who made room for others, by whether he was known.");
	sample_of(b, "behaviour_forgotten_total", "who", "new", k->forgotten_new);
	sample_of(b, "behaviour_forgotten_total", "who", "known", k->forgotten_known);
	alone(b, "baseline_held", "gauge",
	      "Pairs of detection and route of which it is learned what is normal.", s->baseline.held);
	alone(b, "baseline_held_max", "gauge", "Their ceiling.", s->baseline.max);
	alone(b, "baseline_forgotten_total", "counter", "Pairs that made room for others.",
	      s->baseline.forgotten);
	alone(b, "baseline_learning", "gauge", "1: it is learned; 0: learning is frozen.",
	      !s->baseline.frozen);
}

static void put_records(struct buffer *b, const struct status *s)
{
	alone(b, "audit_records_total", "counter", "Records written to the audit log by this sensor process.",
	      s->audit.records);
	alone(b, "audit_missing_total", "counter", "Records that could not be written.", s->audit.missing);
	family(b, "alerts_total", "counter", "Alerts by outlet and result.");
	for (unsigned i = 0; i < ALERT_OUTLETS; i++) {
		const char *name = alert_outlet_name((enum alert_outlet)i);
		if (!s->outlets[i].used)
			continue;
		sample_of2(b, "alerts_total", "outlet", name, "result", "sent", s->outlets[i].sent);
		sample_of2(b, "alerts_total", "outlet", name, "result", "failed", s->outlets[i].failed);
	}
	alone(b, "alerts_waiting", "gauge", "Groups of events with something that nobody was told of yet.",
	      s->alerts.waiting);
}

static void get_metrics(struct api_call *call, void *arg)
{
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct status *s = status_read(arg);

	if (!s) {
		control_no_memory(call);
		return;
	}
	put_process(&b, s);
	put_account(&b, s);
	put_kernel(&b, s);
	put_capture(&b, s);
	put_blocks(&b, s);
	put_known(&b, s);
	put_http(&b, s);
	put_lists(&b, s);
	put_haproxy(&b, s);
	put_gateways(&b, s);
	put_crowdsec(&b, s);
	put_crowdsec_machines(&b, s);
	put_records(&b, s);
	status_free(s);
	if (b.truncated)
		control_no_memory(call);
	else
		api_reply_text(call, "text/plain; version=0.0.4; charset=utf-8", buffer_span(&b));
	buffer_free(&b);
}

int control_register_metrics_point(struct api *api, const struct control_parts *parts)
{
	const struct api_route routes[] = {
		{"GET", "/metrics", get_metrics, (void *)parts},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}

int control_register_metrics(struct api *api, const struct control_parts *parts)
{
	const struct api_route routes[] = {
		{"GET", "/v1/metrics", get_metrics, (void *)parts},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
