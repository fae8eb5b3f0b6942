/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spooler.h: the thread that keeps a gateway's spool (spool.h), so that nobody who forwards waits for a disk.
 * Batches given to it come back when they are safe, or could not be written; what waits on the disk is read
 * ahead by one. All but spooler_counts is called by one thread, the judge's.
 *
 * What waits for the thread is bounded by what its callers hold: a batch and one word of its end each.
 */
#ifndef PICKET_SPOOLER_H
#define PICKET_SPOOLER_H

#include "forwarder/spool.h"
#include "forwarder/spool_mark.h"
#include "lib/clock.h"

struct spooler;

struct spooler_options {
	int fds[SPOOL_SEGMENTS]; /* taken over */
	int mark_fd;             /* likewise */
	uint64_t bytes_max;
	enum config_spool_full full;
	const struct clock *clock;
	const char *run;         /* event_run_id of this process */
	void (*wake)(void *arg); /* something came back; called by the thread */
	void *arg;
};

struct spooler_counts {
	struct spool_counts spool;
	uint64_t written; /* batches that were safe */
	uint64_t failed;  /* ... that could not be written, each time that was tried */
	uint64_t syncs;
	uint64_t sync_ns; /* all of them together */
	int error;        /* -errno of what failed last; 0: the last write was good */
	bool recovered;   /* what an earlier process left has been read */
	bool behind;      /* marks cannot be written */
};

/* What an earlier process may have seen and not kept. */
struct spooler_gap {
	bool known;
	char run[SPOOL_MARK_RUN_MAX];
	uint64_t seen_wall_ns;
};

/* Starts the thread. -errno: the descriptors are closed. */
int spooler_new(const struct spooler_options *options, struct spooler **ret);
/* 0 or -ENOMEM. b is not to be changed or freed until spooler_take gave it back. */
int spooler_put(struct spooler *s, struct batch *b);
/* One that came back: KEPT at its place, or REFUSED. NULL: none now. */
struct batch *spooler_take(struct spooler *s);
/* As spool_wait and spool_ack. Without memory it is sent again after a restart. */
void spooler_wait(struct spooler *s, struct spool_place place, uint32_t events);
void spooler_ack(struct spooler *s, struct spool_place place);
/* The oldest that waits, KEPT; the caller's. NULL: none, or it is still being read: wake tells. */
struct batch *spooler_next(struct spooler *s);
/* All that was handed over before this time (wall clock) is kept, delivered or counted. */
void spooler_seen(struct spooler *s, uint64_t wall_ns);
void spooler_counts(struct spooler *s, struct spooler_counts *ret);
/* After counts say `recovered`. */
void spooler_gap(struct spooler *s, struct spooler_gap *ret);
/* Ends the thread when all that was given to it is done; clean: the process ends in order. Batches that did
 * not come back yet are freed. */
void spooler_free(struct spooler *s, bool clean);

#endif
