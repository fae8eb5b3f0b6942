// SPDX-License-Identifier: Apache-2.0
/*
 * defrag_fuzz.c: frames of any content, fragments or not. Checked: nothing is read beyond a frame (the
 * sanitizers), what comes out has room for its headers, and so has the segment that is made of it.
 *
 * Input: records of {u8 length, bytes}: frames.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/datagrams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Memory of just its size, so that a byte beyond it is one beyond an allocation. */
static void feed(struct datagrams *d, const uint8_t *bytes, size_t len, bool l3_only, uint64_t now)
{
	struct pk_frame *rec = malloc(sizeof *rec + len);

	if (!rec)
		return;
	*rec = (struct pk_frame){.rec = {.kind = PK_FRAME, .time_ns = now},
				 .len = (uint32_t)len,
				 .captured = (uint32_t)len,
				 .l3_only = l3_only,
				 .wanted = 1};
	memcpy(rec + 1, bytes, len);
	const struct pk_segment *s = datagrams_add(d, rec);
	if (s) {
		assert(s->header.header_length >= 20 && s->header.header_length <= s->l4_len);
		assert(s->captured == s->l4_len - 20 && s->captured <= PK_SEGMENT_MAX);
		assert(s->header.rec.size == sizeof *s + s->captured);
	}
	free(rec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct defrag *d = NULL;
	struct datagrams *datagrams[2] = {NULL, NULL};
	uint64_t now = 1;

	if (defrag_new(0, &d) || datagrams_new(&datagrams[0]) || datagrams_new(&datagrams[1]))
		abort();
	for (size_t i = 0; i < size;) {
		size_t len = MIN((size_t)data[i], size - i - 1);
		struct defrag_whole whole = {0};
		uint8_t *copy =
			malloc(len ? len : 1); /* so that a byte beyond it is one beyond an allocation */

		if (!copy)
			break;
		memcpy(copy, data + i + 1, len);
		struct defrag_frame f = {.bytes = copy, .len = len, .time_ns = now++};
		if (defrag_add(d, &f, &whole))
			assert(whole.frame.len > 14 + 20 && whole.frame.len < 66000 &&
			       whole.payload <= whole.frame.len && whole.frame.time_ns == f.time_ns);
		free(copy);
		for (unsigned l3_only = 0; l3_only < 2; l3_only++)
			feed(datagrams[l3_only], data + i + 1, len, l3_only, now);
		i += 1 + len;
	}
	defrag_free(d);
	datagrams_free(datagrams[0]);
	datagrams_free(datagrams[1]);
	return 0;
}
