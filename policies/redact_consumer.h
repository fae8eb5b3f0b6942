/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_consumer.h: finds the credential that says who the client is: of those that a request carries the
 * one whose header stands first in the rules, then a session cookie. The scheme ("Bearer") is no part of it;
 * of schemes that sign each request anew (Digest, Hawk, AWS4-HMAC-SHA256, OAuth) it is the name of the key or
 * user. Stateless but for the search of one request.
 */
#ifndef PICKET_REDACT_CONSUMER_H
#define PICKET_REDACT_CONSUMER_H

#include "policies/redact_rules.h"

struct redact_consumer {
	unsigned rank; /* of what was found; the lowest counts */
	struct span credential;
};

#define REDACT_CONSUMER_INIT ((struct redact_consumer){.rank = REDACT_RANK_NONE})

/* known: what the rules say of this header. */
void redact_consumer_header(const struct redact_rules *rules, const struct redact_name *known,
			    struct span value, struct redact_consumer *c);
/* The credential in "SCHEME CREDENTIAL"; SPAN_NULL: none. */
struct span redact_consumer_of_scheme(struct span value);

#endif
