// SPDX-License-Identifier: Apache-2.0
#include "policies/kept_counts.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include "lib/util.h"

struct copy {
	TAILQ_ENTRY(copy) age; /* put longest ago first */
	uint32_t slot, *owner;
	struct kept_count c;
};
TAILQ_HEAD(copies, copy);

struct kept_counts {
	pthread_mutex_t lock;
	struct slots slots;
	struct copies by_age;
};

int kept_counts_new(size_t max, struct kept_counts **ret)
{
	struct kept_counts *k = calloc(1, sizeof *k);

	if (!k)
		return -ENOMEM;
	TAILQ_INIT(&k->by_age);
	int r = slots_init(&k->slots, max);
	if (r) {
		free(k);
		return r;
	}
	pthread_mutex_init(&k->lock, NULL);
	*ret = k;
	return 0;
}

static void leave(struct kept_counts *k, struct copy *one)
{
	TAILQ_REMOVE(&k->by_age, one, age);
	slots_leave(&k->slots, one->slot);
	*one->owner = SLOTS_NONE;
	free(one);
}

void kept_counts_free(struct kept_counts *k)
{
	if (!k)
		return;
	while (!TAILQ_EMPTY(&k->by_age))
		leave(k, TAILQ_FIRST(&k->by_age));
	slots_deinit(&k->slots);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

/* Lock held. NULL: no memory. */
static struct copy *copy_of(struct kept_counts *k, uint32_t *slot)
{
	if (*slot != SLOTS_NONE) {
		struct copy *one = k->slots.owners[*slot];
		TAILQ_REMOVE(&k->by_age, one, age);
		return one;
	}
	struct copy *one = calloc(1, sizeof *one);
	if (!one)
		return NULL;
	if (!k->slots.free_count)
		leave(k, TAILQ_FIRST(&k->by_age));
	one->slot = *slot = slots_take(&k->slots, one);
	one->owner = slot;
	return one;
}

void kept_counts_put(struct kept_counts *k, uint32_t *slot, const struct kept_count *c)
{
	pthread_mutex_lock(&k->lock);
	struct copy *one = copy_of(k, slot);
	if (one) {
		one->c = *c;
		TAILQ_INSERT_TAIL(&k->by_age, one, age);
		slots_touch(&k->slots, one->slot);
	}
	pthread_mutex_unlock(&k->lock);
}

void kept_counts_drop(struct kept_counts *k, uint32_t *slot)
{
	pthread_mutex_lock(&k->lock);
	if (*slot != SLOTS_NONE)
		leave(k, k->slots.owners[*slot]);
	pthread_mutex_unlock(&k->lock);
}

size_t kept_counts_changes(struct kept_counts *k, struct kept_count *ret, uint32_t *ret_slots, bool *ret_gone,
			   size_t max)
{
	void *owner;
	size_t n = 0;

	pthread_mutex_lock(&k->lock);
	for (; n < max && slots_next(&k->slots, &ret_slots[n], &owner); n++) {
		ret_gone[n] = !owner;
		if (owner)
			ret[n] = ((const struct copy *)owner)->c;
	}
	pthread_mutex_unlock(&k->lock);
	return n;
}

void kept_counts_change_all(struct kept_counts *k)
{
	pthread_mutex_lock(&k->lock);
	slots_touch_all(&k->slots);
	pthread_mutex_unlock(&k->lock);
}

size_t kept_counts_held(struct kept_counts *k)
{
	pthread_mutex_lock(&k->lock);
	size_t held = k->slots.max - k->slots.free_count;
	pthread_mutex_unlock(&k->lock);
	return held;
}
