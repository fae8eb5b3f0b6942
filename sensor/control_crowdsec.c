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

static void write_numbers(struct json_writer *w, const struct crowdsec_count_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_key(w, rows[i].name);
		json_uint(w, rows[i].value);
	}
}

static void write_counts(struct json_writer *w, const struct crowdsec_counts *c)
{
	struct crowdsec_count_row rows[CROWDSEC_COUNT_ROWS];

	crowdsec_count_rows(c, rows);
	json_key(w, "counts");
	json_object_begin(w);
	write_numbers(w, rows, CROWDSEC_COUNT_ROWS);
	json_object_end(w);
}

static void write_bouncer(struct json_writer *w, const struct control_parts *parts,
			  struct crowdsec_bouncer *b)
{
	const struct crowdsec_bouncer_counts c = crowdsec_bouncer_counts(b);
	const struct crowdsec_count_row rows[] = {
		{"decisions", c.held},
		{"pulls", c.pulls},
		{"wholes", c.wholes},
		{"untold", c.untold},
		{"took_ms", c.took_ns / NS_PER_MS},
		{"usage_told", c.usage_told},
	};

	write_numbers(w, rows, ARRAY_SIZE(rows));
	control_write_time(w, "answered", parts->clock, c.answered_ns);
	write_counts(w, &c.decisions);
}

static void write_machine(struct json_writer *w, struct crowdsec_machine *m)
{
	const struct crowdsec_machine_counts c = crowdsec_machine_counts(m);
	const struct crowdsec_count_row rows[] = {
		{"bans", c.bans},         {"records", c.records}, {"deleted", c.deleted},
		{"repeated", c.repeated}, {"late", c.late},       {"dropped", c.dropped},
		{"cannot", c.cannot},     {"refused", c.refused}, {"undeleted", c.undeleted},
		{"waiting", c.waiting},   {"logins", c.logins},   {"heartbeats", c.heartbeats},
		{"failures", c.failures},
	};

	json_key(w, "machine");
	json_object_begin(w);
	write_numbers(w, rows, ARRAY_SIZE(rows));
	json_object_end(w);
}

void control_write_crowdsec(struct json_writer *w, const struct control_parts *parts, const char *gateway)
{
	struct crowdsec_link *link = crowdsec_links_find(parts->crowdsec, gateway);

	if (!link)
		return;
	json_key(w, "crowdsec");
	json_object_begin(w);
	if (crowdsec_link_bouncer(link))
		write_bouncer(w, parts, crowdsec_link_bouncer(link));
	if (crowdsec_link_machine(link))
		write_machine(w, crowdsec_link_machine(link));
	json_object_end(w);
}
