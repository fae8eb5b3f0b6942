// SPDX-License-Identifier: Apache-2.0
/* What is known of clients is known after a restart, for as long as it would have been, on whichever boot and
 * with whatever clock; and never more of it than there is room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sqlite3.h>
#include "policies/detect.h"
#include "sensor/memory.h"
#include "tests/unit/journal_rig.h"

#define MINUTE      (60 * NS_PER_S)
#define EARLIER_RUN "0123456789abcdef"

static struct config config;
static struct memory *memory;
static struct memory_parts parts;
static size_t regulars_max;

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(span_from(text), &a), 0);
	return a;
}

/* As a daemon's start: everybody's memory is empty until what was kept is in it. */
static void start(void)
{
	const struct regulars_limits limits = {.requests = 2, .span_ns = MINUTE, .within_ns = HOUR};

	config.state_dir = rig_state;
	config.limits.ttl_max_ms = 24 * HOUR / NS_PER_MS;
	assert_int_equal(regulars_new(regulars_max, &limits, &parts.regulars), 0);
	assert_int_equal(witness_new(100, 10 * MINUTE, &parts.witness), 0);
	assert_int_equal(forecast_new(&parts.forecast), 0);
	assert_int_equal(behaviour_new(16, 16, &parts.behaviour), 0);
	assert_int_equal(baseline_new(16, &(struct baseline_limits){HOUR, 3}, &parts.baseline), 0);
	struct buffer errors = BUFFER_INIT(4096);
	if (detect_new(&config, NULL, &parts.detect, &errors))
		fail_msg("%.*s", (int)errors.len, errors.data);
	buffer_free(&errors);
	const uint64_t key[2] = {7, 8}; /* of a first start: what is estimated is the same each time */
	regulars_set_key(parts.regulars, key);
	assert_int_equal(memory_new(&config, &rig_clock, &memory), 0);
	assert_int_equal(memory_load(memory, &parts), 0);
	assert_int_equal(memory_start(memory), 0);
}

/* An orderly end: what changed is written. */
static void stop(void)
{
	memory_free(memory);
	memory = NULL;
	regulars_free(parts.regulars);
	witness_free(parts.witness);
	forecast_free(parts.forecast);
	behaviour_free(parts.behaviour);
	baseline_free(parts.baseline);
	detect_free(parts.detect);
	parts = (struct memory_parts){.regulars = NULL};
}

static void restart(void)
{
	stop();
	start();
}

static void sql(const char *words)
{
	char path[512];
	sqlite3 *db;

	rig_path(MEMORY_NAME, path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, words, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", words, sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* The machine starts anew, whose boot clock begins there; so much time has passed outside. */
static void reboot(uint64_t boot_ns, int64_t passed_ns)
{
	stop();
	sql("UPDATE clock SET boot = 'another'");
	rig_boot_ns = boot_ns;
	rig_wall_ns += (uint64_t)passed_ns;
	start();
}

static int begin(void **state)
{
	regulars_max = 100;
	if (rig_begin(state))
		return -1;
	start();
	return 0;
}

static int end(void **state)
{
	stop();
	return rig_end(state);
}

static void served_on(const char *client, const char *consumer, const char *route)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, 0);

	assert_non_null(e);
	e->time_ns = rig_boot_ns;
	e->flow.peer.addr = e->request.client.addr = address(client);
	e->request.method = SPAN("GET");
	e->request.route = span_from(route);
	e->request.route_id = 1;
	e->request.consumer = span_from(consumer);
	e->request.answered = EVENT_ANSWER_SEEN;
	e->request.status = 200;
	regulars_note(parts.regulars, e);
	forecast_note(parts.forecast, e);
	event_unref(e);
}

static void settle(const char *client, const char *consumer)
{
	served_on(client, consumer, "/orders");
	rig_pass(MINUTE);
	served_on(client, consumer, "/orders");
}

static size_t here(const char *client)
{
	const struct prefix p = rig_target(client);

	return regulars_share(parts.regulars, &p, rig_boot_ns).here;
}

static void who_is_served_regularly_is_known_at_once(void **state)
{
	(void)state;
	settle("192.0.2.1", "c_alice");
	settle("192.0.2.1", "c_bob");
	settle("2001:db8::7", "c_carol");
	served_on("192.0.2.9", "c_new", "/orders");
	restart();
	assert_int_equal(here("192.0.2.1"), 2);
	assert_int_equal(here("2001:db8::99"), 1); /* its /64 */
	assert_int_equal(here("192.0.2.9"), 0);
	/* What was seen of a newcomer counts, too. */
	rig_pass(MINUTE);
	served_on("192.0.2.9", "c_new", "/orders");
	assert_int_equal(here("192.0.2.9"), 1);
	/* They are the same ones. */
	served_on("192.0.2.1", "c_alice", "/orders");
	assert_int_equal(here("192.0.2.1"), 2);
	/* And have as long as they had. */
	rig_pass(HOUR - MINUTE + 1);
	restart();
	assert_int_equal(here("2001:db8::99"), 0);
	assert_int_equal(here("192.0.2.1"), 1);
}

static void where_no_credential_counts_none_counts_after_a_restart(void **state)
{
	(void)state;
	served_on("192.0.2.50", "", "/open");
	restart();
	served_on("192.0.2.9", "c_made_up", "/open");
	rig_pass(MINUTE);
	served_on("192.0.2.9", "c_made_up", "/open");
	assert_int_equal(here("192.0.2.9"), 0);
	assert_int_equal(regulars_counts(parts.regulars).open, 2);
}

static void after_a_reboot_times_are_what_they_were(void **state)
{
	(void)state;
	settle("192.0.2.1", "c_alice");
	reboot(5 * NS_PER_S, 30 * (int64_t)MINUTE);
	assert_int_equal(here("192.0.2.1"), 1);
	rig_pass(30 * MINUTE - NS_PER_S);
	assert_int_equal(here("192.0.2.1"), 1);
	rig_pass(2 * NS_PER_S);
	assert_int_equal(here("192.0.2.1"), 0);
}

static void a_wall_clock_that_was_set_back_makes_nobody_younger_than_now(void **state)
{
	(void)state;
	settle("192.0.2.1", "c_alice");
	reboot(5 * NS_PER_S, -24 * (int64_t)HOUR);
	assert_int_equal(here("192.0.2.1"), 1);
	rig_pass(HOUR + 1);
	assert_int_equal(here("192.0.2.1"), 0);
}

/* As when so many came that they had to be told apart by a larger build. */
static void no_more_come_back_than_there_is_room_for(void **state)
{
	char client[32];

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		snprintf(client, sizeof client, "192.0.2.%u", i);
		settle(client, "c_alice");
	}
	stop();
	regulars_max = 10;
	start();
	assert_int_equal(regulars_counts(parts.regulars).regulars, 10);
	assert_int_equal(memory_counts(memory).restored[MEMORY_REGULARS], 10);
	assert_int_equal(memory_counts(memory).ended[MEMORY_REGULARS], 30);
}

static void serve(const char *client, const char *consumer, const char *method, unsigned times)
{
	struct event e = {.kind = EVENT_HTTP_REQUEST, .time_ns = rig_boot_ns};

	e.request.client.addr = address(client);
	e.request.method = span_from(method);
	e.request.consumer = span_from(consumer);
	e.request.answered = EVENT_ANSWER_SEEN;
	e.request.status = 200;
	for (unsigned i = 0; i < times; i++)
		behaviour_note(parts.behaviour, &e);
}

static void what_a_consumer_did_is_known_after_a_restart(void **state)
{
	static const struct span consumer = SPAN("c_0100000000000000aa");
	struct event e = {.kind = EVENT_HTTP_REQUEST};
	struct behaviour_info info;

	(void)state;
	serve("192.0.2.1", consumer.ptr, "GET", 12);
	serve("192.0.2.9", "", "GET", 1); /* is not known well */
	restart();
	assert_int_equal(memory_counts(memory).restored[MEMORY_BEHAVIOUR], 2);
	assert_true(behaviour_of_consumer(parts.behaviour, consumer, &info));
	assert_int_equal(info.all.requests, 12);
	assert_int_equal(info.all.statuses[2], 12);
	e.request.consumer = consumer;
	e.request.method = SPAN("GET");
	assert_false(behaviour_first_method(parts.behaviour, &e));
	e.request.method = SPAN("DELETE");
	assert_true(behaviour_first_method(parts.behaviour, &e));
	/* What makes no sense is put aside, and the rest is there. */
	stop();
	sql("UPDATE behaviour SET facts = x'00' WHERE slot = (SELECT min(slot) FROM behaviour)");
	start();
	assert_int_equal(memory_counts(memory).unreadable, 1);
	assert_int_equal(memory_counts(memory).restored[MEMORY_BEHAVIOUR], 1);
}

static void what_is_normal_is_known_after_a_restart(void **state)
{
	static const struct span route = SPAN("/orders/{id}");

	(void)state;
	for (uint8_t g = 1; g < 6; g++) {
		struct addr who = {.family = ADDR_IPV4, .bytes = {10, 0, 0, g}};
		baseline_note(parts.baseline, "rule", route, &who, 1, rig_boot_ns);
		baseline_note(parts.baseline, "rule", route, &who, 2, rig_boot_ns);
	}
	rig_pass(2 * HOUR);
	restart();
	assert_int_equal(memory_counts(memory).restored[MEMORY_BASELINES], 1);
	assert_false(baseline_exceeded(parts.baseline, "rule", route, NULL, 12, 4, rig_boot_ns, NULL));
	assert_true(baseline_exceeded(parts.baseline, "rule", route, NULL, 13, 4, rig_boot_ns, NULL));
	baseline_reset(parts.baseline, SPAN_NULL);
	restart();
	assert_int_equal(memory_counts(memory).restored[MEMORY_BASELINES], 0);
}

static void count_verdict(void *arg, const struct verdict *v)
{
	assert_string_equal(v->origin, "login-stuffing");
	++*(unsigned *)arg;
}

/* A refused login with a body of that length; returns how many verdicts it brings. */
static unsigned try_login(uint64_t length)
{
	struct http_request request = {.method = SPAN("POST"),
				       .target = SPAN("/api/login"),
				       .path = SPAN("/api/login"),
				       .headers = {{SPAN("Content-Type"), SPAN("application/json")}},
				       .header_count = 1};
	struct event e = {.kind = EVENT_HTTP_REQUEST, .id = length, .time_ns = rig_boot_ns};
	unsigned verdicts = 0;

	e.flow.peer.addr = e.request.client.addr = address("198.51.100.7");
	e.request.method = request.method;
	e.request.path = request.path;
	e.request.content_length = length;
	detect_request(parts.detect, &request, &e, &e.request.pending, count_verdict, &verdicts);
	e.request.status = 401;
	e.request.answered = EVENT_ANSWER_SEEN;
	detect_answer(parts.detect, &e, count_verdict, &verdicts);
	return verdicts;
}

/* Each minute one. */
static unsigned try_logins(unsigned count)
{
	unsigned verdicts = 0;

	for (unsigned i = 0; i < count; i++) {
		verdicts += try_login(40 + i);
		rig_pass(MINUTE);
	}
	return verdicts;
}

static void a_slow_guesser_does_not_begin_anew_with_picket(void **state)
{
	(void)state;
	assert_int_equal(try_logins(5), 0);
	restart();
	assert_true(memory_counts(memory).restored[MEMORY_COUNTS] >= 1);
	assert_int_equal(try_login(40), 0); /* one that was tried before */
	assert_int_equal(try_login(70), 1);
	/* It has fired: it is silent for a while, over a restart, too. */
	restart();
	assert_int_equal(try_login(71) + try_login(72) + try_login(73), 0);
}

static void what_was_counted_ends_with_its_window_and_with_the_machine(void **state)
{
	(void)state;
	try_logins(5);
	stop();
	rig_pass(30 * MINUTE);
	start();
	assert_int_equal(memory_counts(memory).restored[MEMORY_COUNTS], 0);
	try_logins(5);
	reboot(MINUTE, (int64_t)(5 * HOUR));
	assert_int_equal(memory_counts(memory).restored[MEMORY_COUNTS], 0);
	assert_int_equal(try_login(70), 0);
}

static void a_count_that_makes_no_sense_is_left_out(void **state)
{
	(void)state;
	try_logins(5);
	stop();
	sql("UPDATE counts SET rule = 'gone'");
	start();
	assert_int_equal(memory_counts(memory).restored[MEMORY_COUNTS], 0);
	assert_true(memory_counts(memory).ended[MEMORY_COUNTS] >= 1);
	try_logins(5);
	stop();
	sql("UPDATE counts SET tried = x'00'");
	start();
	assert_int_equal(memory_counts(memory).restored[MEMORY_COUNTS], 0);
	assert_true(memory_counts(memory).unreadable >= 1);
}

static void a_memory_of_before_clients_were_known_is_upgraded(void **state)
{
	(void)state;
	settle("192.0.2.1", "c_alice");
	stop();
	sql("DROP TABLE behaviour; DROP TABLE baselines; DROP TABLE counts; PRAGMA user_version = 1");
	start();
	assert_int_equal(memory_counts(memory).restored[MEMORY_REGULARS], 1);
	assert_string_equal(memory_counts(memory).aside, "");
	serve("192.0.2.1", "c_0100000000000000aa", "GET", 12);
	restart();
	assert_int_equal(memory_counts(memory).restored[MEMORY_BEHAVIOUR], 2);
}

static bool cites(const char *run, uint64_t id, bool *framed)
{
	struct verdict v = {.source = VERDICT_GATEWAY, .target = rig_target("192.0.2.1")};

	v.evidence_count = 1;
	snprintf(v.evidence[0], VERDICT_ID_MAX, "%s-%llu", run, (unsigned long long)id);
	return witness_ask(parts.witness, &v, rig_boot_ns, framed);
}

static void a_gateway_may_cite_what_fired_before_the_restart(void **state)
{
	const struct prefix target = rig_target("192.0.2.1");
	bool framed;

	(void)state;
	witness_note(parts.witness, 7, &target, true, rig_boot_ns);
	witness_note(parts.witness, 8, &target, false, rig_boot_ns);
	stop();
	sql("UPDATE witnesses SET run = '" EARLIER_RUN "'");
	start();
	witness_note(parts.witness, 9, &target, false, rig_boot_ns);
	restart(); /* and another one */
	assert_int_equal(memory_counts(memory).restored[MEMORY_WITNESSES], 3);
	assert_int_equal(memory_counts(memory).unreadable, 0);
	assert_string_equal(memory_counts(memory).aside, "");
	assert_true(cites(EARLIER_RUN, 7, &framed));
	assert_true(framed);
	assert_true(cites(EARLIER_RUN, 8, &framed));
	assert_false(framed);
	assert_true(cites(event_run_id(), 9, &framed));
	assert_false(cites(event_run_id(), 7, &framed));
	assert_false(cites(EARLIER_RUN, 9, &framed));
	rig_pass(10 * MINUTE);
	restart();
	assert_false(cites(EARLIER_RUN, 7, &framed));
}

static void would_block(const char *target)
{
	struct event *e = event_new(EVENT_DECISION, 64);

	assert_non_null(e);
	e->time_ns = rig_boot_ns;
	e->decision.verdict = rig_claim(target, VERDICT_GATEWAY, "test", HOUR).verdict;
	e->decision.outcome = DECISION_WOULD_BLOCK;
	e->decision.why = SPAN("observe");
	forecast_note(parts.forecast, e);
	event_unref(e);
}

static struct forecast_entry forecast_of(const char *target)
{
	const struct prefix p = rig_target(target);
	struct forecast_entry *list, found = {.requests = 0};
	size_t count;

	assert_int_equal(forecast_list(parts.forecast, INT64_MIN, &list, &count), 0);
	for (size_t i = 0; i < count; i++)
		if (prefix_equal(&list[i].verdict.target, &p))
			found = list[i];
	free(list);
	return found;
}

static void the_forecast_goes_on_since_monday(void **state)
{
	uint64_t monday_ns = rig_wall_ns;

	(void)state;
	rig_pass(MINUTE);
	would_block("192.0.2.1");
	served_on("192.0.2.1", "", "/orders/{id}");
	served_on("192.0.2.1", "", "");
	reboot(5 * NS_PER_S, 10 * (int64_t)MINUTE);
	assert_int_equal(clock_wall_of_boot(&rig_clock, (uint64_t)forecast_since(parts.forecast)), monday_ns);
	struct forecast_entry e = forecast_of("192.0.2.1");
	assert_int_equal(e.requests, 2);
	assert_int_equal(clock_wall_of_boot(&rig_clock, e.began_ns), monday_ns + MINUTE);
	assert_int_equal(clock_wall_of_boot(&rig_clock, e.until_ns), monday_ns + MINUTE + HOUR);
	assert_string_equal(e.verdict.reason, rig_claim("192.0.2.1", VERDICT_GATEWAY, "", 1).verdict.reason);
	assert_int_equal(e.verdict.evidence_count, 2);
	/* It still counts, by the same route. */
	served_on("192.0.2.1", "", "/orders/{id}");
	e = forecast_of("192.0.2.1");
	assert_int_equal(e.requests, 3);
	assert_int_equal(e.route_count, 1);
	assert_true(span_equal(e.routes[0].route, SPAN("/orders/{id}")));
	assert_int_equal(e.routes[0].requests, 2);
	assert_int_equal(e.elsewhere, 1);
	/* Until its time is over. */
	rig_pass(50 * MINUTE);
	served_on("192.0.2.1", "", "/orders/{id}");
	assert_int_equal(forecast_of("192.0.2.1").requests, 3);
}

/* --- repeaters and rejections, without an enforcer --- */

static struct memory_file *file;
static struct offenders *offenders;
static struct rejected_list rejected;

static void on_offender(void *arg, const union memory_record *r)
{
	(void)arg;
	(void)offenders_restore(offenders, &r->offender, rig_boot_ns);
}

static void on_rejected(void *arg, const union memory_record *r)
{
	(void)arg;
	(void)rejected_restore(&rejected, &r->rejected, rig_boot_ns);
}

static void file_open(const char *boot)
{
	const struct store_options o = {.state_dir = rig_state, .boot = boot, .clock = &rig_clock};
	struct store_found found;
	uint64_t unreadable = 0;

	offenders_free(offenders);
	assert_int_equal(offenders_new(100, HOUR, &offenders), 0);
	rejected = (struct rejected_list){.next = 0};
	assert_int_equal(memory_file_open(&o, HOUR / NS_PER_MS, &file, &found), 0);
	assert_int_equal(memory_file_load(file, MEMORY_OFFENDERS, on_offender, NULL, &unreadable), 0);
	assert_int_equal(memory_file_load(file, MEMORY_REJECTED, on_rejected, NULL, &unreadable), 0);
	assert_int_equal(unreadable, 0);
}

static void file_write(void)
{
	const struct memory_basis basis = {.since_ns = 1};
	union memory_record r;
	uint32_t slot;
	bool gone;

	assert_int_equal(memory_file_begin(file), 0);
	while (offenders_changes(offenders, &r.offender, &slot, &gone, 1))
		assert_int_equal(memory_file_put(file, MEMORY_OFFENDERS, slot, gone ? NULL : &r), 0);
	while (rejected_changes(&rejected, &r.rejected, &slot, &gone, 1))
		assert_int_equal(memory_file_put(file, MEMORY_REJECTED, slot, gone ? NULL : &r), 0);
	assert_int_equal(memory_file_commit(file, &basis), 0);
}

static void file_again(const char *boot)
{
	file_write();
	memory_file_free(file);
	file_open(boot);
}

static int file_end(void **state)
{
	memory_file_free(file);
	file = NULL;
	offenders_free(offenders);
	offenders = NULL;
	return rig_end(state);
}

static unsigned before(const char *target)
{
	const struct prefix p = rig_target(target);

	return offenders_before(offenders, &p, rig_boot_ns);
}

static void who_was_blocked_before_is_blocked_for_longer(void **state)
{
	const struct prefix ended = rig_target("192.0.2.1"), now = rig_target("192.0.2.2"),
			    forgiven = rig_target("192.0.2.3"), net = rig_target("2001:db8:1:2::/64");

	(void)state;
	file_open("boot-a");
	offenders_note(offenders, &ended, rig_boot_ns, rig_boot_ns + MINUTE);
	offenders_note(offenders, &forgiven, rig_boot_ns, rig_boot_ns + MINUTE);
	rig_pass(2 * MINUTE);
	offenders_note(offenders, &ended, rig_boot_ns, rig_boot_ns + MINUTE);
	rig_pass(2 * MINUTE);
	offenders_note(offenders, &now, rig_boot_ns, rig_boot_ns + 30 * MINUTE);
	offenders_note(offenders, &net, rig_boot_ns, rig_boot_ns + MINUTE);
	file_again("boot-a");
	assert_int_equal(before("192.0.2.3"), 1);
	offenders_forget(offenders, &forgiven);
	rig_pass(10 * MINUTE);
	file_again("boot-a");
	assert_int_equal(before("192.0.2.1"), 2);
	assert_int_equal(before("192.0.2.2"), 0); /* it is its first, and lasts */
	assert_int_equal(before("192.0.2.3"), 0);
	assert_int_equal(before("2001:db8:1:2::5"), 1);
	/* After a reboot it lasts as long as it did. */
	file_write();
	memory_file_free(file);
	rig_boot_ns = 3 * NS_PER_S;
	rig_wall_ns += MINUTE;
	file_open("boot-b");
	assert_int_equal(before("192.0.2.2"), 0);
	rig_pass(20 * MINUTE);
	assert_int_equal(before("192.0.2.2"), 1);
	rig_pass(26 * MINUTE); /* an hour behind the end of the other one: 11 + 46 minutes ago, and more */
	assert_int_equal(before("192.0.2.1"), 2);
	rig_pass(5 * MINUTE);
	assert_int_equal(before("192.0.2.1"), 0);
	assert_int_equal(before("192.0.2.2"), 1);
}

static bool is_rejected(const char *target, enum verdict_action action, enum verdict_scope scope,
			const char *origin)
{
	struct verdict v = rig_claim(target, VERDICT_GATEWAY, origin, MINUTE).verdict;

	v.action = action;
	v.scope = scope;
	return rejected_find(&rejected, &v, rig_boot_ns) != NULL;
}

static void what_was_rejected_is_not_asked_again_for_a_day(void **state)
{
	const struct verdict v = rig_claim("192.0.2.1", VERDICT_GATEWAY, "test", HOUR).verdict,
			     other = rig_claim("192.0.2.2", VERDICT_GATEWAY, "test", HOUR).verdict;

	(void)state;
	file_open("boot-a");
	rejected_put(&rejected, &v, rig_boot_ns);
	rejected_put(&rejected, &other, rig_boot_ns);
	file_again("boot-a");
	assert_true(is_rejected("192.0.2.1", VERDICT_BLOCK, VERDICT_SCOPE_PORTS, "test"));
	/* Another question. */
	assert_false(is_rejected("192.0.2.1", VERDICT_BLOCK, VERDICT_SCOPE_HOST, "test"));
	assert_false(is_rejected("192.0.2.1", VERDICT_RATE_LIMIT, VERDICT_SCOPE_PORTS, "test"));
	assert_false(is_rejected("192.0.2.1", VERDICT_BLOCK, VERDICT_SCOPE_PORTS, "another"));
	assert_false(is_rejected("192.0.2.0/24", VERDICT_BLOCK, VERDICT_SCOPE_PORTS, "test"));
	rejected_forget(&rejected, &other.target);
	file_write();
	memory_file_free(file);
	rig_boot_ns = NS_PER_S;
	rig_wall_ns += 23 * HOUR;
	file_open("boot-b");
	assert_true(is_rejected("192.0.2.1", VERDICT_BLOCK, VERDICT_SCOPE_PORTS, "test"));
	assert_false(is_rejected("192.0.2.2", VERDICT_BLOCK, VERDICT_SCOPE_PORTS, "test"));
	rig_pass(HOUR + 1);
	assert_false(is_rejected("192.0.2.1", VERDICT_BLOCK, VERDICT_SCOPE_PORTS, "test"));
	file_again("boot-b");
	assert_false(is_rejected("192.0.2.1", VERDICT_BLOCK, VERDICT_SCOPE_PORTS, "test"));
}

static void so_many_rejections_and_no_more(void **state)
{
	char target[32];

	(void)state;
	for (unsigned i = 0; i <= REJECTED_MAX; i++) {
		snprintf(target, sizeof target, "192.0.%u.%u", i / 256, i % 256);
		const struct verdict v = rig_claim(target, VERDICT_GATEWAY, "test", HOUR).verdict;
		rejected_put(&rejected, &v, rig_boot_ns);
	}
	assert_int_equal(rejected.forgotten, 1);
	assert_false(is_rejected("192.0.0.0", VERDICT_BLOCK, VERDICT_SCOPE_PORTS, "test"));
	assert_true(is_rejected("192.0.4.0", VERDICT_BLOCK, VERDICT_SCOPE_PORTS, "test"));
}

/* --- a file in a bad way --- */

static void rows_that_make_no_sense_are_left_out_and_kept_aside(void **state)
{
	char path[512];

	(void)state;
	settle("192.0.2.1", "c_alice");
	settle("192.0.2.2", "c_bob");
	would_block("192.0.2.3");
	served_on("192.0.2.3", "", "/orders");
	stop();
	sql("UPDATE regulars SET who = x'0441c0000201' WHERE who = x'0420c0000201';"
	    "UPDATE forecast SET routes = '12 no end';"
	    "INSERT INTO rejected VALUES (3000, x'00', 1, 1, 1, 'x', 0);"
	    "INSERT INTO witnesses VALUES (-1, 'no run', 'x', x'0420c0000201', 7, 'x');");
	start();
	assert_int_equal(memory_counts(memory).unreadable, 4);
	assert_int_equal(here("192.0.2.1"), 0);
	assert_int_equal(here("192.0.2.2"), 1);
	assert_string_equal(memory_counts(memory).aside, MEMORY_SPARE);
	assert_int_equal(memory_counts(memory).state, JOURNAL_ON);
	rig_path(MEMORY_SPARE, path);
	assert_int_equal(access(path, F_OK), 0);
	restart();
	assert_int_equal(memory_counts(memory).unreadable, 0);
	assert_int_equal(here("192.0.2.2"), 1);
}

static void what_is_no_database_is_put_aside(void **state)
{
	char path[512];

	(void)state;
	settle("192.0.2.1", "c_alice");
	stop();
	rig_path(MEMORY_NAME, path);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("no database", f);
	fclose(f);
	rig_path(MEMORY_NAME "-wal", path);
	unlink(path);
	start();
	assert_true(memory_counts(memory).aside[0]);
	assert_int_equal(here("192.0.2.1"), 0);
	settle("192.0.2.1", "c_alice");
	restart();
	assert_int_equal(here("192.0.2.1"), 1);
}

static void without_a_folder_picket_goes_on(void **state)
{
	(void)state;
	stop();
	char kept[sizeof rig_state];
	memcpy(kept, rig_state, sizeof kept);
	snprintf(rig_state, sizeof rig_state, "/nonexistent");
	start();
	assert_int_equal(memory_counts(memory).state, JOURNAL_UNOPENED);
	assert_int_equal(memory_counts(memory).error, -ENOENT);
	settle("192.0.2.1", "c_alice");
	assert_int_equal(here("192.0.2.1"), 1);
	stop();
	memcpy(rig_state, kept, sizeof kept);
	start();
}

#define STORY(name)      cmocka_unit_test_setup_teardown(name, begin, end)
#define FILE_STORY(name) cmocka_unit_test_setup_teardown(name, rig_begin, file_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(who_is_served_regularly_is_known_at_once),
		STORY(where_no_credential_counts_none_counts_after_a_restart),
		STORY(after_a_reboot_times_are_what_they_were),
		STORY(a_wall_clock_that_was_set_back_makes_nobody_younger_than_now),
		STORY(no_more_come_back_than_there_is_room_for),
		STORY(a_gateway_may_cite_what_fired_before_the_restart),
		STORY(the_forecast_goes_on_since_monday),
		STORY(what_a_consumer_did_is_known_after_a_restart),
		STORY(what_is_normal_is_known_after_a_restart),
		STORY(a_memory_of_before_clients_were_known_is_upgraded),
		STORY(a_slow_guesser_does_not_begin_anew_with_picket),
		STORY(what_was_counted_ends_with_its_window_and_with_the_machine),
		STORY(a_count_that_makes_no_sense_is_left_out),
		FILE_STORY(who_was_blocked_before_is_blocked_for_longer),
		FILE_STORY(what_was_rejected_is_not_asked_again_for_a_day),
		FILE_STORY(so_many_rejections_and_no_more),
		STORY(rows_that_make_no_sense_are_left_out_and_kept_aside),
		STORY(what_is_no_database_is_put_aside),
		STORY(without_a_folder_picket_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
