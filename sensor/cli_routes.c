// SPDX-License-Identifier: Apache-2.0
/* picket routes: where in the API requests go. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

struct route_view {
	const struct cli *cli;
	struct table_view *table;
};

static int on_route(void *arg, struct span line)
{
	static const char *const classes[] = {"statuses.2xx", "statuses.3xx", "statuses.4xx", "statuses.5xx"};
	struct route_view *v = arg;
	char text[32];

	if (v->cli->json)
		return fwrite(line.ptr, 1, line.len, stdout) != line.len || putchar('\n') == EOF;
	cJSON *r = cli_parse_line(line);

	if (!r)
		return 0;
	const cJSON *documented = cli_at(r, "documented");
	table_view_cell(v->table, cli_text(r, "method"));
	table_view_cell(v->table, cli_text(r, "route"));
	table_view_cell(v->table, *cli_text(r, "host") ? cli_text(r, "host") : NULL);
	table_view_uint(v->table, cli_uint(r, "requests"));
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		table_view_uint(v->table, cli_uint(r, classes[i]));
	table_view_uint(v->table, cli_uint(r, "clients"));
	table_view_cell(v->table,
			*cli_text(r, "last_seen") ? print_distance(cli_text(r, "last_seen"), text) : NULL);
	table_view_cell(v->table,
			cJSON_IsBool(documented) ? (cJSON_IsTrue(documented) ? "yes" : "no") : NULL);
	cJSON_Delete(r);
	return 0;
}

static int read_options(int argc, char **argv, const char **ret_host, bool *ret_undocumented)
{
	static const struct option longs[] = {
		{"host", required_argument, NULL, 'h'},
		{"undocumented", no_argument, NULL, 'u'},
		{NULL, 0, NULL, 0},
	};
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (c == 'h')
			*ret_host = optarg;
		else if (c == 'u')
			*ret_undocumented = true;
		else
			return cli_bad_option(argv, c);
	}
	return optind < argc ? cli_unexpected(argv, argv[optind]) : EXIT_DONE;
}

int cli_routes(const struct cli *cli, int argc, char **argv)
{
	static const char *const heads[] = {"METHOD", "ROUTE", "HOST",     ">REQUESTS", ">2xx",      ">3xx",
					    ">4xx",   ">5xx",  ">CLIENTS", ">LAST",     "DOCUMENTED"};
	struct route_view v = {.cli = cli};
	const char *host = NULL;
	bool undocumented = false;
	int r = read_options(argc, argv, &host, &undocumented);

	if (r)
		return r;
	_cleanup_free_ char *path =
		cli_path(host ? (undocumented ? "/v1/routes?stream=1&undocumented=1&host="
					      : "/v1/routes?stream=1&host=")
			      : (undocumented ? "/v1/routes?stream=1&undocumented=1" : "/v1/routes?stream=1"),
			 host ? host : "");
	if (!path || table_view_new(heads, ARRAY_SIZE(heads), &v.table))
		return cli_no_memory(argv[0]);
	r = cli_stream(cli, argv[0], path, on_route, &v);
	if (!r && !cli->json && table_view_rows(v.table))
		table_view_print(v.table, stdout, cli->color);
	else if (!r && !cli->json)
		puts("no route is known: one is after ten requests that the server took");
	table_view_free(v.table);
	return r;
}
