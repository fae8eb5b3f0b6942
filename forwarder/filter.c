// SPDX-License-Identifier: Apache-2.0
#include "forwarder/filter.h"
#include <stddef.h>

/* A number in [0, 1) that is the client's own. */
static double share_of(const struct addr *client, uint64_t seed)
{
	uint64_t x = suspects_mix(addr_hash(client) ^ seed);

	return (double)(x >> 11) / (double)(1ull << 53);
}

bool filter_passes(const struct config_gateway *config, struct suspects *suspects, uint64_t seed,
		   const struct event *e, uint64_t now_ns)
{
	const struct endpoint *client = event_client(e);

	if (config->events && !(config->events & 1u << e->kind))
		return false;
	if (!client)
		return true;
	if (config->sample < 1 && share_of(&client->addr, seed) >= config->sample)
		return false;
	return config->clients == CLIENTS_ALL || suspects_has(suspects, &client->addr, now_ns);
}
