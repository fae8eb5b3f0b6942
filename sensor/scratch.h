/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.h: a scratch stage of two network namespaces joined by a veth pair, for proving by doing. The
 * calling process moves into the server's namespace; a child of it holds the client's. Neither has a name:
 * both vanish with their processes, however these end. Made by rtnetlink, so that no program of the host is
 * needed.
 *
 * For a process forked for the purpose: it does not come back from where it went.
 */
#ifndef PICKET_SCRATCH_H
#define PICKET_SCRATCH_H

#include <stdint.h>
#include <sys/types.h>

#define SCRATCH_INTERFACE  "pk-scratch0"
#define SCRATCH_SERVER     "192.0.2.1" /* RFC 5737: used by nobody */
#define SCRATCH_CLIENT     "192.0.2.2"
#define SCRATCH_PORT       8080
#define SCRATCH_ANSWER_MAX 4096

enum {
	SCRATCH_E_NAMESPACE = 1, /* a namespace may not be made here */
	SCRATCH_E_VETH = 2,      /* the namespace is there (with loopback), a veth pair is not to be had */
};

struct scratch {
	pid_t client;
	int socket;     /* to the client */
	int listener;   /* in the calling process's namespace */
	uint16_t port;  /* where it listens */
	uint32_t netns; /* inode number of the server's namespace */
};

/* 0, SCRATCH_E_*, or -errno. With SCRATCH_E_NAMESPACE the process is where it was and listens on loopback
 * alone. */
int scratch_enter(struct scratch *ret);

/*
 * One request, "GET TARGET", served by the calling process. Over the veth the client's process sends it, from
 * its namespace; over loopback this process does. Returns 0: answered; -ETIMEDOUT: no connection or no answer
 * within timeout_ms; or another -errno.
 */
int scratch_request_veth(struct scratch *s, const char *target, unsigned timeout_ms);
int scratch_request_loopback(struct scratch *s, const char *target, unsigned timeout_ms);

void scratch_leave(struct scratch *s); /* ends the client */

#endif
