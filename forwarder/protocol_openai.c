// SPDX-License-Identifier: Apache-2.0
/*
 * docs/gateway-openai.md: a batch is one chat completion. Which form of JSON a model can be held to is found
 * out by what it refuses, and remembered for the gateway: its url and its model are one each. gateway.c keeps
 * it over a restart (budget_state.h).
 */
#include <stdio.h>
#include "forwarder/http_field.h"
#include "forwarder/openai_answer.h"
#include "forwarder/openai_request.h"
#include "forwarder/protocol.h"
#include "lib/util.h"

static enum openai_form form_of(const struct protocol_state *state, const struct config_gateway *c)
{
	return c->response_format == RESPONSE_AUTO ? (enum openai_form)state->form
						   : (enum openai_form)(c->response_format - 1);
}

static int write_request(const struct protocol_state *state, const struct config_gateway *config,
			 const struct batch *batch, struct attempt *attempt, struct buffer *ret)
{
	struct question question;
	int r = question_read(buffer_span(&batch->json), attempt->nonce, &question);

	if (r > 0 || (!r && !question.source_count))
		r = PROTOCOL_E_NOTHING;
	attempt->form = form_of(state, config);
	const struct openai_asked asked = {
		.question = &question,
		.prompt = state->prompt,
		.batch_id = batch->id,
		.mark = attempt->nonce,
		.form = (enum openai_form)attempt->form,
	};
	if (!r)
		r = openai_request_write(config, &asked, ret);
	question_free(&question);
	return r;
}

/* Only a refusal of this very form leads to the next one; not a bad key, and no server that fails. */
static bool adapt(struct protocol_state *state, const struct config_gateway *config,
		  const struct attempt *attempt, const struct transport_answer *answer)
{
	if (config->response_format != RESPONSE_AUTO || situation_of(answer) != SITUATION_RESPONSE_FORMAT ||
	    attempt->form >= OPENAI_FORM_PLAIN)
		return false;
	if (state->form == attempt->form)
		state->form++;
	return true;
}

/* So many answers in a row that are not of the form that was asked for: the next is tried. */
#define IGNORED_MAX 3

/* A model may take a form and not keep to it: then its answers are prose, or it calls no function. */
static void note_form(struct protocol_state *state, const struct config_gateway *config,
		      const struct attempt *attempt, int fault)
{
	bool ignored =
		fault == VERDICT_E_PROSE || fault == VERDICT_E_NO_CONTENT || fault == VERDICT_E_TRAILING;

	if (config->response_format != RESPONSE_AUTO || state->form != attempt->form)
		return;
	state->ignored = ignored ? state->ignored + 1 : fault ? state->ignored : 0;
	if (state->ignored < IGNORED_MAX || state->form >= OPENAI_FORM_PLAIN)
		return;
	state->form++;
	state->ignored = 0;
}

/* Gateways that choose among models say which one it was (APIPark). */
static void model_of(struct span head, char ret[static PROTOCOL_MODEL_MAX])
{
	char both[PROTOCOL_MODEL_MAX];
	struct span provider, model;

	ret[0] = 0;
	if (!http_field(head, "x-ai-model", 0, &model) || !model.len)
		return;
	if (!http_field(head, "x-ai-provider", 0, &provider))
		provider = SPAN_NULL;
	snprintf(both, sizeof both, "%.*s%s%.*s", (int)MIN(provider.len, (size_t)40),
		 provider.len ? provider.ptr : "", provider.len ? "/" : "", (int)MIN(model.len, (size_t)50),
		 model.ptr);
	openai_model_set(ret, span_from(both));
}

static enum situation situation_of_completion(const struct protocol_answer *a, int fault)
{
	switch (fault) {
	case 0:
	case VERDICT_E_SYNTAX:
	case VERDICT_E_OTHER_BATCH:
		return situation_of_body(a->answer->body, fault, a->refused);
	case VERDICT_E_ERROR_INSIDE:
		return SITUATION_ERROR_INSIDE;
	default:
		return SITUATION_NO_COMPLETION;
	}
}

static uint32_t latency_of(const struct protocol_answer *a)
{
	uint64_t ns = a->answer->received_ns - MIN(a->answer->received_ns, a->sent_ns);

	return a->sent_ns ? (uint32_t)MIN(ns / NS_PER_MS, (uint64_t)UINT32_MAX) : 0;
}

static int read_completion(const struct protocol_answer *a, enum situation *ret)
{
	struct question question;
	struct openai_answer answer = {
		.body = a->answer->body,
		.question = &question,
		.prompt = a->state->prompt->version,
		.latency_ms = latency_of(a),
		.batch_id = a->attempt->key,
		.gateway = a->config->name,
		.form = (enum openai_form)a->attempt->form,
		.received_ns = a->answer->received_ns,
	};
	int r = question_read(buffer_span(&a->batch->json), a->attempt->nonce, &question);

	model_of(a->answer->head, answer.model);
	if (!r)
		r = openai_answer_read(&answer, a->accept, a->arg, a->refused);
	question_free(&question);
	note_form(a->state, a->config, a->attempt, r);
	a->state->tokens = answer.tokens;
	a->state->tokens_in = answer.tokens_in;
	a->state->tokens_out = answer.tokens_out;
	snprintf(a->state->model, sizeof a->state->model, "%s", answer.model);
	*ret = r < 0 ? SITUATION_NO_COMPLETION : situation_of_completion(a, r);
	return r;
}

const struct protocol protocol_openai = {
	.content_type = "application/json",
	.accept = "application/json",
	.write = write_request,
	.adapt = adapt,
	.read = read_completion,
};
