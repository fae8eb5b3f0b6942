/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_file.h: what files of criteria and of signatures have in common: YAML with one key, whose value is a
 * list of mappings. Each item and each value is read by its owner (packet_rules.h, signature_rules.h).
 *
 * A fault is written down as "NAME:LINE: what is wrong", and reading goes on, so that one look tells all;
 * only want of memory ends it. Values must outlive nothing: what is kept of them is copied by who keeps it.
 */
#ifndef PICKET_RULE_FILE_H
#define PICKET_RULE_FILE_H

#include <stdint.h>
#include "lib/buffer.h"
#include "lib/config_yaml.h"
#include "lib/span.h"

/* One file being read. */
struct rule_file {
	const char *name;
	struct buffer *errors;
	void *into; /* the owner's */
	bool bad, no_memory;
};

struct rule_key {
	const char *name;
	void (*read)(struct rule_file *f, const struct yaml_node *value, void *rule);
};

/* What a file holds: its key, and who reads an item of the list. */
struct rule_kind {
	const char *key;
	void (*read)(struct rule_file *f, const struct yaml_node *item);
};

/* 0, CONFIG_E_INVALID (errors says what) or -ENOMEM. On failure into may hold some. */
int rule_file_parse(const struct rule_kind *kind, struct span yaml, const char *name, void *into,
		    struct buffer *errors);
int rule_file_load(const struct rule_kind *kind, const char *path, void *into, struct buffer *errors);

__attribute__((format(printf, 3, 4))) void rule_fault(struct rule_file *f, unsigned line, const char *format,
						      ...);
/* Reads each key of a mapping by the function that keys has for it; a bit for each that was there. */
uint32_t rule_mapping(struct rule_file *f, const struct yaml_node *node, const char *what,
		      const struct rule_key *keys, unsigned count, void *rule);
bool rule_is(const struct yaml_node *n, const char *word);
/* ret has room for max + 1 bytes, and stays as it is where the text is none. */
void rule_text(struct rule_file *f, const struct yaml_node *node, const char *what, char *ret, size_t max);

#endif
