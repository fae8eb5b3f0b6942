// SPDX-License-Identifier: Apache-2.0
#include "sensor/passage.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Room for one descriptor. */
union passage {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int passage_send(int socket, const void *message, size_t len, int fd, int flags)
{
	union passage passage = {.bytes = {0}};
	struct iovec part = {(void *)message, len};
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
		n = sendmsg(socket, &m, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

ssize_t passage_receive(int socket, void *ret_message, size_t len, int *ret_fd, int flags)
{
	union passage passage = {.bytes = {0}};
	struct iovec part = {ret_message, len};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = passage.bytes,
			   .msg_controllen = sizeof passage.bytes};
	ssize_t n;

	*ret_fd = -1;
	do
		n = recvmsg(socket, &m, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof *ret_fd))
		memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
	return n;
}
