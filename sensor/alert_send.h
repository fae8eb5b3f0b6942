/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_send.h: alerts on their way to people: a webhook, the host's syslog, a program. A thread of its own
 * asks for the next alert each ALERT_POLL_MS and waits for each outlet in turn, so that nobody else does. An
 * outlet that does not take an alert is asked again ALERT_TRIES times in all; then the alert is lost to it,
 * which is counted and logged.
 */
#ifndef PICKET_ALERT_SEND_H
#define PICKET_ALERT_SEND_H

#include <stdbool.h>
#include <sys/types.h>
#include "lib/clock.h"
#include "lib/config.h"
#include "policies/alerts.h"

#define ALERT_POLL_MS 500
#define ALERT_TRIES   3

enum alert_outlet { ALERT_WEBHOOK = 0, ALERT_SYSLOG, ALERT_COMMAND, ALERT_OUTLETS };
const char *alert_outlet_name(enum alert_outlet outlet); /* "webhook", "syslog", "command" */

struct alert_send_parts {
	const struct config *config;
	const struct clock *clock;
	const char *host;
	uid_t uid; /* the sensor's user, for the program */
	gid_t gid;
};

struct alert_outlet_counts {
	bool used;
	uint64_t sent, failed;
	char error[128]; /* why the last one failed; "": it did not */
};

struct alert_send;

/*
 * *ret: NULL where no outlet is configured. Before rights are given up, and before there are threads: reads
 * the token, starts the process that runs the program. 0 or -errno; CONFIG_E_INVALID: the token cannot be
 * used, *errors says why.
 */
int alert_send_new(const struct alert_send_parts *parts, struct buffer *errors, struct alert_send **ret);
/* Only the token: what `picket config check` looks at. 0 or CONFIG_E_INVALID. */
int alert_send_check(const struct config *config, struct buffer *errors);
int alert_send_start(struct alert_send *s); /* accepts NULL */
/* What was not sent is lost. Accepts NULL. */
void alert_send_free(struct alert_send *s);
/* Whom to tell of events. NULL: nobody is told. */
struct alerts *alert_send_alerts(struct alert_send *s);
void alert_send_counts(struct alert_send *s, struct alert_outlet_counts ret[static ALERT_OUTLETS]);

#endif
