// SPDX-License-Identifier: Apache-2.0
#include "sensor/store.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/file_io.h"
#include "lib/util.h"

#define SPARES 2

struct store {
	const struct store_shape *shape;
	struct store_options o;
	sqlite3 *db;
	sqlite3_stmt *ready[STORE_STATEMENTS_MAX];
	int spares[SPARES]; /* for the database, and for its log of changes */
	char path[PATH_MAX];
	char boot[STORE_BOOT_MAX];
	bool read_only, spares_used;
};

sqlite3 *store_db(struct store *s)
{
	return s->db;
}

void store_boot_read(char ret[static STORE_BOOT_MAX])
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	/* Without it each start counts as another boot: deadlines go by the wall clock. */
	if (!f || fscanf(f, "%63s", ret) != 1)
		snprintf(ret, STORE_BOOT_MAX, "unknown-%" PRIu64, clock_wall_ns(&clock_system));
}

const struct store_options *store_options(const struct store *s)
{
	return &s->o;
}

/* --- errors --- */

int store_error(struct store *f, int r)
{
	int system = f->db ? sqlite3_system_errno(f->db) : 0;

	switch (r & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table is missing or of another shape: the words of our statements are right */
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG:
		return STORE_E_DAMAGED;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	}
	return system ? -system : -EIO;
}

static int run(struct store *f, const char *sql)
{
	return store_error(f, sqlite3_exec(f->db, sql, NULL, NULL, NULL));
}

/* The one number that a statement gives. */
static int number(struct store *f, const char *sql, int64_t *ret)
{
	sqlite3_stmt *s;
	int r = sqlite3_prepare_v2(f->db, sql, -1, &s, NULL);

	if (r)
		return store_error(f, r);
	r = sqlite3_step(s);
	if (r == SQLITE_ROW)
		*ret = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return r == SQLITE_ROW ? 0 : r == SQLITE_DONE ? STORE_E_DAMAGED : store_error(f, r);
}

/* --- changes --- */

int store_prepared(struct store *f, unsigned which, sqlite3_stmt **ret)
{
	int r = 0;

	if (!f->ready[which])
		r = sqlite3_prepare_v3(f->db, f->shape->statements[which], -1, SQLITE_PREPARE_PERSISTENT,
				       &f->ready[which], NULL);
	*ret = f->ready[which];
	return store_error(f, r);
}

int store_step(struct store *f, sqlite3_stmt *s)
{
	int r = sqlite3_step(s);

	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return store_error(f, r);
}

int store_step_bare(struct store *f, unsigned which)
{
	sqlite3_stmt *s;
	int r = store_prepared(f, which, &s);

	return r ? r : store_step(f, s);
}

int store_begin(struct store *f)
{
	return f->read_only ? -EROFS : run(f, "BEGIN IMMEDIATE");
}

int store_commit(struct store *f)
{
	return run(f, "COMMIT");
}

void store_rollback(struct store *f)
{
	if (!sqlite3_get_autocommit(f->db))
		(void)run(f, "ROLLBACK");
}

/* The shape's tables, or those of its next version, and what says so; all or nothing. */
static int shape_make(struct store *f, const char *sql, int version)
{
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text,
		     "BEGIN IMMEDIATE; %s; PRAGMA application_id = %" PRIu32
		     "; PRAGMA user_version = %d; COMMIT",
		     sql, f->shape->application, version) < 0)
		return -ENOMEM;
	int r = run(f, text);
	if (r)
		store_rollback(f);
	return r;
}

/* --- what is damaged --- */

static void statements_forget(struct store *f)
{
	for (unsigned i = 0; i < STORE_STATEMENTS_MAX; i++) {
		sqlite3_finalize(f->ready[i]);
		f->ready[i] = NULL;
	}
}

/* Read through SQLite's own descriptor: another one could not be opened any more. */
static int bytes_copy(sqlite3_file *from, int to)
{
	_cleanup_free_ char *bytes = malloc(1u << 16);
	sqlite3_int64 size = 0;

	if (!bytes)
		return -ENOMEM;
	if (!from || !from->pMethods) /* not opened: it has no bytes */
		return 0;
	if (from->pMethods->xFileSize(from, &size))
		return -EIO;
	for (sqlite3_int64 at = 0; at < size;) {
		int part = (int)MIN(size - at, (sqlite3_int64)1 << 16);
		/* What cannot be read at all is zero in the copy. */
		(void)from->pMethods->xRead(from, bytes, part, at);
		ssize_t n = pwrite(to, bytes, (size_t)part, at);
		if (n != part)
			return n < 0 ? -errno : -ENOSPC;
		at += part;
	}
	return fdatasync(to) ? -errno : 0;
}

static int spares_fill(struct store *f)
{
	static const int which[SPARES] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};
	int r = 0;

	for (unsigned i = 0; !r && i < SPARES; i++) {
		sqlite3_file *file = NULL;

		if (sqlite3_file_control(f->db, "main", which[i], &file))
			return -EIO;
		r = ftruncate(f->spares[i], 0) ? -errno : bytes_copy(file, f->spares[i]);
	}
	return r;
}

int store_aside(struct store *f)
{
	if (f->read_only)
		return -EROFS;
	/* The first damage is kept: what stands there since is in force, and known. */
	int r = f->spares_used ? 0 : spares_fill(f);
	f->spares_used = f->spares_used || !r;
	return r;
}

int store_reset(struct store *f)
{
	int r = store_aside(f);

	if (r)
		return r;
	store_rollback(f);
	statements_forget(f);
	sqlite3_db_config(f->db, SQLITE_DBCONFIG_RESET_DATABASE, 1, NULL);
	r = run(f, "VACUUM");
	sqlite3_db_config(f->db, SQLITE_DBCONFIG_RESET_DATABASE, 0, NULL);
	if (!r)
		r = shape_make(f, f->shape->schema, f->shape->version);
	return r > 0 ? -EIO : r;
}

/* --- open --- */

/* STATE_DIR/NAME, or -ENAMETOOLONG. */
static int path_of(const struct store *f, const char *name, char ret[static PATH_MAX])
{
	return snprintf(ret, PATH_MAX, "%s/%s", f->o.state_dir, name) >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Gives NAME and what belongs to it a name that none has yet: NAME-SECONDS. */
static int rename_aside(struct store *f, const char *name, char *ret, size_t size)
{
	static const char *const parts[] = {"", "-wal", "-journal"};
	uint64_t seconds = clock_wall_ns(f->o.clock) / NS_PER_S;
	char from[PATH_MAX], to[PATH_MAX], text[64];
	struct stat st;
	int r;

	do {
		snprintf(ret, size, "%s-%" PRIu64, name, seconds++);
		r = path_of(f, ret, to);
	} while (!r && lstat(to, &st) == 0);
	for (size_t i = 0; !r && i < ARRAY_SIZE(parts); i++) {
		snprintf(text, sizeof text, "%s%s", name, parts[i]);
		r = path_of(f, text, from);
		snprintf(text, sizeof text, "%s%s", ret, parts[i]);
		if (!r)
			r = path_of(f, text, to);
		if (!r && rename(from, to) && (i == 0 || errno != ENOENT))
			r = -errno;
	}
	return r;
}

static int spare_open(struct store *f, unsigned which)
{
	char path[PATH_MAX], aside[64], name[64];
	struct stat st;

	snprintf(name, sizeof name, "%s%s", f->shape->spare, which ? "-wal" : "");
	int r = path_of(f, name, path);

	/* An earlier damage: that is kept, and this is another one. */
	if (!r && !which && stat(path, &st) == 0 && st.st_size)
		r = rename_aside(f, name, aside, sizeof aside);
	if (r)
		return r;
	f->spares[which] = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return f->spares[which] < 0 ? -errno : 0;
}

static void database_close(struct store *f)
{
	statements_forget(f);
	sqlite3_close(f->db);
	f->db = NULL;
}

/* Without a file for changes: what was written last, and had not come into the database yet, is not seen. */
static int open_read_only(struct store *f)
{
	char uri[3 * PATH_MAX + 32] = "file:", *to = uri + strlen(uri);

	for (const char *p = f->path; *p; p++)
		to += sprintf(to, strchr("%?#", *p) ? "%%%02x" : "%c", (unsigned char)*p);
	strcpy(to, "?immutable=1");
	f->read_only = true;
	return store_error(f, sqlite3_open_v2(uri, &f->db,
					      SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
					      NULL));
}

static int database_open(struct store *f)
{
	/* Made by us: nobody else is to read it. */
	int fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;

	f->read_only = false;
	if (fd < 0)
		return errno == EROFS && access(f->path, R_OK) == 0 ? open_read_only(f) : -errno;
	int r = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	close(fd);
	if (r)
		return r;
	r = sqlite3_open_v2(f->path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (r)
		return store_error(f, r);
	/* As long as a process that was killed may take to be gone, with its lock. */
	sqlite3_busy_timeout(f->db, FILE_LOCK_WAIT_MS);
	/* A stranger's is left as it is. */
	sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return run(f, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
		      "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL");
}

/* Its tables, and nothing else? */
static int tables_check(struct store *f, bool *ret)
{
	int64_t objects = 0, there = 0, tables = 0;
	sqlite3_stmt *s;

	int r = number(f, "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'", &objects);
	if (!r)
		r = store_error(f, sqlite3_prepare_v2(f->db,
						      "SELECT count(*) FROM sqlite_master WHERE "
						      "type = 'table' AND name = ?",
						      -1, &s, NULL));
	if (r)
		return r;
	for (; !r && f->shape->tables[tables]; tables++) {
		sqlite3_bind_text(s, 1, f->shape->tables[tables], -1, SQLITE_STATIC);
		int step = sqlite3_step(s);
		if (step == SQLITE_ROW)
			there += sqlite3_column_int64(s, 0);
		r = step == SQLITE_ROW ? 0 : store_error(f, step);
		sqlite3_reset(s);
	}
	sqlite3_finalize(s);
	*ret = objects == tables && there == tables;
	return r;
}

/* What an earlier version wrote is brought up to date, a version a step. */
static int upgrade(struct store *f, int64_t version, struct store_found *found)
{
	int r = 0;

	for (; !r && version < f->shape->version; version++) {
		r = shape_make(f, f->shape->upgrades[version - 1], (int)version + 1);
		found->upgraded = !r;
	}
	return r;
}

/* Whose is it? 0: ours, or nobody's yet; STORE_E_DAMAGED, and why; -errno. */
static int identity(struct store *f, struct store_found *found)
{
	int64_t application = 0, version = 0, objects = 0;
	bool whole = false;
	int r = number(f, "PRAGMA application_id", &application);

	if (!r)
		r = number(f, "PRAGMA user_version", &version);
	if (!r)
		r = number(f, "SELECT count(*) FROM sqlite_master", &objects);
	found->fresh = !r && !application && !objects;
	found->why = NULL;
	if (r || found->fresh)
		return r;
	if (application != f->shape->application) {
		found->why = "it is another program's database";
		return STORE_E_DAMAGED;
	}
	if (version < 1 || version > f->shape->version || (version < f->shape->version && f->read_only)) {
		found->why = "another version of picket wrote it";
		return STORE_E_DAMAGED;
	}
	r = upgrade(f, version, found);
	if (!r)
		r = tables_check(f, &whole);
	if (!r && !whole)
		found->why = f->shape->foreign;
	return r ? r : whole ? 0 : STORE_E_DAMAGED;
}

/* From now on no other file is opened: the log of changes is there, and was written to. */
static int settle(struct store *f, bool fresh)
{
	unsigned char seed;
	char touch[64];

	snprintf(touch, sizeof touch, "BEGIN IMMEDIATE; PRAGMA user_version = %d; COMMIT", f->shape->version);
	int r = run(f, "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 4194304");
	sqlite3_randomness(sizeof seed, &seed);
	if (!r)
		r = fresh ? shape_make(f, f->shape->schema, f->shape->version) : run(f, touch);
	if (r)
		store_rollback(f);
	/* Read it can be all the same. */
	return r == -ENOSPC && !fresh ? 0 : r;
}

/* Once more, with nothing there. */
static int begin_anew(struct store *f, struct store_found *found)
{
	const char *why = found->why;

	if (f->read_only)
		return -EROFS;
	database_close(f);
	int r = rename_aside(f, f->shape->name, found->aside, sizeof found->aside);
	if (!r)
		r = database_open(f);
	if (!r)
		r = identity(f, found);
	if (!r)
		r = settle(f, found->fresh);
	found->why = why;
	return r;
}

static int open_all(struct store *f, struct store_found *found)
{
	int r = path_of(f, f->shape->name, f->path);

	if (!r)
		r = database_open(f);
	if (!r)
		r = identity(f, found);
	if (!r && !f->read_only)
		r = settle(f, found->fresh);
	if (!r && !found->fresh && f->shape->probe)
		r = run(f, f->shape->probe);
	if (r == STORE_E_DAMAGED) {
		found->why = found->why ? found->why : "it is damaged, or no SQLite database";
		r = begin_anew(f, found);
	}
	for (unsigned i = 0; !r && !f->read_only && i < SPARES; i++)
		r = spare_open(f, i);
	found->read_only = f->read_only;
	return r > 0 ? -EIO : r;
}

int store_open(const struct store_shape *shape, const struct store_options *o, struct store **ret,
	       struct store_found *ret_found)
{
	struct store *f = calloc(1, sizeof *f);
	struct store_found found = {.why = NULL};

	if (!f)
		return -ENOMEM;
	f->shape = shape;
	f->o = *o;
	f->o.boot = f->boot;
	f->spares[0] = f->spares[1] = -1;
	snprintf(f->boot, sizeof f->boot, "%s", o->boot);
	int r = open_all(f, &found);
	if (r) {
		store_free(f);
		return r;
	}
	*ret = f;
	*ret_found = found;
	return 0;
}

void store_free(struct store *f)
{
	if (!f)
		return;
	statements_forget(f);
	if (f->db && !f->read_only)
		(void)run(f, "PRAGMA wal_checkpoint(TRUNCATE)");
	database_close(f);
	for (unsigned i = 0; i < SPARES; i++)
		if (f->spares[i] >= 0)
			close(f->spares[i]);
	free(f);
}
