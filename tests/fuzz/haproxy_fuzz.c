// SPDX-License-Identifier: Apache-2.0
/*
 * haproxy_fuzz.c: any bytes as what HAProxy answers. Checked: however they are cut, the same lines come; an
 * entry's target is one that we would write as it stands there; and what is said about it is one command.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include "lib/util.h"
#include "policies/haproxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t lines, hash;
};

static void say(const struct haproxy_entry *e)
{
	struct buffer line = BUFFER_INIT(HAPROXY_SAY_MAX);

	int r = haproxy_say(&line, HAPROXY_SET, "/map", &e->target, e->until_s, e->listed);
	assert(r == 0);
	haproxy_say_end(&line);
	assert(!line.truncated && line.data[line.len - 1] == '\n');
	assert(!memchr(line.data, ';', line.len) && !memchr(line.data, '\\', line.len));
	assert(memchr(line.data, '\n', line.len) == line.data + line.len - 1);
	buffer_free(&line);
}

static void on_line(void *arg, struct span line, bool cut)
{
	struct seen *s = arg;
	struct haproxy_entry e;
	char text[PREFIX_TEXT_MAX];

	assert(line.len <= HAPROXY_LINE_MAX && (!cut || line.len == HAPROXY_LINE_MAX));
	assert(!line.len || !memchr(line.ptr, '\n', line.len));
	s->lines++;
	for (size_t i = 0; i < line.len; i++)
		s->hash = (s->hash ^ (uint8_t)line.ptr[i]) * 0x100000001b3ull;
	s->hash = (s->hash ^ '\n' ^ cut) * 0x100000001b3ull;
	enum haproxy_answer a = haproxy_answer_of(line);
	assert((a == HAPROXY_DONE) == (line.len == 0));
	if (haproxy_entry_parse(line, &e))
		return;
	assert(e.key.len && e.key.ptr > line.ptr && e.key.ptr + e.key.len <= line.ptr + line.len);
	assert(e.until_s < 1000000000000000000ull);
	if (e.target.addr.family == ADDR_NONE)
		return;
	struct prefix clean = prefix_of(&e.target.addr, e.target.bits);
	assert(prefix_equal(&clean, &e.target));
	assert(span_equal(e.key, span_from(prefix_format(&e.target, text))));
	say(&e);
}

static struct seen feed(struct span bytes, size_t part)
{
	struct haproxy_lines *lines = calloc(1, sizeof *lines);
	struct seen s = {0};

	if (!lines)
		abort();
	while (bytes.len) {
		/* Each in memory of its own size, so that a read beyond it is seen. */
		size_t n = MIN(part, bytes.len);
		char *copy = malloc(n);
		if (!copy)
			abort();
		memcpy(copy, bytes.ptr, n);
		haproxy_lines_feed(lines, (struct span){copy, n}, on_line, &s);
		free(copy);
		bytes.ptr += n;
		bytes.len -= n;
	}
	assert(lines->len <= HAPROXY_LINE_MAX);
	free(lines);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct span bytes = {(const char *)data + 1, size - 1};
	struct seen whole = feed(bytes, SIZE_MAX), parts = feed(bytes, 1 + data[0] % 32);

	assert(whole.lines == parts.lines && whole.hash == parts.hash);
	return 0;
}
