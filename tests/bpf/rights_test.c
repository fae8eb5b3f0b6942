// SPDX-License-Identifier: Apache-2.0
/*
 * rights_test.c: the kernel half with the rights it is meant to have: the warden's three capabilities and no
 * locked memory to spare suffice for everything; the sensor's reader works on without any and without bpf().
 * And the kill switch, which outlives them all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "half.h"
#include "world.h"

#define PORT HALF_PORT

static struct world world;

/* In a child a failed check ends the child, with the line as its last words. */
#define CHECK(what)                                                               \
	do {                                                                      \
		if (!(what)) {                                                    \
			fprintf(stderr, "child, line %d: %s\n", __LINE__, #what); \
			_exit(1);                                                 \
		}                                                                 \
	} while (0)

static void assert_child_succeeds(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static struct config config_for(enum config_capture_source source)
{
	return (struct config){
		.capture.source = source,
		.capture.ring_bytes = 4 << 20,
		.capture.header_ring_bytes = 1 << 20,
		.capture.read_max = PK_READ_MAX,
		.limits.blocks_max = 65536,
	};
}

static int watch_port(const struct kernel *k)
{
	struct pk_ports ports = {.watched[PORT / 64] = 1ull << (PORT % 64)};

	return ports_write(kernel_ports_fd(k), &ports);
}

/* One byte over loopback, to a watched port. */
static int one_request(void)
{
	socklen_t len;
	struct sockaddr_storage a = world_addr("127.0.0.1", PORT, &len);
	int listener = world_listen("127.0.0.1", PORT), client = socket(AF_INET, SOCK_STREAM, 0);
	char byte = 'x';

	if (connect(client, (void *)&a, len))
		return -1;
	int server = accept(listener, NULL, NULL);
	int r = write(client, &byte, 1) == 1 && read(server, &byte, 1) == 1 ? 0 : -1;
	close(client);
	close(server);
	close(listener);
	return r;
}

/* --- the warden's rights ---------------------------------------------------------------------- */

static void keep_three_capabilities(void)
{
	struct rlimit little = {65536, 65536};

	CHECK(setrlimit(RLIMIT_MEMLOCK, &little) == 0);
	capng_clear(CAPNG_SELECT_BOTH);
	CHECK(capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON,
			    -1) == 0);
	CHECK(capng_apply(CAPNG_SELECT_CAPS) == 0);
}

/* Debian's kernels have a level 3, at which perf events take CAP_SYS_ADMIN: then they are opened before it is
 * given up. */
static bool perf_events_are_for_root(void)
{
	FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	int level = 0;

	CHECK(f && fscanf(f, "%d", &level) == 1);
	fclose(f);
	return level > 2;
}

static void work_with_three_capabilities(enum config_capture_source source)
{
	static const enum config_packet_mode modes[] = {PACKET_TC, PACKET_XDP_GENERIC, PACKET_XDP_NATIVE};
	struct config config = config_for(source);
	struct kernel_options options = {.netns = world_netns(world.server_ns)};
	struct buffer errors = BUFFER_INIT(4096);
	struct collect got = {.count = 0};
	struct kernel_attachment a;
	struct prefix who = {.addr = {ADDR_IPV4, {10, 77, 0, 2}}, .bits = 32};
	struct kernel *k;
	struct reader *r;
	uint64_t stats[PK_C_MAX];

	config.capture.ring_bytes = (uint64_t)get_nprocs_conf() * (8 << 20);
	bool early = source == CAPTURE_PERF && perf_events_are_for_root();
	if (!early)
		keep_three_capabilities();
	CHECK(kernel_load(&config, &options, &k, &errors) == 0);
	if (early)
		keep_three_capabilities();
	CHECK(kernel_uses_perf(k) == (source == CAPTURE_PERF));
	CHECK(reader_new(k, collect_record, &got, &r) == 0);
	/* 8 MiB for each CPU are wanted: as much is taken as may be locked. */
	CHECK(source == CAPTURE_RING ? reader_perf_bytes(r) == 0
				     : reader_perf_bytes(r) >= 65536 && reader_perf_bytes(r) <= 8 << 20);
	CHECK(kernel_attach_tcp(k, &errors) == 0);
	CHECK(watch_port(k) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(kernel_attach_interface(k, WORLD_SERVER, modes[i], &a, &errors) == 0);
		CHECK(a.mode == modes[i]);
		kernel_detach_interface(k, a.ifindex);
	}
	CHECK(deny_put(kernel_deny(k), &who, UINT64_MAX, PK_ACT_DROP, PK_SCOPE_PORTS, 1) == 0);
	CHECK(kernel_kill_set(k, true) == 0);
	CHECK(one_request() == 0);
	CHECK(reader_drain(r) > 0);
	CHECK(collect_count(&got, PK_DATA) == 1);
	CHECK(kernel_stats(k, stats) == 0);
	CHECK(stats[PK_C_DATA_BYTES] == 1);
	reader_free(r);
	kernel_free(k);
	_exit(0);
}

static bool ring_works(void)
{
	struct config config = config_for(CAPTURE_RING);
	struct kernel_options options = {.netns = 0};
	struct buffer errors = BUFFER_INIT(4096);
	struct kernel *k = NULL;
	int r = kernel_load(&config, &options, &k, &errors);

	kernel_free(k);
	buffer_free(&errors);
	return r == 0;
}

static void three_capabilities_and_64_kib_of_locked_memory_suffice(void **state)
{
	static const enum config_capture_source sources[] = {CAPTURE_PERF, CAPTURE_RING};

	(void)state;
	for (int i = 0; i < (ring_works() ? 2 : 1); i++) {
		pid_t pid = fork();

		if (!pid)
			work_with_three_capabilities(sources[i]);
		assert_child_succeeds(pid);
	}
}

static void without_capabilities_loading_says_what_it_needs(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (!pid) {
		struct config config = config_for(CAPTURE_AUTO);
		struct kernel_options options = {.netns = 0};
		struct buffer errors = BUFFER_INIT(4096);
		struct kernel *k = NULL;

		capng_clear(CAPNG_SELECT_BOTH);
		CHECK(capng_apply(CAPNG_SELECT_CAPS) == 0);
		CHECK(kernel_load(&config, &options, &k, &errors) == KERNEL_E_PERMISSION);
		CHECK(buffer_append_char(&errors, 0) == 0);
		CHECK(strstr(errors.data, "CAP_BPF"));
		_exit(0);
	}
	assert_child_succeeds(pid);
}

/* --- the sensor's rights ---------------------------------------------------------------------- */

/* No capability, no user, and death for bpf(). */
static void give_up_everything(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	CHECK(filter && seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(bpf), 0) == 0);
	capng_clear(CAPNG_SELECT_BOTH);
	CHECK(capng_change_id(65534, 65534, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) == 0);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(seccomp_load(filter) == 0);
	seccomp_release(filter);
}

static void read_without_rights(const struct kernel *k, int ready)
{
	struct collect got = {.count = 0};
	struct reader *r;

	CHECK(reader_new(k, collect_record, &got, &r) == 0);
	give_up_everything();
	CHECK(write(ready, "k", 1) == 1);
	for (int i = 0; i < 200 && collect_count(&got, PK_CLOSE) < 1; i++)
		CHECK(reader_poll(r, -1, 20) >= 0);
	CHECK(collect_count(&got, PK_OPEN) == 1);
	CHECK(collect_count(&got, PK_DATA) == 1);
	CHECK(collect_count(&got, PK_CLOSE) == 1);
	kernel_skip(k)[7] = 7; /* the mapping is the child's, too */
	reader_free(r);
	_exit(0);
}

static void the_reader_works_in_a_child_that_gave_up_everything(void **state)
{
	static const enum config_capture_source sources[] = {CAPTURE_PERF, CAPTURE_RING};

	(void)state;
	for (int i = 0; i < (ring_works() ? 2 : 1); i++) {
		struct config config = config_for(sources[i]);
		struct kernel_options options = {.netns = world_netns(world.server_ns)};
		struct buffer errors = BUFFER_INIT(4096);
		struct kernel *k;
		int ready[2];
		char byte;

		assert_int_equal(kernel_load(&config, &options, &k, &errors), 0);
		assert_int_equal(watch_port(k), 0);
		assert_int_equal(kernel_attach_tcp(k, &errors), 0);
		assert_int_equal(pipe(ready), 0);
		pid_t pid = fork();
		if (!pid)
			read_without_rights(k, ready[1]);
		close(ready[1]);
		assert_int_equal(read(ready[0], &byte, 1), 1);
		assert_int_equal(one_request(), 0);
		assert_child_succeeds(pid);
		assert_int_equal(kernel_skip(k)[7], 7);
		close(ready[0]);
		kernel_free(k);
	}
}

/* --- the kill switch -------------------------------------------------------------------------- */

static char bpffs[] = "/tmp/pk-bpffs-XXXXXX";

static bool bpffs_mounted(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mkdtemp(bpffs) && mount("bpf", bpffs, "bpf", 0, NULL) == 0;
}

static int load_pinned(const char *pin, struct kernel **ret, struct buffer *errors)
{
	static struct config config;
	struct kernel_options options = {.kill_pin = pin};

	config = config_for(CAPTURE_AUTO);
	return kernel_load(&config, &options, ret, errors);
}

static void the_kill_switch_outlives_picket_and_is_taken_over(void **state)
{
	struct buffer errors = BUFFER_INIT(4096);
	struct kernel *k;
	char pin[64], other[64];

	(void)state;
	assert_true(load_pinned("/proc/none/kill", &k, &errors) <
		    0); /* no place to pin: refused, not ignored */
	if (!bpffs_mounted()) {
		print_message("no bpffs can be mounted here\n");
		buffer_free(&errors);
		skip();
	}
	snprintf(pin, sizeof(pin), "%s/kill", bpffs);
	snprintf(other, sizeof(other), "%s/other", bpffs);
	assert_int_equal(load_pinned(pin, &k, &errors), 0);
	assert_false(kernel_kill_get(k));
	assert_int_equal(kernel_kill_set(k, true), 0);
	kernel_free(k);

	assert_int_equal(load_pinned(pin, &k, &errors), 0);
	assert_true(kernel_kill_get(k));
	assert_int_equal(kernel_kill_set(k, false), 0);
	int fd = bpf_obj_get(pin);
	__u32 zero = 0, value = 1;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &value, BPF_ANY), 0); /* as `picket panic` does it */
	assert_true(kernel_kill_get(k));
	assert_int_equal(bpf_obj_pin(kernel_ports_fd(k), other), 0);
	close(fd);
	kernel_free(k);

	assert_int_equal(load_pinned(other, &k, &errors), -EEXIST);
	buffer_free(&errors);
	umount(bpffs);
	rmdir(bpffs);
}

static void nothing_is_leaked_when_a_kernel_half_is_freed(void **state)
{
	struct buffer errors = BUFFER_INIT(4096);
	struct kernel *k;
	int first = dup(0);

	(void)state;
	close(first);
	assert_int_equal(load_pinned(NULL, &k, &errors), 0);
	kernel_free(k);
	int after = dup(0);
	assert_int_equal(after, first);
	close(after);
	buffer_free(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_capabilities_and_64_kib_of_locked_memory_suffice),
		cmocka_unit_test(without_capabilities_loading_says_what_it_needs),
		cmocka_unit_test(the_reader_works_in_a_child_that_gave_up_everything),
		cmocka_unit_test(the_kill_switch_outlives_picket_and_is_taken_over),
		cmocka_unit_test(nothing_is_leaked_when_a_kernel_half_is_freed),
	};

	if (geteuid() || world_new(&world)) {
		fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
