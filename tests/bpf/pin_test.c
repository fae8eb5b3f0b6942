// SPDX-License-Identifier: Apache-2.0
/*
 * pin_test.c: enforcement.pin: blocks hold while no daemon runs, and the next one, also one of another
 * version or with other sizes, takes them over without letting a packet through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "half.h"
#include "lib/clock.h"
#include "lib/util.h"
#include "sensor/kernel_internal.h"
#include "sensor/pins.h"
#include "world.h"

#define PORT       HALF_PORT
#define CLIENT     "10.77.0.2"
#define OTHER      "10.77.0.3"
#define SERVER     "10.77.0.1"
#define OWN        "v" NUMBER(PK_ABI_VERSION) /* the folder of what this version pins */
#define NUMBER(n)  NUMBER_(n)
#define NUMBER_(n) #n

static struct world world;
static char bpffs[] = "/tmp/pk-bpffs-XXXXXX", base[64];

/* --- a daemon's kernel half, without what reads it --- */

struct daemon {
	struct config config;
	struct kernel *kernel;
	struct kernel_takeover takeover;
	struct kernel_attachment at;
};

static void start_with(struct daemon *d, enum config_packet_mode mode, bool pin, uint32_t blocks_max)
{
	const struct kernel_options options = {
		.netns = world_netns(world.server_ns), .pins = base, .pin = pin};
	const struct pk_ports ports = {.watched[PORT / 64] = 1ull << (PORT % 64)};
	struct buffer errors = BUFFER_INIT(4096);

	memset(d, 0, sizeof *d);
	d->config.capture.ring_bytes = 1 << 16;
	d->config.capture.header_ring_bytes = 1 << 16;
	d->config.limits.blocks_max = blocks_max;
	int r = kernel_load(&d->config, &options, &d->kernel, &errors);
	if (!r)
		r = ports_write(kernel_ports_fd(d->kernel), &ports);
	if (!r)
		r = kernel_attach_interface(d->kernel, WORLD_SERVER, mode, &d->at, &errors);
	if (r)
		fail_msg("%d %s: %.*s", r, d->at.note, (int)errors.len, errors.data);
	d->takeover = kernel_pins_settle(d->kernel);
	assert_int_equal(d->takeover.error, 0);
	assert_int_equal(d->at.mode, mode);
	buffer_free(&errors);
}

static void start(struct daemon *d, enum config_packet_mode mode, bool pin)
{
	start_with(d, mode, pin, 1024);
}

static void stop(struct daemon *d)
{
	kernel_free(d->kernel);
	d->kernel = NULL;
}

static struct prefix net(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(text), &p), 0);
	return p;
}

static void deny(struct daemon *d, const char *who)
{
	struct prefix p = net(who);
	uint64_t deadline = clock_boot_ns(&clock_system) + 3600 * NS_PER_S;

	assert_int_equal(deny_put(kernel_deny(d->kernel), &p, deadline, PK_ACT_DROP, PK_SCOPE_PORTS, 1), 0);
}

static bool denied(struct daemon *d, const char *who)
{
	struct prefix p = net(who);
	struct pk_deny value;

	return deny_get(kernel_deny(d->kernel), &p, &value) == 0;
}

static bool connects(const char *from, const char *to)
{
	int fd = world_connect_within(&world, from, to, PORT, 1);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* The kernel lets go of links a moment later. */
static bool connects_soon(const char *from, const char *to)
{
	int fd = world_connect(&world, from, to, PORT);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool pinned(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", base, name);
	return access(path, F_OK) == 0;
}

static bool link_pinned(enum config_packet_mode mode)
{
	char name[96];

	snprintf(name, sizeof name, OWN "/link-%s-%u-%u", config_packet_mode_name(mode),
		 world_netns(world.server_ns), if_nametoindex(WORLD_SERVER));
	return pinned(name);
}

static unsigned versions(void)
{
	unsigned all[PINS_VERSIONS_MAX];

	return pins_versions(base, all);
}

static bool xdp_attached(void)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex(WORLD_SERVER), 0, &q), 0);
	return q.prog_id || q.drv_prog_id || q.skb_prog_id;
}

static bool xdp_free(const void *arg)
{
	(void)arg;
	return !xdp_attached();
}

/* --- a client that never stops, and what of it reaches the server's TCP --- */

static pid_t flood_start(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	world_enter(&world, true);
	for (;;) {
		socklen_t len;
		struct sockaddr_storage from = world_addr(CLIENT, 0, &len),
					to = world_addr(SERVER, PORT, &len);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (fd < 0 || bind(fd, (struct sockaddr *)&from, len) ||
		    (connect(fd, (struct sockaddr *)&to, len) && errno != EINPROGRESS))
			_exit(1);
		close(fd);
	}
}

static void flood_end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Segments that came as far as TCP, in this namespace. */
static unsigned long long segments(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/net/snmp", "re");
	char line[1024];
	unsigned long long in = 0;
	bool values = false;

	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (strncmp(line, "Tcp:", 4))
			continue;
		/* RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets
		 * CurrEstab */
		if (values && sscanf(line, "Tcp: %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu", &in) != 1)
			fail_msg("%s", line);
		values = true;
	}
	return in;
}

static uint64_t dropped(const struct daemon *d)
{
	uint64_t all[PK_C_MAX];

	assert_int_equal(kernel_stats(d->kernel, all), 0);
	return all[PK_C_DROPPED];
}

static bool any_dropped(const void *arg)
{
	const struct daemon *d = arg;

	return dropped(d) > 0;
}

/* --- stories --- */

static const enum config_packet_mode modes[] = {PACKET_TC, PACKET_XDP_GENERIC, PACKET_XDP_NATIVE};

static void blocks_hold_while_no_daemon_runs_and_the_next_takes_them_over(void **state)
{
	int listener = world_listen(SERVER, PORT);
	struct daemon d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		start(&d, modes[i], true);
		assert_false(d.takeover.maps || d.takeover.links || d.takeover.copied);
		assert_false(d.at.by_link);
		deny(&d, CLIENT);
		deny(&d, "198.51.100.0/24");
		deny(&d, "2001:db8::1");
		stop(&d);
		assert_false(connects(CLIENT, SERVER));
		assert_true(connects_soon(OTHER, SERVER));
		bool linked = link_pinned(modes[i]);
		assert_true(linked ||
			    modes[i] == PACKET_TC); /* kernels before 6.6 have no links of tc programs */
		start(&d, modes[i], true);
		assert_true(d.takeover.maps);
		assert_int_equal(d.takeover.links, linked);
		assert_true(denied(&d, CLIENT) && denied(&d, "198.51.100.0/24") && denied(&d, "2001:db8::1"));
		assert_int_equal(deny_count(kernel_deny(d.kernel)), 3);
		assert_false(connects(CLIENT, SERVER));
		assert_true(any_dropped(&d)); /* by the new program: the counter is its own */
		struct prefix p = net(CLIENT);
		assert_int_equal(deny_remove(kernel_deny(d.kernel), &p), 0);
		assert_true(connects_soon(CLIENT, SERVER));
		deny(&d, CLIENT);
		stop(&d);
		/* Not asked for any more: what was there is taken over once more, and goes with this one. */
		start(&d, modes[i], false);
		assert_true(d.takeover.maps);
		assert_int_equal(versions(), 0);
		assert_false(connects(CLIENT, SERVER));
		stop(&d);
		assert_true(connects_soon(CLIENT, SERVER));
		assert_false(xdp_attached());
	}
	close(listener);
}

static void a_kill_leaves_no_gap_either(void **state)
{
	struct daemon d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		start(&d, modes[i], true);
		deny(&d, CLIENT);
		stop(&d);
		unsigned long long before = segments();
		pid_t flood = flood_start();
		for (int round = 0; round < 3; round++) {
			int status;
			pid_t pid = fork();

			if (!pid) {
				start(&d, modes[i], true);
				if (!denied(&d, CLIENT) || !world_until(any_dropped, &d))
					_exit(1);
				raise(SIGKILL);
			}
			waitpid(pid, &status, 0);
			assert_true(WIFSIGNALED(status));
		}
		start(&d, modes[i], true);
		assert_true(world_until(any_dropped, &d));
		flood_end(flood);
		assert_int_equal(segments() - before, 0);
		stop(&d);
		start(&d, modes[i], false);
		stop(&d);
	}
}

static void a_list_that_grew_is_taken_over_as_it_is(void **state)
{
	enum { MANY = 9000 };
	struct daemon d;
	char text[32];

	(void)state;
	start_with(&d, PACKET_TC, true, 20000);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof text, "10.1.%u.%u", i / 256, i % 256);
		deny(&d, text);
	}
	deny(&d, CLIENT);
	stop(&d);
	start_with(&d, PACKET_TC, true, 20000);
	assert_true(d.takeover.maps);
	assert_int_equal(d.takeover.copied, 0);
	assert_int_equal(deny_count(kernel_deny(d.kernel)), MANY + 1);
	assert_true(denied(&d, "10.1.35.39"));
	/* It grows on, and that is what is pinned then. */
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof text, "10.2.%u.%u", i / 256, i % 256);
		deny(&d, text);
	}
	stop(&d);
	start_with(&d, PACKET_TC, true, 20000);
	assert_true(d.takeover.maps);
	assert_int_equal(deny_count(kernel_deny(d.kernel)), 2 * MANY + 1);
	stop(&d);
	start_with(&d, PACKET_TC, false, 20000);
	stop(&d);
}

/* The larger hash is in force, and its name was not changed yet. */
static void a_kill_while_it_grows_is_understood(void **state)
{
	char now[PATH_MAX], next[PATH_MAX], text[32];
	struct daemon d;

	(void)state;
	start_with(&d, PACKET_TC, true, 20000);
	deny(&d, CLIENT);
	snprintf(now, sizeof now, "%s/" OWN "/pk_deny4", base);
	snprintf(next, sizeof next, "%s/" OWN "/pk_deny4-next", base);
	int small = bpf_obj_get(now);
	assert_true(small >= 0);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof text, "10.1.%u.%u", i / 256, i % 256);
		deny(&d, text);
	}
	stop(&d);
	assert_int_equal(rename(now, next), 0);
	assert_int_equal(bpf_obj_pin(small, now), 0);
	start_with(&d, PACKET_TC, true, 20000);
	assert_true(d.takeover.maps);
	assert_int_equal(deny_count(kernel_deny(d.kernel)), 5001);
	assert_false(pinned(OWN "/pk_deny4-next"));
	stop(&d);
	/* Nothing says which one is in force: what can be read is read. */
	assert_int_equal(unlink(now), 0);
	assert_int_equal(bpf_obj_pin(small, now), 0);
	close(small);
	start_with(&d, PACKET_TC, true, 20000);
	assert_false(d.takeover.maps);
	assert_true(denied(&d, CLIENT));
	assert_int_equal(d.takeover.links, link_pinned(PACKET_TC));
	stop(&d);
	start_with(&d, PACKET_TC, false, 20000);
	stop(&d);
}

static void other_sizes_are_copied_first(void **state)
{
	struct daemon d;

	(void)state;
	start_with(&d, PACKET_TC, true, 1024);
	deny(&d, CLIENT);
	deny(&d, "198.51.100.0/24");
	deny(&d, "2001:db8::/48");
	deny(&d, "2001:db8:1::1");
	stop(&d);
	unsigned long long before = segments();
	pid_t flood = flood_start();
	usleep(20000);
	for (uint32_t max = 2048; max <= 4096; max *= 2) {
		start_with(&d, PACKET_TC, true, max);
		assert_false(d.takeover.maps);
		assert_int_equal(d.takeover.copied, 4);
		assert_int_equal(d.takeover.links, link_pinned(PACKET_TC));
		assert_true(denied(&d, CLIENT) && denied(&d, "198.51.100.0/24") &&
			    denied(&d, "2001:db8::/48") && denied(&d, "2001:db8:1::1"));
		assert_true(world_until(any_dropped, &d));
		stop(&d);
	}
	flood_end(flood);
	assert_int_equal(segments() - before, 0);
	start_with(&d, PACKET_TC, true, 4096);
	assert_true(d.takeover.maps);
	stop(&d);
	start_with(&d, PACKET_TC, false, 4096);
	stop(&d);
}

static void another_version_is_copied_and_then_gone(void **state)
{
	char own[PATH_MAX], other[PATH_MAX];
	struct daemon d;

	(void)state;
	snprintf(own, sizeof own, "%s/" OWN, base);
	snprintf(other, sizeof other, "%s/v999", base);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		start(&d, modes[i], true);
		deny(&d, CLIENT);
		deny(&d, "198.51.100.0/24");
		stop(&d);
		assert_int_equal(rename(own, other), 0);
		unsigned long long before = segments();
		pid_t flood = flood_start();
		usleep(20000);
		start(&d, modes[i], true);
		assert_false(d.takeover.maps);
		assert_int_equal(d.takeover.copied, 2);
		assert_int_equal(d.takeover.links, link_pinned(modes[i]));
		assert_false(pinned("v999"));
		assert_true(pinned(OWN "/pk_deny4"));
		assert_true(world_until(any_dropped, &d));
		flood_end(flood);
		assert_int_equal(segments() - before, 0);
		stop(&d);
		start(&d, modes[i], false);
		stop(&d);
	}
}

/* What cannot be read is told, and stops nothing. */
static void maps_of_another_shape_are_told(void **state)
{
	char path[PATH_MAX];
	struct daemon d;

	(void)state;
	snprintf(path, sizeof path, "%s/v777", base);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/v777/pk_deny4", base);
	int map = bpf_map_create(BPF_MAP_TYPE_HASH, "other", 4, 24, 16, NULL);
	assert_true(map >= 0);
	assert_int_equal(bpf_obj_pin(map, path), 0);
	close(map);
	start(&d, PACKET_TC, true);
	assert_int_equal(d.takeover.unreadable, 1);
	assert_int_equal(d.takeover.copied, 0);
	assert_false(pinned("v777"));
	stop(&d);
	start(&d, PACKET_TC, false);
	stop(&d);
	assert_int_equal(versions(), 0);
}

static void another_mode_takes_the_place_of_the_former(void **state)
{
	static const enum config_packet_mode way[] = {PACKET_TC,         PACKET_XDP_NATIVE,
						      PACKET_TC,         PACKET_XDP_GENERIC,
						      PACKET_XDP_NATIVE, PACKET_XDP_GENERIC};
	int listener = world_listen(SERVER, PORT);
	struct daemon d;

	(void)state;
	start(&d, PACKET_TC, true);
	deny(&d, CLIENT);
	stop(&d);
	for (size_t i = 0; i < ARRAY_SIZE(way); i++) {
		start(&d, way[i], true);
		assert_true(d.takeover.maps);
		assert_true(way[i] == PACKET_TC ? world_until(xdp_free, NULL) : xdp_attached());
		assert_false(connects(CLIENT, SERVER));
		assert_true(connects_soon(OTHER, SERVER));
		stop(&d);
	}
	start(&d, PACKET_TC, false);
	stop(&d);
	assert_true(connects_soon(CLIENT, SERVER));
	close(listener);
}

static void an_interface_that_is_not_guarded_any_more_is_let_go(void **state)
{
	struct daemon d;

	(void)state;
	start(&d, PACKET_XDP_NATIVE, true);
	stop(&d);
	assert_true(xdp_attached());
	start(&d, PACKET_XDP_NATIVE, true);
	kernel_detach_interface(d.kernel, if_nametoindex(WORLD_SERVER));
	assert_true(world_until(xdp_free, NULL));
	stop(&d);
	assert_true(world_until(xdp_free, NULL));
	start(&d, PACKET_XDP_NATIVE, true);
	stop(&d);
	/* By hand, as `picket detach` does it. */
	unsigned files;
	assert_int_equal(pins_remove(base, PK_ABI_VERSION, &files), 0);
	assert_true(files > 10);
	assert_int_equal(versions(), 0);
	assert_true(world_until(xdp_free, NULL));
}

static bool bpffs_mounted(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mkdtemp(bpffs) && mount("bpf", bpffs, "bpf", 0, NULL) == 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_hold_while_no_daemon_runs_and_the_next_takes_them_over),
		cmocka_unit_test(a_kill_leaves_no_gap_either),
		cmocka_unit_test(a_list_that_grew_is_taken_over_as_it_is),
		cmocka_unit_test(a_kill_while_it_grows_is_understood),
		cmocka_unit_test(other_sizes_are_copied_first),
		cmocka_unit_test(another_version_is_copied_and_then_gone),
		cmocka_unit_test(maps_of_another_shape_are_told),
		cmocka_unit_test(another_mode_takes_the_place_of_the_former),
		cmocka_unit_test(an_interface_that_is_not_guarded_any_more_is_let_go),
	};

	if (geteuid() || world_new(&world) || !bpffs_mounted()) {
		fprintf(stderr, "skipped: needs root, network namespaces and a bpffs\n");
		return 77;
	}
	snprintf(base, sizeof base, "%s/two", bpffs);
	if (mkdir(base, 0700))
		return 1;
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	umount2(bpffs, MNT_DETACH);
	rmdir(bpffs);
	return r;
}
