// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a structured field. What is read and written again reads the same, and is then written in the
 * same way: what is signed has one spelling.
 */
#include <assert.h>
#include <stdint.h>
#include "forwarder/structured_field.h"

static void write_dictionary(const struct field_dictionary *d, struct buffer *out)
{
	for (unsigned i = 0; i < d->member_count; i++) {
		const struct field_member *m = &d->members[i];

		if (i)
			buffer_append_text(out, ", ");
		buffer_append(out, m->key.ptr, m->key.len);
		buffer_append_char(out, '=');
		assert(field_write_member(m, out) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer once = BUFFER_INIT(4 * FIELD_BYTES_MAX), twice = BUFFER_INIT(4 * FIELD_BYTES_MAX);
	struct field_dictionary d, again;

	if (field_dictionary_parse((struct span){(const char *)data, size}, &d))
		return 0;
	assert(d.text_len <= sizeof d.text && d.member_count <= FIELD_MEMBERS_MAX);
	write_dictionary(&d, &once);
	/* "a" may have become "a=?1", so that it is longer than what was read. */
	if (once.len <= FIELD_BYTES_MAX) {
		assert(field_dictionary_parse(buffer_span(&once), &again) == 0);
		assert(again.member_count == d.member_count && again.item_count == d.item_count &&
		       again.parameter_count == d.parameter_count);
		write_dictionary(&again, &twice);
		assert(span_equal(buffer_span(&once), buffer_span(&twice)));
	}
	buffer_free(&once);
	buffer_free(&twice);
	return 0;
}
