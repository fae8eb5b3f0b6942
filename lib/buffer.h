/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffer.h: a growing byte buffer that is born with a ceiling. Outside bytes make buffers grow, so none may
 * grow without bound. Once an append does not fit, the buffer is marked truncated and refuses everything
 * after it: what it holds is always a prefix of what was appended.
 */
#ifndef PICKET_BUFFER_H
#define PICKET_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/span.h"

struct buffer {
	char *data;
	size_t len;
	size_t size; /* allocated */
	size_t max;  /* ceiling, bytes */
	bool truncated;
};

#define BUFFER_INIT(ceiling) ((struct buffer){.max = (ceiling)})

enum { BUFFER_E_FULL = 1 };

/* 0, BUFFER_E_FULL (nothing was appended), -ENOMEM (truncated as well: whoever checks once, at the end, sees
 * both). */
int buffer_append(struct buffer *b, const void *bytes, size_t len);
int buffer_append_char(struct buffer *b, char c);
int buffer_append_text(struct buffer *b, const char *text);
int buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for len more bytes: *ret_at points to them, buffer_commit(n <= len) makes them part of the content. */
int buffer_reserve(struct buffer *b, size_t len, char **ret_at);
void buffer_commit(struct buffer *b, size_t len);

/* Remove the first len bytes. */
void buffer_consume(struct buffer *b, size_t len);
void buffer_reset(struct buffer *b); /* empty, memory kept */
void buffer_free(struct buffer *b);

static inline struct span buffer_span(const struct buffer *b)
{
	return (struct span){b->data, b->len};
}

#endif
