// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/target.h"
#include "lib/util.h"

static int parse(const char *text, struct prefix *ret)
{
	return target_parse(span_from(text), ret);
}

static void each_target_reads_and_prints_the_same(void **state)
{
	static const char *const texts[] = {
		"192.0.2.7",
		"192.0.2.0/24",
		"2001:db8::/48",
		"consumer:c_01f3a9c2d4b5e60718",
		"consumer:c_000000000000000000",
		"ja4:t13d1516h2_8daaf6152771_b186095e22b6",
		"ja4:q13i0310h3_55b375c5d22e_cd85d2d88918",
		"ja4:d00i000000_000000000000_000000000000",
		"ja4:td3d9999zz_ffffffffffff_ffffffffffff",
		"ja4:ts2i0100ZA_0123456789ab_cdef01234567",
		"192.0.2.7@/login",
		"192.0.2.7@/",
		"192.0.2.0/24@/login",
		"2001:db8::/48@/users/{id}",
		"2001:db8::7@/users/{id}",
		"consumer:c_01f3a9c2d4b5e60718@/users/{id}",
		"ja4:t13d1516h2_8daaf6152771_b186095e22b6@/@me",
	};
	char text[PREFIX_TEXT_MAX];
	struct prefix p, q;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(parse(texts[i], &p), 0);
		assert_string_equal(prefix_format(&p, text), texts[i]);
		assert_int_equal(target_is_routed(&p), strchr(texts[i], '@') != NULL);
		const struct prefix who = target_who(&p), same = target_on(&who, p.route);
		assert_true(prefix_is_exact(&who) || strchr(texts[i], '/') < strchr(texts[i], '@') ||
			    i == 1 || i == 2);
		assert_true(prefix_equal(&same, &p) && !target_is_routed(&who));
		assert_int_equal(target_is_net(&p), i < 3);
		assert_int_equal(target_is_key(&p), i >= 3);
		for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
			assert_int_equal(parse(texts[k], &q), 0);
			assert_int_equal(prefix_equal(&p, &q), i == k);
			/* No prefix holds a key, or what is on a route. */
			if (i != k && (i >= 3 || k >= 3) && p.route != q.route)
				assert_false(prefix_overlaps(&p, &q));
		}
	}
}

static void what_is_not_exactly_one_is_none(void **state)
{
	static const char *const texts[] = {
		"",
		"consumer:",
		"ja4:",
		"consumer:c_01f3a9c2d4b5e6071",
		"consumer:c_01f3a9c2d4b5e607188",
		"consumer:h_01f3a9c2d4b5e60718",
		"consumer:c_01F3a9c2d4b5e60718",
		"Consumer:c_01f3a9c2d4b5e60718",
		"consumer: c_01f3a9c2d4b5e60718",
		"c_01f3a9c2d4b5e60718",
		"ja4:x13d1516h2_8daaf6152771_b186095e22b6",
		"ja4:t14d1516h2_8daaf6152771_b186095e22b6",
		"ja4:t13x1516h2_8daaf6152771_b186095e22b6",
		"ja4:t13d15a6h2_8daaf6152771_b186095e22b6",
		"ja4:t13d1516h-_8daaf6152771_b186095e22b6",
		"ja4:t13d1516h2-8daaf6152771_b186095e22b6",
		"ja4:t13d1516h2_8daaf615277_b186095e22b66",
		"ja4:t13d1516h2_8DAAF6152771_b186095e22b6",
		"ja4:t13d1516h2_8daaf6152771_b186095e22b6 ",
		"ja4:t13d1516h2_8daaf6152771",
	};
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(parse(texts[i], &p), ADDR_E_SYNTAX);
	assert_int_equal(parse("192.0.2.7/24", &p), ADDR_E_HOST_BITS);
	assert_int_equal(parse("192.0.2.7/24@/login", &p), ADDR_E_HOST_BITS);
	assert_int_equal(parse("192.0.2.7@", &p), ADDR_E_SYNTAX);
	assert_int_equal(parse("192.0.2.7@login", &p), ADDR_E_SYNTAX);
	assert_int_equal(parse("192.0.2.7@/login/", &p), ADDR_E_SYNTAX);
	assert_int_equal(parse("192.0.2.7 @/login", &p), ADDR_E_SYNTAX);
	assert_int_equal(parse("@/login", &p), ADDR_E_SYNTAX);
	assert_int_equal(target_parse(SPAN_NULL, &p), ADDR_E_SYNTAX);
	/* Where an address is asked for, nothing else is taken. */
	assert_int_equal(prefix_parse(SPAN("consumer:c_01f3a9c2d4b5e60718"), &p), ADDR_E_SYNTAX);
}

/* Who knows nothing of routes must not take one for an address. */
static void what_is_on_a_route_is_no_address(void **state)
{
	struct prefix p, net;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(parse("192.0.2.0/24@/login", &p), 0);
	assert_int_equal(parse("192.0.2.0/24", &net), 0);
	assert_false(target_is_net(&p));
	assert_false(prefix_contains(&p, &net.addr));
	assert_false(prefix_overlaps(&p, &net));
	assert_false(prefix_equal(&p, &net));
	assert_string_equal(addr_format(&p.addr, text), "");
	/* Two on one route are as their networks are, and on two routes nothing to each other. */
	assert_int_equal(parse("192.0.2.7@/login", &net), 0);
	assert_true(prefix_overlaps(&p, &net));
	assert_int_equal(parse("192.0.2.7@/other", &net), 0);
	assert_false(prefix_overlaps(&p, &net));
	assert_int_equal(prefix_parse(SPAN("192.0.2.7@/login"), &net), ADDR_E_SYNTAX);
	/* One whose route nobody named. */
	p.route = UINT16_MAX;
	assert_false(target_is_key(&p));
	p.route = 0;
	assert_false(target_is_key(&p));
}

/* As they may come from a damaged file. */
static void a_key_that_no_text_gives_is_none(void **state)
{
	struct prefix p;

	(void)state;
	assert_int_equal(parse("consumer:c_01f3a9c2d4b5e60718", &p), 0);
	p.addr.bytes[12] = 1;
	assert_false(target_is_key(&p));
	assert_int_equal(parse("consumer:c_01f3a9c2d4b5e60718", &p), 0);
	p.bits = 64;
	assert_false(target_is_key(&p));
	assert_int_equal(parse("ja4:t13d1516h2_8daaf6152771_b186095e22b6", &p), 0);
	memset(p.addr.bytes, 0xff, 4);
	assert_false(target_is_key(&p));
	p.addr.family = 99;
	assert_false(target_is_key(&p));
	assert_false(target_is_key(&(struct prefix){.bits = 0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_target_reads_and_prints_the_same),
		cmocka_unit_test(what_is_not_exactly_one_is_none),
		cmocka_unit_test(what_is_on_a_route_is_no_address),
		cmocka_unit_test(a_key_that_no_text_gives_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
