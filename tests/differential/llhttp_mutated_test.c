// SPDX-License-Identifier: Apache-2.0
/*
 * llhttp_mutated_test.c: mutated pipelines through llhttp and through our stream. Each difference must be
 * explained: by a deviation that we flagged, or by one of the few things that llhttp, being a parser for one
 * program, does otherwise. One that is not fails the test and is printed, as small as it can be made.
 *
 *     llhttp_mutated_test [COUNT [FIRST-NUMBER]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PICKET_HAVE_LLHTTP
int main(void)
{
	fprintf(stderr, "skipped: llhttp is not installed (Debian: node-llhttp)\n");
	return 77;
}
#else
#include <llhttp/llhttp.h>
#include "lib/util.h"
#include "llhttp_oracle.h"
#include "mutate.h"

enum outcome {
	SAME,
	FLAGGED_DIFFERS, /* the request is read otherwise, and flagged, or the one before it is */
	FLAGGED_MORE,    /* llhttp stopped at an error, or passed by; the next that we saw is flagged */
	CLOSED,          /* llhttp reads nothing behind a request that closes the connection */
	UPGRADED,        /* llhttp hands the rest to somebody else */
	UNKNOWN_METHOD,  /* llhttp knows a list of methods, nginx and others take any */
	PRI_METHOD,      /* ... where PRI is always the beginning of HTTP/2 */
	SHORT_CONNECT,   /* CONNECT without a version, which no server answers */
	BARE_CR,         /* llhttp 8.1 takes a CR alone for the end of the last header's line, mended since */
	SCHEME,          /* llhttp takes nothing but letters in a scheme */
	BOTH_STOP,       /* llhttp refuses what is no request to us either */
	BAD_BODY,        /* llhttp refuses the body of a request that we flagged for it */
	UNFINISHED,      /* the end came before the head's end: we hand over what there is */
	UNEXPLAINED,
	OUTCOMES,
};

static const char *const names[OUTCOMES] = {
	[SAME] = "the same",
	[FLAGGED_DIFFERS] = "read otherwise, flagged",
	[FLAGGED_MORE] = "seen behind llhttp's error, flagged",
	[CLOSED] = "seen behind Connection: close or HTTP/1.0",
	[UPGRADED] = "seen behind an upgrade",
	[UNKNOWN_METHOD] = "a method that llhttp does not know",
	[PRI_METHOD] = "PRI with HTTP/1.1",
	[SHORT_CONNECT] = "CONNECT without a version",
	[BARE_CR] = "a CR alone",
	[SCHEME] = "a scheme with more than letters in it",
	[BOTH_STOP] = "refused by llhttp, and no request to us",
	[BAD_BODY] = "refused by llhttp inside of a body that we flagged",
	[UNFINISHED] = "unfinished",
	[UNEXPLAINED] = "not explained",
};

static bool span_same(struct span a, struct span b)
{
	return a.len == b.len && (!a.len || !memcmp(a.ptr, b.ptr, a.len));
}

static bool starts_with(struct span s, struct span head)
{
	return s.len >= head.len && !memcmp(s.ptr, head.ptr, head.len);
}

static bool has_bare_cr(struct span s)
{
	for (size_t i = 0; i + 1 < s.len; i++)
		if (s.ptr[i] == '\r' && s.ptr[i + 1] != '\n')
			return true;
	return false;
}

/* The i-th of those that a parser which believes lengths would see. */
static int plain_index(const struct seen *s, unsigned i)
{
	for (unsigned k = 0; k < s->count; k++)
		if (seen_is_plain(&s->list[k]) && i-- == 0)
			return (int)k;
	return -1;
}

static uint32_t deviations_up_to(const struct seen *s, unsigned first, unsigned last)
{
	uint32_t all = 0;

	for (unsigned k = first; k <= last && k < s->count; k++)
		all |= s->list[k].deviations;
	return all;
}

/* RFC 3986 section 3.1 allows digits and + - . behind the first letter. */
static bool scheme_is_odd(struct span line)
{
	const char *target = memchr(line.ptr, ' ', line.len), *end = memmem(line.ptr, line.len, "://", 3);

	while (target && end && ++target < end)
		if (!((*target | 0x20) >= 'a' && (*target | 0x20) <= 'z'))
			return true;
	return false;
}

static enum outcome compare_rest(const struct seen *ours, unsigned from, int error, bool closed)
{
	uint32_t last = from ? ours->list[from - 1].deviations : 0;

	if (from >= ours->count) {
		if (error == HPE_OK || error == HPE_PAUSED_UPGRADE)
			return SAME;
		return last ? BAD_BODY : BOTH_STOP;
	}
	if (ours->list[from].unfinished)
		return UNFINISHED;
	if (ours->list[from].deviations)
		return FLAGGED_MORE;
	if (last)
		return FLAGGED_DIFFERS;
	if (closed)
		return CLOSED;
	switch (error) {
	case HPE_PAUSED_UPGRADE:
		return UPGRADED;
	case HPE_INVALID_METHOD:
		return UNKNOWN_METHOD;
	case HPE_INVALID_VERSION:
		return starts_with(seen_line_of(ours, from), SPAN("PRI ")) ? PRI_METHOD : UNEXPLAINED;
	case HPE_INVALID_URL:
		return scheme_is_odd(seen_line_of(ours, from)) ? SCHEME : UNEXPLAINED;
	default:
		return UNEXPLAINED;
	}
}

static enum outcome compare(const struct seen *ours, const struct seen *theirs, int error, bool closed,
			    struct span bytes)
{
	unsigned behind = 0;

	for (unsigned i = 0; i < theirs->count; i++) {
		int k = plain_index(ours, i);
		if (k >= 0 && span_same(seen_line_of(ours, (unsigned)k), seen_line_of(theirs, i)) &&
		    span_same(seen_headers_of(ours, (unsigned)k), seen_headers_of(theirs, i))) {
			behind = (unsigned)k + 1;
			continue;
		}
		/* Everything from the last one on which both agree. */
		if (deviations_up_to(ours, behind ? behind - 1 : 0, behind))
			return FLAGGED_DIFFERS;
		if (behind == ours->count && starts_with(seen_line_of(theirs, i), SPAN("CONNECT ")))
			return SHORT_CONNECT;
		if (behind < ours->count && ours->list[behind].unfinished && has_bare_cr(bytes))
			return BARE_CR;
		return UNEXPLAINED;
	}
	return compare_rest(ours, behind, error, closed);
}

static enum outcome try(struct span bytes, bool print)
{
	static struct seen ours, theirs;

	seen_init(&ours);
	seen_init(&theirs);
	bool closed;
	int error = llhttp_read(&theirs, bytes, &closed);
	seen_read(&ours, bytes, 0);
	enum outcome o = compare(&ours, &theirs, error, closed, bytes);
	if (print) {
		mutate_print(bytes);
		seen_print("ours", &ours);
		seen_print("llhttp", &theirs);
		printf("llhttp ended with %s: %s\n", llhttp_error_name(error), names[o]);
	}
	seen_free(&ours);
	seen_free(&theirs);
	return o;
}

/* The cut must not matter. */
static bool same_at_every_cut(struct span bytes, size_t step)
{
	static struct seen whole, pieces;

	seen_init(&whole);
	seen_init(&pieces);
	seen_read(&whole, bytes, 0);
	seen_read(&pieces, bytes, step);
	bool same =
		whole.count == pieces.count && span_same(buffer_span(&whole.text), buffer_span(&pieces.text));
	for (unsigned i = 0; same && i < whole.count; i++)
		same = whole.list[i].deviations == pieces.list[i].deviations;
	seen_free(&whole);
	seen_free(&pieces);
	return same;
}

static bool is_unexplained(void *arg, struct span bytes)
{
	(void)arg;
	return try(bytes, false) == UNEXPLAINED;
}

static bool differs_when_cut(void *arg, struct span bytes)
{
	return !same_at_every_cut(bytes, *(size_t *)arg);
}

/* What is all right is the same to both, and not flagged. */
static bool is_misjudged(void *arg, struct span bytes)
{
	static struct seen ours;
	uint32_t flags = 0;

	(void)arg;
	seen_init(&ours);
	seen_read(&ours, bytes, 0);
	for (unsigned i = 0; i < ours.count; i++)
		flags |= ours.list[i].deviations;
	seen_free(&ours);
	return flags || try(bytes, false) != SAME;
}

static unsigned try_right(uint64_t first, uint64_t count)
{
	for (uint64_t n = first; n < first + count; n++) {
		struct buffer b = BUFFER_INIT(1 << 20);
		mutate_right(n, &b);
		bool bad = is_misjudged(NULL, buffer_span(&b));
		if (bad) {
			printf("nothing is wrong with number %" PRIu64 ":\n", n);
			try(buffer_span(&b), true);
		}
		buffer_free(&b);
		if (bad)
			return 1;
	}
	return 0;
}

static void report(struct buffer *b, uint64_t number, bool (*still)(void *arg, struct span bytes), void *arg)
{
	mutate_minimise(b, still, arg);
	printf("number %" PRIu64 ", made small:\n", number);
	try(buffer_span(b), true);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : 20000;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
	uint64_t outcomes[OUTCOMES] = {0}, bytes = 0;
	unsigned bad = count > 1 ? try_right(first, count / 10) : 0;

	for (uint64_t n = first; n < first + count && bad < 10; n++) {
		struct buffer b = BUFFER_INIT(1 << 20);
		size_t step = 1 + n % 13;
		mutate_make(n, &b);
		bytes += b.len;
		enum outcome o = try(buffer_span(&b), count == 1);
		outcomes[o]++;
		if (o == UNEXPLAINED) {
			report(&b, n, is_unexplained, NULL);
			bad++;
		} else if (!same_at_every_cut(buffer_span(&b), step)) {
			printf("differs when cut into pieces of %zu bytes\n", step);
			report(&b, n, differs_when_cut, &step);
			bad++;
		}
		buffer_free(&b);
	}
	for (unsigned i = 0; i < OUTCOMES; i++)
		printf("%10" PRIu64 " %s\n", outcomes[i], names[i]);
	printf("%" PRIu64 " inputs of %" PRIu64 " bytes, %u failures\n", count, bytes / (count ? count : 1),
	       bad);
	/* A mutator that only makes what is right, or only what is wrong, proves nothing. */
	if (count >= 10000 && (outcomes[SAME] < count / 10 || outcomes[FLAGGED_MORE] < count / 50))
		bad++;
	return bad ? 1 : 0;
}
#endif
