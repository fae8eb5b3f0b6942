/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports.h: which ports are watched. Given ports, or those that listen on non-loopback addresses (found by
 * sock_diag in the current network namespace, then followed by the kernel half through inet_sock_set_state);
 * sshd's never. While capabilities last, the listening process is found through /proc.
 */
#ifndef PICKET_PORTS_H
#define PICKET_PORTS_H

#include <stdbool.h>
#include <sys/types.h>
#include "bpf/abi.h"
#include "lib/addr.h"
#include "lib/config.h"

struct listener {
	struct endpoint local;
	pid_t pid; /* 0: unknown */
	char comm[16];
	bool loopback; /* bound to a loopback address only */
	bool sshd;
};

/* All listening TCP sockets of this namespace. Free with free(). resolve: look for the process too (slow,
 * /proc). */
int listeners_read(bool resolve, struct listener **ret, size_t *ret_count);
/* The port sets by configuration and listeners. sshd_ports gets up to max ports of sshd (22 if none is seen).
 */
void ports_compute(const struct config *config, const struct listener *listeners, size_t count,
		   struct pk_ports *ret, uint16_t *sshd_ports, unsigned max, unsigned *ret_sshd_count);
int ports_write(int map_fd, const struct pk_ports *ports);
static inline bool ports_watched(const struct pk_ports *p, uint16_t port)
{
	return p->watched[port >> 6] >> (port & 63) & 1;
}

#endif
