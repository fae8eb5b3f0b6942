/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock_diag.h: the kernel's list of TCP sockets, by netlink (sock_diag(7)), in the caller's network
 * namespace. Listing needs no right; closing needs CAP_NET_ADMIN, and a kernel with CONFIG_INET_DIAG_DESTROY.
 */
#ifndef PICKET_SOCK_DIAG_H
#define PICKET_SOCK_DIAG_H

#include <linux/inet_diag.h>
#include "lib/addr.h"

struct sock_diag_filter {
	uint32_t states;           /* 1 << TCP_ESTABLISHED | ... */
	uint16_t local_port;       /* 0: any */
	const struct prefix *peer; /* NULL: any; an IPv4 one also finds mapped peers of IPv6 sockets */
};

/* Return 0 to go on; anything else ends the walk and is its result. */
typedef int (*sock_diag_fn)(void *arg, const struct inet_diag_msg *m);

/* 0, what each returned, or -errno. An answer that does not come is -EAGAIN after 200 ms. */
int sock_diag_each(const struct sock_diag_filter *f, sock_diag_fn each, void *arg);
/* Ends a connection: its owner gets ECONNABORTED, its peer a reset. 0; -ENOENT: it is gone; -errno. */
int sock_diag_close(const struct inet_diag_sockid *id, uint8_t family);

#endif
