/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h: how a gateway is reached by its configuration; the same for the daemon and for a trial. */
#ifndef PICKET_WIRE_H
#define PICKET_WIRE_H

#include "forwarder/credentials.h"
#include "forwarder/protocol.h"
#include "forwarder/transport_lunar.h"

#define WIRE_HEADERS 40 /* ours, Lunar's, those of the configuration and of its files, NULL */

struct wire {
	struct transport_options options; /* owner, connected and heads are the caller's to set */
	const char *headers[WIRE_HEADERS];
	char content_type[96], accept[64], coding[40];
	struct lunar lunar; /* transport lunar */
};

/* ret borrows of all of it, and points into itself: it must not be moved. */
void wire_make(const struct config_gateway *config, const struct protocol *protocol,
	       const struct credentials *credentials, const struct clock *clock, struct wire *ret);
/*
 * The body that is sent for a batch, in *ret: the batch's own bytes, or what the protocol or the compression
 * of the configuration made of them, in made. 0, PROTOCOL_E_NOTHING, BUFFER_E_FULL or -ENOMEM.
 */
int wire_body(const struct protocol_state *state, const struct config_gateway *config, const struct batch *b,
	      struct attempt *attempt, struct buffer *made, struct span *ret);

#endif
