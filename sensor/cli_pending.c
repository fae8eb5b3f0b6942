// SPDX-License-Identifier: Apache-2.0
/* picket pending, approve, reject: the blocks that wait for a person, and the answer. */
#include <stdio.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

static int show_pending(const struct cli *cli, const cJSON *list)
{
	static const char *const heads[] = {">ID", "TARGET",   "SCOPE", ">TTL",
					    "BY",  ">EXPIRES", "WHY",   "REASON"};
	const cJSON *p;
	struct table_view *t;
	char text[32];

	if (!cJSON_GetArraySize(list)) {
		puts("nothing waits for you");
		return EXIT_DONE;
	}
	if (table_view_new(heads, ARRAY_SIZE(heads), &t))
		return cli_no_memory("pending");
	cJSON_ArrayForEach(p, list)
	{
		table_view_uint(t, cli_uint(p, "pending_id"));
		table_view_cell(t, cli_text(p, "target"));
		table_view_cell(t, cli_text(p, "scope"));
		table_view_cell(t, print_span(cli_uint(p, "ttl_s"), text));
		table_view_by(t, cli_text(p, "source"), cli_text(p, "origin"));
		table_view_cell(t, print_distance(cli_text(p, "expires"), text));
		table_view_cell(t, cli_text(p, "why"));
		table_view_cell(t, cli_text(p, "reason"));
	}
	table_view_print(t, stdout, cli->color);
	table_view_free(t);
	puts("TTL: how long it would be blocked; EXPIRES: how long there is to answer.\n"
	     "picket approve ID lets a block happen, picket reject ID drops it; picket why TARGET tells "
	     "more");
	return EXIT_DONE;
}

int cli_pending(const struct cli *cli, int argc, char **argv)
{
	struct cli parsed = *cli;
	cJSON *answer = NULL;
	int r = cli_arguments(argc, argv, 0, 0);

	parsed.json = false;
	if (!r)
		r = cli_ask_json(&parsed, argv[0], "GET", "/v1/pending", SPAN_NULL, &answer);
	if (!r && cli->json)
		cli_print_items(cli_at(answer, "pending"));
	else if (!r)
		r = show_pending(cli, cli_at(answer, "pending"));
	cJSON_Delete(answer);
	return r;
}

static int answer_pending(const struct cli *cli, int argc, char **argv, bool approve)
{
	cJSON *answer = NULL;
	int r = cli_arguments(argc, argv, 1, 1);

	if (r)
		return r;
	if (!argv[1][0] || argv[1][strspn(argv[1], "0123456789")])
		return cli_fail(EXIT_USAGE, argv[0], "\"%s\" is no number: picket pending lists them",
				argv[1]);
	_cleanup_free_ char *path = cli_path("/v1/pending/", argv[1]);

	if (!path)
		return cli_no_memory(argv[0]);
	r = cli_ask_json(cli, argv[0], "POST", path,
			 approve ? SPAN("{\"approve\":true}") : SPAN("{\"approve\":false}"), &answer);
	if (!r && answer && approve)
		printf("%s: %s; undo: picket unblock %s\n", cli_text(answer, "target"),
		       cli_text(answer, "outcome"), cli_text(answer, "target"));
	else if (!r && answer)
		printf("%s: not blocked, the question is closed\n", cli_text(answer, "target"));
	cJSON_Delete(answer);
	return r;
}

int cli_approve(const struct cli *cli, int argc, char **argv)
{
	return answer_pending(cli, argc, argv, true);
}

int cli_reject(const struct cli *cli, int argc, char **argv)
{
	return answer_pending(cli, argc, argv, false);
}
