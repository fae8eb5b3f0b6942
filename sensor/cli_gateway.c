// SPDX-License-Identifier: Apache-2.0
/* picket gateway: who judges, and how it goes. What `gateway test` does is in cli_gateway_test.c. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

/* "12s": how old the oldest event is that waits; NULL when none does. */
static const char *lag(const cJSON *g, char buf[static 32])
{
	uint64_t ms = cli_uint(g, "lag_ms");

	if (!cli_uint(g, "events_held"))
		return NULL;
	if (ms >= 1000)
		return print_span(ms / 1000, buf);
	snprintf(buf, 32, "%" PRIu64 "ms", ms);
	return buf;
}

static void show_gateway(struct table_view *t, const cJSON *g)
{
	char text[32];

	table_view_cell(t, cli_text(g, "name"));
	table_view_cell(t, cli_text(g, "protocol"));
	table_view_cell(t, *cli_text(g, "url") ? cli_text(g, "url") : NULL);
	table_view_cell(t, cli_text(g, "role"));
	table_view_cell(t, cli_text(g, "state"));
	if (cli_uint(g, "last_status"))
		table_view_uint(t, cli_uint(g, "last_status"));
	else
		table_view_cell(t, NULL);
	table_view_uint(t, cli_uint(g, "events_delivered"));
	table_view_uint(t, cli_uint(g, "events_held"));
	table_view_cell(t, lag(g, text));
	table_view_uint(t, cli_uint(g, "events_dropped"));
	table_view_uint(t, cli_uint(g, "verdicts"));
}

/* Who really answers, where a gateway chooses among models, and what it costs. */
static void show_models(const cJSON *gateways)
{
	const cJSON *g;

	cJSON_ArrayForEach(g, gateways)
	{
		if (*cli_text(g, "model"))
			printf("  %s: %s answered last; %" PRIu64 " tokens today\n", cli_text(g, "name"),
			       cli_text(g, "model"), cli_uint(g, "tokens_today"));
	}
}

/* Errors are sentences: below the table, where they are not cut. */
static void show_error(const char *name, const char *where, const char *error)
{
	char text[640];

	snprintf(text, sizeof text, "%s: %s%s", name, where, error);
	fputs("  ", stdout);
	print_wrapped(stdout, 2, text);
}

static void show_errors(const cJSON *gateways)
{
	const cJSON *g;

	cJSON_ArrayForEach(g, gateways)
	{
		const cJSON *poll = cJSON_GetObjectItemCaseSensitive(g, "poll");

		if (*cli_text(g, "last_error"))
			show_error(cli_text(g, "name"), "", cli_text(g, "last_error"));
		if (*cli_text(poll, "last_error"))
			show_error(cli_text(g, "name"), "verdicts_url: ", cli_text(poll, "last_error"));
	}
}

static int list(const struct cli *cli)
{
	static const char *const heads[] = {"GATEWAY", "PROTOCOL", "URL",        "ROLE",
					    "STATE",   ">STATUS",  ">DELIVERED", ">HELD",
					    ">LAG",    ">DROPPED", ">VERDICTS"};
	struct cli parsed = *cli;
	struct table_view *t;
	cJSON *answer = NULL;
	const cJSON *gateways, *g;

	parsed.json = false;
	int r = cli_ask_json(&parsed, "gateway", "GET", "/v1/gateways", SPAN_NULL, &answer);
	if (r)
		return r;
	gateways = cli_at(answer, "gateways");
	if (cli->json) {
		cli_print_items(gateways);
	} else if (table_view_new(heads, ARRAY_SIZE(heads), &t)) {
		r = cli_no_memory("gateway");
	} else {
		cJSON_ArrayForEach(g, gateways) show_gateway(t, g);
		table_view_print(t, stdout, cli->color);
		table_view_free(t);
		show_models(gateways);
		show_errors(gateways);
	}
	cJSON_Delete(answer);
	return r;
}

int cli_gateway(const struct cli *cli, int argc, char **argv)
{
	if (argc < 2)
		return cli_arguments(argc, argv, 1, 1);
	if (strcmp(argv[1], "test") == 0)
		return cli_gateway_test(cli, argc, argv);
	if (strcmp(argv[1], "list"))
		return cli_fail(EXIT_USAGE, argv[0], "\"%s\": say list or test", argv[1]);
	int r = cli_arguments(argc, argv, 1, 1);
	return r ? r : list(cli);
}
