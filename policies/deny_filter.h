/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny_filter.h: the filters in front of the deny maps (bpf/abi.h, struct pk_deny_head), written through
 * their mappings. Two halves: the one in force, to which bits are only added, and the one in which the
 * filters are made anew. For deny.c only.
 */
#ifndef PICKET_DENY_FILTER_H
#define PICKET_DENY_FILTER_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include "bpf/abi.h"
#include "lib/addr.h"

struct deny_filter {
	struct pk_deny_head *head;
	uint64_t *bits, *nets;
	size_t half_words; /* of bits; a power of two */
	uint64_t making;   /* what `filter` of the head will be */
};

/* Before anything is known: every map is asked. */
void deny_filter_init(struct deny_filter *f, struct pk_deny_head *head, uint64_t *bits, size_t bits_words,
		      uint64_t *nets);
/* Until the next deny_filter_commit everything is added to a fresh filter, for `entries` exact addresses. */
void deny_filter_begin(struct deny_filter *f, uint32_t entries);
/* ... which is in force from now on. none: nothing was added. */
void deny_filter_commit(struct deny_filter *f, bool none);
/* Before the entry itself. */
void deny_filter_add(struct deny_filter *f, const struct prefix *target);
/* False: that exact address was never added since the filter was made. */
bool deny_filter_may_hold(const struct deny_filter *f, const struct addr *addr);
/* Has it as many words as that many exact addresses should have? */
bool deny_filter_fits(const struct deny_filter *f, uint32_t entries);

/* Takes the beginnings of an allowed network out of pk_allow_none, each word in one store. */
void deny_allow_add(uint64_t none[static 2 * PK_NET_WORDS], const struct prefix *net);

#endif
