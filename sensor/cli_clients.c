// SPDX-License-Identifier: Apache-2.0
/* picket clients: who asks here, and what is known of each. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX     100000
#define DETECTIONS    1024 /* bytes of a cell */

struct client_view {
	const struct cli *cli;
	struct table_view *table;
	unsigned long limit, seen;
};

/* "login-failures 2, bola 1"; NULL: none fired. */
static const char *detections_text(const cJSON *c, struct buffer *b)
{
	const cJSON *d;

	buffer_reset(b);
	cJSON_ArrayForEach(d, cli_at(c, "detections"))
		buffer_printf(b, "%s%s %llu", b->len ? ", " : "", cli_text(d, "name"),
			      (unsigned long long)cli_uint(d, "count"));
	buffer_append_char(b, 0);
	return b->len > 1 && !b->truncated ? b->data : NULL;
}

static void distance_cell(struct table_view *t, const char *when)
{
	char text[32];

	table_view_cell(t, *when ? print_distance(when, text) : NULL);
}

static void row(struct client_view *v, const cJSON *c)
{
	static const char *const classes[] = {"window.statuses.2xx", "window.unauthorized",
					      "window.forbidden", "window.missing", "window.statuses.5xx"};
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(DETECTIONS);
	bool consumer = strcmp(cli_text(c, "kind"), "consumer") == 0;

	table_view_cell(v->table, cli_text(c, "target"));
	distance_cell(v->table, cli_text(c, "first_seen"));
	distance_cell(v->table, cli_text(c, "last_seen"));
	table_view_uint(v->table, cli_uint(c, "requests"));
	table_view_uint(v->table, cli_uint(c, "window.requests"));
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		table_view_uint(v->table, cli_uint(c, classes[i]));
	table_view_uint(v->table, cli_uint(c, "routes_seen"));
	table_view_uint(v->table, cli_uint(c, consumer ? "clients_seen" : "consumers_seen"));
	table_view_uint(v->table, cli_uint(c, "user_agents_seen"));
	table_view_cell(v->table, detections_text(c, &b));
	table_view_cell(v->table, *cli_text(c, "action") ? print_denied(cli_text(c, "action")) : NULL);
}

static int on_client(void *arg, struct span line)
{
	struct client_view *v = arg;

	if (v->seen++ >= v->limit)
		return 1;
	if (v->cli->json)
		return fwrite(line.ptr, 1, line.len, stdout) != line.len || putchar('\n') == EOF;
	cJSON *c = cli_parse_line(line);
	if (c)
		row(v, c);
	cJSON_Delete(c);
	return 0;
}

static int list(const struct cli *cli, const char *command, const char *kind, unsigned long limit)
{
	static const char *const heads[] = {"TARGET",  ">FIRST", ">LAST",   ">REQUESTS",  ">LATELY",
					    ">2xx",    ">401",   ">403",    ">404",       ">5xx",
					    ">ROUTES", ">WITH",  ">AGENTS", "DETECTIONS", "NOW"};
	struct client_view v = {.cli = cli, .limit = limit};
	_cleanup_free_ char *path =
		cli_path(kind ? "/v1/clients?stream=1&kind=" : "/v1/clients?stream=1", kind ? kind : "");

	if (!path || table_view_new(heads, ARRAY_SIZE(heads), &v.table))
		return cli_no_memory(command);
	int r = cli_stream(cli, command, path, on_client, &v);
	if (!r && !cli->json && table_view_rows(v.table)) {
		table_view_print(v.table, stdout, cli->color);
		if (v.seen > limit)
			printf("\nThere are more than these %lu: -n N shows more.\n", limit);
	} else if (!r && !cli->json) {
		puts("nobody is known: no request was seen yet");
	}
	table_view_free(v.table);
	return r;
}

/* --- one of them --- */

static void line(const char *name, const char *text)
{
	struct buffer b = BUFFER_INIT(4096);

	print_escaped(&b, span_from(text), 0);
	buffer_append_char(&b, 0);
	printf("%-12s %s\n", name, b.data ? b.data : "");
	buffer_free(&b);
}

static void show_counts(const char *name, const cJSON *c)
{
	printf("%-12s %llu requests: %llu 2xx, %llu 3xx, %llu 4xx (%llu 401, %llu 403, %llu 404, %llu 429), "
	       "%llu "
	       "5xx, %llu without an answer seen\n",
	       name, (unsigned long long)cli_uint(c, "requests"),
	       (unsigned long long)cli_uint(c, "statuses.2xx"),
	       (unsigned long long)cli_uint(c, "statuses.3xx"),
	       (unsigned long long)cli_uint(c, "statuses.4xx"),
	       (unsigned long long)cli_uint(c, "unauthorized"), (unsigned long long)cli_uint(c, "forbidden"),
	       (unsigned long long)cli_uint(c, "missing"), (unsigned long long)cli_uint(c, "limited"),
	       (unsigned long long)cli_uint(c, "statuses.5xx"),
	       (unsigned long long)cli_uint(c, "statuses.none"));
}

static void show(const cJSON *c)
{
	bool consumer = strcmp(cli_text(c, "kind"), "consumer") == 0;
	const cJSON *item;
	char text[512], span[32];

	line("target", cli_text(c, "target"));
	line("first seen", cli_text(c, "first_seen"));
	line("last seen", cli_text(c, "last_seen"));
	show_counts("all", c);
	show_counts("lately", cli_at(c, "window"));
	if (cli_uint(c, "gap_ms"))
		printf("%-12s one each %llu ms, in the mean %llu ms off\n", "pace",
		       (unsigned long long)cli_uint(c, "gap_ms"),
		       (unsigned long long)cli_uint(c, "gap_spread_ms"));
	cJSON_ArrayForEach(item, cli_at(c, "routes"))
	{
		snprintf(text, sizeof text, "%s %s, %llu", cli_text(item, "method"), cli_text(item, "route"),
			 (unsigned long long)cli_uint(item, "requests"));
		line("route", text);
	}
	cJSON_ArrayForEach(item, cli_at(c, "user_agents"))
		line("user agent", cJSON_IsString(item) ? item->valuestring : "");
	cJSON_ArrayForEach(item, cli_at(c, "ja4s"))
	{
		snprintf(text, sizeof text, "%s, %llu hellos, the last %s ago", cli_text(item, "ja4"),
			 (unsigned long long)cli_uint(item, "hellos"),
			 print_distance(cli_text(item, "last"), span));
		line("ja4", text);
	}
	printf("%-12s %llu routes, %llu user agents, %llu %s\n", "different",
	       (unsigned long long)cli_uint(c, "routes_seen"),
	       (unsigned long long)cli_uint(c, "user_agents_seen"),
	       (unsigned long long)cli_uint(c, consumer ? "clients_seen" : "consumers_seen"),
	       consumer ? "clients" : "consumers");
	if (*cli_text(c, "latest_with"))
		line("latest with", cli_text(c, "latest_with"));
	cJSON_ArrayForEach(item, cli_at(c, "detections"))
	{
		snprintf(text, sizeof text, "%s, %llu times, the last %s ago", cli_text(item, "name"),
			 (unsigned long long)cli_uint(item, "count"),
			 print_distance(cli_text(item, "last"), span));
		line("detection", text);
	}
	line("now", *cli_text(c, "action") ? print_denied(cli_text(c, "action")) : "passes");
}

static int one(const struct cli *cli, const char *command, const char *target)
{
	_cleanup_free_ char *path = cli_path("/v1/clients/", target);
	cJSON *c = NULL;

	if (!path)
		return cli_no_memory(command);
	int r = cli_ask_json(cli, command, "GET", path, SPAN_NULL, &c);
	if (!r && c)
		show(c);
	cJSON_Delete(c);
	return r;
}

int cli_clients(const struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{"kind", required_argument, NULL, 'k'},
		{"limit", required_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	unsigned long limit = cli->json ? LIMIT_MAX : LIMIT_DEFAULT;
	const char *kind = NULL;
	char *end;
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":n:", longs, NULL)) != -1) {
		if (c == 'k' && (strcmp(optarg, "client") == 0 || strcmp(optarg, "consumer") == 0)) {
			kind = optarg;
		} else if (c == 'k') {
			return cli_fail(EXIT_USAGE, argv[0], "--kind is client or consumer");
		} else if (c == 'n') {
			limit = strtoul(optarg, &end, 10);
			if (end == optarg || *end || *optarg == '-' || !limit || limit > LIMIT_MAX)
				return cli_fail(EXIT_USAGE, argv[0], "-n takes a number from 1 to %d",
						LIMIT_MAX);
		} else {
			return cli_bad_option(argv, c);
		}
	}
	if (optind + 1 < argc)
		return cli_unexpected(argv, argv[optind + 1]);
	return optind < argc ? one(cli, argv[0], argv[optind]) : list(cli, argv[0], kind, limit);
}
