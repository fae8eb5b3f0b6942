// SPDX-License-Identifier: Apache-2.0
#include "lib/buffer.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int buffer_reserve(struct buffer *b, size_t len, char **ret_at)
{
	if (b->truncated || len > b->max || b->len > b->max - len) {
		b->truncated = true;
		return BUFFER_E_FULL;
	}
	if (b->len + len > b->size) {
		size_t size = b->size ? b->size : 256;
		while (size < b->len + len)
			size = size > b->max / 2 ? b->max : size * 2;
		if (size > b->max)
			size = b->max;
		char *data = realloc(b->data, size);
		if (!data) {
			b->truncated = true; /* or a later, smaller append would fit and leave a hole */
			return -ENOMEM;
		}
		b->data = data;
		b->size = size;
	}
	*ret_at = b->data + b->len;
	return 0;
}

void buffer_commit(struct buffer *b, size_t len)
{
	b->len += len;
}

int buffer_append(struct buffer *b, const void *bytes, size_t len)
{
	char *at;

	if (len == 0)
		return b->truncated ? BUFFER_E_FULL : 0;
	int r = buffer_reserve(b, len, &at);
	if (r)
		return r;
	memcpy(at, bytes, len);
	b->len += len;
	return 0;
}

int buffer_append_char(struct buffer *b, char c)
{
	return buffer_append(b, &c, 1);
}

int buffer_append_text(struct buffer *b, const char *text)
{
	return buffer_append(b, text, strlen(text));
}

/* Where the zero that vsnprintf writes would not fit below the ceiling any more. */
static int append_formatted(struct buffer *b, const char *format, va_list ap)
{
	char *text;
	int n = vasprintf(&text, format, ap);

	if (n < 0) {
		b->truncated = true;
		return -ENOMEM;
	}
	int r = buffer_append(b, text, (size_t)n);
	free(text);
	return r;
}

int buffer_printf(struct buffer *b, const char *format, ...)
{
	va_list ap, again;
	char *at;

	va_start(ap, format);
	va_copy(again, ap);
	int need = vsnprintf(NULL, 0, format, ap);
	int r = need < 0 ? -EINVAL : 0;
	if (!r && (size_t)need >= b->max - b->len) {
		r = append_formatted(b, format, again);
	} else if (!r) {
		/* One more for the zero; it is not part of the content. */
		r = buffer_reserve(b, (size_t)need + 1, &at);
		if (!r) {
			vsnprintf(at, (size_t)need + 1, format, again);
			b->len += (size_t)need;
		}
	}
	va_end(again);
	va_end(ap);
	return r;
}

void buffer_consume(struct buffer *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

void buffer_reset(struct buffer *b)
{
	b->len = 0;
	b->truncated = false;
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){.max = b->max};
}
