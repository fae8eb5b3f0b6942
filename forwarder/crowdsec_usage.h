/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowdsec_usage.h: what a CrowdSec LAPI is told of the use that is made of its decisions (POST
 * /v1/usage-metrics): how many are in force, what they dropped since it was last told, and of how much.
 */
#ifndef PICKET_CROWDSEC_USAGE_H
#define PICKET_CROWDSEC_USAGE_H

#include "lib/json_write.h"

#define CROWDSEC_USAGE_ORIGINS 64 /* what is beyond is left out */

struct crowdsec_usage_origin {
	const char *name;
	uint64_t active[2];            /* decisions, of IPv4 and of IPv6 */
	uint64_t packets[2], bytes[2]; /* dropped since then, likewise */
};

struct crowdsec_usage {
	const char *version, *os_name, *os_version;
	uint64_t started_s, now_s, window_s; /* wall clock */
	uint64_t processed;                  /* packets that were looked at, since then */
	struct crowdsec_usage_origin origins[CROWDSEC_USAGE_ORIGINS];
	unsigned count;
};

void crowdsec_usage_write(struct json_writer *w, const struct crowdsec_usage *u);

#endif
