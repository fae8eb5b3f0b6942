// SPDX-License-Identifier: Apache-2.0
#include "forwarder/backoff.h"
#include <curl/curl.h>
#include "lib/util.h"

uint64_t backoff_fail(struct backoff *b, uint64_t retry_after_ms, uint64_t random)
{
	uint64_t ceiling = BACKOFF_MAX_MS;

	if (b->failures < 16)
		ceiling = MIN(ceiling, (uint64_t)BACKOFF_FIRST_MS << b->failures);
	b->failures++;

	uint64_t own = 1 + random % ceiling;
	uint64_t asked = MIN(retry_after_ms, RETRY_AFTER_MAX_MS);
	asked += random % (asked / 10 + 1);
	return MAX(own, asked);
}

/* Digits alone; what does not fit is "very long". */
static int parse_number(struct span text, uint64_t *ret)
{
	uint64_t v = 0;

	if (text.len == 0)
		return 1;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return 1;
		if (v < UINT64_MAX / 1000 / 10 - 10)
			v = v * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	*ret = v;
	return 0;
}

static uint64_t date_to_ms(struct span text, uint64_t wall_ns)
{
	char z[64];
	time_t when;

	if (text.len == 0 || text.len >= sizeof z)
		return 0;
	memcpy(z, text.ptr, text.len);
	z[text.len] = 0;
	when = curl_getdate(z, NULL);
	if (when < 0 || (uint64_t)when <= wall_ns / NS_PER_S)
		return 0;
	return ((uint64_t)when - wall_ns / NS_PER_S) * 1000;
}

uint64_t retry_after_parse(struct span name, struct span value, uint64_t wall_ns)
{
	uint64_t v;

	value = span_trim(value);
	if (span_equal_nocase(name, SPAN("retry-after")) ||
	    span_equal_nocase(name, SPAN("x-lunar-retry-after"))) {
		if (parse_number(value, &v) == 0)
			v *= 1000;
		else
			v = date_to_ms(value, wall_ns);
	} else if (span_equal_nocase(name, SPAN("retry-after-ms")) ||
		   span_equal_nocase(name, SPAN("x-ms-retry-after-ms"))) {
		if (parse_number(value, &v))
			v = 0;
	} else {
		return 0;
	}
	return MIN(v, RETRY_AFTER_MAX_MS);
}
