// SPDX-License-Identifier: Apache-2.0
/*
 * tail.c: a ring of event references under one lock. Positions count events since the start and never wrap; a
 * cursor is such a position, so a reader needs no registration and one that goes away leaves nothing behind.
 * The lock is held by a reader for at most READ_AT_ONCE references, by a writer for its own and at most
 * DROP_AT_ONCE that make room; what goes is freed outside of it.
 */
#include "sensor/tail.h"
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include "lib/util.h"

#define READ_AT_ONCE 64
#define DROP_AT_ONCE 32

struct tail {
	pthread_mutex_t lock;
	pthread_cond_t more;
	unsigned waiting; /* readers asleep: nobody is woken for nothing */
	unsigned capacity;
	size_t bytes, max_bytes;
	uint64_t first; /* the oldest position still held */
	uint64_t next;  /* position of the event to come */
	struct event *events[];
};

int tail_new(unsigned capacity, size_t max_bytes, struct tail **ret)
{
	pthread_condattr_t attr;

	if (!capacity)
		return -EINVAL;
	struct tail *t = calloc(1, sizeof *t + capacity * sizeof t->events[0]);
	if (!t)
		return -ENOMEM;
	t->capacity = capacity;
	t->max_bytes = max_bytes;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->more, &attr);
	pthread_condattr_destroy(&attr);
	*ret = t;
	return 0;
}

void tail_free(struct tail *t)
{
	if (!t)
		return;
	for (uint64_t i = t->first; i < t->next; i++)
		event_unref(t->events[i % t->capacity]);
	pthread_cond_destroy(&t->more);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* Lock held, as below. The reference goes to the caller. */
static struct event *take_oldest(struct tail *t)
{
	struct event *e = t->events[t->first++ % t->capacity];

	t->bytes -= e->size;
	return e;
}

static void append(struct tail *t, struct event *e)
{
	t->events[t->next++ % t->capacity] = e;
	t->bytes += e->size;
	if (t->waiting)
		pthread_cond_broadcast(&t->more);
	t->waiting = 0;
}

/* e may be NULL: only drop. Returns how many went to ret_old. */
static unsigned put_some(struct tail *t, struct event *e, struct event *ret_old[static DROP_AT_ONCE])
{
	unsigned n = 0;

	if (e && t->next - t->first == t->capacity)
		ret_old[n++] = take_oldest(t);
	if (e)
		append(t, e);
	while (n < DROP_AT_ONCE && t->bytes > t->max_bytes)
		ret_old[n++] = take_oldest(t);
	return n;
}

void tail_put(struct tail *t, struct event *e)
{
	struct event *old[DROP_AT_ONCE];
	unsigned n;

	event_ref(e);
	do {
		pthread_mutex_lock(&t->lock);
		n = put_some(t, e, old);
		pthread_mutex_unlock(&t->lock);
		e = NULL;
		for (unsigned i = 0; i < n; i++)
			event_unref(old[i]);
	} while (n == DROP_AT_ONCE); /* one large event may push out a crowd of small ones */
}

struct tail_cursor tail_open(struct tail *t, unsigned back)
{
	pthread_mutex_lock(&t->lock);
	uint64_t at = t->next - MIN((uint64_t)back, t->next - t->first);
	pthread_mutex_unlock(&t->lock);
	return (struct tail_cursor){.next = at};
}

static struct timespec deadline_in(int timeout_ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += timeout_ms / 1000;
	ts.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

/* Lock held. False: still nothing when the time was over. */
static bool wait_for_event(struct tail *t, uint64_t position, int timeout_ms)
{
	if (t->next > position)
		return true;
	if (timeout_ms <= 0)
		return false;
	struct timespec deadline = deadline_in(timeout_ms);
	while (t->next <= position) {
		t->waiting++;
		if (pthread_cond_timedwait(&t->more, &t->lock, &deadline) != 0)
			return t->next > position;
	}
	return true;
}

unsigned tail_read(struct tail *t, struct tail_cursor *c, struct event **ret, unsigned max, int timeout_ms,
		   uint64_t *ret_missed)
{
	unsigned n = 0;
	uint64_t missed = 0;

	pthread_mutex_lock(&t->lock);
	if (wait_for_event(t, c->next, timeout_ms)) {
		if (c->next < t->first) {
			missed = t->first - c->next;
			c->next = t->first;
		}
		while (n < max && n < READ_AT_ONCE && c->next < t->next)
			ret[n++] = event_ref(t->events[c->next++ % t->capacity]);
	}
	pthread_mutex_unlock(&t->lock);
	if (ret_missed)
		*ret_missed = missed;
	return n;
}
