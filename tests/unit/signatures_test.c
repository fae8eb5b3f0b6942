// SPDX-License-Identifier: Apache-2.0
#include "policies/signatures.h"
#include <sys/prctl.h>
#include <time.h>
#include "policies/detect.h"
#include "policies/signature_event.h"
#include "policies/unravel.h"
#include "tests/unit/policies_config.h"

static struct signatures *make(const struct signatures_settings *settings)
{
	struct buffer errors = BUFFER_INIT(65536);
	struct signatures *s = NULL;

	if (signatures_new(settings, &s, &errors))
		fail_msg("%.*s", (int)errors.len, errors.data);
	buffer_free(&errors);
	return s;
}

static struct http_request request_of(const char *target)
{
	const char *mark = strchr(target, '?');

	return (struct http_request){
		.method = SPAN("GET"),
		.target = span_from(target),
		.path = {target, strcspn(target, "?")},
		.query = mark ? span_from(mark + 1) : SPAN_NULL,
	};
}

static unsigned look(struct signatures *s, const char *target, struct signature_hits *hits)
{
	struct http_request r = request_of(target);

	assert_int_equal(signatures_run(s, &r, hits), 0);
	return hits->marks.score;
}

static bool has_hit(const struct signature_hits *hits, const char *id)
{
	for (unsigned i = 0; i < hits->count; i++)
		if (strcmp(hits->items[i].signature->id, id) == 0)
			return true;
	return false;
}

/* --- forms of texts --- */
static void assert_unravels(const char *text, enum unravel_kind kind, const char *wanted, size_t len)
{
	char out[256];
	unsigned signs;
	struct span s = {out, unravel(span_from(text), kind, out, &signs)};

	if (!span_equal(s, (struct span){wanted, len}))
		fail_msg("%s became %.*s", text, (int)s.len, out);
}

static void what_hides_a_text_is_taken_off(void **state)
{
	(void)state;
	assert_unravels("a%27b", UNRAVEL_TEXT, "a'b", 3);
	assert_unravels("a%2527b", UNRAVEL_TEXT, "a'b", 3);
	assert_unravels("a%u0027b", UNRAVEL_TEXT, "a'b", 3);
	assert_unravels("%c0%af%e0%80%af", UNRAVEL_TEXT, "//", 2);
	assert_unravels("&#39;&#x27;&lt;&LT;", UNRAVEL_TEXT, "''<<", 4);
	assert_unravels("\\u0041\\x41", UNRAVEL_TEXT, "AA", 2);
	assert_unravels("\xef\xbc\x9c\xe2\x91\xa0\xe2\x80\x99", UNRAVEL_TEXT, "<1'", 3);
	assert_unravels("a \t b\r\n c", UNRAVEL_TEXT, "a b\nc", 5);
	assert_unravels("a=1+2&b=%26&c=%00", UNRAVEL_QUERY, "a=1 2\0b=&\0c=\1", 13);
	assert_unravels("a+b&c", UNRAVEL_TEXT, "a+b&c", 5);
	assert_unravels("%zz%4%", UNRAVEL_TEXT, "%zz%4%", 6);
}

static void what_a_database_or_a_shell_leaves_out_is_left_out(void **state)
{
	char out[128];
	size_t n;

	(void)state;
	n = unravel_sql(SPAN("un/**/ion/*!50000select*/1"), out);
	assert_true(span_equal((struct span){out, n}, SPAN("un ion select 1")));
	assert_int_equal(unravel_sql(SPAN("a / b * c"), out), 0);
	n = unravel_shell(SPAN("c'a't$IFS\\/etc/pa\"ss\"wd"), out);
	assert_true(span_equal((struct span){out, n}, SPAN("cat /etc/passwd")));
	assert_int_equal(unravel_shell(SPAN("a 'quoted' word"), out), 0);
}

/* --- the shipped ones --- */
static void each_shipped_signature_keeps_its_word(void **state)
{
	const struct signatures_settings all = {.paranoia = SIGNATURE_PARANOIA_MAX};
	struct signatures *s = make(&all);
	const struct signature_rules *rules = signatures_rules(s);

	(void)state;
	assert_true(rules->count > 50);
	for (unsigned i = 0; i < rules->count; i++) {
		const struct signature *g = &rules->items[i];
		if (!g->passes.count)
			fail_msg("%s does not say what it lets pass", g->id);
		for (unsigned k = 0; k < g->matches.count; k++)
			if (!signatures_try(s, i, span_from(g->matches.items[k])))
				fail_msg("%s does not match %s", g->id, g->matches.items[k]);
		for (unsigned k = 0; k < g->passes.count; k++)
			if (signatures_try(s, i, span_from(g->passes.items[k])))
				fail_msg("%s matches %s", g->id, g->passes.items[k]);
	}
	signatures_free(s);
}

static void each_part_of_a_request_is_looked_at(void **state)
{
	const struct signatures_settings usual = {.paranoia = 1};
	struct signatures *s = make(&usual);
	struct http_request r = request_of("/");
	struct signature_hits hits;

	(void)state;
	assert_true(look(s, "/users/42'%20OR%201=1--", &hits) >= 5);
	assert_int_equal(hits.items[0].where, SIGNATURE_PATH);
	assert_true(look(s, "/x?a=b&c=%24%7bjndi:ldap://x/a%7d", &hits) >= 5 &&
		    has_hit(&hits, "lookup-log4j"));
	assert_int_equal(look(s, "/users/O'Brien?q=select+union", &hits), 0);
	static const char *const names[] = {"User-Agent", "Referer", "Cookie", "X-Forwarded-For", "X-Any"};
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		r.headers[0] = (struct http_header){span_from(names[i]), SPAN("${jndi:ldap://x}")};
		r.header_count = 1;
		assert_int_equal(signatures_run(s, &r, &hits), 0);
		assert_true(has_hit(&hits, "lookup-log4j"));
		assert_int_equal(hits.items[0].where, SIGNATURE_USER_AGENT + i);
	}
	assert_int_equal(signatures_counts(s).requests, 8);
	assert_int_equal(signatures_counts(s).matched, 7);
	signatures_free(s);
}

static void a_parameter_does_not_lend_to_the_next(void **state)
{
	const struct signatures_settings usual = {.paranoia = 1};
	struct signatures *s = make(&usual);
	struct signature_hits hits;

	(void)state;
	assert_int_equal(look(s, "/x?a=1&b=1", &hits), 0);
	assert_int_equal(look(s, "/x?a=cat&b=/etc/x", &hits), 0);
	signatures_free(s);
}

/* What a form hides, and only there: a text that is plain already is not turned over. */
static void each_form_is_for_those_who_read_it(void **state)
{
	const struct signatures_settings usual = {.paranoia = 1};
	struct signatures *s = make(&usual);
	struct signature_hits hits;

	(void)state;
	assert_true(look(s, "/x?a=1/**/union/**/select/**/2", &hits) >= 5 && has_hit(&hits, "sql-union"));
	assert_true(look(s, "/x?a=1;c%27%27at%20/et%22c%22/passwd", &hits) >= 5);
	assert_true(has_hit(&hits, "command-chained") && has_hit(&hits, "system-file"));
	signatures_free(s);
}

static unsigned score_with(struct signatures *s, const char *target, const char *host, const char *referer,
			   const char *name, const char *value)
{
	struct http_request r = request_of(target);
	struct signature_hits hits;

	r.headers[r.header_count++] = (struct http_header){SPAN("Host"), span_from(host)};
	if (referer)
		r.headers[r.header_count++] = (struct http_header){SPAN("Referer"), span_from(referer)};
	if (name)
		r.headers[r.header_count++] = (struct http_header){span_from(name), span_from(value)};
	assert_int_equal(signatures_run(s, &r, &hits), 0);
	return hits.marks.score;
}

static void a_session_is_planted_by_another_sites_link(void **state)
{
	static const char *const sent[] = {"/login?JSESSIONID=1a2b3c", "/shop;jsessionid=1a2b?x=1",
					   "/x?a=b&django_session=e30", "/x?connect.sid=s%3aabc"};
	static const char *const usual[] = {"/done?session_id=cs_live_1", "/cb?session_state=1&code=2",
					    "/x?side=left", "/x?checkout_session=1"};
	const struct signatures_settings settings = {.paranoia = 1};
	struct signatures *s = make(&settings);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++) {
		assert_true(score_with(s, sent[i], "a.test", "https://evil.example/", NULL, NULL) >= 5);
		assert_true(score_with(s, sent[i], "a.test:8080", "http://a.test.evil.example/x",
				       "Sec-Fetch-Site", "cross-site") >= 5);
		/* The site itself, a neighbour of it, who calls it by another name; and no page at all. */
		assert_int_equal(score_with(s, sent[i], "a.test", "https://a.test/y", NULL, NULL), 0);
		assert_int_equal(score_with(s, sent[i], "api.a.test", "https://app.A.test/y", NULL, NULL), 0);
		assert_int_equal(
			score_with(s, sent[i], "10.0.0.1", "https://a.test/y", "X-Forwarded-Host", "a.test"),
			0);
		assert_int_equal(score_with(s, sent[i], "a.test", "https://b.example/y", "Sec-Fetch-Site",
					    "same-site"),
				 0);
		assert_int_equal(score_with(s, sent[i], "a.test", NULL, NULL, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		assert_int_equal(score_with(s, usual[i], "a.test", "https://pay.example/", NULL, NULL), 0);
	signatures_free(s);
}

/* --- settings --- */
static void levels_disabling_and_exceptions_hold(void **state)
{
	static char *disabled[] = {"sql-true-condition", "sql-comment-tail", "sql-quote-condition"};
	static char *exceptions[] = {"/query/{id} sqli", "/all all"};
	const struct signatures_settings strict = {.paranoia = 2};
	const struct signatures_settings usual = {
		.paranoia = 1, .disabled = disabled, .disabled_count = ARRAY_SIZE(disabled)};
	const struct signatures_settings excepting = {
		.paranoia = 1, .exceptions = exceptions, .exception_count = ARRAY_SIZE(exceptions)};
	struct signatures *s = make(&strict);
	struct signature_hits hits;

	(void)state;
	assert_true(look(s, "/x?a=1!=11", &hits) >= 5);
	signatures_free(s);
	s = make(&usual);
	assert_int_equal(look(s, "/x?a=1!=11", &hits), 0);
	look(s, "/users/42'%20OR%201=1--", &hits);
	assert_false(has_hit(&hits, "sql-true-condition"));
	signatures_free(s);
	s = make(&excepting);
	assert_true(look(s, "/other/1?q=1+union+select+2", &hits) >= 5);
	assert_int_equal(look(s, "/query/1?q=1+union+select+2", &hits), 0);
	assert_true(look(s, "/query/1?q=<script>", &hits) >= 5);
	assert_int_equal(look(s, "/all?q=<script>", &hits), 0);
	assert_true(signatures_counts(s).excepted >= 2);
	signatures_free(s);
}

static void assert_refused(const struct signatures_settings *settings, const char *why)
{
	struct buffer errors = BUFFER_INIT(65536);
	struct signatures *s = NULL;

	assert_int_equal(signatures_new(settings, &s, &errors), CONFIG_E_INVALID);
	buffer_append_char(&errors, 0);
	if (!strstr(errors.data, why))
		fail_msg("said: %s", errors.data);
	buffer_free(&errors);
}

static void what_names_nothing_is_refused(void **state)
{
	static char *nobody[] = {"sql-nothing"}, *no_route[] = {"search sqli"}, *no_name[] = {"/search"},
		    *unknown[] = {"/search sqlx"};

	(void)state;
	assert_refused(&(struct signatures_settings){.paranoia = 1, .disabled = nobody, .disabled_count = 1},
		       "there is no signature \"sql-nothing\"");
	assert_refused(
		&(struct signatures_settings){.paranoia = 1, .exceptions = no_route, .exception_count = 1},
		"begins with no route");
	assert_refused(
		&(struct signatures_settings){.paranoia = 1, .exceptions = no_name, .exception_count = 1},
		"names no signature");
	assert_refused(
		&(struct signatures_settings){.paranoia = 1, .exceptions = unknown, .exception_count = 1},
		"no signature or category \"sqlx\"");
}

static void faults_of_a_file_are_told_with_their_lines(void **state)
{
	static const struct {
		const char *yaml, *why;
	} cases[] = {
		{"signatures:\n  - id: a\n", "t:2: a signature needs \"name\""},
		{"signatures:\n  - id: A b\n", "t:2: id may hold"},
		{"signatures:\n  - id: sqli\n", "t:2: \"sqli\" is the name of a category"},
		{"signatures:\n  - severity: bad\n", "t:2: severity must be"},
		{"signatures:\n  - category: x\n", "t:2: unknown category"},
		{"signatures:\n  - paranoia: 5\n", "t:2: paranoia must be"},
		{"signatures:\n  - where: [body]\n", "t:2: where is a list of"},
		{"signatures:\n  - words: []\n", "t:2: words must be"},
		{"signatures:\n  - referer: own\n", "t:2: referer must be"},
		{"signatures:\n  - color: red\n", "t:2: unknown key \"color\""},
		{"rules: []\n", "t:1: the file holds one key"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct signature_rules rules = {0};
		struct buffer errors = BUFFER_INIT(65536);
		assert_int_equal(signature_rules_parse(span_from(cases[i].yaml), "t", &rules, &errors),
				 CONFIG_E_INVALID);
		buffer_append_char(&errors, 0);
		if (!strstr(errors.data, cases[i].why))
			fail_msg("%s said: %s", cases[i].yaml, errors.data);
		buffer_free(&errors);
		signature_rules_free(&rules);
	}
}

/* --- what a client's bytes may cost --- */
static double run_ms(struct signatures *s, struct span query, struct signature_hits *hits)
{
	struct http_request r = request_of("/");
	struct timespec from, to;

	r.query = query;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	assert_int_equal(signatures_run(s, &r, hits), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

/* 60,000 bytes that were made for it. The time allowed is spent, and not more than a piece beyond it: what
 * remains is the search for words, which any text of that length costs. */
static void hold_to_the_limit(const char *how)
{
	static const char *const pieces[] = {"' or a",     "union(((",      "{{{{{{",
					     "<a <a ",     "$(((",          "((((((",
					     "select a,",  "'/*",           "..//",
					     "[a][a]",     "http://1.1.1.", "php://",
					     "\"a\".\"a",  "if a == ",      "<svg/on",
					     "${a${a",     "or/**/1",       "case when then",
					     "on on on=",  "% in (",        "` `",
					     "for /f ",    "document.",     "__class__",
					     "<a src",     "if(a=",         "case when a then a ",
					     "' and a(a(", "<%a",           "select a from"};
	const struct signatures_settings all = {.paranoia = SIGNATURE_PARANOIA_MAX};
	const double limit = SIGNATURES_TIME_MAX_NS / 1e6;
	struct signatures *s = make(&all);
	static char text[60000];
	struct signature_hits hits;
	double worst = 0;
	uint64_t unfinished = 0;

	memset(text, 'a', sizeof text);
	double plain = run_ms(s, (struct span){text, sizeof text}, &hits);
	assert_false(hits.unfinished);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		size_t len = 0, n = strlen(pieces[i]);
		for (; len + n < sizeof text; len += n)
			memcpy(text + len, pieces[i], n);
		double ms = 1e9;
		for (unsigned k = 0; k < 3; k++) { /* the best: others have the machine as well */
			double once = run_ms(s, (struct span){text, len}, &hits);
			ms = once < ms ? once : ms;
			unfinished += hits.unfinished;
		}
		worst = ms > worst ? ms : worst;
	}
	print_message(
		"60,000 hostile bytes, %s: %.2f ms at most (plain ones %.2f), %llu expressions given up on\n",
		how, worst, plain, (unsigned long long)signatures_counts(s).gave_up);
	assert_true(unfinished > 0 && unfinished == signatures_counts(s).unfinished);
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__)
	assert_true(worst < 2 * limit + 3 * plain); /* each of three forms is searched */
#else
	(void)limit;
#endif
	signatures_free(s);
}

static void a_hostile_head_costs_little_and_is_counted(void **state)
{
	(void)state;
	hold_to_the_limit("compiled to code");
}

/* As under MemoryDenyWriteExecute=. Not to be undone: the last of the tests. */
static void the_same_where_memory_may_not_hold_code(void **state)
{
	(void)state;
	if (prctl(65 /* PR_SET_MDWE */, 1 /* PR_MDWE_REFUSE_EXEC_GAIN */, 0, 0, 0)) {
		print_message("skipped: this kernel has no PR_SET_MDWE\n");
		skip();
	}
	each_shipped_signature_keeps_its_word(state);
	hold_to_the_limit("interpreted");
}

/* --- events, and what detections make of them --- */
struct stage {
	struct config config;
	struct detect *detect;
	struct redact *redact;
	struct verdict last;
	unsigned verdicts;
	uint64_t now_ns;
};

static void on_verdict(void *arg, const struct verdict *v)
{
	struct stage *s = arg;

	s->last = *v;
	s->verdicts++;
}

static void stage_up(struct stage *s)
{
	static const uint8_t key[REDACT_KEY_LEN] = {1};
	struct buffer errors = BUFFER_INIT(65536);

	*s = (struct stage){.config = test_config(), .now_ns = SECONDS(1000)};
	s->config.signatures.paranoia = 1;
	assert_int_equal(redact_new(&s->config, key, &s->redact), 0);
	assert_int_equal(detect_new(&s->config, s->redact, &s->detect, &errors), 0);
	buffer_free(&errors);
}

static void stage_down(struct stage *s)
{
	detect_free(s->detect);
	redact_free(s->redact);
}

/* As the capture thread does. The event is the caller's. */
static struct event *send(struct stage *s, const char *target, const char *agent, const char *origin)
{
	struct http_request r = request_of(target);
	struct signature_hits hits;

	r.headers[r.header_count++] = (struct http_header){SPAN("User-Agent"), span_from(agent)};
	if (origin)
		r.headers[r.header_count++] = (struct http_header){SPAN("Origin"), span_from(origin)};
	assert_int_equal(signatures_run(detect_signatures(s->detect), &r, &hits), 0);
	struct redact_context context = {.room = signature_event_room(&hits), .time_ns = s->now_ns};
	context.flow.peer.addr = context.client.addr = test_addr("198.51.100.7");
	struct event *e = redact_request(s->redact, &r, &context);
	assert_non_null(e);
	signature_event_note(e, &hits, s->redact);
	detect_request(s->detect, &r, e, NULL, on_verdict, s);
	s->now_ns += SECONDS(1);
	return e;
}

static void one_critical_match_is_a_verdict_that_shows_it(void **state)
{
	struct stage s;

	(void)state;
	stage_up(&s);
	event_unref(send(&s, "/users/O'Brien?q=drop+table", "curl/8", NULL));
	assert_int_equal(s.verdicts, 0);
	struct event *e =
		send(&s, "/x?name=hunter2secret'%20union%20select%20hunter2secret,2%20from%20hunter2users--",
		     "curl/8", NULL);
	assert_true(s.verdicts >= 1);
	assert_string_equal(s.last.origin, "injection");
	assert_int_equal(s.last.ttl_ms, TTL(10));
	assert_false(s.last.framed);
	assert_non_null(strstr(s.last.reason, "; sql-"));
	assert_non_null(strstr(s.last.reason, " in query: "));
	assert_non_null(strstr(s.last.reason, "select {text}"));
	assert_null(strstr(s.last.reason, "hunter2"));
	assert_true(e->request.signature_count >= 1);
	for (unsigned i = 0; i < e->request.signature_count; i++) {
		assert_true(span_equal(e->request.signatures[i].category, SPAN("sqli")));
		assert_null(memmem(e->request.signatures[i].match.ptr, e->request.signatures[i].match.len,
				   "hunter2", 7));
	}
	event_unref(e);
	stage_down(&s);
}

/* What a list of plain words used to find after four of them. */
static void one_attack_is_enough_however_it_is_encoded(void **state)
{
	static const char *const attacks[] = {
		"/x?q=1%27%20OR%20%271%27=%271",       "/x?q=1+UNION+SELECT+a",
		"/x?q=%2527%2520or%25201%253d1",       "/x?f=../../../etc/passwd",
		"/x?f=%2e%2e/%2e%2e/%2e%2e/etc/hosts", "/x?a=${jndi:ldap://h/a}",
		"/x?a=%24%7Bjndi%3aldap://h",
	};
	/* Words that are somebody's search, however often. */
	static const char *const searches[] = {"/x?q=union+select+committee", "/x?q=O%27Brien",
					       "/x?q=drop-leaf+table", "/x?q=select+all+that+apply"};
	struct stage s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		stage_up(&s);
		event_unref(send(&s, attacks[i], "curl/8", NULL));
		if (!s.verdicts)
			fail_msg("%s is not known", attacks[i]);
		assert_string_equal(s.last.origin, "injection");
		stage_down(&s);
	}
	stage_up(&s);
	for (unsigned i = 0; i < 40; i++)
		event_unref(send(&s, searches[i % ARRAY_SIZE(searches)], "curl/8", NULL));
	assert_int_equal(s.verdicts, 0);
	stage_down(&s);
}

static void a_page_of_another_site_may_have_caused_it(void **state)
{
	struct stage s;

	(void)state;
	stage_up(&s);
	event_unref(send(&s, "/x?q=<script>alert(1)</script>", "Mozilla/5.0 (X11)", "https://evil.test"));
	assert_int_equal(s.verdicts, 1);
	assert_true(s.last.framed);
	stage_down(&s);
}

static void weak_ones_add_up_each_once(void **state)
{
	struct stage s;

	(void)state;
	stage_up(&s);
	for (unsigned i = 0; i < 10; i++) /* the same again and again says nothing new */
		event_unref(send(&s, "/x?age[$gt]=5", "curl/8", NULL));
	assert_int_equal(s.verdicts, 0);
	event_unref(send(&s, "/x?u=http://localhost/", "curl/8", NULL));
	assert_int_equal(s.verdicts, 0);
	event_unref(send(&s, "/x?u=../y", "curl/8", NULL));
	assert_int_equal(s.verdicts, 1);
	assert_string_equal(s.last.origin, "injection-probing");
	stage_down(&s);
}

static void paranoia_0_looks_for_nothing(void **state)
{
	struct config config = test_config();
	struct buffer errors = BUFFER_INIT(4096);
	struct detect *d = NULL;

	(void)state;
	assert_int_equal(detect_new(&config, NULL, &d, &errors), 0);
	assert_null(detect_signatures(d));
	assert_false(detect_counts(d).signatures.on);
	detect_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_hides_a_text_is_taken_off),
		cmocka_unit_test(what_a_database_or_a_shell_leaves_out_is_left_out),
		cmocka_unit_test(each_shipped_signature_keeps_its_word),
		cmocka_unit_test(each_part_of_a_request_is_looked_at),
		cmocka_unit_test(a_parameter_does_not_lend_to_the_next),
		cmocka_unit_test(each_form_is_for_those_who_read_it),
		cmocka_unit_test(a_session_is_planted_by_another_sites_link),
		cmocka_unit_test(levels_disabling_and_exceptions_hold),
		cmocka_unit_test(what_names_nothing_is_refused),
		cmocka_unit_test(faults_of_a_file_are_told_with_their_lines),
		cmocka_unit_test(a_hostile_head_costs_little_and_is_counted),
		cmocka_unit_test(one_critical_match_is_a_verdict_that_shows_it),
		cmocka_unit_test(one_attack_is_enough_however_it_is_encoded),
		cmocka_unit_test(a_page_of_another_site_may_have_caused_it),
		cmocka_unit_test(weak_ones_add_up_each_once),
		cmocka_unit_test(paranoia_0_looks_for_nothing),
		cmocka_unit_test(the_same_where_memory_may_not_hold_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
