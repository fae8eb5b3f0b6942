// SPDX-License-Identifier: Apache-2.0
/* picket mode, proxies: settings that may be looked at, and some changed, while picket runs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "lib/config.h"
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

#define BODY_MAX 4096

/* --- mode --- */

static int show_mode(const cJSON *answer)
{
	const char *mode = cli_text(answer, "mode"), *configured = cli_text(answer, "configured");

	printf("%s\n", mode);
	if (strcmp(mode, configured))
		printf("after a restart: %s, as configured\n", configured);
	return EXIT_DONE;
}

int cli_mode(const struct cli *cli, int argc, char **argv)
{
	_cleanup_(buffer_free) struct buffer body = BUFFER_INIT(BODY_MAX);
	struct json_writer w = JSON_WRITER(&body);
	enum config_mode mode;
	cJSON *answer = NULL;
	int r = cli_arguments(argc, argv, 0, 1);

	if (r)
		return r;
	if (argc == 2) {
		if (config_mode_parse(span_from(argv[1]), &mode))
			return cli_fail(EXIT_USAGE, argv[0],
					"no mode is named \"%s\": observe, approve or enforce", argv[1]);
		json_object_begin(&w);
		json_key(&w, "mode");
		json_text(&w, argv[1]);
		json_object_end(&w);
	}
	r = cli_ask_json(cli, argv[0], argc == 2 ? "PUT" : "GET", "/v1/mode", buffer_span(&body), &answer);
	if (!r && answer)
		show_mode(answer);
	cJSON_Delete(answer);
	return r;
}

/* --- lists --- */

/* Ask for a resource that holds one list; with --json each item is a line. */
static int ask_list(const struct cli *cli, const char *command, const char *path, const char *list,
		    cJSON **ret)
{
	struct cli parsed = *cli;
	cJSON *answer = NULL;

	parsed.json = false;
	int r = cli_ask_json(&parsed, command, "GET", path, SPAN_NULL, &answer);

	if (!r && cli->json) {
		cli_print_items(cli_at(answer, list));
		cJSON_Delete(answer);
		answer = NULL;
	}
	*ret = answer;
	return r;
}

/* --- proxies --- */

static void show_configured(const cJSON *answer, const char *key, const char *label)
{
	const cJSON *list = cli_at(answer, key), *item;

	if (!cJSON_GetArraySize(list))
		return;
	printf("%s", label);
	cJSON_ArrayForEach(item, list) printf(" %s", cJSON_IsString(item) ? item->valuestring : "?");
	putchar('\n');
}

static int show_proxies(const struct cli *cli, const cJSON *answer)
{
	static const char *const heads[] = {"PEER",   "CLASS",      ">REQUESTS", ">FORWARDED",
					    ">SHARE", "CLIENTS BY", "LAST SEEN"};
	const cJSON *peers = cli_at(answer, "peers"), *p;
	struct table_view *t;
	bool unclassified = false;

	if (table_view_new(heads, ARRAY_SIZE(heads), &t))
		return cli_no_memory("proxies");
	cJSON_ArrayForEach(p, peers)
	{
		const cJSON *share = cli_at(p, "share");
		char text[32], last[48] = "";

		table_view_cell(t, cli_text(p, "address"));
		table_view_cell(t, cli_text(p, "class"));
		table_view_uint(t, cli_uint(p, "requests"));
		table_view_uint(t, cli_uint(p, "forwarded"));
		snprintf(text, sizeof text, "%.1f %%", cJSON_IsNumber(share) ? 100 * share->valuedouble : 0);
		table_view_cell(t, text);
		if (*print_distance(cli_text(p, "last"), text))
			snprintf(last, sizeof last, "%s ago", text);
		table_view_cell(t, *cli_text(p, "clients_by") ? cli_text(p, "clients_by") : NULL);
		table_view_cell(t, *last ? last : "never");
		unclassified = unclassified || !strcmp(cli_text(p, "class"), "unclassified");
	}
	show_configured(answer, "configured.trusted", "configured as trusted:");
	show_configured(answer, "configured.direct", "configured as direct:");
	if (table_view_rows(t))
		table_view_print(t, stdout, cli->color);
	else
		puts("no peer looks like a proxy");
	table_view_free(t);
	if (cli_uint(answer, "proxy_headers_refused"))
		printf("PROXY headers of peers that are no trusted proxies, not believed: %" PRIu64 "\n",
		       cli_uint(answer, "proxy_headers_refused"));
	if (unclassified)
		puts("An unclassified peer is never blocked automatically. Say what it is:\n"
		     "  picket proxies trust ADDR    a proxy of yours\n"
		     "  picket proxies direct ADDR   a client");
	return EXIT_DONE;
}

static int set_proxy(const struct cli *cli, char **argv)
{
	_cleanup_(buffer_free) struct buffer body = BUFFER_INIT(BODY_MAX);
	struct json_writer w = JSON_WRITER(&body);
	cJSON *answer = NULL;

	if (strcmp(argv[1], "trust") && strcmp(argv[1], "direct") && strcmp(argv[1], "forget"))
		return cli_fail(EXIT_USAGE, argv[0], "\"%s\": say trust, direct or forget, and the address",
				argv[1]);
	json_object_begin(&w);
	json_key(&w, "address");
	json_text(&w, argv[2]);
	json_key(&w, "class");
	json_text(&w, argv[1]);
	json_object_end(&w);
	int r = cli_ask_json(cli, argv[0], "PUT", "/v1/proxies", buffer_span(&body), &answer);

	if (!r && answer) {
		printf("%s is %s now%s\n", cli_text(answer, "address"), cli_text(answer, "class"),
		       cli_true(answer, "kept_over_restart")
			       ? ""
			       : "; not kept over a restart (picket status says why)");
		if (*cli_text(answer, "note"))
			printf("note: %s: picket unblock %s\n", cli_text(answer, "note"),
			       cli_text(answer, "address"));
	}
	cJSON_Delete(answer);
	return r;
}

int cli_proxies(const struct cli *cli, int argc, char **argv)
{
	cJSON *answer = NULL;
	int r = cli_arguments(argc, argv, 0, 2);

	if (r)
		return r;
	if (argc == 2)
		return cli_fail(EXIT_USAGE, argv[0], "an address is missing: picket proxies %s ADDR",
				argv[1]);
	if (argc == 3)
		return set_proxy(cli, argv);
	r = ask_list(cli, argv[0], "/v1/proxies", "peers", &answer);
	if (!r && answer)
		r = show_proxies(cli, answer);
	cJSON_Delete(answer);
	return r;
}
