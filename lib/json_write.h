/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_write.h: append-only JSON writer (RFC 8259) over a buffer. Commas are its own business. 64-bit
 * integers are written exactly (cJSON holds numbers as doubles and would corrupt them). Text may hold any
 * byte: what is not valid UTF-8 is written as U+FFFD, control characters as \u escapes.
 *
 * Errors stick in the buffer (buffer.truncated) and are checked once, at the end. Room is asked for before it
 * is known which bytes need escaping, so a buffer may say full up to 8 bytes before its ceiling.
 */
#ifndef PICKET_JSON_WRITE_H
#define PICKET_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buffer.h"

struct json_writer {
	struct buffer *out;
	bool comma; /* the next value or key is preceded by one */
};

#define JSON_WRITER(buffer) ((struct json_writer){.out = (buffer)})

void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key_len(struct json_writer *w, const char *key, size_t len);
/* key: plain ASCII of ours. Inline, so that the length of a literal is known when it is compiled. */
static inline void json_key(struct json_writer *w, const char *key)
{
	json_key_len(w, key, strlen(key));
}
void json_key_span(struct json_writer *w, const char *prefix, struct span rest); /* prefix + outside bytes */
void json_string(struct json_writer *w, struct span text);
void json_int(struct json_writer *w, int64_t v);
void json_uint(struct json_writer *w, uint64_t v);
void json_uint_string(struct json_writer *w,
		      uint64_t v);                 /* "123": for 64-bit values that others read as doubles */
void json_double(struct json_writer *w, double v); /* not finite: null */
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
/* NULL: null. Inline, as json_key is. */
static inline void json_text(struct json_writer *w, const char *text)
{
	if (text)
		json_string(w, span_from(text));
	else
		json_null(w);
}
void json_raw(struct json_writer *w, struct span json); /* already JSON */

#endif
