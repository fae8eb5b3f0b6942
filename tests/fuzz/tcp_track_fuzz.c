// SPDX-License-Identifier: Apache-2.0
/*
 * tcp_track_fuzz.c: records of segments, of a few connections, through a small tracker. Input: again and
 * again sixteen bytes that say who, which flags, where in sequence and what comes behind, then that many
 * bytes of options and payload. Numbers are near each other, so that conversations do come about. Checked:
 * each name once for a direction of a connection, bounds kept, and nothing read beyond a record.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "sensor/tcp_track.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONNECTIONS 3
#define HISTORY     (3 * 17000)

static void hear(void *arg, const struct tcp_finding *finding)
{
	unsigned *count = arg;

	assert(finding->anomaly < TCP_ANOMALY_MAX && tcp_anomaly_name(finding->anomaly));
	(*count)++;
}

static struct pk_segment *record_make(const uint8_t head[static 16], const uint8_t *rest, size_t len,
				      uint64_t now_ns)
{
	struct pk_segment *s =
		malloc(sizeof *s + len); /* its own block: a sanitizer sees a byte read too far */
	bool server = head[0] & 1;

	if (!s)
		return NULL;
	memset(s, 0, sizeof *s);
	memcpy(s + 1, rest, len);
	s->header = (struct pk_header){
		.rec = {.kind = PK_SEGMENT, .size = (__u32)(sizeof *s + len), .time_ns = now_ns},
		.family = head[0] & 2 ? PK_AF_INET6 : PK_AF_INET,
		.source_port = server ? 80 : (__u16)(1000 + (head[0] >> 2 & 3)),
		.destination_port = server ? (__u16)(1000 + (head[0] >> 2 & 3)) : 80,
		.source_addr = {10, 0, 0, server},
		.destination_addr = {10, 0, 0, !server},
		.flags = (__u16)(head[1] | (head[2] & 1) << 8),
		.why = head[2] & PK_WHY_ODD,
		.sequence = 0xfffffff0u + (uint32_t)(head[3] << 8 | head[4]) * (head[2] & 0x80 ? 70001u : 1u),
		.acknowledgment =
			0xfffffff0u + (uint32_t)(head[5] << 8 | head[6]) * (head[2] & 0x40 ? 70001u : 1u),
		.window = (__u16)(head[7] << 8 | head[8]),
		.header_length = (__u8)((head[9] >> 4) * 4),
		.lost = head[9] >> 1 & 3,
	};
	s->urgent = head[10];
	s->checksum = (__u16)(head[11] << 8 | head[12]);
	s->captured = (__u32)len;
	s->l4_len = 20 + (__u32)len + (head[9] & 1 ? (__u32)head[13] * 300 : 0);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned findings = 0, segments = 0;
	struct tcp_track_options options = {
		.connections_max = CONNECTIONS,
		.history_max = HISTORY,
		.ordinary = true,
		.report = hear,
		.arg = &findings,
	};
	struct tcp_track *t;
	uint64_t now_ns = 0;

	if (tcp_track_new(&options, &t))
		return 0;
	for (; size >= 16; segments++) {
		size_t len = data[15] < size - 16 ? data[15] : size - 16;
		struct pk_segment *s = record_make(data, data + 16, len, now_ns);
		struct segment_view view;

		if (!s)
			break;
		segment_view_of(s, &view);
		tcp_track_segment(t, &view);
		free(s);
		assert(tcp_track_counts(t).held <= CONNECTIONS);
		now_ns += (uint64_t)data[14] * data[14] * 1000000;
		tcp_track_tick(t, now_ns);
		data += 16 + len;
		size -= 16 + len;
	}
	assert(tcp_track_counts(t).segments == segments);
	assert(tcp_track_counts(t).findings == findings);
	tcp_track_free(t);
	return 0;
}
