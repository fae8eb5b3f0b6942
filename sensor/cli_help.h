/* SPDX-License-Identifier: Apache-2.0 */
/* cli_help.h: how to use picket, for people and, with --json, for programs. */
#ifndef PICKET_CLI_HELP_H
#define PICKET_CLI_HELP_H

#include <stdio.h>

/* All commands. */
void cli_help_all(FILE *f);
/* The command, or the part of one, that these words name; words behind it do not matter. EXIT_*. */
int cli_help_one(int argc, char **argv);

#endif
