// SPDX-License-Identifier: Apache-2.0
/*
 * stream_fuzz.c: a stream of pieces that are cut, repeated, lost or announced by length only, as the input
 * says. Checked: offsets only grow and add up, memory is given back, and without loss the requests are those
 * of the whole.
 *
 * Input: records of {u8 what, u8 length, bytes}; what: bit 0-1 0 piece, 1 repeat the last bytes too, 2 lost,
 * 3 length only.
 */
#include <assert.h>
#include <stdint.h>
#include "lib/util.h"
#include "sensor/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t hash;
	unsigned requests;
};

static void add(struct sum *sum, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		sum->hash = (sum->hash ^ (unsigned char)s.ptr[i]) * 0x100000001b3ull;
	sum->hash = (sum->hash ^ s.len) * 0x100000001b3ull;
}

static void on_request(void *arg, struct stream *s, const struct http_request *r)
{
	struct sum *sum = arg;

	assert(s->requests == sum->requests);
	add(sum, r->method);
	add(sum, r->target);
	for (unsigned i = 0; i < r->header_count; i++) {
		add(sum, r->headers[i].name);
		add(sum, r->headers[i].value);
	}
	sum->hash ^= r->deviations;
	sum->requests++;
}

static void on_proxy(void *arg, struct stream *s, const struct proxy_header *h)
{
	struct sum *sum = arg;

	assert(s->requests == 0 && h->version);
	add(sum, (struct span){(const char *)h->source.addr.bytes, 16});
	add(sum, (struct span){(const char *)h->destination.addr.bytes, 16});
	sum->hash ^= h->len ^ (uint64_t)h->source.port << 32 ^ (uint64_t)h->destination.port << 16;
}

static void on_late(void *arg, struct stream *s, uint32_t deviations)
{
	struct sum *sum = arg;

	assert(s->requests > 0 && deviations != 0);
	sum->hash += deviations;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char all[1 << 20];
	struct sum pieces = {0}, whole = {0};
	uint64_t budget = 1 << 20;
	struct stream_hooks hooks = {
		.request = on_request, .proxy = on_proxy, .late = on_late, .arg = &pieces, .budget = &budget};
	struct stream s;
	uint32_t isn = 0xffffff00u, skip;
	size_t at = 0, i = 0;
	bool lossy = false;

	stream_init(&s, true, isn);
	while (i + 2 <= size) {
		unsigned what = data[i] & 3;
		size_t n = MIN((size_t)data[i + 1], size - i - 2);
		i += 2;
		if (at + n > sizeof all)
			break;
		if (n)
			memcpy(all + at, data + i, n);
		i += n;
		size_t back = what == 1 ? MIN(at, (size_t)17) : 0;
		uint64_t before = s.next;
		if (what < 2)
			stream_feed(&s, isn + (uint32_t)(at - back), (struct span){all + at - back, n + back},
				    (uint32_t)(n + back), &hooks, &skip);
		else if (what == 3)
			stream_feed(&s, isn + (uint32_t)at, (struct span){all + at, n / 2}, (uint32_t)n,
				    &hooks, &skip);
		lossy |= what >= 2;
		at += n;
		assert(s.next >= before && s.next <= at);
	}
	stream_end(&s, &hooks);
	assert(s.head.data == NULL && budget == 1 << 20);
	if (!lossy) {
		hooks.arg = &whole;
		assert(s.next == at && s.gaps == 0);
		stream_init(&s, true, 7);
		stream_feed(&s, 7, (struct span){all, at}, (uint32_t)at, &hooks, &skip);
		stream_end(&s, &hooks);
		assert(whole.requests == pieces.requests && whole.hash == pieces.hash);
	}
	return 0;
}
