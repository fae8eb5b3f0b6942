// SPDX-License-Identifier: Apache-2.0
#include "policies/baseline.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include "lib/util.h"
#include "policies/ages.h"
#include "policies/slots.h"
#include "policies/table.h"

#define OWN_WAIT_NS (7 * 24 * HOUR_NS)
#define HOUR_NS     (3600 * NS_PER_S)
#define ONE_IN      200 /* of all groups, at least, for a level to be normal */

/* As struct baseline_own, by other times. */
struct own {
	uint64_t group, last_ns, raised_ns; /* as ages.h */
	uint32_t hours, level;
};

struct entry {
	struct table_node node;
	TAILQ_ENTRY(entry) age; /* taught longest ago first */
	uint32_t slot;
	struct baseline_record r;                       /* its times: not used */
	uint64_t first_ns, last_ns, raised_ns, half_ns; /* as ages.h */
	struct own own[BASELINE_OWN];
};
TAILQ_HEAD(entries, entry);

struct baseline {
	pthread_mutex_t lock;
	struct table table;
	struct entries entries;
	struct slots slots;
	struct baseline_limits limits;
	uint64_t key[2];
	size_t max;
	bool frozen;
	struct baseline_counts counts;
};

int baseline_new(size_t max, const struct baseline_limits *limits, struct baseline **ret)
{
	struct baseline *b = calloc(1, sizeof *b);

	if (!b)
		return -ENOMEM;
	b->max = max;
	b->limits = *limits;
	TAILQ_INIT(&b->entries);
	int r = table_init(&b->table, max);
	if (!r)
		r = slots_init(&b->slots, max);
	if (!r && getrandom(b->key, sizeof b->key, 0) != (ssize_t)sizeof b->key)
		r = -EIO;
	if (r) {
		table_deinit(&b->table);
		slots_deinit(&b->slots);
		free(b);
		return r;
	}
	pthread_mutex_init(&b->lock, NULL);
	*ret = b;
	return 0;
}

static void leave(struct baseline *b, struct entry *e)
{
	TAILQ_REMOVE(&b->entries, e, age);
	table_remove(&b->table, &e->node);
	slots_leave(&b->slots, e->slot);
	b->counts.held--;
	free(e);
}

void baseline_free(struct baseline *b)
{
	if (!b)
		return;
	while (!TAILQ_EMPTY(&b->entries))
		leave(b, TAILQ_FIRST(&b->entries));
	table_deinit(&b->table);
	slots_deinit(&b->slots);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void baseline_freeze(struct baseline *b, bool frozen)
{
	pthread_mutex_lock(&b->lock);
	b->frozen = frozen;
	pthread_mutex_unlock(&b->lock);
}

bool baseline_is_frozen(struct baseline *b)
{
	pthread_mutex_lock(&b->lock);
	bool frozen = b->frozen;
	pthread_mutex_unlock(&b->lock);
	return frozen;
}

unsigned baseline_level(uint64_t value)
{
	unsigned level = value ? 63 - (unsigned)__builtin_clzll(value) : 0;

	return MIN(level, (unsigned)BASELINE_LEVELS - 1);
}

/* --- finding --- */

static uint64_t entry_hash(const struct baseline *b, const char *rule, struct span route)
{
	const uint64_t key[2] = {table_hash(&b->table, rule, strlen(rule)),
				 table_hash(&b->table, route.ptr, route.len)};

	return table_hash(&b->table, key, sizeof key);
}

static struct entry *find(const struct baseline *b, const char *rule, struct span route, uint64_t hash)
{
	for (struct table_node *n = table_first(&b->table, hash); n; n = table_next(n)) {
		struct entry *e = table_owner(n, struct entry, node);
		if (strcmp(e->r.rule, rule) == 0 && span_equal(route, span_from(e->r.route)))
			return e;
	}
	return NULL;
}

/* NULL: a text is too long, or memory is out. */
static struct entry *get(struct baseline *b, const char *rule, struct span route, uint64_t now_ns)
{
	uint64_t hash = entry_hash(b, rule, route);
	struct entry *e = find(b, rule, route, hash);

	if (e || route.len >= BASELINE_ROUTE_MAX || strlen(rule) >= BASELINE_RULE_MAX)
		return e;
	if (b->counts.held >= b->max) {
		leave(b, TAILQ_FIRST(&b->entries));
		b->counts.forgotten++;
	}
	e = calloc(1, sizeof *e);
	if (!e) {
		b->counts.no_memory++;
		return NULL;
	}
	memcpy(e->r.rule, rule, strlen(rule));
	memcpy(e->r.route, route.ptr, route.len);
	e->first_ns = e->last_ns = e->raised_ns = e->half_ns = now_ns;
	e->slot = slots_take(&b->slots, e);
	table_add(&b->table, &e->node, hash);
	TAILQ_INSERT_TAIL(&b->entries, e, age);
	b->counts.held++;
	return e;
}

/* --- learning --- */

static uint64_t hash_of(const struct baseline *b, const struct addr *who)
{
	uint64_t hash = table_hash_keyed(b->key, who->bytes, sizeof who->bytes);

	return hash ? hash : 1;
}

static void halves_turn(struct entry *e, uint64_t now_ns)
{
	uint64_t old = now_ns - MIN(e->half_ns, now_ns);

	if (old < BASELINE_HALF_NS)
		return;
	e->r.halves[1] = old < 2 * BASELINE_HALF_NS ? e->r.halves[0] : (struct baseline_half){.reached = {0}};
	e->r.halves[0] = (struct baseline_half){.reached = {0}};
	e->half_ns = now_ns;
}

static uint64_t groups_of(const struct entry *e)
{
	uint8_t both[SKETCH_SIZE];

	for (unsigned i = 0; i < SKETCH_SIZE; i++)
		both[i] = MAX(e->r.halves[0].sketch[i], e->r.halves[1].sketch[i]);
	return sketch_estimate(both);
}

/* How many different bits of 64 hold, as a number of values: linear counting. All 64: more than can be told.
 */
static double values_of(uint64_t bits)
{
	int empty = 64 - __builtin_popcountll(bits);

	return empty ? 64 * log(64.0 / empty) : 1e9;
}

/* The highest level that is normal, plus one. */
static uint32_t established(const struct entry *e)
{
	double wanted = MAX((double)BASELINE_GROUPS, (double)groups_of(e) / ONE_IN);
	uint64_t groups = 0;

	for (unsigned i = BASELINE_LEVELS; i-- > 0;) { /* who reached a level reached those below */
		groups |= e->r.halves[0].groups[i] | e->r.halves[1].groups[i];
		if (values_of(groups) + 0.5 >= wanted)
			return i + 1;
	}
	return 0;
}

static bool counts_by(const struct baseline *b, const struct entry *e, uint64_t now_ns)
{
	return e->r.level && now_ns - MIN(e->first_ns, now_ns) >= b->limits.after_ns &&
	       groups_of(e) >= b->limits.groups;
}

/* Downwards at once, when it is forgotten; upwards a step in a while, once it counts. */
static void level_follow(const struct baseline *b, struct entry *e, uint64_t now_ns)
{
	uint32_t level = established(e);

	if (level > e->r.level && counts_by(b, e, now_ns)) {
		if (now_ns - MIN(e->raised_ns, now_ns) < BASELINE_STEP_NS)
			return;
		level = e->r.level + 1;
	}
	if (level > e->r.level)
		e->raised_ns = now_ns;
	e->r.level = level;
}

/* --- what is normal for one group alone --- */

static bool is_old(const struct own *o, uint64_t now_ns)
{
	return now_ns - MIN(o->last_ns, now_ns) >= 2 * BASELINE_HALF_NS;
}

/* The place of a group; or one for it: a free one, or that of one that did not come back for a week. NULL:
 * all are in use. */
static struct own *own_get(struct entry *e, uint64_t group, uint64_t now_ns)
{
	struct own *room = NULL;

	for (unsigned i = 0; i < BASELINE_OWN; i++) {
		struct own *o = &e->own[i];
		if (o->group == group && !is_old(o, now_ns))
			return o;
		if (!o->group || is_old(o, now_ns) || o->level < e->r.level || /* is normal for all by now */
		    (o->hours < BASELINE_HOURS && now_ns - MIN(o->last_ns, now_ns) >= OWN_WAIT_NS))
			room = o;
	}
	if (room)
		*room = (struct own){.group = group, .raised_ns = now_ns};
	return room;
}

static void own_note(struct entry *e, uint64_t group, unsigned level, bool counts, uint64_t now_ns)
{
	struct own *o = own_get(e, group, now_ns);

	if (!o)
		return;
	o->hours += o->last_ns / HOUR_NS != now_ns / HOUR_NS && o->hours < UINT32_MAX;
	o->last_ns = MAX(o->last_ns, now_ns);
	if (level <= o->level)
		return;
	if (counts && o->level && now_ns - MIN(o->raised_ns, now_ns) < BASELINE_STEP_NS)
		return;
	o->level = counts && o->level ? o->level + 1 : level;
	o->raised_ns = now_ns;
}

void baseline_note(struct baseline *b, const char *rule, struct span route, const struct addr *who,
		   uint64_t value, uint64_t at_ns)
{
	uint64_t now_ns = ages_of((int64_t)at_ns);
	unsigned level = baseline_level(value);

	pthread_mutex_lock(&b->lock);
	struct entry *e = b->frozen ? NULL : get(b, rule, route, now_ns);
	if (e) {
		uint64_t group = hash_of(b, who);
		halves_turn(e, now_ns);
		struct baseline_half *h = &e->r.halves[0];
		h->reached[level] += h->reached[level] < UINT32_MAX;
		h->groups[level] |= 1ull << (group >> 32) % 64; /* not the bits of the sketch's register */
		sketch_add(h->sketch, group);
		e->last_ns = MAX(e->last_ns, now_ns);
		level_follow(b, e, now_ns);
		if (level >= e->r.level)
			own_note(e, group, level, counts_by(b, e, now_ns), now_ns);
		TAILQ_REMOVE(&b->entries, e, age);
		TAILQ_INSERT_TAIL(&b->entries, e, age);
		slots_touch(&b->slots, e->slot);
		b->counts.taught++;
	}
	pthread_mutex_unlock(&b->lock);
}

static uint64_t most_of(uint32_t level)
{
	return level ? (2ull << (level - 1)) - 1 : 0;
}

/* What is normal for that group. */
static uint64_t normal_of(const struct entry *e, uint64_t group, uint64_t now_ns)
{
	uint64_t normal = most_of(e->r.level);

	for (unsigned i = 0; i < BASELINE_OWN; i++) {
		const struct own *o = &e->own[i];
		if (o->group == group && o->hours >= BASELINE_HOURS && !is_old(o, now_ns))
			normal = MAX(normal, most_of(o->level + 1));
	}
	return normal;
}

bool baseline_exceeded(struct baseline *b, const char *rule, struct span route, const struct addr *who,
		       uint64_t value, double times, uint64_t at_ns, uint64_t *ret_normal)
{
	uint64_t normal = 0, now_ns = ages_of((int64_t)at_ns);

	pthread_mutex_lock(&b->lock);
	const struct entry *e = find(b, rule, route, entry_hash(b, rule, route));
	bool counts = e && counts_by(b, e, now_ns);
	if (counts)
		normal = who ? normal_of(e, hash_of(b, who), now_ns) : most_of(e->r.level);
	pthread_mutex_unlock(&b->lock);
	if (ret_normal)
		*ret_normal = normal;
	return counts && (double)value > times * (double)normal;
}

size_t baseline_reset(struct baseline *b, struct span route)
{
	struct entry *next;
	size_t n = 0;

	pthread_mutex_lock(&b->lock);
	for (struct entry *e = TAILQ_FIRST(&b->entries); e; e = next) {
		next = TAILQ_NEXT(e, age);
		if (route.len && !span_equal(route, span_from(e->r.route)))
			continue;
		leave(b, e);
		n++;
	}
	pthread_mutex_unlock(&b->lock);
	return n;
}

/* --- listing --- */

static void info_fill(const struct baseline *b, const struct entry *e, uint64_t now_ns,
		      struct baseline_info *ret)
{
	*ret = (struct baseline_info){
		.counts = counts_by(b, e, now_ns),
		.normal = most_of(e->r.level),
		.groups = groups_of(e),
		.first_ns = ages_to_boot(e->first_ns),
		.last_ns = ages_to_boot(e->last_ns),
		.raised_ns = ages_to_boot(e->raised_ns),
	};
	for (unsigned i = 0; i < BASELINE_OWN; i++)
		ret->own +=
			e->own[i].group && e->own[i].hours >= BASELINE_HOURS && !is_old(&e->own[i], now_ns);
	memcpy(ret->rule, e->r.rule, sizeof ret->rule);
	memcpy(ret->route, e->r.route, sizeof ret->route);
	for (unsigned i = 0; i < BASELINE_LEVELS; i++)
		ret->reached[i] = (uint64_t)e->r.halves[0].reached[i] + e->r.halves[1].reached[i];
}

size_t baseline_list(struct baseline *b, uint32_t *cursor, uint64_t now_ns, struct baseline_info *ret,
		     size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&b->lock);
	for (; n < max && *cursor < b->slots.max; ++*cursor)
		if (b->slots.owners[*cursor])
			info_fill(b, b->slots.owners[*cursor], ages_of((int64_t)now_ns), &ret[n++]);
	pthread_mutex_unlock(&b->lock);
	return n;
}

struct baseline_counts baseline_counts(struct baseline *b)
{
	pthread_mutex_lock(&b->lock);
	struct baseline_counts c = b->counts;
	c.max = b->max;
	c.frozen = b->frozen;
	pthread_mutex_unlock(&b->lock);
	return c;
}

/* --- what outlives a restart --- */

void baseline_set_key(struct baseline *b, const uint64_t key[static 2])
{
	pthread_mutex_lock(&b->lock);
	memcpy(b->key, key, sizeof b->key);
	pthread_mutex_unlock(&b->lock);
}

size_t baseline_changes(struct baseline *b, struct baseline_record *ret, uint32_t *ret_slots, bool *ret_gone,
			size_t max)
{
	void *owner;
	size_t n = 0;

	pthread_mutex_lock(&b->lock);
	for (; n < max && slots_next(&b->slots, &ret_slots[n], &owner); n++) {
		const struct entry *e = owner;
		ret_gone[n] = !e;
		if (!e)
			continue;
		ret[n] = e->r;
		ret[n].first_ns = ages_to_boot(e->first_ns);
		ret[n].last_ns = ages_to_boot(e->last_ns);
		ret[n].raised_ns = ages_to_boot(e->raised_ns);
		ret[n].half_ns = ages_to_boot(e->half_ns);
		for (unsigned i = 0; i < BASELINE_OWN; i++)
			ret[n].own[i] = (struct baseline_own){
				e->own[i].group, ages_to_boot(e->own[i].last_ns),
				ages_to_boot(e->own[i].raised_ns), e->own[i].hours, e->own[i].level};
	}
	pthread_mutex_unlock(&b->lock);
	return n;
}

void baseline_change_all(struct baseline *b)
{
	pthread_mutex_lock(&b->lock);
	slots_touch_all(&b->slots);
	pthread_mutex_unlock(&b->lock);
}

static bool is_sound(const struct baseline_record *r)
{
	for (unsigned i = 0; i < BASELINE_OWN; i++)
		if (r->own[i].level >= BASELINE_LEVELS)
			return false;
	return r->level <= BASELINE_LEVELS && r->first_ns <= r->last_ns && r->rule[0] && r->route[0] &&
	       memchr(r->rule, 0, sizeof r->rule) && memchr(r->route, 0, sizeof r->route);
}

bool baseline_restore(struct baseline *b, const struct baseline_record *r)
{
	bool taken = false;

	if (!is_sound(r))
		return false;
	pthread_mutex_lock(&b->lock);
	const struct span route = span_from(r->route);
	struct entry *e = b->counts.held < b->max && !find(b, r->rule, route, entry_hash(b, r->rule, route))
				  ? get(b, r->rule, route, ages_of(r->last_ns))
				  : NULL;
	if (e) {
		taken = true;
		e->r = *r;
		e->first_ns = ages_of(r->first_ns);
		e->last_ns = ages_of(r->last_ns);
		e->raised_ns = ages_of(r->raised_ns);
		e->half_ns = ages_of(r->half_ns);
		for (unsigned i = 0; i < BASELINE_OWN; i++)
			e->own[i] =
				(struct own){r->own[i].group, ages_of(r->own[i].last_ns),
					     ages_of(r->own[i].raised_ns), r->own[i].hours, r->own[i].level};
	}
	pthread_mutex_unlock(&b->lock);
	return taken;
}
