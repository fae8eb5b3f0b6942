/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport_lunar.h: the way through Lunar's egress proxy. A request goes to the proxy, with the path and
 * query of the gateway's url; where the gateway is, the proxy is told by headers named x-lunar-*, which it
 * keeps to itself. What is an answer of the proxy's own and not the gateway's is seen by headers likewise
 * (situation.c).
 *
 * Facts: Lunar's haproxy.cfg and lua/lunar.lua at 01bbe677.
 */
#ifndef PICKET_TRANSPORT_LUNAR_H
#define PICKET_TRANSPORT_LUNAR_H

#include "lib/buffer.h"
#include "lib/config.h"

#define LUNAR_HEADERS  4
#define LUNAR_LINE_MAX 512

struct lunar {
	char url[4096 + 8];
	/* x-lunar-host, -scheme, -consumer-tag, -interceptor */
	char lines[LUNAR_HEADERS][LUNAR_LINE_MAX];
};

/* config: transport lunar, with url and lunar_url as the configuration lets them through. */
void lunar_make(const struct config_gateway *config, struct lunar *ret);

#endif
