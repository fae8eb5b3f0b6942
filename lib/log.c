// SPDX-License-Identifier: Apache-2.0
/*
 * A line is made whole in memory and written by one write(2), so that threads and the two processes do not
 * mix theirs. What it may hold is bounded: a longer value is cut and marked.
 */
#include "lib/log.h"
#include <inttypes.h>
#include <unistd.h>
#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/json_write.h"
#include "lib/util.h"

#define VALUE_MAX      1024 /* bytes of one value before escaping */
#define LINE_MAX_BYTES (64 * 1024)

static const char *const level_names[] = {
	[LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

static struct {
	char process[24];
	enum log_level level;
	enum log_format format;
} setup = {.process = "picket", .level = LOG_INFO, .format = LOG_LOGFMT};

void log_setup(const char *process, enum log_level level, enum log_format format)
{
	snprintf(setup.process, sizeof setup.process, "%s", process);
	setup.level = level;
	setup.format = format;
}

int log_level_parse(struct span text, enum log_level *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (span_equal(text, span_from(level_names[i]))) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return 1;
}

const char *log_level_name(enum log_level level)
{
	return (unsigned)level < ARRAY_SIZE(level_names) ? level_names[level] : "unknown";
}

static bool is_bare(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return s.len > 0;
}

static void append_escaped(struct buffer *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '\n')
			buffer_append_text(b, "\\n");
		else if (c == '\r')
			buffer_append_text(b, "\\r");
		else if (c == '\t')
			buffer_append_text(b, "\\t");
		else if (c < ' ' || c > '~')
			buffer_printf(b, "\\x%02x", c);
		else {
			if (c == '"' || c == '\\')
				buffer_append_char(b, '\\');
			buffer_append_char(b, (char)c);
		}
	}
}

void log_quote(struct buffer *out, struct span value)
{
	if (is_bare(value)) {
		buffer_append(out, value.ptr, value.len);
		return;
	}
	buffer_append_char(out, '"');
	append_escaped(out, value);
	buffer_append_char(out, '"');
}

/* Cut to VALUE_MAX; the mark is of characters that need no escaping. */
static struct span value_of(const struct log_field *f, char room[static VALUE_MAX + 4])
{
	if (f->text.len <= VALUE_MAX)
		return f->text;
	memcpy(room, f->text.ptr, VALUE_MAX);
	memcpy(room + VALUE_MAX, "...", 3);
	return (struct span){room, VALUE_MAX + 3};
}

static void line_logfmt(struct buffer *b, const char *time, enum log_level level, const char *message,
			const struct log_field *fields)
{
	char cut[VALUE_MAX + 4];

	buffer_printf(b, "%s %-7s %s: ", time, log_level_name(level), setup.process);
	append_escaped(b, span_from(message));
	for (const struct log_field *f = fields; f && f->key; f++) {
		buffer_printf(b, " %s=", f->key);
		if (f->type == LOG_INT)
			buffer_printf(b, "%" PRId64, f->i);
		else if (f->type == LOG_UINT)
			buffer_printf(b, "%" PRIu64, f->u);
		else
			log_quote(b, value_of(f, cut));
	}
}

static void line_json(struct buffer *b, const char *time, enum log_level level, const char *message,
		      const struct log_field *fields)
{
	struct json_writer w = JSON_WRITER(b);
	char cut[VALUE_MAX + 4];

	json_object_begin(&w);
	json_key(&w, "time");
	json_text(&w, time);
	json_key(&w, "level");
	json_text(&w, log_level_name(level));
	json_key(&w, "process");
	json_text(&w, setup.process);
	json_key(&w, "message");
	json_text(&w, message);
	for (const struct log_field *f = fields; f && f->key; f++) {
		json_key(&w, f->key);
		if (f->type == LOG_INT)
			json_int(&w, f->i);
		else if (f->type == LOG_UINT)
			json_uint(&w, f->u);
		else
			json_string(&w, value_of(f, cut));
	}
	json_object_end(&w);
}

static void write_all(int fd, struct span s)
{
	while (s.len) {
		ssize_t n = write(fd, s.ptr, s.len);
		if (n <= 0)
			return; /* nobody is left to tell */
		s.ptr += n;
		s.len -= (size_t)n;
	}
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
	struct buffer line = BUFFER_INIT(LINE_MAX_BYTES);
	char time[CLOCK_TEXT_MAX];

	if (level > setup.level)
		return;
	clock_format(clock_wall_ns(&clock_system), time);
	if (setup.format == LOG_JSON)
		line_json(&line, time, level, message, fields);
	else
		line_logfmt(&line, time, level, message, fields);
	if (line.truncated) { /* too many fields, or no memory: the message alone, never half a line */
		static const struct log_field none = {.key = NULL};
		buffer_reset(&line);
		if (setup.format == LOG_JSON)
			line_json(&line, time, level, message, &none);
		else
			line_logfmt(&line, time, level, message, &none);
	}
	buffer_append_char(&line, '\n');
	write_all(STDERR_FILENO, buffer_span(&line));
	buffer_free(&line);
}
