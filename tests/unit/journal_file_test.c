// SPDX-License-Identifier: Apache-2.0
/* What was decided is there after a restart, on whichever boot and with whatever clock; nothing that stands
 * in the way is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "tests/unit/journal_rig.h"

static struct journal_file *file;
static struct journal_found found;
static const struct journal_room room = {7, 9};

static int reopen(const char *boot)
{
	const struct journal_file_options o = {
		.state_dir = rig_state, .boot = boot, .clock = &rig_clock, .ttl_max_ms = 24 * 3600 * 1000};

	journal_file_free(file);
	file = NULL;
	found = (struct journal_found){.why = NULL};
	return journal_file_open(&o, &file, &found);
}

static int end(void **state)
{
	journal_file_free(file);
	file = NULL;
	return rig_end(state);
}

/* --- what is read --- */

#define READ_MAX 512
static struct journal_entry *entries; /* READ_MAX */
static size_t entry_count;
static struct journal_read numbers;

static int entry_keep(void *arg, const struct journal_entry *e)
{
	(void)arg;
	if (entry_count < READ_MAX)
		entries[entry_count] = *e;
	entry_count++;
	return 0;
}

static int read_again(void)
{
	entry_count = 0;
	return journal_file_load(file, entry_keep, NULL, &numbers);
}

static const struct journal_entry *entry_of(const char *target)
{
	struct prefix p = rig_target(target);

	for (size_t i = 0; i < entry_count && i < READ_MAX; i++)
		if (prefix_equal(&entries[i].target, &p))
			return &entries[i];
	return NULL;
}

static void put(const struct block_claim *kernel, unsigned kernel_count, const struct block_claim *http,
		unsigned http_count)
{
	static struct journal_entry e;

	e = (struct journal_entry){.target = kernel_count ? kernel->verdict.target : http->verdict.target};
	e.lists[JOURNAL_KERNEL].count = kernel_count;
	e.lists[JOURNAL_HTTP].count = http_count;
	if (kernel_count)
		memcpy(e.lists[JOURNAL_KERNEL].claims, kernel, kernel_count * sizeof *kernel);
	if (http_count)
		memcpy(e.lists[JOURNAL_HTTP].claims, http, http_count * sizeof *http);
	assert_int_equal(journal_file_begin(file), 0);
	assert_int_equal(journal_file_put(file, &e), 0);
	assert_int_equal(journal_file_commit(file, &room), 0);
}

static void put_one(const char *target, uint64_t ns)
{
	struct block_claim c = rig_claim(target, VERDICT_OPERATOR, "uid:0", ns);

	put(&c, 1, NULL, 0);
}

/* The seconds that the one claim has left; 0: it is not there. */
static uint64_t left_s(const char *target)
{
	const struct journal_entry *e;

	assert_int_equal(read_again(), 0);
	e = entry_of(target);
	if (!e || !e->lists[JOURNAL_KERNEL].count)
		return 0;
	return (e->lists[JOURNAL_KERNEL].claims[0].deadline_ns - rig_boot_ns) / NS_PER_S;
}

static void claims_equal(const struct block_claim *a, const struct block_claim *b)
{
	assert_int_equal(a->verdict.source, b->verdict.source);
	assert_int_equal(a->verdict.action, b->verdict.action);
	assert_int_equal(a->verdict.scope, b->verdict.scope);
	assert_true(prefix_equal(&a->verdict.target, &b->verdict.target));
	assert_true(addr_equal(&a->verdict.via, &b->verdict.via));
	assert_int_equal(a->verdict.ttl_ms, b->verdict.ttl_ms);
	assert_true(a->verdict.confidence == b->verdict.confidence);
	assert_string_equal(a->verdict.id, b->verdict.id);
	assert_string_equal(a->verdict.origin, b->verdict.origin);
	assert_string_equal(a->verdict.reason, b->verdict.reason);
	assert_int_equal(a->verdict.evidence_count, b->verdict.evidence_count);
	for (unsigned i = 0; i < a->verdict.evidence_count; i++)
		assert_string_equal(a->verdict.evidence[i], b->verdict.evidence[i]);
	assert_int_equal(a->since_ns, b->since_ns);
	assert_int_equal(a->deadline_ns, b->deadline_ns);
	assert_int_equal(a->revert_ns, b->revert_ns);
}

static void every_word_of_every_claim_is_read_again(void **state)
{
	struct block_claim kernel[3], http[1];
	struct prefix via = rig_target("192.0.2.9");

	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	assert_true(found.fresh);
	kernel[0] = rig_claim("198.51.100.0/24", VERDICT_GATEWAY, "analysis", HOUR);
	kernel[1] = rig_claim("198.51.100.0/24", VERDICT_GATEWAY, "other", 2 * HOUR);
	kernel[2] = rig_claim("198.51.100.0/24", VERDICT_OPERATOR, "uid:0", 3 * HOUR);
	kernel[1].verdict.action = VERDICT_SHADOW;
	kernel[2].verdict.action = VERDICT_RATE_LIMIT;
	kernel[2].verdict.scope = VERDICT_SCOPE_HOST;
	kernel[2].revert_ns = rig_boot_ns + NS_PER_S;
	kernel[2].verdict.evidence_count = 0;
	kernel[2].verdict.reason[0] = 0;
	http[0] = rig_claim("198.51.100.0/24", VERDICT_LOCAL, "login_guessing", HOUR);
	http[0].verdict.via = via.addr;
	http[0].verdict.evidence_count = VERDICT_EVIDENCE_MAX;
	for (unsigned i = 0; i < VERDICT_EVIDENCE_MAX; i++) {
		memset(http[0].verdict.evidence[i], 'a' + (int)i, VERDICT_ID_MAX - 1);
		http[0].verdict.evidence[i][VERDICT_ID_MAX - 1] = 0;
	}
	put(kernel, 3, http, 1);
	put_one("2001:db8::7", HOUR);
	assert_int_equal(reopen("boot-a"), 0);
	assert_false(found.fresh || found.other_boot || found.aside[0]);
	assert_int_equal(read_again(), 0);
	assert_int_equal(entry_count, 2);
	assert_int_equal(numbers.claims, 5);
	assert_non_null(entry_of("2001:db8::7"));
	const struct journal_entry *e = entry_of("198.51.100.0/24");
	assert_int_equal(e->lists[JOURNAL_KERNEL].count, 3);
	assert_int_equal(e->lists[JOURNAL_HTTP].count, 1);
	for (unsigned i = 0; i < 3; i++)
		claims_equal(&e->lists[JOURNAL_KERNEL].claims[i], &kernel[i]);
	claims_equal(&e->lists[JOURNAL_HTTP].claims[0], &http[0]);
	/* What is put takes the place of all that was there of its target. */
	put(&kernel[1], 1, NULL, 0);
	assert_int_equal(read_again(), 0);
	e = entry_of("198.51.100.0/24");
	assert_int_equal(e->lists[JOURNAL_KERNEL].count, 1);
	assert_int_equal(e->lists[JOURNAL_HTTP].count, 0);
}

static void mode_and_proxies_are_read_again(void **state)
{
	static struct journal_settings s, back;

	(void)state;
	s = (struct journal_settings){.mode = 3, .mode_configured = 1, .proxy_count = 2};
	s.proxies[0] = (struct journal_proxy){rig_target("192.0.2.0/24"), 1, 0};
	s.proxies[1] = (struct journal_proxy){rig_target("2001:db8::1"), 2, 1};
	assert_int_equal(reopen("boot-a"), 0);
	assert_int_equal(journal_file_settings(file, &back), 0);
	assert_int_equal(back.mode, 0);
	assert_int_equal(journal_file_begin(file), 0);
	assert_int_equal(journal_file_settings_put(file, &s), 0);
	assert_int_equal(journal_file_commit(file, &room), 0);
	assert_int_equal(reopen("boot-b"), 0);
	assert_int_equal(journal_file_settings(file, &back), 0);
	assert_int_equal(back.mode, 3);
	struct journal_room kept = {0, 0};
	assert_int_equal(journal_file_room(file, &kept), 0);
	assert_memory_equal(&kept, &room, sizeof kept);
	assert_int_equal(back.mode_configured, 1);
	assert_int_equal(back.proxy_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct journal_proxy *p = &back.proxies[i];
		unsigned at = prefix_equal(&p->who, &s.proxies[0].who) ? 0 : 1;
		assert_true(prefix_equal(&p->who, &s.proxies[at].who));
		assert_int_equal(p->class, s.proxies[at].class);
		assert_int_equal(p->configured, s.proxies[at].configured);
	}
	s.mode = 0;
	s.proxy_count = 0;
	assert_int_equal(journal_file_begin(file), 0);
	assert_int_equal(journal_file_settings_put(file, &s), 0);
	assert_int_equal(journal_file_commit(file, &room), 0);
	assert_int_equal(journal_file_settings(file, &back), 0);
	assert_int_equal(back.mode, 0);
	assert_int_equal(back.proxy_count, 0);
}

/* --- clocks --- */

static void within_a_boot_the_wall_clock_is_not_asked(void **state)
{
	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	put_one("192.0.2.1", HOUR);
	rig_wall_ns += 10 * 365 * 24 * HOUR;
	rig_boot_ns += HOUR / 2;
	assert_int_equal(reopen("boot-a"), 0);
	assert_false(found.other_boot);
	assert_int_equal(left_s("192.0.2.1"), 1800);
	rig_wall_ns = 0;
	assert_int_equal(left_s("192.0.2.1"), 1800);
	rig_boot_ns += HOUR / 2;
	assert_int_equal(left_s("192.0.2.1"), 0);
	assert_int_equal(numbers.ended, 1);
}

static void on_another_boot_a_block_ends_when_it_would_have(void **state)
{
	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	put_one("192.0.2.1", HOUR);
	put_one("192.0.2.2", HOUR / 4);
	rig_wall_ns += HOUR / 2; /* the machine was off */
	rig_boot_ns = 7 * NS_PER_S;
	assert_int_equal(reopen("boot-b"), 0);
	assert_true(found.other_boot);
	assert_int_equal(left_s("192.0.2.1"), 1800);
	assert_int_equal(left_s("192.0.2.2"), 0);
	assert_int_equal(numbers.ended, 1);
	/* It began before this boot: as early as can be told. */
	const struct journal_entry *e = entry_of("192.0.2.1");
	assert_true(e->lists[JOURNAL_KERNEL].claims[0].since_ns <= rig_boot_ns);
	/* Read again by who has written since, by the boot clock. */
	put(e->lists[JOURNAL_KERNEL].claims, 1, NULL, 0);
	rig_wall_ns += 1000 * HOUR;
	rig_boot_ns += 600 * NS_PER_S;
	assert_int_equal(reopen("boot-b"), 0);
	assert_int_equal(left_s("192.0.2.1"), 1200);
}

static void a_wall_clock_that_was_set_back_lengthens_nothing(void **state)
{
	static const uint64_t walls[] = {0, 1, 1500000000 * NS_PER_S, 1700000000 * NS_PER_S};

	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	put_one("192.0.2.1", HOUR);
	struct block_claim c = rig_claim("192.0.2.2", VERDICT_OPERATOR, "uid:0", 72 * HOUR);
	put(&c, 1, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(walls); i++) {
		rig_wall_ns = walls[i];
		rig_boot_ns = 5 * NS_PER_S;
		assert_int_equal(reopen("boot-b"), 0);
		assert_int_equal(left_s("192.0.2.1"), 3600);
		assert_int_equal(left_s("192.0.2.2"), 24 * 3600); /* limits.ttl_max */
	}
	rig_wall_ns = 2000000000 * NS_PER_S; /* forward: it is over */
	assert_int_equal(left_s("192.0.2.1"), 0);
}

static void a_block_on_trial_is_still_on_trial(void **state)
{
	struct block_claim c = rig_claim("192.0.2.1", VERDICT_OPERATOR, "uid:0", HOUR);

	(void)state;
	c.revert_ns = rig_boot_ns + 60 * NS_PER_S;
	assert_int_equal(reopen("boot-a"), 0);
	put(&c, 1, NULL, 0);
	rig_wall_ns += 20 * NS_PER_S;
	rig_boot_ns = 3 * NS_PER_S;
	assert_int_equal(reopen("boot-b"), 0);
	assert_int_equal(left_s("192.0.2.1"), 3580);
	assert_int_equal(entry_of("192.0.2.1")->lists[JOURNAL_KERNEL].claims[0].revert_ns, 43 * NS_PER_S);
	rig_pass(40 * NS_PER_S);
	assert_int_equal(left_s("192.0.2.1"), 0);
}

/* --- what stands in the way --- */

static void file_write(const char *name, const void *bytes, size_t len)
{
	char path[512];

	rig_path(name, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static size_t file_read(const char *name, char *bytes, size_t max)
{
	char path[512];

	rig_path(name, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, bytes, max);
	close(fd);
	assert_true(n >= 0);
	return (size_t)n;
}

static void a_file_that_is_no_database_is_put_aside(void **state)
{
	static const char text[] =
		"Dear diary, this is no database at all, and somebody may want to have it back.";
	char back[256];

	(void)state;
	file_write(JOURNAL_NAME, text, sizeof text);
	assert_int_equal(reopen("boot-a"), 0);
	assert_non_null(strstr(found.why, "no SQLite database"));
	assert_int_equal(file_read(found.aside, back, sizeof back), sizeof text);
	assert_memory_equal(back, text, sizeof text);
	put_one("192.0.2.1", HOUR);
	assert_int_equal(reopen("boot-a"), 0);
	assert_string_equal(found.aside, "");
	assert_int_equal(left_s("192.0.2.1"), 3600);
	/* The same again gets another name. */
	file_write(JOURNAL_NAME, text, sizeof text - 1);
	char first[96];
	snprintf(first, sizeof first, "%s", JOURNAL_NAME "-1700000000");
	assert_int_equal(file_read(first, back, sizeof back), sizeof text);
	assert_int_equal(reopen("boot-a"), 0);
	assert_string_equal(found.aside, JOURNAL_NAME "-1700000001");
	assert_int_equal(file_read(first, back, sizeof back), sizeof text);
}

static void sql(const char *words)
{
	char path[512];
	sqlite3 *db;

	rig_path(JOURNAL_NAME, path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, words, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", words, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void anothers_database_is_put_aside_and_stays_whole(void **state)
{
	char path[512];
	sqlite3 *db;

	(void)state;
	sql("CREATE TABLE shopping (what TEXT); INSERT INTO shopping VALUES ('milk')");
	assert_int_equal(reopen("boot-a"), 0);
	assert_non_null(strstr(found.why, "another program"));
	rig_path(found.aside, path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "INSERT INTO shopping VALUES ('bread')", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
}

static void another_version_is_put_aside(void **state)
{
	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	put_one("192.0.2.1", HOUR);
	journal_file_free(file);
	file = NULL;
	sql("PRAGMA user_version = 2");
	assert_int_equal(reopen("boot-a"), 0);
	assert_non_null(strstr(found.why, "another version"));
	assert_int_equal(left_s("192.0.2.1"), 0);
}

static void tables_that_are_not_a_journals_are_put_aside(void **state)
{
	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	journal_file_free(file);
	file = NULL;
	sql("CREATE TRIGGER more AFTER INSERT ON claims BEGIN DELETE FROM clock; END");
	assert_int_equal(reopen("boot-a"), 0);
	assert_non_null(strstr(found.why, "tables"));
	assert_int_equal(reopen("boot-a"), 0);
	assert_string_equal(found.aside, "");
}

static void two_never_have_one_journal(void **state)
{
	const struct journal_file_options o = {
		.state_dir = rig_state, .boot = "boot-a", .clock = &rig_clock, .ttl_max_ms = 1000};
	int status;

	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	put_one("192.0.2.1", HOUR);
	pid_t pid = fork();
	if (pid == 0) {
		struct journal_file *second;
		struct journal_found what;
		_exit(journal_file_open(&o, &second, &what) == -EBUSY ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	put_one("192.0.2.2", HOUR);
	assert_int_equal(left_s("192.0.2.2"), 3600);
}

/* A process that was killed is gone a moment later: what it holds is waited for. */
static void one_that_ends_is_waited_for(void **state)
{
	int status, ready[2];
	char byte;

	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	journal_file_free(file);
	file = NULL;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		bool has = reopen("boot-a") == 0 && write(ready[1], "", 1) == 1;
		usleep(300000);
		_exit(has ? 0 : 1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_int_equal(reopen("boot-a"), 0);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/* By their texts: numbers of routes mean nothing to the next process. */
static void targets_on_routes_are_read_again(void **state)
{
	static const char *const targets[] = {
		"192.0.2.7",
		"192.0.2.7@/login",
		"192.0.2.7@/users/{id}",
		"192.0.2.0/24@/login",
		"2001:db8::7@/login",
		"consumer:c_01f3a9c2d4b5e60718",
		"consumer:c_01f3a9c2d4b5e60718@/login",
		"ja4:t13d1516h2_8daaf6152771_b186095e22b6@/",
	};

	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct block_claim c = rig_claim(targets[i], VERDICT_OPERATOR, "uid:0", HOUR + i * NS_PER_S);
		put(NULL, 0, &c, 1);
	}
	assert_int_equal(reopen("boot-b"), 0);
	assert_int_equal(read_again(), 0);
	assert_int_equal(entry_count, ARRAY_SIZE(targets));
	assert_int_equal(numbers.unreadable, 0);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		const struct journal_entry *e = entry_of(targets[i]);
		assert_non_null(e);
		assert_int_equal(e->lists[JOURNAL_HTTP].count, 1);
		assert_int_equal(e->lists[JOURNAL_HTTP].claims[0].verdict.ttl_ms,
				 (HOUR + i * NS_PER_S) / NS_PER_MS);
	}
	/* Taken out by itself. */
	struct journal_entry *gone = calloc(1, sizeof *gone);
	assert_non_null(gone);
	gone->target = rig_target("192.0.2.7@/login");
	assert_int_equal(journal_file_begin(file), 0);
	assert_int_equal(journal_file_put(file, gone), 0);
	assert_int_equal(journal_file_commit(file, &room), 0);
	free(gone);
	assert_int_equal(read_again(), 0);
	assert_int_equal(entry_count, ARRAY_SIZE(targets) - 1);
	assert_null(entry_of("192.0.2.7@/login"));
	assert_non_null(entry_of("192.0.2.7"));
	journal_file_free(file);
	file = NULL;
	/* The text stands in the file, not the number. */
	sql("UPDATE claims SET target = x'2420c00002072f656c73657768657265' WHERE target = "
	    "x'0420c0000207'"); /* /elsewhere */
	assert_int_equal(reopen("boot-b"), 0);
	assert_int_equal(read_again(), 0);
	assert_non_null(entry_of("192.0.2.7@/elsewhere"));
}

/* A row that makes no claim is left out, and counted. */
static void rows_that_make_no_claim_are_left_out(void **state)
{
	static const char *const wrongs[] = {
		"UPDATE claims SET source = 9",
		"UPDATE claims SET action = 2",
		"UPDATE claims SET scope = 'ports'",
		"UPDATE claims SET deadline_ns = -5",
		"UPDATE claims SET confidence = 7",
		"UPDATE claims SET reason = 'two' || char(10) || 'lines'",
		"UPDATE claims SET reason = CAST(x'ff41' AS TEXT)",
		"UPDATE claims SET id = hex(zeroblob(100))",
		"UPDATE claims SET evidence = x'4142'",
		"UPDATE claims SET via = x'0420c0000263'",
		"UPDATE claims SET via = x'00'",
		"UPDATE claims SET target = x'0418c0000201'", /* bits behind the length */
		"UPDATE claims SET target = x'0421c0000201'",
		"UPDATE claims SET target = x'04'",
		"UPDATE claims SET target = x'2420c0000201'", /* on a route, and on none */
		"UPDATE claims SET target = x'2420c00002016c6f67696e'",
		"UPDATE claims SET target = x'2420c00002012f6c6f67696e2f'",
		"UPDATE claims SET target = x'2420c00002012f610a'",
		"UPDATE claims SET target = x'2418c00002012f6c6f67696e'",
		"UPDATE claims SET target = x'0420c00002012f6c6f67696e'",
		"UPDATE claims SET target = CAST(x'2420c0000201' || '/' || hex(zeroblob(150)) AS BLOB)",
		"UPDATE claims SET via = x'2680000000000000000000000000000000002f78'",
		"UPDATE claims SET list = 2",
	};
	unsigned refused = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
		assert_int_equal(reopen("boot-a"), 0);
		assert_int_equal(journal_file_begin(file), 0);
		assert_int_equal(journal_file_clear(file), 0);
		assert_int_equal(journal_file_commit(file, &room), 0);
		put_one("192.0.2.1", HOUR);
		journal_file_free(file);
		file = NULL;
		sql(wrongs[i]);
		assert_int_equal(reopen("boot-a"), 0);
		assert_int_equal(read_again(), 0);
		refused += !entry_count && numbers.unreadable == 1;
	}
	/* The tenth is well formed: an address of a proxy. */
	assert_int_equal(refused, ARRAY_SIZE(wrongs) - 1);
}

static void many_put(unsigned count)
{
	assert_int_equal(journal_file_begin(file), 0);
	for (unsigned i = 0; i < count; i++) {
		static struct journal_entry e;
		char text[32];

		snprintf(text, sizeof text, "10.0.%u.%u", i / 256, i % 256);
		e = (struct journal_entry){.target = rig_target(text)};
		e.lists[JOURNAL_KERNEL].count = 1;
		e.lists[JOURNAL_KERNEL].claims[0] = rig_claim(text, VERDICT_OPERATOR, "uid:0", HOUR);
		assert_int_equal(journal_file_put(file, &e), 0);
	}
	assert_int_equal(journal_file_commit(file, &room), 0);
}

static void damage_is_kept_and_what_stands_before_it_is_read(void **state)
{
	static char whole[1 << 20], spare[1 << 20];
	char path[512];

	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	many_put(500);
	journal_file_free(file);
	file = NULL;
	size_t len = file_read(JOURNAL_NAME, whole, sizeof whole);
	assert_true(len > 16 * 4096);
	memset(whole + len / 2 / 4096 * 4096, 0xa5, 4096);
	file_write(JOURNAL_NAME, whole, len);
	assert_int_equal(reopen("boot-a"), 0);
	assert_int_equal(read_again(), JOURNAL_E_DAMAGED);
	assert_in_range(entry_count, 50, 450);
	/* Made anew, by the process that can open nothing any more: its folder is gone for it. */
	char moved[80];
	snprintf(moved, sizeof moved, "%s.moved", rig_state);
	assert_int_equal(rename(rig_state, moved), 0);
	assert_int_equal(journal_file_reset(file), 0);
	put_one("192.0.2.1", HOUR);
	assert_int_equal(rename(moved, rig_state), 0);
	assert_int_equal(file_read(JOURNAL_SPARE, spare, sizeof spare), len);
	assert_memory_equal(spare, whole, len);
	assert_int_equal(left_s("192.0.2.1"), 3600);
	assert_int_equal(entry_count, 1);
	assert_int_equal(reopen("boot-a"), 0);
	assert_string_equal(found.aside, "");
	assert_int_equal(left_s("192.0.2.1"), 3600);
	/* The spare is free for the next damage, and this one is still there. */
	rig_path(JOURNAL_SPARE "-1700000000", path);
	assert_int_equal(access(path, R_OK), 0);
}

/* No byte of the file makes it crash, and it can always be begun anew. */
static void no_damage_is_fatal(void **state)
{
	static char whole[1 << 20], wrong[1 << 20];
	unsigned rounds = 100, random = 1, damaged = 0;

	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	many_put(100);
	journal_file_free(file);
	file = NULL;
	size_t len = file_read(JOURNAL_NAME, whole, sizeof whole);
	for (unsigned i = 0; i < rounds; i++) {
		char path[512];

		journal_file_free(file); /* else it would write its last words over these */
		file = NULL;
		memcpy(wrong, whole, len);
		for (unsigned k = 0; k <= i % 8; k++) {
			random = random * 1103515245 + 12345;
			size_t at = i % 3 ? random / 8 % len : random / 8 % 200; /* often in the head */
			wrong[at] = (char)(random >> 24);
		}
		file_write(JOURNAL_NAME, wrong, i % 7 ? len : random / 8 % len);
		rig_path(JOURNAL_NAME "-wal", path);
		unlink(path);
		rig_pass(NS_PER_S);
		assert_int_equal(reopen("boot-a"), 0);
		int r = read_again();
		static struct journal_settings s;
		int settings = journal_file_settings(file, &s);
		assert_true(r == 0 || r == JOURNAL_E_DAMAGED);
		assert_true(settings == 0 || settings == JOURNAL_E_DAMAGED);
		damaged += r || settings || found.aside[0];
		if (r || settings)
			assert_int_equal(journal_file_reset(file), 0);
		put_one("192.0.2.1", HOUR);
		assert_int_equal(left_s("192.0.2.1"), 3600);
	}
	assert_in_range(damaged, rounds / 4, rounds);
}

/* What a kill left behind the last change is no damage. */
static void a_kill_takes_only_what_was_not_committed(void **state)
{
	int status;

	(void)state;
	journal_file_free(file);
	file = NULL;
	pid_t pid = fork();
	if (pid == 0) {
		struct journal_entry *e = calloc(1, sizeof *e);
		if (!e || reopen("boot-a"))
			_exit(1);
		put_one("192.0.2.1", HOUR);
		*e = (struct journal_entry){.target = rig_target("192.0.2.2")};
		e->lists[JOURNAL_KERNEL].count = 1;
		e->lists[JOURNAL_KERNEL].claims[0] = rig_claim("192.0.2.2", VERDICT_OPERATOR, "uid:0", HOUR);
		if (journal_file_begin(file) || journal_file_put(file, e))
			_exit(2);
		raise(SIGKILL);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(reopen("boot-a"), 0);
	assert_string_equal(found.aside, "");
	assert_int_equal(left_s("192.0.2.1"), 3600);
	assert_int_equal(left_s("192.0.2.2"), 0);
}

static int write_beyond_the_limit(void)
{
	const struct rlimit small = {256 * 1024, 256 * 1024};
	int r = 0;

	signal(SIGXFSZ, SIG_IGN);
	if (reopen("boot-a") || setrlimit(RLIMIT_FSIZE, &small))
		return 1;
	static struct journal_entry e;
	for (unsigned i = 0; !r && i < 5000; i++) {
		char text[32];
		snprintf(text, sizeof text, "10.1.%u.%u", i / 256, i % 256);
		e = (struct journal_entry){.target = rig_target(text)};
		e.lists[JOURNAL_KERNEL].count = 1;
		e.lists[JOURNAL_KERNEL].claims[0] = rig_claim(text, VERDICT_OPERATOR, "uid:0", HOUR);
		r = journal_file_begin(file);
		if (!r)
			r = journal_file_put(file, &e);
		if (!r)
			r = journal_file_commit(file, &room);
		if (r)
			journal_file_rollback(file);
	}
	if (r >= 0)
		return 2;
	/* What is there can still be read. */
	return read_again() || entry_count < 5 ? 3 : 0;
}

static void a_full_disk_is_an_error_and_no_damage(void **state)
{
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0)
		_exit(write_beyond_the_limit());
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(reopen("boot-a"), 0);
	assert_string_equal(found.aside, "");
	assert_int_equal(read_again(), 0);
	assert_true(entry_count >= 5);
	put_one("192.0.2.1", HOUR);
	assert_int_equal(left_s("192.0.2.1"), 3600);
}

static void nobody_else_may_read_it(void **state)
{
	static const char *const names[] = {JOURNAL_NAME, JOURNAL_NAME "-wal", JOURNAL_SPARE};

	(void)state;
	assert_int_equal(reopen("boot-a"), 0);
	put_one("192.0.2.1", HOUR);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct stat st;
		char path[512];

		rig_path(names[i], path);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	char path[512];
	rig_path(JOURNAL_NAME "-shm", path);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_link_in_its_place_is_not_followed(void **state)
{
	char path[512], other[512];

	(void)state;
	rig_path(JOURNAL_NAME, path);
	rig_path("elsewhere", other);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(reopen("boot-a"), -ELOOP);
	assert_int_equal(access(other, F_OK), -1);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, rig_begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(every_word_of_every_claim_is_read_again),
		STORY(targets_on_routes_are_read_again),
		STORY(mode_and_proxies_are_read_again),
		STORY(within_a_boot_the_wall_clock_is_not_asked),
		STORY(on_another_boot_a_block_ends_when_it_would_have),
		STORY(a_wall_clock_that_was_set_back_lengthens_nothing),
		STORY(a_block_on_trial_is_still_on_trial),
		STORY(a_file_that_is_no_database_is_put_aside),
		STORY(anothers_database_is_put_aside_and_stays_whole),
		STORY(another_version_is_put_aside),
		STORY(tables_that_are_not_a_journals_are_put_aside),
		STORY(two_never_have_one_journal),
		STORY(one_that_ends_is_waited_for),
		STORY(rows_that_make_no_claim_are_left_out),
		STORY(damage_is_kept_and_what_stands_before_it_is_read),
		STORY(no_damage_is_fatal),
		STORY(a_kill_takes_only_what_was_not_committed),
		STORY(a_full_disk_is_an_error_and_no_damage),
		STORY(nobody_else_may_read_it),
		STORY(a_link_in_its_place_is_not_followed),
	};

	entries = calloc(READ_MAX, sizeof *entries);
	if (!entries)
		return 1;
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	free(entries);
	return r;
}
