// SPDX-License-Identifier: Apache-2.0
/* picket baseline: what is normal on each route. */
#include <stdio.h>
#include <string.h>
#include "lib/json_write.h"
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

#define BODY_MAX 256

static char *path_of(const char *route)
{
	return cli_path(route ? "/v1/baseline?route=" : "/v1/baseline", route ? route : "");
}

static int show(const struct cli *cli, const cJSON *answer)
{
	static const char *const heads[] = {"ROUTE", "DETECTION", ">NORMAL", ">GROUPS", "COUNTS", ">TAUGHT"};
	struct table_view *t;
	const cJSON *i;
	char text[32];

	if (strcmp(cli_text(answer, "learning"), "frozen") == 0)
		puts("learning is frozen\n");
	if (!cli_uint(answer, "count")) {
		puts("nothing is known of what is normal");
		return EXIT_DONE;
	}
	if (table_view_new(heads, ARRAY_SIZE(heads), &t))
		return cli_no_memory("baseline");
	cJSON_ArrayForEach(i, cli_at(answer, "baseline"))
	{
		table_view_cell(t, cli_text(i, "route"));
		table_view_cell(t, cli_text(i, "detection"));
		table_view_uint(t, cli_uint(i, "normal"));
		table_view_uint(t, cli_uint(i, "groups"));
		table_view_cell(t, cli_true(i, "counts") ? "yes" : "not yet");
		table_view_cell(t, print_distance(cli_text(i, "last_taught"), text));
	}
	table_view_print(t, stdout, cli->color);
	table_view_free(t);
	return EXIT_DONE;
}

static int list(const struct cli *cli, const char *command, const char *route)
{
	_cleanup_free_ char *path = path_of(route);
	struct cli parsed = *cli;
	cJSON *answer = NULL;

	parsed.json = false;
	int r = path ? cli_ask_json(&parsed, command, "GET", path, SPAN_NULL, &answer)
		     : cli_no_memory(command);
	if (!r && cli->json)
		cli_print_items(cli_at(answer, "baseline"));
	else if (!r)
		r = show(cli, answer);
	cJSON_Delete(answer);
	return r;
}

static int reset(const struct cli *cli, const char *command, const char *route)
{
	_cleanup_free_ char *path = path_of(route);
	cJSON *answer = NULL;
	int r = path ? cli_ask_json(cli, command, "DELETE", path, SPAN_NULL, &answer)
		     : cli_no_memory(command);

	if (!r && answer)
		printf("forgotten: %llu; it is learned anew\n",
		       (unsigned long long)cli_uint(answer, "reset"));
	cJSON_Delete(answer);
	return r;
}

static int set_learning(const struct cli *cli, const char *command, const char *word)
{
	_cleanup_(buffer_free) struct buffer body = BUFFER_INIT(BODY_MAX);
	struct json_writer w = JSON_WRITER(&body);
	cJSON *answer = NULL;

	if (strcmp(word, "on") != 0 && strcmp(word, "frozen") != 0)
		return cli_fail(EXIT_USAGE, command, "learning is on or frozen");
	json_object_begin(&w);
	json_key(&w, "learning");
	json_text(&w, word);
	json_object_end(&w);
	int r = cli_ask_json(cli, command, "PUT", "/v1/baseline", buffer_span(&body), &answer);
	if (!r && answer)
		printf("learning: %s, until picket starts anew\n", cli_text(answer, "learning"));
	cJSON_Delete(answer);
	return r;
}

int cli_baseline(const struct cli *cli, int argc, char **argv)
{
	int r = cli_arguments(argc, argv, 0, 2);

	if (r)
		return r;
	if (argc > 1 && strcmp(argv[1], "reset") == 0)
		return reset(cli, argv[0], argc > 2 ? argv[2] : NULL);
	if (argc > 1 && strcmp(argv[1], "learning") == 0)
		return argc > 2 ? set_learning(cli, argv[0], argv[2])
				: cli_fail(EXIT_USAGE, argv[0], "learning is on or frozen");
	if (argc > 2)
		return cli_unexpected(argv, argv[2]);
	if (argc > 1 && argv[1][0] != '/')
		return cli_fail(EXIT_USAGE, argv[0], "a route begins with \"/\", as picket routes shows it");
	return list(cli, argv[0], argc > 1 ? argv[1] : NULL);
}
