/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_command.h: the operator's program that is run for each alert. The sensor may start no program (its
 * system call filter), so a process of its own does: forked from the sensor before anything secret is read,
 * with the sensor's user, no capability, no descriptor but one socket, and ended with the sensor. It starts
 * one program at a time and ends it with all that it started after ALERT_COMMAND_MS.
 */
#ifndef PICKET_ALERT_COMMAND_H
#define PICKET_ALERT_COMMAND_H

#include <sys/types.h>
#include "lib/config.h"
#include "lib/span.h"

#define ALERT_COMMAND_MS 10000

struct alert_command;

/* Forks: before there are threads. argv must outlive it. 0 or -errno. */
int alert_command_new(const struct config_strings *argv, uid_t uid, gid_t gid, struct alert_command **ret);
/* Any thread: what is run is ended, and alert_command_run with it. Accepts NULL, as the next. */
void alert_command_stop(struct alert_command *c);
/* Ends the process, and what it runs. */
void alert_command_free(struct alert_command *c);
/*
 * Runs the program with json as its standard input, and waits. 0: it ended with status 0; > 0: with that one;
 * -ETIMEDOUT: it was ended; another -errno: it could not be run.
 */
int alert_command_run(struct alert_command *c, struct span json);

#endif
