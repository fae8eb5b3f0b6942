// SPDX-License-Identifier: Apache-2.0
/*
 * list_misp.c: MISP's JSON: an event, several of them ("response", or an array), or attributes. Of these the
 * types ip-src and ip-src|port count, in the event itself and in its objects, unless deleted or, as MISP
 * marks what is not for detection, without to_ids.
 */
#include <errno.h>
#include "lib/json_read.h"
#include "policies/list_internal.h"

/* Attributes from one array; *at goes on counting over all of them. */
static int attributes_read(struct list_builder *b, const cJSON *array, uint64_t *at)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		const char *type = json_get_text(item, "type"), *value = json_get_text(item, "value");
		bool with_port = type && strcmp(type, "ip-src|port") == 0;

		++*at;
		if (!type || (!with_port && strcmp(type, "ip-src") != 0) ||
		    !json_get_bool(item, "to_ids", true) || json_get_bool(item, "deleted", false)) {
			b->report->ignored++;
			continue;
		}
		struct span text = span_from(value);
		const char *bar = with_port && text.len ? memchr(text.ptr, '|', text.len) : NULL;
		if (bar)
			text.len = (size_t)(bar - text.ptr);
		int r = list_add(b, *at, text, 0);
		if (r)
			return r;
	}
	return 0;
}

static int holder_read(struct list_builder *b, const cJSON *holder, uint64_t *at)
{
	return attributes_read(b, cJSON_GetObjectItemCaseSensitive(holder, "Attribute"), at);
}

/* An event, with or without the "Event" around it, or what else holds attributes. */
static int event_read(struct list_builder *b, const cJSON *item, uint64_t *at)
{
	const cJSON *inner = cJSON_GetObjectItemCaseSensitive(item, "Event"), *object;
	const cJSON *event = inner ? inner : item;
	int r = holder_read(b, event, at);

	cJSON_ArrayForEach(object, cJSON_GetObjectItemCaseSensitive(event, "Object"))
	{
		if (!r)
			r = holder_read(b, object, at);
	}
	return r;
}

int list_read_misp(struct list_builder *b, const cJSON *root)
{
	const cJSON *response = cJSON_GetObjectItemCaseSensitive(root, "response"), *item;
	const cJSON *all = response ? response : root;
	uint64_t at = 0;

	if (cJSON_IsObject(all) && (cJSON_GetObjectItemCaseSensitive(all, "Event") ||
				    cJSON_GetObjectItemCaseSensitive(all, "Attribute")))
		return event_read(b, all, &at);
	if (!cJSON_IsArray(all))
		return LIST_E_FORMAT;
	cJSON_ArrayForEach(item, all)
	{
		int r = event_read(b, item, &at);
		if (r)
			return r;
	}
	return 0;
}
