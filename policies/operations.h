/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operations.h: the paths and methods that an API's description names, and which of them a request is. Built
 * once (openapi.h), then only read: any number of threads may match.
 *
 * A template is a path in which "{name}" stands for one segment or a part of one ("/users/{id}",
 * "/files/{name}.json"). Where several fit, segments are compared from the left: literal text comes before
 * text with a parameter in it, and that before a parameter alone (OpenAPI 3.1.0 section 4.8.8.2 asks for the
 * first; the second is ours). Segments are compared as sent: escapes are not decoded, letters are not folded.
 * A slash at the end makes no difference.
 */
#ifndef PICKET_OPERATIONS_H
#define PICKET_OPERATIONS_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/span.h"

/* The methods of RFC 9110 and RFC 5789; whatever else is one. */
enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_CONNECT,
	METHOD_OPTIONS,
	METHOD_TRACE,
	METHOD_PATCH,
	METHOD_OTHER,
	METHODS,
};
enum method method_of(struct span name); /* case-sensitive, RFC 9110 section 9.1 */
const char *method_name(enum method m);  /* "GET", ..., "_OTHER" */

#define OPERATIONS_TEMPLATES_MAX 20000
#define OPERATIONS_PATH_MAX      1024 /* bytes of a template */
#define OPERATIONS_SEGMENTS_MAX  64

enum {
	OPERATIONS_E_SAME =
		1, /* the same but for names of parameters, and a method of it, is there already */
	OPERATIONS_E_FULL,
	OPERATIONS_E_PATH, /* no "/" in front, a brace without its partner, "{}", "{a}{b}", or too long */
};

struct operations;

int operations_new(struct operations **ret);
void operations_free(struct operations *o);
/* methods: a bit for each (1 << METHOD_GET); 0 names the path alone. 0, OPERATIONS_E_*, -ENOMEM. */
int operations_add(struct operations *o, struct span path, unsigned methods);

unsigned operations_count(const struct operations *o); /* templates */
struct span operations_path(const struct operations *o, unsigned index);
/*
 * May this method be used there, by the description? HEAD may wherever GET may (RFC 9110 section 9.3.2), and
 * OPTIONS everywhere, since browsers ask by it before they send what is described.
 */
bool operations_allow(const struct operations *o, unsigned index, enum method m);
unsigned operations_methods(const struct operations *o, unsigned index); /* as described */
/* path: up to "?". False: no template fits. */
bool operations_match(const struct operations *o, struct span path, unsigned *ret_index);

#endif
