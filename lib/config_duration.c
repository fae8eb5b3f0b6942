// SPDX-License-Identifier: Apache-2.0
/* Durations and sizes as people write them. */
#include <inttypes.h>
#include "lib/config.h"
#include "lib/config_keys.h"
#include "lib/util.h"

static const struct unit {
	const char *name;
	uint64_t factor;
} durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}},
  sizes[] = {{"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"", 1}};

/* Digits at the front of *text are taken off it. 0 or 1. */
static int take_number(struct span *text, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < text->len && text->ptr[i] >= '0' && text->ptr[i] <= '9'; i++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(text->ptr[i] - '0'), &v))
			return 1;
	if (i == 0)
		return 1;
	text->ptr += i;
	text->len -= i;
	*ret = v;
	return 0;
}

/* The run of letters at the front is taken off *text. */
static struct span take_letters(struct span *text)
{
	struct span word = {text->ptr, 0};

	while (word.len < text->len &&
	       ((text->ptr[word.len] | 0x20) >= 'a' && (text->ptr[word.len] | 0x20) <= 'z'))
		word.len++;
	text->ptr += word.len;
	text->len -= word.len;
	return word;
}

int config_uint_parse(struct span text, uint64_t *ret)
{
	uint64_t v;

	if ((text.len > 1 && text.ptr[0] == '0') || take_number(&text, &v) || text.len)
		return 1;
	*ret = v;
	return 0;
}

int config_duration_parse(struct span text, uint64_t *ret_ms)
{
	uint64_t total = 0, v;
	size_t next = 0; /* units fall: "30m1h" is a slip */

	if (text.len == 0)
		return 1;
	while (text.len) {
		if (take_number(&text, &v))
			return 1;
		struct span word = take_letters(&text);
		while (next < ARRAY_SIZE(durations) && !span_equal(word, span_from(durations[next].name)))
			next++;
		if (next == ARRAY_SIZE(durations) || __builtin_mul_overflow(v, durations[next].factor, &v) ||
		    __builtin_add_overflow(total, v, &total))
			return 1;
		next++;
	}
	*ret_ms = total;
	return 0;
}

const char *config_duration_format(uint64_t ms, char buf[static 32])
{
	size_t n = 0;

	if (ms == 0)
		return strcpy(buf, "0s");
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		uint64_t v = ms / durations[i].factor;
		if (v == 0)
			continue;
		/* The longest, "213503982334d14h25m51s615ms", has 27 characters. */
		n += (size_t)snprintf(buf + n, 32 - n, "%" PRIu64 "%s", v, durations[i].name);
		ms %= durations[i].factor;
	}
	return buf;
}

int config_size_parse(struct span text, uint64_t *ret)
{
	uint64_t v;

	if (take_number(&text, &v))
		return 1;
	text = span_trim(text);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (!span_equal(text, span_from(sizes[i].name)))
			continue;
		if (__builtin_mul_overflow(v, sizes[i].factor, &v))
			return 1;
		*ret = v;
		return 0;
	}
	return 1;
}

const char *config_size_format(uint64_t bytes, char buf[static 32])
{
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(sizes) && (bytes == 0 || bytes % sizes[i].factor))
		i++;
	snprintf(buf, 32, "%" PRIu64 "%s", bytes / sizes[i].factor, sizes[i].name);
	return buf;
}
