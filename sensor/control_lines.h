/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_lines.h: a list as a stream of lines, one JSON object each, for lists that are too long for one
 * answer (?stream=1).
 */
#ifndef PICKET_CONTROL_LINES_H
#define PICKET_CONTROL_LINES_H

#include "sensor/control.h"

/* Writes one item as an object. */
typedef void (*control_line_write)(struct json_writer *w, const void *item, const void *arg);

/*
 * Answers call with count items of item_size bytes each. Takes items, which free() frees; arg outlives the
 * stream. An item that finds no room in a line is left out.
 */
void control_stream_lines(struct api_call *call, void *items, size_t count, size_t item_size,
			  control_line_write write, const void *arg);

#endif
