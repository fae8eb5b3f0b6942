// SPDX-License-Identifier: Apache-2.0
#include "policies/detect.h"
#include <errno.h>
#include <math.h>
#include "lib/target.h"
#include "lib/util.h"
#include "policies/baseline.h"
#include "policies/behaviour.h"
#include "policies/buckets.h"
#include "policies/cross_site.h"
#include "policies/decide.h"
#include "policies/ja4.h"
#include "policies/kept_counts.h"
#include "policies/matcher.h"
#include "policies/redact.h"
#include "policies/rules.h"
#include "policies/signatures.h"
#include "policies/witness.h"

/* In the family of a bucket's group, beside ADDR_* and TARGET_*: a hash of a User-Agent. */
enum { GROUP_OF_AGENT = 240 };

#define OTHERS_MIN 5.0 /* requests of all others that say something */
#define HOUR_NS    (3600 * NS_PER_S)
#define HOURLY     1 /* place of a bucket that counts how often a rule fired: no route's hash */

/* How many matches were answered so that they count, of how many: older ones weigh less. */
struct tally {
	double hits, all;
	uint64_t at_ns;
};

/* What a group did within a window of the rule, for the baseline. */
struct measure {
	uint64_t began_ns, count;
	uint8_t sketch[SKETCH_SIZE]; /* of different values */
	uint8_t level;               /* the highest that was taught, plus one */
	bool fired;                  /* a detection did: it teaches nothing more */
};

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
	struct tally tally;
	uint64_t requests; /* of its client, ever, at the last match (of_all) */
	uint32_t kept;     /* its copy; SLOTS_NONE: there is none */
	struct measure measure;
};

struct detect {
	struct rules rules;
	struct matcher *matcher;
	struct signatures *signatures; /* NULL: paranoia 0 */
	uint64_t ttl_default_ms;
	struct buckets buckets;
	struct kept_counts *kept;
	struct tally *tallies; /* of all groups, by rule */
	struct detect_links links;
	/* written here, read by others */
	uint64_t requests, matches, fired, skipped, no_memory, own_denials, withheld;
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

static int load_signatures(const struct config *config, struct signatures **ret, struct buffer *errors)
{
	const struct signatures_settings settings = {
		.paranoia = config->signatures.paranoia,
		.files = config->signatures.files.items,
		.file_count = config->signatures.files.count,
		.disabled = config->signatures.disabled.items,
		.disabled_count = config->signatures.disabled.count,
		.exceptions = config->signatures.exceptions.items,
		.exception_count = config->signatures.exceptions.count,
	};

	return settings.paranoia ? signatures_new(&settings, ret, errors) : 0;
}

/* A bucket makes room for another: its copy goes as well. */
static void on_forget(void *arg, struct bucket *b)
{
	struct detect *d = arg;

	kept_counts_drop(d->kept, &((struct count *)b)->kept);
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
	int s = load_signatures(config, &d->signatures, errors); /* all faults at once */
	r = r ? r : s;
	if (!r)
		r = buckets_init(&d->buckets, sizeof(struct count), DETECT_BUCKETS_MAX);
	d->buckets.forget = on_forget;
	d->buckets.arg = d;
	if (!r)
		r = kept_counts_new(KEPT_COUNTS_MAX, &d->kept);
	d->tallies = calloc(d->rules.count + 1, sizeof *d->tallies);
	if (!r && !d->tallies)
		r = -ENOMEM;
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
	kept_counts_free(d->kept); /* which points into the buckets */
	buckets_deinit(&d->buckets);
	matcher_free(d->matcher);
	free(d->tallies);
	signatures_free(d->signatures);
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

struct signatures *detect_signatures(struct detect *d)
{
	return d->signatures;
}

struct detect_counts detect_counts(const struct detect *d)
{
	struct signatures_counts s = {0};

	if (d->signatures)
		s = signatures_counts(d->signatures);
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
		.withheld = __atomic_load_n(&d->withheld, __ATOMIC_RELAXED),
		.gave_up = matcher_gave_up(d->matcher),
		.signatures = {d->signatures != NULL, s.requests, s.matched, s.suspected, s.gave_up,
			       s.unfinished, s.excepted},
	};
}

/* --- counting --- */

/* Who made the request: the peer, or whom a trusted proxy named. */
static const struct addr *client_of(const struct event *event)
{
	const struct addr *client = &event->request.client.addr;

	return client->family != ADDR_NONE ? client : &event->flow.peer.addr;
}

static const struct addr *address_of(const struct rule *rule, const struct event *event)
{
	return rule->group == GROUP_PEER ? &event->flow.peer.addr : client_of(event);
}

/* Whose bucket a request goes to. False: to none, it has no such thing. */
static bool group_of(const struct detect *d, const struct rule *rule, const struct event *event,
		     struct prefix *ret)
{
	const struct event_request *q = &event->request;
	uint64_t hash;

	switch (rule->group) {
	case GROUP_USER_AGENT:
		if (!q->user_agent.len)
			return false;
		*ret = (struct prefix){.addr.family = GROUP_OF_AGENT, .bits = 128};
		hash = table_hash(&d->buckets.table, q->user_agent.ptr, q->user_agent.len);
		memcpy(ret->addr.bytes, &hash, sizeof hash);
		return true;
	case GROUP_CONSUMER:
		return q->consumer.len && target_parse_consumer(q->consumer, ret) == 0;
	case GROUP_PRINCIPAL:
		if (q->consumer.len && target_parse_consumer(q->consumer, ret) == 0)
			return true;
		break;
	case GROUP_CLIENT:
	case GROUP_PEER:
		break;
	}
	*ret = bucket_group(address_of(rule, event));
	return true;
}

static struct count *count_get(struct detect *d, uint16_t index, const struct addr *client,
			       const struct event *event)
{
	const struct rule *rule = &d->rules.items[index];
	const struct span route = event->request.route;
	struct prefix group;
	uint64_t place = 0;
	bool fresh;

	if (!group_of(d, rule, event, &group))
		return NULL;
	if (rule->by_route) {
		if (!route.len)
			return NULL;
		place = table_hash(&d->buckets.table, route.ptr, route.len);
	}
	struct bucket *b = buckets_get_at(&d->buckets, index, &group, place, event->time_ns, &fresh);
	if (!b)
		return NULL;
	struct count *c = (struct count *)b; /* its first member */
	if (fresh) {
		c->first = *client;
		c->kept = SLOTS_NONE;
	}
	if (!addr_equal(&c->first, client))
		c->many = true;
	return c;
}

/* One more. What is reached for the first time within the window is taught. */
static void measure_add(struct detect *d, struct count *c, const struct rule *rule, struct span value,
			const struct event *event)
{
	struct measure *m = &c->measure;

	if (!m->began_ns || event->time_ns - MIN(m->began_ns, event->time_ns) >= rule->window_ns)
		*m = (struct measure){.began_ns = event->time_ns ? event->time_ns : 1};
	if (!rule->distinct)
		m->count++;
	else if (sketch_add(m->sketch, table_hash(&d->buckets.table, value.ptr, value.len)))
		m->count = sketch_estimate(m->sketch);
	unsigned level = baseline_level(m->count);
	if (m->fired || level < m->level)
		return;
	m->level = (uint8_t)(level + 1);
	baseline_note(d->links.baseline, rule->name, event->request.route, &c->bucket.key.group.addr,
		      m->count, event->time_ns);
}

static bool is_normal(const struct detect *d, const struct count *c, const struct rule *rule,
		      const struct event *event)
{
	return rule->baseline > 0 &&
	       (!d->links.baseline || !baseline_exceeded(d->links.baseline, rule->name, event->request.route,
							 &c->bucket.key.group.addr, c->measure.count,
							 rule->baseline, event->time_ns, NULL));
}

static void tally_add(struct tally *t, double hits, double all, uint64_t window_ns, uint64_t now_ns)
{
	uint64_t past = now_ns > t->at_ns ? now_ns - t->at_ns : 0;
	double stays = past < window_ns ? 1 - (double)past / (double)window_ns : 0;

	t->hits = t->hits * stays + hits;
	t->all = t->all * stays + all;
	t->at_ns = MAX(t->at_ns, now_ns);
}

/* One more, and what else its client did since the last. A request is known of once it is answered: of
 * several on their way some come with the next. */
static void among_add(const struct detect *d, struct count *c, const struct rule *rule,
		      const struct event *event)
{
	uint64_t requests = d->links.behaviour ? behaviour_requests(d->links.behaviour, event) : 0;
	/* Fewer than before: it was forgotten meanwhile. */
	uint64_t since = requests >= c->requests ? requests - c->requests : requests;

	if (!d->links.behaviour || c->event_count == 1)
		since = 1;
	c->requests = requests;
	tally_add(&c->tally, 1, (double)since, rule->window_ns, event->time_ns);
}

/* Is the share of this bucket as large as the rule asks, and that of all others small beside it? alert: too
 * little is known of these. */
static bool has_share(const struct detect *d, uint16_t index, const struct count *c, bool *ret_alert)
{
	const struct rule *rule = &d->rules.items[index];
	const struct tally *mine = &c->tally, *all = &d->tallies[index];

	*ret_alert = false;
	if (rule->of_all > 0)
		return mine->hits >= rule->of_all * mine->all;
	if (!(rule->share > 0))
		return true;
	if (mine->hits < rule->share * mine->all)
		return false;
	if (!(rule->others > 0))
		return true;
	double others = all->all - mine->all, hits = MAX(all->hits - mine->hits, 0.0);
	*ret_alert = others < OTHERS_MIN;
	return *ret_alert || hits / others <= rule->others * (mine->hits / mine->all);
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

static bool is_of_consumer(const struct count *b)
{
	return b->bucket.key.group.addr.family == TARGET_CONSUMER;
}

static bool is_of_agent(const struct count *b)
{
	return b->bucket.key.group.addr.family == GROUP_OF_AGENT;
}

static struct prefix target_of(const struct count *b, const struct event *event)
{
	if (is_of_consumer(b))
		return b->bucket.key.group;
	if (is_of_agent(b))
		return prefix_of(client_of(event), addr_bits(client_of(event)));
	return b->many ? b->bucket.key.group : prefix_of(&b->first, addr_bits(&b->first));
}

static void reason_write(const struct rule *rule, struct verdict *v)
{
	static const char *const units[] = {
		[DISTINCT_NONE] = "",
		[DISTINCT_PATH] = " different ones",
		[DISTINCT_CONSUMER] = " different ones",
		[DISTINCT_USER_AGENT] = " different ones",
		[DISTINCT_CLIENT] = " clients",
		[DISTINCT_OBJECT] = " different objects",
		[DISTINCT_ATTEMPT] = " different ones",
		[DISTINCT_SIGNATURE] = " different ones",
	};
	char window[32], share[64] = "";

	if (rule->of_all > 0)
		snprintf(share, sizeof share, ", at least %.0f %% of all that it asks", rule->of_all * 100);
	if (rule->share > 0)
		snprintf(share, sizeof share, ", at least %.0f %% of its requests", rule->share * 100);
	if (rule->baseline > 0)
		snprintf(share + strlen(share), sizeof share - strlen(share), ", %g times the normal",
			 rule->baseline);
	snprintf(v->reason, sizeof v->reason, "%s: %u%s within %s%s", rule->description, rule->threshold,
		 units[rule->distinct], config_duration_format(rule->window_ns / NS_PER_MS, window), share);
}

/* What matched of the last request, as far as there is room for it: for people, by which they can tell a
 * false alarm. It is redacted already; what a terminal would not like is left out. */
static void reason_add_match(struct verdict *v, const struct event_signature *s)
{
	size_t at = strlen(v->reason);
	int n = snprintf(v->reason + at, sizeof v->reason - at, "; %.*s in %.*s: ", (int)s->id.len, s->id.ptr,
			 (int)s->where.len, s->where.ptr);

	at += n < 0 ? 0 : (size_t)n;
	for (size_t i = 0; i < s->match.len && at + 1 < sizeof v->reason; i++) {
		char c = s->match.ptr[i];
		v->reason[at++] = c >= ' ' && c < 0x7f ? c : '?';
		v->reason[at] = 0;
	}
}

static void verdict_fill(const struct detect *d, const struct count *b, const struct rule *rule,
			 const struct event *event, struct verdict *v)
{
	char text[EVENT_ID_TEXT_MAX];
	struct event named = {.id = event->id};
	unsigned kept = MIN(b->event_count, VERDICT_EVIDENCE_MAX);

	v->source = VERDICT_LOCAL;
	v->action = VERDICT_BLOCK;
	v->scope = rule->scope;
	v->target = target_of(b, event);
	if (target_is_net(&v->target) && !b->here)
		v->via = event->flow.peer.addr;
	v->ttl_ms = rule->ttl_ms ? rule->ttl_ms : d->ttl_default_ms;
	v->confidence = rule->confidence;
	v->route = event->request.route;
	v->received_ns = event->time_ns;
	v->cause_ns = event->time_ns;
	snprintf(v->id, sizeof v->id, "local-%s-%u", event_id_format(event, text), b->bucket.key.rule);
	snprintf(v->origin, sizeof v->origin, "%s", rule->name);
	reason_write(rule, v);
	if (rule->by_signature && event->request.signature_count)
		reason_add_match(v, &event->request.signatures[0]);
	for (unsigned i = 0; i < kept; i++) { /* oldest first */
		named.id = b->events[(b->event_count - kept + i) % VERDICT_EVIDENCE_MAX];
		snprintf(v->evidence[i], sizeof v->evidence[i], "%s", event_id_format(&named, text));
	}
	v->evidence_count = kept;
}

/* The events in the ring of a bucket, or the latest of them. */
static void tell_witness(struct detect *d, const struct count *b, unsigned latest, const struct event *event)
{
	struct prefix target = target_of(b, event);
	unsigned kept = MIN(b->event_count, latest);

	for (unsigned i = 0; d->links.witness && i < kept; i++)
		witness_note(d->links.witness, b->events[(b->event_count - 1 - i) % VERDICT_EVIDENCE_MAX],
			     &target, b->fired_framed, event->time_ns);
}

static void fired(struct detect *d, struct count *b, const struct event *event, bool sure)
{
	b->fired_ns = event->time_ns ? event->time_ns : 1;
	b->fired_era = __atomic_load_n(&d->era, __ATOMIC_RELAXED);
	b->fired_for_many = b->many;
	b->fired_framed = !sure;
	b->told = 0;
	b->measure.fired = true;
	tell_witness(d, b, VERDICT_EVIDENCE_MAX, event);
	count(&d->fired);
}

/* The consumer can be denied nowhere: its address, if nobody else is there. */
static bool name_address(const struct detect *d, const struct count *b, const struct event *event,
			 struct verdict *v)
{
	const struct addr *client = client_of(event);
	size_t len = strlen(v->id);

	if (!is_of_consumer(b) || !d->links.behaviour || !d->links.consumers ||
	    d->links.consumers(d->links.arg) || client->family == ADDR_NONE ||
	    !behaviour_is_alone(d->links.behaviour, event))
		return false;
	v->target = prefix_of(client, addr_bits(client));
	if (!b->here)
		v->via = event->flow.peer.addr;
	snprintf(v->id + len, sizeof v->id - len, "-a");
	return true;
}

static void fire(struct detect *d, struct count *b, const struct rule *rule, const struct event *event,
		 bool sure, bool alert, detect_emit emit, void *arg)
{
	struct verdict v;

	memset(&v, 0, sizeof v);
	verdict_fill(d, b, rule, event, &v);
	v.framed = !sure;
	if (alert)
		v.confidence /= 2;
	fired(d, b, event, sure);
	if (sure && !is_of_agent(b)) /* else what is certain, or what others do, goes on adding up */
		bucket_empty(&b->bucket);
	emit(arg, &v);
	if (name_address(d, b, event, &v))
		emit(arg, &v);
}

/* --- what counts --- */

/* One way to ask for something: a retry is the same one. */
struct attempt {
	uint64_t path, consumer, length;
};

/* What a rule counts once each. */
struct value {
	union {
		struct attempt attempt;
		struct prefix client;
	};
	struct span span; /* into it, or elsewhere; empty: this request has none */
};

static bool has_placeholder(struct span route)
{
	return route.len && memchr(route.ptr, '{', route.len);
}

static void value_of(const struct detect *d, const struct rule *rule, struct span path,
		     const struct event *event, struct value *ret)
{
	const struct event_request *q = &event->request;

	ret->span = path;
	switch (rule->distinct) {
	case DISTINCT_CONSUMER:
		ret->span = q->consumer;
		return;
	case DISTINCT_USER_AGENT:
		ret->span = q->user_agent;
		return;
	case DISTINCT_CLIENT:
		ret->client = bucket_group(client_of(event));
		ret->span =
			(struct span){(const char *)ret->client.addr.bytes, sizeof ret->client.addr.bytes};
		return;
	case DISTINCT_OBJECT:
		if (!has_placeholder(q->route))
			ret->span = SPAN_NULL;
		return;
	case DISTINCT_ATTEMPT:
		ret->attempt = (struct attempt){
			table_hash(&d->buckets.table, path.ptr, path.len),
			q->consumer.len ? table_hash(&d->buckets.table, q->consumer.ptr, q->consumer.len) : 0,
			q->content_length};
		ret->span = (struct span){(const char *)&ret->attempt, sizeof ret->attempt};
		return;
	case DISTINCT_SIGNATURE:
		ret->span = q->signature_count ? q->signatures[0].id : SPAN_NULL;
		return;
	case DISTINCT_NONE:
	case DISTINCT_PATH:
		return;
	}
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

bool detect_is_denied(const struct detect *d, const struct event *event)
{
	return verdict_drops(in_force(d, event));
}

/* Has the rule fired so often within the hour that it is to be silent? Counts it, if not. */
static bool is_withheld(struct detect *d, uint16_t index, const struct event *event)
{
	const struct rule *rule = &d->rules.items[index];
	const struct addr *client = client_of(event);
	const struct {
		unsigned most;
		struct prefix group;
	} limits[] = {
		{rule->hourly_client, bucket_group(client)},
		{rule->hourly_total, {.bits = 0}},
	};
	struct bucket *buckets[ARRAY_SIZE(limits)] = {NULL};
	struct bucket_limit limit[ARRAY_SIZE(limits)];
	bool fresh;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (!limits[i].most)
			continue;
		limit[i] = (struct bucket_limit){limits[i].most, HOUR_NS, HOUR_NS / limits[i].most, 0};
		buckets[i] =
			buckets_get_at(&d->buckets, index, &limits[i].group, HOURLY, event->time_ns, &fresh);
		if (buckets[i] && fresh)
			((struct count *)buckets[i])->kept = SLOTS_NONE;
		if (buckets[i] && !bucket_has_room(buckets[i], &limit[i], event->time_ns)) {
			count(&d->withheld);
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (buckets[i])
			bucket_pour(buckets[i], &limit[i], event->time_ns);
	return false;
}

/* What the rule asks beside what the request looks like. */
static bool condition_holds(const struct detect *d, const struct rule *rule, const struct event *event)
{
	struct behaviour *known = d->links.behaviour;

	if (rule->route && (rule->route == ROUTE_KNOWN) != (event->request.route.len > 0))
		return false;
	switch (rule->first) {
	case FIRST_METHOD:
		return known && behaviour_first_method(known, event);
	case FIRST_ROUTE:
		return known && behaviour_first_route(known, event);
	case FIRST_NONE:
		break;
	}
	return true;
}

/* Of a rule by User-Agent: has this client done so itself, often enough, and was not named for it of late? */
static bool is_due(struct detect *d, struct count *b, const struct rule *rule,
		   const struct bucket_limit *limit, struct span value, uint64_t now_ns)
{
	struct bucket_value *v = bucket_value(&d->buckets, &b->bucket, value);

	if (!v || (v->times < rule->each && !bucket_is_full(&b->bucket, limit, now_ns)) ||
	    (v->told_ns && (now_ns < v->told_ns || now_ns - v->told_ns < rule->cool_down_ns)))
		return false;
	v->told_ns = now_ns ? now_ns : 1;
	return true;
}

/* A credential that was accepted before, and is not any more, is no guess. */
static bool was_served(const struct detect *d, const struct rule *rule, const struct event *event)
{
	return rule->unserved && d->links.behaviour && behaviour_was_served(d->links.behaviour, event);
}

/* --- what outlives a restart --- */

static bool is_kept(const struct rule *rule)
{
	return rule->by_status && rule->window_ns >= DETECT_KEPT_WINDOW_NS && !rule->each &&
	       !(rule->baseline > 0) && (!rule->distinct || rule->threshold <= KEPT_VALUES);
}

static void keep(struct detect *d, struct count *b, const struct rule *rule)
{
	struct kept_count c;

	memset(&c, 0, sizeof c);
	snprintf(c.rule, sizeof c.rule, "%s", rule->name);
	c.key = b->bucket.key;
	c.first = b->first;
	c.many = b->many;
	c.here = b->here;
	c.level = b->bucket.all.level;
	c.sure = b->bucket.sure.level;
	c.level_ns = b->bucket.all.level_ns;
	c.hits = b->tally.hits;
	c.all = b->tally.all;
	c.tally_ns = b->tally.at_ns;
	c.fired_ns = b->fired_ns;
	c.value_count = MIN(b->bucket.seen_count, KEPT_VALUES);
	for (unsigned i = 0; i < c.value_count; i++)
		c.values[i] = b->bucket.seen[i];
	kept_counts_put(d->kept, &b->kept, &c);
}

void detect_set_key(struct detect *d, const uint64_t key[static 2])
{
	memcpy(d->buckets.table.key, key, sizeof d->buckets.table.key);
}

struct kept_counts *detect_kept(struct detect *d)
{
	return d->kept;
}

static uint64_t kept_last(const struct kept_count *c)
{
	uint64_t last_ns = MAX(c->level_ns, c->tally_ns);

	for (unsigned i = 0; i < MIN(c->value_count, KEPT_VALUES); i++)
		last_ns = MAX(last_ns, c->values[i].when_ns);
	return last_ns;
}

/* A count of a file: numbers that such a rule could have. */
static bool is_sound(const struct kept_count *c, const struct rule *rule, uint64_t now_ns)
{
	const double most = rule->threshold;
	const struct prefix *group = &c->key.group;
	bool consumer = group->addr.family == TARGET_CONSUMER;

	for (unsigned i = 0; i < c->value_count && c->value_count <= KEPT_VALUES; i++)
		if (c->values[i].when_ns > now_ns || c->values[i].sure_ns > now_ns)
			return false;
	return c->value_count <= (rule->distinct ? rule->threshold : 0) && c->value_count <= KEPT_VALUES &&
	       isfinite(c->hits) && isfinite(c->all) && c->level >= 0 && c->level <= most && c->sure >= 0 &&
	       c->sure <= c->level && c->hits >= 0 && c->hits <= c->all && c->level_ns <= now_ns &&
	       c->tally_ns <= now_ns && c->fired_ns <= now_ns &&
	       (rule->by_route ? c->key.place > 1 : !c->key.place) &&
	       (consumer ? rule->group == GROUP_CONSUMER || rule->group == GROUP_PRINCIPAL
			 : rule->group != GROUP_CONSUMER && target_is_net(group)) &&
	       c->first.family != ADDR_NONE;
}

bool detect_restore(struct detect *d, const struct kept_count *c, uint64_t now_ns)
{
	unsigned i = 0;
	bool fresh;

	while (i < d->rules.count && strcmp(d->rules.items[i].name, c->rule) != 0)
		i++;
	const struct rule *rule = i < d->rules.count ? &d->rules.items[i] : NULL;
	/* Nothing of it is of this boot: how long ago it was is not known. */
	uint64_t last_ns = kept_last(c);
	if (!rule || !is_kept(rule) || !last_ns || !is_sound(c, rule, now_ns) ||
	    now_ns - last_ns >= rule->window_ns)
		return false;
	struct bucket *b =
		buckets_get_at(&d->buckets, (uint16_t)i, &c->key.group, c->key.place, now_ns, &fresh);
	if (!b || !fresh)
		return false;
	struct count *n = (struct count *)b;
	n->kept = SLOTS_NONE;
	n->first = c->first;
	n->many = c->many;
	n->here = c->here;
	b->all = (struct bucket_level){c->level, c->level_ns};
	b->sure = (struct bucket_level){c->sure, c->level_ns};
	n->tally = (struct tally){c->hits, c->all, c->tally_ns};
	n->fired_ns = c->fired_ns;
	n->fired_for_many = c->many;
	n->fired_era = __atomic_load_n(&d->era, __ATOMIC_RELAXED);
	if (!bucket_restore_seen(b, c->values, c->value_count))
		return false;
	keep(d, n, rule);
	return true;
}

/* --- a match --- */

/* counts: else it only belongs to those of which it is a share. */
static void rule_matched(struct detect *d, uint16_t index, struct span path, const struct event *event,
			 bool framed, bool counts, detect_emit emit, void *arg)
{
	const struct rule *rule = &d->rules.items[index];
	const struct addr *client = address_of(rule, event);
	struct value value;
	bool sure, alert = false;

	counts = counts && !was_served(d, rule, event);
	if (client->family == ADDR_NONE || (!counts && !(rule->share > 0)))
		return;
	value_of(d, rule, path, event, &value);
	if (rule->distinct && !value.span.len && counts)
		return;
	struct count *b = count_get(d, index, client, event);
	if (!b)
		return;
	if (rule->share > 0) {
		tally_add(&b->tally, counts, 1, rule->window_ns, event->time_ns);
		tally_add(&d->tallies[index], counts, 1, rule->window_ns, event->time_ns);
	}
	if (!counts)
		return;
	count(&d->matches);
	b->here |= !event->request.client_behind || client == &event->flow.peer.addr;
	b->events[b->event_count++ % VERDICT_EVIDENCE_MAX] = event->id;
	if (rule->baseline > 0 && d->links.baseline)
		measure_add(d, b, rule, value.span, event);
	if (rule->of_all > 0)
		among_add(d, b, rule, event);
	const struct bucket_limit limit = {rule->threshold, rule->window_ns, rule->leak_ns,
					   rule->each ? RULES_CLIENTS_MAX : 0};
	bool over = rule->distinct ? bucket_pour_distinct_as(&d->buckets, &b->bucket, &limit, value.span,
							     !framed, event->time_ns, &sure)
				   : bucket_pour_as(&b->bucket, &limit, !framed, event->time_ns, &sure);
	over = over && has_share(d, index, b, &alert) && !is_normal(d, b, rule, event);
	if (is_of_agent(b)) {
		if (over && is_due(d, b, rule, &limit, value.span, event->time_ns))
			fire(d, b, rule, event, sure, alert, emit, arg);
		return;
	}
	bool cooling = is_cooling(d, b, rule, over && sure, event->time_ns);
	if (over && !cooling && is_withheld(d, index, event))
		return;
	if (over && !cooling)
		fire(d, b, rule, event, sure, alert, emit, arg);
	if (is_kept(rule))
		keep(d, b, rule);
	if (cooling && b->told < DETECT_WITNESS_MORE) {
		b->told++;
		tell_witness(d, b, 1, event);
	}
}

_Static_assert(RULES_MAX <= UINT8_MAX + 1, "a rule has a number of event_pending");

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
	pending->rules[pending->count++] = (uint8_t)index;
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
		rule_matched(d, p->rules[i], path, event, p->framed,
			     !rule->by_status || rule_has_status(rule, event->request.status), emit, arg);
	}
}

void detect_request(struct detect *d, const struct http_request *request, const struct event *event,
		    struct event_pending *pending, detect_emit emit, void *arg)
{
	struct matched matched;
	struct ja4 ja4;

	count(&d->requests);
	/*
	 * What stands behind a gap may be the inside of a body: nobody is judged by it. A body whose length
	 * is in doubt is its client's doing, who would hide whatever is inside of it: that is judged.
	 */
	if (request->deviations & HTTP_DEV_AFTER_GAP) {
		count(&d->skipped);
		return;
	}
	bool has_ja4 = event->request.tls && ja4_read(event->request.tls->ja4, &ja4);
	if (matcher_run(d->matcher, request, (enum documented)event->request.documented,
			&event->request.marks, has_ja4 ? &ja4 : NULL, &matched)) {
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
		const struct rule *rule = &d->rules.items[matched.rules[i]];
		if (!condition_holds(d, rule, event))
			continue;
		if (waits || rule->by_status)
			await_status(d, matched.rules[i], matched.path, framed, pending);
		else
			rule_matched(d, matched.rules[i], matched.path, event, framed, true, emit, arg);
	}
}

/* Of what it is known who did it, and no more. */
static void anomaly_matched(struct detect *d, uint16_t index, const struct event *anomaly, detect_emit emit,
			    void *arg)
{
	struct event e = {.kind = EVENT_HTTP_REQUEST,
			  .id = anomaly->id,
			  .time_ns = anomaly->time_ns,
			  .flow = anomaly->flow};

	e.request.client = anomaly->anomaly.client;
	e.request.client_behind = e.request.client.addr.family != ADDR_NONE &&
				  !addr_equal(&e.request.client.addr, &e.flow.peer.addr);
	if (verdict_drops(in_force(d, &e)))
		count(&d->own_denials);
	else
		rule_matched(d, index, SPAN_NULL, &e, false, true, emit, arg);
}

void detect_anomaly(struct detect *d, const struct event *event, detect_emit emit, void *arg)
{
	unsigned anomaly = rule_anomaly_of(event->anomaly.name);

	for (unsigned i = 0; anomaly && i < d->rules.count; i++)
		if (d->rules.items[i].anomalies & anomaly)
			anomaly_matched(d, (uint16_t)i, event, emit, arg);
}
