// SPDX-License-Identifier: Apache-2.0
#include "sensor/scratch.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "lib/clock.h"
#include "lib/util.h"

#define CLIENT_INTERFACE "pk-scratch1"
#define CARRIER_MS       1000
#define ANSWER           "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"

static uint64_t now_ms(void)
{
	return clock_boot_ns(&clock_system) / NS_PER_MS;
}

/* --- rtnetlink
 * ----------------------------------------------------------------------------------------------------- */

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		char room[512];
	};
};

static void *request_end(struct request *r)
{
	return (char *)r + NLMSG_ALIGN(r->head.nlmsg_len);
}

/* All attributes are ours and small; room is never short. */
static struct rtattr *attribute(struct request *r, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = request_end(r);

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void attribute_close(struct request *r, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)((char *)request_end(r) - (char *)nest);
}

static int transact(struct request *r)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char room[512];
	} answer;
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	r->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(fd, r, r->head.nlmsg_len, 0) < 0)
		return -errno;
	ssize_t n = recv(fd, &answer, sizeof answer, 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < NLMSG_LENGTH(sizeof answer.error) || answer.head.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.error.error;
}

static int veth_make(pid_t peer_namespace)
{
	struct request r = {
		.head =
			{
				.nlmsg_len = NLMSG_LENGTH(sizeof r.link),
				.nlmsg_type = RTM_NEWLINK,
				.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL,
			},
	};
	const struct ifinfomsg peer = {0};
	uint32_t pid = (uint32_t)peer_namespace;

	attribute(&r, IFLA_IFNAME, SCRATCH_INTERFACE, sizeof SCRATCH_INTERFACE);
	struct rtattr *info = attribute(&r, IFLA_LINKINFO, NULL, 0);
	attribute(&r, IFLA_INFO_KIND, "veth", 4);
	struct rtattr *data = attribute(&r, IFLA_INFO_DATA, NULL, 0);
	struct rtattr *other = attribute(&r, VETH_INFO_PEER, &peer, sizeof peer);
	attribute(&r, IFLA_IFNAME, CLIENT_INTERFACE, sizeof CLIENT_INTERFACE);
	attribute(&r, IFLA_NET_NS_PID, &pid, sizeof pid);
	attribute_close(&r, other);
	attribute_close(&r, data);
	attribute_close(&r, info);
	return transact(&r);
}

static int link_up(const char *name)
{
	struct request r = {
		.head = {.nlmsg_len = NLMSG_LENGTH(sizeof r.link), .nlmsg_type = RTM_NEWLINK},
		.link = {.ifi_index = (int)if_nametoindex(name), .ifi_flags = IFF_UP, .ifi_change = IFF_UP},
	};

	return r.link.ifi_index ? transact(&r) : -ENODEV;
}

static int address_add(const char *name, const char *text)
{
	struct request r = {
		.head =
			{
				.nlmsg_len = NLMSG_LENGTH(sizeof r.address),
				.nlmsg_type = RTM_NEWADDR,
				.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL,
			},
		.address = {.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = if_nametoindex(name)},
	};
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		return -EINVAL;
	attribute(&r, IFA_LOCAL, &a, sizeof a);
	attribute(&r, IFA_ADDRESS, &a, sizeof a);
	return transact(&r);
}

/* A packet sent before the carrier is there is lost, and the next comes a second later. */
static int carrier_wait(const char *name)
{
	uint64_t until = now_ms() + CARRIER_MS;
	struct ifreq ifr = {0};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
	for (;;) {
		if (ioctl(fd, SIOCGIFFLAGS, &ifr))
			return -errno;
		if (ifr.ifr_flags & IFF_RUNNING)
			return 0;
		if (now_ms() > until)
			return -ENETDOWN;
		poll(NULL, 0, 2);
	}
}

static int interface_ready(const char *name, const char *address)
{
	int r = address_add(name, address);

	if (!r)
		r = link_up(name);
	return r ? r : link_up("lo");
}

/* --- one request, the client's side
 * --------------------------------------------------------------------------------- */

static int wait_for(int fd, short events, uint64_t until_ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	uint64_t now = now_ms();

	int n = poll(&p, 1, now < until_ms ? (int)(until_ms - now) : 0);
	return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

static int connect_start(const char *address, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)) {
		int r = errno ? -errno : -EINVAL;
		close(fd);
		return r;
	}
	return fd;
}

/* The connection is made and the request is on its way. */
static int request_send(int fd, const char *target, uint64_t until_ms)
{
	char text[256];
	int error = 0;
	socklen_t len = sizeof error;

	int r = wait_for(fd, POLLOUT, until_ms);
	if (r)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	if (error)
		return -error;
	int n = snprintf(text, sizeof text,
			 "GET %s HTTP/1.1\r\nHost: picket.invalid\r\nUser-Agent: picket-doctor\r\n\r\n",
			 target);
	if (n >= (int)sizeof text)
		return -E2BIG;
	return send(fd, text, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EIO;
}

static int answer_read(int fd, uint64_t until_ms)
{
	char text[SCRATCH_ANSWER_MAX];

	int r = wait_for(fd, POLLIN, until_ms);
	if (r)
		return r;
	ssize_t n = recv(fd, text, sizeof text, 0);
	return n < 0 ? -errno : n >= 12 && memcmp(text, "HTTP/1.1 200", 12) == 0 ? 0 : -EPROTO;
}

/* --- the client's process
 * ------------------------------------------------------------------------------------------- */

struct order {
	char target[192]; /* "": bring the interface up */
	uint64_t until_ms;
};

static int order_do(const struct order *o)
{
	if (!o->target[0])
		return interface_ready(CLIENT_INTERFACE, SCRATCH_CLIENT);
	_cleanup_close_ int fd = connect_start(SCRATCH_SERVER, SCRATCH_PORT);
	if (fd < 0)
		return fd;
	int r = request_send(fd, o->target, o->until_ms);
	return r ? r : answer_read(fd, o->until_ms);
}

static int client_main(int fd, pid_t parent)
{
	struct order o;
	int32_t result;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return 1;
	result = unshare(CLONE_NEWNET) ? -errno : 0;
	if (send(fd, &result, sizeof result, MSG_NOSIGNAL) < 0 || result)
		return 1;
	while (recv(fd, &o, sizeof o, 0) == (ssize_t)sizeof o) {
		result = order_do(&o);
		if (send(fd, &result, sizeof result, MSG_NOSIGNAL) < 0)
			return 1;
	}
	return 0;
}

static int order_send(struct scratch *s, const char *target, uint64_t until_ms)
{
	struct order o;

	memset(&o, 0, sizeof o);
	snprintf(o.target, sizeof o.target, "%s", target);
	o.until_ms = until_ms;
	return send(s->socket, &o, sizeof o, MSG_NOSIGNAL) == (ssize_t)sizeof o ? 0 : -EPIPE;
}

static int order_result(struct scratch *s)
{
	int32_t result;

	return recv(s->socket, &result, sizeof result, 0) == (ssize_t)sizeof result ? result : -EPIPE;
}

static int client_start(struct scratch *s)
{
	pid_t parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	s->client = fork();
	if (s->client == 0) {
		close(pair[0]);
		close(s->listener);
		_exit(client_main(pair[1], parent));
	}
	int r = s->client < 0 ? -errno : 0;
	close(pair[1]);
	s->socket = pair[0];
	return r ? r : order_result(s);
}

/* --- the server's side
 * ---------------------------------------------------------------------------------------------- */

static int listen_on(const char *address, uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (inet_pton(AF_INET, address, &at.sin_addr) != 1 || bind(fd, (struct sockaddr *)&at, sizeof at) ||
	    listen(fd, 16) || getsockname(fd, (struct sockaddr *)&at, &len)) {
		int r = errno ? -errno : -EINVAL;
		close(fd);
		return r;
	}
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static int serve_one(int listener, uint64_t until_ms)
{
	char text[1024];
	size_t have = 0;

	int r = wait_for(listener, POLLIN, until_ms);
	if (r)
		return r;
	_cleanup_close_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (!memmem(text, have, "\r\n\r\n", 4)) {
		r = have == sizeof text ? -E2BIG : wait_for(fd, POLLIN, until_ms);
		if (r)
			return r;
		ssize_t n = recv(fd, text + have, sizeof text - have, 0);
		if (n <= 0)
			return n ? -errno : -ECONNRESET;
		have += (size_t)n;
	}
	return send(fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) == (ssize_t)sizeof ANSWER - 1 ? 0 : -EIO;
}

int scratch_request_veth(struct scratch *s, const char *target, unsigned timeout_ms)
{
	uint64_t until = now_ms() + timeout_ms;

	int r = order_send(s, target, until);
	if (r)
		return r;
	int served = serve_one(s->listener, until);
	r = order_result(s);
	return r ? r : served;
}

int scratch_request_loopback(struct scratch *s, const char *target, unsigned timeout_ms)
{
	uint64_t until = now_ms() + timeout_ms;
	_cleanup_close_ int fd = connect_start("127.0.0.1", s->port);

	if (fd < 0)
		return fd;
	int r = request_send(fd, target, until);
	if (!r)
		r = serve_one(s->listener, until);
	return r ? r : answer_read(fd, until);
}

/* --- enter, leave
 * --------------------------------------------------------------------------------------------------- */

static int namespace_inode(uint32_t *ret)
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st))
		return -errno;
	*ret = (uint32_t)st.st_ino;
	return 0;
}

static int stage_build(struct scratch *s)
{
	int r = client_start(s);

	if (r)
		return r;
	r = veth_make(s->client);
	if (r)
		return SCRATCH_E_VETH;
	r = interface_ready(SCRATCH_INTERFACE, SCRATCH_SERVER);
	if (!r)
		r = order_send(s, "", 0);
	if (!r)
		r = order_result(s);
	return r ? r : carrier_wait(SCRATCH_INTERFACE);
}

int scratch_enter(struct scratch *ret)
{
	struct scratch s = {.socket = -1, .listener = -1};
	bool own = unshare(CLONE_NEWNET) == 0;
	int r = own ? link_up("lo") : 0;

	if (!r)
		r = namespace_inode(&s.netns);
	if (!r) {
		s.listener = own ? listen_on("0.0.0.0", SCRATCH_PORT, &s.port)
				 : listen_on("127.0.0.1", 0, &s.port);
		r = s.listener < 0 ? s.listener : 0;
	}
	if (!r)
		r = own ? stage_build(&s) : SCRATCH_E_NAMESPACE;
	if (r < 0)
		scratch_leave(&s);
	else
		*ret = s;
	return r;
}

void scratch_leave(struct scratch *s)
{
	if (s->listener >= 0)
		close(s->listener);
	if (s->socket >= 0)
		close(s->socket);
	s->listener = s->socket = -1;
	if (s->client > 0) {
		kill(s->client, SIGKILL);
		waitpid(s->client, NULL, 0);
	}
	s->client = 0;
}
