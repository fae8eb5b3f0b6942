// SPDX-License-Identifier: Apache-2.0
/* The forwarder with a spool: outages, crashes and disks that are full, against a real HTTP server. */
#include "lib/util.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>
#include "forwarder/forwarder.h"
#include "forwarder_rig.h"
#include "gateway_stub.h"

static const struct stub_reply accepted = {.status = 204};
static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/picket-spool-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

/* A port where nobody listens, and somebody could later. */
static uint16_t quiet_port(void)
{
	struct stub *s = stub_start(0, &accepted, 1);
	uint16_t port = stub_port(s);

	stub_stop(s);
	return port;
}

static void prepare(struct rig *rig, uint16_t port)
{
	rig_init(rig, port);
	rig->state_dir = folder;
	rig->gateways[0].batch_events = 50;
}

static void start(struct rig *rig, uint16_t port)
{
	prepare(rig, port);
	rig_start(rig);
}

static bool all_kept(struct rig *rig, uint64_t n)
{
	struct gateway_counts c = counts(rig);

	return c.spool.written >= n;
}

static bool nothing_held(struct rig *rig, uint64_t n)
{
	(void)n;
	return counts(rig).spool.recovered && counts(rig).events_held == 0;
}

static bool recovered(struct rig *rig, uint64_t n)
{
	(void)n;
	return counts(rig).spool.recovered;
}

static bool found_events(struct rig *rig, uint64_t n)
{
	return counts(rig).events_recovered >= n;
}

static bool is_down(struct rig *rig, uint64_t n)
{
	return counts(rig).attempts > n && counts(rig).state[0] != 's';
}

/* The number behind the run in the id of an event, of the first event of a request. */
static unsigned long first_event(const struct stub_request *q)
{
	const char *id = memmem(q->body, q->len, "\"id\":\"", 6);

	assert_non_null(id);
	return strtoul(strchr(id, '-') + 1, NULL, 10);
}

static void an_outage_is_worked_off_in_order(void **state)
{
	uint16_t port = quiet_port();
	struct rig rig;

	(void)state;
	prepare(&rig, port);
	rig.gateways[0].queue_events = 500; /* less than what comes */
	rig_start(&rig);
	for (unsigned i = 0; i < 40; i++) {
		push(&rig, 50);
		run_until(&rig, all_kept, i + 1);
	}
	run_until(&rig, is_down, 0);
	run_for(&rig, 50);
	struct gateway_counts c = counts(&rig);
	assert_int_equal(c.events_held, 2000);
	assert_int_equal(c.events_dropped, 0);
	/* In memory: what is read ahead, and what was tried last. */
	assert_in_range(c.spool.spool.waiting, 1800, 2000);

	struct stub *s = stub_start(port, &accepted, 1);
	run_until(&rig, nothing_held, 0);
	c = counts(&rig);
	assert_int_equal(c.events, 2000);
	assert_int_equal(c.batches, 40);
	assert_int_equal(stub_count(s), 40);
	unsigned events = 0;
	for (unsigned i = 0; i < 40; i++) {
		events += stub_request(s, i)->events;
		if (i)
			assert_true(first_event(stub_request(s, i)) > first_event(stub_request(s, i - 1)));
	}
	assert_int_equal(events, 2000);
	forwarder_flush(rig.f, 1000);
	forwarder_free(rig.f);
	stub_stop(s);
}

/* What is new does not wait behind what is old: its batch arrives before the backlog is through. */
static void the_new_overtakes_the_backlog(void **state)
{
	static const struct stub_reply slow = {.status = 204, .delay_ms = 20};
	uint16_t port = quiet_port();
	struct rig rig;

	(void)state;
	start(&rig, port);
	for (unsigned i = 0; i < 30; i++) {
		push(&rig, 50);
		run_until(&rig, all_kept, i + 1);
	}
	run_until(&rig, is_down, 0);
	struct stub *s = stub_start(port, &slow, 1);
	run_until(&rig, batches_delivered, 3);
	push(&rig, 50);
	uint64_t begun = counts(&rig).batches;
	run_until(&rig, all_kept, 31);
	run_until(&rig, nothing_held, 0);
	unsigned newest = 0;
	for (unsigned i = 1; i < stub_count(s); i++)
		if (first_event(stub_request(s, i)) > first_event(stub_request(s, newest)))
			newest = i;
	assert_int_equal(stub_count(s), 31);
	/* The stub answers one after the other. */
	assert_in_range(newest, 1, begun + 6);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void a_crash_loses_nothing_that_was_kept(void **state)
{
	uint16_t port = quiet_port();
	uint64_t before_ns = clock_wall_ns(&clock_system);
	struct rig rig;

	(void)state;
	start(&rig, port);
	run_until(&rig, recovered, 0);
	push(&rig, 120);
	run_until(&rig, all_kept, 3);
	forwarder_seen(rig.f, clock_wall_ns(&clock_system));
	run_for(&rig, 300);
	uint64_t seen_ns = clock_wall_ns(&clock_system);
	forwarder_free(rig.f); /* not flushed: as if it had been killed */

	struct stub *s = stub_start(port, &accepted, 1);
	start(&rig, port);
	run_until(&rig, found_events, 120);
	run_until(&rig, nothing_held, 0);
	assert_int_equal(counts(&rig).events, 120);
	assert_int_equal(rig.gaps, 1);
	assert_in_range(rig.gap_since_ns, before_ns, seen_ns);
	/* What was known to be there is no gap. */
	assert_true(rig.gap_since_ns > before_ns + 1000);
	unsigned events = 0;
	for (unsigned i = 0; i < stub_count(s); i++)
		events += stub_request(s, i)->events;
	assert_int_equal(events, 120);
	forwarder_flush(rig.f, 1000);
	forwarder_end_in_order(rig.f);
	forwarder_free(rig.f);

	/* In order this time: nothing to tell, nothing left. */
	start(&rig, port);
	run_until(&rig, nothing_held, 0);
	assert_int_equal(rig.gaps, 0);
	assert_int_equal(counts(&rig).events_recovered, 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void what_waits_at_the_end_goes_at_the_next_start(void **state)
{
	uint16_t port = quiet_port();
	struct rig rig;

	(void)state;
	start(&rig, port);
	push(&rig, 70);
	run_until(&rig, is_down, 0);
	push(&rig, 7); /* not even a batch yet */
	uint64_t begun = now_ms();
	forwarder_flush(rig.f, 5000);
	assert_true(now_ms() - begun < 3000); /* nobody waits for a gateway that is down */
	forwarder_end_in_order(rig.f);
	forwarder_free(rig.f);

	struct stub *s = stub_start(port, &accepted, 1);
	start(&rig, port);
	run_until(&rig, found_events, 77);
	run_until(&rig, nothing_held, 0);
	assert_int_equal(rig.gaps, 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Of a disk that takes nothing memory takes the place, up to its bound; nobody waits, and all is counted. */
static void a_disk_that_is_full(void **state)
{
	uint16_t port = quiet_port();
	struct rig rig;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	prepare(&rig, port);
	rig.gateways[0].queue_events = 500;
	rig_start(&rig);
	run_until(&rig, recovered, 0);
	limit_files(1);
	for (unsigned i = 0; i < 16; i++) {
		push(&rig, 50);
		run_for(&rig, 10);
	}
	struct gateway_counts c = counts(&rig);
	assert_int_equal(c.events_held, 500);
	assert_int_equal(c.events_dropped, 300);
	assert_int_equal(c.spool.written, 0);
	assert_true(c.spool.failed > 0);
	assert_int_equal(c.spool.error, -EFBIG);
	limit_files(RLIM_INFINITY);
	run_until(&rig, all_kept, 10); /* without a restart */
	run_for(&rig, 100);
	push(&rig, 100); /* there is room again */
	struct stub *s = stub_start(port, &accepted, 1);
	run_until(&rig, nothing_held, 0);
	c = counts(&rig);
	assert_int_equal(c.events, 600);
	assert_int_equal(c.events_dropped, 300);
	assert_int_equal(rig.losses, 300);
	forwarder_free(rig.f);
	stub_stop(s);
}

/* While the disk takes nothing, a gateway that is up gets its events all the same. */
static void a_disk_that_is_full_delays_nobody(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	struct rig rig;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	start(&rig, stub_port(s));
	run_until(&rig, recovered, 0);
	limit_files(1);
	push(&rig, 200);
	run_until(&rig, nothing_held, 0);
	limit_files(RLIM_INFINITY);
	assert_int_equal(counts(&rig).events, 200);
	assert_int_equal(counts(&rig).bypassed, 4);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void what_belongs_to_nobody_is_told(void **state)
{
	struct buffer errors = BUFFER_INIT(4096);
	struct rig rig;

	(void)state;
	start(&rig, quiet_port());
	push(&rig, 70);
	run_until(&rig, is_down, 0);
	forwarder_flush(rig.f, 1000);
	forwarder_free(rig.f);
	rig_init(&rig, quiet_port());
	rig.gateways[0].name = (char *)"other";
	rig_start(&rig);
	forwarder_open_spools(rig.f, folder, &errors);
	assert_non_null(memmem(errors.data, errors.len, "/spool/main holds ", 18));
	assert_null(memmem(errors.data, errors.len, "/spool/other", 12));
	buffer_free(&errors);
	forwarder_free(rig.f);
}

static void two_processes_do_not_share_a_spool(void **state)
{
	struct stub *s = stub_start(0, &accepted, 1);
	struct buffer errors = BUFFER_INIT(4096);
	struct rig one, two;

	(void)state;
	start(&one, stub_port(s));
	rig_init(&two, stub_port(s));
	rig_start(&two);
	forwarder_open_spools(two.f, folder, &errors);
	assert_non_null(memmem(errors.data, errors.len, "another process has it", 22));
	push(&two, 50);
	run_until(&two, batches_delivered, 1);
	buffer_free(&errors);
	forwarder_free(one.f);
	forwarder_free(two.f);
	stub_stop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_outage_is_worked_off_in_order, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(the_new_overtakes_the_backlog, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_crash_loses_nothing_that_was_kept, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(what_waits_at_the_end_goes_at_the_next_start, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(a_disk_that_is_full, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_disk_that_is_full_delays_nobody, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(what_belongs_to_nobody_is_told, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(two_processes_do_not_share_a_spool, make_folder,
						remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
