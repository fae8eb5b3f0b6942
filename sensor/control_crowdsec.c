// SPDX-License-Identifier: Apache-2.0
/* What status and gateways tell of CrowdSec LAPIs. */
#include "forwarder/forwarder.h"
#include "lib/util.h"
#include "sensor/control.h"
#include "sensor/crowdsec_link.h"

unsigned control_gateway_counts(const struct control_parts *parts, struct gateway_counts *ret, unsigned count)
{
	unsigned n = forwarder_counts(parts->forwarder, ret, count);

	for (unsigned i = 0; i < MIN(n, count); i++) {
		struct crowdsec_link *link = crowdsec_links_find(parts->crowdsec, ret[i].name);
		if (link)
			crowdsec_link_counts(link, &ret[i]);
	}
	return n;
}

static void write_counts(struct json_writer *w, const struct crowdsec_counts *c)
{
	struct crowdsec_count_row rows[CROWDSEC_COUNT_ROWS];

	crowdsec_count_rows(c, rows);
	json_key(w, "counts");
	json_object_begin(w);
	for (size_t i = 0; i < CROWDSEC_COUNT_ROWS; i++) {
		json_key(w, rows[i].name);
		json_uint(w, rows[i].value);
	}
	json_object_end(w);
}

void control_write_crowdsec(struct json_writer *w, const struct control_parts *parts, const char *gateway)
{
	struct crowdsec_link *link = crowdsec_links_find(parts->crowdsec, gateway);
	struct crowdsec_bouncer *bouncer = link ? crowdsec_link_bouncer(link) : NULL;

	if (!bouncer)
		return;
	const struct crowdsec_bouncer_counts c = crowdsec_bouncer_counts(bouncer);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"decisions", c.held},
		{"pulls", c.pulls},
		{"wholes", c.wholes},
		{"untold", c.untold},
		{"took_ms", c.took_ns / NS_PER_MS},
	};
	json_key(w, "crowdsec");
	json_object_begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		json_key(w, numbers[i].key);
		json_uint(w, numbers[i].value);
	}
	control_write_time(w, "answered", parts->clock, c.answered_ns);
	write_counts(w, &c.decisions);
	json_object_end(w);
}
