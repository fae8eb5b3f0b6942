/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h: the guard's memory of clients outlives a restart: who is served here regularly, on what
 * detections fired, who was blocked before, what would have been dropped, what a person rejected. A thread of
 * its own asks those who remember for what changed, MEMORY_WRITE_MS after it wrote last, and at a clean stop,
 * and writes it to memory_file.h. Nobody who decides waits for a disk, nor for more than a few records being
 * copied. A kill loses the last seconds of it.
 *
 * What comes back obeys the limits of now: what is over, or one too many, is left out. After anything could
 * not be written, all of it is written instead. Nothing here decides about a client by itself, so a file that
 * is damaged, or cannot be written, is told and costs nothing but what it held.
 *
 * All functions accept NULL: no memory.
 */
#ifndef PICKET_MEMORY_H
#define PICKET_MEMORY_H

#include "lib/config.h"
#include "sensor/enforcer.h"
#include "sensor/journal.h"
#include "sensor/memory_file.h"

#define MEMORY_WRITE_MS 5000

struct memory;

/* Who remembers; each outlives memory_free. NULL: nobody does. */
struct memory_parts {
	struct regulars *regulars;
	struct witness *witness;
	struct forecast *forecast;
	struct enforcer *enforcer; /* repeaters, and what was rejected */
	struct behaviour *behaviour;
	struct baseline *baseline;
	struct detect *detect; /* what its slow detections have counted */
};

struct memory_counts {
	enum journal_state state;
	int error;         /* -errno of what failed; 0: nothing */
	uint64_t written;  /* changes of the file */
	uint64_t rows;     /* ... and rows of it */
	uint64_t as_of_ns; /* boot clock: what was known then is on the disk; 0: nothing yet */
	char aside[96];    /* below state_dir: where what could not be read was put; "": nowhere */
	uint64_t restored[MEMORY_KINDS], ended[MEMORY_KINDS]; /* ended: or there was no room */
	uint64_t unreadable;
};

/* Opens the file, while the process may still do so. Only -ENOMEM fails: without it there is a memory that
 * says so. */
int memory_new(const struct config *config, const struct clock *clock, struct memory **ret);
/* Gives back what outlived the restart, before anything new is noted. 0 or -ENOMEM. */
int memory_load(struct memory *m, const struct memory_parts *parts);
/* Begin to write. 0 or -errno. */
int memory_start(struct memory *m);
/* Writes what changed. */
void memory_free(struct memory *m);
struct memory_counts memory_counts(struct memory *m);

#endif
