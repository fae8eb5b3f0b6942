/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lists.h: the block lists of the configuration as they are in force: of each its entries, what became of
 * them, and its account. Data only: list_watch.c reads the files, reconcile.c makes the kernel equal. One
 * thread changes it, with the enforcer's lock held; that thread may look without.
 */
#ifndef PICKET_LISTS_H
#define PICKET_LISTS_H

#include "lib/clock.h"
#include "policies/blocks.h"
#include "policies/limits.h"
#include "policies/list.h"
#include "policies/listed.h"

/* What became of an entry: list_mark_get. Behind LISTS_REFUSED the limits_answer. */
enum lists_mark {
	LISTS_NEW = 0, /* not asked for yet, or that failed */
	LISTS_IN_FORCE = 1,
	LISTS_ENDED = 2,
	LISTS_REFUSED = 0x20,
};
#define LISTS_SEEN 0x80 /* beside these: the kernel holds it as it should be */

struct lists_account {
	const struct config_list *config;
	enum config_list_format format; /* as it was read */
	uint64_t entries, in_force;
	uint64_t refused[LIMITS_BAD_TARGET + 1]; /* by enum limits_answer */
	uint64_t unreadable, ignored;            /* records of the file, as last taken */
	struct list_fault faults[LIST_FAULTS_MAX];
	unsigned fault_count;
	uint64_t read_ns;         /* last taken; 0: never */
	uint64_t took_ns;         /* ... from opening the file until it was in force */
	uint64_t until_ns;        /* until when the file need not be there */
	char error[192];          /* why the file cannot be taken; "": it can */
	struct listed_hits http;  /* what the point at HTTP refused by it (enforcer_lists) */
	uint64_t former, dropped; /* at the last change, if that took out suspiciously many; else 0 */
};

struct lists_item {
	struct list *list; /* NULL: never read */
	bool there;        /* its file is, and holds what is in force: it is renewed */
	uint64_t renewed_ns;
	uint64_t next_end_ns; /* the first entry that is due to end; UINT64_MAX: none */
	struct lists_account account;
};

struct lists {
	const struct config *config;
	const struct clock *clock;
	struct lists_item items[CONFIG_LISTS_MAX];
	unsigned count;
};

void lists_init(struct lists *l, const struct config *config, const struct clock *clock);
void lists_deinit(struct lists *l);
bool lists_all_read(const struct lists *l);
/* When the entry ends, by itself or since its file is not there any more; boot clock. */
uint64_t lists_end_ns(const struct lists *l, unsigned list, uint32_t at);
/* Is the kernel to hold it? Not what ended or was refused. */
bool lists_entry_wanted(const struct lists *l, unsigned list, uint32_t at, uint64_t now_ns);
/* The list's account with its entries counted anew; finds next_end_ns. For the thread that changes them. */
struct lists_account lists_recount(struct lists *l, unsigned list);

/* --- what the kernel should have of a target --- */

/* Who an entry of the list is of: its file, or a gateway. */
enum verdict_source lists_source(const struct config_list *list);

/* One entry of the deny maps, without its target. */
struct wanted {
	enum verdict_action action;
	enum verdict_scope scope;
	enum verdict_source source;
	uint64_t end_ns;
};

/* By the lists alone. False: nothing. */
bool lists_wanted(const struct lists *l, const struct prefix *target, uint64_t now_ns, struct wanted *ret);
/* By the desired list's entry (NULL: none) and the lists: the strongest; of equals the one that ends last, as
 * widely as the widest. False: nothing. */
bool lists_wanted_with(const struct lists *l, const struct block *block, const struct prefix *target,
		       uint64_t now_ns, struct wanted *ret);

#endif
