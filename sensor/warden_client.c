// SPDX-License-Identifier: Apache-2.0
/* The sensor's side of the warden's socket: one question, one answer, under a lock. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "lib/file_io.h"
#include "lib/util.h"
#include "sensor/passage.h"
#include "sensor/warden.h"

struct warden_client {
	pthread_mutex_t lock;
	int socket;
};

int warden_client_new(int socket, struct warden_client **ret)
{
	struct warden_client *c = calloc(1, sizeof *c);

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	c->socket = socket;
	*ret = c;
	return 0;
}

static int answer_receive(int socket, uint32_t op, struct warden_reply *ret, int *ret_fd)
{
	ssize_t n = passage_receive(socket, ret, sizeof *ret, ret_fd, 0);

	return n < 0 ? (int)n : n == (ssize_t)warden_reply_size(op) ? 0 : -EPIPE;
}

/* A message, and perhaps a descriptor beside it. */
static int exchange(struct warden_client *c, const struct warden_request *q, int fd, struct warden_reply *ret,
		    int *ret_fd)
{
	pthread_mutex_lock(&c->lock);
	int r = passage_send(c->socket, q, sizeof *q, fd, 0);
	if (!r)
		r = answer_receive(c->socket, q->op, ret, ret_fd);
	pthread_mutex_unlock(&c->lock);
	return r;
}

int warden_call(struct warden_client *c, const struct warden_request *q, struct warden_reply *ret)
{
	_cleanup_close_ int none = -1;

	return exchange(c, q, -1, ret, &none);
}

static int ask_for_descriptor(struct warden_client *c, const struct warden_request *q,
			      struct warden_reply *ret, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	int r = exchange(c, q, -1, ret, &fd);

	if (r || ret->result)
		return r;
	if (fd < 0)
		return -EPIPE;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int warden_open_list(struct warden_client *c, uint32_t index, struct warden_reply *ret, int *ret_fd)
{
	const struct warden_request q = {.op = WARDEN_LIST_OPEN, .index = index};

	return ask_for_descriptor(c, &q, ret, ret_fd);
}

int warden_open_opinion(struct warden_client *c, struct warden_reply *ret, int *ret_fd)
{
	const struct warden_request q = {.op = WARDEN_OPINION};

	return ask_for_descriptor(c, &q, ret, ret_fd);
}

/* A descriptor of the wishes that nobody can change any more, or -errno. */
static int wishes_seal(const struct warden_batch_head *head, const struct warden_wish *wishes)
{
	int fd = memfd_create("wishes", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	int r = file_write(fd, (struct span){(const char *)head, sizeof *head});
	if (!r)
		r = file_write(fd, (struct span){(const char *)wishes, head->count * sizeof *wishes});
	if (!r && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
		r = -errno;
	if (!r)
		return fd;
	close(fd);
	return r;
}

int warden_batch_send(struct warden_client *c, const struct warden_batch_head *head,
		      const struct warden_wish *wishes)
{
	const struct warden_request q = {.op = WARDEN_BATCH};
	int fd = wishes_seal(head, wishes);

	if (fd < 0)
		return fd;
	pthread_mutex_lock(&c->lock);
	int r = passage_send(c->socket, &q, sizeof q, fd, 0);
	if (r)
		pthread_mutex_unlock(&c->lock);
	close(fd);
	return r;
}

int warden_batch_receive(struct warden_client *c, struct warden_reply *ret)
{
	_cleanup_close_ int none = -1;
	int r = answer_receive(c->socket, WARDEN_BATCH, ret, &none);

	pthread_mutex_unlock(&c->lock);
	return r;
}

int warden_batch(struct warden_client *c, const struct warden_batch_head *head,
		 const struct warden_wish *wishes, struct warden_reply *ret)
{
	int r = warden_batch_send(c, head, wishes);

	return r ? r : warden_batch_receive(c, ret);
}

void warden_client_free(struct warden_client *c)
{
	if (!c)
		return;
	close(c->socket);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
