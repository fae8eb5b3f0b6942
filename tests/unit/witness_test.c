// SPDX-License-Identifier: Apache-2.0
#include "policies/witness.h"
#include "tests/unit/policies_config.h"

#define NOW SECONDS(1000)

static struct witness *witness;

static void renew(size_t max)
{
	witness_free(witness);
	witness = NULL;
	assert_int_equal(witness_new(max, SECONDS(600), &witness), 0);
}

static int teardown(void **state)
{
	(void)state;
	witness_free(witness);
	witness = NULL;
	return 0;
}

static void note(uint64_t id, const char *target, bool framed)
{
	struct prefix p = test_prefix(target);

	witness_note(witness, id, &p, framed, NOW);
}

static bool cites(const char *target, const char *event, uint64_t now_ns, bool *ret_framed)
{
	struct verdict v = test_verdict(VERDICT_GATEWAY, target, TTL(15));

	v.evidence_count = 2;
	snprintf(v.evidence[0], VERDICT_ID_MAX, "%s", "nothing-of-ours");
	snprintf(v.evidence[1], VERDICT_ID_MAX, "%s", event);
	return witness_ask(witness, &v, now_ns, ret_framed);
}

static const char *id(uint64_t n)
{
	static char text[EVENT_ID_TEXT_MAX];
	struct event e = {.id = n};

	return event_id_format(&e, text);
}

static void what_a_detection_fired_on_is_known_for_a_while(void **state)
{
	bool framed = true;

	(void)state;
	renew(100);
	note(41, "198.51.100.7", false);
	assert_true(cites("198.51.100.7", id(41), NOW, &framed));
	assert_false(framed);
	assert_false(cites("198.51.100.7", id(42), NOW, &framed));
	assert_false(cites("198.51.100.8", id(41), NOW, &framed));    /* of somebody else */
	assert_false(cites("198.51.100.0/24", id(41), NOW, &framed)); /* one is not all of them */
	assert_true(cites("198.51.100.7", id(41), NOW + SECONDS(599), &framed));
	assert_false(cites("198.51.100.7", id(41), NOW + SECONDS(600), &framed));
	struct verdict none = test_verdict(VERDICT_GATEWAY, "198.51.100.7", TTL(15));
	assert_false(witness_ask(witness, &none, NOW, &framed));
}

static void ids_of_another_run_or_none_at_all_are_no_evidence(void **state)
{
	static const char *const bad[] = {"41", "-41", "0000000000000000-41", "", "x"};
	bool framed;
	char text[80];

	(void)state;
	renew(100);
	note(41, "198.51.100.7", false);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(cites("198.51.100.7", bad[i], NOW, &framed));
	snprintf(text, sizeof text, "%s-", event_run_id());
	assert_false(cites("198.51.100.7", text, NOW, &framed));
	snprintf(text, sizeof text, "%s-41x", event_run_id());
	assert_false(cites("198.51.100.7", text, NOW, &framed));
	snprintf(text, sizeof text, "%s-18446744073709551657", event_run_id()); /* 2^64 + 41 */
	assert_false(cites("198.51.100.7", text, NOW, &framed));
}

static void a_network_of_which_many_were_seen_has_its_addresses_in_it(void **state)
{
	bool framed;

	(void)state;
	renew(100);
	note(1, "2001:db8:1:2::/64", false);
	note(2, "2001:db8:1:2::7", false);
	assert_true(cites("2001:db8:1:2::9", id(1), NOW, &framed));
	assert_true(cites("2001:db8:1:2::/64", id(1), NOW, &framed));
	assert_false(cites("2001:db8:1::/48", id(1), NOW, &framed));
	assert_false(cites("2001:db8:1:2::/64", id(2), NOW, &framed));
}

static void what_is_certain_outweighs_what_may_be_framed(void **state)
{
	bool framed = false;

	(void)state;
	renew(100);
	note(1, "198.51.100.7", true);
	assert_true(cites("198.51.100.7", id(1), NOW, &framed));
	assert_true(framed);
	note(1, "198.51.100.7", false); /* another detection, on the same event */
	note(1, "198.51.100.7", true);
	assert_true(cites("198.51.100.7", id(1), NOW, &framed));
	assert_false(framed);
	assert_int_equal(witness_counts(witness).noted, 3);
}

static void full_it_forgets_the_oldest_and_counts_it(void **state)
{
	bool framed;

	(void)state;
	renew(10);
	for (uint64_t i = 1; i <= 25; i++)
		note(i, "198.51.100.7", false);
	assert_int_equal(witness_counts(witness).forgotten, 15);
	assert_false(cites("198.51.100.7", id(15), NOW, &framed));
	assert_true(cites("198.51.100.7", id(16), NOW, &framed));
	assert_true(cites("198.51.100.7", id(25), NOW, &framed));
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_detection_fired_on_is_known_for_a_while),
		TEST(ids_of_another_run_or_none_at_all_are_no_evidence),
		TEST(a_network_of_which_many_were_seen_has_its_addresses_in_it),
		TEST(what_is_certain_outweighs_what_may_be_framed),
		TEST(full_it_forgets_the_oldest_and_counts_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
