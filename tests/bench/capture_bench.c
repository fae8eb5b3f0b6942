// SPDX-License-Identifier: Apache-2.0
/*
 * capture_bench.c: what a request costs user space from the kernel's record to the redacted event, the
 * built-in analysis apart: records of keep-alive connections are fed to sensor/capture.h as the reader would.
 * Prints ns per request, best of five rounds.
 *
 *     capture_bench [REQUESTS]
 */
#include <time.h>
#include "tests/unit/capture_rig.h"

#define CONNECTIONS 64
#define ROUNDS      5

static const char small[] = "GET /v1/users/42?limit=10 HTTP/1.1\r\nHost: api.example.com\r\n"
			    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
			    "Accept: application/json\r\nAccept-Encoding: gzip, br\r\n"
			    "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln\r\n\r\n";

static uint64_t clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void drop(void *arg, struct event *e)
{
	(void)arg;
	event_unref(e);
}

static void ignore(void *arg, const struct verdict *v)
{
	(void)arg;
	(void)v;
}

static struct pk_data *record_of(uint64_t cookie, const char *text, size_t len)
{
	struct pk_data *d = calloc(1, sizeof *d + len);

	if (!d)
		exit(1);
	d->rec = (struct pk_record){
		.kind = PK_DATA, .size = (uint32_t)(sizeof *d + len), .time_ns = RIG_START_NS};
	d->flow = rig_flow(cookie, (uint8_t)cookie, (uint16_t)(1000 + cookie));
	d->captured = d->len = (uint32_t)len;
	d->seq = 1;
	memcpy(d + 1, text, len);
	return d;
}

/* ns per request. */
static double run(struct capture *c, struct pk_data **records, uint64_t requests)
{
	uint64_t from = clock_now_ns();

	for (uint64_t i = 0; i < requests; i++) {
		struct pk_data *d = records[i % CONNECTIONS];
		d->rec.time_ns += 1000;
		capture_record(c, &d->rec);
		d->seq += d->captured;
	}
	return (double)(clock_now_ns() - from) / (double)requests;
}

static void bench(const char *what, const char *text, size_t len, bool detect, uint64_t requests)
{
	struct rig rig;
	struct pk_data *records[CONNECTIONS];
	double best = 0;

	if (rig_start(&rig, 4096, 64 << 20, detect)) {
		fprintf(stderr, "cannot start\n");
		exit(1);
	}
	capture_free(rig.capture);
	struct capture_parts parts = {.config = &rig.config,
				      .clock = &rig.clock,
				      .redact = rig.redact,
				      .detect = rig.detect,
				      .proxies = rig.proxies,
				      .clients = rig.clients,
				      .skip = rig.skip,
				      .event = drop,
				      .verdict = ignore};
	if (capture_new(&parts, &rig.capture))
		exit(1);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		records[i] = record_of(i + 1, text, len);
		rig_open(&rig, &records[i]->flow, 1);
	}
	for (unsigned r = 0; r < ROUNDS; r++) {
		double ns = run(rig.capture, records, requests / ROUNDS);
		if (!best || ns < best)
			best = ns;
	}
	struct capture_counts n = capture_counts(rig.capture);
	if (n.requests != requests / ROUNDS * ROUNDS || n.gaps) {
		fprintf(stderr, "%s: %llu requests, %llu gaps\n", what, (unsigned long long)n.requests,
			(unsigned long long)n.gaps);
		exit(1);
	}
	printf("%-34s %5zu bytes %8.0f ns per request\n", what, len, best);
	for (unsigned i = 0; i < CONNECTIONS; i++)
		free(records[i]);
	rig_stop(&rig);
}

int main(int argc, char **argv)
{
	uint64_t requests = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	char *large = malloc(4096);

	if (!large || requests < ROUNDS) {
		fprintf(stderr, "usage: %s [REQUESTS]\n", argv[0]);
		return 2;
	}
	int n = snprintf(large, 4096,
			 "POST /v1/orders HTTP/1.1\r\nHost: api\r\nContent-Length: 0\r\nCookie: session=");
	memset(large + n, 'c', (size_t)(3700 - n));
	memcpy(large + 3700, "\r\n\r\n", 4);
	bench("request", small, sizeof small - 1, false, requests);
	bench("request and built-in analysis", small, sizeof small - 1, true, requests);
	bench("large head and built-in analysis", large, 3704, true, requests / 4);
	free(large);
	return 0;
}
