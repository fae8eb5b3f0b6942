// SPDX-License-Identifier: Apache-2.0
/*
 * The network half of this test builds its own world: a network namespace with one veth, whose other end a
 * child process holds in a second one. Without the right to make namespaces those stories are skipped, and
 * the run says so (77).
 */
#include "policies/protect.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <utmpx.h>
#include "tests/unit/policies_config.h"

static bool world_missing;

struct fixture {
	struct config config;
	struct protect_input in;
	struct protected_set set;
	struct protect_sources sources;
	char root[32];
};

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	if (system(command) != 0) /* NOLINT: fixed commands of this test */
		fail_msg("failed: %s", command);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	f->config = test_config();
	f->in.config = &f->config;
	strcpy(f->root, "/tmp/picket-protect-XXXXXX");
	if (!mkdtemp(f->root))
		return -1;
	f->in.root = f->root;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	run("rm -rf -- %s", f->root);
	protected_set_free(&f->set);
	free(f);
	return 0;
}

static void write_file(const struct fixture *f, const char *path, const char *content)
{
	char full[128];

	run("mkdir -p \"$(dirname %s%s)\"", f->root, path);
	snprintf(full, sizeof full, "%s%s", f->root, path);
	FILE *file = fopen(full, "w");
	assert_non_null(file);
	fputs(content, file);
	fclose(file);
}

static void collect(struct fixture *f)
{
	assert_int_equal(protect_collect(&f->in, &f->set, &f->sources), 0);
}

static void assert_protected(const struct fixture *f, const char *target, const char *why)
{
	struct prefix p = test_prefix(target);
	const struct protected_net *net = protected_set_find(&f->set, &p);

	if (!net)
		fail_msg("%s is not protected", target);
	else if (strcmp(net->why, why) != 0)
		fail_msg("%s is protected as %s, not as %s", target, net->why, why);
}

static void assert_open(const struct fixture *f, const char *target)
{
	struct prefix p = test_prefix(target);
	const struct protected_net *net = protected_set_find(&f->set, &p);

	if (net)
		fail_msg("%s is protected: %s", target, net->why);
}

static void some_networks_are_protected_everywhere(void **state)
{
	struct fixture *f = *state;

	collect(f);
	assert_protected(f, "127.9.9.9", "loopback");
	assert_protected(f, "::1", "loopback");
	assert_protected(f, "0.0.0.0", "unspecified");
	assert_protected(f, "::", "unspecified");
	assert_protected(f, "239.1.1.1", "multicast");
	assert_protected(f, "ff02::1", "multicast");
	assert_protected(f, "255.255.255.255", "broadcast");
	assert_protected(f, "0.0.0.0/0", "loopback");
	assert_protected(f, "::/0", "loopback");
	assert_open(f, "203.0.113.200");
	assert_true(f->sources.own >= 1); /* loopback at least */
}

static void configuration_and_gateways_are_protected(void **state)
{
	struct fixture *f = *state;
	struct prefix configured = test_prefix("203.0.113.0/28"), proxy = test_prefix("203.0.113.64/28");
	struct addr extra[] = {test_addr("203.0.113.99"), {0}};
	struct config_gateway gateways[] = {
		{.name = "local", .protocol = GATEWAY_LOCAL},
		{.name = "a", .url = "http://203.0.113.101/v1"},
		{.name = "b", .url = "https://user:pw@203.0.113.102:8443?x=1"},
		{.name = "c", .url = "https://[2001:db8:99::1]:8443/"},
		{.name = "d", .url = "https://gateway.test/203.0.113.110"},
		{.name = "e", .url = "http://[::ffff:203.0.113.103]"},
		{.name = "f", .url = "http://"},
		{.name = "g", .url = "203.0.113.104:80"},
		{.name = "h", .url = "http://["},
		{.name = "i", .url = "http://gateway.test/", .proxy = "http://203.0.113.105:3128"},
		{.name = "j", .url = "http://gateway.test/", .lunar_url = "http://203.0.113.106:8000"},
	};

	f->config.limits.protect = (struct config_prefixes){&configured, 1};
	f->config.proxies.trusted = (struct config_prefixes){&proxy, 1};
	f->config.gateways = gateways;
	f->config.gateway_count = ARRAY_SIZE(gateways);
	f->in.extra = extra;
	f->in.extra_count = ARRAY_SIZE(extra);
	collect(f);
	assert_protected(f, "203.0.113.15", "configured");
	assert_open(f, "203.0.113.16");
	assert_protected(f, "203.0.113.70", "trusted proxy");
	assert_protected(f, "203.0.113.99", "peer of picket");
	assert_protected(f, "203.0.113.101", "gateway endpoint");
	assert_protected(f, "203.0.113.102", "gateway endpoint");
	assert_protected(f, "203.0.113.103", "gateway endpoint");
	assert_protected(f, "203.0.113.104", "gateway endpoint");
	assert_protected(f, "203.0.113.105", "gateway endpoint");
	assert_protected(f, "203.0.113.106", "gateway endpoint");
	assert_protected(f, "2001:db8:99::1", "gateway endpoint");
	assert_open(f, "203.0.113.110");
}

static void resolvers_are_protected(void **state)
{
	struct fixture *f = *state;

	write_file(f, "/etc/resolv.conf",
		   "# nameserver 203.0.113.1\nnameserver 203.0.113.53\n  nameserver\t2001:db8:53::1 \n"
		   "nameserver fe80::53%eth0\nnameserver not.an.address\nsearch 203.0.113.2\nnameserver");
	collect(f);
	assert_int_equal(f->sources.resolvers, 3);
	assert_protected(f, "203.0.113.53", "resolver");
	assert_protected(f, "2001:db8:53::1", "resolver");
	assert_protected(f, "fe80::53", "resolver");
	assert_open(f, "203.0.113.1");
	assert_open(f, "203.0.113.2");
}

static void login_as(const char *path, const char *id, short type, const char *addr, const char *host)
{
	struct utmpx u = {.ut_type = type, .ut_pid = 99999};

	memcpy(u.ut_id, id, MIN(strlen(id), sizeof u.ut_id));
	snprintf(u.ut_user, sizeof u.ut_user, "joe");
	snprintf(u.ut_line, sizeof u.ut_line, "pts/%s", id);
	snprintf(u.ut_host, sizeof u.ut_host, "%s", host);
	if (addr) {
		struct addr a = test_addr(addr);
		memcpy(u.ut_addr_v6, a.bytes, a.family == ADDR_IPV4 ? 4 : 16);
	}
	utmpxname(path);
	setutxent();
	assert_non_null(pututxline(&u));
	endutxent();
}

static void who_is_logged_in_is_not_locked_out(void **state)
{
	struct fixture *f = *state;
	char utmp[64];

	collect(f);
	assert_false(f->sources.sessions_seen); /* no list at all: doctor must be able to say so */
	write_file(f, "/run/utmp", "");
	snprintf(utmp, sizeof utmp, "%s/run/utmp", f->root);
	login_as(utmp, "1", USER_PROCESS, "203.0.113.21", "admin.example");
	login_as(utmp, "2", USER_PROCESS, "2001:db8:7::22", "");
	login_as(utmp, "3", USER_PROCESS, NULL, "203.0.113.23");
	login_as(utmp, "4", USER_PROCESS, NULL, ":0");
	login_as(utmp, "5", DEAD_PROCESS, "203.0.113.25", "");
	write_file(f, "/run/systemd/sessions/7", "UID=0\nREMOTE=1\nREMOTE_HOST=203.0.113.27\nSTATE=active\n");
	write_file(f, "/run/systemd/sessions/8", "REMOTE_HOST=2001:db8:7::28%eth0\n");
	write_file(f, "/run/systemd/sessions/9", "X_REMOTE_HOST=203.0.113.29\nREMOTE_HOST=name.example\n");
	write_file(f, "/run/systemd/sessions/9.ref", "REMOTE_HOST=203.0.113.30\n");
	collect(f);
	assert_true(f->sources.sessions_seen);
	assert_int_equal(f->sources.sessions, 5);
	assert_protected(f, "203.0.113.21", "login session");
	assert_protected(f, "2001:db8:7::22", "login session");
	assert_protected(f, "203.0.113.23", "login session");
	assert_protected(f, "203.0.113.27", "login session");
	assert_protected(f, "2001:db8:7::28", "login session");
	assert_open(f, "203.0.113.25");
	assert_open(f, "203.0.113.29");
	assert_open(f, "203.0.113.30");
	/* A session that ended is not protected for ever: each call looks afresh. */
	run("rm %s/run/systemd/sessions/7", f->root);
	collect(f);
	assert_open(f, "203.0.113.27");
	assert_int_equal(f->sources.sessions, 4);
}

static void a_session_list_gone_wild_is_bounded(void **state)
{
	struct fixture *f = *state;
	char *content = malloc(64 * 3000), *at = content;

	assert_non_null(content);
	for (unsigned i = 0; i < 3000; i++)
		at += sprintf(at, "REMOTE_HOST=10.77.%u.%u\n", i / 250, i % 250);
	write_file(f, "/run/systemd/sessions/1", content);
	free(content);
	collect(f);
	assert_int_equal(f->sources.sessions, PROTECT_SESSIONS_MAX);
	assert_int_equal(f->sources.left_out, 3000 - PROTECT_SESSIONS_MAX);
	assert_protected(f, "10.77.0.0", "login session");
}

static void a_failed_collection_leaves_the_last_one(void **state)
{
	struct fixture *f = *state;
	struct prefix marker = test_prefix("203.0.113.88");
	struct prefix bad = {.addr = {.family = ADDR_IPV4}, .bits = 99};

	assert_int_equal(protected_set_add(&f->set, &marker, "kept"), 0);
	f->config.limits.protect = (struct config_prefixes){&bad, 1};
	assert_int_equal(protect_collect(&f->in, &f->set, &f->sources), -EINVAL);
	assert_int_equal(f->set.count, 1);
	assert_protected(f, "203.0.113.88", "kept");
}

/* --- the world of its own --- */
struct world {
	pid_t other; /* in the second namespace */
	int to_other, from_other;
};

static struct world world;

static void connect_from(const char *addr, uint16_t port, const char *family)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool v6 = strcmp(family, "6") == 0;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	if (v6)
		inet_pton(AF_INET6, addr, &in6.sin6_addr);
	else
		inet_pton(AF_INET, addr, &in.sin_addr);
	if (connect(fd, v6 ? (void *)&in6 : (void *)&in, v6 ? sizeof in6 : sizeof in))
		_exit(3);
}

/* The other end: waits until its veth is there, then connects, and stays until it is killed. */
static void other_end(int from, int to)
{
	char byte = 'r';

	if (unshare(CLONE_NEWNET) || write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1)
		_exit(2);
	/* NOLINTNEXTLINE(cert-env33-c): a fixed command of this test */
	if (system("ip addr add 192.0.2.77/24 dev pkt-protect1 && ip addr add 2001:db8::77/64 dev "
		   "pkt-protect1 nodad && "
		   "ip link set pkt-protect1 up"))
		_exit(4);
	if (read(from, &byte, 1) != 1) /* the listeners are there */
		_exit(2);
	connect_from("192.0.2.10", 2222, "4");
	connect_from("2001:db8::10", 2222, "6");
	connect_from("192.0.2.10", 8080, "4");
	if (write(to, &byte, 1) != 1)
		_exit(2);
	pause();
	_exit(0);
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM, 0); /* both families: IPv4 peers appear mapped */

	assert_int_equal(bind(fd, (void *)&any, sizeof any), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static int build_world(void **state)
{
	int there[2], back[2];
	char byte;

	(void)state;
	if (unshare(CLONE_NEWNET)) {
		world_missing = true;
		return 0;
	}
	if (pipe(there) || pipe(back))
		return -1;
	world.other = fork();
	if (world.other == 0) {
		close(there[1]);
		other_end(there[0], back[1]);
	}
	world.to_other = there[1];
	world.from_other = back[0];
	if (world.other < 0 || read(world.from_other, &byte, 1) != 1)
		return -1;
	run("ip link set lo up; ip link add pkt-protect0 type veth peer name pkt-protect1 && "
	    "ip link set pkt-protect1 netns %d && ip addr add 192.0.2.10/24 dev pkt-protect0 && "
	    "ip addr add 2001:db8::10/64 dev pkt-protect0 nodad && ip link set pkt-protect0 up && "
	    "ip route add default via 192.0.2.1 && ip -6 route add default via fe80::1 dev pkt-protect0 && "
	    "ip route add 198.51.100.0/24 via 192.0.2.2 && ip -6 route add unreachable 2001:db8:dead::/48",
	    (int)world.other);
	return write(world.to_other, "g", 1) == 1 ? 0 : -1;
}

static int leave_world(void **state)
{
	(void)state;
	if (world.other > 0) {
		kill(world.other, SIGKILL);
		waitpid(world.other, NULL, 0);
	}
	return 0;
}

static void own_addresses_and_default_gateways_are_protected(void **state)
{
	struct fixture *f = *state;

	if (world_missing)
		skip();
	collect(f);
	assert_protected(f, "192.0.2.10", "own address");
	assert_protected(f, "2001:db8::10", "own address");
	assert_protected(f, "192.0.2.1", "default gateway");
	assert_protected(f, "fe80::1", "default gateway");
	assert_open(f, "192.0.2.2"); /* a router, but not the way home */
	assert_open(f, "192.0.2.77");
	assert_int_equal(f->sources.gateways, 2);
	assert_true(f->sources.own >= 4);
}

static void peers_of_sshd_are_protected_and_those_of_the_api_are_not(void **state)
{
	struct fixture *f = *state;
	static const uint16_t ports[] = {2222};
	int ssh, api;
	char byte;

	if (world_missing)
		skip();
	collect(f);
	assert_false(f->sources.sshd_seen); /* nothing listens on 22 */
	f->in.sshd_ports = ports;
	f->in.sshd_port_count = 1;
	collect(f);
	assert_true(f->sources.sshd_seen);
	assert_open(f, "192.0.2.77");
	ssh = listen_on(2222);
	api = listen_on(8080);
	assert_int_equal(write(world.to_other, "g", 1), 1);
	assert_int_equal(read(world.from_other, &byte, 1), 1);
	collect(f);
	assert_protected(f, "192.0.2.77", PROTECT_BY_SSHD); /* not as ::ffff:192.0.2.77 */
	assert_protected(f, "2001:db8::77", PROTECT_BY_SSHD);
	assert_int_equal(f->sources.sessions, 2);
	f->in.sshd_port_count = 0; /* a connection to another port protects nobody */
	collect(f);
	assert_open(f, "192.0.2.77");
	f->in.sshd_port_count = 1;
	kill(world.other, SIGKILL); /* the session ends */
	waitpid(world.other, NULL, 0);
	world.other = 0;
	run("for i in $(seq 200); do ss -Htn state established sport = :2222 | grep -q . || exit "
	    "0; sleep 0.1; done; "
	    "exit 1");
	collect(f);
	assert_open(f, "192.0.2.77");
	close(ssh);
	close(api);
}

static void sshd_on_its_usual_port_is_found_unasked(void **state)
{
	struct fixture *f = *state;

	if (world_missing)
		skip();
	int ssh = listen_on(22);
	collect(f);
	assert_true(f->sources.sshd_seen);
	close(ssh);
}

static void it_is_quick_enough_to_ask_for_every_block(void **state)
{
	struct fixture *f = *state;
	struct timespec a, b;
	double best = 1e9;

	for (int i = 0; i < 20; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		collect(f);
		clock_gettime(CLOCK_MONOTONIC, &b);
		double us = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
		best = us < best ? us : best;
	}
	print_message("one collection: %.0f us\n", best);
	assert_true(best < 20000); /* usually far below 1 ms; sanitizers and a busy machine included */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest anywhere[] = {
		TEST(some_networks_are_protected_everywhere),
		TEST(configuration_and_gateways_are_protected),
		TEST(resolvers_are_protected),
		TEST(who_is_logged_in_is_not_locked_out),
		TEST(a_session_list_gone_wild_is_bounded),
		TEST(a_failed_collection_leaves_the_last_one),
		TEST(it_is_quick_enough_to_ask_for_every_block),
	};
	const struct CMUnitTest in_a_world[] = {
		TEST(own_addresses_and_default_gateways_are_protected),
		TEST(peers_of_sshd_are_protected_and_those_of_the_api_are_not),
		TEST(sshd_on_its_usual_port_is_found_unasked),
	};

	alarm(50);
	int failed = cmocka_run_group_tests(anywhere, NULL, NULL);
	failed += cmocka_run_group_tests(in_a_world, build_world, leave_world);
	if (!failed && world_missing) {
		print_message("skipped: may not make a network namespace\n");
		return 77;
	}
	return failed;
}
