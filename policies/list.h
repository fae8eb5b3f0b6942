/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.h: block lists as files bring them: bytes in, a sorted list without doubles out, 12 bytes for an IPv4
 * entry and 24 for an IPv6 one. Pure functions; who reads the file and who acts on it are elsewhere
 * (sensor/lists.h).
 *
 * Addresses are read strictly. A record that cannot be read is counted and left out, the first few are told
 * with their place. A file that is not of its format at all gives nothing, and one that is too large or holds
 * too many entries is refused as a whole.
 */
#ifndef PICKET_LIST_H
#define PICKET_LIST_H

#include "lib/addr.h"
#include "lib/config.h"
#include "lib/span.h"

#define LIST_ENTRIES_MAX    4000000u
#define LIST_TEXT_BYTES_MAX (256u << 20) /* plain text and CSV */
#define LIST_JSON_BYTES_MAX (64u << 20)  /* its tree takes about eight times that while it is read */

/* mark: the owner's (sensor/lists.h); 0 when the list is made. end_s: wall clock, 0: no end of its own. */
struct list4 {
	uint32_t addr; /* of the host's byte order: sorted by it, then by bits */
	uint32_t end_s;
	uint8_t bits, mark, pad[2];
};
struct list6 {
	uint8_t addr[16];
	uint32_t end_s;
	uint8_t bits, mark, pad[2];
};
_Static_assert(sizeof(struct list4) == 12 && sizeof(struct list6) == 24, "what a million entries cost");

/* Entries are numbered from 0: the IPv4 ones, then the others. */
struct list {
	struct list4 *v4;
	struct list6 *v6;
	uint32_t count4, count6;
	uint64_t lengths[2][3]; /* which prefix lengths there are, by family: for list_match */
};

#define LIST_FAULTS_MAX 5
#define LIST_QUOTE_MAX  48
struct list_fault {
	uint64_t at;                /* line of a text, record of a JSON document; from 1 */
	const char *why;            /* static */
	char quote[LIST_QUOTE_MAX]; /* what stands there: printable ASCII, the rest as '?' */
};

struct list_report {
	enum config_list_format format; /* as it was taken; AUTO: it could not be told */
	uint64_t unreadable;            /* records */
	uint64_t ignored;               /* records that are no wish to block an address */
	uint64_t ended;                 /* entries whose end had passed */
	uint64_t doubles;
	struct list_fault faults[LIST_FAULTS_MAX];
	unsigned fault_count;
	char error[128]; /* why it was refused as a whole; "": it was not */
};

struct list_times {
	uint64_t now_s;     /* wall clock */
	uint64_t written_s; /* when the file was: what remains in it (CrowdSec's duration) is counted from
			       then */
};

enum {
	LIST_E_REFUSED = 1, /* as a whole: see error */
};

/* 0, LIST_E_REFUSED, or -ENOMEM. *report is filled in any case. *ret: list_free it. */
int list_parse(struct span bytes, enum config_list_format format, const struct list_times *times,
	       struct list **ret, struct list_report *report);
void list_free(struct list *l);
/* What a file of this format may be long; bytes: its beginning, as far as it is known. */
uint64_t list_bytes_max(enum config_list_format format, struct span bytes);
const char *list_format_name(enum config_list_format format); /* "auto", "plain", "crowdsec", ... */

static inline uint32_t list_count(const struct list *l)
{
	return l ? l->count4 + l->count6 : 0;
}
struct prefix list_target(const struct list *l, uint32_t at);
uint32_t list_end_s(const struct list *l, uint32_t at);
/* One thread sets marks; others may get them meanwhile. */
uint8_t list_mark_get(const struct list *l, uint32_t at);
void list_mark_set(struct list *l, uint32_t at, uint8_t mark);
/* Has any entry of that family that prefix length? */
static inline bool list_has_length(const struct list *l, uint8_t family, unsigned bits)
{
	return l->lengths[family == ADDR_IPV6][bits >> 6] >> (bits & 63) & 1;
}
#define LIST_NONE UINT32_MAX
/* Exactly this target, or LIST_NONE. A NULL list is empty, here and below. */
uint32_t list_find(const struct list *l, const struct prefix *target);
/* The entry with the longest prefix that covers it, or LIST_NONE. */
uint32_t list_match(const struct list *l, const struct addr *addr);

enum list_difference { LIST_SAME, LIST_ADDED, LIST_REMOVED, LIST_END_CHANGED };
/* Ends that differ by no more than this are the same: clocks are read at different times. */
#define LIST_END_SLACK_S 2
/*
 * Walks both in their order and calls each for every target. before, after: its numbers there, LIST_NONE
 * where it is not. Stops when each returns not 0 and returns that.
 */
int list_diff(const struct list *before, const struct list *after,
	      int (*each)(void *arg, enum list_difference difference, uint32_t before_at, uint32_t after_at),
	      void *arg);

#endif
