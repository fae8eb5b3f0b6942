// SPDX-License-Identifier: Apache-2.0
/*
 * nginx_mutated_test.c: mutated pipelines on connections to a live nginx, and through our stream. For each:
 * the request lines that nginx logged, in order, are those that we saw, as many as it answered. Where nginx
 * stops (it refused one, or closed the connection), we may have seen more behind it; what it refused we may
 * have seen as no request. Anything else fails the test and is printed, as small as it can be made.
 *
 *     nginx_mutated_test [COUNT [FIRST-NUMBER]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "mutate.h"
#include "nginx_oracle.h"
#include "seen.h"

#define BATCH 128

enum outcome {
	SAME,             /* as many, and the same */
	SEEN_BEHIND_STOP, /* ... and more behind the one at which nginx stopped */
	REFUSED_UNSEEN,   /* nginx refused (4xx, 5xx) a line that is no request to us */
	REFUSED_CUT,      /* nginx refused before it had read the line to its end, and logged that much */
	REFUSED_IN_DOUBT, /* nginx refused what stands behind a body whose length is in doubt to us */
	UNFINISHED,       /* the last head was not whole when the client closed */
	FOUND_INSIDE,     /* found by looking inside of a body whose length is in doubt */
	UNEXPLAINED,
	OUTCOMES,
};

static const char *const names[OUTCOMES] = {
	[SAME] = "the same",
	[SEEN_BEHIND_STOP] = "the same, and more behind the request at which nginx stopped",
	[REFUSED_UNSEEN] = "the same, but for a last line that nginx refused and that is no request to us",
	[REFUSED_CUT] = "the same, but for a last line that nginx refused and did not read whole",
	[REFUSED_IN_DOUBT] = "the same, but for a last line that nginx refused, behind a body in doubt",
	[UNFINISHED] = "the same, but for a last head that was not whole",
	[FOUND_INSIDE] = "the same, but found inside of a body in doubt",
	[UNEXPLAINED] = "not explained",
};

static struct nginx *nginx;

/* Does nginx's line begin with our method, white space, and our target? */
static bool same_line(struct span ours, const struct nginx_answer *a)
{
	size_t i = 0, k = 0;
	const char *gap = memchr(ours.ptr, ' ', ours.len);
	size_t method = gap ? (size_t)(gap - ours.ptr) : ours.len;

	for (; i < method; i++, k++)
		if (k >= a->line_len || a->line[k] != ours.ptr[i])
			return a->line_len == sizeof a->line && k == sizeof a->line;
	while (k < a->line_len && (a->line[k] == ' ' || a->line[k] == '\t'))
		k++;
	for (i = method + 1; i < ours.len; i++, k++)
		if (k >= a->line_len || a->line[k] != ours.ptr[i])
			return k == sizeof a->line;
	return true;
}

static bool refused(const struct nginx_answer *a)
{
	return a->status >= 400 && a->status != 404 && a->status != 405;
}

/* The next of ours, from *at on, that is the same line. Skips those found inside of bodies. */
static int match(const struct seen *ours, unsigned *at, const struct nginx_answer *a, bool *ret_inside)
{
	for (unsigned i = *at; i < ours->count; i++) {
		bool plain = seen_is_plain(&ours->list[i]);
		if (same_line(seen_line_of(ours, i), a)) {
			*at = i + 1;
			*ret_inside |= !plain;
			return (int)i;
		}
		if (plain)
			return -1;
	}
	return -1;
}

static enum outcome compare_last(const struct seen *ours, unsigned at, const struct nginx_answer *a)
{
	struct span line;

	/* Junk behind whole requests is passed over; what comes behind that is flagged. */
	while (at < ours->count && !seen_is_plain(&ours->list[at]))
		at++;
	if (at == ours->count)
		return REFUSED_UNSEEN;
	line = seen_line_of(ours, at);
	if (ours->list[at].deviations & HTTP_DEV_JUNK_BEFORE)
		return REFUSED_UNSEEN;
	if (a->line_len <= line.len && !memcmp(a->line, line.ptr, a->line_len))
		return REFUSED_CUT;
	for (unsigned i = 0; i < at; i++)
		if (ours->list[i].deviations & HTTP1_DEV_FRAMING)
			return REFUSED_IN_DOUBT;
	return ours->list[at].deviations ? SEEN_BEHIND_STOP : UNEXPLAINED;
}

static enum outcome compare(const struct seen *ours, const struct nginx_answers *theirs)
{
	/* An answer without a head, to HTTP/0.9, ends with the connection. */
	bool inside = false, stopped = theirs->closes || theirs->on_wire < theirs->count;
	unsigned at = 0, more = 0;

	for (unsigned i = 0; i < theirs->count; i++) {
		const struct nginx_answer *a = &theirs->list[i];
		if (match(ours, &at, a, &inside) >= 0)
			continue;
		return i + 1 == theirs->count && refused(a) ? compare_last(ours, at, a) : UNEXPLAINED;
	}
	for (unsigned i = at; i < ours->count; i++) {
		if (ours->list[i].unfinished && !more && i + 1 == ours->count)
			return UNFINISHED;
		more += seen_is_plain(&ours->list[i]);
	}
	if (more)
		return stopped ? SEEN_BEHIND_STOP : UNEXPLAINED;
	return inside ? FOUND_INSIDE : SAME;
}

static enum outcome judge(struct span bytes, const struct nginx_answers *theirs, bool print)
{
	static struct seen ours;

	seen_init(&ours);
	seen_read(&ours, bytes, 0);
	enum outcome o = compare(&ours, theirs);
	if (print) {
		mutate_print(bytes);
		seen_print("ours", &ours);
		printf("--- nginx: %u requests logged, %u answers%s\n", theirs->count, theirs->on_wire,
		       theirs->closes ? ", then it closed" : "");
		for (unsigned i = 0; i < theirs->count; i++)
			printf("%d %.*s\n", theirs->list[i].status, (int)theirs->list[i].line_len,
			       theirs->list[i].line);
		printf("%s\n", names[o]);
	}
	seen_free(&ours);
	return o;
}

static bool is_unexplained(void *arg, struct span bytes)
{
	static struct nginx_answers a;

	(void)arg;
	return bytes.len && nginx_ask(nginx, &bytes, &a, 1) == 0 && judge(bytes, &a, false) == UNEXPLAINED;
}

static void report(uint64_t number, struct buffer *b)
{
	static struct nginx_answers a;
	struct span bytes;

	mutate_minimise(b, is_unexplained, NULL);
	bytes = buffer_span(b);
	printf("number %" PRIu64 ", made small:\n", number);
	if (nginx_ask(nginx, &bytes, &a, 1) == 0)
		judge(bytes, &a, true);
}

/* Answers on the wire are those in the log; one to HTTP/0.9 has no status line, nor has 499. */
static bool wire_is_log(const struct nginx_answers *a)
{
	unsigned least = 0;

	for (unsigned i = 0; i < a->count; i++)
		least += a->list[i].status != 499 &&
			 memmem(a->list[i].line, a->list[i].line_len, "HTTP/1.", 7) != NULL;
	return a->on_wire <= a->count && a->on_wire + 1 >= least;
}

static int run_batch(uint64_t first, unsigned count, uint64_t *outcomes, uint64_t *ret_answers, unsigned *bad)
{
	static struct nginx_answers answers[BATCH];
	static struct buffer inputs[BATCH];
	struct span spans[BATCH] = {0};

	for (unsigned i = 0; i < count; i++) {
		inputs[i] = BUFFER_INIT(1 << 20);
		mutate_make(first + i, &inputs[i]);
		spans[i] = buffer_span(&inputs[i]);
	}
	int r = nginx_ask(nginx, spans, answers, count);
	for (unsigned i = 0; !r && i < count; i++) {
		enum outcome o = judge(spans[i], &answers[i], false);
		outcomes[o]++;
		*ret_answers += answers[i].count;
		if (!wire_is_log(&answers[i])) {
			printf("number %" PRIu64 ": nginx's log is not what it answered\n", first + i);
			judge(spans[i], &answers[i], true);
			(*bad)++;
		}
		if (o != UNEXPLAINED || *bad >= 10)
			continue;
		report(first + i, &inputs[i]);
		(*bad)++;
	}
	for (unsigned i = 0; i < count; i++)
		buffer_free(&inputs[i]);
	return r;
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : 20000;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
	uint64_t outcomes[OUTCOMES] = {0}, answers = 0;
	unsigned bad = 0;
	const char *why;

	int r = nginx_new(&nginx, &why);
	if (r > 0) {
		fprintf(stderr, "skipped: %s\n", why);
		return 77;
	}
	for (uint64_t n = first; !r && n < first + count && bad < 10; n += BATCH)
		r = run_batch(n, (unsigned)MIN((uint64_t)BATCH, first + count - n), outcomes, &answers, &bad);
	if (r)
		fprintf(stderr, "nginx: %s\n", strerror(-r));
	nginx_free(nginx);
	for (unsigned i = 0; i < OUTCOMES; i++)
		printf("%10" PRIu64 " %s\n", outcomes[i], names[i]);
	printf("%" PRIu64 " inputs, %" PRIu64 " requests that nginx logged, %u failures\n", count, answers,
	       bad);
	if (count >= 10000 && (outcomes[SAME] < count / 10 || outcomes[SEEN_BEHIND_STOP] < count / 50))
		bad++;
	return r || bad ? 1 : 0;
}
