/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_read.h: a strict reader over cJSON. cJSON lets through much that is not JSON, or not what the sender
 * meant: trailing bytes, 1e999 as infinity, duplicate keys, "\u0000" that cuts a string, leading zeros,
 * invalid UTF-8, keys compared without case, deep nesting. json_parse refuses all of these before cJSON sees
 * a byte; afterwards use cJSON_GetObjectItemCaseSensitive alone.
 */
#ifndef PICKET_JSON_READ_H
#define PICKET_JSON_READ_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>
#include "lib/span.h"

enum json_error {
	JSON_E_SYNTAX = 1, /* not RFC 8259 */
	JSON_E_TOO_LARGE,  /* more bytes than limits.bytes */
	JSON_E_TOO_DEEP,
	JSON_E_TOO_MANY, /* more values than limits.values */
	JSON_E_DUPLICATE_KEY,
	JSON_E_NUMBER,   /* not finite as a double, or longer than 63 characters */
	JSON_E_UTF8,     /* or half a surrogate pair */
	JSON_E_NUL,      /* \u0000 in a string */
	JSON_E_TRAILING, /* bytes after the value */
};

struct json_limits {
	size_t bytes;
	unsigned depth;  /* of arrays and objects; 256 at most, whatever is asked for */
	unsigned values; /* scalars, arrays and objects together */
};

/* 0, a json_error (and where, in bytes, in *ret_offset if not NULL), or -ENOMEM. *ret: cJSON_Delete it. */
int json_parse(struct span text, const struct json_limits *limits, cJSON **ret, size_t *ret_offset);
const char *json_error_name(int error); /* "syntax", "duplicate_key", ... */

/* Typed members of an object; NULL or the default where the key is absent or of another type. */
const char *json_get_text(const cJSON *object, const char *key);
/* Exact integer in [min, max]: 0; 1: absent; 2: there, but not that (at and above 2^53 no integer is exact).
 */
int json_get_int(const cJSON *object, const char *key, int64_t min, int64_t max, int64_t *ret);
bool json_get_bool(const cJSON *object, const char *key, bool fallback);

#endif
