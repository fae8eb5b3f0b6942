// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <openssl/evp.h>
#include "policies/routes_state.h"
#include "tests/unit/routes_rig.h"

static char directory[64];
static struct routes *routes;
static struct routes_state *kept;

static int begin(void **state)
{
	(void)state;
	snprintf(directory, sizeof directory, "%s", "/tmp/picket-routes-test-XXXXXX");
	return !mkdtemp(directory) || routes_new(NULL, &routes) || routes_state_open(directory, &kept);
}

static int end(void **state)
{
	char path[128];

	(void)state;
	routes_state_free(kept);
	routes_free(routes);
	kept = NULL;
	routes = NULL;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/routes.%u", directory, i);
		unlink(path);
	}
	return rmdir(directory);
}

static void learn(const char *path)
{
	char route[ROUTES_TEXT_MAX + 8];

	for (unsigned i = 0; i < 20; i++)
		ask(routes, &(struct ask){.host = "api.example", .path = path, .client = i, .status = 200},
		    route);
}

/* As a daemon that ends and starts. */
static int restart(void)
{
	routes_state_free(kept);
	routes_free(routes);
	kept = NULL;
	routes = NULL;
	assert_int_equal(routes_new(NULL, &routes), 0);
	assert_int_equal(routes_state_open(directory, &kept), 0);
	return routes_state_load(kept, routes, RIG_WALL_NS);
}

static void expect_list(const char *expected)
{
	struct buffer list = BUFFER_INIT(65536);

	rig_list(routes, &list);
	assert_string_equal(list.data, expected);
	buffer_free(&list);
}

static int file_open(unsigned i, int flags)
{
	char path[128];

	snprintf(path, sizeof path, "%s/routes.%u", directory, i);
	return open(path, flags);
}

/* Changes one byte of a file, or cuts it there. */
static void damage(unsigned i, off_t at, bool cut)
{
	int fd = file_open(i, O_RDWR);
	char c;

	assert_true(fd >= 0);
	if (cut) {
		assert_int_equal(ftruncate(fd, at), 0);
	} else {
		assert_int_equal(pread(fd, &c, 1, at), 1);
		c ^= 1;
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
	}
	close(fd);
}

static void nothing_is_there_at_first(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(routes_state_load(kept, routes, RIG_WALL_NS), ROUTES_STATE_E_NONE);
	int fd = file_open(0, O_RDONLY);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	close(fd);
}

static void the_newest_that_is_whole_counts(void **state)
{
	(void)state;
	learn("/a");
	assert_int_equal(routes_state_save(kept, routes), 0);
	learn("/b");
	assert_int_equal(routes_state_save(kept, routes), 0);
	assert_int_equal(restart(), 0);
	expect_list("GET api.example /a\nGET api.example /b\n");
	/* The third goes over the first, the second stays until it is whole. */
	learn("/c");
	assert_int_equal(routes_state_save(kept, routes), 0);
	assert_int_equal(restart(), 0);
	expect_list("GET api.example /a\nGET api.example /b\nGET api.example /c\n");
	damage(0, 300, false);
	assert_int_equal(restart(), 0);
	expect_list("GET api.example /a\nGET api.example /b\n");
	learn("/d");
	assert_int_equal(routes_state_save(kept, routes), 0);
	assert_int_equal(restart(), 0);
	expect_list("GET api.example /a\nGET api.example /b\nGET api.example /d\n");
}

/* Wherever a crash cuts the file short, or a disk changes a bit. */
static void every_damage_is_seen(void **state)
{
	struct stat st;

	(void)state;
	learn("/a");
	assert_int_equal(routes_state_save(kept, routes), 0);
	int fd = file_open(0, O_RDONLY);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	for (off_t at = 0; at < st.st_size; at++) {
		damage(0, at, false);
		assert_int_equal(restart(), ROUTES_STATE_E_DAMAGED);
		expect_list("");
		damage(0, at, false);
	}
	assert_int_equal(restart(), 0);
	expect_list("GET api.example /a\n");
	for (off_t at = st.st_size - 1; at > 0; at -= 3) {
		damage(0, at, true);
		assert_int_equal(restart(), ROUTES_STATE_E_DAMAGED);
	}
	/* Begun anew, and kept again. */
	learn("/b");
	assert_int_equal(routes_state_save(kept, routes), 0);
	assert_int_equal(restart(), 0);
	expect_list("GET api.example /b\n");
}

/* A file with the right checksum and a text that nobody can read, as of a version to come. */
static void file_of_another_version(unsigned i, unsigned generation)
{
	static const char text[] = "picket-routes 99\n";
	unsigned char digest[EVP_MAX_MD_SIZE];
	char bytes[256], path[128], signed_part[128];
	unsigned len = 0;

	int n = snprintf(bytes, sizeof bytes, "picket-state 1 %016x %016zx ", generation, sizeof text - 1);
	memcpy(signed_part, bytes, (size_t)n);
	memcpy(signed_part + n, text, sizeof text - 1);
	assert_int_equal(
		EVP_Digest(signed_part, (size_t)n + sizeof text - 1, digest, &len, EVP_sha256(), NULL), 1);
	for (unsigned k = 0; k < len; k++)
		n += snprintf(bytes + n, sizeof bytes - (size_t)n, "%02x", digest[k]);
	n += snprintf(bytes + n, sizeof bytes - (size_t)n, "\n%s", text);
	snprintf(path, sizeof path, "%s/routes.%u", directory, i);
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, bytes, (size_t)n), n);
	close(fd);
}

/* The one that was loaded is not written over while the other is of no use: a crash would leave none. */
static void what_was_of_use_stays_until_another_is_whole(void **state)
{
	(void)state;
	learn("/a");
	assert_int_equal(routes_state_save(kept, routes), 0);
	file_of_another_version(1, 9);
	assert_int_equal(restart(), 0);
	expect_list("GET api.example /a\n");
	learn("/b");
	assert_int_equal(routes_state_save(kept, routes), 0);
	damage(1, 300, true);
	assert_int_equal(restart(), 0);
	expect_list("GET api.example /a\n");
}

static void the_end_saves(void **state)
{
	(void)state;
	assert_int_equal(routes_state_start(kept, routes, NULL), 0);
	learn("/a");
	assert_int_equal(restart(), 0);
	expect_list("GET api.example /a\n");
}

static void what_is_no_file_is_refused(void **state)
{
	char path[128];
	struct routes_state *s;

	(void)state;
	snprintf(path, sizeof path, "%s/routes.1", directory);
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(routes_state_open(directory, &s), -ELOOP);
	assert_int_equal(routes_state_open("/nowhere", &s), -ENOENT);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(nothing_is_there_at_first),
		STORY(the_newest_that_is_whole_counts),
		STORY(every_damage_is_seen),
		STORY(the_end_saves),
		STORY(what_was_of_use_stays_until_another_is_whole),
		STORY(what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
