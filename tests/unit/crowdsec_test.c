// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "lib/util.h"
#include "policies/crowdsec.h"

#define NOW 1800000000ull

static struct config_gateway config;
static struct crowdsec *crowdsec;
static uint64_t now;

static int begin(void **state)
{
	(void)state;
	config = (struct config_gateway){.name = (char *)"crowdsec", .protocol = GATEWAY_CROWDSEC};
	now = NOW;
	return crowdsec_new(&config, &crowdsec);
}

static int end(void **state)
{
	(void)state;
	crowdsec_free(crowdsec);
	return 0;
}

static struct crowdsec_decision of(uint64_t id, const char *scope, const char *value, const char *duration)
{
	return (struct crowdsec_decision){
		.id = id,
		.scope = span_from(scope),
		.value = span_from(value),
		.duration = span_from(duration),
		.type = SPAN("ban"),
		.origin = SPAN("cscli"),
		.scenario = SPAN("test/one"),
	};
}

static void is_new(uint64_t id, const char *value, const char *duration)
{
	const struct crowdsec_decision d = of(id, strchr(value, '/') ? "Range" : "Ip", value, duration);

	assert_int_equal(crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now), 0);
}

static void is_deleted(uint64_t id, const char *value)
{
	const struct crowdsec_decision d = of(id, strchr(value, '/') ? "Range" : "Ip", value, "-1.5s");

	assert_int_equal(crowdsec_take(crowdsec, CROWDSEC_DELETED, &d, now), 0);
}

static void delta(void)
{
	crowdsec_begin(crowdsec, false);
}

static void whole(void)
{
	crowdsec_begin(crowdsec, true);
}

/* What is in force, in its order: "TARGET@SECONDS ". */
static const char *all(void)
{
	static char text[4096];
	char one[PREFIX_TEXT_MAX];
	struct list_report report;
	struct list *l = NULL;
	size_t n = 0;

	text[0] = 0;
	assert_int_equal(crowdsec_list(crowdsec, now, &l, &report), 0);
	for (uint32_t at = 0; at < list_count(l) && n < sizeof text; at++) {
		struct prefix p = list_target(l, at);
		n += (size_t)snprintf(text + n, sizeof text - n, "%s@%llu ", prefix_format(&p, one),
				      (unsigned long long)(list_end_s(l, at) - now));
	}
	list_free(l);
	return text;
}

static void bans_of_addresses_and_ranges(void **state)
{
	(void)state;
	whole();
	is_new(1, "192.0.2.1", "4m59.381838712s");
	is_new(2, "198.51.100.0/24", "59m59.381836769s");
	is_new(3, "2001:db8::/32", "1h");
	is_new(4, "::ffff:203.0.113.9", "168h0m0s");
	assert_true(crowdsec_changed(crowdsec));
	assert_false(crowdsec_end(crowdsec));
	assert_string_equal(all(),
			    "192.0.2.1@300 198.51.100.0/24@3600 203.0.113.9@604800 2001:db8::/32@3600 ");
	assert_false(crowdsec_changed(crowdsec));
}

static void bits_beyond_a_range_mean_the_range(void **state)
{
	(void)state;
	whole();
	is_new(1, "198.51.100.77/24", "1h");
	is_new(2, "2001:db8::5/48", "1h");
	assert_string_equal(all(), "198.51.100.0/24@3600 2001:db8::/48@3600 ");
}

static void scopes_types_and_simulation(void **state)
{
	static const char *const scopes[] = {"AS", "Country", "username", ""};
	struct crowdsec_decision d = of(1, "IP", "192.0.2.1", "1h");

	(void)state;
	whole();
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	d = of(2, "rAnGe", "198.51.100.0/24", "1h");
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
		d = of(3 + i, scopes[i], "192.0.2.9", "1h");
		crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	}
	d = of(9, "Ip", "192.0.2.10", "1h");
	d.type = SPAN("captcha");
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	d = of(10, "Ip", "192.0.2.11", "1h");
	d.simulated = true;
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	assert_string_equal(all(), "192.0.2.1@3600 198.51.100.0/24@3600 ");
	struct crowdsec_counts c = crowdsec_counts(crowdsec);
	assert_int_equal(c.foreign_scope, ARRAY_SIZE(scopes));
	assert_int_equal(c.foreign_type, 1);
	assert_int_equal(c.filtered, 1);
}

static void types_and_filters_of_the_configuration(void **state)
{
	char *types[] = {(char *)"ban", (char *)"throttle"}, *origins[] = {(char *)"CAPI", (char *)"cscli"};
	char *with[] = {(char *)"ssh", (char *)"http"}, *without[] = {(char *)"http-probing"};
	struct crowdsec_decision d;

	(void)state;
	config.types = (struct config_strings){types, 2};
	config.origins = (struct config_strings){origins, 2};
	config.scenarios_containing = (struct config_strings){with, 2};
	config.scenarios_not_containing = (struct config_strings){without, 1};
	whole();
	d = of(1, "Ip", "192.0.2.1", "1h");
	d.scenario = SPAN("crowdsecurity/ssh-bf");
	d.type = SPAN("throttle");
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	d = of(2, "Ip", "192.0.2.2", "1h");
	d.scenario = SPAN("crowdsecurity/ssh-bf");
	d.origin = SPAN("lists:x");
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	d = of(3, "Ip", "192.0.2.3", "1h");
	d.scenario = SPAN("crowdsecurity/http-probing");
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	d = of(4, "Ip", "192.0.2.4", "1h");
	d.scenario = SPAN("other");
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	assert_string_equal(all(), "192.0.2.1@3600 ");
	assert_int_equal(crowdsec_counts(crowdsec).filtered, 3);
}

static void what_cannot_be_read(void **state)
{
	static const char *const values[] = {
		"", "192.0.2.256", "192.0.2.1/33", "example.com", "2001:db8::/129", "1.2.3.4/a"};
	static const char *const durations[] = {"", "4", "4x", "h", "-", "1h2"};

	(void)state;
	whole();
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		is_new(1 + i, values[i], "1h");
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++)
		is_new(20 + i, "192.0.2.1", durations[i]);
	assert_string_equal(all(), "");
	/* "1.2.3.4/a" and its like are ranges by their scope. */
	assert_int_equal(crowdsec_counts(crowdsec).unreadable, ARRAY_SIZE(values) + ARRAY_SIZE(durations));
}

static void durations_beyond_time(void **state)
{
	(void)state;
	whole();
	is_new(1, "192.0.2.1", "9999999999999999999999h");
	is_new(2, "192.0.2.2", "0s");
	is_new(3, "192.0.2.3", "-5h");
	is_new(4, "192.0.2.4", "1ns");
	is_new(5, "192.0.2.5", "1h1m1.5s");
	is_new(6, "192.0.2.6", "1.5h");
	is_new(7, "192.0.2.7", "500\xc2\xb5s");
	assert_string_equal(all(),
			    "192.0.2.1@2494967295 192.0.2.4@1 192.0.2.5@3662 192.0.2.6@5400 192.0.2.7@1 ");
}

static void an_extension_moves_the_end(void **state)
{
	(void)state;
	whole();
	is_new(1, "192.0.2.1", "8s");
	crowdsec_end(crowdsec);
	all();
	delta();
	is_new(2, "192.0.2.1", "10m");
	assert_true(crowdsec_changed(crowdsec));
	assert_string_equal(all(), "192.0.2.1@600 ");
	now += 9;
	assert_string_equal(all(), "192.0.2.1@591 ");
	delta();
	is_new(2, "192.0.2.1", "1h"); /* the same decision, longer */
	assert_string_equal(all(), "192.0.2.1@3600 ");
	assert_int_equal(crowdsec_counts(crowdsec).extended, 1);
}

static void the_longest_wins_and_deletes_take_their_own(void **state)
{
	(void)state;
	whole();
	is_new(1, "192.0.2.1", "10m");
	is_new(2, "192.0.2.1", "4h");
	is_new(3, "192.0.2.0/24", "1h");
	crowdsec_end(crowdsec);
	assert_string_equal(all(), "192.0.2.0/24@3600 192.0.2.1@14400 ");
	delta();
	is_deleted(2, "192.0.2.1");
	assert_string_equal(all(), "192.0.2.0/24@3600 192.0.2.1@600 ");
	assert_true(
		crowdsec_unsure(crowdsec)); /* the server tells the longest alone: it may know of no other */
	delta();
	is_deleted(1, "192.0.2.1");
	assert_string_equal(all(), "192.0.2.0/24@3600 ");
	is_deleted(3, "192.0.2.0/24");
	assert_string_equal(all(), "");
}

static void deletes_that_are_repeated(void **state)
{
	(void)state;
	whole();
	is_new(4, "192.0.2.1", "1h");
	crowdsec_end(crowdsec);
	delta();
	is_deleted(4, "192.0.2.1");
	is_new(5, "192.0.2.1", "2h");
	crowdsec_end(crowdsec);
	delta();
	is_deleted(4, "192.0.2.1"); /* the two seconds by which polls overlap */
	is_deleted(4, "192.0.2.1");
	assert_string_equal(all(), "192.0.2.1@7200 ");
	assert_int_equal(crowdsec_counts(crowdsec).deleted, 1);
	assert_int_equal(crowdsec_counts(crowdsec).repeated, 2);
}

static void a_delete_behind_what_is_new(void **state)
{
	(void)state;
	whole();
	is_new(4, "192.0.2.1", "1h");
	crowdsec_end(crowdsec);
	delta(); /* the newest version writes "new" first */
	is_new(5, "192.0.2.1", "2h");
	is_deleted(4, "192.0.2.1");
	assert_string_equal(all(), "192.0.2.1@7200 ");
}

static void a_delete_of_an_id_that_is_not_known(void **state)
{
	(void)state;
	whole();
	is_new(4, "192.0.2.1", "1h");
	is_new(4, "192.0.2.2", "1h");
	crowdsec_end(crowdsec);
	delta();
	is_deleted(3, "192.0.2.1"); /* older than what is known: not that one */
	assert_string_equal(all(), "192.0.2.1@3600 192.0.2.2@3600 ");
	delta();
	is_deleted(6, "192.0.2.1"); /* newer, and the longest there was */
	assert_string_equal(all(), "192.0.2.2@3600 ");
	assert_true(crowdsec_unsure(crowdsec));
	delta();
	is_deleted(0, "192.0.2.2"); /* none: by scope, value and type */
	assert_string_equal(all(), "");
}

static void without_ids_at_all(void **state)
{
	(void)state;
	whole();
	is_new(0, "192.0.2.1", "1h");
	is_new(0, "192.0.2.2", "1h");
	crowdsec_end(crowdsec);
	delta();
	is_new(0, "192.0.2.1", "2h");
	is_deleted(0, "192.0.2.1"); /* of before */
	is_deleted(0, "192.0.2.2");
	assert_string_equal(all(), "192.0.2.1@7200 ");
}

static void many(unsigned first, unsigned last)
{
	char value[32];

	for (unsigned i = first; i <= last; i++) {
		snprintf(value, sizeof value, "10.0.%u.%u", i / 256, i % 256);
		is_new(i, value, "4h");
	}
}

static void what_a_whole_list_lacks_stays_for_once(void **state)
{
	(void)state;
	whole();
	many(1, 1000);
	assert_false(crowdsec_end(crowdsec));
	whole();
	many(1, 990);
	assert_true(crowdsec_end(crowdsec));
	all();
	assert_int_equal(crowdsec_count(crowdsec), 1000);
	whole();
	many(1, 980);
	assert_true(crowdsec_end(crowdsec)); /* ten more are lacking for the first time */
	assert_int_equal(crowdsec_count(crowdsec), 990);
	whole();
	many(1, 1000); /* and there they are */
	assert_false(crowdsec_end(crowdsec));
	assert_int_equal(crowdsec_count(crowdsec), 1000);
	assert_int_equal(crowdsec_counts(crowdsec).absent, 10);
}

static void a_list_that_was_cut_short_needs_three(void **state)
{
	(void)state;
	whole();
	many(1, 1000);
	crowdsec_end(crowdsec);
	for (unsigned i = 0; i < CROWDSEC_ABSENT_MANY - 1; i++) {
		whole();
		many(1, 100);
		assert_true(crowdsec_end(crowdsec));
		assert_int_equal(crowdsec_count(crowdsec), 1000);
	}
	whole();
	many(1, 100);
	assert_false(crowdsec_end(crowdsec));
	assert_int_equal(crowdsec_count(crowdsec), 100);
	/* An empty one, likewise. */
	whole();
	assert_true(crowdsec_end(crowdsec));
	assert_int_equal(crowdsec_count(crowdsec), 100);
}

static void a_document_that_broke_off_takes_nothing(void **state)
{
	(void)state;
	whole();
	many(1, 200);
	crowdsec_end(crowdsec);
	for (unsigned i = 0; i < 10; i++) {
		whole();
		many(1, 3); /* and no end */
	}
	delta();
	crowdsec_end(crowdsec);
	assert_int_equal(crowdsec_count(crowdsec), 200);
}

static void what_deltas_did_not_tell(void **state)
{
	(void)state;
	whole();
	many(1, 10);
	crowdsec_end(crowdsec);
	assert_int_equal(crowdsec_counts(crowdsec).missed, 0);
	delta();
	many(11, 12);
	crowdsec_end(crowdsec);
	whole();
	many(1, 15);
	crowdsec_end(crowdsec);
	assert_int_equal(crowdsec_counts(crowdsec).missed, 3);
}

static void what_we_had_banned_is_ours(void **state)
{
	struct crowdsec_decision d = of(1, "Ip", "192.0.2.1", "10m");
	struct crowdsec_told told[4];
	struct prefix p;

	(void)state;
	assert_int_equal(prefix_parse(SPAN("192.0.2.1"), &p), 0);
	crowdsec_own(crowdsec, &p, now + 600);
	delta();
	d.origin = SPAN(CROWDSEC_ORIGIN);
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	assert_string_equal(all(), "");
	assert_int_equal(crowdsec_counts(crowdsec).own, 1);
	assert_int_equal(crowdsec_find(crowdsec, &p, told, 4), 1);
	assert_true(told[0].own);
	/* Another host's, on an address that we never named; and one that lasts longer than ours. */
	d = of(2, "Ip", "192.0.2.2", "10m");
	d.origin = SPAN(CROWDSEC_ORIGIN);
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	d = of(3, "Ip", "192.0.2.1", "1h");
	d.origin = SPAN(CROWDSEC_ORIGIN);
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	assert_string_equal(all(), "192.0.2.1@3600 192.0.2.2@600 ");
}

static void what_was_in_force_before_the_start(void **state)
{
	struct prefix p;

	(void)state;
	assert_int_equal(prefix_parse(SPAN("192.0.2.1"), &p), 0);
	assert_int_equal(crowdsec_adopt(crowdsec, &p, now + 600), 0);
	whole();
	is_new(7, "192.0.2.2", "1h");
	assert_true(crowdsec_end(crowdsec));
	assert_string_equal(all(), "192.0.2.1@600 192.0.2.2@3600 ");
	whole();
	is_new(7, "192.0.2.2", "1h");
	assert_false(crowdsec_end(crowdsec));
	assert_string_equal(all(), "192.0.2.2@3600 ");
}

static void why_tells_the_longest_first(void **state)
{
	struct crowdsec_told told[4];
	struct prefix p;

	(void)state;
	whole();
	is_new(1, "192.0.2.1", "10m");
	is_new(2, "192.0.2.1", "4h");
	assert_int_equal(prefix_parse(SPAN("192.0.2.1"), &p), 0);
	assert_int_equal(crowdsec_find(crowdsec, &p, told, 4), 2);
	assert_int_equal(told[0].id, 2);
	assert_string_equal(told[0].origin, "cscli");
	assert_string_equal(told[0].scenario, "test/one");
	assert_string_equal(told[0].type, "ban");
	assert_int_equal(told[0].end_s, now + 4 * 3600);
	assert_int_equal(prefix_parse(SPAN("192.0.2.9"), &p), 0);
	assert_int_equal(crowdsec_find(crowdsec, &p, told, 4), 0);
}

static void more_words_than_are_kept(void **state)
{
	struct crowdsec_decision d = of(1, "Ip", "192.0.2.1", "10m");
	struct crowdsec_told told[1];
	struct prefix p;
	char word[32];

	(void)state;
	whole();
	for (unsigned i = 0; i < CROWDSEC_WORDS_MAX + 10; i++) {
		snprintf(word, sizeof word, "scenario %u", i);
		d.id = i + 1;
		d.scenario = span_from(word);
		assert_int_equal(crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now + i), 0);
	}
	assert_int_equal(prefix_parse(SPAN("192.0.2.1"), &p), 0);
	assert_int_equal(crowdsec_count(crowdsec), CROWDSEC_WORDS_MAX + 10);
	assert_int_equal(crowdsec_find(crowdsec, &p, told, 1), 1);
}

static void what_they_dropped(void **state)
{
	struct crowdsec_decision d = of(3, "Ip", "2001:db8::1", "1h");
	struct crowdsec_origin told[4];
	struct prefix p, other;

	(void)state;
	whole();
	is_new(1, "192.0.2.1", "10m");
	is_new(2, "192.0.2.0/24", "10m");
	d.origin = SPAN("CAPI");
	crowdsec_take(crowdsec, CROWDSEC_NEW, &d, now);
	assert_int_equal(prefix_parse(SPAN("192.0.2.1"), &p), 0);
	assert_int_equal(prefix_parse(SPAN("2001:db8::1"), &other), 0);
	crowdsec_hit(crowdsec, &p, 5, 500);
	crowdsec_hit(crowdsec, &p, 7, 700);
	crowdsec_hit(crowdsec, &other, 1, 90);
	assert_int_equal(crowdsec_usage(crowdsec, told, 4), 2);
	assert_string_equal(told[0].name, "cscli");
	assert_int_equal(told[0].active[0], 2);
	assert_int_equal(told[0].packets[0], 7);
	assert_int_equal(told[0].bytes[0], 700);
	assert_string_equal(told[1].name, "CAPI");
	assert_int_equal(told[1].active[1], 1);
	assert_int_equal(told[1].packets[1], 1);
	crowdsec_hit(crowdsec, &p, 9, 900); /* while it was told */
	crowdsec_usage_told(crowdsec, told, 2);
	crowdsec_hit(crowdsec, &p, 1, 100); /* the kernel's entry was made anew */
	assert_int_equal(crowdsec_usage(crowdsec, told, 4), 2);
	assert_int_equal(told[0].packets[0], 3);
	assert_int_equal(told[0].bytes[0], 300);
	assert_int_equal(told[1].packets[1], 0);
	/* What is gone is told once more, if it dropped anything. */
	crowdsec_begin(crowdsec, false);
	is_deleted(1, "192.0.2.1");
	is_deleted(2, "192.0.2.0/24");
	assert_int_equal(crowdsec_usage(crowdsec, told, 4), 2);
	assert_int_equal(told[0].active[0], 0);
	assert_int_equal(crowdsec_usage(crowdsec, told, 1), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bans_of_addresses_and_ranges),
		TEST(bits_beyond_a_range_mean_the_range),
		TEST(scopes_types_and_simulation),
		TEST(types_and_filters_of_the_configuration),
		TEST(what_cannot_be_read),
		TEST(durations_beyond_time),
		TEST(an_extension_moves_the_end),
		TEST(the_longest_wins_and_deletes_take_their_own),
		TEST(deletes_that_are_repeated),
		TEST(a_delete_behind_what_is_new),
		TEST(a_delete_of_an_id_that_is_not_known),
		TEST(without_ids_at_all),
		TEST(what_a_whole_list_lacks_stays_for_once),
		TEST(a_list_that_was_cut_short_needs_three),
		TEST(a_document_that_broke_off_takes_nothing),
		TEST(what_deltas_did_not_tell),
		TEST(what_we_had_banned_is_ours),
		TEST(what_was_in_force_before_the_start),
		TEST(why_tells_the_longest_first),
		TEST(more_words_than_are_kept),
		TEST(what_they_dropped),
	};

	return cmocka_run_group_tests_name("crowdsec", tests, NULL, NULL);
}
