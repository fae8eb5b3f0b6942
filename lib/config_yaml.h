/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_yaml.h: the part of YAML that a configuration needs, as a tree with line numbers: mappings, lists,
 * scalars. Left out on purpose, each an error with its line: anchors, aliases and tags (they let a small file
 * become a huge one, or mean something else than it says), more than one document, duplicate keys. Size,
 * depth and number of nodes are bounded.
 */
#ifndef PICKET_CONFIG_YAML_H
#define PICKET_CONFIG_YAML_H

#include <stdbool.h>
#include "lib/buffer.h"
#include "lib/span.h"

#define CONFIG_YAML_BYTES_MAX (256 * 1024)
#define CONFIG_YAML_DEPTH_MAX 8
#define CONFIG_YAML_NODES_MAX 20000

enum yaml_type { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_type type;     /* an empty plain scalar, "~" and "null" are YAML_NULL */
	unsigned line;           /* from 1; 0: not from a file */
	char *text;              /* scalar: zero-terminated, without a zero inside, valid UTF-8 */
	bool quoted;             /* scalar: it was in quotes, so it is text whatever it looks like */
	struct yaml_node *items; /* list and map: a list's elements, a map's values */
	struct yaml_key *keys;   /* map: the key of each item */
	unsigned count;
};

struct yaml_key {
	char *text;
	unsigned line;
};

enum { CONFIG_YAML_E_INVALID = 1 };

/*
 * name: for messages ("FILE:LINE: ..."). An empty document gives YAML_NULL. 0, CONFIG_YAML_E_INVALID (one
 * message is appended to errors) or -ENOMEM. Free with yaml_node_free.
 */
int config_yaml_parse(struct span text, const char *name, struct yaml_node *ret, struct buffer *errors);
void yaml_node_free(struct yaml_node *n); /* its contents, not n itself */

#endif
