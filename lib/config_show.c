// SPDX-License-Identifier: Apache-2.0
/* The effective configuration as YAML that loads again to the same. */
#include <errno.h>
#include <string.h>
#include "lib/config_gateway.h"
#include "lib/config_keys.h"

static size_t section_len(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? (size_t)(dot - path) : 0;
}

static bool is_unset(const struct config_key *key, const void *base)
{
	return key->type == CONFIG_TEXT && !*(char *const *)((const char *)base + key->offset);
}

/* Of an item: what need not be written, or says nothing for one of its kind. */
static bool is_left_out(const struct config_items *items, const struct config_key *key, const void *base)
{
	const struct config_strings *texts = (const void *)((const char *)base + key->offset);

	if (items == &config_gateways && !config_gateway_knows(base, key))
		return true;
	return is_unset(key, base) || (key->type == CONFIG_TEXTS && !texts->count);
}

/* The list of a gateway follows from the gateway's section. */
static bool is_written(const struct config_items *items, const void *item)
{
	return items != &config_lists || ((const struct config_list *)item)->path;
}

static void show_items(const struct config_key *section, const struct config *c, const char *origin,
		       struct buffer *out)
{
	const struct config_items *items = section->items;
	const char *base = (const char *)c, *array;
	unsigned count;

	memcpy(&array, base + section->offset, sizeof array);
	memcpy(&count, base + items->count_at, sizeof count);
	while (count && !is_written(items, array + (count - 1) * items->size))
		count--;
	buffer_printf(out, count ? "%s:" : "%s: []", items->section);
	if (origin)
		buffer_printf(out, " # from %s", origin);
	buffer_append_char(out, '\n');
	for (unsigned i = 0; i < count; i++) {
		const char *lead = "  - ";
		for (unsigned k = 0; k < items->key_count; k++) {
			const struct config_key *key = &items->keys[k];
			if (is_left_out(items, key, array + i * items->size))
				continue;
			buffer_printf(out, "%s%s: ", lead, key->path);
			config_value_print(key, array + i * items->size, out);
			buffer_append_char(out, '\n');
			lead = "    ";
		}
	}
}

int config_show(const struct config *c, bool origins, struct buffer *out)
{
	struct span section = SPAN_NULL;

	for (unsigned i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		const char *origin = origins ? c->origins->items[i] : NULL;
		struct span mine = {key->path, section_len(key->path)};
		if (key->type == CONFIG_ITEMS) {
			show_items(key, c, origin, out);
			section = SPAN_NULL;
			continue;
		}
		if (mine.len && !span_equal(mine, section))
			buffer_printf(out, "%.*s:\n", (int)mine.len, mine.ptr);
		section = mine;
		buffer_printf(out, "%s%s: ", mine.len ? "  " : "", key->path + mine.len + (mine.len != 0));
		config_value_print(key, c, out);
		if (origin)
			buffer_printf(out, " # from %s", origin);
		buffer_append_char(out, '\n');
	}
	return out->truncated ? -ENOBUFS : 0;
}
