/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unravel.h: a text of a request as an application, a database, a shell or a browser may come to read it.
 * What hides an attack is taken off; what a text means is signatures.h.
 *
 *     unravel        percent encoding ("%27", "%u0027"), twice over; character references of HTML ("&#39;",
 *                    "&lt;"), escapes ("\u0027", "\x27"), UTF-8 that is longer than it need be, wide and
 *                    circled letters and typographic quotes as ASCII; "+" is a space in a query, and what
 *                    separates its parameters becomes a zero byte, which stands for nothing else: a zero that
 *                    was sent becomes 0x01. Runs of white space become one space, or one newline if they
 *                    hold one.
 *     unravel_sql    without the comments of SQL ("un / * * / ion"; of "/ *!50000select* /" the inside stays)
 *     unravel_shell  without what a shell takes out of words: quotes, backslashes, "^", "$@", "$IFS"
 *
 * Nothing grows: out has room for text.len bytes, and may be text.ptr. Pure. Bytes that fit no form stay.
 */
#ifndef PICKET_UNRAVEL_H
#define PICKET_UNRAVEL_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/span.h"

enum unravel_kind { UNRAVEL_TEXT, UNRAVEL_QUERY };
#define UNRAVEL_ROUNDS 3 /* of decoding; a text that is wrapped more often is left as it then is */

/* What a text has, and so what of it is worth a try; each may be said of a text that stays as it is. */
enum unravel_sign {
	UNRAVEL_SIGN_FORM = 1,  /* what may stand for another character */
	UNRAVEL_SIGN_SPACE = 2, /* white space that is not one space */
	UNRAVEL_SIGN_ZERO = 4,
	UNRAVEL_SIGN_SQL = 8,    /* by unravel_sql */
	UNRAVEL_SIGN_SHELL = 16, /* by unravel_shell */
};
#define UNRAVEL_SIGNS_TEXT \
	(UNRAVEL_SIGN_FORM | UNRAVEL_SIGN_SPACE | UNRAVEL_SIGN_ZERO) /* by unravel, of what is no query */
unsigned unravel_signs(struct span text);
/* ret_signs: of what it became. */
size_t unravel(struct span text, enum unravel_kind kind, char *out, unsigned *ret_signs);

/* 0: there is nothing to take out. Of a text that was unravelled. */
size_t unravel_sql(struct span text, char *out);
size_t unravel_shell(struct span text, char *out);

#endif
