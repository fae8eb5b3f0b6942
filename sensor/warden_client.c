// SPDX-License-Identifier: Apache-2.0
/* The sensor's side of the warden's socket: one question, one answer, under a lock. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
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

static int exchange(int socket, const struct warden_request *q, struct warden_reply *ret)
{
	ssize_t n;

	do
		n = send(socket, q, sizeof *q, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	do
		n = recv(socket, ret, sizeof *ret, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof *ret ? 0 : -EPIPE;
}

int warden_call(struct warden_client *c, const struct warden_request *q, struct warden_reply *ret)
{
	pthread_mutex_lock(&c->lock);
	int r = exchange(c->socket, q, ret);
	pthread_mutex_unlock(&c->lock);
	return r;
}

void warden_client_free(struct warden_client *c)
{
	if (!c)
		return;
	close(c->socket);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
