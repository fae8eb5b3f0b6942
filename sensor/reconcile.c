// SPDX-License-Identifier: Apache-2.0
/*
 * reconcile.c: targets whose entry in the kernel may have to change are collected; a full batch of them is
 * looked up under the lock, as of then, and sent to the warden as wishes. So nothing is sent that was true
 * only earlier.
 */
#include "sensor/reconcile.h"
#include <errno.h>
#include "lib/log.h"
#include "lib/util.h"

#define NO_LIST UINT8_MAX
/* Of its ttl: an entry outlives its file by seven eighths of it at least, and is put anew this often. */
#define RENEWALS 8
/* More than half of more than so many entries gone at once: rather a broken download than a cleanup. */
#define SUSPICIOUS_MIN 100

struct item {
	struct prefix target;
	uint8_t list; /* whose entry is marked by the answer; NO_LIST: none */
	uint32_t at;
};

struct reconcile_work {
	struct item items[WARDEN_BATCH_MAX];
	uint32_t count;
	struct warden_batch_head head;
	struct warden_wish wishes[WARDEN_BATCH_MAX];
	struct warden_reply reply;
	size_t put, removed; /* what the warden did, but for entries that were new */
	bool comparing;      /* what is put and removed mends what somebody else did */
	int failed;          /* the last batch that was not taken: -errno, or the warden's answer */
};

int reconcile_init(struct reconcile *r)
{
	r->work = calloc(1, sizeof *r->work);
	return r->work ? 0 : -ENOMEM;
}

void reconcile_deinit(struct reconcile *r)
{
	free(r->work);
}

/* --- wishes --- */

enum pk_action reconcile_action(enum verdict_action action)
{
	switch (action) {
	case VERDICT_RATE_LIMIT:
		return PK_ACT_RATE;
	case VERDICT_SHADOW:
		return PK_ACT_SHADOW;
	case VERDICT_RESET:
		return PK_ACT_RESET;
	default:
		return PK_ACT_DROP;
	}
}

struct warden_wish reconcile_wish(const struct prefix *target, const struct wanted *wanted)
{
	if (!wanted)
		return (struct warden_wish){.target = *target, .remove = 1};
	return (struct warden_wish){
		.target = *target,
		.scope = (uint8_t)wanted->scope,
		.action = (uint8_t)reconcile_action(wanted->action),
		.source = (uint8_t)wanted->source,
		.deadline_ns = wanted->end_ns,
	};
}

static bool wanted_of(const struct reconcile *r, const struct prefix *target, uint64_t now,
		      struct wanted *ret)
{
	const struct block *b = blocks_find(r->blocks, target);

	return lists_wanted_with(r->lists, b && block_end_ns(b) > now ? b : NULL, target, now, ret);
}

/* --- batches --- */

static void head_fill(const struct reconcile *r, struct warden_batch_head *head)
{
	*head = (struct warden_batch_head){.count = r->work->count};
	for (unsigned i = 0; i < r->lists->count; i++) {
		const struct list *l = r->lists->items[i].list;
		head->all4 += l ? l->count4 : 0;
		head->all6 += l ? l->count6 : 0;
	}
}

static void answer_take(struct reconcile *r, const struct item *item, bool removed, uint8_t answer)
{
	struct reconcile_work *w = r->work;
	struct list *list = item->list == NO_LIST ? NULL : r->lists->items[item->list].list;
	bool fresh = list && (list_mark_get(list, item->at) & ~LISTS_SEEN) == LISTS_NEW;

	w->removed += removed && !answer;
	w->put += !removed && !answer && !fresh;
	if (w->comparing && !answer && !fresh)
		audit_note_mended(r->audit, &item->target, removed ? "taken_out" : "put_back");
	if (list && !removed)
		list_mark_set(list, item->at, answer ? LISTS_REFUSED + answer : LISTS_IN_FORCE | LISTS_SEEN);
}

static void flush_locked(struct reconcile *r)
{
	struct reconcile_work *w = r->work;
	uint64_t now = clock_boot_ns(r->clock);

	for (uint32_t i = 0; i < w->count; i++) {
		struct wanted wanted;
		bool any = wanted_of(r, &w->items[i].target, now, &wanted);
		w->wishes[i] = reconcile_wish(&w->items[i].target, any ? &wanted : NULL);
	}
	head_fill(r, &w->head);
	int result = warden_batch(r->warden, &w->head, w->wishes, &w->reply);
	if (!result)
		result = w->reply.result;
	if (result)
		w->failed = result;
	for (uint32_t i = 0; i < w->count && !result; i++)
		answer_take(r, &w->items[i], w->wishes[i].remove, w->reply.answers[i]);
	w->count = 0;
}

static void flush(struct reconcile *r)
{
	if (!r->work->count)
		return;
	pthread_mutex_lock(r->lock);
	flush_locked(r);
	pthread_mutex_unlock(r->lock);
}

static void item_add(struct reconcile *r, const struct prefix *target, unsigned list, uint32_t at)
{
	r->work->items[r->work->count++] = (struct item){.target = *target, .list = (uint8_t)list, .at = at};
}

static void settle(struct reconcile *r, const struct prefix *target, unsigned list, uint32_t at)
{
	item_add(r, target, list, at);
	if (r->work->count == WARDEN_BATCH_MAX)
		flush(r);
}

static void settle_entry(struct reconcile *r, unsigned list, uint32_t at)
{
	struct prefix target = list_target(r->lists->items[list].list, at);

	settle(r, &target, list, at);
}

static void begin(struct reconcile *r)
{
	r->work->put = r->work->removed = 0;
	r->work->failed = 0;
	r->work->comparing = false;
}

static void recount(struct reconcile *r, unsigned list)
{
	struct lists_account a = lists_recount(r->lists, list);

	pthread_mutex_lock(r->lock);
	r->lists->items[list].account = a;
	pthread_mutex_unlock(r->lock);
	if (r->listed)
		r->listed(r->arg, list);
}

/* --- a list changed --- */

struct change {
	struct reconcile *r;
	unsigned list;
	struct list *before, *after;
	size_t added, removed, changed;
};

/* What was refused is tried again: who is protected, and how much room there is, changes. */
static int mark_carry(void *arg, enum list_difference difference, uint32_t before_at, uint32_t after_at)
{
	struct change *c = arg;

	c->added += difference == LIST_ADDED;
	c->removed += difference == LIST_REMOVED;
	c->changed += difference == LIST_END_CHANGED;
	if (difference == LIST_SAME && (list_mark_get(c->before, before_at) & ~LISTS_SEEN) == LISTS_IN_FORCE)
		list_mark_set(c->after, after_at, LISTS_IN_FORCE);
	return 0;
}

static int settle_difference(void *arg, enum list_difference difference, uint32_t before_at,
			     uint32_t after_at)
{
	struct change *c = arg;

	if (difference == LIST_REMOVED) {
		struct prefix target = list_target(c->before, before_at);
		settle(c->r, &target, NO_LIST, 0);
	} else if (list_mark_get(c->after, after_at) == LISTS_NEW) {
		settle_entry(c->r, c->list, after_at);
	}
	return 0;
}

/* What they have open would else wait on a client that says nothing any more. */
static void connections_close(struct reconcile *r)
{
	const struct warden_request q = {.op = WARDEN_CLOSE_ALL};

	pthread_mutex_lock(r->lock);
	if (warden_call(r->warden, &q, &r->work->reply) == 0)
		r->counts.closed += r->work->reply.count;
	pthread_mutex_unlock(r->lock);
}

static void account_change(struct lists_account *a, const struct change *c, const struct list_report *report,
			   uint64_t now)
{
	uint32_t former = list_count(c->before);
	bool suspicious = former > SUSPICIOUS_MIN && c->removed > former / 2;

	a->format = report->format;
	a->unreadable = report->unreadable;
	a->ignored = report->ignored;
	memcpy(a->faults, report->faults, sizeof a->faults);
	a->fault_count = report->fault_count;
	a->read_ns = now;
	a->error[0] = 0;
	a->former = suspicious ? former : 0;
	a->dropped = suspicious ? c->removed : 0;
}

static void change_tell(const struct reconcile *r, const struct lists_account *a, const struct change *c)
{
	log_info("a block list was read", LOG_S("list", a->config->name), LOG_U("entries", a->entries),
		 LOG_U("added", c->added), LOG_U("removed", c->removed), LOG_U("end_changed", c->changed),
		 LOG_U("in_force", a->in_force), LOG_U("unreadable", a->unreadable),
		 LOG_U("ms", a->took_ns / NS_PER_MS));
	if (a->dropped)
		log_warning("a block list lost more than half of its entries at once",
			    LOG_S("list", a->config->name), LOG_U("of", a->former),
			    LOG_U("removed", a->dropped),
			    LOG_S("hint", "was its file cut short? it is in force as it is"));
	if (r->work->failed)
		log_warning("a block list is in force in part only; the next comparison tries again",
			    LOG_S("list", a->config->name), LOG_I("result", r->work->failed));
}

void reconcile_list(struct reconcile *r, unsigned list, struct list *next, const struct list_report *report,
		    uint64_t since_ns)
{
	struct lists_item *item = &r->lists->items[list];
	struct change c = {.r = r, .list = list, .before = item->list, .after = next};
	uint64_t now = clock_boot_ns(r->clock);

	begin(r);
	list_diff(c.before, c.after, mark_carry, &c);
	pthread_mutex_lock(r->lock);
	item->list = next;
	item->there = true;
	if (!c.before)
		item->renewed_ns = now;
	account_change(&item->account, &c, report, now);
	pthread_mutex_unlock(r->lock);
	list_diff(c.before, c.after, settle_difference, &c);
	flush(r);
	if (c.added)
		connections_close(r);
	pthread_mutex_lock(r->lock);
	item->account.took_ns = clock_boot_ns(r->clock) - since_ns;
	pthread_mutex_unlock(r->lock);
	recount(r, list);
	change_tell(r, &item->account, &c);
	list_free(c.before); /* nobody looks into it any more: see listed */
}

/* --- time passes --- */

static void ended(struct reconcile *r, unsigned list, uint64_t now)
{
	struct lists_item *item = &r->lists->items[list];

	for (uint32_t at = 0; at < list_count(item->list); at++) {
		uint8_t state = list_mark_get(item->list, at) & (uint8_t)~LISTS_SEEN;
		if (state > LISTS_IN_FORCE || lists_end_ns(r->lists, list, at) > now)
			continue;
		pthread_mutex_lock(r->lock);
		list_mark_set(item->list, at, LISTS_ENDED);
		pthread_mutex_unlock(r->lock);
		struct prefix target = list_target(item->list, at);
		settle(r, &target, NO_LIST, 0);
	}
}

/* All of its entries, with the time that they have from now on; also what was refused, or had ended since the
 * file was away. */
static void renew(struct reconcile *r, unsigned list, uint64_t now)
{
	struct lists_item *item = &r->lists->items[list];

	pthread_mutex_lock(r->lock);
	item->renewed_ns = now;
	for (uint32_t at = 0; at < list_count(item->list); at++) {
		uint8_t state = list_mark_get(item->list, at) & (uint8_t)~LISTS_SEEN;
		if (state > LISTS_IN_FORCE && lists_end_ns(r->lists, list, at) > now)
			list_mark_set(item->list, at, LISTS_NEW);
	}
	pthread_mutex_unlock(r->lock);
	for (uint32_t at = 0; at < list_count(item->list); at++)
		if ((list_mark_get(item->list, at) & ~LISTS_SEEN) <= LISTS_IN_FORCE)
			settle_entry(r, list, at);
}

void reconcile_lists_tick(struct reconcile *r)
{
	for (unsigned i = 0; i < r->lists->count; i++) {
		struct lists_item *item = &r->lists->items[i];
		uint64_t now = clock_boot_ns(r->clock),
			 ttl_ns = r->lists->config->lists[i].ttl_ms * NS_PER_MS;
		bool over = item->next_end_ns <= now;
		bool due = item->there && item->list && now - item->renewed_ns >= ttl_ns / RENEWALS;

		if (!over && !due)
			continue;
		begin(r);
		if (due)
			renew(r, i, now);
		ended(r, i, now);
		flush(r);
		recount(r, i);
	}
}

/* --- comparing --- */

struct comparison {
	struct reconcile *r;
	uint64_t now;
	bool lists_known; /* all were read: what none of them has is extra */
	size_t missing, extra, by_lists;
};

/* Does the kernel's entry say what it should? Its deadline is in seconds, rounded up. */
static bool as_wanted(const struct pk_deny *k, const struct wanted *w)
{
	uint64_t end = k->deadline_s * NS_PER_S;

	return k->scope == (uint8_t)w->scope && k->action == reconcile_action(w->action) &&
	       end + NS_PER_S >= w->end_ns && (end <= w->end_ns || end - w->end_ns <= 2 * NS_PER_S);
}

static void lists_mark_seen(struct reconcile *r, const struct prefix *target)
{
	for (unsigned i = 0; i < r->lists->count; i++) {
		struct list *list = r->lists->items[i].list;
		uint32_t at = list_find(list, target);
		if (at != LIST_NONE)
			list_mark_set(list, at, list_mark_get(list, at) | LISTS_SEEN);
	}
}

static void compare_one(struct comparison *c, const struct warden_block *k)
{
	struct reconcile *r = c->r;
	struct block *b = blocks_find(r->blocks, &k->target);
	struct wanted w;
	bool left_over = verdict_is_of_list((enum verdict_source)k->value.source) && !c->lists_known;

	if (!lists_wanted_with(r->lists, b, &k->target, c->now, &w)) {
		if (k->value.deadline_s * NS_PER_S <= c->now || left_over)
			return;
		c->extra++;
		item_add(r, &k->target, NO_LIST, 0);
	} else if (as_wanted(&k->value, &w)) {
		if (b)
			b->seen = r->era;
		else
			c->by_lists++;
		lists_mark_seen(r, &k->target);
	}
}

/* A page each time, and the lock is free in between. False: the warden did not answer. */
static bool kernel_compare(struct comparison *c)
{
	struct reconcile *r = c->r;
	struct reconcile_work *w = r->work;
	struct warden_request q = {.op = WARDEN_LIST};

	for (bool more = true; more;) {
		if (w->count + WARDEN_LIST_MAX > WARDEN_BATCH_MAX)
			flush(r);
		pthread_mutex_lock(r->lock);
		int result = warden_call(r->warden, &q, &w->reply);
		bool failed = result || w->reply.result;
		for (uint32_t i = 0; !failed && i < w->reply.count; i++)
			compare_one(c, &w->reply.blocks[i]);
		pthread_mutex_unlock(r->lock);
		if (failed)
			return false;
		more = w->reply.count > 0;
		q.index += w->reply.count;
	}
	return true;
}

/* More than a batch is for the next time. */
static void missing_add(void *arg, const struct block *b)
{
	struct comparison *c = arg;

	if (b->seen == c->r->era || block_end_ns(b) <= c->now)
		return;
	c->missing++;
	if (c->r->work->count < WARDEN_BATCH_MAX)
		item_add(c->r, &b->verdict.target, NO_LIST, 0);
}

static void missing_of_list(struct comparison *c, unsigned list)
{
	struct reconcile *r = c->r;
	const struct lists_item *item = &r->lists->items[list];

	for (uint32_t at = 0; at < list_count(item->list); at++) {
		if (list_mark_get(item->list, at) & LISTS_SEEN ||
		    !lists_entry_wanted(r->lists, list, at, c->now))
			continue;
		c->missing += list_mark_get(item->list, at) != LISTS_NEW;
		c->by_lists++;
		settle_entry(r, list, at);
	}
}

static void seen_clear(struct reconcile *r)
{
	for (unsigned i = 0; i < r->lists->count; i++) {
		struct list *list = r->lists->items[i].list;
		for (uint32_t at = 0; at < list_count(list); at++)
			list_mark_set(list, at, list_mark_get(list, at) & (uint8_t)~LISTS_SEEN);
	}
}

static void counts_take(struct reconcile *r, const struct comparison *c)
{
	size_t back = MIN(r->work->put, c->missing), out = MIN(r->work->removed, c->extra);

	r->counts.missing = c->missing - back;
	r->counts.extra = c->extra - out;
	r->counts.by_lists = c->by_lists;
	r->counts.mended += back + out;
	if (back || out)
		log_warning("the deny maps differed from the list and were mended", LOG_U("put_back", back),
			    LOG_U("taken_out", out));
}

void reconcile_run(struct reconcile *r)
{
	struct comparison c = {.r = r, .now = clock_boot_ns(r->clock)};

	begin(r);
	r->work->comparing = true;
	pthread_mutex_lock(r->lock);
	r->era++;
	c.lists_known = lists_all_read(r->lists);
	seen_clear(r);
	pthread_mutex_unlock(r->lock);
	if (!kernel_compare(&c)) {
		r->work->count = 0;
		return;
	}
	flush(r);
	pthread_mutex_lock(r->lock);
	blocks_each(r->blocks, missing_add, &c);
	pthread_mutex_unlock(r->lock);
	flush(r);
	for (unsigned i = 0; i < r->lists->count; i++)
		missing_of_list(&c, i);
	flush(r);
	for (unsigned i = 0; i < r->lists->count; i++)
		recount(r, i);
	pthread_mutex_lock(r->lock);
	counts_take(r, &c);
	pthread_mutex_unlock(r->lock);
}
