// SPDX-License-Identifier: Apache-2.0
#include "forwarder_rig.h"
#include <stdio.h>
#include <string.h>
#include "lib/util.h"

static char main_name[] = "main";

static struct event *an_event(void)
{
	struct event *e = event_new_loss("ring", "data", 1, "192.0.2.7", clock_boot_ns(&clock_system),
					 clock_wall_ns(&clock_system));

	assert_non_null(e);
	return e;
}

void push(struct rig *rig, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct event *e = an_event();
		forwarder_push(rig->f, e);
		event_unref(e);
	}
}

static void on_verdict(void *arg, const struct verdict *v)
{
	struct rig *rig = arg;

	rig->verdicts++;
	rig->verdict = *v;
	if (rig->push_on_verdict)
		push(rig, 1);
}

static void on_event(void *arg, struct event *e)
{
	struct rig *rig = arg;

	assert_int_equal(e->kind, EVENT_LOSS);
	if (span_equal(e->loss.stage, SPAN("restart"))) {
		rig->gaps++;
		rig->gap_since_ns = e->loss.since_ns;
		event_unref(e);
		return;
	}
	assert_true(span_equal(e->loss.stage, SPAN("gateway")));
	rig->losses += e->loss.count;
	rig->loss_events++;
	event_unref(e);
}

void rig_init(struct rig *rig, uint16_t port)
{
	*rig = (struct rig){0};
	snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%u/events", port);
	rig->gateways[0] = (struct config_gateway){
		.name = main_name,
		.protocol = GATEWAY_BATCH,
		.url = rig->url,
		.batch_events = 500,
		.batch_bytes = 512 * 1024,
		.linger_ms = 20,
		.timeout_ms = 5000,
		.queue_events = 65536,
		.spool = 8 << 20,
		.verdicts = true,
		.sample = 1,
		.unsigned_verdicts = true,
	};
	rig->config.gateways = rig->gateways;
	rig->config.gateway_count = 1;
}

void rig_start(struct rig *rig)
{
	const struct forwarder_hooks hooks = {.verdict = on_verdict, .event = on_event, .arg = rig};
	struct buffer errors = BUFFER_INIT(4096);

	assert_int_equal(
		forwarder_new(&rig->config, &clock_system, "picket://test/default", &hooks, &rig->f, &errors),
		0);
	if (rig->state_dir)
		forwarder_open_spools(rig->f, rig->state_dir, &errors);
	assert_int_equal(errors.len, 0);
}

struct gateway_counts counts(struct rig *rig)
{
	struct gateway_counts c[2];

	assert_int_equal(forwarder_counts(rig->f, c, 2), rig->config.gateway_count);
	for (unsigned i = 0; i < rig->config.gateway_count; i++)
		assert_int_equal(c[i].events_offered + c[i].events_recovered,
				 c[i].events + c[i].events_dropped + c[i].events_filtered + c[i].events_held);
	return c[0];
}

uint64_t now_ms(void)
{
	return clock_boot_ns(&clock_system) / NS_PER_MS;
}

bool batches_delivered(struct rig *rig, uint64_t n)
{
	return counts(rig).batches >= n;
}

bool attempts_made(struct rig *rig, uint64_t n)
{
	return counts(rig).attempts >= n;
}

bool events_dropped(struct rig *rig, uint64_t n)
{
	return counts(rig).events_dropped >= n;
}

bool backing_off(struct rig *rig, uint64_t n)
{
	(void)n;
	return strcmp(counts(rig).state, "backing off") == 0;
}

void run_until(struct rig *rig, bool (*is_so)(struct rig *rig, uint64_t n), uint64_t n)
{
	uint64_t end = now_ms() + 10000;

	while (!is_so(rig, n)) {
		if (now_ms() > end) {
			struct gateway_counts c = counts(rig);
			fail_msg("not within 10 s: state %s, status %u, error \"%s\", attempts %u", c.state,
				 c.last_status, c.last_error, (unsigned)c.attempts);
		}
		assert_int_equal(forwarder_run(rig->f, -1, 100), 0);
	}
}

void run_for(struct rig *rig, uint64_t ms)
{
	uint64_t end = now_ms() + ms, now;

	while ((now = now_ms()) < end) {
		assert_int_equal(forwarder_run(rig->f, -1, (int)(end - now)), 0);
		counts(rig);
	}
}
