/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.h: what the operator, the guard and the gateways decided outlives a restart: the claims of both
 * desired lists, the mode, and what was said of proxies (journal_file.h). Whoever changes one of these leaves
 * a note and goes on; a thread of its own asks for what is in force of the noted targets by then, and writes
 * it, many notes at once. No disk is waited for between a verdict and the map.
 *
 * Notes wait in a bounded queue. When it is full, and after anything could not be written, the whole list is
 * written instead: nothing that is in force is missing once something can be written again. What a crash
 * takes along is what was noted and not written yet.
 *
 * Block lists are not kept: their files are.
 *
 * Any thread may leave notes. All functions accept NULL: no journal.
 */
#ifndef PICKET_JOURNAL_H
#define PICKET_JOURNAL_H

#include "lib/config.h"
#include "sensor/journal_file.h"

#define JOURNAL_NOTES_MAX 8192 /* targets that wait to be written */
#define JOURNAL_SETTLE_MS 1000 /* what an answer of the API waits at most for the disk */

struct journal;

enum journal_state {
	JOURNAL_NONE = 0, /* there is no journal */
	JOURNAL_ON,
	JOURNAL_READ_ONLY, /* it was read, and cannot be written */
	JOURNAL_UNOPENED,  /* nothing of it could be read, nothing is kept */
	JOURNAL_UNWRITTEN, /* what was to be written last could not be: it is tried again each second */
};
const char *journal_state_name(enum journal_state state); /* "none", "on", "read_only", ... */

struct journal_counts {
	enum journal_state state;
	int error;         /* -errno of what failed; 0: nothing */
	uint64_t written;  /* changes of the file */
	size_t held;       /* notes that are not on the disk yet */
	uint64_t held_ns;  /* how long the oldest of them has waited */
	uint64_t overruns; /* times the queue was full */
	char aside[96];    /* below state_dir: where what could not be read was put; "": nowhere */
	/* At the start of this process. */
	struct journal_restored {
		uint64_t claims, ended, unreadable; /* read; ended meanwhile; not to be read */
		uint64_t targets;                   /* put into force again */
		uint64_t refused;                   /* ... which a hard limit of now refused */
		uint64_t adopted;                   /* found in the kernel, and not in the journal */
		uint64_t took_ns;
	} restored;
};

/* Whom the writer asks. Both may take the lock of who leaves notes. */
struct journal_source {
	/* Fills in what is in force of each entry's target; nothing: counts of 0. */
	void (*copy)(void *arg, struct journal_entry *entries, size_t count);
	/* Targets of a list, as blocks_page. */
	size_t (*page)(void *arg, enum journal_list list, size_t *cursor, struct prefix *ret, size_t max);
	struct journal_room (*room)(void *arg);
	void *arg;
};

/*
 * Opens the file, while the process may still do so. Only -ENOMEM fails: without the file there is a journal
 * that says so.
 */
int journal_new(const struct config *config, const struct clock *clock, struct journal **ret);
/*
 * Calls each for what outlived the restart, as journal_file_load. What is damaged is kept aside, and what
 * could be read before the damage is handed out. 0, or what each returned (over 1).
 */
int journal_load(struct journal *j, int (*each)(void *arg, const struct journal_entry *e), void *arg);
/* What to make room for before it; as far as is known. */
struct journal_room journal_room(struct journal *j);
/* For journal_counts: all but what journal_load counts itself. */
void journal_note_restored(struct journal *j, const struct journal_restored *restored);
/*
 * What was set at run time, as read by journal_load. The configuration file goes before it where it says
 * something else than it did then. *ret_proxies: borrowed until the next journal_set_proxy; count.
 */
enum config_mode journal_mode(const struct journal *j); /* 0: none was set */
unsigned journal_proxies(const struct journal *j, const struct journal_proxy **ret_proxies);
/* The configuration was read again: it alone counts. */
void journal_settings_forget(struct journal *j);
/* Begin to write. 0 or -errno. */
int journal_start(struct journal *j, const struct journal_source *source);
/* Writes what is held. Whom it asks must still be there. */
void journal_free(struct journal *j);

void journal_note(struct journal *j, const struct prefix *target);
void journal_set_mode(struct journal *j, enum config_mode mode);
/* class: enum proxy_class; that of a client takes back what was said. */
void journal_set_proxy(struct journal *j, const struct prefix *who, unsigned class);
/* Will what is said now be there after a restart, as far as is known? */
bool journal_keeps(struct journal *j);
/* What was noted until now is on the disk when it returns, or cannot be written, or JOURNAL_SETTLE_MS are
 * over. */
void journal_settle(struct journal *j);
struct journal_counts journal_counts(struct journal *j);

#endif
