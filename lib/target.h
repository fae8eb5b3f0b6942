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
 * All of them are a struct prefix, whose family says what it is: a key of 16 bytes, compared whole. So all
 * that keeps, counts and compares targets is the same for each of them. target_is_net asks where only an
 * address will do; nothing but target_parse makes one of the others from text, and the warden refuses them.
 */
#ifndef PICKET_TARGET_H
#define PICKET_TARGET_H

#include "lib/addr.h"

enum { TARGET_CONSUMER = 16, TARGET_JA4 = 17 }; /* beside ADDR_*, in addr.family; they stand in the journal */

/* As above, or as prefix_parse reads it: 0, ADDR_E_SYNTAX or ADDR_E_HOST_BITS. Strict: one text a target. */
int target_parse(struct span text, struct prefix *ret);
/* Without the word in front of it: 0 or ADDR_E_SYNTAX. */
int target_parse_consumer(struct span text, struct prefix *ret);
int target_parse_ja4(struct span text, struct prefix *ret);
/* Of a consumer or JA4; for prefix_format, which writes every target. */
void target_format(const struct prefix *p, char buf[static PREFIX_TEXT_MAX]);

static inline bool target_is_net(const struct prefix *p)
{
	return p->addr.family == ADDR_IPV4 || p->addr.family == ADDR_IPV6;
}
/* Is it one of the others, as target_parse makes them? */
bool target_is_key(const struct prefix *p);

#endif
