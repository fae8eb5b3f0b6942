// SPDX-License-Identifier: Apache-2.0
#include "lib/config_yaml.h"
#include <errno.h>
#include <stdlib.h>
#include <yaml.h>
#include "lib/log.h"
#include "lib/utf8.h"
#include "lib/util.h"

struct reader {
	yaml_parser_t parser;
	const char *name;
	struct buffer *errors;
	unsigned nodes;
};

static int read_node(struct reader *r, const yaml_event_t *e, unsigned depth, struct yaml_node *ret);

static void cleanup_event(yaml_event_t *e)
{
	yaml_event_delete(e);
}

static int invalid(struct reader *r, const yaml_mark_t *mark, const char *what)
{
	buffer_printf(r->errors, "%s:%zu: %s\n", r->name, mark->line + 1, what);
	return CONFIG_YAML_E_INVALID;
}

void yaml_node_free(struct yaml_node *n)
{
	for (unsigned i = 0; i < n->count; i++) {
		yaml_node_free(&n->items[i]);
		if (n->keys)
			free(n->keys[i].text);
	}
	free(n->items);
	free(n->keys);
	free(n->text);
	*n = (struct yaml_node){0};
}

static int next_event(struct reader *r, yaml_event_t *ret)
{
	const yaml_parser_t *p = &r->parser;

	if (yaml_parser_parse(&r->parser, ret))
		return 0;
	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	/* A reader error (bytes that are no text) has an offset, but no mark. */
	if (p->error == YAML_READER_ERROR)
		buffer_printf(r->errors, "%s: not text, at byte %zu: %s\n", r->name, p->problem_offset,
			      p->problem);
	else
		buffer_printf(r->errors, "%s:%zu: not YAML: %s\n", r->name, p->problem_mark.line + 1,
			      p->problem ? p->problem : "cannot be read");
	return CONFIG_YAML_E_INVALID;
}

/* Room for one more; sizes are powers of two, so that the count tells when it is used up. */
static int grow(void **items, unsigned count, size_t size)
{
	if (count & (count - 1))
		return 0;
	void *more = realloc(*items, (count ? count * 2u : 1u) * size);
	if (!more)
		return -ENOMEM;
	*items = more;
	return 0;
}

static bool is_null(const char *text)
{
	return text[0] == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

static int copy_text(struct reader *r, const yaml_event_t *e, char **ret)
{
	const char *value = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;

	if (memchr(value, 0, len))
		return invalid(r, &e->start_mark, "a zero byte in a value");
	if (!utf8_valid((struct span){value, len}))
		return invalid(r, &e->start_mark, "not valid UTF-8");
	*ret = strndup(value, len);
	return *ret ? 0 : -ENOMEM;
}

static int read_scalar(struct reader *r, const yaml_event_t *e, struct yaml_node *n)
{
	if (e->data.scalar.anchor)
		return invalid(r, &e->start_mark, "anchors (&) are not supported; repeat the value");
	if (e->data.scalar.tag)
		return invalid(r, &e->start_mark, "tags (!) are not supported");
	int x = copy_text(r, e, &n->text);
	if (x)
		return x;
	n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	n->type = !n->quoted && is_null(n->text) ? YAML_NULL : YAML_SCALAR;
	return 0;
}

static int read_list(struct reader *r, const yaml_event_t *start, unsigned depth, struct yaml_node *n)
{
	n->type = YAML_LIST;
	if (start->data.sequence_start.anchor || start->data.sequence_start.tag)
		return invalid(r, &start->start_mark, "anchors (&) and tags (!) are not supported");
	for (;;) {
		_cleanup_(cleanup_event) yaml_event_t e = {0};
		struct yaml_node item = {0};

		int x = next_event(r, &e);
		if (x)
			return x;
		if (e.type == YAML_SEQUENCE_END_EVENT)
			return 0;
		x = grow((void **)&n->items, n->count, sizeof *n->items);
		if (x)
			return x;
		x = read_node(r, &e, depth + 1, &item);
		if (x)
			return x;
		n->items[n->count++] = item;
	}
}

static int read_key(struct reader *r, const yaml_event_t *e, const struct yaml_node *map,
		    struct yaml_key *ret)
{
	struct yaml_key key = {.line = (unsigned)e->start_mark.line + 1};

	if (e->type == YAML_ALIAS_EVENT)
		return invalid(r, &e->start_mark, "aliases (*) are not supported; repeat the value");
	if (e->type != YAML_SCALAR_EVENT)
		return invalid(r, &e->start_mark, "a key must be a plain word");
	if (e->data.scalar.anchor || e->data.scalar.tag)
		return invalid(r, &e->start_mark, "anchors (&) and tags (!) are not supported");
	int x = copy_text(r, e, &key.text);
	if (x)
		return x;
	for (unsigned i = 0; i < map->count; i++) {
		if (strcmp(map->keys[i].text, key.text) != 0)
			continue;
		buffer_printf(r->errors, "%s:%u: key ", r->name, key.line);
		log_quote(r->errors, span_from(key.text));
		buffer_printf(r->errors, " stands here a second time; it was set in line %u\n",
			      map->keys[i].line);
		free(key.text);
		return CONFIG_YAML_E_INVALID;
	}
	*ret = key;
	return 0;
}

static int read_pair(struct reader *r, const yaml_event_t *key_event, unsigned depth, struct yaml_node *map)
{
	_cleanup_(cleanup_event) yaml_event_t e = {0};
	struct yaml_node item = {0};
	struct yaml_key key = {0};

	int x = grow((void **)&map->items, map->count, sizeof *map->items);
	if (x)
		return x;
	x = grow((void **)&map->keys, map->count, sizeof *map->keys);
	if (x)
		return x;
	x = read_key(r, key_event, map, &key);
	if (x)
		return x;
	x = next_event(r, &e);
	if (!x)
		x = read_node(r, &e, depth + 1, &item);
	if (x) {
		free(key.text);
		return x;
	}
	map->keys[map->count] = key;
	map->items[map->count++] = item;
	return 0;
}

static int read_map(struct reader *r, const yaml_event_t *start, unsigned depth, struct yaml_node *n)
{
	n->type = YAML_MAP;
	if (start->data.mapping_start.anchor || start->data.mapping_start.tag)
		return invalid(r, &start->start_mark, "anchors (&) and tags (!) are not supported");
	for (;;) {
		_cleanup_(cleanup_event) yaml_event_t e = {0};

		int x = next_event(r, &e);
		if (x)
			return x;
		if (e.type == YAML_MAPPING_END_EVENT)
			return 0;
		x = read_pair(r, &e, depth, n);
		if (x)
			return x;
	}
}

/* *ret is set only on success. */
static int read_node(struct reader *r, const yaml_event_t *e, unsigned depth, struct yaml_node *ret)
{
	struct yaml_node n = {.line = (unsigned)e->start_mark.line + 1};
	int x;

	if (depth > CONFIG_YAML_DEPTH_MAX)
		return invalid(r, &e->start_mark, "nested too deep");
	if (++r->nodes > CONFIG_YAML_NODES_MAX)
		return invalid(r, &e->start_mark, "too many values");
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		x = read_scalar(r, e, &n);
		break;
	case YAML_SEQUENCE_START_EVENT:
		x = read_list(r, e, depth, &n);
		break;
	case YAML_MAPPING_START_EVENT:
		x = read_map(r, e, depth, &n);
		break;
	case YAML_ALIAS_EVENT:
		x = invalid(r, &e->start_mark, "aliases (*) are not supported; repeat the value");
		break;
	default:
		x = invalid(r, &e->start_mark, "not expected here");
		break;
	}
	if (x) {
		yaml_node_free(&n);
		return x;
	}
	*ret = n;
	return 0;
}

static int expect(struct reader *r, yaml_event_type_t type, const char *otherwise)
{
	_cleanup_(cleanup_event) yaml_event_t e = {0};
	int x = next_event(r, &e);

	if (x)
		return x;
	return e.type == type ? 0 : invalid(r, &e.start_mark, otherwise);
}

static int read_document(struct reader *r, struct yaml_node *ret)
{
	_cleanup_(cleanup_event) yaml_event_t e = {0};

	int x = next_event(r, &e);
	if (x)
		return x;
	if (e.type == YAML_STREAM_END_EVENT) { /* nothing but comments */
		*ret = (struct yaml_node){.line = 1};
		return 0;
	}
	yaml_event_delete(&e);
	x = next_event(r, &e);
	if (x)
		return x;
	x = read_node(r, &e, 0, ret);
	if (x)
		return x;
	x = expect(r, YAML_DOCUMENT_END_EVENT, "only one value is expected");
	if (!x)
		x = expect(r, YAML_STREAM_END_EVENT, "a second document begins; only one is read");
	if (x)
		yaml_node_free(ret);
	return x;
}

int config_yaml_parse(struct span text, const char *name, struct yaml_node *ret, struct buffer *errors)
{
	struct reader r = {.name = name, .errors = errors};
	struct yaml_node root = {0};

	if (text.len > CONFIG_YAML_BYTES_MAX) {
		buffer_printf(errors, "%s: larger than %d bytes\n", name, CONFIG_YAML_BYTES_MAX);
		return CONFIG_YAML_E_INVALID;
	}
	if (!yaml_parser_initialize(&r.parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
	int x = expect(&r, YAML_STREAM_START_EVENT, "not expected here");
	if (!x)
		x = read_document(&r, &root);
	yaml_parser_delete(&r.parser);
	if (!x)
		*ret = root;
	return x;
}
