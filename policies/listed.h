/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listed.h: what block lists say of a client, for the decisions at HTTP (policies/decide.h): the lists as
 * they are in force, looked up where they stand, so that they cost no memory a second time. Whoever owns a
 * list says when another takes its place; until then it must not be freed, and only its marks may change.
 * Thread safe, with a lock of its own: who reads all of them holds up no verdict.
 */
#ifndef PICKET_LISTED_H
#define PICKET_LISTED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "lib/config.h"
#include "lib/verdict.h"
#include "policies/list.h"

/* A list as it is in force. All times: boot clock, but for an entry's own end. */
struct listed_view {
	const struct list *list; /* NULL: never read */
	enum verdict_action action;
	uint8_t mark, mask;    /* an entry is in force if (its mark & mask) == mark */
	uint64_t in_force;     /* entries */
	uint64_t end_ns;       /* of an entry without an end of its own */
	uint64_t latest_ns;    /* of any */
	int64_t wall_ahead_ns; /* the wall clock less the boot clock, now */
};

struct listed_hits {
	uint64_t requests; /* refused, slowed, or in shadow: that would have been */
	uint64_t last_ns;  /* 0: none */
};

struct listed {
	pthread_rwlock_t lock;
	struct listed_view views[CONFIG_LISTS_MAX];
	unsigned expected;
	atomic_uint_fast64_t in_force; /* of all views, for those who do not hold the lock */
	struct {
		atomic_uint_fast64_t requests, last_ns;
	} hits[CONFIG_LISTS_MAX];
};

void listed_init(struct listed *l);
void listed_deinit(struct listed *l);
/* So many lists are to come. Before any thread asks. */
void listed_expect(struct listed *l, unsigned lists);
/* Was each of them read? Until then nobody knows what they do not name. */
bool listed_known(struct listed *l);
/* Takes the place of what was said of that list. True: what it denies, or until when, may have changed. */
bool listed_set(struct listed *l, unsigned at, const struct listed_view *view);

struct listed_answer {
	enum verdict_action action;
	uint64_t end_ns;
	unsigned list;
};
/* The strongest entry in force that covers the address, of equals the one that ends last. False: none. */
bool listed_find(struct listed *l, const struct addr *addr, uint64_t now_ns, struct listed_answer *ret);
void listed_hit(struct listed *l, unsigned at, uint64_t now_ns);
struct listed_hits listed_hits(const struct listed *l, unsigned at);
/* Until when an entry of a list whose action drops covers the whole target; 0: none does. exact: one of that
 * very target alone. */
uint64_t listed_denied_until(struct listed *l, const struct prefix *target, bool exact, uint64_t now_ns);
/*
 * Calls each once for every target that lists deny, in their order, with the end by which they do, as
 * listed_denied_until says. each must not call listed_set.
 */
void listed_each_denied(struct listed *l, uint64_t now_ns,
			void (*each)(void *arg, const struct prefix *target, uint64_t end_ns), void *arg);

#endif
