// SPDX-License-Identifier: Apache-2.0
/*
 * Our JSON writer against cJSON on the same event of 25 fields, in turns within one run, so that both meet
 * the same machine. Prints nanoseconds an event (median of the rounds) and their ratio; exit 1 below 10.
 *
 * cJSON builds a tree and prints it, as a program must that uses it for writing; both write into memory they
 * keep.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/json_write.h"
#include "lib/util.h"

#define ROUNDS     41
#define PER_ROUND  2000
#define RATIO_GOAL 10.0

struct text_field {
	const char *key, *value;
};

static const struct text_field texts[] = {
	{"event.name", "http.request"},
	{"time_unix_nano", "1795557610123456789"},
	{"network.peer.address", "203.0.113.7"},
	{"network.local.address", "192.0.2.10"},
	{"client.address", "203.0.113.7"},
	{"http.request.method", "GET"},
	{"url.original", "/api/v1/users/42/orders?page=&limit="},
	{"url.path", "/api/v1/users/42/orders"},
	{"http.request.header.host", "api.example.com"},
	{"http.request.header.user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
	{"http.request.header.accept", "application/json, text/plain, */*"},
	{"http.request.header.content-type", "application/json"},
	{"server.address", "api.example.com"},
	{"network.protocol.version", "1.1"},
	{"picket.consumer", "c_0123456789abcdef"},
};

static const struct {
	const char *key;
	uint64_t value;
} numbers[] = {
	{"network.peer.port", 51234}, {"network.local.port", 8080},        {"client.port", 51234},
	{"server.port", 8080},        {"http.request.body.size", 1234},    {"picket.stream.index", 17},
	{"picket.netns", 4026531840}, {"picket.connection.id", 123456789}, {"process.pid", 4711},
};

static void write_ours(struct buffer *b)
{
	struct json_writer w = JSON_WRITER(b);

	buffer_reset(b);
	json_object_begin(&w);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		json_key(&w, texts[i].key);
		json_text(&w, texts[i].value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		json_key(&w, numbers[i].key);
		json_uint(&w, numbers[i].value);
	}
	json_key(&w, "picket.forwarded");
	json_bool(&w, false);
	json_object_end(&w);
}

static bool write_theirs(char *out, int size)
{
	cJSON *o = cJSON_CreateObject();

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		cJSON_AddStringToObject(o, texts[i].key, texts[i].value);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		cJSON_AddNumberToObject(o, numbers[i].key, (double)numbers[i].value);
	cJSON_AddBoolToObject(o, "picket.forwarded", 0);
	bool fits = cJSON_PrintPreallocated(o, out, size, 0);
	cJSON_Delete(o);
	return fits;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
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

int main(void)
{
	struct buffer ours = BUFFER_INIT(64 * 1024);
	static char theirs[64 * 1024];
	double ours_ns[ROUNDS], theirs_ns[ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t t0 = now_ns();
		for (int i = 0; i < PER_ROUND; i++)
			write_ours(&ours);
		uint64_t t1 = now_ns();
		for (int i = 0; i < PER_ROUND / 10; i++)
			if (!write_theirs(theirs, sizeof theirs))
				return 1;
		uint64_t t2 = now_ns();
		ours_ns[round] = (double)(t1 - t0) / PER_ROUND;
		theirs_ns[round] = (double)(t2 - t1) / (PER_ROUND / 10.0);
	}
	if (ours.truncated || ours.len != strlen(theirs) || memcmp(ours.data, theirs, ours.len) != 0) {
		puts("the two do not write the same");
		return 1;
	}
	double a = median(ours_ns), b = median(theirs_ns);
	printf("event of %zu bytes: ours %.0f ns, cJSON %.0f ns, ratio %.1f (goal %.0f)\n", ours.len, a, b,
	       b / a, RATIO_GOAL);
	buffer_free(&ours);
	return b / a >= RATIO_GOAL ? 0 : 1;
}
