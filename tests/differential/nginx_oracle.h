/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nginx_oracle.h: what a live nginx makes of the bytes of one connection. It runs in a network namespace of
 * its own; each input comes from an address of its own (127/8), by which its access log is read.
 */
#ifndef PICKET_TESTS_NGINX_ORACLE_H
#define PICKET_TESTS_NGINX_ORACLE_H

#include "lib/buffer.h"

#define NGINX_ANSWERS_MAX 16

struct nginx_answer {
	char line[1024]; /* the request line as it logged it, bytes as they were; cut there if longer */
	size_t line_len;
	int status; /* as logged */
};

struct nginx_answers {
	struct nginx_answer list[NGINX_ANSWERS_MAX];
	unsigned count;
	unsigned on_wire; /* status lines that the client got; an HTTP/0.9 answer has none */
	bool closes;      /* the last answer with a head said that the connection closes */
};

struct nginx;
/* 0, -errno, or 1 where it cannot be tried here: *ret_why says why. */
int nginx_new(struct nginx **ret, const char **ret_why);
void nginx_free(struct nginx *n);
/* Sends each of count inputs on a connection of its own, all at a time; then the clients' ends are closed. 0
 * or -errno. */
int nginx_ask(struct nginx *n, const struct span *inputs, struct nginx_answers *ret, unsigned count);

#endif
