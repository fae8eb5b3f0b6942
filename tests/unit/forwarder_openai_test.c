// SPDX-License-Identifier: Apache-2.0
/* A gateway to a model, against a real HTTP server: how it is asked, how often, at what cost, and what
 * counts. */
#include "lib/util.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "forwarder/budget_state.h"
#include "forwarder_rig.h"
#include "gateway_stub.h"

#define NO_FORMAT "{\"error\":{\"message\":\"'response_format' is not supported\"}}"

static void push_request(struct rig *rig, const char *client)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, 0);

	assert_non_null(e);
	e->wall_ns = clock_wall_ns(&clock_system);
	assert_int_equal(addr_parse(span_from(client), &e->flow.peer.addr), 0);
	e->flow.peer.port = 4711;
	e->flow.local = e->flow.peer;
	e->request.client = e->flow.peer;
	e->request.method = SPAN("GET");
	e->request.target = e->request.path = SPAN("/login");
	forwarder_push(rig->f, e);
	event_unref(e);
}

static void openai_rig(struct rig *rig, struct stub *s)
{
	rig_init(rig, stub_port(s));
	rig->gateways[0].protocol = GATEWAY_OPENAI;
	rig->gateways[0].model = (char *)(uintptr_t) "m-1";
	rig->gateways[0].max_tokens = 1024;
	rig->gateways[0].clients_per_question = 1;
	rig->gateways[0].attempts_max = 3;
}

/* What the model says of the run's batch n: that client s1 be blocked. Free it. */
static char *completion(unsigned n, const char *usage)
{
	char *body = NULL;

	assert_true(asprintf(&body,
			     "{\"model\":\"m-1\",\"choices\":[{\"message\":{\"content\":\"{\\\"batch_id\\\":"
			     "\\\"%s-main-%u\\\","
			     "\\\"verdicts\\\":[{\\\"src\\\":\\\"@1\\\",\\\"action\\\":\\\"block\\\","
			     "\\\"confidence\\\":0.9,"
			     "\\\"category\\\":\\\"scan\\\",\\\"ttl_s\\\":60,\\\"evidence\\\":[\\\"e1\\\"],"
			     "\\\"reason\\\":\\\"x\\\"}]}\"},"
			     "\"finish_reason\":\"stop\"}]%s}",
			     event_run_id(), n, usage) > 0);
	return body;
}

static bool asks_for(struct stub *s, unsigned request, const char *what)
{
	const struct stub_request *r = stub_request(s, request);

	return memmem(r->body, r->len, what, strlen(what)) != NULL;
}

static void verdict_names_who_was_in_the_batch(void **state)
{
	char *body = completion(1, ",\"usage\":{\"total_tokens\":77}"), text[PREFIX_TEXT_MAX];
	const struct stub_reply reply = {.status = 200, .body = body, .header = "X-AI-Model: real-model"};
	struct stub *s = stub_start(0, &reply, 1);
	struct rig rig;

	(void)state;
	openai_rig(&rig, s);
	rig_start(&rig);
	push_request(&rig, "192.0.2.77");
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(rig.verdicts, 1);
	assert_string_equal(prefix_format(&rig.verdict.target, text), "192.0.2.77");
	assert_string_equal(rig.verdict.reason, "scan: x (real-model)");
	assert_string_equal(counts(&rig).model, "real-model");
	assert_int_equal(counts(&rig).tokens, 77);
	assert_int_equal(counts(&rig).tokens_today, 77);
	assert_string_equal(stub_request(s, 0)->content_type, "application/json");
	assert_false(asks_for(s, 0, "192.0.2.77"));
	forwarder_free(rig.f);
	stub_stop(s);
	free(body);
}

static void answer_to_another_batch_is_no_verdict(void **state)
{
	char *body = completion(1, "");
	const struct stub_reply reply = {.status = 200, .body = body};
	struct stub *s = stub_start(0, &reply, 1);
	struct rig rig;

	(void)state;
	openai_rig(&rig, s);
	rig_start(&rig);
	push_request(&rig, "192.0.2.77");
	push_request(&rig, "192.0.2.78");
	run_until(&rig, batches_delivered, 2);
	assert_int_equal(rig.verdicts, 1);
	assert_int_equal(counts(&rig).refused[VERDICT_E_OTHER_BATCH], 1);
	forwarder_free(rig.f);
	stub_stop(s);
	free(body);
}

static void form_that_is_not_taken_leads_to_the_next_and_is_remembered(void **state)
{
	static const struct stub_reply replies[] = {
		{.status = 400, .body = NO_FORMAT}, {.status = 400, .body = NO_FORMAT}, {.status = 204}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	struct rig rig;

	(void)state;
	openai_rig(&rig, s);
	rig_start(&rig);
	uint64_t begun_ms = now_ms();
	push_request(&rig, "192.0.2.77");
	run_until(&rig, batches_delivered, 1);
	assert_true(now_ms() - begun_ms < 1000); /* at once, no rest between */
	push_request(&rig, "192.0.2.78");
	run_until(&rig, batches_delivered, 2);
	assert_int_equal(stub_count(s), 4);
	assert_true(asks_for(s, 0, "\"json_schema\""));
	assert_true(asks_for(s, 1, "\"json_object\""));
	assert_true(asks_for(s, 2, "\"tool_choice\""));
	assert_true(asks_for(s, 3, "\"tool_choice\""));
	assert_int_equal(counts(&rig).events_dropped, 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void other_refusals_lead_to_no_other_form(void **state)
{
	static const struct stub_reply replies[] = {{.status = 401, .body = "no response_format for you"},
						    {.status = 400, .body = "bad temperature"}};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		struct stub *s = stub_start(0, &replies[i], 1);

		openai_rig(&rig, s);
		rig_start(&rig);
		push_request(&rig, "192.0.2.77");
		run_until(&rig, events_dropped, 1);
		assert_int_equal(stub_count(s), 1);
		assert_int_equal(counts(&rig).dropped[GATEWAY_DROP_REFUSED], 1);
		forwarder_free(rig.f);
		stub_stop(s);
	}
}

static void form_that_was_chosen_is_kept(void **state)
{
	static const struct stub_reply reply = {.status = 400, .body = NO_FORMAT};
	struct stub *s = stub_start(0, &reply, 1);
	struct rig rig;

	(void)state;
	openai_rig(&rig, s);
	rig.gateways[0].response_format = RESPONSE_JSON_OBJECT;
	rig_start(&rig);
	push_request(&rig, "192.0.2.77");
	run_until(&rig, events_dropped, 1);
	assert_int_equal(stub_count(s), 1);
	assert_true(asks_for(s, 0, "\"json_object\""));
	assert_non_null(strstr(counts(&rig).last_error, "response_format"));
	forwarder_free(rig.f);
	stub_stop(s);
}

static void no_more_attempts_than_were_allowed(void **state)
{
	static const struct stub_reply reply = {.status = 503};
	struct stub *s = stub_start(0, &reply, 1);
	struct rig rig;

	(void)state;
	openai_rig(&rig, s);
	rig.gateways[0].attempts_max = 2;
	rig_start(&rig);
	push_request(&rig, "192.0.2.77");
	run_until(&rig, events_dropped, 1);
	run_for(&rig, 300);
	assert_int_equal(stub_count(s), 2);
	assert_int_equal(counts(&rig).dropped[GATEWAY_DROP_ATTEMPTS], 1);
	assert_int_equal(counts(&rig).events_held, 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void answer_after_the_deadline_counts_for_nothing(void **state)
{
	char *body = completion(1, "");
	const struct stub_reply reply = {.status = 200, .body = body, .delay_ms = 600};
	struct stub *s = stub_start(0, &reply, 1);
	struct rig rig;

	(void)state;
	openai_rig(&rig, s);
	rig.gateways[0].deadline_ms = 300;
	rig_start(&rig);
	push_request(&rig, "192.0.2.77");
	run_until(&rig, batches_delivered, 1);
	assert_int_equal(rig.verdicts, 0);
	assert_int_equal(counts(&rig).refused[VERDICT_E_LATE], 1);
	forwarder_free(rig.f);
	stub_stop(s);
	free(body);
}

static void batch_whose_deadline_passed_is_not_sent_again(void **state)
{
	static const struct stub_reply reply = {.status = 503, .header = "Retry-After: 1"};
	struct stub *s = stub_start(0, &reply, 1);
	struct rig rig;

	(void)state;
	openai_rig(&rig, s);
	rig.gateways[0].deadline_ms = 300;
	rig_start(&rig);
	push_request(&rig, "192.0.2.77");
	run_until(&rig, events_dropped, 1);
	assert_int_equal(stub_count(s), 1);
	assert_int_equal(counts(&rig).dropped[GATEWAY_DROP_DEADLINE], 1);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void tokens_of_the_day_are_a_hard_stop(void **state)
{
	char *body = completion(1, ",\"usage\":{\"total_tokens\":5000}");
	const struct stub_reply reply = {.status = 200, .body = body};
	struct stub *s = stub_start(0, &reply, 1);
	struct rig rig;

	(void)state;
	openai_rig(&rig, s);
	rig.gateways[0].tokens_per_day = 5000;
	rig_start(&rig);
	push_request(&rig, "192.0.2.77");
	run_until(&rig, batches_delivered, 1);
	push_request(&rig, "192.0.2.76");
	push_request(&rig, "192.0.2.78");
	run_until(&rig, events_dropped, 2);
	push_request(&rig, "192.0.2.79");
	run_until(&rig, events_dropped, 3);
	assert_int_equal(stub_count(s), 1);
	assert_int_equal(counts(&rig).events_held, 0);
	assert_int_equal(counts(&rig).dropped[GATEWAY_DROP_BUDGET], 3);
	assert_string_equal(counts(&rig).state, "budget");
	assert_non_null(strstr(counts(&rig).last_error, "tokens_per_day"));
	forwarder_free(rig.f);
	stub_stop(s);
	free(body);
}

static void requests_of_the_minute_let_the_next_wait(void **state)
{
	static const struct stub_reply reply = {.status = 204};
	struct stub *s = stub_start(0, &reply, 1);
	struct rig rig;

	(void)state;
	openai_rig(&rig, s);
	rig.gateways[0].requests_per_minute = 2;
	rig_start(&rig);
	for (unsigned i = 0; i < 2; i++) {
		push_request(&rig, i ? "192.0.2.78" : "192.0.2.77");
		run_until(&rig, batches_delivered, i + 1);
	}
	for (unsigned i = 0; i < 5; i++)
		push_request(&rig, "192.0.2.79");
	run_for(&rig, 300);
	assert_int_equal(stub_count(s), 2);
	assert_int_equal(counts(&rig).events_held, 5);
	assert_string_equal(counts(&rig).state, "budget");
	forwarder_free(rig.f);
	stub_stop(s);
}

static bool is_known(struct rig *rig, uint64_t n)
{
	return counts(rig).asker.known >= n;
}

static void who_looks_alike_is_not_asked_about(void **state)
{
	char *body = completion(1, "");
	const struct stub_reply reply = {.status = 200, .body = body};
	struct stub *s = stub_start(0, &reply, 1);
	struct rig rig;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	openai_rig(&rig, s);
	rig.gateways[0].opinion_ttl_ms = 60000;
	rig_start(&rig);
	push_request(&rig, "192.0.2.77");
	run_until(&rig, batches_delivered, 1);
	push_request(&rig, "192.0.2.78");
	run_until(&rig, is_known, 1);
	assert_int_equal(stub_count(s), 1);
	assert_int_equal(rig.verdicts, 2);
	assert_string_equal(prefix_format(&rig.verdict.target, text), "192.0.2.78");
	assert_string_equal(rig.verdict.reason, "said of a client that looks alike: scan: x (m-1)");
	assert_int_equal(rig.verdict.evidence_count, 1);
	assert_int_equal(rig.verdict.model.tokens, 0);
	/* The same client again: it was judged a moment ago. */
	push_request(&rig, "192.0.2.77");
	run_for(&rig, 200);
	assert_int_equal(stub_count(s), 1);
	assert_int_equal(counts(&rig).events_held, 0);
	forwarder_free(rig.f);
	stub_stop(s);
	free(body);
}

static void form_that_is_ignored_again_and_again_leads_to_the_next(void **state)
{
	static const struct stub_reply reply = {.status = 200,
						.body = "{\"choices\":[{\"message\":{\"content\":\"Sure! "
							"{}\"},\"finish_reason\":\"stop\"}]}"};
	struct stub *s = stub_start(0, &reply, 1);
	struct rig rig;

	(void)state;
	openai_rig(&rig, s);
	rig_start(&rig);
	for (unsigned i = 0; i < 4; i++) {
		push_request(&rig, "192.0.2.77");
		run_until(&rig, batches_delivered, i + 1);
	}
	assert_true(asks_for(s, 2, "\"json_schema\""));
	assert_true(asks_for(s, 3, "\"json_object\""));
	assert_int_equal(counts(&rig).refused[VERDICT_E_PROSE], 4);
	assert_int_equal(rig.verdicts, 0);
	forwarder_free(rig.f);
	stub_stop(s);
}

static void detection_is_told_with_the_event_it_fired_on(void **state)
{
	static const struct stub_reply reply = {.status = 204};
	struct stub *s = stub_start(0, &reply, 1);
	struct event *e = event_new(EVENT_HTTP_REQUEST, 0);
	struct buffer out = BUFFER_INIT(1 << 16);
	char id[EVENT_ID_TEXT_MAX];
	const char *name;
	struct rig rig;

	(void)state;
	assert_non_null(e);
	openai_rig(&rig, s);
	rig.gateways[0].clients = CLIENTS_SUSPICIOUS;
	rig.gateways[0].ask_score = 110;
	rig_start(&rig);
	assert_int_equal(addr_parse(SPAN("192.0.2.77"), &e->request.client.addr), 0);
	e->request.method = SPAN("GET");
	e->request.target = e->request.path = SPAN("/.env");
	forwarder_push(rig.f, e); /* of whom nothing is suspected */
	assert_int_equal(counts(&rig).events_filtered, 1);
	assert_int_equal(forwarder_dossier(rig.f, NULL, &e->request.client.addr, &name, &out), 1);
	assert_int_equal(forwarder_dossier(rig.f, "other", &e->request.client.addr, &name, &out), 2);
	forwarder_suspect(rig.f, &e->request.client.addr, "secret-files", event_id_format(e, id));
	forwarder_push(rig.f, e);
	assert_int_equal(forwarder_dossier(rig.f, NULL, &e->request.client.addr, &name, &out), 0);
	assert_string_equal(name, "main");
	run_until(&rig, batches_delivered, 1);
	assert_true(asks_for(s, 0, "\\\"detection\\\":\\\"secret-files\\\",\\\"n\\\":1"));
	assert_true(
		asks_for(s, 0, "\\\"event\\\":\\\"http.request\\\",\\\"detection\\\":\\\"secret-files\\\""));
	event_unref(e);
	buffer_free(&out);
	forwarder_free(rig.f);
	stub_stop(s);
}

/* What differs from one start to the next. */
struct start {
	const char *model;
	bool header; /* one more is sent */
	enum config_response_format chosen;
};
static const struct start as_before = {.model = "m-1"};

/* A new process that asks about one client: by which form it did so first. */
static const char *form_after_start(struct stub *s, const char *state_dir, const struct start *how)
{
	static char header[] = "x-provider: other", *headers[] = {header};
	unsigned before = stub_count(s);
	struct rig rig;

	openai_rig(&rig, s);
	rig.state_dir = state_dir;
	rig.gateways[0].spool = 0;
	rig.gateways[0].model = (char *)(uintptr_t)how->model;
	rig.gateways[0].headers = (struct config_strings){headers, how->header};
	rig.gateways[0].response_format = how->chosen;
	rig_start(&rig);
	push_request(&rig, "192.0.2.77");
	run_until(&rig, batches_delivered, 1);
	forwarder_free(rig.f);
	return asks_for(s, before, "\"json_schema\"")   ? "schema"
	       : asks_for(s, before, "\"json_object\"") ? "object"
	       : asks_for(s, before, "\"tool_choice\"") ? "tool"
							: "plain";
}

static void forget_state(const char *folder)
{
	char path[64];

	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/budget-main.%u", folder, i);
		unlink(path);
	}
	rmdir(folder);
}

/* What was kept, with the day moved by so many days. */
static void age_form(const char *state_dir, unsigned days)
{
	struct budget_kept kept = {0};
	struct budget_state *b;

	assert_int_equal(budget_state_open(state_dir, "main", &b), 0);
	assert_int_equal(budget_state_load(b, &kept), 0);
	assert_int_equal(kept.form.form, 2);
	kept.form.day -= days;
	assert_int_equal(budget_state_put(b, &kept), 0);
	budget_state_free(b);
}

static void form_is_remembered_over_a_restart_for_a_week(void **state)
{
	static const struct stub_reply replies[] = {
		{.status = 400, .body = NO_FORMAT}, {.status = 400, .body = NO_FORMAT}, {.status = 204}};
	struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
	char folder[] = "/tmp/picket-form.XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_string_equal(form_after_start(s, folder, &as_before), "schema");
	assert_int_equal(stub_count(s), 3);
	assert_string_equal(form_after_start(s, folder, &as_before), "tool");
	assert_int_equal(stub_count(s), 4);
	age_form(folder, BUDGET_FORM_DAYS - 1);
	assert_string_equal(form_after_start(s, folder, &as_before), "tool");
	age_form(folder, 1);
	assert_string_equal(form_after_start(s, folder, &as_before), "schema");
	forget_state(folder);
	stub_stop(s);
}

static void form_of_another_model_or_header_is_not_taken_over(void **state)
{
	static const struct stub_reply replies[] = {{.status = 400, .body = NO_FORMAT}, {.status = 204}};
	static const struct start others[] = {{.model = "m-2"}, {.model = "m-1", .header = true}};
	static const struct start chosen = {.model = "m-1", .chosen = RESPONSE_TOOL};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(others); k++) {
		struct stub *s = stub_start(0, replies, ARRAY_SIZE(replies));
		char folder[] = "/tmp/picket-form.XXXXXX";

		assert_non_null(mkdtemp(folder));
		assert_string_equal(form_after_start(s, folder, &as_before), "schema");
		assert_string_equal(form_after_start(s, folder, &as_before), "object");
		assert_string_equal(form_after_start(s, folder, &chosen), "tool");
		assert_string_equal(form_after_start(s, folder, &as_before), "object");
		assert_string_equal(form_after_start(s, folder, &others[k]), "schema");
		/* There is room for one: the other's is gone. */
		assert_string_equal(form_after_start(s, folder, &as_before), "schema");
		forget_state(folder);
		stub_stop(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdict_names_who_was_in_the_batch),
		cmocka_unit_test(answer_to_another_batch_is_no_verdict),
		cmocka_unit_test(form_that_is_not_taken_leads_to_the_next_and_is_remembered),
		cmocka_unit_test(other_refusals_lead_to_no_other_form),
		cmocka_unit_test(form_that_was_chosen_is_kept),
		cmocka_unit_test(no_more_attempts_than_were_allowed),
		cmocka_unit_test(answer_after_the_deadline_counts_for_nothing),
		cmocka_unit_test(batch_whose_deadline_passed_is_not_sent_again),
		cmocka_unit_test(tokens_of_the_day_are_a_hard_stop),
		cmocka_unit_test(requests_of_the_minute_let_the_next_wait),
		cmocka_unit_test(who_looks_alike_is_not_asked_about),
		cmocka_unit_test(form_that_is_ignored_again_and_again_leads_to_the_next),
		cmocka_unit_test(detection_is_told_with_the_event_it_fired_on),
		cmocka_unit_test(form_is_remembered_over_a_restart_for_a_week),
		cmocka_unit_test(form_of_another_model_or_header_is_not_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
