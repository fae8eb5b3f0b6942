// SPDX-License-Identifier: Apache-2.0
/* list_parse.c: which reader a file goes to, the plain format, and the times that the others share. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include "lib/json_read.h"
#include "lib/util.h"
#include "policies/list_internal.h"

#define JSON_VALUES_MAX 8000000
#define JSON_DEPTH_MAX  32

const char *list_format_name(enum config_list_format format)
{
	static const char *const names[] = {
		[CONFIG_LIST_AUTO] = "auto",         [CONFIG_LIST_PLAIN] = "plain",
		[CONFIG_LIST_CROWDSEC] = "crowdsec", [CONFIG_LIST_STIX] = "stix",
		[CONFIG_LIST_MISP] = "misp",
	};

	return (unsigned)format < ARRAY_SIZE(names) ? names[format] : "unknown";
}

/* --- times --- */

static bool digits(struct span text, size_t at, size_t count, int *ret)
{
	int v = 0;

	if (at + count > text.len)
		return false;
	for (size_t i = at; i < at + count; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		v = v * 10 + (text.ptr[i] - '0');
	}
	*ret = v;
	return true;
}

static bool is_at(struct span text, size_t at, const char *any)
{
	return at < text.len && text.ptr[at] && strchr(any, text.ptr[at]);
}

/* "Z", "+02:00" */
static bool offset_parse(struct span text, size_t at, int *ret_minutes)
{
	int hours, minutes;

	if (is_at(text, at, "Zz")) {
		*ret_minutes = 0;
		return at + 1 == text.len;
	}
	if (!is_at(text, at, "+-") || !digits(text, at + 1, 2, &hours) || !is_at(text, at + 3, ":") ||
	    !digits(text, at + 4, 2, &minutes) || at + 6 != text.len || hours > 23 || minutes > 59)
		return false;
	*ret_minutes = (text.ptr[at] == '-' ? -1 : 1) * (hours * 60 + minutes);
	return true;
}

int list_time_parse(struct span text, uint64_t *ret_s)
{
	struct tm tm = {0};
	size_t at = 19;
	int offset;

	if (!digits(text, 0, 4, &tm.tm_year) || !is_at(text, 4, "-") || !digits(text, 5, 2, &tm.tm_mon) ||
	    !is_at(text, 7, "-") || !digits(text, 8, 2, &tm.tm_mday) || !is_at(text, 10, "Tt ") ||
	    !digits(text, 11, 2, &tm.tm_hour) || !is_at(text, 13, ":") || !digits(text, 14, 2, &tm.tm_min) ||
	    !is_at(text, 16, ":") || !digits(text, 17, 2, &tm.tm_sec))
		return 1;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60)
		return 1;
	if (is_at(text, at, "."))
		for (at++; is_at(text, at, "0123456789");)
			at++;
	if (!offset_parse(text, at, &offset))
		return 1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	int64_t s = (int64_t)timegm(&tm) - offset * 60ll;
	*ret_s = s > 0 ? (uint64_t)s : 0;
	return 0;
}

/* Nanoseconds of a unit of Go's durations, and its length; 0: none. Longer names before their beginnings. */
static double unit_ns(struct span text, size_t *ret_len)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"ns", 1},   {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"\xce\xbcs", 1e3},
		     {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},        {"h", 3600e9}};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t n = strlen(units[i].name);
		if (text.len >= n && memcmp(text.ptr, units[i].name, n) == 0) {
			*ret_len = n;
			return units[i].ns;
		}
	}
	return 0;
}

/* "59.999": digits, then perhaps a point and more. False: no digit. */
static bool decimal_take(struct span *text, double *ret)
{
	double v = 0, place = 1;
	bool any = false, point = false;

	for (; text->len; text->ptr++, text->len--) {
		char c = text->ptr[0];
		if (c == '.' && !point) {
			point = true;
			continue;
		}
		if (c < '0' || c > '9')
			break;
		any = true;
		v = v * 10 + (c - '0');
		place *= point ? 10 : 1;
	}
	*ret = v / place;
	return any;
}

#define DURATION_MAX_S 1e10 /* three centuries */

int list_duration_parse(struct span text, int64_t *ret_s)
{
	bool negative = text.len && text.ptr[0] == '-';
	double sum = 0, v;
	size_t len;

	if (text.len && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
		text.ptr++;
		text.len--;
	}
	if (!text.len)
		return 1;
	while (text.len) {
		if (!decimal_take(&text, &v))
			return 1;
		double ns = unit_ns(text, &len);
		if (ns == 0 && !(v == 0 && text.len == 0))
			return 1;
		if (ns == 0)
			break; /* "0" needs no unit */
		sum += v * ns / 1e9;
		text.ptr += len;
		text.len -= len;
	}
	if (!(sum <= DURATION_MAX_S))
		sum = DURATION_MAX_S;
	int64_t s = (int64_t)sum;
	s += (double)s < sum;
	*ret_s = negative ? -s : s;
	return 0;
}

/* --- plain --- */

/* Without what stands behind '#' or ';', and without blanks around it. */
static struct span line_trim(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.ptr[i] == '#' || line.ptr[i] == ';')
			line.len = i;
	line = span_trim(line);
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return span_trim(line);
}

int list_read_plain(struct list_builder *b, struct span text)
{
	for (uint64_t number = 1; text.len; number++) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t len = end ? (size_t)(end - text.ptr) : text.len;
		struct span line = line_trim((struct span){text.ptr, len});
		int r = line.len ? list_add(b, number, line, 0) : 0;
		if (r)
			return r;
		text.ptr += len + (end != NULL);
		text.len -= len + (end != NULL);
	}
	return 0;
}

/* --- which one it is --- */

static struct span without_mark(struct span text)
{
	if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
		return (struct span){text.ptr + 3, text.len - 3};
	return text;
}

static bool looks_like_json(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_at(text, i, " \t\r\n"))
			return is_at(text, i, "{[") ||
			       (text.len - i >= 4 && !memcmp(text.ptr + i, "null", 4));
	return false;
}

static bool is_json(enum config_list_format format, struct span text)
{
	if (format == CONFIG_LIST_STIX || format == CONFIG_LIST_MISP)
		return true;
	return format != CONFIG_LIST_PLAIN && looks_like_json(without_mark(text));
}

uint64_t list_bytes_max(enum config_list_format format, struct span bytes)
{
	return is_json(format, bytes) ? LIST_JSON_BYTES_MAX : LIST_TEXT_BYTES_MAX;
}

static bool has(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key) != NULL;
}

static enum config_list_format format_of(const cJSON *root)
{
	const char *type = json_get_text(root, "type");

	if (type && strcmp(type, "bundle") == 0)
		return CONFIG_LIST_STIX;
	if (has(root, "Event") || has(root, "Attribute") || has(root, "response") ||
	    (cJSON_IsArray(root) && has(root->child, "Event")))
		return CONFIG_LIST_MISP;
	return CONFIG_LIST_CROWDSEC;
}

static int read_json(struct list_builder *b, enum config_list_format format, struct span text)
{
	static const struct json_limits limits = {
		.bytes = LIST_JSON_BYTES_MAX, .depth = JSON_DEPTH_MAX, .values = JSON_VALUES_MAX};
	struct list_report *report = b->report;
	cJSON *root = NULL;
	size_t offset = 0;
	int r = json_parse(text, &limits, &root, &offset);

	if (r > 0)
		snprintf(report->error, sizeof report->error, "is no JSON: %s at byte %zu",
			 json_error_name(r), offset);
	if (r)
		return r > 0 ? LIST_E_REFUSED : r;
	report->format = format == CONFIG_LIST_AUTO ? format_of(root) : format;
	r = report->format == CONFIG_LIST_STIX   ? list_read_stix(b, root)
	    : report->format == CONFIG_LIST_MISP ? list_read_misp(b, root)
						 : list_read_crowdsec(b, root);
	cJSON_Delete(root);
	return r;
}

static int read_text(struct list_builder *b, enum config_list_format format, struct span text)
{
	bool csv =
		format == CONFIG_LIST_CROWDSEC || (format == CONFIG_LIST_AUTO && list_is_crowdsec_csv(text));

	b->report->format = csv ? CONFIG_LIST_CROWDSEC : CONFIG_LIST_PLAIN;
	return csv ? list_read_crowdsec_csv(b, text) : list_read_plain(b, text);
}

static int refuse(struct list_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct list_report *report, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(report->error, sizeof report->error, format, ap);
	va_end(ap);
	return LIST_E_REFUSED;
}

static int read_any(struct list_builder *b, enum config_list_format format, struct span bytes)
{
	struct list_report *report = b->report;
	uint64_t max = list_bytes_max(format, bytes);

	/* A writer that failed leaves an empty file; a list that is meant to be empty has a comment, or [].
	 */
	if (!bytes.len)
		return refuse(report, "is empty");
	if (bytes.len > max)
		return refuse(report, "is larger than %llu MiB", (unsigned long long)(max >> 20));
	int r = is_json(format, bytes) ? read_json(b, format, without_mark(bytes))
				       : read_text(b, format, without_mark(bytes));
	if (r == LIST_E_TOO_MANY)
		return refuse(report, "holds more than %u entries", LIST_ENTRIES_MAX);
	if (r == LIST_E_FORMAT)
		return refuse(report, "is not of the format %s", list_format_name(report->format));
	if (!r && report->unreadable && !list_count(b->list) && !report->ended)
		return refuse(report, "is not of the format %s: not one of %llu records can be read",
			      list_format_name(report->format), (unsigned long long)report->unreadable);
	return r;
}

int list_parse(struct span bytes, enum config_list_format format, const struct list_times *times,
	       struct list **ret, struct list_report *report)
{
	struct list_builder b = {.list = calloc(1, sizeof *b.list), .report = report, .times = *times};

	*report = (struct list_report){.format = format};
	if (!b.list)
		return -ENOMEM;
	int r = read_any(&b, format, bytes);
	if (!r)
		r = list_finish(&b);
	if (r) {
		list_free(b.list);
		return r;
	}
	*ret = b.list;
	return 0;
}
