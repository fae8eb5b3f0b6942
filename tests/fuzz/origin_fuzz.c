// SPDX-License-Identifier: Apache-2.0
/*
 * origin_fuzz.c: who the client is, from any header values. Checked: whatever stands left of what a trusted
 * proxy appended changes nothing, elements lie inside their list, and an answer is an address.
 *
 * Input: {u8 which header, u8 bits: trusted hops that follow} bytes: the client's own value.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "policies/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool trusts(void *arg, const struct addr *a)
{
	(void)arg;
	return a->family == ADDR_IPV4 && a->bytes[0] == 10;
}

static struct origin *origin;

static void start(void)
{
	static char *headers[] = {"x-forwarded-for", "forwarded", "x-real-ip"};
	struct config config = {.proxies.headers = {headers, 3}};

	if (!origin && origin_new(&config, &origin))
		abort();
}

static struct origin_client find(const struct http_request *r)
{
	struct endpoint peer = {{ADDR_IPV4, {10, 0, 0, 1}}, 9};
	struct origin_client c;

	origin_find(origin, r, &peer, NULL, false, trusts, NULL, &c);
	assert(c.endpoint.addr.family == ADDR_IPV4 || c.endpoint.addr.family == ADDR_IPV6);
	assert(c.source < CLIENT_SOURCE_MAX && c.flags < 1u << CLIENT_FLAG_BITS);
	return c;
}

static void check_elements(struct span list, bool quoted)
{
	struct span all = list, element;
	struct endpoint e;

	while (origin_hop_last(&list, quoted, &element)) {
		assert(element.len && element.ptr >= all.ptr && list.len < all.len);
		assert(element.ptr + element.len <= all.ptr + all.len);
		if (origin_node_parse(element, &e) == 0)
			assert(e.addr.family != ADDR_NONE);
		origin_forwarded_parse(element, &e);
		assert(list.len + element.len <= all.len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"X-Forwarded-For", "Forwarded"};
	static const char *const clients[] = {"203.0.113.7", "for=\"203.0.113.7\";host=\"a,b\""};
	static const char *const hops[] = {", 10.0.0.2", ",for=10.0.0.2;by=\"_x\\\"y\""};

	if (size < 2)
		return 0;
	start();
	unsigned which = data[0] & 1, trusted = data[1] & 7;
	size_t len = size - 2;
	char *value = malloc(len + 512);
	if (!value)
		return 0;
	memcpy(value, data + 2, len);
	/* The client's own words, in memory of their own size. */
	char *alone = malloc(len ? len : 1);
	if (alone) {
		memcpy(alone, value, len);
		struct http_request r = {.header_count = 1};
		r.headers[0] = (struct http_header){span_from(names[which]), {alone, len}};
		find(&r);
		r.headers[0].name = SPAN("X-Real-IP");
		find(&r);
		check_elements((struct span){alone, len}, false);
		check_elements((struct span){alone, len}, true);
	}
	/* What the trusted proxies append to them, on the same line. */
	int n = snprintf(value + len, 512, ", %s", clients[which]);
	for (unsigned i = 0; i < trusted; i++)
		n += snprintf(value + len + n, 512 - (size_t)n, "%s", hops[which]);
	struct http_request r = {.header_count = 1};
	r.headers[0] = (struct http_header){span_from(names[which]), {value, len + (size_t)n}};
	struct origin_client c = find(&r);
	char text[ADDR_TEXT_MAX];
	assert(!strcmp(addr_format(&c.endpoint.addr, text), "203.0.113.7") && c.flags == 0);
	free(alone);
	free(value);
	return 0;
}
