/* SPDX-License-Identifier: Apache-2.0 */
/*
 * span.h: a borrowed run of bytes. It owns nothing and is valid as long as the memory it points into; it is
 * not terminated by a zero and may hold any byte.
 */
#ifndef PICKET_SPAN_H
#define PICKET_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *ptr;
	size_t len;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})
#define SPAN_NULL     ((struct span){NULL, 0})

static inline struct span span_from(const char *s)
{
	return s ? (struct span){s, strlen(s)} : SPAN_NULL;
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII case folded, as header field names are compared (RFC 9110 section 5.1). */
static inline bool span_equal_nocase(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

/* Without leading and trailing spaces and tabs. */
static inline struct span span_trim(struct span s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

#endif
