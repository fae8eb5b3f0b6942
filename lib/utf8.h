/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h: strict UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF. */
#ifndef PICKET_UTF8_H
#define PICKET_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/span.h"

/* Bytes of the valid sequence that p begins with (1 to 4), 0 if it is not valid. len > 0. */
size_t utf8_sequence(const unsigned char *p, size_t len);
bool utf8_valid(struct span text);
/* Writes the code point (a valid one) at out, which has room for 4 bytes; returns how many were used. */
size_t utf8_encode(unsigned code_point, char *out);

#endif
