// SPDX-License-Identifier: Apache-2.0
#include "sensor/cli_help.h"
#include <stdio.h>
#include <string.h>
#include "lib/json_write.h"
#include "lib/util.h"
#include "sensor/cli_print.h"
#include "sensor/cli_table.h"

#define USAGE     "picket [OPTIONS] COMMAND [ARGUMENTS]"
#define TEXT_MAX  16384
#define JSON_MAX  (256 * 1024)
#define LABEL_MAX 24 /* columns; what is longer has its text on the next line */

/* --- for people --- */

/* A label in its column, and its text wrapped beside it. */
static void print_pair(FILE *f, unsigned indent, unsigned width, const char *label, const char *text)
{
	fprintf(f, "%*s%-*s", (int)indent, "", (int)width, label);
	if (strlen(label) > width)
		fprintf(f, "\n%*s", (int)(indent + width), "");
	fputs("  ", f);
	print_wrapped(f, indent + width + 2, text);
}

static void print_option(FILE *f, unsigned indent, unsigned width, const struct cli_option *o)
{
	_cleanup_(buffer_free) struct buffer label = BUFFER_INIT(TEXT_MAX);
	_cleanup_(buffer_free) struct buffer text = BUFFER_INIT(TEXT_MAX);

	cli_option_label(&label, o);
	cli_option_text(&text, o);
	buffer_append_char(&label, 0);
	buffer_append_char(&text, 0);
	print_pair(f, indent, width, label.data ? label.data : "", text.data ? text.data : "");
}

static unsigned label_width(const struct cli_option *list)
{
	_cleanup_(buffer_free) struct buffer label = BUFFER_INIT(TEXT_MAX);
	size_t width = 0;

	for (const struct cli_option *o = list; !cli_option_ends(o); o++) {
		buffer_reset(&label);
		cli_option_label(&label, o);
		width = MAX(width, label.len);
	}
	return (unsigned)MIN(width, (size_t)LABEL_MAX);
}

static void print_options(FILE *f, unsigned indent, const struct cli_option *list)
{
	unsigned width = label_width(list);

	for (const struct cli_option *o = list; !cli_option_ends(o); o++)
		print_option(f, indent, width, o);
}

static unsigned name_width(const struct cli_command *list)
{
	size_t width = 0;

	for (const struct cli_command *c = list; c && c->name; c++)
		width = MAX(width, strlen(c->name));
	return (unsigned)width;
}

void cli_help_all(FILE *f)
{
	_cleanup_(buffer_free) struct buffer statuses = BUFFER_INIT(TEXT_MAX);
	unsigned width = name_width(cli_commands);

	fputs("picket: ", f);
	print_wrapped(f, strlen("picket: "), cli_purpose);
	fputs("\nusage: " USAGE "\n\n", f);
	for (const struct cli_command *c = cli_commands; c->name; c++)
		print_pair(f, 2, width, c->name, c->summary);
	fputs("\nOptions, before or after the command:\n", f);
	print_options(f, 2, cli_globals);
	for (unsigned i = 0; i < CLI_STATUSES; i++)
		buffer_printf(&statuses, "%s%u %s", i ? ", " : "", i, cli_statuses[i]);
	buffer_append_char(&statuses, 0);
	fputs("\nExit status: ", f);
	print_wrapped(f, strlen("Exit status: "), statuses.data ? statuses.data : "");
}

static void print_usage(const char *before, const struct cli_command *c)
{
	_cleanup_(buffer_free) struct buffer usage = BUFFER_INIT(TEXT_MAX);
	const char *begin = "usage: ";

	cli_usages(&usage, before, c);
	for (size_t at = 0; at < usage.len; begin = "       ") {
		const char *line = usage.data + at;
		size_t len = (size_t)((const char *)memchr(line, '\n', usage.len - at) - line);

		printf("%s%.*s\n", begin, (int)len, line);
		at += len + 1;
	}
}

static void widen(void *arg, const char *path, const struct cli_command *c)
{
	unsigned *width = arg;

	(void)c;
	*width = MAX(*width, (unsigned)strlen(path));
}

static void print_part(void *arg, const char *path, const struct cli_command *c)
{
	const unsigned *width = arg;

	print_pair(stdout, 2, *width, path, c->summary);
	print_options(stdout, 4, c->options);
}

static void print_parts(const struct cli_command *parts)
{
	unsigned width = 0;

	if (parts)
		putchar('\n');
	for (const struct cli_command *part = parts; part && part->name; part++)
		cli_walk(part, "", widen, &width);
	for (const struct cli_command *part = parts; part && part->name; part++)
		cli_walk(part, "", print_part, &width);
}

static void print_one(const char *before, const struct cli_command *c)
{
	print_usage(before, c);
	putchar('\n');
	print_wrapped(stdout, 0, c->summary);
	if (!cli_option_ends(c->options))
		putchar('\n');
	print_options(stdout, 2, c->options);
	print_parts(c->parts);
	if (!c->notes)
		return;
	putchar('\n');
	print_wrapped(stdout, 0, c->notes);
}

/* What the words name, and in before the words in front of its name. NULL: no command. */
static const struct cli_command *find(int argc, char **argv, char before[static CLI_PATH_MAX])
{
	const struct cli_command *c = cli_command_find(cli_commands, argv[0]), *part;

	before[0] = 0;
	for (int i = 1; c && i < argc && (part = cli_command_find(c->parts, argv[i])); i++) {
		size_t len = strlen(before);

		snprintf(before + len, CLI_PATH_MAX - len, "%s%s", len ? " " : "", c->name);
		c = part;
	}
	return c;
}

int cli_help_one(int argc, char **argv)
{
	char before[CLI_PATH_MAX];
	const struct cli_command *c = find(argc, argv, before);

	if (!c)
		return cli_unknown(argv[0]);
	print_one(before, c);
	return EXIT_DONE;
}

/* --- for programs: an object for each command, and for each of its parts --- */

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_text(w, text);
}

static void put_choices(struct json_writer *w, const char *choices)
{
	struct span word;

	if (!*choices)
		return;
	json_key(w, "choices");
	json_array_begin(w);
	while (cli_choice_next(&choices, &word))
		json_string(w, word);
	json_array_end(w);
}

static void put_option(struct json_writer *w, const struct cli_option *o)
{
	const char letter[] = {o->letter, 0};

	json_object_begin(w);
	if (o->letter)
		put_text(w, "letter", letter);
	if (o->name)
		put_text(w, "name", o->name);
	if (o->value)
		put_text(w, "value", o->value);
	put_choices(w, cli_choices(o->value, o->choices));
	put_text(w, "help", o->help);
	json_object_end(w);
}

static void put_options(struct json_writer *w, const struct cli_option *list)
{
	json_key(w, "options");
	json_array_begin(w);
	for (const struct cli_option *o = list; !cli_option_ends(o); o++)
		put_option(w, o);
	json_array_end(w);
}

static void put_command(struct json_writer *w, const char *name, struct span usage,
			const struct cli_command *c)
{
	json_object_begin(w);
	put_text(w, "command", name);
	json_key(w, "usage");
	json_string(w, usage);
	put_text(w, "summary", c->summary);
	if (c->notes)
		put_text(w, "notes", c->notes);
	put_options(w, c->options);
	json_object_end(w);
	buffer_append_char(w->out, '\n');
	w->comma = false;
}

static void put_usable(void *arg, const char *path, const struct cli_command *c)
{
	_cleanup_(buffer_free) struct buffer usage = BUFFER_INIT(TEXT_MAX);

	cli_usage(&usage, path, c);
	if (usage.len)
		put_command(arg, path, buffer_span(&usage), c);
}

static void print_buffer(const struct buffer *b)
{
	if (b->len)
		fwrite(b->data, 1, b->len, stdout);
}

static void put_all(struct json_writer *w)
{
	static const struct cli_command picket = {.summary = cli_purpose, .options = cli_globals};

	put_command(w, "", SPAN(USAGE), &picket);
	for (const struct cli_command *c = cli_commands; c->name; c++)
		cli_walk(c, "", put_usable, w);
}

/* Of what these words name; of all commands, where there are none. */
static int print_json(int argc, char **argv)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(JSON_MAX);
	struct json_writer w = JSON_WRITER(&out);
	char before[CLI_PATH_MAX];
	const struct cli_command *c = argc ? find(argc, argv, before) : NULL;

	if (argc && !c)
		return cli_unknown(argv[0]);
	if (c)
		cli_walk(c, before, put_usable, &w);
	else
		put_all(&w);
	print_buffer(&out);
	return EXIT_DONE;
}

int cli_help(const struct cli *cli, int argc, char **argv)
{
	if (cli->json)
		return print_json(argc - 1, argv + 1);
	if (argc > 1)
		return cli_help_one(argc - 1, argv + 1);
	cli_help_all(stdout);
	return EXIT_DONE;
}
