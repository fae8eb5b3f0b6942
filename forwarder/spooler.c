// SPDX-License-Identifier: Apache-2.0
#include "forwarder/spooler.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lib/util.h"

#define MARK_EVERY_NS (100 * NS_PER_MS)
#define IDLE_NS       (500 * NS_PER_MS) /* until then nobody may have said what was seen */

enum order_kind { ORDER_PUT, ORDER_WAIT, ORDER_ACK };

struct order {
	struct order *next;
	enum order_kind kind;
	struct batch *batch; /* PUT */
	struct spool_place place;
	uint32_t events; /* WAIT */
};

struct orders {
	struct order *first, **last;
};

struct spooler {
	struct spooler_options options;
	pthread_t thread;
	struct spool spool; /* the thread's alone, like the next three */
	struct spool_mark mark;
	uint64_t mark_told_ns;
	bool gives_back; /* files have space to give back */

	_Atomic uint64_t seen_wall_ns;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work;
	struct orders todo;
	struct orders done;  /* PUTs that are safe, or failed */
	struct batch *ahead; /* read back, not asked for yet */
	bool ahead_none;     /* nothing waits, as of the last look */
	bool stop;
	struct spooler_counts counts;
	struct spooler_gap gap;
};

/* --- orders --- */

static void orders_init(struct orders *o)
{
	o->first = NULL;
	o->last = &o->first;
}

static void orders_add(struct orders *o, struct order *order)
{
	order->next = NULL;
	*o->last = order;
	o->last = &order->next;
}

static struct order *orders_pop(struct orders *o)
{
	struct order *order = o->first;

	if (order) {
		o->first = order->next;
		if (!o->first)
			o->last = &o->first;
	}
	return order;
}

static void orders_take(struct orders *from, struct orders *ret)
{
	orders_init(ret);
	if (!from->first)
		return;
	*ret = *from;
	orders_init(from);
}

static int give(struct spooler *s, enum order_kind kind, struct batch *b, struct spool_place place,
		uint32_t events)
{
	struct order *order = malloc(sizeof *order);

	if (!order)
		return -ENOMEM;
	*order = (struct order){.kind = kind, .batch = b, .place = place, .events = events};
	pthread_mutex_lock(&s->lock);
	orders_add(&s->todo, order);
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int spooler_put(struct spooler *s, struct batch *b)
{
	b->kept = BATCH_WRITING;
	int r = give(s, ORDER_PUT, b, (struct spool_place){0}, 0);
	if (r)
		b->kept = BATCH_REFUSED;
	return r;
}

void spooler_wait(struct spooler *s, struct spool_place place, uint32_t events)
{
	give(s, ORDER_WAIT, NULL, place, events);
}

void spooler_ack(struct spooler *s, struct spool_place place)
{
	give(s, ORDER_ACK, NULL, place, 0);
}

struct batch *spooler_take(struct spooler *s)
{
	pthread_mutex_lock(&s->lock);
	struct order *order = orders_pop(&s->done);
	pthread_mutex_unlock(&s->lock);
	if (!order)
		return NULL;
	struct batch *b = order->batch;
	b->place = order->place;
	b->kept = order->place.generation ? BATCH_KEPT : BATCH_REFUSED;
	free(order);
	return b;
}

struct batch *spooler_next(struct spooler *s)
{
	pthread_mutex_lock(&s->lock);
	struct batch *b = s->ahead;
	s->ahead = NULL;
	if (b)
		pthread_cond_signal(&s->work); /* the one behind it */
	pthread_mutex_unlock(&s->lock);
	return b;
}

void spooler_seen(struct spooler *s, uint64_t wall_ns)
{
	atomic_store_explicit(&s->seen_wall_ns, wall_ns, memory_order_relaxed);
}

void spooler_counts(struct spooler *s, struct spooler_counts *ret)
{
	pthread_mutex_lock(&s->lock);
	*ret = s->counts;
	pthread_mutex_unlock(&s->lock);
}

void spooler_gap(struct spooler *s, struct spooler_gap *ret)
{
	pthread_mutex_lock(&s->lock);
	*ret = s->gap;
	pthread_mutex_unlock(&s->lock);
}

/* --- the thread --- */

struct turn {
	uint64_t written, failed, syncs, sync_ns;
	int error;
	bool wrote;
};

static void put(struct spooler *s, struct order *order, struct turn *turn)
{
	int r = spool_append(&s->spool, order->batch, clock_wall_ns(s->options.clock), &order->place);

	if (!r) {
		turn->wrote = true;
		return;
	}
	order->place = (struct spool_place){0};
	turn->failed++;
	turn->error = r < 0 ? r : -EDQUOT;
}

/* One sync for all that came meanwhile. Places of what is not safe are given up. */
static void sync_puts(struct spooler *s, struct orders *puts, struct turn *turn)
{
	uint64_t begun_ns = clock_boot_ns(s->options.clock);
	int r = spool_sync(&s->spool);

	turn->syncs++;
	turn->sync_ns += clock_boot_ns(s->options.clock) - begun_ns;
	for (struct order *o = puts->first; o; o = o->next) {
		if (!o->place.generation)
			continue;
		if (!r) {
			turn->written++;
			continue;
		}
		spool_ack(&s->spool, o->place);
		o->place = (struct spool_place){0};
		turn->failed++;
		turn->error = r;
	}
}

static void carry_out(struct spooler *s, struct orders *todo, struct orders *ret_puts, struct turn *turn)
{
	struct order *o;

	orders_init(ret_puts);
	while ((o = orders_pop(todo))) {
		int r = 0;

		if (o->kind == ORDER_PUT) {
			put(s, o, turn);
			orders_add(ret_puts, o);
			continue;
		}
		if (o->kind == ORDER_ACK)
			r = spool_ack(&s->spool, o->place);
		else
			spool_wait(&s->spool, o->place, o->events);
		if (r)
			turn->error = r;
		free(o);
	}
	if (turn->wrote)
		sync_puts(s, ret_puts, turn);
}

/* NULL: nothing waits, or it cannot be read now. */
static struct batch *read_ahead(struct spooler *s, struct turn *turn)
{
	struct spool_place place;
	struct batch *b;
	int r = spool_next(&s->spool, &place, &b);

	if (r) {
		if (r < 0)
			turn->error = r;
		return NULL;
	}
	b->place = place;
	b->kept = BATCH_KEPT;
	return b;
}

/* true: marks can be written. */
static bool mark(struct spooler *s, bool clean)
{
	uint64_t now_ns = clock_boot_ns(s->options.clock);
	uint64_t seen = atomic_load_explicit(&s->seen_wall_ns, memory_order_relaxed);

	if (!clean &&
	    (seen == s->mark.seen_wall_ns || (s->mark_told_ns && now_ns - s->mark_told_ns < MARK_EVERY_NS)))
		return true;
	s->mark.seen_wall_ns = seen;
	s->mark.clean = clean;
	s->mark_told_ns = now_ns;
	return spool_mark_write(s->options.mark_fd, &s->mark) == 0;
}

/* Until there is something to do, or a mark may be due. The lock is held. */
static void wait_for_work(struct spooler *s)
{
	struct timespec until;
	int r = 0;

	bool seen = atomic_load_explicit(&s->seen_wall_ns, memory_order_relaxed) != s->mark.seen_wall_ns;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(seen ? MARK_EVERY_NS : IDLE_NS);
	if (until.tv_nsec >= (long)NS_PER_S) {
		until.tv_nsec -= (long)NS_PER_S;
		until.tv_sec++;
	}
	while (!s->todo.first && !s->stop && !s->gives_back && (s->ahead || s->ahead_none) && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&s->work, &s->lock, &until);
}

/* Call with the lock held. */
static void tell(struct spooler *s, const struct turn *turn, struct orders *puts, struct batch *ahead,
		 bool marked)
{
	struct order *o;

	s->counts.spool = s->spool.counts;
	s->counts.written += turn->written;
	s->counts.failed += turn->failed;
	s->counts.syncs += turn->syncs;
	s->counts.sync_ns += turn->sync_ns;
	if (turn->error || turn->written)
		s->counts.error = turn->error;
	s->counts.behind = !marked;
	while ((o = orders_pop(puts)))
		orders_add(&s->done, o);
	if (ahead)
		s->ahead = ahead;
	s->ahead_none = !s->ahead && !s->spool.counts.waiting_batches;
}

/* false: the end. */
static bool do_turn(struct spooler *s)
{
	struct orders todo, puts;
	struct turn turn = {0};

	pthread_mutex_lock(&s->lock);
	wait_for_work(s);
	orders_take(&s->todo, &todo);
	bool look_ahead = !s->ahead, stop = s->stop;
	pthread_mutex_unlock(&s->lock);

	bool had_orders = todo.first;
	carry_out(s, &todo, &puts, &turn);
	struct batch *ahead = look_ahead && !stop ? read_ahead(s, &turn) : NULL;
	bool marked = mark(s, false);

	pthread_mutex_lock(&s->lock);
	tell(s, &turn, &puts, ahead, marked);
	bool more = s->todo.first || !s->stop;
	pthread_mutex_unlock(&s->lock);
	if (had_orders || ahead)
		s->options.wake(s->options.arg);
	/* Behind all that somebody waits for. */
	int r = spool_give_back(&s->spool);
	s->gives_back = r == 1;
	if (r < 0)
		turn.error = r;
	/* What cannot be read now is not asked for in a tight loop. */
	if (turn.error && !had_orders)
		nanosleep(&(struct timespec){.tv_nsec = (long)MARK_EVERY_NS}, NULL);
	return more;
}

static void find_gap(struct spooler *s)
{
	struct spool_mark m;
	bool found = spool_mark_read(s->options.mark_fd, &m) == 0;

	s->mark.sequence = found ? m.sequence : 0;
	if (!found || m.clean) {
		/* From here on there may be something to miss. */
		spooler_seen(s, clock_wall_ns(s->options.clock));
		mark(s, false);
		return;
	}
	s->gap.known = true;
	s->gap.seen_wall_ns = m.seen_wall_ns;
	memcpy(s->gap.run, m.run, sizeof s->gap.run);
}

static void *spooler_main(void *arg)
{
	struct spooler *s = arg;
	struct turn turn = {.error = spool_recover(&s->spool)};
	struct orders none;

	orders_init(&none);
	find_gap(s);
	pthread_mutex_lock(&s->lock);
	tell(s, &turn, &none, NULL, true);
	s->counts.recovered = true;
	pthread_mutex_unlock(&s->lock);
	s->options.wake(s->options.arg);
	while (do_turn(s))
		;
	return NULL;
}

/* --- life --- */

static void cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void free_parts(struct spooler *s)
{
	spool_free(&s->spool);
	if (s->options.mark_fd >= 0)
		close(s->options.mark_fd);
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int spooler_new(const struct spooler_options *o, struct spooler **ret)
{
	struct spooler *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->options = *o;
	spool_init(&s->spool, o->fds, o->bytes_max, o->full);
	snprintf(s->mark.run, sizeof s->mark.run, "%s", o->run);
	pthread_mutex_init(&s->lock, NULL);
	cond_init(&s->work);
	orders_init(&s->todo);
	orders_init(&s->done);
	int r = -pthread_create(&s->thread, NULL, spooler_main, s);
	if (r) {
		free_parts(s);
		return r;
	}
	*ret = s;
	return 0;
}

void spooler_free(struct spooler *s, bool clean)
{
	struct batch *b;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	if (clean)
		mark(s, true);
	while ((b = spooler_take(s)))
		batch_free(b);
	batch_free(s->ahead);
	free_parts(s);
}
