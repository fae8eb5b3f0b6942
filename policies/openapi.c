// SPDX-License-Identifier: Apache-2.0
#include "policies/openapi.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <yaml.h>
#include "lib/config.h"
#include "lib/util.h"

#define REFS_MAX  8  /* a reference to a reference ... */
#define FAULT_MAX 20 /* messages; what follows is seldom another fault */

/* One file being read. A fault is written down and reading goes on, so that a person sees all of them. */
struct loader {
	yaml_document_t *doc;
	const char *name;
	struct operations *operations;
	struct buffer *errors;
	unsigned faults;
};

/* The path of a server, where templates begin; empty: at "/". */
struct base {
	struct span variable; /* what the URL's first variable adds in front */
	struct span path;
};
struct bases {
	struct base items[OPENAPI_SERVERS_MAX];
	unsigned count;
};

__attribute__((format(printf, 3, 4))) static void fault(struct loader *l, size_t line, const char *format,
							...)
{
	char text[512];
	va_list args;

	if (l->faults++ >= FAULT_MAX)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (line)
		buffer_printf(l->errors, "%s:%zu: %s\n", l->name, line, text);
	else
		buffer_printf(l->errors, "%s: %s\n", l->name, text);
}

static size_t line_of(const yaml_node_t *n)
{
	return n->start_mark.line + 1;
}

static struct span scalar_of(const yaml_node_t *n)
{
	return n->type == YAML_SCALAR_NODE
		       ? (struct span){(const char *)n->data.scalar.value, n->data.scalar.length}
		       : SPAN_NULL;
}

static int shown(struct span s)
{
	return (int)MIN(s.len, (size_t)128);
}

static const yaml_node_t *member(struct loader *l, const yaml_node_t *mapping, struct span key)
{
	if (mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *p = mapping->data.mapping.pairs.start;
	     p < mapping->data.mapping.pairs.top; p++)
		if (span_equal(scalar_of(yaml_document_get_node(l->doc, p->key)), key))
			return yaml_document_get_node(l->doc, p->value);
	return NULL;
}

/* --- servers --- */

static struct span after(struct span s, size_t skip)
{
	return (struct span){s.ptr + skip, s.len - skip};
}

/* The path of a URL (RFC 3986 section 3), without slashes at its end; a relative one is taken from the root.
 */
static struct span url_path(struct span url)
{
	const char *scheme = url.len ? memmem(url.ptr, url.len, "://", 3) : NULL;
	size_t end = 0;

	if (scheme)
		url = after(url, (size_t)(scheme - url.ptr) + 1);
	if (url.len >= 2 && url.ptr[0] == '/' && url.ptr[1] == '/') {
		url = after(url, 2);
		const char *slash = url.len ? memchr(url.ptr, '/', url.len) : NULL;
		url = slash ? after(url, (size_t)(slash - url.ptr)) : SPAN_NULL;
	}
	if (url.len && url.ptr[0] == '.')
		url = after(url, 1);
	while (end < url.len && url.ptr[end] != '?' && url.ptr[end] != '#')
		end++;
	while (end && url.ptr[end - 1] == '/')
		end--;
	return (struct span){url.ptr, end};
}

/*
 * "{endpoint}/v1": such a variable is no segment if by its default it stands for the scheme and the host (or
 * for what the document leaves open, ""); what the default has behind them counts.
 */
static struct base server_base(struct loader *l, const yaml_node_t *server, struct span url)
{
	const char *end = url.len && url.ptr[0] == '{' ? memchr(url.ptr, '}', url.len) : NULL;
	const yaml_node_t *variables = end ? member(l, server, SPAN("variables")) : NULL, *of, *text;

	if (!variables)
		return (struct base){SPAN_NULL, url_path(url)};
	size_t len = (size_t)(end - url.ptr) + 1;
	struct span rest = after(url, len);
	of = member(l, variables, (struct span){url.ptr + 1, len - 2});
	text = of ? member(l, of, SPAN("default")) : NULL;
	struct span value = text ? scalar_of(text) : SPAN("no URL");
	if (value.len && !memmem(value.ptr, value.len, "://", 3))
		return (struct base){SPAN_NULL, url_path(url)};
	const char *slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL; /* behind ":8080" */
	rest = slash ? after(rest, (size_t)(slash - rest.ptr)) : SPAN_NULL;
	return (struct base){url_path(value), url_path(rest)};
}

#define BASE_TEXT_MAX (2 * OPERATIONS_PATH_MAX)

/* "/api/v1"; "": at "/". Returns its length, BASE_TEXT_MAX or more if it is cut. */
static size_t base_text(const struct base *b, char text[static BASE_TEXT_MAX])
{
	struct span first = b->variable.len ? b->variable : b->path;

	return (size_t)snprintf(
		text, BASE_TEXT_MAX, "%s%.*s%.*s", first.len && first.ptr[0] != '/' ? "/" : "",
		(int)MIN(b->variable.len, (size_t)BASE_TEXT_MAX), b->variable.len ? b->variable.ptr : "",
		(int)MIN(b->path.len, (size_t)BASE_TEXT_MAX), b->path.len ? b->path.ptr : "");
}

static bool base_is_known(const struct bases *bases, const struct base *b)
{
	char text[BASE_TEXT_MAX], other[BASE_TEXT_MAX];
	bool known = false;

	base_text(b, text);
	for (unsigned i = 0; i < bases->count && !known; i++) {
		base_text(&bases->items[i], other);
		known = strcmp(text, other) == 0;
	}
	return known;
}

/* What a list of servers says; one that is absent or empty leaves *bases as it is. */
static void read_servers(struct loader *l, const yaml_node_t *node, struct bases *bases)
{
	struct bases fresh = {0};

	if (!node)
		return;
	if (node->type != YAML_SEQUENCE_NODE) {
		fault(l, line_of(node), "servers must be a list");
		return;
	}
	for (const yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
	     i++) {
		const yaml_node_t *server = yaml_document_get_node(l->doc, *i);
		const yaml_node_t *url = member(l, server, SPAN("url"));
		if (!url || url->type != YAML_SCALAR_NODE) {
			fault(l, line_of(server), "a server needs \"url\"");
			continue;
		}
		struct base base = server_base(l, server, scalar_of(url));
		if (base_is_known(&fresh, &base))
			continue;
		if (fresh.count == OPENAPI_SERVERS_MAX) {
			fault(l, line_of(server), "more than %d servers with different paths",
			      OPENAPI_SERVERS_MAX);
			return;
		}
		fresh.items[fresh.count++] = base;
	}
	if (fresh.count)
		*bases = fresh;
}

/* --- references --- */

/* Takes "~1" and "~0" back to "/" and "~", and "%7B" to "{" (RFC 6901 sections 4 and 6). out: as long as s.
 */
static struct span pointer_decode(struct span s, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		unsigned value;
		if (c == '~' && i + 1 < s.len && (s.ptr[i + 1] == '0' || s.ptr[i + 1] == '1')) {
			c = s.ptr[++i] == '1' ? '/' : '~';
		} else if (c == '%' && i + 2 < s.len) {
			char hex[3] = {s.ptr[i + 1], s.ptr[i + 2], 0};
			if (strspn(hex, "0123456789abcdefABCDEF") == 2 && sscanf(hex, "%2x", &value) == 1) {
				c = (char)value;
				i += 2;
			}
		}
		out[len++] = c;
	}
	return (struct span){out, len};
}

/* NULL: it leads nowhere. */
static const yaml_node_t *pointer_follow(struct loader *l, struct span pointer)
{
	const yaml_node_t *n = yaml_document_get_root_node(l->doc);
	char key[OPERATIONS_PATH_MAX];

	while (n && pointer.len && pointer.ptr[0] == '/') {
		pointer = after(pointer, 1);
		const char *slash = memchr(pointer.ptr, '/', pointer.len);
		struct span part = {pointer.ptr, slash ? (size_t)(slash - pointer.ptr) : pointer.len};
		if (part.len > sizeof key)
			return NULL;
		n = member(l, n, pointer_decode(part, key));
		pointer = after(pointer, part.len);
	}
	return pointer.len ? NULL : n;
}

/* The path item that a reference means, or the node itself. NULL: said what is wrong. */
static const yaml_node_t *item_of(struct loader *l, const yaml_node_t *node)
{
	for (unsigned i = 0; i < REFS_MAX; i++) {
		const yaml_node_t *ref = member(l, node, SPAN("$ref"));
		if (!ref)
			return node;
		struct span text = scalar_of(ref);
		if (!text.len || text.ptr[0] != '#') {
			fault(l, line_of(ref),
			      "\"$ref: %.*s\" leads to another file: put the whole API into one (bundle it)",
			      shown(text), text.ptr ? text.ptr : "");
			return NULL;
		}
		node = pointer_follow(l, after(text, 1));
		if (!node) {
			fault(l, line_of(ref), "\"$ref: %.*s\" leads nowhere", shown(text), text.ptr);
			return NULL;
		}
	}
	fault(l, line_of(node), "references that lead to each other");
	return NULL;
}

/* --- paths --- */

/* OpenAPI's "get" is the method GET; others, such as "parameters", are no operations. */
static bool method_of_key(struct span key, enum method *ret)
{
	static const enum method known[] = {METHOD_GET,     METHOD_PUT,  METHOD_POST,  METHOD_DELETE,
					    METHOD_OPTIONS, METHOD_HEAD, METHOD_PATCH, METHOD_TRACE};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!span_equal_nocase(key, span_from(method_name(known[i]))))
			continue;
		*ret = known[i];
		return true;
	}
	return false;
}

static int add(struct loader *l, size_t line, const struct bases *bases, struct span path, unsigned methods)
{
	for (unsigned i = 0; i < bases->count; i++) {
		char base[BASE_TEXT_MAX], text[2 * BASE_TEXT_MAX];
		size_t len = base_text(&bases->items[i], base);
		int n = snprintf(text, sizeof text, "%s%.*s", base, (int)MIN(path.len, (size_t)BASE_TEXT_MAX),
				 path.ptr);
		bool bad = len >= sizeof base || (path.len && memchr(path.ptr, 0, path.len));
		int r = bad ? OPERATIONS_E_PATH
			    : operations_add(l->operations, (struct span){text, (size_t)n}, methods);
		if (r < 0)
			return r;
		if (r == OPERATIONS_E_SAME)
			fault(l, line, "\"%.*s\" is there twice, if names of parameters do not count",
			      shown(path), path.ptr);
		else if (r == OPERATIONS_E_FULL && !l->faults)
			fault(l, line, "more than %d paths", OPERATIONS_TEMPLATES_MAX);
		else if (r == OPERATIONS_E_PATH)
			fault(l, line,
			      "\"%.*s%.*s\" is no path: it begins with \"/\", has its braces in pairs with a "
			      "name "
			      "between them, text between two parameters, no \";\", and at most %d bytes",
			      128, base, shown(path), path.ptr, OPERATIONS_PATH_MAX);
	}
	return 0;
}

/* An operation with servers of its own has its own paths; the rest of an item goes together. */
static int read_item(struct loader *l, const yaml_node_t *key, const yaml_node_t *node, struct bases bases)
{
	struct span path = scalar_of(key);
	unsigned methods = 0;
	bool elsewhere = false;
	const yaml_node_t *item = item_of(l, node);

	if (!item)
		return 0;
	if (item->type != YAML_MAPPING_NODE) {
		fault(l, line_of(item), "\"%.*s\" must be a mapping of methods", shown(path), path.ptr);
		return 0;
	}
	read_servers(l, member(l, item, SPAN("servers")), &bases);
	for (const yaml_node_pair_t *p = item->data.mapping.pairs.start; p < item->data.mapping.pairs.top;
	     p++) {
		enum method method;
		if (!method_of_key(scalar_of(yaml_document_get_node(l->doc, p->key)), &method))
			continue;
		const yaml_node_t *operation = yaml_document_get_node(l->doc, p->value);
		const yaml_node_t *servers = member(l, operation, SPAN("servers"));
		if (!servers) {
			methods |= 1u << method;
			continue;
		}
		struct bases own = bases;
		elsewhere = true;
		read_servers(l, servers, &own);
		int r = add(l, line_of(operation), &own, path, 1u << method);
		if (r)
			return r;
	}
	return methods || !elsewhere ? add(l, line_of(key), &bases, path, methods) : 0;
}

static int read_paths(struct loader *l, const yaml_node_t *paths, const struct bases *bases)
{
	if (paths->type != YAML_MAPPING_NODE) {
		fault(l, line_of(paths), "paths must be a mapping");
		return 0;
	}
	for (const yaml_node_pair_t *p = paths->data.mapping.pairs.start; p < paths->data.mapping.pairs.top;
	     p++) {
		const yaml_node_t *key = yaml_document_get_node(l->doc, p->key);
		struct span path = scalar_of(key);
		if (path.len >= 2 && memcmp(path.ptr, "x-", 2) == 0)
			continue;
		int r = read_item(l, key, yaml_document_get_node(l->doc, p->value), *bases);
		if (r)
			return r;
	}
	return 0;
}

/* --- the document --- */

static bool version_is_known(struct loader *l, const yaml_node_t *root)
{
	const yaml_node_t *version = member(l, root, SPAN("openapi"));
	const yaml_node_t *old = member(l, root, SPAN("swagger"));
	struct span text = version ? scalar_of(version) : SPAN_NULL;

	if (text.len >= 3 && (memcmp(text.ptr, "3.0", 3) == 0 || memcmp(text.ptr, "3.1", 3) == 0))
		return true;
	if (version)
		fault(l, line_of(version), "\"openapi: %.*s\" is not known: 3.0 and 3.1 are", shown(text),
		      text.ptr ? text.ptr : "");
	else if (old)
		fault(l, line_of(old), "Swagger 2.0 is not read: convert the file to OpenAPI 3");
	else
		fault(l, line_of(root), "is no OpenAPI document: \"openapi: 3...\" is missing");
	return false;
}

static int load_document(struct loader *l)
{
	const yaml_node_t *root = yaml_document_get_root_node(l->doc);
	struct bases bases = {.count = 1};

	if (!root || root->type != YAML_MAPPING_NODE) {
		fault(l, root ? line_of(root) : 0, "is no OpenAPI document");
		return 0;
	}
	if (!version_is_known(l, root))
		return 0;
	read_servers(l, member(l, root, SPAN("servers")), &bases);
	const yaml_node_t *paths = member(l, root, SPAN("paths"));
	if (!paths) {
		fault(l, line_of(root), "\"paths:\" is missing");
		return 0;
	}
	return read_paths(l, paths, &bases);
}

/*
 * JSON writes letters beyond U+FFFF as two escapes (RFC 8259 section 7), which the YAML library refuses. They
 * stand in descriptions, which nobody reads here: each half becomes U+FFFD.
 */
static void replace_surrogates(char *bytes, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (bytes[i] != '\\')
			continue;
		if (bytes[i + 1] == 'u' && i + 6 <= len && (bytes[i + 2] == 'd' || bytes[i + 2] == 'D') &&
		    strchr("89abcdefABCDEF", bytes[i + 3]) && bytes[i + 3])
			memcpy(bytes + i + 2, "FFFD", 4);
		i++; /* "\\" is one escape */
	}
}

static int load_parsed(struct loader *l, yaml_parser_t *parser)
{
	yaml_document_t doc;

	if (!yaml_parser_load(parser, &doc)) {
		fault(l, parser->problem_mark.line + 1, "%s", parser->problem ? parser->problem : "not YAML");
		return parser->error == YAML_MEMORY_ERROR ? -ENOMEM : 0;
	}
	l->doc = &doc;
	int r = load_document(l);
	yaml_document_delete(&doc);
	return r;
}

int openapi_parse(char *bytes, size_t len, const char *name, struct operations **ret, struct buffer *errors)
{
	struct loader l = {.name = name, .errors = errors};
	size_t first = 0;
	yaml_parser_t parser;

	if (len > OPENAPI_FILE_MAX) {
		fault(&l, 0, "is larger than %u bytes", OPENAPI_FILE_MAX);
		return CONFIG_E_INVALID;
	}
	int r = operations_new(&l.operations);
	if (r)
		return r;
	if (!yaml_parser_initialize(&parser)) {
		operations_free(l.operations);
		return -ENOMEM;
	}
	while (first < len && strchr(" \t\r\n", bytes[first]) && bytes[first])
		first++;
	if (first < len && bytes[first] == '{')
		replace_surrogates(bytes, len);
	yaml_parser_set_input_string(&parser, (const unsigned char *)(len ? bytes : ""), len);
	r = load_parsed(&l, &parser);
	yaml_parser_delete(&parser);
	if (!r && l.faults)
		r = CONFIG_E_INVALID;
	if (r)
		operations_free(l.operations);
	else
		*ret = l.operations;
	return r;
}

/* All of a plain file, ended by a zero byte that *ret_len does not count. -errno; -EFBIG: too large. */
static int read_file(const char *path, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t len = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > OPENAPI_FILE_MAX)
		return -EFBIG;
	_cleanup_free_ char *bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return -ENOMEM;
	while (len < (size_t)st.st_size && (n = read(fd, bytes + len, (size_t)st.st_size - len)) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	bytes[len] = 0;
	*ret = bytes;
	*ret_len = len;
	bytes = NULL;
	return 0;
}

int openapi_load(const char *path, struct operations **ret, struct buffer *errors)
{
	_cleanup_free_ char *bytes = NULL;
	struct loader l = {.name = path, .errors = errors};
	size_t len = 0;
	int r = read_file(path, &bytes, &len);

	if (r == -ENOMEM)
		return r;
	if (r) {
		fault(&l, 0, "the OpenAPI file cannot be read: %s",
		      r == -EINVAL ? "no plain file" : strerror(-r));
		return CONFIG_E_INVALID;
	}
	return openapi_parse(bytes, len, path, ret, errors);
}
