/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.h: what a verdict is about. An address or a prefix, or what only a proxy that asks can tell of a
 * request (docs/decide.md):
 *
 *     consumer:c_01f3a9c2d4b5e60718: the keyed hash of a credential, as events show it
 *     (policies/redact_hash.h)
 *
 *     ja4:t13d1516h2_8daaf6152771_b186095e22b6: a TLS fingerprint (FoxIO's JA4)
 *
 * Each of these may be limited to a route (lib/target_route.h):
 *
 *     192.0.2.7@/login, 203.0.113.0/24@/users/{id}, consumer:c_01f3a9c2d4b5e60718@/orders
 *
 * All of them are a struct prefix, whose family says what it is: a key of 16 bytes, compared whole. So all
 * that keeps, counts and compares targets is the same for each of them. target_is_net asks where only an
 * address will do; nothing but target_parse makes one of the others from text, and the warden refuses them.
 * A route is a number beside it, and a bit in the family, so that who knows nothing of routes meets a family
 * that it does not know, instead of an address that would be denied everything.
 */
#ifndef PICKET_TARGET_H
#define PICKET_TARGET_H

#include "lib/addr.h"
#include "lib/target_route.h"

/* Beside ADDR_*, in addr.family; they stand in the journal. TARGET_ROUTED is added to any of them. */
enum { TARGET_CONSUMER = 16, TARGET_JA4 = 17, TARGET_ROUTED = 32 };

enum { TARGET_E_ROUTES = TARGET_ROUTE_E_FULL }; /* beside ADDR_E_*: there is no room for a further route */

/* As above, or as prefix_parse reads it: 0, ADDR_E_SYNTAX, ADDR_E_HOST_BITS, TARGET_E_ROUTES. Strict: one
 * text a target. */
int target_parse(struct span text, struct prefix *ret);
/* Without the word in front of it: 0 or ADDR_E_SYNTAX. */
int target_parse_consumer(struct span text, struct prefix *ret);
int target_parse_ja4(struct span text, struct prefix *ret);
/* The same target on that route, which is a new one only while there are fewer than `most`: 0, ADDR_E_SYNTAX
 * or TARGET_E_ROUTES. */
int target_limit(const struct prefix *who, struct span route, unsigned most, struct prefix *ret);
/* Of what is no net; for prefix_format, which writes every target. */
void target_format(const struct prefix *p, char buf[static PREFIX_TEXT_MAX]);

static inline bool target_is_net(const struct prefix *p)
{
	return p->addr.family == ADDR_IPV4 || p->addr.family == ADDR_IPV6;
}
/* Is it one of the others, as target_parse makes them? */
bool target_is_key(const struct prefix *p);

static inline bool target_is_routed(const struct prefix *p)
{
	return p->addr.family & TARGET_ROUTED;
}
/* Who is meant, on whatever route. */
static inline struct prefix target_who(const struct prefix *p)
{
	struct prefix who = *p;

	who.addr.family &= (uint8_t)~TARGET_ROUTED;
	who.route = 0;
	return who;
}
/* The same, on a route that has a number; 0: on all. */
static inline struct prefix target_on(const struct prefix *who, uint16_t route)
{
	struct prefix p = *who;

	if (route)
		p.addr.family |= TARGET_ROUTED;
	p.route = route;
	return p;
}

#endif
