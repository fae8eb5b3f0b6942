/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_file.h: STATE_DIR/journal.db, an SQLite database with what outlives a restart: the claims of both
 * desired lists, the mode, and what was said of proxies. Who keeps what in it and when is journal.c's.
 *
 * How it is opened, put aside, kept from damage and brought up to date is store.h's; its times are
 * store_rows.h's.
 *
 * Not thread safe; may be handed from one thread to another.
 */
#ifndef PICKET_JOURNAL_FILE_H
#define PICKET_JOURNAL_FILE_H

#include "lib/clock.h"
#include "policies/blocks.h"
#include "sensor/store.h"

#define JOURNAL_NAME      "journal.db"
#define JOURNAL_SPARE     "journal.damaged"
#define JOURNAL_BOOT_MAX  STORE_BOOT_MAX
#define JOURNAL_PROXY_MAX 1024

struct journal_file;

/* JOURNAL_E_DAMAGED: the content is not what SQLite, or picket, wrote: journal_file_reset. */
enum { JOURNAL_E_DAMAGED = STORE_E_DAMAGED };

struct journal_file_options {
	const char *state_dir;
	const char *boot; /* which boot of the machine this is */
	const struct clock *clock;
	uint64_t ttl_max_ms; /* what is read back ends by then */
};

/* What was found. */
struct journal_found {
	char aside[96];  /* below state_dir: what stood there and was no journal of this version; "": nothing
			  */
	const char *why; /* static, for people: why it was put aside */
	bool read_only;  /* it can be read and not be written */
	bool fresh;      /* there was none */
	bool other_boot; /* it was last written before the machine started */
};

/* The lists of a target: the kernel's, and that of clients who are denied at HTTP alone. */
enum journal_list { JOURNAL_KERNEL = 0, JOURNAL_HTTP = 1, JOURNAL_LISTS = 2 };

/* All that both lists have of a target. 16 kB. */
struct journal_entry {
	struct prefix target;
	struct {
		unsigned count;
		struct block_claim claims[BLOCKS_CLAIMS_MAX]; /* oldest first */
	} lists[JOURNAL_LISTS];
};

/* What was said of a proxy at run time, and what the configuration said of exactly that prefix then. */
struct journal_proxy {
	struct prefix who;
	uint8_t class, configured; /* enum proxy_class */
};

struct journal_settings {
	uint32_t mode, mode_configured; /* enum config_mode; mode 0: none was set at run time */
	struct journal_proxy proxies[JOURNAL_PROXY_MAX];
	unsigned proxy_count;
};

/* 0; -EBUSY: another process has it; -errno. */
int journal_file_open(const struct journal_file_options *o, struct journal_file **ret,
		      struct journal_found *ret_found);
void journal_file_free(struct journal_file *f);

/* How many exact addresses of each family the kernel's list had when something was last written. */
struct journal_room {
	uint32_t exact4, exact6;
};
int journal_file_room(struct journal_file *f, struct journal_room *ret);

struct journal_read {
	size_t claims, ended, unreadable; /* handed out; ended meanwhile; rows that make no claim: left out */
};
/*
 * Calls each for every target, in their order, with what has not ended, until it returns not 0 and returns
 * that. Times are those of this boot: what was written in another one lasts by the wall clock, but no longer
 * than it was given, or ttl_max. JOURNAL_E_DAMAGED: each was called for what could be read.
 */
int journal_file_load(struct journal_file *f, int (*each)(void *arg, const struct journal_entry *e),
		      void *arg, struct journal_read *ret);
int journal_file_settings(struct journal_file *f, struct journal_settings *ret);

/*
 * A change: begin, then what changes, then commit, which is on the disk when it returns 0. Each 0,
 * JOURNAL_E_DAMAGED or -errno (-ENOSPC: the disk is full); after a failure journal_file_rollback.
 */
int journal_file_begin(struct journal_file *f);
int journal_file_put(struct journal_file *f, const struct journal_entry *e); /* in place of what is there */
int journal_file_clear(struct journal_file *f);                              /* no claim is left */
int journal_file_settings_put(struct journal_file *f, const struct journal_settings *s);
int journal_file_commit(struct journal_file *f, const struct journal_room *room);
void journal_file_rollback(struct journal_file *f);

/* As store_aside and store_reset (store.h). */
int journal_file_aside(struct journal_file *f);
int journal_file_reset(struct journal_file *f);

#endif
