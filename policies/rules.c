// SPDX-License-Identifier: Apache-2.0
#include "policies/rules.h"
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <yaml.h>
#include "lib/config.h"
#include "lib/http_request.h"
#include "lib/util.h"
#include "policies/shipped.h"
#include "policies/signature_rules.h"

/*
 * One file being read. A fault is written down, and reading goes on, so that a person sees all of them at
 * once; only memory ends it.
 */
struct loader {
	yaml_document_t *doc;
	const char *name, *dir;
	struct rules *rules;
	struct buffer *errors;
	bool bad;
};

__attribute__((format(printf, 3, 4))) static void fault(struct loader *l, unsigned line, const char *format,
							...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	l->bad = true;
	if (line)
		buffer_printf(l->errors, "%s:%u: %s\n", l->name, line, text);
	else
		buffer_printf(l->errors, "%s: %s\n", l->name, text);
}

static unsigned line_of(const yaml_node_t *n)
{
	return (unsigned)n->start_mark.line + 1;
}

static struct span scalar_of(const yaml_node_t *n)
{
	return (struct span){(const char *)n->data.scalar.value, n->data.scalar.length};
}

/* --- growing --- */

/* Room for one more of item bytes; zeroed. NULL: out of memory. */
static void *grow(void **items, unsigned *count, unsigned *size, size_t item)
{
	if (*count == *size) {
		unsigned more = *size ? *size * 2 : 8;
		void *bigger = realloc(*items, more * item);
		if (!bigger)
			return NULL;
		*items = bigger;
		*size = more;
	}
	void *at = (char *)*items + (size_t)(*count)++ * item;
	memset(at, 0, item);
	return at;
}

static void match_free(struct rule_match *m)
{
	for (unsigned i = 0; i < m->method_count; i++)
		free(m->methods[i]);
	free(m->methods);
	for (unsigned s = 0; s < SUBJECTS; s++) {
		for (unsigned i = 0; i < m->patterns[s].count; i++)
			free(m->patterns[s].items[i].text);
		free(m->patterns[s].items);
	}
	for (unsigned i = 0; i < m->unless.count; i++)
		free(m->unless.items[i].text);
	free(m->unless.items);
}

void rules_free(struct rules *r)
{
	for (unsigned i = 0; i < r->count; i++) {
		struct rule *rule = &r->items[i];
		for (unsigned j = 0; j < rule->match_count; j++)
			match_free(&rule->matches[j]);
		free(rule->matches);
		free(rule->name);
		free(rule->description);
		free(rule->file);
	}
	free(r->items);
	*r = (struct rules){0};
}

/* --- shapes of YAML --- */
struct key {
	const char *name;
	int (*read)(struct loader *l, yaml_node_t *value, void *into); /* 0 or -ENOMEM */
};

static void fault_unknown(struct loader *l, const yaml_node_t *node, struct span name, const struct key *keys,
			  unsigned count)
{
	char known[384] = "";

	for (unsigned i = 0; i < count; i++) {
		size_t at = strlen(known);
		snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", keys[i].name);
	}
	fault(l, line_of(node), "unknown key \"%.*s\"; known here: %s", (int)MIN(name.len, (size_t)64),
	      name.ptr, known);
}

static int read_pair(struct loader *l, const yaml_node_pair_t *pair, const struct key *keys, unsigned count,
		     uint32_t *seen, void *into)
{
	const yaml_node_t *key = yaml_document_get_node(l->doc, pair->key);
	yaml_node_t *value = yaml_document_get_node(l->doc, pair->value);

	if (key->type != YAML_SCALAR_NODE) {
		fault(l, line_of(key), "a key must be a plain word");
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		if (!span_equal(scalar_of(key), span_from(keys[i].name)))
			continue;
		if (*seen & 1u << i) {
			fault(l, line_of(key), "\"%s\" is there twice", keys[i].name);
			return 0;
		}
		*seen |= 1u << i;
		return keys[i].read(l, value, into);
	}
	fault_unknown(l, key, scalar_of(key), keys, count);
	return 0;
}

/* what: for messages, "a detection". ret_seen (may be NULL): bit i is set if keys[i] was there. */
static int read_mapping(struct loader *l, const yaml_node_t *node, const char *what, const struct key *keys,
			unsigned count, void *into, uint32_t *ret_seen)
{
	uint32_t seen = 0;

	if (node->type != YAML_MAPPING_NODE) {
		fault(l, line_of(node), "%s must be a mapping (key: value)", what);
		return 0;
	}
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
	     p++) {
		int r = read_pair(l, p, keys, count, &seen, into);
		if (r)
			return r;
	}
	if (ret_seen)
		*ret_seen = seen;
	return 0;
}

static int read_list(struct loader *l, const yaml_node_t *node, const char *what,
		     int (*each)(struct loader *l, yaml_node_t *item, void *into), void *into)
{
	if (node->type != YAML_SEQUENCE_NODE ||
	    node->data.sequence.items.start == node->data.sequence.items.top) {
		fault(l, line_of(node), "%s must be a list that is not empty", what);
		return 0;
	}
	for (const yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
	     i++) {
		int r = each(l, yaml_document_get_node(l->doc, *i), into);
		if (r)
			return r;
	}
	return 0;
}

/* Text of 1 to max bytes, none of them a control character. *ret stays NULL if it is not. */
static int read_text(struct loader *l, const yaml_node_t *node, const char *what, size_t max, char **ret)
{
	struct span s = node->type == YAML_SCALAR_NODE ? scalar_of(node) : SPAN_NULL;
	bool good = s.len > 0 && s.len <= max;

	for (size_t i = 0; i < s.len && good; i++)
		good = (unsigned char)s.ptr[i] >= 0x20 && s.ptr[i] != 0x7f;
	if (!good) {
		fault(l, line_of(node), "%s must be text of 1 to %zu characters without control characters",
		      what, max);
		return 0;
	}
	free(*ret);
	*ret = strndup(s.ptr, s.len);
	return *ret ? 0 : -ENOMEM;
}

static void read_duration(struct loader *l, const yaml_node_t *node, const char *what, uint64_t *ret_ns)
{
	uint64_t ms = 0;

	if (node->type != YAML_SCALAR_NODE || config_duration_parse(scalar_of(node), &ms) || ms == 0 ||
	    ms > UINT64_C(30) * 24 * 3600 * 1000)
		fault(l, line_of(node), "%s must be a time from 1ms to 30d, such as 90s or 15m", what);
	else
		*ret_ns = ms * NS_PER_MS;
}

/* --- patterns --- */
static int pattern_add(struct loader *l, unsigned line, struct patterns *into, enum pattern_kind kind,
		       struct span text)
{
	if (text.len == 0 || text.len > RULES_PATTERN_LEN_MAX || memchr(text.ptr, 0, text.len)) {
		fault(l, line, "a pattern has 1 to %d bytes and no zero byte", RULES_PATTERN_LEN_MAX);
		return 0;
	}
	if (l->rules->pattern_count >= RULES_PATTERNS_MAX) {
		if (l->rules->pattern_count == RULES_PATTERNS_MAX) /* said once */
			fault(l, line, "more than %d patterns", RULES_PATTERNS_MAX);
		l->rules->pattern_count = RULES_PATTERNS_MAX + 1;
		return 0;
	}
	struct pattern *p = grow((void **)&into->items, &into->count, &into->size, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->kind = kind;
	p->line = line;
	p->text = strndup(text.ptr, text.len);
	if (!p->text) {
		into->count--;
		return -ENOMEM;
	}
	l->rules->pattern_count++;
	return 0;
}

struct pattern_target {
	struct patterns *into;
	enum pattern_kind kind;
};

static int read_pattern(struct loader *l, yaml_node_t *item, void *into)
{
	const struct pattern_target *t = into;

	if (item->type != YAML_SCALAR_NODE) {
		fault(l, line_of(item), "a pattern must be text");
		return 0;
	}
	return pattern_add(l, line_of(item), t->into, t->kind, scalar_of(item));
}

static int read_pattern_list(struct loader *l, const yaml_node_t *node, struct patterns *into,
			     enum pattern_kind kind)
{
	struct pattern_target t = {into, kind};

	return read_list(l, node, "patterns", read_pattern, &t);
}

static int patterns_exact(struct loader *l, yaml_node_t *n, void *into)
{
	return read_pattern_list(l, n, into, PATTERN_EXACT);
}

static int patterns_prefix(struct loader *l, yaml_node_t *n, void *into)
{
	return read_pattern_list(l, n, into, PATTERN_PREFIX);
}

static int patterns_suffix(struct loader *l, yaml_node_t *n, void *into)
{
	return read_pattern_list(l, n, into, PATTERN_SUFFIX);
}

static int patterns_contains(struct loader *l, yaml_node_t *n, void *into)
{
	return read_pattern_list(l, n, into, PATTERN_CONTAINS);
}

static int patterns_glob(struct loader *l, yaml_node_t *n, void *into)
{
	return read_pattern_list(l, n, into, PATTERN_GLOB);
}

static int patterns_regex(struct loader *l, yaml_node_t *n, void *into)
{
	return read_pattern_list(l, n, into, PATTERN_REGEX);
}

static int read_word_file(struct loader *l, const yaml_node_t *node, FILE *file, struct patterns *into)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, file) >= 0 && l->rules->pattern_count <= RULES_PATTERNS_MAX) {
		struct span text = {line, strcspn(line, "\r\n")};
		text = span_trim(text);
		if (!text.len || text.ptr[0] == '#')
			continue;
		int r = pattern_add(l, line_of(node), into, PATTERN_EXACT, text);
		if (r)
			return r;
	}
	return 0;
}

static int patterns_file(struct loader *l, yaml_node_t *node, void *into)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_free_ char *path = NULL;
	int r = read_text(l, node, "file", 255, &name);

	if (r || !name)
		return r;
	if (!l->dir || strchr(name, '/')) {
		fault(l, line_of(node), "file must name a file in the directory of the rule file");
		return 0;
	}
	if (asprintf(&path, "%s/%s", l->dir, name) < 0)
		return -ENOMEM;
	struct stat st;
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	if (!file || fstat(fileno(file), &st)) {
		fault(l, line_of(node), "cannot read %s: %s", path, strerror(errno));
		return 0;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > RULES_FILE_MAX) {
		fault(l, line_of(node), "%s is no plain file of at most %d bytes", path, RULES_FILE_MAX);
		return 0;
	}
	return read_word_file(l, node, file, into);
}

static const struct key pattern_keys[] = {
	{"contains", patterns_contains}, {"regex", patterns_regex}, {"prefix", patterns_prefix},
	{"suffix", patterns_suffix},     {"exact", patterns_exact}, {"glob", patterns_glob},
	{"file", patterns_file},
};

/* Only paths have a form in which exact comparison, globs and lists of files make sense. */
#define TEXT_PATTERN_KEYS 4

static int read_paths(struct loader *l, yaml_node_t *n, void *into)
{
	struct rule_match *m = into;

	return read_mapping(l, n, "paths", pattern_keys, ARRAY_SIZE(pattern_keys), &m->patterns[SUBJECT_PATH],
			    NULL);
}

static int read_targets(struct loader *l, yaml_node_t *n, void *into)
{
	struct rule_match *m = into;

	return read_mapping(l, n, "targets", pattern_keys, TEXT_PATTERN_KEYS, &m->patterns[SUBJECT_TARGET],
			    NULL);
}

static int read_user_agents(struct loader *l, yaml_node_t *n, void *into)
{
	struct rule_match *m = into;

	return read_mapping(l, n, "user_agents", pattern_keys, TEXT_PATTERN_KEYS,
			    &m->patterns[SUBJECT_USER_AGENT], NULL);
}

static int read_unless(struct loader *l, yaml_node_t *n, void *into)
{
	struct rule_match *m = into;

	return read_mapping(l, n, "unless_user_agents", pattern_keys, 1, &m->unless, NULL);
}

/* --- the other conditions --- */
static int read_method(struct loader *l, yaml_node_t *item, void *into)
{
	struct rule_match *m = into;
	char *text = NULL;
	int r = read_text(l, item, "a method", 32, &text);

	if (r || !text)
		return r;
	if (m->method_count == 32) {
		fault(l, line_of(item), "more than 32 methods");
		free(text);
		return 0;
	}
	char **at = grow((void **)&m->methods, &m->method_count, &m->method_size, sizeof *at);
	if (!at) {
		free(text);
		return -ENOMEM;
	}
	*at = text;
	return 0;
}

static int read_methods(struct loader *l, yaml_node_t *n, void *into)
{
	return read_list(l, n, "methods", read_method, into);
}

static int read_deviation(struct loader *l, yaml_node_t *item, void *into)
{
	struct rule_match *m = into;

	for (unsigned bit = 0; item->type == YAML_SCALAR_NODE && bit < HTTP_DEV_BITS; bit++) {
		/* after_gap is our blindness, not the client's doing: no rule may hold it against him. */
		if (1u << bit == HTTP_DEV_AFTER_GAP)
			continue;
		if (!span_equal(scalar_of(item),
				span_from(http_deviation_name((enum http_deviation)(1u << bit)))))
			continue;
		m->deviations |= 1u << bit;
		return 0;
	}
	if (item->type == YAML_SCALAR_NODE)
		fault(l, line_of(item), "unknown deviation \"%.64s\"", (const char *)item->data.scalar.value);
	else
		fault(l, line_of(item), "a deviation must be a name");
	return 0;
}

static int read_deviations(struct loader *l, yaml_node_t *n, void *into)
{
	return read_list(l, n, "deviations", read_deviation, into);
}

static int read_documented(struct loader *l, yaml_node_t *n, void *into)
{
	struct rule_match *m = into;
	struct span s = n->type == YAML_SCALAR_NODE ? scalar_of(n) : SPAN_NULL;

	if (span_equal(s, SPAN("true")))
		m->documented = DOCUMENTED_YES;
	else if (span_equal(s, SPAN("false")))
		m->documented = DOCUMENTED_NO;
	else
		fault(l, line_of(n), "documented must be true or false");
	return 0;
}

/* --- signatures --- */
static int read_signature_category(struct loader *l, yaml_node_t *item, void *into)
{
	struct rule_match *m = into;
	unsigned category = 0;

	if (item->type != YAML_SCALAR_NODE ||
	    !signature_category_parse((const char *)item->data.scalar.value, &category))
		fault(l, line_of(item), "unknown category of signatures; docs/signatures.md has them");
	else
		m->signature_categories |= (uint16_t)(1u << category);
	return 0;
}

static int read_signature_categories(struct loader *l, yaml_node_t *n, void *into)
{
	return read_list(l, n, "category", read_signature_category, into);
}

static int read_signature_severity(struct loader *l, yaml_node_t *n, void *into)
{
	struct rule_match *m = into;
	enum signature_severity severity = SIGNATURE_LOW;

	if (n->type != YAML_SCALAR_NODE ||
	    !signature_severity_parse((const char *)n->data.scalar.value, &severity))
		fault(l, line_of(n), "severity must be low, medium, high or critical");
	m->signature_severity = (uint8_t)severity;
	return 0;
}

static int read_signature_score(struct loader *l, yaml_node_t *n, void *into)
{
	struct rule_match *m = into;
	struct span s = n->type == YAML_SCALAR_NODE ? scalar_of(n) : SPAN_NULL;
	unsigned value = 0;

	for (size_t i = 0; i < s.len && s.len <= 3; i++)
		value = s.ptr[i] >= '0' && s.ptr[i] <= '9' ? value * 10 + (unsigned)(s.ptr[i] - '0') : 1000;
	if (value < 1 || value > 100)
		fault(l, line_of(n), "score must be a number from 1 to 100");
	else
		m->signature_score = (uint16_t)value;
	return 0;
}

static const struct key signature_keys[] = {{"category", read_signature_categories},
					    {"severity", read_signature_severity},
					    {"score", read_signature_score}};

static int read_signatures(struct loader *l, yaml_node_t *n, void *into)
{
	struct rule_match *m = into;
	uint32_t seen = 0;

	m->signature_severity = SIGNATURE_LOW;
	m->signature_score = 1;
	int r = read_mapping(l, n, "signatures", signature_keys, ARRAY_SIZE(signature_keys), m, &seen);
	if (!(seen & 1)) /* any */
		m->signature_categories = (uint16_t)((1u << SIGNATURE_CATEGORIES) - 1);
	return r;
}

/* One of the words, by its number. */
struct word {
	const char *name;
	int value;
};

static bool read_word(struct loader *l, const yaml_node_t *node, struct span text, const char *what,
		      const struct word *words, size_t count, int *ret)
{
	char known[128] = "";

	for (size_t i = 0; i < count; i++) {
		size_t at = strlen(known);
		if (span_equal(text, span_from(words[i].name))) {
			*ret = words[i].value;
			return true;
		}
		snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", words[i].name);
	}
	fault(l, line_of(node), "%s must be one of: %s", what, known);
	return false;
}

static struct span text_of(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE ? scalar_of(node) : SPAN_NULL;
}

static void read_number(struct loader *l, const yaml_node_t *node, const char *what, unsigned max,
			unsigned *ret)
{
	struct span s = text_of(node);
	unsigned value = 0;
	bool good = s.len > 0 && s.len <= 7;

	for (size_t i = 0; i < s.len && good; i++) {
		good = s.ptr[i] >= '0' && s.ptr[i] <= '9';
		value = value * 10 + (unsigned)(s.ptr[i] - '0');
	}
	if (!good || value < 1 || value > max)
		fault(l, line_of(node), "%s must be a number from 1 to %u", what, max);
	else
		*ret = value;
}

/* --- the TLS handshake --- */
static void read_count(struct loader *l, const yaml_node_t *node, const char *what, uint8_t *ret)
{
	unsigned value = 0;

	read_number(l, node, what, 99, &value);
	*ret = (uint8_t)value;
}

static int read_tls_below(struct loader *l, yaml_node_t *n, void *into)
{
	static const struct word words[] = {{"11", 11}, {"12", 12}, {"13", 13}};
	int value = 0;

	if (read_word(l, n, text_of(n), "tls_below", words, ARRAY_SIZE(words), &value))
		((struct rule_handshake *)into)->tls_below = (uint8_t)value;
	return 0;
}

static int read_sni(struct loader *l, yaml_node_t *n, void *into)
{
	static const struct word words[] = {{"true", 1}, {"false", 2}};
	int value = 0;

	if (read_word(l, n, text_of(n), "sni", words, ARRAY_SIZE(words), &value))
		((struct rule_handshake *)into)->sni = (uint8_t)value;
	return 0;
}

static int read_ciphers_below(struct loader *l, yaml_node_t *n, void *into)
{
	read_count(l, n, "ciphers_below", &((struct rule_handshake *)into)->ciphers_below);
	return 0;
}

static int read_ciphers_above(struct loader *l, yaml_node_t *n, void *into)
{
	read_count(l, n, "ciphers_above", &((struct rule_handshake *)into)->ciphers_above);
	return 0;
}

static int read_extensions_below(struct loader *l, yaml_node_t *n, void *into)
{
	read_count(l, n, "extensions_below", &((struct rule_handshake *)into)->extensions_below);
	return 0;
}

static int read_extensions_above(struct loader *l, yaml_node_t *n, void *into)
{
	read_count(l, n, "extensions_above", &((struct rule_handshake *)into)->extensions_above);
	return 0;
}

/* As JA4 has it: the first and the last character of the first protocol; none is "00" there. */
static int read_protocol(struct loader *l, yaml_node_t *item, void *into)
{
	struct rule_handshake *h = into;
	struct span s = text_of(item);

	if (span_equal(s, SPAN("none")))
		s = SPAN("00");
	if (s.len != 2 || h->alpn_count == RULES_ALPN_MAX)
		fault(l, line_of(item), "alpn has at most %d of: none, or two characters such as h1 and h2",
		      RULES_ALPN_MAX);
	else
		memcpy(h->alpn[h->alpn_count++], s.ptr, 2);
	return 0;
}

static int read_alpn(struct loader *l, yaml_node_t *n, void *into)
{
	return read_list(l, n, "alpn", read_protocol, into);
}

static const struct key handshake_keys[] = {
	{"tls_below", read_tls_below},
	{"alpn", read_alpn},
	{"sni", read_sni},
	{"ciphers_below", read_ciphers_below},
	{"ciphers_above", read_ciphers_above},
	{"extensions_below", read_extensions_below},
	{"extensions_above", read_extensions_above},
};

static int read_handshake(struct loader *l, yaml_node_t *n, void *into)
{
	struct rule_match *m = into;
	uint32_t seen = 0;

	m->handshake.set = true;
	int r = read_mapping(l, n, "handshake", handshake_keys, ARRAY_SIZE(handshake_keys), &m->handshake,
			     &seen);
	if (!r && !seen && n->type == YAML_MAPPING_NODE)
		fault(l, line_of(n), "handshake has no condition");
	return r;
}

static const struct key match_keys[] = {
	{"methods", read_methods},           {"paths", read_paths},
	{"targets", read_targets},           {"user_agents", read_user_agents},
	{"deviations", read_deviations},     {"documented", read_documented},
	{"signatures", read_signatures},     {"handshake", read_handshake},
	{"unless_user_agents", read_unless},
};

static int read_one_match(struct loader *l, yaml_node_t *node, void *into)
{
	struct rule *rule = into;
	uint32_t seen = 0;

	if (rule->match_count >= RULES_MATCHES_MAX) {
		fault(l, line_of(node), "more than %d ways to match", RULES_MATCHES_MAX);
		return 0;
	}
	struct rule_match *m =
		grow((void **)&rule->matches, &rule->match_count, &rule->match_size, sizeof *m);
	if (!m)
		return -ENOMEM;
	int r = read_mapping(l, node, "match", match_keys, ARRAY_SIZE(match_keys), m, &seen);
	rule->by_signature = rule->by_signature || m->signature_categories;
	if (!r && !seen)
		fault(l, line_of(node), "match has no condition; write match: all if every request counts");
	if (!r && m->unless.count && seen == 1u << (ARRAY_SIZE(match_keys) - 1))
		fault(l, line_of(node), "unless_user_agents alone says nothing of what matches");
	return r;
}

static int read_match(struct loader *l, yaml_node_t *node, void *into)
{
	struct rule *rule = into;

	if (node->type == YAML_SEQUENCE_NODE)
		return read_list(l, node, "match", read_one_match, rule);
	if (node->type == YAML_SCALAR_NODE && span_equal(scalar_of(node), SPAN("all"))) {
		struct rule_match *m =
			grow((void **)&rule->matches, &rule->match_count, &rule->match_size, sizeof *m);
		return m ? 0 : -ENOMEM;
	}
	return read_one_match(l, node, rule);
}

/* --- a detection --- */
static int read_name(struct loader *l, yaml_node_t *node, void *into)
{
	struct rule *rule = into;
	int r = read_text(l, node, "name", RULES_NAME_MAX, &rule->name);

	if (r || !rule->name)
		return r;
	if (strspn(rule->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(rule->name))
		fault(l, line_of(node), "name may hold small letters, digits and \"-\"");
	for (unsigned i = 0; i + 1 < l->rules->count; i++)
		if (l->rules->items[i].name && strcmp(l->rules->items[i].name, rule->name) == 0)
			fault(l, line_of(node), "\"%s\" is there twice", rule->name);
	return 0;
}

static int read_description(struct loader *l, yaml_node_t *node, void *into)
{
	struct rule *rule = into;

	return read_text(l, node, "description", 160, &rule->description);
}

bool rule_has_status(const struct rule *rule, unsigned status)
{
	if (status < STATUS_MIN || status > STATUS_MAX)
		return false;
	status -= STATUS_MIN;
	return rule->statuses[status / 64] >> (status % 64) & 1;
}

/* 404, or 4xx for all from 400 to 499. */
static int read_status(struct loader *l, yaml_node_t *item, void *into)
{
	struct rule *rule = into;
	struct span s = item->type == YAML_SCALAR_NODE ? scalar_of(item) : SPAN_NULL;
	bool good = s.len == 3 && s.ptr[0] >= '1' && s.ptr[0] <= '5';
	bool all = good && s.ptr[1] == 'x' && s.ptr[2] == 'x';
	unsigned first = 0, count = all ? 100 : 1;

	for (unsigned i = 0; i < 3 && good; i++) {
		bool wild = all && i > 0;

		good = wild || (s.ptr[i] >= '0' && s.ptr[i] <= '9');
		first = first * 10 + (wild ? 0 : (unsigned)(s.ptr[i] - '0'));
	}
	if (!good) {
		fault(l, line_of(item), "a status must be a number from %d to %d, or 1xx to 5xx", STATUS_MIN,
		      STATUS_MAX);
		return 0;
	}
	for (unsigned i = first - STATUS_MIN; count; i++, count--)
		rule->statuses[i / 64] |= 1ull << (i % 64);
	rule->by_status = true;
	return 0;
}

static int read_statuses(struct loader *l, yaml_node_t *node, void *into)
{
	return read_list(l, node, "status", read_status, into);
}

static int read_group(struct loader *l, yaml_node_t *node, void *into)
{
	static const struct word words[] = {{"client", GROUP_CLIENT},
					    {"peer", GROUP_PEER},
					    {"consumer", GROUP_CONSUMER},
					    {"principal", GROUP_PRINCIPAL},
					    {"user_agent", GROUP_USER_AGENT}};
	static const struct span by_route = SPAN("route+");
	struct rule *rule = into;
	struct span s = text_of(node);
	int value = 0;

	if (s.len > by_route.len && memcmp(s.ptr, by_route.ptr, by_route.len) == 0) {
		rule->by_route = true;
		s = (struct span){s.ptr + by_route.len, s.len - by_route.len};
	}
	if (read_word(l, node, s, "group_by", words, ARRAY_SIZE(words), &value))
		rule->group = (enum rule_group)value;
	return 0;
}

static int read_distinct(struct loader *l, yaml_node_t *node, void *into)
{
	static const struct word words[] = {{"path", DISTINCT_PATH},
					    {"consumer", DISTINCT_CONSUMER},
					    {"user_agent", DISTINCT_USER_AGENT},
					    {"client", DISTINCT_CLIENT},
					    {"object", DISTINCT_OBJECT},
					    {"attempt", DISTINCT_ATTEMPT},
					    {"signature", DISTINCT_SIGNATURE}};
	int value = 0;

	if (read_word(l, node, text_of(node), "distinct", words, ARRAY_SIZE(words), &value))
		((struct rule *)into)->distinct = (enum rule_distinct)value;
	return 0;
}

unsigned rule_anomaly_of(struct span name)
{
	if (span_equal(name, SPAN("slow_head")))
		return ANOMALY_SLOW_HEAD;
	return span_equal(name, SPAN("slow_body")) ? ANOMALY_SLOW_BODY : 0;
}

static int read_anomaly(struct loader *l, yaml_node_t *node, void *into)
{
	unsigned anomaly = rule_anomaly_of(text_of(node));

	if (!anomaly)
		fault(l, line_of(node), "an anomaly is slow_head or slow_body");
	((struct rule *)into)->anomalies |= anomaly;
	return 0;
}

static int read_anomalies(struct loader *l, yaml_node_t *node, void *into)
{
	return read_list(l, node, "anomalies", read_anomaly, into);
}

static int read_route(struct loader *l, yaml_node_t *node, void *into)
{
	static const struct word words[] = {{"known", ROUTE_KNOWN}, {"unknown", ROUTE_UNKNOWN}};
	int value = 0;

	if (read_word(l, node, text_of(node), "route", words, ARRAY_SIZE(words), &value))
		((struct rule *)into)->route = (enum rule_route)value;
	return 0;
}

static int read_first(struct loader *l, yaml_node_t *node, void *into)
{
	static const struct word words[] = {{"method", FIRST_METHOD}, {"route", FIRST_ROUTE}};
	int value = 0;

	if (read_word(l, node, text_of(node), "first", words, ARRAY_SIZE(words), &value))
		((struct rule *)into)->first = (enum rule_first)value;
	return 0;
}

static int read_served(struct loader *l, yaml_node_t *node, void *into)
{
	static const struct word words[] = {{"false", 1}};
	int value = 0;

	if (read_word(l, node, text_of(node), "served", words, ARRAY_SIZE(words), &value))
		((struct rule *)into)->unserved = true;
	return 0;
}

/* A plain decimal above 0, at most max: strtod would read much else. */
static void read_decimal(struct loader *l, const yaml_node_t *node, const char *what, double max, double *ret)
{
	struct span s = text_of(node);
	char text[16] = "", *end = text;
	double value = 0;

	if (s.len && s.len < sizeof text) {
		memcpy(text, s.ptr, s.len);
		if (strspn(text, "0123456789.") == s.len)
			value = strtod(text, &end);
	}
	if (end == text || *end || !(value > 0 && value <= max))
		fault(l, line_of(node), "%s must be a number above 0, at most %g", what, max);
	else
		*ret = value;
}

static int read_share(struct loader *l, yaml_node_t *node, void *into)
{
	read_decimal(l, node, "share", 1, &((struct rule *)into)->share);
	return 0;
}

static int read_of_all(struct loader *l, yaml_node_t *node, void *into)
{
	read_decimal(l, node, "of_all", 1, &((struct rule *)into)->of_all);
	return 0;
}

static int read_hourly_client(struct loader *l, yaml_node_t *node, void *into)
{
	read_number(l, node, "client", RULES_HOURLY_MAX, &((struct rule *)into)->hourly_client);
	return 0;
}

static int read_hourly_total(struct loader *l, yaml_node_t *node, void *into)
{
	read_number(l, node, "all", RULES_HOURLY_MAX, &((struct rule *)into)->hourly_total);
	return 0;
}

static const struct key at_most_keys[] = {{"client", read_hourly_client}, {"all", read_hourly_total}};

static int read_at_most(struct loader *l, yaml_node_t *node, void *into)
{
	uint32_t seen = 0;
	int r = read_mapping(l, node, "at_most", at_most_keys, ARRAY_SIZE(at_most_keys), into, &seen);

	if (!r && !seen && node->type == YAML_MAPPING_NODE)
		fault(l, line_of(node), "at_most has nothing in it");
	return r;
}

static int read_others(struct loader *l, yaml_node_t *node, void *into)
{
	read_decimal(l, node, "others", 1, &((struct rule *)into)->others);
	return 0;
}

static int read_baseline(struct loader *l, yaml_node_t *node, void *into)
{
	read_decimal(l, node, "baseline", 1000, &((struct rule *)into)->baseline);
	return 0;
}

static const struct key against_keys[] = {{"others", read_others}, {"baseline", read_baseline}};

static int read_against(struct loader *l, yaml_node_t *node, void *into)
{
	uint32_t seen = 0;
	int r = read_mapping(l, node, "against", against_keys, ARRAY_SIZE(against_keys), into, &seen);

	if (!r && !seen && node->type == YAML_MAPPING_NODE)
		fault(l, line_of(node), "against has nothing in it");
	return r;
}

static int read_each(struct loader *l, yaml_node_t *node, void *into)
{
	read_number(l, node, "each", RULES_EACH_MAX, &((struct rule *)into)->each);
	return 0;
}

static int read_threshold(struct loader *l, yaml_node_t *node, void *into)
{
	read_number(l, node, "threshold", RULES_THRESHOLD_MAX, &((struct rule *)into)->threshold);
	return 0;
}

static int read_window(struct loader *l, yaml_node_t *node, void *into)
{
	read_duration(l, node, "window", &((struct rule *)into)->window_ns);
	return 0;
}

static int read_leak(struct loader *l, yaml_node_t *node, void *into)
{
	read_duration(l, node, "leak", &((struct rule *)into)->leak_ns);
	return 0;
}

static int read_cool_down(struct loader *l, yaml_node_t *node, void *into)
{
	read_duration(l, node, "cool_down", &((struct rule *)into)->cool_down_ns);
	return 0;
}

static int read_ttl(struct loader *l, yaml_node_t *node, void *into)
{
	uint64_t ns = 0;

	read_duration(l, node, "ttl", &ns);
	((struct rule *)into)->ttl_ms = ns / NS_PER_MS;
	return 0;
}

static int read_confidence(struct loader *l, yaml_node_t *node, void *into)
{
	read_decimal(l, node, "confidence", 1, &((struct rule *)into)->confidence);
	return 0;
}

static int read_scope(struct loader *l, yaml_node_t *node, void *into)
{
	struct rule *rule = into;

	if (node->type == YAML_SCALAR_NODE && span_equal(scalar_of(node), SPAN("ports")))
		rule->scope = VERDICT_SCOPE_PORTS;
	else if (node->type == YAML_SCALAR_NODE && span_equal(scalar_of(node), SPAN("host")))
		rule->scope = VERDICT_SCOPE_HOST;
	else
		fault(l, line_of(node), "scope must be ports or host");
	return 0;
}

static const struct key action_keys[] = {
	{"ttl", read_ttl}, {"confidence", read_confidence}, {"scope", read_scope}};

static int read_action(struct loader *l, yaml_node_t *node, void *into)
{
	return read_mapping(l, node, "action", action_keys, ARRAY_SIZE(action_keys), into, NULL);
}

static const struct key rule_keys[] = {
	{"name", read_name},           {"description", read_description},
	{"match", read_match},         {"group_by", read_group},
	{"distinct", read_distinct},   {"threshold", read_threshold},
	{"window", read_window},       {"leak", read_leak},
	{"cool_down", read_cool_down}, {"action", read_action},
	{"status", read_statuses},     {"route", read_route},
	{"first", read_first},         {"served", read_served},
	{"share", read_share},         {"each", read_each},
	{"against", read_against},     {"anomalies", read_anomalies},
	{"of_all", read_of_all},       {"at_most", read_at_most},
};

/* What goes together, and what means nothing. */
static void rule_sound(struct loader *l, const struct rule *rule, unsigned line)
{
	const struct {
		bool wrong;
		const char *why;
	} faults[] = {
		{rule->share > 0 && !rule->by_status, "share needs status: it is that of these answers"},
		{rule->of_all > 0 && (rule->share > 0 || rule->by_status || rule->by_route ||
				      rule->group != GROUP_CLIENT || rule->anomalies),
		 "of_all is of all requests of a client: by client, without status, share and route"},
		{rule->others > 0 && !(rule->share > 0), "against others needs share"},
		{rule->baseline > 0 && !rule->by_route, "against baseline needs group_by route+..."},
		{rule->each && rule->distinct != DISTINCT_CLIENT, "each needs distinct: client"},
		{rule->group == GROUP_USER_AGENT && !rule->each,
		 "group_by user_agent needs each, since no User-Agent can be blocked: clients are named"},
		{rule->distinct == DISTINCT_CLIENT && !rule->each, "distinct: client needs each"},
		{rule->each && rule->group != GROUP_USER_AGENT, "each needs group_by user_agent"},
		{rule->distinct == DISTINCT_CONSUMER &&
			 (rule->group == GROUP_CONSUMER || rule->group == GROUP_PRINCIPAL),
		 "distinct: consumer has no meaning by consumer"},
		{rule->first && rule->group != GROUP_CONSUMER, "first needs group_by consumer"},
		{rule->anomalies && rule->match_count, "anomalies stand in place of match"},
		{rule->anomalies && (rule->by_status || rule->by_route || rule->distinct || rule->route ||
				     rule->first || rule->group > GROUP_PEER),
		 "anomalies are counted by client or peer, and nothing else is known of them"},
		{rule->by_route && rule->route == ROUTE_UNKNOWN, "by route, route: unknown never holds"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		if (faults[i].wrong)
			fault(l, line, "%s", faults[i].why);
}

static void rule_complete(struct loader *l, struct rule *rule, unsigned line, uint32_t seen)
{
	static const unsigned needed[] = {0, 1, 2, 5, 6};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!(seen & 1u << needed[i]) && !(needed[i] == 2 && rule->anomalies))
			fault(l, line, "a detection needs \"%s\"", rule_keys[needed[i]].name);
	if (rule->distinct && rule->leak_ns)
		fault(l, line, "leak has no meaning with distinct: values leave when they are a window old");
	if (rule->distinct && rule->threshold > RULES_DISTINCT_MAX)
		fault(l, line, "threshold is at most %d with distinct", RULES_DISTINCT_MAX);
	rule_sound(l, rule, line);
	if (!rule->leak_ns && rule->threshold)
		rule->leak_ns = MAX(rule->window_ns / rule->threshold, 1);
	if (!rule->cool_down_ns)
		rule->cool_down_ns = rule->window_ns;
}

static int read_rule(struct loader *l, yaml_node_t *node, void *into)
{
	struct rules *rules = into;
	uint32_t seen = 0;

	if (rules->count >= RULES_MAX) {
		fault(l, line_of(node), "more than %d detections", RULES_MAX);
		return 0;
	}
	struct rule *rule = grow((void **)&rules->items, &rules->count, &rules->size, sizeof *rule);
	if (!rule)
		return -ENOMEM;
	rule->confidence = 1;
	rule->scope = VERDICT_SCOPE_PORTS;
	rule->file = strdup(l->name);
	if (!rule->file)
		return -ENOMEM;
	int r = read_mapping(l, node, "a detection", rule_keys, ARRAY_SIZE(rule_keys), rule, &seen);
	if (!r && node->type == YAML_MAPPING_NODE)
		rule_complete(l, rule, line_of(node), seen);
	return r;
}

static int read_rules(struct loader *l, yaml_node_t *node, void *into)
{
	return read_list(l, node, "detections", read_rule, into);
}

static const struct key file_keys[] = {{"detections", read_rules}};

/* --- files --- */
static int load_document(struct loader *l)
{
	const yaml_node_t *root = yaml_document_get_root_node(l->doc);
	uint32_t seen = 0;

	if (!root) {
		fault(l, 0, "holds nothing; it needs \"detections:\"");
		return 0;
	}
	int r = read_mapping(l, root, "the file", file_keys, ARRAY_SIZE(file_keys), l->rules, &seen);
	if (!r && !seen && root->type == YAML_MAPPING_NODE)
		fault(l, line_of(root), "\"detections:\" is missing");
	return r;
}

static int load_parsed(struct loader *l, yaml_parser_t *parser)
{
	yaml_document_t doc, more;

	if (!yaml_parser_load(parser, &doc)) {
		fault(l, (unsigned)parser->problem_mark.line + 1, "%s",
		      parser->problem ? parser->problem : "not YAML");
		return parser->error == YAML_MEMORY_ERROR ? -ENOMEM : 0;
	}
	l->doc = &doc;
	int r = load_document(l);
	yaml_document_delete(&doc);
	if (r)
		return r;
	/* A second document would be rules that silently do nothing. */
	if (!yaml_parser_load(parser, &more)) {
		fault(l, (unsigned)parser->problem_mark.line + 1, "%s",
		      parser->problem ? parser->problem : "not YAML");
		return parser->error == YAML_MEMORY_ERROR ? -ENOMEM : 0;
	}
	if (yaml_document_get_root_node(&more))
		fault(l, 0, "holds more than one document");
	yaml_document_delete(&more);
	return 0;
}

int rules_load(struct span yaml, const char *name, const char *dir, struct rules *into, struct buffer *errors)
{
	struct loader l = {.name = name, .dir = dir, .rules = into, .errors = errors};
	yaml_parser_t parser;

	if (yaml.len > RULES_FILE_MAX) {
		fault(&l, 0, "is larger than %d bytes", RULES_FILE_MAX);
		return CONFIG_E_INVALID;
	}
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)(yaml.ptr ? yaml.ptr : ""), yaml.len);
	int r = load_parsed(&l, &parser);
	yaml_parser_delete(&parser);
	return r ? r : l.bad ? CONFIG_E_INVALID : 0;
}

int rules_load_file(const char *path, struct rules *into, struct buffer *errors)
{
	struct loader l = {.name = path, .errors = errors};
	_cleanup_free_ char *dir = strdup(path);
	_cleanup_free_ char *bytes = malloc(RULES_FILE_MAX + 1);
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	if (!dir || !bytes)
		return -ENOMEM;
	if (!file) {
		fault(&l, 0, "cannot be read: %s", strerror(errno));
		return CONFIG_E_INVALID;
	}
	size_t len = fread(bytes, 1, RULES_FILE_MAX + 1, file);
	if (ferror(file)) {
		fault(&l, 0, "cannot be read");
		return CONFIG_E_INVALID;
	}
	char *slash = strrchr(dir, '/');
	if (slash)
		*slash = 0;
	return rules_load((struct span){bytes, len}, path, slash ? (slash == dir ? "/" : dir) : ".", into,
			  errors);
}

int rules_load_shipped(struct rules *into, struct buffer *errors)
{
	for (const struct shipped_file *f = shipped_files; f->name; f++) {
		int r = rules_load((struct span){(const char *)f->bytes, f->len}, f->name, NULL, into,
				   errors);
		if (r)
			return r;
	}
	return 0;
}
