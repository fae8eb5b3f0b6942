/* SPDX-License-Identifier: Apache-2.0 */
/*
 * analysis.h: the part of the example that you will replace: what do these requests say about their client?
 * Here: many login attempts from one client, or several paths that only a scanner asks for, within a window
 * of time.
 *
 * Its memory is bounded: a table of clients that forgets the one not seen for longest.
 */
#ifndef EXAMPLES_GATEWAY_ANALYSIS_H
#define EXAMPLES_GATEWAY_ANALYSIS_H

#include <stdint.h>

#define ANALYSIS_EVIDENCE_MAX 8
#define ANALYSIS_TEXT_MAX     64

struct analysis_options {
	unsigned logins; /* POSTs to a login path within the window that make an attack */
	unsigned probes; /* different listed paths within the window that make one */
	unsigned window_s;
	unsigned clients; /* in the table */
};

struct analysis_request {
	const char *event_id, *client, *method, *path;
	uint64_t time_ns; /* when it was seen, since 1970 */
};

struct analysis_finding {
	const char *client; /* valid until the next call */
	const char *what;   /* "login_guessing", "path_scanning" */
	char reason[160];
	double confidence;
	const char *evidence[ANALYSIS_EVIDENCE_MAX]; /* event ids, newest last */
	unsigned evidence_count;
};

struct analysis;

struct analysis *analysis_new(const struct analysis_options *options); /* NULL: out of memory */
/* 1: this request completes a finding, told in *ret; the client then starts from zero. Else 0. */
int analysis_request(struct analysis *a, const struct analysis_request *q, struct analysis_finding *ret);
unsigned analysis_clients(const struct analysis *a);
void analysis_free(struct analysis *a);

#endif
