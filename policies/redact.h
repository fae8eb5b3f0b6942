/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact.h: makes the event of a request. What leaves here may leave the process: header values pass an allow
 * list, query values are dropped (names kept: "?a=&b="), credentials become a keyed hash (HMAC-SHA256,
 * shortened), Cookie keeps names only. User information in an absolute target is removed.
 *
 * What is kept, and what not:
 *     target, path   user information before the host goes, and a fragment; values after "=" go, in the
 *                    query and in path parameters (";sid=1"); a query part without "=" stays only if it
 *                    looks like a name, not like a token.
 *     headers        only those of redact.headers. Of them Cookie keeps names ("a=; b="), Referer and others
 *                    that carry a target are redacted as targets, those with a credential never pass.
 *     consumer       from the first credential of Authorization, Proxy-Authorization, X-Api-Key, Api-Key,
 *                    X-Auth-Token, session cookie. The scheme ("Bearer") is not part of it; of schemes that
 *                    sign each request anew (Digest, Hawk, AWS4-HMAC-SHA256, OAuth) it is the name of the
 *                    key or user.
 *
 *     long texts     the method, the host and each header's value are kept up to REDACT_TEXT_MAX bytes, cut
 *                    after redaction, and the event says so (truncated). The target and the path are whole:
 *                    the parser's ceiling for a head bounds them, and an access log has them whole as well.
 *
 * redact.query: keep turns off what is said of queries and path parameters; nothing else.
 *
 * Not thread safe: one thread uses a struct redact at a time (scratch memory and a MAC context are reused).
 */
#ifndef PICKET_REDACT_H
#define PICKET_REDACT_H

#include "lib/config.h"
#include "lib/event.h"

/* What an event keeps of one text; the redacted one is cut at its end. */
#define REDACT_TEXT_MAX 8192

struct redact;

/*
 * Reads the key file, or makes it (0600, 32 random bytes). -errno; -EINVAL: not 32 bytes or no regular file;
 * -EPERM: group or others may read it. Call before privileges are dropped.
 */
int redact_key_load(const char *path, uint8_t ret_key[static 32]);
int redact_new(const struct config *config, const uint8_t key[static 32], struct redact **ret);
void redact_free(struct redact *r);

/* NULL: out of memory. request's spans are not kept. */
struct event *redact_request(const struct redact *r, const struct http_request *request,
			     const struct flow *flow, const struct endpoint *client, bool forwarded,
			     uint16_t stream_index, uint64_t time_ns, uint64_t wall_ns);
/* "c_" + 16 hex digits of the keyed hash, as event_request.consumer. credential: without its scheme. */
#define REDACT_CONSUMER_MAX 24
void redact_consumer(const struct redact *r, struct span credential, char ret[static REDACT_CONSUMER_MAX]);

#endif
