/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact.h: makes the event of a request. What leaves here may leave the process: header values pass an allow list,
 * query values are dropped (names kept: "?a=&b="), credentials become a keyed hash (HMAC-SHA256, shortened), Cookie
 * keeps names only. User information in an absolute target is removed.
 */
#ifndef PICKET_REDACT_H
#define PICKET_REDACT_H

#include "lib/config.h"
#include "lib/event.h"

struct redact;

/* Reads the key file, or makes it (0600, 32 random bytes). -errno. Call before privileges are dropped. */
int redact_key_load(const char *path, uint8_t ret_key[static 32]);
int redact_new(const struct config *config, const uint8_t key[static 32], struct redact **ret);
void redact_free(struct redact *r);

/* NULL: out of memory. request's spans are not kept. */
struct event *redact_request(const struct redact *r, const struct http_request *request, const struct flow *flow,
			     const struct endpoint *client, bool forwarded, uint16_t stream_index, uint64_t time_ns,
			     uint64_t wall_ns);
/* "c_" + 16 hex digits of the keyed hash, as event_request.consumer. */
#define REDACT_CONSUMER_MAX 24
void redact_consumer(const struct redact *r, struct span credential, char ret[static REDACT_CONSUMER_MAX]);

#endif
