/* SPDX-License-Identifier: Apache-2.0 */
/*
 * structured_field.h: the part of Structured Field Values (RFC 9651, before it RFC 8941) that signatures and
 * digests of HTTP messages are written in: a Dictionary whose members are Items or Inner Lists, with
 * Parameters; values are Integers, Strings, Tokens, Byte Sequences and Booleans.
 *
 * Stricter than the RFC, because what is read here is evidence: a key that comes twice in one dictionary or
 * one list of parameters is refused instead of the last one winning; Byte Sequences have their padding, and
 * zeros in the bits that it leaves over. Decimals, Dates and Display Strings are not known, and refused.
 * Everything is bounded by the ceilings below; nothing is allocated.
 */
#ifndef PICKET_STRUCTURED_FIELD_H
#define PICKET_STRUCTURED_FIELD_H

#include <stdint.h>
#include "lib/buffer.h"

#define FIELD_BYTES_MAX      4096
#define FIELD_MEMBERS_MAX    8
#define FIELD_ITEMS_MAX      32 /* of all members together, likewise: */
#define FIELD_PARAMETERS_MAX 64

enum field_type { FIELD_INTEGER = 1, FIELD_STRING, FIELD_TOKEN, FIELD_BYTES, FIELD_BOOLEAN };

struct field_value {
	enum field_type type;
	int64_t integer;   /* FIELD_INTEGER: at most 15 digits; FIELD_BOOLEAN: 0 or 1 */
	struct span bytes; /* FIELD_STRING without quotes and escapes, FIELD_TOKEN, FIELD_BYTES decoded */
};

struct field_parameter {
	struct span key;
	struct field_value value;
};

struct field_parameters {
	const struct field_parameter *list;
	unsigned count;
};

struct field_item {
	struct field_value value;
	struct field_parameters parameters;
};

struct field_member {
	struct span key;
	bool is_list;                       /* an Inner List, whose own parameters are: */
	struct field_parameters parameters; /* empty if it is none: those of its item are there */
	const struct field_item *items;
	unsigned item_count; /* 1 if it is no list */
};

struct field_dictionary {
	struct field_member members[FIELD_MEMBERS_MAX];
	unsigned member_count;
	/* What members point to: not to be copied. */
	struct field_item items[FIELD_ITEMS_MAX];
	struct field_parameter parameters[FIELD_PARAMETERS_MAX];
	unsigned item_count, parameter_count;
	char text[FIELD_BYTES_MAX]; /* decoded Strings and Byte Sequences */
	size_t text_len;
};

enum {
	FIELD_E_SYNTAX = 1,
	FIELD_E_TOO_LARGE, /* one of the ceilings */
	FIELD_E_DUPLICATE, /* a key comes twice */
};

/* ret points into text. An empty field is an empty dictionary. On failure what is in ret means nothing. */
int field_dictionary_parse(struct span text, struct field_dictionary *ret);
const struct field_member *field_member(const struct field_dictionary *d, struct span key); /* or NULL */
const struct field_value *field_parameter(struct field_parameters p, const char *key);      /* or NULL */

/* As RFC 9651 section 4.1 serializes them. 0 or as buffer_append. */
int field_write_item(const struct field_item *item, struct buffer *out);
int field_write_member(const struct field_member *member, struct buffer *out); /* its value, not its key */

#endif
