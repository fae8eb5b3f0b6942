/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_files.h: the files of the audit log, STATE_DIR/audit/audit.N: appends records to the newest, goes on
 * in the next when it is full, and empties the oldest for that when there are as many as may be. The sensor
 * that writes may open no file for writing once it has given up its rights, so all are opened before, the
 * empty ones too, and which is newer than which is told by their first records, not by their names.
 *
 * What a crash left is mended when they are opened: bytes behind the last whole record go to audit/torn.N,
 * and a record says so. One process at a time writes (a lock on the folder). Not thread safe.
 */
#ifndef PICKET_AUDIT_FILES_H
#define PICKET_AUDIT_FILES_H

#include "lib/audit_chain.h"
#include "lib/clock.h"

#define AUDIT_FILES_MAX 64
#define AUDIT_FOLDER    "audit"
#define AUDIT_TORN_MAX  (1u << 20) /* bytes behind the last whole record that a crash may have left */
#define AUDIT_TORN_KEPT 8          /* such remains that are kept; an older one is overwritten */

struct audit_files;

struct audit_files_options {
	const char *state_dir;
	uint64_t size_max;  /* of a file */
	unsigned files_max; /* 2 to AUDIT_FILES_MAX */
	const struct clock *clock;
};

struct audit_mended {
	size_t torn;               /* bytes that were put aside; 0: the log was whole */
	char hash[AUDIT_HASH_MAX]; /* of those bytes */
	char kept[64];             /* where, below state_dir; "" */
	bool anew; /* the log could not be read: all of it was put aside, and a new one begun */
};

/* 0; -EBUSY: another process writes there; -errno. */
int audit_files_open(const struct audit_files_options *o, struct audit_files **ret,
		     struct audit_mended *ret_mended);
/* body: as audit_line_write. 0; AUDIT_E_LONG; -errno: it is not there, and the next call tries again to have
 * nothing of it there. */
int audit_files_append(struct audit_files *f, uint64_t wall_ns, struct span body);
/* What was appended outlives a loss of power. 0 or -errno. */
int audit_files_sync(struct audit_files *f);
struct audit_head audit_files_head(const struct audit_files *f);
void audit_files_free(struct audit_files *f);

#endif
