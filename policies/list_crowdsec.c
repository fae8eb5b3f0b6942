// SPDX-License-Identifier: Apache-2.0
/*
 * list_crowdsec.c: CrowdSec's decisions, as cscli and the local API write them: CSV (`cscli decisions list -o
 * raw`, or a file for `cscli decisions import`) and JSON (an array of decisions, of alerts that hold
 * decisions, or the object of a decision stream, of which `new` counts).
 */
#include <errno.h>
#include "lib/json_read.h"
#include "lib/util.h"
#include "policies/list_internal.h"

/* A decision in either form; absent: SPAN_NULL. */
struct decision {
	struct span value, scope, type, duration, until;
	bool simulated;
};

/* Only bans of addresses and ranges; a type or scope that is not written means that. */
static bool is_ban(const struct decision *d)
{
	if (d->simulated || (d->type.len && !span_equal_nocase(d->type, SPAN("ban"))))
		return false;
	return !d->scope.len || span_equal_nocase(d->scope, SPAN("ip")) ||
	       span_equal_nocase(d->scope, SPAN("range"));
}

/* False: there is an end, and it cannot be read. */
static bool end_of(const struct list_builder *b, const struct decision *d, uint64_t *ret_s)
{
	int64_t left;

	*ret_s = 0;
	if (d->until.len) {
		bool read = list_time_parse(d->until, ret_s) == 0;
		*ret_s = MAX(*ret_s, (uint64_t)1); /* 0 is "none" */
		return read;
	}
	if (!d->duration.len)
		return true;
	if (list_duration_parse(d->duration, &left))
		return false;
	int64_t end = (int64_t)b->times.written_s + left;
	*ret_s = end > 0 ? (uint64_t)end : 1;
	return true;
}

static int decision_take(struct list_builder *b, uint64_t at, const struct decision *d)
{
	uint64_t end_s;

	if (!is_ban(d)) {
		b->report->ignored++;
		return 0;
	}
	if (!end_of(b, d, &end_s)) {
		list_unreadable(b, at, "its end is no time", d->until.len ? d->until : d->duration);
		return 0;
	}
	return list_add(b, at, d->value, end_s);
}

/* --- JSON --- */

static struct span member(const cJSON *object, const char *key)
{
	return span_from(json_get_text(object, key));
}

static int decision_read(struct list_builder *b, uint64_t at, const cJSON *item)
{
	struct decision d = {
		.value = member(item, "value"),
		.scope = member(item, "scope"),
		.type = member(item, "type"),
		.duration = member(item, "duration"),
		.until = member(item, "until"),
		.simulated = json_get_bool(item, "simulated", false),
	};

	if (!d.value.ptr) {
		list_unreadable(b, at, "is no decision: it has no value", SPAN_NULL);
		return 0;
	}
	return decision_take(b, at, &d);
}

static int decisions_read(struct list_builder *b, const cJSON *array, uint64_t *at)
{
	const cJSON *item;
	int r = 0;

	cJSON_ArrayForEach(item, array)
	{
		const cJSON *inner = cJSON_GetObjectItemCaseSensitive(item, "decisions");

		if (!inner) {
			r = decision_read(b, ++*at, item);
		} else { /* an alert */
			const cJSON *d;
			cJSON_ArrayForEach(d, inner)
			{
				r = decision_read(b, ++*at, d);
				if (r)
					return r;
			}
		}
		if (r)
			return r;
	}
	return 0;
}

int list_read_crowdsec(struct list_builder *b, const cJSON *root)
{
	const cJSON *array = root;
	uint64_t at = 0;

	if (cJSON_IsNull(root))
		return 0; /* how older versions write an empty list */
	if (cJSON_IsObject(root))
		array = cJSON_GetObjectItemCaseSensitive(root, "new");
	if (cJSON_IsNull(array))
		return 0;
	return cJSON_IsArray(array) ? decisions_read(b, array, &at) : LIST_E_FORMAT;
}

/* --- CSV --- */

#define COLUMNS_MAX 32
#define LINE_MAX    4096

/* A record's fields, in memory of their own, since quoted ones lose their quotes. */
struct fields {
	char text[LINE_MAX];
	struct span items[COLUMNS_MAX];
	unsigned count;
	bool too_long;
};

static void put(struct fields *f, size_t *at, char c)
{
	if (*at < sizeof f->text)
		f->text[(*at)++] = c;
	else
		f->too_long = true;
}

/* One field, quoted or not (RFC 4180); *text is left at the comma or line's end behind it. */
static void field_take(struct fields *f, size_t *at, struct span *text)
{
	bool quoted = text->len && text->ptr[0] == '"';
	size_t first = *at, i = quoted;

	for (; quoted && i < text->len; i++) {
		if (text->ptr[i] != '"') {
			put(f, at, text->ptr[i]);
		} else if (i + 1 < text->len && text->ptr[i + 1] == '"') {
			put(f, at, text->ptr[i++]);
		} else {
			quoted = false;
		}
	}
	for (; i < text->len && text->ptr[i] != ',' && text->ptr[i] != '\n'; i++)
		put(f, at, text->ptr[i]);
	struct span field = {f->text + first, *at - first};
	if (field.len && field.ptr[field.len - 1] == '\r')
		field.len--;
	if (f->count < COLUMNS_MAX)
		f->items[f->count++] = span_trim(field);
	else
		f->too_long = true;
	text->ptr += i;
	text->len -= i;
}

static void record_take(struct fields *f, struct span *text)
{
	size_t at = 0;
	bool more = true;

	f->count = 0;
	f->too_long = false;
	while (more) {
		field_take(f, &at, text);
		more = text->len && text->ptr[0] == ',';
		if (text->len) {
			text->ptr++;
			text->len--;
		}
	}
}

/* Where the columns stand that matter; COLUMNS_MAX: not there. */
struct columns {
	unsigned value, scope, type, duration, until, simulated;
};

static unsigned column_of(const struct fields *head, const char *name, const char *other)
{
	for (unsigned i = 0; i < head->count; i++)
		if (span_equal_nocase(head->items[i], span_from(name)) ||
		    span_equal_nocase(head->items[i], span_from(other)))
			return i;
	return COLUMNS_MAX;
}

static struct columns columns_of(const struct fields *head)
{
	return (struct columns){
		.value = column_of(head, "value", "ip"),
		.scope = column_of(head, "scope", ""),
		.type = column_of(head, "type", "action"),
		.duration = column_of(head, "duration", "expiration"),
		.until = column_of(head, "until", ""),
		.simulated = column_of(head, "simulated", ""),
	};
}

static struct span field_at(const struct fields *f, unsigned column)
{
	return column < f->count ? f->items[column] : SPAN_NULL;
}

/* `cscli decisions list` writes scope and value as one: "Ip:192.0.2.1", "Range:198.51.100.0/24". */
static void scope_split(struct decision *d)
{
	static const struct span scopes[] = {{"ip:", 3}, {"range:", 6}, {"as:", 3}, {"country:", 8}};

	for (size_t i = 0; !d->scope.len && i < ARRAY_SIZE(scopes); i++) {
		struct span head = {d->value.ptr, scopes[i].len};
		if (d->value.len <= head.len || !span_equal_nocase(head, scopes[i]))
			continue;
		d->scope = (struct span){head.ptr, head.len - 1};
		d->value = (struct span){d->value.ptr + head.len, d->value.len - head.len};
	}
}

bool list_is_crowdsec_csv(struct span text)
{
	struct fields head;

	record_take(&head, &text);
	struct columns c = columns_of(&head);
	return head.count > 1 && c.value < COLUMNS_MAX && (c.duration < COLUMNS_MAX || c.scope < COLUMNS_MAX);
}

int list_read_crowdsec_csv(struct list_builder *b, struct span text)
{
	struct fields f;

	if (!list_is_crowdsec_csv(text))
		return LIST_E_FORMAT;
	record_take(&f, &text);
	const struct columns c = columns_of(&f);
	for (uint64_t at = 2; text.len; at++) {
		record_take(&f, &text);
		if (f.count == 1 && !f.items[0].len)
			continue; /* an empty line */
		struct decision d = {
			.value = field_at(&f, c.value),
			.scope = field_at(&f, c.scope),
			.type = field_at(&f, c.type),
			.duration = field_at(&f, c.duration),
			.until = field_at(&f, c.until),
			.simulated = span_equal_nocase(field_at(&f, c.simulated), SPAN("true")),
		};
		if (f.too_long) {
			list_unreadable(b, at, "is longer than a record may be", f.items[0]);
			continue;
		}
		scope_split(&d);
		int r = decision_take(b, at, &d);
		if (r)
			return r;
	}
	return 0;
}
