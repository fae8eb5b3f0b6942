/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.h: the hard limits that only the configuration file sets. The warden asks them for every change,
 * whoever wants it; the guard asks them first, to give the reason early. Pure functions over what is passed
 * in.
 */
#ifndef PICKET_LIMITS_H
#define PICKET_LIMITS_H

#include "lib/config.h"
#include "lib/verdict.h"

enum limits_answer {
	LIMITS_OK = 0,
	LIMITS_PROTECTED = 1, /* overlaps a protected network */
	LIMITS_PREFIX_TOO_SHORT,
	LIMITS_TTL_TOO_LONG,
	LIMITS_TTL_INVALID, /* 0 */
	LIMITS_RATE,        /* inserts per second */
	LIMITS_FULL,        /* the deny map holds blocks_max: the warden's answer, never given here */
	LIMITS_BAD_TARGET,  /* no address, bits beyond its family, host bits set, IPv4 written as IPv6 */
};
const char *limits_answer_name(enum limits_answer a); /* "ok", "protected_network", "prefix_too_short", ... */

/* One protected network and why, e.g. "loopback", "own address", "default gateway", "resolver", "gateway
 * endpoint", "login session", "configured", "peer of picket". */
struct protected_net {
	struct prefix net;
	char why[32];
};

struct protected_set {
	struct protected_net *items;
	size_t count, size;
};

#define PROTECTED_MAX 65536 /* entries a set may hold; beyond, protected_set_add answers -E2BIG */

void protected_set_free(struct protected_set *s);
/* 0, -ENOMEM, -E2BIG, -EINVAL (not an address). An entry that is there already is not added again. */
int protected_set_add(struct protected_set *s, const struct prefix *net, const char *why);
/* The entry that overlaps target, or NULL. */
const struct protected_net *protected_set_find(const struct protected_set *s, const struct prefix *target);

/*
 * The same networks as ranges that do not overlap, in their order: for many questions one after the other, of
 * which few are answered yes. Zero it first.
 */
struct protected_ranges {
	struct protected_range *items;
	size_t count;
};
int protected_ranges_make(const struct protected_set *s, struct protected_ranges *ret); /* 0 or -ENOMEM */
void protected_ranges_free(struct protected_ranges *r);
/* Would protected_set_find find something? */
bool protected_ranges_overlap(const struct protected_ranges *r, const struct prefix *target);

struct limits {
	const struct config *config;
	/* token bucket of inserts: one second's worth may come at once */
	uint64_t bucket_ns;
	double tokens;
};

void limits_init(struct limits *l, const struct config *config);
/*
 * May this block be installed now? Of a protected consumer (limits.protect_consumers), which is set to NULL.
 * Takes one token if so. which (may be NULL) is set to the protected network in the way. Operator's own
 * blocks face the same limits.
 */
enum limits_answer limits_check(struct limits *l, const struct protected_set *protect,
				const struct prefix *target, uint64_t ttl_ms, uint64_t now_ns,
				const struct protected_net **which);
/* The same without the insert rate: takes no token. */
enum limits_answer limits_check_target(const struct config *config, const struct protected_set *protect,
				       const struct prefix *target, uint64_t ttl_ms,
				       const struct protected_net **which);

#endif
