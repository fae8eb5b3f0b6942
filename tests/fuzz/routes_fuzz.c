// SPDX-License-Identifier: Apache-2.0
/*
 * Whoever may send requests chooses what is learned. The input is a list of requests, one a line: a byte for
 * the client, one for the answer, then the path; "=N" in front of a path repeats it. Held to: what stands in
 * a template is a placeholder or a word that was sent often enough; a path's template never becomes less
 * general; what is saved loads to the same. An input that begins with "picket-routes" is read as a saved text
 * instead.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "policies/path_segments.h"
#include "tests/unit/routes_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIRST_MAX 8 /* paths whose templates are followed */

struct followed {
	char path[128], route[ROUTES_TEXT_MAX + 8];
};

static bool covers(const char *general, const char *special)
{
	struct span a = span_from(general), b = span_from(special), x, y;

	for (;;) {
		bool more = segment_next(&a, &x);
		if (more != segment_next(&b, &y))
			return false;
		if (!more)
			return true;
		if (x.ptr[0] != '{' && !span_equal(x, y))
			return false;
	}
}

static void check_template(const char *text)
{
	struct span path = span_from(text), s;

	while (segment_next(&path, &s))
		if (segment_of_placeholder(s) == SEGMENT_WORD && segment_kind(s) != SEGMENT_WORD)
			abort();
}

static void check_same_after_restart(struct routes *r)
{
	struct buffer saved = BUFFER_INIT(1 << 22), before = BUFFER_INIT(1 << 22),
		      after = BUFFER_INIT(1 << 22);
	struct routes *again = NULL;
	unsigned line;

	rig_list(r, &before);
	if (routes_save(r, &saved) || routes_new(NULL, &again) ||
	    routes_load(again, buffer_span(&saved), RIG_WALL_NS, &line))
		abort();
	rig_list(again, &after);
	if (strcmp(before.data, after.data) != 0)
		abort();
	routes_free(again);
	buffer_free(&saved);
	buffer_free(&before);
	buffer_free(&after);
}

static void follow(struct followed *all, const char *path, const char *route)
{
	if (strlen(path) >= sizeof all->path)
		return;
	for (unsigned i = 0; i < FIRST_MAX; i++) {
		struct followed *f = &all[i];
		if (f->path[0] && strcmp(f->path, path) != 0)
			continue;
		if (f->route[0] && !covers(route, f->route))
			abort();
		strcpy(f->path, path);
		strcpy(f->route, route);
		return;
	}
}

static void send_line(struct routes *r, struct followed *all, struct span line)
{
	static const unsigned statuses[] = {200, 404, 0, 401, 302};
	char path[512], route[ROUTES_TEXT_MAX + 8];
	unsigned repeat = 1;

	if (line.len < 3)
		return;
	unsigned client = (uint8_t)line.ptr[0],
		 status = statuses[(uint8_t)line.ptr[1] % ARRAY_SIZE(statuses)];
	line = (struct span){line.ptr + 2, line.len - 2};
	if (line.ptr[0] == '=' && line.len > 2) {
		repeat = (uint8_t)line.ptr[1] % 32;
		line = (struct span){line.ptr + 2, line.len - 2};
	}
	snprintf(path, sizeof path, "%.*s", (int)MIN(line.len, sizeof path - 1), line.ptr);
	for (unsigned i = 0; i < repeat; i++) {
		ask(r,
		    &(struct ask){.host = client & 1 ? "a.example" : "b.example",
				  .path = path,
				  .client = client,
				  .status = status},
		    route);
		check_template(route);
		follow(all + (client & 1 ? FIRST_MAX : 0), path, route);
	}
}

static void load_text(struct span text)
{
	struct routes *r = NULL;
	unsigned line;

	if (routes_new(NULL, &r))
		abort();
	if (routes_load(r, text, RIG_WALL_NS, &line) == 0)
		check_same_after_restart(r);
	routes_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = {(const char *)data, size};
	struct followed *followed;
	struct routes *r = NULL;

	if (text.len > 13 && memcmp(text.ptr, "picket-routes", 13) == 0) {
		load_text(text);
		return 0;
	}
	followed = calloc(2 * FIRST_MAX, sizeof *followed);
	if (!followed || routes_new(NULL, &r))
		abort();
	while (text.len) {
		const char *end = memchr(text.ptr, '\n', text.len);
		struct span line = {text.ptr, end ? (size_t)(end - text.ptr) : text.len};
		send_line(r, followed, line);
		size_t used = line.len + (end != NULL);
		text = (struct span){text.ptr + used, text.len - used};
	}
	struct routes_counts c = routes_counts(r);
	if (c.hosts > ROUTES_HOSTS_MAX || c.nodes > ROUTES_NODES_MAX || c.routes > ROUTES_MAX)
		abort();
	check_same_after_restart(r);
	routes_free(r);
	free(followed);
	return 0;
}
