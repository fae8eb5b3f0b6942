// SPDX-License-Identifier: Apache-2.0
/* The point at HTTP as proxies meet it: real sockets, real heads. */
#include "sensor/http_point.h"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "tests/unit/policies_config.h"

static uint64_t now = SECONDS(1000);

static uint64_t fake_now(void *arg)
{
	(void)arg;
	return now;
}

static const struct clock clock_fake = {fake_now, fake_now, NULL};

struct stage {
	struct config config;
	char *names[2];
	struct proxies *proxies;
	struct decide *decide;
	struct redact *redact;
	struct http_point *point;
	char directory[64], path[96];
};

static void point_start(struct stage *s)
{
	struct http_point_parts parts = {.config = &s->config,
					 .clock = &clock_fake,
					 .decide = s->decide,
					 .proxies = s->proxies,
					 .redact = s->redact};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s", s->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(http_point_new(&parts, fd, &s->point), 0);
}

static int stage_up(void **state)
{
	struct stage *s = calloc(1, sizeof *s);
	struct prefix proxy = test_prefix("10.0.0.5"), blocked = test_prefix("198.51.100.7");

	s->config = test_config();
	s->names[0] = (char *)"x-forwarded-for";
	s->names[1] = (char *)"x-real-ip";
	s->config.proxies.headers.items = s->names;
	s->config.proxies.headers.count = 2;
	assert_int_equal(proxies_new(&s->config, &s->proxies), 0);
	assert_int_equal(proxies_set(s->proxies, &proxy, PROXY_CLASS_TRUSTED), 0);
	assert_int_equal(decide_new(16, 1, 1, &s->decide), 0);
	assert_int_equal(decide_put(s->decide, &blocked, VERDICT_BLOCK, now + SECONDS(60)), 0);
	static const uint8_t key[REDACT_KEY_LEN] = {1, 2, 3};
	assert_int_equal(redact_new(&s->config, key, &s->redact), 0);
	s->config.enforcement.ja4_header = (char *)"x-ja4";
	snprintf(s->directory, sizeof s->directory, "/tmp/picket-http-point.XXXXXX");
	assert_non_null(mkdtemp(s->directory));
	snprintf(s->path, sizeof s->path, "%s/decide.sock", s->directory);
	point_start(s);
	*state = s;
	return 0;
}

static int stage_down(void **state)
{
	struct stage *s = *state;

	http_point_free(s->point);
	decide_free(s->decide);
	proxies_free(s->proxies);
	redact_free(s->redact);
	unlink(s->path);
	rmdir(s->directory);
	free(s);
	return 0;
}

static int open_to(const struct stage *s)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s", s->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* One question on a connection that is there; its answer's head. */
static const char *ask_on(int fd, const char *head)
{
	static char answer[4096];
	size_t len = 0;

	assert_int_equal(send(fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
	answer[0] = 0;
	while (!strstr(answer, "\r\n\r\n") && len < sizeof answer - 1) {
		ssize_t n = recv(fd, answer + len, sizeof answer - 1 - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
		answer[len] = 0;
	}
	return answer;
}

static const char *ask(const struct stage *s, const char *head)
{
	int fd = open_to(s);
	const char *answer = ask_on(fd, head);

	close(fd);
	return answer;
}

static void begins(const char *answer, const char *with)
{
	if (strncmp(answer, with, strlen(with)))
		fail_msg("wanted \"%s\", got \"%s\"", with, answer);
}

#define HEAD(headers) "GET /any/path?x=1 HTTP/1.1\r\nHost: picket\r\n" headers "\r\n"

static void who_is_denied_gets_403_and_how_long_and_all_others_204(void **state)
{
	struct stage *s = *state;
	int fd = open_to(s);

	begins(ask_on(fd, HEAD("X-Forwarded-For: 203.0.113.1\r\n")), "HTTP/1.1 204 ");
	const char *answer = ask_on(fd, HEAD("X-Forwarded-For: 198.51.100.7\r\n"));
	begins(answer, "HTTP/1.1 403 ");
	assert_non_null(strstr(answer, "X-Picket-Decision: deny\r\n"));
	assert_non_null(strstr(answer, "Retry-After: 60\r\n"));
	/* The connection stays for the next question. */
	answer = ask_on(fd, HEAD("X-Forwarded-For: 203.0.113.1\r\n"));
	begins(answer, "HTTP/1.1 204 ");
	assert_non_null(strstr(answer, "X-Picket-Decision: pass\r\n"));
	close(fd);
	assert_int_equal(http_point_counts(s->point).asked, 3);
	assert_int_equal(http_point_counts(s->point).last_ns, now);
}

static void who_is_slowed_gets_429(void **state)
{
	struct stage *s = *state;
	struct prefix p = test_prefix("198.51.100.9");

	decide_put(s->decide, &p, VERDICT_RATE_LIMIT, now + SECONDS(60));
	begins(ask(s, HEAD("X-Forwarded-For: 198.51.100.9\r\n")), "HTTP/1.1 204 ");
	const char *answer = ask(s, HEAD("X-Forwarded-For: 198.51.100.9\r\n"));
	begins(answer, "HTTP/1.1 429 ");
	assert_non_null(strstr(answer, "X-Picket-Decision: slow\r\n"));
	assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
}

/* From the right, over trusted proxies: what a client writes before that cannot frame another or hide it. */
static void the_client_is_found_as_everywhere_else(void **state)
{
	struct stage *s = *state;

	begins(ask(s, HEAD("X-Forwarded-For: 198.51.100.7, 10.0.0.5\r\n")), "HTTP/1.1 403 ");
	begins(ask(s, HEAD("X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 10.0.0.5\r\n")),
	       "HTTP/1.1 403 ");
	begins(ask(s, HEAD("X-Forwarded-For: 203.0.113.1, 198.51.100.7\r\n")), "HTTP/1.1 403 ");
	begins(ask(s, HEAD("X-Forwarded-For: 198.51.100.7, 203.0.113.1\r\n")), "HTTP/1.1 204 ");
	begins(ask(s, HEAD("X-Real-IP: 198.51.100.7\r\n")), "HTTP/1.1 403 ");
	begins(ask(s, HEAD("X-Real-IP: 203.0.113.1\r\nX-Forwarded-For: 198.51.100.7\r\n")), "HTTP/1.1 403 ");
	begins(ask(s, HEAD("X-Forwarded-For: ::ffff:198.51.100.7\r\n")), "HTTP/1.1 403 ");
	assert_int_equal(http_point_counts(s->point).unnamed, 0);
}

static void a_question_that_names_nobody_is_answered_with_pass_and_counted(void **state)
{
	struct stage *s = *state;
	char many[8192] = "GET / HTTP/1.1\r\nHost: picket\r\nX-Forwarded-For: 198.51.100.7\r\n";

	begins(ask(s, HEAD("")), "HTTP/1.1 204 ");
	begins(ask(s, HEAD("X-Forwarded-For: garbage\r\n")), "HTTP/1.1 204 ");
	for (int i = 0; i < 130; i++)
		strcat(many, "A: b\r\n");
	strcat(many, "\r\n");
	begins(ask(s, many), "HTTP/1.1 204 ");
	assert_int_equal(http_point_counts(s->point).unnamed, 3);
}

/* Proxies pass on the method, and sometimes the length of a body that they keep. */
static void any_method_is_answered_and_no_body_is_waited_for(void **state)
{
	struct stage *s = *state;
	const char *methods[] = {"HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"};
	char head[256];

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		snprintf(head, sizeof head,
			 "%s / HTTP/1.1\r\nHost: picket\r\nContent-Length: 5\r\n"
			 "X-Forwarded-For: 198.51.100.7\r\n\r\n",
			 methods[i]);
		begins(ask(s, head), "HTTP/1.1 403 ");
	}
	begins(ask(s, "POST / HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n"
		      "X-Forwarded-For: 198.51.100.7\r\n\r\n"),
	       "HTTP/1.1 403 ");
}

static void what_is_no_question_harms_nobody(void **state)
{
	struct stage *s = *state;
	static char large[256 * 1024];

	memset(large, 'a', sizeof large - 1);
	ask(s, "GARBAGE\r\n\r\n");
	int fd = open_to(s);
	send(fd, "\r\n\r\n", 4, MSG_NOSIGNAL);
	close(fd);
	fd = open_to(s);
	send(fd, large, sizeof large, MSG_NOSIGNAL);
	close(fd);
	begins(ask(s, HEAD("X-Forwarded-For: 198.51.100.7\r\n")), "HTTP/1.1 403 ");
}

static void it_is_asked_for_five_minutes_after_a_question(void **state)
{
	struct stage *s = *state;

	assert_false(http_point_is_asked(s->point, ADDR_IPV4));
	ask(s, HEAD("X-Forwarded-For: 203.0.113.1\r\n"));
	assert_true(http_point_is_asked(s->point, ADDR_IPV4));
	now += HTTP_POINT_WITHIN_NS - 1;
	assert_true(http_point_is_asked(s->point, ADDR_IPV4));
	now += 1;
	assert_false(http_point_is_asked(s->point, ADDR_IPV4));
}

#define JA4 "t13d1516h2_8daaf6152771_b186095e22b6"

static void put_key(struct stage *s, const char *target)
{
	struct prefix p;

	assert_int_equal(target_parse(span_from(target), &p), 0);
	assert_int_equal(decide_put(s->decide, &p, VERDICT_BLOCK, now + SECONDS(60)), 0);
}

/* As an event of a request with that credential has it. */
static void put_consumer_of(struct stage *s, const char *token)
{
	char id[REDACT_CONSUMER_MAX], target[64];

	redact_consumer(s->redact, span_from(token), id);
	snprintf(target, sizeof target, "consumer:%s", id);
	put_key(s, target);
}

static void a_consumer_is_known_by_its_credential_however_it_is_sent(void **state)
{
	struct stage *s = *state;
	const char *const same[] = {
		HEAD("X-Forwarded-For: 203.0.113.1\r\nAuthorization: Bearer stolen-token-1\r\n"),
		HEAD("X-Forwarded-For: 203.0.113.2\r\nauthorization: bearer  stolen-token-1\r\n"),
		HEAD("X-Forwarded-For: 2001:db8::2\r\nX-Api-Key: stolen-token-1\r\n"),
		HEAD("Authorization: Bearer stolen-token-1\r\n"), /* names no address, and is known all the
								     same */
	};

	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		begins(ask(s, same[i]), "HTTP/1.1 204 ");
	put_consumer_of(s, "stolen-token-1");
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		begins(ask(s, same[i]), "HTTP/1.1 403 ");
	begins(ask(s, HEAD("X-Forwarded-For: 203.0.113.1\r\nAuthorization: Bearer own-token-2\r\n")),
	       "HTTP/1.1 204 ");
	begins(ask(s, HEAD("X-Forwarded-For: 203.0.113.1\r\n")), "HTTP/1.1 204 ");
	struct http_point_counts c = http_point_counts(s->point);
	assert_int_equal(c.asked, 10);
	assert_int_equal(c.with_consumer, 9);
	assert_int_equal(c.with_ja4, 0);
}

static void a_ja4_is_known_by_the_header_that_is_configured(void **state)
{
	struct stage *s = *state;

	put_key(s, "ja4:" JA4);
	begins(ask(s, HEAD("X-Forwarded-For: 203.0.113.1\r\nX-JA4: " JA4 "\r\n")), "HTTP/1.1 403 ");
	begins(ask(s,
		   HEAD("X-Forwarded-For: 203.0.113.1\r\nX-JA4: t13d1516h1_8daaf6152771_b186095e22b6\r\n")),
	       "HTTP/1.1 204 ");
	begins(ask(s, HEAD("X-Forwarded-For: 203.0.113.1\r\nX-JA4: -\r\n")), "HTTP/1.1 204 ");
	begins(ask(s, HEAD("X-Forwarded-For: 203.0.113.1\r\nJA4: " JA4 "\r\n")), "HTTP/1.1 204 ");
	struct http_point_counts c = http_point_counts(s->point);
	assert_int_equal(c.with_ja4, 2);
	assert_int_equal(c.bad_ja4, 1);
	s->config.enforcement.ja4_header = (char *)"";
	begins(ask(s, HEAD("X-Forwarded-For: 203.0.113.1\r\nX-JA4: " JA4 "\r\n")), "HTTP/1.1 204 ");
}

/* A block of what no question tells stops nobody. */
static void whether_such_questions_come_is_known_apart(void **state)
{
	struct stage *s = *state;

	ask(s, HEAD("X-Forwarded-For: 203.0.113.1\r\n"));
	assert_true(http_point_is_asked(s->point, ADDR_IPV6));
	assert_false(http_point_is_asked(s->point, TARGET_CONSUMER));
	ask(s, HEAD("X-Forwarded-For: 203.0.113.1\r\nX-Api-Key: k\r\n"));
	assert_true(http_point_is_asked(s->point, TARGET_CONSUMER));
	assert_false(http_point_is_asked(s->point, TARGET_JA4));
	ask(s, HEAD("X-JA4: " JA4 "\r\n"));
	assert_true(http_point_is_asked(s->point, TARGET_JA4));
	now += HTTP_POINT_WITHIN_NS;
	assert_false(http_point_is_asked(s->point, TARGET_CONSUMER));
	assert_false(http_point_is_asked(s->point, TARGET_JA4));
}

#define ASKS(line, headers) \
	line " HTTP/1.1\r\nHost: picket\r\nX-Forwarded-For: 203.0.113.1\r\n" headers "\r\n"

/* In a header that the proxy sets, or as Envoy asks: with the client's own path. */
static void what_is_asked_for_is_told_in_the_way_that_is_configured(void **state)
{
	struct stage *s = *state;

	begins(ask(s, ASKS("GET /", "X-Original-URI: /login\r\n")), "HTTP/1.1 204 ");
	assert_false(http_point_is_asked(s->point, ADDR_IPV4 | TARGET_ROUTED));
	assert_int_equal(http_point_counts(s->point).with_target, 0);
	s->config.enforcement.target_header = (char *)"x-original-uri";
	begins(ask(s, ASKS("GET /", "X-Original-URI: /login\r\n")), "HTTP/1.1 204 ");
	assert_true(http_point_is_asked(s->point, ADDR_IPV4 | TARGET_ROUTED));
	assert_false(http_point_is_asked(s->point, TARGET_CONSUMER | TARGET_ROUTED));
	put_key(s, "203.0.113.1@/login");
	begins(ask(s, ASKS("GET /", "X-Original-URI: /login\r\n")), "HTTP/1.1 403 ");
	begins(ask(s, ASKS("GET /", "x-original-uri: //x/../%6cogin;a?b=c\r\n")), "HTTP/1.1 403 ");
	begins(ask(s, ASKS("GET /", "X-Original-URI: /other?x=/login\r\n")), "HTTP/1.1 204 ");
	/* Nothing else tells it, and of two nobody knows which the proxy said. */
	begins(ask(s, ASKS("GET /login", "")), "HTTP/1.1 204 ");
	begins(ask(s, ASKS("GET /login", "X-Original-URI: /other\r\nX-Forwarded-Uri: /login\r\n")),
	       "HTTP/1.1 204 ");
	begins(ask(s, ASKS("GET /", "X-Original-URI: /other\r\nX-Original-URI: /other\r\n")),
	       "HTTP/1.1 403 ");
	begins(ask(s, ASKS("GET /", "X-Original-URI:\r\n")), "HTTP/1.1 403 ");
	begins(ask(s, HEAD("X-Forwarded-For: 203.0.113.2\r\nX-Original-URI:\r\n")), "HTTP/1.1 204 ");
	struct http_point_counts c = http_point_counts(s->point);
	assert_int_equal(c.with_target, 8);
	assert_int_equal(c.bad_target, 3);
	s->config.enforcement.target_header = (char *)":path";
	begins(ask(s, ASKS("POST /login?x=1", "Content-Length: 0\r\n")), "HTTP/1.1 403 ");
	begins(ask(s, ASKS("GET /%6cogin", "")), "HTTP/1.1 403 ");
	begins(ask(s, ASKS("GET /x%2f..%2flogin", "")), "HTTP/1.1 403 ");
	begins(ask(s, ASKS("GET //login", "")), "HTTP/1.1 403 ");
	begins(ask(s, ASKS("GET /%zz", "")), "HTTP/1.1 403 ");
	begins(ask(s, ASKS("GET /other?x=/login", "X-Original-URI: /login\r\n")), "HTTP/1.1 204 ");
	begins(ask(s, ASKS("GET /a%20b", "")), "HTTP/1.1 204 ");
	now += HTTP_POINT_WITHIN_NS;
	assert_false(http_point_is_asked(s->point, ADDR_IPV4 | TARGET_ROUTED));
	ask(s, HEAD("X-Forwarded-For: 203.0.113.1\r\n"));
	assert_true(http_point_is_asked(s->point, ADDR_IPV4 | TARGET_ROUTED));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_up, stage_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_is_denied_gets_403_and_how_long_and_all_others_204),
		TEST(who_is_slowed_gets_429),
		TEST(the_client_is_found_as_everywhere_else),
		TEST(a_question_that_names_nobody_is_answered_with_pass_and_counted),
		TEST(any_method_is_answered_and_no_body_is_waited_for),
		TEST(what_is_no_question_harms_nobody),
		TEST(it_is_asked_for_five_minutes_after_a_question),
		TEST(a_consumer_is_known_by_its_credential_however_it_is_sent),
		TEST(a_ja4_is_known_by_the_header_that_is_configured),
		TEST(whether_such_questions_come_is_known_apart),
		TEST(what_is_asked_for_is_told_in_the_way_that_is_configured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
