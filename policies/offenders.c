// SPDX-License-Identifier: Apache-2.0
#include "policies/offenders.h"
#include <errno.h>
#include <sys/queue.h>
#include "lib/util.h"
#include "policies/buckets.h"
#include "policies/table.h"

struct offender {
	struct table_node node;
	TAILQ_ENTRY(offender) age;
	struct prefix who;
	unsigned blocks; /* so far, the latest included */
	uint64_t end_ns; /* of the latest */
};

struct offenders {
	struct table table;
	TAILQ_HEAD(, offender) by_age; /* noted longest ago first */
	size_t max;
	uint64_t remember_ns, forgotten;
};

int offenders_new(size_t max, uint64_t remember_ns, struct offenders **ret)
{
	struct offenders *o = calloc(1, sizeof *o);

	if (!o)
		return -ENOMEM;
	int r = table_init(&o->table, max);
	if (r) {
		free(o);
		return r;
	}
	TAILQ_INIT(&o->by_age);
	o->max = max;
	o->remember_ns = remember_ns;
	*ret = o;
	return 0;
}

static void take_out(struct offenders *o, struct offender *one)
{
	table_remove(&o->table, &one->node);
	TAILQ_REMOVE(&o->by_age, one, age);
	free(one);
}

void offenders_free(struct offenders *o)
{
	if (!o)
		return;
	while (!TAILQ_EMPTY(&o->by_age))
		take_out(o, TAILQ_FIRST(&o->by_age));
	table_deinit(&o->table);
	free(o);
}

static struct prefix who_of(const struct prefix *target)
{
	return prefix_is_exact(target) ? bucket_group(&target->addr) : *target;
}

static uint64_t hash_of(const struct offenders *o, const struct prefix *who)
{
	uint8_t key[18] = {who->addr.family, who->bits};

	memcpy(key + 2, who->addr.bytes, 16);
	return table_hash(&o->table, key, sizeof key);
}

static struct offender *find(const struct offenders *o, const struct prefix *who)
{
	for (struct table_node *n = table_first(&o->table, hash_of(o, who)); n; n = table_next(n)) {
		struct offender *one = table_owner(n, struct offender, node);
		if (prefix_equal(&one->who, who))
			return one;
	}
	return NULL;
}

static bool is_remembered(const struct offenders *o, const struct offender *one, uint64_t now_ns)
{
	return now_ns < one->end_ns || now_ns - one->end_ns < o->remember_ns;
}

unsigned offenders_before(const struct offenders *o, const struct prefix *target, uint64_t now_ns)
{
	struct prefix who = who_of(target);
	const struct offender *one = find(o, &who);

	if (!one || !is_remembered(o, one, now_ns))
		return 0;
	return now_ns < one->end_ns ? one->blocks - 1 : one->blocks;
}

static struct offender *add(struct offenders *o, const struct prefix *who)
{
	struct offender *one = calloc(1, sizeof *one);

	if (!one)
		return NULL;
	if (o->table.count == o->max) {
		take_out(o, TAILQ_FIRST(&o->by_age));
		o->forgotten++;
	}
	one->who = *who;
	table_add(&o->table, &one->node, hash_of(o, who));
	TAILQ_INSERT_TAIL(&o->by_age, one, age);
	return one;
}

void offenders_note(struct offenders *o, const struct prefix *target, uint64_t now_ns, uint64_t end_ns)
{
	struct prefix who = who_of(target);
	struct offender *one = find(o, &who);

	if (!one)
		one = add(o, &who);
	if (!one)
		return; /* memory is out: its next block is as long as a first one */
	if (!is_remembered(o, one, now_ns))
		one->blocks = 0;
	if (one->end_ns <= now_ns)
		one->blocks++;
	one->end_ns = MAX(one->end_ns, end_ns);
	TAILQ_REMOVE(&o->by_age, one, age);
	TAILQ_INSERT_TAIL(&o->by_age, one, age);
}

void offenders_forget(struct offenders *o, const struct prefix *target)
{
	struct prefix who = who_of(target);
	struct offender *one = find(o, &who);

	if (one)
		take_out(o, one);
}

uint64_t offenders_forgotten(const struct offenders *o)
{
	return o->forgotten;
}
