// SPDX-License-Identifier: Apache-2.0
/* What is written survives crashes, restarts and rotation as one chain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "tests/unit/audit_rig.h"

#define SMALL 4096

static struct audit_files *files;
static struct audit_mended mended;

static int reopen(uint64_t size_max, unsigned files_max)
{
	const struct audit_files_options o = {
		.state_dir = rig_state, .size_max = size_max, .files_max = files_max, .clock = &clock_system};

	audit_files_free(files);
	files = NULL;
	return audit_files_open(&o, &files, &mended);
}

static int end(void **state)
{
	audit_files_free(files);
	files = NULL;
	return rig_end(state);
}

static void append(unsigned number)
{
	char body[128];
	int n = snprintf(body, sizeof body, "\"kind\":\"setting\",\"by\":\"test\",\"number\":%u", number);

	assert_int_equal(audit_files_append(files, 1700000000ull * NS_PER_S, (struct span){body, (size_t)n}),
			 0);
}

static void expect_whole(uint64_t records)
{
	struct audit_report r = rig_verify();

	if (r.fault)
		fail_msg("%s: %s", audit_fault_name(r.fault), r.what);
	assert_int_equal(r.records, records);
	assert_int_equal(r.head.seq, audit_files_head(files).seq);
	assert_string_equal(r.head.hash, audit_files_head(files).hash);
}

static void the_chain_goes_on_over_a_restart(void **state)
{
	struct stat st;
	char path[512];

	(void)state;
	assert_int_equal(reopen(SMALL, 2), 0);
	append(1);
	append(2);
	assert_int_equal(audit_files_sync(files), 0);
	assert_int_equal(reopen(SMALL, 2), 0);
	assert_int_equal(mended.torn, 0);
	append(3);
	expect_whole(3);
	rig_path("audit.0", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	rig_path(".", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void two_never_write_one_log(void **state)
{
	const struct audit_files_options o = {
		.state_dir = rig_state, .size_max = SMALL, .files_max = 2, .clock = &clock_system};
	struct audit_files *second = NULL;

	(void)state;
	assert_int_equal(reopen(SMALL, 2), 0);
	assert_int_equal(audit_files_open(&o, &second, &mended), -EBUSY);
	assert_null(second);
}

/* A process that was killed is gone a moment later: what it holds is waited for. */
static void one_that_ends_is_waited_for(void **state)
{
	int status, ready[2];
	char byte;

	(void)state;
	assert_int_equal(reopen(SMALL, 2), 0);
	audit_files_free(files);
	files = NULL;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		bool has = reopen(SMALL, 2) == 0 && write(ready[1], "", 1) == 1;
		usleep(300000);
		_exit(has ? 0 : 1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_int_equal(reopen(SMALL, 2), 0);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static void a_folder_that_is_none_is_refused(void **state)
{
	char path[512];

	(void)state;
	snprintf(path, sizeof path, "%s/" AUDIT_FOLDER, rig_state);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_true(reopen(SMALL, 2) < 0);
	unlink(path);
	assert_int_equal(reopen(SMALL, 2), 0);
	audit_files_free(files);
	files = NULL;
	rig_path("audit.1", path);
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(reopen(SMALL, 2), -ELOOP);
}

static void full_files_are_followed_by_others_and_the_oldest_goes(void **state)
{
	struct audit_report r;
	struct stat st;
	char path[512], name[32];

	(void)state;
	assert_int_equal(reopen(SMALL, 3), 0);
	for (unsigned i = 0; i < 100; i++) {
		append(i);
		r = rig_verify();
		if (r.fault)
			fail_msg("after %u: %s: %s", i, audit_fault_name(r.fault), r.what);
	}
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "audit.%u", i);
		rig_path(name, path);
		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_size <= SMALL);
	}
	rig_path("audit.3", path);
	assert_int_equal(stat(path, &st), -1);
	assert_true(r.first > 1);
	assert_int_equal(r.retired + 1, r.first);
	/* And so over a restart. */
	assert_int_equal(reopen(SMALL, 3), 0);
	for (unsigned i = 0; i < 50; i++)
		append(i);
	r = rig_verify();
	assert_int_equal(r.fault, AUDIT_WHOLE);
	assert_int_equal(r.retired + 1, r.first);
}

static void the_number_of_files_may_change(void **state)
{
	struct stat st;
	char path[512];

	(void)state;
	assert_int_equal(reopen(SMALL, 5), 0);
	for (unsigned i = 0; i < 100; i++)
		append(i);
	assert_int_equal(reopen(SMALL, 2), 0);
	struct audit_report r = rig_verify();
	assert_int_equal(r.fault, AUDIT_WHOLE);
	assert_int_equal(r.retired + 1, r.first);
	for (unsigned i = 0; i < 100; i++)
		append(i);
	assert_int_equal(rig_verify().fault, AUDIT_WHOLE);
	assert_int_equal(reopen(SMALL, 4), 0);
	for (unsigned i = 0; i < 20; i++)
		append(i);
	r = rig_verify();
	assert_int_equal(r.fault, AUDIT_WHOLE);
	/* A file that is more than there may be is gone, not emptied. */
	assert_int_equal(reopen(SMALL, 2), 0);
	unsigned there = 0;
	for (unsigned i = 0; i < 5; i++) {
		char name[32];
		snprintf(name, sizeof name, "audit.%u", i);
		rig_path(name, path);
		there += stat(path, &st) == 0;
	}
	assert_int_equal(there, 2);
}

static void cut_last(const char *name, off_t size)
{
	char path[512];

	rig_path(name, path);
	assert_int_equal(truncate(path, size), 0);
}

/* Wherever a crash cuts the last file, what is not whole is put aside and the chain goes on. */
static void a_cut_at_each_byte_is_mended(void **state)
{
	char path[512], *whole;
	struct stat st;

	(void)state;
	assert_int_equal(reopen(SMALL, 2), 0);
	for (unsigned i = 0; i < 3; i++)
		append(i);
	audit_files_free(files);
	files = NULL;
	rig_path("audit.0", path);
	assert_int_equal(stat(path, &st), 0);
	whole = rig_text();
	/* Each byte of the last line, and of the others each seventh. */
	for (off_t cut = 0; cut <= st.st_size; cut += cut < st.st_size * 2 / 3 ? 7 : 1) {
		FILE *f = fopen(path, "w");
		assert_int_equal(fwrite(whole, 1, (size_t)cut, f), cut);
		fclose(f);
		off_t kept = cut;
		while (kept && whole[kept - 1] != '\n')
			kept--;
		assert_int_equal(reopen(SMALL, 2), 0);
		assert_int_equal(mended.torn, cut - kept);
		assert_false(mended.anew);
		append(9);
		struct audit_report r = rig_verify();
		if (r.fault)
			fail_msg("cut at %lld: %s: %s", (long long)cut, audit_fault_name(r.fault), r.what);
		assert_int_equal(r.torn, cut != kept);
		/* What was cut is where it says. */
		if (cut != kept) {
			char aside[600], bytes[SMALL], hash[AUDIT_HASH_MAX];
			snprintf(aside, sizeof aside, "%s/%s", rig_state, mended.kept);
			f = fopen(aside, "r");
			assert_non_null(f);
			assert_int_equal(fread(bytes, 1, sizeof bytes, f), cut - kept);
			fclose(f);
			assert_memory_equal(bytes, whole + kept, (size_t)(cut - kept));
			assert_int_equal(audit_hash((struct span){bytes, (size_t)(cut - kept)}, hash), 0);
			char *text = rig_text();
			assert_non_null(strstr(text, hash));
			free(text);
		}
		audit_files_free(files);
		files = NULL;
	}
	free(whole);
}

/* The same where a new file was just begun: its first line is cut, the file before is whole. */
static void a_cut_in_the_first_line_of_a_file_is_mended(void **state)
{
	char path[512], line[512];
	uint64_t before;
	FILE *f;

	(void)state;
	for (size_t cut = 1; cut < 300; cut += 7) {
		assert_int_equal(rig_end(state), 0);
		assert_int_equal(rig_begin(state), 0);
		assert_int_equal(reopen(SMALL, 2), 0);
		rig_path("audit.1", path);
		do {
			before = audit_files_head(files).seq;
			append((unsigned)before);
			f = fopen(path, "r");
			assert_non_null(f);
			line[0] = 0;
			if (!fgets(line, sizeof line, f))
				line[0] = 0;
			fclose(f);
		} while (!line[0]);
		cut_last("audit.1", (off_t)MIN(cut, strlen(line) - 1));
		assert_int_equal(reopen(SMALL, 2), 0);
		assert_true(mended.torn > 0);
		assert_int_equal(audit_files_head(files).seq, before + 1); /* the record that says so */
		append(1);
		expect_whole(before + 2);
	}
}

/* Zeros where the file system had not written yet. */
static void zeros_behind_the_end_are_mended(void **state)
{
	(void)state;
	assert_int_equal(reopen(SMALL, 2), 0);
	append(1);
	append(2);
	cut_last("audit.0", 3000);
	assert_int_equal(reopen(SMALL, 2), 0);
	assert_true(mended.torn > 2000);
	append(3);
	expect_whole(4);
}

static void what_cannot_be_read_is_put_aside_whole(void **state)
{
	char path[512], aside[600];
	struct stat st;

	(void)state;
	assert_int_equal(reopen(2u << 20, 2), 0);
	for (unsigned i = 0; i < 10; i++)
		append(i);
	audit_files_free(files);
	files = NULL;
	/* More than a crash leaves. */
	rig_path("audit.0", path);
	FILE *f = fopen(path, "a");
	for (unsigned i = 0; i < AUDIT_TORN_MAX + 10; i++)
		putc('x', f);
	fclose(f);
	assert_int_equal(reopen(2u << 20, 2), 0);
	assert_true(mended.anew);
	snprintf(aside, sizeof aside, "%s/%s/audit.0", rig_state, mended.kept);
	assert_int_equal(stat(aside, &st), 0);
	assert_true(st.st_size > AUDIT_TORN_MAX);
	append(1);
	expect_whole(2);
	assert_true(rig_verify().anew);
}

static void body_of(char body[static 128], char fill)
{
	snprintf(body, 128, "\"kind\":\"setting\",\"by\":\"test\",\"fill\":\"");
	size_t n = strlen(body);
	memset(body + n, fill, 126 - n);
	memcpy(body + 126, "\"", 2);
}

/* A disk that is full takes a part of a record: nothing of it stays, and the next one follows the last. */
static void a_disk_that_is_full_leaves_no_half_record(void **state)
{
	struct rlimit was, low;
	char body[128];

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	body_of(body, 'a');
	assert_int_equal(reopen(1u << 20, 2), 0);
	append(1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	low = was;
	for (rlim_t room = 300; room < 700; room += 13) {
		low.rlim_cur = room;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
		int r = 0;
		while (!r)
			r = audit_files_append(files, 1, span_from(body));
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		assert_int_equal(r, -EFBIG);
	}
	append(2);
	expect_whole(audit_files_head(files).seq);
	assert_int_equal(reopen(1u << 20, 2), 0);
	assert_int_equal(mended.torn, 0);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, rig_begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(the_chain_goes_on_over_a_restart),
		STORY(two_never_write_one_log),
		STORY(one_that_ends_is_waited_for),
		STORY(a_folder_that_is_none_is_refused),
		STORY(full_files_are_followed_by_others_and_the_oldest_goes),
		STORY(the_number_of_files_may_change),
		STORY(a_cut_at_each_byte_is_mended),
		STORY(a_cut_in_the_first_line_of_a_file_is_mended),
		STORY(zeros_behind_the_end_are_mended),
		STORY(what_cannot_be_read_is_put_aside_whole),
		STORY(a_disk_that_is_full_leaves_no_half_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
