/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desired.h: the two desired lists, and the decisions at HTTP that follow both: the kernel's list, and that
 * of the clients of which only a proxy's packets come here, in force at HTTP alone (docs/decisions/0012). Who
 * changes a list says so by desired_follow. Not thread safe, but for decide: the enforcer's lock is held.
 */
#ifndef PICKET_DESIRED_H
#define PICKET_DESIRED_H

#include "lib/config.h"
#include "policies/blocks.h"
#include "policies/decide.h"
#include "sensor/journal.h"

struct desired_parts {
	const struct config *config;
	struct journal *journal; /* NULL: none */
	/* Does a proxy do that at HTTP? NULL: none does. */
	bool (*http)(void *arg, enum verdict_action action, const struct prefix *target);
	/* What is to be done at HTTP about the target has changed. NULL: nobody wants to know. */
	void (*http_changed)(void *arg, const struct prefix *target);
	void *arg;
};

struct desired {
	struct desired_parts parts;
	struct blocks *kernel; /* in force in the kernel, and at HTTP */
	struct blocks *http;   /* in force at HTTP alone */
	struct decide *decide; /* follows both, and holds as much as both together */
};

/* 0 or -errno; desired_deinit takes a failed one, too. */
int desired_init(struct desired *d, const struct desired_parts *parts);
void desired_deinit(struct desired *d);

/* A list's entry was put, changed or taken out: the point at HTTP decides by it, the journal has it. False:
 * memory is out. */
bool desired_follow(struct desired *d, const struct prefix *target);
/* At the start: the point at HTTP decides by all of both lists, which the journal has. */
void desired_decide_all(struct desired *d);

/* Of the list of HTTP alone: is nobody here who does that now, so that only others can? */
bool desired_is_published(const struct desired *d, enum verdict_action action, const struct prefix *target);
size_t desired_count_published(const struct desired *d);
/* Did this gateway ask for an entry of the list? A gateway takes back what a gateway said, nobody else's. */
bool desired_is_own(const struct blocks *list, const struct verdict *v);
/* The entry of exactly that target, or of what covers an address or a target on a route, and its list; NULL:
 * none. */
struct block *desired_covering(const struct desired *d, const struct prefix *target,
			       struct blocks **ret_list);
/* What is known of an entry of that list, but for what the kernel counts. */
void desired_tell(const struct desired *d, const struct block *b, const struct blocks *list,
		  struct block_told *ret);
/* Of all entries; free with free(). 0 or -ENOMEM. */
int desired_copy(const struct desired *d, struct block_told **ret, size_t *ret_count);
/* Who asked for to->target, in both lists. */
void desired_claims(const struct desired *d, struct journal_entry *to);

#endif
