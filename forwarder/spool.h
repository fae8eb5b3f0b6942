/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool.h: batches of one gateway on the disk, so that neither a crash nor an outage loses them. A fixed
 * number of files (spool_segment.h) that are filled one after the other and emptied when all in them is done
 * with, large ones step by step; together they hold bytes_max at most. When that is full, either the oldest
 * file's batches are dropped, all at once, or the new one is not taken; both are counted. When the disk is
 * full, nothing on it is dropped for that: space would go to whoever filled it.
 *
 * A batch that was written is LIVE as long as its owner keeps it in memory and sends it from there, then
 * WAITING. spool_next gives the waiting ones back, oldest first. Not thread safe: spooler.h.
 */
#ifndef PICKET_SPOOL_H
#define PICKET_SPOOL_H

#include "forwarder/spool_segment.h"
#include "lib/config.h"

#define SPOOL_SEGMENTS 16

struct spool_counts {
	uint64_t bytes;   /* of all files */
	uint64_t waiting; /* events that are here alone, now */
	uint64_t waiting_batches;
	uint64_t oldest_wall_s;     /* when the oldest of them was written; 0 = none waits */
	uint64_t recovered;         /* events that were found at the start */
	uint64_t dropped;           /* events of files that were dropped, as the spool was full */
	uint64_t unread;            /* events of records that could not be read back */
	uint64_t refused;           /* batches not taken, as the spool was full (SPOOL_FULL_DROP_NEWEST) */
	struct spool_damage damage; /* found at the start */
};

struct spool {
	struct spool_segment segments[SPOOL_SEGMENTS];
	struct spool_segment *current; /* NULL: the next batch begins one */
	uint64_t segment_max;          /* bytes of a file */
	uint64_t generation;           /* the newest */
	enum config_spool_full full;
	bool dirty;   /* something was written since the last sync */
	int unsynced; /* -errno: of a file that is not the current one any more */
	struct spool_counts counts;
};

enum { SPOOL_E_REFUSED = 4, SPOOL_E_NONE = 5 };

/* fds: SPOOL_SEGMENTS open files, taken over. bytes_max: at least SPOOL_SEGMENTS times SPOOL_SEGMENT_MIN. */
#define SPOOL_SEGMENT_MIN (512u * 1024)
/* The file in use is emptied when all in it is done with and it is larger than this, or half full. */
#define SPOOL_TRIM_AT (4u << 20)
void spool_init(struct spool *s, const int fds[static SPOOL_SEGMENTS], uint64_t bytes_max,
		enum config_spool_full full);
/* Reads what an earlier process left; it waits. 0 or -errno: some of it could not be read, and stays. */
int spool_recover(struct spool *s);
/*
 * Writes a batch; it is LIVE, and safe after spool_sync. 0, SPOOL_E_REFUSED (full), -errno: it is not here.
 */
int spool_append(struct spool *s, const struct batch *b, uint64_t wall_ns, struct spool_place *ret);
int spool_sync(struct spool *s); /* 0 or -errno: nothing since the last one is safe, and the file is left */
/* Its owner has it no longer: it waits. If its file was dropped meanwhile, so are its events, and counted. */
void spool_wait(struct spool *s, struct spool_place place, uint32_t events);
/* The oldest that waits, read back and LIVE again; its owner acks it, or has it wait. 0, SPOOL_E_NONE,
 * -errno. */
int spool_next(struct spool *s, struct spool_place *ret_place, struct batch **ret);
/* It is done with. 0 or -errno: after a crash it may come back. */
int spool_ack(struct spool *s, struct spool_place place);
/* Gives back some of the space of files that are done with; to be called between other things until it
 * returns 0. 1: there is more; -errno. */
#define SPOOL_STEP (4u << 20) /* a millisecond or two of the file system's */
int spool_give_back(struct spool *s);
void spool_free(struct spool *s); /* what is on the disk stays */

#endif
