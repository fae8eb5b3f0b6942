/* SPDX-License-Identifier: Apache-2.0 */
/* http_field.h: fields of a head that libcurl has read (RFC 9110, 5). */
#ifndef PICKET_HTTP_FIELD_H
#define PICKET_HTTP_FIELD_H

#include <stdbool.h>
#include "lib/span.h"

/*
 * The n-th (0 is the first) value of the field of that name, in any case, without the white space around it.
 * head: lines that end with \n or \r\n; the first may be a status line. false: there is none.
 */
bool http_field(struct span head, const char *name, unsigned n, struct span *ret);

#endif
