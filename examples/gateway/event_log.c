// SPDX-License-Identifier: Apache-2.0
#include "event_log.h"
#include <stdbool.h>

/*
 * One pass: depth 1 is the array itself, so a comma there ends a line, and the outermost brackets are left
 * out. Line ends between tokens become spaces; inside strings JSON has none.
 */
int event_log_append(FILE *file, const char *batch, size_t len)
{
	bool text = false, escaped = false, any = false;
	unsigned depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = batch[i];

		if (text) {
			text = escaped || c != '"';
			escaped = !escaped && c == '\\';
		} else if (c == '"') {
			text = true;
		} else if (c == '[' || c == '{') {
			if (depth++ == 0)
				continue;
		} else if (c == ']' || c == '}') {
			if (--depth == 0)
				break;
		} else if (c == ',' && depth == 1) {
			c = '\n';
		} else if (c == '\n' || c == '\r') {
			c = ' ';
		}
		if (depth == 1 && c == ' ' && !text)
			continue;
		any = true;
		putc(c, file);
	}
	if (any)
		putc('\n', file);
	/* Flushed at once, so that who follows the file sees each batch whole. */
	return fflush(file) || ferror(file) ? -1 : 0;
}
