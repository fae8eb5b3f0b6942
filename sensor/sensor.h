/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sensor.h: the unprivileged process. Everything that reads outside bytes happens in it. Threads: capture
 * (ring → stream → request → detect), judge (batch → gateway → verdict → guard → asks the warden), control
 * (API; libmicrohttpd's own), resolver (addresses of gateways, so that they stay protected), and those that
 * write what outlives a restart (routes, the audit log).
 */
#ifndef PICKET_SENSOR_H
#define PICKET_SENSOR_H

#include <sys/types.h>
#include "lib/config.h"
#include "sensor/kernel.h"

struct sensor_start {
	const struct config *config;
	const struct kernel
		*kernel; /* inherited: only the rings are read, only until capabilities are dropped */
	int warden_socket;
	int listen_socket; /* of the control API */
	int decide_socket; /* of the point at HTTP */
	pid_t parent;
	uid_t uid; /* whom to become */
	gid_t gid;
	const char *host; /* for the CloudEvents source */
	const char *why;  /* "start", "reload", "restart": for the audit log */
	uid_t reload_by;  /* who had the configuration read again; (uid_t)-1: nobody */
};

/*
 * Would the sensor start with this configuration: rule files, secrets, URLs? 0, CONFIG_E_INVALID with
 * messages in errors, or -errno. Asked before a start and before a reload, so that a fault ends neither a
 * running sensor nor turns into a loop of restarts.
 */
int sensor_check(const struct config *config, struct buffer *errors);

/* Runs in the forked child until the warden hangs up or SIGTERM; returns the exit status. */
int sensor_main(const struct sensor_start *start);

#endif
