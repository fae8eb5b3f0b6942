/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_verify.h: is an audit log whole? Reads its files in their order, and names the first thing that is
 * wrong: which line of which file, and what was done to it. The files may have been written by anybody. Who
 * can write them can also write them anew from some record on, with right hashes; a head that was noted
 * elsewhere (`picket audit head`) finds that, too.
 */
#ifndef PICKET_AUDIT_VERIFY_H
#define PICKET_AUDIT_VERIFY_H

#include <stdbool.h>
#include <stdio.h>
#include "lib/audit_chain.h"

enum audit_fault {
	AUDIT_WHOLE = 0,
	AUDIT_CHANGED,   /* a line is not what was written */
	AUDIT_REMOVED,   /* records are missing */
	AUDIT_INSERTED,  /* a line stands there that was not written there */
	AUDIT_REORDERED, /* lines stand in another order */
	AUDIT_TORN,      /* the last line is not complete: a crash cut it, and no picket has run since */
};
const char *audit_fault_name(enum audit_fault fault); /* "whole", "changed", ... */

struct audit_report {
	enum audit_fault fault;
	unsigned file; /* of the fault: index, and line from 1 on */
	uint64_t line;
	char what[256]; /* for people */

	uint64_t records; /* that are right, up to the fault */
	uint64_t first;   /* sequence number of the first */
	char first_prev[AUDIT_HASH_MAX];
	struct audit_head head; /* the last */
	char head_time[AUDIT_TIME_LEN + 1];

	uint64_t retired; /* records up to this one were removed by rotation, as a record says; 0: none */
	uint64_t missing; /* records that could not be written, as records say */
	uint64_t torn;    /* lines that a crash cut, as records say */
	bool anew;        /* begun anew, since what was there could not be read */
	bool anchored;    /* the anchor is among the records */
};

struct audit_verify {
	FILE *const *files; /* in the order of their records (audit_first_seq) */
	unsigned count;
	bool all;                        /* all files of a log: what is not there must have been retired */
	const struct audit_head *anchor; /* a head that was noted earlier and must be there; NULL: none */
};

/* 0, with what was found; -errno: a file cannot be read, or memory is out. */
int audit_verify(const struct audit_verify *v, struct audit_report *ret);

/* The next line, without its newline, into line; *ret_newline: it had one. A line that is longer than
 * AUDIT_LINE_MAX is cut, and the rest of it skipped. 0, AUDIT_E_END, -errno. */
enum { AUDIT_E_END = 16 };
int audit_line_next(FILE *f, char line[static AUDIT_LINE_MAX], size_t *ret_len, bool *ret_newline);
/* The sequence number of the first line that can be read, by which files are put in order; UINT64_MAX: there
 * is none. Rewinds. 0 or -errno. */
int audit_first_seq(FILE *f, uint64_t *ret);

#endif
