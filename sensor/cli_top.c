// SPDX-License-Identifier: Apache-2.0
/*
 * picket top: the busiest sources, routes and blocks on a terminal, again each second. Without a terminal, or
 * with -1, one look as plain text.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/util.h"
#include "sensor/cli_call.h"
#include "sensor/top.h"
#include "sensor/top_screen.h"

#define INTERVAL_MS 1000
#define KEYS        "q quit  p pause  sort by: r rate, e refused, n name  up, down  b block  w why"

struct session {
	struct cli cli;
	struct top top;
	struct top_view view;
	char question[ADDR_TEXT_MAX + 64]; /* "": none is asked */
	bool quit;
};

/* A look that failed is told by asking once more, aloud. */
static int explain(const struct cli *cli, int error)
{
	cJSON *answer = NULL;

	if (error != TOP_E_UNANSWERED)
		return cli_no_memory("top");
	int r = cli_ask_json(cli, "top", "GET", "/v1/status", SPAN_NULL, &answer);

	cJSON_Delete(answer);
	return r ? r
		 : cli_fail(EXIT_UNREACHABLE, "top", "the daemon at %s was too busy to answer; try again",
			    cli->control);
}

/* --- one look --- */

static void print_line(void *arg, enum top_look look, struct span line)
{
	(void)arg;
	(void)look;
	printf("%.*s\n", (int)line.len, line.ptr);
}

/* Rates are known from the second look on. */
static int once(struct session *s, bool json)
{
	const struct timespec second = {.tv_sec = INTERVAL_MS / 1000};
	int r = top_look(&s->top, &s->cli);

	if (!r) {
		nanosleep(&second, NULL);
		r = top_look(&s->top, &s->cli);
	}
	if (r)
		return explain(&s->cli, r);
	top_sort(&s->top, s->view.order);
	if (json)
		top_print_json(&s->top, stdout);
	else
		top_draw(&s->top, &s->view, print_line, NULL);
	return EXIT_DONE;
}

/* --- again and again --- */

static void draw(struct session *s)
{
	top_screen_size(&s->view.rows, &s->view.columns);
	s->view.rows -= s->view.rows > 1; /* the foot */
	top_sort(&s->top, s->view.order);
	top_select(&s->top, &s->view, 0);
	top_screen_draw();
	top_draw(&s->top, &s->view, top_screen_line, NULL);
	top_screen_show(*s->question ? s->question : KEYS);
}

/* Another command about the selected source, on a screen of its own. */
static void command(struct session *s, int (*run)(const struct cli *cli, int argc, char **argv),
		    const char *name)
{
	char *argv[] = {(char *)name, s->view.selected, NULL};
	int c;

	top_screen_leave();
	run(&s->cli, 2, argv);
	printf("\nEnter goes back.");
	fflush(stdout);
	do
		c = getchar();
	while (c != '\n' && c != EOF);
	top_screen_return();
}

static void answer(struct session *s, int key)
{
	*s->question = 0;
	if (key == 'y')
		command(s, cli_block, "block");
}

static void obey(struct session *s, int key)
{
	switch (key) {
	case 'q':
		s->quit = true;
		break;
	case 'p':
		s->view.paused = !s->view.paused;
		break;
	case 'r':
		s->view.order = TOP_BY_RATE;
		break;
	case 'e':
		s->view.order = TOP_BY_REFUSED;
		break;
	case 'n':
		s->view.order = TOP_BY_NAME;
		break;
	case TOP_KEY_UP:
		top_select(&s->top, &s->view, -1);
		break;
	case TOP_KEY_DOWN:
		top_select(&s->top, &s->view, 1);
		break;
	case 'b':
		if (*s->view.selected)
			snprintf(s->question, sizeof s->question,
				 "Block %s for guard.ttl_default? y: yes; other keys: no", s->view.selected);
		break;
	case 'w':
		if (*s->view.selected)
			command(s, cli_why, "why");
		break;
	default:
		break;
	}
}

/* Until the next look is due. */
static void wait_and_obey(struct session *s, uint64_t due_ns)
{
	while (!s->quit && !top_screen_ended()) {
		uint64_t now_ns = clock_boot_ns(&clock_system);
		int key = top_screen_key(now_ns < due_ns ? (int)((due_ns - now_ns) / NS_PER_MS) + 1 : 0);

		if (key == TOP_KEY_NONE)
			return;
		if (*s->question)
			answer(s, key);
		else
			obey(s, key);
		draw(s);
	}
}

static int watch(struct session *s)
{
	int r = top_look(&s->top, &s->cli);

	if (r)
		return explain(&s->cli, r);
	if (top_screen_begin(s->cli.color))
		return cli_fail(EXIT_USAGE, "top",
				"TERM=%s names no terminal that is known: set it, or use -1",
				getenv("TERM") ? getenv("TERM") : "");
	while (!r && !s->quit && !top_screen_ended()) {
		draw(s);
		wait_and_obey(s, clock_boot_ns(&clock_system) + INTERVAL_MS * NS_PER_MS);
		if (!s->view.paused && !s->quit && !top_screen_ended())
			r = top_look(&s->top, &s->cli);
	}
	top_screen_end();
	return r ? explain(&s->cli, r) : EXIT_DONE;
}

static int read_options(int argc, char **argv, bool *ret_once)
{
	static const struct option longs[] = {{"once", no_argument, NULL, '1'}, {NULL, 0, NULL, 0}};
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":1", longs, NULL)) != -1) {
		if (c != '1')
			return cli_bad_option(argv, c);
		*ret_once = true;
	}
	return optind < argc ? cli_unexpected(argv, argv[optind]) : EXIT_DONE;
}

int cli_top(const struct cli *cli, int argc, char **argv)
{
	struct session s = {.cli = *cli};
	bool only_once = cli->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
	int r = read_options(argc, argv, &only_once);

	if (r)
		return r;
	s.cli.json = false;
	r = only_once ? once(&s, cli->json) : watch(&s);
	top_free(&s.top);
	return r;
}
