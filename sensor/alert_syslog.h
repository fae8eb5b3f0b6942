/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_syslog.h: a line to this host's syslog (RFC 3164 as local loggers read it: priority, time, tag).
 * syslog(3) does not say whether anybody took a line; this does.
 */
#ifndef PICKET_ALERT_SYSLOG_H
#define PICKET_ALERT_SYSLOG_H

#include "lib/span.h"

#define ALERT_SYSLOG_PATH "/dev/log"

/* path: of the logger's socket. Never waits. 0 or -errno: -ENOENT, -ECONNREFUSED: there is no logger. */
int alert_syslog(const char *path, int priority, struct span line);

#endif
