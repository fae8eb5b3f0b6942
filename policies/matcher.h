/* SPDX-License-Identifier: Apache-2.0 */
/*
 * matcher.h: which rules a request matches. All rules are asked at once: exact paths by a hash table, words
 * by one pass of words.h per text, globs and regular expressions by one alternation that nearly always says
 * no; what this costs does not grow with the number of rules.
 *
 * Paths are compared in a normal form: percent-decoded, case folded, "\" as "/", repeated slashes, "." and
 * ".." resolved, path parameters and a trailing slash removed; and once more if what came out is itself
 * percent-encoded. Targets are compared as sent and twice decoded ("+" is a space then).
 *
 * Not thread safe: scratch memory is reused.
 */
#ifndef PICKET_MATCHER_H
#define PICKET_MATCHER_H

#include "lib/event.h"
#include "lib/http_request.h"
#include "policies/rules.h"

struct ja4;
struct matcher;

/* rules must outlive it. CONFIG_E_INVALID: a regular expression is wrong, or there is too much; said in
 * errors. */
int matcher_new(const struct rules *rules, struct matcher **ret, struct buffer *errors);
void matcher_free(struct matcher *m);

struct matched {
	uint16_t rules[RULES_MAX]; /* indices, rising */
	unsigned count;
	struct span path; /* normal form, valid until the next call; SPAN_NULL if no rule was matched */
};

/* marks: what signatures were found. ja4: of the TLS handshake in which it came; NULL: not known. 0 or
 * -ENOMEM. */
int matcher_run(struct matcher *m, const struct http_request *request, enum documented documented,
		const struct event_marks *marks, const struct ja4 *ja4, struct matched *ret);
/* Expressions given up on because a text made them run too long; that text did not match them. */
uint64_t matcher_gave_up(const struct matcher *m);

/*
 * The normal form of a path, into out (room for path.len + 1 bytes); returns its length. Pure; for the tests
 * and fuzzers that hold it to its word.
 */
size_t matcher_normalise(struct span path, char *out);

#endif
