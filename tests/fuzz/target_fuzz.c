// SPDX-License-Identifier: Apache-2.0
/*
 * target_fuzz.c: any bytes as a target. Checked: what is taken is an address, a prefix or a key that its own
 * text gives again, on a route or not; a key's text, and a route's, is the one that was read.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include "lib/target.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), text[PREFIX_TEXT_MAX];
	struct prefix p, again;

	if (!copy)
		abort();
	memcpy(copy, data, size);
	struct span in = {copy, size};
	if (target_parse(in, &p) == 0) {
		assert(target_is_net(&p) != target_is_key(&p));
		struct span out = span_from(prefix_format(&p, text));
		assert(out.len && out.len < sizeof text);
		assert(target_parse(out, &again) == 0 && prefix_equal(&again, &p));
		const struct prefix who = target_who(&p);
		assert(target_is_net(&who) || span_equal(in, out));
		const char *route = memchr(in.ptr, '@', in.len), *kept = target_route_text(p.route);
		size_t len = route ? (size_t)(in.ptr + in.len - route - 1) : 0;
		assert(strlen(kept) == len && (!route || memcmp(kept, route + 1, len) == 0));
	}
	if (size >= sizeof p) { /* bytes as they may stand in a file */
		memcpy(&p, data, sizeof p);
		if (target_is_key(&p)) {
			struct span out = span_from(prefix_format(&p, text));
			assert(target_parse(out, &again) == 0 && prefix_equal(&again, &p));
		}
	}
	free(copy);
	return 0;
}
