/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signatures.h: which signatures a request matches. Path, query and each header's value are looked at as they
 * may come to be read (unravel.h), by one pass of words.h that finds the words of all signatures at once and
 * in clean requests nearly always nothing; only a signature one of whose words is there is asked by its own
 * expression. What this costs a clean request does not grow with the number of signatures.
 *
 * What a client's bytes may cost is bounded: by the parser's ceiling of a head, by the limits of one
 * expression, and for each request by the number of expressions and their time. A long text is asked about
 * piece by piece, SIGNATURES_PIECE places where a match may begin at a time, and the clock is looked at
 * whenever so many were tried, in whatever texts: a request takes its time and that of one piece, no more.
 * One of which something was left out says so.
 *
 * Not thread safe: scratch memory is reused.
 */
#ifndef PICKET_SIGNATURES_H
#define PICKET_SIGNATURES_H

#include "lib/buffer.h"
#include "lib/event.h"
#include "lib/http_request.h"
#include "policies/signature_rules.h"

#define SIGNATURE_HITS_MAX     8   /* kept of one request; of those beyond the category and severity are */
#define SIGNATURE_TEXT_MAX     96  /* bytes kept of what matched */
#define SIGNATURES_ASKED_MAX   512 /* expressions a request */
#define SIGNATURES_GIVEN_MAX   4   /* ... of which so many may run out of their limits */
#define SIGNATURES_TIME_MAX_NS 2000000 /* ... and the time they may take */
#define SIGNATURES_PIECE       64

struct signature_hit {
	const struct signature *signature;
	enum signature_where where;
	uint8_t len; /* of text, unredacted */
	char text[SIGNATURE_TEXT_MAX];
};

struct signature_hits {
	struct signature_hit items[SIGNATURE_HITS_MAX]; /* each signature once */
	unsigned count, more;                           /* more: of those that were not kept */
	bool unfinished;                                /* not all was looked for, or not to its end */
	struct event_marks marks;                       /* of all */
};

/* Each list may be empty; nothing is kept of it. An exception's route is one that a path fits. */
struct signatures_settings {
	unsigned paranoia;  /* 1 to SIGNATURE_PARANOIA_MAX */
	char *const *files; /* besides the shipped ones */
	unsigned file_count;
	char *const *disabled; /* ids */
	unsigned disabled_count;
	char *const *exceptions; /* "ROUTE NAME...": a template, ids or categories or "all" */
	unsigned exception_count;
};

struct signatures;

/* CONFIG_E_INVALID: what is wrong is in errors. */
int signatures_new(const struct signatures_settings *settings, struct signatures **ret,
		   struct buffer *errors);
void signatures_free(struct signatures *s);

/* 0 or -ENOMEM: then ret is empty. */
int signatures_run(struct signatures *s, const struct http_request *request, struct signature_hits *ret);

/* Does a text match one signature, where that looks first? For its examples. */
bool signatures_try(struct signatures *s, unsigned index, struct span text);
const struct signature_rules *signatures_rules(const struct signatures *s);

struct signatures_counts {
	uint64_t requests, matched; /* matched: requests with a hit */
	uint64_t suspected;         /* expressions asked */
	uint64_t gave_up;           /* expressions that a text made run too long, or beyond ASKED_MAX */
	uint64_t unfinished;        /* requests with one of these */
	uint64_t excepted;          /* hits that an exception took out */
};
struct signatures_counts signatures_counts(const struct signatures *s); /* safe from other threads */

#endif
