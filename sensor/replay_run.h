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

/* 0, REPLAY_E_*, or -errno; errors says what. */
int replay_run(const struct replay_run_options *options, struct replay_result *ret, struct buffer *errors);

#endif
