/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny.h: writes the deny and allow maps of bpf/abi.h, and the filters in front of them. Only the warden
 * holds their descriptors. Exact addresses go to the hashes, which grow as needed (a larger one is filled and
 * then put in the smaller one's place), true prefixes to the tries. A full map is DENY_E_FULL, never an
 * eviction. Not thread safe.
 */
#ifndef PICKET_DENY_H
#define PICKET_DENY_H

#include "bpf/abi.h"
#include "lib/addr.h"

struct deny_maps {                                                                    /* all borrowed */
	int deny4, deny6, deny4_set, deny6_set, deny4p, deny6p, allow4, allow6, hits; /* descriptors */
	/* mappings; bits_words: a power of two */
	struct pk_deny_head *head;
	uint64_t *bits, *nets, *allow_none;
	size_t bits_words;
	/* Told of a hash (family ADDR_*) that takes the place of a smaller one: before it does, and after.
	 * NULL: nobody. */
	void (*replaced)(void *arg, uint8_t family, int fd, bool done);
	void *arg;
};

struct deny;

enum { DENY_E_FULL = 1, DENY_E_NONE = 2 };

/* Takes up what the maps hold. max: entries of each map. 0, -ENOMEM, or another -errno. */
int deny_new(const struct deny_maps *maps, uint32_t max, struct deny **ret);
void deny_free(struct deny *d);

/* How many words of pk_deny_bits it takes for lists of that length. */
size_t deny_filter_words(uint32_t max);

/* What PK_ACT_RATE lets pass: packets a second and source, and this many at once. 0 a second: everything. */
void deny_rate_set(struct deny *d, uint32_t per_second, uint32_t burst);

/* deadline_ns: boot clock, rounded up to the second. An existing entry is replaced. */
int deny_put(struct deny *d, const struct prefix *target, uint64_t deadline_ns, enum pk_action action,
	     enum pk_scope scope, uint8_t source);
struct deny_entry {
	struct prefix target;
	struct pk_deny value; /* bits is filled in */
};
/*
 * The same for many at once, a million in about a second. 0, DENY_E_FULL (what found room is in; full, if not
 * NULL: one for each entry, set for those that did not), -EINVAL (nothing is), or another -errno.
 */
int deny_load(struct deny *d, const struct deny_entry *entries, size_t count, bool *full);
/* Room for so many exact addresses in all, or as many as there may be: a list that comes in parts then does
 * not grow by steps. 0 or -errno; what was there stays in force. */
int deny_reserve(struct deny *d, uint32_t exact4, uint32_t exact6);
/*
 * Puts what other maps of the same shapes hold, those of an earlier daemon, beside what is there; -1: there
 * is no such map. Returns how many entries, as far as there is room, or -errno.
 */
int deny_copy(struct deny *d, int deny4, int deny6, int deny4p, int deny6p);
/* The hash of exact addresses of that family that is in force; borrowed until the next change. */
int deny_exact_fd(const struct deny *d, uint8_t family);
int deny_remove(struct deny *d, const struct prefix *target); /* 0 or DENY_E_NONE; its hits go too */
/* What the kernel holds: 0 and the value, or DENY_E_NONE. */
int deny_get(const struct deny *d, const struct prefix *target, struct pk_deny *ret);
/* By which entry a packet of that address is judged: itself, else the longest prefix. 0 or DENY_E_NONE. */
int deny_match(const struct deny *d, const struct addr *addr, struct pk_deny *ret);
/* Entries, as far as they were put and taken out here; counted anew by deny_each. */
uint32_t deny_count(const struct deny *d);
int deny_hits(const struct deny *d, const struct prefix *target, struct pk_hit *ret);
struct deny_hit {
	struct prefix target;
	struct pk_hit hit;
};
/*
 * A page of what denied sources lost, in the map's order: up to max entries behind *cursor, which moves on.
 * Zero the cursor to start; it is zero again when the page reached the end. Returns how many, or -errno.
 * Entries that come or go meanwhile may be missed or seen twice.
 */
int deny_hits_page(const struct deny *d, struct pk_hit_key *cursor, struct deny_hit *ret, unsigned max);
/* Calls each for all entries; stops when it returns not 0 and returns that. each must not change the maps. */
int deny_each(struct deny *d,
	      int (*each)(void *arg, const struct prefix *target, const struct pk_deny *value), void *arg);
/* Take out entries whose deadline has passed. Returns how many, or -errno. */
int deny_sweep(struct deny *d, uint64_t now_ns);
int allow_put(struct deny *d, const struct prefix *net);
int allow_remove(struct deny *d, const struct prefix *net);
/* After changes: where nothing is allowed any more, packets do not ask. 0 or -errno; then they ask. */
int allow_settle(struct deny *d);

#endif
