// SPDX-License-Identifier: Apache-2.0
/* picket blocks, block, unblock: what is blocked, and what a person blocks or lets in again. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "lib/config.h"
#include "lib/target.h"
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

#define BODY_MAX       8192
#define LINE_BYTES_MAX (64u * 1024)

static void print_text(const char *text)
{
	_cleanup_(buffer_free) struct buffer b = BUFFER_INIT(LINE_BYTES_MAX);

	print_escaped(&b, span_from(text), 0);
	fwrite(b.data, 1, b.len, stdout);
}

/* --- blocks --- */

struct block_list {
	const struct cli *cli;
	struct table_view *table;
};

static int on_block(void *arg, struct span line)
{
	struct block_list *l = arg;
	char text[32];

	if (l->cli->json)
		return fwrite(line.ptr, 1, line.len, stdout) != line.len || putchar('\n') == EOF;
	cJSON *b = cli_parse_line(line);

	if (!b)
		return 0;
	table_view_cell(l->table, cli_text(b, "target"));
	table_view_cell(l->table, cli_text(b, "action"));
	table_view_cell(l->table, cli_text(b, "scope"));
	table_view_cell(l->table, cli_text(b, "point"));
	table_view_cell(l->table, print_span(cli_uint(b, "ttl_s"), text));
	table_view_uint(l->table, cli_uint(b, "packets"));
	table_view_uint(l->table, cli_uint(b, "requests"));
	table_view_by(l->table, cli_text(b, "source"), cli_text(b, "origin"));
	table_view_cell(l->table, cli_text(b, "reason"));
	cJSON_Delete(b);
	return 0;
}

static int show_blocks(const struct cli *cli, const char *command, const struct table_view *table)
{
	unsigned lists = 0;

	if (table_view_rows(table))
		table_view_print(table, stdout, cli->color);
	int r = cli_lists_summary(cli, command, &lists);
	if (!r && !lists && !table_view_rows(table))
		puts("nothing is blocked");
	return r;
}

int cli_blocks(const struct cli *cli, int argc, char **argv)
{
	static const char *const heads[] = {"TARGET",   "ACTION",   "SCOPE", "POINT", ">LEFT",
					    ">DROPPED", ">REFUSED", "BY",    "REASON"};
	struct block_list l = {.cli = cli};
	int r = cli_arguments(argc, argv, 0, 0);

	if (r)
		return r;
	if (table_view_new(heads, ARRAY_SIZE(heads), &l.table))
		return cli_no_memory(argv[0]);
	r = cli_stream(cli, argv[0], "/v1/blocks?stream=1", on_block, &l);
	if (!r && !cli->json)
		r = show_blocks(cli, argv[0], l.table);
	table_view_free(l.table);
	return r;
}

/* --- block, unblock --- */

struct wish {
	const char *target, *ttl, *reason, *scope, *action;
	uint64_t confirm_ms;
	bool confirm;
};

static int read_wish(int argc, char **argv, struct wish *w)
{
	static const struct option longs[] = {
		{"ttl", required_argument, NULL, 't'},
		{"reason", required_argument, NULL, 'r'},
		{"scope", required_argument, NULL, 's'},
		{"confirm-within", required_argument, NULL, 'w'},
		{"confirm", no_argument, NULL, 'c'},
		{"action", required_argument, NULL, 'a'},
		{NULL, 0, NULL, 0},
	};
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (c == 't')
			w->ttl = optarg;
		else if (c == 'r')
			w->reason = optarg;
		else if (c == 's')
			w->scope = optarg;
		else if (c == 'a')
			w->action = optarg;
		else if (c == 'c')
			w->confirm = true;
		else if (c != 'w')
			return cli_bad_option(argv, c);
		else if (config_duration_parse(span_from(optarg), &w->confirm_ms) || !w->confirm_ms)
			return cli_fail(EXIT_USAGE, argv[0],
					"--confirm-within takes a time like 60s or 5m, not \"%s\"", optarg);
	}
	if (optind == argc)
		return cli_fail(EXIT_USAGE, argv[0], "which address? usage: picket block TARGET --ttl 15m");
	w->target = argv[optind++];
	if (optind < argc)
		return cli_unexpected(argv, argv[optind]);
	if (w->confirm && (w->ttl || w->reason || w->scope || w->action || w->confirm_ms))
		return cli_fail(EXIT_USAGE, argv[0], "--confirm stands alone: picket block --confirm %s",
				w->target);
	return EXIT_DONE;
}

static void body_of_wish(struct buffer *body, const struct wish *wish)
{
	const struct {
		const char *key, *text;
	} texts[] = {
		{"target", wish->target}, {"ttl", wish->ttl},       {"reason", wish->reason},
		{"scope", wish->scope},   {"action", wish->action},
	};
	struct json_writer w = JSON_WRITER(body);

	json_object_begin(&w);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i].text) {
			json_key(&w, texts[i].key);
			json_text(&w, texts[i].text);
		}
	if (wish->confirm_ms) {
		json_key(&w, "confirm_within_s");
		json_uint(&w, (wish->confirm_ms + 999) / 1000);
	}
	json_object_end(&w);
}

static int show_blocked(const cJSON *answer, const struct wish *wish)
{
	const char *outcome = cli_text(answer, "outcome"), *target = cli_text(answer, "target");
	struct prefix p;
	char span[32];

	if (strcmp(outcome, "blocked"))
		return cli_fail(EXIT_NO, "block", "%s is not blocked: %s %s", target, outcome,
				cli_text(answer, "detail"));
	printf("%s is %s for %s (%s)", target, print_denied(cli_text(answer, "action")),
	       print_span(cli_uint(answer, "ttl_s"), span),
	       target_parse(span_from(target), &p) || !target_is_net(&p) ? "at HTTP"
	       : strcmp(cli_text(answer, "scope"), "host")               ? "watched ports"
									 : "every packet");
	if (*cli_text(answer, "detail")) {
		fputs("; ", stdout);
		print_text(cli_text(answer, "detail"));
	}
	putchar('\n');
	if (wish->confirm_ms)
		printf("It ends by itself in %s unless you run: picket block --confirm %s\n",
		       print_span((wish->confirm_ms + 999) / 1000, span), target);
	printf("undo: picket unblock %s\n", target);
	return EXIT_DONE;
}

int cli_block(const struct cli *cli, int argc, char **argv)
{
	_cleanup_(buffer_free) struct buffer body = BUFFER_INIT(BODY_MAX);
	struct wish wish = {0};
	cJSON *answer = NULL;
	int r = read_wish(argc, argv, &wish);

	if (r)
		return r;
	body_of_wish(&body, &wish);
	r = cli_ask_json(cli, argv[0], "POST", wish.confirm ? "/v1/blocks-confirm" : "/v1/blocks",
			 buffer_span(&body), &answer);
	if (!r && answer && wish.confirm)
		printf("%s stays blocked\n", cli_text(answer, "target"));
	else if (!r && answer)
		r = show_blocked(answer, &wish);
	cJSON_Delete(answer);
	return r;
}

int cli_unblock(const struct cli *cli, int argc, char **argv)
{
	cJSON *answer = NULL;
	int r = cli_arguments(argc, argv, 1, 1);

	if (r)
		return r;
	_cleanup_free_ char *path = cli_path("/v1/blocks/", argv[1]);

	if (!path)
		return cli_no_memory(argv[0]);
	r = cli_ask_json(cli, argv[0], "DELETE", path, SPAN_NULL, &answer);
	const char *detail = cli_text(answer, "detail");
	if (!r && answer && *detail) {
		printf("the block of %s is taken back, but ", cli_text(answer, "target"));
		print_text(detail);
		putchar('\n');
	} else if (!r && answer) {
		printf("%s is not blocked any more\n", cli_text(answer, "target"));
	}
	cJSON_Delete(answer);
	return r;
}
