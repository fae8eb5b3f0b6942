// SPDX-License-Identifier: Apache-2.0
/*
 * A file of criteria is written by people, and a wrong one must be refused with a reason, never crash or
 * hang. What is accepted must be sound: ranges in order, values within masks, counts in their bounds; and the
 * kernel half must be told of what it would not report.
 */
#include <stdint.h>
#include <stdlib.h>
#include "policies/packet_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_range(const struct packet_range *r, uint32_t max)
{
	if (r->low > r->high || r->high > max)
		abort();
}

static void check_rule(const struct packet_rule *r)
{
	if (!r->name[0] || !r->description[0] || r->flags_value & ~r->flags_mask || r->flags_mask > 0x1ff)
		abort();
	if (!r->threshold || r->threshold > PACKET_COUNT_MAX || !r->leak_ns ||
	    r->port_count > PACKET_PORTS_MAX)
		abort();
	if (r->distinct_ports && (r->threshold > PACKET_DISTINCT_MAX || r->half_open))
		abort();
	check_range(&r->window, UINT16_MAX);
	check_range(&r->payload, UINT16_MAX);
	check_range(&r->ttl, UINT8_MAX);
	check_range(&r->header_length, 60);
	for (unsigned i = 0; i < r->port_count; i++)
		check_range(&r->port[i], UINT16_MAX);
}

/* An ordinary segment that a criterion with a window can match, one of the needs must let through. */
static void check_needs(const struct packet_rules *rules)
{
	struct packet_needs needs;

	packet_rules_needs(rules, &needs);
	if (needs.count > PACKET_NEEDS_MAX)
		abort();
	for (unsigned i = 0; i < rules->count; i++) {
		const struct packet_rule *r = &rules->items[i];
		uint16_t flags = (uint16_t)(r->flags_value | (0x10 & ~r->flags_mask)); /* ACK if it may be */
		bool met = r->window.low == 0 && r->window.high == UINT16_MAX;

		if (flags & 0x27 || !(flags & 0x3f)) /* the kernel half reports it by itself */
			continue;
		for (unsigned n = 0; n < needs.count && !met; n++)
			met = (flags & needs.items[n].flags_mask) == needs.items[n].flags_value &&
			      r->window.low >= needs.items[n].window_low &&
			      r->window.high <= needs.items[n].window_high;
		if (!met)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet_rules *rules = calloc(1, sizeof *rules);
	struct buffer errors = BUFFER_INIT(65536);

	if (!rules)
		return 0;
	int r = packet_rules_parse((struct span){(const char *)data, size}, "fuzz", rules, &errors);
	if (r == CONFIG_E_INVALID && errors.len == 0)
		abort();
	for (unsigned i = 0; r == 0 && i < rules->count; i++)
		check_rule(&rules->items[i]);
	if (r == 0)
		check_needs(rules);
	packet_rules_free(rules);
	buffer_free(&errors);
	return 0;
}
