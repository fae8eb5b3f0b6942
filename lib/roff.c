// SPDX-License-Identifier: Apache-2.0
#include "lib/roff.h"
#include <string.h>

#define LINE_COLUMNS 78

static void put_char(struct buffer *out, char c)
{
	static const struct {
		char c;
		const char *shown;
	} special[] = {
		{'\\', "\\e"},  {'-', "\\-"},   {'\'', "\\(aq"}, {'`', "\\(ga"},
		{'"', "\\(dq"}, {'^', "\\(ha"}, {'~', "\\(ti"},
	};

	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
		if (special[i].c != c)
			continue;
		buffer_append_text(out, special[i].shown);
		return;
	}
	buffer_append_char(out, c);
}

void roff_piece(struct buffer *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		put_char(out, text.ptr[i]);
}

void roff_bold(struct buffer *out, struct span text)
{
	buffer_append_text(out, "\\fB");
	roff_piece(out, text);
	buffer_append_text(out, "\\fR");
}

void roff_italic(struct buffer *out, struct span text)
{
	buffer_append_text(out, "\\fI");
	roff_piece(out, text);
	buffer_append_text(out, "\\fR");
}

static void put_heading(struct buffer *out, const char *macro, const char *name)
{
	buffer_printf(out, "%s \"", macro);
	roff_piece(out, span_from(name));
	buffer_append_text(out, "\"\n");
}

void roff_section(struct buffer *out, const char *name)
{
	put_heading(out, ".SH", name);
}

void roff_subsection(struct buffer *out, const char *name)
{
	put_heading(out, ".SS", name);
}

/* One word; a backquote in it begins or ends bold. */
static void put_word(struct buffer *out, struct span word, bool *bold)
{
	for (size_t i = 0; i < word.len; i++) {
		if (word.ptr[i] == '`') {
			*bold = !*bold;
			buffer_append_text(out, *bold ? "\\fB" : "\\fR");
		} else {
			put_char(out, word.ptr[i]);
		}
	}
}

void roff_text(struct buffer *out, const char *text)
{
	size_t line = out->len;
	bool bold = false;

	while (*text) {
		struct span word = {text, strcspn(text, " ")};

		if (out->len > line && out->len - line + word.len >= LINE_COLUMNS) {
			buffer_append_char(out, '\n');
			line = out->len;
		} else if (out->len > line) {
			buffer_append_char(out, ' ');
		}
		if (out->len == line && *word.ptr == '.')
			buffer_append_text(out, "\\&"); /* else it would be a macro */
		put_word(out, word, &bold);
		text += word.len;
		text += strspn(text, " ");
	}
	buffer_append_char(out, '\n');
}
