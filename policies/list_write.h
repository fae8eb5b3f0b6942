/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list_write.h: block lists as text, in the formats that list.h reads: what is written so and read again is
 * the same list. Records come one after the other and go to a buffer, which its owner may empty in between.
 *
 * Ends: CrowdSec and STIX carry them; a plain list has them in a comment, and MISP knows none, so who reads
 * those gives an entry a time of its own.
 */
#ifndef PICKET_LIST_WRITE_H
#define PICKET_LIST_WRITE_H

#include "lib/addr.h"
#include "lib/buffer.h"
#include "lib/config.h"
#include "lib/json_write.h"

struct list_record {
	struct prefix target;
	uint64_t left_s;    /* until its end; 1 or more */
	const char *origin; /* who wants it: "operator", "login_guessing" */
	const char *reason; /* for people; any bytes */
};

struct list_writer {
	enum config_list_format format;
	uint64_t now_s; /* wall clock */
	struct buffer *out;
	struct json_writer json;
	uint64_t count;
};

/* format: not AUTO. Errors stick in out (buffer.truncated). A list of nothing is one that can be read. */
void list_write_begin(struct list_writer *w, enum config_list_format format, uint64_t now_ns,
		      struct buffer *out);
void list_write(struct list_writer *w, const struct list_record *r);
void list_write_end(struct list_writer *w);

#endif
