// SPDX-License-Identifier: Apache-2.0
/* docs/gateway-batch.md: events as they are, verdicts in the answer, which is signed. */
#include "forwarder/protocol.h"
#include "forwarder/signature.h"
#include "lib/util.h"

static bool is_blank(struct span body)
{
	while (body.len && strchr(" \t\r\n", *body.ptr) && *body.ptr)
		body = (struct span){body.ptr + 1, body.len - 1};
	return body.len == 0;
}

/* Without keys nothing is acted on, unless that was asked for: lib/config_gateway.c allows it on loopback. */
static int verify(const struct protocol_answer *a, const struct signature_bound *bound, unsigned bound_count)
{
	const struct signed_answer answer = {
		.status = a->answer->status,
		.head = a->answer->head,
		.body = a->answer->body,
		.bound = bound,
		.bound_count = bound_count,
	};

	if (a->config->unsigned_verdicts)
		return 0;
	return signature_verify(a->verify, &answer, a->now_s,
				(int64_t)(a->config->signature_window_ms / 1000));
}

int protocol_batch_read(const struct protocol_answer *a, const struct signature_bound *bound,
			unsigned bound_count, enum situation *ret)
{
	const struct transport_answer *answer = a->answer;
	/* An empty answer asks for nothing: nobody needs to sign that. */
	int r = is_blank(answer->body) ? 0 : verify(a, bound, bound_count);

	if (r)
		a->refused[r]++;
	else
		r = verdict_parse(answer->body, a->config->name, answer->received_ns, a->accept, a->arg,
				  a->refused);
	*ret = situation_of_body(answer->body, r, a->refused);
	return r;
}

static int read_verdicts(const struct protocol_answer *a, enum situation *ret)
{
	const struct signature_bound bound[] = {{"idempotency-key", span_from(a->attempt->key)},
						{"picket-nonce", span_from(a->attempt->nonce)}};

	return protocol_batch_read(a, bound, ARRAY_SIZE(bound), ret);
}

const struct protocol protocol_batch = {
	.content_type = "application/cloudevents-batch+json",
	.accept = "application/json",
	.read = read_verdicts,
};
