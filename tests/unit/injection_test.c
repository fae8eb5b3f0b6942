// SPDX-License-Identifier: Apache-2.0
/*
 * What a client writes to a model, by every captured field: of each text of injections.c it is shown what
 * arrives there. Whatever was written: the request and the document in it are JSON, all of it is printable
 * ASCII, the delimiter stands where we put it and nowhere else, no address is there and no mark of a chat
 * template, and each client's texts are in its own entry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "forwarder/asker.h"
#include "forwarder/attempt.h"
#include "forwarder/openai_request.h"
#include "forwarder/wire.h"
#include "injections.h"
#include "lib/util.h"

#define BATCH_ID "0011223344556677-model-1"
#define VICTIM   "10.66.0.9"

static struct config_gateway config = {
	.name = (char *)(uintptr_t) "model",
	.protocol = GATEWAY_OPENAI,
	.model = (char *)(uintptr_t) "m",
	.max_tokens = 1024,
	.batch_bytes = 256 * 1024,
	.clients_per_question = 4,
};
static struct prompt prompt;

/* --- asking --- */

static struct event *request_of(const char *client)
{
	struct event *e = event_new(EVENT_HTTP_REQUEST, 4096);

	assert_non_null(e);
	assert_int_equal(addr_parse(span_from(client), &e->flow.peer.addr), 0);
	e->time_ns = 5 * NS_PER_S;
	e->request.client = e->flow.peer;
	e->request.method = SPAN("GET");
	e->request.target = e->request.path = SPAN("/items");
	e->request.host = SPAN("api.example");
	e->request.user_agent = SPAN("curl/8");
	return e;
}

static void put_header(struct event *e, struct span name, struct span value)
{
	e->request.headers = event_tail_alloc(e, sizeof *e->request.headers);
	e->request.headers[0] = (struct event_header){name, value};
	e->request.header_count = 1;
}

static struct event *attack_of(const struct injection *i, const char *client)
{
	struct event *e = request_of(client);
	struct span text = event_tail_copy(e, span_from(i->text));

	switch (i->field) {
	case IN_USER_AGENT:
		e->request.user_agent = text;
		break;
	case IN_PATH:
	case IN_QUERY:
		e->request.target = e->request.path = text;
		break;
	case IN_HEADER_NAME:
		put_header(e, text, SPAN("x"));
		break;
	case IN_HOST:
		e->request.host = text;
		break;
	case IN_SNI:
		e->request.tls = event_tls_put(e, &(struct event_tls){.server_name = text});
		break;
	case IN_FORWARDED_FOR:
		e->request.forwarded = 1;
		put_header(e, SPAN("x-forwarded-for"), text);
		break;
	case IN_REFERER:
		put_header(e, SPAN("referer"), text);
		break;
	case IN_METHOD:
		e->request.method = text;
		break;
	}
	return e;
}

static void note(struct asker *a, struct event *e)
{
	uint64_t lost;

	assert_int_equal(asker_note(a, e, NS_PER_S, &lost), ASKER_HELD);
	event_unref(e);
}

struct asked {
	struct batch *batch;
	struct attempt attempt;
	struct buffer sent;
	struct span body;
	cJSON *request, *document;
	char *user; /* the message */
};

static void ask(struct asker *a, struct asked *ret)
{
	static const struct json_limits limits = {1 << 20, 32, 20000};
	struct protocol_state state = {.prompt = &prompt};
	uint64_t known;
	char begin[64], end[64];

	assert_int_equal(asker_question(a, BATCH_ID, 60 * NS_PER_S, NULL, NULL, &known, &ret->batch), 0);
	assert_non_null(ret->batch);
	assert_int_equal(attempt_new(&ret->attempt, BATCH_ID, TRANSPORT_DIRECT), 0);
	ret->sent = (struct buffer){0};
	assert_int_equal(wire_body(&state, &config, ret->batch, &ret->attempt, &ret->sent, &ret->body), 0);
	assert_int_equal(json_parse(ret->body, &limits, &ret->request, NULL), 0);
	const cJSON *messages = cJSON_GetObjectItemCaseSensitive(ret->request, "messages");
	assert_int_equal(cJSON_GetArraySize(messages), 2);
	ret->user = strdup(json_get_text(cJSON_GetArrayItem(messages, 1), "content"));
	snprintf(begin, sizeof begin, "BEGIN %s\n", ret->attempt.nonce);
	snprintf(end, sizeof end, "\nEND %s\n", ret->attempt.nonce);
	size_t len = strlen(ret->user);
	assert_true(len > strlen(begin) + strlen(end));
	assert_memory_equal(ret->user, begin, strlen(begin));
	assert_string_equal(ret->user + len - strlen(end), end);
	const struct span document = {ret->user + strlen(begin), len - strlen(begin) - strlen(end)};
	assert_null(memmem(document.ptr, document.len, ret->attempt.nonce, strlen(ret->attempt.nonce)));
	assert_null(memchr(document.ptr, '\n', document.len));
	assert_int_equal(json_parse(document, &limits, &ret->document, NULL), 0);
}

static void forget(struct asked *q)
{
	cJSON_Delete(q->request);
	cJSON_Delete(q->document);
	free(q->user);
	buffer_free(&q->sent);
	batch_free(q->batch);
}

static const cJSON *clients_of(const struct asked *q)
{
	return cJSON_GetObjectItemCaseSensitive(q->document, "clients");
}

/* --- what holds whatever was written --- */

static void check_bytes(const struct injection *i, const struct asked *q)
{
	static const char *const absent[] = {VICTIM, "192.0.2.1", "192.0.2.2", "198.51.100.66", "2001:db8",
					     "<|",   "|>",        "[INST]",    "</s>",          "<think",
					     "{{",   "### ",      "```",       "<start_of",     "<tool"};

	for (size_t k = 0; k < q->body.len; k++)
		if (q->body.ptr[k] < ' ' || q->body.ptr[k] > '~')
			fail_msg("%s: byte %u is sent", i->text, (unsigned char)q->body.ptr[k]);
	for (size_t k = 0; k < ARRAY_SIZE(absent); k++)
		if (strstr(q->user, absent[k]))
			fail_msg("%s: %s is sent", i->text, absent[k]);
}

static void check_keys(const struct injection *i, const cJSON *value)
{
	static const char known[] = "abcdefghijklmnopqrstuvwxyz_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const cJSON *item;

	cJSON_ArrayForEach(item, value)
	{
		if (cJSON_IsObject(value) &&
		    (!item->string[0] || strspn(item->string, known) != strlen(item->string) ||
		     strlen(item->string) > 28))
			fail_msg("%s: it is a key: %s", i->text, item->string);
		check_keys(i, item);
	}
}

/* Every client of the question has the members of one, and no more than were noted. */
static void check_entries(const struct injection *i, const struct asked *q, int count)
{
	const cJSON *clients = clients_of(q), *c;

	assert_int_equal(cJSON_GetArraySize(q->document), 2);
	assert_int_equal(cJSON_GetArraySize(clients), count);
	cJSON_ArrayForEach(c, clients)
	{
		const char *src = json_get_text(c, "src");

		if (!src || strlen(src) != 9 || strstr(i->text, src))
			fail_msg("%s: a client's name", i->text);
		assert_int_equal(cJSON_GetObjectItemCaseSensitive(c, "requests")->valueint, 1);
		assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(c, "samples")), 1);
		assert_null(cJSON_GetObjectItemCaseSensitive(c, "action"));
		assert_null(cJSON_GetObjectItemCaseSensitive(c, "trusted"));
		check_keys(i, c);
	}
}

static struct asker *asker_of(void)
{
	struct asker *a;

	assert_int_equal(asker_new(&config, 42, &a), 0);
	return a;
}

static void every_text_stays_what_it_is(void **state)
{
	(void)state;
	assert_true(injection_count >= 60);
	for (unsigned k = 0; k < injection_count; k++) {
		const struct injection *i = &injections[k];
		struct asker *a = asker_of();
		struct asked q;

		note(a, attack_of(i, "192.0.2.1"));
		note(a, request_of("192.0.2.2"));
		note(a, request_of(VICTIM));
		ask(a, &q);
		check_bytes(i, &q);
		check_entries(i, &q, 3);
		forget(&q);
		asker_free(a);
	}
}

/* With the attacker there or not, what is said of the others is the same, but for the names that are drawn.
 */
static void no_text_is_in_another_clients_entry(void **state)
{
	(void)state;
	for (unsigned k = 0; k < injection_count; k++) {
		struct asker *a = asker_of();
		struct asked q;
		unsigned plain = 0;
		const cJSON *c;

		note(a, attack_of(&injections[k], "192.0.2.1"));
		note(a, request_of("192.0.2.2"));
		note(a, request_of(VICTIM));
		ask(a, &q);
		struct asker *b = asker_of();
		struct asked without;
		note(b, request_of("192.0.2.2"));
		ask(b, &without);
		cJSON *wanted = cJSON_Duplicate(cJSON_GetArrayItem(clients_of(&without), 0), true);
		cJSON_DeleteItemFromObjectCaseSensitive(wanted, "src");
		cJSON_ArrayForEach(c, clients_of(&q))
		{
			cJSON *copy = cJSON_Duplicate(c, true);

			cJSON_DeleteItemFromObjectCaseSensitive(copy, "src");
			plain += cJSON_Compare(copy, wanted, true);
			cJSON_Delete(copy);
		}
		/* A text in a value of a header that is not shown leaves no trace but its header's name. */
		if (plain != 2)
			fail_msg("%s: %u of two others are as they were", injections[k].text, plain);
		cJSON_Delete(wanted);
		forget(&without);
		forget(&q);
		asker_free(b);
		asker_free(a);
	}
}

static struct event *hello_of(const struct injection *i, const char *client)
{
	struct event *e = event_new(EVENT_TLS_HELLO, 4096);

	assert_non_null(e);
	assert_int_equal(addr_parse(span_from(client), &e->flow.peer.addr), 0);
	e->time_ns = 5 * NS_PER_S;
	e->hello.tls.server_name = event_tail_copy(e, span_from(i->text));
	e->hello.tls.ja4 = SPAN("t13d1516h2_8daaf6152771_e5627efa2ab1");
	e->hello.deviations = TLS_DEV_SNI_INVALID;
	return e;
}

/* Any text as the server that a hello asks for, one that a detection fired on and is cited for, and one that
 * is only counted. */
static void what_a_hello_asks_for_stays_what_it_is(void **state)
{
	(void)state;
	for (unsigned k = 0; k < injection_count; k++) {
		const struct injection *i = &injections[k];
		struct event *cited = hello_of(i, "192.0.2.1");
		struct asker *a = asker_of();
		struct asked q;

		asker_detection(a, &cited->flow.peer.addr, "tls-mismatch", cited->id, NS_PER_S);
		note(a, cited);
		note(a, hello_of(i, "192.0.2.2"));
		note(a, request_of("192.0.2.2"));
		ask(a, &q);
		check_bytes(i, &q);
		assert_int_equal(cJSON_GetArraySize(clients_of(&q)), 2);
		check_keys(i, clients_of(&q));
		const cJSON *c;
		cJSON_ArrayForEach(c, clients_of(&q))
		{
			const cJSON *names = cJSON_GetObjectItemCaseSensitive(c, "server_names");
			const cJSON *samples = cJSON_GetObjectItemCaseSensitive(c, "samples");

			assert_int_equal(cJSON_GetObjectItemCaseSensitive(c, "tls_hellos")->valueint, 1);
			assert_int_equal(cJSON_GetArraySize(names), 1);
			assert_int_equal(cJSON_GetArraySize(samples), 1);
			/* Its beginning is there: it is not left out, but made harmless. */
			assert_int_equal(
				strlen(json_get_text(cJSON_GetArrayItem(names, 0), "server_name")) > 0, 1);
		}
		forget(&q);
		asker_free(a);
	}
}

/* The part of a request that a signature matched is its client's text: of signatures only names are told. */
static void what_a_signature_matched_is_not_sent(void **state)
{
	cJSON *first = NULL;

	(void)state;
	for (unsigned k = 0; k < injection_count; k++) {
		struct asker *a = asker_of();
		struct event *e = request_of("192.0.2.1");
		struct event_signature *s = event_tail_alloc(e, sizeof *s);
		struct asked q;

		*s = (struct event_signature){.id = SPAN("sql-union"),
					      .category = SPAN("sqli"),
					      .severity = SPAN("critical"),
					      .where = SPAN("query"),
					      .match = event_tail_copy(e, span_from(injections[k].text))};
		e->request.signatures = s;
		e->request.signature_count = 1;
		note(a, e);
		ask(a, &q);
		cJSON *c =
			cJSON_DetachItemFromArray(cJSON_GetObjectItemCaseSensitive(q.document, "clients"), 0);
		cJSON_DeleteItemFromObjectCaseSensitive(c, "src");
		const cJSON *named = cJSON_GetObjectItemCaseSensitive(c, "signatures");
		assert_string_equal(json_get_text(cJSON_GetArrayItem(named, 0), "signature"), "sql-union");
		if (first && !cJSON_Compare(c, first, true))
			fail_msg("%s: what was matched shows", injections[k].text);
		if (first)
			cJSON_Delete(c);
		else
			first = c;
		forget(&q);
		asker_free(a);
	}
	cJSON_Delete(first);
}

/* Its own bytes, and no more of them than are allowed. */
static void long_text_is_cut_and_says_so(void **state)
{
	struct asker *a = asker_of();
	struct event *e = request_of("192.0.2.1");
	char text[3000];
	struct asked q;

	(void)state;
	memset(text, 'A', sizeof text);
	e->request.user_agent = event_tail_copy(e, (struct span){text, sizeof text});
	e->request.target = e->request.user_agent;
	note(a, e);
	ask(a, &q);
	const cJSON *c = cJSON_GetArrayItem(clients_of(&q), 0);
	const cJSON *sample = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(c, "samples"), 0);
	assert_int_equal(strlen(json_get_text(sample, "target")), 256 + 3);
	assert_string_equal(json_get_text(sample, "target") + 256, "...");
	assert_true(q.body.len < 16 * 1024);
	forget(&q);
	asker_free(a);
}

static void byte_that_ends_texts_ends_no_question(void **state)
{
	struct asker *a = asker_of();
	struct event *e = request_of("192.0.2.1");
	struct asked q;

	(void)state;
	e->request.target = SPAN("/a\0b");
	e->request.user_agent = SPAN("\0");
	note(a, e);
	note(a, request_of("192.0.2.2"));
	ask(a, &q);
	assert_int_equal(cJSON_GetArraySize(clients_of(&q)), 2);
	forget(&q);
	asker_free(a);
}

/* The same question twice: other delimiters, other names. */
static void nobody_can_know_delimiter_or_names(void **state)
{
	char seen[64][2][24];

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		struct asker *a = asker_of();
		struct asked q;

		note(a, request_of("192.0.2.1"));
		ask(a, &q);
		snprintf(seen[i][0], 24, "%s", q.attempt.nonce);
		snprintf(seen[i][1], 24, "%s", json_get_text(cJSON_GetArrayItem(clients_of(&q), 0), "src"));
		for (unsigned k = 0; k < i; k++) {
			assert_string_not_equal(seen[i][0], seen[k][0]);
			assert_string_not_equal(seen[i][1], seen[k][1]);
		}
		forget(&q);
		asker_free(a);
	}
}

static int setup(void **state)
{
	(void)state;
	return prompt_read(NULL, &prompt);
}

static int teardown(void **state)
{
	(void)state;
	prompt_free(&prompt);
	return 0;
}

/* For e2e/injection.sh: field, kind, what it wants, the text in hexadecimal; a line each. */
static int print_table(void)
{
	static const char *const fields[] = {"user_agent", "path",          "query",   "header_name", "host",
					     "sni",        "forwarded_for", "referer", "method"};

	for (unsigned i = 0; i < injection_count; i++) {
		printf("%s %s %c ", fields[injections[i].field], injections[i].kind, injections[i].wants);
		for (const unsigned char *c = (const unsigned char *)injections[i].text; *c; c++)
			printf("%02x", *c);
		putchar('\n');
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_text_stays_what_it_is),
		cmocka_unit_test(no_text_is_in_another_clients_entry),
		cmocka_unit_test(what_a_hello_asks_for_stays_what_it_is),
		cmocka_unit_test(what_a_signature_matched_is_not_sent),
		cmocka_unit_test(long_text_is_cut_and_says_so),
		cmocka_unit_test(byte_that_ends_texts_ends_no_question),
		cmocka_unit_test(nobody_can_know_delimiter_or_names),
	};

	if (argc > 1 && !strcmp(argv[1], "--table"))
		return print_table();
	return cmocka_run_group_tests(tests, setup, teardown);
}
