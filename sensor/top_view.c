// SPDX-License-Identifier: Apache-2.0
/*
 * A look of `picket top` as lines. ASCII only: what a terminal makes of other characters, and how wide they
 * are to it, depends on its locale, and a column that is off by one would hide what stands behind it.
 */
#include <string.h>
#include "lib/util.h"
#include "sensor/cli_print.h"
#include "sensor/top.h"

#define LINE_MAX_BYTES 4096
#define HEAD_LINES     5
#define LISTS          3
#define PLAIN_ROWS     20 /* of each list, where there is no screen */

struct drawing {
	const struct top *t;
	const struct top_view *view;
	void (*put)(void *arg, enum top_look look, struct span line);
	void *arg;
	struct buffer line;
};

/* --- lines --- */

/* Outside text in ASCII, cut to max columns (0: not). Returns the columns it takes. */
static unsigned put_text(struct buffer *out, const char *text, unsigned max)
{
	unsigned columns = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = c >= 0x20 && c < 0x7f && c != '\\';
		unsigned here = plain ? 1 : 4;

		if (max && columns + here > max)
			break;
		buffer_printf(out, plain ? "%c" : "\\x%02x", c);
		columns += here;
	}
	return columns;
}

/* A column of this width, and a blank. */
static void put_cell(struct drawing *d, const char *text, unsigned width)
{
	unsigned columns = put_text(&d->line, text, width);

	buffer_printf(&d->line, "%*s", (int)(width - columns + 1), "");
}

static void put_right(struct drawing *d, const char *text, unsigned width)
{
	buffer_printf(&d->line, "%*.*s ", (int)width, (int)width, text);
}

static void put_rate(struct drawing *d, double rate, unsigned width)
{
	char text[32] = "-";

	if (rate >= 0)
		snprintf(text, sizeof text, rate < 10 ? "%.1f" : "%.0f", rate);
	put_right(d, text, width);
}

static void put_share(struct drawing *d, uint64_t part, uint64_t of, unsigned width)
{
	char text[32] = "-";

	if (of)
		snprintf(text, sizeof text, "%.0f%%", 100.0 * (double)part / (double)of);
	put_right(d, text, width);
}

static void put_count(struct drawing *d, uint64_t n, unsigned width)
{
	char text[32];

	snprintf(text, sizeof text, n < 1000000000 ? "%llu" : "%lluM",
		 (unsigned long long)(n < 1000000000 ? n : n / 1000000));
	put_right(d, text, width);
}

static void end_line(struct drawing *d, enum top_look look)
{
	unsigned columns = d->view->columns;

	while (d->line.len && d->line.data[d->line.len - 1] == ' ')
		d->line.len--;
	if (columns && d->line.len > columns)
		d->line.len = columns;
	d->put(d->arg, look, d->line.len ? buffer_span(&d->line) : SPAN(""));
	buffer_reset(&d->line);
}

static void put_rate_of(struct drawing *d, const char *label, const char *path)
{
	double rate = top_rate(d->t, path);

	if (rate < 0)
		buffer_printf(&d->line, "%s -  ", label);
	else
		buffer_printf(&d->line, rate < 10 ? "%s %.1f/s  " : "%s %.0f/s  ", label, rate);
}

/* --- the head: HEAD_LINES lines --- */

static void draw_title(struct drawing *d)
{
	const cJSON *s = d->t->now.status;
	char up[32];

	buffer_append_text(&d->line, "picket ");
	put_text(&d->line, cli_text(s, "version"), 0);
	buffer_append_text(&d->line, ", instance ");
	put_text(&d->line, cli_text(s, "instance"), 0);
	buffer_printf(&d->line, ", up %s, mode ", print_span(cli_uint(s, "sensor.uptime_s"), up));
	put_text(&d->line, cli_text(s, "mode"), 0);
	if (cli_true(s, "kill_switch"))
		buffer_append_text(&d->line, ", KILL SWITCH ON: nothing is dropped");
	if (d->view->paused)
		buffer_append_text(&d->line, " [paused]");
	end_line(d, cli_true(s, "kill_switch") ? TOP_ALERT : TOP_HEAD);
}

static void draw_rates(struct drawing *d)
{
	const cJSON *s = d->t->now.status;

	put_rate_of(d, "requests", "capture.requests");
	put_rate_of(d, "packets", "kernel.packets");
	put_rate_of(d, "dropped", "kernel.packets_dropped");
	buffer_printf(&d->line, "blocked %llu  pending %llu",
		      (unsigned long long)cli_uint(s, "blocks.desired"),
		      (unsigned long long)cli_uint(s, "blocks.pending"));
	end_line(d, TOP_PLAIN);
}

static void draw_rings(struct drawing *d)
{
	const cJSON *stage;
	bool lost = false;

	buffer_append_text(&d->line, "rings    ");
	cJSON_ArrayForEach(stage, cli_at(d->t->now.status, "accounting.stages"))
	{
		if (strcmp(cli_text(stage, "stage"), "ring") != 0)
			continue;
		put_text(&d->line, cli_text(stage, "kind"), 0);
		buffer_printf(&d->line, " %llu held %llu lost  ", (unsigned long long)cli_uint(stage, "held"),
			      (unsigned long long)cli_uint(stage, "lost"));
		lost = lost || cli_uint(stage, "lost");
	}
	end_line(d, lost ? TOP_ALERT : TOP_PLAIN);
}

static void draw_gateways(struct drawing *d)
{
	const cJSON *list = cli_at(d->t->now.status, "gateways"), *g;
	bool alert = false;

	buffer_append_text(&d->line, cJSON_GetArraySize(list) ? "gateways " : "gateways none");
	cJSON_ArrayForEach(g, list)
	{
		put_text(&d->line, cli_text(g, "name"), 0);
		buffer_append_char(&d->line, ' ');
		put_text(&d->line, cli_text(g, "state"), 0);
		buffer_printf(&d->line, " %llu held %llu dropped  ",
			      (unsigned long long)cli_uint(g, "events_held"),
			      (unsigned long long)cli_uint(g, "events_dropped"));
		alert = alert || !strcmp(cli_text(g, "state"), "backing off") ||
			!strcmp(cli_text(g, "state"), "failed");
	}
	end_line(d, alert ? TOP_ALERT : TOP_PLAIN);
}

static void draw_programs(struct drawing *d)
{
	static const char *const why[] = {
		[TOP_PROGRAMS_DENIED] = "what programs cost is shown to root only",
		[TOP_PROGRAMS_NONE] = "no program of picket's is loaded here",
		[TOP_PROGRAMS_UNCOUNTED] = "not measured: sysctl kernel.bpf_stats_enabled=1 begins it",
	};
	const struct top_programs *p = &d->t->programs;

	buffer_append_text(&d->line, "kernel   ");
	if (p->state != TOP_PROGRAMS_KNOWN)
		buffer_append_text(&d->line, why[p->state]);
	for (unsigned i = 0; p->state == TOP_PROGRAMS_KNOWN && i < p->count; i++) {
		put_text(&d->line, p->items[i].name + strlen("pk_"), 0);
		if (p->items[i].run_rate > 0)
			buffer_printf(&d->line, " %.0f ns  ", p->items[i].ns_each);
		else
			buffer_append_text(&d->line, " -  ");
	}
	end_line(d, TOP_PLAIN);
}

/* --- the lists --- */

static void draw_source(struct drawing *d, unsigned i)
{
	const struct top_source *s = &d->t->sources[i];

	put_rate(d, s->rate, 7);
	put_share(d, s->refused, s->requests, 7);
	put_cell(d, s->address, strlen(s->address) > 15 ? 39 : 15);
	put_cell(d, top_source_status(d->t, s), 13);
	put_text(&d->line, s->last, 0);
	end_line(d, strcmp(s->address, d->view->selected) ? TOP_PLAIN : TOP_SELECTED);
}

static void draw_route(struct drawing *d, unsigned i)
{
	const struct top_route *r = &d->t->routes[i];

	put_rate(d, r->rate, 7);
	put_share(d, r->refused, r->requests, 7);
	put_count(d, r->requests, 10);
	put_cell(d, r->method, 7);
	put_text(&d->line, r->route, 0);
	buffer_append_char(&d->line, ' ');
	put_text(&d->line, r->host, 0);
	end_line(d, TOP_PLAIN);
}

static void draw_block(struct drawing *d, unsigned i)
{
	const struct top_block *b = &d->t->blocks[i];
	char left[32];

	put_rate(d, b->rate, 7);
	put_count(d, b->packets, 10);
	put_right(d, print_span(b->ttl_s, left), 7);
	put_cell(d, b->action, 10);
	put_cell(d, b->target, strlen(b->target) > 18 ? 43 : 18);
	put_text(&d->line, b->source, 0);
	buffer_append_char(&d->line, '/');
	put_text(&d->line, b->origin, 0);
	end_line(d, TOP_PLAIN);
}

struct list {
	const char *head;
	void (*draw)(struct drawing *d, unsigned i);
	unsigned count, first, shown;
};

/* One line after the other to the lists that want more; what one does not need goes to the others. */
static void share_rows(struct list *lists, unsigned rows)
{
	bool wanted = true;

	while (rows && wanted) {
		wanted = false;
		for (unsigned i = 0; i < LISTS && rows; i++) {
			if (lists[i].shown == lists[i].count)
				continue;
			lists[i].shown++;
			rows--;
			wanted = true;
		}
	}
}

static unsigned selected_index(const struct top *t, const struct top_view *view)
{
	for (unsigned i = 0; i < t->source_count; i++)
		if (!strcmp(t->sources[i].address, view->selected))
			return i;
	return 0;
}

static void draw_list(struct drawing *d, const struct list *list)
{
	buffer_append_text(&d->line, list->head);
	end_line(d, TOP_HEAD);
	for (unsigned i = 0; i < list->shown; i++)
		list->draw(d, list->first + i);
}

static void draw_lists(struct drawing *d)
{
	const unsigned fixed = HEAD_LINES + LISTS;
	struct list lists[LISTS] = {
		{"  REQ/S 4XX5XX SOURCE          STATUS        LAST REQUEST", draw_source, d->t->source_count,
		 0, 0},
		{"  REQ/S 4XX5XX   REQUESTS METHOD  ROUTE", draw_route, d->t->route_count, 0, 0},
		{" DROP/S    DROPPED    LEFT ACTION     TARGET             BY", draw_block, d->t->block_count,
		 0, 0},
	};
	unsigned selected = selected_index(d->t, d->view);

	if (!d->view->rows)
		share_rows(lists, LISTS * PLAIN_ROWS);
	else if (d->view->rows > fixed)
		share_rows(lists, d->view->rows - fixed);
	if (selected >= lists[0].shown)
		lists[0].first = lists[0].shown ? selected + 1 - lists[0].shown : 0;
	for (unsigned i = 0; i < LISTS; i++)
		draw_list(d, &lists[i]);
}

void top_draw(const struct top *t, const struct top_view *view,
	      void (*put)(void *arg, enum top_look look, struct span line), void *arg)
{
	struct drawing d = {
		.t = t, .view = view, .put = put, .arg = arg, .line = BUFFER_INIT(LINE_MAX_BYTES)};

	draw_title(&d);
	draw_rates(&d);
	draw_rings(&d);
	draw_gateways(&d);
	draw_programs(&d);
	draw_lists(&d);
	buffer_free(&d.line);
}

void top_select(const struct top *t, struct top_view *view, int by)
{
	unsigned at = selected_index(t, view);

	if (!t->source_count) {
		view->selected[0] = 0;
		return;
	}
	if (*view->selected && by < 0)
		at -= at > 0;
	else if (*view->selected && by > 0)
		at += at + 1 < t->source_count;
	memcpy(view->selected, t->sources[at].address, sizeof view->selected);
}
