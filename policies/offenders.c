// SPDX-License-Identifier: Apache-2.0
#include "policies/offenders.h"
#include <errno.h>
#include <sys/queue.h>
#include "lib/target.h"
#include "lib/util.h"
#include "policies/ages.h"
#include "policies/buckets.h"
#include "policies/slots.h"
#include "policies/table.h"

struct offender {
	struct table_node node;
	TAILQ_ENTRY(offender) age;
	struct prefix who;
	unsigned blocks; /* so far, the latest included */
	uint64_t end_ns; /* of the latest; as ages.h */
	uint32_t slot;
};

struct offenders {
	struct table table;
	struct slots slots;
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
	if (!r)
		r = slots_init(&o->slots, max);
	if (r) {
		table_deinit(&o->table);
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
	slots_leave(&o->slots, one->slot);
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
	slots_deinit(&o->slots);
	free(o);
}

static struct prefix who_of(const struct prefix *target)
{
	const struct prefix who = target_who(target);

	return target_is_net(&who) && prefix_is_exact(&who) ? bucket_group(&who.addr) : who;
}

static uint64_t hash_of(const struct offenders *o, const struct prefix *who)
{
	return table_hash(&o->table, who, sizeof *who);
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

	now_ns = ages_of((int64_t)now_ns);
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
	one->slot = slots_take(&o->slots, one); /* there is one: offenders are no more than these */
	table_add(&o->table, &one->node, hash_of(o, who));
	TAILQ_INSERT_TAIL(&o->by_age, one, age);
	return one;
}

void offenders_note(struct offenders *o, const struct prefix *target, uint64_t now_ns, uint64_t end_ns)
{
	struct prefix who = who_of(target);
	struct offender *one = find(o, &who);

	now_ns = ages_of((int64_t)now_ns);
	end_ns = ages_of((int64_t)end_ns);
	if (!one)
		one = add(o, &who);
	if (!one)
		return; /* memory is out: its next block is as long as a first one */
	if (!is_remembered(o, one, now_ns))
		one->blocks = 0;
	if (one->end_ns <= now_ns)
		one->blocks++;
	one->end_ns = MAX(one->end_ns, end_ns);
	slots_touch(&o->slots, one->slot);
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

/* --- what outlives a restart --- */

size_t offenders_changes(struct offenders *o, struct offenders_record *ret, uint32_t *ret_slots,
			 bool *ret_gone, size_t max)
{
	void *owner;
	size_t n = 0;

	for (; n < max && slots_next(&o->slots, &ret_slots[n], &owner); n++) {
		const struct offender *one = owner;
		ret_gone[n] = !one;
		if (one)
			ret[n] = (struct offenders_record){one->who, one->blocks, ages_to_boot(one->end_ns)};
	}
	return n;
}

void offenders_change_all(struct offenders *o)
{
	slots_touch_all(&o->slots);
}

bool offenders_restore(struct offenders *o, const struct offenders_record *record, uint64_t now_ns)
{
	const struct prefix who = who_of(&record->who);
	struct offender restored = {.end_ns = ages_of(record->end_ns)};

	if (!prefix_equal(&who, &record->who) || !record->blocks || find(o, &who) ||
	    o->table.count == o->max || !is_remembered(o, &restored, ages_of((int64_t)now_ns)))
		return false;
	struct offender *one = add(o, &who);
	if (!one)
		return false;
	one->blocks = record->blocks;
	one->end_ns = restored.end_ns;
	return true;
}
