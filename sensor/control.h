/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h: the sensor's resources of the control API (docs/openapi.yaml): status, events, blocks, why, mode, pending,
 * proxies, gateways, config. One file per resource group, control_*.c; each registers its routes.
 */
#ifndef PICKET_CONTROL_H
#define PICKET_CONTROL_H

#include "forwarder/forwarder.h"
#include "lib/api.h"
#include "lib/queue.h"
#include "policies/detect.h"
#include "sensor/capture.h"
#include "sensor/enforcer.h"
#include "sensor/reader.h"
#include "sensor/tail.h"

/* Everything the resources ask; all members outlive the api. */
struct control_parts {
	const struct config *config;
	const struct clock *clock;
	struct tail *tail;
	struct enforcer *enforcer;
	struct warden_client *warden;
	struct proxies *proxies;
	struct forwarder *forwarder;
	struct detect *detect;
	const struct capture *capture;
	const struct reader *reader;
	struct queue_counts (*event_queue)(void *arg); /* capture → judge */
	void *arg;
	uint64_t started_ns;
	const char *run_id;
};

int control_register(struct api *api, const struct control_parts *parts);
int control_register_status(struct api *api, const struct control_parts *parts);
int control_register_events(struct api *api, const struct control_parts *parts);
int control_register_blocks(struct api *api, const struct control_parts *parts);
int control_register_settings(struct api *api, const struct control_parts *parts); /* mode, proxies, config, gateways */

#endif
