// SPDX-License-Identifier: Apache-2.0
/* About whom a model is asked: the worst first, whatever an attacker with many addresses does, for no more
 * than the budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/asker.h"
#include "forwarder/budget.h"
#include "forwarder/question.h"
#include "lib/util.h"

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (3600 * NS_PER_S)

static struct config_gateway config;

static int setup(void **state)
{
	(void)state;
	config = (struct config_gateway){
		.protocol = GATEWAY_OPENAI,
		.batch_bytes = 24 * 1024,
		.clients_per_question = 8,
		.ask_score = 30,
		.linger_ms = 10000,
		.max_tokens = 1024,
	};
	return 0;
}

static struct asker *asker_of(void)
{
	struct asker *a;

	assert_int_equal(asker_new(&config, 7, &a), 0);
	return a;
}

static struct addr address_of(uint32_t n)
{
	return (struct addr){.family = ADDR_IPV4,
			     .bytes = {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static struct event *request_of(uint32_t client, const char *path, unsigned status, uint64_t now_ns)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, 128);

	assert_non_null(e);
	e->time_ns = now_ns;
	e->flow.peer.addr = address_of(client);
	e->request.client = e->flow.peer;
	e->request.method = SPAN("GET");
	e->request.target = e->request.path = event_tail_copy(e, span_from(path));
	e->request.answered = EVENT_ANSWER_SEEN;
	e->request.status = (uint16_t)status;
	return e;
}

static enum asker_took note(struct asker *a, uint32_t client, const char *path, unsigned status,
			    uint64_t now_ns)
{
	struct event *e = request_of(client, path, status, now_ns);
	uint64_t lost = 0;
	enum asker_took took = asker_note(a, e, now_ns, &lost);

	event_unref(e);
	return took;
}

static void detect(struct asker *a, uint32_t client, const char *name, uint64_t now_ns)
{
	struct addr who = address_of(client);

	asker_detection(a, &who, name, 1, now_ns);
}

static struct batch *ask(struct asker *a, uint64_t now_ns)
{
	struct batch *b = NULL;
	uint64_t known;

	assert_int_equal(asker_question(a, "b-1", now_ns, NULL, NULL, &known, &b), 0);
	return b;
}

static bool is_in(const struct batch *b, uint32_t client)
{
	struct addr who = address_of(client);
	struct question q;
	bool found = false;

	assert_int_equal(question_read(buffer_span(&b->json), "n", &q), 0);
	for (unsigned i = 0; i < q.source_count; i++)
		found = found || addr_equal(&q.sources[i].client, &who);
	question_free(&q);
	return found;
}

static unsigned clients_in(const struct batch *b)
{
	struct question q;

	assert_int_equal(question_read(buffer_span(&b->json), "n", &q), 0);
	unsigned n = q.source_count;
	question_free(&q);
	return n;
}

static void who_did_nothing_is_not_asked_about(void **state)
{
	struct asker *a = asker_of();

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(note(a, 1, "/items", 200, NS_PER_S), ASKER_FILTERED);
	assert_int_equal(asker_due_ns(a), UINT64_MAX);
	assert_null(ask(a, MINUTE_NS));
	/* Refusals add up to a question. */
	enum asker_took took = ASKER_FILTERED;
	for (unsigned i = 0; i < 64 && took == ASKER_FILTERED; i++)
		took = note(a, 1, "/items", 403, NS_PER_S);
	assert_int_equal(took, ASKER_HELD);
	assert_int_equal(asker_due_ns(a), 11 * NS_PER_S);
	asker_free(a);
}

static void detection_is_worth_a_question(void **state)
{
	struct asker *a = asker_of();

	(void)state;
	config.ask_score = 110;
	detect(a, 1, "scan", NS_PER_S);
	assert_int_equal(note(a, 1, "/.env", 404, NS_PER_S), ASKER_HELD);
	struct batch *b = ask(a, MINUTE_NS);
	assert_non_null(b);
	assert_int_equal(b->events, 1);
	assert_int_equal(clients_in(b), 1);
	batch_free(b);
	asker_free(a);
}

static void note_matching(struct asker *a, uint32_t client, unsigned first, unsigned count)
{
	static const char *const ids[] = {"s-0", "s-1", "s-2", "s-3", "s-4", "s-5",
					  "s-6", "s-7", "s-8", "s-9", "s-10"};
	struct event *e = event_new(EVENT_HTTP_REQUEST, 1024);
	uint64_t lost = 0;

	assert_non_null(e);
	e->flow.peer.addr = address_of(client);
	e->request.signatures = event_tail_alloc(e, count * sizeof *e->request.signatures);
	e->request.signature_count = (uint8_t)count;
	for (unsigned i = 0; i < count; i++)
		e->request.signatures[i].id = span_from(ids[first + i]);
	asker_note(a, e, NS_PER_S, &lost);
	event_unref(e);
}

static const cJSON *member(const struct question *q, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(q->sources[0].dossier, key);
}

static void signatures_are_named_and_counted_as_far_as_there_is_room(void **state)
{
	struct buffer out = BUFFER_INIT(1 << 16);
	struct asker *a = asker_of();
	struct addr who = address_of(1);
	struct question q;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		note_matching(a, 1, 0, 2);
	note_matching(a, 1, 2, 8); /* six of them have room */
	note_matching(a, 1, 0, 0);
	buffer_append_char(&out, '[');
	assert_int_equal(asker_show(a, &who, &out), 0);
	buffer_append_char(&out, ']');
	assert_int_equal(question_read(buffer_span(&out), "n", &q), 0);
	const cJSON *list = member(&q, "signatures"), *first = cJSON_GetArrayItem(list, 0);
	assert_int_equal(cJSON_GetArraySize(list), DOSSIER_SIGNATURES);
	assert_string_equal(json_get_text(first, "signature"), "s-0");
	assert_int_equal(cJSON_GetObjectItemCaseSensitive(first, "n")->valueint, 3);
	assert_int_equal(member(&q, "other_signatures")->valueint, 2);
	assert_int_equal(member(&q, "matching_requests")->valueint, 4);
	const cJSON *sample = cJSON_GetArrayItem(member(&q, "samples"), 0);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(sample, "signatures")), 2);
	question_free(&q);
	buffer_free(&out);
	asker_free(a);
}

/* An opinion of who matched nothing is none of who did, and they are worth more. */
static void who_matches_signatures_looks_like_nobody_who_does_not(void **state)
{
	struct dossier d[4] = {0};
	struct addr who = address_of(1);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct event *e = request_of(1, "/items", 200, NS_PER_S);
		struct event_signature *s = event_tail_alloc(e, sizeof *s);

		s->id = i == 2 ? SPAN("s-1") : SPAN("s-0");
		dossier_begin(&d[i], &who, NS_PER_S);
		e->request.signatures = s;
		e->request.signature_count = i > 0;
		dossier_note(&d[i], e, 7);
		event_unref(e);
	}
	assert_true(dossier_shape(&d[0], 7) != dossier_shape(&d[1], 7));
	assert_true(dossier_shape(&d[1], 7) != dossier_shape(&d[2], 7));
	assert_true(dossier_shape(&d[1], 7) == dossier_shape(&d[3], 7));
	assert_true(dossier_score(&d[1]) > dossier_score(&d[0]));
	for (unsigned i = 0; i < 4; i++)
		dossier_end(&d[i]);
}

static void one_question_at_a_time_and_none_twice_about_a_client(void **state)
{
	struct asker *a = asker_of();

	(void)state;
	config.ask_score = 0;
	note(a, 1, "/a", 200, NS_PER_S);
	struct batch *b = ask(a, MINUTE_NS);
	assert_non_null(b);
	note(a, 1, "/b", 200, MINUTE_NS);
	assert_int_equal(asker_due_ns(a), UINT64_MAX);
	batch_free(b);
	/* Answered without a word about it: what came meanwhile is not held. */
	assert_int_equal(asker_done(a, ASKER_ANSWERED, MINUTE_NS), 1);
	assert_null(ask(a, MINUTE_NS + 20 * NS_PER_S));
	/* Later it is asked about again. */
	b = ask(a, 2 * MINUTE_NS + NS_PER_S);
	assert_non_null(b);
	batch_free(b);
	/* It could not be sent: the question remains. */
	asker_done(a, ASKER_UNSENT, 3 * MINUTE_NS);
	assert_int_equal(asker_due_ns(a), 3 * MINUTE_NS + 10 * NS_PER_S);
	b = ask(a, 4 * MINUTE_NS);
	assert_non_null(b);
	batch_free(b);
	asker_free(a);
}

static void question_has_no_more_bytes_than_allowed(void **state)
{
	struct asker *a;
	char path[100];

	(void)state;
	config.ask_score = 0;
	config.batch_bytes = 8 * 1024;
	a = asker_of();
	for (unsigned client = 0; client < 8; client++)
		for (unsigned i = 0; i < 8; i++) {
			snprintf(path, sizeof path, "/%090u", client * 8 + i);
			note(a, client, path, 404, NS_PER_S);
		}
	struct batch *b = ask(a, MINUTE_NS);
	assert_non_null(b);
	assert_true(b->json.len <= 8 * 1024);
	assert_in_range(clients_in(b), 1, 7);
	batch_free(b);
	asker_free(a);
}

/*
 * 10,000 addresses, each of which does enough that a detection fires, for two hours of a scripted clock, at
 * six questions a minute: no hour costs more than its budget, and the twenty who do most are asked about, all
 * of them, though they begin in the middle of it.
 */
static void many_addresses_spend_no_more_and_hide_nobody(void **state)
{
	const struct budget_limits limits = {.requests_per_minute = 6,
					     .tokens_per_hour = 200000,
					     .price_in = 2,
					     .price_out = 8,
					     .money_per_hour = 1};
	struct asker *a = asker_of();
	struct budget budget;
	uint64_t begin_ns = 480000 * HOUR_NS, spent[3] = {0}, money[3] = {0}, id = 1;
	bool seen[20] = {false};
	unsigned questions = 0, worst = 0;
	char path[32];

	(void)state;
	budget_init(&budget, &limits);
	for (uint64_t t = 0; t < 2 * 3600; t++) {
		uint64_t now_ns = (t + 1) * NS_PER_S;
		unsigned hour = (unsigned)(t / 3600);

		for (unsigned i = 0; i < 20; i++) {
			uint32_t client = 1000 + (uint32_t)((t * 20 + i) % 10000);

			snprintf(path, sizeof path, "/f%u", (unsigned)(id++ % 1000));
			detect(a, client, "scan", now_ns);
			note(a, client, path, 404, now_ns);
		}
		for (unsigned i = 0; t >= 1800 && i < 20; i++) {
			detect(a, i, t % 2 ? "login-guessing" : "scan", now_ns);
			snprintf(path, sizeof path, "/login/%u", (unsigned)(t % 50));
			note(a, i, path, 401, now_ns);
		}
		if (asker_due_ns(a) > now_ns || budget_due_ns(&budget) > now_ns)
			continue;
		struct budget_cost cost = budget_most(config.batch_bytes * 2, config.max_tokens);
		if (budget_refuses(&budget, begin_ns + now_ns, cost))
			continue;
		struct batch *b = ask(a, now_ns);
		if (!b)
			continue;
		budget_spend(&budget, now_ns, begin_ns + now_ns, cost);
		/* As a model answers: with less than was allowed. */
		struct budget_cost real = {b->json.len / 3, 300};
		budget_settle(&budget, cost, real);
		spent[hour] += real.tokens_in + real.tokens_out;
		money[hour] += budget_money_of(&budget, real);
		questions++;
		for (unsigned i = 0; i < 20; i++) {
			worst += !seen[i] && is_in(b, i);
			seen[i] = seen[i] || is_in(b, i);
		}
		batch_free(b);
		asker_done(a, ASKER_ANSWERED, now_ns);
	}
	struct asker_counts counts;
	asker_counts(a, &counts);
	print_message(
		"%u questions, tokens %u and %u, money %.3f and %.3f, clients asked %u, evicted %u, worst %u "
		"of 20\n",
		questions, (unsigned)spent[0], (unsigned)spent[1], (double)money[0] / 1e6,
		(double)money[1] / 1e6, (unsigned)counts.asked, (unsigned)counts.dossiers.evicted, worst);
	for (unsigned hour = 0; hour < 2; hour++) {
		assert_true(spent[hour] <= limits.tokens_per_hour);
		assert_true(money[hour] <= 1000000);
	}
	assert_true(questions > 20);
	assert_int_equal(worst, 20);
	assert_true(counts.dossiers.evicted > 1000);
	assert_int_equal(counts.dossiers.clients, DOSSIERS_MAX);
	asker_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(signatures_are_named_and_counted_as_far_as_there_is_room, setup),
		cmocka_unit_test(who_matches_signatures_looks_like_nobody_who_does_not),
		cmocka_unit_test_setup(who_did_nothing_is_not_asked_about, setup),
		cmocka_unit_test_setup(detection_is_worth_a_question, setup),
		cmocka_unit_test_setup(one_question_at_a_time_and_none_twice_about_a_client, setup),
		cmocka_unit_test_setup(question_has_no_more_bytes_than_allowed, setup),
		cmocka_unit_test_setup(many_addresses_spend_no_more_and_hide_nobody, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
