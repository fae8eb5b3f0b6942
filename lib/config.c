// SPDX-License-Identifier: Apache-2.0
/*
 * The sources of the configuration, one after the other into the same struct; then what follows from other
 * keys, then the rules across keys. All that is wrong is told, not only the first thing.
 */
#include "lib/config.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "lib/config_keys.h"
#include "lib/config_yaml.h"
#include "lib/util.h"

#define DEFAULT_FILE "/etc/picket/picket.yaml"
#define FILES_MAX    256
#define SUN_PATH_MAX 107 /* what a unix socket's address holds beside its zero */

struct loader {
	struct config *config;
	struct buffer *errors;
	bool invalid;
};

/* Expected errors are remembered, so that the next one is told too; only memory ends it. */
static int note(struct loader *l, int r)
{
	if (r > 0)
		l->invalid = true;
	return r < 0 ? r : 0;
}

static int origin_set(struct loader *l, const struct config_key *key, const struct config_place *place,
		      unsigned line)
{
	char *text = NULL;
	int n = place->from_file && line ? asprintf(&text, "%s:%u", place->source, line)
					 : asprintf(&text, "%s", place->source);

	if (n < 0)
		return -ENOMEM;
	char **at = &l->config->origins->items[key - config_keys];
	free(*at);
	*at = text;
	return 0;
}

static int value_set(struct loader *l, const struct config_key *key, const struct yaml_node *node,
		     unsigned line, const struct config_place *place)
{
	int r = config_value_set(key, l->config, node, place, l->errors);

	return r ? note(l, r) : origin_set(l, key, place, line);
}

/* --- YAML --- */

static int complain_unknown(struct loader *l, const char *path, unsigned line,
			    const struct config_place *place)
{
	const char *near = config_key_nearest(path);

	config_complain(place, line, NULL, l->errors);
	buffer_append_text(l->errors, "unknown key ");
	log_quote(l->errors, span_from(path));
	if (near)
		buffer_printf(l->errors, "; did you mean %s?\n", near);
	else
		buffer_append_text(l->errors, "; `picket config schema` lists all keys\n");
	return note(l, CONFIG_E_INVALID);
}

static int section_apply(struct loader *l, const char *prefix, const struct yaml_node *map,
			 const struct config_place *place)
{
	for (unsigned i = 0; i < map->count; i++) {
		const struct yaml_node *node = &map->items[i];
		const char *word = map->keys[i].text;
		unsigned line = map->keys[i].line;
		char path[256];
		int r;

		int n = snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "." : "", word);
		const struct config_key *key = n < (int)sizeof path ? config_key_find(path) : NULL;
		if (strchr(word, '.') && key) {
			config_complain(place, line, path, l->errors);
			buffer_append_text(l->errors,
					   "write it as a section, the last word indented below the first\n");
			r = note(l, CONFIG_E_INVALID);
		} else if (key) {
			r = value_set(l, key, node, line, place);
		} else if (!config_key_is_section(path)) {
			r = complain_unknown(l, path, line, place);
		} else if (node->type == YAML_MAP) {
			r = section_apply(l, path, node, place);
		} else if (node->type == YAML_NULL) {
			r = 0; /* a section whose keys are all comments */
		} else {
			config_complain(place, line, path, l->errors);
			buffer_append_text(l->errors, "is a section; its keys stand indented below it\n");
			r = note(l, CONFIG_E_INVALID);
		}
		if (r)
			return r;
	}
	return 0;
}

static int yaml_apply(struct loader *l, struct span text, const struct config_place *place)
{
	struct yaml_node root = {0};
	int r = config_yaml_parse(text, place->source, &root, l->errors);

	if (r)
		return note(l, r);
	if (root.type == YAML_MAP) {
		r = section_apply(l, "", &root, place);
	} else if (root.type != YAML_NULL) {
		config_complain(place, root.line, NULL, l->errors);
		buffer_append_text(l->errors, "keys are expected, such as \"mode: observe\"\n");
		r = note(l, CONFIG_E_INVALID);
	}
	yaml_node_free(&root);
	return r;
}

/* --- files --- */

static int complain_file(struct loader *l, const char *path, const char *what)
{
	buffer_printf(l->errors, "%s: %s\n", path, what);
	return note(l, CONFIG_E_INVALID);
}

/* 0, or a positive errno of the file, or -ENOMEM. */
static int file_read(const char *path, struct buffer *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	for (;;) {
		char *at;
		/* One byte more than is allowed may come in, so that "too large" is told from "just fits". */
		size_t want = MIN((size_t)4096, ret->max - ret->len);
		if (want == 0)
			return EFBIG;
		int r = buffer_reserve(ret, want, &at);
		if (r)
			return -ENOMEM;
		ssize_t n = read(fd, at, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : 0;
		buffer_commit(ret, (size_t)n);
	}
}

/* Absolute, since what a file names is relative to its own directory. */
static int directory_of(const char *path, char **ret)
{
	_cleanup_free_ char *here = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
	const char *slash = strrchr(path, '/');
	int n = slash ? (int)(slash - path) : 0;

	if (!here || asprintf(ret, "%s%s%.*s%s", here, path[0] == '/' ? "" : "/", n, path,
			      path[0] == '/' && n == 0 ? "/" : "") < 0)
		return -ENOMEM;
	return 0;
}

static int file_apply(struct loader *l, const char *path, const char *directory, bool must_exist)
{
	struct buffer text = BUFFER_INIT(CONFIG_YAML_BYTES_MAX + 1);
	int r = file_read(path, &text);

	if (r == 0) {
		struct config_place place = {path, directory, true};
		r = yaml_apply(l, buffer_span(&text), &place);
	} else if (r == ENOENT && must_exist) {
		r = complain_file(l, path, "no such file; create it, or run without -c for the defaults");
	} else if (r == ENOENT) {
		r = 0;
	} else if (r == EFBIG) {
		r = complain_file(l, path, "larger than 256 KiB: is this the right file?");
	} else if (r > 0) {
		r = complain_file(l, path, strerror(r));
	}
	buffer_free(&text);
	return r;
}

static int is_fragment(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".yaml") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* bytes, so that the locale does not change the order */
}

static int fragments_apply(struct loader *l, const char *directory)
{
	_cleanup_free_ char *conf_d = NULL;
	struct dirent **entries = NULL;
	int r = 0;

	if (asprintf(&conf_d, "%s/conf.d", directory) < 0)
		return -ENOMEM;
	int count = scandir(conf_d, &entries, is_fragment, by_name);
	if (count < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0
		       : errno == ENOMEM                   ? -ENOMEM
							   : complain_file(l, conf_d, strerror(errno));
	if (count > FILES_MAX)
		r = complain_file(l, conf_d, "more than 256 files");
	for (int i = 0; i < count; i++) {
		_cleanup_free_ char *path = NULL;
		if (r == 0 && count <= FILES_MAX)
			r = asprintf(&path, "%s/%s", conf_d, entries[i]->d_name) < 0
				    ? -ENOMEM
				    : file_apply(l, path, conf_d, true);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int files_apply(struct loader *l, const char *file)
{
	_cleanup_free_ char *directory = NULL;
	const char *path = file ? file : DEFAULT_FILE;

	if (!path[0])
		return 0;
	int r = directory_of(path, &directory);
	if (!r)
		r = file_apply(l, path, directory, file != NULL);
	if (!r)
		r = fragments_apply(l, directory);
	return r;
}

/* --- environment and flags --- */

static int list_split(struct span text, struct yaml_node *ret)
{
	struct yaml_node list = {.type = YAML_LIST};
	size_t commas = 0;

	for (size_t i = 0; i < text.len; i++)
		commas += text.ptr[i] == ',';
	list.items = calloc(commas + 1, sizeof *list.items);
	if (!list.items)
		return -ENOMEM;
	while (text.len) {
		const char *comma = memchr(text.ptr, ',', text.len);
		struct span item = {text.ptr, comma ? (size_t)(comma - text.ptr) : text.len};
		struct span word = span_trim(item);
		char *copy = strndup(word.ptr, word.len);
		if (!copy) {
			yaml_node_free(&list);
			return -ENOMEM;
		}
		list.items[list.count++] = (struct yaml_node){.type = YAML_SCALAR, .text = copy};
		text.ptr += item.len + (comma != NULL);
		text.len -= item.len + (comma != NULL);
	}
	*ret = list;
	return 0;
}

static int text_apply(struct loader *l, const struct config_key *key, const char *value,
		      const struct config_place *place)
{
	struct yaml_node node = {.type = YAML_SCALAR};
	struct span text = span_trim(span_from(value));
	int r = 0;

	if (key->type == CONFIG_ITEMS || (key->type >= CONFIG_TEXTS && text.len && text.ptr[0] == '[')) {
		r = config_yaml_parse(text, place->source, &node, l->errors);
	} else if (key->type >= CONFIG_TEXTS) {
		r = list_split(text, &node);
	} else {
		node.text = strdup(value);
		r = node.text ? 0 : -ENOMEM;
	}
	if (!r)
		r = value_set(l, key, &node, 0, place);
	else
		r = note(l, r);
	yaml_node_free(&node);
	return r;
}

static int environment_apply(struct loader *l, char *const *list, const char *directory)
{
	for (; list && *list; list++) {
		const char *equals = strchr(*list, '=');
		const struct config_key *key, *near;
		char name[CONFIG_ENV_MAX];

		if (strncmp(*list, "PICKET_", 7) != 0 || !equals || equals[1] == 0)
			continue;
		key = config_key_of_env((struct span){*list, (size_t)(equals - *list)}, &near);
		if (key) {
			struct config_place place = {config_key_env(key, name), directory, false};
			int r = text_apply(l, key, equals + 1, &place);
			if (r)
				return r;
		} else if (near) {
			/* Others have names that begin so too (an orchestrator's, for a service of that
			 * name), so only a likely slip is an error. */
			buffer_printf(l->errors, "%.*s: unknown variable; did you mean %s?\n",
				      (int)(equals - *list), *list, config_key_env(near, name));
			l->invalid = true;
		}
	}
	return 0;
}

static int flags_apply(struct loader *l, const struct config_flag *flags, unsigned count,
		       const char *directory)
{
	for (unsigned i = 0; i < count; i++) {
		const struct config_key *key = config_key_find(flags[i].key);
		struct config_place place = {flags[i].flag, directory, false};
		int r = key ? text_apply(l, key, flags[i].value, &place)
			    : complain_unknown(l, flags[i].key, 0, &place);
		if (r)
			return r;
	}
	return 0;
}

/* --- defaults --- */

static const struct config_place default_place = {"default", "/", false};

static bool is_derived(const struct config_key *key)
{
	return strchr(key->fallback, '{') && key->type == CONFIG_TEXT;
}

static int defaults_apply(struct loader *l)
{
	for (unsigned i = 0; i < config_key_count; i++) {
		if (is_derived(&config_keys[i]))
			continue;
		int r = text_apply(l, &config_keys[i], config_keys[i].fallback, &default_place);
		if (r)
			return r;
	}
	return 0;
}

static struct span derived_word(const struct config *c, struct span name)
{
	if (span_equal(name, SPAN("instance")))
		return span_from(c->instance);
	if (span_equal(name, SPAN("state_dir")))
		return span_from(c->state_dir);
	if (span_equal(name, SPAN("control_dir")))
		return (struct span){c->control, (size_t)(strrchr(c->control, '/') - c->control)};
	return getpwnam("picket") ? SPAN("picket") : SPAN("nobody");
}

/* Defaults that other keys take part in; a row's own come above it in the table. */
static int derived_apply(struct loader *l)
{
	for (unsigned i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		if (!is_derived(key) || *(char **)((char *)l->config + key->offset))
			continue;
		const char *open = strchr(key->fallback, '{'), *close = strchr(open, '}');
		struct span name = {open + 1, (size_t)(close - open - 1)};
		struct span word = derived_word(l->config, name);
		_cleanup_free_ char *text = NULL;
		if (asprintf(&text, "%.*s%.*s%s", (int)(open - key->fallback), key->fallback, (int)word.len,
			     word.ptr, close + 1) < 0)
			return -ENOMEM;
		int r = text_apply(l, key, text, &default_place);
		if (r)
			return r;
	}
	return 0;
}

/* --- rules across keys --- */

static void complain_rule(struct loader *l, const char *path, const char *what)
{
	const char *origin = l->config->origins->items[config_key_find(path) - config_keys];

	buffer_printf(l->errors, "%s: %s: %s\n", origin, path, what);
	l->invalid = true;
}

static void check_ports(struct loader *l, const char *path, const struct config_ports *wanted)
{
	const struct config_ports *never = &l->config->capture.never_ports;

	for (unsigned i = 0; i < wanted->count; i++) {
		for (unsigned k = 0; k < never->count; k++) {
			if (wanted->items[i] != never->items[k])
				continue;
			char what[64];
			snprintf(what, sizeof what, "%u stands in capture.never_ports too", wanted->items[i]);
			complain_rule(l, path, what);
		}
	}
}

static void check_proxies(struct loader *l)
{
	const struct config_prefixes *trusted = &l->config->proxies.trusted,
				     *direct = &l->config->proxies.direct;

	for (unsigned i = 0; i < trusted->count; i++) {
		for (unsigned k = 0; k < direct->count; k++) {
			if (!prefix_equal(&trusted->items[i], &direct->items[k]))
				continue;
			char text[PREFIX_TEXT_MAX], what[PREFIX_TEXT_MAX + 64];
			snprintf(what, sizeof what,
				 "%s stands in proxies.trusted too; it is one or the other",
				 prefix_format(&direct->items[k], text));
			complain_rule(l, "proxies.direct", what);
		}
	}
}

/*
 * No network checks inner addresses: whoever reaches this host could put a client's there, and have it
 * blocked for what it never did.
 */
static void check_tunnels(struct loader *l)
{
	const struct config *c = l->config;

	if (c->capture.decapsulate && !c->capture.tunnel_peers.count)
		complain_rule(l, "capture.decapsulate",
			      "needs capture.tunnel_peers: the outer addresses whose tunnels are opened");
}

static void check_sockets(struct loader *l)
{
	static const char too_long[] = "longer than the 107 bytes that a socket's path may have";
	const struct config *c = l->config;

	if (c->control && strlen(c->control) > SUN_PATH_MAX)
		complain_rule(l, "control", too_long);
	if (c->decide && strlen(c->decide) > SUN_PATH_MAX)
		complain_rule(l, "decide", too_long);
	if (c->control && c->decide && !strcmp(c->control, c->decide))
		complain_rule(l, "decide", "is the control socket: give it a path of its own");
}

static void check_lists(struct loader *l)
{
	const struct config *c = l->config;

	for (unsigned i = 0; i < c->list_count; i++) {
		char what[128];
		if (c->lists[i].ttl_ms <= c->limits.ttl_max_ms)
			continue;
		snprintf(what, sizeof what,
			 "the ttl of %s (24h, if none is given) is longer than limits.ttl_max",
			 c->lists[i].name);
		complain_rule(l, "lists", what);
	}
}

static const struct config_list *list_named(const struct config *c, const char *name)
{
	for (unsigned i = 0; i < c->list_count; i++)
		if (!strcmp(c->lists[i].name, name))
			return &c->lists[i];
	return NULL;
}

/* What a gateway wants blocked is a list as well: it is put into force, counted and explained like one. */
static int list_of_gateway(struct loader *l, const struct config_gateway *g)
{
	struct config *c = l->config;
	char what[96];

	if (list_named(c, g->name)) {
		snprintf(what, sizeof what,
			 "%s is the name of a gateway too, whose decisions are a list of that name", g->name);
		complain_rule(l, "lists", what);
		return 0;
	}
	if (c->list_count == CONFIG_LISTS_MAX) {
		complain_rule(l, "lists", "too many lists, those of crowdsec gateways counted");
		return 0;
	}
	struct config_list *more = realloc(c->lists, (c->list_count + 1) * sizeof *more);
	if (!more)
		return -ENOMEM;
	c->lists = more;
	c->lists[c->list_count] = (struct config_list){
		.name = strdup(g->name),
		.format = CONFIG_LIST_CROWDSEC,
		.action = g->action,
		.scope = g->scope,
		.ttl_ms = c->limits.ttl_max_ms,
	};
	return c->lists[c->list_count++].name ? 0 : -ENOMEM;
}

static int gateway_lists_apply(struct loader *l)
{
	const struct config *c = l->config;
	int r = 0;

	for (unsigned i = 0; i < c->gateway_count && !r; i++)
		if (config_gateway_has_list(&c->gateways[i]))
			r = list_of_gateway(l, &c->gateways[i]);
	return r;
}

static void check_rules(struct loader *l)
{
	const struct config *c = l->config;

	check_sockets(l);
	if (c->guard.ttl_default_ms > c->limits.ttl_max_ms)
		complain_rule(l, "guard.ttl_default", "longer than limits.ttl_max");
	if (c->capture.stream_bytes < c->capture.read_max)
		complain_rule(l, "capture.stream_bytes", "smaller than capture.read_max");
	check_lists(l);
	check_ports(l, "capture.ports", &c->capture.ports);
	check_ports(l, "capture.loopback_ports", &c->capture.loopback_ports);
	check_proxies(l);
	check_tunnels(l);
}

/* --- the whole --- */

static int config_new(struct config **ret)
{
	struct config *c = calloc(1, sizeof *c);

	if (!c)
		return -ENOMEM;
	c->origins = calloc(1, sizeof *c->origins);
	if (c->origins)
		c->origins->items = calloc(config_key_count, sizeof *c->origins->items);
	if (!c->origins || !c->origins->items) {
		config_free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < config_key_count; i++)
		config_value_free(&config_keys[i], c);
	if (c->origins && c->origins->items)
		for (unsigned i = 0; i < config_key_count; i++)
			free(c->origins->items[i]);
	if (c->origins)
		free(c->origins->items);
	free(c->origins);
	free(c);
}

int config_load(const char *file, const struct config_flag *flags, unsigned flag_count,
		char *const *environ_list, struct config **ret, struct buffer *errors)
{
	struct loader l = {.errors = errors};
	_cleanup_free_ char *here = getcwd(NULL, 0);

	int r = config_new(&l.config);
	if (r)
		return r;
	const char *directory = here ? here : "/";
	r = defaults_apply(&l);
	if (!r)
		r = files_apply(&l, file);
	if (!r)
		r = environment_apply(&l, environ_list, directory);
	if (!r)
		r = flags_apply(&l, flags, flag_count, directory);
	if (!r && !l.invalid)
		r = derived_apply(&l);
	if (!r)
		check_rules(&l);
	if (!r)
		r = gateway_lists_apply(&l);
	if (!r && l.invalid)
		r = CONFIG_E_INVALID;
	if (r) {
		config_free(l.config);
		return r;
	}
	*ret = l.config;
	return 0;
}

const char *config_mode_name(enum config_mode m)
{
	static const char *const names[] = {
		[MODE_OBSERVE] = "observe", [MODE_APPROVE] = "approve", [MODE_ENFORCE] = "enforce"};

	return (unsigned)m < ARRAY_SIZE(names) && names[m] ? names[m] : "unknown";
}

const char *config_protocol_name(enum config_gateway_protocol p)
{
	const struct config_items *items = &config_gateways;

	for (unsigned i = 0; i < items->key_count; i++)
		if (!strcmp(items->keys[i].path, "protocol"))
			for (const struct config_choice *c = items->keys[i].choices; c->name; c++)
				if (c->value == (int)p)
					return c->name;
	return "unknown";
}

int config_mode_parse(struct span text, enum config_mode *ret)
{
	for (unsigned m = MODE_OBSERVE; m <= MODE_ENFORCE; m++) {
		if (span_equal(text, span_from(config_mode_name((enum config_mode)m)))) {
			*ret = (enum config_mode)m;
			return 0;
		}
	}
	return 1;
}

const char *config_packet_mode_name(enum config_packet_mode m)
{
	for (const struct config_choice *c = config_key_find("capture.packet_mode")->choices; c->name; c++)
		if (c->value == (int)m)
			return c->name;
	return "unknown";
}
