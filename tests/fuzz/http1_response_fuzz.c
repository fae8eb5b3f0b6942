// SPDX-License-Identifier: Apache-2.0
/*
 * http1_response_fuzz.c: a server's bytes, whole and cut in two. Checked: each answer begins before it is
 * done, none is counted larger than what came, and without gaps the cut changes nothing.
 *
 * Input: {u8 cut, u8 what}, then the bytes; what: bit 0-1 how the requests were made, bit 2 a gap at the cut.
 * (A request waiting makes the result depend on pieces, as it should: none waits here.)
 */
#include <assert.h>
#include <stdint.h>
#include "lib/util.h"
#include "sensor/http1_response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t hash, body;
	unsigned answers, done;
	enum http1_asked asked;
};

static void on_answer(void *arg, const struct http1_answer *a)
{
	struct sum *s = arg;

	assert(a->status >= 100 && a->status <= 999 && s->answers == s->done);
	s->answers++;
}

static enum http1_asked on_asked(void *arg)
{
	const struct sum *s = arg;

	assert(s->answers == s->done + 1);
	return s->asked;
}

static void on_done(void *arg, const struct http1_answer *a)
{
	struct sum *s = arg;

	assert(s->answers == s->done + 1);
	s->done++;
	s->body += a->body;
	s->hash = (s->hash ^ a->status ^ (a->body << 16) ^ a->whole) * 0x100000001b3ull;
}

static bool on_waiting(void *arg)
{
	(void)arg;
	return false;
}

static void on_lost(void *arg)
{
	(void)arg;
}

static struct sum run(struct span bytes, size_t cut, uint64_t gap, enum http1_asked asked)
{
	struct sum sum = {.asked = asked};
	struct http1_responses_hooks hooks = {.answer = on_answer,
					      .asked = on_asked,
					      .done = on_done,
					      .waiting = on_waiting,
					      .lost = on_lost,
					      .arg = &sum};
	struct http1_responses s = {0};

	http1_responses_feed(&s, (struct span){bytes.ptr, cut}, 1, &hooks);
	if (gap)
		http1_responses_miss(&s, gap, &hooks);
	http1_responses_feed(&s, (struct span){bytes.ptr + cut, bytes.len - cut}, 2, &hooks);
	http1_responses_end(&s, &hooks);
	assert(sum.answers == sum.done && sum.body <= bytes.len + gap);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct span bytes = {(const char *)data + 2, size - 2};
	size_t cut = MIN((size_t)data[0] * 4, bytes.len);
	enum http1_asked asked = (enum http1_asked)((data[1] & 3) % 3);
	unsigned status;

	http1_status(bytes, &status);
	if (data[1] & 4) {
		run(bytes, cut, 1 + (data[1] >> 3), asked);
		return 0;
	}
	struct sum whole = run(bytes, bytes.len, 0, asked), parts = run(bytes, cut, 0, asked);
	assert(whole.hash == parts.hash && whole.answers == parts.answers);
	return 0;
}
