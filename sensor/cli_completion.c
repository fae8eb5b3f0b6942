// SPDX-License-Identifier: Apache-2.0
/*
 * picket completion: what shells complete commands, options and their values by. Each shell has a file of its
 * own (sensor/completion) that knows how to ask; this prints the tables for it in front, in the words of that
 * shell.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "lib/util.h"
#include "policies/shipped.h"
#include "sensor/cli_call.h"
#include "sensor/cli_table.h"

#define OUTPUT_MAX   (256 * 1024)
#define TEXT_MAX     16384
#define LIVE_SECONDS 2 /* nobody waits longer behind a TAB */

/* How a shell writes a table from keys to words; texts say what a word means, where the shell shows that. */
struct shell {
	const char *name, *file;
	const char *first; /* line, where it has to be something */
	const char *table_begin, *table_name_end, *table_end;
	const char *key_begin, *key_name_end, *key_end;
	const char *word_begin, *word_end;
	const char *text_begin; /* NULL: no texts */
	const char *quote;      /* ' inside of '...' */
};

static const struct shell shells[] = {
	{
		.name = "bash",
		.file = "picket.bash",
		.first = "",
		.table_begin = "declare -gA _picket_",
		.table_name_end = "=(\n",
		.table_end = ")\n",
		.key_begin = "\t['",
		.key_name_end = "']='",
		.key_end = "'\n",
		.word_begin = "",
		.word_end = " ",
	},
	{
		.name = "zsh",
		.file = "picket.zsh",
		.first = "#compdef picket\n",
		.table_begin = "typeset -gA _picket_",
		.table_name_end = "=(\n",
		.table_end = ")\n",
		.key_begin = "\t'",
		.key_name_end = "' '",
		.key_end = "'\n",
		.word_begin = "",
		.word_end = "\n",
		.text_begin = ":",
		.quote = "'\\''",
	},
	{
		.name = "fish",
		.file = "picket.fish",
		.first = "",
		.table_begin = "function __picket_",
		.table_name_end = "\n\tswitch $argv[1]\n",
		.table_end = "\tend\n\treturn 1\nend\n",
		.key_begin = "\tcase '",
		.key_name_end = "'\n",
		.key_end = "\t\treturn 0\n",
		.word_begin = "\t\tprintf '%s\\t%s\\n' '",
		.word_end = "'\n",
		.text_begin = "' '",
		.quote = "\\'",
	},
};

struct printer {
	const struct shell *shell;
	struct buffer out;
};

/* --- in the words of a shell --- */

static void put_text(struct printer *p, const char *text)
{
	buffer_append_text(&p->out, p->shell->text_begin);
	for (; *text; text++) {
		if (*text == '\'')
			buffer_append_text(&p->out, p->shell->quote);
		else
			buffer_append_char(&p->out, *text);
	}
}

static void put_word(struct printer *p, struct span word, const char *text)
{
	buffer_append_text(&p->out, p->shell->word_begin);
	buffer_append(&p->out, word.ptr, word.len);
	if (p->shell->text_begin)
		put_text(p, text);
	buffer_append_text(&p->out, p->shell->word_end);
}

static void key_begin(struct printer *p, const char *path, const char *option)
{
	buffer_printf(&p->out, "%spicket%s%s%s%s%s", p->shell->key_begin, *path ? " " : "", path,
		      *option ? " " : "", option, p->shell->key_name_end);
}

static void key_end(struct printer *p)
{
	buffer_append_text(&p->out, p->shell->key_end);
}

static void table_begin(struct printer *p, const char *name)
{
	buffer_printf(&p->out, "%s%s%s", p->shell->table_begin, name, p->shell->table_name_end);
}

static void table_end(struct printer *p)
{
	buffer_append_text(&p->out, p->shell->table_end);
}

/* --- the two tables --- */

/* The names of an option, "-f" and "--follow", one after the other; empty ones are left out. */
static void each_name(const struct cli_option *o,
		      void (*see)(struct printer *p, const char *name, const void *arg), struct printer *p,
		      const void *arg)
{
	_cleanup_(buffer_free) struct buffer name = BUFFER_INIT(TEXT_MAX);
	const char letter[] = {'-', o->letter, 0};

	if (o->letter)
		see(p, letter, arg);
	if (!o->name || buffer_printf(&name, "--%s", o->name))
		return;
	buffer_append_char(&name, 0);
	see(p, name.data, arg);
}

static void put_name(struct printer *p, const char *name, const void *text)
{
	put_word(p, span_from(name), text);
}

static void put_options(void *arg, const char *path, const struct cli_command *c)
{
	struct printer *p = arg;

	if (cli_option_ends(c->options))
		return;
	key_begin(p, path, "");
	for (const struct cli_option *o = c->options; !cli_option_ends(o); o++) {
		_cleanup_(buffer_free) struct buffer text = BUFFER_INIT(TEXT_MAX);

		cli_option_text(&text, o);
		buffer_append_char(&text, 0);
		each_name(o, put_name, p, text.data ? text.data : "");
	}
	key_end(p);
}

static void put_offer(struct printer *p, const char *choices, enum cli_offer offer)
{
	static const char *const offers[] = {
		[OFFER_NONE] = NULL,
		[OFFER_FILES] = "@files",
		[OFFER_INTERFACES] = "@interfaces",
		[OFFER_COMMANDS] = "@commands",
		[OFFER_BLOCKED] = "@blocked",
		[OFFER_PENDING] = "@pending",
		[OFFER_PEERS] = "@peers",
	};
	struct span word;

	while (cli_choice_next(&choices, &word))
		put_word(p, word, "");
	if (offers[offer])
		put_word(p, span_from(offers[offer]), "");
}

struct place {
	const char *path;
	const struct cli_option *option;
};

static void put_value(struct printer *p, const char *name, const void *arg)
{
	const struct place *at = arg;

	key_begin(p, at->path, name);
	put_offer(p, cli_choices(at->option->value, at->option->choices), at->option->offer);
	key_end(p);
}

static void put_values(void *arg, const char *path, const struct cli_command *c)
{
	struct printer *p = arg;

	key_begin(p, path, "");
	for (const struct cli_command *part = c->parts; part && part->name; part++)
		put_word(p, span_from(part->name), part->summary);
	put_offer(p, cli_choices(c->arguments, NULL), c->offer);
	key_end(p);
	for (const struct cli_option *o = c->options; !cli_option_ends(o); o++)
		if (o->value)
			each_name(o, put_value, p, &(struct place){path, o});
}

static void put_table(struct printer *p, const char *name,
		      void (*see)(void *arg, const char *path, const struct cli_command *c))
{
	static const struct cli_command picket = {.parts = cli_commands, .options = cli_globals};

	table_begin(p, name);
	see(p, "", &picket);
	for (const struct cli_command *c = cli_commands; c->name; c++)
		cli_walk(c, "", see, p);
	table_end(p);
}

static int print_shell(const struct shell *shell)
{
	struct printer p = {.shell = shell, .out = BUFFER_INIT(OUTPUT_MAX)};
	const struct shipped_file *file = shipped_completion;

	buffer_append_text(&p.out, shell->first);
	put_table(&p, "options", put_options);
	put_table(&p, "values", put_values);
	while (strcmp(file->name, shell->file))
		file++;
	buffer_append(&p.out, file->bytes, file->len);
	int r = p.out.truncated ? cli_no_memory("completion") : EXIT_DONE;

	if (!r)
		fwrite(p.out.data, 1, p.out.len, stdout);
	buffer_free(&p.out);
	return r;
}

/* --- what the daemon knows --- */

struct live {
	const char *name, *path, *list, *member;
};

static const struct live lives[] = {
	{"blocked", "/v1/blocks?limit=1000", "blocks", "target"},
	{"pending", "/v1/pending", "pending", "pending_id"},
	{"peers", "/v1/proxies", "peers", "address"},
};

static void print_live(const cJSON *list, const char *member)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		const cJSON *value = cli_at(item, member);

		if (cJSON_IsString(value))
			puts(value->valuestring);
		else
			printf("%" PRIu64 "\n", cli_uint(item, member));
	}
}

static void on_alarm(int signal)
{
	(void)signal;
	_exit(EXIT_UNREACHABLE);
}

/* Says nothing when it cannot be known: the line that is being typed must stay as it is. */
static int live(const struct cli *cli, const struct live *what)
{
	cJSON *root = NULL;

	signal(SIGALRM, on_alarm);
	alarm(LIVE_SECONDS);
	int r = cli_ask_quietly(cli, what->path, &root);

	if (!r)
		print_live(cli_at(root, what->list), what->member);
	cJSON_Delete(root);
	alarm(0);
	return r;
}

int cli_completion(const struct cli *cli, int argc, char **argv)
{
	int r = cli_arguments(argc, argv, 1, 2);

	if (r)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (!strcmp(argv[1], shells[i].name))
			return argc > 2 ? cli_unexpected(argv, argv[2]) : print_shell(&shells[i]);
	if (strcmp(argv[1], "live"))
		return cli_fail(EXIT_USAGE, argv[0], "\"%s\": say bash, zsh or fish", argv[1]);
	for (size_t i = 0; argc > 2 && i < ARRAY_SIZE(lives); i++)
		if (!strcmp(argv[2], lives[i].name))
			return live(cli, &lives[i]);
	return cli_fail(EXIT_USAGE, argv[0], "say of what: blocked, pending or peers");
}
