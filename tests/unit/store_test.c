// SPDX-License-Identifier: Apache-2.0
/* What stands in a store outlives an upgrade of picket, a version a step; a later version's is put aside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/journal_rig.h"
#include "sensor/store.h"

#define APPLICATION 0x504b5431

static const char *const one_table[] = {"words", NULL}, *const two_tables[] = {"words", "numbers", NULL};
static const char *const upgrades[] = {
	"ALTER TABLE words ADD COLUMN said INTEGER NOT NULL DEFAULT 7",
	"CREATE TABLE numbers (number INTEGER PRIMARY KEY)",
};
static const char *const nonsense[] = {"ALTER TABLE words ADD COLUMN said INTEGER NOT NULL DEFAULT 7",
				       "UPDATE no_such_table SET a = 1"};
static const struct store_shape first = {
	.name = "words.db",
	.spare = "words.damaged",
	.application = APPLICATION,
	.version = 1,
	.schema = "CREATE TABLE words (word TEXT PRIMARY KEY)",
	.tables = one_table,
	.foreign = "its tables are not those of a list of words",
};

static struct store_shape third(const char *const *steps)
{
	struct store_shape s = first;

	s.version = 3;
	s.schema = "CREATE TABLE words (word TEXT PRIMARY KEY, said INTEGER NOT NULL DEFAULT 7);"
		   "CREATE TABLE numbers (number INTEGER PRIMARY KEY)";
	s.upgrades = steps;
	s.tables = two_tables;
	return s;
}

static struct store *open_as(const struct store_shape *shape, struct store_found *found)
{
	const struct store_options o = {.state_dir = rig_state, .boot = "boot-1", .clock = &rig_clock};
	struct store *s = NULL;

	assert_int_equal(store_open(shape, &o, &s, found), 0);
	return s;
}

static void say(struct store *s, const char *sql)
{
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(sqlite3_exec(store_db(s), sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_commit(s), 0);
}

static int64_t ask(struct store *s, const char *sql)
{
	sqlite3_stmt *q;

	assert_int_equal(sqlite3_prepare_v2(store_db(s), sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return n;
}

static void write_first(void)
{
	struct store_found found;
	struct store *s = open_as(&first, &found);

	assert_true(found.fresh);
	say(s, "INSERT INTO words VALUES ('monday')");
	store_free(s);
}

static void what_an_earlier_version_wrote_is_kept(void **state)
{
	const struct store_shape shape = third(upgrades);
	struct store_found found;

	(void)state;
	write_first();
	struct store *s = open_as(&shape, &found);
	assert_true(found.upgraded);
	assert_false(found.fresh);
	assert_string_equal(found.aside, "");
	assert_int_equal(ask(s, "SELECT said FROM words WHERE word = 'monday'"), 7);
	assert_int_equal(ask(s, "SELECT count(*) FROM numbers"), 0);
	store_free(s);
	s = open_as(&shape, &found);
	assert_false(found.upgraded);
	assert_int_equal(ask(s, "PRAGMA user_version"), 3);
	store_free(s);
}

static void what_a_later_version_wrote_is_put_aside(void **state)
{
	const struct store_shape shape = third(upgrades);
	struct store_found found;
	char path[512];

	(void)state;
	store_free(open_as(&shape, &found));
	store_free(open_as(&first, &found));
	assert_string_equal(found.why, "another version of picket wrote it");
	rig_path(found.aside, path);
	assert_int_equal(access(path, F_OK), 0);
}

/* Half an upgrade is never left in force: the file is put aside as the step before left it. */
static void an_upgrade_that_fails_loses_nothing(void **state)
{
	const struct store_shape bad = third(nonsense);
	struct store_shape second = first;
	struct store_found found;
	char from[512], to[512];

	(void)state;
	write_first();
	store_free(open_as(&bad, &found));
	assert_true(found.aside[0]);
	rig_path(found.aside, from);
	rig_path(first.name, to);
	assert_int_equal(rename(from, to), 0);
	second.version = 2;
	second.upgrades = upgrades;
	struct store *s = open_as(&second, &found);
	assert_string_equal(found.aside, "");
	assert_int_equal(ask(s, "SELECT count(*) FROM words"), 1);
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_an_earlier_version_wrote_is_kept, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(what_a_later_version_wrote_is_put_aside, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(an_upgrade_that_fails_loses_nothing, rig_begin, rig_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
