// SPDX-License-Identifier: Apache-2.0
/* picket manual: picket(1) from the table of commands, picket.yaml(5) from the table of keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/config.h"
#include "lib/roff.h"
#include "lib/util.h"
#include "sensor/cli_table.h"

#define PAGE_MAX (1024 * 1024)
#define TEXT_MAX 16384

/* The day of SOURCE_DATE_EPOCH, so that a build can be repeated byte by byte; else today. */
static const char *page_date(char ret[static 32])
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	time_t t = epoch && *epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(ret, 32, "%Y-%m-%d", &tm);
	return ret;
}

static void put_title(struct buffer *out, const char *name, const char *section)
{
	char date[32];

	buffer_append_text(out, ".\\\" Made by `picket manual`.\n");
	buffer_printf(out, ".TH %s %s %s \"picket %s\"\n", name, section, page_date(date), PICKET_VERSION);
}

/* --- picket(1) --- */

static void put_label(struct buffer *out, const struct cli_option *o)
{
	char letter[] = {'-', o->letter};

	if (o->letter)
		roff_bold(out, (struct span){letter, sizeof letter});
	if (o->letter && o->name)
		buffer_append_text(out, ", ");
	if (o->name) {
		_cleanup_(buffer_free) struct buffer name = BUFFER_INIT(TEXT_MAX);

		buffer_printf(&name, "--%s", o->name);
		roff_bold(out, buffer_span(&name));
	}
	if (!o->value)
		return;
	buffer_append_char(out, ' ');
	roff_italic(out, span_from(o->value));
}

static void put_options(struct buffer *out, const struct cli_option *list)
{
	for (const struct cli_option *o = list; !cli_option_ends(o); o++) {
		_cleanup_(buffer_free) struct buffer text = BUFFER_INIT(TEXT_MAX);

		cli_option_text(&text, o);
		buffer_append_char(&text, 0);
		buffer_append_text(out, ".TP\n");
		put_label(out, o);
		buffer_append_char(out, '\n');
		roff_text(out, text.data ? text.data : "");
	}
}

static void put_command(void *arg, const char *path, const struct cli_command *c)
{
	_cleanup_(buffer_free) struct buffer usage = BUFFER_INIT(TEXT_MAX);
	struct buffer *out = arg;

	roff_subsection(out, path);
	cli_usage(&usage, path, c);
	if (usage.len) {
		roff_bold(out, buffer_span(&usage));
		buffer_append_text(out, "\n.PP\n");
	}
	roff_text(out, c->summary);
	put_options(out, c->options);
	if (!c->notes)
		return;
	buffer_append_text(out, ".PP\n");
	roff_text(out, c->notes);
}

static void put_statuses(struct buffer *out)
{
	roff_section(out, "EXIT STATUS");
	for (unsigned i = 0; i < CLI_STATUSES; i++) {
		buffer_printf(out, ".TP\n%u\n", i);
		roff_text(out, cli_statuses[i]);
	}
}

struct pair {
	const char *label, *text;
};

static void put_pairs(struct buffer *out, const char *section, const struct pair *pairs, size_t count)
{
	roff_section(out, section);
	for (size_t i = 0; i < count; i++) {
		buffer_append_text(out, ".TP\n");
		roff_bold(out, span_from(pairs[i].label));
		buffer_append_char(out, '\n');
		roff_text(out, pairs[i].text);
	}
}

static void page_commands(struct buffer *out)
{
	static const struct pair environment[] = {
		{"PICKET_CONTROL", "as `--control`"},
		{"PICKET_INSTANCE", "as `--instance`"},
		{"NO_COLOR", "no colors, also on a terminal"},
	};
	static const struct pair files[] = {
		{"/etc/picket/picket.yaml", "the configuration, picket.yaml(5)"},
		{"/run/picket/INSTANCE/control.sock", "the control socket, root:picket 0660"},
	};

	put_title(out, "PICKET", "1");
	roff_section(out, "NAME");
	buffer_printf(out, "picket \\- %.*s\n", (int)strcspn(cli_purpose, "."), cli_purpose);
	roff_section(out, "SYNOPSIS");
	roff_text(out, "`picket` [OPTIONS] COMMAND [ARGUMENTS]");
	roff_section(out, "DESCRIPTION");
	buffer_append_text(out, "picket is\n");
	roff_text(out, cli_purpose);
	roff_section(out, "OPTIONS");
	roff_text(out, "Before or after the command; `--` ends them.");
	put_options(out, cli_globals);
	roff_section(out, "COMMANDS");
	for (const struct cli_command *c = cli_commands; c->name; c++)
		cli_walk(c, "", put_command, out);
	put_statuses(out);
	put_pairs(out, "ENVIRONMENT", environment, ARRAY_SIZE(environment));
	put_pairs(out, "FILES", files, ARRAY_SIZE(files));
	roff_section(out, "SEE ALSO");
	buffer_append_text(out, ".BR picket.yaml (5)\n");
}

/* --- picket.yaml(5) --- */

static int page_configuration(struct buffer *out)
{
	put_title(out, "PICKET.YAML", "5");
	roff_section(out, "NAME");
	buffer_append_text(out, "picket.yaml \\- configuration of picket\n");
	roff_section(out, "SYNOPSIS");
	roff_text(out, "/etc/picket/picket.yaml");
	roff_section(out, "DESCRIPTION");
	roff_text(
		out,
		"YAML; a key like `log.level` is `level` in the section `log`. Without the file the defaults "
		"hold. Later sources win: defaults, picket.yaml, conf.d/*.yaml beside it in the order of "
		"their names, the environment, options of `picket run`. Lists are replaced, not joined. An "
		"unknown key, a wrong type or a value out of range is refused.");
	buffer_append_text(out, ".PP\n");
	roff_text(out, "`picket config check` says what is wrong, `picket config show --origin` what is in "
		       "effect and "
		       "where it comes from. Sizes are written as 64KiB, 16MiB or 1GiB, times as 90s, 15m or "
		       "1h30m.");
	int r = config_manual(out);
	roff_section(out, "SEE ALSO");
	buffer_append_text(out, ".BR picket (1)\n");
	return r;
}

int cli_manual(const struct cli *cli, int argc, char **argv)
{
	_cleanup_(buffer_free) struct buffer out = BUFFER_INIT(PAGE_MAX);
	int r = cli_arguments(argc, argv, 1, 1);

	(void)cli;
	if (r)
		return r;
	if (!strcmp(argv[1], "picket"))
		page_commands(&out);
	else if (!strcmp(argv[1], "picket.yaml"))
		r = page_configuration(&out);
	else
		return cli_fail(EXIT_USAGE, argv[0], "no page \"%s\": picket or picket.yaml", argv[1]);
	if (r || out.truncated)
		return cli_fail(EXIT_NO, argv[0], "memory is out");
	fwrite(out.data, 1, out.len, stdout);
	return EXIT_DONE;
}
