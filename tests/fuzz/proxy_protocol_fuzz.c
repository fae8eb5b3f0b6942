// SPDX-License-Identifier: Apache-2.0
/*
 * proxy_protocol_fuzz.c: a PROXY header from any bytes. Checked: it is known after PROXY_HEADER_HELD_MAX
 * bytes at most, more bytes never change what was said, and what is not usable says nothing.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include "lib/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return addr_equal(&a->addr, &b->addr) && a->port == b->port;
}

static void check(const struct proxy_header *h)
{
	assert(h->version == 1 || h->version == 2);
	assert(h->len >= 7 && h->len <= 16 + 65535);
	assert((h->source.addr.family == ADDR_NONE) == (h->destination.addr.family == ADDR_NONE));
	if (h->malformed || h->local)
		assert(h->source.addr.family == ADDR_NONE);
	if (h->version == 1)
		assert(h->len <= PROXY_HEADER_HELD_MAX && !h->local);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header first = {0}, h;
	int known = PROXY_E_MORE;

	for (size_t n = 0; n <= size && n <= PROXY_HEADER_HELD_MAX + 8; n++) {
		/* Each in memory of its own size, so that a read beyond it is seen. */
		char *copy = malloc(n ? n : 1);
		if (!copy)
			return 0;
		memcpy(copy, data, n);
		int r = proxy_header_parse((struct span){copy, n}, &h);
		free(copy);
		if (known != PROXY_E_MORE) {
			assert(r == known);
			if (r)
				continue;
			assert(h.len == first.len && h.local == first.local &&
			       h.malformed == first.malformed);
			assert(endpoint_equal(&h.source, &first.source) &&
			       endpoint_equal(&h.destination, &first.destination));
		} else if (r != PROXY_E_MORE) {
			known = r;
			if (r == 0) {
				check(&h);
				first = h;
			}
		}
		assert(r != PROXY_E_MORE || n < PROXY_HEADER_HELD_MAX);
	}
	return 0;
}
