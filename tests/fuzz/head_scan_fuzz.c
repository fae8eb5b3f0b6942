// SPDX-License-Identifier: Apache-2.0
/*
 * head_scan_fuzz.c: the kernel half's own look at a head (bpf/head_scan.h), from any bytes. Checked: what it
 * takes for a body's begin and length is what the sensor's parser, which decides in the end, takes for it,
 * without any doubt about the framing. The other way round it may know less.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#define __noinline __attribute__((noinline))
#include "bpf/head_scan.h"
#include "sensor/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pk_head head = {0};
	struct head_scan s = {0};
	struct http_request r;

	if (size < PK_HEAD_MIN || !pk_may_have_body(data))
		return 0;
	head.len = size < PK_HEAD_BYTES ? size : PK_HEAD_BYTES;
	memcpy(head.bytes, data, head.len);
	for (uint32_t i = 0; i < head.len && !head_step(&s, i, head.bytes[i]); i++)
		;
	uint32_t length = head_body_length(&s);
	if (!length)
		return 0;
	assert(http1_parse((struct span){(const char *)head.bytes, head.len}, &r) == 0);
	assert(r.head_len == s.end && r.body == HTTP_BODY_LENGTH);
	assert(!(r.deviations & HTTP1_DEV_FRAMING));
	assert(length == r.content_length || (length == BODY_LENGTH_MAX && r.content_length > length));
	return 0;
}
