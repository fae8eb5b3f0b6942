// SPDX-License-Identifier: Apache-2.0
#include "sensor/control_lines.h"
#include <stdlib.h>
#include "sensor/control_decision.h"

#define LINE_MAX_BYTES (64u * 1024)

struct lines {
	char *items;
	size_t count, item_size, at;
	control_line_write write;
	const void *arg;
	struct buffer line;
};

static int produce(void *state, struct buffer *out)
{
	struct lines *s = state;

	for (; s->at < s->count; s->at++) {
		struct json_writer w = JSON_WRITER(&s->line);

		buffer_reset(&s->line);
		s->write(&w, s->items + s->at * s->item_size, s->arg);
		buffer_append_char(&s->line, '\n');
		if (s->line.truncated || s->line.len > out->max)
			continue;
		if (s->line.len > out->max - out->len)
			return 0;
		buffer_append(out, s->line.data, s->line.len);
	}
	return 1;
}

static void drop(void *state)
{
	struct lines *s = state;

	free(s->items);
	buffer_free(&s->line);
	free(s);
}

void control_stream_lines(struct api_call *call, void *items, size_t count, size_t item_size,
			  control_line_write write, const void *arg)
{
	struct lines *s = calloc(1, sizeof *s);

	if (!s) {
		free(items);
		control_no_memory(call);
		return;
	}
	*s = (struct lines){.items = items,
			    .count = count,
			    .item_size = item_size,
			    .write = write,
			    .arg = arg,
			    .line = BUFFER_INIT(LINE_MAX_BYTES)};
	api_stream(call, produce, drop, s);
}
