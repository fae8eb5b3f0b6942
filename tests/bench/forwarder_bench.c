// SPDX-License-Identifier: Apache-2.0
/*
 * What forwarding costs: events at a steady rate, from records in memory to a gateway over TLS, by the
 * forwarder as the daemon has it, with its defaults (batches of 500 or 100 ms, a spool in STATE_DIR, synced).
 *
 *     forwarder_bench events COUNT                          as many events, one a line, as a gateway gets
 * them forwarder_bench send URL CA_FILE STATE_DIR RATE SECONDS
 *
 * The second prints: events delivered, milliseconds of processor time of all threads, new connections, and
 * what the spool took.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "forwarder/forwarder.h"
#include "lib/event_json.h"
#include "lib/util.h"
#include "usual_event.h"

#define TICK_MS      20        /* as the ring's reader wakes */
#define MALLOC_BYTES (1 << 20) /* as sensor/warden.c settles it */

static int print_events(unsigned count)
{
	struct buffer b = BUFFER_INIT(64 * 1024);

	for (unsigned i = 0; i < count; i++) {
		struct event *e = usual_event();
		struct json_writer w = JSON_WRITER(&b);

		if (!e)
			return 1;
		buffer_reset(&b);
		event_json_cloudevent(&w, e, "picket://bench/default");
		printf("%.*s\n", (int)b.len, b.data);
		event_unref(e);
	}
	buffer_free(&b);
	return 0;
}

static uint64_t processor_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Making an event is its maker's cost: one is handed over again and again. */
static void run_at(struct forwarder *f, struct event *e, unsigned rate, unsigned seconds)
{
	uint64_t begun_ns = clock_boot_ns(&clock_system), pushed = 0, now_ns;
	uint64_t end_ns = begun_ns + seconds * NS_PER_S;

	while ((now_ns = clock_boot_ns(&clock_system)) < end_ns) {
		for (uint64_t due = (now_ns - begun_ns) * rate / NS_PER_S; pushed < due; pushed++) {
			e->time_ns = now_ns;
			forwarder_push(f, e);
		}
		uint64_t next_ns = now_ns + TICK_MS * NS_PER_MS;
		while ((now_ns = clock_boot_ns(&clock_system)) < next_ns)
			if (forwarder_run(f, -1, (int)((next_ns - now_ns) / NS_PER_MS) + 1))
				return;
	}
}

static int send_events(char **args)
{
	struct buffer errors = BUFFER_INIT(4096);
	struct config_gateway gateway = {
		.name = (char *)"bench",
		.protocol = GATEWAY_BATCH,
		.url = args[0],
		.ca_file = args[1],
		.batch_events = 500,
		.batch_bytes = 512 * 1024,
		.linger_ms = 100,
		.timeout_ms = 10000,
		.queue_events = 65536,
		.spool = 512u << 20,
		.sample = 1,
	};
	const struct config config = {.gateways = &gateway, .gateway_count = 1};
	const struct forwarder_hooks hooks = {0};
	unsigned rate = (unsigned)strtoul(args[3], NULL, 10), seconds = (unsigned)strtoul(args[4], NULL, 10);
	struct gateway_counts c;
	struct forwarder *f;
	struct event *e = usual_event();

	if (!e)
		return 1;

	if (forwarder_new(&config, &clock_system, "picket://bench/default", &hooks, &f, &errors))
		return fprintf(stderr, "%.*s\n", (int)errors.len, errors.data), 1;
	forwarder_open_spools(f, args[2], &errors);
	if (errors.len)
		return fprintf(stderr, "%.*s\n", (int)errors.len, errors.data), 1;
	run_at(f, e, rate, 1); /* connections and memory are there */
	forwarder_counts(f, &c, 1);
	uint64_t before_us = processor_us(), before = c.events;
	run_at(f, e, rate, seconds);
	uint64_t took_us = processor_us() - before_us;
	forwarder_flush(f, 2000);
	forwarder_counts(f, &c, 1);
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", c.events - before,
	       took_us / 1000, c.connections, c.spool.written,
	       c.spool.sync_ns / MAX(c.spool.syncs, 1) / 1000);
	if (c.last_error[0] || c.events_dropped)
		fprintf(stderr, "%s; %" PRIu64 " dropped\n", c.last_error, c.events_dropped);
	forwarder_free(f);
	event_unref(e);
	buffer_free(&errors);
	return 0;
}

int main(int argc, char **argv)
{
	mallopt(M_MMAP_THRESHOLD, MALLOC_BYTES);
	mallopt(M_TRIM_THRESHOLD, MALLOC_BYTES);
	if (argc == 3 && strcmp(argv[1], "events") == 0)
		return print_events((unsigned)strtoul(argv[2], NULL, 10));
	if (argc == 7 && strcmp(argv[1], "send") == 0)
		return send_events(argv + 2);
	fputs("usage: see the head of forwarder_bench.c\n", stderr);
	return 2;
}
