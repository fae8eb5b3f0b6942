// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as what is kept of a budget. What is taken comes back the same when it is written and read again;
 * what is not taken changes nothing.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "forwarder/budget_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct budget_span *a, const struct budget_span *b)
{
	assert(a->number == b->number && a->tokens == b->tokens && a->money == b->money);
}

static void check_again(const struct budget_kept *k)
{
	struct buffer out = BUFFER_INIT(4096);
	struct budget_kept again;

	budget_state_write(k, &out);
	assert(!out.truncated && budget_state_parse(buffer_span(&out), &again) == 0);
	check_same(&k->hour, &again.hour);
	check_same(&k->day, &again.day);
	assert(k->form.form == again.form.form && k->form.day == again.form.day &&
	       k->form.endpoint == again.form.endpoint);
	buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct budget_kept kept, before;
	/* In memory of its own size, so that a read beyond it is seen. */
	char *copy = malloc(size ? size : 1);

	assert(copy);
	memcpy(copy, data, size);
	memset(&kept, 0xa5, sizeof kept);
	before = kept;
	int r = budget_state_parse((struct span){copy, size}, &kept);
	free(copy);
	assert(r >= 0);
	if (r) {
		assert(!memcmp(&kept, &before, sizeof kept));
		return 0;
	}
	assert(kept.form.form <= BUDGET_FORM_MAX);
	if (!kept.form.form)
		assert(!kept.form.day && !kept.form.endpoint);
	check_again(&kept);
	return 0;
}
