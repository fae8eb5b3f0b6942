/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowdsec_machine.h: tells a CrowdSec LAPI of the blocks that were decided here, so that its bouncers
 * enforce them where picket cannot. A thread of its own logs in, says each minute that it lives, and sends
 * what waits.
 *
 * An alert is sent until it was taken, or its ban is over. LAPI knows no key by which to take one once: where
 * an answer was lost, the alert is there twice, with the same picket_decision in its event; the bans are
 * equal. What waits when the process ends is not sent any more.
 */
#ifndef PICKET_CROWDSEC_MACHINE_H
#define PICKET_CROWDSEC_MACHINE_H

#include "forwarder/lapi.h"
#include "lib/event.h"
#include "sensor/crowdsec_bouncer.h"

#define CROWDSEC_ALERTS_MAX 4096 /* that wait; what is beyond is counted */
#define CROWDSEC_TOLD_MAX   4096 /* targets that are remembered, so that one ban is told once */

struct crowdsec_machine_parts {
	const struct config_gateway *config;
	const struct clock *clock;
	struct lapi *lapi;                /* for its thread alone */
	struct crowdsec_bouncer *bouncer; /* told what is ours; NULL: none */
	struct span password;
	int stop_fd; /* readable: end */
};

struct crowdsec_machine_counts {
	uint64_t bans, records; /* alerts that were taken */
	uint64_t deleted;       /* decisions that were taken back */
	uint64_t repeated;      /* not sent, since it was told before */
	uint64_t late;          /* ... since its time was over */
	uint64_t dropped;       /* ... since too many waited */
	uint64_t cannot;        /* ... since LAPI knows no such target */
	uint64_t refused;       /* ... since LAPI will not have it */
	uint64_t undeleted;     /* decisions that were not found to be deleted: they end by themselves */
	uint64_t waiting;
	uint64_t logins, heartbeats, failures;
	uint64_t connections;
	unsigned status;
	char error[LAPI_ERROR_MAX]; /* "": the last call was good */
};

struct crowdsec_machine;

int crowdsec_machine_new(const struct crowdsec_machine_parts *parts, struct crowdsec_machine **ret);
int crowdsec_machine_start(struct crowdsec_machine *m);
/* Waits for its thread, whose stop_fd is readable and whose LAPI was stopped. Accepts NULL, as the next. */
void crowdsec_machine_join(struct crowdsec_machine *m);
void crowdsec_machine_free(struct crowdsec_machine *m);

/* From any thread, as the next: takes a reference if there is something to be told of it. */
void crowdsec_machine_note(struct crowdsec_machine *m, struct event *e);
struct crowdsec_machine_counts crowdsec_machine_counts(struct crowdsec_machine *m);

#endif
