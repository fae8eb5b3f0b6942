/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_run.h: one run over capture files under one configuration: the parts of the sensor that packets feed
 * (capture, detection, guard), on the capture's clock, and what they decided. The guard is asked in a dry
 * run: nothing is blocked, and what would be protected on a live host is not known here.
 */
#ifndef PICKET_REPLAY_RUN_H
#define PICKET_REPLAY_RUN_H

#include "lib/config.h"
#include "lib/event.h"
#include "sensor/capture.h"
#include "sensor/replay.h"

struct replay_run;

struct replay_run_options {
	const struct config *config;
	const uint16_t *ports;
	unsigned port_count;
	char **files;
	unsigned file_count;
	void (*event)(void *arg, const struct event *e); /* each as it is made, decisions included */
	void *arg;
};

struct replay_result {
	struct replay_counts replay;
	struct capture_counts capture;
};

/*
 * Everything that needs rights: loads the program and opens the files. 0, REPLAY_E_*, -errno; errors says
 * what. options is borrowed until replay_run_free. Afterwards sandbox_replay may take all rights but CAP_BPF.
 */
int replay_run_new(const struct replay_run_options *options, struct replay_run **ret, struct buffer *errors);
/* Once. 0 or -errno; errors also says which file is cut short. *ret: what was read before a fault, too. */
int replay_run_go(struct replay_run *r, struct replay_result *ret, struct buffer *errors);
void replay_run_free(struct replay_run *r);

#endif
