/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_table.h: the one table of commands, options and what may be said of them. `picket help`, the manual and
 * what completes words in shells are all made from it, so that none of them can know a command that the
 * others do not. Texts are running text: whoever prints them breaks the lines. `picket x` in them is a
 * command.
 */
#ifndef PICKET_CLI_TABLE_H
#define PICKET_CLI_TABLE_H

#include "lib/buffer.h"
#include "sensor/cli.h"

/* What a shell may offer for a value that is not one of a few words. */
enum cli_offer {
	OFFER_NONE,
	OFFER_FILES,
	OFFER_INTERFACES,
	OFFER_COMMANDS,
	OFFER_BLOCKED, /* these three are asked of the daemon: targets that are blocked */
	OFFER_PENDING, /* ids of what waits for a person */
	OFFER_PEERS,   /* addresses that look like proxies */
};

struct cli_option {
	char letter;       /* -f; 0: none */
	const char *name;  /* --follow, without the dashes; NULL: none */
	const char *value; /* as usage names it: "FILE", or "ports|host", one of these; NULL: it has none */
	const char
		*choices; /* "ipip|gre": the words of a value that usage names otherwise; told behind help */
	const char *help;
	enum cli_offer offer;
	bool required; /* else usage puts it in brackets */
	bool repeated;
};

struct cli_command {
	const char *name;      /* NULL ends a list */
	const char *arguments; /* without options: "TARGET", "[observe|approve|enforce]"; NULL: none */
	const char *summary;
	const char *notes; /* what else is good to know; NULL: nothing */
	const struct cli_option *options;
	const struct cli_command *parts; /* words that stand next: "trust" of proxies */
	enum cli_offer offer;            /* for its arguments */
	bool alone;                      /* has parts, and may be used without */
	int (*run)(const struct cli *cli, int argc, char **argv); /* argv[0]: its name. A part has none */
};

extern const struct cli_command cli_commands[]; /* as help lists them */
extern const struct cli_option cli_globals[];   /* of all commands */
extern const char cli_purpose[];                /* what picket is, in a line */

#define CLI_STATUSES 7
extern const char *const cli_statuses[CLI_STATUSES]; /* what each exit status means */

/* Lists of options end with one that has neither letter nor name; NULL is an empty list. */
bool cli_option_ends(const struct cli_option *o);

/* In a list of commands; NULL: none has the name. */
const struct cli_command *cli_command_find(const struct cli_command *list, const char *name);

/*
 * Calls see for c and for each of its parts, and theirs. before: the words in front of its name, "" or
 * "config"; path: with it, "config redact keys".
 */
#define CLI_PATH_MAX 64
void cli_walk(const struct cli_command *c, const char *before,
	      void (*see)(void *arg, const char *path, const struct cli_command *c), void *arg);
/* "picket block TARGET [--ttl TIME]"; nothing for a command that needs one of its parts. path: as cli_walk
 * says. */
void cli_usage(struct buffer *out, const char *path, const struct cli_command *c);
/* Those of c and of all its parts, a line each. */
void cli_usages(struct buffer *out, const char *before, const struct cli_command *c);
/* "-c, --config FILE" */
void cli_option_label(struct buffer *out, const struct cli_option *o);
/* Its help, with its choices. */
void cli_option_text(struct buffer *out, const struct cli_option *o);

/* The words that a value may be, as "ports|host"; "" if it may be others. For arguments, choices is NULL. */
const char *cli_choices(const char *value, const char *choices);
/* The next of them; *choices moves behind it. False: there is none. */
bool cli_choice_next(const char **choices, struct span *ret);

#endif
