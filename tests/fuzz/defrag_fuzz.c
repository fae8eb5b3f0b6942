// SPDX-License-Identifier: Apache-2.0
/*
 * defrag_fuzz.c: frames of any content, fragments or not. Checked: nothing is read beyond a frame (the
 * sanitizers), what comes out has room for its headers, and its length is what its IP header says.
 *
 * Input: records of {u8 length, bytes}: frames.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/defrag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct defrag *d = NULL;
	uint64_t now = 1;

	if (defrag_new(&d))
		return 0;
	for (size_t i = 0; i < size;) {
		size_t len = MIN((size_t)data[i], size - i - 1);
		struct pcap_frame whole = {0};
		uint8_t *copy =
			malloc(len ? len : 1); /* so that a byte beyond it is one beyond an allocation */

		if (!copy)
			break;
		memcpy(copy, data + i + 1, len);
		struct pcap_frame f = {.bytes = copy, .len = len, .original_len = len, .time_ns = now++};
		if (defrag_add(d, &f, &whole))
			assert(whole.len > 14 + 20 && whole.len < 66000 && whole.time_ns == f.time_ns);
		free(copy);
		i += 1 + len;
	}
	defrag_free(d);
	return 0;
}
