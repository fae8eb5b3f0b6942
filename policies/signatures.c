// SPDX-License-Identifier: Apache-2.0
#include "policies/signatures.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/config.h"
#include "lib/target_route.h"
#include "lib/util.h"
#include "policies/cross_site.h"
#include "policies/request_path.h"
#include "policies/unravel.h"
#include "policies/words.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct signature_set {
	uint64_t bits[SIGNATURES_MAX / 64];
};

/* What a text may be read as; what is looked for in all of them, in few but the first. */
enum form { FORM_PLAIN, FORM_SQL, FORM_SHELL, FORMS };

/* A route on which some signatures do not count. */
struct exception {
	char *route;
	struct signature_set set;
};

struct signatures {
	struct signature_rules rules;
	pcre2_code **codes; /* of each signature; NULL: not in force, or its words are all there is to it */
	struct span *words_at; /* of these: the first, in the text that is looked at */
	struct words *words;
	struct signature_set where[SIGNATURE_WHERES]; /* which look there */
	struct signature_set forms[FORMS];            /* and at which form of it */
	struct exception *exceptions;
	unsigned exception_count;
	pcre2_match_data *data;
	pcre2_match_context *context;
	char *scratch; /* three texts: unravelled, without comments, without quotes */
	size_t scratch_size;
	struct request_path path;
	struct signatures_counts counts;
};

static void set_add(struct signature_set *s, unsigned i)
{
	s->bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool set_has(const struct signature_set *s, unsigned i)
{
	return s->bits[i / 64] >> (i % 64) & 1;
}

static void count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED); /* one writer */
}

/* --- making one --- */

/* All its expressions as one. */
static int join_expressions(const struct signature *s, struct buffer *into)
{
	for (unsigned i = 0; i < s->regexes.count; i++)
		buffer_printf(into, "%s(?:%s)", i ? "|" : "", s->regexes.items[i]);
	return into->truncated ? -ENOMEM : 0;
}

/* Comments go from where a database or PHP reads, quotes inside of words where a shell does; what else is
 * looked for would find nothing there that it did not find before. */
static bool form_matters(enum form form, unsigned category)
{
	static const char *const readers[FORMS][4] = {
		[FORM_SQL] = {"sqli", "nosqli", "php"}, [FORM_SHELL] = {"command", "traversal"}};

	for (unsigned i = 0; i < ARRAY_SIZE(readers[form]) && readers[form][i]; i++)
		if (strcmp(readers[form][i], signature_category_name(category)) == 0)
			return true;
	return form == FORM_PLAIN;
}

static int compile_expression(struct signatures *s, unsigned index, pcre2_compile_context *context,
			      struct buffer *errors)
{
	const struct signature *signature = &s->rules.items[index];
	struct buffer text = BUFFER_INIT(SIGNATURE_LIST_MAX * SIGNATURE_REGEX_MAX);
	unsigned char why[128];
	int error = 0;
	size_t offset = 0;
	int r = join_expressions(signature, &text);

	if (!r)
		s->codes[index] = pcre2_compile((PCRE2_SPTR)text.data, text.len,
						PCRE2_CASELESS | PCRE2_MULTILINE | PCRE2_NO_AUTO_CAPTURE |
							PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT,
						&error, &offset, context);
	buffer_free(&text);
	if (r)
		return r;
	if (!s->codes[index]) {
		pcre2_get_error_message(error, why, sizeof why);
		buffer_printf(errors, "signature %s: its regex is wrong near byte %zu: %s\n", signature->id,
			      offset, (const char *)why);
		return error == PCRE2_ERROR_NOMEMORY ? -ENOMEM : CONFIG_E_INVALID;
	}
	pcre2_jit_compile(s->codes[index], PCRE2_JIT_COMPLETE); /* refused in a sandbox: then without */
	return 0;
}

static int compile(struct signatures *s, unsigned index, pcre2_compile_context *context,
		   struct buffer *errors)
{
	const struct signature *signature = &s->rules.items[index];
	int r = signature->regexes.count ? compile_expression(s, index, context, errors) : 0;

	if (r)
		return r;
	for (unsigned i = 0; i < signature->words.count; i++) {
		r = words_add(s->words, span_from(signature->words.items[i]), 0, (uint16_t)index);
		if (r > 0)
			buffer_printf(errors, "signatures have too many words\n");
		if (r)
			return r > 0 ? CONFIG_E_INVALID : r;
	}
	for (unsigned w = 0; w < SIGNATURE_WHERES; w++)
		if (signature->where >> w & 1)
			set_add(&s->where[w], index);
	for (unsigned f = 0; f < FORMS; f++)
		if (form_matters((enum form)f, signature->category))
			set_add(&s->forms[f], index);
	return 0;
}

static int find_signature(const struct signatures *s, const char *id)
{
	for (unsigned i = 0; i < s->rules.count; i++)
		if (strcmp(s->rules.items[i].id, id) == 0)
			return (int)i;
	return -1;
}

static bool is_disabled(const struct signatures_settings *settings, const char *id)
{
	for (unsigned i = 0; i < settings->disabled_count; i++)
		if (strcmp(settings->disabled[i], id) == 0)
			return true;
	return false;
}

static int compile_all(struct signatures *s, const struct signatures_settings *settings,
		       struct buffer *errors)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	int result = context ? 0 : -ENOMEM;

	if (context) /* "^", "$" and "." know the zero byte between parameters, "\s" the newline inside of
			them */
		pcre2_set_newline(context, PCRE2_NEWLINE_NUL);
	for (unsigned i = 0; i < settings->disabled_count && !result; i++)
		if (find_signature(s, settings->disabled[i]) < 0) {
			buffer_printf(errors, "signatures.disabled: there is no signature \"%s\"\n",
				      settings->disabled[i]);
			result = CONFIG_E_INVALID;
		}
	for (unsigned i = 0; i < s->rules.count && result >= 0; i++) {
		const struct signature *signature = &s->rules.items[i];
		if (signature->paranoia > settings->paranoia || is_disabled(settings, signature->id))
			continue;
		int r = compile(s, i, context, errors);
		if (r)
			result = r;
	}
	pcre2_compile_context_free(context);
	return result;
}

/* An id, a category, or "all". False: it names nothing. */
static bool exception_name(const struct signatures *s, const char *name, struct signature_set *set)
{
	unsigned category = 0;
	bool all = strcmp(name, "all") == 0, by_category = signature_category_parse(name, &category),
	     any = all;

	for (unsigned i = 0; i < s->rules.count; i++)
		if (all || (by_category && s->rules.items[i].category == category) ||
		    strcmp(s->rules.items[i].id, name) == 0) {
			set_add(set, i);
			any = true;
		}
	return any || by_category;
}

static int exception_read(struct signatures *s, const char *text, struct buffer *errors)
{
	struct exception *e = &s->exceptions[s->exception_count++];
	char *rest = NULL;

	e->route = strdup(text);
	if (!e->route)
		return -ENOMEM;
	char *word = strtok_r(e->route, " \t", &rest); /* the route itself stays where it is */
	unsigned names = 0;
	if (!word || !target_route_valid(span_from(word))) {
		buffer_printf(errors,
			      "signatures.exceptions: \"%s\" begins with no route such as /users/{id}\n",
			      text);
		return CONFIG_E_INVALID;
	}
	if (word != e->route)
		memmove(e->route, word, strlen(word) + 1);
	while ((word = strtok_r(NULL, " \t", &rest))) {
		names++;
		if (!exception_name(s, word, &e->set)) {
			buffer_printf(errors,
				      "signatures.exceptions: there is no signature or category \"%s\"\n",
				      word);
			return CONFIG_E_INVALID;
		}
	}
	if (!names) {
		buffer_printf(errors, "signatures.exceptions: \"%s\" names no signature\n", text);
		return CONFIG_E_INVALID;
	}
	return 0;
}

static int load(struct signatures *s, const struct signatures_settings *settings, struct buffer *errors)
{
	int r = signature_rules_load_shipped(&s->rules, errors);

	for (unsigned i = 0; i < settings->file_count && r >= 0; i++) {
		int e = signature_rules_load_file(settings->files[i], &s->rules, errors);
		r = e ? e : r;
	}
	return r;
}

static int allocate(struct signatures *s, const struct signatures_settings *settings)
{
	s->codes = calloc(s->rules.count + 1, sizeof *s->codes);
	s->words_at = calloc(s->rules.count + 1, sizeof *s->words_at);
	s->exceptions = calloc(settings->exception_count + 1, sizeof *s->exceptions);
	s->data = pcre2_match_data_create(1, NULL);
	s->context = pcre2_match_context_create(NULL);
	if (!s->codes || !s->words_at || !s->exceptions || !s->data || !s->context)
		return -ENOMEM;
	/* What an attacker's text may cost at one place, as in matcher.c: about 0.1 ms, then the expression
	 * is given up on. */
	pcre2_set_match_limit(s->context, 2000);
	pcre2_set_depth_limit(s->context, 1000);
	pcre2_set_heap_limit(s->context, 1024);
	return words_new(&s->words);
}

int signatures_new(const struct signatures_settings *settings, struct signatures **ret, struct buffer *errors)
{
	struct signatures *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	int r = load(s, settings, errors);
	if (!r)
		r = allocate(s, settings);
	if (!r)
		r = compile_all(s, settings, errors);
	if (!r)
		r = words_build(s->words);
	for (unsigned i = 0; i < settings->exception_count && r >= 0; i++) {
		int e = exception_read(s, settings->exceptions[i], errors);
		r = e ? e : r;
	}
	if (r) {
		signatures_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void signatures_free(struct signatures *s)
{
	if (!s)
		return;
	for (unsigned i = 0; s->codes && i < s->rules.count; i++)
		pcre2_code_free(s->codes[i]);
	for (unsigned i = 0; i < s->exception_count; i++)
		free(s->exceptions[i].route);
	free(s->codes);
	free(s->words_at);
	free(s->exceptions);
	words_free(s->words);
	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->context);
	free(s->scratch);
	signature_rules_free(&s->rules);
	free(s);
}

/* --- asking --- */

/* One request being looked at. */
struct look {
	struct signatures *s;
	const struct http_request *request;
	struct signature_hits *hits;
	struct signature_set hit; /* each signature is told once */
	enum { REFERRED_UNKNOWN, REFERRED_NO, REFERRED_YES } referred;
	unsigned asked, given_up;
	size_t places;                   /* tried since the clock was looked at */
	uint64_t began_ns, cpu_began_ns; /* 0: not looked at yet */
	bool over;                       /* it has had its share of time, or of expressions */
};

/* An expression may match so far behind the place where it begins, as a rule. */
#define OVERLAP 512

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Most requests look at the clock once or never. The cheap clock also runs while others have the processor,
 * so whoever seems slow by it is measured by the thread's own. */
static void places_tried(struct look *l, size_t places)
{
	l->places += places;
	if (l->places < SIGNATURES_PIECE || l->over)
		return;
	l->places = 0;
	if (l->cpu_began_ns) {
		l->over =
			clock_ns(CLOCK_THREAD_CPUTIME_ID) - l->cpu_began_ns > SIGNATURES_TIME_MAX_NS / 4 * 3;
		return;
	}
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	if (!l->began_ns)
		l->began_ns = now_ns;
	else if (now_ns - l->began_ns > SIGNATURES_TIME_MAX_NS / 4)
		l->cpu_began_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* What words said of one text. */
struct suspicion {
	struct signatures *s;
	struct signature_set suspects;
};

static void word_found(void *arg, uint16_t id, struct span word)
{
	struct suspicion *on = arg;

	if (!on->s->codes[id] && !set_has(&on->suspects, id))
		on->s->words_at[id] = word;
	set_add(&on->suspects, id);
}

/* The match; a NULL pointer if there is none. */
static struct span ask(struct look *l, unsigned index, struct span text)
{
	struct signatures *s = l->s;
	bool last;
	int r;

	if (!s->codes[index])
		return s->words_at[index];
	l->asked++;
	for (size_t from = 0;; from += SIGNATURES_PIECE) {
		size_t end = MIN(text.len, from + SIGNATURES_PIECE + OVERLAP);
		last = from + SIGNATURES_PIECE > text.len;
		pcre2_set_offset_limit(s->context, from + SIGNATURES_PIECE - 1);
		r = pcre2_match(s->codes[index], (PCRE2_SPTR)text.ptr, end, from,
				end == text.len ? 0 : PCRE2_NOTEOL, s->data, s->context);
		places_tried(l, MIN(SIGNATURES_PIECE, text.len - from));
		if (r != PCRE2_ERROR_NOMATCH || last || l->over)
			break;
	}
	if (r < 0) {
		l->given_up += r != PCRE2_ERROR_NOMATCH || !last;
		return SPAN_NULL;
	}
	const size_t *at = pcre2_get_ovector_pointer(s->data);
	return (struct span){text.ptr + at[0], at[1] - at[0]};
}

static bool is_referred(struct look *l)
{
	if (l->referred == REFERRED_UNKNOWN)
		l->referred = cross_site_referred(l->request) ? REFERRED_YES : REFERRED_NO;
	return l->referred == REFERRED_YES;
}

static bool is_excepted(struct look *l, unsigned index)
{
	struct signatures *s = l->s;
	bool read = false;

	for (unsigned i = 0; i < s->exception_count; i++) {
		const struct exception *e = &s->exceptions[i];
		if (!set_has(&e->set, index))
			continue;
		if (!read)
			request_path_read(l->request->path, &s->path);
		read = true;
		if (request_path_fits(&s->path, span_from(e->route)))
			return true;
	}
	return false;
}

static void hit_add(struct look *l, unsigned index, enum signature_where where, struct span text)
{
	static const uint8_t scores[SIGNATURE_SEVERITIES] = {0, 1, 2, 3, 5};
	const struct signature *signature = &l->s->rules.items[index];
	struct signature_hits *hits = l->hits;

	set_add(&l->hit, index);
	if (is_excepted(l, index)) {
		count(&l->s->counts.excepted, 1);
		return;
	}
	hits->marks.score = (uint16_t)(hits->marks.score + scores[signature->severity]);
	hits->marks.categories[signature->severity - 1] |= (uint16_t)(1u << signature->category);
	if (hits->count == SIGNATURE_HITS_MAX) {
		hits->more++;
		return;
	}
	struct signature_hit *h = &hits->items[hits->count++];
	h->signature = signature;
	h->where = where;
	h->len = (uint8_t)MIN(text.len, sizeof h->text);
	memcpy(h->text, text.ptr, h->len);
}

/* True: a critical one was found. */
static bool look_at(struct look *l, enum signature_where where, enum form form, struct span text)
{
	struct signatures *s = l->s;
	struct suspicion on = {.s = s};
	bool critical = false;

	words_search(s->words, text, word_found, &on);
	for (unsigned i = 0; i < ARRAY_SIZE(on.suspects.bits); i++) {
		for (uint64_t left = on.suspects.bits[i] & s->where[where].bits[i] & s->forms[form].bits[i] &
				     ~l->hit.bits[i];
		     left; left &= left - 1) {
			unsigned index = i * 64 + (unsigned)__builtin_ctzll(left);
			const struct signature *signature = &s->rules.items[index];
			if (l->over || l->asked >= SIGNATURES_ASKED_MAX ||
			    l->given_up >= SIGNATURES_GIVEN_MAX) {
				l->given_up++;
				return critical;
			}
			if (signature->referred && !is_referred(l))
				continue;
			struct span found = ask(l, index, text);
			if (!found.ptr)
				continue;
			hit_add(l, index, where, found);
			critical |= signature->severity == SIGNATURE_CRITICAL;
		}
	}
	return critical;
}

/* A text, and what a database or a shell may make of it: what hides there, unless it is plain already. */
static void look_at_forms(struct look *l, enum signature_where where, struct span text)
{
	char *plain = l->s->scratch, *other = plain + text.len + 1;
	unsigned signs = unravel_signs(text);
	size_t len;

	if (!text.len)
		return;
	if (where == SIGNATURE_QUERY || signs & UNRAVEL_SIGNS_TEXT) {
		bool query = where == SIGNATURE_QUERY;
		text = (struct span){plain,
				     unravel(text, query ? UNRAVEL_QUERY : UNRAVEL_TEXT, plain, &signs)};
	}
	if (look_at(l, where, FORM_PLAIN, text))
		return;
	len = signs & UNRAVEL_SIGN_SQL ? unravel_sql(text, other) : 0;
	if (len && look_at(l, where, FORM_SQL, (struct span){other, len}))
		return;
	len = signs & UNRAVEL_SIGN_SHELL ? unravel_shell(text, other) : 0;
	if (len)
		look_at(l, where, FORM_SHELL, (struct span){other, len});
}

static int scratch_reserve(struct signatures *s, size_t size)
{
	if (s->scratch_size >= size)
		return 0;
	size += size / 2;
	char *scratch = realloc(s->scratch, size);
	if (!scratch)
		return -ENOMEM;
	s->scratch = scratch;
	s->scratch_size = size;
	return 0;
}

static bool begins(struct span name, struct span with)
{
	return name.len >= with.len && span_equal_nocase((struct span){name.ptr, with.len}, with);
}

static enum signature_where where_of(struct span name)
{
	switch (name.len ? name.ptr[0] | 0x20 : 0) {
	case 'u':
		return span_equal_nocase(name, SPAN("user-agent")) ? SIGNATURE_USER_AGENT : SIGNATURE_OTHER;
	case 'r':
		return span_equal_nocase(name, SPAN("referer")) ? SIGNATURE_REFERER : SIGNATURE_OTHER;
	case 'c':
		return span_equal_nocase(name, SPAN("cookie"))      ? SIGNATURE_COOKIE
		       : span_equal_nocase(name, SPAN("client-ip")) ? SIGNATURE_FORWARDED
								    : SIGNATURE_OTHER;
	case 'x':
		return begins(name, SPAN("x-forwarded")) || begins(name, SPAN("x-real-ip")) ||
				       begins(name, SPAN("x-client-ip"))
			       ? SIGNATURE_FORWARDED
			       : SIGNATURE_OTHER;
	case 'f':
		return span_equal_nocase(name, SPAN("forwarded")) ? SIGNATURE_FORWARDED : SIGNATURE_OTHER;
	case 't':
		return span_equal_nocase(name, SPAN("true-client-ip")) ? SIGNATURE_FORWARDED
								       : SIGNATURE_OTHER;
	default:
		return SIGNATURE_OTHER;
	}
}

int signatures_run(struct signatures *s, const struct http_request *request, struct signature_hits *ret)
{
	struct look l = {.s = s, .request = request, .hits = ret};
	size_t longest = MAX(request->path.len, request->query.len);

	ret->count = ret->more = 0;
	ret->unfinished = false;
	ret->marks = (struct event_marks){0};
	for (unsigned i = 0; i < request->header_count; i++)
		longest = MAX(longest, request->headers[i].value.len);
	if (scratch_reserve(s, 2 * (longest + 1)))
		return -ENOMEM;
	look_at_forms(&l, SIGNATURE_PATH, request->path);
	look_at_forms(&l, SIGNATURE_QUERY, request->query);
	for (unsigned i = 0; i < request->header_count; i++) {
		const struct http_header *h = &request->headers[i];
		look_at_forms(&l, where_of(h->name), h->value);
	}
	ret->unfinished = l.given_up > 0;
	count(&s->counts.requests, 1);
	count(&s->counts.suspected, l.asked);
	count(&s->counts.gave_up, l.given_up);
	count(&s->counts.unfinished, l.given_up > 0);
	count(&s->counts.matched, ret->count > 0);
	return 0;
}

bool signatures_try(struct signatures *s, unsigned index, struct span text)
{
	static const struct http_request nothing;
	struct signature_hits hits = {0};
	struct look l = {.s = s, .request = &nothing, .hits = &hits, .referred = REFERRED_YES};

	memset(&l.hit, 0xff, sizeof l.hit); /* what the others find does not matter */
	l.hit.bits[index / 64] &= ~(UINT64_C(1) << (index % 64));
	for (unsigned w = 0; w < SIGNATURE_WHERES; w++)
		if (set_has(&s->where[w], index)) {
			if (scratch_reserve(s, 2 * (text.len + 1)))
				return false;
			look_at_forms(&l, (enum signature_where)w, text);
			return set_has(&l.hit, index);
		}
	return false;
}

const struct signature_rules *signatures_rules(const struct signatures *s)
{
	return &s->rules;
}

struct signatures_counts signatures_counts(const struct signatures *s)
{
	return (struct signatures_counts){
		.requests = __atomic_load_n(&s->counts.requests, __ATOMIC_RELAXED),
		.matched = __atomic_load_n(&s->counts.matched, __ATOMIC_RELAXED),
		.suspected = __atomic_load_n(&s->counts.suspected, __ATOMIC_RELAXED),
		.gave_up = __atomic_load_n(&s->counts.gave_up, __ATOMIC_RELAXED),
		.unfinished = __atomic_load_n(&s->counts.unfinished, __ATOMIC_RELAXED),
		.excepted = __atomic_load_n(&s->counts.excepted, __ATOMIC_RELAXED),
	};
}
