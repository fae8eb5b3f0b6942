// SPDX-License-Identifier: Apache-2.0
/* A tree of segments. Its size bounds what a match costs, for each of its nodes is asked once at most. */
#include "policies/operations.h"
#include <errno.h>
#include "lib/util.h"
#include "policies/path_segments.h"

struct branch {
	char *text; /* the segment as in the template */
	size_t len;
	struct branch **literals; /* by compare_text */
	unsigned literal_count, literal_size;
	struct branch **mixed; /* text with parameters in it, longest text first */
	unsigned mixed_count, mixed_size;
	struct branch *parameter;
	uint32_t template; /* index + 1; 0: no template ends here */
};

struct template
{
	char *path;
	unsigned methods;
};

struct operations {
	struct branch root;
	struct template *templates;
	unsigned count, size;
};

/* --- methods --- */

static const char *const method_names[METHODS] = {
	"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "_OTHER",
};

enum method method_of(struct span name)
{
	for (unsigned m = 0; m < METHOD_OTHER; m++)
		if (span_equal(name, span_from(method_names[m])))
			return (enum method)m;
	return METHOD_OTHER;
}

const char *method_name(enum method m)
{
	return (unsigned)m < METHODS ? method_names[m] : "_OTHER";
}

/* --- building --- */

int operations_new(struct operations **ret)
{
	struct operations *o = calloc(1, sizeof *o);

	if (!o)
		return -ENOMEM;
	*ret = o;
	return 0;
}

/* Depth is bounded by OPERATIONS_SEGMENTS_MAX. */
static void branch_clear(struct branch *b)
{
	for (unsigned i = 0; i < b->literal_count; i++) {
		branch_clear(b->literals[i]);
		free(b->literals[i]);
	}
	for (unsigned i = 0; i < b->mixed_count; i++) {
		branch_clear(b->mixed[i]);
		free(b->mixed[i]);
	}
	if (b->parameter)
		branch_clear(b->parameter);
	free(b->parameter);
	free(b->literals);
	free(b->mixed);
	free(b->text);
}

void operations_free(struct operations *o)
{
	if (!o)
		return;
	branch_clear(&o->root);
	for (unsigned i = 0; i < o->count; i++)
		free(o->templates[i].path);
	free(o->templates);
	free(o);
}

enum shape { SHAPE_BAD, SHAPE_LITERAL, SHAPE_MIXED, SHAPE_PARAMETER };

/* Braces in pairs, with a name between, and text between two parameters: else nobody knows where one ends. */
static enum shape shape_of(struct span s)
{
	size_t parameters = 0, text = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '}')
			return SHAPE_BAD;
		if (s.ptr[i] != '{') {
			text++;
			continue;
		}
		const char *end = memchr(s.ptr + i, '}', s.len - i);
		if (!end || end == s.ptr + i + 1 || memchr(s.ptr + i + 1, '{', (size_t)(end - s.ptr) - i - 1))
			return SHAPE_BAD;
		i = (size_t)(end - s.ptr);
		if (i + 1 < s.len && s.ptr[i + 1] == '{')
			return SHAPE_BAD;
		parameters++;
	}
	return !parameters ? SHAPE_LITERAL : text ? SHAPE_MIXED : SHAPE_PARAMETER;
}

static int compare_text(struct span a, struct span b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

static struct span text_of(const struct branch *b)
{
	return (struct span){b->text, b->len};
}

/* Where s stands among items, or would. */
static unsigned position(struct branch *const *items, unsigned count, struct span s, bool *ret_found)
{
	unsigned from = 0, to = count;

	while (from < to) {
		unsigned middle = from + (to - from) / 2;
		int c = compare_text(text_of(items[middle]), s);
		if (c == 0) {
			*ret_found = true;
			return middle;
		}
		if (c < 0)
			from = middle + 1;
		else
			to = middle;
	}
	*ret_found = false;
	return from;
}

static struct branch *branch_new(struct span s)
{
	struct branch *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->text = strndup(s.ptr, s.len);
	if (!b->text) {
		free(b);
		return NULL;
	}
	b->len = s.len;
	return b;
}

static struct branch *insert(struct branch ***items, unsigned *count, unsigned *size, struct span s)
{
	bool found;
	unsigned at = position(*items, *count, s, &found);

	if (found && *items)
		return (*items)[at];
	if (!*items || *count == *size) {
		unsigned more = *size ? *size * 2 : 4;
		struct branch **bigger = realloc(*items, more * sizeof **items);
		if (!bigger)
			return NULL;
		*items = bigger;
		*size = more;
	}
	struct branch *b = branch_new(s);
	if (!b)
		return NULL;
	memmove(*items + at + 1, *items + at, (*count - at) * sizeof **items);
	(*items)[at] = b;
	++*count;
	return b;
}

/* The branch of a segment, made if it is not there. NULL: memory is out. */
static struct branch *branch_of(struct branch *b, struct span segment, enum shape shape)
{
	if (shape == SHAPE_LITERAL)
		return insert(&b->literals, &b->literal_count, &b->literal_size, segment);
	if (shape == SHAPE_MIXED)
		return insert(&b->mixed, &b->mixed_count, &b->mixed_size, segment);
	if (!b->parameter)
		b->parameter = branch_new(segment);
	return b->parameter;
}

static bool path_is_good(struct span path)
{
	struct span rest = path, segment;
	unsigned segments = 0;

	if (!path.len || path.ptr[0] != '/' || path.len > OPERATIONS_PATH_MAX ||
	    memchr(path.ptr, 0, path.len) || memchr(path.ptr, ';', path.len))
		return false;
	while (segment_next(&rest, &segment))
		if (shape_of(segment) == SHAPE_BAD || ++segments > OPERATIONS_SEGMENTS_MAX)
			return false;
	return true;
}

static int template_new(struct operations *o, struct span path, uint32_t *ret)
{
	if (o->count == OPERATIONS_TEMPLATES_MAX)
		return OPERATIONS_E_FULL;
	if (o->count == o->size) {
		unsigned more = o->size ? o->size * 2 : 64;
		struct template *bigger = realloc(o->templates, more * sizeof *bigger);
		if (!bigger)
			return -ENOMEM;
		o->templates = bigger;
		o->size = more;
	}
	char *copy = strndup(path.ptr, path.len);
	if (!copy)
		return -ENOMEM;
	o->templates[o->count] = (struct template){.path = copy};
	*ret = ++o->count;
	return 0;
}

int operations_add(struct operations *o, struct span path, unsigned methods)
{
	struct branch *b = &o->root;
	struct span rest = path, segment;

	if (!path_is_good(path))
		return OPERATIONS_E_PATH;
	while (segment_next(&rest, &segment)) {
		b = branch_of(b, segment, shape_of(segment));
		if (!b)
			return -ENOMEM;
	}
	if (!b->template) {
		int r = template_new(o, path, &b->template);
		if (r)
			return r;
	}
	struct template *t = &o->templates[b->template - 1];
	if (t->methods & methods)
		return OPERATIONS_E_SAME;
	t->methods |= methods;
	return 0;
}

/* --- asking --- */

unsigned operations_count(const struct operations *o)
{
	return o->count;
}

struct span operations_path(const struct operations *o, unsigned index)
{
	return span_from(o->templates[index].path);
}

unsigned operations_methods(const struct operations *o, unsigned index)
{
	return o->templates[index].methods;
}

bool operations_allow(const struct operations *o, unsigned index, enum method m)
{
	unsigned methods = o->templates[index].methods;

	if (m == METHOD_HEAD && methods & 1u << METHOD_GET)
		return true;
	return m == METHOD_OPTIONS || methods & 1u << m;
}

/* One parameter takes one byte or more; the last one's text is at the end. As globs are matched: only the
 * latest parameter need ever take more. */
static bool mixed_matches(struct span pattern, struct span s)
{
	size_t p = 0, i = 0, back_p = SIZE_MAX, back_i = 0;

	while (i < s.len || p < pattern.len) {
		if (p < pattern.len && pattern.ptr[p] == '{' && i < s.len) {
			p = (size_t)((const char *)memchr(pattern.ptr + p, '}', pattern.len - p) -
				     pattern.ptr) +
			    1;
			back_p = p;
			back_i = ++i;
			continue;
		}
		if (p < pattern.len && i < s.len && pattern.ptr[p] == s.ptr[i]) {
			p++;
			i++;
			continue;
		}
		if (back_p == SIZE_MAX || back_i >= s.len)
			return false;
		p = back_p;
		i = ++back_i;
	}
	return true;
}

static uint32_t find(const struct branch *b, struct span rest)
{
	struct span segment;
	bool found;
	uint32_t t;

	if (!segment_next(&rest, &segment))
		return b->template;
	unsigned at = position(b->literals, b->literal_count, segment, &found);
	if (found && (t = find(b->literals[at], rest)))
		return t;
	for (unsigned i = b->mixed_count; i-- > 0;)
		if (mixed_matches(text_of(b->mixed[i]), segment) && (t = find(b->mixed[i], rest)))
			return t;
	return b->parameter && segment.len ? find(b->parameter, rest) : 0;
}

bool operations_match(const struct operations *o, struct span path, unsigned *ret_index)
{
	uint32_t t = path.len && path.ptr[0] == '/' ? find(&o->root, path) : 0;

	if (t)
		*ret_index = t - 1;
	return t != 0;
}
