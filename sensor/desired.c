// SPDX-License-Identifier: Apache-2.0
#include "sensor/desired.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/log.h"
#include "lib/target.h"
#include "lib/util.h"

int desired_init(struct desired *d, const struct desired_parts *parts)
{
	const struct config *c = parts->config;

	*d = (struct desired){.parts = *parts};
	int r = blocks_new(c->limits.blocks_max, &d->kernel);
	if (!r)
		r = blocks_new(c->limits.blocks_max, &d->http);
	if (!r)
		r = decide_new(2 * (size_t)c->limits.blocks_max, c->enforcement.rate_limit,
			       c->enforcement.rate_burst, &d->decide);
	if (!r)
		decide_expect_lists(d->decide, c->list_count);
	return r;
}

void desired_deinit(struct desired *d)
{
	blocks_free(d->kernel);
	blocks_free(d->http);
	decide_free(d->decide);
}

/* --- the point at HTTP --- */

static const struct block *stronger(const struct block *a, const struct block *b)
{
	if (!a || !b)
		return a ? a : b;
	int x = verdict_strength(a->verdict.action), y = verdict_strength(b->verdict.action);
	if (x != y)
		return x > y ? a : b;
	return block_end_ns(a) >= block_end_ns(b) ? a : b;
}

/* Has it decide by what the lists say of the target now. False: memory is out. */
static bool decide_now(struct desired *d, const struct prefix *target)
{
	const struct block *b = stronger(blocks_find(d->kernel, target), blocks_find(d->http, target));
	int r = 0;

	if (!b)
		decide_remove(d->decide, target);
	else
		r = decide_put(d->decide, target, b->verdict.action, block_end_ns(b));
	if (r)
		log_error("a decision at HTTP could not be kept", LOG_ERRNO(r));
	if (d->parts.http_changed && target_is_net(target))
		d->parts.http_changed(d->parts.arg, target);
	return r == 0;
}

bool desired_follow(struct desired *d, const struct prefix *target)
{
	journal_note(d->parts.journal, target);
	return decide_now(d, target);
}

/* As decide_now, which looks for both; entries of the kernel's list come first. */
static void restored(void *arg, const struct block *b)
{
	struct desired *d = arg;

	if (blocks_count(d->http) && blocks_find(d->http, &b->verdict.target))
		decide_now(d, &b->verdict.target);
	else if (decide_put(d->decide, &b->verdict.target, b->verdict.action, block_end_ns(b)))
		log_error("a decision at HTTP could not be kept", LOG_ERRNO(-ENOMEM));
}

void desired_decide_all(struct desired *d)
{
	blocks_each(d->kernel, restored, d);
	blocks_each(d->http, restored, d);
}

/* --- what is known --- */

bool desired_is_published(const struct desired *d, enum verdict_action action, const struct prefix *target)
{
	/* Lists that others read have addresses. */
	return d->parts.config->enforcement.publish && target_is_net(target) &&
	       !(d->parts.http && d->parts.http(d->parts.arg, action, target));
}

struct published {
	const struct desired *desired;
	size_t count;
};

static void count_published(void *arg, const struct block *b)
{
	struct published *p = arg;

	p->count += desired_is_published(p->desired, b->verdict.action, &b->verdict.target);
}

size_t desired_count_published(const struct desired *d)
{
	struct published p = {.desired = d};

	if (d->parts.config->enforcement.publish)
		blocks_each(d->http, count_published, &p);
	return p.count;
}

bool desired_is_own(const struct blocks *list, const struct verdict *v)
{
	struct block_claim own;

	return blocks_claim(list, v, &own) == 0 && strcmp(own.verdict.origin, v->origin) == 0;
}

static struct block *covering(struct blocks *list, const struct prefix *target)
{
	struct block *b = blocks_find(list, target);

	if (b || !target_is_net(target) || !prefix_is_exact(target))
		return b;
	return blocks_match(list, &target->addr);
}

struct block *desired_covering(const struct desired *d, const struct prefix *target, struct blocks **ret_list)
{
	struct block *b = target_is_net(target) ? covering(d->kernel, target) : NULL;

	*ret_list = b ? d->kernel : d->http;
	if (!b)
		b = covering(d->http, target);
	if (b || !target_is_routed(target))
		return b;
	const struct prefix who = target_who(target);
	return desired_covering(d, &who, ret_list);
}

void desired_tell(const struct desired *d, const struct block *b, const struct blocks *list,
		  struct block_told *ret)
{
	struct decide_hits hits = decide_hits(d->decide, &b->verdict.target);

	blocks_tell(b, ret);
	ret->http = list == d->http;
	ret->published = ret->http && desired_is_published(d, b->verdict.action, &b->verdict.target);
	ret->requests = hits.requests;
	ret->last_ns = MAX(ret->last_ns, hits.last_ns);
}

struct copy {
	const struct desired *desired;
	const struct blocks *list;
	struct block_told *items;
	size_t count;
};

static void copy_one(void *arg, const struct block *b)
{
	struct copy *c = arg;

	desired_tell(c->desired, b, c->list, &c->items[c->count++]);
}

int desired_copy(const struct desired *d, struct block_told **ret, size_t *ret_count)
{
	struct copy c = {.desired = d, .list = d->kernel};

	c.items = calloc(blocks_count(d->kernel) + blocks_count(d->http) + 1, sizeof *c.items);
	if (!c.items)
		return -ENOMEM;
	blocks_each(d->kernel, copy_one, &c);
	c.list = d->http;
	blocks_each(d->http, copy_one, &c);
	*ret = c.items;
	*ret_count = c.count;
	return 0;
}

void desired_claims(const struct desired *d, struct journal_entry *to)
{
	to->lists[JOURNAL_KERNEL].count =
		blocks_claims(d->kernel, &to->target, to->lists[JOURNAL_KERNEL].claims);
	to->lists[JOURNAL_HTTP].count = blocks_claims(d->http, &to->target, to->lists[JOURNAL_HTTP].claims);
}
