// SPDX-License-Identifier: Apache-2.0
#include "policies/cross_site.h"
#include "tests/unit/policies_config.h"

#define BROWSER "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

static bool asked(const char *method, uint32_t deviations, const char *const *headers)
{
	struct http_request r = {.method = span_from(method),
				 .target = SPAN("/login"),
				 .path = SPAN("/login"),
				 .deviations = deviations};

	for (; headers[0]; headers += 2)
		r.headers[r.header_count++] =
			(struct http_header){span_from(headers[0]), span_from(headers[1])};
	return cross_site_possible(&r);
}

#define POSSIBLE(method, ...) \
	assert_true(asked(method, 0, (const char *const[]){"Host", "api.example:8080", __VA_ARGS__, NULL}))
#define CERTAIN(method, ...) \
	assert_false(asked(method, 0, (const char *const[]){"Host", "api.example:8080", __VA_ARGS__, NULL}))

static void what_a_page_can_have_sent_is_possible(void **state)
{
	(void)state;
	POSSIBLE("GET", BROWSER, "Sec-Fetch-Site", "cross-site");
	POSSIBLE("POST", BROWSER, "Origin", "https://evil.example", "Content-Type",
		 "text/plain;charset=UTF-8");
	POSSIBLE("POST", BROWSER, "Origin", "null", "Content-Type", "application/x-www-form-urlencoded");
	POSSIBLE("POST", BROWSER, "Origin", "https://evil.example", "Content-Type",
		 "Multipart/Form-Data; boundary=x");
	POSSIBLE("GET", BROWSER, "Referer", "https://evil.example/page?api.example");
	POSSIBLE("HEAD", BROWSER, "Referer", "https://api.example.evil.example/");
	POSSIBLE("POST", BROWSER, "Origin", "https://evil.example"); /* a body without a type */
	/* Browsers leave all of it out, over plain HTTP, or if the page tells them to. */
	POSSIBLE("GET", BROWSER);
	POSSIBLE("GET", BROWSER, "Cookie", "session=1"); /* cookies go along */
	/* Whoever says so himself. */
	POSSIBLE("GET", "User-Agent", "curl/8.0", "Sec-Fetch-Site", "Cross-Site");
	POSSIBLE("GET", "User-Agent", "curl/8.0", "Origin", "https://evil.example");
}

static void what_no_page_can_have_sent_is_certain(void **state)
{
	(void)state;
	CERTAIN("PUT", BROWSER, "Origin", "https://evil.example");
	CERTAIN("DELETE", BROWSER, "Sec-Fetch-Site", "cross-site");
	CERTAIN("get", BROWSER);
	CERTAIN("POST", BROWSER, "Origin", "https://evil.example", "Content-Type", "application/json");
	CERTAIN("POST", BROWSER, "Content-Type", "text/plainer");
	CERTAIN("GET", BROWSER, "Authorization", "Bearer x");
	CERTAIN("GET", BROWSER, "X-Api-Key", "x");
	CERTAIN("GET", BROWSER, "X-Requested-With", "XMLHttpRequest");
	CERTAIN("GET", BROWSER, "Sec-Fetch-Site", "same-origin");
	CERTAIN("GET", BROWSER, "Sec-Fetch-Site", "none", "Referer", "https://evil.example/");
	CERTAIN("POST", BROWSER, "Origin", "https://API.example", "Content-Type", "text/plain");
	CERTAIN("GET", BROWSER, "Referer", "https://api.example:443/page");
	/* No browser, and does not say it is. */
	CERTAIN("GET", "User-Agent", "python-requests/2.31");
	CERTAIN("POST", "Accept", "*/*");
	CERTAIN("GET", "User-Agent", "Mozilla");
}

static void what_breaks_the_rules_of_http_comes_from_no_browser(void **state)
{
	static const char *const browser[] = {"Host", "api.example", BROWSER, NULL};

	(void)state;
	assert_true(asked("GET", 0, browser));
	assert_false(asked("GET", HTTP_DEV_BARE_LF, browser));
	/* But what is found inside a body may be what a page put there. */
	assert_true(asked("PUT", HTTP_DEV_IN_BODY | HTTP_DEV_BARE_LF, browser));
}

static void odd_hosts_are_read_without_going_astray(void **state)
{
	static const char *const odd[] = {
		"",          ":",          "://",  "https://",   "https:///x",   "https://[::1]",
		"https://[", "https://]:", "null", "http://:80", "//api.example"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		if (*odd[i])
			POSSIBLE("GET", BROWSER, "Origin", odd[i]);
	assert_false(asked(
		"GET", 0,
		(const char *const[]){"Host", "[::1]:8080", BROWSER, "Origin", "http://[::1]:8080", NULL}));
	assert_true(asked("GET", 0,
			  (const char *const[]){BROWSER, "Origin", "http://", NULL})); /* neither names one */
	POSSIBLE("GET", BROWSER, "Referer", "");
	POSSIBLE("GET", BROWSER, "Origin", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_page_can_have_sent_is_possible),
		cmocka_unit_test(what_no_page_can_have_sent_is_certain),
		cmocka_unit_test(what_breaks_the_rules_of_http_comes_from_no_browser),
		cmocka_unit_test(odd_hosts_are_read_without_going_astray),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
