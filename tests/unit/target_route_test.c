// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include "lib/target_route.h"
#include "lib/util.h"

static uint16_t number_of(const char *text)
{
	uint16_t n = 0;

	assert_int_equal(target_route_number(span_from(text), TARGET_ROUTES_MAX, &n), 0);
	return n;
}

static void a_route_is_written_in_one_way(void **state)
{
	static const char *const good[] = {
		"/",
		"/login",
		"/users/{id}",
		"/orders/{id}/items",
		"/{tenant-name}/v1.1/{a_b}",
		"/@me",
		"/books:batchGet",
		"/a-b_c~d.e+f,g=h",
		"/.well-known/x",
	};
	static const char *const bad[] = {
		"",         "login",    "/login/",      "//login",  "/a//b",    "/.",      "/..",
		"/a/../b",  "/login.",  "/login?x",     "/login#x", "/login;x", "/lo gin", "/log%69n",
		"/lo\\gin", "/lo\ngin", "/caf\xc3\xa9", "/{}",      "/{id",     "/id}",    "/{id}.json",
		"/x{id}",   "/{a}{b}",  "/{a..z}",      "/{a,b}",   "/{a b}",   "/$(x)",   "/`x`",
		"/a'b",     "/a\"b",    "/a*b",         "/a&b",     "/a|b",     "/<a>",    "/!a",
	};
	char text[TARGET_ROUTE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!target_route_valid(span_from(good[i])))
			fail_msg("%s is one", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (target_route_valid(span_from(bad[i])))
			fail_msg("%s is none", bad[i]);
	assert_false(target_route_valid((struct span){"/a\0b", 4}));
	memset(text, 'a', sizeof text);
	text[0] = '/';
	assert_true(target_route_valid((struct span){text, TARGET_ROUTE_MAX - 1}));
	assert_false(target_route_valid((struct span){text, TARGET_ROUTE_MAX}));
}

static void each_has_a_number_that_stays(void **state)
{
	uint16_t login = number_of("/login"), users = number_of("/users/{id}");

	(void)state;
	assert_true(login && users && login != users);
	assert_int_equal(number_of("/login"), login);
	assert_string_equal(target_route_text(login), "/login");
	assert_string_equal(target_route_text(users), "/users/{id}");
	assert_string_equal(target_route_text(0), "");
	assert_string_equal(target_route_text(UINT16_MAX), "");
	assert_int_equal(target_route_number(SPAN("/no way"), TARGET_ROUTES_MAX, &login),
			 TARGET_ROUTE_E_SYNTAX);
}

static void *name_all(void *arg)
{
	uint16_t *numbers = arg;
	char text[32];

	for (unsigned i = 0; i < 500; i++) {
		snprintf(text, sizeof text, "/many/%u", i);
		if (target_route_number(span_from(text), TARGET_ROUTES_MAX, &numbers[i]) ||
		    strcmp(target_route_text(numbers[i]), text) != 0)
			numbers[i] = 0;
	}
	return NULL;
}

static void threads_agree_on_numbers(void **state)
{
	static uint16_t a[500], b[500];
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, name_all, a), 0);
	name_all(b);
	pthread_join(thread, NULL);
	assert_memory_equal(a, b, sizeof a);
	for (unsigned i = 0; i < 500; i++)
		assert_int_not_equal(a[i], 0);
}

/* Last: it stays full. */
static void full_it_takes_no_more_and_gateways_cannot_fill_it(void **state)
{
	char text[32];
	uint16_t n = 0;

	(void)state;
	for (unsigned i = 0; i < 2 * TARGET_ROUTES_MAX; i++) {
		snprintf(text, sizeof text, "/of-a-gateway/%u", i);
		int r = target_route_number(span_from(text), TARGET_ROUTES_OF_GATEWAYS, &n);
		assert_int_equal(r, target_route_count() < TARGET_ROUTES_OF_GATEWAYS ||
						    !strcmp(target_route_text(n), text)
					    ? 0
					    : TARGET_ROUTE_E_FULL);
	}
	assert_int_equal(target_route_count(), TARGET_ROUTES_OF_GATEWAYS);
	for (unsigned i = TARGET_ROUTES_OF_GATEWAYS; i < TARGET_ROUTES_MAX; i++) {
		snprintf(text, sizeof text, "/of-an-operator/%u", i);
		assert_int_equal(number_of(text), i + 1);
	}
	assert_int_equal(target_route_number(SPAN("/one-more"), TARGET_ROUTES_MAX, &n), TARGET_ROUTE_E_FULL);
	assert_int_equal(target_route_number(SPAN("/of-a-gateway/0"), TARGET_ROUTES_OF_GATEWAYS, &n), 0);
	assert_string_equal(target_route_text(n), "/of-a-gateway/0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_route_is_written_in_one_way),
		cmocka_unit_test(each_has_a_number_that_stays),
		cmocka_unit_test(threads_agree_on_numbers),
		cmocka_unit_test(full_it_takes_no_more_and_gateways_cannot_fill_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
