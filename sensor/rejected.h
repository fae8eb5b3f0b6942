/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rejected.h: what a person said no to, so that the same is not asked again for a day: the same source's
 * verdict on the same target, for the same action, on no wider a scope. Another time to live is no other
 * question, since whoever proposes chooses it. Full, what was rejected longest ago goes, and is counted. Not
 * thread safe: the enforcer's lock is held.
 */
#ifndef PICKET_REJECTED_H
#define PICKET_REJECTED_H

#include "lib/verdict.h"

#define REJECTED_MAX 1024
#define REJECTED_NS  (24ull * 3600 * 1000000000)

struct rejected {
	struct prefix target;
	enum verdict_source source;
	enum verdict_action action;
	enum verdict_scope scope;
	char origin[VERDICT_ID_MAX];
	int64_t when_ns; /* boot clock, negative before its start */
};

struct rejected_list { /* zero to begin; a ring */
	struct rejected items[REJECTED_MAX];
	uint64_t changed[REJECTED_MAX / 64]; /* a bit each, since it was last asked for */
	unsigned next;
	uint64_t forgotten;
};

void rejected_put(struct rejected_list *l, const struct verdict *v, uint64_t now_ns);
/* Was it? NULL: no, or that is a day ago. */
const struct rejected *rejected_find(const struct rejected_list *l, const struct verdict *v, uint64_t now_ns);
/* Somebody decided otherwise by hand. */
void rejected_forget(struct rejected_list *l, const struct prefix *target);

/* As regulars_changes (policies/regulars.h); numbers are below REJECTED_MAX. */
size_t rejected_changes(struct rejected_list *l, struct rejected *ret, uint32_t *ret_slots, bool *ret_gone,
			size_t max);
void rejected_change_all(struct rejected_list *l);
/* In the order of when_ns. False: its time is over, or it makes no sense. */
bool rejected_restore(struct rejected_list *l, const struct rejected *record, uint64_t now_ns);

#endif
