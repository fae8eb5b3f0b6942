/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool_mark.h: how far the spool of a gateway can vouch for what was seen: all that was handed to the
 * gateway before a time is on the disk, delivered, or counted as dropped. After a crash nobody else knows
 * what may be missing.
 *
 * The file holds two marks of a sector each, written in turn: of a torn one the other is there.
 */
#ifndef PICKET_SPOOL_MARK_H
#define PICKET_SPOOL_MARK_H

#include <stdbool.h>
#include <stdint.h>

#define SPOOL_MARK_RUN_MAX 20

struct spool_mark {
	char run[SPOOL_MARK_RUN_MAX]; /* whose it is (event_run_id) */
	uint64_t seen_wall_ns;
	uint64_t sequence; /* of the marks in the file */
	bool clean;        /* the process ended in order: nothing is missing */
};

enum { SPOOL_MARK_E_NONE = 1 };

/* The newer of both. 0, SPOOL_MARK_E_NONE: there is none that is whole, -errno. */
int spool_mark_read(int fd, struct spool_mark *ret);
/* Raises sequence. Not synced: a crash of the process leaves it, and a power cut an older one. 0 or -errno.
 */
int spool_mark_write(int fd, struct spool_mark *m);

#endif
