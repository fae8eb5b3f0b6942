// SPDX-License-Identifier: Apache-2.0
/* What each key of the configuration may hold, as a part of picket.yaml(5). */
#include <errno.h>
#include <inttypes.h>
#include "lib/config_keys.h"
#include "lib/roff.h"
#include "lib/util.h"

#define TEXT_MAX 4096

static const char *form_name(enum config_form form)
{
	switch (form) {
	case FORM_NAME:
	case FORM_LOWER:
		return "name";
	case FORM_PATH:
	case FORM_FILE:
		return "path";
	case FORM_CGROUP:
		return "path below /sys/fs/cgroup";
	case FORM_URL:
	case FORM_URL_NONE:
	case FORM_PROXY:
		return "URL";
	case FORM_INTERFACE:
		return "interface";
	case FORM_CONSUMER:
		return "consumer";
	case FORM_HEADER:
	case FORM_HEADER_NONE:
	case FORM_HEADER_PATH:
	case FORM_HEADER_SENT:
		return "header";
	case FORM_HEADER_LINE:
		return "Name: value";
	case FORM_HEADER_SECRET:
		return "Name: path";
	case FORM_USER:
		return "user";
	case FORM_ANY:
	case FORM_PIN:
		break;
	}
	return "text";
}

static void put_choices(struct buffer *out, const struct config_key *key)
{
	for (const struct config_choice *c = key->choices; c->name; c++)
		buffer_printf(out, "%s%s", c == key->choices ? "" : ", ", c->name);
}

static void put_size_range(struct buffer *out, const struct config_key *key)
{
	char min[32], max[32];

	buffer_printf(out, "size, %s to %s", config_size_format(key->min, min),
		      config_size_format(key->max, max));
}

static void put_time_range(struct buffer *out, const struct config_key *key)
{
	char min[32], max[32];

	buffer_printf(out, "time, %s to %s", config_duration_format(key->min, min),
		      config_duration_format(key->max, max));
}

/* "number, 1 to 65535" */
static void put_type(struct buffer *out, const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_TEXT:
		buffer_append_text(out, form_name(key->form));
		break;
	case CONFIG_CHOICE:
		buffer_append_text(out, "one of ");
		put_choices(out, key);
		break;
	case CONFIG_BOOL:
		buffer_append_text(out, "true or false");
		break;
	case CONFIG_UINT32:
		buffer_printf(out, "number, %" PRIu64 " to %" PRIu64, key->min, key->max);
		break;
	case CONFIG_SIZE32:
	case CONFIG_SIZE64:
		put_size_range(out, key);
		break;
	case CONFIG_TIME64:
		put_time_range(out, key);
		break;
	case CONFIG_FRACTION:
		buffer_printf(out, "number, 0 to %" PRIu64, key->max ? key->max : 1);
		break;
	case CONFIG_TEXTS:
		buffer_printf(out, "list of %ss", form_name(key->form));
		break;
	case CONFIG_PREFIXES:
		buffer_append_text(out, "list of addresses and networks");
		break;
	case CONFIG_PORTS:
		buffer_append_text(out, "list of ports");
		break;
	case CONFIG_CHOICES:
		buffer_append_text(out, "list of ");
		put_choices(out, key);
		break;
	case CONFIG_ITEMS:
		buffer_printf(out, "list of %s", key->items->section);
		break;
	}
}

/* One that is only a placeholder is told by help. */
static void put_default(struct buffer *out, const char *fallback)
{
	if (*fallback == '{' && fallback[strcspn(fallback, "}") + 1] == 0)
		return;
	buffer_append_text(out, ".br\nDefault: ");
	roff_bold(out, span_from(*fallback ? fallback : "empty"));
	buffer_append_char(out, '\n');
}

/* in_item, of a list of sections: no variable of the environment stands for it. */
static void put_key(struct buffer *out, const struct config_key *key, bool in_item)
{
	_cleanup_(buffer_free) struct buffer type = BUFFER_INIT(TEXT_MAX);
	char variable[CONFIG_ENV_MAX];

	put_type(&type, key);
	buffer_append_text(out, ".TP\n");
	roff_bold(out, span_from(key->path));
	buffer_append_text(out, " (");
	roff_piece(out, buffer_span(&type));
	buffer_append_text(out, ")\n");
	roff_text(out, key->help);
	if (key->fallback)
		put_default(out, key->fallback);
	if (in_item)
		return;
	buffer_append_text(out, ".br\nEnvironment: ");
	roff_bold(out, span_from(config_key_env(key, variable)));
	buffer_append_char(out, '\n');
}

static void put_items(struct buffer *out, const char *title, const struct config_items *items)
{
	roff_section(out, title);
	for (unsigned i = 0; i < items->key_count; i++)
		put_key(out, &items->keys[i], true);
}

int config_manual(struct buffer *out)
{
	roff_section(out, "KEYS");
	for (unsigned i = 0; i < config_key_count; i++)
		put_key(out, &config_keys[i], false);
	put_items(out, "KEYS OF A GATEWAY", &config_gateways);
	put_items(out, "KEYS OF A BLOCK LIST", &config_lists);
	put_items(out, "KEYS OF AN HAPROXY", &config_haproxies);
	return out->truncated ? -ENOBUFS : 0;
}
