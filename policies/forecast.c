// SPDX-License-Identifier: Apache-2.0
#include "policies/forecast.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "policies/ages.h"
#include "policies/slots.h"
#include "policies/table.h"

#define TOLD_NS (60 * NS_PER_S)

struct entry {
	struct forecast_entry told; /* times as ages.h; 0: none */
	uint64_t told_ns;           /* of the request by which it last counted as changed */
	struct table_node node;
	bool stands; /* is in the table: the last of its target */
};

/* A route of before the restart: no event owns it. */
struct text {
	struct table_node node;
	size_t len;
	char bytes[];
};

struct forecast {
	pthread_mutex_t lock;
	struct table table;     /* by target */
	size_t lengths[2][129]; /* entries in the table per family and prefix length */
	struct entry *entries;  /* FORECAST_ENTRIES_MAX */
	size_t count;
	struct slots slots; /* of the entries: taken by number, and never left */
	struct table texts;
	int64_t since_ns;
	uint64_t forgotten;
};

int forecast_new(struct forecast **ret)
{
	struct forecast *f = calloc(1, sizeof *f);

	if (!f)
		return -ENOMEM;
	f->entries = calloc(FORECAST_ENTRIES_MAX, sizeof *f->entries);
	if (!f->entries || table_init(&f->table, FORECAST_ENTRIES_MAX) ||
	    table_init(&f->texts, FORECAST_TEXTS_MAX) || slots_init(&f->slots, FORECAST_ENTRIES_MAX)) {
		table_deinit(&f->table);
		table_deinit(&f->texts);
		free(f->entries);
		free(f);
		return -ENOMEM;
	}
	pthread_mutex_init(&f->lock, NULL);
	*ret = f;
	return 0;
}

void forecast_free(struct forecast *f)
{
	if (!f)
		return;
	for (size_t i = 0; i <= f->texts.mask; i++)
		while (f->texts.slots[i]) {
			struct text *t = table_owner(f->texts.slots[i], struct text, node);
			table_remove(&f->texts, &t->node);
			free(t);
		}
	table_deinit(&f->table);
	table_deinit(&f->texts);
	slots_deinit(&f->slots);
	free(f->entries);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* --- entries --- */

static uint64_t hash_of(const struct forecast *f, const struct prefix *p)
{
	return table_hash(&f->table, p, sizeof *p);
}

static struct entry *find(const struct forecast *f, const struct prefix *target)
{
	for (struct table_node *n = table_first(&f->table, hash_of(f, target)); n; n = table_next(n)) {
		struct entry *e = table_owner(n, struct entry, node);

		if (prefix_equal(&e->told.verdict.target, target))
			return e;
	}
	return NULL;
}

static size_t *length_of(struct forecast *f, const struct prefix *p)
{
	return &f->lengths[p->addr.family == ADDR_IPV6][p->bits];
}

static void take_out(struct forecast *f, struct entry *e)
{
	if (!e->stands)
		return;
	table_remove(&f->table, &e->node);
	--*length_of(f, &e->told.verdict.target);
	e->stands = false;
}

static void touch(struct forecast *f, const struct entry *e)
{
	slots_touch(&f->slots, (uint32_t)(e - f->entries));
}

static bool is_over(const struct entry *e, uint64_t now_ns)
{
	return !e->stands || e->told.until_ns <= now_ns;
}

/* A free place, or that of the one that is missed least. */
static struct entry *place(struct forecast *f, uint64_t now_ns)
{
	struct entry *worst = NULL;

	if (f->count < FORECAST_ENTRIES_MAX)
		return &f->entries[f->count++];
	for (size_t i = 0; i < f->count; i++) {
		struct entry *e = &f->entries[i];
		bool over = is_over(e, now_ns);

		if (!worst || over > is_over(worst, now_ns) ||
		    (over == is_over(worst, now_ns) && e->told.began_ns < worst->told.began_ns))
			worst = e;
	}
	f->forgotten++;
	take_out(f, worst);
	return worst;
}

static void begin(struct forecast *f, const struct verdict *v, uint64_t now_ns)
{
	struct entry *e = find(f, &v->target);
	uint64_t until_ns = now_ns + v->ttl_ms * NS_PER_MS;

	/* Of one target the longest time wins, as it does in the list of blocks. */
	if (e && !is_over(e, now_ns)) {
		if (until_ns <= e->told.until_ns)
			return;
		e->told.verdict = *v;
		e->told.until_ns = until_ns;
		touch(f, e);
		return;
	}
	if (e)
		take_out(f, e);
	e = place(f, now_ns);
	touch(f, e);
	*e = (struct entry){.told = {.verdict = *v, .began_ns = now_ns, .until_ns = until_ns},
			    .stands = true};
	table_add(&f->table, &e->node, hash_of(f, &v->target));
	++*length_of(f, &v->target);
}

static void end(struct forecast *f, const struct prefix *target, uint64_t now_ns)
{
	struct entry *e = find(f, target);

	if (!e)
		return;
	e->told.until_ns = MIN(e->told.until_ns, now_ns);
	touch(f, e);
}

/* --- decisions --- */

static void note_decision(struct forecast *f, const struct event *e)
{
	const struct event_decision *d = &e->decision;
	const struct verdict *v = &d->verdict;
	uint64_t when_ns = ages_of((int64_t)e->time_ns);
	bool automatic = v->source != VERDICT_OPERATOR;

	if (v->target.addr.family == ADDR_NONE)
		return;
	switch (d->outcome) {
	case DECISION_WOULD_BLOCK:
		/* With another reason it would have been a question. */
		if (verdict_denies(v->action) && span_equal(d->why, SPAN("observe")))
			begin(f, v, when_ns);
		return;
	case DECISION_BLOCKED:
		if (v->action == VERDICT_SHADOW)
			begin(f, v, when_ns);
		else /* what is dropped from here on is no forecast */
			end(f, &v->target, when_ns);
		return;
	case DECISION_UNBLOCKED:
	case DECISION_EXPIRED:
		end(f, &v->target, when_ns);
		return;
	case DECISION_REFUSED:
		/* A gateway takes back what in mode observe was never done. */
		if (automatic && v->action == VERDICT_UNBLOCK && span_equal(d->why, SPAN("observe")))
			end(f, &v->target, when_ns);
		return;
	case DECISION_PENDING:
		return;
	}
}

/* --- requests --- */

static struct entry *standing(struct forecast *f, const struct addr *a, uint64_t when_ns)
{
	if (a->family == ADDR_NONE)
		return NULL;
	for (int bits = addr_bits(a); bits >= 0; bits--) {
		if (!f->lengths[a->family == ADDR_IPV6][bits])
			continue;
		struct prefix p = prefix_of(a, (uint8_t)bits);
		struct entry *e = find(f, &p);

		if (e && e->told.began_ns <= when_ns && when_ns < e->told.until_ns)
			return e;
	}
	return NULL;
}

static void count_route(struct forecast_entry *t, struct span route)
{
	for (unsigned i = 0; route.len && i < t->route_count; i++)
		if (span_equal(t->routes[i].route, route)) {
			t->routes[i].requests++;
			return;
		}
	if (route.len && t->route_count < FORECAST_ROUTES_MAX)
		t->routes[t->route_count++] = (struct forecast_route){route, 1};
	else
		t->elsewhere++;
}

/* By the peer, or by the client behind it: the packets of that one come here, or it would be denied at HTTP;
 * where neither is so, the guard refuses. */
static void note_request(struct forecast *f, const struct event *e)
{
	const struct event_request *r = &e->request;
	uint64_t when_ns = ages_of((int64_t)e->time_ns);
	struct entry *s = standing(f, &e->flow.peer.addr, when_ns);

	if (!s)
		s = standing(f, &r->client.addr, when_ns);
	if (!s)
		return;
	struct forecast_entry *t = &s->told;
	bool answered = r->answered & EVENT_ANSWER_SEEN;
	t->requests++;
	t->served += answered && r->status / 100 == 2;
	t->unanswered += !answered;
	t->first_ns = t->first_ns ? MIN(t->first_ns, when_ns) : when_ns;
	t->last_ns = MAX(t->last_ns, when_ns);
	count_route(t, r->route);
	/* Under an attack it is counted often. */
	if (t->last_ns - s->told_ns >= TOLD_NS) {
		s->told_ns = t->last_ns;
		touch(f, s);
	}
}

void forecast_note(struct forecast *f, const struct event *e)
{
	if (e->kind != EVENT_HTTP_REQUEST && e->kind != EVENT_DECISION)
		return;
	pthread_mutex_lock(&f->lock);
	if (e->kind == EVENT_DECISION)
		note_decision(f, e);
	else if (f->table.count)
		note_request(f, e);
	pthread_mutex_unlock(&f->lock);
}

/* --- questions --- */

static uint64_t outside(uint64_t at)
{
	return at ? (uint64_t)ages_to_boot(at) : 0;
}

static struct forecast_entry told(const struct entry *e)
{
	struct forecast_entry t = e->told;

	t.began_ns = outside(t.began_ns);
	t.until_ns = outside(t.until_ns);
	t.first_ns = outside(t.first_ns);
	t.last_ns = outside(t.last_ns);
	return t;
}

int forecast_list(struct forecast *f, int64_t since_ns, struct forecast_entry **ret, size_t *ret_count)
{
	uint64_t since = ages_of(since_ns);
	size_t n = 0;

	pthread_mutex_lock(&f->lock);
	struct forecast_entry *list = calloc(f->count + 1, sizeof *list);
	for (size_t i = 0; list && i < f->count; i++)
		if (f->entries[i].told.began_ns >= since)
			list[n++] = told(&f->entries[i]);
	pthread_mutex_unlock(&f->lock);
	if (!list)
		return -ENOMEM;
	*ret = list;
	*ret_count = n;
	return 0;
}

uint64_t forecast_forgotten(struct forecast *f)
{
	pthread_mutex_lock(&f->lock);
	uint64_t n = f->forgotten;
	pthread_mutex_unlock(&f->lock);
	return n;
}

int64_t forecast_since(struct forecast *f)
{
	pthread_mutex_lock(&f->lock);
	int64_t since_ns = f->since_ns;
	pthread_mutex_unlock(&f->lock);
	return since_ns;
}

void forecast_set_since(struct forecast *f, int64_t since_ns)
{
	pthread_mutex_lock(&f->lock);
	f->since_ns = since_ns;
	pthread_mutex_unlock(&f->lock);
}

/* --- what outlives a restart --- */

size_t forecast_changes(struct forecast *f, struct forecast_entry *ret, uint32_t *ret_slots, size_t max)
{
	void *owner;
	size_t n = 0;

	pthread_mutex_lock(&f->lock);
	for (; n < max && slots_next(&f->slots, &ret_slots[n], &owner); n++)
		ret[n] = told(&f->entries[ret_slots[n]]);
	pthread_mutex_unlock(&f->lock);
	return n;
}

void forecast_change_all(struct forecast *f)
{
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->count; i++)
		touch(f, &f->entries[i]);
	pthread_mutex_unlock(&f->lock);
}

/* The text, kept as long as the forecast; empty: there is no room. */
static struct span text_keep(struct forecast *f, struct span route)
{
	uint64_t hash = table_hash(&f->texts, route.ptr, route.len);
	struct text *t;

	for (struct table_node *n = table_first(&f->texts, hash); n; n = table_next(n)) {
		t = table_owner(n, struct text, node);
		if (span_equal(route, (struct span){t->bytes, t->len}))
			return (struct span){t->bytes, t->len};
	}
	t = route.len && f->texts.count < FORECAST_TEXTS_MAX ? malloc(sizeof *t + route.len) : NULL;
	if (!t)
		return SPAN_NULL;
	t->len = route.len;
	memcpy(t->bytes, route.ptr, route.len);
	table_add(&f->texts, &t->node, hash);
	return (struct span){t->bytes, t->len};
}

static void routes_keep(struct forecast *f, struct forecast_entry *t)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < t->route_count; i++) {
		struct span route = text_keep(f, t->routes[i].route);
		if (route.len)
			t->routes[kept++] = (struct forecast_route){route, t->routes[i].requests};
		else
			t->elsewhere += t->routes[i].requests;
	}
	t->route_count = kept;
}

bool forecast_restore(struct forecast *f, const struct forecast_entry *e)
{
	const struct prefix *target = &e->verdict.target;
	struct entry restored = {.told = *e, .stands = true};
	struct forecast_entry *t = &restored.told;

	if ((target->addr.family != ADDR_IPV4 && target->addr.family != ADDR_IPV6) ||
	    target->bits > addr_bits(&target->addr) || t->route_count > FORECAST_ROUTES_MAX)
		return false;
	t->verdict.route = SPAN_NULL; /* its text was another process's */
	t->began_ns = ages_of((int64_t)t->began_ns);
	t->until_ns = ages_of((int64_t)t->until_ns);
	t->first_ns = t->first_ns ? ages_of((int64_t)t->first_ns) : 0;
	t->last_ns = t->last_ns ? ages_of((int64_t)t->last_ns) : 0;
	pthread_mutex_lock(&f->lock);
	bool room = f->count < FORECAST_ENTRIES_MAX;
	if (room) {
		struct entry *earlier = find(f, target);
		if (earlier)
			take_out(f, earlier);
		struct entry *place = &f->entries[f->count++];
		routes_keep(f, t);
		*place = restored;
		table_add(&f->table, &place->node, hash_of(f, target));
		++*length_of(f, target);
		touch(f, place);
	}
	pthread_mutex_unlock(&f->lock);
	return room;
}
