// SPDX-License-Identifier: Apache-2.0
#include "policies/rule_file.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/config.h"
#include "lib/util.h"

void rule_fault(struct rule_file *f, unsigned line, const char *format, ...)
{
	char text[320];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	f->bad = true;
	buffer_printf(f->errors, "%s:%u: %s\n", f->name, line, text);
}

bool rule_is(const struct yaml_node *n, const char *word)
{
	return n->type == YAML_SCALAR && strcmp(n->text, word) == 0;
}

void rule_text(struct rule_file *f, const struct yaml_node *node, const char *what, char *ret, size_t max)
{
	bool good = node->type == YAML_SCALAR && node->text[0] && strlen(node->text) <= max;

	for (const char *c = good ? node->text : ""; *c && good; c++)
		good = (unsigned char)*c >= 0x20 && *c != 0x7f;
	if (!good)
		rule_fault(f, node->line, "%s must be text of 1 to %zu bytes without control characters",
			   what, max);
	else
		snprintf(ret, max + 1, "%s", node->text);
}

uint32_t rule_mapping(struct rule_file *f, const struct yaml_node *node, const char *what,
		      const struct rule_key *keys, unsigned count, void *rule)
{
	uint32_t seen = 0;

	if (node->type != YAML_MAP) {
		rule_fault(f, node->line, "%s must be a mapping (key: value)", what);
		return 0;
	}
	for (unsigned i = 0; i < node->count; i++) {
		unsigned k = 0;

		while (k < count && strcmp(keys[k].name, node->keys[i].text) != 0)
			k++;
		if (k == count) {
			char known[200] = "";
			for (unsigned j = 0; j < count; j++)
				snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s",
					 j ? ", " : "", keys[j].name);
			rule_fault(f, node->keys[i].line, "unknown key \"%.48s\"; known here: %s",
				   node->keys[i].text, known);
			continue;
		}
		seen |= 1u << k;
		keys[k].read(f, &node->items[i], rule);
	}
	return seen;
}

static void read_root(struct rule_file *f, const struct rule_kind *kind, const struct yaml_node *root)
{
	if (root->type != YAML_MAP || root->count != 1 || strcmp(root->keys[0].text, kind->key) != 0) {
		rule_fault(f, MAX(root->line, 1u), "the file holds one key, \"%s:\"", kind->key);
		return;
	}
	const struct yaml_node *list = &root->items[0];
	if (list->type != YAML_LIST && list->type != YAML_NULL) {
		rule_fault(f, list->line, "%s must be a list", kind->key);
		return;
	}
	for (unsigned i = 0; i < list->count && !f->no_memory; i++)
		kind->read(f, &list->items[i]);
}

int rule_file_parse(const struct rule_kind *kind, struct span yaml, const char *name, void *into,
		    struct buffer *errors)
{
	struct rule_file f = {.name = name, .errors = errors, .into = into};
	struct yaml_node root = {0};
	int r = config_yaml_parse(yaml, name, &root, errors);

	if (r)
		return r < 0 ? r : CONFIG_E_INVALID;
	read_root(&f, kind, &root);
	yaml_node_free(&root);
	return f.no_memory ? -ENOMEM : f.bad ? CONFIG_E_INVALID : 0;
}

int rule_file_load(const struct rule_kind *kind, const char *path, void *into, struct buffer *errors)
{
	_cleanup_free_ char *bytes = malloc(CONFIG_YAML_BYTES_MAX + 1);
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	if (!bytes)
		return -ENOMEM;
	if (!file) {
		buffer_printf(errors, "%s: cannot be read: %s\n", path, strerror(errno));
		return CONFIG_E_INVALID;
	}
	size_t len = fread(bytes, 1, CONFIG_YAML_BYTES_MAX + 1, file);
	if (ferror(file) || len > CONFIG_YAML_BYTES_MAX) {
		buffer_printf(errors, "%s: cannot be read, or is larger than %d bytes\n", path,
			      CONFIG_YAML_BYTES_MAX);
		return CONFIG_E_INVALID;
	}
	return rule_file_parse(kind, (struct span){bytes, len}, path, into, errors);
}
