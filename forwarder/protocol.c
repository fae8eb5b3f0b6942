// SPDX-License-Identifier: Apache-2.0
#include "forwarder/protocol.h"
#include <stddef.h>

const struct protocol *protocol_of(enum config_gateway_protocol protocol)
{
	switch (protocol) {
	case GATEWAY_BATCH:
		return &protocol_batch;
	case GATEWAY_LOCAL:
		break;
	}
	return NULL;
}
