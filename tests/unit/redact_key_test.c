// SPDX-License-Identifier: Apache-2.0
/* The key file: made once, read strictly, rotated whole. */
#include "policies/redact_key.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/unit/policies_config.h"

/* In the place of the C library's: how often a folder was made to last. */
static unsigned folders_synced;

int fsync(int fd)
{
	struct stat st;

	folders_synced += fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	return fdatasync(fd);
}

struct place {
	char folder[64], path[96];
	struct buffer errors;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	if (!p)
		return -1;
	strcpy(p->folder, "/tmp/picket-redact-XXXXXX");
	if (!mkdtemp(p->folder))
		return -1;
	snprintf(p->path, sizeof p->path, "%s/redact.key", p->folder);
	p->errors = BUFFER_INIT(4096);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	unlink(p->path);
	int r = rmdir(p->folder); /* fails if a temporary file is left */
	buffer_free(&p->errors);
	free(p);
	return r;
}

static void assert_told(struct place *p, const char *what)
{
	buffer_append_char(&p->errors, 0);
	if (!strstr(p->errors.data, what))
		fail_msg("told \"%s\", wanted \"%s\"", p->errors.data, what);
	buffer_reset(&p->errors);
}

static void write_file(const struct place *p, const void *bytes, size_t len)
{
	int fd = open(p->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void the_key_is_made_once_and_read_ever_after(void **state)
{
	struct place *p = *state;
	struct redact_keys a, b;
	struct stat st;

	assert_int_equal(redact_keys_read(p->path, &a, &p->errors), -ENOENT);
	assert_int_equal(redact_keys_load(p->path, &a, &p->errors), 0);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.items[0].id, 1);
	assert_true(a.items[0].since_s > 1700000000);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1); /* its temporary name is gone */
	assert_int_equal(redact_keys_load(p->path, &b, &p->errors), 0);
	assert_memory_equal(&a, &b, sizeof a);
}

/* Else a crash brings back the one before, and the next gets an id that hashes out there already have. */
static void a_new_file_outlasts_a_crash(void **state)
{
	struct place *p = *state;
	struct redact_keys keys;

	folders_synced = 0;
	assert_int_equal(redact_keys_load(p->path, &keys, &p->errors), 0);
	assert_int_equal(folders_synced, 1);
	assert_int_equal(redact_keys_rotate(p->path, 1, &keys, &p->errors), 0);
	assert_int_equal(folders_synced, 2);
	assert_int_equal(redact_keys_forget(p->path, &keys, &p->errors), 0);
	assert_int_equal(folders_synced, 3);
	assert_int_equal(redact_keys_load(p->path, &keys, &p->errors), 0);
	assert_int_equal(folders_synced, 3);
}

static void a_key_that_others_can_read_is_refused(void **state)
{
	struct place *p = *state;
	struct redact_keys keys;

	assert_int_equal(redact_keys_load(p->path, &keys, &p->errors), 0);
	assert_int_equal(chmod(p->path, 0640), 0);
	assert_int_equal(redact_keys_load(p->path, &keys, &p->errors), REDACT_KEY_E_FILE);
	assert_told(p, "mode 0640");
	assert_int_equal(redact_keys_rotate(p->path, 1, &keys, &p->errors), REDACT_KEY_E_FILE);
	assert_told(p, "chmod 600");
	assert_int_equal(chmod(p->path, 0600), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(p->path, 12345, 0), 0);
		assert_int_equal(redact_keys_load(p->path, &keys, &p->errors), REDACT_KEY_E_FILE);
		assert_told(p, "belongs to user 12345");
	}
}

static void a_key_from_before_there_were_ids_stays_in_use(void **state)
{
	struct place *p = *state;
	struct redact_keys keys;
	uint8_t old[REDACT_KEY_LEN] = {1, 2, '\n', 3};

	write_file(p, old, sizeof old);
	assert_int_equal(redact_keys_load(p->path, &keys, &p->errors), 0);
	assert_int_equal(keys.count, 1);
	assert_int_equal(keys.items[0].id, 1);
	assert_memory_equal(keys.items[0].bytes, old, sizeof old);
	assert_int_equal(redact_keys_rotate(p->path, 1, &keys, &p->errors), 0);
	assert_int_equal(redact_keys_read(p->path, &keys, &p->errors), 0);
	assert_int_equal(keys.count, 2);
	assert_int_equal(keys.items[0].id, 2);
	assert_int_equal(keys.items[1].id, 1);
	assert_memory_equal(keys.items[1].bytes, old, sizeof old);
}

static void a_rotation_keeps_as_many_as_asked_for(void **state)
{
	struct place *p = *state;
	struct redact_keys keys, before;
	struct stat st;

	assert_int_equal(redact_keys_rotate(p->path, 1, &keys, &p->errors), -ENOENT);
	assert_int_equal(redact_keys_load(p->path, &before, &p->errors), 0);
	for (unsigned i = 2; i <= 5; i++) {
		assert_int_equal(redact_keys_rotate(p->path, 2, &keys, &p->errors), 0);
		assert_int_equal(keys.items[0].id, i);
		assert_memory_not_equal(keys.items[0].bytes, before.items[0].bytes, REDACT_KEY_LEN);
		assert_memory_equal(&keys.items[1], &before.items[0], sizeof keys.items[0]);
		before = keys;
	}
	assert_int_equal(keys.count, 3);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(redact_keys_forget(p->path, &keys, &p->errors), 0);
	assert_int_equal(redact_keys_read(p->path, &keys, &p->errors), 0);
	assert_int_equal(keys.count, 1);
	assert_memory_equal(&keys.items[0], &before.items[0], sizeof keys.items[0]);
}

static void ids_go_round_without_the_one_that_means_no_file(void **state)
{
	struct place *p = *state;
	static const char text[] =
		"ff 2026-11-25T00:00:00Z 0000000000000000000000000000000000000000000000000000000000000000\n"
		"01 2026-11-25T00:00:00Z 0000000000000000000000000000000000000000000000000000000000000001\n";
	struct redact_keys keys;

	write_file(p, text, sizeof text - 1);
	assert_int_equal(redact_keys_rotate(p->path, 2, &keys, &p->errors), 0);
	assert_int_equal(keys.items[0].id, 2); /* 00 is none, 01 is taken */
	assert_int_equal(keys.count, 3);
}

#define GOOD "0000000000000000000000000000000000000000000000000000000000000000"

static void a_file_that_is_none_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *told;
	} cases[] = {
		{"", "holds no key"},
		{"# only this\n", "holds no key"},
		{"01 2026-11-25T00:00:00Z\n", "line 1"},
		{"\n1 2026-11-25T00:00:00Z " GOOD "\n", "line 2"},
		{"01 yesterday " GOOD "\n", "line 1"},
		{"01 2026-11-25T00:00:00Z " GOOD "00\n", "line 1"},
		{"01 2026-11-25T00:00:00Z " GOOD " x\n", "line 1"},
		{"00 2026-11-25T00:00:00Z " GOOD "\n", "line 1: the id 00"},
		{"01 2026-11-25T00:00:00Z " GOOD "\n01 2026-11-25T00:00:00Z " GOOD "\n", "line 2: the id 01"},
		{"01 2026-11-25T00:00:00Z secretsecret\n", "line 1 is not"},
	};
	struct place *p = *state;
	struct redact_keys keys;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		write_file(p, cases[i].text, strlen(cases[i].text));
		assert_int_equal(redact_keys_load(p->path, &keys, &p->errors), REDACT_KEY_E_FILE);
		assert_null(memmem(p->errors.data, p->errors.len, "secret", 6));
		assert_told(p, cases[i].told);
	}
}

static void what_is_no_file_is_refused_without_waiting(void **state)
{
	struct place *p = *state;
	struct redact_keys keys;

	assert_int_equal(mkfifo(p->path, 0600), 0);
	assert_int_equal(redact_keys_load(p->path, &keys, &p->errors), REDACT_KEY_E_FILE);
	assert_told(p, "no regular file");
	unlink(p->path);
	assert_int_equal(redact_keys_load(p->folder, &keys, &p->errors), REDACT_KEY_E_FILE);
	assert_told(p, "no regular file");
	assert_int_equal(redact_keys_load("/nonexistent/redact.key", &keys, &p->errors), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_key_is_made_once_and_read_ever_after),
		TEST(a_new_file_outlasts_a_crash),
		TEST(a_key_that_others_can_read_is_refused),
		TEST(a_key_from_before_there_were_ids_stays_in_use),
		TEST(a_rotation_keeps_as_many_as_asked_for),
		TEST(ids_go_round_without_the_one_that_means_no_file),
		TEST(a_file_that_is_none_is_refused_with_its_line),
		TEST(what_is_no_file_is_refused_without_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
