// SPDX-License-Identifier: Apache-2.0
#include "policies/limits.h"
#include <errno.h>
#include "tests/unit/policies_config.h"

#define NOW SECONDS(1000)

struct fixture {
	struct config config;
	struct protected_set protect;
	struct limits limits;
};

static int setup(void **state)
{
	static const char *const nets[][2] = {
		{"127.0.0.0/8", "loopback"},    {"::1", "loopback"},
		{"192.0.2.10", "own address"},  {"2001:db8::10", "own address"},
		{"10.20.0.0/16", "configured"}, {"0.0.0.0/8", "unspecified"},
		{"224.0.0.0/4", "multicast"},   {"ff00::/8", "multicast"},
		{"::", "unspecified"},
	};
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	f->config = test_config();
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		struct prefix net = test_prefix(nets[i][0]);
		if (protected_set_add(&f->protect, &net, nets[i][1]))
			return -1;
	}
	limits_init(&f->limits, &f->config);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	protected_set_free(&f->protect);
	free(f);
	return 0;
}

static enum limits_answer ask(struct fixture *f, const char *target, uint64_t ttl_ms)
{
	struct prefix p = test_prefix(target);

	return limits_check(&f->limits, &f->protect, &p, ttl_ms, NOW, NULL);
}

/* The same set, asked both ways, at and around the edges of each network. */
static void ranges_answer_as_the_set_does(void **state)
{
	static const char *const more[] = {"10.20.128.0/17", "10.21.0.0/16", "192.0.2.8/30", "2001:db8::/64"};
	struct fixture *f = *state;
	struct protected_ranges ranges = {0};
	unsigned hits = 0;

	assert_int_equal(protected_ranges_make(&f->protect, &ranges), 0);
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		struct prefix net = test_prefix(more[i]);
		assert_int_equal(protected_set_add(&f->protect, &net, "more"), 0);
	}
	assert_int_equal(protected_ranges_make(&f->protect, &ranges), 0);
	for (size_t i = 0; i < f->protect.count; i++) {
		struct prefix net = f->protect.items[i].net;
		for (int step = -2; step <= 2; step++) {
			for (unsigned bits = 0; bits <= addr_bits(&net.addr); bits++) {
				struct addr a = net.addr;
				unsigned last = addr_bits(&a) / 8 - 1, at = MIN(net.bits / 8u, last);
				a.bytes[at] = (uint8_t)(a.bytes[at] + step);
				a.bytes[last] = (uint8_t)(a.bytes[last] + step);
				struct prefix p = prefix_of(&a, (uint8_t)bits);
				bool found = protected_set_find(&f->protect, &p) != NULL;
				assert_int_equal(protected_ranges_overlap(&ranges, &p), found);
				hits += found;
			}
		}
	}
	assert_in_range(hits, 100, 5000);
	protected_ranges_free(&ranges);
}

static void an_ordinary_client_may_be_blocked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "198.51.100.7", TTL(15)), LIMITS_OK);
	assert_int_equal(ask(f, "198.51.100.0/24", TTL(15)), LIMITS_OK);
	assert_int_equal(ask(f, "2001:db8:1::7", TTL(15)), LIMITS_OK);
	assert_int_equal(ask(f, "2001:db8:1::/48", TTL(24 * 60)), LIMITS_OK);
}

static void nobody_may_block_everybody(void **state)
{
	struct fixture *f = *state;
	struct protected_set none = {0};

	assert_int_equal(ask(f, "0.0.0.0/0", TTL(1)), LIMITS_PROTECTED);
	assert_int_equal(ask(f, "::/0", TTL(1)), LIMITS_PROTECTED);
	/* Even where nothing at all is protected, the length alone refuses. */
	for (unsigned bits = 0; bits < 24; bits++) {
		struct prefix p = {.addr = {.family = ADDR_IPV4}, .bits = (uint8_t)bits};
		assert_int_equal(limits_check(&f->limits, &none, &p, TTL(1), NOW, NULL),
				 LIMITS_PREFIX_TOO_SHORT);
	}
	for (unsigned bits = 0; bits < 48; bits++) {
		struct prefix p = {.addr = {.family = ADDR_IPV6}, .bits = (uint8_t)bits};
		assert_int_equal(limits_check(&f->limits, &none, &p, TTL(1), NOW, NULL),
				 LIMITS_PREFIX_TOO_SHORT);
	}
	struct prefix p = {.addr = {.family = ADDR_IPV4}, .bits = 0};
	assert_int_equal(limits_check(&f->limits, NULL, &p, TTL(1), NOW, NULL), LIMITS_PREFIX_TOO_SHORT);
}

static void own_address_and_what_contains_it_are_protected(void **state)
{
	struct fixture *f = *state;
	struct prefix p = test_prefix("192.0.2.0/24");
	const struct protected_net *which = NULL;

	assert_int_equal(ask(f, "192.0.2.10", TTL(1)), LIMITS_PROTECTED);
	assert_int_equal(limits_check(&f->limits, &f->protect, &p, TTL(1), NOW, &which), LIMITS_PROTECTED);
	assert_non_null(which);
	assert_string_equal(which->why, "own address");
	assert_int_equal(ask(f, "192.0.2.11", TTL(1)), LIMITS_OK);
	assert_int_equal(ask(f, "10.20.30.40", TTL(1)), LIMITS_PROTECTED);
	assert_int_equal(ask(f, "10.21.0.1", TTL(1)), LIMITS_OK);
	assert_int_equal(ask(f, "127.5.5.5", TTL(1)), LIMITS_PROTECTED);
	assert_int_equal(ask(f, "2001:db8::/64", TTL(1)), LIMITS_PROTECTED);
	assert_int_equal(ask(f, "239.1.2.3", TTL(1)), LIMITS_PROTECTED);
	assert_int_equal(ask(f, "ff02::1", TTL(1)), LIMITS_PROTECTED);
}

/* prefix_parse never makes these, but a request to the warden is bytes over a socket. */
static void a_protected_address_in_disguise_is_refused(void **state)
{
	struct fixture *f = *state;
	struct prefix mapped = {.addr = {.family = ADDR_IPV6, .bytes = {[10] = 0xff, 0xff, 127, 0, 0, 1}},
				.bits = 128};
	struct prefix mapped_net = {.addr = {.family = ADDR_IPV6, .bytes = {[10] = 0xff, 0xff}}, .bits = 96};
	struct prefix host_bits = {.addr = {.family = ADDR_IPV4, .bytes = {198, 51, 100, 7}}, .bits = 24};
	struct prefix long_v4 = {.addr = {.family = ADDR_IPV4, .bytes = {198, 51, 100, 7}}, .bits = 33};
	struct prefix tail = {.addr = {.family = ADDR_IPV4, .bytes = {198, 51, 100, 7, 1}}, .bits = 32};
	struct prefix long_v6 = {.addr = {.family = ADDR_IPV6, .bytes = {0x20, 1}}, .bits = 200};
	struct prefix none = {.bits = 32};
	struct prefix odd = {.addr = {.family = 7}, .bits = 32};
	const struct prefix *all[] = {&mapped, &mapped_net, &host_bits, &long_v4,
				      &tail,   &long_v6,    &none,      &odd};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(limits_check(&f->limits, &f->protect, all[i], TTL(1), NOW, NULL),
				 LIMITS_BAD_TARGET);
	/* The same address as text is IPv4, and protected. */
	assert_int_equal(ask(f, "::ffff:127.0.0.1", TTL(1)), LIMITS_PROTECTED);
}

static void time_to_live_has_two_ends(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "198.51.100.7", 0), LIMITS_TTL_INVALID);
	assert_int_equal(ask(f, "198.51.100.7", 1), LIMITS_OK);
	assert_int_equal(ask(f, "198.51.100.7", f->config.limits.ttl_max_ms), LIMITS_OK);
	assert_int_equal(ask(f, "198.51.100.7", f->config.limits.ttl_max_ms + 1), LIMITS_TTL_TOO_LONG);
	assert_int_equal(ask(f, "198.51.100.7", UINT64_MAX), LIMITS_TTL_TOO_LONG);
}

static void inserts_come_at_the_configured_rate(void **state)
{
	struct fixture *f = *state;
	struct prefix p = test_prefix("198.51.100.7");
	unsigned ok = 0;

	f->config.limits.insert_rate = 10;
	limits_init(&f->limits, &f->config);
	for (unsigned i = 0; i < 100; i++) /* all at once: one second's worth */
		ok += limits_check(&f->limits, &f->protect, &p, TTL(1), NOW, NULL) == LIMITS_OK;
	assert_int_equal(ok, 10);
	assert_int_equal(limits_check(&f->limits, &f->protect, &p, TTL(1), NOW, NULL), LIMITS_RATE);
	for (ok = 0; ok < 3; ok++) /* 0.3 s later: three more */
		assert_int_equal(
			limits_check(&f->limits, &f->protect, &p, TTL(1), NOW + SECONDS(1) * 31 / 100, NULL),
			LIMITS_OK);
	assert_int_equal(limits_check(&f->limits, &f->protect, &p, TTL(1), NOW + SECONDS(1) * 31 / 100, NULL),
			 LIMITS_RATE);
	/* An hour of rest does not add up to an hour's worth. */
	for (unsigned i = ok = 0; i < 100; i++)
		ok += limits_check(&f->limits, &f->protect, &p, TTL(1), NOW + SECONDS(3600), NULL) ==
		      LIMITS_OK;
	assert_int_equal(ok, 10);
	/* A clock that steps back grants nothing. */
	assert_int_equal(limits_check(&f->limits, &f->protect, &p, TTL(1), NOW, NULL), LIMITS_RATE);
}

static void a_refused_block_takes_no_token(void **state)
{
	struct fixture *f = *state;

	f->config.limits.insert_rate = 1;
	limits_init(&f->limits, &f->config);
	for (int i = 0; i < 50; i++)
		assert_int_equal(ask(f, "192.0.2.10", TTL(1)), LIMITS_PROTECTED);
	assert_int_equal(ask(f, "198.51.100.7", TTL(1)), LIMITS_OK);
	assert_int_equal(ask(f, "198.51.100.8", TTL(1)), LIMITS_RATE);
}

static void a_protected_set_holds_each_network_once_and_no_nonsense(void **state)
{
	struct fixture *f = *state;
	size_t before = f->protect.count;
	struct prefix again = test_prefix("127.0.0.0/8");
	struct prefix bad = {.addr = {.family = ADDR_IPV4}, .bits = 64};

	assert_int_equal(protected_set_add(&f->protect, &again, "twice"), 0);
	assert_int_equal(f->protect.count, before);
	assert_int_equal(protected_set_add(&f->protect, &bad, "bad"), -EINVAL);
	struct prefix p = test_prefix("203.0.113.1");
	assert_int_equal(
		protected_set_add(&f->protect, &p, "a reason that is much longer than thirty-two bytes"), 0);
	assert_int_equal(strlen(f->protect.items[before].why), 31);
	struct prefix elsewhere = test_prefix("203.0.113.2");
	assert_null(protected_set_find(&f->protect, &elsewhere));
}

static void every_answer_has_its_name(void **state)
{
	(void)state;
	assert_string_equal(limits_answer_name(LIMITS_OK), "ok");
	assert_string_equal(limits_answer_name(LIMITS_PROTECTED), "protected_network");
	assert_string_equal(limits_answer_name(LIMITS_PREFIX_TOO_SHORT), "prefix_too_short");
	assert_string_equal(limits_answer_name(LIMITS_TTL_TOO_LONG), "ttl_too_long");
	assert_string_equal(limits_answer_name(LIMITS_TTL_INVALID), "ttl_invalid");
	assert_string_equal(limits_answer_name(LIMITS_RATE), "insert_rate");
	assert_string_equal(limits_answer_name(LIMITS_FULL), "deny_map_full");
	assert_string_equal(limits_answer_name(LIMITS_BAD_TARGET), "bad_target");
	assert_string_equal(limits_answer_name((enum limits_answer)99), "unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ranges_answer_as_the_set_does),
		TEST(an_ordinary_client_may_be_blocked),
		TEST(nobody_may_block_everybody),
		TEST(own_address_and_what_contains_it_are_protected),
		TEST(a_protected_address_in_disguise_is_refused),
		TEST(time_to_live_has_two_ends),
		TEST(inserts_come_at_the_configured_rate),
		TEST(a_refused_block_takes_no_token),
		TEST(a_protected_set_holds_each_network_once_and_no_nonsense),
		TEST(every_answer_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
