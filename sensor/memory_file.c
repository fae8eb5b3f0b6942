// SPDX-License-Identifier: Apache-2.0
#include "sensor/memory_file.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/target.h"
#include "lib/utf8.h"
#include "lib/util.h"
#include "sensor/store_rows.h"

enum statement {
	PUT, /* + enum memory_kind */
	TAKE = PUT + MEMORY_KINDS,
	CLEAR = TAKE + MEMORY_KINDS,
	CLOCK = CLEAR + MEMORY_KINDS,
	BASIS,
	STATEMENTS
};
_Static_assert(STATEMENTS <= STORE_STATEMENTS_MAX, "the store has room for them");

static const char *const statements[STATEMENTS] = {
	[PUT + MEMORY_REGULARS] = "INSERT OR REPLACE INTO regulars VALUES (?,?,?,?,?,?)",
	[PUT + MEMORY_PLACES] = "INSERT OR REPLACE INTO places VALUES (?,?,?)",
	[PUT + MEMORY_WITNESSES] = "INSERT OR REPLACE INTO witnesses VALUES (?,?,?,?,?,?)",
	[PUT + MEMORY_OFFENDERS] = "INSERT OR REPLACE INTO offenders VALUES (?,?,?,?)",
	[PUT + MEMORY_FORECAST] =
		"INSERT OR REPLACE INTO forecast VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[PUT + MEMORY_REJECTED] = "INSERT OR REPLACE INTO rejected VALUES (?,?,?,?,?,?,?)",
	[PUT + MEMORY_BEHAVIOUR] = "INSERT OR REPLACE INTO behaviour VALUES (?,?,?,?,?)",
	[PUT + MEMORY_BASELINES] = "INSERT OR REPLACE INTO baselines VALUES (?,?,?,?,?,?,?,?)",
	[PUT + MEMORY_COUNTS] = "INSERT OR REPLACE INTO counts VALUES (?,?,?,?,?,?)",
	[TAKE + MEMORY_REGULARS] = "DELETE FROM regulars WHERE slot = ?",
	[TAKE + MEMORY_PLACES] = "DELETE FROM places WHERE slot = ?",
	[TAKE + MEMORY_WITNESSES] = "DELETE FROM witnesses WHERE slot = ?",
	[TAKE + MEMORY_OFFENDERS] = "DELETE FROM offenders WHERE slot = ?",
	[TAKE + MEMORY_FORECAST] = "DELETE FROM forecast WHERE slot = ?",
	[TAKE + MEMORY_REJECTED] = "DELETE FROM rejected WHERE slot = ?",
	[TAKE + MEMORY_BEHAVIOUR] = "DELETE FROM behaviour WHERE slot = ?",
	[TAKE + MEMORY_BASELINES] = "DELETE FROM baselines WHERE slot = ?",
	[TAKE + MEMORY_COUNTS] = "DELETE FROM counts WHERE slot = ?",
	[CLEAR + MEMORY_REGULARS] = "DELETE FROM regulars",
	[CLEAR + MEMORY_PLACES] = "DELETE FROM places",
	[CLEAR + MEMORY_WITNESSES] = "DELETE FROM witnesses",
	[CLEAR + MEMORY_OFFENDERS] = "DELETE FROM offenders",
	[CLEAR + MEMORY_FORECAST] = "DELETE FROM forecast",
	[CLEAR + MEMORY_REJECTED] = "DELETE FROM rejected",
	[CLEAR + MEMORY_BEHAVIOUR] = "DELETE FROM behaviour",
	[CLEAR + MEMORY_BASELINES] = "DELETE FROM baselines",
	[CLEAR + MEMORY_COUNTS] = "DELETE FROM counts",
	[CLOCK] = "INSERT OR REPLACE INTO clock VALUES (1,?,?,?)",
	[BASIS] = "INSERT OR REPLACE INTO basis VALUES (1,?,?,?)",
};

/* facts: struct facts. */
#define BEHAVIOUR_TABLE                                                                                   \
	"CREATE TABLE behaviour (slot INTEGER PRIMARY KEY, who BLOB NOT NULL, first_ns INTEGER NOT NULL," \
	" last_ns INTEGER NOT NULL, facts BLOB NOT NULL)"

#define BASELINES_TABLE                                                                              \
	"CREATE TABLE baselines (slot INTEGER PRIMARY KEY, rule TEXT NOT NULL, route TEXT NOT NULL," \
	" first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, raised_ns INTEGER NOT NULL,"          \
	" half_ns INTEGER NOT NULL, learned BLOB NOT NULL)"

/* tried: struct tried. */
#define COUNTS_TABLE                                                                            \
	"CREATE TABLE counts (slot INTEGER PRIMARY KEY, rule TEXT NOT NULL, who BLOB NOT NULL," \
	" first BLOB NOT NULL, last_ns INTEGER NOT NULL, tried BLOB NOT NULL)"

/* Prefixes, addresses and evidence as store_rows.h has them; routes: "COUNT ROUTE", each with a zero behind
 * it. */
static const char schema[] =
	"CREATE TABLE regulars (slot INTEGER PRIMARY KEY, who BLOB NOT NULL, consumer INTEGER NOT NULL,"
	" served INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL);"
	"CREATE TABLE places (slot INTEGER PRIMARY KEY, place INTEGER NOT NULL, last_ns INTEGER NOT NULL);"
	"CREATE TABLE witnesses (slot INTEGER PRIMARY KEY, run TEXT NOT NULL, event INTEGER NOT NULL,"
	" target BLOB NOT NULL, framed INTEGER NOT NULL, when_ns INTEGER NOT NULL);"
	"CREATE TABLE offenders (slot INTEGER PRIMARY KEY, who BLOB NOT NULL, blocks INTEGER NOT NULL,"
	" end_ns INTEGER NOT NULL);"
	"CREATE TABLE forecast (slot INTEGER PRIMARY KEY, target BLOB NOT NULL, source INTEGER NOT NULL,"
	" action INTEGER NOT NULL, scope INTEGER NOT NULL, ttl_ms INTEGER NOT NULL, confidence REAL NOT NULL,"
	" via BLOB, id TEXT NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL, evidence BLOB,"
	" framed INTEGER NOT NULL, began_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL,"
	" requests INTEGER NOT NULL, served INTEGER NOT NULL, unanswered INTEGER NOT NULL,"
	" first_ns INTEGER, last_ns INTEGER, elsewhere INTEGER NOT NULL, routes BLOB);"
	"CREATE TABLE rejected (slot INTEGER PRIMARY KEY, target BLOB NOT NULL, source INTEGER NOT NULL,"
	" action INTEGER NOT NULL, scope INTEGER NOT NULL, origin TEXT NOT NULL, when_ns INTEGER NOT NULL);"
	"CREATE TABLE basis (one INTEGER PRIMARY KEY, key0 INTEGER NOT NULL, key1 INTEGER NOT NULL,"
	" since_ns INTEGER NOT NULL);"
	"CREATE TABLE clock (one INTEGER PRIMARY KEY, boot TEXT NOT NULL, boot_ns INTEGER NOT NULL,"
	" wall_ns INTEGER NOT NULL);" BEHAVIOUR_TABLE ";" BASELINES_TABLE ";" COUNTS_TABLE;

/* From version 1 on. */
static const char *const upgrades[] = {BEHAVIOUR_TABLE, BASELINES_TABLE, COUNTS_TABLE};

/* The oldest first. */
static const char *const questions[MEMORY_KINDS] = {
	[MEMORY_REGULARS] = "SELECT * FROM regulars ORDER BY last_ns",
	[MEMORY_PLACES] = "SELECT * FROM places ORDER BY last_ns",
	[MEMORY_WITNESSES] = "SELECT * FROM witnesses ORDER BY when_ns",
	[MEMORY_OFFENDERS] = "SELECT * FROM offenders ORDER BY end_ns",
	[MEMORY_FORECAST] = "SELECT * FROM forecast ORDER BY began_ns",
	[MEMORY_REJECTED] = "SELECT * FROM rejected ORDER BY when_ns",
	[MEMORY_BEHAVIOUR] = "SELECT * FROM behaviour ORDER BY last_ns",
	[MEMORY_BASELINES] = "SELECT * FROM baselines ORDER BY last_ns",
	[MEMORY_COUNTS] = "SELECT * FROM counts ORDER BY last_ns",
};

static const char *const names[] = {
	[MEMORY_REGULARS] = "regulars",   [MEMORY_PLACES] = "places",       [MEMORY_WITNESSES] = "witnesses",
	[MEMORY_OFFENDERS] = "offenders", [MEMORY_FORECAST] = "forecast",   [MEMORY_REJECTED] = "rejected",
	[MEMORY_BEHAVIOUR] = "behaviour", [MEMORY_BASELINES] = "baselines", [MEMORY_COUNTS] = "counts",
	[MEMORY_KINDS] = "basis",         [MEMORY_KINDS + 1] = "clock",     [MEMORY_KINDS + 2] = NULL,
};

static const struct store_shape shape = {
	.name = MEMORY_NAME,
	.spare = MEMORY_SPARE,
	.application = 0x504b4d31, /* "PKM1" */
	.version = 4,
	.schema = schema,
	.upgrades = upgrades,
	.tables = names,
	.probe = "SELECT * FROM clock",
	.foreign = "its tables are not those of the guard's memory",
	.statements = statements,
	.statement_count = STATEMENTS,
};

struct memory_file {
	struct store *store;
	uint64_t ttl_max_ns;
};

const char *memory_kind_name(enum memory_kind kind)
{
	return names[kind];
}

/* --- reading --- */

/* A number of any size. */
static uint64_t count_of(sqlite3_stmt *s, int column)
{
	int64_t n = sqlite3_column_int64(s, column);

	return n > 0 ? (uint64_t)n : 0;
}

static bool regular_read(sqlite3_stmt *s, const struct store_times *t, struct regulars_record *ret)
{
	int64_t served, first = sqlite3_column_int64(s, 4), last = sqlite3_column_int64(s, 5), span_ns;

	if (!store_key(s, 1, &ret->who) || !store_number(s, 3, 1, UINT32_MAX, &served) ||
	    __builtin_sub_overflow(last, first, &span_ns) || span_ns < 0)
		return false;
	ret->consumer = (uint64_t)sqlite3_column_int64(s, 2);
	ret->served = (uint32_t)served;
	/* It was that long, also where clocks were set back and both would be later than now. */
	ret->last_ns = store_ago(t, last);
	return !__builtin_sub_overflow(ret->last_ns, span_ns, &ret->first_ns);
}

static bool place_read(sqlite3_stmt *s, const struct store_times *t, struct regulars_place *ret)
{
	ret->place = (uint64_t)sqlite3_column_int64(s, 1);
	ret->last_ns = store_ago(t, sqlite3_column_int64(s, 2));
	return ret->place;
}

static bool witness_read(sqlite3_stmt *s, const struct store_times *t, struct witness_record *ret)
{
	int64_t framed;

	if (!store_text(s, 1, ret->run, sizeof ret->run) || !store_key(s, 3, &ret->target) ||
	    !store_number(s, 4, 0, 1, &framed))
		return false;
	ret->event_id = (uint64_t)sqlite3_column_int64(s, 2);
	ret->framed = framed;
	ret->when_ns = store_ago(t, sqlite3_column_int64(s, 5));
	return true;
}

static bool offender_read(const struct memory_file *f, sqlite3_stmt *s, const struct store_times *t,
			  struct offenders_record *ret)
{
	int64_t blocks;

	if (!store_key(s, 1, &ret->who) || !store_number(s, 2, 1, UINT32_MAX, &blocks))
		return false;
	ret->blocks = (uint32_t)blocks;
	ret->end_ns = store_until(t, sqlite3_column_int64(s, 3), f->ttl_max_ns);
	return true;
}

static bool verdict_read(sqlite3_stmt *s, struct verdict *v)
{
	int64_t source, action, scope, ttl_ms, framed;

	if (!store_key(s, 1, &v->target) || !store_number(s, 2, VERDICT_OPERATOR, VERDICT_IMPORT, &source) ||
	    !store_number(s, 3, VERDICT_BLOCK, UINT8_MAX, &action) ||
	    !store_number(s, 4, VERDICT_SCOPE_PORTS, VERDICT_SCOPE_HOST, &scope) ||
	    !store_number(s, 5, 0, INT64_MAX, &ttl_ms) || !store_addr(s, 7, &v->via) ||
	    !store_text(s, 8, v->id, sizeof v->id) || !store_text(s, 9, v->origin, sizeof v->origin) ||
	    !store_text(s, 10, v->reason, sizeof v->reason) || !store_evidence(s, 11, v) ||
	    !store_number(s, 12, 0, 1, &framed))
		return false;
	v->source = (enum verdict_source)source;
	v->action = (enum verdict_action)action;
	v->scope = (enum verdict_scope)scope;
	v->ttl_ms = (uint64_t)ttl_ms;
	v->confidence = sqlite3_column_double(s, 6);
	v->framed = framed;
	return verdict_denies(v->action) && v->confidence >= 0 && v->confidence <= 1;
}

/* Text stays SQLite's: until the next row. */
static bool routes_read(sqlite3_stmt *s, int column, struct forecast_entry *ret)
{
	const char *at = sqlite3_column_blob(s, column);
	size_t left = (size_t)sqlite3_column_bytes(s, column);

	while (left) {
		const char *end = memchr(at, 0, left);
		char *route;
		if (!end || ret->route_count == FORECAST_ROUTES_MAX)
			return false;
		errno = 0;
		unsigned long long requests = strtoull(at, &route, 10);
		struct span text = {route + 1, (size_t)(end - route) - 1};
		if (errno || route == at || *route != ' ' || !text.len || text.len > FORECAST_ROUTE_MAX ||
		    !utf8_valid(text))
			return false;
		ret->routes[ret->route_count++] = (struct forecast_route){text, requests};
		left -= (size_t)(end - at) + 1;
		at = end + 1;
	}
	return true;
}

static uint64_t moment_read(sqlite3_stmt *s, const struct store_times *t, int column)
{
	if (sqlite3_column_type(s, column) == SQLITE_NULL)
		return 0;
	return (uint64_t)store_ago(t, sqlite3_column_int64(s, column));
}

static bool forecast_read(const struct memory_file *f, sqlite3_stmt *s, const struct store_times *t,
			  struct forecast_entry *ret)
{
	if (!verdict_read(s, &ret->verdict) || !routes_read(s, 21, ret))
		return false;
	ret->began_ns = (uint64_t)store_ago(t, sqlite3_column_int64(s, 13));
	ret->until_ns = (uint64_t)store_until(t, sqlite3_column_int64(s, 14), f->ttl_max_ns);
	ret->requests = count_of(s, 15);
	ret->served = count_of(s, 16);
	ret->unanswered = count_of(s, 17);
	ret->first_ns = moment_read(s, t, 18);
	ret->last_ns = moment_read(s, t, 19);
	ret->elsewhere = count_of(s, 20);
	return true;
}

static bool rejected_read(sqlite3_stmt *s, const struct store_times *t, struct rejected *ret)
{
	int64_t source, action, scope;

	if (!store_key(s, 1, &ret->target) ||
	    !store_number(s, 2, VERDICT_OPERATOR, VERDICT_IMPORT, &source) ||
	    !store_number(s, 3, VERDICT_BLOCK, VERDICT_RESET, &action) ||
	    !store_number(s, 4, VERDICT_SCOPE_PORTS, VERDICT_SCOPE_HOST, &scope) ||
	    !store_text(s, 5, ret->origin, sizeof ret->origin))
		return false;
	ret->source = (enum verdict_source)source;
	ret->action = (enum verdict_action)action;
	ret->scope = (enum verdict_scope)scope;
	ret->when_ns = store_ago(t, sqlite3_column_int64(s, 6));
	return true;
}

/* What is known of a client, as it is kept: of the byte order of this machine, without gaps. */
struct facts {
	uint64_t counts[12];
	uint32_t served, methods;
	uint8_t used[BEHAVIOUR_USED_BITS / 8];
	uint8_t sketches[3][SKETCH_SIZE];
};
_Static_assert(sizeof(struct facts) == 12 * 8 + 2 * 4 + BEHAVIOUR_USED_BITS / 8 + 3 * SKETCH_SIZE, "no gaps");
_Static_assert(sizeof(struct behaviour_counts) == 12 * 8, "facts has all of them");

static bool behaviour_read(sqlite3_stmt *s, const struct store_times *t, struct behaviour_record *ret)
{
	const void *blob = sqlite3_column_blob(s, 4);
	struct facts f;

	if (!store_key(s, 1, &ret->who) || sqlite3_column_bytes(s, 4) != (int)sizeof f || !blob)
		return false;
	memcpy(&f, blob, sizeof f);
	if (f.methods > UINT16_MAX)
		return false;
	for (size_t i = 0; i < sizeof f.sketches; i++)
		if (f.sketches[i / SKETCH_SIZE][i % SKETCH_SIZE] > SKETCH_RANK_MAX)
			return false;
	ret->first_ns = store_ago(t, sqlite3_column_int64(s, 2));
	ret->last_ns = store_ago(t, sqlite3_column_int64(s, 3));
	memcpy(&ret->all, f.counts, sizeof ret->all);
	ret->served = f.served;
	ret->methods = (uint16_t)f.methods;
	memcpy(ret->used, f.used, sizeof ret->used);
	memcpy(ret->sketches, f.sketches, sizeof ret->sketches);
	return true;
}

struct learned {
	struct baseline_half halves[2];
	struct baseline_own own[BASELINE_OWN];
	uint32_t level, unused;
};
_Static_assert(sizeof(struct learned) ==
		       2 * (BASELINE_LEVELS * (4 + 8) + SKETCH_SIZE) + BASELINE_OWN * 32 + 8,
	       "no gaps");

static bool baseline_read(sqlite3_stmt *s, const struct store_times *t, struct baseline_record *ret)
{
	const void *blob = sqlite3_column_blob(s, 7);
	struct learned l;

	if (!store_text(s, 1, ret->rule, sizeof ret->rule) ||
	    !store_text(s, 2, ret->route, sizeof ret->route) || sqlite3_column_bytes(s, 7) != (int)sizeof l ||
	    !blob)
		return false;
	memcpy(&l, blob, sizeof l);
	for (unsigned i = 0; i < 2 * SKETCH_SIZE; i++)
		if (l.halves[i / SKETCH_SIZE].sketch[i % SKETCH_SIZE] > SKETCH_RANK_MAX)
			return false;
	if (l.level > BASELINE_LEVELS)
		return false;
	ret->first_ns = store_ago(t, sqlite3_column_int64(s, 3));
	ret->last_ns = store_ago(t, sqlite3_column_int64(s, 4));
	ret->raised_ns = store_ago(t, sqlite3_column_int64(s, 5));
	ret->half_ns = store_ago(t, sqlite3_column_int64(s, 6));
	memcpy(ret->halves, l.halves, sizeof ret->halves);
	for (unsigned i = 0; i < BASELINE_OWN; i++) {
		ret->own[i] = l.own[i];
		ret->own[i].last_ns = store_ago(t, l.own[i].last_ns);
		ret->own[i].raised_ns = store_ago(t, l.own[i].raised_ns);
	}
	ret->level = l.level;
	return true;
}

/* A count of a slow detection, as it is kept: of the byte order of this machine, without gaps. */
struct tried {
	double level, sure, hits, all;
	uint64_t place;
	int64_t level_ns, tally_ns, fired_ns;
	uint32_t value_count, many, here, unused;
	struct {
		uint64_t hash;
		int64_t when_ns, sure_ns; /* sure_ns, as fired_ns: 0: never */
		uint64_t times;
	} values[KEPT_VALUES];
};
_Static_assert(sizeof(struct tried) == 8 * 8 + 4 * 4 + KEPT_VALUES * 32, "no gaps");

/* Of this boot, else it never was. */
static uint64_t moment_of(const struct store_times *t, int64_t at)
{
	int64_t moment = at ? store_ago(t, at) : 0;

	return moment > 0 ? (uint64_t)moment : 0;
}

static bool count_read(sqlite3_stmt *s, const struct store_times *t, struct kept_count *ret)
{
	const void *blob = sqlite3_column_blob(s, 5);
	struct prefix first;
	struct tried f;

	if (!store_text(s, 1, ret->rule, sizeof ret->rule) || !store_key(s, 2, &ret->key.group) ||
	    !store_key(s, 3, &first) || !target_is_net(&first) ||
	    sqlite3_column_bytes(s, 5) != (int)sizeof f || !blob)
		return false;
	memcpy(&f, blob, sizeof f);
	if (f.value_count > KEPT_VALUES)
		return false;
	ret->key.place = f.place;
	ret->first = first.addr;
	ret->many = f.many != 0;
	ret->here = f.here != 0;
	ret->level = f.level;
	ret->sure = f.sure;
	ret->hits = f.hits;
	ret->all = f.all;
	ret->level_ns = moment_of(t, f.level_ns);
	ret->tally_ns = moment_of(t, f.tally_ns);
	ret->fired_ns = moment_of(t, f.fired_ns);
	for (unsigned i = 0; i < f.value_count; i++) {
		uint64_t when_ns = moment_of(t, f.values[i].when_ns);
		if (when_ns)
			ret->values[ret->value_count++] = (struct bucket_seen){
				f.values[i].hash,
				when_ns,
				moment_of(t, f.values[i].sure_ns),
				{(unsigned)MIN(f.values[i].times, (uint64_t)UINT32_MAX), 0}};
	}
	return true;
}

static bool row_read(const struct memory_file *f, enum memory_kind kind, sqlite3_stmt *s,
		     const struct store_times *t, union memory_record *ret)
{
	memset(ret, 0, sizeof *ret);
	switch (kind) {
	case MEMORY_REGULARS:
		return regular_read(s, t, &ret->regular);
	case MEMORY_PLACES:
		return place_read(s, t, &ret->place);
	case MEMORY_WITNESSES:
		return witness_read(s, t, &ret->witness);
	case MEMORY_OFFENDERS:
		return offender_read(f, s, t, &ret->offender);
	case MEMORY_FORECAST:
		return forecast_read(f, s, t, &ret->forecast);
	case MEMORY_REJECTED:
		return rejected_read(s, t, &ret->rejected);
	case MEMORY_BEHAVIOUR:
		return behaviour_read(s, t, &ret->behaviour);
	case MEMORY_BASELINES:
		return baseline_read(s, t, &ret->baseline);
	case MEMORY_COUNTS:
		return count_read(s, t, &ret->count);
	case MEMORY_KINDS:
		break;
	}
	return false;
}

int memory_file_load(struct memory_file *f, enum memory_kind kind,
		     void (*each)(void *arg, const union memory_record *r), void *arg,
		     uint64_t *ret_unreadable)
{
	union memory_record record;
	struct store_times times;
	sqlite3_stmt *s;

	int r = store_times(f->store, &times);
	if (r)
		return r;
	r = sqlite3_prepare_v2(store_db(f->store), questions[kind], -1, &s, NULL);
	if (r)
		return store_error(f->store, r);
	while ((r = sqlite3_step(s)) == SQLITE_ROW)
		if (row_read(f, kind, s, &times, &record))
			each(arg, &record);
		else
			++*ret_unreadable;
	sqlite3_finalize(s);
	return store_error(f->store, r);
}

int memory_file_basis(struct memory_file *f, struct memory_basis *ret)
{
	struct store_times times;
	sqlite3_stmt *s;

	int r = store_times(f->store, &times);
	if (r)
		return r;
	r = sqlite3_prepare_v2(store_db(f->store), "SELECT key0, key1, since_ns FROM basis", -1, &s, NULL);
	if (r)
		return store_error(f->store, r);
	r = sqlite3_step(s);
	if (r == SQLITE_ROW)
		*ret = (struct memory_basis){
			.key = {(uint64_t)sqlite3_column_int64(s, 0), (uint64_t)sqlite3_column_int64(s, 1)},
			.since_ns = store_ago(&times, sqlite3_column_int64(s, 2)),
		};
	sqlite3_finalize(s);
	return r == SQLITE_ROW ? 0 : r == SQLITE_DONE ? MEMORY_E_NONE : store_error(f->store, r);
}

/* --- writing --- */

static void bind_key(sqlite3_stmt *s, int parameter, const struct prefix *p)
{
	uint8_t key[STORE_KEY_MAX];
	int len = store_key_write(p, key);

	sqlite3_bind_blob(s, parameter, key, len, SQLITE_TRANSIENT);
}

static void bind_count(sqlite3_stmt *s, int parameter, uint64_t n)
{
	sqlite3_bind_int64(s, parameter, store_time(n));
}

static void bind_moment(sqlite3_stmt *s, int parameter, uint64_t ns)
{
	if (ns)
		sqlite3_bind_int64(s, parameter, (int64_t)ns);
	else
		sqlite3_bind_null(s, parameter);
}

static void regular_bind(sqlite3_stmt *s, const struct regulars_record *r)
{
	bind_key(s, 2, &r->who);
	sqlite3_bind_int64(s, 3, (int64_t)r->consumer);
	sqlite3_bind_int64(s, 4, r->served);
	sqlite3_bind_int64(s, 5, r->first_ns);
	sqlite3_bind_int64(s, 6, r->last_ns);
}

static void witness_bind(sqlite3_stmt *s, const struct witness_record *r)
{
	sqlite3_bind_text(s, 2, r->run, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 3, (int64_t)r->event_id);
	bind_key(s, 4, &r->target);
	sqlite3_bind_int(s, 5, r->framed);
	sqlite3_bind_int64(s, 6, r->when_ns);
}

static void routes_bind(sqlite3_stmt *s, int parameter, const struct forecast_entry *e)
{
	char text[FORECAST_ROUTES_MAX * (FORECAST_ROUTE_MAX + 24)], *to = text;

	for (unsigned i = 0; i < e->route_count; i++) {
		const struct span *route = &e->routes[i].route;
		to += sprintf(to, "%" PRIu64 " ", e->routes[i].requests);
		memcpy(to, route->ptr, route->len);
		to += route->len;
		*to++ = 0;
	}
	sqlite3_bind_blob(s, parameter, to > text ? text : NULL, (int)(to - text), SQLITE_TRANSIENT);
}

/* What is too long, or would be read as something else, counts as elsewhere. */
static struct forecast_entry routes_of(const struct forecast_entry *e)
{
	struct forecast_entry kept = *e;

	kept.route_count = 0;
	for (unsigned i = 0; i < e->route_count; i++) {
		const struct span *route = &e->routes[i].route;
		if (route->len && route->len <= FORECAST_ROUTE_MAX && !memchr(route->ptr, 0, route->len))
			kept.routes[kept.route_count++] = e->routes[i];
		else
			kept.elsewhere += e->routes[i].requests;
	}
	return kept;
}

static void forecast_bind(sqlite3_stmt *s, const struct forecast_entry *whole)
{
	const struct forecast_entry e = routes_of(whole);
	const struct verdict *v = &e.verdict;
	char evidence[STORE_EVIDENCE_MAX];
	size_t evidence_len = store_evidence_write(v, evidence);

	bind_key(s, 2, &v->target);
	sqlite3_bind_int(s, 3, (int)v->source);
	sqlite3_bind_int(s, 4, (int)v->action);
	sqlite3_bind_int(s, 5, (int)v->scope);
	bind_count(s, 6, v->ttl_ms);
	sqlite3_bind_double(s, 7, v->confidence);
	if (v->via.family != ADDR_NONE) {
		const struct prefix via = {.addr = v->via, .bits = addr_bits(&v->via)};
		bind_key(s, 8, &via);
	}
	sqlite3_bind_text(s, 9, v->id, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 10, v->origin, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 11, v->reason, -1, SQLITE_TRANSIENT);
	sqlite3_bind_blob(s, 12, evidence_len ? evidence : NULL, (int)evidence_len, SQLITE_TRANSIENT);
	sqlite3_bind_int(s, 13, v->framed);
	sqlite3_bind_int64(s, 14, (int64_t)e.began_ns);
	sqlite3_bind_int64(s, 15, (int64_t)e.until_ns);
	bind_count(s, 16, e.requests);
	bind_count(s, 17, e.served);
	bind_count(s, 18, e.unanswered);
	bind_moment(s, 19, e.first_ns);
	bind_moment(s, 20, e.last_ns);
	bind_count(s, 21, e.elsewhere);
	routes_bind(s, 22, &e);
}

static void rejected_bind(sqlite3_stmt *s, const struct rejected *r)
{
	bind_key(s, 2, &r->target);
	sqlite3_bind_int(s, 3, (int)r->source);
	sqlite3_bind_int(s, 4, (int)r->action);
	sqlite3_bind_int(s, 5, (int)r->scope);
	sqlite3_bind_text(s, 6, r->origin, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 7, r->when_ns);
}

static void behaviour_bind(sqlite3_stmt *s, const struct behaviour_record *r)
{
	struct facts f = {.served = r->served, .methods = r->methods};

	memcpy(f.counts, &r->all, sizeof r->all);
	memcpy(f.used, r->used, sizeof f.used);
	memcpy(f.sketches, r->sketches, sizeof f.sketches);
	bind_key(s, 2, &r->who);
	sqlite3_bind_int64(s, 3, r->first_ns);
	sqlite3_bind_int64(s, 4, r->last_ns);
	sqlite3_bind_blob(s, 5, &f, sizeof f, SQLITE_TRANSIENT);
}

static void baseline_bind(sqlite3_stmt *s, const struct baseline_record *r)
{
	struct learned l = {.level = r->level};

	memcpy(l.halves, r->halves, sizeof l.halves);
	memcpy(l.own, r->own, sizeof l.own);
	sqlite3_bind_text(s, 2, r->rule, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 3, r->route, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 4, r->first_ns);
	sqlite3_bind_int64(s, 5, r->last_ns);
	sqlite3_bind_int64(s, 6, r->raised_ns);
	sqlite3_bind_int64(s, 7, r->half_ns);
	sqlite3_bind_blob(s, 8, &l, sizeof l, SQLITE_TRANSIENT);
}

static void count_bind(sqlite3_stmt *s, const struct kept_count *r)
{
	const struct prefix first = prefix_of(&r->first, addr_bits(&r->first));
	struct tried f = {
		.level = r->level,
		.sure = r->sure,
		.hits = r->hits,
		.all = r->all,
		.place = r->key.place,
		.level_ns = (int64_t)r->level_ns,
		.tally_ns = (int64_t)r->tally_ns,
		.fired_ns = (int64_t)r->fired_ns,
		.value_count = r->value_count,
		.many = r->many,
		.here = r->here,
	};
	uint64_t last_ns = MAX(r->level_ns, r->tally_ns);

	for (unsigned i = 0; i < r->value_count; i++) {
		f.values[i].hash = r->values[i].hash;
		f.values[i].when_ns = (int64_t)r->values[i].when_ns;
		f.values[i].sure_ns = (int64_t)r->values[i].sure_ns;
		f.values[i].times = r->values[i].value.times;
		last_ns = MAX(last_ns, r->values[i].when_ns);
	}
	sqlite3_bind_text(s, 2, r->rule, -1, SQLITE_TRANSIENT);
	bind_key(s, 3, &r->key.group);
	bind_key(s, 4, &first);
	sqlite3_bind_int64(s, 5, (int64_t)last_ns);
	sqlite3_bind_blob(s, 6, &f, sizeof f, SQLITE_TRANSIENT);
}

static void row_bind(sqlite3_stmt *s, enum memory_kind kind, const union memory_record *r)
{
	switch (kind) {
	case MEMORY_REGULARS:
		regular_bind(s, &r->regular);
		return;
	case MEMORY_PLACES:
		sqlite3_bind_int64(s, 2, (int64_t)r->place.place);
		sqlite3_bind_int64(s, 3, r->place.last_ns);
		return;
	case MEMORY_WITNESSES:
		witness_bind(s, &r->witness);
		return;
	case MEMORY_OFFENDERS:
		bind_key(s, 2, &r->offender.who);
		sqlite3_bind_int64(s, 3, r->offender.blocks);
		sqlite3_bind_int64(s, 4, r->offender.end_ns);
		return;
	case MEMORY_FORECAST:
		forecast_bind(s, &r->forecast);
		return;
	case MEMORY_REJECTED:
		rejected_bind(s, &r->rejected);
		return;
	case MEMORY_BEHAVIOUR:
		behaviour_bind(s, &r->behaviour);
		return;
	case MEMORY_BASELINES:
		baseline_bind(s, &r->baseline);
		return;
	case MEMORY_COUNTS:
		count_bind(s, &r->count);
		return;
	case MEMORY_KINDS:
		return;
	}
}

int memory_file_put(struct memory_file *f, enum memory_kind kind, uint32_t slot,
		    const union memory_record *record)
{
	sqlite3_stmt *s;
	int r = store_prepared(f->store, (unsigned)(record ? PUT : TAKE) + kind, &s);

	if (r)
		return r;
	sqlite3_bind_int64(s, 1, slot);
	if (record)
		row_bind(s, kind, record);
	return store_step(f->store, s);
}

int memory_file_clear(struct memory_file *f)
{
	int r = 0;

	for (unsigned i = 0; !r && i < MEMORY_KINDS; i++)
		r = store_step_bare(f->store, CLEAR + i);
	return r;
}

int memory_file_begin(struct memory_file *f)
{
	return store_begin(f->store);
}

int memory_file_commit(struct memory_file *f, const struct memory_basis *basis)
{
	sqlite3_stmt *s;
	int r = store_prepared(f->store, BASIS, &s);

	if (r)
		return r;
	sqlite3_bind_int64(s, 1, (int64_t)basis->key[0]);
	sqlite3_bind_int64(s, 2, (int64_t)basis->key[1]);
	sqlite3_bind_int64(s, 3, basis->since_ns);
	r = store_step(f->store, s);
	if (!r)
		r = store_prepared(f->store, CLOCK, &s);
	if (r)
		return r;
	store_bind_clock(f->store, s, 1);
	r = store_step(f->store, s);
	return r ? r : store_commit(f->store);
}

void memory_file_rollback(struct memory_file *f)
{
	store_rollback(f->store);
}

int memory_file_aside(struct memory_file *f)
{
	return store_aside(f->store);
}

int memory_file_reset(struct memory_file *f)
{
	return store_reset(f->store);
}

/* --- open --- */

int memory_file_open(const struct store_options *o, uint64_t ttl_max_ms, struct memory_file **ret,
		     struct store_found *ret_found)
{
	struct memory_file *f = calloc(1, sizeof *f);

	if (!f)
		return -ENOMEM;
	f->ttl_max_ns = ttl_max_ms * NS_PER_MS;
	int r = store_open(&shape, o, &f->store, ret_found);
	if (r) {
		free(f);
		return r;
	}
	*ret = f;
	return 0;
}

void memory_file_free(struct memory_file *f)
{
	if (!f)
		return;
	store_free(f->store);
	free(f);
}
