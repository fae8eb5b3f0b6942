// SPDX-License-Identifier: Apache-2.0
/* What a secret looks like, and what only looks a little like one; and the rules file around it. */
#include "policies/redact_token.h"
#include "policies/redact_rules.h"
#include "tests/unit/policies_config.h"

static struct redact_rules *rules;

static int setup(void **state)
{
	struct config config = {.instance = NULL};
	struct buffer errors = BUFFER_INIT(4096);

	(void)state;
	return redact_rules_load(&config, &rules, &errors);
}

static int teardown(void **state)
{
	(void)state;
	redact_rules_free(rules);
	return 0;
}

static const char *kind_of(const char *text)
{
	char work[512];
	struct span span = span_from(text);

	assert_true(span.len <= sizeof work);
	return token_kind_name(token_find_decoded(&rules->tokens, &span, work));
}

static void secrets_are_known_by_their_looks(void **state)
{
	static const struct {
		const char *text, *kind;
	} cases[] = {
		{"eyJhbGciOiJIUzI1NiJ9.e30.abc", "jwt"},
		{"xxeyJhbGciOiJIUzI1NiJ9", "jwt"},
		{"joe@shop.test", "email"},
		{"j\xc3\xb6rg@shop.test", "email"},
		{"joe:pw@10.0.0.1", "email"},
		{"joe%40shop.test", "email"},
		{"joe%252540shop.test", "email"},
		{"4111111111111111", "card"},
		{"4111-1111-1111-1111", "card"},
		{"4111+1111+1111+1111", "card"},
		{"5555555555554444", "card"},
		{"2223003122003222", "card"},
		{"378282246310005", "card"},
		{"id-4111111111111111.pdf", "card"},
		{"2024-4111 1111 1111 1111 7", "card"},
		{"1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1", "card"},
		{"91914111111111111111", "token"}, /* 20 digits */
		{"550e8400-e29b-41d4-a716-446655440000", "uuid"},
		{"order_550E8400-E29B-41D4-A716-446655440000_x", "uuid"},
		{"9f86d081884c7d65", "token"},
		{"0000000000000000000000000000001ff", "token"},
		{"JBSWY3DPEHPK3PXPJBSWY3DP", "token"},
		{"xkqvbtrnwzplmhgd", "token"}, /* no vowel */
		{"ghp_aaaaaaaaaaaaaaaa", "token"},
		{"ya29.a0AfH6SM", "token"},
		{"dXNlcjpwYXNzd29yZA", "token"}, /* user:password */
		{"%2525252541", "text"},         /* encoded five times */
		{"a%3Db", "text"},
		{"{email:h_010011223344556677}", "text"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (strcmp(kind_of(cases[i].text), cases[i].kind) != 0)
			fail_msg("\"%s\" is \"%s\", wanted \"%s\"", cases[i].text, kind_of(cases[i].text),
				 cases[i].kind);
}

static void words_names_and_numbers_stay(void **state)
{
	static const char *const texts[] = {
		"",
		"a",
		"orders",
		"notifications",
		"internationalization",
		"getUserByIdAndNameFromDatabase",
		"my-long-title-about-the-year-2024-and-2025",
		"iPhone14ProMax25",
		"2024-11-25T12-00-00Z",
		"1732500000000",
		"1234567890123456789",
		"4111111111111112",
		"1111111111111117",
		"B08N5WRWNW",
		"x86_64-linux-gnu",
		"v1beta2",
		"application/x-www-form-urlencoded",
		"PostmanRuntime/7.36.0",
		"SM-G991B",
		"TP1A.220624.014",
		"@joe",
		"lodash@",
		"a=b",
		"100%",
		"%zz",
		"%41%42",
		"aaaaaaaaaaaaaaaaaaaa",
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		"jquery.validate.unobtrusive.min.js",
		"OAuth2CallbackHandler",
		"com.example.app.backend.OrderServiceImpl",
		"192.168.100.200",
		"2001:db8:85a3:0:0:8a2e:370:7334",
		"Donaudampfschifffahrtsgesellschaft",
		"Rechtsschutzversicherung",
		"straightforwardness",
		"SHOUTING_CONSTANT_NAME_OF_THINGS",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (*kind_of(texts[i]))
			fail_msg("\"%s\" is \"%s\"", texts[i], kind_of(texts[i]));
}

/* What no sign tells of, no detector may find: else a text would pass or not by what stands beside it. */
static void without_a_sign_nothing_is_found(void **state)
{
	static const char alphabet[] = "aZ0-_+/ .,:@%={~\x80";
	unsigned seed = 3;

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		char text[40];
		size_t len = (unsigned)rand_r(&seed) % sizeof text;
		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[(unsigned)rand_r(&seed) % (sizeof alphabet - 1)];
		struct span span = {text, len};
		if (!(token_signs(span) & (TOKEN_SIGN_RUN | TOKEN_SIGN_SPECIAL)))
			assert_int_equal(token_find(&rules->tokens, span), TOKEN_NONE);
	}
}

static unsigned found_of_1000(const char *alphabet, unsigned base, size_t len, unsigned *seed)
{
	unsigned found = 0;

	for (unsigned i = 0; i < 1000; i++) {
		char text[65];
		for (size_t j = 0; j < len; j++)
			text[j] = alphabet[(unsigned)rand_r(seed) % base];
		struct span span = {text, len};
		found += token_signs(span) & TOKEN_SIGN_RUN && token_find(&rules->tokens, span) != TOKEN_NONE;
	}
	return found;
}

static void random_tokens_are_found_the_more_surely_the_longer(void **state)
{
	static const char all[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
	static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	static const struct {
		const char *alphabet;
		unsigned base;
		size_t len;
		unsigned least;
	} cases[] = {
		{all, 16, 16, 990}, {all, 16, 20, 995},    {all, 16, 32, 999}, {all, 36, 20, 960},
		{all, 36, 32, 985}, {all, 62, 20, 930},    {all, 62, 32, 990}, {all, 64, 22, 930},
		{all, 64, 43, 995}, {base32, 32, 32, 950},
	};
	unsigned seed = 11;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned found = found_of_1000(cases[i].alphabet, cases[i].base, cases[i].len, &seed);
		if (found < cases[i].least)
			fail_msg("base %u, %zu characters: %u of 1000, wanted %u", cases[i].base,
				 cases[i].len, found, cases[i].least);
	}
}

/* --- the rules file --- */
static void assert_refused(const char *yaml, const char *told)
{
	struct buffer errors = BUFFER_INIT(4096);
	struct redact_rules *r = NULL;

	assert_int_equal(redact_rules_parse(span_from(yaml), "r.yaml", &r, &errors), CONFIG_E_INVALID);
	buffer_append_char(&errors, 0);
	if (!strstr(errors.data, told))
		fail_msg("told \"%s\", wanted \"%s\"", errors.data, told);
	buffer_free(&errors);
}

static void a_rules_file_is_refused_with_its_line(void **state)
{
	(void)state;
	assert_refused("a\n", "r.yaml:1: sections are needed");
	assert_refused("bad: 1\n", "r.yaml:1: \"bad\" is no section");
	assert_refused("headers: [host]\n", "r.yaml:1: \"headers\" holds lists");
	assert_refused("headers:\n  keep: host\n", "r.yaml:2: a list is needed");
	assert_refused("headers:\n  keep: [\"a b\"]\n", "r.yaml:2: \"a b\" is no header field name");
	assert_refused("headers:\n  keep: [a]\n  hash: [A]\n", "r.yaml:3: \"A\" stands in two lists");
	assert_refused("headers: {keep: [authorization]}\ncredentials: {schemes: [Authorization]}\n",
		       "\"Authorization\" stands in two lists");
	assert_refused("headers:\n  kept: [a]\n", "r.yaml:2: \"kept\" is no key");
	assert_refused("parameters: {keep: [token]}\ncredentials: {parameters: [token]}\n",
		       "\"token\" is to be kept and to be hidden");
	assert_refused("tokens: {find: [zip]}\n", "\"zip\" is no kind of secret");
	assert_refused("tokens: {random_min: 3}\n", "random_min is a number");
	assert_refused("tokens: {prefixes: [\"\"]}\n", "a text of 1 to 64 bytes");
}

static void an_allow_list_of_the_configuration_overrides_the_rules_own(void **state)
{
	static char *names[] = {"x-trace", "authorization", "referer"};
	struct config config = {.redact.headers = {names, 3}};
	struct buffer errors = BUFFER_INIT(4096);
	struct redact_rules *r = NULL;

	(void)state;
	assert_int_equal(redact_rules_load(&config, &r, &errors), 0);
	assert_true(redact_name_find(&r->headers, SPAN("X-Trace"))->allowed);
	assert_int_equal(redact_name_find(&r->headers, SPAN("X-TRACE"))->treatment, HEADER_KEEP);
	assert_int_equal(redact_name_find(&r->headers, SPAN("referer"))->treatment, HEADER_TARGET);
	assert_false(redact_name_find(&r->headers, SPAN("User-Agent"))->allowed);
	assert_false(redact_name_find(&r->headers, SPAN("Authorization"))->allowed);
	assert_null(redact_name_find(&r->headers, SPAN("x-other")));
	redact_rules_free(r);
}

static void session_cookies_are_told_by_name(void **state)
{
	static const struct {
		const char *name;
		bool session;
	} cases[] = {{"sid", true},        {"connect.sid", true}, {"JSESSIONID", true},
		     {"auth_token", true}, {"jwt", true},         {"csrftoken", false},
		     {"theme", false},     {"sidebar", false},    {"XSRF-TOKEN", false},
		     {"", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(redact_rules_session(rules, span_from(cases[i].name)), cases[i].session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_known_by_their_looks),
		cmocka_unit_test(words_names_and_numbers_stay),
		cmocka_unit_test(without_a_sign_nothing_is_found),
		cmocka_unit_test(random_tokens_are_found_the_more_surely_the_longer),
		cmocka_unit_test(a_rules_file_is_refused_with_its_line),
		cmocka_unit_test(an_allow_list_of_the_configuration_overrides_the_rules_own),
		cmocka_unit_test(session_cookies_are_told_by_name),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
