// SPDX-License-Identifier: Apache-2.0
#include "policies/detect.h"
#include <errno.h>
#include <sys/stat.h>
#include "policies/decide.h"
#include "policies/matcher.h"
#include "policies/rules.h"
#include "policies/witness.h"
#include "policies/words.h"
#include "tests/unit/policies_config.h"

#define START SECONDS(1000)

/* --- words: many at once --- */
struct hits {
	unsigned count[64];
};

static void hit(void *arg, uint16_t id, struct span word)
{
	assert_true(word.len);
	((struct hits *)arg)->count[id]++;
}

static void words_are_found_wherever_they_overlap(void **state)
{
	static const struct {
		const char *word;
		unsigned where;
	} words[] = {{"he", 0},
		     {"she", 0},
		     {"hers", 0},
		     {"his", 0},
		     {"e", 0},
		     {"she", WORDS_AT_START},
		     {"hers", WORDS_AT_END},
		     {"HE", 0},
		     {"\xff\n", 0},
		     {"she", WORDS_AT_START | WORDS_AT_END}};
	struct words *w = NULL;
	struct hits h = {0};

	(void)state;
	assert_int_equal(words_new(&w), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		assert_int_equal(words_add(w, span_from(words[i].word), words[i].where, (uint16_t)i), 0);
	assert_int_equal(words_add(w, SPAN_NULL, 0, 0), -EINVAL);
	assert_int_equal(words_build(w), 0);
	words_search(w, SPAN("uSHErs \xff\n he"), hit, &h);
	const unsigned wanted[] = {2, 1, 1, 0, 2, 0, 0, 2, 1, 0};
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		assert_int_equal(h.count[i], wanted[i]);
	h = (struct hits){0};
	words_search(w, SPAN("she and hers"), hit, &h);
	assert_int_equal(h.count[5], 1);
	assert_int_equal(h.count[6], 1);
	assert_int_equal(h.count[9], 0);
	h = (struct hits){0};
	words_search(w, SPAN("she"), hit, &h);
	assert_int_equal(h.count[9], 1);
	words_search(w, SPAN_NULL, hit, &h);
	words_free(w);
	words_free(NULL);
}

static unsigned naive_count(struct span text, struct span word, unsigned where)
{
	unsigned n = 0;

	for (size_t i = 0; i + word.len <= text.len; i++)
		n += strncasecmp(text.ptr + i, word.ptr, word.len) == 0 &&
		     (!(where & WORDS_AT_START) || i == 0) &&
		     (!(where & WORDS_AT_END) || i + word.len == text.len);
	return n;
}

static void random_words_agree_with_a_naive_search(void **state)
{
	/* Few letters overlap a lot; many bytes fill the filter, and are in the text as well. */
	static const char many[] = "aBcdEFghij0123;'=-(<[\x01\xfe{~_./?*\\\"$&|%:";
	unsigned seed = 3;

	(void)state;
	for (unsigned round = 0; round < 600; round++) {
		const char *letters = round % 2 ? many : "abAB", *texts = round % 2 ? many : "abcA";
		const unsigned size = (unsigned)strlen(letters);
		struct words *w = NULL;
		char word[40][8], text[64];
		unsigned where[40], count = 1 + (unsigned)rand_r(&seed) % 40;
		assert_int_equal(words_new(&w), 0);
		for (unsigned i = 0; i < count; i++) {
			unsigned len = 1 + (unsigned)rand_r(&seed) % 5;
			for (unsigned j = 0; j < len; j++)
				word[i][j] = letters[(unsigned)rand_r(&seed) % size];
			word[i][len] = 0;
			where[i] = (unsigned)rand_r(&seed) % 8;
			if (where[i] > 3)
				where[i] = 0;
			assert_int_equal(words_add(w, span_from(word[i]), where[i], (uint16_t)i), 0);
		}
		assert_int_equal(words_build(w), 0);
		for (unsigned t = 0; t < 20; t++) {
			struct span s = {text, (unsigned)rand_r(&seed) % sizeof text};
			struct hits h = {0};
			for (size_t i = 0; i < s.len; i++)
				text[i] = texts[(unsigned)rand_r(&seed) % size];
			if (round % 2 && s.len > 16) /* by chance alone words would be rare there */
				memcpy(text + 3, word[0], strlen(word[0]));
			words_search(w, s, hit, &h);
			for (unsigned i = 0; i < count; i++)
				assert_int_equal(h.count[i], naive_count(s, span_from(word[i]), where[i]));
		}
		words_free(w);
	}
}

static void too_many_words_are_refused(void **state)
{
	struct words *w = NULL;
	char word[16];
	int r = 0;

	(void)state;
	assert_int_equal(words_new(&w), 0);
	for (unsigned i = 0; i < 20000 && r == 0; i++) {
		snprintf(word, sizeof word, "%08x", i * 2654435761u);
		r = words_add(w, span_from(word), 0, 1);
	}
	assert_int_equal(r, WORDS_E_TOO_MANY);
	words_free(w);
}

/* --- the normal form --- */
static void assert_normal(const char *path, const char *wanted)
{
	char out[512];
	struct span got = {out, matcher_normalise(span_from(path), out)};

	assert_true(got.len <= strlen(path) + 1);
	if (!span_equal(got, span_from(wanted)))
		fail_msg("%s became %.*s, not %s", path, (int)got.len, out, wanted);
}

static void one_file_has_one_path_however_it_is_written(void **state)
{
	(void)state;
	assert_normal("/.env", "/.env");
	assert_normal("/%2eenv", "/.env");
	assert_normal("/%2E%65%6E%76", "/.env");
	assert_normal("//.env", "/.env");
	assert_normal("/x/../.env", "/.env");
	assert_normal("/x/%2e%2e/.env", "/.env");
	assert_normal("/./.env/", "/.env");
	assert_normal("/.ENV;a=b", "/.env");
	assert_normal("/;x/.env", "/.env");
	assert_normal("\\.env", "/.env");
	assert_normal("/%5c.env", "/.env");
	assert_normal("/../../../.env", "/.env");
	assert_normal("/a/b/../../c", "/c");
	assert_normal("/%252eenv", "/%2eenv"); /* the second time is the matcher's */
	assert_normal(".env", "/.env");
	assert_normal("", "/");
	assert_normal("/", "/");
	assert_normal("///", "/");
	assert_normal("..", "/");
	assert_normal("/%", "/%");
	assert_normal("/%4", "/%4");
	assert_normal("/%zz", "/%zz");
	assert_normal("*", "/*");
	assert_normal("a/b", "/a/b");
	assert_normal("/...", "/...");
}

static void a_normal_form_stays_as_it_is(void **state)
{
	static const char pieces[] = "/.%2eE5;cC\\a";
	char path[40], once[64], twice[64];
	unsigned seed = 11;

	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		struct span p = {path, (unsigned)rand_r(&seed) % sizeof path};
		for (size_t j = 0; j < p.len; j++)
			path[j] = pieces[(unsigned)rand_r(&seed) % (sizeof pieces - 1)];
		struct span a = {once, matcher_normalise(p, once)};
		assert_true(a.len >= 1 && a.len <= p.len + 1 && a.ptr[0] == '/');
		if (memchr(a.ptr, '%', a.len))
			continue; /* one more decoding may change it */
		struct span b = {twice, matcher_normalise(a, twice)};
		assert_true(span_equal(a, b) || memchr(a.ptr, ';', a.len));
		assert_null(memmem(once, a.len, "//", 2));
		assert_null(memmem(once, a.len, "/../", 4));
	}
}

/* --- a daemon's worth: requests in, verdicts out --- */
struct fixture {
	struct config config;
	struct detect *detect;
	struct buffer errors;
	char dir[32], file[64];
	char *files[1];
	uint64_t now_ns, next_id;
	struct verdict last;
	unsigned verdicts;
	uint32_t deviations;
	uint8_t documented;
	uint16_t status; /* of every answer; 0: none is seen */
	const char *user_agent;
	struct addr client; /* ADDR_NONE: the peer */
	bool behind;        /* only the peer's packets come here */
	const char *consumer, *origin;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	f->config = test_config();
	f->errors = BUFFER_INIT(16384);
	f->now_ns = START;
	f->user_agent = "curl/8.0";
	strcpy(f->dir, "/tmp/picket-detect-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->file, sizeof f->file, "%s/rules.yaml", f->dir);
	f->files[0] = f->file;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char words[64];

	detect_free(f->detect);
	buffer_free(&f->errors);
	snprintf(words, sizeof words, "%s/paths.txt", f->dir);
	unlink(words);
	unlink(f->file);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int try_rules(struct fixture *f, const char *yaml)
{
	detect_free(f->detect);
	f->detect = NULL;
	buffer_reset(&f->errors);
	if (yaml) {
		write_text(f->file, yaml);
		f->config.detect.policies = (struct config_strings){f->files, 1};
	}
	return detect_new(&f->config, NULL, &f->detect, &f->errors);
}

static void use_rules(struct fixture *f, const char *yaml)
{
	if (try_rules(f, yaml))
		fail_msg("%.*s", (int)f->errors.len, f->errors.data);
}

static void take(void *arg, const struct verdict *v)
{
	struct fixture *f = arg;

	f->last = *v;
	f->verdicts++;
}

/* One request; returns how many verdicts it brought. */
static unsigned ask(struct fixture *f, const char *peer, const char *method, const char *target)
{
	struct http_request request = {
		.method = span_from(method),
		.target = span_from(target),
		.path = {target, strcspn(target, "?#")},
		.deviations = f->deviations,
	};
	struct event event = {.kind = EVENT_HTTP_REQUEST, .id = ++f->next_id, .time_ns = f->now_ns};
	unsigned before = f->verdicts;

	if (f->user_agent) {
		request.headers[0] = (struct http_header){SPAN("User-Agent"), span_from(f->user_agent)};
		request.header_count = 1;
		event.request.user_agent = span_from(f->user_agent);
	}
	if (f->origin)
		request.headers[request.header_count++] =
			(struct http_header){SPAN("Origin"), span_from(f->origin)};
	if (f->consumer)
		event.request.consumer = span_from(f->consumer);
	event.flow.peer.addr = test_addr(peer);
	event.request.client.addr = f->client.family ? f->client : event.flow.peer.addr;
	event.request.client_behind = f->behind;
	event.request.documented = f->documented;
	detect_request(f->detect, &request, &event, &event.request.pending, take, f);
	if (f->status) {
		event.request.status = f->status;
		event.request.answered = EVENT_ANSWER_SEEN;
		detect_answer(f->detect, &event, take, f);
	}
	return f->verdicts - before;
}

static unsigned ask_many(struct fixture *f, unsigned times, const char *method, const char *target,
			 uint64_t every_ns)
{
	unsigned fired = 0;

	for (unsigned i = 0; i < times; i++) {
		fired += ask(f, "198.51.100.7", method, target);
		f->now_ns += every_ns;
	}
	return fired;
}

/* --- what is shipped --- */
static void a_password_guesser_is_told_of_once_with_evidence(void **state)
{
	struct fixture *f = *state;
	char id[EVENT_ID_TEXT_MAX];

	use_rules(f, NULL);
	assert_int_equal(ask_many(f, 19, "POST", "/api/v1/login", NS_PER_S / 20), 0);
	assert_int_equal(ask_many(f, 1, "POST", "/api/v1/login", 0), 1);
	assert_int_equal(f->last.source, VERDICT_LOCAL);
	assert_string_equal(f->last.origin, "login-guessing");
	assert_int_equal(f->last.action, VERDICT_BLOCK);
	assert_int_equal(f->last.scope, VERDICT_SCOPE_PORTS);
	assert_int_equal(f->last.target.bits, 32);
	assert_int_equal(f->last.target.addr.bytes[3], 7);
	assert_int_equal(f->last.ttl_ms, TTL(15));
	assert_true(f->last.confidence >= f->config.guard.confidence_min);
	assert_int_equal(f->last.received_ns, f->now_ns);
	assert_int_equal(f->last.cause_ns, f->now_ns);
	assert_non_null(strstr(f->last.reason, "login"));
	assert_int_equal(f->last.evidence_count, 8);
	struct event e = {.id = 20};
	assert_string_equal(f->last.evidence[7], event_id_format(&e, id)); /* the deciding one is the last */
	e.id = 13;
	assert_string_equal(f->last.evidence[0], event_id_format(&e, id));
	assert_true(strlen(f->last.id) > 6);
	/* He goes on; picket says it once a minute, not once a request; and once, that it is a flood. */
	assert_int_equal(ask_many(f, 590, "POST", "/api/v1/login", NS_PER_S / 10), 1);
	assert_string_equal(f->last.origin, "login-flood");
	assert_int_equal(ask_many(f, 20, "POST", "/api/v1/login", NS_PER_S / 10), 1);
	assert_string_equal(f->last.origin, "login-guessing");
}

static void login_routes_are_known_in_many_spellings(void **state)
{
	static const char *const routes[] = {
		"/login",        "/api/login", "/v1/auth/login",  "/LOGIN/",      "/users/sign_in", "/signin",
		"/auth",         "/api/auth",  "/api/v2/session", "/v1/sessions", "/login?next=/x", "//login",
		"/wp-login.php", "/%6cogin",   "/%256cogin",      "/admin/auth",  "/user/token",
	};
	static const char *const others[] = {"/blogin/x", "/checkout/session", "/login/help",
					     "/authors",  "/api/authx",        "/sessions/12"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		use_rules(f, NULL);
		if (ask_many(f, 20, "POST", routes[i], 0) != 1)
			fail_msg("%s is not known", routes[i]);
		assert_string_equal(f->last.origin, "login-guessing");
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		use_rules(f, NULL);
		assert_int_equal(ask_many(f, 100, "POST", others[i], 0), 0);
	}
	use_rules(f, NULL);
	assert_int_equal(ask_many(f, 100, "GET", "/login", 0), 0); /* reading the form is no guess */
}

static void guessing_keys_at_a_token_route_takes_longer_to_be_told_of(void **state)
{
	struct fixture *f = *state;

	use_rules(f, NULL);
	assert_int_equal(ask_many(f, 59, "POST", "/oauth/token", 0), 0);
	assert_int_equal(ask_many(f, 1, "POST", "/api/v1/token", 0), 1);
	assert_string_equal(f->last.origin, "token-guessing");
}

static void a_path_scanner_is_known_by_different_paths(void **state)
{
	struct fixture *f = *state;
	static const char *const paths[] = {"/.env", "/.git/config", "/wp-login.php", "/phpMyAdmin/",
					    "/actuator/env"};

	use_rules(f, NULL);
	/* The same thing over and over is a broken client, however it is spelt. */
	assert_int_equal(ask_many(f, 100, "GET", "/.env", 0), 0);
	assert_int_equal(ask_many(f, 100, "GET", "/%2eenv?x=1", 0), 0);
	assert_int_equal(ask_many(f, 100, "GET", "/a/../.env", 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_int_equal(ask(f, "198.51.100.7", "GET", paths[i]), i == 4);
	assert_string_equal(f->last.origin, "path-scanning");
	/* Spread over hours it is not seen: that takes statuses. */
	use_rules(f, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_int_equal(ask(f, "198.51.100.7", "GET", paths[i]), 0);
		f->now_ns += SECONDS(30);
	}
}

static void a_scanner_that_says_its_name_is_believed(void **state)
{
	static const char *const agents[] = {"sqlmap/1.7#stable (https://sqlmap.org)",
					     "Mozilla/5.00 (Nikto/2.1.6)",
					     "Nuclei - Open-source project",
					     "Fuzz Faster U Fool v1.5",
					     "gobuster/3.1",
					     "masscan/1.3",
					     "Mozilla/5.0 zgrab/0.x",
					     "Wapiti/3.1"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(agents); i++) {
		use_rules(f, NULL);
		f->user_agent = agents[i];
		assert_int_equal(ask_many(f, 2, "GET", "/", NS_PER_S), 0);
		if (ask_many(f, 1, "GET", "/", 0) != 1)
			fail_msg("%s is not known", agents[i]);
		assert_string_equal(f->last.origin, "scanner");
	}
	use_rules(f, NULL);
	f->user_agent = NULL;
	assert_int_equal(ask_many(f, 3, "GET", "/nmaplowercheck1234", 0), 1);
}

static void malformed_requests_count_and_gaps_do_not(void **state)
{
	struct fixture *f = *state;

	use_rules(f, NULL);
	f->deviations = HTTP_DEV_BARE_LF;
	assert_int_equal(ask_many(f, 9, "GET", "/", 0), 0);
	assert_int_equal(ask_many(f, 1, "GET", "/", 0), 1);
	assert_string_equal(f->last.origin, "malformed-requests");
	use_rules(f, NULL);
	f->deviations = HTTP_DEV_CL_AND_TE;
	assert_int_equal(ask_many(f, 3, "POST", "/", 0), 1);
	assert_string_equal(f->last.origin, "request-smuggling");
	/* We were blind for a moment: whatever was found behind is not held against anybody, under any rule.
	 */
	use_rules(f, NULL);
	f->deviations = HTTP_DEV_AFTER_GAP | HTTP_DEV_BARE_LF | HTTP_DEV_CL_AND_TE;
	f->user_agent = "sqlmap";
	assert_int_equal(ask_many(f, 5000, "POST", "/login", 0), 0);
	assert_int_equal(detect_counts(f->detect).skipped, 5000);
	assert_int_equal(detect_counts(f->detect).matches, 0);
	/* What stands inside a body of doubtful length is there by the client's choice. */
	use_rules(f, NULL);
	f->user_agent = "curl/8.0";
	f->deviations = HTTP_DEV_IN_BODY | HTTP_DEV_CL_AND_TE;
	assert_int_equal(ask_many(f, 3, "GET", "/", 0), 1);
	assert_string_equal(f->last.origin, "request-smuggling");
	assert_int_equal(detect_counts(f->detect).skipped, 0);
}

static void what_is_not_documented_may_count(void **state)
{
	struct fixture *f = *state;

	use_rules(f, "detections:\n"
		     "  - name: shadow\n"
		     "    description: asks for what the API does not describe\n"
		     "    match: {documented: false, methods: [DELETE]}\n"
		     "    threshold: 2\n"
		     "    window: 60s\n");
	f->documented = DOCUMENTED_NO;
	assert_int_equal(ask_many(f, 9, "GET", "/", 0), 0);
	assert_int_equal(ask_many(f, 1, "DELETE", "/", 0), 0);
	f->documented = DOCUMENTED_YES;
	assert_int_equal(ask_many(f, 9, "DELETE", "/", 0), 0);
	f->documented = DOCUMENTED_UNKNOWN;
	assert_int_equal(ask_many(f, 9, "DELETE", "/", 0), 0);
	f->documented = DOCUMENTED_NO;
	assert_int_equal(ask_many(f, 1, "DELETE", "/", 0), 1);
}

static void a_flood_is_told_of_within_a_second(void **state)
{
	struct fixture *f = *state;

	use_rules(f, NULL);
	assert_int_equal(ask_many(f, 5000, "GET", "/items", NS_PER_S / 5000), 1);
	assert_string_equal(f->last.origin, "request-flood");
	assert_true(f->last.received_ns - START < NS_PER_S);
}

static void a_good_client_is_left_in_peace(void **state)
{
	static const char *const targets[] = {
		"/",           "/api/items?page=2", "/api/items/42", "/static/app.js",
		"/health",     "/api/users/me",     "/favicon.ico",  "/api/search?q=union%20jack",
		"/robots.txt", "/swagger-ui.html"};
	struct fixture *f = *state;

	use_rules(f, NULL);
	f->user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
	/* 20 requests a second for an hour, a login now and then, a page of 200 resources each minute */
	for (unsigned i = 0; i < 20 * 3600; i++) {
		ask(f, "198.51.100.7", "GET", targets[i % ARRAY_SIZE(targets)]);
		if (i % (20 * 20) == 0)
			ask(f, "198.51.100.7", "POST", "/login");
		for (unsigned j = 0; i % (20 * 60) == 0 && j < 200; j++)
			ask(f, "198.51.100.7", "GET", "/static/picture.png");
		f->now_ns += NS_PER_S / 20;
	}
	assert_int_equal(f->verdicts, 0);
	assert_true(detect_counts(f->detect).requests > 72000);
}

/* --- groups --- */
#define THREE                                                                             \
	"detections:\n"                                                                   \
	"  - name: three\n    description: three of them\n    match: {methods: [POST]}\n" \
	"    threshold: 3\n    window: 60s\n    cool_down: 30s\n"

static void clients_are_counted_apart(void **state)
{
	struct fixture *f = *state;

	use_rules(f, THREE);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask(f, "198.51.100.7", "POST", "/"), 0);
		assert_int_equal(ask(f, "198.51.100.8", "POST", "/"), 0);
		assert_int_equal(ask(f, "2001:db8::1", "POST", "/"), 0);
		assert_int_equal(ask(f, "2001:db8:0:1::1", "POST", "/"), 0);
	}
	assert_int_equal(ask(f, "198.51.100.8", "POST", "/"), 1);
	assert_int_equal(f->last.target.addr.bytes[3], 8);
	assert_int_equal(detect_counts(f->detect).buckets, 4);
}

static void an_ipv6_client_cannot_hide_among_its_addresses(void **state)
{
	struct fixture *f = *state;

	use_rules(f, THREE);
	ask(f, "2001:db8::1", "POST", "/");
	ask(f, "2001:db8::2", "POST", "/");
	assert_int_equal(ask(f, "2001:db8::3", "POST", "/"), 1);
	assert_int_equal(f->last.target.bits, 64); /* several were seen: the whole /64 */
	use_rules(f, THREE);
	ask(f, "2001:db8::1", "POST", "/");
	ask(f, "2001:db8::1", "POST", "/");
	assert_int_equal(ask(f, "2001:db8::1", "POST", "/"), 1);
	assert_int_equal(f->last.target.bits, 128); /* only one was: that one */
	/* Blocked there he moves on to the next address: at once, not after the cool-down, it is all of them.
	 */
	ask(f, "2001:db8::2", "POST", "/");
	ask(f, "2001:db8::2", "POST", "/");
	assert_int_equal(ask(f, "2001:db8::2", "POST", "/"), 1);
	assert_int_equal(f->last.target.bits, 64);
	for (int i = 0; i < 10; i++)
		assert_int_equal(ask(f, "2001:db8::3", "POST", "/"), 0); /* now silent */
	/* Link-local addresses are a machine each. */
	use_rules(f, THREE);
	ask(f, "fe80::1", "POST", "/");
	ask(f, "fe80::2", "POST", "/");
	assert_int_equal(ask(f, "fe80::3", "POST", "/"), 0);
}

static void a_changed_mode_ends_the_silence(void **state)
{
	struct fixture *f = *state;

	use_rules(f, THREE);
	for (int i = 0; i < 2; i++)
		ask(f, "198.51.100.7", "POST", "/");
	assert_int_equal(ask(f, "198.51.100.7", "POST", "/"), 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(ask(f, "198.51.100.7", "POST", "/"), 0);
	detect_rearm(f->detect);
	assert_int_equal(ask(f, "198.51.100.7", "POST", "/"), 1);
	assert_int_equal(ask(f, "198.51.100.7", "POST", "/"), 0);
}

static void behind_a_trusted_proxy_it_is_the_client_who_counts(void **state)
{
	struct fixture *f = *state;

	use_rules(f, THREE);
	for (unsigned i = 0; i < 30; i++) { /* ten clients through one proxy */
		f->client = test_addr("203.0.113.0");
		f->client.bytes[3] = (uint8_t)(i % 15);
		assert_int_equal(ask(f, "10.0.0.1", "POST", "/"), 0);
	}
	assert_int_equal(ask(f, "10.0.0.1", "POST", "/"), 1);
	assert_int_equal(f->last.target.addr.bytes[0], 203);
	use_rules(f, "detections:\n  - {name: p, description: d, match: all, threshold: 3, window: 60s, "
		     "group_by: peer}\n");
	ask_many(f, 2, "GET", "/", 0);
	assert_int_equal(ask_many(f, 1, "GET", "/", 0), 1);
	assert_int_equal(f->last.target.addr.bytes[0], 198);
}

static void a_verdict_says_through_whom_its_client_comes(void **state)
{
	struct fixture *f = *state;

	use_rules(f, THREE);
	f->client = test_addr("203.0.113.1");
	f->behind = true;
	for (unsigned i = 0; i < 3; i++)
		ask(f, "10.0.0.1", "POST", "/");
	assert_int_equal(f->verdicts, 1);
	assert_true(test_addr("10.0.0.1").bytes[0] == f->last.via.bytes[0] &&
		    f->last.via.family == ADDR_IPV4);
	/* It came by itself as well: it cannot hide behind its last request. */
	f->client = test_addr("203.0.113.2");
	f->behind = false;
	ask(f, "203.0.113.2", "POST", "/");
	f->behind = true;
	for (unsigned i = 0; i < 2; i++)
		ask(f, "10.0.0.1", "POST", "/");
	assert_int_equal(f->verdicts, 2);
	assert_int_equal(f->last.target.addr.bytes[3], 2);
	assert_int_equal(f->last.via.family, ADDR_NONE);
}

static void a_bucket_leaks(void **state)
{
	struct fixture *f = *state;

	use_rules(f, THREE); /* one leaks each 20 s */
	assert_int_equal(ask_many(f, 500, "POST", "/", SECONDS(20)), 0);
	f->now_ns += SECONDS(600);
	assert_true(ask_many(f, 500, "POST", "/", SECONDS(15)) > 0);
	use_rules(f, "detections:\n  - {name: p, description: d, match: all, threshold: 3, window: 60s, "
		     "leak: 1s}\n");
	assert_int_equal(ask_many(f, 500, "GET", "/", SECONDS(1)), 0);
	/* A clock that steps back must not empty or overfill it. */
	use_rules(f, THREE);
	ask_many(f, 2, "POST", "/", 0);
	f->now_ns -= SECONDS(500);
	assert_int_equal(ask_many(f, 1, "POST", "/", 0), 1);
}

static void the_table_of_clients_is_bounded_and_forgets_the_idle(void **state)
{
	struct fixture *f = *state;
	struct addr a = test_addr("2001:db8::");

	use_rules(f, THREE);
	ask(f, "198.51.100.7", "POST", "/");
	ask(f, "198.51.100.9", "POST", "/");
	for (uint32_t i = 0; i < DETECT_BUCKETS_MAX + 100; i++) {
		if (i % 1000 == 0) /* not idle */
			ask(f, "198.51.100.9", "DELETE", "/");
		memcpy(&a.bytes[3], &i, sizeof i);
		f->client = a;
		ask(f, "10.0.0.1", "POST", "/");
		f->client.family = ADDR_NONE;
		if (i % 20000 == 0)
			f->verdicts += ask(f, "198.51.100.9", "POST", "/");
	}
	struct detect_counts c = detect_counts(f->detect);
	assert_int_equal(c.buckets, DETECT_BUCKETS_MAX);
	assert_int_equal(c.forgotten, 102);
	assert_true(f->verdicts > 0); /* he who was active was remembered */
	f->verdicts = 0;
	ask_many(f, 2, "POST", "/", 0); /* he who was idle starts from nothing */
	assert_int_equal(f->verdicts, 0);
}

/* --- rules that people write --- */
static void conditions_of_every_kind_hold_together(void **state)
{
	struct fixture *f = *state;

	use_rules(f, "detections:\n"
		     "  - name: mine\n    description: all kinds\n    threshold: 1\n    window: 1s\n    "
		     "cool_down: 1ms\n"
		     "    match:\n"
		     "      - methods: [GET]\n"
		     "        paths: {exact: [/Exact/], prefix: [/pre], suffix: [.bak], contains: [mid], "
		     "glob: ['/g/*/x?', '/**/deep'],"
		     " regex: ['^/r[0-9]+$']}\n"
		     "      - {methods: [PUT, DELETE], targets: {regex: ['id=[0-9]{5}']}, user_agents: "
		     "{contains: [Curl]}}\n"
		     "    action: {ttl: 5m, confidence: 0.5, scope: host}\n");
	static const char *const yes[] = {"/exact",   "/EXACT?x", "/prefix",   "/x.BAK",
					  "/a-mid-b", "/g/1/xy",  "/a/b/deep", "/r12"};
	static const char *const no[] = {"/exactly", "/p", "/x.bak2", "/g/1/2/xy", "/g/1/x", "/r12a", "/r"};
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++, f->now_ns += NS_PER_S)
		if (ask(f, "198.51.100.7", "GET", yes[i]) != 1)
			fail_msg("%s does not match", yes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++, f->now_ns += NS_PER_S)
		if (ask(f, "198.51.100.7", "GET", no[i]) != 0)
			fail_msg("%s matches", no[i]);
	assert_int_equal(ask(f, "198.51.100.7", "POST", "/exact"), 0);
	assert_int_equal(ask(f, "198.51.100.7", "PUT", "/y?id=12345"), 1);
	f->now_ns += NS_PER_S;
	assert_int_equal(ask(f, "198.51.100.7", "PUT", "/y?id=1234"), 0);
	f->user_agent = "wget";
	assert_int_equal(ask(f, "198.51.100.7", "DELETE", "/y?id=12345"), 0);
	assert_int_equal(f->last.ttl_ms, TTL(5));
	assert_int_equal(f->last.scope, VERDICT_SCOPE_HOST);
	assert_true(f->last.confidence > 0.49 && f->last.confidence < 0.51);
}

static void a_list_of_paths_may_stand_in_its_own_file(void **state)
{
	struct fixture *f = *state;
	char path[64];

	snprintf(path, sizeof path, "%s/paths.txt", f->dir);
	write_text(path, "# mine\n/secret-one\n\n  /Secret-Two/  \r\n");
	use_rules(f, "detections:\n  - {name: l, description: d, match: {paths: {file: paths.txt}}, "
		     "distinct: path,"
		     " threshold: 2, window: 1m}\n");
	assert_int_equal(ask(f, "198.51.100.7", "GET", "/secret-one"), 0);
	assert_int_equal(ask(f, "198.51.100.7", "GET", "/# mine"), 0);
	assert_int_equal(ask(f, "198.51.100.7", "GET", "/secret-two"), 1);
}

static void expressions_are_joined_without_changing_their_meaning(void **state)
{
	struct fixture *f = *state;

	/* Each of these could leak into its neighbours: inline options, a comment, an alternation, a named
	 * reference. */
	use_rules(f, "detections:\n  - name: r\n    description: d\n    threshold: 1\n    window: 1s\n    "
		     "cool_down: 1ms\n"
		     "    match: {paths: {regex: ['^/a|^/b', '(?x) ^/c c$ # no end', '^/(?<n>x+)y\\k<n>$', "
		     "'^/q\\Qz']}}\n");
	static const char *const yes[] = {"/a", "/b", "/cc", "/xxyxx", "/qz"};
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++, f->now_ns += NS_PER_S)
		if (ask(f, "198.51.100.7", "GET", yes[i]) != 1)
			fail_msg("%s does not match", yes[i]);
	assert_int_equal(ask(f, "198.51.100.7", "GET", "/xxyx"), 0);
	assert_int_equal(ask(f, "198.51.100.7", "GET", "/z/b"), 0);
	/* A verb ends the search of its own expression, and of no other. */
	use_rules(f, "detections:\n  - {name: r, description: d, match: {paths: {regex: ['a(*COMMIT)b', "
		     "'(?:c)$']}},"
		     " threshold: 1, window: 1s, cool_down: 1ms}\n");
	assert_int_equal(ask(f, "198.51.100.7", "GET", "/ab"), 1);
	f->now_ns += NS_PER_S;
	assert_int_equal(ask(f, "198.51.100.7", "GET", "/ac"), 1);
}

static void an_expression_that_runs_away_is_given_up(void **state)
{
	struct fixture *f = *state;
	char target[4000];

	use_rules(f, "detections:\n  - {name: r, description: d, match: {paths: {regex: ['^/(a+)+$', '^/x$', "
		     "'b!$']}},"
		     " threshold: 1, window: 1s}\n");
	memset(target, 'a', sizeof target - 2);
	target[0] = '/';
	target[sizeof target - 2] = '!';
	target[sizeof target - 1] = 0;
	assert_int_equal(ask(f, "198.51.100.7", "GET", target), 0);
	assert_true(detect_counts(f->detect).gave_up >= 1);
	/* That one ran away does not excuse the others it was joined with. */
	target[sizeof target - 3] = 'b';
	assert_int_equal(ask(f, "198.51.100.7", "GET", target), 1);
	f->now_ns += SECONDS(5);
	assert_int_equal(ask(f, "198.51.100.7", "GET", "/x"), 1);
}

static void assert_refused(struct fixture *f, const char *yaml, const char *message)
{
	assert_int_equal(try_rules(f, yaml), CONFIG_E_INVALID);
	assert_int_equal(buffer_append_char(&f->errors, 0), 0);
	if (!strstr(f->errors.data, message))
		fail_msg("for %s\nsaid %s\nnot %s", yaml, f->errors.data, message);
	assert_int_equal(strncmp(f->errors.data, f->file, strlen(f->file)), 0);
}

#define RULE "detections:\n  - {name: r, description: d, threshold: 3, window: 1s, match: "

static void a_wrong_rule_file_is_refused_with_its_line(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, "", "needs \"detections:\"");
	assert_refused(f, "detections: []\n", ":1: detections must be a list that is not empty");
	assert_refused(f, "rules: []\n", "unknown key \"rules\"; known here: detections");
	assert_refused(f, "detections:\n  - name: a\n    treshold: 3\n", ":3: unknown key \"treshold\"");
	assert_refused(f, "detections:\n  - name: a\n    name: b\n", ":3: \"name\" is there twice");
	assert_refused(f, "detections:\n  - {name: a}\n", ":2: a detection needs \"threshold\"");
	assert_refused(f,
		       RULE "all}\n"
			    "  - {name: r, description: d, threshold: 3, window: 1s, match: all}\n",
		       ":3: \"r\" is there twice");
	assert_refused(f, RULE "{}}\n", "match: all");
	assert_refused(f, RULE "some}\n", "must be a mapping");
	assert_refused(f, RULE "{paths: {exact: []}}}\n", "not empty");
	assert_refused(f, RULE "{paths: {exact: ['']}}}\n", "a pattern has 1 to");
	assert_refused(f, RULE "{paths: {regex: ['(']}}}\n",
		       ":2: wrong expression: missing closing parenthesis");
	assert_refused(f, RULE "{paths: {regex: ['(a)\\1']}}}\n", "wrong expression");
	assert_refused(f, RULE "{paths: {regex: ['(*UTF)a']}}}\n", "verb");
	assert_refused(f, RULE "{user_agents: {exact: [a]}}}\n",
		       "known here: contains, regex, prefix, suffix");
	assert_refused(f, RULE "{paths: {file: ../../etc/passwd}}}\n", "in the directory of the rule file");
	assert_refused(f, RULE "{paths: {file: missing.txt}}}\n", "cannot read");
	assert_refused(f, RULE "{deviations: [bare_lf, weird]}}\n", "unknown deviation \"weird\"");
	assert_refused(f, RULE "{documented: maybe}}\n", "documented must be true or false");
	assert_refused(f, RULE "{deviations: [after_gap]}}\n", "unknown deviation \"after_gap\"");
	assert_refused(f, RULE "all, group_by: asn}\n", "group_by must be");
	assert_refused(f, RULE "all, distinct: query}\n",
		       "distinct must be one of: path, consumer, user_agent, client, object, attempt");
	assert_refused(f, RULE "all, distinct: path, leak: 1s}\n", "leak has no meaning");
	assert_refused(f, RULE "all, share: 0.5}\n", "share needs status");
	assert_refused(f, RULE "all, status: [401], share: 1.5}\n",
		       "share must be a number above 0, at most 1");
	assert_refused(f, RULE "all, against: {others: 0.5}}\n", "against others needs share");
	assert_refused(f, RULE "all, against: {baseline: 4}}\n", "against baseline needs group_by route+");
	assert_refused(f, RULE "all, against: {}}\n", "against has nothing in it");
	assert_refused(f, RULE "all, group_by: user_agent}\n", "group_by user_agent needs each");
	assert_refused(f, RULE "all, distinct: client}\n", "distinct: client needs each");
	assert_refused(f, RULE "all, first: method}\n", "first needs group_by consumer");
	assert_refused(f, RULE "all, first: time, group_by: consumer}\n",
		       "first must be one of: method, route");
	assert_refused(f, RULE "all, served: true}\n", "served must be one of: false");
	assert_refused(f, RULE "all, group_by: principal, distinct: consumer}\n", "no meaning by consumer");
	assert_refused(f, RULE "all, anomalies: [slow_head]}\n", "in place of match");
	assert_refused(f, RULE "all, anomalies: [fast]}\n", "slow_head or slow_body");
	assert_refused(f, RULE "all, of_all: 0.5, status: [401]}\n", "of_all is of all requests of a client");
	assert_refused(f, RULE "all, of_all: 0.5, group_by: consumer}\n",
		       "of_all is of all requests of a client");
	assert_refused(f, RULE "all, of_all: 2}\n", "of_all must be a number above 0, at most 1");
	assert_refused(f, RULE "all, at_most: {}}\n", "at_most has nothing in it");
	assert_refused(f, RULE "all, at_most: {client: 0}}\n", "client must be a number from 1 to 1000");
	assert_refused(f, RULE "{handshake: {}}}\n", "handshake has no condition");
	assert_refused(f, RULE "{handshake: {tls_below: 14}}}\n", "tls_below must be one of: 11, 12, 13");
	assert_refused(f, RULE "{handshake: {alpn: [http]}}}\n", "alpn has at most 4 of");
	assert_refused(f, RULE "{handshake: {ciphers_below: 100}}}\n",
		       "ciphers_below must be a number from 1 to 99");
	assert_refused(f, RULE "{unless_user_agents: {contains: [bot]}}}\n", "says nothing of what matches");
	assert_refused(f, RULE "{unless_user_agents: {regex: [bot]}}}\n", "unknown key");
	assert_refused(f, RULE "all, leak: 0s}\n", "leak must be a time");
	assert_refused(f, RULE "all, cool_down: 5}\n", "cool_down must be a time");
	assert_refused(f, RULE "all, action: {ttl: 1000d}}\n", "ttl must be a time");
	static const char *const wrong[] = {"0", "2", "-1", "nan", ".nan", "inf", "1e9", "0x1", "''", "a"};
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char yaml[256];
		snprintf(yaml, sizeof yaml, RULE "all, action: {confidence: %s}}\n", wrong[i]);
		assert_refused(f, yaml, "confidence must be");
	}
	assert_refused(f,
		       "detections:\n  - {name: r, description: d, threshold: 0, window: 1s, match: all}\n",
		       "threshold must");
	assert_refused(f,
		       "detections:\n  - {name: r, description: d, threshold: 1e3, window: 1s, match: all}\n",
		       "threshold");
	assert_refused(f,
		       "detections:\n  - {name: R r, description: d, threshold: 1, window: 1s, match: all}\n",
		       "small letters");
	assert_refused(
		f,
		"detections:\n  - {name: r, description: \"a\\nb\", threshold: 1, window: 1s, match: all}\n",
		"control");
	assert_refused(f, "detections: [\n", "did not find");
	assert_refused(f, RULE "all}\n---\n" RULE "all}\n", "more than one document");
	assert_refused(f, "detections: &a\n  - *a\n", "must be a mapping");
}

static void several_faults_are_told_at_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(try_rules(f, "detections:\n  - name: A\n    window: x\n    nonsense: 1\n"),
			 CONFIG_E_INVALID);
	unsigned lines = 0;
	for (size_t i = 0; i < f->errors.len; i++)
		lines += f->errors.data[i] == '\n';
	assert_true(lines >= 5);
}

static void a_missing_rule_file_is_an_error_not_silence(void **state)
{
	struct fixture *f = *state;

	f->config.detect.policies = (struct config_strings){f->files, 1};
	assert_int_equal(detect_new(&f->config, NULL, &f->detect, &f->errors), CONFIG_E_INVALID);
	assert_null(f->detect);
	assert_true(f->errors.len > 0);
}

static void a_file_of_too_much_is_refused(void **state)
{
	struct fixture *f = *state;
	struct rules rules = {0};
	struct buffer yaml = BUFFER_INIT(RULES_FILE_MAX + 100);

	/* An alias bomb: small on disk, 40 million patterns in memory. */
	buffer_append_text(
		&yaml,
		"detections:\n - name: a\n   description: d\n   threshold: 1\n   window: 1s\n   match:\n"
		"    - paths: {exact: &p [");
	for (unsigned i = 0; i < 2000; i++)
		buffer_printf(&yaml, "/%u,", i);
	buffer_append_text(&yaml, "]}\n");
	for (unsigned i = 0; i < 60; i++)
		buffer_append_text(&yaml, "    - paths: {exact: *p}\n");
	assert_int_equal(rules_load(buffer_span(&yaml), "bomb", NULL, &rules, &f->errors), CONFIG_E_INVALID);
	assert_true(rules.pattern_count <= RULES_PATTERNS_MAX + 1);
	rules_free(&rules);
	while (yaml.len <= RULES_FILE_MAX)
		buffer_append_text(
			&yaml,
			"# ...........................................................................\n");
	assert_int_equal(rules_load(buffer_span(&yaml), "big", NULL, &rules, &f->errors), CONFIG_E_INVALID);
	rules_free(&rules);
	buffer_free(&yaml);
}

/* --- rules that count by the answer --- */

static void a_refused_login_counts_for_more_than_a_login(void **state)
{
	struct fixture *f = *state;

	use_rules(f, NULL);
	f->status = 200;
	assert_int_equal(ask_many(f, 9, "POST", "/api/v1/login", NS_PER_S / 5), 0);
	f->now_ns += 3600 * NS_PER_S;
	f->status = 401;
	assert_int_equal(ask_many(f, 5, "POST", "/api/v1/login", NS_PER_S / 5), 0);
	assert_int_equal(ask_many(f, 1, "POST", "/api/v1/login", 0), 1);
	assert_string_equal(f->last.origin, "login-failures");
	assert_int_equal(f->last.evidence_count, 6);
}

static void paths_that_do_not_exist_are_counted_apart(void **state)
{
	struct fixture *f = *state;
	unsigned fired = 0;
	char path[32];

	use_rules(f, NULL);
	for (unsigned i = 0; i < 200; i++) { /* one broken link, many pages */
		f->status = i % 2 ? 404 : 200;
		snprintf(path, sizeof path, i % 2 ? "/broken" : "/page/%u", i);
		fired += ask(f, "198.51.100.7", "GET", path);
		f->now_ns += NS_PER_S / 10;
	}
	assert_int_equal(fired, 0);
	/* In between what is there, so that the share of what is not tells nothing. */
	for (unsigned i = 0; i < 60; i++) {
		assert_int_equal(fired, 0);
		f->status = i % 2 ? 404 : 200;
		snprintf(path, sizeof path, "/nothing/%u", i);
		fired += ask(f, "198.51.100.8", "GET", path);
	}
	assert_int_equal(fired, 1);
	assert_string_equal(f->last.origin, "missing-paths");
}

static void a_status_counts_once_and_only_where_an_answer_is_seen(void **state)
{
	static const char rules[] =
		"detections:\n"
		"  - {name: r, description: d, threshold: 2, window: 60s, match: all, status: [404, 5xx]}\n";
	static const struct {
		uint16_t status;
		unsigned fired;
	} steps[] = {{0, 0}, {404, 0}, {200, 0}, {403, 0}, {405, 0}, {499, 0}, {600, 0}, {0, 0}, {599, 1}};
	struct fixture *f = *state;

	use_rules(f, rules);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		f->status = steps[i].status;
		assert_int_equal(ask(f, "198.51.100.7", "GET", "/"), steps[i].fired);
	}
}

static void a_wrong_status_is_refused(void **state)
{
	static const char *const wrong[] = {"[]", "404", "[99]", "[600]", "[4x4]", "[40x]", "[xx]", "[4000]"};
	struct fixture *f = *state;
	char yaml[256];

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(yaml, sizeof yaml,
			 "detections:\n  - {name: r, description: d, threshold: 1, window: 1s, match: all, "
			 "status: %s}\n",
			 wrong[i]);
		assert_refused(f, yaml, "status must be");
	}
}

/* --- what picket denies itself --- */

static struct decide *deny(struct fixture *f, enum verdict_action action, uint64_t end_ns)
{
	struct decide *d = NULL;
	struct detect_links links;
	struct prefix client = test_prefix("198.51.100.7");

	assert_int_equal(decide_new(16, 10, 10, &d), 0);
	assert_int_equal(decide_put(d, &client, action, end_ns), 0);
	links = (struct detect_links){.decide = d};
	detect_link(f->detect, &links);
	return d;
}

/* A proxy that asks answers a blocked client with 403: it goes on and on, and none of it is news. */
static void who_is_denied_already_raises_nothing_more(void **state)
{
	struct fixture *f = *state;

	use_rules(f, NULL);
	struct decide *d = deny(f, VERDICT_BLOCK, START + SECONDS(600));
	f->status = 403;
	assert_int_equal(ask_many(f, 500, "POST", "/login", NS_PER_S), 0);
	assert_int_equal(detect_counts(f->detect).own_denials, 500);
	assert_int_equal(detect_counts(f->detect).matches, 0);
	/* Another one does. */
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(ask(f, "198.51.100.8", "POST", "/login"), 0);
	assert_int_equal(ask(f, "198.51.100.8", "POST", "/login"), 1);
	assert_string_equal(f->last.origin, "login-failures");
	/* So does the same one, once its block is over, or while the kill switch is on. */
	f->now_ns = START + SECONDS(600);
	assert_int_equal(ask_many(f, 6, "POST", "/login", 0), 1);
	use_rules(f, NULL);
	decide_free(d);
	d = deny(f, VERDICT_BLOCK, f->now_ns + SECONDS(600));
	decide_off(d, true);
	assert_int_equal(ask_many(f, 6, "POST", "/login", 0), 1);
	decide_free(d);
}

/* The answer comes after the block did. */
static void a_refusal_of_our_own_is_not_held_against_who_got_it(void **state)
{
	struct fixture *f = *state;
	struct prefix client = test_prefix("198.51.100.7");
	struct event event = {.kind = EVENT_HTTP_REQUEST, .id = 1, .time_ns = START};
	struct http_request request = {
		.method = SPAN("POST"), .target = SPAN("/login"), .path = SPAN("/login")};

	use_rules(f, NULL);
	struct decide *d = deny(f, VERDICT_BLOCK, START + SECONDS(600));
	event.flow.peer.addr = test_addr("198.51.100.7");
	event.request.answered = EVENT_ANSWER_SEEN;
	event.request.status = 403;
	for (unsigned i = 0; i < 8; i++) {
		event.request.pending.count = 0;
		decide_remove(d, &client);
		detect_request(f->detect, &request, &event, &event.request.pending, take, f);
		assert_true(event.request.pending.count > 0);
		assert_int_equal(decide_put(d, &client, VERDICT_BLOCK, START + SECONDS(600)), 0);
		detect_answer(f->detect, &event, take, f);
	}
	assert_int_equal(f->verdicts, 0);
	assert_int_equal(detect_counts(f->detect).own_denials, 8);
	decide_free(d);
}

static void under_rate_limit_counts_what_was_let_through(void **state)
{
	struct fixture *f = *state;

	use_rules(f, NULL);
	struct decide *d = deny(f, VERDICT_RATE_LIMIT, START + SECONDS(600));
	f->status = 429; /* picket's own */
	assert_int_equal(ask_many(f, 100, "POST", "/login", NS_PER_S / 10), 0);
	assert_int_equal(detect_counts(f->detect).own_denials, 100);
	f->status = 200; /* each got through: login-guessing, which asks for no status, counts by now */
	assert_int_equal(ask_many(f, 19, "POST", "/login", 0), 0);
	assert_int_equal(ask_many(f, 1, "POST", "/login", 0), 1);
	assert_string_equal(f->last.origin, "login-guessing");
	/* 429 of the server's own, to a client that nobody slows. */
	decide_free(d);
	use_rules(
		f,
		"detections:\n"
		"  - {name: slowed, description: d, match: all, status: [429], threshold: 3, window: 60s}\n");
	d = deny(f, VERDICT_SHADOW, START + SECONDS(6000));
	f->status = 429;
	assert_int_equal(ask_many(f, 3, "GET", "/", 0), 1);
	decide_free(d);
}

/* --- who wants to look like many, and who is made to look bad --- */

static void who_changes_the_credential_each_time_is_told_of(void **state)
{
	struct fixture *f = *state;
	char token[32];

	use_rules(f, NULL);
	f->consumer = token;
	/* Served: as many as there are in an office. */
	f->status = 200;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(token, sizeof token, "c_%u", i);
		assert_int_equal(ask(f, "198.51.100.7", "GET", "/v1/orders"), 0);
	}
	f->status = 401;
	for (unsigned i = 0; i < 12; i++) {
		snprintf(token, sizeof token, "c_%u", i);
		assert_int_equal(ask(f, "198.51.100.7", "GET", "/v1/orders"), i == 11);
	}
	assert_string_equal(f->last.origin, "token-rotation");
	/* One that is refused again and again is a broken client, and requests without any are no rotation.
	 */
	use_rules(f, NULL);
	assert_int_equal(ask_many(f, 100, "GET", "/v1/orders", 0), 0);
	f->consumer = NULL;
	assert_int_equal(ask_many(f, 100, "GET", "/v1/orders", 0), 0);
}

static void who_changes_the_user_agent_each_time_is_told_of(void **state)
{
	struct fixture *f = *state;
	char agent[32];

	use_rules(f, NULL);
	f->user_agent = agent;
	f->status = 200;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(agent, sizeof agent, "agent/%u", i);
		assert_int_equal(ask(f, "198.51.100.7", "GET", "/v1/orders"), 0);
	}
	f->status = 403;
	for (unsigned i = 0; i < 12; i++) {
		snprintf(agent, sizeof agent, "agent/%u", i);
		assert_int_equal(ask(f, "198.51.100.7", "GET", "/v1/orders"), i == 11);
	}
	assert_string_equal(f->last.origin, "user-agent-rotation");
}

#define BROWSER "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

static void what_a_web_page_could_have_done_is_marked_until_enough_is_certain(void **state)
{
	struct fixture *f = *state;

	use_rules(f, NULL);
	f->user_agent = BROWSER;
	f->origin = "https://evil.example";
	assert_int_equal(ask_many(f, 20, "POST", "/login", 0), 1);
	assert_true(f->last.framed);
	assert_int_equal(ask_many(f, 20, "POST", "/login", 0), 0); /* said already */
	/* The same by hand: nineteen are not enough, twenty are, and are told of at once. */
	f->user_agent = "curl/8.0";
	f->origin = NULL;
	assert_int_equal(ask_many(f, 19, "POST", "/login", 0), 0);
	assert_int_equal(ask_many(f, 1, "POST", "/login", 0), 1);
	assert_false(f->last.framed);
	assert_int_equal(ask_many(f, 9, "POST", "/login", 0), 0);
	/* Of different paths likewise: each must have been asked for by hand. */
	use_rules(f, NULL);
	static const char *const paths[] = {"/.env", "/.git/config", "/wp-login.php", "/phpMyAdmin/",
					    "/actuator/env"};
	f->user_agent = BROWSER;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_int_equal(ask(f, "198.51.100.7", "GET", paths[i]), i == 4);
	assert_true(f->last.framed);
	f->user_agent = "curl/8.0";
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_int_equal(ask(f, "198.51.100.7", "GET", paths[0]), 0);
		assert_int_equal(ask(f, "198.51.100.7", "GET", paths[i]), i == 4);
	}
	assert_false(f->last.framed);
	/* By their answers: what the request was is remembered until then. */
	use_rules(f, NULL);
	f->status = 401;
	f->user_agent = BROWSER;
	assert_int_equal(ask_many(f, 6, "POST", "/login", 0), 1);
	assert_string_equal(f->last.origin, "login-failures");
	assert_true(f->last.framed);
}

static bool was_witnessed(struct witness *w, uint64_t event_id, uint64_t now_ns)
{
	struct verdict v = test_verdict(VERDICT_GATEWAY, "198.51.100.7", TTL(15));
	struct event e = {.id = event_id};
	bool framed;

	event_id_format(&e, v.evidence[0]);
	v.evidence_count = 1;
	return witness_ask(w, &v, now_ns, &framed);
}

static void the_witness_knows_what_a_detection_fired_on(void **state)
{
	struct fixture *f = *state;
	struct witness *w = NULL;

	use_rules(f, NULL);
	assert_int_equal(witness_new(1000, SECONDS(600), &w), 0);
	detect_link(f->detect, &(struct detect_links){.witness = w});
	ask_many(f, 19, "POST", "/login", 0);
	assert_false(was_witnessed(w, 19, f->now_ns)); /* nothing fired yet */
	ask_many(f, 1, "POST", "/login", 0);
	assert_false(was_witnessed(w, 12, f->now_ns)); /* beyond what a verdict cites */
	for (uint64_t id = 13; id <= 20; id++)
		assert_true(was_witnessed(w, id, f->now_ns));
	/* It goes on, and the detection is silent for a while. */
	ask_many(f, 1, "GET", "/login", 0);
	ask_many(f, 70, "POST", "/login", 0);
	assert_false(was_witnessed(w, 21, f->now_ns)); /* no match */
	assert_true(was_witnessed(w, 22, f->now_ns));
	assert_true(was_witnessed(w, 21 + DETECT_WITNESS_MORE, f->now_ns));
	assert_false(was_witnessed(w, 22 + DETECT_WITNESS_MORE, f->now_ns));
	witness_free(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_found_wherever_they_overlap),
		cmocka_unit_test(random_words_agree_with_a_naive_search),
		cmocka_unit_test(too_many_words_are_refused),
		cmocka_unit_test(one_file_has_one_path_however_it_is_written),
		cmocka_unit_test(a_normal_form_stays_as_it_is),
		TEST(a_password_guesser_is_told_of_once_with_evidence),
		TEST(login_routes_are_known_in_many_spellings),
		TEST(guessing_keys_at_a_token_route_takes_longer_to_be_told_of),
		TEST(a_path_scanner_is_known_by_different_paths),
		TEST(a_scanner_that_says_its_name_is_believed),
		TEST(malformed_requests_count_and_gaps_do_not),
		TEST(what_is_not_documented_may_count),
		TEST(a_flood_is_told_of_within_a_second),
		TEST(a_refused_login_counts_for_more_than_a_login),
		TEST(paths_that_do_not_exist_are_counted_apart),
		TEST(a_status_counts_once_and_only_where_an_answer_is_seen),
		TEST(a_wrong_status_is_refused),
		TEST(a_good_client_is_left_in_peace),
		TEST(clients_are_counted_apart),
		TEST(an_ipv6_client_cannot_hide_among_its_addresses),
		TEST(a_changed_mode_ends_the_silence),
		TEST(behind_a_trusted_proxy_it_is_the_client_who_counts),
		TEST(a_verdict_says_through_whom_its_client_comes),
		TEST(a_bucket_leaks),
		TEST(the_table_of_clients_is_bounded_and_forgets_the_idle),
		TEST(conditions_of_every_kind_hold_together),
		TEST(a_list_of_paths_may_stand_in_its_own_file),
		TEST(expressions_are_joined_without_changing_their_meaning),
		TEST(an_expression_that_runs_away_is_given_up),
		TEST(a_wrong_rule_file_is_refused_with_its_line),
		TEST(several_faults_are_told_at_once),
		TEST(a_missing_rule_file_is_an_error_not_silence),
		TEST(a_file_of_too_much_is_refused),
		TEST(who_is_denied_already_raises_nothing_more),
		TEST(a_refusal_of_our_own_is_not_held_against_who_got_it),
		TEST(under_rate_limit_counts_what_was_let_through),
		TEST(who_changes_the_credential_each_time_is_told_of),
		TEST(who_changes_the_user_agent_each_time_is_told_of),
		TEST(what_a_web_page_could_have_done_is_marked_until_enough_is_certain),
		TEST(the_witness_knows_what_a_detection_fired_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
