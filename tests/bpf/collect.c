// SPDX-License-Identifier: Apache-2.0
/* collect.c: see collect.h. */
#include "collect.h"

#include <stdlib.h>
#include <string.h>

void collect_record(void *arg, const struct pk_record *rec)
{
	struct collect *c = arg;

	if (c->count == c->size) {
		c->size = c->size ? 2 * c->size : 256;
		c->list = realloc(c->list, c->size * sizeof(*c->list));
		if (!c->list)
			abort();
	}
	c->list[c->count] = malloc(rec->size);
	if (!c->list[c->count])
		abort();
	memcpy(c->list[c->count++], rec, rec->size);
}

void collect_clear(struct collect *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->list[i]);
	free(c->list);
	*c = (struct collect){.count = 0};
}

size_t collect_count(const struct collect *c, enum pk_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		n += c->list[i]->kind == kind;
	return n;
}

const void *collect_get(const struct collect *c, enum pk_kind kind, size_t n)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->list[i]->kind == kind && n-- == 0)
			return c->list[i];
	return NULL;
}

char *collect_stream(const struct collect *c, __u64 cookie, __u32 first, size_t *ret_len, size_t *ret_gaps)
{
	char *bytes = NULL;
	size_t len = 0, gaps = 0;
	__u32 next = first;

	for (size_t i = 0; i < c->count; i++) {
		const struct pk_data *d = (const void *)c->list[i];
		const char *data = (const char *)(d + 1);

		if (d->rec.kind != PK_DATA || d->flow.cookie != cookie)
			continue;
		__s32 ahead = (__s32)(d->seq - next);
		if (ahead > 0) {
			gaps += (size_t)ahead;
			next += (__u32)ahead;
			ahead = 0;
		}
		__u32 old = (__u32)-ahead;
		if (d->captured > old) {
			bytes = realloc(bytes, len + d->captured);
			if (!bytes)
				abort();
			memcpy(bytes + len, data + d->lead + old, d->captured - old);
			len += d->captured - old;
			next += d->captured - old;
		}
		if ((__s32)(d->seq + d->len - next) > 0) {
			gaps += d->seq + d->len - next;
			next = d->seq + d->len;
		}
	}
	*ret_len = len;
	*ret_gaps = gaps;
	return bytes;
}
