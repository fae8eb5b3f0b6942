// SPDX-License-Identifier: Apache-2.0
#include "policies/packet_watch.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "policies/buckets.h"

struct count {
	struct bucket bucket;
	uint64_t fired_ns;  /* 0: never */
	uint16_t acks_lost; /* half_open: as of the latest header */
};

struct packet_watch {
	struct packet_rules *rules;
	struct buckets buckets;
	uint64_t headers, matches, alerts; /* written here, read by others */
};

static void count_one(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED); /* one writer */
}

int packet_watch_new(const struct config *config, struct packet_watch **ret, struct buffer *errors)
{
	struct packet_watch *w = calloc(1, sizeof *w);

	if (!w)
		return -ENOMEM;
	int r = packet_rules_load(config, &w->rules, errors);
	if (!r)
		r = buckets_init(&w->buckets, sizeof(struct count), PACKET_BUCKETS_MAX);
	if (r) {
		packet_watch_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void packet_watch_free(struct packet_watch *w)
{
	if (!w)
		return;
	buckets_deinit(&w->buckets);
	packet_rules_free(w->rules);
	free(w);
}

/* --- one header --- */

static bool in_range(const struct packet_range *r, uint32_t value)
{
	return value >= r->low && value <= r->high;
}

static bool port_fits(const struct packet_rule *rule, const struct packet_seen *h)
{
	if (rule->ports == PACKET_PORTS_WATCHED)
		return h->watched;
	for (unsigned i = 0; i < rule->port_count; i++)
		if (in_range(&rule->port[i], h->port))
			return true;
	return rule->ports == PACKET_PORTS_ALL;
}

static bool rule_fits(const struct packet_rule *rule, const struct packet_seen *h)
{
	return (h->flags & rule->flags_mask) == rule->flags_value && in_range(&rule->window, h->window) &&
	       in_range(&rule->payload, h->payload) && in_range(&rule->ttl, h->ttl) &&
	       in_range(&rule->header_length, h->header_length) && port_fits(rule, h);
}

/* All sources of a rule that counts them together have the one group that no address is in. */
static struct prefix group_of(const struct packet_rule *rule, const struct addr *source)
{
	struct prefix all;

	memset(&all, 0, sizeof all);
	return rule->together ? all : bucket_group(source);
}

static bool is_cooling(const struct count *c, const struct packet_rule *rule, uint64_t now_ns)
{
	return c->fired_ns && (now_ns < c->fired_ns || now_ns - c->fired_ns < rule->cool_down_ns);
}

/* Each acknowledgment that was lost may have ended one of the handshakes that are counted. */
static void take_lost(struct count *c, const struct packet_rule *rule, const struct bucket_limit *limit,
		      const struct packet_seen *h, bool fresh)
{
	uint16_t lost = rule->together ? h->acks_lost_all : h->acks_lost;

	if (!fresh && lost != c->acks_lost)
		bucket_take(&c->bucket, limit, (uint16_t)(lost - c->acks_lost), h->time_ns);
	c->acks_lost = lost;
}

static void rule_met(struct packet_watch *w, uint16_t index, const struct packet_seen *h, packet_emit emit,
		     void *arg)
{
	const struct packet_rule *rule = &w->rules->items[index];
	const struct bucket_limit limit = {rule->threshold, rule->window_ns, rule->leak_ns, 0};
	const struct span port = {(const char *)&h->port, sizeof h->port};
	bool fresh;

	count_one(&w->matches);
	if (rule->threshold > 1 || rule->cool_down_ns) {
		struct prefix group = group_of(rule, &h->source);
		struct count *c = (struct count *)buckets_get(&w->buckets, index, &group, h->time_ns, &fresh);

		if (!c)
			return;
		if (rule->half_open)
			take_lost(c, rule, &limit, h, fresh);
		bool over = rule->distinct_ports
				    ? bucket_pour_distinct(&w->buckets, &c->bucket, &limit, port, h->time_ns)
				    : bucket_pour(&c->bucket, &limit, h->time_ns);
		if (!over || is_cooling(c, rule, h->time_ns))
			return;
		c->fired_ns = h->time_ns ? h->time_ns : 1;
		bucket_empty(&c->bucket);
	}
	count_one(&w->alerts);
	emit(arg, &(struct packet_alert){rule, h});
}

void packet_watch_see(struct packet_watch *w, const struct packet_seen *h, packet_emit emit, void *arg)
{
	count_one(&w->headers);
	if (h->source.family == ADDR_NONE)
		return;
	for (unsigned i = 0; i < w->rules->count; i++)
		if (rule_fits(&w->rules->items[i], h))
			rule_met(w, (uint16_t)i, h, emit, arg);
}

void packet_watch_handshake(struct packet_watch *w, const struct addr *source, uint64_t now_ns)
{
	for (unsigned i = 0; i < w->rules->count; i++) {
		const struct packet_rule *rule = &w->rules->items[i];
		const struct bucket_limit limit = {rule->threshold, rule->window_ns, rule->leak_ns, 0};

		if (!rule->half_open)
			continue;
		struct prefix group = group_of(rule, source);
		struct bucket *b = buckets_find(&w->buckets, (uint16_t)i, &group);
		if (b)
			bucket_take(b, &limit, 1, now_ns);
	}
}

struct packet_counts packet_watch_counts(const struct packet_watch *w)
{
	return (struct packet_counts){
		.headers = __atomic_load_n(&w->headers, __ATOMIC_RELAXED),
		.matches = __atomic_load_n(&w->matches, __ATOMIC_RELAXED),
		.alerts = __atomic_load_n(&w->alerts, __ATOMIC_RELAXED),
		.buckets = __atomic_load_n(&w->buckets.held, __ATOMIC_RELAXED),
		.forgotten = __atomic_load_n(&w->buckets.forgotten, __ATOMIC_RELAXED),
		.no_memory = __atomic_load_n(&w->buckets.no_memory, __ATOMIC_RELAXED),
	};
}
