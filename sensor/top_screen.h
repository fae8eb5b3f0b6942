/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top_screen.h: the terminal of `picket top` (curses). There is one, as there is one of a process. It is put
 * back as it was by top_screen_end, and also when a signal ends the process, but for SIGKILL.
 */
#ifndef PICKET_TOP_SCREEN_H
#define PICKET_TOP_SCREEN_H

#include <stdbool.h>
#include "lib/span.h"
#include "sensor/top.h"

enum { TOP_SCREEN_E_TERMINAL = 1 }; /* TERM names none that is known */

int top_screen_begin(bool color);
void top_screen_end(void);
/* For a while, to print as other commands do; and back. */
void top_screen_leave(void);
void top_screen_return(void);

void top_screen_size(unsigned *ret_rows, unsigned *ret_columns);
/* Lines from the top on, between these two; what does not fit is left out. The last line is the foot. */
void top_screen_draw(void);
void top_screen_line(void *arg, enum top_look look,
		     struct span line); /* for top_draw; arg is not looked at */
void top_screen_show(const char *foot);

enum top_key { TOP_KEY_NONE = -1, TOP_KEY_UP = 256, TOP_KEY_DOWN, TOP_KEY_OTHER };
/* A character, or one of top_key; NONE: there was none for so long, or a signal came. */
int top_screen_key(int timeout_ms);
/* SIGINT, SIGTERM or SIGHUP came. */
bool top_screen_ended(void);

#endif
