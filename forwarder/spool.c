// SPDX-License-Identifier: Apache-2.0
#include "forwarder/spool.h"
#include <errno.h>
#include "lib/clock.h"
#include "lib/util.h"

void spool_init(struct spool *s, const int fds[static SPOOL_SEGMENTS], uint64_t bytes_max,
		enum config_spool_full full)
{
	*s = (struct spool){.full = full, .segment_max = bytes_max / SPOOL_SEGMENTS};
	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++)
		spool_segment_init(&s->segments[i], fds[i]);
}

void spool_free(struct spool *s)
{
	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++)
		spool_segment_free(&s->segments[i]);
}

/* --- the files --- */

/* The one with the lowest generation above `after`; NULL: there is none. */
static struct spool_segment *older_first(struct spool *s, uint64_t after)
{
	struct spool_segment *oldest = NULL;

	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++) {
		struct spool_segment *g = &s->segments[i];

		if (g->generation > after && (!oldest || g->generation < oldest->generation))
			oldest = g;
	}
	return oldest;
}

static struct spool_segment *segment_of(struct spool *s, struct spool_place place)
{
	for (unsigned i = 0; i < SPOOL_SEGMENTS && place.generation; i++)
		if (s->segments[i].generation == place.generation && place.number < s->segments[i].count)
			return &s->segments[i];
	return NULL;
}

static struct spool_segment *unused(struct spool *s)
{
	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++)
		if (!s->segments[i].generation && s->segments[i].fd >= 0)
			return &s->segments[i];
	return NULL;
}

static void count_bytes(struct spool *s)
{
	s->counts.bytes = 0;
	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++)
		s->counts.bytes += s->segments[i].end;
}

static int empty(struct spool *s, struct spool_segment *g)
{
	int r = spool_segment_empty(g);

	if (!r && s->current == g)
		s->current = NULL;
	count_bytes(s);
	return r;
}

/* What is done with by now, all of it, gives its space back: at once if it is small, else by spool_give_back;
 * but not the current file for each small batch. */
static int trim(struct spool *s, struct spool_segment *g)
{
	if (g->held ||
	    (g == s->current && g->end < SPOOL_RECORDS_AT + MIN(s->segment_max / 2, SPOOL_TRIM_AT)))
		return 0;
	if (g->end <= SPOOL_RECORDS_AT + 2 * SPOOL_STEP)
		return empty(s, g);
	if (s->current == g)
		s->current = NULL;
	return 0;
}

/* NULL: none has space to give back. */
static struct spool_segment *done_with(struct spool *s)
{
	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++) {
		struct spool_segment *g = &s->segments[i];

		if (g->generation && !g->held && g != s->current)
			return g;
	}
	return NULL;
}

int spool_give_back(struct spool *s)
{
	struct spool_segment *g = done_with(s);

	if (!g)
		return 0;
	int r = spool_segment_shrink(g, SPOOL_STEP);
	count_bytes(s);
	return r ? r : 1;
}

/* --- what waits --- */

static void count_waiting(struct spool *s, const struct spool_record *r, bool more)
{
	s->counts.waiting += more ? r->events : -(uint64_t)r->events;
	s->counts.waiting_batches += more ? 1 : (uint64_t)-1;
}

/* The oldest that waits, by generation and number. */
static struct spool_record *oldest_waiting(struct spool *s, struct spool_segment **ret)
{
	struct spool_segment *g = NULL;

	if (!s->counts.waiting_batches)
		return NULL;
	while ((g = older_first(s, g ? g->generation : 0))) {
		for (uint32_t i = g->first_held; i < g->count; i++) {
			if (g->records[i].state == SPOOL_WAITING) {
				*ret = g;
				return &g->records[i];
			}
		}
	}
	return NULL;
}

static void count_oldest(struct spool *s)
{
	struct spool_segment *g;
	const struct spool_record *r = oldest_waiting(s, &g);

	s->counts.oldest_wall_s = r ? r->wall_s : 0;
}

void spool_wait(struct spool *s, struct spool_place place, uint32_t events)
{
	struct spool_segment *g = segment_of(s, place);

	if (!g)
		s->counts.dropped += events;
	if (!g || g->records[place.number].state != SPOOL_LIVE)
		return;
	g->records[place.number].state = SPOOL_WAITING;
	count_waiting(s, &g->records[place.number], true);
	count_oldest(s);
}

int spool_ack(struct spool *s, struct spool_place place)
{
	struct spool_segment *g = segment_of(s, place);

	if (!g)
		return 0;
	if (g->records[place.number].state == SPOOL_WAITING) {
		count_waiting(s, &g->records[place.number], false);
		count_oldest(s);
	}
	int r = spool_segment_ack(g, place.number);
	int t = trim(s, g);
	return r ? r : t;
}

int spool_next(struct spool *s, struct spool_place *ret_place, struct batch **ret)
{
	struct spool_segment *g;
	struct spool_record *record;

	while ((record = oldest_waiting(s, &g))) {
		*ret_place = (struct spool_place){g->generation, (uint32_t)(record - g->records)};
		int r = spool_segment_read(g, ret_place->number, ret);
		if (r && r != SPOOL_E_DAMAGED)
			return r;
		count_waiting(s, record, false);
		record->state = SPOOL_LIVE;
		count_oldest(s);
		if (!r)
			return 0;
		s->counts.unread += record->events;
		spool_ack(s, *ret_place);
	}
	return SPOOL_E_NONE;
}

/* --- writing --- */

/* LIVE ones are still in their owners' memory: they are not lost, only not safe any more. */
static int drop_oldest(struct spool *s)
{
	struct spool_segment *g = older_first(s, 0);
	uint64_t events = 0, batches = 0;

	for (uint32_t i = 0; i < g->count; i++) {
		if (g->records[i].state == SPOOL_WAITING) {
			events += g->records[i].events;
			batches++;
		}
	}
	int r = empty(s, g);
	if (r)
		return r;
	s->counts.waiting -= events;
	s->counts.waiting_batches -= batches;
	s->counts.dropped += events;
	count_oldest(s);
	return 0;
}

/* A file for the next batch: the current one is full, or there is none. */
static int begin(struct spool *s)
{
	struct spool_segment *g = unused(s);
	int r = 0;

	if (!g && done_with(s)) { /* there was no time yet to do so step by step */
		g = done_with(s);
		r = empty(s, g);
		if (r)
			return r;
	}
	if (!g && s->full == SPOOL_FULL_DROP_NEWEST) {
		s->counts.refused++;
		return SPOOL_E_REFUSED;
	}
	if (!g) {
		r = older_first(s, 0) ? drop_oldest(s) : -EBADF; /* no file could be opened */
		g = unused(s);
	}
	if (r)
		return r;
	r = spool_segment_begin(g, s->generation + 1);
	if (r) {
		spool_segment_empty(g);
		return r;
	}
	s->generation++;
	s->current = g;
	return 0;
}

static int leave_current(struct spool *s)
{
	struct spool_segment *g = s->current;

	if (!g)
		return 0;
	if (s->dirty)
		s->unsynced = spool_segment_sync(g);
	s->dirty = false;
	s->current = NULL;
	return s->unsynced ? s->unsynced : trim(s, g);
}

int spool_append(struct spool *s, const struct batch *b, uint64_t wall_ns, struct spool_place *ret)
{
	int r = SPOOL_E_FULL;

	if (s->current)
		r = spool_segment_append(s->current, b, wall_ns, s->segment_max, &ret->number);
	if (r == SPOOL_E_FULL) {
		r = leave_current(s);
		if (!r)
			r = begin(s);
		if (!r)
			r = spool_segment_append(s->current, b, wall_ns, s->segment_max, &ret->number);
	}
	if (r)
		return r == SPOOL_E_FULL ? -EFBIG : r;
	s->dirty = true;
	ret->generation = s->current->generation;
	count_bytes(s);
	return 0;
}

int spool_sync(struct spool *s)
{
	int r = s->dirty && s->current ? spool_segment_sync(s->current) : 0;

	/* What the kernel could not write it has forgotten by now: nothing behind it would be safe either. */
	if (r)
		s->current = NULL;
	r = r ? r : s->unsynced;
	s->dirty = false;
	s->unsynced = 0;
	return r;
}

/* One that could not be read at an earlier start: its number was given again then. Or it is a copy. */
static bool another_has_its_generation(const struct spool *s, const struct spool_segment *g)
{
	for (const struct spool_segment *other = s->segments; other < g; other++)
		if (other->generation == g->generation)
			return true;
	return false;
}

int spool_recover(struct spool *s)
{
	int first = 0;

	for (unsigned i = 0; i < SPOOL_SEGMENTS; i++) {
		struct spool_segment *g = &s->segments[i];

		if (g->fd < 0)
			continue;
		int r = spool_segment_recover(g, &s->counts.damage);
		if (r == SPOOL_E_EMPTY)
			r = spool_segment_empty(g);
		/* What is taken out has its place by this; when the other is empty, a start finds it. */
		if (!r && g->generation && another_has_its_generation(s, g))
			r = -EEXIST;
		if (r) {
			/* Not to be written over. */
			first = first ? first : r;
			spool_segment_free(g);
			continue;
		}
		s->generation = MAX(s->generation, g->generation);
		for (uint32_t n = 0; n < g->count; n++) {
			if (g->records[n].state != SPOOL_WAITING)
				continue;
			count_waiting(s, &g->records[n], true);
			s->counts.recovered += g->records[n].events;
		}
		if (g->generation && !g->held)
			spool_segment_empty(g);
	}
	count_bytes(s);
	count_oldest(s);
	return first;
}
