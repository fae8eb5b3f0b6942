// SPDX-License-Identifier: Apache-2.0
#include "policies/detect.h"
#include <errno.h>
#include "lib/target.h"
#include "lib/util.h"
#include "policies/buckets.h"
#include "policies/cross_site.h"
#include "policies/decide.h"
#include "policies/matcher.h"
#include "policies/redact.h"
#include "policies/rules.h"
#include "policies/witness.h"

/* One rule's count for one group of clients. */
struct count {
	struct bucket bucket;
	uint64_t fired_ns;   /* 0: never */
	uint32_t fired_era;  /* detect.era then */
	bool fired_for_many; /* ... for the whole group */
	bool fired_framed;   /* ... by what may be a third party's doing */
	uint8_t told;        /* further matches that the witness was told since */
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

/* Silent after it fired, unless it now would name the group where it named one address before, or is certain
 * by now. */
static bool is_cooling(const struct detect *d, const struct count *b, const struct rule *rule, bool sure,
		       uint64_t now_ns)
{
	if (!b->fired_ns || b->fired_era != __atomic_load_n(&d->era, __ATOMIC_RELAXED) ||
	    (b->many && !b->fired_for_many) || (sure && b->fired_framed))
		return false;
	return now_ns < b->fired_ns || now_ns - b->fired_ns < rule->cool_down_ns;
}

/* --- the verdict --- */
static struct prefix target_of(const struct count *b)
{
	return b->many ? b->bucket.key.group : prefix_of(&b->first, addr_bits(&b->first));
}

static void verdict_fill(const struct detect *d, const struct count *b, const struct rule *rule,
			 const struct event *event, struct verdict *v)
{
	char text[EVENT_ID_TEXT_MAX], window[32];
	struct event named = {.id = event->id};
	unsigned kept = MIN(b->event_count, VERDICT_EVIDENCE_MAX);

	v->source = VERDICT_LOCAL;
	v->action = VERDICT_BLOCK;
	v->scope = rule->scope;
	v->target = target_of(b);
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
		 rule->distinct ? " different ones" : "",
		 config_duration_format(rule->window_ns / NS_PER_MS, window));
	for (unsigned i = 0; i < kept; i++) { /* oldest first */
		named.id = b->events[(b->event_count - kept + i) % VERDICT_EVIDENCE_MAX];
		snprintf(v->evidence[i], sizeof v->evidence[i], "%s", event_id_format(&named, text));
	}
	v->evidence_count = kept;
}

/* The events in the ring of a bucket, or the latest of them. */
static void tell_witness(struct detect *d, const struct count *b, unsigned latest, const struct event *event)
{
	struct prefix target = target_of(b);
	unsigned kept = MIN(b->event_count, latest);

	for (unsigned i = 0; d->links.witness && i < kept; i++)
		witness_note(d->links.witness, b->events[(b->event_count - 1 - i) % VERDICT_EVIDENCE_MAX],
			     &target, b->fired_framed, event->time_ns);
}

static void fire(struct detect *d, struct count *b, const struct rule *rule, const struct event *event,
		 bool sure, detect_emit emit, void *arg)
{
	struct verdict v;

	memset(&v, 0, sizeof v);
	verdict_fill(d, b, rule, event, &v);
	v.framed = !sure;
	b->fired_ns = event->time_ns ? event->time_ns : 1;
	b->fired_era = __atomic_load_n(&d->era, __ATOMIC_RELAXED);
	b->fired_for_many = b->many;
	b->fired_framed = !sure;
	b->told = 0;
	tell_witness(d, b, VERDICT_EVIDENCE_MAX, event);
	if (sure) /* else what is certain goes on adding up */
		bucket_empty(&b->bucket);
	count(&d->fired);
	emit(arg, &v);
}

/* What a rule counts once each; empty: this request has none. */
static struct span value_of(const struct rule *rule, struct span path, const struct event *event)
{
	switch (rule->distinct) {
	case DISTINCT_CONSUMER:
		return event->request.consumer;
	case DISTINCT_USER_AGENT:
		return event->request.user_agent;
	case DISTINCT_NONE:
	case DISTINCT_PATH:
		break;
	}
	return path;
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
	struct decide_question q = {.client = *client_of(event)};
	struct request_path path;
	/* JA4 is not known of a request that was seen in the clear. */
	if (target_parse_consumer(event->request.consumer, &q.keys[0]) == 0)
		q.key_count++;
	if (target_parse_consumer(event->request.consumer_previous, &q.keys[q.key_count]) == 0)
		q.key_count++;
	if (decide_has(d->links.decide, TARGET_ROUTED)) {
		request_path_read(event->request.path, &path);
		q.path = &path;
	}
	return decide_in_force(d->links.decide, &q, event->time_ns);
}

static void rule_matched(struct detect *d, uint16_t index, struct span path, const struct event *event,
			 bool framed, detect_emit emit, void *arg)
{
	const struct rule *rule = &d->rules.items[index];
	struct span value = value_of(rule, path, event);
	bool sure;
	const struct addr *client = rule->group == GROUP_CLIENT ? client_of(event) : &event->flow.peer.addr;

	if (client->family == ADDR_NONE || (rule->distinct && !value.len))
		return;
	struct count *b = count_get(d, index, client, event->time_ns);
	if (!b)
		return;
	count(&d->matches);
	b->here |= !event->request.client_behind || client == &event->flow.peer.addr;
	b->events[b->event_count++ % VERDICT_EVIDENCE_MAX] = event->id;
	const struct bucket_limit limit = {rule->threshold, rule->window_ns, rule->leak_ns};
	bool over = rule->distinct ? bucket_pour_distinct_as(&d->buckets, &b->bucket, &limit, value, !framed,
							     event->time_ns, &sure)
				   : bucket_pour_as(&b->bucket, &limit, !framed, event->time_ns, &sure);
	bool cooling = is_cooling(d, b, rule, over && sure, event->time_ns);
	if (over && !cooling)
		fire(d, b, rule, event, sure, emit, arg);
	else if (cooling && b->told < DETECT_WITNESS_MORE) {
		b->told++;
		tell_witness(d, b, 1, event);
	}
}

/* For the answer. What does not fit goes uncounted, which is told as no memory. */
static void await_status(struct detect *d, uint16_t index, struct span path, bool framed,
			 struct event_pending *pending)
{
	if (!pending)
		return;
	if (pending->count == EVENT_PENDING_MAX) {
		count(&d->no_memory);
		return;
	}
	if (!pending->count)
		pending->path = table_hash(&d->buckets.table, path.ptr, path.len);
	pending->framed = framed;
	pending->rules[pending->count++] = index;
}

/* Is the answer picket's own, given by a proxy that asked it? */
static bool is_own_denial(const struct detect *d, const struct event *event)
{
	switch (event->request.status) {
	case 403:
		return verdict_drops(in_force(d, event));
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
			rule_matched(d, p->rules[i], path, event, p->framed, emit, arg);
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
	if (verdict_drops(denied)) {
		count(&d->own_denials);
		return;
	}
	/* Was it let through? Its answer will say. */
	bool waits = denied == VERDICT_RATE_LIMIT && pending;
	bool framed = matched.count && cross_site_possible(request);
	for (unsigned i = 0; i < matched.count; i++) {
		if (waits || d->rules.items[matched.rules[i]].by_status)
			await_status(d, matched.rules[i], matched.path, framed, pending);
		else
			rule_matched(d, matched.rules[i], matched.path, event, framed, emit, arg);
	}
}
