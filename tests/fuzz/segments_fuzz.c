// SPDX-License-Identifier: Apache-2.0
/*
 * segments_fuzz.c: segments of two ends in any order, with any flags. Checked: each side's bytes go on
 * without going back, what is opened is closed once, nothing is held in the end, and the ceilings hold.
 *
 * Input: records of {u8 flags, u8 what, u16 at, u8 length}, payload made from `at`; what: bit 0 the sender,
 * bit 1 another port, bit 2 a second passes first, bit 3 only half was captured, bit 4-7 the acknowledgment
 * in steps of 16.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include "lib/util.h"
#include "sensor/reassembly.h"
#include "sensor/segments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONNECTIONS_MAX 3
#define HELD_MAX        (10 * REASSEMBLY_LEAST)

struct heard {
	struct {
		bool open, started[2];
		uint32_t next[2];
	} ports[2];
};

static unsigned port_of(const struct pk_flow *flow)
{
	return (flow->peer_port == 8081 || flow->local_port == 8081) ? 1 : 0;
}

static void on_open(void *arg, const struct pk_flow *flow, const uint32_t *isn, bool handshake,
		    uint64_t time_ns)
{
	struct heard *h = arg;
	unsigned p = port_of(flow);

	(void)handshake;
	(void)time_ns;
	assert(!h->ports[p].open);
	memset(&h->ports[p], 0, sizeof h->ports[p]);
	h->ports[p].open = true;
	if (isn) {
		h->ports[p].started[SEGMENTS_CLIENT] = true;
		h->ports[p].next[SEGMENTS_CLIENT] = *isn;
	}
}

static void on_bytes(void *arg, const struct pk_flow *flow, enum segments_side from, uint32_t seq,
		     struct span bytes, uint32_t len, uint64_t time_ns)
{
	struct heard *h = arg;
	unsigned p = port_of(flow);

	(void)time_ns;
	assert(h->ports[p].open && len > 0 && bytes.len <= len);
	if (h->ports[p].started[from])
		assert((int32_t)(seq - h->ports[p].next[from]) >= 0);
	/* The payload is a function of its place: nothing may be out of place. */
	for (size_t i = 0; i < bytes.len; i++)
		assert((uint8_t)bytes.ptr[i] == (uint8_t)((seq + i) * 31));
	h->ports[p].started[from] = true;
	h->ports[p].next[from] = seq + len;
}

static void on_urgent(void *arg, const struct pk_flow *flow, enum segments_side from, uint32_t seq,
		      uint64_t time_ns)
{
	struct heard *h = arg;
	unsigned p = port_of(flow);

	(void)time_ns;
	assert(h->ports[p].open && (!h->ports[p].started[from] || seq == h->ports[p].next[from]));
	h->ports[p].started[from] = true;
	h->ports[p].next[from] = seq + 1;
}

static void on_finish(void *arg, const struct pk_flow *flow, enum segments_side from, uint64_t time_ns)
{
	(void)from;
	(void)time_ns;
	assert(((struct heard *)arg)->ports[port_of(flow)].open);
}

static void on_close(void *arg, const struct pk_flow *flow, const struct segments_end *end, uint64_t time_ns)
{
	struct heard *h = arg;

	(void)end;
	(void)time_ns;
	assert(h->ports[port_of(flow)].open);
	h->ports[port_of(flow)].open = false;
}

static void feed(struct segments *t, const uint8_t r[5], uint64_t now)
{
	union {
		struct pk_segment rec;
		char bytes[sizeof(struct pk_segment) + 256];
	} u = {0};
	bool server = r[1] & 1;
	uint16_t port = r[1] & 2 ? 8081 : 8080;
	uint32_t at = 0xffffff00u + (uint32_t)(r[2] << 8 | r[3]) % 1024, len = r[4];

	u.rec.header = (struct pk_header){
		.rec = {.kind = PK_SEGMENT, .time_ns = now},
		.family = PK_AF_INET,
		.source_port = server ? port : 40000,
		.destination_port = server ? 40000 : port,
		.sequence = at,
		.acknowledgment = 0xffffff00u + (r[1] >> 4) * 16u,
		.flags = r[0],
		.header_length = 20,
		.source_addr = {server ? 2 : 1},
		.destination_addr = {server ? 1 : 2},
		.lost = r[0] >> 6,
	};
	u.rec.urgent = r[4] % 8;
	u.rec.l4_len = 20 + len;
	u.rec.captured = r[1] & 8 ? len / 2 : len;
	uint32_t first = at + (r[0] & PK_TCP_SYN ? 1 : 0);
	for (uint32_t i = 0; i < u.rec.captured; i++)
		u.bytes[sizeof u.rec + i] = (char)((first + i) * 31);
	segments_feed(t, &u.rec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard heard = {0};
	struct segments_options options = {.connections_max = CONNECTIONS_MAX,
					   .held_max = HELD_MAX,
					   .hooks = {.open = on_open,
						     .bytes = on_bytes,
						     .urgent = on_urgent,
						     .finish = on_finish,
						     .close = on_close,
						     .arg = &heard}};
	struct segments *t = NULL;
	uint64_t now = 1000000000;

	if (segments_new(&options, &t))
		return 0;
	for (size_t i = 0; i + 5 <= size; i += 5) {
		now += data[i + 1] & 4 ? 1000000000ull : 1000;
		feed(t, data + i, now);
		if (data[i + 1] & 4)
			segments_tick(t, now);
		assert(segments_counts(t).held <= HELD_MAX);
	}
	segments_end(t, now);
	assert(segments_counts(t).held == 0 && !heard.ports[0].open && !heard.ports[1].open);
	assert(segments_counts(t).conflicts == 0);
	segments_free(t);
	return 0;
}
