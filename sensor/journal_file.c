// SPDX-License-Identifier: Apache-2.0
#include "sensor/journal_file.h"
#include <errno.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/store_rows.h"

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

/* Targets: as store_key_write; evidence: as store_evidence_write. */
static const char schema[] =
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
	" WITHOUT ROWID";

static const char *const tables[] = {"claims", "clock", "mode", "proxies", NULL};

static const struct store_shape shape = {
	.name = JOURNAL_NAME,
	.spare = JOURNAL_SPARE,
	.application = 0x504b4a31, /* "PKJ1" */
	.version = 1,
	.schema = schema,
	.tables = tables,
	.probe = "SELECT * FROM clock",
	.foreign = "its tables are not those of a journal",
	.statements = statements,
	.statement_count = STATEMENTS,
};

struct journal_file {
	struct store *store;
	uint64_t ttl_max_ns;
};

/* --- reading --- */

/* *ret: what is in it is overwritten, as far as it counts. */
static bool claim_read(sqlite3_stmt *s, const struct store_times *t, uint64_t longest_ns,
		       const struct prefix *target, struct block_claim *ret)
{
	int64_t source, action, scope, since, deadline, revert, ttl_ms;
	struct verdict *v = &ret->verdict;

	v->via = (struct addr){.family = ADDR_NONE};
	v->evidence_count = 0;
	v->cause_ns = 0;
	if (!store_number(s, 3, VERDICT_OPERATOR, VERDICT_IMPORT, &source) ||
	    !store_number(s, 4, VERDICT_BLOCK, UINT8_MAX, &action) ||
	    !store_number(s, 5, VERDICT_SCOPE_PORTS, VERDICT_SCOPE_HOST, &scope) ||
	    !store_number(s, 6, 0, INT64_MAX, &since) || !store_number(s, 7, 1, INT64_MAX, &deadline) ||
	    !store_number(s, 8, 0, INT64_MAX, &revert) || !store_number(s, 9, 0, INT64_MAX, &ttl_ms) ||
	    !store_addr(s, 11, &v->via) || !store_text(s, 12, v->id, sizeof v->id) ||
	    !store_text(s, 13, v->origin, sizeof v->origin) ||
	    !store_text(s, 14, v->reason, sizeof v->reason) || !store_evidence(s, 15, v))
		return false;
	v->source = (enum verdict_source)source;
	v->action = (enum verdict_action)action;
	v->scope = (enum verdict_scope)scope;
	v->target = *target;
	v->ttl_ms = (uint64_t)ttl_ms;
	v->confidence = sqlite3_column_double(s, 10);
	if (!verdict_denies(v->action) || !(v->confidence >= 0 && v->confidence <= 1))
		return false;
	ret->since_ns = store_been(t, since);
	ret->deadline_ns = store_end(t, since, deadline, longest_ns);
	ret->revert_ns = revert ? store_end(t, since, revert, longest_ns) : 0;
	v->received_ns = ret->since_ns;
	return true;
}

static bool claim_ended(const struct block_claim *c, uint64_t now_ns)
{
	return c->deadline_ns <= now_ns || (c->revert_ns && c->revert_ns <= now_ns);
}

/* One row; the entry before it is handed out when another target begins. */
struct loading {
	struct store_times t;
	uint64_t longest_ns; /* may a claim last */
	struct journal_entry entry;
	int (*each)(void *arg, const struct journal_entry *e);
	void *arg;
	struct journal_read read;
	uint8_t key[STORE_KEY_MAX]; /* of the row before */
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

	if (!store_key(s, 0, &target) || !key_follows(l, s) ||
	    !store_number(s, 1, JOURNAL_KERNEL, JOURNAL_HTTP, &list)) {
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
	if (*count == BLOCKS_CLAIMS_MAX || !claim_read(s, &l->t, l->longest_ns, &target, claim)) {
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

	step = sqlite3_prepare_v2(store_db(f->store), "SELECT * FROM claims ORDER BY target, list, place", -1,
				  &s, NULL);
	if (step)
		return store_error(f->store, step);
	while (!r && (step = sqlite3_step(s)) == SQLITE_ROW)
		r = row_take(l, s);
	/* What stands before the damage is of use. */
	int last = r ? 0 : entry_hand_out(l);
	sqlite3_finalize(s);
	return r ? r : last ? last : store_error(f->store, step);
}

int journal_file_load(struct journal_file *f, int (*each)(void *arg, const struct journal_entry *e),
		      void *arg, struct journal_read *ret)
{
	_cleanup_free_ struct loading *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	l->each = each;
	l->arg = arg;
	l->longest_ns = f->ttl_max_ns;
	int r = store_times(f->store, &l->t);
	if (!r)
		r = rows_take(f, l);
	*ret = l->read;
	return r;
}

int journal_file_room(struct journal_file *f, struct journal_room *ret)
{
	int64_t exact4 = 0, exact6 = 0;
	sqlite3_stmt *s;
	int r = sqlite3_prepare_v2(store_db(f->store), "SELECT exact4, exact6 FROM clock", -1, &s, NULL);

	if (r)
		return store_error(f->store, r);
	r = sqlite3_step(s);
	if (r == SQLITE_ROW && store_number(s, 0, 0, UINT32_MAX, &exact4) &&
	    store_number(s, 1, 0, UINT32_MAX, &exact6))
		*ret = (struct journal_room){(uint32_t)exact4, (uint32_t)exact6};
	sqlite3_finalize(s);
	return store_error(f->store, r);
}

static int mode_read(struct journal_file *f, struct journal_settings *ret)
{
	int64_t mode, configured;
	sqlite3_stmt *s;
	int r = sqlite3_prepare_v2(store_db(f->store), "SELECT mode, configured FROM mode", -1, &s, NULL);

	if (r)
		return store_error(f->store, r);
	r = sqlite3_step(s);
	/* enum config_mode */
	if (r == SQLITE_ROW && store_number(s, 0, 1, 3, &mode) && store_number(s, 1, 1, 3, &configured)) {
		ret->mode = (uint32_t)mode;
		ret->mode_configured = (uint32_t)configured;
	}
	sqlite3_finalize(s);
	return store_error(f->store, r);
}

static int proxies_read(struct journal_file *f, struct journal_settings *ret)
{
	int64_t class, configured;
	struct prefix who;
	sqlite3_stmt *s;
	int r = sqlite3_prepare_v2(store_db(f->store), "SELECT who, class, configured FROM proxies", -1, &s,
				   NULL);

	if (r)
		return store_error(f->store, r);
	while ((r = sqlite3_step(s)) == SQLITE_ROW && ret->proxy_count < JOURNAL_PROXY_MAX)
		if (store_key(s, 0, &who) && store_number(s, 1, 1, 2, &class) &&
		    store_number(s, 2, 0, 2, &configured))
			ret->proxies[ret->proxy_count++] = (struct journal_proxy){
				.who = who, .class = (uint8_t) class, .configured = (uint8_t)configured};
	sqlite3_finalize(s);
	return store_error(f->store, r);
}

int journal_file_settings(struct journal_file *f, struct journal_settings *ret)
{
	*ret = (struct journal_settings){.mode = 0};
	int r = mode_read(f, ret);

	return r ? r : proxies_read(f, ret);
}

/* --- writing --- */

static int claim_put(struct journal_file *f, const uint8_t *key, int key_len, int list, int place,
		     const struct block_claim *c)
{
	char evidence[STORE_EVIDENCE_MAX];
	const struct verdict *v = &c->verdict;
	uint8_t via[STORE_KEY_MAX];
	sqlite3_stmt *s;

	int r = store_prepared(f->store, PUT, &s);
	if (r)
		return r;
	size_t evidence_len = store_evidence_write(v, evidence);
	sqlite3_bind_blob(s, 1, key, key_len, SQLITE_STATIC);
	sqlite3_bind_int(s, 2, list);
	sqlite3_bind_int(s, 3, place);
	sqlite3_bind_int(s, 4, (int)v->source);
	sqlite3_bind_int(s, 5, (int)v->action);
	sqlite3_bind_int(s, 6, (int)v->scope);
	sqlite3_bind_int64(s, 7, store_time(c->since_ns));
	sqlite3_bind_int64(s, 8, store_time(c->deadline_ns));
	sqlite3_bind_int64(s, 9, store_time(c->revert_ns));
	sqlite3_bind_int64(s, 10, store_time(v->ttl_ms));
	sqlite3_bind_double(s, 11, v->confidence);
	store_bind_addr(s, 12, &v->via, via);
	sqlite3_bind_text(s, 13, v->id, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 14, v->origin, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 15, v->reason, -1, SQLITE_STATIC);
	sqlite3_bind_blob(s, 16, evidence_len ? evidence : NULL, (int)evidence_len, SQLITE_STATIC);
	r = store_step(f->store, s);
	return r;
}

int journal_file_put(struct journal_file *f, const struct journal_entry *e)
{
	uint8_t key[STORE_KEY_MAX];
	int len = store_key_write(&e->target, key);
	sqlite3_stmt *s;

	int r = store_prepared(f->store, TAKE, &s);
	if (r)
		return r;
	sqlite3_bind_blob(s, 1, key, len, SQLITE_STATIC);
	r = store_step(f->store, s);
	for (int list = 0; list < JOURNAL_LISTS; list++)
		for (unsigned i = 0; !r && i < e->lists[list].count; i++)
			r = claim_put(f, key, len, list, (int)i, &e->lists[list].claims[i]);
	return r;
}

int journal_file_clear(struct journal_file *f)
{
	return store_step_bare(f->store, CLEAR);
}

static int mode_put(struct journal_file *f, const struct journal_settings *settings)
{
	sqlite3_stmt *s;

	if (!settings->mode)
		return store_step_bare(f->store, MODE_NONE);
	int r = store_prepared(f->store, MODE, &s);
	if (r)
		return r;
	sqlite3_bind_int64(s, 1, settings->mode);
	sqlite3_bind_int64(s, 2, settings->mode_configured);
	return store_step(f->store, s);
}

static int proxy_put(struct journal_file *f, const struct journal_proxy *p)
{
	uint8_t key[STORE_KEY_MAX];
	int len = store_key_write(&p->who, key);
	sqlite3_stmt *s;

	int r = store_prepared(f->store, PROXY, &s);
	if (r)
		return r;
	sqlite3_bind_blob(s, 1, key, len, SQLITE_STATIC);
	sqlite3_bind_int(s, 2, p->class);
	sqlite3_bind_int(s, 3, p->configured);
	r = store_step(f->store, s);
	return r;
}

int journal_file_settings_put(struct journal_file *f, const struct journal_settings *settings)
{
	int r = mode_put(f, settings);

	if (!r)
		r = store_step_bare(f->store, PROXIES_NONE);
	for (unsigned i = 0; !r && i < settings->proxy_count; i++)
		r = proxy_put(f, &settings->proxies[i]);
	return r;
}

int journal_file_begin(struct journal_file *f)
{
	return store_begin(f->store);
}

int journal_file_commit(struct journal_file *f, const struct journal_room *room)
{
	sqlite3_stmt *s;
	int r = store_prepared(f->store, CLOCK, &s);

	if (r)
		return r;
	store_bind_clock(f->store, s, 1);
	sqlite3_bind_int64(s, 4, room->exact4);
	sqlite3_bind_int64(s, 5, room->exact6);
	r = store_step(f->store, s);
	return r ? r : store_commit(f->store);
}

void journal_file_rollback(struct journal_file *f)
{
	store_rollback(f->store);
}

int journal_file_aside(struct journal_file *f)
{
	return store_aside(f->store);
}

int journal_file_reset(struct journal_file *f)
{
	return store_reset(f->store);
}

/* --- open --- */

int journal_file_open(const struct journal_file_options *o, struct journal_file **ret,
		      struct journal_found *ret_found)
{
	const struct store_options options = {.state_dir = o->state_dir, .boot = o->boot, .clock = o->clock};
	struct journal_file *f = calloc(1, sizeof *f);
	struct store_times times = {.same = true};
	struct store_found found;

	if (!f)
		return -ENOMEM;
	f->ttl_max_ns = o->ttl_max_ms * NS_PER_MS;
	int r = store_open(&shape, &options, &f->store, &found);
	if (r) {
		journal_file_free(f);
		return r;
	}
	/* What is damaged there is seen when it is loaded. */
	if (!found.fresh)
		(void)store_times(f->store, &times);
	*ret = f;
	*ret_found = (struct journal_found){
		.why = found.why,
		.read_only = found.read_only,
		.fresh = found.fresh,
		.other_boot = !times.same,
	};
	memcpy(ret_found->aside, found.aside, sizeof ret_found->aside);
	return 0;
}

void journal_file_free(struct journal_file *f)
{
	if (!f)
		return;
	store_free(f->store);
	free(f);
}
