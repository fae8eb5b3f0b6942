/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blocks.h: the desired list: what should be denied, until when, and why. The warden makes the kernel equal
 * to it. One entry per target; the longest deadline wins, an earlier one never shortens it. Bounded by
 * limits.blocks_max. Not thread safe: the enforcer's lock is held.
 */
#ifndef PICKET_BLOCKS_H
#define PICKET_BLOCKS_H

#include "lib/verdict.h"

struct blocks;

struct block {
	struct verdict verdict;         /* the one in force */
	uint64_t since_ns, deadline_ns; /* boot clock */
	/* Written by the owner of the list, through the pointers that the functions below give. */
	uint64_t installed_ns;            /* the deny map held it */
	uint64_t revert_ns;               /* --confirm-within: unblock then unless confirmed; 0 = none */
	uint32_t seen;                    /* enforcer: the reconciliation that last found it in the kernel */
	uint64_t packets, bytes, last_ns; /* what the kernel dropped, as last read */
	uint64_t closed;                  /* open connections ended */
};

enum { BLOCKS_E_FULL = 1, BLOCKS_E_NONE = 2, BLOCKS_E_SHORTER = 3 /* the entry there lasts longer: kept */ };

int blocks_new(unsigned max, struct blocks **ret);
void blocks_free(struct blocks *b);
/*
 * 0 added or extended, BLOCKS_E_SHORTER, BLOCKS_E_FULL, -ENOMEM, -EINVAL (target is no prefix). ret_entry
 * (may be NULL): valid until the next change; with BLOCKS_E_SHORTER it is the entry that was kept. A
 * revert_ns written through the pointer last given counts from the next call on; through an older pointer it
 * would be missed.
 *
 * An extension keeps since_ns, installed_ns and the counters, takes the new verdict, and drops a pending
 * revert: the verdict on trial is no longer the one in force. But one of a lower rank (operator, local,
 * gateway) only adds time: owner and revert stay. It never narrows the scope: host stays host. An
 * entry whose deadline has passed but that was not taken out yet counts as none: the new one starts afresh in
 * its place.
 */
int blocks_put(struct blocks *b, const struct verdict *v, uint64_t now_ns, struct block **ret_entry);
int blocks_remove(struct blocks *b, const struct prefix *target);         /* 0 or BLOCKS_E_NONE */
struct block *blocks_find(struct blocks *b, const struct prefix *target); /* exactly this target */
struct block *blocks_match(struct blocks *b, const struct addr *addr);    /* most specific that covers it */
/* Takes out the first entry whose deadline (or revert time) has passed: 0 and a copy, or BLOCKS_E_NONE. */
int blocks_expire(struct blocks *b, uint64_t now_ns, struct block *ret);
uint64_t blocks_next_deadline(const struct blocks *b); /* 0: none */
size_t blocks_count(const struct blocks *b);
/* Calls each in no order; each must not change the list. */
void blocks_each(const struct blocks *b, void (*each)(void *arg, const struct block *block), void *arg);

#endif
