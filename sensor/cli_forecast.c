// SPDX-License-Identifier: Apache-2.0
/* picket forecast: what would have been dropped, had you enforced. */
#include <getopt.h>
#include <stdio.h>
#include "lib/clock.h"
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"
#include "sensor/cli_time.h"

#define ROUTES_LINE_MAX 8192

/* "/users/{id} 12, /login 3, elsewhere 1" */
static const char *routes_text(const cJSON *e, struct buffer *b)
{
	const cJSON *r;
	uint64_t elsewhere = cli_uint(e, "elsewhere");

	buffer_reset(b);
	cJSON_ArrayForEach(r, cli_at(e, "routes"))
		buffer_printf(b, "%s%s %llu", b->len ? ", " : "", cli_text(r, "route"),
			      (unsigned long long)cli_uint(r, "requests"));
	if (elsewhere)
		buffer_printf(b, "%selsewhere %llu", b->len ? ", " : "", (unsigned long long)elsewhere);
	buffer_append_char(b, 0);
	return b->len > 1 && !b->truncated ? b->data : NULL;
}

static void distance_cell(struct table_view *t, const char *when)
{
	char text[32];

	table_view_cell(t, *when ? print_distance(when, text) : NULL);
}

static int show_entries(const struct cli *cli, const cJSON *entries)
{
	static const char *const heads[] = {"TARGET", "BY",     "ACTION", ">REQUESTS",
					    ">2xx",   ">FIRST", ">LAST",  "ROUTES"};
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(ROUTES_LINE_MAX);
	const cJSON *e;
	struct table_view *t;

	if (table_view_new(heads, ARRAY_SIZE(heads), &t))
		return cli_no_memory("forecast");
	cJSON_ArrayForEach(e, entries)
	{
		table_view_cell(t, cli_text(e, "target"));
		table_view_by(t, cli_text(e, "source"), cli_text(e, "origin"));
		table_view_cell(t, cli_text(e, "action"));
		table_view_uint(t, cli_uint(e, "requests"));
		table_view_uint(t, cli_uint(e, "served"));
		distance_cell(t, cli_text(e, "first"));
		distance_cell(t, cli_text(e, "last"));
		table_view_cell(t, routes_text(e, &b));
	}
	table_view_print(t, stdout, cli->color);
	table_view_free(t);
	return EXIT_DONE;
}

static int show(const struct cli *cli, const cJSON *a)
{
	unsigned long long count = cli_uint(a, "count"), served = cli_uint(a, "served");

	if (!count) {
		printf("nothing would have been blocked since %.19s UTC\n", cli_text(a, "since"));
		return EXIT_DONE;
	}
	printf("Had you enforced since %.19s UTC: %llu block%s, %llu requests dropped, %llu of which the "
	       "server "
	       "answered with 2xx\n\n",
	       cli_text(a, "since"), count, count == 1 ? "" : "s",
	       (unsigned long long)cli_uint(a, "requests"), served);
	int r = show_entries(cli, cli_at(a, "forecast"));
	if (!r && served)
		puts("\nWho is answered with 2xx may have done no harm: picket why TARGET says on what "
		     "evidence.");
	return r;
}

int cli_forecast(const struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{"since", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	uint64_t now = clock_wall_ns(&clock_system), since = now;
	char path[64] = "/v1/forecast";
	cJSON *a = NULL;
	int c, r = EXIT_DONE;

	optind = 0; /* cli_main has scanned before */
	opterr = 0;
	while (!r && (c = getopt_long(argc, argv, ":", longs, NULL)) != -1)
		r = c == 's' ? cli_time(argv[0], "--since", optarg, &since) : cli_bad_option(argv, c);
	if (!r && optind < argc)
		r = cli_unexpected(argv, argv[optind]);
	if (!r && since > now)
		r = cli_fail(EXIT_USAGE, argv[0], "--since is in the future");
	if (r)
		return r;
	if (since < now)
		snprintf(path, sizeof path, "/v1/forecast?last_s=%llu",
			 (unsigned long long)((now - since + NS_PER_S - 1) / NS_PER_S));
	r = cli_ask_json(cli, argv[0], "GET", path, SPAN_NULL, &a);
	if (!r && a)
		r = show(cli, a);
	cJSON_Delete(a);
	return r;
}
