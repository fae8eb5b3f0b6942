// SPDX-License-Identifier: Apache-2.0
#include "forwarder/batch.h"
#include <errno.h>
#include <stdio.h>
#include "lib/util.h"

int batch_new(const char *id, size_t bytes_max, uint64_t now_ns, struct batch **ret)
{
	struct batch *b = calloc(1, sizeof *b);

	if (!b)
		return -ENOMEM;
	snprintf(b->id, sizeof b->id, "%s", id);
	b->json = BUFFER_INIT(bytes_max);
	b->opened_ns = now_ns;
	*ret = b;
	return 0;
}

int batch_add(struct batch *b, struct span event)
{
	char *at;

	/* The bracket or comma in front, and the bracket that will end it all. */
	if (b->sealed || event.len + 2 > b->json.max - b->json.len)
		return BATCH_E_FULL;
	if (buffer_reserve(&b->json, event.len + 2, &at))
		return -ENOMEM;
	at[0] = b->events ? ',' : '[';
	memcpy(at + 1, event.ptr, event.len);
	buffer_commit(&b->json, event.len + 1);
	b->events++;
	return 0;
}

void batch_seal(struct batch *b)
{
	if (b->sealed)
		return;
	b->sealed = true;
	if (!b->events)
		return;
	/* batch_add kept this byte free. */
	buffer_append_char(&b->json, ']');
}

void batch_shrink(struct batch *b)
{
	char *data = b->sealed && b->json.len ? realloc(b->json.data, b->json.len) : NULL;

	if (data) {
		b->json.data = data;
		b->json.size = b->json.len;
	}
}

void batch_reuse(struct batch *b, struct buffer *memory)
{
	if (memory->size > b->json.max)
		return;
	b->json.data = memory->data;
	b->json.size = memory->size;
	*memory = (struct buffer){0};
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	buffer_free(&b->json);
	free(b);
}
