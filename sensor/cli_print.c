// SPDX-License-Identifier: Apache-2.0
#include "sensor/cli_print.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/utf8.h"
#include "lib/util.h"

#define COLUMNS_DEFAULT 80
#define COLUMNS_MIN     40
#define LINE_MAX_BYTES  (64u * 1024)

/* --- outside text --- */

static unsigned code_point(const unsigned char *p, size_t len)
{
	static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	unsigned c = p[0] & first[len];

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3fu);
	return c;
}

struct range {
	unsigned from, to;
};

static bool in_ranges(unsigned c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

/* Controls, and what is seen only by what it does to its neighbours: direction overrides, joiners, tags. */
static bool is_unseen(unsigned c)
{
	static const struct range ranges[] = {
		{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x300, 0x36f},     {0x61c, 0x61c},
		{0x180b, 0x180f}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},   {0x20d0, 0x20ff},
		{0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
	};

	return in_ranges(c, ranges, ARRAY_SIZE(ranges));
}

static bool is_wide(unsigned c)
{
	static const struct range ranges[] = {
		{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3},   {0xf900, 0xfaff},
		{0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd},
	};

	return in_ranges(c, ranges, ARRAY_SIZE(ranges));
}

/* How the next character is shown. Returns its bytes in text. */
static size_t show(struct span text, char ret[static 16], unsigned *ret_columns)
{
	const unsigned char *p = (const unsigned char *)text.ptr;
	size_t len = utf8_sequence(p, text.len);
	unsigned c = len ? code_point(p, len) : 0;

	if (len && !is_unseen(c) && c != '\\') {
		memcpy(ret, p, len);
		ret[len] = 0;
		*ret_columns = is_wide(c) ? 2 : 1;
		return len;
	}
	if (!len || c < 0x80)
		snprintf(ret, 16, c == '\\' && len ? "\\\\" : c == '\n' && len ? "\\n" : "\\x%02x", p[0]);
	else
		snprintf(ret, 16, "\\u{%x}", c);
	*ret_columns = (unsigned)strlen(ret);
	return len ? len : 1;
}

unsigned print_escaped(struct buffer *out, struct span text, unsigned max)
{
	unsigned columns = 0, here;
	size_t room_at = out->len; /* what is kept when "..." has to follow */
	unsigned room_columns = 0;
	char shown[16];

	while (text.len) {
		size_t used = show(text, shown, &here);

		if (max && columns + here > max) {
			if (max < 3)
				break;
			out->len = room_at;
			buffer_append_text(out, "...");
			return room_columns + 3;
		}
		buffer_append_text(out, shown);
		columns += here;
		if (max >= 3 && columns <= max - 3) {
			room_at = out->len;
			room_columns = columns;
		}
		text.ptr += used;
		text.len -= used;
	}
	return columns;
}

unsigned print_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return COLUMNS_DEFAULT;
	return MAX(size.ws_col, COLUMNS_MIN);
}

void print_wrapped(FILE *f, unsigned indent, const char *text)
{
	unsigned width = print_width() ? print_width() : COLUMNS_DEFAULT;
	_cleanup_(buffer_free) struct buffer word = BUFFER_INIT(LINE_MAX_BYTES);
	unsigned at = indent;

	while (*text) {
		size_t len = strcspn(text, " ");

		buffer_reset(&word);
		unsigned columns = print_escaped(&word, (struct span){text, len}, 0);

		if (at > indent && at + 1 + columns > width) {
			fprintf(f, "\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', f);
			at++;
		}
		fwrite(word.data, 1, word.len, f);
		at += columns;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', f);
}

/* --- numbers and times --- */

const char *print_bytes(uint64_t bytes, char buf[static 32])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double v = (double)bytes;
	size_t unit = 0;

	while (v >= 1000 && unit + 1 < ARRAY_SIZE(units)) {
		v /= 1000;
		unit++;
	}
	snprintf(buf, 32, unit && v < 100 ? "%.1f %s" : "%.0f %s", v, units[unit]);
	return buf;
}

const char *print_span(uint64_t seconds, char buf[static 32])
{
	unsigned long long s = seconds;

	if (s < 60)
		snprintf(buf, 32, "%llus", s);
	else if (s < 3600)
		snprintf(buf, 32, s % 60 ? "%llum%02llus" : "%llum", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, 32, s / 60 % 60 ? "%lluh%02llum" : "%lluh", s / 3600, s / 60 % 60);
	else
		snprintf(buf, 32, s / 3600 % 24 ? "%llud%02lluh" : "%llud", s / 86400, s / 3600 % 24);
	return buf;
}

const char *print_distance(const char *when, char buf[static 32])
{
	struct tm tm = {0};

	buf[0] = 0;
	if (!strptime(when, "%Y-%m-%dT%H:%M:%S", &tm))
		return buf;
	time_t t = timegm(&tm), now = time(NULL);

	return print_span((uint64_t)(t > now ? t - now : now - t), buf);
}

const char *print_clock(uint64_t wall_ns, unsigned digits, char buf[static 32])
{
	static time_t known = -1; /* localtime is slow, and events come in their order */
	static struct tm tm;
	time_t second = (time_t)(wall_ns / NS_PER_S);
	unsigned long fraction = wall_ns % NS_PER_S / (digits == 3 ? 1000000 : 1000);

	if (second != known) {
		localtime_r(&second, &tm);
		known = second;
	}
	snprintf(buf, 32, "%02d:%02d:%02d.%0*lu", tm.tm_hour, tm.tm_min, tm.tm_sec, digits == 3 ? 3 : 6,
		 fraction);
	return buf;
}

const char *print_denied(const char *action)
{
	if (!strcmp(action, "rate_limit"))
		return "rate limited";
	return strcmp(action, "shadow") ? "blocked" : "in shadow (only counted)";
}

const char *print_color(bool on, enum print_color c)
{
	static const char *const codes[] = {
		[COLOR_NONE] = "\033[0m",   [COLOR_BOLD] = "\033[1m",    [COLOR_RED] = "\033[31m",
		[COLOR_GREEN] = "\033[32m", [COLOR_YELLOW] = "\033[33m", [COLOR_DIM] = "\033[2m",
	};

	return on ? codes[c] : "";
}

/* --- tables --- */

struct cell {
	char *text; /* as it came */
	unsigned columns;
};

struct table_view {
	const char *const *heads;
	unsigned columns;
	struct cell *cells;
	size_t count, size;
	unsigned *widths;
	bool failed; /* memory was out: rows are missing, and said to be */
};

int table_view_new(const char *const *heads, unsigned columns, struct table_view **ret)
{
	struct table_view *t = calloc(1, sizeof *t);

	if (!t)
		return -ENOMEM;
	t->heads = heads;
	t->columns = columns;
	t->widths = calloc(columns, sizeof *t->widths);
	if (!t->widths) {
		free(t);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < columns; i++)
		t->widths[i] = (unsigned)strlen(heads[i]) - (heads[i][0] == '>');
	*ret = t;
	return 0;
}

static struct cell *next_cell(struct table_view *t)
{
	if (t->count == t->size) {
		size_t size = t->size ? t->size * 2 : 64;
		struct cell *cells = realloc(t->cells, size * sizeof *cells);

		if (!cells)
			return NULL;
		t->cells = cells;
		t->size = size;
	}
	return &t->cells[t->count++];
}

void table_view_cell(struct table_view *t, const char *text)
{
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(LINE_MAX_BYTES);
	char *copy = strdup(text && *text ? text : "-");
	struct cell *cell = t->failed || !copy ? NULL : next_cell(t);

	if (!cell) {
		free(copy);
		t->failed = true;
		return;
	}
	cell->text = copy;
	cell->columns = print_escaped(&b, span_from(copy), 0);
	unsigned *width = &t->widths[(t->count - 1) % t->columns];

	*width = MAX(*width, cell->columns);
}

void table_view_uint(struct table_view *t, uint64_t v)
{
	char text[32];

	snprintf(text, sizeof text, "%llu", (unsigned long long)v);
	table_view_cell(t, text);
}

void table_view_by(struct table_view *t, const char *source, const char *origin)
{
	char text[160];

	snprintf(text, sizeof text, "%s/%s", source, origin);
	table_view_cell(t, text);
}

size_t table_view_rows(const struct table_view *t)
{
	return t->count / t->columns;
}

/* The last column is the one that is cut. */
static unsigned last_width(const struct table_view *t)
{
	unsigned width = print_width(), used = 0;

	for (unsigned i = 0; i + 1 < t->columns; i++)
		used += t->widths[i] + 2;
	if (!width)
		return 0;
	return width > used + 10 ? width - used : 10;
}

static void print_row_cell(FILE *f, const struct table_view *t, unsigned column, const char *text,
			   unsigned last)
{
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(LINE_MAX_BYTES);
	bool is_last = column + 1 == t->columns;
	unsigned columns = print_escaped(&b, span_from(text), is_last ? last : 0);
	int pad = (int)(t->widths[column] - MIN(t->widths[column], columns));

	if (t->heads[column][0] == '>' && !is_last)
		fprintf(f, "%*s", pad, "");
	fwrite(b.data, 1, b.len, f);
	if (is_last)
		fputc('\n', f);
	else
		fprintf(f, "%*s", t->heads[column][0] == '>' ? 2 : pad + 2, "");
}

void table_view_print(const struct table_view *t, FILE *f, bool color)
{
	size_t rows = table_view_rows(t);
	unsigned last = last_width(t);

	fputs(print_color(color, COLOR_BOLD), f);
	for (unsigned i = 0; i < t->columns; i++)
		print_row_cell(f, t, i, t->heads[i] + (t->heads[i][0] == '>'), last);
	fputs(print_color(color, COLOR_NONE), f);
	for (size_t row = 0; row < rows; row++)
		for (unsigned i = 0; i < t->columns; i++)
			print_row_cell(f, t, i, t->cells[row * t->columns + i].text, last);
	if (t->failed)
		fputs("(memory is out: rows are missing)\n", f);
}

void table_view_free(struct table_view *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t->widths);
	free(t);
}
