/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buckets.h: leaky buckets, one for each rule and group of clients, in a table of fixed capacity; full, the
 * one idle longest is forgotten and counted. What is poured in, and what follows when one runs over, is the
 * owner's: detect.c (requests), packet_watch.c (TCP headers).
 *
 * Nothing is kept of what is counted but keyed hashes. Times are of the boot clock. Not thread safe; the
 * counters may be read from other threads.
 */
#ifndef PICKET_BUCKETS_H
#define PICKET_BUCKETS_H

#include <stdbool.h>
#include <sys/queue.h>
#include "lib/addr.h"
#include "lib/span.h"
#include "policies/table.h"

struct bucket_key {
	struct prefix group;
	uint64_t place; /* ... at one route: a hash of it; 0: everywhere */
	uint16_t rule;
};

/* What a bucket of a rule holds. */
struct bucket_limit {
	unsigned threshold; /* it runs over on the threshold-th, unless one has leaked by then */
	uint64_t window_ns; /* distinct values: how long each counts */
	uint64_t leak_ns;   /* one leaks in this time */
	unsigned keep;      /* distinct values: so many are remembered, if more than threshold */
};

struct bucket_level {
	double level; /* what has not leaked yet, at level_ns */
	uint64_t level_ns;
};

/* Of a value that was poured as different: how often, since it was last not among them; and when it was last
 * told (0: never), which is the owner's. */
struct bucket_value {
	unsigned times;
	uint64_t told_ns;
};

/* A value seen, for rules that count each once. */
struct bucket_seen {
	uint64_t hash, when_ns;
	uint64_t sure_ns; /* when last as sure; 0: never */
	struct bucket_value value;
};

/* First member of the owner's own struct. */
struct bucket {
	struct table_node node;
	TAILQ_ENTRY(bucket) age;
	struct bucket_key key;
	struct bucket_level all, sure; /* sure: of them those that were poured as such */
	struct bucket_seen *seen;      /* distinct values */
	unsigned seen_count, seen_size;
};
TAILQ_HEAD(bucket_list, bucket);

struct buckets {
	struct table table;
	struct bucket_list by_age; /* idle longest first */
	size_t item, max;
	uint64_t held, forgotten, no_memory;
	void (*forget)(void *arg, struct bucket *b); /* one is about to make room; may be NULL */
	void *arg;
};

/* item: bytes of the owner's struct. 0 or -errno. buckets_deinit takes a zeroed or failed one, too. */
int buckets_init(struct buckets *b, size_t item, size_t max);
void buckets_deinit(struct buckets *b);

/* One IPv6 client has 2^64 addresses to hide among, so they are one group; link-local ones are one machine
 * each. */
struct prefix bucket_group(const struct addr *client);

/* The bucket of a rule for a group, made if need be (then *ret_fresh, and the owner's part is zero); it is
 * now the youngest. NULL: memory was out, which is counted. */
struct bucket *buckets_get(struct buckets *b, uint16_t rule, const struct prefix *group, uint64_t now_ns,
			   bool *ret_fresh);
struct bucket *buckets_get_at(struct buckets *b, uint16_t rule, const struct prefix *group, uint64_t place,
			      uint64_t now_ns, bool *ret_fresh);
/* The same, or NULL where there is none. */
struct bucket *buckets_find(const struct buckets *b, uint16_t rule, const struct prefix *group);

/* One more. True: it runs over. */
bool bucket_pour(struct bucket *b, const struct bucket_limit *limit, uint64_t now_ns);
/* Likewise; sure says what is poured. ret_sure: with what was poured as sure alone, too. */
bool bucket_pour_as(struct bucket *b, const struct bucket_limit *limit, bool sure, uint64_t now_ns,
		    bool *ret_sure);
/* Is there room for one more, without its holding more than the threshold? */
bool bucket_has_room(struct bucket *b, const struct bucket_limit *limit, uint64_t now_ns);
/* n less. */
void bucket_take(struct bucket *b, const struct bucket_limit *limit, unsigned n, uint64_t now_ns);
/* Different values: true if as many as the threshold were seen within the window. */
bool bucket_pour_distinct(struct buckets *all, struct bucket *b, const struct bucket_limit *limit,
			  struct span value, uint64_t now_ns);
bool bucket_pour_distinct_as(struct buckets *all, struct bucket *b, const struct bucket_limit *limit,
			     struct span value, bool sure, uint64_t now_ns, bool *ret_sure);
void bucket_empty(struct bucket *b);
/* Values as they were seen before a restart, into a fresh bucket. False: no memory. */
bool bucket_restore_seen(struct bucket *b, const struct bucket_seen *seen, unsigned count);
/* Is there no room for a further value but that of an older one? */
bool bucket_is_full(const struct bucket *b, const struct bucket_limit *limit, uint64_t now_ns);
/* NULL: the value is not there. */
struct bucket_value *bucket_value(struct buckets *all, struct bucket *b, struct span value);

#endif
