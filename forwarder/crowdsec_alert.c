// SPDX-License-Identifier: Apache-2.0
#include "forwarder/crowdsec_alert.h"
#include <inttypes.h>
#include <stdio.h>
#include "lib/clock.h"
#include "lib/target.h"
#include "lib/util.h"

#define SCENARIO_MAX (VERDICT_ID_MAX + 16)

static bool is_automatic(const struct verdict *v)
{
	return v->source == VERDICT_LOCAL || v->source == VERDICT_GATEWAY;
}

enum crowdsec_tell crowdsec_alert_tell(const struct event *e)
{
	const struct event_decision *d = &e->decision;
	const struct verdict *v = &d->verdict;
	bool published = span_equal(d->point, SPAN("published"));

	if (e->kind != EVENT_DECISION || (!is_automatic(v) && !published && d->outcome != DECISION_UNBLOCKED))
		return CROWDSEC_TELL_NOTHING;
	if (d->outcome == DECISION_UNBLOCKED)
		return target_is_net(&v->target) && !target_is_routed(&v->target) ? CROWDSEC_TELL_UNBAN
										  : CROWDSEC_TELL_NOTHING;
	if ((d->outcome != DECISION_BLOCKED && d->outcome != DECISION_WOULD_BLOCK) ||
	    !verdict_drops(v->action))
		return CROWDSEC_TELL_NOTHING;
	if (!target_is_net(&v->target) || target_is_routed(&v->target) || !v->ttl_ms)
		return CROWDSEC_TELL_CANNOT;
	return d->outcome == DECISION_BLOCKED ? CROWDSEC_TELL_BAN : CROWDSEC_TELL_RECORD;
}

static uint64_t ttl_s(const struct event *e)
{
	return (e->decision.verdict.ttl_ms + 999) / 1000;
}

uint64_t crowdsec_alert_end_s(const struct event *e)
{
	return e->wall_ns / NS_PER_S + ttl_s(e);
}

/* --- writing --- */

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_text(w, text);
}

static void put_meta(struct json_writer *w, const char *key, struct span value)
{
	if (!value.len)
		return;
	json_object_begin(w);
	put_text(w, "key", key);
	json_key(w, "value");
	json_string(w, value);
	json_object_end(w);
}

/* A host's address or a range, and what they are called. */
static void put_target(struct json_writer *w, const struct prefix *target, bool is_source)
{
	char text[PREFIX_TEXT_MAX];
	bool exact = prefix_is_exact(target);

	prefix_format(target, text);
	put_text(w, "scope", exact ? "Ip" : "Range");
	put_text(w, "value", text);
	if (is_source)
		put_text(w, exact ? "ip" : "range", text);
}

static void put_times(struct json_writer *w, const struct event *e)
{
	const struct verdict *v = &e->decision.verdict;
	uint64_t before_ns = v->cause_ns && v->cause_ns < e->time_ns ? e->time_ns - v->cause_ns : 0;
	char text[CLOCK_TEXT_MAX];

	put_text(w, "start_at", clock_format(e->wall_ns - MIN(before_ns, e->wall_ns), text));
	put_text(w, "stop_at", clock_format(e->wall_ns, text));
}

/* What it was decided on: our ids, which find the requests here. */
static void put_events(struct json_writer *w, const struct event *e)
{
	const struct verdict *v = &e->decision.verdict;
	char text[CLOCK_TEXT_MAX], id[EVENT_ID_TEXT_MAX];

	json_key(w, "events");
	json_array_begin(w);
	json_object_begin(w);
	put_text(w, "timestamp", clock_format(e->wall_ns, text));
	json_key(w, "meta");
	json_array_begin(w);
	put_meta(w, "picket_decision", span_from(event_id_format(e, id)));
	put_meta(w, "picket_verdict", span_from(v->id));
	put_meta(w, "picket_source", span_from(verdict_source_name(v->source)));
	put_meta(w, "picket_point", e->decision.point);
	put_meta(w, "http_route", v->route);
	for (unsigned i = 0; i < v->evidence_count && i < VERDICT_EVIDENCE_MAX; i++)
		put_meta(w, "picket_evidence", span_from(v->evidence[i]));
	json_array_end(w);
	json_object_end(w);
	json_array_end(w);
}

static void put_decisions(struct json_writer *w, const struct event *e, const char *scenario)
{
	char duration[32];

	snprintf(duration, sizeof duration, "%" PRIu64 "s", ttl_s(e));
	json_key(w, "decisions");
	json_array_begin(w);
	json_object_begin(w);
	put_text(w, "origin", CROWDSEC_ORIGIN_OURS);
	put_text(w, "type", "ban");
	put_target(w, &e->decision.verdict.target, false);
	put_text(w, "duration", duration);
	put_text(w, "scenario", scenario);
	json_object_end(w);
	json_array_end(w);
}

void crowdsec_alert_write(struct json_writer *w, const struct event *e, enum crowdsec_tell tell)
{
	const struct verdict *v = &e->decision.verdict;
	bool ban = tell == CROWDSEC_TELL_BAN;
	char scenario[SCENARIO_MAX];

	snprintf(scenario, sizeof scenario, "picket/%s", v->origin[0] ? v->origin : "operator");
	json_object_begin(w);
	put_text(w, "scenario", scenario);
	put_text(w, "scenario_hash", "");
	put_text(w, "scenario_version", "");
	put_text(w, "message", v->reason[0] ? v->reason : scenario);
	json_key(w, "events_count");
	json_uint(w, MAX(v->evidence_count, 1u));
	put_times(w, e);
	json_key(w, "capacity");
	json_uint(w, 0);
	put_text(w, "leakspeed", "0");
	json_key(w, "simulated");
	json_bool(w, !ban);
	json_key(w, "remediation"); /* else its profiles would decide as well */
	json_bool(w, ban);
	put_events(w, e);
	json_key(w, "source");
	json_object_begin(w);
	put_target(w, &v->target, true);
	json_object_end(w);
	if (ban)
		put_decisions(w, e, scenario);
	json_object_end(w);
}
