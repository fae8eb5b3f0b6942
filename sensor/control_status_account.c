// SPDX-License-Identifier: Apache-2.0
/*
 * The account of status: at each stage, produced = delivered + lost + held.
 *
 * The counts are read in the direction against the flow (reader before kernel), so that an account can show
 * something as held that was just delivered, but never as delivered what was not produced.
 */
#include <stdlib.h>
#include "sensor/control_status.h"

/* Of the two rings: what earlier sensor processes took. The kernel half counts on over a restart, a reader
 * does not. */
struct earlier {
	uint64_t requests, headers;
};
static struct earlier earlier; /* set once, before the API serves */

/* produced = delivered + delivered_earlier + lost + held; held is what is left, so it must not be negative.
 */
static struct stage ring_stage(const char *kind, uint64_t produced, uint64_t delivered, uint64_t before,
			       uint64_t lost)
{
	struct stage t = {
		.stage = "ring", .kind = kind, .produced = produced, .delivered = delivered, .lost = lost};
	uint64_t rest = produced - MIN(produced, delivered + lost);

	t.balanced = produced >= delivered + lost;
	/* What a new reader found in the ring was not taken by the one before it. */
	t.delivered_earlier = MIN(before, rest);
	t.held = rest - t.delivered_earlier;
	return t;
}

static struct stage counted_stage(const char *stage, const char *kind, uint64_t produced, uint64_t delivered,
				  uint64_t lost, uint64_t held)
{
	return (struct stage){
		.stage = stage,
		.kind = kind,
		.produced = produced,
		.delivered = delivered,
		.lost = lost,
		.held = held,
		.balanced = produced == delivered + lost + held,
	};
}

unsigned status_stages_read(const struct status *s, struct stage ret[static STAGES_MAX])
{
	unsigned n = 0;

	if (!s->warden_result) {
		ret[n++] =
			ring_stage("requests", stat_of(s, PK_C_REQ_PRODUCED), s->reader.requests,
				   earlier.requests, stat_of(s, PK_C_REQ_LOST) + stat_of(s, PK_C_REQ_SHARE));
		ret[n++] =
			ring_stage("headers", stat_of(s, PK_C_HDR_PRODUCED), s->reader.headers,
				   earlier.headers, stat_of(s, PK_C_HDR_LOST) + stat_of(s, PK_C_HDR_SHARE));
		ret[0].throttled = stat_of(s, PK_C_REFUSED_THROTTLED);
		ret[1].throttled = stat_of(s, PK_C_HDR_THROTTLED);
	}
	ret[n++] = counted_stage("answers", "events", s->answers.taken, s->answers.emitted, 0,
				 s->answers.taken - s->answers.emitted);
	ret[n++] = counted_stage("queue", "events", s->queue.pushed + s->queue.refused, s->queue.popped,
				 s->queue.refused, s->queue.held);
	for (unsigned i = 0; i < s->gateway_count; i++) {
		const struct gateway_counts *g = &s->gateways[i];

		ret[n++] = counted_stage("gateway", g->name,
					 g->events_offered - g->events_filtered + g->events_recovered,
					 g->events, g->events_dropped, g->events_held);
	}
	return n;
}

void status_write_account(struct json_writer *w, const struct stage *stages, unsigned count)
{
	bool balanced = true;
	uint64_t lost = 0, held = 0;

	json_key(w, "accounting");
	json_object_begin(w);
	json_key(w, "stages");
	json_array_begin(w);
	for (unsigned i = 0; i < count; i++) {
		const struct stage *t = &stages[i];
		const struct {
			const char *key;
			uint64_t value;
		} numbers[] = {
			{"produced", t->produced},
			{"delivered", t->delivered},
			{"delivered_earlier", t->delivered_earlier},
			{"lost", t->lost},
			{"held", t->held},
			{"throttled", t->throttled},
		};

		json_object_begin(w);
		json_key(w, "stage");
		json_text(w, t->stage);
		json_key(w, "kind");
		json_text(w, t->kind);
		for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
			json_key(w, numbers[k].key);
			json_uint(w, numbers[k].value);
		}
		json_key(w, "balanced");
		json_bool(w, t->balanced);
		json_object_end(w);
		balanced = balanced && t->balanced;
		lost += t->lost;
		held += t->held;
	}
	json_array_end(w);
	json_key(w, "balanced");
	json_bool(w, balanced);
	json_key(w, "lost");
	json_uint(w, lost);
	json_key(w, "held");
	json_uint(w, held);
	json_object_end(w);
}

/* What the earlier sensors took from the rings is what is neither lost nor taken by us. */
void status_earlier_read(const struct control_parts *parts)
{
	struct reader_counts r = reader_counts(parts->reader);
	struct warden_reply *w = calloc(1, sizeof *w);

	earlier = (struct earlier){0};
	if (w && !status_ask_warden(parts, w) && w->status.sensor_starts > 1) {
		const uint64_t *c = w->status.stats;
		uint64_t requests = r.requests + c[PK_C_REQ_LOST] + c[PK_C_REQ_SHARE];
		uint64_t headers = r.headers + c[PK_C_HDR_LOST] + c[PK_C_HDR_SHARE];

		earlier.requests = c[PK_C_REQ_PRODUCED] - MIN(c[PK_C_REQ_PRODUCED], requests);
		earlier.headers = c[PK_C_HDR_PRODUCED] - MIN(c[PK_C_HDR_PRODUCED], headers);
	}
	free(w);
}
