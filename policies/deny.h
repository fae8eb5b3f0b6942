/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny.h: writes the deny and allow maps of bpf/abi.h. Only the warden holds their descriptors. Exact
 * addresses go to the hashes, true prefixes to the tries. A full map is DENY_E_FULL, never an eviction.
 */
#ifndef PICKET_DENY_H
#define PICKET_DENY_H

#include "bpf/abi.h"
#include "lib/addr.h"

struct deny_maps {
	int deny4, deny6, deny4p, deny6p, allow4, allow6, hits; /* descriptors, borrowed */
};

enum { DENY_E_FULL = 1, DENY_E_NONE = 2 };

/* deadline_ns: boot clock, rounded up to the second. An existing entry is replaced. */
int deny_put(const struct deny_maps *m, const struct prefix *target, uint64_t deadline_ns,
	     enum pk_action action, enum pk_scope scope, uint8_t source);
int deny_remove(const struct deny_maps *m,
		const struct prefix *target); /* 0 or DENY_E_NONE; its hits go too */
/* What the kernel holds: 0 and the value, or DENY_E_NONE. */
int deny_get(const struct deny_maps *m, const struct prefix *target, struct pk_deny *ret);
int deny_hits(const struct deny_maps *m, const struct prefix *target, struct pk_hit *ret);
struct deny_hit {
	struct prefix target;
	struct pk_hit hit;
};
/*
 * A page of what denied sources lost, in the map's order: up to max entries behind *cursor, which moves on.
 * Zero the cursor to start; it is zero again when the page reached the end. Returns how many, or -errno.
 * Entries that come or go meanwhile may be missed or seen twice.
 */
int deny_hits_page(const struct deny_maps *m, struct pk_hit_key *cursor, struct deny_hit *ret, unsigned max);
/* Calls each for all entries; stops when it returns not 0 and returns that. */
int deny_each(const struct deny_maps *m,
	      int (*each)(void *arg, const struct prefix *target, const struct pk_deny *value), void *arg);
/* Take out entries whose deadline has passed. Returns how many, or -errno. */
int deny_sweep(const struct deny_maps *m, uint64_t now_ns);
int allow_put(const struct deny_maps *m, const struct prefix *net);
int allow_remove(const struct deny_maps *m, const struct prefix *net);

#endif
