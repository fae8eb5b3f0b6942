// SPDX-License-Identifier: Apache-2.0
/*
 * Two kinds of subjects, each with two lists by age: of those that were served here, and of the others, who
 * make room first. One table finds them all.
 */
#include "policies/behaviour.h"
#include <errno.h>
#include <pthread.h>
#include <sys/queue.h>
#include <sys/random.h>
#include "lib/target.h"
#include "lib/util.h"
#include "policies/ages.h"
#include "policies/buckets.h"
#include "policies/operations.h"
#include "policies/slots.h"
#include "policies/table.h"

#define TOLD_NS     (60 * NS_PER_S) /* so often is told anew what changes with each request */
#define BARE_LOGINS 3               /* requests without a credential, until one has it */
#define NAMES_MAX   256             /* of detections */
#define GAPS_NEW    8               /* the mean follows the latest so many gaps */

enum kind { CLIENT, CONSUMER, KINDS };
enum sketched { ROUTES, AGENTS, OTHERS, SKETCHED };

struct place {
	uint32_t route_id; /* 0: none */
	uint8_t method;
	struct span route;
	uint64_t requests;
};

struct fired {
	const char *name; /* of behaviour.names; NULL: none */
	uint64_t count, last_ns;
};

struct subject {
	struct table_node node;
	TAILQ_ENTRY(subject) age;
	struct prefix who;
	struct addr latest;
	uint32_t slot, kept; /* kept: its number for who keeps it; SLOTS_NONE: it is not worth it yet */
	enum kind kind;
	bool known;
	uint32_t served;
	uint64_t first_ns, last_ns, told_ns; /* as ages.h */
	struct behaviour_counts all, window, before;
	uint64_t window_ns, before_ns;
	double gap_ns, spread_ns;
	uint64_t gaps;
	struct prefix other;
	struct place places[BEHAVIOUR_ROUTES];
	uint64_t agent_hashes[BEHAVIOUR_AGENTS]; /* 0: none */
	struct fired fired[BEHAVIOUR_DETECTIONS];
	uint16_t methods;
	uint8_t used[BEHAVIOUR_USED_BITS / 8];
	uint8_t sketches[SKETCHED][SKETCH_SIZE];
	/* Not cleared for a new subject, and last: those without a hash hold whatever was there. */
	char agents[BEHAVIOUR_AGENTS][BEHAVIOUR_AGENT_MAX];
};
TAILQ_HEAD(subjects, subject);

struct behaviour {
	pthread_mutex_t lock;
	struct table table;
	struct subjects lists[KINDS][2]; /* [known]; idle longest first */
	struct subject *spare;           /* whose room the next one takes */
	size_t max[KINDS], count[KINDS], known;
	struct slots slots, kept;
	uint64_t key[2];
	char *names[NAMES_MAX];
	unsigned name_count;
	struct behaviour_totals totals;
};

int behaviour_new(size_t clients, size_t consumers, struct behaviour **ret)
{
	struct behaviour *b = calloc(1, sizeof *b);

	if (!b)
		return -ENOMEM;
	b->max[CLIENT] = clients ? clients : BEHAVIOUR_CLIENTS;
	b->max[CONSUMER] = consumers ? consumers : BEHAVIOUR_CONSUMERS;
	for (unsigned k = 0; k < KINDS; k++)
		for (unsigned known = 0; known < 2; known++)
			TAILQ_INIT(&b->lists[k][known]);
	size_t max = b->max[CLIENT] + b->max[CONSUMER];
	int r = table_init(&b->table, max);
	if (!r)
		r = slots_init(&b->slots, max);
	if (!r)
		r = slots_init(&b->kept, max);
	if (!r && getrandom(b->key, sizeof b->key, 0) != (ssize_t)sizeof b->key)
		r = -EIO;
	if (r) {
		table_deinit(&b->table);
		slots_deinit(&b->slots);
		slots_deinit(&b->kept);
		free(b);
		return r;
	}
	pthread_mutex_init(&b->lock, NULL);
	*ret = b;
	return 0;
}

/* --- subjects --- */

/* Its memory is kept for the next. */
static void leave(struct behaviour *b, struct subject *s)
{
	TAILQ_REMOVE(&b->lists[s->kind][s->known], s, age);
	table_remove(&b->table, &s->node);
	slots_leave(&b->slots, s->slot);
	if (s->kept != SLOTS_NONE)
		slots_leave(&b->kept, s->kept);
	b->count[s->kind]--;
	b->known -= s->known;
	free(b->spare);
	b->spare = s;
}

void behaviour_free(struct behaviour *b)
{
	struct subject *s;

	if (!b)
		return;
	for (unsigned k = 0; k < KINDS; k++)
		for (unsigned known = 0; known < 2; known++)
			while ((s = TAILQ_FIRST(&b->lists[k][known])))
				leave(b, s);
	free(b->spare);
	table_deinit(&b->table);
	slots_deinit(&b->slots);
	slots_deinit(&b->kept);
	for (unsigned i = 0; i < b->name_count; i++)
		free(b->names[i]);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static uint64_t who_hash(const struct behaviour *b, const struct prefix *who)
{
	uint8_t key[18] = {who->addr.family, who->bits};

	memcpy(key + 2, who->addr.bytes, 16);
	return table_hash(&b->table, key, sizeof key);
}

static struct subject *find(const struct behaviour *b, const struct prefix *who, uint64_t hash)
{
	for (struct table_node *n = table_first(&b->table, hash); n; n = table_next(n)) {
		struct subject *s = table_owner(n, struct subject, node);
		if (prefix_equal(&s->who, who))
			return s;
	}
	return NULL;
}

/* Who makes room is who was idle longest: nothing of it is in a cache. So the next one is fetched while this
 * request is worked on. */
static void fetch_ahead(const struct behaviour *b, enum kind kind)
{
	const char *next = (const char *)TAILQ_FIRST(&b->lists[kind][false]);

	for (size_t at = 0; next && at < offsetof(struct subject, agents) + BEHAVIOUR_AGENT_MAX; at += 64)
		__builtin_prefetch(next + at, 1, 2);
}

static void make_room(struct behaviour *b, enum kind kind)
{
	struct subject *fresh = TAILQ_FIRST(&b->lists[kind][false]);

	if (b->count[kind] < b->max[kind])
		return;
	if (fresh) {
		leave(b, fresh);
		b->totals.forgotten_new++;
	} else {
		leave(b, TAILQ_FIRST(&b->lists[kind][true]));
		b->totals.forgotten_known++;
	}
	fetch_ahead(b, kind);
}

/* NULL: no memory. */
static struct subject *subject_new(struct behaviour *b)
{
	struct subject *s = b->spare ? b->spare : malloc(sizeof *s);

	b->spare = NULL;
	if (s)
		memset(s, 0, offsetof(struct subject, agents));
	return s;
}

static struct subject *get(struct behaviour *b, enum kind kind, const struct prefix *who, uint64_t now_ns)
{
	uint64_t hash = who_hash(b, who);
	struct subject *s = find(b, who, hash);

	if (s)
		return s;
	make_room(b, kind);
	s = subject_new(b);
	if (!s) {
		b->totals.no_memory++;
		return NULL;
	}
	s->who = *who;
	s->kind = kind;
	s->kept = SLOTS_NONE;
	s->first_ns = s->last_ns = s->window_ns = now_ns;
	s->slot = slots_take(&b->slots, s); /* there is one: no more subjects than these */
	table_add(&b->table, &s->node, hash);
	TAILQ_INSERT_TAIL(&b->lists[kind][false], s, age);
	b->count[kind]++;
	return s;
}

/* Its record changed, if it has one; now: it is to be told at once. */
static void change(struct behaviour *b, struct subject *s, bool now)
{
	if (s->kept == SLOTS_NONE || (!now && s->last_ns - MIN(s->told_ns, s->last_ns) < TOLD_NS))
		return;
	s->told_ns = s->last_ns;
	slots_touch(&b->kept, s->kept);
}

static void keep(struct behaviour *b, struct subject *s)
{
	if (s->kept == SLOTS_NONE)
		s->kept = slots_take(&b->kept, s);
}

static void become_known(struct behaviour *b, struct subject *s)
{
	TAILQ_REMOVE(&b->lists[s->kind][false], s, age);
	s->known = true;
	b->known++;
	TAILQ_INSERT_TAIL(&b->lists[s->kind][true], s, age);
	keep(b, s);
}

static void grow_old(struct behaviour *b, struct subject *s)
{
	TAILQ_REMOVE(&b->lists[s->kind][s->known], s, age);
	TAILQ_INSERT_TAIL(&b->lists[s->kind][s->known], s, age);
}

/* --- one request --- */

static uint64_t hash_of(const struct behaviour *b, struct span text)
{
	return table_hash_keyed(b->key, text.ptr ? text.ptr : "", text.len);
}

static void count_add(struct behaviour_counts *c, const struct event_request *q)
{
	unsigned status = q->answered & EVENT_ANSWER_SEEN ? q->status : 0, class = status / 100;

	c->requests++;
	c->statuses[class <= 5 ? class : 0]++;
	c->unauthorized += status == 401;
	c->forbidden += status == 403;
	c->missing += status == 404 || status == 410;
	c->limited += status == 429;
	c->bare += !q->consumer.len;
}

static void window_turn(struct subject *s, uint64_t now_ns)
{
	uint64_t old = now_ns - MIN(s->window_ns, now_ns);

	if (old < BEHAVIOUR_WINDOW_NS)
		return;
	bool gone = old >= 2 * BEHAVIOUR_WINDOW_NS;
	s->before = gone ? (struct behaviour_counts){0} : s->window;
	s->before_ns = gone ? now_ns : s->window_ns;
	s->window = (struct behaviour_counts){0};
	s->window_ns = now_ns;
}

static void gap_add(struct subject *s, uint64_t now_ns)
{
	if (!(s->window.requests + s->before.requests) || now_ns < s->last_ns)
		return;
	double gap = (double)(now_ns - s->last_ns), off = gap > s->gap_ns ? gap - s->gap_ns : s->gap_ns - gap;
	double share = 1.0 / (double)MIN(++s->gaps, (uint64_t)GAPS_NEW);

	if (s->gaps > 1)
		s->spread_ns += (off - s->spread_ns) / (double)MIN(s->gaps - 1, (uint64_t)GAPS_NEW);
	s->gap_ns += (gap - s->gap_ns) * share;
}

/* The busiest, by Metwally, Agrawal, El Abbadi, "space saving", 2005: the smallest makes room, and its count
 * is what the new one begins from. */
static void place_add(struct subject *s, const struct event_request *q, enum method method)
{
	struct place *least = s->places;

	if (!q->route_id)
		return;
	for (unsigned i = 0; i < BEHAVIOUR_ROUTES; i++) {
		struct place *p = &s->places[i];
		if (p->route_id == q->route_id && p->method == method) {
			p->requests++;
			p->route = q->route; /* a route may have become a more general one */
			return;
		}
		if (p->requests < least->requests)
			least = p;
	}
	*least = (struct place){q->route_id, (uint8_t)method, q->route, least->requests + 1};
}

/* The latest comes first. */
static void agent_add(struct subject *s, struct span text, uint64_t hash)
{
	char latest[BEHAVIOUR_AGENT_MAX];
	unsigned at = 0;

	while (at < BEHAVIOUR_AGENTS - 1 && s->agent_hashes[at] && s->agent_hashes[at] != hash)
		at++;
	if (s->agent_hashes[at] != hash) {
		size_t len = MIN(text.len, (size_t)BEHAVIOUR_AGENT_MAX - 1);
		while (len < text.len && len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
			len--; /* not within a character */
		s->agent_hashes[at] = hash;
		memcpy(s->agents[at], text.ptr, len);
		s->agents[at][len] = 0;
	}
	if (!at)
		return;
	memcpy(latest, s->agents[at], sizeof latest);
	memmove(s->agents + 1, s->agents, at * sizeof latest);
	memmove(s->agent_hashes + 1, s->agent_hashes, at * sizeof hash);
	memcpy(s->agents[0], latest, sizeof latest);
	s->agent_hashes[0] = hash;
}

static uint64_t place_hash(const struct behaviour *b, const struct event_request *q, enum method method)
{
	const uint64_t key[2] = {hash_of(b, q->route), method};

	return table_hash_keyed(b->key, key, sizeof key);
}

static bool used_bit(struct subject *s, uint64_t hash, bool set)
{
	uint8_t *at = &s->used[hash % BEHAVIOUR_USED_BITS / 8], bit = (uint8_t)(1u << hash % 8);
	bool was = *at & bit;

	if (set)
		*at |= bit;
	return was;
}

static bool is_served(const struct event_request *q)
{
	return q->answered & EVENT_ANSWER_SEEN && q->status >= 200 && q->status < 400;
}

struct hashes {
	uint64_t place, agent;
	enum method method;
};

static void used_add(struct behaviour *b, struct subject *s, const struct event_request *q,
		     const struct hashes *h)
{
	uint16_t method = (uint16_t)(1u << h->method);
	bool news = !(s->methods & method);

	s->methods |= method;
	if (q->route_id)
		news |= !used_bit(s, h->place, true);
	if (news)
		change(b, s, true);
}

static const struct addr *client_of(const struct event *e)
{
	return &event_client(e)->addr;
}

static void subject_note(struct behaviour *b, struct subject *s, const struct event *e,
			 const struct hashes *h, const struct prefix *other, uint64_t now_ns)
{
	const struct event_request *q = &e->request;

	window_turn(s, now_ns);
	gap_add(s, now_ns);
	count_add(&s->all, q);
	count_add(&s->window, q);
	s->last_ns = MAX(s->last_ns, now_ns);
	if (s->kind == CLIENT)
		s->latest = *client_of(e);
	place_add(s, q, h->method);
	if (q->route_id)
		sketch_add(s->sketches[ROUTES], h->place);
	if (q->user_agent.len) {
		sketch_add(s->sketches[AGENTS], h->agent);
		agent_add(s, q->user_agent, h->agent);
	}
	if (other && other->addr.family != ADDR_NONE) {
		sketch_add(s->sketches[OTHERS], table_hash_keyed(b->key, other->addr.bytes, 16));
		s->other = *other;
	}
	if (is_served(q)) {
		s->served += q->status < 300 && s->served < UINT32_MAX;
		used_add(b, s, q, h);
	}
	grow_old(b, s);
	if (!s->known && s->served >= BEHAVIOUR_KNOWN)
		become_known(b, s);
	change(b, s, false);
}

void behaviour_note(struct behaviour *b, const struct event *e)
{
	const struct event_request *q = &e->request;
	const struct addr *addr;
	struct prefix client, consumer = {0};

	if (!b || e->kind != EVENT_HTTP_REQUEST || q->deviations & (HTTP_DEV_AFTER_GAP | HTTP_DEV_IN_BODY))
		return;
	addr = client_of(e);
	if (addr->family == ADDR_NONE)
		return;
	client = bucket_group(addr);
	if (!q->consumer.len || target_parse_consumer(q->consumer, &consumer))
		consumer.addr.family = ADDR_NONE;
	uint64_t now_ns = ages_of((int64_t)e->time_ns);
	pthread_mutex_lock(&b->lock);
	enum method method = method_of(q->method);
	uint64_t agent = hash_of(b, q->user_agent);
	const struct hashes h = {place_hash(b, q, method), agent ? agent : 1, method};
	b->totals.noted++;
	struct subject *s = get(b, CLIENT, &client, now_ns);
	if (s)
		subject_note(b, s, e, &h, &consumer, now_ns);
	s = consumer.addr.family != ADDR_NONE ? get(b, CONSUMER, &consumer, now_ns) : NULL;
	if (s)
		subject_note(b, s, e, &h, &client, now_ns);
	pthread_mutex_unlock(&b->lock);
}

/* --- detections --- */

static const char *name_of(struct behaviour *b, const char *name)
{
	for (unsigned i = 0; i < b->name_count; i++)
		if (!strcmp(b->names[i], name))
			return b->names[i];
	if (b->name_count == NAMES_MAX)
		return NULL;
	char *copy = strndup(name, BEHAVIOUR_NAME_MAX - 1);
	if (copy)
		b->names[b->name_count++] = copy;
	return copy;
}

/* The name that fired longest ago makes room. */
static void fired_add(struct subject *s, const char *name, uint64_t now_ns)
{
	struct fired *at = s->fired;

	for (unsigned i = 0; i < BEHAVIOUR_DETECTIONS; i++) {
		struct fired *f = &s->fired[i];
		if (f->name == name) {
			at = f;
			break;
		}
		if (at->name && (!f->name || f->last_ns < at->last_ns))
			at = f;
	}
	if (at->name != name)
		*at = (struct fired){.name = name};
	at->count++;
	at->last_ns = MAX(at->last_ns, now_ns);
}

/* As who it is noted: an address as its group, on no route. False: it is no client and no consumer. */
static bool subject_of(const struct prefix *target, struct prefix *ret)
{
	struct prefix who = target_who(target);

	if (who.addr.family == TARGET_CONSUMER) {
		*ret = who;
		return true;
	}
	if (!target_is_net(&who))
		return false;
	*ret = bucket_group(&who.addr);
	return who.bits >= ret->bits;
}

void behaviour_fired(struct behaviour *b, const struct verdict *v)
{
	struct prefix who;

	if (!b || !subject_of(&v->target, &who))
		return;
	uint64_t now_ns = ages_of((int64_t)v->received_ns);
	pthread_mutex_lock(&b->lock);
	const char *name = name_of(b, v->origin);
	/* Its request is noted a moment later, when it is answered. */
	struct subject *s =
		name ? get(b, who.addr.family == TARGET_CONSUMER ? CONSUMER : CLIENT, &who, now_ns) : NULL;
	if (s) {
		fired_add(s, name, now_ns);
		keep(b, s);
		change(b, s, true);
	}
	pthread_mutex_unlock(&b->lock);
}

/* --- asking --- */

static struct behaviour_counts sum(const struct behaviour_counts *x, const struct behaviour_counts *y)
{
	struct behaviour_counts c = *x;

	c.requests += y->requests;
	for (unsigned i = 0; i < ARRAY_SIZE(c.statuses); i++)
		c.statuses[i] += y->statuses[i];
	c.unauthorized += y->unauthorized;
	c.forbidden += y->forbidden;
	c.missing += y->missing;
	c.limited += y->limited;
	c.bare += y->bare;
	return c;
}

static void routes_fill(const struct subject *s, struct behaviour_info *ret)
{
	for (unsigned i = 0; i < BEHAVIOUR_ROUTES; i++) {
		const struct place *p = &s->places[i];
		unsigned at = ret->route_count;

		if (!p->route_id)
			continue;
		for (; at && ret->routes[at - 1].requests < p->requests; at--)
			ret->routes[at] = ret->routes[at - 1];
		ret->routes[at] = (struct behaviour_route){.route = p->route, .requests = p->requests};
		snprintf(ret->routes[at].method, sizeof ret->routes[at].method, "%s",
			 method_name((enum method)p->method));
		ret->route_count++;
	}
}

static void fired_fill(const struct subject *s, struct behaviour_info *ret)
{
	for (unsigned i = 0; i < BEHAVIOUR_DETECTIONS; i++) {
		const struct fired *f = &s->fired[i];
		unsigned at = ret->fired_count;
		struct behaviour_fired one = {.count = f->count, .last_ns = ages_to_boot(f->last_ns)};

		if (!f->name)
			continue;
		snprintf(one.name, sizeof one.name, "%s", f->name);
		for (; at && ret->fired[at - 1].last_ns < one.last_ns; at--)
			ret->fired[at] = ret->fired[at - 1];
		ret->fired[at] = one;
		ret->fired_count++;
	}
}

static void info_fill(const struct subject *s, struct behaviour_info *ret)
{
	bool before = s->before.requests > 0;

	*ret = (struct behaviour_info){
		.who = s->who,
		.latest = s->latest,
		.first_ns = ages_to_boot(s->first_ns),
		.last_ns = ages_to_boot(s->last_ns),
		.all = s->all,
		.window = sum(&s->window, &s->before),
		.window_ns = ages_to_boot(before ? s->before_ns : s->window_ns),
		.gap_ns = s->gaps > 1 ? (uint64_t)s->gap_ns : 0,
		.spread_ns = s->gaps > 1 ? (uint64_t)s->spread_ns : 0,
		.routes_seen = sketch_estimate(s->sketches[ROUTES]),
		.agents_seen = sketch_estimate(s->sketches[AGENTS]),
		.others_seen = sketch_estimate(s->sketches[OTHERS]),
		.other = s->other,
		.known = s->known,
	};
	routes_fill(s, ret);
	fired_fill(s, ret);
	for (unsigned i = 0; i < BEHAVIOUR_AGENTS && s->agent_hashes[i]; i++)
		memcpy(ret->agents[ret->agent_count++], s->agents[i], strlen(s->agents[i]) + 1);
}

bool behaviour_of_target(struct behaviour *b, const struct prefix *target, struct behaviour_info *ret)
{
	struct prefix who;

	if (!b || !subject_of(target, &who))
		return false;
	pthread_mutex_lock(&b->lock);
	const struct subject *s = find(b, &who, who_hash(b, &who));
	if (s)
		info_fill(s, ret);
	pthread_mutex_unlock(&b->lock);
	return s;
}

bool behaviour_of(struct behaviour *b, const struct addr *client, struct behaviour_info *ret)
{
	if (client->family == ADDR_NONE)
		return false;
	const struct prefix who = bucket_group(client);
	return behaviour_of_target(b, &who, ret);
}

bool behaviour_of_consumer(struct behaviour *b, struct span consumer, struct behaviour_info *ret)
{
	struct prefix who;

	return target_parse_consumer(consumer, &who) == 0 && behaviour_of_target(b, &who, ret);
}

size_t behaviour_list(struct behaviour *b, uint32_t *cursor, struct behaviour_info *ret, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&b->lock);
	for (; n < max && *cursor < b->slots.max; ++*cursor)
		if (b->slots.owners[*cursor])
			info_fill(b->slots.owners[*cursor], &ret[n++]);
	pthread_mutex_unlock(&b->lock);
	return n;
}

struct behaviour_totals behaviour_totals(struct behaviour *b)
{
	pthread_mutex_lock(&b->lock);
	struct behaviour_totals t = b->totals;
	t.clients = b->count[CLIENT];
	t.consumers = b->count[CONSUMER];
	t.clients_max = b->max[CLIENT];
	t.consumers_max = b->max[CONSUMER];
	t.known = b->known;
	t.kept = b->kept.max - b->kept.free_count;
	pthread_mutex_unlock(&b->lock);
	return t;
}

/* --- what detections ask --- */

/* Lock held. NULL: no consumer, or nothing is known of it. */
static struct subject *consumer_of(const struct behaviour *b, const struct event *e)
{
	struct prefix who;

	if (!e->request.consumer.len || target_parse_consumer(e->request.consumer, &who))
		return NULL;
	return find(b, &who, who_hash(b, &who));
}

bool behaviour_first_method(struct behaviour *b, const struct event *e)
{
	pthread_mutex_lock(&b->lock);
	const struct subject *s = consumer_of(b, e);
	bool first = s && s->known && !(s->methods >> method_of(e->request.method) & 1);
	pthread_mutex_unlock(&b->lock);
	return first;
}

bool behaviour_first_route(struct behaviour *b, const struct event *e)
{
	const struct event_request *q = &e->request;

	pthread_mutex_lock(&b->lock);
	struct subject *s = q->route_id ? consumer_of(b, e) : NULL;
	bool first = s && s->known && !used_bit(s, place_hash(b, q, method_of(q->method)), false);
	pthread_mutex_unlock(&b->lock);
	return first;
}

uint64_t behaviour_requests(struct behaviour *b, const struct event *e)
{
	const struct addr *client = client_of(e);

	if (client->family == ADDR_NONE)
		return 0;
	const struct prefix who = bucket_group(client);
	pthread_mutex_lock(&b->lock);
	const struct subject *s = find(b, &who, who_hash(b, &who));
	uint64_t requests = s ? s->all.requests : 0;
	pthread_mutex_unlock(&b->lock);
	return requests;
}

bool behaviour_was_served(struct behaviour *b, const struct event *e)
{
	pthread_mutex_lock(&b->lock);
	const struct subject *s = consumer_of(b, e);
	bool served = s && s->served;
	pthread_mutex_unlock(&b->lock);
	return served;
}

bool behaviour_is_alone(struct behaviour *b, const struct event *e)
{
	const struct addr *client = client_of(e);
	struct prefix consumer, who = bucket_group(client);

	if (client->family == ADDR_NONE || target_parse_consumer(e->request.consumer, &consumer))
		return false;
	pthread_mutex_lock(&b->lock);
	const struct subject *s = find(b, &who, who_hash(b, &who));
	bool alone = s && prefix_equal(&s->other, &consumer) && sketch_estimate(s->sketches[OTHERS]) == 1 &&
		     s->all.bare <= BARE_LOGINS + s->all.requests / 10;
	pthread_mutex_unlock(&b->lock);
	return alone;
}

/* --- what outlives a restart --- */

void behaviour_set_key(struct behaviour *b, const uint64_t key[static 2])
{
	pthread_mutex_lock(&b->lock);
	memcpy(b->key, key, sizeof b->key);
	pthread_mutex_unlock(&b->lock);
}

static void record_fill(const struct subject *s, struct behaviour_record *ret)
{
	*ret = (struct behaviour_record){
		.who = s->who,
		.first_ns = ages_to_boot(s->first_ns),
		.last_ns = ages_to_boot(s->last_ns),
		.all = s->all,
		.served = s->served,
		.methods = s->methods,
	};
	memcpy(ret->used, s->used, sizeof ret->used);
	memcpy(ret->sketches, s->sketches, sizeof ret->sketches);
}

size_t behaviour_changes(struct behaviour *b, struct behaviour_record *ret, uint32_t *ret_slots,
			 bool *ret_gone, size_t max)
{
	void *owner;
	size_t n = 0;

	pthread_mutex_lock(&b->lock);
	for (; n < max && slots_next(&b->kept, &ret_slots[n], &owner); n++) {
		ret_gone[n] = !owner;
		if (owner)
			record_fill(owner, &ret[n]);
	}
	pthread_mutex_unlock(&b->lock);
	return n;
}

void behaviour_change_all(struct behaviour *b)
{
	pthread_mutex_lock(&b->lock);
	slots_touch_all(&b->kept);
	pthread_mutex_unlock(&b->lock);
}

/* A count of a file: no sum of two may run over. */
static bool is_sound(const struct behaviour_record *r)
{
	struct prefix who;
	uint64_t known = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(r->all.statuses); i++) {
		if (r->all.statuses[i] > r->all.requests)
			return false;
		known += r->all.statuses[i];
	}
	return r->all.requests <= UINT64_MAX / 16 && r->all.bare <= r->all.requests &&
	       known <= r->all.requests && r->first_ns <= r->last_ns && subject_of(&r->who, &who) &&
	       prefix_equal(&who, &r->who);
}

bool behaviour_restore(struct behaviour *b, const struct behaviour_record *r)
{
	uint64_t first_ns = ages_of(r->first_ns), last_ns = ages_of(r->last_ns);
	enum kind kind = r->who.addr.family == TARGET_CONSUMER ? CONSUMER : CLIENT;
	bool taken = false;

	if (!is_sound(r))
		return false;
	pthread_mutex_lock(&b->lock);
	struct subject *s = b->count[kind] < b->max[kind] && !find(b, &r->who, who_hash(b, &r->who))
				    ? get(b, kind, &r->who, last_ns)
				    : NULL;
	if (s) {
		taken = true;
		s->first_ns = first_ns;
		s->last_ns = s->told_ns = last_ns;
		s->all = r->all;
		s->served = r->served;
		s->methods = r->methods;
		memcpy(s->used, r->used, sizeof s->used);
		memcpy(s->sketches, r->sketches, sizeof s->sketches);
		keep(b, s);
		if (s->served >= BEHAVIOUR_KNOWN)
			become_known(b, s);
	}
	pthread_mutex_unlock(&b->lock);
	return taken;
}
