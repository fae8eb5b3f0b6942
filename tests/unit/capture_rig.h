/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_rig.h: a capture with its own clock, records made by hand, and what came out of it. For the tests
 * and the bench of sensor/capture.h.
 */
#ifndef PICKET_TESTS_CAPTURE_RIG_H
#define PICKET_TESTS_CAPTURE_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "lib/util.h"
#include "sensor/capture.h"

#define RIG_SECOND     NS_PER_S
#define RIG_START_NS   (5000 * NS_PER_S)
#define RIG_WALL_NS    (1700000000ull * NS_PER_S) /* wall clock - boot clock */
#define RIG_EVENTS_MAX 65536

struct rig {
	struct config config;
	struct clock clock;
	uint64_t now_ns;
	struct redact *redact;
	struct proxies *proxies;
	struct clients *clients, *behind;
	struct detect *detect;
	struct packet_watch *packet_watch;
	uint64_t *skip, *skipped, *seen;
	struct capture *capture;
	struct event **events;
	unsigned event_count;
	struct verdict verdicts[16];
	unsigned verdict_count;
	unsigned events_at_verdict; /* events that had come when the first verdict did */
	struct capture_packets
		packets; /* with rig_packets_wait_ns; only there until capture_new has returned */
};

/* The next rig reads packets, and a request waits so long for its answer. */
static uint64_t rig_packets_wait_ns;

static inline uint64_t rig_boot(void *arg)
{
	return ((struct rig *)arg)->now_ns;
}

static inline uint64_t rig_wall(void *arg)
{
	return ((struct rig *)arg)->now_ns + RIG_WALL_NS;
}

static inline void rig_event(void *arg, struct event *e)
{
	struct rig *rig = arg;

	if (rig->event_count == RIG_EVENTS_MAX)
		abort();
	rig->events[rig->event_count++] = e;
}

static inline void rig_verdict(void *arg, const struct verdict *v)
{
	struct rig *rig = arg;

	if (!rig->verdict_count)
		rig->events_at_verdict = rig->event_count;
	if (rig->verdict_count < ARRAY_SIZE(rig->verdicts))
		rig->verdicts[rig->verdict_count++] = *v;
}

/* detect: with the built-in analysis. 0 or not. */
static inline int rig_start(struct rig *rig, unsigned connections_max, uint64_t stream_bytes, bool detect)
{
	static char *headers[] = {"host", "user-agent", "content-type"};
	static char *proxy_headers[] = {"x-forwarded-for", "forwarded", "x-real-ip"};
	static const uint8_t key[32] = {7};
	struct buffer errors = BUFFER_INIT(4096);
	int r;

	*rig = (struct rig){.now_ns = RIG_START_NS};
	rig->config.capture.connections_max = connections_max;
	rig->config.capture.stream_bytes = stream_bytes;
	rig->config.redact.headers = (struct config_strings){headers, ARRAY_SIZE(headers)};
	rig->config.proxies.headers = (struct config_strings){proxy_headers, ARRAY_SIZE(proxy_headers)};
	rig->config.guard.ttl_default_ms = 900000;
	rig->config.limits.prefix_min_v4 = 24;
	rig->config.limits.prefix_min_v6 = 48;
	rig->clock = (struct clock){rig_boot, rig_wall, rig};
	rig->events = calloc(RIG_EVENTS_MAX, sizeof rig->events[0]);
	rig->skip = calloc(PK_SKIP_SLOTS, sizeof rig->skip[0]);
	rig->skipped = calloc(PK_SKIP_SLOTS, sizeof rig->skip[0]);
	rig->seen = calloc(PK_SKIP_SLOTS, sizeof rig->seen[0]);
	if (!rig->events || !rig->skip || !rig->skipped || !rig->seen)
		return 1;
	r = redact_new(&rig->config, key, &rig->redact);
	if (!r)
		r = proxies_new(&rig->config, &rig->proxies);
	if (!r)
		r = clients_new(1024, &rig->clients);
	if (!r)
		r = clients_new(1024, &rig->behind);
	if (!r && detect)
		r = detect_new(&rig->config, rig->redact, &rig->detect, &errors);
	if (!r)
		r = packet_watch_new(&rig->config, &rig->packet_watch, &errors);
	buffer_free(&errors);
	if (r)
		return r;
	struct capture_parts parts = {.config = &rig->config,
				      .clock = &rig->clock,
				      .redact = rig->redact,
				      .detect = rig->detect,
				      .packet_watch = rig->packet_watch,
				      .proxies = rig->proxies,
				      .clients = rig->clients,
				      .behind = rig->behind,
				      .skip = rig->skip,
				      .skipped = rig->skipped,
				      .seen = rig->seen,
				      .event = rig_event,
				      .verdict = rig_verdict,
				      .arg = rig};
	if (rig_packets_wait_ns)
		parts.packets = &rig->packets;
	rig->packets.answer_wait_ns = rig_packets_wait_ns;
	r = capture_new(&parts, &rig->capture);
	memset(&rig->packets, 0, sizeof rig->packets);
	return r;
}

static inline void rig_forget_events(struct rig *rig)
{
	for (unsigned i = 0; i < rig->event_count; i++)
		event_unref(rig->events[i]);
	rig->event_count = 0;
}

static inline void rig_stop(struct rig *rig)
{
	rig_forget_events(rig);
	capture_free(rig->capture);
	detect_free(rig->detect);
	packet_watch_free(rig->packet_watch);
	clients_free(rig->clients);
	clients_free(rig->behind);
	proxies_free(rig->proxies);
	redact_free(rig->redact);
	free(rig->events);
	free(rig->skip);
	free(rig->skipped);
	free(rig->seen);
}

/* 198.51.100.PEER:port → 192.0.2.1:80 */
static inline struct pk_flow rig_flow(uint64_t cookie, uint8_t peer, uint16_t port)
{
	return (struct pk_flow){.cookie = cookie,
				.netns = 1,
				.family = PK_AF_INET,
				.local_port = 80,
				.peer_port = port,
				.local_addr = {192, 0, 2, 1},
				.peer_addr = {198, 51, 100, peer}};
}

static inline void rig_open(struct rig *rig, const struct pk_flow *flow, uint32_t isn)
{
	struct pk_open rec = {.rec.kind = PK_OPEN,
			      .rec.size = sizeof rec,
			      .rec.time_ns = rig->now_ns,
			      .flow = *flow,
			      .isn = isn};

	capture_record(rig->capture, &rec.rec);
}

/* received, unread: without the FIN, which is added as the kernel counts it when its end was read. */
static inline void rig_close(struct rig *rig, const struct pk_flow *flow, uint64_t received, uint32_t unread)
{
	struct pk_close rec = {.rec.kind = PK_CLOSE,
			       .rec.size = sizeof rec,
			       .rec.time_ns = rig->now_ns,
			       .flow = *flow,
			       .bytes_received = received + 1,
			       .bytes_acked = 4242,
			       .srtt_us = 321,
			       .retransmits = 2,
			       .unread = unread ? unread + 1 : 0};

	capture_record(rig->capture, &rec.rec);
}

/* len >= n: the rest is announced only. The record lies in memory of exactly its size. */
static inline void rig_piece(struct rig *rig, const struct pk_flow *flow, uint32_t seq, const void *bytes,
			     uint32_t n, uint32_t len)
{
	struct pk_data *d = calloc(1, sizeof *d + n);

	if (!d)
		abort();
	d->rec = (struct pk_record){.kind = PK_DATA, .size = (uint32_t)sizeof *d + n, .time_ns = rig->now_ns};
	d->flow = *flow;
	d->seq = seq;
	d->captured = n;
	d->len = len;
	d->pid = 77;
	if (n)
		memcpy(d + 1, bytes, n);
	capture_record(rig->capture, &d->rec);
	free(d);
}

static inline void rig_data(struct rig *rig, const struct pk_flow *flow, uint32_t seq, const char *text)
{
	rig_piece(rig, flow, seq, text, (uint32_t)strlen(text), (uint32_t)strlen(text));
}

static inline void rig_tick(struct rig *rig, uint64_t after_ns)
{
	rig->now_ns += after_ns;
	capture_tick(rig->capture, rig->now_ns);
}

#endif
