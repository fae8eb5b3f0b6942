// SPDX-License-Identifier: Apache-2.0
/* Nobody gets around a route by how a path is written; other paths fit it only where servers might differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "lib/target_route.h"
#include "lib/util.h"
#include "policies/request_path.h"

static struct request_path path;

static bool fits(const char *target, const char *route)
{
	assert_true(target_route_valid(span_from(route)));
	request_path_read(span_from(target), &path);
	return request_path_fits(&path, span_from(route));
}

static void a_plain_path_fits_a_route_of_its_own_segments(void **state)
{
	static const struct {
		const char *target, *route;
		bool fits;
	} cases[] = {
		{"/login", "/login", true},
		{"/login?next=/admin", "/login", true},
		{"/login/", "/login", true},
		{"/login/x", "/login", false},
		{"/xlogin", "/login", false},
		{"/loginx", "/login", false},
		{"/x/login", "/login", false},
		{"/x?/login", "/login", false},
		{"/login.json", "/login", false},
		{"/", "/login", false},
		{"/", "/", true},
		{"/?x", "/", true},
		{"/login", "/", false},
		{"/users/7", "/users/{id}", true},
		{"/users/alice%20b", "/users/{id}", true},
		{"/users/7/", "/users/{name}", true},
		{"/users", "/users/{id}", false},
		{"/users/", "/users/{id}", false},
		{"/users/7/items", "/users/{id}", false},
		{"/users/7/items", "/users/{id}/items", true},
		{"/users/7/cards", "/users/{id}/items", false},
		{"/items/users/7", "/users/{id}", false},
		{"/caf%C3%A9", "/{word}", true},
		{"/caf\xc3\xa9", "/{word}", true},
		{"/v1.1/a:b/@me", "/v1.1/a:b/@me", true},
		{"http://api.example.com/login", "/login", true},
		{"https://a:443/users/7?x", "/users/{id}", true},
		{"http://api.example.com", "/", true},
		{"http://api.example.com?/login", "/login", false},
		{"http://login/", "/login", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (fits(cases[i].target, cases[i].route) != cases[i].fits)
			fail_msg("%s %s %s", cases[i].target, cases[i].fits ? "must fit" : "must not fit",
				 cases[i].route);
		assert_int_equal(path.kind, REQUEST_PATH_PLAIN);
	}
}

/* What some server or other takes for /login, or for /users/{id}. */
static void no_way_of_writing_gets_around_a_route(void **state)
{
	static const char *const logins[] = {
		"/%6cogin",
		"/%6C%6F%67%69%6E",
		"/%256cogin",
		"/%25256cogin",
		"//login",
		"///login//",
		"/login//",
		"/./login",
		"/login/.",
		"/login/x/..",
		"/x/../login",
		"/x/y/../../login",
		"/../login",
		"/..//login",
		"/%2e%2e/login",
		"/x/%2e%2e/login",
		"/x/.%2E/login",
		"/x/%252e%252e/login",
		"/x/..;/login",
		"/x/..;a=b/login",
		"/;/login",
		"/login;jsessionid=1",
		"/login;a=b/",
		"/login%3Bx",
		"/login%3fx",
		"/login#x",
		"/login%23x",
		"/x%2f..%2flogin",
		"/%2flogin",
		"/%5clogin",
		"/\\login",
		"/x\\..\\login",
		"/LOGIN",
		"/lOGIN?x",
		"/login.",
		"/login%20",
		"/login%2e%20.",
		"http://h//login",
		"http://h\\login",
		"http://h#/login",
		"HTTP://h/x/../login",
		/* nobody knows what one makes of these */
		"/login%00.html",
		"/%00/login",
		"/login\t",
		"/login%0a",
		"/%u006cogin",
		"/%6",
		"/%zz/login",
		"/%c0%af/login",
		"/\xff/login",
		"/%252525256cogin",
		"login",
		"*",
		"h:443",
		"://h/login",
		"",
	};
	static const char *const users[] = {
		"/users/a%2fb",       "/users/a%5Cb",    "/users/7;v=1", "/users/..;",    "/users/x/../7",
		"//users/7",          "/USERS/7",        "/users//7",    "/a/../users/7", "/users/%2e%2e",
		"/users/a%2f..%2f..", "/x/..%2fusers/7", "/users/7/%2e", "/users/%25",    "/users/a#b",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logins); i++)
		if (!fits(logins[i], "/login"))
			fail_msg("%s gets around /login", logins[i]);
	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		if (!fits(users[i], "/users/{id}"))
			fail_msg("%s gets around /users/{id}", users[i]);
	/* As servers that split there, and those that do not, have it. */
	assert_true(fits("/x/../login", "/{a}/{b}/login"));
	assert_true(fits("/..;/login", "/{a}/login"));
	assert_true(fits("/users/a%2fitems", "/users/{id}/items"));
	assert_true(fits("//login/users/7", "/users/{id}"));
}

/* Who writes oddly is held up on the routes whose words stand there, and on no other. */
static void an_ambiguous_path_fits_no_route_of_other_words(void **state)
{
	static const struct {
		const char *target, *route;
	} cases[] = {
		{"/projects/group%2fproject", "/login"},
		{"//orders/7", "/login"},
		{"/x/../orders", "/users/{id}"},
		{"/items;a=b/users", "/users/{id}/items"}, /* the order is another */
		{"/log/../in", "/login"},
		{"/lo%2fgin", "/login"},
		{"/x;login=1", "/login"},
		{"//x?/login", "/login"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (fits(cases[i].target, cases[i].route))
			fail_msg("%s must not fit %s", cases[i].target, cases[i].route);
		assert_int_equal(path.kind, REQUEST_PATH_AMBIGUOUS);
	}
}

static void what_is_too_long_or_too_deep_fits_every_route(void **state)
{
	static char text[2 * REQUEST_PATH_MAX];

	(void)state;
	memset(text, 'a', REQUEST_PATH_MAX);
	text[0] = '/';
	assert_false(fits(text, "/login"));
	assert_true(fits(text, "/{word}"));
	memset(text, 'a', REQUEST_PATH_MAX + 1);
	text[0] = '/';
	assert_true(fits(text, "/login"));
	assert_int_equal(path.kind, REQUEST_PATH_UNREADABLE);
	text[0] = 0;
	for (unsigned i = 0; i < REQUEST_PATH_SEGMENTS; i++)
		strcat(text, "/a");
	assert_false(fits(text, "/login"));
	strcat(text, "/a");
	assert_true(fits(text, "/login"));
	/* Encoded again and again: it ends. */
	strcpy(text, "/%");
	for (unsigned i = 0; i < 1000; i++)
		strcat(text, "25");
	strcat(text, "2fx");
	assert_true(fits(text, "/login"));
	assert_int_equal(path.kind, REQUEST_PATH_UNREADABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_path_fits_a_route_of_its_own_segments),
		cmocka_unit_test(no_way_of_writing_gets_around_a_route),
		cmocka_unit_test(an_ambiguous_path_fits_no_route_of_other_words),
		cmocka_unit_test(what_is_too_long_or_too_deep_fits_every_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
