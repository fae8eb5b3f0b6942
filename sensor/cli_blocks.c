// SPDX-License-Identifier: Apache-2.0
/* picket blocks, block, unblock, why, pending, approve, reject: what is blocked, why, and what a person
 * decides. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/config.h"
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

/* "local/login_guessing" */
static void cell_by(struct table_view *t, const cJSON *verdict)
{
	char text[160];

	snprintf(text, sizeof text, "%s/%s", cli_text(verdict, "source"), cli_text(verdict, "origin"));
	table_view_cell(t, text);
}

static void cell_uint(struct table_view *t, uint64_t v)
{
	char text[32];

	snprintf(text, sizeof text, "%llu", (unsigned long long)v);
	table_view_cell(t, text);
}

/* RFC 3339 → "14m59s" from now on or ago; "" if it is none. */
static const char *distance_of(const char *when, char buf[static 32])
{
	struct tm tm = {0};

	buf[0] = 0;
	if (!strptime(when, "%Y-%m-%dT%H:%M:%S", &tm))
		return buf;
	time_t t = timegm(&tm), now = time(NULL);

	return print_span((uint64_t)(t > now ? t - now : now - t), buf);
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
	table_view_cell(l->table, cli_text(b, "scope"));
	table_view_cell(l->table, print_span(cli_uint(b, "ttl_s"), text));
	cell_uint(l->table, cli_uint(b, "packets"));
	cell_by(l->table, b);
	table_view_cell(l->table, cli_text(b, "reason"));
	cJSON_Delete(b);
	return 0;
}

int cli_blocks(const struct cli *cli, int argc, char **argv)
{
	static const char *const heads[] = {"TARGET", "SCOPE", ">LEFT", ">DROPPED", "BY", "REASON"};
	struct block_list l = {.cli = cli};
	int r = cli_arguments(argc, argv, 0, 0);

	if (r)
		return r;
	if (table_view_new(heads, ARRAY_SIZE(heads), &l.table))
		return cli_no_memory(argv[0]);
	r = cli_stream(cli, argv[0], "/v1/blocks?stream=1", on_block, &l);
	if (!r && !cli->json && table_view_rows(l.table))
		table_view_print(l.table, stdout, cli->color);
	else if (!r && !cli->json)
		puts("nothing is blocked");
	table_view_free(l.table);
	return r;
}

/* --- block, unblock --- */

struct wish {
	const char *target, *ttl, *reason, *scope;
	uint64_t confirm_ms;
	bool confirm;
};

static int read_wish(int argc, char **argv, struct wish *w)
{
	static const struct option longs[] = {
		{"ttl", required_argument, NULL, 't'},   {"reason", required_argument, NULL, 'r'},
		{"scope", required_argument, NULL, 's'}, {"confirm-within", required_argument, NULL, 'w'},
		{"confirm", no_argument, NULL, 'c'},     {NULL, 0, NULL, 0},
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
	if (w->confirm && (w->ttl || w->reason || w->scope || w->confirm_ms))
		return cli_fail(EXIT_USAGE, argv[0], "--confirm stands alone: picket block --confirm %s",
				w->target);
	return EXIT_DONE;
}

static void body_of_wish(struct buffer *body, const struct wish *wish)
{
	const struct {
		const char *key, *text;
	} texts[] = {
		{"target", wish->target},
		{"ttl", wish->ttl},
		{"reason", wish->reason},
		{"scope", wish->scope},
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
	char span[32];

	if (strcmp(outcome, "blocked"))
		return cli_fail(EXIT_NO, "block", "%s is not blocked: %s %s", target, outcome,
				cli_text(answer, "detail"));
	printf("%s is blocked for %s (%s)", target, print_span(cli_uint(answer, "ttl_s"), span),
	       strcmp(cli_text(answer, "scope"), "host") ? "watched ports" : "every packet");
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
	if (!r && answer)
		printf("%s is not blocked any more\n", cli_text(answer, "target"));
	cJSON_Delete(answer);
	return r;
}

/* --- why --- */

static void print_field(const char *label, const char *text)
{
	if (!*text)
		return;
	printf("  %-9s ", label);
	print_wrapped(stdout, 12, text);
}

/* "2026-11-24T22:00:10.123Z" → "2026-11-24 22:00:10 UTC" */
static void print_time(const char *label, const char *when)
{
	char text[64];

	if (strlen(when) < 19)
		return;
	snprintf(text, sizeof text, "%.10s %.8s UTC", when, when + 11);
	print_field(label, text);
}

static void show_block(const cJSON *block)
{
	const cJSON *evidence = cli_at(block, "evidence"), *item;
	char text[256], bytes[32], ago[32];

	snprintf(text, sizeof text, "%s: %s", cli_text(block, "source"), cli_text(block, "origin"));
	print_field("by", text);
	print_field("reason", cli_text(block, "reason"));
	print_time("since", cli_text(block, "since"));
	print_time("until", cli_text(block, "until"));
	cJSON_ArrayForEach(item, evidence)
		print_field("evidence", cJSON_IsString(item) ? item->valuestring : "");
	snprintf(text, sizeof text, "%llu packets, %s", (unsigned long long)cli_uint(block, "packets"),
		 print_bytes(cli_uint(block, "bytes"), bytes));
	if (*cli_text(block, "last_drop"))
		snprintf(text + strlen(text), sizeof text - strlen(text), ", the last %s ago",
			 distance_of(cli_text(block, "last_drop"), ago));
	print_field("dropped", text);
}

static void show_reasons(const cJSON *reasons)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, reasons)
	{
		fputs("  - ", stdout);
		print_wrapped(stdout, 4, cli_text(item, "text"));
		if (*cli_text(item, "command")) {
			fputs("    ", stdout);
			print_wrapped(stdout, 4, cli_text(item, "command"));
		}
	}
}

static void show_decisions(const struct cli *cli, const cJSON *decisions)
{
	static const char *const heads[] = {"TIME", "OUTCOME", "BY", "REASON"};
	const cJSON *d;
	struct table_view *t;

	if (!cJSON_GetArraySize(decisions) || table_view_new(heads, ARRAY_SIZE(heads), &t))
		return;
	cJSON_ArrayForEach(d, decisions)
	{
		const char *why = cli_key_text(d, "picket.decision.why"),
			   *reason = cli_key_text(d, "picket.decision.reason");
		char text[600], when[32];

		table_view_cell(t, print_clock(cli_key_uint(d, "time_unix_nano"), 3, when));
		table_view_cell(t, cli_key_text(d, "picket.decision.outcome"));
		snprintf(text, sizeof text, "%s/%s", cli_key_text(d, "picket.decision.source"),
			 cli_key_text(d, "picket.decision.origin"));
		table_view_cell(t, text);
		snprintf(text, sizeof text, "%s%s%s", reason,
			 *reason && *why && strcmp(why, "ok") ? "; " : "", strcmp(why, "ok") ? why : "");
		table_view_cell(t, text);
	}
	puts("\nDecisions, newest first:");
	table_view_print(t, stdout, cli->color);
	table_view_free(t);
}

static int show_why(const struct cli *cli, const cJSON *a)
{
	const cJSON *block = cli_at(a, "block");
	const char *target = cli_text(a, "target"), *of = cli_text(block, "target");
	bool blocked = cli_true(a, "blocked");
	char span[32];

	fputs(print_color(cli->color, blocked ? COLOR_RED : COLOR_GREEN), stdout);
	if (blocked)
		printf("%s is blocked in the kernel (%s) for another %s", target,
		       strcmp(cli_text(block, "scope"), "host") ? "watched ports" : "every packet",
		       print_span(cli_uint(block, "ttl_s"), span));
	else
		printf("%s is not blocked", target);
	if (blocked && strcmp(target, of))
		printf(", by the block of %s", of);
	printf("%s\n", print_color(cli->color, COLOR_NONE));
	if (blocked)
		show_block(block);
	print_field("undo", cli_text(a, "undo"));
	show_reasons(cli_at(a, "reasons"));
	show_decisions(cli, cli_at(a, "decisions"));
	return blocked ? EXIT_DONE : EXIT_NO;
}

int cli_why(const struct cli *cli, int argc, char **argv)
{
	struct api_answer answer = {0};
	cJSON *a = NULL;
	int r = cli_arguments(argc, argv, 1, 1);

	if (r)
		return r;
	_cleanup_free_ char *path = cli_path("/v1/why/", argv[1]);

	if (!path)
		return cli_no_memory(argv[0]);
	/* The exit status needs the answer, whatever the form it is printed in. */
	r = cli_ask(cli, argv[0], "GET", path, SPAN_NULL, &answer);
	if (r)
		return r;
	a = cli_parse_line(buffer_span(&answer.body));
	if (!a)
		r = cli_fail(EXIT_UNREACHABLE, argv[0], "what answers at %s is no picket", cli->control);
	else if (!cli->json)
		r = show_why(cli, a);
	else {
		r = cli_true(a, "blocked") ? EXIT_DONE : EXIT_NO;
		printf("%.*s\n", (int)answer.body.len, answer.body.data);
	}
	cJSON_Delete(a);
	api_answer_free(&answer);
	return r;
}

/* --- pending --- */

static int show_pending(const struct cli *cli, const cJSON *list)
{
	static const char *const heads[] = {">ID", "TARGET", "BY", ">EXPIRES", "WHY", "REASON"};
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
		cell_uint(t, cli_uint(p, "pending_id"));
		table_view_cell(t, cli_text(p, "target"));
		cell_by(t, p);
		table_view_cell(t, distance_of(cli_text(p, "expires"), text));
		table_view_cell(t, cli_text(p, "why"));
		table_view_cell(t, cli_text(p, "reason"));
	}
	table_view_print(t, stdout, cli->color);
	table_view_free(t);
	puts("picket approve ID lets a block happen, picket reject ID drops it; picket why TARGET tells "
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
