/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blocks.h: the desired list: what should be denied, until when, and why. The warden makes the kernel equal
 * to it. One entry per target, made of claims: what each source asked for, each gateway apart. A target is
 * blocked as long as the longest of its claims, first by the strongest; taking one back leaves the others. Of
 * one claim the longest deadline wins, an earlier one never shortens it. Bounded by limits.blocks_max entries
 * of BLOCKS_CLAIMS_MAX claims. Not thread safe: the enforcer's lock is held.
 */
#ifndef PICKET_BLOCKS_H
#define PICKET_BLOCKS_H

#include "lib/verdict.h"

#define BLOCKS_CLAIMS_MAX 8
#define BLOCKS_ADOPTED    "adopted" /* origin of what was found in the kernel */

struct blocks;

/* What one source asked for. All times: boot clock. */
struct block_claim {
	struct verdict verdict;
	uint64_t since_ns, deadline_ns;
	uint64_t revert_ns; /* --confirm-within: ends then unless confirmed; 0: not on trial */
};

/* What is in force of a target. Its words are told by blocks_tell. */
struct block {
	/* Of the strongest claim (block, reset, rate_limit, shadow), of equals the one that ends last, a
	 * trial's end counting as its end; scope: the widest of those of that strength, or, if it drops all,
	 * of all that do. */
	struct {
		struct prefix target;
		enum verdict_source source;
		enum verdict_action action;
		enum verdict_scope scope;
	} verdict;
	uint64_t deadline_ns, revert_ns;
	uint64_t since_ns; /* blocked without a break */
	unsigned claims;
	/* Written by the owner of the list, through the pointers that the functions below give. */
	uint32_t seen;                    /* enforcer: the reconciliation that last found it in the kernel */
	uint64_t installed_ns;            /* the deny map held it */
	uint64_t packets, bytes, last_ns; /* what the kernel dropped, as last read */
	uint64_t closed;                  /* open connections ended */
};

/* A copy, with the words of the claim that is in force. */
struct block_told {
	struct verdict verdict;
	uint64_t deadline_ns, revert_ns;
	uint64_t since_ns;
	unsigned claims;
	uint64_t installed_ns;
	uint64_t packets, bytes, last_ns;
	uint64_t closed;
	bool http;         /* in force at HTTP alone (enforcer_blocks, enforcer_why) ... */
	bool published;    /* ... where now nobody does it: only others can, by picket export */
	uint64_t requests; /* what the point at HTTP refused (there, too) */
};

enum { BLOCKS_E_FULL = 1, BLOCKS_E_NONE = 2, BLOCKS_E_SHORTER = 3 /* its claim there lasts longer: kept */ };

int blocks_new(unsigned max, struct blocks **ret);
void blocks_free(struct blocks *b);
/* Until when the kernel is to do what it says: a block on trial ends there by itself, also when we are gone.
 */
uint64_t block_end_ns(const struct block *block);
uint64_t block_told_end_ns(const struct block_told *block);
/* block: of a list, as its functions gave it. */
void blocks_tell(const struct block *block, struct block_told *ret);
/*
 * 0 added or extended, BLOCKS_E_SHORTER, BLOCKS_E_FULL (of entries, or of claims on this one), -ENOMEM,
 * -EINVAL (target is no prefix). revert_ns: 0, or when the claim ends unless confirmed. ret (may be NULL):
 * valid until the next change.
 *
 * An extension takes the new verdict and drops a pending revert: what was on trial is no longer in force. It
 * never narrows the claim's scope: host stays host. A stronger or weaker action is no extension: it takes the
 * claim's place, however long it lasts. An entry whose claims all ended but were not taken out
 * yet counts as none: the new one starts afresh in its place. A claim whose origin is "adopted", whose true
 * one is not known any more, is taken over by the first of the same source.
 */
int blocks_put(struct blocks *b, const struct verdict *v, uint64_t revert_ns, uint64_t now_ns,
	       struct block **ret);
int blocks_remove(struct blocks *b, const struct prefix *target); /* all claims: 0 or BLOCKS_E_NONE */
/* The claim of the source, and origin, of v on its target: 0 and a copy, or BLOCKS_E_NONE. */
int blocks_claim(const struct blocks *b, const struct verdict *v, struct block_claim *ret);
/*
 * Takes that claim back, or, if `instead` is given, puts that in its place. 0 and what is left of the entry
 * (NULL: nothing), BLOCKS_E_NONE, or -ENOMEM: nothing was put in its place.
 */
int blocks_withdraw(struct blocks *b, const struct verdict *v, const struct block_claim *instead,
		    struct block **ret_left);
/*
 * The entry as it was told earlier, with claims of one target, oldest first, which has none yet (it is not
 * looked for): for who reads back what outlived a restart. Of two claims of one source the first counts. 0,
 * BLOCKS_E_FULL, -ENOMEM, -EINVAL; then there is no entry. ret as in blocks_put.
 */
int blocks_restore(struct blocks *b, const struct block_claim *claims, unsigned count, struct block **ret);
/* The operator's block is no longer on trial: 0 and the entry, or BLOCKS_E_NONE. */
int blocks_confirm(struct blocks *b, const struct prefix *target, struct block **ret);
struct block *blocks_find(struct blocks *b, const struct prefix *target); /* exactly this target */
struct block *blocks_match(struct blocks *b, const struct addr *addr);    /* most specific that covers it */
/* Copies up to BLOCKS_CLAIMS_MAX claims, oldest first; returns how many. */
unsigned blocks_claims(const struct blocks *b, const struct prefix *target, struct block_claim *ret);
/*
 * Takes out the first claim whose deadline (or revert time) has passed: 0, or BLOCKS_E_NONE. ret: the entry
 * as that claim alone would make it; ret_left: what is left of it (NULL: nothing).
 */
int blocks_expire(struct blocks *b, uint64_t now_ns, struct block_told *ret, struct block **ret_left);
uint64_t blocks_next_deadline(const struct blocks *b); /* of any claim; 0: none */
size_t blocks_count(const struct blocks *b);
/* Entries of exact addresses of that family. */
size_t blocks_count_exact(const struct blocks *b, uint8_t family);
/* Claims of the source, and origin if it is a gateway, of v. */
size_t blocks_count_of(const struct blocks *b, const struct verdict *v);
/*
 * Targets of entries, a page each time: zero the cursor to start; 0 is the end. The list may change between
 * two pages: what is in it all the while is met, and met once. max: BLOCKS_PAGE_MIN at least.
 */
#define BLOCKS_PAGE_MIN 64
size_t blocks_page(const struct blocks *b, size_t *cursor, struct prefix *ret, size_t max);
/* Calls each in no order; each must not change the list. */
void blocks_each(const struct blocks *b, void (*each)(void *arg, const struct block *block), void *arg);

#endif
