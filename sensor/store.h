/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h: an SQLite database below state_dir that outlives a restart: opened, told from another's, put
 * aside or brought up to date, changed, made anew when it turns out to be damaged. What stands in it is its
 * owner's (struct store_shape: journal_file.c, memory_file.c); columns and times are store_rows.h's.
 *
 * The sensor may open no file once it has given up its rights, so the database stands in write-ahead mode
 * with an exclusive lock (no shared memory), keeps its temporary things in memory, and a spare file is opened
 * beside it: should the content turn out to be damaged, its bytes go there before it is made anew. What is
 * not its owner's at all, or of a later version, is renamed when it is opened. Nothing is ever deleted.
 *
 * Not thread safe; may be handed from one thread to another.
 */
#ifndef PICKET_STORE_H
#define PICKET_STORE_H

#include <sqlite3.h>
#include <stdbool.h>
#include "lib/clock.h"

#define STORE_BOOT_MAX       64
#define STORE_STATEMENTS_MAX 32

/* STORE_E_DAMAGED: the content is not what SQLite, or picket, wrote: store_reset. */
enum { STORE_E_DAMAGED = 1 };

/* What one kind of database is; static. */
struct store_shape {
	const char *name, *spare; /* files below state_dir */
	uint32_t application;     /* SQLite's application_id */
	int version;              /* of the schema */
	const char *schema;       /* makes its tables, in an empty one */
	/* upgrades[v - 1] makes version v + 1 of version v, in one change with the number; version - 1 of
	 * them. */
	const char *const *upgrades;
	const char *const *tables; /* names, NULL behind the last; it has no other objects */
	const char *probe;         /* a question that one which is whole answers; NULL: none */
	const char *foreign;       /* for people: "its tables are not those of a journal" */
	const char *const *statements;
	unsigned statement_count; /* STORE_STATEMENTS_MAX at most */
};

struct store_options {
	const char *state_dir;
	const char *boot; /* which boot of the machine this is */
	const struct clock *clock;
};

/* What was found. */
struct store_found {
	char aside[96];  /* below state_dir: what stood there and was not this; "": nothing */
	const char *why; /* static, for people: why it was put aside */
	bool read_only;  /* it can be read and not be written */
	bool fresh;      /* there was none */
	bool upgraded;   /* an earlier version of picket had written it */
};

/* For store_options: this boot of the machine. */
void store_boot_read(char ret[static STORE_BOOT_MAX]);

struct store;

/* shape outlives it. 0; -EBUSY: another process has it; -errno. */
int store_open(const struct store_shape *shape, const struct store_options *o, struct store **ret,
	       struct store_found *ret_found);
void store_free(struct store *s);
sqlite3 *store_db(struct store *s);
const struct store_options *store_options(const struct store *s); /* boot: a copy of its own */
/* A word of SQLite's as one of ours: 0, STORE_E_DAMAGED or -errno (-ENOSPC: the disk is full). */
int store_error(struct store *s, int sqlite);

/*
 * A change: store_begin, statements, store_commit, which is on the disk when it returns 0. Each 0,
 * STORE_E_DAMAGED or -errno; after a failure store_rollback.
 */
int store_begin(struct store *s);
int store_commit(struct store *s);
void store_rollback(struct store *s);
/* The shape's statement of that number, ready to be bound; the store's. */
int store_prepared(struct store *s, unsigned statement, sqlite3_stmt **ret);
/* Once; it is ready to be bound again then, and what was bound is forgotten. */
int store_step(struct store *s, sqlite3_stmt *statement);
int store_step_bare(struct store *s, unsigned statement); /* one without parameters */

/* Copies the damaged database to the spare file, the first time; it stays as it is. 0 or -errno. */
int store_aside(struct store *s);
/* ... and makes an empty one of it: what was read of it is to be written at once. */
int store_reset(struct store *s);

#endif
