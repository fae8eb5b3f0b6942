// SPDX-License-Identifier: Apache-2.0
#include "policies/witness.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "lib/target.h"
#include "lib/util.h"
#include "policies/ages.h"
#include "policies/slots.h"
#include "policies/table.h"

struct seen {
	struct table_node node;
	uint64_t event_id; /* 0: free */
	uint64_t when_ns;  /* as ages.h */
	struct prefix target;
	uint8_t run; /* number of it */
	bool framed;
};

struct witness {
	pthread_mutex_t lock;
	struct table table;
	uint64_t remember_ns;
	struct witness_counts counts;
	struct slots slots;          /* of the ring: taken by number, and never left */
	char runs[WITNESS_RUNS][17]; /* the first is our own */
	unsigned run_count;
	size_t max, next;
	struct seen ring[];
};

int witness_new(size_t max, uint64_t remember_ns, struct witness **ret)
{
	struct witness *w = calloc(1, sizeof *w + max * sizeof w->ring[0]);

	if (!w)
		return -ENOMEM;
	w->max = max;
	w->remember_ns = remember_ns;
	snprintf(w->runs[0], sizeof w->runs[0], "%s", event_run_id());
	w->run_count = 1;
	int r = table_init(&w->table, max);
	if (!r)
		r = slots_init(&w->slots, max);
	if (r) {
		table_deinit(&w->table);
		free(w);
		return r;
	}
	pthread_mutex_init(&w->lock, NULL);
	*ret = w;
	return 0;
}

void witness_free(struct witness *w)
{
	if (!w)
		return;
	table_deinit(&w->table);
	slots_deinit(&w->slots);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static bool is_fresh(const struct witness *w, const struct seen *s, uint64_t now_ns)
{
	return now_ns < s->when_ns || now_ns - s->when_ns < w->remember_ns;
}

static uint64_t hash_of(const struct witness *w, unsigned run, uint64_t event_id)
{
	const uint64_t key[2] = {run, event_id};

	return table_hash(&w->table, key, sizeof key);
}

/* Also of one event there may be several, each for a target of its own. NULL behind the last. */
static struct seen *seen_after(const struct witness *w, const struct seen *last, unsigned run,
			       uint64_t event_id)
{
	struct table_node *n =
		last ? table_next(&last->node) : table_first(&w->table, hash_of(w, run, event_id));

	for (; n; n = table_next(n)) {
		struct seen *s = table_owner(n, struct seen, node);
		if (s->event_id == event_id && s->run == run)
			return s;
	}
	return NULL;
}

static void touch(struct witness *w, const struct seen *s)
{
	slots_touch(&w->slots, (uint32_t)(s - w->ring));
}

/* Lock held. */
static void note(struct witness *w, const struct seen *fresh, uint64_t now_ns)
{
	struct seen *s = seen_after(w, NULL, fresh->run, fresh->event_id);

	while (s && !prefix_equal(&s->target, &fresh->target))
		s = seen_after(w, s, fresh->run, fresh->event_id);
	if (s) {
		s->framed &= fresh->framed;
		s->when_ns = MAX(s->when_ns, fresh->when_ns);
		touch(w, s);
		return;
	}
	s = &w->ring[w->next];
	w->next = (w->next + 1) % w->max;
	if (s->event_id) {
		w->counts.forgotten += is_fresh(w, s, now_ns);
		table_remove(&w->table, &s->node);
	}
	*s = *fresh;
	table_add(&w->table, &s->node, hash_of(w, s->run, s->event_id));
	touch(w, s);
}

void witness_note(struct witness *w, uint64_t event_id, const struct prefix *target, bool framed,
		  uint64_t now_ns)
{
	const struct seen s = {.event_id = event_id,
			       .when_ns = ages_of((int64_t)now_ns),
			       .target = *target,
			       .framed = framed};

	pthread_mutex_lock(&w->lock);
	w->counts.noted++;
	note(w, &s, s.when_ns);
	pthread_mutex_unlock(&w->lock);
}

/* The number of an event of a run that is known, and the run's; 0: it is none. */
static uint64_t event_number(const struct witness *w, const char *text, unsigned *ret_run)
{
	unsigned run = 0;
	uint64_t n = 0;

	while (run < w->run_count &&
	       (strncmp(text, w->runs[run], strlen(w->runs[run])) || text[strlen(w->runs[run])] != '-'))
		run++;
	if (run == w->run_count)
		return 0;
	for (const char *c = text + strlen(w->runs[run]) + 1; *c; c++) {
		unsigned digit = (unsigned)(*c - '0');
		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return 0;
		n = n * 10 + digit;
	}
	*ret_run = run;
	return n;
}

static bool covers(const struct prefix *outer, const struct prefix *inner)
{
	return inner->bits >= outer->bits && prefix_contains(outer, &inner->addr);
}

bool witness_ask(struct witness *w, const struct verdict *v, uint64_t now_ns, bool *ret_framed)
{
	const struct prefix who = target_who(&v->target);
	bool found = false, framed = true;
	unsigned run = 0;

	now_ns = ages_of((int64_t)now_ns);
	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < v->evidence_count; i++) {
		uint64_t id = event_number(w, v->evidence[i], &run);
		for (struct seen *s = id ? seen_after(w, NULL, run, id) : NULL; s;
		     s = seen_after(w, s, run, id)) {
			if (!is_fresh(w, s, now_ns) || !covers(&s->target, &who))
				continue;
			found = true;
			framed &= s->framed;
		}
	}
	pthread_mutex_unlock(&w->lock);
	if (found)
		*ret_framed = framed;
	return found;
}

struct witness_counts witness_counts(struct witness *w)
{
	pthread_mutex_lock(&w->lock);
	struct witness_counts c = w->counts;
	pthread_mutex_unlock(&w->lock);
	return c;
}

/* --- what outlives a restart --- */

size_t witness_changes(struct witness *w, struct witness_record *ret, uint32_t *ret_slots, size_t max)
{
	void *owner;
	size_t n = 0;

	pthread_mutex_lock(&w->lock);
	for (; n < max && slots_next(&w->slots, &ret_slots[n], &owner); n++) {
		const struct seen *s = &w->ring[ret_slots[n]];
		ret[n] = (struct witness_record){
			.event_id = s->event_id,
			.target = s->target,
			.framed = s->framed,
			.when_ns = ages_to_boot(s->when_ns),
		};
		memcpy(ret[n].run, w->runs[s->run], sizeof ret[n].run);
	}
	pthread_mutex_unlock(&w->lock);
	return n;
}

void witness_change_all(struct witness *w)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->max; i++)
		if (w->ring[i].event_id)
			touch(w, &w->ring[i]);
	pthread_mutex_unlock(&w->lock);
}

/* WITNESS_RUNS: there is no room for one more. Lock held. */
static unsigned run_of(struct witness *w, const char *name)
{
	unsigned run = 0;

	while (run < w->run_count && strcmp(w->runs[run], name) != 0)
		run++;
	if (run == w->run_count && run < WITNESS_RUNS) {
		snprintf(w->runs[run], sizeof w->runs[run], "%s", name);
		w->run_count++;
	}
	return run;
}

bool witness_restore(struct witness *w, const struct witness_record *record, uint64_t now_ns)
{
	struct seen s = {.event_id = record->event_id,
			 .when_ns = ages_of(record->when_ns),
			 .target = record->target,
			 .framed = record->framed};
	uint64_t now = ages_of((int64_t)now_ns);

	if (!s.event_id || strlen(record->run) != sizeof record->run - 1 || s.when_ns > now ||
	    !is_fresh(w, &s, now))
		return false;
	pthread_mutex_lock(&w->lock);
	unsigned run = run_of(w, record->run);
	if (run < WITNESS_RUNS) {
		s.run = (uint8_t)run;
		note(w, &s, now);
	}
	pthread_mutex_unlock(&w->lock);
	return run < WITNESS_RUNS;
}
