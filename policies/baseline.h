/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baseline.h: what is normal on a route, learned: of each rule that asks for it (rules.h, against: baseline)
 * and each route, how much one group (a consumer, or a client) does within the rule's window. Kept is how
 * many groups reached each power of two, so what is normal is known to a factor of two.
 *
 *     normal      the highest level that BASELINE_GROUPS different groups reached, and one in 200 of all
 *     its own     of a group that goes beyond that and did so in BASELINE_HOURS different hours, the latest
 * not long ago: what it did then, for it alone. So a nightly sync is normal, and nobody else may read as
 * much. BASELINE_OWN groups of each rule and route counts      once so many groups were seen and so much time
 * has passed (struct baseline_limits). Before, nothing is judged by it rises       both by one level (a
 * factor of two) in BASELINE_STEP_NS at most, once it counts. What a detection fired on, and what picket
 * denies, does not teach (the caller's part) forgets     in two halves of BASELINE_HALF_NS: what nobody did
 * within them is not normal any more
 *
 * So it can be poisoned by whoever has three accounts and patience, by a factor of two a day, for as long as
 * he stays below what is detected; and by what goes on before it counts. `picket baseline` shows it, and
 * resets it.
 *
 * Bounded: BASELINE_MAX; full, what was not taught longest makes room, counted. Thread safe. Times: boot
 * clock, negative before its start.
 */
#ifndef PICKET_BASELINE_H
#define PICKET_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/addr.h"
#include "lib/span.h"
#include "policies/sketch.h"

#define BASELINE_MAX       4096
#define BASELINE_LEVELS    24 /* the last holds all that is more */
#define BASELINE_GROUPS    3
#define BASELINE_HOURS     10
#define BASELINE_OWN       8
#define BASELINE_STEP_NS   (24ull * 3600 * 1000000000)
#define BASELINE_HALF_NS   (14ull * 24 * 3600 * 1000000000)
#define BASELINE_RULE_MAX  49  /* bytes of a rule's name, with its zero */
#define BASELINE_ROUTE_MAX 257 /* ... of a route */

struct baseline;

struct baseline_limits {
	uint64_t after_ns; /* since a route was first seen */
	unsigned groups;
};

int baseline_new(size_t max, const struct baseline_limits *limits, struct baseline **ret);
void baseline_free(struct baseline *b);
/* Nothing is learned while it is frozen; what is known stays and counts. */
void baseline_freeze(struct baseline *b, bool frozen);
bool baseline_is_frozen(struct baseline *b);

/* The level of a value: 0 for 1, 1 for 2 and 3, 2 for 4 to 7, ... value: at least 1. */
unsigned baseline_level(uint64_t value);
/* A group (an address, a consumer) reached a value within its window, and a level with it that it had not
 * reached. */
void baseline_note(struct baseline *b, const char *rule, struct span route, const struct addr *group,
		   uint64_t value, uint64_t now_ns);
/* Is value more than times as much as is normal, for that group or (NULL) for any? False as well while
 * nothing counts. ret_normal (may be NULL): the most that is normal. */
bool baseline_exceeded(struct baseline *b, const char *rule, struct span route, const struct addr *group,
		       uint64_t value, double times, uint64_t now_ns, uint64_t *ret_normal);
/* Forgets what is known of a route, or with an empty one everything. Returns of how many (rule and route). */
size_t baseline_reset(struct baseline *b, struct span route);

struct baseline_info {
	char rule[BASELINE_RULE_MAX], route[BASELINE_ROUTE_MAX];
	bool counts;
	uint64_t normal;                   /* the most that is; 0: nothing is known */
	uint64_t groups;                   /* different ones: an estimate */
	uint64_t own;                      /* of these have a normal of their own */
	uint64_t reached[BASELINE_LEVELS]; /* how often a group reached that level */
	int64_t first_ns, last_ns, raised_ns;
};
/* A page, as behaviour_list. */
size_t baseline_list(struct baseline *b, uint32_t *cursor, uint64_t now_ns, struct baseline_info *ret,
		     size_t max);

struct baseline_counts {
	size_t held, max;
	bool frozen;
	uint64_t taught, forgotten, no_memory;
};
struct baseline_counts baseline_counts(struct baseline *b);

/* --- what outlives a restart --- */

struct baseline_half {
	uint32_t reached[BASELINE_LEVELS];
	uint64_t groups[BASELINE_LEVELS]; /* a set of bits, by hash */
	uint8_t sketch[SKETCH_SIZE];      /* of all groups */
};

/* What one group does, beyond what is normal. */
struct baseline_own {
	uint64_t group; /* hash; 0: none */
	int64_t last_ns, raised_ns;
	uint32_t hours; /* different ones in which it went beyond */
	uint32_t level;
};

struct baseline_record {
	char rule[BASELINE_RULE_MAX], route[BASELINE_ROUTE_MAX];
	int64_t first_ns, last_ns, raised_ns, half_ns;
	uint32_t level; /* that is normal, plus one; 0: none yet */
	struct baseline_half halves[2];
	struct baseline_own own[BASELINE_OWN];
};

/* The key of the hashes of groups; as regulars_set_key. */
void baseline_set_key(struct baseline *b, const uint64_t key[static 2]);
size_t baseline_changes(struct baseline *b, struct baseline_record *ret, uint32_t *ret_slots, bool *ret_gone,
			size_t max);
void baseline_change_all(struct baseline *b);
bool baseline_restore(struct baseline *b, const struct baseline_record *record);

#endif
