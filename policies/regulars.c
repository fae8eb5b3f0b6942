// SPDX-License-Identifier: Apache-2.0
/*
 * Two lists by age, of regulars and of newcomers, so that both expire from their ends, and the numbers of a
 * group are always right: asking for an address costs one look, for a wider target one for each group.
 */
#include "policies/regulars.h"
#include <errno.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/queue.h>
#include "lib/util.h"
#include "policies/ages.h"
#include "policies/buckets.h"
#include "policies/slots.h"
#include "policies/table.h"

#define PLACE_WAYS 8
#define TOLD_NS    (60 * NS_PER_S) /* so often is told anew when somebody was last served */

/* Whom one block would hit: an IPv4 address, or an IPv6 /64. */
struct group {
	struct table_node node;
	struct prefix who;
	unsigned members, regulars; /* members: with the newcomers */
};

struct member {
	struct table_node node;
	TAILQ_ENTRY(member) age;
	struct group *group;
	uint64_t consumer;          /* keyed hash */
	uint64_t first_ns, last_ns; /* as ages.h */
	uint64_t told_ns;           /* last_ns, when it last counted as changed */
	unsigned served;
	uint32_t slot;
	bool regular;
};
TAILQ_HEAD(members, member);

struct place {
	uint64_t key; /* keyed hash of route and method; 0: free */
	uint64_t last_ns, told_ns;
};

struct regulars {
	pthread_mutex_t lock;
	struct regulars_limits limits;
	struct table groups, members;
	struct members regulars, newcomers; /* idle longest first */
	size_t max;
	struct place places[REGULARS_PLACES];
	struct slots slots, place_slots; /* the places' are taken by number, and never left */
	uint64_t key[2];
	struct regulars_counts counts;
};

struct regulars_limits regulars_limits_of(const struct config *config)
{
	return (struct regulars_limits){
		.requests = config->guard.good_requests,
		.span_ns = config->guard.good_span_ms * NS_PER_MS,
		.within_ns = config->guard.good_within_ms * NS_PER_MS,
	};
}

int regulars_new(size_t max, const struct regulars_limits *limits, struct regulars **ret)
{
	struct regulars *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	r->max = max;
	r->limits = *limits;
	TAILQ_INIT(&r->regulars);
	TAILQ_INIT(&r->newcomers);
	int e = table_init(&r->groups, max);
	if (!e)
		e = table_init(&r->members, max);
	if (!e)
		e = slots_init(&r->slots, max);
	if (!e)
		e = slots_init(&r->place_slots, REGULARS_PLACES);
	if (!e && getrandom(r->key, sizeof r->key, 0) != (ssize_t)sizeof r->key)
		e = -errno;
	if (e) {
		table_deinit(&r->groups);
		table_deinit(&r->members);
		slots_deinit(&r->slots);
		slots_deinit(&r->place_slots);
		free(r);
		return e;
	}
	pthread_mutex_init(&r->lock, NULL);
	*ret = r;
	return 0;
}

/* --- groups and members --- */

static void leave(struct regulars *r, struct member *m)
{
	struct group *g = m->group;

	table_remove(&r->members, &m->node);
	slots_leave(&r->slots, m->slot);
	if (m->regular) {
		TAILQ_REMOVE(&r->regulars, m, age);
		g->regulars--;
		r->counts.regulars--;
	} else {
		TAILQ_REMOVE(&r->newcomers, m, age);
		r->counts.newcomers--;
	}
	free(m);
	if (--g->members)
		return;
	table_remove(&r->groups, &g->node);
	free(g);
}

void regulars_free(struct regulars *r)
{
	if (!r)
		return;
	while (!TAILQ_EMPTY(&r->regulars))
		leave(r, TAILQ_FIRST(&r->regulars));
	while (!TAILQ_EMPTY(&r->newcomers))
		leave(r, TAILQ_FIRST(&r->newcomers));
	table_deinit(&r->groups);
	table_deinit(&r->members);
	slots_deinit(&r->slots);
	slots_deinit(&r->place_slots);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static uint64_t group_hash(const struct regulars *r, const struct prefix *who)
{
	uint8_t key[18] = {who->addr.family, who->bits};

	memcpy(key + 2, who->addr.bytes, 16);
	return table_hash(&r->groups, key, sizeof key);
}

static struct group *group_find(const struct regulars *r, const struct prefix *who)
{
	for (struct table_node *n = table_first(&r->groups, group_hash(r, who)); n; n = table_next(n)) {
		struct group *g = table_owner(n, struct group, node);
		if (prefix_equal(&g->who, who))
			return g;
	}
	return NULL;
}

static struct group *group_get(struct regulars *r, const struct prefix *who)
{
	struct group *g = group_find(r, who);

	if (g)
		return g;
	g = calloc(1, sizeof *g);
	if (!g)
		return NULL;
	g->who = *who;
	table_add(&r->groups, &g->node, group_hash(r, who));
	return g;
}

static uint64_t member_hash(const struct regulars *r, const struct prefix *who, uint64_t consumer)
{
	const uint64_t key[2] = {group_hash(r, who), consumer};

	return table_hash(&r->members, key, sizeof key);
}

static struct member *member_find(const struct regulars *r, const struct prefix *who, uint64_t consumer)
{
	uint64_t hash = member_hash(r, who, consumer);

	for (struct table_node *n = table_first(&r->members, hash); n; n = table_next(n)) {
		struct member *m = table_owner(n, struct member, node);
		if (m->consumer == consumer && prefix_equal(&m->group->who, who))
			return m;
	}
	return NULL;
}

static bool is_over(const struct regulars *r, const struct member *m, uint64_t now_ns)
{
	return now_ns > m->last_ns && now_ns - m->last_ns > r->limits.within_ns;
}

static void expire(struct regulars *r, uint64_t now_ns)
{
	struct members *const lists[] = {&r->regulars, &r->newcomers};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		while (!TAILQ_EMPTY(lists[i]) && is_over(r, TAILQ_FIRST(lists[i]), now_ns))
			leave(r, TAILQ_FIRST(lists[i]));
}

/* A new member; NULL: there is no room for it. */
static struct member *join(struct regulars *r, const struct prefix *who, uint64_t consumer, uint64_t now_ns)
{
	const struct group *crowd = group_find(r, who);

	if (crowd && crowd->members >= REGULARS_OF_ONE)
		return NULL;
	if (r->members.count >= r->max) {
		if (TAILQ_EMPTY(&r->newcomers))
			return NULL;
		leave(r, TAILQ_FIRST(&r->newcomers));
		r->counts.forgotten++;
	}
	struct member *m = calloc(1, sizeof *m);
	struct group *g = m ? group_get(r, who) : NULL;
	if (!g) {
		free(m);
		return NULL;
	}
	g->members++;
	/* There is a place: members are no more than these. */
	*m = (struct member){
		.group = g, .consumer = consumer, .first_ns = now_ns, .slot = slots_take(&r->slots, m)};
	table_add(&r->members, &m->node, member_hash(r, who, consumer));
	TAILQ_INSERT_TAIL(&r->newcomers, m, age);
	r->counts.newcomers++;
	return m;
}

/* It was served once more, or so often before: is it a regular by that? */
static void sort_in(struct regulars *r, struct member *m)
{
	bool was = m->regular;

	m->regular =
		was || (m->served >= r->limits.requests && m->last_ns - m->first_ns >= r->limits.span_ns);
	TAILQ_REMOVE(was ? &r->regulars : &r->newcomers, m, age);
	TAILQ_INSERT_TAIL(m->regular ? &r->regulars : &r->newcomers, m, age);
	if (m->regular == was)
		return;
	m->group->regulars++;
	r->counts.regulars++;
	r->counts.newcomers--;
	slots_touch(&r->slots, m->slot);
}

static void served(struct regulars *r, struct member *m, uint64_t now_ns)
{
	bool more = m->served < r->limits.requests;

	m->served += more;
	m->last_ns = MAX(m->last_ns, now_ns);
	if (more || m->last_ns - m->told_ns >= TOLD_NS) {
		m->told_ns = m->last_ns;
		slots_touch(&r->slots, m->slot);
	}
	sort_in(r, m);
}

/* --- where a credential makes a difference --- */

/* 0: not known. */
static uint64_t place_of(const struct regulars *r, const struct event_request *q)
{
	if (!q->route_id)
		return 0;
	/* By its text: the same route may have another number after a restart. */
	const uint64_t key[2] = {table_hash_keyed(r->key, q->route.ptr, q->route.len),
				 table_hash_keyed(r->key, q->method.ptr, q->method.len)};
	uint64_t hash = table_hash_keyed(r->key, key, sizeof key);
	return hash ? hash : 1;
}

static struct place *place_find(struct regulars *r, uint64_t key)
{
	for (size_t i = 0; i < PLACE_WAYS; i++) {
		struct place *p = &r->places[(key + i) % REGULARS_PLACES];
		if (p->key == key)
			return p;
	}
	return NULL;
}

/* Who has no credential was served there. Full: the one where that was longest ago makes room. */
static void place_open(struct regulars *r, uint64_t key, uint64_t now_ns)
{
	struct place *p = place_find(r, key);

	if (!p) {
		p = &r->places[key % REGULARS_PLACES];
		for (size_t i = 1; i < PLACE_WAYS; i++)
			if (r->places[(key + i) % REGULARS_PLACES].last_ns < p->last_ns)
				p = &r->places[(key + i) % REGULARS_PLACES];
	}
	/* Often the same again: that is told by the minute. */
	if (p->key != key || now_ns - MIN(p->told_ns, now_ns) >= TOLD_NS) {
		p->told_ns = now_ns;
		slots_touch(&r->place_slots, (uint32_t)(p - r->places));
	}
	p->key = key;
	p->last_ns = now_ns;
}

static bool is_open(struct regulars *r, uint64_t key, uint64_t now_ns)
{
	const struct place *p = place_find(r, key);

	return p && (now_ns < p->last_ns || now_ns - p->last_ns <= r->limits.within_ns);
}

/* --- noting and asking --- */

static bool is_served(const struct event *e)
{
	const struct event_request *q = &e->request;

	return e->kind == EVENT_HTTP_REQUEST && q->answered & EVENT_ANSWER_SEEN && q->status >= 200 &&
	       q->status < 300 && !(q->deviations & (HTTP_DEV_AFTER_GAP | HTTP_DEV_IN_BODY));
}

static void note(struct regulars *r, const struct event *e)
{
	const struct event_request *q = &e->request;
	const struct addr *client = &event_client(e)->addr;
	uint64_t place = place_of(r, q), now_ns = ages_of((int64_t)e->time_ns);

	if (!place || client->family == ADDR_NONE)
		return;
	if (!q->consumer.len) {
		place_open(r, place, now_ns);
		return;
	}
	if (is_open(r, place, now_ns)) {
		r->counts.open++;
		return;
	}
	expire(r, now_ns);
	struct prefix who = bucket_group(client);
	uint64_t consumer = table_hash_keyed(r->key, q->consumer.ptr, q->consumer.len);
	struct member *m = member_find(r, &who, consumer);
	if (!m)
		m = join(r, &who, consumer, now_ns);
	if (m)
		served(r, m, now_ns);
	else
		r->counts.refused++;
}

void regulars_note(struct regulars *r, const struct event *e)
{
	if (!is_served(e))
		return;
	pthread_mutex_lock(&r->lock);
	note(r, e);
	pthread_mutex_unlock(&r->lock);
}

/* One group, or a part of one, or several. */
static size_t regulars_in(const struct regulars *r, const struct prefix *target)
{
	struct prefix who = bucket_group(&target->addr);
	size_t n = 0;

	if (target->bits >= who.bits) {
		const struct group *g = group_find(r, &who);
		return g ? g->regulars : 0;
	}
	for (size_t i = 0; i <= r->groups.mask; i++)
		for (struct table_node *node = r->groups.slots[i]; node; node = node->next) {
			const struct group *g = table_owner(node, struct group, node);
			if (prefix_contains(target, &g->who.addr))
				n += g->regulars;
		}
	return n;
}

struct regulars_share regulars_share(struct regulars *r, const struct prefix *target, uint64_t now_ns)
{
	struct regulars_share share;

	pthread_mutex_lock(&r->lock);
	expire(r, ages_of((int64_t)now_ns));
	share = (struct regulars_share){.here = regulars_in(r, target), .all = r->counts.regulars};
	pthread_mutex_unlock(&r->lock);
	return share;
}

struct regulars_counts regulars_counts(struct regulars *r)
{
	pthread_mutex_lock(&r->lock);
	struct regulars_counts c = r->counts;
	pthread_mutex_unlock(&r->lock);
	return c;
}

/* --- what outlives a restart --- */

void regulars_key(struct regulars *r, uint64_t ret[static 2])
{
	pthread_mutex_lock(&r->lock);
	memcpy(ret, r->key, sizeof r->key);
	pthread_mutex_unlock(&r->lock);
}

void regulars_set_key(struct regulars *r, const uint64_t key[static 2])
{
	pthread_mutex_lock(&r->lock);
	memcpy(r->key, key, sizeof r->key);
	pthread_mutex_unlock(&r->lock);
}

size_t regulars_changes(struct regulars *r, struct regulars_record *ret, uint32_t *ret_slots, bool *ret_gone,
			size_t max)
{
	void *owner;
	size_t n = 0;

	pthread_mutex_lock(&r->lock);
	for (; n < max && slots_next(&r->slots, &ret_slots[n], &owner); n++) {
		const struct member *m = owner;
		ret_gone[n] = !m;
		if (m)
			ret[n] = (struct regulars_record){
				.who = m->group->who,
				.consumer = m->consumer,
				.first_ns = ages_to_boot(m->first_ns),
				.last_ns = ages_to_boot(m->last_ns),
				.served = m->served,
			};
	}
	pthread_mutex_unlock(&r->lock);
	return n;
}

size_t regulars_place_changes(struct regulars *r, struct regulars_place *ret, uint32_t *ret_slots, size_t max)
{
	void *owner;
	size_t n = 0;

	pthread_mutex_lock(&r->lock);
	for (; n < max && slots_next(&r->place_slots, &ret_slots[n], &owner); n++) {
		const struct place *p = &r->places[ret_slots[n]];
		ret[n] = (struct regulars_place){p->key, ages_to_boot(p->last_ns)};
	}
	pthread_mutex_unlock(&r->lock);
	return n;
}

void regulars_change_all(struct regulars *r)
{
	pthread_mutex_lock(&r->lock);
	slots_touch_all(&r->slots);
	for (uint32_t i = 0; i < REGULARS_PLACES; i++)
		if (r->places[i].key)
			slots_touch(&r->place_slots, i);
	pthread_mutex_unlock(&r->lock);
}

static bool restore(struct regulars *r, const struct regulars_record *record, uint64_t now_ns)
{
	const struct prefix who = bucket_group(&record->who.addr);
	uint64_t first_ns = ages_of(record->first_ns), last_ns = ages_of(record->last_ns);

	if (!prefix_equal(&who, &record->who) || !record->served || first_ns > last_ns || last_ns > now_ns ||
	    now_ns - last_ns > r->limits.within_ns || member_find(r, &who, record->consumer))
		return false;
	struct member *m = join(r, &who, record->consumer, first_ns);
	if (!m)
		return false;
	m->served = MIN(record->served, r->limits.requests);
	m->last_ns = m->told_ns = last_ns;
	sort_in(r, m); /* by the limits of now */
	return true;
}

bool regulars_restore(struct regulars *r, const struct regulars_record *record, uint64_t now_ns)
{
	pthread_mutex_lock(&r->lock);
	bool taken = restore(r, record, ages_of((int64_t)now_ns));
	pthread_mutex_unlock(&r->lock);
	return taken;
}

bool regulars_place_restore(struct regulars *r, const struct regulars_place *record, uint64_t now_ns)
{
	uint64_t now = ages_of((int64_t)now_ns), last_ns = ages_of(record->last_ns);

	if (!record->place || last_ns > now || now - last_ns > r->limits.within_ns)
		return false;
	pthread_mutex_lock(&r->lock);
	place_open(r, record->place, last_ns);
	pthread_mutex_unlock(&r->lock);
	return true;
}
