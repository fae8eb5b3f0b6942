/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_print.h: what commands print for people. Bytes that came from outside never reach the terminal as they
 * are: control and format characters are shown as escapes, so that they can neither move the cursor nor forge
 * a line. On a terminal lines are cut to its width; elsewhere (a pipe, a file) nothing is cut.
 */
#ifndef PICKET_CLI_PRINT_H
#define PICKET_CLI_PRINT_H

#include <stdint.h>
#include <stdio.h>
#include "lib/buffer.h"

/* Appends text, escaped, up to max columns (0: all; what is cut ends in "..."). Returns the columns it takes.
 */
unsigned print_escaped(struct buffer *out, struct span text, unsigned max);
/* Columns of the terminal on stdout; 0: it is none. */
unsigned print_width(void);
/* Escaped text in words, broken at width (0: 80), each line begun by indent spaces; the first is taken as
 * begun. */
void print_wrapped(FILE *f, unsigned indent, const char *text);

/* "1.2 kB"; decimal. */
const char *print_bytes(uint64_t bytes, char buf[static 32]);
/* "59s", "14m59s", "3h05m", "2d04h": at most two units. */
const char *print_span(uint64_t seconds, char buf[static 32]);
/* How far an RFC 3339 time is from now, ahead or past, as print_span; "" if it is none. */
const char *print_distance(const char *when, char buf[static 32]);
/* Local time of day of a nanosecond wall stamp; digits of the second's fraction: 3 or 6. */
const char *print_clock(uint64_t wall_ns, unsigned digits, char buf[static 32]);

/* What an action does to its target: "blocked", "rate limited", "in shadow (only counted)". */
const char *print_denied(const char *action);

enum print_color { COLOR_NONE, COLOR_BOLD, COLOR_RED, COLOR_GREEN, COLOR_YELLOW, COLOR_DIM };
/* The sequence that begins or, with COLOR_NONE, ends a color; "" when on is false. */
const char *print_color(bool on, enum print_color c);

/* A table, aligned when all rows are known. A heading that begins with '>' aligns its column to the right. */
struct table_view;
int table_view_new(const char *const *heads, unsigned columns, struct table_view **ret);
/* The next cell, row by row; outside bytes are escaped here. NULL: "-". */
void table_view_cell(struct table_view *t, const char *text);
void table_view_uint(struct table_view *t, uint64_t v);
/* Who wanted it: "local/login_guessing". */
void table_view_by(struct table_view *t, const char *source, const char *origin);
void table_view_print(const struct table_view *t, FILE *f, bool color);
size_t table_view_rows(const struct table_view *t);
void table_view_free(struct table_view *t);

#endif
