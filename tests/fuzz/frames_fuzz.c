// SPDX-License-Identifier: Apache-2.0
/*
 * frames_fuzz.c: frames one after another through one small table of fragments. Input: again and again a byte
 * that says which link, whether a segment follows, whether the frame was longer on the wire and whether
 * tunnels are opened, two bytes of length, and the frame. Checked: each name once a frame, and a table within
 * its bounds.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "sensor/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DATAGRAMS 4

static void hear(void *arg, enum frame_anomaly anomaly, const struct frame_ends *ends)
{
	uint64_t *seen = arg;

	assert(anomaly < FRAME_ANOMALY_MAX && !(*seen >> anomaly & 1));
	assert(frame_anomaly_name(anomaly));
	assert(ends);
	*seen |= 1ull << anomaly;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frames *f;
	uint64_t now_ns = 0;

	if (frames_new(DATAGRAMS, &f))
		return 0;
	while (size >= 3) {
		size_t len = (size_t)data[1] << 8 | data[2];
		uint8_t how = data[0];
		uint64_t seen = 0;

		data += 3;
		size -= 3;
		len = len < size ? len : size;
		char *frame = malloc(len ? len : 1); /* its own block: a sanitizer sees a byte read too far */
		if (!frame)
			break;
		memcpy(frame, data, len);
		struct frame_view view = {
			.link = how % 3,
			.bytes = {frame, len},
			.len = (uint32_t)len + (how & 0x40 ? 1000 : 0),
			.segment = how & 0x80,
		};
		const struct frame_tunnels tunnels = {
			.ipip = how & 0x20, .gre = how & 0x20, .vxlan_port = how & 0x20 ? 4789 : 0};
		frames_tunnels(f, &tunnels);
		unsigned n = frames_read(f, &view, now_ns, hear, &seen);
		assert(n == (unsigned)__builtin_popcountll(seen));
		assert(frames_counts(f).held <= DATAGRAMS);
		free(frame);
		now_ns += 5000000000ull;
		data += len;
		size -= len;
	}
	frames_free(f);
	return 0;
}
