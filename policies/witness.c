// SPDX-License-Identifier: Apache-2.0
#include "policies/witness.h"
#include <errno.h>
#include <pthread.h>
#include "lib/util.h"
#include "policies/table.h"

struct seen {
	struct table_node node;
	uint64_t event_id; /* 0: free */
	uint64_t when_ns;
	struct prefix target;
	bool framed;
};

struct witness {
	pthread_mutex_t lock;
	struct table table;
	uint64_t remember_ns;
	struct witness_counts counts;
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
	int r = table_init(&w->table, max);
	if (r) {
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
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static bool is_fresh(const struct witness *w, const struct seen *s, uint64_t now_ns)
{
	return now_ns < s->when_ns || now_ns - s->when_ns < w->remember_ns;
}

/* Also of one event there may be several, each for a target of its own. NULL behind the last. */
static struct seen *seen_after(const struct witness *w, const struct seen *last, uint64_t event_id)
{
	uint64_t hash = table_hash(&w->table, &event_id, sizeof event_id);
	struct table_node *n = last ? table_next(&last->node) : table_first(&w->table, hash);

	for (; n; n = table_next(n)) {
		struct seen *s = table_owner(n, struct seen, node);
		if (s->event_id == event_id)
			return s;
	}
	return NULL;
}

void witness_note(struct witness *w, uint64_t event_id, const struct prefix *target, bool framed,
		  uint64_t now_ns)
{
	pthread_mutex_lock(&w->lock);
	w->counts.noted++;
	struct seen *s = seen_after(w, NULL, event_id);
	while (s && !prefix_equal(&s->target, target))
		s = seen_after(w, s, event_id);
	if (s) {
		s->framed &= framed;
		s->when_ns = MAX(s->when_ns, now_ns);
		pthread_mutex_unlock(&w->lock);
		return;
	}
	s = &w->ring[w->next];
	w->next = (w->next + 1) % w->max;
	if (s->event_id) {
		w->counts.forgotten += is_fresh(w, s, now_ns);
		table_remove(&w->table, &s->node);
	}
	*s = (struct seen){.event_id = event_id, .when_ns = now_ns, .target = *target, .framed = framed};
	table_add(&w->table, &s->node, table_hash(&w->table, &event_id, sizeof event_id));
	pthread_mutex_unlock(&w->lock);
}

/* The number of an event of this run; 0: it is none. */
static uint64_t event_number(const char *text)
{
	const char *run = event_run_id();
	size_t len = strlen(run);
	uint64_t n = 0;

	if (strncmp(text, run, len) != 0 || text[len] != '-')
		return 0;
	for (const char *c = text + len + 1; *c; c++) {
		unsigned digit = (unsigned)(*c - '0');
		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return 0;
		n = n * 10 + digit;
	}
	return n;
}

static bool covers(const struct prefix *outer, const struct prefix *inner)
{
	return inner->bits >= outer->bits && prefix_contains(outer, &inner->addr);
}

bool witness_ask(struct witness *w, const struct verdict *v, uint64_t now_ns, bool *ret_framed)
{
	bool found = false, framed = true;

	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < v->evidence_count; i++) {
		uint64_t id = event_number(v->evidence[i]);
		for (struct seen *s = id ? seen_after(w, NULL, id) : NULL; s; s = seen_after(w, s, id)) {
			if (!is_fresh(w, s, now_ns) || !covers(&s->target, &v->target))
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
