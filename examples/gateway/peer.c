// SPDX-License-Identifier: Apache-2.0
#include "peer.h"
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <openssl/ssl.h>

/* 0: it is over. */
static size_t read_some(struct peer *p, char *into, size_t room)
{
	ssize_t n = p->tls ? SSL_read(p->tls, into, (int)room) : recv(p->fd, into, room, 0);

	return n > 0 ? (size_t)n : 0;
}

bool peer_read_head(struct peer *p)
{
	size_t len = p->more_len;
	char *end;

	free(p->body);
	p->body = NULL;
	memcpy(p->head, p->more, len);
	for (;;) {
		p->head[len] = 0;
		end = strstr(p->head, "\r\n\r\n");
		if (end)
			break;
		size_t n =
			len + 1 < sizeof p->head ? read_some(p, p->head + len, sizeof p->head - 1 - len) : 0;
		if (!n)
			return false;
		len += n;
	}
	end += 4;
	p->more_len = len - (size_t)(end - p->head);
	memcpy(p->more, end, p->more_len);
	*end = 0;
	return true;
}

bool peer_read_body(struct peer *p)
{
	char field[PEER_FIELD_MAX];
	size_t had;

	peer_field(p, "Content-Length", field);
	p->body_len = strtoul(field, NULL, 10);
	if (p->body_len > PEER_BODY_MAX)
		return false;
	p->body = malloc(p->body_len + 1);
	if (!p->body)
		return false;
	had = p->more_len < p->body_len ? p->more_len : p->body_len;
	memcpy(p->body, p->more, had);
	p->more_len -= had;
	memmove(p->more, p->more + had, p->more_len);
	for (size_t n; had < p->body_len; had += n) {
		n = read_some(p, p->body + had, p->body_len - had);
		if (!n)
			return false;
	}
	p->body[p->body_len] = 0;
	return true;
}

void peer_field(const struct peer *p, const char *name, char ret[static PEER_FIELD_MAX])
{
	size_t name_len = strlen(name), len;

	ret[0] = 0;
	for (const char *line = strstr(p->head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
			continue;
		line += name_len + 1;
		line += strspn(line, " \t");
		len = strcspn(line, "\r\n");
		if (len >= PEER_FIELD_MAX)
			len = PEER_FIELD_MAX - 1;
		memcpy(ret, line, len);
		ret[len] = 0;
		return;
	}
}

bool peer_write(struct peer *p, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n =
			p->tls ? SSL_write(p->tls, bytes, (int)len) : send(p->fd, bytes, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

bool peer_wait(struct peer *p, int ms)
{
	struct pollfd gone = {.fd = p->fd, .events = POLLRDHUP};
	long long end = now_ms() + ms, left;

	while ((left = end - now_ms()) > 0)
		if (poll(&gone, 1, (int)left) > 0)
			return false;
	return true;
}

void peer_reset(struct peer *p)
{
	const struct linger at_once = {.l_onoff = 1};

	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void peer_close(struct peer *p)
{
	SSL_free(p->tls);
	close(p->fd);
	free(p->body);
	free(p);
}
