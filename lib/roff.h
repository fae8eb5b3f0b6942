/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roff.h: pages of the manual, in the macros of man(7). Texts are plain ASCII of ours; what roff would take
 * for its own (backslashes, dashes, a dot at the beginning of a line) is escaped.
 */
#ifndef PICKET_ROFF_H
#define PICKET_ROFF_H

#include "lib/buffer.h"

/* ".SH NAME" on a line of its own; words that hold spaces are quoted. */
void roff_section(struct buffer *out, const char *name);
void roff_subsection(struct buffer *out, const char *name);
/* Running text, in lines of its own; what stands between backquotes becomes bold. */
void roff_text(struct buffer *out, const char *text);
/* The same without line ends and without bold: a piece of a line. */
void roff_piece(struct buffer *out, struct span text);
void roff_bold(struct buffer *out, struct span text);
void roff_italic(struct buffer *out, struct span text);

#endif
