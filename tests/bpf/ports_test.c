// SPDX-License-Identifier: Apache-2.0
/* ports_test.c: which ports are watched: listeners found by sock_diag with their processes, sshd's left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util.h"
#include "sensor/ports.h"
#include "world.h"

static struct world world;

static const struct listener *find(const struct listener *l, size_t count, uint16_t port)
{
	for (size_t i = 0; i < count; i++)
		if (l[i].local.port == port)
			return &l[i];
	return NULL;
}

static void listeners_are_found_with_address_and_process(void **state)
{
	static const struct {
		const char *addr;
		uint16_t port;
		bool loopback;
	} made[] = {{"0.0.0.0", 7001, false}, {"127.0.0.1", 7002, true},  {"::1", 7003, true},
		    {"::", 7004, false},      {"10.77.0.1", 7005, false}, {"fd77::1", 7006, false}};
	int fds[ARRAY_SIZE(made)];
	struct listener *l;
	size_t count;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		fds[i] = world_listen(made[i].addr, made[i].port);
	assert_int_equal(listeners_read(true, &l, &count), 0);
	assert_int_equal(count, ARRAY_SIZE(made)); /* this namespace only */
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		const struct listener *one = find(l, count, made[i].port);
		char text[ADDR_TEXT_MAX];

		assert_non_null(one);
		assert_string_equal(addr_format(&one->local.addr, text), made[i].addr);
		assert_int_equal(one->loopback, made[i].loopback);
		assert_int_equal(one->pid, getpid());
		assert_string_equal(one->comm, "ports_test");
		assert_false(one->sshd);
		close(fds[i]);
	}
	free(l);
	assert_int_equal(listeners_read(false, &l, &count), 0);
	assert_int_equal(count, 0);
	free(l);
}

static void sshd_is_known_by_its_name_whatever_its_port(void **state)
{
	struct listener *l;
	size_t count;

	(void)state;
	int fd = world_listen("0.0.0.0", 2222);
	prctl(PR_SET_NAME, "sshd");
	assert_int_equal(listeners_read(true, &l, &count), 0);
	prctl(PR_SET_NAME, "ports_test");
	assert_int_equal(count, 1);
	assert_true(l[0].sshd);
	free(l);
	assert_int_equal(listeners_read(true, &l, &count), 0);
	assert_false(l[0].sshd);
	free(l);
	close(fd);
}

static void port_22_is_sshds_if_nobody_else_is_known_to_have_it(void **state)
{
	struct listener *l;
	size_t count;

	(void)state;
	int fd = world_listen("0.0.0.0", 22);
	assert_int_equal(listeners_read(false, &l, &count), 0);
	assert_true(l[0].sshd); /* the process is not looked for */
	free(l);
	prctl(PR_SET_NAME, "systemd"); /* socket activation */
	assert_int_equal(listeners_read(true, &l, &count), 0);
	prctl(PR_SET_NAME, "ports_test");
	assert_true(l[0].sshd);
	free(l);
	assert_int_equal(listeners_read(true, &l, &count), 0);
	assert_false(l[0].sshd);
	free(l);
	close(fd);
}

/* --- port sets -------------------------------------------------------------------------------- */

static bool never(const struct pk_ports *p, uint16_t port)
{
	return p->never[port >> 6] >> (port & 63) & 1;
}

static const struct listener some[] = {
	{.local = {.addr = {.family = ADDR_IPV4}, .port = 80}},
	{.local = {.addr = {.family = ADDR_IPV4}, .port = 65535}},
	{.local = {.addr = {.family = ADDR_IPV4, .bytes = {127}}, .port = 3000}, .loopback = true},
	{.local = {.addr = {.family = ADDR_IPV4}, .port = 2222}, .sshd = true},
};

static void without_configuration_non_loopback_listeners_are_watched(void **state)
{
	struct config c = {.instance = NULL};
	struct pk_ports p;
	uint16_t sshd[4];
	unsigned count;

	(void)state;
	ports_compute(&c, some, ARRAY_SIZE(some), &p, sshd, 4, &count);
	assert_true(ports_watched(&p, 80));
	assert_true(ports_watched(&p, 65535));
	assert_false(ports_watched(&p, 3000));
	assert_false(ports_watched(&p, 2222));
	assert_true(never(&p, 2222));
	assert_int_equal(count, 1);
	assert_int_equal(sshd[0], 2222);
	assert_false(never(&p, 22));
}

static void configured_ports_replace_listeners_and_sshd_stays_out(void **state)
{
	uint16_t ports[] = {8080, 2222}, loopback[] = {3000}, excluded[] = {9000, 3000};
	struct config c = {
		.capture.ports = {ports, 2},
		.capture.loopback_ports = {loopback, 1},
		.capture.never_ports = {excluded, 1},
	};
	struct pk_ports p;
	uint16_t sshd[4];
	unsigned count;

	(void)state;
	ports_compute(&c, some, ARRAY_SIZE(some), &p, sshd, 4, &count);
	assert_true(ports_watched(&p, 8080));
	assert_true(ports_watched(&p, 3000));
	assert_false(ports_watched(&p, 80));
	assert_false(ports_watched(&p, 2222)); /* although configured */
	assert_true(never(&p, 9000));
	c.capture.never_ports.count = 2;
	ports_compute(&c, some, ARRAY_SIZE(some), &p, sshd, 4, &count);
	assert_false(ports_watched(&p, 3000));
}

static void port_22_is_left_out_when_no_sshd_is_seen(void **state)
{
	struct config c = {.instance = NULL};
	const struct listener other = {.local.port = 22, .comm = "nginx"};
	struct pk_ports p;
	uint16_t sshd[4] = {0};
	unsigned count;

	(void)state;
	ports_compute(&c, some, 3, &p, sshd, 4, &count);
	assert_int_equal(count, 1);
	assert_int_equal(sshd[0], 22);
	assert_true(never(&p, 22));
	ports_compute(&c, &other, 1, &p, sshd, 4, &count);
	assert_int_equal(count, 0);
	assert_true(ports_watched(&p, 22));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_are_found_with_address_and_process),
		cmocka_unit_test(sshd_is_known_by_its_name_whatever_its_port),
		cmocka_unit_test(port_22_is_sshds_if_nobody_else_is_known_to_have_it),
		cmocka_unit_test(without_configuration_non_loopback_listeners_are_watched),
		cmocka_unit_test(configured_ports_replace_listeners_and_sshd_stays_out),
		cmocka_unit_test(port_22_is_left_out_when_no_sshd_is_seen),
	};

	if (geteuid() || world_new(&world)) {
		fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
