// SPDX-License-Identifier: Apache-2.0
#include "forwarder/wire.h"
#include <stdio.h>
#include "forwarder/compress.h"
#include "forwarder/verdict_parse.h"

/* What a protocol makes of the largest batch that it takes: each byte of a text may become an escape of an
 * escape. */
#define BODY_MAX (16u << 20)
/* What cannot be made smaller grows by less. */
#define CODING_MAX (1u << 20)

/* All of them; returns how many. */
static unsigned headers_make(const struct config_gateway *config, const struct credentials *credentials,
			     struct wire *w)
{
	unsigned n = 0;

	_Static_assert(WIRE_HEADERS > 5 + LUNAR_HEADERS + CREDENTIALS_HEADERS + 16, "headers: all have room");
	w->headers[n++] = w->content_type;
	w->headers[n++] = w->accept;
	w->headers[n++] = "User-Agent: picket";
	if (config->compression)
		w->headers[n++] = w->coding;
	if (credentials->authorization.len)
		w->headers[n++] = credentials->authorization.data;
	for (unsigned i = 0; i < LUNAR_HEADERS && config->transport == TRANSPORT_LUNAR; i++)
		w->headers[n++] = w->lunar.lines[i];
	for (unsigned i = 0; i < CREDENTIALS_HEADERS && credentials->headers[i].len; i++)
		w->headers[n++] = credentials->headers[i].data;
	for (unsigned i = 0; i < config->headers.count && n < WIRE_HEADERS - 1; i++)
		w->headers[n++] = config->headers.items[i];
	return n;
}

void wire_make(const struct config_gateway *config, const struct protocol *protocol,
	       const struct credentials *credentials, const struct clock *clock, struct wire *ret)
{
	bool lunar = config->transport == TRANSPORT_LUNAR;

	if (lunar)
		lunar_make(config, &ret->lunar);
	snprintf(ret->content_type, sizeof ret->content_type, "Content-Type: %s", protocol->content_type);
	snprintf(ret->accept, sizeof ret->accept, "Accept: %s", protocol->accept);
	if (config->compression)
		snprintf(ret->coding, sizeof ret->coding, "Content-Encoding: %s",
			 compress_name(config->compression));
	ret->headers[headers_make(config, credentials, ret)] = NULL;
	ret->options = (struct transport_options){
		.url = lunar ? ret->lunar.url : config->url,
		.proxy = config->proxy,
		.http2 = config->http2,
		.ca = buffer_span(&credentials->ca),
		.certificate = buffer_span(&credentials->certificate),
		.key = buffer_span(&credentials->key),
		.pin = config->pin,
		.timeout_ms = config->timeout_ms,
		.answer_max = VERDICT_BODY_MAX,
		.headers = ret->headers,
		.clock = clock,
	};
}

int wire_body(const struct protocol_state *state, const struct config_gateway *config, const struct batch *b,
	      struct attempt *attempt, struct buffer *made, struct span *ret)
{
	const struct protocol *protocol = protocol_of(config->protocol);
	int r = 0;

	buffer_free(made);
	*made = BUFFER_INIT(protocol->write ? BODY_MAX : b->json.len + CODING_MAX);
	*ret = buffer_span(&b->json);
	if (!protocol->write && !config->compression)
		return 0;
	if (protocol->write)
		r = protocol->write(state, config, b, attempt, made);
	else
		r = compress_body(config->compression, buffer_span(&b->json), made);
	*ret = buffer_span(made);
	return r;
}
