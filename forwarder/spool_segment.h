/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool_segment.h: one file of the spool: batches that were written, and which of them are done with. Only
 * appended to, until it is emptied as a whole.
 *
 *     0                      head: magic, version, generation, checksum
 *     512                    acks: 4 bytes each, the number of a record that is done with and its complement;
 *                            0 = none yet
 *     512 + 4 * RECORDS_MAX  records, each at a multiple of 512: a head (magic, checksums of itself and of
 * the content, length, events, number, generation, batch id), then the batch's JSON
 *
 * Numbers are in the order of this machine's bytes. A record never shares a sector with another, so that one
 * which a power cut tore is the last alone; lost acks have a batch sent twice, under the same id. Of what is
 * damaged the next record that is whole is looked for, and the damage counted.
 *
 * Not thread safe. Files are opened by the caller, before there is no right to open any.
 */
#ifndef PICKET_SPOOL_SEGMENT_H
#define PICKET_SPOOL_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>
#include "forwarder/batch.h"
#include "lib/span.h"

#define SPOOL_SECTOR      512u
#define SPOOL_RECORDS_MAX 65536u /* in a segment */
#define SPOOL_RECORDS_AT  (SPOOL_SECTOR + 4 * SPOOL_RECORDS_MAX)

enum spool_record_state {
	SPOOL_DONE = 0, /* acknowledged, refused for good, or damaged */
	SPOOL_LIVE,     /* somebody has it in memory as well */
	SPOOL_WAITING,  /* it is here alone */
};

struct spool_record {
	uint32_t sector; /* its place, in sectors */
	uint32_t events;
	uint32_t wall_s; /* when it was written, since 1970 */
	uint8_t state;   /* enum spool_record_state */
};

struct spool_segment {
	int fd;
	uint64_t generation; /* rising from segment to segment; 0 = empty */
	uint64_t end;        /* where the next record goes */
	struct spool_record *records;
	uint32_t count, size; /* of records; allocated */
	uint32_t held;        /* records that are not done with */
	uint32_t first_held;  /* all before it are done with */
	uint32_t acks;        /* written */
};

struct spool_damage {
	uint64_t places; /* where something could not be read */
	uint64_t bytes;  /* passed over */
};

enum {
	SPOOL_E_EMPTY = 1,   /* the file holds no segment */
	SPOOL_E_FULL = 2,    /* the segment takes no more */
	SPOOL_E_DAMAGED = 3, /* the record is not what was written */
};

void spool_segment_init(struct spool_segment *s, int fd); /* takes fd; -1: none */
/* Reads what is there; records that are not done with become WAITING. 0, SPOOL_E_EMPTY, -errno. */
int spool_segment_recover(struct spool_segment *s, struct spool_damage *damage);
/* The file must be empty (spool_segment_empty). 0 or -errno. */
int spool_segment_begin(struct spool_segment *s, uint64_t generation);
/*
 * Writes a batch behind the others; it is safe once the file is synced. bytes_max: how large the file may
 * grow. 0 and its number, SPOOL_E_FULL, -errno: nothing changed.
 */
int spool_segment_append(struct spool_segment *s, const struct batch *b, uint64_t wall_ns, uint64_t bytes_max,
			 uint32_t *ret_number);
/* The batch of a record, sealed; its opened_ns is 0. 0, SPOOL_E_DAMAGED, -errno. */
int spool_segment_read(const struct spool_segment *s, uint32_t number, struct batch **ret);
/* Marks it as done with, here and in the file. 0 or -errno: the file does not know. */
int spool_segment_ack(struct spool_segment *s, uint32_t number);
int spool_segment_sync(const struct spool_segment *s); /* 0 or -errno */
/* Nothing of it is needed any more. 0 or -errno: the file is as it was. */
int spool_segment_empty(struct spool_segment *s);
/*
 * Likewise, and it is done with: gives back the space of its last records, bytes or a little more, and at the
 * end empties it. For a file system takes its time for a large file: 0.1 s for 300 MB on ext4, in which a
 * batch waits. 0 or -errno.
 */
int spool_segment_shrink(struct spool_segment *s, uint64_t bytes);
void spool_segment_free(struct spool_segment *s); /* closes the file */

#endif
