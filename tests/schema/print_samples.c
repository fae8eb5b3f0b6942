// SPDX-License-Identifier: Apache-2.0
/*
 * Prints the samples, one JSON object a line: as data and as CloudEvents, full and minimal, of every kind; or
 * with
 * --batch all CloudEvents as one array in one line.
 */
#include <stdio.h>
#include <string.h>
#include "event_samples.h"
#include "lib/event_json.h"

static int print(struct event *e, bool envelope, const char *before)
{
	struct buffer out = BUFFER_INIT(1 << 20);
	struct json_writer w = JSON_WRITER(&out);

	if (!e)
		return 1;
	if (envelope)
		event_json_cloudevent(&w, e, "picket://api-1/default");
	else
		event_json_data(&w, e);
	event_unref(e);
	if (out.truncated)
		return 1;
	fputs(before, stdout);
	fwrite(out.data, 1, out.len, stdout);
	buffer_free(&out);
	return 0;
}

int main(int argc, char **argv)
{
	bool batch = argc > 1 && strcmp(argv[1], "--batch") == 0;
	int r = 0;

	for (unsigned k = 1; k < EVENT_KIND_MAX; k++) {
		enum event_kind kind = (enum event_kind)k;
		if (batch) {
			r |= print(event_sample_full(kind), true, k == 1 ? "[" : ",");
			r |= print(event_sample_minimal(kind), true, ",");
			continue;
		}
		for (int envelope = 0; envelope < 2; envelope++) {
			r |= print(event_sample_full(kind), envelope, "");
			r |= putchar('\n') < 0;
			r |= print(event_sample_minimal(kind), envelope, "");
			r |= putchar('\n') < 0;
		}
	}
	if (batch)
		puts("]");
	return r;
}
