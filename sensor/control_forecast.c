// SPDX-License-Identifier: Apache-2.0
/* Forecast: what would have been dropped, had the blocks been real that were only written down. */
#include <errno.h>
#include <stdlib.h>
#include "lib/util.h"
#include "policies/forecast.h"
#include "sensor/control.h"

#define LIST_DEFAULT 1000
#define LIST_MAX     FORECAST_ENTRIES_MAX
#define LAST_S_MAX   (10ull * 366 * 24 * 3600)

/* Those first that harm most if they are wrong. */
static int most_served_first(const void *a, const void *b)
{
	const struct forecast_entry *x = a, *y = b;

	if (x->served != y->served)
		return x->served < y->served ? 1 : -1;
	if (x->requests != y->requests)
		return x->requests < y->requests ? 1 : -1;
	return x->began_ns < y->began_ns ? 1 : x->began_ns > y->began_ns ? -1 : 0;
}

static void write_count(struct json_writer *w, const char *key, uint64_t v)
{
	json_key(w, key);
	json_uint(w, v);
}

static void write_entry(struct json_writer *w, const struct forecast_entry *e, const struct clock *clock)
{
	json_object_begin(w);
	control_write_verdict(w, &e->verdict);
	control_write_time(w, "began", clock, e->began_ns);
	control_write_time(w, "until", clock, e->until_ns);
	write_count(w, "requests", e->requests);
	write_count(w, "served", e->served);
	write_count(w, "unanswered", e->unanswered);
	control_write_time(w, "first", clock, e->first_ns);
	control_write_time(w, "last", clock, e->last_ns);
	json_key(w, "routes");
	json_array_begin(w);
	for (unsigned i = 0; i < e->route_count; i++) {
		json_object_begin(w);
		json_key(w, "route");
		json_string(w, e->routes[i].route);
		write_count(w, "requests", e->routes[i].requests);
		json_object_end(w);
	}
	json_array_end(w);
	write_count(w, "elsewhere", e->elsewhere);
	json_object_end(w);
}

static void write_totals(struct json_writer *w, const struct forecast_entry *list, size_t count)
{
	uint64_t requests = 0, served = 0;

	for (size_t i = 0; i < count; i++) {
		requests += list[i].requests;
		served += list[i].served;
	}
	write_count(w, "count", count);
	write_count(w, "requests", requests);
	write_count(w, "served", served);
}

static void get_forecast(struct api_call *call, void *arg)
{
	const struct control_parts *parts = arg;
	struct buffer b = BUFFER_INIT(CONTROL_ANSWER_MAX);
	struct json_writer w = JSON_WRITER(&b);
	uint64_t now = clock_boot_ns(parts->clock), last_s = 0, limit = LIST_DEFAULT;
	struct forecast_entry *list = NULL;
	size_t count = 0;

	if (control_query(call, "last_s", LAST_S_MAX, &last_s) ||
	    control_query(call, "limit", LIST_MAX, &limit))
		return;
	/* Negative: before the machine's start. */
	int64_t since = last_s ? (int64_t)now - (int64_t)(last_s * NS_PER_S) : INT64_MIN;
	if (forecast_list(parts->forecast, since, &list, &count)) {
		control_no_memory(call);
		return;
	}
	if (count)
		qsort(list, count, sizeof *list, most_served_first);
	json_object_begin(&w);
	control_write_time(&w, "since", parts->clock, (uint64_t)MAX(since, forecast_since(parts->forecast)));
	write_totals(&w, list, count);
	json_key(&w, "truncated");
	json_bool(&w, count > limit);
	write_count(&w, "forgotten", forecast_forgotten(parts->forecast));
	json_key(&w, "forecast");
	json_array_begin(&w);
	for (size_t i = 0; i < count && i < limit; i++)
		write_entry(&w, &list[i], parts->clock);
	json_array_end(&w);
	json_object_end(&w);
	free(list);
	control_reply(call, 200, &b);
}

int control_register_forecast(struct api *api, const struct control_parts *parts)
{
	void *arg = (void *)parts;
	const struct api_route routes[] = {
		{"GET", "/v1/forecast", get_forecast, arg},
	};

	return api_add(api, routes, ARRAY_SIZE(routes));
}
