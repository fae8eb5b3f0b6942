// SPDX-License-Identifier: Apache-2.0
#include "forwarder/filter.h"
#include <stddef.h>

/* Whose doing it is; NULL: nobody's. */
static const struct addr *client_of(const struct event *e)
{
	switch (e->kind) {
	case EVENT_HTTP_REQUEST:
		return &e->request.client.addr;
	case EVENT_HTTP_ANOMALY:
		return e->anomaly.client.addr.family != ADDR_NONE ? &e->anomaly.client.addr
								  : &e->flow.peer.addr;
	case EVENT_CONNECTION:
	case EVENT_TCP_HEADER:
	case EVENT_TCP_ANOMALY:
	case EVENT_TLS_HELLO:
		return &e->flow.peer.addr;
	default:
		return NULL;
	}
}

/* A number in [0, 1) that is the client's own. */
static double share_of(const struct addr *client, uint64_t seed)
{
	uint64_t x = suspects_mix(addr_hash(client) ^ seed);

	return (double)(x >> 11) / (double)(1ull << 53);
}

bool filter_passes(const struct config_gateway *config, struct suspects *suspects, uint64_t seed,
		   const struct event *e, uint64_t now_ns)
{
	const struct addr *client = client_of(e);

	if (config->events && !(config->events & 1u << e->kind))
		return false;
	if (!client)
		return true;
	if (config->sample < 1 && share_of(client, seed) >= config->sample)
		return false;
	return config->clients == CLIENTS_ALL || suspects_has(suspects, client, now_ns);
}
