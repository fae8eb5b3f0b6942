// SPDX-License-Identifier: Apache-2.0
#include "lib/sock_diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "lib/util.h"

/* A filter of one condition, as the kernel's inet_diag_bc_run reads it: on to the end, or beyond it. */
struct condition {
	struct inet_diag_bc_op op;
	struct host { /* struct inet_diag_hostcond, whose address has no length of its own */
		uint8_t family, prefix_len;
		int port;
	} host;
	uint8_t addr[16];
};
_Static_assert(sizeof(struct host) == sizeof(struct inet_diag_hostcond), "the kernel's");

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
	struct nlattr filter;
	struct condition condition;
};

static int diag_open(void)
{
	struct timeval patience = {.tv_usec = 200000};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	return fd;
}

static void question_peer(struct question *q, const struct prefix *peer)
{
	size_t addr = peer->addr.family == ADDR_IPV4 ? 4 : 16;
	size_t size = sizeof q->condition.op + sizeof q->condition.host + addr;

	q->condition.op = (struct inet_diag_bc_op){
		.code = INET_DIAG_BC_D_COND, .yes = (unsigned char)size, .no = (unsigned short)(size + 4)};
	q->condition.host = (struct host){
		.family = peer->addr.family == ADDR_IPV4 ? AF_INET : AF_INET6,
		.prefix_len = peer->bits,
		.port = -1,
	};
	memcpy(q->condition.addr, peer->addr.bytes, addr);
	q->filter.nla_type = INET_DIAG_REQ_BYTECODE;
	q->filter.nla_len = (uint16_t)(sizeof q->filter + size);
	q->head.nlmsg_len = (uint32_t)(offsetof(struct question, condition) + size);
}

static int ask(int fd, int family, const struct sock_diag_filter *f)
{
	struct question q = {
		.head = {.nlmsg_len = offsetof(struct question, filter),
			 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.body = {.sdiag_family = (uint8_t)family,
			 .sdiag_protocol = IPPROTO_TCP,
			 .idiag_states = f->states,
			 .id = {.idiag_sport = htons(f->local_port)}},
	};

	if (f->peer)
		question_peer(&q, f->peer);
	return send(fd, &q, q.head.nlmsg_len, 0) == (ssize_t)q.head.nlmsg_len ? 0 : -errno;
}

static int message(const struct nlmsghdr *h, sock_diag_fn each, void *arg)
{
	struct inet_diag_msg m;

	if (h->nlmsg_type == NLMSG_ERROR && h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof m))
		return 0;
	memcpy(&m, NLMSG_DATA(h), sizeof m);
	return each(arg, &m);
}

/* Reads one dump to its end. */
static int answer(int fd, sock_diag_fn each, void *arg)
{
	union {
		struct nlmsghdr head;
		char bytes[32768];
	} buf;

	for (;;) {
		ssize_t n = recv(fd, &buf, sizeof buf, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		size_t left = (size_t)n;
		for (const struct nlmsghdr *h = &buf.head; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			int r = message(h, each, arg);
			if (r)
				return r;
		}
	}
}

int sock_diag_each(const struct sock_diag_filter *f, sock_diag_fn each, void *arg)
{
	static const int families[] = {AF_INET, AF_INET6};
	_cleanup_close_ int fd = diag_open();
	int r = fd < 0 ? fd : 0;

	for (size_t i = 0; i < ARRAY_SIZE(families) && !r; i++) {
		/* No IPv4 socket has a peer that is not IPv4. */
		if (f->peer && f->peer->addr.family == ADDR_IPV6 && families[i] == AF_INET)
			continue;
		r = ask(fd, families[i], f);
		if (!r)
			r = answer(fd, each, arg);
	}
	return r;
}

int sock_diag_close(const struct inet_diag_sockid *id, uint8_t family)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 body;
	} q = {
		.head = {.nlmsg_len = sizeof q,
			 .nlmsg_type = SOCK_DESTROY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.body = {.sdiag_family = family,
			 .sdiag_protocol = IPPROTO_TCP,
			 .idiag_states = UINT32_MAX,
			 .id = *id},
	};
	union {
		struct nlmsghdr head;
		char bytes[NLMSG_SPACE(sizeof(struct nlmsgerr)) + sizeof q];
	} buf;
	_cleanup_close_ int fd = diag_open();

	if (fd < 0)
		return fd;
	if (send(fd, &q, sizeof q, 0) != (ssize_t)sizeof q)
		return -errno;
	ssize_t n = recv(fd, &buf, sizeof buf, 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < NLMSG_LENGTH(sizeof(struct nlmsgerr)) || buf.head.nlmsg_type != NLMSG_ERROR)
		return -EIO;
	return ((const struct nlmsgerr *)NLMSG_DATA(&buf.head))->error;
}
