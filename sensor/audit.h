/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h: the audit log (docs/audit.md): who decided what about whom, and who changed which setting. Those
 * who decide leave a note and go on; a thread of its own makes records of them and writes them
 * (audit_files.h), so that nobody holds a lock while a disk is waited for. Between the two is a bounded
 * queue: what does not fit is counted, and a record at its place says how many are missing. While nothing can
 * be written, notes wait in it, and enforcement goes on.
 *
 * Any thread may leave notes. All functions accept NULL: no audit log.
 */
#ifndef PICKET_AUDIT_H
#define PICKET_AUDIT_H

#include <stdbool.h>
#include "lib/audit_chain.h"
#include "lib/clock.h"
#include "lib/config.h"
#include "lib/event.h"

#define AUDIT_NOTES_MAX   8192 /* that wait to be written */
#define AUDIT_NOTES_BYTES (8u << 20)
#define AUDIT_SETTLE_MS   2000 /* what an answer of the API waits at most for the disk */

struct audit;

enum audit_state {
	AUDIT_OFF = 0, /* audit.enabled: false */
	AUDIT_ON,
	AUDIT_UNOPENED,  /* its files could not be opened: every record is missing */
	AUDIT_UNWRITTEN, /* what was to be written last could not be: it is tried again each second */
};
const char *audit_state_name(enum audit_state state); /* "off", "on", "unopened", "unwritten" */

struct audit_counts {
	enum audit_state state;
	int error; /* -errno of what failed, or of the last sync; 0: none */
	uint64_t records, missing, sync_failures;
	size_t held;
	struct audit_head head;
};

/*
 * Opens the files; while the process may still do so. Only -ENOMEM fails: without files there is a log that
 * counts what is missing.
 */
int audit_new(const struct config *config, const struct clock *clock, struct audit **ret);
/* Begin to write. 0 or -errno. */
int audit_start(struct audit *a);
/* Writes what is held, and that this is an orderly end. */
void audit_free(struct audit *a);

/* A person who answered a question, or "picket" where nobody did. */
struct audit_who {
	const char *by;     /* NULL: who asked for the verdict */
	const char *answer; /* "approved", "rejected"; NULL: nobody was asked */
	uint64_t pending_id;
};
/* why: "start", "reload", "restart" (the sensor process had died). by: "uid:N", or "picket". */
void audit_note_start(struct audit *a, const char *why, const char *by);
/* e is a picket.decision event; NULL: there was no memory for it, and the record is missing. */
void audit_note_decision(struct audit *a, const struct event *e, const struct audit_who *who);
/* The kernel differed from the list. what: "put_back", "taken_out". */
void audit_note_mended(struct audit *a, const struct prefix *target, const char *what);
/* name: "mode"; subject: what it is of, or NULL; before: NULL: not known. */
void audit_note_setting(struct audit *a, const char *name, const char *subject, const char *before,
			const char *value, const char *by);
/* With audit.fsync: always, what was noted until now is on the disk when it returns, or cannot be written, or
 * AUDIT_SETTLE_MS are over. */
void audit_settle(struct audit *a);
struct audit_counts audit_counts(struct audit *a);

#endif
