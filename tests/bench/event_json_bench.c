// SPDX-License-Identifier: Apache-2.0
/*
 * What gateways get, by our writer and by cJSON: the same http.request event (a usual one, to which the bars
 * apply, and the one with everything set that there is), from the record in memory to the bytes of its
 * CloudEvent, in turns within one run, so that both meet the same machine. cJSON builds a tree and prints it
 * into memory that it keeps, as a program must that uses it for writing. Prints nanoseconds an event (median
 * of the rounds) and their ratio; exit 1 below 10 times, or below a million events a second.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/event_json.h"
#include "lib/util.h"
#include "tests/schema/event_samples.h"
#include "usual_event.h"

#define ROUNDS      41
#define PER_ROUND   2000
#define SOURCE      "picket://api-1/default"
#define RATIO_BAR   10.0
#define EVENT_S_BAR 1e6

static void write_ours(struct buffer *b, const struct event *e)
{
	struct json_writer w = JSON_WRITER(b);

	buffer_reset(b);
	event_json_cloudevent(&w, e, SOURCE);
}

/* The same calls that a writer on cJSON would make, by a tree that is already there. */
static cJSON *build(const cJSON *like)
{
	cJSON *o = cJSON_IsArray(like) ? cJSON_CreateArray() : cJSON_CreateObject(), *item;
	const cJSON *c;

	cJSON_ArrayForEach(c, like)
	{
		if (cJSON_IsString(c))
			item = cJSON_CreateString(c->valuestring);
		else if (cJSON_IsNumber(c))
			item = cJSON_CreateNumber(c->valuedouble);
		else if (cJSON_IsBool(c))
			item = cJSON_CreateBool(cJSON_IsTrue(c));
		else
			item = build(c);
		if (cJSON_IsArray(like))
			cJSON_AddItemToArray(o, item);
		else
			cJSON_AddItemToObject(o, c->string, item);
	}
	return o;
}

static bool write_theirs(char *out, int size, const cJSON *like)
{
	cJSON *o = build(like);
	bool fits = cJSON_PrintPreallocated(o, out, size, 0);

	cJSON_Delete(o);
	return fits;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof *v, by_value);
	return v[ROUNDS / 2];
}

/* Whether it is within the bars; false as well if it could not be measured. */
static bool measure(const char *what, struct event *e)
{
	struct buffer ours = BUFFER_INIT(64 * 1024);
	static char theirs[64 * 1024];
	double ours_ns[ROUNDS], theirs_ns[ROUNDS];

	if (!e)
		return false;
	write_ours(&ours, e);
	cJSON *like = cJSON_ParseWithLength(ours.data, ours.len);
	if (!like)
		return false;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t t0 = clock_boot_ns(&clock_system);
		for (int i = 0; i < PER_ROUND; i++)
			write_ours(&ours, e);
		uint64_t t1 = clock_boot_ns(&clock_system);
		for (int i = 0; i < PER_ROUND / 10; i++)
			if (!write_theirs(theirs, sizeof theirs, like))
				return false;
		uint64_t t2 = clock_boot_ns(&clock_system);
		ours_ns[round] = (double)(t1 - t0) / PER_ROUND;
		theirs_ns[round] = (double)(t2 - t1) / (PER_ROUND / 10.0);
	}
	/* Bytes differ where cJSON escapes otherwise; what they say must not. */
	cJSON *read_back = cJSON_Parse(theirs);
	if (ours.truncated || !cJSON_Compare(read_back, like, true)) {
		puts("the two do not write the same");
		return false;
	}
	double a = median(ours_ns), b = median(theirs_ns);
	printf("%s: http.request of %zu bytes, %d keys: ours %.0f ns (%.2f M events/s a core), cJSON %.0f "
	       "ns, ratio %.1f\n",
	       what, ours.len, cJSON_GetArraySize(cJSON_GetObjectItem(like, "data")), a, 1e3 / a, b, b / a);
	cJSON_Delete(read_back);
	cJSON_Delete(like);
	event_unref(e);
	buffer_free(&ours);
	return b / a >= RATIO_BAR && 1e9 / a >= EVENT_S_BAR;
}

int main(void)
{
	bool held = measure("usual", usual_event());

	measure("everything set", event_sample_full(EVENT_HTTP_REQUEST));
	printf("bars for the usual one: %.0f M events/s a core, ratio %.0f: %s\n", EVENT_S_BAR / 1e6,
	       RATIO_BAR, held ? "held" : "MISSED");
	return held ? 0 : 1;
}
