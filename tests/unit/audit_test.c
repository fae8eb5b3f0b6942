// SPDX-License-Identifier: Apache-2.0
/* Notes become records, in order; what could not be written is counted where it is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include "sensor/audit.h"
#include "tests/unit/audit_rig.h"

static struct config config;
static struct audit *audit;

static int begin(void **state)
{
	config = (struct config){
		.mode = MODE_OBSERVE,
		.audit = {.enabled = true,
			  .size_max = 16u << 20,
			  .files_max = 2,
			  .fsync = AUDIT_FSYNC_SECOND},
	};
	if (rig_begin(state))
		return -1;
	config.state_dir = rig_state;
	return audit_new(&config, &clock_system, &audit);
}

static void close_log(void)
{
	audit_free(audit);
	audit = NULL;
}

static int end(void **state)
{
	close_log();
	return rig_end(state);
}

static struct event *decision(const char *reason)
{
	struct event *e = event_new(EVENT_DECISION, 64);

	assert_non_null(e);
	e->decision.verdict = (struct verdict){.id = "v-1",
					       .source = VERDICT_GATEWAY,
					       .origin = "test",
					       .action = VERDICT_BLOCK,
					       .confidence = 1};
	snprintf(e->decision.verdict.reason, sizeof e->decision.verdict.reason, "%s", reason);
	assert_int_equal(prefix_parse(SPAN("203.0.113.7"), &e->decision.verdict.target), 0);
	e->decision.outcome = DECISION_REFUSED;
	e->decision.why = event_tail_copy(e, SPAN("confidence"));
	return e;
}

static void note(const char *reason)
{
	struct event *e = decision(reason);

	audit_note_decision(audit, e, &(struct audit_who){0});
	event_unref(e);
}

static void expect_text(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in\n%s", part, text);
}

static void expect_whole(uint64_t records)
{
	struct audit_report r = rig_verify();

	if (r.fault)
		fail_msg("%s: %s", audit_fault_name(r.fault), r.what);
	assert_int_equal(r.records, records);
}

static void records_say_who_did_what(void **state)
{
	struct event *e = decision("sent \"quotes\"\xff");
	struct prefix target;

	(void)state;
	assert_int_equal(prefix_parse(SPAN("2001:db8::/64"), &target), 0);
	assert_int_equal(audit_start(audit), 0);
	audit_note_start(audit, "reload", "uid:1000");
	audit_note_decision(audit, e, &(struct audit_who){0});
	audit_note_decision(audit, e, &(struct audit_who){"uid:7", "approved", 12});
	audit_note_mended(audit, &target, "put_back");
	audit_note_setting(audit, "mode", NULL, "observe", "enforce", "uid:0");
	audit_note_setting(audit, "proxies", "192.0.2.9", "unclassified", "trusted", "uid:0");
	event_unref(e);
	close_log();
	char *text = rig_text();
	expect_text(text, "\"kind\":\"start\",\"by\":\"uid:1000\",\"why\":\"reload\",\"run\":\"");
	expect_text(text, "\"kind\":\"decision\",\"by\":\"gateway:test\",\"event\":{\"event.name\":\"picket."
			  "decision\"");
	expect_text(text, "\"kind\":\"decision\",\"by\":\"uid:7\",\"answer\":\"approved\",\"pending_id\":12,"
			  "\"event\":");
	expect_text(text, "\"picket.decision.reason\":\"sent \\\"quotes\\\"\xef\xbf\xbd\"");
	expect_text(
		text,
		"\"kind\":\"mended\",\"by\":\"picket\",\"target\":\"2001:db8::/64\",\"what\":\"put_back\"");
	expect_text(text, "\"kind\":\"setting\",\"by\":\"uid:0\",\"name\":\"mode\",\"before\":\"observe\","
			  "\"value\":\"enforce\"");
	expect_text(text, "\"name\":\"proxies\",\"subject\":\"192.0.2.9\",\"before\":\"unclassified\"");
	expect_text(text, "\"kind\":\"end\",\"by\":\"picket\"");
	free(text);
	expect_whole(7);
}

static void what_was_noted_is_on_disk_when_it_is_settled(void **state)
{
	(void)state;
	config.audit.fsync = AUDIT_FSYNC_ALWAYS;
	assert_int_equal(audit_start(audit), 0);
	for (unsigned i = 1; i <= 20; i++) {
		note("r");
		audit_settle(audit);
		expect_whole(i);
	}
	assert_int_equal(audit_counts(audit).records, 20);
	assert_int_equal(audit_counts(audit).head.seq, 20);
	assert_int_equal(audit_counts(audit).state, AUDIT_ON);
}

/* The queue fills before anybody writes. */
static void what_does_not_fit_is_counted_at_its_place(void **state)
{
	(void)state;
	config.audit.fsync = AUDIT_FSYNC_ALWAYS;
	for (unsigned i = 0; i < AUDIT_NOTES_MAX + 5; i++)
		note("r");
	assert_int_equal(audit_counts(audit).held, AUDIT_NOTES_MAX);
	assert_int_equal(audit_counts(audit).missing, 5);
	assert_int_equal(audit_start(audit), 0);
	while (audit_counts(audit).held)
		audit_settle(audit);
	note("last");
	close_log();
	struct audit_report r = rig_verify();
	assert_int_equal(r.fault, AUDIT_WHOLE);
	assert_int_equal(r.missing, 5);
	/* All that fit, one that says how many did not, the last, and the end. */
	assert_int_equal(r.records, AUDIT_NOTES_MAX + 3);
	char *text = rig_text();
	const char *missing = strstr(text, "\"kind\":\"missing\",\"by\":\"picket\",\"count\":5"),
		   *last = strstr(text, "\"picket.decision.reason\":\"last\"");
	assert_true(missing && last && missing < last);
	free(text);
}

static void *flood(void *arg)
{
	for (unsigned i = 0; i < 2500; i++)
		note(arg);
	return NULL;
}

static void many_threads_leave_notes_and_every_one_is_accounted_for(void **state)
{
	pthread_t threads[4];

	(void)state;
	config.audit.size_max = 64u << 20;
	assert_int_equal(audit_start(audit), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, flood, "flood"), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	close_log();
	struct audit_report r = rig_verify();
	assert_int_equal(r.fault, AUDIT_WHOLE);
	char *text = rig_text();
	uint64_t there = 0;
	size_t left = strlen(text);
	for (char *at = text, *newline; (newline = memchr(at, '\n', left)); at = newline + 1) {
		left -= (size_t)(newline + 1 - at);
		*newline = 0;
		there += strstr(at, "\"kind\":\"decision\"") != NULL;
	}
	free(text);
	assert_int_equal(there + r.missing, 10000);
}

static bool state_becomes(enum audit_state wanted)
{
	static const struct timespec pause = {.tv_nsec = 10000000};

	for (unsigned i = 0; i < 1000; i++) {
		if (audit_counts(audit).state == wanted)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void a_disk_that_is_full_stops_nobody(void **state)
{
	struct rlimit was, low;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	config.audit.fsync = AUDIT_FSYNC_ALWAYS;
	assert_int_equal(audit_start(audit), 0);
	note("before");
	audit_settle(audit);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	low = was;
	low.rlim_cur = 700;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	note("does not fit");
	assert_true(state_becomes(AUDIT_UNWRITTEN));
	for (unsigned i = 0; i < AUDIT_NOTES_MAX + 10; i++)
		note("waits");
	audit_settle(audit); /* does not wait for what cannot be */
	struct audit_counts c = audit_counts(audit);
	assert_int_equal(c.held, AUDIT_NOTES_MAX);
	assert_int_equal(c.missing, 11);
	assert_int_equal(c.error, -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_true(state_becomes(AUDIT_ON));
	note("after");
	close_log();
	struct audit_report r = rig_verify();
	assert_int_equal(r.fault, AUDIT_WHOLE);
	assert_true(r.missing >= 11);
	char *text = rig_text();
	expect_text(text, "\"picket.decision.reason\":\"does not fit\"");
	free(text);
}

static void without_files_everything_is_missing_and_nothing_fails(void **state)
{
	(void)state;
	close_log();
	config.state_dir = "/nowhere";
	assert_int_equal(audit_new(&config, &clock_system, &audit), 0);
	assert_int_equal(audit_start(audit), 0);
	note("r");
	audit_settle(audit);
	assert_int_equal(audit_counts(audit).state, AUDIT_UNOPENED);
	assert_int_equal(audit_counts(audit).error, -ENOENT);
	assert_int_equal(audit_counts(audit).missing, 1);
}

static void an_audit_log_may_be_off(void **state)
{
	char path[512];
	struct stat st;

	(void)state;
	close_log();
	assert_int_equal(rig_end(state), 0);
	assert_int_equal(rig_begin(state), 0);
	config.audit.enabled = false;
	assert_int_equal(audit_new(&config, &clock_system, &audit), 0);
	assert_int_equal(audit_start(audit), 0);
	note("r");
	audit_settle(audit);
	assert_int_equal(audit_counts(audit).state, AUDIT_OFF);
	assert_int_equal(audit_counts(audit).missing, 0);
	rig_path(".", path);
	assert_int_equal(stat(path, &st), -1);
	/* And none at all. */
	audit_note_mended(NULL, &(struct prefix){0}, "put_back");
	audit_settle(NULL);
	assert_int_equal(audit_counts(NULL).state, AUDIT_OFF);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(records_say_who_did_what),
		STORY(what_was_noted_is_on_disk_when_it_is_settled),
		STORY(what_does_not_fit_is_counted_at_its_place),
		STORY(many_threads_leave_notes_and_every_one_is_accounted_for),
		STORY(a_disk_that_is_full_stops_nobody),
		STORY(without_files_everything_is_missing_and_nothing_fails),
		STORY(an_audit_log_may_be_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
