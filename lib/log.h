/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h: structured log lines on stderr, one per call: "time level message key=value ..." or one JSON object.
 *
 * Only the program's top level logs; libraries return errors. The hot path counts and does not print. Every
 * value that is not plain printable ASCII is quoted and escaped, so that bytes from the network can neither
 * forge a line nor reach a terminal. Keys are the nouns of docs/architecture.md.
 */
#ifndef PICKET_LOG_H
#define PICKET_LOG_H

#include <stdint.h>
#include <string.h>
#include "lib/span.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
	const char *key; /* NULL ends the list */
	enum { LOG_TEXT, LOG_INT, LOG_UINT } type;
	union {
		struct span text;
		int64_t i;
		uint64_t u;
	};
};

#define LOG_S(k, v)    ((struct log_field){.key = (k), .type = LOG_TEXT, .text = span_from(v)})
#define LOG_SPAN(k, v) ((struct log_field){.key = (k), .type = LOG_TEXT, .text = (v)})
#define LOG_I(k, v)    ((struct log_field){.key = (k), .type = LOG_INT, .i = (v)})
#define LOG_U(k, v)    ((struct log_field){.key = (k), .type = LOG_UINT, .u = (v)})
/* error=strerror(-r) for a negative errno r */
#define LOG_ERRNO(r) ((struct log_field){.key = "error", .type = LOG_TEXT, .text = span_from(strerror(-(r)))})

/* process: "warden", "sensor", ... shown in every line. Not thread safe; call before threads start. */
void log_setup(const char *process, enum log_level level, enum log_format format);
void log_write(enum log_level level, const char *message, const struct log_field *fields);
int log_level_parse(struct span text, enum log_level *ret); /* 0 or 1 */
const char *log_level_name(enum log_level level);           /* "error", ... */
/*
 * Outside bytes for people: as they are if plain, else in double quotes with \ escapes. What a terminal gets
 * to see of the network's bytes passes here, in log lines and on the command line alike.
 */
struct buffer;
void log_quote(struct buffer *out, struct span value);

#define log_msg(level, message, ...) \
	log_write((level), (message), (struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})
#define log_error(message, ...)   log_msg(LOG_ERROR, message __VA_OPT__(, ) __VA_ARGS__)
#define log_warning(message, ...) log_msg(LOG_WARNING, message __VA_OPT__(, ) __VA_ARGS__)
#define log_info(message, ...)    log_msg(LOG_INFO, message __VA_OPT__(, ) __VA_ARGS__)
#define log_debug(message, ...)   log_msg(LOG_DEBUG, message __VA_OPT__(, ) __VA_ARGS__)

#endif
