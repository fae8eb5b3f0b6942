// SPDX-License-Identifier: Apache-2.0
#include "policies/neighbours.h"
#include "lib/target.h"
#include "tests/unit/policies_config.h"

#define NOW SECONDS(1000)

static struct neighbours *neighbours;
static struct verdict proposal;

static void renew(unsigned offenders)
{
	neighbours_free(neighbours);
	neighbours = NULL;
	memset(&proposal, 0, sizeof proposal);
	assert_int_equal(neighbours_new(offenders, SECONDS(600), &neighbours), 0);
}

static int teardown(void **state)
{
	(void)state;
	neighbours_free(neighbours);
	neighbours = NULL;
	return 0;
}

static bool offends(enum verdict_source source, const char *target, uint64_t now_ns)
{
	struct verdict v = test_verdict(source, target, TTL(15));

	v.confidence = 0.9;
	snprintf(v.evidence[0], VERDICT_ID_MAX, "event");
	v.evidence_count = 1;
	return neighbours_note(neighbours, &v, now_ns, &proposal);
}

static void so_many_offenders_propose_their_network(void **state)
{
	(void)state;
	renew(3);
	assert_false(offends(VERDICT_LOCAL, "2001:db8:1:2::1", NOW));
	assert_false(offends(VERDICT_LOCAL, "2001:db8:1:2::1", NOW)); /* the same one */
	assert_false(offends(VERDICT_GATEWAY, "2001:db8:1:2:ffff::1", NOW));
	assert_false(offends(VERDICT_LOCAL, "2001:db8:1:3::1", NOW)); /* another network */
	assert_true(offends(VERDICT_GATEWAY, "2001:db8:1:2::3", NOW + SECONDS(599)));
	assert_int_equal(proposal.source, VERDICT_LOCAL);
	assert_int_equal(proposal.action, VERDICT_BLOCK);
	struct prefix net = test_prefix("2001:db8:1:2::/64");
	assert_true(prefix_equal(&proposal.target, &net));
	assert_true(proposal.confidence == 0.9);
	assert_int_equal(proposal.ttl_ms, TTL(15));
	assert_string_equal(proposal.reason, "3 addresses of 2001:db8:1:2::/64 offended within 10m");
	assert_string_equal(proposal.evidence[0], "event");
	/* It is said once; then it takes as many again. */
	assert_false(offends(VERDICT_LOCAL, "2001:db8:1:2::4", NOW + SECONDS(599)));
}

/* Who offends on one route is denied that; the network is so, too. */
static void offenders_on_a_route_propose_their_network_on_that(void **state)
{
	static const char *const offenders[] = {"2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2::3"};
	struct prefix net = test_prefix("2001:db8:1:2::/64"), on_login;

	(void)state;
	renew(2);
	assert_int_equal(target_limit(&net, SPAN("/login"), TARGET_ROUTES_MAX, &on_login), 0);
	for (size_t i = 0; i < ARRAY_SIZE(offenders); i++) {
		struct verdict v = test_verdict(VERDICT_LOCAL, offenders[i], TTL(15));
		struct prefix who = v.target;
		if (i != 1)
			assert_int_equal(target_limit(&who, SPAN("/login"), TARGET_ROUTES_MAX, &v.target), 0);
		assert_int_equal(neighbours_note(neighbours, &v, NOW, &proposal), i == 2);
	}
	assert_true(prefix_equal(&proposal.target, &on_login));
}

static void what_is_no_single_address_of_such_a_network_does_not_count(void **state)
{
	struct verdict v = test_verdict(VERDICT_LOCAL, "2001:db8:1:2::1", TTL(15));

	(void)state;
	renew(1);
	assert_false(offends(VERDICT_LOCAL, "198.51.100.7", NOW));
	assert_false(offends(VERDICT_LOCAL, "2001:db8:1:2::/64", NOW));
	assert_false(offends(VERDICT_LOCAL, "fe80::1", NOW)); /* one machine each */
	assert_false(offends(VERDICT_OPERATOR, "2001:db8:1:2::1", NOW));
	v.action = VERDICT_SHADOW;
	assert_false(neighbours_note(neighbours, &v, NOW, &proposal));
	assert_true(offends(VERDICT_LOCAL, "2001:db8:1:2::1", NOW));
	renew(0);
	assert_false(offends(VERDICT_LOCAL, "2001:db8:1:2::1", NOW));
}

static void long_ago_is_not_now(void **state)
{
	char text[64];

	(void)state;
	renew(3);
	for (unsigned i = 0; i < 50; i++) {
		snprintf(text, sizeof text, "2001:db8:1:2::%x", i);
		assert_false(offends(VERDICT_LOCAL, text, NOW + SECONDS(i * 301)));
	}
}

/* Who blocks and takes back, one after the other, proposes nothing. */
static void what_was_taken_back_does_not_count(void **state)
{
	struct prefix taken = test_prefix("2001:db8:1:2::2");

	(void)state;
	renew(3);
	assert_false(offends(VERDICT_GATEWAY, "2001:db8:1:2::1", NOW));
	assert_false(offends(VERDICT_GATEWAY, "2001:db8:1:2::2", NOW));
	neighbours_forgive(neighbours, &taken, NOW);
	assert_false(offends(VERDICT_GATEWAY, "2001:db8:1:2::3", NOW));
	assert_false(offends(VERDICT_GATEWAY, "2001:db8:1:2::4", NOW));
	assert_true(offends(VERDICT_GATEWAY, "2001:db8:1:2::5", NOW));
}

static void the_table_is_bounded(void **state)
{
	char text[64];

	(void)state;
	renew(2);
	for (unsigned i = 0; i < NEIGHBOURS_MAX + 10; i++) {
		snprintf(text, sizeof text, "2001:db8:%x:%x::1", i >> 8, i & 0xff);
		assert_false(offends(VERDICT_LOCAL, text, NOW));
	}
	assert_int_equal(neighbours_forgotten(neighbours), 10);
	assert_false(offends(VERDICT_LOCAL, "2001:db8:0:1::2", NOW)); /* its first one is forgotten */
	assert_true(offends(VERDICT_LOCAL, "2001:db8:0:30::2", NOW));
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(so_many_offenders_propose_their_network),
		TEST(offenders_on_a_route_propose_their_network_on_that),
		TEST(what_is_no_single_address_of_such_a_network_does_not_count),
		TEST(long_ago_is_not_now),
		TEST(what_was_taken_back_does_not_count),
		TEST(the_table_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
