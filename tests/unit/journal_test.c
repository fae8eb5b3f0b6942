// SPDX-License-Identifier: Apache-2.0
/* Who decides leaves a note and goes on; what is in force by then is on the disk a moment later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include "policies/proxies.h"
#include "sensor/journal.h"
#include "tests/unit/journal_rig.h"

/* --- whom the writer asks: two real lists, and a lock that a test can hold --- */

static struct blocks *lists[JOURNAL_LISTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct config config;
static struct journal *journal;
static size_t loaded;

static void copy(void *arg, struct journal_entry *entries, size_t count)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++)
		for (unsigned k = 0; k < JOURNAL_LISTS; k++)
			entries[i].lists[k].count =
				blocks_claims(lists[k], &entries[i].target, entries[i].lists[k].claims);
	pthread_mutex_unlock(&lock);
}

static size_t page(void *arg, enum journal_list list, size_t *cursor, struct prefix *ret, size_t max)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	size_t n = blocks_page(lists[list], cursor, ret, max);
	pthread_mutex_unlock(&lock);
	return n;
}

static struct journal_room room(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	struct journal_room r = {(uint32_t)blocks_count_exact(lists[JOURNAL_KERNEL], ADDR_IPV4),
				 (uint32_t)blocks_count_exact(lists[JOURNAL_KERNEL], ADDR_IPV6)};
	pthread_mutex_unlock(&lock);
	return r;
}

static int take(void *arg, const struct journal_entry *e)
{
	(void)arg;
	loaded++;
	for (unsigned k = 0; k < JOURNAL_LISTS; k++)
		if (e->lists[k].count)
			assert_int_equal(
				blocks_restore(lists[k], e->lists[k].claims, e->lists[k].count, NULL), 0);
	return 0;
}

static void lists_new(void)
{
	for (unsigned k = 0; k < JOURNAL_LISTS; k++) {
		blocks_free(lists[k]);
		assert_int_equal(blocks_new(65536, &lists[k]), 0);
	}
}

/* As a daemon's start: with empty lists, until what was kept is in them. */
static void start(void)
{
	const struct journal_source source = {.copy = copy, .page = page, .room = room};

	journal_free(journal);
	journal = NULL;
	lists_new();
	loaded = 0;
	assert_int_equal(journal_new(&config, &rig_clock, &journal), 0);
	assert_int_equal(journal_load(journal, take, NULL), 0);
	assert_int_equal(journal_start(journal, &source), 0);
}

static int begin(void **state)
{
	config = (struct config){.state_dir = rig_state, .mode = MODE_OBSERVE};
	config.limits.ttl_max_ms = 24ull * 3600 * 1000;
	return rig_begin(state);
}

static int end(void **state)
{
	journal_free(journal);
	journal = NULL;
	for (unsigned k = 0; k < JOURNAL_LISTS; k++) {
		blocks_free(lists[k]);
		lists[k] = NULL;
	}
	return rig_end(state);
}

static void block(unsigned list, const char *target)
{
	struct block_claim c = rig_claim(target, VERDICT_OPERATOR, "uid:0", HOUR);

	pthread_mutex_lock(&lock);
	assert_int_equal(blocks_put(lists[list], &c.verdict, 0, rig_boot_ns, NULL), 0);
	journal_note(journal, &c.verdict.target);
	pthread_mutex_unlock(&lock);
}

static void unblock(unsigned list, const char *target)
{
	struct prefix p = rig_target(target);

	pthread_mutex_lock(&lock);
	assert_int_equal(blocks_remove(lists[list], &p), 0);
	journal_note(journal, &p);
	pthread_mutex_unlock(&lock);
}

static void number(unsigned i, char text[static 32])
{
	snprintf(text, 32, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
}

static bool is_there(unsigned list, const char *target)
{
	struct prefix p = rig_target(target);

	return blocks_find(lists[list], &p) != NULL;
}

/* --- stories --- */

static void what_is_decided_is_there_at_the_next_start(void **state)
{
	(void)state;
	start();
	assert_true(journal_keeps(journal));
	block(JOURNAL_KERNEL, "192.0.2.1");
	block(JOURNAL_HTTP, "192.0.2.2");
	block(JOURNAL_KERNEL, "192.0.2.3");
	block(JOURNAL_HTTP, "192.0.2.3");
	unblock(JOURNAL_KERNEL, "192.0.2.3");
	start();
	assert_int_equal(loaded, 3);
	assert_true(is_there(JOURNAL_KERNEL, "192.0.2.1"));
	assert_false(is_there(JOURNAL_HTTP, "192.0.2.1"));
	assert_true(is_there(JOURNAL_HTTP, "192.0.2.2"));
	assert_false(is_there(JOURNAL_KERNEL, "192.0.2.3"));
	assert_true(is_there(JOURNAL_HTTP, "192.0.2.3"));
	assert_int_equal(journal_counts(journal).restored.claims, 3);
	assert_int_equal(journal_room(journal).exact4, 1);
	unblock(JOURNAL_HTTP, "192.0.2.2");
	unblock(JOURNAL_KERNEL, "192.0.2.1");
	start();
	assert_int_equal(loaded, 1);
}

/* The process is killed right after it was answered. */
static void what_was_settled_survives_a_kill(void **state)
{
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		start();
		block(JOURNAL_KERNEL, "192.0.2.1");
		journal_set_mode(journal, MODE_ENFORCE);
		journal_settle(journal);
		raise(SIGKILL);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	start();
	assert_int_equal(loaded, 1);
	assert_int_equal(journal_mode(journal), MODE_ENFORCE);
}

/* More than the queue holds while the writer cannot go on: all of it is written. */
static void a_full_queue_loses_nothing(void **state)
{
	enum { MANY = JOURNAL_NOTES_MAX + JOURNAL_NOTES_MAX / 2 };
	char text[32];

	(void)state;
	start();
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < MANY; i++) {
		number(i, text);
		struct block_claim c = rig_claim(text, VERDICT_OPERATOR, "uid:0", HOUR);
		assert_int_equal(blocks_put(lists[i % 2], &c.verdict, 0, rig_boot_ns, NULL), 0);
		journal_note(journal, &c.verdict.target); /* never waits */
	}
	assert_true(journal_counts(journal).held > 0);
	pthread_mutex_unlock(&lock);
	for (unsigned i = 0; i < 100; i++) {
		number(i, text);
		unblock(i % 2, text);
	}
	uint64_t overruns = journal_counts(journal).overruns;
	start();
	assert_true(overruns >= 1);
	assert_int_equal(loaded, MANY - 100);
	number(99, text);
	assert_false(is_there(1, text));
	number(MANY - 1, text);
	assert_true(is_there(1, text));
}

static void mode_and_proxies_hold_until_the_file_says_something_else(void **state)
{
	static struct prefix trusted[1];
	struct prefix one = rig_target("192.0.2.9"), net = rig_target("198.51.100.0/24");
	const struct journal_proxy *proxies;

	(void)state;
	start();
	assert_int_equal(journal_mode(journal), 0);
	journal_set_mode(journal, MODE_ENFORCE);
	journal_set_proxy(journal, &one, PROXY_CLASS_DIRECT);
	journal_set_proxy(journal, &net, PROXY_CLASS_DIRECT);
	journal_set_proxy(journal, &net, PROXY_CLASS_TRUSTED);
	start();
	assert_int_equal(journal_mode(journal), MODE_ENFORCE);
	assert_int_equal(journal_proxies(journal, &proxies), 2);
	journal_set_proxy(journal, &net, PROXY_CLASS_CLIENT); /* forgotten */
	start();
	assert_int_equal(journal_proxies(journal, &proxies), 1);
	assert_true(prefix_equal(&proxies[0].who, &one));
	assert_int_equal(proxies[0].class, PROXY_CLASS_DIRECT);
	/* Now the file names it. */
	trusted[0] = one;
	config.proxies.trusted = (struct config_prefixes){trusted, 1};
	start();
	assert_int_equal(journal_proxies(journal, &proxies), 0);
	assert_int_equal(journal_mode(journal), MODE_ENFORCE);
	/* Said again, with the file as it is. */
	journal_set_proxy(journal, &one, PROXY_CLASS_DIRECT);
	config.mode = MODE_APPROVE;
	start();
	assert_int_equal(journal_proxies(journal, &proxies), 1);
	assert_int_equal(journal_mode(journal), 0);
	journal_set_mode(journal, MODE_OBSERVE);
	journal_settings_forget(journal);
	start();
	assert_int_equal(journal_mode(journal), 0);
	assert_int_equal(journal_proxies(journal, &proxies), 0);
}

static void another_boot_writes_all_of_it_anew(void **state)
{
	struct journal_file *file;
	struct journal_found found;
	struct journal_file_options o = {.state_dir = rig_state,
					 .boot = "an earlier boot",
					 .clock = &rig_clock,
					 .ttl_max_ms = 86400000};

	(void)state;
	static struct journal_entry e;
	e = (struct journal_entry){.target = rig_target("192.0.2.1")};
	e.lists[0].count = 1;
	e.lists[0].claims[0] = rig_claim("192.0.2.1", VERDICT_OPERATOR, "uid:0", HOUR);
	assert_int_equal(journal_file_open(&o, &file, &found), 0);
	assert_int_equal(journal_file_begin(file), 0);
	assert_int_equal(journal_file_put(file, &e), 0);
	assert_int_equal(journal_file_commit(file, &(struct journal_room){1, 0}), 0);
	journal_file_free(file);
	rig_wall_ns += HOUR / 2;
	rig_boot_ns = 10 * NS_PER_S;
	start();
	assert_int_equal(loaded, 1);
	journal_free(journal); /* nothing was decided, and it is of this boot now */
	journal = NULL;
	rig_wall_ns += 1000 * HOUR;
	start();
	assert_int_equal(loaded, 1);
	assert_in_range(blocks_next_deadline(lists[0]), 1800 * NS_PER_S, 1811 * NS_PER_S);
}

static int what_it_does_without_room(void)
{
	struct rlimit limit;
	struct timespec moment = {0, 20 * 1000 * 1000};
	char text[32];

	signal(SIGXFSZ, SIG_IGN);
	start();
	block(JOURNAL_KERNEL, "192.0.2.1");
	journal_settle(journal);
	if (getrlimit(RLIMIT_FSIZE, &limit))
		return 1;
	limit.rlim_cur = 128 * 1024;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return 2;
	for (unsigned i = 0; i < 2000; i++) {
		number(i, text);
		block(JOURNAL_KERNEL, text);
	}
	for (unsigned i = 0; journal_counts(journal).state != JOURNAL_UNWRITTEN; i++) {
		if (i == 500)
			return 3;
		nanosleep(&moment, NULL);
	}
	if (journal_keeps(journal) || journal_counts(journal).error >= 0)
		return 4;
	journal_settle(journal); /* does not wait in vain */
	block(JOURNAL_KERNEL, "192.0.2.2");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return 5;
	for (unsigned i = 0; journal_counts(journal).state != JOURNAL_ON; i++) {
		if (i == 500)
			return 6;
		nanosleep(&moment, NULL);
	}
	start();
	return loaded == 2002 ? 0 : 7;
}

static void without_room_it_says_so_and_writes_all_of_it_later(void **state)
{
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0)
		_exit(what_it_does_without_room());
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static void damage_that_is_found_later_is_mended(void **state)
{
	static char whole[1 << 20];
	char path[512], text[32];

	(void)state;
	start();
	for (unsigned i = 0; i < 500; i++) {
		number(i, text);
		block(JOURNAL_KERNEL, text);
	}
	journal_free(journal);
	journal = NULL;
	rig_path(JOURNAL_NAME, path);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ssize_t len = pread(fd, whole, sizeof whole, 0);
	assert_true(len > 16 * 4096);
	memset(whole, 0x5a, 4096);
	assert_int_equal(pwrite(fd, whole, 4096, len / 2 / 4096 * 4096), 4096);
	close(fd);
	start();
	size_t saved = loaded;
	assert_in_range(saved, 50, 450);
	assert_string_equal(journal_counts(journal).aside, JOURNAL_SPARE);
	block(JOURNAL_KERNEL, "192.0.2.1");
	start();
	assert_int_equal(loaded, saved + 1);
	assert_string_equal(journal_counts(journal).aside, "");
}

/* What could be read is not in force yet, and not written again: until then it stands where it stood. */
static void a_kill_before_what_was_damaged_is_written_anew_loses_nothing(void **state)
{
	char path[512];
	sqlite3 *db;

	(void)state;
	start();
	block(JOURNAL_KERNEL, "192.0.2.1");
	block(JOURNAL_KERNEL, "192.0.2.2");
	journal_free(journal);
	rig_path(JOURNAL_NAME, path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE claims SET action = 99 WHERE target = x'0420c0000202'",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	for (int i = 0; i < 2; i++) { /* read, and gone before it was written */
		lists_new();
		loaded = 0;
		assert_int_equal(journal_new(&config, &rig_clock, &journal), 0);
		assert_int_equal(journal_load(journal, take, NULL), 0);
		assert_int_equal(loaded, 1);
		assert_string_equal(journal_counts(journal).aside, JOURNAL_SPARE);
		journal_free(journal);
	}
	journal = NULL;
	start();
	assert_int_equal(loaded, 1);
	start();
	assert_int_equal(loaded, 1);
	assert_int_equal(journal_counts(journal).restored.unreadable, 0);
}

static void without_a_folder_there_is_none_and_it_says_so(void **state)
{
	(void)state;
	config.state_dir = (char *)"/proc/none";
	start();
	assert_int_equal(journal_counts(journal).state, JOURNAL_UNOPENED);
	assert_int_equal(journal_counts(journal).error, -ENOENT);
	assert_false(journal_keeps(journal));
	block(JOURNAL_KERNEL, "192.0.2.1");
	journal_set_mode(journal, MODE_ENFORCE);
	journal_settle(journal);
	journal_free(journal);
	journal = NULL;
	/* Nobody has to ask whether there is one. */
	struct prefix p = rig_target("192.0.2.1");
	journal_note(NULL, &p);
	journal_set_mode(NULL, MODE_ENFORCE);
	journal_set_proxy(NULL, &p, PROXY_CLASS_DIRECT);
	journal_settings_forget(NULL);
	journal_settle(NULL);
	assert_false(journal_keeps(NULL));
	assert_int_equal(journal_mode(NULL), 0);
	assert_int_equal(journal_counts(NULL).state, JOURNAL_NONE);
	assert_int_equal(journal_load(NULL, take, NULL), 0);
	journal_free(NULL);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(what_is_decided_is_there_at_the_next_start),
		STORY(what_was_settled_survives_a_kill),
		STORY(a_full_queue_loses_nothing),
		STORY(mode_and_proxies_hold_until_the_file_says_something_else),
		STORY(another_boot_writes_all_of_it_anew),
		STORY(without_room_it_says_so_and_writes_all_of_it_later),
		STORY(damage_that_is_found_later_is_mended),
		STORY(a_kill_before_what_was_damaged_is_written_anew_loses_nothing),
		STORY(without_a_folder_there_is_none_and_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
