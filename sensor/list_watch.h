/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list_watch.h: follows the files of block lists. The warden says what stands at their paths and opens them;
 * here they are read, by a thread of its own, so that no verdict waits for a long list.
 */
#ifndef PICKET_LIST_WATCH_H
#define PICKET_LIST_WATCH_H

#include "lib/config.h"
#include "sensor/enforcer.h"
#include "sensor/warden.h"

struct list_watch_parts {
	const struct config *config;
	const struct clock *clock;
	struct enforcer *enforcer;
	struct warden_client *warden;
	int stop_fd; /* readable: end */
};

struct list_watch;

/* Starts the thread. 0 or -errno. All parts outlive it. */
int list_watch_start(const struct list_watch_parts *parts, struct list_watch **ret);
/* Waits for the thread, whose stop_fd is readable. */
void list_watch_free(struct list_watch *w);

#endif
