// SPDX-License-Identifier: Apache-2.0
#include "forwarder/mask.h"
#include <string.h>

int mask_text(struct buffer *b, struct span secret, struct span shown)
{
	struct buffer out = BUFFER_INIT(b->max);
	struct span rest = buffer_span(b);
	int r = 0;

	while (!r && rest.len) {
		const char *at = secret.len ? memmem(rest.ptr, rest.len, secret.ptr, secret.len) : NULL;
		size_t before = at ? (size_t)(at - rest.ptr) : rest.len, gone = at ? secret.len : 0;

		r = buffer_append(&out, rest.ptr, before);
		if (!r && at)
			r = buffer_append(&out, shown.ptr, shown.len);
		rest = (struct span){rest.ptr + before + gone, rest.len - before - gone};
	}
	if (b->data)
		explicit_bzero(b->data, b->size);
	buffer_free(b);
	if (r)
		buffer_free(&out);
	*b = out;
	return r;
}

/* A name and its value, or a value without a name, up to the next &. */
static int mask_parameter(struct buffer *out, struct span p)
{
	const char *equals = memchr(p.ptr, '=', p.len);
	int r = equals ? buffer_append(out, p.ptr, (size_t)(equals + 1 - p.ptr)) : 0;

	return r ? r : buffer_append_text(out, MASK);
}

int mask_url(struct buffer *out, struct span url)
{
	const char *end = memchr(url.ptr, '#', url.len);
	size_t len = end ? (size_t)(end - url.ptr) : url.len; /* what is behind is never sent */
	const char *query = memchr(url.ptr, '?', len);
	size_t at = query ? (size_t)(query + 1 - url.ptr) : len;
	int r = buffer_append(out, url.ptr, at);

	while (!r && at < len) {
		const char *next = memchr(url.ptr + at, '&', len - at);
		size_t n = next ? (size_t)(next - url.ptr) - at : len - at;

		if (n)
			r = mask_parameter(out, (struct span){url.ptr + at, n});
		if (!r && next)
			r = buffer_append_char(out, '&');
		at += n + (next != NULL);
	}
	return r;
}
