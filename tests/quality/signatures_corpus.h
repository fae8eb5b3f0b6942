/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signatures_corpus.h: labelled requests that have only a head, as JSON lines:
 *
 *     {"rule_id": 942100, "should_match": true, "method": "GET", "uri": "/get?a=b", "version": "HTTP/1.1",
 *      "headers": [["Host", "x"]], "test": "942100-1.0"}
 *
 * or as lines of text, as signatures-own.txt: "= FAMILY attack" or "= FAMILY benign" says what follows; a
 * line is a target, or a header's name and value; a space in a target stands for %20.
 */
#ifndef PICKET_SIGNATURES_CORPUS_H
#define PICKET_SIGNATURES_CORPUS_H

#include <stdbool.h>
#include "lib/http_request.h"

struct stage {
	struct http_request request; /* its spans point to text */
	char *text;
	char *uri, *method, *version, *test; /* with a zero behind */
	unsigned rule_id;
	bool attack; /* should_match */
	bool second; /* of the half that no signature was written by: chosen by a hash of its test's name */
};

struct corpus {
	struct stage *stages;
	size_t count;
};

/* 0 or -errno; a line that cannot be read is -EINVAL, and said on stderr. */
int corpus_load(const char *path, struct corpus *ret);
void corpus_free(struct corpus *c);

#endif
