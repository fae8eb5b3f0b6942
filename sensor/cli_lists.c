// SPDX-License-Identifier: Apache-2.0
/* picket lists: block lists in files. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

static uint64_t refused_of(const cJSON *list)
{
	const cJSON *reason;
	uint64_t sum = 0;

	cJSON_ArrayForEach(reason, cli_at(list, "refused"))
	{
		sum += cJSON_IsNumber(reason) ? (uint64_t)reason->valuedouble : 0;
	}
	return sum;
}

static void row(struct table_view *t, const cJSON *list)
{
	char text[32];

	table_view_cell(t, cli_text(list, "name"));
	table_view_cell(t, cli_text(list, "format"));
	table_view_cell(t, cli_text(list, "action"));
	table_view_cell(t, cli_text(list, "scope"));
	table_view_uint(t, cli_uint(list, "entries"));
	table_view_uint(t, cli_uint(list, "in_force"));
	table_view_uint(t, refused_of(list));
	table_view_uint(t, cli_uint(list, "unreadable"));
	table_view_cell(t, *cli_text(list, "read") ? print_distance(cli_text(list, "read"), text) : NULL);
	table_view_cell(t, *cli_text(list, "path") ? cli_text(list, "path") : "(a gateway)");
}

static void note(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(const char *name, const char *format, ...)
{
	char text[1024];
	int n = snprintf(text, sizeof text, "%s: ", name);
	va_list ap;

	va_start(ap, format);
	vsnprintf(text + n, sizeof text - (size_t)n, format, ap);
	va_end(ap);
	print_wrapped(stdout, 0, text);
}

/* What the table has no room for. */
static void show_notes(const cJSON *list)
{
	const char *name = cli_text(list, "name");
	const cJSON *item;

	if (*cli_text(list, "error"))
		note(name, "%s%s %s; what was in force of it stays until its end",
		     *cli_text(list, "path") ? "the file " : "the LAPI", cli_text(list, "path"),
		     cli_text(list, "error"));
	if (cli_uint(list, "dropped"))
		note(name, "%llu of %llu entries went at once: was the file cut short?",
		     (unsigned long long)cli_uint(list, "dropped"),
		     (unsigned long long)cli_uint(list, "dropped_of"));
	if (cli_uint(list, "http_requests"))
		note(name, "%llu requests of its clients through proxies were refused, or would have been",
		     (unsigned long long)cli_uint(list, "http_requests"));
	cJSON_ArrayForEach(item, cli_at(list, "refused"))
	{
		note(name, "%.0f refused: %s", item->valuedouble, item->string);
	}
	cJSON_ArrayForEach(item, cli_at(list, "unreadable_first"))
	{
		note(name, "record %llu cannot be read: \"%s\" %s", (unsigned long long)cli_uint(item, "at"),
		     cli_text(item, "text"), cli_text(item, "why"));
	}
}

static int show(const struct cli *cli, const cJSON *lists)
{
	static const char *const heads[] = {"LIST",      "FORMAT",   "ACTION",      "SCOPE", ">ENTRIES",
					    ">IN FORCE", ">REFUSED", ">UNREADABLE", ">READ", "FILE"};
	struct table_view *t;
	const cJSON *list;

	if (!cJSON_GetArraySize(lists)) {
		puts("no block list is configured: lists: in the configuration names their files");
		return EXIT_DONE;
	}
	if (table_view_new(heads, ARRAY_SIZE(heads), &t))
		return cli_no_memory("lists");
	cJSON_ArrayForEach(list, lists)
	{
		row(t, list);
	}
	table_view_print(t, stdout, cli->color);
	table_view_free(t);
	cJSON_ArrayForEach(list, lists)
	{
		show_notes(list);
	}
	return EXIT_DONE;
}

static int lists_get(const struct cli *cli, const char *command, cJSON **ret)
{
	struct api_answer answer = {0};
	int r = cli_ask(cli, command, "GET", "/v1/lists", SPAN_NULL, &answer);

	if (r)
		return r;
	*ret = cli_parse_line(buffer_span(&answer.body));
	api_answer_free(&answer);
	return *ret ? EXIT_DONE
		    : cli_fail(EXIT_UNREACHABLE, command, "what answers at %s is no picket", cli->control);
}

int cli_lists_summary(const struct cli *cli, const char *command, unsigned *ret)
{
	cJSON *a = NULL;
	const cJSON *list;
	int r = lists_get(cli, command, &a);

	if (r)
		return r;
	cJSON_ArrayForEach(list, cli_at(a, "lists"))
	{
		if (!cli_uint(list, "in_force"))
			continue;
		++*ret;
		note(cli_text(list, "name"), "%llu addresses and prefixes of %s, %s (picket lists)",
		     (unsigned long long)cli_uint(list, "in_force"),
		     *cli_text(list, "path") ? cli_text(list, "path") : "its decisions",
		     print_denied(cli_text(list, "action")));
	}
	cJSON_Delete(a);
	return EXIT_DONE;
}

int cli_lists(const struct cli *cli, int argc, char **argv)
{
	cJSON *a = NULL;
	int r = cli_arguments(argc, argv, 0, 0);

	if (!r)
		r = lists_get(cli, argv[0], &a);
	if (r)
		return r;
	if (cli->json)
		cli_print_items(cli_at(a, "lists"));
	else
		r = show(cli, cli_at(a, "lists"));
	cJSON_Delete(a);
	return r;
}
