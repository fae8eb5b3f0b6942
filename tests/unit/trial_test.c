// SPDX-License-Identifier: Apache-2.0
/* A trial of a gateway: what is sent, what is shown of it, and what is understood. */
#include "forwarder/trial.h"
#include "certificate_rig.h"
#include "gateway_stub.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config_gateway config;
static char url[96];
static struct trial trial;

static void run(struct stub *s, const char *query)
{
	struct buffer errors = BUFFER_INIT(4096);

	snprintf(url, sizeof url, "http://127.0.0.1:%u/events%s", s ? stub_port(s) : 1, query);
	config.name = (char *)"main";
	config.protocol = GATEWAY_BATCH;
	config.url = url;
	config.timeout_ms = 5000;
	config.verdicts = true;
	config.unsigned_verdicts = !config.verify_key_file;
	assert_int_equal(trial_run(&config, &clock_system, "picket://test", SPAN_NULL, &trial, &errors), 0);
	assert_int_equal(errors.len, 0);
}

static bool shows(const struct buffer *b, const char *text)
{
	return b->len && memmem(b->data, b->len, text, strlen(text));
}

static bool was_sent(const struct stub_request *r, const char *text)
{
	return memmem(r->body, r->len, text, strlen(text));
}

static void one_event_that_is_marked(void **state)
{
	static const struct stub_reply reply = {.status = 204};
	struct stub *s = stub_start(0, &reply, 1);

	(void)state;
	run(s, "");
	assert_int_equal(stub_count(s), 1);
	assert_int_equal(stub_request(s, 0)->events, 1);
	assert_true(was_sent(stub_request(s, 0), "\"picket.test\":true"));
	assert_true(was_sent(stub_request(s, 0), "\"client.address\":\"192.0.2.1\""));
	assert_int_equal(trial.situation, SITUATION_TAKEN);
	assert_int_equal(trial.status, 204);
	assert_true(shows(&trial.request, "POST /events HTTP/1.1\r\n"));
	assert_true(shows(&trial.request, "Content-Type: application/cloudevents-batch+json\r\n"));
	assert_true(shows(&trial.answer, "HTTP/1.1 204"));
	trial_free(&trial);
	stub_stop(s);
}

/* Also of what the gateway sends back. */
static void no_secret_is_shown(void **state)
{
	static const struct stub_reply reply = {.status = 200, .body = "{\"you said\":\"s3cret and pa55\"}"};
	struct stub *s = stub_start(0, &reply, 1);
	char dir[] = "/tmp/picket-test-XXXXXX", token[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(token, sizeof token, "%s/token", dir);
	write_private(token, "s3cret\n");
	config = (struct config_gateway){.token_file = token};
	run(s, "?key=pa55");
	assert_string_equal(stub_request(s, 0)->authorization, "Bearer s3cret");
	assert_true(shows(&trial.request, "POST /events?key=*** HTTP/1.1\r\n"));
	assert_true(shows(&trial.request, "Authorization: Bearer ***\r\n"));
	assert_true(shows(&trial.body, "*** and"));
	assert_false(shows(&trial.request, "s3cret"));
	assert_false(shows(&trial.body, "s3cret"));
	trial_free(&trial);
	stub_stop(s);
	unlink(token);
	rmdir(dir);
	config = (struct config_gateway){.name = NULL};
}

#define GOOD                                                                                        \
	"{\"action\":\"block\",\"target\":{\"scope\":\"ip\",\"value\":\"192.0.2.1\"},\"ttl_s\":60," \
	"\"confidence\":1}"
#define BAD "{\"action\":\"destroy\",\"target\":{\"scope\":\"ip\",\"value\":\"192.0.2.1\"},\"confidence\":1}"

static void what_is_understood(void **state)
{
	static const struct {
		struct stub_reply reply;
		enum situation situation;
		unsigned verdicts;
	} cases[] = {
		{{.status = 200, .body = ""}, SITUATION_TAKEN, 0},
		{{.status = 200, .body = "{\"verdicts\":[" GOOD "]}"}, SITUATION_TAKEN, 1},
		{{.status = 200, .body = "{\"verdicts\":[" GOOD "," BAD "]}"}, SITUATION_SOME_REFUSED, 1},
		{{.status = 200, .body = "\n <html><body>It works!</body></html>"}, SITUATION_WEB_PAGE, 0},
		{{.status = 200, .body = "{\"code\":-1,\"error\":\"no model\"}"}, SITUATION_ERROR_INSIDE, 0},
		{{.status = 200, .body = "{\"choices\":[]}"}, SITUATION_NO_VERDICTS, 0},
		{{.status = 200, .body = "ok"}, SITUATION_NO_VERDICTS, 0},
		{{.status = 401, .body = "missing token"}, SITUATION_TOKEN, 0},
		{{.status = 302, .header = "Location: /login"}, SITUATION_REDIRECT, 0},
		{{.status = 503}, SITUATION_FAILED, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stub *s = stub_start(0, &cases[i].reply, 1);

		run(s, "");
		if (trial.situation != cases[i].situation)
			fail_msg("case %zu: %s", i, situation_words(trial.situation)->name);
		assert_int_equal(trial.verdict_count, cases[i].verdicts);
		trial_free(&trial);
		stub_stop(s);
	}
}

static void nobody_there(void **state)
{
	(void)state;
	run(NULL, "");
	assert_int_equal(trial.situation, SITUATION_NO_CONNECTION);
	assert_int_equal(trial.status, 0);
	assert_int_equal(trial.request.len, 0);
	assert_true(trial.error[0] != 0);
	trial_free(&trial);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_event_that_is_marked),
		cmocka_unit_test(no_secret_is_shown),
		cmocka_unit_test(what_is_understood),
		cmocka_unit_test(nobody_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
