// SPDX-License-Identifier: Apache-2.0
/* docs/gateway-batch.md: events as they are, verdicts in the answer. */
#include "forwarder/protocol.h"

static int read_verdicts(const struct protocol_answer *a, enum situation *ret)
{
	const struct transport_answer *answer = a->answer;

	int r = verdict_parse(answer->body, a->config->name, answer->received_ns, a->accept, a->arg,
			      a->refused);
	*ret = situation_of_body(answer->body, r, a->refused);
	return r;
}

const struct protocol protocol_batch = {
	.content_type = "application/cloudevents-batch+json",
	.accept = "application/json",
	.read = read_verdicts,
};
