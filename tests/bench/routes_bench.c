// SPDX-License-Identifier: Apache-2.0
/*
 * What finding and counting a known template costs a request in the capture thread. The ceiling is 0.3 us on
 * a quiet machine of the kind we build on; a slower one is told by hashing, which is done beside it: the
 * ratio to 64 bytes hashed stays.
 *
 *     routes_bench [REQUESTS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "policies/openapi.h"
#include "policies/table.h"
#include "tests/unit/routes_rig.h"

#define BUDGET_NS 300.0
#define RATIO_MAX 16.0 /* hashes of 64 bytes */
#define ROUNDS    5

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* not what others take */
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double hash_ns(unsigned count)
{
	struct table t;
	char text[64] = "a text of sixty-four bytes";
	uint64_t sum = 0;

	if (table_init(&t, 16))
		abort();
	double from = now_ns();
	for (unsigned i = 0; i < count; i++) {
		text[i & 63] = (char)i;
		sum ^= table_hash(&t, text, sizeof text);
	}
	double ns = (now_ns() - from) / count;
	table_deinit(&t);
	return sum ? ns : ns + 1e-9;
}

static double known_ns(struct routes *r, const char *format, unsigned count)
{
	enum { EVENTS = 256 };
	struct event *events[EVENTS];
	char path[128];
	double best = 1e9;

	for (unsigned i = 0; i < EVENTS; i++) {
		snprintf(path, sizeof path, format, i * 7919, i);
		events[i] = ask_event(
			&(struct ask){.host = "api.example", .path = path, .client = i, .status = 200});
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		double from = now_ns();
		for (unsigned i = 0; i < count; i++) {
			struct event *e = events[i % EVENTS];
			routes_find(r, e->request.path, e);
			routes_note(r, e);
		}
		double ns = (now_ns() - from) / count;
		if (ns < best && round) /* the first one warms up, and learns */
			best = ns;
	}
	if (!events[0]->request.route.len)
		abort();
	for (unsigned i = 0; i < EVENTS; i++)
		event_unref(events[i]);
	return best;
}

int main(int argc, char **argv)
{
	static const char *const paths[] = {"/health", "/api/v1/users/%u",
					    "/api/v1/users/%u/orders/%08x-0000-4000-8000-0123456789ab"};
	char described[] = "openapi: 3.1.0\npaths:\n  /health: {get: {}}\n  /api/v1/users/{id}: {get: {}}\n"
			   "  /api/v1/users/{id}/orders/{order}: {get: {}}\n";
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 500000;
	struct buffer errors = BUFFER_INIT(4096);
	struct operations *o = NULL;
	struct routes *learned = NULL, *documented = NULL;
	int broken = 0;

	if (openapi_parse(described, sizeof described - 1, "bench", &o, &errors) ||
	    routes_new(NULL, &learned) || routes_new(o, &documented))
		return 1;
	double hash = hash_ns(count);
	printf("64 bytes hashed                                         %6.1f ns\n", hash);
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(paths); i++) {
		bool file = i >= ARRAY_SIZE(paths);
		const char *path = paths[i % ARRAY_SIZE(paths)];
		double ns = known_ns(file ? documented : learned, path, count);
		bool bad = ns > BUDGET_NS && ns > RATIO_MAX * hash;
		printf("%-10s %-44.44s %6.1f ns = %4.1f hashes%s\n", file ? "described" : "learned", path, ns,
		       ns / hash, bad ? "  OVER BUDGET" : "");
		broken |= bad;
	}
	routes_free(learned);
	routes_free(documented);
	operations_free(o);
	buffer_free(&errors);
	return broken;
}
