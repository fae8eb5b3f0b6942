/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64.h: base64 with padding (RFC 4648 section 4), strictly: no blanks, no line ends, and one spelling
 * only of the same bytes.
 */
#ifndef PICKET_BASE64_H
#define PICKET_BASE64_H

#include "lib/buffer.h"

/* What text of that length decodes to at most. */
#define BASE64_DECODED_MAX(len) ((len) / 4 * 3)

enum { BASE64_E_SYNTAX = 1 };

/* out has room for BASE64_DECODED_MAX(text.len). */
int base64_decode(struct span text, char *out, size_t *ret_len);
void base64_append(struct buffer *out, struct span bytes);

#endif
