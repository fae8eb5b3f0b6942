// SPDX-License-Identifier: Apache-2.0
/*
 * The forwarder against the example gateway, as a user would run it: both halves of docs/gateway-batch.md
 * together. Its program is named by PICKET_EXAMPLE_GATEWAY.
 */
#include "lib/util.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "forwarder/forwarder.h"
#include "signature_rig.h"

static const char *program;

struct rig {
	char dir[32], log[64], token[64], sign[64], verify[64], url[64], verdicts_url[64];
	bool poll; /* verdicts come by long poll */
	pid_t pid;
	FILE *out; /* the program goes on writing to it */
	struct config config;
	struct config_gateway gateway;
	struct forwarder *f;
	unsigned verdicts;
	struct verdict verdict;
};

static void on_verdict(void *arg, const struct verdict *v)
{
	struct rig *rig = arg;

	rig->verdicts++;
	rig->verdict = *v;
}

/* Starts the program and reads "listening on ADDR:PORT" from it. */
static void start_gateway(struct rig *rig)
{
	char line[128] = "";
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	rig->pid = fork();
	assert_true(rig->pid >= 0);
	if (rig->pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl(program, program, "--listen", "127.0.0.1:0", "--log", rig->log, "--token-file",
		      rig->token, "--ttl", "120", "--sign-key", rig->sign,
		      rig->poll ? "--poll" : (char *)NULL, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	rig->out = fdopen(ends[0], "r");
	assert_non_null(rig->out);
	assert_non_null(fgets(line, sizeof line, rig->out));
	line[strcspn(line, "\n")] = 0;
	assert_int_equal(strncmp(line, "listening on ", 13), 0);
	snprintf(rig->url, sizeof rig->url, "http://%.40s/events", line + 13);
	snprintf(rig->verdicts_url, sizeof rig->verdicts_url, "http://%.40s/verdicts", line + 13);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void start_forwarder(struct rig *rig)
{
	const struct forwarder_hooks hooks = {.verdict = on_verdict, .arg = rig};
	struct buffer errors = BUFFER_INIT(4096);
	static char name[] = "example";

	rig->gateway = (struct config_gateway){
		.sample = 1,
		.name = name,
		.protocol = GATEWAY_BATCH,
		.url = rig->url,
		.token_file = rig->token,
		.batch_events = 100,
		.batch_bytes = 100000,
		.linger_ms = 10,
		.timeout_ms = 5000,
		.queue_events = 1000,
		.verdicts = true,
		.verify_key_file = rig->verify,
		.verdicts_url = rig->poll ? rig->verdicts_url : NULL,
		.signature_window_ms = 300000,
	};
	rig->config.gateways = &rig->gateway;
	rig->config.gateway_count = 1;
	assert_int_equal(
		forwarder_new(&rig->config, &clock_system, "picket://test", &hooks, &rig->f, &errors), 0);
	assert_int_equal(errors.len, 0);
}

static int setup_with(void **state, bool poll, const char *sign, const char *verify)
{
	struct rig *rig = calloc(1, sizeof *rig);

	assert_non_null(rig);
	strcpy(rig->dir, "/tmp/picket-test-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->log, sizeof rig->log, "%s/events.jsonl", rig->dir);
	snprintf(rig->token, sizeof rig->token, "%s/token", rig->dir);
	snprintf(rig->sign, sizeof rig->sign, "%s/sign", rig->dir);
	snprintf(rig->verify, sizeof rig->verify, "%s/verify", rig->dir);
	write_file(rig->token, "s3cret\n");
	write_file(rig->sign, sign);
	write_file(rig->verify, verify);
	rig->poll = poll;
	start_gateway(rig);
	start_forwarder(rig);
	*state = rig;
	return 0;
}

static int setup_keys(void **state, const char *sign, const char *verify)
{
	return setup_with(state, false, sign, verify);
}

static int setup_poll(void **state)
{
	return setup_with(state, true, "keyid: a\n" RFC_ED25519_PRIVATE, RFC_ED25519_PUBLIC);
}

static int setup(void **state)
{
	return setup_keys(state, "keyid: a\n" RFC_ED25519_PRIVATE, RFC_ED25519_PUBLIC);
}

#define SECRET  "hmac: " RFC_SECRET "\n"
#define ANOTHER "hmac: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"

static int setup_secret(void **state)
{
	return setup_keys(state, "keyid: b\n" SECRET, "keyid: a\n" ANOTHER "keyid: b\n" SECRET);
}

static int setup_other_secret(void **state)
{
	return setup_keys(state, SECRET, ANOTHER);
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	int status = -1;

	forwarder_free(rig->f);
	kill(rig->pid, SIGTERM);
	waitpid(rig->pid, &status, 0);
	fclose(rig->out);
	unlink(rig->log);
	unlink(rig->token);
	unlink(rig->sign);
	unlink(rig->verify);
	rmdir(rig->dir);
	free(rig);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void request(struct rig *rig, const char *client, const char *method, const char *path)
{
	struct span m = span_from(method), p = span_from(path);
	struct event *e = event_new(EVENT_HTTP_REQUEST, m.len + p.len);

	assert_non_null(e);
	e->wall_ns = clock_wall_ns(&clock_system);
	assert_int_equal(addr_parse(span_from(client), &e->flow.peer.addr), 0);
	e->request.method = event_tail_copy(e, m);
	e->request.target = e->request.path = event_tail_copy(e, p);
	e->request.version_major = e->request.version_minor = 1;
	forwarder_push(rig->f, e);
	event_unref(e);
}

static struct gateway_counts counts(struct rig *rig)
{
	struct gateway_counts c;

	assert_int_equal(forwarder_counts(rig->f, &c, 1), 1);
	return c;
}

static void deliver(struct rig *rig)
{
	forwarder_flush(rig->f, 10000);
	if (counts(rig).events_held)
		fail_msg("not delivered: %s", counts(rig).last_error);
}

static void test_login_guessing_is_answered_with_a_verdict(void **state)
{
	struct rig *rig = *state;
	char text[PREFIX_TEXT_MAX];

	for (int i = 0; i < 4; i++)
		request(rig, "192.0.2.7", "POST", "/api/v1/login");
	for (int i = 0; i < 20; i++) /* others' requests, and those that are no attempt */
		request(rig, "192.0.2.8", i % 2 ? "GET" : "POST", i % 2 ? "/api/v1/login" : "/api/v1/orders");
	deliver(rig);
	assert_int_equal(rig->verdicts, 0);
	request(rig, "192.0.2.7", "POST", "/api/v1/login");
	deliver(rig);
	assert_int_equal(rig->verdicts, 1);
	assert_int_equal(rig->verdict.action, VERDICT_BLOCK);
	assert_string_equal(prefix_format(&rig->verdict.target, text), "192.0.2.7");
	assert_string_equal(rig->verdict.origin, "example");
	assert_int_equal(rig->verdict.ttl_ms, 120000);
	assert_int_equal(rig->verdict.evidence_count, 5);
	assert_int_equal(strncmp(rig->verdict.evidence[4], event_run_id(), 16), 0);
	assert_int_equal(counts(rig).verdicts, 1);
	assert_int_equal(counts(rig).events, 25);
}

/* The batch was answered without one: it comes by the question that was left open. */
static void test_a_verdict_comes_by_long_poll(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(forwarder_run(rig->f, -1, 50), 0);
	for (int i = 0; i < 5; i++)
		request(rig, "192.0.2.7", "POST", "/api/v1/login");
	for (int i = 0; i < 100 && !rig->verdicts; i++)
		assert_int_equal(forwarder_run(rig->f, -1, 50), 0);
	assert_int_equal(rig->verdicts, 1);
	assert_in_range(counts(rig).batches, 1,
			5); /* on a busy machine the first may leave before the last came */
	assert_in_range(counts(rig).poll.asked, 1, 2); /* the next question follows an answer at once */
	assert_int_equal(counts(rig).poll.verdicts, 1);
	assert_int_equal(counts(rig).verdicts, 1);
	assert_string_equal(counts(rig).poll.last_error, "");
}

/* Its events are taken, its verdicts are not. */
static void test_verdicts_by_another_key_are_refused(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 5; i++)
		request(rig, "192.0.2.7", "POST", "/api/v1/login");
	deliver(rig);
	assert_int_equal(rig->verdicts, 0);
	assert_int_equal(counts(rig).events, 5);
	assert_int_equal(counts(rig).refused[VERDICT_E_SIGNATURE], 1);
	assert_non_null(strstr(counts(rig).last_error, "the signature of its answer is not good"));
}

static void test_path_scanning_is_answered_with_a_verdict(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 5; i++)
		request(rig, "2001:db8::7", "GET", "/.env"); /* the same path again tells nothing new */
	request(rig, "2001:db8::7", "GET", "/.git/config");
	deliver(rig);
	assert_int_equal(rig->verdicts, 0);
	request(rig, "2001:db8::7", "GET", "/wp-login.php");
	deliver(rig);
	assert_int_equal(rig->verdicts, 1);
}

/* Line for line the CloudEvents as they were sent. */
static void test_the_log_holds_every_event_once(void **state)
{
	struct rig *rig = *state;
	char line[2048];
	unsigned lines = 0;

	for (int i = 0; i < 250; i++)
		request(rig, "192.0.2.9", "GET", "/a,b]}\\\"[{");
	deliver(rig);
	FILE *log = fopen(rig->log, "r");
	assert_non_null(log);
	while (fgets(line, sizeof line, log)) {
		lines++;
		assert_int_equal(strncmp(line, "{\"specversion\":\"1.0\",", 21), 0);
		assert_string_equal(line + strlen(line) - 3, "}}\n");
	}
	fclose(log);
	assert_int_equal(lines, 250);
}

static void test_a_wrong_token_is_refused(void **state)
{
	struct rig *rig = *state;

	forwarder_free(rig->f);
	write_file(rig->token, "wrong\n");
	start_forwarder(rig);
	request(rig, "192.0.2.9", "GET", "/");
	forwarder_flush(rig->f, 5000);
	assert_int_equal(counts(rig).last_status, 401);
	assert_int_equal(counts(rig).events_dropped, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_login_guessing_is_answered_with_a_verdict, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_login_guessing_is_answered_with_a_verdict, setup_secret,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_verdict_comes_by_long_poll, setup_poll, teardown),
		cmocka_unit_test_setup_teardown(test_verdicts_by_another_key_are_refused, setup_other_secret,
						teardown),
		cmocka_unit_test_setup_teardown(test_path_scanning_is_answered_with_a_verdict, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_the_log_holds_every_event_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_wrong_token_is_refused, setup, teardown),
	};

	program = getenv("PICKET_EXAMPLE_GATEWAY");
	if (!program) {
		puts("skipped: PICKET_EXAMPLE_GATEWAY does not name the program");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
