// SPDX-License-Identifier: Apache-2.0
/* One configuration value: from YAML into the struct, and back. What is outside of a key's bounds is told
 * with the mend. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include "lib/config_gateway.h"
#include "lib/config_keys.h"
#include "lib/json_write.h"
#include "lib/target.h"
#include "lib/utf8.h"
#include "lib/util.h"

struct job {
	const struct config_key *key;
	const struct config_place *place;
	struct buffer *errors;
	unsigned line;
};

void config_complain(const struct config_place *place, unsigned line, const char *key, struct buffer *errors)
{
	buffer_append_text(errors, place->source);
	if (place->from_file && line)
		buffer_printf(errors, ":%u", line);
	buffer_append_text(errors, ": ");
	if (key)
		buffer_printf(errors, "%s: ", key);
}

static void quote(struct buffer *errors, const char *text)
{
	struct buffer raw = BUFFER_INIT(512);

	log_quote(&raw, (struct span){text, strnlen(text, 100)});
	if (raw.len && raw.data[0] == '"')
		buffer_append(errors, raw.data, raw.len);
	else
		buffer_printf(errors, "\"%.*s\"", (int)raw.len, raw.data ? raw.data : "");
	buffer_free(&raw);
}

/* Whose sections have that key; NULL: it stands by itself. */
static const struct config_items *items_around(const struct config_key *key)
{
	static const struct config_items *const all[] = {&config_gateways, &config_lists, &config_haproxies};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (key >= all[i]->keys && key < all[i]->keys + all[i]->key_count)
			return all[i];
	return NULL;
}

/* "WHERE: KEY: "TEXT" WHAT" */
static int wrong(const struct job *j, const char *text, const char *what)
{
	const struct config_items *items = items_around(j->key);
	char name[CONFIG_ENV_MAX];

	snprintf(name, sizeof name, "%s%s%s", items ? items->section : "", items ? "." : "", j->key->path);
	config_complain(j->place, j->line, name, j->errors);
	if (text) {
		quote(j->errors, text);
		buffer_append_char(j->errors, ' ');
	}
	buffer_printf(j->errors, "%s\n", what);
	return CONFIG_E_INVALID;
}

/* --- text, by form --- */

static bool all_of(const char *text, const char *more)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(more, *text))
			return false;
	return true;
}

/* C0, DEL, and the C1 controls, which terminals obey as well. */
static bool has_control(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
			return true;
	return false;
}

static int check_url(const struct job *j, const char *text)
{
	const char *rest;

	if (strncasecmp(text, "http://", 7) == 0)
		rest = text + 7;
	else if (strncasecmp(text, "https://", 8) == 0)
		rest = text + 8;
	else
		return wrong(j, text, "must begin with http:// or https://");
	size_t authority = strcspn(rest, "/?#");
	if (authority == 0)
		return wrong(j, text, "names no host");
	if (memchr(rest, '@', authority))
		return wrong(j, NULL, "holds a user or password; put the secret into token_file");
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c > '~')
			return wrong(j, text, "holds a character that must be percent-encoded");
	return 0;
}

/* No TLS to the proxy itself, and no password for it: nobody has asked for either. */
static int check_proxy(const struct job *j, const char *text)
{
	if (strncasecmp(text, "http://", 7) != 0)
		return wrong(j, text, "must begin with http://; write http://HOST:PORT");
	if (memchr(text + 7, '@', strcspn(text + 7, "/?#")))
		return wrong(j, NULL, "holds a user or password, which picket does not send to proxies");
	int r = check_url(j, text);
	if (r)
		return r;
	size_t authority = 7 + strcspn(text + 7, "/?#");
	return text[authority] && strcmp(text + authority, "/") != 0
		       ? wrong(j, text, "goes on behind the host; write http://HOST:PORT")
		       : 0;
}

#define PIN_HEAD "sha256//"
#define PIN_LEN  (sizeof PIN_HEAD - 1 + 44) /* what 32 bytes are in base64 */

static bool is_pin(struct span s)
{
	if (s.len != PIN_LEN || memcmp(s.ptr, PIN_HEAD, strlen(PIN_HEAD)) != 0 || s.ptr[s.len - 1] != '=')
		return false;
	for (size_t i = strlen(PIN_HEAD); i < s.len - 1; i++)
		if (!isalnum((unsigned char)s.ptr[i]) && s.ptr[i] != '+' && s.ptr[i] != '/')
			return false;
	return true;
}

static int check_pin(const struct job *j, const char *text)
{
	for (const char *at = text;; at++) {
		size_t n = strcspn(at, ";");

		if (!is_pin((struct span){at, n}))
			return wrong(j, text,
				     "is no pin; write sha256// and the SHA-256 of the public key in base64, "
				     "several by ;");
		at += n;
		if (!*at)
			return 0;
	}
}

/* What a batch is sent with anyhow (protocol.h), or what frames it. */
static int check_header_sent(const struct job *j, const char *text)
{
	static const char *const taken[] = {"accept",
					    "connection",
					    "content-encoding",
					    "content-length",
					    "content-type",
					    "expect",
					    "host",
					    "idempotency-key",
					    "picket-nonce",
					    "te",
					    "trailer",
					    "transfer-encoding",
					    "upgrade",
					    "user-agent"};

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (strcasecmp(text, taken[i]) == 0)
			return wrong(j, text, "is a header that picket sends itself");
	return 0;
}

/* Names whose values are secrets wherever they stand. */
static bool is_secret_header(struct span name)
{
	static const struct span secrets[] = {SPAN("authorization"), SPAN("proxy-authorization"),
					      SPAN("cookie"),        SPAN("api-key"),
					      SPAN("x-api-key"),     SPAN("x-portkey-api-key")};

	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		if (span_equal_nocase(name, secrets[i]))
			return true;
	return false;
}

/* "Name: value", or for header_files "Name: PATH". */
static int check_header_line(const struct job *j, const char *text)
{
	char name[65];
	size_t n = strcspn(text, ":");

	if (!text[n] || n == 0 || n >= sizeof name || !text[n + 1 + strspn(text + n + 1, " ")])
		return wrong(j, text, "is no header; write \"Name: value\"");
	snprintf(name, sizeof name, "%.*s", (int)n, text);
	if (!all_of(name, "!#$%&'*+-.^_`|~"))
		return wrong(j, name, "is no header field name");
	/* Lunar takes these for itself. */
	if (strncasecmp(name, "x-lunar", 7) == 0)
		return wrong(j, name, "is a header that only transport: lunar may send");
	if (j->key->form == FORM_HEADER_LINE && is_secret_header((struct span){name, n}))
		return wrong(
			j, name,
			"holds a secret: put it into a file and name that in header_files, or in token_file");
	for (const char *c = text + n; *c; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
			return wrong(j, name, "has a value with other characters than printable ASCII");
	return check_header_sent(j, name);
}

static int check_cgroup(const struct job *j, const char *text)
{
	if (strncmp(text, "/sys/fs/cgroup", 14) == 0)
		return wrong(j, text,
			     "must be the part below /sys/fs/cgroup, such as \"system.slice/nginx.service\"");
	for (const char *at = text; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == 0))
			return wrong(j, text, "must not hold \"..\"");
	}
	return 0;
}

static bool is_lower(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0;
}

static int check_form(const struct job *j, const char *text)
{
	size_t len = strlen(text);

	if (len == 0 && !config_form_may_be_empty(j->key->form))
		return wrong(j, NULL, "must not be empty; leave the key out for the default");
	if (!utf8_valid((struct span){text, len}))
		return wrong(j, text, "is not valid UTF-8");
	if (has_control(text))
		return wrong(j, text, "holds a control character");
	switch (j->key->form) {
	case FORM_NAME:
		return all_of(text, "-_") ? 0 : wrong(j, text, "may hold letters, digits, - and _ only");
	case FORM_LOWER:
		return is_lower(text) ? 0 : wrong(j, text, "may hold lower case letters, digits and - only");
	case FORM_USER:
		return all_of(text, "-_.$") ? 0 : wrong(j, text, "is no user name");
	case FORM_CGROUP:
		return check_cgroup(j, text);
	case FORM_URL:
		return check_url(j, text);
	case FORM_URL_NONE:
		return len ? check_url(j, text) : 0;
	case FORM_INTERFACE:
		return len < 16 && !strpbrk(text, "/: ")
			       ? 0
			       : wrong(j, text, "is no name of a network interface");
	case FORM_CONSUMER:
		return target_parse_consumer(span_from(text), &(struct prefix){0})
			       ? wrong(j, text,
				       "is no consumer's id: c_ and 18 hexadecimal digits, as events show it")
			       : 0;
	case FORM_HEADER_PATH:
		if (!strcmp(text, ":path"))
			return 0;
		/* fall through */
	case FORM_HEADER_NONE:
		if (!len)
			return 0;
		/* fall through */
	case FORM_HEADER:
		return len <= 64 && all_of(text, "!#$%&'*+-.^_`|~")
			       ? 0
			       : wrong(j, text, "is no header field name");
	case FORM_HEADER_SENT:
		return len <= 64 && all_of(text, "!#$%&'*+-.^_`|~")
			       ? check_header_sent(j, text)
			       : wrong(j, text, "is no header field name");
	case FORM_HEADER_LINE:
	case FORM_HEADER_SECRET:
		return check_header_line(j, text);
	case FORM_PIN:
		return check_pin(j, text);
	case FORM_PROXY:
		return check_proxy(j, text);
	case FORM_ANY:
	case FORM_PATH:
	case FORM_FILE:
		break;
	}
	return 0;
}

/* "Name: value" with one space; a path behind it is made absolute. */
static int header_make(const struct job *j, const char *text, char **ret)
{
	int n = (int)strcspn(text, ":");
	const char *value = text + n + 1 + strspn(text + n + 1, " ");
	bool relative = j->key->form == FORM_HEADER_SECRET && value[0] != '/';

	return asprintf(ret, "%.*s: %s%s%s", n, text, relative ? j->place->directory : "",
			relative ? "/" : "", value) < 0
		       ? -ENOMEM
		       : 0;
}

static int text_make(const struct job *j, const char *text, char **ret)
{
	char *out = NULL;

	int r = check_form(j, text);
	if (r)
		return r;
	if (j->key->form == FORM_HEADER_LINE || j->key->form == FORM_HEADER_SECRET)
		return header_make(j, text, ret);
	bool path = j->key->form == FORM_PATH || (j->key->form == FORM_FILE && text[0]);

	if (path && text[0] != '/') {
		if (asprintf(&out, "%s/%s", j->place->directory, text) < 0)
			return -ENOMEM;
	} else {
		out = strdup(text);
		if (!out)
			return -ENOMEM;
	}
	if (j->key->form == FORM_HEADER || j->key->form == FORM_HEADER_NONE ||
	    j->key->form == FORM_HEADER_PATH)
		for (char *c = out; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	/* For a list `max` bounds its items; their own forms bound each. */
	if (j->key->type == CONFIG_TEXT && j->key->max && strlen(out) > j->key->max) {
		char what[64];
		snprintf(what, sizeof what, "is longer than %" PRIu64 " bytes", j->key->max);
		r = wrong(j, out, what);
		free(out);
		return r;
	}
	*ret = out;
	return 0;
}

/* --- numbers --- */

static void bound_format(const struct config_key *key, uint64_t v, char buf[static 32])
{
	if (key->type == CONFIG_SIZE32 || key->type == CONFIG_SIZE64)
		config_size_format(v, buf);
	else if (key->type == CONFIG_TIME64)
		config_duration_format(v, buf);
	else
		snprintf(buf, 32, "%" PRIu64, v);
}

static int number_parse(const struct job *j, const char *text, uint64_t *ret)
{
	switch (j->key->type) {
	case CONFIG_SIZE32:
	case CONFIG_SIZE64:
		return config_size_parse(span_from(text), ret)
			       ? wrong(j, text, "is no size; write bytes, or such as 512KiB, 16MiB, 1GiB")
			       : 0;
	case CONFIG_TIME64:
		return config_duration_parse(span_from(text), ret)
			       ? wrong(j, text, "is no duration; write such as 250ms, 90s, 15m, 1h30m, 2d")
			       : 0;
	default:
		return config_uint_parse(span_from(text), ret) ? wrong(j, text, "is no whole number") : 0;
	}
}

static int number_set(const struct job *j, void *at, const struct yaml_node *node)
{
	const struct config_key *key = j->key;
	uint64_t v;

	if (node->quoted && key->type == CONFIG_UINT32)
		return wrong(j, node->text, "is text; write the number without quotes");
	if (key->type == CONFIG_TIME64 && config_uint_parse(span_from(node->text), &v) == 0)
		return wrong(j, node->text, "has no unit; write such as 250ms, 90s, 15m, 1h30m, 2d");
	int r = number_parse(j, node->text, &v);
	if (r)
		return r;
	if (v < key->min || v > key->max) {
		char low[32], high[32], what[96];
		bound_format(key, key->min, low);
		bound_format(key, key->max, high);
		snprintf(what, sizeof what, "is out of range: from %s to %s", low, high);
		return wrong(j, node->text, what);
	}
	if (key->ring && ((v & (v - 1)) || v % (uint64_t)sysconf(_SC_PAGESIZE)))
		return wrong(j, node->text,
			     "must be a power of two and whole memory pages, such as 4MiB or 16MiB");
	if (key->type == CONFIG_SIZE64 || key->type == CONFIG_TIME64)
		*(uint64_t *)at = v;
	else
		*(uint32_t *)at = (uint32_t)v;
	return 0;
}

static int fraction_set(const struct job *j, double *at, const struct yaml_node *node)
{
	char *end, range[64];
	uint64_t max = j->key->max ? j->key->max : 1;

	snprintf(range, sizeof range, "is no number from 0 to %" PRIu64, max);
	if (node->quoted)
		return wrong(j, node->text, "is text; write the number without quotes");
	if (!isdigit((unsigned char)node->text[0]) ||
	    strspn(node->text, "0123456789.eE-") != strlen(node->text))
		return wrong(j, node->text, range);
	double v = strtod(node->text, &end);
	if (*end || !isfinite(v) || v < 0 || v > (double)max)
		return wrong(j, node->text, range);
	*at = v;
	return 0;
}

static int choice_find(const struct job *j, const struct yaml_node *node, int *ret)
{
	struct buffer known = BUFFER_INIT(512);
	const char *near = NULL;
	unsigned distance = 3;

	for (const struct config_choice *c = j->key->choices; c->name; c++) {
		if (strcmp(c->name, node->text) == 0) {
			*ret = c->value;
			buffer_free(&known);
			return 0;
		}
		unsigned d = config_distance(node->text, c->name);
		if (d < distance) {
			distance = d;
			near = c->name;
		}
		buffer_printf(&known, "%s%s", known.len ? ", " : "is none of ", c->name);
	}
	if (near)
		buffer_printf(&known, "; did you mean %s?", near);
	buffer_append_char(&known, 0);
	int r = wrong(j, node->text, known.data ? known.data : "is not known");
	buffer_free(&known);
	return r;
}

static int choices_set(const struct job *j, unsigned *at, const struct yaml_node *node)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < node->count; i++) {
		struct job item = *j;
		int v = 0;

		item.line = node->items[i].line;
		int r = choice_find(&item, &node->items[i], &v);
		if (r)
			return r;
		bits |= (unsigned)v;
	}
	*at = bits;
	return 0;
}

static int choice_set(const struct job *j, void *at, const struct yaml_node *node)
{
	int v = 0;
	int r = choice_find(j, node, &v);

	if (r)
		return r;
	memcpy(at, &v, sizeof v);
	return 0;
}

static int bool_set(const struct job *j, bool *at, const struct yaml_node *node)
{
	if (!node->quoted && strcmp(node->text, "true") == 0)
		*at = true;
	else if (!node->quoted && strcmp(node->text, "false") == 0)
		*at = false;
	else
		return wrong(j, node->text, "must be true or false");
	return 0;
}

/* --- lists --- */

static void strings_free(struct config_strings *s)
{
	for (unsigned i = 0; i < s->count; i++)
		free(s->items[i]);
	free(s->items);
	*s = (struct config_strings){0};
}

static int strings_set(const struct job *j, struct config_strings *at, const struct yaml_node *node)
{
	struct config_strings s = {.items = calloc(node->count + 1, sizeof *s.items)};
	int r = s.items ? 0 : -ENOMEM;

	for (unsigned i = 0; i < node->count && !r; i++) {
		struct job item = *j;
		item.line = node->items[i].line;
		r = text_make(&item, node->items[i].text, &s.items[s.count]);
		if (!r)
			s.count++;
	}
	if (r) {
		strings_free(&s);
		return r;
	}
	strings_free(at);
	*at = s;
	return 0;
}

static int prefix_make(const struct job *j, const char *text, struct prefix *ret)
{
	struct addr a;
	char mend[PREFIX_TEXT_MAX], what[PREFIX_TEXT_MAX + 64];
	const char *slash = strchr(text, '/');

	switch (prefix_parse(span_from(text), ret)) {
	case 0:
		return 0;
	case ADDR_E_HOST_BITS:
		if (!slash || addr_parse((struct span){text, (size_t)(slash - text)}, &a))
			break;
		struct prefix p = prefix_of(&a, (uint8_t)atoi(slash + 1));
		snprintf(what, sizeof what, "has bits set beyond its length; did you mean %s?",
			 prefix_format(&p, mend));
		return wrong(j, text, what);
	default:
		break;
	}
	return wrong(j, text,
		     "is no address or network; write such as 192.0.2.7, 192.0.2.0/24, 2001:db8::/48");
}

static int prefixes_set(const struct job *j, struct config_prefixes *at, const struct yaml_node *node)
{
	_cleanup_free_ struct prefix *items = calloc(node->count + 1, sizeof *items);

	if (!items)
		return -ENOMEM;
	for (unsigned i = 0; i < node->count; i++) {
		struct job item = *j;
		item.line = node->items[i].line;
		int r = prefix_make(&item, node->items[i].text, &items[i]);
		if (r)
			return r;
	}
	free(at->items);
	*at = (struct config_prefixes){items, node->count};
	items = NULL;
	return 0;
}

static int ports_set(const struct job *j, struct config_ports *at, const struct yaml_node *node)
{
	_cleanup_free_ uint16_t *items = calloc(node->count + 1, sizeof *items);

	if (!items)
		return -ENOMEM;
	for (unsigned i = 0; i < node->count; i++) {
		struct job item = *j;
		uint64_t v;
		item.line = node->items[i].line;
		if (node->items[i].quoted || config_uint_parse(span_from(node->items[i].text), &v) || v < 1 ||
		    v > 65535)
			return wrong(&item, node->items[i].text, "is no port: a number from 1 to 65535");
		items[i] = (uint16_t)v;
	}
	free(at->items);
	*at = (struct config_ports){items, node->count};
	items = NULL;
	return 0;
}

static int list_check(const struct job *j, const struct yaml_node *node)
{
	if (node->type == YAML_SCALAR)
		return wrong(j, node->text, "must be a list; write [one, two] or a line \"- one\" for each");
	if (node->type == YAML_MAP)
		return wrong(j, NULL, "must be a list, not a section");
	if (node->count > j->key->max) {
		char what[64];
		snprintf(what, sizeof what, "has more than %" PRIu64 " items", j->key->max);
		return wrong(j, NULL, what);
	}
	for (unsigned i = 0; i < node->count; i++) {
		struct job item = *j;
		item.line = node->items[i].line;
		if (node->items[i].type == YAML_NULL)
			return wrong(&item, NULL, "holds an empty item");
		if (node->items[i].type != YAML_SCALAR)
			return wrong(&item, NULL, "may hold plain values only");
	}
	return 0;
}

/* --- lists of sections --- */

/* The array of a key in struct config, whatever it points to, and how many it has. */
static void *array_get(const struct config_key *key, const void *config, unsigned *ret_count)
{
	const char *base = config;
	void *array;

	memcpy(&array, base + key->offset, sizeof array);
	memcpy(ret_count, base + key->items->count_at, sizeof *ret_count);
	return array;
}

static void array_set(const struct config_key *key, void *config, const void *array, unsigned count)
{
	char *base = config;

	memcpy(base + key->offset, &array, sizeof array);
	memcpy(base + key->items->count_at, &count, sizeof count);
}

static void array_free(const struct config_items *items, void *array, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < items->key_count; k++)
			config_value_free(&items->keys[k], (char *)array + i * items->size);
	free(array);
}

static int item_default(const struct job *j, void *item)
{
	static const struct config_place place = {.source = "default", .directory = "/"};

	for (unsigned k = 0; k < j->key->items->key_count; k++) {
		const struct config_key *key = &j->key->items->keys[k];
		if (!key->fallback)
			continue;
		struct yaml_node node = {0};
		int r = config_yaml_parse(span_from(key->fallback), place.source, &node, j->errors);
		if (!r)
			r = config_value_set(key, item, &node, &place, j->errors);
		yaml_node_free(&node);
		if (r)
			return r;
	}
	return 0;
}

static int item_member(const struct job *j, void *item, const struct yaml_key *name,
		       const struct yaml_node *node)
{
	const struct config_items *items = j->key->items;

	for (unsigned k = 0; k < items->key_count; k++)
		if (strcmp(items->keys[k].path, name->text) == 0)
			return config_value_set(&items->keys[k], item, node, j->place, j->errors);
	struct job at = *j;
	char what[96];
	const char *near = config_item_key_nearest(items, name->text);
	at.line = name->line;
	snprintf(what, sizeof what, "is no key of a %s%s%s%s", items->noun, near ? "; did you mean " : "",
		 near ? near : "", near ? "?" : "");
	return wrong(&at, name->text, what);
}

/* What one gateway must have, and what only one protocol knows. */
static int gateway_check(const struct job *j, const struct config_gateway *g)
{
	char text[CONFIG_GATEWAY_TEXT_MAX];
	const char *what = config_gateway_check(g, text);

	return what ? wrong(j, g->name, what) : 0;
}

static int list_item_check(const struct job *j, const struct config_list *l)
{
	return l->path ? 0 : wrong(j, l->name, "needs a path: the file that holds it");
}

/* What the command line of HAProxy takes for its own. */
#define HAPROXY_SPECIAL " \t;\\<>\"'"

static int haproxy_check(const struct job *j, const struct config_haproxy *h)
{
	if (!h->socket)
		return wrong(j, h->name, "needs a socket: the path of its stats socket");
	if (!h->map)
		return wrong(j, h->name, "needs a map: its path, as haproxy.cfg names it");
	if (strpbrk(h->map, HAPROXY_SPECIAL))
		return wrong(j, h->map,
			     "cannot be named in a command to HAProxy: let its path have no blanks, quotes, "
			     "and none of ; \\ < >");
	return 0;
}

static const char *item_name(const void *item)
{
	return *(char *const *)item;
}

static int item_check(const struct job *j, const void *item)
{
	if (!item_name(item)) {
		char what[64];
		snprintf(what, sizeof what, "a %s needs a name", j->key->items->noun);
		return wrong(j, NULL, what);
	}
	if (j->key->items == &config_gateways)
		return gateway_check(j, item);
	return j->key->items == &config_lists ? list_item_check(j, item) : haproxy_check(j, item);
}

static int item_set(const struct job *j, void *item, const struct yaml_node *node)
{
	char what[96];
	int r = 0, worst = 0;

	if (node->type != YAML_MAP) {
		snprintf(what, sizeof what, "each %s is a section with %s, ...", j->key->items->noun,
			 j->key->items->example);
		return wrong(j, NULL, what);
	}
	r = item_default(j, item);
	if (!r && j->key->items == &config_gateways)
		r = config_gateway_defaults(item, node, j->errors);
	if (r)
		return r;
	for (unsigned i = 0; i < node->count; i++) {
		r = item_member(j, item, &node->keys[i], &node->items[i]);
		if (r < 0)
			return r;
		worst = MAX(worst, r);
	}
	r = j->key->items == &config_gateways ? config_gateway_headers(item) : 0;
	if (r)
		return r;
	return worst ? worst : item_check(j, item);
}

static int item_name_check(const struct job *j, const void *array, unsigned at)
{
	const struct config_items *items = j->key->items;
	const char *name = item_name((const char *)array + at * items->size);
	char what[64];

	for (unsigned k = 0; k < at; k++) {
		const char *other = item_name((const char *)array + k * items->size);
		if (!other || strcmp(other, name) != 0)
			continue;
		snprintf(what, sizeof what, "is the name of two %s", items->section);
		return wrong(j, name, what);
	}
	return 0;
}

static int items_fill(const struct job *j, void *array, const struct yaml_node *node)
{
	int worst = 0;

	for (unsigned i = 0; i < node->count; i++) {
		struct job at = *j;
		at.line = node->items[i].line;
		int r = item_set(&at, (char *)array + i * j->key->items->size, &node->items[i]);
		if (r < 0)
			return r;
		if (!r)
			r = item_name_check(&at, array, i);
		worst = MAX(worst, r);
	}
	return worst;
}

static int items_set(const struct job *j, void *config, const struct yaml_node *node)
{
	const struct config_items *items = j->key->items;

	if (node->type != YAML_LIST)
		return wrong(j, NULL, "must be a list; write a line \"- name: ...\" for each");
	if (node->count > j->key->max) {
		char what[64];
		snprintf(what, sizeof what, "too many %s", items->section);
		return wrong(j, NULL, what);
	}
	void *array = calloc(node->count + 1, items->size);
	if (!array)
		return -ENOMEM;
	int r = items_fill(j, array, node);
	if (r) {
		array_free(items, array, node->count);
		return r;
	}
	config_value_free(j->key, config);
	array_set(j->key, config, array, node->count);
	return 0;
}

/* --- all of them --- */

/* "NAME: VALUE" of each pair of a section, as a list. */
static int pairs_join(const struct yaml_node *map, struct yaml_node *list)
{
	for (unsigned i = 0; i < map->count; i++) {
		struct yaml_node *item = &list->items[list->count];

		*item = (struct yaml_node){.type = map->items[i].type, .line = map->items[i].line};
		if (map->items[i].type == YAML_SCALAR &&
		    asprintf(&item->text, "%s: %s", map->keys[i].text, map->items[i].text) < 0) {
			item->text = NULL;
			return -ENOMEM;
		}
		list->count++;
	}
	return 0;
}

/*
 * Headers may be written as a section, as a list of texts, and as a list of pairs, which is what YAML makes
 * of
 * "- Name: value" without quotes. All become the list of texts.
 */
static int headers_set(const struct config_key *key, void *base, const struct yaml_node *node,
		       const struct config_place *place, struct buffer *errors)
{
	struct yaml_node list = {.type = YAML_LIST, .line = node->line};
	unsigned count = node->count;
	int r = 0;

	for (unsigned i = 0; i < node->count && node->type == YAML_LIST; i++)
		count += node->items[i].count;
	list.items = calloc(count + 1, sizeof *list.items);
	if (!list.items)
		return -ENOMEM;
	if (node->type == YAML_MAP)
		r = pairs_join(node, &list);
	for (unsigned i = 0; i < node->count && node->type == YAML_LIST && !r; i++) {
		const struct yaml_node *item = &node->items[i];

		if (item->type == YAML_MAP) {
			r = pairs_join(item, &list);
			continue;
		}
		list.items[list.count] = (struct yaml_node){.type = item->type, .line = item->line};
		list.items[list.count].text = item->text ? strdup(item->text) : NULL;
		r = item->text && !list.items[list.count++].text ? -ENOMEM : 0;
	}
	if (!r) {
		const struct job j = {key, place, errors, node->line};

		r = list_check(&j, &list);
		if (!r)
			r = strings_set(&j, (void *)((char *)base + key->offset), &list);
	}
	yaml_node_free(&list);
	return r;
}

int config_value_set(const struct config_key *key, void *base, const struct yaml_node *node,
		     const struct config_place *place, struct buffer *errors)
{
	const struct job j = {key, place, errors, node->line};
	void *at = (char *)base + key->offset;
	char *text;
	int r;

	if (node->type == YAML_NULL)
		return wrong(&j, NULL, "has no value; leave the key out for the default");
	if (key->type == CONFIG_ITEMS)
		return items_set(&j, base, node);
	if ((key->form == FORM_HEADER_LINE || key->form == FORM_HEADER_SECRET) && node->type != YAML_SCALAR)
		return headers_set(key, base, node, place, errors);
	if (key->type >= CONFIG_TEXTS) {
		r = list_check(&j, node);
		if (r)
			return r;
	} else if (node->type != YAML_SCALAR) {
		return wrong(&j, NULL, "must be a single value");
	}
	switch (key->type) {
	case CONFIG_TEXT:
		r = text_make(&j, node->text, &text);
		if (r)
			return r;
		free(*(char **)at);
		*(char **)at = text;
		return 0;
	case CONFIG_CHOICE:
		return choice_set(&j, at, node);
	case CONFIG_BOOL:
		return bool_set(&j, at, node);
	case CONFIG_FRACTION:
		return fraction_set(&j, at, node);
	case CONFIG_TEXTS:
		return strings_set(&j, at, node);
	case CONFIG_PREFIXES:
		return prefixes_set(&j, at, node);
	case CONFIG_PORTS:
		return ports_set(&j, at, node);
	case CONFIG_CHOICES:
		return choices_set(&j, at, node);
	default:
		return number_set(&j, at, node);
	}
}

void config_value_free(const struct config_key *key, void *base)
{
	void *at = (char *)base + key->offset, *array;
	unsigned count;

	switch (key->type) {
	case CONFIG_TEXT:
		free(*(char **)at);
		*(char **)at = NULL;
		break;
	case CONFIG_TEXTS:
		strings_free(at);
		break;
	case CONFIG_PREFIXES:
		free(((struct config_prefixes *)at)->items);
		*(struct config_prefixes *)at = (struct config_prefixes){0};
		break;
	case CONFIG_PORTS:
		free(((struct config_ports *)at)->items);
		*(struct config_ports *)at = (struct config_ports){0};
		break;
	case CONFIG_ITEMS:
		array = array_get(key, base, &count);
		array_free(key->items, array, count);
		array_set(key, base, NULL, 0);
		break;
	default:
		break;
	}
}

/* --- printing --- */

/* Plain where no reader of YAML could take it for anything else; else in double quotes. */
static void print_text(struct buffer *out, const char *text)
{
	static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
	bool plain = isalpha((unsigned char)text[0]) || text[0] == '/';

	for (const char *c = text; *c && plain; c++)
		plain = isalnum((unsigned char)*c) || strchr("-_./", *c);
	for (size_t i = 0; i < ARRAY_SIZE(words) && plain; i++)
		plain = strcasecmp(text, words[i]) != 0;
	if (plain) {
		buffer_append_text(out, text);
		return;
	}
	buffer_append_char(out, '"');
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			buffer_append_char(out, '\\');
		buffer_append_char(out, *c);
	}
	buffer_append_char(out, '"');
}

static const char *choice_name(const struct config_key *key, int value)
{
	for (const struct config_choice *c = key->choices; c->name; c++)
		if (c->value == value)
			return c->name;
	return "unknown";
}

static void print_choices(const struct config_key *key, unsigned bits, struct buffer *out)
{
	const char *comma = "";

	buffer_append_char(out, '[');
	for (const struct config_choice *c = key->choices; c->name; c++) {
		if (!(bits & (unsigned)c->value))
			continue;
		buffer_printf(out, "%s%s", comma, c->name);
		comma = ", ";
	}
	buffer_append_char(out, ']');
}

static void print_list(const struct config_key *key, const void *at, struct buffer *out)
{
	const struct config_strings *strings = at;
	const struct config_prefixes *prefixes = at;
	const struct config_ports *ports = at;
	unsigned count = key->type == CONFIG_TEXTS      ? strings->count
			 : key->type == CONFIG_PREFIXES ? prefixes->count
							: ports->count;

	buffer_append_char(out, '[');
	for (unsigned i = 0; i < count; i++) {
		char text[PREFIX_TEXT_MAX];
		if (i)
			buffer_append_text(out, ", ");
		if (key->type == CONFIG_TEXTS)
			print_text(out, strings->items[i]);
		else if (key->type == CONFIG_PREFIXES)
			print_text(out, prefix_format(&prefixes->items[i], text));
		else
			buffer_printf(out, "%u", ports->items[i]);
	}
	buffer_append_char(out, ']');
}

void config_value_print(const struct config_key *key, const void *base, struct buffer *out)
{
	const void *at = (const char *)base + key->offset;
	struct json_writer w = JSON_WRITER(out);
	char text[32];
	int value;

	switch (key->type) {
	case CONFIG_TEXT:
		print_text(out, *(char *const *)at ? *(char *const *)at : "");
		break;
	case CONFIG_CHOICE:
		memcpy(&value, at, sizeof value);
		buffer_append_text(out, choice_name(key, value));
		break;
	case CONFIG_BOOL:
		buffer_append_text(out, *(const bool *)at ? "true" : "false");
		break;
	case CONFIG_UINT32:
		buffer_printf(out, "%" PRIu32, *(const uint32_t *)at);
		break;
	case CONFIG_SIZE32:
		buffer_append_text(out, config_size_format(*(const uint32_t *)at, text));
		break;
	case CONFIG_SIZE64:
		buffer_append_text(out, config_size_format(*(const uint64_t *)at, text));
		break;
	case CONFIG_TIME64:
		buffer_append_text(out, config_duration_format(*(const uint64_t *)at, text));
		break;
	case CONFIG_FRACTION:
		json_double(&w, *(const double *)at);
		break;
	case CONFIG_TEXTS:
	case CONFIG_PREFIXES:
	case CONFIG_PORTS:
		print_list(key, at, out);
		break;
	case CONFIG_CHOICES:
		print_choices(key, *(const unsigned *)at, out);
		break;
	case CONFIG_ITEMS:
		break;
	}
}
