/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h: the commands of picket. Each command is one function in a cli_*.c; cli.c finds it in the table
 * (cli_table.h). Exit status (design): 0 done, 1 the answer is no or a check failed, 2 usage or
 * configuration, 3 not permitted, 4 refused by the guard, 5 daemon or gateway not reachable, 6 the kernel
 * lacks what is needed.
 */
#ifndef PICKET_CLI_H
#define PICKET_CLI_H

#include <stdbool.h>

enum {
	EXIT_DONE = 0,
	EXIT_NO = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_PERMITTED = 3,
	EXIT_REFUSED = 4,
	EXIT_UNREACHABLE = 5,
	EXIT_KERNEL = 6,
};

/* Options every command takes, before or after its name; removed from argv before the command sees it. */
struct cli {
	const char *control;  /* socket path: --control, PICKET_CONTROL, or the instance's */
	const char *instance; /* --instance, PICKET_INSTANCE, or "default"; letters, digits, - and _ */
	bool control_given;   /* by --control: `run` makes a configuration flag of it */
	bool instance_given;  /* by --instance: likewise */
	bool control_named;   /* by --control or PICKET_CONTROL */
	bool instance_named;  /* by --instance or PICKET_INSTANCE */
	bool json;            /* --json */
	bool color;           /* stdout is a terminal and NO_COLOR is not set */
};

/*
 * The whole command line: finds the command, runs it, returns the exit status. main calls it and nothing
 * else. Tests call it too: it touches no state but getopt's and the standard streams.
 */
int cli_main(int argc, char **argv);

/* The commands (cli_table.h); argv[0] is the name. */
/* cli_run.c */ int cli_run(const struct cli *cli, int argc, char **argv);
/* cli_doctor.c */ int cli_doctor(const struct cli *cli, int argc, char **argv);
/* cli_demo.c */ int cli_demo(const struct cli *cli, int argc, char **argv);
/* cli_status.c */ int cli_status(const struct cli *cli, int argc, char **argv);
/* cli_top.c */ int cli_top(const struct cli *cli, int argc, char **argv);
/* cli_events.c */
int cli_events(const struct cli *cli, int argc, char **argv);
int cli_requests(const struct cli *cli, int argc, char **argv);
int cli_packets(const struct cli *cli, int argc, char **argv);
/* cli_replay.c */ int cli_replay(const struct cli *cli, int argc, char **argv);
/* cli_blocks.c */
int cli_blocks(const struct cli *cli, int argc, char **argv);
int cli_block(const struct cli *cli, int argc, char **argv);
int cli_unblock(const struct cli *cli, int argc, char **argv);
/* cli_export.c */ int cli_export(const struct cli *cli, int argc, char **argv);
/* cli_import.c */ int cli_import(const struct cli *cli, int argc, char **argv);
/* cli_lists.c */
int cli_lists(const struct cli *cli, int argc, char **argv);
/* One line for each list that is in force, and how many these are. 0 or an EXIT_*. */
int cli_lists_summary(const struct cli *cli, const char *command, unsigned *ret);
/* cli_why.c */ int cli_why(const struct cli *cli, int argc, char **argv);
/* cli_pending.c */
int cli_pending(const struct cli *cli, int argc, char **argv);
int cli_approve(const struct cli *cli, int argc, char **argv);
int cli_reject(const struct cli *cli, int argc, char **argv);
/* cli_kill.c */
int cli_panic(const struct cli *cli, int argc, char **argv);
int cli_resume(const struct cli *cli, int argc, char **argv);
/* cli_detach.c */ int cli_detach(const struct cli *cli, int argc, char **argv);
/* cli_settings.c */
int cli_mode(const struct cli *cli, int argc, char **argv);
int cli_proxies(const struct cli *cli, int argc, char **argv);
/* cli_gateway.c */ int cli_gateway(const struct cli *cli, int argc, char **argv);
/* cli_gateway_test.c; argv[1] is "test" */ int cli_gateway_test(const struct cli *cli, int argc,
								 char **argv);
/* cli_metrics.c */ int cli_metrics(const struct cli *cli, int argc, char **argv);
/* cli_forecast.c */ int cli_forecast(const struct cli *cli, int argc, char **argv);
/* cli_baseline.c */ int cli_baseline(const struct cli *cli, int argc, char **argv);
/* cli_clients.c */ int cli_clients(const struct cli *cli, int argc, char **argv);
/* cli_routes.c */ int cli_routes(const struct cli *cli, int argc, char **argv);
/* cli_audit.c */ int cli_audit(const struct cli *cli, int argc, char **argv);
/* cli_config.c */ int cli_config(const struct cli *cli, int argc, char **argv);
/* cli_completion.c */ int cli_completion(const struct cli *cli, int argc, char **argv);
/* cli_manual.c */ int cli_manual(const struct cli *cli, int argc, char **argv);
/* cli_help.c */ int cli_help(const struct cli *cli, int argc, char **argv);
/* cli_redact.c; argv[0] is "redact" */ int cli_config_redact(const struct cli *cli, int argc, char **argv);

/* Message on stderr: "picket COMMAND: text", outside bytes escaped (lines are kept). Returns code. */
int cli_fail(int code, const char *command, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Usage errors, EXIT_USAGE. c: what getopt_long gave, ':' or '?' (with opterr = 0 and optstring ":..."). */
int cli_bad_option(char **argv, int c);
int cli_unexpected(char **argv, const char *argument);
/* Of a command that is none: names the nearest. EXIT_USAGE. */
int cli_unknown(const char *name);
/* For commands without options: usage error if there are more than max arguments or fewer than min. 0 or
 * EXIT_USAGE. */
int cli_arguments(int argc, char **argv, int min, int max);

#endif
