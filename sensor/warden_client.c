// SPDX-License-Identifier: Apache-2.0
/* The sensor's side of the warden's socket: one question, one answer, under a lock. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "lib/util.h"
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
union passage {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int question_send(int socket, const struct warden_request *q, int fd)
{
	union passage passage = {.bytes = {0}};
	struct iovec part = {(void *)q, sizeof *q};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n;

	if (fd >= 0) {
		m.msg_control = passage.bytes;
		m.msg_controllen = sizeof passage.bytes;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	do
		n = sendmsg(socket, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* *ret_fd: -1 if none came. */
static int answer_receive(int socket, struct warden_reply *ret, int *ret_fd)
{
	union passage passage = {.bytes = {0}};
	struct iovec part = {ret, sizeof *ret};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = passage.bytes,
			   .msg_controllen = sizeof passage.bytes};
	ssize_t n;

	*ret_fd = -1;
	do
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
	return n == (ssize_t)sizeof *ret ? 0 : -EPIPE;
}

static int exchange(struct warden_client *c, const struct warden_request *q, int fd, struct warden_reply *ret,
		    int *ret_fd)
{
	pthread_mutex_lock(&c->lock);
	int r = question_send(c->socket, q, fd);
	if (!r)
		r = answer_receive(c->socket, ret, ret_fd);
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

static int write_all(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
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
	int r = write_all(fd, head, sizeof *head);
	if (!r)
		r = write_all(fd, wishes, head->count * sizeof *wishes);
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
