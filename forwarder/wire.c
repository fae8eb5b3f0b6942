// SPDX-License-Identifier: Apache-2.0
#include "forwarder/wire.h"
#include <stdio.h>
#include "forwarder/verdict_parse.h"

void wire_make(const struct config_gateway *config, const struct protocol *protocol,
	       const struct credentials *credentials, const struct clock *clock, struct wire *ret)
{
	const char **headers = ret->headers;

	snprintf(ret->content_type, sizeof ret->content_type, "Content-Type: %s", protocol->content_type);
	snprintf(ret->accept, sizeof ret->accept, "Accept: %s", protocol->accept);
	headers[0] = ret->content_type;
	headers[1] = ret->accept;
	headers[2] = "User-Agent: picket";
	headers[3] = credentials->authorization.len ? credentials->authorization.data : NULL;
	headers[4] = NULL;
	ret->options = (struct transport_options){
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
