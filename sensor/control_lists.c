// SPDX-License-Identifier: Apache-2.0
/* Block lists: what stands in their files, and what of it is in force. */
#include "lib/util.h"
#include "sensor/control.h"

static void put_uint(struct json_writer *w, const char *key, uint64_t v)
{
	json_key(w, key);
	json_uint(w, v);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_text(w, text);
}

static void write_refused(struct json_writer *w, const struct lists_account *a)
{
	json_key(w, "refused");
	json_object_begin(w);
	for (unsigned i = LIMITS_OK + 1; i < ARRAY_SIZE(a->refused); i++)
		if (a->refused[i])
			put_uint(w, limits_answer_name((enum limits_answer)i), a->refused[i]);
	json_object_end(w);
}

static void write_faults(struct json_writer *w, const struct lists_account *a)
{
	json_key(w, "unreadable_first");
	json_array_begin(w);
	for (unsigned i = 0; i < a->fault_count; i++) {
		json_object_begin(w);
		put_uint(w, "at", a->faults[i].at);
		put_text(w, "why", a->faults[i].why);
		put_text(w, "text", a->faults[i].quote);
		json_object_end(w);
	}
	json_array_end(w);
}

static void write_list(struct json_writer *w, const struct lists_account *a, const struct clock *clock)
{
	json_object_begin(w);
	put_text(w, "name", a->config->name);
	put_text(w, "path", a->config->path);
	put_text(w, "gateway", a->config->path ? NULL : a->config->name);
	put_text(w, "format", list_format_name(a->format));
	put_text(w, "action", verdict_action_name(a->config->action));
	put_text(w, "scope", a->config->scope == VERDICT_SCOPE_HOST ? "host" : "ports");
	put_uint(w, "ttl_s", a->config->ttl_ms / 1000);
	put_uint(w, "entries", a->entries);
	put_uint(w, "in_force", a->in_force);
	write_refused(w, a);
	put_uint(w, "http_requests", a->http.requests);
	control_write_time(w, "http_last", clock, a->http.last_ns);
	put_uint(w, "unreadable", a->unreadable);
	write_faults(w, a);
	put_uint(w, "ignored", a->ignored);
	control_write_time(w, "read", clock, a->read_ns);
	put_uint(w, "took_ms", a->took_ns / NS_PER_MS);
	control_write_time(w, "until", clock, a->until_ns);
	put_text(w, "error", a->error[0] ? a->error : NULL);
	put_uint(w, "dropped", a->dropped);
	put_uint(w, "dropped_of", a->former);
	json_object_end(w);
}

void control_write_lists(struct json_writer *w, const struct control_parts *parts)
{
	struct lists_account lists[CONFIG_LISTS_MAX];
	unsigned count = enforcer_lists(parts->enforcer, lists);

	json_array_begin(w);
	for (unsigned i = 0; i < count; i++)
		write_list(w, &lists[i], parts->clock);
	json_array_end(w);
}

static void get_lists(struct api_call *call, void *arg)
{
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);

	json_object_begin(&w);
	json_key(&w, "lists");
	control_write_lists(&w, arg);
	json_object_end(&w);
	control_reply(call, 200, &b);
}

int control_register_lists(struct api *api, const struct control_parts *parts)
{
	const struct api_route routes[] = {
		{"GET", "/v1/lists", get_lists, (void *)parts},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
