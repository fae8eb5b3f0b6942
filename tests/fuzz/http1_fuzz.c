// SPDX-License-Identifier: Apache-2.0
/*
 * http1_fuzz.c: the head parser, the head scanner at an arbitrary cut, the start-line test and the chunked
 * reader, from any bytes. Checked: every span lies inside the input, and a cut never changes a result.
 */
#include <assert.h>
#include <stdint.h>
#include "sensor/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct span s, struct span all)
{
	/* The path of "http://host" is a constant. */
	if (s.len && !(s.len == 1 && *s.ptr == '/'))
		assert(s.ptr >= all.ptr && s.ptr + s.len <= all.ptr + all.len);
}

static void check_head(struct span bytes, size_t cut)
{
	struct http_request r;
	struct http1_scan whole = {0}, parts = {0};
	int wanted = http1_scan(&whole, bytes);
	int got = http1_scan(&parts, (struct span){bytes.ptr, cut});

	if (got == HTTP1_E_MORE)
		got = http1_scan(&parts, bytes);
	assert(got == wanted);
	if (wanted != 0)
		return;
	assert(parts.at == whole.at && whole.at <= bytes.len);
	if (http1_parse(bytes, &r))
		return;
	assert(r.head_len <= bytes.len && r.header_count <= HTTP_HEADERS_MAX);
	inside(r.method, bytes);
	inside(r.target, bytes);
	inside(r.path, bytes);
	inside(r.query, bytes);
	for (unsigned i = 0; i < r.header_count; i++) {
		inside(r.headers[i].name, bytes);
		inside(r.headers[i].value, bytes);
	}
}

static void check_chunked(struct span bytes, size_t cut)
{
	struct http1_chunked whole = {0}, parts = {0};
	size_t wanted = http1_chunked_eat(&whole, bytes);
	size_t got = http1_chunked_eat(&parts, (struct span){bytes.ptr, cut});

	if (!parts.done)
		got += http1_chunked_eat(&parts, (struct span){bytes.ptr + got, bytes.len - got});
	assert(got == wanted && wanted <= bytes.len);
	assert(parts.done == whole.done && parts.deviations == whole.deviations && parts.left == whole.left);
	assert(whole.done || wanted == bytes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	/* The first two bytes say where to cut. */
	struct span bytes = {(const char *)data + 2, size - 2};
	size_t cut = bytes.len ? (data[0] | (size_t)data[1] << 8) % (bytes.len + 1) : 0;

	check_head(bytes, cut);
	check_chunked(bytes, cut);
	if (http1_start_line(bytes, true) == 0)
		assert(http1_start_line(bytes, false) == 0);
	return 0;
}
