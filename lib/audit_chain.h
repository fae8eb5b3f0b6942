/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_chain.h: one line of the audit log, written and read (docs/audit.md). A line is a JSON object whose
 * first and last members have their places:
 *
 *     {"seq":7,"prev":"HASH","time":"2026-11-24T22:00:10.123456789Z","kind":"decision",...,"hash":"HASH"}
 *
 * hash is the SHA-256, in hexadecimal, of the line's bytes in front of `,"hash":`; prev is the hash of the
 * line before, zeros in the first. So the canonical form is the bytes themselves, and a shell can check them.
 * It knows no files (audit_verify.h, sensor/audit_files.h) and no meaning of what stands between.
 */
#ifndef PICKET_AUDIT_CHAIN_H
#define PICKET_AUDIT_CHAIN_H

#include <stdint.h>
#include "lib/buffer.h"

#define AUDIT_HASH_MAX 65    /* 64 digits, and the end */
#define AUDIT_LINE_MAX 32768 /* bytes of a line, its newline with it; none of picket's is longer */
#define AUDIT_BODY_MAX (32768 - 512)
#define AUDIT_TIME_LEN 30 /* of a clock_format */

/* The record that the next one is chained to. */
struct audit_head {
	uint64_t seq; /* 0: there is none yet */
	char hash[AUDIT_HASH_MAX];
};

/* In front of the first record. */
#define AUDIT_HEAD_NONE \
	((struct audit_head){0, "0000000000000000000000000000000000000000000000000000000000000000"})

struct audit_line {
	uint64_t seq;
	char prev[AUDIT_HASH_MAX], hash[AUDIT_HASH_MAX];
	struct span time; /* as it stands there: such texts compare as their times do */
	struct span kind; /* both point into the line */
};

enum {
	AUDIT_E_FORM = 1, /* not a line of picket's; reading only */
	AUDIT_E_HASH = 2, /* its hash is not that of its bytes; reading only */
	AUDIT_E_LONG = 3, /* the body does not fit; writing only */
};

/* SHA-256 of bytes, in hexadecimal. 0 or -ENOMEM. */
int audit_hash(struct span bytes, char ret[static AUDIT_HASH_MAX]);
/*
 * Appends the record that follows `last`, with its newline. body: JSON members, kind first, without braces.
 * 0, AUDIT_E_LONG, -ENOMEM; *ret_head is the new record.
 */
int audit_line_write(const struct audit_head *last, uint64_t wall_ns, struct span body, struct buffer *out,
		     struct audit_head *ret_head);
/* line: without its newline. 0, AUDIT_E_FORM, AUDIT_E_HASH (with *ret filled), -ENOMEM. */
int audit_line_read(struct span line, struct audit_line *ret);

#endif
