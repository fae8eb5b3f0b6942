// SPDX-License-Identifier: Apache-2.0
#include "sensor/alert_text.h"
#include <ctype.h>
#include "lib/json_write.h"

#define NAMED_MAX 4 /* sources and routes in a line; the JSON has them all */

static const char *phrase(const struct alert *a)
{
	switch (a->kind) {
	case ALERT_BLOCK:
		return a->would ? "would be blocked, were the mode enforce" : "blocked";
	case ALERT_QUESTION:
		return "waits for your answer (picket pending)";
	case ALERT_LIMIT:
		return "went over a limit of the guard, and gets nothing new blocked for now";
	case ALERT_ANOMALY:
		return "seen";
	case ALERT_LOSS:
		return "lost";
	case ALERT_MENDED:
		return "differed from the list, and was mended";
	case ALERT_KINDS:
		break;
	}
	return "";
}

static void put_sources(const struct alert *a, struct buffer *out)
{
	char text[PREFIX_TEXT_MAX];

	for (unsigned i = 0; i < a->source_count && i < NAMED_MAX; i++)
		buffer_printf(out, "%s%s", i ? ", " : ": ", prefix_format(&a->sources[i], text));
	if (a->sources_more || a->source_count > NAMED_MAX)
		buffer_append_text(out, " and others");
}

static void put_routes(const struct alert *a, struct buffer *out)
{
	for (unsigned i = 0; i < a->route_count && i < NAMED_MAX; i++)
		buffer_printf(out, "%s%.*s", i ? ", " : " on ", (int)a->routes[i].len, a->routes[i].ptr);
	if (a->routes_more || a->route_count > NAMED_MAX)
		buffer_append_text(out, " and elsewhere");
}

static void put_parts(const struct alert *a, struct buffer *out)
{
	buffer_printf(out, "%llu events of %u kinds were held back: ", (unsigned long long)a->count,
		      a->groups);
	for (unsigned i = 0; i < a->part_count; i++)
		buffer_printf(out, "%s%s (%s) %llu", i ? ", " : "", a->parts[i].name,
			      alert_kind_name(a->parts[i].kind), (unsigned long long)a->parts[i].count);
	if (a->groups > a->part_count)
		buffer_append_text(out, " and others");
}

void alert_line(const struct alert *a, const struct alert_origin *origin, struct buffer *out)
{
	size_t begin = out->len;

	buffer_printf(out, "picket on %s: ", origin->host);
	if (a->state == ALERT_SUMMARY) {
		put_parts(a, out);
	} else {
		buffer_printf(out, "%s: %s", a->name, phrase(a));
		if (a->count > 1)
			buffer_printf(out, ", %llu times", (unsigned long long)a->count);
		put_sources(a, out);
		put_routes(a, out);
		if (a->detail[0])
			buffer_printf(out, " (%s)", a->detail);
	}
	for (size_t i = begin; i < out->len; i++) /* routes are what clients sent */
		if (iscntrl((unsigned char)out->data[i]))
			out->data[i] = '?';
}

static void put_time(struct json_writer *w, const char *key, const struct clock *clock, uint64_t boot_ns)
{
	char text[CLOCK_TEXT_MAX];

	json_key(w, key);
	if (boot_ns)
		json_text(w, clock_format(clock_wall_of_boot(clock, boot_ns), text));
	else
		json_null(w);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_text(w, text);
}

static void put_lists(struct json_writer *w, const struct alert *a)
{
	char text[PREFIX_TEXT_MAX];

	json_key(w, "sources");
	json_array_begin(w);
	for (unsigned i = 0; i < a->source_count; i++)
		json_text(w, prefix_format(&a->sources[i], text));
	json_array_end(w);
	json_key(w, "sources_more");
	json_bool(w, a->sources_more);
	json_key(w, "routes");
	json_array_begin(w);
	for (unsigned i = 0; i < a->route_count; i++)
		json_string(w, a->routes[i]);
	json_array_end(w);
	json_key(w, "routes_more");
	json_bool(w, a->routes_more);
}

static void put_summary(struct json_writer *w, const struct alert *a)
{
	json_key(w, "groups");
	json_uint(w, a->groups);
	json_key(w, "parts");
	json_array_begin(w);
	for (unsigned i = 0; i < a->part_count; i++) {
		json_object_begin(w);
		put_text(w, "kind", alert_kind_name(a->parts[i].kind));
		put_text(w, "name", a->parts[i].name);
		json_key(w, "count");
		json_uint(w, a->parts[i].count);
		json_object_end(w);
	}
	json_array_end(w);
}

void alert_json(const struct alert *a, const struct alert_origin *origin, const struct clock *clock,
		const char *id, struct buffer *out)
{
	struct buffer line = BUFFER_INIT(ALERT_TEXT_MAX);
	struct json_writer w = JSON_WRITER(out);

	alert_line(a, origin, &line);
	json_object_begin(&w);
	put_text(&w, "id", id);
	put_text(&w, "host", origin->host);
	put_text(&w, "instance", origin->instance);
	put_text(&w, "state", alert_state_name(a->state));
	put_text(&w, "kind", alert_kind_name(a->kind));
	put_text(&w, "name", a->name);
	json_key(&w, "text");
	json_string(&w, buffer_span(&line));
	put_text(&w, "detail", a->detail);
	json_key(&w, "would");
	json_bool(&w, a->would);
	json_key(&w, "count");
	json_uint(&w, a->count);
	put_time(&w, "first", clock, a->first_ns);
	put_time(&w, "last", clock, a->last_ns);
	put_lists(&w, a);
	if (a->state == ALERT_SUMMARY)
		put_summary(&w, a);
	json_object_end(&w);
	buffer_free(&line);
}
