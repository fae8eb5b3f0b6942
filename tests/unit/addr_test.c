// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/addr.h"
#include "lib/util.h"

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(span_from(text), &a), 0);
	return a;
}

static struct prefix net(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(span_from(text), &p), 0);
	return p;
}

static void address_reads_and_prints_in_its_shortest_form(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"192.0.2.7", "192.0.2.7"},
		{"0.0.0.0", "0.0.0.0"},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
		{"::", "::"},
		{"::1", "::1"},
	};
	char buf[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct addr a = addr_of(cases[i].in);
		assert_string_equal(addr_format(&a, buf), cases[i].out);
	}
	assert_string_equal(addr_format(&(struct addr){0}, buf), "");
}

static void mapped_address_is_the_ipv4_address(void **state)
{
	struct addr a = addr_of("::ffff:192.0.2.7"), b = addr_of("192.0.2.7");
	uint8_t raw[16];

	(void)state;
	assert_int_equal(a.family, ADDR_IPV4);
	assert_true(addr_equal(&a, &b));
	assert_int_equal(addr_hash(&a), addr_hash(&b));
	inet_pton(AF_INET6, "::ffff:192.0.2.7", raw);
	a = addr_from_bytes(AF_INET6, raw);
	assert_true(addr_equal(&a, &b));
	/* "::192.0.2.7" looks alike and is another address. */
	a = addr_of("::192.0.2.7");
	assert_int_equal(a.family, ADDR_IPV6);
	a = addr_from_bytes(AF_UNIX, raw);
	assert_int_equal(a.family, ADDR_NONE);
}

static void anything_else_is_no_address(void **state)
{
	static const char *const bad[] = {
		"",           " 192.0.2.7", "192.0.2.7 ",   "192.0.2",         "192.0.2.256", "192.0.2.07",
		"0x7f.0.0.1", "3232235777", "fe80::1%eth0", "2001:db8::1::",   ":::",         "192.0.2.7\n",
		"1.2.3.4.5",  "[::1]",      "localhost",    "2001:db8:00001::"};
	struct addr a = addr_of("192.0.2.1"), before = a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(addr_parse(span_from(bad[i]), &a), ADDR_E_SYNTAX);
	assert_int_equal(addr_parse((struct span){"1.2.3.4\0x", 9}, &a), ADDR_E_SYNTAX);
	assert_true(addr_equal(&a, &before));
}

static void prefix_without_length_is_one_address(void **state)
{
	char buf[PREFIX_TEXT_MAX];
	struct prefix p = net("192.0.2.7"), q = net("192.0.2.7/32"), six = net("2001:db8::1/128");

	(void)state;
	assert_true(prefix_is_exact(&p) && prefix_is_exact(&six));
	assert_true(prefix_equal(&p, &q));
	assert_string_equal(prefix_format(&q, buf), "192.0.2.7");
	assert_string_equal(prefix_format(&six, buf), "2001:db8::1");
	p = net("2001:db8::/48");
	assert_string_equal(prefix_format(&p, buf), "2001:db8::/48");
	p = net("0.0.0.0/0");
	assert_string_equal(prefix_format(&p, buf), "0.0.0.0/0");
}

static void host_bits_are_an_error_of_their_own(void **state)
{
	static const char *const bits[] = {"192.0.2.7/24", "10.0.0.1/31", "2001:db8::1/64", "128.0.0.0/0"};
	static const char *const bad[] = {"192.0.2.0/33",  "2001:db8::/129", "192.0.2.0/", "192.0.2.0/08",
					  "192.0.2.0/-1",  "192.0.2.0/2 ",   "/24",        "192.0.2.0/24/24",
					  "192.0.2.0/0x8", "192.0.2.0/1000"};
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		assert_int_equal(prefix_parse(span_from(bits[i]), &p), ADDR_E_HOST_BITS);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(prefix_parse(span_from(bad[i]), &p), ADDR_E_SYNTAX);
}

static void mapped_prefix_with_a_length_is_refused(void **state)
{
	struct prefix p;

	(void)state;
	/* As IPv4, /96 and /24 would each mean something else than was written. */
	assert_int_equal(prefix_parse(SPAN("::ffff:0:0/96"), &p), ADDR_E_SYNTAX);
	assert_int_equal(prefix_parse(SPAN("::ffff:192.0.2.0/24"), &p), ADDR_E_SYNTAX);
	assert_int_equal(prefix_parse(SPAN("::ffff:192.0.2.7"), &p), 0);
}

static void prefix_holds_its_addresses_and_no_others(void **state)
{
	struct prefix p = net("192.0.2.128/25"), all = net("0.0.0.0/0"), six = net("2001:db8:8000::/33");
	struct addr in = addr_of("192.0.2.200"), out = addr_of("192.0.2.127"),
		    v6 = addr_of("2001:db8:8001::1");
	struct addr v6_out = addr_of("2001:db8:7fff::1");

	(void)state;
	assert_true(prefix_contains(&p, &in));
	assert_false(prefix_contains(&p, &out));
	assert_true(prefix_contains(&all, &out));
	assert_false(prefix_contains(&all, &v6));
	assert_true(prefix_contains(&six, &v6));
	assert_false(prefix_contains(&six, &v6_out));
}

static void overlap_is_the_same_both_ways(void **state)
{
	struct prefix wide = net("10.0.0.0/8"), narrow = net("10.1.2.0/24"), other = net("11.0.0.0/8");
	struct prefix six = net("::/0");

	(void)state;
	assert_true(prefix_overlaps(&wide, &narrow) && prefix_overlaps(&narrow, &wide));
	assert_false(prefix_overlaps(&wide, &other) || prefix_overlaps(&other, &narrow));
	assert_false(prefix_overlaps(&six, &wide) || prefix_overlaps(&wide, &six));
}

static void loopback_and_unspecified_are_known(void **state)
{
	struct addr a;

	(void)state;
	a = addr_of("127.9.9.9");
	assert_true(addr_is_loopback(&a));
	a = addr_of("::1");
	assert_true(addr_is_loopback(&a));
	a = addr_of("128.0.0.1");
	assert_false(addr_is_loopback(&a));
	a = addr_of("0.0.0.0");
	assert_true(addr_is_unspecified(&a));
	a = addr_of("::2");
	assert_false(addr_is_unspecified(&a) || addr_is_loopback(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_reads_and_prints_in_its_shortest_form),
		cmocka_unit_test(mapped_address_is_the_ipv4_address),
		cmocka_unit_test(anything_else_is_no_address),
		cmocka_unit_test(prefix_without_length_is_one_address),
		cmocka_unit_test(host_bits_are_an_error_of_their_own),
		cmocka_unit_test(mapped_prefix_with_a_length_is_refused),
		cmocka_unit_test(prefix_holds_its_addresses_and_no_others),
		cmocka_unit_test(overlap_is_the_same_both_ways),
		cmocka_unit_test(loopback_and_unspecified_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
