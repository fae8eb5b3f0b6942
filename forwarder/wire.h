/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h: how a gateway of protocol batch is reached; the same for the daemon and for a trial. */
#ifndef PICKET_WIRE_H
#define PICKET_WIRE_H

#include "forwarder/credentials.h"
#include "forwarder/transport_direct.h"

#define WIRE_HEADERS 5

/* ret borrows all of it; owner and connected are the caller's to set. headers: room for what it points to. */
void wire_options(const struct config_gateway *config, const struct credentials *credentials,
		  const struct clock *clock, const char *headers[static WIRE_HEADERS],
		  struct transport_options *ret);
/* "Idempotency-Key: KEY". Returns buf. */
#define WIRE_KEY_MAX 128
const char *wire_key(const char *key, char buf[static WIRE_KEY_MAX]);

#endif
