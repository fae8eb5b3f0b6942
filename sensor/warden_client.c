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

/* A message, and perhaps a descriptor beside it. */
static int exchange(struct warden_client *c, const struct warden_request *q, int fd, struct warden_reply *ret,
		    int *ret_fd)
{
	pthread_mutex_lock(&c->lock);
	int r = passage_send(c->socket, q, sizeof *q, fd, 0);
	if (!r) {
		ssize_t n = passage_receive(c->socket, ret, sizeof *ret, ret_fd, 0);
		r = n < 0 ? (int)n : n == (ssize_t)sizeof *ret ? 0 : -EPIPE;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

int warden_call(struct warden_client *c, const struct warden_request *q, struct warden_reply *ret)
{
	_cleanup_close_ int none = -1;

	return exchange(c, q, -1, ret, &none);
}

int warden_open_list(struct warden_client *c, uint32_t index, struct warden_reply *ret, int *ret_fd)
{
	const struct warden_request q = {.op = WARDEN_LIST_OPEN, .index = index};
	_cleanup_close_ int fd = -1;
	int r = exchange(c, &q, -1, ret, &fd);

	if (r || ret->result)
		return r;
	if (fd < 0)
		return -EPIPE;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int warden_batch(struct warden_client *c, const struct warden_batch_head *head,
		 const struct warden_wish *wishes, struct warden_reply *ret)
{
	const struct warden_request q = {.op = WARDEN_BATCH};
	_cleanup_close_ int none = -1;
	_cleanup_close_ int fd = memfd_create("wishes", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	int r = file_write(fd, (struct span){(const char *)head, sizeof *head});
	if (!r)
		r = file_write(fd, (struct span){(const char *)wishes, head->count * sizeof *wishes});
	if (!r && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
		r = -errno;
	return r ? r : exchange(c, &q, fd, ret, &none);
}

void warden_client_free(struct warden_client *c)
{
	if (!c)
		return;
	close(c->socket);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
