// SPDX-License-Identifier: Apache-2.0
/*
 * One lock for reading and writing around the entries, taken behind that of the lists where both are held;
 * hits are counted by readers, so they are atomic. What rate_limit needs of each client is a time (GCRA: when
 * its bucket is empty again), in a small table of its own under its own lock.
 */
#include "policies/decide.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include "lib/util.h"
#include "policies/table.h"

#define PACES     4096 /* clients that are being slowed at once */
#define PACE_WAYS 8

struct entry {
	struct table_node node;
	struct prefix target;
	enum verdict_action action;
	uint64_t end_ns;
	atomic_uint_fast64_t requests, last_ns;
};

/* A client under rate_limit, on a route if that is limited to one. Free once due_ns has passed. */
struct pace {
	struct prefix client;
	uint64_t due_ns; /* its bucket is empty then */
};

struct decide {
	pthread_rwlock_t lock;
	struct table table;
	size_t max;
	atomic_size_t entries; /* table.count, for those who do not hold the lock */
	/* Entries by whether they are limited to a route, family, and prefix length. */
	size_t lengths[2][2][129];
	atomic_size_t keys[2]; /* entries of consumers and JA4s */
	/* Routes that entries are limited to, and how many each. */
	size_t on_route[TARGET_ROUTES_MAX + 1];
	uint16_t routes[TARGET_ROUTES_MAX];
	atomic_uint route_count;
	atomic_bool off;
	pthread_mutex_t pace_lock;
	struct pace paces[PACES];
	uint64_t interval_ns, burst_ns; /* of one request; of all that may come at once */
	atomic_uint_fast64_t denied, slowed, shadowed, unpaced, by_list;
	struct listed listed;
};

int decide_new(size_t max, uint32_t rate, uint32_t burst, struct decide **ret)
{
	struct decide *d = calloc(1, sizeof *d);

	if (!d)
		return -ENOMEM;
	int r = table_init(&d->table, max);
	if (r) {
		free(d);
		return r;
	}
	d->max = max;
	d->interval_ns = rate ? NS_PER_S / rate : 0;
	d->burst_ns = d->interval_ns * burst;
	pthread_rwlock_init(&d->lock, NULL);
	pthread_mutex_init(&d->pace_lock, NULL);
	listed_init(&d->listed);
	*ret = d;
	return 0;
}

void decide_free(struct decide *d)
{
	if (!d)
		return;
	for (size_t i = 0; i <= d->table.mask; i++)
		for (struct table_node *n = d->table.slots[i], *next; n; n = next) {
			next = n->next;
			free(table_owner(n, struct entry, node));
		}
	table_deinit(&d->table);
	pthread_rwlock_destroy(&d->lock);
	pthread_mutex_destroy(&d->pace_lock);
	listed_deinit(&d->listed);
	free(d);
}

/* --- entries --- */

static uint64_t hash_of(const struct decide *d, const struct prefix *p)
{
	return table_hash(&d->table, p, sizeof *p);
}

static struct entry *find(const struct decide *d, const struct prefix *target)
{
	for (struct table_node *n = table_first(&d->table, hash_of(d, target)); n; n = table_next(n)) {
		struct entry *e = table_owner(n, struct entry, node);
		if (prefix_equal(&e->target, target))
			return e;
	}
	return NULL;
}

static size_t *length_of(struct decide *d, const struct prefix *p)
{
	const struct prefix who = target_who(p);

	return &d->lengths[target_is_routed(p)][who.addr.family == ADDR_IPV6][p->bits];
}

static void route_count(struct decide *d, uint16_t route, int change)
{
	unsigned count = atomic_load(&d->route_count), at = 0;

	d->on_route[route] += (size_t)change;
	if (change > 0 && d->on_route[route] == 1) {
		d->routes[count++] = route;
	} else if (!d->on_route[route]) {
		while (d->routes[at] != route)
			at++;
		d->routes[at] = d->routes[--count];
	}
	atomic_store(&d->route_count, count);
}

/* One comes (1) or goes (-1). */
static void entry_count(struct decide *d, const struct prefix *p, int change)
{
	const struct prefix who = target_who(p);

	if (target_is_net(&who))
		*length_of(d, p) += (size_t)change;
	else
		atomic_fetch_add(&d->keys[who.addr.family == TARGET_JA4], (size_t)change);
	if (target_is_routed(p))
		route_count(d, p->route, change);
	atomic_store(&d->entries, d->table.count);
}

bool decide_has(const struct decide *d, uint8_t family)
{
	if (family == TARGET_ROUTED)
		return atomic_load(&d->route_count) != 0;
	return atomic_load(&d->keys[family == TARGET_JA4]) != 0;
}

static int add(struct decide *d, const struct prefix *target, struct entry **ret)
{
	if (d->table.count >= d->max)
		return DECIDE_E_FULL;
	struct entry *e = calloc(1, sizeof *e);
	if (!e)
		return -ENOMEM;
	e->target = *target;
	table_add(&d->table, &e->node, hash_of(d, target));
	entry_count(d, target, 1);
	*ret = e;
	return 0;
}

int decide_put(struct decide *d, const struct prefix *target, enum verdict_action action, uint64_t end_ns)
{
	int r = 0;

	pthread_rwlock_wrlock(&d->lock);
	struct entry *e = find(d, target);
	if (!e)
		r = add(d, target, &e);
	if (!r) {
		e->action = action;
		e->end_ns = end_ns;
	}
	pthread_rwlock_unlock(&d->lock);
	return r;
}

void decide_remove(struct decide *d, const struct prefix *target)
{
	pthread_rwlock_wrlock(&d->lock);
	struct entry *e = find(d, target);
	if (e) {
		table_remove(&d->table, &e->node);
		entry_count(d, target, -1);
		free(e);
	}
	pthread_rwlock_unlock(&d->lock);
}

void decide_expect_lists(struct decide *d, unsigned lists)
{
	listed_expect(&d->listed, lists);
}

bool decide_lists_known(struct decide *d)
{
	return listed_known(&d->listed);
}

bool decide_list(struct decide *d, unsigned at, const struct listed_view *view)
{
	return listed_set(&d->listed, at, view);
}

struct listed_hits decide_list_hits(const struct decide *d, unsigned at)
{
	return listed_hits(&d->listed, at);
}

void decide_off(struct decide *d, bool off)
{
	atomic_store(&d->off, off);
}

/* --- rate_limit --- */

/* The client's place, or one that is free; NULL: neither. */
static struct pace *pace_of(struct decide *d, const struct prefix *client, uint64_t now_ns)
{
	size_t at = (size_t)table_hash(&d->table, client, sizeof *client);
	struct pace *free_one = NULL;

	for (size_t i = 0; i < PACE_WAYS; i++) {
		struct pace *p = &d->paces[(at + i) % PACES];
		if (prefix_equal(&p->client, client))
			return p;
		if (!free_one && p->due_ns <= now_ns)
			free_one = p;
	}
	if (free_one)
		*free_one = (struct pace){.client = *client};
	return free_one;
}

/* 0: it may pass; else in how many ns it may. */
static uint64_t pace(struct decide *d, const struct prefix *client, uint64_t now_ns)
{
	uint64_t wait_ns = 0;

	pthread_mutex_lock(&d->pace_lock);
	struct pace *p = pace_of(d, client, now_ns);
	if (!p) {
		atomic_fetch_add(&d->unpaced, 1);
	} else {
		uint64_t due_ns = MAX(p->due_ns, now_ns) + d->interval_ns;
		if (due_ns - now_ns > d->burst_ns)
			wait_ns = due_ns - now_ns - d->burst_ns;
		else
			p->due_ns = due_ns;
	}
	pthread_mutex_unlock(&d->pace_lock);
	return wait_ns;
}

/* --- asking --- */

static struct entry *stronger(struct entry *best, struct entry *e, uint64_t now_ns)
{
	bool better = e && e->end_ns > now_ns &&
		      (!best || verdict_strength(e->action) > verdict_strength(best->action));

	return better ? e : best;
}

/* The strongest of best and those in force on that route (0: on all) that cover it. */
static struct entry *covering_on(struct decide *d, const struct decide_question *q, uint16_t route,
				 struct entry *best, uint64_t now_ns)
{
	const struct addr *client = &q->client;
	const size_t *lengths = d->lengths[route != 0][client->family == ADDR_IPV6];

	for (unsigned i = 0; i < q->key_count; i++) {
		struct prefix key = target_on(&q->keys[i], route);
		best = stronger(best, find(d, &key), now_ns);
	}
	if (client->family == ADDR_NONE)
		return best;
	for (int bits = addr_bits(client); bits >= 0; bits--) {
		if (!lengths[bits])
			continue;
		struct prefix net = prefix_of(client, (uint8_t)bits), p = target_on(&net, route);
		best = stronger(best, find(d, &p), now_ns);
	}
	return best;
}

/* The strongest in force that covers it, of equals one that is on all routes, then a consumer's or JA4's,
 * then the most specific; NULL: none. */
static struct entry *covering(struct decide *d, const struct decide_question *q, uint64_t now_ns)
{
	unsigned routes = q->path ? atomic_load(&d->route_count) : 0;
	struct entry *best = covering_on(d, q, 0, NULL, now_ns);

	for (unsigned i = 0; i < routes; i++)
		if (request_path_fits(q->path, span_from(target_route_text(d->routes[i]))))
			best = covering_on(d, q, d->routes[i], best, now_ns);
	return best;
}

/* What is in force of a client: an entry's, or, where that is NULL, a list's. */
struct in_force {
	enum verdict_action action;
	uint64_t end_ns;
	struct entry *entry;
	unsigned list;
};

/* False: nothing. Else the lock is held, for reading: the entry is valid that long. */
static bool in_force_lock(struct decide *d, const struct decide_question *q, uint64_t now_ns,
			  struct in_force *ret)
{
	struct listed_answer l;
	bool listed = listed_find(&d->listed, &q->client, now_ns, &l);

	pthread_rwlock_rdlock(&d->lock);
	struct entry *e = d->table.count ? covering(d, q, now_ns) : NULL;
	if (listed && (!e || verdict_strength(l.action) > verdict_strength(e->action)))
		*ret = (struct in_force){.action = l.action, .end_ns = l.end_ns, .list = l.list};
	else if (e)
		*ret = (struct in_force){.action = e->action, .end_ns = e->end_ns, .entry = e};
	if (!listed && !e)
		pthread_rwlock_unlock(&d->lock);
	return listed || e;
}

static void hit(struct decide *d, const struct in_force *f, atomic_uint_fast64_t *counter, uint64_t now_ns)
{
	if (f->entry) {
		atomic_fetch_add(&f->entry->requests, 1);
		atomic_store(&f->entry->last_ns, now_ns);
	} else {
		listed_hit(&d->listed, f->list, now_ns);
		atomic_fetch_add(&d->by_list, 1);
	}
	atomic_fetch_add(counter, 1);
}

/* Who is slowed: a client, or a consumer, which is one from wherever it comes; on a route by itself. */
static struct prefix slowed(const struct in_force *f, const struct addr *client)
{
	const struct prefix exact = prefix_of(client, addr_bits(client));

	if (!f->entry)
		return exact;
	const struct prefix who = target_who(&f->entry->target);
	return target_is_net(&who) ? target_on(&exact, f->entry->target.route) : f->entry->target;
}

static enum decide_answer answer(struct decide *d, const struct in_force *f, const struct addr *client,
				 uint64_t now_ns, uint64_t *ret_wait_ns)
{
	const struct prefix who = slowed(f, client);

	switch (f->action) {
	case VERDICT_BLOCK:
	case VERDICT_RESET:
		hit(d, f, &d->denied, now_ns);
		*ret_wait_ns = f->end_ns - now_ns;
		return DECIDE_DENY;
	case VERDICT_RATE_LIMIT:
		*ret_wait_ns = pace(d, &who, now_ns);
		if (!*ret_wait_ns)
			return DECIDE_PASS;
		hit(d, f, &d->slowed, now_ns);
		return DECIDE_SLOW;
	case VERDICT_SHADOW:
		hit(d, f, &d->shadowed, now_ns);
		return DECIDE_PASS;
	case VERDICT_UNBLOCK:
	case VERDICT_ALLOW:
		break;
	}
	return DECIDE_PASS;
}

enum decide_answer decide_ask_of(struct decide *d, const struct decide_question *q, uint64_t now_ns,
				 uint64_t *ret_retry_s)
{
	enum decide_answer a = DECIDE_PASS;
	uint64_t wait_ns = 0;

	if (atomic_load(&d->off))
		return DECIDE_PASS;
	struct in_force f;
	if (!in_force_lock(d, q, now_ns, &f))
		return DECIDE_PASS;
	a = answer(d, &f, &q->client, now_ns, &wait_ns);
	pthread_rwlock_unlock(&d->lock);
	if (a != DECIDE_PASS)
		*ret_retry_s = (wait_ns + NS_PER_S - 1) / NS_PER_S;
	return a;
}

enum decide_answer decide_ask(struct decide *d, const struct addr *client, uint64_t now_ns,
			      uint64_t *ret_retry_s)
{
	const struct decide_question q = {.client = *client};

	return decide_ask_of(d, &q, now_ns, ret_retry_s);
}

enum verdict_action decide_in_force(struct decide *d, const struct decide_question *q, uint64_t now_ns)
{
	enum verdict_action action = (enum verdict_action)0;

	/* Asked for each request that a detection counts: mostly nobody is denied. */
	if ((!atomic_load(&d->entries) && !atomic_load(&d->listed.in_force)) || atomic_load(&d->off))
		return action;
	struct in_force f;
	if (!in_force_lock(d, q, now_ns, &f))
		return action;
	pthread_rwlock_unlock(&d->lock);
	return f.action;
}

/* Those of one route that mean, or cover, who is given. */
static size_t on_route_of(struct decide *d, const struct prefix *who, uint16_t route, uint64_t now_ns,
			  struct prefix *ret, size_t max)
{
	size_t n = 0;

	for (int bits = who->bits; bits >= 0; bits--) {
		if (target_is_net(who) ? !d->lengths[1][who->addr.family == ADDR_IPV6][bits]
				       : bits < who->bits)
			continue;
		struct prefix net = prefix_of(&who->addr, (uint8_t)bits), p = target_on(&net, route);
		const struct entry *e = find(d, &p);
		if (!e || e->end_ns <= now_ns)
			continue;
		if (n < max)
			ret[n] = p;
		n++;
	}
	return n;
}

size_t decide_routes_of(struct decide *d, const struct prefix *who, uint64_t now_ns, struct prefix *ret,
			size_t max)
{
	size_t n = 0;

	pthread_rwlock_rdlock(&d->lock);
	for (unsigned i = 0; i < atomic_load(&d->route_count); i++)
		n += on_route_of(d, who, d->routes[i], now_ns, ret + MIN(n, max), max - MIN(n, max));
	pthread_rwlock_unlock(&d->lock);
	return n;
}

/* --- copies --- */

bool decide_is_off(const struct decide *d)
{
	return atomic_load(&d->off);
}

static bool denies(const struct entry *e, uint64_t now_ns)
{
	return e && target_is_net(&e->target) && verdict_drops(e->action) && e->end_ns > now_ns;
}

/* By entries that cover the target; 0: none does. */
static uint64_t covered_until(const struct decide *d, const struct prefix *target, uint64_t now_ns)
{
	const size_t *lengths = d->lengths[0][target->addr.family == ADDR_IPV6];
	uint64_t end_ns = 0;

	for (unsigned bits = 0; bits <= target->bits; bits++) {
		if (!lengths[bits])
			continue;
		struct prefix p = prefix_of(&target->addr, (uint8_t)bits);
		const struct entry *e = find(d, &p);
		if (denies(e, now_ns))
			end_ns = MAX(end_ns, e->end_ns);
	}
	return end_ns;
}

static int decisions_copy(struct decide *d, uint64_t now_ns, struct decide_denials *to)
{
	pthread_rwlock_rdlock(&d->lock);
	size_t room = d->table.count;
	to->items = malloc((room + 1) * sizeof *to->items);
	for (size_t i = 0; to->items && room && i <= d->table.mask; i++)
		for (struct table_node *n = d->table.slots[i]; n; n = n->next) {
			const struct entry *e = table_owner(n, struct entry, node);
			if (denies(e, now_ns))
				to->items[to->count++] = (struct decide_denial){
					.target = e->target, .end_ns = covered_until(d, &e->target, now_ns)};
		}
	pthread_rwlock_unlock(&d->lock);
	for (size_t i = 0; i < to->count; i++) {
		struct decide_denial *at = &to->items[i];
		at->end_ns = MAX(at->end_ns, listed_denied_until(&d->listed, &at->target, false, now_ns));
	}
	return to->items ? 0 : -ENOMEM;
}

struct copy {
	struct decide *d;
	uint64_t now_ns;
	size_t max, size;
	struct decide_denials *to;
	bool no_memory;
};

static bool room_make(struct copy *c)
{
	if (c->to->count < c->size)
		return true;
	size_t size = MIN(c->max, MAX(2 * c->size, (size_t)1024));
	struct decide_denial *items = realloc(c->to->items, size * sizeof *items);
	if (!items) {
		c->no_memory = true;
		return false;
	}
	c->to->items = items;
	c->size = size;
	return true;
}

/* One of a list. The lock is taken for it alone: a verdict does not wait for a long list. */
static void copy_listed(void *arg, const struct prefix *target, uint64_t end_ns)
{
	struct copy *c = arg;

	pthread_rwlock_rdlock(&c->d->lock);
	bool decided = denies(find(c->d, target), c->now_ns);
	uint64_t covered_ns = c->d->table.count ? covered_until(c->d, target, c->now_ns) : 0;
	pthread_rwlock_unlock(&c->d->lock);
	if (decided || c->no_memory)
		return;
	if (c->to->count >= c->max)
		c->to->beyond++;
	else if (room_make(c))
		c->to->items[c->to->count++] = (struct decide_denial){
			.target = *target, .listed = true, .end_ns = MAX(end_ns, covered_ns)};
}

int decide_denials(struct decide *d, uint64_t now_ns, size_t max, struct decide_denials *ret)
{
	struct decide_denials all = {0};
	struct copy c = {.d = d, .now_ns = now_ns, .max = max, .to = &all};

	if (atomic_load(&d->off)) {
		*ret = all;
		return 0;
	}
	int r = decisions_copy(d, now_ns, &all);
	c.size = all.count;
	if (!r)
		listed_each_denied(&d->listed, now_ns, copy_listed, &c);
	if (r || c.no_memory) {
		free(all.items);
		return -ENOMEM;
	}
	*ret = all;
	return 0;
}

bool decide_denied(struct decide *d, const struct prefix *target, uint64_t now_ns, struct decide_denial *ret)
{
	struct decide_denial denial = {.target = *target};

	if (atomic_load(&d->off))
		return false;
	bool listed = listed_denied_until(&d->listed, target, true, now_ns);
	uint64_t listed_ns = listed_denied_until(&d->listed, target, false, now_ns);
	pthread_rwlock_rdlock(&d->lock);
	bool decided = denies(find(d, target), now_ns);
	denial.end_ns = MAX(covered_until(d, target, now_ns), listed_ns);
	pthread_rwlock_unlock(&d->lock);
	denial.listed = !decided;
	if (decided || listed)
		*ret = denial;
	return decided || listed;
}

struct decide_hits decide_hits(struct decide *d, const struct prefix *target)
{
	struct decide_hits hits = {0};

	pthread_rwlock_rdlock(&d->lock);
	const struct entry *e = find(d, target);
	if (e)
		hits = (struct decide_hits){atomic_load(&e->requests), atomic_load(&e->last_ns)};
	pthread_rwlock_unlock(&d->lock);
	return hits;
}

struct decide_counts decide_counts(struct decide *d)
{
	pthread_rwlock_rdlock(&d->lock);
	size_t entries = d->table.count;
	pthread_rwlock_unlock(&d->lock);
	return (struct decide_counts){
		.denied = atomic_load(&d->denied),
		.slowed = atomic_load(&d->slowed),
		.shadowed = atomic_load(&d->shadowed),
		.unpaced = atomic_load(&d->unpaced),
		.entries = entries,
		.listed = atomic_load(&d->by_list),
	};
}
