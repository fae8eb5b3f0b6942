/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passage.h: one message over a local socket that keeps messages apart (SOCK_SEQPACKET), with at most one
 * descriptor (unix(7), SCM_RIGHTS).
 */
#ifndef PICKET_PASSAGE_H
#define PICKET_PASSAGE_H

#include <stddef.h>
#include <sys/types.h>

/* fd: stays the caller's; -1: none goes along. flags: of sendmsg; MSG_NOSIGNAL is added. 0 or -errno. */
int passage_send(int socket, const void *message, size_t len, int fd, int flags);

/*
 * Bytes of the message (with MSG_TRUNC in flags, its whole length, also beyond len), 0 at the end, or -errno.
 * *ret_fd: the descriptor, the caller's and closed on exec, or -1. The kernel closes what else was sent.
 */
ssize_t passage_receive(int socket, void *ret_message, size_t len, int *ret_fd, int flags);

#endif
