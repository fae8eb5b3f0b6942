// SPDX-License-Identifier: Apache-2.0
#include "policies/regulars.h"
#include "tests/unit/policies_config.h"

#define START SECONDS(100000)
#define ROUTE 7

struct fixture {
	struct regulars *regulars;
	uint64_t now_ns;
	uint16_t status;
	uint32_t route;
	uint32_t deviations;
};

static void renew(struct fixture *f, size_t max, uint64_t span_s)
{
	const struct regulars_limits limits = {3, SECONDS(span_s), SECONDS(3600)};

	regulars_free(f->regulars);
	f->regulars = NULL;
	assert_int_equal(regulars_new(max, &limits, &f->regulars), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	f->now_ns = START;
	f->status = 200;
	f->route = ROUTE;
	renew(f, 1000, 60);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	regulars_free(f->regulars);
	free(f);
	return 0;
}

/* consumer "": no credential. */
static void ask(struct fixture *f, const char *client, const char *consumer)
{
	struct event e = {.kind = EVENT_HTTP_REQUEST, .id = 1, .time_ns = f->now_ns};
	char route[16];

	e.flow.peer.addr = test_addr("192.0.2.1");
	e.request.client.addr = test_addr(client);
	e.request.method = SPAN("GET");
	snprintf(route, sizeof route, "/r%u", (unsigned)f->route);
	e.request.route_id = f->route;
	e.request.route = span_from(route);
	e.request.consumer = span_from(consumer);
	e.request.answered = f->status ? EVENT_ANSWER_SEEN : 0;
	e.request.status = f->status;
	e.request.deviations = f->deviations;
	regulars_note(f->regulars, &e);
}

/* Comes back over so long a time that it is a regular. */
static void settle(struct fixture *f, const char *client, const char *consumer)
{
	uint64_t now_ns = f->now_ns;

	for (unsigned i = 0; i < 3; i++) {
		ask(f, client, consumer);
		f->now_ns += SECONDS(30);
	}
	f->now_ns = now_ns;
}

static size_t here(struct fixture *f, const char *target)
{
	struct prefix p = test_prefix(target);

	return regulars_share(f->regulars, &p, f->now_ns).here;
}

static size_t all(struct fixture *f)
{
	struct prefix p = test_prefix("203.0.113.1");

	return regulars_share(f->regulars, &p, f->now_ns).all;
}

static void who_is_served_again_and_again_is_a_regular(void **state)
{
	struct fixture *f = *state;

	ask(f, "198.51.100.7", "c_alice");
	ask(f, "198.51.100.7", "c_alice");
	ask(f, "198.51.100.7", "c_alice");
	ask(f, "198.51.100.7", "c_alice");
	assert_int_equal(here(f, "198.51.100.7"), 0); /* often, but all at once */
	f->now_ns += SECONDS(59);
	ask(f, "198.51.100.7", "c_alice");
	assert_int_equal(here(f, "198.51.100.7"), 0);
	f->now_ns += SECONDS(1);
	ask(f, "198.51.100.7", "c_alice");
	assert_int_equal(here(f, "198.51.100.7"), 1);
	/* Over a long time, but not often. */
	ask(f, "198.51.100.8", "c_bob");
	f->now_ns += SECONDS(300);
	ask(f, "198.51.100.8", "c_bob");
	assert_int_equal(here(f, "198.51.100.8"), 0);
	ask(f, "198.51.100.8", "c_bob");
	assert_int_equal(here(f, "198.51.100.8"), 1);
	assert_int_equal(all(f), 2);
	assert_int_equal(here(f, "198.51.100.0/24"), 2);
	assert_int_equal(here(f, "198.51.101.0/24"), 0);
	/* An hour after the latest it is forgotten. */
	f->now_ns += SECONDS(3601);
	assert_int_equal(all(f), 0);
	assert_int_equal(here(f, "198.51.100.0/24"), 0);
	assert_int_equal(regulars_counts(f->regulars).regulars, 0);
}

static void tokens_that_are_made_up_make_no_regulars(void **state)
{
	static const uint16_t no[] = {401, 403, 404, 302, 500, 0};
	struct fixture *f = *state;
	char token[32];

	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		f->status = no[i];
		for (unsigned t = 0; t < 50; t++) {
			snprintf(token, sizeof token, "c_%u", t);
			settle(f, "198.51.100.7", token);
		}
	}
	assert_int_equal(all(f), 0);
	assert_int_equal(regulars_counts(f->regulars).newcomers, 0);
}

/* Whatever token is sent to what everybody may have is answered with 200. */
static void where_nobody_needs_a_credential_none_counts(void **state)
{
	struct fixture *f = *state;
	char token[32];

	ask(f, "203.0.113.99", "");
	for (unsigned t = 0; t < 50; t++) {
		snprintf(token, sizeof token, "c_%u", t);
		settle(f, "198.51.100.7", token);
	}
	assert_int_equal(all(f), 0);
	assert_int_equal(regulars_counts(f->regulars).open, 150);
	/* Elsewhere it does. */
	f->route = ROUTE + 1;
	settle(f, "198.51.100.7", "c_alice");
	assert_int_equal(all(f), 1);
	/* Where it is not known where, nothing counts: clients choose paths. */
	f->route = 0;
	settle(f, "198.51.100.7", "c_bob");
	assert_int_equal(all(f), 1);
	/* Nor what was found behind a gap, or inside a body. */
	f->route = ROUTE + 1;
	f->deviations = HTTP_DEV_IN_BODY;
	settle(f, "198.51.100.7", "c_carol");
	assert_int_equal(all(f), 1);
	/* It is closed now, and that has become long ago. */
	f->deviations = 0;
	f->route = ROUTE;
	f->now_ns += SECONDS(3601);
	settle(f, "198.51.100.9", "c_dave");
	assert_int_equal(here(f, "198.51.100.9"), 1);
}

static void an_ipv6_client_is_its_network(void **state)
{
	struct fixture *f = *state;

	settle(f, "2001:db8:1:2::7", "c_alice");
	settle(f, "2001:db8:1:2::8", "c_alice"); /* the same, with another temporary address */
	settle(f, "2001:db8:1:3::7", "c_bob");
	assert_int_equal(here(f, "2001:db8:1:2::9"), 1);
	assert_int_equal(here(f, "2001:db8:1:2::/64"), 1);
	assert_int_equal(here(f, "2001:db8:1::/48"), 2);
	assert_int_equal(here(f, "2001:db8:2::/48"), 0);
	assert_int_equal(all(f), 2);
}

static void a_crowd_behind_one_address_is_counted_up_to_a_ceiling(void **state)
{
	struct fixture *f = *state;
	char token[32];

	renew(f, 4 * REGULARS_OF_ONE, 60);
	for (unsigned t = 0; t < REGULARS_OF_ONE + 5; t++) {
		snprintf(token, sizeof token, "c_%u", t);
		settle(f, "198.51.100.7", token);
	}
	assert_int_equal(here(f, "198.51.100.7"), REGULARS_OF_ONE);
	assert_int_equal(regulars_counts(f->regulars).refused, 15);
	settle(f, "198.51.100.8", "c_1");
	assert_int_equal(all(f), REGULARS_OF_ONE + 1);
}

static void a_flood_of_newcomers_pushes_out_no_regular(void **state)
{
	struct fixture *f = *state;
	char token[32];

	renew(f, 20, 60);
	settle(f, "198.51.100.7", "c_alice");
	for (unsigned t = 0; t < 1000; t++) {
		snprintf(token, sizeof token, "c_%u", t);
		ask(f, "203.0.113.5", token);
	}
	struct regulars_counts c = regulars_counts(f->regulars);
	assert_int_equal(here(f, "198.51.100.7"), 1);
	assert_int_equal(c.newcomers, 19);
	assert_int_equal(c.forgotten, 981);
	/* Full of regulars: nobody new is taken. */
	for (unsigned t = 0; t < 30; t++) {
		snprintf(token, sizeof token, "c_r%u", t);
		settle(f, "203.0.113.6", token);
	}
	c = regulars_counts(f->regulars);
	assert_int_equal(c.regulars, 20);
	assert_int_equal(c.newcomers, 0);
	assert_true(c.refused > 0);
	assert_int_equal(here(f, "198.51.100.7"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_is_served_again_and_again_is_a_regular),
		TEST(tokens_that_are_made_up_make_no_regulars),
		TEST(where_nobody_needs_a_credential_none_counts),
		TEST(an_ipv6_client_is_its_network),
		TEST(a_crowd_behind_one_address_is_counted_up_to_a_ceiling),
		TEST(a_flood_of_newcomers_pushes_out_no_regular),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
