// SPDX-License-Identifier: Apache-2.0
/* What a gateway may answer, and above all what it may not: each fault is refused under its own name. */
#include "lib/util.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/verdict_parse.h"
#include "lib/target.h"

#define RECEIVED_NS 123456789ull

struct outcome {
	int result;
	unsigned accepted;
	struct verdict first, last;
	uint64_t refused[VERDICT_E_MAX];
};

static void keep(void *arg, const struct verdict *v)
{
	struct outcome *o = arg;

	if (o->accepted++ == 0)
		o->first = *v;
	o->last = *v;
}

static struct outcome parse(struct span body)
{
	struct outcome o = {0};

	o.result = verdict_parse(body, "main", RECEIVED_NS, keep, &o, o.refused);
	return o;
}

static uint64_t refusals(const struct outcome *o)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < VERDICT_E_MAX; i++)
		sum += o->refused[i];
	return sum;
}

/* Nothing is accepted, one fault is counted, and it is this one. */
static void assert_refused(struct span body, enum verdict_error e)
{
	struct outcome o = parse(body);

	if (o.accepted || o.refused[e] != 1 || refusals(&o) != 1) {
		print_error("%.*s\n", (int)MIN(body.len, 200), body.ptr);
		for (unsigned i = 1; i < VERDICT_E_MAX; i++) {
			if (o.refused[i])
				print_error("  counted: %s %u\n", verdict_error_name(i),
					    (unsigned)o.refused[i]);
		}
		fail_msg("wanted: refused as \"%s\"; accepted %u", verdict_error_name(e), o.accepted);
	}
}

static void assert_refused_text(const char *body, enum verdict_error e)
{
	assert_refused(span_from(body), e);
}

#define TARGET       "\"target\":{\"scope\":\"ip\",\"value\":\"192.0.2.7\"}"
#define VERDICT      "\"action\":\"block\"," TARGET ",\"ttl_s\":900,\"confidence\":0.97"
#define ONE(members) "{\"verdicts\":[{" members "}]}"

static void test_full_verdict(void **state)
{
	struct outcome o = parse(
		SPAN(ONE("\"id\":\"v-1\"," VERDICT ",\"reason\":\"12 logins in 9 s \xe2\x80\x94 guessing\","
			 "\"evidence\":[\"0011223344556677-1\",\"0011223344556677-2\"]")));
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(o.result, 0);
	assert_int_equal(o.accepted, 1);
	assert_int_equal(refusals(&o), 0);
	assert_string_equal(o.first.id, "v-1");
	assert_string_equal(o.first.origin, "main");
	assert_int_equal(o.first.source, VERDICT_GATEWAY);
	assert_int_equal(o.first.action, VERDICT_BLOCK);
	assert_int_equal(o.first.scope, VERDICT_SCOPE_PORTS);
	assert_string_equal(prefix_format(&o.first.target, text), "192.0.2.7");
	assert_int_equal(o.first.ttl_ms, 900000);
	assert_true(o.first.confidence == 0.97);
	assert_string_equal(o.first.reason, "12 logins in 9 s \xe2\x80\x94 guessing");
	assert_int_equal(o.first.evidence_count, 2);
	assert_string_equal(o.first.evidence[1], "0011223344556677-2");
	assert_int_equal(o.first.received_ns, RECEIVED_NS);
}

static void test_limits_and_shadows_last_like_blocks(void **state)
{
	static const struct {
		const char *name;
		enum verdict_action action;
	} cases[] = {
		{"rate_limit", VERDICT_RATE_LIMIT}, {"shadow", VERDICT_SHADOW}, {"reset", VERDICT_RESET}};
	char body[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int ttl = 0; ttl < 2; ttl++) {
			snprintf(body, sizeof body,
				 "{\"verdicts\":[{\"action\":\"%s\",\"target\":{\"scope\":\"ip\",\"value\":"
				 "\"192.0.2.7\"},"
				 "\"confidence\":1%s}]}",
				 cases[i].name, ttl ? ",\"ttl_s\":60" : "");
			struct outcome o = parse(span_from(body));
			assert_int_equal(o.accepted, ttl);
			assert_int_equal(refusals(&o), !ttl);
			if (ttl)
				assert_int_equal(o.first.action, cases[i].action);
		}
}

static void test_smallest_verdict(void **state)
{
	struct outcome o = parse(SPAN(ONE(VERDICT)));

	(void)state;
	assert_int_equal(o.accepted, 1);
	assert_int_equal(refusals(&o), 0);
	assert_string_equal(o.first.id, "v-123456789-0");
	assert_string_equal(o.first.reason, "");
	assert_int_equal(o.first.evidence_count, 0);
}

static void test_nothing_to_say(void **state)
{
	static const char *const bodies[] = {"", " \r\n", "{\"verdicts\":[]}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct outcome o = parse(span_from(bodies[i]));
		assert_int_equal(o.result, 0);
		assert_int_equal(o.accepted, 0);
		assert_int_equal(refusals(&o), 0);
	}
}

static void test_unknown_members_beside_the_verdict_are_passed_over(void **state)
{
	struct outcome o = parse(SPAN("{\"model\":{\"name\":\"x\",\"tags\":[1,2]},\"verdicts\":[{" VERDICT
				      ",\"score\":[0.1,{\"a\":null}]}]}"));

	(void)state;
	assert_int_equal(o.accepted, 1);
	assert_int_equal(refusals(&o), 0);
}

static void test_one_bad_verdict_does_not_spoil_its_neighbours(void **state)
{
	struct outcome o = parse(SPAN("{\"verdicts\":[{" VERDICT "},{\"action\":\"nuke\"," TARGET
				      ",\"ttl_s\":1,\"confidence\":1},7,{\"id\":\"last\"," VERDICT "}]}"));

	(void)state;
	assert_int_equal(o.result, 0);
	assert_int_equal(o.accepted, 2);
	assert_string_equal(o.last.id, "last");
	assert_int_equal(o.refused[VERDICT_E_ACTION], 1);
	assert_int_equal(o.refused[VERDICT_E_SHAPE], 1);
	assert_int_equal(refusals(&o), 2);
}

static void test_unblock_needs_no_ttl(void **state)
{
	struct outcome o = parse(SPAN(ONE("\"action\":\"unblock\"," TARGET ",\"confidence\":1")));

	(void)state;
	assert_int_equal(o.accepted, 1);
	assert_int_equal(o.first.action, VERDICT_UNBLOCK);
	assert_int_equal(o.first.ttl_ms, 0);
	assert_refused_text(ONE("\"action\":\"unblock\"," TARGET ",\"confidence\":1,\"ttl_s\":-5"),
			    VERDICT_E_TTL);
}

/* --- the document --- */

static void test_not_json(void **state)
{
	(void)state;
	assert_refused_text("<!DOCTYPE html><html><body>Welcome</body></html>", VERDICT_E_SYNTAX);
	assert_refused_text("ok", VERDICT_E_SYNTAX);
	assert_refused_text("{\"verdicts\":[{" VERDICT "}", VERDICT_E_SYNTAX);
	assert_refused_text("{\"verdicts\":[{" VERDICT ",}]}", VERDICT_E_SYNTAX);
	assert_refused_text("{'verdicts':[]}", VERDICT_E_SYNTAX);
	assert_refused_text(ONE("\"action\":\"block\"," TARGET ",\"ttl_s\":0900,\"confidence\":1"),
			    VERDICT_E_SYNTAX);
	assert_refused(SPAN("\xef\xbb\xbf{\"verdicts\":[]}"), VERDICT_E_SYNTAX);
}

static void test_not_the_document(void **state)
{
	(void)state;
	assert_refused_text("[]", VERDICT_E_SHAPE);
	assert_refused_text("null", VERDICT_E_SHAPE);
	assert_refused_text("{}", VERDICT_E_SHAPE);
	assert_refused_text("{\"Verdicts\":[{" VERDICT "}]}", VERDICT_E_SHAPE);
	assert_refused_text("{\"verdicts\":{" VERDICT "}}", VERDICT_E_SHAPE);
	assert_refused_text("{\"verdicts\":[[]]}", VERDICT_E_SHAPE);
	assert_refused_text("{\"verdicts\":[null]}", VERDICT_E_SHAPE);
}

static void test_trailing_bytes(void **state)
{
	(void)state;
	assert_refused_text(ONE(VERDICT) "x", VERDICT_E_TRAILING);
	assert_refused_text(ONE(VERDICT) ONE(VERDICT), VERDICT_E_TRAILING);
	assert_refused(SPAN(ONE(VERDICT) "\0"), VERDICT_E_TRAILING);
}

static void test_duplicate_keys(void **state)
{
	(void)state;
	assert_refused_text("{\"verdicts\":[{" VERDICT "}],\"verdicts\":[]}", VERDICT_E_DUPLICATE_KEY);
	assert_refused_text(ONE(VERDICT ",\"ttl_s\":1"), VERDICT_E_DUPLICATE_KEY);
	assert_refused_text(ONE(VERDICT ",\"\\u0074tl_s\":1"), VERDICT_E_DUPLICATE_KEY);
	assert_refused_text(
		ONE("\"action\":\"block\",\"target\":{\"scope\":\"ip\",\"value\":\"192.0.2.7\",\"value\":"
		    "\"192.0.2.8\"},\"ttl_s\":9,\"confidence\":1"),
		VERDICT_E_DUPLICATE_KEY);
}

static void test_ten_megabytes(void **state)
{
	size_t len = 10u << 20;
	char *body = malloc(len);

	(void)state;
	assert_non_null(body);
	memset(body, ' ', len);
	memcpy(body, "{\"verdicts\":[]", 14);
	body[len - 1] = '}';
	assert_refused((struct span){body, len}, VERDICT_E_TOO_LARGE);
	/* At the ceiling it is read. */
	body[VERDICT_BODY_MAX - 1] = '}';
	struct outcome o = parse((struct span){body, VERDICT_BODY_MAX});
	assert_int_equal(refusals(&o), 0);
	free(body);
}

static void test_deep_nesting(void **state)
{
	static char body[200000];

	(void)state;
	memset(body, '[', sizeof body);
	assert_refused((struct span){body, sizeof body}, VERDICT_E_TOO_DEEP);
	assert_refused_text(ONE(VERDICT ",\"x\":[[[[[[[[[[1]]]]]]]]]]"), VERDICT_E_TOO_DEEP);
}

static void test_too_many_verdicts(void **state)
{
	static char body[VERDICT_BODY_MAX];
	size_t at;

	(void)state;
	for (unsigned count = VERDICT_COUNT_MAX; count <= VERDICT_COUNT_MAX + 1; count++) {
		at = (size_t)sprintf(body, "{\"verdicts\":[");
		for (unsigned i = 0; i < count; i++)
			at += (size_t)sprintf(body + at, "%s{" VERDICT "}", i ? "," : "");
		at += (size_t)sprintf(body + at, "]}");
		if (count > VERDICT_COUNT_MAX) {
			assert_refused((struct span){body, at}, VERDICT_E_TOO_MANY);
		} else {
			struct outcome o = parse((struct span){body, at});
			assert_int_equal(o.accepted, VERDICT_COUNT_MAX);
			assert_int_equal(refusals(&o), 0);
		}
	}
}

static void test_too_many_values(void **state)
{
	static char body[VERDICT_BODY_MAX];
	size_t at = (size_t)sprintf(body, "{\"verdicts\":[],\"x\":[0");

	(void)state;
	while (at < sizeof body - 8)
		at += (size_t)sprintf(body + at, ",0");
	at += (size_t)sprintf(body + at, "]}");
	assert_refused((struct span){body, at}, VERDICT_E_TOO_MANY);
}

static void test_numbers_that_are_none(void **state)
{
	(void)state;
	assert_refused_text(ONE("\"action\":\"block\"," TARGET ",\"ttl_s\":NaN,\"confidence\":1"),
			    VERDICT_E_NUMBER);
	assert_refused_text(ONE("\"action\":\"block\"," TARGET ",\"ttl_s\":9,\"confidence\":-Infinity"),
			    VERDICT_E_NUMBER);
	assert_refused_text(ONE("\"action\":\"block\"," TARGET ",\"ttl_s\":1e999,\"confidence\":1"),
			    VERDICT_E_NUMBER);
	assert_refused_text(ONE(VERDICT ",\"x\":-1e999"), VERDICT_E_NUMBER);
}

static void test_bytes_that_are_no_text(void **state)
{
	(void)state;
	assert_refused_text(ONE(VERDICT ",\"reason\":\"a\\u0000b\""), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"reason\":\"\xff\""), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"reason\":\"\xc0\xaf\""), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"reason\":\"\\ud800\""), VERDICT_E_TEXT);
}

/* --- the verdict --- */

static void test_unknown_action(void **state)
{
	(void)state;
	assert_refused_text(ONE("\"action\":\"drop\"," TARGET ",\"ttl_s\":9,\"confidence\":1"),
			    VERDICT_E_ACTION);
	assert_refused_text(ONE("\"action\":\"BLOCK\"," TARGET ",\"ttl_s\":9,\"confidence\":1"),
			    VERDICT_E_ACTION);
	assert_refused_text(ONE("\"action\":1," TARGET ",\"ttl_s\":9,\"confidence\":1"), VERDICT_E_ACTION);
	assert_refused_text(ONE(TARGET ",\"ttl_s\":9,\"confidence\":1"), VERDICT_E_ACTION);
	assert_refused_text(ONE("\"Action\":\"block\"," TARGET ",\"ttl_s\":9,\"confidence\":1"),
			    VERDICT_E_ACTION);
}

#define WITH_TARGET(target) ONE("\"action\":\"block\",\"target\":" target ",\"ttl_s\":9,\"confidence\":1")
#define IP(value)           WITH_TARGET("{\"scope\":\"ip\",\"value\":\"" value "\"}")
#define PREFIX(value)       WITH_TARGET("{\"scope\":\"prefix\",\"value\":\"" value "\"}")

static void test_target_that_is_no_address(void **state)
{
	static const char *const bodies[] = {
		IP(""),
		IP("192.0.2"),
		IP("192.0.2.256"),
		IP("192.0.2.07"),
		IP("0x7f.1"),
		IP("3221225991"),
		IP("192.0.2.7 "),
		IP("192.0.2.7/32"),
		IP("example.com"),
		IP("fe80::1%eth0"),
		IP("[2001:db8::1]"),
		IP("192.0.2.7,192.0.2.8"),
		PREFIX("192.0.2.0"),
		PREFIX("/24"),
		PREFIX("192.0.2.0/"),
		PREFIX("192.0.2.0/33"),
		PREFIX("10.0.0.0/08"),
		PREFIX("192.0.2.7/24"),
		PREFIX("2001:db8::1/64"),
		PREFIX("::/129"),
		PREFIX("::ffff:0:0/96"),
		PREFIX("192.0.2.0/-1"),
		PREFIX("192.0.2.0/24/24"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		assert_refused_text(bodies[i], VERDICT_E_TARGET);
}

static void test_target_that_is_no_target(void **state)
{
	(void)state;
	assert_refused_text(ONE("\"action\":\"block\",\"ttl_s\":9,\"confidence\":1"), VERDICT_E_TARGET);
	assert_refused_text(WITH_TARGET("\"192.0.2.7\""), VERDICT_E_TARGET);
	assert_refused_text(WITH_TARGET("[\"ip\",\"192.0.2.7\"]"), VERDICT_E_TARGET);
	assert_refused_text(WITH_TARGET("{\"value\":\"192.0.2.7\"}"), VERDICT_E_TARGET);
	assert_refused_text(WITH_TARGET("{\"scope\":\"ip\",\"value\":3221225991}"), VERDICT_E_TARGET);
	assert_refused_text(WITH_TARGET("{\"scope\":\"consumer\",\"value\":\"c_0011\"}"), VERDICT_E_TARGET);
	assert_refused_text(WITH_TARGET("{\"scope\":\"ip\",\"value\":\"consumer:c_01f3a9c2d4b5e60718\"}"),
			    VERDICT_E_TARGET);
	assert_refused_text(WITH_TARGET("{\"scope\":\"ja4\",\"value\":\"t13d1516h2\"}"), VERDICT_E_TARGET);
	assert_refused_text(WITH_TARGET("{\"scope\":\"country\",\"value\":\"XX\"}"), VERDICT_E_TARGET);
}

#define ON(route) WITH_TARGET("{\"scope\":\"ip\",\"value\":\"192.0.2.7\",\"route\":" route "}")

/* To pass over "ports", or over a route that is none, would turn a block of a part into one of the whole
 * client. */
static void test_target_narrowed_by_what_we_do_not_know(void **state)
{
	(void)state;
	assert_refused_text(WITH_TARGET("{\"scope\":\"ip\",\"value\":\"192.0.2.7\",\"ports\":[443]}"),
			    VERDICT_E_TARGET);
	assert_refused_text(WITH_TARGET("{\"scope\":\"ip\",\"value\":\"192.0.2.7\",\"route\":\"/login\","
					"\"ports\":[443]}"),
			    VERDICT_E_TARGET);
	assert_refused_text(WITH_TARGET("{\"scope\":\"ip\",\"route\":\"/login\",\"ports\":[443]}"),
			    VERDICT_E_TARGET);
	assert_refused_text(ON("null"), VERDICT_E_TARGET);
	assert_refused_text(ON("7"), VERDICT_E_TARGET);
	assert_refused_text(ON("\"\""), VERDICT_E_TARGET);
	assert_refused_text(ON("\"login\""), VERDICT_E_TARGET);
	assert_refused_text(ON("\"/login/\""), VERDICT_E_TARGET);
	assert_refused_text(ON("\"/a b\""), VERDICT_E_TARGET);
	assert_refused_text(ON("\"/$(x)\""), VERDICT_E_TARGET);
	assert_refused_text(ON("\"GET /login\""), VERDICT_E_TARGET);
	/* The value is who is meant, and nothing else. */
	assert_refused_text(IP("192.0.2.7@/login"), VERDICT_E_TARGET);
}

/* Last: the table of routes stays full. */
static void test_more_routes_than_there_is_room_for(void **state)
{
	char body[512];

	(void)state;
	for (unsigned i = 0; i < TARGET_ROUTES_MAX; i++) {
		snprintf(body, sizeof body, ON("\"/route/%u\""), i);
		struct outcome o = parse(span_from(body));
		if (o.accepted)
			continue;
		assert_int_equal(o.refused[VERDICT_E_ROUTES], 1);
		assert_int_equal(target_route_count(), TARGET_ROUTES_OF_GATEWAYS);
	}
	assert_int_equal(target_route_count(), TARGET_ROUTES_OF_GATEWAYS);
	assert_int_equal(parse(SPAN(ON("\"/route/0\""))).accepted, 1);
}

static void test_targets_that_are_right(void **state)
{
	static const struct {
		const char *body, *text;
	} good[] = {
		{IP("192.0.2.7"), "192.0.2.7"},
		{IP("2001:DB8::7"), "2001:db8::7"},
		{IP("::ffff:192.0.2.7"), "192.0.2.7"},
		{PREFIX("192.0.2.0/24"), "192.0.2.0/24"},
		{PREFIX("192.0.2.7/32"), "192.0.2.7"},
		{PREFIX("2001:db8::/48"), "2001:db8::/48"},
		{WITH_TARGET("{\"scope\":\"consumer\",\"value\":\"c_01f3a9c2d4b5e60718\"}"),
		 "consumer:c_01f3a9c2d4b5e60718"},
		{WITH_TARGET("{\"scope\":\"ja4\",\"value\":\"t13d1516h2_8daaf6152771_b186095e22b6\"}"),
		 "ja4:t13d1516h2_8daaf6152771_b186095e22b6"},
		{ON("\"/login\""), "192.0.2.7@/login"},
		{WITH_TARGET("{\"route\":\"/users/{id}\",\"scope\":\"prefix\",\"value\":\"192.0.2.0/24\"}"),
		 "192.0.2.0/24@/users/{id}"},
		{WITH_TARGET("{\"scope\":\"consumer\",\"value\":\"c_01f3a9c2d4b5e60718\",\"route\":\"/\"}"),
		 "consumer:c_01f3a9c2d4b5e60718@/"},
		/* Legal text. That it is a bad idea is the guard's business, which refuses it by its prefix
		   length. */
		{PREFIX("0.0.0.0/0"), "0.0.0.0/0"},
	};
	char text[PREFIX_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct outcome o = parse(span_from(good[i].body));
		assert_int_equal(o.accepted, 1);
		assert_int_equal(refusals(&o), 0);
		assert_string_equal(prefix_format(&o.first.target, text), good[i].text);
	}
}

static void test_ttl(void **state)
{
	static const char *const values[] = {
		"-1",      "0",    "0.5",  "900.5", "1e30",     "9007199254740993",
		"\"900\"", "null", "true", "[900]", "400000000"};
	char body[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		snprintf(body, sizeof body,
			 ONE("\"action\":\"block\"," TARGET ",\"ttl_s\":%s,\"confidence\":1"), values[i]);
		assert_refused_text(body, VERDICT_E_TTL);
	}
	assert_refused_text(ONE("\"action\":\"block\"," TARGET ",\"confidence\":1"), VERDICT_E_TTL);
}

static void test_confidence(void **state)
{
	static const char *const values[] = {"-0.1", "1.0001", "648", "\"high\"", "null", "true"};
	char body[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		snprintf(body, sizeof body,
			 ONE("\"action\":\"block\"," TARGET ",\"ttl_s\":9,\"confidence\":%s"), values[i]);
		assert_refused_text(body, VERDICT_E_CONFIDENCE);
	}
	assert_refused_text(ONE("\"action\":\"block\"," TARGET ",\"ttl_s\":9"), VERDICT_E_CONFIDENCE);
}

static void test_texts(void **state)
{
	char body[1024], filler[VERDICT_TEXT_MAX + 1];

	(void)state;
	assert_refused_text(ONE(VERDICT ",\"id\":7"), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"id\":\"\""), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"id\":\"a b\""), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"id\":\"a\\r\\nX-Header: 1\""), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"reason\":[\"x\"]"), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"reason\":\"\\u001b[2J\""), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"reason\":\"\\u009b2J\""), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"reason\":\"two\\nlines\""), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"evidence\":\"e-1\""), VERDICT_E_TEXT);
	assert_refused_text(ONE(VERDICT ",\"evidence\":[1]"), VERDICT_E_TEXT);
	assert_refused_text(
		ONE(VERDICT ",\"evidence\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]"),
		VERDICT_E_TEXT);

	memset(filler, 'a', sizeof filler);
	snprintf(body, sizeof body, ONE(VERDICT ",\"reason\":\"%.*s\""), VERDICT_TEXT_MAX, filler);
	assert_refused_text(body, VERDICT_E_TEXT);
	snprintf(body, sizeof body, ONE(VERDICT ",\"id\":\"%.*s\""), VERDICT_ID_MAX, filler);
	assert_refused_text(body, VERDICT_E_TEXT);
	snprintf(body, sizeof body, ONE(VERDICT ",\"reason\":\"%.*s\""), VERDICT_TEXT_MAX - 1, filler);
	assert_int_equal(parse(span_from(body)).accepted, 1);
}

/* The answer of a model that obeys the schema and has lost its mind. */
static void test_schema_valid_nonsense(void **state)
{
	(void)state;
	assert_refused_text(
		ONE("\"action\":\"block\",\"target\":{\"scope\":\"ip\",\"value\":\" principale });\"},"
		    "\"ttl_s\":9058e6,\"confidence\":648"),
		VERDICT_E_TARGET);
}

static void test_every_refusal_has_a_name(void **state)
{
	(void)state;
	for (unsigned e = 1; e < VERDICT_E_MAX; e++) {
		assert_string_not_equal(verdict_error_name(e), "unknown");
		for (unsigned k = 1; k < e; k++)
			assert_string_not_equal(verdict_error_name(e), verdict_error_name(k));
	}
	assert_string_equal(verdict_error_name(0), "unknown");
	assert_string_equal(verdict_error_name(VERDICT_E_MAX), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_verdict),
		cmocka_unit_test(test_limits_and_shadows_last_like_blocks),
		cmocka_unit_test(test_smallest_verdict),
		cmocka_unit_test(test_nothing_to_say),
		cmocka_unit_test(test_unknown_members_beside_the_verdict_are_passed_over),
		cmocka_unit_test(test_one_bad_verdict_does_not_spoil_its_neighbours),
		cmocka_unit_test(test_unblock_needs_no_ttl),
		cmocka_unit_test(test_not_json),
		cmocka_unit_test(test_not_the_document),
		cmocka_unit_test(test_trailing_bytes),
		cmocka_unit_test(test_duplicate_keys),
		cmocka_unit_test(test_ten_megabytes),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_too_many_verdicts),
		cmocka_unit_test(test_too_many_values),
		cmocka_unit_test(test_numbers_that_are_none),
		cmocka_unit_test(test_bytes_that_are_no_text),
		cmocka_unit_test(test_unknown_action),
		cmocka_unit_test(test_target_that_is_no_address),
		cmocka_unit_test(test_target_that_is_no_target),
		cmocka_unit_test(test_target_narrowed_by_what_we_do_not_know),
		cmocka_unit_test(test_targets_that_are_right),
		cmocka_unit_test(test_ttl),
		cmocka_unit_test(test_confidence),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_schema_valid_nonsense),
		cmocka_unit_test(test_every_refusal_has_a_name),
		cmocka_unit_test(test_more_routes_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
