// SPDX-License-Identifier: Apache-2.0
/*
 * GET /v1/events: the last events, as JSON lines of event data; follow=1 goes on with those to come. The
 * events are read from the tail as the client takes them: a client that is slow pins none, and is told what
 * it missed.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include "lib/event_json.h"
#include "lib/util.h"
#include "sensor/control.h"

#define READ_BATCH     64
#define LINE_MAX_BYTES (256u * 1024)
#define BACK_MAX       65536u
#define LIMIT_MAX      1000000000000ull
#define WAIT_MS        100

struct events {
	const struct control_parts *parts;
	struct tail_cursor cursor;
	uint64_t end;   /* position where it ends; UINT64_MAX: follow */
	uint64_t left;  /* lines still to send */
	uint32_t kinds; /* bit per event kind; 0 = all */
	struct event *held[READ_BATCH];
	unsigned count, at; /* of held */
	struct buffer line; /* made, and not yet taken by the answer */
};

static bool wanted(const struct events *s, const struct event *e)
{
	return !s->kinds || (s->kinds >> e->kind & 1);
}

static void drop(void *state)
{
	struct events *s = state;

	while (s->at < s->count)
		event_unref(s->held[s->at++]);
	buffer_free(&s->line);
	free(s);
}

/* The cursor at the oldest of the last `back` events that are wanted. */
static int seek(struct events *s, uint64_t back)
{
	struct tail *tail = s->parts->tail;
	uint64_t end = tail_open(tail, 0).next;
	struct tail_cursor c = tail_open(tail, back ? UINT_MAX : 0);
	_cleanup_free_ uint64_t *found = NULL;
	uint64_t n = 0, missed;

	if (back == UINT64_MAX || !back) {
		s->cursor = c;
		return 0;
	}
	found = calloc(back, sizeof *found);
	if (!found)
		return -ENOMEM;
	while (c.next < end) {
		struct event *batch[READ_BATCH];
		unsigned got = tail_read(tail, &c, batch, READ_BATCH, 0, &missed);

		for (unsigned i = 0; i < got; i++) {
			if (wanted(s, batch[i]))
				found[n++ % back] = c.next - got + i;
			event_unref(batch[i]);
		}
		if (!got)
			break;
	}
	s->cursor.next = !n ? end : n < back ? found[0] : found[n % back];
	return 0;
}

static void write_line(struct events *s, const struct event *e)
{
	struct json_writer w = JSON_WRITER(&s->line);

	event_json_data(&w, e);
	buffer_append_char(&s->line, '\n');
	if (s->line.truncated)
		buffer_reset(&s->line);
}

static void write_missed(struct events *s, uint64_t missed)
{
	const struct clock *clock = s->parts->clock;
	struct event *e =
		event_new_loss("tail", "event", missed, NULL, clock_boot_ns(clock), clock_wall_ns(clock));

	if (!e)
		return;
	write_line(s, e);
	event_unref(e);
}

/* Hand the line over. False: it does not fit now; the rest comes with the next call. */
static bool hand_over(struct events *s, struct buffer *out)
{
	if (s->line.len > out->max - out->len && out->len)
		return false;
	if (s->line.len && s->line.len <= out->max)
		buffer_append(out, s->line.data, s->line.len);
	buffer_reset(&s->line);
	return true;
}

/* Take the next batch from the tail; waits for news if nothing has been made for this answer yet. False:
 * none. */
static bool refill(struct events *s, bool wait)
{
	uint64_t missed = 0;

	s->at = 0;
	s->count = tail_read(s->parts->tail, &s->cursor, s->held, READ_BATCH, wait ? WAIT_MS : 0, &missed);
	if (missed)
		write_missed(s, missed);
	return s->count || missed;
}

static int produce(void *state, struct buffer *out)
{
	struct events *s = state;

	for (;;) {
		if (!hand_over(s, out))
			return 0;
		if (!s->left)
			return 1;
		if (s->at == s->count) {
			if (s->cursor.next >= s->end)
				return 1;
			if (!refill(s, s->end == UINT64_MAX && !out->len))
				return s->end == UINT64_MAX ? 0 : 1;
			continue;
		}
		uint64_t position = s->cursor.next - (s->count - s->at);
		struct event *e = s->held[s->at++];

		if (position < s->end && wanted(s, e)) {
			write_line(s, e);
			s->left--;
		}
		event_unref(e);
	}
}

/* "http.request,picket.decision" → bits. */
static int parse_names(struct api_call *call, const char *names, uint32_t *ret)
{
	uint32_t kinds = 0;

	for (const char *p = names; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ',')) {
		struct span name = span_trim((struct span){p, strcspn(p, ",")});
		enum event_kind kind;

		if (event_kind_parse(name, &kind)) {
			char known[256];
			size_t at = 0;

			for (int k = 1; k < EVENT_KIND_MAX && at < sizeof known; k++)
				at += (size_t)snprintf(known + at, sizeof known - at, "%s%s",
						       k > 1 ? ", " : "",
						       event_kind_name((enum event_kind)k));
			control_problem(call, 422, "unknown_event",
					"no event is named \"%.*s\": known are %s", (int)MIN(name.len, 64),
					name.ptr, known);
			return 1;
		}
		kinds |= 1u << kind;
	}
	*ret = kinds;
	return 0;
}

static void get_events(struct api_call *call, void *arg)
{
	const char *names = api_call_query(call, "name");
	uint64_t follow = 0, back = UINT64_MAX, limit = UINT64_MAX;
	struct events *s;

	if (control_query(call, "follow", 1, &follow))
		return;
	if (follow)
		back = 0;
	if (control_query(call, "back", BACK_MAX, &back) || control_query(call, "limit", LIMIT_MAX, &limit))
		return;
	s = calloc(1, sizeof *s);
	if (!s)
		goto no_memory;
	s->parts = arg;
	s->line = BUFFER_INIT(LINE_MAX_BYTES);
	s->left = limit;
	if (names && parse_names(call, names, &s->kinds)) {
		drop(s);
		return;
	}
	s->end = follow ? UINT64_MAX : tail_open(s->parts->tail, 0).next;
	if (seek(s, back)) {
		drop(s);
		goto no_memory;
	}
	api_stream(call, produce, drop, s);
	return;
no_memory:
	control_no_memory(call);
}

int control_register_events(struct api *api, const struct control_parts *parts)
{
	const struct api_route routes[] = {
		{"GET", "/v1/events", get_events, (void *)parts},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
