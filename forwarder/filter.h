/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h: which events one gateway is to get, by its configuration: of which names, of which share of the
 * clients, of suspicious ones alone. A client is in the share or not, with all it does: half of an attack
 * would be none. What names no client (losses, decisions) is chosen by its name alone.
 */
#ifndef PICKET_FILTER_H
#define PICKET_FILTER_H

#include "forwarder/suspects.h"
#include "lib/config.h"
#include "lib/event.h"

/* seed: of this process, so that nobody can choose an address that is never looked at. */
bool filter_passes(const struct config_gateway *config, struct suspects *suspects, uint64_t seed,
		   const struct event *e, uint64_t now_ns);

#endif
