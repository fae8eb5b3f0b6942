/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reconcile.h: makes the kernel equal to what should be denied, many entries at a time: when a block list
 * changed, when its entries are renewed or end, and when anybody else changed the deny maps. What should be
 * there of a target is said by the desired list and the block lists together (lists_wanted_with).
 *
 * One thread calls these, without the enforcer's lock: they take it for one batch, and a verdict waits no
 * longer than that.
 */
#ifndef PICKET_RECONCILE_H
#define PICKET_RECONCILE_H

#include <pthread.h>
#include "policies/blocks.h"
#include "sensor/audit.h"
#include "sensor/lists.h"
#include "sensor/warden.h"

struct reconcile_counts {
	size_t missing, extra; /* found last and not mended */
	size_t by_lists;       /* entries that only lists want, as last counted */
	uint64_t mended;
	uint64_t closed; /* connections of clients that a list named and that were ended */
};

struct reconcile {
	pthread_mutex_t *lock; /* the enforcer's */
	const struct clock *clock;
	struct warden_client *warden;
	struct audit *audit; /* told what was mended; NULL: none */
	struct blocks *blocks;
	struct lists *lists;
	/* What is in force of a list was counted anew, or another took its place: whoever looked into the one
	 * before no longer does when this returns. Without the lock. NULL: nobody looks. */
	void (*listed)(void *arg, unsigned list);
	void *arg;
	uint32_t era;                   /* number of the comparison; in `seen` of a block that it found */
	struct reconcile_counts counts; /* with the lock held */
	struct reconcile_work *work;    /* the thread's own */
};

int reconcile_init(struct reconcile *r); /* the members above are set. 0 or -ENOMEM */
void reconcile_deinit(struct reconcile *r);

/* The action as bpf/abi.h numbers it. */
enum pk_action reconcile_action(enum verdict_action action);
/* The wish by which the kernel gets that of the target; NULL: nothing. */
struct warden_wish reconcile_wish(const struct prefix *target, const struct wanted *wanted);

/* Compares the kernel with what should be there, and mends it. */
void reconcile_run(struct reconcile *r);
/* The list's file was read, from since_ns on: what differs is put into force or taken out. Takes `next`. */
void reconcile_list(struct reconcile *r, unsigned list, struct list *next, const struct list_report *report,
		    uint64_t since_ns);
/* What ended is given back; what stays in its file is renewed. */
void reconcile_lists_tick(struct reconcile *r);

#endif
