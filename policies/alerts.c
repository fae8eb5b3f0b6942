// SPDX-License-Identifier: Apache-2.0
#include "policies/alerts.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include "lib/target.h"
#include "lib/util.h"
#include "policies/buckets.h"

#define HOUR_NS (3600 * NS_PER_S)

struct group {
	struct alert next; /* of what was not told yet; its name and kind are the group's */
	bool used;
	bool told_before;
	uint64_t due_ns;   /* not told again before */
	uint64_t pause_ns; /* the next one */
	uint64_t seen_ns;  /* the latest event */
};

struct alerts {
	pthread_mutex_t lock;
	struct alerts_options o;
	double budget; /* alerts that may be told at budget_ns */
	uint64_t budget_ns;
	struct group groups[ALERT_GROUPS_MAX];
	/* Untold events of groups that were forgotten, by kind. */
	struct alert_part lost[ALERT_KINDS];
	unsigned lost_groups;
	struct alerts_counts counts;
};

const char *alert_kind_name(enum alert_kind kind)
{
	static const char *const names[ALERT_KINDS] = {
		[ALERT_BLOCK] = "block",     [ALERT_QUESTION] = "question", [ALERT_LIMIT] = "limit",
		[ALERT_ANOMALY] = "anomaly", [ALERT_LOSS] = "loss",         [ALERT_MENDED] = "mended",
	};

	return names[kind];
}

const char *alert_state_name(enum alert_state state)
{
	return state == ALERT_NEW ? "new" : state == ALERT_MORE ? "more" : "summary";
}

int alerts_new(const struct alerts_options *options, struct alerts **ret)
{
	struct alerts *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->o = *options;
	a->budget = options->per_hour;
	pthread_mutex_init(&a->lock, NULL);
	*ret = a;
	return 0;
}

void alerts_free(struct alerts *a)
{
	if (!a)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* --- what an event is about --- */

struct subject {
	enum alert_kind kind;
	struct span name, detail, route;
	struct prefix source; /* ADDR_NONE: none */
	bool would;
	uint64_t count;
};

static struct prefix group_of(const struct addr *a)
{
	return a->family == ADDR_NONE ? (struct prefix){.bits = 0} : bucket_group(a);
}

static bool is_limit(struct span why)
{
	return span_equal(why, SPAN("minute_limit")) || span_equal(why, SPAN("hour_limit")) ||
	       span_equal(why, SPAN("total_limit"));
}

/* Of a source of verdicts that went over a limit every refused target is an event, and all are one group. */
static bool subject_of_decision(const struct event *e, struct subject *ret)
{
	const struct event_decision *d = &e->decision;
	const struct verdict *v = &d->verdict;

	if (v->source == VERDICT_OPERATOR || verdict_is_of_list(v->source) || !verdict_denies(v->action))
		return false;
	if (d->outcome == DECISION_BLOCKED || d->outcome == DECISION_WOULD_BLOCK)
		ret->kind = ALERT_BLOCK;
	else if (d->outcome == DECISION_PENDING)
		ret->kind = ALERT_QUESTION;
	else if (d->outcome == DECISION_REFUSED && is_limit(d->why))
		ret->kind = ALERT_LIMIT;
	else
		return false;
	ret->would = d->outcome == DECISION_WOULD_BLOCK;
	ret->detail = ret->kind == ALERT_BLOCK ? span_from(v->reason) : d->detail;
	ret->name = ret->kind == ALERT_LIMIT && v->source == VERDICT_LOCAL
			    ? span_from(verdict_source_name(v->source))
			    : span_from(v->origin);
	if (ret->kind == ALERT_LIMIT) /* so that no list of targets parts it */
		return true;
	const struct prefix who = target_who(&v->target);
	ret->source = target_is_net(&who) && prefix_is_exact(&who) ? group_of(&who.addr) : who;
	ret->route = target_is_routed(&v->target) ? span_from(target_route_text(v->target.route)) : v->route;
	return true;
}

static bool subject_of(const struct event *e, struct subject *ret)
{
	*ret = (struct subject){.count = 1};
	switch (e->kind) {
	case EVENT_DECISION:
		return subject_of_decision(e, ret);
	case EVENT_TCP_ANOMALY:
	case EVENT_HTTP_ANOMALY:
		ret->kind = ALERT_ANOMALY;
		ret->name = e->anomaly.name;
		ret->detail = e->anomaly.severity;
		ret->source = group_of(e->anomaly.client.addr.family == ADDR_NONE ? &e->flow.peer.addr
										  : &e->anomaly.client.addr);
		return true;
	case EVENT_LOSS:
		ret->kind = ALERT_LOSS;
		ret->name = e->loss.stage;
		ret->detail = e->loss.kind;
		ret->count = e->loss.count;
		return true;
	default:
		return false;
	}
}

/* --- groups --- */

static void text_copy(char *to, size_t size, struct span from)
{
	snprintf(to, size, "%.*s", (int)MIN(from.len, size - 1), from.ptr ? from.ptr : "");
}

static bool has_source(const struct alert *a, const struct prefix *source)
{
	for (unsigned i = 0; i < a->source_count; i++)
		if (prefix_equal(&a->sources[i], source))
			return true;
	return false;
}

static bool has_route(const struct alert *a, struct span route)
{
	for (unsigned i = 0; i < a->route_count; i++)
		if (span_equal(a->routes[i], route))
			return true;
	return false;
}

/* A subject without source and route belongs to the one group of its name that is such, too. */
static bool belongs(const struct group *g, const struct subject *s)
{
	const struct alert *a = &g->next;

	if (!g->used || a->kind != s->kind || !span_equal(span_from(a->name), s->name))
		return false;
	if (s->source.addr.family == ADDR_NONE && !s->route.len)
		return !a->source_count && !a->route_count;
	return has_source(a, &s->source) || (s->route.len && has_route(a, s->route));
}

static bool is_over(const struct group *g, uint64_t now_ns)
{
	return g->told_before && !g->next.count && g->due_ns <= now_ns;
}

/* A free place, one whose group is over, or that of the group that was quiet for longest. */
static struct group *place(struct alerts *a, uint64_t now_ns)
{
	struct group *quiet = NULL;

	for (unsigned i = 0; i < ALERT_GROUPS_MAX; i++) {
		struct group *g = &a->groups[i];
		if (!g->used || is_over(g, now_ns))
			return g;
		if (!quiet || g->seen_ns < quiet->seen_ns)
			quiet = g;
	}
	a->counts.forgotten++;
	if (quiet->next.count) {
		struct alert_part *lost = &a->lost[quiet->next.kind];
		lost->kind = quiet->next.kind;
		snprintf(lost->name, sizeof lost->name, "others");
		lost->count += quiet->next.count;
		a->lost_groups++;
	}
	return quiet;
}

static struct group *group_for(struct alerts *a, const struct subject *s, uint64_t now_ns)
{
	struct group *g;

	for (unsigned i = 0; i < ALERT_GROUPS_MAX; i++)
		if (belongs(&a->groups[i], s) && !is_over(&a->groups[i], now_ns))
			return &a->groups[i];
	g = place(a, now_ns);
	*g = (struct group){.used = true, .pause_ns = a->o.pause_ns, .next.kind = s->kind};
	text_copy(g->next.name, sizeof g->next.name, s->name);
	return g;
}

static void group_add(struct group *g, const struct subject *s, uint64_t now_ns)
{
	struct alert *a = &g->next;

	if (!a->count) {
		a->first_ns = now_ns;
		a->would = true;
	}
	a->would &= s->would;
	a->count += s->count;
	a->last_ns = g->seen_ns = now_ns;
	text_copy(a->detail, sizeof a->detail, s->detail);
	if (s->source.addr.family != ADDR_NONE && !has_source(a, &s->source)) {
		if (a->source_count < ALERT_SOURCES_MAX)
			a->sources[a->source_count++] = s->source;
		else
			a->sources_more = true;
	}
	if (s->route.len && !has_route(a, s->route)) {
		if (a->route_count < ALERT_ROUTES_MAX)
			a->routes[a->route_count++] = s->route;
		else
			a->routes_more = true;
	}
}

static void take(struct alerts *a, const struct subject *s, uint64_t now_ns)
{
	pthread_mutex_lock(&a->lock);
	a->counts.events++;
	group_add(group_for(a, s, now_ns), s, now_ns);
	pthread_mutex_unlock(&a->lock);
}

static bool is_wanted(const struct alerts *a, enum alert_kind kind)
{
	return a->o.kinds >> kind & 1;
}

void alerts_note(struct alerts *a, const struct event *e)
{
	struct subject s;

	if (a && e->kind != EVENT_HTTP_REQUEST && subject_of(e, &s) && is_wanted(a, s.kind))
		take(a, &s, e->time_ns);
}

void alerts_note_mended(struct alerts *a, const char *point, uint64_t entries, uint64_t now_ns)
{
	bool kernel = strcmp(point, "deny_maps") == 0;
	/* No source: who did it is somebody on this host. */
	const struct subject s = {
		.kind = ALERT_MENDED,
		.name = span_from(point),
		.detail = kernel ? SPAN("the audit log names the entries")
				 : SPAN("the map of this HAProxy was changed, or it was restarted"),
		.count = entries,
	};

	if (a && entries && is_wanted(a, ALERT_MENDED))
		take(a, &s, now_ns);
}

/* --- telling --- */

static bool budget_allows(struct alerts *a, uint64_t now_ns)
{
	if (now_ns > a->budget_ns) {
		if (a->budget_ns)
			a->budget += (double)(now_ns - a->budget_ns) * a->o.per_hour / (double)HOUR_NS;
		a->budget_ns = now_ns;
	}
	if (a->budget > a->o.per_hour)
		a->budget = a->o.per_hour;
	return a->budget >= 1;
}

static bool is_due(const struct group *g, uint64_t now_ns)
{
	return g->used && g->next.count && (!g->told_before || g->due_ns <= now_ns);
}

/* Its members stay known, so that what follows joins it. */
static void told(struct alerts *a, struct group *g, uint64_t now_ns)
{
	g->told_before = true;
	g->due_ns = now_ns + g->pause_ns;
	g->pause_ns = MIN(g->pause_ns * 2, a->o.pause_ns * ALERT_PAUSES_MAX);
	g->next.count = 0;
}

static void summary_add(struct alert *s, const struct alert_part *part, const struct alert *of)
{
	if (s->part_count < ALERT_SUMMARY_MAX)
		s->parts[s->part_count++] = *part;
	if (!s->count)
		s->kind = part->kind;
	s->count += part->count;
	if (of) {
		s->first_ns = s->first_ns ? MIN(s->first_ns, of->first_ns) : of->first_ns;
		s->last_ns = MAX(s->last_ns, of->last_ns);
	}
}

static void summarize(struct alerts *a, uint64_t now_ns, struct alert *ret)
{
	*ret = (struct alert){.state = ALERT_SUMMARY, .groups = a->lost_groups};
	for (unsigned i = 0; i < ALERT_GROUPS_MAX; i++) {
		struct group *g = &a->groups[i];
		struct alert_part part = {.kind = g->next.kind, .count = g->next.count};
		if (!is_due(g, now_ns))
			continue;
		memcpy(part.name, g->next.name, sizeof part.name);
		summary_add(ret, &part, &g->next);
		ret->groups++;
		told(a, g, now_ns);
	}
	for (unsigned i = 0; i < ALERT_KINDS; i++)
		if (a->lost[i].count)
			summary_add(ret, &a->lost[i], NULL);
	memset(a->lost, 0, sizeof a->lost);
	a->lost_groups = 0;
}

/* The one whose first untold event is oldest. */
static struct group *first_due(struct alerts *a, uint64_t now_ns, unsigned *ret_due)
{
	struct group *first = NULL;

	*ret_due = 0;
	for (unsigned i = 0; i < ALERT_GROUPS_MAX; i++) {
		struct group *g = &a->groups[i];
		if (!is_due(g, now_ns))
			continue;
		++*ret_due;
		if (!first || g->next.first_ns < first->next.first_ns)
			first = g;
	}
	return first;
}

int alerts_next(struct alerts *a, uint64_t now_ns, struct alert *ret)
{
	unsigned due;
	int r = ALERTS_E_NONE;

	pthread_mutex_lock(&a->lock);
	struct group *g = first_due(a, now_ns, &due);
	if ((g || a->lost_groups) && budget_allows(a, now_ns)) {
		/* More than what is left of the budget could tell one by one: one tells of them all. */
		if (a->lost_groups || due > (unsigned)a->budget) {
			summarize(a, now_ns, ret);
		} else {
			*ret = g->next;
			ret->state = g->told_before ? ALERT_MORE : ALERT_NEW;
			told(a, g, now_ns);
		}
		a->budget--;
		a->counts.told++;
		r = 0;
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

struct alerts_counts alerts_counts(struct alerts *a)
{
	struct alerts_counts n = {0};

	if (!a)
		return n;
	pthread_mutex_lock(&a->lock);
	n = a->counts;
	for (unsigned i = 0; i < ALERT_GROUPS_MAX; i++) {
		n.groups += a->groups[i].used;
		n.waiting += a->groups[i].used && a->groups[i].next.count;
	}
	pthread_mutex_unlock(&a->lock);
	return n;
}
