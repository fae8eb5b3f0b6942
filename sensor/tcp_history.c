// SPDX-License-Identifier: Apache-2.0
#include "sensor/tcp_history.h"
#include "lib/util.h"

#define MASK (TCP_HISTORY - 1)

/* Sequence numbers wrap (RFC 9293 section 3.4). */
static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static void ring_write(struct tcp_history *h, uint32_t seq, const char *from, size_t len)
{
	size_t at = seq & MASK, first = MIN(len, TCP_HISTORY - at);

	memcpy(h->ring + at, from, first);
	memcpy(h->ring, from + first, len - first);
}

static bool ring_differs(const struct tcp_history *h, uint32_t seq, const char *from, size_t len)
{
	size_t at = seq & MASK, first = MIN(len, TCP_HISTORY - at);

	return memcmp(h->ring + at, from, first) != 0 || memcmp(h->ring, from + first, len - first) != 0;
}

static void run_remove(struct tcp_history *h, unsigned i)
{
	memmove(&h->runs[i], &h->runs[i + 1], (h->count - i - 1) * sizeof h->runs[0]);
	h->count--;
}

/* Forgets what is before `floor`: its place in the ring is needed. */
static void forget_before(struct tcp_history *h, uint32_t floor)
{
	while (h->count && !before(floor, h->runs[0].to))
		run_remove(h, 0);
	if (h->count && before(h->runs[0].from, floor))
		h->runs[0].from = floor;
}

/* A new run [from, to), which touches none but at its ends. */
static void run_insert(struct tcp_history *h, uint32_t from, uint32_t to)
{
	unsigned i = 0;

	while (i < h->count && before(h->runs[i].to, from))
		i++;
	if (i < h->count && h->runs[i].to == from) {
		h->runs[i].to = to;
		if (i + 1 < h->count && h->runs[i + 1].from == to) {
			h->runs[i].to = h->runs[i + 1].to;
			run_remove(h, i + 1);
		}
		return;
	}
	if (i < h->count && h->runs[i].from == to) {
		h->runs[i].from = from;
		return;
	}
	if (h->count == TCP_HISTORY_RUNS) {
		if (i == 0)
			return; /* itself is the earliest */
		run_remove(h, 0);
		i--;
	}
	memmove(&h->runs[i + 1], &h->runs[i], (h->count - i) * sizeof h->runs[0]);
	h->runs[i] = (struct tcp_run){from, to};
	h->count++;
}

bool tcp_history_add(struct tcp_history *h, uint32_t seq, struct span bytes)
{
	struct tcp_run fresh[TCP_HISTORY_RUNS + 1];
	uint32_t end = seq + (uint32_t)bytes.len, at, top;
	unsigned count = 0;
	bool differs = false;

	/* Too far from what is kept to be compared: begin anew. */
	top = h->count ? h->runs[h->count - 1].to : end;
	if (h->count && (uint32_t)(end - h->runs[0].from) > UINT32_MAX / 2)
		return false;
	if (before(top, end))
		top = end;
	forget_before(h, top - TCP_HISTORY);
	if (before(seq, top - TCP_HISTORY)) {
		uint32_t skip = top - TCP_HISTORY - seq;
		if (skip >= bytes.len)
			return false;
		bytes.ptr += skip;
		bytes.len -= skip;
		seq += skip;
	}
	at = seq;
	for (unsigned i = 0; i < h->count && before(at, end); i++) {
		const struct tcp_run *r = &h->runs[i];
		if (!before(at, r->to))
			continue;
		if (!before(r->from, end))
			break;
		if (before(at, r->from)) {
			fresh[count++] = (struct tcp_run){at, r->from};
			at = r->from;
		}
		uint32_t to = before(r->to, end) ? r->to : end;
		differs = differs || ring_differs(h, at, bytes.ptr + (at - seq), to - at);
		at = to;
	}
	if (before(at, end))
		fresh[count++] = (struct tcp_run){at, end};
	for (unsigned i = 0; i < count; i++) {
		ring_write(h, fresh[i].from, bytes.ptr + (fresh[i].from - seq), fresh[i].to - fresh[i].from);
		run_insert(h, fresh[i].from, fresh[i].to);
	}
	return differs;
}
