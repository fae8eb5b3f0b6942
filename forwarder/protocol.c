// SPDX-License-Identifier: Apache-2.0
#include "forwarder/protocol.h"
#include <stddef.h>
#include "forwarder/http_field.h"

const struct protocol *protocol_of(enum config_gateway_protocol protocol)
{
	switch (protocol) {
	case GATEWAY_BATCH:
		return &protocol_batch;
	case GATEWAY_OPENAI:
		return &protocol_openai;
	case GATEWAY_LOCAL:
	case GATEWAY_CROWDSEC:
		break;
	}
	return NULL;
}

/* Lunar tells to what its answer belongs: a flow of its with a cache may give that to another batch. */
static bool is_of_another(const struct protocol_answer *a)
{
	struct span id;

	return a->config->transport == TRANSPORT_LUNAR &&
	       http_field(a->answer->head, "x-lunar-sequence-id", 0, &id) &&
	       !span_equal(id, span_from(a->attempt->key));
}

int protocol_read(const struct protocol *p, const struct protocol_answer *a, enum situation *ret)
{
	if (!is_of_another(a))
		return p->read(a, ret);
	a->refused[VERDICT_E_OTHER_BATCH]++;
	*ret = SITUATION_OTHER_BATCH;
	return VERDICT_E_OTHER_BATCH;
}
