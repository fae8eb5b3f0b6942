// SPDX-License-Identifier: Apache-2.0
/*
 * tail.c: a ring of event references under one lock. Positions count events since the start and never wrap; a
 * cursor is such a position, so a reader needs no registration and one that goes away leaves nothing behind.
 * The lock is held for one reference, or by a reader for at most READ_AT_ONCE of them.
 */
#include "sensor/tail.h"
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include "lib/util.h"

#define READ_AT_ONCE 64

struct tail {
	pthread_mutex_t lock;
	pthread_cond_t more;
	unsigned waiting; /* readers asleep: nobody is woken for nothing */
	unsigned capacity;
	uint64_t next; /* position of the event to come */
	struct event *events[];
};

int tail_new(unsigned capacity, struct tail **ret)
{
	pthread_condattr_t attr;

	if (!capacity)
		return -EINVAL;
	struct tail *t = calloc(1, sizeof *t + capacity * sizeof t->events[0]);
	if (!t)
		return -ENOMEM;
	t->capacity = capacity;
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
	for (unsigned i = 0; i < t->capacity; i++)
		if (t->events[i])
			event_unref(t->events[i]);
	pthread_cond_destroy(&t->more);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void tail_put(struct tail *t, struct event *e)
{
	event_ref(e);
	pthread_mutex_lock(&t->lock);
	struct event **slot = &t->events[t->next % t->capacity];
	struct event *old = *slot;
	*slot = e;
	t->next++;
	if (t->waiting)
		pthread_cond_broadcast(&t->more);
	t->waiting = 0;
	pthread_mutex_unlock(&t->lock);
	if (old)
		event_unref(old);
}

/* The oldest position still held. */
static uint64_t oldest(const struct tail *t)
{
	return t->next > t->capacity ? t->next - t->capacity : 0;
}

struct tail_cursor tail_open(struct tail *t, unsigned back)
{
	pthread_mutex_lock(&t->lock);
	uint64_t first = oldest(t);
	uint64_t at = t->next - MIN((uint64_t)back, t->next - first);
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
		uint64_t first = oldest(t);
		if (c->next < first) {
			missed = first - c->next;
			c->next = first;
		}
		while (n < max && n < READ_AT_ONCE && c->next < t->next)
			ret[n++] = event_ref(t->events[c->next++ % t->capacity]);
	}
	pthread_mutex_unlock(&t->lock);
	if (ret_missed)
		*ret_missed = missed;
	return n;
}
