/* SPDX-License-Identifier: Apache-2.0 */
/*
 * haproxy.h: the words of HAProxy's runtime API, as far as its maps need them: what is said to it, and what
 * it answers (HAProxy's management guide, "Unix Socket commands"; measured with 2.6). Text in, text out; who
 * talks is sensor/haproxy_point.h.
 *
 * Commands may be joined by ';' in one line. Each gets one answer: its lines, and an empty line behind them.
 * Where nothing went wrong there are no lines, but for `show map`, which has one for each entry:
 *
 *     0x55d0c8f3a9b0 192.0.2.7 1796040000
 *
 * Its value is the second at which the entry ends, with a 0 in front where a block list asks for it alone:
 * HAProxy reads the same number, and who reads the map back knows whose it is.
 *
 * A key may stand in a map twice, as `add map` does not look; `set map` changes all of one key, `del map`
 * takes all of them out.
 */
#ifndef PICKET_HAPROXY_H
#define PICKET_HAPROXY_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/addr.h"
#include "lib/buffer.h"

/* --- what it answers --- */

#define HAPROXY_LINE_MAX 1024

/* Bytes become lines. Zero it first. */
struct haproxy_lines {
	char bytes[HAPROXY_LINE_MAX];
	size_t len;
	bool cut; /* the line at hand is longer: only its beginning is kept */
};
/* Calls see for each line that is whole now, without its end. */
void haproxy_lines_feed(struct haproxy_lines *l, struct span bytes,
			void (*see)(void *arg, struct span line, bool cut), void *arg);

struct haproxy_entry {
	struct prefix target; /* family ADDR_NONE: a key that picket would not write, see `key` */
	struct span key;      /* as it stands there */
	uint64_t until_s;     /* 0: its value is no such number */
	bool listed;          /* put there for a block list: 0 in front of its value says so */
};
enum { HAPROXY_E_NO_ENTRY = 1 };
/* A line of `show map`: 0, or HAPROXY_E_NO_ENTRY, which means that it says what went wrong. */
int haproxy_entry_parse(struct span line, struct haproxy_entry *ret);

enum haproxy_answer {
	HAPROXY_DONE,
	HAPROXY_ABSENT,  /* set map, del map: the key is not in the map */
	HAPROXY_REFUSED, /* anything else */
};
/* By the first line of an answer; "" is the empty one behind it. */
enum haproxy_answer haproxy_answer_of(struct span line);

/* --- what is said to it --- */

enum haproxy_verb { HAPROXY_ADD, HAPROXY_SET, HAPROXY_DEL };

/* Of all commands in one line. HAProxy takes one that fits into its buffer (tune.bufsize, 16 KiB). */
#define HAPROXY_SAY_MAX 4096

/*
 * Appends the command to a line; until_s and listed do not matter to HAPROXY_DEL. 0, or BUFFER_E_FULL: it
 * does not fit, and the line is as it was. The line is ended by haproxy_say_end.
 */
int haproxy_say(struct buffer *line, enum haproxy_verb verb, const char *map, const struct prefix *target,
		uint64_t until_s, bool listed);
void haproxy_say_end(struct buffer *line);

#endif
