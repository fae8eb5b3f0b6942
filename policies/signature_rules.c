// SPDX-License-Identifier: Apache-2.0
#include "policies/signature_rules.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/config.h"
#include "lib/config_yaml.h"
#include "lib/util.h"
#include "policies/shipped.h"

static const char *const severities[SIGNATURE_SEVERITIES] = {NULL, "low", "medium", "high", "critical"};
static const char *const categories[SIGNATURE_CATEGORIES] = {
	"sqli",   "nosqli", "traversal", "command", "template",  "xss",     "ssrf",
	"lookup", "php",    "java",      "node",    "splitting", "scanner", "session"};
static const char *const wheres[SIGNATURE_WHERES] = {"path",   "query",     "user_agent", "referer",
						     "cookie", "forwarded", "other"};
#define WHERE_HEADERS ((1u << SIGNATURE_WHERES) - (1u << SIGNATURE_USER_AGENT))
#define WHERE_TARGET  (1u << SIGNATURE_PATH | 1u << SIGNATURE_QUERY)

const char *signature_severity_name(enum signature_severity severity)
{
	return severities[severity];
}

const char *signature_category_name(unsigned category)
{
	return categories[category];
}

const char *signature_where_name(enum signature_where where)
{
	return wheres[where];
}

bool signature_severity_parse(const char *name, enum signature_severity *ret)
{
	for (unsigned s = SIGNATURE_LOW; s < SIGNATURE_SEVERITIES; s++)
		if (strcmp(name, severities[s]) == 0) {
			*ret = (enum signature_severity)s;
			return true;
		}
	return false;
}

bool signature_category_parse(const char *name, unsigned *ret)
{
	for (unsigned c = 0; c < SIGNATURE_CATEGORIES; c++)
		if (strcmp(name, categories[c]) == 0) {
			*ret = c;
			return true;
		}
	return false;
}

/* One file being read. A fault is written down and reading goes on; only memory ends it. */
struct loader {
	struct signature_rules *rules;
	const char *name;
	struct buffer *errors;
	bool bad, no_memory;
};

__attribute__((format(printf, 3, 4))) static void fault(struct loader *l, unsigned line, const char *format,
							...)
{
	char text[320];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	l->bad = true;
	buffer_printf(l->errors, "%s:%u: %s\n", l->name, line, text);
}

static void read_text(struct loader *l, const struct yaml_node *node, const char *what, char *ret, size_t max)
{
	bool good = node->type == YAML_SCALAR && node->text[0] && strlen(node->text) <= max;

	for (const char *c = good ? node->text : ""; *c && good; c++)
		good = (unsigned char)*c >= 0x20 && *c != 0x7f;
	if (!good)
		fault(l, node->line, "%s must be text of 1 to %zu bytes without control characters", what,
		      max);
	else
		snprintf(ret, max + 1, "%s", node->text);
}

static void read_texts(struct loader *l, const struct yaml_node *node, const char *what, size_t max,
		       struct signature_texts *ret)
{
	if (node->type != YAML_LIST || !node->count || node->count > SIGNATURE_LIST_MAX || ret->items) {
		fault(l, node->line, "%s must be one list of 1 to %d texts", what, SIGNATURE_LIST_MAX);
		return;
	}
	ret->items = calloc(node->count, sizeof *ret->items);
	l->no_memory = l->no_memory || !ret->items;
	for (unsigned i = 0; ret->items && i < node->count; i++) {
		const struct yaml_node *n = &node->items[i];
		if (n->type != YAML_SCALAR || !n->text[0] || strlen(n->text) > max) {
			fault(l, n->line, "%s are texts of 1 to %zu bytes", what, max);
			continue;
		}
		char *copy = strdup(n->text);
		l->no_memory = l->no_memory || !copy;
		if (copy)
			ret->items[ret->count++] = copy;
	}
}

/* --- keys --- */

struct key {
	const char *name;
	void (*read)(struct loader *l, const struct yaml_node *value, struct signature *s);
};

static void read_id(struct loader *l, const struct yaml_node *n, struct signature *s)
{
	read_text(l, n, "id", s->id, SIGNATURE_ID_MAX);
	if (strspn(s->id, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(s->id))
		fault(l, n->line, "id may hold small letters, digits and \"-\"");
	for (unsigned i = 0; s->id[0] && i + 1 < l->rules->count; i++)
		if (strcmp(l->rules->items[i].id, s->id) == 0)
			fault(l, n->line, "\"%s\" is there twice", s->id);
	unsigned category;
	if (signature_category_parse(s->id, &category))
		fault(l, n->line, "\"%s\" is the name of a category", s->id);
}

static void read_name(struct loader *l, const struct yaml_node *n, struct signature *s)
{
	read_text(l, n, "name", s->name, SIGNATURE_NAME_MAX);
}

static void read_category(struct loader *l, const struct yaml_node *n, struct signature *s)
{
	unsigned category = 0;

	if (n->type != YAML_SCALAR || !signature_category_parse(n->text, &category))
		fault(l, n->line, "unknown category; docs/signatures.md has them");
	s->category = (uint8_t)category;
}

static void read_severity(struct loader *l, const struct yaml_node *n, struct signature *s)
{
	enum signature_severity severity = SIGNATURE_LOW;

	if (n->type != YAML_SCALAR || !signature_severity_parse(n->text, &severity))
		fault(l, n->line, "severity must be low, medium, high or critical");
	s->severity = (uint8_t)severity;
}

static void read_paranoia(struct loader *l, const struct yaml_node *n, struct signature *s)
{
	if (n->type != YAML_SCALAR || strlen(n->text) != 1 || n->text[0] < '1' ||
	    n->text[0] > '0' + SIGNATURE_PARANOIA_MAX)
		fault(l, n->line, "paranoia must be a number from 1 to %d", SIGNATURE_PARANOIA_MAX);
	else
		s->paranoia = (uint8_t)(n->text[0] - '0');
}

static void read_where(struct loader *l, const struct yaml_node *n, struct signature *s)
{
	uint8_t where = 0;

	for (unsigned i = 0; n->type == YAML_LIST && i < n->count; i++) {
		const char *text = n->items[i].type == YAML_SCALAR ? n->items[i].text : "";
		uint8_t before = where;
		for (unsigned w = 0; w < SIGNATURE_WHERES; w++)
			if (strcmp(text, wheres[w]) == 0)
				where |= (uint8_t)(1u << w);
		if (strcmp(text, "headers") == 0)
			where |= WHERE_HEADERS;
		if (where == before)
			fault(l, n->items[i].line,
			      "where is a list of path, query, headers, user_agent, referer, "
			      "cookie, forwarded, other, each once");
	}
	if (!where)
		fault(l, n->line, "where must be a list that is not empty");
	s->where = where;
}

static void read_words(struct loader *l, const struct yaml_node *n, struct signature *s)
{
	read_texts(l, n, "words", 64, &s->words);
}

static void read_regex(struct loader *l, const struct yaml_node *n, struct signature *s)
{
	read_texts(l, n, "regex", SIGNATURE_REGEX_MAX, &s->regexes);
}

static void read_matches(struct loader *l, const struct yaml_node *n, struct signature *s)
{
	read_texts(l, n, "matches", 1024, &s->matches);
}

static void read_passes(struct loader *l, const struct yaml_node *n, struct signature *s)
{
	read_texts(l, n, "passes", 1024, &s->passes);
}

static const struct key keys[] = {
	{"id", read_id},
	{"name", read_name},
	{"category", read_category},
	{"severity", read_severity},
	{"words", read_words},
	{"matches", read_matches},
	{"paranoia", read_paranoia},
	{"where", read_where},
	{"regex", read_regex},
	{"passes", read_passes},
};
#define KEYS_NEEDED 6 /* the first */

static void read_signature(struct loader *l, const struct yaml_node *node)
{
	uint32_t seen = 0;

	if (node->type != YAML_MAP) {
		fault(l, node->line, "a signature must be a mapping (key: value)");
		return;
	}
	if (l->rules->count == SIGNATURES_MAX) {
		fault(l, node->line, "more than %d signatures", SIGNATURES_MAX);
		return;
	}
	struct signature *more = realloc(l->rules->items, (l->rules->count + 1) * sizeof *more);
	if (!more) {
		l->no_memory = true;
		return;
	}
	l->rules->items = more;
	struct signature *s = &more[l->rules->count++];
	*s = (struct signature){.paranoia = 1, .where = WHERE_TARGET, .line = node->line};
	for (unsigned i = 0; i < node->count; i++) {
		unsigned k = 0;
		while (k < ARRAY_SIZE(keys) && strcmp(keys[k].name, node->keys[i].text) != 0)
			k++;
		if (k == ARRAY_SIZE(keys)) {
			fault(l, node->keys[i].line,
			      "unknown key \"%.48s\"; known here: id, name, category, severity, paranoia, "
			      "where, words, regex, matches, passes",
			      node->keys[i].text);
			continue;
		}
		seen |= 1u << k;
		keys[k].read(l, &node->items[i], s);
	}
	for (unsigned k = 0; k < KEYS_NEEDED; k++)
		if (!(seen & 1u << k))
			fault(l, node->line, "a signature needs \"%s\"", keys[k].name);
}

static void read_root(struct loader *l, const struct yaml_node *root)
{
	if (root->type != YAML_MAP || root->count != 1 || strcmp(root->keys[0].text, "signatures") != 0) {
		fault(l, MAX(root->line, 1u), "the file holds one key, \"signatures:\"");
		return;
	}
	const struct yaml_node *list = &root->items[0];
	if (list->type != YAML_LIST && list->type != YAML_NULL) {
		fault(l, list->line, "signatures must be a list");
		return;
	}
	for (unsigned i = 0; i < list->count && !l->no_memory; i++)
		read_signature(l, &list->items[i]);
}

/* --- files --- */

int signature_rules_parse(struct span yaml, const char *name, struct signature_rules *into,
			  struct buffer *errors)
{
	struct loader l = {.rules = into, .name = name, .errors = errors};
	struct yaml_node root = {0};
	int r = config_yaml_parse(yaml, name, &root, errors);

	if (r)
		return r < 0 ? r : CONFIG_E_INVALID;
	read_root(&l, &root);
	yaml_node_free(&root);
	return l.no_memory ? -ENOMEM : l.bad ? CONFIG_E_INVALID : 0;
}

int signature_rules_load_file(const char *path, struct signature_rules *into, struct buffer *errors)
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
	return signature_rules_parse((struct span){bytes, len}, path, into, errors);
}

int signature_rules_load_shipped(struct signature_rules *into, struct buffer *errors)
{
	for (const struct shipped_file *f = shipped_signatures; f->name; f++) {
		int r = signature_rules_parse((struct span){(const char *)f->bytes, f->len}, f->name, into,
					      errors);
		if (r)
			return r;
	}
	return 0;
}

static void texts_free(struct signature_texts *t)
{
	for (unsigned i = 0; i < t->count; i++)
		free(t->items[i]);
	free(t->items);
}

void signature_rules_free(struct signature_rules *r)
{
	for (unsigned i = 0; i < r->count; i++) {
		texts_free(&r->items[i].words);
		texts_free(&r->items[i].regexes);
		texts_free(&r->items[i].matches);
		texts_free(&r->items[i].passes);
	}
	free(r->items);
	*r = (struct signature_rules){0};
}
