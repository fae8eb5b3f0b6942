// SPDX-License-Identifier: Apache-2.0
#include "forwarder/signature_base.h"

static bool has_upper(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
			return true;
	return false;
}

/* Parameters may stand in any order: these names have one at most. */
static bool same_component(const struct field_item *a, const struct field_item *b)
{
	return span_equal(a->value.bytes, b->value.bytes) && a->parameters.count == b->parameters.count &&
	       (!a->parameters.count || span_equal(a->parameters.list[0].key, b->parameters.list[0].key));
}

static bool well_formed(const struct field_member *input)
{
	for (unsigned i = 0; i < input->item_count; i++) {
		const struct field_item *item = &input->items[i];

		if (item->value.type != FIELD_STRING || !item->value.bytes.len ||
		    has_upper(item->value.bytes) || item->parameters.count > 1)
			return false;
		for (unsigned j = 0; j < i; j++)
			if (same_component(&input->items[j], item))
				return false;
	}
	return input->is_list;
}

int signature_base_write(const struct field_member *input, signature_component component, void *arg,
			 struct buffer *out)
{
	if (!well_formed(input))
		return SIGNATURE_BASE_E_FORM;
	for (unsigned i = 0; i < input->item_count; i++) {
		field_write_item(&input->items[i], out);
		buffer_append_text(out, ": ");
		int r = component(arg, &input->items[i], out);
		if (r)
			return r;
		buffer_append_char(out, '\n');
	}
	buffer_append_text(out, "\"@signature-params\": ");
	field_write_member(input, out);
	return out->truncated ? SIGNATURE_BASE_E_TOO_LARGE : 0;
}
