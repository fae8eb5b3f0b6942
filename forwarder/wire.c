// SPDX-License-Identifier: Apache-2.0
#include "forwarder/wire.h"
#include <stdio.h>
#include "forwarder/verdict_parse.h"

void wire_options(const struct config_gateway *config, const struct credentials *credentials,
		  const struct clock *clock, const char *headers[static WIRE_HEADERS],
		  struct transport_options *ret)
{
	headers[0] = "Content-Type: application/cloudevents-batch+json";
	headers[1] = "Accept: application/json";
	headers[2] = "User-Agent: picket";
	headers[3] = credentials->authorization.len ? credentials->authorization.data : NULL;
	headers[4] = NULL;
	*ret = (struct transport_options){
		.url = config->url,
		.proxy = config->proxy,
		.http2 = config->http2,
		.ca = buffer_span(&credentials->ca),
		.certificate = buffer_span(&credentials->certificate),
		.key = buffer_span(&credentials->key),
		.pin = config->pin,
		.timeout_ms = config->timeout_ms,
		.answer_max = VERDICT_BODY_MAX,
		.headers = headers,
		.clock = clock,
	};
}

const char *wire_key(const char *key, char buf[static WIRE_KEY_MAX])
{
	snprintf(buf, WIRE_KEY_MAX, "Idempotency-Key: %s", key);
	return buf;
}
