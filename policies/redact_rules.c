// SPDX-License-Identifier: Apache-2.0
#include "policies/redact_rules.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/config_yaml.h"
#include "lib/util.h"
#include "policies/shipped.h"

#define NAME_MAX_LEN 64
#define FILE_MAX     CONFIG_YAML_BYTES_MAX

_Static_assert(REDACT_PATTERNS_MAX <= TOKEN_PREFIXES_MAX, "text_add bounds both");

struct loader {
	struct redact_rules *rules;
	const char *name;
	struct buffer *errors;
	unsigned rank; /* of the next credential header */
	bool bad;
};

static void fault(struct loader *l, unsigned line, const char *what, const char *text)
{
	l->bad = true;
	buffer_printf(l->errors, "%s:%u: ", l->name, line);
	if (text)
		buffer_printf(l->errors, "\"%.64s\" ", text);
	buffer_printf(l->errors, "%s\n", what);
}

/* --- names --- */
static inline unsigned char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : (unsigned char)c;
}

/* Length and both ends tell apart nearly all names; what is left is compared. */
static inline unsigned name_slot(struct span name)
{
	return (unsigned)(name.len * 7 + lower(name.ptr[0]) * 31u + lower(name.ptr[name.len - 1])) & 0xff;
}

const struct redact_name *redact_name_find(const struct redact_names *names, struct span name)
{
	if (!name.len)
		return NULL;
	for (const struct redact_name *n = names->slots[name_slot(name)]; n; n = n->next) {
		if (n->name.len != name.len)
			continue;
		/* The two ways in which names are sent first: folding case takes twice the time. */
		if (!memcmp(n->train, name.ptr, name.len) || !memcmp(n->name.ptr, name.ptr, name.len) ||
		    span_equal_nocase(n->name, name))
			return n;
	}
	return NULL;
}

static struct redact_name *name_of(struct redact_names *names, struct span name)
{
	return (struct redact_name *)redact_name_find(names, name);
}

/* *ret: the new one. 0 or -ENOMEM. Both texts lie behind it. */
static int name_add(struct redact_names *names, struct span name, struct redact_name **ret)
{
	struct redact_name *n = calloc(1, sizeof *n + 2 * name.len);

	if (!n)
		return -ENOMEM;
	char *text = (char *)(n + 1), *train = text + name.len;
	for (size_t i = 0; i < name.len; i++) {
		text[i] = (char)lower(name.ptr[i]);
		bool begins = i == 0 || text[i - 1] == '-';
		train[i] = begins && text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 32) : text[i];
	}
	n->name = (struct span){text, name.len};
	n->train = train;
	unsigned slot = name_slot(n->name);
	n->next = names->slots[slot];
	names->slots[slot] = n;
	names->count++;
	*ret = n;
	return 0;
}

static void names_free(struct redact_names *names)
{
	for (size_t i = 0; i < ARRAY_SIZE(names->slots); i++)
		while (names->slots[i]) {
			struct redact_name *n = names->slots[i];
			names->slots[i] = n->next;
			free(n);
		}
}

/* --- lists --- */
typedef int (*each_fn)(struct loader *l, const struct yaml_node *item, unsigned value);

static int list_read(struct loader *l, const struct yaml_node *node, each_fn each, unsigned value)
{
	if (node->type == YAML_NULL)
		return 0;
	if (node->type != YAML_LIST) {
		fault(l, node->line, "a list is needed here, such as [a, b]", NULL);
		return 0;
	}
	for (unsigned i = 0; i < node->count; i++) {
		const struct yaml_node *item = &node->items[i];
		if (item->type != YAML_SCALAR || !item->text[0] || strlen(item->text) > NAME_MAX_LEN) {
			fault(l, item->line, "a text of 1 to 64 bytes is needed here", NULL);
			continue;
		}
		int r = each(l, item, value);
		if (r)
			return r;
	}
	return 0;
}

static bool names_full(struct loader *l, const struct redact_names *names, unsigned line)
{
	if (names->count < REDACT_NAMES_MAX)
		return false;
	fault(l, line, "is one name too many", NULL);
	return true;
}

static int header_add(struct loader *l, const struct yaml_node *item, unsigned treatment)
{
	struct span name = span_from(item->text);
	struct redact_name *n;

	if (strspn(item->text,
		   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") !=
	    name.len) {
		fault(l, item->line, "is no header field name", item->text);
		return 0;
	}
	if (name_of(&l->rules->headers, name)) {
		fault(l, item->line, "stands in two lists of headers", item->text);
		return 0;
	}
	if (names_full(l, &l->rules->headers, item->line))
		return 0;
	int r = name_add(&l->rules->headers, name, &n);
	if (r)
		return r;
	n->treatment = treatment;
	if (treatment == HEADER_KEEP && span_equal(n->name, SPAN("host")))
		n->treatment = HEADER_HOST;
	n->allowed = treatment != HEADER_SCHEME && treatment != HEADER_API_KEY;
	n->user_agent = span_equal(n->name, SPAN("user-agent"));
	n->rank = n->allowed ? REDACT_RANK_NONE : l->rank++;
	return 0;
}

static int flag_add(struct loader *l, struct redact_names *names, const struct yaml_node *item, unsigned flag)
{
	struct span name = span_from(item->text);
	struct redact_name *n = name_of(names, name);
	int r = 0;

	if (!n && names_full(l, names, item->line))
		return 0;
	if (!n)
		r = name_add(names, name, &n);
	if (r)
		return r;
	n->treatment |= flag;
	if (n->treatment & PARAMETER_KEEP && n->treatment != PARAMETER_KEEP)
		fault(l, item->line, "is to be kept and to be hidden", item->text);
	return 0;
}

static int parameter_add(struct loader *l, const struct yaml_node *item, unsigned flag)
{
	return flag_add(l, &l->rules->parameters, item, flag);
}

static int cookie_add(struct loader *l, const struct yaml_node *item, unsigned flag)
{
	return flag_add(l, &l->rules->cookies, item, flag);
}

static int text_add(struct loader *l, struct config_strings *into, const struct yaml_node *item, bool fold)
{
	if (into->count == REDACT_PATTERNS_MAX) {
		fault(l, item->line, "is one too many", item->text);
		return 0;
	}
	if (!into->items)
		into->items = calloc(REDACT_PATTERNS_MAX, sizeof *into->items);
	char *text = into->items ? strdup(item->text) : NULL;
	if (!text)
		return -ENOMEM;
	for (char *c = text; fold && *c; c++)
		*c = (char)lower(*c);
	into->items[into->count++] = text;
	return 0;
}

static void texts_free(struct config_strings *s)
{
	for (unsigned i = 0; i < s->count; i++)
		free(s->items[i]);
	free(s->items);
}

static int pattern_add(struct loader *l, const struct yaml_node *item, unsigned not_session)
{
	return text_add(l, not_session ? &l->rules->not_session : &l->rules->session, item, true);
}

static int prefix_add(struct loader *l, const struct yaml_node *item, unsigned value)
{
	struct token_rules *t = &l->rules->tokens;

	(void)value;
	if (t->prefixes.count < TOKEN_PREFIXES_MAX)
		t->prefix_len[t->prefixes.count] = (uint8_t)strlen(item->text);
	t->prefix_first[(unsigned char)item->text[0]] = true;
	return text_add(l, &t->prefixes, item, false);
}

static int find_add(struct loader *l, const struct yaml_node *item, unsigned value)
{
	static const struct {
		const char *name;
		enum token_kind kind;
	} kinds[] = {{"jwt", TOKEN_JWT},
		     {"email", TOKEN_EMAIL},
		     {"card", TOKEN_CARD},
		     {"uuid", TOKEN_UUID},
		     {"random", TOKEN_RANDOM}};

	(void)value;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(item->text, kinds[i].name) == 0) {
			l->rules->tokens.find |= 1u << kinds[i].kind;
			return 0;
		}
	fault(l, item->line, "is no kind of secret: jwt, email, card, uuid, random", item->text);
	return 0;
}

/* --- the file --- */
struct entry {
	const char *section, *key;
	each_fn each;
	unsigned value;
};

static const struct entry entries[] = {
	{"headers", "keep", header_add, HEADER_KEEP},
	{"headers", "targets", header_add, HEADER_TARGET},
	{"headers", "cookies", header_add, HEADER_COOKIE},
	{"headers", "hash", header_add, HEADER_HASH},
	{"headers", "verbatim", header_add, HEADER_VERBATIM},
	{"credentials", "schemes", header_add, HEADER_SCHEME},
	{"credentials", "keys", header_add, HEADER_API_KEY},
	{"credentials", "cookies", pattern_add, false},
	{"credentials", "other_cookies", pattern_add, true},
	{"credentials", "parameters", parameter_add, PARAMETER_CREDENTIAL},
	{"parameters", "keep", parameter_add, PARAMETER_KEEP},
	{"parameters", "secret", parameter_add, PARAMETER_SECRET},
	{"cookies", "keep", cookie_add, PARAMETER_KEEP},
	{"tokens", "find", find_add, 0},
	{"tokens", "random_min", NULL, 0},
	{"tokens", "prefixes", prefix_add, 0},
};

static void random_min_read(struct loader *l, const struct yaml_node *node)
{
	char *end = NULL;
	unsigned long v = node->type == YAML_SCALAR ? strtoul(node->text, &end, 10) : 0;

	if (!end || *end || v < TOKEN_RANDOM_MIN_LEAST || v > 64)
		fault(l, node->line, "random_min is a number from 12 to 64", NULL);
	else
		l->rules->tokens.random_min = (unsigned)v;
}

static int key_read(struct loader *l, const char *section, const struct yaml_key *key,
		    const struct yaml_node *value)
{
	bool section_known = false;

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		if (strcmp(entries[i].section, section) != 0)
			continue;
		section_known = true;
		if (strcmp(entries[i].key, key->text) != 0)
			continue;
		if (entries[i].each)
			return list_read(l, value, entries[i].each, entries[i].value);
		random_min_read(l, value);
		return 0;
	}
	fault(l, key->line, section_known ? "is no key of this section" : "stands in an unknown section",
	      key->text);
	return 0;
}

static bool section_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		if (strcmp(entries[i].section, name) == 0)
			return true;
	return false;
}

static int root_read(struct loader *l, const struct yaml_node *root)
{
	int r = 0;

	if (root->type != YAML_MAP) {
		fault(l, root->line ? root->line : 1,
		      "sections are needed: headers, credentials, parameters, cookies, "
		      "tokens",
		      NULL);
		return 0;
	}
	for (unsigned i = 0; i < root->count && !r; i++) {
		const struct yaml_node *section = &root->items[i];
		const char *name = root->keys[i].text;
		if (!section_known(name)) {
			fault(l, root->keys[i].line,
			      "is no section: headers, credentials, parameters, cookies, tokens", name);
			continue;
		}
		if (section->type == YAML_NULL)
			continue;
		if (section->type != YAML_MAP) {
			fault(l, section->line, "holds lists by name", name);
			continue;
		}
		for (unsigned k = 0; k < section->count && !r; k++)
			r = key_read(l, name, &section->keys[k], &section->items[k]);
	}
	return r;
}

int redact_rules_parse(struct span yaml, const char *name, struct redact_rules **ret, struct buffer *errors)
{
	struct loader l = {.name = name, .errors = errors};
	struct yaml_node root = {.type = YAML_NULL};
	int r = config_yaml_parse(yaml, name, &root, errors);

	if (r)
		return r < 0 ? r : CONFIG_E_INVALID;
	l.rules = calloc(1, sizeof *l.rules);
	r = l.rules ? 0 : -ENOMEM;
	if (!r) {
		l.rules->tokens.random_min = 16;
		r = root_read(&l, &root);
	}
	yaml_node_free(&root);
	if (!r && l.bad)
		r = CONFIG_E_INVALID;
	if (r) {
		redact_rules_free(l.rules);
		return r;
	}
	*ret = l.rules;
	return 0;
}

void redact_rules_free(struct redact_rules *r)
{
	if (!r)
		return;
	names_free(&r->headers);
	names_free(&r->parameters);
	names_free(&r->cookies);
	texts_free(&r->session);
	texts_free(&r->not_session);
	texts_free(&r->tokens.prefixes);
	free(r);
}

/* --- from where --- */
static int file_load(const char *path, struct redact_rules **ret, struct buffer *errors)
{
	_cleanup_free_ char *bytes = malloc(FILE_MAX + 1);
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	if (!bytes)
		return -ENOMEM;
	size_t len = file ? fread(bytes, 1, FILE_MAX + 1, file) : 0;
	if (!file || ferror(file)) {
		buffer_printf(errors, "%s: cannot be read: %s\n", path, strerror(errno));
		return CONFIG_E_INVALID;
	}
	if (len > FILE_MAX) {
		buffer_printf(errors, "%s: is larger than %d bytes\n", path, FILE_MAX);
		return CONFIG_E_INVALID;
	}
	return redact_rules_parse((struct span){bytes, len}, path, ret, errors);
}

/* An allow list of the configuration: only what stands in it, as the rules treat it. */
static int allow_only(struct redact_rules *r, const struct config_strings *allowed)
{
	struct redact_names *names = &r->headers;

	for (size_t i = 0; i < ARRAY_SIZE(names->slots); i++)
		for (struct redact_name *n = names->slots[i]; n; n = n->next)
			n->allowed = false;
	for (unsigned i = 0; i < allowed->count; i++) {
		struct span name = span_from(allowed->items[i]);
		struct redact_name *n = name_of(names, name);
		if (!n) {
			int e = name_add(names, name, &n);
			if (e)
				return e;
			n->treatment = span_equal(n->name, SPAN("host")) ? HEADER_HOST : HEADER_KEEP;
			n->user_agent = span_equal(n->name, SPAN("user-agent"));
			n->rank = REDACT_RANK_NONE;
		}
		n->allowed = n->treatment != HEADER_SCHEME && n->treatment != HEADER_API_KEY;
	}
	return 0;
}

int redact_rules_load(const struct config *config, struct redact_rules **ret, struct buffer *errors)
{
	const struct shipped_file *shipped = &shipped_redaction[0];
	const struct config_strings *files = &config->redact.policies;
	struct redact_rules *rules = NULL;
	int r;

	if (files->count)
		r = file_load(files->items[0], &rules, errors);
	else
		r = redact_rules_parse((struct span){(const char *)shipped->bytes, shipped->len},
				       shipped->name, &rules, errors);
	if (!r && config->redact.headers.count)
		r = allow_only(rules, &config->redact.headers);
	if (r) {
		redact_rules_free(rules);
		return r;
	}
	*ret = rules;
	return 0;
}

/* --- cookies --- */
static bool contains(struct span text, struct span word)
{
	for (size_t i = 0; i + word.len <= text.len; i++)
		if (strncasecmp(text.ptr + i, word.ptr, word.len) == 0)
			return true;
	return false;
}

/* pattern: "*" at its beginning or end, or none. */
static bool pattern_matches(const char *pattern, struct span name)
{
	struct span word = span_from(pattern);
	bool open_start = pattern[0] == '*', open_end;

	if (open_start)
		word = (struct span){word.ptr + 1, word.len - 1};
	open_end = word.len && word.ptr[word.len - 1] == '*';
	word.len -= open_end;
	if (word.len > name.len)
		return false;
	if (open_start && open_end)
		return contains(name, word);
	struct span part = {open_start ? name.ptr + name.len - word.len : name.ptr, word.len};
	return (open_start || open_end || name.len == word.len) && span_equal_nocase(part, word);
}

bool redact_rules_session(const struct redact_rules *r, struct span cookie)
{
	bool session = false;

	for (unsigned i = 0; i < r->session.count && !session; i++)
		session = pattern_matches(r->session.items[i], cookie);
	for (unsigned i = 0; i < r->not_session.count && session; i++)
		session = !pattern_matches(r->not_session.items[i], cookie);
	return session;
}
