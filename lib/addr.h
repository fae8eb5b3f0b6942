/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr.h: IP addresses and prefixes as values. An IPv4-mapped IPv6 address is always held as IPv4, so that
 * one client has one address. Bytes are in network order; an IPv4 address stands in the first four, the rest
 * is zero.
 */
#ifndef PICKET_ADDR_H
#define PICKET_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/span.h"

enum { ADDR_NONE = 0, ADDR_IPV4 = 4, ADDR_IPV6 = 6 };

struct addr {
	uint8_t family; /* ADDR_* */
	uint8_t bytes[16];
};

struct endpoint {
	struct addr addr;
	uint16_t port;
};

struct prefix {
	struct addr addr; /* host bits zero */
	uint8_t bits;
	uint16_t route; /* of a target that is limited to one (lib/target.h), else 0 */
};
_Static_assert(sizeof(struct prefix) == 20, "nothing lies between its members: it is hashed as it stands");

#define ADDR_TEXT_MAX   46  /* INET6_ADDRSTRLEN */
#define PREFIX_TEXT_MAX 306 /* 50, and a route behind it */

enum { ADDR_E_SYNTAX = 1, ADDR_E_HOST_BITS = 2 };

/* 0 or ADDR_E_SYNTAX. Strict: no leading zeros, no zone, no surrounding space. */
int addr_parse(struct span text, struct addr *ret);
/* family: AF_INET or AF_INET6 as the kernel writes it; anything else gives ADDR_NONE. Mapped IPv6 becomes
 * IPv4. */
struct addr addr_from_bytes(int family, const uint8_t *bytes);
/* RFC 5952 text. Returns buf; ADDR_NONE gives "". */
const char *addr_format(const struct addr *a, char buf[static ADDR_TEXT_MAX]);
bool addr_equal(const struct addr *a, const struct addr *b);
uint64_t addr_hash(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
bool addr_is_unspecified(const struct addr *a);
static inline uint8_t addr_bits(const struct addr *a)
{
	return a->family == ADDR_IPV4 ? 32 : 128;
}

/* "192.0.2.0/24", or an address alone (all bits). ADDR_E_HOST_BITS: bits beyond the length are set. */
int prefix_parse(struct span text, struct prefix *ret);
const char *
prefix_format(const struct prefix *p,
	      char buf[static PREFIX_TEXT_MAX]); /* an exact one without "/32"; see lib/target.h */
struct prefix prefix_of(const struct addr *a, uint8_t bits); /* host bits cleared */
bool prefix_contains(const struct prefix *p, const struct addr *a);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
static inline bool prefix_is_exact(const struct prefix *p)
{
	return p->bits == addr_bits(&p->addr);
}

#endif
