/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routes_state.h: keeps what is known of routes over restarts of the daemon (lib/state_file.h), in
 * DIRECTORY/routes.0 and routes.1.
 *
 * A thread of its own writes, every half minute if something changed, and at the end.
 */
#ifndef PICKET_ROUTES_STATE_H
#define PICKET_ROUTES_STATE_H

#include "policies/routes.h"

#define ROUTES_STATE_MAX (16u << 20) /* bytes of one file */

struct routes_state;

/* Opens the files, makes them (0600) where they are missing. 0 or -errno. */
int routes_state_open(const char *directory, struct routes_state **ret);
enum {
	ROUTES_STATE_E_NONE = 1,    /* nothing was kept yet */
	ROUTES_STATE_E_DAMAGED = 2, /* nothing that could be read: begun anew. The next save overwrites it */
};
/* The newer of the two that are whole. 0, ROUTES_STATE_E_*, -errno. */
int routes_state_load(struct routes_state *s, struct routes *r, uint64_t now_ns);
/* 0 or -errno. */
int routes_state_save(struct routes_state *s, struct routes *r);
/* Begin to save by itself; routes_state_free ends that with a last save. failed: told of the first error,
 * once. */
int routes_state_start(struct routes_state *s, struct routes *r, void (*failed)(int error));
void routes_state_free(struct routes_state *s);

#endif
