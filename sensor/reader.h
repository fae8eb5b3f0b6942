/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.h: one reader over both rings, whichever way the kernel half sends (ring buffer, or perf buffers
 * ordered by time). Made after the fork and before capabilities are dropped; afterwards it makes no bpf()
 * call. Never waits for anyone: fn must not block.
 */
#ifndef PICKET_READER_H
#define PICKET_READER_H

#include "bpf/abi.h"
#include "sensor/kernel.h"

struct reader;

struct reader_counts {
	uint64_t requests;  /* records of pk_requests delivered to fn */
	uint64_t headers;   /* records of pk_headers delivered to fn */
	uint64_t perf_lost; /* records the perf buffers reported lost (already counted by the kernel half as
			       lost) */
	uint64_t malformed; /* records whose size or kind did not fit: never handed on */
	uint64_t late; /* perf path: records that came too late to be put in order, handed on all the same */
};

/* rec is valid during the call only and aligned to 8 (perf samples are copied first). */
typedef void (*reader_fn)(void *arg, const struct pk_record *rec);

int reader_new(const struct kernel *k, reader_fn fn, void *arg, struct reader **ret);
/* Waits up to timeout_ms (20 is the design's poll) for records or for wake_fd (-1: none). Records handled, or
 * -errno. */
int reader_poll(struct reader *r, int wake_fd, int timeout_ms);
/* What is there now, without waiting. */
int reader_drain(struct reader *r);
struct reader_counts reader_counts(const struct reader *r); /* safe from other threads */
/* Perf path: bytes of each CPU's buffer, less than configured where less may be locked. Ring path: 0. */
size_t reader_perf_bytes(const struct reader *r);
void reader_free(struct reader *r);

#endif
