// SPDX-License-Identifier: Apache-2.0
#include "sensor/journal_file.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/utf8.h"
#include "lib/util.h"

#define APPLICATION   0x504b4a31 /* "PKJ1" */
#define VERSION       1
#define SPARES        2
#define NAMED(value)  NAMED_(value)
#define NAMED_(value) #value

enum statement { PUT, TAKE, CLEAR, CLOCK, MODE, MODE_NONE, PROXY, PROXIES_NONE, STATEMENTS };

static const char *const statements[STATEMENTS] = {
	[PUT] = "INSERT INTO claims VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[TAKE] = "DELETE FROM claims WHERE target = ?",
	[CLEAR] = "DELETE FROM claims",
	[CLOCK] = "INSERT OR REPLACE INTO clock VALUES (1,?,?,?,?,?)",
	[MODE] = "INSERT OR REPLACE INTO mode VALUES (1,?,?)",
	[MODE_NONE] = "DELETE FROM mode",
	[PROXY] = "INSERT OR REPLACE INTO proxies VALUES (?,?,?)",
	[PROXIES_NONE] = "DELETE FROM proxies",
};

/* Targets: family, bits, and the bytes of the address. Evidence: each id with a zero behind it. */
static const char schema[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE claims (target BLOB NOT NULL, list INTEGER NOT NULL, place INTEGER NOT NULL,"
	" source INTEGER NOT NULL, action INTEGER NOT NULL, scope INTEGER NOT NULL,"
	" since_ns INTEGER NOT NULL, deadline_ns INTEGER NOT NULL, revert_ns INTEGER NOT NULL,"
	" ttl_ms INTEGER NOT NULL, confidence REAL NOT NULL, via BLOB, id TEXT NOT NULL, origin TEXT NOT "
	"NULL,"
	" reason TEXT NOT NULL, evidence BLOB, PRIMARY KEY (target, list, place)) WITHOUT ROWID;"
	"CREATE TABLE clock (one INTEGER PRIMARY KEY, boot TEXT NOT NULL, boot_ns INTEGER NOT NULL,"
	" wall_ns INTEGER NOT NULL, exact4 INTEGER NOT NULL, exact6 INTEGER NOT NULL);"
	"CREATE TABLE mode (one INTEGER PRIMARY KEY, mode INTEGER NOT NULL, configured INTEGER NOT NULL);"
	"CREATE TABLE proxies (who BLOB PRIMARY KEY, class INTEGER NOT NULL, configured INTEGER NOT NULL)"
	" WITHOUT ROWID;"
	"PRAGMA application_id = " NAMED(APPLICATION) ";"
						      "PRAGMA user_version = " NAMED(VERSION) ";"
											      "COMMIT;";

struct journal_file {
	struct journal_file_options o;
	sqlite3 *db;
	sqlite3_stmt *ready[STATEMENTS];
	int spares[SPARES]; /* for the database, and for its log of changes */
	char path[PATH_MAX];
	char boot[JOURNAL_BOOT_MAX];
	bool read_only, spares_used;
};

/* --- errors --- */

static int error_of(struct journal_file *f, int r)
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
		return JOURNAL_E_DAMAGED;
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

static int run(struct journal_file *f, const char *sql)
{
	return error_of(f, sqlite3_exec(f->db, sql, NULL, NULL, NULL));
}

/* The one number that a statement gives. */
static int number(struct journal_file *f, const char *sql, int64_t *ret)
{
	sqlite3_stmt *s;
	int r = sqlite3_prepare_v2(f->db, sql, -1, &s, NULL);

	if (r)
		return error_of(f, r);
	r = sqlite3_step(s);
	if (r == SQLITE_ROW)
		*ret = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return r == SQLITE_ROW ? 0 : r == SQLITE_DONE ? JOURNAL_E_DAMAGED : error_of(f, r);
}

/* --- shapes --- */

#define KEY_MAX 18

static int key_write(const struct prefix *p, uint8_t key[static KEY_MAX])
{
	int bytes = p->addr.family == ADDR_IPV4 ? 4 : 16;

	key[0] = p->addr.family;
	key[1] = p->bits;
	memcpy(key + 2, p->addr.bytes, (size_t)bytes);
	return bytes + 2;
}

/* Only what key_write would have written. */
static bool key_read(const uint8_t *key, int len, struct prefix *ret)
{
	struct prefix p = {.bits = 0};

	if (!key || len < 2 || (key[0] != ADDR_IPV4 && key[0] != ADDR_IPV6) ||
	    len != (key[0] == ADDR_IPV4 ? 6 : 18))
		return false;
	p.addr.family = key[0];
	p.bits = key[1];
	memcpy(p.addr.bytes, key + 2, (size_t)len - 2);
	if (p.bits > addr_bits(&p.addr))
		return false;
	struct prefix clean = prefix_of(&p.addr, p.bits);
	*ret = p;
	return prefix_equal(&clean, &p);
}

static bool column_key(sqlite3_stmt *s, int column, struct prefix *ret)
{
	return key_read(sqlite3_column_blob(s, column), sqlite3_column_bytes(s, column), ret);
}

/* Text as verdicts have it: it is shown to people later. */
static bool column_text(sqlite3_stmt *s, int column, char *ret, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(s, column);
	size_t len = (size_t)sqlite3_column_bytes(s, column);
	unsigned char seen = 0;

	if (!text || len >= size)
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
		seen |= (unsigned char)text[i];
	}
	if (seen >= 0x80 && !utf8_valid((struct span){text, len}))
		return false;
	memcpy(ret, text, len);
	ret[len] = 0;
	return true;
}

/* A whole number within bounds. */
static bool column_number(sqlite3_stmt *s, int column, int64_t least, int64_t most, int64_t *ret)
{
	*ret = sqlite3_column_int64(s, column); /* 0: it is none */
	return *ret >= least && *ret <= most;
}

static bool column_evidence(sqlite3_stmt *s, int column, struct verdict *v)
{
	const char *at = sqlite3_column_blob(s, column);
	size_t left = (size_t)sqlite3_column_bytes(s, column);

	while (left) {
		const char *end = memchr(at, 0, left);
		if (!end || (size_t)(end - at) >= VERDICT_ID_MAX || v->evidence_count == VERDICT_EVIDENCE_MAX)
			return false;
		size_t len = (size_t)(end - at) + 1;
		if (!utf8_valid((struct span){at, len - 1}))
			return false;
		memcpy(v->evidence[v->evidence_count++], at, len);
		at += len;
		left -= len;
	}
	return true;
}

static bool column_via(sqlite3_stmt *s, int column, struct addr *ret)
{
	struct prefix p;

	if (sqlite3_column_type(s, column) == SQLITE_NULL)
		return true;
	if (!column_key(s, column, &p) || !prefix_is_exact(&p))
		return false;
	*ret = p.addr;
	return true;
}

/* --- reading --- */

/* How this boot's clock stands to that of the rows. */
struct translation {
	bool same;
	int64_t ahead_ns; /* what is added to a time of theirs; same: nothing */
	uint64_t now_ns, ttl_max_ns;
};

static int translation_make(struct journal_file *f, struct translation *ret)
{
	struct translation t = {
		.now_ns = clock_boot_ns(f->o.clock),
		.ttl_max_ns = f->o.ttl_max_ms * NS_PER_MS,
		.same = true,
	};
	char boot[JOURNAL_BOOT_MAX];
	sqlite3_stmt *s;

	int r = sqlite3_prepare_v2(f->db, "SELECT boot, boot_ns, wall_ns FROM clock", -1, &s, NULL);
	if (r)
		return error_of(f, r);
	r = sqlite3_step(s);
	if (r == SQLITE_ROW && !column_text(s, 0, boot, sizeof boot)) {
		sqlite3_finalize(s);
		return JOURNAL_E_DAMAGED;
	}
	if (r == SQLITE_ROW && strcmp(boot, f->boot) != 0) {
		t.same = false;
		t.ahead_ns = (sqlite3_column_int64(s, 2) - sqlite3_column_int64(s, 1)) -
			     (int64_t)(clock_wall_ns(f->o.clock) - t.now_ns);
	}
	sqlite3_finalize(s);
	*ret = t;
	return error_of(f, r);
}

static uint64_t moved(const struct translation *t, int64_t at)
{
	int64_t there;

	if (__builtin_add_overflow(at, t->ahead_ns, &there))
		return at > 0 ? INT64_MAX : 1;
	return there > 0 ? (uint64_t)there : 1; /* before this boot: as early as can be told */
}

/* No later than it was meant to be from now on, whatever the clocks say, and no later than may be. */
static uint64_t end_of(const struct translation *t, int64_t since, int64_t end)
{
	uint64_t length = end > since ? (uint64_t)end - (uint64_t)since : 0;
	uint64_t most = t->same ? t->ttl_max_ns : MIN(length, t->ttl_max_ns);

	return MIN(moved(t, end), t->now_ns + most);
}

/* *ret: what is in it is overwritten, as far as it counts. */
static bool claim_read(sqlite3_stmt *s, const struct translation *t, const struct prefix *target,
		       struct block_claim *ret)
{
	int64_t source, action, scope, since, deadline, revert, ttl_ms;
	struct verdict *v = &ret->verdict;

	v->via = (struct addr){.family = ADDR_NONE};
	v->evidence_count = 0;
	v->cause_ns = 0;
	if (!column_number(s, 3, VERDICT_OPERATOR, VERDICT_IMPORT, &source) ||
	    !column_number(s, 4, VERDICT_BLOCK, UINT8_MAX, &action) ||
	    !column_number(s, 5, VERDICT_SCOPE_PORTS, VERDICT_SCOPE_HOST, &scope) ||
	    !column_number(s, 6, 0, INT64_MAX, &since) || !column_number(s, 7, 1, INT64_MAX, &deadline) ||
	    !column_number(s, 8, 0, INT64_MAX, &revert) || !column_number(s, 9, 0, INT64_MAX, &ttl_ms) ||
	    !column_via(s, 11, &v->via) || !column_text(s, 12, v->id, sizeof v->id) ||
	    !column_text(s, 13, v->origin, sizeof v->origin) ||
	    !column_text(s, 14, v->reason, sizeof v->reason) || !column_evidence(s, 15, v))
		return false;
	v->source = (enum verdict_source)source;
	v->action = (enum verdict_action)action;
	v->scope = (enum verdict_scope)scope;
	v->target = *target;
	v->ttl_ms = (uint64_t)ttl_ms;
	v->confidence = sqlite3_column_double(s, 10);
	if (!verdict_denies(v->action) || !(v->confidence >= 0 && v->confidence <= 1))
		return false;
	ret->since_ns = MIN(moved(t, since), t->now_ns);
	ret->deadline_ns = end_of(t, since, deadline);
	ret->revert_ns = revert ? end_of(t, since, revert) : 0;
	v->received_ns = ret->since_ns;
	return true;
}

static bool claim_ended(const struct block_claim *c, uint64_t now_ns)
{
	return c->deadline_ns <= now_ns || (c->revert_ns && c->revert_ns <= now_ns);
}

/* One row; the entry before it is handed out when another target begins. */
struct loading {
	struct translation t;
	struct journal_entry entry;
	int (*each)(void *arg, const struct journal_entry *e);
	void *arg;
	struct journal_read read;
	uint8_t key[KEY_MAX]; /* of the row before */
	size_t key_len;
};

static int entry_hand_out(struct loading *l)
{
	int r = 0;

	if (l->entry.lists[JOURNAL_KERNEL].count || l->entry.lists[JOURNAL_HTTP].count)
		r = l->each(l->arg, &l->entry);
	l->entry.lists[JOURNAL_KERNEL].count = l->entry.lists[JOURNAL_HTTP].count = 0;
	return r;
}

/* Rows come in the order of their keys. Where they do not, the database is damaged, and a target might come
 * twice.
 */
static bool key_follows(struct loading *l, sqlite3_stmt *s)
{
	const void *key = sqlite3_column_blob(s, 0);
	size_t len = (size_t)sqlite3_column_bytes(s, 0);

	if (len > sizeof l->key)
		return false;
	int order = l->key_len ? memcmp(l->key, key, MIN(len, l->key_len)) : -1;
	if (order > 0 || (order == 0 && len < l->key_len))
		return false;
	memcpy(l->key, key, len);
	l->key_len = len;
	return true;
}

static int row_take(struct loading *l, sqlite3_stmt *s)
{
	struct prefix target;
	int64_t list;
	int r = 0;

	if (!column_key(s, 0, &target) || !key_follows(l, s) ||
	    !column_number(s, 1, JOURNAL_KERNEL, JOURNAL_HTTP, &list)) {
		l->read.unreadable++;
		return 0;
	}
	if (!prefix_equal(&l->entry.target, &target))
		r = entry_hand_out(l);
	if (r)
		return r;
	l->entry.target = target;
	unsigned *count = &l->entry.lists[list].count;
	struct block_claim *claim = &l->entry.lists[list].claims[*count];
	if (*count == BLOCKS_CLAIMS_MAX || !claim_read(s, &l->t, &target, claim)) {
		l->read.unreadable++;
	} else if (claim_ended(claim, l->t.now_ns)) {
		l->read.ended++;
	} else {
		++*count;
		l->read.claims++;
	}
	return 0;
}

static int rows_take(struct journal_file *f, struct loading *l)
{
	sqlite3_stmt *s;
	int step, r = 0;

	step = sqlite3_prepare_v2(f->db, "SELECT * FROM claims ORDER BY target, list, place", -1, &s, NULL);
	if (step)
		return error_of(f, step);
	while (!r && (step = sqlite3_step(s)) == SQLITE_ROW)
		r = row_take(l, s);
	/* What stands before the damage is of use. */
	int last = r ? 0 : entry_hand_out(l);
	sqlite3_finalize(s);
	return r ? r : last ? last : error_of(f, step);
}

int journal_file_load(struct journal_file *f, int (*each)(void *arg, const struct journal_entry *e),
		      void *arg, struct journal_read *ret)
{
	_cleanup_free_ struct loading *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	l->each = each;
	l->arg = arg;
	int r = translation_make(f, &l->t);
	if (!r)
		r = rows_take(f, l);
	*ret = l->read;
	return r;
}

int journal_file_room(struct journal_file *f, struct journal_room *ret)
{
	int64_t exact4 = 0, exact6 = 0;
	sqlite3_stmt *s;
	int r = sqlite3_prepare_v2(f->db, "SELECT exact4, exact6 FROM clock", -1, &s, NULL);

	if (r)
		return error_of(f, r);
	r = sqlite3_step(s);
	if (r == SQLITE_ROW && column_number(s, 0, 0, UINT32_MAX, &exact4) &&
	    column_number(s, 1, 0, UINT32_MAX, &exact6))
		*ret = (struct journal_room){(uint32_t)exact4, (uint32_t)exact6};
	sqlite3_finalize(s);
	return error_of(f, r);
}

static int mode_read(struct journal_file *f, struct journal_settings *ret)
{
	int64_t mode, configured;
	sqlite3_stmt *s;
	int r = sqlite3_prepare_v2(f->db, "SELECT mode, configured FROM mode", -1, &s, NULL);

	if (r)
		return error_of(f, r);
	r = sqlite3_step(s);
	/* enum config_mode */
	if (r == SQLITE_ROW && column_number(s, 0, 1, 3, &mode) && column_number(s, 1, 1, 3, &configured)) {
		ret->mode = (uint32_t)mode;
		ret->mode_configured = (uint32_t)configured;
	}
	sqlite3_finalize(s);
	return error_of(f, r);
}

static int proxies_read(struct journal_file *f, struct journal_settings *ret)
{
	int64_t class, configured;
	struct prefix who;
	sqlite3_stmt *s;
	int r = sqlite3_prepare_v2(f->db, "SELECT who, class, configured FROM proxies", -1, &s, NULL);

	if (r)
		return error_of(f, r);
	while ((r = sqlite3_step(s)) == SQLITE_ROW && ret->proxy_count < JOURNAL_PROXY_MAX)
		if (column_key(s, 0, &who) && column_number(s, 1, 1, 2, &class) &&
		    column_number(s, 2, 0, 2, &configured))
			ret->proxies[ret->proxy_count++] = (struct journal_proxy){
				.who = who, .class = (uint8_t) class, .configured = (uint8_t)configured};
	sqlite3_finalize(s);
	return error_of(f, r);
}

int journal_file_settings(struct journal_file *f, struct journal_settings *ret)
{
	*ret = (struct journal_settings){.mode = 0};
	int r = mode_read(f, ret);

	return r ? r : proxies_read(f, ret);
}

/* --- writing --- */

static int prepared(struct journal_file *f, enum statement which, sqlite3_stmt **ret)
{
	int r = 0;

	if (!f->ready[which])
		r = sqlite3_prepare_v3(f->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
				       &f->ready[which], NULL);
	*ret = f->ready[which];
	return error_of(f, r);
}

/* Once, and ready to be bound again. */
static int step(struct journal_file *f, sqlite3_stmt *s)
{
	int r = sqlite3_step(s);

	sqlite3_reset(s);
	return error_of(f, r);
}

static int step_bare(struct journal_file *f, enum statement which)
{
	sqlite3_stmt *s;
	int r = prepared(f, which, &s);

	return r ? r : step(f, s);
}

static int64_t stored(uint64_t ns)
{
	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

static int claim_put(struct journal_file *f, const uint8_t *key, int key_len, int list, int place,
		     const struct block_claim *c)
{
	char evidence[VERDICT_EVIDENCE_MAX * VERDICT_ID_MAX];
	const struct verdict *v = &c->verdict;
	uint8_t via[KEY_MAX];
	size_t evidence_len = 0;
	sqlite3_stmt *s;

	int r = prepared(f, PUT, &s);
	if (r)
		return r;
	for (unsigned i = 0; i < MIN(v->evidence_count, VERDICT_EVIDENCE_MAX); i++) {
		size_t len = strlen(v->evidence[i]) + 1;
		memcpy(evidence + evidence_len, v->evidence[i], len);
		evidence_len += len;
	}
	sqlite3_bind_blob(s, 1, key, key_len, SQLITE_STATIC);
	sqlite3_bind_int(s, 2, list);
	sqlite3_bind_int(s, 3, place);
	sqlite3_bind_int(s, 4, (int)v->source);
	sqlite3_bind_int(s, 5, (int)v->action);
	sqlite3_bind_int(s, 6, (int)v->scope);
	sqlite3_bind_int64(s, 7, stored(c->since_ns));
	sqlite3_bind_int64(s, 8, stored(c->deadline_ns));
	sqlite3_bind_int64(s, 9, stored(c->revert_ns));
	sqlite3_bind_int64(s, 10, stored(v->ttl_ms));
	sqlite3_bind_double(s, 11, v->confidence);
	if (v->via.family == ADDR_NONE) {
		sqlite3_bind_null(s, 12);
	} else {
		const struct prefix exact = {v->via, addr_bits(&v->via)};
		int len = key_write(&exact, via);
		sqlite3_bind_blob(s, 12, via, len, SQLITE_STATIC);
	}
	sqlite3_bind_text(s, 13, v->id, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 14, v->origin, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 15, v->reason, -1, SQLITE_STATIC);
	sqlite3_bind_blob(s, 16, evidence_len ? evidence : NULL, (int)evidence_len, SQLITE_STATIC);
	r = step(f, s);
	sqlite3_clear_bindings(s);
	return r;
}

int journal_file_put(struct journal_file *f, const struct journal_entry *e)
{
	uint8_t key[KEY_MAX];
	int len = key_write(&e->target, key);
	sqlite3_stmt *s;

	int r = prepared(f, TAKE, &s);
	if (r)
		return r;
	sqlite3_bind_blob(s, 1, key, len, SQLITE_STATIC);
	r = step(f, s);
	sqlite3_clear_bindings(s);
	for (int list = 0; list < JOURNAL_LISTS; list++)
		for (unsigned i = 0; !r && i < e->lists[list].count; i++)
			r = claim_put(f, key, len, list, (int)i, &e->lists[list].claims[i]);
	return r;
}

int journal_file_clear(struct journal_file *f)
{
	return step_bare(f, CLEAR);
}

static int mode_put(struct journal_file *f, const struct journal_settings *settings)
{
	sqlite3_stmt *s;

	if (!settings->mode)
		return step_bare(f, MODE_NONE);
	int r = prepared(f, MODE, &s);
	if (r)
		return r;
	sqlite3_bind_int64(s, 1, settings->mode);
	sqlite3_bind_int64(s, 2, settings->mode_configured);
	return step(f, s);
}

static int proxy_put(struct journal_file *f, const struct journal_proxy *p)
{
	uint8_t key[KEY_MAX];
	int len = key_write(&p->who, key);
	sqlite3_stmt *s;

	int r = prepared(f, PROXY, &s);
	if (r)
		return r;
	sqlite3_bind_blob(s, 1, key, len, SQLITE_STATIC);
	sqlite3_bind_int(s, 2, p->class);
	sqlite3_bind_int(s, 3, p->configured);
	r = step(f, s);
	sqlite3_clear_bindings(s);
	return r;
}

int journal_file_settings_put(struct journal_file *f, const struct journal_settings *settings)
{
	int r = mode_put(f, settings);

	if (!r)
		r = step_bare(f, PROXIES_NONE);
	for (unsigned i = 0; !r && i < settings->proxy_count; i++)
		r = proxy_put(f, &settings->proxies[i]);
	return r;
}

int journal_file_begin(struct journal_file *f)
{
	return f->read_only ? -EROFS : run(f, "BEGIN IMMEDIATE");
}

int journal_file_commit(struct journal_file *f, const struct journal_room *room)
{
	sqlite3_stmt *s;
	int r = prepared(f, CLOCK, &s);

	if (r)
		return r;
	sqlite3_bind_text(s, 1, f->boot, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 2, stored(clock_boot_ns(f->o.clock)));
	sqlite3_bind_int64(s, 3, stored(clock_wall_ns(f->o.clock)));
	sqlite3_bind_int64(s, 4, room->exact4);
	sqlite3_bind_int64(s, 5, room->exact6);
	r = step(f, s);
	return r ? r : run(f, "COMMIT");
}

void journal_file_rollback(struct journal_file *f)
{
	if (!sqlite3_get_autocommit(f->db))
		(void)run(f, "ROLLBACK");
}

/* --- what is damaged --- */

static void statements_forget(struct journal_file *f)
{
	for (unsigned i = 0; i < STATEMENTS; i++) {
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

static int spares_fill(struct journal_file *f)
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

int journal_file_reset(struct journal_file *f)
{
	if (f->read_only)
		return -EROFS;
	journal_file_rollback(f);
	statements_forget(f);
	/* The first damage is kept: what stands there since is in force, and known. */
	int r = f->spares_used ? 0 : spares_fill(f);
	if (r)
		return r;
	f->spares_used = true;
	sqlite3_db_config(f->db, SQLITE_DBCONFIG_RESET_DATABASE, 1, NULL);
	r = run(f, "VACUUM");
	sqlite3_db_config(f->db, SQLITE_DBCONFIG_RESET_DATABASE, 0, NULL);
	if (!r)
		r = run(f, schema);
	return r > 0 ? -EIO : r;
}

/* --- open --- */

/* STATE_DIR/NAME, or -ENAMETOOLONG. */
static int path_of(const struct journal_file *f, const char *name, char ret[static PATH_MAX])
{
	return snprintf(ret, PATH_MAX, "%s/%s", f->o.state_dir, name) >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Gives NAME and what belongs to it a name that none has yet: NAME-SECONDS. */
static int rename_aside(struct journal_file *f, const char *name, char *ret, size_t size)
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

static int spare_open(struct journal_file *f, unsigned which)
{
	char path[PATH_MAX], aside[64];
	struct stat st;
	int r = path_of(f, which ? JOURNAL_SPARE "-wal" : JOURNAL_SPARE, path);

	/* An earlier damage: that is kept, and this is another one. */
	if (!r && !which && stat(path, &st) == 0 && st.st_size)
		r = rename_aside(f, JOURNAL_SPARE, aside, sizeof aside);
	if (r)
		return r;
	f->spares[which] = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return f->spares[which] < 0 ? -errno : 0;
}

static void database_close(struct journal_file *f)
{
	statements_forget(f);
	sqlite3_close(f->db);
	f->db = NULL;
}

/* Without a file for changes: what was written last, and had not come into the database yet, is not seen. */
static int open_read_only(struct journal_file *f)
{
	char uri[3 * PATH_MAX + 32] = "file:", *to = uri + strlen(uri);

	for (const char *p = f->path; *p; p++)
		to += sprintf(to, strchr("%?#", *p) ? "%%%02x" : "%c", (unsigned char)*p);
	strcpy(to, "?immutable=1");
	f->read_only = true;
	return error_of(f,
			sqlite3_open_v2(uri, &f->db,
					SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL));
}

static int database_open(struct journal_file *f)
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
		return error_of(f, r);
	/* A stranger's is left as it is. */
	sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return run(f, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
		      "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL");
}

/* Whose is it? 0: ours, or nobody's yet; JOURNAL_E_DAMAGED, and *why; -errno. */
static int identity(struct journal_file *f, bool *ret_fresh, const char **why)
{
	int64_t application = 0, version = 0, objects = 0, tables = 0;
	int r = number(f, "PRAGMA application_id", &application);

	if (!r)
		r = number(f, "PRAGMA user_version", &version);
	if (!r)
		r = number(f, "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'", &objects);
	if (!r)
		r = number(f,
			   "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN "
			   "('claims', 'clock', 'mode', 'proxies')",
			   &tables);
	*ret_fresh = !r && !application && !objects;
	*why = NULL;
	if (r || *ret_fresh)
		return r;
	if (application != APPLICATION)
		*why = "it is another program's database";
	else if (version != VERSION)
		*why = "another version of picket wrote it";
	else if (objects != 4 || tables != 4)
		*why = "its tables are not those of a journal";
	return *why ? JOURNAL_E_DAMAGED : 0;
}

/* From now on no other file is opened: the log of changes is there, and was written to. */
static int settle(struct journal_file *f, bool fresh)
{
	unsigned char seed;
	int r = run(f, "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 4194304");

	sqlite3_randomness(sizeof seed, &seed);
	if (!r)
		r = run(f,
			fresh ? schema : "BEGIN IMMEDIATE; PRAGMA user_version = " NAMED(VERSION) "; COMMIT");
	if (r)
		journal_file_rollback(f);
	/* Read it can be all the same. */
	return r == -ENOSPC && !fresh ? 0 : r;
}

static int other_boot(struct journal_file *f, bool *ret)
{
	struct translation t = {.same = true};
	int r = translation_make(f, &t);

	*ret = !r && !t.same;
	return r;
}

/* Once more, with nothing there. */
static int begin_anew(struct journal_file *f, struct journal_found *found)
{
	bool fresh;
	const char *why;

	if (f->read_only)
		return -EROFS;
	database_close(f);
	int r = rename_aside(f, JOURNAL_NAME, found->aside, sizeof found->aside);
	if (!r)
		r = database_open(f);
	if (!r)
		r = identity(f, &fresh, &why);
	if (!r)
		r = settle(f, fresh);
	return r;
}

static int open_all(struct journal_file *f, struct journal_found *found)
{
	int r = path_of(f, JOURNAL_NAME, f->path);

	if (!r)
		r = database_open(f);
	if (!r)
		r = identity(f, &found->fresh, &found->why);
	if (!r && !f->read_only)
		r = settle(f, found->fresh);
	if (!r && !found->fresh)
		r = other_boot(f, &found->other_boot);
	if (r == JOURNAL_E_DAMAGED) {
		found->why = found->why ? found->why : "it is damaged, or no SQLite database";
		r = begin_anew(f, found);
	}
	for (unsigned i = 0; !r && !f->read_only && i < SPARES; i++)
		r = spare_open(f, i);
	found->read_only = f->read_only;
	return r > 0 ? -EIO : r;
}

int journal_file_open(const struct journal_file_options *o, struct journal_file **ret,
		      struct journal_found *ret_found)
{
	struct journal_file *f = calloc(1, sizeof *f);
	struct journal_found found = {.why = NULL};

	if (!f)
		return -ENOMEM;
	f->o = *o;
	f->spares[0] = f->spares[1] = -1;
	snprintf(f->boot, sizeof f->boot, "%s", o->boot);
	int r = open_all(f, &found);
	if (r) {
		journal_file_free(f);
		return r;
	}
	*ret = f;
	*ret_found = found;
	return 0;
}

void journal_file_free(struct journal_file *f)
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
