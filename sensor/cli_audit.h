/* SPDX-License-Identifier: Apache-2.0 */
/* cli_audit.h: what the subcommands of `picket audit` share; nobody else includes it. They ask no daemon. */
#ifndef PICKET_CLI_AUDIT_H
#define PICKET_CLI_AUDIT_H

#include <limits.h>
#include <stdio.h>
#include "sensor/audit_files.h"
#include "sensor/cli.h"

/* The files of a log, in the order of their records. */
struct audit_log {
	char path[PATH_MAX]; /* as it was asked for */
	bool folder;         /* all files of a log, not one of them */
	unsigned count;
	FILE *files[AUDIT_FILES_MAX];
	char names[AUDIT_FILES_MAX][32];
};

/*
 * path: a folder or file; NULL: that of the configuration (config, NULL: the default one). EXIT_DONE, or an
 * exit status (told).
 */
int audit_log_open(const struct cli *cli, const char *command, const char *config, const char *path,
		   struct audit_log *ret);
void audit_log_close(struct audit_log *log);
/* The name of its file, as people know it. */
const char *audit_log_name(const struct audit_log *log, unsigned file);

/* argv[0] is the subcommand. */
int cli_audit_export(const struct cli *cli, int argc, char **argv);

#endif
