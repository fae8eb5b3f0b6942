// SPDX-License-Identifier: Apache-2.0
#include "policies/redact.h"
#include <ctype.h>
#include "tests/unit/policies_config.h"

static char *allowed[] = {"host",   "user-agent",    "content-type", "Referer",
			  "cookie", "authorization", "x-api-key"};

struct fixture {
	struct config config;
	struct redact *redact;
	struct http_request request;
};

static const uint8_t key[32] = {1, 2, 3};

static void make(struct fixture *f)
{
	redact_free(f->redact);
	f->redact = NULL;
	assert_int_equal(redact_new(&f->config, key, &f->redact), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	f->config = test_config();
	f->config.redact.headers = (struct config_strings){allowed, ARRAY_SIZE(allowed)};
	make(f);
	f->request.method = SPAN("GET");
	f->request.version_major = 1;
	f->request.version_minor = 1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	redact_free(f->redact);
	free(f);
	return 0;
}

/* path as the parser cuts it: scheme and authority of an absolute form removed. */
static void set_target(struct fixture *f, const char *target)
{
	struct span t = span_from(target);
	const char *from = target, *mark = strstr(target, "://");

	if (t.len && target[0] != '/' && mark) {
		from = mark + 3;
		from += strcspn(from, "/?#");
	}
	f->request.target = t;
	f->request.path = (struct span){from, strcspn(from, "?#")};
	f->request.query = SPAN_NULL;
}

static void add_header(struct fixture *f, const char *name, const char *value)
{
	f->request.headers[f->request.header_count++] =
		(struct http_header){span_from(name), span_from(value)};
}

static struct event *make_event(struct fixture *f)
{
	const struct redact_context context = {
		.flow = {.connection_id = 7, .peer = {.addr = test_addr("198.51.100.7"), .port = 1234}},
		.client = {.addr = test_addr("203.0.113.5"), .port = 99},
		.forwarded = true,
		.stream_index = 3,
		.time_ns = 1000,
		.wall_ns = 2000,
	};
	struct event *e = redact_request(f->redact, &f->request, &context);

	assert_non_null(e);
	return e;
}

#define HASH_DIGITS 18 /* of the key's id and of the hash */

/* "h_~" in wanted stands for any hash. */
static bool span_matches(struct span got, const char *wanted)
{
	size_t at = 0;

	for (; *wanted; wanted++) {
		if (*wanted != '~') {
			if (at >= got.len || got.ptr[at++] != *wanted)
				return false;
			continue;
		}
		for (unsigned i = 0; i < HASH_DIGITS; i++, at++)
			if (at >= got.len || !isxdigit((unsigned char)got.ptr[at]))
				return false;
	}
	return at == got.len;
}

static void assert_span(struct span got, const char *wanted)
{
	if (!span_matches(got, wanted))
		fail_msg("got \"%.*s\", wanted \"%s\"", (int)got.len, got.ptr ? got.ptr : "", wanted);
}

static void assert_target(struct fixture *f, const char *target, const char *wanted, const char *wanted_path)
{
	set_target(f, target);
	struct event *e = make_event(f);
	assert_span(e->request.target, wanted);
	assert_span(e->request.path, wanted_path);
	event_unref(e);
}

static const struct event_header *header_of(const struct event *e, const char *name)
{
	for (unsigned i = 0; i < e->request.header_count; i++)
		if (span_equal(e->request.headers[i].name, span_from(name)))
			return &e->request.headers[i];
	return NULL;
}

static void assert_header(struct fixture *f, const char *name, const char *value, const char *wanted)
{
	char lower[64];

	for (size_t i = 0; i <= strlen(name); i++)
		lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
	f->request.header_count = 0;
	add_header(f, name, value);
	struct event *e = make_event(f);
	const struct event_header *h = header_of(e, lower);
	if (!wanted) {
		assert_null(h);
	} else {
		assert_non_null(h);
		assert_span(h->value, wanted);
	}
	event_unref(e);
}

static void query_values_become_hashes_and_names_stay(void **state)
{
	struct fixture *f = *state;

	assert_target(f, "/a/b?a=1&b=secret", "/a/b?a=h_~&b=h_~", "/a/b");
	assert_target(f, "/a", "/a", "/a");
	assert_target(f, "/a?", "/a?", "/a");
	assert_target(f, "/?n=1", "/?n=h_~", "/");
	assert_target(f, "/a?x=1&&=2&y", "/a?x=h_~&&=h_~&y", "/a");
	assert_target(f, "/a?x=1=2=3", "/a?x=h_~", "/a");
	assert_target(f, "/a?b=c?d=e", "/a?b=h_~", "/a");
	assert_target(f, "/a?empty=&b", "/a?empty=&b", "/a");
	assert_target(f, "/a?filter[name]=joe&X-Amz-Signature=abcdef",
		      "/a?filter[name]=h_~&X-Amz-Signature=h_~", "/a");
	assert_target(f, "*", "*", "*");
	assert_target(f, "", "", "");
}

static void harmless_parameters_stay_while_they_are_plain(void **state)
{
	struct fixture *f = *state;

	assert_target(f, "/a?page=3&sort=-name,age&limit=50", "/a?page=3&sort=-name,age&limit=50", "/a");
	assert_target(f, "/a?PAGE=3", "/a?PAGE=3", "/a");
	assert_target(f, "/a?page=joe@shop.test", "/a?page=h_~", "/a");
	assert_target(f, "/a?page=4111111111111111", "/a?page=h_~", "/a");
	assert_target(f, "/a?page=4111-1111-1111-1111", "/a?page=h_~", "/a");
	assert_target(f, "/a?page=%61", "/a?page=h_~", "/a");
	assert_target(f, "/a?page=1;token=x", "/a?page=h_~", "/a");
	assert_target(f, "/a?sort=9f86d081884c7d659a2f", "/a?sort=h_~", "/a");
}

static void dropped_values_leave_no_hash(void **state)
{
	struct fixture *f = *state;

	f->config.redact.query = REDACT_QUERY_DROP;
	make(f);
	assert_target(f, "/a/b?a=1&b=secret&page=2", "/a/b?a=&b=&page=2", "/a/b");
}

static void a_value_has_one_hash_for_each_name_however_it_is_encoded(void **state)
{
	struct fixture *f = *state;
	char hashes[4][32];
	static const char *const targets[] = {"/?a=joe", "/?a=%6a%6Fe", "/x?q=1&a=joe", "/?b=joe"};

	for (unsigned i = 0; i < 4; i++) {
		set_target(f, targets[i]);
		struct event *e = make_event(f);
		const char *h = memrchr(e->request.target.ptr, 'h', e->request.target.len);
		assert_non_null(h);
		snprintf(hashes[i], sizeof hashes[i], "%.20s", h);
		event_unref(e);
	}
	assert_string_equal(hashes[0], hashes[1]);
	assert_string_equal(hashes[0], hashes[2]);
	assert_string_not_equal(hashes[0], hashes[3]);
}

static void a_token_without_a_name_does_not_pass_as_one(void **state)
{
	struct fixture *f = *state;

	assert_target(f, "/reset?3f9ac0ffee11", "/reset?", "/reset");
	assert_target(f, "/reset?a3f9ac0ffee11", "/reset?", "/reset");
	assert_target(f, "/reset?dG9rZW4xMjM0NTY=", "/reset?=", "/reset");
	assert_target(f, "/otp?123456", "/otp?", "/otp");
	assert_target(f, "/x?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1",
		      "/x?=h_~", "/x");
	assert_target(f, "/x?9f86d081884c7d659a2f=1", "/x?{token:h_~}=h_~", "/x");
	assert_target(f, "/x?joe%40shop.test=1", "/x?{email:h_~}=h_~", "/x");
	assert_target(f, "/soap?wsdl", "/soap?wsdl", "/soap"); /* a flag is worth knowing */
	assert_target(f, "/a?v2", "/a?v2", "/a");
	assert_target(f, "/a?password:hunter", "/a?", "/a");
	assert_target(f, "/a;password:hunter/b", "/a;{text:h_~}/b", "/a;{text:h_~}/b");
}

static void json_in_a_query_is_no_list_of_names(void **state)
{
	struct fixture *f = *state;

	assert_target(f, "/a?{\"password\":\"hunter2\",\"sig\":\"x=y\"}", "/a?{text:h_~}=h_~", "/a");
	assert_target(f, "/a?%7B%22password%22:%22hunter2%22,%22s%22:%22=x", "/a?{text:h_~}=h_~", "/a");
	assert_target(f, "/a?{\"password\":\"hunter2\"}=1", "/a?{text:h_~}=h_~", "/a");
	assert_target(f, "/a?name:contains=eve&filter[x]=1", "/a?name:contains=h_~&filter[x]=h_~", "/a");
	assert_header(f, "Cookie", "{\"pw\":\"hunter2\"}=1; a=b", "{text:h_~}=h_~; a=h_~");
}

static void a_fragment_is_dropped_and_path_parameters_are_hashed(void **state)
{
	struct fixture *f = *state;

	assert_target(f, "/cb#access_token=secret", "/cb", "/cb");
	assert_target(f, "/cb?a=1#access_token=secret", "/cb?a=h_~", "/cb");
	assert_target(f, "/app;jsessionid=SECRET/page?x=1", "/app;jsessionid=h_~/page?x=h_~",
		      "/app;jsessionid=h_~/page");
	assert_target(f, "/app;a=1;b=2", "/app;a=h_~;b=h_~", "/app;a=h_~;b=h_~");
	assert_target(f, "/app;v1/x;", "/app;v1/x;", "/app;v1/x;");
	assert_target(f, "/app;123456/x", "/app;{text:h_~}/x", "/app;{text:h_~}/x");
	assert_target(f, "/token=SECRET/x", "/token=h_~/x", "/token=h_~/x");
	assert_target(f, "/a&token=SECRET", "/a&token=h_~", "/a&token=h_~");
	assert_target(f, "/app%3Bjsessionid=SECRET/x", "/app%3Bjsessionid=h_~/x", "/app%3Bjsessionid=h_~/x");
	assert_target(f, "/app%3Bjsessionid%3DSECRET/x", "/{text:h_~}/x", "/{text:h_~}/x");
}

static void user_information_is_removed(void **state)
{
	struct fixture *f = *state;

	assert_target(f, "http://joe:pw@api.test/x?a=1", "http://api.test/x?a=h_~", "/x");
	assert_target(f, "HTTP://joe:p@w@api.test:8080/x", "HTTP://api.test:8080/x", "/x");
	assert_target(f, "http://joe@api.test", "http://api.test", "");
	assert_target(f, "http://joe:pw%40api.test/", "http://{email:h_~}/", "/");
	assert_target(f, "//joe:pw@api.test/", "//{email:h_~}/", "//{email:h_~}/");
	assert_target(f, "/go?u=http://joe:pw@x/", "/go?u=h_~", "/go");
	/* RFC 3986 section 3.2.1: any of these may stand before the "@". */
	assert_target(f, "//joe:pw)@api.test/x", "//{email:h_~}/x", "//{email:h_~}/x");
	assert_target(f, "//joe:@api.test/x", "//{email:h_~}/x", "//{email:h_~}/x");
	/* A password with a slash in it ends the authority before the "@". */
	assert_target(f, "http://joe:hunter2/x@api.test/", "http://{text:h_~}/{email:h_~}/", "/{email:h_~}/");
	f->request.method = SPAN("CONNECT");
	assert_target(f, "joe:pw@api.test:443", "api.test:443", "api.test:443");
}

#define JWT "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"

static void segments_that_look_like_secrets_become_placeholders(void **state)
{
	static const struct {
		const char *target, *wanted;
	} cases[] = {
		{"/users/joe@shop.test/x", "/users/{email:h_~}/x"},
		{"/users/joe%40shop.test/x", "/users/{email:h_~}/x"},
		{"/users/joe%2540shop.test/x", "/users/{email:h_~}/x"},
		{"/users/%6a%6f%65%40shop.test", "/users/{email:h_~}"},
		{"/verify/" JWT, "/verify/{jwt:h_~}"},
		{"/verify/%65yJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.x", "/verify/{token:h_~}"},
		{"/pay/4111111111111111/now", "/pay/{card:h_~}/now"},
		{"/pay/4111-1111-1111-1111", "/pay/{card:h_~}"},
		{"/pay/4111%201111%201111%201111", "/pay/{card:h_~}"},
		{"/pay/378282246310005", "/pay/{card:h_~}"},
		{"/reset/9f86d081884c7d659a2feaa0c55ad015", "/reset/{token:h_~}"},
		{"/reset/kJ8sZ2qLm4Xw9TbV", "/reset/{token:h_~}"},
		{"/reset/JBSWY3DPEHPK3PXP", "/reset/{token:h_~}"},
		{"/k/sk_live_abcdefgh", "/k/{token:h_~}"},
		{"/k/AKIAIOSFODNN7EXAMPLE", "/k/{token:h_~}"},
		{"/o/550e8400-e29b-41d4-a716-446655440000", "/o/{uuid:h_~}"},
		{"/b/am9lQHNob3AudGVzdA==", "/b/="}, /* base64 of joe@shop.test */
		{"/b/am9lQHNob3AudGVzdDEy", "/b/{token:h_~}"},
		{"/{jwt:h_010123456789abcdef}/x", "/{text:h_~}/x"},
		/* what stays */
		{"/api/v1/orders/12345/items", "/api/v1/orders/12345/items"},
		{"/api/v2/notifications/subscriptions", "/api/v2/notifications/subscriptions"},
		{"/blog/my-long-title-about-the-year-2024-and-2025",
		 "/blog/my-long-title-about-the-year-2024-and-2025"},
		{"/rpc/getUserByIdAndNameFromDatabase", "/rpc/getUserByIdAndNameFromDatabase"},
		{"/o/1234567890123", "/o/1234567890123"},
		{"/o/4111111111111112", "/o/4111111111111112"}, /* no card: Luhn */
		{"/f/2024-11-25T12-00-00Z.tar.gz", "/f/2024-11-25T12-00-00Z.tar.gz"},
		{"/@joe/posts", "/@joe/posts"},
		{"/a%20b/c%2Fd", "/a%20b/c%2Fd"},
		{"/100%/x", "/100%/x"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_target(f, cases[i].target, cases[i].wanted, cases[i].wanted);
}

static void a_placeholder_is_the_same_however_its_secret_is_encoded(void **state)
{
	static const char *const targets[] = {"/u/joe@shop.test", "/u/joe%40shop.test",
					      "/u/joe%2540shop.test"};
	struct fixture *f = *state;
	char first[64] = "", text[64];

	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
		set_target(f, targets[i]);
		struct event *e = make_event(f);
		snprintf(text, sizeof text, "%.*s", (int)e->request.target.len, e->request.target.ptr);
		if (!i)
			strcpy(first, text);
		assert_string_equal(text, first);
		event_unref(e);
	}
}

static void nobody_buys_hashes_without_end(void **state)
{
	struct fixture *f = *state;
	char target[4096] = "/a@b.c/1@b.c?";

	for (unsigned i = 0; i < 500; i++)
		strcat(target, "k=v&");
	set_target(f, target);
	struct event *e = make_event(f);
	unsigned hashes = 0;
	for (size_t i = 0; i + 2 < e->request.target.len; i++)
		hashes += memcmp(e->request.target.ptr + i, "h_", 2) == 0;
	assert_int_equal(hashes, 64);
	assert_int_equal(redact_refused(f->redact), 500 - 62);
	assert_span((struct span){e->request.target.ptr + e->request.target.len - 6, 6}, "k=&k=&");
	event_unref(e);
}

static void keeping_queries_keeps_them_whole_but_never_the_user(void **state)
{
	struct fixture *f = *state;

	f->config.redact.query = REDACT_QUERY_KEEP;
	make(f);
	assert_target(f, "/a;s=1/b?a=1&b=%20x#f", "/a;s=1/b?a=1&b=%20x#f", "/a;s=1/b");
	assert_target(f, "http://joe:pw@api.test/x?a=1", "http://api.test/x?a=1", "/x");
	assert_target(f, "/u/joe@shop.test", "/u/joe@shop.test", "/u/joe@shop.test");
	f->request.method = SPAN("m3th:od");
	struct event *e = make_event(f);
	assert_span(e->request.method, "m3th:od");
	event_unref(e);
}

static void only_listed_headers_pass_in_their_order(void **state)
{
	struct fixture *f = *state;

	set_target(f, "/");
	add_header(f, "X-Secret", "s3cret");
	add_header(f, "User-Agent", "curl/8");
	add_header(f, "HOST", "api.test:8443");
	add_header(f, "Content-Typo", "a");
	add_header(f, "User-agent", "second");
	add_header(f, "Referer", "https://joe:pw@shop.test/cart?token=abc");
	add_header(f, "", "nameless");
	struct event *e = make_event(f);
	assert_int_equal(e->request.header_count, 4);
	assert_span(e->request.headers[0].name, "user-agent");
	assert_span(e->request.headers[0].value, "curl/8");
	assert_span(e->request.headers[1].name, "host");
	assert_span(e->request.headers[1].value, "api.test:8443");
	assert_span(e->request.headers[2].value, "second");
	assert_span(e->request.headers[3].name, "referer");
	assert_span(e->request.headers[3].value, "https://shop.test/cart?token=h_~");
	assert_span(e->request.user_agent, "curl/8");
	assert_span(e->request.host, "api.test");
	event_unref(e);
}

static void a_user_agent_that_is_not_listed_stays_here(void **state)
{
	struct fixture *f = *state;
	static char *none[] = {"accept"};

	f->config.redact.headers = (struct config_strings){none, 1};
	make(f);
	add_header(f, "User-Agent", "curl/8");
	struct event *e = make_event(f);
	assert_int_equal(e->request.user_agent.len, 0);
	assert_int_equal(e->request.header_count, 0);
	event_unref(e);
}

static void cookies_keep_their_names_and_plain_choices(void **state)
{
	struct fixture *f = *state;

	assert_header(f, "Cookie", "theme=dark; sid=abc123;x=1", "theme=dark; sid=h_~; x=h_~");
	assert_header(f, "Cookie", "theme=joe@shop.test", "theme=h_~");
	assert_header(f, "Cookie", "nameless-secret; a=b", "a=h_~");
	assert_header(f, "Cookie", "a=b=c==; =d;;", "a=h_~; =h_~");
	assert_header(f, "Cookie", "9f86d081884c7d659a2f=1", "{token:h_~}=h_~");
	assert_header(f, "Cookie", "a=;b=;c=;d=;e=;f=", "a=; b=; c=; d=; e=; f="); /* grows by a space each */
	assert_header(f, "Cookie", "", "");
}

static void headers_that_stay_lose_what_looks_like_a_secret(void **state)
{
	static const struct {
		const char *name, *value, *wanted;
	} cases[] = {
		{"User-Agent", "app/1.0 (joe@shop.test; Linux)", "app/1.0 ({email:h_~}; Linux)"},
		{"User-Agent", "app/1.0 Bearer " JWT, "app/1.0 Bearer {jwt:h_~}"},
		{"User-Agent", "app token=hunter2 x", "app token=h_~ x"},
		{"User-Agent", "app /a?b=1&api_key=hunter2", "app /a?b=1&api_key=h_~"},
		{"User-Agent", "bot (+http://joe:pw@bot.test/x?token=1)",
		 "bot (+http://bot.test/x?token=h_~)"},
		{"User-Agent", "card 4111 1111 1111 1111", "{card:h_~}"},
		{"User-Agent", "card 4111%201111%201111%201111", "card {card:h_~}"},
		{"User-Agent", "Basic am9lOmh1bnRlcjIx", "Basic {token:h_~}"},
		{"Content-Type", "text/plain; password=hunter2", "text/plain; password=h_~"},
		{"Content-Type", "text/plain; password=\"hunter2\"; a=b",
		 "text/plain; password=\"h_~\"; a=b"},
		{"User-Agent", "app token='hunter2 two' x", "app token='h_~' x"},
		{"User-Agent", "app token=\"hunter2", "app token=\"h_~"},
		{"User-Agent", "app token=\"\" x", "app token=\"\" x"},
		{"User-Agent", "app token= hunter2 x", "app token= h_~ x"},
		{"User-Agent", "app token=; x", "app token=; x"},
		{"User-Agent", "app password=abc://hunter2/", "app password=h_~"},
		{"User-Agent", "bot (+http://bot.test/?k=v&foo=hunter2,b)",
		 "bot (+http://bot.test/?k=h_~&foo=h_~)"},
		{"User-Agent", "bot (+http://bot.test/a;jsessionid=hunter2); x",
		 "bot (+http://bot.test/a;jsessionid=h_~); x"},
		{"User-Agent", "bot (+http://bot.test/bot.html; a=b) c",
		 "bot (+http://bot.test/bot.html; a=b) c"},
		{"Host", "api.test?token=hunter2", "{text:h_~}"},
		{"Host", "joe:hunter2", "{text:h_~}"},
		{"Host", "[2001:db8::1]:80", "[2001:db8::1]:80"},
		{"User-Agent", "via joe:pw!@proxy.test", "via {email:h_~}"},
		{"Referer", "https://joe:pw@shop.test/u/joe@shop.test?token=abc&page=2#x",
		 "https://shop.test/u/{email:h_~}?token=h_~&page=2"},
		{"Host", "joe:pw@api.test", "api.test"},
		{"Host", "9f86d081884c7d659a2feaa0c55ad015.test", "{token:h_~}"},
		{"User-Agent",
		 "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
		 "Version/17.0 Safari/605.1.15",
		 "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
		 "Version/17.0 Safari/605.1.15"},
		{"User-Agent", "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B Build/TP1A.220624.014)",
		 "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B Build/TP1A.220624.014)"},
		{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8",
		 "application/x-www-form-urlencoded; charset=utf-8"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_header(f, cases[i].name, cases[i].value, cases[i].wanted);
}

static void a_method_is_a_word_or_goes(void **state)
{
	static const struct {
		const char *method, *wanted;
	} cases[] = {
		{"GET", "GET"},
		{"VERSION-CONTROL", "VERSION-CONTROL"},
		{"get", "get"},
		{"hunter2", "{text:h_~}"},
		{"Authorization:", "{text:h_~}"},
		{"eyJhbGciOiJIUzI1NiJ9", "{text:h_~}"},
		{"eyJhbGciOiJIUzIlNiIs", "{jwt:h_~}"},
		{"sEcReTsEcReTsEcReTsEcReTsEcReTsEcReTs", "{text:h_~}"},
		{"", ""},
	};
	struct fixture *f = *state;

	set_target(f, "/");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f->request.method = span_from(cases[i].method);
		struct event *e = make_event(f);
		assert_span(e->request.method, cases[i].wanted);
		event_unref(e);
	}
}

static void nothing_is_hidden_when_redaction_is_off_but_credentials(void **state)
{
	struct fixture *f = *state;

	f->config.redact.disabled = true;
	make(f);
	assert_target(f, "http://joe:pw@api.test/joe@shop.test?a=1#f",
		      "http://joe:pw@api.test/joe@shop.test?a=1#f", "/joe@shop.test");
	assert_target(f, "/joe@shop.test;x=1?a=1#f", "/joe@shop.test;x=1?a=1#f", "/joe@shop.test;x=1");
	assert_header(f, "User-Agent", "joe@shop.test", "joe@shop.test");
	assert_header(f, "Cookie", "sid=abc", "sid=abc");
	assert_header(f, "Authorization", "Bearer abc", NULL);
}

static void credentials_never_pass_even_where_they_are_listed(void **state)
{
	struct fixture *f = *state;

	assert_header(f, "Authorization", "Bearer abc", NULL);
	assert_header(f, "X-API-Key", "abc", NULL);
	assert_header(f, "Host", "joe:pw@api.test", "api.test");
}

static void consumer_of(struct fixture *f, const char *name, const char *value, char ret[REDACT_CONSUMER_MAX])
{
	f->request.header_count = 0;
	add_header(f, name, value);
	struct event *e = make_event(f);
	snprintf(ret, REDACT_CONSUMER_MAX, "%.*s", (int)e->request.consumer.len,
		 e->request.consumer.ptr ? e->request.consumer.ptr : "");
	event_unref(e);
}

static void assert_consumer(struct fixture *f, const char *name, const char *value, const char *credential)
{
	char got[REDACT_CONSUMER_MAX], wanted[REDACT_CONSUMER_MAX] = "";

	consumer_of(f, name, value, got);
	if (credential)
		redact_consumer(f->redact, span_from(credential), wanted);
	assert_string_equal(got, wanted);
}

static void one_credential_is_one_consumer_wherever_it_stands(void **state)
{
	struct fixture *f = *state;

	assert_consumer(f, "Authorization", "Bearer abc", "abc");
	assert_consumer(f, "authorization", "bearer  abc ", "abc");
	assert_consumer(f, "Authorization", "abc", "abc");
	assert_consumer(f, "Proxy-Authorization", "Basic abc", "abc");
	assert_consumer(f, "X-Api-Key", "abc", "abc");
	assert_consumer(f, "API-KEY", "abc", "abc");
	assert_consumer(f, "X-Auth-Token", "abc", "abc");
	assert_consumer(f, "Cookie", "theme=dark; connect.sid=abc", "abc");
	assert_consumer(f, "Cookie", "JSESSIONID=abc", "abc");
	assert_consumer(f, "Cookie", "csrftoken=xyz; theme=dark", NULL);
	assert_consumer(f, "Authorization", "Bearer", NULL);
	assert_consumer(f, "Authorization", "", NULL);
	assert_consumer(f, "X-Unrelated", "abc", NULL);
	assert_consumer(f, "Authorization", "Bearer abc==", "abc==");
	assert_consumer(f, "Cookie", "connect.sid=abc%3D%3D", "abc==");
	set_target(f, "/a?access_token=abc%3D%3d");
	assert_consumer(f, "X-Unrelated", "abc", "abc==");
}

static void a_signature_made_anew_for_each_request_does_not_make_a_new_consumer(void **state)
{
	struct fixture *f = *state;

	assert_consumer(f, "Authorization", "Digest username=\"joe\", nonce=\"1\", response=\"2\"", "joe");
	assert_consumer(f, "Authorization", "Digest nonce=\"9\", username=\"joe\", response=\"7\"", "joe");
	assert_consumer(f, "Authorization",
			"AWS4-HMAC-SHA256 Credential=AKID/20261124/eu-1/s3/aws4_request, Signature=1234",
			"AKID");
	assert_consumer(f, "Authorization", "Hawk id=\"h1\", ts=\"1\"", "h1");
	assert_consumer(f, "Authorization", "Digest nonsense", "nonsense");
}

static void the_first_kind_of_credential_counts_whatever_the_order(void **state)
{
	struct fixture *f = *state;
	char wanted[REDACT_CONSUMER_MAX];

	add_header(f, "Cookie", "sid=c");
	add_header(f, "X-Api-Key", "k");
	add_header(f, "Authorization", "Bearer t");
	add_header(f, "Authorization", "Bearer second");
	struct event *e = make_event(f);
	redact_consumer(f->redact, SPAN("t"), wanted);
	assert_span(e->request.consumer, wanted);
	event_unref(e);
}

static void the_hash_depends_on_the_key_and_hides_the_credential(void **state)
{
	struct fixture *f = *state;
	uint8_t other_key[32] = {9};
	struct redact *other = NULL;
	char a[REDACT_CONSUMER_MAX], b[REDACT_CONSUMER_MAX], again[REDACT_CONSUMER_MAX];

	redact_consumer(f->redact, SPAN("abc"), a);
	redact_consumer(f->redact, SPAN("abd"), b);
	redact_consumer(f->redact, SPAN("abc"), again);
	assert_string_equal(a, again); /* the reused context starts afresh each time */
	assert_string_not_equal(a, b);
	assert_int_equal(redact_new(&f->config, other_key, &other), 0);
	redact_consumer(other, SPAN("abc"), b);
	assert_string_not_equal(a, b);
	redact_free(other);
	/* HMAC-SHA256 with the key {1, 2, 3, 0, ...} over "abc", by another implementation (python hmac) */
	assert_string_equal(a, "c_00200fd2f9dada90b9");
}

static void what_needs_no_hiding_is_copied(void **state)
{
	struct fixture *f = *state;

	set_target(f, "/x");
	f->request.method = SPAN("POST");
	f->request.body = HTTP_BODY_LENGTH;
	f->request.content_length = 77;
	f->request.deviations = HTTP_DEV_BARE_LF;
	struct event *e = make_event(f);
	assert_int_equal(e->kind, EVENT_HTTP_REQUEST);
	assert_span(e->request.method, "POST");
	assert_int_equal(e->time_ns, 1000);
	assert_int_equal(e->wall_ns, 2000);
	assert_int_equal(e->flow.connection_id, 7);
	assert_int_equal(e->flow.peer.port, 1234);
	assert_int_equal(e->request.client.port, 99);
	assert_int_equal(e->request.forwarded, 1);
	assert_int_equal(e->request.stream_index, 3);
	assert_int_equal(e->request.content_length, 77);
	assert_int_equal(e->request.body, HTTP_BODY_LENGTH);
	assert_int_equal(e->request.deviations, HTTP_DEV_BARE_LF);
	assert_int_equal(e->request.version_minor, 1);
	assert_int_equal(e->request.host.len, 0);
	event_unref(e);
}

static void assert_host(struct fixture *f, const char *target, const char *host, const char *wanted)
{
	set_target(f, target);
	f->request.header_count = 0;
	add_header(f, "Host", host);
	struct event *e = make_event(f);
	assert_span(e->request.host, wanted);
	event_unref(e);
}

static void host_is_the_name_without_its_port(void **state)
{
	struct fixture *f = *state;

	assert_host(f, "/", "api.test", "api.test");
	assert_host(f, "/", "api.test:80", "api.test");
	assert_host(f, "/", "[2001:db8::1]:80", "2001:db8::1");
	assert_host(f, "/", "", "");
	assert_host(f, "http://real.test:81/x", "lie.test", "real.test");
	assert_host(f, "index.html", "api.test", "api.test");
}

/* The event must not point into the stream's buffer, which is reused at once. */
static void an_event_keeps_nothing_of_the_request(void **state)
{
	struct fixture *f = *state;
	char *target = strdup("/long/path?a=1"), *agent = strdup("agent");

	set_target(f, target);
	add_header(f, "User-Agent", agent);
	struct event *e = make_event(f), *other = NULL;
	memset(target, 'X', strlen(target));
	memset(agent, 'X', strlen(agent));
	free(target);
	free(agent);
	set_target(f, "/other");
	f->request.header_count = 0;
	other = make_event(f); /* nor into scratch memory that the next request overwrites */
	assert_span(e->request.target, "/long/path?a=h_~");
	assert_span(e->request.user_agent, "agent");
	assert_true((char *)e->request.target.ptr > (char *)e);
	assert_true((char *)e->request.user_agent.ptr + 5 <= (char *)e + e->size);
	event_unref(e);
	event_unref(other);
}

/* No secret of the request may be found anywhere in the event, however the request is put together. */
static void random_requests_leak_no_secret(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"Host",    "User-Agent", "Cookie",  "Authorization",
					    "Referer", "X-Api-Key",  "X-Other", "Content-Type"};
	static const char *const pieces[] = {"/", "?", "&", "=",  ";",   "#", "@", "://",
					     ":", " ", "a", "id", "%20", ",", "\""};
	char texts[HTTP_HEADERS_MAX + 1][200];
	unsigned seed = 5;

	for (unsigned round = 0; round < 5000; round++) {
		unsigned count = (unsigned)rand_r(&seed) % 8;
		f->request.header_count = 0;
		for (unsigned i = 0; i <= count; i++) {
			texts[i][0] = 0;
			for (int j = rand_r(&seed) % 12; j > 0; j--)
				strcat(texts[i], pieces[(unsigned)rand_r(&seed) % ARRAY_SIZE(pieces)]);
			if (i < count) /* credentials and cookies hold a secret somewhere */
				add_header(f, names[(unsigned)rand_r(&seed) % ARRAY_SIZE(names)], texts[i]);
		}
		for (unsigned i = 0; i < count; i++) {
			struct http_header *h = &f->request.headers[i];
			bool secret = span_equal(h->name, SPAN("Authorization")) ||
				      span_equal(h->name, SPAN("X-Api-Key")) ||
				      span_equal(h->name, SPAN("X-Other"));
			if (secret || span_equal(h->name, SPAN("Cookie")))
				strcat(texts[i], secret ? "S3CRET" : "x=S3CRET");
			h->value = span_from(texts[i]);
		}
		strcat(texts[count], "?k=S3CRET");
		set_target(f, texts[count]);
		struct event *e = make_event(f);
		assert_null(memmem(e, e->size, "S3CRET", 6));
		event_unref(e);
	}
}

static void a_request_of_the_largest_head_fits(void **state)
{
	struct fixture *f = *state;
	size_t len = 60000;
	char *big = malloc(len + 1);

	assert_non_null(big);
	memset(big, 'a', len);
	big[0] = '/';
	big[len] = 0;
	set_target(f, big);
	for (unsigned i = 1; i < HTTP_HEADERS_MAX; i++)
		add_header(f, "User-Agent", "x");
	add_header(f, "Cookie", "a=b");
	struct event *e = make_event(f);
	assert_int_equal(e->request.header_count, HTTP_HEADERS_MAX);
	assert_int_equal(e->request.target.len, len);
	event_unref(e);
	memset(big, ';', len); /* the worst that a cookie list or a path can be */
	f->request.headers[0] = (struct http_header){SPAN("Cookie"), {big, len}};
	f->request.header_count = 1;
	event_unref(make_event(f));
	free(big);
}

static char *text_of(char c, size_t len)
{
	char *s = malloc(len + 1);

	assert_non_null(s);
	memset(s, c, len);
	s[len] = 0;
	return s;
}

static void a_long_header_is_cut_and_the_event_says_so(void **state)
{
	struct fixture *f = *state;
	char *long_text = text_of('u', 30000), *just = text_of('j', REDACT_TEXT_MAX);

	set_target(f, "/");
	add_header(f, "User-Agent", just);
	struct event *e = make_event(f);
	assert_span(e->request.user_agent, just);
	assert_int_equal(e->request.truncated, 0);
	event_unref(e);
	f->request.header_count = 0;
	add_header(f, "User-Agent", long_text);
	add_header(f, "Content-Type", "text/plain"); /* what follows the cut is as it was */
	add_header(f, "Referer", long_text);
	add_header(f, "Host", "api.test");
	e = make_event(f);
	assert_int_equal(e->request.truncated, 1);
	assert_int_equal(e->request.user_agent.len, REDACT_TEXT_MAX);
	assert_memory_equal(e->request.user_agent.ptr, long_text, REDACT_TEXT_MAX);
	assert_span(header_of(e, "content-type")->value, "text/plain");
	assert_int_equal(header_of(e, "referer")->value.len, REDACT_TEXT_MAX);
	assert_span(header_of(e, "host")->value, "api.test");
	assert_true(e->size < sizeof *e + 2 * REDACT_TEXT_MAX + 1024); /* and its memory is that much less */
	event_unref(e);
	f->request.header_count = 0;
	e = make_event(f); /* the next request's event does not say so */
	assert_int_equal(e->request.truncated, 0);
	event_unref(e);
	free(long_text);
	free(just);
}

static void a_long_host_and_method_are_cut_a_long_target_is_not(void **state)
{
	struct fixture *f = *state;
	char *host = text_of('h', 20000), *method = text_of('M', 20000), *target = text_of('t', 60000);

	target[0] = '/';
	set_target(f, target);
	struct event *e = make_event(f);
	assert_span(e->request.target, target);
	assert_span(e->request.path, target);
	assert_int_equal(e->request.truncated, 0);
	event_unref(e);
	add_header(f, "Host", host);
	e = make_event(f);
	assert_int_equal(e->request.host.len, REDACT_TEXT_MAX);
	assert_int_equal(e->request.truncated, 1);
	event_unref(e);
	f->request.header_count = 0;
	f->request.method = span_from(method);
	e = make_event(f);
	assert_span(e->request.method, "{text:h_~}"); /* no method is that long */
	assert_span(e->request.path, target);
	assert_int_equal(e->request.truncated, 0);
	event_unref(e);
	f->config.redact.disabled = true;
	make(f);
	e = make_event(f);
	assert_int_equal(e->request.method.len, REDACT_TEXT_MAX);
	assert_int_equal(e->request.truncated, 1);
	event_unref(e);
	free(host);
	free(method);
	free(target);
}

/* Were the cut made first, the "@" that makes "joe:pw" a password would be gone. */
static void a_cut_hides_no_secret_from_redaction(void **state)
{
	struct fixture *f = *state;
	char *referer = text_of('p', 20000), *cookies = text_of('v', 20000);

	memcpy(referer, "http://joe:", 11);
	memcpy(referer + 19980, "@shop.test/c?token=x", 20);
	assert_header(f, "Referer", referer, "http://shop.test/c?token=h_~");
	memcpy(cookies, "a=", 2);
	memcpy(cookies + 19900, "; b=1", 5);
	assert_header(f, "Cookie", cookies, "a=h_~; b=h_~");
	free(referer);
	free(cookies);
}

static void what_lies_behind_the_cut_still_makes_the_consumer(void **state)
{
	struct fixture *f = *state;
	char *cookies = text_of('v', 20000);

	memcpy(cookies, "a=", 2);
	memcpy(cookies + 19990, "; sid=1234", 10);
	assert_consumer(f, "Cookie", cookies, "1234");
	free(cookies);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(query_values_become_hashes_and_names_stay),
		TEST(harmless_parameters_stay_while_they_are_plain),
		TEST(dropped_values_leave_no_hash),
		TEST(a_value_has_one_hash_for_each_name_however_it_is_encoded),
		TEST(a_token_without_a_name_does_not_pass_as_one),
		TEST(json_in_a_query_is_no_list_of_names),
		TEST(a_fragment_is_dropped_and_path_parameters_are_hashed),
		TEST(user_information_is_removed),
		TEST(segments_that_look_like_secrets_become_placeholders),
		TEST(a_placeholder_is_the_same_however_its_secret_is_encoded),
		TEST(nobody_buys_hashes_without_end),
		TEST(keeping_queries_keeps_them_whole_but_never_the_user),
		TEST(only_listed_headers_pass_in_their_order),
		TEST(a_user_agent_that_is_not_listed_stays_here),
		TEST(cookies_keep_their_names_and_plain_choices),
		TEST(headers_that_stay_lose_what_looks_like_a_secret),
		TEST(a_method_is_a_word_or_goes),
		TEST(nothing_is_hidden_when_redaction_is_off_but_credentials),
		TEST(credentials_never_pass_even_where_they_are_listed),
		TEST(one_credential_is_one_consumer_wherever_it_stands),
		TEST(a_signature_made_anew_for_each_request_does_not_make_a_new_consumer),
		TEST(the_first_kind_of_credential_counts_whatever_the_order),
		TEST(the_hash_depends_on_the_key_and_hides_the_credential),
		TEST(what_needs_no_hiding_is_copied),
		TEST(host_is_the_name_without_its_port),
		TEST(an_event_keeps_nothing_of_the_request),
		TEST(random_requests_leak_no_secret),
		TEST(a_request_of_the_largest_head_fits),
		TEST(a_long_header_is_cut_and_the_event_says_so),
		TEST(a_long_host_and_method_are_cut_a_long_target_is_not),
		TEST(a_cut_hides_no_secret_from_redaction),
		TEST(what_lies_behind_the_cut_still_makes_the_consumer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
