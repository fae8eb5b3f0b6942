// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "lib/api.h"
#include "lib/api_client.h"
#include "lib/clock.h"
#include "lib/json_read.h"
#include "lib/util.h"

static char directory[64], path[96];
static struct api *api;
static atomic_int states_made, states_dropped;

static int listen_at(const char *where)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s", where);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static int connect_to(const char *where)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s", where);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* --- the resources of the tests --- */

static void get_hello(struct api_call *c, void *arg)
{
	api_reply(c, 200, span_from(arg));
}

static void get_who(struct api_call *c, void *arg)
{
	char text[64];

	(void)arg;
	snprintf(text, sizeof text, "{\"uid\":%u}", api_call_uid(c));
	api_reply(c, 200, span_from(text));
}

static void get_item(struct api_call *c, void *arg)
{
	const char *how = api_call_query(c, "how");
	char text[256];

	(void)arg;
	snprintf(text, sizeof text, "%s|%s", api_call_param(c), how ? how : "-");
	api_reply(c, 200, span_from(text));
}

static void post_echo(struct api_call *c, void *arg)
{
	(void)arg;
	api_reply(c, 201, api_call_body(c));
}

static void get_refused(struct api_call *c, void *arg)
{
	(void)arg;
	api_problem(c, 409, "refused_by_guard", "It is a \"protected\" network.");
	api_reply(c, 200, SPAN("too late")); /* the first answer stands */
}

static void get_nothing(struct api_call *c, void *arg)
{
	(void)c;
	(void)arg;
}

struct counter {
	unsigned next, last;
};

static int produce_count(void *state, struct buffer *out)
{
	struct counter *c = state;

	if (c->next < c->last)
		buffer_printf(out, "{\"n\":%u}\n", c->next++);
	return c->next >= c->last;
}

static int produce_silence(void *state, struct buffer *out)
{
	(void)state;
	(void)out;
	return 0;
}

static int produce_flood(void *state, struct buffer *out)
{
	(void)state;
	while (buffer_append_text(out, "a line that never ends\n") == 0)
		continue;
	return 0;
}

static void drop_state(void *state)
{
	atomic_fetch_add(&states_dropped, 1);
	free(state);
}

static void stream_of(struct api_call *c, api_produce produce, unsigned last)
{
	struct counter *state = calloc(1, sizeof *state);

	state->last = last;
	atomic_fetch_add(&states_made, 1);
	api_stream(c, produce, drop_state, state);
}

static void get_count(struct api_call *c, void *arg)
{
	(void)arg;
	stream_of(c, produce_count, 100000);
}

static void get_silence(struct api_call *c, void *arg)
{
	(void)arg;
	stream_of(c, produce_silence, 0);
}

static void get_flood(struct api_call *c, void *arg)
{
	(void)arg;
	stream_of(c, produce_flood, 0);
}

static void get_twice(struct api_call *c, void *arg)
{
	(void)arg;
	api_reply(c, 200, SPAN("first"));
	stream_of(c, produce_count, 3);
}

static const struct api_route routes[] = {
	{"GET", "/v1/hello", get_hello, (void *)"{\"hello\":1}"},
	{"GET", "/v1/who", get_who, NULL},
	{"GET", "/v1/items/{id}", get_item, NULL},
	{"GET", "/v1/items/special", get_hello, (void *)"special"},
	{"POST", "/v1/echo", post_echo, NULL},
	{"GET", "/v1/refused", get_refused, NULL},
	{"GET", "/v1/nothing", get_nothing, NULL},
	{"GET", "/v1/count", get_count, NULL},
	{"GET", "/v1/silence", get_silence, NULL},
	{"GET", "/v1/flood", get_flood, NULL},
	{"GET", "/v1/twice", get_twice, NULL},
};

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof directory, "/tmp/picket-api-test-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof path, "%s/control.sock", directory);
	atomic_store(&states_made, 0);
	atomic_store(&states_dropped, 0);
	assert_int_equal(api_new(&api), 0);
	assert_int_equal(api_add(api, routes, 5), 0);
	assert_int_equal(api_add(api, routes + 5, ARRAY_SIZE(routes) - 5), 0);
	assert_int_equal(api_start(api, listen_at(path), 6), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	api_free(api);
	unlink(path);
	rmdir(directory);
	/* Whatever a test did to its streams, their state was freed. */
	assert_int_equal(atomic_load(&states_dropped), atomic_load(&states_made));
	return 0;
}

static void call(const char *method, const char *where, struct span body, unsigned status,
		 const char *expected)
{
	struct api_answer a;

	assert_int_equal(api_client_call(path, method, where, body, &a), 0);
	assert_int_equal(a.status, status);
	if (expected) {
		assert_int_equal(a.body.len, strlen(expected));
		assert_memory_equal(a.body.data ? a.body.data : "", expected, a.body.len);
	}
	api_answer_free(&a);
}

static void call_problem(const char *method, const char *where, struct span body, unsigned status,
			 const char *code)
{
	static const struct json_limits limits = {65536, 4, 100};
	struct api_answer a;
	cJSON *json;
	int64_t n;

	assert_int_equal(api_client_call(path, method, where, body, &a), 0);
	assert_int_equal(a.status, status);
	assert_int_equal(json_parse(buffer_span(&a.body), &limits, &json, NULL), 0);
	assert_string_equal(json_get_text(json, "code"), code);
	assert_int_equal(json_get_int(json, "status", 100, 599, &n), 0);
	assert_int_equal(n, status);
	assert_non_null(json_get_text(json, "detail"));
	assert_non_null(json_get_text(json, "title"));
	cJSON_Delete(json);
	api_answer_free(&a);
}

/* --- one call --- */

static void resource_answers(void **state)
{
	(void)state;
	call("GET", "/v1/hello", SPAN_NULL, 200, "{\"hello\":1}");
	call("HEAD", "/v1/hello", SPAN_NULL, 200, "");
}

static void peer_user_is_known(void **state)
{
	char expected[64];

	(void)state;
	snprintf(expected, sizeof expected, "{\"uid\":%u}", geteuid());
	call("GET", "/v1/who", SPAN_NULL, 200, expected);
}

static void path_parameter_takes_the_rest_decoded(void **state)
{
	(void)state;
	call("GET", "/v1/items/192.0.2.0/24", SPAN_NULL, 200, "192.0.2.0/24|-");
	call("GET", "/v1/items/192.0.2.0%2F24", SPAN_NULL, 200, "192.0.2.0/24|-");
	call("GET", "/v1/items/2001%3Adb8%3A%3A1?how=now%26then", SPAN_NULL, 200, "2001:db8::1|now&then");
	call("GET", "/v1/items/../../etc", SPAN_NULL, 200, "../../etc|-");
}

static void zero_byte_in_a_path_does_not_cut_it(void **state)
{
	(void)state;
	call("GET", "/v1/items/a%00b", SPAN_NULL, 200, "a%00b|-");
	call("GET", "/v1/items/a%zzb%4", SPAN_NULL, 200, "a%zzb%4|-");
	call_problem("GET", "/v1/hello%00", SPAN_NULL, 404, "not_found");
}

static void whole_path_goes_before_a_parameter(void **state)
{
	(void)state;
	call("GET", "/v1/items/special", SPAN_NULL, 200, "special");
	call("GET", "/v1/items/specials", SPAN_NULL, 200, "specials|-");
}

static void unknown_paths_and_methods_are_problems(void **state)
{
	(void)state;
	call_problem("GET", "/", SPAN_NULL, 404, "not_found");
	call_problem("GET", "/v1/items/", SPAN_NULL, 404, "not_found");
	call_problem("DELETE", "/v1/hello", SPAN_NULL, 405, "method_not_allowed");
}

static void first_answer_of_a_handler_stands(void **state)
{
	(void)state;
	call_problem("GET", "/v1/refused", SPAN_NULL, 409, "refused_by_guard");
	call("GET", "/v1/twice", SPAN_NULL, 200, "first");
}

static void handler_without_an_answer_is_an_error(void **state)
{
	(void)state;
	call_problem("GET", "/v1/nothing", SPAN_NULL, 500, "internal");
}

static void body_up_to_the_ceiling_arrives(void **state)
{
	_cleanup_free_ char *big = malloc(API_BODY_MAX + 2);

	(void)state;
	memset(big, 'x', API_BODY_MAX + 1);
	big[API_BODY_MAX] = 0;
	call("POST", "/v1/echo", span_from(big), 201, big);
	call("POST", "/v1/echo", SPAN_NULL, 201, "");
	call_problem("POST", "/v1/echo", (struct span){big, API_BODY_MAX + 1}, 413, "body_too_large");
}

/* Slower than the server, which might have hung up by then. */
static void who_still_sends_a_long_body_is_told_too(void **state)
{
	static const char head[] = "POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\n\r\n";
	static const char expected[] = "HTTP/1.1 413 ";
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	_cleanup_close_ int fd = connect_to(path);
	char piece[65536], answer[sizeof expected - 1];

	(void)state;
	memset(piece, 'x', sizeof piece);
	assert_int_equal(send(fd, head, sizeof head - 1, MSG_NOSIGNAL), sizeof head - 1);
	for (int i = 0; i < 4; i++) {
		nanosleep(&pause, NULL);
		assert_int_equal(send(fd, piece, sizeof piece, MSG_NOSIGNAL), sizeof piece);
	}
	assert_int_equal(recv(fd, answer, sizeof answer, MSG_WAITALL), sizeof answer);
	assert_memory_equal(answer, expected, sizeof answer);
}

/* curl asks first: no byte of it is sent. */
static void longer_body_is_refused_at_once(void **state)
{
	size_t len = 2 * 1024 * 1024;
	_cleanup_free_ char *big = malloc(len);

	(void)state;
	memset(big, 'x', len);
	call_problem("POST", "/v1/echo", (struct span){big, len}, 413, "body_too_large");
}

static void chunked_body_beyond_the_ceiling_is_hung_up_on(void **state)
{
	static const char head[] = "POST /v1/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
	_cleanup_close_ int fd = connect_to(path);
	char chunk[8 + 4096 + 2], answer[16];
	ssize_t n = 1;

	(void)state;
	memcpy(chunk, "001000\r\n", 8);
	memset(chunk + 8, 'x', 4096);
	memcpy(chunk + 8 + 4096, "\r\n", 2);
	assert_int_equal(send(fd, head, sizeof head - 1, MSG_NOSIGNAL), sizeof head - 1);
	for (int i = 0; i < 1000 && n > 0; i++)
		n = send(fd, chunk, sizeof chunk, MSG_NOSIGNAL);
	assert_true(n < 0);
	assert_true(recv(fd, answer, sizeof answer, 0) <= 0);
	call("GET", "/v1/hello", SPAN_NULL, 200, NULL);
}

/* --- streams --- */

static int count_lines(void *arg, struct span line)
{
	unsigned *n = arg;
	char expected[32];

	snprintf(expected, sizeof expected, "{\"n\":%u}", (*n)++);
	assert_true(span_equal(line, span_from(expected)));
	return 0;
}

static void stream_arrives_whole_and_in_order(void **state)
{
	unsigned n = 0, status = 0;

	(void)state;
	assert_int_equal(api_client_stream(path, "/v1/count", count_lines, &n, &status), 0);
	assert_int_equal(status, 200);
	assert_int_equal(n, 100000);
}

static int stop_at_three(void *arg, struct span line)
{
	(void)line;
	return ++*(unsigned *)arg == 3;
}

static void reader_may_stop_a_stream(void **state)
{
	unsigned n = 0, status = 0;

	(void)state;
	assert_int_equal(api_client_stream(path, "/v1/count", stop_at_three, &n, &status), 0);
	assert_int_equal(status, 200);
	assert_int_equal(n, 3);
}

static int keep_line(void *arg, struct span line)
{
	snprintf(arg, 256, "%.*s", (int)line.len, line.ptr);
	return 0;
}

static void problem_instead_of_a_stream_is_handed_over(void **state)
{
	char text[256] = "";
	unsigned status = 0;

	(void)state;
	assert_int_equal(api_client_stream(path, "/v1/refused", keep_line, text, &status), 0);
	assert_int_equal(status, 409);
	assert_non_null(strstr(text, "refused_by_guard"));
}

static void half_a_line_is_never_given(void **state)
{
	unsigned n = 0, status = 0;

	(void)state;
	/* What one produce call made is above the ceiling: the stream breaks off, and the client knows. */
	assert_int_equal(api_client_stream(path, "/v1/flood", stop_at_three, &n, &status),
			 API_CLIENT_E_UNREACHABLE);
	assert_int_equal(n, 0);
}

static void ask_for_silence(int fd)
{
	static const char head[] = "GET /v1/silence HTTP/1.1\r\nHost: x\r\n\r\n";
	char answer[1024];

	assert_int_equal(send(fd, head, sizeof head - 1, MSG_NOSIGNAL), sizeof head - 1);
	/* The head comes before the first line does. */
	assert_true(recv(fd, answer, sizeof answer, 0) > 12);
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
}

static void quiet_streams_hold_up_nobody(void **state)
{
	int fds[5];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		ask_for_silence(fds[i] = connect_to(path));
	uint64_t began = clock_boot_ns(&clock_system);
	call("GET", "/v1/hello", SPAN_NULL, 200, NULL);
	assert_true(clock_boot_ns(&clock_system) - began < 10 * NS_PER_S);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void wait_for_drops(int wanted)
{
	for (int i = 0; i < 500 && atomic_load(&states_dropped) < wanted; i++)
		usleep(10000);
	assert_int_equal(atomic_load(&states_dropped), wanted);
}

static void client_that_leaves_a_quiet_stream_is_noticed(void **state)
{
	int fd = connect_to(path);

	(void)state;
	ask_for_silence(fd);
	assert_int_equal(atomic_load(&states_dropped), 0);
	close(fd);
	wait_for_drops(1);
}

static void connections_beyond_the_limit_are_told_so(void **state)
{
	int fds[6];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		ask_for_silence(fds[i] = connect_to(path));
	call_problem("GET", "/v1/hello", SPAN_NULL, 503, "too_many_connections");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	wait_for_drops(6);
	call("GET", "/v1/hello", SPAN_NULL, 200, NULL);
}

static void stop_ends_streams_that_are_open(void **state)
{
	char answer[64];
	int fd = connect_to(path);

	(void)state;
	ask_for_silence(fd);
	uint64_t began = clock_boot_ns(&clock_system);
	api_free(api);
	api = NULL;
	assert_true(clock_boot_ns(&clock_system) - began < 10 * NS_PER_S);
	while (recv(fd, answer, sizeof answer, 0) > 0)
		continue;
	close(fd);
}

/* --- the client where there is no server --- */

static void missing_socket_is_unreachable(void **state)
{
	struct api_answer a;
	unsigned status;
	char nobody[128];

	(void)state;
	snprintf(nobody, sizeof nobody, "%s/nobody.sock", directory);
	assert_int_equal(api_client_call(nobody, "GET", "/v1/hello", SPAN_NULL, &a),
			 API_CLIENT_E_UNREACHABLE);
	assert_int_equal(api_client_stream(nobody, "/", keep_line, NULL, &status), API_CLIENT_E_UNREACHABLE);
}

static void proxies_of_the_environment_are_not_asked(void **state)
{
	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	call("GET", "/v1/hello", SPAN_NULL, 200, NULL);
	unsetenv("http_proxy");
}

static void escape_leaves_no_separator(void **state)
{
	_cleanup_free_ char *escaped = api_client_escape("2001:db8::/32?a b");

	(void)state;
	assert_string_equal(escaped, "2001%3Adb8%3A%3A%2F32%3Fa%20b");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(resource_answers),
		STORY(peer_user_is_known),
		STORY(path_parameter_takes_the_rest_decoded),
		STORY(zero_byte_in_a_path_does_not_cut_it),
		STORY(whole_path_goes_before_a_parameter),
		STORY(unknown_paths_and_methods_are_problems),
		STORY(first_answer_of_a_handler_stands),
		STORY(handler_without_an_answer_is_an_error),
		STORY(body_up_to_the_ceiling_arrives),
		STORY(who_still_sends_a_long_body_is_told_too),
		STORY(longer_body_is_refused_at_once),
		STORY(chunked_body_beyond_the_ceiling_is_hung_up_on),
		STORY(stream_arrives_whole_and_in_order),
		STORY(reader_may_stop_a_stream),
		STORY(problem_instead_of_a_stream_is_handed_over),
		STORY(half_a_line_is_never_given),
		STORY(quiet_streams_hold_up_nobody),
		STORY(client_that_leaves_a_quiet_stream_is_noticed),
		STORY(connections_beyond_the_limit_are_told_so),
		STORY(stop_ends_streams_that_are_open),
		STORY(missing_socket_is_unreachable),
		STORY(proxies_of_the_environment_are_not_asked),
		STORY(escape_leaves_no_separator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
