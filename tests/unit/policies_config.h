/* SPDX-License-Identifier: Apache-2.0 */
/* policies_config.h: a configuration filled by hand, and short ways to write addresses, for the tests of
 * policies/. */
#ifndef PICKET_TESTS_POLICIES_CONFIG_H
#define PICKET_TESTS_POLICIES_CONFIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/config.h"
#include "lib/util.h"
#include "lib/verdict.h"

#define SECONDS(n)   ((n)*NS_PER_S)
#define TTL(minutes) ((uint64_t)(minutes)*60 * 1000)

static inline struct config test_config(void)
{
	struct config c = {.mode = MODE_ENFORCE};

	c.limits.ttl_max_ms = TTL(24 * 60);
	c.limits.prefix_min_v4 = 24;
	c.limits.prefix_min_v6 = 48;
	c.limits.insert_rate = 1000;
	c.limits.blocks_max = 65536;
	c.guard.per_minute = 60;
	c.guard.per_hour = 600;
	c.guard.total = 5000;
	c.guard.confidence_min = 0.8;
	c.guard.ttl_default_ms = TTL(15);
	return c;
}

static inline struct addr test_addr(const char *text)
{
	struct addr a = {0};

	if (addr_parse(span_from(text), &a))
		fail_msg("not an address: %s", text);
	return a;
}

static inline struct prefix test_prefix(const char *text)
{
	struct prefix p = {0};

	if (prefix_parse(span_from(text), &p))
		fail_msg("not a prefix: %s", text);
	return p;
}

static inline struct verdict test_verdict(enum verdict_source source, const char *target, uint64_t ttl_ms)
{
	return (struct verdict){
		.id = "v1",
		.source = source,
		.origin = "test",
		.action = VERDICT_BLOCK,
		.scope = VERDICT_SCOPE_PORTS,
		.target = test_prefix(target),
		.ttl_ms = ttl_ms,
		.confidence = 1,
		.reason = "because",
	};
}

#endif
