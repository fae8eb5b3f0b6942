// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as the answer of a gateway to a model, the first of them choosing how it was asked. Beyond "no
 * crash": whoever is named was in the batch, and each verdict keeps the promises of verdict.h. The same bytes
 * as a batch: what is made of them is JSON.
 */
#include <stdint.h>
#include <stdlib.h>
#include "forwarder/openai_answer.h"
#include "forwarder/openai_request.h"
#include "lib/json_read.h"

#define BATCH                                                                                    \
	"[{\"client\":\"192.0.2.7\",\"events\":[\"r-1\",\"r-3\"],\"dossier\":{\"requests\":2}}," \
	"{\"client\":\"2001:db8::1\",\"events\":[\"r-2\"],\"dossier\":{\"t\":\"/\\ud83d\\ude00\"}}]"
/* Its names are c488b8626 and c0b203ec7: those that the corpus has. */
#define NONCE "m"

static struct question question;
static struct prompt prompt;

static void check_verdict(void *arg, const struct verdict *v)
{
	bool known = false;

	*(unsigned *)arg += 1;
	for (unsigned i = 0; i < question.source_count; i++) {
		struct prefix p =
			prefix_of(&question.sources[i].client, addr_bits(&question.sources[i].client));
		known = known || prefix_equal(&p, &v->target);
	}
	if (!known || v->source != VERDICT_GATEWAY)
		abort();
	if (v->action != VERDICT_ALLOW && v->action != VERDICT_BLOCK)
		abort();
	if (v->action == VERDICT_BLOCK && v->ttl_ms < 1000)
		abort();
	if (!(v->confidence >= 0 && v->confidence <= 1) || v->evidence_count > VERDICT_EVIDENCE_MAX)
		abort();
	if (!memchr(v->reason, 0, sizeof v->reason) || !verdict_text_is_clean(v->reason))
		abort();
}

static void fuzz_batch(struct span bytes)
{
	const struct json_limits limits = {32u << 20, 64, 1u << 20};
	struct config_gateway config = {.model = (char *)(uintptr_t) "m", .max_tokens = 1};
	struct buffer out = BUFFER_INIT(32u << 20);
	struct question other;
	cJSON *json = NULL;

	const struct openai_asked asked = {&other, &prompt, "b", "mmmmmmmmmmmm", OPENAI_FORM_SCHEMA};
	if (question_read(bytes, NONCE, &other) == 0 && openai_request_write(&config, &asked, &out) == 0) {
		if (json_parse(buffer_span(&out), &limits, &json, NULL) != 0)
			abort();
		for (size_t i = 0; i < out.len; i++)
			if (out.data[i] < ' ' || out.data[i] > '~')
				abort();
	}
	cJSON_Delete(json);
	buffer_free(&out);
	question_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t refused[VERDICT_E_MAX] = {0};
	unsigned accepted = 0;

	if (!size)
		return 0;
	if (!question.json && (question_read(SPAN(BATCH), NONCE, &question) || prompt_read(NULL, &prompt)))
		abort();
	struct openai_answer a = {
		.body = {(const char *)data + 1, size - 1},
		.question = &question,
		.batch_id = "b-1",
		.gateway = "fuzz",
		.form = (enum openai_form)(data[0] % OPENAI_FORM_MAX),
	};
	int r = openai_answer_read(&a, check_verdict, &accepted, refused);
	if (r < 0 || r >= VERDICT_E_MAX)
		abort();
	if (r > 0 && (accepted || refused[r] != 1))
		abort();
	fuzz_batch(a.body);
	return 0;
}
