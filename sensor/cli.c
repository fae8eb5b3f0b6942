// SPDX-License-Identifier: Apache-2.0
/*
 * The command line: finds the command, takes the options that all of them share, and tells what is wrong.
 * What a command does is in its own cli_*.c.
 */
#include "sensor/cli.h"
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "lib/util.h"
#include "sensor/cli_help.h"
#include "sensor/cli_print.h"
#include "sensor/cli_table.h"

#ifndef PICKET_VERSION
#define PICKET_VERSION "unknown"
#endif

#define INSTANCE_MAX 64
#define MESSAGE_MAX  4096

/* --- messages --- */

int cli_fail(int code, const char *command, const char *format, ...)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(8 * MESSAGE_MAX);
	char text[MESSAGE_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	for (char *line = text, *end; line; line = end) {
		end = strchr(line, '\n');
		print_escaped(&out, (struct span){line, end ? (size_t)(end - line) : strlen(line)}, 0);
		if (end && *++end)
			buffer_append_char(&out, '\n');
	}
	fflush(stdout);
	fprintf(stderr, "picket%s%s: %.*s\n", *command ? " " : "", command, (int)out.len,
		out.len ? out.data : "");
	return code;
}

int cli_bad_option(char **argv, int c)
{
	const char *option = argv[optind - 1];

	if (c == ':')
		return cli_fail(EXIT_USAGE, argv[0], "%s needs a value; see picket help %s", option, argv[0]);
	if (optopt && option[0] == '-' && option[1] != '-')
		return cli_fail(EXIT_USAGE, argv[0], "unknown option \"-%c\"; see picket help %s", optopt,
				argv[0]);
	return cli_fail(EXIT_USAGE, argv[0], "unknown option \"%s\"; see picket help %s", option, argv[0]);
}

int cli_unexpected(char **argv, const char *argument)
{
	return cli_fail(EXIT_USAGE, argv[0], "unexpected argument \"%s\"; see picket help %s", argument,
			argv[0]);
}

static int wrong_usage(const struct cli_command *c)
{
	_cleanup_(buffer_free) struct buffer usage = BUFFER_INIT(MESSAGE_MAX);

	cli_usages(&usage, "", c);
	return cli_fail(EXIT_USAGE, c->name, "usage: %.*s", (int)usage.len, usage.len ? usage.data : "");
}

int cli_arguments(int argc, char **argv, int min, int max)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1])
			return cli_fail(EXIT_USAGE, argv[0], "unknown option \"%s\"; see picket help %s",
					argv[i], argv[0]);
	if (argc - 1 > max)
		return cli_unexpected(argv, argv[max + 1]);
	if (argc - 1 < min)
		return wrong_usage(cli_command_find(cli_commands, argv[0]));
	return EXIT_DONE;
}

/* --- a command that is none --- */

/* Changes that make b of a: letters put in, left out, swapped for another, or two neighbours exchanged. */
static unsigned distance(const char *a, const char *b)
{
	enum { MAX_LEN = 31 };
	unsigned d[MAX_LEN + 1][MAX_LEN + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > MAX_LEN || m > MAX_LEN)
		return MAX_LEN;
	for (size_t i = 0; i <= n; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			best = MIN(best, d[i - 1][j] + 1);
			best = MIN(best, d[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, d[i - 2][j - 2] + 1);
			d[i][j] = best;
		}
	return d[n][m];
}

int cli_unknown(const char *name)
{
	unsigned best = 1 + (unsigned)MIN(strlen(name), (size_t)8) / 3;
	const char *nearest = NULL;

	for (const struct cli_command *c = cli_commands; c->name; c++) {
		unsigned d = distance(name, c->name);

		if (d <= best && (!nearest || d < best)) {
			best = d;
			nearest = c->name;
		}
	}
	if (nearest)
		return cli_fail(EXIT_USAGE, "", "unknown command \"%s\": did you mean `picket %s`?", name,
				nearest);
	return cli_fail(EXIT_USAGE, "", "unknown command \"%s\": `picket help` lists them", name);
}

/* --- options that all commands share --- */

struct globals {
	struct cli cli;
	const char *control, *instance; /* by flag */
	bool help, version;
	char control_path[sizeof "/run/picket//control.sock" + INSTANCE_MAX];
};

/* --NAME VALUE or --NAME=VALUE. 1: it is this option, and *ret is set; 0: another; -1: its value is missing.
 */
static int take_value(int argc, char **argv, int *at, const char *name, const char **ret)
{
	size_t len = strlen(name);

	if (strncmp(argv[*at], name, len))
		return 0;
	if (argv[*at][len] == '=') {
		*ret = argv[*at] + len + 1;
		return 1;
	}
	if (argv[*at][len])
		return 0;
	if (*at + 1 >= argc)
		return -1;
	*ret = argv[++*at];
	return 1;
}

/* Takes them out of argv; what is behind "--" is left alone. 0 or EXIT_USAGE. */
static int globals_take(int *argc, char **argv, struct globals *g)
{
	int kept = 1, r;
	bool command_seen = false;

	for (int i = 1; i < *argc; i++) {
		const char *arg = argv[i];

		if (!strcmp(arg, "--")) {
			while (i < *argc)
				argv[kept++] = argv[i++];
			break;
		}
		if (!strcmp(arg, "--json")) {
			g->cli.json = true;
		} else if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
			g->help = true;
		} else if (!command_seen && (!strcmp(arg, "--version") || !strcmp(arg, "-V"))) {
			g->version = true;
		} else if ((r = take_value(*argc, argv, &i, "--control", &g->control)) ||
			   (r = take_value(*argc, argv, &i, "--instance", &g->instance))) {
			if (r < 0)
				return cli_fail(EXIT_USAGE, "", "%s needs a value", arg);
		} else if (!command_seen && arg[0] == '-') {
			return cli_fail(EXIT_USAGE, "", "unknown option \"%s\"; see picket help", arg);
		} else {
			command_seen = true;
			argv[kept++] = argv[i];
		}
	}
	argv[kept] = NULL;
	*argc = kept;
	return EXIT_DONE;
}

static bool instance_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

	return len && len <= INSTANCE_MAX && !name[len];
}

static const char *from_environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int globals_settle(struct globals *g)
{
	const char *instance = g->instance ? g->instance : from_environment("PICKET_INSTANCE");
	const char *control = g->control ? g->control : from_environment("PICKET_CONTROL");

	g->cli.instance_named = instance;
	g->cli.control_named = control;
	if (!instance)
		instance = "default";
	if (!instance_valid(instance))
		return cli_fail(EXIT_USAGE, "", "instance \"%s\": letters, digits, - and _ only, at most %d",
				instance, INSTANCE_MAX);
	if (!control) {
		snprintf(g->control_path, sizeof g->control_path, "/run/picket/%s/control.sock", instance);
		control = g->control_path;
	}
	g->cli.control = control;
	g->cli.instance = instance;
	g->cli.control_given = g->control;
	g->cli.instance_given = g->instance;
	g->cli.color = isatty(STDOUT_FILENO) && !from_environment("NO_COLOR");
	return EXIT_DONE;
}

int cli_main(int argc, char **argv)
{
	struct globals g = {0};
	int r = globals_take(&argc, argv, &g);

	if (!r)
		r = globals_settle(&g);
	if (r)
		return r;
	if (g.version) {
		puts("picket " PICKET_VERSION);
		return EXIT_DONE;
	}
	if (argc > 1 && !strcmp(argv[1], "--"))
		return cli_fail(EXIT_USAGE, "", "the command comes before --");
	if (argc < 2) {
		cli_help_all(g.help ? stdout : stderr);
		return g.help ? EXIT_DONE : EXIT_USAGE;
	}
	const struct cli_command *c = cli_command_find(cli_commands, argv[1]);

	if (!c)
		return cli_unknown(argv[1]);
	if (g.help)
		return cli_help_one(argc - 1, argv + 1);
	r = c->run(&g.cli, argc - 1, argv + 1);
	if (fflush(stdout) && !r)
		r = cli_fail(EXIT_NO, argv[1], "stdout cannot be written");
	return r;
}
