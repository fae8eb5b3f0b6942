// SPDX-License-Identifier: Apache-2.0
/*
 * target_fuzz.c: any bytes as a target. Checked: what is taken is an address, a prefix or a key that its own
 * text gives again; a key's text is the one that was read.
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
		assert(target_is_net(&p) || span_equal(in, out));
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
