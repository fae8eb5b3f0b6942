// SPDX-License-Identifier: Apache-2.0
/* picket why: whether an address is blocked, by whom, and what would change it. */
#include <stdio.h>
#include <string.h>
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/cli_print.h"

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

/* What it stopped so far, in the kernel and at HTTP. */
static void show_hits(const cJSON *block)
{
	unsigned long long packets = cli_uint(block, "packets"), requests = cli_uint(block, "requests");
	char text[256], bytes[32], ago[32];
	size_t at = 0;

	if (packets || !requests)
		at = (size_t)snprintf(text, sizeof text, "%llu packets, %s", packets,
				      print_bytes(cli_uint(block, "bytes"), bytes));
	if (requests)
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%llu requests at HTTP", at ? ", " : "",
				       requests);
	if (*cli_text(block, "last_drop"))
		snprintf(text + at, sizeof text - at, ", the last %s ago",
			 print_distance(cli_text(block, "last_drop"), ago));
	print_field("dropped", text);
}

static void show_block(const cJSON *block)
{
	const cJSON *evidence = cli_at(block, "evidence"), *item;
	char text[256];

	snprintf(text, sizeof text, "%s: %s", cli_text(block, "source"), cli_text(block, "origin"));
	print_field("by", text);
	print_field("reason", cli_text(block, "reason"));
	print_time("since", cli_text(block, "since"));
	print_time("until", cli_text(block, "until"));
	cJSON_ArrayForEach(item, evidence)
		print_field("evidence", cJSON_IsString(item) ? item->valuestring : "");
	show_hits(block);
	if (cli_uint(block, "connections_closed")) {
		snprintf(text, sizeof text, "%llu that were open",
			 (unsigned long long)cli_uint(block, "connections_closed"));
		print_field("connections ended", text);
	}
}

/* Where several asked for it. */
static void show_claims(const cJSON *claims)
{
	const cJSON *c;

	if (cJSON_GetArraySize(claims) < 2)
		return;
	cJSON_ArrayForEach(c, claims)
	{
		const char *until = cli_text(c, "until");
		char text[256];

		snprintf(text, sizeof text, "%s: %s, until %.10s %.8s UTC", cli_text(c, "source"),
			 cli_text(c, "origin"), until, strlen(until) > 19 ? until + 11 : "");
		print_field("asked for by", text);
	}
}

/* Beside the block that is shown, or behind it. */
static void show_lists(const cJSON *lists)
{
	const cJSON *l;

	cJSON_ArrayForEach(l, lists)
	{
		const char *until = cli_text(l, "until");
		char text[256];

		if (!cli_true(l, "in_force"))
			continue;
		snprintf(text, sizeof text, "%s: %s, until %.10s %.8s UTC", cli_text(l, "name"),
			 cli_text(l, "target"), until, strlen(until) > 19 ? until + 11 : "");
		print_field("in list", text);
	}
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
		table_view_by(t, cli_key_text(d, "picket.decision.source"),
			      cli_key_text(d, "picket.decision.origin"));
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
		printf("%s is %s %s for another %s", target, print_denied(cli_text(block, "action")),
		       !strcmp(cli_text(block, "point"), "published")
			       ? "for others to enforce (picket export)"
		       : !strcmp(cli_text(block, "point"), "http") ? "at HTTP (by its proxy)"
		       : !strcmp(cli_text(block, "scope"), "host") ? "in the kernel (every packet)"
								   : "in the kernel (watched ports)",
		       print_span(cli_uint(block, "ttl_s"), span));
	else
		printf("%s is not blocked", target);
	if (blocked && strcmp(target, of))
		printf(", by the block of %s", of);
	printf("%s\n", print_color(cli->color, COLOR_NONE));
	if (blocked) {
		show_block(block);
		show_claims(cli_at(a, "claims"));
		show_lists(cli_at(a, "lists"));
	}
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
