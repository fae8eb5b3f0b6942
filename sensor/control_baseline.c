// SPDX-License-Identifier: Apache-2.0
/* The baseline: what is normal on each route, and whether that is learned. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/control_decision.h"

#define PAGE 16 /* copied under the lock at a time */

struct baselines {
	struct baseline_info *items;
	size_t count, size;
};

static int by_route(const void *a, const void *b)
{
	const struct baseline_info *x = a, *y = b;
	int route = strcmp(x->route, y->route);

	return route ? route : strcmp(x->rule, y->rule);
}

/* route: only that; NULL: all. 0 or -ENOMEM. */
static int list_get(const struct control_parts *parts, const char *route, struct baselines *ret)
{
	struct baselines l = {0};
	uint32_t cursor = 0;
	size_t n;

	for (;;) {
		if (l.count + PAGE > l.size) {
			size_t size = l.size ? l.size * 2 : 4 * (size_t)PAGE;
			struct baseline_info *bigger = realloc(l.items, size * sizeof *bigger);
			if (!bigger) {
				free(l.items);
				return -ENOMEM;
			}
			l.items = bigger;
			l.size = size;
		}
		n = baseline_list(parts->baseline, &cursor, clock_boot_ns(parts->clock), l.items + l.count,
				  PAGE);
		if (!n)
			break;
		size_t kept = l.count;
		for (size_t i = l.count; i < l.count + n; i++)
			if (!route || strcmp(route, l.items[i].route) == 0)
				l.items[kept++] = l.items[i];
		l.count = kept;
	}
	qsort(l.items, l.count, sizeof *l.items, by_route);
	*ret = l;
	return 0;
}

static void write_one(struct json_writer *w, const struct control_parts *parts, const struct baseline_info *i)
{
	json_object_begin(w);
	json_key(w, "route");
	json_text(w, i->route);
	json_key(w, "detection");
	json_text(w, i->rule);
	json_key(w, "counts");
	json_bool(w, i->counts);
	json_key(w, "normal");
	json_uint(w, i->normal);
	json_key(w, "groups");
	json_uint(w, i->groups);
	json_key(w, "own");
	json_uint(w, i->own);
	json_key(w, "reached");
	json_array_begin(w);
	for (unsigned level = 0; level < BASELINE_LEVELS; level++) {
		if (!i->reached[level])
			continue;
		json_object_begin(w);
		json_key(w, "value");
		json_uint(w, 1ull << level);
		json_key(w, "times");
		json_uint(w, i->reached[level]);
		json_object_end(w);
	}
	json_array_end(w);
	control_write_time(w, "first_seen", parts->clock, (uint64_t)i->first_ns);
	control_write_time(w, "last_taught", parts->clock, (uint64_t)i->last_ns);
	control_write_time(w, "raised", parts->clock, (uint64_t)i->raised_ns);
	json_object_end(w);
}

static void write_learning(struct json_writer *w, const struct control_parts *parts)
{
	json_key(w, "learning");
	json_text(w, baseline_is_frozen(parts->baseline) ? "frozen" : "on");
}

static void get_baseline(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	struct baseline_counts c = baseline_counts(parts->baseline);
	struct baselines list;

	if (list_get(parts, api_call_query(call, "route"), &list)) {
		control_no_memory(call);
		return;
	}
	json_object_begin(&w);
	write_learning(&w, parts);
	json_key(&w, "count");
	json_uint(&w, list.count);
	json_key(&w, "max");
	json_uint(&w, BASELINE_MAX);
	json_key(&w, "forgotten");
	json_uint(&w, c.forgotten);
	json_key(&w, "taught");
	json_uint(&w, c.taught);
	json_key(&w, "baseline");
	json_array_begin(&w);
	for (size_t i = 0; i < list.count; i++)
		write_one(&w, parts, &list.items[i]);
	json_array_end(&w);
	json_object_end(&w);
	free(list.items);
	control_reply(call, 200, &b);
}

/* What was learned wrongly is forgotten. */
static void delete_baseline(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	const char *route = api_call_query(call, "route");
	size_t n = baseline_reset(parts->baseline, route ? span_from(route) : SPAN_NULL);

	if (!n && route) {
		control_problem(call, 404, "not_found", "nothing is known of the route \"%.256s\"", route);
		return;
	}
	control_audit(call, parts, "baseline", route, NULL, "reset");
	json_object_begin(&w);
	json_key(&w, "reset");
	json_uint(&w, n);
	json_object_end(&w);
	control_reply(call, 200, &b);
}

static void put_baseline(struct api_call *call, void *arg)
{
	static const char *const known[] = {"learning", NULL};
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	bool before = baseline_is_frozen(parts->baseline), frozen;
	cJSON *body = NULL;

	if (control_body(call, known, &body))
		return;
	const char *learning = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "learning"));
	bool good = learning && (strcmp(learning, "on") == 0 || strcmp(learning, "frozen") == 0);
	frozen = good && strcmp(learning, "frozen") == 0;
	cJSON_Delete(body);
	if (!good) {
		api_problem(call, 422, "bad_shape", "learning must be \"on\" or \"frozen\"");
		return;
	}
	baseline_freeze(parts->baseline, frozen);
	control_audit(call, parts, "learning", NULL, before ? "frozen" : "on", frozen ? "frozen" : "on");
	json_object_begin(&w);
	write_learning(&w, parts);
	json_object_end(&w);
	control_reply(call, 200, &b);
}

int control_register_baseline(struct api *api, const struct control_parts *parts)
{
	const struct api_route routes[] = {
		{"GET", "/v1/baseline", get_baseline, (void *)parts},
		{"PUT", "/v1/baseline", put_baseline, (void *)parts},
		{"DELETE", "/v1/baseline", delete_baseline, (void *)parts},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
