/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway_batch.h: a gateway that speaks `batch` (docs/gateway-batch.md): our JSON events by POST, verdicts
 * in the answer. One request in flight; a batch leaves the outbox only when it was accepted or refused for
 * good. Used by the judge thread alone, except gateway_batch_counts.
 */
#ifndef PICKET_GATEWAY_BATCH_H
#define PICKET_GATEWAY_BATCH_H

#include <curl/curl.h>
#include "forwarder/forwarder.h"

struct gateway_batch;

/* Bytes of events that may wait for one gateway, beside the count that the configuration sets. */
#define GATEWAY_QUEUE_BYTES (64u << 20)

/*
 * Reads token and CA files. No descriptor stays open, and none is opened before gateway_batch_start, so a
 * daemon may make it, fork, and close what it does not know. config and clock are borrowed. CONFIG_E_INVALID:
 * see errors, one message a line; with result 0 the lines are warnings.
 */
int gateway_batch_new(const struct config_gateway *config, const struct clock *clock,
		      const struct forwarder_hooks *hooks, struct gateway_batch **ret, struct buffer *errors);
int gateway_batch_start(struct gateway_batch *g, CURLM *multi);

bool gateway_batch_has_room(const struct gateway_batch *g);
/* event: its JSON, copied; SPAN_NULL: it could not be written and counts as dropped. */
void gateway_batch_offer(struct gateway_batch *g, struct span event, uint64_t now_ns);
/* When gateway_batch_step will have something to do; UINT64_MAX: not before something else happens. */
uint64_t gateway_batch_due_ns(const struct gateway_batch *g, bool flush);
/* Sends what is due. flush: the age of a batch does not matter. 0 or -errno. */
int gateway_batch_step(struct gateway_batch *g, uint64_t now_ns, bool flush);
/* The exchange has ended; verdicts are handed over in here. 0 or -ENOMEM. */
int gateway_batch_finish(struct gateway_batch *g, CURLcode result);
/* Events dropped since this was last asked. */
uint64_t gateway_batch_dropped(struct gateway_batch *g);
size_t gateway_batch_held(const struct gateway_batch *g);
/* Is that one of its last connections? Safe from other threads. */
bool gateway_batch_is_own(const struct gateway_batch *g, uint16_t local_port, uint16_t peer_port);
void gateway_batch_counts(struct gateway_batch *g, struct gateway_counts *ret);
void gateway_batch_free(struct gateway_batch *g);

#endif
