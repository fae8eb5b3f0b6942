// SPDX-License-Identifier: Apache-2.0
/* JSON Schema 2020-12 of picket.yaml, for editors. Patterns use only what ECMA-262 and POSIX expressions
 * share. */
#include <errno.h>
#include <stdlib.h>
#include "lib/config_keys.h"
#include "lib/json_write.h"

#define PATTERN_SIZE     "^[0-9]+ *(KiB|MiB|GiB)?$"
#define PATTERN_DURATION "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
#define PATTERN_PREFIX   "^[0-9a-fA-F.:]+(/[0-9]+)?$"

static void put_text(struct json_writer *w, const char *key, const char *value)
{
	json_key(w, key);
	json_text(w, value);
}

static void put_range(struct json_writer *w, const struct config_key *key)
{
	json_key(w, "minimum");
	json_uint(w, key->min);
	json_key(w, "maximum");
	json_uint(w, key->max);
}

static const char *form_pattern(enum config_form form)
{
	switch (form) {
	case FORM_NAME:
		return "^[A-Za-z0-9_-]+$";
	case FORM_LOWER:
		return "^[a-z0-9-]+$";
	case FORM_USER:
		return "^[A-Za-z0-9_.$-]+$";
	case FORM_URL:
		return "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@ ]+([/?#][^ ]*)?$";
	case FORM_URL_NONE:
		return "^([Hh][Tt][Tt][Pp][Ss]?://[^/?#@ ]+([/?#][^ ]*)?)?$";
	case FORM_INTERFACE:
		return "^[^/: ]{1,15}$";
	case FORM_CONSUMER:
		return "^c_[0-9a-f]{18}$";
	case FORM_HEADER_NONE:
		return "^[A-Za-z0-9!#$%&'*+.^_`|~-]{0,64}$";
	case FORM_HEADER_PATH:
		return "^([A-Za-z0-9!#$%&'*+.^_`|~-]{0,64}|:path)$";
	case FORM_HEADER:
	case FORM_HEADER_SENT:
		return "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$";
	case FORM_HEADER_LINE:
	case FORM_HEADER_SECRET:
		return "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}: *[!-~]";
	case FORM_PIN:
		return "^sha256//[A-Za-z0-9+/]{43}=(;sha256//[A-Za-z0-9+/]{43}=)*$";
	case FORM_PROXY:
		return "^[Hh][Tt][Tt][Pp]://[^/?#@ ]+/?$";
	case FORM_CGROUP:
	case FORM_PATH:
	case FORM_FILE:
	case FORM_ANY:
		break;
	}
	return NULL;
}

static void put_string(struct json_writer *w, const struct config_key *key)
{
	const char *pattern = form_pattern(key->form);

	put_text(w, "type", "string");
	if (!config_form_may_be_empty(key->form)) {
		json_key(w, "minLength");
		json_uint(w, 1);
	}
	if (key->type == CONFIG_TEXT) {
		json_key(w, "maxLength");
		json_uint(w, key->max);
	}
	if (pattern)
		put_text(w, "pattern", pattern);
}

static void put_choices(struct json_writer *w, const struct config_key *key)
{
	json_key(w, "enum");
	json_array_begin(w);
	for (const struct config_choice *c = key->choices; c->name; c++)
		json_text(w, c->name);
	json_array_end(w);
}

static void put_size(struct json_writer *w, const struct config_key *key)
{
	json_key(w, "anyOf");
	json_array_begin(w);
	json_object_begin(w);
	put_text(w, "type", "integer");
	put_range(w, key);
	json_object_end(w);
	json_object_begin(w);
	put_text(w, "type", "string");
	put_text(w, "pattern", PATTERN_SIZE);
	json_object_end(w);
	json_array_end(w);
}

static void put_list(struct json_writer *w, const struct config_key *key)
{
	put_text(w, "type", "array");
	json_key(w, "maxItems");
	json_uint(w, key->max);
	json_key(w, "items");
	json_object_begin(w);
	if (key->type == CONFIG_TEXTS) {
		put_string(w, key);
	} else if (key->type == CONFIG_PREFIXES) {
		put_text(w, "type", "string");
		put_text(w, "pattern", PATTERN_PREFIX);
	} else if (key->type == CONFIG_CHOICES) {
		put_choices(w, key);
	} else {
		put_text(w, "type", "integer");
		json_key(w, "minimum");
		json_uint(w, 1);
		json_key(w, "maximum");
		json_uint(w, 65535);
	}
	json_object_end(w);
}

/* As a section, as a list of texts, and as the list of sections that unquoted items are. */
static void put_header_lines(struct json_writer *w, const struct config_key *key)
{
	json_key(w, "type");
	json_raw(w, SPAN("[\"array\",\"object\"]"));
	json_key(w, "maxItems");
	json_uint(w, key->max);
	json_key(w, "items");
	json_object_begin(w);
	json_key(w, "type");
	json_raw(w, SPAN("[\"string\",\"object\"]"));
	put_text(w, "pattern", form_pattern(key->form));
	json_object_end(w);
}

static void put_properties(struct json_writer *w, const struct config_key *keys, unsigned count);

/* {"if": {protocol is local}, "then": {url, ... are not allowed}, "else": {url is required, and of batch
 * one of three}} */
static void put_gateway_rules(struct json_writer *w)
{
	static const char *const wire[] = {
		"url", "token_file", "auth_header",     "ca_file",    "cert_file",     "key_file",
		"pin", "proxy",      "verify_key_file", "machine_id", "password_file", "verdicts_url"};

	json_key(w, "required");
	json_raw(w, SPAN("[\"name\"]"));
	json_key(w, "anyOf");
	json_raw(w, SPAN("[{\"required\":[\"protocol\"]},{\"required\":[\"profile\"]}]"));
	json_key(w, "if");
	json_raw(w,
		 SPAN("{\"properties\":{\"protocol\":{\"const\":\"local\"}},\"required\":[\"protocol\"]}"));
	json_key(w, "then");
	json_object_begin(w);
	json_key(w, "properties");
	json_object_begin(w);
	for (size_t i = 0; i < sizeof wire / sizeof wire[0]; i++) {
		json_key(w, wire[i]);
		json_bool(w, false);
	}
	json_object_end(w);
	json_object_end(w);
	json_key(w, "else");
	json_raw(
		w,
		SPAN("{\"required\":[\"url\"],\"if\":{\"properties\":{\"protocol\":{\"const\":\"batch\"}},"
		     "\"required\":[\"protocol\"]},\"then\":{\"anyOf\":[{\"required\":[\"verify_key_file\"]},"
		     "{\"required\":[\"verdicts\"],\"properties\":{\"verdicts\":{\"const\":false}}},"
		     "{\"required\":[\"unsigned_verdicts\"],\"properties\":{\"unsigned_verdicts\":{\"const\":"
		     "true}}}]}}"));
}

static void put_list_rules(struct json_writer *w)
{
	json_key(w, "required");
	json_raw(w, SPAN("[\"name\",\"path\"]"));
}

static void put_haproxy_rules(struct json_writer *w)
{
	json_key(w, "required");
	json_raw(w, SPAN("[\"name\",\"socket\",\"map\"]"));
}

static void put_items(struct json_writer *w, const struct config_key *key)
{
	put_text(w, "type", "array");
	json_key(w, "maxItems");
	json_uint(w, key->max);
	json_key(w, "items");
	json_object_begin(w);
	put_text(w, "type", "object");
	json_key(w, "additionalProperties");
	json_bool(w, false);
	if (key->items == &config_gateways)
		put_gateway_rules(w);
	else if (key->items == &config_lists)
		put_list_rules(w);
	else
		put_haproxy_rules(w);
	json_key(w, "properties");
	json_object_begin(w);
	put_properties(w, key->items->keys, key->items->key_count);
	json_object_end(w);
	json_object_end(w);
}

static void put_type(struct json_writer *w, const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_TEXT:
		put_string(w, key);
		break;
	case CONFIG_CHOICE:
		put_choices(w, key);
		break;
	case CONFIG_BOOL:
		put_text(w, "type", "boolean");
		break;
	case CONFIG_UINT32:
		put_text(w, "type", "integer");
		put_range(w, key);
		break;
	case CONFIG_SIZE32:
	case CONFIG_SIZE64:
		put_size(w, key);
		break;
	case CONFIG_TIME64:
		put_text(w, "type", "string");
		json_key(w, "minLength");
		json_uint(w, 2);
		put_text(w, "pattern", PATTERN_DURATION);
		break;
	case CONFIG_FRACTION:
		put_text(w, "type", "number");
		json_key(w, "minimum");
		json_uint(w, 0);
		json_key(w, "maximum");
		json_uint(w, key->max ? key->max : 1);
		break;
	case CONFIG_TEXTS:
	case CONFIG_PREFIXES:
	case CONFIG_PORTS:
	case CONFIG_CHOICES:
		if (key->form == FORM_HEADER_LINE || key->form == FORM_HEADER_SECRET)
			put_header_lines(w, key);
		else
			put_list(w, key);
		break;
	case CONFIG_ITEMS:
		put_items(w, key);
		break;
	}
}

/* [a, b] of the table as ["a","b"]; the table's lists hold plain words only. */
static void put_default_list(struct json_writer *w, const char *text)
{
	json_array_begin(w);
	for (const char *at = text + 1; *at && *at != ']';) {
		size_t n = strcspn(at, ",]");
		json_string(w, span_trim((struct span){at, n}));
		at += n + (at[n] == ',');
	}
	json_array_end(w);
}

static void put_default(struct json_writer *w, const struct config_key *key)
{
	/* A default that depends on other keys or on the host is told in words (help) or as a pattern, not as
	 * a value. */
	if (!key->fallback || (key->type == CONFIG_TEXT && strchr(key->fallback, '{')))
		return;
	json_key(w, "default");
	switch (key->type) {
	case CONFIG_UINT32:
	case CONFIG_FRACTION:
	case CONFIG_BOOL:
		json_raw(w, span_from(key->fallback));
		break;
	case CONFIG_TEXTS:
	case CONFIG_PREFIXES:
	case CONFIG_PORTS:
	case CONFIG_CHOICES:
		put_default_list(w, key->fallback);
		break;
	case CONFIG_ITEMS:
		json_raw(w, key->items == &config_gateways
				    ? SPAN("[{\"name\":\"local\",\"protocol\":\"local\"}]")
				    : SPAN("[]"));
		break;
	default:
		json_text(w, key->fallback);
		break;
	}
}

/* A key's own word, and for the first key of a section the section around all of its keys. */
static void put_properties(struct json_writer *w, const struct config_key *keys, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const char *dot = strchr(keys[i].path, '.');
		struct span section = {keys[i].path, dot ? (size_t)(dot - keys[i].path) : 0};
		bool opens = dot && (i == 0 || strncmp(keys[i - 1].path, keys[i].path, section.len + 1) != 0);
		bool closes = dot && (i + 1 == count ||
				      strncmp(keys[i + 1].path, keys[i].path, section.len + 1) != 0);

		if (opens) {
			json_key_span(w, "", section);
			json_object_begin(w);
			/* A section whose keys are all comments is null to YAML. */
			json_key(w, "type");
			json_raw(w, SPAN("[\"object\",\"null\"]"));
			json_key(w, "additionalProperties");
			json_bool(w, false);
			json_key(w, "properties");
			json_object_begin(w);
		}
		json_key(w, dot ? dot + 1 : keys[i].path);
		json_object_begin(w);
		put_text(w, "description", keys[i].help);
		put_type(w, &keys[i]);
		put_default(w, &keys[i]);
		json_object_end(w);
		if (closes) {
			json_object_end(w);
			json_object_end(w);
		}
	}
}

int config_schema(struct buffer *out)
{
	struct json_writer w = JSON_WRITER(out);

	json_object_begin(&w);
	put_text(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
	put_text(&w, "title", "picket.yaml");
	json_key(&w, "type");
	json_raw(&w, SPAN("[\"object\",\"null\"]"));
	json_key(&w, "additionalProperties");
	json_bool(&w, false);
	json_key(&w, "properties");
	json_object_begin(&w);
	put_properties(&w, config_keys, config_key_count);
	json_object_end(&w);
	json_object_end(&w);
	buffer_append_char(out, '\n');
	return out->truncated ? -ENOBUFS : 0;
}
