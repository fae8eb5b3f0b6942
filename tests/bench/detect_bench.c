// SPDX-License-Identifier: Apache-2.0
/*
 * What one request costs in the capture thread: detection with the shipped rules (budget 5 us), redaction
 * (budget 1 us without a credential), and the memory of clients (300 ns for one that is known). Prints
 * nanoseconds a request and ends 1 if a budget is broken.
 *
 *     detect_bench [REQUESTS]
 */
#include <stdio.h>
#include <time.h>
#include "lib/util.h"
#include "policies/behaviour.h"
#include "policies/detect.h"
#include "policies/redact.h"

#define DETECT_BUDGET_NS 5000.0
#define REDACT_BUDGET_NS 1000.0
#define NOTE_BUDGET_NS   300.0 /* of a client that is known */

struct story {
	const char *name;
	const char *target;
	const char *method;
	unsigned clients;
	bool credential;
	bool values; /* of its query are hashed */
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* not what others take */
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void header(struct http_request *r, const char *name, const char *value)
{
	r->headers[r->header_count++] = (struct http_header){span_from(name), span_from(value)};
}

static void make_request(const struct story *s, struct http_request *r)
{
	*r = (struct http_request){
		.method = span_from(s->method),
		.target = span_from(s->target),
		.path = {s->target, strcspn(s->target, "?")},
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
	if (s->credential)
		header(r, "Authorization",
		       "Bearer "
		       "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0."
		       "dozjgNryP4J3jVmNHl0w5N");
}

static void ignore(void *arg, const struct verdict *v)
{
	(void)v;
	++*(unsigned *)arg;
}

/* Best of five rounds: the machine is shared. */
static double bench_detect(struct detect *d, const struct story *s, unsigned requests)
{
	struct http_request request;
	struct event event = {.kind = EVENT_HTTP_REQUEST,
			      .flow = {.peer = {.addr = {.family = ADDR_IPV4, .bytes = {198, 51}}}}};
	unsigned fired = 0;
	double best = 1e18;

	make_request(s, &request);
	event.request.client = event.flow.peer;
	for (int round = 0; round < 5; round++) {
		double start = now_ns();
		for (unsigned i = 0; i < requests; i++) {
			uint32_t client = i * 2654435761u % s->clients;
			event.id++;
			event.time_ns += 1000000;
			memcpy(&event.request.client.addr.bytes[1], &client, 3);
			detect_request(d, &request, &event, NULL, ignore, &fired);
		}
		double took = (now_ns() - start) / requests;
		best = took < best ? took : best;
	}
	return best;
}

/* The same with its answer, and with a route, a consumer and a User-Agent in the event: what detections that
 * go by answers, and the memory of clients, cost on top. */
static double bench_answered(struct detect *d, struct behaviour *b, const struct story *s, unsigned requests)
{
	struct http_request request;
	struct event event = {.kind = EVENT_HTTP_REQUEST,
			      .flow = {.peer = {.addr = {.family = ADDR_IPV4, .bytes = {198, 51}}}}};
	unsigned fired = 0;
	double best = 1e18;

	make_request(s, &request);
	event.request.client = event.flow.peer;
	event.request.method = request.method;
	event.request.user_agent = http_request_header(&request, "User-Agent");
	event.request.route = SPAN("/api/v1/orders/{id}");
	event.request.route_id = 1;
	event.request.answered = EVENT_ANSWER_SEEN;
	event.request.status = 200;
	for (int round = 0; round < 5; round++) {
		double start = now_ns();
		for (unsigned i = 0; i < requests; i++) {
			uint32_t client = i * 2654435761u % s->clients;
			char consumer[] = "c_0100000000000000aa";
			event.id++;
			event.time_ns += 1000000;
			memcpy(&event.request.client.addr.bytes[1], &client, 3);
			consumer[6] = (char)('0' + client % 10);
			consumer[7] = (char)('0' + client / 10 % 10);
			event.request.consumer = s->credential ? span_from(consumer) : SPAN_NULL;
			event.request.pending.count = 0;
			detect_request(d, &request, &event, &event.request.pending, ignore, &fired);
			detect_answer(d, &event, ignore, &fired);
			behaviour_note(b, &event);
		}
		double took = (now_ns() - start) / requests;
		best = took < best ? took : best;
	}
	return best;
}

/* The memory of clients alone. */
static double bench_note(struct behaviour *b, const struct story *s, unsigned requests)
{
	struct http_request request;
	struct event event = {.kind = EVENT_HTTP_REQUEST};
	double best = 1e18;

	make_request(s, &request);
	event.request.client.addr = (struct addr){.family = ADDR_IPV4, .bytes = {198, 51}};
	event.request.method = request.method;
	event.request.user_agent = http_request_header(&request, "User-Agent");
	event.request.route = SPAN("/api/v1/orders/{id}");
	event.request.route_id = 1;
	event.request.answered = EVENT_ANSWER_SEEN;
	event.request.status = 200;
	event.request.consumer = s->credential ? SPAN("c_0100000000000000aa") : SPAN_NULL;
	for (int round = 0; round < 5; round++) {
		double start = now_ns();
		for (unsigned i = 0; i < requests; i++) {
			uint32_t client = i * 2654435761u % s->clients;
			event.time_ns += 1000000;
			memcpy(&event.request.client.addr.bytes[1], &client, 3);
			behaviour_note(b, &event);
		}
		double took = (now_ns() - start) / requests;
		best = took < best ? took : best;
	}
	return best;
}

static double bench_redact(struct redact *r, const struct story *s, unsigned requests)
{
	struct http_request request;
	struct redact_context context = {.flow = {.connection_id = 1}};
	double best = 1e18;

	make_request(s, &request);
	for (int round = 0; round < 5; round++) {
		double start = now_ns();
		for (unsigned i = 0; i < requests; i++) {
			context.time_ns = context.wall_ns = i;
			event_unref(redact_request(r, &request, &context));
		}
		double took = (now_ns() - start) / requests;
		best = took < best ? took : best;
	}
	return best;
}

static int report(const char *what, const struct story *s, double ns, double budget_ns)
{
	printf("%-7s %-34s %7.0f ns/request", what, s->name, ns);
	if (budget_ns > 0)
		printf("  (budget %.0f)%s", budget_ns, ns > budget_ns ? "  BROKEN" : "");
	printf("\n");
	return budget_ns > 0 && ns > budget_ns;
}

int main(int argc, char **argv)
{
	static const struct story stories[] = {
		{"one client, plain path", "/api/v1/orders/12345/items?page=3&sort=name", "GET", 1, false,
		 false},
		{"100,000 clients, plain path", "/api/v1/orders/12345/items?page=3&sort=name", "GET", 100000,
		 false, false},
		{"encoded path and query", "/api/v1/%6frders/%252e/items?q=a%20b+c%27d&x=%2526", "GET", 1000,
		 false, true},
		{"login", "/api/v1/auth/login", "POST", 1000, false, false},
		{"listed path", "/.git/config", "GET", 1000, false, false},
		{"with a bearer token", "/api/v1/orders/12345/items?page=3&sort=name", "GET", 1, true, false},
	};
	static char *allowed[] = {"host",    "user-agent",   "accept", "accept-language", "accept-encoding",
				  "referer", "content-type", "origin", "x-forwarded-for", "cookie"};
	static const uint8_t key[32] = {1};
	struct config config = {0};
	struct buffer errors = BUFFER_INIT(4096);
	struct detect *d = NULL;
	struct redact *r = NULL;
	struct behaviour *b = NULL;
	unsigned requests = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200000;
	int broken = 0;

	config.guard.ttl_default_ms = 900000;
	config.redact.headers = (struct config_strings){allowed, ARRAY_SIZE(allowed)};
	if (requests == 0 || detect_new(&config, NULL, &d, &errors) || redact_new(&config, key, &r) ||
	    behaviour_new(0, 0, &b)) {
		fprintf(stderr, "cannot begin: %.*s\n", (int)errors.len, errors.data ? errors.data : "");
		return 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++)
		broken |= report("detect", &stories[i], bench_detect(d, &stories[i], requests),
				 DETECT_BUDGET_NS);
	const struct detect_links links = {.behaviour = b};
	detect_link(d, &links);
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++)
		broken |= report("answer", &stories[i], bench_answered(d, b, &stories[i], requests),
				 DETECT_BUDGET_NS);
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++)
		broken |= report("note", &stories[i], bench_note(b, &stories[i], requests),
				 stories[i].clients == 1 && !stories[i].credential ? NOTE_BUDGET_NS : 0);
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++)
		broken |= report("redact", &stories[i], bench_redact(r, &stories[i], requests),
				 stories[i].credential || stories[i].values ? 0 : REDACT_BUDGET_NS);
	struct detect_counts c = detect_counts(d);
	printf("%llu requests, %zu buckets, %llu forgotten, %llu fired\n", (unsigned long long)c.requests,
	       c.buckets, (unsigned long long)c.forgotten, (unsigned long long)c.fired);
	detect_free(d);
	behaviour_free(b);
	redact_free(r);
	buffer_free(&errors);
	return broken;
}
