/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regulars.h: who is served here regularly, and from where: what a block would take from whom. A regular is a
 * consumer (the credential of a request, as event_request.consumer has it) at an address, in IPv6 at a /64,
 * whose requests the server answered with 2xx: so many times, over so long a time, the last not too long ago.
 *
 * So clients cannot make up regulars: a token that the server refuses counts for nothing, however many there
 * are, nor does a User-Agent. Where the server serves those without a credential, too, a 2xx says nothing of
 * a credential: the answers of such a place (route and method) do not count, from the first 2xx without one
 * on and for as long as a regular is remembered. Nor do those of no route that is known, since a client
 * chooses paths.
 *
 * Full: who is not yet a regular makes room, idle longest first; were all of them regulars, nobody new is
 * taken. One address has REGULARS_OF_ONE at most; a further one of it is not taken. All of it is counted.
 * Kept are keyed hashes only. What is remembered can be asked for as it changes, and be given back
 * after a restart (regulars_changes, regulars_restore). Thread safe: whoever has the events notes, the guard
 * asks.
 */
#ifndef PICKET_REGULARS_H
#define PICKET_REGULARS_H

#include "lib/config.h"
#include "lib/event.h"

struct regulars;

struct regulars_limits {
	unsigned requests;  /* answered with 2xx, at least */
	uint64_t span_ns;   /* from the first to the latest of them, at least */
	uint64_t within_ns; /* the latest is no older */
};

struct regulars_limits regulars_limits_of(const struct config *config); /* guard.good_* */

struct regulars_share {
	size_t here; /* regulars that a block of the target would hit */
	size_t all;  /* that there are */
};

struct regulars_counts {
	size_t regulars, newcomers;
	uint64_t forgotten; /* newcomers that made room */
	uint64_t refused;   /* 2xx of consumers for whom there was no room */
	uint64_t open;      /* 2xx with a credential that did not count: who has none is served there, too */
};

#define REGULARS_MAX    16384
#define REGULARS_OF_ONE 1024
#define REGULARS_PLACES 4096 /* where who has no credential is served, too */

/* max: regulars and newcomers together. 0 or -errno. */
int regulars_new(size_t max, const struct regulars_limits *limits, struct regulars **ret);
void regulars_free(struct regulars *r);
/* http.request events whose answer was seen; others are ignored. */
void regulars_note(struct regulars *r, const struct event *e);
/* Of an IPv6 target that is narrower than a /64: those of its /64. */
struct regulars_share regulars_share(struct regulars *r, const struct prefix *target, uint64_t now_ns);
struct regulars_counts regulars_counts(struct regulars *r);

/* --- what outlives a restart --- */

/* Times: boot clock, negative before its start. */
struct regulars_record {
	struct prefix who; /* an IPv4 address, or an IPv6 /64 */
	uint64_t consumer; /* hash, by the key */
	int64_t first_ns, last_ns;
	uint32_t served;
};

struct regulars_place {
	uint64_t place; /* hash, by the key */
	int64_t last_ns;
};

/* The key of the hashes: a random one, or that of what is restored, which is set before anything is noted. */
void regulars_key(struct regulars *r, uint64_t ret[static 2]);
void regulars_set_key(struct regulars *r, const uint64_t key[static 2]);
/*
 * Up to max that changed since they were last asked for, each by its number, below the max of regulars_new
 * (REGULARS_PLACES); gone: there is none of that number any more. While it has not changed otherwise, who is
 * served is told again each minute. Returns how many.
 */
size_t regulars_changes(struct regulars *r, struct regulars_record *ret, uint32_t *ret_slots, bool *ret_gone,
			size_t max);
size_t regulars_place_changes(struct regulars *r, struct regulars_place *ret, uint32_t *ret_slots,
			      size_t max);
void regulars_change_all(struct regulars *r); /* all of it counts as changed */
/* In the order of last_ns. False: its time is over, there is no room, or it makes no sense. */
bool regulars_restore(struct regulars *r, const struct regulars_record *record, uint64_t now_ns);
bool regulars_place_restore(struct regulars *r, const struct regulars_place *record, uint64_t now_ns);

#endif
