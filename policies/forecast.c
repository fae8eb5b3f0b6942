// SPDX-License-Identifier: Apache-2.0
#include "policies/forecast.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "policies/table.h"

struct entry {
	struct forecast_entry told;
	struct table_node node;
	bool stands; /* is in the table: the last of its target */
};

struct forecast {
	pthread_mutex_t lock;
	struct table table;     /* by target */
	size_t lengths[2][129]; /* entries in the table per family and prefix length */
	struct entry *entries;  /* FORECAST_ENTRIES_MAX */
	size_t count;
	uint64_t forgotten;
};

int forecast_new(struct forecast **ret)
{
	struct forecast *f = calloc(1, sizeof *f);

	if (!f)
		return -ENOMEM;
	f->entries = calloc(FORECAST_ENTRIES_MAX, sizeof *f->entries);
	if (!f->entries || table_init(&f->table, FORECAST_ENTRIES_MAX)) {
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
	table_deinit(&f->table);
	free(f->entries);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* --- entries --- */

struct target_key {
	uint8_t family, bits;
	uint8_t bytes[16];
};

static uint64_t hash_of(const struct forecast *f, const struct prefix *p)
{
	struct target_key key = {.family = p->addr.family, .bits = p->bits};

	memcpy(key.bytes, p->addr.bytes, sizeof key.bytes);
	return table_hash(&f->table, &key, sizeof key);
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
		return;
	}
	if (e)
		take_out(f, e);
	e = place(f, now_ns);
	*e = (struct entry){.told = {.verdict = *v, .began_ns = now_ns, .until_ns = until_ns},
			    .stands = true};
	table_add(&f->table, &e->node, hash_of(f, &v->target));
	++*length_of(f, &v->target);
}

static void end(struct forecast *f, const struct prefix *target, uint64_t now_ns)
{
	struct entry *e = find(f, target);

	if (e)
		e->told.until_ns = MIN(e->told.until_ns, now_ns);
}

/* --- decisions --- */

static void note_decision(struct forecast *f, const struct event *e)
{
	const struct event_decision *d = &e->decision;
	const struct verdict *v = &d->verdict;
	bool automatic = v->source != VERDICT_OPERATOR;

	if (v->target.addr.family == ADDR_NONE)
		return;
	switch (d->outcome) {
	case DECISION_WOULD_BLOCK:
		/* With another reason it would have been a question. */
		if (verdict_denies(v->action) && span_equal(d->why, SPAN("observe")))
			begin(f, v, e->time_ns);
		return;
	case DECISION_BLOCKED:
		if (v->action == VERDICT_SHADOW)
			begin(f, v, e->time_ns);
		else /* what is dropped from here on is no forecast */
			end(f, &v->target, e->time_ns);
		return;
	case DECISION_UNBLOCKED:
	case DECISION_EXPIRED:
		end(f, &v->target, e->time_ns);
		return;
	case DECISION_REFUSED:
		/* A gateway takes back what in mode observe was never done. */
		if (automatic && v->action == VERDICT_UNBLOCK && span_equal(d->why, SPAN("observe")))
			end(f, &v->target, e->time_ns);
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
	struct entry *s = standing(f, &e->flow.peer.addr, e->time_ns);

	if (!s)
		s = standing(f, &r->client.addr, e->time_ns);
	if (!s)
		return;
	struct forecast_entry *t = &s->told;
	bool answered = r->answered & EVENT_ANSWER_SEEN;
	t->requests++;
	t->served += answered && r->status / 100 == 2;
	t->unanswered += !answered;
	t->first_ns = t->first_ns ? MIN(t->first_ns, e->time_ns) : e->time_ns;
	t->last_ns = MAX(t->last_ns, e->time_ns);
	count_route(t, r->route);
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

int forecast_list(struct forecast *f, uint64_t since_ns, struct forecast_entry **ret, size_t *ret_count)
{
	size_t n = 0;

	pthread_mutex_lock(&f->lock);
	struct forecast_entry *list = calloc(f->count + 1, sizeof *list);
	for (size_t i = 0; list && i < f->count; i++)
		if (f->entries[i].told.began_ns >= since_ns)
			list[n++] = f->entries[i].told;
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
