// SPDX-License-Identifier: Apache-2.0
#include "policies/detect.h"
#include <errno.h>
#include <sys/queue.h>
#include "lib/util.h"
#include "policies/matcher.h"
#include "policies/redact.h"
#include "policies/rules.h"
#include "policies/table.h"

/* A path seen, for rules that count each once. Keyed hashes, never the paths themselves. */
struct seen {
	uint64_t hash, when_ns;
};

struct bucket_key {
	struct prefix group;
	uint16_t rule;
};

/* One rule's count for one group of clients. */
struct bucket {
	struct table_node node;
	TAILQ_ENTRY(bucket) age;
	struct bucket_key key;
	double level; /* matches that have not leaked yet, at level_ns */
	uint64_t level_ns;
	uint64_t fired_ns;   /* 0: never */
	uint32_t fired_era;  /* detect.era then */
	bool fired_for_many; /* ... for the whole group */
	bool many;           /* more than one address of the group was seen */
	bool here;           /* packets of its own come here: it did not always stand behind a proxy */
	struct addr first;
	struct seen *seen;
	unsigned seen_count, seen_size;
	uint64_t events[VERDICT_EVIDENCE_MAX]; /* ids of the last matches, in a ring */
	unsigned event_count;                  /* all of them, ever */
};
TAILQ_HEAD(bucket_list, bucket);

struct detect {
	struct rules rules;
	struct matcher *matcher;
	uint64_t ttl_default_ms;
	struct table table;
	struct bucket_list by_age; /* idle longest first */
	/* written here, read by others */
	uint64_t requests, matches, fired, forgotten, skipped, no_memory;
	uint64_t buckets;
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
	TAILQ_INIT(&d->by_age);
	int r = load_rules(config, &d->rules, errors);
	if (!r)
		r = matcher_new(&d->rules, &d->matcher, errors);
	if (!r)
		r = table_init(&d->table, DETECT_BUCKETS_MAX);
	if (r) {
		detect_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

static void bucket_free(struct bucket *b)
{
	free(b->seen);
	free(b);
}

void detect_free(struct detect *d)
{
	struct bucket *b;

	if (!d)
		return;
	while ((b = TAILQ_FIRST(&d->by_age))) {
		TAILQ_REMOVE(&d->by_age, b, age);
		bucket_free(b);
	}
	table_deinit(&d->table);
	matcher_free(d->matcher);
	rules_free(&d->rules);
	free(d);
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
		.forgotten = __atomic_load_n(&d->forgotten, __ATOMIC_RELAXED),
		.buckets = __atomic_load_n(&d->buckets, __ATOMIC_RELAXED),
		.skipped = __atomic_load_n(&d->skipped, __ATOMIC_RELAXED),
		.no_memory = __atomic_load_n(&d->no_memory, __ATOMIC_RELAXED),
		.gave_up = matcher_gave_up(d->matcher),
	};
}

/* --- buckets --- */

/* One IPv6 client has 2^64 addresses to hide among, so they share a bucket; link-local ones are one machine
 * each. */
static struct prefix group_of(const struct addr *a)
{
	bool link_local = a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;

	return prefix_of(a, a->family == ADDR_IPV6 && !link_local ? 64 : addr_bits(a));
}

static struct bucket *bucket_find(const struct detect *d, const struct bucket_key *key, uint64_t hash)
{
	for (struct table_node *n = table_first(&d->table, hash); n; n = table_next(n)) {
		struct bucket *b = table_owner(n, struct bucket, node);
		if (b->key.rule == key->rule && prefix_equal(&b->key.group, &key->group))
			return b;
	}
	return NULL;
}

/* A bucket for another key: a new one, or the one idle longest, which is forgotten. */
static struct bucket *bucket_room(struct detect *d)
{
	struct bucket *b;

	if (d->table.count < DETECT_BUCKETS_MAX) {
		b = calloc(1, sizeof *b);
		if (b)
			count(&d->buckets);
		return b;
	}
	b = TAILQ_FIRST(&d->by_age);
	TAILQ_REMOVE(&d->by_age, b, age);
	table_remove(&d->table, &b->node);
	free(b->seen);
	*b = (struct bucket){0};
	count(&d->forgotten);
	return b;
}

static struct bucket *bucket_get(struct detect *d, uint16_t rule, const struct addr *client, uint64_t now_ns)
{
	struct bucket_key key;

	memset(&key, 0, sizeof key); /* padding is hashed too */
	key.group = group_of(client);
	key.rule = rule;
	uint64_t hash = table_hash(&d->table, &key, sizeof key);
	struct bucket *b = bucket_find(d, &key, hash);
	if (b) {
		TAILQ_REMOVE(&d->by_age, b, age);
	} else {
		b = bucket_room(d);
		if (!b)
			return NULL;
		b->key = key;
		b->first = *client;
		b->level_ns = now_ns;
		table_add(&d->table, &b->node, hash);
	}
	TAILQ_INSERT_TAIL(&d->by_age, b, age);
	if (!addr_equal(&b->first, client))
		b->many = true;
	return b;
}

/* --- counting --- */

/* A match more. True: the bucket runs over. It does so on the threshold-th match, unless one has leaked by
 * then. */
static bool pour(struct bucket *b, const struct rule *rule, uint64_t now_ns)
{
	if (now_ns > b->level_ns) {
		b->level -= (double)(now_ns - b->level_ns) / (double)rule->leak_ns;
		b->level_ns = now_ns;
	}
	if (b->level < 0)
		b->level = 0;
	b->level += 1;
	if (b->level > rule->threshold)
		b->level = rule->threshold;
	return b->level > rule->threshold - 1.0;
}

/* The place for a value that was not seen in this window: a fresh one, else that of the oldest. NULL: no
 * memory. */
static struct seen *seen_place(struct bucket *b, const struct rule *rule)
{
	struct seen *oldest = b->seen;

	if (b->seen_count < rule->threshold) {
		if (b->seen_count == b->seen_size) {
			unsigned size = b->seen_size ? b->seen_size * 2 : 4;
			struct seen *bigger = realloc(b->seen, size * sizeof *bigger);
			if (!bigger)
				return NULL;
			b->seen = bigger;
			b->seen_size = size;
		}
		return &b->seen[b->seen_count++];
	}
	for (unsigned i = 1; i < b->seen_count; i++)
		if (b->seen[i].when_ns < oldest->when_ns)
			oldest = &b->seen[i];
	return oldest;
}

/* The same for different values: true if as many as the threshold were seen within the window. */
static bool pour_distinct(struct detect *d, struct bucket *b, const struct rule *rule, struct span value,
			  uint64_t now_ns)
{
	uint64_t hash = table_hash(&d->table, value.ptr, value.len);
	struct seen *place = NULL;
	unsigned fresh = 0;

	for (unsigned i = 0; i < b->seen_count && !place; i++)
		if (b->seen[i].hash == hash)
			place = &b->seen[i];
	if (!place)
		place = seen_place(b, rule);
	if (!place) {
		count(&d->no_memory);
		return false;
	}
	*place = (struct seen){hash, now_ns};
	for (unsigned i = 0; i < b->seen_count; i++)
		fresh += now_ns < b->seen[i].when_ns || now_ns - b->seen[i].when_ns < rule->window_ns;
	return fresh >= rule->threshold;
}

/* Silent after it fired, unless it now would name the group where it named one address before. */
static bool bucket_cooling(const struct detect *d, const struct bucket *b, const struct rule *rule,
			   uint64_t now_ns)
{
	if (!b->fired_ns || b->fired_era != __atomic_load_n(&d->era, __ATOMIC_RELAXED) ||
	    (b->many && !b->fired_for_many))
		return false;
	return now_ns < b->fired_ns || now_ns - b->fired_ns < rule->cool_down_ns;
}

/* --- the verdict --- */
static void verdict_fill(const struct detect *d, const struct bucket *b, const struct rule *rule,
			 const struct event *event, struct verdict *v)
{
	char text[EVENT_ID_TEXT_MAX], window[32];
	struct event named = {.id = event->id};
	unsigned kept = MIN(b->event_count, VERDICT_EVIDENCE_MAX);

	v->source = VERDICT_LOCAL;
	v->action = VERDICT_BLOCK;
	v->scope = rule->scope;
	v->target = b->many ? b->key.group : prefix_of(&b->first, addr_bits(&b->first));
	if (!b->here)
		v->via = event->flow.peer.addr;
	v->ttl_ms = rule->ttl_ms ? rule->ttl_ms : d->ttl_default_ms;
	v->confidence = rule->confidence;
	v->received_ns = event->time_ns;
	v->cause_ns = event->time_ns;
	snprintf(v->id, sizeof v->id, "local-%s-%u", event_id_format(event, text), b->key.rule);
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

static void fire(struct detect *d, struct bucket *b, const struct rule *rule, const struct event *event,
		 detect_emit emit, void *arg)
{
	struct verdict v;

	memset(&v, 0, sizeof v);
	verdict_fill(d, b, rule, event, &v);
	b->fired_ns = event->time_ns ? event->time_ns : 1;
	b->fired_era = __atomic_load_n(&d->era, __ATOMIC_RELAXED);
	b->fired_for_many = b->many;
	b->level = 0;
	b->seen_count = 0;
	count(&d->fired);
	emit(arg, &v);
}

static void rule_matched(struct detect *d, uint16_t index, struct span path, const struct event *event,
			 detect_emit emit, void *arg)
{
	const struct rule *rule = &d->rules.items[index];
	const struct addr *client = &event->flow.peer.addr;

	if (rule->group == GROUP_CLIENT && event->request.client.addr.family != ADDR_NONE)
		client = &event->request.client.addr;
	if (client->family == ADDR_NONE)
		return;
	struct bucket *b = bucket_get(d, index, client, event->time_ns);
	if (!b) {
		count(&d->no_memory);
		return;
	}
	count(&d->matches);
	b->here |= !event->request.client_behind || client == &event->flow.peer.addr;
	b->events[b->event_count++ % VERDICT_EVIDENCE_MAX] = event->id;
	bool over = rule->distinct_paths ? pour_distinct(d, b, rule, path, event->time_ns)
					 : pour(b, rule, event->time_ns);
	if (over && !bucket_cooling(d, b, rule, event->time_ns))
		fire(d, b, rule, event, emit, arg);
}

void detect_request(struct detect *d, const struct http_request *request, const struct event *event,
		    detect_emit emit, void *arg)
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
	if (matcher_run(d->matcher, request, &matched)) {
		count(&d->no_memory);
		return;
	}
	for (unsigned i = 0; i < matched.count; i++)
		rule_matched(d, matched.rules[i], matched.path, event, emit, arg);
}
