/* SPDX-License-Identifier: Apache-2.0 */
/* fate.h: what becomes of a batch, by the answer to it. */
#ifndef PICKET_FATE_H
#define PICKET_FATE_H

#include "forwarder/transport_direct.h"

enum fate {
	FATE_DELIVERED, /* it has our events */
	FATE_RETRY,     /* the same batch again, later */
	FATE_REFUSED,   /* for good: the same would be refused again */
};

/* *ret_rest_ms: how long to leave the gateway alone at least, beside what it asks for. */
enum fate fate_of(const struct transport_answer *answer, uint64_t *ret_rest_ms);

#endif
