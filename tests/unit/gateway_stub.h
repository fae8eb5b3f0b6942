/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway_stub.h: a gateway for tests: a real HTTP server on 127.0.0.1 in its own thread, which answers by a
 * script and keeps what it was sent.
 */
#ifndef PICKET_TEST_GATEWAY_STUB_H
#define PICKET_TEST_GATEWAY_STUB_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

struct stub_reply {
	unsigned status;
	const char *header; /* "Name: value" or NULL */
	const char *body;   /* NULL: empty. "@1": the name of the first client that a model is asked about */
	size_t fill;        /* the body goes on with that many 'x' */
	bool early;         /* answer at the head, before the body was read */
	unsigned delay_ms;
};

#define STUB_REQUESTS_MAX 256

struct stub_request {
	char key[128], content_type[64], content_encoding[32], authorization[64], content_length[32],
		path[64];
	bool expect, transfer_encoding;
	char *body;
	size_t len;
	unsigned events;      /* CloudEvents in the body */
	uint16_t client_port; /* one per connection */
	uint64_t at_ns;       /* boot clock, when it was whole */
};

struct stub;

/* port 0: a free one. replies: used one after the other, the last for all that follow; must outlive the stub.
 */
struct stub *stub_start(uint16_t port, const struct stub_reply *replies, size_t count);
uint16_t stub_port(const struct stub *s);
/* Requests that arrived so far; those beyond STUB_REQUESTS_MAX are counted, but not kept. */
unsigned stub_count(struct stub *s);
const struct stub_request *stub_request(struct stub *s, unsigned i);
unsigned stub_connections(struct stub *s); /* accepted since the start */
void stub_stop(struct stub *s);

#endif
