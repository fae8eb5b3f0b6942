// SPDX-License-Identifier: Apache-2.0
#include "lib/queue.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct slot {
	void *item;
	size_t bytes; /* beside the item, which its reader may have freed or changed */
};

struct queue {
	pthread_mutex_t lock;
	size_t capacity, head, held;
	size_t bytes, max_bytes;
	struct queue_counts counts;
	int fd;
	int signalled; /* an eventfd write is outstanding: spare the system call while the reader is awake */
	struct slot slots[];
};

int queue_new(size_t capacity, struct queue **ret)
{
	struct queue *q = calloc(1, sizeof *q + capacity * sizeof q->slots[0]);

	if (!q)
		return -ENOMEM;
	q->capacity = capacity;
	q->max_bytes = SIZE_MAX;
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->fd < 0) {
		int r = -errno;
		free(q);
		return r;
	}
	pthread_mutex_init(&q->lock, NULL);
	*ret = q;
	return 0;
}

void queue_limit_bytes(struct queue *q, size_t max)
{
	pthread_mutex_lock(&q->lock);
	q->max_bytes = max;
	pthread_mutex_unlock(&q->lock);
}

/* Lock held. Written so that no sum can wrap; a ceiling lowered below what is held lets nothing in. */
static int has_room(const struct queue *q, size_t bytes)
{
	return q->held < q->capacity && q->bytes <= q->max_bytes && bytes <= q->max_bytes - q->bytes;
}

int queue_push(struct queue *q, void *item)
{
	return queue_push_sized(q, item, 0);
}

int queue_push_sized(struct queue *q, void *item, size_t bytes)
{
	pthread_mutex_lock(&q->lock);
	if (!has_room(q, bytes)) {
		q->counts.refused++;
		pthread_mutex_unlock(&q->lock);
		return QUEUE_E_FULL;
	}
	q->slots[(q->head + q->held) % q->capacity] = (struct slot){item, bytes};
	q->held++;
	q->bytes += bytes;
	q->counts.pushed++;
	if (q->held > q->counts.peak)
		q->counts.peak = q->held;
	/*
	 * Under the lock: written later, it could come after the reader has seen an empty queue and looked
	 * for the signal; the descriptor would then stay readable with nobody to know why.
	 */
	if (!q->signalled) {
		q->signalled = 1;
		eventfd_write(q->fd, 1);
	}
	pthread_mutex_unlock(&q->lock);
	return 0;
}

int queue_pop(struct queue *q, void **ret_item)
{
	pthread_mutex_lock(&q->lock);
	if (q->held == 0) {
		if (q->signalled) {
			eventfd_t n;
			eventfd_read(q->fd, &n);
			q->signalled = 0;
		}
		pthread_mutex_unlock(&q->lock);
		return QUEUE_E_EMPTY;
	}
	*ret_item = q->slots[q->head].item;
	q->bytes -= q->slots[q->head].bytes;
	q->head = (q->head + 1) % q->capacity;
	q->held--;
	q->counts.popped++;
	pthread_mutex_unlock(&q->lock);
	return 0;
}

int queue_fd(const struct queue *q)
{
	return q->fd;
}

struct queue_counts queue_counts(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	struct queue_counts c = q->counts;
	c.held = q->held;
	c.bytes = q->bytes;
	pthread_mutex_unlock(&q->lock);
	return c;
}

void queue_free(struct queue *q, void (*drop)(void *item))
{
	void *item;

	if (!q)
		return;
	while (queue_pop(q, &item) == 0)
		if (drop)
			drop(item);
	close(q->fd);
	pthread_mutex_destroy(&q->lock);
	free(q);
}
