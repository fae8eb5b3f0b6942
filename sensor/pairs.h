/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs.h: the connections that sensor/segments.c follows, found by their two ends: which end is the
 * client's, which of them live, are about to end or have ended, and which have bytes that wait. It gives them
 * their places; what a segment means to one is segments.c's business.
 *
 * Full: whoever adds asks pairs_full first, and removes one. Not thread safe.
 */
#ifndef PICKET_PAIRS_H
#define PICKET_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/abi.h"
#include "lib/span.h"
#include "sensor/reassembly.h"

/* One direction: what one end sends. Offsets count from the first byte seen. */
struct half {
	uint64_t next;     /* offset of the first byte not handed on */
	uint32_t next_seq; /* the same as a sequence number */
	uint32_t first_seq;
	struct reassembly held;
	uint64_t fin;      /* offset behind its last byte, if fin_known */
	uint64_t hole_ns;  /* since when something waits */
	uint64_t acked_ns; /* since when what it waits for is acknowledged; 0: it is not */
	uint32_t acked;    /* the other side's acknowledgment, if ack_known */
	uint32_t urgent;   /* sequence number of the urgent byte, if has_urgent */
	bool has_urgent;
	bool started;  /* next_seq is known */
	bool complete; /* ... from its SYN */
	bool ack_known, fin_known, finished;
	bool unaccepted; /* bytes came with the SYN, and the server has not said yet whether it takes them */
};

/* In the order of their lists: pairs_move puts one at the end. */
enum pairs_list { PAIRS_LIVE, PAIRS_CLOSING, PAIRS_CLOSED, PAIRS_LISTS };

struct pair {
	struct pair *chain, *older, *newer; /* pairs.c's, of the list `list` */
	struct pair *waits_older, *waits_newer;
	struct pk_flow flow; /* as hooks get it, once sides are known */
	uint8_t addr[2][16]; /* network order */
	uint16_t port[2];    /* host order */
	uint16_t family;
	uint8_t list; /* enum pairs_list */
	bool sides_known, opened, waits;
	bool syn, syn_ack, handshake;
	uint8_t client; /* index of the client's half, if sides_known */
	uint32_t syn_seq, reused_isn;
	bool reused; /* a SYN with another ISN came: reused_isn */
	bool acked;  /* by the client, with acked_lost as the number of its latest record */
	uint32_t acked_lost;
	uint64_t last_ns, closing_ns;
	struct half half[2]; /* by address and port, the lower first */
};

/* Fills ret's ends from a header; returns the index of the sender's half. */
unsigned pair_ends(const struct pk_header *h, struct pair *ret);

/* What tells who is who: ports of servers (none: any), and of one segment its flags and first bytes. */
struct pair_hint {
	const uint16_t *ports;
	unsigned port_count;
	unsigned from;  /* index of the sender's half */
	uint16_t flags; /* PK_TCP_* */
	struct span bytes;
};
/* False: neither port is one that is looked at. */
bool pair_find_sides(struct pair *c, const struct pair_hint *hint);

struct pairs;

int pairs_new(unsigned max, struct pairs **ret); /* 0 or -errno */
void pairs_free(struct pairs *t);                /* of those in it, too: their halves are empty */
/* The one with key's ends. NULL: none. */
struct pair *pairs_find(const struct pairs *t, const struct pair *key);
bool pairs_full(const struct pairs *t);
/* Takes c, which lives from now on. */
void pairs_add(struct pairs *t, struct pair *c);
/* Frees c, whose halves are empty. */
void pairs_remove(struct pairs *t, struct pair *c);
void pairs_move(struct pairs *t, struct pair *c, enum pairs_list list);
struct pair *pairs_oldest(const struct pairs *t, enum pairs_list list); /* NULL: the list is empty */
/* Those with bytes behind a hole, by when that began: the oldest; the next is waits_newer. */
void pairs_set_waiting(struct pairs *t, struct pair *c, bool waits);
struct pair *pairs_waiting(const struct pairs *t);

#endif
