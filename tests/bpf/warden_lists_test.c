// SPDX-License-Identifier: Apache-2.0
/*
 * warden_lists_test.c: block lists, as the warden takes part in them: many wishes in a sealed memfd, each
 * checked, and files that it opens. The warden's answers are the real ones, over a socket; the maps are in
 * the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor/kernel_internal.h"
#include "sensor/warden_internal.h"

#define MOST 1000 /* limits.blocks_max */

static struct config config;
static struct config_list lists[5];
static struct prefix protected_net;
static struct warden warden;
static struct warden_client *client;
static struct warden_reply reply;
static int sensor_socket;
static pthread_t thread;
static char folder[] = "/tmp/picket-lists.XXXXXX";

static struct prefix net(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(text), &p), 0);
	return p;
}

static void *serve(void *arg)
{
	struct pollfd socket = {.fd = warden.socket, .events = POLLIN};

	(void)arg;
	while (poll(&socket, 1, -1) > 0 && warden_answer(&warden) >= 0)
		;
	return NULL;
}

static char *path_of(const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	return path;
}

static int files_make(void)
{
	static const char *const names[] = {"regular", "folder", "pipe", "missing", "link"};

	if (!mkdtemp(folder))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		lists[i] = (struct config_list){.name = (char *)names[i], .path = path_of(names[i])};
	int fd = open(lists[0].path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool made = fd >= 0 && write(fd, "192.0.2.1\n", 10) == 10 && !mkdir(lists[1].path, 0700) &&
		    !mkfifo(lists[2].path, 0600) && !symlink("regular", lists[4].path);
	close(fd);
	return made ? 0 : -1;
}

static int open_all(void **state)
{
	struct kernel_options options = {.netns = 0};
	struct buffer errors = BUFFER_INIT(4096);
	int pair[2];

	(void)state;
	protected_net = net("203.0.113.128/25");
	config.capture.ring_bytes = config.capture.header_ring_bytes = 1 << 16;
	config.limits.blocks_max = MOST;
	config.limits.ttl_max_ms = 3600000;
	config.limits.prefix_min_v4 = 24;
	config.limits.prefix_min_v6 = 48;
	config.limits.insert_rate = 1;
	config.limits.protect = (struct config_prefixes){&protected_net, 1};
	config.lists = lists;
	config.list_count = ARRAY_SIZE(lists);
	warden = (struct warden){.config = &config, .lock_fd = -1, .listen_fd = -1};
	int r = kernel_load(&config, &options, &warden.kernel, &errors);
	if (r) {
		fprintf(stderr, "kernel_load: %d\n%.*s", r, (int)errors.len, errors.data);
		return -1;
	}
	buffer_free(&errors);
	limits_init(&warden.limits, &config);
	if (files_make() || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	warden.socket = pair[0];
	sensor_socket = pair[1];
	return warden_client_new(pair[1], &client) || pthread_create(&thread, NULL, serve, NULL) ? -1 : 0;
}

static int close_all(void **state)
{
	(void)state;
	warden_client_free(client);
	pthread_join(thread, NULL);
	close(warden.socket);
	kernel_free(warden.kernel);
	protected_set_free(&warden.protect);
	protected_set_free(&warden.allowed);
	protected_ranges_free(&warden.ranges);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (i == 1)
			rmdir(lists[i].path);
		else
			unlink(lists[i].path);
		free(lists[i].path);
	}
	return rmdir(folder);
}

/* --- wishes --- */

static struct warden_wish wish(const char *target)
{
	return (struct warden_wish){
		.target = net(target),
		.scope = PK_SCOPE_HOST,
		.action = PK_ACT_DROP,
		.source = VERDICT_IMPORT,
		.deadline_ns = warden_now() + 60 * NS_PER_S,
	};
}

static void batch(const struct warden_wish *wishes, uint32_t count)
{
	const struct warden_batch_head head = {.count = count};

	assert_int_equal(warden_batch(client, &head, wishes, &reply), 0);
}

static bool held(const char *target, struct pk_deny *ret)
{
	struct prefix p = net(target);

	return deny_get(kernel_deny(warden.kernel), &p, ret) == 0;
}

static void each_wish_is_checked_and_the_rest_goes_on(void **state)
{
	struct warden_wish w[] = {
		wish("198.51.100.7"),  wish("203.0.113.200"), wish("203.0.113.0/24"), wish("127.0.0.1"),
		wish("198.18.0.0/15"), wish("198.51.100.8"),  wish("198.51.100.9"),   wish("198.51.101.0/24"),
		wish("2001:db8::1"),   wish("198.51.102.77"), wish("198.51.102.78"),  wish("198.51.102.79"),
	};
	static const enum limits_answer expected[] = {
		LIMITS_OK,
		LIMITS_PROTECTED,
		LIMITS_PROTECTED,
		LIMITS_PROTECTED,
		LIMITS_PREFIX_TOO_SHORT,
		LIMITS_TTL_TOO_LONG,
		LIMITS_TTL_INVALID,
		LIMITS_OK,
		LIMITS_OK,
		LIMITS_BAD_TARGET,
		LIMITS_BAD_TARGET,
		LIMITS_BAD_TARGET,
	};
	struct pk_deny d;

	(void)state;
	w[5].deadline_ns += 3600 * NS_PER_S;
	w[6].deadline_ns = warden_now() - 1;
	w[9].target.bits = 24; /* host bits are set */
	w[10].action = 9;
	w[11].scope = 0;
	batch(w, ARRAY_SIZE(w));
	assert_int_equal(reply.result, 0);
	for (size_t i = 0; i < ARRAY_SIZE(w); i++)
		assert_int_equal(reply.answers[i], expected[i]);
	assert_true(held("198.51.100.7", &d));
	assert_int_equal(d.source, VERDICT_IMPORT);
	assert_int_equal(d.scope, PK_SCOPE_HOST);
	assert_int_equal(d.bits, 32);
	assert_in_range(d.deadline_s, warden_now() / NS_PER_S + 55, warden_now() / NS_PER_S + 62);
	assert_true(held("198.51.101.0/24", &d) && held("2001:db8::1", &d));
	assert_false(held("203.0.113.200", &d) || held("198.51.100.8", &d));
	assert_int_equal(deny_count(kernel_deny(warden.kernel)), 3);
	for (size_t i = 0; i < ARRAY_SIZE(w); i++)
		w[i].remove = 1;
	batch(w, ARRAY_SIZE(w)); /* also what is not there */
	assert_int_equal(reply.answers[9], LIMITS_BAD_TARGET);
	assert_int_equal(deny_count(kernel_deny(warden.kernel)), 0);
}

static void what_finds_no_room_is_told_one_by_one(void **state)
{
	struct warden_wish *w = calloc(MOST + 5, sizeof *w);
	unsigned full = 0;

	(void)state;
	assert_non_null(w);
	for (uint32_t i = 0; i < MOST + 5; i++) {
		w[i] = wish("198.51.100.0");
		w[i].target.addr.bytes[2] = (uint8_t)(i >> 8);
		w[i].target.addr.bytes[3] = (uint8_t)i;
	}
	batch(w, MOST + 5);
	assert_int_equal(reply.result, 0);
	for (uint32_t i = 0; i < MOST + 5; i++)
		full += reply.answers[i] == LIMITS_FULL;
	assert_int_equal(full, 5);
	assert_int_equal(deny_count(kernel_deny(warden.kernel)), MOST);
	/* What is there is renewed, however full. */
	batch(w, MOST);
	for (uint32_t i = 0; i < MOST; i++)
		assert_int_equal(reply.answers[i], LIMITS_OK);
	for (uint32_t i = 0; i < MOST; i++)
		w[i].remove = 1;
	batch(w, MOST);
	assert_int_equal(deny_count(kernel_deny(warden.kernel)), 0);
	free(w);
}

static void nothing_is_put_while_the_kill_switch_is_on(void **state)
{
	struct warden_wish w = wish("198.51.100.7");

	(void)state;
	assert_int_equal(kernel_kill_set(warden.kernel, true), 0);
	batch(&w, 1);
	assert_int_equal(reply.result, WARDEN_E_KILL_SWITCH);
	assert_int_equal(kernel_kill_set(warden.kernel, false), 0);
	assert_int_equal(deny_count(kernel_deny(warden.kernel)), 0);
}

/* --- what a sensor gone wrong might send --- */

static int ask_with(int fd)
{
	const struct warden_request q = {.op = WARDEN_BATCH};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} passage = {.bytes = {0}};
	struct iovec part = {(void *)&q, sizeof q};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		m.msg_control = passage.bytes;
		m.msg_controllen = sizeof passage.bytes;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		*c = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	assert_int_equal(sendmsg(sensor_socket, &m, 0), sizeof q);
	assert_int_equal(recv(sensor_socket, &reply, sizeof reply, 0), sizeof reply);
	return reply.result;
}

static int memory(uint32_t count, size_t wishes, int seals)
{
	const struct warden_batch_head head = {.count = count};
	struct warden_wish w = wish("198.51.100.7");
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, &head, sizeof head), sizeof head);
	for (size_t i = 0; i < wishes; i++)
		assert_int_equal(write(fd, &w, sizeof w), sizeof w);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void only_a_sealed_memfd_of_the_right_size_is_read(void **state)
{
	const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	static const struct {
		uint32_t count;
		size_t wishes;
		int seals;
	} bad[] = {
		{1, 1, F_SEAL_SHRINK | F_SEAL_GROW},
		{1, 1, F_SEAL_SHRINK | F_SEAL_WRITE},
		{1, 1, F_SEAL_GROW | F_SEAL_WRITE},
		{2, 1, all},
		{0, 1, all},
		{UINT32_MAX, 1, all},
		{WARDEN_BATCH_MAX + 1, WARDEN_BATCH_MAX + 1, all},
	};
	int pipes[2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = memory(bad[i].count, bad[i].wishes, bad[i].seals);
		assert_int_equal(ask_with(fd), -EINVAL);
		close(fd);
	}
	assert_int_equal(ask_with(-1), -EINVAL);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(ask_with(pipes[0]), -EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	int file = open(lists[0].path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(ask_with(file), -EINVAL);
	close(file);
	assert_int_equal(deny_count(kernel_deny(warden.kernel)), 0);
	int empty = memory(0, 0, all), one = memory(1, 1, all);
	assert_int_equal(ask_with(empty), 0);
	assert_int_equal(ask_with(one), 0);
	assert_int_equal(deny_count(kernel_deny(warden.kernel)), 1);
	close(empty);
	close(one);
}

/* --- files --- */

static void only_regular_files_of_the_configuration_are_opened(void **state)
{
	static const int expected[] = {0, -EISDIR, -ENOTSUP, -ENOENT, 0, -EINVAL};
	char bytes[16];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct warden_request q = {.op = WARDEN_LIST_LOOK, .index = i};
		int fd = -1;

		assert_int_equal(warden_call(client, &q, &reply), 0);
		assert_int_equal(reply.result, expected[i]);
		struct warden_file looked = reply.file;
		assert_int_equal(warden_open_list(client, i, &reply, &fd), 0);
		assert_int_equal(reply.result, expected[i]);
		assert_int_equal(fd >= 0, expected[i] == 0);
		if (fd < 0)
			continue;
		assert_memory_equal(&looked, &reply.file, sizeof looked);
		assert_int_equal(reply.file.size, 10);
		assert_int_equal(read(fd, bytes, sizeof bytes), 10);
		assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wish_is_checked_and_the_rest_goes_on),
		cmocka_unit_test(what_finds_no_room_is_told_one_by_one),
		cmocka_unit_test(nothing_is_put_while_the_kill_switch_is_on),
		cmocka_unit_test(only_a_sealed_memfd_of_the_right_size_is_read),
		cmocka_unit_test(only_regular_files_of_the_configuration_are_opened),
	};

	if (geteuid()) {
		printf("skipped: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, open_all, close_all);
}
