// SPDX-License-Identifier: Apache-2.0
/* A look of `picket top` as one object on one line. */
#include "lib/json_write.h"
#include "lib/util.h"
#include "sensor/top.h"

#define JSON_MAX (4u << 20)

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_text(w, text);
}

static void put_uint(struct json_writer *w, const char *key, uint64_t v)
{
	json_key(w, key);
	json_uint(w, v);
}

/* null: not known yet */
static void put_rate(struct json_writer *w, const char *key, double rate)
{
	json_key(w, key);
	if (rate < 0)
		json_null(w);
	else
		json_double(w, rate);
}

static void put_source(struct json_writer *w, const struct top *t, const struct top_source *s)
{
	json_object_begin(w);
	put_text(w, "address", s->address);
	put_rate(w, "requests_per_second", s->rate);
	put_uint(w, "requests", s->requests);
	put_uint(w, "refused", s->refused);
	put_text(w, "status", top_source_status(t, s));
	put_text(w, "last_request", s->last);
	json_object_end(w);
}

static void put_route(struct json_writer *w, const struct top_route *r)
{
	json_object_begin(w);
	put_text(w, "method", r->method);
	put_text(w, "route", r->route);
	put_text(w, "host", r->host);
	put_rate(w, "requests_per_second", r->rate);
	put_uint(w, "requests", r->requests);
	put_uint(w, "refused", r->refused);
	json_object_end(w);
}

static void put_block(struct json_writer *w, const struct top_block *b)
{
	json_object_begin(w);
	put_text(w, "target", b->target);
	put_text(w, "action", b->action);
	put_rate(w, "packets_per_second", b->rate);
	put_uint(w, "packets", b->packets);
	put_uint(w, "ttl_s", b->ttl_s);
	json_object_end(w);
}

static void put_programs(struct json_writer *w, const struct top_programs *p)
{
	json_key(w, "programs");
	if (p->state != TOP_PROGRAMS_KNOWN) {
		json_null(w);
		return;
	}
	json_array_begin(w);
	for (unsigned i = 0; i < p->count; i++) {
		json_object_begin(w);
		put_text(w, "name", p->items[i].name);
		put_rate(w, "runs_per_second", p->items[i].run_rate);
		put_rate(w, "ns_per_run", p->items[i].ns_each);
		json_object_end(w);
	}
	json_array_end(w);
}

void top_print_json(const struct top *t, FILE *f)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(JSON_MAX);
	struct json_writer w = JSON_WRITER(&out);

	json_object_begin(&w);
	put_text(&w, "mode", cli_text(t->now.status, "mode"));
	put_rate(&w, "requests_per_second", top_rate(t, "capture.requests"));
	put_rate(&w, "packets_per_second", top_rate(t, "kernel.packets"));
	put_rate(&w, "dropped_per_second", top_rate(t, "kernel.packets_dropped"));
	json_key(&w, "sources");
	json_array_begin(&w);
	for (unsigned i = 0; i < t->source_count; i++)
		put_source(&w, t, &t->sources[i]);
	json_array_end(&w);
	json_key(&w, "routes");
	json_array_begin(&w);
	for (unsigned i = 0; i < t->route_count; i++)
		put_route(&w, &t->routes[i]);
	json_array_end(&w);
	json_key(&w, "blocks");
	json_array_begin(&w);
	for (unsigned i = 0; i < t->block_count; i++)
		put_block(&w, &t->blocks[i]);
	json_array_end(&w);
	put_programs(&w, &t->programs);
	json_object_end(&w);
	buffer_append_char(&out, '\n');
	fwrite(out.data ? out.data : "", 1, out.len, f);
}
