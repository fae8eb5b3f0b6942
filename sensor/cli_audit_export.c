// SPDX-License-Identifier: Apache-2.0
/*
 * picket audit export: the records of a time, as they stand in the log, or as a table for those who audit
 * with spreadsheets. It checks no chain: that is `picket audit verify`.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "lib/audit_verify.h"
#include "lib/json_read.h"
#include "lib/util.h"
#include "sensor/cli_audit.h"
#include "sensor/cli_time.h"

#define COMMAND "audit export"

struct export_options {
	const char *config, *path;
	char since[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX]; /* "": no limit */
	bool csv;
};

/* --- options --- */

/* As records write their time, so that texts compare as times do. */
static int time_option(const char *name, const char *text, char ret[static CLOCK_TEXT_MAX])
{
	uint64_t ns;
	int r = cli_time(COMMAND, name, text, &ns);

	if (!r)
		clock_format(ns, ret);
	return r;
}

static int options_read(int argc, char **argv, struct export_options *o)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"since", required_argument, NULL, 's'},
		{"until", required_argument, NULL, 'u'},
		{"format", required_argument, NULL, 'f'},
		{NULL, 0, NULL, 0},
	};
	int c, r = EXIT_DONE;

	optind = 0; /* cli_main has scanned before */
	while (!r && (c = getopt_long(argc, argv, ":c:", longs, NULL)) != -1) {
		if (c == 'c')
			o->config = optarg;
		else if (c == 's')
			r = time_option("--since", optarg, o->since);
		else if (c == 'u')
			r = time_option("--until", optarg, o->until);
		else if (c == 'f' && (!strcmp(optarg, "json") || !strcmp(optarg, "csv")))
			o->csv = !strcmp(optarg, "csv");
		else if (c == 'f')
			return cli_fail(EXIT_USAGE, COMMAND, "--format is json or csv");
		else
			return cli_fail(EXIT_USAGE, COMMAND,
					"%s: unknown option, or its value is missing; see picket help audit",
					argv[optind - 1]);
	}
	if (r)
		return r;
	if (optind < argc)
		o->path = argv[optind++];
	if (optind < argc)
		return cli_fail(EXIT_USAGE, COMMAND, "unexpected argument \"%s\"; see picket help audit",
				argv[optind]);
	return EXIT_DONE;
}

/* --- a table --- */

/* Column, and where its value stands in a record: the first of these that is there. Keys with dots are keys
 * of the event, whose names have them. */
static const struct column {
	const char *name;
	const char *keys[4];
} columns[] = {
	{"seq", {"seq"}},
	{"time", {"time"}},
	{"kind", {"kind"}},
	{"by", {"by"}},
	{"outcome", {"picket.decision.outcome", "what"}},
	{"answer", {"answer"}},
	{"target", {"picket.decision.target", "target", "subject"}},
	{"action", {"picket.decision.action"}},
	{"ttl_s", {"picket.decision.ttl_s"}},
	{"source", {"picket.decision.source"}},
	{"origin", {"picket.decision.origin"}},
	{"reason", {"picket.decision.reason"}},
	{"why", {"picket.decision.why", "why"}},
	{"detail", {"picket.decision.detail"}},
	{"setting", {"name"}},
	{"before", {"before"}},
	{"value", {"value", "count", "through", "bytes"}},
	{"hash", {"hash"}},
};

/* Quoted. A cell that begins as a formula does would be one to a spreadsheet, and reasons come from outside.
 */
static void put_cell(struct buffer *out, const char *text, bool number)
{
	buffer_append_char(out, '"');
	if (!number && *text && strchr("=+-@\t\r", *text))
		buffer_append_char(out, '\'');
	for (; *text; text++) {
		if (*text == '"')
			buffer_append_char(out, '"');
		buffer_append_char(out, *text);
	}
	buffer_append_char(out, '"');
}

static const cJSON *value_of(const cJSON *record, const struct column *c)
{
	const cJSON *event = cJSON_GetObjectItemCaseSensitive(record, "event"), *v = NULL;

	for (size_t i = 0; !v && i < ARRAY_SIZE(c->keys) && c->keys[i]; i++)
		v = cJSON_GetObjectItemCaseSensitive(strchr(c->keys[i], '.') ? event : record, c->keys[i]);
	return v;
}

static void put_row(struct buffer *out, const cJSON *record)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		const cJSON *v = value_of(record, &columns[i]);
		char number[32] = "";

		if (i)
			buffer_append_char(out, ',');
		if (cJSON_IsNumber(v))
			snprintf(number, sizeof number, "%.15g", v->valuedouble);
		put_cell(out, cJSON_IsString(v) ? v->valuestring : number, cJSON_IsNumber(v));
	}
	buffer_append_text(out, "\r\n");
}

static void put_heads(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		printf("%s%s", i ? "," : "", columns[i].name);
	fputs("\r\n", stdout);
}

/* --- the records --- */

static bool is_asked(const struct export_options *o, const struct audit_line *a)
{
	return (!*o->since || memcmp(a->time.ptr, o->since, AUDIT_TIME_LEN) >= 0) &&
	       (!*o->until || memcmp(a->time.ptr, o->until, AUDIT_TIME_LEN) < 0);
}

/* 0; 1: no record. Memory that is out makes it none, too. */
static int export_line(const struct export_options *o, struct span line)
{
	static const struct json_limits limits = {.bytes = AUDIT_LINE_MAX, .depth = 8, .values = 512};
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(4 * AUDIT_LINE_MAX);
	struct audit_line a;
	cJSON *record = NULL;

	if (audit_line_read(line, &a) || json_parse(line, &limits, &record, NULL))
		return 1;
	if (!is_asked(o, &a)) {
		cJSON_Delete(record);
		return 0;
	}
	if (o->csv)
		put_row(&out, record);
	else
		buffer_printf(&out, "%.*s\n", (int)line.len, line.ptr);
	cJSON_Delete(record);
	if (out.truncated)
		return 1;
	fwrite(out.data, 1, out.len, stdout);
	return 0;
}

/* *ret_bad: lines that are no records. 0 or -errno. */
static int export_file(const struct export_options *o, FILE *f, uint64_t *ret_bad)
{
	_cleanup_free_ char *line = malloc(AUDIT_LINE_MAX);
	bool newline;
	size_t len;
	int r;

	if (!line)
		return -ENOMEM;
	while ((r = audit_line_next(f, line, &len, &newline)) == 0)
		*ret_bad += (uint64_t)export_line(o, (struct span){line, len});
	return r == AUDIT_E_END ? 0 : r;
}

int cli_audit_export(const struct cli *cli, int argc, char **argv)
{
	struct export_options o = {0};
	struct audit_log log;
	uint64_t bad = 0;
	int r = options_read(argc, argv, &o);

	if (!r)
		r = audit_log_open(cli, COMMAND, o.config, o.path, &log);
	if (r)
		return r;
	if (o.csv)
		put_heads();
	for (unsigned i = 0; !r && i < log.count; i++)
		r = export_file(&o, log.files[i], &bad);
	audit_log_close(&log);
	if (r)
		return cli_fail(EXIT_NO, COMMAND, "%s cannot be read: %s", log.path, strerror(-r));
	if (bad)
		return cli_fail(EXIT_NO, COMMAND,
				"%" PRIu64
				" lines are no records and were left out: `picket audit verify` says what "
				"is wrong",
				bad);
	return EXIT_DONE;
}
