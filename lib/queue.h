/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h: a bounded, counted queue of pointers between threads, any number of writers, one reader. A writer
 * never waits: a full queue refuses and counts. The reader sleeps on an eventfd, so that it can wait for
 * other things beside it.
 *
 * It is full at its capacity, or, where items are of a size that outsiders choose, at a ceiling of bytes.
 */
#ifndef PICKET_QUEUE_H
#define PICKET_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct queue;

enum { QUEUE_E_FULL = 1, QUEUE_E_EMPTY = 2 };

struct queue_counts {
	uint64_t pushed;  /* offered = pushed + refused */
	uint64_t refused; /* full */
	uint64_t popped;
	size_t held; /* pushed - popped, now */
	size_t peak;
	size_t bytes; /* of the items held, as their writers told */
};

int queue_new(size_t capacity, struct queue **ret);
/* No more than max bytes at once, of those that queue_push_sized tells; there is no such ceiling at first. */
void queue_limit_bytes(struct queue *q, size_t max);
/* 0: the queue owns item now. QUEUE_E_FULL: the caller still does; it was counted. */
int queue_push(struct queue *q, void *item);
/* The same for an item that keeps so many bytes alive. Its pop gives them back. */
int queue_push_sized(struct queue *q, void *item, size_t bytes);
/* 0 or QUEUE_E_EMPTY. Never waits. */
int queue_pop(struct queue *q, void **ret_item);
/* Readable while something was pushed since the last queue_pop that answered QUEUE_E_EMPTY. Owned by the
 * queue. */
int queue_fd(const struct queue *q);
struct queue_counts queue_counts(struct queue *q);
/* Items still held go to drop (may be NULL). */
void queue_free(struct queue *q, void (*drop)(void *item));

#endif
