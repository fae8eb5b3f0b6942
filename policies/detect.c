// SPDX-License-Identifier: Apache-2.0
#include "policies/detect.h"
#include <errno.h>
#include "lib/util.h"
#include "policies/buckets.h"
#include "policies/decide.h"
#include "policies/matcher.h"
#include "policies/redact.h"
#include "policies/rules.h"

/* One rule's count for one group of clients. */
struct count {
	struct bucket bucket;
	uint64_t fired_ns;   /* 0: never */
	uint32_t fired_era;  /* detect.era then */
	bool fired_for_many; /* ... for the whole group */
	bool many;           /* more than one address of the group was seen */
	bool here;           /* packets of its own come here: it did not always stand behind a proxy */
	struct addr first;
	uint64_t events[VERDICT_EVIDENCE_MAX]; /* ids of the last matches, in a ring */
	unsigned event_count;                  /* all of them, ever */
};

struct detect {
	struct rules rules;
	struct matcher *matcher;
	uint64_t ttl_default_ms;
	struct buckets buckets;
	struct detect_links links;
	/* written here, read by others */
	uint64_t requests, matches, fired, skipped, no_memory, own_denials;
	uint32_t era; /* raised by detect_rearm, from any thread */
};

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED); /* one writer */
}

/* --- the life of it --- */
static int load_rules(const struct config *config, struct rules *rules, struct buffer *errors)
{
	int r = 0;

	if (!config->detect.policies.count)
		return rules_load_shipped(rules, errors);
	for (unsigned i = 0; i < config->detect.policies.count && r >= 0; i++) {
		int e = rules_load_file(config->detect.policies.items[i], rules, errors);
		if (e)
			r = e;
	}
	return r;
}

int detect_new(const struct config *config, struct redact *hasher, struct detect **ret, struct buffer *errors)
{
	struct detect *d = calloc(1, sizeof *d);

	(void)hasher;
	if (!d)
		return -ENOMEM;
	d->ttl_default_ms = config->guard.ttl_default_ms;
	int r = load_rules(config, &d->rules, errors);
	if (!r)
		r = matcher_new(&d->rules, &d->matcher, errors);
	if (!r)
		r = buckets_init(&d->buckets, sizeof(struct count), DETECT_BUCKETS_MAX);
	if (r) {
		detect_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void detect_free(struct detect *d)
{
	if (!d)
		return;
	buckets_deinit(&d->buckets);
	matcher_free(d->matcher);
	rules_free(&d->rules);
	free(d);
}

void detect_link(struct detect *d, const struct detect_links *links)
{
	d->links = *links;
}

void detect_rearm(struct detect *d)
{
	__atomic_add_fetch(&d->era, 1, __ATOMIC_RELAXED);
}

struct detect_counts detect_counts(const struct detect *d)
{
	return (struct detect_counts){
		.requests = __atomic_load_n(&d->requests, __ATOMIC_RELAXED),
		.matches = __atomic_load_n(&d->matches, __ATOMIC_RELAXED),
		.fired = __atomic_load_n(&d->fired, __ATOMIC_RELAXED),
		.forgotten = __atomic_load_n(&d->buckets.forgotten, __ATOMIC_RELAXED),
		.buckets = __atomic_load_n(&d->buckets.held, __ATOMIC_RELAXED),
		.skipped = __atomic_load_n(&d->skipped, __ATOMIC_RELAXED),
		.no_memory = __atomic_load_n(&d->no_memory, __ATOMIC_RELAXED) +
			     __atomic_load_n(&d->buckets.no_memory, __ATOMIC_RELAXED),
		.own_denials = __atomic_load_n(&d->own_denials, __ATOMIC_RELAXED),
		.gave_up = matcher_gave_up(d->matcher),
	};
}

/* --- counting --- */

static struct count *count_get(struct detect *d, uint16_t rule, const struct addr *client, uint64_t now_ns)
{
	struct prefix group = bucket_group(client);
	bool fresh;
	struct bucket *b = buckets_get(&d->buckets, rule, &group, now_ns, &fresh);

	if (!b)
		return NULL;
	struct count *c = (struct count *)b; /* its first member */
	if (fresh)
		c->first = *client;
	if (!addr_equal(&c->first, client))
		c->many = true;
	return c;
}

/* Silent after it fired, unless it now would name the group where it named one address before. */
static bool is_cooling(const struct detect *d, const struct count *b, const struct rule *rule,
		       uint64_t now_ns)
{
	if (!b->fired_ns || b->fired_era != __atomic_load_n(&d->era, __ATOMIC_RELAXED) ||
	    (b->many && !b->fired_for_many))
		return false;
	return now_ns < b->fired_ns || now_ns - b->fired_ns < rule->cool_down_ns;
}

/* --- the verdict --- */
static void verdict_fill(const struct detect *d, const struct count *b, const struct rule *rule,
			 const struct event *event, struct verdict *v)
{
	char text[EVENT_ID_TEXT_MAX], window[32];
	struct event named = {.id = event->id};
	unsigned kept = MIN(b->event_count, VERDICT_EVIDENCE_MAX);

	v->source = VERDICT_LOCAL;
	v->action = VERDICT_BLOCK;
	v->scope = rule->scope;
	v->target = b->many ? b->bucket.key.group : prefix_of(&b->first, addr_bits(&b->first));
	if (!b->here)
		v->via = event->flow.peer.addr;
	v->ttl_ms = rule->ttl_ms ? rule->ttl_ms : d->ttl_default_ms;
	v->confidence = rule->confidence;
	v->route = event->request.route;
	v->received_ns = event->time_ns;
	v->cause_ns = event->time_ns;
	snprintf(v->id, sizeof v->id, "local-%s-%u", event_id_format(event, text), b->bucket.key.rule);
	snprintf(v->origin, sizeof v->origin, "%s", rule->name);
	snprintf(v->reason, sizeof v->reason, "%s: %u%s within %s", rule->description, rule->threshold,
		 rule->distinct_paths ? " different ones" : "",
		 config_duration_format(rule->window_ns / NS_PER_MS, window));
	for (unsigned i = 0; i < kept; i++) { /* oldest first */
		named.id = b->events[(b->event_count - kept + i) % VERDICT_EVIDENCE_MAX];
		snprintf(v->evidence[i], sizeof v->evidence[i], "%s", event_id_format(&named, text));
	}
	v->evidence_count = kept;
}

static void fire(struct detect *d, struct count *b, const struct rule *rule, const struct event *event,
		 detect_emit emit, void *arg)
{
	struct verdict v;

	memset(&v, 0, sizeof v);
	verdict_fill(d, b, rule, event, &v);
	b->fired_ns = event->time_ns ? event->time_ns : 1;
	b->fired_era = __atomic_load_n(&d->era, __ATOMIC_RELAXED);
	b->fired_for_many = b->many;
	bucket_empty(&b->bucket);
	count(&d->fired);
	emit(arg, &v);
}

/* Who made the request: the peer, or whom a trusted proxy named. */
static const struct addr *client_of(const struct event *event)
{
	const struct addr *client = &event->request.client.addr;

	return client->family != ADDR_NONE ? client : &event->flow.peer.addr;
}

static enum verdict_action in_force(const struct detect *d, const struct event *event)
{
	if (!d->links.decide)
		return (enum verdict_action)0;
	return decide_in_force(d->links.decide, client_of(event), event->time_ns);
}

static void rule_matched(struct detect *d, uint16_t index, struct span path, const struct event *event,
			 detect_emit emit, void *arg)
{
	const struct rule *rule = &d->rules.items[index];
	const struct addr *client = rule->group == GROUP_CLIENT ? client_of(event) : &event->flow.peer.addr;

	if (client->family == ADDR_NONE)
		return;
	struct count *b = count_get(d, index, client, event->time_ns);
	if (!b)
		return;
	count(&d->matches);
	b->here |= !event->request.client_behind || client == &event->flow.peer.addr;
	b->events[b->event_count++ % VERDICT_EVIDENCE_MAX] = event->id;
	const struct bucket_limit limit = {rule->threshold, rule->window_ns, rule->leak_ns};
	bool over = rule->distinct_paths
			    ? bucket_pour_distinct(&d->buckets, &b->bucket, &limit, path, event->time_ns)
			    : bucket_pour(&b->bucket, &limit, event->time_ns);
	if (over && !is_cooling(d, b, rule, event->time_ns))
		fire(d, b, rule, event, emit, arg);
}

/* For the answer. What does not fit goes uncounted, which is told as no memory. */
static void await_status(struct detect *d, uint16_t index, struct span path, struct event_pending *pending)
{
	if (!pending)
		return;
	if (pending->count == EVENT_PENDING_MAX) {
		count(&d->no_memory);
		return;
	}
	if (!pending->count)
		pending->path = table_hash(&d->buckets.table, path.ptr, path.len);
	pending->rules[pending->count++] = index;
}

/* Is the answer picket's own, given by a proxy that asked it? */
static bool is_own_denial(const struct detect *d, const struct event *event)
{
	switch (event->request.status) {
	case 403:
		return in_force(d, event) == VERDICT_BLOCK;
	case 429:
		return in_force(d, event) == VERDICT_RATE_LIMIT;
	default:
		return false;
	}
}

void detect_answer(struct detect *d, const struct event *event, detect_emit emit, void *arg)
{
	const struct event_pending *p = &event->request.pending;
	struct span path = {(const char *)&p->path, sizeof p->path};

	if (!(event->request.answered & EVENT_ANSWER_SEEN) || !p->count)
		return;
	if (is_own_denial(d, event)) {
		count(&d->own_denials);
		return;
	}
	for (unsigned i = 0; i < p->count; i++) {
		const struct rule *rule = &d->rules.items[p->rules[i]];
		if (!rule->by_status || rule_has_status(rule, event->request.status))
			rule_matched(d, p->rules[i], path, event, emit, arg);
	}
}

void detect_request(struct detect *d, const struct http_request *request, const struct event *event,
		    struct event_pending *pending, detect_emit emit, void *arg)
{
	struct matched matched;

	count(&d->requests);
	/*
	 * What stands behind a gap may be the inside of a body: nobody is judged by it. A body whose length
	 * is in doubt is its client's doing, who would hide whatever is inside of it: that is judged.
	 */
	if (request->deviations & HTTP_DEV_AFTER_GAP) {
		count(&d->skipped);
		return;
	}
	if (matcher_run(d->matcher, request, (enum documented)event->request.documented, &matched)) {
		count(&d->no_memory);
		return;
	}
	enum verdict_action denied = matched.count ? in_force(d, event) : (enum verdict_action)0;
	if (denied == VERDICT_BLOCK) {
		count(&d->own_denials);
		return;
	}
	/* Was it let through? Its answer will say. */
	bool waits = denied == VERDICT_RATE_LIMIT && pending;
	for (unsigned i = 0; i < matched.count; i++) {
		if (waits || d->rules.items[matched.rules[i]].by_status)
			await_status(d, matched.rules[i], matched.path, pending);
		else
			rule_matched(d, matched.rules[i], matched.path, event, emit, arg);
	}
}
