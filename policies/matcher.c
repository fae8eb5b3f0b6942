// SPDX-License-Identifier: Apache-2.0
#include "policies/matcher.h"
#include <errno.h>
#include <stdarg.h>
#include "lib/config.h"
#include "lib/util.h"
#include "policies/ja4.h"
#include "policies/table.h"
#include "policies/words.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/*
 * A condition is "this subject matches one of these patterns", of one alternative of one rule. Each has a
 * number; a request sets the bits of those that hold, and a rule is a few masks over them.
 */
#define CONDITIONS_MAX 512

struct condition_set {
	uint64_t bits[CONDITIONS_MAX / 64];
};

static void set_bit(struct condition_set *s, uint16_t condition)
{
	s->bits[condition / 64] |= UINT64_C(1) << (condition % 64);
}

static bool has_bit(const struct condition_set *s, uint16_t condition)
{
	return s->bits[condition / 64] >> (condition % 64) & 1;
}

struct exact {
	struct table_node node;
	struct span text;
	uint16_t condition;
};

struct expression {
	pcre2_code *code;
	uint16_t condition;
};

/* How one subject is matched. */
struct engine {
	struct words *words;
	bool has_words;
	struct expression *expressions;
	unsigned count;
	pcre2_code *any; /* all of them as one alternation; NULL: they cannot be joined, each is asked */
};

/* One alternative of a rule, compiled. */
struct way {
	uint16_t rule;
	uint16_t conditions[SUBJECTS];
	unsigned condition_count;
	uint16_t unless; /* a condition that must not hold */
	bool has_unless;
	const struct rule_match *match;
};

struct matcher {
	const struct rules *rules;
	struct way *ways;
	unsigned way_count, condition_count;
	struct table exact_table;
	struct exact *exact;
	unsigned exact_count;
	struct engine engines[SUBJECTS];
	pcre2_match_data *data;
	pcre2_match_context *context;
	char *scratch; /* once, twice, target once, target twice */
	size_t scratch_size;
	uint64_t gave_up;
};

/* --- the normal form of a path --- */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* out may be in.ptr. Returns the length, at most in.len. */
static size_t percent_decode(struct span in, char *out, bool plus_is_space)
{
	size_t len = 0;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.ptr[i];
		if (c == '%' && i + 2 < in.len && hex_digit(in.ptr[i + 1]) >= 0 &&
		    hex_digit(in.ptr[i + 2]) >= 0) {
			c = (char)(hex_digit(in.ptr[i + 1]) << 4 | hex_digit(in.ptr[i + 2]));
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		out[len++] = c;
	}
	return len;
}

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c == '\\' ? '/' : c;
}

/* One segment (without its slash) is appended, ignored, or takes back the one before. */
static size_t segment_put(char *out, size_t len, struct span segment)
{
	const char *parameter = segment.len ? memchr(segment.ptr, ';', segment.len) : NULL;

	if (parameter)
		segment.len = (size_t)(parameter - segment.ptr);
	if (!segment.len || span_equal(segment, SPAN(".")))
		return len;
	if (span_equal(segment, SPAN(".."))) {
		while (len > 0 && out[--len] != '/')
			;
		return len;
	}
	out[len++] = '/';
	memmove(out + len, segment.ptr, segment.len);
	return len + segment.len;
}

size_t matcher_normalise(struct span path, char *out)
{
	/* Decoded one byte further in: a segment without a slash before it gets one, and the end must not
	 * overtake. */
	char *decoded = out + 1;
	size_t n = percent_decode(path, decoded, false), len = 0, from = 0;

	for (size_t i = 0; i < n; i++)
		decoded[i] = fold(decoded[i]);
	for (size_t i = 0; i <= n; i++) {
		if (i < n && decoded[i] != '/')
			continue;
		len = segment_put(out, len, (struct span){decoded + from, i - from});
		from = i + 1;
	}
	if (len == 0)
		out[len++] = '/';
	return len;
}

/* --- compiling: words --- */
__attribute__((format(printf, 4, 5))) static int complain(struct buffer *errors, const struct rule *rule,
							  const struct pattern *p, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	buffer_printf(errors, "%s:%u: %s\n", rule->file, p->line, text);
	return CONFIG_E_INVALID;
}

static int add_exact(struct matcher *m, const struct pattern *p, uint16_t condition)
{
	struct exact *e = &m->exact[m->exact_count];
	size_t len = strlen(p->text);
	char *text = malloc(len + 1);

	if (!text)
		return -ENOMEM;
	/* In the normal form, so that a rule may be written as people write paths. */
	e->text = (struct span){text, matcher_normalise((struct span){p->text, len}, text)};
	e->condition = condition;
	table_add(&m->exact_table, &e->node, table_hash(&m->exact_table, e->text.ptr, e->text.len));
	m->exact_count++;
	return 0;
}

static int add_word(struct matcher *m, const struct rule *rule, enum subject subject, const struct pattern *p,
		    uint16_t condition, struct buffer *errors)
{
	static const unsigned where[PATTERN_KINDS] = {
		[PATTERN_PREFIX] = WORDS_AT_START,
		[PATTERN_SUFFIX] = WORDS_AT_END,
	};
	int r = words_add(m->engines[subject].words, span_from(p->text), where[p->kind], condition);

	m->engines[subject].has_words = true;
	if (r > 0)
		return complain(errors, rule, p, "the words of all detections are more than %d bytes",
				WORDS_STATES_MAX);
	return r;
}

/* --- compiling: expressions --- */

/* "*" is any run within a segment, "**" any run, "?" one byte within a segment; all else is itself. */
static int glob_to_regex(const char *glob, struct buffer *out)
{
	int r = buffer_append_text(out, "^");

	for (const char *c = glob; *c && !r; c++) {
		if (c[0] == '*' && c[1] == '*') {
			r = buffer_append_text(out, ".*");
			c++;
		} else if (*c == '*') {
			r = buffer_append_text(out, "[^/]*");
		} else if (*c == '?') {
			r = buffer_append_text(out, "[^/]");
		} else {
			if (strchr("\\^$.|()[]{}+-#", *c))
				r = buffer_append_char(out, '\\');
			if (!r)
				r = buffer_append_char(out, *c);
		}
	}
	return r ? r : buffer_append_text(out, "$");
}

/* Numbered groups do not exist (NO_AUTO_CAPTURE): their numbers would shift when expressions are joined. */
#define REGEX_OPTIONS                                                                                     \
	(PCRE2_CASELESS | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_UTF | \
	 PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C)

static pcre2_code *regex_compile(struct span text, char *error, size_t error_size)
{
	int code;
	PCRE2_SIZE at;
	pcre2_code *re = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, REGEX_OPTIONS, &code, &at, NULL);

	if (!re) {
		if (pcre2_get_error_message(code, (PCRE2_UCHAR *)error, error_size) < 0)
			snprintf(error, error_size, "error %d", code);
		return NULL;
	}
	/* Where executable memory is not given the interpreter does it, slower. */
	pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
	return re;
}

static int add_expression(struct engine *e, const struct rule *rule, const struct pattern *p,
			  uint16_t condition, struct buffer *joined, struct buffer *errors)
{
	struct buffer text = BUFFER_INIT(8 * RULES_PATTERN_LEN_MAX);
	char error[128] = "";
	int r = p->kind == PATTERN_GLOB ? glob_to_regex(p->text, &text) : buffer_append_text(&text, p->text);

	if (!r && strncmp(p->text, "(*", 2) == 0)
		r = complain(errors, rule, p, "an expression must not begin with a verb, (*...)");
	if (!r) {
		e->expressions[e->count].code = regex_compile(buffer_span(&text), error, sizeof error);
		if (!e->expressions[e->count].code)
			r = complain(errors, rule, p, "wrong expression: %s", error);
	}
	if (!r) {
		e->expressions[e->count++].condition = condition;
		/* A verb, (*COMMIT) and its like, would end the search of all (pcre2pattern(3)). */
		joined->truncated |= strstr(p->text, "(*") != NULL;
		r = buffer_printf(joined, "%s(?:%.*s)", joined->len ? "|" : "", (int)text.len, text.data);
		if (r > 0) /* too long to join: each is asked, which is slow and right */
			r = 0;
	}
	buffer_free(&text);
	return r;
}

static void join_expressions(struct engine *e, const struct buffer *joined)
{
	char error[128];

	if (e->count > 1 && !joined->truncated)
		e->any = regex_compile(buffer_span(joined), error, sizeof error);
}

/* --- compiling: rules --- */
struct compiler {
	struct matcher *m;
	struct buffer *errors;
	struct buffer joined[SUBJECTS];
	bool bad;
};

static int compile_pattern(struct compiler *c, const struct rule *rule, enum subject subject,
			   const struct pattern *p, uint16_t condition)
{
	switch (p->kind) {
	case PATTERN_EXACT:
		return add_exact(c->m, p, condition);
	case PATTERN_GLOB:
	case PATTERN_REGEX:
		return add_expression(&c->m->engines[subject], rule, p, condition, &c->joined[subject],
				      c->errors);
	default:
		return add_word(c->m, rule, subject, p, condition, c->errors);
	}
}

/* The number of a condition that any of the patterns fulfils. */
static int compile_condition(struct compiler *c, const struct rule *rule, enum subject subject,
			     const struct patterns *patterns, uint16_t *ret)
{
	if (c->m->condition_count == CONDITIONS_MAX)
		return complain(c->errors, rule, &patterns->items[0],
				"more than %d conditions in all detections", CONDITIONS_MAX);
	*ret = (uint16_t)c->m->condition_count++;
	for (unsigned i = 0; i < patterns->count; i++) {
		int r = compile_pattern(c, rule, subject, &patterns->items[i], *ret);
		if (r < 0)
			return r;
		c->bad |= r > 0;
	}
	return 0;
}

static int compile_way(struct compiler *c, uint16_t rule_index, const struct rule_match *match)
{
	const struct rule *rule = &c->m->rules->items[rule_index];
	struct way *way = &c->m->ways[c->m->way_count++];
	int r = 0;

	*way = (struct way){.rule = rule_index, .match = match};
	for (unsigned s = 0; s < SUBJECTS && !r; s++)
		if (match->patterns[s].count)
			r = compile_condition(c, rule, (enum subject)s, &match->patterns[s],
					      &way->conditions[way->condition_count++]);
	way->has_unless = match->unless.count > 0;
	return r || !way->has_unless
		       ? r
		       : compile_condition(c, rule, SUBJECT_USER_AGENT, &match->unless, &way->unless);
}

static int compile_rules(struct compiler *c)
{
	const struct rules *rules = c->m->rules;

	for (unsigned i = 0; i < rules->count; i++) {
		for (unsigned j = 0; j < rules->items[i].match_count; j++) {
			int r = compile_way(c, (uint16_t)i, &rules->items[i].matches[j]);
			if (r)
				return r;
		}
	}
	for (unsigned s = 0; s < SUBJECTS; s++) {
		join_expressions(&c->m->engines[s], &c->joined[s]);
		int r = words_build(c->m->engines[s].words);
		if (r)
			return r;
	}
	return c->bad ? CONFIG_E_INVALID : 0;
}

static int matcher_allocate(struct matcher *m)
{
	unsigned ways = 0, kinds[SUBJECTS][PATTERN_KINDS] = {0};

	for (unsigned i = 0; i < m->rules->count; i++) {
		ways += m->rules->items[i].match_count;
		for (unsigned j = 0; j < m->rules->items[i].match_count; j++)
			for (unsigned s = 0; s < SUBJECTS; s++)
				for (unsigned k = 0; k < m->rules->items[i].matches[j].patterns[s].count; k++)
					kinds[s][m->rules->items[i].matches[j].patterns[s].items[k].kind]++;
	}
	m->ways = calloc(ways + 1, sizeof *m->ways);
	m->exact = calloc(kinds[SUBJECT_PATH][PATTERN_EXACT] + 1, sizeof *m->exact);
	m->data = pcre2_match_data_create(1, NULL);
	m->context = pcre2_match_context_create(NULL);
	if (!m->ways || !m->exact || !m->data || !m->context)
		return -ENOMEM;
	/* What an attacker's text may cost: about 0.1 ms, then the expression is given up on. */
	pcre2_set_match_limit(m->context, 10000);
	pcre2_set_depth_limit(m->context, 1000);
	pcre2_set_heap_limit(m->context, 1024);
	for (unsigned s = 0; s < SUBJECTS; s++) {
		struct engine *e = &m->engines[s];
		int r = words_new(&e->words);
		if (r)
			return r;
		e->expressions =
			calloc(kinds[s][PATTERN_GLOB] + kinds[s][PATTERN_REGEX] + 1, sizeof *e->expressions);
		if (!e->expressions)
			return -ENOMEM;
	}
	return table_init(&m->exact_table, kinds[SUBJECT_PATH][PATTERN_EXACT] * 2);
}

int matcher_new(const struct rules *rules, struct matcher **ret, struct buffer *errors)
{
	struct matcher *m = calloc(1, sizeof *m);

	if (!m)
		return -ENOMEM;
	m->rules = rules;
	struct compiler c = {.m = m, .errors = errors};
	for (unsigned s = 0; s < SUBJECTS; s++)
		c.joined[s] = BUFFER_INIT(64 * 1024);
	int r = matcher_allocate(m);
	if (!r)
		r = compile_rules(&c);
	for (unsigned s = 0; s < SUBJECTS; s++)
		buffer_free(&c.joined[s]);
	if (r) {
		matcher_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void matcher_free(struct matcher *m)
{
	if (!m)
		return;
	for (unsigned s = 0; s < SUBJECTS; s++) {
		struct engine *e = &m->engines[s];
		words_free(e->words);
		for (unsigned i = 0; i < e->count; i++)
			pcre2_code_free(e->expressions[i].code);
		free(e->expressions);
		pcre2_code_free(e->any);
	}
	for (unsigned i = 0; i < m->exact_count; i++)
		free((char *)m->exact[i].text.ptr);
	free(m->exact);
	free(m->ways);
	table_deinit(&m->exact_table);
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->context);
	free(m->scratch);
	free(m);
}

/* --- matching --- */
static void word_found(void *arg, uint16_t id, struct span word)
{
	(void)word;
	set_bit(arg, id);
}

static bool regex_matches(struct matcher *m, const pcre2_code *code, struct span text)
{
	int r = pcre2_match(code, (PCRE2_SPTR)text.ptr, text.len, 0, 0, m->data, m->context);

	if (r < 0 && r != PCRE2_ERROR_NOMATCH)
		__atomic_fetch_add(&m->gave_up, 1, __ATOMIC_RELAXED);
	return r >= 0;
}

static void match_text(struct matcher *m, enum subject subject, struct span text, struct condition_set *holds)
{
	struct engine *e = &m->engines[subject];

	if (!text.len)
		return;
	if (e->has_words)
		words_search(e->words, text, word_found, holds);
	if (!e->count)
		return;
	/* An alternation that was given up on has not said no. */
	if (e->any) {
		uint64_t before = m->gave_up;
		if (!regex_matches(m, e->any, text) && m->gave_up == before)
			return;
	}
	for (unsigned i = 0; i < e->count; i++)
		if (!has_bit(holds, e->expressions[i].condition) &&
		    regex_matches(m, e->expressions[i].code, text))
			set_bit(holds, e->expressions[i].condition);
}

static void match_path(struct matcher *m, struct span path, struct condition_set *holds)
{
	uint64_t hash = table_hash(&m->exact_table, path.ptr, path.len);

	for (struct table_node *n = table_first(&m->exact_table, hash); n; n = table_next(n)) {
		const struct exact *e = table_owner(n, struct exact, node);
		if (span_equal(e->text, path))
			set_bit(holds, e->condition);
	}
	match_text(m, SUBJECT_PATH, path, holds);
}

static int scratch_reserve(struct matcher *m, size_t size)
{
	if (m->scratch_size >= size)
		return 0;
	size += size / 2;
	char *scratch = realloc(m->scratch, size);
	if (!scratch)
		return -ENOMEM;
	m->scratch = scratch;
	m->scratch_size = size;
	return 0;
}

static bool engine_used(const struct engine *e)
{
	return e->has_words || e->count;
}

static void match_target(struct matcher *m, struct span target, char *out, struct condition_set *holds)
{
	if (!engine_used(&m->engines[SUBJECT_TARGET]))
		return;
	match_text(m, SUBJECT_TARGET, target, holds);
	if (!target.len || (!memchr(target.ptr, '%', target.len) && !memchr(target.ptr, '+', target.len)))
		return;
	struct span decoded = {out, percent_decode(target, out, true)};
	decoded.len = percent_decode(decoded, out, true);
	match_text(m, SUBJECT_TARGET, decoded, holds);
}

static bool marks_hold(const struct rule_match *match, const struct event_marks *marks)
{
	if (marks->score < match->signature_score)
		return false;
	for (unsigned i = match->signature_severity - 1u; i < EVENT_MARK_SEVERITIES; i++)
		if (marks->categories[i] & match->signature_categories)
			return true;
	return false;
}

static bool handshake_holds(const struct rule_handshake *h, const struct ja4 *j)
{
	bool offered = h->alpn_count == 0;

	/* A ClientHello of QUIC has other ones, and fewer. */
	if (!j || j->transport != 't' || (h->tls_below && j->version >= h->tls_below) ||
	    (h->sni && (h->sni == 1) != j->sni) || (h->ciphers_below && j->ciphers >= h->ciphers_below) ||
	    (h->ciphers_above && j->ciphers <= h->ciphers_above) ||
	    (h->extensions_below && j->extensions >= h->extensions_below) ||
	    (h->extensions_above && j->extensions <= h->extensions_above))
		return false;
	for (unsigned i = 0; i < h->alpn_count && !offered; i++)
		offered = memcmp(h->alpn[i], j->alpn, sizeof j->alpn) == 0;
	return offered;
}

static bool way_holds(const struct way *w, const struct http_request *request, enum documented documented,
		      const struct event_marks *marks, const struct ja4 *ja4,
		      const struct condition_set *holds)
{
	const struct rule_match *match = w->match;
	bool method = match->method_count == 0;

	if (match->deviations && !(request->deviations & match->deviations))
		return false;
	if (match->documented && match->documented != documented)
		return false;
	if (match->signature_categories && !marks_hold(match, marks))
		return false;
	if (match->handshake.set && !handshake_holds(&match->handshake, ja4))
		return false;
	if (w->has_unless && has_bit(holds, w->unless))
		return false;
	for (unsigned i = 0; i < w->condition_count; i++)
		if (!has_bit(holds, w->conditions[i]))
			return false;
	for (unsigned i = 0; i < match->method_count && !method; i++)
		method = span_equal(request->method, span_from(match->methods[i]));
	return method;
}

int matcher_run(struct matcher *m, const struct http_request *request, enum documented documented,
		const struct event_marks *marks, const struct ja4 *ja4, struct matched *ret)
{
	struct condition_set holds = {0};

	/* Each normal form may be one byte longer than what it is made from. */
	size_t first_len = request->path.len + 1, second_len = first_len + 1;
	if (scratch_reserve(m, first_len + second_len + request->target.len))
		return -ENOMEM;
	char *second = m->scratch + first_len;
	struct span path = {m->scratch, matcher_normalise(request->path, m->scratch)};
	match_path(m, path, &holds);
	if (memchr(path.ptr, '%', path.len))
		match_path(m, (struct span){second, matcher_normalise(path, second)}, &holds);
	match_target(m, request->target, second + second_len, &holds);
	if (engine_used(&m->engines[SUBJECT_USER_AGENT]))
		match_text(m, SUBJECT_USER_AGENT, http_request_header(request, "user-agent"), &holds);

	ret->count = 0;
	ret->path = SPAN_NULL;
	for (unsigned i = 0; i < m->way_count; i++) {
		const struct way *w = &m->ways[i];
		if (ret->count && ret->rules[ret->count - 1] == w->rule) /* matched another way already */
			continue;
		if (way_holds(w, request, documented, marks, ja4, &holds))
			ret->rules[ret->count++] = w->rule;
	}
	if (ret->count)
		ret->path = path;
	return 0;
}

uint64_t matcher_gave_up(const struct matcher *m)
{
	return __atomic_load_n(&m->gave_up, __ATOMIC_RELAXED);
}
