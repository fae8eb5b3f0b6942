// SPDX-License-Identifier: Apache-2.0
/* Bodies in a content coding are what they were when they are read by the libraries of those who get them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>
#include "forwarder/compress.h"

static char body[300000], back[sizeof body + 1];

static size_t read_gzip(const struct buffer *b)
{
	z_stream z = {.next_in = (Bytef *)b->data,
		      .avail_in = (uInt)b->len,
		      .next_out = (Bytef *)back,
		      .avail_out = sizeof back};

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK); /* gzip, and nothing else */
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	inflateEnd(&z);
	return z.total_out;
}

static size_t read_zstd(const struct buffer *b)
{
	/* The length is in the frame: a server need not guess. */
	assert_int_equal(ZSTD_getFrameContentSize(b->data, b->len), sizeof body);
	size_t n = ZSTD_decompress(back, sizeof back, b->data, b->len);
	assert_false(ZSTD_isError(n));
	return n;
}

static void round_trip(enum config_compression how, size_t (*read)(const struct buffer *), unsigned ratio)
{
	struct buffer b = BUFFER_INIT(16u << 20);

	assert_int_equal(compress_body(how, (struct span){body, sizeof body}, &b), 0);
	assert_int_equal(read(&b), sizeof body);
	assert_memory_equal(back, body, sizeof body);
	assert_true(b.len < sizeof body / ratio);
	buffer_free(&b);
}

static void both_are_read_back(void **state)
{
	static const char event[] = "{\"event.name\":\"http.request\",\"url.path\":\"/api/v1/users/%05u\"},";

	(void)state;
	for (size_t i = 0, n = 0; i < sizeof body; n++) {
		char one[128];
		size_t len = (size_t)snprintf(one, sizeof one, event, (unsigned)(n * 7919 % 100000));
		len = len < sizeof body - i ? len : sizeof body - i;
		memcpy(body + i, one, len);
		i += len;
	}
	round_trip(COMPRESSION_GZIP, read_gzip, 5);
	round_trip(COMPRESSION_ZSTD, read_zstd, 5);
	assert_string_equal(compress_name(COMPRESSION_GZIP), "gzip");
	assert_string_equal(compress_name(COMPRESSION_ZSTD), "zstd");
	assert_null(compress_name(COMPRESSION_NONE));
}

/* What cannot be made smaller still fits. */
static void noise_fits(void **state)
{
	uint32_t noise = 7;

	(void)state;
	for (size_t i = 0; i < sizeof body; i++) {
		noise = noise * 1664525 + 1013904223; /* of its high bits each value is as frequent */
		body[i] = (char)(noise >> 24);
	}
	for (int how = COMPRESSION_GZIP; how <= COMPRESSION_ZSTD; how++) {
		struct buffer b = BUFFER_INIT(16u << 20), small = BUFFER_INIT(1000);
		assert_int_equal(
			compress_body((enum config_compression)how, (struct span){body, sizeof body}, &b), 0);
		assert_true(b.len > sizeof body);
		assert_true(compress_body((enum config_compression)how, (struct span){body, sizeof body},
					  &small) < 0);
		buffer_free(&b);
		buffer_free(&small);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_are_read_back),
		cmocka_unit_test(noise_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
