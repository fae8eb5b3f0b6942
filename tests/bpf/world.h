/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.h: two network namespaces joined by a veth pair, for tests with real sockets. The process lives in
 * the server's namespace; a socket belongs to the namespace it was made in, so one process plays both sides.
 * Everything goes with the process.
 *
 *     server: pk-s 10.77.0.1/24 fd77::1/64, lo        client: pk-c 10.77.0.2/24 and .3, fd77::2/64 and
 * fd77:0:0:1::2, lo
 */
#ifndef PICKET_TESTS_WORLD_H
#define PICKET_TESTS_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define WORLD_SERVER "pk-s"
#define WORLD_CLIENT "pk-c"

struct world {
	int server_ns, client_ns;
};

/* 0, or -1 where namespaces cannot be made (then errno). */
int world_new(struct world *ret);
void world_free(struct world *w);
/* In which of the two what follows happens. */
void world_enter(const struct world *w, bool client);
/* Runs a command line by the shell, in the namespace at hand. Fails the test if it does. */
void world_run(const char *command);
bool world_try(const char *command); /* true: it ended with 0 */
uint32_t world_netns(int ns_fd);

struct sockaddr_storage world_addr(const char *text, uint16_t port, socklen_t *ret_len);
/* A listening socket in the namespace at hand; port 0: any. */
int world_listen(const char *addr, uint16_t port);
/* A connected client socket of the other namespace, or -errno (10 s at most). from: NULL = any address. */
int world_connect(const struct world *w, const char *from, const char *to, uint16_t port);
/* The same in a time of one's own choice, where it is expected to fail. */
int world_connect_within(const struct world *w, const char *from, const char *to, uint16_t port, int seconds);

/* Until it holds, 10 s at most. */
bool world_until(bool (*holds)(const void *arg), const void *arg);
/* Until a socket has that many bytes to read; until it is in that state (netinet/tcp.h). */
bool world_until_bytes(int fd, int bytes);
bool world_until_state(int fd, unsigned char state);
/* Until no connection of that local port is on its way up or down, in the namespace at hand. */
bool world_until_quiet(uint16_t port);

#endif
