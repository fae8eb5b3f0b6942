/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slots.h: numbered places of what is remembered, and which of them changed since they were last asked for:
 * so that who keeps a copy elsewhere (sensor/memory.c) writes what changed, and never more rows than there
 * are places, however much comes and goes. Not thread safe.
 */
#ifndef PICKET_SLOTS_H
#define PICKET_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOTS_NONE UINT32_MAX

struct slots {
	void **owners; /* NULL: free */
	uint32_t *free;
	uint64_t *changed; /* a bit each */
	size_t max, free_count;
};

/* 0 or -ENOMEM. */
int slots_init(struct slots *s, size_t max);
void slots_deinit(struct slots *s);
/* A free place, which counts as changed; SLOTS_NONE: there is none. owner: not NULL. */
uint32_t slots_take(struct slots *s, void *owner);
void slots_leave(struct slots *s, uint32_t slot);
void slots_touch(struct slots *s, uint32_t slot);
/* All that are taken count as changed. */
void slots_touch_all(struct slots *s);
/* One that changed, which does not count as changed any more; *ret_owner NULL: it is free. False: none. */
bool slots_next(struct slots *s, uint32_t *ret_slot, void **ret_owner);

#endif
