// SPDX-License-Identifier: Apache-2.0
#include "policies/signature_rules.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/config.h"
#include "lib/config_yaml.h"
#include "lib/util.h"
#include "policies/rule_file.h"
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

static void read_texts(struct rule_file *f, const struct yaml_node *node, const char *what, size_t max,
		       struct signature_texts *ret)
{
	if (node->type != YAML_LIST || !node->count || node->count > SIGNATURE_LIST_MAX || ret->items) {
		rule_fault(f, node->line, "%s must be one list of 1 to %d texts", what, SIGNATURE_LIST_MAX);
		return;
	}
	ret->items = calloc(node->count, sizeof *ret->items);
	f->no_memory = f->no_memory || !ret->items;
	for (unsigned i = 0; ret->items && i < node->count; i++) {
		const struct yaml_node *n = &node->items[i];
		if (n->type != YAML_SCALAR || !n->text[0] || strlen(n->text) > max) {
			rule_fault(f, n->line, "%s are texts of 1 to %zu bytes", what, max);
			continue;
		}
		char *copy = strdup(n->text);
		f->no_memory = f->no_memory || !copy;
		if (copy)
			ret->items[ret->count++] = copy;
	}
}

/* --- keys --- */

static void read_id(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct signature *s = to;
	const struct signature_rules *rules = f->into;

	rule_text(f, n, "id", s->id, SIGNATURE_ID_MAX);
	if (strspn(s->id, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(s->id))
		rule_fault(f, n->line, "id may hold small letters, digits and \"-\"");
	for (unsigned i = 0; s->id[0] && i + 1 < rules->count; i++)
		if (strcmp(rules->items[i].id, s->id) == 0)
			rule_fault(f, n->line, "\"%s\" is there twice", s->id);
	unsigned category;
	if (signature_category_parse(s->id, &category))
		rule_fault(f, n->line, "\"%s\" is the name of a category", s->id);
}

static void read_name(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct signature *s = to;

	rule_text(f, n, "name", s->name, SIGNATURE_NAME_MAX);
}

static void read_category(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct signature *s = to;
	unsigned category = 0;

	if (n->type != YAML_SCALAR || !signature_category_parse(n->text, &category))
		rule_fault(f, n->line, "unknown category; docs/signatures.md has them");
	s->category = (uint8_t)category;
}

static void read_severity(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct signature *s = to;
	enum signature_severity severity = SIGNATURE_LOW;

	if (n->type != YAML_SCALAR || !signature_severity_parse(n->text, &severity))
		rule_fault(f, n->line, "severity must be low, medium, high or critical");
	s->severity = (uint8_t)severity;
}

static void read_paranoia(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct signature *s = to;

	if (n->type != YAML_SCALAR || strlen(n->text) != 1 || n->text[0] < '1' ||
	    n->text[0] > '0' + SIGNATURE_PARANOIA_MAX)
		rule_fault(f, n->line, "paranoia must be a number from 1 to %d", SIGNATURE_PARANOIA_MAX);
	else
		s->paranoia = (uint8_t)(n->text[0] - '0');
}

static void read_where(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct signature *s = to;
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
			rule_fault(f, n->items[i].line,
				   "where is a list of path, query, headers, user_agent, referer, "
				   "cookie, forwarded, other, each once");
	}
	if (!where)
		rule_fault(f, n->line, "where must be a list that is not empty");
	s->where = where;
}

static void read_referer(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct signature *s = to;

	s->referred = n->type == YAML_SCALAR && strcmp(n->text, "other") == 0;
	if (!s->referred)
		rule_fault(f, n->line, "referer must be other");
}

static void read_words(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct signature *s = to;

	read_texts(f, n, "words", 64, &s->words);
}

static void read_regex(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct signature *s = to;

	read_texts(f, n, "regex", SIGNATURE_REGEX_MAX, &s->regexes);
}

static void read_matches(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct signature *s = to;

	read_texts(f, n, "matches", 1024, &s->matches);
}

static void read_passes(struct rule_file *f, const struct yaml_node *n, void *to)
{
	struct signature *s = to;

	read_texts(f, n, "passes", 1024, &s->passes);
}

static const struct rule_key keys[] = {
	{"id", read_id},
	{"name", read_name},
	{"category", read_category},
	{"severity", read_severity},
	{"words", read_words},
	{"matches", read_matches},
	{"paranoia", read_paranoia},
	{"where", read_where},
	{"referer", read_referer},
	{"regex", read_regex},
	{"passes", read_passes},
};
#define KEYS_NEEDED 6 /* the first */

static void read_signature(struct rule_file *f, const struct yaml_node *node)
{
	struct signature_rules *rules = f->into;

	if (rules->count == SIGNATURES_MAX) {
		rule_fault(f, node->line, "more than %d signatures", SIGNATURES_MAX);
		return;
	}
	struct signature *more = realloc(rules->items, (rules->count + 1) * sizeof *more);
	if (!more) {
		f->no_memory = true;
		return;
	}
	rules->items = more;
	struct signature *s = &more[rules->count++];
	*s = (struct signature){.paranoia = 1, .where = WHERE_TARGET, .line = node->line};
	uint32_t seen = rule_mapping(f, node, "a signature", keys, ARRAY_SIZE(keys), s);
	for (unsigned k = 0; node->type == YAML_MAP && k < KEYS_NEEDED; k++)
		if (!(seen & 1u << k))
			rule_fault(f, node->line, "a signature needs \"%s\"", keys[k].name);
}

/* --- files --- */

static const struct rule_kind kind = {"signatures", read_signature};

int signature_rules_parse(struct span yaml, const char *name, struct signature_rules *into,
			  struct buffer *errors)
{
	return rule_file_parse(&kind, yaml, name, into, errors);
}

int signature_rules_load_file(const char *path, struct signature_rules *into, struct buffer *errors)
{
	return rule_file_load(&kind, path, into, errors);
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
